"""Plan files: what a call costs, as its owner writes it (docs/plans.md), read strictly into records.

`load` turns TOML, JSON or CSV text into a tree, `parse` the tree into a Plan. Strict: what is not understood is
a fault with its path, `rate[3].slot[0].price: ...`, counted from 0 as in JSON. Times here are wall time of
the plan's zone in seconds since 1970, amounts exact ratios. `rating` says what the records mean.
"""

import datetime
import json
import re
import tomllib
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import msgspec

from bluewhale.ledger import money, plan_csv
from bluewhale.ledger.money import Rounding
from bluewhale.ledger.plan_raw import RawBand, RawPlan, RawRate, RawSlot, shape_fault
from bluewhale.ledger.plan_records import (
    DAY_S,
    EPOCH,
    EVER,
    MAX_AMOUNT,
    MAX_INCREMENT_S,
    MAX_PER_S,
    Band,
    Days,
    Fault,
    Plan,
    PlanError,
    Rate,
    Slot,
)

__all__ = ["Band", "Days", "Fault", "Plan", "PlanError", "Rate", "Slot", "kind_of", "load", "parse"]

Tree = dict[str, Any]

_LONGEST_PREFIX = 40
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def load(text: str, name: str = "") -> Tree:
    """A plan file's tree, fit for JSON. Raises PlanError, with the line where the reader knows it."""
    kind = kind_of(text, name)
    if kind == "CSV":
        return plan_csv.tree_of(text)
    try:
        tree = json.loads(text, object_pairs_hook=_once) if kind == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        raise PlanError([Fault("", f"not {kind}: {error}", int(line[1]) if line else None)]) from error
    if not isinstance(tree, dict):
        raise PlanError([Fault("", "the file holds no table at its top")])
    plain: Tree = _plain(tree)
    return plain


def _once(pairs: list[tuple[str, Any]]) -> Tree:
    """A JSON object whose keys stand once, as TOML demands too."""
    tree = dict(pairs)
    if len(tree) < len(pairs):
        twice = next(key for key, _ in pairs if sum(other == key for other, _ in pairs) > 1)
        raise ValueError(f'the key "{twice}" stands twice in one table')
    return tree


def kind_of(text: str, name: str) -> str:
    """TOML, JSON or CSV: by the name's ending; else by how the text begins."""
    ending = name.rpartition(".")[2].upper()
    if ending in ("TOML", "JSON", "CSV"):
        return ending
    begin = text.lstrip("\ufeff \t\r\n")
    if begin[:1] == "{":
        return "JSON"
    return "CSV" if re.match(r"(#name|prefix)[,;\t]", begin) else "TOML"


