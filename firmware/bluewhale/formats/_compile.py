"""A layout compiled once into a fast function: frame text to a row of values.

`compiled(layout)` gives `read(text, memory) -> row | None`; None = the frame was taken in but is no record (a
header line). It raises Fault: FOREIGN when the shape does not fit, BAD_* naming column, field and text.
"""

import re
from collections.abc import Callable
from typing import Any

from bluewhale.formats._fill import Fill, filler, loose_splitter, splitter
from bluewhale.formats._layout import Block, Choice, Delimited, Fault, Fixed, Headed, Layout, Pattern, Row
from bluewhale.formats._structured import COMPILERS
from bluewhale.model import Why

Read = Callable[[str, dict[str, Any]], "Row | None"]
_PLANS = 64  # distinct headers kept


def compiled(layout: Layout) -> Read:
    """The layout's read function. Raises KeyError or ValueError where the layout itself is wrong."""
    return _COMPILERS[type(layout)](layout)


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
    cells_of = loose_splitter(layout.delimiter) if layout.loose else splitter(layout.delimiter, layout.quote)
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
        if layout.ragged in names and len(cells) > len(names):
            at, more = names.index(layout.ragged), len(cells) - len(names) + 1
            cells[at : at + more] = [layout.delimiter.join(cells[at : at + more])]
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


def _choice(layout: Choice) -> Read:
    skips = [re.compile(skip).search for skip in layout.skip]
    tried = [
        (number, re.compile(test).match if test else None, compiled(each))
        for number, (test, each) in enumerate(zip(layout.tests, layout.layouts, strict=True))
    ]

    def read(text: str, memory: dict[str, Any]) -> Row | None:
        if not text.strip() or any(skip(text) for skip in skips):
            return None
        fault = Fault(Why.FOREIGN, f"no record of the layout begins like this: {text[:60]!r}")
        for number, test, each in tried:
            if test and not test(text):
                continue
            try:
                row = each(text, memory)
            except Fault as other:
                if test or other.why is not Why.FOREIGN:
                    why = Why.BAD_FIELD if other.why is Why.FOREIGN else other.why
                    raise Fault(why, other.detail) from None
                fault = other
                continue
            if row is not None:
                row["_record"] = number
            return row
        raise fault

    return read


_COMPILERS: dict[type, Callable[[Any], Read]] = {
    Delimited: _delimited,
    Headed: _headed,
    Fixed: _fixed,
    Pattern: _pattern,
    Block: _block,
    Choice: _choice,
    **COMPILERS,
}
