"""A leg to a line: its times, who pays, what it costs."""

from typing import NamedTuple

from bluewhale.ledger import attribute, numbering, rating
from bluewhale.ledger.correlate import timing
from bluewhale.model import Leg, Line

NUMBERS_KEPT = 50_000
FREE = ("incoming", "internal")  # directions that cost nothing here
LONGEST_S = 10**9
FAR_FUTURE = 2**62


class BadField(ValueError):
    """A value no record can mean; the text says which."""


class Desk(NamedTuple):
    """All that is the same for every leg of a feed until an owner changes something.

    `numbers`: (called, direction) -> (E.164 or None, key to rate with), bounded.
    """

    feed: int
    zone: str
    site: numbering.Site
    book: attribute.Book
    charge: attribute.PlanVersion | None
    cost: attribute.PlanVersion | None
    reference: attribute.PlanVersion | None
    numbers: dict[tuple[str | None, str | None], tuple[str | None, str]]


def desk(book: attribute.Book, feed: int, site_name: str, zone: object) -> Desk:
    """`zone`: the feed's own, else the site's."""
    site = book.sites.get(site_name) or book.sites["main"]
    plans, pricing = book.plans, book.pricing
    return Desk(
        feed,
        zone if isinstance(zone, str) and zone else site.zone,
        site,
        book,
        plans.get(pricing.charge) if pricing.charge else None,
        plans.get(pricing.cost) if pricing.cost else None,
        plans.get(pricing.reference) if pricing.reference else None,
        {},
    )


def line(desk: Desk, leg: Leg, received_us: int, seq: int) -> Line:
    """One leg, one line, one call. Raises wall.BadTime and BadField."""
    origin = leg.origin
    assert origin is not None
    talk = timing.talk_s(leg)
    for seconds in (talk, leg.ring_s, leg.total_s):
        if seconds is not None and not 0 <= seconds <= LONGEST_S:
            raise BadField(f"a call of {seconds} s cannot be")
    when = timing.times(leg, desk.zone, desk.site.zone, received_us, talk)
    paid = attribute.attribute(desk.book, desk.site, leg)
    direction, called = leg.direction, leg.called
    known = desk.numbers.get((called, direction))
    if known is None:
        known = _number(desk, called, direction)
    priced = _price(desk, leg, talk, known[1], when)
    charge, destination, unpriced = priced
    plan = desk.charge
    answered = leg.answered
    return Line(
        seq=seq,
        position=origin.position,
        length=origin.length,
        call_position=origin.position,
        call_length=origin.length,
        feed=desk.feed,
        enterprise=paid.enterprise,
        site=paid.site,
        department=paid.department,
        person=paid.person,
        format=leg.format,
        direction=direction,
        extension=leg.extension,
        caller=leg.caller,
        called=called,
        called_e164=known[0],
        trunk=leg.trunk,
        trunk_in=leg.trunk_in,
        auth_code=leg.auth_code,
        account_code=leg.account_code,
        answered=None if answered is None else int(answered),
        talk_s=talk,
        ring_s=leg.ring_s,
        total_s=leg.total_s,
        started_utc=when.started,
        answered_utc=when.answered,
        ended_utc=when.ended,
        day=when.day,
        started_local=when.text,
        time_flags=when.flags,
        condition_code=leg.condition_code,
        cause=leg.cause,
        correlation_id=leg.correlation_id,
        payer_kind=paid.payer_kind,
        payer=paid.payer,
        charged_s=None if direction == "internal" else talk,
        destination=destination,
        plan=plan.id if plan else None,
        currency=plan.plan.currency if plan else None,
        charge_micros=charge,
        cost_micros=_other(desk, desk.cost, leg, talk, known[1], when),
        reference_micros=_other(desk, desk.reference, leg, talk, known[1], when),
        unpriced=unpriced,
    )


def _number(desk: Desk, called: str | None, direction: str | None) -> tuple[str | None, str]:
    """The normalised number and the key to rate with; remembered, since numbers come again."""
    number = numbering.normalise(desk.site, called, direction)
    known = (number, number or numbering.digits(called))
    if len(desk.numbers) >= NUMBERS_KEPT:
        desk.numbers.clear()
    desk.numbers[(called, direction)] = known
    return known


Priced = tuple[int | None, str | None, str | None]  # charge, destination, why there is none


def _price(desk: Desk, leg: Leg, talk: int | None, key: str, when: timing.Times) -> Priced:
    if leg.direction in FREE:
        return 0, None, None
    if leg.answered is False:
        talk = 0
    if talk is None:
        return None, None, "no duration"
    if leg.direction is None and talk:
        return None, None, "no direction"
    if desk.charge is None:
        return (None, None, "no plan") if talk else (0, None, None)
    return _by_plan(desk, desk.charge, key, talk, when)


def _by_plan(desk: Desk, version: attribute.PlanVersion, key: str, talk: int, when: timing.Times) -> Priced:
    """A call is priced from its answer; from its start where the answer is not known."""
    plan = version.plan
    start = when.started if when.answered is None else when.answered
    wall_us, fold = rating.wall(plan.time_zone or desk.site.zone, start)
    return rating.charge_micros(plan, key, wall_us, talk, fold)


def _other(
    desk: Desk,
    version: attribute.PlanVersion | None,
    leg: Leg,
    talk: int | None,
    key: str,
    when: timing.Times,
) -> int | None:
    """Cost and reference: the same seconds by another plan."""
    if version is None or (desk.charge and version.plan.currency != desk.charge.plan.currency):
        return None
    if leg.direction in FREE or leg.answered is False:
        return 0
    if talk is None or leg.direction is None:
        return None
    return _by_plan(desk, version, key, talk, when)[0]
