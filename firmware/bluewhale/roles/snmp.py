"""The role snmp: answers managers from health.db, and tells receivers of each alarm once."""

import asyncio
import importlib.metadata
import logging
import platform
import signal
import socket
import sqlite3
import time
from typing import Any

from bluewhale.cli_common import BROKEN, OK, USAGE
from bluewhale.config import Config
from bluewhale.roles.heart import Heart
from bluewhale.snmp import keys, settings
from bluewhale.snmp.agent import Agent
from bluewhale.snmp.notify import Notifier, Sent
from bluewhale.snmp.objects import System
from bluewhale.snmp.source import Source

log = logging.getLogger("bluewhale")

TICK_S = 0.5


def main(config: Config) -> int:
    """Runs until SIGTERM. Exit 2 for an address that is none, 3 when it cannot be had."""
    try:
        host, port = _listen_address(config.snmp.listen)
    except ValueError as error:
        log.error("[snmp] listen: %s", error)
        return USAGE
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listen = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listen.bind((host, port))
    except OSError as error:
        log.error("cannot listen on %s: %s", config.snmp.listen, error.strerror)
        return BROKEN
    listen.setblocking(False)
    try:
        engine = keys.start(config)
    except keys.KeyFault as fault:
        log.error("%s", fault)
        return BROKEN
    return asyncio.run(_serve(config, engine, listen))


def _listen_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) < 65536:
        raise ValueError(f"not HOST:PORT: {text}")
    return host.strip("[]") or "0.0.0.0", int(port)


def system(config: Config) -> System:
    version = importlib.metadata.version("bluewhale")
    description = (
        f"Bluewhale {version} call accounting, {platform.system()} {platform.release()} {platform.machine()}"
    )
    name = config.snmp.name or socket.gethostname()
    started = time.monotonic_ns() // 1000
    return System(version, description, config.snmp.contact, name, config.snmp.location, started)


async def _serve(config: Config, engine: keys.Engine, listen: socket.socket) -> int:
    heart = Heart(config, "snmp")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    source = Source(config.health_db, system(config))
    agent = Agent(engine, source, listen, config.snmp.community)
    notifier = Notifier(agent, Sent(config.data_dir / "snmp" / "sent"))
    owners = Owners(config, engine.id, agent, notifier)
    bound = listen.getsockname()
    address = f"[{bound[0]}]:{bound[1]}" if listen.family == socket.AF_INET6 else f"{bound[0]}:{bound[1]}"
    log.info("answers on %s, engine id %s, boot %d", address, engine.id, engine.boots)
    owners.refresh()
    heart.ready()
    while not stop.is_set():
        owners.refresh()
        _notify(source, notifier, owners)
        agent.tidy()
        heart.beat(_status(address, engine, agent, notifier, owners))
        try:
            await asyncio.wait_for(stop.wait(), TICK_S)
        except TimeoutError:
            continue
    heart.stopping()
    agent.close()
    notifier.close()
    source.close()
    return OK


class Owners:
    """What the owner set, read again when a file changed."""

    def __init__(self, config: Config, engine_id: str, agent: Agent, notifier: Notifier) -> None:
        self.config = config
        self.engine_id = engine_id
        self.agent = agent
        self.notifier = notifier
        self.stamp: tuple[Any, ...] = ()
        self.receivers: list[settings.Receiver] = []

    def refresh(self) -> None:
        stamp = settings.stamp(self.config)
        if stamp == self.stamp:
            return
        try:
            tree = settings.read(self.config)
            users, faults = settings.users(self.config, tree, self.engine_id)
            self.receivers, more = settings.receivers(self.config, tree)
        except (OSError, ValueError) as error:  # half-made or unreadable: what was in force stays
            log.warning("SNMP settings cannot be read: %s", error)
            return
        self.stamp = stamp
        for fault in (*faults, *more):
            log.warning("%s", fault)
        self.agent.set_users(users)
        if tree:
            self.notifier.sent.keep([receiver["name"] for receiver in tree.get("receivers", [])])


def _notify(source: Source, notifier: Notifier, owners: Owners) -> None:
    db = source.open()
    if db is None:
        return
    try:
        notifier.send(db, owners.receivers)
    except sqlite3.Error as error:
        log.warning("health.db cannot be read now: %s", error)


def _status(
    address: str, engine: keys.Engine, agent: Agent, notifier: Notifier, owners: Owners
) -> dict[str, Any]:
    return {
        "listen": address,
        "engine_id": engine.id,
        "boots": engine.boots,
        "users": sorted(agent.users),
        "receivers": [receiver.name for receiver in owners.receivers],
        "requests": agent.requests,
        "refused": agent.refused,
        "faults": agent.faults,
        "traps": notifier.traps,
    }
