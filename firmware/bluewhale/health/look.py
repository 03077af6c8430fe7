"""One look at the box: what was read goes in, states, alarms and the rows to write come out. Pure."""

from typing import NamedTuple

import msgspec

from bluewhale.health import alarms, feeds, levels, processes, reads, records, rows
from bluewhale.health.levels import DiskState
from bluewhale.health.status import Kernel, Tree, integer, maybe, named, public_url


class Sight(NamedTuple):
    """What was read: status files (None: not there), settings, kernel. `keep`: bytes of disk the journal needs."""

    now: feeds.Now
    capture: Tree | None
    ledger: Tree | None
    settings: Tree | None
    roles: dict[str, processes.RoleSeen]
    kernel: Kernel
    box: str | None
    keep: int


class Step(NamedTuple):
    """What one look changed. `feeds`, `roles`: rows to write; `gone`: names of feeds that are no more;
    `raised`, `cleared`: keys of alarms."""

    at_us: int
    feeds: list[reads.Feed]
    roles: list[reads.Role]
    gone: list[str]
    raised: dict[str, alarms.Wanted]
    cleared: list[str]
    box: reads.Box


class State(msgspec.Struct):
    """What is remembered from look to look; `*_rows` is what health.db holds. Changed in place by `look`."""

    health: str
    feeds: dict[str, feeds.Memory]
    roles: dict[str, processes.RoleMemory]
    standing: set[str]
    feed_rows: dict[str, reads.Feed]
    role_rows: dict[str, reads.Role]
    counts: dict[str, records.Records] = {}
    why: dict[str, str] = {}  # what is said of a feed when it is lost
    disk: DiskState = DiskState.OK
    watermark: tuple[int, int] | None = None
    moved_mono: int | None = None


def remember(
    health: str, old: reads.Snapshot, standing: set[str], configured: tuple[str, ...], mono_us: int
) -> State:
    """The state to go on from, as health.db holds it: a restart of this role raises and clears nothing.

    Roles no longer configured are forgotten.
    """
    disk = (
        DiskState.FULL
        if "disk-full" in standing
        else DiskState.LOW
        if "disk-low" in standing
        else DiskState.OK
    )
    roles = {row.name: row for row in old.roles if row.name in configured}
    return State(
        health=health,
        feeds={row.name: rows.feed_memory(row) for row in old.feeds},
        roles={
            name: rows.role_memory(row, mono_us if f"role/{name}/restarts" in standing else None)
            for name, row in roles.items()
        },
        standing=standing,
        feed_rows={row.name: row for row in old.feeds},
        role_rows=roles,
        counts={
            row.name: records.Records(unreadable=f"feed/{row.name}/rejects" in standing) for row in old.feeds
        },
        disk=disk,
        moved_mono=mono_us - levels.STUCK_US - 1 if "ledger-stuck" in standing else None,
    )


def look(state: State, sight: Sight) -> Step:
    """The step to write; `state` goes on with it."""
    now = sight.now
    for name, seen in sight.roles.items():
        state.roles[name] = processes.decide(state.roles.get(name, processes.RoleMemory()), seen, now)
    role_rows = {name: rows.role_row(name, memory) for name, memory in state.roles.items()}
    capture = state.roles.get("capture")
    feed_rows = dict(state.feed_rows)
    gone: list[str] = []
    if capture is not None and capture.state is processes.RoleState.UP and sight.capture is not None:
        feed_rows, gone = _feeds(state, sight)
    facts = _facts(state, sight, feed_rows)
    should = alarms.wanted(facts)
    raised, cleared = alarms.changes(state.standing, set(should))
    step = Step(
        at_us=now.real_us,
        feeds=[row for name, row in feed_rows.items() if state.feed_rows.get(name) != row],
        roles=[row for name, row in role_rows.items() if state.role_rows.get(name) != row],
        gone=gone,
        raised={key: should[key] for key in raised},
        cleared=cleared,
        box=_box(state, sight, facts),
    )
    state.standing = set(should)
    state.feed_rows, state.role_rows = feed_rows, role_rows
    state.disk = facts.disk
    return step


