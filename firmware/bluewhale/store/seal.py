"""Sealing: a full segment is copied dense, indexed, summed up in a manifest, and from then on never written.

It runs in a thread of low priority beside the writer, on a file the writer has left. Killed at any moment it
leaves the open file as it was, or both files, or the sealed one: the next start goes on from there.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.store import schema
from bluewhale.store.segments import block_sql, open_name, sealed_name, sync_directory

# The canonical text of a line: its fields in the order of model.Line, without those that are NULL.
_FIELDS = ", ".join(f"'{name}', {name}" for name in schema.LINE)
CANONICAL = f"SELECT json_patch('{{}}', json_object({_FIELDS})) FROM call_line ORDER BY seq"


def seal(directory: Path, number: int) -> dict[str, Any]:
    """Makes NNNNNN.db of NNNNNN.open.db; its manifest. Raises OSError, sqlite3.Error with the open file untouched."""
    source, target = directory / open_name(number), directory / sealed_name(number)
    part = directory / f".{number:06}.part"
    part.unlink(missing_ok=True)
    try:
        with_source = sqlite3.connect(source, isolation_level=None, timeout=10)
        with_source.execute("VACUUM INTO ?", (str(part),))
        with_source.close()
        manifest = _finish(part)
        descriptor = os.open(part, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        part.chmod(0o444)
        manifest["bytes"] = part.stat().st_size
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    sync_directory(directory)
    forget(source)
    return manifest


def forget(file: Path) -> None:
    """Removes an open segment whose sealed copy is complete. Readers that have it open keep it until they close; the
    main file goes first, so that nobody can open it without its WAL."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _finish(part: Path) -> dict[str, Any]:
    db = sqlite3.connect(part, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA synchronous=OFF")  # one fsync of the whole at the end
        db.execute("PRAGMA cache_size=-32768")
        for statement in schema.INDEXES.values():
            db.execute(statement)
        db.execute(block_sql("1"))
        manifest = manifest_of(db)
        db.execute(
            "INSERT OR REPLACE INTO meta VALUES ('manifest', ?)", (msgspec.json.encode(manifest).decode(),)
        )
        return manifest
    finally:
        db.close()


def manifest_of(db: sqlite3.Connection) -> dict[str, Any]:
    """Count, sums and hash of a segment's lines: the yardstick of every copy."""
    facts = dict(db.execute("SELECT name, value FROM meta"))
    low, high, lines, talk_s = db.execute(
        "SELECT min(seq), max(seq), count(*), coalesce(sum(talk_s), 0) FROM line"
    ).fetchone()
    spans = db.execute(
        "SELECT min(low_position), max(high_position), min(low_started), max(high_started) FROM block"
    ).fetchone()
    charges = db.execute(
        "SELECT x.currency, sum(l.charge_micros) FROM line l JOIN context x ON x.id = l.context"
        " WHERE l.charge_micros IS NOT NULL AND x.currency IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    base = facts.get("base_position", 0)
    digest = hashlib.sha256()
    for text in canonical(db):
        digest.update(text)
    return {
        "number": facts["number"],
        "journal": facts["journal"],
        "first_seq": low if low is not None else facts["first_seq"],
        "last_seq": high if high is not None else facts["first_seq"] - 1,
        "lines": lines,
        "low_position": None if spans[0] is None else spans[0] + base,
        "high_position": None if spans[1] is None else spans[1] + base,
        "low_started": spans[2],
        "high_started": spans[3],
        "talk_s": talk_s,
        "charges": msgspec.json.encode(dict(charges)).decode(),
        "sha256": digest.hexdigest(),
    }


def canonical(db: sqlite3.Connection) -> Iterator[bytes]:
    """The canonical text of each line, with its newline, in order of seq."""
    for (text,) in db.execute(CANONICAL):
        yield text.encode() + b"\n"
