"""`bluewhale decode`, `detect` and `formats`: what a PBX wrote, as legs, without a box.

JSON Lines on stdout, one diagnosis a line on stderr (`FILE:LINE: why`, stdin is `-`). Exit 0 all was read, 1 some
was rejected or the format could not be told, 2 usage, 3 a file cannot be read.
"""

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, complain, emit
from bluewhale.formats import Decoder, Format, Item, OptionError, decide, detect, load_formats
from bluewhale.formats._sheet import markdown
from bluewhale.model import Reject, Signal

PIECE = 1 << 20


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    decode = commands.add_parser("decode", help="PBX records to legs, as JSON Lines")
    decode_options(decode)
    decode.add_argument("--signals", action="store_true", help="print signals (ring records, restarts) too")
    decode.set_defaults(run=run_decode)
    which = commands.add_parser("detect", help="which format a file is in, best first")
    which.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: stdin")
    which.set_defaults(run=run_detect)
    listing = commands.add_parser("formats", help="the formats this box knows")
    listing.add_argument("--markdown", action="store_true", help="their data sheets, as in docs/formats.md")
    listing.set_defaults(run=run_formats)


def decode_options(parser: argparse.ArgumentParser) -> None:
    """What `decode` and `calls` share."""
    parser.add_argument("--format", metavar="NAME", help="default: detect it")
    parser.add_argument(
        "-o",
        dest="option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="JSON if it parses, else text",
    )
    parser.add_argument("--options", metavar="FILE", help="JSON or TOML of options, or a layout file")
    parser.add_argument("file", nargs="*", default=["-"], metavar="FILE", help="default: stdin, which is -")


class Usage(Exception):
    """A wrong argument; the text says which."""


def options_of(args: argparse.Namespace) -> dict[str, Any]:
    """The options file, with each -o over it. Raises Usage, OSError."""
    options: dict[str, Any] = {}
    if args.options:
        text = sys.stdin.read() if args.options == "-" else Path(args.options).read_text(encoding="utf-8")
        options = options_in(text, args.options)
    for pair in args.option:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise Usage(f"-o {pair}: not KEY=VALUE")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options


def options_in(text: str, name: str) -> dict[str, Any]:
    """Options from JSON or TOML; a layout file of format custom (it has records) becomes option `layout`.

    Raises Usage.
    """
    try:
        options = json.loads(text) if text.lstrip()[:1] == "{" else tomllib.loads(text)
    except ValueError as error:
        raise Usage(f"{name}: {error}") from error
    if not isinstance(options, dict):
        raise Usage(f"{name}: no object of options")
    return {"layout": options} if "record" in options else options


def read_file(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def chosen(
    args: argparse.Namespace, options: dict[str, Any], data: list[bytes]
) -> tuple[Format, dict[str, Any]]:
    """The format named, or the one detected with the dialect's options below the owner's. Raises Usage, LookupError."""
    formats = load_formats()
    name = "custom" if not args.format and isinstance(options.get("layout"), dict) else args.format
    if name and name != "auto":
        if name not in formats:
            raise Usage(f"--format {name}: none of {', '.join(formats)}")
        return formats[name], options
    guesses = detect(data)
    guess = decide(guesses, ended=True)
    if guess is None:
        near = (
            "; ".join(f"{g.format} {g.score} ({g.evidence})" for g in guesses[:2]) or "no format reads a call"
        )
        raise LookupError(f"undetected: {near}; name the format with --format")
    return formats[guess.format], guess.options | options


def run_decode(args: argparse.Namespace) -> int:
    try:
        options = options_of(args)
        data = {name: read_file(name) for name in args.file}
        fmt, options = chosen(args, options, list(data.values()))
        decoders = [(name, Decoder(fmt, options, journal=name)) for name in args.file]
    except (Usage, OptionError) as error:
        complain("bluewhale decode", str(error))
        return USAGE
    except OSError as error:
        complain(str(error.filename), error.strerror or str(error))
        return BROKEN
    except LookupError as error:
        complain(f"{args.file[0]}:1", str(error))
        return REJECTED
    clean = True
    for name, decoder in decoders:
        clean &= _decode_file(name, data[name], decoder, args.signals)
    return OK if clean else REJECTED


def _decode_file(name: str, data: bytes, decoder: Decoder, signals: bool) -> bool:
    """Prints one file's legs and complaints; True if nothing was rejected."""
    lines, clean = LineNumbers(data), True
    for at in range(0, len(data) + PIECE, PIECE):
        last = at >= len(data)
        items = decoder.close() if last else decoder.feed(data[at : at + PIECE], at)
        for item in items:
            if isinstance(item, Reject):
                clean = False
                why = f"{item.why}: {item.detail}" if item.detail else str(item.why)
                complain(f"{name}:{lines.number(item.origin.position)}", why)
            elif signals or not isinstance(item, Signal):
                emit(plain(item))
        if last:
            break
    return clean


def plain(item: Item) -> dict[str, Any]:
    """A leg, signal or reject as the JSON of design section 9: absent is unknown, origin is text."""
    fields: dict[str, Any] = msgspec.to_builtins(item)
    fields["origin"] = str(item.origin)
    if isinstance(item, Signal):
        fields = {"signal": fields.pop("what")} | fields
    elif isinstance(item, Reject):
        fields = {"reject": fields.pop("why")} | fields
    return fields


class LineNumbers:
    """Positions to line numbers; CR, LF and CR LF end a line. Ask in rising order."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.line = data, 0, 1

    def number(self, position: int) -> int:
        if position < self.at:
            self.at, self.line = 0, 1
        part = self.data[self.at : position]
        self.line += part.count(b"\n") + part.count(b"\r") - part.count(b"\r\n")
        self.at = position
        return self.line


def run_detect(args: argparse.Namespace) -> int:
    try:
        data = read_file(args.file)
    except OSError as error:
        complain(args.file, error.strerror or str(error))
        return BROKEN
    guesses = detect(data)
    for guess in guesses:
        emit({"format": guess.format, "score": guess.score, "evidence": guess.evidence})
    if decide(guesses, ended=True):
        return OK
    complain(
        f"{args.file}:1",
        "undetected: no format stands out" if guesses else "undetected: no format reads a call",
    )
    return REJECTED


def run_formats(args: argparse.Namespace) -> int:
    formats = load_formats()
    if args.markdown:
        print(markdown(formats), end="")
    else:
        for fmt in formats.values():
            emit({"format": fmt.name, "title": fmt.title})
    return OK
