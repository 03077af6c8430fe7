"""Layouts that owners write: strict, said in the user's words, never hanging; and the worked example of the manual."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bluewhale.formats import Decoder, OptionError, detect, load_formats
from bluewhale.formats._custom_guess import proposal
from bluewhale.formats._custom_regex import checked
from bluewhale.formats._durations import composed
from bluewhale.formats._readers import reader
from bluewhale.model import Leg, Reject, Signal
from boxes import free_port, running
from waiting import until

CUSTOM = load_formats()["custom"]
PAGE = (Path(__file__).parent.parent / "docs" / "custom.md").read_text(encoding="utf-8")
LAYOUT = re.findall(r"```toml\n(.*?)```", PAGE, re.S)[0]
LINES = re.findall(r"```text\n(.*?)```", PAGE, re.S)[0].replace("\n", "\r\n").encode()


def read(layout: Any, data: bytes, **options: Any) -> list[Any]:
    decoder = Decoder(CUSTOM, {"layout": layout} | options)
    return decoder.feed(data, 0) + decoder.close()


def test_the_worked_example_reads() -> None:
    """The page's layout and lines, word for word, with what the made-up manual says they mean."""
    legs = read(LAYOUT, LINES)
    assert all(isinstance(leg, Leg) for leg in legs)
    assert [(leg.direction, leg.caller, leg.called, leg.talk_s, leg.answered) for leg in legs] == [
        ("outgoing", "204", "902079460123", 192, True),
        ("incoming", "01632960555", None, 48, True),
        ("internal", "204", "211", 90, True),
        ("incoming", "07700900123", None, 0, False),
        ("outgoing", "204", "9004915555301234", 760, True),
    ]
    assert (legs[0].started_local, legs[0].trunk, legs[0].account_code) == (
        "2026-01-05T09:14:07",
        "03",
        "7711",
    )
    assert (legs[3].ring_s, legs[3].extension) == (25, "230")


def test_the_worked_example_gives_rated_calls_on_a_box(tmp_path: Path) -> None:
    """The page's commands: feed add with the layout file, lines over TCP, calls with a price; and a rebuild agrees."""
    file = tmp_path / "zephyr.toml"
    file.write_text(LAYOUT, encoding="utf-8")
    port = free_port()
    with running(tmp_path) as box:
        where = ("--data", str(box.data), "--config", str(box.file))
        url = f"tcp-listen:127.0.0.1:{port}"
        box.run("feed", "add", "zephyr", url, "--format", "custom", "--options", str(file), *where)
        box.feed_port = port
        until(
            lambda: "listening" in str([f for f in box.status("capture")["feeds"] if f["name"] == "zephyr"]),
            20,
        )
        box.send(LINES)
        until(lambda: box.lines() >= 5, 20)
        calls = until(lambda: (found := box.calls()) and len(found) == 5 and found, 20)
        by_called = {call.get("called"): call for call in calls}
        assert by_called["902079460123"]["charge_micros"] > 0
        assert by_called["902079460123"]["talk_s"] == 192
        assert sum(1 for call in calls if call["direction"] == "outgoing" and call["charge_micros"]) == 2
        box.stop()
        box.run("rebuild", *where)


