"""Commands that read calls: `query`, `status`, `accounts`, and `rebuild`, which makes them anew."""

import argparse
import shutil
import sys
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, box_options, complain, config_of, emit
from bluewhale.config import Config
from bluewhale.health import reads as health_reads
from bluewhale.journal import reader
from bluewhale.model import EVERYTHING
from bluewhale.store import reads

PAGE = 1000
STALE_S = 5.0  # a status file older than that is of a role that no longer runs
TIMES = ("started_utc", "answered_utc", "ended_utc")
# what is of use inside the box only; names stand beside the numbers
INSIDE = (
    "seq", "position", "length", "call_position", "call_length", "day", "feed", "enterprise", "site", "department",
    "person", "plan", "payer_kind",
)  # fmt: skip


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    query = commands.add_parser("query", help="what a box holds")
    kinds = query.add_subparsers(dest="what", metavar="WHAT", required=True)
    calls = kinds.add_parser("calls", help="rated calls, JSON Lines, newest first")
    box_options(calls)
    calls.add_argument("--since", metavar="T", type=moment, help="calls that began at T or later")
    calls.add_argument("--until", metavar="T", type=moment, help="calls that began before T")
    calls.add_argument("--limit", metavar="N", type=int, help="at most N calls")
    calls.set_defaults(run=_query_calls)
    accounts = commands.add_parser("accounts", help="balances of departments and the enterprise")
    acts = accounts.add_subparsers(dest="act", metavar="ACT", required=True)
    listed = acts.add_parser("list", help="accounts with their balances, JSON Lines")
    box_options(listed)
    listed.set_defaults(run=_accounts)
    status = commands.add_parser("status", help="how the box is: roles, feeds, backlog")
    box_options(status)
    status.add_argument("--json", action="store_true", help="all of it as one JSON object")
    status.set_defaults(run=_status)
    rebuild = commands.add_parser("rebuild", help="make all calls anew from the journal and compare")
    box_options(rebuild)
    how = rebuild.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="compare only (the default)")
    how.add_argument("--apply", action="store_true", help="put the new calls in the place of the old")
    rebuild.set_defaults(run=_rebuild)


def moment(text: str) -> int:
    """Microseconds UTC of YYYY-MM-DD or an ISO 8601 time; without an offset it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1_000_000)


def _query_calls(args: argparse.Namespace) -> int:
    config = config_of(args)
    if not config.ledger_db.exists():
        complain(str(config.data_dir), "there is no box here: no ledger.db")
        return BROKEN
    box = reads.open_box(config)
    try:
        left = args.limit if args.limit is not None else sys.maxsize
        before = None
        while left > 0:
            page = reads.calls(
                box, EVERYTHING, since_us=args.since, until_us=args.until, before=before,
                limit=min(PAGE, left), deadline_s=5.0,
            )  # fmt: skip
            for item in page.items:
                emit(call_fields(item))
            left -= len(page.items)
            before = page.next
            if before is None:
                break
    finally:
        box.close()
    sys.stdout.flush()
    return OK


def call_fields(item: dict[str, Any]) -> dict[str, Any]:
    """A call as design section 9 names its fields: what is not known is absent, times are text."""
    out = {}
    for name, value in item.items():
        if value is None or name in INSIDE:
            continue
        if name in TIMES:
            value = iso(value)
        elif name == "answered":
            value = bool(value)
        out[name.removesuffix("_name")] = value
    return out


def iso(us: int) -> str:
    """ISO 8601 in UTC, fractions only where there are any."""
    return (
        datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000).isoformat()[:-6]
        + "Z"
    )


def _accounts(args: argparse.Namespace) -> int:
    """Signed balances; those of a currency add up to zero."""
    config = config_of(args)
    if not config.ledger_db.exists():
        complain(str(config.data_dir), "there is no box here: no ledger.db")
        return BROKEN
    box = reads.open_box(config)
    try:
        names = box.names()
        with box.ledger() as db:
            rows = db.execute("SELECT account, currency, balance_micros, lines FROM account").fetchall()
    finally:
        box.close()
    for account, currency, balance, lines in sorted(rows):
        kind, *ids = account.split(":")
        row: dict[str, Any] = {"account": account, "kind": kind}
        if kind == "department":
            row["department"] = "unassigned" if ids[0] == "0" else names.of("department", int(ids[0]))
        row["enterprise"] = names.of("enterprise", int(ids[-1]))
        emit(row | {"currency": currency, "balance_micros": balance, "lines": lines})
    sys.stdout.flush()
    return OK


def _status(args: argparse.Namespace) -> int:
    """Exit 0 when all roles run, 3 when the box is down."""
    config = config_of(args)
    roles = {role: _role(config, role) for role in config.roles}
    ledger = roles.get("ledger", {})
    health = health_reads.snapshot(config)
    found = {
        "roles": roles,
        "backlog_bytes": ledger.get("backlog_bytes"),
        "calls": ledger.get("calls"),
        "rejects": ledger.get("rejects"),
        "unassigned": ledger.get("unassigned"),
        "unpriced": ledger.get("unpriced"),
        "feeds": msgspec.to_builtins(health.feeds),
        "alarms": msgspec.to_builtins(health.alarms),
    }
    if args.json:
        emit(found)
        sys.stdout.flush()
    else:
        _tell_status(found)
    return OK if all(role["up"] for role in roles.values()) else BROKEN


def _role(config: Config, name: str) -> dict[str, Any]:
    """The role's status file, with `up`: written within STALE_S."""
    try:
        status = msgspec.json.decode(config.status_file(name).read_bytes())
    except FileNotFoundError:
        return {"role": name, "up": False}
    age = time.time() - status["time_us"] / 1_000_000
    return status | {"up": age < STALE_S}


