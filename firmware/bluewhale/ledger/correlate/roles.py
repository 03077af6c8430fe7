"""Who took part in a call, and how: the roles of a call's legs.

Records of two parties each (`seconds="span"`) show who stays and who comes; records of a circuit's segments
(`seconds="sum"`) show one station after the other.
"""

import re

import msgspec

from bluewhale.formats._join import Joins
from bluewhale.ledger.correlate.group import order
from bluewhale.ledger.correlate.pieces import Piece, value

PARK, PICK_UP, MOBILE, FORWARD = {"3", "26"}, {"16"}, {"24"}, {"5"}


class Stay(msgspec.Struct):
    """One party's part. `start` in seconds since 1970 UTC, None when it cannot be known; `ring_s` beside it."""

    party: str
    role: str
    piece: Piece
    start: int | None
    talk_s: int | None
    other: str | None = None
    ring_s: int | None = None


def stays(pieces: list[Piece], join: Joins) -> list[Stay]:
    if _conference(pieces):
        return _in_conference(pieces, join)
    if join.seconds == "span":
        return _of_pairs(pieces)
    return _of_segments(pieces, join)


def _conference(pieces: list[Piece]) -> bool:
    """A bridge, or several trunks one station brought together."""
    if any(piece.bridge for piece in pieces):
        return len(pieces) > 1
    joint = [p for p in pieces if p.leg.condition_code == "C" and p.sides]
    return len(joint) > 1 and len({(p.near, p.far) for p in joint}) == 1 and len({p.sides for p in joint}) > 1


def _in_conference(pieces: list[Piece], join: Joins) -> list[Stay]:
    named = next(
        (m[1] for p in pieces if (m := _CONTROLLER.search(value(p.leg, "extra.comment") or ""))), None
    )
    controller = named or next((p.near or p.far for p in pieces if not p.bridge and (p.near or p.far)), None)
    first = min(pieces, key=order)
    controller = first.near or controller
    present: dict[str, list[Piece]] = {}
    for piece in pieces:
        if not piece.answered:
            continue
        for party in (piece.near, piece.far):
            if party:
                present.setdefault(party, []).append(piece)
        for side in piece.sides:
            number = next((s.number for p in pieces for s in p.sides if s.circuit == side.circuit), None)
            if number:
                present.setdefault(number, []).append(piece)
    found = []
    for party, own in present.items():
        role = "conference_controller" if party == controller else "conference_member"
        found.append(Stay(party, role, own[0], _moment(own[0]), _together(own, join)))
    return sorted(found, key=lambda stay: stay.role != "conference_controller")


_CONTROLLER = re.compile(r"ConfControllerDn=([^;]+)")


def _together(own: list[Piece], join: Joins) -> int:
    if join.order == "arrival":
        return sum(piece.talk or 0 for piece in own)
    if len(own) == 1:
        return own[0].talk or 0
    span = max(p.end for p in own) - min(p.answer for p in own)
    return max([span, *[p.talk or 0 for p in own]])


def _of_pairs(pieces: list[Piece]) -> list[Stay]:
    """Records of two parties each. A consultation shows who transferred, and takes nobody's seconds."""
    consults = {at for at in range(1, len(pieces)) if _is_consult(pieces, at)}
    main = [piece for at, piece in enumerate(pieces) if at not in consults]
    found: list[Stay] = []
    for piece in main:
        found += _forwarded(piece)
        for party, calling in ((piece.near, True), (piece.far, False)):
            if not party:
                continue
            # one person on two devices (mobile, then desk) has two parts
            moved = value(piece.leg, "extra.join") in MOBILE and not calling
            if not moved and any(stay.party == party and stay.role != "forwarded_by" for stay in found):
                continue
            own = [p for p in main if party in (p.near, p.far)]
            if not calling and any(value(p.leg, "extra.join") in MOBILE for p in own[1:] if piece.sides):
                own = [piece]
            found.append(_stay(piece, party, calling, own[own.index(piece) :], found))
        if value(piece.leg, "extra.lastapp") == "Park" and not value(piece.leg, "extra.dstchannel") and found:
            found[-1].role = "parked_by"
    for stay in found:
        if stay.role == "queue" and stay.start is not None:  # until somebody answers
            came = [p.answer for p in main if p.answered and p is not stay.piece and p.answer >= stay.start]
            stay.talk_s = min(came) - stay.start if came else stay.talk_s
    for at in sorted(consults):
        piece = pieces[at]
        before = max((p.end for p in main if p.start < piece.answer), default=piece.answer)
        after = min((p.start for p in main if p.start >= piece.end - 1), default=piece.end)
        start = min(piece.answer, before)
        found.insert(
            next((n + 1 for n, s in enumerate(found) if s.party == piece.near), len(found)),
            Stay(piece.near or "", "transferred_from", piece, start, after - start, piece.far),
        )
    return found


def _is_consult(pieces: list[Piece], at: int) -> bool:
    """A station that was in the call asks another one, whom a later record shows with somebody else."""
    piece = pieces[at]
    if piece.sides or not piece.near or not piece.far:
        return False
    asked_before = any(piece.near in (p.near, p.far) for p in pieces[:at])
    later = any(piece.far in (p.near, p.far) and piece.near not in (p.near, p.far) for p in pieces[at + 1 :])
    missing = at == len(pieces) - 1 and bool(piece.leg.continues)
    return asked_before and (later or missing)


