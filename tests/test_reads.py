"""Reads of calls: what is found, in what order, page by page; one call; sums. Against a plain loop over the lines."""

import inspect
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bluewhale.config import Config
from bluewhale.model import EVERYTHING, NOTHING, CatalogueRow, DirectoryRow, FeedStats, Line, Scope, Setting
from bluewhale.store import filters, numbers, reads, search, writer
from bluewhale.store.reads import Box
from bluewhale.store.writer import Store
from store_samples import JOURNAL, START_S, fold, line, lines, outcome, reject, step

COUNT = 5000


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return Config(data=str(tmp_path_factory.mktemp("box")))


@pytest.fixture(scope="module")
def box(config: Config) -> Iterator[Box]:
    """A box of sealed segments, an open one with indexes, and the last lines not in ledger.db yet."""
    store = Store(config, 1000)
    store.commit(
        step(
            [],
            catalogue=[CatalogueRow("enterprise", 1, "default"), CatalogueRow("enterprise", 2, "Acme", 2)]
            + [CatalogueRow("site", 1, "main"), CatalogueRow("site", 2, "north", 2)]
            + [
                CatalogueRow("department", n, name, 1 + n % 2)
                for n, name in ((1, "Sales"), (2, "研发"), (3, "Office"))
            ]
            + [CatalogueRow("person", n, f"Person {n}", 1 + n % 2) for n in range(1, 61)]
            + [CatalogueRow("feed", 1, "a"), CatalogueRow("feed", 2, "b", 2)],
            settings=[
                Setting("feed", "a", {"site": "main"}, 1),
                Setting("feed", "b", {"site": "north"}, 1),
                Setting("plan", "sample", {"plan": {"currency": "CNY", "decimals": 3}}, 1),
            ],
            directory=[
                DirectoryRow("main", "201", "Person 2", "Sales", "default"),
                DirectoryRow("north", "202", "Person 3", "研发", "Acme"),
            ],
            feeds={1: FeedStats("panasonic", True, None, 5), 2: FeedStats("panasonic", True, None, 6)},
            rejects=[reject(1), reject(2, feed=2)],
        )
    )
    store.commit(step([], catalogue=[CatalogueRow("plan", 1, "sample", 1, {"currency": "CNY", "decimals": 3})],
                      outcomes=[outcome(4)]))  # fmt: skip
    for at in range(1, COUNT - 200, 100):
        store.commit(step(lines(at, 100), rolls=[1700] if at <= 1700 < at + 100 else []))
    store.flush()
    store.commit(step(lines(COUNT - 199, 200)))  # with no save after it
    while store._sealer.busy:
        time.sleep(0.01)
    opened = reads.open_box(config)
    yield opened
    opened.close()
    store.close()


EVERY = lines(1, COUNT)
BY_SEQ = {one.seq: one for one in EVERY}


def found(box: Box, scope: Scope = EVERYTHING, limit: int = 73, **wanted: Any) -> list[int]:
    """The seqs of all calls over all pages."""
    seqs: list[int] = []
    before = None
    while True:
        page = reads.calls(box, scope, limit=limit, before=before, deadline_s=5, **wanted)
        assert page.complete and len(page.items) <= limit
        seqs += [item["seq"] for item in page.items]
        before = page.next
        if before is None:
            return seqs


def expected(test: Callable[[Line], Any]) -> list[int]:
    return [one.seq for one in reversed(EVERY) if test(one)]


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


@pytest.mark.parametrize("by", ["day", "department", "extension", "direction", "site"])
@pytest.mark.parametrize("days", [(None, None), (20260911, 20260911)])
def test_sums_are_those_of_the_calls(box: Box, by: str, days: tuple[int | None, int | None]) -> None:
    chosen = [one for one in EVERY if days[0] is None or one.day == days[0]]
    summary = reads.summary(box, EVERYTHING, by, *days)
    for row in summary.rows:
        mine = [one for one in chosen if getattr(one, by) == row[by] and one.enterprise == row.get("enterprise", one.enterprise)
                and one.site == row.get("site", one.site) and one.department == row.get("department", one.department)
                and one.person == row.get("person", one.person)]  # fmt: skip
        assert row["calls"] == row["lines"] == len(mine)
        assert row["answered"] == sum(one.answered or 0 for one in mine)
        assert row["talk_s"] == sum(one.talk_s or 0 for one in mine)
        assert row["unpriced"] == sum(one.unpriced is not None for one in mine)
        charge = row["money"].get("CNY", {}).get("charge_micros", 0)
        assert charge == sum(one.charge_micros or 0 for one in mine)
    assert summary.total["calls"] == sum(row["calls"] for row in summary.rows) == len(chosen)
    assert summary.total["money"]["CNY"]["decimals"] == 3
    assert summary.total["money"]["CNY"]["charge_micros"] == sum(one.charge_micros or 0 for one in chosen)


