"""health.db as the agent sees it: read at most once a second, and the last good answer when it cannot be read."""

import logging
import sqlite3
import time
from pathlib import Path

from bluewhale.health import reads
from bluewhale.snmp.objects import System, View
from bluewhale.snmp.table import Sorted, build

log = logging.getLogger("bluewhale")

FRESH_US = 1_000_000


class Source:
    """Owns the reading connection. A health.db that was replaced by another is opened anew."""

    def __init__(self, file: Path, system: System) -> None:
        self.file = file
        self.system = system
        self.db: sqlite3.Connection | None = None
        self.opened: tuple[int, int] | None = None
        self.health = reads.Snapshot()
        self.table: Sorted | None = None
        self.read_mono = 0
        self.failing = False

    def answers(self) -> Sorted:
        """The sorted table, not older than a second."""
        mono_us = time.monotonic_ns() // 1000
        if self.table is None or mono_us - self.read_mono > FRESH_US:
            db = self.open()
            if db is not None:
                self._read(db)
            view = View(self.health, self.system, time.time_ns() // 1000, mono_us)
            self.table, self.read_mono = build(view), mono_us
        return self.table

    def _read(self, db: sqlite3.Connection) -> None:
        try:
            self.health = reads.read(db)
            self.failing = False
        except sqlite3.Error as error:
            if not self.failing:
                log.warning("health.db cannot be read, the last answers stand: %s", error)
            self.failing = True

    def open(self) -> sqlite3.Connection | None:
        """The connection, None while there is no health.db."""
        try:
            status = self.file.stat()
        except FileNotFoundError:
            return self.db
        if self.db is None or (status.st_dev, status.st_ino) != self.opened:
            self.close()
            self.db = reads.connect(self.file)
            self.opened = (status.st_dev, status.st_ino)
        return self.db

    def close(self) -> None:
        if self.db is not None:
            self.db.close()
        self.db = None
