"""Idempotency keys: the ids of the newest owner records, so that a repeated change is not written twice.

The id stands in the record itself (the JSON payload's `id`), so that it survives a restart.
"""

from pathlib import Path

import msgspec

from bluewhale.journal.format import MAX_PAYLOAD, Damage, Ends, seed
from bluewhale.journal.reader import journal_at, journal_of, records
from bluewhale.journal.scan import find
from bluewhale.journal.segments import listing, open_segment
from bluewhale.model import OWNER, Origin

MOST = 4096
LOOK_BACK = 2 * MAX_PAYLOAD[OWNER]


class _Named(msgspec.Struct):
    id: str | None = None


_decoder = msgspec.json.Decoder(_Named)


def key_of(payload: bytes) -> str | None:
    """The id a payload bears; None if it bears none."""
    try:
        return _decoder.decode(payload).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def recent(directory: Path, ends: Ends) -> dict[str, Origin]:
    """The last `MOST` ids among the owner records of the last 32 MB, oldest first."""
    keys: dict[str, Origin] = {}
    starts = [(named.start, journal_at(directory, OWNER, named.start)) for named in listing(directory, OWNER)]
    for record in records(directory, OWNER, _boundary(directory, ends), ends.owner):
        if isinstance(record, Damage):
            continue
        key = key_of(record.payload)
        if key is not None:
            journal = next(name for start, name in reversed(starts) if start <= record.position)
            keys.setdefault(key, Origin(journal, OWNER, record.position, record.size))
    return dict(list(keys.items())[-MOST:])


def remember(keys: dict[str, Origin], key: str, origin: Origin) -> None:
    """Adds a key; forgets the oldest when there are too many."""
    keys[key] = origin
    while len(keys) > MOST:
        del keys[next(iter(keys))]


def _boundary(directory: Path, ends: Ends) -> int:
    """A record boundary not further back than LOOK_BACK, or the start of the segment that follows."""
    wanted = max(0, ends.owner - LOOK_BACK)
    for named in reversed(listing(directory, OWNER)):
        if named.start <= wanted:
            with open_segment(named) as segment:
                crc = seed(journal_of(directory, OWNER, segment), OWNER)
                return find(segment.read, wanted, min(ends.owner, segment.end), OWNER, crc)
    return wanted
