"""A zone's wall clock: UTC to wall time and fold, and when within a call the clock is moved.

Answers are remembered by quarters of an hour, on which clocks change in every zone since 1973.
"""

import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from bluewhale.ledger.plan_records import DAY_S
from bluewhale.ledger.tariff import sane

_QUARTER_S = 900
_CHUNK_S = 14 * DAY_S  # no zone changes its clock twice within


def clock_changes(zone: str | None, wall_s: int, talk_s: int, fold: int) -> list[tuple[int, int]]:
    """When in a call the wall clock is moved: (seconds from the start, what to add from there on).

    The first entry is for the start itself: 0, but for a wall time that does not exist (the spring hour),
    which is taken as what the moved clock shows. Without a zone the clock is never moved.
    """
    if zone is None:
        return [(0, 0)]
    start = wall_s - _offset_at_wall(zone, wall_s // _QUARTER_S, fold)
    base = start - wall_s
    changes = [(0, base + offset_s(zone, start))]
    at = 0
    while at < talk_s:
        end = min(at + _CHUNK_S, talk_s)
        if offset_s(zone, start + end) != offset_s(zone, start + at):
            low, high = at, end
            while high - low > 1:
                middle = (low + high) // 2
                if offset_s(zone, start + middle) == offset_s(zone, start + at):
                    low = middle
                else:
                    high = middle
            changes.append((high, base + offset_s(zone, start + high)))
        at = end
    return changes


def offset_s(zone: str, utc_s: int) -> int:
    """What a zone's wall clock is ahead of UTC, in seconds."""
    return _offset(zone, utc_s // _QUARTER_S)[0]


def wall(zone: str, utc_us: int) -> tuple[int, int]:
    """A UTC time (microseconds) as a zone's wall time and fold. Remembered by quarters of an hour."""
    offset, fold = _offset(zone, utc_us // (_QUARTER_S * 1_000_000))
    return utc_us + offset * 1_000_000, fold


@lru_cache(maxsize=8192)
def _offset(zone: str, quarter: int) -> tuple[int, int]:
    moment = datetime.datetime.fromtimestamp(sane(quarter * _QUARTER_S), ZoneInfo(zone))
    return _seconds(moment), moment.fold


@lru_cache(maxsize=8192)
def _offset_at_wall(zone: str, quarter: int, fold: int) -> int:
    naive = datetime.datetime.fromtimestamp(quarter * _QUARTER_S, datetime.UTC)
    return _seconds(naive.replace(tzinfo=ZoneInfo(zone), fold=fold))


def _seconds(moment: datetime.datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else offset.days * DAY_S + offset.seconds
