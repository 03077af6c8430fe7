"""Isolation: what a scope may not see does not come out of any read function, in no form.

All that belongs to enterprise 2 bears the text MARK; every public function of reads is walked, so that a new one
without an entry in HOW fails here.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from bluewhale.config import Config
from bluewhale.model import EVERYTHING, NOTHING, CatalogueRow, DirectoryRow, FeedStats, Scope, Setting
from bluewhale.store import reads
from bluewhale.store.reads import Box
from bluewhale.store.writer import Store
from store_samples import JOURNAL, line, outcome, reject, step

MARK = "ZWEI"
HIS = "70002"  # a number only enterprise 2 dialled
FIRST = Scope(enterprises=frozenset({1}))
SECOND = Scope(enterprises=frozenset({2}))
CALL_OF_1, CALL_OF_2 = f"{JOURNAL}.feed.10100.80", f"{JOURNAL}.feed.10200.80"


def every_call(box: Box, scope: Scope, **asked: Any) -> list[Any]:
    items: list[Any] = []
    before = None
    while True:
        page = reads.calls(box, scope, limit=7, before=before, deadline_s=5, **asked)
        items += page.items
        before = page.next
        if before is None:
            return items


ASKED: list[dict[str, Any]] = [
    {}, {"number": HIS}, {"number": "700*"}, {"number": "*002"}, {"number": "*0002"}, {"number": "*000*"}, {"text": MARK},
    {"extension": "2" + MARK}, {"department": 2}, {"site": 2}, {"feed": 2}, {"unassigned": True}, {"unpriced": True}, {"answered": True},
]  # fmt: skip
BYS = ("day", "department", "extension", "direction", "site", "destination")

# How each function is asked for all it can give.
HOW: dict[str, Callable[[Box, Scope], Any]] = {
    "accounts": reads.accounts,
    "call": lambda box, scope: [reads.call(box, scope, name) for name in (CALL_OF_1, CALL_OF_2)],
    "calls": lambda box, scope: [every_call(box, scope, **asked) for asked in ASKED],
    "catalogue": lambda box, scope: [
        reads.catalogue(box, scope, kind) for kind in ("enterprise", "site", "department", "person", "feed", "plan")
    ],
    "directory": reads.directory,
    "feed_stats": reads.feed_stats,
    "owner_change": lambda box, scope: reads.owner_change(box, scope, f"{JOURNAL}.owner.3.60"),
    "owner_changes": reads.owner_changes,
    "plans": reads.plans,
    "reject_counts": reads.reject_counts,
    "rejects": lambda box, scope: [reads.rejects(box, scope), reads.rejects(box, scope, feed=2)],
    "settings": reads.settings,
    "summary": lambda box, scope: [reads.summary(box, scope, by) for by in BYS]
    + [reads.summary(box, scope, "extension", department=2)],
    "totals": reads.totals,
    "watermark": reads.watermark,
}  # fmt: skip
WHOLE_BOX = {"accounts", "owner_change", "owner_changes", "settings"}  # only for a scope without a limit


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Even seqs are enterprise 2's. Sealed and open segments, saved and not yet saved lines."""
    config = Config(data=str(tmp_path_factory.mktemp("box")))
    store = Store(config, 40)
    made = [line(seq, **(theirs() if seq % 2 == 0 else ours())) for seq in range(1, 120)]
    catalogue = [CatalogueRow("enterprise", 1, "default"), CatalogueRow("enterprise", 2, MARK, 2)]
    for kind in ("site", "department", "person", "feed", "plan"):
        catalogue += [CatalogueRow(kind, 1, "EINS"), CatalogueRow(kind, 2, MARK + kind, 2, {"name": MARK})]
    store.commit(
        step(
            made[:100],
            catalogue=catalogue,
            directory=[DirectoryRow("EINS", "201", "EINS", "EINS", "default"),
                       DirectoryRow(MARK + "site", "2" + MARK, MARK + "person", MARK + "department", MARK)],
            settings=[Setting("feed", "EINS", {"site": "EINS"}, 1), Setting("feed", MARK + "feed", {"site": MARK + "site"}, 1)],
            outcomes=[outcome(3)],
            feeds={1: FeedStats("panasonic"), 2: FeedStats(MARK)},
            rejects=[reject(1), msgspec.structs.replace(reject(2, feed=2), source=MARK)],
        )
    )  # fmt: skip
    store.commit(step(made[100:]))
    opened = reads.open_box(config)
    yield opened
    opened.close()
    store.close()


def ours() -> dict[str, Any]:
    return {"enterprise": 1, "site": 1, "department": 1, "person": 1, "feed": 1, "plan": 1, "called": "70001"}


def theirs() -> dict[str, Any]:
    return {
        "enterprise": 2, "site": 2, "department": 2, "person": 2, "feed": 2, "plan": 2, "called": HIS, "caller": HIS,
        "extension": "2" + MARK, "destination": MARK, "trunk": MARK, "payer": "2" + MARK, "auth_code": MARK,
    }  # fmt: skip


def text(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, default=str)


def numbers_in(value: Any) -> Iterator[int]:
    """All counts and amounts of an answer, not those that name or place something."""
    value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("decimals", "day", "enterprise", "site", "department", "person"):
                yield from numbers_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers_in(inner)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


