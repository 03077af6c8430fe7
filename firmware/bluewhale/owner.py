"""Changes by people and scripts: into the journal, and the ledger's answer back.

A change is one OWNER record. The fold applies or refuses it; the answer lies in `ledger.db`, table
`owner_change`, by the id of the change.
"""

import sqlite3
import time
import uuid
from contextlib import closing

import msgspec

from bluewhale.config import Config
from bluewhale.journal import client
from bluewhale.model import Change, Kind, Origin

__all__ = ["Change", "Outcome", "answer_of", "change", "submit"]

POLL_S = 0.02


class Outcome(msgspec.Struct, frozen=True):
    """`state`: applied, refused (`why` says the rule), pending (the ledger has not read it yet)."""

    origin: Origin
    state: str
    why: str | None = None


def change(
    kind: str, key: str, value: object, *, who: str, why: str = "", expects: int | None = None
) -> Change:
    """A change made now, with an id of its own."""
    return Change(
        kind=kind, key=key, value=value, expects=expects, who=who, why=why,
        when_us=time.time_ns() // 1000, id=uuid.uuid4().hex,
    )  # fmt: skip


def submit(
    config: Config, change: Change, wait_s: float = 2.0, source: str = "owner", *, lock: bool = True
) -> Outcome:
    """Journals the change and waits up to `wait_s` for the ledger's answer.

    Through capture's socket; with `lock`, by the writer's lock when no capture runs (a page must not take it:
    capture may just be starting again). Raises client.CaptureAway, client.Refused, JournalFull.
    """
    payload = msgspec.json.encode(change)
    hand_in = client.append_or_open if lock else client.append
    origin = hand_in(config, Kind.OWNER, source, payload)
    deadline = time.monotonic() + wait_s
    while True:
        outcome = answer_of(config, origin)
        if outcome.state != "pending" or time.monotonic() >= deadline:
            return outcome
        time.sleep(POLL_S)


def answer_of(config: Config, origin: Origin) -> Outcome:
    """What the ledger said to the owner record at `origin`, if it has read it."""
    if not config.ledger_db.exists():
        return Outcome(origin, "pending")
    with closing(sqlite3.connect(f"file:{config.ledger_db}?mode=ro", uri=True, timeout=1.0)) as db:
        try:
            row = db.execute("SELECT state, why FROM owner_change WHERE origin = ?", [str(origin)]).fetchone()
        except sqlite3.OperationalError:  # the ledger is making its tables, or holds the file for itself
            row = None
    return Outcome(origin, row[0], row[1]) if row else Outcome(origin, "pending")
