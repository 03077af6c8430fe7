"""The files of a stream: `journal/STREAM/<start position, 20 digits>.seg`, compressed `.seg.zst`.

A segment holds whole records from its start position up to the next segment's start. A compressed segment is
an ordinary zstd file (`zstd -d` gives the plain one back) of many frames; before each frame stands a
skippable frame that says where its content belongs, so that one frame can be read alone and damage costs
one frame, not the rest of the file.
"""

import bisect
import contextlib
import errno
import os
import struct
import zlib
from pathlib import Path
from types import TracebackType

import msgspec
import zstandard

from bluewhale.journal.format import FILE_HEADER_BYTES, FileHeader, unpack_file_header

PLAIN = ".seg"
COMPRESSED = ".seg.zst"
# skippable frame: magic, size; content offset, content size, frame's size, frame's crc; crc of these four
MARKER = struct.Struct("<IIQIIII")
MARKER_MAGIC = 0x184D2A5B
MARKER_HEAD = struct.pack("<II", MARKER_MAGIC, MARKER.size - 8)
BLOCK = 4096


class Named(msgspec.Struct, frozen=True):
    """A segment file in a directory."""

    start: int
    path: Path
    compressed: bool


class Frame(msgspec.Struct, frozen=True):
    """A zstd frame of a compressed segment: `size` bytes of content at `offset`; its `stored` bytes lie at `at`."""

    offset: int
    size: int
    stored: int
    crc: int
    at: int


def file_name(start: int) -> str:
    return f"{start:020d}{PLAIN}"


def listing(directory: Path, stream: str) -> list[Named]:
    """A stream's segments in order. While both forms of one exist, the plain one."""
    found: dict[int, Named] = {}
    try:
        entries = list(os.scandir(directory / stream))
    except FileNotFoundError:
        return []
    for entry in entries:
        stem, _, suffix = entry.name.partition(".")
        if not stem.isdigit() or f".{suffix}" not in (PLAIN, COMPRESSED):
            continue
        start, compressed = int(stem), f".{suffix}" == COMPRESSED
        if not compressed or start not in found:
            found[start] = Named(start, Path(entry.path), compressed)
    return [found[start] for start in sorted(found)]


def open_segment(named: Named) -> "Segment":
    """Opens a segment for reading, whichever form it has by now. Raises FileNotFoundError."""
    if named.compressed:
        return Compressed(named)
    try:
        return Segment(named)
    except FileNotFoundError:  # compressed since it was listed
        path = named.path.with_name(named.path.name.removesuffix(PLAIN) + COMPRESSED)
        return Compressed(Named(named.start, path, True))


class Segment:
    """Owns the descriptor of a plain segment. Context manager."""

    def __init__(self, named: Named) -> None:
        self.start = named.start
        self.path = named.path
        self.fd = os.open(named.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.content_bytes = self._prepare()
            self.header: FileHeader | None = unpack_file_header(self.content(0, FILE_HEADER_BYTES))
        except BaseException:
            os.close(self.fd)
            raise

    @property
    def end(self) -> int:
        """Position behind the last byte that was there when the segment was opened."""
        return self.start + max(0, self.content_bytes - FILE_HEADER_BYTES)

    def read(self, position: int, size: int) -> bytes:
        """`size` bytes of the stream from `position`; zeros where the file has none that can be read."""
        return self.content(position - self.start + FILE_HEADER_BYTES, size)

    def content(self, offset: int, size: int) -> bytes:
        data = _pread(self.fd, size, offset)
        return data if len(data) == size else data + bytes(size - len(data))

    def close(self) -> None:
        os.close(self.fd)

    def __enter__(self) -> "Segment":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> int:
        return os.fstat(self.fd).st_size


class Compressed(Segment):
    """Owns the descriptor of a compressed segment. `flaws`: (byte of the file, what is wrong there), as met."""

    def _prepare(self) -> int:
        self.flaws: list[tuple[int, str]] = []
        self.frames = _frames(self.fd, self.flaws)
        self._offsets = [frame.offset for frame in self.frames]
        self._last: tuple[int, bytes] | None = None
        self._decompressor = zstandard.ZstdDecompressor()
        if not self.frames:
            return 0
        return self.frames[-1].offset + self.frames[-1].size

    def content(self, offset: int, size: int) -> bytes:
        out = bytearray(size)
        index = max(0, bisect.bisect_right(self._offsets, offset) - 1)
        for number in range(index, len(self.frames)):
            frame = self.frames[number]
            if frame.offset >= offset + size:
                break
            low, high = max(frame.offset, offset), min(frame.offset + frame.size, offset + size)
            if low < high:
                data = self._frame(number)
                out[low - offset : high - offset] = data[low - frame.offset : high - frame.offset]
        return bytes(out)

    def _frame(self, number: int) -> bytes:
        if self._last is not None and self._last[0] == number:
            return self._last[1]
        frame = self.frames[number]
        stored = _pread(self.fd, frame.stored, frame.at)
        data = b""
        if zlib.crc32(stored) == frame.crc:
            with contextlib.suppress(zstandard.ZstdError):  # told below, as any other damage
                data = self._decompressor.decompress(stored, frame.size)
        if len(data) != frame.size:
            self.flaws.append((frame.at, f"a frame of {frame.stored} bytes is damaged"))
            data = bytes(frame.size)
        self._last = (number, data)
        return data


def pack_marker(offset: int, size: int, stored: bytes) -> bytes:
    """The skippable frame before a zstd frame that holds `size` bytes of content from `offset`."""
    body = struct.pack("<QIII", offset, size, len(stored), zlib.crc32(stored))
    return MARKER_HEAD + body + zlib.crc32(body).to_bytes(4, "little")


def _frames(fd: int, flaws: list[tuple[int, str]]) -> list[Frame]:
    """All frames whose marker is sound, by content offset; what is not where it should be, as flaws."""
    frames: list[Frame] = []
    end = os.fstat(fd).st_size
    at = offset = 0
    while at < end:
        frame = _marker(_pread(fd, MARKER.size, at), at)
        if frame is None or frame.offset < offset:
            flaws.append((at, "no frame begins here"))
            at = _next_marker(fd, at + 1, end)
            continue
        if frame.offset != offset:
            flaws.append((at, f"{frame.offset - offset} bytes of content before this frame are missing"))
        frames.append(frame)
        at, offset = frame.at + frame.stored, frame.offset + frame.size
    if at > end:
        flaws.append((end, "the file ends too early"))
    return frames


def _marker(data: bytes, at: int) -> Frame | None:
    if len(data) < MARKER.size or not data.startswith(MARKER_HEAD):
        return None
    _, _, offset, size, stored, crc, own_crc = MARKER.unpack(data)
    if zlib.crc32(data[8:-4]) != own_crc:
        return None
    return Frame(offset, size, stored, crc, at + MARKER.size)


def _next_marker(fd: int, at: int, end: int) -> int:
    while at < end:
        data = _pread(fd, (1 << 20) + len(MARKER_HEAD), at)
        found = data.find(MARKER_HEAD)
        if found >= 0:
            return at + found
        at += 1 << 20
    return end


def _pread(fd: int, size: int, offset: int) -> bytes:
    """Up to `size` bytes; a block the disk cannot read comes as zeros."""
    try:
        data = os.pread(fd, size, offset)
        while data and len(data) < size:
            more = os.pread(fd, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    parts = []
    for at in range(offset, offset + size, BLOCK):
        part = bytes(min(BLOCK, offset + size - at))
        with contextlib.suppress(OSError):
            part = os.pread(fd, len(part), at)
        parts.append(part)
    return b"".join(parts)
