"""Nortel Norstar SMDR and Business Communications Manager (BCM) call detail recording, Norstar format.

Feed:       Norstar: SMDR box, RS-232 (1200 to 9600 8N1). BCM: CDR files by FTP or SFTP, or its live TCP stream.
            A call is a block of lines that ends with a blank line.
PBX:        Report format Norstar, type CLID (best), Standard or Real Time; note the date format.
Source:     Norstar SMDR guide and BCM CDR guide (published report pages).
Integrity:  fair: a header line with date, time, line and station, and an event that ends the call.

    -------- 04/04/99 12:00:01 LINE = 0083 STN = 7726
             |        |               |          station; a second LINE = a tandem call going out there
             |        |               line
             |        answer (incoming) or seizure of the line (outgoing)
             date
    CALLING NUMBER 4032919123      / before it = truncated, x behind it = partial, UNKNOWN = none
    00:00:00 INCOMING CALL RINGING 0:32
    00:02:47 CALL RELEASED
    |        event: TRANSFER ends the block too, and the next header goes on with the call
    elapsed since the header's time

talk_s is the elapsed time of the release (holds are inside): from the answer for incoming calls, from the
seizure for outgoing ones, which count as answered, because no answer is reported. EXT CALL FWD STN names the
station that set the forward and pays. The restriction password is an id, not the password.
Real Time lines (`*MMDDYY HHMMSS LINE [STATION] NUMBER NAME TYPE EVENT`) are signals; with report = "real time"
they make the calls, since then no blocks come. With report = "SL-1" the lines are those of nortel-cs1000: S, X and
E have no duration there.
"""

import datetime
import re
from typing import Any

from bluewhale.formats import nortel_cs1000
from bluewhale.formats._join import Joins
from bluewhale.formats._layout import (
    Block,
    Blocks,
    Context,
    Fault,
    Format,
    Integrity,
    Layout,
    Option,
    Pattern,
    Row,
    digits,
    duration,
    text,
    when,
)
from bluewhale.formats._readers import joined
from bluewhale.formats._site import date_shape
from bluewhale.model import Signal, Why

HEADER = (
    r"-+\s*(?P<date>\d\d/\d\d/\d\d) +(?P<time>\d\d:\d\d:\d\d)(?: +LINE *= *(?P<line>\d+))?"
    r"(?: +STN *= *(?P<stn>\d+)| +LINE *= *(?P<out>\d+))?(?P<rest> .*)?"
)
EVENT = r"(?P<at>\d\d:\d\d:\d\d) +(?P<event>[A-Z].*)"
REAL_TIME = (
    r"\*(?P<date>\d{6}) +(?P<time>\d{6}) +(?P<line>\d+)(?: +(?P<one>[\dx/]+))?(?: +(?P<two>[\dx/]+))?"
    r"(?: +(?P<name>\S.*?))?(?: +(?P<kind>[A-Z]))? +(?P<event>[GDANTR])"
)


