"""Notifications: what health.db's next events say to each receiver, as SNMPv2 traps, once.

Each receiver has its own mark (the last event sent to it) in DATA/snmp/sent.db, written right after the packet
left. A crash just between the two sends that event again; it bears the same bwEventNumber and bwEventId. UDP
answers nothing: what the network drops is lost, but stays in the alarm table.
"""

import logging
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple

from pyasn1.codec.ber import encoder
from pysnmp.error import PySnmpError
from pysnmp.proto import rfc1902
from pysnmp.proto.api import v2c

from bluewhale.health import alarms, reads
from bluewhale.snmp import oids
from bluewhale.snmp.agent import Agent
from bluewhale.snmp.objects import EVENTS, SEVERITIES
from bluewhale.snmp.oids import Oid
from bluewhale.snmp.values import COUNTER64, DATE, OID, TEXT, TICKS, name

log = logging.getLogger("bluewhale")

FEED_LOST, FEED_BACK, RAISED, CLEARED = ((*oids.NOTIFICATIONS, n) for n in (1, 2, 3, 4))
MOST = 50  # events a receiver gets at one go


EVENT_OBJECTS = (
    ("bwEventNumber", COUNTER64),
    ("bwEventId", TEXT),
    ("bwEventTime", DATE),
    ("bwEventKind", EVENTS),
    ("bwEventKey", TEXT),
    ("bwEventWhat", TEXT),
    ("bwEventSeverity", SEVERITIES),
    ("bwEventText", TEXT),
    ("bwEventFeed", TEXT),
)


class Receiver(NamedTuple):
    """Where to: `user` (v3 authPriv) or `community` (v2c), the other is None."""

    name: str
    host: str
    port: int
    user: str | None
    community: str | None


class Sent:
    """Owns sent.db: receiver -> the number of the last event it was sent, and in which health.db."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(file, timeout=5.0, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS receiver (name TEXT PRIMARY KEY, health TEXT NOT NULL, seq INTEGER NOT NULL)"
        )

    def mark(self, receiver: str, health: str, last: int) -> int:
        """The last event sent. A new receiver begins with what comes next; a new health.db at its start."""
        row = self.db.execute("SELECT health, seq FROM receiver WHERE name = ?", [receiver]).fetchone()
        if row and row[0] == health:
            return int(row[1])
        seq = 0 if row else last
        self.advance(receiver, health, seq)
        return seq

    def advance(self, receiver: str, health: str, seq: int) -> None:
        self.db.execute("INSERT OR REPLACE INTO receiver VALUES (?, ?, ?)", [receiver, health, seq])

    def keep(self, receivers: list[str]) -> None:
        """Forgets receivers that are no more: added again, one begins anew."""
        marks = ", ".join("?" * len(receivers))
        self.db.execute(f"DELETE FROM receiver WHERE name NOT IN ({marks})", receivers)

    def close(self) -> None:
        self.db.close()


class Notifier:
    """Owns the sending sockets and the marks."""

    def __init__(self, agent: Agent, sent: Sent) -> None:
        self.agent = agent
        self.sent = sent
        self.sockets: dict[int, socket.socket] = {}
        self.traps = 0
        self.failing: set[str] = set()

    def send(self, db: sqlite3.Connection, receivers: list[Receiver]) -> None:
        """Sends to each receiver what it has not been sent. A receiver that cannot be reached waits."""
        row = db.execute("SELECT health FROM box").fetchone() if receivers else None
        if row is None:
            return
        health, last = str(row[0]), reads.last_event(db)
        for receiver in receivers:
            mark = self.sent.mark(receiver.name, health, last)
            for event in reads.events(db, mark, MOST) if mark < last else []:
                if not self._deliver(receiver, health, event):
                    break
                self.sent.advance(receiver.name, health, event.seq)
                self.traps += 1

    def _deliver(self, receiver: Receiver, health: str, event: reads.Event) -> bool:
        try:
            packet = self._packet(receiver, pairs(event, health, self.agent.source.system.started_mono))
            family = socket.AF_INET6 if ":" in receiver.host else socket.AF_INET
            if family not in self.sockets:
                self.sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            self.sockets[family].sendto(packet, (receiver.host, receiver.port))
        except (OSError, LookupError, PySnmpError) as error:
            if receiver.name not in self.failing:
                log.warning("receiver %s: %s; its notifications wait", receiver.name, error)
            self.failing.add(receiver.name)
            return False
        self.failing.discard(receiver.name)
        return True

    def _packet(self, receiver: Receiver, content: list[tuple[Oid, Any]]) -> bytes:
        """The message's bytes. Raises LookupError when the receiver's user has no keys here."""
        pdu = v2c.SNMPv2TrapPDU()
        v2c.apiTrapPDU.set_defaults(pdu)
        v2c.apiPDU.set_varbinds(pdu, [(name(oid), value) for oid, value in content])
        if receiver.community is not None:
            message = v2c.Message()
            v2c.apiMessage.set_defaults(message)
            v2c.apiMessage.set_community(message, receiver.community.encode())
            v2c.apiMessage.set_pdu(message, pdu)
            return bytes(encoder.encode(message))
        if receiver.user not in self.agent.users:
            raise LookupError(f"user {receiver.user} has no keys on this box")
        engine = self.agent.engine
        model = engine.message_processing_subsystems[3]
        to, user = (receiver.host, receiver.port), rfc1902.OctetString(receiver.user)
        _, _, packet = model.prepare_outgoing_message(
            engine, self.agent.domain, to, 3, 3, user, 3, engine.snmpEngineID, b"", 1, pdu, False, None
        )  # fmt: skip
        return bytes(packet)

    def close(self) -> None:
        for each in self.sockets.values():
            each.close()
        self.sent.close()


def notification(event: reads.Event) -> Oid:
    """A feed's loss and return have notifications of their own; all else is an alarm raised or cleared."""
    if event.alarm.what == "feed-lost":
        return FEED_LOST if event.event == "raised" else FEED_BACK
    return RAISED if event.event == "raised" else CLEARED


def pairs(event: reads.Event, health: str, started_mono: int) -> list[tuple[Oid, Any]]:
    """The notification's objects, in the order BLUEWHALE-MIB gives them."""
    alarm = event.alarm
    values = (
        event.seq,
        f"{health}-{event.seq}",
        event.at_us,
        event.event,
        alarm.key,
        alarm.what,
        alarm.severity,
        alarm.text if event.event == "raised" else alarms.text(alarm.what, alarm.params, over=True),
        alarm.params.get("feed", ""),
    )
    up = time.monotonic_ns() // 1000 - started_mono
    return [
        (oids.SYS_UP_TIME, TICKS.make(up // 10_000)),
        (oids.SNMP_TRAP_OID, OID.make(notification(event))),
        *(
            ((*oids.EVENT, n, 0), syntax.make(value))
            for n, ((_, syntax), value) in enumerate(zip(EVENT_OBJECTS, values), 1)
        ),
    ]
