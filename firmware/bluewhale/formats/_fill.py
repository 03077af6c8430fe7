"""Cells to a row of values: the part of compiling that all layouts share."""

import csv
import re
from collections.abc import Callable, Sequence
from typing import Any

from bluewhale.formats._layout import Column, Fault, Row
from bluewhale.formats._readers import reader
from bluewhale.model import Why

Fill = Callable[[Any], Row]


def filler(columns: Sequence[tuple[Column, Any, str]], strip: bool = False) -> Fill:
    """Compiles (column, index into the cells, label for a fault) to one function: cells to a row.

    The function is written out as Python once, a line a column, because a loop with a call a column costs
    twice the time. Names and texts enter as literals only. Empty cells and blanks stay absent.
    """
    env: dict[str, Any] = {"Fault": Fault, "named": _named, "BAD": Why.BAD_FIELD}
    extras = any(column.field.startswith("extra.") for column, _, _ in columns)
    body = ["row = {}", "extra = {}"] if extras else ["row = {}"]
    for at, (column, index, _) in enumerate(columns):
        body += _column_source(at, column, f"cells[{index!r}]" + (".strip()" if strip else ""), env)
    body += ["if extra: row['extra'] = extra"] if extras else []
    source = "def fill(cells):\n try:\n  " + "\n  ".join(body) + "\n  return row\n"
    source += " except Fault as fault:\n  raise named(fault, cells, columns) from None\n"
    env["columns"] = columns
    exec(source, env)
    fill: Fill = env["fill"]
    return fill


def _column_source(at: int, column: Column, cell: str, env: dict[str, Any]) -> list[str]:
    """The source lines of one column, whose text `cell` gives. What they name is put into `env`."""
    kind, _, name = column.field.rpartition("extra.")
    target = f"extra[{name!r}]" if kind == "" and column.field != name else f"row[{column.field!r}]"
    test = f"(c := {cell})"
    if column.blank:
        env[f"blank{at}"] = column.blank
        test += f" and c not in blank{at}"
    if column.kind != "text":
        env[f"read{at}"] = reader(column.kind, column.arg)
        test += f" and (c := read{at}(c)) is not None"
    lines = [f"if {test}: {target} = c"]
    if column.need:
        lines.append("else: raise Fault(BAD, 'empty')")
    return lines


def _named(fault: Fault, cells: Any, columns: Sequence[tuple[Column, Any, str]]) -> Fault:
    """The same fault with the column it came from, found by reading the columns again one by one."""
    for column, index, label in columns:
        cell = cells[index].strip()
        known = bool(cell) and cell not in column.blank
        try:
            if not (known and reader(column.kind, column.arg)(cell) is not None) and column.need:
                raise Fault(Why.BAD_FIELD, "empty")
        except Fault as found:
            return Fault(found.why, f"{label} ({_plain(column.field)}): {found.detail}")
    return fault


def _plain(field: str) -> str:
    return field.removeprefix("extra.").strip("_[]")


def splitter(delimiter: str, quote: str | None) -> Callable[[str], list[str]]:
    """A function from a line to its cells, without the pad around them. A quote doubled inside quotes is one.

    It raises Fault where quotes do not add up.
    """
    name = f"bluewhale {delimiter} {quote}"
    csv.register_dialect(name, delimiter=delimiter, quotechar=quote or '"', strict=True)
    dialect, parse = csv.get_dialect(name), csv.reader
    padded = f" {delimiter}", f"{delimiter} "

    def cells_of(text: str) -> list[str]:
        if quote and quote in text:
            try:
                cells: list[str] = next(parse((text,), dialect))
            except (csv.Error, StopIteration) as error:
                raise Fault(Why.BAD_FIELD, f"quotes: {error}") from None
        else:
            cells = text.split(delimiter)
        if " " in text and (padded[0] in text or padded[1] in text or text[0] == " " or text[-1] == " "):
            return [cell.strip() for cell in cells]
        return cells

    return cells_of


def loose_splitter(delimiter: str) -> Callable[[str], list[str]]:
    """Cells in which a pair of quotes keeps delimiters together wherever it stands, and stays as it is."""
    mark = re.escape(delimiter)
    parts = re.compile(rf'((?:"[^"]*"|[^{mark}])*)(?:{mark}|$)')

    def cells_of(text: str) -> list[str]:
        cells = [cell.strip() for cell in parts.findall(text)]
        return cells if text.endswith(delimiter) else cells[:-1]  # the empty match at the end

    return cells_of
