"""Sums of days: from the daily aggregates, and the lines that are not in them yet.

Both parts are read against one watermark, so that nothing is missing or counted twice, and every total is the sum of
its rows.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from bluewhale.model import Scope
from bluewhale.store import aggregates
from bluewhale.store.filters import scope_conditions
from bluewhale.store.groups import Group, Groups, Money, Question, add_row, every, highest, total_of
from bluewhale.store.tail import picked, tail
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
_MEASURE = {name: number for number, name in enumerate(aggregates.MEASURES)}
_COUNTS = ("lines", "calls", "answered", "talk_s", "unpriced")
_AMOUNTS = ("cost_micros", "charge_micros", "reference_micros")
_NAMED = ("enterprise", "site", "department", "person")


class Summary(msgspec.Struct, frozen=True):
    """`rows` by falling charge, then calls (by day: newest first). Each has what it is by, with names, the counts of
    aggregates.MEASURES and `money`: {currency: {cost_micros, charge_micros, reference_micros, decimals}}. `rest` is what
    the rows beyond the limit add up to, with `rows` = how many (None if all are shown). `total` is the sum of all."""

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
    inclusive; lines without a day count as day 0. Unassigned (department 0) is always a row, beyond `limit` too.
    Raises KeyError for another `by`."""
    table, columns = _BY[by]
    names = box.names()
    tests = {
        "day >= ?": since_day,
        "day <= ?": until_day,
        "direction = ?": direction,
        "department = ?": department,
    }
    with box.ledger() as db:
        fold = db.execute("SELECT journal, seq FROM fold").fetchone()
        fresh: Groups = {}
        for *group, currency, sums in picked(tail(box, scope, fold), table, columns, tests):
            add_row(fresh, tuple(group), currency, sums)
        if (
            by == "department"
            and department in (None, 0)
            and (scope.departments is None or 0 in scope.departments)
        ):
            for enterprise in scope.enterprises if scope.enterprises is not None else {1}:
                fresh.setdefault((enterprise, 0), {})
        question = Question(table, columns, *_where(scope, tests))
        many = limit is not None and by in ("extension", "destination")
        found = highest(db, question, fresh, limit or 0) if many else None
        found = found or every(db, question, fresh)
    order = sorted(found.groups, key=(lambda group: -group[0]) if by == "day" else _rank(found.groups))
    keep = [
        group
        for at, group in enumerate(order)
        if limit is None or at < limit or (by == "department" and not group[1])
    ]
    rows = [_named(dict(zip(columns, group)), names) | _shown(found.groups[group], names) for group in keep]
    rest = None
    if found.count > len(keep):
        kept = total_of(found.groups[group] for group in keep)
        rest = _shown(_less(found.total, kept), names) | {"rows": found.count - len(keep)}
    return Summary(by, rows, rest, _shown(found.total, names))


def totals(box: Box, scope: Scope, since_day: int | None = None, until_day: int | None = None) -> Item:
    """The total of a summary, with `unassigned`: calls of department 0."""
    departments = summary(box, scope, "department", since_day, until_day, limit=0)
    unassigned = sum(row["calls"] for row in departments.rows if row["department"] == 0)
    return departments.total | {"unassigned": unassigned}


def _where(scope: Scope, tests: dict[str, Any]) -> tuple[str, list[Any]]:
    conditions, values = scope_conditions(scope, "")
    if (
        tests["day >= ?"] is not None and tests["day >= ?"] == tests["day <= ?"]
    ):  # one day: the table is in its order
        tests = {"day = ?": tests["day >= ?"]} | {
            test: tests[test] for test in tests if not test.startswith("day")
        }
    for test, value in tests.items():
        if value is not None:
            conditions.append(test)
            values.append(value)
    return " AND ".join(conditions) or "1", values


def _rank(groups: Groups) -> Callable[[Group], tuple[int, int, str]]:
    charge, calls = _MEASURE["charge_micros"], _MEASURE["calls"]

    def rank(group: Group) -> tuple[int, int, str]:
        sums = groups[group].values()
        return -max((s[charge] for s in sums), default=0), -sum(s[calls] for s in sums), str(group)

    return rank


def _less(total: Money, part: Money) -> Money:
    return {
        currency: tuple(a - b for a, b in zip(sums, part.get(currency, (0,) * len(sums))))
        for currency, sums in total.items()
    }


def _named(item: Item, names: Names) -> Item:
    for kind in _NAMED:
        if kind in item:
            item[f"{kind}_name"] = names.of(kind, item[kind])
    for column in ("extension", "destination", "direction"):
        if item.get(column) == aggregates.NONE:
            item[column] = None
    return item


def _shown(money: Money, names: Names) -> Item:
    """Counts over all currencies, amounts by currency."""
    item: Item = {name: sum(sums[_MEASURE[name]] for sums in money.values()) for name in _COUNTS}
    item["money"] = {
        currency: {name: money[currency][_MEASURE[name]] for name in _AMOUNTS}
        | {"decimals": names.decimals.get(currency, 2)}
        for currency in sorted(money)
        if currency != aggregates.NONE
    }
    return item
