"""A prefix's rates made ready to be asked: which rate holds at a moment, and what t seconds cost.

Inside a Tariff all amounts are whole numbers of 1/scale of the currency (scale: the common denominator), so
that the exact sum is integer arithmetic. A *course* prices a rate no band interrupts, in closed form. With
bands, a day's *timeline* says which rate holds from which second on; it is made once a day asked for.
"""

import datetime
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from math import lcm

import msgspec

from bluewhale.ledger.plan_records import DAY_S, EPOCH, EVER, Band, Rate

_DAYS_KEPT = 512
NO_RATE = -1

# (starts at second, cost up to there with the fee, seconds an increment, cost of one), latest first.
Course = tuple[tuple[int, int, int, int], ...]
# (second of the day, index of the rate or NO_RATE), ascending, the first at 0.
Timeline = tuple[tuple[int, int], ...]


class Tariff(msgspec.Struct, frozen=True):
    """The rates of one prefix valid from `from_s` to `to_s` (wall seconds), one for each band."""

    prefix: str
    from_s: int
    to_s: int
    rates: tuple[Rate, ...]
    scale: int
    fees: tuple[int, ...]
    costs: tuple[tuple[int, ...], ...]  # of an increment, by rate and slot
    minimums: tuple[int, ...]
    maximums: tuple[int | None, ...]  # None where the price has no upper limit
    course: Course | None  # the only rate's, when it holds at any time
    days: dict[int, Timeline]  # memo, by ordinal
    known: dict[int, tuple[int, str | None, None]]  # memo, by seconds: charge_micros of calls by the course


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """`count` increments one after the other, at one price, from `from_s` seconds after the call's start."""

    rate: int
    slot: int
    from_s: int
    count: int


def tariffs(rates: tuple[Rate, ...]) -> list[Tariff]:
    """The rates of one prefix cut at each moment where one becomes valid or ceases to be.

    Of rates for the same band whose validity overlaps, the one valid from later wins: a price change is
    written as a second rate, and the first need not be closed.
    """
    edges = sorted({edge for rate in rates for edge in (rate.valid_from, rate.valid_to)})
    made = []
    for from_s, to_s in pairwise(edges):
        best: dict[str | None, Rate] = {}
        for rate in rates:
            if rate.valid_from <= from_s < rate.valid_to:
                band = rate.band.name if rate.band else None
                if band not in best or best[band].valid_from < rate.valid_from:
                    best[band] = rate
        if best:
            made.append(_compiled(from_s, to_s, tuple(sorted(best.values(), key=lambda r: r.index))))
    return made


def _compiled(from_s: int, to_s: int, rates: tuple[Rate, ...]) -> Tariff:
    exact = [slot.increment_price for rate in rates for slot in rate.slots]
    exact += [amount for rate in rates for amount in (rate.fee, rate.minimum, rate.maximum or rate.fee)]
    scale = lcm(*(amount.denominator for amount in exact))
    alone = len(rates) == 1 and rates[0].band is None
    return Tariff(
        prefix=rates[0].prefix,
        from_s=from_s,
        to_s=to_s,
        rates=rates,
        scale=scale,
        fees=tuple(int(rate.fee * scale) for rate in rates),
        costs=tuple(tuple(int(slot.increment_price * scale) for slot in rate.slots) for rate in rates),
        minimums=tuple(int(rate.minimum * scale) for rate in rates),
        maximums=tuple(None if r.maximum is None or r.cut else int(r.maximum * scale) for r in rates),
        course=_course(rates[0], scale) if alone else None,
        days={},
        known={},
    )


def _course(rate: Rate, scale: int) -> Course:
    course = []
    at, cost = 0, int(rate.fee * scale)
    for slot, following in zip(rate.slots, (*rate.slots[1:], None)):
        price = int(slot.increment_price * scale)
        until = following.from_s if following else EVER
        if at >= until:  # the slot before ran past all of this one
            continue
        course.append((at, cost, slot.increment_s, price))
        count = -((at - until) // slot.increment_s)
        at, cost = at + count * slot.increment_s, cost + count * price
    return tuple(reversed(course))


def holding(tariff: Tariff, wall_s: int) -> tuple[int, int]:
    """(index of the best rate at a wall second or NO_RATE, the wall second up to which that is sure)."""
    if tariff.course is not None:
        return 0, EVER
    day, second = divmod(wall_s, DAY_S)
    line = tariff.days.get(day)
    if line is None:
        if len(tariff.days) >= _DAYS_KEPT:
            tariff.days.clear()
        line = tariff.days[day] = timeline(tariff.rates, day + EPOCH)
    at = bisect_right(line, (second, len(tariff.rates))) - 1
    until = line[at + 1][0] if at + 1 < len(line) else DAY_S
    return line[at][1], day * DAY_S + until


def timeline(rates: tuple[Rate, ...], ordinal: int) -> Timeline:
    """Which rate holds when on a day: the higher weight, then the band that started latest (for a band past
    midnight: yesterday), then the place in the file; a rate without a band only where no band holds."""
    bands = [
        (rate.band.weight, start, -at, start + rate.band.to_s - rate.band.from_s)
        for at, rate in enumerate(rates)
        if rate.band
        for start in _starts(rate.band, ordinal)
    ]
    plain = next((at for at, rate in enumerate(rates) if not rate.band), NO_RATE)
    edges = {0} | {edge for _, start, _, end in bands for edge in (start, end) if 0 < edge < DAY_S}
    line: list[tuple[int, int]] = []
    for edge in sorted(edges):
        here = max((band for band in bands if band[1] <= edge < band[3]), default=None)
        rate = plain if here is None else -here[2]
        if not line or line[-1][1] != rate:
            line.append((edge, rate))
    return tuple(line)


def _starts(band: Band, ordinal: int) -> Iterator[int]:
    """The band's starts that reach into a day, in seconds from the day's midnight."""
    if band.starts_on(ordinal):
        yield band.from_s
    if band.to_s > DAY_S and ordinal > 1 and band.starts_on(ordinal - 1):
        yield band.from_s - DAY_S


def sane(wall_s: int) -> int:
    """A time brought into the years 5 to 9892, so that no arithmetic on days can overflow."""
    return min(max(wall_s, -62_000_000_000), 250_000_000_000)


def date_of(wall_s: int) -> datetime.date:
    return datetime.date.fromordinal(sane(wall_s) // DAY_S + EPOCH)
