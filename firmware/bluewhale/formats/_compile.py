"""A layout compiled once into a fast function: frame text to a row of values.

`compiled(layout)` gives `read(text, memory) -> row | None`; None = the frame was taken in but is no record (a
header line). It raises Fault: FOREIGN when the shape does not fit, BAD_* naming column, field and text.
"""

import csv
import re
from collections.abc import Callable, Sequence
from typing import Any

from bluewhale.formats._layout import Block, Column, Delimited, Fault, Fixed, Headed, Layout, Pattern, Row
from bluewhale.formats._readers import reader
from bluewhale.model import Why

Read = Callable[[str, dict[str, Any]], "Row | None"]
Fill = Callable[[Any], Row]
_PLANS = 64  # distinct headers kept


def compiled(layout: Layout) -> Read:
    """The layout's read function. Raises KeyError or ValueError where the layout itself is wrong."""
    read = _COMPILERS[type(layout)](layout)
    if not layout.shape:
        return read
    mine = re.compile(layout.shape).match

    def checked(text: str, memory: dict[str, Any]) -> Row | None:
        try:
            return read(text, memory)
        except Fault as fault:
            if mine(text):
                raise
            raise Fault(Why.FOREIGN, fault.detail) from None

    return checked


def filler(columns: Sequence[tuple[Column, Any, str]]) -> Fill:
    """Compiles (column, index into the cells, label for a fault) to one function: cells to a row.

    The function is written out as Python once, a line a column, because a loop with a call a column costs
    twice the time. Names and texts enter as literals only. Empty cells and blanks stay absent.
    """
    env: dict[str, Any] = {"Fault": Fault, "named": _named}
    extras = any(column.field.startswith("extra.") for column, _, _ in columns)
    body = ["row = {}", "extra = {}"] if extras else ["row = {}"]
    for at, (column, index, _) in enumerate(columns):
        body += _column_source(at, column, index, env)
    body += ["if extra: row['extra'] = extra"] if extras else []
    source = "def fill(cells):\n try:\n  " + "\n  ".join(body) + "\n  return row\n"
    source += " except Fault as fault:\n  raise named(fault, cells, columns) from None\n"
    env["columns"] = columns
    exec(source, env)
    fill: Fill = env["fill"]
    return fill


def _column_source(at: int, column: Column, index: Any, env: dict[str, Any]) -> list[str]:
    """The source lines of one column. What they name is put into `env`."""
    kind, _, name = column.field.rpartition("extra.")
    target = f"extra[{name!r}]" if kind == "" and column.field != name else f"row[{column.field!r}]"
    test = f"(c := cells[{index!r}])"
    if column.blank:
        env[f"blank{at}"] = column.blank
        test += f" and c not in blank{at}"
    if column.kind != "text":
        env[f"read{at}"] = reader(column.kind, column.arg)
        test += f" and (c := read{at}(c)) is not None"
    lines = [f"if {test}: {target} = c"]
    if column.need:
        env["empty"] = Fault(Why.BAD_FIELD, "empty")
        lines.append("else: raise empty")
    return lines


def _named(fault: Fault, cells: Any, columns: Sequence[tuple[Column, Any, str]]) -> Fault:
    """The same fault with the column it came from, found by reading the columns again one by one."""
    for column, index, label in columns:
        cell = cells[index]
        known = bool(cell) and cell not in column.blank
        try:
            if not (known and reader(column.kind, column.arg)(cell) is not None) and column.need:
                raise Fault(Why.BAD_FIELD, "empty")
        except Fault as found:
            return Fault(found.why, f"{label} ({_plain(column.field)}): {found.detail}")
    return fault


def _plain(field: str) -> str:
    return field.removeprefix("extra.").strip("_[]")


def cells_of(text: str, delimiter: str, quote: str | None) -> list[str]:
    """The cells of a line, without the pad around them. A quote doubled inside quotes is one quote.

    Raises Fault where quotes do not add up.
    """
    if quote and quote in text:
        try:
            cells: list[str] = next(csv.reader((text,), delimiter=delimiter, quotechar=quote, strict=True))
        except (csv.Error, StopIteration) as error:
            raise Fault(Why.BAD_FIELD, f"quotes: {error}") from None
    else:
        cells = text.split(delimiter)
    if " " in text and (
        f" {delimiter}" in text or f"{delimiter} " in text or text[0] == " " or text[-1] == " "
    ):
        return [cell.strip() for cell in cells]
    return cells