def test_sums_by_destination(box: Box) -> None:
    summary = reads.summary(box, EVERYTHING, "destination", direction="outgoing")
    rows = {row["destination"]: row["calls"] for row in summary.rows}
    want = {
        name: sum(one.direction == "outgoing" and one.destination == name for one in EVERY)
        for name in ("Shenzhen", "上海", None)
    }
    assert rows == want


@pytest.mark.parametrize("by", ["extension", "destination", "department", "day"])
@pytest.mark.parametrize("limit", [0, 1, 5, 40, 10_000])
def test_a_limit_shows_the_first_rows_and_the_rest(box: Box, by: str, limit: int) -> None:
    whole, part = (reads.summary(box, EVERYTHING, by, limit=n) for n in (None, limit))
    assert part.total == whole.total
    assert part.rows[:limit] == whole.rows[:limit]
    assert all(row["department"] == 0 for row in part.rows[limit:])
    left = len(whole.rows) - len(part.rows)
    assert (part.rest["rows"] if part.rest else 0) == left
    shown = sum(row["money"].get("CNY", {"charge_micros": 0})["charge_micros"] for row in part.rows)
    rest = part.rest["money"]["CNY"]["charge_micros"] if part.rest else 0
    assert shown + rest == whole.total["money"]["CNY"]["charge_micros"]
    assert sum(row["calls"] for row in part.rows) + (part.rest["calls"] if part.rest else 0) == COUNT


def test_a_line_not_saved_yet_moves_its_row(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    store = Store(config)
    facts = {
        "enterprise": 1,
        "site": 1,
        "department": 1,
        "person": 1,
        "direction": "outgoing",
        "currency": "CNY",
    }
    store.commit(
        step([line(n, **facts, extension=str(200 + n), charge_micros=1000 - n) for n in range(1, 50)])
    )
    store.flush()
    box = reads.open_box(config)
    for seq, (extension, charge, currency) in enumerate(
        [("240", 900, "CNY"), ("999", 990, "CNY"), ("201", -990, "CNY"), ("230", 5000, "USD")], 50
    ):
        store.commit(
            step([line(seq, **(facts | {"currency": currency}), extension=extension, charge_micros=charge)])
        )
        whole, part = (reads.summary(box, EVERYTHING, "extension", limit=n) for n in (None, 3))
        assert part.rows == whole.rows[:3] and part.total == whole.total
        assert part.rest is not None and part.rest["rows"] == len(whole.rows) - 3
        rows = {row["extension"]: row["money"] for row in whole.rows}
        assert currency in rows[extension]
    assert whole.rows[0]["extension"] == "230" and sorted(whole.total["money"]) == ["CNY", "USD"]
    store.flush()
    assert reads.summary(box, EVERYTHING, "extension", limit=3) == part
    store.close()


def test_unassigned_is_always_a_row(tmp_path: Path) -> None:
    box = reads.open_box(Config(data=str(tmp_path)))
    rows = reads.summary(box, EVERYTHING, "department").rows
    assert [(row["department"], row["calls"]) for row in rows] == [(0, 0)]


def test_totals_count_the_unassigned(box: Box) -> None:
    totals = reads.totals(box, EVERYTHING)
    assert totals["calls"] == COUNT
    assert totals["unassigned"] == sum(one.department == 0 for one in EVERY)


def test_a_box_that_has_not_started_reads_as_empty(tmp_path: Path) -> None:
    box = reads.open_box(Config(data=str(tmp_path / "nothing")))
    assert reads.calls(box, EVERYTHING) == reads.Page([], None)
    assert reads.totals(box, EVERYTHING)["calls"] == 0
    assert reads.watermark(box, EVERYTHING) is None
    assert reads.plans(box, EVERYTHING) == reads.directory(box, EVERYTHING) == []
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "typed",
    [
        "%",
        "_",
        "21_",
        "2%",
        "[0-9]",
        "?17",
        "*%*",
        "*_*",
        "*[0-9]*",
        "'",
        '"',
        "*'*",
        "\\",
        "*\\*",
        "--",
        ";",
    ],
)
def test_marks_of_sql_stand_for_themselves(box: Box, typed: str) -> None:
    assert found(box, number=typed) == []
    assert found(box, text=typed if typed.strip("*") else "zz") == []
    assert found(box, extension=typed) == []


