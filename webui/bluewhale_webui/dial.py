"""Numbers to dial, grouped for the eye; the copied text is what was dialled, without blanks."""

import re

from markupsafe import Markup

# Country codes of one and two digits; all others have three (ITU-T E.164 list of assigned codes).
_ONE = {"1", "7"}
_TWO = {
    str(code)
    for code in (
        *(20, 27, *range(30, 35), 36, 39, 40, 41, *range(43, 50), *range(51, 59), *range(60, 67)),
        *(81, 82, 84, 86, *range(90, 96), 98),
    )
}
_DIGITS = re.compile(r"\+?[0-9]+")
_SHORT = 6  # up to so many digits stand as one


def groups(number: str) -> list[str]:
    """0755 8266 1234, 138 0013 8000, +1 212 555 0134: fours from the end, what is left first."""
    if not _DIGITS.fullmatch(number):
        return [number]
    if not number.startswith("+"):
        return _fours(number)
    digits = number[1:]
    size = 1 if digits[:1] in _ONE else 2 if digits[:2] in _TWO else 3
    code, rest = digits[:size], digits[size:]
    if code == "1" and len(rest) == 10:
        return ["+1", rest[:3], rest[3:6], rest[6:]]
    return [f"+{code}", *_fours(rest)] if rest else [number]


def _fours(digits: str) -> list[str]:
    if len(digits) <= _SHORT:
        return [digits]
    first = len(digits) % 4
    if first == 1:  # a lone digit reads badly: 5 and 4s
        first = 5
    return [digits[:first]] * bool(first) + [digits[i : i + 4] for i in range(first, len(digits), 4)]


def markup(number: str | None) -> Markup:
    """The number as HTML: blanks are margins of the groups, so that it is copied as dialled."""
    if not number:
        return Markup("–")
    parts = groups(number)
    if len(parts) == 1:
        return Markup('<span class="num">{}</span>').format(number)
    inner = Markup("<wbr>").join(Markup("<span>{}</span>").format(part) for part in parts)
    return Markup('<span class="num">{}</span>').format(inner)


def plain(number: str) -> str:
    """Grouped text for places without markup (titles)."""
    return " ".join(groups(number))
