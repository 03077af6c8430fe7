"""What a format is made of, as data: columns, record layouts, frames, the join.

Everything here can be written down as a table: the pure path compiles it once (`_compile.py`), the C path
reads the same structs (docs/layouts.md), and the documentation is printed from them. A layout names
readers by word (`_readers.py`), never by function.
"""

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from bluewhale.model import Signal, Why

LIMIT = 8192  # bytes a frame may have


class Fault(ValueError):
    """How a reader says no inside this package; the Decoder turns it into a Reject, so it never leaves."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


class Column(msgspec.Struct, frozen=True):
    """One value of a record.

    `field` is a Leg's field, or a scratch name with a leading underscore that finish() takes up. `at` is the
    0-based cell (Delimited), (start, end) 0-based (Fixed), or a name: header, regex group, key or path.
    `kind` and `arg` name the reader. `need`: an empty cell is a fault. `blank`: texts that stand for nothing.
    `note` goes to the documentation and says, too, where a column is not proven.
    """

    field: str
    at: int | tuple[int, int] | str
    kind: str = "text"
    arg: Any = None
    need: bool = False
    blank: tuple[str, ...] = ()
    note: str = ""


def text(field: str, at: Any, *, need: bool = False, blank: tuple[str, ...] = (), note: str = "") -> Column:
    """Text without its pad; digits to dial are text too, with the access code kept."""
    return Column(field, at, "text", None, need, blank, note)


digits = text


def dialled(field: str, at: Any, *, note: str = "") -> Column:
    """Digits with nothing else between them: a blank or a letter shows that columns have moved."""
    return Column(field, at, "dialled", None, False, (), note)


def number(field: str, at: Any, *, need: bool = False, note: str = "") -> Column:
    """A whole number that is not negative."""
    return Column(field, at, "number", None, need, (), note)


def duration(field: str, at: Any, shape: str, *, need: bool = False, note: str = "") -> Column:
    """Whole seconds from `shape`: "s", "hh:mm:ss", "hhmmss", "hmmt" (tenths of minutes), "m'ss", "hh:mm'ss", "m:ss"."""
    return Column(field, at, "duration", shape, need, (), note)


def when(
    field: str,
    at: Any,
    shape: str,
    *,
    need: bool = False,
    blank: tuple[str, ...] = (),
    note: str = "",
) -> Column:
    """Wall time as ISO text from `shape`, such as "yyyy/mm/dd hh:mm:ss"; `mm` after `hh` is minutes; `am` = AM/PM."""
    return Column(field, at, "when", shape, need, blank, note)


def epoch(field: str, at: Any, unit: str | None = None, *, need: bool = False, note: str = "") -> Column:
    """Seconds (or `unit` "ms", "us") since 1970 UTC as ISO text with Z; 0 is absent."""
    return Column(field, at, "epoch", unit, need, (), note)


def zoned(field: str, at: Any, shape: str, *, need: bool = False, note: str = "") -> Column:
    """As when(), with a fraction and a zone: "2001-06-18T11:14:49.707 EET"; UTC and GMT read as Z. A mark
    before it (`*`, `.`: the clock is not synchronised) is passed over. `_site.put_zoned` stores it.
    """
    return Column(field, at, "zoned", shape, need, (), note)


def code(field: str, at: Any, table: dict[str, Any], *, need: bool = False, note: str = "") -> Column:
    """A word of a code table; a word that is not in it is a fault."""
    return Column(field, at, "code", table, need, (), note)


class Delimited(msgspec.Struct, frozen=True, tag=True):
    """Cells between delimiters. `least`/`most`: how many cells a record has over all releases.

    `quote`: the character around cells, doubled inside; None = never quoted. `shape`: a regex at the start
    of the frame that tells "mine" when a cell cannot be read.
    """

    columns: tuple[Column, ...]
    delimiter: str = ","
    quote: str | None = None
    least: int = 1
    most: int = 255
    shape: str = ""
    name: str = ""
    aside: bool = False


class Headed(msgspec.Struct, frozen=True, tag=True):
    """Cells named by a header line that came before. Columns that the header does not name are absent.

    `head`: a regex that tells a header line. `ragged`: the one column whose text may hold the delimiter, so
    that a record has more cells than the header; `loose`: a quote protects delimiters wherever it stands.
    """

    columns: tuple[Column, ...]
    head: str
    delimiter: str = ","
    quote: str | None = '"'
    shape: str = ""
    name: str = ""
    ragged: str = ""
    loose: bool = False


class Fixed(msgspec.Struct, frozen=True, tag=True):
    """Columns by position. `gaps`: positions that must be blank; `least`: characters that must be there."""

    columns: tuple[Column, ...]
    gaps: tuple[int, ...] = ()
    least: int = 1
    most: int = LIMIT
    shape: str = ""
    name: str = ""


class Pattern(msgspec.Struct, frozen=True, tag=True):
    """A regex over the whole frame; the columns name its groups.

    `aside`: a frame that only changes what is remembered (a date record): having read one does not make this
    the layout to try first.
    """

    columns: tuple[Column, ...]
    regex: str
    shape: str = ""
    name: str = ""
    aside: bool = False


class Block(msgspec.Struct, frozen=True, tag=True):
    """A frame of several lines: the first is read by the first pattern, each later one by the first that fits.

    A column whose field ends in `[]` gathers every line's value in a list. A line that no pattern fits is a
    fault.
    """

    lines: tuple[Pattern, ...]
    shape: str = ""
    name: str = ""


class Choice(msgspec.Struct, frozen=True, tag=True):
    """Several layouts in one stream, chosen by the record alone, never by what came before it.

    The first whose test fits reads the frame (`tests`: a regex at the start of the frame for each, "" = every
    frame; where such a one finds its shape foreign, the next is asked). `skip`: regexes, searched, of frames that
    are no calls. A row says which layout read it: `_record`, counted from 0.
    """

    layouts: "tuple[Layout, ...]"
    tests: tuple[str, ...]
    skip: tuple[str, ...] = ()
    shape: str = ""
    name: str = ""


class Named(msgspec.Struct, frozen=True, tag=True):
    """A list of name and value. `pair`: a regex with groups name and value, found again and again.

    `head`: a regex at the start, whose groups are columns too. `unfold`: names whose value is itself
    `name=value` and counts under that name. A value that begins with its own name and `=` loses it. Of a name
    that comes again the last value counts.
    """

    columns: tuple[Column, ...]
    pair: str
    head: str = ""
    unfold: tuple[str, ...] = ()
    shape: str = ""
    name: str = ""


class Json(msgspec.Struct, frozen=True, tag=True):
    """A JSON object, columns by path (`variables.uuid`; `callflow.0.times` counts into a list).

    `inner`: paths whose text is JSON again. A name before the object ("main_cdr": {...}) is the path `@name`.
    `form`: the text may be a form field of this name (`cdr=%7B...`). `urlcoded`: values are percent-encoded.
    `unfold` as in Named. Of a name that comes again the last value counts.
    """

    columns: tuple[Column, ...]
    inner: tuple[str, ...] = ()
    form: str = ""
    urlcoded: bool = False
    unfold: tuple[str, ...] = ()
    shape: str = ""
    name: str = ""


class Xml(msgspec.Struct, frozen=True, tag=True):
    """An XML element, columns by path below it (`variables/uuid`, `@core-uuid` for an attribute).

    Documents with a DTD or entities of their own are refused. `urlcoded`: values are percent-encoded.
    `tolerant`: where the document is not well-formed (an unescaped `<` in one value), columns are looked for
    as `<name>text</name>`.
    """

    columns: tuple[Column, ...]
    element: str
    form: str = ""
    urlcoded: bool = False
    tolerant: bool = False
    shape: str = ""
    name: str = ""


class Tlv(msgspec.Struct, frozen=True, tag=True):
    """Attributes of type, length and value after a head of `skip` bytes; columns by type ("31") or, inside
    attribute 26, by vendor and type ("9.24"). Length counts all three.

    `numbers`: types whose value is a big-endian number; `addresses`: an IPv4 address. `unfold` as in Named, to
    names that are written like types. The frame's text is Latin-1, a character a byte.
    """

    columns: tuple[Column, ...]
    skip: int
    numbers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    unfold: tuple[str, ...] = ()
    shape: str = ""
    name: str = ""


Layout = Delimited | Headed | Fixed | Pattern | Block | Choice | Named | Json | Xml | Tlv


class Lines(msgspec.Struct, frozen=True, tag=True):
    """A frame is a line. CR, LF, CR LF end it; NULs and form feeds around it are pad."""

    limit: int = LIMIT


class Blocks(msgspec.Struct, frozen=True, tag=True):
    """A frame is a block of lines.

    It begins at a line that fits `start`; it ends with a line that fits `last` (taken in), and before a blank
    line or the next `start`. Lines outside a block, and those that fit `single`, are frames of their own.
    `run`, in the place of `start`: lines that fit it and follow each other are a block.
    """

    start: str = ""
    last: str = ""
    single: str = ""
    run: str = ""
    limit: int = LIMIT


class Documents(msgspec.Struct, frozen=True, tag=True):
    """A frame is a JSON object or an XML element; anything or nothing may stand between them.

    `json`: objects are frames. `opened`: names of members around them: an object whose first member is one of
    these is no frame, but what lies in it is, with its name before it. `elements`: XML elements that are
    frames; `wrappers`: elements around them. `texts`: beginnings of form fields, which end before the next one.
    `lines`: what begins like none of these is a line; else it is foreign up to the next beginning or line end.
    What is broken is left at the next `{` or `<` within it.
    """

    json: bool = True
    opened: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    lines: bool = False
    limit: int = 1 << 18


class Packets(msgspec.Struct, frozen=True, tag=True):
    """A frame is a packet whose length stands in it (big-endian, 16 bits, at byte `length_at`).

    `head`: a regex that the first bytes of a packet fit, the length's among them; what does not is foreign.
    """

    head: str
    length_at: int = 2
    limit: int = 4096


Frames = Lines | Blocks | Documents | Packets


class Integrity(enum.StrEnum):
    """What detection may build on."""

    STRONG = "strong"  # one record is proof enough: many checked cells, or a header line
    FAIR = "fair"  # several records
    NONE = "none"  # proposed from many records only, never from one line


class Join(msgspec.Struct, frozen=True):
    """The generic join that correlation uses, as data.

    `key`: Leg fields (or `extra.NAME`) that are equal in all records of a call. `chain`: pairs of fields where
    the end in one record is the start in another. `window_s`: how far apart they may lie. `done`: when the
    set is complete ("continues" = at the record that says no more follow; "" = by time only).
    """

    key: tuple[str, ...] = ()
    chain: tuple[tuple[str, str], ...] = ()
    window_s: int = 0
    done: str = ""


class Option(msgspec.Struct, frozen=True):
    """A site fact a family reads. `kind`: text, texts, number, flag, table, pairs, any."""

    name: str
    kind: str
    note: str
    choices: tuple[str, ...] = ()


class Context(msgspec.Struct):
    """What finish() sees beside the row.

    `site`: what prepare() made of the options. `memory`: JSON-able state carried from frame to frame.
    """

    name: str
    options: dict[str, Any]
    site: Any
    memory: dict[str, Any]


Row = dict[str, Any]
Finish = Callable[[Row, Context], "Row | Signal | None"]


class Format(msgspec.Struct, frozen=True):
    """One PBX family. `layouts` are tried in turn, the one that read the last record first; `skip` are regexes
    of frames that are no calls.

    `finish(row, context)` returns the Leg's fields, a Signal, or None for a frame that is no call; it may
    raise Fault. `choose(options)` gives the layouts where options decide. `resolve(options)` gives the whole
    format where they are the owner's (it may raise OptionError). `framing(options)` gives the frames where options
    decide. `dialects`: options that detection tries; none = never detected. `sheet` is the module's docstring, set
    by load_formats().
    """

    name: str
    title: str
    layouts: tuple[Layout, ...]
    integrity: Integrity
    frames: Frames = Lines()
    framing: Callable[[dict[str, Any]], Frames] | None = None
    finish: Finish | None = None
    prepare: Callable[[dict[str, Any]], Any] | None = None
    choose: Callable[[dict[str, Any]], tuple[Layout, ...]] | None = None
    skip: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    resolve: "Callable[[dict[str, Any]], Format] | None" = None
    dialects: tuple[dict[str, Any], ...] = ({},)
    join: Join = Join()
    sheet: str = ""