def _stay(piece: Piece, party: str, calling: bool, own: list[Piece], found: list[Stay]) -> Stay:
    talked = [p for p in own if p.answered]
    joined = value(piece.leg, "extra.join")
    parked = next((s for s in found if s.role == "parked_by"), None)
    others = [s for s in found if s.role in ("answered", "transferred_to") and s.party != party]
    held = next((s for s in found if s.role == "answered" and joined in PARK), None)
    if piece.payer and piece.payer[0] in ("queue", "voicemail") and not calling:
        role = piece.payer[0]
    elif parked and not calling:
        role = "retrieved_by"
    elif joined in PARK and found and calling:
        role = "retrieved_by"
        if held:
            held.role = "parked_by"
    elif joined in PICK_UP and not calling and found:
        role = "picked_up_by"
    elif calling and not found:
        role = "originator"
    elif not talked:
        role = "not_answered"
    elif (others or (found and found[0].role == "originator" and joined)) and joined not in MOBILE:
        role = "transferred_to"
    else:
        role = "answered"
    if not talked:
        ring = max(0, piece.end - piece.start) if piece.end > piece.start else piece.leg.ring_s
        return Stay(party, role, piece, piece.start if piece.exact else None, 0, ring_s=ring)
    seconds: int | None = max(p.end for p in talked) - talked[0].answer
    if len(talked) == 1:
        seconds = talked[0].talk
    other = piece.far if calling else piece.near
    if other is None and piece.sides:
        other = piece.sides[0].number
    return Stay(party, role, piece, talked[0].answer, seconds, other, piece.leg.ring_s)


def _forwarded(piece: Piece) -> list[Stay]:
    """Who sent the call on before it rang at its party."""
    extra = piece.leg.extra or {}
    sent = extra.get("redirect_by") in FORWARD and extra.get("final_called")
    if sent and piece.leg.called and piece.leg.called not in (piece.near, piece.far):
        return [Stay(piece.leg.called, "forwarded_by", piece, None, 0)]
    return []


def _of_segments(pieces: list[Piece], join: Joins) -> list[Stay]:
    """One station after the other on a circuit."""
    ways = {side.way for piece in pieces for side in piece.sides}
    if ways == {"in", "out"}:
        return _through(pieces)
    found: list[Stay] = []
    for at, piece in enumerate(pieces):
        cause = value(piece.leg, "extra.targeting_cause") or ""
        party = piece.near or piece.far
        if not party or _no_seconds(pieces, at):
            continue
        talk = _own_seconds(pieces, at)
        last = found[-1] if found else None
        if last and last.party == party and "Xf" not in cause:
            last.talk_s = (last.talk_s or 0) + talk if talk is not None else last.talk_s
            continue
        station = piece.sides and any(stay.piece.sides for stay in found)
        if "XfP" in cause:
            role = "transferred_from"
        elif "Xfd" in cause or station:
            role = "transferred_to"
        elif piece.near and "MT" not in cause:
            role = "originator"
        else:
            role = "answered" if piece.answered else "not_answered"
        if piece.payer and piece.payer[0] == "voicemail":
            role, party = "voicemail", value(piece.leg, "extra.party1_name") or party
        other = piece.far if piece.near else None
        if other is None and piece.sides:
            other = piece.sides[0].number
        start = _moment(piece)
        if join.order == "arrival" and any(
            p.leg.correlation_id == piece.leg.correlation_id for p in pieces[:at]
        ):
            start = None  # all records of a call carry its start
        found.append(Stay(party, role, piece, start, talk, other, piece.leg.ring_s))
    return found


def _through(pieces: list[Piece]) -> list[Stay]:
    """Trunk to trunk. A station between them sent the call on: at once, or after it had talked."""
    inward = next(p for p in pieces if any(side.way == "in" for side in p.sides))
    outward = next(p for p in pieces if any(side.way == "out" for side in p.sides))
    if inward is outward:
        station = inward.leg.extension
        if station:
            return [Stay(station, "forwarded_by", inward, None, 0)]
        if inward.leg.caller:
            return [
                Stay(inward.leg.caller, "originator", inward, _moment(inward), inward.talk, inward.leg.called)
            ]
        return []
    station = inward.far or outward.near
    if not station:
        return []
    before = (inward.talk or 0) - (outward.talk or 0)
    if before <= 0:
        return [Stay(station, "forwarded_by", inward, None, 0)]
    return [
        Stay(station, "answered", inward, _moment(inward), before, inward.leg.caller),
        Stay(station, "transferred_from", outward, None, 0, outward.leg.called),
    ]


def _no_seconds(pieces: list[Piece], at: int) -> bool:
    """An end record that only says when the record before it ended."""
    return pieces[at].talk is None and at > 0 and pieces[at].leg.continues is False


def _own_seconds(pieces: list[Piece], at: int) -> int | None:
    piece = pieces[at]
    if piece.talk is not None or at + 1 >= len(pieces):
        return piece.talk
    after = pieces[at + 1]
    return (after.end if after.talk is None and after.leg.continues is False else after.start) - piece.start


def _moment(piece: Piece) -> int | None:
    """When a piece was answered, if its clock is exact enough to say."""
    return piece.answer if piece.exact or piece.leg.started_local else None
