"""Capture under test: in this process with a real journal, or as the real role under a small supervisor."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.capture.feeds import Feeds, first_numbers
from bluewhale.capture.kept import Keeper
from bluewhale.capture.running import Quota, Setting, Shared
from bluewhale.capture.tally import Progress
from bluewhale.config import Config, Feed
from bluewhale.journal import reader
from bluewhale.journal.committer import Committer
from bluewhale.model import FEED, Kind, Record
from journal_tools import open_small
from waiting import until

PACE_S = 0.01


def records(journal: Path) -> list[Record]:
    """All of the feeds' stream; damage fails the test."""
    found = list(reader.records(journal, FEED, 0, reader.ends(journal).feed))
    assert all(isinstance(record, Record) for record in found), "the journal is damaged"
    return [record for record in found if isinstance(record, Record)]


def received(journal: Path) -> dict[str, bytes]:
    """What came in, by source."""
    parts: dict[str, list[bytes]] = {}
    for record in records(journal):
        if record.kind is Kind.CHUNK:
            parts.setdefault(record.source, []).append(record.payload)
    return {source: b"".join(chunks) for source, chunks in parts.items()}


def of_feed(journal: Path, feed: str) -> bytes:
    """What came in over a feed, its sources one after the other in the order they were opened."""
    found = received(journal)
    mine = sorted((int(name.rpartition("/")[2]), name) for name in found if name.rpartition("/")[0] == feed)
    return b"".join(found[name] for _, name in mine)


def links(journal: Path, feed: str | None = None) -> list[dict[str, Any]]:
    """The payloads of the LINK records, in order."""
    found = [json.loads(record.payload) for record in records(journal) if record.kind is Kind.LINK]
    return [link for link in found if feed in (None, link["feed"])]


def events(journal: Path, feed: str) -> list[str]:
    return [link["event"] for link in links(journal, feed)]


def opened_and_closed(journal: Path) -> None:
    """Every source is opened before its first byte, and nothing comes after its end."""
    open_now: set[str] = set()
    ended: set[str] = set()
    for record in records(journal):
        if record.kind is Kind.CHUNK:
            assert record.source in open_now, f"bytes of {record.source}, which is not open"
        elif record.kind is Kind.LINK:
            event = json.loads(record.payload)["event"]
            if event == "open":
                assert record.source not in ended, f"{record.source} was used before"
                open_now.add(record.source)
            elif event in ("closed", "lost"):
                assert record.source in open_now, f"{record.source} ends and was not open"
                open_now.remove(record.source)
                ended.add(record.source)


