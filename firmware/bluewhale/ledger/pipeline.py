"""The fold: journal records in, lines out. No I/O and no clock; time is journal time.

    state = restore(saved, zone, journal, fold_version)
    for step in steps(state, records, again):
        store.commit(step)

A state is moved along: it is changed in place, and the step holds what has to be kept of it. After a failed
commit the state is ahead of the store: start again from what the store holds. Which records come together in a
batch changes nothing in what comes out.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from bluewhale.formats import Item
from bluewhale.journal import time as journal_time
from bluewhale.ledger import attribute, lines, owner_fold, parse, posting
from bluewhale.ledger.correlate import wall
from bluewhale.ledger.owner_fold import FeedSetting
from bluewhale.ledger.parse import Feed, Found
from bluewhale.ledger.state import State, Unreadable, restore, save, zone_of
from bluewhale.model import (
    FEED,
    CatalogueRow,
    Kind,
    Leg,
    Origin,
    Record,
    Reject,
    RejectRow,
    Setting,
    Signal,
    Step,
    Why,
)

__all__ = ["State", "Unreadable", "advance", "give_up", "restore", "skip", "steps", "zone_of"]

ENDED = ("closed", "lost")
Again = Callable[[int, int], Iterable[list[Record]]]


class _Out(msgspec.Struct):
    """What a step collects."""

    step: Step
    touched: set[str]  # sources whose state changed
    counted: set[str]  # feeds whose counts changed
    stop: bool  # no further record before the store has this


def steps(state: State, records: list[Record], again: Again) -> Iterator[Step]:
    """All steps a batch of records leads to, each to be committed before the next is asked for.

    `again(from, to)`: records of the feed stream once more, in batches; asked for when a feed's format is known
    late. What a stop left to be read again comes first.
    """
    yield from _read_again(state, again)
    while records:
        yield advance(state, records)
        records = records[state.taken :]
        yield from _read_again(state, again)


def advance(state: State, records: list[Record]) -> Step:
    """Journal records in the order of their seq. Takes them all, or (see state.taken) stops after one with which
    another journal begins, or after which earlier records have to be read again."""
    out, book, taken = _begun(state), state.book, 0
    for record in records:
        taken += 1
        state.now_us = now = journal_time.advance(state.clock, record)
        kind = record.kind
        if kind is Kind.CHUNK:
            feed = state.feeds.get(parse.feed_of(record.source)) or _new_feed(state, out, record.source)
            # dates are inferred from the receive time; a clock nobody vouches for is worth less than journal time
            _chunk(state, out, feed, record, record.real_us if record.synced else now)
        elif kind is Kind.LINK:
            _link(state, out, record)
        elif kind is Kind.OWNER:
            _owner(state, out, record)
        elif kind is Kind.TICK:
            for feed in state.feeds.values():
                if feed.held:
                    _touch(state, out, feed)
                    _take(state, out, feed, parse.tick(feed, state.sources))
        elif kind is Kind.MARK and begins_journal(state.journal, record):
            _close_all(state, out)
            if out.stop:  # what is to be read again is the old journal's: the record comes once more after it
                taken -= 1
                _want(state)
                break
            _end_journal(state, out, record)
        state.watermark[record.stream] = record.position + record.size
        if out.stop:
            _want(state)
            break
    state.taken = taken
    return _finish(state, out, book)


def skip(state: State, record: Record, what: str) -> Step:
    """The step past a record this program fails on: its bytes are a reject, an owner's change is refused. `what`:
    the failure, the same in a rebuild by the same program."""
    out = _begun(state)
    state.now_us = journal_time.advance(state.clock, record)
    if record.kind is Kind.CHUNK:
        feed = state.feeds.get(parse.feed_of(record.source)) or _new_feed(state, out, record.source)
        state.sources.pop(record.source, None)  # half a frame before it would spoil the one after it
        out.touched.add(record.source)
        origin = Origin(state.journal, record.stream, record.data_position, len(record.payload))
        found = Found(record.source, state.now_us, [Reject(origin, Why.FAULT, what)])
        _take(state, out, feed, [found])
    elif record.kind is Kind.OWNER:
        out.step.outcomes.append(owner_fold.failed(record, state.journal, what))
    state.watermark[record.stream] = record.position + record.size
    return _finish(state, out, state.book)


def give_up(state: State) -> Step:
    """The step that leaves unread what was to be read again, because this program fails on it."""
    state.wanted.clear()
    return _finish(state, _begun(state), state.book)


def _read_again(state: State, again: Again) -> Iterator[Step]:
    while state.wanted:
        name, (start, end) = next(iter(state.wanted.items()))
        for records in again(start, end):
            yield _again(state, name, records, end)
        if name in state.wanted:  # the last records are not there any more
            yield _again(state, name, [], end)


def _again(state: State, name: str, records: list[Record], end: int) -> Step:
    """Records of a feed whose format was not known when they came; those of other feeds are passed over."""
    out, book, feed = _begun(state), state.book, state.feeds[name]
    read_to = end
    for record in records:
        read_to = record.position + record.size
        if parse.feed_of(record.source) != name:
            continue
        if record.kind is Kind.CHUNK:
            _chunk(state, out, feed, record, record.real_us)
        elif record.kind is Kind.LINK and _event(record).event in ENDED:
            out.touched.add(record.source)
            _take(state, out, feed, parse.close(feed, state.sources, record.source, record.real_us))
    state.wanted[name] = (read_to, end)
    if read_to >= end:
        del state.wanted[name]
    return _finish(state, out, book)


def _begun(state: State) -> _Out:
    out = _Out(_empty_step(state), set(), set(), False)
    if not state.watermark:  # what every box has from its first day
        bare = msgspec.structs.replace(state.book, enterprises={}, sites={})
        out.step.catalogue += attribute.catalogue(bare, state.book)
    return out


def _chunk(state: State, out: _Out, feed: Feed, record: Record, at_us: int) -> None:
    out.touched.add(record.source)
    if feed.format is None:
        _touch(state, out, feed)
    _take(state, out, feed, parse.chunk(feed, state.sources, state.journal, record, at_us))


def _touch(state: State, out: _Out, feed: Feed) -> None:
    """All sources of a feed may change."""
    out.touched.update(name for name, source in state.sources.items() if source.feed == feed.name)


def _want(state: State) -> None:
    """Notes which records are to be read again: those of feeds whose format is known now, up to here."""
    for name, feed in state.feeds.items():
        if feed.again_from is not None:
            state.wanted[name] = (feed.again_from, state.watermark.get(FEED, 0))
            feed.again_from = None


class _Mark(msgspec.Struct):
    event: str = ""
    journal: str = ""


def begins_journal(journal: str, record: Record) -> bool:
    """True for the record with which another journal goes on where `journal` stopped: a restored or copied box.
    A step ends with it, since its lines are of one journal."""
    return record.kind is Kind.MARK and _mark(record).journal not in ("", journal)


def _mark(record: Record) -> _Mark:
    try:
        mark = msgspec.json.decode(record.payload, type=_Mark)
    except msgspec.DecodeError:
        return _Mark()
    return mark if mark.event == "start" else _Mark()


def _close_all(state: State, out: _Out) -> None:
    """No connection of the old box goes on in a new journal."""
    for name in sorted(state.sources):
        out.touched.add(name)
        feed = state.feeds[state.sources[name].feed]
        _take(state, out, feed, parse.close(feed, state.sources, name, state.now_us))


def _end_journal(state: State, out: _Out, record: Record) -> None:
    """Lines count from 1 in the new journal, and no later step gives any of the old one's."""
    for feed in state.feeds.values():
        _take(state, out, feed, parse.abandon(feed, state.sources))
    state.sources.clear()
    state.journal, state.next_seq = _mark(record).journal, 1
    out.stop = True


