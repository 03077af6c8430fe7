"""The bytes of a serial line between its driver and the journal, where a SIGKILL does not reach them.

A read goes straight into a mapped file of the run directory; after a restart what the journal does not have is
taken from there. Only the newest read is held: the next one begins when it is durable.
"""

import mmap
import os
import struct
from pathlib import Path

MAGIC = 0xAB425331
HEAD = struct.Struct("=IIQB")  # magic, length, base, length of the name; then the name
LENGTH_AT = 4
DATA_AT = 512
MOST_BYTES = 16384
MOST_NAME = 255


class Spill:
    """Owns the mapped file. Raises OSError when it cannot be made."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, DATA_AT + MOST_BYTES)  # a full disk must not end us by SIGBUS
            self._map = mmap.mmap(descriptor, DATA_AT + MOST_BYTES)
        finally:
            os.close(descriptor)

    def left(self, source: str, have: int) -> bytes:
        """What was read from `source` behind its first `have` bytes, before we were killed."""
        magic, length, base, size = HEAD.unpack_from(self._map)
        name = self._map[HEAD.size : HEAD.size + size]
        if magic != MAGIC or length > MOST_BYTES or name != source.encode() or not 0 <= have - base <= length:
            return b""
        return self._map[DATA_AT + have - base : DATA_AT + length]

    def read(self, descriptor: int, source: str, base: int) -> bytes:
        """One read of the line; `base` bytes of the source came before it. Raises OSError."""
        name = source.encode()
        assert len(name) <= MOST_NAME
        struct.pack_into("=I", self._map, LENGTH_AT, 0)  # from here on nothing is claimed
        HEAD.pack_into(self._map, 0, MAGIC, 0, base, len(name))
        self._map[HEAD.size : HEAD.size + len(name)] = name
        with memoryview(self._map) as whole, whole[DATA_AT:] as space:
            length = os.readv(descriptor, [space])
        struct.pack_into("=I", self._map, LENGTH_AT, length)
        return self._map[DATA_AT : DATA_AT + length]

    def close(self) -> None:
        self._map.close()
