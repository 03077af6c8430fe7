"""Capture is killed (SIGKILL) at random moments while PBXs send: no byte is lost, none comes twice.

CAPTURE_KILLS sets how often; `make long-tests` kills LONG_KILLS times (results stand in docs/measured.md).
"""

import os
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import fakepbx
from bluewhale.config import Feed
from capturing import Role, events, links, of_feed, opened_and_closed, received, role
from waiting import until

ANY = "tcp-listen:127.0.0.1:0"
KILLS = int(os.environ.get("CAPTURE_KILLS", "6"))
LONG_KILLS = 300


class Senders:
    """PBXs that send for as long as they are asked to, each on one connection, line or file that never ends."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.sent: dict[str, bytearray] = {}
        self._threads: list[threading.Thread] = []

    def add(self, name: str, send: Callable[[bytes], object], pause_s: float) -> None:
        self.sent[name] = bytearray()
        thread = threading.Thread(target=self._run, args=(name, send, pause_s))
        self._threads.append(thread)
        thread.start()

    def _run(self, name: str, send: Callable[[bytes], object], pause_s: float) -> None:
        dice = random.Random(name)
        number = 0
        while not self.stop.is_set():
            burst = b"".join(
                b"%s %08d\r\n" % (name.encode(), number + n) for n in range(dice.randrange(1, 40))
            )
            number += burst.count(b"\n")
            send(burst)
            self.sent[name] += burst
            time.sleep(dice.random() * pause_s)

    def end(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(60)


def kill_often(capture: Role, kills: int, dice: random.Random) -> None:
    for _ in range(kills):
        time.sleep(dice.random() * 0.5)
        capture.kill()
        time.sleep(dice.random() * 0.2)
        capture.start()


def test_kills_while_pbxs_send_over_tcp_serial_and_files(tmp_path: Path) -> None:
    kills_while_pbxs_send(tmp_path, KILLS)


@pytest.mark.long
def test_many_kills_while_pbxs_send(tmp_path: Path) -> None:
    kills_while_pbxs_send(tmp_path, LONG_KILLS)


def kills_while_pbxs_send(tmp_path: Path, kills: int) -> None:
    (tmp_path / "in").mkdir()
    line = fakepbx.Line(tmp_path / "tty")
    server = fakepbx.Server()
    feeds = [
        Feed("main", ANY),
        Feed("out", f"tcp:127.0.0.1:{server.port}"),
        Feed("line", f"serial:{line.device}?baud=115200"),
        Feed("dir", f"folder:{tmp_path / 'in'}?glob=*.csv"),
    ]
    senders = Senders()
    with role(tmp_path, feeds) as capture, (tmp_path / "in" / "cdr.csv").open("ab", buffering=0) as file:
        peers = [fakepbx.dial(capture.port("main")) for _ in range(3)]
        peers.append(server.accept())
        capture.until_state("line", "open")
        for number, peer in enumerate(peers):
            peer.settimeout(60)
            senders.add(f"tcp{number}", peer.sendall, 0.01)
        senders.add("line", lambda data: line.send(data, 60), 0.02)
        senders.add("file", file.write, 0.02)
        kill_often(capture, kills, random.Random(kills))
        senders.end()
        for peer in peers:
            peer.close()
        wanted = sorted(bytes(data) for data in senders.sent.values())
        total = sum(map(len, wanted))
        until(lambda: sum(map(len, received(capture.journal).values())) >= total, 30, "all bytes")
        until(lambda: events(capture.journal, "main").count("closed") == 3, 20, "the connections are closed")
        code, _ = capture.stop()
        assert code == 0
        assert sorted(received(capture.journal).values()) == wanted
        opened_and_closed(capture.journal)
        assert events(capture.journal, "line") == ["open", "closed"], "the line stayed open all the time"
    line.close()
    server.close()


def test_connections_made_while_capture_is_dead_wait_for_it(tmp_path: Path) -> None:
    with role(tmp_path, [Feed("main", ANY)]) as capture:
        port = capture.port("main")
        capture.kill()
        peers = [fakepbx.dial(port) for _ in range(10)]
        for number, peer in enumerate(peers):
            peer.sendall(b"%d\r\n" % number)
            peer.close()
        capture.start()
        assert capture.port("main") == port
        until(lambda: len(received(capture.journal)) == 10, 15, "ten sources")
    assert sorted(received(capture.journal).values()) == [b"%d\r\n" % number for number in range(10)]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_pbx_that_ends_while_capture_is_dead(tmp_path: Path, how: str) -> None:
    with role(tmp_path, [Feed("main", ANY)]) as capture:
        peer = fakepbx.dial(capture.port("main"))
        peer.sendall(b"before\r\n")
        until(lambda: of_feed(capture.journal, "main") == b"before\r\n")
        capture.kill()
        peer.sendall(b"meanwhile\r\n")
        fakepbx.reset(peer) if how == "reset" else peer.close()
        capture.start()
        until(lambda: len(events(capture.journal, "main")) == 2, 15, "its end")
        until(lambda: not capture.kept.keys() - {"listen|main"}, 10, "nothing of it is kept")
        assert of_feed(capture.journal, "main") == b"before\r\nmeanwhile\r\n"
        assert events(capture.journal, "main") == ["open", "closed" if how == "close" else "lost"]


def test_without_a_supervisor_what_was_open_is_lost_and_told(tmp_path: Path) -> None:
    line = fakepbx.Line(tmp_path / "tty")
    with role(tmp_path, [Feed("main", ANY), Feed("line", f"serial:{line.device}")], keep=False) as capture:
        peer = fakepbx.dial(capture.port("main"))
        peer.sendall(b"half")
        capture.until_state("line", "open")
        line.send(b"whole\r\n")
        until(lambda: of_feed(capture.journal, "main") == b"half")
        until(lambda: of_feed(capture.journal, "line") == b"whole\r\n")
        capture.kill()
        capture.start()
        capture.until_state("line", "open")
        until(lambda: "lost" in events(capture.journal, "main"))
        fakepbx.play(capture.port("main"), b"again")
        until(lambda: of_feed(capture.journal, "main") == b"halfagain")
        opened_and_closed(capture.journal)
    line.close()
    assert [link["event"] for link in links(capture.journal, "main")][:3] == ["open", "lost", "open"]
    assert events(capture.journal, "line") == ["open", "lost", "open"]
    assert links(capture.journal, "main")[1]["detail"] == "capture was restarted"


def test_settings_that_changed_while_capture_was_dead(tmp_path: Path) -> None:
    """A feed of the file with another format tells so again; one that is gone lets go of its connections."""
    with role(tmp_path, [Feed("main", ANY), Feed("gone", ANY)]) as capture:
        peer, other = fakepbx.dial(capture.port("main")), fakepbx.dial(capture.port("gone"))
        peer.sendall(b"one\r\n")
        other.sendall(b"two\r\n")
        until(lambda: len(received(capture.journal)) == 2)
        capture.kill()
        capture.config = type(capture.config)(
            data=str(capture.data), feed=[Feed("main", ANY, format="panasonic")]
        )
        capture.write_config()
        capture.start()
        assert other.recv(10) == b"", "its connection is closed"
        peer.sendall(b"three\r\n")
        until(lambda: of_feed(capture.journal, "main") == b"one\r\nthree\r\n")
        opened = [link for link in links(capture.journal, "main") if link["event"] == "open"]
        assert [link["declared"]["format"] for link in opened] == ["auto", "panasonic"]
        assert {link["source"] for link in opened} == {"main/1"}
        assert events(capture.journal, "gone") == ["open", "closed"]
        peer.close()


def test_a_replay_of_many_lines_with_kills(tmp_path: Path) -> None:
    """One connection at full speed, as `bluewhale replay` does: the bytes in flight are large."""
    data = fakepbx.lines(600_000)
    with role(tmp_path, [Feed("main", ANY)]) as capture:
        peer = fakepbx.dial(capture.port("main"))
        peer.settimeout(60)
        thread = threading.Thread(target=lambda: (peer.sendall(data), peer.shutdown(socket.SHUT_WR)))
        dice = random.Random(2)
        thread.start()
        for _ in range(max(3, KILLS // 2)):
            time.sleep(0.02 + dice.random() * 0.1)
            capture.kill()
            capture.start()
        thread.join(60)
        until(lambda: events(capture.journal, "main") == ["open", "closed"], 30, "the end")
        peer.close()
        assert received(capture.journal) == {"main/1": data}
