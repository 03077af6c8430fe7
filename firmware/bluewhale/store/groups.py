"""Grouping the daily aggregates: all groups, or only those with the highest charge and what all add up to."""

import operator
import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from bluewhale.store import aggregates

Group = tuple[Any, ...]
Money = dict[str, tuple[int, ...]]  # currency -> aggregates.MEASURES
Groups = dict[Group, Money]

_MOST_FRESH = 400  # groups with lines not saved yet, beyond which all groups are read
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in aggregates.MEASURES)
_NAMES = ", ".join(aggregates.MEASURES)


class Question(msgspec.Struct, frozen=True):
    """A table of aggregates, the columns that make a group, and which rows count."""

    table: str
    columns: tuple[str, ...]
    where: str
    values: list[Any]


class Found(msgspec.Struct, frozen=True):
    """`count` and `total` are of all groups, `groups` are those read."""

    groups: Groups
    count: int
    total: Money


def add_row(groups: Groups, group: Group, currency: str, sums: tuple[int, ...]) -> None:
    money = groups.setdefault(group, {})
    have = money.get(currency)
    money[currency] = sums if have is None else tuple(map(operator.add, have, sums))


def total_of(parts: Iterable[Money]) -> Money:
    total: Groups = {}
    for money in parts:
        for currency, sums in money.items():
            add_row(total, (), currency, sums)
    return total.get((), {})


def every(db: sqlite3.Connection, question: Question, fresh: Groups) -> Found:
    """All groups; `fresh` is what the table does not count yet."""
    columns, width = ", ".join(question.columns), len(question.columns)
    groups: Groups = {}
    for row in db.execute(
        f"SELECT {columns}, currency, {_SUMS} FROM {question.table} WHERE {question.where} GROUP BY {columns}, currency",
        question.values,
    ):
        add_row(groups, row[:width], row[width], row[width + 1 :])
    _add_fresh(groups, fresh)
    return Found(groups, len(groups), total_of(groups.values()))


def highest(db: sqlite3.Connection, question: Question, fresh: Groups, limit: int) -> Found | None:
    """At least the `limit` groups of the highest charge, and all fresh ones. None if that cannot be told without reading
    every group: with more than one currency, or much that is fresh."""
    if len(fresh) > _MOST_FRESH:
        return None
    columns, width = ", ".join(question.columns), len(question.columns)
    marks = ",".join(f"({','.join('?' * width)})" for _ in fresh)
    among = f"({columns}) IN (VALUES {marks})" if fresh else "0"
    nothing = ", ".join(["NULL"] * width)
    rows = db.execute(
        f"WITH g AS MATERIALIZED (SELECT {columns}, min(nullif(currency, '{aggregates.NONE}')) AS low,"
        f" max(nullif(currency, '{aggregates.NONE}')) AS high, {_SUMS} FROM {question.table}"
        f" WHERE {question.where} GROUP BY {columns})"
        f" SELECT NULL AS count, low, high, {columns}, {_NAMES} FROM"
        " (SELECT * FROM g ORDER BY charge_micros DESC, calls DESC LIMIT ?)"
        f" UNION ALL SELECT NULL, low, high, {columns}, {_NAMES} FROM g WHERE {among}"
        f" UNION ALL SELECT count(*), min(low), max(high), {nothing}, {_SUMS} FROM g",
        (*question.values, limit + len(fresh), *(value for group in fresh for value in group)),
    ).fetchall()
    count, low, high, *rest = rows.pop()
    if low != high:
        return None
    currency = low or aggregates.NONE
    groups: Groups = {tuple(row[3 : 3 + width]): {currency: row[3 + width :]} for row in rows}
    total = {currency: tuple(rest[width:])} if count else {}
    count += sum(group not in groups for group in fresh)
    _add_fresh(groups, fresh)
    return Found(groups, count, total_of([total, *fresh.values()]))


def _add_fresh(groups: Groups, fresh: Groups) -> None:
    for group, money in fresh.items():
        groups.setdefault(group, {})
        for currency, sums in money.items():
            add_row(groups, group, currency, sums)