def _empty_step(state: State) -> Step:
    return Step(
        lines=[], rejects=[], outcomes=[], settings=[], directory=[], catalogue=[], postings={}, feeds={},
        sources={}, book=None, state=b"", watermark={}, journal=state.journal, journal_time_us=0, next_seq=0,
        fold_version=state.fold_version,
    )  # fmt: skip


def _finish(state: State, out: _Out, book: attribute.Book) -> Step:
    step = out.step
    for name in out.touched:
        source = state.sources.get(name)
        step.sources[name] = msgspec.json.encode(parse.save(source)) if source else None
    step.feeds = {
        state.feeds[name].id: msgspec.structs.replace(state.feeds[name].stats) for name in sorted(out.counted)
    }
    if state.book is not book:
        step.book = msgspec.json.encode(attribute.dump(state.book))
    step.postings = posting.post(step.lines)
    for line in step.lines:
        if not line.department:
            state.unassigned += 1
        if line.unpriced is not None:
            state.unpriced += 1
    step.state = save(state)
    step.watermark = dict(state.watermark)
    step.journal_time_us = state.now_us
    step.next_seq = step.lines[-1].seq + 1 if step.lines else state.next_seq
    return step


def _new_feed(state: State, out: _Out, source: str, setting: FeedSetting | None = None) -> Feed:
    """A feed seen for the first time, by one of its sources; it gets its number."""
    name = parse.feed_of(source)
    feed = Feed(len(state.feeds) + 1, name, setting or FeedSetting(url=""))
    state.feeds[name] = feed
    out.step.catalogue.append(CatalogueRow("feed", feed.id, name))
    out.counted.add(name)
    return feed


