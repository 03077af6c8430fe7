"""Group commit, back-pressure, the committer's own records, a full and a failing disk."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bluewhale.journal.committer import MOST_PENDING, Committer, JournalBroken
from bluewhale.journal.verify import verify
from bluewhale.journal.writer import JournalFull, Writer
from bluewhale.model import FEED, Kind, Origin, Record
from journal_tools import BOX, HandClock, everything, open_small, sound


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))  # type: ignore[arg-type]


def marks(records: list[Record], event: str) -> list[dict[str, object]]:
    bodies = [json.loads(r.payload) for r in records if r.kind is Kind.MARK]
    return [body for body in bodies if body["event"] == event]


def test_an_append_is_answered_when_it_is_durable(tmp_path: Path) -> None:
    async def work() -> None:
        committer = Committer(open_small(tmp_path))
        origin = await committer.append(Kind.CHUNK, "feed/1", b"hello")
        record = sound(tmp_path)[-1]
        assert origin == Origin(committer.writer.journal, FEED, record.position, record.size)
        assert record.payload == b"hello"
        await committer.close()

    run(work)


def test_many_feeds_share_a_commit_and_keep_their_order(tmp_path: Path) -> None:
    """128 feeds hand in lines; each line is there once, in its feed's order, and commits are few."""

    async def work() -> None:
        committer = Committer(open_small(tmp_path, segment_bytes=200_000))
        before = committer.durable.commits

        async def feed(name: str) -> None:
            for number in range(40):
                await committer.room()
                if number % 10 == 9:
                    await committer.append(Kind.CHUNK, name, b"%d" % number)
                else:
                    committer.put(Kind.CHUNK, name, b"%d" % number)
                    await asyncio.sleep(0)

        await asyncio.gather(*(feed(f"feed{number}/1") for number in range(128)))
        assert committer.durable.commits - before < 200
        await committer.close()

    run(work)
    by_source: dict[str, list[int]] = {}
    for record in sound(tmp_path):
        if record.kind is Kind.CHUNK:
            by_source.setdefault(record.source, []).append(int(record.payload))
    assert len(by_source) == 128
    assert all(numbers == list(range(40)) for numbers in by_source.values())


