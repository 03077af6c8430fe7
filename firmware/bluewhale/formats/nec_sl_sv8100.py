"""NEC Aspire, Xen, IPK II, SL1000, SL1100, SL2100, SV8100, SV9100: SMDR report.

Feed:       RS-232C (19200 or 38400 8N1 by PRG 10-21), or TCP, where the collector connects to the PBX (port as set in
            PRG 10-20; 4000 is usual, not proven). No login, no acknowledgement. CR LF.
PBX:        PRG 35-02-14 = 1 prints the date in each record; with 0 the date stands in the page header only.
Source:     SL1000 guide p. 667-668 (columns with the date; one row printed), SL1100 p. 721, SV8100, SL2100 p. 806.
Integrity:  fair: a class word of a known list, a clock and a duration. No year but in the page header.

    POT  10:52 12/09 002  00:00:10 2001       2142623801           08754
    |    |     |     |    |        |          |                    account, NO ANSWER, or the caller's name
    |    |     |     |    |        |          dialled number or caller's number (20)
    |    |     |     |    |        station, number or name (10)
    |    |     |     |    duration, of this owner of the call since he answered
    |    |     |     trunk
    |    |     date MM/DD or DD/MM (option date_order)
    |    time (start or end is not proven: option time_is, start unless told)
    class

Classes: POT, POTA, POTP, POTW, IVOT, IVOTP, IDOT outgoing; PIN, IVIN, IDIN incoming; PTRS, ITRS transferred: the direction
is that of the record before on the same trunk, and absent where none was seen; ICM, SDTA internal. ALB, BRD, BFL (all
lines busy, barred, buffer full), SAD, WAD (sensors) and NEXT (more of the caller's name before) are no calls.
The columns without date are not proven: such lines are read by their shape. RD/COST of the SL1000 is not read.
"""

from typing import Any

