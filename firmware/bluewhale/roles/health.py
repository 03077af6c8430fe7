"""The role health: looks at the box twice a second, decides states and alarms, writes health.db."""

import logging
import sqlite3
import threading
import time
from typing import Any

from bluewhale.cli_common import OK
from bluewhale.config import Config
from bluewhale.health import alarms, figures, look, reads
from bluewhale.health.outbox import Outbox
from bluewhale.health.store import Store
from bluewhale.roles.heart import Heart

log = logging.getLogger("bluewhale")

LOOK_S = 0.5
WRITE_S = 1.0  # the figures are written that often when nothing else changed
MIB = 1 << 20


def main(config: Config) -> int:
    """Runs until SIGTERM."""
    heart = Heart(config, "health")
    heart.catch_signals()
    store = Store(config.health_db)
    store.keep_roles(config.roles)
    now = figures.now()
    state = look.remember(store.name, reads.read(store.db), store.standing(), config.roles, now.mono_us)
    wake = threading.Event()
    outbox = Outbox(config, store, wake)
    log.info("watches %s, %d alarms stand", ", ".join(config.roles), len(state.standing))
    next_look = written = 0.0
    ready = False
    while not heart.stop.is_set():
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + LOOK_S
            heart.beat({"feeds": len(state.feed_rows), "alarms": len(state.standing)})
            step = _look(config, store, state, time.monotonic() - written >= WRITE_S)
            written = time.monotonic() if step else written
            if not ready:
                heart.ready()
                ready = True
        outbox.step()
        wake.wait(max(0.01, next_look - time.monotonic()))
        wake.clear()
    heart.stopping()
    store.close()
    return OK


def _look(config: Config, store: Store, state: look.State, due: bool) -> bool:
    """One look; True if it was written. What could not be written is found again by the next look."""
    held = state.standing, state.feed_rows, state.role_rows
    step = look.look(state, _sight(config))
    if not (due or step.feeds or step.roles or step.gone or step.raised or step.cleared):
        return False
    try:
        store.write(step)
    except sqlite3.Error as error:  # a full disk most likely: alarms are raised once it can be said durably
        log.error("health.db cannot be written: %s", error)
        state.standing, state.feed_rows, state.role_rows = held
        return False
    for key, alarm in step.raised.items():
        log.warning("alarm %s: %s", key, alarms.text(*alarm))
    for key in step.cleared:
        log.warning("alarm %s is over", key)
    return True


def _sight(config: Config) -> look.Sight:
    statuses = {role: figures.tree(config.status_file(role)) for role in config.roles}
    settings = figures.tree(config.settings_file("health"))
    if settings is None and config.feed:  # before the ledger ran: what the file declares
        settings = {"feeds": [{"name": feed.name, "url": feed.url} for feed in config.feed]}
    box: dict[str, Any] = figures.tree(config.data_dir / "box.json") or {}
    journal = config.journal
    return look.Sight(
        now=figures.now(),
        capture=statuses.get("capture"),
        ledger=statuses.get("ledger"),
        settings=settings,
        roles={role: figures.role(status) for role, status in statuses.items()},
        kernel=figures.kernel(config),
        box=str(box["box"]) if "box" in box else None,
        keep=(journal.reserve_mb + journal.owner_share_mb + journal.segment_mb) * MIB,
    )
