"""Grandstream UCM6100, 6200, 6300, 6500: CDR API and real-time output.

Feed:       The answers of the CDR API (JSON, XML or CSV) one after the other, the stream of CDR Real-time Output (TCP to
            the box), or files.
PBX:        CDR > CDR Real-time Output Settings: address and port of the feed, format JSON; or CDR API Settings and a
            script that fetches `https://UCM:8443/cdrapi?format=json`. JSON is the format to choose.
Source:     UCM61xx and UCM6510 manuals, CDR API guide: the columns, one call as CSV and as JSON. The XML layout (a
            `cdr` element with a child a column) and what the real-time output looks like are not proven by a sample.
Integrity:  strong: three times, two durations and a disposition in one record.

    62,,5300,5301,from-internal,"pn01" <5300>,SIP/5300-00000000,SIP/5301-00000001,Dial,SIP/5301,60,,
    |  || |    |                |             channel           dstchannel        |    lastdata, with commas
    |  || |    dcontext         clid                                              lastapp
    |  || dst
    |  |src
    |  accountcode
    AcctId
    2013-12-03 11:46:40,2013-12-03 11:46:43,2013-12-03 11:46:49,9,6,ANSWERED,DOCUMENTATION,1386092800.0,EXT,5300,5301,s
    start               answer              end                 | |  |       amaflags      uniqueid   userfield |   service
                                                         duration billsec (from answer)       channel_ext, dstchannel_ext

CSV is not quoted: `lastdata` takes the cells that are too many. With a header line all its columns count, without one the
22 of the guide. A JSON group (`cdr`, `main_cdr`, `sub_cdr_1`...) gives a leg for each sub record; the main record holds
the sums and is a signal. Direction: the trunk names where the release has them, else the words Internal, Inbound and
Outbound in `userfield`; EXT and LD say nothing, then `internal_extensions` tells.
"""

from typing import Any

import msgspec

from bluewhale.formats._layout import (
    Context,
    Documents,
    Format,
    Headed,
    Integrity,
    Join,
    Json,
    Option,
    Pattern,
    Row,
    Xml,
    code,
    digits,
    duration,
    text,
    when,
)
from bluewhale.formats._site import numbers
from bluewhale.model import Signal

