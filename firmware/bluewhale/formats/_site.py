"""Site facts as the owner writes them: device patterns, number ranges, channel beginnings."""

import datetime
import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from typing import Any

from bluewhale.formats._layout import Context, Fault
from bluewhale.formats._options import OptionError
from bluewhale.formats._readers import MAX_SECONDS
from bluewhale.model import Why


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


def date_shape(options: dict[str, Any], default: str, separator: str) -> str:
    """The shape of a date from `date_order` ("dd/mm/yy", "mmddyy", "dd.mm.yyyy", "dmy"), in the family's own
    separators. Raises OptionError."""
    text = str(options.get("date_order", default)).lower()
    parts = re.findall(r"yyyy|yy|mm|dd", text)
    if not parts and sorted(text) in (list("dmy"), list("dm")):
        parts = [{"d": "dd", "m": "mm", "y": "yy"}[letter] for letter in text]
    kinds = sorted(part[:1] for part in parts)
    if kinds not in (["d", "m", "y"], ["d", "m"]) or re.search(
        r"[a-z]", re.sub(r"yyyy|yy|mm|dd|[dmy]", "", text)
    ):
        raise OptionError(f"option date_order: {text!r} is none like mm/dd/yy, dd/mm/yy or yy/mm/dd")
    return separator.join(parts)


def dated(date: str, context: Context) -> str:
    """A date MM-DD with its year, where the option `year` gave the first one; it turns when the months run back.

    The year and month reached are kept in the context's memory. A date with a year stays as it is.
    """
    first = context.options.get("year")
    if first is None or len(date) == 10:
        return date
    memory, month = context.memory, int(date[:2])
    year = memory.get("year", first)
    if memory.get("month", month) - month > 6:
        year += 1
    elif month - memory.get("month", month) > 6:
        return f"{year - 1:04d}-{date}"  # a straggler of the year before
    memory["year"], memory["month"] = year, month
    return f"{year:04d}-{date}"


def time_field(options: dict[str, Any], default: str) -> str:
    """Which time a record states: "started", "answered" or "ended", from `time_is`. Raises OptionError."""
    text = str(options.get("time_is", default)).lower()
    for word, field in (("start", "started"), ("answer", "answered"), ("end", "ended")):
        if text.startswith(word):
            return field
    raise OptionError(f"option time_is: {text!r} begins with none of start, answer, end")


def put_zoned(row: dict[str, Any], which: str, time: str | None, zones: dict[str, str]) -> None:
    """Stores a `zoned` time (ISO text, then Z or a zone's abbreviation) as `which`_utc or, where nobody says what
    the abbreviation is, as `which`_local. `zones`: abbreviation to offset ("CET": "+01:00"). Fractions are cut."""
    if not time:
        return
    if time.endswith("Z"):
        row[f"{which}_utc"] = time[:19] + "Z"
        return
    offset = re.fullmatch(r"([+-])(\d\d):(\d\d)", zones.get(time.partition(" ")[2], ""))
    if offset is None:
        row[f"{which}_local"] = time[:19]
        return
    minutes = (int(offset[2]) * 60 + int(offset[3])) * (1 if offset[1] == "+" else -1)
    try:
        utc = datetime.datetime.fromisoformat(time[:19]) - datetime.timedelta(minutes=minutes)
    except OverflowError:
        raise Fault(Why.BAD_TIME, f"{time} lies outside the calendar") from None
    row[f"{which}_utc"] = utc.isoformat() + "Z"


def zone_offsets(options: dict[str, Any]) -> dict[str, str]:
    """The option `zones`, checked. Raises OptionError."""
    zones: dict[str, str] = options.get("zones", {})
    for name, offset in zones.items():
        if not re.fullmatch(r"[+-]([01]\d|2[0-3]):[0-5]\d", offset):
            raise OptionError(f"option zones: {name} = {offset!r} is no offset like +01:00")
    return zones


def span_ms(start: str | None, end: str | None) -> int | None:
    """Milliseconds between two `zoned` times of the same clock; None where one is missing or they run back."""
    if not start or not end or start[19:].lstrip(".0123456789") != end[19:].lstrip(".0123456789"):
        return None
    first, last = (datetime.datetime.fromisoformat(re.split("[Z ]", time)[0][:26]) for time in (start, end))
    spent = (last - first) // datetime.timedelta(milliseconds=1)
    return spent if 0 <= spent <= MAX_SECONDS * 1000 else None


def conference_id(text: str) -> str | None:
    """A call's GUID of four hexadecimal words, leading zeros put back; None for the GUID of zeros. Raises Fault."""
    words = text.split()
    if len(words) != 4 or not all(re.fullmatch("[0-9A-Fa-f]{1,8}", word) for word in words):
        raise Fault(Why.BAD_FIELD, f"{text[:60]!r} is no GUID of four hexadecimal words")
    guid = " ".join(word.upper().rjust(8, "0") for word in words)
    return guid if guid.strip("0 ") else None


def memo(function: Callable[[Any], Any], size: int = 4096) -> Callable[[Any], Any]:
    """Remembers the answers for the few questions that come again and again."""
    known: dict[Any, Any] = {}

    def ask(question: Any) -> Any:
        answer = known.get(question)
        if answer is None:
            if len(known) >= size:
                known.clear()
            answer = known[question] = function(question)
        return answer

    return ask
