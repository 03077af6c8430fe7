"""The chain of hashes over a stream, and the manifest that lists its closed segments.

Each record has a salted hash (its leaf); the stream's running hash is chained over the leaves:

    salt  = blake2b(position, key=the segment's key)     16 bytes
    leaf  = blake2b(record bytes, key=salt)              32 bytes
    chain = blake2b(chain before + leaf)                 32 bytes

The key of a segment lies in a file of its own beside it (`START.key`), apart from the records: without the
salt nobody can prove what an erased record held by trying contents, and the chain still holds when an erased
record's leaf is kept instead. `manifest.jsonl` has one line a closed segment, with the chain at its end.
"""

import os
from hashlib import blake2b
from pathlib import Path

import msgspec

from bluewhale.journal.durable import NO_HASH
from bluewhale.journal.identity import adopt

NAME = "manifest.jsonl"
KEY_BYTES = 32
LONGEST_LINE = 4096


class Closed(msgspec.Struct, frozen=True):
    """A line of the manifest: one closed segment. `total`: records since the stream's beginning, at its end."""

    start: int
    end: int
    journal: str
    first_seq: int
    last_seq: int
    records: int
    total: int
    first_us: int
    last_us: int
    previous: str
    hash: str


def leaf(key: bytes, position: int, record: bytes | memoryview) -> bytes:
    salt = blake2b(position.to_bytes(8, "little"), key=key, digest_size=16).digest()
    return blake2b(record, key=salt, digest_size=32).digest()


def link(chain: bytes, leaf: bytes) -> bytes:
    """The chain one record further."""
    return blake2b(chain + leaf, digest_size=32).digest()


def key_file(directory: Path, stream: str, start: int) -> Path:
    return directory / stream / f"{start:020d}.key"


def read_key(directory: Path, stream: str, start: int) -> bytes | None:
    """A segment's key; None if it is gone."""
    try:
        key = key_file(directory, stream, start).read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == KEY_BYTES else None


def read(directory: Path, stream: str) -> tuple[list[Closed], list[int]]:
    """All closed segments in order, and the numbers (from 1) of lines that cannot be read."""
    try:
        data = (directory / stream / NAME).read_bytes()
    except FileNotFoundError:
        return [], []
    closed, bad = [], []
    for number, text in enumerate(data.splitlines(), 1):
        try:
            line = msgspec.json.decode(text, type=Closed)
            bytes.fromhex(line.previous + line.hash)
        except ValueError:  # also what msgspec and the text's decoding raise
            bad.append(number)
        else:
            closed.append(line)
    return closed, bad


def last(directory: Path, stream: str) -> Closed | None:
    """The newest line; None if there is none."""
    closed, _ = read(directory, stream)
    return closed[-1] if closed else None


def chain_at_end(closed: Closed | None) -> bytes:
    return bytes.fromhex(closed.hash) if closed else NO_HASH


def mend(directory: Path, stream: str) -> None:
    """Cuts a last line that a power cut tore: the segment it was for is still open. Raises OSError."""
    try:
        descriptor = os.open(directory / stream / NAME, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(descriptor).st_size
        end = os.pread(descriptor, LONGEST_LINE, max(0, size - LONGEST_LINE))
        torn = len(end) - (end.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(descriptor, size - torn)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append(directory: Path, stream: str, closed: Closed) -> None:
    """Adds a line, synced; leaves the file as it was if that fails. Raises OSError."""
    descriptor = os.open(directory / stream / NAME, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        adopt(descriptor, directory / stream)
        size = os.fstat(descriptor).st_size
        line = msgspec.json.encode(closed) + b"\n"
        try:
            os.pwrite(descriptor, line, size)
            os.fdatasync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
