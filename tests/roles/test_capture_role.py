"""The role as a process: start, settings, limits, hostile input, a clean stop."""

import json
import os
import random
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fakepbx
from bluewhale.config import Feed
from bluewhale.journal import reader
from bluewhale.model import Kind
from capturing import Role, events, links, of_feed, opened_and_closed, received, records, role
from waiting import until

ANY = "tcp-listen:127.0.0.1:0"


def marks(journal: Path) -> list[str]:
    return [json.loads(record.payload)["event"] for record in records(journal) if record.kind is Kind.MARK]


def test_an_empty_directory_becomes_a_box(tmp_path: Path) -> None:
    with role(tmp_path) as capture:
        until(lambda: (capture.data / "run" / "capture.json").exists(), what="the status file")
        assert json.loads((capture.data / "box.json").read_bytes())["box"]
        status = capture.status()
        assert status["feeds"] == [] and status["journal"]["seq"] >= 1 and not status["journal"]["full"]
        assert set(status["journal"]) == {"id", "feed", "owner", "seq", "commits", "pending_bytes", "full"}
        code, took = capture.stop()
        assert (code, took < 5) == (0, True)
    assert marks(capture.journal) == ["start", "stop"]


def test_the_status_has_what_others_read(tmp_path: Path) -> None:
    with role(tmp_path, [Feed("main", ANY)]) as capture:
        fakepbx.play(capture.port("main"), b"12345\r\n")
        until(lambda: capture.feed("main").get("bytes") == 7, what="the bytes are in the status")
        feed = capture.feed("main")
    assert set(feed) == {
        "name", "url", "state", "since_us", "bytes", "chunks", "last_us", "opens", "losses", "line_errors", "refused",
        "connections", "detail",
    }  # fmt: skip
    assert abs(feed["last_us"] - time.time_ns() / 1000) < 60e6
    assert (feed["url"], feed["opens"], feed["losses"]) == (ANY, 1, 0)


def test_settings_are_followed_while_it_runs(tmp_path: Path) -> None:
    line = fakepbx.Line(tmp_path / "tty")
    with role(tmp_path, [Feed("file", ANY)]) as capture:
        capture.until_state("file", "listening")
        peer = fakepbx.dial(capture.port("file"))
        owner = {
            "name": "line",
            "url": f"serial:{line.device}",
            "source": "owner",
            "format": "auto",
            "options": {},
        }
        capture.publish([owner])
        capture.until_state("line", "open")
        line.send(b"over the line\r\n")
        capture.publish([owner | {"enabled": False}])
        capture.until_state("line", "off")
        capture.publish([owner | {"url": "serial:/dev/nothing?baud=x"}])
        capture.until_state("line", "failed")
        capture.publish([])
        until(lambda: capture.feed("line")["state"] == "", what="the feed is gone")
        peer.sendall(b"still connected\r\n")
        until(lambda: of_feed(capture.journal, "file") == b"still connected\r\n")
    line.close()
    assert of_feed(capture.journal, "line") == b"over the line\r\n"
    assert events(capture.journal, "line") == [
        "open",
        "closed",
        "settings",
        "settings",
        "settings",
        "settings",
    ]


def test_the_last_good_settings_hold_without_the_ledger(tmp_path: Path) -> None:
    with role(tmp_path) as capture:
        capture.publish([{"name": "main", "url": ANY}])
        capture.until_state("main", "listening")
        capture.stop()
        capture.config.settings_file("capture").write_text("{damaged")
        capture.start()
        capture.until_state("main", "listening")


def test_a_clean_stop_under_load_takes_less_than_5_s(tmp_path: Path) -> None:
    dice = random.Random(1)
    data = fakepbx.lines(200)
    with role(tmp_path, [Feed("main", ANY), Feed("dir", f"folder:{tmp_path}?glob=*.csv")]) as capture:
        (tmp_path / "a.csv").write_bytes(data[:500])
        peers = [fakepbx.dial(capture.port("main")) for _ in range(200)]
        for peer in peers:
            peer.sendall(data[: dice.randrange(1, len(data))])
        until(lambda: capture.feed("main")["connections"] == 200, what="all are in")
        until(lambda: capture.feed("dir").get("bytes") == 500, what="the file is read")
        code, took = capture.stop()
        assert (code, took < 5) == (0, True), took
        assert marks(capture.journal)[-1] == "stop"
        assert events(capture.journal, "main").count("closed") == 200
        assert events(capture.journal, "dir") == ["open"], "a file goes on after the next start"
        for peer in peers:
            assert ended(peer), "the connection is closed, although the supervisor held a copy of it"
        until(lambda: not capture.kept, what="the supervisor keeps nothing")


