"""How a feed is: LIVE, QUIET, STALE, LOST or OFF, decided from what capture says of it. Pure.

A feed is *there* when its line or connection is open (or when it only has to listen, as UDP does). LOST
means that nothing can come in: a serial line or an outgoing connection cannot be opened, or the last client
of a listening port left. A feed nobody ever connected to is QUIET, not LOST. One that is there is LIVE while
bytes come, QUIET after its quiet time, STALE after far longer than it was ever silent.

Waiting times are measured by the monotonic clock, so that a step of the real clock raises no alarm.
"""

import enum
from typing import NamedTuple

import msgspec

SECOND = 1_000_000
DAY = 86_400 * SECOND


class FeedState(enum.StrEnum):
    LIVE = "LIVE"
    QUIET = "QUIET"
    STALE = "STALE"
    LOST = "LOST"
    OFF = "OFF"


class Now(NamedTuple):
    """Microseconds of both clocks at one moment."""

    real_us: int
    mono_us: int


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Waiting times in microseconds. `from_watch` reads an owner's own for one feed."""

    lost_us: int = (
        10 * SECOND
    )  # the last client left (or capture does not know the feed): back by then, or LOST
    open_us: int = 2 * SECOND  # a line or connection that cannot be opened
    restart_us: int = 30 * SECOND  # clients find their way back after a restart of capture
    settle_us: int = 10 * SECOND  # a feed LOST twice within a minute has to stay this long
    again_us: int = 60 * SECOND
    quiet_us: int = 300 * SECOND
    stale_us: int = DAY  # and never less than half as long again as its longest silence


def from_watch(watch: dict[str, object]) -> Rules:
    """Rules with an owner's `lost_after_s`, `quiet_after_s`, `stale_after_s`; others are the shipped ones."""
    rules = Rules()
    changes = {}
    for key, field in (
        ("lost_after_s", "lost_us"),
        ("quiet_after_s", "quiet_us"),
        ("stale_after_s", "stale_us"),
    ):
        seconds = watch.get(key)
        if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 1e9:
            changes[field] = int(seconds * SECOND)
    return msgspec.structs.replace(rules, **changes) if changes else rules


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What capture says of a feed now. `capture`: listening, open, connecting, lost, failed, off, or missing
    (it does not list the feed). `settled`: somebody connected since capture started, or it runs for longer
    than `restart_us`. `last_us`: real time of the last bytes."""

    capture: str
    scheme: str
    connections: int = 0
    last_us: int | None = None
    enabled: bool = True
    settled: bool = True


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a feed. The monotonic times are of this process and not kept over a restart."""

    state: FeedState = FeedState.QUIET
    since_us: int = 0  # real time
    had_client: bool = False
    last_us: int | None = None
    longest_us: int = 0  # the longest silence that ended by itself, and when it ended (real time)
    longest_at_us: int = 0
    heard_mono: int | None = None
    up_mono: int | None = None
    down_mono: int | None = None
    back_mono: int | None = None


FORGET_US = 35 * DAY  # a feed's longest silence counts for five weeks: holidays are not for ever


def decide(memory: Memory, seen: Seen, now: Now, rules: Rules) -> Memory:
    """The feed's state after this look at it."""
    after = _listen(memory, seen, now)
    if not seen.enabled or seen.capture == "off":
        kept = Memory(
            last_us=after.last_us,
            heard_mono=after.heard_mono,
            longest_us=after.longest_us,
            longest_at_us=after.longest_at_us,
        )
        return _enter(kept, memory, FeedState.OFF, now)
    there = _there(seen, after.had_client)
    if there is None:
        return _enter(msgspec.structs.replace(after, down_mono=None), memory, FeedState.QUIET, now)
    spoke = after.last_us != memory.last_us
    return _up(after, memory, spoke, now, rules) if there else _down(after, memory, spoke, seen, now, rules)


def _there(seen: Seen, had_client: bool) -> bool | None:
    """True: bytes can come in; False: they cannot; None: a listening port nobody connected to yet."""
    if seen.capture == "open" or seen.connections > 0:
        return True
    if seen.capture == "listening" and seen.scheme != "tcp-listen":
        return True
    if _waits_for_client(seen):
        return False if had_client else None
    return False


