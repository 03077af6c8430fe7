"""The layout file of an owner, made into the engine's layouts. Strict: every fault names its place.

Raises OptionError only. `made(tree, order)` gives what custom.py needs: layouts, frames, and what a row means.
"""

import re
from collections.abc import Callable
from fnmatch import translate
from itertools import pairwise
from typing import Any

import msgspec

from bluewhale.formats import _custom_tree as tree
from bluewhale.formats._custom_columns import Coded, column, settings
from bluewhale.formats._custom_regex import checked
from bluewhale.formats._layout import (
    Block,
    Blocks,
    Choice,
    Column,
    Delimited,
    Fixed,
    Json,
    Layout,
    Lines,
    Named,
    Pattern,
)
from bluewhale.formats._options import OptionError

USUAL_LIMIT, MOST_LIMIT = 1024, 8192
KEYS = ("name", "limit", "skip", "internal_numbers", "block", "codes", "rule", "record")
RECORD_KEYS = {
    "fixed": ("gaps", "least", "columns"),
    "delimited": ("delimiter", "quote", "cells", "columns"),
    "regex": ("regex", "columns"),
    "named": ("separator", "equals", "head", "columns"),
    "json": ("columns",),
    "block": ("line",),
}
MEANINGS = ("call", "date", "skip")
_WORDS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
Make = Callable[[dict[str, Any], str, "Makings"], Layout]


class Rule(msgspec.Struct, frozen=True):
    """All tests must hold: (field, whether a value fits)."""

    tests: tuple[tuple[str, Callable[[Any], bool]], ...]
    settings: dict[str, Any]


class Meaning(msgspec.Struct, frozen=True):
    """What one kind of record is, and the code columns it has."""

    means: str
    coded: tuple[Coded, ...]


class Made(msgspec.Struct, frozen=True):
    """A layout file, ready for the Decoder."""

    name: str
    layout: Choice
    frames: Lines | Blocks
    meanings: tuple[Meaning, ...]
    rules: tuple[Rule, ...]
    internal_numbers: Any


class Makings(msgspec.Struct):
    """What columns need on the way, and the code columns found so far in the record at hand."""

    limit: int
    tables: dict[str, Any]
    order: str
    coded: list[Coded] = []


def made(value: Any, order: str = "") -> Made:
    """From the tree, or its text. `order`: "dmy" and so on, over the order of the file's own shapes."""
    file = tree.keys(tree.tree_of(value), KEYS, "layout")
    limit = tree.get(file, "limit", int, USUAL_LIMIT, "layout")
    if not 20 <= limit <= MOST_LIMIT:
        raise OptionError(f"layout: limit = {limit} is not within 20 and {MOST_LIMIT}")
    codes = tree.get(file, "codes", dict, {}, "layout")
    records = tree.tables(file, "record", "layout")
    if not records:
        raise OptionError("layout: it has no [[record]]")
    layouts, tests, meanings = [], [], []
    for at, record in enumerate(records, 1):
        makings = Makings(limit, codes, order)
        place = f"record {at}"
        layout, test, means = _record(record, place, makings)
        layouts.append(layout)
        tests.append(test)
        meanings.append(Meaning(means, tuple(makings.coded)))
    skips = tuple(_regex(skip, "skip", limit, True) for skip in tree.texts(file, "skip", "layout"))
    name = tree.get(file, "name", str, "", "layout")
    rules = [_rule(rule, f"rule {at}") for at, rule in enumerate(tree.tables(file, "rule", "layout"), 1)]
    return Made(
        name,
        Choice(tuple(layouts), tuple(tests), skips, name=name),
        _frames(file, layouts, limit),
        tuple(meanings),
        tuple(rules),
        file.get("internal_numbers"),
    )


def _record(record: Any, place: str, makings: Makings) -> tuple[Layout, str, str]:
    """One [[record]]: its layout, the test that chooses it, what it means."""
    if not isinstance(record, dict):
        raise OptionError(f"{place}: {record!r} is no table")
    kind = tree.get(record, "kind", str, "", place)
    if kind not in RECORD_KEYS:
        raise OptionError(f"{place}: kind = {kind!r}{tree.near(kind, RECORD_KEYS)}")
    tree.keys(record, ("kind", "name", "when", "means", *RECORD_KEYS[kind]), place)
    means = tree.get(record, "means", str, "call", place)
    if means not in MEANINGS:
        raise OptionError(f"{place}: means = {means!r}{tree.near(means, MEANINGS)}")
    test = _when(record.get("when", ""), f"{place}: when", makings.limit)
    layout = _MAKERS[kind](record, place, makings)
    fields = _fields(layout)
    if means == "date" and "_date" not in fields:
        raise OptionError(f"{place}: a date record needs a column with field = 'date'")
    if means == "call" and not fields:
        raise OptionError(f"{place}: it has no columns")
    return layout, test, means


