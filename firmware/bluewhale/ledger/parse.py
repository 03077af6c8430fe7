"""Journal records to legs: a decoder for each source, and the choice of a format where a feed says "auto".

A feed's format is decided once, from evidence, and then stands until the owner says otherwise. Until then
the newest HELD_BYTES of its bytes are held to be looked at; what is pushed out, or ends, becomes a reject
`undetected` that names where the bytes lie. Once the format is known the fold asks for the feed's records again,
from the first that was not read (`again_from`): nothing is lost by deciding late.
"""

from bluewhale.formats import Guess, decide, detect
from bluewhale.ledger import newcomer
from bluewhale.ledger.owner_fold import AUTO, FeedSetting
from bluewhale.ledger.sources import (
    Feed,
    Found,
    Held,
    SavedSource,
    Source,
    Sources,
    count_skips,
    feed_of,
    feeds_decoder,
    of_feed,
    restore,
    save,
)
from bluewhale.model import FEED, Origin, Record, Reject, Why

__all__ = [
    "Feed",
    "Found",
    "SavedSource",
    "Source",
    "abandon",
    "chunk",
    "close",
    "feed_of",
    "restore",
    "save",
    "set_up",
    "tick",
]

HELD_BYTES = 65536
HELD_PIECES = 2048
PATIENT_TICKS = 2  # quiet minutes after which one candidate is enough
RETRY_EVERY_LINE = 4096  # up to that many bytes each line is a new look, then every quarter more
ENDS = (b"\n", b"\r", b"\x03")


def chunk(feed: Feed, sources: Sources, journal: str, record: Record, at_us: int) -> list[Found]:
    """Bytes of a source, received at `at_us`."""
    name = record.source
    source = sources.get(name)
    if source is None:
        source = sources[name] = _newcomer(feed, journal)
    if source.trial is not None:
        piece = Held(record.data_position, at_us, record.payload)
        return newcomer.look(feed, source, name, piece, journal)
    decoder = source.decoder
    if decoder is None:
        source.ended = False
        return _hold(feed, sources, source, record, at_us)
    found = [Found(name, at_us, decoder.feed(record.payload, record.data_position, at_us))]
    if decoder.skipped != source.skipped:
        count_skips(feed, source, decoder)
    return found


def close(feed: Feed, sources: Sources, journal: str, name: str, at_us: int) -> list[Found]:
    """The source ended: its rest is framed as if it had an end; a format with no rival is decided."""
    source = sources.get(name)
    if source is None:
        return []
    if source.trial is not None:
        del sources[name]
        return newcomer.close(feed, source, name, journal, at_us)
    if source.decoder is not None:
        del sources[name]
        return [_flushed(feed, source, name, at_us)]
    if not source.held:
        del sources[name]
        return []
    source.ended = True
    return _settle(feed, sources, patient=False)


def tick(feed: Feed, sources: Sources) -> list[Found]:
    """A quiet minute passed. A feed that holds bytes for two of them takes the one candidate it has."""
    if not feed.held:
        return []
    feed.ticks += 1
    return _settle(feed, sources, patient=True) if feed.ticks >= PATIENT_TICKS else []


def abandon(feed: Feed, sources: Sources) -> list[Found]:
    """Nothing more comes of what is held, and it will not be read again."""
    feed.unread_from = None
    return [
        _undetected(feed, sources, name, piece)
        for name in of_feed(feed, sources)
        for piece in list(sources[name].held)
    ]


def set_up(feed: Feed, sources: Sources, journal: str, setting: FeedSetting, at_us: int) -> list[Found]:
    """The feed's setting, or the owner's word about its format, changed.

    If its bytes are to be read otherwise now, what its sources hold is read to the end as before.
    """
    owners = feed.confirmed if setting.format == AUTO else setting.format
    format_now = owners or feed.format
    found: list[Found] = []
    same = (format_now, setting.options) == (feed.format, feed.setting.options)
    if not same:
        for name in of_feed(feed, sources):
            source = sources[name]
            if source.trial is not None or source.decoder is not None:
                found += close(feed, sources, journal, name, at_us)
    feed.setting = setting
    if same:
        if owners:
            feed.stats.sure, feed.stats.evidence = True, "set by the owner"
        return []
    if format_now != feed.format:
        feed.format, feed.dialect = format_now, {}
    if feeds_decoder(feed, journal) is None:
        feed.format = None
        return found
    if owners:
        feed.stats.format, feed.stats.sure, feed.stats.evidence = owners, True, "set by the owner"
    _read_again(feed, sources)
    return found


