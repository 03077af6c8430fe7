"""Panasonic KX-T, KX-TA, KX-TD, KX-TDA, KX-TDE, KX-NCP, KX-NS SMDR.

Feed:       RS-232C (9600 8N1 usual, CR or CR LF), or TCP 2300 with a login, where the collector connects.
PBX:        SMDR output on; outgoing, incoming and intercom calls printed; pattern A (80 columns); note whether the
            date is printed month or day first (option date_order).
Source:     KX-NS1000 feature guide, KX-TDA100/200 guides, KX-TA sample pages. Column widths as stated there;
            the justification inside a column is unverified, so pad is always stripped.
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
"""

import re
from typing import Any

import msgspec

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
    digits,
    duration,
    text,
    when,
)
from bluewhale.formats._options import OptionError
from bluewhale.formats._readers import joined, put_time
from bluewhale.formats._site import date_shape, time_field
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


def choose(options: dict[str, Any]) -> tuple[Layout, ...]:
    known = dict(FIELDS, date=when("_date", 0, date_shape(options, "mm/dd/yy", "/"), blank=NO_DATE))

    def placed(places: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(msgspec.structs.replace(known[name], at=place) for name, place in places.items())

    def groups(regex: str) -> tuple[Any, ...]:
        return placed({name: name for name in re.findall(r"\?P<(\w+)>", regex)})

    if (pattern := str(options.get("format", "A")).upper()[-1:]) in ("B", "C"):
        return (Pattern(groups(PATTERN_COST), PATTERN_COST, SHAPE, f"pattern {pattern}"),)
    if pattern != "A":
        raise OptionError(f"option format: {options['format']!r} is none of A, B, C")
    return (
        Fixed(placed(PLACES_A), GAPS_A, least=57, most=80, shape=SHAPE, name="pattern A"),
        Pattern(groups(PATTERN_A), PATTERN_A, SHAPE, "pattern A by shape"),
    )


def prepare(options: dict[str, Any]) -> str:
    return time_field(options, "end")


def finish(row: Row, context: Context) -> Row | Signal:
    take = row.pop
    put_time(row, context.site, joined(take("_date", None), take("_time", None)))
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
            at_local=row.get(f"{context.site}_local"),
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


FORMAT = Format(
    name="panasonic",
    title="Panasonic KX-T, TA, TD, TDA, TDE, NCP, NS",
    layouts=choose({}),
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
        Option("format", "text", "A (default), or B or C with a charge"),
    ),
    dialects=({}, {"date_order": "dd/mm/yy"}),
    join=Join(key=("trunk",), chain=(("ended_local", "started_local"),), window_s=60),
)
