"""The fast rater against the slow one (slow_rater.py), on random plans and calls.

RATINGS=1000000 RATINGS_SEED=1 pytest tests/test_rating_agrees.py runs more; results of such runs stand in docs/plans.md.
"""

import os
import random
from datetime import datetime, timedelta

import pytest

from bluewhale.ledger import plan as plan_files
from bluewhale.ledger import rating
from slow_rater import random_call, random_plan, slow_charge

RATINGS = int(os.environ.get("RATINGS", "20000"))
SEED = int(os.environ.get("RATINGS_SEED", "5"))
PARTS = 4
CALLS_A_PLAN = 20


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(0 if RATINGS > 20000 else 180)
def test_fast_and_slow_rater_agree(part):
    chance = random.Random(f"{SEED}/{part}")
    priced = 0
    for _ in range(RATINGS // PARTS // CALLS_A_PLAN):
        tree = random_plan(chance)
        plan = plan_files.parse(tree)
        for _ in range(CALLS_A_PLAN):
            called, start, talk_s, fold = random_call(chance, tree)
            priced += _same(plan, tree, called, start, talk_s, fold)
    assert priced > RATINGS // PARTS // 3, "the generator makes too few calls that cost something"


def _same(plan, tree, called, start, talk_s, fold) -> int:
    """1 if the call cost something."""
    expected = slow_charge(tree, called, start, talk_s, fold)
    wall_us = (start - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    micros, destination, why = rating.charge_micros(plan, called, wall_us, talk_s, fold)
    price = rating.price(plan, called, wall_us, talk_s, fold)
    case = (tree, called, start, talk_s, fold)
    assert micros == expected, case
    if expected is None:
        assert isinstance(price, rating.NoRate) and price.why == why, case
        return 0
    assert (price.micros, why) == (expected, None), case
    assert sum(span.charge_micros for span in price.spans) == expected, case
    assert talk_s == 0 or price.destination == destination, case
    return int(expected > 0)