def _newcomer(feed: Feed, journal: str) -> Source:
    """A source's first bytes: where the feed's format was detected, this one may be another kind of PBX."""
    decoder = feeds_decoder(feed, journal)
    if decoder is not None and feed.setting.format == AUTO and feed.confirmed is None:
        return Source(feed.name, trial=[])
    return Source(feed.name, decoder)


def _flushed(feed: Feed, source: Source, name: str, at_us: int) -> Found:
    assert source.decoder is not None
    found = Found(name, at_us, source.decoder.close(at_us))
    count_skips(feed, source, source.decoder)
    return found


def _hold(feed: Feed, sources: Sources, source: Source, record: Record, at_us: int) -> list[Found]:
    """Keeps bytes of an undecided feed, and looks whether they tell the format."""
    if feed.unread_from is None:
        feed.unread_from = record.position
    data = record.payload
    source.held.append(Held(record.data_position, at_us, data))
    feed.held += len(data)
    if feed.held >= feed.retry_at and (feed.held >= RETRY_EVERY_LINE or any(end in data for end in ENDS)):
        feed.retry_at = feed.held + (feed.held // 4 if feed.held >= RETRY_EVERY_LINE else 1)
        guess = decide(_guesses(feed, sources))
        if guess and _decide(feed, sources, guess):
            return []
    return _push_out(feed, sources)


def _guesses(feed: Feed, sources: Sources) -> list[Guess]:
    held = [[piece.data for piece in sources[name].held] for name in of_feed(feed, sources)]
    return detect([b"".join(pieces) for pieces in held if pieces])


def _decide(feed: Feed, sources: Sources, guess: Guess) -> bool:
    feed.format, feed.dialect = guess.format, guess.options
    if feeds_decoder(feed, "") is None:
        feed.format, feed.dialect = None, {}
        return False
    feed.stats.format, feed.stats.sure, feed.stats.evidence = guess.format, guess.sure, guess.evidence
    _read_again(feed, sources)
    return True


def _read_again(feed: Feed, sources: Sources) -> None:
    """From here on the feed's sources are what its records since `again_from` make of them."""
    for name in of_feed(feed, sources):
        del sources[name]
    feed.held = feed.retry_at = feed.ticks = 0
    feed.again_from, feed.unread_from = feed.unread_from, None


def _settle(feed: Feed, sources: Sources, *, patient: bool) -> list[Found]:
    """More bytes may never come: a candidate well ahead is taken. Several wait for more bytes or the owner; what
    no format knows is rejected once its source has ended."""
    guesses = _guesses(feed, sources)
    guess = decide(guesses, ended=True)
    if guess and _decide(feed, sources, guess):
        return []
    names = ", ".join(guess.format for guess in guesses)
    feed.stats.evidence = f"undecided: {names}" if names else "undecided: no format knows these bytes"
    if guesses and not patient:
        return []
    return [
        _undetected(feed, sources, name, piece)
        for name in of_feed(feed, sources)
        if sources[name].ended
        for piece in list(sources[name].held)
    ]


def _push_out(feed: Feed, sources: Sources) -> list[Found]:
    """The oldest pieces go when more is held than is looked at."""
    found = []
    while (
        feed.held > HELD_BYTES
        or sum(len(sources[name].held) for name in of_feed(feed, sources)) > HELD_PIECES
    ):
        holding = [name for name in of_feed(feed, sources) if sources[name].held]
        name = min(holding, key=lambda name: sources[name].held[0].position)
        found.append(_undetected(feed, sources, name, sources[name].held[0]))
    return found


def _undetected(feed: Feed, sources: Sources, name: str, piece: Held) -> Found:
    source = sources[name]
    source.held.remove(piece)
    feed.held -= len(piece.data)
    feed.retry_at = min(feed.retry_at, feed.held + 1)
    if source.ended and not source.held:
        del sources[name]
    if not feed.held:
        feed.ticks = 0
    origin = Origin("", FEED, piece.position, len(piece.data))
    return Found(name, piece.at_us, [Reject(origin, Why.UNDETECTED, feed.stats.evidence)])
