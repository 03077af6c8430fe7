"""How far each source's bytes are in the journal: a fold over it, so that it can never claim more than is there.

A followed file goes on at its tally, a TCP connection that outlived us skips what the tally counts. The fold is
saved now and then with the position it read to, so that a start reads only what was written since.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.journal.format import Damage
from bluewhale.journal.identity import write_file
from bluewhale.journal.reader import ends, records
from bluewhale.model import FEED, Kind, Record

TAIL_BYTES = 64
SLICE = 500  # records folded before others get a turn
SAVE_BYTES = 16 << 20  # of the journal, after which a save is due even if it is not time yet


class Source(msgspec.Struct, omit_defaults=True):
    """A source that was opened. `size` bytes came from it, the last of them are `tail`. For files: `folder` and the name
    `file` it had, `offset` where in it the source began. `declared`: what its `open` told of a feed of bluewhale.toml."""

    size: int = 0
    tail: bytes = b""
    folder: str | None = None
    file: str | None = None
    inode: int = 0
    offset: int = 0
    declared: dict[str, Any] | None = None

    @property
    def position(self) -> int:
        """Of a file: how far it was read."""
        return self.offset + self.size


class Found(msgspec.Struct, frozen=True):
    """The settings that were found on a serial line set to `baud=auto`."""

    device: str
    baud: int
    framing: str
    sure: bool = False


class Tally(msgspec.Struct):
    """`position`: how far the stream was read. `numbers`: the highest connection number of each feed. `open`, `files`:
    sources by name, those that are open and files that were read and closed. `played`: feed -> replay URL at its end.
    `found`: feed -> what its line is set to, while it does not hunt."""

    position: int = 0
    numbers: dict[str, int] = {}
    open: dict[str, Source] = {}
    files: dict[str, Source] = {}
    played: dict[str, str] = {}
    found: dict[str, Found] = {}


class _Link(msgspec.Struct):
    event: str
    folder: str | None = None
    file: str | None = None
    inode: int = 0
    offset: int = 0
    declared: dict[str, Any] | None = None
    played: str | None = None
    hunting: bool | None = None
    device: str = ""
    baud: int = 0
    framing: str = ""
    sure: bool = False


_link = msgspec.json.Decoder(_Link)


def fold(tally: Tally, record: Record) -> None:
    """One record more; `tally` is changed in place."""
    if record.kind is Kind.CHUNK:
        source = tally.open.get(record.source)
        if source is None:
            source = _begin(tally, record.source, Source())
        source.size += len(record.payload)
        source.tail = (source.tail + record.payload[-TAIL_BYTES:])[-TAIL_BYTES:]
    elif record.kind is Kind.LINK:
        _fold_link(tally, record)
    tally.position = record.position + record.size


def _fold_link(tally: Tally, record: Record) -> None:
    try:
        link = _link.decode(record.payload)
    except msgspec.DecodeError:
        return  # not of our making
    if link.event == "open":
        known = tally.open.get(record.source)
        if known is not None:  # told again, with other settings
            known.declared = link.declared
            return
        source = Source(
            folder=link.folder, file=link.file, inode=link.inode, offset=link.offset, declared=link.declared
        )
        _begin(tally, record.source, source)
    elif link.event == "settings" and link.hunting is not None:
        tally.found.pop(feed_of(record.source), None)
        if not link.hunting:
            tally.found[feed_of(record.source)] = Found(link.device, link.baud, link.framing, link.sure)
    elif link.event in ("closed", "lost"):
        ended = tally.open.pop(record.source, None)
        if ended is not None and ended.inode:
            tally.files[record.source] = ended
        if link.played is not None:
            tally.played[feed_of(record.source)] = link.played


def _begin(tally: Tally, name: str, source: Source) -> Source:
    feed, _, number = name.rpartition("/")
    if number.isdecimal():
        tally.numbers[feed] = max(tally.numbers.get(feed, 0), int(number))
    tally.open[name] = source
    return source


def feed_of(source: str) -> str:
    """The feed's name in a source's: FEED/NUMBER."""
    return source.rpartition("/")[0] or source


class Progress:
    """The tally of a journal directory, kept up with it; `file` is where it is saved. Raises OSError throughout."""

    def __init__(self, journal: Path, file: Path) -> None:
        self.journal = journal
        self.file = file
        self.tally = _load(file)
        self._busy = asyncio.Lock()
        end = ends(journal).feed
        if self.tally.position > end:  # an older journal was put back
            self.tally = Tally()
        self._saved = self.tally.position

    async def catch_up(self) -> Tally:
        """Folds what became durable since."""
        async with self._busy:
            end = ends(self.journal).feed
            found = records(self.journal, FEED, self.tally.position, end)
            for count, record in enumerate(found, start=1):
                if isinstance(record, Damage):
                    self.tally.position = record.position + record.size
                else:
                    fold(self.tally, record)
                if count % SLICE == 0:
                    await asyncio.sleep(0)
            return self.tally

    @property
    def due(self) -> bool:
        return self.tally.position - self._saved >= SAVE_BYTES

    def save(self) -> None:
        if self.tally.position != self._saved:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.file, msgspec.json.encode(self.tally))
            self._saved = self.tally.position

    def sources_of(self, feed: str) -> dict[str, Source]:
        """The feed's sources that are open in the journal."""
        return {name: source for name, source in self.tally.open.items() if feed_of(name) == feed}

    def files_of(self, feed: str, folder: str) -> dict[str, Source]:
        """Files of a folder that the feed read and closed."""
        mine = (pair for pair in self.tally.files.items() if feed_of(pair[0]) == feed)
        return {name: source for name, source in mine if source.folder == folder}

    def forget_files(self, feed: str, folder: str, but: set[int]) -> None:
        """Closed files that are gone from their folder: their inode may come back as another file."""
        for name, source in self.files_of(feed, folder).items():
            if source.inode not in but:
                del self.tally.files[name]


def _load(file: Path) -> Tally:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Tally)
    except (FileNotFoundError, msgspec.DecodeError):  # then the journal is read from its beginning
        return Tally()
