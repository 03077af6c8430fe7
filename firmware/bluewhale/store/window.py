"""Read-only windows on a box: connections to ledger.db and the segments, shared by many threads.

A connection is used by one thread at a time and goes back to the pool. Files that were sealed, replaced or
removed are noticed by their inode. A box that has not started yet reads as an empty one.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bluewhale.store import schema, segments
from bluewhale.store.migrations import m0001_start
from bluewhale.store.places import Places
from bluewhale.store.recovery import connect

_IDLE_EACH = 6
_IDLE_ALL = 240
_STEPS = 20_000  # virtual machine steps between two looks at the clock

Key = tuple[Path, int]


class Span(msgspec.Struct, frozen=True):
    """What a segment covers. Positions and times are of its lines, None if it has none (or, open, not yet known)."""

    number: int
    file: Path
    sealed: bool
    journal: str
    first_seq: int
    last_seq: int
    indexed: bool
    low_position: int | None
    high_position: int | None
    low_started: int | None
    high_started: int | None
    low_joined: int | None  # call_position of lines that are not the first of their call
    high_joined: int | None


class Names(msgspec.Struct, frozen=True):
    """The catalogue, as ids to names; `decimals` of currencies as the plans say."""

    generation: int
    names: dict[str, dict[int, str]]
    decimals: dict[str, int]

    def of(self, kind: str, number: int | None) -> str | None:
        return None if number is None else self.names.get(kind, {}).get(number)


class Interrupted(Exception):
    """A query was stopped by its hard time limit."""


class Box:
    """Owns the pools of read-only connections to a box's files. Thread-safe."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._lock = threading.Lock()
        self._idle: dict[Key, list[sqlite3.Connection]] = {}
        self._spans: dict[Key, Span] = {}
        self._names = Names(-1, {}, {})

    @contextlib.contextmanager
    def ledger(self) -> Iterator[sqlite3.Connection]:
        """ledger.db in one read transaction, so that all that is read belongs to one watermark."""
        file = self.places.ledger_db
        with self._borrowed(file, lambda: _open_ledger(file)) as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @contextlib.contextmanager
    def segment(self, span: Span, stop_s: float | None = None) -> Iterator[sqlite3.Connection]:
        """A segment. Queries that still run at `stop_s` (monotonic) raise Interrupted."""
        with self._borrowed(span.file, lambda: _open_segment(span.number, span.file, span.sealed)) as db:
            if stop_s is not None:
                db.set_progress_handler(lambda: int(time.monotonic() > stop_s), _STEPS)
            try:
                yield db
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise Interrupted from error
                raise
            finally:
                if stop_s is not None:
                    db.set_progress_handler(None, 0)

    def spans(self) -> list[Span]:
        """The segments, oldest first. Sealed ones are read once; open ones each time."""
        found = []
        for number, file, sealed in segments.listing(self.places.calls_dir):
            key = _key(file)
            span = self._spans.get(key) if sealed and key else None
            if span is None:
                span = self._span(number, file, sealed)
                if span is not None and sealed and key:
                    self._spans[key] = span
            if span is not None:
                found.append(span)
        return found

    def names(self) -> Names:
        """The catalogue as it is now; kept until a name changes."""
        with self.ledger() as db:
            row = db.execute("SELECT generation FROM fold").fetchone()
            generation = row[0] if row else 0
            if self._names.generation != generation:
                self._names = _read_names(db, generation)
        return self._names

    def close(self) -> None:
        with self._lock:
            for pool in self._idle.values():
                for db in pool:
                    db.close()
            self._idle.clear()

    def _span(self, number: int, file: Path, sealed: bool) -> Span | None:
        with self._borrowed(file, lambda: _open_segment(number, file, sealed)) as db:
            return _read_span(db, number, file, sealed)

    @contextlib.contextmanager
    def _borrowed(
        self, file: Path, open_it: Callable[[], sqlite3.Connection]
    ) -> Iterator[sqlite3.Connection]:
        key = _key(file)
        with self._lock:
            pool = self._idle.get(key, []) if key else []
            db = pool.pop() if pool else None
        if db is None:
            db = open_it()
            db.execute("PRAGMA query_only=1")
        try:
            yield db
        except BaseException:
            db.close()
            raise
        self._give_back(key if key == _key(file) else None, db)

    def _give_back(self, key: Key | None, db: sqlite3.Connection) -> None:
        with self._lock:
            for old in [k for k in self._idle if key and k[0] == key[0] and k != key]:
                for stale in self._idle.pop(old):
                    stale.close()
            if key is None or len(self._idle.get(key, ())) >= _IDLE_EACH:
                db.close()
                return
            self._idle.setdefault(key, []).append(db)
            while sum(map(len, self._idle.values())) > _IDLE_ALL:
                oldest = next(iter(self._idle))
                for stale in self._idle.pop(oldest):
                    stale.close()


def open_box(places: Places) -> Box:
    """A box to read. Nothing is opened yet."""
    return Box(places)


def _key(file: Path) -> Key | None:
    try:
        return file, file.stat().st_ino
    except FileNotFoundError:
        return None


def _open_segment(number: int, file: Path, sealed: bool) -> sqlite3.Connection:
    """An open segment may be sealed at any moment, and is gone then: the sealed one has the same lines."""
    try:
        db = connect(file, sealed)
        db.execute("SELECT count(*) FROM meta").fetchone()  # opens the file and its WAL in truth
        return db
    except sqlite3.OperationalError:
        target = file.with_name(segments.sealed_name(number))
        if sealed or not target.exists():
            raise
        return connect(target, sealed=True)


def _open_ledger(file: Path) -> sqlite3.Connection:
    """ledger.db, or an empty one in memory as long as the ledger has not made it."""
    if file.exists():
        db = connect(file, sealed=False)
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'segment'").fetchone():
            return db
        db.close()
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for statement in m0001_start.TABLES:
        db.execute(statement)
    return db


def _read_span(db: sqlite3.Connection, number: int, file: Path, sealed: bool) -> Span | None:
    facts = dict(db.execute("SELECT name, value FROM meta"))
    if facts.get("version") != schema.VERSION:
        return None
    last = db.execute("SELECT max(seq) FROM line").fetchone()[0]
    spans: tuple[int | None, ...] = (None, None, None, None)
    if sealed:
        spans = db.execute(
            "SELECT min(low_position), max(high_position), min(low_started), max(high_started) FROM block"
        ).fetchone()
    joined = db.execute("SELECT min(call_position), max(call_position) FROM joined").fetchone()
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    base = facts.get("base_position", 0)
    low, high = (None if position is None else position + base for position in spans[:2])
    return Span(
        number, file, sealed, facts["journal"], facts["first_seq"], last or facts["first_seq"] - 1,
        names.issuperset(schema.INDEXES), low, high, spans[2], spans[3], *joined,
    )  # fmt: skip


def _read_names(db: sqlite3.Connection, generation: int) -> Names:
    names: dict[str, dict[int, str]] = {}
    decimals: dict[str, int] = {}
    for kind, number, name, value in db.execute("SELECT kind, id, name, value FROM catalogue"):
        names.setdefault(kind, {})[number] = name
        if kind == "plan" and value:
            tree = msgspec.json.decode(value)
            if isinstance(tree, dict):
                tree = tree.get("plan", tree)
                currency = tree.get("currency")
                decimals[currency] = max(decimals.get(currency, 0), int(tree.get("decimals", 2)))
    return Names(generation, names, decimals)
