"""The agent's answers of one moment, sorted by OID: what GET finds and GETNEXT goes on to."""

import bisect
from collections.abc import Callable
from typing import Any, NamedTuple

from bluewhale.snmp.objects import SCALARS, TABLES, View
from bluewhale.snmp.oids import Oid


class Sorted(NamedTuple):
    """Parallel lists: the OIDs of all instances, and what makes their values when they are asked for."""

    names: list[Oid]
    values: list[Callable[[], Any]]


KNOWN = frozenset(scalar.oid for scalar in SCALARS) | {c.oid for table in TABLES for c in table.columns}


def build(view: View) -> Sorted:
    """Values are made when asked for: a walk of 128 feeds is 2,300 of them, a request asks for few."""
    found: list[tuple[Oid, Callable[[], Any]]] = []
    for scalar in SCALARS:
        if scalar.read(view) is not None:
            found.append(((*scalar.oid, 0), _scalar(scalar, view)))
    for table in TABLES:
        rows = table.rows(view.health)
        for column in table.columns:
            found.extend(((*column.oid, row.id), _cell(column, row, view)) for row in rows)
    found.sort(key=lambda pair: pair[0])
    return Sorted([name for name, _ in found], [value for _, value in found])


def _scalar(scalar: Any, view: View) -> Callable[[], Any]:
    return lambda: scalar.syntax.make(scalar.read(view))


def _cell(column: Any, row: Any, view: View) -> Callable[[], Any]:
    return lambda: column.syntax.make(column.read(row, view))


def get(table: Sorted, name: Oid) -> Any:
    """The value of this instance, or None."""
    at = bisect.bisect_left(table.names, name)
    return table.values[at]() if at < len(table.names) and table.names[at] == name else None


def after(table: Sorted, name: Oid) -> tuple[Oid, Any] | None:
    """The first instance behind `name` and its value, None at the end."""
    at = bisect.bisect_right(table.names, name)
    return (table.names[at], table.values[at]()) if at < len(table.names) else None


def is_object(name: Oid) -> bool:
    """An instance of an object we have, even if this one does not exist."""
    return any(name[:length] in KNOWN for length in range(1, len(name)))
