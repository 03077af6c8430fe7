"""All objects of the agent: (OID, name, syntax, reader), sorted. A test compares them with BLUEWHALE-MIB."""

from collections.abc import Callable
from typing import Any, NamedTuple

from bluewhale.health.reads import Alarm, Feed, Role, Snapshot
from bluewhale.snmp import oids
from bluewhale.snmp.oids import Oid
from bluewhale.snmp.values import (
    COUNTER,
    COUNTER64,
    DATE,
    DISPLAY,
    GAUGE,
    NEVER,
    OID,
    SECONDS,
    SERVICES,
    TEXT,
    TICKS,
    TRUTH,
    Syntax,
    enumeration,
)

MIB = 1 << 20


class System(NamedTuple):
    """What the system group says of the box, and when the agent started (monotonic us)."""

    version: str
    description: str
    contact: str
    name: str
    location: str
    started_mono: int


class View(NamedTuple):
    """What the readers read: one moment of health.db, the system group, the time of both clocks."""

    health: Snapshot
    system: System
    real_us: int
    mono_us: int


class Scalar(NamedTuple):
    """`read` gives None for what is not known: the object is then absent."""

    oid: Oid  # without the .0
    name: str
    syntax: Syntax
    read: Callable[[View], Any]


class Column(NamedTuple):
    oid: Oid
    name: str
    syntax: Syntax
    read: Callable[[Any, View], Any]


class Table(NamedTuple):
    """`index_name` is the index column, not accessible: the row's id. Rows may come in any order."""

    index_name: str
    rows: Callable[[Snapshot], list[Any]]
    columns: tuple[Column, ...]


FEED_STATES = enumeration(live=1, quiet=2, stale=3, lost=4, off=5)
ROLE_STATES = enumeration(up=1, restarting=2, hung=3, down=4)
SEVERITIES = enumeration(warning=1, major=2, critical=3)
DISK_STATES = enumeration(ok=1, low=2, full=3)
EVENTS = enumeration(raised=1, cleared=2)


def _of_box(field: str, unit: int = 1) -> Callable[[View], Any]:
    def read(view: View) -> Any:
        value = getattr(view.health.box, field) if view.health.box else None
        return value // unit if unit > 1 and value is not None else value

    return read


def _age(view: View) -> int | None:
    return (view.real_us - view.health.box.time_us) // 1_000_000 if view.health.box else None


def _count(what: Callable[[Snapshot], int]) -> Callable[[View], int]:
    return lambda view: what(view.health)


def _field(name: str) -> Callable[[Any, View], Any]:
    return lambda row, view: getattr(row, name)