def test_feeds_wait_while_much_is_pending(tmp_path: Path) -> None:
    async def work() -> None:
        committer = Committer(open_small(tmp_path))
        while committer.pending_bytes <= MOST_PENDING:
            await asyncio.wait_for(committer.room(), 1)
            committer.put(Kind.CHUNK, "feed/1", bytes(1 << 20))
        waiting = asyncio.create_task(committer.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        await waiting
        assert committer.pending_bytes <= MOST_PENDING
        await committer.close()

    run(work)


def test_a_watcher_hears_of_each_commit(tmp_path: Path) -> None:
    async def work() -> None:
        committer = Committer(open_small(tmp_path))
        started = await committer.changed(0)
        waiting = asyncio.create_task(committer.changed(started.seq))
        await asyncio.sleep(0)
        assert not waiting.done()
        await committer.append(Kind.ALARM, "health", b"{}")
        assert (await waiting).seq == started.seq + 1
        await committer.close()

    run(work)


def test_starts_and_stops_are_marked(tmp_path: Path) -> None:
    async def work() -> None:
        for _ in range(2):
            committer = Committer(open_small(tmp_path))
            await committer.close()

    run(work)
    found = sound(tmp_path)
    assert [json.loads(r.payload)["event"] for r in found] == ["start", "stop", "start", "stop"]
    for record in found:
        body = json.loads(record.payload)
        assert (body["term"], body["active"], record.source) == (1, True, "capture")
    assert {body["journal"] for body in marks(found, "start")} == {open_journal(tmp_path)}


def open_journal(directory: Path) -> str:
    writer = open_small(directory)
    writer.close()
    return writer.journal


def test_a_torn_tail_is_reported_in_the_start_mark(tmp_path: Path) -> None:
    writer = open_small(tmp_path)
    writer.append(Kind.CHUNK, "feed/1", b"x")
    writer.close()
    with (tmp_path / FEED / f"{0:020d}.seg").open("ab") as handle:
        handle.write(b"half a record")

    async def work() -> None:
        await Committer(open_small(tmp_path)).close()

    run(work)
    assert marks(sound(tmp_path), "start")[-1]["cut"] == {"feed": 13, "owner": 0}


def test_a_quiet_minute_ticks_and_a_busy_one_does_not(tmp_path: Path) -> None:
    clock = HandClock()

    async def work() -> None:
        committer = Committer(open_small(tmp_path, clock=clock), look_s=0.01)
        seq = (await committer.changed(0)).seq
        for _ in range(3):
            clock.pass_us(61_000_000)
            seq = (await committer.changed(seq)).seq
        for _ in range(5):
            clock.pass_us(30_000_000)
            await committer.append(Kind.CHUNK, "feed/1", b"x")
            await asyncio.sleep(0.03)
        await committer.close()

    run(work)
    kinds = [record.kind for record in sound(tmp_path)]
    assert kinds == [Kind.MARK, Kind.TICK, Kind.TICK, Kind.TICK, *[Kind.CHUNK] * 5, Kind.MARK]


def test_a_clock_step_is_marked_with_its_size(tmp_path: Path) -> None:
    clock = HandClock()

    async def work() -> None:
        committer = Committer(open_small(tmp_path, clock=clock), look_s=0.01)
        seq = (await committer.changed(0)).seq
        clock.real_us -= 3_600_000_000
        seq = (await committer.changed(seq)).seq
        clock.pass_us(50_000_000)  # time passes: no step
        clock.real_us += 100_000  # the clock is slewed: no step
        await asyncio.sleep(0.05)
        clock.synced = False
        await committer.changed(seq)
        await committer.close()

    run(work)
    steps = marks(sound(tmp_path), "clock-step")
    assert [(step["by_us"], step["synced"]) for step in steps] == [(-3_600_000_000, True), (0, False)]


class Disk:
    """Stands for a disk whose free space the test decides: `free_bytes` of the writer asks it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 1 << 30
        monkeypatch.setattr("bluewhale.journal.writer.free_bytes", lambda directory: self.free)


def test_on_a_full_disk_feeds_wait_in_order_and_owners_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    writer = Writer(tmp_path, box=BOX, reserve_bytes=0, owner_share_bytes=1 << 20, clock=HandClock())

    async def work() -> None:
        committer = Committer(writer, look_s=0.02)
        await committer.append(Kind.CHUNK, "feed/1", b"0")
        disk.free = 1 << 19
        writer.check_space()
        waiting = [asyncio.create_task(committer.append(Kind.CHUNK, "feed/1", b"%d" % n)) for n in (1, 2)]
        await asyncio.sleep(0)
        committer.put(Kind.CHUNK, "feed/1", b"3")
        committer.put(Kind.LINK, "feed/1", b"{}")
        room = asyncio.create_task(committer.room())
        await committer.append(Kind.OWNER, "cli", b"owner")
        await committer.append(Kind.ALARM, "health", b"alarm")
        await asyncio.sleep(0.1)
        assert committer.full
        assert not room.done() and not any(task.done() for task in waiting)
        assert [r.payload for r in sound(tmp_path)][1:] == [b"0", b"owner", b"alarm"]
        disk.free = 1 << 30
        await asyncio.gather(room, *waiting)
        assert not committer.full
        await committer.close()

    run(work)
    found = sound(tmp_path)
    assert [r.payload for r in found][1:-1] == [b"0", b"owner", b"alarm", b"1", b"2", b"3", b"{}"]
    assert found[-2].kind is Kind.LINK
    assert list(verify(tmp_path)) == []


def test_a_stop_on_a_full_disk_ends_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch)
    writer = Writer(tmp_path, box=BOX, reserve_bytes=0, owner_share_bytes=1 << 20, clock=HandClock())

    async def work() -> None:
        committer = Committer(writer)
        await committer.append(Kind.CHUNK, "feed/1", b"0")
        disk.free = 0
        writer.check_space()
        waiting = asyncio.create_task(committer.append(Kind.CHUNK, "feed/1", b"1"))
        await asyncio.sleep(0)
        await committer.close()
        with pytest.raises(JournalFull):
            await waiting

    run(work)
    assert "1 bytes of feeds were not written" in caplog.text
    assert [r.payload for r in sound(tmp_path)][1:-1] == [b"0"]


def test_a_broken_disk_reaches_everybody_who_waits(tmp_path: Path) -> None:
    async def work() -> None:
        committer = Committer(open_small(tmp_path))
        await committer.append(Kind.CHUNK, "feed/1", b"0")
        tail = committer.writer._tails[FEED]
        os.dup2(os.open("/dev/null", os.O_RDONLY), tail.fd)  # writes and syncs fail from now on
        with pytest.raises(OSError):
            await committer.append(Kind.CHUNK, "feed/1", b"1")
        assert committer.broken.is_set()
        for call in (committer.room(), committer.append(Kind.CHUNK, "f", b""), committer.changed(1 << 60)):
            with pytest.raises(JournalBroken):
                await call
        with pytest.raises(JournalBroken):
            committer.put(Kind.CHUNK, "feed/1", b"2")
        with pytest.raises(OSError):
            await committer.close()

    run(work)
    assert [type(item) for item in everything(tmp_path)] == [Record, Record]
