"""Commands that change a box: directory, plans, sites, feeds. Each is an owner's change in the journal; the
ledger's answer is printed as one JSON line: applied, refused (exit 1), or pending while the box is down."""

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

import msgspec

from bluewhale import cli_decode, cli_rate, owner
from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, box_options, complain, config_of, emit
from bluewhale.config import Config
from bluewhale.journal import client
from bluewhale.journal.writer import JournalFull
from bluewhale.ledger import attribute, directory, plan, plan_csv
from bluewhale.model import Setting
from bluewhale.store.window import open_box

WAIT_S = 10.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _add_directory(_group(commands, "directory", "extensions, people, departments"))
    _add_plan(_group(commands, "plan", "plan files and what is priced by them"))
    site = _group(commands, "site", "places with a PBX")
    _act(site, "list", "all sites", _site_list)
    set_site = _act(
        site, "set", "facts of a site: zone, country, area, access_codes, local_digits", _site_set
    )
    set_site.add_argument("name")
    _pairs(set_site)
    _add_feed(_group(commands, "feed", "inputs of the box"))


def _group(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    return commands.add_parser(name, help=text).add_subparsers(dest="act", metavar="ACT", required=True)


def _act(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, run: Any
) -> argparse.ArgumentParser:
    parser = group.add_parser(name, help=text)
    box_options(parser)
    parser.set_defaults(run=run)
    return parser


def _pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", dest="options", action="append", default=[], metavar="KEY=VALUE",
        help="a value, as JSON if it is JSON, else text; may stand several times",
    )  # fmt: skip


