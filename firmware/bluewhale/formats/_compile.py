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
    return _COMPILERS[type(layout)](layout)


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


def _delimited(layout: Delimited) -> Read:
    columns = [(column, column.at, f"column {int(column.at) + 1}") for column in layout.columns]  # type: ignore[arg-type]
    by_count: dict[int, Fill] = {}
    cells_of, least, most = splitter(layout.delimiter, layout.quote), layout.least, layout.most

    def read(text: str, memory: dict[str, Any]) -> Row:
        cells = cells_of(text)
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
    cells_of = splitter(layout.delimiter, layout.quote)
    needs = {str(column.at) for column in layout.columns if column.need}
    last: list[Any] = [None, None]  # the header list seen last and its fill

    def fill_of(names: list[str]) -> Fill:
        key = tuple(names)
        fill = fills.get(key)
        if fill is None:
            if len(fills) >= _PLANS:
                fills.clear()
            if lacking := needs - set(names):
                raise Fault(Why.BAD_FIELD, f"the header before it lacks {', '.join(sorted(lacking))}")
            there = [(known[name], at, f"column {at + 1}") for at, name in enumerate(names) if name in known]
            fill = fills[key] = filler(there)
        return fill

    def read(text: str, memory: dict[str, Any]) -> Row | None:
        if is_head(text):
            memory["header"] = cells_of(text)
            return None
        names = memory.get("header")
        if names is None:
            raise Fault(Why.BAD_FIELD, "no header line came before it")
        cells = cells_of(text)
        if len(cells) != len(names):
            raise Fault(Why.BAD_FIELD, f"{len(cells)} cells under a header of {len(names)}")
        if names is not last[0]:
            last[:] = names, fill_of(names)
        row: Row = last[1](cells)
        return row

    return read


def _fixed(layout: Fixed) -> Read:
    """All cells come out of one match of a regex made from the positions; it checks the blanks on the way."""
    columns = sorted(layout.columns, key=lambda column: column.at)
    spans: list[tuple[int, int]] = [column.at for column in columns]  # type: ignore[misc]
    gaps, least, most = frozenset(layout.gaps), layout.least, layout.most
    width = max([end for _, end in spans] + [gap + 1 for gap in gaps])
    regex, at = "", 0
    for start, end in [*spans, (width, width)]:
        if start < at:
            raise ValueError(f"columns overlap at {start + 1}")
        regex += "".join(" " if place in gaps else "." for place in range(at, start))
        regex += f"(.{{{end - start}}})" if end > start else ""
        at = end
    match = re.compile(regex, re.DOTALL).match
    fill = filler([(c, n, f"column {spans[n][0] + 1}") for n, c in enumerate(columns)], strip=True)

    def read(text: str, memory: dict[str, Any]) -> Row:
        text = text.rstrip()
        if not least <= len(text) <= most:
            raise Fault(Why.FOREIGN, f"{len(text)} characters, not {least} to {most}")
        found = match(text.ljust(width))
        if found is None:
            place = next(gap for gap in sorted(gaps) if text[gap : gap + 1] not in (" ", ""))
            raise Fault(Why.FOREIGN, f"column {place + 1}: {text[place]!r} where a blank must be")
        return fill(found.groups())

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
