"""All feeds together: settings, neighbours, 128 at once; the tally they go on from."""

import asyncio
import json
import random
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fakepbx
from bluewhale.capture import feeds as feeds_module
from bluewhale.capture.running import Running, Setting
from bluewhale.capture.settings import Settings
from bluewhale.capture.tally import Tally, fold
from bluewhale.config import Config, Feed
from bluewhale.model import FEED, Kind, Record
from capturing import Inside, events, inside, links, of_feed, opened_and_closed, received

ANY = "tcp-listen:127.0.0.1:0"


def test_128_feeds_at_once(tmp_path: Path) -> None:
    """100 ports, 20 serial lines, 8 folders; every byte arrives, and a record is durable within moments."""
    dice = random.Random(8)
    data = {f"tcp{n}": fakepbx.lines(60, f"t{n}") for n in range(100)}
    data |= {f"line{n}": fakepbx.lines(60, f"s{n}") for n in range(20)}
    data |= {f"dir{n}": fakepbx.lines(60, f"f{n}") for n in range(8)}
    tty = {name: fakepbx.Line(tmp_path / name) for name in data if name.startswith("line")}
    for name in data:
        if name.startswith("dir"):
            (tmp_path / name).mkdir()

    def url(name: str) -> str:
        if name.startswith("tcp"):
            return ANY
        return f"serial:{tty[name].device}" if name in tty else f"folder:{tmp_path / name}"

    async def send(capture: Inside, name: str, peer: socket.socket | None) -> None:
        for piece in fakepbx.pieces(data[name], random.Random(name), 800):
            if peer is not None:
                peer.sendall(piece)
            elif name in tty:
                await asyncio.to_thread(tty[name].send, piece)
            else:
                with (tmp_path / name / "cdr").open("ab") as out:
                    out.write(piece)
            await asyncio.sleep(dice.random() * 0.05)

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(*(Setting(name, url(name)) for name in data))
            ready = ("listening", "open")
            await capture.until(
                lambda: all(feed["state"] in ready for feed in capture.feeds.status()), "all are up"
            )
            peers = {name: fakepbx.dial(capture.port(name)) for name in data if name.startswith("tcp")}
            began, cpu = time.monotonic(), time.process_time()
            async with asyncio.TaskGroup() as group:
                for name in data:
                    group.create_task(send(capture, name, peers.get(name)))
            total = sum(map(len, data.values()))
            await capture.until(lambda: sum(f["bytes"] for f in capture.feeds.status()) == total, "all bytes")
            took, cpu = time.monotonic() - began, time.process_time() - cpu
            waits = [await _latency(capture, peers["tcp7"]) for _ in range(20)]
            data["tcp7"] += b"ping\r\n" * 20
            print(f"128 feeds: {took:.2f} s, {cpu:.2f} s CPU, p50 {sorted(waits)[10] * 1000:.1f} ms")
            assert sorted(waits)[10] < 0.25
            for peer in peers.values():
                peer.close()

    asyncio.run(run())
    for line in tty.values():
        line.close()
    assert {name: of_feed(tmp_path / "journal", name) for name in data} == data
    opened_and_closed(tmp_path / "journal")


async def _latency(capture: Inside, peer: socket.socket) -> float:
    """From the wire until the record is durable."""
    before = capture.committer.ends.seq
    began = time.monotonic()
    peer.sendall(b"ping\r\n")
    await capture.committer.changed(before)
    return time.monotonic() - began


def test_a_changed_feed_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("a", ANY), Setting("b", ANY))
            await capture.state("b", "listening")
            neighbour = fakepbx.dial(capture.port("b"))
            neighbour.sendall(b"one\r\n")
            await capture.got("b", 5)
            await capture.apply(Setting("a", ANY + "?most=5"), Setting("b", ANY), Setting("c", ANY))
            await capture.state("c", "listening")
            await capture.apply(Setting("b", ANY))
            assert list(capture.feeds.running) == ["b"]
            neighbour.sendall(b"two\r\n")
            await capture.got("b", 10)
            neighbour.close()
            await capture.state("b", "listening")

    asyncio.run(run())
    assert received(tmp_path / "journal") == {"b/1": b"one\r\ntwo\r\n"}
    details = [link["detail"] for link in links(tmp_path / "journal", "a") if link["event"] == "settings"]
    assert details == ["settings changed", "feed removed"]


def test_bad_settings_are_said_and_hurt_nobody(tmp_path: Path) -> None:
    bad = {
        "scheme": Setting("scheme", "gopher:1"),
        "parameter": Setting("parameter", "serial:/dev/x?speed=1"),
        "allow": Setting("allow", ANY, ["my office"]),
        "n" * 65: Setting("n" * 65, ANY),
        "": Setting("", ANY),
    }

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(*bad.values(), Setting("good", ANY), Setting("off", ANY, enabled=False))
            await capture.state("good", "listening")
            for name in bad:
                await capture.state(name, "failed")
                assert capture.status(name)["detail"]
            await capture.state("off", "off")
            await capture.apply(Setting("scheme", ANY), Setting("good", ANY))
            await capture.state("scheme", "listening")
            await capture.apply(Setting("scheme", ANY, ["nonsense"]), Setting("good", ANY))
            await capture.state("scheme", "failed")

    asyncio.run(run())
    assert "gopher:1" in links(tmp_path / "journal", "scheme")[0]["detail"]
    assert events(tmp_path / "journal", "parameter") == ["settings"] * 2, "it is bad, then it is removed"
    assert "my office" in links(tmp_path / "journal", "allow")[0]["detail"]


