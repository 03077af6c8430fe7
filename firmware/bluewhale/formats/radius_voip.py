"""RADIUS accounting for voice: Cisco's attributes and those of look-alikes (AudioCodes, MVTS, Eltex).

Feed:       Attribute lists as RADIUS servers print them (FreeRADIUS detail files, debug output): lines `Name = value`. Or
            the packets themselves, one after the other (option format = packets). Or a front end's JSON (format = json).
PBX:        gw-accounting aaa; aaa accounting connection h323 start-stop group radius; radius-server vsa send accounting.
Source:     Cisco IOS SIP configuration guide (a Start in debug output); a public JSON of an MVTS-II Start; RADIUS VSA Voice
            Implementation Guide. The vendor numbers of 9.24 to 9.27 and 9.33 are confirmed by the debug output, the others
            are not. No Stop was found in public.
Integrity:  strong: names that only voice accounting has, a status and an id.

    Acct-Status-Type = Stop
    Acct-Session-Id = "000B5571"
    h323-conf-id = "h323-conf-id=931C146B 0F4411D6 AB5591F0 CBF3D765"      joins the sessions of a call
    h323-call-origin = "h323-call-origin=originate"                        answer: the caller's side
    h323-call-type = "h323-call-type=Telephony"
    h323-setup-time = "h323-setup-time=14:30:25.429 GMT Wed Jan 23 2002"
    Cisco-AVPair = "h323-incoming-conf-id=..."                             a name of its own inside; comes again

Stop is a leg; Start, Interim-Update, Accounting-On and -Off are signals. A Stop sent again (same NAS, session, conf-id,
origin) among the last 256 is skipped. Direction: legs of the type `trunk_legs` (default telephony) are the trunk's:
originate is outgoing, answer incoming. A Stop without connect time, or with session time 0, was not answered. Times as in
cisco-ios-syslog: UTC and GMT are certain, other abbreviations need `zones`. Digests and passwords are not checked here.
"""

import hashlib
from typing import Any

import msgspec

