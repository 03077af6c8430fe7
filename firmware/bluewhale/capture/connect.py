"""`tcp:HOST:PORT`: we connect to the PBX, again and again."""

import asyncio
import os
import random
import socket
import time
from typing import Any

from bluewhale.capture import tcp
from bluewhale.capture.aside import aside
from bluewhale.capture.kept import SOURCE
from bluewhale.capture.running import Running, State
from bluewhale.capture.urls import Connect

FIRST_WAIT_S = 0.5
MOST_WAIT_S = 30.0
CONNECT_S = 10.0
STEADY_S = 10.0  # a connection that lasted so long starts the waits anew


async def run(feed: Running, spec: Connect) -> None:
    """Ends only by cancellation."""
    wait_s = FIRST_WAIT_S
    connection = _take_over(feed)
    while True:
        began = time.monotonic()
        if connection is None:
            feed.enter(State.LOST if feed.losses else State.CONNECTING, feed.detail)
            try:
                connection = await _connected(feed, spec)
            except OSError as error:
                feed.enter(feed.state, f"{spec.host}:{spec.port}: {_why(error)}")
        if connection is not None:
            feed.enter(State.OPEN, f"to {tcp.peer_text(connection.peer)}")
            why = await _read(feed, connection)
            feed.enter(State.LOST, why)
            connection = None
            if time.monotonic() - began >= STEADY_S:
                wait_s = FIRST_WAIT_S
        await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
        wait_s = min(MOST_WAIT_S, wait_s * 2)


def _take_over(feed: Running) -> tcp.Connection | None:
    """A connection that outlived our restart goes on; others of before it are lost."""
    keeper = feed.shared.keeper
    kept = [name for name in keeper.names(SOURCE) if name.rpartition("/")[0] == feed.name]
    for source in set(feed.before) - set(kept):
        feed.ended("lost", source, "capture was restarted")
    found = [tcp.resumed(feed, fd, name) for name in kept if (fd := keeper.take(SOURCE, name)) is not None]
    for old in found[:-1]:
        old.end("lost", "another connection of this feed goes on")
    return found[-1] if found else None


async def _connected(feed: Running, spec: Connect) -> tcp.Connection:
    """Tries each address of the host. Raises OSError."""
    loop = asyncio.get_running_loop()
    places = await asyncio.wait_for(aside(_places, spec), CONNECT_S)
    failed = OSError("no address")
    for family, kind, protocol, _, address in places:
        peer = socket.socket(family, kind, protocol)
        try:
            peer.setblocking(False)
            await asyncio.wait_for(loop.sock_connect(peer, address), CONNECT_S)
            return tcp.Connection(feed, peer, feed.opened(tcp.address_text(address)))
        except OSError as error:  # TimeoutError is one
            failed = error
            peer.close()
        except BaseException:
            peer.close()
            raise
    raise failed


async def _read(feed: Running, connection: tcp.Connection) -> str:
    """Until the connection ends; returns why. Every end is a loss: the PBX should be there."""
    try:
        _, why = await connection.read()
        connection.end("lost", why)
        return why
    finally:
        connection.end("closed", feed.leaving)


def _places(spec: Connect) -> "list[tuple[Any, ...]]":
    return list(socket.getaddrinfo(spec.host, spec.port, type=socket.SOCK_STREAM))


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)  # asyncio puts its own text in