def test_a_fault_of_ours_stops_one_feed_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds_module, "AGAIN_S", 0.05)
    faults = iter([RuntimeError("a bug"), None])
    really = feeds_module.RUNNERS[feeds_module.urls.Folder]

    async def faulty(feed: Running, spec: feeds_module.urls.Folder) -> None:
        if error := next(faults, None):
            raise error
        await really(feed, spec)

    monkeypatch.setitem(feeds_module.RUNNERS, feeds_module.urls.Folder, faulty)

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("faulty", f"folder:{tmp_path}?glob=none"), Setting("good", ANY))
            await capture.state("faulty", "failed")
            assert "a bug" in capture.status("faulty")["detail"]
            await capture.state("good", "listening")
            await capture.state("faulty", "open")

    asyncio.run(run())


def test_declared_feeds_tell_what_was_declared(tmp_path: Path) -> None:
    told = {"url": ANY, "format": "panasonic", "options": {"zone": "UTC"}, "site": "main"}

    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY, declared=told))
            await capture.state("main", "listening")
            fakepbx.play(capture.port("main"), b"x")
            await capture.got("main", 1)

    asyncio.run(run())
    assert links(tmp_path / "journal", "main")[0]["declared"] == told


def test_settings_are_the_owners_and_the_files(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path), feed=[Feed(name="file", url="tcp-listen:1", allow=["::1"])])
    declared = {"url": "tcp-listen:1", "format": "auto", "options": {}, "site": "main"}
    found = Settings(config)
    assert found.changed() == [Setting("file", "tcp-listen:1", ["::1"], True, declared)]
    assert found.changed() is None
    published = [
        {
            "name": "a",
            "url": "tcp-listen:2",
            "source": "owner",
            "watch": {"lost_after_s": 3},
            "enabled": False,
        },
        {"name": "file", "url": "tcp-listen:3", "source": "owner"},
        {"name": "gone", "url": "tcp-listen:4", "source": "file"},
    ]
    file = config.settings_file("capture")
    file.parent.mkdir()
    file.write_text(json.dumps({"feeds": published, "watermark": {}}))
    now = found.changed()
    assert now is not None
    assert [(feed.name, feed.url, feed.enabled) for feed in now] == [
        ("file", "tcp-listen:1", True), ("a", "tcp-listen:2", False),
    ]  # fmt: skip
    for damaged in ("{", '{"feeds": [{"name": 3}]}'):
        file.write_text(damaged)
        assert found.changed() is None, "what was in force stays"
        assert Settings(config).changed() == now, "also over a restart"


class _Written:
    """Makes records as a journal would hold them."""

    def __init__(self) -> None:
        self.position = 0
        self.records: list[Record] = []

    def add(self, kind: Kind, source: str, payload: bytes) -> None:
        size = 48 + len(source) + len(payload)
        self.records.append(
            Record(kind, FEED, self.position, size, len(self.records), 0, 0, "b", True, source, payload)
        )
        self.position += size


steps = st.lists(
    st.tuples(
        st.sampled_from(["open", "chunk", "closed", "lost", "line-error", "junk"]),
        st.integers(1, 4),
        st.binary(max_size=200),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(steps)
def test_the_tally_counts_what_is_in_the_journal(steps: list[tuple[str, int, bytes]]) -> None:
    journal, tally = _Written(), Tally()
    open_now: dict[str, bytes] = {}
    for what, number, data in steps:
        source = f"feed/with/slashes/{number}"
        if what == "chunk":
            journal.add(Kind.CHUNK, source, data)
            open_now[source] = open_now.get(source, b"") + data
        elif what == "junk":
            journal.add(Kind.LINK, source, data)
        else:
            journal.add(Kind.LINK, source, json.dumps({"event": what}).encode())
            if what == "open":
                open_now.setdefault(source, b"")
            elif what != "line-error":
                open_now.pop(source, None)
    for record in journal.records:
        fold(tally, record)
    assert tally.position == journal.position
    assert {name: (s.size, s.tail) for name, s in tally.open.items()} == {
        name: (len(data), data[-64:]) for name, data in open_now.items()
    }
    used = [number for what, number, _ in steps if what in ("open", "chunk")]
    assert tally.numbers.get("feed/with/slashes", 0) == max(used, default=0)


def test_a_tally_of_another_journal_is_not_believed(tmp_path: Path) -> None:
    async def run() -> None:
        async with inside(tmp_path) as capture:
            await capture.apply(Setting("main", ANY))
            await capture.state("main", "listening")
            fakepbx.play(capture.port("main"), b"12345")
            await capture.got("main", 5)
            tally = await capture.progress.catch_up()
            assert tally.numbers == {"main": 1}
            tally.position = 1 << 40
            capture.progress.save()
        async with inside(tmp_path) as capture:
            assert (await capture.progress.catch_up()).numbers == {"main": 1}
            assert capture.progress.tally.position < 1 << 40

    asyncio.run(run())
