"""The fold's memory: what it is, and how it goes through the store."""

import msgspec

from bluewhale.journal import time as journal_time
from bluewhale.ledger import attribute, lines, parse
from bluewhale.ledger.owner_fold import FeedSetting, Owner
from bluewhale.ledger.parse import Feed, Source
from bluewhale.model import FeedStats, Saved


class Unreadable(ValueError):
    """Saved by another version of the program: everything has to be made from the journal again."""


class State(msgspec.Struct):
    """The fold's whole memory. `watermark`: the ends of the last records read. `month`: YYYYMM of journal time of the
    last line, looked at again from `month_checked_us` on."""

    journal: str
    fold_version: str
    zone: str
    clock: journal_time.Clock
    owner: Owner
    book: attribute.Book
    feeds: dict[str, Feed]
    sources: dict[str, Source]
    watermark: dict[str, int]
    next_seq: int
    now_us: int
    unassigned: int  # lines nobody's, since the journal began
    unpriced: int
    month: int
    month_checked_us: int
    wanted: dict[
        str, tuple[int, int]
    ]  # feed -> from, to: records to be read again, its format being known now
    taken: int  # records the last `advance` took
    desks: dict[str, lines.Desk]  # by feed; made anew after each owner's change


class _Feed(msgspec.Struct, omit_defaults=True):
    """A feed as it is saved; its counts lie in the step."""

    id: int
    setting: FeedSetting
    format: str | None = None
    dialect: dict[str, object] = {}
    confirmed: str | None = None
    held: int = 0
    retry_at: int = 0
    ticks: int = 0
    unread_from: int | None = None


class _Zone(msgspec.Struct):
    zone: str


class _Memory(msgspec.Struct):
    """The part of the state that is saved with every step."""

    journal: str
    next_seq: int
    zone: str
    clock: journal_time.Clock
    feeds: dict[str, _Feed]
    seen: dict[str, tuple[str, str | None]]
    now_us: int
    month: int
    unassigned: int
    unpriced: int
    wanted: dict[str, tuple[int, int]] = {}


def restore(saved: Saved, zone: str, journal: str, fold_version: str) -> State:
    """The state the store holds, or a new one with `zone` for the site main. Raises Unreadable."""
    if saved.state is None:
        return State(
            journal=journal, fold_version=fold_version, zone=zone, clock=journal_time.Clock(),
            owner=Owner({}, {}), book=attribute.new_book(zone), feeds={}, sources={}, watermark={},
            next_seq=1, now_us=0, unassigned=0, unpriced=0, month=0,
            month_checked_us=0, wanted={}, taken=0, desks={},
        )  # fmt: skip
    try:
        return _restored(saved, fold_version)
    except (msgspec.DecodeError, ValueError, LookupError, TypeError) as error:
        raise Unreadable(f"the fold's memory is of another version: {error}") from error


def _restored(saved: Saved, fold_version: str) -> State:
    assert saved.state is not None
    settings = {(s.kind, s.key): s for s in saved.settings if s.value is not None}
    memory = msgspec.json.decode(saved.state, type=_Memory)
    book = (
        attribute.restore(msgspec.json.decode(saved.book)) if saved.book else attribute.new_book(memory.zone)
    )
    feeds = {
        name: Feed(
            f.id, name, f.setting, f.format, f.dialect, saved.feeds.get(f.id, FeedStats()), f.confirmed, f.held,
            f.retry_at, f.ticks, f.unread_from,
        )
        for name, f in memory.feeds.items()
    }  # fmt: skip
    sources = {}
    for name in sorted(saved.sources):
        kept = msgspec.json.decode(saved.sources[name], type=parse.SavedSource)
        sources[name] = parse.restore(kept, feeds[kept.feed], memory.journal)
    return State(
        journal=memory.journal, fold_version=fold_version, zone=memory.zone, clock=memory.clock,
        owner=Owner(settings, memory.seen), book=book, feeds=feeds, sources=sources,
        watermark=dict(saved.watermark), next_seq=memory.next_seq, now_us=memory.now_us, unassigned=memory.unassigned,
        unpriced=memory.unpriced, month=memory.month,
        month_checked_us=0, wanted=memory.wanted, taken=0, desks={},
    )  # fmt: skip


def zone_of(saved: bytes) -> str:
    """The zone the site main had when this state's fold began: a rebuild begins with it too. Raises Unreadable."""
    try:
        return msgspec.json.decode(saved, type=_Zone).zone
    except msgspec.DecodeError as error:
        raise Unreadable(f"the fold's memory is of another version: {error}") from error


def save(state: State) -> bytes:
    """The small part of the state; the rest of it lies in the steps."""
    feeds = {
        name: _Feed(
            f.id, f.setting, f.format, f.dialect, f.confirmed, f.held, f.retry_at, f.ticks, f.unread_from
        )
        for name, f in state.feeds.items()
    }
    return msgspec.json.encode(
        _Memory(
            journal=state.journal, next_seq=state.next_seq, zone=state.zone, clock=state.clock, feeds=feeds,
            seen=state.owner.seen, now_us=state.now_us, month=state.month,
            unassigned=state.unassigned, unpriced=state.unpriced, wanted=state.wanted,
        )
    )  # fmt: skip
