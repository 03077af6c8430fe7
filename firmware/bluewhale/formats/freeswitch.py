"""FreeSWITCH: mod_cdr_csv, mod_json_cdr, mod_xml_cdr.

Feed:       log/cdr-csv/Master.csv, followed as it grows, or its lines over TCP; the bodies of JSON or XML posts, one after
            the other; the files that these modules write where a post fails.
PBX:        cdr_csv.conf.xml: default template "example" (or its columns as the option `template`), legs "ab" for transfers.
            json_cdr.conf.xml, xml_cdr.conf.xml: url, log-b-leg=false unless the option `legs` says b.
Source:     FreeSWITCH documentation, Modules/mod_cdr_csv, Configuration/CDR; public rows of the example template; the end
            of a JSON record. Of XML the names are published, the whole document is not.
Integrity:  strong: three times, two durations, a hangup cause and a uuid in one line or document.

    "name","9007","0034688886392","public","2014-05-29 16:59:50","","2014-05-29 16:59:50","0","0","NORMAL_CLEARING",
    |      |      |               |        start                  |  end                   |   |   hangup cause
    |      |      |               context                         answer, empty = not answered
    |      |      destination                                                   duration   billsec (from answer)
    |      caller's number
    caller's name
    "a5c9f6c0-e752-11e3-8bfb-65b6c3cdac7d","","1001","PCMA","PCMA"
    uuid                                   |  accountcode   codecs
                                           uuid of the B leg

    {"core-uuid":"...","variables":{"uuid":"...","start_epoch":"1521025758","answer_epoch":...,"billsec":"21",...},
    "callflow":[{"caller_profile":{"caller_id_number":"1001","destination_number":"1002",...},...}]}
    <cdr core-uuid="..."><variables><uuid>...</uuid><start_stamp>2018-03-14%2007%3A09%3A18</start_stamp>...

Posts state UTC (`*_epoch`). Values of XML are percent-encoded; where a document is not well-formed its values are looked
for by name. The B leg of a bridge has the A leg's uuid as `call_uuid`: it joins that call and has no direction, so that
no call is counted twice (with `legs` = b it has one). A leg with a gateway and no other leg before it is a trunk's.
Direction: the CSV record has none. Contexts listed in `trunk_contexts` are calls from outside; with `internal_extensions` the two
numbers tell the rest; else it is absent. The cause is Q.850 where FreeSWITCH's word has a number there.
"""

from functools import cache
from typing import Any

import msgspec

from bluewhale.formats._join import Joins, Link
from bluewhale.formats._layout import (
    Column,
    Context,
    Delimited,
    Documents,
    Format,
    Integrity,
    Json,
    Layout,
    Option,
    Row,
    Xml,
    digits,
    duration,
    epoch,
    number,
    text,
    when,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._site import any_of, numbers

STAMP = "yyyy-mm-dd hh:mm:ss"
COLUMNS: dict[str, Column] = {
    "caller_id_name": text("extra.caller_name", 0),
    "caller_id_number": digits("caller", 0),
    "destination_number": digits("called", 0),
    "context": text("extra.context", 0),
    "start_stamp": when("started_local", 0, STAMP, need=True),
    "answer_stamp": when("answered_local", 0, STAMP, note="empty = not answered"),
    "end_stamp": when("ended_local", 0, STAMP),
    "duration": duration("total_s", 0, "s"),
    "billsec": duration("talk_s", 0, "s", need=True, note="from answer"),
    "hangup_cause": text("condition_code", 0, need=True),
    "uuid": text("correlation_id", 0, need=True),
    "bleg_uuid": text("extra.bleg_uuid", 0),
    "accountcode": text("account_code", 0),
    "sip_gateway_name": text("trunk", 0),
}
EXAMPLE = (
    *("caller_id_name", "caller_id_number", "destination_number", "context", "start_stamp", "answer_stamp"),
    *("end_stamp", "duration", "billsec", "hangup_cause", "uuid", "bleg_uuid", "accountcode"),
    *("read_codec", "write_codec"),
)
Q850 = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_DESTINATION": 3,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "INTERWORKING": 127,
}
GOES_ON = frozenset({"BLIND_TRANSFER", "ATTENDED_TRANSFER"})


# Posts: variables under `variables`, what was dialled in the call flow's newest profile. Of two columns with the same
# field the later one counts where it says something.
POSTED = (
    ("uuid", text("extra.uuid", 0, need=True)),
    ("uuid", text("correlation_id", 0)),
    ("call_uuid", text("correlation_id", 0, note="of a B leg: the A leg's uuid")),
    ("effective_caller_id_number", digits("caller", 0)),
    ("sip_from_user", digits("caller", 0)),
    ("destination_number", digits("called", 0)),
    ("sip_req_user", digits("called", 0)),
    ("start_stamp", when("started_local", 0, STAMP)),
    ("answer_stamp", when("answered_local", 0, STAMP)),
    ("end_stamp", when("ended_local", 0, STAMP)),
    ("start_epoch", epoch("started_utc", 0)),
    ("answer_epoch", epoch("answered_utc", 0, note="0 = not answered")),
    ("end_epoch", epoch("ended_utc", 0)),
    ("duration", duration("total_s", 0, "s", need=True)),
    ("billsec", duration("talk_s", 0, "s", need=True, note="from answer")),
    ("hangup_cause", text("condition_code", 0, need=True)),
    ("hangup_cause_q850", number("_q850", 0)),
    ("accountcode", text("account_code", 0)),
    ("sip_gateway_name", text("trunk", 0)),
    ("direction", text("_side", 0, note="inbound = A leg, into the switch")),
    ("bridge_uuid", text("extra.bleg_uuid", 0)),
    ("last_bridge_to", text("extra.bleg_uuid", 0)),
    ("originate_disposition", text("extra.originate_disposition", 0)),
    ("sip_hangup_disposition", text("extra.sip_hangup_disposition", 0)),
    ("toll_allow", text("extra.toll_allow", 0)),
    ("domain_name", text("extra.domain", 0)),
)
PROFILE = (
    ("destination_number", digits("called", 0, note="when no sip_req_user")),
    ("caller_id_number", digits("caller", 0)),
    ("caller_id_name", text("extra.caller_name", 0)),
    ("context", text("extra.context", 0)),
)


