"""`serial:DEVICE`: a serial line. A device that vanishes is opened again as soon as it is back."""

import array
import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import termios
from urllib.parse import quote

import serial

from bluewhale.capture.hunt import Verdict
from bluewhale.capture.kept import SERIAL
from bluewhale.capture.running import Running, State, readable
from bluewhale.capture.spill import Spill
from bluewhale.capture.tuning import Tuning
from bluewhale.capture.urls import Serial

log = logging.getLogger("bluewhale")
RETRY_S = 0.5
TIOCGICOUNT = 0x545D  # struct serial_icounter_struct, linux/serial.h
ICOUNT_INTS = 20
ERRORS_AT = {"framing": 6, "overrun": 7, "parity": 8, "break": 9, "buffer": 10}
AWAY = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO)
DRAIN_READS = 16


async def run(feed: Running, spec: Serial) -> None:
    """Ends only by cancellation."""
    spill = Spill(feed.shared.run_dir / f"serial-{quote(feed.name, safe='')}")
    try:
        line = _take_over(feed, spec, spill)
        while True:
            if line is None:
                line = _opened(feed, spec, spill)
            if line is not None:
                await _read(feed, line)
                line = None
            await asyncio.sleep(RETRY_S)
    finally:
        spill.close()


class Line:
    """Owns an open line and its source. `base`: how many bytes of the source came before."""

    def __init__(
        self, feed: Running, spec: Serial, descriptor: int, key: str, source: str, spill: Spill, base: int
    ) -> None:
        self.feed = feed
        self.descriptor = descriptor
        self.key = key
        self.source = source
        self._spill = spill
        self._base = base
        self._errors = line_errors(descriptor)
        self._tuning = Tuning(feed, descriptor, spec.device) if spec.hunt else None
        self._heard_errors = self._errors
        feed.connections = 1
        feed.each_second = self._count_errors

    async def read(self) -> str:
        """Until the line is gone. Returns why."""
        tuning = self._tuning
        try:
            if tuning is not None:
                tuning.begin(self.source)
            while True:
                if tuning is None:
                    await readable(self.descriptor)
                elif not await tuning.readable():
                    await self._tune(tuning, tuning.hunt.quiet())
                    continue
                if (data := await self._take()) == b"":
                    return "the line hung up"
                if tuning is not None and data:
                    before, self._heard_errors = self._heard_errors, line_errors(self.descriptor)
                    await self._tune(tuning, tuning.heard(data, before, self._heard_errors))
        except OSError as error:
            return error.strerror or str(error)

    async def _take(self) -> bytes | None:
        """One read, kept; None: nothing is there, b"": the line hung up. Raises OSError."""
        await self.feed.room()  # last: others may have filled it while we waited for bytes
        try:
            data = self._spill.read(self.descriptor, self.source, self._base)
        except BlockingIOError:
            return None
        self._base += len(data)
        if data:
            await self.feed.commit(self.source, data)
        return data

    async def _tune(self, tuning: Tuning, verdict: Verdict | None) -> None:
        """What was received at the old setting is kept before the new one is told. Raises OSError."""
        if verdict is None:
            return
        for _ in range(DRAIN_READS):
            if not await self._take():
                break
        tuning.carry_out(self.source, verdict)
        self._heard_errors = line_errors(self.descriptor)

    def end(self, event: str, detail: str) -> None:
        """Journals what has arrived, then that the source ended; closes."""
        self._count_errors()
        self.feed.tell(now=True)
        if not self.feed.shared.sink.full:
            with contextlib.suppress(OSError):  # nothing waits, or the line is gone: both are told below
                for _ in range(DRAIN_READS):
                    if not (data := self._spill.read(self.descriptor, self.source, self._base)):
                        break
                    self._base += len(data)
                    self.feed.chunk(self.source, data)
        self.feed.ended(event, self.source, detail)
        self.feed.each_second = None
        self.feed.connections = 0
        os.close(self.descriptor)
        self.feed.shared.keeper.drop(SERIAL, self.key)

    def _count_errors(self) -> None:
        before, now = self._errors, line_errors(self.descriptor)
        more = {name: (now[name] - before[name]) & 0xFFFFFFFF for name in now.keys() & before.keys()}
        self._errors = now or before
        if any(more.values()):
            self.feed.line_error({name: count for name, count in more.items() if count})


async def _read(feed: Running, line: Line) -> None:
    feed.enter(State.OPEN, settings_in_force(line.descriptor))
    event, why = "closed", ""
    try:
        why = await line.read()
        event = "lost"
        feed.enter(State.LOST, why)
    finally:
        line.end(event, why or feed.leaving)


