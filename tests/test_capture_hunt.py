"""`baud=auto`: the hunt against simulated UARTs, and a feed over a real tty pair whose far end hears at what speed it is read."""

import asyncio
import itertools
import os
import random
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fakepbx
import uart
from bluewhale.capture import tuning
from bluewhale.capture.hunt import NOISE_BYTES, PLAIN, SPEEDS, Errors, Hunt, Tune, Verdict
from bluewhale.capture.running import Setting
from bluewhale.capture.tally import Found
from capturing import inside, links, of_feed, opened_and_closed, records

CORPUS = Path(__file__).parent / "corpus"
FRAMINGS = ("8N1", "7E1", "7O1", "8E1", "8O1", "7N2")
CAPTURES = (
    "panasonic/pattern-b", "panasonic/dbs", "avaya-cm/int-isdn", "avaya-cm/published-customized",
    "norstar-bcm/published", "nortel-cs1000/published", "samsung-officeserv/published",
)  # fmt: skip
MOST_RECORDS = 20
NAMES = {getattr(termios, f"B{speed}"): speed for speed in SPEEDS}


def pbx(capture: str) -> list[bytes]:
    """The records of a capture as a PBX sends them, one by one."""
    data = (CORPUS / capture / "capture.raw").read_bytes()
    return [line + b"\n" for line in data.split(b"\n") if len(line) > 1]


def listen(
    hunt: Hunt,
    line: Tune,
    sent: Iterator[bytes],
    most: int,
    eager: bool = True,
    counts: bool = True,
    gap: int = 0,
) -> tuple[Verdict | None, int]:
    """Records until the hunt has found something: what, and after how many."""
    for number in range(1, most + 1):
        levels = uart.bits(next(sent), line.framing, gap)
        got, errors = uart.receive(levels, line.baud, hunt.tune, eager)
        verdict = hunt.heard(got, errors if counts else None) if got else None
        verdict = verdict or hunt.quiet()
        if verdict is not None and not verdict.hunting:
            return verdict, number
    return None, most


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_setting_is_found_within_20_records(capture: str) -> None:
    lines = pbx(capture)
    for speed, framing, eager in itertools.product(SPEEDS, FRAMINGS, (False, True)):
        line = Tune(speed, framing)
        verdict, count = listen(Hunt(), line, itertools.cycle(lines), MOST_RECORDS, eager)
        assert verdict is not None, f"{line}: nothing within {count} records"
        assert verdict.tune == line, f"{line}: {verdict}"
        assert verdict.sure, f"{line}: {verdict}"


@pytest.mark.parametrize("capture", CAPTURES[::3])
def test_speed_and_data_bits_are_found_when_the_driver_does_not_count(capture: str) -> None:
    for speed, framing in itertools.product(SPEEDS, FRAMINGS):
        verdict, _ = listen(
            Hunt(), Tune(speed, framing), itertools.cycle(pbx(capture)), MOST_RECORDS, counts=False
        )
        assert verdict is not None and verdict.tune.baud == speed
        if framing in ("8E1", "8O1"):
            assert verdict.tune.framing == "8E1" and not verdict.sure, (
                "the parity cannot be told, and that is said"
            )
        else:
            assert verdict.tune.framing == framing and verdict.sure


def test_a_line_with_pauses_between_bytes() -> None:
    for speed, framing in itertools.product(SPEEDS, ("8N1", "7E1", "7O1", "8E1")):
        line = Tune(speed, framing)
        verdict, _ = listen(Hunt(), line, itertools.cycle(pbx(CAPTURES[4])), MOST_RECORDS, gap=3)
        assert verdict is not None and verdict.tune == line


def test_evidence_says_what_was_read() -> None:
    verdict, _ = listen(Hunt(), Tune(9600, "7E1"), itertools.cycle(pbx("panasonic/pattern-b")), MOST_RECORDS)
    assert verdict == Verdict(Tune(9600, "7E1"), False, True, "164 bytes, 2 lines, all printable")


def test_text_with_names_of_8_bits_is_likely() -> None:
    lines = [f"{number:06d} 201 02079460123 J\xfcrg\r\n".encode("latin-1") for number in range(100)]
    verdict, count = listen(Hunt(), Tune(9600, "8N1"), iter(lines), MOST_RECORDS)
    assert (
        verdict is not None
        and verdict.tune == Tune(9600, "8N1")
        and not verdict.sure
        and count <= MOST_RECORDS
    )


