"""Passwords and API tokens: what a password must be, and the hashes, in secrets/web (0600) and nowhere else."""

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import argon2
import msgspec

from bluewhale.config import Config
from bluewhale.setup_code import hasher, write_secret

T = TypeVar("T")
SHORTEST, LONGEST = 10, 256
# two at once: 19 MiB each, and guesses must not take both processors
hashing = threading.BoundedSemaphore(2)


class Secret(msgspec.Struct, frozen=True):
    hash: str
    set_us: int


Secrets = dict[str, Secret]


def users_file(config: Config) -> Path:
    return config.secrets_dir("web") / "users"


def tokens_file(config: Config) -> Path:
    """Id of a token -> SHA-256 of its secret part (256 random bits: no slow hash is needed)."""
    return config.secrets_dir("web") / "tokens"


def fault(name: str, password: str, box: str = "bluewhale") -> str | None:
    """Why a password is refused, as a code of texts.PASSWORD; None if it will do."""
    low = password.lower()
    if len(password) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    if any(ord(letter) < 32 for letter in password):
        return "control"
    if name and name.lower() in low and len(name) * 2 > len(password):
        return "name"
    if low.strip("0123456789!@#$%^&*._- ") in {name.lower(), box.lower()}:
        return "name"
    if password.isalpha():
        return "letters"
    if password.isdigit():
        return "digits"
    return "common" if _is_common(low) else None


def _is_common(low: str) -> bool:
    known = _common()
    if low in known or len(set(low)) < 4:
        return True
    word = re.sub(r"^[^a-z]+|[^a-z]+$", "", low.translate(str.maketrans("@$", "as")))
    return len(word) >= 4 and word in known and len(low) - len(word) <= 8


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    text = files("bluewhale_webui").joinpath("share/common-passwords.txt").read_text(encoding="ascii")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def set_password(config: Config, name: str, password: str) -> None:
    """Keeps the hash. The rules are the caller's to ask first. Raises OSError."""
    with hashing:
        hashed = hasher.hash(password)
    with _changed(users_file(config), Secrets) as known:
        known[name] = Secret(hashed, time.time_ns() // 1000)


def forget(config: Config, name: str) -> None:
    with _changed(users_file(config), Secrets) as known:
        known.pop(name, None)


def new_token(config: Config, number: str) -> str:
    """Keeps the hash of a new token's secret; the answer is the whole token, shown once."""
    secret = secrets.token_urlsafe(32)
    with _changed(tokens_file(config), dict[str, str]) as known:
        known[number] = _token_hash(secret)
    return f"{number}.{secret}"


def forget_token(config: Config, number: str) -> None:
    with _changed(tokens_file(config), dict[str, str]) as known:
        known.pop(number, None)


def token_matches(kept: str, secret: str) -> bool:
    return hmac.compare_digest(kept, _token_hash(secret))


def _token_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: Secret | None, password: str) -> bool:
    """Whether the password is the one. For nobody (None) it takes as long and is never."""
    with hashing:
        try:
            hasher.verify(secret.hash if secret else _nobody(), password[: LONGEST + 1])
        except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
            return False
    return secret is not None


@lru_cache(maxsize=1)
def _nobody() -> str:
    return hasher.hash(os.urandom(16).hex())


@contextlib.contextmanager
def _changed(file: Path, kind: type[T]) -> Iterator[T]:
    """The content of a secrets file, alone among all processes; written back as a whole."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.parent.chmod(0o700)
    lock = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        data = file.read_bytes() if file.exists() else b"{}"
        known = msgspec.json.decode(data, type=kind)
        yield known
        write_secret(file, msgspec.json.encode(known))
    finally:
        os.close(lock)
