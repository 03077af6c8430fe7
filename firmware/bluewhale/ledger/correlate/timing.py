"""A leg's times: what the record states, made UTC, and what follows from it by addition alone."""

from bluewhale.ledger.correlate import wall
from bluewhale.model import Leg

SECOND_US = 1_000_000

# started, answered, ended: microseconds UTC, None where the record does not say and nothing follows; the start's
# day in the site's zone, its wall time in the feed's, and flags (a plain tuple: this is made for every record)
Times = tuple[int, int | None, int | None, int, str, int]


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
    text = leg.started_local
    answered = ended = None
    if text is not None and leg.started_utc is None:  # what most records have
        started, day, flags = wall.split(zone, text)
    else:
        started, day, text, flags = _start(leg, zone, received_us, talk)
    if leg.answered_utc is not None or leg.answered_local is not None:
        moment = _moment(leg.answered_utc, leg.answered_local, None, zone, received_us, 0)
        answered = moment.us if moment else None
    if leg.ended_local is not None or leg.ended_utc is not None or leg.ended_partial is not None:
        moment = _moment(leg.ended_utc, leg.ended_local, leg.ended_partial, zone, received_us, 0)
        ended = moment.us if moment else None
    if answered is None and talk and leg.answered is not False:
        if leg.ring_s is not None:
            answered = started + leg.ring_s * SECOND_US
        elif ended is not None:
            answered = ended - talk * SECOND_US
    if ended is None:
        if leg.total_s is not None:
            ended = started + leg.total_s * SECOND_US
        elif answered is not None and talk is not None:
            ended = answered + talk * SECOND_US
    if not -wall.YEAR_US <= started - received_us <= wall.TWO_DAYS_US:
        flags |= wall.FAR_OFF
    if zone != site_zone:
        day = wall.at(site_zone, started).day
    return started, answered, ended, day, text, flags


def _start(leg: Leg, zone: str, received_us: int, talk: int | None) -> tuple[int, int, str, int]:
    """The start as stated, else from the answer or the end, else from the receive time; day, wall time, flags."""
    length = leg.total_s if leg.total_s is not None else (talk or 0) + (leg.ring_s or 0)
    start = _moment(leg.started_utc, leg.started_local, leg.started_partial, zone, received_us, length)
    if start is not None:
        return start.us, start.day, start.text, start.flags
    answer = _moment(leg.answered_utc, leg.answered_local, None, zone, received_us, talk or 0)
    if answer is not None:
        start = wall.at(zone, answer.us - (leg.ring_s or 0) * SECOND_US)
        return start.us, start.day, start.text, answer.flags
    end = _moment(leg.ended_utc, leg.ended_local, leg.ended_partial, zone, received_us, 0)
    if end is not None:
        start = wall.at(zone, end.us - length * SECOND_US)
        return start.us, start.day, start.text, end.flags
    start = wall.at(zone, received_us - length * SECOND_US)
    return start.us, start.day, start.text, wall.RECEIVE_TIME


def _moment(
    utc: str | None, local: str | None, partial: str | None, zone: str, received_us: int, before_s: int
) -> wall.Moment | None:
    """The best of what the record states about one moment: UTC, else wall time, else part of one."""
    if utc is not None:
        return wall.from_utc(zone, utc)
    if local is not None:
        return wall.from_local(zone, local)
    if partial is None:
        return None
    text, flag = wall.in_full(zone, partial, received_us, before_s)
    moment = wall.from_local(zone, text)
    return moment._replace(flags=moment.flags | flag)
