"""Space on the journal's disk, and the reserve that is given back when it is full."""

import errno
import logging
import os
from pathlib import Path

from bluewhale.journal.identity import adopt

log = logging.getLogger("bluewhale")
NAME = "reserve"
FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(directory: Path) -> int:
    """What anybody may still write to the directory's file system."""
    figures = os.statvfs(directory)
    return figures.f_bavail * figures.f_frsize


def make_reserve(directory: Path, size: int) -> None:
    """Blocks set aside on the disk, given back when it is full."""
    path = directory / NAME
    if not size or path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        adopt(descriptor, directory)
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno not in FULL:
            raise
    finally:
        os.close(descriptor)


def release_reserve(directory: Path) -> bool:
    """Gives the reserve back to the disk. False if there was none."""
    try:
        (directory / NAME).unlink()
    except FileNotFoundError:
        return False
    log.warning("the disk is full: the journal's reserve is released")
    return True