def _sl1(options: dict[str, Any]) -> bool:
    return str(options.get("report", "")).lower().startswith("sl")


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    if _sl1(options):
        return nortel_cs1000.choose(options)
    shape = date_shape(options, "mm/dd/yy", "/")
    block = Block(
        (
            Pattern(
                (
                    when("_date", "date", shape, need=True),
                    when("_time", "time", "hh:mm:ss", need=True),
                    text("_line", "line"),
                    text("extension", "stn"),
                    text("trunk", "out", note="a second LINE: the call goes out there"),
                    text("extra.header", "rest"),
                ),
                HEADER,
            ),
            Pattern((duration("_at[]", "at", "hh:mm:ss", need=True), text("_event[]", "event")), EVENT),
            Pattern((digits("_dialled[]", "digits"),), r"DIGITS DIAL(?:L)?ED +(?P<digits>\S+)"),
            Pattern((digits("_caller", "number"),), r"CALLING NUMBER +(?P<number>\S+)"),
            Pattern((text("extra.name", "name"),), r"NAME +(?P<name>.*)"),
            Pattern((text("extra.bearer", "bc"),), r"BC *= *(?P<bc>.*)"),
            Pattern(
                (text("_forwarder", "stn"), text("extra.forward_reason", "reason")),
                r"EXT CALL FWD STN *= *(?P<stn>\d+)(?: +REASON *= *(?P<reason>\S+))?",
            ),
            Pattern(
                (text("_line", "line", note="physical line of a target line"),), r"LINE *= *(?P<line>\d+)"
            ),
            Pattern((text("_other[]", "other"),), r"(?P<other>.*)"),
        ),
        shape=HEADER,
        name="block",
    )
    real_time = Pattern(
        (
            when("_date", "date", shape.replace("/", ""), need=True),
            when("_time", "time", "hhmmss", need=True),
            text("trunk", "line", need=True),
            text("_one", "one"),
            text("_two", "two"),
            text("_name", "name"),
            text("_real_time", "event", need=True),
        ),
        REAL_TIME,
        shape=r"\*\d{6} +\d{6}",
        name="real time",
    )
    notice = Pattern(
        (text("_notice", "notice", need=True),),
        r".*\b(?P<notice>RECORD RESTART|REPORTS LOST)\b.*",
        name="notice",
    )
    return block, real_time, notice


RINGING = re.compile(r"(?:INCOMING CALL|NO ANSWER) RINGING +(\d+):(\d\d)")
ENDS = ("CALL RELEASED", "TRANSFER")


def prepare(options: dict[str, Any]) -> str:
    return nortel_cs1000.prepare(options)


def finish(row: Row, context: Context) -> Row | Signal | None:
    if _sl1(context.options):
        return nortel_cs1000.finish(row, context)
    if "_notice" in row:
        return Signal(format=context.name, what=row["_notice"].lower().replace(" ", "-"))
    stamp = joined(row.pop("_date"), row.pop("_time")) or ""
    if "_real_time" in row:
        return _real_time(row, context, stamp)
    return _block(row, stamp)


def _block(row: Row, stamp: str) -> Row:
    take, extra = row.pop, row.setdefault("extra", {})
    events = list(zip(take("_at", []), take("_event", [])))
    line, out = take("_line", None), row.get("trunk")
    if line:
        row["trunk_in" if out else "trunk"] = line
    if station := take("_forwarder", None):
        row["extension"] = station
    if other := take("_other", None):
        extra["other"] = "; ".join(other)
    if dialled := take("_dialled", None):
        number, _, after = "".join(dialled).partition("!")
        row["called"] = number
        if after:
            extra["dialled_after"] = after
    _caller(row, take("_caller", None))
    incoming = any(event.startswith(("INCOMING CALL", "NO ANSWER", "BUSY")) for _, event in events)
    row["direction"] = "tandem" if out else "incoming" if incoming else "outgoing"
    _events(row, events, stamp)
    if row["direction"] == "outgoing" and "extension" in row:
        row["caller"] = row["extension"]
    return row


def _caller(row: Row, number: str | None) -> None:
    if not number or number.strip("/x") == "" or number == "UNKNOWN":
        return
    row["caller"] = number.strip("/x")
    if row["caller"] != number:
        row["extra"]["caller_partial"] = number


def _events(row: Row, events: list[tuple[int, str]], stamp: str) -> None:
    """What happened when; an event that ends the call must be among them. Raises Fault."""
    incoming, extra, ended = row["direction"] == "incoming", row["extra"], None
    missed = False
    for at, event in events:
        if found := RINGING.fullmatch(event):
            row["ring_s"] = int(found[1]) * 60 + int(found[2])
        word, _, value = event.rpartition(" ")
        if event in ENDS:
            ended = at
            row["continues"] = event == "TRANSFER"
        elif event.startswith(("NO ANSWER", "BUSY")):
            missed, ended = True, at if ended is None else ended
        elif word == "ACCOUNT CODE":
            row["account_code"] = value
        elif word == "RESTRICTION PASSWORD":
            row["auth_code"] = value
        elif event.startswith(("CONFERENCE", "INVALID PASSWORD")):
            extra["event"] = event
    if ended is None:
        raise Fault(Why.TRUNCATED, "the block has no CALL RELEASED, TRANSFER, NO ANSWER or BUSY")
    row["answered"] = not missed and (ended > 0 or incoming)
    row["talk_s"] = 0 if missed else ended
    if not incoming:
        row["started_local"] = stamp
    elif missed:
        row["ended_local"] = stamp
    else:
        row["answered_local"] = stamp


