"""Sums of days: from the daily aggregates, and the lines that are not in them yet.

Both parts are read against one watermark, so that nothing is missing or counted twice, and every total is the sum of
its rows.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from bluewhale.model import Scope
from bluewhale.store import aggregates, schema
from bluewhale.store.aggregates import Daily
from bluewhale.store.filters import scope_conditions
from bluewhale.store.window import Box, Names

Item = dict[str, Any]

# by -> (table, the columns that make a row)
_BY = {
    "day": ("daily_extension", ("day",)),
    "department": ("daily_extension", ("enterprise", "department")),
    "extension": ("daily_extension", ("enterprise", "site", "department", "person", "extension")),
    "direction": ("daily_extension", ("direction",)),
    "site": ("daily_extension", ("enterprise", "site")),
    "destination": ("daily_destination", ("destination",)),
}
Money = dict[str, tuple[int, ...]]  # currency -> the measures
Groups = dict[tuple[Any, ...], Money]
_MEASURE = {name: number for number, name in enumerate(aggregates.MEASURES)}
_COUNTS = ("lines", "calls", "answered", "talk_s", "unpriced")
_AMOUNTS = ("cost_micros", "charge_micros", "reference_micros")
_NAMED = ("enterprise", "site", "department", "person")


class Summary(msgspec.Struct, frozen=True):
    """`rows` by falling charge, then calls (by day: newest first). Each has what it is by, with names, the counts of
    aggregates.MEASURES and `money`: {currency: {cost_micros, charge_micros, reference_micros, decimals}}. `rest` is what
    the rows beyond the limit add up to (None if all are shown, else with `rows`: how many). `total` is the sum of all."""

    by: str
    rows: list[Item]
    rest: Item | None
    total: Item


def summary(
    box: Box,
    scope: Scope,
    by: str = "day",
    since_day: int | None = None,
    until_day: int | None = None,
    *,
    direction: str | None = None,
    department: int | None = None,
    limit: int | None = None,
) -> Summary:
    """Sums by day, department, extension, direction, site or destination. Days are YYYYMMDD in the site's zone, both
    inclusive; lines without a day count as day 0. Unassigned (department 0) is always a row. Raises KeyError for
    another `by`."""
    table, columns = _BY[by]
    names = box.names()
    tests = {
        "day >= ?": since_day,
        "day <= ?": until_day,
        "direction = ?": direction,
        "department = ?": department,
    }
    groups: Groups = {}
    if (
        by == "department"
        and department in (None, 0)
        and (scope.departments is None or 0 in scope.departments)
    ):
        for enterprise in sorted(scope.enterprises if scope.enterprises is not None else {1}):
            groups[enterprise, 0] = {}
    for row in _rows(box, scope, table, columns, tests):
        group, currency, sums = row[: len(columns)], row[-2], row[-1]
        money = groups.get(group)
        if money is None:
            groups[group] = {currency: sums}
        else:
            have = money.get(currency)
            money[currency] = sums if have is None else tuple(map(operator.add, have, sums))
    order = sorted(groups, key=lambda group: -group[0]) if by == "day" else sorted(groups, key=_rank(groups))
    shown = order[:limit]
    rows = [_named(dict(zip(columns, group)), names) | _sums_of([groups[group]], names) for group in shown]
    if by == "department" and limit is not None:
        rows += [
            _named(dict(zip(columns, group)), names) | _sums_of([groups[group]], names)
            for group in order[limit:]
            if group[1] == 0
        ]
    left = [groups[group] for group in order[len(shown) :] if by != "department" or group[1] != 0]
    rest = _sums_of(left, names) | {"rows": len(left)} if left else None
    return Summary(by, rows, rest, _sums_of(groups.values(), names))


def _rank(groups: Groups) -> Callable[[tuple[Any, ...]], tuple[int, int, str]]:
    charge, calls = _MEASURE["charge_micros"], _MEASURE["calls"]

    def rank(group: tuple[Any, ...]) -> tuple[int, int, str]:
        sums = groups[group].values()
        return -max((s[charge] for s in sums), default=0), -sum(s[calls] for s in sums), str(group)

    return rank


def totals(box: Box, scope: Scope, since_day: int | None = None, until_day: int | None = None) -> Item:
    """The total of a summary, with `unassigned`: calls of department 0."""
    departments = summary(box, scope, "department", since_day, until_day)
    unassigned = sum(row["calls"] for row in departments.rows if row["department"] == 0)
    return departments.total | {"unassigned": unassigned}


def _rows(
    box: Box, scope: Scope, table: str, columns: tuple[str, ...], tests: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    """(*columns, currency, sums) of what is saved and of what is not yet, some more than once."""
    conditions, values = scope_conditions(scope, "")
    for test, value in tests.items():
        if value is not None:
            conditions.append(test)
            values.append(value)
    select = (
        f"SELECT {', '.join(columns)}, currency, {{}} FROM {table} WHERE {' AND '.join(conditions) or '1'}"
        f" GROUP BY {', '.join(columns)}, currency"
    )
    width = len(columns) + 1
    with box.ledger() as db:
        fold = db.execute("SELECT journal, seq FROM fold").fetchone()
        for row in db.execute(
            select.format(", ".join(f"sum({name})" for name in aggregates.MEASURES)), values
        ):
            yield *row[:width], row[width:]
    yield from _filtered(_tail(box, scope, fold), table, columns, tests)


def _filtered(
    tail: Daily, table: str, columns: tuple[str, ...], tests: dict[str, Any]
) -> Iterator[tuple[Any, ...]]:
    if table == "daily_extension":
        key_of: tuple[str, ...] = aggregates.EXTENSION_KEY
        sums_of = tail.extension
    else:
        key_of, sums_of = aggregates.DESTINATION_KEY, tail.destination
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


def _tail(box: Box, scope: Scope, fold: tuple[str, int] | None) -> Daily:
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


def _named(item: Item, names: Names) -> Item:
    for kind in _NAMED:
        if kind in item:
            item[f"{kind}_name"] = names.of(kind, item[kind])
    for column in ("extension", "destination", "direction"):
        if item.get(column) == aggregates.NONE:
            item[column] = None
    return item


def _sums_of(parts: Iterable[Money], names: Names) -> Item:
    """Counts over all currencies, amounts by currency."""
    by_currency: Money = {}
    for money in parts:
        for currency, sums in money.items():
            have = by_currency.get(currency)
            by_currency[currency] = sums if have is None else tuple(map(operator.add, have, sums))
    item: Item = {name: sum(sums[_MEASURE[name]] for sums in by_currency.values()) for name in _COUNTS}
    item["money"] = {
        currency: {name: by_currency[currency][_MEASURE[name]] for name in _AMOUNTS}
        | {"decimals": names.decimals.get(currency, 2)}
        for currency in sorted(by_currency)
        if currency != aggregates.NONE
    }
    return item
