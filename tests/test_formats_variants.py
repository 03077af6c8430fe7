"""Variants of a family, written down by hand from the published tables, apart from the golden files."""

from typing import Any

import pytest

from accept import raw
from bluewhale.formats import Decoder, detect, load_formats
from bluewhale.model import Leg, Reject, Signal

FORMATS = load_formats()


def read(family: str, data: bytes | str, **options: Any) -> list[Any]:
    decoder = Decoder(FORMATS[family], options)
    data = data.encode() if isinstance(data, str) else data
    return decoder.feed(data if data.endswith(b"\n") else data + b"\r\n", 0) + decoder.close()


def laid(width: int, **cells: str) -> str:
    """A line with texts at the positions the guides print: c37="58888" begins at 37."""
    line = [" "] * width
    for place, cell in cells.items():
        at = int(place[1:]) - 1
        line[at : at + len(cell)] = cell
    return "".join(line)


ISDN_1 = laid(
    73,
    c1="0905",
    c6="0033",
    c11="7",
    c13="   9",
    c18=" 345",
    c23="     2065551212",
    c39="     58888",
    c66="7654321",
)
ISDN_2 = laid(39, c3="3", c9="031", c13="0", c28="288", c38="0")  # 76, 82-84, 86, 101-103?, 111: from 75 on


def test_cm_int_isdn_is_one_record_of_two_lines() -> None:
    """Whatever the pieces, and the same line may lack its second half when the link drops."""
    data = f"0105\r\n{ISDN_1}\n {ISDN_2[2:]}\r\n{ISDN_1}\n {ISDN_2[2:]}\r\n".encode()
    legs = read("avaya-cm", data, format="int-isdn", year=2026)
    assert [type(leg) for leg in legs] == [Leg, Leg]
    first = legs[0]
    assert (first.direction, first.caller, first.called, first.talk_s) == (
        "outgoing",
        "58888",
        "2065551212",
        198,
    )
    assert (first.auth_code, first.ended_local, first.trunk) == ("7654321", "2026-01-05T09:05", "031")
    assert first.extra["frl"] == "3"
    assert first.origin.position == 6
    assert data[first.origin.position :][: first.origin.length].decode() == f"{ISDN_1}\n {ISDN_2[2:]}"
    (alone,) = read("avaya-cm", ISDN_1 + "\r\n", format="int-isdn")
    assert (alone.called, alone.trunk) == ("2065551212", "345")


@pytest.mark.parametrize(
    ("letter", "code", "answered"),
    [
        ("A", "1", True),
        ("D", "4", True),
        ("G", "7", True),
        ("H", "8", True),
        ("L", "C", True),
        ("N", "E", False),
    ],
)
def test_cm_59_characters_have_letters_of_their_own(letter: str, code: str, answered: bool) -> None:
    line = laid(
        58, c1="0905", c5="0033", c9=letter, c12="9", c13="345", c16="     2065551212", c31="58888", c56="231"
    )
    (leg,) = read("avaya-cm", line, format="59-character")
    assert (leg.condition_code, leg.answered, leg.trunk) == (code, answered, "123")
    assert (leg.called, leg.caller, leg.ended_partial) == ("2065551212", "58888", "T09:05")
    (signal,) = read("avaya-cm", laid(58, c1="0905", c5="0033", c9="E"), format="59-character")
    assert (type(signal), signal.what) == (Signal, "not-recorded")


def test_cm_int_direct_counts_ppm_and_its_day_stands_first() -> None:
    line = laid(78, c1="310126", c8="0905", c13="0033", c18="7", c22="9", c23="345", c27="        2065551212", c46="58888",
                c52="             77", c68="00012", c77="23")  # fmt: skip
    (leg,) = read("avaya-cm", line, format="int-direct")
    assert (leg.ended_local, leg.called, leg.trunk, leg.extra["ppm"]) == (
        "2026-01-31T09:05",
        "2065551212",
        "23",
        "00012",
    )
    (wrong,) = read("avaya-cm", line, format="int-direct", date_order="mmddyy")
    assert (wrong.why, "is date_order right?" in wrong.detail) == ("bad-time", True)


