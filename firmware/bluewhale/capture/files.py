"""Looking at a folder and reading its files. These calls may hang with the file system: see `aside`."""

import fnmatch
import os
import stat
from pathlib import Path
from typing import NamedTuple

import msgspec

from bluewhale.capture.running import CHUNK_BYTES
from bluewhale.capture.tally import TAIL_BYTES, Source

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")


class Seen(NamedTuple):
    """A file as the folder shows it. `wanted`: its name fits the feed's pattern."""

    name: str
    inode: int
    size: int
    mtime_ns: int
    wanted: bool

    @property
    def stamp(self) -> tuple[int, int]:
        return self.size, self.mtime_ns


class Followed(msgspec.Struct):
    """A file we read. `source` "" while none is open; `tail`: the last bytes before `position`; `stamp`: size and time
    when it was last read to its end; `grown`, `away`: monotonic seconds, when it last grew, since when its name is gone."""

    inode: int
    name: str
    source: str = ""
    position: int = 0
    tail: bytes = b""
    descriptor: int | None = None
    stamp: tuple[int, int] | None = None
    grown: float = 0.0
    away: float | None = None

    def took(self, data: bytes) -> None:
        self.position += len(data)
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Piece(NamedTuple):
    """What a read found. `same`: the file goes on where we stopped; else it was cut or written anew, or is gone."""

    same: bool
    data: bytes = b""
    gone: bool = False


def look(directory: Path, glob: str) -> list[Seen]:
    """All regular files of a folder. Raises OSError if it cannot be read."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                status = entry.stat()
            except OSError:  # deleted just now, or a link to nowhere
                continue
            if stat.S_ISREG(status.st_mode):
                wanted = is_wanted(entry.name, glob)
                found.append(Seen(entry.name, status.st_ino, status.st_size, status.st_mtime_ns, wanted))
    return found


def is_wanted(name: str, glob: str) -> bool:
    """Hidden files (half-copied ones) and compressed ones only if the pattern says so."""
    if name.startswith(".") and not glob.startswith("."):
        return False
    if name.endswith(COMPRESSED) and not glob.endswith(COMPRESSED):
        return False
    return fnmatch.fnmatchcase(name, glob)


def read_more(file: Followed, path: Path) -> Piece:
    """The next bytes of a file, opened if need be. Raises OSError."""
    if file.descriptor is None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return Piece(False, gone=True)
        file.descriptor = descriptor
    status = os.fstat(file.descriptor)
    if status.st_ino != file.inode or not stat.S_ISREG(status.st_mode):
        file.close()
        return Piece(False, gone=True)
    if not goes_on(file.descriptor, status.st_size, file.position, file.tail):
        return Piece(False)
    return Piece(True, os.pread(file.descriptor, CHUNK_BYTES, file.position))


def goes_on(descriptor: int, size: int, position: int, tail: bytes) -> bool:
    """Whether a file still has, before `position`, what was read there. Raises OSError."""
    if size < position:
        return False
    return not tail or os.pread(descriptor, len(tail), position - len(tail)) == tail


def replaces(path: Path, file: Followed) -> bool:
    """Whether the file at `path` holds all that was read of another and was put in its place. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        return bool(file.tail) and goes_on(descriptor, size, file.position, file.tail)
    finally:
        os.close(descriptor)


def remembered(closed: dict[str, Source], open_now: dict[str, Source]) -> dict[int, Followed]:
    """The files a feed read before, by inode, as the journal knows them. Later sources say more about a file."""
    files: dict[int, Followed] = {}
    for _, source in sorted(closed.items(), key=lambda pair: number_of(pair[0])):
        files[source.inode] = Followed(source.inode, source.file or "", "", source.position, source.tail)
    for name, source in sorted(open_now.items(), key=lambda pair: number_of(pair[0])):
        files[source.inode] = Followed(source.inode, source.file or "", name, source.position, source.tail)
    return files


def number_of(source: str) -> int:
    number = source.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0
