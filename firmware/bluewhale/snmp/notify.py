"""Notifications: what health.db's next events say to each receiver, as SNMPv2 traps, once.

Each receiver has its own mark: the last event sent to it, in DATA/snmp/sent/NAME, written the moment its packet
left. Only a crash in the microseconds between the two (or a power cut within half a minute) sends an event again;
it then bears the same bwEventId. UDP answers nothing: what the network drops is lost, but stays in the alarm table.
"""

import logging
import os
import socket
import sqlite3
import struct
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


MARK = struct.Struct("<16s1s20s1s")  # name of the health.db, space, number of the event in digits, newline


class Sent:
    """Owns the marks: receiver -> number of the last event it was sent, and in which health.db.

    A mark is one write of 38 bytes in place: a killed process leaves the old one or the new one, and it takes so
    little time that hardly ever anything comes between packet and mark.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.files: dict[str, int] = {}

    def mark(self, receiver: str, health: str, last: int) -> int:
        """The last event sent. A new receiver begins with what comes next; a new health.db at its start."""
        data = os.pread(self._file(receiver), MARK.size, 0)
        if len(data) < MARK.size or not MARK.unpack(data)[2].isdigit():
            self.advance(receiver, health, last)
            os.fsync(self._file(receiver))
            return last
        name, _, seq, _ = MARK.unpack(data)
        return int(seq) if name == health.encode() else 0

    def advance(self, receiver: str, health: str, seq: int) -> None:
        os.pwrite(self._file(receiver), MARK.pack(health.encode(), b" ", b"%020d" % seq, b"\n"), 0)

    def keep(self, receivers: list[str]) -> None:
        """Forgets receivers that are no more: added again, one begins anew."""
        for file in self.directory.iterdir():
            if file.name not in receivers:
                file.unlink()
                if file.name in self.files:
                    os.close(self.files.pop(file.name))

    def _file(self, receiver: str) -> int:
        if receiver not in self.files:
            self.files[receiver] = os.open(
                self.directory / receiver, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        return self.files[receiver]

    def close(self) -> None:
        for descriptor in self.files.values():
            os.close(descriptor)
        self.files.clear()


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
                self.traps += 1

    def _deliver(self, receiver: Receiver, health: str, event: reads.Event) -> bool:
        try:
            packet = self._packet(receiver, pairs(event, health, self.agent.source.system.started_mono))
            family = socket.AF_INET6 if ":" in receiver.host else socket.AF_INET
            if family not in self.sockets:
                self.sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            self.sockets[family].sendto(packet, (receiver.host, receiver.port))
            self.sent.advance(receiver.name, health, event.seq)
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
