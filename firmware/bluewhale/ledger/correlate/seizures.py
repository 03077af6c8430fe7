"""Trunk seconds of a call and who pays them: policy `segment`.

Each seizure is cut into shares; at every second exactly one party is responsible, so the shares add up to the
seizure, always. While the outside party is held, parked or being transferred, the last one who talked stays it.
"""

import msgspec

from bluewhale.formats._join import Joins
from bluewhale.ledger.correlate.group import arrival, order, until
from bluewhale.ledger.correlate.pieces import Piece, Side, value

Payer = tuple[str, str] | None
POLICIES = ("originator", "last", "answering")  # beside segment: who pays all


class Share(msgspec.Struct, frozen=True):
    """Seconds of a seizure, counted from its answer, that one payer owes."""

    payer: Payer
    from_s: int
    to_s: int


class Seizure(msgspec.Struct):
    """One trunk from its answer to its release. `start` in seconds since 1970 UTC."""

    side: Side
    pieces: list[Piece]
    start: int
    seconds: int | None
    shares: list[Share]
    open_ended: bool = False


class Unbalanced(AssertionError):
    """Shares that do not add up to their seizure: a fault of this program."""


def seizures(pieces: list[Piece], join: Joins, whole: bool, policy: str = "segment") -> list[Seizure]:
    """The call's trunks in the order they were taken. `whole`: no record is lacking."""
    circuits: dict[str, list[tuple[Piece, Side]]] = {}
    for piece in pieces:
        for side in piece.sides:
            circuits.setdefault(side.circuit, []).append((piece, side))
    found = []
    for held in circuits.values():
        held.sort(key=lambda pair: (arrival if join.order == "arrival" else order)(pair[0]))
        own = [piece for piece, _ in held]
        side = held[0][1]
        if join.seconds == "span":
            found.append(_span(side, own, pieces, join, whole))
        else:
            found.append(_sum(side, own))
    for seizure in found:
        seizure.shares = _by_policy(seizure.shares, policy)
        if seizure.seconds is not None and sum(s.to_s - s.from_s for s in seizure.shares) != seizure.seconds:
            raise Unbalanced(f"{seizure.side.circuit}: {seizure.shares} are not {seizure.seconds} s")
    return sorted(found, key=lambda s: (s.pieces[0].start, s.side.way, s.side.circuit))


def _by_policy(shares: list[Share], policy: str) -> list[Share]:
    """The same seconds by another rule than `segment`: all to the first, the last or the first station to talk."""
    if policy not in POLICIES or len(shares) < 2:
        return shares
    stations = [share for share in shares if share.payer and share.payer[0] == "extension"]
    chosen = {"originator": shares[0], "last": shares[-1], "answering": (stations or shares)[0]}[policy]
    return [Share(chosen.payer, shares[0].from_s, shares[-1].to_s)]


def _span(side: Side, own: list[Piece], pieces: list[Piece], join: Joins, whole: bool) -> Seizure:
    """First answer to last end: what lies between two known records of a trunk was held too."""
    talked = [piece for piece in own if piece.answered]
    if not talked:
        known = all(piece.talk is not None or not piece.answered for piece in own)
        return Seizure(side, own, own[0].answer, 0 if known else None, [])
    if len(own) == 1 and own[0].talk is None:
        return Seizure(side, own, own[0].answer, None, [])
    start, end = min(piece.answer for piece in talked), max(piece.end for piece in talked)
    if len(talked) == 1 and talked[0].talk is not None:
        end = start + talked[0].talk  # what the PBX measured, not a difference of rounded times
    if join.inner and side.way == "out":  # the trunk is the leg to the gateway, not the caller's
        gateway = [p for p in pieces if p.answered and not p.sides]
        if gateway:
            start, end = min(p.answer for p in gateway), max(p.end for p in gateway)
    last = max(own, key=lambda piece: piece.end)
    open_ended = not whole and bool(last.leg.continues)
    if open_ended:  # the holder was still consulting: the trunk was held as long
        rest = [
            p.end for p in pieces if p.start >= last.end and not p.sides and p.near in (last.near, last.far)
        ]
        end = max([end, *rest])
    events: list[tuple[int, Payer]] = [(p.answer, p.payer) for p in talked if p.payer]
    if join.inner:
        events += [(p.answer, p.payer) for p in pieces if p.payer and p.answered and not p.sides]
    events += _departures(own, pieces)
    return Seizure(side, own, start, end - start, _cut(events, start, end), open_ended)


