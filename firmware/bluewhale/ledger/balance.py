"""How long a balance lasts: the exact inverse of a call's price.

P(t) is the rounded price after t seconds, P(0) = 0; it never falls, and it rises only where an increment
begins. So the answer is the start of the first increment that cannot be paid.
"""

from bluewhale.ledger.plan_records import Plan
from bluewhale.ledger.rating import MAX_TALK_S, Gap, NoRate, micros_of, tariff_at, walk, why_no_rate
from bluewhale.ledger.tariff import Tariff


def max_talk_s(
    plan: Plan, balance_micros: int, called: str, wall_us: int, fold: int = 0
) -> int | NoRate | None:
    """The most seconds t with P(t) <= balance, and P(t) <= the maximum where its rule is `cut`.

    None: it lasts for any call. Where the bands leave a gap, the call may last up to there.
    """
    return _last_second(plan, balance_micros, called, wall_us, fold, cut=True)


def below_s(
    plan: Plan, balance_micros: int, warn_micros: int, called: str, wall_us: int, fold: int = 0
) -> int | None:
    """The first second t with balance - P(t) < warn; None: not in any call, or a call without a price."""
    if balance_micros < warn_micros:
        return 0
    last = _last_second(plan, balance_micros - warn_micros, called, wall_us, fold, cut=False)
    if not isinstance(last, int):
        return None
    # In a gap there is no price, so nothing falls.
    longest = max_talk_s(plan, balance_micros, called, wall_us, fold)
    return None if isinstance(longest, int) and last >= longest else last + 1


def _last_second(
    plan: Plan, budget: int, called: str, wall_us: int, fold: int, cut: bool
) -> int | NoRate | None:
    wall_s = wall_us // 1_000_000
    tariff = tariff_at(plan, called, wall_s)
    if tariff is None:
        return NoRate(why_no_rate(plan, called, wall_s))
    if budget < 0:
        return 0
    first, total, at = -1, 0, 0
    try:
        for stretch in walk(plan, tariff, wall_s, MAX_TALK_S, fold):
            if first < 0:
                first, total = stretch.rate, tariff.fees[stretch.rate]
                if cut:
                    budget = _cut(tariff, first, budget)
            cost = tariff.costs[stretch.rate][stretch.slot]
            paid = _affordable(plan, tariff, first, total, cost, stretch.count, budget)
            at = stretch.from_s + paid * tariff.rates[stretch.rate].slots[stretch.slot].increment_s
            if paid < stretch.count:
                return at
            total += paid * cost
    except Gap as gap:
        return at if at else NoRate(str(gap))
    return None


def _cut(tariff: Tariff, first: int, budget: int) -> int:
    rate = tariff.rates[first]
    if not rate.cut or rate.maximum is None:
        return budget
    return min(budget, int(rate.maximum * 1_000_000))


def _affordable(
    plan: Plan, tariff: Tariff, first: int, total: int, cost: int, count: int, budget: int
) -> int:
    """How many of `count` increments can be begun."""
    if micros_of(plan, tariff, first, total + count * cost) <= budget:
        return count
    low, high = 0, count  # low can be paid (or is none), high cannot
    while high - low > 1:
        middle = (low + high) // 2
        if micros_of(plan, tariff, first, total + middle * cost) <= budget:
            low = middle
        else:
            high = middle
    return low
