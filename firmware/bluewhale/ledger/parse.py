"""Journal records to legs: a decoder for each source, and the choice of a format where a feed says "auto".

A feed's format is decided once, from evidence, and then stands until the owner says otherwise. Until then
the newest HELD_BYTES of its bytes are held to be looked at; what is pushed out, or ends, becomes a reject
`undetected` that names where the bytes lie. Once the format is known the fold asks for the feed's records again,
from the first that was not read (`again_from`): nothing is lost by deciding late.
"""

from typing import NamedTuple

import msgspec

from bluewhale.formats import Decoder, Guess, Item, OptionError, decide, detect, load_formats
from bluewhale.ledger.owner_fold import AUTO, FeedSetting
from bluewhale.model import FEED, FeedStats, Origin, Record, Reject, Why

HELD_BYTES = 65536
HELD_PIECES = 2048
PATIENT_TICKS = 2  # quiet minutes after which one candidate is enough
RETRY_EVERY_LINE = 4096  # up to that many bytes each line is a new look, then every quarter more
ENDS = (b"\n", b"\r", b"\x03")


class Held(msgspec.Struct, array_like=True):
    position: int  # of data[0]
    at_us: int
    data: bytes


class Source(msgspec.Struct):
    """One connection of a feed. `decoder` None: its bytes are held until the feed's format is known."""

    feed: str
    decoder: Decoder | None = None
    held: list[Held] = []
    ended: bool = False  # closed while its bytes are held
    skipped: int = 0  # what the decoder skipped when last asked


class SavedSource(msgspec.Struct, omit_defaults=True):
    feed: str
    decoder: dict[str, object] | None = None
    held: list[Held] = []
    ended: bool = False


class Feed(msgspec.Struct):
    """What the fold knows of a feed. `format` is the one in force: the owner's word, or what was detected."""

    id: int
    name: str
    setting: FeedSetting
    format: str | None = None
    dialect: dict[str, object] = {}  # options that detection found to fit
    stats: FeedStats = msgspec.field(default_factory=FeedStats)
    confirmed: str | None = None  # by an owner record `format`
    held: int = 0  # bytes held over all sources
    retry_at: int = 0  # bytes held at which to look again
    ticks: int = 0  # quiet minutes since bytes are held
    unread_from: int | None = None  # position of the first record that was not read, while undecided
    again_from: int | None = None  # the same once the format is known, until the fold has asked for them


class Found(NamedTuple):
    """What came out of one source's bytes, and when these were received."""

    source: str
    at_us: int
    items: list[Item]


Sources = dict[str, Source]


def feed_of(source: str) -> str:
    """The feed's name in a source's: FEED/CONNECTION."""
    return source.rpartition("/")[0] or source


def chunk(feed: Feed, sources: Sources, journal: str, record: Record, at_us: int) -> list[Found]:
    """Bytes of a source, received at `at_us`."""
    name = record.source
    source = sources.get(name)
    if source is None:
        source = sources[name] = Source(feed.name, _decoder(feed, journal))
    decoder = source.decoder
    if decoder is None:
        source.ended = False
        return _hold(feed, sources, source, record, at_us)
    found = [Found(name, at_us, decoder.feed(record.payload, record.data_position, at_us))]
    if decoder.skipped != source.skipped:
        _count_skips(feed, source, decoder)
    return found


def close(feed: Feed, sources: Sources, name: str, at_us: int) -> list[Found]:
    """The source ended: its rest is framed as if it had an end; a format with no rival is decided."""
    source = sources.get(name)
    if source is None:
        return []
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
        for name in _of(feed, sources)
        for piece in list(sources[name].held)
    ]


