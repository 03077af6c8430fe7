"""`tcp-listen:`: PBXs connect to us, many at once; each connection is a source."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
from typing import Any

from bluewhale.capture import tcp
from bluewhale.capture.kept import LISTEN, SOURCE
from bluewhale.capture.running import Running, State, readable
from bluewhale.capture.urls import ALL, Listen, parse_allow

log = logging.getLogger("bluewhale")
RETRY_S = 1.0
BACKLOG = 1024
AT_ONCE = 64  # connections accepted before others get a turn
NO_MORE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


async def run(feed: Running, spec: Listen) -> None:
    """Ends only by cancellation."""
    listener = Listener(feed, spec)
    try:
        await listener.take_over()
        while True:
            try:
                listener.open()
            except OSError as error:
                feed.enter(State.FAILED, _why(error, spec))
                await asyncio.sleep(RETRY_S)
                continue
            await listener.accept()
    finally:
        listener.close()


class Listener:
    """Owns the listening socket and the tasks of its connections."""

    def __init__(self, feed: Running, spec: Listen) -> None:
        self.feed = feed
        self.spec = spec
        self.allowed = parse_allow(feed.setting.allow)
        self.socket: socket.socket | None = None
        self.tasks: dict[asyncio.Task[None], tcp.Connection] = {}
        feed.changed = self._settings_changed

    async def take_over(self) -> None:
        """Connections that outlived our restart go on; the others of before it are lost."""
        feed, keeper = self.feed, self.feed.shared.keeper
        kept = [name for name in keeper.names(SOURCE) if name.rpartition("/")[0] == feed.name]
        for source in set(feed.before) - set(kept):
            feed.ended("lost", source, "capture was restarted")
        for source in kept:
            descriptor = keeper.take(SOURCE, source)
            if descriptor is not None:
                self._serve(tcp.resumed(feed, descriptor, source))

    def open(self) -> None:
        """Listens. Raises OSError."""
        keeper = self.feed.shared.keeper
        self.socket = _kept(keeper.take(LISTEN, self.feed.name), self.spec)
        if self.socket is None:
            self.socket = _bound(self.spec)
            keeper.store(LISTEN, self.feed.name, self.socket.fileno())
        self._enter()

    async def accept(self) -> None:
        """Takes connections until the listening socket fails."""
        assert self.socket is not None
        try:
            while True:
                await readable(self.socket.fileno())
                await self.feed.room()
                if not self._accept_some(self.socket):
                    self.feed.enter(self.feed.state, "no descriptor left for another connection")
                    await asyncio.sleep(RETRY_S)
                    self._enter()
        except OSError as error:
            self.feed.enter(State.FAILED, error.strerror or str(error))
            self._stop_listening()
            await asyncio.sleep(RETRY_S)

    def close(self) -> None:
        """Every connection is read to what has arrived, and ended."""
        self.feed.changed = None
        self._stop_listening()
        tasks, self.tasks = self.tasks, {}
        for task, connection in tasks.items():
            task.cancel()
            connection.end("closed", self.feed.leaving)

    def _stop_listening(self) -> None:
        if self.socket is not None:
            tcp.close(self.socket)
            self.feed.shared.keeper.drop(LISTEN, self.feed.name)
            self.socket = None

    def _accept_some(self, listener: socket.socket) -> bool:
        """False if there are no descriptors left. Raises OSError."""
        for _ in range(AT_ONCE):
            try:
                peer, address = listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in NO_MORE:
                    return False
                if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    raise
                continue  # that one connection failed before we had it
            self._admit(peer, address)
        return True

    def _admit(self, peer: socket.socket, address: tuple[Any, ...]) -> None:
        text = tcp.address_text(address)
        why = self._refusal(address)
        if why:
            self.feed.refuse(text, why)
            peer.close()
            return
        source = self.feed.opened(text)
        try:
            connection = tcp.Connection(self.feed, peer, source)
        except OSError as error:  # it is gone already
            self.feed.ended("lost", source, error.strerror or str(error))
            peer.close()
            return
        self._serve(connection)

    def _refusal(self, address: tuple[Any, ...]) -> str:
        """Why a connection is not taken, "" if it is."""
        if not self._is_allowed(address):
            return "not in the list of allowed addresses"
        if self.feed.connections >= self.spec.most:
            return f"more than {self.spec.most} connections"
        if self.feed.shared.quota.spent:
            return "no descriptor left for another connection"
        return ""

    def _is_allowed(self, address: tuple[Any, ...]) -> bool:
        if not self.allowed:
            return True
        host = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
            host = host.ipv4_mapped
        return any(host in network for network in self.allowed)

    def _serve(self, connection: tcp.Connection) -> None:
        task = asyncio.get_running_loop().create_task(self._read(connection))
        self.tasks[task] = connection
        task.add_done_callback(self._done)
        self._enter()

    async def _read(self, connection: tcp.Connection) -> None:
        connection.end(*await connection.read())
        self._enter()

    def _done(self, task: "asyncio.Task[None]") -> None:
        connection = self.tasks.pop(task, None)
        if connection is not None and not task.cancelled() and (error := task.exception()):
            log.error("%s: %s: %s", self.feed.name, connection.source, error, exc_info=error)
            with contextlib.suppress(Exception):  # the journal may be what failed
                connection.end("lost", "a fault in capture; see the log")

    def _enter(self) -> None:
        if self.socket is None:
            return
        state = State.OPEN if self.feed.connections else State.LISTENING
        self.feed.enter(state, f"on {tcp.address_text(self.socket.getsockname())}")

    def _settings_changed(self) -> None:
        """A new list of allowed addresses: who is no longer on it is sent away."""
        self.allowed = parse_allow(self.feed.setting.allow)
        for task, connection in list(self.tasks.items()):
            with contextlib.suppress(OSError):
                if not self._is_allowed(connection.peer.getpeername()):
                    task.cancel()
                    connection.end("closed", "no longer in the list of allowed addresses")
        self._enter()


def _bound(spec: Listen) -> socket.socket:
    """A listening socket. Raises OSError."""
    host = spec.host
    if host == ALL:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
    both = spec.host in (ALL, "::") and host == "::"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server(
        (host, spec.port), family=family, backlog=BACKLOG, reuse_port=False, dualstack_ipv6=both
    )
    bound.setblocking(False)
    return bound


def _kept(descriptor: int | None, spec: Listen) -> socket.socket | None:
    """A listening socket of before our restart, if it listens where it should now."""
    if descriptor is None:
        return None
    kept = socket.socket(fileno=descriptor)
    kept.setblocking(False)
    try:
        address = kept.getsockname()
        if kept.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and spec.port in (0, address[1]):
            hosts = ("::", "0.0.0.0") if spec.host == ALL else (str(ipaddress.ip_address(spec.host)),)
            if address[0] in hosts:
                return kept
    except OSError as error:
        log.debug("a kept listening socket is of no use: %s", error)
    tcp.close(kept)
    return None


def _why(error: OSError, spec: Listen) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {spec.port} is in use by another program"
        case errno.EACCES:
            return f"port {spec.port} may not be used by this process; take one above 1023"
        case errno.EADDRNOTAVAIL:
            return f"{spec.host} is no address of this box"
        case _:
            return error.strerror or str(error)
