"""Segments: where they end, how they are sealed, what a start makes of what is left of them."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from bluewhale.config import Config
from bluewhale.model import Line
from bluewhale.store import recovery, segments, writer
from bluewhale.store.dump import dump
from bluewhale.store.seal import fingerprint
from bluewhale.store.writer import Store
from store_samples import JOURNAL, fold, joined, line, lines, made, run, step
from waiting import until


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data=str(tmp_path / "data"))


def test_segments_end_at_the_same_lines_whatever_the_batches(tmp_path: Path) -> None:
    ends = []
    for batch in (70, 1500):
        config = Config(data=str(tmp_path / str(batch)))
        made(config, 5000, batch)
        ends.append(
            [(span.number, span.first_seq, span.last_seq) for span in recovery.survey(config.calls_dir)]
        )
    assert ends[0] == [
        (1, 1, 1000),
        (2, 1001, 1699),
        (3, 1700, 2699),
        (4, 2700, 3399),
        (5, 3400, 4399),
        (6, 4400, 5000),
    ]
    assert ends[1] == ends[0]


def sealed(config: Config) -> list[Path]:
    return [file for _, file, is_sealed in segments.listing(config.calls_dir) if is_sealed]


def test_a_full_segment_is_sealed_with_a_manifest(config: Config) -> None:
    store = Store(config, 1000)
    run(store, 2500, 300)
    until(lambda: not store.idle() and len(sealed(config)) == 2, timeout=20)
    store.commit(fold(2501, 10))
    store.close()
    first = sealed(config)[0]
    assert first.name == "000001.db" and first.stat().st_mode & 0o222 == 0
    assert not (first.parent / "000001.open.db").exists()
    db = recovery.connect(first, sealed=True)
    manifest = msgspec.json.decode(db.execute("SELECT value FROM meta WHERE name = 'manifest'").fetchone()[0])
    assert manifest["sha256"] == fingerprint(db)
    assert (manifest["lines"], manifest["first_seq"], manifest["last_seq"]) == (1000, 1, 1000)
    assert manifest["talk_s"] == sum(one.talk_s or 0 for one in lines(1, 1000))
    charges = sum(one.charge_micros or 0 for one in lines(1, 1000))
    assert msgspec.json.decode(manifest["charges"]) == {"CNY": charges}
    assert (manifest["low_position"], manifest["high_position"]) == (10_100, 110_000)
    ledger = sqlite3.connect(config.ledger_db)
    assert ledger.execute("SELECT number, sha256 FROM segment").fetchone() == (1, manifest["sha256"])


def test_the_fingerprint_is_of_the_lines_alone(tmp_path: Path) -> None:
    """Not of batches, nor of the order in which dictionaries grew; any field of any line counts."""

    def of(made_: list[Line], batch: int, before: list[Line] | None = None) -> str:
        segment = segments.create(tmp_path, 1, JOURNAL, None, 1)
        if before:  # leaves its words behind, as lines that were taken out do
            segment.insert(before, {}, "one")
            segment.db.execute("DELETE FROM line")
            segment.reload()
        for at in range(0, len(made_), batch):
            segment.insert(made_[at : at + batch], {"feed": at}, "one")
        print_ = fingerprint(segment.db)
        segment.close()
        return print_

    want = of(joined(1, 300), 300)
    assert of(joined(1, 300), 7) == want
    assert of(joined(1, 300), 100, before=[line(1, position=10_100, extension="9", trunk="other")]) == want
    for name, value in (("talk_s", 4), ("called", "7"), ("trunk", "x"), ("person", 99), ("revision", 1), ("destination", "y"),
                        ("call_length", 79), ("charge_micros", 5), ("auth_code", "1"), ("state", "open")):  # fmt: skip
        changed = joined(1, 300)
        setattr(changed[150], name, value)
        assert of(changed, 300) != want, name


def test_sealing_goes_on_after_a_crash_in_it(config: Config) -> None:
    """What a killed sealer leaves: a half copy, or both files."""
    want = made(config, 2500)
    for number, file, is_sealed in segments.listing(config.calls_dir):
        if is_sealed and number == 1:
            file.rename(file.with_name("000001.open.db"))
            file.with_name("000001.open.db").chmod(0o644)
            file.with_name(".000001.part").write_bytes(b"half")
        elif is_sealed:
            file.with_name(segments.open_name(number)).write_bytes(file.read_bytes())
    store = Store(config, 1000)
    until(lambda: not store.idle() and len(sealed(config)) == 2, timeout=20)
    store.close()
    names = sorted(file.name for file in config.calls_dir.iterdir())
    assert names == ["000001.db", "000002.db", "000003.open.db"]
    assert list(dump(config)) == want


def test_idle_makes_the_indexes_a_flood_dropped(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 0.0)
    store = Store(config)
    store.commit(step(lines(1, 1200)))
    assert store._open is not None and not store._open.indexed
    for _ in range(6):
        store.idle()
    assert store._open.indexed
    store.commit(step(lines(1201, 10)))
    assert store._open.indexed
    store.close()


def test_ledger_db_may_be_lost(config: Config) -> None:
    want = made(config, 3000)
    for suffix in ("", "-wal", "-shm"):
        config.ledger_db.with_name(config.ledger_db.name + suffix).unlink(missing_ok=True)
    assert made(config, 3000) == want


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_segment_may_be_lost(config: Config, which: int) -> None:
    want = made(config, 3000)
    file = segments.listing(config.calls_dir)[which][1]
    file.unlink()
    assert made(config, 3000) == want
    assert list(config.data_dir.glob("ledger.db.aside"))


@pytest.mark.parametrize("damage", [b"no database at all", b""])
def test_a_segment_that_is_none_is_made_again(config: Config, damage: bytes) -> None:
    want = made(config, 3000)
    file = segments.listing(config.calls_dir)[1][1]
    file.unlink()
    file.write_bytes(damage)
    assert made(config, 3000) == want
