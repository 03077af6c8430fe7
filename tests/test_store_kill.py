"""kill -9 at any moment: afterwards every line is there once, and every sum is that of an undisturbed run.

BLUEWHALE_KILLS sets how many kills at random moments (docs/store.md has the long run and its result).
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bluewhale.config import Config
from bluewhale.store.dump import dump
from bluewhale.store.writer import Store
from store_samples import run

KILLS = int(os.environ.get("BLUEWHALE_KILLS", "12"))
LINES = 6000
CHILD = Path(__file__).with_name("store_child.py")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    config = Config(data=str(tmp_path_factory.mktemp("undisturbed")))
    store = Store(config, 1000)
    run(store, LINES, 500)
    store.close()
    return list(dump(config))


def start(data: Path, place: str, visit: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(CHILD), str(data), str(LINES), place, str(visit)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def finish(data: Path, place: str, visits: list[int]) -> int:
    """Starts it again and again until it comes through; how often it killed itself."""
    kills = 0
    while True:
        child = start(data, place, visits[kills] if kills < len(visits) else 0)
        _, said = child.communicate(timeout=60)
        if child.returncode == 0:
            return kills
        assert child.returncode == -signal.SIGKILL, said.decode()
        kills += 1


@pytest.mark.parametrize(
    "place", ["before-save", "after-save", "after-lines", "before-rename", "after-rename"]
)
def test_killed_between_two_commits(tmp_path: Path, undisturbed: list[str], place: str) -> None:
    seed = random.randrange(10**9)
    draw = random.Random(seed)
    visits = [draw.randrange(1, 8) for _ in range(3)]
    assert finish(tmp_path, place, visits) > 0, seed
    assert list(dump(Config(data=str(tmp_path)))) == undisturbed, seed


def test_killed_at_random_moments(tmp_path: Path, undisturbed: list[str]) -> None:
    seed = random.randrange(10**9)
    draw = random.Random(seed)
    killed = rounds = 0
    config = Config(data=str(tmp_path / "0"))
    while killed < KILLS:
        child = start(config.data_dir, "none", 0)
        try:
            child.wait(timeout=draw.uniform(0.25, 0.9))
        except subprocess.TimeoutExpired:
            child.kill()
            killed += 1
        _, said = child.communicate()
        assert child.returncode in (0, -signal.SIGKILL), (seed, said.decode())
        if child.returncode == 0:
            assert list(dump(config)) == undisturbed, seed
            rounds += 1
            config = Config(data=str(tmp_path / str(rounds)))
    assert finish(config.data_dir, "none", []) == 0
    assert list(dump(config)) == undisturbed, seed
