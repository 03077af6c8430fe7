"""Avaya Communication Manager, MultiVantage, DEFINITY: CDR.

Feed:       TCP, the PBX connects (raw: "Reliable Protocol" n; port as administered, often 9000); or RS-232
            (9600 8N1); or the same lines in files. CR LF, some formats with NULs behind.
PBX:        change system-parameters cdr: CDR format; best "customized" with date, time, sec-dur, cond-code,
            code-used, dialed-num, calling-num, in-crt-id, out-crt-id, ucid; enter the same list as `layout`.
Source:     DEFINITY ECS 8.2 and MultiVantage administrator guides (TELESEER, printer, expanded, LSU, condition codes);
            customized layouts from a public test server and two public parsers. Not proven: unformatted and
            59-character (all columns, from memory), the end of expanded (from 65 on) and of printer (from 78 on), the
            head of int-direct (1-26). int-isdn is one record of two lines (a line feed at 74). Enhanced formats and
            ISDN printer: their columns were not found; such lines take `layout`.
Integrity:  none but a condition code and blanks between columns: proposed by detection over many records. LSU has no
            time of day and no blanks: it is never detected, name it.

    010526 0905 0033 00200 9    9  345         2065551212      58888          031 00001001231767603600
    |      |    |    |     |    |  |           dialled         calling    in  out UCID
    |      |    |    |     |    |  access code used (trunk group)
    |      |    |    |     |    access code dialled
    |      |    |    |     condition code
    |      |    |    seconds
    |      |    duration HMMT: hours, minutes, tenths of minutes (rounded down); 9999 = clock changed, not known
    |      end of the segment (time_is = start where so administered)
    date (customized only; other formats have a date record MMDD at midnight and when the link comes up)

Condition codes: 0 internal; 1 attendant; 4 ten hours have passed, more follows; 6 not recorded (signal); 7 ARS,
8 ringback queue, A, B, M outgoing; 9 incoming, tandem when both circuits stand there; C conference; E, F not
completed; G ring time of an answered call (signal: the call itself has its own record); H abandoned while
ringing and I busy: incoming calls not answered; J, K re-routed; T redirected.
`trunk` is the circuit, the access code used where there is none. Circuits in TELESEER and printer are stored tens,
units, hundreds and put right, unless circuit_id begins with "modified" or "natural".
"""

from typing import Any

import msgspec

