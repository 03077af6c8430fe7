"""Sealing: a full segment is copied dense, indexed, summed up in a manifest, and from then on never written.

It runs in a thread of low priority beside the writer, on a file the writer has left. Killed at any moment it
leaves the open file as it was, or both files, or the sealed one: the next start goes on from there.
"""

import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.store import schema
from bluewhale.store.segments import block_sql, open_name, sealed_name, sync_directory


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
        "sha256": fingerprint(db),
    }


def fingerprint(db: sqlite3.Connection) -> str:
    """SHA-256 over all lines in order of seq, with what parties, contexts and words say in place of their ids: two segments
    of the same lines have the same. Over coded rows, because the view's text costs four times as much."""
    for table in ("party", "context"):
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")][1:]
        db.execute(f"DROP TABLE IF EXISTS temp.{table}_text")
        db.execute(f"CREATE TEMP TABLE {table}_text (id INTEGER PRIMARY KEY, text)")
        db.execute(f"INSERT INTO temp.{table}_text SELECT id, json_array({', '.join(columns)}) FROM {table}")
    digest = hashlib.sha256()
    for (text,) in db.execute(_CODED):
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()


_OWN = (
    "position", "length", "caller", "called", "talk_s", "ring_s", "total_s", "started", "answered", "ended",
    "correlation", "charged", "cost_micros", "charge_micros", "reference_micros", "more",
)  # fmt: skip
_CODED = (
    f"SELECT json_array(l.seq, {', '.join(f'l.{name}' for name in _OWN)}, t.word, d.word, j.call_position,"
    " j.call_length) || p.text || x.text FROM line l CROSS JOIN temp.party_text p ON p.id = l.party"
    " CROSS JOIN temp.context_text x ON x.id = l.context LEFT JOIN word t ON t.id = l.trunk"
    " LEFT JOIN word d ON d.id = l.destination LEFT JOIN joined j ON j.seq = l.seq ORDER BY l.seq"
)
