"""Siemens and Unify Hicom 150 E, HiPath 3000, OpenScape Office, OpenScape Business: call charge records (CDRC).

Feed:       RS-232 (9600 8N1); or TCP, the PBX connects and sends each record alone; or files by TFTP or HTTPS. CR LF.
PBX:        Manager E or the web pages: CDR output compressed, connection data with ring duration, all calls.
Source:     Hicom 150 E Office service manual, p. 346-354; HiPath 3000 Manager E p. 626-631; OpenScape Business CDR
            description. Of the information element 1, 2, 21 and 22 are proven, the others are from memory.
Integrity:  fair: date, time, ring, duration and an information element, with bars or by place.

    21.06.12|14:02:50|203|33402|00:03|00:02:10|01700000911||21|ACCT|MSN|code|route
    |        |        |   |     |     |        |          | information element
    |        |        |   |     |     |        |          charge pulses
    |        |        |   |     |     |        number outside; ? = masked
    |        |        |   |     |     duration of the segment; blank = not answered
    |        |        |   |     ring
    |        |        |   station
    |        |        trunk
    date and time of the segment's end

Information element: 1, 3, 5, 7 incoming; 2, 4, 6, 8, 9 outgoing (9 by an external forward); 0 a call that nobody took;
+20 goes on after a transfer; +40 DISA. Layouts: with bars (OpenScape); compressed by place (Hicom 150 E, HiPath 3000);
long (printer); HiPath 1100, read by the shape of its words, since its columns are not known.
"""

from typing import Any

import msgspec

from bluewhale.formats._join import Joins
from bluewhale.formats._layout import (
    Column,
    Context,
    Delimited,
    Fixed,
    Format,
    Integrity,
    Layout,
    Option,
    Pattern,
    Row,
    code,
    dialled,
    duration,
    text,
    when,
)
from bluewhale.formats._readers import joined, put_time
from bluewhale.formats._site import date_shape, time_field

WAYS = dict.fromkeys("1357", "incoming") | dict.fromkeys("24689", "outgoing") | {"0": "incoming"}
INFO = {str(base + plus): str(base + plus) for base in range(10) for plus in (0, 20, 40)}
FIELDS: dict[str, Column] = {
    "date": when("_date", 0, "dd.mm.yy", need=True),
    "time": when("_time", 0, "hh:mm:ss", need=True),
    "trunk": text("trunk", 0),
    "station": text("extension", 0),
    "ring": duration("ring_s", 0, "m:ss"),
    "duration": duration("talk_s", 0, "hh:mm:ss", note="blank = not answered"),
    "number": dialled("_number", 0),
    "charge": text("extra.charge", 0, note="pulses, or an amount in the long format"),
    "info": code("condition_code", 0, INFO, need=True),
    "account": text("account_code", 0),
    "msn": text("extra.msn", 0),
    "seizure": text("extra.seizure_code", 0),
    "route": text("extra.lcr_route", 0),
}
BARS = "date time trunk station ring duration number charge info account msn seizure route"
COMPRESSED = {
    "date": (0, 8),
    "time": (8, 16),
    "trunk": (16, 19),
    "station": (19, 25),
    "ring": (25, 30),
    "duration": (30, 38),
    "number": (38, 63),
    "charge": (63, 74),
    "info": (74, 76),
    "account": (76, 87),
    "msn": (87, 98),
    "seizure": (98, 103),
    "route": (103, 105),
}
LONG = {
    "date": (0, 8),
    "time": (9, 17),
    "trunk": (18, 21),
    "station": (22, 28),
    "ring": (29, 34),
    "duration": (35, 43),
    "number": (44, 64),
    "charge": (65, 76),
    "info": (77, 79),
}
WORDS = (
    r"(?P<date>\d\d\.\d\d\.\d\d) +(?P<time>\d\d:\d\d:\d\d) +(?P<trunk>\d{1,3}) +(?P<station>\d{2,6})(?: +(?P<ring>\d\d:\d\d))?"
    r"(?: +(?P<duration>\d\d:\d\d:\d\d))?(?: +(?P<number>[\d*#?]{2,}))? +(?P<info>[0-9]|[24][0-9])(?: +(?P<charge>\d+[.,]\d+))?"
    r"(?: +(?P<account>\d+))?"
)
SHAPE = r"\d\d\.\d\d\.\d\d"


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    date = date_shape(options, "dd.mm.yy", ".")
    known = FIELDS | {"date": msgspec.structs.replace(FIELDS["date"], arg=date)}

    def at(places: dict[str, Any]) -> tuple[Column, ...]:
        return tuple(msgspec.structs.replace(known[name], at=place) for name, place in places.items())

    bars = Delimited(
        at({n: i for i, n in enumerate(BARS.split())}), "|", least=9, most=24, shape=SHAPE, name="bars"
    )
    compressed = Fixed(at(COMPRESSED), least=76, most=114, shape=SHAPE + r"\d\d:\d\d:\d\d", name="compressed")
    long = Fixed(at(LONG), (8, 17, 21, 28, 34, 43, 64, 76), least=79, most=79, shape=SHAPE + " ", name="long")
    names = ("date", "time", "trunk", "station", "ring", "duration", "number", "info", "charge", "account")
    words = Pattern(at({n: n for n in names}), WORDS, shape=SHAPE + " ", name="HiPath 1100")
    return bars, compressed, long, words


def prepare(options: dict[str, Any]) -> str:
    return time_field(options, "end")


def finish(row: Row, context: Context) -> Row:
    put_time(row, context.site, joined(row.pop("_date"), row.pop("_time")))
    number = row.pop("_number", None)
    info = int(row["condition_code"])
    row["direction"] = WAYS[str(info % 20)]
    if info >= 20:
        row.setdefault("extra", {})["transferred" if info < 40 else "disa"] = "yes"
    talk = row.setdefault("talk_s", 0)
    row["answered"] = talk > 0 and info % 20 != 0
    if row["direction"] == "incoming":
        if number:
            row["caller"] = number
        return row
    if number:
        row["called"] = number
    if "extension" in row:
        row["caller"] = row["extension"]
    return row


FORMAT = Format(
    name="siemens-hipath3000",
    title="Siemens Hicom 150 E, HiPath 3000, OpenScape Office and Business",
    layouts=choose({}),
    integrity=Integrity.FAIR,
    prepare=prepare,
    choose=choose,
    finish=finish,
    skip=(r"^\s*(Datum|Date)\b", r"^[A-Za-z ]+\|[A-Za-z ]+\|"),
    options=(
        Option("date_order", "text", "dd.mm.yy (default) or another"),
        Option("time_is", "text", "end (default) or start"),
        Option("format", "text", "for documentation: the layout is found by its shape"),
    ),
    join=Joins(relay=("trunk",), slack_s=5, window_s=24 * 3600),
)
