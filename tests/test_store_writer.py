"""The writer: what it saves together and what it goes on from, a full disk, crashes."""

import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from bluewhale.config import Config
from bluewhale.model import CatalogueRow, DirectoryRow, FeedStats, Saved, Setting
from bluewhale.store import ledgerdb, recovery, segments, writer
from bluewhale.store.dump import dump
from bluewhale.store.writer import DiskFull, Store
from store_samples import JOURNAL, fold, joined, line, lines, made, outcome, reject, run, step
from waiting import until


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data=str(tmp_path / "data"))


def test_an_empty_store_gives_the_defaults(config: Config) -> None:
    store = Store(config)
    assert store.load() == Saved()
    store.flush()
    assert not store.idle()
    store.close()
    assert list(dump(config)) == []


def test_what_was_saved_comes_back(config: Config) -> None:
    store = Store(config)
    store.commit(
        step(
            lines(1, 5),
            settings=[Setting("site", "main", {"zone": "Asia/Shanghai"}, 3), Setting("feed", "a", {"url": "x"}, 4)],
            directory=[DirectoryRow("main", "203", "Li", "Sales", "default"), DirectoryRow("main", "204", None, None, None)],
            catalogue=[CatalogueRow("feed", 1, "a"), CatalogueRow("plan", 1, "sample", 1, {"currency": "CNY"})],
            feeds={1: FeedStats("panasonic", True, "12 of 12", 5, 0, 1, 2, 77)},
            sources={"a/1": b"half a line", "a/2": b"x"},
            book=b"book",
        )
    )  # fmt: skip
    store.commit(
        step(
            lines(6, 1),
            settings=[Setting("feed", "a", None, 5)],
            directory=[DirectoryRow("main", "204", removed=True)],
            sources={"a/2": None},
        )
    )
    store.close()
    again = Store(config)
    assert again.load() == Saved(
        watermark={"feed": 6, "owner": 0},
        journal=JOURNAL,
        next_seq=7,
        state=b'{"lines": 6}',
        book=b"book",
        sources={"a/1": b"half a line"},
        settings=[Setting("site", "main", {"zone": "Asia/Shanghai"}, 3)],
        directory=[DirectoryRow("main", "203", "Li", "Sales", "default")],
        catalogue=[CatalogueRow("feed", 1, "a"), CatalogueRow("plan", 1, "sample", 1, {"currency": "CNY"})],
        feeds={1: FeedStats("panasonic", True, "12 of 12", 5, 0, 1, 2, 77)},
    )
    again.close()


def test_lines_are_visible_at_once_and_the_rest_within_a_second(config: Config) -> None:
    store = Store(config)
    store.commit(step(lines(1, 10)))
    assert [text.split(" ")[0] for text in dump(config)] == ["line"] * 10
    assert store.load() == Saved()
    until(lambda: not store.idle() and store.load().next_seq == 11, timeout=5)
    store.close()


def test_what_somebody_waits_for_is_saved_at_once(config: Config) -> None:
    store = Store(config)
    store.commit(step(lines(1, 10), outcomes=[outcome(3)]))
    assert store.load().next_seq == 11
    store.commit(step([], outcomes=[outcome(4)], watermark={"feed": 10, "owner": 9}))
    assert store.load().watermark == {"feed": 10, "owner": 9}
    store.close()


def test_batches_make_no_difference(tmp_path: Path) -> None:
    dumps = [made(Config(data=str(tmp_path / str(batch))), 2500, batch) for batch in (1, 37, 999, 2500)]
    assert dumps[0][0].startswith('line {"seq":1,')
    assert sum(text.startswith("line ") for text in dumps[0]) == 2500
    assert dumps[1] == dumps[0] and dumps[2] == dumps[0] and dumps[3] == dumps[0]