def _fields(layout: Layout) -> set[str]:
    if isinstance(layout, Block):
        return {c.field for pattern in layout.lines for c in pattern.columns}
    assert not isinstance(layout, Choice)
    return {c.field for c in layout.columns}


def _when(value: Any, place: str, limit: int) -> str:
    """A regex at the start of the line, or {at = "1-3", is = ["OUT"]} as one."""
    if isinstance(value, str):
        return _regex(value, place, limit) if value else ""
    given = tree.keys(value, ("at", "is"), place)
    if "at" not in given:
        raise OptionError(f"{place}: it needs at and is")
    start, end = tree.places(given["at"], limit, place)
    words = tree.texts(given, "is", place)
    if not words or any(len(word) > end - start for word in words):
        raise OptionError(f"{place}: is = {given.get('is')!r} does not fit into at = {given['at']!r}")
    return f".{{{start}}}(?:{'|'.join(re.escape(word.ljust(end - start)) for word in words)})"


def _regex(pattern: str, place: str, limit: int, anywhere: bool = False) -> str:
    try:
        return checked(pattern, limit, anywhere=anywhere)
    except ValueError as error:
        raise OptionError(f"{place}: {error}") from None


def _columns(
    holder: dict[str, Any], place: str, makings: Makings, at: Callable[[Any, str], Any]
) -> tuple[Column, ...]:
    columns: list[Column] = []
    for number, raw in enumerate(tree.tables(holder, "columns", place), 1):
        here = f"{place}, column {number}"
        one, coded = column(raw, here, at, makings.tables, makings.order)
        if any(one.field == other.field for other in columns):
            raise OptionError(f"{here} {raw['field']!r}: an earlier column has this field")
        columns.append(one)
        if coded:
            makings.coded.append(coded)
    return tuple(columns)


def _fixed(record: dict[str, Any], place: str, makings: Makings) -> Layout:
    columns = _columns(record, place, makings, lambda at, here: tree.places(at, makings.limit, here))
    in_order = sorted(columns, key=lambda column: column.at)
    for before, after in pairwise(in_order):
        if after.at[0] < before.at[1]:  # type: ignore[index,operator]
            names = f"{before.field.strip('_')!r} and {after.field.strip('_')!r}"
            raise OptionError(f"{place}: columns {names} overlap at {after.at[0] + 1}")  # type: ignore[index,operator]
    gaps: list[int] = []
    for part in tree.texts(record, "gaps", place):
        for one in part.split(","):
            gaps += range(*tree.places(one, makings.limit, f"{place}: gaps"))
    taken = {at for column in columns for at in range(*column.at)} & set(gaps)  # type: ignore[misc]
    if taken:
        raise OptionError(f"{place}: gaps: position {min(taken) + 1} lies in a column")
    least = tree.get(record, "least", int, 1, place)
    return Fixed(columns, tuple(gaps), least=least, most=makings.limit, name=str(record.get("name", place)))


def _delimited(record: dict[str, Any], place: str, makings: Makings) -> Layout:
    def cell(at: Any, here: str) -> int:
        if isinstance(at, bool) or not isinstance(at, int) or not 1 <= at <= 255:
            raise OptionError(f"{here}: at = {at!r} is no cell number, counted from 1")
        return at - 1

    columns = _columns(record, place, makings, cell)
    delimiter = tree.get(record, "delimiter", str, ",", place)
    delimiter = _WORDS.get(delimiter, delimiter)
    quote = tree.get(record, "quote", str, "", place)
    if len(delimiter) != 1 or not (delimiter.isprintable() or delimiter == "\t") or delimiter == quote:
        raise OptionError(f"{place}: delimiter = {delimiter!r} is not one character, or {', '.join(_WORDS)}")
    if len(quote) > 1:
        raise OptionError(f"{place}: quote = {quote!r} is not one character")
    least = max((c.at + 1 for c in columns if c.need), default=1)  # type: ignore[operator]
    cells = record.get("cells", [least, 255])
    cells = [cells, cells] if isinstance(cells, int) else cells
    if not (isinstance(cells, list) and len(cells) == 2 and all(isinstance(n, int) for n in cells)):
        raise OptionError(f"{place}: cells = {cells!r} is no number and no [least, most]")
    if columns and cells[1] <= max(c.at for c in columns):
        raise OptionError(f"{place}: a column lies beyond cells = {cells[1]}")
    return Delimited(
        columns, delimiter, quote or None, cells[0], cells[1], name=str(record.get("name", place))
    )


