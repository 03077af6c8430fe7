"""The lines that ledger.db does not count yet, usually those of the last second, summed up as it will sum them."""

from collections.abc import Iterator
from typing import Any

from bluewhale.model import Scope
from bluewhale.store import aggregates, schema
from bluewhale.store.aggregates import Daily
from bluewhale.store.filters import scope_conditions
from bluewhale.store.window import Box


def picked(
    daily: Daily, table: str, columns: tuple[str, ...], tests: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    """(*columns, currency, sums) of those rows that pass the tests of sums.summary."""
    if table == "daily_extension":
        key_of: tuple[str, ...] = aggregates.EXTENSION_KEY
        sums_of = daily.extension
    else:
        key_of, sums_of = aggregates.DESTINATION_KEY, daily.destination
    since, until, direction, department = tests.values()
    for key, sums in sums_of.items():
        row = dict(zip(key_of, key))
        if (
            (since is None or row["day"] >= since)
            and (until is None or row["day"] <= until)
            and direction in (None, row["direction"])
            and department in (None, row["department"])
        ):
            yield *(row[name] for name in columns), row["currency"], sums


def tail(box: Box, scope: Scope, fold: tuple[str, int] | None) -> Daily:
    """The sums of the lines that ledger.db does not count yet: usually those of the last second."""
    daily = Daily()
    conditions, values = scope_conditions(scope)
    day = schema.LINE["day"]
    select = (
        "SELECT p.enterprise, p.site, p.department, p.person, p.extension, d.word, "
        f"{day}, x.direction, x.answered, x.joined, x.revision, x.currency, x.unpriced, count(*),"
        " coalesce(sum(l.talk_s), 0), coalesce(sum(l.cost_micros), 0), coalesce(sum(l.charge_micros), 0),"
        f" coalesce(sum(l.reference_micros), 0) FROM {schema.JOINS} WHERE {' AND '.join(['l.seq > ?', *conditions])}"
        f" GROUP BY l.party, l.context, l.destination, CASE x.day_is WHEN 1 THEN {schema.WALL_S} / 86400 ELSE {day} END"
    )
    seen = False
    for span in reversed(box.spans()):
        counted = fold[1] if fold and fold[0] == span.journal else 0
        if fold and seen and fold[0] != span.journal:
            break
        seen = seen or bool(fold and fold[0] == span.journal)
        if span.last_seq <= counted:
            break
        with box.segment(span) as db:
            for row in db.execute(select, (counted, *values)):
                aggregates.add(daily, row[6], row[:5], row[5], aggregates.facts_of(*row[7:13]), row[13:])
    return daily
