"""Journal records to legs: a decoder for each source, and the choice of a format where a feed says "auto".

A feed's format is decided once, from evidence, and then stands until the owner says otherwise. Until then
the bytes are held (HELD_BYTES a feed at most) and read from their beginning once it is decided; what cannot
be held becomes a reject `undetected` that names where the bytes lie.
"""

from typing import NamedTuple

import msgspec

from bluewhale.formats import Decoder, Guess, Item, OptionError, decide, detect, load_formats
from bluewhale.ledger.owner_fold import AUTO, FeedSetting
from bluewhale.model import FEED, FeedStats, Origin, Reject, Why

HELD_BYTES = 65536
PATIENT_TICKS = 2  # quiet minutes after which one candidate is enough
RETRY_EVERY_LINE = 4096  # up to that many bytes each line is a new look, then every quarter more
ENDS = (b"\n", b"\r", b"\x03")


class Held(msgspec.Struct, array_like=True):
    position: int
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


class Found(NamedTuple):
    """What came out of one source's bytes, and when these were received."""

    source: str
    at_us: int
    items: list[Item]


Sources = dict[str, Source]


def feed_of(source: str) -> str:
    """The feed's name in a source's: FEED/CONNECTION."""
    return source.rpartition("/")[0] or source


def chunk(
    feed: Feed, sources: Sources, journal: str, name: str, data: bytes, position: int, at_us: int
) -> list[Found]:
    """Bytes of a source. Returns what they, and bytes held before, came to."""
    source = sources.get(name)
    if source is None:
        source = sources[name] = Source(feed.name)
    source.ended = False
    if source.decoder is None and not source.held:
        source.decoder, source.skipped = _decoder(feed, journal), 0
    decoder = source.decoder
    if decoder is not None:
        found = [Found(name, at_us, decoder.feed(data, position, at_us))]
        _count_skips(feed, source, decoder)
        return found
    source.held = [*source.held, Held(position, at_us, data)]
    feed.held += len(data)
    if feed.held >= feed.retry_at and (feed.held >= RETRY_EVERY_LINE or any(end in data for end in ENDS)):
        feed.retry_at = feed.held + (feed.held // 4 if feed.held >= RETRY_EVERY_LINE else 1)
        guess = decide(_guesses(feed, sources))
        if guess and _decide(feed, guess):
            return start(feed, sources, journal)
    return _overflow(feed, sources) if feed.held > HELD_BYTES else []


def close(feed: Feed, sources: Sources, journal: str, name: str, at_us: int) -> list[Found]:
    """The source ended: its rest is framed as if it had an end; a format with no rival is decided."""
    source = sources.get(name)
    if source is None:
        return []
    if source.decoder is not None:
        found = [Found(name, at_us, source.decoder.close(at_us))]
        _count_skips(feed, source, source.decoder)
        del sources[name]
        return found
    if not source.held:
        del sources[name]
        return []
    source.ended = True
    return _settle(feed, sources, journal, at_us, patient=False)


def tick(feed: Feed, sources: Sources, journal: str, at_us: int) -> list[Found]:
    """A quiet minute passed. A feed that holds bytes for two of them takes the one candidate it has."""
    if not feed.held:
        return []
    feed.ticks += 1
    return _settle(feed, sources, journal, at_us, patient=True) if feed.ticks >= PATIENT_TICKS else []


def start(feed: Feed, sources: Sources, journal: str) -> list[Found]:
    """The format is known: all held bytes are read in the order they came."""
    found = []
    mine = [name for name in _of(feed, sources) if sources[name].held]
    for name in mine:
        sources[name].decoder, sources[name].skipped = _decoder(feed, journal), 0
    pieces = sorted((piece.position, name, piece) for name in mine for piece in sources[name].held)
    for position, name, piece in pieces:
        decoder = sources[name].decoder
        assert decoder is not None
        found.append(Found(name, piece.at_us, decoder.feed(piece.data, position, piece.at_us)))
    for name in mine:
        source = sources[name]
        assert source.decoder is not None
        if source.ended:
            at_us = source.held[-1].at_us
            found.append(Found(name, at_us, source.decoder.close(at_us)))
            del sources[name]
        source.held = []
        _count_skips(feed, source, source.decoder)
    feed.held = feed.retry_at = feed.ticks = 0
    return found


def set_up(feed: Feed, sources: Sources, journal: str, setting: FeedSetting, at_us: int) -> list[Found]:
    """The feed's setting, or the owner's word about its format, changed.

    If its bytes are to be read otherwise now, what its sources hold is read to the end as before.
    """
    before = (feed.format, feed.setting.options)
    feed.setting = setting
    owners = feed.confirmed if setting.format == AUTO else setting.format
    feed.format = owners or feed.format
    if (feed.format, setting.options) == before:
        _told(feed, owners)
        return []
    found = []
    for name in _of(feed, sources):
        source = sources[name]
        if source.decoder is not None:
            found.append(Found(name, at_us, source.decoder.close(at_us)))
            _count_skips(feed, source, source.decoder)
            source.decoder = None
    if feed.format != before[0]:
        feed.dialect = {}
    if _decoder(feed, journal) is None:
        feed.format = None
        return found
    _told(feed, owners)
    for name in _of(feed, sources):
        if not sources[name].held:
            sources[name].decoder, sources[name].skipped = _decoder(feed, journal), 0
    return found + start(feed, sources, journal)


def _told(feed: Feed, owners: str | None) -> None:
    """What is shown of a feed whose format the owner named."""
    if owners:
        feed.stats.format, feed.stats.sure, feed.stats.evidence = owners, True, "set by the owner"


def _of(feed: Feed, sources: Sources) -> list[str]:
    """The feed's sources by name: the order of a dict would not survive a restart."""
    return sorted(name for name, source in sources.items() if source.feed == feed.name)


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
    if feed.format is None:
        return None
    try:
        options = feed.dialect | feed.setting.options
        return Decoder(load_formats()[feed.format], options, journal=journal, stream=FEED)
    except (
        OptionError
    ) as error:  # options that do not suit what was detected: the page shows it, bytes are held
        feed.stats.evidence = f"{feed.format}: options: {error}"
        return None


def _guesses(feed: Feed, sources: Sources) -> list[Guess]:
    held = [[piece.data for piece in sources[name].held] for name in _of(feed, sources)]
    return detect([b"".join(pieces) for pieces in held if pieces])


def _decide(feed: Feed, guess: Guess) -> bool:
    feed.format, feed.dialect = guess.format, guess.options
    if _decoder(feed, "") is None:
        feed.format, feed.dialect = None, {}
        return False
    feed.stats.format, feed.stats.sure, feed.stats.evidence = guess.format, guess.sure, guess.evidence
    return True


def _settle(feed: Feed, sources: Sources, journal: str, at_us: int, *, patient: bool) -> list[Found]:
    """More bytes may never come: a single candidate is taken. Several wait for more bytes or the owner; what
    no format knows is rejected once its source has ended."""
    guesses = _guesses(feed, sources)
    guess = decide(guesses, ended=True)
    if guess and _decide(feed, guess):
        return start(feed, sources, journal)
    feed.stats.evidence = "undecided: " + (
        ", ".join(g.format for g in guesses) or "no format knows these bytes"
    )
    if guesses and not patient:
        return []
    return _undetected(feed, sources, [name for name in _of(feed, sources) if sources[name].ended])


def _overflow(feed: Feed, sources: Sources) -> list[Found]:
    """More than can be held: all of it is rejected, the journal has it."""
    return _undetected(feed, sources, [name for name in _of(feed, sources) if sources[name].held])


def _undetected(feed: Feed, sources: Sources, names: list[str]) -> list[Found]:
    found = []
    for name in names:
        source = sources[name]
        for piece in source.held:
            origin = Origin("", FEED, piece.position, len(piece.data))
            found.append(Found(name, piece.at_us, [Reject(origin, Why.UNDETECTED, feed.stats.evidence)]))
            feed.held -= len(piece.data)
        source.held = []
        if source.ended:
            del sources[name]
    if not feed.held:
        feed.retry_at = feed.ticks = 0
    return found


def _count_skips(feed: Feed, source: Source, decoder: Decoder) -> None:
    if decoder.skipped != source.skipped:
        feed.stats.skips += decoder.skipped - source.skipped
        source.skipped = decoder.skipped