def _tell_status(found: dict[str, Any]) -> None:
    for name, role in found["roles"].items():
        state = f"up     process {role['pid']}" if role["up"] else "down"
        print(f"{name:10} {state}")
    for feed in found["feeds"]:
        print(f"feed {feed['name']:12} {feed['state']:6} {feed.get('url', '')}")
    for name in ("calls", "rejects", "unassigned", "unpriced", "backlog_bytes"):
        if found[name] is not None:
            print(f"{name.replace('_', ' '):14} {found[name]}")
    for alarm in found["alarms"]:
        print(f"ALARM {alarm['severity']}: {alarm['text']}")


def _rebuild(args: argparse.Namespace) -> int:
    from bluewhale.roles import rebuild
    from bluewhale.roles.folding import WrongJournal
    from bluewhale.roles.ledger_lock import LedgerBusy, locked

    config = config_of(args)
    ends = reader.ends(config.journal_dir)
    if not ends.seq:
        complain(str(config.journal_dir), "there is no journal to rebuild from")
        return USAGE

    def tell(text: str) -> None:
        complain("rebuild", text)

    try:
        with locked(config):
            rebuild.catch_up(config, ends, tell)
            beside = rebuild.make(config, ends, tell)
            found = rebuild.compare(config, beside, tables=True)
            _report(found)
            if args.apply:
                tell(f"replaced; the old calls lie in {rebuild.replace(config, beside)}")
            elif found.same:
                shutil.rmtree(beside.data_dir)
            return OK if found.same or args.apply else REJECTED
    except LedgerBusy as busy:
        if args.apply:
            complain("rebuild", f"{busy}: stop it before its calls can be replaced")
            return BROKEN
    except WrongJournal as wrong:
        complain("rebuild", str(wrong))
        return BROKEN
    return _rebuild_beside(config, ends)


def _rebuild_beside(config: Config, ends: reader.Ends) -> int:
    """While the box runs: what the journal held when the command began, compared once the box has read it."""
    from bluewhale.roles import rebuild

    def tell(text: str) -> None:
        complain("rebuild", text)

    beside = rebuild.make(config, ends, tell)
    deadline = time.monotonic() + 60.0
    while not rebuild.has_read(config, ends):
        if time.monotonic() > deadline:
            complain("rebuild", "the ledger does not catch up with the journal; nothing is compared")
            return BROKEN
        time.sleep(0.2)
    found = rebuild.compare(config, beside, tables=False)
    _report(found)
    shutil.rmtree(beside.data_dir)
    return OK if found.same else REJECTED


def _report(found: Any) -> None:
    """The verdict, then one line for each account and month whose sum differs."""
    verdict = {
        "same": found.same, "old_lines": found.old_lines, "new_lines": found.new_lines,
        "different_lines": found.lines, "first_different_seq": found.first, "different_tables": found.tables,
    }  # fmt: skip
    emit({name: value for name, value in verdict.items() if value is not None})
    for row in found.sums:
        emit(row)
    sys.stdout.flush()
