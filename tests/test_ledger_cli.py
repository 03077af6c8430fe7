"""The commands that read and change a box, on a real box: capture and ledger run, or nothing does."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bluewhale import cli
from bluewhale.config import Config
from ledger_boxes import Journaled, caught_up, run_to_the_end, smdr, start, stop
from waiting import until

CORPUS = Path(__file__).parent / "corpus"
TABLE = "extension,person,department\n201,Ann,Sales\n202,Ben,Stores\n"


class Done:
    """What a command gave: exit status, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def bluewhale(*arguments: str, data: str | None = None, text: str = "") -> Done:
    """Runs a command inside this process: the same code, without waiting for an interpreter."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main([*arguments, *(["--data", data] if data else [])])
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdin = before
    told = []
    for stream in (out, err):
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        told.append(stream.buffer.getvalue().decode())
    return Done(code, *told)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A running ledger with 50 calls; changes go in by the writer's lock, for no capture runs."""
    journal = Journaled(tmp_path_factory.mktemp("box") / "data")
    journal.set_up()
    journal.chunk("main/1", b"".join(smdr(n) for n in range(50)))
    config = journal.close()
    process = start(config)
    until(lambda: caught_up(config, process), 20, "the ledger caught up")
    yield config
    stop(process)


def test_query_calls_gives_rated_calls_newest_first(box: Config) -> None:
    done = bluewhale("query", "calls", data=box.data)
    assert done.code == 0, done.err
    assert len(done.rows) == 50
    first = done.rows[0]
    assert first["extension"] == "249"
    assert first["started_utc"] == "2026-09-14T08:00:49Z"
    assert first["answered"] is True
    assert (first["feed"], first["site"], first["currency"], first["plan"]) == (
        "main",
        "main",
        "EUR",
        "sample",
    )
    assert isinstance(first["charge_micros"], int) and first["charge_micros"] > 0
    assert None not in first.values()


def test_query_calls_of_a_time(box: Config) -> None:
    some = bluewhale(
        "query",
        "calls",
        "--since",
        "2026-09-14T08:00:10Z",
        "--until",
        "2026-09-14T10:00:20+02:00",
        data=box.data,
    )
    assert [row["extension"] for row in some.rows] == [str(extension) for extension in range(219, 209, -1)]
    assert len(bluewhale("query", "calls", "--limit", "7", data=box.data).rows) == 7
    assert bluewhale("query", "calls", "--since", "yesterday", data=box.data).code == 2


def test_accounts_add_up(box: Config) -> None:
    rows = until(
        lambda: bluewhale("accounts", "list", data=box.data).rows, 10, "ledger.db, saved each second"
    )
    assert sum(row["balance_micros"] for row in rows) == 0
    assert {row["kind"] for row in rows} == {"department", "revenue"}


