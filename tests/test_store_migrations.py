"""The schema of ledger.db: numbered migrations, a copy before each, never a step back by accident."""

import re
import sqlite3
from pathlib import Path

import pytest
import sqlite_utils
from sqlite_utils.migrations import Migrations

from bluewhale.config import Config
from bluewhale.store import migrations, schema
from bluewhale.store.dump import dump
from bluewhale.store.migrations import MIGRATIONS, STEPS, Newer, m0001_start, migrate
from bluewhale.store.writer import Store
from store_samples import lines, run, step


def newer(fails: bool = False) -> Migrations:
    """The migrations of a later program: one more."""
    later = Migrations("ledger")
    for name, apply in STEPS.items():
        later(name=name)(apply)

    @later(name="9000_cost_centre")
    def cost_centre(db: sqlite_utils.Database) -> None:
        db.execute("ALTER TABLE account ADD COLUMN cost_centre TEXT")
        if fails:
            raise RuntimeError("power cut")

    return later


def filled(config: Config) -> list[str]:
    store = Store(config)
    run(store, 600, 200)
    store.close()
    return list(dump(config))


def test_a_new_box_needs_no_copy(tmp_path: Path) -> None:
    assert migrate(tmp_path / "ledger.db") is None
    assert migrate(tmp_path / "ledger.db") is None
    assert [file.name for file in tmp_path.iterdir() if "before" in file.name] == []


def test_what_was_there_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    want = filled(config)
    copy = migrate(config.ledger_db, newer())
    assert copy == tmp_path / f"ledger.db.before-{max(STEPS)}"
    columns = [row[1] for row in sqlite3.connect(config.ledger_db).execute("PRAGMA table_info(account)")]
    assert columns[-1] == "cost_centre"
    assert sum(text.startswith("account ") for text in dump(config)) > 3
    # After a rollback the old program opens the copy and goes on from there.
    copy.rename(config.ledger_db)
    for suffix in ("-wal", "-shm"):
        Path(f"{config.ledger_db}{suffix}").unlink(missing_ok=True)
    assert list(dump(config)) == want
    store = Store(config)
    run(store, 700, 100)
    store.close()


def test_an_older_program_refuses_a_newer_database(tmp_path: Path) -> None:
    migrate(tmp_path / "ledger.db", newer())
    with pytest.raises(Newer, match="9000_cost_centre"):
        migrate(tmp_path / "ledger.db")
    with pytest.raises(Newer):
        Store(Config(data=str(tmp_path)))


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    want = filled(config)
    with pytest.raises(RuntimeError):
        migrate(config.ledger_db, newer(fails=True))
    assert list(dump(config)) == want
    assert migrate(config.ledger_db, newer()) is not None


def test_a_database_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    """As every earlier version will be: made by its own migrations alone, then opened by this program."""
    first = Migrations("ledger")
    first(name="0001_start")(m0001_start.apply)
    migrate(tmp_path / "ledger.db", first)
    store = Store(Config(data=str(tmp_path)))
    store.commit(step(lines(1, 10)))
    store.close()
    applied = {
        migration.name for migration in MIGRATIONS.applied(sqlite_utils.Database(str(tmp_path / "ledger.db")))
    }
    assert applied == set(STEPS)


def test_migrations_are_numbered_and_in_files_of_their_own() -> None:
    names = list(STEPS)
    assert names == sorted(names) and len(names) >= 1
    files = sorted(file.stem for file in Path(migrations.__file__).parent.glob("m*.py"))
    assert files == [f"m{name}" for name in names]
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+", name) for name in names)


def test_names_fit_other_databases(tmp_path: Path) -> None:
    """Up to 30 characters, no booleans, no text ''."""
    migrate(tmp_path / "ledger.db")
    ledger = sqlite3.connect(tmp_path / "ledger.db")
    segment = sqlite3.connect(":memory:")
    for statement in (*schema.TABLES, schema.VIEW):
        segment.execute(statement)
    checked = 0
    for db in (ledger, segment):
        for (table,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        ).fetchall():
            if table.startswith(("sqlite_", "_sqlite")):
                continue
            for _, column, kind, *_ in db.execute(f"PRAGMA table_info({table})"):
                assert len(table) <= 30 and len(column) <= 30 and column == column.lower(), (table, column)
                assert kind in ("INTEGER", "TEXT", "BLOB", ""), (table, column, kind)
                checked += 1
    assert checked > 150