def test_dialled_stars_and_marks_are_found(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    store = Store(config)
    dialled = ["*57", "57*", "5*7", "#31#139", "10%", "1_0", "100", "o'clock", "+8675582661234", "sip:a@b"]
    store.commit(step([line(seq, direction="outgoing", extension="9", caller="9", called=number)
                       for seq, number in enumerate(dialled, 1)]))  # fmt: skip
    box = reads.open_box(config)
    for typed, want in {
        "\\*57": ["*57"], "57\\*": ["57*"], "5*7": ["5*7"], "*7": ["*57", "5*7"], "10%": ["10%"], "1_0": ["1_0"], "10*": ["10%", "100"],
        "*'*": ["o'clock"], "#31*": ["#31#139"], "*1234": ["+8675582661234"], "+86 755*": ["+8675582661234"],
        "sip:*": ["sip:a@b"], "*@b": ["sip:a@b"], "+86-755-8266-1234": ["+8675582661234"],
    }.items():  # fmt: skip
        got = {item["called"] for item in reads.calls(box, EVERYTHING, number=typed).items}
        assert got == set(want), typed
    store.close()


def test_the_normal_form_of_a_number_is_found(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    store = Store(config)
    store.commit(step([line(1, direction="outgoing", called="9075582661234", called_e164="+8675582661234"),
                       line(2, direction="outgoing", called="982661234", called_e164="+8675582661234"),
                       line(3, direction="outgoing", called="9075582661239", called_e164="+8675582661239")]))  # fmt: skip
    box = reads.open_box(config)
    for typed in ("+8675582661234", "8675582661234", "+86 755 8266 1234", "*2661234", "*1234"):
        assert {item["seq"] for item in reads.calls(box, EVERYTHING, number=typed).items} == {1, 2}, typed
    assert len(reads.calls(box, EVERYTHING, number="+86755*").items) == 3
    store.commit(step([line(4, direction="outgoing", called="912315", called_e164="12315")]))
    assert [item["seq"] for item in reads.calls(box, EVERYTHING, number="12315").items] == [4]
    store.close()


def joined_box(tmp_path: Path) -> tuple[Store, Box]:
    """Calls of several lines: leg and late leg in one segment, in two, and a correction."""
    config = Config(data=str(tmp_path))
    store = Store(config, 10)
    made = lines(1, 25)
    for one in made:
        one.talk_s, one.charge_micros, one.currency, one.direction = 10, 100, "CNY", "outgoing"
    for seq, first in ((5, 3), (15, 3), (24, 8)):
        made[seq - 1].call_position, made[seq - 1].call_length = (
            made[first - 1].position,
            made[first - 1].length,
        )
        made[seq - 1].ordinal = 1
    made[19].position = made[19].call_position = made[8].position
    made[19].revision, made[19].charge_micros, made[19].talk_s, made[19].reason = 1, -40, 0, "late leg"
    made[19].position += 7
    store.commit(step(made[:22]))
    store.commit(step(made[22:]))
    return store, reads.open_box(config)


def test_a_call_is_the_sum_of_its_lines(tmp_path: Path) -> None:
    store, box = joined_box(tmp_path)
    page = reads.calls(box, EVERYTHING)
    by_seq = {item["seq"]: item for item in page.items}
    assert sorted(item["seq"] for item in page.items) == [
        seq for seq in range(1, 26) if seq not in (5, 15, 20, 24)
    ]
    assert (by_seq[3]["line_count"], by_seq[3]["talk_s"], by_seq[3]["charge_micros"]) == (3, 30, 300)
    assert (by_seq[8]["line_count"], by_seq[9]["charge_micros"], by_seq[10]["line_count"]) == (2, 60, 1)
    call = reads.call(box, EVERYTHING, by_seq[3]["call_id"])
    assert call is not None and [one["seq"] for one in call["lines"]] == [3, 5, 15]
    assert call["charge_micros"] == 300
    store.close()


def test_a_call_found_by_a_later_line_is_listed_once(tmp_path: Path) -> None:
    store, box = joined_box(tmp_path)
    for extension in {one.extension for one in lines(1, 25)}:
        mine = [one for one in lines(1, 25) if one.extension == extension]
        calls_ = {{5: 3, 15: 3, 24: 8, 20: 9}.get(one.seq, one.seq) for one in mine}
        for limit in (1, 2, 100):
            assert sorted(found(box, extension=extension, limit=limit)) == sorted(calls_)
    store.close()


@pytest.mark.parametrize("wanted", [{}, {"direction": "outgoing"}, {"number": "*9*"}])
def test_a_call_of_two_matching_lines_is_listed_once(tmp_path: Path, wanted: dict[str, str]) -> None:
    store, box = joined_box(tmp_path)
    for limit in (1, 3, 100):
        seqs = found(box, limit=limit, **wanted)
        assert len(seqs) > 10 and len(seqs) == len(set(seqs))
    store.close()


LONGEST = 0  # this line of `blocks` dialled the longest number that is stored as an integer


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Box, list[Line]]]:
    """One open segment of several blocks, its times out of order, with numbers of all kinds."""
    config = Config(data=str(tmp_path_factory.mktemp("blocks")))
    store = Store(config)
    draw = random.Random(5)
    kinds = ["90755%08d", "+86755%08d", "%04d", "0%07d", "%017d", "%018d", "1#%03d", "*%04d", "sip:%05d"]
    made = lines(1, 9500)
    for one in made:
        one.direction, one.extension = "tandem", draw.choice(("203", "0755", "1#7"))
        one.caller, one.called = (
            draw.choice((draw.choice(kinds) % draw.randrange(9999), one.extension)) for _ in range(2)
        )
        if one.called[:5] == "90755":
            one.called_e164 = "+86755" + one.called[5:]
        one.started_utc = (
            None if one.seq % 97 == 0 else (one.started_utc or 0) + draw.randrange(-40_000, 40_000) * 10**6
        )
        one.started_local = one.day = None
    made[LONGEST].called, made[LONGEST].caller = "3" * 17, "+" + "4" * 17
    for at in range(0, 9500, 500):
        store.commit(step(made[at : at + 500]))
    while store._open is not None and store._open.index_one():
        pass
    box = reads.open_box(config)
    yield box, made
    box.close()
    store.close()


