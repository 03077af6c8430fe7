"""Asterisk call detail records: cdr_csv (Master.csv), cdr_custom, FreePBX.

Feed:       /var/log/asterisk/cdr-csv/Master.csv, followed as it grows, or its lines over TCP.
PBX:        cdr.conf enabled; cdr_csv.conf loguniqueid=yes, loguserfield=yes; for joined transfers cdr_custom with
            uniqueid, sequence and linkedid. `usegmtime=yes` needs the option usegmtime.
Source:     "Asterisk: The Definitive Guide", 5th edition, chapter 21; Asterisk CDR specification.
Integrity:  strong: three times, two durations and a disposition in one line.

    "","501","181","context-user-501","HomeDroid <501>","SIP/501-00000004","SIP/isoft-00000005","Dial",
    |  |     |     dcontext           clid              channel            dstchannel           lastapp
    |  |     dst
    |  src
    accountcode
    "SIP/181@isoft,60","2012-08-01 15:41:08","2012-08-01 15:41:08","2012-08-01 15:41:13",5,5,"ANSWERED",
    lastdata            start                 answer                end                  | |  disposition
                                                                      duration (from start) billsec (from answer)
    "DOCUMENTATION","1343835668.4",""
    amaflags         uniqueid       userfield

Columns: `columns` gives them in order; without it the orders of cdr_csv (16 to 18 columns) and of the sample
cdr_custom.conf (18 and 21 columns, clid first) are known. Other columns go to `extra`.
Direction: no field says it. Channels that begin as one of `trunk_channels` are trunks, as one of
`internal_channels` stations. Else: a channel named by a number, or by the caller's own number, is a station;
DAHDI/i.., Dongle/, IAX2/ and peers called trunk or provider are trunks; so is a peer that was dialled with a
number behind it (SIP/181@isoft); contexts from-trunk, from-pstn and from-internal count. What none of these
tells stays absent. ANSWERED may be a menu, a queue or voice mail.
"""

import re
from typing import Any

import msgspec

