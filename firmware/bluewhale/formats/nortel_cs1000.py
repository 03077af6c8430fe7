"""Nortel and Avaya Meridian 1, CS1000, SL-1: CDR.

Feed:       RS-232 TTY (LD 17: USER CTY; 1200 to 9600, 7E1 or 8N1), or a terminal server or buffer box.
PBX:        LD 17: FCDR NEW or OLD; LD 16 for each route: CDR YES, all calls; note the market's date order.
Source:     NTP 553-2631-100 as quoted in public threads (record types, sample lines of FCDR=OLD). Columns of FCDR=NEW are
            not proven: both are read by the shape of their words.
Integrity:  fair: a type letter, sequence, customer, two ids, date, time, duration.

    S 025 00 T010 016 6101 05/09 07:47 00:00:20 A 5566472
    | |   |  |        |    |     |     |        | digits: dialled, or the caller's number
    | |   |  |        |    |     |     |        digit type
    | |   |  |        |    |     |     duration
    | |   |  |        |    start of the leg, no year
    | |   |  |        terminating id
    | |   |  originating id: DN, T or A = trunk (route, member; A with answer supervision), ATT, CF, ACD
    | |   customer
    | sequence, 000 to 127
    type

N is a whole call; S, X and E its first, middle and last leg, on the same trunk. B was not answered, L is internal, Q, R and F
are ACD legs. The direction of X and E is that of the S on their trunk, absent where that was not seen. A (authorization code) and C (account code) come alone: they are remembered for their DN and put on its next leg.
A line with & gives the calling number of the line above: a signal. I (restart), T (clock changed) and M are signals; D, G, H,
P and Y are counted as no calls. `trunk` is route and member as printed.
"""

import re
from typing import Any

from bluewhale.formats._join import Joins
from bluewhale.formats._layout import (
    Context,
    Format,
    Integrity,
    Layout,
    Option,
    Pattern,
    Row,
    dialled,
    duration,
    text,
    when,
)
from bluewhale.formats._readers import joined, put_time
from bluewhale.formats._site import date_shape, dated, time_field
from bluewhale.model import Signal

ID = r"(?:[TA]\d{3} ?\d{3}|DN ?\d+|ATTN? ?\d+|CF\d+|ACD ?\d+|\d{1,7})"
RECORD = (
    rf"(?P<type>[NSXEBLQRFAC]) +(?P<seq>\d{{3}}) +(?P<cust>\d\d) +(?P<orig>{ID})(?: +(?P<ter>{ID}))? +(?P<date>\d\d/\d\d)"
    r" +(?P<time>\d\d:\d\d(?::\d\d)?)(?: +(?P<duration>\d\d:\d\d:\d\d(?:\.\d)?))?(?: +(?P<mark>[A-Z])(?= ))?(?: +(?P<digits>[\d*#-]+))?.*"
)


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    date = date_shape(
        {"date_order": re.sub(r"[./-]?y+", "", str(options.get("date_order", "mm/dd")))}, "mm/dd", "/"
    )
    record = Pattern(
        (
            text("condition_code", "type", need=True),
            text("extra.sequence", "seq"),
            text("extra.customer", "cust"),
            text("_from", "orig", need=True),
            text("_to", "ter"),
            when("_date", "date", date, need=True),
            when("_time", "time", "hh:mm[:ss]", need=True),
            duration("talk_s", "duration", "hh:mm:ss"),
            text("extra.digit_type", "mark"),
            dialled("_digits", "digits"),
        ),
        RECORD,
        shape=r"[A-Z] +\d{3} +\d\d ",
        name="record",
    )
    caller = Pattern(
        (text("_caller", "n", need=True),), r" ?& *(?P<n>[\d*#]+).*", name="second line", aside=True
    )
    control = Pattern(
        (text("_control", "type", need=True),),
        r"(?P<type>[ITM]) +\d{3} +\d\d\b.*",
        name="control",
        aside=True,
    )
    return record, caller, control


def prepare(options: dict[str, Any]) -> str:
    return time_field(options, "start")


SIGNALS = {"I": "restart", "T": "clock-changed", "M": "conference-charge"}
MOST_CODES = 1000


