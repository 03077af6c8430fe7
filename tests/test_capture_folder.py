"""Folders: growing files, many files, rotation, truncation, replacement; every byte once, also over restarts."""

import asyncio
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fakepbx
from bluewhale.capture import files, folder
from bluewhale.capture.running import Setting
from capturing import Inside, inside, links, of_feed, opened_and_closed, received


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "POLL_S", 0.02)
    monkeypatch.setattr(folder, "LINGER_S", 1.0)


def scenario(tmp_path: Path, steps: Callable[[Inside, Path], Any], query: str = "?glob=*.csv") -> None:
    """Runs the steps with a folder feed `main` on tmp_path/in."""
    (tmp_path / "in").mkdir(exist_ok=True)

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"folder:{tmp_path / 'in'}{query}"))
            await capture.state("main", "open")
            await steps(capture, tmp_path / "in")

    asyncio.run(run())


def append(file: Path, data: bytes) -> None:
    with file.open("ab") as out:
        out.write(data)


def test_growing_files_are_followed(tmp_path: Path) -> None:
    dice = random.Random(2)
    wanted = {name: fakepbx.lines(400, name) for name in ("a.csv", "b.csv", "c.csv")}

    async def steps(capture: Inside, into: Path) -> None:
        (into / "other.txt").write_bytes(b"not ours")
        (into / ".hidden.csv").write_bytes(b"half copied")
        (into / "sub.csv").mkdir()
        os.mkfifo(into / "pipe.csv")
        parts = [(name, piece) for name, data in wanted.items() for piece in fakepbx.pieces(data, dice, 3000)]
        for name, piece in parts:
            append(into / name, piece)
            if dice.random() < 0.2:
                await asyncio.sleep(0.01)
        await capture.got("main", sum(map(len, wanted.values())))
        assert capture.status("main")["connections"] == 3

    scenario(tmp_path, steps)
    assert sorted(received(tmp_path / "journal").values()) == sorted(wanted.values())
    told = {link["file"] for link in links(tmp_path / "journal") if link["event"] == "open"}
    assert told == set(wanted)


def test_a_large_file_that_is_there_already(tmp_path: Path) -> None:
    data = fakepbx.hostile(random.Random(1)) * 5

    async def steps(capture: Inside, into: Path) -> None:
        await capture.got("main", len(data))

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "big.csv").write_bytes(data)
    scenario(tmp_path, steps)
    assert of_feed(tmp_path / "journal", "main") == data


