"""Double entry: whatever is charged, all accounts of a currency add up to zero."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bluewhale.ledger.posting import post
from bluewhale.model import Line

money = st.none() | st.integers(0, 10**12)


def line(department: int, currency: str | None, charge: int | None, cost: int | None, day: int) -> Line:
    return Line(
        seq=1, position=0, length=1, call_position=0, call_length=1, feed=1, enterprise=1, site=1,
        department=department, format="test", currency=currency, charge_micros=charge, cost_micros=cost, day=day,
    )  # fmt: skip


lines = st.lists(
    st.builds(line, st.integers(0, 3), st.sampled_from(["EUR", "CNY", None]), money, money, st.just(20260914))
)


@given(lines)
def test_every_currency_adds_up_to_zero(made: list[Line]) -> None:
    sums: Counter[str] = Counter()
    for (_, currency, _), (micros, _) in post(made).items():
        sums[currency] += micros
    assert not any(sums.values())


@given(lines, st.integers(0, 100))
def test_batches_add_up_to_the_whole(made: list[Line], cut: int) -> None:
    parts: dict[tuple[str, str, int], tuple[int, int]] = {}
    for part in (made[:cut], made[cut:]):
        for key, (micros, count) in post(part).items():
            before = parts.get(key, (0, 0))
            parts[key] = (before[0] + micros, before[1] + count)
    assert parts == post(made)


def test_a_department_owes_what_the_enterprise_earns_and_the_carrier_is_owed() -> None:
    made = [
        line(7, "EUR", 500, 300, 20260914),
        line(7, "EUR", 250, None, 20260914),
        line(0, "EUR", 0, None, 1),
    ]
    assert post(made) == {
        ("department:7:1", "EUR", 20260914): (750, 2),
        ("revenue:1", "EUR", 20260914): (-750, 2),
        ("expense:1", "EUR", 20260914): (300, 1),
        ("carrier:1", "EUR", 20260914): (-300, 1),
    }


def test_what_has_no_price_posts_nothing() -> None:
    assert post([line(1, None, None, None, 1), line(1, "EUR", None, None, 1), line(1, "EUR", 0, 0, 1)]) == {}