def _delimited(layout: Delimited) -> Read:
    columns = [(column, column.at, f"column {int(column.at) + 1}") for column in layout.columns]  # type: ignore[arg-type]
    by_count: dict[int, Fill] = {}
    delimiter, quote, least, most = layout.delimiter, layout.quote, layout.least, layout.most

    def read(text: str, memory: dict[str, Any]) -> Row:
        cells = cells_of(text, delimiter, quote)
        count = len(cells)
        if not least <= count <= most:
            raise Fault(Why.FOREIGN, f"{count} cells, not {least} to {most}")
        fill = by_count.get(count)
        if fill is None:
            fill = by_count[count] = filler([column for column in columns if column[1] < count])  # type: ignore[operator]
        return fill(cells)

    return read


def _headed(layout: Headed) -> Read:
    known = {str(column.at): column for column in layout.columns}
    is_head, fills = re.compile(layout.head).match, dict[tuple[str, ...], Fill]()
    delimiter, quote = layout.delimiter, layout.quote

    def fill_of(names: list[str]) -> Fill:
        key = tuple(names)
        fill = fills.get(key)
        if fill is None:
            if len(fills) >= _PLANS:
                fills.clear()
            there = [(known[name], at, f"column {at + 1}") for at, name in enumerate(names) if name in known]
            fill = fills[key] = filler(there)
        return fill

    def read(text: str, memory: dict[str, Any]) -> Row | None:
        if is_head(text):
            memory["header"] = cells_of(text, delimiter, quote)
            return None
        names = memory.get("header")
        if names is None:
            raise Fault(Why.BAD_FIELD, "no header line came before it")
        cells = cells_of(text, delimiter, quote)
        if len(cells) != len(names):
            raise Fault(Why.BAD_FIELD, f"{len(cells)} cells under a header of {len(names)}")
        return fill_of(names)(cells)

    return read


def _fixed(layout: Fixed) -> Read:
    spans: list[tuple[int, int]] = [column.at for column in layout.columns]  # type: ignore[misc]
    slices = [slice(*span) for span in spans]
    fill = filler([(c, at, f"column {spans[at][0] + 1}") for at, c in enumerate(layout.columns)])
    gaps, least, most = layout.gaps, layout.least, layout.most
    width = max([end for _, end in spans] + [gap + 1 for gap in gaps])

    def read(text: str, memory: dict[str, Any]) -> Row:
        text = text.rstrip()
        if not least <= len(text) <= most:
            raise Fault(Why.FOREIGN, f"{len(text)} characters, not {least} to {most}")
        padded = text.ljust(width)
        for gap in gaps:
            if padded[gap] != " ":
                raise Fault(Why.FOREIGN, f"column {gap + 1}: {padded[gap]!r} where a blank must be")
        return fill([padded[span].strip() for span in slices])

    return read


def _pattern(layout: Pattern) -> Read:
    match = re.compile(layout.regex).fullmatch
    fill = filler([(column, column.at, "field") for column in layout.columns])

    def read(text: str, memory: dict[str, Any]) -> Row:
        found = match(text)
        if found is None:
            raise Fault(Why.FOREIGN, f"no record of this shape: {text[:60]!r}")
        return fill({name: (cell or "").strip() for name, cell in found.groupdict().items()})

    return read


def _block(layout: Block) -> Read:
    head, *rest = [_pattern(pattern) for pattern in layout.lines]

    def later(line: str, memory: dict[str, Any]) -> Row | None:
        fault = Fault(Why.FOREIGN, f"no line of this block: {line[:60]!r}")
        for read in rest:
            try:
                return read(line, memory)
            except Fault as other:
                if other.why is not Why.FOREIGN:
                    fault = other
        raise fault

    def read(text: str, memory: dict[str, Any]) -> Row:
        first, *lines = text.split("\n")
        row = head(first.strip(), memory) or {}
        for at, line in enumerate(lines):
            try:
                values = later(line.strip(), memory) or {}
            except Fault as fault:
                why = Why.BAD_FIELD if fault.why is Why.FOREIGN else fault.why
                raise Fault(why, f"line {at + 2} of the block: {fault.detail}") from None
            for field, value in values.items():
                if field.endswith("[]"):
                    row.setdefault(field[:-2], []).append(value)
                elif field == "extra":
                    row.setdefault("extra", {}).update(value)
                else:
                    row[field] = value
        return row

    return read


_COMPILERS: dict[type, Callable[[Any], Read]] = {
    Delimited: _delimited,
    Headed: _headed,
    Fixed: _fixed,
    Pattern: _pattern,
    Block: _block,
}
