"""Wall time of a PBX to UTC: certain, inferred or flagged, never guessed in silence."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.ledger.correlate import wall

BERLIN = "Europe/Berlin"


def us(text: str) -> int:
    """Microseconds of an ISO 8601 text with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def test_a_wall_time_is_read_in_its_zone() -> None:
    moment = wall.from_local("Asia/Shanghai", "2026-09-14T11:32:07")
    assert moment == (us("2026-09-14T11:32:07+08:00"), 20260914, 0, "2026-09-14T11:32:07")
    assert wall.from_local(BERLIN, "2026-07-01T00:00").us == us("2026-07-01T00:00+02:00")
    assert wall.from_local(BERLIN, "2026-01-01T00:00:00.25").us == us("2026-01-01T00:00:00.25+01:00")


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("Europe/London", ("2026-03-29", "2026-10-25")),
        ("Australia/Lord_Howe", ("2026-04-05", "2026-10-04")),  # half an hour
        ("Pacific/Apia", ("2011-12-29", "2011-12-30")),  # a day that was not
        ("Asia/Kathmandu", ("1985-12-31", "1986-01-01")),  # a quarter of an hour
    ],
)
def test_what_is_remembered_of_an_hour_is_true_of_each_minute(zone: str, days: tuple[str, ...]) -> None:
    wall._hours.clear()
    for _ in range(2):
        for minute in range(1440 * len(days)):
            text = f"{days[minute // 1440]}T{minute % 1440 // 60:02}:{minute % 60:02}"
            us, day, flags = wall._minute(zone, text)
            assert wall.split(zone, f"{text}:07") == (us + 7_000_000, day, flags), text


def test_utc_gets_the_wall_time_and_day_of_the_zone() -> None:
    moment = wall.from_utc("Asia/Shanghai", "2026-09-14T20:00:05Z")
    assert moment == (us("2026-09-14T20:00:05+00:00"), 20260915, 0, "2026-09-15T04:00:05")


def test_the_repeated_autumn_hour_is_flagged_and_shown_as_the_earlier() -> None:
    moment = wall.from_local(BERLIN, "2026-10-25T02:30:00")
    assert moment.flags == wall.REPEATED_HOUR
    assert moment.us == us("2026-10-25T02:30:00+02:00")
    assert wall.from_local(BERLIN, "2026-10-25T01:59:59").flags == 0
    assert wall.from_local(BERLIN, "2026-10-25T03:00:00").flags == 0


def test_the_hour_skipped_in_spring_is_flagged() -> None:
    moment = wall.from_local(BERLIN, "2026-03-29T02:30:00")
    assert moment.flags == wall.SKIPPED_HOUR
    assert moment.us == us("2026-03-29T03:30:00+02:00")
    assert wall.from_local(BERLIN, "2026-03-29T03:00:00").flags == 0


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T10:00", "2026-13-01T10:00", "2026-01-01T24:00", "2026-01-01 10:00", "20260101T10:00:00",
        "2026-01-01T10:00:5", "2026-01-01T10:00:99", "2026-01-01T10:00:00+02", "2026-01-01", "", "0000-00-00T00:00",
        "1969-12-31T23:59", "9999-12-31T23:59", "2026-01-01T10:00:00.x",
    ],
)  # fmt: skip
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(wall.BadTime):
        wall.from_local("UTC", text)


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2099, 1, 1)))
def test_a_certain_time_goes_there_and_back(moment: datetime) -> None:
    text = moment.replace(microsecond=0).isoformat()
    for zone in (BERLIN, "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"):
        found = wall.from_local(zone, text)
        if found.flags == 0:
            assert wall.at(zone, found.us).text == text
        expected = moment.replace(microsecond=0, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        assert found.us == round(expected.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("partial", "received", "full"),
    [
        ("12-31T23:50", "2026-01-01T00:30", "2025-12-31T23:50"),  # new year's night
        ("01-01T00:10", "2025-12-31T23:59", "2026-01-01T00:10"),  # a PBX clock that runs ahead
        ("01-03T00:00", "2026-01-01T12:00", "2025-01-03T00:00"),
        ("02-29T08:00", "2026-03-01T00:00", "2024-02-29T08:00"),
        ("06-15T10:00:09", "2026-06-15T10:00", "2026-06-15T10:00:09"),
    ],
)
def test_the_newest_year_that_is_not_in_the_future_is_inferred(
    partial: str, received: str, full: str
) -> None:
    found = wall.in_full("UTC", partial, us(received + "+00:00"))
    assert found == (full, wall.YEAR_INFERRED)


@pytest.mark.parametrize(
    ("partial", "received", "before_s", "full"),
    [
        ("T10:00", "2026-06-15T10:01", 0, "2026-06-15T10:00"),
        ("T23:58", "2026-06-15T00:01", 0, "2026-06-14T23:58"),  # over midnight
        ("T11:30", "2026-06-15T10:00", 0, "2026-06-15T11:30"),  # a PBX that missed summer time
        ("T12:30", "2026-06-15T10:00", 0, "2026-06-14T12:30"),
        ("T10:00", "2026-06-15T10:00", 23 * 3600, "2026-06-14T10:00"),  # a start, 23 hours ago
        ("T00:10:30", "2026-03-01T00:11", 0, "2026-03-01T00:10:30"),
    ],
)
def test_the_newest_day_that_is_not_in_the_future_is_inferred(
    partial: str, received: str, before_s: int, full: str
) -> None:
    found = wall.in_full("UTC", partial, us(received + "+00:00"), before_s)
    assert found == (full, wall.DATE_INFERRED)


def test_the_day_is_that_of_the_pbx_not_of_utc() -> None:
    full, _ = wall.in_full("Asia/Shanghai", "T01:00", us("2026-06-15T01:05:00+08:00"))
    assert full == "2026-06-15T01:00"


def test_no_day_of_any_year_is_said() -> None:
    for partial in ("02-30T10:00", "13-01T10:00", "xx-01T10:00", "Txx:00"):
        with pytest.raises(wall.BadTime):
            wall.in_full("UTC", partial, us("2026-06-15T10:00+00:00"))
