"""What all feeds share: state and counters for the status file, the way to the journal, LINK records."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bluewhale.capture.kept import Keeper
from bluewhale.capture.tally import Found, Progress, Source
from bluewhale.journal.committer import MOST_PENDING
from bluewhale.model import Kind, Origin

CHUNK_BYTES = 256 << 10  # most of one read
TELL_AGAIN_S = 10.0  # refusals and line errors are journaled at most that often
LONG_WAIT_S = 0.5  # for the journal to take more


class State(StrEnum):
    LISTENING = "listening"
    OPEN = "open"
    CONNECTING = "connecting"
    LOST = "lost"
    FAILED = "failed"
    OFF = "off"


class Sink(Protocol):
    """Where records go: journal.committer.Committer."""

    def put(self, kind: Kind, source: str, payload: bytes) -> None: ...
    def append(self, kind: Kind, source: str, payload: bytes) -> Awaitable[Origin]: ...
    async def room(self) -> None: ...
    @property
    def full(self) -> bool: ...
    @property
    def pending_bytes(self) -> int: ...


class Setting(msgspec.Struct, frozen=True):
    """A feed as the settings have it. `declared`: told in its `open` records, for feeds of bluewhale.toml."""

    name: str
    url: str
    allow: list[str] = []
    enabled: bool = True
    declared: dict[str, Any] | None = None


class Quota:
    """Descriptors that connections may take, over all feeds: the journal and the page need some too."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    @property
    def spent(self) -> bool:
        return self.taken >= self.most


class Shared(msgspec.Struct):
    """What the feeds of one role have in common. `numbers`: the highest connection number given, by feed."""

    run_dir: Path
    sink: Sink
    progress: Progress
    keeper: Keeper
    quota: Quota
    numbers: dict[str, int]


class Running:
    """One feed as it runs. `before`: its sources that are open in the journal when it starts. `leaving`: why it is
    being stopped, "" while it is not; `for_good`: the feed is no longer wanted (not just this process)."""

    def __init__(self, setting: Setting, shared: Shared, before: dict[str, Source]) -> None:
        self.setting = setting
        self.name = setting.name
        self.shared = shared
        self.before = before
        self.leaving = ""
        self.for_good = False
        self.state = State.CONNECTING
        self.detail = ""
        self.since_us = _now_us()
        self.bytes = self.chunks = self.opens = self.losses = 0
        self.line_errors = self.refused = self.connections = 0
        self.last_us: int | None = None
        self.found: Found | None = None  # of a serial line that was hunted for
        self.changed: Callable[[], None] | None = None  # called when `setting` was replaced in place
        self.each_second: Callable[[], None] | None = None
        self._untold: dict[str, int] = {}
        self._refusal = ("", "")
        self._told_at = -TELL_AGAIN_S

    def enter(self, state: State, detail: str = "") -> None:
        if state is not self.state:
            self.since_us = _now_us()
        self.state, self.detail = state, detail

    async def room(self) -> None:
        """Returns when more may be read."""
        sink = self.shared.sink
        began = time.monotonic()
        while True:
            await sink.room()
            if not sink.full and sink.pending_bytes <= MOST_PENDING:  # others woke up too and were quicker
                break
        self._waited(began)

    def opened(self, peer: str, detail: str = "", **more: Any) -> str:
        """A source begins. Returns its name, which no other ever had."""
        numbers = self.shared.numbers
        numbers[self.name] = numbers.get(self.name, 0) + 1
        source = f"{self.name}/{numbers[self.name]}"
        self.opens += 1
        self.note("open", detail, source, peer=peer, **more)
        return source

    def goes_on(self, source: str) -> None:
        """A source of before our restart. What changed in the settings since is told."""
        if self.setting.declared is not None and self.before[source].declared != self.setting.declared:
            self.note("open", "settings changed", source)

    def ended(self, event: str, source: str, detail: str, **more: Any) -> None:
        """A source ends: `closed` as it should, or `lost`."""
        if event == "lost":
            self.losses += 1
        self.note(event, detail, source, **more)

    def note(self, event: str, detail: str = "", source: str = "", **more: Any) -> None:
        """A LINK record; fields that are None or empty are left out."""
        source = source or self.name
        body = {"event": event, "feed": self.name, "source": source, "detail": detail, **more}
        if event == "open" and self.setting.declared is not None:
            body["declared"] = self.setting.declared
        payload = msgspec.json.encode({key: value for key, value in body.items() if value not in (None, "")})
        self.shared.sink.put(Kind.LINK, source, payload)

    def chunk(self, source: str, data: bytes) -> None:
        """Bytes of a source, taken for the journal; durable a little later."""
        self._count(data)
        self.shared.sink.put(Kind.CHUNK, source, data)

    async def commit(self, source: str, data: bytes) -> None:
        """Bytes of a source; returns when they are durable."""
        self._count(data)
        began = time.monotonic()
        await self.shared.sink.append(Kind.CHUNK, source, data)
        self._waited(began)

    def refuse(self, peer: str, why: str) -> None:
        self.refused += 1
        self._refusal = (peer, why)
        self._untold["refused"] = self._untold.get("refused", 0) + 1
        self.tell()

    def line_error(self, counts: dict[str, int]) -> None:
        """`counts`: what the driver counted since the last call."""
        self.line_errors += sum(counts.values())
        for name, count in counts.items():
            self._untold[name] = self._untold.get(name, 0) + count
        self.tell()

    def tell(self, now: bool = False) -> None:
        """Journals counts that are not told yet, unless it was done just before."""
        if not self._untold or (not now and time.monotonic() - self._told_at < TELL_AGAIN_S):
            return
        self._told_at = time.monotonic()
        untold, self._untold = self._untold, {}
        refused, paused_ms = untold.pop("refused", 0), untold.pop("paused_ms", 0)
        if refused:
            peer, why = self._refusal
            self.note("refused", why, peer=peer, counts={"refused": refused})
        if paused_ms:
            self.note("resumed", "the journal had no room", counts={"paused_ms": paused_ms})
        if untold:
            self.note("line-error", counts=untold)

    def status(self) -> dict[str, Any]:
        return {
            "name": self.name, "url": self.setting.url, "state": str(self.state), "since_us": self.since_us,
            "bytes": self.bytes, "chunks": self.chunks, "last_us": self.last_us, "opens": self.opens,
            "losses": self.losses, "line_errors": self.line_errors, "refused": self.refused,
            "connections": self.connections, "detail": self.detail,
        }  # fmt: skip

    def _waited(self, began: float) -> None:
        """A long wait for the journal (a full disk) is told when it is over."""
        waited_s = time.monotonic() - began
        if waited_s >= LONG_WAIT_S:
            self._untold["paused_ms"] = max(self._untold.get("paused_ms", 0), round(waited_s * 1000))
            self.tell()

    def _count(self, data: bytes) -> None:
        self.bytes += len(data)
        self.chunks += 1
        self.last_us = _now_us()


async def readable(descriptor: int) -> None:
    """Returns when a read would not wait."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(descriptor, _done, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _done(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _now_us() -> int:
    return time.time_ns() // 1000