from bluewhale.formats._join import Joins, Link
from bluewhale.formats._layout import (
    Blocks,
    Column,
    Context,
    Fixed,
    Format,
    Integrity,
    Layout,
    Lines,
    Option,
    Pattern,
    Row,
    code,
    dialled,
    number,
    text,
    when,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._readers import joined, put_time
from bluewhale.formats._site import date_shape, dated, time_field
from bluewhale.model import Signal

CODES = {letter: letter for letter in "0146789ABCEFGHIJKMT"}
FIELDS: dict[str, Column] = {
    "date": when("_date", 0, "mmddyy"),
    "time": when("_time", 0, "hhmm"),
    "start-time": when("_start", 0, "hhmm"),
    "duration": Column("_tenths", 0, "duration", "hmmt", False, ("9999",), "tenths of minutes"),
    "sec-dur": number("_seconds", 0),
    "cond-code": code("condition_code", 0, CODES, need=True),
    "code-dial": dialled("extra.code_dialled", 0, note="access code dialled"),
    "code-used": dialled("extra.code_used", 0, note="access code used: the trunk group"),
    "dialed-num": dialled("_dialled", 0),
    "calling-num": dialled("_calling", 0),
    "clg-num/in-tac": dialled("_calling", 0, note="calling number, else the incoming access code"),
    "acct-code": text("account_code", 0),
    "auth-code": text("auth_code", 0),
    "in-crt-id": dialled("_in", 0),
    "out-crt-id": dialled("_out", 0),
    "in-trk-code": dialled("extra.in_tac", 0),
    "ucid": text("correlation_id", 0, blank=("0" * 20,)),
    "feat-flag": text("extra.feature_flag", 0),
    "calling-first": text("_first", 0, note="LSU: first digit of the calling number"),
    "in-crt-tens": text("_tens", 0, note="LSU: tens and units of the incoming circuit"),
    "ins-units": text("_ins", 0, note="ISDN TELESEER: units of the INS"),
    "ins-tens": text("_ins_tens", 0, note="ISDN TELESEER: hundreds and tens of the INS"),
    "in-crt-hundreds": text("_hundreds", 0, note="LSU: hundreds of the incoming circuit"),
}
# Positions from 1, first and last, as the guides print them. Where a column stands in no list it is blank.
STANDARD = {
    "teleseer": "time 4-7 duration 8-11 cond-code 12 code-dial 13-15 code-used 16-18 dialed-num 19-33 calling-num 34-38 "
    "acct-code 39-53 frl 54 ixc-code 55 in-crt-id 56-58 out-crt-id 59-61 feat-flag 62 auth-code 63-69",
    "isdn-teleseer": "time 4-7 duration 8-11 cond-code 12 ixc-code 13-15 code-used 16-18 dialed-num 19-33 "
    "calling-num 34-38 acct-code 39-53 ins-units 54 frl 55 in-crt-id 56-58 out-crt-id 59-61 feat-flag 62 auth-code 63-69 ins-tens 70-71",
    "printer": "time 1-4 duration 6-9 cond-code 11 code-dial 13-15 code-used 17-19 dialed-num 21-35 calling-num 37-41 "
    "acct-code 43-57 auth-code 59-65 frl 70 ixc-code 72 in-crt-id 74-76 out-crt-id 78-80 feat-flag 82",
    "expanded": "time 1-4 duration 6-9 cond-code 11 code-dial 13-16 code-used 18-21 dialed-num 23-37 calling-num 39-48 "
    "acct-code 50-64 auth-code 66-72 frl 76 in-crt-id 78-80 out-crt-id 82-84 feat-flag 86 attd-console 88-89 "
    "in-trk-code 91-94 node-num 96-97 ins 99-101 ixc-code 103-106 bcc 108 ma-uui 110 res_flag 112",
    "unformatted": "time 1-4 duration 5-8 cond-code 9 code-dial 10-13 code-used 14-17 dialed-num 18-32 "
    "calling-num 33-42 acct-code 43-57 auth-code 58-64 frl 67 in-crt-id 68-70 out-crt-id 71-73 feat-flag 74 "
    "attd-console 75-76 in-trk-code 77-80 node-num 81-82 ins 83-85 ixc-code 86-88 bcc 89 ma-uui 90 res_flag 91",
    "int-isdn": "time 1-4 duration 6-9 cond-code 11 code-dial 13-16 code-used 18-21 dialed-num 23-37 calling-num 39-48 "
    "acct-code 50-64 auth-code 66-72 frl 76 in-crt-id 78-80 out-crt-id 82-84 feat-flag 86 attd-console 88-89 "
    "in-trk-code 91-94 node-num 96-97 ins 99-101 ixc-code 103-106 bcc 108 ma-uui 110 res_flag 112",
    "int-direct": "date 1-6 time 8-11 duration 13-16 cond-code 18 code-dial 20-22 code-used 23-25 dialed-num 27-44 "
    "calling-num 46-50 acct-code 52-66 ppm 68-72 in-crt-id 74-75 out-crt-id 77-78",
    "59-character": "time 1-4 duration 5-8 cond-code 9 code-dial 10-12 code-used 13-15 dialed-num 16-30 "
    "calling-num 31-35 acct-code 36-50 frl 51 ixc-code 52 in-crt-id 53-55 out-crt-id 56-58",
    "lsu": "duration 1-4 cond-code 5 code-dial 6-8 code-used 9-11 dialed-num 12-26 calling-num 27-30 acct-code 31-35 "
    "auth-or-acct 36-42 frl 45 calling-first 46 in-crt-tens 47-48 feat-flag 49 out-crt-id 50-52 in-crt-hundreds 53 "
    "ixc-code 54",
    "isdn-lsu": "duration 1-4 cond-code 5 code-dial 6-8 code-used 9-11 dialed-num 12-26 calling-num 27-30 "
    "acct-code 31-35 auth-or-acct 36-42 ins 43-44 frl 45 calling-first 46 in-crt-tens 47-48 feat-flag 49 "
    "out-crt-id 50-52 in-crt-hundreds 53 ixc-code 54",
}
SCRAMBLED = ("teleseer", "isdn-teleseer", "printer", "lsu", "isdn-lsu", "59-character")
# The 59-character format's own letters; the codes that have none there stand as they are.
LETTERS = {"A": "1", "D": "4", "E": "6", "G": "7", "H": "8", "I": "9", "L": "C", "N": "E"}
BLANKS = {
    "teleseer": (0, 1, 2),
    "isdn-teleseer": (0, 1, 2),
    "printer": (4, 9, 11, 15, 19, 35, 41, 57, 65, 66, 67, 68, 70, 72, 76, 80),
    "expanded": (4, 9, 11, 16, 21, 37, 48, 64),
    "unformatted": (64, 65),
    "int-isdn": (4, 9, 11, 16, 21, 37, 48, 64, 72, 74, 76, 80, 84, 86),
    "int-direct": (6, 11, 16, 18, 25, 44, 50, 66, 72, 75),
    "59-character": (),
    "lsu": (),
    "isdn-lsu": (),
}
SHORT = ("59-character", "lsu", "isdn-lsu")  # their ends tell them from longer formats
LEAST = {"unformatted": 74, "int-direct": 50}  # to the feature flag; to the calling number
SHAPES = {"teleseer": r"   \d{4}[\d ]", "unformatted": r"\d{8}[0-9A-Z]"}
# Customized lists seen in public, tried where neither format nor layout is given: (name, length) from the left.
SEEN = {
    "customized 1": "date 6 _ 1 time 4 _ 1 duration 4 _ 1 sec-dur 5 _ 1 cond-code 1 _ 1 code-dial 4 _ 1 code-used 4 _ 1 "
    "dialed-num 18 _ 1 clg-num/in-tac 10 _ 1 in-trk-code 4 _ 1 in-crt-id 3 _ 1 out-crt-id 3 _ 1 ucid 20",
    "customized 2": "date 6 _ 1 time 4 _ 1 duration 4 _ 1 sec-dur 5 _ 1 cond-code 1 _ 1 code-dial 4 _ 1 code-used 4 _ 1 "
    "dialed-num 23 _ 1 calling-num 15 _ 15 in-crt-id 3 _ 1 out-crt-id 3",
    "customized 3": "date 6 _ 1 time 4 _ 1 calling-num 10 _ 1 dialed-num 17 _ 1 sec-dur 5 _ 1 code-dial 3 _ 1 code-used 3 "
    "out-crt-id 2 _ 1 in-trk-code 3 in-crt-id 2 _ 1 cond-code 1",
    "customized 4": "date 6 _ 1 time 4 _ 1 sec-dur 5 _ 1 calling-num 15 _ 1 in-trk-code 4 _ 1 dialed-num 23 _ 1 "
    "cond-code 1 _ 1 vdn 7 _ 1 frl 1",
}
PAD_NAMES = frozenset({"space", "_", "null", "return", "line-feed"})


def _column(name: str, place: tuple[int, int], date: str) -> Column:
    known = FIELDS.get(name) or text(f"extra.{name.replace('-', '_')}", 0)
    column = msgspec.structs.replace(known, at=place)
    return msgspec.structs.replace(column, arg=date) if name == "date" else column


def standard(name: str, natural: bool = False, date: str = "ddmmyy") -> Fixed:
    words = STANDARD[name].split()
    columns = []
    for field, place in zip(words[::2], words[1::2]):
        first, _, last = place.partition("-")
        column = _column(field, (int(first) - 1, int(last or first)), date)
        if field == "cond-code" and name == "59-character":
            column = msgspec.structs.replace(column, arg={letter: letter for letter in "0JKM"} | LETTERS)
        if field in ("in-crt-id", "out-crt-id") and name in SCRAMBLED and not natural:
            column = msgspec.structs.replace(column, kind="reorder", arg=(2, 0, 1))
        columns.append(column)
    least = int(words[words.index("cond-code") + 1])  # with nothing dialled, the rest is trimmed
    most = int(words[-1].rpartition("-")[2]) if name in SHORT else 130
    least = LEAST.get(name, least)
    return Fixed(tuple(columns), BLANKS[name], least=least, most=most, shape=SHAPES.get(name, ""), name=name)


def customized(pairs: list[Any], date: str, name: str = "customized") -> Fixed:
    """The administrator's list of [name, length]. Raises OptionError."""
    columns: list[Column] = []
    gaps: list[int] = []
    at = 0
    for pair in pairs:
        if not (
            isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[1], int) and pair[1] > 0
        ):
            raise OptionError(f"option layout: {pair!r} is no [name, length]")
        field, width = str(pair[0]).lower(), pair[1]
        if field in ("space", "_"):
            gaps += range(at, at + width)
        elif field not in PAD_NAMES:
            shape = date if width >= 6 else date.replace("yy", "")
            columns.append(_column(field, (at, at + width), shape))
        at += width
    if not any(column.field in ("_tenths", "_seconds") for column in columns):
        raise OptionError("option layout: it names neither duration nor sec-dur")
    if not any(column.field == "condition_code" for column in columns):
        raise OptionError("option layout: it does not name cond-code")
    return Fixed(tuple(columns), tuple(gaps), least=11, most=at + 2, name=name)


