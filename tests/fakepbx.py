"""PBXs to test capture with: they play bytes through a socket or a serial line, cut in any way."""

import os
import random
import select
import socket
import struct
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

GIVE_UP_S = 20.0


def pieces(data: bytes, dice: random.Random, most: int = 5000) -> Iterator[bytes]:
    """The data in pieces of 1 to `most` bytes, short ones more often."""
    at = 0
    while at < len(data):
        size = min(most, int(dice.expovariate(6 / most)) + 1)
        yield data[at : at + size]
        at += size


def lines(count: int, tag: str = "line") -> bytes:
    """Lines that are all different."""
    return "".join(f"{tag} {number:07d} abcdefghijklmnopqrstuvwxyz\r\n" for number in range(count)).encode()


def hostile(dice: random.Random) -> bytes:
    """What no PBX should send: random bytes, NULs, an endless line, broken UTF-8, half a line."""
    return b"".join(
        (
            dice.randbytes(20_000),
            bytes(5000),
            b"A" * 200_000,
            b"\xff\xfe\xc0\xed\xa0\x80" * 500,
            b"\x1b[2J\r\n",
            b"half",
        )
    )


def dial(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=GIVE_UP_S)


def play(port: int, data: bytes, dice: random.Random | None = None) -> None:
    """Connects, sends all, closes as a PBX that was shut down in order."""
    with dial(port) as peer:
        for piece in pieces(data, dice or random.Random(1)):
            peer.sendall(piece)


def reset(peer: socket.socket) -> None:
    """Ends a connection the hard way, as a PBX that lost power and came back."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


class Line:
    """A serial line with a PBX at its end: a pseudo terminal pair behind a stable device name."""

    def __init__(self, device: Path) -> None:
        self.device = device
        self.master = -1
        self.plug()

    def plug(self) -> None:
        """The device appears."""
        self.master, slave = os.openpty()
        tty.setraw(slave)  # until capture sets it: no echo into the PBX's own bytes
        self.device.symlink_to(os.ttyname(slave))
        os.set_blocking(self.master, False)
        self._slave = slave

    def unplug(self) -> None:
        """The device is gone, as a USB adapter that was pulled out."""
        self.device.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self.master)
        self.master = -1

    def send(self, data: bytes, timeout: float = GIVE_UP_S) -> None:
        """All of it; waits while the other side does not read. Raises TimeoutError."""
        left = memoryview(data)
        deadline = time.monotonic() + timeout
        while left:
            if not select.select([], [self.master], [], 0.1)[1]:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(left)} bytes were not taken")
                continue
            left = left[os.write(self.master, left[:2048]) :]

    def send_some(self, data: bytes) -> int:
        """As much as goes without waiting."""
        sent = 0
        while sent < len(data) and select.select([], [self.master], [], 0)[1]:
            try:
                sent += os.write(self.master, data[sent : sent + 2048])
            except BlockingIOError:
                break
        return sent

    @property
    def settings(self) -> tuple[int, int, int]:
        """Input flags, control flags and speed in force on the line."""
        flags = termios.tcgetattr(self._slave)
        return flags[0], flags[2], flags[4]

    def close(self) -> None:
        if self.master >= 0:
            self.unplug()


class Server:
    """A PBX that waits for us to connect."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.create_server(("127.0.0.1", port))
        self.socket.settimeout(GIVE_UP_S)
        self.port = int(self.socket.getsockname()[1])

    def accept(self) -> socket.socket:
        peer, _ = self.socket.accept()
        peer.settimeout(GIVE_UP_S)
        return peer

    def close(self) -> None:
        self.socket.close()
