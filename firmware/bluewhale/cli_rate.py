"""`bluewhale rate`: prices calls by a plan file, without a box; and the check of a plan file."""

import argparse
import datetime
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.cli_common import OK, REJECTED, USAGE, complain, emit
from bluewhale.ledger import plan as plan_files
from bluewhale.ledger import rating
from bluewhale.ledger.balance import below_s, max_talk_s
from bluewhale.ledger.money import to_micros
from bluewhale.ledger.plan import Plan, PlanError
from bluewhale.ledger.plan_check import check
from bluewhale.ledger.plan_lines import line_of

_FREE = ("internal", "incoming")
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - wall time


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a plan file. A "fault" stops its use, a "warning" does not."""

    line: int | None
    path: str
    text: str
    severity: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class Call(msgspec.Struct, frozen=True):
    """An input line; keys not named here are let through unread."""

    called: str | None = None
    started: str | None = None
    talk_s: int | None = None
    direction: str | None = None
    answered: bool | None = None


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("rate", help="price calls by a plan file")
    parser.add_argument("--plan", required=True, metavar="FILE", help="plan file, TOML, JSON or CSV")
    parser.add_argument("--balance", metavar="AMOUNT", help="how long this balance lasts (talk_s not needed)")
    parser.add_argument("--warn", metavar="AMOUNT", help="and when it falls below this amount")
    parser.add_argument("calls", nargs="?", default="-", metavar="CALLS", help="JSON Lines; default: stdin")
    parser.set_defaults(run=_rate)


def add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`plan check FILE`, for the group `plan`."""
    parser = commands.add_parser("check", help="find faults, gaps, overlaps and dead rates in plan files")
    parser.add_argument("files", nargs="+", metavar="FILE", help="plan file, TOML, JSON or CSV")
    parser.set_defaults(run=_check)


def _rate(args: argparse.Namespace) -> int:
    plan = _usable(args.plan)
    if plan is None:
        return USAGE
    try:
        balance, warn = (None if text is None else to_micros(text) for text in (args.balance, args.warn))
    except ValueError as error:
        complain("--balance, --warn", str(error))
        return USAGE
    if warn is not None and balance is None:
        complain("--warn", "goes together with --balance")
        return USAGE
    if args.calls == "-":
        return _rate_lines(plan, sys.stdin.buffer, "-", balance, warn)
    if not os.access(args.calls, os.R_OK) or Path(args.calls).is_dir():
        complain(args.calls, "cannot be read")
        return USAGE
    with Path(args.calls).open("rb") as source:
        return _rate_lines(plan, source, args.calls, balance, warn)


def _rate_lines(plan: Plan, lines: Iterable[bytes], name: str, balance: int | None, warn: int | None) -> int:
    """One line out for each line in, in order."""
    status = OK
    for number, line in enumerate(lines, 1):
        answer = rate_line(plan, line, balance, warn)
        if "error" in answer:
            complain(f"{name}:{number}", answer["error"])
            status = REJECTED
        emit(answer)
    return status


def rate_line(plan: Plan, line: bytes, balance: int | None = None, warn: int | None = None) -> dict[str, Any]:
    """What the call that a JSON line describes costs, or how long a balance (micros) lasts; or {"error": why}."""
    try:
        call = msgspec.json.decode(line, type=Call)
    except msgspec.DecodeError as error:
        return {"error": f"not a call: {error}"}
    if call.talk_s is not None and call.talk_s < 0:
        return {"error": f"talk_s: {call.talk_s} is below 0"}
    free = call.direction in _FREE
    if balance is None and (free or call.talk_s == 0 or call.answered is False):
        return {"charge_micros": 0, "currency": plan.currency, "spans": []}
    if balance is not None and free:
        return {"currency": plan.currency, "max_talk_s": None, "warn_s": None}
    needed = ("called", "started") if balance is not None else ("called", "started", "talk_s")
    missing = [f"no {name}" for name in needed if getattr(call, name) is None]
    if missing:
        return {"error": ", ".join(missing)}
    try:
        wall_us, fold = wall_of(plan, str(call.started))
    except ValueError:
        return {"error": f'started: "{call.started}" is not a time YYYY-MM-DDThh:mm:ss'}
    if balance is not None:
        return _lasting(plan, str(call.called), wall_us, fold, balance, warn)
    return _price(plan, str(call.called), wall_us, fold, call.talk_s or 0)


