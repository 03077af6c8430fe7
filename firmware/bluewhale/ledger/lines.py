"""A leg to a line: its times, who pays, what it costs."""

from typing import NamedTuple

from bluewhale.ledger import attribute, numbering, rating
from bluewhale.ledger.correlate import timing, wall
from bluewhale.model import Leg, Line, Why

NUMBERS_KEPT = 50_000
FREE = ("incoming", "internal")  # directions that cost nothing here
LONGEST_S = 10**9


class Unfit(ValueError):
    """A leg that cannot become a line; `why` says of which kind, the text what it is."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


class Desk(NamedTuple):
    """All that is the same for every leg of a feed until an owner changes something.

    `numbers`: (called, direction) -> (E.164 or None, key to rate with), bounded. `payers`: who an extension is, bounded.
    """

    feed: int
    zone: str
    site: numbering.Site
    book: attribute.Book
    charge: attribute.PlanVersion | None
    cost: attribute.PlanVersion | None
    reference: attribute.PlanVersion | None
    numbers: dict[tuple[str | None, str | None], tuple[str | None, str]]
    payers: dict[str | None, attribute.Paid]


def desk(book: attribute.Book, feed: int, site_name: str, zone: object) -> Desk:
    """`zone`: the feed's own; the site's if it has none that is one."""
    site = book.sites.get(site_name) or book.sites["main"]
    plans, pricing = book.plans, book.pricing
    return Desk(
        feed,
        zone if isinstance(zone, str) and wall.is_zone(zone) else site.zone,
        site,
        book,
        plans.get(pricing.charge) if pricing.charge else None,
        plans.get(pricing.cost) if pricing.cost else None,
        plans.get(pricing.reference) if pricing.reference else None,
        {},
        {},
    )


def line(desk: Desk, leg: Leg, received_us: int, seq: int) -> Line:
    """One leg, one line, one call. Raises Unfit."""
    origin = leg.origin
    assert origin is not None
    position, length = origin.position, origin.length
    talk, ring, total = leg.talk_s, leg.ring_s, leg.total_s
    if talk is None:
        talk = timing.talk_s(leg)
    if (talk or 0) > LONGEST_S or (ring or 0) > LONGEST_S or (total or 0) > LONGEST_S:
        raise Unfit(Why.BAD_FIELD, f"a call of {max(talk or 0, ring or 0, total or 0)} s cannot be")
    try:
        when = timing.times(leg, desk.zone, desk.site.zone, received_us, talk)
    except wall.BadTime as error:
        raise Unfit(Why.BAD_TIME, str(error)) from error
    started, answered_us, ended, day, text, flags = when
    direction, called, answered, extension = leg.direction, leg.called, leg.answered, leg.extension
    paid = desk.payers.get(extension) or _payer(desk, leg)
    enterprise, site, department, person, payer_kind, payer = paid
    e164, key = desk.numbers.get((called, direction)) or _number(desk, called, direction)
    start = started if answered_us is None else answered_us
    charge, destination, unpriced = _price(desk, desk.charge, leg, talk, key, start)
    cost = reference = plan = currency = None
    if desk.charge is not None:
        plan, currency = desk.charge.id, desk.charge.plan.currency
    if desk.cost is not None:
        cost = _price(desk, desk.cost, leg, talk, key, start)[0]
        currency = desk.cost.plan.currency
    if desk.reference is not None:
        reference = _price(desk, desk.reference, leg, talk, key, start)[0]
        currency = desk.reference.plan.currency
    return Line(
        seq, position, length, position, length, 0, 0, None,  # call_position, call_length, ordinal, revision, reason
        desk.feed, enterprise, site, department, person, leg.format, direction, extension, leg.caller, called,
        e164, leg.trunk, leg.trunk_in, leg.auth_code, leg.account_code, None if answered is None else int(answered),
        talk, ring, total, started, answered_us, ended, day, text, flags, leg.condition_code, leg.cause,
        leg.correlation_id, "closed", payer_kind, payer, None if direction == "internal" else talk, destination,
        plan, currency, cost, charge, reference, unpriced,
    )  # fmt: skip


def _payer(desk: Desk, leg: Leg) -> attribute.Paid:
    """Who pays; remembered for the station charged, which alone decides where there is one."""
    paid = attribute.attribute(desk.book, desk.site, leg)
    if leg.extension:
        if len(desk.payers) >= NUMBERS_KEPT:
            desk.payers.clear()
        desk.payers[leg.extension] = paid
    return paid


def _number(desk: Desk, called: str | None, direction: str | None) -> tuple[str | None, str]:
    """The normalised number and the key to rate with; remembered, since numbers come again."""
    number = numbering.normalise(desk.site, called, direction)
    plain = called is not None and called.isascii() and called.isdigit()
    known = (number, number or (called if called and plain else numbering.digits(called)))
    if len(desk.numbers) >= NUMBERS_KEPT:
        desk.numbers.clear()
    desk.numbers[(called, direction)] = known
    return known


Priced = tuple[int | None, str | None, str | None]  # micros, destination, why there is none


def _price(
    desk: Desk, version: attribute.PlanVersion | None, leg: Leg, talk: int | None, key: str, start: int
) -> Priced:
    """A call is priced from its answer (`start`); from its start where the answer is not known."""
    if leg.direction in FREE:
        return 0, None, None
    if leg.answered is False:
        talk = 0
    elif talk is None:
        return None, None, "no duration"
    if talk and leg.direction is None:
        return None, None, "no direction"
    if version is None:
        return (None, None, "no plan") if talk else (0, None, None)
    plan = version.plan
    wall_us, fold = rating.wall(plan.time_zone or desk.site.zone, start)
    return rating.charge_micros(plan, key, wall_us, talk, fold)
