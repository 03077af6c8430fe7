"""A box of made-up calls for the tests of the reads, and what a plain loop over its lines finds."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from bluewhale.config import Config
from bluewhale.model import (
    EVERYTHING,
    CatalogueRow,
    DirectoryRow,
    FeedStats,
    Line,
    Scope,
    Setting,
)
from bluewhale.store import reads
from bluewhale.store.reads import Box
from bluewhale.store.writer import Store
from store_samples import lines, outcome, reject, step

COUNT = 5000


EVERY = lines(1, COUNT)


BY_SEQ = {one.seq: one for one in EVERY}


@contextlib.contextmanager
def open_sample(config: Config) -> Iterator[Box]:
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
