"""A record our own program fails on keeps no other call out, and a rebuild passes over the same one."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bluewhale.journal import reader
from bluewhale.ledger import lines as lines_module
from bluewhale.ledger import owner_fold
from bluewhale.model import Leg, Line
from bluewhale.roles import rebuild
from ledger_boxes import Journaled, lines, smdr


def told(text: str) -> None:
    """What a rebuild says does not matter here."""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with a bug: extension 207 divides by nothing."""
    line = lines_module.line

    def wrong(desk: Any, leg: Leg, received_us: int, seq: int) -> Line:
        if leg.extension == "207":
            raise ZeroDivisionError("a bug")
        return line(desk, leg, received_us, seq)

    monkeypatch.setattr(lines_module, "line", wrong)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("name", ["auto", "avaya-ipoffice"])
def test_one_chunk_is_passed_over_and_all_others_count(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journaled(tmp_path / "data")
    journal.set_up(format=name)
    for number in range(100):
        journal.chunk("main/1", smdr(number))
    config = journal.close()
    ends = reader.ends(config.journal_dir)
    rebuild.catch_up(config, ends, told)
    assert [line["extension"] for line in lines(config)] == [str(200 + n) for n in range(100) if n != 7]
    with closing(sqlite3.connect(config.ledger_db)) as db:
        rows = db.execute("SELECT why, length, detail FROM reject").fetchall()
    assert rows == [("fault", len(smdr(7)), "ZeroDivisionError: a bug")]
    assert "a bug" in caplog.text
    assert rebuild.compare(config, rebuild.make(config, ends, told), tables=True).same


@pytest.mark.usefixtures("broken")
def test_what_cannot_be_read_again_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The format shows only after the record that fails: later calls still come."""
    journal = Journaled(tmp_path / "data")
    journal.set_up(format="auto")
    journal.chunk("main/1", b"\xfe\x07\x00\r\n" * 400 + smdr(7))
    journal.owner("format", "main", {"format": "avaya-ipoffice"})
    journal.chunk("main/1", smdr(8))
    config = journal.close()
    rebuild.catch_up(config, reader.ends(config.journal_dir), told)
    assert [line["extension"] for line in lines(config)] == ["208"]
    assert "records of main cannot be read again" in caplog.text


def test_an_owners_change_that_fails_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any) -> str:
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(owner_fold.RULES, "setup", wrong)
    journal = Journaled(tmp_path / "data")
    journal.owner("setup", "done", {"by": "ann"})
    journal.set_up()
    config = journal.close()
    rebuild.catch_up(config, reader.ends(config.journal_dir), told)
    with closing(sqlite3.connect(config.ledger_db)) as db:
        answers = db.execute("SELECT state, why FROM owner_change ORDER BY seq").fetchall()
    assert [state for state, _ in answers] == ["refused", "applied", "applied", "applied"]
    assert answers[0][1] == "a fault of this program: ZeroDivisionError: a bug"
