"""Handing records to the journal from other processes, and hearing of each commit."""

import contextlib
import socket
import time
from typing import Any

import msgspec

from bluewhale.config import Config
from bluewhale.journal import wire
from bluewhale.journal.format import Ends
from bluewhale.journal.recent import key_of, recent
from bluewhale.journal.writer import WriterBusy, open_writer
from bluewhale.model import Kind, Origin, parse_origin

RETRY_S = 0.1


class CaptureAway(Exception):
    """Capture does not answer. Whether the record was written is not known: repeat it with the same id."""


class Refused(Exception):
    """Capture does not take the record; the text says why."""


def append(config: Config, kind: Kind, source: str, payload: bytes, timeout: float = 5) -> Origin:
    """Hands a record to capture; returns when it is durable. Raises CaptureAway, Refused.

    An owner record whose JSON payload bears an `id` is written once, however often it is repeated.
    """
    record = {"kind": int(kind), "source": source, "payload": payload}
    answer = ask(config, {"op": "append", "records": [record]}, timeout)
    if "origins" not in answer:
        raise Refused(str(answer.get("refused", "capture gave no reason")))
    return parse_origin(answer["origins"][0])


def append_or_open(config: Config, kind: Kind, source: str, payload: bytes, timeout: float = 5) -> Origin:
    """Like `append`; while no capture runs, takes the writer's lock and writes itself.

    Raises CaptureAway, Refused, JournalFull, OSError.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return append(config, kind, source, payload, max(0.1, deadline - time.monotonic()))
        except CaptureAway as away:
            try:
                return _write(config, kind, source, payload)
            except WriterBusy:  # capture is starting, or another command writes
                if time.monotonic() > deadline:
                    raise away from None
                time.sleep(RETRY_S)


def ask(config: Config, request: dict[str, Any], timeout: float) -> dict[str, Any]:
    """One request, one answer. Raises CaptureAway."""
    try:
        with contextlib.closing(_connect(config, timeout)) as peer:
            peer.sendall(wire.pack(request))
            return wire.unpack(_receive(peer))
    except (OSError, EOFError, msgspec.DecodeError) as error:
        raise CaptureAway(f"capture does not answer on {config.capture_socket}: {error}") from error


class Watch:
    """Owns a connection that hears of each commit; connects again by itself."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._peer: socket.socket | None = None
        self._buffer = b""

    def wait(self, timeout: float) -> Ends | None:
        """The newest durable ends, as soon as there are newer ones than told last; None after `timeout` seconds.

        After a (re)connection the present ends are told at once.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                if self._peer is None:
                    self._peer = _connect(self._config, max(0.05, left))
                    self._peer.sendall(wire.pack({"op": "watch"}))
                    self._buffer = b""
                newest = self._hear(max(0.0, left))
                if newest is not None or left <= 0:
                    return newest
            except TimeoutError:
                return None
            except (OSError, EOFError, msgspec.DecodeError):
                self.close()
                if left <= 0:
                    return None
                time.sleep(min(RETRY_S, left))

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def _hear(self, timeout: float) -> Ends | None:
        """Reads what has come, waiting up to `timeout` for the first of it; the last whole message counts."""
        assert self._peer is not None
        newest = self._last_message()
        while newest is None:
            self._peer.settimeout(max(0.001, timeout))
            data = self._peer.recv(65536)
            if not data:
                raise EOFError("capture closed the connection")
            self._buffer += data
            newest = self._last_message()
        return newest

    def _last_message(self) -> Ends | None:
        newest = None
        while len(self._buffer) >= wire.LENGTH.size:
            (size,) = wire.LENGTH.unpack_from(self._buffer)
            stop = wire.LENGTH.size + size
            if len(self._buffer) < stop:
                break
            newest = msgspec.msgpack.decode(self._buffer[wire.LENGTH.size : stop], type=Ends)
            self._buffer = self._buffer[stop:]
        return newest


def _connect(config: Config, timeout: float) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.settimeout(timeout)
        with wire.address(config.capture_socket) as address:
            peer.connect(address)
    except BaseException:
        peer.close()
        raise
    return peer


def _receive(peer: socket.socket) -> bytes:
    (size,) = wire.LENGTH.unpack(_exactly(peer, wire.LENGTH.size))
    return _exactly(peer, size)


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = peer.recv(size - len(data))
        if not part:
            raise EOFError("capture closed the connection")
        data += part
    return bytes(data)


def _write(config: Config, kind: Kind, source: str, payload: bytes) -> Origin:
    """Appends as the writer itself. Raises WriterBusy, JournalFull, OSError."""
    with contextlib.closing(open_writer(config)) as writer:
        key = key_of(payload) if kind is Kind.OWNER else None
        if key is not None:
            known = recent(writer.directory, writer.durable.ends).get(key)
            if known is not None:
                return known
        origin = writer.append(kind, source, payload)
        writer.sync()
        return origin
