"""Records handed over the socket: rights of the peer's user, idempotency, watching, hostile peers."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bluewhale.config import Config, ConfigError, Journal
from bluewhale.journal import client, wire
from bluewhale.journal.committer import Committer
from bluewhale.journal.recent import MOST
from bluewhale.journal.server import MOST_STRANGERS, Server, rights, serve, uids
from bluewhale.journal.writer import open_writer
from bluewhale.model import OWNER, Kind, Origin, Record
from journal_tools import sound
from waiting import until

NOBODY = 65534


def box(tmp_path: Path, **journal: object) -> Config:
    return Config(data=str(tmp_path), journal=Journal(reserve_mb=0, owner_share_mb=0, **journal))  # type: ignore[arg-type]


def with_server(config: Config, work: Callable[[Server], Awaitable[None]]) -> None:
    """Runs `work` beside a real committer and server; blocking clients go into threads."""

    async def main() -> None:
        committer = Committer(open_writer(config))
        server = await serve(config, committer)
        try:
            await asyncio.wait_for(work(server), 30)
        finally:
            await server.close()
            await committer.close()

    asyncio.run(main())


def owners(config: Config) -> list[Record]:
    return [r for r in sound(config.journal_dir) if r.kind is Kind.OWNER]


def test_an_append_is_answered_with_its_origin(tmp_path: Path) -> None:
    config = box(tmp_path)

    async def work(server: Server) -> None:
        for kind in (Kind.OWNER, Kind.ALARM, Kind.E1):
            origin = await asyncio.to_thread(client.append, config, kind, "cli", b"payload %d" % kind)
            record = sound(config.journal_dir)[-1]
            assert (record.kind, record.source, record.payload) == (kind, "cli", b"payload %d" % kind)
            assert origin == Origin(
                server.committer.writer.journal, record.stream, record.position, record.size
            )
        ping = await asyncio.to_thread(client.ask, config, {"op": "ping"}, 5)
        assert ping == {"pong": os.getpid()}

    with_server(config, work)


@pytest.mark.parametrize("kind", [Kind.CHUNK, Kind.LINK, Kind.MARK, Kind.TICK])
def test_what_capture_writes_itself_is_refused_from_others(tmp_path: Path, kind: Kind) -> None:
    config = box(tmp_path)

    async def work(server: Server) -> None:
        with pytest.raises(client.Refused, match=f"may not write {kind.name.lower()} records"):
            await asyncio.to_thread(client.append, config, kind, "x", b"")

    with_server(config, work)
    assert [r.kind for r in sound(config.journal_dir)] == [Kind.MARK, Kind.MARK]


def reachable(directory: Path) -> Path:
    """Opens the way to the socket for other users: its own rights are what is tested."""
    for place in (directory, *directory.parents):
        if place.stat().st_uid == 0 and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)
    return directory


AS_NOBODY = f"""
import os, sys
from bluewhale.config import Config
from bluewhale.journal import client  # imported while we may still read the code
from bluewhale.model import Kind
os.setgid({NOBODY}); os.setuid({NOBODY})
config = Config(data=sys.argv[1])
for kind in (Kind.OWNER, Kind.ALARM):
    try:
        client.append(config, kind, "nobody", b"x")
        print("taken")
    except client.Refused as refused:
        print(refused)
print(client.Watch(config).wait(5) is not None)
"""


@pytest.mark.parametrize("allowed", [False, True])
def test_the_user_of_the_process_decides(tmp_path_factory: pytest.TempPathFactory, allowed: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("a process of another user can be started by root only")
    tmp_path = reachable(tmp_path_factory.mktemp("box"))
    config = box(tmp_path, writers={"owner": [str(NOBODY)]} if allowed else {})

    async def work(server: Server) -> None:
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", AS_NOBODY, str(tmp_path)], capture_output=True, text=True
        )
        lines = done.stdout.splitlines()
        assert len(lines) == 3, done.stderr
        assert lines[0] == ("taken" if allowed else f"user {NOBODY} may not write owner records")
        assert lines[1:] == [f"user {NOBODY} may not write alarm records", "True"]

    with_server(config, work)
    assert len(owners(config)) == allowed


CROWD = f"""
import os, socket, sys
from bluewhale.journal import wire
os.setgid({NOBODY}); os.setuid({NOBODY})
peers = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(100)]
answers = 0
for peer in peers:
    peer.connect(sys.argv[1])
for peer in peers:
    try:
        peer.sendall(wire.pack({{"op": "ping"}}))
        answers += bool(peer.recv(100))
    except ConnectionError:
        continue
