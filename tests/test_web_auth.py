"""Passwords and tokens: the rules, the hashes, the files they lie in."""

import threading
import time
from pathlib import Path

import msgspec
import pytest

from bluewhale.config import Config
from bluewhale_webui import auth, rights
from bluewhale_webui.watched import Watched


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data=str(tmp_path))


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("blau-wal-7", None),
        ("correct horse battery 9", None),
        ("密码蓝鲸计费系统二零二六7", None),
        ("a" * 255 + "7", "common"),  # one letter over and over
        ("short-77", "short"),
        ("x7" * 200, "long"),
        ("qwertzuiopasdf", "letters"),
        ("73519284650", "digits"),
        ("password123", "common"),
        ("Password2026!", "common"),
        ("P@ssw0rd2026", "common"),
        ("woaini1314520", "common"),
        ("1q2w3e4r5t", "common"),
        ("limin-12345", "name"),
        ("Bluewhale-1", "name"),
        ("tab\there-77x", "control"),
    ],
)
def test_the_rules(password: str, why: str | None) -> None:
    assert auth.fault("limin", password) == why


def test_only_the_right_password_matches(config: Config) -> None:
    auth.set_password(config, "limin", "blau-wal-77")
    auth.set_password(config, "other", "other-word-88")
    secrets = msgspec.json.decode(auth.users_file(config).read_bytes(), type=auth.Secrets)
    assert auth.matches(secrets["limin"], "blau-wal-77")
    assert not auth.matches(secrets["limin"], "blau-wal-78")
    assert not auth.matches(secrets["other"], "blau-wal-77")
    assert not auth.matches(None, "blau-wal-77")
    auth.forget(config, "limin")
    assert set(msgspec.json.decode(auth.users_file(config).read_bytes())) == {"other"}


def test_the_hash_is_argon2id_and_only_the_owner_reads_it(config: Config) -> None:
    auth.set_password(config, "limin", "blau-wal-77")
    text = auth.users_file(config).read_text()
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in text
    assert "blau-wal-77" not in text
    assert auth.users_file(config).stat().st_mode & 0o777 == 0o600
    assert auth.users_file(config).parent.stat().st_mode & 0o777 == 0o700


def test_nobody_takes_as_long_as_somebody(config: Config) -> None:
    auth.set_password(config, "limin", "blau-wal-77")
    secret = msgspec.json.decode(auth.users_file(config).read_bytes(), type=auth.Secrets)["limin"]

    def cpu(known: auth.Secret | None) -> float:
        began = time.thread_time()
        auth.matches(known, "wrong-word-1")
        return time.thread_time() - began

    auth.matches(None, "x")  # makes the dummy
    known, unknown = min(cpu(secret) for _ in range(3)), min(cpu(None) for _ in range(3))
    assert unknown > known / 3


def test_at_most_two_hashings_at_once(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    lock, go = threading.Lock(), threading.Event()

    class Slow:
        def hash(self, password: str) -> str:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            go.wait(0.2)
            with lock:
                running -= 1
            return "x"

    monkeypatch.setattr(auth, "hasher", Slow())
    threads = [threading.Thread(target=auth.set_password, args=(config, f"u{n}", "p")) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
    assert len(msgspec.json.decode(auth.users_file(config).read_bytes())) == 6, "none overwrote another"


def test_a_token_is_kept_as_a_hash(config: Config) -> None:
    token = auth.new_token(config, "ab12")
    number, _, secret = token.partition(".")
    assert number == "ab12"
    assert len(secret) >= 43
    kept = msgspec.json.decode(auth.tokens_file(config).read_bytes())
    assert secret not in auth.tokens_file(config).read_text()
    assert auth.tokens_file(config).stat().st_mode & 0o777 == 0o600
    assert auth.token_matches(kept["ab12"], secret)
    assert not auth.token_matches(kept["ab12"], secret[:-1])
    auth.forget_token(config, "ab12")
    assert msgspec.json.decode(auth.tokens_file(config).read_bytes()) == {}


def test_a_scope_is_written_and_read_back() -> None:
    for text in ("all", "site=main", "enterprise=default,department=Sales,department=财务部"):
        assert rights.scope_text(rights.parse_scope(text)) == text
    for text in ("", "everything", "site", "site=", "room=7"):
        with pytest.raises(ValueError, match="scope"):
            rights.parse_scope(text)


def test_names_of_a_scope_become_ids_and_unknown_ones_nothing() -> None:
    ids = {"department": {"Sales": {3, 9}}, "site": {"main": {1}}}
    scope = rights.resolve(rights.parse_scope("department=Sales,department=Nowhere"), ids)
    assert (scope.enterprises, scope.sites, scope.departments) == (None, None, frozenset({3, 9}))
    assert rights.resolve(rights.parse_scope("site=elsewhere"), ids).sites == frozenset()


def test_a_watched_file_is_read_again_when_replaced(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    watched = Watched(file, dict[str, int], {})
    assert watched.get() == {}
    for value in (1, 2):
        part = tmp_path / "part"
        part.write_text(f'{{"a": {value}}}')
        part.replace(file)
        assert watched.get() == {"a": value}
