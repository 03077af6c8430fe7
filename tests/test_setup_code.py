"""The set-up code: what is kept of it, what it is worth, when it is gone."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bluewhale import setup_code
from bluewhale.config import Config
from bluewhale.setup_code import Answer


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data=str(tmp_path))


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for the code."""
    clock = [1_800_000_000.0]
    monkeypatch.setattr(setup_code.time, "time", lambda: clock[0])

    def pass_by(seconds: float) -> None:
        clock[0] += seconds

    return pass_by


def test_a_code_is_right_however_it_is_typed(config: Config) -> None:
    code = setup_code.renew(config)
    assert code is not None
    assert re.fullmatch(r"[2-9A-HJKMNP-TV-Z]{5}-[2-9A-HJKMNP-TV-Z]{5}", code)
    for typed in (code, code.lower(), code.replace("-", ""), f" {code[:3]} {code[3:]} "):
        assert setup_code.check(config, typed) is Answer.RIGHT
    assert setup_code.check(config, code[:-1]) is Answer.WRONG


def test_only_a_hash_is_kept_and_only_for_the_owner(config: Config) -> None:
    code = setup_code.renew(config)
    assert code is not None
    directory = config.secrets_dir("web")
    assert directory.stat().st_mode & 0o777 == 0o700
    files = list(directory.iterdir())
    assert files
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        assert code.replace("-", "") not in file.read_text()
        assert code not in file.read_text()


def test_each_code_ends_the_one_before(config: Config) -> None:
    first, second = setup_code.renew(config), setup_code.renew(config)
    assert first is not None
    assert second is not None
    assert first != second
    assert setup_code.check(config, first) is Answer.WRONG
    assert setup_code.check(config, second) is Answer.RIGHT


def test_five_wrong_tries_lock_it_for_a_minute(config: Config, later: Callable[[float], None]) -> None:
    code = setup_code.renew(config)
    assert code is not None
    for _ in range(5):
        assert setup_code.check(config, "22222-22222") is Answer.WRONG
    assert setup_code.check(config, code) is Answer.LOCKED
    later(59)
    assert setup_code.check(config, code) is Answer.LOCKED
    later(2)
    assert setup_code.check(config, code) is Answer.RIGHT


def test_a_right_try_forgives_the_wrong_ones(config: Config) -> None:
    code = setup_code.renew(config)
    assert code is not None
    for _ in range(3):
        for _ in range(4):
            assert setup_code.check(config, "22222-22222") is Answer.WRONG
        assert setup_code.check(config, code) is Answer.RIGHT


def test_it_is_gone_after_24_hours(config: Config, later: Callable[[float], None]) -> None:
    code = setup_code.renew(config)
    assert code is not None
    later(24 * 3600 - 1)
    assert setup_code.check(config, code) is Answer.RIGHT
    later(2)
    assert setup_code.check(config, code) is Answer.EXPIRED


def test_without_a_code_nothing_is_right(config: Config) -> None:
    assert setup_code.check(config, "") is Answer.EXPIRED
    assert setup_code.check(config, "22222-22222") is Answer.EXPIRED


def test_once_used_there_is_no_further_one(config: Config) -> None:
    code = setup_code.renew(config)
    assert code is not None
    assert not setup_code.done(config)
    setup_code.use(config)
    assert setup_code.done(config)
    assert setup_code.check(config, code) is Answer.DONE
    assert setup_code.renew(config) is None


def test_what_the_ledger_published_counts_too(config: Config) -> None:
    file = config.settings_file("web")
    file.parent.mkdir(parents=True)
    file.write_text('{"users": {}, "setup_done": false}')
    assert setup_code.renew(config)
    file.write_text('{"users": {}, "setup_done": true}')
    assert setup_code.renew(config) is None
