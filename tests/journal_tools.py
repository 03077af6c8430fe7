"""What the journal's tests share: a clock that is set by hand, small journals, damage."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bluewhale.clock import Stamp
from bluewhale.journal import reader
from bluewhale.journal.compress import compress
from bluewhale.journal.format import STREAMS, Damage
from bluewhale.journal.manifest import read
from bluewhale.journal.writer import Writer
from bluewhale.model import Record

BOX = "0123456789abcdef"
MEMORY = Path("/dev/shm")  # fdatasync costs nothing there; property tests write thousands of journals


class HandClock:
    """A clock that moves 1 ms at each look, and by hand."""

    def __init__(self) -> None:
        self.real_us = 1_790_000_000_000_000
        self.mono_us = 5_000_000
        self.boot = "00112233aabbccdd"
        self.synced = True

    def __call__(self) -> Stamp:
        self.pass_us(1000)
        return Stamp(self.real_us, self.mono_us, self.boot, self.synced)

    def pass_us(self, us: int) -> None:
        self.real_us += us
        self.mono_us += us


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A directory in memory where there is one."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


def open_small(directory: Path, segment_bytes: int = 1 << 20, clock: HandClock | None = None) -> Writer:
    """A writer without a reserve and a share, so that no disk is too small for it."""
    return Writer(
        directory, box=BOX, segment_bytes=segment_bytes, reserve_bytes=0, owner_share_bytes=0,
        clock=clock or HandClock(),
    )  # fmt: skip


def everything(directory: Path) -> list[Record | Damage]:
    return list(reader.merged(directory, {}, reader.ends(directory)))


def sound(directory: Path) -> list[Record]:
    """All records of a journal that must have no damage."""
    found = everything(directory)
    assert not [item for item in found if isinstance(item, Damage)]
    return [item for item in found if isinstance(item, Record)]


def compress_closed(directory: Path) -> int:
    """Compresses every closed segment; returns how many."""
    count = 0
    for stream in STREAMS:
        for line in read(directory, stream)[0]:
            plain = directory / stream / f"{line.start:020d}.seg"
            if plain.exists():
                compress(plain, line.end)
                count += 1
    return count


def segment_files(directory: Path) -> Iterator[Path]:
    return itertools.chain.from_iterable(sorted((directory / stream).glob("*.seg*")) for stream in STREAMS)


def flip(path: Path, at: int, bits: int = 0x01) -> None:
    """Changes one byte of a file."""
    with path.open("r+b") as handle:
        handle.seek(at)
        byte = handle.read(1)[0]
        handle.seek(at)
        handle.write(bytes([byte ^ bits]))
