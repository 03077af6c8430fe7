"""A leg's times and its seconds: what is stated, and what follows by addition alone."""

from datetime import datetime
from typing import Any, NamedTuple

import pytest

from bluewhale.ledger.correlate import timing, wall
from bluewhale.model import Leg

ZONE = "Asia/Shanghai"


def us(text: str) -> int:
    return round(datetime.fromisoformat(text + "+08:00").timestamp() * 1_000_000)


RECEIVED = us("2026-09-14T12:00:00")


class Times(NamedTuple):
    started: int
    answered: int | None
    ended: int | None
    day: int
    text: str
    flags: int


def times(zone: str = ZONE, site_zone: str = ZONE, **fields: Any) -> Times:
    leg = Leg(format="test", **fields)
    return Times(*timing.times(leg, zone, site_zone, RECEIVED, timing.talk_s(leg)))


def test_start_ring_and_talk_give_all_three_moments() -> None:
    found = times(started_local="2026-09-14T11:32:00", ring_s=5, talk_s=67, answered=True)
    assert found.started == us("2026-09-14T11:32:00")
    assert found.answered == us("2026-09-14T11:32:05")
    assert found.ended == us("2026-09-14T11:33:12")
    assert (found.day, found.text, found.flags) == (20260914, "2026-09-14T11:32:00", 0)


def test_what_does_not_follow_stays_unknown() -> None:
    found = times(started_local="2026-09-14T11:32:00", talk_s=67)
    assert (found.answered, found.ended) == (None, None)


def test_a_start_is_the_end_less_the_whole_length() -> None:
    found = times(ended_local="2026-09-14T00:00:30", talk_s=60, ring_s=10, answered=True)
    assert found.started == us("2026-09-13T23:59:20")
    assert found.day == 20260913
    assert found.answered == us("2026-09-13T23:59:30")
    total = times(ended_local="2026-09-14T00:00:30", talk_s=60, total_s=90)
    assert total.started == us("2026-09-13T23:59:00")
    assert total.answered == us("2026-09-13T23:59:30")


def test_a_start_is_the_answer_less_the_ring() -> None:
    found = times(answered_local="2026-09-14T10:00:10", ring_s=10, talk_s=5, answered=True)
    assert found.started == us("2026-09-14T10:00:00")
    assert found.ended == us("2026-09-14T10:00:15")


def test_no_time_at_all_is_the_receive_time_less_the_length_and_flagged() -> None:
    found = times(talk_s=60)
    assert found.started == us("2026-09-14T11:59:00")
    assert found.flags == wall.RECEIVE_TIME
    assert found.text == "2026-09-14T11:59:00"


def test_bare_start_of_a_long_call_lies_on_the_day_before() -> None:
    found = times(started_partial="T12:30", talk_s=23 * 3600)
    assert found.text == "2026-09-13T12:30"
    assert found.flags == wall.DATE_INFERRED


def test_the_inference_of_an_end_is_the_flag_of_the_start() -> None:
    found = times(ended_partial="T11:59", talk_s=120)
    assert found.started == us("2026-09-14T11:57:00")
    assert found.flags == wall.DATE_INFERRED


def test_utc_is_believed_before_wall_time() -> None:
    found = times(started_local="2026-09-14T11:00:00", started_utc="2026-09-14T03:00:01Z")
    assert found.started == us("2026-09-14T11:00:01")


def test_the_day_is_the_sites() -> None:
    found = times(zone="UTC", site_zone=ZONE, started_local="2026-09-13T23:00:00")
    assert (found.day, found.text) == (20260914, "2026-09-13T23:00:00")


@pytest.mark.parametrize(
    ("started", "flags"),
    [
        ("2025-10-14T10:00:00", 0),
        ("2026-09-16T10:00:00", 0),
        ("2000-01-01T00:00:00", wall.FAR_OFF),
        ("2026-09-17T10:00:00", wall.FAR_OFF),
    ],
)
def test_a_date_far_from_its_receipt_is_flagged(started: str, flags: int) -> None:
    assert times(started_local=started).flags == flags


def test_an_old_record_keeps_its_date_with_a_flag() -> None:
    found = times(started_local="2004-02-29T10:00:00")
    assert (found.day, found.flags) == (20040229, wall.FAR_OFF)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"talk_s": 7}, 7),
        ({"talk_ms": 7001}, 8),  # begun seconds count
        ({"talk_ms": 7000}, 7),
        ({"talk_s": 7, "talk_ms": 6400}, 7),
        ({"answered": False}, 0),
        ({"answered": False, "total_s": 20}, 0),
        ({"answered": True, "total_s": 20, "ring_s": 5}, 15),
        ({"answered": True, "total_s": 20}, None),  # ring unknown: talk is not known
        ({"total_s": 20, "ring_s": 5}, None),  # answered or not is not known
        ({}, None),
    ],
)
def test_talk_is_stated_or_follows(fields: dict[str, Any], expected: int | None) -> None:
    assert timing.talk_s(Leg(format="test", **fields)) == expected