def _posted(variables: str, profile: str) -> tuple[Column, ...]:
    named = [(profile + name, column) for name, column in PROFILE]
    named += [(variables + name, column) for name, column in POSTED]
    return tuple(msgspec.structs.replace(column, at=at) for at, column in named)


JSON = Json(
    _posted("variables.", "callflow.0.caller_profile."),
    form="cdr",
    shape=r"(?:cdr=)?(?:\{|%7B)(?=.*variables)",
    name="JSON",
)
XML = Xml(
    _posted("variables/", "callflow/caller_profile/"),
    element="cdr",
    form="cdr",
    urlcoded=True,
    tolerant=True,
    shape=r"(?:cdr=)?(?:<|%3C)(?:cdr|\?xml|%3F)",
    name="XML",
)


@cache
def _template(names: tuple[str, ...]) -> Delimited:
    columns = tuple(
        msgspec.structs.replace(COLUMNS.get(name, text(f"extra.{name}", 0)), at=at)
        for at, name in enumerate(names)
    )
    count = len(names)
    return Delimited(
        columns, quote='"', least=count, most=count, shape=r"(?![{<]|cdr=)", name="example template"
    )


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    names = options.get("template", EXAMPLE)
    if missing := [name for name in ("start_stamp", "billsec", "hangup_cause", "uuid") if name not in names]:
        raise OptionError(f"option template: {', '.join(missing)} must be among its columns")
    return (_template(tuple(names)), JSON, XML)


class Site(msgspec.Struct):
    trunk_context: Any
    internal: Any
    b_legs: bool


def prepare(options: dict[str, Any]) -> Site:
    internal = options.get("internal_extensions", options.get("internal_numbers"))
    return Site(
        any_of(options.get("trunk_contexts", [])),
        numbers(internal) if internal else None,
        options.get("legs") == "b",
    )


def _post(row: Row, site: Site) -> bool:
    """What only posts have. True for a leg whose direction the numbers shall not tell."""
    for which in ("started", "answered", "ended"):
        if f"{which}_utc" in row:
            row.pop(f"{which}_local", None)
    if cause := row.pop("_q850", 0):
        row["cause"] = cause
    side, second = row.pop("_side", ""), row["correlation_id"] != row["extra"]["uuid"]
    row["extra"]["side"] = side or "unknown"
    if second and not site.b_legs:
        return True
    if "trunk" not in row or side not in ("inbound", "outbound"):
        return False
    row["direction"] = "incoming" if side == "inbound" else "outgoing"
    station = row.get("called" if side == "inbound" else "caller")
    if station and (not site.internal or site.internal(station)):
        row["extension"] = station
    return True


def finish(row: Row, context: Context) -> Row:
    site, caller, called = context.site, row.get("caller", ""), row.get("called", "")
    if "uuid" in row.get("extra", {}) and _post(row, site):
        row["answered"] = "answered_utc" in row or "answered_local" in row
        row["continues"] = row["condition_code"] in GOES_ON
        return row
    row["answered"] = "answered_local" in row or "answered_utc" in row
    row["continues"] = row["condition_code"] in GOES_ON
    if cause := Q850.get(row["condition_code"]):
        row["cause"] = cause
    if site.trunk_context(row.get("extra", {}).get("context", "")):
        row["direction"] = "incoming"
    elif site.internal:
        inside, target = site.internal(caller), site.internal(called)
        ways = {(True, True): "internal", (True, False): "outgoing", (False, True): "incoming"}
        if direction := ways.get((inside, target)):
            row["direction"] = direction
    direction = row.get("direction")
    if direction in ("outgoing", "internal"):
        row["extension"] = caller
    elif direction == "incoming" and site.internal and site.internal(called):
        row["extension"] = called
    return row


OWN = "extra.uuid|correlation_id"  # a post names the record beside the call

FORMAT = Format(
    name="freeswitch",
    title="FreeSWITCH",
    layouts=choose({}),
    integrity=Integrity.STRONG,
    frames=Documents(elements=("cdr",), texts=("cdr=", "uuid="), lines=True),
    skip=(r"^uuid=[\w-]*&?$", r"^cdr=$"),
    prepare=prepare,
    choose=choose,
    finish=finish,
    options=(
        Option("template", "texts", "the columns in order, by FreeSWITCH's variable names"),
        Option("trunk_contexts", "texts", "dialplan contexts of calls from outside"),
        Option("internal_extensions", "any", 'what extensions look like: "4 digits", "1000-1999"'),
        Option(
            "legs",
            "text",
            "which legs are logged: a, b or ab; with b the B legs of posts are calls of their own",
        ),
        Option("queues", "texts", "numbers that are queues; the ledger reads it"),
    ),
    join=Joins(
        key=("correlation_id",),
        identity=(OWN,),
        links=(Link(("extra.bleg_uuid",), (OWN,)),),
        circuit=(OWN, OWN),
        seconds="span",
        inner=True,
        window_s=24 * 3600,
    ),
)
