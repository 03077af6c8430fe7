"""A data directory with a journal, and the real ledger role on it; no other role runs."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from bluewhale import owner
from bluewhale.config import Config
from bluewhale.journal.identity import box_id
from bluewhale.journal.writer import Writer
from bluewhale.ledger import plan
from bluewhale.model import Kind
from bluewhale.roles import rebuild
from waiting import until

PLAN = plan.load(files("bluewhale").joinpath("share/plans/sample.toml").read_text("utf-8"), "sample.toml")


def smdr(number: int, *, talk: int = 67, direction: str = "O") -> bytes:
    """An IP Office record of extension 2NN; every one is different."""
    extension, far = f"E{200 + number % 100},Ann", "T9001,Line 1.0"
    caller, called = f"{200 + number % 100}", f"02079{number % 1_000_000:06d}"
    if direction == "I":
        extension, far, caller, called = far, extension, called, caller
    return (
        f"2026/09/14 {8 + number // 3600 % 10:02d}:{number // 60 % 60:02d}:{number % 60:02d},"
        f"00:{talk // 60:02d}:{talk % 60:02d},5,{caller},{direction},{called},{called},,0,{1000000 + number},0,"
        f"{extension},{far},0,0,,,,,,,,,,,,,,,,,,\r\n"
    ).encode()  # fmt: skip


class Journaled:
    """Owns the journal of a data directory while it is written."""

    def __init__(self, directory: Path) -> None:
        self.config = Config(data=str(directory))
        self.writer = Writer(
            self.config.journal_dir, box=box_id(directory, 0), segment_bytes=1 << 20, reserve_bytes=0,
            owner_share_bytes=0,
        )  # fmt: skip

    def owner(self, kind: str, key: str, value: Any) -> None:
        change = owner.change(kind, key, value, who="tester")
        self.writer.append(Kind.OWNER, "tester", msgspec.json.encode(change))

    def set_up(self, **feed: Any) -> None:
        self.owner("plan", "sample", {"plan": PLAN})
        self.owner("pricing", "default", {"charge": "sample"})
        self.owner("feed", "main", {"url": "tcp-listen:9000"} | feed)

    def link(self, event: str, source: str) -> None:
        self.writer.append(Kind.LINK, source, msgspec.json.encode({"event": event}))

    def chunk(self, source: str, data: bytes) -> None:
        self.writer.append(Kind.CHUNK, source, data)

    def close(self) -> Config:
        self.writer.sync()
        self.writer.close()
        return self.config


def start(config: Config, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bluewhale", "role", "ledger", "--data", config.data, *more]
    with (config.data_dir / "ledger.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def status(config: Config) -> dict[str, Any]:
    """RUN/ledger.json, {} if there is none yet."""
    try:
        found: dict[str, Any] = msgspec.json.decode(config.status_file("ledger").read_bytes())
    except FileNotFoundError:
        return {}
    return found


def caught_up(config: Config, process: subprocess.Popen[bytes]) -> bool:
    """Whether the process's ledger has read all of the journal."""
    assert process.poll() is None, (config.data_dir / "ledger.log").read_text()
    found = status(config)
    return found.get("pid") == process.pid and "lines" in found and not found["backlog_bytes"]


def stop(process: subprocess.Popen[bytes]) -> float:
    """SIGTERM; the seconds until the end."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    return time.monotonic() - began


def run_to_the_end(config: Config, timeout: float = 60.0) -> None:
    process = start(config)
    try:
        until(lambda: caught_up(config, process), timeout, "the ledger caught up")
        stop(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def lines(config: Config) -> list[dict[str, Any]]:
    return list(rebuild.dump(config))


def balance(config: Config, account: str) -> int:
    import sqlite3

    with closing(sqlite3.connect(config.ledger_db)) as db:
        row = db.execute("SELECT sum(balance_micros) FROM account WHERE account LIKE ?", [account]).fetchone()
    return int(row[0] or 0)
