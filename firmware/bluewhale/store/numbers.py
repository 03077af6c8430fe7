"""What a reader types as a number, as conditions on a segment's lines.

`0755*` begins with, `*1234` ends with, `*82661*` holds, else exactly so. A star that was dialled is written `\\*`
at either end (inside it stands for itself). Blanks, dashes, dots and brackets of a written number do not count. All
other letters stand for themselves: nothing typed here reaches SQL but as a parameter.
"""

import re

import msgspec

from bluewhale.store.pack import number_code

_WRITTEN = re.compile(r"[\s().\-/]")
_DIALLED = re.compile(r"\+?[0-9*#A-Da-d]+")

Sql = tuple[str, list[object]]

# The letters of a stored number; NULL where it is the extension (code 0), which is tested by party instead.
_LETTERS = (
    "CASE typeof(l.{0}) WHEN 'integer' THEN CASE WHEN l.{0} > 1 THEN"
    " CASE substr(l.{0}, 1, 1) WHEN '2' THEN '+' || substr(l.{0}, 2) ELSE substr(l.{0}, 2) END END ELSE l.{0} END"
)
CALLER, CALLED = _LETTERS.format("caller"), _LETTERS.format("called")
E164 = f"(coalesce(x.e164_head, '') || substr({CALLED}, x.e164_strip + 1))"
# How a text is tested, with how many values: its length and the text, or the text alone.
_TESTS = {
    "exact": ("{} = ?", 1),
    "prefix": ("substr({}, 1, ?) = ?", 2),
    "suffix": ("substr({}, -?) = ?", 2),
    "inside": ("instr({}, ?) > 0", 1),
}


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
    """The condition on a line `l` and its context `x` that is true of every hit and of nothing else.

    The normal form (+86755..) is looked at where the text is one: it begins with +, or is a whole number or an end.
    """
    how, text = pattern.how, pattern.text
    test, count = _TESTS[how]
    values: list[object] = [text] if count == 1 else [len(text), text]
    tests = [test.format(f"({CALLER})"), test.format(f"({CALLED})")]
    given = values * 2
    if how == "inside" and text[0] != "+":  # the codes first: quick, and they miss nothing
        tests = [f"((instr(l.caller, ?) > 0 OR instr(l.called, ?) > 0) AND ({' OR '.join(tests)}))"]
        given = [text, text, *given]
    if names(pattern):
        tests.append(test.format(E164))
        given += values
        if how == "exact" and text[0] != "+":
            tests.append(test.format(E164))
            given.append("+" + text)
    tests.append(f"((l.caller = 0 OR l.called = 0) AND l.party IN ({_parties(how)}))")
    return f"({' OR '.join(tests)})", given + values


def names(pattern: Pattern) -> bool:
    """Whether the condition needs the line's context."""
    return pattern.text[0] == "+" or pattern.how in ("exact", "suffix")


def _parties(how: str) -> str:
    """The parties whose extension fits."""
    return f"SELECT p.id FROM party p WHERE {_TESTS[how][0].format('p.extension')}"


def drivers(pattern: Pattern) -> list[Sql] | None:
    """Selects of `seq` by index that together miss no hit (they may find more); None if only a scan can find all.

    Each ends in its WHERE clause, so that bounds can be added.
    """
    text = pattern.text
    digits = text.isascii() and text.isdigit()
    if pattern.how == "exact":
        number = text.lstrip("+")
        tails = _tails(number) if number.isascii() and number.isdigit() and len(number) >= 4 else []
        return [*tails, *_both("l.{0} = ?", [number_code(text)]), *_extension(pattern)]
    if pattern.how == "suffix" and digits and len(text) >= 4:
        return [*_tails(text), *_both("l.{0} >= ''", []), *_extension(pattern)]
    if pattern.how == "prefix" and digits and 3 <= len(text) < 18:
        return [*_ranges(text), *_both("l.{0} >= ''", []), *_extension(pattern)]
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


def _extension(pattern: Pattern) -> list[Sql]:
    """Lines of the parties whose extension fits: their caller or called may be the extension itself (code 0)."""
    values: list[object] = (
        [pattern.text] if _TESTS[pattern.how][1] == 1 else [len(pattern.text), pattern.text]
    )
    select = f"SELECT l.seq FROM line l INDEXED BY line_party WHERE l.party IN ({_parties(pattern.how)})"
    return [(select, values)]
