"""The alarms of the box: which there are, which should stand now, and what has to be raised or cleared. Pure.

An alarm's key names the one thing that is wrong ("feed/main/lost"); while it stands, no second one with that
key is raised. `what` is the code others translate by; `params` fills its text.
"""

import enum
from typing import NamedTuple

from bluewhale.health.feeds import FeedState
from bluewhale.health.levels import DiskState
from bluewhale.health.processes import RoleState


class Severity(enum.StrEnum):
    WARNING = "warning"
    MAJOR = "major"
    CRITICAL = "critical"


class Sort(NamedTuple):
    """`text` while it stands, `over` once it is cleared: English; {names} are filled from params."""

    severity: Severity
    text: str
    over: str


CATALOGUE: dict[str, Sort] = {
    "feed-lost": Sort(Severity.MAJOR, "Feed {feed} is lost: {detail}", "Feed {feed} is no longer lost"),
    "feed-stale": Sort(
        Severity.WARNING,
        "Feed {feed} has sent nothing for longer than ever before",
        "Feed {feed} is no longer stale",
    ),
    "feed-rejects": Sort(
        Severity.WARNING, "Feed {feed} sends data that cannot be read", "Feed {feed} can be read"
    ),
    "role-down": Sort(Severity.CRITICAL, "Role {role} does not run", "Role {role} runs"),
    "role-hung": Sort(
        Severity.CRITICAL, "Role {role} does not answer", "Role {role} answers or was started again"
    ),
    "role-restarts": Sort(Severity.MAJOR, "Role {role} keeps restarting", "Role {role} runs steadily"),
    "backlog": Sort(
        Severity.WARNING, "Received records wait to be rated", "Received records are rated in time"
    ),
    "ledger-stuck": Sort(Severity.MAJOR, "Rating does not go on although records wait", "Rating goes on"),
    "journal-full": Sort(
        Severity.CRITICAL, "The journal takes no records: the disk is full", "The journal takes records"
    ),
    "disk-low": Sort(Severity.WARNING, "Little disk space is left", "The disk is no longer low on space"),
    "disk-full": Sort(Severity.CRITICAL, "The disk is full", "The disk is no longer full"),
    "memory-low": Sort(Severity.WARNING, "Little memory is left", "There is enough memory"),
}


class Wanted(NamedTuple):
    """An alarm that should stand."""

    what: str
    params: dict[str, str]


class Facts(NamedTuple):
    """What the alarms are decided from. feeds: name -> (state, detail, unreadable); roles: name -> (state,
    hung for long, keeps restarting)."""

    feeds: dict[str, tuple[FeedState, str, bool]]
    roles: dict[str, tuple[RoleState, bool, bool]]
    backlog: bool
    stuck: bool
    journal_full: bool
    disk: DiskState
    memory_low: bool


def text(what: str, params: dict[str, str], over: bool = False) -> str:
    """The alarm, or its end, in English; a code of a later version is shown as it is."""
    sort = CATALOGUE.get(what)
    if sort is None:
        return what
    return (sort.over if over else sort.text).format_map(_Filled(params)).rstrip(": ")


class _Filled(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def wanted(facts: Facts) -> dict[str, Wanted]:
    """key -> the alarm that should stand now."""
    stand: dict[str, Wanted] = {}
    for name, (state, detail, unreadable) in facts.feeds.items():
        if state is FeedState.LOST:
            stand[f"feed/{name}/lost"] = Wanted("feed-lost", {"feed": name, "detail": detail})
        elif state is FeedState.STALE:
            stand[f"feed/{name}/stale"] = Wanted("feed-stale", {"feed": name})
        if unreadable:
            stand[f"feed/{name}/rejects"] = Wanted("feed-rejects", {"feed": name})
    for role, (role_state, hung, restarts) in facts.roles.items():
        if role_state is RoleState.DOWN:
            stand[f"role/{role}/down"] = Wanted("role-down", {"role": role})
        if hung:
            stand[f"role/{role}/hung"] = Wanted("role-hung", {"role": role})
        if restarts:
            stand[f"role/{role}/restarts"] = Wanted("role-restarts", {"role": role})
    for what, stands in (
        ("backlog", facts.backlog),
        ("ledger-stuck", facts.stuck),
        ("journal-full", facts.journal_full),
        ("disk-low", facts.disk is DiskState.LOW),
        ("disk-full", facts.disk is DiskState.FULL),
        ("memory-low", facts.memory_low),
    ):
        if stands:
            stand[what] = Wanted(what, {})
    return stand


def changes(standing: set[str], should: set[str]) -> tuple[list[str], list[str]]:
    """(keys to raise, keys to clear), sorted."""
    return sorted(should - standing), sorted(standing - should)
