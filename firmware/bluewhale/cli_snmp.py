"""`bluewhale snmp`: who may read by SNMP, and who is told of alarms.

Keys and communities go into files (mode 0600), the names into the journal as owner changes; both also while the
box is down, and before it ran for the first time.
"""

import argparse
import getpass
import re
import sys

from bluewhale import owner
from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, box_options, complain, config_of, emit
from bluewhale.config import Config
from bluewhale.journal.client import CaptureAway, Refused
from bluewhale.journal.writer import JournalFull
from bluewhale.snmp import keys


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("snmp", help="SNMP users, receivers of alarms, engine id")
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    user = parts.add_parser("user", help="who may read (SNMPv3, SHA-256 and AES-128)")
    _add_user(user.add_subparsers(dest="act", metavar="ACT", required=True))
    receiver = parts.add_parser("receiver", help="who is told of alarms")
    _add_receiver(receiver.add_subparsers(dest="act", metavar="ACT", required=True))
    engine = parts.add_parser("engine", help="the engine id, which a receiver of v3 traps needs")
    box_options(engine)
    engine.set_defaults(run=_engine)


def _add_user(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = acts.add_parser("add", help="a user, or new passphrases for one")
    made.add_argument("name", metavar="NAME")
    made.add_argument(
        "--auth-stdin",
        action="store_true",
        help="read the passphrases from stdin: authentication, then privacy, one a line (one line: both)",
    )
    box_options(made)
    made.set_defaults(run=_user_add)
    gone = acts.add_parser("remove", help="a user may no longer read")
    gone.add_argument("name", metavar="NAME")
    box_options(gone)
    gone.set_defaults(run=_user_remove)
    shown = acts.add_parser("list", help="users in force, JSON Lines")
    box_options(shown)
    shown.set_defaults(run=_user_list)


def _add_receiver(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = acts.add_parser("add", help="where notifications go, HOST:PORT with a numeric host")
    made.add_argument("address", metavar="ADDRESS")
    made.add_argument("--name", help="what to call it (default: made of the address)")
    by = made.add_mutually_exclusive_group(required=True)
    by.add_argument("--user", metavar="NAME", help="send SNMPv3 traps as this user")
    by.add_argument("--community", metavar="C", help="send SNMPv2c traps with this community")
    by.add_argument("--community-stdin", action="store_true", help="the same, the community read from stdin")
    box_options(made)
    made.set_defaults(run=_receiver_add)
    gone = acts.add_parser("remove", help="it is told no more")
    gone.add_argument("name", metavar="NAME")
    box_options(gone)
    gone.set_defaults(run=_receiver_remove)
    shown = acts.add_parser("list", help="receivers in force, JSON Lines")
    box_options(shown)
    shown.set_defaults(run=_receiver_list)


def _engine(args: argparse.Namespace) -> int:
    engine = keys.engine(config_of(args))
    emit({"engine_id": f"0x{engine.id}", "boots": engine.boots})
    return OK


def _user_add(args: argparse.Namespace) -> int:
    config = config_of(args)
    try:
        keys.check_name(args.name)
        auth, priv = _passphrases(args.auth_stdin)
        old = keys.load(config, args.name)
        engine = keys.engine(config)
        keys.save(config, args.name, keys.localize(engine.id, auth, priv))
    except keys.KeyFault as fault:
        complain("snmp user add", str(fault))
        return USAGE
    status = _submit(config, "snmp-user", args.name, {}, {"user": args.name, "engine_id": f"0x{engine.id}"})
    if status != OK and old is None:
        keys.user_file(config, args.name).unlink(missing_ok=True)
    return status


def _passphrases(from_stdin: bool) -> tuple[str, str]:
    """(authentication, privacy). Asked for at a terminal, else read from stdin only if told so."""
    if from_stdin:
        lines = sys.stdin.read().splitlines()
        if not lines or len(lines) > 2:
            raise keys.KeyFault("one or two lines are needed on stdin")
        return lines[0], lines[-1]
    if not sys.stdin.isatty():
        raise keys.KeyFault("give the passphrases on stdin, with --auth-stdin")
    auth = getpass.getpass("Authentication passphrase: ")
    priv = getpass.getpass("Privacy passphrase (empty: the same): ")
    return auth, priv or auth


def _user_remove(args: argparse.Namespace) -> int:
    config = config_of(args)
    try:
        file = keys.user_file(config, args.name)
    except keys.KeyFault as fault:
        complain("snmp user remove", str(fault))
        return USAGE
    status = _submit(config, "snmp-user", args.name, None, {"user": args.name})
    if status == OK:
        file.unlink(missing_ok=True)
    return status


def _user_list(args: argparse.Namespace) -> int:
    from bluewhale.snmp import settings

    config = config_of(args)
    for name in settings.read(config).get("users", []):
        emit({"user": name, "keys": keys.load(config, name) is not None})
    return OK


def _receiver_add(args: argparse.Namespace) -> int:
    from bluewhale.snmp import settings

    config = config_of(args)
    name = args.name or re.sub(r"[^A-Za-z0-9.]+", "-", args.address).strip("-.")[:32]
    try:
        host, port = settings.address(args.address)
        keys.check_name(name)
        value = {"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
        if args.user:
            keys.check_name(args.user)
            value["user"] = args.user
        else:
            community = sys.stdin.readline().rstrip("\r\n") if args.community_stdin else args.community
            keys.save_community(config, name, community)
            value["community"] = "set"
    except keys.KeyFault as fault:
        complain("snmp receiver add", str(fault))
        return USAGE
    if args.user and keys.load(config, args.user) is None:
        complain(
            "snmp receiver add", f"there is no user {args.user} yet: its notifications wait until there is"
        )
    return _submit(config, "snmp-receiver", name, value, {"receiver": name} | value)


def _receiver_remove(args: argparse.Namespace) -> int:
    config = config_of(args)
    try:
        file = keys.community_file(config, args.name)
    except keys.KeyFault as fault:
        complain("snmp receiver remove", str(fault))
        return USAGE
    status = _submit(config, "snmp-receiver", args.name, None, {"receiver": args.name})
    if status == OK:
        file.unlink(missing_ok=True)
    return status


def _receiver_list(args: argparse.Namespace) -> int:
    from bluewhale.snmp import settings

    for entry in settings.read(config_of(args)).get("receivers", []):
        emit(entry)
    return OK


def _submit(config: Config, kind: str, key: str, value: object, shown: dict[str, str]) -> int:
    """The owner change; its answer as a JSON line."""
    change = owner.change(kind, key, value, who=getpass.getuser(), why="by command")
    try:
        answers = config.capture_socket.exists()  # a box that is down answers once it runs
        outcome = owner.submit(config, change, wait_s=2.0 if answers else 0.0)
    except (CaptureAway, Refused, JournalFull) as error:
        complain(f"{kind} {key}", str(error))
        return BROKEN
    if outcome.state == "refused":
        complain(f"{kind} {key}", f"refused: {outcome.why}")
        return REJECTED
    emit(shown | {"state": outcome.state})
    return OK