def _departures(own: list[Piece], pieces: list[Piece]) -> list[tuple[int, Payer]]:
    """A conference's payer after its controller left: who has been there longest."""
    inside = [piece for piece in own if piece.bridge]
    if not inside:
        return []
    end = max(piece.end for piece in inside)
    rooms = {value(piece.leg, "extra.dest_conversation") for piece in inside}
    members = [p for p in pieces if p.bridge and p.near and value(p.leg, "extra.dest_conversation") in rooms]
    holder = next((p.near or p.far for p in own if not p.bridge and (p.near or p.far)), None)
    since = {p.near: min(q.answer for q in pieces if p.near in (q.near, q.far)) for p in members}
    events: list[tuple[int, Payer]] = []
    here = [p for p in members if p.near == holder]
    while here and here[-1].end < end:
        gone = max(piece.end for piece in here)
        stay = [p for p in members if p.end > gone and p.near]
        if not stay:
            break
        longest = min(stay, key=lambda p: (since[p.near], p.near or ""))
        events.append((gone, ("extension", longest.near or "")))
        here = [p for p in members if p.near == longest.near]
    return events


def _cut(events: list[tuple[int, Payer]], start: int, end: int) -> list[Share]:
    """Shares between `start` and `end`: each event begins the time of its payer."""
    events = sorted(events, key=lambda event: event[0])
    shares: list[Share] = []
    payer = events[0][1] if events else None
    at = start
    for moment, who in [*events, (end, None)]:
        moment = min(max(moment, at), end)
        if moment > at:
            if shares and shares[-1].payer == payer:
                shares[-1] = Share(payer, shares[-1].from_s, moment - start)
            else:
                shares.append(Share(payer, at - start, moment - start))
            at = moment
        payer = who
    return shares


def _overlaps(piece: Piece) -> bool:
    """Transferred segments are contiguous, conference segments overlap; a minute's clock shows neither."""
    return piece.exact or piece.leg.condition_code == "C"


def _sum(side: Side, own: list[Piece]) -> Seizure:
    """The records' own seconds, one after the other; where they overlap by more than a minute, once."""
    pays: list[tuple[Payer, int]] = []
    known, payer, reach = False, None, None
    for at, piece in enumerate(own):
        payer = piece.payer or payer
        following = own[at + 1] if at + 1 < len(own) else None
        if piece.talk is None:
            if following is None and len(own) == 1:
                continue
            seconds = (following.end if following.talk is None and following.leg.continues is False
                       else following.start) - piece.start if following else 0  # fmt: skip
        else:
            seconds = piece.talk + piece.held_s if piece.answered else 0
            if (
                _overlaps(piece)
                and reach is not None
                and piece.talk
                and piece.leg.ended_local
                and piece.start < reach - 60
            ):
                seconds = max(0, until(piece) - reach)
        known = True
        reach = max(reach or 0, until(piece))
        if seconds > 0:
            pays.append((payer, seconds))
    payers = [who for who, _ in pays if who]
    shares: list[Share] = []
    at = 0
    for who, seconds in pays:
        who = who or (payers[0] if payers else None)
        if shares and shares[-1].payer == who:
            shares[-1] = Share(who, shares[-1].from_s, at + seconds)
        else:
            shares.append(Share(who, at, at + seconds))
        at += seconds
    return Seizure(side, own, own[0].answer, at if known else None, shares)
