"""The whole store as text, for comparing a rebuild with what it should equal, byte for byte.

Sorted and free of everything that depends on batches or time of writing: lines by seq, then balances, postings,
daily sums, reject counts, owner changes, settings, directory and catalogue.
"""

import sqlite3
from collections.abc import Iterator

import msgspec

from bluewhale.store import schema, segments
from bluewhale.store.places import Places
from bluewhale.store.recovery import connect

_TABLES = (
    "account", "posting", "daily_extension", "daily_destination", "reject_count", "owner_change", "setting",
    "directory", "catalogue", "open_call", "call_key",
)  # fmt: skip

# A line as text: its fields in the order of model.Line, without those that are not known.
_FIELDS = ", ".join(f"'{name}', {name}" for name in schema.LINE)
_LINES = f"SELECT json_patch('{{}}', json_object({_FIELDS})) FROM call_line ORDER BY seq"


def dump(places: Places) -> Iterator[str]:
    """One text a line, without its newline. For a store that no writer has open, or whose writer has flushed."""
    for _, file, sealed in segments.listing(places.calls_dir):
        db = connect(file, sealed)
        try:
            for (text,) in db.execute(_LINES):
                yield f"line {text}"
        finally:
            db.close()
    if not places.ledger_db.exists():
        return
    db = connect(places.ledger_db, sealed=False)
    db.row_factory = sqlite3.Row
    try:
        for table in _TABLES:
            order = ", ".join(
                str(number + 1)
                for number in range(len(db.execute(f"SELECT * FROM {table} LIMIT 0").description))
            )
            for row in db.execute(f"SELECT * FROM {table} ORDER BY {order}"):
                yield f"{table} {msgspec.json.encode(dict(row)).decode()}"
    finally:
        db.close()
