"""The schema of ledger.db, as numbered sqlite-utils migrations; each is applied together with the record of it.

A new one is a new file m<number>_<what>.py with `apply(db)` and a line in STEPS; an old one is never edited.
Before anything is applied to a database that holds something, it is copied to ledger.db.before-<number>, so that
the program before can open the copy and catch up after a rollback.
"""

import sqlite3
from pathlib import Path

import sqlite_utils
from sqlite_utils.migrations import Migrations

from bluewhale.store.migrations import m0001_start

STEPS = {"0001_start": m0001_start.apply}

MIGRATIONS = Migrations("ledger")
for _name, _apply in STEPS.items():
    MIGRATIONS(name=_name)(_apply)


class Newer(Exception):
    """ledger.db was made by a newer program; this one must not write it."""


def migrate(file: Path, migrations: Migrations = MIGRATIONS) -> Path | None:
    """Brings ledger.db to this program's schema; the copy of what was there before, if one was needed.

    Raises Newer, sqlite3.Error.
    """
    db = sqlite_utils.Database(sqlite3.connect(file, timeout=10))
    try:
        known = {migration.name for migration in migrations._migrations}
        applied = {migration.name for migration in migrations.applied(db)}
        if applied - known:
            raise Newer(f"{file}: made by a newer program ({', '.join(sorted(applied - known))})")
        pending = migrations.pending(db)
        if not pending:
            return None
        copy = _copy(db, file, max(applied)) if applied else None
        migrations.apply(db)
        return copy
    finally:
        db.close()


def _copy(db: sqlite_utils.Database, file: Path, last: str) -> Path:
    """A complete copy under a name that appears only once it is whole; an older copy of the same state stays."""
    copy = file.with_name(f"{file.name}.before-{last}")
    if not copy.exists():
        part = copy.with_name(f".{copy.name}.part")
        part.unlink(missing_ok=True)
        db.execute("VACUUM INTO ?", [str(part)])
        part.replace(copy)
    return copy