class Inside:
    """Capture in this process: a journal, a committer and feeds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = directory / "journal"
        self.writer = open_small(self.journal)
        self.committer = Committer(self.writer, linger_ms=1, look_s=0.05)
        self.progress = Progress(self.journal, directory / "capture" / "tally.json")
        self.keeper = Keeper()
        self.shared = Shared(directory / "run", self.committer, self.progress, self.keeper, Quota(10_000), {})
        self.feeds = Feeds(self.shared)

    async def apply(self, *settings: Setting) -> None:
        await self.progress.catch_up()
        if not self.shared.numbers:
            self.shared.numbers.update(first_numbers(self.progress, self.keeper))
        await self.feeds.apply(list(settings))

    def status(self, feed: str) -> dict[str, Any]:
        return self.feeds.running[feed].status()

    def port(self, feed: str) -> int:
        """Of a listening feed with port 0."""
        return int(self.status(feed)["detail"].rpartition(":")[2])

    async def until(self, predicate: Callable[[], Any], what: str = "", timeout: float = 15.0) -> Any:
        deadline = time.monotonic() + timeout
        while not (value := predicate()):
            assert time.monotonic() < deadline, f"not within {timeout} s: {what}; {self.feeds.status()}"
            await asyncio.sleep(PACE_S)
        return value

    async def state(self, feed: str, state: str) -> None:
        await self.until(lambda: self.status(feed)["state"] == state, f"{feed} is {state}")

    async def got(self, feed: str, count: int) -> None:
        """Until the feed has journaled that many bytes, durably."""
        await self.until(lambda: self.feeds.running[feed].bytes >= count, f"{count} bytes of {feed}")
        await self.until(lambda: not self.committer.pending_bytes, "durable")

    async def close(self) -> None:
        await self.feeds.close()
        await self.committer.close()


@contextlib.asynccontextmanager
async def inside(directory: Path) -> AsyncIterator[Inside]:
    capture = Inside(directory)
    try:
        yield capture
    finally:
        await capture.close()


class Role:
    """The real role in a process, under a supervisor that keeps its descriptors (systemd's FDSTORE protocol)."""

    def __init__(self, directory: Path, feeds: list[Feed] | None = None, keep: bool = True) -> None:
        self.data = directory / "data"
        self.journal = self.data / "journal"
        self.config = Config(data=str(self.data), feed=feeds or [])
        self.file = directory / "bluewhale.toml"
        self.write_config()
        self.keep = keep
        self.kept: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.address = str(directory / "notify.sock")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._ready = threading.Event()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()
        self.log = directory / "capture.log"

    def write_config(self) -> None:
        lines = [
            f'data = "{self.data}"',
            "[journal]",
            "reserve_mb = 0",
            "owner_share_mb = 0",
            "linger_ms = 1",
        ]
        for feed in self.config.feed:
            lines += ["[[feed]]"] + [
                f"{key} = {json.dumps(value)}"
                for key, value in msgspec.to_builtins(feed).items()
                if key != "options"
            ]
        self.file.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        environment = os.environ | {"NOTIFY_SOCKET": self.address}
        with self._guard:
            passed = tuple(self.kept.values())
            if passed:
                environment["BLUEWHALE_FDS"] = ":".join(f"{fd}={name}" for name, fd in self.kept.items())
        self._ready.clear()
        command = [sys.executable, "-m", "bluewhale", "role", "capture", "--config", str(self.file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, pass_fds=passed, stdout=log, stderr=log)
        assert self._ready.wait(30), self.log.read_text()

    def kill(self) -> None:
        """SIGKILL, and what it had told the supervisor is heard."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._flush()

    def stop(self) -> tuple[int, float]:
        """SIGTERM. Returns its exit status and how long it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - began

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "run" / "capture.json").read_bytes())
        assert self.process is not None
        return found if found["pid"] == self.process.pid else {"feeds": []}

    def feed(self, name: str) -> dict[str, Any]:
        with contextlib.suppress(FileNotFoundError):
            for feed in self.status()["feeds"]:
                if feed["name"] == name:
                    return dict(feed)
        return {"state": "", "detail": "", "connections": 0}

    def until_state(self, name: str, state: str) -> None:
        until(lambda: self.feed(name)["state"] == state, 15, f"{name} is {state}; it is {self.feed(name)}")

    def port(self, name: str) -> int:
        until(lambda: self.feed(name)["state"] in ("listening", "open"), 15, f"{name} listens")
        return int(self.feed(name)["detail"].rpartition(":")[2])

    def publish(self, feeds: list[dict[str, Any]]) -> None:
        """What the ledger does: settings/capture.json, replaced as a whole."""
        file = self.config.settings_file("capture")
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(json.dumps({"feeds": feeds, "watermark": {}}).encode())
        part.replace(file)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._socket.close()
        for descriptor in self.kept.values():
            os.close(descriptor)

    def _flush(self) -> None:
        """Returns when the thread has heard all that was sent before."""
        self._ready.clear()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"READY=1", self.address)
        assert self._ready.wait(10)

    def _hear(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, descriptors, _, _ = socket.recv_fds(self._socket, 4096, 4)
                words = dict(line.partition("=")[::2] for line in data.decode().splitlines())
                with self._guard:
                    old = self.kept.pop(words["FDNAME"], None) if "FDNAME" in words else None
                    if old is not None:
                        os.close(old)
                    if "FDSTORE" in words and self.keep:
                        self.kept[words["FDNAME"]] = descriptors.pop()
                for descriptor in descriptors:
                    os.close(descriptor)
                if "READY" in words:
                    self._ready.set()


@contextlib.contextmanager
def role(directory: Path, feeds: list[Feed] | None = None, keep: bool = True) -> Iterator[Role]:
    running = Role(directory, feeds, keep)
    running.start()
    try:
        yield running
    finally:
        running.close()
