"""Alarms on their way into the journal: each raise and clear once, in order, however often a process dies.

An event waits in health.db until the journal has it. Before it is handed over for the first time the journal's
end is noted; whoever repeats the hand-over first reads from there on whether it arrived after all.
"""

import logging
import threading
import time

from bluewhale.config import Config
from bluewhale.health.store import Store, Waiting
from bluewhale.journal import client, reader
from bluewhale.journal.recent import key_of
from bluewhale.model import FEED, Kind, Origin, Record

log = logging.getLogger("bluewhale")

SOURCE = "health"
RETRY_S = 1.0
SETTLE_S = 0.5  # what an earlier try left in capture's hands is written by then


class Outbox:
    """Owns the thread that waits for the journal. `wake` is set when it is done."""

    def __init__(self, config: Config, store: Store, wake: threading.Event) -> None:
        self.config = config
        self.store = store
        self.wake = wake
        self.thread: threading.Thread | None = None
        self.event: Waiting | None = None
        self.answer: Origin | str = ""
        self.not_before = 0.0
        self.complained = False

    def step(self) -> None:
        """Takes an answer, hands over the next event. Never waits."""
        if self.thread is not None:
            if self.thread.is_alive():
                return
            self._take()
        if time.monotonic() < self.not_before:
            return
        self.event = self.store.waiting()
        if self.event is None:
            return
        repeat = self.event.tried_from is not None
        if not repeat:
            self.store.tried(self.event.seq, reader.ends(self.config.journal_dir).feed)
        self.thread = threading.Thread(target=self._run, args=(self.event, repeat), daemon=True)
        self.thread.start()

    def _run(self, event: Waiting, repeat: bool) -> None:
        try:
            self.answer = deliver(self.config, event, repeat)
        except (client.CaptureAway, client.Refused, OSError) as error:
            self.answer = str(error)
        finally:
            self.wake.set()

    def _take(self) -> None:
        self.thread = None
        assert self.event is not None
        if isinstance(self.answer, Origin):
            self.store.journaled(self.event.seq, str(self.answer))
            self.complained = False
            return
        self.not_before = time.monotonic() + RETRY_S
        if not self.complained:
            log.warning("alarms wait for the journal: %s", self.answer)
        self.complained = True


def deliver(config: Config, event: Waiting, repeat: bool) -> Origin:
    """Into the journal, unless it is there from an earlier try. Raises client.CaptureAway, client.Refused."""
    if repeat:
        client.ask(config, {"op": "ping"}, timeout=2.0)
        time.sleep(SETTLE_S)
        found = search(config, event.id, event.tried_from or 0)
        if found is not None:
            return found
    return client.append(config, Kind.ALARM, SOURCE, event.payload, timeout=3.0)


def search(config: Config, name: str, start: int) -> Origin | None:
    """The alarm record with this id, from position `start` of the feed stream on."""
    ends = reader.ends(config.journal_dir)
    if start > ends.feed:  # another journal: it began anew
        start = 0
    for record in reader.records(config.journal_dir, FEED, start, ends.feed):
        if isinstance(record, Record) and record.kind is Kind.ALARM and key_of(record.payload) == name:
            journal = reader.journal_at(config.journal_dir, FEED, record.position)
            return Origin(journal, FEED, record.position, record.size)
    return None
