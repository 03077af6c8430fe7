"""How a role is: up, restarting, hung or down, decided from its status file and its process. Pure."""

import enum

import msgspec

from bluewhale.health.feeds import SECOND, Now

FRESH_US = 6 * SECOND  # a status file is written every second; older than this, the role's loop stands still
HUNG_US = 10 * SECOND  # from then on it is an alarm
DOWN_US = 5 * SECOND  # a restart by the supervisor takes less
START_US = 30 * SECOND  # a role that was not seen alive yet: the box is starting
LOOP_US = 60 * SECOND  # that many restarts within this time are an alarm
LOOP_RESTARTS = 3


class RoleState(enum.StrEnum):
    UP = "up"
    RESTARTING = "restarting"
    HUNG = "hung"
    DOWN = "down"


class RoleSeen(msgspec.Struct, frozen=True):
    """A role's status file (`time_us` None: there is none) and whether its process lives."""

    pid: int = 0
    started_us: int = 0
    time_us: int | None = None
    alive: bool = False


class RoleMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a role; the monotonic times are of this process."""

    state: RoleState = RoleState.RESTARTING
    since_us: int = 0
    pid: int = 0
    started_us: int = 0
    time_us: int | None = None
    restarts: int = 0
    met: bool = False  # seen alive by this process
    fresh_mono: int | None = None
    gone_mono: int | None = None
    restarted_mono: tuple[int, ...] = ()


def decide(memory: RoleMemory, seen: RoleSeen, now: Now) -> RoleMemory:
    """The role's state after this look at it."""
    after = _freshness(memory, seen, now)
    if not seen.alive or seen.time_us is None:
        gone = now.mono_us if memory.gone_mono is None else memory.gone_mono
        down = memory.state is RoleState.DOWN or now.mono_us - gone >= (DOWN_US if memory.met else START_US)
        state = RoleState.DOWN if down else RoleState.RESTARTING
        return _enter(msgspec.structs.replace(after, gone_mono=gone), memory, state, now)
    after = msgspec.structs.replace(after, gone_mono=None, met=True)
    assert after.fresh_mono is not None
    old = now.mono_us - after.fresh_mono > FRESH_US
    return _enter(after, memory, RoleState.HUNG if old else RoleState.UP, now)


def _freshness(memory: RoleMemory, seen: RoleSeen, now: Now) -> RoleMemory:
    """When the file last changed, by the monotonic clock; the real one serves only for the first look."""
    fresh = memory.fresh_mono
    if fresh is None:  # never so old that it is a new alarm before its file was seen to stand still
        most = HUNG_US + 1 if memory.state is RoleState.HUNG else FRESH_US + 1
        fresh = now.mono_us - min(max(0, now.real_us - (seen.time_us or now.real_us)), most)
    elif (seen.started_us, seen.time_us) != (memory.started_us, memory.time_us):
        fresh = now.mono_us
    recent = tuple(at for at in memory.restarted_mono if now.mono_us - at < LOOP_US)
    restarted = memory.started_us != 0 and seen.started_us not in (0, memory.started_us)
    return msgspec.structs.replace(
        memory,
        pid=seen.pid or memory.pid,
        started_us=seen.started_us or memory.started_us,
        time_us=seen.time_us,
        restarts=memory.restarts + restarted,
        fresh_mono=fresh,
        restarted_mono=(*recent, now.mono_us) if restarted else recent,
    )


def is_hung(memory: RoleMemory, now: Now) -> bool:
    """Hung for so long that it is an alarm."""
    fresh = memory.fresh_mono
    return memory.state is RoleState.HUNG and fresh is not None and now.mono_us - fresh > HUNG_US


def keeps_restarting(memory: RoleMemory) -> bool:
    return len(memory.restarted_mono) >= LOOP_RESTARTS


def _enter(after: RoleMemory, before: RoleMemory, state: RoleState, now: Now) -> RoleMemory:
    since = before.since_us if state is before.state and before.since_us else now.real_us
    return msgspec.structs.replace(after, state=state, since_us=since)
