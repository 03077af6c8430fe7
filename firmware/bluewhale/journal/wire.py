"""What passes over RUN/capture.sock: length (u32, little endian), then a MessagePack map.

append {"op": "append", "records": [{"kind", "source", "payload"}], "id": optional} -> {"origins": [text]} or
       {"refused": why}
watch  {"op": "watch"} -> {"journal", "feed", "owner", "seq"} at once and after each commit
ping   {"op": "ping"} -> {"pong": pid}
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

LENGTH = struct.Struct("<I")
MOST_BYTES = 24 << 20  # of a message from a peer that may write
FEW_BYTES = 64 << 10  # of one from a peer that may not
LONGEST_ADDRESS = 100  # sun_path holds 108

encoder = msgspec.msgpack.Encoder()


def pack(message: dict[str, Any]) -> bytes:
    body = encoder.encode(message)
    return LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> dict[str, Any]:
    """Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(body, type=dict[str, Any])


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """A socket address for the path, also when it is longer than an address can be. Raises OSError."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
