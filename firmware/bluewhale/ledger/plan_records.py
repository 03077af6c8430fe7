"""The records of a plan: bands, slots, rates. plan.py reads them, tariff.py and rating.py use them."""

import datetime
from fractions import Fraction
from typing import Any

import msgspec

from bluewhale.ledger.money import Rounding

DAY_S = 86_400
EPOCH = datetime.date(1970, 1, 1).toordinal()
EVER = 1 << 62  # seconds: later than any call
# Limits that keep every charge inside 64 bits of micros: 10^8 s (the longest call) at 10^4 a second.
MAX_AMOUNT, MAX_PER_S, MAX_INCREMENT_S = 10**9, 10**4, 10**8


class Fault(msgspec.Struct, frozen=True):
    path: str
    text: str
    line: int | None = None  # where the text's reader said so

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class PlanError(ValueError):
    """The plan cannot be used. `faults` has every fault found, the text is that of the first."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__(str(faults[0]))


class Days(msgspec.Struct, frozen=True):
    """A set of days: (month, day) of every year, and single ones by their proleptic ordinal."""

    yearly: frozenset[tuple[int, int]]
    single: frozenset[int]

    def holds(self, ordinal: int, date: datetime.date) -> bool:
        return ordinal in self.single or (date.month, date.day) in self.yearly


class Band(msgspec.Struct, frozen=True):
    """When a rate holds: days, dates and holidays are asked of the day the band starts; `to_s` may pass
    midnight (then it is more than a day)."""

    name: str
    days: frozenset[int]
    from_s: int
    to_s: int
    dates: Days | None
    holidays: str | None  # "only", "never"
    off_days: Days
    weight: int

    def starts_on(self, ordinal: int) -> bool:
        date = datetime.date.fromordinal(ordinal)
        if date.isoweekday() not in self.days or (self.dates and not self.dates.holds(ordinal, date)):
            return False
        return not self.holidays or self.off_days.holds(ordinal, date) is (self.holidays == "only")


class Slot(msgspec.Struct, frozen=True):
    """From `from_s` seconds after the call's start: `price` for `per_s` seconds, charged in whole increments."""

    from_s: int
    price: Fraction
    per_s: int
    increment_s: int
    increment_price: Fraction  # what one increment costs, rounded already where the plan says so


class Rate(msgspec.Struct, frozen=True):
    index: int  # place in the file
    prefix: str
    name: str
    destination: str | None
    band: Band | None
    fee: Fraction
    minimum: Fraction
    maximum: Fraction | None
    cut: bool  # the maximum limits how long a balance may talk, not the price
    valid_from: int
    valid_to: int
    slots: tuple[Slot, ...]


class Plan(msgspec.Struct, frozen=True):
    """`compiled` (by prefix) and `found` (by number) are rating's memory; nothing in them changes a price."""

    name: str
    currency: str
    decimals: int
    rounding: Rounding
    time_zone: str | None  # None: that of the site
    bands: tuple[Band, ...]
    rates: tuple[Rate, ...]
    by_prefix: dict[str, tuple[Rate, ...]]
    lengths: tuple[int, ...]  # of the prefixes, longest first
    compiled: dict[str, tuple[Any, ...]]
    found: dict[str, tuple[Any, ...]]
