"""Named readers: each shape reads what it says and nothing else; any text is a value or a Fault."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.formats._layout import Fault
from bluewhale.formats._readers import joined, put_time, reader
from bluewhale.model import Why

WHEN = [
    ("yyyy/mm/dd hh:mm[:ss]", "2008/06/28 09:28:41", "2008-06-28T09:28:41"),
    ("yyyy/mm/dd hh:mm[:ss]", "2008/07/09 17:55", "2008-07-09T17:55"),
    ("yyyy-mm-dd hh:mm:ss", "2020-02-29 23:59:59", "2020-02-29T23:59:59"),
    ("yyyy-mm-dd hh:mm:ss", "2016-12-31 24:00:00", "2017-01-01T00:00:00"),
    ("mm/dd/yy", "12/31/98", "1998-12-31"),
    ("dd/mm/yy", "31/12/69", "2069-12-31"),
    ("dd.mm.yy hh:mm:ss", "01.02.70 00:00:00", "1970-02-01T00:00:00"),
    ("yy/mm/dd", "26/01/05", "2026-01-05"),
    ("mmddyy", "010526", "2026-01-05"),
    ("ddmmyy", "050126", "2026-01-05"),
    ("mm[ ]dd", "12 31", "12-31"),
    ("mm[ ]dd", "1231", "12-31"),
    ("mmdd", "0229", "02-29"),
    ("hhmm", "0905", "T09:05"),
    ("hhmm", "2400", "T24:00"),
    ("hhmmss", "154615", "T15:46:15"),
    ("h:mm[am]", "12:00AM", "T00:00"),
    ("h:mm[am]", "12:53PM", "T12:53"),
    ("h:mm[am]", "1:07P", "T13:07"),
    ("h:mm[am]", "23:15", "T23:15"),
    ("d mon yyyy h:mm", "5 Jan 2026 9:05", "2026-01-05T09:05"),
    ("m/d/yyyy h:mm:ss", "6/9/2016 6:38:49", "2016-06-09T06:38:49"),
    ("mm/dd hh:mm", "04/04 15:02", "04-04T15:02"),
    ("dd/mm hh:mm", "31/12 24:00", "01-01T00:00"),
]


@pytest.mark.parametrize(("shape", "cell", "value"), WHEN)
def test_when(shape: str, cell: str, value: str) -> None:
    read = reader("when", shape)
    assert read(cell) == value
    assert read(cell) == value  # the second time from memory


@pytest.mark.parametrize(
    ("shape", "cell"),
    [
        ("yyyy/mm/dd hh:mm[:ss]", "2008/13/28 09:28:41"),
        ("yyyy/mm/dd hh:mm[:ss]", "2008/02/30 09:28:41"),
        ("yyyy/mm/dd hh:mm[:ss]", "2008/06/28 24:01:00"),
        ("yyyy/mm/dd hh:mm[:ss]", "2008/06/28 09:60"),
        ("yyyy/mm/dd hh:mm[:ss]", "2008/06/28 09:28:4"),
        ("yyyy/mm/dd hh:mm[:ss]", "2008/06/28x09:28:41"),
        ("yyyy-mm-dd hh:mm:ss", "2008-06-28 09:28"),
        ("h:mm[am]", "13:00PM"),
        ("h:mm[am]", "0:10AM"),
        ("mmdd", "0230"),
        ("mmddyy", "02²926"),
        ("mmddyy", "022926 "),
    ],
)
def test_a_time_that_cannot_be(shape: str, cell: str) -> None:
    with pytest.raises(Fault) as caught:
        reader("when", shape)(cell)
    assert caught.value.why is Why.BAD_TIME
    assert cell in str(caught.value)


def test_a_month_beyond_12_hints_at_the_order() -> None:
    with pytest.raises(Fault, match="date_order"):
        reader("when", "mm/dd/yy")("31/12/98")


@pytest.mark.parametrize(
    ("shape", "cell", "seconds"),
    [
        ("hh:mm:ss", "00:00:00", 0),
        ("hh:mm:ss", "01:02:03", 3723),
        ("hh:mm:ss", "123:00:59", 442859),
        ("hh:mm:ss", "1:00:59.9", 3659),
        ("hh:mm'ss", "00:01'05", 65),
        ("m'ss", "5'15", 315),
        ("m:ss", "0:32", 32),
        ("mmm:ss", "120:05", 7205),
        ("hhmmss", "000107", 67),
        ("hmmt", "0005", 30),
        ("hmmt", "9599", 9 * 3600 + 59 * 60 + 54),
        ("s", "83", 83),
        ("s", "12.75", 12),
    ],
)
def test_duration(shape: str, cell: str, seconds: int) -> None:
    assert reader("duration", shape)(cell) == seconds


@pytest.mark.parametrize(
    ("shape", "cell"),
    [
        ("hh:mm:ss", "00:00:60"),
        ("hh:mm:ss", "00:61:00"),
        ("hh:mm:ss", "00-00-00"),
        ("hh:mm:ss", "aa:bb:cc"),
        ("hh:mm:ss", "9999:59:59"),
        ("hmmt", "9999"),
        ("hmmt", "005"),
        ("m'ss", "5'60"),
        ("s", "-1"),
        ("s", "1e9"),
    ],
)
def test_a_duration_that_cannot_be(shape: str, cell: str) -> None:
    with pytest.raises(Fault) as caught:
        reader("duration", shape)(cell)
    assert caught.value.why is Why.BAD_FIELD


def test_epoch() -> None:
    read = reader("epoch")
    assert read("1767603600") == "2026-01-05T09:00:00Z"
    assert read("1767603659") == "2026-01-05T09:00:59Z"
    assert read("1767607199") == "2026-01-05T09:59:59Z"
    assert read("1") == "1970-01-01T00:00:01Z"
    assert read("0") is None
    for cell in ("999999999999", "-5", "1767603600.5", "٣"):
        with pytest.raises(Fault):
            read(cell)


def test_other_kinds() -> None:
    assert reader("number")("007") == 7
    assert reader("dialled")("*791#") == "*791#"
    assert reader("reorder", (2, 0, 1))("231") == "123"
    assert reader("reorder", (2, 0, 1))("31") == "31"
    assert reader("code", {"I": "incoming"})("I") == "incoming"
    for kind, arg, cell in (
        ("number", None, "²"),
        ("number", None, "1" * 30),
        ("dialled", None, "58 888"),
        ("code", {"I": 1}, "X"),
    ):
        with pytest.raises(Fault):
            reader(kind, arg)(cell)


def test_joined() -> None:
    assert joined("2025-12-31", "T24:00") == "2026-01-01T00:00"
    assert joined("12-31", "T24:00") == "01-01T00:00"
    assert joined("2026-01-05", "T09:05") == "2026-01-05T09:05"
    assert joined(None, "T09:05") == "T09:05"
    assert joined("2026-01-05", None) is None


def test_put_time_by_whether_the_year_is_known() -> None:
    row: dict[str, object] = {}
    put_time(row, "ended", "2026-01-05T09:05")
    put_time(row, "started", "01-05T09:05:11")
    put_time(row, "answered", "T09:05")
    put_time(row, "none", None)
    assert row == {
        "ended_local": "2026-01-05T09:05",
        "started_partial": "01-05T09:05:11",
        "answered_partial": "T09:05",
    }


KINDS = [("when", shape) for shape, _, _ in WHEN] + [
    ("duration", "hh:mm:ss"),
    ("duration", "hmmt"),
    ("duration", "s"),
    ("number", None),
    ("dialled", None),
    ("epoch", None),
]


@pytest.mark.parametrize(("kind", "arg"), KINDS)
@given(cell=st.one_of(st.text(min_size=1), st.text("0123456789/:. -'APMap", min_size=1, max_size=20)))
def test_any_text_is_a_value_or_a_fault(kind: str, arg: str, cell: str) -> None:
    read = reader(kind, arg)
    try:
        first = read(cell)
    except Fault as fault:
        assert fault.why in (Why.BAD_FIELD, Why.BAD_TIME)
    else:
        assert read(cell) == first


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2069, 12, 31)))
def test_every_date_reads_back(moment: datetime) -> None:
    want = moment.isoformat(timespec="seconds")
    assert reader("when", "yyyy/mm/dd hh:mm[:ss]")(moment.strftime("%Y/%m/%d %H:%M:%S")) == want
    assert reader("when", "ddmmyy hhmmss")(moment.strftime("%d%m%y %H%M%S")) == want
    assert reader("when", "mm/dd/yy h:mm:ss am")(moment.strftime("%m/%d/%y %I:%M:%S %p")) == want
