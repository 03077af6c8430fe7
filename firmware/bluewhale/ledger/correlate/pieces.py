"""A leg as correlation sees it: when it ran, who was at its two ends, and which trunks it held."""

import re
from typing import Any, NamedTuple

import msgspec

from bluewhale.formats._join import Joins
from bluewhale.formats._layout import Join
from bluewhale.ledger.correlate import timing, wall
from bluewhale.model import Leg

SECOND_US = 1_000_000
# Without a receive time, dates without a year fall into this leap year and times without a date on its last day.
SOME_DAY_US = 978_300_000 * SECOND_US  # 2000-12-31T22:00:00Z


class Side(NamedTuple):
    """One trunk a record held. `circuit` tells seizures of a call apart; `way` in or out."""

    circuit: str
    way: str
    trunk: str | None
    number: str | None


class Piece(msgspec.Struct, eq=False):
    """A record. Times in seconds since 1970 UTC. `held_s`: hold and park beside the talk.

    `near` is the party at the calling end, `far` the one at the called end, stations and queues only; `payer` who
    pays while this record's parties talk, as (kind, id). `bridge`: it ran into a conference.
    """

    leg: Leg
    at: int  # its place in the order of arrival
    start: int
    answer: int
    end: int
    talk: int | None
    held_s: int
    answered: bool
    near: str | None
    far: str | None
    payer: tuple[str, str] | None
    sides: tuple[Side, ...]
    bridge: bool
    exact: bool  # its times are to the second
    rank: tuple[int, int, int]  # orders the records of a call
    tie: tuple[str | int, ...]


def value(leg: Leg, field: str) -> str | None:
    """A field by its name in a join; text."""
    if "|" in field:
        return next((found for part in field.split("|") if (found := value(leg, part))), None)
    if field.endswith(("/cluster", "/conference")):
        return _part(leg, *field.split("/"))
    if field.startswith("extra."):
        return leg.extra.get(field[6:]) if leg.extra else None
    found = getattr(leg, field)
    return None if found is None else str(found)


def _part(leg: Leg, field: str, part: str) -> str | None:
    """Part of a field: `a` of the Cisco number a/b/c, `100` of the IP Office channel CO Channel 100.1."""
    whole = value(leg, field)
    if whole is None:
        return None
    if part == "cluster":
        return whole.split("/")[0] or None
    found = re.search(r"Channel (\d+)\.\d+$", whole)
    return found[1] if found and whole.startswith("CO ") else None


def joins_of(join: Join) -> Joins:
    """A family's join in full. A plain one has a key, or with a chain names a circuit: that alone ties nothing."""
    if isinstance(join, Joins):
        return join
    if join.chain:
        return Joins(relay=join.key, slack_s=join.window_s, window_s=24 * 3600, done=join.done)
    return Joins(key=join.key, window_s=join.window_s, done=join.done)


def piece(leg: Leg, at: int, join: Joins, options: dict[str, Any], received_us: int | None = None) -> Piece:
    """Raises wall.BadTime."""
    zone = zone_of(options)
    talk = timing.talk_s(leg)
    received_us = SOME_DAY_US if received_us is None else received_us
    started, answered, ended, _, _, _ = timing.times(leg, zone, zone, received_us, talk)
    start = started // SECOND_US
    extra = leg.extra or {}
    answer = answered // SECOND_US if answered is not None else start + (leg.ring_s or 0)
    if answered is None and ended is not None and talk is not None and leg.answered is not False:
        answer = ended // SECOND_US - talk
    end = ended // SECOND_US if ended is not None else answer + (talk or 0)
    was = leg.answered if leg.answered is not None else bool(talk)
    if talk is None and leg.condition_code in ("S", "X", "E"):
        was = True
    held = _number(extra.get("hold_s")) + _number(extra.get("park_s"))
    bridge = any((value(leg, field) or "").startswith(start_) for field, start_ in join.bridge)
    near, far, payer = _parties(leg, extra, options, bridge)
    stated = leg.answered_local or leg.started_local or leg.ended_local or leg.started_utc or ""
    return Piece(
        leg, at, start, answer, max(end, answer), talk, held, was, near, far, payer,
        _sides(leg, extra, join), bridge, len(stated) > 16, _rank(leg, start, answer, end, join), _tie(leg, at, join),
    )  # fmt: skip


def _rank(leg: Leg, start: int, answer: int, end: int, join: Joins) -> tuple[int, int, int]:
    """The order in time. A start reckoned from the minute of the end is a minute off: the ends are in order."""
    if join.order == "arrival":
        return start, 0, 0
    if leg.ended_local and len(leg.ended_local) == 16 and not leg.started_local and leg.talk_s is not None:
        return end, start, answer
    return start, answer, end


def _tie(leg: Leg, at: int, join: Joins) -> tuple[str | int, ...]:
    """What a record says, where records have keys; the order of the line where all there is is a circuit."""
    if not join.key or join.order == "arrival":
        return (at,)
    said = (leg.trunk_in, leg.trunk, leg.caller, leg.called, leg.correlation_id)
    return (*(text or "" for text in said), *(value(leg, field) or "" for field in join.identity), at)


def zone_of(options: dict[str, Any]) -> str:
    zone = options.get("zone")
    return zone if isinstance(zone, str) and wall.is_zone(zone) else "UTC"


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _sides(leg: Leg, extra: dict[str, str], join: Joins) -> tuple[Side, ...]:
    far_number = extra.get("mobile_called") or leg.called
    inward = leg.trunk_in or (leg.trunk if leg.direction == "incoming" else None)
    calling, called = join.circuit or (None, None)
    sides = []
    if leg.direction in ("incoming", "tandem"):
        name = value(leg, calling) if calling else None
        sides.append(Side(name or f"in {inward}", "in", inward, leg.caller))
    if leg.direction in ("outgoing", "tandem"):
        name = value(leg, called) if called else None
        sides.append(Side(name or f"out {leg.trunk}", "out", leg.trunk, far_number))
    return tuple(sides)


def _parties(
    leg: Leg, extra: dict[str, str], options: dict[str, Any], bridge: bool
) -> tuple[str | None, str | None, tuple[str, str] | None]:
    """Stations (or queue, voice mail) at both ends, and who pays."""
    way, called, station = leg.direction, leg.called, leg.extension
    if way == "tandem":
        group = extra.get("in_tac") or leg.trunk_in or leg.trunk
        if station:
            return None, None, ("extension", station)
        if leg.auth_code:
            return None, None, ("auth_code", leg.auth_code)
        return None, None, ("trunk_group", group) if group else None
    if way == "outgoing":
        mobile = options.get("mobile_owner", {}).get(extra.get("mobile_called", ""))
        if mobile:
            return station or leg.caller, mobile, ("extension", mobile)
        near = station or (None if bridge else leg.caller)
        if near is None and leg.auth_code:
            return None, None, ("auth_code", leg.auth_code)
        return near, None, ("extension", near) if near else None
    if way == "internal":
        near = station or leg.caller
        return near, None if bridge else called, ("extension", near) if near else None
    channel = next((extra[f"party{n}"] for n in (1, 2) if extra.get(f"party{n}", "").startswith("V95")), None)
    if station:
        return None, station, ("extension", station)
    if channel:
        return None, channel, ("voicemail", channel)
    if called and called in options.get("voicemail_numbers", ()):
        return None, called, ("voicemail", called)
    if called and called in options.get("queues", ()):
        return None, called, ("queue", called)
    if way is None and called:
        return None, called, ("extension", called)
    return None, None, None
