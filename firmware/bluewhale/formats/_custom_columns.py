"""Columns of a custom layout: what a user writes to the engine's Column, readers checked by the field they fill."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from bluewhale.formats import _custom_tree as tree
from bluewhale.formats._durations import WORDS
from bluewhale.formats._layout import Column
from bluewhale.formats._options import OptionError
from bluewhale.formats._readers import reader

TIMES = {"start": "_start", "answer": "_answer", "end": "_end", "date": "_date"}
DURATIONS = ("talk_s", "ring_s", "total_s")
NUMBERS = ("caller", "called", "number", "trunk", "trunk_in", "extension")
TEXTS = ("auth_code", "account_code", "condition_code", "correlation_id")
SET_BY_CODES = ("direction", "answered", "continues")
FIELDS = (*TIMES, *DURATIONS, *NUMBERS, *TEXTS, *SET_BY_CODES, "cause")
COMMON_DURATIONS = (
    "hh:mm:ss", "hmmss", "hhmmss", "hh:mm'ss", "h:mm:ss", "mm:ss", "m:ss", "m'ss", "mmss", "hmmt", "m.t", "[h:]mm:ss",
    *WORDS,
)  # fmt: skip
COMMON_TIMES = (
    "yyyy-mm-dd hh:mm:ss", "dd.mm.yy hh:mm", "mm/dd/yy hh:mm", "dd/mm/yyyy hh:mm:ss", "hh:mm", "hh:mm:ss", "hhmm",
    "hhmmss", "h:mm am", "h:mmam", "dd mon yyyy hh:mm:ss", "yyyymmddhhmmss", "mm/dd hh:mm", "epoch", "epoch ms",
)  # fmt: skip
COMMON_DATES = (
    "yyyy-mm-dd", "yy-mm-dd", "dd.mm.yy", "dd.mm.yyyy", "dd/mm/yy", "mm/dd/yy", "dd/mm/yyyy", "mm/dd/yyyy", "ddmmyy",
    "mmddyy", "yyyymmdd", "dd/mm", "mm/dd", "dd mon yyyy",
)  # fmt: skip
KEYS = ("field", "at", "read", "codes", "need", "blank", "prefix", "suffix", "drop", "note")
_TIME = re.compile(r"(?:yyyy|yy|mon|mm|dd|hh|h|ss|am|d|m|[^A-Za-z]|T|Z)+")
_ORDER = {"y": ("yyyy", "yy"), "m": ("mon", "mm", "m"), "d": ("dd", "d")}


class Coded(msgspec.Struct, frozen=True):
    """What the words of a column set: field to look at, word to settings; "*" stands for any other word."""

    field: str
    words: dict[str, dict[str, Any]]


def column(
    raw: Any, place: str, at: Callable[[Any, str], Any], tables: dict[str, Any], order: str
) -> tuple[Column, Coded | None]:
    """One column of the file. `at` reads its place; `tables` are the layout's code tables. Raises OptionError."""
    raw = tree.keys(raw, KEYS, place)
    field = tree.get(raw, "field", str, "", place)
    place = f"{place} {field!r}" if field else place
    if "at" not in raw or not field:
        raise OptionError(f"{place}: it needs {'field' if 'at' in raw else 'at'}")
    if field not in FIELDS and not re.fullmatch(r"extra\.[a-z][a-z0-9_]{0,40}", field):
        raise OptionError(
            f"{place}: unknown field {field!r}{tree.near(field, FIELDS)}; any other is extra.NAME"
        )
    coded = _coded(raw, field, place, tables)
    if field in SET_BY_CODES and coded is None:
        raise OptionError(f"{place}: it needs codes: which word means what")
    kind, arg = _reader(tree.get(raw, "read", str, "", place), field, place, order, coded)
    clean = {key: tree.texts(raw, key, place) for key in ("prefix", "suffix") if key in raw}
    if "drop" in raw:
        clean["drop"] = tree.get(raw, "drop", str, "", place)
    if clean:
        kind, arg = "clean", clean | {"then": kind, "arg": arg}
    made = Column(
        f"_{field}" if field in (*TIMES, *SET_BY_CODES, "number") else field,
        at(raw["at"], place),
        kind,
        arg,
        tree.get(raw, "need", bool, False, place),
        tree.texts(raw, "blank", place),
        tree.get(raw, "note", str, "", place),
    )
    return made, coded and msgspec.structs.replace(coded, field=made.field)


