"""Reading what the box shows of itself: status files, settings, kernel figures. All the I/O but health.db."""

import os
import time
from pathlib import Path

import msgspec
import psutil

from bluewhale.config import Config
from bluewhale.health.feeds import Now
from bluewhale.health.processes import RoleSeen
from bluewhale.health.status import Kernel, Tree, integer


def now() -> Now:
    return Now(time.time_ns() // 1000, time.monotonic_ns() // 1000)


def tree(file: Path) -> Tree | None:
    """A JSON object from a file that others replace; None when it is not there or not readable as one."""
    try:
        found = msgspec.json.decode(file.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if isinstance(found, dict) else None


def role(status: Tree | None) -> RoleSeen:
    """A role as its status file and the process table show it."""
    if status is None:
        return RoleSeen()
    pid = integer(status, "pid")
    return RoleSeen(pid, integer(status, "started_us"), integer(status, "time_us"), alive(pid))


def alive(pid: int) -> bool:
    """The process runs; one that ended and was not yet waited for does not."""
    if pid <= 0:
        return False
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kernel(config: Config) -> Kernel:
    disk = psutil.disk_usage(str(config.data_dir))
    memory = psutil.virtual_memory()
    return Kernel(
        disk_size=disk.total,
        disk_free=disk.free,
        memory_size=memory.total,
        memory_free=memory.available,
        cpu=round(psutil.cpu_percent(interval=None)),
        load1=round(os.getloadavg()[0] * 100),
        boot_us=int(psutil.boot_time() * 1_000_000),
    )