print(answers, flush=True)
sys.stdin.read()
"""


def test_a_crowd_of_strangers_keeps_nobody_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid() != 0:
        pytest.skip("a process of another user can be started by root only")
    tmp_path = reachable(tmp_path_factory.mktemp("box"))
    config = box(tmp_path)

    def crowd() -> None:
        command = [sys.executable, "-c", CROWD, str(config.capture_socket)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert int(process.stdout.readline()) == MOST_STRANGERS
        client.append(config, Kind.OWNER, "cli", b"passes")
        process.communicate(b"")

    async def work(server: Server) -> None:
        await asyncio.to_thread(crowd)

    with_server(config, work)
    assert len(owners(config)) == 1


def test_rights_come_from_the_configuration() -> None:
    assert set(rights({})) == {Kind.OWNER, Kind.ALARM, Kind.E1}
    assert rights(uids({"e1": ["1234", "root"]})) == {Kind.E1: {0, 1234}}
    with pytest.raises(ConfigError, match="no kind 'bytes'"):
        uids({"bytes": ["root"]})
    with pytest.raises(ConfigError, match="no user 'no-such-user'"):
        uids({"owner": ["no-such-user"]})


def change(name: str, value: object = None) -> bytes:
    return json.dumps({"id": name, "value": value}).encode()


def test_a_repeated_id_is_written_once(tmp_path: Path) -> None:
    config = box(tmp_path)

    async def work(server: Server) -> None:
        one, two = await asyncio.gather(  # both at once: the second comes while the first is being written
            *(asyncio.to_thread(client.append, config, Kind.OWNER, "web", change("a")) for _ in range(2))
        )
        three = await asyncio.to_thread(client.append, config, Kind.OWNER, "web", change("a"))
        other = await asyncio.to_thread(client.append, config, Kind.OWNER, "web", change("b"))
        assert one == two == three != other
        for text in (b"no json", b'{"no": "id"}', b'{"id": 5}'):
            first, second = [
                await asyncio.to_thread(client.append, config, Kind.OWNER, "web", text) for _ in range(2)
            ]
            assert first != second

    with_server(config, work)
    assert len(owners(config)) == 2 + 3 * 2


def test_ids_are_known_after_a_restart_and_while_the_box_is_down(tmp_path: Path) -> None:
    config = box(tmp_path)
    first: list[Origin] = []

    async def write(server: Server) -> None:
        first.append(await asyncio.to_thread(client.append, config, Kind.OWNER, "web", change("a")))

    async def again(server: Server) -> None:
        assert await asyncio.to_thread(client.append, config, Kind.OWNER, "web", change("a")) == first[0]

    with_server(config, write)
    with_server(config, again)
    assert client.append_or_open(config, Kind.OWNER, "cli", change("a")) == first[0]
    assert client.append_or_open(config, Kind.OWNER, "cli", change("b")) != first[0]
    assert [json.loads(r.payload)["id"] for r in owners(config)] == ["a", "b"]


def test_only_the_last_ids_are_remembered(tmp_path: Path) -> None:
    config = box(tmp_path)
    writer = open_writer(config)
    origins = [writer.append(Kind.OWNER, "cli", change(f"n{number}")) for number in range(MOST + 2)]
    writer.close()

    async def work(server: Server) -> None:
        assert len(server._keys) == MOST
        newest = await asyncio.to_thread(client.append, config, Kind.OWNER, "cli", change(f"n{MOST + 1}"))
        assert newest == origins[-1]
        assert await asyncio.to_thread(client.append, config, Kind.OWNER, "cli", change("n0")) != origins[0]
        assert len(server._keys) == MOST

    with_server(config, work)


def test_a_request_id_must_be_the_records_own(tmp_path: Path) -> None:
    config = box(tmp_path)

    async def work(server: Server) -> None:
        def ask(identity: str) -> dict[str, object]:
            record = {"kind": int(Kind.OWNER), "source": "web", "payload": change("a")}
            return client.ask(config, {"op": "append", "id": identity, "records": [record]}, 5)

        assert "origins" in await asyncio.to_thread(ask, "a")
        assert "refused" in await asyncio.to_thread(ask, "b")

    with_server(config, work)
    assert len(owners(config)) == 1


def test_several_records_in_one_request_stay_together_in_order(tmp_path: Path) -> None:
    config = box(tmp_path)

    async def work(server: Server) -> None:
        records = [
            {"kind": int(Kind.E1), "source": "card0", "payload": b"%d" % number} for number in range(50)
        ]
        answer = await asyncio.to_thread(client.ask, config, {"op": "append", "records": records}, 5)
        assert len(answer["origins"]) == 50

    with_server(config, work)
    assert [r.payload for r in sound(config.journal_dir) if r.kind is Kind.E1] == [
        b"%d" % n for n in range(50)
    ]


def test_a_watch_hears_each_commit_and_survives_a_restart(tmp_path: Path) -> None:
    config = box(tmp_path)
    watch = client.Watch(config)
    assert watch.wait(0.05) is None  # no capture yet

    async def work(server: Server) -> None:
        for _ in range(4):
            waiting = asyncio.create_task(asyncio.to_thread(watch.wait, 10))
            await server.committer.append(Kind.ALARM, "health", b"{}")
            newest = await waiting
            while newest is None or newest.seq < server.committer.ends.seq:
                newest = await asyncio.to_thread(watch.wait, 10)
                assert newest is not None
            assert newest == server.committer.ends
        assert await asyncio.to_thread(watch.wait, 0.05) is None

    with_server(config, work)
    assert watch.wait(0.05) is None
    with_server(config, work)
    watch.close()


def test_without_capture_a_client_says_so_or_writes_itself(tmp_path: Path) -> None:
    config = box(tmp_path)
    with pytest.raises(client.CaptureAway, match=r"capture\.sock"):
        client.append(config, Kind.OWNER, "cli", b"x", timeout=1)
    origin = client.append_or_open(config, Kind.OWNER, "cli", b"x")
    assert (origin.stream, origin.position) == (OWNER, 0)
    assert [r.payload for r in owners(config)] == [b"x"]
    writer = open_writer(config)  # a capture that has the lock and does not listen yet
    with pytest.raises(client.CaptureAway):
        client.append_or_open(config, Kind.OWNER, "cli", b"y", timeout=0.3)
    writer.close()
    assert len(owners(config)) == 1


def test_hostile_peers_disturb_nobody(tmp_path: Path) -> None:
    config = box(tmp_path)
    junk = [
        b"", b"\0", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 64, wire.LENGTH.pack(5) + b"short"[:2],
        wire.LENGTH.pack(1 << 31) + b"x", wire.LENGTH.pack(3) + b"\xc1\xc1\xc1", wire.pack({"op": "dance"}),
        wire.pack({"op": "append"}), wire.pack({"op": "append", "records": [1, 2]}),
        wire.pack({"op": "append", "records": [{"kind": 99, "source": "x", "payload": b""}]}),
        wire.pack({"op": "append", "records": [{"kind": 4, "source": 7, "payload": "text"}]}),
        wire.pack({"op": "append", "records": [{"kind": 4, "source": "x" * 300, "payload": b""}]}),
        wire.pack({"op": "append", "records": [{"kind": 6, "source": "x", "payload": b""}]}) * 50,
    ]  # fmt: skip

    def ping() -> bool:
        try:
            return "pong" in client.ask(config, {"op": "ping"}, 5)
        except client.CaptureAway:
            return False

    def attack() -> None:
        peers = []
        for data in junk * 3:
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            peer.connect(str(config.capture_socket))
            peer.sendall(data)
            peers.append(peer)
        for _ in range(300):  # more than are served at once
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            peer.connect(str(config.capture_socket))
            peers.append(peer)
        for peer in peers:
            peer.close()
        until(ping)  # until the server has seen that they are gone
        client.append(config, Kind.OWNER, "cli", b"still there", timeout=10)

    async def work(server: Server) -> None:
        await asyncio.to_thread(attack)

    with_server(config, work)
    assert [r.payload for r in owners(config)] == [b"still there"]
    assert len(sound(config.journal_dir)) == 3  # start, the change, stop


def test_a_long_path_can_be_listened_on(tmp_path: Path) -> None:
    config = box(tmp_path / ("d" * 100) / ("e" * 100))

    async def work(server: Server) -> None:
        await asyncio.to_thread(client.append, config, Kind.OWNER, "cli", b"x")

    with_server(config, work)
    assert len(owners(config)) == 1


def test_a_full_disk_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = box(tmp_path)
    free = [1 << 30]
    monkeypatch.setattr("bluewhale.journal.writer.free_bytes", lambda directory: free[0])

    async def work(server: Server) -> None:
        server.committer.writer.owner_share_bytes = 1 << 20
        free[0] = 1 << 19
        server.committer.writer.check_space()
        server.committer.put(Kind.CHUNK, "feed/1", b"waits")
        with pytest.raises(client.Refused, match="no space"):
            await asyncio.to_thread(client.append, config, Kind.E1, "card0", b"x")
        await asyncio.to_thread(client.append, config, Kind.OWNER, "cli", b"passes")
        await asyncio.to_thread(client.append, config, Kind.ALARM, "health", b"the disk is full")
        server.committer.writer._stuck = True  # not even the reserve was enough
        with pytest.raises(client.Refused, match="no space"):
            await asyncio.to_thread(client.append, config, Kind.OWNER, "cli", b"x")
        server.committer.writer._stuck = False
        free[0] = 1 << 30

    with_server(config, work)
    assert [r.payload for r in owners(config)] == [b"passes"]