from bluewhale.formats._layout import (
    Blocks,
    Column,
    Context,
    Documents,
    Fault,
    Format,
    Frames,
    Integrity,
    Join,
    Json,
    Layout,
    Named,
    Option,
    Packets,
    Row,
    Tlv,
    code,
    digits,
    duration,
    number,
    text,
    zoned,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._site import conference_id, numbers, put_zoned, span_ms, zone_offsets
from bluewhale.model import Signal, Why

SEEN = 256  # Stops remembered against repeats
STAMP = "mon d yyyy"
STATUS = {
    "Start": "start",
    "1": "start",
    "Stop": "stop",
    "2": "stop",
    "Interim-Update": "interim",
    "Alive": "interim",
    "3": "interim",
    "Accounting-On": "on",
    "7": "on",
    "Accounting-Off": "off",
    "8": "off",
}
# Each attribute: its name in text, its type in packets (vendor.type inside attribute 26), its column.
ATTRIBUTES: tuple[tuple[str, str, Column], ...] = (
    ("Acct-Status-Type", "40", code("_status", 0, STATUS, need=True)),
    ("Acct-Session-Id", "44", text("_session", 0)),
    ("Acct-Session-Time", "46", duration("talk_s", 0, "s", note="from connect")),
    ("Acct-Delay-Time", "41", number("_delay", 0)),
    ("User-Name", "1", text("_user", 0, note="calling number or account")),
    ("Calling-Station-Id", "31", digits("caller", 0)),
    ("Called-Station-Id", "30", digits("called", 0)),
    ("NAS-IP-Address", "4", text("_nas", 0)),
    ("NAS-Port-Id", "87", text("_port", 0)),
    ("Cisco-NAS-Port", "9.2", text("_port", 0)),
    ("h323-remote-address", "9.23", text("extra.remote_address", 0)),
    ("Conf-Id", "9.24", text("_guid", 0, note="as debug output calls it")),
    ("h323-conf-id", "9.24", text("_guid", 0)),
    ("h323-setup-time", "9.25", zoned("_setup", 0, STAMP)),
    ("h323-call-origin", "9.26", text("_origin", 0, note="answer, originate, proxy")),
    ("h323-call-type", "9.27", text("_type", 0, note="Telephony, VoIP")),
    ("h323-connect-time", "9.28", zoned("_connect", 0, STAMP)),
    ("h323-disconnect-time", "9.29", zoned("_disconnect", 0, STAMP)),
    ("h323-disconnect-cause", "9.30", text("_cause", 0, note="hexadecimal Q.850")),
    ("h323-voice-quality", "9.31", text("extra.voice_quality", 0)),
    ("h323-gw-id", "9.33", text("extra.gateway", 0)),
    ("h323-incoming-conf-id", "9.35", text("extra.incoming_conf_id", 0)),
    ("subscriber", "subscriber", text("extra.subscriber", 0)),
    ("call-id", "call-id", text("extra.call_id", 0)),
    ("h323-incoming-conf-id", "h323-incoming-conf-id", text("extra.incoming_conf_id", 0)),
    ("xpgk-src-number-in", "xpgk-src-number-in", text("extra.src_number_in", 0)),
    ("xpgk-src-number-out", "xpgk-src-number-out", text("extra.src_number_out", 0)),
    ("xpgk-dst-number-in", "xpgk-dst-number-in", text("extra.dst_number_in", 0)),
    ("xpgk-dst-number-out", "xpgk-dst-number-out", text("extra.dst_number_out", 0)),
)
PAIRS = ("Cisco-AVPair", "Cisco AVpair", "Eltex-AVPair", "Conf-Id")


def _columns(which: int) -> tuple[Column, ...]:
    found = {
        (each[which], each[2].field): msgspec.structs.replace(each[2], at=each[which]) for each in ATTRIBUTES
    }
    return tuple(found.values())


_WORD = r"[A-Za-z][A-Za-z0-9]*(?:[-._][A-Za-z0-9]+)*(?: AVpair)?"
TEXT = Named(
    _columns(0),
    pair=rf"(?m)^[ \t]*(?P<name>{_WORD})[ \t]*(?:[+:]?=[ \t]*)?(?P<value>.*)$",
    unfold=PAIRS,
    shape=r"(?s)(?=.*Acct-Status-Type)",
    name="attributes as text",
)
PACKET = Tlv(
    _columns(1),
    skip=20,
    numbers=("40", "41", "46", "5"),
    addresses=("4",),
    unfold=("9.1",),
    shape=r"(?s)\x04",
    name="packets",
)
JSON = Json(_columns(0), unfold=PAIRS, shape=r'\{(?=.*"Acct-Status-Type")', name="JSON of a front end")
RUN = rf'\s*{_WORD}(?:\s*[+:]?=\s|\s+"|\s+(?:Start|Stop)\s*$)'
LAYOUTS: dict[str, tuple[Layout, ...]] = {"text": (TEXT,), "packets": (PACKET,), "json": (JSON,)}
FRAMES: dict[str, Frames] = {
    "text": Blocks(run=RUN, limit=1 << 16),
    "packets": Packets(head=r"\x04.(?:\x00[\x14-\xff]|[\x01-\x0f].|\x10\x00)"),
    "json": Documents(),
}


class Site(msgspec.Struct):
    zones: dict[str, str]
    trunk_legs: str
    internal: Any


def _form(options: dict[str, Any]) -> str:
    form = str(options.get("format", "text"))
    if form not in LAYOUTS:
        raise OptionError(f"option format: {form!r} is none of {', '.join(LAYOUTS)}")
    return form


def prepare(options: dict[str, Any]) -> Site:
    legs, internal = options.get("trunk_legs", "telephony"), options.get("internal_numbers")
    if legs not in ("telephony", "voip", "none"):
        raise OptionError(f"option trunk_legs: {legs!r} is none of telephony, voip, none")
    return Site(zone_offsets(options), legs, numbers(internal) if internal else None)


def _signal(row: Row, status: str, guid: str | None, name: str) -> Signal:
    extra = row.get("extra", {})
    for key in ("_session", "_nas", "_origin", "_type"):
        if key in row:
            extra[key[1:]] = row[key]
    setup = row.get("_setup") or ""
    return Signal(
        format=name,
        what=f"accounting {status}",
        correlation_id=guid,
        caller=row.get("caller") or row.get("_user"),
        called=row.get("called"),
        at_utc=setup[:19] + "Z" if setup.endswith("Z") else None,
        at_local=setup[:19] if setup and not setup.endswith("Z") else None,
        extra=extra or None,
    )


def _repeated(row: Row, guid: str | None, memory: dict[str, Any]) -> bool:
    """Whether this Stop came before: the server's answer was lost and the gateway sent it again."""
    identity = [str(row.get(key, "")) for key in ("_nas", "_session", "_origin")] + [guid or ""]
    if not row.get("_session"):
        return False
    key = hashlib.blake2b("\n".join(identity).encode(), digest_size=8).hexdigest()
    seen: list[str] = memory.setdefault("seen", [])
    if key in seen:
        return True
    seen.append(key)
    del seen[:-SEEN]
    return False


def _times(row: Row, site: Site) -> None:
    setup, connect, disconnect = (row.pop(key, None) for key in ("_setup", "_connect", "_disconnect"))
    if "talk_s" not in row:
        row["talk_s"] = (span_ms(connect, disconnect) or 0) // 1000
    row["answered"] = connect is not None and row["talk_s"] > 0
    if not row["answered"]:
        row["talk_s"] = 0
    put_zoned(row, "started", setup, site.zones)
    if row["answered"]:
        put_zoned(row, "answered", connect, site.zones)
    put_zoned(row, "ended", disconnect, site.zones)


def finish(row: Row, context: Context) -> Row | Signal | None:
    take, site = row.pop, context.site
    status, guid = take("_status"), take("_guid", None)
    guid = conference_id(guid) if guid else None
    if status != "stop":
        return _signal(row, status, guid, context.name)
    if "_disconnect" not in row and "talk_s" not in row:
        raise Fault(Why.BAD_FIELD, "a Stop with neither h323-disconnect-time nor Acct-Session-Time")
    if _repeated(row, guid, context.memory):
        return None
    user, port, kind = take("_user", None), take("_port", None), take("_type", "").lower()
    origin, cause = take("_origin", ""), take("_cause", None)
    extra = row.setdefault("extra", {})
    for key, value in (("session", take("_session", None)), ("nas", take("_nas", None)), ("user", user)):
        if value:
            extra[key] = value
    take("_delay", None)
    _times(row, site)
    if guid:
        row["correlation_id"] = guid
    if cause and len(cause) < 3 and all(char in "0123456789abcdefABCDEF" for char in cause):
        row["cause"] = int(cause, 16)
    if user and "caller" not in row and origin == "answer":
        row["caller"] = user
    if kind:
        extra["leg_type"] = kind
    if origin:
        extra["call_origin"] = origin
    if kind == site.trunk_legs and origin in ("answer", "originate"):
        row["direction"] = "outgoing" if origin == "originate" else "incoming"
        station = row.get("caller" if origin == "originate" else "called")
        if station and (not site.internal or site.internal(station)):
            row["extension"] = station
    if port:
        row["trunk"] = port
    return row


FORMAT = Format(
    name="radius-voip",
    title="RADIUS accounting for voice",
    layouts=(TEXT, PACKET, JSON),
    integrity=Integrity.STRONG,
    frames=FRAMES["text"],
    framing=lambda options: FRAMES[_form(options)],
    prepare=prepare,
    choose=lambda options: LAYOUTS[_form(options)],
    finish=finish,
    skip=(
        r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}$",
        r"^(?:rad_recv: |\(\d+\) )?(?:Received )?Accounting-Request ",
        r"^Sending Accounting-Response ",
    ),
    options=(
        Option("format", "text", "text (default), packets or json", choices=("text", "packets", "json")),
        Option("trunk_legs", "text", "which legs are the trunk's: telephony (default), voip or none"),
        Option("zones", "table", 'zone abbreviations of the gateways: {"MSK": "+03:00"}'),
    ),
    dialects=({}, {"format": "packets"}, {"format": "json"}),
    join=Join(key=("correlation_id",), window_s=24 * 3600),
)
