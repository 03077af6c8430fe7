"""The front door: one command, many verbs. Each cli_*.py module adds its own.

Exit status: 0 ok, 1 some data rejected or undecided, 2 usage or configuration, 3 cannot reach or broken.
"""

import argparse
import importlib
import os
import pkgutil
import sys

import bluewhale
from bluewhale.cli_common import BROKEN, USAGE, box_options, complain, config_of
from bluewhale.config import ConfigError

ROLES = ("capture", "ledger", "health", "web", "snmp")


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    args = build_parser(words[:1] == ["role"]).parse_args(words)
    try:
        return int(args.run(args))
    except ConfigError as error:
        complain("bluewhale", str(error))
        return USAGE
    except BrokenPipeError:  # the reader of our output went away: `bluewhale query calls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN
    except KeyboardInterrupt:
        return BROKEN
    except OSError as error:
        complain(str(error.filename or "bluewhale"), error.strerror or str(error))
        return BROKEN


def build_parser(role_only: bool = False) -> argparse.ArgumentParser:
    """All verbs of all cli_*.py modules; a module has `add(commands)`. A role's process does not load the others:
    they cost 11 MB and 0.15 s each time."""
    parser = argparse.ArgumentParser(prog="bluewhale", description=str(bluewhale.__doc__))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_role(commands)
    if role_only:
        return parser
    for module in sorted(m.name for m in pkgutil.iter_modules(bluewhale.__path__)):
        if module.startswith("cli_") and module != "cli_common":
            importlib.import_module(f"bluewhale.{module}").add(commands)
    return parser


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("run", help="all roles in the foreground")
    box_options(parser)
    parser.add_argument("--listen", metavar="ADDR", help="address of the page, HOST:PORT or PORT")
    parser.set_defaults(run=_run)


def _add_role(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("role", help="one role alone, for a service manager")
    parser.add_argument("name", choices=ROLES)
    box_options(parser)
    parser.add_argument("--listen", metavar="ADDR", help="address of the page (role web)")
    parser.set_defaults(run=_role)


def _run(args: argparse.Namespace) -> int:
    from bluewhale.roles import run

    return run.main(config_of(args, args.listen), args.config)


def _role(args: argparse.Namespace) -> int:
    config = config_of(args, args.listen)
    from bluewhale.roles.heart import start_log

    start_log(config, args.name)
    return int(importlib.import_module(f"bluewhale.roles.{args.name}").main(config))