from bluewhale.formats._layout import (
    Context,
    Fixed,
    Format,
    Integrity,
    Join,
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
from bluewhale.formats._site import date_shape, dated, time_field

OUTGOING = ("POT", "POTA", "POTP", "POTW", "IVOT", "IVOTP", "IDOT")
INCOMING = ("PIN", "IVIN", "IDIN")
CLASSES = {word: word for word in (*OUTGOING, *INCOMING, "PTRS", "ITRS", "ICM", "SDTA")}
SHAPE = rf"(?:{'|'.join(CLASSES)})\s+\d\d:\d\d\s"
UNDATED = (
    r"(?P<class>[A-Z]{3,5}) +(?P<time>\d\d:\d\d) +(?:(?P<trunk>\d{3,4}) +)?(?P<duration>\d\d:\d\d:\d\d) +"
    r"(?P<station>\w{1,10}) +(?P<number>[\d*#]+)?(?: +(?P<account>\S.*?))?\s*"
)
UNANSWERED = r"(?P<class>[A-Z]{3,5}) +(?P<time>\d\d:\d\d) +(?P<trunk>\d{3,4}) +(?P<number>[\d*#]+)? *(?P<account>NO ANSWER)\s*"
MOST_TRUNKS = 1000


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    date = date_shape({"date_order": options.get("date_order", "mm/dd")[:5]}, "mm/dd", "/")
    order = "dd/mm/yyyy" if date.startswith("dd") else "mm/dd/yyyy"
    undated = (
        code("condition_code", "class", CLASSES, need=True),
        when("_time", "time", "hh:mm", need=True),
        text("trunk", "trunk"),
        text("_account", "account"),
        dialled("_number", "number"),
    )
    rest = (duration("talk_s", "duration", "hh:mm:ss", need=True), text("_station", "station", need=True))
    return (
        Fixed(
            (
                code("condition_code", (0, 5), CLASSES, need=True),
                when("_time", (5, 10), "hh:mm", need=True),
                when("_date", (11, 16), date, need=True),
                text("trunk", (17, 21)),
                duration("talk_s", (22, 30), "hh:mm:ss", note="blank: not answered"),
                text("_station", (31, 41)),
                dialled("_number", (42, 62)),
                text("_account", (63, 103), note="16 wide; a caller's name may run on"),
            ),
            gaps=(10, 16, 21, 30, 41, 62),
            least=30,
            most=110,
            shape=SHAPE + r"\d\d/\d\d",
            name="report with date",
        ),
        Pattern((*undated, *rest), UNDATED, name="report without date, by shape (not proven)"),
        Pattern(undated, UNANSWERED, name="report without date, not answered (not proven)"),
        Pattern(
            (when("_page", "date", order, need=True),),
            r"\s*(?:.*\s)?(?P<date>\d\d/\d\d/\d{4})\s+PAGE\s+\d+\s*",
            name="page header",
            aside=True,
        ),
    )


def prepare(options: dict[str, Any]) -> str:
    return time_field(options, "start")


def finish(row: Row, context: Context) -> Row | None:
    take, memory, word = row.pop, context.memory, row.get("condition_code", "")
    if "_page" in row:
        memory["page"] = take("_page")
        return None
    put_time(row, context.site, joined(_day(take("_date", None), context), take("_time")))
    account, station, number = take("_account", ""), take("_station", None), take("_number", None)
    unanswered = account == "NO ANSWER" or "talk_s" not in row
    row["answered"] = not unanswered and row["talk_s"] > 0
    row.setdefault("talk_s", 0)
    direction = _direction(word, row.get("trunk"), memory)
    if direction:
        row["direction"] = direction
    if station and station.isdigit():
        row["extension"] = station
    elif station:
        row.setdefault("extra", {})["station_name"] = station
    if account and account != "NO ANSWER":
        if direction == "incoming" and not account.isdigit():
            row.setdefault("extra", {})["caller_name"] = account
        else:
            row["account_code"] = account
    if number and direction == "incoming":
        row["caller"] = number
    elif number and direction:
        row["called"] = number
    elif number:
        row.setdefault("extra", {})["number"] = number
    if direction in ("outgoing", "internal") and "extension" in row:
        row["caller"] = row["extension"]
    return row


def _day(date: str | None, context: Context) -> str | None:
    """The record's date with a year: of option `year`, else of the page header, which gives the date too if need be."""
    page = context.memory.get("page")
    if date is None:
        return page
    if "year" in context.options or page is None:
        return dated(date, context)
    months = int(date[:2]) - int(
        page[5:7]
    )  # a page of January may hold December's last calls, and the other way
    return f"{int(page[:4]) + (-1 if months > 6 else 1 if months < -6 else 0):04d}-{date}"


def _direction(word: str, trunk: str | None, memory: dict[str, Any]) -> str:
    """By the class; a transferred call goes the way it went before on that trunk."""
    lines = memory.setdefault("lines", {})
    if word in ("ICM", "SDTA"):
        return "internal"
    if word in ("PTRS", "ITRS"):
        return str(lines.get(trunk, ""))
    direction = "outgoing" if word in OUTGOING else "incoming"
    if trunk and (trunk in lines or len(lines) < MOST_TRUNKS):
        lines[trunk] = direction
    return direction


FORMAT = Format(
    name="nec-sl-sv8100",
    title="NEC Aspire, IPK II, SL1000, SL1100, SL2100, SV8100, SV9100",
    layouts=choose({}),
    integrity=Integrity.FAIR,
    prepare=prepare,
    choose=choose,
    finish=finish,
    skip=(
        r"^\s*CLASS?\s+TIME",
        r"^\s*-+\s*$",
        r"^\s*(OUTGOING CALL|COST SUMMARY|TOTAL NO\. OF)",
        r"^(ALB|BRD|BFL|SAD|WAD|NEXT)\b",
    ),
    options=(
        Option("date_order", "text", "mm/dd (default) or dd/mm"),
        Option("year", "number", "the year of the first record; else the page header's"),
        Option("time_is", "text", "start (default) or end"),
    ),
    dialects=({}, {"date_order": "dd/mm"}),
    join=Join(key=("trunk",), chain=(("ended_local", "started_local"),), window_s=60),
)