def _take(state: State, out: _Out, feed: Feed, found: list[Found]) -> None:
    """Items of a feed's sources to lines and rejects, and into its counts."""
    stats, step = feed.stats, out.step
    out.counted.add(feed.name)
    if feed.again_from is not None:
        out.stop = True
    for source, at_us, items in found:
        if not items:
            continue
        stats.last_us = at_us
        desk = state.desks.get(feed.name) or _desk(state, feed)
        first = seq = state.next_seq
        add, make = step.lines.append, lines.line
        for item in items:
            if type(item) is not Leg:
                _no_leg(state, step, feed, source, at_us, item)
                continue
            try:
                add(make(desk, item, at_us, seq))
                seq += 1
            except lines.Unfit as error:
                assert item.origin is not None
                reject = Reject(item.origin, error.why, str(error), item.format)
                _no_leg(state, step, feed, source, at_us, reject)
        if seq > first:
            state.next_seq = seq
            stats.legs += seq - first
            if state.now_us >= state.month_checked_us:
                _month(state, step, first)


def _desk(state: State, feed: Feed) -> lines.Desk:
    setting = feed.setting
    zone = setting.options.get("zone") or feed.dialect.get("zone")
    desk = state.desks[feed.name] = lines.desk(state.book, feed.id, setting.site, zone)
    return desk


def _month(state: State, step: Step, seq: int) -> None:
    """Segments end where a month of journal time does; the store is told with which line."""
    day = wall.at("UTC", state.now_us).day
    if state.month and day // 100 != state.month:
        step.rolls.append(seq)
    state.month = day // 100
    state.month_checked_us = state.now_us // wall.DAY_US * wall.DAY_US + wall.DAY_US


def _no_leg(state: State, step: Step, feed: Feed, source: str, at_us: int, item: Item) -> None:
    if isinstance(item, Signal):
        feed.stats.signals += 1
        return
    assert isinstance(item, Reject)
    if not item.origin.journal:
        origin = msgspec.structs.replace(item.origin, journal=state.journal)
        item = msgspec.structs.replace(item, origin=origin)
    step.rejects.append(RejectRow(item, feed.id, source, at_us))
    feed.stats.rejects += 1


class _Link(msgspec.Struct):
    """What the fold reads of a LINK record. `declared`: the settings of a feed of the configuration file."""

    event: str = ""
    declared: FeedSetting | None = None


def _event(record: Record) -> _Link:
    try:
        return msgspec.json.decode(record.payload, type=_Link)
    except msgspec.DecodeError:  # `journal show` shows it; nothing a call depends on
        return _Link()


def _link(state: State, out: _Out, record: Record) -> None:
    link = _event(record)
    feed = state.feeds.get(parse.feed_of(record.source))
    if link.event == "open":
        feed = feed or _new_feed(state, out, record.source)
        if link.declared is not None and link.declared != feed.setting:
            _set_up(state, out, feed, link.declared)
    elif link.event in ENDED and feed is not None and record.source in state.sources:
        _touch(state, out, feed)
        _take(state, out, feed, parse.close(feed, state.sources, record.source, state.now_us))


def _set_up(state: State, out: _Out, feed: Feed, setting: FeedSetting) -> None:
    state.desks.clear()
    _touch(state, out, feed)
    _take(state, out, feed, parse.set_up(feed, state.sources, state.journal, setting, state.now_us))


def _owner(state: State, out: _Out, record: Record) -> None:
    """An owner's change: the book or the settings, and what follows for feeds."""
    answer = owner_fold.answer(state.owner, state.book, record, state.journal)
    out.step.outcomes.append(answer.outcome)
    change = answer.change
    if change is None:
        return
    out.step.catalogue += attribute.catalogue(state.book, answer.book)
    state.book = answer.book
    state.desks.clear()
    key = (change.kind, change.key)
    out.step.settings.append(state.owner.settings.get(key) or Setting(*key, None, record.seq))
    if change.kind == "directory":
        out.step.directory += owner_fold.directory_rows(change.value)
    if change.kind in ("feed", "format") and change.value is not None:
        feed = state.feeds.get(change.key) or _new_feed(state, out, change.key)
        setting = feed.setting
        if change.kind == "feed":
            setting = msgspec.convert(change.value, FeedSetting)
        else:
            feed.confirmed = msgspec.convert(change.value, dict[str, str])["format"]
        _set_up(state, out, feed, setting)
