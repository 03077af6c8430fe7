"""Between the journal and the fold: batches, and whether a store belongs to a journal."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec

from bluewhale.config import Config
from bluewhale.journal import reader
from bluewhale.journal.format import NO_JOURNAL
from bluewhale.ledger import pipeline
from bluewhale.model import FEED, OWNER, Record, Step
from bluewhale.roles.fold_versions import fold_version
from bluewhale.store.places import Places
from bluewhale.store.writer import Store, set_ledger_aside

BATCH_RECORDS = 20_000
BATCH_BYTES = 1 << 18  # some 2,000 calls: a twentieth of a second

Damaged = Callable[[reader.Damage], None]

log = logging.getLogger("bluewhale")


class WrongJournal(RuntimeError):
    """The store was made from another journal."""


def first_journal(config: Config) -> str:
    """The journal that wrote the first record: a copied box has others after it. NO_JOURNAL if there is none."""
    found = (reader.journal_at(config.journal_dir, stream, 0) for stream in (FEED, OWNER))
    return next((journal for journal in found if journal != NO_JOURNAL), NO_JOURNAL)


def open_store(config: Config, places: Places) -> tuple[Store, pipeline.State]:
    """A store and the state to go on from. A memory that this version cannot read is set aside: everything is made
    from the journal again. Raises WrongJournal, OSError."""
    store = Store(places)
    try:
        state = _state(config, store)
    except pipeline.Unreadable as error:
        log.warning("%s; everything is made from the journal again", error)
        store.close()
        set_ledger_aside(places)
        store = Store(places)
        state = _state(config, store)
    return store, state


def _state(config: Config, store: Store) -> pipeline.State:
    saved = store.load()
    zone = base_zone(config) if saved.state is None else config.zone
    return pipeline.restore(saved, zone, first_journal(config), fold_version())


def base_zone(config: Config) -> str:
    """The zone the box's fold began with; the configuration's if there is none, or it cannot be told."""
    if not config.ledger_db.exists():
        return config.zone
    with closing(sqlite3.connect(f"file:{config.ledger_db}?mode=ro", uri=True)) as db:
        try:
            row = db.execute("SELECT state FROM fold").fetchone()
            return pipeline.zone_of(row[0]) if row and row[0] else config.zone
        except (sqlite3.DatabaseError, pipeline.Unreadable) as error:
            log.warning("%s: %s", config.ledger_db, error)
            return config.zone


def check_journal(config: Config, state: pipeline.State, ends: reader.Ends) -> None:
    """What the store holds must have been made from this journal. Raises WrongJournal."""
    mark = state.watermark
    stream = FEED if mark.get(FEED) else OWNER
    if not mark.get(stream):
        return
    found = reader.journal_at(config.journal_dir, stream, mark[stream] - 1)
    if found != state.journal or any(position > ends.of(name) for name, position in mark.items()):
        raise WrongJournal(
            f"{config.ledger_db} was made from journal {state.journal} up to {mark}, which {config.journal_dir} does"
            " not hold: move calls/ and ledger.db away to make them anew"
        )


def fold(
    config: Config, store: Store, state: pipeline.State, ends: reader.Ends, damaged: Damaged
) -> Iterator[tuple[pipeline.State, Step]]:
    """The steps from where the state stands up to `ends`, each with the state after it. Commit each to `store`
    before the next is asked for.

    A record this program fails on is passed over as a reject of its own kind, in a rebuild just the same: one bad
    record must not keep all later calls out. What failed is in the log.
    """

    def again(start: int, end: int) -> Iterator[list[Record]]:
        return batches(reader.records(config.journal_dir, FEED, start, end), lambda damage: None)

    def whole() -> Iterator[list[Record]]:
        yield []  # what a stop left to be read again
        yield from batches(reader.merged(config.journal_dir, dict(state.watermark), ends), damaged)

    for batch in whole():
        for now, step in _guarded(config, store, state, batch, again):
            state = now
            yield now, step


def _guarded(
    config: Config, store: Store, state: pipeline.State, batch: list[Record], again: pipeline.Again
) -> Iterator[tuple[pipeline.State, Step]]:
    """A batch's steps. If one fails, the batch goes on record by record from the last commit."""
    steps = pipeline.steps(state, batch, again)
    while (step := _next(steps)) is not None:
        if not isinstance(step, Failed):
            yield state, step
            continue
        now = _reload(config, store)
        left = [record for record in batch if record.position >= now.watermark.get(record.stream, 0)]
        if now.wanted:
            log.error("records of %s cannot be read again", ", ".join(now.wanted))
            yield now, pipeline.give_up(now)
        elif len(left) == 1:
            log.error("passed over: %s record at %s %d", left[0].kind.name, left[0].stream, left[0].position)
            yield now, pipeline.skip(now, left.pop(), step.what)
        for record in left:
            for after, good in _guarded(config, store, now, [record], again):
                now = after
                yield after, good
        return


class Failed(msgspec.Struct):
    """The fold raised; its state is of no use any more. `what`: the exception's class and text."""

    what: str


def _next(steps: Iterator[Step]) -> Step | Failed | None:
    """The next step, None at the end."""
    try:
        return next(steps, None)
    except OSError:
        raise  # the journal cannot be read: no fault of the fold
    except Exception as error:
        log.exception("the fold failed; it goes on record by record from its last commit")
        return Failed(f"{type(error).__name__}: {error}")


def _reload(config: Config, store: Store) -> pipeline.State:
    """The state as of the last commit."""
    store.flush()
    return _state(config, store)


def batches(records: Iterator[Record | reader.Damage], damaged: Damaged) -> Iterator[list[Record]]:
    """Records in lists neither too many nor too large; damage goes to `damaged`."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if isinstance(record, reader.Damage):
            damaged(record)
            continue
        batch.append(record)
        size += record.size
        if size >= BATCH_BYTES or len(batch) >= BATCH_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