def _feeds(state: State, sight: Sight) -> tuple[dict[str, reads.Feed], list[str]]:
    """(rows by name, names of feeds that are no more). Capture's list and the owner's together."""
    listed, owned = named(sight.capture, "feeds"), named(sight.settings, "feeds")
    rated = named(sight.ledger, "feeds")
    started = integer(sight.capture, "started_us")
    found: dict[str, reads.Feed] = {}
    for name in sorted(listed.keys() | owned.keys()):
        entry, wish = listed.get(name), owned.get(name, {})
        url = str((entry or wish).get("url") or wish.get("url") or "")
        watch = wish.get("watch")
        seen = feeds.Seen(
            capture=str(entry.get("state")) if entry else "missing",
            scheme=url.partition(":")[0],
            connections=integer(entry, "connections"),
            last_us=maybe(entry, "last_us"),
            enabled=bool(wish.get("enabled", True)),
            settled=_settled(entry, sight.now.real_us - started),
        )
        rules = feeds.from_watch(watch if isinstance(watch, dict) else {})
        known = state.feed_rows.get(name)
        moved = known is not None and known.url != public_url(url)
        before = feeds.Memory() if moved else state.feeds.get(name, feeds.Memory())
        memory = state.feeds[name] = feeds.decide(before, seen, sight.now, rules)
        state.why[name] = _why(seen, entry)
        counted = records.count(
            state.counts.get(name, records.Records()),
            integer(rated.get(name), "legs"),
            integer(rated.get(name), "rejects"),
            sight.now.mono_us,
        )
        state.counts[name] = counted
        rate = records.rate(counted, sight.now.mono_us)
        found[name] = rows.feed_row(name, url, memory, entry or {}, rated.get(name, {}), rate, started)
    gone = sorted(state.feed_rows.keys() - found.keys())
    for name in gone:
        state.feeds.pop(name, None)
        state.counts.pop(name, None)
        state.why.pop(name, None)
    return found, gone


def _settled(entry: Tree | None, ran_us: int) -> bool:
    """Its clients had time to connect since capture started, or did."""
    came = integer(entry, "opens") or integer(entry, "connections") or maybe(entry, "last_us")
    return bool(came) or ran_us > feeds.Rules().restart_us


def _why(seen: feeds.Seen, entry: Tree | None) -> str:
    if entry is None:
        return "capture does not know it"
    if seen.capture == "listening":
        return "nobody is connected any more"
    return str(entry.get("detail") or seen.capture)


def _facts(state: State, sight: Sight, feed_rows: dict[str, reads.Feed]) -> alarms.Facts:
    kernel, now, standing = sight.kernel, sight.now, state.standing
    backlog = _backlog(sight)
    return alarms.Facts(
        feeds={
            name: (
                feeds.FeedState(row.state),
                state.why.get(name, ""),
                row.state != feeds.FeedState.OFF and name in state.counts and state.counts[name].unreadable,
            )
            for name, row in feed_rows.items()
        },
        roles={
            name: (memory.state, processes.is_hung(memory, now), processes.keeps_restarting(memory))
            for name, memory in state.roles.items()
        },
        backlog=levels.over("backlog" in standing, backlog or 0, levels.BACKLOG_ON, levels.BACKLOG_OFF),
        stuck=_stuck(state, sight, backlog or 0),
        journal_full=bool(maybe(sight.capture, "journal", "full")),
        disk=levels.disk(state.disk, kernel.disk_free, kernel.disk_size, sight.keep),
        memory_low=levels.over(
            "memory-low" in standing,
            -kernel.memory_free,
            -kernel.memory_size * levels.MEMORY_ON,
            -kernel.memory_size * levels.MEMORY_OFF,
        ),
    )


def _backlog(sight: Sight) -> int | None:
    """Bytes in the journal that the ledger has not read: from both roles' ends, so that it grows while the
    ledger is away."""
    ends = [maybe(sight.capture, "journal", stream) for stream in ("feed", "owner")]
    marks = [maybe(sight.ledger, "watermark", stream) for stream in ("feed", "owner")]
    if None not in ends and None not in marks:
        return sum(max(0, (end or 0) - (mark or 0)) for end, mark in zip(ends, marks))
    return maybe(sight.ledger, "backlog_bytes")


def _stuck(state: State, sight: Sight, backlog: int) -> bool:
    """There is a backlog, the ledger runs, and its watermark has not moved for a while."""
    mark = (integer(sight.ledger, "watermark", "feed"), integer(sight.ledger, "watermark", "owner"))
    ledger = state.roles.get("ledger")
    runs = ledger is not None and ledger.state is processes.RoleState.UP
    moved = state.watermark is not None and mark != state.watermark
    state.watermark = mark
    if moved or not backlog or not runs or state.moved_mono is None:
        state.moved_mono = sight.now.mono_us
    return sight.now.mono_us - state.moved_mono > levels.STUCK_US


def _box(state: State, sight: Sight, facts: alarms.Facts) -> reads.Box:
    kernel = sight.kernel
    return reads.Box(
        health=state.health,
        time_us=sight.now.real_us,
        box=sight.box,
        lines=maybe(sight.ledger, "lines"),
        calls=maybe(sight.ledger, "calls"),
        rejects=maybe(sight.ledger, "rejects"),
        unassigned=maybe(sight.ledger, "unassigned"),
        unpriced=maybe(sight.ledger, "unpriced"),
        backlog_bytes=_backlog(sight),
        journal_seq=maybe(sight.capture, "journal", "seq"),
        journal_bytes=maybe(sight.capture, "journal", "feed"),
        journal_full=int(facts.journal_full),
        disk_state=facts.disk,
        disk_size=kernel.disk_size,
        disk_free=kernel.disk_free,
        memory_size=kernel.memory_size,
        memory_free=kernel.memory_free,
        cpu=kernel.cpu,
        load1=kernel.load1,
        boot_us=kernel.boot_us,
    )
