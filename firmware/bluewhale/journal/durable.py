"""The published durable end: `journal/durable`, two slots written in turn, each with its own checksum.

The writer publishes after fdatasync; readers never pass what stands here. A reader that meets a slot being
written takes the other. The file itself is not synced at each commit: after a power cut it may be old, and
the next start finds the records again behind the end it states.
"""

import os
import struct
import zlib
from pathlib import Path

import msgspec

from bluewhale.journal.format import NO_JOURNAL, Ends
from bluewhale.model import OWNER

NAME = "durable"
MAGIC = b"BWDE"
SLOT = struct.Struct("<4sIQ16sQQQQQ32s32s")
SLOT_BYTES = 256
FILE_BYTES = 2 * SLOT_BYTES
HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)


class Durable(msgspec.Struct, frozen=True):
    """Ends of both streams, last sequence number, records of each stream since its beginning, running hashes.

    `commits` counts publications; the hash of a stream is its chain (manifest.py) at the end stated.
    """

    journal: str = NO_JOURNAL
    feed: int = 0
    owner: int = 0
    seq: int = 0
    commits: int = 0
    feed_records: int = 0
    owner_records: int = 0
    feed_hash: bytes = NO_HASH
    owner_hash: bytes = NO_HASH

    @property
    def ends(self) -> Ends:
        return Ends(self.journal, self.feed, self.owner, self.seq)

    def of(self, stream: str) -> int:
        return self.owner if stream == OWNER else self.feed

    def hash_of(self, stream: str) -> bytes:
        return self.owner_hash if stream == OWNER else self.feed_hash

    def records_of(self, stream: str) -> int:
        return self.owner_records if stream == OWNER else self.feed_records


def pack(durable: Durable) -> bytes:
    fields = (
        durable.commits, durable.journal.encode(), durable.feed, durable.owner, durable.seq,
        durable.feed_records, durable.owner_records, durable.feed_hash, durable.owner_hash,
    )  # fmt: skip
    body = SLOT.pack(MAGIC, 0, *fields)
    return SLOT.pack(MAGIC, zlib.crc32(body), *fields)


def unpack(data: bytes) -> Durable | None:
    """None if the slot is damaged."""
    if not any(data):
        return Durable()
    magic, crc, commits, journal, feed, owner, seq, feed_records, owner_records, feed_hash, owner_hash = (
        SLOT.unpack_from(data)
    )
    if magic != MAGIC or zlib.crc32(data[:4] + bytes(4) + data[8 : SLOT.size]) != crc:
        return None
    return Durable(
        journal.decode(), feed, owner, seq, commits, feed_records, owner_records, feed_hash, owner_hash
    )


def publish(descriptor: int, durable: Durable) -> None:
    """Writes the slot whose turn it is. Raises OSError."""
    os.pwrite(descriptor, pack(durable), SLOT_BYTES * (durable.commits & 1))


def read(directory: Path) -> Durable | None:
    """The newest published end; None if there is none that can be read."""
    valid = [slot for slot in slots(directory) if slot is not None and slot.commits]
    return max(valid, key=lambda slot: slot.commits, default=None)


def slots(directory: Path) -> list[Durable | None]:
    """Both slots, None for one that is damaged; one never written is an empty Durable. No file: no slots."""
    try:
        descriptor = os.open(directory / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        for attempt in range(3):  # a slot that is just being written is whole a moment later
            data = os.pread(descriptor, FILE_BYTES, 0).ljust(FILE_BYTES, b"\0")
            found = [unpack(data[at : at + SLOT_BYTES]) for at in (0, SLOT_BYTES)]
            if None not in found or attempt == 2:
                break
        return found
    finally:
        os.close(descriptor)
