"""Panasonic KX-T, KX-TA, KX-TD, KX-TDA, KX-TDE, KX-NCP, KX-NS, DBS, DBS576, KX-HTS824 SMDR.

Feed:       RS-232C (9600 8N1 usual, CR or CR LF), or TCP 2300 with a login, where the collector connects.
PBX:        SMDR output on; outgoing, incoming and intercom calls printed; pattern A (80 columns); note whether the
            date is printed month or day first (option date_order).
Source:     KX-NS1000 feature guide, KX-TDA100/200 guides, KX-TA sample pages. Column widths as stated there;
            the justification inside a column is unverified, so pad is always stripped. DBS: the DBS576 manual p. 74 names
            the values in order; their places are those of the ESI manual, whose report is laid out like it. HTS824:
            the order of the CSV cells is published, no row is.
Integrity:  fair: a date, a clock and a duration hh:mm'ss in one line. A second layout reads the same values by
            their shape, for lines whose blanks were squeezed and for KX-TA.

    01/02/02 10:15AM  1200 01 1234567890123456               00:01'05 9876543210 TR
    |        |       |     |  |                         |    |        |          |
    |        |       |     |  dial number (25)          ring duration account    condition
    |        |       |     CO, 00 = a trunk above 99
    |        |       extension, Dnnn doorphone, Tnnn trunk group, *nnn verified code
    date     end of the call (KX-TA: start; * before it = a transferred call)

Dial number: <I> incoming with the caller's name and number, <D> the called DDI before it; EXTnnn intercom;
else the digits dialled: P pause and = host PBX mark are taken out, what follows "-" is the transferee, a number of
only . or X is secret and absent. LOG IN, LOG OUT, Check in, Timed Reminder and the like are no calls.
Condition RC (ringing) and AN (answered) are extra lines of an incoming call and become signals; NA is a call
that was not answered. A call with a duration counts as answered. Two records, one in and one out, are a
trunk-to-trunk call. Patterns B and C carry a charge instead of the ring; its place is not proven.

format = "DBS" (DBS 40, 96, 576):
    O 01/05 09:14:07 00:03:12 101                   9025551234 4711             02
    | |     |        |        |   |                            |          |     CO line
    | |     |        |        |   |                            account    not known (extra.value)
    | |     |        |        |   digits (28): dialled, or the caller's, * printed as >, # as <
    | |     |        |        extension
    | |     |        duration
    | date without year, start
    type: I incoming, O outgoing; others (T S s N D, h t A F H L W) are kept as condition_code: what they mean and
    their direction are not known, and whether they were answered is told by the duration alone

format = "HTS824": 15 cells: account, caller, callee, source and destination channel, feature, two options, start,
answer, end, total, talk, status, id. No cell states the direction: give internal_numbers.
"""

import re
from typing import Any

import msgspec

