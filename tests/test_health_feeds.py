"""Feed states: the rules one by one, and by property over random histories. No clock, no files."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.health.feeds import DAY, SECOND, FeedState, Memory, Now, Rules, Seen, decide, from_watch

RULES = Rules()
START = Now(1_700_000_000 * SECOND, 50_000 * SECOND)
LISTEN = Seen(capture="listening", scheme="tcp-listen")
CLIENT = Seen(capture="open", scheme="tcp-listen", connections=1)
TCP_OPEN = Seen(capture="open", scheme="tcp", connections=1)
TCP_FAILS = Seen(capture="connecting", scheme="tcp")


def after(seconds: float, start: Now = START) -> Now:
    return Now(start.real_us + int(seconds * SECOND), start.mono_us + int(seconds * SECOND))


def spoke(seen: Seen, at: Now) -> Seen:
    return msgspec.structs.replace(seen, last_us=at.real_us)


class History:
    """Looks at a feed each half second; keeps the states with their seconds."""

    def __init__(self, memory: Memory | None = None, rules: Rules = RULES) -> None:
        self.memory = memory or Memory()
        self.rules = rules
        self.at = 0.0
        self.seen: list[tuple[float, FeedState]] = []

    def look(self, seen: Seen, for_s: float = 0.5, step: float = 0.5) -> FeedState:
        until = self.at + for_s
        while self.at < until:
            self.memory = decide(self.memory, seen, after(self.at), self.rules)
            if not self.seen or self.seen[-1][1] is not self.memory.state:
                self.seen.append((self.at, self.memory.state))
            self.at += step
        return self.memory.state

    def says(self, seen: Seen) -> Seen:
        """`seen` with bytes that came now."""
        return spoke(seen, after(self.at))

    def entered(self, state: FeedState) -> list[float]:
        return [at for at, s in self.seen if s is state]


def test_a_port_nobody_ever_used_is_quiet() -> None:
    history = History()
    assert history.look(LISTEN, 3 * 86_400, step=60) is FeedState.QUIET
    assert history.seen == [(0.0, FeedState.QUIET)]


def test_the_last_client_left_is_lost_after_the_hold_off_and_back_at_once() -> None:
    history = History()
    assert history.look(history.says(CLIENT), 20) is FeedState.LIVE
    last = spoke(LISTEN, START)
    assert history.look(last, 10) is FeedState.LIVE
    assert history.look(last, 1) is FeedState.LOST
    assert history.entered(FeedState.LOST) == [30.0]
    back = msgspec.structs.replace(CLIENT, last_us=last.last_us)
    assert history.look(back) is FeedState.LIVE  # it spoke less than five minutes ago


def test_a_client_that_returns_within_the_hold_off_was_never_lost() -> None:
    history = History()
    history.look(CLIENT, 20)
    for _ in range(20):
        history.look(LISTEN, 9)
        history.look(CLIENT, 3)
    assert history.entered(FeedState.LOST) == []


@pytest.mark.parametrize("capture", ["connecting", "lost", "failed"])
@pytest.mark.parametrize("scheme", ["tcp", "serial"])
def test_what_cannot_be_opened_is_lost(scheme: str, capture: str) -> None:
    history = History()
    history.look(Seen(capture=capture, scheme=scheme), 1.5)
    assert history.memory.state is FeedState.QUIET
    history.look(Seen(capture=capture, scheme=scheme), 1)
    assert history.memory.state is FeedState.LOST
    assert history.look(Seen(capture="open", scheme=scheme)) is FeedState.QUIET


def test_a_port_that_cannot_be_bound_is_lost_and_then_quiet_again() -> None:
    history = History()
    assert history.look(Seen(capture="failed", scheme="tcp-listen"), 4) is FeedState.LOST
    assert history.look(LISTEN) is FeedState.QUIET


def test_a_listener_without_connections_is_there() -> None:
    udp = Seen(capture="listening", scheme="udp")
    history = History()
    assert history.look(udp, 60) is FeedState.QUIET
    assert history.look(history.says(udp)) is FeedState.LIVE


def test_quiet_and_stale_by_silence() -> None:
    history = History()
    said = history.says(TCP_OPEN)
    assert history.look(said, 300) is FeedState.LIVE
    assert history.look(said, 30) is FeedState.QUIET
    assert history.look(said, 86_000, step=50) is FeedState.QUIET
    assert history.look(said, 300, step=50) is FeedState.STALE
    assert history.look(history.says(TCP_OPEN)) is FeedState.LIVE


def test_a_feed_that_is_usually_silent_over_the_weekend_is_not_stale_then() -> None:
    history = History()
    history.look(history.says(TCP_OPEN), 60 * 3600, step=600)  # stale the first weekend
    assert history.memory.state is FeedState.STALE
    said = history.says(TCP_OPEN)
    history.look(said)
    assert history.memory.longest_us >= 59 * 3600 * SECOND
    assert history.look(said, 62 * 3600, step=600) is FeedState.QUIET
    assert history.look(said, 40 * 3600, step=600) is FeedState.STALE


def test_a_connection_that_falls_at_once_again_and_again_is_lost() -> None:
    history = History()
    for _ in range(300):
        history.look(TCP_OPEN, 0.5)
        history.look(TCP_FAILS, 1.5)
    assert len(history.entered(FeedState.LOST)) == 2  # the first return is believed, later ones have to last
    assert history.look(TCP_OPEN, 11) is FeedState.QUIET


def test_a_pbx_that_connects_for_each_record_is_live_while_records_come() -> None:
    history = History()
    for _ in range(30):
        history.look(history.says(LISTEN), 8)  # bytes came between two looks; nobody is connected at either
    assert history.seen == [(0.0, FeedState.LIVE)]
    assert history.look(spoke(LISTEN, after(history.at - 8)), 20) is FeedState.LOST


def test_lost_twice_within_a_minute_has_to_settle() -> None:
    history = History()
    history.look(CLIENT, 20)
    history.look(LISTEN, 11)
    history.look(CLIENT, 3)
    history.look(LISTEN, 11)
    assert history.memory.state is FeedState.LOST
    assert history.look(CLIENT, 9) is FeedState.LOST
    assert history.look(CLIENT, 2) is FeedState.QUIET
    history.look(LISTEN, 11)
    assert history.look(history.says(CLIENT)) is FeedState.LIVE  # bytes are proof enough


def test_off() -> None:
    history = History()
    history.look(history.says(CLIENT), 5)
    off = msgspec.structs.replace(LISTEN, enabled=False)
    assert history.look(off, 60) is FeedState.OFF
    assert history.look(LISTEN, 60) is FeedState.QUIET  # nobody came since it was switched on
    assert history.look(Seen(capture="off", scheme="replay")) is FeedState.OFF


def test_a_feed_capture_does_not_know_is_lost_only_after_a_while() -> None:
    history = History()
    missing = Seen(capture="missing", scheme="serial")
    assert history.look(missing, 9) is FeedState.QUIET
    assert history.look(missing, 2) is FeedState.LOST


def test_after_a_restart_of_capture_clients_get_time_to_return() -> None:
    history = History()
    history.look(history.says(CLIENT), 20)
    starting = msgspec.structs.replace(LISTEN, settled=False)
    assert history.look(starting, 25) is FeedState.LIVE
    assert history.look(LISTEN, 0.5) is FeedState.LOST


def test_a_restart_of_health_changes_nothing() -> None:
    history = History()
    said = history.says(TCP_OPEN)
    history.look(said, 400)
    kept = ("state", "since_us", "had_client", "last_us", "longest_us", "longest_at_us")
    again = Memory(**{name: getattr(history.memory, name) for name in kept})
    assert decide(again, said, after(400), RULES).state is FeedState.QUIET
    assert decide(again, said, after(400), RULES).since_us == history.memory.since_us
    assert decide(again, said, after(86_402), RULES).state is FeedState.STALE
    lost = Memory(state=FeedState.LOST, since_us=7, had_client=True)
    assert decide(lost, LISTEN, START, RULES) == msgspec.structs.replace(lost, down_mono=START.mono_us)


def test_an_owners_own_times() -> None:
    rules = from_watch({"lost_after_s": 60, "quiet_after_s": 1, "stale_after_s": 5, "other": 3})
    assert (rules.lost_us, rules.quiet_us, rules.stale_us) == (60 * SECOND, SECOND, 5 * SECOND)
    assert from_watch({"lost_after_s": "soon", "quiet_after_s": -1, "stale_after_s": True}) == RULES
    history = History(rules=rules)
    said = history.says(CLIENT)
    assert history.look(said, 4) is FeedState.QUIET
    assert history.look(said, 4) is FeedState.STALE
    assert history.look(spoke(LISTEN, START), 59) is FeedState.STALE
    assert history.look(spoke(LISTEN, START), 2) is FeedState.LOST


LOOKS = st.lists(
    st.tuples(
        st.sampled_from(["listening", "open", "connecting", "lost", "failed", "off", "missing", "?"]),
        st.integers(0, 2),  # connections
        st.booleans(),  # bytes came
        st.integers(1, 40),  # tenths of seconds to the next look
    ),
    max_size=80,
)
SCHEMES = st.sampled_from(["tcp-listen", "tcp", "serial", "udp", "folder", "replay"])


def run(
    scheme: str, looks: list[tuple[str, int, bool, int]], step_us: int = 0
) -> list[tuple[Now, Seen, Memory]]:
    """The histories of a feed; `step_us` moves the real clock after the first look."""
    at, memory, last, seen_all = START, Memory(), None, []
    for n, (capture, connections, bytes_came, tenths) in enumerate(looks):
        if bytes_came:
            last = at.real_us
        seen = Seen(capture=capture, scheme=scheme, connections=connections, last_us=last)
        memory = decide(memory, seen, at, RULES)
        seen_all.append((at, seen, memory))
        at = Now(
            at.real_us + tenths * SECOND // 10 + (step_us if n == 0 else 0),
            at.mono_us + tenths * SECOND // 10,
        )
    return seen_all


@given(SCHEMES, LOOKS)
def test_never_lost_before_the_hold_off_and_never_flapping(
    scheme: str, looks: list[tuple[str, int, bool, int]]
) -> None:
    history = run(scheme, looks)
    entries = [
        n
        for n in range(1, len(history))
        if history[n][2].state is FeedState.LOST is not history[n - 1][2].state
    ]
    for n in entries:
        now = history[n][0]
        quietly = [m for m in range(n, -1, -1) if now.mono_us - history[m][0].mono_us < RULES.open_us]
        assert all(history[m][1].capture != "off" for m in quietly)
        came = {history[m][1].last_us for m in quietly}
        assert len(came) <= 1 or history[quietly[-1]][1].last_us is None  # no bytes within the hold-off
    times = [history[n][0].mono_us for n in entries]
    assert all(later - earlier >= RULES.open_us for earlier, later in itertools.pairwise(times))


@given(SCHEMES, LOOKS)
def test_since_changes_exactly_with_the_state(scheme: str, looks: list[tuple[str, int, bool, int]]) -> None:
    history = run(scheme, looks)
    for (_, _, before), (now, _, memory) in itertools.pairwise(history):
        assert (memory.since_us == now.real_us) == (
            memory.state is not before.state
        ) or memory.since_us == before.since_us
        assert memory.since_us <= now.real_us


@given(SCHEMES, LOOKS, st.integers(-400 * DAY, 400 * DAY))
def test_a_step_of_the_real_clock_changes_no_state(
    scheme: str, looks: list[tuple[str, int, bool, int]], step_us: int
) -> None:
    if looks:
        looks[0] = (*looks[0][:2], True, looks[0][3])  # the bytes' age is known before the step
    plain = [memory.state for _, _, memory in run(scheme, looks)]
    stepped = [memory.state for _, _, memory in run(scheme, looks, step_us)]
    assert plain == stepped


@given(SCHEMES, LOOKS)
def test_an_open_feed_leaves_lost(scheme: str, looks: list[tuple[str, int, bool, int]]) -> None:
    history = run(scheme, looks)
    if not history:
        return
    now, seen, memory = history[-1]
    there = msgspec.structs.replace(seen, capture="open", connections=1)
    for n in range(25):
        memory = decide(memory, there, Now(now.real_us, now.mono_us + n * SECOND // 2), RULES)
    assert memory.state is not FeedState.LOST
