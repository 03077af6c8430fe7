"""The whole box: first call, kill -9 of each role, a stopped web role, hostile bytes, stop within 5 s."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boxes import Box, running
from waiting import until

LINE = "2008/06/28 09:28:41,00:00:{s:02d},9,{ext},O,{num},{num},,0,{id},0,E{ext},Joe Bloggs,T9161,LINE 5.1,0,0\r\n"
LONG = int(os.environ.get("BOX_LINES", "6000"))


def ipoffice(count: int, seed: int = 1) -> bytes:
    """`count` outgoing calls, every one different."""
    dice = random.Random(seed)
    return "".join(
        LINE.format(s=dice.randrange(60), ext=200 + dice.randrange(300), num=f"0207946{dice.randrange(10000):04d}", id=1000000 + i)
        for i in range(count)
    ).encode()  # fmt: skip


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with running(tmp_path_factory.mktemp("box")) as box:
        yield box


def totals(box: Box) -> tuple[int, int]:
    calls = box.calls()
    return len(calls), sum(c.get("charge_micros") or 0 for c in calls)


def test_one_line_over_tcp_becomes_a_rated_call(box: Box) -> None:
    before = box.lines()
    box.send(LINE.format(s=30, ext="215", num="02079460123", id=1000001).encode())
    until(lambda: box.lines() == before + 1, 10, "the line")
    call = next(c for c in box.calls() if c["extension"] == "215")
    assert (call["direction"], call["called"], call["talk_s"]) == ("outgoing", "02079460123", 30)
    assert call["charge_micros"] > 0
    assert call["currency"]


def test_the_page_is_up_and_asks_for_the_code(box: Box) -> None:
    status, body = box.get("/healthz")
    assert status == 200, body
    assert len(box.code.replace("-", "")) == 10
    status, body = box.get("/api/v1/calls")
    assert status in {401, 403}, "nothing is told before set-up"
    assert box.code.encode() not in (box.data / "log" / "bluewhale.log").read_bytes()


def test_hostile_bytes_change_only_counters(box: Box) -> None:
    before = box.lines()
    dice = random.Random(7)
    hostile = [dice.randbytes(5000), b"A" * 300_000, b"\0" * 5000, b"\xff\xfe\xc0" * 500, b"half a line"]
    for data in hostile:
        box.send(data)
    good = ipoffice(200, seed=3)
    box.send(good)
    until(lambda: box.lines() >= before + 200, 30, "the good lines")
    until(lambda: box.status("ledger")["backlog_bytes"] == 0, 30, "no backlog")
    assert box.lines() == before + 200
    assert box.status("ledger")["rejects"] >= 3


def test_a_stopped_page_delays_nobody(box: Box) -> None:
    before = box.lines()
    pid = box.pid("web")
    os.kill(pid, signal.SIGSTOP)
    try:
        box.send(ipoffice(500, seed=4))
        until(lambda: box.lines() == before + 500, 20, "500 lines while the page sleeps")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert until(lambda: box.get("/healthz")[0] == 200, 10)


def test_kill_9_of_each_role_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The issue's 200,000 lines: BOX_LINES=200000 (result in docs/measured.md)."""
    data = ipoffice(LONG)
    capture = tmp_path / "capture.raw"
    capture.write_bytes(data)
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    with running(quiet) as undisturbed:
        assert play(undisturbed, capture).wait(600) == 0
        until(lambda: undisturbed.lines() == LONG, 600, "all lines")
        expected = totals(undisturbed)
    assert expected[0] == LONG
    shaken = tmp_path / "shaken"
    shaken.mkdir()
    with running(shaken) as box:
        player = play(box, capture, rate=LONG // 6)
        for step, role in enumerate(
            ("capture", "ledger", "health", "web", "snmp", "capture", "ledger"), start=1
        ):
            until(
                lambda s=step: box.status("capture")["journal"]["feed"] > s * len(data) // 12, 120, "progress"
            )  # type: ignore[misc]
            box.kill(role)
        assert player.wait(600) == 0
        until(lambda: box.lines() == LONG, 600, "all lines")
        assert totals(box) == expected


def play(box: Box, capture: Path, rate: int | None = None) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "bluewhale",
        "replay",
        str(capture),
        "--to",
        f"tcp:127.0.0.1:{box.feed_port}",
    ]
    return subprocess.Popen(command + (["--rate", str(rate)] if rate else []), stderr=subprocess.DEVNULL)


def test_clean_stop_and_start_again(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        box.send(ipoffice(50))
        until(lambda: box.lines() == 50, 20, "the lines")
        before = totals(box)
        started = time.monotonic()
        assert box.stop() == 0
        assert time.monotonic() - started < 5.0
        box.start()
        box.send(ipoffice(50, seed=9))
        until(lambda: box.lines() == 100, 20, "more lines")
        assert totals(box)[0] == before[0] + 50
        verified = box.run("journal", "verify", "--data", str(box.data))
        assert verified


def test_a_second_start_says_why_not(box: Box) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale", "run", "--config", str(box.file)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 3
    assert "already runs" in done.stderr


def test_an_address_in_use_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "bluewhale", "run", "--data", str(tmp_path / "d"), "--listen", address],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert done.returncode == 3
    assert "--listen" in done.stderr


def test_a_path_too_long_for_sockets_says_what_to_do(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30)
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale", "run", "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert "`run`" in done.stderr
    assert not data.exists()
