"""A ledger role for the kill tests: folds to line UNTIL and exits 0, or dies at a chosen place.

    store_child.py DATA UNTIL PLACE VISIT

PLACE names where it kills itself, the VISITth time it comes there (0 = never): before-save, after-save, after-lines,
before-rename, after-rename, or none.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from bluewhale.config import Config
from bluewhale.store import ledgerdb, segments, writer
from bluewhale.store.writer import Store
from store_samples import fold

draw = random.Random(os.urandom(8))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner: Any, name: str, visit: int, *, before: bool) -> None:
    """Makes owner.name the place to die at."""
    work: Callable[..., Any] = getattr(owner, name)
    visits = count(1)

    def deadly(*args: Any, **named: Any) -> Any:
        now = next(visits) == visit
        if now and before:
            die()
        made = work(*args, **named)
        if now:
            die()
        return made

    setattr(owner, name, deadly)


def main() -> None:
    data, until, place, visit = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    places = {
        "before-save": (ledgerdb, "save", True),
        "after-save": (ledgerdb, "save", False),
        "after-lines": (segments.OpenSegment, "insert", False),
        "before-rename": (Path, "rename", True),
        "after-rename": (Path, "rename", False),
    }
    if place in places:
        owner, name, before = places[place]
        around(owner, name, visit, before=before)
    writer.SAVE_S = draw.choice((0.0, 0.01, 0.2))
    writer.QUIET_S = 0.0
    store = Store(Config(data=data), 1000)
    saved = store.load()
    assert saved.state in (None, b'{"lines": %d}' % (saved.next_seq - 1)), saved.state
    assert saved.watermark in ({}, {"feed": saved.next_seq - 1, "owner": 0}), saved.watermark
    at = saved.next_seq
    while at <= until:
        upto = min(until, at + draw.randrange(1, 120))
        store.commit(fold(at, upto - at + 1))
        at = upto + 1
        if draw.random() < 0.2:
            store.idle()
    deadline = time.monotonic() + 20
    while store._sealer.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    store.close()


if __name__ == "__main__":
    main()
