"""Call segments: `calls/NNNNNN.open.db` while it fills, `calls/NNNNNN.db` once it is sealed.

A segment holds the lines of one run of seqs of one journal, their watermark, and all that is needed to read
them. Lines, dictionaries and watermark are committed in one transaction. Where a segment ends depends on the
lines alone (`SEGMENT_LINES`, or a new month of journal time), so a rebuild makes the same segments.
"""

import os
import re
import sqlite3
from pathlib import Path

from bluewhale.model import Line
from bluewhale.store import schema
from bluewhale.store.pack import Row, Words, pack

SEGMENT_LINES = 2_000_000
_NAME = re.compile(r"(\d{6,})(\.open)?\.db")


class Broken(Exception):
    """A segment file that cannot be what it should be; the text says which and why."""


def listing(directory: Path) -> list[tuple[int, Path, bool]]:
    """(number, file, sealed), oldest first. Where both files exist the sealed one counts: it is complete."""
    found: dict[int, tuple[int, Path, bool]] = {}
    names = sorted(os.listdir(directory)) if directory.is_dir() else []
    for name in names:
        match = _NAME.fullmatch(name)
        if match:
            number, sealed = int(match[1]), match[2] is None
            if sealed or number not in found:
                found[number] = (number, directory / name, sealed)
    return [found[number] for number in sorted(found)]


def open_name(number: int) -> str:
    return f"{number:06}.open.db"


def sealed_name(number: int) -> str:
    return f"{number:06}.db"


def connect(file: Path) -> sqlite3.Connection:
    """A writer's connection to an open segment."""
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")  # the journal replays what a power cut takes
    db.execute("PRAGMA wal_autocheckpoint=4000")
    db.execute("PRAGMA cache_size=-16384")
    db.execute("PRAGMA secure_delete=OFF")
    return db


