"""What the writer finds at a start, after whatever happened before: which segments go on, which are remade.

Nothing here can lose a call: lines that are set aside are made again from the journal.
"""

import logging
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.model import Line
from bluewhale.store import schema, segments
from bluewhale.store.seal import forget

log = logging.getLogger("bluewhale")
_LINES = "SELECT * FROM call_line WHERE seq BETWEEN ? AND ? ORDER BY seq"
_SIDE_FILES = ("-wal", "-shm", "")


class Span(msgspec.Struct, frozen=True):
    """What a segment file says about itself."""

    number: int
    file: Path
    sealed: bool
    journal: str
    first_seq: int
    last_seq: int


def survey(directory: Path) -> list[Span]:
    """The segments that hold an unbroken run of lines, oldest first. All others are set aside (*.aside)."""
    for part in directory.glob(".*.part"):
        part.unlink()
    spans: list[Span] = []
    for number, file, sealed in segments.listing(directory):
        if sealed:
            forget(file.with_name(segments.open_name(number)))
        span = _span(number, file, sealed)
        if span is not None and _follows(spans, span):
            spans.append(span)
        else:
            set_aside(file)
    return spans


def _span(number: int, file: Path, sealed: bool) -> Span | None:
    """None if the file is no segment this program can go on with."""
    try:
        db = connect(file, sealed)
    except sqlite3.Error as error:
        log.warning("%s: %s", file, error)
        return None
    try:
        facts = dict(db.execute("SELECT name, value FROM meta"))
        if facts.get("version") != schema.VERSION or facts.get("number") != number:
            log.warning("%s: version %s, number %s", file, facts.get("version"), facts.get("number"))
            return None
        first = facts["first_seq"]
        last = db.execute("SELECT max(seq) FROM line").fetchone()[0] or first - 1
        return Span(number, file, sealed, facts["journal"], first, last)
    except (sqlite3.Error, KeyError) as error:
        log.warning("%s: %s", file, error)
        return None
    finally:
        db.close()


def _follows(spans: list[Span], span: Span) -> bool:
    if not spans:
        return span.first_seq == 1
    last = spans[-1]
    return span.first_seq == (last.last_seq + 1 if span.journal == last.journal else 1)


def connect(file: Path, sealed: bool) -> sqlite3.Connection:
    """A reading connection: sealed files never change, open ones are followed through their WAL."""
    mode = "immutable=1" if sealed else "mode=ro"
    quoted = str(file.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?{mode}", uri=True, isolation_level=None, check_same_thread=False)


def set_aside(file: Path) -> None:
    """Takes a file out of use; its lines will be made again from the journal."""
    log.warning("%s is set aside; its calls are made again from the journal", file)
    for suffix in _SIDE_FILES:
        name = file.with_name(file.name + suffix)
        if name.exists():
            name.replace(name.with_name(name.name + ".aside"))


def stored(directory: Path, journal: str, first: int, last: int) -> dict[int, Line]:
    """The lines of these seqs that segments hold already."""
    found: dict[int, Line] = {}
    for number, file, sealed in segments.listing(directory):
        span = _span(number, file, sealed)
        if span is None or span.journal != journal or span.last_seq < first or span.first_seq > last:
            continue
        db = connect(file, sealed)
        for row in db.execute(_LINES, (first, last)):
            line = Line(**dict(zip(schema.LINE, row)))
            found[line.seq] = line
        db.close()
    return found


def cut(directory: Path, journal: str, seq: int) -> None:
    """Takes the lines from `seq` on, and all after them, out of the segments: the code makes them differently now."""
    after = False
    for span in survey(directory):
        if not after and (span.journal != journal or span.last_seq < seq):
            continue
        if after or span.first_seq >= seq:
            after = True
            forget(span.file)
            continue
        after = True
        file = span.file
        if span.sealed:
            file = file.with_name(segments.open_name(span.number))
            forget(file)
            shutil.copyfile(span.file, file)
        db = segments.connect(file)
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM line WHERE seq >= ?", (seq,))
        db.execute("DELETE FROM joined WHERE seq >= ?", (seq,))
        db.execute("DELETE FROM fold WHERE first_seq >= ?", (seq,))
        db.execute("DELETE FROM block WHERE id >= ?", (seq >> schema.BLOCK_BITS,))
        db.execute("DELETE FROM meta WHERE name = 'manifest'")
        db.execute("COMMIT")
        db.close()
        if span.sealed:
            span.file.unlink()


def manifests(spans: list[Span]) -> list[dict[str, Any]]:
    """The manifests of sealed segments, for the list in ledger.db."""
    found = []
    for span in spans:
        if span.sealed:
            db = connect(span.file, sealed=True)
            text = db.execute("SELECT value FROM meta WHERE name = 'manifest'").fetchone()[0]
            found.append(msgspec.json.decode(text) | {"bytes": span.file.stat().st_size})
            db.close()
    return found
