"""`baud=auto`: what a hunt decides is done to the line, journaled and shown."""

import asyncio
import errno
import termios

from bluewhale.capture.hunt import SPEEDS, Errors, Hunt, Tune, Verdict
from bluewhale.capture.running import Running, State, readable
from bluewhale.capture.tally import Found

QUIET_S = 0.3  # without a byte: what came before was a whole line, if the setting is right
MOST_REFUSED = 2 * len(SPEEDS) + 1
BITS = {"7": termios.CS7, "8": termios.CS8}
PARITY = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}


class Tuning:
    """The hunt of an open line."""

    def __init__(self, feed: Running, descriptor: int, device: str) -> None:
        self.feed = feed
        self.descriptor = descriptor
        self.device = device
        self._known = remembered(feed, device)
        self.hunt = Hunt(Tune(self._known.baud, self._known.framing) if self._known else None)
        self._fresh = True  # bytes came since the line was last said to be quiet

    def begin(self, source: str) -> None:
        """Sets the line to the first setting. Raises OSError."""
        if self._known is None:
            self.carry_out(source, Verdict(self.hunt.tune, True, False, "the first trial"))
        else:
            self.carry_out(source, Verdict(self.hunt.tune, False, self._known.sure, "found before"))

    async def readable(self) -> bool:
        """Returns when a read would not wait; False: while hunting, the line has fallen silent."""
        if self.hunt.found is not None or not self._fresh:
            await readable(self.descriptor)
            return True
        try:
            async with asyncio.timeout(QUIET_S):
                await readable(self.descriptor)
        except TimeoutError:
            self._fresh = False
            return False
        return True

    def heard(self, data: bytes, before: dict[str, int], now: dict[str, int]) -> Verdict | None:
        """`before`, `now`: what the driver had counted; empty if it does not count."""
        self._fresh = True
        errors = None
        if now and before:
            more = {name: (now[name] - before[name]) & 0xFFFFFFFF for name in ("framing", "parity")}
            errors = Errors(more["framing"], more["parity"])
        return self.hunt.heard(data, errors)

    def carry_out(self, source: str, verdict: Verdict) -> None:
        """Sets, journals and shows it. A setting that the driver does not take is passed over. Raises OSError."""
        for _ in range(MOST_REFUSED):
            if set_line(self.descriptor, verdict.tune):
                break
            verdict = self.hunt.refused()
        else:
            raise OSError(errno.EINVAL, "the driver takes none of the speeds")
        tune = verdict.tune
        if verdict.hunting:
            detail = f"hunting: {tune}"
        else:
            detail = f"found {tune} ({'sure' if verdict.sure else 'likely'}: {verdict.evidence})"
        self.feed.note(
            "settings", detail, source, baud=tune.baud, framing=tune.framing, device=self.device,
            hunting=verdict.hunting, sure=verdict.sure, evidence=verdict.evidence,
        )  # fmt: skip
        self.feed.found = (
            None if verdict.hunting else Found(self.device, tune.baud, tune.framing, verdict.sure)
        )
        self.feed.enter(State.OPEN, detail)


def remembered(feed: Running, device: str) -> Found | None:
    """What was found on this device before: by this process, or as the journal has it."""
    found = feed.found or feed.shared.progress.tally.found.get(feed.name)
    return found if found is not None and found.device == device else None


def set_line(descriptor: int, tune: Tune) -> bool:
    """Only speed, data bits, parity and stop bits; nothing that was received is thrown away. False: the driver does not
    take the speed. One that has no such framing (a pseudo terminal) passes. Raises OSError when the line is gone."""
    speed = getattr(termios, f"B{tune.baud}")
    stop = termios.CSTOPB if tune.framing[2] == "2" else 0
    try:
        attributes = termios.tcgetattr(descriptor)
        attributes[2] &= ~(termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB)
        attributes[2] |= BITS[tune.framing[0]] | PARITY[tune.framing[1]] | stop
        attributes[4] = attributes[5] = speed
        try:
            termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
        except termios.error as error:
            if (
                error.args[0] != errno.EINVAL
            ):  # which says that some of it was not taken: what is in force counts
                raise
        return bool(termios.tcgetattr(descriptor)[4] == speed)
    except termios.error as error:
        raise OSError(*error.args) from error
