"""Journal time: the only clock of the ledger. Pure.

Within a boot it advances by monotonic differences, so that a wrong or stepped clock ends no window early or
late; across boots by realtime, so that a night without power is a night. It never goes backwards.
"""

from typing import Protocol

import msgspec


class Timed(Protocol):
    """What `advance` reads of a record."""

    @property
    def real_us(self) -> int: ...
    @property
    def mono_us(self) -> int: ...
    @property
    def boot(self) -> str: ...


class Clock(msgspec.Struct):
    """State of journal time, saved with a fold's watermark. `time_us` is 0 before the first record."""

    time_us: int = 0
    boot: str = ""
    mono_us: int = 0


def advance(state: Clock, record: Timed) -> int:
    """Moves `state` to the record; returns journal time in microseconds since 1970 UTC."""
    mono_us = record.mono_us
    if record.boot == state.boot:
        if mono_us > state.mono_us:
            state.time_us += mono_us - state.mono_us
            state.mono_us = mono_us
    else:
        state.boot = record.boot
        state.mono_us = mono_us
        if record.real_us > state.time_us:
            state.time_us = record.real_us
    return state.time_us
