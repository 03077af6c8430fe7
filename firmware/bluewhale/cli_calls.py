"""`bluewhale calls`: what a PBX wrote, as calls, without a box. At the end of input all windows close."""

import argparse
from typing import Any

from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, complain, emit
from bluewhale.cli_decode import PIECE, LineNumbers, Usage, chosen, decode_options, options_of, read_file
from bluewhale.formats import Decoder, Format, OptionError
from bluewhale.ledger.correlate import calls, wall
from bluewhale.model import Leg, Reject


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("calls", help="PBX records to calls, as JSON Lines")
    decode_options(parser)
    parser.set_defaults(run=run_calls)


def run_calls(args: argparse.Namespace) -> int:
    try:
        options = options_of(args)
        data = {name: read_file(name) for name in args.file}
        fmt, options = chosen(args, options, list(data.values()))
        decoders = [(name, Decoder(fmt, options, journal=name)) for name in args.file]
    except (Usage, OptionError) as error:
        complain("bluewhale calls", str(error))
        return USAGE
    except OSError as error:
        complain(str(error.filename), error.strerror or str(error))
        return BROKEN
    except LookupError as error:
        complain(f"{args.file[0]}:1", str(error))
        return REJECTED
    legs: list[Leg] = []
    clean = True
    for name, decoder in decoders:
        clean &= _read(name, data[name], decoder, fmt, options, legs)
    for call in calls.calls(legs, fmt.join, options):
        emit(call)
    return OK if clean else REJECTED


def _read(
    name: str, data: bytes, decoder: Decoder, fmt: Format, options: dict[str, Any], legs: list[Leg]
) -> bool:
    """Adds one file's legs to `legs`; True if nothing was rejected. The files are one PBX's: calls may cross them."""
    lines, clean = LineNumbers(data), True
    for at in range(0, len(data) + PIECE, PIECE):
        for item in decoder.feed(data[at : at + PIECE], at) if at < len(data) else decoder.close():
            why = None
            if isinstance(item, Reject):
                why = f"{item.why}: {item.detail}" if item.detail else str(item.why)
            elif isinstance(item, Leg):
                try:
                    calls.timed(item, fmt.join, options)
                    legs.append(item)
                except wall.BadTime as error:
                    why = f"bad-time: {error}"
            if why is not None and item.origin is not None:
                clean = False
                complain(f"{name}:{lines.number(item.origin.position)}", why)
        if at >= len(data):
            break
    return clean
