"""Layouts as data: each kind of record layout, quoting, gaps, blocks, sticky choice, the package scan."""

import ast
from pathlib import Path
from typing import Any

import pytest

import bluewhale.formats as package
from bluewhale.formats import Decoder, Format, Integrity, load_formats
from bluewhale.formats._compile import compiled, splitter
from bluewhale.formats._layout import (
    Block,
    Blocks,
    Delimited,
    Fault,
    Fixed,
    Headed,
    Layout,
    Pattern,
    code,
    digits,
    duration,
    number,
    text,
    when,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._site import any_of, date_shape, numbers, time_field
from bluewhale.model import Leg, Reject, Why


def read(layout: Layout, line: str, memory: dict[str, Any] | None = None) -> Any:
    return compiled(layout)(line, {} if memory is None else memory)


def why(layout: Layout, line: str) -> tuple[Why, str]:
    with pytest.raises(Fault) as caught:
        read(layout, line)
    return caught.value.why, caught.value.detail


def test_style_example_reads_as_written() -> None:
    """The layout that the house style shows."""
    layout = Fixed(
        (
            code("condition_code", (0, 1), {"N": "normal", "T": "transferred"}),
            text("extension", (2, 5)),
            text("trunk", (6, 10)),
            when("started_local", (11, 25), "yy-mm-dd hh:mm"),
            duration("talk_s", (26, 31), "hhmmss"),
            digits("called", (32, 50)),
        ),
        gaps=(1, 5, 10, 25, 31),
    )
    assert read(layout, "N 201 T003 26-09-14 11:32 00107 02079460123") == {
        "condition_code": "normal",
        "extension": "201",
        "trunk": "T003",
        "started_local": "2026-09-14T11:32",
        "talk_s": 67,
        "called": "02079460123",
    }
    assert why(layout, "N 201XT003 26-09-14 11:32 00107 0207")[0] is Why.FOREIGN
    assert why(layout, "X 201 T003 26-09-14 11:32 00107 0207") == (
        Why.BAD_FIELD,
        "column 1 (condition_code): 'X' is no code (N, T)",
    )


def test_fixed_pads_short_lines_and_refuses_long_ones() -> None:
    layout = Fixed((text("a", (0, 3)), text("extra.b", (3, 6), blank=("---",))), least=2, most=8)
    assert read(layout, "ab") == {"a": "ab"}
    assert read(layout, "abcdef   \t") == {"a": "abc", "extra": {"b": "def"}}
    assert read(layout, "abc---") == {"a": "abc"}
    assert why(layout, "a")[0] is Why.FOREIGN
    assert why(layout, "abcdefghi")[0] is Why.FOREIGN


def test_overlapping_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        compiled(Fixed((text("a", (0, 3)), text("b", (2, 4)))))


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("a,b,,c", ["a", "b", "", "c"]),
        ('"a","b","",c', ["a", "b", "", "c"]),
        ('"a ""b"" c","x,y",1', ['a "b" c', "x,y", "1"]),
        ('""""" <8016>",5', ['"" <8016>', "5"]),
        (' a , "b", c ', ["a", '"b"', "c"]),
        ('"",""', ["", ""]),
    ],
)
def test_cells(line: str, cells: list[str]) -> None:
    assert splitter(",", '"')(line) == cells


@pytest.mark.parametrize("line", ['"a,b', '"a"b,c', '"a""'])
def test_quotes_that_do_not_add_up(line: str) -> None:
    with pytest.raises(Fault, match="quotes"):
        splitter(",", '"')(line)


def test_without_quoting_a_quote_is_a_character() -> None:
    assert splitter("|", None)('"a|b"') == ['"a', 'b"']


def test_delimited_of_several_releases() -> None:
    layout = Delimited((text("a", 0, need=True), number("b", 2), text("extra.c", 4)), least=3, most=5)
    assert read(layout, "x,,7") == {"a": "x", "b": 7}
    assert read(layout, "x,,7,,z") == {"a": "x", "b": 7, "extra": {"c": "z"}}
    assert why(layout, "x,y")[0] is Why.FOREIGN
    assert why(layout, ",,7") == (Why.BAD_FIELD, "column 1 (a): empty")
    assert why(layout, "x,,seven") == (Why.BAD_FIELD, "column 3 (b): 'seven' is no whole number")


def test_headed_maps_by_name_and_follows_a_new_header() -> None:
    layout = Headed((text("a", "Alpha", need=True), number("b", "Beta")), head="Alpha,|Beta,")
    memory: dict[str, Any] = {}
    with pytest.raises(Fault, match="no header line"):
        read(layout, "1,2", memory)
    reader = compiled(layout)
    assert reader("Alpha,Other,Beta", memory) is None
    assert reader("x,y,3", memory) == {"a": "x", "b": 3}
    assert reader("Beta,Alpha", memory) is None
    assert reader("3,x", memory) == {"a": "x", "b": 3}
    with pytest.raises(Fault, match="3 cells under a header of 2"):
        reader("3,x,y", memory)
    assert reader("Beta,Gamma", memory) is None
    with pytest.raises(Fault, match="lacks Alpha"):
        reader("3,x", memory)


