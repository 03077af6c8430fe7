"""What pages, API, SNMP and commands may read of a box. Every function takes a scope; an empty one reads nothing.

`box` comes from open_box(config). Lists are newest first; `next` of a page is the `before` of the one after it.
Times are microseconds UTC, money millionths of its currency, with `decimals` to show it by.
"""

import time

import msgspec

from bluewhale.model import FEED, Scope, parse_origin
from bluewhale.store import filters, gather, schema, search
from bluewhale.store.filters import Asked, Filter
from bluewhale.store.gather import Item
from bluewhale.store.records import (
    Rows,
    accounts,
    catalogue,
    directory,
    feed_stats,
    owner_change,
    owner_changes,
    plans,
    reject_counts,
    rejects,
    settings,
    watermark,
)
from bluewhale.store.search import Place
from bluewhale.store.sums import Summary, summary, totals
from bluewhale.store.window import Box, open_box

__all__ = [
    "Box",
    "Page",
    "Rows",
    "Summary",
    "accounts",
    "call",
    "calls",
    "catalogue",
    "directory",
    "feed_stats",
    "open_box",
    "owner_change",
    "owner_changes",
    "plans",
    "reject_counts",
    "rejects",
    "settings",
    "summary",
    "totals",
    "watermark",
]


class Page(msgspec.Struct, frozen=True):
    """`next` is None when nothing older is left. `complete` is False if the time box ended the search before the page was
    full: then `searched_back_to` (start of a line near there, if known) says how far it came, and `next` goes on."""

    items: list[Item]
    next: str | None
    complete: bool = True
    searched_back_to: int | None = None


def calls(
    box: Box,
    scope: Scope,
    *,
    number: str | None = None,
    extension: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    direction: str | None = None,
    department: int | None = None,
    site: int | None = None,
    feed: int | None = None,
    answered: bool | None = None,
    unassigned: bool = False,
    unpriced: bool = False,
    text: str | None = None,
    before: str | None = None,
    limit: int = 100,
    deadline_s: float = 0.15,
) -> Page:
    """Calls in the order in which the box learned of them, newest first.

    `number` is written as numbers.py says; `since_us` (inclusive) and `until_us` (exclusive) are of the start; `text`
    is looked for in numbers, trunks, codes and destinations. Raises ValueError for a `before` that is none.
    """
    asked = Asked(
        number, extension, since_us, until_us, direction, 0 if unassigned else department, site, feed, answered,
        unpriced, text,
    )  # fmt: skip
    wanted = filters.make(scope, asked)
    place = search.parse_place(before) if before else None
    found: list[search.Hit] = []
    for hit in search.hits(box, wanted, place, time.monotonic() + deadline_s):
        if isinstance(hit, Place):
            place = hit
        elif hit[2] is None or not _stands_earlier(box, scope, wanted, hit):
            found.append(hit)
            if len(found) > limit:
                break
    items = gather.items(box, scope, found[:limit])
    if len(found) > limit:
        return Page(items, str(Place(found[limit - 1][0].number, found[limit - 1][1])))
    if place == search.END:
        return Page(items, None)
    return Page(items, str(place), complete=False, searched_back_to=_started_near(box, place))


def call(box: Box, scope: Scope, call_id: str) -> Item | None:
    """One call with its `lines`; None if there is none of that name or the scope may not see it."""
    try:
        origin = parse_origin(call_id)
    except ValueError:
        return None
    if origin.stream != FEED:
        return None
    lines = [line for _, line in gather.lines_of_call(box, scope, origin.journal, origin.position)]
    if not lines or lines[0]["call_length"] != origin.length:
        return None
    names = box.names()
    return gather.call_of(origin.journal, lines, names) | {
        "lines": [gather.call_of(origin.journal, [line], names) for line in lines]
    }


def _stands_earlier(box: Box, scope: Scope, wanted: Filter, hit: search.Hit) -> bool:
    """Whether an earlier line of the same call matches too: the call stands there, not here."""
    here, seq, position = hit
    assert position is not None
    for span, line in gather.lines_of_call(box, scope, here.journal, position):
        if (span.number, line["seq"]) >= (here.number, seq):
            break
        with box.segment(span) as db:
            if search.matches_one(db, wanted, line["seq"]):
                return True
    return False


def _started_near(box: Box, place: Place | None) -> int | None:
    """When the first line from this place on that knows it began."""
    for span in box.spans():
        if place is not None and span.number == place.number:
            with box.segment(span) as db:
                row = db.execute(
                    f"SELECT {schema.STARTED} FROM line l WHERE seq >= ? AND started IS NOT NULL ORDER BY seq LIMIT 1",
                    (place.seq,),
                ).fetchone()
            return row[0] if row else None
    return None
