"""The schema of health.db, as numbered steps. A step that was released is never changed."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

LATEST = 1

_START = """
CREATE TABLE role (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    since_us INTEGER NOT NULL, pid INTEGER, started_us INTEGER, restarts INTEGER NOT NULL);
CREATE TABLE feed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL, format TEXT,
    state TEXT NOT NULL, since_us INTEGER NOT NULL, detail TEXT, last_us INTEGER,
    bytes INTEGER NOT NULL, chunks INTEGER NOT NULL, legs INTEGER NOT NULL, rejects INTEGER NOT NULL,
    opens INTEGER NOT NULL, losses INTEGER NOT NULL, line_errors INTEGER NOT NULL, refused INTEGER NOT NULL,
    connections INTEGER NOT NULL, rate INTEGER NOT NULL, counted_since_us INTEGER,
    had_client INTEGER NOT NULL, longest_us INTEGER NOT NULL, longest_at_us INTEGER NOT NULL);
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, what TEXT NOT NULL, severity TEXT NOT NULL,
    params TEXT NOT NULL, raised_us INTEGER NOT NULL, cleared_us INTEGER);
CREATE UNIQUE INDEX alarm_standing ON alarm (key) WHERE cleared_us IS NULL;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, alarm INTEGER NOT NULL REFERENCES alarm, event TEXT NOT NULL,
    at_us INTEGER NOT NULL, tried_from INTEGER, origin TEXT, UNIQUE (alarm, event));
CREATE INDEX event_waiting ON event (seq) WHERE origin IS NULL;
CREATE TABLE box (
    id INTEGER PRIMARY KEY CHECK (id = 1), health TEXT NOT NULL, time_us INTEGER NOT NULL, box TEXT,
    lines INTEGER, calls INTEGER, rejects INTEGER, unassigned INTEGER, unpriced INTEGER, backlog_bytes INTEGER,
    journal_seq INTEGER, journal_bytes INTEGER, journal_full INTEGER,
    disk_state TEXT NOT NULL, disk_size INTEGER NOT NULL, disk_free INTEGER NOT NULL,
    memory_size INTEGER NOT NULL, memory_free INTEGER NOT NULL, cpu INTEGER NOT NULL, load1 INTEGER NOT NULL,
    boot_us INTEGER)
"""


def migrate(file: Path) -> None:
    """Brings health.db to the latest step. sqlite-utils is loaded only when there is one to take: it costs
    10 MB of memory, and this role runs for months."""
    db = sqlite3.connect(file)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        if db.execute("PRAGMA user_version").fetchone()[0] >= LATEST:
            return
    finally:
        db.close()
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    steps = Migrations("health")
    steps(name="0001_start")(_start)
    database = Database(file)
    try:
        steps.apply(database)
        database.conn.execute(f"PRAGMA user_version = {LATEST}")
        database.conn.commit()
    finally:
        database.close()


def _start(db: "Database") -> None:
    for statement in _START.split(";"):
        db.conn.execute(statement)
