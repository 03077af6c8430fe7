"""A box as the role health sees it: status files written by the test, and a real journal in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bluewhale.config import Config
from bluewhale.health import reads
from bluewhale.journal import reader
from bluewhale.model import FEED, Kind, Record
from bluewhale.roles.heart import write_atomic
from waiting import until

JOURNAL = """
import asyncio, signal, sys
from bluewhale.config import Config
from bluewhale.journal.committer import Committer
from bluewhale.journal.server import serve
from bluewhale.journal.writer import open_writer

async def main():
    config = Config(data=sys.argv[1])
    committer = Committer(open_writer(config), config.journal.linger_ms)
    server = await serve(config, committer)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.close()
    await committer.close()

asyncio.run(main())
"""


class Scene:
    """Feeds and figures the test sets; a thread publishes them as capture and ledger would, with our own pid."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "bluewhale.toml"
        self.file.write_text(f'data = "{directory / "data"}"\nroles = ["capture", "ledger", "health"]\n')
        self.config = Config(data=str(directory / "data"), roles=("capture", "ledger", "health"))
        self.config.run_dir.mkdir(parents=True)
        self.feeds: dict[str, dict[str, Any]] = {}
        self.full = False
        self.legs: dict[str, dict[str, int]] = {}
        self.log = directory / "health.log"
        self.health: subprocess.Popen[bytes] | None = None
        self.journal: subprocess.Popen[bytes] | None = None
        self.started_us = time.time_ns() // 1000 - 3_600_000_000
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._publish)

    def watch(self, **seconds: float) -> None:
        """The owner's own waiting times, for every feed."""
        file = self.config.settings_file("health")
        file.parent.mkdir(exist_ok=True)
        feeds = [
            {"name": name, "url": feed["url"], "enabled": True, "watch": seconds}
            for name, feed in self.feeds.items()
        ]
        write_atomic(file, json.dumps({"feeds": feeds}).encode())

    def feed(self, name: str, url: str = "tcp-listen:9000", **now: Any) -> None:
        entry = {
            "name": name,
            "url": url,
            "state": "listening",
            "connections": 0,
            "last_us": None,
            "detail": None,
        }
        self.feeds = self.feeds | {name: self.feeds.get(name, entry) | now}

    def connect(self, name: str) -> None:
        self.feed(name, state="open", connections=1, last_us=time.time_ns() // 1000)

    def leave(self, name: str) -> None:
        self.feed(name, state="listening", connections=0, detail="on 127.0.0.1:9000")

    def _publish(self) -> None:
        while not self.stop.wait(0.1):
            shared = {"pid": os.getpid(), "time_us": time.time_ns() // 1000, "started_us": self.started_us}
            journal = {"id": "j", "feed": 100, "owner": 10, "seq": 3, "full": self.full}
            capture = shared | {"role": "capture", "journal": journal, "feeds": list(self.feeds.values())}
            ledger = shared | {
                "role": "ledger",
                "watermark": {"feed": 100, "owner": 10},
                "feeds": self.legs,
                "calls": 5,
            }
            write_atomic(self.config.status_file("capture"), json.dumps(capture).encode())
            write_atomic(self.config.status_file("ledger"), json.dumps(ledger).encode())

    def start_health(self) -> None:
        command = [sys.executable, "-m", "bluewhale", "role", "health", "--config", str(self.file)]
        with self.log.open("ab") as log:
            self.health = subprocess.Popen(command, stdout=log, stderr=log)

    def start_journal(self) -> None:
        self.config.capture_socket.unlink(missing_ok=True)
        self.journal = subprocess.Popen([sys.executable, "-c", JOURNAL, self.config.data])

    @staticmethod
    def kill(process: "subprocess.Popen[bytes] | None", number: int = signal.SIGKILL) -> int:
        assert process is not None
        process.send_signal(number)
        return process.wait(20)

    def snapshot(self) -> reads.Snapshot:
        return reads.snapshot(self.config)

    def states(self) -> dict[str, str]:
        return {feed.name: feed.state for feed in self.snapshot().feeds}

    def all_alarms(self) -> list[reads.Alarm]:
        """Every alarm there ever was, oldest first."""
        db = reads.connect(self.config.health_db)
        try:
            return reads.alarms(db, active=False)[::-1]
        finally:
            db.close()

    def waiting(self) -> int:
        """Events the journal does not have yet."""
        db = reads.connect(self.config.health_db)
        try:
            return int(db.execute("SELECT count(*) FROM event WHERE origin IS NULL").fetchone()[0])
        finally:
            db.close()

    def journaled(self) -> list[dict[str, Any]]:
        """The alarm records of the journal, in order, each with its origin."""
        found = []
        ends = reader.ends(self.config.journal_dir)
        for record in reader.records(self.config.journal_dir, FEED, 0, ends.feed):
            if isinstance(record, Record) and record.kind is Kind.ALARM:
                assert record.source == "health"
                found.append(json.loads(record.payload) | {"position": record.position})
        return found


@contextlib.contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    box = Scene(directory)
    box.thread.start()
    try:
        yield box
    finally:
        box.stop.set()
        box.thread.join()
        for process in (box.health, box.journal):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


def settled(box: Scene) -> None:
    until(lambda: box.config.health_db.exists() and box.waiting() == 0, 30, "the journal has every alarm")
