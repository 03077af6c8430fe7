"""ledger.db: what a fold goes on from, and everything it made beside lines. Saved as a whole at one watermark.

`Pending` gathers steps in memory; `save` writes it in one transaction. Both may be repeated after a full disk.
"""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.model import (
    CatalogueRow,
    DirectoryRow,
    FeedStats,
    Outcome,
    RejectRow,
    Saved,
    Setting,
    Step,
)
from bluewhale.store import aggregates
from bluewhale.store.aggregates import Daily

REJECTS_KEPT = 20_000  # the newest; the counts by reason stay for ever

_SET_FOLD = (
    "INSERT INTO fold VALUES (1, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET journal = excluded.journal,"
    " seq = excluded.seq, journal_time_us = excluded.journal_time_us, fold_version = excluded.fold_version,"
    " generation = fold.generation + excluded.generation, state = excluded.state,"
    " book = coalesce(excluded.book, fold.book)"
)


class Pending(msgspec.Struct):
    """What steps brought since the last save, merged. `last` is the newest step, None if nothing waits."""

    last: Step | None = None
    lines: int = 0
    urgent: bool = False
    book: bytes | None = None
    rejects: list[RejectRow] = []
    outcomes: list[Outcome] = []
    settings: dict[tuple[str, str], Setting] = {}
    directory: dict[tuple[str, str], DirectoryRow] = {}
    catalogue: dict[tuple[str, int], CatalogueRow] = {}
    postings: dict[tuple[str, str, int], tuple[int, int]] = {}
    feeds: dict[int, FeedStats] = {}
    sources: dict[str, bytes | None] = {}
    segments: list[dict[str, Any]] = []


def connect(file: Path) -> sqlite3.Connection:
    """The writer's connection."""
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")  # the journal replays what a power cut takes
    db.execute("PRAGMA wal_autocheckpoint=2000")
    db.execute("PRAGMA secure_delete=OFF")
    return db


def merge(pending: Pending, step: Step) -> None:
    """Adds a step to what waits. Changes an owner or a reader waits for make it urgent."""
    plans = {setting.key: setting.value for setting in step.settings if setting.kind == "plan"}
    pending.lines += len(step.lines)
    pending.urgent |= bool(step.outcomes or step.settings or step.directory or step.catalogue)
    pending.book = step.book if step.book is not None else pending.book
    pending.rejects += step.rejects
    pending.outcomes += step.outcomes
    pending.settings |= {(setting.kind, setting.key): setting for setting in step.settings}
    pending.directory |= {(row.site, row.extension): row for row in step.directory}
    for row in step.catalogue:
        if row.kind == "plan" and row.value is None and row.name in plans:
            row = msgspec.structs.replace(row, value=plans[row.name])
        pending.catalogue[row.kind, row.id] = row
    for key, (micros, lines) in step.postings.items():
        have = pending.postings.get(key, (0, 0))
        pending.postings[key] = (have[0] + micros, have[1] + lines)
    pending.feeds |= step.feeds
    pending.sources |= step.sources
    pending.last = step


def save(db: sqlite3.Connection, pending: Pending, daily: Daily, seq: int) -> None:
    """One transaction; `seq` is the last line counted. Raises sqlite3.Error with nothing changed."""
    step = pending.last
    if step is None:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        fold = (step.journal, seq, step.journal_time_us, step.fold_version, int(pending.urgent), step.state)
        db.execute(_SET_FOLD, (*fold, pending.book))
        marks = [(step.journal, stream, position) for stream, position in step.watermark.items()]
        db.executemany("INSERT OR REPLACE INTO fold_watermark VALUES (?,?,?)", marks)
        _save_names(db, pending)
        _save_fold_parts(db, pending)
        _save_sums(db, pending, daily)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _save_names(db: sqlite3.Connection, pending: Pending) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO catalogue VALUES (?,?,?,?,?)",
        [(r.kind, r.id, r.name, r.enterprise, _json(r.value)) for r in pending.catalogue.values()],
    )
    settings = pending.settings.values()
    db.executemany(
        "INSERT OR REPLACE INTO setting VALUES (?,?,?,?)",
        [(s.kind, s.key, _json(s.value), s.version) for s in settings if s.value is not None],
    )
    db.executemany(
        "DELETE FROM setting WHERE kind = ? AND key = ?",
        [(s.kind, s.key) for s in settings if s.value is None],
    )
    rows = pending.directory.values()
    db.executemany(
        "INSERT OR REPLACE INTO directory VALUES (?,?,?,?,?)",
        [(r.site, r.extension, r.person, r.department, r.enterprise) for r in rows if not r.removed],
    )
    db.executemany(
        "DELETE FROM directory WHERE site = ? AND extension = ?",
        [(r.site, r.extension) for r in rows if r.removed],
    )
    db.executemany(
        f"INSERT OR REPLACE INTO owner_change VALUES ({','.join('?' * 11)})",
        [
            (o.seq, o.origin, o.id, o.kind, o.key, o.state, o.why, o.who, o.when_us, _json(o.value), o.reason)
            for o in pending.outcomes
        ],
    )


