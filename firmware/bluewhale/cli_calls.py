"""`bluewhale calls`: what a PBX wrote, as calls, without a box. At the end of input all windows close."""

import argparse

from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, complain, emit
from bluewhale.cli_decode import PIECE, LineNumbers, Usage, chosen, decode_options, options_of, read_file
from bluewhale.formats import Decoder, OptionError
from bluewhale.ledger.correlate import single
from bluewhale.model import Leg, Reject


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    calls = commands.add_parser("calls", help="PBX records to calls, as JSON Lines")
    decode_options(calls)
    calls.set_defaults(run=run_calls)


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
    clean = True
    for name, decoder in decoders:
        clean &= _print_calls(name, data[name], decoder)
    return OK if clean else REJECTED


def _print_calls(name: str, data: bytes, decoder: Decoder) -> bool:
    """Prints one file's calls and complaints; True if nothing was rejected."""
    lines, clean = LineNumbers(data), True
    for at in range(0, len(data) + PIECE, PIECE):
        items = decoder.feed(data[at : at + PIECE], at) if at < len(data) else decoder.close()
        for item in items:
            if isinstance(item, Reject):
                clean = False
                why = f"{item.why}: {item.detail}" if item.detail else str(item.why)
                complain(f"{name}:{lines.number(item.origin.position)}", why)
            elif isinstance(item, Leg):
                emit(single.call(item))
        if at >= len(data):
            break
    return clean
