"""The one writer of call segments and ledger.db.

Two files cannot be committed together, so the order decides (docs/store.md, "Promises"): lines go into their
segment first; ledger.db follows, never ahead, with everything else at one watermark. After a crash the fold goes
on from ledger.db's watermark and gives the lines after it again; those that a segment has already are compared,
counted and not written twice.
"""

import logging
import shutil
import sqlite3
import time

import msgspec

from bluewhale.model import Line, Saved, Step
from bluewhale.store import aggregates, ledgerdb, recovery, segments
from bluewhale.store.aggregates import Daily
from bluewhale.store.ledgerdb import Pending
from bluewhale.store.migrations import migrate
from bluewhale.store.pack import as_stored
from bluewhale.store.places import Places
from bluewhale.store.sealer import Sealer
from bluewhale.store.segments import OpenSegment

log = logging.getLogger("bluewhale")

SAVE_S = 1.0  # ledger.db is at most so far behind when little comes in
FLOOD_SAVE_S = 8.0  # and so far when much does: saving many sums often costs more than counting them
FLOOD_SUMS = 10_000
FLOOD_LINES = 20_000  # lines in a row without a pause after which the open segment drops its indexes
BULK_LINES = 1_000  # so many in one step are a flood at once while the segment is small
QUIET_S = 2.0  # a pause
_ROOM = 4 << 20


class DiskFull(Exception):
    """Nothing of the step was lost or half written: commit the same step again when there is room."""


