"""The socket over which other roles hand records to capture. The peer's user decides which kinds it may write."""

import asyncio
import logging
import os
import pwd
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.config import Config, ConfigError
from bluewhale.journal import wire
from bluewhale.journal.committer import Committer, JournalBroken
from bluewhale.journal.format import MAX_PAYLOAD, MAX_SOURCE
from bluewhale.journal.recent import key_of, recent, remember
from bluewhale.journal.writer import PRIVILEGED, JournalFull
from bluewhale.model import Kind, Origin, stream_of

log = logging.getLogger("bluewhale")
UCRED = struct.Struct("3i")
MOST_PEERS = 256
MOST_STRANGERS = 64  # of them, such as may write nothing: they cannot keep the others out
BY_DEFAULT = (Kind.OWNER, Kind.ALARM, Kind.E1)  # what the server's own user may write
NAMES = {kind.name.lower(): kind for kind in Kind}


class Refused(Exception):
    """The request was understood and is not followed; the text says why."""


def rights(writers: Mapping[str, set[int]]) -> dict[Kind, set[int]]:
    """Kind -> uids that may write it. Empty: our own uid writes owner, alarm and e1. Root may write what anybody may."""
    if not writers:
        return {kind: {os.geteuid(), 0} for kind in BY_DEFAULT}
    return {NAMES[name]: uids | {0} for name, uids in writers.items()}


def uids(writers: Mapping[str, list[str]]) -> dict[str, set[int]]:
    """The configuration's `journal.writers` with user names as uids. Raises ConfigError."""
    found: dict[str, set[int]] = {}
    for kind, users in writers.items():
        if kind not in NAMES:
            raise ConfigError(f"journal.writers: there is no kind {kind!r}; one of {', '.join(NAMES)}")
        for user in users:
            try:
                uid = int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
            except KeyError:
                raise ConfigError(f"journal.writers.{kind}: there is no user {user!r}") from None
            found.setdefault(kind, set()).add(uid)
    return found


async def serve(config: Config, committer: Committer) -> "Server":
    """Listens on RUN/capture.sock. Raises OSError, ConfigError."""
    server = Server(committer, config.capture_socket, uids(config.journal.writers))
    await server.start()
    return server


class Server:
    """Owns the listening socket and its connections. Make it after the committer, in the same event loop."""

    def __init__(
        self, committer: Committer, path: Path, writers: Mapping[str, set[int]] | None = None
    ) -> None:
        self.committer = committer
        self.path = path
        self.rights = rights(writers or {})
        self.peers: dict[asyncio.Task[None], bool] = {}  # True: may write something
        self._keys: dict[str, Origin] = recent(committer.writer.directory, committer.ends)
        self._under_way: dict[str, asyncio.Future[Origin]] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)  # of a process that was killed: we hold the writer's lock
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with wire.address(self.path) as address:
            listener.bind(address)
        self.path.chmod(0o666)  # whoever connects is asked for its user; see `rights`
        self._server = await asyncio.start_unix_server(self._peer, sock=listener, backlog=128)

    async def close(self) -> None:
        """Ends all connections; requests under way are answered first if they can be."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=1.0)
            await asyncio.sleep(0)  # their answers are written by now
        for task in list(self.peers):
            task.cancel()
        await asyncio.gather(*self.peers, return_exceptions=True)

    async def _peer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        uid = _uid(writer)
        may_write = any(uid in allowed for allowed in self.rights.values())
        self.peers[task] = may_write
        strangers = list(self.peers.values()).count(False)
        try:
            if len(self.peers) <= MOST_PEERS and (may_write or strangers <= MOST_STRANGERS):
                await self._talk(reader, writer, uid, wire.MOST_BYTES if may_write else wire.FEW_BYTES)
        except (ConnectionError, asyncio.IncompleteReadError):
            log.debug("a peer on %s went away", self.path)
        except asyncio.CancelledError:
            log.debug("a peer on %s is sent away: the server closes", self.path)  # nothing else cancels us
        except JournalBroken as error:
            log.debug("a peer on %s is sent away: %s", self.path, error)
        finally:
            del self.peers[task]
            writer.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int, limit: int
    ) -> None:
        while True:
            (size,) = wire.LENGTH.unpack(await reader.readexactly(wire.LENGTH.size))
            if size > limit:
                await _send(writer, {"refused": f"a message of {size} bytes is too long"})
                return
            try:
                request = wire.unpack(await reader.readexactly(size))
                match request.get("op"):
                    case "append":
                        await _send(writer, await self._append(request, uid))
                    case "watch":
                        await self._watch(writer)
                    case "ping":
                        await _send(writer, {"pong": os.getpid()})
                    case op:
                        raise Refused(f"there is no operation {op!r}")
            except (Refused, msgspec.DecodeError) as error:
                await _send(writer, {"refused": str(error)})

    async def _watch(self, writer: asyncio.StreamWriter) -> None:
        ends = self.committer.ends
        while True:
            body = {"journal": ends.journal, "feed": ends.feed, "owner": ends.owner, "seq": ends.seq}
            await _send(writer, body)
            ends = (await self.committer.changed(ends.seq)).ends

    async def _append(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        records = [self._checked(item, uid) for item in _list(request.get("records"))]
        wanted = request.get("id")
        if wanted is not None and [key_of(payload) for _, _, payload in records] != [wanted]:
            raise Refused("an id belongs to one record, which must bear it")
        try:
            origins = await asyncio.gather(*(self._append_one(*record) for record in records))
        except JournalFull as error:
            raise Refused(str(error)) from error
        return {"origins": [str(origin) for origin in origins]}

    async def _append_one(self, kind: Kind, source: str, payload: bytes) -> Origin:
        """Once for each id an owner record bears, however often it is asked for."""
        key = key_of(payload) if kind is Kind.OWNER else None
        if key is None:
            return await self.committer.append(kind, source, payload)
        if key in self._keys:
            return self._keys[key]
        if key not in self._under_way:
            task = asyncio.ensure_future(self.committer.append(kind, source, payload))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(self._under_way[key])

    def _finished(self, key: str, done: "asyncio.Future[Origin]") -> None:
        del self._under_way[key]
        if not done.cancelled() and done.exception() is None:
            remember(self._keys, key, done.result())

    def _checked(self, item: Any, uid: int) -> tuple[Kind, str, bytes]:
        if not isinstance(item, dict):
            raise Refused("a record is a map of kind, source and payload")
        number, source, payload = item.get("kind"), item.get("source"), item.get("payload")
        if not isinstance(source, str) or not isinstance(payload, bytes) or number not in list(Kind):
            raise Refused("a record is a map of kind (a known number), source (text) and payload (bytes)")
        kind = Kind(number)
        if uid not in self.rights.get(kind, ()):
            raise Refused(f"user {uid} may not write {kind.name.lower()} records")
        if len(source.encode()) > MAX_SOURCE or len(payload) > MAX_PAYLOAD[stream_of(kind)]:
            raise Refused(f"a record of {len(payload)} bytes is too long")
        if kind not in PRIVILEGED and self.committer.full:
            raise Refused("no space for the journal on this disk")
        return kind, source, payload


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise Refused("records must be a list")
    return value


async def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(wire.pack(message))
    await writer.drain()


def _uid(writer: asyncio.StreamWriter) -> int:
    """The user of the process at the other end, as the kernel knows it."""
    peer = writer.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
    return int(UCRED.unpack(raw)[1])