def test_a_wrong_layout_is_refused_by_the_box_with_the_place() -> None:
    with pytest.raises(OptionError, match="custom needs option layout"):
        Decoder(CUSTOM)
    with pytest.raises(OptionError, match=r"layout: Invalid value"):
        Decoder(CUSTOM, {"layout": "name = "})


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ('"mmmm:ss"', '"hmss"', "record 1, column 6 'talk_s': unknown reader 'hmss'; did you mean 'hmmss'?"),
        ('"dd.mm.yy"', '"dd.mn.yy"', "column 1 'date': unknown reader 'dd.mn.yy'; did you mean 'dd.mm.yy'?"),
        ('"hh:mm:ss"', '"hh:mm:xx"', "column 2 'start': unknown reader"),
        (
            "extension",
            "extention",
            "column 3 'extention': unknown field 'extention'; did you mean 'extension'?",
        ),
        ("skip =", "skp =", "layout: unknown key 'skp'; did you mean 'skip'?"),
        ('kind = "fixed"', 'kind = "fixd"', "record 1: kind = 'fixd'; did you mean 'fixed'?"),
        ('codes = "mark"', 'codes = "marks"', "there is no table codes.marks; did you mean 'mark'?"),
        ('">" = "outgoing"', '">" = "outging"', "codes.>: direction = 'outging'; did you mean 'outgoing'?"),
        ('talk_is = "ring"', 'talk_was = "ring"', "codes.!: unknown key 'talk_was'; did you mean 'talk_is'?"),
        ('"25-26"', '"22-26"', "columns 'extension' and 'trunk' overlap at 22"),
        ('"25-26"', '"26-25"', "at = '26-25' ends before it begins"),
        ('"25-26"', '"x"', "is no place like"),
        ('"9, 18-19', '"9, 17-19', "gaps: position 17 lies in a column"),
        ('"trunk" }', '"extension" }', "column 4 'extension': an earlier column has this field"),
        ("[[record]]", "[[recrd]]", "layout: unknown key 'recrd'; did you mean 'record'?"),
        ('need = true },\n  { at = "10', 'need = 1 },\n  { at = "10', "need = 1 is no true or false"),
        ('"^ZEPHYR"', '"^(Z+)+$"', "skip: a repeat with a choice inside a repeat"),
    ],
)
def test_faults_name_the_place(before: str, after: str, text: str) -> None:
    assert before in LAYOUT
    with pytest.raises(OptionError) as error:
        Decoder(CUSTOM, {"layout": LAYOUT.replace(before, after, 1)})
    assert text in str(error.value)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(a|aa)+b",
        r"(\w+\s*)*x",
        r".*.*.*x",
        r"(?:(?:a?){20}){20}",
        r"(a)\1",
        r"(?=a)b",
        r"(?i)a",
        "(",
        r"x*x*x*y",
    ],
)
def test_regexes_that_could_hang_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"regex|repeat"):
        checked(pattern, 1024)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(\d+) (\S+) ([^,]*),(\d\d:\d\d)",
        r"\s+(\S+)\s+(\S+)\s+(\S+)\s*",
        r"(?P<n>\d+)\s+(?P<name>\S.*?)\s+\d+",
        r"(?:a|b|[cd])+e",
        r"[^;]*;[^;]*;",
    ],
)
def test_usual_regexes_are_taken_and_fast_on_the_worst_line(pattern: str) -> None:
    checked(pattern, 1024)
    for line in ("1 " * 512, "1" * 1024, "a" * 1024, " " * 1024, ";" * 1024):
        begun = time.process_time()
        re.fullmatch(pattern, line)
        assert time.process_time() - begun < 2


def test_a_search_is_counted_from_every_place() -> None:
    checked(r"^\d+.*", 1024, anywhere=True)
    checked("TOTAL", 1024, anywhere=True)
    with pytest.raises(ValueError, match="tries"):
        checked(r"\d+.*\d+x", 1024, anywhere=True)


@pytest.mark.parametrize(
    ("shape", "cell", "seconds"),
    [
        ("hmmss", "10203", 3723), ("mmmm:ss", "0003:12", 192), ("[h:]mm:ss", "01:02", 62), ("[h:]mm:ss", "1:01:02", 3662),
        ("m.t", "12.5", 750), ("h:mm", "2:05", 7500), ("mmss", "0130", 90), ("m", "3", 180), ("milliseconds", "1500", 1),
        ("milliseconds", "7", 0), ("hh:mm'ss", "00:01'05", 65), ("hh:mm:ss", "01:02:03.9", 3723),
    ],
)  # fmt: skip
def test_duration_shapes(shape: str, cell: str, seconds: int) -> None:
    assert reader("duration", shape)(cell) == seconds


@pytest.mark.parametrize("shape", ["", "hmss", "sm", "ms", "hh:hh", "mmt:ss", "[mm:ss", "x", "h:m:s"])
def test_no_duration_shapes(shape: str) -> None:
    with pytest.raises(ValueError, match="duration shape"):
        composed(shape)


def test_date_order_turns_the_file_s_order_and_a_wrong_one_says_so() -> None:
    line = b"13.02.26 09:14:07  204  03 > 0003:12 90207\n"
    assert read(LAYOUT, line)[0].started_local == "2026-02-13T09:14:07"
    (wrong,) = read(LAYOUT, line, date_order="mm.dd.yy")
    assert isinstance(wrong, Reject)
    assert (wrong.why, "is date_order right?" in str(wrong.detail)) == ("bad-time", True)
    turned = read(LAYOUT, b"02.13.26 09:14:07  204  03 > 0003:12 90207\n", date_order="mdy")
    assert turned[0].started_local == "2026-02-13T09:14:07"
    with pytest.raises(OptionError, match="date_order"):
        Decoder(CUSTOM, {"layout": LAYOUT, "date_order": "yes"})


