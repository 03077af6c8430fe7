"""Checks everything a journal states about itself: checksums, order, gaps, the chain of hashes, the manifest.

Readers skip damage and go on; the verifier names it. It needs no lock and changes nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from bluewhale.journal import durable, identity, manifest
from bluewhale.journal.durable import NO_HASH, Durable
from bluewhale.journal.format import FILE_HEADER_BYTES, STREAMS, Damage, seed
from bluewhale.journal.manifest import Closed
from bluewhale.journal.reader import journal_of
from bluewhale.journal.scan import scan
from bluewhale.journal.segments import Compressed, Named, Segment, listing, open_segment


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be. `file` is relative to the journal directory."""

    file: str
    position: int | None
    what: str

    def __str__(self) -> str:
        return self.what if self.position is None else f"at position {self.position}: {self.what}"


class Passed(msgspec.Struct):
    """How far a segment could be followed."""

    chain: bytes
    records: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_us: int = 0
    last_us: int = 0
    sound: bool = True  # no damage: the chain can be compared


def verify(directory: Path) -> Iterator[Finding]:
    """All findings; none = the journal is sound up to its published end."""
    published = durable.read(directory)
    written = any(listing(directory, stream) for stream in STREAMS)
    if published is None and written:
        yield Finding(
            durable.NAME, None, "the published end cannot be read; only closed segments are checked"
        )
    elif None in durable.slots(directory):
        yield Finding(durable.NAME, None, "one of the two places of the published end is damaged")
    if written and identity.read(directory) is None:
        yield Finding(
            identity.NAME, None, "the journal's identity cannot be read; the next start takes it for a copy"
        )
    for stream in STREAMS:
        yield from _stream(directory, stream, published)


def _stream(directory: Path, stream: str, published: Durable | None) -> Iterator[Finding]:
    lines, bad = manifest.read(directory, stream)
    file = f"{stream}/{manifest.NAME}"
    yield from (Finding(file, None, f"line {number} cannot be read") for number in bad)
    yield from _manifest(file, lines)
    closed = {line.start: line for line in lines}
    segments = listing(directory, stream)
    end = published.of(stream) if published else max((line.end for line in lines), default=0)
    at, last_seq = 0, 0
    for number, named in enumerate(segments):
        if named.start >= end:
            break
        if named.start != at:
            yield Finding(
                _name(directory, named), at, f"{named.start - at} bytes before this segment are missing"
            )
        stop = min(end, segments[number + 1].start) if number + 1 < len(segments) else end
        line = closed.pop(named.start, None)
        if line is None and stop < end:
            yield Finding(file, named.start, "the manifest does not list the segment that starts here")
        previous = line.previous if line else lines[-1].hash if lines else NO_HASH.hex()
        with open_segment(named) as segment:
            passed = Passed(chain=bytes.fromhex(previous), last_seq=last_seq)
            yield from _segment(
                directory, stream, segment, line.end if line else stop, line is not None, passed
            )
            if line is not None:
                yield from _compare(file, line, segment, passed)
            elif (
                published is not None
                and passed.sound
                and stop == end
                and passed.chain != published.hash_of(stream)
            ):
                yield Finding(durable.NAME, end, f"the running hash of {stream} is not the published one")
        at, last_seq = (line.end if line else stop), passed.last_seq
    if at < end:
        yield Finding(stream, at, f"{end - at} bytes up to the published end are missing")
    for line in [line for line in closed.values() if line.start < end]:  # a later one was closed just now
        yield Finding(file, line.start, "the segment listed here is missing")


def _manifest(file: str, lines: list[Closed]) -> Iterator[Finding]:
    """Each line continues the one before."""
    before: Closed | None = None
    for line in lines:
        if line.previous != (before.hash if before else NO_HASH.hex()):
            yield Finding(file, line.start, "the chain is broken: this line does not continue the one before")
        if before is not None and (line.start != before.end or line.total != before.total + line.records):
            yield Finding(file, line.start, "the line's start or total does not continue the one before")
        before = line


def _segment(
    directory: Path, stream: str, segment: Segment, stop: int, closed: bool, passed: Passed
) -> Iterator[Finding]:
    """Follows the records; `passed` is brought to the segment's end."""
    name = str(segment.path.relative_to(directory))
    header = segment.header
    if header is None:
        yield Finding(name, segment.start, "the file's header is damaged")
    elif (header.start, header.stream) != (segment.start, stream):
        yield Finding(
            name, segment.start, f"the header is of {header.stream} position {header.start}: a misplaced file"
        )
    key = manifest.read_key(directory, stream, segment.start)
    if key is None:
        passed.sound = False
        yield Finding(name, segment.start, "the segment's key is missing: its hashes cannot be checked")
    crc = seed(journal_of(directory, stream, segment), stream)
    for record in scan(segment.read, segment.start, stop, stream, crc):
        if isinstance(record, Damage):
            passed.sound = False
            yield Finding(name, record.position, f"{record.size} bytes are damaged")
            continue
        if record.seq <= passed.last_seq:
            yield Finding(name, record.position, f"sequence {record.seq} follows {passed.last_seq}")
        if not passed.records:
            passed.first_seq, passed.first_us = record.seq, record.real_us
        passed.last_seq, passed.last_us = record.seq, record.real_us
        passed.records += 1
        if key is not None and passed.sound:
            raw = segment.read(record.position, record.size)
            passed.chain = manifest.link(passed.chain, manifest.leaf(key, record.position, raw))
    if isinstance(segment, Compressed):
        yield from (Finding(name, None, f"byte {at} of the file: {why}") for at, why in segment.flaws)
    if segment.content_bytes > FILE_HEADER_BYTES + stop - segment.start and closed:
        yield Finding(name, stop, "there are bytes behind the segment's end")


def _compare(file: str, line: Closed, segment: Segment, passed: Passed) -> Iterator[Finding]:
    """What the manifest says of a segment against what is there."""
    if not passed.sound:
        return
    facts = (passed.records, passed.first_seq, passed.last_seq, passed.first_us, passed.last_us)
    if facts != (line.records, line.first_seq, line.last_seq, line.first_us, line.last_us):
        yield Finding(file, line.start, "records, sequence numbers or times are not those of the segment")
    if segment.header is not None and segment.header.journal != line.journal:
        yield Finding(
            file, line.start, f"the segment is of journal {segment.header.journal}, not {line.journal}"
        )
    if passed.chain.hex() != line.hash:
        yield Finding(
            file, line.start, "the segment's hash is another one: its records or its key were changed"
        )


def _name(directory: Path, named: Named) -> str:
    return str(named.path.relative_to(directory))