def _reader(word: str, field: str, place: str, order: str, coded: Coded | None) -> tuple[str, Any]:
    """The engine's reader for a user's word: durations, times and texts each know their own."""
    if field in DURATIONS:
        shape = WORDS.get(word or "s", word or "s")
        return "duration", _works("duration", shape, word, place, COMMON_DURATIONS)
    if field in TIMES:
        return _time(word, field, place, order)
    if field == "cause":
        return "number", None
    if coded is not None:
        return (
            ("text", None) if "*" in coded.words else ("code", {word: word for word in coded.words if word})
        )
    kinds = {"text": "text", "digits": "dialled", "number": "number"}
    usual = "digits" if field in ("caller", "called", "number") else "text"
    if (word or usual) not in kinds:
        raise OptionError(f"{place}: unknown reader {word!r}{tree.near(word, kinds)}")
    return kinds[word or usual], None


def _time(word: str, field: str, place: str, order: str) -> tuple[str, Any]:
    common = COMMON_DATES if field == "date" else COMMON_TIMES
    if word in ("epoch", "epoch ms") and field != "date":
        return "epoch", "ms" if word == "epoch ms" else None
    has_clock, has_date = bool(re.search("hh|h", word)), bool(re.search("d", word))
    if not _TIME.fullmatch(word) or not (has_date if field == "date" else has_clock):
        raise OptionError(f"{place}: unknown reader {word!r}{tree.near(word, common) if word else ''}")
    if field == "date" and has_clock:
        raise OptionError(f"{place}: {word!r} has a time of day; use the field start, answer or end")
    return "when", _works("when", ordered(word, order), word, place, common)


def _works(kind: str, shape: str, word: str, place: str, common: tuple[str, ...]) -> str:
    """The shape, if the engine takes it."""
    try:
        reader(kind, shape)
    except (KeyError, ValueError, re.error):
        raise OptionError(f"{place}: unknown reader {word!r}{tree.near(word, common)}") from None
    return shape


def ordered(shape: str, order: str) -> str:
    """The shape with day, month and year in another order ("dmy"), which option date_order gives; "" = as it is."""
    date = re.split("h", shape)[0]
    tokens = re.findall(r"yyyy|yy|mon|mm|dd|d|m", date)
    letters = [token[0] for token in tokens]
    if not order or sorted(letters) != sorted(letter for letter in order if letter in letters):
        return shape
    by_letter = dict(zip(letters, tokens))
    new = iter([by_letter[letter] for letter in order if letter in by_letter])
    return re.sub(r"yyyy|yy|mon|mm|dd|d|m", lambda _: next(new), date) + shape[len(date) :]


def _coded(raw: dict[str, Any], field: str, place: str, tables: dict[str, Any]) -> Coded | None:
    if "codes" not in raw:
        return None
    table = raw["codes"]
    if isinstance(table, str):
        if table not in tables:
            raise OptionError(f"{place}: there is no table codes.{table}{tree.near(table, tables)}")
        table = tables[table]
    return Coded(field, words_of(table, field, f"{place}: codes"))


def words_of(table: Any, field: str, place: str) -> dict[str, dict[str, Any]]:
    """A code table: each word's settings. A text alone sets the column's own field, or the direction."""
    if not isinstance(table, dict) or not table:
        raise OptionError(f"{place}: {table!r} is no table of words")
    own = field if field in SET_BY_CODES else "direction"
    return {
        word: settings(value if isinstance(value, dict) else {own: value}, f"{place}.{word}")
        for word, value in table.items()
    }


SETTINGS: dict[str, Any] = {
    "direction": ("incoming", "outgoing", "internal", "tandem"),
    "answered": bool,
    "continues": bool,
    "skip": bool,
    "signal": str,
    "talk_is": ("talk", "ring", "total"),
}


def settings(raw: Any, place: str) -> dict[str, Any]:
    """What a word or a rule sets. Raises OptionError."""
    for key, value in tree.keys(raw, SETTINGS, place).items():
        wants = SETTINGS[key]
        if isinstance(wants, tuple) and value not in wants:
            raise OptionError(f"{place}: {key} = {value!r}{tree.near(str(value), wants)}")
        if isinstance(wants, type) and not isinstance(value, wants):
            raise OptionError(
                f"{place}: {key} = {value!r} is no {'text' if wants is str else 'true or false'}"
            )
    return dict(raw)
