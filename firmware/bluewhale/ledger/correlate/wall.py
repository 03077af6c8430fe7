"""Wall time of a PBX to UTC, and back. The only place where this happens.

A wall time is ISO 8601 text without offset (`2026-09-14T11:32[:07[.250]]`) in the zone its feed declares.
Results are microseconds since 1970 UTC with flags: what had to be inferred or cannot be certain is flagged,
never hidden. All of it is cached by minute, since a busy PBX writes many records in one.

Inference looks back from the receive time: a PBX writes a record after the call, so the newest date that is
not in its future is the right one. A clock that runs ahead of ours by up to AHEAD is still believed.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

YEAR_INFERRED, DATE_INFERRED, REPEATED_HOUR, RECEIVE_TIME, SKIPPED_HOUR, FAR_OFF = 1, 2, 4, 8, 16, 32

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
YEAR_US, TWO_DAYS_US = 366 * DAY_US, 2 * DAY_US
AHEAD_MINUTES = 120  # a bare time may lie that far after the receive time (a PBX that missed summer time)
YEARS_BACK = 8  # 29 February comes that seldom at most
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MINUTE = timedelta(minutes=1)


class BadTime(ValueError):
    """A time that cannot be; the text says which and why."""


class Moment(NamedTuple):
    """`us` UTC microseconds; `day` YYYYMMDD of the wall clock; `text` the wall time in full."""

    us: int
    day: int
    flags: int
    text: str


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether the tables know a zone of this name."""
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        return False
    return True


@lru_cache(maxsize=8192)
def _minute(zone: str, text: str) -> tuple[int, int, int]:
    """UTC microseconds, day and flags of a wall-clock minute `YYYY-MM-DDThh:mm`. Raises BadTime."""
    try:
        wall = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadTime(f"no such time: {text}") from error
    if len(text) != 16 or text[10:14:3] != "T:" or wall.tzinfo is not None:
        raise BadTime(f"not a wall time: {text}")
    wall = wall.replace(tzinfo=ZoneInfo(zone))
    if not 1970 <= wall.year < 2200:
        raise BadTime(f"no call is of the year {wall.year}: {text}")
    first, second = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    assert first is not None and second is not None
    # in the repeated hour the earlier reading stands, in the skipped hour the offset before the change
    flags = REPEATED_HOUR if first > second else SKIPPED_HOUR if first < second else 0
    us = (wall.replace(tzinfo=UTC) - first - _EPOCH) // _ONE_MINUTE * MINUTE_US
    if first.seconds % 60:  # local mean times before the zone was standardised
        us = int((wall.replace(tzinfo=UTC) - first - _EPOCH).total_seconds()) * 1_000_000
    return us, wall.year * 10_000 + wall.month * 100 + wall.day, flags


@lru_cache(maxsize=65536)
def _seconds(text: str) -> int:
    """Microseconds of the tail of a time: "", ":07" or ":07.250". Raises BadTime."""
    if not text:
        return 0
    whole, _, fraction = text[1:].partition(".")
    if text[0] != ":" or len(whole) != 2 or not whole.isdigit() or int(whole) > 60:
        raise BadTime(f"no such seconds: {text}")
    if fraction and not fraction.isdigit():
        raise BadTime(f"no such seconds: {text}")
    return int(whole) * 1_000_000 + (int(fraction[:6].ljust(6, "0")) if fraction else 0)


# (zone, "YYYY-MM-DDThh") -> microseconds UTC and day, for hours in which nothing is special; ":mm:ss" -> microseconds
_hours: dict[tuple[str, str], tuple[int, int]] = {}
_HOURS_KEPT = 8192
_IN_HOUR = {f":{m:02}:{s:02}": m * MINUTE_US + s * 1_000_000 for m in range(60) for s in range(60)}