def _add_directory(group: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    imported = _act(group, "import", "a CSV table; only what differs is changed", _directory_import)
    imported.add_argument("file", metavar="FILE")
    imported.add_argument("--site", default="main", help="site of rows that name none (default: main)")
    imported.add_argument("--remove", action="store_true", help="take out what the table does not hold")
    imported.add_argument("--preview", action="store_true", help="show what would change, change nothing")
    _act(group, "export", "the directory as CSV, which import takes back", _directory_export)


def _add_plan(group: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cli_rate.add_check(group)
    imported = _act(group, "import", "a plan file", _plan_import)
    imported.add_argument("file", metavar="FILE")
    imported.add_argument("--name", help="under this name (default: the plan's own)")
    imported.add_argument(
        "--use", choices=("charge", "cost", "reference"), action="append", default=[],
        help="price calls by it from now on; may stand several times",
    )  # fmt: skip
    exported = _act(group, "export", "a plan as JSON or CSV, which import takes back", _plan_export)
    exported.add_argument("name")
    exported.add_argument("--csv", action="store_true", help="as a table, one row a rate")
    _act(group, "list", "plans, and what they are used for", _plan_list)


def _add_feed(group: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    added = _act(group, "add", "a feed, or new settings of one", _feed_add)
    added.add_argument("name")
    added.add_argument("url", metavar="URL", help="tcp-listen:9000, serial:/dev/ttyS1?baud=9600, ...")
    added.add_argument("--format", default="auto", help="a format's name (default: detect it)")
    added.add_argument("--site", default="main")
    added.add_argument("--allow", action="append", default=[], metavar="NETWORK", help="who may connect")
    added.add_argument("--off", action="store_true", help="keep it switched off")
    added.add_argument(
        "--options", dest="options_file", metavar="FILE",
        help="JSON or TOML of options, or a layout file of format custom; -o stands over it",
    )  # fmt: skip
    _pairs(added)
    _act(group, "list", "all feeds", _feed_list)
    removed = _act(group, "remove", "a feed goes; its calls stay", _feed_remove)
    removed.add_argument("name")
    confirmed = _act(group, "format", "what a feed's records are, where detection was not sure", _feed_format)
    confirmed.add_argument("name")
    confirmed.add_argument("format")


def options_of(pairs: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; a value that is JSON is taken as such. Raises ValueError."""
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"{pair!r} is not KEY=VALUE")
        try:
            found[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            found[key] = text
    return found


def _change(config: Config, kind: str, key: str, value: Any, expects: int | None = None) -> int:
    """Hands a change in and prints the answer. Returns an exit status."""
    change = owner.change(kind, key, value, who=getpass.getuser(), why="command line", expects=expects)
    try:
        outcome = owner.submit(config, change, wait_s=WAIT_S if _runs(config) else 0.0)
    except (client.CaptureAway, client.Refused, JournalFull) as error:
        complain(f"{kind} {key}", str(error))
        return BROKEN
    answer = {"kind": kind, "key": key, "state": outcome.state, "origin": str(outcome.origin)}
    emit(answer | ({"why": outcome.why} if outcome.why else {}))
    sys.stdout.flush()
    if outcome.state == "refused":
        complain(f"{kind} {key}", f"refused: {outcome.why}")
        return REJECTED
    return OK


def _runs(config: Config) -> bool:
    """Whether a ledger is there to answer."""
    from bluewhale.roles.ledger_lock import LedgerBusy, locked

    try:
        with locked(config):
            return False
    except LedgerBusy:
        return True


def _settings(config: Config, kind: str) -> dict[str, Setting]:
    """The applied settings of a kind, by key. Empty if there is no box yet."""
    if not config.ledger_db.exists():
        return {}
    box = open_box(config)
    try:
        with box.ledger() as db:
            rows = db.execute("SELECT key, value, version FROM setting WHERE kind = ?", [kind]).fetchall()
    finally:
        box.close()
    return {key: Setting(kind, key, msgspec.json.decode(value), version) for key, value, version in rows}


def _book(config: Config) -> attribute.Book:
    """The book as the ledger saved it last, a new one if there is no box yet."""
    if not config.ledger_db.exists():
        return attribute.new_book(config.zone)
    box = open_box(config)
    try:
        with box.ledger() as db:
            row = db.execute("SELECT book FROM fold").fetchone()
    finally:
        box.close()
    return (
        attribute.restore(msgspec.json.decode(row[0])) if row and row[0] else attribute.new_book(config.zone)
    )


def _directory_import(args: argparse.Namespace) -> int:
    config = config_of(args)
    try:
        data = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    except OSError as error:
        complain(args.file, error.strerror or str(error))
        return USAGE
    rows, faults = directory.read(data)
    preview = directory.diff(_book(config), rows, args.site)
    for fault in [*faults, *preview.faults]:
        complain(f"{args.file}:{fault.line}", fault.text)
    counts = {"new": len(preview.new), "changed": len(preview.changed), "same": preview.same}
    gone = len(preview.removed) if args.remove else 0
    emit(counts | {"removed": gone, "faults": len(faults) + len(preview.faults)})
    sys.stdout.flush()
    if faults or preview.faults:
        return REJECTED  # a table is taken as a whole or not at all
    if args.preview or not (preview.new or preview.changed or gone):
        return OK
    known = _settings(config, "directory").get("extensions")
    value = directory.change(preview, remove=args.remove)
    return _change(config, "directory", "extensions", value, expects=known.version if known else None)


def _directory_export(args: argparse.Namespace) -> int:
    sys.stdout.write(directory.to_csv(_book(config_of(args))))
    return OK


def _plan_import(args: argparse.Namespace) -> int:
    config = config_of(args)
    try:
        faults = [fault for fault in cli_rate.check_plan_file(args.file) if fault.severity == "fault"]
    except OSError as error:
        complain(args.file, error.strerror or str(error))
        return USAGE
    for fault in faults:
        complain(f"{args.file}:{fault.line or 1}", str(fault))
    if faults:
        return REJECTED
    tree = plan.load(Path(args.file).read_text(encoding="utf-8-sig"), args.file)
    name = args.name or tree["name"]
    status = _change(config, "plan", name, {"plan": tree})
    if status != OK or not args.use:
        return status
    value = {"charge": None, "cost": None, "reference": None} | _value(
        _settings(config, "pricing").get("default")
    )
    return _change(config, "pricing", "default", value | dict.fromkeys(args.use, name))


def _value(setting: Setting | None) -> dict[str, Any]:
    return setting.value if setting is not None and isinstance(setting.value, dict) else {}


def _plan_export(args: argparse.Namespace) -> int:
    found = _settings(config_of(args), "plan").get(args.name)
    if found is None:
        complain(args.name, "there is no such plan")
        return REJECTED
    if args.csv:
        sys.stdout.buffer.write(plan_csv.table_of(_value(found)["plan"]).encode())
        return OK
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(_value(found)["plan"]), indent=2) + b"\n")
    return OK


def _plan_list(args: argparse.Namespace) -> int:
    config = config_of(args)
    pricing = _value(_settings(config, "pricing").get("default"))
    for name, setting in sorted(_settings(config, "plan").items()):
        tree = _value(setting)["plan"]
        used = [what for what, plan_name in pricing.items() if plan_name == name]
        emit({"plan": name, "currency": tree.get("currency"), "used_for": used, "version": setting.version})
    sys.stdout.flush()
    return OK


def _site_set(args: argparse.Namespace) -> int:
    config = config_of(args)
    try:
        options = options_of(args.options)
    except ValueError as error:
        complain("-o", str(error))
        return USAGE
    for name in ("country", "area"):  # numbers to dial are texts: `-o area=10` is no number
        if isinstance(options.get(name), int):
            options[name] = str(options[name])
    if isinstance(options.get("access_codes"), (int, str)):
        options["access_codes"] = str(options["access_codes"]).split(",")
    if isinstance(options.get("access_codes"), list):
        options["access_codes"] = [str(code) for code in options["access_codes"]]
    known = _settings(config, "site").get(args.name)
    before = _value(known) or ({"zone": config.zone} if args.name == "main" else {})
    return _change(config, "site", args.name, before | options, expects=known.version if known else None)


def _site_list(args: argparse.Namespace) -> int:
    for site in _book(config_of(args)).sites.values():
        emit(site)
    sys.stdout.flush()
    return OK


def _feed_add(args: argparse.Namespace) -> int:
    options: dict[str, Any] = {}
    try:
        if args.options_file:
            text = Path(args.options_file).read_text(encoding="utf-8")
            options = cli_decode.options_in(text, args.options_file)
        options |= options_of(args.options)
    except (ValueError, cli_decode.Usage) as error:
        complain("feed add", str(error))
        return USAGE
    value = {
        "url": args.url, "format": args.format, "options": options, "allow": args.allow, "site": args.site,
        "enabled": not args.off,
    }  # fmt: skip
    return _change(config_of(args), "feed", args.name, value)


def _feed_list(args: argparse.Namespace) -> int:
    config = config_of(args)
    for name, setting in sorted(_settings(config, "feed").items()):
        emit({"name": name, "source": "owner"} | _value(setting))
    for feed in config.feed:
        emit({"source": "file"} | msgspec.to_builtins(feed))
    sys.stdout.flush()
    return OK


def _feed_remove(args: argparse.Namespace) -> int:
    return _change(config_of(args), "feed", args.name, None)


def _feed_format(args: argparse.Namespace) -> int:
    return _change(config_of(args), "format", args.name, {"format": args.format})
