"""Daily sums of lines, kept in memory until they are saved: by extension and by destination. No I/O."""

import operator
from collections.abc import Sequence
from itertools import islice

import msgspec

from bluewhale.model import Line
from bluewhale.store.pack import Row, Words

NONE = "-"  # a key column cannot be NULL
EXTENSION_KEY = ("day", "enterprise", "site", "department", "person", "extension", "direction", "currency")
DESTINATION_KEY = ("day", "enterprise", "site", "department", "destination", "direction", "currency")
MEASURES = (
    "lines", "calls", "answered", "talk_s", "cost_micros", "charge_micros", "reference_micros", "unpriced",
)  # fmt: skip

Sums = dict[Row, tuple[int, ...]]


class Daily(msgspec.Struct):
    """Sums since the last save. `by_party` and `by_unit` are by the ids of the open segment, cheap to add to: `expand`
    turns them into `extension` and `destination`. `kinds` and `units` say which of `facts` and `places`
    its ids of contexts and parties mean."""

    by_party: dict[tuple[int, int, int | None], list[int]] = {}
    by_unit: dict[tuple[int, int | None, int, int | None], list[int]] = {}
    kinds: list[int] = []
    units: list[int] = []
    facts: dict[Row, int] = {}
    places: dict[Row, int] = {}
    extension: Sums = {}
    destination: Sums = {}


def add_rows(daily: Daily, words: Words, lines: list[Line], rows: list[Row]) -> None:
    """Counts lines just written to the segment of `words`. The hot path."""
    kinds, units = daily.kinds, daily.units
    if len(kinds) < len(words.contexts):
        new = islice(words.contexts, len(kinds), None)
        facts = (facts_of(kind[2], kind[3], kind[4], kind[6], kind[20], kind[21]) for kind in new)
        kinds += [daily.facts.setdefault(kind, len(daily.facts)) for kind in facts]
    if len(units) < len(words.parties):
        places = (party[:3] for party in islice(words.parties, len(units), None))
        units += [daily.places.setdefault(place, len(daily.places)) for place in places]
    by_party, by_unit = daily.by_party, daily.by_unit
    for line, row in zip(lines, rows):
        kind, party, day = kinds[row[2]], row[1], line.day
        key = (party, kind, day)
        sums = by_party.get(key)
        if sums is None:
            sums = by_party[key] = [0, 0, 0, 0, 0]
        unit = (units[party], row[8], kind, day)
        others = by_unit.get(unit)
        if others is None:
            others = by_unit[unit] = [0, 0, 0, 0, 0]
        talk_s, cost, charge, reference = row[9], row[17], row[18], row[19]
        sums[0] += 1
        others[0] += 1
        if talk_s:
            sums[1] += talk_s
            others[1] += talk_s
        if charge:
            sums[3] += charge
            others[3] += charge
        if cost:
            sums[2] += cost
            others[2] += cost
        if reference:
            sums[4] += reference
            others[4] += reference


def expand(daily: Daily, words: Words) -> None:
    """Gives the sums their names. Before a save, and before the ids of `words` change their meaning."""
    parties, texts = list(words.parties), [*words.words, None]
    facts, places = list(daily.facts), list(daily.places)
    for (party, number, day), amounts in daily.by_party.items():
        enterprise, site, department, person, extension = parties[party]
        kind = facts[number]
        key: Row = (day or 0, enterprise, site, department, person, extension or NONE, kind[0], kind[1])
        _sum(daily.extension, key, kind, amounts)
    for (unit, word, number, day), amounts in daily.by_unit.items():
        destination = texts[-1 if word is None else word] or NONE
        kind = facts[number]
        _sum(daily.destination, (day or 0, *places[unit], destination, *kind[:2]), kind, amounts)
    for of_segment in (daily.by_party, daily.by_unit, daily.kinds, daily.units):
        of_segment.clear()


def add(
    daily: Daily, day: int | None, party: Row, destination: str | None, kind: Row, amounts: Sequence[int]
) -> None:
    """Counts by names. `party`: enterprise, site, department, person, extension. `kind` of facts_of. `amounts`: lines,
    talk_s, cost, charge, reference in micros."""
    enterprise, site, department, person, extension = party
    key: Row = (day or 0, enterprise, site, department, person, extension or NONE, *kind[:2])
    _sum(daily.extension, key, kind, amounts)
    key = (day or 0, enterprise, site, department, destination or NONE, *kind[:2])
    _sum(daily.destination, key, kind, amounts)


def add_line(daily: Daily, line: Line) -> None:
    """Counts one line that is in a segment already: while catching up after a crash."""
    joined = int(line.position != line.call_position)
    kind = facts_of(line.direction, line.answered, joined, line.revision, line.currency, line.unpriced)
    party = (line.enterprise, line.site, line.department, line.person, line.extension)
    amounts = [
        1,
        line.talk_s or 0,
        line.cost_micros or 0,
        line.charge_micros or 0,
        line.reference_micros or 0,
    ]
    add(daily, line.day, party, line.destination, kind, amounts)


def _sum(into: Sums, key: Row, kind: Row, amounts: Sequence[int]) -> None:
    count, talk_s, cost, charge, reference = amounts
    _, _, first, answered, unpriced = kind
    sums = (count, count * first, count * answered, talk_s, cost, charge, reference, count * unpriced)
    have = into.get(key)
    into[key] = sums if have is None else tuple(map(operator.add, have, sums))


def facts_of(
    direction: str | None,
    answered: int | None,
    joined: int,
    revision: int,
    currency: str | None,
    unpriced: str | None,
) -> Row:
    """(direction, currency, and what a line of this kind counts: as a call, as answered, as not priced)."""
    first = int(not joined and not revision)
    return direction or NONE, currency or NONE, first, int(bool(first and answered)), int(bool(unpriced))


def upsert(table: str, key: tuple[str, ...]) -> str:
    """The statement that adds a row's measures to what the table has."""
    columns = ", ".join((*key, *MEASURES))
    marks = ", ".join("?" * (len(key) + len(MEASURES)))
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURES)
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {sums}"
