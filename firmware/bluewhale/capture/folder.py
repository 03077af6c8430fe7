"""`folder:DIR`: follows the files of a folder as they grow; each file is a source, known by its inode.

How far a file was read is what the journal holds of it (tally), so a kill neither loses nor doubles a byte. A
renamed file is read on; one that was cut or written anew (its size, or the bytes before our position, say so)
begins again as a new source.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from bluewhale.capture import files
from bluewhale.capture.aside import aside
from bluewhale.capture.files import Followed, Seen
from bluewhale.capture.running import CHUNK_BYTES, Running, State
from bluewhale.capture.urls import Folder

POLL_S = 0.5
MOST_POLL_S = 30.0
SHARE = 20  # a look at the folder may take one part in twenty of the time
PATIENCE_S = 10.0  # a folder that does not answer for that long is shown as lost
LINGER_S = 30.0  # a file that was renamed or removed may still be written to
IDLE_S = 86_400  # a file not written for a day is closed, if there is a newer one
KEEP_OPEN_S = 600.0  # descriptors of files that grew are held that long,
KEEP_OPEN = 16  # and so many of them, for files that are moved out of the folder
TIDY_S = 60.0
T = TypeVar("T")


async def run(feed: Running, spec: Folder) -> None:
    """Ends only by cancellation."""
    follower = Follower(feed, spec)
    try:
        while True:
            try:
                await follower.poll()
            except OSError as error:
                feed.enter(State.LOST if feed.chunks else State.FAILED, f"{spec.directory}: {error.strerror}")
            await asyncio.sleep(min(MOST_POLL_S, max(POLL_S, SHARE * follower.look_s)))
    finally:
        follower.close()


class Follower:
    """Owns the descriptors of the files of one folder."""

    def __init__(self, feed: Running, spec: Folder) -> None:
        self.feed = feed
        self.spec = spec
        folder = str(spec.directory)
        mine = {
            name: source for name, source in feed.before.items() if source.inode and source.folder == folder
        }
        for name in feed.before:
            if name in mine:
                feed.goes_on(name)
            else:
                feed.ended("closed", name, f"the feed is {folder} now")
        self.files = files.remembered(feed.shared.progress.files_of(feed.name, folder), mine)
        self.look_s = 0.0
        self._tidied = time.monotonic()

    async def poll(self) -> None:
        """One look at the folder: reads what is new. Raises OSError."""
        seen = await self._look()
        by_inode = {entry.inode: entry for entry in sorted(seen, key=lambda entry: entry.wanted)}
        newest_ns = max((entry.mtime_ns for entry in seen if entry.wanted), default=0)
        await self._meet(seen, by_inode)
        self._enter()
        for file in sorted(self.files.values(), key=lambda file: _age(file, by_inode)):
            entry = by_inode.get(file.inode)
            if entry is not None:
                file.name = entry.name
            if _has_news(file, entry):
                await self._read(file, entry is not None and entry.wanted)
                file.stamp = entry.stamp if entry else None
            self._end_if_over(file, entry, newest_ns)
        self._tidy(by_inode)
        self._enter()

    def close(self) -> None:
        for file in self.files.values():
            file.close()
            if self.feed.for_good and file.source:
                self._end(file, self.feed.leaving)

    async def _look(self) -> list[Seen]:
        began = time.monotonic()
        seen = await self._patiently(files.look, self.spec.directory, self.spec.glob)
        self.look_s = time.monotonic() - began
        return seen

    async def _patiently(self, function: Callable[..., T], *arguments: object) -> T:
        """The function's result, however long it takes; a folder that does not answer is shown as lost."""
        task = asyncio.ensure_future(aside(function, *arguments))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
        if not done:
            self.feed.enter(State.LOST, f"{self.spec.directory}: does not answer")
        return await task

    async def _meet(self, seen: list[Seen], by_inode: dict[int, Seen]) -> None:
        """Files not met before; one that was put in the place of another and holds all of it goes on for it."""
        gone = {file.name: file for file in self.files.values() if file.inode not in by_inode}
        for entry in seen:
            if entry.inode in self.files or not entry.wanted or not entry.size:
                continue
            old = gone.get(entry.name)
            if old is not None and await self._patiently(
                files.replaces, self.spec.directory / entry.name, old
            ):
                del self.files[old.inode]
                old.close()
                old.inode, old.stamp, old.away = entry.inode, None, None
                self.files[entry.inode] = old
            else:
                self.files[entry.inode] = Followed(entry.inode, entry.name)

    async def _read(self, file: Followed, wanted: bool) -> None:
        """All there is to read now; a file that no longer has a fitting name is not begun again. Raises OSError."""
        path = self.spec.directory / file.name
        while True:
            await self.feed.room()
            piece = await self._patiently(files.read_more, file, path)
            if piece.gone:
                return
            if not piece.same:
                self._end(file, "the file was cut or written anew")
                file.position, file.tail = 0, b""
                if not wanted:
                    del self.files[file.inode]
                    file.close()
                    return
                continue
            if piece.data:
                self._take(file, piece.data)
            if len(piece.data) < CHUNK_BYTES:
                return

    def _take(self, file: Followed, data: bytes) -> None:
        if not file.source:
            folder = str(self.spec.directory)
            file.source = self.feed.opened(
                f"{folder}/{file.name}", folder=folder, file=file.name, inode=file.inode, offset=file.position
            )
        self.feed.chunk(file.source, data)
        file.took(data)
        file.grown = time.monotonic()

    def _end(self, file: Followed, detail: str) -> None:
        if file.source:
            self.feed.ended("closed", file.source, detail, file=file.name)
            file.source = ""

    def _end_if_over(self, file: Followed, entry: Seen | None, newest_ns: int) -> None:
        now = time.monotonic()
        if entry is not None and entry.wanted:
            file.away = None
            if time.time() - entry.mtime_ns / 1e9 > IDLE_S and entry.mtime_ns < newest_ns:
                self._end(file, "not written for a day")
                file.close()
            return
        if file.away is None:
            file.away = now
        if now - max(file.away, file.grown) >= LINGER_S:
            self._end(file, "renamed" if entry is not None else "deleted or moved away")
            file.close()

    def _tidy(self, by_inode: dict[int, Seen]) -> None:
        """Closes descriptors that are not needed, forgets files that are no more."""
        now = time.monotonic()
        held = sorted((f for f in self.files.values() if f.descriptor is not None), key=lambda f: -f.grown)
        for at, file in enumerate(held):
            if at >= KEEP_OPEN or now - file.grown > KEEP_OPEN_S:
                file.close()
        if now - self._tidied < TIDY_S:
            return
        self._tidied = now
        for file in list(self.files.values()):
            if file.inode not in by_inode and not file.source and file.descriptor is None:
                del self.files[file.inode]
        self.feed.shared.progress.forget_files(self.feed.name, str(self.spec.directory), set(by_inode))

    def _enter(self) -> None:
        self.feed.connections = sum(1 for file in self.files.values() if file.source)
        self.feed.enter(State.OPEN, f"{self.feed.connections} files are followed")


def _age(file: Followed, by_inode: dict[int, Seen]) -> tuple[int, str]:
    """Older files first, so that calls come in their order. One whose name is gone is older than all."""
    entry = by_inode.get(file.inode)
    return (entry.mtime_ns if entry else 0, file.name)


def _has_news(file: Followed, entry: Seen | None) -> bool:
    if entry is not None:
        return entry.stamp != file.stamp
    return file.descriptor is not None
