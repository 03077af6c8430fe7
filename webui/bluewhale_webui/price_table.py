"""A price list as a spreadsheet keeps it (CSV), made a plan tree: one row a prefix, one price each.

Headings in the first line, English or Chinese, in any order; only prefix and price must be there. What a table
cannot say (bands, several slots, validity) is said in a TOML plan; docs/plans.md.
"""

import csv
import io
from decimal import Decimal, InvalidOperation
from typing import Any

from bluewhale.ledger.plan_records import Fault

HEADINGS = {
    "prefix": "prefix", "前缀": "prefix", "字冠": "prefix",
    "price": "price", "单价": "price", "费率": "price",
    "name": "name", "名称": "name",
    "destination": "destination", "去向": "destination",
    "per_s": "per_s", "计价秒数": "per_s",
    "increment_s": "increment_s", "计费单元": "increment_s",
    "connection_fee": "connection_fee", "接通费": "connection_fee",
    "minimum": "minimum", "最低收费": "minimum",
}  # fmt: skip
MINUTE = 60


class TableError(ValueError):
    """The table cannot be read; `faults` say where."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__(faults[0].text)


def tree(data: bytes, name: str, currency: str) -> dict[str, Any]:
    """The plan tree of a price table. Amounts keep the decimals they are written with. Raises TableError."""
    rows = _rows(_text(data))
    rates: list[dict[str, Any]] = []
    faults: list[Fault] = []
    places = 2
    for line, row in rows:
        rate, wrong = _rate(row)
        faults += [Fault(f"rate[{len(rates)}]", text, line) for text in wrong]
        if rate is not None:
            rates.append(rate)
            places = max(places, _places(rate["connection_fee"]), _places(rate["slot"][0]["price"]))
    if faults:
        raise TableError(faults)
    return {
        "name": name,
        "currency": currency.upper(),
        "decimals": min(places, 6),
        "rounding": "half-up",
        "rate": rates,
    }


def _text(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableError([Fault("", "neither UTF-8 nor GB18030 text", 1)])


def _rows(text: str) -> list[tuple[int, dict[str, str]]]:
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns: list[str] | None = None
    found = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if columns is None:
                columns = _columns(cells)
                continue
            found.append((reader.line_num, dict(zip(columns, cells))))
    except csv.Error as error:
        raise TableError([Fault("", f"not CSV: {error}", reader.line_num)]) from error
    if not found:
        raise TableError([Fault("", "the table is empty", 1)])
    return found


def _columns(cells: list[str]) -> list[str]:
    columns = [HEADINGS.get(cell.lower(), "") for cell in cells]
    wrong = [f'unknown heading "{cell[:40]}"' for cell, column in zip(cells, columns) if cell and not column]
    wrong += [f'the heading "{need}" is missing' for need in ("prefix", "price") if need not in columns]
    if wrong:
        raise TableError([Fault("", text, 1) for text in wrong])
    return columns


def _rate(row: dict[str, str]) -> tuple[dict[str, Any] | None, list[str]]:
    wrong = []
    for column in ("price", "connection_fee", "minimum"):
        if row.get(column) and not _amount(row[column]):
            wrong.append(f'{column}: "{row[column][:20]}" is not an amount such as 0.12')
    for column in ("per_s", "increment_s"):
        if row.get(column) and not (row[column].isascii() and row[column].isdigit()):
            wrong.append(f'{column}: "{row[column][:20]}" is not a number of seconds')
    if not row.get("price"):
        wrong.append("price: there is none")
    if wrong:
        return None, wrong
    rate: dict[str, Any] = {
        "prefix": row.get("prefix", ""),
        "name": row.get("name") or row.get("destination", ""),
    }
    if row.get("destination"):
        rate["destination"] = row["destination"]
    rate["connection_fee"] = row.get("connection_fee") or "0"
    if row.get("minimum"):
        rate["minimum"] = row["minimum"]
    rate["slot"] = [
        {
            "from_s": 0,
            "price": row["price"],
            "per_s": int(row.get("per_s") or MINUTE),
            "increment_s": int(row.get("increment_s") or MINUTE),
        }
    ]
    return rate, []


def _amount(text: str) -> bool:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return False
    return value.is_finite() and value >= 0 and "e" not in text.lower()


def _places(text: str) -> int:
    return len(text.partition(".")[2])
