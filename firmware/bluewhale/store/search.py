"""Finding calls: from the newest line backwards, segment by segment, within a time box.

A call stands in a list at the place of its first line that matches, so that it appears exactly once over all pages
while later lines of it arrive. A place is (segment, seq): it stays where it is whatever is added.
"""

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from bluewhale.store import schema
from bluewhale.store.filters import Filter
from bluewhale.store.window import Box, Interrupted, Span

_FIRST_SLICE = 20_000
_LAST_SLICE = 320_000
_FAST_S = 0.02
_BATCH = 500
_EVER = 1 << 62
_HARD_S = 2.0  # a single query may run so long over the time box before it is stopped

Hit = tuple[Span, int, int | None]  # segment, seq, call_position where it is not the first line


class Place(msgspec.Struct, frozen=True):
    """All lines before this one are still to be searched."""

    number: int
    seq: int

    def __str__(self) -> str:
        return f"{self.number}.{self.seq}"


END = Place(0, 0)


def parse_place(text: str) -> Place:
    """Raises ValueError."""
    number, seq = text.split(".")
    return Place(int(number), int(seq))


def hits(box: Box, wanted: Filter, before: Place | None, stop_s: float) -> Iterator[Hit | Place]:
    """Lines that match, newest first, and in between the place down to which all has been searched: END at last.

    Stops early, after a Place, when `stop_s` (monotonic) has passed; the first slice is always searched, so that
    every request gets on.
    """
    first = not wanted.direct  # the newest lines are scanned, because they often fill the page already
    for span in reversed(box.spans()):
        high = span.last_seq
        if before is not None:
            if span.number > before.number:
                continue
            if span.number == before.number:
                high = min(high, before.seq - 1)
        for low, top in _runs(box, span, wanted, high):
            size = _FIRST_SLICE if wanted.drivers is None else _FIRST_SLICE // 4
            while top >= low:
                by_index = wanted.drivers is not None and span.indexed and not first
                bottom = low if by_index else max(low, top - size + 1)
                began = time.monotonic()
                try:
                    with box.segment(span, max(stop_s, began) + _HARD_S) as db:
                        found = _matches(db, wanted, by_index, bottom, top)
                except Interrupted:
                    yield Place(span.number, top + 1)
                    return
                if len(found) == _BATCH:
                    bottom = found[-1][0]
                for seq, call_position in found:
                    yield span, seq, call_position
                yield Place(span.number, bottom)
                if time.monotonic() - began < _FAST_S:
                    size = min(size * 2, _LAST_SLICE)
                first, top = False, bottom - 1
                if time.monotonic() >= stop_s:
                    return
    yield END


def _runs(box: Box, span: Span, wanted: Filter, high: int) -> list[tuple[int, int]]:
    """The runs of seqs, newest first, that may hold lines of the wanted time: blocks say what they span."""
    since, until = wanted.since_us, wanted.until_us
    low = span.first_seq
    if high < low:
        return []
    with box.segment(span) as db:
        if not _possible(db, wanted):
            return []
        if since is None and until is None:
            return [(low, high)]
        blocked = db.execute("SELECT max(id) FROM block").fetchone()[0]
        ids = db.execute(
            "SELECT id FROM block WHERE high_started >= ? AND low_started < ? ORDER BY id DESC",
            (-_EVER if since is None else since, _EVER if until is None else until),
        ).fetchall()
    top = low if blocked is None else (blocked + 1) << schema.BLOCK_BITS
    runs = [(max(low, top), high)]
    for (block,) in ids:
        start, end = block << schema.BLOCK_BITS, ((block + 1) << schema.BLOCK_BITS) - 1
        if runs[-1][0] == end + 1:
            runs[-1] = (start, runs[-1][1])
        else:
            runs.append((start, end))
    return [(max(start, low), min(end, high)) for start, end in runs if max(start, low) <= min(end, high)]


_NAMES = " CROSS JOIN context x ON x.id = l.context"


def _matches(
    db: sqlite3.Connection, wanted: Filter, by_index: bool, low: int, high: int
) -> list[tuple[int, int | None]]:
    """(seq, call_position of lines that are not the first of their call) of at most _BATCH hits."""
    bounds = "l.seq BETWEEN ? AND ?"
    values: list[Any] = []
    if by_index and wanted.drivers is not None:
        selects = [f"{select} AND {bounds}" for select, _ in wanted.drivers]
        values = [value for _, given in wanted.drivers for value in (*given, low, high)]
        tests = [f"l.seq IN ({' UNION ALL '.join(selects)})"]
    else:
        values, tests = [low, high], [bounds]
    for (conditions, given), ids in ((wanted.party, _PARTIES), (wanted.context, _CONTEXTS)):
        if conditions:
            tests.append(ids.format(" AND ".join(conditions)))
            values += given
    tests += wanted.line[0]
    values += wanted.line[1]
    source = "line l NOT INDEXED" + (_NAMES if wanted.names else "")
    found = db.execute(
        f"SELECT l.seq FROM {source} WHERE {' AND '.join(tests)} ORDER BY l.seq DESC LIMIT {_BATCH}", values
    ).fetchall()
    seqs = [seq for (seq,) in found]
    further = dict(db.execute(_JOINED.format(",".join("?" * len(seqs))), seqs))
    return [(seq, further.get(seq)) for seq in seqs]


_PARTIES = "l.party IN (SELECT p.id FROM party p WHERE {})"
_CONTEXTS = "l.context IN (SELECT x.id FROM context x WHERE {})"
_JOINED = (
    "SELECT j.seq, j.call_position FROM joined j CROSS JOIN line l ON l.seq = j.seq"
    " CROSS JOIN context x ON x.id = l.context WHERE j.seq IN ({}) AND x.joined = 1"
)


def _possible(db: sqlite3.Connection, wanted: Filter) -> bool:
    """Whether a line of this segment can match at all."""
    for table, (conditions, values) in (("party p", wanted.party), ("context x", wanted.context)):
        if conditions:
            select = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {' AND '.join(conditions)})"
            if not db.execute(select, values).fetchone()[0]:
                return False
    return True


def matches_one(db: sqlite3.Connection, wanted: Filter, seq: int) -> bool:
    """Whether this line matches."""
    return bool(_matches(db, wanted, False, seq, seq))
