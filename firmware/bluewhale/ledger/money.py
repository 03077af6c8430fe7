"""Money: exact integers and ratios inside, integer micros at rest, text at the edges, no float anywhere.

A *micro* is a millionth of the plan's currency. An exact amount is a ratio of two integers (0.1 / 60 is no
decimal); it becomes micros once, by one named rule, at the end of a sum. Rules work on the size of the
amount, so that a refund of x rounds as a charge of x does.
"""

import enum
from fractions import Fraction

MICROS = 1_000_000
MAX_DECIMALS = 6  # what integer micros can hold
_LONGEST = 40  # characters of an amount: more is no price but an attack


class Rounding(enum.StrEnum):
    UP = "up"  # away from zero
    DOWN = "down"  # towards zero
    HALF_UP = "half-up"  # to the nearest, a half away from zero
    HALF_EVEN = "half-even"  # to the nearest, a half to the even neighbour


def divide(number: int, by: int, rule: Rounding) -> int:
    """number / by as a whole number, rounded by the rule. `by` > 0."""
    if number < 0:
        return -divide(-number, by, rule)
    whole, rest = divmod(number, by)
    if rest == 0 or rule is Rounding.DOWN:
        return whole
    if rule is Rounding.UP:
        return whole + 1
    twice = rest * 2
    if twice == by:
        return whole + (1 if rule is Rounding.HALF_UP else whole & 1)
    return whole + (twice > by)


def rounded(amount: Fraction, decimals: int, rule: Rounding) -> int:
    """An exact amount of currency as micros, rounded once to `decimals` (0 to 6)."""
    step = 10 ** (MAX_DECIMALS - decimals)
    return divide(amount.numerator * 10**decimals, amount.denominator, rule) * step


def exact(text: str) -> Fraction:
    """A decimal text ("0.07", "-12") as a ratio. Raises ValueError with a reason for a person.

    Only digits, one point and a leading minus: no exponent, no thousands mark, no currency sign.
    """
    digits = text[1:] if text.startswith("-") else text
    whole, point, part = digits.partition(".")
    if len(text) > _LONGEST or not _is_number(whole) or (point and not _is_number(part)):
        raise ValueError(f'"{text[:_LONGEST]}" is not an amount such as "0.07"')
    value = Fraction(int(whole + part), 10 ** len(part))
    return -value if text.startswith("-") else value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def to_micros(text: str) -> int:
    """A decimal text as micros, nothing rounded away. Raises ValueError."""
    micros = exact(text) * MICROS
    if micros.denominator != 1:
        raise ValueError(f'"{text}" has more than {MAX_DECIMALS} decimals')
    return micros.numerator


def to_text(micros: int, decimals: int = 2) -> str:
    """Micros as decimal text with `decimals` places, more where the amount has more: 770000 -> "0.77"."""
    sign = "-" if micros < 0 else ""
    whole, part = divmod(abs(micros), MICROS)
    digits = f"{part:06d}"
    kept = digits[:decimals] + digits[decimals:].rstrip("0")
    return f"{sign}{whole}.{kept}" if kept else f"{sign}{whole}"


def ratio_text(amount: Fraction) -> str:
    """An exact amount for a person: a decimal where it ends ("0.0245"), else a fraction ("7/6000")."""
    rest = amount.denominator
    places = {2: 0, 5: 0}
    for prime in places:
        while rest % prime == 0:
            rest //= prime
            places[prime] += 1
    if rest != 1:
        return f"{amount.numerator}/{amount.denominator}"
    decimals = max(places.values())
    if not decimals:
        return str(amount.numerator)
    scaled = abs(amount.numerator) * (10**decimals // amount.denominator)
    digits = f"{scaled:0{decimals + 1}d}"
    return f"{'-' if amount < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"