def _save_fold_parts(db: sqlite3.Connection, pending: Pending) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO decoder_state VALUES (?,?)",
        [(source, state) for source, state in pending.sources.items() if state is not None],
    )
    db.executemany(
        "DELETE FROM decoder_state WHERE source = ?",
        [(source,) for source, state in pending.sources.items() if state is None],
    )
    db.executemany(
        "INSERT OR REPLACE INTO feed_stat VALUES (?,?,?,?,?,?,?,?,?)",
        [
            (feed, f.format, int(f.sure), f.evidence, f.legs, f.signals, f.rejects, f.skips, f.last_us)
            for feed, f in pending.feeds.items()
        ],
    )
    if not pending.rejects:
        return
    counts: dict[tuple[int, str], int] = {}
    for row in pending.rejects:
        counts[row.feed, row.reject.why] = counts.get((row.feed, row.reject.why), 0) + 1
    db.executemany(
        "INSERT INTO reject_count VALUES (?,?,?) ON CONFLICT DO UPDATE SET rejects = rejects + excluded.rejects",
        [(feed, str(why), count) for (feed, why), count in counts.items()],
    )
    db.executemany(
        f"INSERT INTO reject VALUES (NULL{',?' * 10})",
        [_reject(row) for row in pending.rejects[-REJECTS_KEPT:]],
    )
    db.execute("DELETE FROM reject WHERE id <= (SELECT max(id) FROM reject) - ?", (REJECTS_KEPT,))


def _reject(row: RejectRow) -> tuple[Any, ...]:
    reject, origin = row.reject, row.reject.origin
    where = (origin.journal, origin.stream, origin.position, origin.length)
    return (*where, row.feed, row.source, row.at_us, str(reject.why), reject.format, reject.detail)


def _save_sums(db: sqlite3.Connection, pending: Pending, daily: Daily) -> None:
    for table, key, sums in (
        ("daily_extension", aggregates.EXTENSION_KEY, daily.extension),
        ("daily_destination", aggregates.DESTINATION_KEY, daily.destination),
    ):
        db.executemany(aggregates.upsert(table, key), [(*k, *sums[k]) for k in sorted(sums)])
    postings = sorted(pending.postings.items())
    db.executemany(
        "INSERT INTO posting (account, currency, day, amount_micros, lines) VALUES (?,?,?,?,?) ON CONFLICT"
        " DO UPDATE SET amount_micros = amount_micros + excluded.amount_micros, lines = lines + excluded.lines",
        [(*key, *amounts) for key, amounts in postings],
    )
    db.executemany(
        "INSERT INTO account VALUES (?,?,?,?) ON CONFLICT"
        " DO UPDATE SET balance_micros = balance_micros + excluded.balance_micros, lines = lines + excluded.lines",
        [(account, currency, *amounts) for (account, currency, _day), amounts in postings],
    )
    db.executemany(
        "INSERT OR REPLACE INTO segment VALUES (:number, :journal, :first_seq, :last_seq, :lines, :bytes,"
        " :low_position, :high_position, :low_started, :high_started, :talk_s, :charges, :sha256)",
        pending.segments,
    )


def load(db: sqlite3.Connection) -> tuple[Saved, int]:
    """(what a fold goes on from, seq of the last line counted); the defaults if nothing was saved yet."""
    row = db.execute("SELECT journal, seq, state, book FROM fold").fetchone()
    if row is None:
        return Saved(), 0
    journal, seq, state, book = row
    saved = Saved(
        journal=journal,
        next_seq=seq + 1,
        state=state,
        book=book,
        watermark=dict(
            db.execute("SELECT stream, position FROM fold_watermark WHERE journal = ?", (journal,))
        ),
        sources=dict(db.execute("SELECT source, state FROM decoder_state ORDER BY source")),
        settings=[
            Setting(kind, key, msgspec.json.decode(value), version)
            for kind, key, value, version in db.execute("SELECT * FROM setting ORDER BY kind, key")
        ],
        directory=[
            DirectoryRow(*row) for row in db.execute("SELECT * FROM directory ORDER BY site, extension")
        ],
        catalogue=[
            CatalogueRow(kind, number, name, enterprise, value and msgspec.json.decode(value))
            for kind, number, name, enterprise, value in db.execute(
                "SELECT * FROM catalogue ORDER BY kind, id"
            )
        ],
        feeds={
            feed: FeedStats(format_, bool(sure), *rest)
            for feed, format_, sure, *rest in db.execute("SELECT * FROM feed_stat")
        },
    )
    return saved, seq


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