SIGNALS = {"G": "ringing", "D": "dnis", "A": "answered", "N": "no-answer", "T": "transfer", "R": "released"}
MOST_LINES = 1000  # calls kept open in Real Time


def _real_time(row: Row, context: Context, stamp: str) -> Row | Signal | None:
    """One line a stage of an incoming call; with report = "real time" the last one makes the leg."""
    event, line, one, two = row["_real_time"], row["trunk"], row.get("_one"), row.get("_two")
    station = one if event in "ANTR" and two else None
    caller = (two if station else one) or ""
    caller = caller.strip("/x")
    if not str(context.options.get("report", "")).lower().startswith("real"):
        called = two if event == "D" else station
        return Signal(
            format=context.name,
            what=SIGNALS[event],
            trunk=line,
            caller=caller or None,
            called=called,
            at_local=stamp,
        )
    calls: dict[str, Any] = context.memory.setdefault("calls", {})
    if event == "G" or line not in calls:
        if len(calls) >= MOST_LINES:
            calls.clear()
        calls[line] = {"trunk": line, "direction": "incoming"} | (
            {"started_local": stamp} if event == "G" else {}
        )
    call = calls[line]
    if caller:
        call["caller"] = caller
    if row.get("_name"):
        call["extra"] = {"name": row["_name"]}
    if station:
        call["extension"] = station
    if event == "D" and two:
        call["called"] = two
    if event == "A":
        call["answered_local"] = stamp
    if event in "GDA":
        return None
    return _real_time_leg(calls, line, event, stamp)


def _real_time_leg(calls: dict[str, Any], line: str, event: str, stamp: str) -> Row:
    call: Row = calls.pop(line)
    leg = call | {"answered": "answered_local" in call, "ended_local": stamp, "continues": event == "T"}
    if "answered_local" in call:
        begun = datetime.datetime.fromisoformat(call["answered_local"])
        seconds = int((datetime.datetime.fromisoformat(stamp) - begun).total_seconds())
        if seconds < 0:
            raise Fault(
                Why.BAD_TIME, f"released at {stamp}, before it was answered at {call['answered_local']}"
            )
        leg["talk_s"] = seconds
    else:
        leg["talk_s"] = 0
    if event == "T":
        # the next party goes on from here; what the caller is stays known
        calls[line] = {
            key: call[key] for key in ("trunk", "direction", "caller", "called", "extra") if key in call
        }
        calls[line]["answered_local"] = stamp
    return leg


FORMAT = Format(
    name="norstar-bcm",
    title="Nortel Norstar, Business Communications Manager",
    layouts=choose({}),
    integrity=Integrity.FAIR,
    frames=Blocks(
        start=r"-{4,} *\d\d/\d\d/\d\d",
        last=r"\d\d:\d\d:\d\d +CALL RELEASED",
        single=r"\*\d{6} |.*(RECORD RESTART|REPORTS LOST)",
    ),
    prepare=prepare,
    choose=choose,
    finish=finish,
    skip=(r"^\*\d{6} +\d{6} +\S+ +H ?[VBMF]\s*$",),
    options=(
        Option("date_order", "text", "mm/dd/yy (default), dd/mm/yy or yy/mm/dd"),
        Option(
            "report", "text", 'standard, clid, all (default), or "real time" where no blocks come, or "SL-1"'
        ),
        Option("year", "number", "SL-1: the year of the first record"),
    ),
    dialects=({}, {"date_order": "dd/mm/yy"}, {"report": "real time"}),
    join=Joins(
        relay=("trunk",),
        starts=(("condition_code", "^[SN]$"),),
        slack_s=60,
        window_s=24 * 3600,
        done="continues",
    ),
)