def seen(name: str, date: str) -> Fixed:
    words = SEEN[name].split()
    return customized([[field, int(width)] for field, width in zip(words[::2], words[1::2])], date, name)


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    date = date_shape(options, "mmddyy", "")
    record = date.replace("yy", "")
    natural = options.get("circuit_id", "").lower().startswith(("modified", "natural"))
    aside = Pattern(
        (when("_record", "date", record.replace("mmdd", "mm[ ]dd").replace("ddmm", "dd[ ]mm"), need=True),),
        r"\s{0,3}(?:\d{4} ?)?(?P<date>\d\d ?\d\d)\s*",
        name="date record",
        aside=True,
    )
    name = str(options.get("format", "")).strip().lower().replace(" ", "-")
    if name == "customized" or (not name and "layout" in options):
        if not isinstance(options.get("layout"), list):
            raise OptionError("option layout: customized needs the list of [name, length] as administered")
        return customized(options["layout"], date), aside
    if name:
        if name not in STANDARD:
            raise OptionError(f"option format: {name!r} is none of customized, {', '.join(STANDARD)}")
        return standard(name, natural, date if "date_order" in options else "ddmmyy"), aside
    auto = [standard(each, natural) for each in ("teleseer", "printer", "expanded")]
    return (*auto, *(seen(each, date) for each in SEEN), standard("unformatted"), aside)


