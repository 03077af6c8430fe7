"""Legs to calls in the shape of design section 9: legs, external_legs, charges, state.

Pure, over a closed set of records: whoever has more of them calls again with all.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from bluewhale.formats._layout import Join
from bluewhale.ledger.correlate import group, wall
from bluewhale.ledger.correlate.pieces import Piece, joins_of, piece, value, zone_of
from bluewhale.ledger.correlate.roles import Stay, stays
from bluewhale.ledger.correlate.seizures import Seizure, seizures
from bluewhale.model import Leg

SECOND_US = 1_000_000
NAMES = (
    "format", "direction", "caller", "called", "extension", "trunk", "trunk_in", "auth_code", "account_code",
    "answered", "started_local", "answered_local", "ended_local", "started_partial", "ended_partial", "started_utc",
    "answered_utc", "ended_utc", "ring_s", "total_s", "condition_code", "cause", "correlation_id",
)  # fmt: skip
RULES = {
    "extension": "the station that has the call",
    "queue": "the queue answered and nobody else yet",
    "voicemail": "voice mail answered",
    "auth_code": "no station: the authorisation code",
    "trunk_group": "no station: the incoming trunk group",
}


def calls(legs: Iterable[Leg], join: Join, options: dict[str, Any]) -> list[dict[str, Any]]:
    """All calls of a set of records, in order of their start. Raises wall.BadTime."""
    joins = joins_of(join)
    pieces = [piece(leg, at, joins, options) for at, leg in enumerate(legs)]
    kept, _ = group.without_repeats(pieces, joins)
    return [call(own, join, options) for own in group.groups(kept, joins, options)]


def timed(leg: Leg, join: Join, options: dict[str, Any]) -> None:
    """Raises wall.BadTime for a leg whose times cannot be."""
    piece(leg, 0, joins_of(join), options)


def call(pieces: list[Piece], join: Join, options: dict[str, Any]) -> dict[str, Any]:
    """One call from all its records, in order."""
    joins, zone = joins_of(join), zone_of(options)
    reason = group.lacking(pieces, joins)
    if joins.inner and any(side.way == "out" for p in pieces for side in p.sides):
        # legs towards a gateway: their called party is no station
        pieces = [
            p if p.sides else msgspec.structs.replace(p, near=None, far=None, payer=None) for p in pieces
        ]
    trunks = seizures(pieces, joins, reason is None, str(options.get("charge_policy", "segment")))
    facts = _facts(pieces, trunks)
    out = {name: found for name, found in facts.items() if found is not None}
    out["legs"] = [_leg(stay, zone) for stay in stays(pieces, joins)]
    out["external_legs"] = [_external(at, trunk, zone) for at, trunk in enumerate(trunks, 1)]
    out["charges"] = [share for at, trunk in enumerate(trunks, 1) for share in _charges(at, trunk)]
    out["state"] = "closed" if reason is None else "incomplete"
    if reason is not None:
        out["incomplete_reason"] = reason
    return out


def _facts(pieces: list[Piece], trunks: list[Seizure]) -> dict[str, Any]:
    """What the call as a whole is: from its first record, and what later ones alone know."""
    first = min(pieces, key=group.order)
    origin = str(min((p.leg.origin for p in pieces if p.leg.origin), default=first.leg.origin))
    facts = {name: getattr(first.leg, name) for name in NAMES}
    if len(pieces) == 1:
        facts["talk_s"] = first.talk
        if value(first.leg, "extra.mobile_called"):
            facts["direction"] = "internal"
        return facts | {"origin": origin}
    for name in ("auth_code", "account_code"):
        facts[name] = next((found for p in pieces if (found := getattr(p.leg, name))), None)
    last = max(pieces, key=lambda p: (p.end, p.start))
    facts["answered"] = any(piece.answered for piece in pieces)
    for name in ("ended_local", "ended_utc", "ended_partial", "cause", "condition_code"):
        facts[name] = getattr(last.leg, name)
    talked = next((p for p in pieces if p.answered), None)
    for name in ("answered_local", "answered_utc"):
        facts[name] = getattr(talked.leg, name) if talked else None
    facts["ring_s"], facts["total_s"] = first.leg.ring_s, None
    longest = max((trunk.seconds for trunk in trunks if trunk.seconds is not None), default=None)
    if longest is None and talked:
        spoke = [p for p in pieces if p.answered]
        longest = max(p.end for p in spoke) - min(p.answer for p in spoke)
    facts["talk_s"] = longest if longest is not None else 0
    return facts | _ways(pieces, trunks, first) | {"origin": origin}


def _ways(pieces: list[Piece], trunks: list[Seizure], first: Piece) -> dict[str, Any]:
    """Direction, parties and trunks: what the first record of the trunk says, whoever was called before."""
    own = [t for t in trunks if not _twin(t)]
    if not own:
        return {"direction": "internal"} if trunks else {}
    ways = {trunk.side.way for trunk in own}
    leg = own[0].pieces[0].leg
    found: dict[str, Any] = {"trunk": own[0].side.trunk}
    if ways == {"in", "out"}:
        inward = next(t for t in own if t.side.way == "in")
        outward = next(t for t in own if t.side.way == "out")
        found = {"trunk_in": inward.side.trunk, "trunk": outward.side.trunk}
        leg = inward.pieces[0].leg
        return found | {
            "direction": "tandem",
            "caller": leg.caller,
            "called": leg.called,
            "extension": leg.extension,
        }
    if ways == {"out"}:
        caller = first.leg.caller or leg.caller
        station = leg.extension or first.leg.extension
        return found | {"direction": "outgoing", "caller": caller, "called": leg.called, "extension": station}
    answered = [p.far for p in pieces if p.answered and p.far and p.payer and p.payer[0] == "extension"]
    station = answered[-1] if answered else leg.extension
    called = leg.called or leg.extension
    return found | {"direction": "incoming", "caller": leg.caller, "called": called, "extension": station}


def _twin(trunk: Seizure) -> bool:
    """A trunk a station's own settings took for it (twinning, mobility): the call stays what it was."""
    leg = trunk.pieces[0].leg
    return (
        bool(value(leg, "extra.mobile_called")) or "MT" in (value(leg, "extra.targeting_cause") or "").split()
    )