STAMP = "yyyy-mm-dd hh:mm:ss"
NONE = ("0000-00-00 00:00:00",)
DISPOSITIONS = {word: word for word in ("ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "CANCEL")}
COLUMNS = (
    text("extra.acct_id", "AcctId", note="identity of the record"),
    text("account_code", "accountcode"),
    digits("caller", "src"),
    digits("called", "dst"),
    text("extra.context", "dcontext"),
    text("extra.clid", "clid"),
    text("extra.channel", "channel"),
    text("extra.dstchannel", "dstchannel"),
    text("extra.lastapp", "lastapp"),
    text("extra.lastdata", "lastdata"),
    when("started_local", "start", STAMP, need=True),
    when("answered_local", "answer", STAMP, blank=NONE, note="empty = not answered"),
    when("ended_local", "end", STAMP, blank=NONE),
    duration("total_s", "duration", "s", need=True, note="from start"),
    duration("talk_s", "billsec", "s", need=True, note="from answer"),
    code("condition_code", "disposition", DISPOSITIONS, need=True),
    text("extra.uniqueid", "uniqueid"),
    text("_userfield", "userfield"),
    text("_from", "channel_ext"),
    text("_to", "dstchannel_ext"),
    text("extra.service", "service"),
)
NEWER = (
    text("correlation_id", "session", note="newer releases, as all below"),
    text("extra.caller_name", "caller_name"),
    text("extra.recordfiles", "recordfiles"),
    text("extra.dstanswer", "dstanswer"),
    text("extra.action_owner", "action_owner"),
    text("extra.action_type", "action_type", note="DIAL, IVR, QUEUE[6500], RINGGROUP, TRANSFER..."),
    text("_trunk_in", "src_trunk_name"),
    text("_trunk_out", "dst_trunk_name"),
)
BARE_NAMES = tuple(str(column.at) for column in COLUMNS)
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_CELL = {
    "AcctId": r"\d+",
    "clid": r'"[^"]*" <[^<>]*>|[^,]*',
    "lastdata": ".*",
    "start": _TIME,
    "answer": f"(?:{_TIME})?",
    "end": f"(?:{_TIME})?",
    "duration": r"\d+",
    "billsec": r"\d+",
    "disposition": "[A-Z ]+",
}
_ORDER = (*BARE_NAMES[:16], "amaflags", *BARE_NAMES[16:])
BARE = Pattern(
    tuple(msgspec.structs.replace(column, at=str(column.at)) for column in COLUMNS),
    ",".join(f"(?P<{name}>{_CELL.get(name, '[^,]*')})" for name in _ORDER),
    shape=r"\d+,[^,]*,[^,]*,[^,]*,[^,]*,.*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,.*(ANSWER|BUSY|FAIL)",
    name="CSV of 22 columns",
)


HEADED = Headed(
    COLUMNS + NEWER,
    head="AcctId,",
    quote=None,
    loose=True,
    ragged="lastdata",
    shape=r"\d+,[^,]*,[^,]*,[^,]*,[^,]*,",
    name="CSV under a header",
)
JSON = Json(
    (*COLUMNS, *NEWER, text("_group", "@name", note="main_cdr or sub_cdr_1...")),
    shape=r'(?:"(?:main|sub)_cdr\w*"\s*:\s*)?\{\s*"AcctId"',
    name="JSON",
)
XML = Xml(COLUMNS + NEWER, element="cdr", shape=r"<cdr[\s>]", name="XML (not proven by a sample)")
WORDS = {"Internal": "internal", "Inbound": "incoming", "Outbound": "outgoing"}


def prepare(options: dict[str, Any]) -> Any:
    internal = options.get("internal_extensions", options.get("internal_numbers"))
    return numbers(internal) if internal else None


def _direction(row: Row, word: str, trunks: tuple[str | None, str | None], internal: Any) -> str | None:
    if trunks[0] or trunks[1]:
        return "tandem" if trunks[0] and trunks[1] else "incoming" if trunks[0] else "outgoing"
    if word in WORDS:
        return WORDS[word]
    if internal:
        sides = internal(row.get("caller", "")), internal(row.get("called", ""))
        return {(True, True): "internal", (True, False): "outgoing", (False, True): "incoming"}.get(sides)
    return None


def finish(row: Row, context: Context) -> Row | Signal:
    take, extra = row.pop, row.setdefault("extra", {})
    group, word = take("_group", ""), take("_userfield", "")
    calling, reached = take("_from", None), take("_to", None)
    trunk_in, trunk_out = take("_trunk_in", None), take("_trunk_out", None)
    if "correlation_id" not in row and "uniqueid" in extra:
        row["correlation_id"] = extra["uniqueid"]
    if group.startswith("main"):
        caller, called = row.get("caller"), row.get("called")
        return Signal(
            format=context.name,
            what="sum of the call",
            correlation_id=row.get("correlation_id"),
            caller=caller,
            called=called,
            at_local=row["started_local"],
            extra=extra | {"talk_s": str(row["talk_s"]), "total_s": str(row["total_s"])},
        )
    row["answered"] = row["condition_code"] == "ANSWERED"
    if word:
        extra["userfield"] = word
    direction = _direction(row, word, (trunk_in, trunk_out), context.site)
    if direction is None:
        return row
    row["direction"] = direction
    if direction == "tandem":
        row["trunk_in"], row["trunk"] = trunk_in, trunk_out
        return row
    if trunk := trunk_in if direction == "incoming" else trunk_out:
        row["trunk"] = trunk
    station = reached or row.get("called") if direction == "incoming" else calling or row.get("caller")
    if station:
        row["extension"] = station
    return row


FORMAT = Format(
    name="grandstream",
    title="Grandstream UCM",
    layouts=(JSON, HEADED, BARE, XML),
    integrity=Integrity.STRONG,
    frames=Documents(
        opened=("cdr", "cdr_root", "response"),
        elements=("cdr",),
        wrappers=("root", "cdr_root", "cdrs", "response"),
        lines=True,
    ),
    prepare=prepare,
    finish=finish,
    options=(Option("internal_extensions", "any", 'what extensions look like: "4 digits", "5000-5999"'),),
    join=Join(key=("correlation_id",), window_s=24 * 3600),
)