def test_the_sums_are_those_of_the_lines(config: Config) -> None:
    made(config, 3000)
    db = sqlite3.connect(config.ledger_db)
    every = joined(1, 3000)
    for table, name in (("daily_extension", "extension"), ("daily_destination", "destination")):
        want: Counter[tuple[object, ...]] = Counter()
        for one in every:
            key = (
                one.day,
                one.enterprise,
                one.site,
                one.department,
                getattr(one, name) or "-",
                one.direction,
            )
            want[key, one.currency or "-", "lines"] += 1
            want[key, one.currency or "-", "talk_s"] += one.talk_s or 0
            first = one.call_position == one.position
            want[key, one.currency or "-", "calls"] += first
            want[key, one.currency or "-", "answered"] += (first and one.answered) or 0
            want[key, one.currency or "-", "charge_micros"] += one.charge_micros or 0
            want[key, one.currency or "-", "unpriced"] += one.unpriced is not None
        have: Counter[tuple[object, ...]] = Counter()
        for *key_, currency, count, talk_s, answered, charge, unpriced, calls in db.execute(
            f"SELECT day, enterprise, site, department, {name}, direction, currency, lines, talk_s, answered,"
            f" charge_micros, unpriced, calls FROM {table}"
        ):
            key = tuple(key_)
            have[key, currency, "calls"] += calls
            have[key, currency, "lines"] += count
            have[key, currency, "talk_s"] += talk_s
            have[key, currency, "answered"] += answered
            have[key, currency, "charge_micros"] += charge
            have[key, currency, "unpriced"] += unpriced
        assert have == want
    assert db.execute("SELECT sum(balance_micros) FROM account").fetchone() == (0,)
    assert db.execute("SELECT sum(abs(amount_micros)) > 0, sum(amount_micros) FROM posting").fetchone() == (
        1,
        0,
    )


def test_further_lines_of_a_call_are_no_calls(config: Config) -> None:
    store = Store(config)
    first = line(1, direction="outgoing", currency="CNY", charge_micros=500, answered=1)
    other = line(
        2, direction="outgoing", currency="CNY", charge_micros=70, call_position=first.position, ordinal=1
    )
    mend = line(3, direction="outgoing", currency="CNY", charge_micros=-500, position=first.position,
                call_position=first.position, revision=1, reason="late leg")  # fmt: skip
    store.commit(step([first, other, mend]))
    store.close()
    db = sqlite3.connect(config.ledger_db)
    sums = db.execute("SELECT sum(lines), sum(calls), sum(answered), sum(charge_micros) FROM daily_extension")
    assert sums.fetchone() == (3, 1, 1, 70)


def test_rejects_are_bounded_and_their_counts_are_not(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgerdb, "REJECTS_KEPT", 30)
    store = Store(config)
    for at in range(0, 100, 20):
        store.commit(step([], rejects=[reject(number) for number in range(at, at + 20)]))
        store.flush()
    store.commit(step([], rejects=[reject(number) for number in range(100, 160)]))
    store.close()
    db = sqlite3.connect(config.ledger_db)
    kept = db.execute("SELECT count(*), min(at_us) % 1000, max(at_us) % 1000 FROM reject").fetchone()
    assert kept == (30, 130, 159)
    assert db.execute("SELECT feed, why, rejects FROM reject_count").fetchall() == [(1, "bad-field", 160)]


def test_a_gap_between_lines_is_refused(config: Config) -> None:
    store = Store(config)
    store.commit(step(lines(1, 3)))
    with pytest.raises(ValueError, match="do not follow 3"):
        store.commit(step(lines(5, 1)))
    store.close()


@pytest.mark.parametrize("which", ["segment", "ledger"])
def test_a_full_disk_loses_and_doubles_nothing(tmp_path: Path, which: str) -> None:
    """SQLite itself says "database or disk is full": the file may grow no more pages."""
    want = made(Config(data=str(tmp_path / "want")), 6000, 250, 100_000)
    config = Config(data=str(tmp_path / "full"))
    store = Store(config, 100_000)
    full = 0
    for at in range(1, 6001, 250):
        part = fold(at, 250)
        if at > 1000:
            db = store._open.db if which == "segment" else store._db  # type: ignore[union-attr]
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count={pages}")
            for _ in range(3):
                try:
                    store.commit(part)
                    store.flush()
                except DiskFull:
                    full += 1
            db.execute("PRAGMA max_page_count=1000000")
        store.commit(part)
    store.close()
    assert full > 10
    assert list(dump(config)) == want


