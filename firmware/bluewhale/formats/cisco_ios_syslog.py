"""Cisco IOS voice gateways, CME, CUBE: VOIP_CALL_HISTORY messages of syslog accounting.

Feed:       Syslog lines (TCP, a file of a syslog server): one message a leg, at its end. Over UDP messages can be lost.
PBX:        gw-accounting syslog; logging host BOX; acct-template callhistory-detail for more names.
            service timestamps log datetime msec; clock by NTP.
Source:     Cisco, "CDR logging configuration with syslog servers and Cisco IOS gateways": two messages of one call. The
            feature message (VOIP_FEAT_HISTORY) is known by its names only.
Integrity:  strong: the message names itself, and has a GUID and two times.

    Jun 18 11:15:02.867: %VOIPAAA-5-VOIP_CALL_HISTORY: CallLegType 1, ConnectionId BA55719E F8C10015 0 1B1E08,
    SetupTime 11:14:39.367 UTC Mon Jun 18 2001, PeerAddress 68575, PeerSubAddress , DisconnectCause 10  ,
    DisconnectText normal call clearing., ConnectTime 11:14:49.707 UTC Mon Jun 18 2001, DisconnectTime ..., CallOrigin 2,

Name and value, in any order; what stands before % is not read. ConnectionId joins the legs of a call; its words get
their leading zeros back, as RADIUS has them, and a GUID of zeros is skipped. PeerAddress is the caller on a leg with
CallOrigin 2 (answered by the gateway) and the called number on one with 1 (originated). Talk time is disconnect less
connect: `talk_ms` as it stands, `talk_s` its whole seconds; none or equal times = not answered. DisconnectCause is
hexadecimal Q.850. Times in UTC or GMT are certain; other zones need the option `zones`, else they are wall time.
Direction needs `trunk_legs`: legs of that type are the trunk's, the others the site's own. A message cut off before
DisconnectTime is a reject.
"""

from typing import Any

import msgspec

