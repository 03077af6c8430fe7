"""What a start finds of a stream, and how its torn tail is cut.

Records behind the published end are kept if they are valid: nobody was told that they are safe, but their
bytes may be gone at the sender. What follows the last valid record is a torn tail: cut and reported.
Nothing before the published end is ever cut or written again, damaged or not: if bytes that were published
are missing, the stream goes on behind them in a new segment.
"""

import os
from pathlib import Path

import msgspec

from bluewhale.journal import manifest
from bluewhale.journal.durable import NO_HASH, Durable
from bluewhale.journal.format import FILE_HEADER_BYTES, Damage, seed
from bluewhale.journal.manifest import Closed
from bluewhale.journal.reader import journal_of
from bluewhale.journal.scan import locate, scan
from bluewhale.journal.segments import Named, Segment, listing, open_segment
from bluewhale.model import Record


class Found(msgspec.Struct):
    """A stream as a start found it. `segment`: the one to go on in, None = begin a new one at `end`.

    `cut`: bytes of torn tail removed; `damaged`: bytes skipped inside; `lost`: published bytes that are gone.
    """

    end: int = 0
    seq: int = 0
    records: int = 0
    chain: bytes = NO_HASH
    segment: Named | None = None
    key: bytes = b""
    cut: int = 0
    damaged: int = 0
    lost: int = 0


def recover(directory: Path, stream: str, published: Durable | None, journal: str) -> Found:
    """Brings a stream into a state to append to. `journal`: the one that will write. Raises OSError."""
    manifest.mend(directory, stream)
    segments = listing(directory, stream)
    last = manifest.last(directory, stream)
    if not segments or (last is not None and last.start >= segments[-1].start):
        return _after(last, published, stream)
    newest = segments[-1]
    with open_segment(newest) as segment:
        found = _scan_tail(directory, stream, segment, published, last)
        if published is not None and found.end < published.of(stream):
            _lose(found, published, stream)
        found.cut = max(0, segment.end - found.end)
        if found.end == newest.start:  # no record in it: the next one takes its name
            newest.path.unlink()
            return found
        if found.cut and not newest.compressed:
            _cut_tail(newest, segment.end - found.cut)
        key = manifest.read_key(directory, stream, newest.start)
        ours = segment.header is not None and segment.header.journal == journal
        if ours and key is not None and not found.lost and not newest.compressed:
            found.segment, found.key = newest, key
            return found
        line = closing_line(directory, stream, segment, found.end, found.records, found.chain, last)
    manifest.append(directory, stream, line)
    return found


def closing_line(
    directory: Path, stream: str, segment: Segment, end: int, total: int, chain: bytes, last: Closed | None
) -> Closed:
    """The manifest's line for a segment that will not be written to any more."""
    journal = journal_of(directory, stream, segment)
    crc = seed(journal, stream)
    first = next(
        (r for r in scan(segment.read, segment.start, end, stream, crc) if isinstance(r, Record)), None
    )
    at = locate(segment.read, segment.start, end - 1, end, stream, crc)
    newest = next(scan(segment.read, at, end, stream, crc)) if at is not None else first
    if not isinstance(first, Record) or not isinstance(newest, Record):
        first_seq = last_seq = segment.header.first_seq if segment.header else 0
        first_us = last_us = segment.header.created_us if segment.header else 0
    else:
        first_seq, first_us, last_seq, last_us = first.seq, first.real_us, newest.seq, newest.real_us
    before = last.total if last else 0
    return Closed(
        start=segment.start, end=end, journal=journal, first_seq=first_seq, last_seq=last_seq,
        records=total - before, total=total, first_us=first_us, last_us=last_us,
        previous=manifest.chain_at_end(last).hex(), hash=chain.hex(),
    )  # fmt: skip


def _cut_tail(named: Named, end: int) -> None:
    """Cuts a plain segment's file to the position `end`, synced."""
    descriptor = os.open(named.path, os.O_RDWR)
    try:
        os.ftruncate(descriptor, FILE_HEADER_BYTES + end - named.start)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lose(found: Found, published: Durable, stream: str) -> None:
    """Published bytes are gone: go on behind them, so that no position is given twice."""
    found.lost = published.of(stream) - found.end
    found.end, found.chain = published.of(stream), published.hash_of(stream)
    found.records = published.records_of(stream)


def _after(last: Closed | None, published: Durable | None, stream: str) -> Found:
    """All segments are closed, or there is none."""
    found = Found()
    if last is not None:
        found = Found(end=last.end, seq=last.last_seq, records=last.total, chain=manifest.chain_at_end(last))
    if published is not None and published.of(stream) > found.end:
        _lose(found, published, stream)
    return found


def _scan_tail(
    directory: Path, stream: str, segment: Segment, published: Durable | None, last: Closed | None
) -> Found:
    """The last segment from the published end on; from its start if that is not known."""
    start = segment.start
    found = Found(
        end=start,
        records=last.total if last else 0,
        chain=manifest.chain_at_end(last),
        seq=last.last_seq if last else 0,
    )
    if published is not None and start <= published.of(stream) <= segment.end:
        found = Found(
            end=published.of(stream), records=published.records_of(stream), chain=published.hash_of(stream),
            seq=published.seq,
        )  # fmt: skip
    key = manifest.read_key(directory, stream, start) or b""
    journal = journal_of(directory, stream, segment)
    damaged = 0
    for record in scan(segment.read, found.end, segment.end, stream, seed(journal, stream)):
        if isinstance(record, Damage):
            damaged = record.size
            continue
        found.damaged += damaged
        damaged = 0
        raw = segment.read(record.position, record.size)
        found.chain = manifest.link(found.chain, manifest.leaf(key, record.position, raw))
        found.end = record.position + record.size
        found.seq = max(found.seq, record.seq)
        found.records += 1
    return found
