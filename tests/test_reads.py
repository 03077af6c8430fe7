"""Reads of calls: what is found, in what order; one call; each request gets on. Against a plain loop over the lines."""

import inspect
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bluewhale.config import Config
from bluewhale.model import (
    EVERYTHING,
    NOTHING,
    Line,
)
from bluewhale.store import filters, reads, search
from bluewhale.store.reads import Box
from reads_samples import BY_SEQ, COUNT, EVERY, expected, found, open_sample
from store_samples import JOURNAL, START_S


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with open_sample(Config(data=str(tmp_path_factory.mktemp("box")))) as opened:
        yield opened


def ends(text: str) -> Callable[[Line], bool]:
    return lambda one: any((number or "").endswith(text) for number in (one.caller, one.called))


def begins(text: str) -> Callable[[Line], bool]:
    return lambda one: any((number or "").startswith(text) for number in (one.caller, one.called))


def test_all_calls_newest_first(box: Box) -> None:
    assert found(box) == list(range(COUNT, 0, -1))


SAMPLE = next(one for one in EVERY if one.direction == "outgoing" and one.called and len(one.called) > 8)


SAMPLE_NUMBER = SAMPLE.called or ""


@pytest.mark.parametrize(
    ("wanted", "test"),
    [
        ({"extension": "217"}, lambda one: one.extension == "217"),
        ({"extension": "999"}, lambda one: False),
        ({"direction": "incoming"}, lambda one: one.direction == "incoming"),
        ({"department": 2}, lambda one: one.department == 2),
        ({"unassigned": True}, lambda one: one.department == 0),
        ({"site": 2, "feed": 1}, lambda one: one.site == 2 and one.feed == 1),
        ({"answered": True}, lambda one: one.answered),
        ({"answered": False, "direction": "outgoing"}, lambda one: not one.answered and one.direction == "outgoing"),
        ({"unpriced": True}, lambda one: one.unpriced),
        ({"number": SAMPLE_NUMBER}, lambda one: SAMPLE_NUMBER in (one.caller, one.called)),
        ({"number": "90755 0000-" + SAMPLE_NUMBER[-4:]}, lambda one: f"907550000{SAMPLE_NUMBER[-4:]}" in (one.caller, one.called)),
        ({"number": "217"}, lambda one: "217" in (one.caller, one.called)),
        ({"number": "*" + SAMPLE_NUMBER[-4:]}, ends(SAMPLE_NUMBER[-4:])),
        ({"number": "*" + SAMPLE_NUMBER[-7:]}, ends(SAMPLE_NUMBER[-7:])),
        ({"number": "*17"}, ends("17")),
        ({"number": "90755*"}, begins("90755")),
        ({"number": "021*"}, begins("021")),
        ({"number": "9*"}, begins("9")),
        ({"number": "21*"}, begins("21")),
        ({"number": "*5500*"}, lambda one: any("5500" in (number or "") for number in (one.caller, one.called))),
        ({"number": "90755*", "extension": "217"}, lambda one: begins("90755")(one) and one.extension == "217"),
        ({"text": "上海"}, lambda one: one.destination == "上海"),
        ({"text": "CO03"}, lambda one: one.trunk == "CO03"),
        (
            {"since_us": (START_S + 30_000) * 10**6, "until_us": (START_S + 40_000) * 10**6},
            lambda one: START_S + 30_000 <= (one.started_utc or 0) // 10**6 < START_S + 40_000,
        ),
        (
            {"since_us": (START_S + 100_000) * 10**6, "number": "*2*"},
            lambda one: (one.started_utc or 0) // 10**6 >= START_S + 100_000
            and any("2" in (number or "") for number in (one.caller, one.called)),
        ),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_found(box: Box, wanted: dict[str, Any], test: Callable[[Line], Any]) -> None:
    assert found(box, **wanted) == expected(test)


def test_an_index_finds_what_a_scan_finds(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["*1234", "217", "90755*", SAMPLE_NUMBER, "*" + SAMPLE_NUMBER[-5:], "0*"]
    by_index = [found(box, number=number) for number in asked]
    used = []
    plain = search._matches

    def scan(db: sqlite3.Connection, wanted: filters.Filter, by_index: bool, low: int, high: int) -> Any:
        used.append(by_index)
        return plain(db, wanted, False, low, high)

    monkeypatch.setattr(search, "_matches", scan)
    assert [found(box, number=number) for number in asked] == by_index
    assert any(used), "no index was used: nothing was compared"


def test_items_have_names_and_an_id_that_finds_them(box: Box) -> None:
    (item,) = reads.calls(
        box, EVERYTHING, limit=1, extension=SAMPLE.extension, before=f"9.{SAMPLE.seq}"
    ).items[:1] or [{}]
    page = reads.calls(box, EVERYTHING, limit=1, number=SAMPLE_NUMBER)
    item = page.items[0]
    one = BY_SEQ[item["seq"]]
    assert {name: item[name] for name in Line.__struct_fields__} == {
        name: getattr(one, name) for name in Line.__struct_fields__
    }
    assert item["call_id"] == f"{JOURNAL}.feed.{one.position}.80"
    assert item["site_name"] == {1: "main", 2: "north"}[one.site]
    assert item["feed_name"] == {1: "a", 2: "b"}[one.feed]
    assert item["person_name"] == f"Person {one.person}"
    assert item["department_name"] == {0: None, 1: "Sales", 2: "研发", 3: "Office"}[one.department]
    assert (item["plan_name"], item["decimals"]) == ("sample", 3)
    call = reads.call(box, EVERYTHING, item["call_id"])
    assert (
        call is not None and call["called"] == one.called and [x["seq"] for x in call["lines"]] == [one.seq]
    )


@pytest.mark.parametrize("call_id", ["", "x", "a.b.c.d", f"{JOURNAL}.feed.10101.80", f"{JOURNAL}.feed.10100.81",
                                     f"{JOURNAL}.owner.10100.80", f"{'f' * 16}.feed.10100.80"])  # fmt: skip
def test_no_call_of_that_name(box: Box, call_id: str) -> None:
    assert reads.call(box, EVERYTHING, call_id) is None


@pytest.mark.parametrize("seq", [1, 999, 1000, 1001, 3500, COUNT - 100, COUNT])
def test_each_call_is_found_by_its_name(box: Box, seq: int) -> None:
    call = reads.call(box, EVERYTHING, f"{JOURNAL}.feed.{BY_SEQ[seq].position}.80")
    assert call is not None and call["seq"] == seq


@pytest.mark.parametrize("before", ["x", "1", "1.x", "1.2.3", "'; DROP TABLE line"])
def test_a_bad_place_is_told(box: Box, before: str) -> None:
    with pytest.raises(ValueError):
        reads.calls(box, EVERYTHING, before=before)


def test_each_request_gets_on_however_short_its_time(box: Box) -> None:
    seqs: list[int] = []
    before, pages = None, 0
    while True:
        page = reads.calls(box, EVERYTHING, number="*4*", text="C", before=before, limit=50, deadline_s=0)
        seqs += [item["seq"] for item in page.items]
        pages += 1
        if not page.complete:
            assert page.searched_back_to is not None and page.next is not None
        if page.next is None:
            break
        assert page.next != before
        before = page.next
    assert pages > 4
    test = lambda one: one.trunk and any("4" in (n or "") for n in (one.caller, one.called))  # noqa: E731
    assert seqs == expected(test)


def test_a_box_that_has_not_started_reads_as_empty(tmp_path: Path) -> None:
    box = reads.open_box(Config(data=str(tmp_path / "nothing")))
    assert reads.calls(box, EVERYTHING) == reads.Page([], None)
    assert reads.totals(box, EVERYTHING)["calls"] == 0
    assert reads.watermark(box, EVERYTHING) is None
    assert reads.plans(box, EVERYTHING) == reads.directory(box, EVERYTHING) == []
    assert not (tmp_path / "nothing").exists()


def test_the_signature_of_reads() -> None:
    """So that nothing is read by accident without a scope."""
    functions = [getattr(reads, name) for name in reads.__all__ if inspect.isfunction(getattr(reads, name))]
    assert len(functions) > 10
    for function in functions:
        if function is reads.open_box:
            continue
        names = list(inspect.signature(function).parameters)
        assert names[:2] == ["box", "scope"], function
        assert inspect.signature(function).parameters["scope"].default is inspect.Parameter.empty, function
    assert NOTHING.enterprises == frozenset()