def _leg(stay: Stay, zone: str) -> dict[str, Any]:
    found = {
        "party": stay.party,
        "role": stay.role,
        "with": stay.other,
        "started_local": _wall(stay.start, stay.piece, zone),
        "talk_s": stay.talk_s,
        "ring_s": stay.ring_s,
        "origin": str(stay.piece.leg.origin),
    }
    return {name: part for name, part in found.items() if part is not None}


def _wall(at: int | None, piece: Piece, zone: str) -> str | None:
    """Wall time, as exact as the PBX's clock."""
    if at is None or piece.leg.started_partial or piece.leg.ended_partial:
        return None
    text = wall.at(zone, at * SECOND_US).text
    return text if piece.exact else text[:16]


def _external(at: int, trunk: Seizure, zone: str) -> dict[str, Any]:
    known = trunk.pieces[0].exact or trunk.pieces[0].leg.started_local
    found = {
        "id": f"L{at}",
        "trunk": trunk.side.trunk,
        "direction": trunk.side.way,
        "number": trunk.side.number,
        "started_local": _wall(trunk.start, trunk.pieces[0], zone) if known else None,
        "seizure_s": trunk.seconds,
        "open_ended": True if trunk.open_ended else None,
    }
    return {name: part for name, part in found.items() if part is not None}


def _charges(at: int, trunk: Seizure) -> list[dict[str, Any]]:
    way, number = trunk.side.way, trunk.side.number
    found = []
    for share in trunk.shares:
        payer = share.payer or (("trunk_group", trunk.side.trunk) if trunk.side.trunk else None)
        charge: dict[str, Any] = {"external_leg": f"L{at}", "pays": dict([payer]) if payer else {}}
        if number is not None:
            charge["called" if way == "out" else "caller"] = number
        charge["kind"] = "outgoing" if way == "out" else "incoming"
        charge["charged_s"] = share.to_s - share.from_s
        charge["rule"] = RULES[payer[0]] if payer else "nobody is known"
        found.append(charge)
    return found
