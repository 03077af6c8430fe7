"""`replay:` feeds, and `bluewhale replay`, which plays a capture to a box."""

import asyncio
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import fakepbx
from bluewhale.capture import replay
from bluewhale.capture.running import Setting
from capturing import events, inside, links, of_feed


def test_a_file_is_played_once(tmp_path: Path) -> None:
    data = fakepbx.hostile(random.Random(4)) * 2 + fakepbx.lines(500)
    (tmp_path / "capture.raw").write_bytes(data)
    url = f"replay:{tmp_path / 'capture.raw'}"

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", url))
            await capture.state("main", "off")

    asyncio.run(run())
    asyncio.run(run())
    assert of_feed(tmp_path / "journal", "main") == data
    assert events(tmp_path / "journal", "main") == ["open", "closed"]


def test_a_play_goes_on_after_a_restart(tmp_path: Path) -> None:
    data = fakepbx.lines(120)
    (tmp_path / "capture.raw").write_bytes(data)
    url = f"replay:{tmp_path / 'capture.raw'}?rate=400"

    async def run(until_bytes: int) -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", url))
            await capture.got("main", until_bytes)

    asyncio.run(run(1000))
    assert 0 < len(of_feed(tmp_path / "journal", "main")) < len(data)
    (tmp_path / "capture" / "tally.json").unlink(missing_ok=True)
    asyncio.run(run(1000))
    asyncio.run(run(len(data) - len(of_feed(tmp_path / "journal", "main"))))
    assert of_feed(tmp_path / "journal", "main") == data
    assert events(tmp_path / "journal", "main")[0] == "open"
    assert len({link["source"] for link in links(tmp_path / "journal", "main")}) == 1


def test_a_rate_is_kept(tmp_path: Path) -> None:
    (tmp_path / "capture.raw").write_bytes(fakepbx.lines(100))

    async def run() -> float:
        async with inside(tmp_path) as capture:
            began = time.monotonic()
            await capture.apply(Setting("main", f"replay:{tmp_path / 'capture.raw'}?rate=200"))
            await capture.state("main", "off")
            return time.monotonic() - began

    assert 0.4 < asyncio.run(run()) < 3.0


def test_a_missing_file_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "RETRY_S", 0.02)

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"replay:{tmp_path / 'later'}"))
            await capture.state("main", "failed")
            assert "No such file" in capture.status("main")["detail"]
            (tmp_path / "later").write_bytes(b"here\n")
            await capture.state("main", "off")

    asyncio.run(run())
    assert of_feed(tmp_path / "journal", "main") == b"here\n"


@pytest.mark.parametrize("rate", [1, 7, 1000, 10_000_000])
def test_parts_are_the_whole(rate: int) -> None:
    for data in (b"", b"no end", b"a\nb\n\n\nc", fakepbx.lines(300) + b"rest"):
        found = list(replay.parts(data, rate))
        assert b"".join(part for part, _ in found) == data
        assert all(lines <= max(1, rate // 20) and part.count(b"\n") == lines for part, lines in found)


def play(*arguments: str, data: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "bluewhale", "replay", *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=60)


def taken(server: fakepbx.Server) -> bytes:
    """All that one connection sends."""
    with server.accept() as peer:
        parts = []
        while data := peer.recv(65536):
            parts.append(data)
        return b"".join(parts)


def test_the_command_plays_over_tcp(tmp_path: Path) -> None:
    data = fakepbx.hostile(random.Random(9)) + fakepbx.lines(2000)
    (tmp_path / "capture.raw").write_bytes(data)
    server = fakepbx.Server()
    for arguments, given in (([str(tmp_path / "capture.raw")], None), (["-"], data)):
        found: list[bytes] = []
        thread = threading.Thread(target=lambda into=found: into.append(taken(server)))  # type: ignore[misc]
        thread.start()
        done = play(*arguments, "--to", f"tcp:127.0.0.1:{server.port}", data=given)
        thread.join(20)
        assert done.returncode == 0, done.stderr
        assert found == [data]
        count = data.count(b"\n")
        assert f"{count} lines, {len(data)} bytes".encode() in done.stderr
    server.close()


def test_the_command_plays_over_a_serial_line_into_a_feed(tmp_path: Path) -> None:
    data = fakepbx.lines(300)
    (tmp_path / "capture.raw").write_bytes(data)
    pair = [f"pty,raw,echo=0,link={tmp_path / name}" for name in ("pbx", "box")]
    socat = subprocess.Popen(["socat", *pair])

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.until(lambda: (tmp_path / "pbx").exists() and (tmp_path / "box").exists(), "socat")
            await capture.apply(Setting("main", f"serial:{tmp_path / 'box'}?baud=1200"))
            await capture.state("main", "open")
            done = await asyncio.to_thread(
                play,
                str(tmp_path / "capture.raw"),
                "--to",
                f"serial:{tmp_path / 'pbx'}",
                "--baud",
                "1200",
                "--rate",
                "600",
            )
            assert done.returncode == 0, done.stderr
            await capture.got("main", len(data))

    try:
        asyncio.run(run())
    finally:
        socat.kill()
        socat.wait()
    assert of_feed(tmp_path / "journal", "main") == data


def test_the_command_keeps_a_rate(tmp_path: Path) -> None:
    server = fakepbx.Server()
    thread = threading.Thread(target=taken, args=(server,))
    thread.start()
    began = time.monotonic()
    assert (
        play("-", "--to", f"tcp:127.0.0.1:{server.port}", "--rate", "50", data=fakepbx.lines(50)).returncode
        == 0
    )
    assert 0.9 < time.monotonic() - began < 5
    thread.join(20)
    server.close()


def test_the_command_says_why_not(tmp_path: Path) -> None:
    server = fakepbx.Server()
    port = server.port
    server.close()
    cases = [
        (["-", "--to", f"tcp:127.0.0.1:{port}"], 3, b"Connection refused"),
        ([str(tmp_path / "none"), "--to", f"tcp:127.0.0.1:{port}"], 3, b"No such file"),
        (["-", "--to", "serial:/dev/no-such-line"], 3, b"No such file"),
        (["-", "--to", "folder:/tmp"], 2, b"neither tcp:HOST:PORT nor serial:DEVICE"),
        (["-", "--to", "tcp:9000"], 2, b"not HOST:PORT"),
        (["-", "--to", "serial:/dev/x", "--baud", "fast"], 2, b"baud: 'fast'"),
        (["-", "--to", f"tcp:127.0.0.1:{port}", "--rate", "0"], 2, b"no number of lines"),
    ]
    for arguments, code, text in cases:
        done = play(*arguments, data=b"x\n")
        assert (done.returncode, text in done.stderr) == (code, True), (arguments, done)
        assert done.stderr.count(b"\n") == 1, done.stderr


def test_a_connection_lost_on_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "capture.raw").write_bytes(fakepbx.lines(400_000))
    server = fakepbx.Server()

    def hang_up() -> None:
        peer = server.accept()
        peer.recv(1000)
        fakepbx.reset(peer)

    thread = threading.Thread(target=hang_up)
    thread.start()
    done = play(str(tmp_path / "capture.raw"), "--to", f"tcp:127.0.0.1:{server.port}")
    thread.join(20)
    server.close()
    assert done.returncode == 3
    assert b"after" in done.stderr