def test_precedence_rules_before_tables_and_earlier_before_later() -> None:
    layout: dict[str, Any] = {
        "record": {
            "kind": "delimited",
            "columns": [
                {"at": 1, "field": "condition_code", "codes": {"X": "incoming", "*": {"answered": True}}},
                {
                    "at": 2,
                    "field": "extra.kind",
                    "codes": {"T": {"direction": "tandem", "answered": False}, "*": {}},
                },
                {"at": 3, "field": "talk_s"},
                {"at": 4, "field": "trunk"},
            ],
        },
        "rule": [
            {"if": {"trunk": "9*"}, "set": {"direction": "internal"}},
            {"if": {"trunk": ["91", "92"], "talk_s": 0}, "set": {"direction": "outgoing", "answered": True}},
        ],
    }

    def way(line: bytes) -> Any:
        (leg,) = read(layout, line)
        return leg.direction, leg.answered

    assert way(b"X,T,5,1") == (
        "incoming",
        False,
    )  # the earlier column's table first, the later adds what is open
    assert way(b"Y,T,5,1") == ("tandem", True)
    assert way(b"X,T,5,95") == ("internal", False)  # rules before tables
    assert way(b"X,Q,0,91") == ("internal", True)  # the earlier rule's direction, the later rule's answer
    assert way(b"X,Q,5,1") == ("incoming", True)


def test_which_record_reads_a_line_does_not_depend_on_those_before() -> None:
    layout = {
        "record": [
            {
                "kind": "delimited",
                "cells": 2,
                "columns": [{"at": 1, "field": "caller"}, {"at": 2, "field": "talk_s"}],
            },
            {"kind": "delimited", "columns": [{"at": 2, "field": "talk_s"}, {"at": 1, "field": "called"}]},
        ]
    }
    one, many = read(layout, b"1,2\n"), read(layout, b"1,2,3\n1,2,3\n1,2\n")
    assert [leg.caller for leg in (*one, *many)] == ["1", None, None, "1"]


def test_position_selects_the_record_and_signals_stand_beside() -> None:
    layout = {
        "record": [
            {"kind": "fixed", "when": {"at": "3-5", "is": ["R", "RNG"]}, "columns": [
                {"at": "1-2", "field": "extension"},
                {"at": "3-5", "field": "extra.kind", "codes": {"*": {"signal": "ring", "talk_is": "ring"}}},
                {"at": "6-8", "field": "talk_s"}]},
            {"kind": "fixed", "columns": [{"at": "1-2", "field": "extension"}, {"at": "6-8", "field": "talk_s"}]},
        ]
    }  # fmt: skip
    ring, ring_too, leg = read(layout, b"21R    7\n21RNG 17\n21RX   8\n")
    assert [type(each) for each in (ring, ring_too, leg)] == [Signal, Signal, Leg]
    assert (ring.ring_s, ring_too.ring_s, leg.talk_s) == (7, 17, 8)


def test_json_lines() -> None:
    layout = {"record": {"kind": "json", "columns": [
        {"at": "party.no", "field": "called"}, {"at": "secs", "field": "talk_s"},
        {"at": "begin", "field": "start", "read": "epoch ms"}]}}  # fmt: skip
    leg, bad = read(layout, b'{"party": {"no": "5551"}, "secs": 61, "begin": 1767603600123}\n{"secs": "x"}\n')
    assert (leg.called, leg.talk_s, leg.started_utc) == ("5551", 61, "2026-01-05T09:00:00Z")
    assert bad.why == "bad-field"


def test_a_line_beyond_the_limit_is_rejected() -> None:
    (reject,) = read("limit = 60\n" + LAYOUT, b"x" * 500 + b"\n")
    assert reject.why == "too-long"


def test_custom_is_never_detected() -> None:
    assert detect(LINES) == []
    assert CUSTOM.dialects == ()


