"""3CX Phone System: CDR service.

Feed:       TCP, either side connects (3CX "active socket" pushes to the box; "passive socket" waits), or cdr.log.
PBX:        Settings > CDR: active socket, address and port of the box, all fields in the recommended order, no prefix,
            separator comma. Records sent while nobody listens are lost: prefer the file.
Source:     3CX blog "CDR call data records"; a public row of version 18. Whether times are UTC differs by version.
Integrity:  strong: "Call n", an id, a duration and dates at the beginning.

    Call 288831,4cc2c72490010000_26808,00:00:25,2024/06/17 05:59:49,2024/06/17 05:59:58,2024/06/17 06:00:23,
    history id  call id                duration start               answered            ended
    TerminatedBySrc,Ext.10016,+46700000082,10016,10020,+46700000082,,+46700000082,10020,default,1,0.43,default,
    reason          from      to           dn    dn    dialled       | final             bill code, rate, cost, name
                                                                     reason changed
    Chain: Ext.10016;+46700000082;,Extension,Line,Line,Backup no2,+46700000082,+46700000082,
    chain                          types: from, to, final   names: from, to, final

Values are not quoted: a name with a comma gives a cell too many, and the line is rejected. `fields` gives another order.
Direction: Extension to Line outgoing, Line to anything inside incoming, Line to Line tandem, else internal. The trunk is
the line's dn. Not answered: the answered time is empty; its duration is not conversation.
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

STAMP = "yyyy/mm/dd hh:mm:ss"
COLUMNS: dict[str, Column] = {
    "historyid": text("extra.history_id", 0),
    "callid": text("correlation_id", 0),
    "duration": duration("talk_s", 0, "hh:mm:ss"),
    "time-start": when("started_local", 0, STAMP, need=True),
    "time-answered": when("answered_local", 0, STAMP, note="empty = not answered"),
    "time-end": when("ended_local", 0, STAMP),
    "reason-terminated": text("condition_code", 0),
    "from-no": digits("caller", 0),
    "to-no": digits("called", 0),
    "from-dn": text("_from", 0),
    "to-dn": text("_to", 0),
    "dial-no": digits("extra.dialled_out", 0, note="what was sent to the trunk"),
    "reason-changed": text("extra.reason_changed", 0),
    "final-number": digits("extra.final_number", 0),
    "final-dn": text("_final", 0),
    "bill-code": text("account_code", 0, blank=("default",)),
    "bill-cost": text("extra.cost", 0),
    "chain": text("extra.chain", 0),
    "from-type": text("_from_type", 0),
    "to-type": text("_to_type", 0),
    "final-type": text("_final_type", 0),
    "from-dispname": text("extra.caller_name", 0),
    "to-dispname": text("extra.called_name", 0),
    "missed-queue-calls": text("extra.missed_queue_calls", 0),
}
ORDER = [
    *("historyid", "callid", "duration", "time-start", "time-answered", "time-end", "reason-terminated"),
    *("from-no", "to-no", "from-dn", "to-dn", "dial-no", "reason-changed", "final-number", "final-dn"),
    *("bill-code", "bill-rate", "bill-cost", "bill-name", "chain", "from-type", "to-type", "final-type"),
    *("from-dispname", "to-dispname", "final-dispname", "missed-queue-calls"),
]
LINES = frozenset({"line", "externalline", "provider", "gateway", "bridge"})


def choose(options: dict[str, Any]) -> tuple[Delimited, ...]:
    names = options.get("fields", options.get("columns", ORDER))
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    if not isinstance(names, list) or "time-start" not in names or "duration" not in names:
        raise OptionError(
            "option fields: a list of 3CX's field names, with time-start and duration among them"
        )
    columns = tuple(
        msgspec.structs.replace(COLUMNS.get(name, text(f"extra.{name.replace('-', '_')}", 0)), at=at)
        for at, name in enumerate(names)
    )
    least = len(names) - 1 if names == ORDER else len(names)
    shape = r"Call \d+," if names == ORDER else ""
    return (Delimited(columns, least=least, most=len(names), shape=shape, name="recommended order"),)


def finish(row: Row, context: Context) -> Row:
    take = row.pop
    origin, target, final = take("_from", None), take("_to", None), take("_final", None)
    kinds = [take(f"_{end}_type", "").lower() for end in ("from", "to", "final")]
    row["answered"] = "answered_local" in row
    if not row["answered"]:
        row["talk_s"] = 0
    for field in ("caller", "called"):
        if field in row:
            row[field] = row[field].removeprefix("Ext.")
    if not kinds[0] or not kinds[1]:
        return row
    inward, outward = kinds[0] in LINES, kinds[1] in LINES
    row["direction"] = (("internal", "outgoing"), ("incoming", "tandem"))[inward][outward]
    if inward and outward and origin and target:
        row["trunk_in"], row["trunk"] = origin, target
    elif (inward or outward) and (trunk := origin if inward else target):
        row["trunk"] = trunk
    station = (
        origin
        if not inward
        else final
        if kinds[2] == "extension"
        else target
        if kinds[1] == "extension"
        else None
    )
    if station:
        row["extension"] = station
    return row


FORMAT = Format(
    name="3cx",
    title="3CX Phone System",
    layouts=choose({}),
    integrity=Integrity.STRONG,
    choose=choose,
    finish=finish,
    skip=(r"^CallDetail 0,", r"^historyid,"),
    options=(Option("fields", "any", "the fields in order, by 3CX's names; default: the recommended order"),),
    join=Join(key=("correlation_id",)),
)
