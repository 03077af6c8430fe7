"""One TCP connection into the journal.

Bytes are looked at (MSG_PEEK), journaled, and taken out of the kernel's buffer only when they are durable. Killed at
any moment, what is not in the journal is still in the kernel, and the connection itself is kept by the
supervisor. What is in both is known: the kernel says how much was taken out over the connection's life, the
tally how much is journaled.
"""

import array
import contextlib
import errno
import fcntl
import logging
import os
import socket
import struct
import termios
from typing import Any

from bluewhale.capture.kept import SOURCE
from bluewhale.capture.running import CHUNK_BYTES, Running, readable
from bluewhale.capture.tally import Source

log = logging.getLogger("bluewhale")
KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 6}
DRAIN_BYTES = 4 << 20  # read at most at a clean stop, from each connection
TCP_INFO_BYTES = 256
BYTES_RECEIVED_AT = (
    128  # tcpi_bytes_received in struct tcp_info (Linux 4.2): in order, over the connection's life
)
GOT_FIN = (8, 9, 11)  # CLOSE_WAIT, LAST_ACK, CLOSING: the end counts as a byte received
CLOSED = 7  # after a reset, whose error is EPIPE if the end had come before it
_scratch = bytearray(CHUNK_BYTES)


class Connection:
    """Owns a connected socket and its source. `skip`: bytes waiting in it that are journaled already; `broken`: why
    it is lost, if it is, once these and the others are read."""

    def __init__(
        self, feed: Running, peer: socket.socket, source: str, skip: int = 0, broken: str = ""
    ) -> None:
        self.feed = feed
        self.peer = peer
        self.source = source
        self._skip = skip
        self._broken = broken
        self._ended = False
        prepare(peer)
        feed.connections += 1
        feed.shared.quota.taken += 1
        feed.shared.keeper.store(SOURCE, source, peer.fileno())

    async def read(self) -> tuple[str, str]:
        """Reads until the other end closes or is lost. Returns that event and its detail."""
        while True:
            await readable(self.peer.fileno())
            await self.feed.room()  # last: others may have filled it while we waited for bytes
            try:
                data = self._peek()
            except OSError as error:
                return "lost", error.strerror or str(error)
            if data is None:
                continue
            if not data:
                return ("lost", self._broken) if self._broken else ("closed", "the other end closed")
            if fresh := self._fresh(data):
                await self.feed.commit(self.source, fresh)
            self._take_out()

    def end(self, event: str, detail: str) -> None:
        """Journals what has arrived, then that the source ended; closes. A second call does nothing."""
        if self._ended:
            return
        self._ended = True
        self._take_out()
        if not self.feed.shared.sink.full:
            with contextlib.suppress(OSError):  # how it ended is told below
                self._drain()
        self.feed.ended(event, self.source, detail)
        close(self.peer)
        self.feed.shared.keeper.drop(SOURCE, self.source)
        self.feed.connections -= 1
        self.feed.shared.quota.taken -= 1

    def _peek(self) -> bytes | None:
        """What has arrived, at most CHUNK_BYTES; None: nothing yet; b"": the end. Raises OSError."""
        try:
            return self.peer.recv(CHUNK_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return None

    def _fresh(self, data: bytes) -> bytes:
        """What of `data` is not journaled yet. From now on it is, and may be taken out."""
        fresh = data[self._skip :]
        self._skip = max(self._skip, len(data))
        return fresh

    def _take_out(self) -> None:
        """Takes journaled bytes out of the kernel's buffer."""
        view = memoryview(_scratch)
        while self._skip:
            try:
                self._skip -= self.peer.recv_into(view[: self._skip], 0, socket.MSG_TRUNC) or self._skip
            except OSError:  # the buffer is gone with the connection; the next look tells
                return

    def _drain(self) -> None:
        left = DRAIN_BYTES
        while left > 0 and (data := self._peek()):
            left -= len(data)
            if fresh := self._fresh(data):
                self.feed.chunk(self.source, fresh)
            self._take_out()


def resumed(feed: Running, descriptor: int, source: str) -> Connection:
    """A connection that outlived the last capture process goes on where the journal ends."""
    peer = socket.socket(fileno=descriptor)
    known = feed.before.get(source)
    if known is None:  # we were killed between accepting it and telling so
        feed.note("open", "accepted before a restart", source, peer=peer_text(peer))
        return Connection(feed, peer, source)
    twice, error = waiting_twice(peer, known)
    log.info("%s: %s goes on; %d bytes of it were journaled and not taken out", feed.name, source, twice)
    feed.goes_on(source)
    return Connection(feed, peer, source, twice, os.strerror(error) if error not in (0, errno.EPIPE) else "")


def waiting_twice(peer: socket.socket, known: Source) -> tuple[int, int]:
    """How many bytes at the head of the kernel's buffer are in the journal already; and the socket's error, or 0."""
    received, waiting, error = _counts(peer)
    twice = max(0, min(known.size - (received - waiting), waiting))
    head = peer.recv(twice, socket.MSG_PEEK | socket.MSG_DONTWAIT) if twice else b""
    tail = known.tail[-len(head) :] if head else b""
    if not head.endswith(tail):
        log.warning("%d bytes do not look like those journaled before; taken as such", twice)
    return twice, error


def _counts(peer: socket.socket) -> tuple[int, int, int]:
    """Bytes received over the connection's life, how many of them wait in the kernel's buffer, the socket's error.

    The two are asked for one after the other, so a count that moved in between is taken again: a difference that
    is too large would skip bytes. It comes to rest, at the latest when the buffer is full.
    """
    waiting = array.array("i", [0])
    before, error = None, 0
    while True:
        info = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        (received,) = struct.unpack_from("=Q", info, BYTES_RECEIVED_AT)
        if info[0] == CLOSED:
            error = error or peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # told only once
        received -= info[0] in GOT_FIN or (info[0] == CLOSED and error == errno.EPIPE)
        if received == before:
            return received, waiting[0], error
        before = received
        fcntl.ioctl(peer, termios.FIONREAD, waiting)


def peer_text(peer: socket.socket) -> str:
    """The other end's address, "" if it is gone."""
    try:
        return address_text(peer.getpeername())
    except OSError:
        return ""


def address_text(address: tuple[Any, ...]) -> str:
    """ADDRESS:PORT; an IPv4 address that came in over an IPv6 socket is shown as what it is."""
    host = str(address[0]).removeprefix("::ffff:").partition("%")[0]
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def prepare(peer: socket.socket) -> None:
    """Never waits; notices within two minutes that the other end is gone; urgent bytes stay in line."""
    peer.setblocking(False)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    for option, value in KEEPALIVE.items():
        peer.setsockopt(socket.IPPROTO_TCP, option, value)


def close(peer: socket.socket) -> None:
    """Ends the connection, also while somebody else holds a copy of its descriptor."""
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EINVAL):
            log.debug("closing a connection: %s", error)
    peer.close()
