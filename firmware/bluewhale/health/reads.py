"""health.db for readers: roles, feeds, alarms and the box's figures. Read-only, no other module's tables.

Every answer is as old as `Box.time_us`; the role health writes it once a second and at every change.
"""

import sqlite3
from pathlib import Path
from typing import TypeVar

import msgspec

from bluewhale.config import Config
from bluewhale.health import alarms as catalogue


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: up, restarting, hung, down; `since_us` when it began. `id` stays with the name for ever."""

    id: int = 0
    name: str
    state: str
    since_us: int
    pid: int | None = None
    started_us: int | None = None
    restarts: int = 0


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: LIVE, QUIET, STALE, LOST, OFF; `url` without passwords.

    bytes, chunks, opens, losses, line_errors, refused count since capture's start (`counted_since_us`);
    legs and rejects as the ledger counts them; `connections` are open now; `rate` is records in the last minute.
    """

    id: int = 0
    name: str
    url: str
    format: str | None = None
    state: str
    since_us: int
    detail: str | None = None
    last_us: int | None = None
    bytes: int = 0
    chunks: int = 0
    legs: int = 0
    rejects: int = 0
    opens: int = 0
    losses: int = 0
    line_errors: int = 0
    refused: int = 0
    connections: int = 0
    rate: int = 0
    counted_since_us: int | None = None
    had_client: int = 0
    longest_us: int = 0  # the longest silence that ended by itself, and when
    longest_at_us: int = 0


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that stands (`cleared_us` None) or stood. `text` is English; `what` and `params` are for others."""

    id: int
    key: str
    what: str
    severity: str
    params: dict[str, str]
    text: str
    raised_us: int
    cleared_us: int | None


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """The box's figures. Sizes in bytes, `cpu` in percent, `load1` the load average in hundredths."""

    health: str  # random name of this health.db: event numbers are unique with it
    time_us: int
    box: str | None = None
    lines: int | None = None
    calls: int | None = None
    rejects: int | None = None
    unassigned: int | None = None
    unpriced: int | None = None
    backlog_bytes: int | None = None
    journal_seq: int | None = None
    journal_bytes: int | None = None
    journal_full: int | None = None
    disk_state: str = "ok"
    disk_size: int = 0
    disk_free: int = 0
    memory_size: int = 0
    memory_free: int = 0
    cpu: int = 0
    load1: int = 0
    boot_us: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A raise or a clear, in the order they happened; `seq` counts up and never repeats in one health.db."""

    seq: int
    event: str
    at_us: int
    alarm: Alarm


class Snapshot(msgspec.Struct, frozen=True):
    """All of it, of one moment."""

    box: Box | None = None
    roles: list[Role] = []
    feeds: list[Feed] = []
    alarms: list[Alarm] = []


T = TypeVar("T", Role, Feed, Box)


def connect(file: Path) -> sqlite3.Connection:
    """A read-only connection. Raises sqlite3.OperationalError when the file is not there (yet)."""
    db = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0, isolation_level=None)
    db.execute("PRAGMA query_only = 1")
    return db


def snapshot(config: Config) -> Snapshot:
    """Everything of one moment; empty before the role health has run for the first time."""
    if not config.health_db.exists():
        return Snapshot()
    db = connect(config.health_db)
    try:
        return read(db)
    finally:
        db.close()


def read(db: sqlite3.Connection) -> Snapshot:
    """Everything of one moment, from a connection that is kept open; empty while there is no schema."""
    db.execute("BEGIN")
    try:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'box'").fetchone():
            return Snapshot()
        return Snapshot(box=box(db), roles=roles(db), feeds=feeds(db), alarms=alarms(db))
    finally:
        db.execute("COMMIT")


def roles(db: sqlite3.Connection) -> list[Role]:
    return _rows(db, Role, "role ORDER BY id")


def feeds(db: sqlite3.Connection) -> list[Feed]:
    return _rows(db, Feed, "feed ORDER BY id")


def box(db: sqlite3.Connection) -> Box | None:
    found = _rows(db, Box, "box")
    return found[0] if found else None


_ALARM = "alarm.id, key, what, severity, params, raised_us, cleared_us"


def alarms(db: sqlite3.Connection, active: bool = True, limit: int = 1000) -> list[Alarm]:
    """Standing alarms, or with active=False all that are kept; the newest first."""
    where = "WHERE cleared_us IS NULL" if active else ""
    rows = db.execute(f"SELECT {_ALARM} FROM alarm {where} ORDER BY id DESC LIMIT ?", (limit,))
    return [_alarm(row) for row in rows]


def events(db: sqlite3.Connection, after: int, limit: int = 100) -> list[Event]:
    """Raises and clears with a number above `after`, in order."""
    rows = db.execute(
        f"SELECT seq, event, at_us, {_ALARM} FROM event JOIN alarm ON alarm.id = event.alarm "
        "WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, limit),
    )
    return [Event(seq=row[0], event=row[1], at_us=row[2], alarm=_alarm(row[3:])) for row in rows]


def last_event(db: sqlite3.Connection) -> int:
    """The number of the last event, 0 if there was none. Also counts events no longer kept."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return int(row[0]) if row else 0


def _alarm(row: tuple[int, str, str, str, str, int, int | None]) -> Alarm:
    number, key, what, severity, params, raised_us, cleared_us = row
    filled = msgspec.json.decode(params, type=dict[str, str])
    return Alarm(
        id=number,
        key=key,
        what=what,
        severity=severity,
        params=filled,
        text=catalogue.text(what, filled),
        raised_us=raised_us,
        cleared_us=cleared_us,
    )


def _rows(db: sqlite3.Connection, kind: type[T], source: str) -> list[T]:
    names = kind.__struct_fields__
    rows = db.execute(f"SELECT {', '.join(names)} FROM {source}")
    return [kind(**dict(zip(names, row))) for row in rows]
