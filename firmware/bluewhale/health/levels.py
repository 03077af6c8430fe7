"""Levels that raise an alarm: disk, backlog, memory. Each has a way back that is longer than the way in. Pure."""

import enum

from bluewhale.health.feeds import SECOND

MIB = 1 << 20
GIB = 1 << 30

BACKLOG_ON, BACKLOG_OFF = 64 * MIB, 16 * MIB  # bytes received and not yet rated
STUCK_US = 60 * SECOND  # there is a backlog and the ledger's watermark does not move
MEMORY_ON, MEMORY_OFF = 0.05, 0.08  # share of memory still available


class DiskState(enum.StrEnum):
    OK = "ok"
    LOW = "low"
    FULL = "full"


def over(was: bool, value: float, on: float, off: float) -> bool:
    """True from `on` upward; once true, until the value falls below `off` (off < on)."""
    return value >= (off if was else on)


def disk(was: DiskState, free: int, size: int, keep: int) -> DiskState:
    """`free` and `size` of the data partition, `keep` what the journal needs to go on, all in bytes.

    LOW under a tenth of the disk (at most 5 GiB), FULL under what the journal keeps for clean-up and one
    segment more (at most half of LOW). A quarter more has to be free to leave either.
    """
    low = min(size // 10, 5 * GIB)
    full = min(keep, low // 2)
    if free < full or (was is DiskState.FULL and free < full * 5 // 4):
        return DiskState.FULL
    if free < low or (was is not DiskState.OK and free < low * 5 // 4):
        return DiskState.LOW
    return DiskState.OK