FIRST_LINE = r"\s{0,3}\d{4} [\d ]{4} [0-9A-Z] "


def framing(options: dict[str, Any]) -> Lines | Blocks:
    """International ISDN has a line feed at position 74: two lines are one record, joined by it again."""
    if str(options.get("format", "")).strip().lower().replace(" ", "-") == "int-isdn":
        return Blocks(FIRST_LINE, last=r".*\S", single=r"\s{0,3}(?:\d{4} ?)?\d\d ?\d\d\s*$")
    return Lines()


class Site(msgspec.Struct):
    time: str  # which time a record states
    access_codes: frozenset[
        str
    ]  # of incoming trunks: where the calling number is one of them, it is no number


def prepare(options: dict[str, Any]) -> Site:
    return Site(time_field(options, "end"), frozenset(options.get("trunk_access_codes", {})))


OUTGOING, INCOMING = frozenset("78ABM"), frozenset("9GHIJK")


def finish(row: Row, context: Context) -> Row | Signal | None:
    memory, site = context.memory, context.site
    if "_record" in row:
        memory["date"] = dated(row["_record"], context)
        return None
    take, extra = row.pop, row.setdefault("extra", {})
    date = take("_date", None)
    date = memory.get("date") if date is None else dated(date, context)
    put_time(row, site.time, joined(date, take("_time", None)))
    if "_start" in row:
        put_time(row, "started", joined(date, take("_start")))
    tenths, seconds = take("_tenths", None), take("_seconds", None)
    spent = tenths if seconds is None else seconds
    dialled, calling = take("_dialled", None), take("_calling", None)
    inward, outward = take("_in", None), take("_out", None)
    if "_first" in row and calling:
        calling = take("_first") + calling
    if "_tens" in row:
        inward = take("_hundreds", "0") + take("_tens")
    if ins := take("_ins_tens", "") + take("_ins", ""):
        extra["ins"] = ins
    tac, used = extra.get("in_tac"), extra.get("code_used")
    if calling is not None and (calling == tac or calling in site.access_codes):
        tac = extra["in_tac"] = calling
        calling = None
    if dialled:
        row["called"] = dialled
    if calling:
        row["caller"] = calling
    letter = row["condition_code"]
    if letter in "G6":
        what = "ring" if letter == "G" else "not-recorded"
        at = row.get(f"{site.time}_local") or row.get(f"{site.time}_partial")
        return Signal(
            format=context.name,
            what=what,
            correlation_id=row.get("correlation_id"),
            trunk=inward or outward or tac or used,
            called=dialled,
            caller=calling,
            at_local=at,
            ring_s=spent if letter == "G" else None,
        )
    _measured(row, letter, spent)
    _sided(row, letter, inward or tac, outward or used, bool(inward and outward))
    return row


