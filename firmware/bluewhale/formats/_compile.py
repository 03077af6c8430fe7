"""A layout compiled once into a fast function: frame text to a row of values.

`compiled(layout)` gives `read(text, memory) -> row | None`; None = the frame was taken in but is no record (a
header line). It raises Fault: FOREIGN when the shape does not fit, BAD_* naming column, field and text.
"""

import re
from collections.abc import Callable
from typing import Any

from bluewhale.formats._layout import Block, Column, Delimited, Fault, Fixed, Headed, Layout, Pattern, Row
from bluewhale.formats._quoting import cells_of
from bluewhale.formats._readers import reader
from bluewhale.model import Why

Read = Callable[[str, dict[str, Any]], "Row | None"]
# field, index into the cells, reader (None = the text itself), texts that mean nothing, label for a fault
Step = tuple[str, Any, "Callable[[str], Any] | None", tuple[str, ...], str]
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


def _step(column: Column, index: Any, label: str) -> Step:
    parse = None if column.kind == "text" else reader(column.kind, column.arg)
    return column.field, index, parse, column.blank, f"{label} ({column.field.strip('_[]')})"


def _needs(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.field for column in columns if column.need)


def _row(cells: Any, steps: list[Step], needs: tuple[str, ...]) -> Row:
    """Reads each step's cell; empty cells and blanks stay absent."""
    row: Row = {}
    for field, index, parse, blank, label in steps:
        cell = cells[index]
        if cell and cell not in blank:
            if parse is None:
                row[field] = cell
                continue
            try:
                value = parse(cell)
            except Fault as fault:
                raise Fault(fault.why, f"{label}: {fault.detail}") from None
            if value is not None:
                row[field] = value
    for field in needs:
        if field not in row:
            label = next(step[4] for step in steps if step[0] == field)
            raise Fault(Why.BAD_FIELD, f"{label}: empty")
    return row


def _delimited(layout: Delimited) -> Read:
    steps = [_step(column, column.at, f"column {int(column.at) + 1}") for column in layout.columns]  # type: ignore[arg-type]
    by_count: dict[int, list[Step]] = {}
    needs, delimiter, quote = _needs(layout.columns), layout.delimiter, layout.quote
    least, most = layout.least, layout.most

    def read(text: str, memory: dict[str, Any]) -> Row:
        cells = cells_of(text, delimiter, quote)
        count = len(cells)
        if not least <= count <= most:
            raise Fault(Why.FOREIGN, f"{count} cells, not {least} to {most}")
        plan = by_count.get(count)
        if plan is None:
            plan = by_count[count] = [step for step in steps if step[1] < count]
        return _row(cells, plan, needs)

    return read


def _headed(layout: Headed) -> Read:
    columns = {str(column.at): column for column in layout.columns}
    is_head, plans = re.compile(layout.head).match, dict[tuple[str, ...], list[Step]]()
    needs, delimiter, quote = _needs(layout.columns), layout.delimiter, layout.quote

    def plan_of(names: list[str]) -> list[Step]:
        key = tuple(names)
        plan = plans.get(key)
        if plan is None:
            if len(plans) >= _PLANS:
                plans.clear()
            plan = plans[key] = [
                _step(columns[name], at, f"column {at + 1}")
                for at, name in enumerate(names)
                if name in columns
            ]
        return plan

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
        return _row(cells, plan_of(names), needs)

    return read


def _fixed(layout: Fixed) -> Read:
    spans: list[tuple[int, int]] = [column.at for column in layout.columns]  # type: ignore[misc]
    slices = [slice(*span) for span in spans]
    steps = [_step(c, at, f"column {span[0] + 1}") for at, (c, span) in enumerate(zip(layout.columns, spans))]
    needs, gaps, least, most = _needs(layout.columns), layout.gaps, layout.least, layout.most
    width = max([end for _, end in spans] + [gap + 1 for gap in gaps])

    def read(text: str, memory: dict[str, Any]) -> Row:
        if not least <= len(text) <= most:
            raise Fault(Why.FOREIGN, f"{len(text)} characters, not {least} to {most}")
        padded = text.ljust(width)
        for gap in gaps:
            if padded[gap] != " ":
                raise Fault(Why.FOREIGN, f"column {gap + 1}: {padded[gap]!r} where a blank must be")
        return _row([padded[span].strip() for span in slices], steps, needs)

    return read


def _pattern(layout: Pattern) -> Read:
    match = re.compile(layout.regex).fullmatch
    steps = [_step(column, column.at, f"{column.at}") for column in layout.columns]
    needs = _needs(layout.columns)

    def read(text: str, memory: dict[str, Any]) -> Row:
        found = match(text)
        if found is None:
            raise Fault(Why.FOREIGN, f"no record of this shape: {text[:60]!r}")
        return _row({name: (cell or "").strip() for name, cell in found.groupdict().items()}, steps, needs)

    return read


def _block(layout: Block) -> Read:
    reads = [_pattern(pattern) for pattern in layout.lines]

    def one(line: str, memory: dict[str, Any]) -> Row | None:
        fault: Fault | None = None
        for read in reads:
            try:
                return read(line, memory)
            except Fault as other:
                if fault is None or fault.why is Why.FOREIGN:
                    fault = other
        if layout.others and fault is not None and fault.why is Why.FOREIGN:
            return None
        raise fault or Fault(Why.FOREIGN, "the block is empty")

    def read(text: str, memory: dict[str, Any]) -> Row:
        row: Row = {}
        for at, line in enumerate(text.split("\n")):
            try:
                values = one(line.strip(), memory) or {}
            except Fault as fault:
                why = Why.BAD_FIELD if at and fault.why is Why.FOREIGN else fault.why
                raise Fault(why, f"line {at + 1} of the block: {fault.detail}") from None
            for field, value in values.items():
                if field.endswith("[]"):
                    row.setdefault(field[:-2], []).append(value)
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
