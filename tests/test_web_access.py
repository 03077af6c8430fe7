"""Sessions end by themselves; wrong tries make one wait; a form's token holds for its session and form only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bluewhale_webui import access, csrf, throttle
from bluewhale_webui.access import Access


class Clock:
    def __init__(self) -> None:
        self.s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Iterator[Access]:
    opened = Access(tmp_path / "secrets" / "access.db", clock)
    yield opened
    opened.close()


def test_a_session_is_found_by_its_secret_alone(kept: Access) -> None:
    secret = access.open_session(kept, "limin", "m1", "192.0.2.7")
    other = access.open_session(kept, "limin", "m1", "192.0.2.8")
    assert len(secret) >= 43
    assert secret != other
    found = access.find_session(kept, secret)
    assert found is not None
    assert (found.user, found.mark, found.address) == ("limin", "m1", "192.0.2.7")
    assert access.find_session(kept, secret[:-1] + "x") is None
    assert access.find_session(kept, "") is None


def test_the_file_lets_nobody_in(kept: Access, tmp_path: Path) -> None:
    secret = access.open_session(kept, "limin", "m1", "192.0.2.7")
    kept.run("PRAGMA wal_checkpoint(TRUNCATE)")
    files = [file for file in (tmp_path / "secrets").iterdir() if file.name.startswith("access.db")]
    assert files
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        assert secret.encode() not in file.read_bytes()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_half_an_hour_idle_ends_it(kept: Access, clock: Clock) -> None:
    secret = access.open_session(kept, "limin", "m1", "a")
    for _ in range(5):
        clock.s += 29 * 60
        assert access.find_session(kept, secret)
    clock.s += 31 * 60
    assert access.find_session(kept, secret) is None


def test_a_page_that_keeps_itself_fresh_is_nobody(kept: Access, clock: Clock) -> None:
    secret = access.open_session(kept, "limin", "m1", "a")
    for _ in range(3):
        clock.s += 9 * 60
        assert access.find_session(kept, secret, seen=False)
    clock.s += 4 * 60
    assert access.find_session(kept, secret) is None


def test_twelve_hours_end_it_even_in_use(kept: Access, clock: Clock) -> None:
    secret = access.open_session(kept, "limin", "m1", "a")
    for _ in range(35):
        clock.s += 20 * 60
        assert access.find_session(kept, secret)
    clock.s += 21 * 60
    assert access.find_session(kept, secret) is None


def test_sign_out_everywhere_but_here(kept: Access) -> None:
    here, there = (access.open_session(kept, "limin", "m1", "a") for _ in range(2))
    other = access.open_session(kept, "wang", "m2", "a")
    access.close_sessions(kept, "limin", but=access.find_session(kept, here))
    assert access.find_session(kept, here)
    assert access.find_session(kept, there) is None
    assert access.find_session(kept, other)
    access.close_sessions(kept, "limin")
    assert access.find_session(kept, here) is None


def test_sessions_outlive_a_restart(kept: Access, tmp_path: Path, clock: Clock) -> None:
    secret = access.open_session(kept, "limin", "m1", "a")
    kept.close()
    again = Access(tmp_path / "secrets" / "access.db", clock)
    assert access.find_session(again, secret)
    again.close()


def test_five_tries_are_free_then_the_wait_doubles_up_to_a_quarter_of_an_hour(
    kept: Access, clock: Clock
) -> None:
    for _ in range(4):
        throttle.wrong(kept, "limin", "a1")
        assert throttle.wait_s(kept, "limin", "a1") == 0
    waits = []
    for number in range(8):
        throttle.wrong(kept, "Limin", f"b{number}")  # from other addresses, other letters
        waits.append(throttle.wait_s(kept, "limin", "c"))
        clock.s += waits[-1]
        assert throttle.wait_s(kept, "limin", "c") == 0
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    throttle.right(kept, "limin")
    throttle.wrong(kept, "limin", "d")
    assert throttle.wait_s(kept, "limin", "d") == 0


def test_an_address_has_twenty_tries_an_hour_over_all_names(kept: Access, clock: Clock) -> None:
    for number in range(20):
        assert throttle.wait_s(kept, "fresh", "a") == 0
        throttle.wrong(kept, f"name{number}", "a")
    assert 0 < throttle.wait_s(kept, "fresh", "a") <= 3600
    assert throttle.wait_s(kept, "fresh", "elsewhere") == 0
    clock.s += 3601
    assert throttle.wait_s(kept, "fresh", "a") == 0


def test_waiting_outlives_a_restart(kept: Access, tmp_path: Path, clock: Clock) -> None:
    for _ in range(5):
        throttle.wrong(kept, "limin", "a")
    kept.close()
    again = Access(tmp_path / "secrets" / "access.db", clock)
    assert throttle.wait_s(again, "limin", "b") == 30
    again.close()


def test_the_log_of_sign_ins_is_kept_to_its_size(kept: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOG_KEPT", 10)
    for number in range(15):
        access.log_login(kept, f"u{number}", "a", "in")
    found = access.logins(kept)
    assert [user for _, user, _, _ in found] == [f"u{n}" for n in range(14, 4, -1)]


def test_a_form_token_holds_for_one_session_and_form(tmp_path: Path) -> None:
    key = csrf.key(tmp_path / "web")
    assert csrf.key(tmp_path / "web") == key
    assert (tmp_path / "web" / "key").stat().st_mode & 0o777 == 0o600
    one, two = csrf.token(key, "session", "/login"), csrf.token(key, "session", "/login")
    assert one != two, "masked anew"
    assert csrf.holds(key, "session", "/login", one)
    assert csrf.holds(key, "session", "/login", two)
    assert not csrf.holds(key, "session", "/users", one)
    assert not csrf.holds(key, "another", "/login", one)
    assert not csrf.holds(bytes(32), "session", "/login", one)
    for typed in ("", "x", one[:-4], "ü" * 88, "A" * 88):
        assert not csrf.holds(key, "session", "/login", typed)


def test_sums_are_kept_while_nothing_changed_and_remade_after(monkeypatch: pytest.MonkeyPatch) -> None:
    from bluewhale.model import EVERYTHING, NOTHING
    from bluewhale_webui import sums

    made: list[tuple[object, ...]] = []

    def summary(
        box: object, scope: object, by: str, since: object, until: object, **only: object
    ) -> tuple[object, ...]:
        made.append((scope, by, since, until, *only.items()))
        return made[-1]

    monkeypatch.setattr(sums.reads, "summary", summary)
    monkeypatch.setattr(sums, "WORTH", 0)
    kept = sums.Sums(None)  # type: ignore[arg-type]
    for _ in range(3):
        kept.summary((1, 1), EVERYTHING, "day", 1, 2)
    assert len(made) == 1
    kept.summary((1, 1), NOTHING, "day", 1, 2)
    kept.summary((1, 1), EVERYTHING, "day", 1, 2, direction="outgoing")
    kept.summary((2, 1), EVERYTHING, "day", 1, 2)
    assert len(made) == 4, "another reader, another question, another state of the box"
    monkeypatch.setattr(sums, "WORTH", 10**9)
    kept.summary((3, 1), EVERYTHING, "day", 1, 2)
    kept.summary((4, 1), EVERYTHING, "day", 1, 2)
    assert len(made) == 5, "dear ones are shown a little old"
    for number in range(sums.MOST + 5):
        kept.summary((1, 1), EVERYTHING, "day", number, number)
    assert len(kept._kept) <= sums.MOST
