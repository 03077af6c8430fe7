"""Daily sums of lines, kept in memory until they are saved: by extension and by destination. No I/O."""

from typing import Any

import msgspec

from bluewhale.model import Line
from bluewhale.store.pack import Row, Words

NONE = "-"  # a key column cannot be NULL
EXTENSION_KEY = ("day", "enterprise", "site", "department", "person", "extension", "direction", "currency")
DESTINATION_KEY = ("day", "enterprise", "site", "department", "destination", "direction", "currency")
MEASURES = (
    "lines", "calls", "answered", "talk_s", "cost_micros", "charge_micros", "reference_micros", "unpriced",
)  # fmt: skip

Sums = dict[Row, list[int]]


class Daily(msgspec.Struct):
    """`raw` is by the ids of the open segment (cheap to add to); `expand` turns it into the other two."""

    raw: dict[Row, list[int]] = {}
    extension: Sums = {}
    destination: Sums = {}


def add_rows(daily: Daily, lines: list[Line], rows: list[Row]) -> None:
    """Counts lines just written. The hot path: one small key a line."""
    raw = daily.raw
    for line, row in zip(lines, rows):
        key = (row[1], row[2], row[8], line.day)
        sums = raw.get(key)
        if sums is None:
            sums = raw[key] = [0, 0, 0, 0, 0]
        sums[0] += 1
        sums[1] += row[9] or 0
        sums[2] += row[17] or 0
        sums[3] += row[18] or 0
        sums[4] += row[19] or 0


def expand(daily: Daily, words: Words) -> None:
    """Gives the raw sums their names. Before a save, and before the ids of `words` change their meaning."""
    if not daily.raw:
        return
    parties, contexts, texts = list(words.parties), list(words.contexts), list(words.words)
    for (party, context, word, day), (count, talk_s, cost, charge, reference) in daily.raw.items():
        kind = contexts[context]
        destination = None if word is None else texts[word]
        facts = (kind[2], kind[3], kind[4], kind[6], kind[20], kind[21])
        add(daily, day, parties[party], destination, facts, (count, talk_s, cost, charge, reference))
    daily.raw.clear()


def add_line(daily: Daily, line: Line) -> None:
    """Counts one line that is in a segment already: while catching up after a crash."""
    facts = (
        line.direction, line.answered, int(line.position != line.call_position), line.revision, line.currency,
        line.unpriced,
    )  # fmt: skip
    party = (line.enterprise, line.site, line.department, line.person, line.extension)
    amounts = (
        1,
        line.talk_s or 0,
        line.cost_micros or 0,
        line.charge_micros or 0,
        line.reference_micros or 0,
    )
    add(daily, line.day, party, line.destination, facts, amounts)


def add(
    daily: Daily,
    day: int | None,
    party: Row,
    destination: str | None,
    facts: tuple[Any, ...],
    amounts: tuple[int, ...],
) -> None:
    """`party`: enterprise, site, department, person, extension. `facts`: direction, answered, joined, revision, currency,
    unpriced. `amounts`: lines, talk_s, cost, charge, reference in micros."""
    direction, answered, joined, revision, currency, unpriced = facts
    count, talk_s, cost, charge, reference = amounts
    first = count if not joined and not revision else 0
    sums = (
        count, first, first if answered else 0, talk_s, cost, charge, reference, count if unpriced else 0,
    )  # fmt: skip
    enterprise, site, department, person, extension = party
    place = (day or 0, enterprise, site, department)
    what = (direction or NONE, currency or NONE)
    _sum(daily.extension, (*place, person, extension or NONE, *what), sums)
    _sum(daily.destination, (*place, destination or NONE, *what), sums)


def _sum(into: Sums, key: Row, sums: tuple[int, ...]) -> None:
    have = into.get(key)
    if have is None:
        into[key] = list(sums)
    else:
        for index, value in enumerate(sums):
            have[index] += value


def upsert(table: str, key: tuple[str, ...]) -> str:
    """The statement that adds a row's measures to what the table has."""
    columns = ", ".join((*key, *MEASURES))
    marks = ", ".join("?" * (len(key) + len(MEASURES)))
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURES)
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {sums}"
