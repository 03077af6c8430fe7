"""TCP feeds: byte for byte into the journal, a source per connection, allow-list, limits, reconnection."""

import array
import asyncio
import fcntl
import random
import socket
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

import fakepbx
from bluewhale.capture import listen, tcp
from bluewhale.capture.running import CHUNK_BYTES, Quota, Setting
from bluewhale.capture.tally import Source
from bluewhale.journal.committer import MOST_PENDING
from bluewhale.model import Kind, Origin
from capturing import Inside, events, inside, links, of_feed, opened_and_closed, received
from waiting import until

ANY = "tcp-listen:127.0.0.1:0"


def test_bytes_are_identical_from_wire_to_journal(tmp_path: Path) -> None:
    dice = random.Random(5)
    data = fakepbx.hostile(dice) + fakepbx.lines(3000) + bytes(range(256)) * 50

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            await asyncio.to_thread(fakepbx.play, capture.port("main"), data, dice)
            await capture.got("main", len(data))
            await capture.state("main", "listening")

    asyncio.run(scenario())
    assert received(tmp_path / "journal") == {"main/1": data}
    assert events(tmp_path / "journal", "main") == ["open", "closed"]
    first = links(tmp_path / "journal")[0]
    assert first["peer"].startswith("127.0.0.1:")


def test_a_source_for_each_connection_never_mixes_half_lines(tmp_path: Path) -> None:
    sent = {number: fakepbx.lines(200, f"pbx{number}") for number in range(20)}

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            port = capture.port("main")
            async with asyncio.TaskGroup() as group:
                for number, data in sent.items():
                    group.create_task(asyncio.to_thread(fakepbx.play, port, data, random.Random(number)))
            await capture.got("main", sum(map(len, sent.values())))
            await capture.until(lambda: not capture.status("main")["connections"], "all closed")

    asyncio.run(scenario())
    assert sorted(received(tmp_path / "journal").values()) == sorted(sent.values())
    opened_and_closed(tmp_path / "journal")


def test_numbers_of_sources_go_on_after_a_restart(tmp_path: Path) -> None:
    async def once() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            await asyncio.to_thread(fakepbx.play, capture.port("main"), b"one\r\n")
            await capture.got("main", 5)

    for _ in range(3):
        asyncio.run(once())
    assert sorted(received(tmp_path / "journal")) == ["main/1", "main/2", "main/3"]


def test_only_allowed_addresses_are_taken(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY, ["192.0.2.0/24", "10.0.0.1"]))
            await capture.state("main", "listening")
            port = capture.port("main")
            for _ in range(5):
                await asyncio.to_thread(_is_sent_away, port)
            assert capture.status("main")["refused"] == 5
            await capture.apply(Setting("main", ANY, ["127.0.0.0/8"]))
            assert capture.port("main") == port, "a new list does not move the port"
            peer = fakepbx.dial(port)
            peer.sendall(b"let in\r\n")
            await capture.got("main", 8)
            await capture.apply(Setting("main", ANY, ["192.0.2.0/24"]))
            await asyncio.to_thread(_ended, peer)

    asyncio.run(scenario())
    assert of_feed(tmp_path / "journal", "main") == b"let in\r\n"
    told = [link for link in links(tmp_path / "journal", "main") if link["event"] == "refused"]
    assert [link["counts"]["refused"] for link in told] == [1, 4], (
        "one at once, the others of that moment together"
    )
    closed = [link["detail"] for link in links(tmp_path / "journal", "main") if link["event"] == "closed"]
    assert closed == ["no longer in the list of allowed addresses"]


