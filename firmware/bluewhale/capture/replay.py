"""`replay:FILE`: plays a file into the journal as a PBX would, once. After a restart it goes on where it was."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from bluewhale.capture.aside import aside
from bluewhale.capture.running import CHUNK_BYTES, Running, State
from bluewhale.capture.urls import Replay

RETRY_S = 2.0
STEP_S = 0.05  # lines of that time go together


async def run(feed: Running, spec: Replay) -> None:
    """Ends when the file was played."""
    if feed.shared.progress.tally.played.get(feed.name) == feed.setting.url:
        feed.enter(State.OFF, "played")
        return
    source, position = _take_over(feed, spec)
    while True:
        try:
            descriptor = await aside(_open, spec.file, position)
            break
        except OSError as error:
            feed.enter(State.FAILED, f"{spec.file}: {error.strerror}")
            await asyncio.sleep(RETRY_S)
    try:
        source = source or feed.opened(str(spec.file), file=spec.file.name)
        feed.connections = 1
        feed.enter(State.OPEN, "playing")
        await _play(feed, spec, source, descriptor)
        feed.ended("closed", source, "played", played=feed.setting.url)
        source = ""
        feed.enter(State.OFF, "played")
    finally:
        feed.connections = 0
        os.close(descriptor)
        if source and feed.for_good:
            feed.ended("closed", source, feed.leaving)


def _take_over(feed: Running, spec: Replay) -> tuple[str, int]:
    """The source that was being played before our restart, and how far."""
    found = ("", 0)
    for name, source in feed.before.items():
        if source.file == spec.file.name and not source.inode and not found[0]:
            found = (name, source.position)
            feed.goes_on(name)
        else:
            feed.ended("lost", name, "capture was restarted")
    return found


def _open(file: Path, position: int) -> int:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    os.lseek(descriptor, position, os.SEEK_SET)
    return descriptor


async def _play(feed: Running, spec: Replay, source: str, descriptor: int) -> None:
    due = time.monotonic()
    while True:
        await feed.room()
        data = await aside(os.read, descriptor, CHUNK_BYTES)
        if not data:
            return
        for part, count in parts(data, spec.rate):
            await feed.room()
            feed.chunk(source, part)
            if spec.rate:
                due = max(due, time.monotonic() - 1.0) + count / spec.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))


def parts(data: bytes, rate: int) -> Iterator[tuple[bytes, int]]:
    """Pieces to send at once, and how many lines each ends: those of STEP_S, or everything without a rate."""
    if not rate:
        yield data, data.count(b"\n")
        return
    most = max(1, int(rate * STEP_S))
    start = 0
    while start < len(data):
        stop, lines = start, 0
        while lines < most and stop < len(data):
            found = data.find(b"\n", stop)
            stop = found + 1 if found >= 0 else len(data)
            lines += found >= 0
        yield data[start:stop], lines
        start = stop
