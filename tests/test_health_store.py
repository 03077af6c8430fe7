"""health.db: one transaction a look, each alarm once, what readers see of it."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from bluewhale.config import Config
from bluewhale.health import reads, store
from bluewhale.health.alarms import Wanted
from snmp_peers import Health, feed, role

FULL = {"disk-full": Wanted("disk-full", {})}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data=str(tmp_path / "data"))


@pytest.fixture
def health(config: Config) -> Health:
    return Health(config)


def test_before_the_first_run_there_is_nothing(config: Config) -> None:
    assert reads.snapshot(config) == reads.Snapshot()
    config.health_db.parent.mkdir(parents=True)
    sqlite3.connect(config.health_db).execute("CREATE TABLE other (x)").close()
    assert reads.snapshot(config) == reads.Snapshot()


def test_what_is_written_is_read_back(config: Config, health: Health) -> None:
    rows = [feed("b", losses=3), feed("a", last_us=None)]
    health.write(
        feeds=rows, roles=[role("capture")], raised={"feed/a/lost": Wanted("feed-lost", {"feed": "a"})}
    )
    seen = reads.snapshot(config)
    assert seen.box == health.box()
    assert [msgspec.structs.replace(f, id=0) for f in seen.feeds] == rows and [f.id for f in seen.feeds] == [
        1,
        2,
    ]
    assert [r.name for r in seen.roles] == ["capture"]
    (alarm,) = seen.alarms
    assert (alarm.key, alarm.severity, alarm.text, alarm.cleared_us) == (
        "feed/a/lost",
        "major",
        "Feed a is lost",
        None,
    )


def test_numbers_stay_with_names_and_are_never_given_again(config: Config, health: Health) -> None:
    health.write(feeds=[feed("a"), feed("b")])
    health.write(feeds=[feed("a", state="QUIET")], gone=["b"])
    health.write(feeds=[feed("b"), feed("c")])
    assert {f.name: f.id for f in reads.snapshot(config).feeds} == {"a": 1, "b": 3, "c": 4}


def test_a_clear_without_a_raise_or_a_second_raise_undoes_the_whole_step(
    config: Config, health: Health
) -> None:
    health.write(raised=FULL)
    with pytest.raises(sqlite3.IntegrityError):
        health.write(feeds=[feed("a")], raised=FULL)
    with pytest.raises(TypeError):
        health.write(feeds=[feed("a")], cleared=["disk-low"])
    assert reads.snapshot(config).feeds == [] and health.store.standing() == {"disk-full"}


def test_events_wait_in_order_until_the_journal_has_them(config: Config, health: Health) -> None:
    health.write(raised=FULL)
    health.write(cleared=["disk-full"])
    first = health.store.waiting()
    assert first is not None and (first.seq, first.tried_from) == (1, None)
    assert msgspec.json.decode(first.payload)["event"] == "raised"
    health.store.tried(1, 4711)
    again = health.store.waiting()
    assert again is not None and (again.seq, again.tried_from, again.id) == (1, 4711, first.id)
    health.store.journaled(1, "j.feed.4711.90")
    second = health.store.waiting()
    assert second is not None and second.seq == 2
    health.store.journaled(2, "j.feed.4801.90")
    assert health.store.waiting() is None
    db = reads.connect(config.health_db)
    assert [(e.seq, e.event, e.alarm.key) for e in reads.events(db, 0)] == [
        (1, "raised", "disk-full"),
        (2, "cleared", "disk-full"),
    ]
    assert [e.seq for e in reads.events(db, 1)] == [2] and reads.last_event(db) == 2


def test_another_process_goes_on_with_the_same_names(config: Config, health: Health) -> None:
    health.write(raised=FULL)
    health.store.close()
    later = Health(config)
    assert later.store.name == health.store.name and later.store.standing() == {"disk-full"}
    later.write(roles=[role("web"), role("e1")])
    later.store.keep_roles(("web", "capture"))
    assert [r.name for r in reads.snapshot(config).roles] == ["web"]


def test_old_cleared_alarms_go_but_not_what_the_journal_waits_for(config: Config, health: Health) -> None:
    for key in ("disk-full", "disk-low", "backlog"):
        health.write(raised={key: Wanted(key, {})})
    health.write(cleared=["disk-full"])
    health.write(cleared=["disk-low"])
    for seq in (1, 2, 3, 4):
        health.store.journaled(seq, "x")
    health.now += store.KEEP_US + 1
    health.write(cleared=["backlog"])
    db = reads.connect(config.health_db)
    assert [a.key for a in reads.alarms(db, active=False)] == ["backlog", "disk-low"]
    assert reads.last_event(db) == 6 and [e.seq for e in reads.events(db, 0)] == [2, 3, 5, 6]


def test_readers_cannot_write(config: Config, health: Health) -> None:
    db = reads.connect(config.health_db)
    with pytest.raises(sqlite3.OperationalError):
        db.execute("DELETE FROM feed")
