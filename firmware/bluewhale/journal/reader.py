"""Reading the journal: up to the published durable end, never beyond; plain and compressed segments alike.

Plain functions that open what they need and keep nothing: at most one descriptor a stream is open at a time.
"""

from collections.abc import Iterator
from pathlib import Path

from bluewhale.journal import durable, manifest
from bluewhale.journal.format import NO_JOURNAL, STREAMS, Damage, Ends, seed
from bluewhale.journal.scan import find, locate, scan
from bluewhale.journal.segments import Named, Segment, listing, open_segment
from bluewhale.model import FEED, OWNER, Kind, Origin, Record

__all__ = ["Damage", "Ends", "ends", "frame", "journal_at", "journal_of", "merged", "records"]


def ends(directory: Path) -> Ends:
    """The published durable ends. All zeros for a journal that was never written.

    If the published file is gone, what the manifests prove (closed segments were synced before their line).
    """
    published = durable.read(directory)
    if published is not None:
        return published.ends
    last = {stream: manifest.last(directory, stream) for stream in STREAMS}
    lines = [line for line in last.values() if line is not None]
    if not lines:
        return Ends(NO_JOURNAL, 0, 0, 0)
    newest = max(lines, key=lambda line: line.last_seq)
    at = {stream: line.end if line else 0 for stream, line in last.items()}
    return Ends(newest.journal, at[FEED], at[OWNER], newest.last_seq)


def records(directory: Path, stream: str, start: int, end: int) -> Iterator[Record | Damage]:
    """All records of a stream from `start` up to `end`, both record boundaries (0, a watermark, an end)."""
    position = start
    while position < end:
        named, stop = _segment_at(directory, stream, position)
        if named is None:
            stop = min(end, stop or end)
            yield Damage(stream, position, stop - position, "missing")
        else:
            stop = min(end, stop or end)
            with open_segment(named) as segment:
                journal = journal_of(directory, stream, segment)
                yield from scan(segment.read, position, stop, stream, seed(journal, stream))
        position = stop


def merged(directory: Path, start: dict[str, int], ends: Ends) -> Iterator[Record | Damage]:
    """Both streams in the order they were written. `start`: stream -> watermark, absent = from the beginning."""
    feed = records(directory, FEED, start.get(FEED, 0), ends.feed)
    owner = records(directory, OWNER, start.get(OWNER, 0), ends.owner)
    left, right = next(feed, None), next(owner, None)
    while left is not None and right is not None:
        if isinstance(left, Damage) or (not isinstance(right, Damage) and left.seq < right.seq):
            yield left
            left = next(feed, None)
        else:
            yield right
            right = next(owner, None)
    if left is not None:
        yield left
        yield from feed
    if right is not None:
        yield right
        yield from owner


def frame(directory: Path, origin: Origin) -> bytes:
    """The bytes an origin names: they begin inside a chunk and go on in later chunks of the same source.

    Raises LookupError if there are no such bytes (any more), the journal is another one, or they are damaged.
    """
    end = ends(directory).of(origin.stream)
    first = _record_at(directory, origin, end)
    skip = origin.position - first.data_position
    if skip < 0:
        raise LookupError(f"{origin}: no bytes of a feed stand there")
    parts = [first.payload[skip : skip + origin.length]]
    have = len(parts[0])
    if have < origin.length:
        for record in records(directory, origin.stream, first.position + first.size, end):
            if isinstance(record, Damage) or record.kind is not Kind.CHUNK or record.source != first.source:
                continue
            parts.append(record.payload[: origin.length - have])
            have += len(parts[-1])
            if have == origin.length:
                break
    if have < origin.length:
        raise LookupError(f"{origin}: only {have} of {origin.length} bytes are there")
    return b"".join(parts)


def journal_of(directory: Path, stream: str, segment: Segment) -> str:
    """The journal a segment belongs to, also when its header is damaged: the id its records fit."""
    if segment.header is not None:
        return segment.header.journal
    known = [line.journal for line in manifest.read(directory, stream)[0]]
    published = durable.read(directory)
    if published is not None:
        known.append(published.journal)
    for named in listing(directory, stream):
        with open_segment(named) as other:
            if other.header is not None:
                known.append(other.header.journal)
    for journal in dict.fromkeys(reversed(known)):
        if find(segment.read, segment.start, segment.end, stream, seed(journal, stream)) < segment.end:
            return journal
    return NO_JOURNAL


def journal_at(directory: Path, stream: str, position: int) -> str:
    """The journal that wrote a position: older ones stand before the present one in a copied directory."""
    named, _ = _segment_at(directory, stream, position)
    if named is None:
        return NO_JOURNAL
    with open_segment(named) as segment:
        return journal_of(directory, stream, segment)


def _segment_at(directory: Path, stream: str, position: int) -> tuple[Named | None, int | None]:
    """The segment that holds a position, and where the next one starts (None: there is no next)."""
    found = None
    for named in listing(directory, stream):
        if named.start > position:
            return found, named.start
        found = named
    return found, None


def _record_at(directory: Path, origin: Origin, end: int) -> Record:
    """The record that covers the origin's first byte. Raises LookupError."""
    named, stop = _segment_at(directory, origin.stream, origin.position)
    if named is None or origin.position >= end:
        raise LookupError(f"{origin}: the journal does not hold this position")
    with open_segment(named) as segment:
        journal = journal_of(directory, origin.stream, segment)
        if journal != origin.journal:
            raise LookupError(f"{origin}: these bytes are of journal {journal}")
        stop = min(end, stop or end)
        crc = seed(journal, origin.stream)
        at = locate(segment.read, segment.start, origin.position, stop, origin.stream, crc)
        if at is None:
            raise LookupError(f"{origin}: the record is damaged")
        record = next(scan(segment.read, at, stop, origin.stream, crc))
    assert isinstance(record, Record)
    return record