def _measured(row: Row, letter: str, spent: int | None) -> None:
    if letter in "EFHI":
        row["answered"], row["talk_s"] = False, 0
        if letter == "H" and spent is not None:
            row["ring_s"] = spent
    elif spent is not None:
        row["answered"], row["talk_s"] = spent > 0, spent
    if letter == "4":
        row["continues"] = True


def _sided(row: Row, letter: str, inward: str | None, outward: str | None, both: bool) -> None:
    """Direction from the condition code, else from the trunk's side; then trunk and station."""
    if letter == "0":
        direction = "internal"
    elif both:
        direction = "tandem"
    elif letter in OUTGOING:
        direction = "outgoing"
    elif letter in INCOMING:
        direction = "incoming"
    else:
        dialled_out = outward or (not inward and "code_dialled" in row["extra"])
        direction = "outgoing" if dialled_out else "incoming" if inward else ""
    if direction:
        row["direction"] = direction
    if direction == "tandem":
        row["trunk_in"] = inward
    trunk = inward if direction == "incoming" else outward
    if trunk and direction != "internal":
        row["trunk"] = trunk
    station = row.get("called") if direction == "incoming" else row.get("caller")
    if station and direction not in ("tandem", ""):
        row["extension"] = station


FORMAT = Format(
    name="avaya-cm",
    title="Avaya Communication Manager, MultiVantage, DEFINITY",
    layouts=choose({}),
    integrity=Integrity.NONE,
    prepare=prepare,
    choose=choose,
    framing=framing,
    finish=finish,
    options=(
        Option("format", "text", f"customized, {', '.join(STANDARD)}; absent: found by the columns' blanks"),
        Option("layout", "any", "customized: the administrator's list of [name, length]"),
        Option("date_order", "text", "mmddyy (default) or ddmmyy; date records follow it"),
        Option("time_is", "text", "end (default) or start"),
        Option("year", "number", "the year of the first date record"),
        Option("circuit_id", "text", "modified or natural: circuits stand in natural order"),
        Option(
            "trunk_access_codes", "table", "access code to name; a calling number that is one is no number"
        ),
        Option("inc_trk_call_splitting", "flag", "records are split at transfers (incoming)"),
        Option("outg_trk_call_splitting", "flag", "records are split at transfers (outgoing)"),
        Option("trunk_cost_centres", "table", "access code to cost centre; the ledger reads it"),
    ),
    dialects=(
        {},
        {"format": "int-direct"},
        {"format": "int-isdn"},
        {"format": "59-character"},
    ),
    join=Joins(
        key=("correlation_id",),
        links=(  # a second trunk of a conference began as a call of its own
            Link(
                ("extension",),
                ("extension",),
                when="overlap",
                one_has=(("condition_code", "C"), ("direction", "outgoing")),
                other_has=(("condition_code", "C"), ("direction", "outgoing")),
            ),
        ),
        relay=("trunk",),
        touching=("caller", "direction", "correlation_id"),
        splitting="inc_trk_call_splitting",
        slack_s=60,
        window_s=11 * 3600,
        done="continues",
    ),
)