from bluewhale.formats._join import Joins, Link
from bluewhale.formats._layout import (
    Column,
    Context,
    Delimited,
    Format,
    Integrity,
    Option,
    Row,
    code,
    digits,
    duration,
    text,
    when,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._site import memo, numbers

STAMP = "yyyy-mm-dd hh:mm:ss"
DISPOSITIONS = {word: word for word in ("ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "CANCEL")}

# Every column Asterisk knows, by its own name; `at` is set by the order in force.
COLUMNS: dict[str, Column] = {
    "accountcode": text("account_code", 0),
    "src": digits("caller", 0),
    "dst": digits("_dst", 0),
    "dcontext": text("extra.context", 0),
    "clid": text("extra.clid", 0),
    "channel": text("extra.channel", 0),
    "dstchannel": text("extra.dstchannel", 0),
    "lastapp": text("extra.lastapp", 0),
    "lastdata": text("extra.lastdata", 0),
    "start": when("started_local", 0, STAMP, need=True),
    "answer": when("answered_local", 0, STAMP, blank=("0000-00-00 00:00:00",), note="empty = not answered"),
    "end": when("ended_local", 0, STAMP, blank=("0000-00-00 00:00:00",)),
    "duration": duration("total_s", 0, "s", need=True, note="from start"),
    "billsec": duration("talk_s", 0, "s", need=True, note="from answer"),
    "disposition": code("condition_code", 0, DISPOSITIONS, need=True),
    "amaflags": text("_amaflags", 0),
    "uniqueid": text("extra.uniqueid", 0),
    "userfield": text("extra.userfield", 0),
    "linkedid": text("correlation_id", 0),
}
# The orders known without the option: cdr_csv, the sample cdr_custom.conf, and the latter with what joins need.
_TIMES = ("start", "answer", "end", "duration", "billsec", "disposition", "amaflags")
_CALL = ("dcontext", "channel", "dstchannel", "lastapp", "lastdata", *_TIMES)
CSV = ["accountcode", "src", "dst", "dcontext", "clid", *_CALL[1:], "uniqueid", "userfield"]
CUSTOM = ["clid", "src", "dst", *_CALL, "accountcode", "uniqueid", "userfield"]
CUSTOM_21 = [*CUSTOM[:16], "peeraccount", *CUSTOM[16:], "sequence", "linkedid"]


def layout(names: list[str], least: int, name: str) -> Delimited:
    columns = tuple(
        msgspec.structs.replace(COLUMNS.get(word, text(f"extra.{word}", 0)), at=at)
        for at, word in enumerate(names)
    )
    return Delimited(columns, quote='"', least=least, most=len(names), name=name)


LAYOUTS = (
    layout(CSV, 16, "cdr_csv"),
    layout(CUSTOM, 16, "cdr_custom"),
    layout(CUSTOM_21, 21, "cdr_custom 21"),
)


def choose(options: dict[str, Any]) -> tuple[Delimited, ...]:
    names = options.get("columns")
    if names is None:
        return LAYOUTS
    if missing := [name for name in ("start", "duration", "billsec", "disposition") if name not in names]:
        raise OptionError(f"option columns: {', '.join(missing)} must be among them")
    return (layout(names, len(names), "columns"),)


TRUNK_STARTS = (
    "PJSIP/trunk",
    "SIP/trunk",
    "PJSIP/provider",
    "SIP/provider",
    "DAHDI/i",
    "Dongle/",
    "IAX2/",
)
TRUNK_CONTEXTS = ("from-trunk", "from-pstn", "from-did", "from-zaptel", "from-dahdi")
STATION_CONTEXTS = ("from-internal", "outgoing")
SPECIAL = frozenset({"s", "h", "i", "t", "o", "a", "e", "T"})  # extensions of the dialplan, no digits
_TAIL = re.compile(r"-[0-9a-f]+(;\d)?$|;\d$")


def trunk_name(channel: str) -> str:
    """`SIP/isoft-00000005` is SIP/isoft, `DAHDI/i1/4035551234-1` is DAHDI/i1."""
    return "/".join(_TAIL.sub("", channel).split("/")[:2])


class Site(msgspec.Struct):
    side: Any  # channel -> "trunk", "station" or "unknown"
    extensions: dict[str, str]  # channel without its tail -> extension
    internal: Any  # number -> bool, or None
    utc: bool


def _begins(channel: str, starts: list[str]) -> bool:
    """Whether the channel is one of those listed: SIP/bob is SIP/bob-0001, not SIP/bobby-0001."""
    return any(
        channel.startswith(start)
        and not (start[-1:].isalnum() and channel[len(start) : len(start) + 1].isalnum())
        for start in starts
        if start
    )


def prepare(options: dict[str, Any]) -> Site:
    trunks, stations = options.get("trunk_channels", []), options.get("internal_channels", [])
    owners = options.get("extension_channels", {})
    owners = (owners if isinstance(owners, dict) else {}) | options.get("extension_of_channel", {})
    # A full list of trunks and none of stations: what is no trunk is a station.
    other = "station" if trunks and not stations else "unknown"

    def side(channel: str) -> str:
        name = trunk_name(channel)
        if _begins(channel, trunks):
            return "trunk"
        if _begins(channel, stations) or name in owners:
            return "station"
        if not trunks and channel.startswith(TRUNK_STARTS):
            return "trunk"
        if re.fullmatch(r"\d{2,7}", name.partition("/")[2]):
            return "station"
        return other if channel and not channel.startswith("Local/") else "unknown"

    internal = options.get("internal_extensions")
    return Site(
        memo(side),
        {str(key): str(value) for key, value in owners.items()},
        numbers(internal) if internal else None,
        options.get("usegmtime", False),
    )


def _calling_side(row: Row, extra: dict[str, str], site: Site) -> str:
    channel, context, caller = extra.get("channel", ""), extra.get("context", ""), row.get("caller")
    side: str = site.side(channel)
    if side == "unknown" and context.startswith(TRUNK_CONTEXTS):
        return "trunk"
    if side == "unknown" and caller:
        own = trunk_name(channel).partition("/")[2] == caller
        if own or context.startswith(STATION_CONTEXTS) or (site.internal and site.internal(caller)):
            return "station"
    return side


def _called_side(row: Row, extra: dict[str, str], site: Site, dialled: str) -> str:
    channel = extra.get("dstchannel", "")
    if not channel:
        return "none"
    side: str = site.side(channel)
    if side != "unknown" or not dialled:
        return side
    technology, _, peer = trunk_name(channel).partition("/")
    data = extra.get("lastdata", "")
    if data.startswith((f"{technology}/{dialled}@{peer}", f"{technology}/{peer}/{dialled}")):
        return "trunk"
    return "station" if site.internal and site.internal(dialled) else side


DIRECTIONS = {
    ("station", "trunk"): "outgoing",
    ("trunk", "station"): "incoming",
    ("trunk", "none"): "incoming",
    ("trunk", "trunk"): "tandem",
    ("station", "station"): "internal",
    ("station", "none"): "internal",
}


def finish(row: Row, context: Context) -> Row:
    site, extra = context.site, row.setdefault("extra", {})
    row.pop("_amaflags", None)
    row["answered"] = row["condition_code"] == "ANSWERED"
    dialled = row.pop("_dst", "")
    if dialled in SPECIAL:
        extra["dst"] = dialled
    elif dialled:
        row["called"] = dialled
    if "correlation_id" not in row and "uniqueid" in extra:
        row["correlation_id"] = extra["uniqueid"]
    if site.utc:
        for name in ("started", "answered", "ended"):
            if f"{name}_local" in row:
                row[f"{name}_utc"] = row.pop(f"{name}_local") + "Z"
    calling, called = trunk_name(extra.get("channel", "")), trunk_name(extra.get("dstchannel", ""))
    direction = DIRECTIONS.get(
        (_calling_side(row, extra, site), _called_side(row, extra, site, row.get("called", "")))
    )
    if direction is None:
        return row
    row["direction"] = direction
    station = called if direction == "incoming" else calling
    if direction == "tandem":
        row["trunk_in"], row["trunk"] = calling, called
        return row
    if direction != "internal":
        row["trunk"] = called if direction == "outgoing" else calling
    peer = station.partition("/")[2]
    extension = site.extensions.get(station) or (peer if peer.isdigit() else None)
    if extension is None and direction != "incoming":
        extension = row.get("caller")
    if extension:
        row["extension"] = extension
    return row


FORMAT = Format(
    name="asterisk",
    title="Asterisk, FreePBX",
    layouts=LAYOUTS,
    integrity=Integrity.STRONG,
    prepare=prepare,
    choose=choose,
    finish=finish,
    skip=(r'^"?accountcode"?,"?src"?,', r'^"?clid"?,"?src"?,', r'^"?calldate"?,'),
    options=(
        Option("columns", "texts", "the columns in order, by Asterisk's names"),
        Option("trunk_channels", "texts", "channels that are trunks, by their beginning"),
        Option("internal_channels", "texts", "channels that are stations, by their beginning"),
        Option("extension_channels", "table", "channel (without its tail) to extension"),
        Option("extension_of_channel", "table", "the same under another name"),
        Option("internal_extensions", "any", 'what extensions look like: "3 to 4 digits", "200-299"'),
        Option("usegmtime", "flag", "true where cdr.conf has usegmtime=yes: the times are UTC"),
    ),
    join=Joins(
        key=("correlation_id",),
        identity=("extra.uniqueid", "extra.sequence"),
        links=(  # a transfer the phone made itself leaves two linkedids
            Link(("extra.channel",), ("extra.channel",), when="overlap", slack_s=1),
            Link(("extra.dstchannel",), ("extra.channel",), when="overlap", slack_s=1),
        ),
        circuit=("extra.channel", "extra.dstchannel"),
        seconds="span",
        window_s=24 * 3600,
    ),
)
