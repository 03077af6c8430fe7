"""Journal time: monotonic within a boot, realtime across boots, never backwards."""

from hypothesis import given
from hypothesis import strategies as st

from bluewhale import clock
from bluewhale.clock import Stamp
from bluewhale.journal.time import Clock, advance

SECOND = 1_000_000


def stamp(real_s: float, mono_s: float, boot: str = "a") -> Stamp:
    return Stamp(int(real_s * SECOND), int(mono_s * SECOND), boot, True)


def test_it_starts_with_realtime_and_follows_monotonic_time() -> None:
    state = Clock()
    assert advance(state, stamp(1000, 5)) == 1000 * SECOND
    assert advance(state, stamp(9999, 7)) == 1002 * SECOND  # the clock was set forward: no window ends early
    assert advance(state, stamp(3, 8.5)) == 1003.5 * SECOND  # and back


def test_a_night_without_power_counts() -> None:
    state = Clock()
    advance(state, stamp(1000, 5, "a"))
    assert advance(state, stamp(29_800, 2, "b")) == 29_800 * SECOND
    assert advance(state, stamp(29_800, 4, "b")) == 29_802 * SECOND


def test_a_boot_with_a_wrong_clock_never_turns_time_back() -> None:
    state = Clock()
    advance(state, stamp(1000, 5, "a"))
    assert advance(state, stamp(0, 2, "b")) == 1000 * SECOND
    assert advance(state, stamp(0, 3, "b")) == 1001 * SECOND


stamps = st.builds(
    Stamp, st.integers(-(1 << 50), 1 << 50), st.integers(0, 1 << 45), st.sampled_from("abc"), st.booleans()
)


@given(st.lists(stamps), st.integers(0, 30))
def test_it_never_goes_backwards_and_can_be_saved(records: list[Stamp], cut: int) -> None:
    state, times = Clock(), []
    for number, record in enumerate(records):
        if number == cut:
            state = Clock(state.time_us, state.boot, state.mono_us)
        times.append(advance(state, record))
    assert times == sorted(times)
    whole = Clock()
    assert times == [advance(whole, record) for record in records]


def test_the_clock_of_this_machine() -> None:
    first, second = clock.now(), clock.now()
    assert first.boot == second.boot and len(bytes.fromhex(first.boot)) == 8
    assert first.mono_us <= second.mono_us
    assert first.real_us > 1_600_000_000 * SECOND