def test_ipv4_over_a_port_of_both_kinds_is_allowed_as_ipv4(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", "tcp-listen:*:0", ["127.0.0.0/8"]))
            await capture.state("main", "listening")
            await asyncio.to_thread(fakepbx.play, capture.port("main"), b"in\r\n")
            await capture.got("main", 4)

    asyncio.run(scenario())
    assert links(tmp_path / "journal", "main")[0]["peer"].startswith("127.0.0.1:")


def test_many_fast_senders_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait for the journal do not all take their turn at once."""
    data = {number: fakepbx.lines(7000, f"pbx{number}") for number in range(150)}
    most = 0

    async def scenario() -> None:
        nonlocal most
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            really = capture.writer.append

            def note(kind: Kind, source: str, payload: bytes) -> Origin:
                nonlocal most
                origin = really(kind, source, payload)
                most = max(most, capture.writer.pending)
                return origin

            monkeypatch.setattr(capture.writer, "append", note)
            port = capture.port("main")
            async with asyncio.TaskGroup() as group:
                for number in data:
                    group.create_task(asyncio.to_thread(_send, port, data[number]))
            await capture.got("main", sum(map(len, data.values())))

    asyncio.run(scenario())
    assert MOST_PENDING < most < MOST_PENDING + 3 * CHUNK_BYTES, most
    assert sorted(received(tmp_path / "journal").values()) == sorted(data.values())


def _send(port: int, data: bytes) -> None:
    with fakepbx.dial(port) as peer:
        peer.sendall(data)


def test_more_connections_than_allowed_are_refused_and_counted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY + "?most=3"))
            await capture.state("main", "listening")
            kept = [fakepbx.dial(capture.port("main")) for _ in range(3)]
            await capture.until(lambda: capture.status("main")["connections"] == 3, "three")
            await asyncio.to_thread(_is_sent_away, capture.port("main"))
            kept[0].sendall(b"still here\r\n")
            await capture.got("main", 12)
            kept.pop().close()
            await capture.until(lambda: capture.status("main")["connections"] == 2, "two")
            fresh = fakepbx.dial(capture.port("main"))
            fresh.sendall(b"in now\r\n")
            await capture.got("main", 20)
            for peer in [fresh, *kept]:
                peer.close()

    asyncio.run(scenario())
    assert events(tmp_path / "journal", "main").count("refused") == 1


def test_all_feeds_share_the_descriptors(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            capture.shared.quota = Quota(2)
            await capture.apply(Setting("a", ANY), Setting("b", ANY))
            await capture.state("b", "listening")
            first, second = fakepbx.dial(capture.port("a")), fakepbx.dial(capture.port("b"))
            await capture.until(lambda: capture.shared.quota.taken == 2, "both are taken")
            await asyncio.to_thread(_is_sent_away, capture.port("a"))
            first.close()
            second.close()
            await capture.until(lambda: capture.shared.quota.taken == 0, "given back")

    asyncio.run(scenario())


def test_a_reset_is_a_loss_and_its_bytes_are_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            peer = fakepbx.dial(capture.port("main"))
            peer.sendall(b"last words")
            fakepbx.reset(peer)
            await capture.until(lambda: capture.status("main")["losses"] == 1, "the loss")
            await capture.state("main", "listening")

    asyncio.run(scenario())
    assert of_feed(tmp_path / "journal", "main") == b"last words"
    assert events(tmp_path / "journal", "main") == ["open", "lost"]


def test_bytes_stay_in_the_kernel_until_they_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            really = capture.writer.sync

            def slowly() -> object:
                assert go_on.wait(20)
                return really()

            monkeypatch.setattr(capture.writer, "sync", slowly)
            peer = fakepbx.dial(capture.port("main"))
            peer.sendall(b"x" * 1000)
            await capture.until(lambda: capture.status("main")["bytes"] == 1000, "the bytes are read")
            listener = capture.feeds.running["main"].changed.__self__  # type: ignore[union-attr]
            (connection,) = listener.tasks.values()
            assert _waiting(connection.peer) == 1000
            go_on.set()
            await capture.until(lambda: _waiting(connection.peer) == 0, "they are taken out")
            peer.close()

    asyncio.run(scenario())
    assert of_feed(tmp_path / "journal", "main") == b"x" * 1000


def _waiting(peer: socket.socket) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(peer, termios.FIONREAD, count)
    return count[0]


def test_what_waits_twice_is_counted_right_while_bytes_arrive() -> None:
    """Of a connection's bytes 100 are journaled and not taken out, whatever comes in between two looks."""
    server = fakepbx.Server()
    code = f"import socket\nfor peer in [socket.create_connection(('127.0.0.1', {server.port}))]:\n while peer.send(b'x'): pass"
    sender = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    taken, found, rests = 0, set(), set()
    try:
        with server.accept() as peer:
            until(lambda: _waiting(peer) > 1000)
            for _ in range(20_000):
                found.add(tcp.waiting_twice(peer, Source(size=taken + 100, tail=b"x" * 64)))
                waiting = _waiting(peer)
                rests.add(waiting)
                if waiting > 20_000:
                    taken += len(peer.recv(waiting - 1000))
    finally:
        sender.kill()
        sender.wait()
        server.close()
    assert found == {(100, 0)}
    assert len(rests) > 3, "bytes did come in between"


def test_urgent_bytes_stay_in_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            with fakepbx.dial(capture.port("main")) as peer:
                peer.sendall(b"abc")
                peer.send(b"!", socket.MSG_OOB)
                peer.sendall(b"def")
            await capture.got("main", 7)

    asyncio.run(scenario())
    assert of_feed(tmp_path / "journal", "main") == b"abc!def"


def test_a_port_in_use_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "RETRY_S", 0.05)

    async def scenario() -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"tcp-listen:{port}"), Setting("other", ANY))
            await capture.state("main", "failed")
            assert capture.status("main")["detail"] == f"port {port} is in use by another program"
            await capture.state("other", "listening")
            taken.close()
            await capture.state("main", "listening")
            assert capture.status("main")["detail"] == f"on 127.0.0.1:{port}"

    asyncio.run(scenario())