def split(zone: str, text: str) -> tuple[int, int, int]:
    """Microseconds UTC, day and flags of a full wall time in a zone. Raises BadTime."""
    hour, rest = _hours.get((zone, text[:13])), _IN_HOUR.get(text[13:])
    if hour is not None and rest is not None:
        return hour[0] + rest, hour[1], 0
    us, day, flags = _minute(zone, text[:16])
    if hour is None and not flags:
        _keep_hour(zone, text[:13])
    return us + _seconds(text[16:]), day, flags


def _keep_hour(zone: str, text: str) -> None:
    """Remembers an hour unless the clock is moved in it."""
    quarters = [_minute(zone, f"{text}:{minute:02}") for minute in (0, 15, 30, 45, 59)]
    us, day, _ = quarters[0]
    if any(flags for _, _, flags in quarters) or quarters[-1][0] - us != 59 * MINUTE_US:
        return
    if len(_hours) >= _HOURS_KEPT:
        _hours.clear()
    _hours[zone, text] = us, day


def from_local(zone: str, text: str) -> Moment:
    """The moment a full wall time names in a zone. Raises BadTime."""
    return Moment(*split(zone, text), text)


def from_utc(zone: str, text: str) -> Moment:
    """The moment an ISO 8601 text with Z names, with the wall time and day of a zone. Raises BadTime."""
    us, _, _ = _minute("UTC", text[:16])
    return at(zone, us + _seconds(text[16:].removesuffix("Z")))


@lru_cache(maxsize=8192)
def _wall(zone: str, minutes: int) -> tuple[str, int]:
    """Wall time `YYYY-MM-DDThh:mm` and day of a minute since 1970 UTC."""
    wall = (_EPOCH + timedelta(minutes=minutes)).astimezone(ZoneInfo(zone))
    return wall.strftime("%Y-%m-%dT%H:%M"), wall.year * 10_000 + wall.month * 100 + wall.day


def at(zone: str, us: int) -> Moment:
    """A known moment with its wall time in a zone; certain, so no flags."""
    minutes, rest = divmod(us, MINUTE_US)
    text, day = _wall(zone, minutes)
    return Moment(us, day, 0, f"{text}:{rest // 1_000_000:02d}")


def with_year(zone: str, text: str, received_us: int) -> str:
    """`MM-DDThh:mm...` in full: the newest year in which it is not after tomorrow. Raises BadTime."""
    today, _ = _wall(zone, received_us // MINUTE_US)
    return f"{_year(text[:5], today[:10])}-{text}"


@lru_cache(maxsize=4096)
def _year(month_day: str, today: str) -> int:
    limit = date.fromisoformat(today) + timedelta(days=1)
    for year in range(limit.year, limit.year - YEARS_BACK - 1, -1):
        try:
            if date.fromisoformat(f"{year}-{month_day}") <= limit:
                return year
        except ValueError:  # 29 February, or no date at all
            continue
    raise BadTime(f"no such day: {month_day}")


def with_date(zone: str, text: str, received_us: int, before_s: int = 0) -> str:
    """`Thh:mm...` in full: the newest day on which it is not in the future of the receive time.

    `before_s`: how long the moment lies before the record was written at least (a start, by the length of
    its call). Raises BadTime.
    """
    try:
        minute_of_day = int(text[1:3]) * 60 + int(text[4:6])
    except ValueError as error:
        raise BadTime(f"no such time: {text}") from error
    today, _ = _wall(zone, received_us // MINUTE_US)
    now = date.fromisoformat(today[:10]).toordinal() * 1440 + int(today[11:13]) * 60 + int(today[14:16])
    ordinal = (now + AHEAD_MINUTES - before_s // 60 - minute_of_day) // 1440
    return f"{date.fromordinal(ordinal).isoformat()}{text}"


def in_full(zone: str, partial: str, received_us: int, before_s: int = 0) -> tuple[str, int]:
    """A partial wall time made full, and the flag that says what was inferred. Raises BadTime."""
    if partial.startswith("T"):
        return with_date(zone, partial, received_us, before_s), DATE_INFERRED
    return with_year(zone, partial, received_us), YEAR_INFERRED
