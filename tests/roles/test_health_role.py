"""The role health as a process: states and alarms from real files, each alarm in the journal exactly once."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from health_scene import Scene, scene, settled
from waiting import until

LONG = int(os.environ.get("HEALTH_KILLS", "150"))


def ready(box: Scene) -> None:
    """Health runs, and knows the feeds."""
    box.start_health()
    until(lambda: box.config.status_file("health").exists(), 30, "the role health")
    until(lambda: set(box.states()) == set(box.feeds), 10, "the feeds")


def test_a_lost_feed_is_an_alarm_in_time_and_is_cleared(tmp_path: Path) -> None:
    with scene(tmp_path) as box:
        box.start_journal()
        box.feed("main")
        box.feed("idle")
        box.watch(lost_after_s=0.5)
        box.connect("main")
        ready(box)
        until(lambda: box.states() == {"main": "LIVE", "idle": "QUIET"}, 5)
        box.leave("main")
        left = time.monotonic()
        until(lambda: [a.key for a in box.snapshot().alarms] == ["feed/main/lost"], 10)
        assert 0.5 < time.monotonic() - left < 5.0
        alarm = box.snapshot().alarms[0]
        assert (alarm.what, alarm.severity) == ("feed-lost", "major")
        assert alarm.text == "Feed main is lost: nobody is connected any more"
        box.connect("main")
        until(lambda: not box.snapshot().alarms and box.states()["main"] == "LIVE", 5)
        settled(box)
        events = [(r["event"], r["key"], r["what"]) for r in box.journaled()]
        assert events == [
            ("raised", "feed/main/lost", "feed-lost"),
            ("cleared", "feed/main/lost", "feed-lost"),
        ]
        assert box.kill(box.health, signal.SIGTERM) == 0


def test_figures_of_the_box(tmp_path: Path) -> None:
    with scene(tmp_path) as box:
        box.feed("main", bytes=77, opens=3)
        ready(box)
        shown = until(lambda: box.snapshot().box, 5)
        assert shown.disk_size > shown.disk_free > 0 and shown.memory_size > shown.memory_free > 0
        assert (shown.calls, shown.backlog_bytes, shown.journal_full) == (5, 0, 0)
        assert time.time() - shown.time_us / 1e6 < 5
        (feed,) = box.snapshot().feeds
        assert (feed.bytes, feed.opens, feed.counted_since_us) == (77, 3, box.started_us)
        until(
            lambda: {r.name: r.state for r in box.snapshot().roles} == dict.fromkeys(box.config.roles, "up"),
            10,
        )
        box.full = True
        until(lambda: [a.what for a in box.snapshot().alarms] == ["journal-full"], 5)


def test_a_stopped_and_a_dead_role(tmp_path: Path) -> None:
    with scene(tmp_path) as box:
        ready(box)
        until(
            lambda: {r.name: r.state for r in box.snapshot().roles} == dict.fromkeys(box.config.roles, "up"),
            10,
        )
        box.stop.set()  # capture and ledger stand still, their process lives
        until(lambda: {r.name: r.state for r in box.snapshot().roles}["ledger"] == "hung", 12)
        until(lambda: {a.key for a in box.snapshot().alarms} == {"role/capture/hung", "role/ledger/hung"}, 12)


def test_alarms_wait_while_capture_is_away(tmp_path: Path) -> None:
    with scene(tmp_path) as box:
        box.feed("line", "serial:/dev/ttyS9", state="failed", detail="No such device")
        ready(box)
        until(lambda: box.states()["line"] == "LOST", 10)
        box.feed("line", state="open")
        until(lambda: box.states()["line"] == "QUIET", 10)
        assert box.waiting() == 2
        box.kill(box.health)
        box.start_journal()
        box.start_health()
        settled(box)
        assert [r["event"] for r in box.journaled()] == ["raised", "cleared"]


def test_a_capture_that_stands_still_gets_each_alarm_once(tmp_path: Path) -> None:
    with scene(tmp_path) as box:
        box.start_journal()
        until(lambda: box.config.capture_socket.exists(), 20)
        assert box.journal is not None
        box.journal.send_signal(signal.SIGSTOP)
        box.feed("line", "serial:/dev/ttyS9", state="failed")
        ready(box)
        until(lambda: "alarms wait for the journal" in box.log.read_text(), 20, "the first try is given up")
        box.kill(box.health)
        box.start_health()
        until(lambda: box.log.read_text().count("alarms wait for the journal") == 2, 20, "another try")
        box.journal.send_signal(signal.SIGCONT)
        settled(box)
        assert [r["event"] for r in box.journaled()] == ["raised"]


def test_kill_9_of_health_and_capture_raises_and_clears_once(tmp_path: Path) -> None:
    _kills(tmp_path, 5)


@pytest.mark.long
def test_many_kills_of_health_and_capture(tmp_path: Path) -> None:
    _kills(tmp_path, LONG)


def _kills(tmp_path: Path, rounds: int) -> None:
    """Feeds come and go while health and the journal's writer are killed, three times a round."""
    dice = random.Random(5)
    names = [f"pbx{n}" for n in range(4)]
    with scene(tmp_path) as box:
        box.start_journal()
        for name in names:
            box.feed(name)
            box.connect(name)
        box.watch(lost_after_s=0.2)
        ready(box)
        losses: Counter[str] = Counter()
        for _ in range(rounds):
            gone = dice.sample(names, 2)
            for name in gone:
                box.leave(name)
            _shake(box, dice)
            until(lambda g=gone: all(box.states()[name] == "LOST" for name in g), 20, "lost")
            losses.update(gone)
            _shake(box, dice)
            for name in gone:
                box.connect(name)
            _shake(box, dice)
            until(lambda: set(box.states().values()) == {"LIVE"}, 20, "back")
        settled(box)
        keys = Counter(alarm.key for alarm in box.all_alarms())
        assert keys == {f"feed/{name}/lost": count for name, count in losses.items()}
        assert all(alarm.cleared_us is not None for alarm in box.all_alarms())
        records = box.journaled()
        assert len({r["id"] for r in records}) == len(records) == 2 * sum(losses.values())
        for name in losses:
            mine = [r["event"] for r in records if r["key"] == f"feed/{name}/lost"]
            assert mine == ["raised", "cleared"] * losses[name]


def _shake(box: Scene, dice: random.Random) -> None:
    """Kills health or the journal's writer at some moment of the next half second, and starts it again."""
    time.sleep(dice.uniform(0.0, 0.5))  # the random moment of the kill is what is tested
    if dice.random() < 0.5:
        box.kill(box.health)
        box.start_health()
    else:
        box.kill(box.journal)
        box.start_journal()