def test_what_has_arrived_is_journaled_at_a_clean_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = fakepbx.lines(20_000)

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            peer = fakepbx.dial(capture.port("main"))
            peer.sendall(data[:1000])
            await capture.got("main", 1000)
            monkeypatch.setattr(tcp, "CHUNK_BYTES", 100)  # so that most of it is not read yet
            peer.sendall(data[1000:50_000])
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert of_feed(tmp_path / "journal", "main") == data[:50_000]
    assert events(tmp_path / "journal", "main") == ["open", "closed"]


def test_reading_waits_while_the_journal_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flow control: the PBX cannot send on, and nothing of what it had sent is lost."""
    data = fakepbx.lines(700_000)

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            peer = fakepbx.dial(capture.port("main"))
            peer.sendall(data[:100])
            await capture.got("main", 100)
            await _fill(capture, monkeypatch)
            sent = 100 + await asyncio.to_thread(_push, peer, data[100:])
            assert sent < len(data), "the sender must be held up"
            assert capture.status("main")["bytes"] < 1_000_000
            _empty(capture, monkeypatch)
            await asyncio.to_thread(peer.sendall, data[sent:])
            peer.close()
            await capture.got("main", len(data))

    asyncio.run(scenario())
    assert of_feed(tmp_path / "journal", "main") == data
    told = [link for link in links(tmp_path / "journal", "main") if link["event"] == "resumed"]
    assert told and all(link["counts"]["paused_ms"] > 500 for link in told)


async def _fill(capture: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space for feeds any more, as if the disk had filled up."""
    monkeypatch.setattr(capture.writer, "owner_share_bytes", 1 << 60)
    capture.writer.check_space()
    with fakepbx.dial(capture.port("main")) as other:  # one more record finds out
        other.sendall(b"")
        await capture.until(lambda: capture.committer.full, "full")


def _empty(capture: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture.writer, "owner_share_bytes", 0)


def _push(peer: socket.socket, data: bytes) -> int:
    """How much can be sent until nothing goes for a second."""
    peer.settimeout(1.0)
    sent = 0
    try:
        while sent < len(data):
            sent += peer.send(data[sent : sent + 65536])
    except TimeoutError:
        peer.settimeout(fakepbx.GIVE_UP_S)
    return sent


def _is_sent_away(port: int) -> None:
    with fakepbx.dial(port) as peer:
        _ended(peer)


def _ended(peer: socket.socket) -> None:
    try:
        assert peer.recv(10) == b""
    except ConnectionResetError:
        return