def test_a_proposal_reads_the_samples_it_was_made_of() -> None:
    """Fixed and delimited; what it could not know (the marks) it says."""
    text = proposal(LINES.decode().splitlines())
    legs = read(text, LINES)
    assert [leg.talk_s for leg in legs] == [192, 48, 90, 25, 760]
    assert legs[0].started_local == "2026-01-05T09:14:07"
    assert "not known" in text
    rows = "2026-01-05,09:14:07,204,O,0:03:12,902079460123\n2026-01-13,09:15:07,205,I,0:00:12,5551234\n"
    text = proposal(rows.splitlines())
    legs = read(text, rows.encode())
    assert [(leg.direction, leg.extension, leg.talk_s) for leg in legs] == [
        ("outgoing", "204", 192),
        ("incoming", "205", 12),
    ]
    assert "most samples fit both" in proposal(["01/02/26 10:11 204 0:01:05 5551234"] * 3)
    with pytest.raises(ValueError, match="digits"):
        proposal(["hello"])


def run(*args: str, stdin: bytes = b"") -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale", "format", *args],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_format_try_shows_columns_and_where_it_failed(tmp_path: Path) -> None:
    file = tmp_path / "z.toml"
    file.write_text(LAYOUT, encoding="utf-8")
    broken = LINES.replace(b"0000:48", b"0000:88")
    code, out, _ = run("try", "--options", str(file), stdin=broken)
    assert code == 1
    lines = out.splitlines()
    at = next(n for n, line in enumerate(lines) if "0000:88 " in line)
    assert lines[at + 1] == " " * (4 + 29) + "^" * 7
    assert "6 talk_s" in out
    assert "FAILED: '0000:88' is no duration mmmm:ss" in out
    assert "4 of 5 records read: 4 calls, 0 signals; 1 rejected; 1 lines skipped" in out
    code, out, _ = run("try", "--options", str(file), stdin=LINES)
    assert (code, "5 of 5 records read" in out) == (0, True)


def test_format_try_json(tmp_path: Path) -> None:
    file = tmp_path / "z.json"
    file.write_bytes(msgspec.json.encode({"record": {"kind": "regex", "regex": r"(?P<a>\d+) (?P<b>\d+)", "columns": [
        {"at": "a", "field": "called"}, {"at": "b", "field": "talk_s"}]}}))  # fmt: skip
    code, out, _ = run("try", "--json", "--options", str(file), stdin=b"55 7\nx\n")
    first, second, last = map(json.loads, out.splitlines())
    assert code == 1
    assert (first["result"], first["read"]["called"]) == ("call", "55")
    assert first["columns"][1] == {
        "number": 2,
        "field": "talk_s",
        "raw": "7",
        "first": 4,
        "last": 4,
        "value": 7,
    }
    assert (second["result"], second["line"]) == ("rejected", 2)
    assert last == {"records": 2, "format": "custom", "call": 1, "signal": 0, "rejected": 1, "skipped": 0}


@pytest.mark.parametrize(
    "case",
    [
        "panasonic/published",
        "avaya-ipoffice/published",
        "cisco-cucm/transfer-refer-replaces",
        "norstar-bcm/published",
    ],
)
def test_format_try_shows_built_in_formats_too(case: str) -> None:
    """Every kind of layout has its columns, and none of a call failed."""
    capture = Path(__file__).parent / "corpus" / case / "capture.raw"
    code, out, _ = run("try", "--json", "--format", case.partition("/")[0], str(capture))
    *shown, counts = map(json.loads, out.splitlines())
    calls = [each for each in shown if each["result"] == "call"]
    assert code == 0
    assert counts["call"] == len(calls) > 0
    for each in calls:
        assert len(each["columns"]) >= 3
        assert not [cell for cell in each["columns"] if cell.get("fault")]


def test_format_commands_say_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(LAYOUT.replace("mmmm:ss", "hmss"), encoding="utf-8")
    code, _, err = run("try", "--options", str(file), stdin=LINES)
    assert (code, "column 6 'talk_s': unknown reader 'hmss'" in err) == (2, True)
    assert run("try", "--options", str(tmp_path / "none.toml"))[0] == 3
    assert run("new", str(tmp_path / "none.txt"))[0] == 3
    assert run("new", stdin=b"hello\n")[0] == 1
    code, out, _ = run("new", stdin=LINES)
    assert (code, "[[record]]" in out) == (0, True)
