"""A start of the writer: the lock, which journal it is, what was found, and the mark that says so."""

import fcntl
import logging
import os
from importlib.metadata import version
from pathlib import Path

import msgspec

from bluewhale.journal import identity as identities
from bluewhale.journal.durable import Durable
from bluewhale.journal.format import NO_JOURNAL, STREAMS
from bluewhale.journal.recover import Found
from bluewhale.journal.segments import listing, open_segment
from bluewhale.journal.space import FULL

log = logging.getLogger("bluewhale")
MARK_SOURCE = "capture"
TERM = 1  # of a standby pair: who writes; one box writes in term 1 for ever


class WriterBusy(Exception):
    """Another process writes this journal; the text names its pid."""


class Opened(msgspec.Struct, frozen=True):
    """What the start found. `new`: this journal id begins here; byte counts by stream."""

    journal: str
    follows: str
    new: bool
    cut: dict[str, int]
    damaged: dict[str, int]
    lost: dict[str, int]


def take_lock(directory: Path) -> int:
    """The descriptor that holds `journal/lock`; our pid is written into it. Raises WriterBusy."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise WriterBusy(f"process {pid} writes the journal in {directory}") from None
    identities.adopt(descriptor, directory)
    try:
        os.pwrite(descriptor, f"{os.getpid():<19}\n".encode(), 0)
    except OSError as error:
        if error.errno not in FULL:
            os.close(descriptor)
            raise
        log.warning("%s: no space to note our pid", directory / "lock")
    return descriptor


def identify(
    directory: Path, box: str, published: Durable | None, follows: str | None
) -> tuple[identities.Identity, bool]:
    """The journal's identity, and whether it is a new one: the first here, or the directory is a copy."""
    known = identities.read(directory)
    if known is not None and identities.is_genuine(directory, known, box):
        return known, False
    before = follows or newest_journal(directory)
    if before == NO_JOURNAL:
        before = known.journal if known else published.journal if published else NO_JOURNAL
    identity = identities.make(directory, box, before)
    if before != NO_JOURNAL:
        log.warning(
            "journal %s begins here and follows %s (a copy or a restored box)", identity.journal, before
        )
    return identity, True


def newest_journal(directory: Path) -> str:
    """The journal of the newest segment whose header can be read."""
    newest = (0, NO_JOURNAL)
    for stream in STREAMS:
        for named in listing(directory, stream)[-1:]:
            with open_segment(named) as segment:
                if segment.header is not None:
                    newest = max(newest, (segment.header.first_seq, segment.header.journal))
    return newest[1]


def report(identity: identities.Identity, new: bool, found: dict[str, Found]) -> Opened:
    opened = Opened(
        identity.journal, identity.follows, new,
        cut={stream: f.cut for stream, f in found.items()},
        damaged={stream: f.damaged for stream, f in found.items()},
        lost={stream: f.lost for stream, f in found.items()},
    )  # fmt: skip
    for stream in STREAMS:
        if opened.cut[stream] or opened.damaged[stream] or opened.lost[stream]:
            log.warning(
                "journal %s: %d bytes of torn tail cut, %d damaged, %d published bytes lost",
                stream, opened.cut[stream], opened.damaged[stream], opened.lost[stream],
            )  # fmt: skip
    return opened


def start_mark(opened: Opened) -> bytes:
    """The payload of a start's MARK: which journal writes from here on, and what the start found."""
    body: dict[str, object] = {
        "event": "start", "term": TERM, "active": True, "journal": opened.journal, "follows": opened.follows,
        "version": version("bluewhale"),
    }  # fmt: skip
    for name, sizes in (("cut", opened.cut), ("damaged", opened.damaged), ("lost", opened.lost)):
        if any(sizes.values()):
            body[name] = sizes
    return msgspec.json.encode(body)
