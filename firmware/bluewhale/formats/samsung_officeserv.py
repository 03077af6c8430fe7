"""Samsung DCS, iDCS, OfficeServ: SMDR.

Feed:       Serial 9600 8N1, or TCP 5100 where the collector connects (OfficeServ 7200). A form feed starts a page.
PBX:        MMC 725: incoming, outgoing, abandoned calls and caller id printed; MMC 804: the port.
Source:     Samsung DCS 24D specification, p. 47 (printout); columns of the LAN line from a public logger, not from a manual.
Integrity:  fair: a trunk, date, time, duration and a type word. No year.

    205 701 01/02 17:15:41 00:00:02 T  13054264100 SAMSUNG TELECOM
    |   |   |     |        |        |  number dialled or caller's number, caller's name
    |   |   |     |        |        type
    |   |   |     |        duration
    |   |   start of the leg
    |   trunk
    extension, missing when abandoned

Types: O, FO, DO, OT outgoing (OT: and transferred away); I, FI, DI, DE, IT incoming (IT: transferred away); A abandoned; T
received by a transfer, TT received and transferred again: their direction is that of the IT or OT on the same trunk
before, and absent where that was not seen. IN GROUP, OUT DND and alarm lines are no calls.
"""

from typing import Any

from bluewhale.formats._join import Joins
from bluewhale.formats._layout import (
    Context,
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
from bluewhale.formats._site import date_shape, dated
from bluewhale.model import Signal

TYPES = {word: word for word in ("O", "I", "DI", "DO", "FO", "FI", "A", "DE", "T", "IT", "OT", "TT")}
OUTGOING, INCOMING = frozenset({"O", "FO", "DO", "OT"}), frozenset({"I", "FI", "DI", "DE", "IT", "A"})
AWAY = frozenset({"IT", "OT", "TT"})
PRINTOUT = (
    r" ?(?:(?P<ext>\d{2,4}) +)?(?:(?P<auth>\d{4,10}) +)?(?P<trunk>\d{3,4}) +(?P<date>\d\d/\d\d) +(?P<time>\d\d:\d\d:\d\d) +"
    r"(?P<duration>\d\d:\d\d:\d\d) +(?P<type>[A-Z]{1,2})(?: +(?P<number>[\d*#]+))?(?: +(?P<name>[^\W\d].*))?"
)


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    date = date_shape({"date_order": options.get("date_order", "mm/dd")[:5]}, "mm/dd", "/")
    printout = Pattern(
        (
            text("extension", "ext"),
            text("auth_code", "auth"),
            text("trunk", "trunk", need=True),
            when("_date", "date", date, need=True),
            when("_time", "time", "hh:mm:ss", need=True),
            duration("talk_s", "duration", "hh:mm:ss", need=True),
            code("condition_code", "type", TYPES, need=True),
            dialled("_number", "number"),
            text("extra.name", "name"),
        ),
        PRINTOUT,
        name="printout",
    )
    line = Fixed(
        (
            text("extra.call", (2, 8), note="not proven"),
            text("extension", (9, 15)),
            text("auth_code", (16, 25)),
            when("_date", (26, 31), date, need=True),
            when("_time", (32, 40), "hh:mm:ss", need=True),
            duration("talk_s", (41, 49), "hh:mm:ss", need=True),
            code("condition_code", (50, 52), TYPES, need=True),
            dialled("_dialled", (53, 71)),
            text("account_code", (72, 89)),
            text("extra.cost", (90, 100)),
            dialled("_clid", (101, 117)),
            text("extra.name", (118, 136)),
            text("extra.group", (137, 143)),
            duration("ring_s", (143, 151), "hh:mm:ss"),
        ),
        gaps=(8, 15, 25, 31, 40, 49, 52),
        least=51,
        most=152,
        name="LAN line",
    )
    return line, printout


MOST_TRUNKS = 1000


def finish(row: Row, context: Context) -> Row | Signal:
    take, word, trunks = row.pop, row["condition_code"], context.memory.setdefault("trunks", {})
    put_time(row, "started", joined(dated(take("_date"), context), take("_time")))
    number, dialled_, clid = take("_number", None), take("_dialled", None), take("_clid", None)
    if word in OUTGOING:
        direction = "outgoing"
    elif word in INCOMING:
        direction = "incoming"
    else:
        direction = trunks.get(row.get("trunk"), "")
    if word in AWAY and direction and "trunk" in row and len(trunks) < MOST_TRUNKS:
        trunks[row["trunk"]] = direction
    elif word == "T":
        trunks.pop(row.get("trunk"), None)
    row["continues"] = word in AWAY
    row["answered"] = word not in ("A", "DE") and row["talk_s"] > 0
    if word == "A":
        row["total_s"], row["talk_s"] = row["talk_s"], 0
    if direction:
        row["direction"] = direction
    if direction == "outgoing":
        if called := dialled_ or number or clid:
            row["called"] = called
        if "extension" in row:
            row["caller"] = row["extension"]
    elif direction == "incoming":
        if dialled_:
            row["called"] = dialled_
        if caller := clid or number:
            row["caller"] = caller
    elif number or clid:
        row.setdefault("extra", {})["number"] = number or clid
    return row


FORMAT = Format(
    name="samsung-officeserv",
    title="Samsung DCS, iDCS, OfficeServ",
    layouts=choose({}),
    integrity=Integrity.FAIR,
    choose=choose,
    finish=finish,
    skip=(r"^\s*=+", r"SMDR REPORT", r"^\s*EXT\b.*DURATION", r"\b(IN|OUT) (GROUP|DND)\b"),
    options=(
        Option("date_order", "text", "mm/dd (default) or dd/mm"),
        Option("year", "number", "the year of the first record: records have none"),
    ),
    join=Joins(relay=("trunk",), slack_s=5, window_s=24 * 3600, done="continues"),
)
