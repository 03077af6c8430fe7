"""Which journal this is, and whether the directory is a copy of another box's.

`journal/identity` states the journal's id together with the inode number and birth time of that very file,
and the machine's id. A copy, a restored backup and a moved disk image have another inode, another birth time
(which no program can set) or another machine: the next writer then opens a new journal that says what it
follows, so that two boxes never give the same name to different bytes. The file is replaced whole, so it
is never half written; a missing one counts as a copy. Device numbers are not used: they change at a reboot.
What cannot be noticed is a disk image that is run twice on the same machine id.
"""

import ctypes
import os
import secrets
import struct
import zlib
from pathlib import Path

import msgspec

from bluewhale.journal.format import NO_JOURNAL

NAME = "identity"
MACHINE_ID = Path("/etc/machine-id")
AT_EMPTY_PATH = 0x1000
STATX_BTIME = 0x800
STATX_BYTES = 256
STATX_BTIME_AT = 80  # struct statx, stx_btime: seconds s64, nanoseconds u32


class Identity(msgspec.Struct, frozen=True):
    """`born_us` and `machine` are 0 and "" where the system does not tell them. `check`: crc32 of the rest."""

    journal: str
    follows: str
    box: str
    inode: int
    born_us: int
    machine: str
    check: int = 0


class Box(msgspec.Struct, frozen=True):
    """DATA/box.json."""

    box: str
    created_us: int


def box_id(data_dir: Path, now_us: int) -> str:
    """The box's id from box.json, which is made if there is none yet. Raises OSError, msgspec.DecodeError."""
    file = data_dir / "box.json"
    if not file.exists():
        make_directory(data_dir)
        part = data_dir / f".box.{os.getpid()}.{secrets.token_hex(4)}"
        write_file(part, msgspec.json.encode(Box(secrets.token_hex(8), now_us)))
        try:
            os.link(part, file)  # the first of several that try at once wins
            sync_directory(data_dir)
        except FileExistsError:
            return msgspec.json.decode(file.read_bytes(), type=Box).box
        finally:
            part.unlink()
    return msgspec.json.decode(file.read_bytes(), type=Box).box


def read(directory: Path) -> Identity | None:
    """None if it is missing or damaged."""
    try:
        identity = msgspec.json.decode((directory / NAME).read_bytes(), type=Identity)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return identity if identity == _checked(identity) else None


def is_genuine(directory: Path, identity: Identity, box: str) -> bool:
    """Whether the directory is the one the identity was written for."""
    descriptor = os.open(directory / NAME, os.O_RDONLY)
    try:
        inode, born_us = os.fstat(descriptor).st_ino, _born_us(descriptor)
    finally:
        os.close(descriptor)
    machine = _machine()
    return (
        identity.inode == inode
        and (not identity.born_us or not born_us or identity.born_us == born_us)
        and (not identity.machine or not machine or identity.machine == machine)
        and identity.box == box
    )


def make(directory: Path, box: str, follows: str) -> Identity:
    """Writes the identity of a new journal, synced. Raises OSError."""
    part = directory / f".{NAME}.new"
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        adopt(descriptor, directory)
        identity = Identity(
            secrets.token_hex(8), follows or NO_JOURNAL, box, os.fstat(descriptor).st_ino, _born_us(descriptor),
            _machine(),
        )  # fmt: skip
        identity = _checked(identity)
        os.write(descriptor, msgspec.json.encode(identity))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(directory / NAME)
    sync_directory(directory)
    return identity


def _checked(identity: Identity) -> Identity:
    bare = msgspec.structs.replace(identity, check=0)
    return msgspec.structs.replace(bare, check=zlib.crc32(msgspec.json.encode(bare)))


def write_file(path: Path, data: bytes) -> None:
    """A new file, complete and synced under its name, or none at all. Raises OSError."""
    part = path.with_name(f".{path.name}.new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        adopt(descriptor, path.parent)
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    part.replace(path)
    sync_directory(path.parent)


def adopt(descriptor: int, directory: Path) -> None:
    """Gives a file that root makes to the directory's owner, whose role must write it later."""
    owner = directory.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def make_directory(directory: Path) -> None:
    """A directory of the journal, readable to the box's group; its name is as durable as what will lie in it."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(mode=0o750, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        adopt(descriptor, directory.parent)
    finally:
        os.close(descriptor)
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _born_us(descriptor: int) -> int:
    """Birth time of an open file by statx(2), 0 if the file system keeps none."""
    buffer = ctypes.create_string_buffer(STATX_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.statx(descriptor, b"", AT_EMPTY_PATH, STATX_BTIME, buffer) != 0:
        return 0
    (mask,) = struct.unpack_from("=I", buffer)
    if not mask & STATX_BTIME:
        return 0
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, STATX_BTIME_AT)
    return int(seconds) * 1_000_000 + int(nanoseconds) // 1000


def _machine() -> str:
    try:
        return MACHINE_ID.read_text(encoding="ascii").strip()
    except (FileNotFoundError, PermissionError):
        return ""