def finish(row: Row, context: Context) -> Row | Signal | None:
    if "_caller" in row:
        return Signal(format=context.name, what="calling-number", caller=row["_caller"])
    if "_control" in row:
        return Signal(format=context.name, what=SIGNALS[row["_control"]])
    take, letter = row.pop, row["condition_code"]
    origin, target, digits = take("_from"), take("_to", ""), take("_digits", None)
    moment = joined(dated(take("_date"), context), take("_time"))
    if letter in "AC":
        codes = context.memory.setdefault(letter, {})
        if digits and len(codes) < MOST_CODES:
            codes[_number(origin)] = digits
        return None
    # An E without a duration (SL-1 reports of a BCM) states when the call ended.
    put_time(row, "ended" if letter == "E" and "talk_s" not in row else context.site, moment)
    row["continues"] = letter in "SX"
    if "talk_s" in row:
        row["answered"] = row["talk_s"] > 0 and letter != "B"
    elif letter == "B":
        row["answered"], row["talk_s"] = False, 0
    _ends(row, origin, target, digits)
    if letter in "SXE":
        _part(row, context)
    for code_letter, field in (("A", "auth_code"), ("C", "account_code")):
        value = context.memory.get(code_letter, {}).pop(row.get("extension"), None)
        if value:
            row[field] = value
    return row


def _number(end: str) -> str:
    return re.sub(r"^DN ?", "", end)


def _is_trunk(end: str) -> bool:
    return re.match(r"[TA]\d{3}", end) is not None


def _ends(row: Row, origin: str, target: str, digits: str | None) -> None:
    """Direction from the two ids: trunk or station; an X or E of an outgoing call has the trunk first too."""
    origin, target = _number(origin), _number(target)
    inward, outward = _is_trunk(origin), _is_trunk(target)
    if inward and outward:
        row["direction"], row["trunk_in"], row["trunk"] = "tandem", origin, target
    elif inward:
        row["direction"], row["trunk"] = "incoming", origin
        row["extension"] = target
    else:
        row["direction"] = "outgoing" if outward else "internal"
        row["extension"] = row["caller"] = origin
        if outward:
            row["trunk"] = target
    if not target:
        row.pop("direction", None)
        if not row.get("extension"):
            row.pop("extension", None)
    if row.get("direction") == "incoming":
        if digits:
            row["caller"] = digits
        row["called"] = target
    elif digits:
        row["called"] = digits
    elif target and not outward:
        row["called"] = target


def _part(row: Row, context: Context) -> None:
    """X and E print the trunk first whatever the direction: they take that of the S on their trunk, if it was seen."""
    parts, letter, trunk = context.memory.setdefault("parts", {}), row["condition_code"], row.get("trunk")
    if trunk is None:
        return
    trunk = f"{row['extra']['customer']} {trunk}"
    if letter == "S":
        if "direction" in row and len(parts) < MOST_CODES:
            parts[trunk] = row["direction"]
        return
    known = parts.pop(trunk, None) if letter == "E" else parts.get(trunk)
    if known == row.get("direction"):
        return
    row.pop("direction", None)
    row.pop("called", None)
    if known:
        row["direction"] = known
        if known == "outgoing" and "extension" in row:
            row["caller"] = row["extension"]


FORMAT = Format(
    name="nortel-cs1000",
    title="Nortel Meridian 1, CS1000, SL-1",
    layouts=choose({}),
    integrity=Integrity.FAIR,
    prepare=prepare,
    choose=choose,
    finish=finish,
    skip=(r"^(TTY|OVL|\.|>)", r"^[DGHPY] +\d{3} +\d\d\b"),
    options=(
        Option("date_order", "text", "mm/dd (default) or dd/mm"),
        Option("year", "number", "the year of the first record: records have none"),
        Option("time_is", "text", "start (default) or end"),
        Option("format", "text", "FCDR=OLD or FCDR=NEW, for documentation: both are read by their words"),
    ),
    join=Joins(
        relay=("extra.customer", "trunk"),
        starts=(("condition_code", "^[SN]$"),),
        slack_s=60,
        window_s=24 * 3600,
        done="continues",
    ),
)
