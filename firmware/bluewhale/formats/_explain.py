"""A frame shown as its columns: what stands where, what it was read as, what failed. For people, not for speed."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from bluewhale.formats._compile import compiled
from bluewhale.formats._layout import (
    Block,
    Choice,
    Column,
    Delimited,
    Fault,
    Fixed,
    Headed,
    Json,
    Layout,
    Named,
    Pattern,
    Xml,
)
from bluewhale.formats._readers import reader
from bluewhale.model import Why


class Cell(msgspec.Struct, omit_defaults=True):
    """One column of one frame. `first`, `last`: positions in the frame's text, counted from 1."""

    number: int
    field: str
    raw: str
    first: int | None = None
    last: int | None = None
    value: Any = None
    fault: str | None = None


class Explained(msgspec.Struct):
    """`layout`: the name of the layout that fits best, with its columns; none where a frame has no columns."""

    layout: str
    cells: list[Cell]


def explain(layouts: Iterable[Layout], text: str, memory: dict[str, Any]) -> Explained:
    """The layout that reads the text, or of those that know its shape the first. `memory`: headers seen, kept up."""
    best: Layout | None = None
    for layout in _flat(layouts, text):
        try:
            if compiled(layout)(text, memory) is None:
                return Explained(_name(layout), [])
        except Fault as fault:
            if fault.why is not Why.FOREIGN and best is None:
                best = layout
            continue
        best = layout
        break
    else:
        flat = list(_flat(layouts, text))
        best = best or (flat[0] if flat else None)
    return Explained(_name(best), _cells(best, text, memory)) if best else Explained("", [])


def _flat(layouts: Iterable[Layout], text: str) -> Iterable[Layout]:
    for layout in layouts:
        if isinstance(layout, Choice):
            for test, each in zip(layout.tests, layout.layouts):
                if not test or re.match(test, text):
                    yield each
        else:
            yield layout


def _name(layout: Layout | None) -> str:
    return getattr(layout, "name", "") or type(layout).__name__.lower()


def _cells(layout: Layout, text: str, memory: dict[str, Any]) -> list[Cell]:
    if isinstance(layout, Fixed):
        return [_cell(n, c, text, c.at) for n, c in enumerate(layout.columns, 1)]
    if isinstance(layout, Delimited):
        spans = _spans(text, layout.delimiter, layout.quote)
        return [_cell(n, c, text, _nth(spans, c.at)) for n, c in enumerate(layout.columns, 1)]
    if isinstance(layout, Headed):
        spans, names = _spans(text, layout.delimiter, layout.quote), memory.get("header", [])
        known = [c for c in layout.columns if c.at in names]
        return [_cell(n, c, text, _nth(spans, names.index(c.at))) for n, c in enumerate(known, 1)]
    if isinstance(layout, Pattern):
        return _groups(layout, text, 0, 1)
    if isinstance(layout, Block):
        return _lines(layout, text)
    if isinstance(layout, Named | Json | Xml):
        return _named(layout, text, memory)
    return []


def _named(layout: Named | Json | Xml, text: str, memory: dict[str, Any]) -> list[Cell]:
    """Values by name: the same layout reads them all as text first. They have no place."""
    bare = tuple(Column(f"_{n}", c.at) for n, c in enumerate(layout.columns))
    try:
        row = compiled(msgspec.structs.replace(layout, columns=bare))(text, memory) or {}
    except Fault:
        return []
    cells = []
    for n, column in enumerate(layout.columns):
        raw = str(row.get(f"_{n}", ""))
        cell = _cell(n + 1, column, raw, (0, len(raw)))
        cell.first = cell.last = None
        cells.append(cell)
    return cells


def _groups(layout: Pattern, text: str, begun: int, number: int) -> list[Cell]:
    found = re.compile(layout.regex).fullmatch(text)
    if found is None:
        return []
    cells = []
    for n, column in enumerate(layout.columns, number):
        first, end = found.span(str(column.at))
        cell = _cell(n, column, text, (first, end) if first >= 0 else None)
        cell.first, cell.last = (cell.first or 0) + begun or None, (cell.last or 0) + begun or None
        cells.append(cell)
    return cells


def _lines(layout: Block, text: str) -> list[Cell]:
    cells: list[Cell] = []
    begun = 0
    for at, line in enumerate(text.split("\n")):
        body = line.strip()
        pad = begun + line.find(body)
        for pattern in layout.lines[:1] if at == 0 else layout.lines[1:]:
            found = _groups(pattern, body, pad, len(cells) + 1)
            cells += found
            if found:
                break
        begun += len(line) + 1
    return cells


def _nth(spans: list[tuple[int, int]], at: Any) -> tuple[int, int] | None:
    return spans[at] if at < len(spans) else None


def _spans(text: str, delimiter: str, quote: str | None) -> list[tuple[int, int]]:
    """Where the cells stand, quotes with them."""
    spans, start, inside = [], 0, False
    for at, char in enumerate(text):
        if char == quote:
            inside = not inside
        elif char == delimiter and not inside:
            spans.append((start, at))
            start = at + 1
    return [*spans, (start, len(text))]


def _cell(number: int, column: Column, text: str, span: Any) -> Cell:
    """One column read by itself, as the compiled layout does."""
    raw = text[span[0] : span[1]] if span else ""
    cell = Cell(number, column.field.removesuffix("[]").strip("_"), raw)
    inner = raw.strip()
    if inner:
        cell.first = span[0] + raw.index(inner) + 1
        cell.last = cell.first + len(inner) - 1
    elif span and span[0] < len(text):
        cell.first, cell.last = span[0] + 1, min(span[1], len(text))
    if len(inner) > 1 and inner[0] == inner[-1] == '"':
        inner = inner[1:-1].replace('""', '"').strip()
    try:
        if inner and inner not in column.blank:
            cell.value = reader(column.kind, column.arg)(inner)
        if cell.value is None and column.need:
            cell.fault = "empty"
    except Fault as fault:
        cell.fault = fault.detail
    return cell
