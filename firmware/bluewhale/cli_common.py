"""What all commands share: where the box is, how a fault is told, JSON Lines out."""

import argparse
import sys
from typing import Any

import msgspec

from bluewhale.config import Config, load

OK, REJECTED, USAGE, BROKEN = 0, 1, 2, 3


def box_options(parser: argparse.ArgumentParser) -> None:
    """Every command that touches a box takes these two."""
    parser.add_argument("--data", metavar="DIR", help="data directory (default: data, or BLUEWHALE_DATA)")
    parser.add_argument(
        "--config", metavar="FILE", help="configuration file (default: bluewhale.toml, if it exists)"
    )


def config_of(args: argparse.Namespace, listen: str | None = None) -> Config:
    """The configuration the arguments name; `listen` overrides the page's address. Raises ConfigError."""
    config = load(args.config, args.data)
    if not listen:
        return config
    if listen.isdigit():
        listen = f"{config.web.listen.rpartition(':')[0]}:{listen}"
    return msgspec.structs.replace(config, web=msgspec.structs.replace(config.web, listen=listen))


def emit(value: Any) -> None:
    """One JSON line on stdout."""
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")


def complain(where: str, why: str) -> None:
    """One diagnosis a line on stderr: FILE:LINE: why."""
    print(f"{where}: {why}", file=sys.stderr)
