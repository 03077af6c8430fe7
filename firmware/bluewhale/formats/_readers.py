"""Named readers: a cell's text to a value. `reader(kind, arg)` compiles one; it raises Fault.

The kinds are the closed list that the C path knows as well. Readers get text without its pad, never empty;
None as a result means that the cell says nothing.
"""

import datetime
import re
from collections.abc import Callable
from typing import Any

from bluewhale.formats._durations import composed
from bluewhale.formats._layout import Fault
from bluewhale.model import Why

Reader = Callable[[str], Any]

_TWO = {f"{n:02d}": n for n in range(100)}
_HOURS = frozenset(f"{n:02d}" for n in range(24))
_SIXTY = frozenset(f"{n:02d}" for n in range(60))
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: n + 1 for n, name in enumerate(_MONTH_NAMES)}
_CENTURY_TURN = 70  # two-digit years: 70..99 are 19xx
_MEMO = 4096  # distinct texts kept by a reader that sees the same ones again and again
MAX_SECONDS = 10_000_000
_LAST_HOUR = (datetime.date(9999, 12, 31) - datetime.date(1970, 1, 1)).days * 24


def reader(kind: str, arg: Any = None) -> Reader:
    """The reader of a kind. Raises KeyError or ValueError for a kind or argument that does not exist."""
    return _KINDS[kind](arg)


def _remembered(read: Reader) -> Reader:
    """The same reader with a memory, for cells of few distinct texts: dates, minutes of the day."""
    known: dict[str, Any] = {}

    def quick(cell: str) -> Any:
        try:
            return known[cell]
        except KeyError:
            if len(known) >= _MEMO:
                known.clear()
            value = known[cell] = read(cell)
            return value

    return quick


def bad(what: str, cell: str) -> Fault:
    return Fault(Why.BAD_FIELD, f"{cell[:60]!r} is no {what}")


def _text(_arg: Any) -> Reader:
    return str


def _dialled(_arg: Any) -> Reader:
    match = re.compile(r"[0-9*#+A-Fa-fxX.?!-]+").fullmatch

    def read(cell: str) -> str:
        if cell.isdigit() or match(cell):
            return cell
        raise bad("number to dial", cell)

    return read


def _reorder(order: tuple[int, ...]) -> Reader:
    """Characters in another order: "231" with (2, 0, 1) is "123". A cell of another length stays as it is."""

    def read(cell: str) -> str:
        return "".join(cell[at] for at in order) if len(cell) == len(order) else cell

    return read


def _number(_arg: Any) -> Reader:
    def read(cell: str) -> int:
        if cell.isascii() and cell.isdigit() and len(cell) < 19:
            return int(cell)
        raise bad("whole number", cell)

    return read


def _code(table: dict[str, Any]) -> Reader:
    def read(cell: str) -> Any:
        try:
            return table[cell]
        except KeyError:
            raise bad(f"code ({', '.join(table)})", cell) from None

    return read


def _clean(arg: dict[str, Any]) -> Reader:
    """Takes pad off before another reader: the first `prefix` and `suffix` that fit, every character of `drop`."""
    then, drop = reader(arg["then"], arg.get("arg")), str.maketrans("", "", arg.get("drop", ""))
    prefixes, suffixes = arg.get("prefix", ()), arg.get("suffix", ())

    def read(cell: str) -> Any:
        for prefix in prefixes:
            if cell.startswith(prefix):
                cell = cell[len(prefix) :]
                break
        for suffix in suffixes:
            if cell.endswith(suffix):
                cell = cell[: -len(suffix)]
                break
        cell = cell.translate(drop).strip()
        return then(cell) if cell else None

    return read


def _epoch(arg: Any) -> Reader:
    return _epoch_part(*_EPOCHS[arg]) if arg else _epoch_s()


_EPOCHS = {"ms": (3, "milliseconds"), "us": (6, "microseconds")}