def test_lines_that_come_out_differently_after_a_crash_are_replaced(config: Config) -> None:
    """The code was changed between a crash and the start after it: ledger.db is behind, the new code's lines count."""
    store = Store(config, 1000)
    store.commit(fold(1, 500))
    store.flush()
    other = fold(501, 1200)
    other.outcomes, other.settings = [], []
    for one in other.lines:
        if one.seq >= 900 and one.charge_micros:
            one.charge_micros += 1
    store.commit(other)
    store._sealer.close(20)
    del store  # as a kill would leave it: ledger.db at line 500, segments at line 1700
    want = made(Config(data=config.data + "-want"), 1700)
    assert made(config, 1700) == want


def test_ledger_db_is_never_ahead_after_a_power_cut(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst a power cut can do: of the segments only what was synced is left, of ledger.db all."""
    want = made(Config(data=str(tmp_path / "want")), 3000)
    safe = tmp_path / "safe"
    safe.mkdir()
    monkeypatch.setattr(writer.Sealer, "put", lambda sealer, number: None)  # it syncs too
    plain = segments.OpenSegment.sync

    def sync(segment: segments.OpenSegment) -> None:
        plain(segment)
        for file in config.calls_dir.glob(f"{segment.file.name}*"):
            shutil.copy(file, safe)

    monkeypatch.setattr(segments.OpenSegment, "sync", sync)
    store = Store(config, 1000)
    for at in range(1, 2400, 60):
        store.commit(fold(at, 60))  # saves at once where an owner changed something: every 300 lines
    kept = store.load().next_seq
    after = tmp_path / "after"
    shutil.copytree(config.data_dir, after)
    shutil.rmtree(after / "calls")
    shutil.copytree(safe, after / "calls")
    monkeypatch.undo()
    again = Store(Config(data=str(after)), 1000)
    assert again.load().next_seq == kept > 1500 and not list(after.glob("ledger.db.aside"))
    run(again, 3000, 500)
    again.close()
    assert list(dump(Config(data=str(after)))) == want


OTHER = "f" * 16  # the journal of a restored box


def folded(config: Config, saves: tuple[int, ...], until_: int = 300) -> None:
    """Lines 1 to 100 of JOURNAL, then 1 to 200 of OTHER, as they come again after a crash: from the watermark on."""
    store = Store(config, 70)
    saved = store.load()
    at = saved.next_seq - 1 + (100 if saved.journal == OTHER else 0)
    while at < until_:
        part = fold(at + 1, 20) if at < 100 else fold(at - 99, 20)
        part.journal = JOURNAL if at < 100 else OTHER
        part.outcomes = part.settings = []
        store.commit(part)
        at += 20
        if at in saves:
            store.flush()
    store._sealer.close(20)
    if until_ == 300:
        store.close()


def test_another_journal_begins_a_segment(config: Config) -> None:
    folded(config, ())
    spans = [(span.journal, span.first_seq, span.last_seq) for span in recovery.survey(config.calls_dir)]
    assert spans == [
        (JOURNAL, 1, 70),
        (JOURNAL, 71, 100),
        (OTHER, 1, 70),
        (OTHER, 71, 140),
        (OTHER, 141, 200),
    ]


@pytest.mark.parametrize("saves", [(), (40,), (100,), (140,)])
@pytest.mark.parametrize("killed_at", [60, 100, 120, 280])
def test_a_crash_around_another_journal(tmp_path: Path, saves: tuple[int, ...], killed_at: int) -> None:
    folded(Config(data=str(tmp_path / "want")), ())
    config = Config(data=str(tmp_path / "data"))
    folded(config, saves, killed_at)
    folded(config, ())
    assert list(dump(config)) == list(dump(Config(data=str(tmp_path / "want"))))


def test_idle_does_not_ask_to_be_called_again_at_once(config: Config) -> None:
    """Else the ledger would spin until the next save."""
    store = Store(config)
    store.commit(step(lines(1, 10)))
    assert not store.idle()
    store.close()