def _waits_for_client(seen: Seen) -> bool:
    return seen.scheme == "tcp-listen" and seen.capture in ("listening", "lost")


def _down(after: Memory, before: Memory, spoke: bool, seen: Seen, now: Now, rules: Rules) -> Memory:
    """Not there: LOST once that has lasted. Until then the state stays what it was.

    A PBX that connects for each record is seen here only by its bytes: they start the wait anew.
    """
    down = now.mono_us if spoke or before.down_mono is None else before.down_mono
    after = msgspec.structs.replace(after, down_mono=down, up_mono=None)
    left = _waits_for_client(seen) or seen.capture == "missing"
    if now.mono_us - down >= (rules.lost_us if left else rules.open_us) and (seen.settled or not left):
        return _enter(after, before, FeedState.LOST, now)
    if after.heard_mono is not None and spoke and now.mono_us - after.heard_mono <= rules.quiet_us:
        return _enter(msgspec.structs.replace(after, back_mono=now.mono_us), before, FeedState.LIVE, now)
    return _enter(after, before, FeedState.QUIET if before.state is FeedState.OFF else before.state, now)


def _up(after: Memory, before: Memory, spoke: bool, now: Now, rules: Rules) -> Memory:
    """There: back from LOST at once, or after it settled if it was lost just before; else by its silence."""
    assert after.up_mono is not None
    up_for = now.mono_us - after.up_mono
    if before.state is FeedState.LOST:
        again = before.back_mono is not None and now.mono_us - before.back_mono < rules.again_us
        if again and not spoke and up_for < rules.settle_us:  # each vain try keeps the minute running
            return _enter(msgspec.structs.replace(after, back_mono=now.mono_us), before, FeedState.LOST, now)
        after = msgspec.structs.replace(after, back_mono=now.mono_us, down_mono=None)
    elif spoke or up_for >= rules.open_us:  # a connection that opens and falls at once is still down
        after = msgspec.structs.replace(after, down_mono=None)
    return _enter(after, before, _by_silence(after, now, rules), now)


_THERE = (FeedState.LIVE, FeedState.QUIET, FeedState.STALE)


def _listen(memory: Memory, seen: Seen, now: Now) -> Memory:
    """The memory with what the ear learns: its last bytes, whether anybody ever came, since when it is there.

    At the first look of this process the bytes' age is taken from the real clock, and a feed that was there
    before the restart is taken to have been there since its last word.
    """
    last_us = memory.last_us if seen.last_us is None else seen.last_us
    first_look = memory.heard_mono is None
    heard = memory.heard_mono
    if first_look and last_us is not None:
        heard = now.mono_us - max(0, now.real_us - last_us)
    elif last_us != memory.last_us:
        heard = now.mono_us
    up = memory.up_mono
    if not _there(seen, False):
        up = None
    elif up is None:
        was_there = first_look and memory.down_mono is None and memory.had_client and memory.state in _THERE
        up = heard if was_there and heard is not None else now.mono_us
    had_client = memory.had_client or up is not None or last_us != memory.last_us
    longest_us, longest_at_us = memory.longest_us, memory.longest_at_us
    if memory.heard_mono is not None and up is not None and last_us != memory.last_us:
        silence = now.mono_us - max(memory.heard_mono, up)
        if silence >= longest_us or now.real_us - longest_at_us > FORGET_US:
            longest_us, longest_at_us = silence, now.real_us
    return msgspec.structs.replace(
        memory,
        had_client=had_client,
        last_us=last_us,
        heard_mono=heard,
        up_mono=up,
        longest_us=longest_us,
        longest_at_us=longest_at_us,
    )


def _by_silence(memory: Memory, now: Now, rules: Rules) -> FeedState:
    up, heard = memory.up_mono, memory.heard_mono
    assert up is not None
    if heard is not None and now.mono_us - heard <= rules.quiet_us:
        return FeedState.LIVE
    silence = now.mono_us - (up if heard is None else max(up, heard))
    usual = max(rules.stale_us, memory.longest_us * 3 // 2)
    return FeedState.STALE if silence > usual else FeedState.QUIET


def _enter(after: Memory, before: Memory, state: FeedState, now: Now) -> Memory:
    since = before.since_us if state is before.state and before.since_us else now.real_us
    return msgspec.structs.replace(after, state=state, since_us=since)
