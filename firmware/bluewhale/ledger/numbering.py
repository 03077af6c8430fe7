"""What was dialled, or who called: digits as the PBX wrote them as an E.164 number or a short code.

Pure and worth caching by (site, number, direction). China has rules of its own (china.py); other countries go by
the metadata of the phonenumbers library (e164.py), loaded when first needed.
"""

import re
from functools import lru_cache

import msgspec

from bluewhale.ledger import china

_TAIL = re.compile(r"(?i)\s*(转|ext|x|;|,|p|w).*$", re.DOTALL)  # an extension behind the main number
_NOT_DIALLED = re.compile(r"[^0-9*#]")
_FEATURE = re.compile(r"[*#]")
_LONGEST_SHORT = 6


class Site(msgspec.Struct, frozen=True):
    """A place with a PBX. `country` and `area` without + and 0 ("86", "10"), "" = not said; `local_digits` 0:
    by the area's table. `access_codes` are dialled in front for an outside line."""

    id: int
    name: str
    enterprise: int
    zone: str = "UTC"
    country: str = ""
    area: str = ""
    access_codes: tuple[str, ...] = ()
    local_digits: int = 0


def digits(number: str | None) -> str:
    """The keys of a number, a leading + kept, formatting and what stands behind an extension mark cut off."""
    if not number:
        return ""
    if number.isascii() and number.isdigit():
        return number
    head = _TAIL.sub("", number.strip())
    plain = _NOT_DIALLED.sub("", head)
    return "+" + plain if head.startswith("+") else plain


def normalise(site: Site, number: str | None, direction: str | None) -> str | None:
    """+ and E.164 digits, or a short code as dialled; None = no rule fits, so it stays as it is.

    `direction` "incoming": `number` was presented by the network; "internal": an extension; else it was
    dialled, perhaps with one of the site's access codes in front (records differ: both readings are tried).
    """
    keys = digits(number)
    if not keys or keys[0] in "*#":
        return None
    if direction == "internal":
        return keys
    if not keys.isdigit():
        keys = _FEATURE.split(keys, 1)[0]  # a closing # and what was pressed after it
    incoming = direction == "incoming"
    readings = [keys[len(code) :] for code in site.access_codes if code and keys.startswith(code)]
    readings = [keys, *readings] if incoming else [*readings, keys]
    if site.country == "86":
        return _chinese(site, readings, incoming)
    for reading in readings:
        found = _abroad(reading, site.country, site.area, site.local_digits)
        if found:
            return found
    return None


def _chinese(site: Site, readings: list[str], incoming: bool) -> str | None:
    """The reading that is a whole number, else the first with keys pressed after it."""
    found = [china.fit(keys, site.area, site.local_digits, incoming) for keys in readings if keys]
    numbers = [number for number in found if number]
    whole = next((number for number in numbers if not number.more), None)
    best = whole or next(iter(numbers), None)
    return best.key if best else None


def _abroad(keys: str, country: str, area: str, local_digits: int) -> str | None:
    """By the library's metadata, for every country that has no module of its own."""
    region = _region(country)
    if not keys or (region is None and not keys.startswith("+")):
        return None
    from bluewhale.ledger import e164

    found = e164.valid(keys, region)
    if found or keys.startswith("+") or region is None:
        return found
    if len(keys) <= _LONGEST_SHORT and _is_short(keys, region):
        return keys
    if area and (not local_digits or len(keys) == local_digits):
        return e164.valid(area + keys, region)
    return None


@lru_cache(maxsize=256)
def _region(country: str) -> str | None:
    import phonenumbers

    if not country.isdigit():
        return None
    region: str = phonenumbers.region_code_for_country_code(int(country))
    return None if region in ("ZZ", "001") else region


@lru_cache(maxsize=4096)
def _is_short(keys: str, region: str) -> bool:
    import phonenumbers
    from phonenumbers import shortnumberinfo

    try:
        number = phonenumbers.parse(keys, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(shortnumberinfo.is_valid_short_number_for_region(number, region))