def _plain(value: Any) -> Any:
    """TOML's dates and times as text, as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def parse(tree: Tree, holidays: frozenset[datetime.date] = frozenset()) -> Plan:
    """The plan a tree describes. `holidays` are the box's own, for bands that name no calendar.

    Raises PlanError with all faults found.
    """
    try:
        raw = msgspec.convert(tree, RawPlan)
    except (msgspec.ValidationError, RecursionError) as error:
        raise PlanError([Fault(*shape_fault(str(error)))]) from error
    reader = _Reader(raw, holidays)
    plan = reader.plan()
    if reader.faults:
        raise PlanError(reader.faults)
    return plan


class _Reader:
    """One reading of one plan: collects faults by path, so that an owner sees all of them at once."""

    def __init__(self, raw: RawPlan, holidays: frozenset[datetime.date]) -> None:
        self.raw = raw
        self.faults: list[Fault] = []
        self.box_days = Days(frozenset(), frozenset(day.toordinal() for day in holidays))

    def fault(self, path: str, text: str) -> None:
        self.faults.append(Fault(path, text))

    def plan(self) -> Plan:
        raw = self.raw
        self._head()
        calendars: dict[str, Days] = {}
        for at, calendar in enumerate(raw.calendar):
            if calendar.name in calendars:
                self.fault(f"calendar[{at}].name", f'a second calendar "{calendar.name}"')
            calendars[calendar.name] = self._days(f"calendar[{at}].dates", calendar.dates)
        bands: dict[str, Band] = {}
        for at, band in enumerate(raw.band):
            if band.name in bands:
                self.fault(f"band[{at}].name", f'a second band "{band.name}"')
            bands[band.name] = self._band(f"band[{at}]", band, calendars)
        rates = tuple(self._rate(at, rate, bands) for at, rate in enumerate(raw.rate))
        self._duplicates(rates)
        by_prefix: dict[str, tuple[Rate, ...]] = {}
        for rate in rates:
            by_prefix[rate.prefix] = (*by_prefix.get(rate.prefix, ()), rate)
        return Plan(
            name=raw.name,
            currency=raw.currency,
            decimals=raw.decimals,
            rounding=Rounding(raw.rounding),
            time_zone=raw.time_zone,
            bands=tuple(bands.values()),
            rates=rates,
            by_prefix=by_prefix,
            lengths=tuple(sorted({len(prefix) for prefix in by_prefix} or {0}, reverse=True)),
            compiled={},
            found={},
        )

    def _head(self) -> None:
        raw = self.raw
        if not raw.name.strip():
            self.fault("name", "a plan needs a name")
        if not re.fullmatch("[A-Z]{3}", raw.currency):
            self.fault("currency", f'"{raw.currency}" is not a currency code such as "EUR"')
        if not 0 <= raw.decimals <= money.MAX_DECIMALS:
            self.fault("decimals", f"{raw.decimals} is not 0 to {money.MAX_DECIMALS}")
        if raw.time_zone is not None and raw.time_zone not in _zones():
            self.fault("time_zone", f'"{raw.time_zone}" is not a zone such as "Europe/London"')
        if (raw.compatible is None) is not (raw.increment_decimals is None):
            self.fault("increment_decimals", 'goes together with compatible = "cgrates"')
        elif raw.increment_decimals is not None and not 0 <= raw.increment_decimals <= 12:
            self.fault("increment_decimals", f"{raw.increment_decimals} is not 0 to 12")
        if not raw.rate:
            self.fault("rate", "a plan needs at least one [[rate]]")

    def _band(self, path: str, raw: RawBand, calendars: dict[str, Days]) -> Band:
        for day in raw.days or ():
            if not 1 <= day <= 7:
                self.fault(f"{path}.days", f"{day} is not 1 (Monday) to 7 (Sunday)")
        if raw.days == []:
            self.fault(f"{path}.days", "no day at all: leave it out for every day")
        from_s, to_s = self._time(f"{path}.from", raw.from_), self._time(f"{path}.to", raw.to)
        if from_s == DAY_S:
            self.fault(f"{path}.from", "24:00 is the end of a day, not its start")
        if from_s == to_s:
            self.fault(f"{path}.to", 'the same as from: "00:00" to "24:00" is the whole day')
        off_days = self.box_days
        for name in calendars if raw.calendar is None else (raw.calendar,):
            days = calendars.get(name)
            if days is None:
                self.fault(
                    f"{path}.calendar",
                    f'no calendar "{name}" in this file: write its days as [[calendar]] name = "{name}", '
                    "dates = [...] (national calendars do not come with this version)",
                )
                continue
            off_days = Days(off_days.yearly | days.yearly, off_days.single | days.single)
        if raw.calendar is not None and raw.holidays is None:
            self.fault(f"{path}.calendar", 'has no effect without holidays = "only" or "never"')
        return Band(
            name=raw.name,
            days=frozenset(raw.days or range(1, 8)),
            from_s=from_s,
            to_s=to_s if to_s > from_s else to_s + DAY_S,
            dates=None if raw.dates is None else self._days(f"{path}.dates", raw.dates),
            holidays=raw.holidays,
            off_days=off_days,
            weight=raw.weight,
        )

    def _rate(self, index: int, raw: RawRate, bands: dict[str, Band]) -> Rate:
        path = f"rate[{index}]"
        band = None if raw.band is None else bands.get(raw.band)
        if raw.band is not None and band is None:
            self.fault(f"{path}.band", f'no band "{raw.band}" in this plan')
        if len(raw.prefix) > _LONGEST_PREFIX:
            self.fault(f"{path}.prefix", f"longer than {_LONGEST_PREFIX} characters")
        valid_from = -EVER if raw.valid_from is None else self._moment(f"{path}.valid_from", raw.valid_from)
        valid_to = EVER if raw.valid_to is None else self._moment(f"{path}.valid_to", raw.valid_to)
        if valid_to <= valid_from:
            self.fault(f"{path}.valid_to", "not after valid_from: the rate is never valid")
        minimum = self._amount(f"{path}.minimum", raw.minimum or "0")
        maximum = None if raw.maximum is None else self._amount(f"{path}.maximum", raw.maximum)
        if maximum is not None and maximum < minimum:
            self.fault(f"{path}.maximum", "less than the minimum")
        return Rate(
            index=index,
            prefix=raw.prefix,
            name=raw.name or raw.prefix,
            destination=raw.destination,
            band=band,
            fee=self._amount(f"{path}.connection_fee", raw.connection_fee),
            minimum=minimum,
            maximum=maximum,
            cut=raw.maximum_rule == "cut",
            valid_from=valid_from,
            valid_to=valid_to,
            slots=self._slots(path, raw.slot),
        )

    def _slots(self, path: str, raw: list[RawSlot]) -> tuple[Slot, ...]:
        slots = []
        if not raw:
            self.fault(f"{path}.slot", "a rate needs at least one [[rate.slot]]")
        for at, slot in enumerate(raw):
            here = f"{path}.slot[{at}]"
            if at == 0 and slot.from_s != 0:
                self.fault(f"{here}.from_s", "the first slot starts at 0: before it there is no price")
            if at > 0 and slot.from_s <= raw[at - 1].from_s:
                self.fault(f"{here}.from_s", "not after the slot before")
            for name, value in (("per_s", slot.per_s), ("increment_s", slot.increment_s)):
                if not 1 <= value <= MAX_INCREMENT_S:
                    self.fault(f"{here}.{name}", f"{value} is not 1 to {MAX_INCREMENT_S} seconds")
            price = self._amount(f"{here}.price", slot.price)
            cost = price * slot.increment_s / max(1, slot.per_s)
            if price > MAX_PER_S * max(1, slot.per_s) or cost > MAX_AMOUNT:
                self.fault(f"{here}.price", f"more than {MAX_PER_S} a second or {MAX_AMOUNT} an increment")
            if self.raw.increment_decimals is not None:
                scale = 10 ** max(0, min(12, self.raw.increment_decimals))
                cost = Fraction(
                    money.divide(cost.numerator * scale, cost.denominator, Rounding.HALF_UP), scale
                )
            slots.append(Slot(slot.from_s, price, slot.per_s, slot.increment_s, cost))
        return tuple(slots)

    def _duplicates(self, rates: tuple[Rate, ...]) -> None:
        seen: dict[tuple[str, str | None, int], int] = {}
        for rate in rates:
            key = (rate.prefix, rate.band.name if rate.band else None, rate.valid_from)
            first = seen.setdefault(key, rate.index)
            if first != rate.index:
                self.fault(
                    f"rate[{rate.index}]",
                    f'prefix "{rate.prefix}" has this band and valid_from already in rate[{first}]',
                )

    def _amount(self, path: str, text: str) -> Fraction:
        try:
            value = money.exact(text)
        except ValueError as error:
            self.fault(path, str(error))
            return Fraction(0)
        if not 0 <= value <= MAX_AMOUNT:
            self.fault(path, f'"{text}" is not 0 to {MAX_AMOUNT}')
        return value

    def _time(self, path: str, text: str) -> int:
        """HH:MM[:SS] up to 24:00 as seconds of the day."""
        match = re.fullmatch(r"([0-9]{2}):([0-5][0-9])(?::([0-5][0-9]))?", text)
        seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0) if match else DAY_S + 1
        if seconds > DAY_S:
            self.fault(path, f'"{text}" is not a time HH:MM or HH:MM:SS up to 24:00')
        return seconds

    def _moment(self, path: str, text: str) -> int:
        """YYYY-MM-DD, or with a time of the day, as wall seconds since 1970."""
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo or moment.microsecond or not re.match("[0-9]{4}-[0-9]{2}-", text):
            self.fault(path, f'"{text}" is not a day YYYY-MM-DD (or YYYY-MM-DDThh:mm:ss, without offset)')
            return 0
        return (moment.toordinal() - EPOCH) * DAY_S + moment.hour * 3600 + moment.minute * 60 + moment.second

    def _days(self, path: str, texts: list[str]) -> Days:
        yearly, single = set(), set()
        for text in texts:
            match = re.fullmatch(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})", text)
            try:
                if match and match[1]:
                    single.add(datetime.date(int(match[1]), int(match[2]), int(match[3])).toordinal())
                    continue
            except ValueError:
                match = None
            month, day = (int(match[2]), int(match[3])) if match else (0, 0)
            if not 1 <= month <= 12 or not 1 <= day <= _MONTH_DAYS[month - 1]:
                self.fault(path, f'"{text}" is not a day MM-DD or YYYY-MM-DD')
            yearly.add((month, day))
        return Days(frozenset(yearly), frozenset(single))


@cache
def _zones() -> set[str]:
    return available_timezones()
