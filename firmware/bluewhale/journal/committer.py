"""Group commit: many tasks append, one fdatasync makes all of it durable.

Everything here runs in one event loop, but for the sync, which runs in a thread. A commit begins at once when
the last one is longer ago than the linger; else it waits for company. Starts, stops, clock steps and quiet
minutes are written by the committer itself.
"""

import asyncio
import contextlib
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from bluewhale.clock import Stamp
from bluewhale.journal.compress import Compressor
from bluewhale.journal.durable import Durable
from bluewhale.journal.format import Ends
from bluewhale.journal.opening import MARK_SOURCE, TERM, start_mark
from bluewhale.journal.writer import PRIVILEGED, JournalFull, Writer
from bluewhale.model import Kind, Origin

log = logging.getLogger("bluewhale")
MOST_PENDING = 8 << 20  # bytes not durable yet before feeds must wait
QUIET_US = 60_000_000
STEP_US = 250_000  # realtime against monotonic time: more than that between two looks is a step


class JournalBroken(Exception):
    """The disk failed; the process must end, so that the next start looks what is there."""


class Held(NamedTuple):
    """A record of a feed that waits for space on the disk."""

    kind: Kind
    source: str
    payload: bytes
    done: "asyncio.Future[Origin] | None"


class Committer:
    """Owns the writer, its syncing thread and the compressor. Make it inside a running event loop."""

    def __init__(self, writer: Writer, linger_ms: float = 3, look_s: float = 1.0) -> None:
        self.writer = writer
        self.linger_s = linger_ms / 1000
        self.look_s = look_s  # how often clock and disk are looked at
        self.broken = asyncio.Event()
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._news = self._loop.create_future()
        self._waiting: deque[tuple[asyncio.Future[Origin], Origin]] = deque()  # in the journal's order
        self._held: deque[Held] = deque()
        self._held_bytes = 0
        self._closing = False
        self._stuck = False  # the last commit found no space
        self._pool = ThreadPoolExecutor(1, "journal-sync")
        self._compressor = Compressor(writer.directory, writer.release_reserve)
        self._closed_segments = writer.closed_segments
        self._last = writer.clock()
        self._last_record_us = self._last.mono_us
        writer.append(Kind.MARK, MARK_SOURCE, start_mark(writer.opened))
        self._wake.set()
        self._task = self._loop.create_task(self._run())

    @property
    def durable(self) -> Durable:
        return self.writer.durable

    @property
    def ends(self) -> Ends:
        return self.writer.durable.ends

    @property
    def full(self) -> bool:
        """Feeds must wait: the disk has no space for them."""
        return self.writer.full or bool(self._held)

    @property
    def pending_bytes(self) -> int:
        """What was taken and is not durable yet."""
        return self.writer.pending + self._held_bytes

    async def append(self, kind: Kind, source: str, payload: bytes) -> Origin:
        """Returns when the record is durable. On a full disk a feed's record waits; an owner's raises JournalFull."""
        done: asyncio.Future[Origin] = self._loop.create_future()
        self._take(kind, source, payload, done)
        return await done

    def put(self, kind: Kind, source: str, payload: bytes) -> None:
        """Takes a record without waiting; ask `room` before reading more from a feed. Raises JournalBroken."""
        self._take(kind, source, payload, None)

    async def room(self) -> None:
        """Returns when feeds may hand in more: little is pending, and the disk has space. Raises JournalBroken."""
        self._check()
        self._look_at_room()
        await self._room.wait()
        self._check()

    async def changed(self, after_seq: int) -> Durable:
        """The durable end, once it is behind `after_seq`. Raises JournalBroken."""
        while self.durable.seq <= after_seq:
            self._check()
            await asyncio.shield(self._news)
        return self.durable

    async def close(self) -> None:
        """Writes the stop mark, makes durable what can be, closes the writer. Raises OSError, JournalFull."""
        self._closing = True
        self._wake.set()
        await self._task
        await self._loop.run_in_executor(None, self._compressor.close)
        if self._held:
            log.error("the disk is full: %d bytes of feeds were not written", self._held_bytes)
        try:
            if self.error is None:
                with contextlib.suppress(JournalFull):
                    self._mark("stop")
                await self._commit()
        finally:
            self._fail_all(JournalFull("no space for the journal on this disk"))
            self._pool.shutdown()
            self.writer.close()

    def _take(self, kind: Kind, source: str, payload: bytes, done: "asyncio.Future[Origin] | None") -> None:
        self._check()
        if kind not in PRIVILEGED and self._held:
            self._hold(Held(kind, source, payload, done))
            return
        try:
            origin = self.writer.append(kind, source, payload)
        except JournalFull:
            if kind in PRIVILEGED and done is not None:
                raise
            self._hold(Held(kind, source, payload, done))
            return
        if done is not None:
            self._waiting.append((done, origin))
        self._last_record_us = self._last.mono_us
        self._wake.set()

    def _hold(self, held: Held) -> None:
        self._held.append(held)
        self._held_bytes += len(held.payload)
        self._room.clear()

    def _check(self) -> None:
        if self.error is not None:
            raise JournalBroken(f"the journal cannot be written: {self.error}") from self.error
        if self._closing:
            raise JournalBroken("the journal is closed")

    def _mark(self, event: str, **more: object) -> None:
        body = {"event": event, "term": TERM, "active": True, **more}
        self.writer.append(Kind.MARK, MARK_SOURCE, msgspec.json.encode(body))
        self._wake.set()

    async def _run(self) -> None:
        """Commits until `close`. A failing disk ends it, and everybody who waits is told."""
        began = 0.0
        try:
            while not self._closing:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self.look_s)
                self._look()
                if not self.writer.pending:
                    self._wake.clear()
                    continue
                rest = began + self.linger_s - self._loop.time()
                if rest > 0 and not self._closing:
                    await asyncio.sleep(rest)
                began = self._loop.time()
                self._wake.clear()
                await self._commit()
        except Exception as error:  # the disk is broken, or we are: both end the process, told to all
            log.exception("the journal cannot be written")
            self.error = error
            self._fail_all(error)
            self.broken.set()

    async def _commit(self) -> None:
        try:
            await self._loop.run_in_executor(self._pool, self.writer.sync)
        except JournalFull as error:
            if not self._stuck:
                log.error("%s; trying again until there is space", error)
            self._stuck = True
            self._room.clear()
            await asyncio.sleep(min(self.look_s, 0.2))
            self._wake.set()
            return
        self._stuck = False
        self._answer()
        self._look_at_room()
        if self.writer.closed_segments != self._closed_segments:
            self._closed_segments = self.writer.closed_segments
            self._compressor.wake()
        self._tell()

    def _answer(self) -> None:
        """Tells all whose record is durable now: also those who came while the sync had begun already."""
        durable = self.writer.durable
        while self._waiting:
            done, origin = self._waiting[0]
            if origin.position + origin.length > durable.of(origin.stream):
                return
            self._waiting.popleft()
            if not done.done():
                done.set_result(origin)

    def _look(self) -> None:
        """The clock, a quiet minute, the disk."""
        now = self.writer.clock()
        self._look_at_clock(now)
        if now.mono_us - self._last_record_us >= QUIET_US and not self.full:
            self._take(Kind.TICK, MARK_SOURCE, b"", None)
            self._last_record_us = now.mono_us
        self.writer.check_space()
        self._release_held()
        self._look_at_room()

    def _look_at_clock(self, now: Stamp) -> None:
        before, self._last = self._last, now
        step_us = (now.real_us - now.mono_us) - (before.real_us - before.mono_us)
        if abs(step_us) >= STEP_US or now.synced != before.synced:
            with contextlib.suppress(
                JournalFull
            ):  # the next look sees no step any more: times bear it anyway
                self._mark("clock-step", by_us=step_us, synced=now.synced)

    def _release_held(self) -> None:
        """Held records go on in their order as far as there is space."""
        while self._held:
            held = self._held[0]
            try:
                origin = self.writer.append(held.kind, held.source, held.payload)
            except JournalFull:
                return
            self._held.popleft()
            self._held_bytes -= len(held.payload)
            if held.done is not None:
                self._waiting.append((held.done, origin))
            self._wake.set()

    def _look_at_room(self) -> None:
        if self.full or self.pending_bytes > MOST_PENDING:
            self._room.clear()
        else:
            self._room.set()

    def _fail_all(self, error: Exception) -> None:
        """Nobody waits for ever: all who do are told."""
        waiting = [done for done, _ in self._waiting] + [held.done for held in self._held if held.done]
        for done in waiting:
            if not done.done():
                done.set_exception(error)
        self._waiting.clear()
        self._held.clear()
        self._held_bytes = 0
        self._room.set()
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, self._loop.create_future()
        news.set_result(None)
