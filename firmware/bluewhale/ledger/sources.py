"""What the fold remembers of feeds and of their sources, and how it is saved between two steps."""

from typing import NamedTuple

import msgspec

from bluewhale.formats import Decoder, Item, OptionError, load_formats
from bluewhale.ledger.owner_fold import FeedSetting
from bluewhale.model import FEED, FeedStats


class Held(msgspec.Struct, array_like=True):
    position: int  # of data[0]
    at_us: int
    data: bytes


class Source(msgspec.Struct):
    """One connection of a feed. `decoder` None: its bytes are held until its format is known."""

    feed: str
    decoder: Decoder | None = None
    held: list[Held] = []
    trial: list[Held] | None = None  # what came while it is not settled whether it sends in the feed's format
    format: str | None = None  # its own format and dialect, where it is another kind of PBX than the feed's
    dialect: dict[str, object] = {}
    ended: bool = False  # closed while its bytes are held
    skipped: int = 0  # what the decoder skipped when last asked


class SavedSource(msgspec.Struct, omit_defaults=True):
    feed: str
    decoder: dict[str, object] | None = None
    held: list[Held] = []
    trial: list[Held] | None = None
    format: str | None = None
    dialect: dict[str, object] = {}
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


def save(source: Source) -> SavedSource:
    state = source.decoder.state() if source.decoder else None
    return SavedSource(
        source.feed, state, source.held, source.trial, source.format, source.dialect, source.ended
    )


def restore(saved: SavedSource, feed: Feed, journal: str) -> Source:
    """The inverse of save, with the feed's format and options as they were then. Raises OptionError."""
    decoder = None
    if saved.decoder is not None:
        name = saved.format or feed.format
        assert name is not None, f"{feed.name} has a decoder and no format"
        options = saved.dialect if saved.format else feed.dialect | feed.setting.options
        fmt = load_formats()[name]
        decoder = Decoder(fmt, options, saved.decoder, journal=journal, stream=FEED)
    return Source(
        saved.feed,
        decoder,
        saved.held,
        saved.trial,
        saved.format,
        saved.dialect,
        saved.ended,
        skipped=decoder.skipped if decoder else 0,
    )


def feeds_decoder(feed: Feed, journal: str) -> Decoder | None:
    """A decoder for a source of the feed; None while its format is not known, or with options it has not."""
    """A decoder in the feed's format; None while it has none, or its options do not suit it."""
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


def of_feed(feed: Feed, sources: Sources) -> list[str]:
    """The feed's sources by name: the order of a dict would not survive a restart."""
    return sorted(name for name, source in sources.items() if source.feed == feed.name)


def count_skips(feed: Feed, source: Source, decoder: Decoder) -> None:
    feed.stats.skips += decoder.skipped - source.skipped
    source.skipped = decoder.skipped
