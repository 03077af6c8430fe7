"""One step while it is being made: what its records came to, and the feeds and sources they changed."""

import msgspec

from bluewhale.formats import Item
from bluewhale.ledger import attribute, lines, parse, posting
from bluewhale.ledger.correlate import wall
from bluewhale.ledger.owner_fold import FeedSetting
from bluewhale.ledger.parse import Feed, Found
from bluewhale.ledger.state import State, save
from bluewhale.model import CatalogueRow, Leg, Record, Reject, RejectRow, Signal, Step


class Out(msgspec.Struct):
    """What a step collects."""

    step: Step
    touched: set[str]  # sources whose state changed
    counted: set[str]  # feeds whose counts changed
    stop: bool  # no further record before the store has this


def begun(state: State) -> Out:
    out = Out(_empty_step(state), set(), set(), False)
    if not state.watermark:  # what every box has from its first day
        bare = msgspec.structs.replace(state.book, enterprises={}, sites={})
        out.step.catalogue += attribute.catalogue(bare, state.book)
    return out


def _empty_step(state: State) -> Step:
    return Step(
        lines=[], rejects=[], outcomes=[], settings=[], directory=[], catalogue=[], postings={}, feeds={},
        sources={}, book=None, state=b"", watermark={}, journal=state.journal, journal_time_us=0, next_seq=0,
        fold_version=state.fold_version,
    )  # fmt: skip


def finish(state: State, out: Out, book: attribute.Book) -> Step:
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


def new_feed(state: State, out: Out, source: str, setting: FeedSetting | None = None) -> Feed:
    """A feed seen for the first time, by one of its sources; it gets its number."""
    name = parse.feed_of(source)
    feed = Feed(len(state.feeds) + 1, name, setting or FeedSetting(url=""))
    state.feeds[name] = feed
    out.step.catalogue.append(CatalogueRow("feed", feed.id, name))
    out.counted.add(name)
    return feed


def touch(state: State, out: Out, feed: Feed) -> None:
    """All sources of a feed may change."""
    out.touched.update(name for name, source in state.sources.items() if source.feed == feed.name)


def take_chunk(state: State, out: Out, feed: Feed, record: Record, at_us: int) -> None:
    out.touched.add(record.source)
    if feed.format is None:
        touch(state, out, feed)
    take(state, out, feed, parse.chunk(feed, state.sources, state.journal, record, at_us))


def take(state: State, out: Out, feed: Feed, found: list[Found]) -> None:
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
