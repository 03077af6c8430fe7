"""money.py: exact in, one rounding, text at the edges."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.ledger import money
from bluewhale.ledger.money import Rounding

DECIMAL_RULES = {
    Rounding.UP: ROUND_UP,
    Rounding.DOWN: ROUND_DOWN,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # 0.005, 0.015, 0.0251, -0.005 to two decimals, in micros
        (Rounding.UP, [10_000, 20_000, 30_000, -10_000]),
        (Rounding.DOWN, [0, 10_000, 20_000, 0]),
        (Rounding.HALF_UP, [10_000, 20_000, 30_000, -10_000]),
        (Rounding.HALF_EVEN, [0, 20_000, 30_000, 0]),
    ],
)
def test_the_four_rules(rule, expected):
    amounts = [Fraction(5, 1000), Fraction(15, 1000), Fraction(251, 10000), Fraction(-5, 1000)]
    assert [money.rounded(amount, 2, rule) for amount in amounts] == expected


@given(st.integers(-(10**12), 10**12), st.sampled_from(list(Rounding)), st.integers(0, 6))
def test_rules_agree_with_decimal(hundred_millionths, rule, decimals):
    amount = Fraction(hundred_millionths, 10**8)
    quantum = Decimal(1).scaleb(-decimals)
    expected = (Decimal(hundred_millionths).scaleb(-8)).quantize(quantum, DECIMAL_RULES[rule])
    assert money.rounded(amount, decimals, rule) == int(expected.scaleb(6))


def test_a_third_has_no_decimal_and_needs_none():
    assert money.rounded(Fraction(1, 3), 6, Rounding.HALF_UP) == 333_333
    assert money.rounded(Fraction(2, 3), 0, Rounding.HALF_UP) == 1_000_000


@pytest.mark.parametrize(
    "text", ["", "-", ".5", "5.", "1e3", "+1", "1,50", "0x1", " 1", "1 ", "--1", "٣", "NaN", "9" * 41]
)
def test_only_plain_decimal_text_is_an_amount(text):
    with pytest.raises(ValueError, match="is not an amount"):
        money.exact(text)


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_text_and_back(micros, decimals):
    assert money.to_micros(money.to_text(micros, decimals)) == micros


def test_text():
    assert money.to_text(770_000) == "0.77"
    assert money.to_text(700_000) == "0.70"
    assert money.to_text(61_000, 2) == "0.061"  # more places where the amount has more: nothing is hidden
    assert money.to_text(-5, 0) == "-0.000005"
    assert money.to_text(3_000_000, 0) == "3"
    with pytest.raises(ValueError, match="more than 6 decimals"):
        money.to_micros("0.0000001")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Fraction(245, 10000), "0.0245"),
        (Fraction(7, 6000), "7/6000"),
        (Fraction(3), "3"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(1, 64), "0.015625"),
        (Fraction(0), "0"),
    ],
)
def test_ratio_text(amount, text):
    assert money.ratio_text(amount) == text
    assert Fraction(text) == amount
