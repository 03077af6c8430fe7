"""The real ledger role on a real journal: exactly once whatever kills it, and the same when made anew."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bluewhale import owner
from bluewhale.config import Config
from bluewhale.journal import reader
from bluewhale.model import Kind
from bluewhale.roles import rebuild
from ledger_boxes import (
    PLAN,
    Journaled,
    balance,
    caught_up,
    kill,
    lines,
    run_to_the_end,
    smdr,
    start,
    status,
    stop,
)
from waiting import until

SEED = int(os.environ.get("LEDGER_SEED", "20260914"))
COUNT = 20_000


def replayed(directory: Path, count: int, dice: random.Random) -> Config:
    """A journal of `count` lines cut anywhere, over three connections, with owners' changes in between."""
    journal = Journaled(directory)
    journal.set_up()
    waiting = {f"main/{n}": bytearray() for n in range(3)}
    for source in waiting:
        journal.link("open", source)
    for number in range(count):
        source = f"main/{dice.randrange(3)}"
        waiting[source] += smdr(number, talk=dice.randrange(1, 3600), direction=dice.choice("OOOI"))
        if len(waiting[source]) > 2000:
            cut = dice.randrange(1, len(waiting[source]))
            journal.chunk(source, bytes(waiting[source][:cut]))
            del waiting[source][:cut]
        if number % (count // 10) == 7:
            rows = [
                {"extension": str(200 + n), "department": f"D{dice.randrange(4)}"} for n in range(0, 100, 7)
            ]
            journal.owner("directory", "extensions", {"set": rows})
        if number % (count // 3) == 11:
            journal.chunk("main/0", b"")
            journal.owner("plan", "sample", {"plan": PLAN | {"decimals": dice.randrange(2, 7)}})
    for source, rest in waiting.items():
        journal.chunk(source, bytes(rest))
        journal.link("closed", source)
    return journal.close()


def killed(directory: Path, count: int, kills: int, dice: random.Random) -> None:
    """The ledger is killed `kills` times while it reads `count` lines; then all must be there, once."""
    config = replayed(directory, count, dice)
    seen = [0]
    while len(seen) <= kills and seen[-1] < count:
        process = start(config)
        if dice.random() < 0.8:  # at work; else while it starts
            until(lambda: last_seq(config) > seen[-1], 30, "more lines")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=dice.uniform(0.0, 0.3))
        kill(process)
        seen.append(last_seq(config))
    assert len(set(seen)) > min(kills, 12) / 3, f"few kills fell into the work: {seen}"
    run_to_the_end(config, 120.0)
    found = lines(config)
    assert [line["seq"] for line in found] == list(range(1, count + 1))
    assert len({line["position"] for line in found}) == count
    difference = rebuild.compare(
        config, rebuild.make(config, reader.ends(config.journal_dir), lambda text: None), tables=True
    )
    assert difference.same, difference
    assert difference.new_lines == count
    charged = sum(line["charge_micros"] for line in found)
    assert balance(config, "department:%") == charged > 0
    assert balance(config, "%") == 0


def test_killed_anywhere_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    killed(tmp_path / "data", 30_000, 12, random.Random(SEED))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_killed_hundreds_of_times_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    """LEDGER_KILLS (default 300) and LEDGER_SEED choose how often and when."""
    dice = random.Random(SEED)
    for number in range(int(os.environ.get("LEDGER_KILLS", "300")) // 20):
        killed(tmp_path / f"data{number}", 50_000, 20, dice)
        shutil.rmtree(tmp_path / f"data{number}")


def test_it_stops_within_five_seconds_in_the_middle_of_much_work(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", COUNT, random.Random(2))
    process = start(config)
    until(lambda: status(config).get("lines", 0) > 0, 20, "the first lines")
    assert stop(process) < 5.0
    made = len(lines(config))
    run_to_the_end(config)
    assert 0 < made <= len(lines(config)) == COUNT


def test_a_rebuild_replaces_only_when_asked_and_what_it_makes_is_the_same(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", 500, random.Random(3))
    run_to_the_end(config)
    before = lines(config)
    with closing(sqlite3.connect(next(config.calls_dir.glob("*.db")))) as db:
        db.execute("UPDATE line SET charge_micros = charge_micros + 1000000 WHERE seq = 100")
        db.commit()
    wrong = lines(config)
    checked = command("rebuild", "--check", "--data", config.data)
    assert checked.returncode == 1
    verdict, *sums = [msgspec.json.decode(line) for line in checked.stdout.splitlines()]
    assert (verdict["same"], verdict["different_lines"], verdict["first_different_seq"]) == (False, 1, 100)
    assert [row["old_micros"] - row["new_micros"] for row in sums] == [1_000_000]
    assert sums[0]["month"] == "202609"
    assert lines(config) == wrong
    assert command("rebuild", "--apply", "--data", config.data).returncode == 0
    assert lines(config) == before
    run_to_the_end(config)
    assert command("rebuild", "--data", config.data).returncode == 0


def test_a_rebuild_beside_a_running_ledger_compares_and_will_not_replace(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", 500, random.Random(4))
    process = start(config)
    try:
        until(lambda: caught_up(config, process), 20, "the ledger caught up")
        checked = command("rebuild", "--data", config.data)
        assert checked.returncode == 0, checked.stderr
        assert msgspec.json.decode(checked.stdout)["new_lines"] == 500
        refused = command("rebuild", "--apply", "--data", config.data)
        assert (refused.returncode, b"stop it before" in refused.stderr) == (3, True)
    finally:
        stop(process)


def test_without_ledger_db_or_calls_all_is_made_again(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", 500, random.Random(5))
    run_to_the_end(config)
    before = lines(config)
    for file in config.data_dir.glob("ledger.db*"):
        file.unlink()
    run_to_the_end(config)
    assert lines(config) == before
    for file in config.calls_dir.iterdir():
        file.unlink()
    run_to_the_end(config)
    assert lines(config) == before
    assert balance(config, "department:%") == sum(line["charge_micros"] for line in before)


def test_a_memory_of_another_version_is_made_again(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", 300, random.Random(6))
    run_to_the_end(config)
    before = lines(config)
    with closing(sqlite3.connect(config.ledger_db)) as db:
        db.execute("UPDATE fold SET state = ?", [b'{"zone":"UTC","colour":"blue"}'])
        db.commit()
    run_to_the_end(config)
    assert lines(config) == before
    assert "another version" in (config.data_dir / "ledger.log").read_text()


def test_damage_in_the_journal_is_skipped_and_counted(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", 300, random.Random(7))
    segment = sorted((config.journal_dir / "feed").glob("*.seg"))[0]
    data = bytearray(segment.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20] = b"\xff" * 20
    segment.write_bytes(data)
    process = start(config)
    try:
        until(lambda: caught_up(config, process), 20, "the ledger caught up")
        found = status(config)
    finally:
        stop(process)
    assert found["damage"]["count"] == 1
    assert found["damage"]["bytes"] > 20
    assert 200 < found["lines"] < 300


def test_another_journal_is_not_mixed_in(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", 100, random.Random(8))
    run_to_the_end(config)
    before = lines(config)
    config.journal_dir.rename(tmp_path / "old")
    replayed(tmp_path / "data", 50, random.Random(9))
    process = start(config)
    assert process.wait(20) != 0
    assert "does not hold" in (config.data_dir / "ledger.log").read_text()
    assert lines(config) == before


@pytest.mark.parametrize("name", ["auto", "avaya-ipoffice"])
def test_a_copied_box_goes_on_in_a_journal_of_its_own(tmp_path: Path, name: str) -> None:
    """Half a line was read when the copy was made: it belongs to the old journal, new lines to the new one."""
    journal = Journaled(tmp_path / "old")
    journal.set_up(format=name)
    journal.chunk("main/1", smdr(0) + smdr(1) + smdr(2)[:50])
    config = journal.close()
    run_to_the_end(config)
    assert len(lines(config)) == (2 if name != "auto" else 0)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    (tmp_path / "new" / "box.json").unlink()
    copy = Journaled(tmp_path / "new")
    copy.owner("directory", "extensions", {"set": [{"extension": "203", "department": "Sales"}]})
    copy.chunk("main/1", smdr(3) + smdr(4))
    new = copy.close()
    run_to_the_end(new)
    found = lines(new)
    assert [(line["seq"], line["extension"], line["department"]) for line in found] == [
        (1, "200", 0), (2, "201", 0), (1, "203", 1), (2, "204", 0),
    ]  # fmt: skip
    assert len({line["journal"] for line in found}) == 2
    assert balance(new, "department:%") == sum(line["charge_micros"] for line in found)
    run_to_the_end(new)
    assert lines(new) == found
    assert rebuild.compare(
        new, rebuild.make(new, reader.ends(new.journal_dir), lambda text: None), tables=True
    ).same


def test_owner_changes_are_answered_and_published(tmp_path: Path) -> None:
    journal = Journaled(tmp_path / "data")
    journal.set_up()
    config = journal.close()
    process = start(config)
    try:
        until(lambda: caught_up(config, process), 20, "the ledger caught up")
        known = owner.submit(config, owner.change("site", "main", {"zone": "Asia/Shanghai"}, who="a"), 10.0)
        assert known.state == "applied"
        stale = owner.submit(config, owner.change("site", "main", {"zone": "UTC"}, who="b", expects=1), 10.0)
        assert stale.state == "refused"
        assert "changed meanwhile" in str(stale.why)
        change = owner.change("feed", "lab", {"url": "udp:514"}, who="a")
        assert owner.submit(config, change, 10.0).state == "applied"
        again = owner.submit(config, change, 10.0)
        assert again.state == "applied"
        feeds = msgspec.json.decode(config.settings_file("capture").read_bytes())["feeds"]
        assert [feed["name"] for feed in feeds] == ["lab", "main"]
    finally:
        stop(process)
    later = owner.submit(config, owner.change("feed", "lab", None, who="a"), 0.0)
    assert later.state == "pending"
    run_to_the_end(config)
    assert owner.answer_of(config, later.origin).state == "applied"
    feeds = msgspec.json.decode(config.settings_file("capture").read_bytes())["feeds"]
    assert [feed["name"] for feed in feeds] == ["main"]


def test_two_ledgers_never_write_the_same_box(tmp_path: Path) -> None:
    config = replayed(tmp_path / "data", 10, random.Random(1))
    first = start(config)
    try:
        until(lambda: caught_up(config, first), 20, "the ledger caught up")
        second = start(config)
        assert second.wait(20) != 0
        assert caught_up(config, first)
    finally:
        stop(first)


@pytest.mark.parametrize("event", ["closed", "lost"])
def test_a_line_is_visible_while_the_journal_grows(tmp_path: Path, event: str) -> None:
    journal = Journaled(tmp_path / "data")
    journal.set_up(format="avaya-ipoffice")
    journal.writer.sync()
    config = journal.config
    process = start(config)
    try:
        until(lambda: caught_up(config, process), 20, "the ledger caught up")
        for number in range(3):
            journal.chunk("main/1", smdr(number))
            journal.writer.sync()
            until(lambda n=number: len(lines(config)) == n + 1, 10, "the line")  # type: ignore[misc]
        journal.chunk("main/1", smdr(3).rstrip())
        journal.link(event, "main/1")
        journal.writer.append(Kind.TICK, "capture", b"")
        journal.writer.sync()
        until(lambda: len(lines(config)) == 4, 10, "the last line")
    finally:
        journal.close()
        stop(process)


def last_seq(config: Config) -> int:
    """The last line in a segment, 0 if there is none."""
    newest = 0
    for file in config.calls_dir.glob("*.db"):
        with (
            contextlib.suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db,
        ):
            newest = max(newest, db.execute("SELECT max(seq) FROM line").fetchone()[0] or 0)
    return newest


def command(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "bluewhale", *arguments], capture_output=True, timeout=120, check=False
    )
