"""Serial lines over real tty pairs: bytes, settings, a device that vanishes, line errors, flow control."""

import asyncio
import errno
import fcntl
import os
import random
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import serial

import fakepbx
from bluewhale.capture import serial_line, urls
from bluewhale.capture.running import Setting
from bluewhale.capture.spill import MOST_BYTES, Spill
from capturing import events, inside, links, of_feed, opened_and_closed
from waiting import until


def test_bytes_are_identical_from_line_to_journal(tmp_path: Path) -> None:
    dice = random.Random(3)
    data = bytes(range(256)) * 20 + fakepbx.lines(1500) + fakepbx.hostile(dice)
    line = fakepbx.Line(tmp_path / "tty")

    def play() -> None:
        for piece in fakepbx.pieces(data, dice):
            line.send(piece)

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{line.device}?baud=9600&framing=8N1"))
            await capture.state("main", "open")
            await asyncio.to_thread(play)
            await capture.got("main", len(data))

    asyncio.run(scenario())
    line.close()
    assert of_feed(tmp_path / "journal", "main") == data
    assert events(tmp_path / "journal", "main") == ["open", "closed"]
    assert links(tmp_path / "journal")[0]["detail"] == "9600 8N1 flow none"


def test_socat_as_the_other_end(tmp_path: Path) -> None:
    assert shutil.which("socat"), "the tests need socat"
    pair = [f"pty,raw,echo=0,link={tmp_path / name}" for name in ("pbx", "box")]
    socat = subprocess.Popen(["socat", *pair])
    try:
        until(lambda: (tmp_path / "pbx").exists() and (tmp_path / "box").exists())
        data = fakepbx.lines(500)

        async def scenario() -> None:
            async with inside(tmp_path) as capture:
                await capture.apply(Setting("main", f"serial:{tmp_path / 'box'}?baud=115200"))
                await capture.state("main", "open")
                await asyncio.to_thread((tmp_path / "pbx").write_bytes, data)
                await capture.got("main", len(data))

        asyncio.run(scenario())
        assert of_feed(tmp_path / "journal", "main") == data
    finally:
        socat.kill()
        socat.wait()


@pytest.mark.parametrize(
    ("query", "input_flags", "control_flags", "speed"),
    [
        ("baud=19200&flow=rtscts", 0, termios.CRTSCTS, termios.B19200),
        ("baud=1200&flow=xonxoff", termios.IXON | termios.IXOFF, 0, termios.B1200),
        ("baud=4800&framing=8N2&flow=none", 0, termios.CSTOPB, termios.B4800),
    ],
)
def test_settings_are_in_force(
    tmp_path: Path, query: str, input_flags: int, control_flags: int, speed: int
) -> None:
    line = fakepbx.Line(tmp_path / "tty")
    wanted = termios.CRTSCTS | termios.CSTOPB
    unwanted = (
        termios.BRKINT | termios.ICRNL | termios.ISTRIP | termios.INPCK | termios.IGNCR | termios.PARMRK
    )

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{line.device}?{query}"))
            await capture.state("main", "open")
            iflag, cflag, in_force = line.settings
            assert iflag & (termios.IXON | termios.IXOFF) == input_flags
            assert not iflag & unwanted
            assert cflag & wanted == control_flags
            assert in_force == speed

    asyncio.run(scenario())
    line.close()


