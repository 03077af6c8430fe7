"""The layout of a journal record and of a segment file's header.

Record, little endian (48 bytes, then source and payload):

    0   4  magic AB 42 57 01
    4   4  crc32 of all that follows, begun with a value that depends on journal, stream and position, so that
           a record that lies anywhere but at its own place (sent through a feed, left in a reused block) is none
    8   4  payload length
    12  1  kind (model.Kind)
    13  1  flags: bit 0 = the clock was synchronised
    14  1  source length
    15  1  check: low byte of the crc of bytes 8..47 with this byte 0; makes a search through damage cheap
    16  8  sequence number, one over both streams
    24  8  receive time, realtime, microseconds since 1970 UTC, signed
    32  8  receive time, monotonic, microseconds since boot, signed
    40  8  boot id
    48     source, UTF-8; payload

A segment file starts with a header of 128 bytes that is not counted in positions; see `FileHeader`.
"""

import struct
import zlib

import msgspec

from bluewhale.model import FEED, OWNER, Kind

MAGIC = b"\xabBW\x01"
RECORD = struct.Struct("<4sIIBBBBQqq8s")
REST = struct.Struct("<IBBBBQqq8s")  # a record's header after magic and crc
HEADER_BYTES = RECORD.size
CHECK_AT = 15
SYNCED = 1
MAX_SOURCE = 255
MAX_PAYLOAD = {FEED: 1 << 20, OWNER: 16 << 20}  # an import of a large directory is one owner record
STREAMS = (FEED, OWNER)
KINDS = {int(kind): kind for kind in Kind}
NO_JOURNAL = "0" * 16

FILE_MAGIC = b"BWJOURN\x1a"
FILE_VERSION = 1
FILE_HEADER = struct.Struct("<8sIHH8s16s32sQQ16sq16x")
FILE_HEADER_BYTES = FILE_HEADER.size


class Damage(msgspec.Struct, frozen=True):
    """Bytes of a stream that hold no valid record: `size` bytes from `position`."""

    stream: str
    position: int
    size: int
    why: str = "damaged"


class Ends(msgspec.Struct, frozen=True):
    """How far the journal is durable: end position of each stream, last sequence number."""

    journal: str
    feed: int
    owner: int
    seq: int

    def of(self, stream: str) -> int:
        return self.owner if stream == OWNER else self.feed


class FileHeader(msgspec.Struct, frozen=True):
    """What a segment file says about itself. `follows` is the journal a copy was made of, or zeros."""

    stream: str
    journal: str
    box: str
    start: int
    first_seq: int
    follows: str
    created_us: int


def seed(journal: str, stream: str) -> int:
    """What the checksums of a journal's stream begin with."""
    return zlib.crc32(f"{journal}.{stream}".encode())


def crc_start(seed: int, position: int) -> int:
    return (seed ^ position ^ (position >> 32)) & 0xFFFFFFFF


def encode(
    kind: int,
    flags: int,
    seq: int,
    real_us: int,
    mono_us: int,
    boot: bytes,
    source: bytes,
    payload: bytes,
    crc_start: int,
) -> bytes:
    """A record's bytes. Sizes are the caller's to check (`MAX_SOURCE`, `MAX_PAYLOAD`)."""
    rest = bytearray(REST.pack(len(payload), kind, flags, len(source), 0, seq, real_us, mono_us, boot))
    rest[CHECK_AT - 8] = zlib.crc32(rest, crc_start) & 0xFF
    crc = zlib.crc32(payload, zlib.crc32(source, zlib.crc32(rest, crc_start)))
    return b"".join((MAGIC, crc.to_bytes(4, "little"), rest, source, payload))


def plausible(header: bytes, crc_start: int) -> bool:
    """Whether 48 bytes that begin with the magic can be a record's header at this place (1 in 256 by chance)."""
    rest = bytearray(header[8:])
    check = rest[CHECK_AT - 8]
    rest[CHECK_AT - 8] = 0
    return zlib.crc32(rest, crc_start) & 0xFF == check


def pack_file_header(header: FileHeader) -> bytes:
    """128 bytes with their own checksum."""
    fields = (
        FILE_VERSION, FILE_HEADER_BYTES, header.stream.encode(), header.journal.encode(), header.box.encode(),
        header.start, header.first_seq, header.follows.encode(), header.created_us,
    )  # fmt: skip
    crc = zlib.crc32(FILE_HEADER.pack(FILE_MAGIC, 0, *fields))
    return FILE_HEADER.pack(FILE_MAGIC, crc, *fields)


def unpack_file_header(data: bytes) -> FileHeader | None:
    """None if it is damaged, too short or of an unknown version."""
    if len(data) < FILE_HEADER_BYTES:
        return None
    magic, crc, version, size, stream, journal, box, start, first_seq, follows, created_us = (
        FILE_HEADER.unpack_from(data)
    )
    bare = bytearray(data[:FILE_HEADER_BYTES])
    bare[8:12] = bytes(4)
    if magic != FILE_MAGIC or version != FILE_VERSION or size != FILE_HEADER_BYTES or zlib.crc32(bare) != crc:
        return None
    return FileHeader(
        stream=stream.rstrip(b"\0").decode(),
        journal=journal.decode(),
        box=box.rstrip(b"\0").decode(),
        start=start,
        first_seq=first_seq,
        follows=follows.decode(),
        created_us=created_us,
    )
