"""Digits to a valid E.164 number: what phonenumbers' parse, is_valid_number and format_number say, several times faster.

Same metadata, same order of steps; its patterns are compiled once a region and told by length. The library's own
functions look each pattern up anew and try every kind of number twice. tests/test_e164.py compares both over many
countries, so a new release of the library that thinks differently is found there.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import phonenumbers

_NSN = range(2, 18)  # digits a national number may have
_LONGEST_CODE = 3
_WORLD = "001"  # the library's region of numbers of no country
_KINDS = (  # the most usual first: only whether one fits matters
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "pager", "uan",
    "voicemail",
)  # fmt: skip

Fits = Callable[[str], object]


class Region(NamedTuple):
    code: str  # calling code
    idd: Fits | None  # matches what is dialled before a foreign number
    prefix: re.Pattern[str] | None  # national prefix, perhaps with a carrier's code
    rule: str | None  # what some numbers become without their prefix
    general: Fits
    lengths: frozenset[int]  # of a whole national number
    local: frozenset[int]  # that work within an area only
    longest: int
    kinds: dict[int, tuple[Fits, ...]]  # by length: a number is valid if one of these fits
    leading: Fits | None  # how a region begins that shares its calling code


def valid(keys: str, region: str | None) -> str | None:
    """The E.164 number for digits, perhaps after a +, as dialled in a region; None if they are not a valid number.
    `region`: ISO 3166, None = only a number with + can be read."""
    home = _region(region, 0) if region is not None else None
    if keys[0] == "+":
        rest = keys[1:]
        if not _calling_code(rest) and len(rest) > 2:
            return by_library(keys, region)  # it has another look without the +
    elif home is None:
        return None
    else:
        found = home.idd(keys) if home.idd is not None else None
        end = found.end() if found else 0  # type: ignore[attr-defined]
        if not found or keys[end : end + 1] == "0":
            code, rest = _without_own_code(home, keys)
            return _whole(home if not code else _main(code), rest)
        rest = keys[end:]
    code = _calling_code(rest)
    return _whole(_main(code), rest[len(code) :]) if code and len(rest) > 2 else None


def by_library(keys: str, region: str | None) -> str | None:
    """The same by the library itself."""
    try:
        number = phonenumbers.parse(keys, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    text: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return text


def _whole(region: Region, digits: str) -> str | None:
    if len(digits) < _NSN.start:
        return None
    without = _without_prefix(region, digits)
    if len(without) in region.lengths and len(without) not in region.local:
        digits = without
    for place in _places(region.code):
        if place.leading is None:
            if _known(place, digits):
                return f"+{region.code}{digits}"
        elif place.leading(digits):
            return f"+{region.code}{digits}" if _known(place, digits) else None
    return None


def _known(region: Region, digits: str) -> bool:
    for fits in region.kinds.get(len(digits), ()):
        if fits(digits):
            return region.general(digits) is not None
    return False


def _without_own_code(home: Region, keys: str) -> tuple[str, str]:
    """(calling code, rest) of a number dialled with its own country's code and no prefix; ("", keys) if it is none."""
    if keys.startswith(home.code):
        rest = _without_prefix(home, keys[len(home.code) :])
        too_long = len(keys) > home.longest and len(keys) not in home.local
        if too_long or (not home.general(keys) and home.general(rest)):
            return home.code, rest
    return "", keys


def _without_prefix(region: Region, digits: str) -> str:
    """Digits without the national prefix, unless they are a number only with it."""
    found = region.prefix.match(digits) if region.prefix is not None else None
    if not found or not digits:
        return digits
    if region.rule and found.groups()[-1] is not None:
        rest = found.re.sub(region.rule, digits, count=1)
    else:
        rest = digits[found.end() :]
    return digits if region.general(digits) and not region.general(rest) else rest


def _calling_code(digits: str) -> str:
    for size in range(1, _LONGEST_CODE + 1):
        if (
            digits[:1] != "0"
            and len(digits) >= size
            and int(digits[:size]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
        ):
            return digits[:size]
    return ""


@lru_cache(maxsize=512)
def _main(code: str) -> Region:
    """The region whose rules a calling code goes by."""
    found = _region(phonenumbers.region_code_for_country_code(int(code)), int(code))
    assert found is not None
    return found


@lru_cache(maxsize=512)
def _places(code: str) -> tuple[Region, ...]:
    """All regions of a calling code in the library's order; of one alone it does not ask how it begins."""
    names = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]
    found = [region for name in names if (region := _region(name, int(code))) is not None]
    return tuple(found) if len(names) > 1 else tuple(region._replace(leading=None) for region in found)


@lru_cache(maxsize=512)
def _region(name: str, code: int) -> Region | None:
    """A region's rules; `code` only matters for the world's."""
    meta: Any = (
        phonenumbers.PhoneMetadata.metadata_for_nongeo_region(code, None)
        if name == _WORLD
        else phonenumbers.PhoneMetadata.metadata_for_region(name, None)
    )
    if meta is None:
        return None
    general = meta.general_desc
    lengths = frozenset(general.possible_length)
    return Region(
        code=str(meta.country_code),
        idd=re.compile(meta.international_prefix).match if meta.international_prefix is not None else None,
        prefix=re.compile(meta.national_prefix_for_parsing) if meta.national_prefix_for_parsing else None,
        rule=meta.national_prefix_transform_rule,
        general=_fits(general.national_number_pattern) or _never,
        lengths=lengths,
        local=frozenset(general.possible_length_local_only),
        longest=max(lengths, default=0),
        kinds={size: _kinds(meta, size) for size in _NSN if not lengths or size in lengths},
        leading=re.compile(meta.leading_digits).match if meta.leading_digits is not None else None,
    )


def _kinds(meta: Any, size: int) -> tuple[Fits, ...]:
    """The patterns for numbers of that length, each once."""
    patterns: dict[str, None] = {}
    for kind in _KINDS:
        desc = getattr(meta, kind)
        if desc is None or (kind == "mobile" and meta.same_mobile_and_fixed_line_pattern):
            continue
        if desc.national_number_pattern and (not desc.possible_length or size in desc.possible_length):
            patterns[desc.national_number_pattern] = None
    return tuple(fits for pattern in patterns if (fits := _fits(pattern)) is not None)


@lru_cache(maxsize=4096)
def _fits(pattern: str | None) -> Fits | None:
    return re.compile(pattern).fullmatch if pattern else None


def _never(digits: str) -> None:
    return None