def test_framing_is_asked_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo terminal is always 8N, so what is handed to the driver is looked at on its way."""
    line = fakepbx.Line(tmp_path / "tty")
    asked: list[int] = []
    really = termios.tcsetattr

    def note(descriptor: int, when: int, attributes: list[int]) -> None:
        asked.append(attributes[2])
        really(descriptor, when, attributes)

    monkeypatch.setattr(termios, "tcsetattr", note)
    spec = urls.parse(f"serial:{line.device}?framing=7E2")
    assert isinstance(spec, urls.Serial)
    os.close(serial_line.open_line(spec))
    line.close()
    assert asked[0] & termios.CSIZE == termios.CS7
    assert asked[0] & termios.PARENB and not asked[0] & termios.PARODD
    assert asked[0] & termios.CSTOPB


def test_dtr_and_rts_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = fakepbx.Line(tmp_path / "tty")
    raised = 0
    really = fcntl.ioctl

    def note(descriptor: int, request: int, argument: bytes = b"") -> object:
        nonlocal raised
        if request == termios.TIOCMBIS:
            raised |= int.from_bytes(argument, sys.byteorder)
            return 0  # a pseudo terminal has no such lines and refuses, which all other tests here live with
        return really(descriptor, request, argument)

    monkeypatch.setattr(serial.serialposix.fcntl, "ioctl", note)
    spec = urls.parse(f"serial:{line.device}")
    assert isinstance(spec, urls.Serial)
    os.close(serial_line.open_line(spec))
    line.close()
    assert raised == termios.TIOCM_DTR | termios.TIOCM_RTS


def test_a_device_that_vanishes_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "RETRY_S", 0.02)
    line = fakepbx.Line(tmp_path / "tty")

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{line.device}"))
            for number in range(3):
                await capture.state("main", "open")
                line.send(b"%d\r\n" % number)
                await capture.got("main", 3 * (number + 1))
                line.unplug()
                await capture.state("main", "lost")
                await capture.until(lambda: "there is no" in capture.status("main")["detail"], "says why")
                line.plug()
            await capture.state("main", "open")
            assert capture.status("main")["losses"] == 3

    asyncio.run(scenario())
    line.close()
    assert of_feed(tmp_path / "journal", "main") == b"0\r\n1\r\n2\r\n"
    assert events(tmp_path / "journal", "main") == ["open", "lost"] * 3 + ["open", "closed"]
    opened_and_closed(tmp_path / "journal")


def test_a_line_that_another_program_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "RETRY_S", 0.02)
    line = fakepbx.Line(tmp_path / "tty")
    spec = urls.parse(f"serial:{line.device}")
    assert isinstance(spec, urls.Serial)
    holder = serial_line.open_line(spec)

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{line.device}"))
            await capture.state("main", "failed")
            assert "in use by another program" in capture.status("main")["detail"]
            os.close(holder)
            await capture.state("main", "open")

    asyncio.run(scenario())
    line.close()


def test_a_file_that_is_no_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no line")

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{tmp_path / 'file'}"))
            await capture.state("main", "failed")
            assert str(tmp_path / "file") in capture.status("main")["detail"]

    asyncio.run(scenario())


def test_line_errors_are_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's counters are set by hand: no UART here makes errors. What is done with them is real."""
    line = fakepbx.Line(tmp_path / "tty")
    counted = dict.fromkeys(serial_line.ERRORS_AT, 0) | {"framing": 0xFFFFFFFE}
    monkeypatch.setattr(serial_line, "line_errors", lambda descriptor: dict(counted))

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{line.device}"))
            await capture.state("main", "open")
            capture.feeds.tick()
            assert capture.status("main")["line_errors"] == 0
            counted.update(framing=3, parity=2)  # the counter went over its end
            capture.feeds.tick()
            assert capture.status("main")["line_errors"] == 7
            counted.update(overrun=1)
            capture.feeds.tick()
            assert capture.status("main")["line_errors"] == 8

    asyncio.run(scenario())
    line.close()
    told = [link["counts"] for link in links(tmp_path / "journal", "main") if link["event"] == "line-error"]
    assert told == [{"framing": 5, "parity": 2}, {"overrun": 1}], "at once, and the rest at the end"


def test_counters_are_read_where_the_driver_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = fakepbx.Line(tmp_path / "tty")
    assert serial_line.line_errors(line._slave) == {}, "a pseudo terminal does not count"

    def driver(descriptor: int, request: int, counts: "serial_line.array.array[int]") -> int:
        assert request == 0x545D and len(counts) * counts.itemsize == 80
        for at in range(20):
            counts[at] = 100 + at
        return 0

    monkeypatch.setattr(serial_line.fcntl, "ioctl", driver)
    assert serial_line.line_errors(line._slave) == {
        "framing": 106, "overrun": 107, "parity": 108, "break": 109, "buffer": 110,
    }  # fmt: skip
    monkeypatch.undo()
    line.close()


def test_the_line_is_not_read_while_the_journal_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the line cannot take any more is held by the PBX; on hardware RTS goes down or XOFF is sent."""
    line = fakepbx.Line(tmp_path / "tty")
    data = fakepbx.lines(10_000)

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{line.device}?flow=rtscts"))
            await capture.state("main", "open")
            monkeypatch.setattr(capture.writer, "owner_share_bytes", 1 << 60)
            line.send(data[:10])
            await capture.until(lambda: capture.committer.full, "full")
            sent = 10
            for _ in range(50):
                sent += line.send_some(data[sent:])
                await asyncio.sleep(0.01)
            assert sent < 200_000 < len(data), "the line takes no more"
            monkeypatch.setattr(capture.writer, "owner_share_bytes", 0)
            await asyncio.to_thread(line.send, data[sent:])
            await capture.got("main", len(data))

    asyncio.run(scenario())
    line.close()
    assert of_feed(tmp_path / "journal", "main") == data


def test_a_read_survives_in_the_spill_until_it_is_journaled(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"0123456789")
    spill = Spill(tmp_path / "spill")
    assert spill.left("main/1", 0) == b""
    assert spill.read(reading, "main/1", 100) == b"0123456789"
    spill.close()  # as after a kill: the mapped file stays
    again = Spill(tmp_path / "spill")
    assert again.left("main/1", 100) == b"0123456789", "nothing of it is journaled"
    assert again.left("main/1", 107) == b"789"
    assert again.left("main/1", 110) == b"", "all of it is"
    assert again.left("main/2", 100) == b"", "another source"
    assert again.left("main/1", 99) == b"" == again.left("main/1", 111), "another place"
    os.close(writing)
    assert again.read(reading, "main/1", 110) == b""
    assert again.left("main/1", 110) == b""
    again.close()
    os.close(reading)


def test_a_read_that_fails_claims_nothing(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "spill")
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"x" * (MOST_BYTES + 5))
    assert len(spill.read(reading, "a/1", 0)) == MOST_BYTES
    assert len(spill.read(reading, "a/1", MOST_BYTES)) == 5
    with pytest.raises(BlockingIOError) as caught:
        spill.read(reading, "a/1", MOST_BYTES + 5)
    assert caught.value.errno == errno.EAGAIN
    assert spill.left("a/1", MOST_BYTES) == spill.left("a/1", MOST_BYTES + 5) == b""
    spill.close()
    os.close(reading)
    os.close(writing)