@given(st.integers(0, 1 << 32), st.booleans())
def test_noise_is_never_sure(seed: int, counts: bool) -> None:
    dice = random.Random(seed)
    hunt = Hunt()
    tried = set()
    for _ in range(300):
        errors = Errors(0, 0) if counts else None
        verdict = hunt.heard(dice.randbytes(dice.randint(1, 40)), errors) or hunt.quiet()
        assert verdict is None or verdict.hunting, verdict
        tried.add(hunt.tune)
    assert len(tried) == 2 * len(SPEEDS), "and it goes on through all of them"


@given(st.lists(st.one_of(st.binary(), st.sampled_from([b"\0", b"\r\n" * 90, b"-" * 2000, b"\xff" * 700]))))
def test_any_bytes_give_a_value(pieces: list[bytes]) -> None:
    hunt = Hunt()
    for piece in pieces:
        for verdict in (hunt.heard(piece, Errors(len(piece) // 3, 1)), hunt.quiet()):
            assert verdict is None or verdict.tune == hunt.tune
            assert hunt.found in (None, hunt.tune)


def test_a_silent_line_is_left_alone() -> None:
    hunt = Hunt()
    assert hunt.quiet() is None and hunt.quiet() is None
    assert hunt.tune == Tune(9600, PLAIN)


def test_two_short_lines_are_not_enough() -> None:
    hunt = Hunt()
    assert hunt.heard(b"01234567\r\nabcdefgh\r\n", Errors()) is None
    assert hunt.quiet() is None, "and it waits for more"


def test_a_line_that_falls_silent_amid_noise_is_wrong() -> None:
    hunt = Hunt()
    assert hunt.heard(b"0123456789 abcdefgh\r\n0123456789\xf8a\x07", Errors()) is None
    verdict = hunt.quiet()
    assert verdict is not None and verdict.tune == Tune(SPEEDS[1], PLAIN)


def test_frames_of_11_bits_are_tried_where_it_looked_best() -> None:
    hunt = Hunt()
    for speed in SPEEDS:
        assert hunt.tune == Tune(speed, PLAIN)
        assert hunt.heard(b"\x00\xff" * 20 if speed != 2400 else b"abc\x00\xff" * 10, Errors()) is not None
    assert hunt.tune == Tune(2400, "8E1")


def test_found_it_stays_until_a_long_run_of_noise() -> None:
    hunt = Hunt(Tune(4800, "7E1"))
    dice = random.Random(5)
    lines = fakepbx.lines(100)
    assert hunt.heard(lines, Errors()) is None
    assert hunt.heard(dice.randbytes(NOISE_BYTES // 4) + lines, Errors()) is None, (
        "short: a cable was touched"
    )
    assert hunt.quiet() is None and hunt.found == Tune(4800, "7E1")
    noise = bytes(byte & 0x7F for byte in dice.randbytes(2 * NOISE_BYTES))
    verdict = hunt.heard(noise, None)
    assert verdict is not None and verdict.hunting and "hunting again" in verdict.evidence
    again, _ = listen(hunt, Tune(1200, "7O1"), itertools.cycle(pbx(CAPTURES[0])), MOST_RECORDS)
    assert again is not None and again.tune == Tune(1200, "7O1")


def test_a_speed_that_the_driver_refuses_is_passed_over() -> None:
    hunt = Hunt()
    assert hunt.refused().tune == Tune(SPEEDS[1], PLAIN) == hunt.tune
    known = Hunt(Tune(9600, "7E1"))
    assert known.refused().hunting and known.found is None


def test_a_line_that_takes_no_speed_is_lost_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "set_line", lambda descriptor, tune: False)
    line = fakepbx.Line(tmp_path / "tty")

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"serial:{line.device}?baud=auto"))
            await capture.until(lambda: "none of the speeds" in capture.status("main")["detail"], "says why")

    asyncio.run(scenario())
    line.close()
    opened_and_closed(tmp_path / "journal")


class Far:
    """A PBX at the other end of a tty pair: what it sends arrives as a UART at the speed then in force receives it."""

    def __init__(self, line: fakepbx.Line, setting: Tune, lines: list[bytes]) -> None:
        self.line = line
        self.setting = setting
        self.lines = itertools.cycle(lines)
        self.sent = bytearray()
        self.silence = threading.Event()  # the box has read all, saw the line fall silent and has set it
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Far":
        self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self.silence.wait(0.05):
                continue
            self.silence.clear()
            speed = NAMES[termios.tcgetattr(self.line.master)[4]]
            levels = uart.bits(next(self.lines), self.setting.framing)
            got, _ = uart.receive(levels, self.setting.baud, Tune(speed, PLAIN), eager=True)
            if got:
                self.line.send(got)
                self.sent += got


@pytest.mark.parametrize(
    "setting", [Tune(4800, "8N1"), Tune(19200, "7E1"), Tune(1200, "7O1")], ids=["4800", "7E1", "1200"]
)
def test_a_feed_finds_its_line(tmp_path: Path, setting: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "QUIET_S", 0.05)
    line = fakepbx.Line(tmp_path / "tty")
    far = Far(line, setting, pbx("panasonic/pattern-b"))
    really = tuning.Tuning.readable

    async def readable(self: tuning.Tuning) -> bool:
        if not self._fresh:
            far.silence.set()
        return await really(self)

    monkeypatch.setattr(tuning.Tuning, "readable", readable)
    url = f"serial:{line.device}?baud=auto"

    async def scenario() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", url))
            await capture.until(lambda: capture.status("main")["detail"] == "hunting: 9600 8N1", "hunts")
            with far:
                found = f"found {setting} (sure: "
                await capture.until(lambda: capture.status("main")["detail"].startswith(found), found)
                await asyncio.to_thread(far.stop)
                await capture.got("main", len(far.sent))
            assert termios.tcgetattr(line.master)[4] == getattr(termios, f"B{setting.baud}")
            assert of_feed(tmp_path / "journal", "main") == far.sent, "also what was read while hunting"
            await capture.progress.catch_up()
            found_it = Found(str(line.device), setting.baud, setting.framing, True)
            assert capture.progress.tally.found == {"main": found_it}, "for the next start"
            await capture.apply()
            await capture.apply(Setting("main", url))
            remembered = f"found {setting} (sure: found before)"
            await capture.until(lambda: capture.status("main")["detail"] == remembered, remembered)

    asyncio.run(scenario())
    line.close()
    told = [link for link in links(tmp_path / "journal", "main") if "hunting" in link]
    assert told[0]["evidence"] == "the first trial" and told[0]["hunting"]
    decided = [link for link in told if not link["hunting"]]
    assert [(link["baud"], link["framing"], link["sure"]) for link in decided] == [
        (setting.baud, setting.framing, True)
    ] * 2
    assert "all printable" in decided[0]["evidence"]
    opened_and_closed(tmp_path / "journal")
    kinds = [record.kind.name for record in records(tmp_path / "journal")]
    assert kinds.index("CHUNK") > 1, "open and the settings in force come before the first byte"


def test_a_line_is_set_as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pseudo terminal is always 8N, so what is handed to the driver is looked at on its way."""
    master, slave = os.openpty()
    asked: list[list[int]] = []
    monkeypatch.setattr(termios, "tcsetattr", lambda descriptor, when, attributes: asked.append(attributes))
    monkeypatch.setattr(
        termios, "tcgetattr", lambda descriptor: [0, 0, 0, 0, termios.B1200, termios.B1200, []]
    )
    mask = termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB
    wanted = {
        "8N1": termios.CS8,
        "7E1": termios.CS7 | termios.PARENB,
        "7O1": termios.CS7 | termios.PARENB | termios.PARODD,
        "8E1": termios.CS8 | termios.PARENB,
        "8O1": termios.CS8 | termios.PARENB | termios.PARODD,
        "7N2": termios.CS7 | termios.CSTOPB,
    }
    for framing, flags in wanted.items():
        assert tuning.set_line(slave, Tune(1200, framing))
        assert asked[-1][2] & mask == flags and asked[-1][4:6] == [termios.B1200] * 2
    assert not tuning.set_line(slave, Tune(2400, "8N1")), "the driver kept another speed"
    monkeypatch.undo()
    os.close(master)
    os.close(slave)
    with pytest.raises(OSError):
        tuning.set_line(slave, Tune(2400, "8N1"))
