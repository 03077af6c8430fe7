"""All feeds of the box: started, changed and stopped as the settings say, each without touching its neighbours."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bluewhale.capture import connect, folder, listen, replay, serial_line, urls
from bluewhale.capture.kept import SERIAL, SOURCE, Keeper
from bluewhale.capture.running import Running, Setting, Shared, State
from bluewhale.capture.tally import Progress, feed_of
from bluewhale.journal.committer import JournalBroken
from bluewhale.model import Kind

log = logging.getLogger("bluewhale")
AGAIN_S = 5.0  # after a fault of ours in a feed's task
MOST_NAME = 64  # bytes; the name stands in every record of the feed
RUNNERS: dict[type, Callable[[Running, Any], Awaitable[None]]] = {
    urls.Serial: serial_line.run,
    urls.Listen: listen.run,
    urls.Connect: connect.run,
    urls.Folder: folder.run,
    urls.Replay: replay.run,
}


def first_numbers(progress: Progress, keeper: Keeper) -> dict[str, int]:
    """The highest connection number of each feed: of the journal, and of connections whose `open` did not get there."""
    numbers = dict(progress.tally.numbers)
    for name in keeper.names(SOURCE) + [key.partition("\n")[0] for key in keeper.names(SERIAL)]:
        feed, _, number = name.rpartition("/")
        if number.isdecimal():
            numbers[feed] = max(numbers.get(feed, 0), int(number))
    return numbers


class Feeds:
    """Owns the feeds' tasks."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def apply(self, settings: list[Setting]) -> None:
        """Makes what runs what is wanted. Raises JournalBroken, OSError (the journal cannot be read)."""
        wanted = {setting.name: setting for setting in settings}
        gone = [name for name in self.running if not _same(self.running[name].setting, wanted.get(name))]
        for name in gone:
            why = "settings changed" if name in wanted else "feed removed"
            await self._stop(name, why, for_good=True)
            await self._settle(name, why)
        new = [setting for setting in wanted.values() if setting.name not in self.running]
        if new:
            await self.shared.progress.catch_up()
        for setting in new:
            self._start(setting)
        for name, setting in wanted.items():
            feed = self.running[name]
            if feed.setting != setting:
                feed.setting = setting
                if feed.changed is not None:
                    feed.changed()

    def end_others(self) -> None:
        """After the first `apply`: sources that are open in the journal and whose feed is no more."""
        for source in self.shared.progress.tally.open:
            name = feed_of(source)
            if name not in self.running:
                Running(Setting(name, ""), self.shared, {}).ended("closed", source, "feed removed")

    def tick(self) -> None:
        """Once a second: line errors and refusals that are not told yet."""
        for feed in self.running.values():
            if feed.each_second is not None:
                feed.each_second()
            feed.tell()

    async def close(self) -> None:
        """Stops all; they go on at the next start."""
        for name in list(self.running):
            await self._stop(name, "capture stopped", for_good=False)

    def status(self) -> list[dict[str, Any]]:
        return [self.running[name].status() for name in sorted(self.running)]

    def _start(self, setting: Setting) -> None:
        feed = Running(setting, self.shared, self.shared.progress.sources_of(setting.name))
        self.running[setting.name] = feed
        task = asyncio.get_running_loop().create_task(self._keep(feed), name=f"feed {setting.name}")
        self._tasks[setting.name] = task

    async def _stop(self, name: str, why: str, *, for_good: bool) -> None:
        feed, task = self.running.pop(name), self._tasks.pop(name)
        feed.leaving, feed.for_good = why, for_good
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: %s", name, error, exc_info=error)
        try:
            feed.tell(now=True)
        except JournalBroken:
            log.warning("%s: what it counted last is not told: the journal is broken", name)

    async def _settle(self, name: str, why: str) -> None:
        """Returns when all that a feed told so far is durable, and so in the tally's reach."""
        body = {"event": "settings", "feed": name, "source": name, "detail": why}
        await self.shared.sink.append(Kind.LINK, name, msgspec.json.encode(body))

    async def _keep(self, feed: Running) -> None:
        """A feed's task. It ends when the feed has nothing more to do, or the journal is broken."""
        spec = self._spec(feed)
        if spec is None:
            return
        while True:
            try:
                await RUNNERS[type(spec)](feed, spec)
                return
            except JournalBroken:
                return  # the role sees it too, and ends
            except Exception as error:  # a fault of ours must not stop the other feeds
                log.exception("feed %s", feed.name)
                feed.enter(State.FAILED, f"a fault in capture, see the log: {error}")
            await asyncio.sleep(AGAIN_S)
            await self._settle(feed.name, "after a fault in capture")
            await self.shared.progress.catch_up()
            feed.before = self.shared.progress.sources_of(feed.name)

    def _spec(self, feed: Running) -> urls.Spec | None:
        """What the feed's URL means; None if the feed is off or cannot be used, which its status says."""
        why = ""
        if not 0 < len(feed.name.encode()) <= MOST_NAME:
            feed.enter(State.FAILED, f"a feed's name has 1 to {MOST_NAME} bytes")
            return None
        if feed.setting.enabled:
            try:
                urls.parse_allow(feed.setting.allow)
                return urls.parse(feed.setting.url)
            except urls.UrlError as error:
                why = str(error)
        for source in feed.before:
            feed.ended("closed", source, why or "feed switched off")
        if why:
            feed.enter(State.FAILED, why)
            feed.note("settings", why)
        else:
            feed.enter(State.OFF)
        return None


def _same(now: Setting, wanted: Setting | None) -> bool:
    """Whether a running feed can go on with the new setting."""
    if wanted is None or (now.url, now.enabled, now.declared) != (
        wanted.url,
        wanted.enabled,
        wanted.declared,
    ):
        return False
    try:
        urls.parse_allow(wanted.allow)
    except urls.UrlError:
        return False
    return now.allow == wanted.allow or wanted.url.startswith("tcp-listen:")
