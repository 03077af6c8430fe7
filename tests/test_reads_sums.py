"""Sums by day, department, extension, destination: those of the calls, saved or not yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bluewhale.config import Config
from bluewhale.model import EVERYTHING
from bluewhale.store import reads
from bluewhale.store.reads import Box
from bluewhale.store.writer import Store
from reads_samples import COUNT, EVERY, open_sample
from store_samples import line, step


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with open_sample(Config(data=str(tmp_path_factory.mktemp("box")))) as opened:
        yield opened


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
        [
            ("201", -990, "CNY"),
            ("202", -990, "CNY"),
            ("240", 900, "CNY"),
            ("999", 990, "CNY"),
            ("230", 5000, "USD"),
        ],
        50,
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
