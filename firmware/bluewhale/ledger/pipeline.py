"""The fold: journal records in, lines out. No I/O and no clock; time is journal time.

    state = restore(saved, zone, journal, fold_version)
    for step in steps(state, records, again):
        store.commit(step)

A state is moved along: it is changed in place, and the step holds what has to be kept of it. After a failed
commit the state is ahead of the store: start again from what the store holds. Which records come together in a
batch changes nothing in what comes out.
"""

from collections.abc import Callable, Iterable, Iterator

from bluewhale.journal import time as journal_time
from bluewhale.ledger import events, owner_fold, parse
from bluewhale.ledger.parse import Found
from bluewhale.ledger.state import State, Unreadable, restore, zone_of
from bluewhale.ledger.step import begun, finish, new_feed, take, take_chunk, touch
from bluewhale.model import FEED, Kind, Origin, Record, Reject, Step, Why

__all__ = ["State", "Unreadable", "advance", "give_up", "restore", "skip", "steps", "zone_of"]

Again = Callable[[int, int], Iterable[list[Record]]]


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
    out, book, taken = begun(state), state.book, 0
    for record in records:
        taken += 1
        state.now_us = now = journal_time.advance(state.clock, record)
        kind = record.kind
        if kind is Kind.CHUNK:
            feed = state.feeds.get(parse.feed_of(record.source)) or new_feed(state, out, record.source)
            # dates are inferred from the receive time; a clock nobody vouches for is worth less than journal time
            take_chunk(state, out, feed, record, record.real_us if record.synced else now)
        elif kind is Kind.LINK:
            events.link(state, out, record)
        elif kind is Kind.OWNER:
            events.owner(state, out, record)
        elif kind is Kind.TICK:
            for feed in state.feeds.values():
                if feed.held:
                    touch(state, out, feed)
                    take(state, out, feed, parse.tick(feed, state.sources))
        elif kind is Kind.MARK and events.begins_journal(state.journal, record):
            events.close_all(state, out)
            if out.stop:  # what is to be read again is the old journal's: the record comes once more after it
                taken -= 1
                _want(state)
                break
            events.end_journal(state, out, record)
        state.watermark[record.stream] = record.position + record.size
        if out.stop:
            _want(state)
            break
    state.taken = taken
    return finish(state, out, book)


def skip(state: State, record: Record, what: str) -> Step:
    """The step past a record this program fails on: its bytes are a reject, an owner's change is refused. `what`:
    the failure, the same in a rebuild by the same program."""
    out = begun(state)
    state.now_us = journal_time.advance(state.clock, record)
    if record.kind is Kind.CHUNK:
        feed = state.feeds.get(parse.feed_of(record.source)) or new_feed(state, out, record.source)
        state.sources.pop(record.source, None)  # half a frame before it would spoil the one after it
        out.touched.add(record.source)
        origin = Origin(state.journal, record.stream, record.data_position, len(record.payload))
        found = Found(record.source, state.now_us, [Reject(origin, Why.FAULT, what)])
        take(state, out, feed, [found])
    elif record.kind is Kind.OWNER:
        out.step.outcomes.append(owner_fold.failed(record, state.journal, what))
    state.watermark[record.stream] = record.position + record.size
    return finish(state, out, state.book)


def give_up(state: State) -> Step:
    """The step that leaves unread what was to be read again, because this program fails on it."""
    state.wanted.clear()
    return finish(state, begun(state), state.book)


def _read_again(state: State, again: Again) -> Iterator[Step]:
    while state.wanted:
        name, (start, end) = next(iter(state.wanted.items()))
        for records in again(start, end):
            yield _again(state, name, records, end)
        if name in state.wanted:  # the last records are not there any more
            yield _again(state, name, [], end)


def _again(state: State, name: str, records: list[Record], end: int) -> Step:
    """Records of a feed whose format was not known when they came; those of other feeds are passed over."""
    out, book, feed = begun(state), state.book, state.feeds[name]
    read_to = end
    for record in records:
        read_to = record.position + record.size
        if parse.feed_of(record.source) != name:
            continue
        if record.kind is Kind.CHUNK:
            take_chunk(state, out, feed, record, record.real_us)
        elif record.kind is Kind.LINK and events.event_of(record).event in events.ENDED:
            out.touched.add(record.source)
            take(
                state,
                out,
                feed,
                parse.close(feed, state.sources, state.journal, record.source, record.real_us),
            )
    state.wanted[name] = (read_to, end)
    if read_to >= end:
        del state.wanted[name]
    return finish(state, out, book)


def _want(state: State) -> None:
    """Notes which records are to be read again: those of feeds whose format is known now, up to here."""
    for name, feed in state.feeds.items():
        if feed.again_from is not None:
            state.wanted[name] = (feed.again_from, state.watermark.get(FEED, 0))
            feed.again_from = None
