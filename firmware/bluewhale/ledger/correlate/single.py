"""A leg as a call of its own: parties, trunk seizures, and who pays which seconds (policy `segment`).

One record, one call: the PBX wrote all it knows of it. Joins of several records build the same shape.
"""

from typing import Any

from bluewhale.ledger.correlate.timing import talk_s
from bluewhale.model import Leg

NAMES = (
    "format", "direction", "caller", "called", "extension", "trunk", "trunk_in", "auth_code", "account_code",
    "answered", "started_local", "answered_local", "ended_local", "started_partial", "ended_partial", "started_utc",
    "answered_utc", "ended_utc", "ring_s", "total_s", "condition_code", "cause", "correlation_id",
)  # fmt: skip


def call(leg: Leg) -> dict[str, Any]:
    """The call, with the names of design section 9; what is not known is absent."""
    talk = talk_s(leg)
    stated = {name: getattr(leg, name) for name in NAMES}
    found = {name: value for name, value in stated.items() if value is not None}
    if talk is not None:
        found["talk_s"] = talk
    external = _external(leg, talk)
    return found | {
        "origin": str(leg.origin),
        "legs": [_party(leg, talk)],
        "external_legs": external,
        "charges": _charges(leg, external),
        "state": "closed",
    }


def _party(leg: Leg, talk: int | None) -> dict[str, Any]:
    """Who took part, and how. A tandem call without a station has its caller."""
    outgoing = leg.direction in ("outgoing", "internal") and leg.extension in (None, leg.caller)
    party = leg.extension or (leg.caller if outgoing or leg.direction == "tandem" else leg.called)
    answered = leg.answered if leg.answered is not None else (talk > 0 if talk is not None else None)
    role = (
        "originator" if outgoing or leg.direction == "tandem" else "answered" if answered else "not_answered"
    )
    leg_facts = {
        "party": party,
        "role": role,
        "with": leg.called if outgoing or leg.direction == "tandem" else leg.caller,
        "started_local": leg.started_local,
        "talk_s": talk,
        "ring_s": leg.ring_s,
        "origin": str(leg.origin),
    }
    return {name: value for name, value in leg_facts.items() if value is not None}


def _external(leg: Leg, talk: int | None) -> list[dict[str, Any]]:
    """The trunk seizures, each from its answer on."""
    start = leg.answered_local or leg.started_local
    legs = []
    if leg.direction in ("incoming", "tandem"):
        trunk = leg.trunk_in or (leg.trunk if leg.direction == "incoming" else None)
        legs.append({"trunk": trunk, "direction": "in", "number": leg.caller})
    if leg.direction in ("outgoing", "tandem"):
        legs.append({"trunk": leg.trunk, "direction": "out", "number": leg.called})
    rest = {"started_local": start, "seizure_s": talk}
    return [
        {"id": f"L{at}"} | {name: value for name, value in (facts | rest).items() if value is not None}
        for at, facts in enumerate(legs, 1)
    ]


def _charges(leg: Leg, external: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every second of every seizure to one payer: the station, else the authorisation code, else the trunk."""
    trunk = leg.trunk_in or leg.trunk
    if leg.extension:
        pays = {"extension": leg.extension}
    elif leg.auth_code:
        pays = {"auth_code": leg.auth_code}
    else:
        pays = {"trunk_group": trunk} if trunk else {}
    charges = []
    for seizure in external:
        if not seizure.get("seizure_s"):
            continue
        far = "called" if seizure["direction"] == "out" else "caller"
        number = {far: seizure["number"]} if "number" in seizure else {}
        kind = "outgoing" if seizure["direction"] == "out" else "incoming"
        rule = "one record, one call"
        charge = {"external_leg": seizure["id"], "pays": pays, "charged_s": seizure["seizure_s"]}
        charges.append(charge | number | {"kind": kind, "rule": rule})
    return charges
