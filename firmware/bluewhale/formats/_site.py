"""Site facts as the owner writes them: device patterns, number ranges, channel beginnings."""

import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from typing import Any

from bluewhale.formats._options import OptionError


def any_of(patterns: Sequence[str] | str) -> Callable[[str], bool]:
    """Whether a text fits one of the patterns (`*` and `?` as in file names, letters of either case)."""
    if isinstance(patterns, str):
        patterns = [part.strip() for part in patterns.split(",")]
    regex = re.compile("|".join(translate(part) for part in patterns if part) or r"(?!)", re.IGNORECASE)
    return lambda text: regex.match(text) is not None


def numbers(value: Any) -> Callable[[str], bool]:
    """What internal numbers look like: "4 to 6 digits", "3 digits", "2000-2999, 31*", or a list of such.

    Raises OptionError for anything else.
    """
    parts = value if isinstance(value, list) else str(value).split(",")
    tests = [_one_range(str(part).strip()) for part in parts if str(part).strip()]
    return lambda number: any(test(number) for test in tests)


def _one_range(text: str) -> Callable[[str], bool]:
    if found := re.fullmatch(r"(\d+)(?: *(?:to|-) *(\d+))? digits", text):
        least, most = int(found.group(1)), int(found.group(2) or found.group(1))
        return lambda number: number.isdigit() and least <= len(number) <= most
    if found := re.fullmatch(r"(\d+) *(?:-|to) *(\d+)", text):
        low, high = found.groups()
        if len(low) == len(high):
            return lambda number: len(number) == len(low) and low <= number <= high
    if re.fullmatch(r"[\d*?]+", text):
        return any_of([text])
    raise OptionError(f'internal numbers: {text!r} is no "4 to 6 digits", "2000-2999" or "31*"')


def memo(function: Callable[[str], Any], size: int = 4096) -> Callable[[str], Any]:
    """Remembers the answers for the few texts that come again and again."""
    known: dict[str, Any] = {}

    def ask(text: str) -> Any:
        answer = known.get(text)
        if answer is None:
            if len(known) >= size:
                known.clear()
            answer = known[text] = function(text)
        return answer

    return ask
