"""Records out of a stream's bytes. What is damaged is skipped to the next valid record, and told."""

import zlib
from collections.abc import Callable, Iterator

from bluewhale.journal.format import (
    HEADER_BYTES,
    KINDS,
    MAGIC,
    MAX_PAYLOAD,
    MAX_SOURCE,
    RECORD,
    SYNCED,
    Damage,
    crc_start,
    plausible,
)
from bluewhale.model import Record

SLICE = 1 << 20
# read(position, size) -> that many bytes of the stream; what cannot be read comes as zeros
Read = Callable[[int, int], bytes]

_boots: dict[bytes, str] = {}
_sources: dict[bytes, str] = {}
MOST_NAMES = 10_000  # of either cache; a box sees a source name a connection


def scan(read: Read, start: int, end: int, stream: str, seed: int) -> Iterator[Record | Damage]:
    """All records from `start` up to `end`, both record boundaries of one segment. `seed`: format.seed()."""
    position = start
    while position < end:
        for record in _run(read, position, end, stream, seed):
            yield record
            position = record.position + record.size
        if position < end:
            after = find(read, position + 1, end, stream, seed)
            yield Damage(stream, position, after - position)
            position = after


def _run(read: Read, start: int, end: int, stream: str, seed: int) -> Iterator[Record]:
    """Valid records one after the other; ends at the first place that is none."""
    buffer = read(start, min(SLICE, end - start))
    base, at = start, 0  # base: position of buffer[0]
    view = memoryview(buffer)
    unpack, crc32 = RECORD.unpack_from, zlib.crc32
    longest = MAX_PAYLOAD[stream]
    while True:
        have = len(buffer) - at
        if have < HEADER_BYTES:
            position = base + at
            if end - position < HEADER_BYTES:
                return
            buffer, base, at = buffer[at:] + read(base + len(buffer), min(SLICE, end - position)), position, 0
            view = memoryview(buffer)
            have = len(buffer)
            if have < HEADER_BYTES:
                return
        magic, crc, length, kind, flags, source_size, _, seq, real_us, mono_us, boot = unpack(buffer, at)
        size = HEADER_BYTES + source_size + length
        position = base + at
        if magic != MAGIC or length > longest or position + size > end:
            return
        if have < size:
            buffer, base, at = buffer[at:] + read(base + len(buffer), max(SLICE, size - have)), position, 0
            view = memoryview(buffer)
            if len(buffer) < size:
                return
        stop = at + size
        if crc32(view[at + 8 : stop], (seed ^ position ^ (position >> 32)) & 0xFFFFFFFF) != crc:
            return
        known = KINDS.get(kind)
        if known is None:
            return
        data_at = stop - length
        yield Record(
            known, stream, position, size, seq, real_us, mono_us, _boots.get(boot) or _boot(boot),
            bool(flags & SYNCED), _source(buffer[at + HEADER_BYTES : data_at]), buffer[data_at:stop],
        )  # fmt: skip
        at = stop


def find(read: Read, start: int, end: int, stream: str, seed: int) -> int:
    """Position of the first valid record at or after `start`; `end` if there is none."""
    position = start
    while end - position >= HEADER_BYTES:
        buffer = read(position, min(SLICE, end - position))
        at = buffer.find(MAGIC)
        while at >= 0 and len(buffer) - at >= HEADER_BYTES:
            if valid_at(read, position + at, end, stream, seed, buffer[at : at + HEADER_BYTES]):
                return position + at
            at = buffer.find(MAGIC, at + 1)
        if len(buffer) < HEADER_BYTES or position + len(buffer) >= end:
            return end
        position += len(buffer) - HEADER_BYTES + 1  # a header may begin in the last bytes
    return end


def valid_at(read: Read, position: int, end: int, stream: str, seed: int, header: bytes) -> int:
    """Size of the record whose 48 header bytes are given, 0 if there is no valid one at `position`."""
    _, crc, length, kind, _, source_size, *_ = RECORD.unpack(header)
    size = HEADER_BYTES + source_size + length
    first = crc_start(seed, position)
    if length > MAX_PAYLOAD[stream] or position + size > end or kind not in KINDS:
        return 0
    if not plausible(header, first):
        return 0
    body = read(position + HEADER_BYTES, size - HEADER_BYTES)
    return size if zlib.crc32(body, zlib.crc32(header[8:], first)) == crc else 0


def locate(read: Read, start: int, position: int, end: int, stream: str, seed: int) -> int | None:
    """Position of the valid record that covers `position`, looked for backwards, not before `start`.

    None if it lies in damage.
    """
    furthest = max(start, position - MAX_PAYLOAD[stream] - MAX_SOURCE - HEADER_BYTES)
    below = position
    reach = 4096
    while True:
        low = max(furthest, position - reach)
        buffer = read(low, min(end, below + HEADER_BYTES) - low)
        at = buffer.rfind(MAGIC, 0, below - low + len(MAGIC))
        while at >= 0:
            header = buffer[at : at + HEADER_BYTES]
            if len(header) == HEADER_BYTES:
                size = valid_at(read, low + at, end, stream, seed, header)
                if size:
                    return low + at if low + at + size > position else None
            at = buffer.rfind(MAGIC, 0, at + len(MAGIC) - 1)
        if low == furthest:
            return None
        below = low - 1
        reach *= 8


def _boot(raw: bytes) -> str:
    if len(_boots) > MOST_NAMES:
        _boots.clear()
    return _boots.setdefault(raw, raw.hex())


def _source(raw: bytes) -> str:
    name = _sources.get(raw)
    if name is None:
        if len(_sources) > MOST_NAMES:
            _sources.clear()
        name = _sources[raw] = raw.decode("utf-8", "replace")
    return name
