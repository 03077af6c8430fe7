"""One look at the box: roles, levels, rates, alarms. Pure, from trees as the roles publish them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.health import alarms, feeds, levels, look, processes, reads, records, status
from bluewhale.health.feeds import SECOND, Now
from bluewhale.health.levels import GIB, MIB, DiskState
from bluewhale.health.processes import RoleMemory, RoleSeen, RoleState

T0 = 1_700_000_000 * SECOND
KERNEL = status.Kernel(
    disk_size=100 * GIB, disk_free=60 * GIB, memory_size=GIB, memory_free=GIB // 2, cpu=3, load1=25, boot_us=1
)


def at(seconds: float) -> Now:
    return Now(T0 + int(seconds * SECOND), int((1000 + seconds) * SECOND))


def running(seconds: float, pid: int = 10, started_us: int = T0 - SECOND) -> RoleSeen:
    return RoleSeen(pid, started_us, T0 + int(seconds) * SECOND, True)


def role_history(seens: list[tuple[float, RoleSeen]]) -> RoleMemory:
    memory = RoleMemory()
    for seconds, seen in seens:
        memory = processes.decide(memory, seen, at(seconds))
    return memory


def test_a_role_that_writes_is_up() -> None:
    memory = role_history([(n / 2, running(n // 2)) for n in range(40)])
    assert (memory.state, memory.restarts) == (RoleState.UP, 0)


def test_a_role_whose_loop_stands_still_is_hung() -> None:
    stopped = [(n, running(0)) for n in range(7)]
    assert role_history(stopped).state is RoleState.UP
    memory = role_history([*stopped, (7, running(0))])
    assert memory.state is RoleState.HUNG and not processes.is_hung(memory, at(7))
    assert processes.is_hung(memory, at(11))
    assert role_history([*stopped, (7, running(0)), (8, running(8))]).state is RoleState.UP


def test_an_old_file_at_the_first_look_is_no_alarm_yet() -> None:
    memory = role_history([(5000, running(0))])
    assert memory.state is RoleState.HUNG and not processes.is_hung(memory, at(5000))


def test_a_killed_role_is_restarting_then_down_then_up_as_another_process() -> None:
    dead = RoleSeen(10, T0 - SECOND, T0, False)
    steps = [(0.0, running(0)), (1.0, dead), (5.5, dead)]
    assert role_history(steps).state is RoleState.RESTARTING
    assert role_history([*steps, (6.0, dead)]).state is RoleState.DOWN
    memory = role_history([*steps, (7.0, running(7, 11, T0 + 6 * SECOND))])
    assert (memory.state, memory.restarts, memory.pid) == (RoleState.UP, 1, 11)


def test_a_role_that_never_came_is_down_once_the_box_had_time_to_start() -> None:
    assert role_history([(0.0, RoleSeen()), (29.0, RoleSeen())]).state is RoleState.RESTARTING
    assert role_history([(0.0, RoleSeen()), (30.0, RoleSeen())]).state is RoleState.DOWN


def test_three_restarts_within_a_minute_are_an_alarm_and_later_ones_are_not() -> None:
    quick = [(n * 10.0, running(n * 10, 10 + n, T0 + n * SECOND)) for n in range(4)]
    assert processes.keeps_restarting(role_history(quick))
    assert not processes.keeps_restarting(role_history([*quick, (100.0, running(100, 13, T0 + 3 * SECOND))]))
    slow = [(n * 40.0, running(n * 40, 10 + n, T0 + n * SECOND)) for n in range(4)]
    assert not processes.keeps_restarting(role_history(slow))


def test_disk_levels_have_a_way_back() -> None:
    size, keep = 100 * GIB, 88 * MIB
    free = [50, 6, 5.1, 4.9, 5.1, 6, 6.3, 4, 0.05, 0.1, 0.2, 7]
    state, states = DiskState.OK, []
    for gib in free:
        state = levels.disk(state, int(gib * GIB), size, keep)
        states.append(state.value)
    assert states == ["ok", "ok", "ok", "low", "low", "low", "ok", "low", "full", "full", "low", "ok"]
    assert (
        levels.disk(DiskState.OK, 20 * MIB, 64 * MIB, 88 * MIB) is DiskState.OK
    )  # a small disk: low at a tenth
    assert levels.disk(DiskState.OK, 2 * MIB, 64 * MIB, 88 * MIB) is DiskState.FULL


@given(st.lists(st.floats(0, 200), max_size=60))
def test_a_level_changes_only_across_both_bounds(values: list[float]) -> None:
    was, crossed = False, 0.0
    for value in values:
        now = levels.over(was, value, 100, 50)
        assert now == (True if value >= 100 else False if value < 50 else was)
        crossed += now != was
        was = now
    assert crossed <= len(values)


def test_rate_and_readability() -> None:
    counted = records.Records()
    for second in range(121):
        counted = records.count(counted, second * 2, 0, second * SECOND)
    assert 110 <= records.rate(counted, 120 * SECOND) <= 122
    assert not counted.unreadable
    assert records.rate(counted, 300 * SECOND) == 0
    for second in range(121, 131):
        counted = records.count(counted, 240, (second - 120) * 3, second * SECOND)
    assert counted.unreadable
    assert not records.count(counted, 250, 30, 131 * SECOND).unreadable  # a few good ones are enough
    assert records.count(counted, 250, 90, 131 * SECOND).unreadable


def test_totals_that_begin_anew_are_no_storm() -> None:
    counted = records.count(records.Records(), 1_000_000, 5, 0)
    assert records.rate(counted, SECOND) == 0
    counted = records.count(counted, 7, 0, 10 * SECOND)
    assert records.rate(counted, 10 * SECOND) == 7


def test_urls_are_shown_without_secrets() -> None:
    for secret, shown in [
        ("tcp-listen:9000", "tcp-listen:9000"),
        ("serial:/dev/ttyS1?baud=9600&framing=7E1", "serial:/dev/ttyS1?baud=9600&framing=7E1"),
        ("tcp:10.0.0.5:5001?user=cdr&password=hunter2", "tcp:10.0.0.5:5001?user=cdr&password=***"),
        ("tcp:cdr:hunter2@10.0.0.5:5001", "tcp:***@10.0.0.5:5001"),
        ("ftp://cdr:hunter2@pbx/cdr?Token=x", "ftp://***@pbx/cdr?Token=***"),
        ("radius:1813?secret=hunter2", "radius:1813?secret=***"),
        ("http://[broken?password=hunter2", "http:"),
    ]:
        assert status.public_url(secret) == shown
        assert "hunter2" not in status.public_url(secret)


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.booleans(),
        lambda t: st.lists(t) | st.dictionaries(st.text(), t),
    )
)
def test_any_tree_is_read_without_a_fault(tree: object) -> None:
    found = tree if isinstance(tree, dict) else {"feeds": tree, "journal": tree}
    state = fresh()
    sight = see(0, capture=found, ledger=found, settings=found)
    step = look.look(state, sight)
    assert step.box.time_us == T0


def fresh() -> look.State:
    return look.remember("h", reads.Snapshot(), set(), ("capture", "ledger"), 0)


def see(seconds: float, **changes: object) -> look.Sight:
    roles = {"capture": running(seconds), "ledger": running(seconds)}
    sight = look.Sight(at(seconds), None, None, None, roles, KERNEL, "box", 88 * MIB)
    return sight._replace(**changes)  # type: ignore[arg-type]


def capture(seconds: float, *entries: dict[str, object], **journal: object) -> dict[str, object]:
    return {
        "started_us": T0 - 3600 * SECOND,
        "journal": {"id": "j", "feed": 1000, "owner": 100, "seq": 5, "full": False} | journal,
        "feeds": list(entries),
    }


MAIN = {
    "name": "main",
    "url": "tcp-listen:9000?token=x",
    "state": "open",
    "connections": 1,
    "bytes": 77,
    "last_us": T0,
}


def test_a_feed_comes_is_lost_and_goes() -> None:
    state = fresh()
    step = look.look(state, see(0, capture=capture(0, MAIN)))
    (row,) = step.feeds
    assert (row.name, row.state, row.url, row.bytes) == ("main", "LIVE", "tcp-listen:9000?token=***", 77)
    assert [r.name for r in step.roles] == ["capture", "ledger"] and not step.raised
    assert look.look(state, see(0.5, capture=capture(0, MAIN))).feeds == []  # nothing new, nothing written
    left = MAIN | {"state": "listening", "connections": 0, "detail": "on 127.0.0.1:9000"}
    for second in range(1, 12):
        step = look.look(state, see(second, capture=capture(0, left)))
    assert step.raised == {
        "feed/main/lost": ("feed-lost", {"feed": "main", "detail": "nobody is connected any more"})
    }
    assert alarms.text(*step.raised["feed/main/lost"]) == "Feed main is lost: nobody is connected any more"
    again = look.look(state, see(12, capture=capture(0, left)))
    assert not again.raised and not again.cleared and again.feeds == []
    gone = look.look(state, see(13, capture=capture(0)))
    assert (gone.gone, gone.cleared) == (["main"], ["feed/main/lost"])
    assert state.feeds == {} and state.feed_rows == {}


def test_after_a_start_of_capture_only_those_that_did_not_come_get_more_time() -> None:
    state = fresh()
    look.look(state, see(0, capture=capture(0, MAIN, MAIN | {"name": "second"})))
    started = {"started_us": T0 + 5 * SECOND}
    away = {"state": "listening", "connections": 0, "last_us": None, "opens": 0}
    came = MAIN | away | {"opens": 1}
    for second in range(6, 18):
        found = capture(0, came, MAIN | away | {"name": "second"}) | started
        look.look(state, see(second, capture=found))
    assert state.standing == {"feed/main/lost"}
    for second in range(18, 37):
        look.look(state, see(second, capture=found))
    assert state.standing == {"feed/main/lost", "feed/second/lost"}


def test_while_capture_is_away_feeds_keep_their_state() -> None:
    state = fresh()
    look.look(state, see(0, capture=capture(0, MAIN)))
    dead = {"capture": RoleSeen(10, T0 - SECOND, T0, False), "ledger": running(0)}
    for second in range(1, 40):
        step = look.look(state, see(second, capture=capture(0), roles=dead | {"ledger": running(second)}))
        if second == 6:
            assert list(step.raised) == ["role/capture/down"]
    assert state.feeds["main"].state is feeds.FeedState.LIVE
    assert state.standing == {"role/capture/down"}


def test_another_url_is_another_feed() -> None:
    state = fresh()
    look.look(state, see(0, capture=capture(0, MAIN)))
    other = MAIN | {"url": "tcp-listen:9001", "state": "listening", "connections": 0, "last_us": None}
    for second in range(1, 30):
        look.look(state, see(second, capture=capture(0, other)))
    assert state.feeds["main"].state is feeds.FeedState.QUIET and not state.standing


def test_switched_off_clears_its_alarm() -> None:
    state = fresh()
    failed = MAIN | {"url": "serial:/dev/ttyS9", "state": "failed", "connections": 0}
    for second in range(5):
        look.look(state, see(second, capture=capture(0, failed)))
    assert state.standing == {"feed/main/lost"}
    step = look.look(
        state, see(6, capture=capture(0, failed), settings={"feeds": [{"name": "main", "enabled": False}]})
    )
    assert step.cleared == ["feed/main/lost"] and step.feeds[0].state == "OFF"


def test_backlog_and_a_ledger_that_does_not_go_on() -> None:
    state = fresh()
    ledger = {"watermark": {"feed": 400, "owner": 100}, "calls": 3, "lines": 4, "backlog_bytes": 9}
    step = look.look(state, see(0, capture=capture(0), ledger=ledger))
    assert (step.box.backlog_bytes, step.box.calls, step.box.lines) == (600, 3, 4)
    for second in range(1, 70):
        look.look(state, see(second, capture=capture(0), ledger=ledger))
    assert state.standing == {"ledger-stuck"}
    far = capture(0, feed=65 * MIB)
    moved = ledger | {"watermark": {"feed": 500, "owner": 100}}
    assert look.look(state, see(70, capture=far, ledger=moved)).cleared == ["ledger-stuck"]
    assert state.standing == {"backlog"}
    look.look(state, see(71, capture=capture(0, feed=20 * MIB), ledger=moved))
    assert state.standing == {"backlog"}
    assert look.look(state, see(72, capture=capture(0, feed=2 * MIB), ledger=moved)).cleared == ["backlog"]


def test_disk_memory_and_journal() -> None:
    state = fresh()
    tight = msgspec.structs.replace(KERNEL, disk_free=10 * MIB, memory_free=GIB // 30)
    step = look.look(state, see(0, capture=capture(0, full=True), kernel=tight))
    assert sorted(step.raised) == ["disk-full", "journal-full", "memory-low"]
    assert (step.box.disk_state, step.box.journal_full) == ("full", 1)
    step = look.look(
        state, see(1, capture=capture(0), kernel=msgspec.structs.replace(KERNEL, disk_free=3 * GIB))
    )
    assert (list(step.raised), step.cleared) == (["disk-low"], ["disk-full", "journal-full", "memory-low"])


def test_unreadable_records_are_an_alarm() -> None:
    state = fresh()
    for second in range(12):
        ledger = {"feeds": {"main": {"legs": 3, "rejects": second * 5, "format": "acme"}}}
        step = look.look(state, see(second, capture=capture(0, MAIN), ledger=ledger))
    assert state.standing == {"feed/main/rejects"}
    assert (step.feeds[0].rejects, step.feeds[0].format) == (55, "acme")


def test_every_alarm_has_a_text_for_its_params() -> None:
    every = alarms.Facts(
        feeds={
            "a": (feeds.FeedState.LOST, "x", True),
            "b": (feeds.FeedState.STALE, "", False),
        },
        roles={"r": (RoleState.DOWN, True, True)},
        backlog=True,
        stuck=True,
        journal_full=True,
        disk=DiskState.FULL,
        memory_low=True,
    )
    wanted = alarms.wanted(every) | alarms.wanted(every._replace(disk=DiskState.LOW))
    assert {what for what, _ in wanted.values()} == set(alarms.CATALOGUE)
    for what, params in wanted.values():
        assert "{" not in alarms.text(what, params) + alarms.text(what, params, over=True)
    assert alarms.text("of-a-later-version", {}) == "of-a-later-version"
    assert alarms.text("feed-lost", {"feed": "{x}"}) == "Feed {x} is lost"


def test_a_restart_of_health_keeps_what_stands() -> None:
    standing = {
        "feed/main/lost", "feed/main/rejects", "role/capture/restarts", "role/ledger/hung", "role/web/down",
        "ledger-stuck", "backlog", "disk-low", "memory-low",
    }  # fmt: skip
    kernel = msgspec.structs.replace(KERNEL, disk_free=6 * GIB, memory_free=GIB * 6 // 100)
    rows = look.look(fresh(), see(0, capture=capture(0, MAIN)))
    lost = msgspec.structs.replace(rows.feeds[0], state="LOST")
    names = {"capture": "up", "ledger": "hung", "web": "down"}
    roles = [
        reads.Role(name=name, state=state, since_us=1, pid=10, started_us=T0 - SECOND)
        for name, state in names.items()
    ]
    state = look.remember(
        "h", reads.Snapshot(feeds=[lost], roles=roles), set(standing), tuple(names), at(60).mono_us
    )
    seen = {"capture": running(60), "ledger": running(0), "web": RoleSeen()}
    full = capture(0, MAIN | {"state": "listening", "connections": 0}, feed=40 * MIB)
    ledger = {"watermark": {"feed": 400, "owner": 100}, "feeds": {"main": {"legs": 3, "rejects": 9}}}
    step = look.look(state, see(60, capture=full, ledger=ledger, roles=seen, kernel=kernel))
    assert (step.raised, step.cleared) == ({}, ["ledger-stuck"])  # a ledger that hangs is not stuck
    assert step.feeds == [msgspec.structs.replace(step.feeds[0], state="LOST")]


@given(st.sets(st.text(max_size=3)), st.sets(st.text(max_size=3)))
def test_raise_and_clear_lead_from_what_stands_to_what_should(standing: set[str], should: set[str]) -> None:
    raised, cleared = alarms.changes(standing, should)
    assert (standing | set(raised)) - set(cleared) == should
    assert not set(raised) & standing and set(cleared) <= standing
