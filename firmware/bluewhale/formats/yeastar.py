"""Yeastar S-Series, K2, Cloud (API v1 and v2) and P-Series: the event NewCdr.

Feed:       The bodies of the PBX's HTTP posts (or WebSocket messages), one object after the other; or a file of them.
PBX:        S, K2, Cloud: Settings > General > API, Report URL. P-Series: Integrations > API > Webhook, event (30012) Call
            End Details. CSV files of the web page are not read.
Source:     Yeastar K2 and Cloud developer guides (API, CDR); a public P-Series webhook body. `cdrid`, `sn` and the words
            VOICEMAIL, Callback and Transfer are not proven by a sample.
Integrity:  strong: the event names itself and has an id, a time, a duration and a status.

    {"action":"NewCdr","callid":"1495779454.374","timestart":"2017-05-25 22:17:34","callfrom":"1002","callto":"41004",
    "desttrunkname":"sip-142","callduraction":"4","talkduraction":"4","status":"ANSWERED","type":"Outbound"}

    P-Series: JSON text inside JSON
    {"type":30012,"sn":"3633D2199067","msg":"{\\"call_id\\":\\"1702285525.16\\",\\"time_start\\":...}"}

The names are spelled as the PBX spells them (`callduraction`, `dsttrcunkname`). Talk time is what is charged. Direction
is `type`; words other than Internal, Inbound and Outbound leave it absent. Records of a transfer or queue share the
call id. Other events are counted as skipped.
"""

import re

from bluewhale.formats._layout import (
    Context,
    Documents,
    Fault,
    Format,
    Integrity,
    Join,
    Json,
    Row,
    digits,
    duration,
    number,
    text,
    when,
)
from bluewhale.model import Why

STAMP = "yyyy-mm-dd hh:mm:ss"
API = Json(
    (
        text("_event", "action", note="API v1"),
        text("_event", "event", note="API v2"),
        text("correlation_id", "callid"),
        when("started_local", "timestart", STAMP),
        digits("caller", "callfrom"),
        digits("called", "callto"),
        text("_trunk_in", "srctrunkname"),
        text("_trunk_out", "desttrunkname", note="API v1"),
        text("_trunk_out", "dsttrcunkname", note="API v2"),
        duration("total_s", "callduraction", "s"),
        duration("talk_s", "talkduraction", "s"),
        text("condition_code", "status"),
        text("_type", "type"),
        text("auth_code", "pincode"),
        text("extra.recording", "recording"),
        text("extra.did", "didnumber"),
        text("extra.agent_ring_s", "agentringtime", blank=("0",)),
        text("extra.serial", "sn"),
        text("extra.cdr_id", "cdrid"),
    ),
    shape=r'\{\s*"(action|event|callid)"\s*:',
    name="API v1 and v2",
)
P_SERIES = Json(
    (
        number("_kind", "type", need=True, note="30012 is a call's record"),
        text("extra.serial", "sn"),
        text("correlation_id", "msg.call_id"),
        when("started_local", "msg.time_start", STAMP),
        digits("caller", "msg.call_from"),
        digits("called", "msg.call_to"),
        text("_trunk_in", "msg.src_trunk_name"),
        text("_trunk_out", "msg.dst_trunk_name"),
        duration("total_s", "msg.call_duration", "s"),
        duration("talk_s", "msg.talk_duration", "s"),
        text("condition_code", "msg.status"),
        text("_type", "msg.type"),
        text("auth_code", "msg.pin_code"),
        text("extra.recording", "msg.recording"),
        text("extra.did", "msg.did_number"),
        text("extra.agent_ring_s", "msg.agent_ring_time", blank=("0",)),
        text("extra.call_note_id", "msg.call_note_id"),
        text("extra.uid", "msg.uid"),
    ),
    inner=("msg",),
    shape=r'\{\s*"(type"\s*:\s*"?\d+|sn"\s*:|msg"\s*:)',
    name="P-Series",
)
P_RECORD = 30012
DIRECTIONS = {"Internal": "internal", "Inbound": "incoming", "Outbound": "outgoing"}
_NAMED = re.compile(r"(.*?)\s*<([^<>]+)>")  # a name may stand before the number


def finish(row: Row, context: Context) -> Row | None:
    event = row.pop("_event", None) or row.pop("_kind", None)
    if event is None:
        raise Fault(Why.FOREIGN, "no event of this PBX")
    if event not in ("NewCdr", P_RECORD):
        return None
    for field in ("correlation_id", "started_local", "talk_s", "condition_code"):
        if field not in row:
            raise Fault(Why.BAD_FIELD, f"the event lacks {field}")
    kind, trunk_in, trunk_out = row.pop("_type", ""), row.pop("_trunk_in", None), row.pop("_trunk_out", None)
    if row["condition_code"] == "ANSWERD":  # as some guides spell it
        row["condition_code"] = "ANSWERED"
    row["answered"] = row["condition_code"] == "ANSWERED" or row["talk_s"] > 0
    for field in ("caller", "called"):
        if named := _NAMED.fullmatch(row.get(field, "")):
            row[field] = named[2]
            if named[1]:
                row.setdefault("extra", {})[f"{field}_name"] = named[1]
    direction = DIRECTIONS.get(kind)
    if direction is None:
        if kind:
            row.setdefault("extra", {})["type"] = kind
        if trunk_out or trunk_in:
            row["trunk"] = trunk_out or trunk_in
        return row
    row["direction"] = direction
    if station := row.get("called" if direction == "incoming" else "caller"):
        row["extension"] = station
    if trunk := trunk_in if direction == "incoming" else trunk_out:
        row["trunk"] = trunk
    return row


FORMAT = Format(
    name="yeastar",
    title="Yeastar S-Series, K2, Cloud, P-Series",
    layouts=(API, P_SERIES),
    integrity=Integrity.STRONG,
    frames=Documents(),
    finish=finish,
    dialects=({}, {"encoding": "gbk"}, {"encoding": "big5"}),
    join=Join(key=("correlation_id",), window_s=24 * 3600),
)
