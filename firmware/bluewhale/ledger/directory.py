"""The directory as a person keeps it: a CSV table of extensions, read, compared with the book, made a change.

Shape (docs/directory.md): headings in the first line, English or Chinese, in any order; comma, semicolon or
tab; UTF-8, UTF-16 with its mark, or GB18030. A faulty row is a Fault with its line, and the others are still read.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from bluewhale.ledger.attribute import Book

COLUMNS = ("extension", "person", "department", "site", "enterprise")
_HEADINGS = dict(zip(("分机", "姓名", "部门", "站点", "企业"), COLUMNS)) | {
    **dict(zip(COLUMNS, COLUMNS)),
    "分机号": "extension",
    "分机号码": "extension",
    "name": "person",
    "ext": "extension",
}
_LONGEST = {"extension": 32}
_LONGEST_TEXT = 200
_FAULTS_KEPT = 1000
_ANY_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")


class Fault(msgspec.Struct, frozen=True):
    line: int
    text: str


class Row(msgspec.Struct, frozen=True):
    """An extension. "" = said to be nothing; None = the table has no such column: what is known stays."""

    extension: str
    person: str | None = None
    department: str | None = None
    site: str | None = None
    enterprise: str | None = None
    line: int = 0


class Change(msgspec.Struct, frozen=True):
    before: Row
    after: Row


class Preview(msgspec.Struct, frozen=True):
    """What a table would change. `removed`: known at the table's sites, but not in it (kept unless asked)."""

    new: list[Row]
    changed: list[Change]
    same: int
    removed: list[Row]
    faults: list[Fault]


def read(data: bytes) -> tuple[list[Row], list[Fault]]:
    """The rows of a table and what is wrong with the others, by line."""
    text, fault = _decoded(data)
    if fault:
        return [], [fault]
    reader = csv.reader(_ANY_LINE.findall(text), delimiter=_delimiter(text), strict=True)
    rows: dict[tuple[str | None, str], Row] = {}
    faults: list[Fault] = []
    columns: list[str | None] | None = None
    for line, cells in _lines(reader, faults):
        if columns is None:
            columns, wrong = _columns(cells)
            if wrong:
                return [], [Fault(line, why) for why in wrong]
            continue
        row = _row(columns, cells, line)
        if isinstance(row, Row):
            first = rows.setdefault((row.site, row.extension), row)
            row = (
                row
                if first is row
                else Fault(line, f'extension "{row.extension}" stands in line {first.line} too')
            )
        if isinstance(row, Fault) and len(faults) < _FAULTS_KEPT:
            faults.append(row)
    if columns is None:
        faults.append(Fault(1, "the table is empty"))
    return list(rows.values()), faults


def _decoded(data: bytes) -> tuple[str, Fault | None]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return data.decode(encoding), None
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
    return "", Fault(line, "neither UTF-8 nor GB18030 text")


def _delimiter(text: str) -> str:
    head = text.lstrip("\r\n").partition("\n")[0]
    return max((",", ";", "\t"), key=head.count)


def _lines(reader: Any, faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of lines that hold something. What the CSV reader cannot read ends the table."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            faults.append(Fault(line, f"not CSV: {error}"))
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, [cell.strip() for cell in cells]


def _columns(headings: list[str]) -> tuple[list[str | None], list[str]]:
    columns = [_HEADINGS.get(heading.lower()) for heading in headings]
    wrong = [
        f'unknown heading "{heading[:40]}"'
        for heading, column in zip(headings, columns)
        if heading and not column
    ]
    wrong += [f'the heading "{c}" stands twice' for c in COLUMNS if columns.count(c) > 1]
    if "extension" not in columns:
        wrong.insert(0, 'no heading "extension" (分机): the first line names the columns')
    return columns, wrong


def _row(columns: list[str | None], cells: list[str], line: int) -> Row | Fault:
    if any(cells[len(columns) :]):
        return Fault(line, f"{len(cells)} cells under {len(columns)} headings")
    cells += [""] * (len(columns) - len(cells))
    fields = {column: cell for column, cell in zip(columns, cells) if column}
    for column, text in fields.items():
        longest = _LONGEST.get(column, _LONGEST_TEXT)
        if len(text) > longest or not text.isprintable():
            return Fault(line, f"{column}: longer than {longest} characters, or with control characters")
    if not fields["extension"] or " " in fields["extension"]:
        return Fault(line, f'not an extension: "{fields["extension"]}"')
    return Row(**fields, line=line)


def known(book: Book) -> dict[tuple[str, str], Row]:
    """The book's directory with names, by (site, extension)."""
    sites = {site.id: site.name for site in book.sites.values()}
    enterprises = {number: name for name, number in book.enterprises.items()}
    persons = {number: name for (_, name), number in book.persons.items()} | {0: ""}
    departments = {number: name for (_, name), number in book.departments.items()} | {0: ""}
    return {
        (sites[site], extension): Row(
            extension, persons[e.person], departments[e.department], sites[site], enterprises[e.enterprise]
        )
        for (site, extension), e in book.directory.items()
    }


def diff(book: Book, rows: list[Row], site: str = "main") -> Preview:
    """What the rows would change. `site` is that of rows which name none."""
    old = known(book)
    enterprises = {number: name for name, number in book.enterprises.items()}
    preview = Preview([], [], 0, [], [])
    seen: dict[tuple[str, str], int] = {}
    same = 0
    for row in rows:
        place = row.site or site
        if place not in book.sites:
            preview.faults.append(Fault(row.line, f'no site "{place}"'))
            continue
        key = (place, row.extension)
        if key in seen:
            preview.faults.append(
                Fault(row.line, f'extension "{row.extension}" stands in line {seen[key]} too')
            )
            continue
        seen[key] = row.line
        before = old.get(key)
        after = _filled(row, before, place, enterprises[book.sites[place].enterprise])
        if before is None:
            preview.new.append(after)
        elif msgspec.structs.replace(after, line=0) == before:
            same += 1
        else:
            preview.changed.append(Change(before, after))
    places = {place for place, _ in seen}
    preview.removed.extend(row for key, row in old.items() if key[0] in places and key not in seen)
    return msgspec.structs.replace(preview, same=same)


def _filled(row: Row, before: Row | None, site: str, enterprise: str) -> Row:
    """The row with what its table does not say: as it was, else nothing; the site's enterprise."""
    was = before or Row(row.extension, "", "", site, enterprise)
    return Row(
        row.extension,
        was.person if row.person is None else row.person,
        was.department if row.department is None else row.department,
        site,
        (was.enterprise if row.enterprise is None else row.enterprise) or enterprise,
        row.line,
    )


def change(preview: Preview, remove: bool = False) -> dict[str, Any]:
    """The value of the owner's change ("directory", "extensions"): only the rows that differ."""
    rows = [*preview.new, *(changed.after for changed in preview.changed)]
    return {
        "set": [{name: getattr(row, name) for name in COLUMNS if getattr(row, name)} for row in rows],
        "remove": [{"site": row.site, "extension": row.extension} for row in preview.removed]
        if remove
        else [],
    }


def to_csv(book: Book) -> str:
    """The book's directory as a table that `read` takes back, by site and extension."""
    sink = _Lines()
    writer = csv.writer(sink)
    writer.writerow(COLUMNS)
    for _, row in sorted(known(book).items()):
        writer.writerow([getattr(row, name) for name in COLUMNS])
    return "".join(sink)


class _Lines(list[str]):
    """What csv.writer writes to."""

    write = list.append