@pytest.mark.parametrize("hours", [(0, 5), (3, 4), (30, 40), (77, 90), (-20, 1), (None, 10), (60, None)])
def test_a_time_is_found_over_blocks(
    blocks: tuple[Box, list[Line]], hours: tuple[int | None, int | None]
) -> None:
    box, made = blocks
    since, until_ = (None if hour is None else (START_S + hour * 3600) * 10**6 for hour in hours)
    want = [one.seq for one in reversed(made) if one.started_utc is not None
            and (since is None or one.started_utc >= since) and (until_ is None or one.started_utc < until_)]  # fmt: skip
    assert found(box, limit=1000, since_us=since, until_us=until_) == want
    assert len(want) > 20


def test_a_time_is_found_to_the_microsecond(blocks: tuple[Box, list[Line]]) -> None:
    """The latest and the earliest of each block, which are the bounds the search goes by."""
    box, made = blocks
    for first in range(0, 9500, 4096):
        times = [one.started_utc for one in made[first : first + 4096] if one.started_utc is not None]
        for at in (max(times), min(times)):
            seqs = found(box, limit=1000, since_us=at, until_us=at + 1)
            assert seqs == [one.seq for one in reversed(made) if one.started_utc == at] != []


def test_each_call_of_a_block_is_found_by_its_name(blocks: tuple[Box, list[Line]]) -> None:
    box, made = blocks
    for seq in (1, 4094, 4095, 4096, 4097, 8191, 8192, 9500):
        call = reads.call(box, EVERYTHING, f"{JOURNAL}.feed.{made[seq - 1].position}.80")
        assert call is not None and call["seq"] == seq


