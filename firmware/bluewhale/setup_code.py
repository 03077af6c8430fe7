"""The set-up code: whoever reads the box's console may make its first administrator.

Ten characters nobody mixes up. Only its hash is kept (secrets/web/setup.json), for 24 hours, until the
administrator is made; five wrong tries lock it for a minute. Never in the journal, never in a log.
"""

import contextlib
import enum
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import argon2
import msgspec

from bluewhale.config import Config

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without 0 O 1 I L U
LENGTH = 10
VALID_S = 24 * 3600
TRIES = 5
LOCK_S = 60

hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Answer(enum.StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"  # too many wrong tries: wait a minute
    EXPIRED = "expired"  # or there is none: a new one is needed
    DONE = "done"  # the box is set up


class _Kept(msgspec.Struct):
    hash: str | None = None
    made_s: float = 0.0
    wrong: int = 0
    locked_until_s: float = 0.0
    done: bool = False


class _Settings(msgspec.Struct):
    setup_done: bool = False


def renew(config: Config) -> str | None:
    """A new code in the form ABCDE-FGHJK; the one before is worth nothing from now on. None once set-up is done."""
    if done(config):
        return None
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    with _kept(config) as kept:
        kept.hash, kept.made_s, kept.wrong, kept.locked_until_s = hasher.hash(code), time.time(), 0, 0.0
    return f"{code[:5]}-{code[5:]}"


def check(config: Config, typed: str) -> Answer:
    """What a typed code is worth now. Small letters, blanks and dashes do not matter. Counts wrong tries."""
    if done(config):
        return Answer.DONE
    now = time.time()
    with _kept(config) as kept:
        if now < kept.locked_until_s <= now + LOCK_S:
            return Answer.LOCKED
        if kept.hash is None or not 0 <= now - kept.made_s < VALID_S:
            return Answer.EXPIRED
        if _is(kept.hash, "".join(typed.upper().replace("-", " ").split())):
            kept.wrong = 0
            return Answer.RIGHT
        kept.wrong += 1
        if kept.wrong >= TRIES:
            kept.wrong, kept.locked_until_s = 0, now + LOCK_S
        return Answer.WRONG


def use(config: Config) -> None:
    """The administrator is made: the code is gone and the wizard is closed for good."""
    with _kept(config) as kept:
        kept.hash, kept.done = None, True


def done(config: Config) -> bool:
    """Whether the box is set up: by what the ledger published, or by the mark left when the code was used."""
    with contextlib.suppress(FileNotFoundError):
        data = config.settings_file("web").read_bytes()
        if msgspec.json.decode(data, type=_Settings).setup_done:
            return True
    return _read(_file(config)).done


def _is(hashed: str, code: str) -> bool:
    try:
        return hasher.verify(hashed, code)
    except argon2.exceptions.VerifyMismatchError:
        return False


def _file(config: Config) -> Path:
    return config.secrets_dir("web") / "setup.json"


def _read(file: Path) -> _Kept:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return _Kept()


@contextlib.contextmanager
def _kept(config: Config) -> Iterator[_Kept]:
    """The kept state, alone among all processes; what was changed is written back."""
    file = _file(config)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.parent.chmod(0o700)
    lock = os.open(file.with_name("setup.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = _read(file)
        before = msgspec.json.encode(kept)
        yield kept
        after = msgspec.json.encode(kept)
        if after != before:
            write_secret(file, after)
    finally:
        os.close(lock)


def write_secret(file: Path, data: bytes) -> None:
    """Replaces the file as a whole, readable by its owner alone, and on the disk when this returns."""
    part = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(file)