def test_a_directory_goes_in_and_comes_out(box: Config, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(TABLE)
    previewed = bluewhale("directory", "import", str(file), "--preview", data=box.data)
    assert previewed.rows == [{"new": 2, "changed": 0, "same": 0, "removed": 0, "faults": 0}]
    done = bluewhale("directory", "import", str(file), data=box.data)
    assert (done.code, done.rows[1]["state"]) == (0, "applied"), done.err
    again = bluewhale("directory", "import", str(file), data=box.data)
    assert again.rows == [{"new": 0, "changed": 0, "same": 2, "removed": 0, "faults": 0}]
    exported = bluewhale("directory", "export", data=box.data)
    assert exported.out.splitlines() == [
        "extension,person,department,site,enterprise",
        "201,Ann,Sales,main,default",
        "202,Ben,Stores,main,default",
    ]
    back = bluewhale("directory", "import", "-", data=box.data, text=exported.out)
    assert back.rows[0]["same"] == 2


def test_a_faulty_table_changes_nothing_and_names_its_lines(box: Config, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("extension,site\n301,main\n302,moon\n303 4,main\n")
    done = bluewhale("directory", "import", str(file), data=box.data)
    assert done.code == 1
    assert {line.rpartition(":")[0].split(":")[1] for line in done.err.splitlines()} >= {"3", "4"}
    assert "301" not in bluewhale("directory", "export", data=box.data).out
    assert bluewhale("directory", "import", str(tmp_path / "none.csv"), data=box.data).code == 2


def test_a_plan_goes_in_and_comes_out(box: Config, tmp_path: Path) -> None:
    file = tmp_path / "carrier.toml"
    file.write_text(
        'name = "carrier"\ncurrency = "EUR"\ndecimals = 4\nrounding = "half-up"\n[[rate]]\nprefix = ""\nname = "all"\n'
        'destination = "all"\n[[rate.slot]]\nfrom_s = 0\nprice = "0.01"\nper_s = 60\nincrement_s = 60\n'
    )
    done = bluewhale("plan", "import", str(file), "--use", "cost", data=box.data)
    assert (done.code, [row["state"] for row in done.rows]) == (0, ["applied", "applied"]), done.err
    used = {row["plan"]: row["used_for"] for row in bluewhale("plan", "list", data=box.data).rows}
    assert used == {"carrier": ["cost"], "sample": ["charge"]}
    exported = tmp_path / "back.json"
    exported.write_text(bluewhale("plan", "export", "carrier", data=box.data).out)
    assert bluewhale("plan", "check", str(exported)).code == 0
    table = tmp_path / "back.csv"
    table.write_text(bluewhale("plan", "export", "carrier", "--csv", data=box.data).out, newline="")
    assert bluewhale("plan", "check", str(table)).code == 0
    assert bluewhale("plan", "export", "nothing", data=box.data).code == 1
    file.write_text('name = "carrier"\ncurrency = "EUR"\n[[rate]]\nprefix = 5\n')
    assert bluewhale("plan", "import", str(file), data=box.data).code == 1


def test_feeds_and_sites_are_set(box: Config) -> None:
    done = bluewhale(
        "site", "set", "plant", "-o", "zone=Asia/Shanghai", "-o", "country=86", "-o", "area=10", "-o",
        "access_codes=9,0", data=box.data,
    )  # fmt: skip
    assert (done.code, done.rows[0]["state"]) == (0, "applied"), done.err
    sites = {row["name"]: row for row in bluewhale("site", "list", data=box.data).rows}
    assert sites["plant"]["access_codes"] == ["9", "0"]
    assert sites["plant"]["area"] == "10"
    done = bluewhale("feed", "add", "lab", "udp:5140", "--site", "plant", "-o", "year=2026", data=box.data)
    assert (done.code, done.rows[0]["state"]) == (0, "applied"), done.err
    listed = {row["name"]: row for row in bluewhale("feed", "list", data=box.data).rows}
    assert listed["lab"]["options"] == {"year": 2026}
    refused = bluewhale("feed", "add", "lab", "udp:5140", "--site", "moon", data=box.data)
    assert (refused.code, refused.rows[0]["state"]) == (1, "refused")
    assert "there is no site moon" in refused.err
    assert bluewhale("feed", "remove", "lab", data=box.data).code == 0
    assert bluewhale("feed", "add", "lab", "udp:5140", "-o", "year", data=box.data).code == 2


def test_status_says_what_runs(box: Config) -> None:
    done = bluewhale("status", "--json", data=box.data)
    assert done.code == 3, "capture does not run here"
    found = done.rows[0]
    assert (found["roles"]["ledger"]["up"], found["roles"]["capture"]["up"]) == (True, False)
    assert found["calls"] == 50
    assert "ledger     up" in bluewhale("status", data=box.data).out


def test_a_change_waits_for_a_box_that_is_down(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    done = bluewhale("site", "set", "main", "-o", "zone=Asia/Shanghai", data=data)
    assert (done.code, done.rows[0]["state"]) == (0, "pending"), done.err
    run_to_the_end(Config(data=data))
    assert bluewhale("site", "list", data=data).rows[0]["zone"] == "Asia/Shanghai"


def test_without_a_box_the_commands_say_so(tmp_path: Path) -> None:
    data = str(tmp_path / "none")
    for command in (["query", "calls"], ["accounts", "list"]):
        done = bluewhale(*command, data=data)
        assert (done.code, "no box" in done.err) == (3, True)
    assert bluewhale("rebuild", data=data).code == 2
    assert bluewhale("status", data=data).code == 3


def test_calls_of_a_capture_carry_legs_and_charges() -> None:
    done = bluewhale("calls", str(CORPUS / "avaya-ipoffice" / "published" / "capture.raw"))
    assert done.rows
    for call in done.rows:
        assert call["state"] == "closed"
        for seizure in call["external_legs"]:
            paid = sum(c["charged_s"] for c in call["charges"] if c["external_leg"] == seizure["id"])
            assert paid == seizure["seizure_s"]
    transferred = next(call for call in done.rows if any(leg["role"] == "voicemail" for leg in call["legs"]))
    assert [leg["role"] for leg in transferred["legs"]] == ["answered", "voicemail"]
    incoming = next(call for call in done.rows if call["direction"] == "incoming" and call["charges"])
    assert incoming["external_legs"][0]["direction"] == "in"
    assert incoming["charges"][0]["kind"] == "incoming"


def test_calls_tells_what_it_cannot_read() -> None:
    done = bluewhale("calls", "--format", "avaya-ipoffice", text="2008/06/28 09:28:41,nonsense\r\n")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("-:1: ")
    assert bluewhale("calls", text="nothing of the kind\r\n").code == 1
    assert bluewhale("calls", "--format", "abacus", text="").code == 2
    assert bluewhale("calls", "no-such-file").code == 3