@settings(max_examples=120, deadline=None)
@example(LONGEST, 0, 5, "{}*", False)
@example(LONGEST, 0, 18, "{}", False)
@given(
    st.integers(0, 9499),
    st.integers(0, 12),
    st.integers(1, 18),
    st.sampled_from(["{}", "{}*", "*{}", "*{}*"]),
    st.booleans(),
)
def test_drivers_miss_nothing(
    blocks: tuple[Box, list[Line]], at: int, start: int, width: int, form: str, e164: bool
) -> None:
    """What an index proposes and the condition keeps is what the condition alone finds."""
    box, made = blocks
    number = (made[at].called_e164 if e164 else made[at].called) or made[at].caller or ""
    pattern = numbers.parse(form.format(number[start : start + width] or number))
    selects = numbers.drivers(pattern) if pattern else None
    if pattern is None or selects is None:
        return
    condition, values = numbers.condition(pattern)
    with box.segment(box.spans()[0]) as db:
        scan = db.execute(f"SELECT l.seq FROM line l {search._NAMES} WHERE {condition}", values).fetchall()
        proposed = {seq for select, given_ in selects for (seq,) in db.execute(select, given_)}
    assert {seq for (seq,) in scan} <= proposed
    plain = {"exact": lambda n: n == pattern.text, "prefix": lambda n: n.startswith(pattern.text),
             "suffix": lambda n: n.endswith(pattern.text), "inside": lambda n: pattern.text in n}[pattern.how]  # fmt: skip
    e164_too = pattern.how in ("exact", "suffix") or pattern.text[0] == "+"
    want = {
        one.seq
        for one in made
        for n in (one.caller, one.called, one.called_e164 if e164_too else None)
        if n and plain(n)
    }
    if pattern.how == "exact":
        want |= {one.seq for one in made if one.called_e164 == "+" + pattern.text}
    assert {seq for (seq,) in scan} == want


def test_paging_is_complete_while_calls_come_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of the beginning once, whatever is added, sealed or indexed meanwhile."""
    monkeypatch.setattr(writer, "QUIET_S", 0.0)
    config = Config(data=str(tmp_path))
    store = Store(config, 500)
    store.commit(step(lines(1, 1800)))
    box = reads.open_box(config)
    at = 1801
    for number in (None, "*1*", "9*"):
        start = at - 1
        seqs: list[int] = []
        before = None
        while True:
            page = reads.calls(box, EVERYTHING, limit=60, number=number, before=before, deadline_s=5)
            seqs += [item["seq"] for item in page.items]
            before = page.next
            if before is None:
                break
            store.commit(step(lines(at, 45)))
            store.idle()
            at += 45
        text = (number or "").strip("*")
        want = [seq for seq in range(start, 0, -1) if number is None
                or any((text in n if number[0] == "*" else n.startswith(text)) for n in (line(seq).caller or "", line(seq).called or ""))]  # fmt: skip
        assert [seq for seq in seqs if seq <= start] == want
    store.close()


def test_many_threads_read_while_one_process_writes(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    store = Store(config, 700)
    box = reads.open_box(config)
    stop = threading.Event()
    faults: list[str] = []
    rounds = [0] * 48

    def read(number: int) -> None:
        last = 0
        while not stop.is_set():
            try:
                total = reads.totals(box, EVERYTHING)["calls"]
                page = reads.calls(box, EVERYTHING, limit=20, number="*1*", deadline_s=5)
                by_day = reads.summary(box, EVERYTHING, "day").total["calls"]
                if by_day < total or total < last or (total > 500 and not page.items):
                    faults.append(f"{last} {total} {by_day} {len(page.items)}")
                last = by_day
                rounds[number] += 1
            except Exception as error:  # a fault in any thread fails the test
                faults.append(repr(error))
                return

    threads = [threading.Thread(target=read, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for at in range(1, 4001, 50):
        store.commit(fold(at, 50))
        store.idle()
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    assert sum(rounds) > 48
    assert reads.totals(box, EVERYTHING)["calls"] == 4000 - 80  # every 50th line is a further leg
    store.close()


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
