"""Grouping the daily aggregates: all groups, or only those with the highest charge and what all add up to."""

import operator
import sqlite3
from collections.abc import Iterable
from itertools import chain
from typing import Any

import msgspec

from bluewhale.store import aggregates

Group = tuple[Any, ...]
Money = dict[str, tuple[int, ...]]  # currency -> aggregates.MEASURES
Groups = dict[Group, Money]

_MOST_FRESH = 400  # groups with lines not saved yet, beyond which all groups are read
_MOST_SHOWN = 5_000
_SUMS = ", ".join(f"sum({name}) AS {name}" for name in aggregates.MEASURES)


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


def total_of(*parts: Iterable[Money]) -> Money:
    total: Groups = {}
    for money in chain(*parts):
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
    every group: with more than one currency, or much that is fresh.

    Several small passes over the table, because one that sums up everything for every group takes twice as long.
    """
    rows = f"FROM {question.table} WHERE {question.where}"
    currencies = {row[0] for row in db.execute(f"SELECT DISTINCT currency {rows}", question.values)}
    real = currencies - {aggregates.NONE}
    if limit > _MOST_SHOWN or len(fresh) > _MOST_FRESH or len(real) > 1:
        return None
    columns, width = ", ".join(question.columns), len(question.columns)
    currency = next(iter(real), aggregates.NONE)
    total = db.execute(f"SELECT {_SUMS} {rows}", question.values).fetchone()
    count = db.execute(
        f"SELECT count(*) FROM (SELECT 1 {rows} GROUP BY {columns})", question.values
    ).fetchone()[0]
    best = db.execute(
        f"SELECT {columns} {rows} GROUP BY {columns} ORDER BY sum(charge_micros) DESC, sum(calls) DESC LIMIT ?",
        (*question.values, limit + len(fresh)),
    ).fetchall()
    groups: Groups = {}
    for row in db.execute(
        f"SELECT {columns}, {_SUMS} {rows} AND {_among(columns, width, len(best) + len(fresh))} GROUP BY {columns}",
        (*question.values, *(value for group in (*best, *fresh) for value in group)),
    ):
        groups[row[:width]] = {currency: row[width:]}
    count += sum(group not in groups for group in fresh)
    _add_fresh(groups, fresh)
    return Found(groups, count, total_of([{currency: total}] if currencies else [], fresh.values()))


def _among(columns: str, width: int, count: int) -> str:
    if not count:
        return "0"
    one = f"({','.join('?' * width)})"
    return f"({columns}) IN (VALUES {','.join([one] * count)})"


def _add_fresh(groups: Groups, fresh: Groups) -> None:
    for group, money in fresh.items():
        groups.setdefault(group, {})
        for currency, sums in money.items():
            add_row(groups, group, currency, sums)
