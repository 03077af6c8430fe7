"""Compression of closed segments, by a thread of low priority."""

import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import zstandard

from bluewhale.journal import manifest
from bluewhale.journal.format import FILE_HEADER_BYTES, STREAMS
from bluewhale.journal.identity import adopt, sync_directory
from bluewhale.journal.manifest import Closed
from bluewhale.journal.segments import COMPRESSED, PLAIN, Compressed, Named, Segment, pack_marker

log = logging.getLogger("bluewhale")
LEVEL = 11
HURRIED_LEVEL = 1  # while segments fill within HURRY_US: the processor is for the calls then
HURRY_US = 60_000_000
FRAME_BYTES = 512 << 10  # what is lost when a byte of a compressed segment is damaged
NICE = 15


class Stopped(Exception):
    """Compression was given up because the process stops."""


def level_for(line: Closed) -> int:
    """Tight where a segment took its time, quick where they come fast."""
    return LEVEL if line.last_us - line.first_us >= HURRY_US else HURRIED_LEVEL


def compress(plain: Path, end: int, level: int = LEVEL, stop: Callable[[], bool] = lambda: False) -> Path:
    """Replaces a closed segment's file by its compressed form, checked and synced. `end`: its end position.

    Raises OSError (the plain file is kept), Stopped.
    """
    path = plain.with_name(plain.name.removesuffix(PLAIN) + COMPRESSED)
    part = plain.with_name(f".{path.name}.new")
    named = Named(int(plain.name.removesuffix(PLAIN)), plain, False)
    try:
        with Segment(named) as segment, part.open("wb") as out:
            size = FILE_HEADER_BYTES + end - named.start
            adopt(out.fileno(), plain.parent)
            os.fchmod(out.fileno(), 0o640)
            _write_frames(segment, size, level, out.write, stop)
            out.flush()
            os.fsync(out.fileno())
            _check(Named(named.start, part, True), segment, size, stop)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(path)
    sync_directory(path.parent)
    plain.unlink()
    return path


def _write_frames(
    segment: Segment, size: int, level: int, write: Callable[[bytes], object], stop: Callable[[], bool]
) -> None:
    """The file's header is a frame of its own, so that damage there costs no record."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True)
    offset, step = 0, FILE_HEADER_BYTES
    while offset < size:
        if stop():
            raise Stopped
        content = segment.content(offset, min(step, size - offset))
        stored = compressor.compress(content)
        write(pack_marker(offset, len(content), stored))
        write(stored)
        offset, step = offset + len(content), FRAME_BYTES


def _check(packed: Named, segment: Segment, size: int, stop: Callable[[], bool]) -> None:
    """The plain file is deleted only when the compressed one gives the same bytes back."""
    with Compressed(packed) as copy:
        for offset in range(0, size, FRAME_BYTES):
            if stop():
                raise Stopped
            length = min(FRAME_BYTES, size - offset)
            if copy.content(offset, length) != segment.content(offset, length):
                raise OSError(errno.EIO, "the compressed copy differs from the segment", str(packed.path))


class Compressor:
    """Owns the thread. `wake` when a segment was closed. `make_room` is called when the disk is full."""

    def __init__(self, directory: Path, make_room: Callable[[], bool]) -> None:
        self.directory = directory
        self._make_room = make_room
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-compress", daemon=True)
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # on Linux: of this thread alone
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            for stream in STREAMS:
                try:
                    self._compress_all(stream)
                except Stopped:
                    return
                except OSError as error:
                    log.error("journal %s: a closed segment stays uncompressed: %s", stream, error)

    def _compress_all(self, stream: str) -> None:
        for part in (self.directory / stream).glob(f".*{COMPRESSED}.new"):
            part.unlink()  # of a process that was killed
        for line in manifest.read(self.directory, stream)[0]:
            plain = self.directory / stream / f"{line.start:020d}{PLAIN}"
            if not plain.exists():
                continue
            try:
                compress(plain, line.end, level_for(line), self._stop.is_set)
            except OSError as error:
                if error.errno != errno.ENOSPC or not self._make_room():
                    raise
                compress(plain, line.end, level_for(line), self._stop.is_set)
