"""The growing end of one stream: the open segment, the records that wait to be written, the running hash."""

import contextlib
import os
from pathlib import Path

from bluewhale.journal import manifest
from bluewhale.journal.format import FILE_HEADER_BYTES, FileHeader, crc_start, encode, pack_file_header, seed
from bluewhale.journal.identity import Identity, write_file
from bluewhale.journal.recover import Found, closing_line
from bluewhale.journal.segments import Named, file_name, open_segment


class Tail:
    """Owns the descriptor of a stream's open segment. `add` in one thread, all else in the syncing one."""

    def __init__(
        self, directory: Path, stream: str, found: Found, identity: Identity, segment_bytes: int
    ) -> None:
        self.directory = directory
        self.stream = stream
        self.identity = identity
        self.segment_bytes = segment_bytes
        self.seed = seed(identity.journal, stream)
        self.position = found.end  # of the next record
        self.end = found.end  # behind the last record that is durable
        self.records = found.records
        self.chain = found.chain
        self.key = found.key
        self.batch: list[bytes] = []  # appended since the last sync began
        self.writing: list[bytes] = []  # taken by sync, not durable yet
        self.fd = -1
        self.start = 0
        self.closed_segments = 0
        if found.segment is not None:
            self.start = found.segment.start
            self.fd = os.open(found.segment.path, os.O_RDWR | os.O_CLOEXEC)
            os.fdatasync(self.fd)  # what the last writer left behind its published end

    def add(
        self,
        kind: int,
        flags: int,
        seq: int,
        real_us: int,
        mono_us: int,
        boot: bytes,
        source: bytes,
        payload: bytes,
    ) -> int:
        """Appends a record to the batch; returns its size."""
        start = crc_start(self.seed, self.position)
        record = encode(kind, flags, seq, real_us, mono_us, boot, source, payload, start)
        self.batch.append(record)
        self.position += len(record)
        return len(record)

    def take(self) -> bool:
        """What was appended so far is to be written now. False if there is nothing."""
        if self.batch:
            self.writing += self.batch
            self.batch = []
        return bool(self.writing)

    def write(self) -> None:
        """Writes what was taken and syncs it. Raises OSError; the file is then as it was, and this can be repeated."""
        if self.fd >= 0 and self.end - self.start >= self.segment_bytes:
            self._close_segment()
        if self.fd < 0:
            self._begin_segment()
        offset = FILE_HEADER_BYTES + self.end - self.start
        left = memoryview(b"".join(self.writing))
        try:
            at = offset
            while left:
                done = os.pwrite(self.fd, left, at)
                left, at = left[done:], at + done
            os.fdatasync(self.fd)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                os.ftruncate(self.fd, offset)
            raise

    def commit(self) -> None:
        """What was written counts now."""
        for record in self.writing:
            self.chain = manifest.link(self.chain, manifest.leaf(self.key, self.end, record))
            self.end += len(record)
        self.records += len(self.writing)
        self.writing = []

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _begin_segment(self) -> None:
        key = os.urandom(manifest.KEY_BYTES)
        write_file(manifest.key_file(self.directory, self.stream, self.end), key)
        first = self.writing[0]
        header = FileHeader(
            stream=self.stream, journal=self.identity.journal, box=self.identity.box, start=self.end,
            first_seq=int.from_bytes(first[16:24], "little"), follows=self.identity.follows,
            created_us=int.from_bytes(first[24:32], "little", signed=True),
        )  # fmt: skip
        path = self.directory / self.stream / file_name(self.end)
        write_file(path, pack_file_header(header))
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.start, self.key = self.end, key

    def _close_segment(self) -> None:
        """Into the manifest; the segment can be compressed from now on."""
        named = Named(self.start, self.directory / self.stream / file_name(self.start), False)
        last = manifest.last(self.directory, self.stream)
        with open_segment(named) as segment:
            line = closing_line(
                self.directory, self.stream, segment, self.end, self.records, self.chain, last
            )
        manifest.append(self.directory, self.stream, line)
        self.close()
        self.closed_segments += 1