def test_a_second_capture_says_who_writes(tmp_path: Path) -> None:
    with role(tmp_path) as capture:
        assert capture.process is not None
        done = subprocess.run(
            [sys.executable, "-m", "bluewhale", "role", "capture", "--config", str(capture.file)],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 3
        assert f"process {capture.process.pid} writes the journal" in done.stderr


def test_2000_connections_hurt_nobody(tmp_path: Path) -> None:
    """A feed takes 1024 of them; another feed's record is durable at once all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    peers: list[socket.socket] = []
    try:
        with role(tmp_path, [Feed("main", ANY), Feed("other", ANY)]) as capture:
            other = fakepbx.dial(capture.port("other"))
            port = capture.port("main")
            for number in range(2000):
                peers.append(fakepbx.dial(port))
                if number % 20 == 0:
                    other.sendall(b"%06d\r\n" % number)
            until(lambda: capture.feed("main").get("refused") == 976, 20, "976 are refused")
            until(lambda: capture.feed("main")["connections"] == 1024, 10, "1024 are in")
            for peer in peers[:1024]:
                peer.sendall(b"x\r\n")
            until(lambda: capture.feed("main")["bytes"] == 3 * 1024, 20, "each of them is heard")
            before = reader.ends(capture.journal).seq
            began = time.monotonic()
            other.sendall(b"now\r\n")
            until(lambda: reader.ends(capture.journal).seq > before, 5)
            assert time.monotonic() - began < 1.0
            for peer in peers:
                peer.close()
            until(lambda: capture.feed("main")["connections"] == 0, 20, "all are gone")
            assert len(of_feed(capture.journal, "other")) == 100 * 8 + 5
            code, _ = capture.stop()
            assert code == 0
            told = [link for link in links(capture.journal, "main") if link["event"] == "refused"]
            assert sum(link["counts"]["refused"] for link in told) == 976
            assert len(told) <= 5, "refusals are not a record each"
        opened_and_closed(capture.journal)
    finally:
        for peer in peers:
            peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_hostile_bytes_are_kept_as_they_came(tmp_path: Path) -> None:
    dice = random.Random(6)
    sent = [fakepbx.hostile(dice) for _ in range(10)] + [
        bytes(100_000),
        b"A" * 3_000_000,
        b"\r\n",
        b"half a line",
    ]
    with role(tmp_path, [Feed("main", ANY)]) as capture:
        for data in sent:
            fakepbx.play(capture.port("main"), data, dice)
        until(lambda: sum(map(len, received(capture.journal).values())) == sum(map(len, sent)), 20)
        assert sorted(received(capture.journal).values()) == sorted(sent)
        assert capture.process is not None and capture.process.poll() is None
    opened_and_closed(capture.journal)


def test_a_full_disk_stops_the_feeds_and_not_the_box(tmp_path: Path) -> None:
    """A small file system fills up: the PBX is held up, nothing is lost, an owner's space stays."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or not _mount(disk):
        pytest.skip(
            "mounting a small file system needs root; test_capture_tcp shows the same with a feigned one"
        )
    try:
        data = fakepbx.lines(1_000_000)
        capture = Role(disk, [Feed("main", ANY)])
        capture.file.write_text(capture.file.read_text().replace("owner_share_mb = 0", "owner_share_mb = 2"))
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(40 << 20))
        capture.start()
        peer = fakepbx.dial(capture.port("main"))
        peer.settimeout(1.0)
        sent = 0
        try:
            while sent < len(data):
                sent += peer.send(data[sent : sent + 65536])
        except TimeoutError:
            until(lambda: capture.status()["journal"]["full"], 10, "full")
        assert sent < len(data), "the PBX must be held up"
        ballast.unlink()
        peer.settimeout(30)
        peer.sendall(data[sent:])
        peer.close()
        until(lambda: capture.feed("main").get("bytes") == len(data), 30, "all bytes")
        code, took = capture.stop()
        assert (code, took < 5) == (0, True)
        assert of_feed(capture.journal, "main") == data
        assert "resumed" in events(capture.journal, "main")
        capture.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _mount(disk: Path) -> bool:
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(disk)], capture_output=True)
    return made.returncode == 0


def ended(peer: socket.socket) -> bool:
    try:
        return peer.recv(10) == b""
    except ConnectionResetError:
        return True
