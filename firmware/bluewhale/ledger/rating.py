"""What a call costs by a plan: design section 9, to the letter (docs/plans.md says it for owners).

The start is the call's answer, as *wall time*: microseconds since 1970 as the wall clock of the plan's zone
(the site's, if the plan names none) shows them; `wall()` makes it from UTC. Effort does not grow with the
length of the call: increments of one price are multiplied, so a call costs as many steps as it crosses
slots and bands. All sums are whole numbers of the tariff's scale, rounded once at the end.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import msgspec

from bluewhale.ledger import money
from bluewhale.ledger.plan_records import DAY_S, Plan
from bluewhale.ledger.tariff import NO_RATE, Course, Stretch, Tariff, date_of, holding, sane, tariffs
from bluewhale.ledger.wall_clock import clock_changes, wall

__all__ = ["Gap", "NoRate", "Price", "Span", "charge_micros", "price", "wall"]

MAX_TALK_S = 10**8  # three years: longer is no call
_MEMO = 20_000


class Span(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A part of a charge. `what` is fee, talk, minimum, maximum or rounding; the spans' `charge_micros` add up
    to the call's. `from_s`, `to_s` count from the call's start; `to_s` is where the last increment ends, which
    may be after the call's end. `exact` is the amount unrounded, in units of the currency."""

    what: str
    charge_micros: int
    exact: str | None = None
    from_s: int | None = None
    to_s: int | None = None
    increments: int | None = None
    increment_s: int | None = None
    price: str | None = None
    per_s: int | None = None
    band: str | None = None
    rate: str | None = None


class Price(msgspec.Struct, frozen=True):
    micros: int
    currency: str
    destination: str | None
    rate: str | None
    prefix: str | None
    spans: tuple[Span, ...]


class NoRate(msgspec.Struct, frozen=True):
    why: str


class Gap(ValueError):
    """A second of a call that no band of its prefix covers; the text says when."""


def charge_micros(
    plan: Plan, called: str, wall_us: int, talk_s: int, fold: int = 0
) -> tuple[int | None, str | None, str | None]:
    """(charge, destination, why there is none). 0 s cost nothing. `fold` 1: the second of two equal wall times."""
    key = called[: plan.lengths[0]]
    found = plan.found.get(key)
    if found is None:
        found = _find(plan, key)
    wall_s = wall_us // 1_000_000
    for tariff in found:
        if tariff.from_s <= wall_s < tariff.to_s:
            break
    else:
        return (0, None, None) if talk_s <= 0 else (None, None, why_no_rate(plan, called, wall_s))
    if tariff.course is None or not 0 < talk_s <= MAX_TALK_S:
        return _charge_by_bands(plan, tariff, wall_s, talk_s, fold)
    return tariff.known.get(talk_s) or _charge_by_course(plan, tariff, tariff.course, talk_s)


