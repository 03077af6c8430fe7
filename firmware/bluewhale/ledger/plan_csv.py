"""A plan as a table for a spreadsheet, one row a rate (docs/plans.md, "As a table"), to and from its tree.

Rows that begin with # hold what is not a rate: `#currency,EUR`, `#calendar,...`, `#band,...`. A rate with
several slots goes on to the right: from_s, price, per_s, increment_s once more for each.
"""

import csv
import re
from typing import Any

from bluewhale.ledger.plan_records import Fault, PlanError

Tree = dict[str, Any]

_HEAD = ("name", "currency", "decimals", "rounding", "time_zone", "compatible", "increment_decimals")
_BAND = ("name", "days", "from", "to", "dates", "holidays", "calendar", "weight")
_RATE = ("prefix", "name", "destination", "band", "connection_fee", "minimum", "maximum", "maximum_rule",
         "valid_from", "valid_to")  # fmt: skip
_SLOT = ("from_s", "price", "per_s", "increment_s")
_NUMBERS = ("decimals", "increment_decimals", "weight", "from_s", "per_s", "increment_s")
_ANY_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")
_HEADING = re.compile(r"(?im)^[^#\r\n]*\bprefix\b.*$")
_KEPT_AS_TEXT = re.compile(r"""="(.*)"|'(.*)""")  # how a spreadsheet is told that +44 is no number


class Lines(list[str]):
    """What csv.writer writes to."""

    write = list.append


def tree_of(text: str) -> Tree:
    """The tree of a table. What the cells hold is judged by plan.parse. Raises PlanError, with the line."""
    return _read(text)[0]


def lines_of(text: str) -> dict[str, int]:
    """Where each path of the tree stands."""
    return _read(text)[1]


def _read(text: str) -> tuple[Tree, dict[str, int]]:
    tree: Tree = {"rate": []}
    lines: dict[str, int] = {}
    columns: list[str] = []
    heading = _HEADING.search(text)
    mark = max((",", ";", "\t"), key=(heading[0] if heading else text).count)
    reader = csv.reader(_ANY_LINE.findall(text.removeprefix("\ufeff")), delimiter=mark)
    try:
        for cells in reader:
            cells = [_KEPT_AS_TEXT.sub(r"\1\2", cell.strip()) for cell in cells]
            if not any(cells):
                continue
            path = _head_row(tree, cells) if cells[0].startswith("#") else ""
            if not path and not columns:
                columns = _columns(cells, reader.line_num)
            elif not path:
                path = f"rate[{len(tree['rate'])}]"
                tree["rate"].append(_rate_row(columns, cells, reader.line_num))
            lines[path] = reader.line_num
    except csv.Error as error:
        raise PlanError([Fault("", f"not CSV: {error}", reader.line_num)]) from error
    return tree, lines


def _head_row(tree: Tree, cells: list[str]) -> str:
    """Puts a row with # into the tree; its path."""
    name = cells[0][1:].strip()
    values = cells[1:]
    if name == "band":
        band = {key: _value(key, cell) for key, cell in zip(_BAND, values) if cell}
        tree.setdefault("band", []).append(band)
        return f"band[{len(tree['band']) - 1}]"
    if name == "calendar":
        tree.setdefault("calendar", []).append(
            {"name": values[0], "dates": values[1].split()} if values[1:] else {}
        )
        return f"calendar[{len(tree['calendar']) - 1}]"
    if name in _HEAD and values and values[0]:
        tree[name] = _value(name, values[0])
    return name or "#"


def _columns(cells: list[str], line: int) -> list[str]:
    columns = [cell.lower() for cell in cells]
    while columns and not columns[-1]:
        columns.pop()
    unknown = [column for column in columns if column not in _RATE + _SLOT]
    if "prefix" not in columns or unknown:
        what = f'unknown heading "{unknown[0][:40]}"' if unknown else 'no heading "prefix"'
        raise PlanError([Fault("", f"{what}: the headings are {', '.join(_RATE + _SLOT)}", line)])
    return columns


def _rate_row(columns: list[str], cells: list[str], line: int) -> Tree:
    if any(cells[len(columns) :]):
        raise PlanError([Fault("", f"{len(cells)} cells under {len(columns)} headings", line)])
    rate: Tree = {"prefix": ""}
    slots: list[Tree] = []
    for column, cell in zip(columns, cells):
        if column in _SLOT:
            if not slots or column in slots[-1]:
                slots.append({})
            slots[-1][column] = _value(column, cell)
        elif cell:
            rate[column] = cell
    filled = [{key: cell for key, cell in slot.items() if cell != ""} for slot in slots]
    return rate | {"slot": [slot for slot in filled if slot]}


def _value(key: str, cell: str) -> Any:
    if key in _NUMBERS and re.fullmatch("-?[0-9]{1,12}", cell):
        return int(cell)
    if key == "days":
        return [int(day) if day.isdigit() and len(day) == 1 else day for day in cell.split()]
    return cell.split() if key == "dates" else cell


def table_of(tree: Tree) -> str:
    """The table of a tree that plan.parse takes."""
    slots = max((len(rate["slot"]) for rate in tree["rate"]), default=1)
    out = Lines()
    writer = csv.writer(out, lineterminator="\r\n")
    for name in _HEAD:
        if name in tree:
            writer.writerow([f"#{name}", tree[name]])
    for calendar in tree.get("calendar", []):
        writer.writerow(["#calendar", calendar["name"], " ".join(calendar["dates"])])
    for band in tree.get("band", []):
        writer.writerow(["#band", *(_cell(band.get(key)) for key in _BAND)])
    writer.writerow([*_RATE, *_SLOT * slots])
    for rate in tree["rate"]:
        row = [_cell(rate.get(key)) for key in _RATE]
        for slot in rate["slot"]:
            row += [_cell(slot.get(key, 0 if key == "from_s" else None)) for key in _SLOT]
        writer.writerow(row)
    return "".join(out)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
