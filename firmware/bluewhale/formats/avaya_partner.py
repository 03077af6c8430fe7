"""Avaya PARTNER, PARTNER II, PARTNER ACS: SMDR.

Feed:       RS-232 of the control unit to a printer or a logger. 59 records a page.
PBX:        SMDR record type for all calls (#608); account codes forced if wanted.
Source:     a short description of the report (PARTNER manual p. 351): which values stand in it, in which order. Neither
            the positions nor a printed record were found: nothing but the order of the values is proven, and they are
            read by their shape. The am/pm letter, the account code behind the station and page heads are assumptions.
Integrity:  fair: a type letter, a date with year, a clock, a duration, line and station.

    C 01/05/26 09:14 9025551234       00:03:12 01 12
    | |        |     |                |        |  station
    | |        |     |                |        line
    | |        |     |                duration
    | |        |     number (15 or 24)
    | |        connection time
    | date
    C outgoing, I incoming

Marks: IN stands for an incoming call without number; ] behind the number: the called party hung up first; ? the number
was longer; # forwarded; F dialled by speed dial. They are kept in extra.marks, not in the number.
"""

import re
from typing import Any

from bluewhale.formats._layout import (
    Context,
    Format,
    Integrity,
    Layout,
    Option,
    Pattern,
    Row,
    code,
    duration,
    text,
    when,
)
from bluewhale.formats._readers import joined, put_time
from bluewhale.formats._site import date_shape

RECORD = (
    r" ?(?P<type>[CI]) +(?P<date>\d\d/\d\d/\d\d) +(?P<time>\d\d?:\d\d(?: ?[AaPp][Mm]?)?) +(?:(?P<number>[\d*#\]?FIN]+) +)?"
    r"(?P<duration>\d\d:\d\d:\d\d) +(?P<line>\d{1,3}) +(?P<station>\d{1,3})(?: +(?P<account>\d{1,16}))?\s*"
)
NUMBER = re.compile(r"(?P<before>[F#]*)(?P<digits>[\d*#]*?)(?P<after>[\]?#]*)")


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    columns = (
        code("direction", "type", {"C": "outgoing", "I": "incoming"}, need=True),
        when("_date", "date", date_shape(options, "mm/dd/yy", "/"), need=True),
        when("_time", "time", "h:mm[am]", note="am/pm not proven"),
        text("_number", "number"),
        duration("talk_s", "duration", "hh:mm:ss", need=True),
        text("trunk", "line", need=True),
        text("extension", "station", need=True),
        text("account_code", "account", note="not proven"),
    )
    return (Pattern(columns, RECORD, r" ?[CI] +\d\d/\d\d/\d\d ", "record by shape"),)


def finish(row: Row, context: Context) -> Row:
    time = row.pop("_time")
    put_time(row, "started", joined(row.pop("_date"), time.replace(" ", "") if time else None))
    row["answered"] = row["talk_s"] > 0
    number, marks = row.pop("_number", ""), ""
    if number and number != "IN":
        found = NUMBER.fullmatch(number)
        digits = found["digits"] if found else ""
        marks = found["before"] + found["after"] if found else number
        if digits:
            row["caller" if row["direction"] == "incoming" else "called"] = digits
    if marks:
        row.setdefault("extra", {})["marks"] = marks
    if row["direction"] == "outgoing":
        row["caller"] = row["extension"]
    return row


FORMAT = Format(
    name="avaya-partner",
    title="Avaya PARTNER, PARTNER ACS",
    layouts=choose({}),
    integrity=Integrity.FAIR,
    choose=choose,
    finish=finish,
    skip=(r"^\s*(CALL|TYPE|DATE|PAGE)\b", r"^\s*-+\s*$"),
    options=(Option("date_order", "text", "mm/dd/yy (default) or dd/mm/yy"),),
    dialects=({}, {"date_order": "dd/mm/yy"}),
)