def test_older_files_come_first(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for age, name in enumerate(("z", "m", "a")):
        (tmp_path / "in" / f"{name}.csv").write_bytes(name.encode())
        os.utime(tmp_path / "in" / f"{name}.csv", (1000 + age, 1000 + age))

    async def steps(capture: Inside, into: Path) -> None:
        await capture.got("main", 3)

    scenario(tmp_path, steps)
    assert of_feed(tmp_path / "journal", "main") == b"zma"


def test_rotation_by_renaming(tmp_path: Path) -> None:
    """As logrotate does: the old file may still be written to after it was renamed."""
    before, late, after = fakepbx.lines(50, "before"), b"late line\r\n", fakepbx.lines(60, "after")

    async def steps(capture: Inside, into: Path) -> None:
        with (into / "cdr.csv").open("ab", buffering=0) as writer:
            writer.write(before)
            await capture.got("main", len(before))
            (into / "cdr.csv").rename(into / "cdr.csv.1")
            await asyncio.sleep(0.2)  # looked at several times
            writer.write(late)
        (into / "cdr.csv").write_bytes(after)
        await capture.got("main", len(before + late + after))
        await capture.until(lambda: capture.status("main")["connections"] == 1, "the old one is closed")

    scenario(tmp_path, steps)
    assert sorted(received(tmp_path / "journal").values()) == sorted([before + late, after])
    closed = [link for link in links(tmp_path / "journal") if link["event"] == "closed"]
    assert [link["detail"] for link in closed] == ["renamed"]
    opened_and_closed(tmp_path / "journal")


def test_rotation_out_of_the_folder_and_deletion(tmp_path: Path) -> None:
    data = fakepbx.lines(50)

    async def steps(capture: Inside, into: Path) -> None:
        with (into / "cdr.csv").open("ab", buffering=0) as writer:
            writer.write(data)
            await capture.got("main", len(data))
            (into / "cdr.csv").rename(tmp_path / "moved.csv")
            writer.write(b"after the move\r\n")
            await capture.got("main", len(data) + 16)
        append(into / "next.csv", b"next\r\n")
        await capture.got("main", len(data) + 22)
        (into / "next.csv").unlink()
        await capture.until(lambda: not capture.status("main")["connections"], "both are closed")

    scenario(tmp_path, steps)
    assert of_feed(tmp_path / "journal", "main") == data + b"after the move\r\nnext\r\n"
    opened_and_closed(tmp_path / "journal")


@pytest.mark.parametrize(
    "again", [b"x\r\n", fakepbx.lines(300, "longer than before"), fakepbx.lines(100, "same size ")]
)
def test_a_file_that_was_cut_begins_again(tmp_path: Path, again: bytes) -> None:
    before = fakepbx.lines(100, "first one ")

    async def steps(capture: Inside, into: Path) -> None:
        append(into / "cdr.csv", before)
        await capture.got("main", len(before))
        with (into / "cdr.csv").open("r+b") as same:  # the same inode, cut and written within one look
            same.truncate(0)
            same.write(again)
        await capture.got("main", len(before + again))

    scenario(tmp_path, steps)
    assert received(tmp_path / "journal") == {"main/1": before, "main/2": again}
    assert [link["event"] for link in links(tmp_path / "journal")] == ["open", "closed", "open"]


def test_a_file_put_in_place_of_itself_goes_on(tmp_path: Path) -> None:
    """A copy by rsync or FTP that holds what we read, and more, under the same name."""
    data = fakepbx.lines(200)

    async def steps(capture: Inside, into: Path) -> None:
        for stop in (3000, 6000, len(data)):
            (into / ".part").write_bytes(data[:stop])
            (into / ".part").rename(into / "cdr.csv")
            await capture.got("main", stop)

    scenario(tmp_path, steps)
    assert received(tmp_path / "journal") == {"main/1": data}


def test_an_inode_that_comes_back_as_another_file(tmp_path: Path) -> None:
    async def steps(capture: Inside, into: Path) -> None:
        total = 0
        for number in range(10):
            data = fakepbx.lines(20 + number, f"file {number}")
            (into / f"{number}.csv").write_bytes(data)
            total += len(data)
            await capture.got("main", total)
            (into / f"{number}.csv").unlink()

    scenario(tmp_path, steps)
    wanted = [fakepbx.lines(20 + number, f"file {number}") for number in range(10)]
    assert of_feed(tmp_path / "journal", "main") == b"".join(wanted)
    assert len(received(tmp_path / "journal")) == 10


def test_a_second_name_that_is_not_wanted_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "LINGER_S", 0.0)

    async def steps(capture: Inside, into: Path) -> None:
        append(into / "cdr.csv", b"one\r\n")
        (into / "a.txt").hardlink_to(into / "cdr.csv")
        (into / "z.txt").hardlink_to(into / "cdr.csv")
        await capture.got("main", 5)
        await asyncio.sleep(0.2)
        assert capture.status("main")["connections"] == 1

    scenario(tmp_path, steps)
    assert [link["event"] for link in links(tmp_path / "journal")] == ["open"]


def test_compressed_files_are_left_alone(tmp_path: Path) -> None:
    assert not files.is_wanted("cdr.csv.1.gz", "*")
    assert files.is_wanted("cdr.csv.1.gz", "*.gz")
    assert files.is_wanted("cdr.csv.1", "*")
    assert not files.is_wanted(".cdr.csv", "*")
    assert not files.is_wanted("CDR.CSV", "*.csv")


def test_files_of_days_ago_are_closed_but_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    old = tmp_path / "in" / "old.csv"
    old.write_bytes(b"old\r\n")
    os.utime(old, (1e9, 1e9))
    (tmp_path / "in" / "new.csv").write_bytes(b"new\r\n")

    async def steps(capture: Inside, into: Path) -> None:
        await capture.got("main", 10)
        await capture.until(lambda: capture.status("main")["connections"] == 1, "the old one is closed")
        append(old, b"more\r\n")
        await capture.got("main", 16)
        assert capture.status("main")["connections"] == 2

    scenario(tmp_path, steps)
    assert received(tmp_path / "journal") == {
        "main/1": b"old\r\n",
        "main/2": b"new\r\n",
        "main/3": b"more\r\n",
    }
    assert links(tmp_path / "journal")[-1]["offset"] == 5