from bluewhale.formats._layout import (
    Context,
    Fault,
    Format,
    Integrity,
    Join,
    Named,
    Option,
    Row,
    digits,
    text,
    zoned,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._site import conference_id, numbers, put_zoned, span_ms, zone_offsets
from bluewhale.model import Signal, Why

STAMP = "mon d yyyy"
HISTORY = Named(
    (
        text("_type", "CallLegType", note="1 telephony, 2 VoIP, 3 MMoIP"),
        text("_guid", "ConnectionId", need=True),
        zoned("_setup", "SetupTime", STAMP),
        digits("_peer", "PeerAddress", note="the number on that leg"),
        text("extra.peer_subaddress", "PeerSubAddress"),
        text("_cause", "DisconnectCause", note="hexadecimal Q.850"),
        text("_text", "DisconnectText"),
        zoned("_connect", "ConnectTime", STAMP),
        zoned("_disconnect", "DisconnectTime", STAMP, need=True),
        text("_origin", "CallOrigin", note="1 originate, 2 answer"),
        text("extra.charged_units", "ChargedUnits", blank=("0",)),
        text("extra.info_type", "InfoType", note="2 speech"),
        text("extra.packets_sent", "TransmitPackets"),
        text("extra.octets_sent", "TransmitBytes"),
        text("extra.packets_received", "ReceivePackets"),
        text("extra.octets_received", "ReceiveBytes"),
    ),
    pair=r"(?P<name>[A-Z]\w{0,40}) (?P<value>[^,]*(?:,(?! [A-Z]\w{0,40} )[^,]*)*)(?:, |$)",
    head=r"[^%]{0,400}%VOIPAAA-\d-VOIP_CALL_HISTORY: ",
    shape=r"[^%]{0,400}%VOIPAAA-\d-VOIP_CALL_HISTORY",
    name="call history",
)
FEATURE = Named(
    (
        text("_feature", "fn", need=True, note="TWC, CFA, CFB, CFNA, HOLD, RESUME..."),
        text("_fcid", "fcid", note="the ConnectionId of the call"),
        digits("_calling", "cgn"),
        digits("_called", "cdn"),
        *(text(f"extra.{name}", name) for name in ("ft", "frs", "fid", "legID", "bguid", "frson", "fdcnt")),
        *(text(f"extra.{name}", name) for name in ("fwder", "fwdee", "fwdto", "frm")),
    ),
    pair=r"(?P<name>[A-Za-z]\w{0,20})[:=](?P<value>[^,]*)(?:,|$)",
    head=r"[^%]{0,400}%VOIPAAA-\d-VOIP_FEAT_HISTORY: FEAT_VSA=",
    shape=r"[^%]{0,400}%VOIPAAA-\d-VOIP_FEAT_HISTORY",
    name="feature (not proven by a sample)",
)
LEG_TYPES = {"1": "telephony", "2": "voip", "3": "mmoip"}
ORIGINS = {"1": "originate", "2": "answer"}


class Site(msgspec.Struct):
    zones: dict[str, str]
    trunk_legs: str
    internal: Any


def prepare(options: dict[str, Any]) -> Site:
    internal = options.get("internal_numbers")
    legs = options.get("trunk_legs", "")
    if legs not in ("", "telephony", "voip"):
        raise OptionError(f"option trunk_legs: {legs!r} is neither telephony nor voip")
    return Site(zone_offsets(options), legs, numbers(internal) if internal else None)


def _feature(row: Row, name: str) -> Signal:
    extra = row.get("extra", {}) | {"feature": row["_feature"]}
    guid = row.get("_fcid")
    try:
        guid = conference_id(guid) if guid else None
    except Fault:
        extra["fcid"] = row["_fcid"]  # written some other way: kept as it stands
        guid = None
    return Signal(
        format=name,
        what="feature",
        correlation_id=guid,
        caller=row.get("_calling"),
        called=row.get("_called"),
        extra=extra,
    )


def q850(text: str | None) -> int | None:
    """A hexadecimal cause. Raises Fault."""
    if not text:
        return None
    try:
        cause = int(text, 16)
    except ValueError:
        cause = -1
    if not 0 <= cause <= 0xFFFF:
        raise Fault(Why.BAD_FIELD, f"{text[:60]!r} is no hexadecimal cause")
    return cause if 0 < cause < 128 else None


def leg_direction(row: Row, site: Any, kind: str, origin: str) -> None:
    """The trunk's leg has the call's direction; a station's leg names the station."""
    number = row.get("called") or row.get("caller")
    if kind and kind == site.trunk_legs and origin in ("originate", "answer"):
        row["direction"] = "outgoing" if origin == "originate" else "incoming"
    elif number and site.internal and site.internal(number):
        row["extension"] = number


def finish(row: Row, context: Context) -> Row | Signal | None:
    if "_feature" in row:
        return _feature(row, context.name)
    take, site = row.pop, context.site
    guid = conference_id(take("_guid"))
    if guid is None:
        return None
    row["correlation_id"] = guid
    setup, connect, disconnect = take("_setup", None), take("_connect", None), take("_disconnect")
    talk_ms = span_ms(connect, disconnect) or 0
    row["answered"], row["talk_ms"], row["talk_s"] = talk_ms > 0, talk_ms, talk_ms // 1000
    put_zoned(row, "started", setup, site.zones)
    if talk_ms:
        put_zoned(row, "answered", connect, site.zones)
    put_zoned(row, "ended", disconnect, site.zones)
    if cause := q850(take("_cause", None)):
        row["cause"] = cause
    if words := take("_text", "").rstrip("."):
        row["condition_code"] = words
    number, kind, origin = take("_peer", None), take("_type", ""), ORIGINS.get(take("_origin", ""), "")
    extra = row.setdefault("extra", {})
    kind = LEG_TYPES.get(kind) or kind
    if kind:
        extra["leg_type"] = kind
    if origin:
        extra["call_origin"] = origin
    if number:
        row["called" if origin == "originate" else "caller"] = number
    leg_direction(row, site, kind, origin)
    return row


FORMAT = Format(
    name="cisco-ios-syslog",
    title="Cisco IOS voice gateway, CME, CUBE (syslog)",
    layouts=(HISTORY, FEATURE),
    integrity=Integrity.STRONG,
    prepare=prepare,
    finish=finish,
    skip=(r"%VOIPAAA-\d-VOIP_CALL_HISTORY_DETAIL",),
    options=(
        Option(
            "trunk_legs", "text", "which legs are the trunk's: telephony or voip; default: direction absent"
        ),
        Option("zones", "table", 'zone abbreviations of the gateway: {"CET": "+01:00"}'),
    ),
    join=Join(key=("correlation_id",), window_s=24 * 3600),
)