def _pattern(record: dict[str, Any], place: str, makings: Makings) -> Pattern:
    regex = _regex(tree.get(record, "regex", str, "", place), place, makings.limit)
    groups = re.compile(regex).groupindex

    def group(at: Any, here: str) -> str:
        if at not in groups:
            raise OptionError(
                f"{here}: at = {at!r} is no group (?P<{at}>...) of the regex{tree.near(str(at), groups)}"
            )
        return str(at)

    return Pattern(_columns(record, place, makings, group), regex, name=str(record.get("name", place)))


def _block(record: dict[str, Any], place: str, makings: Makings) -> Layout:
    lines = tree.tables(record, "line", place)
    if not lines:
        raise OptionError(f"{place}: a block needs [[record.line]] tables, the first line's first")
    patterns = []
    for number, line in enumerate(lines, 1):
        here = f"{place}, line {number}"
        patterns.append(_pattern(tree.keys(line, ("regex", "columns"), here), here, makings))
    return Block(tuple(patterns), name=str(record.get("name", place)))


def _named(record: dict[str, Any], place: str, makings: Makings) -> Layout:
    """name=value, the values plain or in double quotes; `head`: a regex for what stands before the first name."""
    separator = tree.get(record, "separator", str, ",", place)
    equals = tree.get(record, "equals", str, "=", place)
    separator = _WORDS.get(separator, " " if separator == "space" else separator)
    if len(separator) != 1 or len(equals) != 1 or separator == equals:
        raise OptionError(f"{place}: separator and equals are one character each, and differ")
    ends, sign = re.escape(separator), re.escape(equals)
    pair = rf'(?P<name>[^\s{ends}{sign}"]+)\s?{sign}\s?(?P<value>"[^"]*"|[^{ends}"]*)'
    head = tree.get(record, "head", str, "", place)
    head = _regex(head, f"{place}: head", makings.limit) if head else ""
    columns = _columns(record, place, makings, _key)
    return Named(columns, pair, head, name=str(record.get("name", place)))


def _json(record: dict[str, Any], place: str, makings: Makings) -> Layout:
    """One JSON object a line, columns by path: "party.number"."""
    return Json(_columns(record, place, makings, _key), name=str(record.get("name", place)))


def _key(at: Any, here: str) -> str:
    if not isinstance(at, str) or not at:
        raise OptionError(f"{here}: at = {at!r} is no name")
    return at


_MAKERS: dict[str, Make] = {
    "fixed": _fixed,
    "delimited": _delimited,
    "regex": _pattern,
    "named": _named,
    "json": _json,
    "block": _block,
}


def _frames(file: dict[str, Any], layouts: list[Layout], limit: int) -> Lines | Blocks:
    if "block" not in file:
        if any(isinstance(layout, Block) for layout in layouts):
            raise OptionError(
                "layout: a record of kind block needs [block] with start, the regex of its first line"
            )
        return Lines(limit)
    block = tree.keys(file["block"], ("start", "last"), "block")
    start = _regex(tree.get(block, "start", str, "", "block"), "block: start", limit)
    if not start:
        raise OptionError("block: it needs start, the regex of a block's first line")
    return Blocks(start, _regex(tree.get(block, "last", str, "", "block"), "block: last", limit), limit=limit)


def _rule(raw: Any, place: str) -> Rule:
    """[[rule]] with `if` and `set`: a field is one of several words (* and ? stand for anything), "" = empty."""
    tree.keys(raw, ("if", "set"), place)
    if not raw.get("set"):
        raise OptionError(f"{place}: it needs set")
    tests = []
    for field, wanted in tree.get(raw, "if", dict, {}, place).items():
        words = wanted if isinstance(wanted, list) else [wanted]
        if not all(isinstance(word, str | int) and not isinstance(word, bool) for word in words):
            raise OptionError(f"{place}: if.{field} = {wanted!r} is no text, number or list of such")
        regex = re.compile("|".join(translate(str(word)) for word in words))
        tests.append((f"_{field}" if field in ("number", "start", "answer", "end") else field, _fits(regex)))
    return Rule(tuple(tests), settings(raw["set"], f"{place}: set"))


def _fits(regex: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: regex.match("" if value is None else str(value)) is not None