def test_nothing_is_read_twice_after_a_restart(tmp_path: Path) -> None:
    """Restarts of all kinds: grown meanwhile, renamed, closed before, the saved tally lost."""
    data = {name: fakepbx.lines(100, name) for name in ("a.csv", "b.csv")}

    async def first(capture: Inside, into: Path) -> None:
        for name in data:
            append(into / name, data[name][:1000])
        await capture.got("main", 2000)

    async def second(capture: Inside, into: Path) -> None:
        await capture.got("main", 500)  # what a.csv grew by

    async def third(capture: Inside, into: Path) -> None:
        for name in data:
            append(into / name.replace("b.csv", "c.csv"), data[name][1500 if name == "a.csv" else 1000 :])
        await capture.got("main", sum(map(len, data.values())) - 2500)

    async def nothing(capture: Inside, into: Path) -> None:
        await asyncio.sleep(0.2)
        assert capture.status("main")["bytes"] == 0

    scenario(tmp_path, first)
    append(tmp_path / "in" / "a.csv", data["a.csv"][1000:1500])
    scenario(tmp_path, second)
    (tmp_path / "in" / "b.csv").rename(tmp_path / "in" / "c.csv")
    scenario(tmp_path, third)
    (tmp_path / "capture" / "tally.json").unlink(missing_ok=True)
    scenario(tmp_path, nothing)
    assert sorted(received(tmp_path / "journal").values()) == sorted(data.values())


def test_the_same_folder_again_after_other_settings(tmp_path: Path) -> None:
    data = fakepbx.lines(100)

    async def run() -> None:
        (tmp_path / "in").mkdir()
        append(tmp_path / "in" / "a.csv", data[:2000])
        url = f"folder:{tmp_path / 'in'}"
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", url))
            await capture.got("main", 2000)
            await capture.apply(Setting("main", url + "?glob=*.csv"))
            await capture.state("main", "open")
            await capture.apply()
            assert not capture.feeds.running
            await capture.apply(Setting("main", url))
            append(tmp_path / "in" / "a.csv", data[2000:])
            await capture.got("main", len(data) - 2000)

    asyncio.run(run())
    assert of_feed(tmp_path / "journal", "main") == data
    opened_and_closed(tmp_path / "journal")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", f"folder:{tmp_path / 'later'}"))
            await capture.state("main", "failed")
            assert "No such file or directory" in capture.status("main")["detail"]
            (tmp_path / "later").mkdir()
            await capture.state("main", "open")
            (tmp_path / "later" / "x").write_bytes(b"x\n")
            await capture.got("main", 2)
            (tmp_path / "later").rename(tmp_path / "gone")
            await capture.state("main", "lost")

    asyncio.run(run())


def test_a_folder_that_hangs_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PATIENCE_S", 0.05)
    release = threading.Event()
    really = files.look

    def hang(directory: Path, glob: str) -> list[files.Seen]:
        if directory.name == "hangs":
            assert release.wait(30)
        return really(directory, glob)

    monkeypatch.setattr(files, "look", hang)
    for name in ("hangs", "works"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(b"x\n")

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(*(Setting(name, f"folder:{tmp_path / name}") for name in ("hangs", "works")))
            await capture.got("works", 2)
            await capture.state("hangs", "lost")
            assert "does not answer" in capture.status("hangs")["detail"]
            release.set()
            await capture.got("hangs", 2)

    asyncio.run(run())


def test_any_history_of_a_file_is_read_once(tmp_path: Path) -> None:
    """Growth, rotation and restarts in any order: what was written comes in, once, in order within each file.

    The pattern fits rotated names too: a file that was made and renamed while nobody looked is found then.
    """
    dice = random.Random(11)
    into = tmp_path / "in"
    into.mkdir()
    written: list[bytes] = [b""]

    def grow() -> None:
        data = b"%d %d\r\n" % (len(written), len(written[-1])) * dice.randrange(1, 60)
        append(into / "cdr.csv", data)
        written[-1] += data

    def rotate() -> None:
        if written[-1]:
            (into / "cdr.csv").rename(into / f"cdr.csv.{len(written)}")
            written.append(b"")

    async def steps(capture: Inside, _: Path) -> None:
        for _ in range(dice.randrange(1, 8)):
            dice.choice((grow, grow, grow, rotate))()
            await asyncio.sleep(dice.choice((0, 0.01, 0.06)))
        await asyncio.sleep(dice.choice((0, 0.1)))

    async def rest(capture: Inside, _: Path) -> None:
        wanted = sorted(filter(None, written))
        await capture.until(
            lambda: sorted(received(tmp_path / "journal").values()) == wanted, "everything, once"
        )

    for _ in range(12):
        scenario(tmp_path, steps, "?glob=cdr.csv*")
        if dice.random() < 0.5:
            grow()
        if dice.random() < 0.3:
            (tmp_path / "capture" / "tally.json").unlink(missing_ok=True)
    scenario(tmp_path, rest, "?glob=cdr.csv*")