class Store:
    """Owns the connections of the writer. One process at a time (the ledger role) may have one."""

    def __init__(self, places: Places, segment_lines: int = segments.SEGMENT_LINES) -> None:
        self._places = places
        self._segment_lines = segment_lines
        places.data_dir.mkdir(parents=True, exist_ok=True)
        places.calls_dir.mkdir(parents=True, exist_ok=True)
        self._pending = Pending()
        self._daily = Daily()
        self._last: Step | None = None
        self._unsynced = False
        self._saved_s = self._wrote_s = time.monotonic()
        self._flood = 0
        self._box = _box(places)
        self._db = self._start()

    def _start(self) -> sqlite3.Connection:
        """Surveys what is there. `_ends` is the last line of each journal in segments, `_counted` that in ledger.db."""
        spans = recovery.survey(self._places.calls_dir)
        self._take(spans)
        db = _open_ledger(self._places)
        saved, self._counted = ledgerdb.load(db)
        if self._counted > self._ends.get(saved.journal or "", 0):
            log.warning("ledger.db knows lines that no segment has; all is made again from the journal")
            db.close()
            set_ledger_aside(self._places)
            db = _open_ledger(self._places)
            saved, self._counted = Saved(), 0
        self._journal = saved.journal
        self._pending.segments = recovery.manifests(spans)
        return db

    def _take(self, spans: list[recovery.Span]) -> None:
        """Goes on with these segments: seals what is left to seal, opens the last."""
        self._sealer = Sealer(self._places.calls_dir)
        for span in spans[:-1]:
            if not span.sealed:
                self._sealer.put(span.number)
        self._ends = {span.journal: span.last_seq for span in spans}
        self._number = spans[-1].number if spans else 0
        self._open = OpenSegment(spans[-1].file) if spans and not spans[-1].sealed else None

    def load(self) -> Saved:
        """What a fold goes on from: the watermark of the last save. An empty store gives the defaults."""
        return ledgerdb.load(self._db)[0]

    def commit(self, step: Step) -> None:
        """Lines at once, all else within SAVE_S, or at once where somebody waits for it. Raises DiskFull."""
        try:
            if step is not self._last:
                self._write(step)
                ledgerdb.merge(self._pending, step)
                self._last = step
            if self._due():
                self._save()
        except sqlite3.OperationalError as error:
            raise _told(error, self._places) from error

    def flush(self) -> None:
        """Saves what waits in memory. Raises DiskFull."""
        try:
            self._save()
        except sqlite3.OperationalError as error:
            raise _told(error, self._places) from error

    def idle(self) -> bool:
        """For moments without work, about once a second: saves what is due, makes one index. True while there is an
        index to make now. A full disk is left to the next commit."""
        now = time.monotonic()
        try:
            if self._pending.last is not None and now - self._saved_s >= SAVE_S:
                self._save()
            self._pending.segments += self._sealer.done()
            if now - self._wrote_s < QUIET_S:
                return False
            self._flood = 0
            self._sealer.retry()
            return self._open is not None and not self._open.indexed and self._open.index_one()
        except sqlite3.OperationalError as error:
            told = _told(error, self._places)
            if not isinstance(told, DiskFull):
                raise
            log.warning("the disk is full; what waits is saved later: %s", error)
            return False

    def close(self) -> None:
        """Saves what waits and closes. Raises DiskFull, closed all the same."""
        try:
            self.flush()
        finally:
            self._sealer.close(wait_s=2.0)
            if self._open is not None:
                self._open.close()
            self._db.close()

    @property
    def lines(self) -> int:
        """The seq of the last line in a segment, of the journal being folded."""
        return self._ends.get(self._journal or "", 0)

    def _write(self, step: Step) -> None:
        lines = step.lines
        if not lines:
            return
        if step.journal != self._journal:
            self._journal, self._counted = step.journal, 0
        first, end = lines[0].seq, self.lines
        if first > end + 1 or lines[-1].seq != first + len(lines) - 1:
            raise ValueError(f"lines {first} to {lines[-1].seq} do not follow {end}")
        if first <= end:
            self._compare(step.journal, lines[max(0, self._counted - first + 1) : end - first + 1])
            lines = lines[self.lines - first + 1 :]
        while lines:
            segment = self._segment(lines[0].seq, step)
            count = self._room(segment, lines, step)
            self._insert(segment, lines[:count], step)
            lines = lines[count:]

    def _insert(self, segment: OpenSegment, lines: list[Line], step: Step) -> None:
        self._flood += len(lines)
        flood = self._flood > FLOOD_LINES or (len(lines) >= BULK_LINES and segment.lines < FLOOD_LINES)
        if flood and segment.indexed:
            segment.drop_indexes()
        rows = segment.insert(lines, step.watermark, step.fold_version)
        aggregates.add_rows(self._daily, segment.words, lines, rows)
        self._ends[step.journal] = self._counted = lines[-1].seq
        self._unsynced = True
        now = time.monotonic()
        if now - self._wrote_s > QUIET_S:
            self._flood = 0
        self._wrote_s = now

    def _segment(self, seq: int, step: Step) -> OpenSegment:
        """The open segment that takes the line `seq`; ends the one before where the rule says so."""
        segment = self._open
        if segment is not None:
            ends = segment.journal != step.journal or (seq in step.rolls and seq > segment.first_seq)
            if segment.lines < self._segment_lines and not ends:
                return segment
            self._end_segment(segment)
        created = segments.create(self._places.calls_dir, self._number + 1, step.journal, self._box, seq)
        self._number = created.number
        self._open = created
        return created

    def _room(self, segment: OpenSegment, lines: list[Line], step: Step) -> int:
        """How many of the lines the segment takes."""
        first = lines[0].seq
        ends = [seq - first for seq in step.rolls if first < seq <= lines[-1].seq]
        return min([len(lines), self._segment_lines - segment.lines, *ends])

    def _end_segment(self, segment: OpenSegment) -> None:
        aggregates.expand(self._daily, segment.words)
        segment.sync()
        segment.close()
        self._open = None
        self._sealer.put(segment.number)

    def _compare(self, journal: str, lines: list[Line]) -> None:
        """Lines a segment has already: counted if they are the same; if not, the code has changed since."""
        if not lines:
            return
        have = recovery.stored(self._places.calls_dir, journal, lines[0].seq, lines[-1].seq)
        for line in lines:
            if have.get(line.seq) not in (line, as_stored(line)):
                log.warning("line %d and later ones come out differently; they are written again", line.seq)
                self._cut(journal, line.seq)
                return
            aggregates.add_line(self._daily, line)
            self._counted = line.seq

    def _cut(self, journal: str, seq: int) -> None:
        self._sealer.close(wait_s=60.0)
        if self._open is not None:
            aggregates.expand(self._daily, self._open.words)
            self._open.close()
        recovery.cut(self._places.calls_dir, journal, seq)
        self._take(recovery.survey(self._places.calls_dir))

    def _due(self) -> bool:
        age = time.monotonic() - self._saved_s
        if self._pending.urgent or age >= FLOOD_SAVE_S:
            return True
        return age >= SAVE_S and len(self._daily.by_party) < FLOOD_SUMS

    def _save(self) -> None:
        if self._pending.last is None:
            return
        if self._open is not None:
            aggregates.expand(self._daily, self._open.words)
            if self._unsynced:
                self._open.sync()
                self._unsynced = False
        self._pending.segments += self._sealer.done()
        ledgerdb.save(self._db, self._pending, self._daily, self._counted)
        self._pending, self._daily = Pending(), Daily()
        self._saved_s = time.monotonic()


def _open_ledger(places: Places) -> sqlite3.Connection:
    migrate(places.ledger_db)
    return ledgerdb.connect(places.ledger_db)


def set_ledger_aside(places: Places) -> None:
    file = places.ledger_db
    for suffix in ("-wal", "-shm", ""):
        name = file.with_name(file.name + suffix)
        if name.exists():
            name.replace(name.with_name(name.name + ".aside"))


def _box(places: Places) -> str | None:
    """The box's id, which capture or `bluewhale run` wrote."""
    file = places.data_dir / "box.json"
    return msgspec.json.decode(file.read_bytes()).get("box") if file.exists() else None


def _told(error: sqlite3.OperationalError, places: Places) -> Exception:
    """DiskFull where the disk is the cause; SQLite says so in more than one way."""
    code = error.sqlite_errorcode & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(str(error))
    if code == sqlite3.SQLITE_IOERR and shutil.disk_usage(places.data_dir).free < _ROOM:
        return DiskFull(str(error))
    return error
