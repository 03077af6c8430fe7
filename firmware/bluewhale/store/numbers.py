"""What a reader types as a number, as conditions on a segment's lines.

`0755*` begins with, `*1234` ends with, `*82661*` holds, else exactly so. A star that was dialled is written `\\*`
at either end (inside it stands for itself). Blanks, dashes, dots and brackets of a written number do not count. All
other letters stand for themselves: nothing typed here reaches SQL but as a parameter.
"""

import re

import msgspec

from bluewhale.store import schema
from bluewhale.store.pack import number_code

_WRITTEN = re.compile(r"[\s().\-/]")
_DIALLED = re.compile(r"\+?[0-9*#A-Da-d]+")
CALLER, CALLED = schema.LINE["caller"], schema.LINE["called"]
E164 = f"(coalesce(x.e164_head, '') || substr({CALLED}, x.e164_strip + 1))"
FIELDS = (f"({CALLER})", f"({CALLED})", E164)

# How a field is tested, and with how many values: its length and the text, or the text.
_TESTS = {
    "prefix": ("substr({}, 1, ?) = ?", 2),
    "suffix": ("substr({}, -?) = ?", 2),
    "inside": ("instr({}, ?) > 0", 1),
}

Sql = tuple[str, list[object]]


class Pattern(msgspec.Struct, frozen=True):
    """How a number is to match: `exact`, `prefix`, `suffix` or `inside`."""

    how: str
    text: str


def parse(typed: str) -> Pattern | None:
    """None if nothing is asked for."""
    text = typed.strip()
    opens = text.startswith("*") and len(text) > 1
    closes = text.endswith("*") and not text.endswith("\\*") and len(text) > 1
    text = text[1 if opens else 0 : len(text) - 1 if closes else len(text)]
    if text.startswith("\\*"):
        text = text[1:]
    if text.endswith("\\*"):
        text = text[:-2] + "*"
    plain = _WRITTEN.sub("", text)
    if _DIALLED.fullmatch(plain):
        text = plain
    if not text:
        return None
    how = {(False, False): "exact", (False, True): "prefix", (True, False): "suffix"}.get(
        (opens, closes), "inside"
    )
    return Pattern(how, text)


def condition(pattern: Pattern) -> Sql:
    """The condition on line `l`, its party `p` and context `x` that is true of every hit and of nothing else."""
    text = pattern.text
    if pattern.how == "exact":
        tests = [f"({field}) = ?" for field in (CALLER, CALLED, E164)]
        values: list[object] = [text] * 3
        if text.isdigit():
            tests.append(f"({E164}) = ?")
            values.append("+" + text)
        return f"({' OR '.join(tests)})", values
    test, given = _TESTS[pattern.how]
    values = [len(text), text] if given == 2 else [text]
    return f"({' OR '.join(test.format(field) for field in FIELDS)})", values * len(FIELDS)


def drivers(pattern: Pattern) -> list[Sql] | None:
    """Selects of `seq` by index that together miss no hit (they may find more); None if only a scan can find all.

    Each ends in its WHERE clause, so that bounds can be added.
    """
    text = pattern.text
    digits = text.isascii() and text.isdigit()
    if pattern.how == "exact":
        number = text.lstrip("+")
        tails = _tails(number) if number.isascii() and number.isdigit() and len(number) >= 4 else []
        return [*tails, *_both("l.{0} = ?", [number_code(text)]), *_extension("p.extension = ?", [text])]
    if pattern.how == "suffix" and digits and len(text) >= 4:
        own = _extension("substr(p.extension, -?) = ?", [len(text), text])
        return [*_tails(text), *_both("l.{0} >= ''", []), *own]
    if pattern.how == "prefix" and digits and 3 <= len(text) < 18:
        own = _extension("substr(p.extension, 1, ?) = ?", [len(text), text])
        return [*_ranges(text), *_both("l.{0} >= ''", []), *own]
    return None


def _both(test: str, values: list[object], index: str = "line_{0}") -> list[Sql]:
    """The same test on called and on caller; the partial indexes want to see `> 1`."""
    return [
        (
            f"SELECT l.seq FROM line l INDEXED BY {index.format(name)} WHERE l.{name} > 1 AND {test.format(name)}",
            values,
        )
        for name in ("called", "caller")
    ]


def _tails(number: str) -> list[Sql]:
    return _both("l.{0} % 10000 = ?", [int(number[-4:])], "line_{0}_tail")


def _ranges(digits: str) -> list[Sql]:
    """Numbers that begin so: one range of codes for each length a number can have."""
    selects = []
    for more in range(18 - len(digits)):
        low = int("1" + digits + "0" * more)
        selects += _both("l.{0} BETWEEN ? AND ?", [low, low + 10**more - 1])
    return selects


def _extension(test: str, values: list[object]) -> list[Sql]:
    """Lines whose caller or called is the extension itself (code 0)."""
    parties = f"SELECT p.id FROM party p WHERE {test}"
    return [(f"SELECT l.seq FROM line l INDEXED BY line_party WHERE l.party IN ({parties})", values)]
