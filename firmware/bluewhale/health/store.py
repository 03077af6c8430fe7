"""health.db for its only writer, the role health. One transaction a look: states, alarms and events together."""

import secrets
import sqlite3
from pathlib import Path
from typing import NamedTuple

import msgspec

from bluewhale.health import reads
from bluewhale.health.alarms import CATALOGUE
from bluewhale.health.look import Step
from bluewhale.health.migrations import migrate

KEEP_US = 90 * 86_400 * 1_000_000  # cleared alarms are kept that long
KEEP_ALARMS = 10_000


class Waiting(NamedTuple):
    """An event the journal does not have yet. `tried_from`: the end of the feed stream before it was first
    handed over (None: it never was); it may be in there from that position on."""

    seq: int
    tried_from: int | None
    id: str
    payload: bytes


class Store:
    """Owns the writing connection."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        migrate(file)
        self.db = sqlite3.connect(file, timeout=5.0, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        before = reads.box(self.db)
        self.name = before.health if before else secrets.token_hex(8)

    def close(self) -> None:
        self.db.close()

    def keep_roles(self, names: tuple[str, ...]) -> None:
        """Forgets roles that are no longer configured."""
        marks = ", ".join("?" * len(names))
        self.db.execute(f"DELETE FROM role WHERE name NOT IN ({marks})", names)

    def standing(self) -> set[str]:
        """Keys of the alarms that stand."""
        return {key for (key,) in self.db.execute("SELECT key FROM alarm WHERE cleared_us IS NULL")}

    def write(self, step: Step) -> None:
        """Commits a look. What raises or clears an alarm is on the disk before anybody is told."""
        durable = bool(step.raised or step.cleared)
        self.db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self.db.execute("BEGIN IMMEDIATE")
        try:
            self._write(step)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def _write(self, step: Step) -> None:
        for role in step.roles:
            self._put("role", role, "name")
        for feed in step.feeds:
            self._put("feed", feed, "name")
        self.db.executemany("DELETE FROM feed WHERE name = ?", [(name,) for name in step.gone])
        for key, (what, params) in step.raised.items():
            severity = CATALOGUE[what].severity
            row = (key, what, severity, msgspec.json.encode(params).decode(), step.at_us)
            alarm = self.db.execute(
                "INSERT INTO alarm (key, what, severity, params, raised_us) VALUES (?, ?, ?, ?, ?)", row
            ).lastrowid
            self._event(alarm, "raised", step.at_us)
        for key in step.cleared:
            (alarm,) = self.db.execute(
                "UPDATE alarm SET cleared_us = ? WHERE key = ? AND cleared_us IS NULL RETURNING id",
                (step.at_us, key),
            ).fetchone()
            self._event(alarm, "cleared", step.at_us)
        if step.cleared:
            self._forget(step.at_us)
        self._put("box", step.box, "health")

    def _event(self, alarm: int | None, event: str, at_us: int) -> None:
        self.db.execute("INSERT INTO event (alarm, event, at_us) VALUES (?, ?, ?)", (alarm, event, at_us))

    def _forget(self, at_us: int) -> None:
        """Old cleared alarms go, unless the journal still waits for one of their events."""
        old = (
            "SELECT id FROM alarm WHERE cleared_us IS NOT NULL AND (cleared_us < ? OR "
            "id <= (SELECT max(id) FROM alarm) - ?) "
            "AND id NOT IN (SELECT alarm FROM event WHERE origin IS NULL)"
        )
        bounds = (at_us - KEEP_US, KEEP_ALARMS)
        self.db.execute(f"DELETE FROM event WHERE alarm IN ({old})", bounds)
        self.db.execute(f"DELETE FROM alarm WHERE id IN ({old})", bounds)

    def _put(self, table: str, row: msgspec.Struct, key: str) -> None:
        """Updates the row, or makes it. No upsert: that takes a new number each time, also when it updates."""
        values = {name: value for name, value in msgspec.structs.asdict(row).items() if name != "id"}
        sets = ", ".join(f"{name} = :{name}" for name in values)
        if self.db.execute(f"UPDATE {table} SET {sets} WHERE {key} = :{key}", values).rowcount == 0:
            marks = ", ".join(f":{name}" for name in values)
            self.db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", values)

    def waiting(self) -> Waiting | None:
        """The oldest event the journal does not have."""
        row = self.db.execute(
            "SELECT seq, tried_from, event, at_us, key, what, severity, params FROM event "
            "JOIN alarm ON alarm.id = event.alarm WHERE origin IS NULL ORDER BY seq LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        seq, tried_from, event, at_us, key, what, severity, params = row
        name = f"{self.name}-{seq}"
        payload = {
            "id": name,
            "event": event,
            "at_us": at_us,
            "key": key,
            "what": what,
            "severity": severity,
            "params": msgspec.json.decode(params),
        }
        return Waiting(seq, tried_from, name, msgspec.json.encode(payload))

    def tried(self, seq: int, position: int) -> None:
        """It is about to be handed over; the feed stream ended at `position` before."""
        self._durable("UPDATE event SET tried_from = ? WHERE seq = ?", (position, seq))

    def journaled(self, seq: int, origin: str) -> None:
        self._durable("UPDATE event SET origin = ? WHERE seq = ?", (origin, seq))

    def _durable(self, sql: str, values: tuple[object, ...]) -> None:
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute(sql, values)