def _take_over(feed: Running, spec: Serial, spill: Spill) -> Line | None:
    """A line that outlived our restart goes on. What was read before it, and not journaled, is now."""
    keeper = feed.shared.keeper
    kept = {}
    for key in keeper.names(SERIAL):
        source = key.partition("\n")[0]
        if source.rpartition("/")[0] == feed.name and (descriptor := keeper.take(SERIAL, key)) is not None:
            kept[source] = (key, descriptor)
    line = None
    for source, known in feed.before.items():
        key, descriptor = kept.pop(source, ("", -1))
        base = known.size
        if left := spill.left(source, base):
            feed.chunk(source, left)
            base += len(left)
        if key == _key(source, spec) and line is None:
            feed.goes_on(source)
            line = Line(feed, spec, descriptor, key, source, spill, base)
            continue
        feed.ended("lost", source, "capture was restarted")
        if key:
            os.close(descriptor)
            keeper.drop(SERIAL, key)
    for key, descriptor in kept.values():  # opened, and killed before it was told: nothing was read
        os.close(descriptor)
        keeper.drop(SERIAL, key)
    return line


def _opened(feed: Running, spec: Serial, spill: Spill) -> Line | None:
    try:
        descriptor = open_line(spec)
    except (OSError, ValueError, termios.error) as error:
        number = error.errno if isinstance(error, OSError) else None
        feed.enter(State.LOST if number in AWAY else State.FAILED, _why(error, spec))
        return None
    source = feed.opened(spec.device, settings_in_force(descriptor))
    key = _key(source, spec)
    feed.shared.keeper.store(SERIAL, key, descriptor)
    return Line(feed, spec, descriptor, key, source, spill, 0)


def open_line(spec: Serial) -> int:
    """A descriptor of the line: raw, never waiting, as `spec` says, DTR and RTS up, locked for us.

    Raises OSError (also serial.SerialException), ValueError, termios.error.
    """
    with serial.Serial(
        spec.device, spec.baud, spec.bits, spec.parity, spec.stop,
        timeout=0, xonxoff=spec.flow == "xonxoff", rtscts=spec.flow == "rtscts", exclusive=True,
    ) as port:  # fmt: skip
        descriptor = os.dup(port.fileno())
    try:
        attributes = termios.tcgetattr(descriptor)
        attributes[0] &= ~termios.BRKINT  # a break must not throw away what was received
        attributes[6][termios.VMIN] = 1  # so that a read of nothing is told from the end
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def settings_in_force(descriptor: int) -> str:
    """As the driver took them, such as "9600 8N1 flow rtscts". A pseudo terminal has always 8N."""
    iflag, _, cflag, _, _, speed, _ = termios.tcgetattr(descriptor)
    bauds = {
        getattr(termios, name): name[1:] for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
    }
    bits = {termios.CS5: 5, termios.CS6: 6, termios.CS7: 7, termios.CS8: 8}[cflag & termios.CSIZE]
    parity = "N" if not cflag & termios.PARENB else "O" if cflag & termios.PARODD else "E"
    if cflag & termios.PARENB and cflag & serial.serialposix.CMSPAR:
        parity = "M" if cflag & termios.PARODD else "S"
    stop = 2 if cflag & termios.CSTOPB else 1
    flow = "rtscts" if cflag & termios.CRTSCTS else "xonxoff" if iflag & termios.IXOFF else "none"
    return f"{bauds.get(speed, speed)} {bits}{parity}{stop} flow {flow}"


def line_errors(descriptor: int) -> dict[str, int]:
    """What the driver counted since it was loaded; empty for one that does not count (a pseudo terminal)."""
    counts = array.array("i", bytes(4 * ICOUNT_INTS))
    try:
        fcntl.ioctl(descriptor, TIOCGICOUNT, counts)
    except OSError:
        return {}
    return {name: counts[at] for name, at in ERRORS_AT.items()}


def _key(source: str, spec: Serial) -> str:
    """Under which the supervisor keeps the line: other settings, and it is opened anew."""
    return f"{source}\n{spec.device} {spec.text}"


def _why(error: Exception, spec: Serial) -> str:
    number = error.errno if isinstance(error, OSError) else None
    match number:
        case errno.ENOENT:
            return f"there is no {spec.device}"
        case errno.EACCES | errno.EPERM:
            return f"{spec.device}: no right to open it (group dialout?)"
        case errno.EAGAIN | errno.EBUSY:
            return f"{spec.device} is in use by another program"
        case None:
            return f"{spec.device} cannot be set to {spec.text}: {error}"
        case _:
            return f"{spec.device}: {os.strerror(number)}"