def _charge_by_course(
    plan: Plan, tariff: Tariff, course: Course, talk_s: int
) -> tuple[int, str | None, None]:
    start, cost, increment_s, price = next(
        step for step in course if talk_s > step[0]
    )  # the last starts at 0
    micros = micros_of(plan, tariff, 0, cost - (start - talk_s) // increment_s * price)
    if len(tariff.known) >= _MEMO:
        tariff.known.clear()
    known = tariff.known[talk_s] = micros, tariff.rates[0].destination, None
    return known


def _charge_by_bands(
    plan: Plan, tariff: Tariff, wall_s: int, talk_s: int, fold: int
) -> tuple[int | None, str | None, str | None]:
    if talk_s > MAX_TALK_S:
        return None, None, f"a call of {talk_s} s cannot be"
    first = holding(tariff, sane(wall_s))[0]
    destination = tariff.rates[max(first, 0)].destination
    if talk_s <= 0:
        return 0, destination, None
    try:
        total = exact_total(plan, tariff, wall_s, talk_s, fold)
    except Gap as gap:
        return None, destination, str(gap)
    return micros_of(plan, tariff, total[0], total[1]), tariff.rates[total[0]].destination, None


def exact_total(plan: Plan, tariff: Tariff, wall_s: int, talk_s: int, fold: int) -> tuple[int, int]:
    """(index of the rate at the start, fee and increments exactly, in 1/scale). Raises Gap."""
    first, total = NO_RATE, 0
    for stretch in walk(plan, tariff, wall_s, talk_s, fold):
        if first == NO_RATE:
            first, total = stretch.rate, tariff.fees[stretch.rate]
        total += tariff.costs[stretch.rate][stretch.slot] * stretch.count
    return first, total


def micros_of(plan: Plan, tariff: Tariff, rate: int, total: int) -> int:
    """The charge for an exact sum of increments and fee: minimum, maximum, then the one rounding."""
    total = max(total, tariff.minimums[rate])
    maximum = tariff.maximums[rate]
    if maximum is not None and total > maximum:
        total = maximum
    whole, rest = divmod(total * 10**plan.decimals, tariff.scale)
    if rest:
        whole = money.divide(total * 10**plan.decimals, tariff.scale, plan.rounding)
    return whole * 10 ** (6 - plan.decimals)


def _find(plan: Plan, key: str) -> tuple[Tariff, ...]:
    """The tariffs of all prefixes of a number, longest first; `key` is as much of it as any prefix has."""
    found: list[Tariff] = []
    for length in plan.lengths:
        prefix = key[:length]
        if length <= len(key) and prefix in plan.by_prefix:
            if prefix not in plan.compiled:
                plan.compiled[prefix] = tuple(tariffs(plan.by_prefix[prefix]))
            found += plan.compiled[prefix]
    if len(plan.found) >= _MEMO:
        plan.found.clear()
    plan.found[key] = tuple(found)
    return plan.found[key]


def tariff_at(plan: Plan, called: str, wall_s: int) -> Tariff | None:
    """The tariff of the longest prefix with a rate valid at a moment."""
    found = _find(plan, called[: plan.lengths[0]])
    return next((tariff for tariff in found if tariff.from_s <= wall_s < tariff.to_s), None)


def why_no_rate(plan: Plan, called: str, wall_s: int) -> str:
    if not _find(plan, called[: plan.lengths[0]]):
        return f'no rate for "{called}"'
    return f'no rate for "{called}" is valid on {date_of(wall_s)}'


def walk(plan: Plan, tariff: Tariff, wall_s: int, talk_s: int, fold: int = 0) -> Iterator[Stretch]:
    """The call's increments in order, equal ones in a row as one stretch. Raises Gap.

    An increment belongs to the rate and slot at its first second and may run past their limits.
    """
    if sane(wall_s) != wall_s:
        raise Gap("the start is no time of a call")
    changes = clock_changes(plan.time_zone, wall_s, talk_s, fold) if tariff.course is None else [(0, 0)]
    at, change = 0, 0
    while at < talk_s:
        while change + 1 < len(changes) and changes[change + 1][0] <= at:
            change += 1
        now = wall_s + at + changes[change][1]
        rate, until = holding(tariff, now)
        if rate == NO_RATE:
            text = f"{date_of(now)} {now % DAY_S // 3600:02d}:{now % 3600 // 60:02d}"
            raise Gap(f'no band of prefix "{tariff.prefix}" holds at {text}')
        end = min(talk_s, at + until - now)
        if change + 1 < len(changes):
            end = min(end, changes[change + 1][0])
        slots = tariff.rates[rate].slots
        slot = 0
        while at < end:
            while slot + 1 < len(slots) and slots[slot + 1].from_s <= at:
                slot += 1
            stop = min(end, slots[slot + 1].from_s) if slot + 1 < len(slots) else end
            count = -((at - stop) // slots[slot].increment_s)
            yield Stretch(rate, slot, at, count)
            at += count * slots[slot].increment_s


def price(plan: Plan, called: str, wall_us: int, talk_s: int, fold: int = 0) -> Price | NoRate:
    """The charge with the spans that make it up. Spans are whole micros of the running exact sum, so that they
    add up; what the plan's rounding adds or takes is the last span, `rounding`."""
    if talk_s <= 0:
        return Price(0, plan.currency, None, None, None, ())
    if talk_s > MAX_TALK_S:
        return NoRate(f"a call of {talk_s} s cannot be")
    wall_s = wall_us // 1_000_000
    tariff = tariff_at(plan, called, wall_s)
    if tariff is None:
        return NoRate(why_no_rate(plan, called, wall_s))
    try:
        stretches = list(walk(plan, tariff, wall_s, talk_s, fold))
    except Gap as gap:
        return NoRate(str(gap))
    first = stretches[0].rate
    rate = tariff.rates[first]
    ledger = _Sum(tariff.scale)
    if rate.fee:
        ledger.add(tariff.fees[first], what="fee", rate=rate.name)
    for stretch in _joined(tariff, stretches):
        _add_talk(ledger, tariff, stretch)
    least, most = tariff.minimums[first], tariff.maximums[first]
    if ledger.total < least:
        ledger.add(least - ledger.total, what="minimum", rate=rate.name)
    if most is not None and ledger.total > most:
        ledger.add(most - ledger.total, what="maximum", rate=rate.name)
    micros = micros_of(plan, tariff, first, ledger.total)
    if micros != ledger.micros:
        ledger.spans.append(Span(what="rounding", charge_micros=micros - ledger.micros))
    return Price(micros, plan.currency, rate.destination, rate.name, tariff.prefix, tuple(ledger.spans))


class _Sum:
    """The running sum of a price: exact in `total` (1/scale), whole in `micros`, by parts in `spans`."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.total = 0
        self.micros = 0
        self.spans: list[Span] = []

    def add(self, amount: int, what: str, **facts: Any) -> None:
        self.total += amount
        micros = money.divide(self.total * money.MICROS, self.scale, money.Rounding.HALF_EVEN)
        exact = money.ratio_text(Fraction(amount, self.scale))
        self.spans.append(Span(what=what, charge_micros=micros - self.micros, exact=exact, **facts))
        self.micros = micros


def _add_talk(ledger: _Sum, tariff: Tariff, stretch: Stretch) -> None:
    rate = tariff.rates[stretch.rate]
    slot = rate.slots[stretch.slot]
    ledger.add(
        tariff.costs[stretch.rate][stretch.slot] * stretch.count,
        what="talk",
        from_s=stretch.from_s,
        to_s=stretch.from_s + stretch.count * slot.increment_s,
        increments=stretch.count,
        increment_s=slot.increment_s,
        price=money.ratio_text(slot.price),
        per_s=slot.per_s,
        band=rate.band.name if rate.band else None,
        rate=rate.name,
    )


def _joined(tariff: Tariff, stretches: list[Stretch]) -> Iterator[Stretch]:
    """Neighbours at one rate and slot as one: a band's day that ends is no news."""
    last = stretches[0]
    for stretch in stretches[1:]:
        if (stretch.rate, stretch.slot) == (last.rate, last.slot):
            last = Stretch(last.rate, last.slot, last.from_s, last.count + stretch.count)
        else:
            yield last
            last = stretch
    yield last