def test_cm_isdn_lsu_holds_the_ins() -> None:
    line = laid(
        54,
        c1="0033",
        c5="7",
        c8="9",
        c9="345",
        c12="     2065551212",
        c27="8888",
        c43="12",
        c46="5",
        c50="231",
    )
    (leg,) = read("avaya-cm", line, format="isdn-lsu")
    assert (leg.caller, leg.trunk, leg.extra["ins"]) == ("58888", "123", "12")


def test_detection_says_which_dates_cannot_be() -> None:
    line = "205 701 {:02}/01 17:15:41 00:00:02 O  13054264100\r\n"
    (best,) = detect(
        "".join(line.format(day) for day in (9, 10, 11, 12, 13)).encode(), ["samsung-officeserv"]
    )
    assert best.evidence.startswith("4 of 5 records parse")
    assert best.evidence.endswith("1 dates have a month above 12: the order of day and month is wrong")
    assert not best.sure


def test_nec_the_printed_row() -> None:
    (leg,) = read("nec-sl-sv8100", raw("nec-sl-sv8100/published"), year=2026)
    assert (leg.condition_code, leg.started_local, leg.trunk, leg.talk_s) == (
        "POT",
        "2026-12-09T10:52",
        "002",
        10,
    )
    assert (leg.extension, leg.called, leg.account_code, leg.direction) == (
        "2001",
        "2142623801",
        "08754",
        "outgoing",
    )
    (turned,) = read(
        "nec-sl-sv8100", raw("nec-sl-sv8100/published"), year=2026, date_order="dd/mm", time_is="end"
    )
    assert turned.ended_local == "2026-09-12T10:52"


def test_nec_a_transferred_call_goes_the_way_it_went_before_on_its_trunk() -> None:
    line = "{:<4} 10:52 12/09 {:<4} 00:00:10 2001       2142623801\r\n"
    data = (
        line.format("PIN", "001")
        + line.format("POT", "002")
        + line.format("PTRS", "001")
        + line.format("PTRS", "002")
    )
    legs = read("nec-sl-sv8100", data + line.format("PTRS", "003"))
    assert [leg.direction for leg in legs] == ["incoming", "outgoing", "incoming", "outgoing", None]
    assert (legs[2].caller, legs[3].called, legs[4].extra) == (
        "2142623801",
        "2142623801",
        {"number": "2142623801"},
    )


@pytest.mark.parametrize(
    ("number", "called", "marks"),
    [
        ("5551234", "5551234", None),
        ("5551234]", "5551234", "]"),
        ("F5551234?", "5551234", "F?"),
        ("#5551234", "5551234", "#"),
    ],
)
def test_partner_marks_are_no_digits(number: str, called: str, marks: str | None) -> None:
    (leg,) = read("avaya-partner", f"C 01/05/26 09:14 {number:<16} 00:03:12 01 12\r\n")
    assert (leg.called, (leg.extra or {}).get("marks"), leg.caller, leg.trunk) == (called, marks, "12", "01")


def test_dbs_stars_and_hashes_and_types_that_are_not_known() -> None:
    line = "{} 01/05 09:22:00 00:00:20 101 {:>28}                  01\r\n"
    (out,) = read("panasonic", line.format("O", ">21<5551234"), format="DBS576", year=2026)
    assert (out.called, out.started_local, out.trunk) == ("*21#5551234", "2026-01-05T09:22:00", "01")
    (odd,) = read("panasonic", line.format("h", "5551234"), format="DBS576")
    assert (odd.direction, odd.condition_code, odd.extra["number"]) == (None, "h", "5551234")
    (bad,) = read("panasonic", line.format("q", "5551234"), format="DBS576")
    assert isinstance(bad, Reject)


def test_hts824_direction_needs_the_site_s_numbers() -> None:
    data = raw("panasonic/hts824")
    bare = [leg.direction for leg in read("panasonic", data, format="HTS824") if isinstance(leg, Leg)]
    told = read("panasonic", data, format="HTS824", internal_numbers="3 digits")
    assert bare == [None, None, None]
    assert [leg.direction for leg in told if isinstance(leg, Leg)] == ["outgoing", "incoming", "internal"]
