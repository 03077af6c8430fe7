"""Any PBX whose record layout you write down: a file, no code.

Feed:       as the PBX sends: serial, TCP, folder; lines, or blocks of lines.
PBX:        what your PBX's manual says; docs/custom.md is a worked example.
Source:     you. `bluewhale format new SAMPLES` proposes a layout, `bluewhale format try --options FILE SAMPLES` shows
            how it reads, column by column.
Integrity:  what the layout checks. Never detected: a feed says format custom, and its option `layout` is the file.

    name = "acme-400"
    skip = ["^ *Date"]

    [[record]]
    kind = "fixed"
    columns = [
      { at = "1-8",   field = "date",      read = "dd.mm.yy" },
      { at = "10-14", field = "start",     read = "hh:mm" },
      { at = "16-19", field = "extension" },
      { at = "21",    field = "direction", codes = { O = "outgoing", I = "incoming" } },
      { at = "23-30", field = "talk_s",    read = "hh:mm:ss" },
      { at = "32-",   field = "number" },
    ]

Regexes are checked before they are taken (no nested repeats, no references, few choices), and lines are bounded
(`limit`, 1024 unless told), so no line can hang the box.
"""

from typing import Any

import msgspec

from bluewhale.formats._custom import Made, made
from bluewhale.formats._layout import Context, Format, Integrity, Option, Row
from bluewhale.formats._options import OptionError
from bluewhale.formats._readers import joined
from bluewhale.formats._site import dated, numbers
from bluewhale.model import Signal

TIMES = (("_start", "started"), ("_answer", "answered"), ("_end", "ended"))


class Site(msgspec.Struct):
    """The layout, and which numbers are internal."""

    made: Made
    internal: Any


def resolve(options: dict[str, Any]) -> Format:
    """The format that the options' layout describes. Raises OptionError."""
    value = options.get("layout", options.get("template"))
    if value is None:
        raise OptionError("custom needs option layout: the layout file (see docs/custom.md)")
    layout = made(value, _order(options))
    internal = options.get("internal_numbers", layout.internal_numbers)
    site = Site(layout, None if internal is None else numbers(internal))
    return msgspec.structs.replace(
        FORMAT, layouts=(layout.layout,), frames=layout.frames, prepare=lambda _: site, resolve=None
    )


def _order(options: dict[str, Any]) -> str:
    """ "dmy" from date_order in any spelling: "dd/mm/yy", "dmy"."""
    text = str(options.get("date_order", "")).lower()
    order = "".join(dict.fromkeys(letter for letter in text if letter in "dmy"))
    if text and not ("d" in order and "m" in order):
        raise OptionError(f"option date_order: {text!r} is none like dd/mm/yy, mm/dd/yy or ymd")
    return order


def finish(row: Row, context: Context) -> Row | Signal | None:
    site: Site = context.site
    meaning = site.made.meanings[row.pop("_record")]
    if meaning.means == "date":
        context.memory["date"] = dated(row["_date"], context) if "_date" in row else None
        return None
    settled = _settled(row, meaning, site.made)
    if meaning.means == "skip" or settled.get("skip"):
        return None
    date = row.pop("_date", None)
    date = context.memory.get("date") if date is None else dated(date, context)
    for scratch, which in TIMES:
        if time := row.pop(scratch, None):
            _put(row, which, time, date, context)
    if (meant := settled.get("talk_is", "talk")) != "talk" and "talk_s" in row:
        row[f"{meant}_s"] = row["talk_s"]
        row["talk_s"] = 0
    _sided(row, settled, site)
    if "signal" in settled:
        return _signal(row, settled["signal"], context)
    if "continues" in settled:
        row["continues"] = settled["continues"]
    answered = settled.get("answered")
    if answered is not None or "talk_s" in row:
        row["answered"] = row["talk_s"] > 0 if answered is None else answered
    return row


def _settled(row: Row, meaning: Any, layout: Made) -> dict[str, Any]:
    """What rules and code tables say: an earlier rule before a later, rules before tables, tables by column."""
    settled: dict[str, Any] = {}
    for rule in layout.rules:
        if all(fits(_value(row, field)) for field, fits in rule.tests):
            settled = rule.settings | settled
    for coded in meaning.coded:
        word = _value(row, coded.field) or ""
        settled = coded.words.get(word, coded.words.get("*" if word else "", {})) | settled
        if coded.field[0] == "_":
            row.pop(coded.field, None)
    return settled


def _value(row: Row, field: str) -> Any:
    if field.startswith("extra."):
        return row.get("extra", {}).get(field[6:])
    return row.get(field, row.get(f"_{field}"))


def _put(row: Row, which: str, time: str, date: str | None, context: Context) -> None:
    """A time as `which`_utc, _local, or _partial where no year is known."""
    if time[-1] == "Z":
        row[f"{which}_utc"] = time
        return
    if time[0] == "T":
        time = joined(date, time) or time
    else:
        day, _, clock = time.partition("T")
        time = f"{dated(day, context)}T{clock}"
    if len(time) > 11 and time[10] == "T":
        row[f"{which}_local"] = time
    elif which != "answered":  # a partial answer alone cannot be kept apart
        row[f"{which}_partial"] = time


def _sided(row: Row, settled: dict[str, Any], site: Site) -> None:
    """Direction, then who called whom: the station is the caller of what goes out."""
    direction = settled.get("direction")
    number, station = row.pop("_number", None), row.get("extension")
    if direction is None and site.internal is not None:
        direction = _by_numbers(row, number, station, site.internal)
    if direction:
        row["direction"] = direction
    if number:
        row.setdefault("caller" if direction == "incoming" else "called", number)
    if station and direction in ("outgoing", "internal"):
        row.setdefault("caller", station)
    if station is None and direction in ("outgoing", "internal", "incoming"):
        party = row.get("called" if direction == "incoming" else "caller")
        if party and site.internal is not None and site.internal(party):
            row["extension"] = party


def _by_numbers(row: Row, number: str | None, station: str | None, internal: Any) -> str | None:
    """Direction from which ends look internal; None where one end is not known."""
    if number is not None:
        return "internal" if internal(number) and station else None
    caller, called = row.get("caller", station), row.get("called")
    if caller is None or called is None:
        return None
    words = {(True, True): "internal", (True, False): "outgoing", (False, True): "incoming"}
    return words.get((internal(caller), internal(called)), "tandem")


def _signal(row: Row, what: str, context: Context) -> Signal:
    at = next((row[f"{which}_local"] for _, which in TIMES if f"{which}_local" in row), None)
    names = ("correlation_id", "trunk", "called", "caller", "ring_s")
    return Signal(format=context.name, what=what, at_local=at, **{name: row.get(name) for name in names})


FORMAT = Format(
    name="custom",
    title="Any other PBX, by a layout you write",
    layouts=(),
    integrity=Integrity.NONE,
    finish=finish,
    resolve=resolve,
    options=(
        Option("layout", "any", "the layout file: its text, or what it says as a table"),
        Option("template", "any", "another name of layout"),
        Option("date_order", "text", "such as dd/mm/yy: another order of day, month, year than the file's"),
        Option("year", "number", "the year of the first record, where records have none"),
        Option(
            "internal_numbers", "any", "what extensions look like; tells the direction where no code does"
        ),
    ),
    dialects=(),
)
