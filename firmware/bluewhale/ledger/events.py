"""Journal records that are no bytes: links of feeds, owners' changes, the beginning of another journal."""

import msgspec

from bluewhale.ledger import attribute, owner_fold, parse
from bluewhale.ledger.owner_fold import FeedSetting
from bluewhale.ledger.parse import Feed
from bluewhale.ledger.state import State
from bluewhale.ledger.step import Out, new_feed, take, touch
from bluewhale.model import Kind, Record, Setting

ENDED = ("closed", "lost")


class Link(msgspec.Struct):
    """What the fold reads of a LINK record. `declared`: the settings of a feed of the configuration file."""

    event: str = ""
    declared: dict[str, object] | None = None


def event_of(record: Record) -> Link:
    try:
        return msgspec.json.decode(record.payload, type=Link)
    except msgspec.DecodeError:  # `journal show` shows it; nothing a call depends on
        return Link()


def declared(told: dict[str, object]) -> FeedSetting | None:
    """What the fold reads of a declared feed; None if it makes no sense (then the format is detected)."""
    known = {name: value for name, value in told.items() if name in FeedSetting.__struct_fields__}
    try:
        return msgspec.convert(known, FeedSetting)
    except msgspec.ValidationError:
        return None


def link(state: State, out: Out, record: Record) -> None:
    told = event_of(record)
    feed = state.feeds.get(parse.feed_of(record.source))
    if told.event == "open":
        feed = feed or new_feed(state, out, record.source)
        setting = declared(told.declared) if told.declared is not None else None
        if setting is not None and setting != feed.setting:
            _set_up(state, out, feed, setting)
    elif told.event in ENDED and feed is not None and record.source in state.sources:
        touch(state, out, feed)
        take(state, out, feed, parse.close(feed, state.sources, state.journal, record.source, state.now_us))


def _set_up(state: State, out: Out, feed: Feed, setting: FeedSetting) -> None:
    state.desks.clear()
    touch(state, out, feed)
    take(state, out, feed, parse.set_up(feed, state.sources, state.journal, setting, state.now_us))


def owner(state: State, out: Out, record: Record) -> None:
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
        feed = state.feeds.get(change.key) or new_feed(state, out, change.key)
        setting = feed.setting
        if change.kind == "feed":
            setting = msgspec.convert(change.value, FeedSetting)
        else:
            feed.confirmed = msgspec.convert(change.value, dict[str, str])["format"]
        _set_up(state, out, feed, setting)


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


def close_all(state: State, out: Out) -> None:
    """No connection of the old box goes on in a new journal."""
    for name in sorted(state.sources):
        out.touched.add(name)
        feed = state.feeds[state.sources[name].feed]
        take(state, out, feed, parse.close(feed, state.sources, state.journal, name, state.now_us))


def end_journal(state: State, out: Out, record: Record) -> None:
    """Lines count from 1 in the new journal, and no later step gives any of the old one's."""
    for feed in state.feeds.values():
        take(state, out, feed, parse.abandon(feed, state.sources))
    state.sources.clear()
    state.journal, state.next_seq = _mark(record).journal, 1
    out.stop = True