from bluewhale.formats._join import Joins
from bluewhale.formats._layout import (
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
    digits,
    duration,
    text,
    when,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._readers import joined, put_time
from bluewhale.formats._site import date_shape, dated, numbers, time_field
from bluewhale.model import Signal

NO_DATE, NO_CLOCK = ("**/**/**",), ("**:****", "**:**")  # the clock was changed too often
FIELDS = {
    "date": when("_date", 0, "mm/dd/yy", blank=NO_DATE),
    "time": when("_time", 0, "h:mm[am]", blank=NO_CLOCK),
    "star": text("_star", 0, note="a transferred call (KX-TA)"),
    "ext": text("_ext", 0, need=True),
    "co": text("trunk", 0, blank=("00",), note="00 = above 99, not known"),
    "dial": digits("_dial", 0, need=True),
    "ring": duration("ring_s", 0, "m'ss"),
    "duration": duration("talk_s", 0, "hh:mm'ss", need=True),
    "cost": text("extra.cost", 0, note="place not proven"),
    "currency": text("extra.cost_currency", 0, note="place not proven"),
    "account": text("_account", 0),
    "cd": text("condition_code", 0),
}
PLACES_A: dict[str, Any] = {
    "date": (0, 8),
    "time": (9, 16),
    "ext": (17, 22),
    "co": (23, 25),
    "dial": (26, 51),
    "ring": (52, 56),
    "duration": (57, 65),
    "account": (66, 76),
    "cd": (77, 80),
}
GAPS_A = (8, 16, 22, 25, 51, 56, 65, 76)
SHAPE = r"(\d\d/\d\d/\d\d|\*\*/\*\*/\*\*) "
_HEAD = (
    r"(?P<date>[\d*]{2}/[\d*]{2}/[\d*]{2})\s+(?P<star>\*?)(?P<time>\d\d?:\d\d(?:\s?[AP]M?)?|\*\*:\*+)\s+"
    r"(?P<ext>[DT*]?\d{1,5})(?:\s+(?P<co>\d{2,4}))?\s+(?P<dial>\S.*?)"
)
_TAIL = r"(?:\s+(?P<account>[\d*#]+|\.+|X+))?(?:\s+(?P<cd>[A-Z][A-Z0-9]))?\s*"
PATTERN_A = _HEAD + r"(?:\s+(?P<ring>\d{1,4}'\d\d))?\s+(?P<duration>\d\d:\d\d'\d\d)" + _TAIL
PATTERN_COST = (
    _HEAD
    + r"\s+(?P<duration>\d\d:\d\d'\d\d)(?:\s+(?P<cost>\d+[.,]\d+)\s*(?P<currency>[^\s\d]{1,3})?)?"
    + _TAIL
)


DBS_TYPES = {letter: letter for letter in "IOTSsNDhtAFHLW"}


def dbs(options: dict[str, Any]) -> Fixed:
    """The DBS report: places as in the ESI manual."""
    date = date_shape({"date_order": str(options.get("date_order", "mm/dd"))[:5]}, "mm/dd", "/")
    return Fixed(
        (
            code("condition_code", (0, 1), DBS_TYPES, need=True),
            when("_date", (2, 7), date, need=True),
            when("_time", (8, 16), "hh:mm:ss", need=True),
            duration("talk_s", (17, 25), "hh:mm:ss", need=True),
            text("extension", (26, 30), note="3 or 4 digits"),
            text("_digits", (30, 58), note="place not proven"),
            text("account_code", (59, 69), note="place not proven"),
            text("extra.value", (70, 75), note="meaning not known"),
            text("trunk", (76, 79), note="place not proven"),
        ),
        gaps=(1, 7, 16, 25, 58, 69),
        least=30,
        most=80,
        shape=r"[A-Za-z] \d\d/\d\d \d\d:",
        name="DBS",
    )


HTS824 = Delimited(
    (
        text("account_code", 0),
        text("caller", 1),
        text("called", 2),
        text("extra.source_channel", 3),
        text("extra.dest_channel", 4),
        text("extra.feature", 5),
        text("extra.option_1", 6),
        text("extra.option_2", 7),
        when("started_local", 8, "yyyy/m/d h:mm:ss", need=True),
        when("answered_local", 9, "yyyy/m/d h:mm:ss"),
        when("ended_local", 10, "yyyy/m/d h:mm:ss", need=True),
        duration("total_s", 11, "s"),
        duration("talk_s", 12, "s", need=True),
        text("_status", 13, need=True),
        text("correlation_id", 14),
    ),
    quote='"',
    least=15,
    most=15,
    name="HTS824",
)


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    name = str(options.get("format", "A")).upper().removeprefix("KX-").removeprefix("PATTERN ").strip()
    if name == "HTS824":
        return (HTS824,)
    if name in ("DBS", "DBS576"):
        return (dbs(options),)
    known = dict(FIELDS, date=when("_date", 0, date_shape(options, "mm/dd/yy", "/"), blank=NO_DATE))

    def placed(places: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(msgspec.structs.replace(known[name], at=place) for name, place in places.items())

    def groups(regex: str) -> tuple[Any, ...]:
        return placed({name: name for name in re.findall(r"\?P<(\w+)>", regex)})

    if name in ("B", "C"):
        return (Pattern(groups(PATTERN_COST), PATTERN_COST, SHAPE, f"pattern {name}"),)
    if name != "A":
        raise OptionError(f"option format: {options['format']!r} is none of A, B, C, DBS, DBS576, HTS824")
    return (
        Fixed(placed(PLACES_A), GAPS_A, least=57, most=80, shape=SHAPE, name="pattern A"),
        Pattern(groups(PATTERN_A), PATTERN_A, SHAPE, "pattern A by shape"),
    )


class Site(msgspec.Struct):
    time: str  # which time a record states
    internal: Any  # whether a number is internal, or None


def prepare(options: dict[str, Any]) -> Site:
    internal = options.get("internal_numbers")
    return Site(time_field(options, "end"), None if internal is None else numbers(internal))


def finish(row: Row, context: Context) -> Row | Signal:
    if "_status" in row:
        return _hts(row, context)
    if "_dial" not in row:
        return _dbs(row, context)
    take = row.pop
    put_time(row, context.site.time, joined(take("_date", None), take("_time", None)))
    station, dial, account = take("_ext"), take("_dial"), take("_account", "")
    if account and not SECRET.fullmatch(account):
        row["account_code"] = account
    if take("_star", None):
        row.setdefault("extra", {})["transferred"] = "yes"
    if station[0] == "*":
        row["auth_code"] = station[1:]
    elif station[0] == "T":
        row["trunk_in"] = station
    else:
        row["extension"] = station
    row["answered"] = row["talk_s"] > 0 and row.get("condition_code") != "NA"
    _dialled(row, dial)
    if row.get("condition_code") in ("RC", "AN"):
        return Signal(
            format=context.name,
            what="ringing" if row["condition_code"] == "RC" else "answered",
            trunk=row.get("trunk"),
            caller=row.get("caller"),
            called=row.get("extension"),
            at_local=row.get(f"{context.site.time}_local"),
            ring_s=row.get("ring_s"),
        )
    return row


SECRET = re.compile(r"[.X]+")
INCOMING = re.compile(r"(?:<D>(?P<ddi>[^<]*))?<\s*(?:I|[Ii]ncoming)\s*>(?P<caller>.*)|<D>(?P<only>.*)")
NAME_NUMBER = re.compile(r"(?P<name>.*?)(?P<number>[+*#\dX.]*)")


def _dialled(row: Row, dial: str) -> None:
    """The dial number column to direction, caller and called."""
    found = INCOMING.fullmatch(dial)
    if found:
        row["direction"] = "incoming"
        for field, cell in (("called", found["ddi"] or found["only"]), ("caller", found["caller"])):
            parts = NAME_NUMBER.fullmatch((cell or "").strip())
            if parts and parts["number"] and not SECRET.fullmatch(parts["number"]):
                row[field] = parts["number"]
            if parts and parts["name"].strip():
                row.setdefault("extra", {})[f"{field}_name"] = parts["name"].strip()
        return
    if "extension" in row:
        row["caller"] = row["extension"]
    if dial.startswith("EXT"):
        row["direction"] = "internal"
        row["called"] = dial[3:].strip()
        return
    row["direction"] = "tandem" if "trunk_in" in row else "outgoing"
    number, _, transferee = dial.partition("-")
    number = number.replace("P", "").replace("=", "").strip()
    if number and not SECRET.fullmatch(number):
        row["called"] = number
    if transferee:
        row.setdefault("extra", {})["transferred_to"] = transferee.strip()


DBS_DIRECTIONS = {"I": "incoming", "O": "outgoing"}


def _dbs(row: Row, context: Context) -> Row:
    put_time(row, "started", joined(dated(row.pop("_date"), context), row.pop("_time")))
    row["answered"] = row["talk_s"] > 0
    number = row.pop("_digits", "").translate(str.maketrans("><", "*#"))
    direction = DBS_DIRECTIONS.get(row["condition_code"])
    if direction:
        row["direction"] = direction
    if direction == "outgoing" and "extension" in row:
        row["caller"] = row["extension"]
    if number and direction:
        row["caller" if direction == "incoming" else "called"] = number
    elif number:
        row.setdefault("extra", {})["number"] = number
    return row


def _hts(row: Row, context: Context) -> Row:
    status, internal = row.pop("_status"), context.site.internal
    row["condition_code"] = status
    row["answered"] = "answered_local" in row and row["talk_s"] > 0
    if internal is not None and "caller" in row and "called" in row:
        ends = internal(row["caller"]), internal(row["called"])
        words = {(True, True): "internal", (True, False): "outgoing", (False, True): "incoming"}
        row["direction"] = words.get(ends, "tandem")
        if row["direction"] != "tandem":
            row["extension"] = row["called" if row["direction"] == "incoming" else "caller"]
    return row


FORMAT = Format(
    name="panasonic",
    title="Panasonic KX-T, TA, TD, TDA, TDE, NCP, NS, DBS, DBS576, HTS824",
    layouts=(*choose({}), *choose({"format": "B"}), dbs({}), HTS824),
    integrity=Integrity.FAIR,
    prepare=prepare,
    choose=choose,
    finish=finish,
    skip=(
        r"^\s*Date\s+Time\s+Ext",
        r"^\s*-+\s*$",
        r"^-?\s*(SMDR|Enter Password:.*|No such command\.|Goodbye)\s*$",
        r"\s(LOG (IN|OUT)|In the office|Check (in|out)|Timed Reminder\S*.*)\s*$",
    ),
    options=(
        Option("date_order", "text", "mm/dd/yy (default), dd/mm/yy or yy/mm/dd"),
        Option("time_is", "text", "end (default) or start (KX-TA)"),
        Option("format", "text", "A (default), B or C with a charge, DBS, DBS576 or HTS824"),
        Option("year", "number", "DBS: the year of the first record: records have none"),
        Option("internal_numbers", "any", "HTS824: what extensions look like; tells the direction"),
    ),
    dialects=(
        {},
        {"date_order": "dd/mm/yy"},
        {"format": "B"},
        {"format": "DBS"},
        {"format": "DBS", "date_order": "dd/mm"},
        {"format": "HTS824"},
    ),
    join=Joins(relay=("trunk",), slack_s=60, window_s=24 * 3600),
)
