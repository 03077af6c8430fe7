"""A leg's times: what the record states, made UTC, and what follows from it by addition alone."""

from typing import NamedTuple

from bluewhale.ledger.correlate import wall
from bluewhale.model import Leg

SECOND_US = 1_000_000


class Times(NamedTuple):
    """Microseconds UTC; None where the record does not say and nothing follows. `text` and `day`: wall time of
    the start in the feed's zone and its day in the site's."""

    started: int
    answered: int | None
    ended: int | None
    day: int
    text: str
    flags: int


def talk_s(leg: Leg) -> int | None:
    """Whole conversation seconds: begun seconds count. What is stated, or follows from total and ring."""
    if leg.talk_s is not None:
        return leg.talk_s
    if leg.talk_ms is not None:
        return -(-leg.talk_ms // 1000)
    if leg.answered is False:
        return 0
    if leg.answered and leg.total_s is not None and leg.ring_s is not None:
        return max(0, leg.total_s - leg.ring_s)
    return None


def times(leg: Leg, zone: str, site_zone: str, received_us: int, talk: int | None) -> Times:
    """All times of a leg. `zone` is the PBX's, `site_zone` decides the day. Raises wall.BadTime."""
    length = leg.total_s if leg.total_s is not None else (talk or 0) + (leg.ring_s or 0)
    start = _moment(leg.started_utc, leg.started_local, leg.started_partial, zone, received_us, length)
    answer = _moment(leg.answered_utc, leg.answered_local, None, zone, received_us, talk or 0)
    end = None
    if leg.ended_local or leg.ended_utc or leg.ended_partial:
        end = _moment(leg.ended_utc, leg.ended_local, leg.ended_partial, zone, received_us, 0)
    flags = 0
    if start is None:
        if answer is not None:
            start = wall.at(zone, answer.us - (leg.ring_s or 0) * SECOND_US)
            flags = answer.flags
        elif end is not None:
            start = wall.at(zone, end.us - length * SECOND_US)
            flags = end.flags
        else:
            start = wall.at(zone, received_us - length * SECOND_US)
            flags = wall.RECEIVE_TIME
    flags |= start.flags
    started = start.us
    answered = answer.us if answer is not None else _answered(leg, started, end, talk)
    ended = end.us if end is not None else _ended(leg, started, answered, talk)
    flags |= wall.far_off(started, received_us)
    day = start.day if zone == site_zone else wall.at(site_zone, started).day
    return Times(started, answered, ended, day, start.text, flags)


def _moment(
    utc: str | None, local: str | None, partial: str | None, zone: str, received_us: int, before_s: int
) -> wall.Moment | None:
    """The best of what the record states about one moment: UTC, else wall time, else part of one."""
    if local is not None and utc is None:
        return wall.from_local(zone, local)
    if utc is not None:
        return wall.from_utc(zone, utc)
    if partial is None:
        return None
    text, flag = wall.in_full(zone, partial, received_us, before_s)
    moment = wall.from_local(zone, text)
    return moment._replace(flags=moment.flags | flag)


def _answered(leg: Leg, started: int, end: wall.Moment | None, talk: int | None) -> int | None:
    if leg.answered is False or not talk:
        return None
    if leg.ring_s is not None:
        return started + leg.ring_s * SECOND_US
    if end is not None:
        return end.us - talk * SECOND_US
    return None


def _ended(leg: Leg, started: int, answered: int | None, talk: int | None) -> int | None:
    if leg.total_s is not None:
        return started + leg.total_s * SECOND_US
    if answered is not None and talk is not None:
        return answered + talk * SECOND_US
    return None
