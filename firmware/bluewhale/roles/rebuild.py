"""All calls made anew from the journal, beside those the box has, and compared with them.

While the ledger role runs the journal's end is taken as it stands; only with the ledger's lock in hand can the
new ones take the place of the old. What is replaced is kept in DATA/rebuild/old until the next rebuild.
"""

import logging
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.config import Config
from bluewhale.journal import reader
from bluewhale.model import FEED, OWNER
from bluewhale.roles.folding import check_journal, fold, open_store
from bluewhale.store.window import open_box

TELL_S = 1.0
FILES = ("ledger.db-wal", "ledger.db-shm", "ledger.db")
# What ledger.db holds beside lines, as far as the journal alone determines it.
TABLES = {
    "account": "*", "posting": "*", "catalogue": "*", "setting": "*", "directory": "*", "owner_change": "*",
    "daily_extension": "*", "daily_destination": "*", "feed_stat": "*", "decoder_state": "*", "reject_count": "*",
    "reject": "journal, stream, position, length, feed, source, at_us, why, format, detail",
    "fold": "journal, seq, journal_time_us, fold_version, state",
}  # fmt: skip

log = logging.getLogger("bluewhale")


class Beside(msgspec.Struct, frozen=True):
    """Where the new calls are made; what the store needs of a configuration."""

    data_dir: Path

    @property
    def calls_dir(self) -> Path:
        return self.data_dir / "calls"

    @property
    def ledger_db(self) -> Path:
        return self.data_dir / "ledger.db"


class Difference(msgspec.Struct, frozen=True):
    """`lines`: how many are there or read differently; `tables`: those of ledger.db that differ (compared only
    when nothing writes); `sums`: month, department, currency, old and new charge where these differ."""

    old_lines: int
    new_lines: int
    lines: int
    first: int | None
    tables: list[str]
    sums: list[dict[str, Any]]

    @property
    def same(self) -> bool:
        return not self.lines and not self.tables


def make(config: Config, ends: reader.Ends, tell: Callable[[str], None]) -> Beside:
    """Folds the journal up to `ends` into DATA/rebuild. Raises OSError."""
    beside = Beside(config.data_dir / "rebuild")
    shutil.rmtree(beside.data_dir, ignore_errors=True)
    beside.data_dir.mkdir(parents=True)
    if (config.data_dir / "box.json").exists():
        shutil.copy(config.data_dir / "box.json", beside.data_dir)
    fold_into(beside, config, ends, tell)
    return beside


def catch_up(config: Config, ends: reader.Ends, tell: Callable[[str], None]) -> None:
    """Brings the box's own calls up to `ends`, as the ledger role would. Only with the ledger's lock."""
    fold_into(config, config, ends, tell)


def fold_into(
    places: Config | Beside, config: Config, ends: reader.Ends, tell: Callable[[str], None]
) -> None:
    """Folds what the store at `places` has not seen. Raises WrongJournal, OSError."""
    store, state = open_store(config, places)
    with closing(store):
        check_journal(config, state, ends)
        told = time.monotonic()
        damage: list[reader.Damage] = []
        total = max(1, ends.feed + ends.owner)
        for now, step in fold(config, store, state, ends, damage.append):
            store.commit(step)
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                tell(f"{sum(now.watermark.values()) * 100 // total} %, {now.next_seq - 1} lines")
    for part in damage:
        tell(f"journal damaged: {part.stream} at {part.position}, {part.size} bytes skipped")


def has_read(config: Config, ends: reader.Ends) -> bool:
    """Whether the ledger that runs has read the journal up to `ends` and saved it."""
    with closing(sqlite3.connect(f"file:{config.ledger_db}?mode=ro", uri=True)) as db:
        marks = db.execute("SELECT stream, max(position) FROM fold_watermark GROUP BY stream").fetchall()
    read = dict(marks)
    return all(read.get(stream, 0) >= ends.of(stream) for stream in (FEED, OWNER))


def compare(config: Config, beside: Beside, *, tables: bool) -> Difference:
    """The old calls against the new, byte for byte in the order of seq. Lines the box made of later records
    are left out; `tables`: ledger.db too."""
    names: dict[int, str] = {}
    sums: Counter[tuple[int, str, str, int]] = Counter()
    old_lines = new_lines = different = 0
    first = None
    new_total = sum(1 for _ in dump(beside))
    old = (row for row in dump(config) if row["seq"] <= new_total or tables)
    for before, after in zip_longest(old, dump(beside)):
        for row, sign in ((before, 0), (after, 1)):
            if row is not None and row["charge_micros"]:
                sums[(row["department"], str((row["day"] or 0) // 100), row["currency"], sign)] += row[
                    "charge_micros"
                ]
        old_lines += before is not None
        new_lines += after is not None
        if encoded(before) != encoded(after):
            different += 1
            first = (after or before or {}).get("seq") if first is None else first
    names = departments(beside)
    differing = [name for name in TABLES if table(config, name) != table(beside, name)] if tables else []
    keys = sorted({key[:3] for key in sums})
    changed = [
        {
            "account": names.get(department, "unassigned" if not department else str(department)),
            "month": month,
            "currency": currency,
            "old_micros": sums[(department, month, currency, 0)],
            "new_micros": sums[(department, month, currency, 1)],
        }
        for department, month, currency in keys
        if sums[(department, month, currency, 0)] != sums[(department, month, currency, 1)]
    ]
    return Difference(old_lines, new_lines, different, first, differing, changed)


def dump(places: Config | Beside) -> Iterator[dict[str, Any]]:
    """All lines of a box, in order of journal and seq."""
    box = open_box(places)
    try:
        for span in box.spans():
            with box.segment(span) as db:
                found = db.execute("SELECT * FROM call_line ORDER BY seq")
                columns = [column[0] for column in found.description]
                for row in found:
                    yield {"journal": span.journal} | dict(zip(columns, row))
    finally:
        box.close()


def encoded(row: dict[str, Any] | None) -> bytes:
    return b"" if row is None else msgspec.json.encode(row)


def table(places: Config | Beside, name: str) -> list[tuple[Any, ...]]:
    """A table of ledger.db, sorted."""
    with closing(sqlite3.connect(f"file:{places.ledger_db}?mode=ro", uri=True)) as db:
        return sorted(db.execute(f"SELECT {TABLES[name]} FROM {name}").fetchall(), key=repr)


def departments(places: Config | Beside) -> dict[int, str]:
    with closing(sqlite3.connect(f"file:{places.ledger_db}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT id, name FROM catalogue WHERE kind = 'department'"))


def replace(config: Config, beside: Beside) -> Path:
    """The new calls in place of the old, which go to the directory returned. Only with the ledger's lock.

    Interrupted anywhere, the ledger makes what is missing from the journal again.
    """
    old = beside.data_dir / "old"
    old.mkdir()
    for name in FILES:
        if (config.data_dir / name).exists():
            (config.data_dir / name).rename(old / name)
    if config.calls_dir.exists():
        config.calls_dir.rename(old / "calls")
    beside.calls_dir.rename(config.calls_dir)
    for name in FILES:
        if (beside.data_dir / name).exists():
            (beside.data_dir / name).rename(config.data_dir / name)
    return old