def _silence(feed: Feed, view: View) -> int:
    return NEVER if feed.last_us is None else max(0, (view.real_us - feed.last_us) // 1_000_000)


def _scalars(parent: Oid, first: int, *rows: tuple[str, Syntax, Callable[[View], Any]]) -> tuple[Scalar, ...]:
    return tuple(Scalar((*parent, first + n), *row) for n, row in enumerate(rows))


def _columns(entry: Oid, *rows: tuple[str, Syntax, Callable[[Any, View], Any]]) -> tuple[Column, ...]:
    return tuple(Column((*entry, 2 + n), *row) for n, row in enumerate(rows))  # column 1 is the index


SYSTEM_GROUP = _scalars(
    oids.SYSTEM, 1,
    ("sysDescr", DISPLAY, lambda view: view.system.description),
    ("sysObjectID", OID, lambda view: oids.PRODUCT),
    ("sysUpTime", TICKS, lambda view: (view.mono_us - view.system.started_mono) // 10_000),
    ("sysContact", DISPLAY, lambda view: view.system.contact),
    ("sysName", DISPLAY, lambda view: view.system.name),
    ("sysLocation", DISPLAY, lambda view: view.system.location),
    ("sysServices", SERVICES, lambda view: 72),  # end-to-end and application
)  # fmt: skip

BOX = _scalars(
    oids.BOX, 1,
    ("bwVersion", TEXT, lambda view: view.system.version),
    ("bwBoxId", TEXT, _of_box("box")),
    ("bwDataTime", DATE, _of_box("time_us")),
    ("bwDataAge", SECONDS, _age),
    ("bwLines", COUNTER64, _of_box("lines")),
    ("bwCalls", COUNTER64, _of_box("calls")),
    ("bwRejects", COUNTER64, _of_box("rejects")),
    ("bwUnassigned", GAUGE, _of_box("unassigned")),
    ("bwUnpriced", GAUGE, _of_box("unpriced")),
    ("bwBacklog", GAUGE, _of_box("backlog_bytes", 1024)),
    ("bwJournalRecords", COUNTER64, _of_box("journal_seq")),
    ("bwJournalFull", TRUTH, _of_box("journal_full")),
    ("bwDiskState", DISK_STATES, _of_box("disk_state")),
    ("bwDiskSize", GAUGE, _of_box("disk_size", MIB)),
    ("bwDiskFree", GAUGE, _of_box("disk_free", MIB)),
    ("bwMemorySize", GAUGE, _of_box("memory_size", MIB)),
    ("bwMemoryFree", GAUGE, _of_box("memory_free", MIB)),
    ("bwCpu", GAUGE, _of_box("cpu")),
    ("bwLoad", GAUGE, _of_box("load1")),
    ("bwFeedCount", GAUGE, _count(lambda health: len(health.feeds))),
    ("bwFeedsLost", GAUGE, _count(lambda health: sum(feed.state == "LOST" for feed in health.feeds))),
    ("bwAlarmCount", GAUGE, _count(lambda health: len(health.alarms))),
)  # fmt: skip

FEEDS = Table("bwFeedIndex", lambda health: health.feeds, _columns(
    oids.FEED_ENTRY,
    ("bwFeedName", TEXT, _field("name")),
    ("bwFeedUrl", TEXT, _field("url")),
    ("bwFeedState", FEED_STATES, _field("state")),
    ("bwFeedSince", DATE, _field("since_us")),
    ("bwFeedLastRecord", DATE, _field("last_us")),
    ("bwFeedSilence", SECONDS, _silence),
    ("bwFeedBytes", COUNTER64, _field("bytes")),
    ("bwFeedLegs", COUNTER64, _field("legs")),
    ("bwFeedRejects", COUNTER64, _field("rejects")),
    ("bwFeedOpens", COUNTER, _field("opens")),
    ("bwFeedLosses", COUNTER, _field("losses")),
    ("bwFeedConnections", GAUGE, _field("connections")),
    ("bwFeedRate", GAUGE, _field("rate")),
    ("bwFeedLineErrors", COUNTER, _field("line_errors")),
    ("bwFeedRefused", COUNTER, _field("refused")),
    ("bwFeedFormat", TEXT, _field("format")),
    ("bwFeedDetail", TEXT, _field("detail")),
    ("bwFeedCountedSince", DATE, _field("counted_since_us")),
))  # fmt: skip

ROLES = Table("bwRoleIndex", lambda health: health.roles, _columns(
    oids.ROLE_ENTRY,
    ("bwRoleName", TEXT, _field("name")),
    ("bwRoleState", ROLE_STATES, _field("state")),
    ("bwRoleSince", DATE, _field("since_us")),
    ("bwRoleStarted", DATE, _field("started_us")),
    ("bwRoleRestarts", COUNTER, _field("restarts")),
))  # fmt: skip

ALARMS = Table("bwAlarmIndex", lambda health: health.alarms, _columns(
    oids.ALARM_ENTRY,
    ("bwAlarmKey", TEXT, _field("key")),
    ("bwAlarmWhat", TEXT, _field("what")),
    ("bwAlarmSeverity", SEVERITIES, _field("severity")),
    ("bwAlarmSince", DATE, _field("raised_us")),
    ("bwAlarmText", TEXT, _field("text")),
))  # fmt: skip

SCALARS = (*SYSTEM_GROUP, *BOX)
TABLES: tuple[Table, ...] = (FEEDS, ROLES, ALARMS)
Row = Feed | Role | Alarm
