"""balance.py is the exact inverse of the price: by hand, and against it on random plans and calls."""

import random
from datetime import datetime, timedelta

from bluewhale.ledger import plan as plan_files
from bluewhale.ledger import rating
from bluewhale.ledger.balance import below_s, max_talk_s
from slow_rater import random_call, random_plan

MONDAY_NOON = (datetime(2026, 1, 5, 12) - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def plan_of(price="1", **more):
    rate = {"prefix": "", "slot": [{"price": price, "per_s": 60, "increment_s": 60}]} | more
    head = {
        "name": "t",
        "currency": "EUR",
        "decimals": 2,
        "rounding": "half-up",
        "time_zone": "Europe/London",
    }
    day = {"name": "day", "from": "08:00", "to": "18:00"}
    return plan_files.parse(head | {"band": [day], "rate": [rate]})


def lasts(plan, euros, at=MONDAY_NOON):
    return max_talk_s(plan, round(euros * 1_000_000), "1", at)


def test_by_hand():
    # 0.50 and 1 a minute: 5.00 pays the fee and four whole minutes; the fifth cannot begin.
    plan = plan_of(connection_fee="0.50")
    assert [lasts(plan, euros) for euros in (5, 1.5, 1.49, 0, -1)] == [240, 60, 0, 0, 0]
    assert lasts(plan_of("0"), 0) is None
    assert lasts(plan_of("0"), -1) == 0
    # The price never goes over 3.00: with that the call may last for ever.
    assert [lasts(plan_of(maximum="3"), euros) for euros in (2.99, 3)] == [120, None]
    # `cut`: at most 3.00 of the balance for one call.
    assert [lasts(plan_of(maximum="3", maximum_rule="cut"), euros) for euros in (2, 100)] == [120, 180]
    assert lasts(plan_of(minimum="2"), 1.99) == 0
    # Six hours by day, then there is no price.
    assert lasts(plan_of(band="day"), 1000) == 21600
    assert isinstance(lasts(plan_of(band="day"), 1000, MONDAY_NOON + 7 * 3600 * 1_000_000), rating.NoRate)
    assert isinstance(max_talk_s(plan_of(prefix="2"), 1, "1", MONDAY_NOON), rating.NoRate)


def test_the_second_of_the_warning():
    # 5.00 at 1 a minute, warn below 3.00: after 120 s there are 3.00 left; second 121 begins the third minute.
    def falls(plan, balance, warn):
        return below_s(plan, round(balance * 1_000_000), round(warn * 1_000_000), "1", MONDAY_NOON)

    assert [falls(plan_of(), 5, warn) for warn in (3, 5, 5.01, 0.5)] == [121, 1, 0, 241]
    assert falls(plan_of(), 5.5, 0.5) is None, "the fifth minute leaves 0.50, a sixth cannot begin"
    assert falls(plan_of("0"), 5, 1) is None
    assert falls(plan_of(maximum="1", maximum_rule="cut"), 5, 3.5) is None
    assert falls(plan_of(band="day"), 1000, 1) is None
    assert falls(plan_of(prefix="2"), 5, 1) is None


def test_it_is_the_inverse_of_the_price():
    chance = random.Random("inverse")
    checked = 0
    for _ in range(1500):
        tree = random_plan(chance)
        for rate in tree["rate"]:
            rate.pop("maximum", None)
        plan = plan_files.parse(tree)
        for _ in range(3):
            called, start, talk_s, fold = random_call(chance, tree)
            at = (start - datetime(1970, 1, 1)) // timedelta(microseconds=1)

            def price(t, plan=plan, called=called, at=at, fold=fold):
                return rating.charge_micros(plan, called, at, t, fold)[0]

            balance = chance.choice(
                (0, 10_000, price(talk_s) or 0, (price(talk_s) or 1) - 1, chance.randint(0, 10**8))
            )
            longest = max_talk_s(plan, balance, called, at, fold)
            case = (tree, called, start, fold, balance, longest)
            if isinstance(longest, rating.NoRate):
                assert price(1) is None, case
            elif longest is None:
                assert price(rating.MAX_TALK_S) <= balance, case
            else:
                after = price(longest + 1)
                assert price(longest) <= balance or (longest == 0 and balance < 0), case
                assert after is None or after > balance, case
                checked += longest > 0
    assert checked > 500