def _epoch_part(digits: int, words: str) -> Reader:
    seconds = _epoch_s()

    def read(cell: str) -> str | None:
        if cell == "0":
            return None
        if not (cell.isascii() and cell.isdigit() and len(cell) > digits):
            raise bad(f"number of {words} since 1970", cell)
        whole: str | None = seconds(cell[:-digits])
        return whole

    return read


def _epoch_s() -> Reader:
    hours: dict[int, str] = {}
    rest_of_hour = [f"{second // 60:02d}:{second % 60:02d}Z" for second in range(3600)]

    def read(cell: str) -> str | None:
        if not (cell.isdigit() and cell.isascii() and len(cell) < 12):
            raise bad("number of seconds since 1970", cell)
        hour, second = divmod(int(cell), 3600)
        begun = hours.get(hour)
        if begun is not None:
            return begun + rest_of_hour[second]
        if not hour and not second:
            return None
        if hour > _LAST_HOUR:
            raise Fault(Why.BAD_TIME, f"{cell!r} lies beyond the year 9999")
        if len(hours) >= _MEMO:
            hours.clear()
        day = datetime.date(1970, 1, 1) + datetime.timedelta(hour // 24)
        begun = f"{day.isoformat()}T{hour % 24:02d}:"
        if hour:
            hours[hour] = begun  # never hour 0, whose first second means "not at all"
        return begun + rest_of_hour[second]

    return read


# Durations: seconds from the groups of a regex, and a fast way for the shape of fixed width.
_DURATIONS: dict[str, tuple[str, tuple[int, ...]]] = {
    "s": (r"(\d{1,8})(?:\.\d+)?", (1,)),
    "hh:mm:ss": (r"(\d{1,4}):([0-5]\d):([0-5]\d)(?:\.\d+)?", (3600, 60, 1)),
    "hh:mm'ss": (r"(\d{1,4}):([0-5]\d)'([0-5]\d)\"?", (3600, 60, 1)),
    "hhmmss": (r"(\d{1,3})([0-5]\d)([0-5]\d)", (3600, 60, 1)),
    "hmmt": (r"(\d)([0-5]\d)(\d)", (3600, 60, 6)),
    "hmm": (r"(\d{1,2})([0-5]\d)", (3600, 60)),
    "m'ss": (r"(\d{1,4})'([0-5]\d)\"?", (60, 1)),
    "m:ss": (r"(\d{1,6}):([0-5]\d)", (60, 1)),
    "mmm:ss": (r"(\d{1,6}):([0-5]\d)", (60, 1)),
    "milliseconds": (r"(\d{0,8}?)\d{1,3}", (1,)),
}


def _duration(shape: str) -> Reader:
    regex, weights = _DURATIONS.get(shape) or composed(shape)
    match = re.compile(regex, re.ASCII).fullmatch

    def read(cell: str) -> int:
        found = match(cell)
        if not found:
            raise bad(f"duration {shape}", cell)
        seconds = sum(int(part or 0) * weight for part, weight in zip(found.groups(), weights))
        if seconds > MAX_SECONDS:
            raise bad("duration a call can have", cell)
        return seconds

    def quick(cell: str) -> int:
        try:
            if cell[2] == ":" == cell[5] and len(cell) == 8:
                minutes, seconds = _TWO[cell[3:5]], _TWO[cell[6:]]
                if minutes < 60 and seconds < 60:
                    return _TWO[cell[:2]] * 3600 + minutes * 60 + seconds
        except (KeyError, IndexError):
            return read(cell)
        return read(cell)

    return quick if shape == "hh:mm:ss" else _remembered(read)


# Times. A shape is letters (yyyy yy mm dd hh mm ss mon am) and what stands between them.
_TOKEN = re.compile(r"yyyy|yy|mon|mm|dd|hh|h|ss|am|d|m|.", re.DOTALL)
_TOKENS = {
    "yyyy": r"(?P<year>\d{4})",
    "yy": r"(?P<year>\d\d)",
    "month": r"(?P<month>\d\d)",
    "m": r"(?P<month>\d\d?)",
    "mon": r"(?P<month>[A-Za-z]{3})",
    "dd": r"(?P<day>\d\d)",
    "d": r"(?P<day>\d\d?)",
    "hh": r"(?P<hour>\d\d)",
    "h": r"(?P<hour>\d\d?)",
    "minute": r"(?P<minute>\d\d)",
    "ss": r"(?P<second>\d\d)(?:\.\d+)?",
    "am": r"(?P<half>[AaPp])[Mm]?",
}


def _tokens(shape: str) -> list[str]:
    """The shape's tokens, `mm` told apart by whether the hour came before."""
    tokens: list[str] = []
    for token in _TOKEN.findall(shape):
        if token == "mm":
            token = "minute" if "hh" in tokens or "h" in tokens else "month"
        tokens.append(token)
    return tokens


def time_regex(shape: str) -> str:
    """The regex of a shape; a blank stands for one or more blanks; seconds in [ ] may be missing."""
    out = ""
    for token in _tokens(shape):
        if token in "[]":
            out += "(?:" if token == "[" else ")?"
        elif token == " ":
            out += r"\s+"
        else:
            out += _TOKENS.get(token) or re.escape(token)
    return out


def _when(shape: str) -> Reader:
    match = re.compile(time_regex(shape), re.ASCII).fullmatch

    def read(cell: str) -> str | None:
        found = match(cell)
        if not found:
            raise Fault(Why.BAD_TIME, f"{cell[:60]!r} is no time {shape}")
        return iso(found.groupdict(), cell)

    return _quick_when(shape, read)


_ZONE = re.compile(
    r"[.*]?(?P<clock>\d\d:\d\d:\d\d)(?P<part>\.\d{1,6})? (?P<zone>[A-Za-z+-][\w:+-]{0,15}) (?P<date>.+)"
)


def _zoned(shape: str) -> Reader:
    """Cisco's time: `hh:mm:ss.mmm ZONE` and then a date of `shape`, the weekday before it left out."""
    match = re.compile(time_regex(shape), re.ASCII).fullmatch

    def read(cell: str) -> str | None:
        whole = _ZONE.fullmatch(cell)
        found = whole and match(re.sub(r"^[A-Z][a-z]{2} ", "", whole["date"], count=1))
        if not whole or not found:
            raise Fault(Why.BAD_TIME, f"{cell[:60]!r} is no time hh:mm:ss ZONE {shape}")
        hour, minute, second = whole["clock"].split(":")
        time = iso(found.groupdict() | {"hour": hour, "minute": minute, "second": second}, cell)
        zone = "Z" if whole["zone"].upper() in ("UTC", "GMT", "Z") else " " + whole["zone"]
        return f"{time}{whole['part'] or ''}{zone}"

    return read


def _quick_when(shape: str, slow: Reader) -> Reader:
    """The fast way for a date with year, one character, and hh:mm[:ss]: the date by memo, the rest by sets."""
    cut = re.search("[ T]hh", shape)
    if cut is None:
        return _remembered(slow)
    if not re.fullmatch(r"(?=.*yy).{6,10}[ T]hh:mm(\[?:ss\]?)?", shape):
        return slow
    if re.search(r"mon|(?<!d)d(?!d)|(?<!m)m(?!m)", shape[: cut.start()]):
        return slow
    end = cut.start() + 1
    seconds, minutes_only = "ss" in shape, "[" in shape or "ss" not in shape
    dates: dict[str, str] = {}

    def read(cell: str) -> str | None:
        clock = cell[end:]
        if clock[:2] in _HOURS and clock[2:3] == ":" and clock[3:5] in _SIXTY:
            length = len(clock)
            if (length == 8 and seconds and clock[5] == ":" and clock[6:] in _SIXTY) or (
                length == 5 and minutes_only
            ):
                date = dates.get(cell[:end])
                if date is None:
                    whole = slow(cell)
                    if whole is not None:
                        if len(dates) >= _MEMO:
                            dates.clear()
                        dates[cell[:end]] = whole[:11]
                    return whole
                return date + clock
        return slow(cell)

    return read


def full_year(text: str) -> int:
    """Two digits by the turn of the century (70..99 are 19xx), four as they stand."""
    year = int(text)
    if len(text) > 2:
        return year
    return year + (1900 if year >= _CENTURY_TURN else 2000)


def iso(parts: dict[str, str | None], cell: str) -> str:
    """ISO text from the parts of a time: as much of `YYYY-MM-DDThh:mm:ss` as they give. Raises Fault."""
    date = _date(parts, cell)
    clock, next_day = _clock(parts, cell)
    if next_day and len(date) == 10:
        date = (datetime.date.fromisoformat(date) + datetime.timedelta(1)).isoformat()
    elif next_day and date:
        # 2000 is a leap year: 02-28T24:00 without a year may be a day early in 3 of 4 years, never a month.
        date = (datetime.date.fromisoformat(f"2000-{date}") + datetime.timedelta(1)).isoformat()[5:]
    elif next_day:
        clock = "24" + clock[2:]  # whoever joins it with a date counts on
    return f"{date}T{clock}" if clock else date


def _date(parts: dict[str, str | None], cell: str) -> str:
    year, month, day = parts.get("year"), parts.get("month"), parts.get("day")
    if month is None or day is None:
        return ""
    number = int(month) if month.isdigit() else _MONTHS.get(month.lower(), 0)
    if not 1 <= number <= 12:
        raise Fault(Why.BAD_TIME, f"{cell[:60]!r}: {month} is no month (is date_order right?)")
    try:
        if year is None:
            return datetime.date(2000, number, int(day)).isoformat()[5:]
        return datetime.date(full_year(year), number, int(day)).isoformat()
    except ValueError as error:
        raise Fault(Why.BAD_TIME, f"{cell[:60]!r}: {error}") from None


def _clock(parts: dict[str, str | None], cell: str) -> tuple[str, bool]:
    """(hh:mm[:ss], whether it is 24:00 of the day)."""
    if parts.get("hour") is None:
        return "", False
    hour, minute, second = int(parts["hour"] or 0), int(parts.get("minute") or 0), parts.get("second")
    half = parts.get("half")
    if half:
        if not 1 <= hour <= 12:
            raise Fault(Why.BAD_TIME, f"{cell[:60]!r}: {hour} is no hour of a 12-hour clock")
        hour = hour % 12 + (12 if half in "pP" else 0)
    next_day = hour == 24 and minute == 0 and int(second or 0) == 0
    if next_day:
        hour = 0
    if hour > 23 or minute > 59 or int(second or 0) > 59:
        raise Fault(Why.BAD_TIME, f"{cell[:60]!r} is no time of day")
    return f"{hour:02d}:{minute:02d}" + (f":{second}" if second else ""), next_day


def joined(date: str | None, clock: str | None) -> str | None:
    """A date and a time of day (`Thh:mm`) from two cells; T24:00 is the next day's 00:00; None without a clock."""
    if clock is None:
        return None
    if clock.startswith("T24:") and date:
        year = date if len(date) == 10 else f"2000-{date}"
        date = (datetime.date.fromisoformat(year) + datetime.timedelta(1)).isoformat()[-len(date) :]
        clock = "T00" + clock[3:]
    return f"{date or ''}{clock}"


def put_time(row: dict[str, Any], which: str, time: str | None) -> None:
    """Stores a time as `which`_local, or `which`_partial where it has no year."""
    if time:
        row[f"{which}_local" if len(time) > 11 and time[10] == "T" else f"{which}_partial"] = time


_KINDS: dict[str, Callable[[Any], Reader]] = {
    "text": _text,
    "dialled": _dialled,
    "reorder": _reorder,
    "number": _number,
    "duration": _duration,
    "when": _when,
    "epoch": _epoch,
    "code": _code,
    "clean": _clean,
    "zoned": _zoned,
}
