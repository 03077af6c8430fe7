"""Access by command: users, API tokens, the set-up code. What the page does, from the console."""

import argparse
import secrets
import socket
import sys

import msgspec

from bluewhale import owner, setup_code
from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, box_options, complain, config_of, emit
from bluewhale.config import Config
from bluewhale.journal.client import CaptureAway, Refused

ROLES = ("administrator", "operator", "accountant", "viewer")
WAIT_S = 10.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _add_user(commands)
    _add_token(commands)
    parser = commands.add_parser("setup-code", help="a new set-up code, if the box is not set up yet")
    box_options(parser)
    parser.set_defaults(run=_setup_code)


def _add_user(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs = commands.add_parser("user", help="who may sign in").add_subparsers(metavar="VERB", required=True)
    parser = verbs.add_parser("add", help="a new user, or a new role or password for one")
    parser.add_argument("name")
    parser.add_argument("--role", required=True, choices=ROLES)
    parser.add_argument("--scope", default="all", help="all, or site=NAME,department=NAME,... (default: all)")
    parser.add_argument(
        "--password-stdin", action="store_true", required=True, help="the password is the first line of stdin"
    )
    box_options(parser)
    parser.set_defaults(run=_user_add)
    parser = verbs.add_parser("list", help="users, one JSON line each")
    box_options(parser)
    parser.set_defaults(run=_user_list)
    parser = verbs.add_parser("remove", help="the user is gone, and signed out")
    parser.add_argument("name")
    box_options(parser)
    parser.set_defaults(run=_user_remove)


def _add_token(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs = commands.add_parser("token", help="tokens for the API").add_subparsers(
        metavar="VERB", required=True
    )
    parser = verbs.add_parser("create", help="a new token; it is printed once")
    parser.add_argument("--scope", required=True, help="all, or site=NAME,department=NAME,...")
    parser.add_argument("--role", default="viewer", choices=ROLES, help="what it may read (default: viewer)")
    parser.add_argument("--name", default="", help="what it is for")
    box_options(parser)
    parser.set_defaults(run=_token_create)
    parser = verbs.add_parser("list", help="tokens, one JSON line each, without their secrets")
    box_options(parser)
    parser.set_defaults(run=_token_list)
    parser = verbs.add_parser("remove", help="the token is worth nothing from now on")
    parser.add_argument("id")
    box_options(parser)
    parser.set_defaults(run=_token_remove)


def _user_add(args: argparse.Namespace) -> int:
    from bluewhale_webui import auth, rights

    config = config_of(args)
    password = sys.stdin.readline().rstrip("\r\n")
    try:
        scope = rights.parse_scope(args.scope)
    except ValueError as error:
        complain("bluewhale", str(error))
        return USAGE
    if why := auth.fault(args.name, password):
        complain("bluewhale", f"password: {PASSWORD[why]}")
        return USAGE
    value = {"role": args.role, "scope": msgspec.to_builtins(scope)}
    status = _submit(config, "user", args.name, value)
    if status != OK:
        return status
    auth.set_password(config, args.name, password)
    if args.role == "administrator" and not setup_code.done(config):
        status = _submit(config, "setup", "done", {"by": args.name})
        setup_code.use(config)
    return status


PASSWORD = {
    "short": "at least 10 characters",
    "long": "at most 256 characters",
    "control": "no control characters",
    "name": "not the user's name or the box's",
    "letters": "not letters only",
    "digits": "not digits only",
    "common": "one of those everybody tries first",
}


def _user_list(args: argparse.Namespace) -> int:
    from bluewhale_webui import auth, rights, watched

    config = config_of(args)
    known = watched.Watched(auth.users_file(config), auth.Secrets, {}).get()
    for name, account in rights.published(config).get().users.items():
        scope = rights.scope_text(account.scope)
        emit({"name": name, "role": account.role, "scope": scope, "password": name in known})
    return OK


def _user_remove(args: argparse.Namespace) -> int:
    from bluewhale_webui import auth

    config = config_of(args)
    status = _submit(config, "user", args.name, None)
    if status == OK:
        auth.forget(config, args.name)
    return status


def _token_create(args: argparse.Namespace) -> int:
    from bluewhale_webui import auth, rights

    config = config_of(args)
    try:
        scope = rights.parse_scope(args.scope)
    except ValueError as error:
        complain("bluewhale", str(error))
        return USAGE
    number = secrets.token_hex(4)
    value = {"name": args.name or number, "role": args.role, "scope": msgspec.to_builtins(scope)}
    status = _submit(config, "token", number, value)
    if status == OK:
        print(auth.new_token(config, number))
    return status


def _token_list(args: argparse.Namespace) -> int:
    from bluewhale_webui import rights

    for number, account in rights.published(config_of(args)).get().tokens.items():
        scope = rights.scope_text(account.scope)
        emit({"id": number, "name": account.name, "role": account.role, "scope": scope})
    return OK


def _token_remove(args: argparse.Namespace) -> int:
    from bluewhale_webui import auth

    config = config_of(args)
    auth.forget_token(config, args.id)
    return _submit(config, "token", args.id, None)


def _setup_code(args: argparse.Namespace) -> int:
    config = config_of(args)
    code = setup_code.renew(config)
    if code is None:
        complain(
            "bluewhale",
            "this box is set up already; another way in: bluewhale user add NAME --role administrator",
        )
        return REJECTED
    print(f"Set-up code: {code}   (valid for 24 hours, used once)")
    return OK


def _runs(config: Config) -> bool:
    """Whether capture answers: else nobody will say "applied" soon."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(config.capture_socket)) == 0


def _submit(config: Config, kind: str, key: str, value: object) -> int:
    try:
        wait_s = WAIT_S if _runs(config) else 0.0
        outcome = owner.submit(config, owner.change(kind, key, value, who="console"), wait_s=wait_s)
    except (CaptureAway, Refused) as error:
        complain("bluewhale", str(error))
        return BROKEN
    if outcome.state == "refused":
        complain("bluewhale", f"refused: {outcome.why}")
        return REJECTED
    if outcome.state == "pending":
        complain("bluewhale", "kept; it counts as soon as the ledger runs and has read it")
    return OK
