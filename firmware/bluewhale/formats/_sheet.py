"""docs/formats.md from the data sheets: each family's docstring, options and columns."""

from collections.abc import Iterable

from bluewhale.formats._layout import (
    Block,
    Choice,
    Column,
    Delimited,
    Fixed,
    Format,
    Headed,
    Json,
    Layout,
    Named,
    Pattern,
    Tlv,
    Xml,
)
from bluewhale.formats._options import COMMON

HEAD = """# Formats

This page is made from the data sheets in `firmware/bluewhale/formats/`: do not edit it. To renew it:

    .venv/bin/bluewhale formats --markdown > docs/formats.md

Each family says what to set on the PBX, which columns arrive, and how sure we are. `bluewhale decode --format NAME
FILE` shows what the box reads. `bluewhale detect FILE` says which format a file is in, and why. Options are set on
the feed, or given as `-o KEY=VALUE`.

**Words.** `caller` and `called` are digits as dialled or presented, with the access code. `extension` is the station
that is charged or that answers. `trunk` is the trunk of the call whatever its direction; `trunk_in` stands beside it
for the side a tandem call came in on. `talk_s` is conversation time in whole seconds. `answered` is absent where the
record cannot tell. Where a PBX has no answer supervision, a call with a duration counts as answered. `extra` keeps
what only this family states. What is not known is absent.
"""


def markdown(formats: dict[str, Format]) -> str:
    """The whole page."""
    parts = [HEAD, "## Options every family accepts\n", _table(("option", "meaning"), _options_rows(COMMON))]
    parts.append("A family reads those that its own list names; the others change nothing.\n")
    parts.append("## Families\n")
    parts.append(_table(("format", "PBX"), [(f"[{f.name}](#{f.name})", f.title) for f in formats.values()]))
    parts += [_family(fmt) for fmt in formats.values()]
    return "\n".join(parts)


def _family(fmt: Format) -> str:
    parts = [
        f"## {fmt.name}\n",
        "```text",
        fmt.sheet,
        "```\n",
        f"Proof needed for detection: {fmt.integrity}.\n",
    ]
    if fmt.options:
        parts += ["Options:\n", _table(("option", "meaning"), _options_rows(fmt.options))]
    for layout in fmt.layouts:
        parts += _layout(layout)
    return "\n".join(parts)


def _options_rows(options: Iterable[object]) -> list[tuple[str, str]]:
    return [(f"`{option.name}`", option.note) for option in options]  # type: ignore[attr-defined]


PLACES: dict[type, str] = {
    Delimited: "cell",
    Headed: "header",
    Fixed: "columns",
    Pattern: "group",
    Named: "name",
    Json: "path",
    Xml: "path",
    Tlv: "type",
}


def _layout(layout: Layout) -> list[str]:
    if isinstance(layout, Choice):
        return [part for each in layout.layouts for part in _layout(each)]
    title = f"Columns of {layout.name}:\n" if layout.name else "Columns:\n"
    if isinstance(layout, Block):
        rows = [row for pattern in layout.lines for row in _rows(pattern.columns)]
        return [title, _table(("field", "group", "reader", "note"), rows)]
    place = PLACES[type(layout)]
    return [title, _table(("field", place, "reader", "note"), _rows(layout.columns))]


def _rows(columns: tuple[Column, ...]) -> list[tuple[str, ...]]:
    return [(_field(c), _place(c), _reader(c), _note(c)) for c in columns]


def _field(column: Column) -> str:
    """A Leg's field as it is; what finish() works up, without the mark."""
    name = column.field.removesuffix("[]")
    return f"`{name}`" if not name.startswith("_") else f"({name[1:]})"


def _place(column: Column) -> str:
    if isinstance(column.at, tuple):
        first, end = column.at
        return str(end) if end - first == 1 else f"{first + 1}-{end}"
    return str(column.at + 1) if isinstance(column.at, int) else f"`{column.at}`"


def _reader(column: Column) -> str:
    if column.arg is None:
        return column.kind
    if isinstance(column.arg, dict):
        return f"code: {' '.join(f'`{word}`' for word in column.arg)}"
    if isinstance(column.arg, tuple):
        return f"{column.kind} {' '.join(str(part + 1) for part in column.arg)}"
    return f"{column.kind} `{column.arg}`"


def _note(column: Column) -> str:
    words = [column.note] if column.note else []
    if column.need:
        words.append("always there")
    if column.blank:
        words.append(f"nothing when {', '.join(f'`{text}`' for text in column.blank)}")
    return "; ".join(words)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