def create(directory: Path, number: int, journal: str, box: str | None, first_seq: int) -> "OpenSegment":
    """A new, empty open segment; it appears under its name only once its tables are there."""
    file, part = directory / open_name(number), directory / f".{number:06}.open.part"
    directory.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    facts = {
        "version": schema.VERSION,
        "number": number,
        "journal": journal,
        "box": box,
        "first_seq": first_seq,
    }
    db = sqlite3.connect(part, isolation_level=None)
    try:
        db.execute("BEGIN")
        for statement in (*schema.TABLES, *schema.INDEXES.values(), schema.VIEW):
            db.execute(statement)
        db.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
        db.execute("COMMIT")
    finally:
        db.close()
    part.rename(file)
    sync_directory(directory)
    return OpenSegment(file)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class OpenSegment:
    """Owns the connection to the segment being filled, and its dictionaries in memory."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.db = connect(file)
        facts = dict(self.db.execute("SELECT name, value FROM meta"))
        if facts.get("version") != schema.VERSION:
            raise Broken(f"{file}: version {facts.get('version')}, this program writes {schema.VERSION}")
        self.number: int = facts["number"]
        self.journal: str = facts["journal"]
        self.first_seq: int = facts["first_seq"]
        self._insert = f"INSERT INTO line VALUES ({','.join('?' * 21)})"
        self.indexed = self._indexes() == set(schema.INDEXES)
        self.reload()

    def reload(self) -> None:
        """Reads the dictionaries and the last seq: at the start, and after a transaction that was rolled back."""
        db = self.db
        base = db.execute("SELECT value FROM meta WHERE name = 'base_position'").fetchone()
        self.words = Words(base_position=base[0] if base else None)
        for number, *key in db.execute("SELECT * FROM party"):
            self.words.parties[tuple(key)] = number
        for number, *key in db.execute("SELECT * FROM context"):
            self.words.contexts[tuple(key)] = number
        self.words.words = {word: number for number, word in db.execute("SELECT id, word FROM word")}
        self.last_seq: int = db.execute("SELECT max(seq) FROM line").fetchone()[0] or self.first_seq - 1
        self.fold_version = db.execute(
            "SELECT fold_version FROM fold ORDER BY first_seq DESC LIMIT 1"
        ).fetchone()

    @property
    def lines(self) -> int:
        return self.last_seq - self.first_seq + 1

    def insert(self, lines: list[Line], watermark: dict[str, int], fold_version: str) -> list[Row]:
        """Lines and watermark in one transaction; the rows as written. Raises sqlite3.Error, with nothing changed."""
        db, words = self.db, self.words
        fresh = words.base_position is None
        try:
            rows = pack(words, lines)
            db.execute("BEGIN IMMEDIATE")
            if fresh and lines:
                db.execute("INSERT INTO meta VALUES ('base_position', ?)", (words.base_position,))
            if words.new_parties:
                db.executemany("INSERT INTO party VALUES (?,?,?,?,?,?)", words.new_parties)
            if words.new_contexts:
                db.executemany(f"INSERT INTO context VALUES ({','.join('?' * 23)})", words.new_contexts)
            if words.new_words:
                db.executemany("INSERT INTO word VALUES (?,?)", words.new_words)
            if words.joined:
                db.executemany("INSERT INTO joined VALUES (?,?,?)", words.joined)
            db.executemany(self._insert, rows)
            if lines and self.fold_version != (fold_version,):
                db.execute("INSERT INTO fold VALUES (?, ?)", (lines[0].seq, fold_version))
            db.executemany(
                "INSERT INTO watermark VALUES (?,?,?) ON CONFLICT DO UPDATE SET position = excluded.position",
                [(self.journal, stream, position) for stream, position in watermark.items()],
            )
            if lines:
                self._blocks(lines[-1].seq)
            db.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        for new in (words.new_parties, words.new_contexts, words.new_words, words.joined):
            new.clear()
        if lines:
            self.last_seq = lines[-1].seq
            self.fold_version = (fold_version,)
        return rows

    def _undo(self) -> None:
        """SQLite may have rolled back already (disk full); the dictionaries follow the file."""
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        self.reload()

    def _blocks(self, last_seq: int) -> None:
        """What each block of lines that is now full spans: finds a position or a day without an index."""
        done = (self.last_seq + 1) >> schema.BLOCK_BITS
        full = (last_seq + 1) >> schema.BLOCK_BITS
        if full > done:
            self.db.execute(
                block_sql("seq >= ? AND seq < ?"), (done << schema.BLOCK_BITS, full << schema.BLOCK_BITS)
            )

    def _indexes(self) -> set[str]:
        names = self.db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'line'")
        return {name for (name,) in names}

    def drop_indexes(self) -> None:
        """Before a flood: filling without them costs a quarter."""
        self.db.execute("BEGIN IMMEDIATE")
        for name in schema.INDEXES:
            self.db.execute(f"DROP INDEX IF EXISTS {name}")
        self.db.execute("COMMIT")
        self.indexed = False

    def index_one(self) -> bool:
        """Makes one index that is missing; True while there is more to do."""
        missing = [name for name in schema.INDEXES if name not in self._indexes()]
        if missing:
            self.db.execute(schema.INDEXES[missing[0]])
        self.indexed = len(missing) <= 1
        return not self.indexed

    def sync(self) -> None:
        """Makes what is committed outlast a power cut. ledger.db may say only what is safe here."""
        try:
            wal = os.open(f"{self.file}-wal", os.O_RDONLY)
        except FileNotFoundError:
            return  # nothing written since the file was opened; closing it before has synced it
        try:
            os.fdatasync(wal)
        finally:
            os.close(wal)

    def close(self) -> None:
        self.db.close()


def block_sql(where: str) -> str:
    return (
        f"INSERT OR REPLACE INTO block SELECT seq >> {schema.BLOCK_BITS}, min(position), max(position),"
        f" min({schema.STARTED}), max({schema.STARTED}) FROM line l WHERE {where} GROUP BY 1"
    )
