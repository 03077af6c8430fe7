"""FreeSWITCH: mod_cdr_csv.

Feed:       log/cdr-csv/Master.csv, followed as it grows, or its lines over TCP.
PBX:        cdr_csv.conf.xml: default template "example" (or its columns as the option `template`), legs "ab" for transfers.
Source:     FreeSWITCH documentation, Modules/mod_cdr_csv; public rows of the example template. XML and JSON posts are not
            read yet.
Integrity:  strong: three times, two durations, a hangup cause and a uuid in one line.

    "name","9007","0034688886392","public","2014-05-29 16:59:50","","2014-05-29 16:59:50","0","0","NORMAL_CLEARING",
    |      |      |               |        start                  |  end                   |   |   hangup cause
    |      |      |               context                         answer, empty = not answered
    |      |      destination                                                   duration   billsec (from answer)
    |      caller's number
    caller's name
    "a5c9f6c0-e752-11e3-8bfb-65b6c3cdac7d","","1001","PCMA","PCMA"
    uuid                                   |  accountcode   codecs
                                           uuid of the B leg

Direction: the record has none. Contexts listed in `trunk_contexts` are calls from outside; with `internal_extensions` the two
numbers tell the rest; else it is absent. The cause is Q.850 where FreeSWITCH's word has a number there.
"""

from typing import Any

import msgspec

from bluewhale.formats._layout import (
    Column,
    Context,
    Delimited,
    Format,
    Integrity,
    Join,
    Option,
    Row,
    digits,
    duration,
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


def choose(options: dict[str, Any]) -> tuple[Delimited, ...]:
    names = options.get("template", EXAMPLE)
    if missing := [name for name in ("start_stamp", "billsec", "hangup_cause", "uuid") if name not in names]:
        raise OptionError(f"option template: {', '.join(missing)} must be among its columns")
    columns = tuple(
        msgspec.structs.replace(COLUMNS.get(name, text(f"extra.{name}", 0)), at=at)
        for at, name in enumerate(names)
    )
    return (Delimited(columns, quote='"', least=len(names), most=len(names), name="example template"),)


class Site(msgspec.Struct):
    trunk_context: Any
    internal: Any


def prepare(options: dict[str, Any]) -> Site:
    internal = options.get("internal_extensions", options.get("internal_numbers"))
    return Site(any_of(options.get("trunk_contexts", [])), numbers(internal) if internal else None)


def finish(row: Row, context: Context) -> Row:
    site, caller, called = context.site, row.get("caller", ""), row.get("called", "")
    row["answered"] = "answered_local" in row
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


FORMAT = Format(
    name="freeswitch",
    title="FreeSWITCH",
    layouts=choose({}),
    integrity=Integrity.STRONG,
    prepare=prepare,
    choose=choose,
    finish=finish,
    options=(
        Option("template", "texts", "the columns in order, by FreeSWITCH's variable names"),
        Option("trunk_contexts", "texts", "dialplan contexts of calls from outside"),
        Option("internal_extensions", "any", 'what extensions look like: "4 digits", "1000-1999"'),
        Option("legs", "text", "which legs are logged: a, b or ab; the ledger reads it"),
        Option("queues", "texts", "numbers that are queues; the ledger reads it"),
    ),
    join=Join(key=("correlation_id",), chain=(("extra.bleg_uuid", "correlation_id"),), window_s=24 * 3600),
)
