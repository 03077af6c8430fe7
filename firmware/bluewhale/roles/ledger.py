"""The ledger role: follows the journal, folds it in batches, commits each with its watermark.

Kill it anywhere: it goes on from what the store holds, and makes the same lines again. Only this role writes
calls and ledger.db.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from bluewhale.config import Config
from bluewhale.journal import client, reader
from bluewhale.journal.format import NO_JOURNAL
from bluewhale.ledger import pipeline, settings
from bluewhale.model import FEED, OWNER, Record, Step
from bluewhale.roles.fold_versions import fold_version
from bluewhale.roles.heart import Heart, write_atomic
from bluewhale.roles.ledger_lock import locked
from bluewhale.store.writer import DiskFull, Store

BATCH_RECORDS = 20_000
BATCH_BYTES = 1 << 20
WAIT_S = 0.5
PUBLISH_ON = {"feed", "user", "token", "setup", "snmp-user", "snmp-receiver"}

log = logging.getLogger("bluewhale")


class WrongJournal(RuntimeError):
    """The store belongs to another journal."""


def main(config: Config) -> int:
    """Runs until SIGTERM. Returns an exit status."""
    heart = Heart(config, "ledger")
    heart.catch_signals()
    with locked(config):
        Ledger(config, heart).run()
    heart.stopping()
    return 0


class Ledger:
    """Owns the store's connections and the watch on the journal while the role runs."""

    def __init__(self, config: Config, heart: Heart) -> None:
        self.config, self.heart = config, heart
        self.store = Store(config)
        self.watch = client.Watch(config)
        self.state: pipeline.State | None = None
        self.ends = reader.ends(config.journal_dir)
        self.damage = {"count": 0, "bytes": 0}

    def run(self) -> None:
        try:
            self._open()
            self.heart.ready()
            while not self.heart.stop.is_set():
                if not self._catch_up():
                    self._wait()
                self.heart.beat(self._status())
            self.store.flush()
            self.heart.publish(self._status())
        finally:
            self.watch.close()
            self.store.close()

    def _open(self) -> None:
        """Loads the fold's state once there is a journal."""
        if self.state is not None or self.ends.journal == NO_JOURNAL:
            return
        saved = self.store.load()
        state = pipeline.restore(saved, self.config.zone, first_journal(self.config), fold_version())
        check_journal(self.config, state, self.ends)
        self.state = state
        self._publish_settings()
        gc.collect()
        gc.freeze()  # the book and the tables do not change: no collection walks them again

    def _wait(self) -> None:
        """Until the journal grows, or WAIT_S: idle time is used to save and index what is written."""
        more = self.store.idle()
        try:
            ends = self.watch.wait(0.0 if more else WAIT_S)
        except client.CaptureAway:
            self.heart.stop.wait(WAIT_S)
            ends = None
        self.ends = ends or reader.ends(self.config.journal_dir)
        self._open()

    def _catch_up(self) -> bool:
        """Folds all that is durable. False if there was nothing."""
        state = self.state
        if state is None or not self._backlog():
            return False
        records = reader.merged(self.config.journal_dir, dict(state.watermark), self.ends)
        worked = False
        for batch in batches(records, state, self._damaged):
            self._commit(pipeline.advance(state, batch))
            worked = True
            self.heart.beat(self._status())
            if self.heart.stop.is_set():
                break
        return worked

    def _commit(self, step: Step) -> None:
        """Until the store has taken the step; a full disk is waited out."""
        while True:
            try:
                self.store.commit(step)
                break
            except DiskFull as error:
                log.warning("the disk is full, nothing is lost, waiting: %s", error)
                self.heart.beat(self._status())
                if self.heart.stop.wait(1.0):
                    raise
        if any(setting.kind in PUBLISH_ON for setting in step.settings):
            self._publish_settings()

    def _damaged(self, damage: reader.Damage) -> None:
        self.damage["count"] += 1
        self.damage["bytes"] += damage.size
        log.warning(
            "journal damaged: %s at %d, %d bytes skipped", damage.stream, damage.position, damage.size
        )

    def _publish_settings(self) -> None:
        """settings/<role>.json of each role, by atomic rename."""
        state = self.state
        assert state is not None
        declared: list[dict[str, object]] = [msgspec.to_builtins(feed) for feed in self.config.feed]
        for role in settings.ROLES:
            file = self.config.settings_file(role)
            file.parent.mkdir(parents=True, exist_ok=True)
            body = settings.published(state.owner.settings, role, declared)
            write_atomic(file, msgspec.json.encode(body | {"watermark": state.watermark}))

    def _backlog(self) -> int:
        """Bytes of the journal that are durable and not read."""
        mark = self.state.watermark if self.state else {}
        return max(0, self.ends.feed - mark.get("feed", 0)) + max(0, self.ends.owner - mark.get("owner", 0))

    def _status(self) -> dict[str, Any]:
        state = self.state
        status: dict[str, Any] = {
            "ends": {"feed": self.ends.feed, "owner": self.ends.owner},
            "backlog_bytes": self._backlog(),
            "damage": dict(self.damage),
        }
        if state is not None:
            status["watermark"] = dict(state.watermark)
            status["journal_time_us"] = state.now_us
            status["feeds"] = {name: msgspec.to_builtins(feed.stats) for name, feed in state.feeds.items()}
            status["unassigned"], status["unpriced"] = state.unassigned, state.unpriced
            status["lines"] = status["calls"] = sum(feed.stats.legs for feed in state.feeds.values())
            status["rejects"] = sum(feed.stats.rejects for feed in state.feeds.values())
        return status


def first_journal(config: Config) -> str:
    """The journal that wrote the first record: a copied box has others after it."""
    return next(
        journal
        for stream in (FEED, OWNER)
        if (journal := reader.journal_at(config.journal_dir, stream, 0)) != NO_JOURNAL
    )


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


def batches(
    records: Iterator[Record | reader.Damage],
    state: pipeline.State,
    damaged: Callable[[reader.Damage], None],
) -> Iterator[list[Record]]:
    """Records in lists neither too many nor too large, each of one journal; damage goes to `damaged`."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if isinstance(record, reader.Damage):
            damaged(record)
            continue
        batch.append(record)
        size += record.size
        if (
            size >= BATCH_BYTES
            or len(batch) >= BATCH_RECORDS
            or pipeline.begins_journal(state.journal, record)
        ):
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
