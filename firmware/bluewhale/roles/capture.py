"""The role capture: every feed but E1 into the journal, which this process alone writes."""

import asyncio
import contextlib
import logging
import resource
import signal
import time
from typing import Any

from bluewhale.capture.feeds import Feeds, first_numbers
from bluewhale.capture.kept import Keeper
from bluewhale.capture.running import Quota, Shared
from bluewhale.capture.settings import Settings
from bluewhale.capture.tally import Progress
from bluewhale.cli_common import BROKEN, OK, USAGE
from bluewhale.config import Config, ConfigError
from bluewhale.journal.committer import Committer, JournalBroken
from bluewhale.journal.server import serve
from bluewhale.journal.writer import Writer, WriterBusy, open_writer
from bluewhale.roles.heart import Heart

log = logging.getLogger("bluewhale")
BUSY_S = 5.0  # a command line writes for moments only; another capture does not go away
OWN_DESCRIPTORS = 512  # for the journal, files and the socket: not for connections
BEAT_S = 0.2
LOOK_S = 0.25  # how soon changed settings are seen
SAVE_S = 30.0
LEFT_OVER_S = 2.0  # after the start: by then every feed took the descriptors that were kept for it


def main(config: Config) -> int:
    """Runs until SIGTERM. Exit 2 for a bad configuration, 3 if the journal cannot be written."""
    try:
        writer = _opened(config)
    except WriterBusy as busy:
        log.error("%s; a box is already running on this data directory", busy)
        return BROKEN
    except OSError as error:
        log.error("the journal in %s cannot be opened: %s", config.journal_dir, error)
        return BROKEN
    try:
        return asyncio.run(_serve(config, writer))
    except ConfigError as error:
        log.error("%s", error)
        return USAGE


def _opened(config: Config) -> Writer:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return open_writer(config)
        except WriterBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


async def _serve(config: Config, writer: Writer) -> int:
    heart = Heart(config, "capture")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    committer = Committer(writer, config.journal.linger_ms)
    keeper = Keeper(heart.kept_fds(), heart.store_fd, heart.drop_fd)
    progress = Progress(config.journal_dir, config.data_dir / "capture" / "tally.json")
    shared = Shared(config.run_dir, committer, progress, keeper, Quota(_most_connections()), {})
    feeds = Feeds(shared)
    server = await serve(config, committer)
    heart.ready()
    log.info("journal %s", committer.ends.journal)
    work = [
        asyncio.create_task(_keep_settings(config, feeds, keeper)),
        asyncio.create_task(_keep_tally(progress)),
        asyncio.create_task(stop.wait()),
        asyncio.create_task(committer.broken.wait()),
    ]
    while not (done := await _wait_a_beat(work)):
        feeds.tick()
        try:
            heart.beat(_status(committer, feeds))
        except OSError as error:  # a full disk: capture goes on, the status gets old
            log.warning("%s: %s", heart.file, error.strerror)
    heart.stopping()
    for task in work:
        task.cancel()
    code = OK if stop.is_set() and not committer.broken.is_set() else BROKEN
    for task in done:
        if fault := task.exception():
            log.error("capture cannot go on: %s", fault, exc_info=fault)
            code = BROKEN
    await feeds.close()
    await server.close()
    await _close_journal(committer, progress)
    return code


async def _wait_a_beat(work: list[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Returns after a beat, with those that ended."""
    done, _ = await asyncio.wait(work, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
    return done


async def _close_journal(committer: Committer, progress: Progress) -> None:
    try:
        await committer.close()
        await progress.catch_up()
        progress.save()
    except (OSError, JournalBroken) as error:
        log.error("the journal was not closed as it should: %s", error)


async def _keep_settings(config: Config, feeds: Feeds, keeper: Keeper) -> None:
    """Starts the feeds where the journal ends, then follows the settings."""
    settings = Settings(config)
    wanted = settings.changed() or []
    await feeds.shared.progress.catch_up()
    feeds.shared.numbers.update(first_numbers(feeds.shared.progress, keeper))
    await feeds.apply(wanted)
    feeds.end_others()
    left_over = time.monotonic() + LEFT_OVER_S
    while True:
        await asyncio.sleep(LOOK_S)
        if left_over and time.monotonic() > left_over:
            keeper.close_rest()
            left_over = 0.0
        if (found := settings.changed()) is not None:
            await feeds.apply(found)


async def _keep_tally(progress: Progress) -> None:
    """Keeps the next start short."""
    saved = time.monotonic()
    while True:
        await asyncio.sleep(1.0)
        await progress.catch_up()
        if progress.due or time.monotonic() - saved > SAVE_S:
            with contextlib.suppress(OSError):  # a full disk: the next start reads more of the journal
                progress.save()
            saved = time.monotonic()


def _most_connections() -> int:
    """As many descriptors as the system lets us have, without our own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return max(64, most - OWN_DESCRIPTORS)


def _status(committer: Committer, feeds: Feeds) -> dict[str, Any]:
    ends = committer.ends
    journal = {
        "id": ends.journal, "feed": ends.feed, "owner": ends.owner, "seq": ends.seq,
        "commits": committer.durable.commits, "pending_bytes": committer.pending_bytes, "full": committer.full,
    }  # fmt: skip
    return {"journal": journal, "feeds": feeds.status()}