def test_block_gathers_lists_and_names_the_line() -> None:
    layout = Block(
        (
            Pattern((text("a", "a"), text("extra.x", "x")), r"HEAD (?P<a>\w+)(?: (?P<x>\w+))?"),
            Pattern((number("n[]", "n"),), r"N (?P<n>\w+)"),
            Pattern((text("extra.y", "y"),), r"Y (?P<y>\w+)"),
        )
    )
    assert read(layout, "HEAD one two\nN 1\nY why\nN 2") == {
        "a": "one",
        "extra": {"x": "two", "y": "why"},
        "n": [1, 2],
    }
    assert why(layout, "N 1")[0] is Why.FOREIGN
    assert why(layout, "HEAD a\nZ") == (Why.BAD_FIELD, "line 2 of the block: no line of this block: 'Z'")
    assert why(layout, "HEAD a\nN x") == (
        Why.BAD_FIELD,
        "line 2 of the block: field (n): 'x' is no whole number",
    )


def tiny(**changes: Any) -> Format:
    layouts = (
        Pattern((text("called", "n", need=True),), r"A (?P<n>\d+)", name="a"),
        Pattern((text("caller", "n", need=True),), r"[AB] (?P<n>\d+)", name="b"),
    )
    return Format(
        **({"name": "tiny", "title": "", "layouts": layouts, "integrity": Integrity.NONE} | changes)
    )


def test_the_layout_that_read_the_last_record_comes_first() -> None:
    """Ambiguous lines are read as their neighbours; the choice is part of the state."""
    decoder = Decoder(tiny())
    first = decoder.feed(b"A 1\nB 2\nA 3\n", 0)
    assert [(leg.called, leg.caller) for leg in first if isinstance(leg, Leg)] == [
        ("1", None),
        (None, "2"),
        (None, "3"),
    ]
    again = Decoder(tiny(), {}, decoder.state())
    (leg,) = again.feed(b"A 4\n", 12)
    assert isinstance(leg, Leg)
    assert leg.caller == "4"


def test_an_aside_does_not_change_the_choice() -> None:
    aside = Pattern((text("_date", "d", need=True),), r"# (?P<d>\d+)", aside=True)
    fmt = tiny(layouts=(*tiny().layouts, aside), finish=lambda row, context: None if "_date" in row else row)
    legs = Decoder(fmt).feed(b"B 2\n# 5\nA 3\n", 0)
    assert [leg.caller for leg in legs if isinstance(leg, Leg)] == ["2", "3"]


def test_skip_rules_count_and_never_hide_a_record() -> None:
    decoder = Decoder(tiny(skip=(r"^-+$", "^A")))
    items = decoder.feed(b"----\nA 1\nA x\n", 0)
    assert [type(item) for item in items] == [Leg]
    assert decoder.skipped == 2


def test_blocks_end_by_last_line_blank_line_next_start_and_close() -> None:
    layout = Block(
        (
            Pattern((text("called", "n"),), r"START (?P<n>\d+)"),
            Pattern((text("extra.e", "e"),), r"(?P<e>E.*|END)"),
        )
    )
    fmt = tiny(layouts=(layout,), frames=Blocks(start=r"START", last=r"END", limit=64))
    data = b"START 1\nEND\nSTART 2\nEx\n\nSTART 3\r\nEy\r\nSTART 4\nE" + b"z" * 70 + b"\nE1\nSTART 5\nE5"
    decoder = Decoder(fmt)
    items = decoder.feed(data, 0) + decoder.close()
    legs = {item.called: item for item in items if isinstance(item, Leg)}
    assert legs.keys() == {"1", "2", "3", "5"}
    assert legs["3"].origin is not None
    assert data[legs["3"].origin.position :][: legs["3"].origin.length] == b"START 3\r\nEy"
    rejects = [item.why for item in items if isinstance(item, Reject)]
    assert Why.TOO_LONG in rejects


def test_load_formats_scans_the_package() -> None:
    files = {file.stem for file in Path(package.__file__).parent.glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in load_formats()} == files
    for fmt in load_formats().values():
        for heading in ("Feed:", "PBX:", "Source:", "Integrity:"):
            assert heading in fmt.sheet, (fmt.name, heading)


def test_a_family_is_data_and_one_short_hook() -> None:
    """finish() and what it calls fit a screen each; no family does I/O."""
    checked = 0
    for file in Path(package.__file__).parent.glob("[!_]*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                checked += 1
                assert (node.end_lineno or 0) - node.lineno < 61, f"{file.name}: {node.name}"
    assert checked > 20


def test_site_facts() -> None:
    assert any_of("SEP*, BOT*")("sep0011")
    assert not any_of(["GW1"])("GW10")
    assert numbers("4 to 6 digits")("12345")
    assert not numbers("4 to 6 digits")("123")
    assert numbers("200-299, 31*")("250")
    assert numbers(["200-299", "31*"])("3199")
    assert not numbers("200-299")("2500")
    assert date_shape({}, "mm/dd/yy", "/") == "mm/dd/yy"
    assert date_shape({"date_order": "dd.mm.yy"}, "mm/dd/yy", "/") == "dd/mm/yy"
    assert date_shape({"date_order": "ddmmyy"}, "mmddyy", "") == "ddmmyy"
    assert date_shape({"date_order": "dmy"}, "mmddyy", "") == "ddmmyy"
    assert time_field({"time_is": "start (KX-TA)"}, "end") == "started"
    assert time_field({"time_is": "end of segment"}, "start") == "ended"
    for wrong in ("mm/mm/yy", "month first", ""):
        with pytest.raises(OptionError):
            date_shape({"date_order": wrong}, "mm/dd/yy", "/")
