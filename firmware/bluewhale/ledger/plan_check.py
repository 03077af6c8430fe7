"""What is odd about a plan that can be read: gaps, overlaps, rates never used, prefixes that match nothing.

Days are looked at by kind: all days of 28 years (after which weekdays and dates repeat) and every single date
the plan names, reduced to those on which other bands start.
"""

import datetime
import re
from itertools import pairwise

import msgspec

from bluewhale.ledger.plan_records import DAY_S, EPOCH, EVER, Band, Fault, Plan, Rate
from bluewhale.ledger.tariff import NO_RATE, Tariff, tariffs, timeline

_YEARS = (2000, 2028)
_MATCHABLE = re.compile(r"[0-9*#]*(\+([1-9][0-9]{0,14})?)?")
_WEEKDAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class _Found(msgspec.Struct):
    """For a set of bands: which of them ever hold, the first gap, the first tie."""

    used: set[int]
    gap: str | None = None
    tie: tuple[int, int, str] | None = None


def check(plan: Plan) -> list[Fault]:
    """Findings by path, in the order of the file. None of them stops the plan from being used."""
    days = _kinds_of_day(plan)
    found: list[Fault] = []
    seen: dict[tuple[str | None, ...], _Found] = {}
    reached: set[int] = set()
    for rates in plan.by_prefix.values():
        made = tariffs(rates)
        for tariff in made:
            key = tuple(rate.band.name if rate.band else None for rate in tariff.rates)
            if key not in seen:
                seen[key] = _over_days(tariff, days)
            reached |= {tariff.rates[at].index for at in seen[key].used}
            found += _of_bands(tariff, seen[key])
        found += _of_validity(rates, made)
    for rate in plan.rates:
        found += _of_rate(plan, rate, rate.index in reached)
    used = {rate.band.name for rate in plan.rates if rate.band}
    for at, band in enumerate(plan.bands):
        if band.name not in used:
            found.append(Fault(f"band[{at}]", f'no rate uses the band "{band.name}"'))
    return sorted(found, key=_place)


def _place(fault: Fault) -> tuple[str, list[int], str]:
    return fault.path.partition("[")[0], [int(n) for n in re.findall("[0-9]+", fault.path)], fault.path


def _kinds_of_day(plan: Plan) -> list[int]:
    """One day (ordinal) for each way in which the plan's bands start on it and on the day before."""
    first = datetime.date(_YEARS[0], 1, 1).toordinal()
    last = datetime.date(_YEARS[1], 1, 1).toordinal()
    single: set[int] = set()
    for band in plan.bands:
        for days in (band.dates, band.off_days):
            single |= days.single if days else set()
    ordinals = sorted({*range(first, last), *single, *(day + 1 for day in single)})
    kinds: dict[tuple[bool, ...], int] = {}
    for ordinal in ordinals:
        kind = tuple(b.starts_on(day) for b in plan.bands for day in (ordinal - 1, ordinal))
        kinds.setdefault(kind, ordinal)
    return list(kinds.values())


def _over_days(tariff: Tariff, days: list[int]) -> _Found:
    found = _Found(set())
    for ordinal in days:
        line = (*timeline(tariff.rates, ordinal), (DAY_S, NO_RATE))
        for (start, rate), (end, _) in pairwise(line):
            if rate == NO_RATE:
                found.gap = found.gap or _when(ordinal, start, end)
            else:
                found.used.add(rate)
        found.tie = found.tie or _tie(tariff.rates, ordinal)
    return found


def _tie(rates: tuple[Rate, ...], ordinal: int) -> tuple[int, int, str] | None:
    """Two bands of equal weight that start at one moment: only their place in the file decides."""
    starts: dict[tuple[int, int], int] = {}
    for at, rate in enumerate(rates):
        band = rate.band
        if band and band.starts_on(ordinal):
            first = starts.setdefault((band.weight, band.from_s), at)
            if first != at:
                return first, at, _when(ordinal, band.from_s, min(band.to_s, _end(rates[first].band)))
    return None


