"""Connections that capture makes: again and again, with growing waits, and never in a neighbour's way."""

import asyncio
import socket
from pathlib import Path

import pytest

import fakepbx
from bluewhale.capture import connect
from bluewhale.capture.running import Setting
from capturing import inside, of_feed, opened_and_closed

ANY = "tcp-listen:127.0.0.1:0"


def test_an_outgoing_connection_comes_back_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(connect, "MOST_WAIT_S", 0.1)

    async def scenario() -> None:
        pbx = fakepbx.Server()
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"tcp:127.0.0.1:{pbx.port}"))
            for number in range(3):
                peer = await asyncio.to_thread(pbx.accept)
                peer.sendall(b"%d\r\n" % number)
                await capture.state("main", "open")
                await capture.got("main", 3 * (number + 1))
                (fakepbx.reset if number == 1 else socket.socket.close)(peer)
                await capture.until(lambda n=number: capture.status("main")["losses"] == n + 1, "lost")  # type: ignore[misc]
            pbx.close()
            await capture.until(lambda: "Connection refused" in capture.status("main")["detail"], "says why")
            assert capture.status("main")["state"] == "lost"
            back = fakepbx.Server(pbx.port)
            peer = await asyncio.to_thread(back.accept)
            peer.sendall(b"back\r\n")
            await capture.got("main", 15)
            peer.close()
            back.close()

    asyncio.run(scenario())
    assert of_feed(tmp_path / "journal", "main") == b"0\r\n1\r\n2\r\nback\r\n"
    opened_and_closed(tmp_path / "journal")


def test_the_waits_grow_to_half_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            really = asyncio.sleep

            async def note(seconds: float) -> None:
                waits.append(seconds)
                await really(0)

            monkeypatch.setattr(connect.asyncio, "sleep", note)
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            await capture.apply(Setting("main", f"tcp:127.0.0.1:{port}"))
            await capture.until(lambda: len([w for w in waits if w > 0.2]) > 20, "twenty tries")

    asyncio.run(scenario())
    tries = [wait for wait in waits if wait > 0.2]
    assert max(tries) <= 30 and min(tries[10:20]) >= 15
    assert len({round(wait, 3) for wait in tries[10:20]}) > 5, "boxes do not all come at once"


def test_a_host_that_is_none_does_not_stop_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", "tcp:no-such-host.invalid:99"), Setting("other", ANY))
            await capture.state("other", "listening")
            await capture.until(
                lambda: "no-such-host.invalid:99" in capture.status("main")["detail"], "says why"
            )
            assert capture.status("main")["state"] == "connecting"

    asyncio.run(scenario())
