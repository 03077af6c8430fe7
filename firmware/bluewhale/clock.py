"""What time it is, as a journal record states it: realtime, monotonic time, which boot, synchronised or not."""

import ctypes
import time
from pathlib import Path

import msgspec

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SYNC_CHECK_US = 10_000_000  # the kernel is asked that often whether its clock is disciplined
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Stamp(msgspec.Struct, frozen=True):
    """`real_us` since 1970 UTC; `mono_us` since `boot` (16 hex digits), counting time asleep."""

    real_us: int
    mono_us: int
    boot: str
    synced: bool


def now() -> Stamp:
    """The stamp of this moment."""
    mono_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    return Stamp(time.time_ns() // 1000, mono_us, _boot(), _synced(mono_us))


_boot_id = ""
_sync_checked_us = -SYNC_CHECK_US
_sync_state = False


def _boot() -> str:
    global _boot_id
    if not _boot_id:
        _boot_id = BOOT_ID.read_text(encoding="ascii").replace("-", "")[:16]
    return _boot_id


def _synced(mono_us: int) -> bool:
    """True if NTP (or another discipline) keeps the kernel's clock; asked every ten seconds."""
    global _sync_checked_us, _sync_state
    if mono_us - _sync_checked_us >= SYNC_CHECK_US:
        _sync_checked_us = mono_us
        timex = ctypes.create_string_buffer(512)  # struct timex with modes 0: read only, nothing is set
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
        _sync_state = 0 <= state != TIME_ERROR
    return _sync_state
