"""The engine's name and its users' keys, in files.

DATA/snmp/engine.json holds the engine id, made once, and how often the engine started (both have to stay, or
managers refuse our messages). DATA/secrets/snmp/USER.json, mode 0600, holds keys localized to that engine: a
passphrase cannot be read from them, and they open no other box. Nothing of it is in the journal.
"""

import hashlib
import os
import re
import secrets
from pathlib import Path

import msgspec

from bluewhale.config import Config
from bluewhale.snmp.oids import PLACEHOLDER_PEN

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,31}")
SHORTEST = 8  # RFC 3414, 11.2
MOST_BOOTS = 2**31 - 1


class Engine(msgspec.Struct, frozen=True):
    """`id` in hex (RFC 3411: enterprise number, format 5, 12 random octets), `boots` of the engine."""

    id: str
    boots: int = 0


class Keys(msgspec.Struct, frozen=True):
    """A user's keys in hex, localized to `engine`: HMAC-192-SHA-256 and AES-128-CFB."""

    engine: str
    auth: str
    priv: str


class KeyFault(Exception):
    """A name or passphrase that cannot be used; the text says why."""


def engine_file(config: Config) -> Path:
    return config.data_dir / "snmp" / "engine.json"


def engine(config: Config) -> Engine:
    """This box's engine, made at the first call."""
    file = engine_file(config)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Engine)
    except FileNotFoundError:
        name = (0x80000000 | PLACEHOLDER_PEN).to_bytes(4, "big") + b"\x05" + secrets.token_bytes(12)
        made = Engine(name.hex())
        _write(file, msgspec.json.encode(made), 0o644)
        return made


def start(config: Config) -> Engine:
    """The engine, counted as started once more; on the disk before it is used.

    A count that ran out needs a new engine id (RFC 3414, 2.2.2), and so new keys.
    """
    old = engine(config)
    if old.boots >= MOST_BOOTS:
        raise KeyFault(
            f"the engine started {MOST_BOOTS} times: remove {engine_file(config)} and set keys anew"
        )
    started = Engine(old.id, old.boots + 1)
    _write(engine_file(config), msgspec.json.encode(started), 0o644)
    return started


def localize(engine_id: str, auth: str, priv: str) -> Keys:
    """Keys from two passphrases (RFC 3414 A.2 with SHA-256 of RFC 7860; RFC 3826 for AES). Raises KeyFault."""
    from pysnmp.proto.rfc1902 import OctetString
    from pysnmp.proto.secmod.rfc3414 import localkey

    made = []
    for what, passphrase in (("authentication", auth), ("privacy", priv)):
        octets = passphrase.encode("utf-8")
        if len(octets) < SHORTEST:
            raise KeyFault(f"the {what} passphrase has fewer than {SHORTEST} characters")
        if len(octets) > 1024 or any(byte < 32 for byte in octets):
            raise KeyFault(f"the {what} passphrase is too long or has control characters")
        key = localkey.password_to_key(octets, OctetString(hexValue=engine_id), hashlib.sha256)
        made.append(bytes(key))
    return Keys(engine_id, made[0].hex(), made[1][:16].hex())


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise KeyFault(f"not a name (1 to 32 letters, digits, _ . @ -, no mark at the start): {name}")


def user_file(config: Config, name: str) -> Path:
    check_name(name)
    return config.secrets_dir("snmp") / f"{name}.json"


def save(config: Config, name: str, keys: Keys) -> None:
    _write(user_file(config, name), msgspec.json.encode(keys), 0o600)


def load(config: Config, name: str) -> Keys | None:
    """A user's keys; None when there are none. Raises KeyFault for a file that is no key file."""
    try:
        return msgspec.json.decode(user_file(config, name).read_bytes(), type=Keys)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise KeyFault(f"{user_file(config, name)}: {error}") from error


def community_file(config: Config, receiver: str) -> Path:
    check_name(receiver)
    return config.secrets_dir("snmp") / f"{receiver}.community"


def save_community(config: Config, receiver: str, community: str) -> None:
    if not community or len(community.encode()) > 64:
        raise KeyFault("a community has 1 to 64 characters")
    _write(community_file(config, receiver), community.encode(), 0o600)


def load_community(config: Config, receiver: str) -> str | None:
    try:
        return community_file(config, receiver).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _write(file: Path, data: bytes, mode: int) -> None:
    """Replaces a file as a whole, synced. Written by root, it belongs to whoever owns the directory."""
    parent = file.parent
    if not parent.exists():
        parent.mkdir(parents=True, mode=0o700 if mode == 0o600 else 0o755)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as handle:
        if os.geteuid() == 0:
            owner = parent.stat()
            os.fchown(handle.fileno(), owner.st_uid, owner.st_gid)
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(file)
    directory = os.open(parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