def test_every_function_is_walked() -> None:
    public = {name for name in reads.__all__ if inspect.isfunction(getattr(reads, name))} - {"open_box"}
    assert public == set(HOW)
    of_store = {
        name
        for name, value in vars(reads).items()
        if inspect.isfunction(value) and "store" in value.__module__ and name[0] != "_"
    }
    assert of_store == public | {"open_box"}


@pytest.mark.parametrize("name", sorted(HOW))
def test_without_a_limit_all_is_seen(box: Box, name: str) -> None:
    """So that the tests below do not pass on emptiness."""
    answer = text(HOW[name](box, EVERYTHING))
    if name not in ("accounts", "owner_change", "owner_changes", "totals", "watermark"):
        assert MARK in answer and ("EINS" in answer or "70001" in answer)
    assert len(answer) > 30


@pytest.mark.parametrize("name", sorted(HOW))
@pytest.mark.parametrize(
    "scope",
    [
        FIRST,
        Scope(enterprises=None, sites=frozenset({1})),
        Scope(enterprises=None, departments=frozenset({1})),
        Scope(enterprises=frozenset({1, 2}), sites=frozenset({1, 2}), departments=frozenset({1})),
    ],
)
def test_one_never_sees_the_other(box: Box, name: str, scope: Scope) -> None:
    answer = text(HOW[name](box, scope))
    if name == "plans" or name == "catalogue":  # plans and enterprises are limited by enterprise alone
        scope_knows = scope.enterprises is None or 2 in scope.enterprises
        if scope_knows:
            return
    assert MARK not in answer and HIS not in answer


@pytest.mark.parametrize("name", sorted(set(HOW) - WHOLE_BOX))
def test_each_sees_its_own(box: Box, name: str) -> None:
    assert MARK in text(HOW[name](box, SECOND)) or name in ("totals", "watermark")
    assert "70001" not in text(HOW[name](box, SECOND))


@pytest.mark.parametrize("name", sorted(HOW))
@pytest.mark.parametrize("scope", [NOTHING, Scope(enterprises=None, sites=frozenset()), Scope(None, None, frozenset()),
                                   Scope(frozenset({77}))])  # fmt: skip
def test_an_empty_scope_reads_nothing(box: Box, name: str, scope: Scope) -> None:
    if name == "watermark" and scope == Scope(frozenset({77})):
        return  # says only how far the box has read
    answer = HOW[name](box, scope)
    assert MARK not in text(answer) and "EINS" not in text(answer) and "70001" not in text(answer)
    assert sum(numbers_in(answer)) == 0


@pytest.mark.parametrize("name", sorted(WHOLE_BOX))
def test_what_is_the_whole_box_s_needs_a_scope_without_limits(box: Box, name: str) -> None:
    for scope in (FIRST, SECOND, Scope(None, frozenset({1, 2})), Scope(None, None, frozenset({0, 1, 2}))):
        assert sum(numbers_in(HOW[name](box, scope))) == 0


@pytest.mark.parametrize("by", BYS)
def test_the_parts_add_up_to_the_whole(box: Box, by: str) -> None:
    whole, one, two = (reads.summary(box, scope, by).total for scope in (EVERYTHING, FIRST, SECOND))
    assert whole["calls"] == one["calls"] + two["calls"] == 119
    assert whole["talk_s"] == one["talk_s"] + two["talk_s"]


def test_departments_of_one_name_are_kept_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = Config(data=str(tmp_path_factory.mktemp("names")))
    store = Store(config)
    catalogue = [
        CatalogueRow("enterprise", 1, "default"),
        CatalogueRow("enterprise", 2, "Acme", 2),
        CatalogueRow("site", 1, "main"),
    ]
    catalogue += [
        CatalogueRow(kind, n, name, n)
        for kind, name in (("department", "Sales"), ("person", "Li"))
        for n in (1, 2)
    ]
    rows = [
        DirectoryRow("main", "201", "Li", "Sales", None),
        DirectoryRow("main", "301", "Li", "Sales", "Acme"),
    ]
    store.commit(step([], catalogue=catalogue, directory=rows))
    box = reads.open_box(config)
    for department, extension in ((1, "201"), (2, "301")):
        scope = Scope(enterprises=None, departments=frozenset({department}))
        assert [row["extension"] for row in reads.directory(box, scope)] == [extension]
        assert [item["id"] for item in reads.catalogue(box, scope, "person")] == [department]
    store.close()


@pytest.mark.parametrize("scope", [FIRST, SECOND])
def test_pages_are_full_of_what_may_be_seen(box: Box, scope: Scope) -> None:
    """Else the gaps would tell how many calls others have."""
    page = reads.calls(box, scope, limit=7, deadline_s=5)
    assert len(page.items) == 7
    assert {item["enterprise"] for item in page.items} == scope.enterprises


def test_of_a_shared_call_each_sees_its_own_lines(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = Config(data=str(tmp_path_factory.mktemp("shared")))
    store = Store(config)
    first = line(1, **ours(), talk_s=10)
    other = line(2, **theirs(), talk_s=5, call_position=first.position, ordinal=1)
    store.commit(step([first, other]))
    box = reads.open_box(config)
    for scope, seqs, talk_s in (
        (FIRST, [1], 10),
        (SECOND, [2], 5),
        (EVERYTHING, [1, 2], 15),
        (NOTHING, [], None),
    ):
        call = reads.call(box, scope, CALL_OF_1)
        assert [one["seq"] for one in call["lines"]] == seqs if call else seqs == []
        assert [item["talk_s"] for item in reads.calls(box, scope).items] == ([talk_s] if seqs else [])
    store.close()