def _end(band: Band | None) -> int:
    return band.to_s if band else DAY_S


def _when(ordinal: int, start: int, end: int) -> str:
    date = datetime.date.fromordinal(ordinal)
    return f"{_WEEKDAYS[date.isoweekday()]} {date}, {_clock(start)} to {_clock(end)}"


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}" + (f":{second % 60:02d}" if second % 60 else "")


def _of_bands(tariff: Tariff, found: _Found) -> list[Fault]:
    first = tariff.rates[0]
    faults = []
    if found.gap:
        text = f'gap: no band of prefix "{tariff.prefix}" holds on {found.gap}; such calls are not priced'
        faults.append(Fault(f"rate[{first.index}]", text))
    if found.tie:
        one, other, when = found.tie
        text = f"overlap: rate[{tariff.rates[one].index}] has a band of the same weight and start ({when}); it wins"
        faults.append(Fault(f"rate[{tariff.rates[other].index}].band", text))
    return faults


def _of_validity(rates: tuple[Rate, ...], made: list[Tariff]) -> list[Fault]:
    faults = []
    for one, other in pairwise(made):
        if one.to_s < other.from_s:
            text = (
                f'gap: prefix "{one.prefix}" has no rate from {_moment(one.to_s)} to {_moment(other.from_s)}'
            )
            faults.append(Fault(f"rate[{one.rates[0].index}].valid_to", text))
    for rate in rates:
        for later in rates:
            same_band = (rate.band and rate.band.name) == (later.band and later.band.name)
            if same_band and rate.valid_from < later.valid_from < rate.valid_to < EVER:
                text = f"overlap: from {_moment(later.valid_from)} rate[{later.index}] is valid too; it wins"
                faults.append(Fault(f"rate[{rate.index}].valid_to", text))
    return faults


def _moment(wall_s: int) -> str:
    date = datetime.date.fromordinal(wall_s // DAY_S + EPOCH)
    return str(date) if wall_s % DAY_S == 0 else f"{date} {_clock(wall_s % DAY_S)}"


def _of_rate(plan: Plan, rate: Rate, reached: bool) -> list[Fault]:
    path = f"rate[{rate.index}]"
    faults = []
    if not _MATCHABLE.fullmatch(rate.prefix):
        text = f'"{rate.prefix}" can never match: numbers are digits, * and #, or + and a country\'s code'
        faults.append(Fault(f"{path}.prefix", text))
    elif _covered(plan, rate.prefix):
        text = f'"{rate.prefix}" can never match a longer number: each next digit has a prefix of its own'
        faults.append(Fault(f"{path}.prefix", text))
    if not reached:
        faults.append(Fault(path, _unreached(rate)))
    at = 0
    for index, slot in enumerate(rate.slots):
        following = rate.slots[index + 1].from_s if index + 1 < len(rate.slots) else EVER
        if at >= following:
            text = f"never begins: the increment before it ends at {at} s, when the next slot has begun"
            faults.append(Fault(f"{path}.slot[{index}]", text))
            continue
        at -= (at - following) // slot.increment_s * slot.increment_s
    return faults


def _covered(plan: Plan, prefix: str) -> bool:
    """Whether every longer number belongs to a longer prefix, at any time."""
    if not prefix:
        return False
    digits = "123456789" if prefix.endswith("+") else "0123456789"
    return all(
        any(
            rate.valid_from == -EVER and rate.valid_to == EVER
            for rate in plan.by_prefix.get(prefix + digit, ())
        )
        for digit in digits
    )


def _unreached(rate: Rate) -> str:
    band = rate.band
    if band is None:
        return "never used: bands of this prefix hold at any time"
    if band.holidays == "only" and not (band.off_days.single or band.off_days.yearly):
        return f'never used: the band "{band.name}" holds on holidays only, and no holidays are known ([[calendar]])'
    return f'never used: the band "{band.name}" never holds, or others always go before it'
