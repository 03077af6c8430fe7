"""Values as SNMP sends them. One function a syntax; its name is the syntax in BLUEWHALE-MIB."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pysnmp.proto import rfc1902

from bluewhale.snmp.oids import Oid

NO_DATE = bytes(8)  # DateAndTime of something that never happened
NEVER = -1  # seconds since something that never happened


class Syntax(NamedTuple):
    """`name` in the MIB; `make` turns a Python value into the ASN.1 one; `numbers` of an enumeration."""

    name: str
    make: Callable[[Any], Any]
    numbers: Mapping[str, int] | None = None


def _text(value: str | None) -> Any:
    octets = (value or "").encode("utf-8", "replace")
    while len(octets) > 255:  # cut between characters
        octets = octets[:256].decode("utf-8", "ignore")[:-1].encode()
    return rfc1902.OctetString(octets)


def date_octets(us: int | None) -> bytes:
    """RFC 2579 DateAndTime in UTC, to a tenth of a second."""
    if not us or us < 0:
        return NO_DATE
    t = time.gmtime(us // 1_000_000)
    year = min(t.tm_year, 65535).to_bytes(2, "big")
    tenth = us // 100_000 % 10
    return year + bytes([t.tm_mon, t.tm_mday, t.tm_hour, t.tm_min, min(t.tm_sec, 59), tenth]) + b"+\0\0"


def _whole(low: int, high: int) -> Callable[[int | None], int]:
    return lambda value: min(max(int(value or 0), low), high)


_gauge = _whole(0, 2**32 - 1)
_integer = _whole(-(2**31), 2**31 - 1)

TEXT = Syntax("SnmpAdminString", _text)
DATE = Syntax("DateAndTime", lambda us: rfc1902.OctetString(date_octets(us)))
GAUGE = Syntax("Gauge32", lambda value: rfc1902.Gauge32(_gauge(value)))
COUNTER = Syntax("Counter32", lambda value: rfc1902.Counter32(max(0, int(value or 0)) % 2**32))
COUNTER64 = Syntax("Counter64", lambda value: rfc1902.Counter64(max(0, int(value or 0)) % 2**64))
SECONDS = Syntax("Integer32", lambda value: rfc1902.Integer32(_integer(value)))
TRUTH = Syntax("TruthValue", lambda value: rfc1902.Integer32(1 if value else 2))
TICKS = Syntax("TimeTicks", lambda value: rfc1902.TimeTicks(int(value) % 2**32))
DISPLAY = Syntax("DisplayString", _text)
OID = Syntax("OBJECT IDENTIFIER", lambda value: rfc1902.ObjectIdentifier(value))
SERVICES = Syntax("INTEGER", lambda value: rfc1902.Integer32(value))


def enumeration(**numbers: int) -> Syntax:
    """An INTEGER with names; a name of a later version is 0, which no manager takes for a good state."""
    return Syntax("INTEGER", lambda value: rfc1902.Integer32(numbers.get(str(value).lower(), 0)), numbers)


def name(oid: Oid) -> Any:
    return rfc1902.ObjectName(oid)
