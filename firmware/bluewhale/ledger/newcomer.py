"""A new source of a feed whose format was detected: the same kind of PBX, or another one?

Several PBXs may send to one port. The feed's format is the first guess: a source goes on with it as soon as one
of its records reads in it, which for an established PBX is its first. Only a source none of whose records reads is
looked at afresh, on its own bytes, and then keeps what was found for its life. Until that is settled its bytes
are kept here and nothing is said of them, so that no reject has to be taken back.
"""

from bluewhale.formats import Decoder, Guess, Item, decide, detect, load_formats
from bluewhale.ledger.sources import Feed, Found, Held, Source, count_skips, feeds_decoder
from bluewhale.model import FEED, Leg, Reject, Signal

TRIAL_BYTES = 8192  # what is read in no format by then goes on in the feed's


def look(feed: Feed, source: Source, name: str, piece: Held, journal: str) -> list[Found]:
    """More bytes of a source that is on trial; what they say, once it is settled in which format."""
    assert source.trial is not None
    source.trial.append(piece)
    decoder, found = _read(feed, source, name, journal, feed.format, feed.dialect)
    items = [item for one in found for item in one.items]
    if any(isinstance(item, Leg | Signal) for item in items):
        return _settled(feed, source, decoder, found)
    if any(isinstance(item, Reject) for item in items):
        guess = _guess(feed, source, ended=False)
        if guess:
            return _other(feed, source, name, journal, guess)
    if sum(len(piece.data) for piece in source.trial) > TRIAL_BYTES:
        return _settled(feed, source, decoder, found)
    return []


def close(feed: Feed, source: Source, name: str, journal: str, at_us: int) -> list[Found]:
    """The source ended, or the owner changed its feed, before it was settled."""
    decoder, found = _read(feed, source, name, journal, feed.format, feed.dialect)
    last = decoder.close(at_us)
    items = [item for one in found for item in one.items] + last
    guess = (
        None if any(isinstance(item, Leg | Signal) for item in items) else _guess(feed, source, ended=True)
    )
    if guess:
        found = _other(feed, source, name, journal, guess)
        assert source.decoder is not None
        decoder = source.decoder
        last = decoder.close(at_us)
    else:
        _settled(feed, source, decoder, found)
    count_skips(feed, source, decoder)
    return [*found, Found(name, at_us, last)]


def _guess(feed: Feed, source: Source, *, ended: bool) -> Guess | None:
    assert source.trial is not None
    guess = decide(detect(b"".join(piece.data for piece in source.trial)), ended=ended)
    return guess if guess and guess.format != feed.format else None


def _other(feed: Feed, source: Source, name: str, journal: str, guess: Guess) -> list[Found]:
    source.format, source.dialect = guess.format, guess.options
    decoder, found = _read(feed, source, name, journal, guess.format, guess.options)
    feed.stats.evidence = f"{feed.format}; {name} sends {guess.format}: {guess.evidence}"
    return _settled(feed, source, decoder, found)


def _settled(feed: Feed, source: Source, decoder: Decoder, found: list[Found]) -> list[Found]:
    source.trial, source.decoder = None, decoder
    count_skips(feed, source, decoder)
    return found


def _read(
    feed: Feed, source: Source, name: str, journal: str, format_name: str | None, dialect: dict[str, object]
) -> tuple[Decoder, list[Found]]:
    assert format_name is not None and source.trial is not None
    if format_name == feed.format:
        decoder = feeds_decoder(feed, journal)
        assert decoder is not None
    else:  # the feed's own options were written for its own format
        decoder = Decoder(load_formats()[format_name], dialect, journal=journal, stream=FEED)
    found: list[Found] = []
    for piece in source.trial:
        items: list[Item] = decoder.feed(piece.data, piece.position, piece.at_us)
        found.append(Found(name, piece.at_us, items))
    return decoder, found