def _price(plan: Plan, called: str, wall_us: int, fold: int, talk_s: int) -> dict[str, Any]:
    price = rating.price(plan, called, wall_us, talk_s, fold)
    if isinstance(price, rating.NoRate):
        return {"error": price.why}
    return {
        "charge_micros": price.micros,
        "currency": price.currency,
        "destination": price.destination,
        "prefix": price.prefix,
        "rate": price.rate,
        "spans": price.spans,
    }


def _lasting(
    plan: Plan, called: str, wall_us: int, fold: int, balance: int, warn: int | None
) -> dict[str, Any]:
    longest = max_talk_s(plan, balance, called, wall_us, fold)
    if isinstance(longest, rating.NoRate):
        return {"error": longest.why}
    warn_s = None if warn is None else below_s(plan, balance, warn, called, wall_us, fold)
    return {"currency": plan.currency, "max_talk_s": longest, "warn_s": warn_s}


def wall_of(plan: Plan, started: str) -> tuple[int, int]:
    """(wall microseconds in the plan's zone, fold) of an ISO 8601 time. An offset is converted where the plan
    names a zone; else the time stands as written. Raises ValueError."""
    if "T" not in started and " " not in started:
        raise ValueError(started)
    moment = datetime.datetime.fromisoformat(started)
    offset = moment.utcoffset()
    wall_us = (moment.replace(tzinfo=None) - _EPOCH) // datetime.timedelta(microseconds=1)
    if offset is None or plan.time_zone is None:
        return wall_us, 0
    return rating.wall(plan.time_zone, wall_us - offset // datetime.timedelta(microseconds=1))


def _usable(path: str) -> Plan | None:
    """The plan of a file, or None after telling what is wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        complain(path, str(getattr(error, "strerror", None) or error))
        return None
    try:
        return plan_files.parse(plan_files.load(text, path))
    except PlanError as error:
        _tell(path, _placed(error.faults, text, path, "fault"))
        return None


def check_plan_file(path: str) -> list[Fault]:
    """All faults of a plan file, or what is odd about one that can be used. Raises OSError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        return [Fault(None, "", f"not UTF-8 text: {error.reason} at byte {error.start}", "fault")]
    return check_plan_text(text, path)


def check_plan_text(text: str, name: str = "") -> list[Fault]:
    """The same for text; `name` says by its ending whether it is TOML or JSON."""
    try:
        plan = plan_files.parse(plan_files.load(text, name))
    except PlanError as error:
        return _placed(error.faults, text, name, "fault")
    return _placed(check(plan), text, name, "warning")


def _placed(faults: list[plan_files.Fault], text: str, name: str, severity: str) -> list[Fault]:
    kind = plan_files.kind_of(text, name)
    return [
        Fault(f.line or (line_of(text, f.path, kind) if f.path else None), f.path, f.text, severity)
        for f in faults
    ]


def _tell(path: str, faults: list[Fault]) -> None:
    for fault in faults:
        complain(f"{path}:{fault.line or 1}", str(fault))


def _check(args: argparse.Namespace) -> int:
    status = OK
    for path in args.files:
        try:
            faults = check_plan_file(path)
        except OSError as error:
            complain(path, error.strerror or str(error))
            return USAGE
        _tell(path, faults)
        wrong = sum(fault.severity == "fault" for fault in faults)
        emit({"plan": path, "faults": wrong, "warnings": len(faults) - wrong})
        status = REJECTED if faults else status
    return status
