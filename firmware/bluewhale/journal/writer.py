"""The one writer of the journal: append, sync, publish.

A record counts once `sync` returned: it is on the disk, and its end is published. Space: records of feeds
stop while less than the owner's share is free; owner changes, alarms and marks go on; when the disk is full
all the same, the reserve is released; when even that is used up nothing is taken until there is space.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from bluewhale import clock as clocks
from bluewhale.clock import Stamp
from bluewhale.config import Config
from bluewhale.journal import durable as durable_file
from bluewhale.journal import identity as identities
from bluewhale.journal.durable import Durable
from bluewhale.journal.format import MAX_PAYLOAD, MAX_SOURCE, NO_JOURNAL, STREAMS, SYNCED
from bluewhale.journal.opening import (
    MARK_SOURCE,
    WriterBusy,
    identify,
    newest_journal,
    report,
    start_mark,
    take_lock,
)
from bluewhale.journal.recover import recover
from bluewhale.journal.space import FULL, free_bytes, make_reserve, release_reserve
from bluewhale.journal.tail import Tail
from bluewhale.model import FEED, OWNER, Kind, Origin, stream_of

__all__ = ["JournalFull", "Writer", "WriterBusy", "open_writer"]
PRIVILEGED = frozenset({Kind.OWNER, Kind.ALARM, Kind.MARK})  # go on while feeds must wait


class JournalFull(Exception):
    """There is no space for this record; nothing was taken."""


class Writer:
    """Owns the journal's lock and files. `append` from one thread, `sync` from any (one at a time)."""

    def __init__(
        self,
        directory: Path,
        *,
        box: str,
        segment_bytes: int = 64 << 20,
        reserve_bytes: int = 16 << 20,
        owner_share_bytes: int = 8 << 20,
        clock: Callable[[], Stamp] = clocks.now,
        follows: str | None = None,
    ) -> None:
        """Opens or makes the journal. Raises WriterBusy, OSError."""
        self.directory = directory
        self.clock = clock
        self.reserve_bytes = reserve_bytes
        self.owner_share_bytes = owner_share_bytes
        self.full = False
        for path in (directory, *(directory / stream for stream in STREAMS)):
            identities.make_directory(path)
        self._lock = take_lock(directory)
        try:
            self._open(box, segment_bytes, follows)
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, box: str, segment_bytes: int, follows: str | None) -> None:
        self._free = free_bytes(self.directory)
        if self._free < self.owner_share_bytes:
            self.release_reserve()
        published = durable_file.read(self.directory)
        identity, new = identify(self.directory, box, published, follows)
        found = {stream: recover(self.directory, stream, published, identity.journal) for stream in STREAMS}
        self.journal = identity.journal
        self.opened = report(identity, new, found)
        self._tails = {s: Tail(self.directory, s, found[s], identity, segment_bytes) for s in STREAMS}
        self._seq = max(published.seq if published else 0, *(f.seq for f in found.values()))
        self._guard = threading.Lock()
        self._syncing = threading.Lock()
        self._stuck = False
        self._spent = 0
        self.pending = 0  # bytes appended and not durable yet
        self._durable_fd = os.open(
            self.directory / durable_file.NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640
        )
        identities.adopt(self._durable_fd, self.directory)
        if os.fstat(self._durable_fd).st_size < durable_file.FILE_BYTES:
            os.pwrite(self._durable_fd, bytes(durable_file.FILE_BYTES), 0)
        self.durable = self._publish(self._seq, published.commits if published else 0)
        self.durable = self._publish(self._seq, self.durable.commits)  # both places are sound from now on
        self.check_space()
        if identity.follows != NO_JOURNAL and newest_journal(self.directory) != self.journal:
            # its first record: whoever reads on must see where the name changes
            self.append(Kind.MARK, MARK_SOURCE, start_mark(self.opened))

    def append(self, kind: Kind, source: str, payload: bytes) -> Origin:
        """Takes a record; durable after the next sync. Raises JournalFull, ValueError (too long)."""
        stream = stream_of(kind)
        name = source.encode()
        if len(name) > MAX_SOURCE or len(payload) > MAX_PAYLOAD[stream]:
            raise ValueError(f"a record of {len(payload)} bytes from a source of {len(name)} is too long")
        with self._guard:
            if self._stuck or (kind not in PRIVILEGED and not self._has_space(len(payload))):
                raise JournalFull("no space for the journal on this disk")
            stamp = self.clock()
            tail = self._tails[stream]
            position = tail.position
            self._seq += 1
            size = tail.add(
                kind, SYNCED if stamp.synced else 0, self._seq, stamp.real_us, stamp.mono_us,
                bytes.fromhex(stamp.boot), name, payload,
            )  # fmt: skip
            self._spent += size
            self.pending += size
        return Origin(self.journal, stream, position, size)

    def sync(self) -> Durable:
        """Makes durable what was appended so far, and publishes the ends.

        Raises JournalFull: all of it is kept and tried again by the next sync; until then nothing is taken.
        Raises OSError: the disk is broken; close the writer.
        """
        with self._syncing:
            with self._guard:
                touched = [tail for tail in self._tails.values() if tail.take()]
                seq, size = self._seq, self.pending
            if not touched:
                return self.durable
            try:
                self._write(touched)
            except JournalFull:
                self._stuck = self.full = True
                raise
            for tail in touched:
                tail.commit()
            self.durable = self._publish(seq, self.durable.commits)
            with self._guard:
                self._stuck = False
                self.pending -= size
                self._free = free_bytes(self.directory)
                self._spent = self.pending
            return self.durable

    @property
    def closed_segments(self) -> int:
        """How many segments were closed since the start: the compressor's work."""
        return sum(tail.closed_segments for tail in self._tails.values())

    def check_space(self) -> bool:
        """Looks at the disk again; True while records of feeds are refused. Restores the reserve when there is room."""
        with self._guard:
            self._free = free_bytes(self.directory)
            self._spent = self.pending
            left = self._free - self._spent
            if left < self.owner_share_bytes:
                self.full = True
            elif left >= self.owner_share_bytes * 5 // 4 and not self._stuck:
                self.full = False
            if self._free >= 2 * self.reserve_bytes + 2 * self.owner_share_bytes:
                make_reserve(self.directory, self.reserve_bytes)
            return self.full

    def release_reserve(self) -> bool:
        """Gives the reserve back to the disk. False if there was none."""
        return release_reserve(self.directory)

    def close(self) -> None:
        """Syncs what is pending and lets go of the lock, also when there is no space for it (JournalFull)."""
        try:
            self.sync()
            os.fdatasync(self._durable_fd)
        finally:
            for tail in self._tails.values():
                tail.close()
            os.close(self._durable_fd)
            os.close(self._lock)

    def _has_space(self, size: int) -> bool:
        need = self.owner_share_bytes + size
        if self._free - self._spent < need:
            self._free = free_bytes(self.directory)
            self._spent = self.pending
            if self._free - self._spent < need:
                self.full = True
        return not self.full

    def _write(self, touched: list[Tail]) -> None:
        for attempt in (1, 2):
            try:
                for tail in touched:
                    tail.write()
                return
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self.full = True
                if attempt == 2 or not self.release_reserve():
                    raise JournalFull(f"the disk is full: {error}") from error

    def _publish(self, seq: int, commits: int) -> Durable:
        feed, owner = self._tails[FEED], self._tails[OWNER]
        now = Durable(
            self.journal,
            feed.end,
            owner.end,
            seq,
            commits + 1,
            feed.records,
            owner.records,
            feed.chain,
            owner.chain,
        )
        durable_file.publish(self._durable_fd, now)
        return now


def open_writer(config: Config) -> Writer:
    """The writer of a box, as its configuration says. Raises WriterBusy, OSError."""
    sizes = config.journal
    return Writer(
        config.journal_dir,
        box=identities.box_id(config.data_dir, clocks.now().real_us),
        segment_bytes=sizes.segment_mb << 20,
        reserve_bytes=sizes.reserve_mb << 20,
        owner_share_bytes=sizes.owner_share_mb << 20,
    )
