"""Records to calls: which pieces belong together. Keys, links and relays as a family's join names them.

The result depends on the set of records alone, not on the order in which they came (a family whose records carry no
usable order of their own, `order="arrival"`, excepted: there the connection keeps it).
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from bluewhale.formats._join import Joins, Link
from bluewhale.ledger.correlate.pieces import Piece, value

NEIGHBOURS = 64  # records with equal link values that are compared with one another
LONGEST_S = 24 * 3600


class Sets:
    """Union-find over numbers 0..n-1; the root is the smallest."""

    def __init__(self, size: int) -> None:
        self.up = list(range(size))

    def root(self, at: int) -> int:
        up = self.up
        while up[at] != at:
            up[at] = up[up[at]]
            at = up[at]
        return at

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self.up[high] = low


def order(piece: Piece) -> tuple[int, int, int, tuple[str | int, ...]]:
    """Pieces of a call in time."""
    return *piece.rank, piece.tie


def without_repeats(pieces: Iterable[Piece], join: Joins) -> tuple[list[Piece], list[Piece]]:
    """The records, and those that came again."""
    seen: set[tuple[str | None, ...]] = set()
    kept, again = [], []
    for piece in pieces:
        name = tuple(value(piece.leg, field) for field in join.identity)
        if name and all(name):
            if name in seen:
                again.append(piece)
                continue
            seen.add(name)
        kept.append(piece)
    return kept, again


def groups(pieces: list[Piece], join: Joins, options: dict[str, object]) -> list[list[Piece]]:
    """The calls, each with its pieces in order."""
    ordered = sorted(pieces, key=order)
    sets = Sets(len(ordered))
    for one, other in _by_key(ordered, join):
        sets.join(one, other)
    for link in join.links:
        if not link.open_only:
            for one, other in _by_link(ordered, link, join):
                sets.join(one, other)
    if join.relay:
        splits = bool(join.splitting and options.get(join.splitting))
        for one, other in _by_relay(ordered, join, splits):
            sets.join(one, other)
    for link in join.links:
        if link.open_only:
            _tie_open(ordered, sets, link, join)
    found = _members(ordered, sets)
    return (
        sorted((sorted(f, key=arrival) for f in found), key=arrival_of) if join.order == "arrival" else found
    )


def arrival(piece: Piece) -> int:
    return piece.at


def arrival_of(pieces: list[Piece]) -> tuple[int, int, int, tuple[str | int, ...]]:
    return min(order(piece) for piece in pieces)


def lacking(pieces: list[Piece], join: Joins) -> str | None:
    """What record a call lacks, in words; None when it is whole."""
    pieces = sorted(pieces, key=arrival if join.order == "arrival" else order)
    last = pieces[-1] if join.order == "arrival" else max(pieces, key=lambda piece: (piece.end, piece.start))
    open_ends = [p for p in pieces if p.leg.continues and p.end >= last.end]
    done = [p for p in pieces if not p.leg.continues and p.end >= last.end]
    if join.order == "arrival":
        by_key: dict[object, Piece] = {}
        for piece in pieces:
            by_key[piece.leg.correlation_id] = piece
        open_ends = [piece for piece in by_key.values() if piece.leg.continues]
        done = []
    if open_ends and not done:
        leg = open_ends[0].leg
        extra = leg.extra or {}
        if "orig_leg" in extra:
            trunk = [p for p in pieces if p.leg.continues and p.sides and p.end >= p.answer] or open_ends
            extra = trunk[-1].leg.extra or {}
            circuit = trunk[-1].sides[0].circuit if trunk[-1].sides else extra.get("orig_leg")
            return f"leg {circuit} ended in a split and no record that joins it followed"
        name = leg.correlation_id or leg.trunk or leg.trunk_in or leg.extension
        mark = f" ({leg.condition_code})" if leg.condition_code else ""
        return f"{name}: a record that announces another{mark} and none followed"
    first = pieces[0]
    if join.joined and value(first.leg, join.joined) and len(pieces) == 1:
        return "the record joins an earlier one, which did not come"
    if first.leg.condition_code in ("X", "E") and join.starts:
        return f"{first.leg.trunk}: a record {first.leg.condition_code} without the one it continues"
    return None


def _members(ordered: list[Piece], sets: Sets) -> list[list[Piece]]:
    found: dict[int, list[Piece]] = {}
    for at, piece in enumerate(ordered):
        found.setdefault(sets.root(at), []).append(piece)
    return list(found.values())


def _index(ordered: list[Piece], fields: tuple[str, ...]) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for at, piece in enumerate(ordered):
        values = tuple(value(piece.leg, field) or "" for field in fields)
        if all(values):
            found.setdefault(values, []).append(at)
    return found


def _by_key(ordered: list[Piece], join: Joins) -> Iterator[tuple[int, int]]:
    """Records with the same key; the same key again after the window is another call."""
    if not join.key or join.relay == join.key:
        return
    window = join.window_s or LONGEST_S
    for places in _index(ordered, join.key).values():
        for one, other in itertools.pairwise(places):
            if ordered[other].start - ordered[one].end <= window:
                yield one, other


def _by_link(ordered: list[Piece], link: Link, join: Joins) -> Iterator[tuple[int, int]]:
    firsts = _index(ordered, link.one)
    seconds = firsts if link.other == link.one else _index(ordered, link.other)
    window = join.window_s or LONGEST_S
    for values, ones in firsts.items():
        others = seconds.get(values, [])
        for one in ones[:NEIGHBOURS] if len(others) > NEIGHBOURS else ones:
            for other in others[:NEIGHBOURS]:
                if one != other and _fits(ordered[one], ordered[other], link, window):
                    yield one, other


def _fits(one: Piece, other: Piece, link: Link, window: int) -> bool:
    if not (_has(one, link.one_has) and _has(other, link.other_has)):
        return False
    slack = link.slack_s
    if link.when == "overlap":
        return one.start <= until(other) + slack and other.start <= until(one) + slack
    if link.when == "answer":
        return abs(one.answer - other.answer) <= slack and one.answered and other.answered
    if link.when == "follows":
        return -1 <= other.start - one.end <= slack
    return abs(one.start - other.start) <= window


def until(piece: Piece) -> int:
    return piece.end + piece.held_s


def _has(piece: Piece, wanted: tuple[tuple[str, str], ...]) -> bool:
    return all(_pattern(regex).search(value(piece.leg, field) or "") for field, regex in wanted)


@lru_cache(maxsize=256)
def _pattern(regex: str) -> re.Pattern[str]:
    return re.compile(regex)


def _by_relay(ordered: list[Piece], join: Joins, splits: bool) -> Iterator[tuple[int, int]]:
    """On each circuit one record after the other: who goes on with whom."""
    window = join.window_s or LONGEST_S
    for places in _index(ordered, join.relay).values():
        for before, at in itertools.pairwise(places):
            one, other = ordered[before], ordered[at]
            if any(_has(other, (mark,)) for mark in join.starts):
                continue
            gap = other.start - one.end
            touch = abs(gap) <= join.slack_s
            if one.leg.continues:
                if (gap <= window) if join.starts or one.talk is None else touch:
                    yield before, at
            elif (value(other.leg, "extra.transferred") or (splits and _alike(one, other, join))) and touch:
                yield before, at


def _alike(one: Piece, other: Piece, join: Joins) -> bool:
    return all(value(one.leg, field) == value(other.leg, field) for field in join.touching)


def _tie_open(ordered: list[Piece], sets: Sets, link: Link, join: Joins) -> None:
    """Ties by time and parties between calls that lack a record: the nearest fits, or none."""
    unfinished = {
        place
        for call in _places(ordered, sets)
        if lacking([ordered[at] for at in call], join) is not None
        for place in call
    }
    pairs = [
        (ordered[other].start - ordered[one].end, one, other)
        for one, other in _by_link(ordered, link, join)
        if one in unfinished and other in unfinished
    ]
    taken: set[int] = set()
    for _, one, other in sorted(pairs):
        if one not in taken and other not in taken and sets.root(one) != sets.root(other):
            sets.join(one, other)
            taken.update((one, other))


def _places(ordered: list[Piece], sets: Sets) -> list[list[int]]:
    found: dict[int, list[int]] = {}
    for at in range(len(ordered)):
        found.setdefault(sets.root(at), []).append(at)
    return list(found.values())
