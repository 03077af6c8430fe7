"""Durations written as a shape: "hmmss", "m:ss", "[h:]mm:ss", "hh:mm'ss", "m.t" to a regex and weights in seconds.

Letters: h hours, m minutes, s seconds, t tenths of a minute. The first unit may have fewer or, before a separator,
more digits than letters; each later one has two, below 60. [ ] stands around what may be missing. Anything that is
no letter stands for itself, a blank for any number of blanks.
"""

import re

_UNITS = {"h": 3600, "m": 60, "s": 1, "t": 6}
_TOKEN = re.compile(r"h+|m+|s+|t|\[|\]|[^a-z\[\]]", re.DOTALL)
WORDS = {"seconds": "s", "minutes": "m", "milliseconds": "milliseconds"}


def composed(shape: str) -> tuple[str, tuple[int, ...]]:
    """The regex of a duration shape and the seconds each of its groups counts. Raises ValueError."""
    tokens = _TOKEN.findall(shape)
    units = [token for token in tokens if token[0] in _UNITS]
    order = [token[0] for token in units]
    if (
        "".join(tokens) != shape
        or not units
        or order != sorted(order, key="hmst".index)
        or "st" in "".join(order)
    ):
        raise ValueError(f"no duration shape {shape!r}")
    if len(set(order)) != len(order) or any(len(token) != 2 for token in units[1:] if token != "t"):
        raise ValueError(f"no duration shape {shape!r}")
    out = ""
    for at, token in enumerate(tokens):
        if token[0] in _UNITS:
            out += _digits(token, token is units[0], "".join(tokens[at + 1 : at + 2])[:1] in (*_UNITS,))
        elif token in "[]":
            out += "(?:" if token == "[" else ")?"
        else:
            out += r"\s*" if token == " " else re.escape(token)
    if order[-1] == "s":
        out += r"(?:[.,]\d+)?\"?"
    try:
        re.compile(out)
    except re.error as error:
        raise ValueError(f"no duration shape {shape!r}: {error}") from None
    return out, tuple(_UNITS[letter] for letter in order)


def _digits(token: str, first: bool, packed: bool) -> str:
    if token == "t":
        return r"(\d)"
    if not first:
        return r"([0-5]\d)"
    return rf"(\d{{1,{len(token)}}})" if packed else r"(\d{1,8})"
