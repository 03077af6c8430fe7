"""The agent: pysnmp's engine over our sorted table. GET, GETNEXT and GETBULK; SET is refused."""

import asyncio
import logging
import socket
import time
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp, udp6
from pysnmp.entity import config as lcd
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto import rfc1902, rfc1905
from pysnmp.proto.api import v2c
from pysnmp.smi import error as smi
from pysnmp.smi.instrum import AbstractMibInstrumController

from bluewhale.snmp import table
from bluewhale.snmp.access import READER, USER_MODEL, Sender, may_read
from bluewhale.snmp.keys import Engine, Keys
from bluewhale.snmp.source import Source
from bluewhale.snmp.values import name as object_name

log = logging.getLogger("bluewhale")

BULK_BYTES = 1400  # a bulk answer stays in one packet: firewalls like to drop fragments
BULK_EACH = 12  # bytes a pair of name and value needs beside their content


class Agent:
    """Owns the engine and its UDP socket. Runs in the asyncio loop that made it."""

    def __init__(self, engine: Engine, source: Source, listen: socket.socket, community: str) -> None:
        self.source = source
        self.users: dict[str, Keys] = {}
        self.community = bool(community)
        self.requests = 0
        self.refused = 0
        self.faults = 0
        self.engine = _engine(engine)
        self.domain, transport = _transport(listen)
        lcd.add_transport(self.engine, self.domain, transport)
        del self.engine.message_processing_subsystems[0]  # v1
        if community:
            lcd.add_v1_system(self.engine, "read", community, securityName=READER)
        else:
            del self.engine.message_processing_subsystems[1]  # v2c
        names = context.SnmpContext(self.engine)
        names.unregister_context_name(b"")
        names.register_context_name(b"", Instrumentation(source))
        for responder in (Get, Next, Bulk, Set):
            responder(self.engine, names, cbCtx=self)
        asyncio.get_running_loop().set_exception_handler(self._fault)

    def set_users(self, users: dict[str, Keys]) -> None:
        """From now on exactly these users are known."""
        for name in self.users.keys() - users.keys():
            lcd.delete_v3_user(self.engine, name)
        for name, keys in users.items():
            if self.users.get(name) != keys:
                lcd.add_v3_user(
                    self.engine,
                    name,
                    lcd.USM_AUTH_HMAC192_SHA256,
                    bytes.fromhex(keys.auth),
                    lcd.USM_PRIV_CFB128_AES,
                    bytes.fromhex(keys.priv),
                    authKeyType=lcd.USM_KEY_TYPE_LOCALIZED,
                    privKeyType=lcd.USM_KEY_TYPE_LOCALIZED,
                )
        self.users = dict(users)

    def tidy(self) -> None:
        """Empties what pysnmp keeps of messages it could not answer, so that strangers cannot fill the memory.

        Between two messages none of it is in use: we ask nobody, and the clocks of other engines (kept for
        whoever names one, unproven) concern only those who ask.
        """
        for models in (self.engine.security_models, self.engine.message_processing_subsystems):
            for model in models.values():
                model._cache = type(model._cache)()
        proven = self.engine.security_models[USER_MODEL]
        proven._SnmpUSMSecurityModel__timeline.clear()
        proven._SnmpUSMSecurityModel__timelineExpQueue.clear()

    def allow(self) -> None:
        """Raises AuthorizationError unless the message being answered may read."""
        self.requests += 1
        message = self.engine.observer.get_execution_context("rfc3412.receiveMessage:request")
        sender = Sender(
            int(message["securityModel"]), str(message["securityName"]), int(message["securityLevel"])
        )
        if not may_read(sender, frozenset(self.users), self.community):
            self.refused += 1
            raise smi.AuthorizationError(idx=0)

    def _fault(self, loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        """A message pysnmp stumbled over: anybody can send one, so they are counted and only few are logged."""
        self.faults += 1
        if self.faults in (1, 10, 100) or self.faults % 1000 == 0:
            log.warning("message %d that cannot be answered: %s", self.faults, what.get("exception"))

    def close(self) -> None:
        self.engine.close_dispatcher()


def _engine(engine: Engine) -> SnmpEngine:
    """pysnmp's engine with our id, our count of starts, and a time no step of the clock can turn back."""
    made = SnmpEngine()  # not given the id: it would keep its own count of starts in /tmp
    names = ("snmpEngineID", "snmpEngineBoots", "snmpEngineTime")
    symbols = made.get_mib_builder().import_symbols("__SNMP-FRAMEWORK-MIB", *names)
    name, boots, seconds = symbols
    name.syntax = made.snmpEngineID = name.syntax.clone(bytes.fromhex(engine.id))
    boots.syntax = boots.syntax.clone(engine.boots)
    started = time.monotonic()

    class Monotonic(type(seconds.syntax)):  # type: ignore[misc]
        def clone(self, *args: Any, **kwargs: Any) -> Any:
            return rfc1902.Integer32.clone(self, *(args or (int(time.monotonic() - started),)), **kwargs)

    seconds.syntax = Monotonic(0)
    return made


def _transport(listen: socket.socket) -> tuple[tuple[int, ...], Any]:
    if listen.family == socket.AF_INET6:
        return udp6.DOMAIN_NAME, udp6.Udp6AsyncioTransport().open_server_mode(sock=listen)
    return udp.DOMAIN_NAME, udp.UdpAsyncioTransport().open_server_mode(sock=listen)


class Instrumentation(AbstractMibInstrumController):
    """Our table in the form pysnmp asks it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def read_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        answers = self.source.answers()
        found = []
        for name, _value in pairs:
            value = table.get(answers, tuple(name))
            if value is None:
                value = rfc1905.noSuchInstance if table.is_object(tuple(name)) else rfc1905.noSuchObject
            found.append((name, value))
        return found

    def read_next_variables(self, *pairs: Any, **_: Any) -> list[Any]:
        answers = self.source.answers()
        found = []
        for name, _value in pairs:
            pair = table.after(answers, tuple(name))
            found.append((name, rfc1905.endOfMibView) if pair is None else (object_name(pair[0]), pair[1]))
        return found


class Get(cmdrsp.GetCommandResponder):
    def handle_management_operation(self, engine: Any, state: Any, name: Any, pdu: Any) -> None:
        self.cbCtx.allow()
        super().handle_management_operation(engine, state, name, pdu)


class Next(cmdrsp.NextCommandResponder):
    def handle_management_operation(self, engine: Any, state: Any, name: Any, pdu: Any) -> None:
        self.cbCtx.allow()
        super().handle_management_operation(engine, state, name, pdu)


class Set(cmdrsp.SetCommandResponder):
    def handle_management_operation(self, engine: Any, state: Any, name: Any, pdu: Any) -> None:
        self.cbCtx.allow()
        raise smi.NotWritableError(idx=0)


class Bulk(cmdrsp.BulkCommandResponder):
    """GETBULK, cut where an answer would leave its packet (RFC 3416, 4.2.3 allows that)."""

    def process_pdu(self, *args: Any) -> None:
        self.room = min(BULK_BYTES, int(args[-2]) - 60)  # args[-2]: the most the sender takes
        super().process_pdu(*args)

    def handle_management_operation(self, engine: Any, state: Any, name: Any, pdu: Any) -> None:
        self.cbCtx.allow()
        asked = v2c.apiPDU.get_varbinds(pdu)
        once = min(max(0, int(v2c.apiBulkPDU.get_non_repeaters(pdu))), len(asked))
        times = max(0, int(v2c.apiBulkPDU.get_max_repetitions(pdu)))
        read = self.snmpContext.get_mib_instrum(name).read_next_variables
        found = read(*asked[:once])
        room = self.room - sum(map(_size, found))
        row = asked[once:]
        while row and times > 0 and room > 0:
            row = read(*row)
            times -= 1
            for pair in row:
                room -= _size(pair)
                if room < 0 and found:
                    break
                found.append(pair)
            if all(value is rfc1905.endOfMibView for _, value in row):
                break
        self.send_varbinds(engine, state, 0, 0, found)
        self.release_state_information(state)


def _size(pair: Any) -> int:
    """About the bytes of a name and value on the wire, never less."""
    name, value = pair
    content = len(bytes(value)) if isinstance(value, rfc1902.OctetString) else 12
    return BULK_EACH + 2 * len(name) + content
