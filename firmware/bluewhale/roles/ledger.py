"""The ledger role: follows the journal, folds it in batches, commits each with its watermark.

Kill it anywhere: it goes on from what the store holds, and makes the same lines again. Only this role writes
calls and ledger.db.
"""

import gc
import logging
from typing import Any

import msgspec

from bluewhale.config import Config
from bluewhale.journal import client, reader
from bluewhale.journal.format import NO_JOURNAL
from bluewhale.ledger import pipeline, settings
from bluewhale.model import Step
from bluewhale.roles.folding import check_journal, fold, open_store
from bluewhale.roles.heart import Heart, write_atomic
from bluewhale.roles.ledger_lock import locked
from bluewhale.store.writer import DiskFull, Store

WAIT_S = 0.2
PUBLISH_ON = {"feed", "user", "token", "setup", "snmp-user", "snmp-receiver"}

log = logging.getLogger("bluewhale")


def main(config: Config) -> int:
    """Runs until SIGTERM. Returns an exit status."""
    heart = Heart(config, "ledger")
    heart.catch_signals()
    with locked(config):
        watch = client.Watch(config)
        try:
            _run(config, heart, watch)
        finally:
            watch.close()
    heart.stopping()
    return 0


def _run(config: Config, heart: Heart, watch: client.Watch) -> None:
    heart.ready()
    ends = reader.ends(config.journal_dir)
    while ends.journal == NO_JOURNAL:  # capture has not made it yet
        if heart.stop.is_set():
            return
        heart.beat(empty_status(ends))
        ends = _newer(config, heart, watch, WAIT_S)
    store, state = open_store(config, config)
    try:
        check_journal(config, state, ends)
        Ledger(config, heart, watch, store, state, ends).follow()
    finally:
        store.close()


def _newer(config: Config, heart: Heart, watch: client.Watch, wait_s: float) -> reader.Ends:
    """The journal's ends, once it has grown or `wait_s` seconds have passed."""
    ends = watch.wait(wait_s)
    return ends if ends is not None else reader.ends(config.journal_dir)


def empty_status(ends: reader.Ends) -> dict[str, Any]:
    return {
        "watermark": {},
        "ends": {"feed": ends.feed, "owner": ends.owner},
        "backlog_bytes": 0,
        "feeds": {},
    }


class Ledger:
    """Owns the store's connections and the watch on the journal while the role follows it."""

    def __init__(
        self,
        config: Config,
        heart: Heart,
        watch: client.Watch,
        store: Store,
        state: pipeline.State,
        ends: reader.Ends,
    ) -> None:
        self.config, self.heart, self.watch = config, heart, watch
        self.store, self.state, self.ends = store, state, ends
        self.damage = {"count": 0, "bytes": 0}

    def follow(self) -> None:
        """Until SIGTERM."""
        self._publish_settings()
        gc.collect()
        gc.freeze()  # the book and the tables stay: no collection walks them again
        while not self.heart.stop.is_set():
            if not self._catch_up():
                self._wait()
            if self.heart.due():
                self.heart.beat(self.status())
        self.store.flush()
        self.heart.publish(self.status())

    def _wait(self) -> None:
        """Until the journal grows, or WAIT_S: idle time is used to save and index what is written."""
        more = self.store.idle()
        self.ends = _newer(self.config, self.heart, self.watch, 0.0 if more else WAIT_S)

    def _catch_up(self) -> bool:
        """Folds all that is durable. False if there was nothing."""
        if not self._backlog():
            return False
        worked = False
        gc.disable()  # what a batch makes holds no cycles; walking it costs a quarter of the time
        for state, step in fold(self.config, self.store, self.state, self.ends, self._damaged):
            self.state = state
            self._commit(step)
            worked = True
            if self.heart.due():
                self.heart.beat(self.status())
            if self.heart.stop.is_set():
                break
        gc.enable()
        return worked

    def _commit(self, step: Step) -> None:
        """Until the store has taken the step; a full disk is waited out."""
        while True:
            try:
                self.store.commit(step)
                break
            except DiskFull as error:
                log.warning("the disk is full; nothing is lost, waiting: %s", error)
                self.heart.beat(self.status())
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
        declared: list[dict[str, object]] = [msgspec.to_builtins(feed) for feed in self.config.feed]
        for role in settings.ROLES:
            file = self.config.settings_file(role)
            file.parent.mkdir(parents=True, exist_ok=True)
            body = settings.published(self.state.owner.settings, role, declared)
            write_atomic(file, msgspec.json.encode(body | {"watermark": self.state.watermark}))

    def _backlog(self) -> int:
        """Bytes of the journal that are durable and not read, or to be read again."""
        mark = self.state.watermark
        unread = sum(max(0, self.ends.of(stream) - mark.get(stream, 0)) for stream in ("feed", "owner"))
        return unread + sum(end - start for start, end in self.state.wanted.values())

    def status(self) -> dict[str, Any]:
        """RUN/ledger.json; counts are since the journal began."""
        feeds = self.state.feeds
        calls = sum(feed.stats.legs for feed in feeds.values())
        return empty_status(self.ends) | {
            "watermark": dict(self.state.watermark),
            "backlog_bytes": self._backlog(),
            "journal_time_us": self.state.now_us,
            "lines": calls,
            "calls": calls,
            "rejects": sum(feed.stats.rejects for feed in feeds.values()),
            "unassigned": self.state.unassigned,
            "unpriced": self.state.unpriced,
            "damage": dict(self.damage),
            "feeds": {name: msgspec.to_builtins(feed.stats) for name, feed in feeds.items()},
        }
