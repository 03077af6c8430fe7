"""What must survive a restart of the page about who comes in: sessions, wrong tries, the log of sign-ins.

One SQLite file, secrets/web/access.db (0600). Of a session only the SHA-256 of its id is kept: reading the file
lets nobody in.
"""

import hashlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

IDLE_S = 30 * 60
LONGEST_S = 12 * 3600
TOUCH_S = 30  # last seen is written no more often
LOG_KEPT = 10_000

TABLES = """
CREATE TABLE IF NOT EXISTS session (id BLOB PRIMARY KEY, user TEXT NOT NULL, mark TEXT NOT NULL,
  created_s REAL NOT NULL, seen_s REAL NOT NULL, address TEXT NOT NULL, language TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wrong (who TEXT PRIMARY KEY, tries INTEGER NOT NULL, first_s REAL NOT NULL,
  last_s REAL NOT NULL, until_s REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS login (id INTEGER PRIMARY KEY, at_s REAL NOT NULL, user TEXT NOT NULL,
  address TEXT NOT NULL, what TEXT NOT NULL);
"""


class Session(msgspec.Struct, frozen=True):
    """`mark` is the state of the account's rights at sign-in: another state ends the session."""

    key: bytes
    user: str
    mark: str
    created_s: float
    seen_s: float
    address: str
    language: str | None


class Access:
    """Owns the connection; one statement at a time."""

    def __init__(self, file: Path, now: Callable[[], float] = time.time) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.parent.chmod(0o700)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        self.now = now
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {TABLES}")

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def open_session(access: Access, user: str, mark: str, address: str, language: str | None = None) -> str:
    """A new session; the answer is its secret id (256 bits), for the cookie alone."""
    secret = secrets.token_urlsafe(32)
    now = access.now()
    access.run("DELETE FROM session WHERE seen_s < ? OR created_s < ?", now - IDLE_S, now - LONGEST_S)
    access.run(
        "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)",
        _key(secret),
        user,
        mark,
        now,
        now,
        address,
        language,
    )
    return secret


def find_session(access: Access, secret: str, *, seen: bool = True) -> Session | None:
    """The session of a cookie, if it still runs: at most 30 minutes idle, 12 hours in all."""
    rows = access.run("SELECT * FROM session WHERE id = ?", _key(secret))
    if not rows:
        return None
    session = Session(*rows[0])
    now = access.now()
    if now - session.seen_s > IDLE_S or now - session.created_s > LONGEST_S:
        close_session(access, session)
        return None
    if seen and now - session.seen_s > TOUCH_S:
        access.run("UPDATE session SET seen_s = ? WHERE id = ?", now, session.key)
    return session


def close_session(access: Access, session: Session) -> None:
    access.run("DELETE FROM session WHERE id = ?", session.key)


def close_sessions(access: Access, user: str, *, but: Session | None = None) -> None:
    """Signs the user out everywhere, or everywhere else."""
    access.run("DELETE FROM session WHERE user = ? AND id != ?", user, but.key if but else b"")


def sessions_of(access: Access, user: str) -> list[Session]:
    rows = access.run("SELECT * FROM session WHERE user = ? ORDER BY seen_s DESC", user)
    return [Session(*row) for row in rows]


def set_language(access: Access, session: Session, language: str) -> None:
    access.run("UPDATE session SET language = ? WHERE id = ?", language, session.key)


def log_login(access: Access, user: str, address: str, what: str) -> None:
    """`what`: in, out, wrong, locked, setup, password."""
    access.run(
        "INSERT INTO login (at_s, user, address, what) VALUES (?, ?, ?, ?)",
        access.now(),
        user[:80],
        address,
        what,
    )
    access.run("DELETE FROM login WHERE id <= (SELECT max(id) FROM login) - ?", LOG_KEPT)


def logins(access: Access, limit: int = 100) -> list[tuple[float, str, str, str]]:
    """The newest sign-ins and tries: (seconds, user, address, what)."""
    rows = access.run("SELECT at_s, user, address, what FROM login ORDER BY id DESC LIMIT ?", limit)
    return [(row[0], row[1], row[2], row[3]) for row in rows]
