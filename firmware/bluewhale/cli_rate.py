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
    parser.add_argument("--plan", required=True, metavar="FILE", help="plan file, TOML or JSON")
    parser.add_argument("calls", nargs="?", default="-", metavar="CALLS", help="JSON Lines; default: stdin")
    parser.set_defaults(run=_rate)


def add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`plan check FILE`, for the group `plan`."""
    parser = commands.add_parser("check", help="find faults, gaps, overlaps and dead rates in plan files")
    parser.add_argument("files", nargs="+", metavar="FILE", help="plan file, TOML or JSON")
    parser.set_defaults(run=_check)


def _rate(args: argparse.Namespace) -> int:
    plan = _usable(args.plan)
    if plan is None:
        return USAGE
    if args.calls == "-":
        return _rate_lines(plan, sys.stdin.buffer, "-")
    if not os.access(args.calls, os.R_OK):
        complain(args.calls, "cannot be read")
        return USAGE
    with Path(args.calls).open("rb") as source:
        return _rate_lines(plan, source, args.calls)


def _rate_lines(plan: Plan, lines: Iterable[bytes], name: str) -> int:
    """One line out for each line in, in order."""
    status = OK
    for number, line in enumerate(lines, 1):
        answer = rate_line(plan, line)
        if "error" in answer:
            complain(f"{name}:{number}", answer["error"])
            status = REJECTED
        emit(answer)
    return status


def rate_line(plan: Plan, line: bytes) -> dict[str, Any]:
    """The price of the call that a JSON line describes, or {"error": why}."""
    try:
        call = msgspec.json.decode(line, type=Call)
    except msgspec.DecodeError as error:
        return {"error": f"not a call: {error}"}
    if call.talk_s is not None and call.talk_s < 0:
        return {"error": f"talk_s: {call.talk_s} is below 0"}
    if call.talk_s == 0 or call.answered is False or call.direction in _FREE:
        return {"charge_micros": 0, "currency": plan.currency, "spans": []}
    if call.called is None or call.started is None or call.talk_s is None:
        missing = [name for name in ("called", "started", "talk_s") if getattr(call, name) is None]
        return {"error": f"no {', no '.join(missing)}"}
    try:
        wall_us, fold = wall_of(plan, call.started)
    except ValueError:
        return {"error": f'started: "{call.started}" is not a time YYYY-MM-DDThh:mm:ss'}
    price = rating.price(plan, call.called, wall_us, call.talk_s, fold)
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
    as_json = plan_files.is_json(text, name)
    return [Fault(f.line or line_of(text, f.path, as_json), f.path, f.text, severity) for f in faults]


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
