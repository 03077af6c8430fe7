"""`bluewhale format try` and `format new`: a record layout seen at work on sample lines, and a first one to edit.

`try` prints each record with its columns: number, field, raw text, value, and a caret under what failed; `--json`
gives one JSON line a record and a last one with the counts. Exit 0 all was read, 1 some was not, 2 a wrong layout
or argument, 3 a file cannot be read.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, complain, emit
from bluewhale.cli_decode import LineNumbers, Usage, chosen, decode_options, options_of, plain, read_file
from bluewhale.formats import Decoder, Item, OptionError
from bluewhale.formats._custom_guess import proposal
from bluewhale.formats._explain import Explained, explain
from bluewhale.formats._framing import framer
from bluewhale.model import Reject, Signal

NAME = "bluewhale format"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    group = commands.add_parser("format", help="try a record layout on lines, propose a first one")
    acts = group.add_subparsers(dest="act", metavar="ACT", required=True)
    attempt = acts.add_parser("try", help="lines as columns: what was read, what failed and where")
    decode_options(attempt)
    attempt.add_argument("--json", action="store_true", help="one JSON line a record, then the counts")
    attempt.set_defaults(run=run_try)
    new = acts.add_parser("new", help="a first layout file from sample lines, to edit")
    new.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: stdin")
    new.set_defaults(run=run_new)


class Shown(msgspec.Struct, omit_defaults=True):
    """One record as `try` shows it. `result`: call, signal, rejected, skipped."""

    line: int
    result: str
    text: str
    layout: str = ""
    columns: list[Any] = []
    read: dict[str, Any] | None = None
    why: str | None = None


def run_try(args: argparse.Namespace) -> int:
    try:
        options = options_of(args)
        data = {name: read_file(name) for name in args.file}
        fmt, options = chosen(args, options, list(data.values()))
        counts: dict[str, int] = {"call": 0, "signal": 0, "rejected": 0, "skipped": 0}
        for name, found in data.items():
            for shown in records(found, Decoder(fmt, options, journal=name)):
                counts[shown.result] += 1
                emit(shown) if args.json else _print(shown)
    except (Usage, OptionError) as error:
        complain(args.options or NAME, str(error))
        return USAGE
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(str(error.filename), error.strerror or str(error))
        return BROKEN
    except LookupError as error:
        complain(f"{args.file[0]}:1", str(error))
        return REJECTED
    total = sum(counts.values()) - counts["skipped"]
    if args.json:
        emit({"records": total, "format": fmt.name} | counts)
    else:
        _summary(counts, total)
    return REJECTED if counts["rejected"] or not counts["call"] else OK


def records(data: bytes, decoder: Decoder) -> Iterator[Shown]:
    """Every record of `data` as the Decoder reads it, with its columns. Empty lines are left out."""
    items = {_place(item): item for item in [*decoder.feed(data, 0), *decoder.close()]}
    frames = framer(decoder.format.frames, None)
    memory: dict[str, Any] = {}
    lines, encoding = LineNumbers(data), decoder.options.get("encoding", "utf-8")
    for position, _, raw, _ in frames.feed(data, 0) + frames.close():
        if raw == b"":
            continue
        text = _text(raw, encoding)
        item = items.get(position)
        found = explain(decoder.layouts, text, memory) if raw else Explained("", [])
        yield _shown(lines.number(position), text, item, found)


def _place(item: Item) -> int:
    assert item.origin is not None
    return item.origin.position


def _text(raw: bytes | None, encoding: str) -> str:
    if raw is None:
        return ""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _shown(line: int, text: str, item: Item | None, found: Explained) -> Shown:
    if item is None:
        return Shown(line, "skipped", text)
    if isinstance(item, Reject):
        why = f"{item.why}: {item.detail}" if item.detail else str(item.why)
        return Shown(line, "rejected", text, found.layout, list(found.cells), None, why)
    read = {key: value for key, value in plain(item).items() if key not in ("format", "origin")}
    result = "signal" if isinstance(item, Signal) else "call"
    return Shown(line, result, text, found.layout, list(found.cells), read)


def _print(shown: Shown) -> None:
    """A record for people: the line, carets under what failed, the columns, what came out."""
    print(f"line {shown.line}: {shown.result}" + (f" by {shown.layout}" if shown.layout else ""))
    print("\n".join(f"    {line}" for line in shown.text.split("\n")))
    faults = [cell for cell in shown.columns if cell.fault]
    if faults and "\n" not in shown.text:
        marks = [" "] * len(shown.text)
        for cell in faults:
            for at in range((cell.first or 1) - 1, cell.last or 1):
                marks[at : at + 1] = "^"
        print("    " + "".join(marks).rstrip())
    if shown.result != "skipped":
        width = max((len(cell.field) for cell in shown.columns), default=0)
        for cell in shown.columns:
            place = f"{cell.first}-{cell.last}" if cell.first else "-"
            value = f"FAILED: {cell.fault}" if cell.fault else _word(cell.value)
            print(f"  {cell.number:3} {cell.field:{width}} {place:>9}  {cell.raw.strip()!r:24} {value}")
    if shown.why:
        print(f"  ! {shown.why}")
    if shown.read is not None:
        print("  = " + ", ".join(f"{key} {_word(value)}" for key, value in shown.read.items()))


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={part}" for key, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value is None else str(value)


def _summary(counts: dict[str, int], total: int) -> None:
    read = counts["call"] + counts["signal"]
    print(f"\n{read} of {total} records read: {counts['call']} calls, {counts['signal']} signals; ", end="")
    print(f"{counts['rejected']} rejected; {counts['skipped']} lines skipped")


def run_new(args: argparse.Namespace) -> int:
    try:
        data = read_file(args.file)
        print(proposal(_text(data, "utf-8").replace("\r", "\n").replace("\0", "").split("\n")), end="")
    except ValueError as error:
        complain(args.file, str(error))
        return REJECTED
    except OSError as error:
        complain(args.file, error.strerror or str(error))
        return BROKEN
    sys.stdout.flush()
    return OK