def set_up(feed: Feed, sources: Sources, journal: str, setting: FeedSetting, at_us: int) -> list[Found]:
    """The feed's setting, or the owner's word about its format, changed.

    If its bytes are to be read otherwise now, what its sources hold is read to the end as before.
    """
    before = (feed.format, feed.setting.options)
    feed.setting = setting
    owners = feed.confirmed if setting.format == AUTO else setting.format
    feed.format = owners or feed.format
    if (feed.format, setting.options) == before:
        if owners:
            feed.stats.sure, feed.stats.evidence = True, "set by the owner"
        return []
    found = []
    for name in _of(feed, sources):
        source = sources[name]
        if source.decoder is not None:
            found.append(_flushed(feed, source, name, at_us))
            del sources[name]
    if feed.format != before[0]:
        feed.dialect = {}
    if _decoder(feed, journal) is None:
        feed.format = None
        return found
    if owners:
        feed.stats.format, feed.stats.sure, feed.stats.evidence = owners, True, "set by the owner"
    _read_again(feed, sources)
    return found


def save(source: Source) -> SavedSource:
    state = source.decoder.state() if source.decoder else None
    return SavedSource(source.feed, state, source.held, source.ended)


def restore(saved: SavedSource, feed: Feed, journal: str) -> Source:
    """The inverse of save, with the feed's format and options as they were then. Raises OptionError."""
    decoder = None
    if saved.decoder is not None:
        assert feed.format is not None, f"{feed.name} has a decoder and no format"
        fmt, options = load_formats()[feed.format], feed.dialect | feed.setting.options
        decoder = Decoder(fmt, options, saved.decoder, journal=journal, stream=FEED)
    return Source(saved.feed, decoder, saved.held, saved.ended)


def _decoder(feed: Feed, journal: str) -> Decoder | None:
    """A decoder for a source of the feed; None while its format is not known, or with options it has not."""
    if feed.format is None:
        return None
    fmt = load_formats().get(feed.format)
    if fmt is None:  # only a configuration file can say so: owners are refused
        feed.stats.evidence = f"there is no format {feed.format}"
        return None
    try:
        return Decoder(fmt, feed.dialect | feed.setting.options, journal=journal, stream=FEED)
    except OptionError as error:  # options that do not suit what was detected: the page shows it
        feed.stats.evidence = f"{feed.format}: options: {error}"
        return None


def _of(feed: Feed, sources: Sources) -> list[str]:
    """The feed's sources by name: the order of a dict would not survive a restart."""
    return sorted(name for name, source in sources.items() if source.feed == feed.name)


def _flushed(feed: Feed, source: Source, name: str, at_us: int) -> Found:
    assert source.decoder is not None
    found = Found(name, at_us, source.decoder.close(at_us))
    _count_skips(feed, source, source.decoder)
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
    held = [[piece.data for piece in sources[name].held] for name in _of(feed, sources)]
    return detect([b"".join(pieces) for pieces in held if pieces])


def _decide(feed: Feed, sources: Sources, guess: Guess) -> bool:
    feed.format, feed.dialect = guess.format, guess.options
    if _decoder(feed, "") is None:
        feed.format, feed.dialect = None, {}
        return False
    feed.stats.format, feed.stats.sure, feed.stats.evidence = guess.format, guess.sure, guess.evidence
    _read_again(feed, sources)
    return True


def _read_again(feed: Feed, sources: Sources) -> None:
    """From here on the feed's sources are what its records since `again_from` make of them."""
    for name in _of(feed, sources):
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
        for name in _of(feed, sources)
        if sources[name].ended
        for piece in list(sources[name].held)
    ]


def _push_out(feed: Feed, sources: Sources) -> list[Found]:
    """The oldest pieces go when more is held than is looked at."""
    found = []
    while feed.held > HELD_BYTES or sum(len(sources[name].held) for name in _of(feed, sources)) > HELD_PIECES:
        holding = [name for name in _of(feed, sources) if sources[name].held]
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


def _count_skips(feed: Feed, source: Source, decoder: Decoder) -> None:
    feed.stats.skips += decoder.skipped - source.skipped
    source.skipped = decoder.skipped
