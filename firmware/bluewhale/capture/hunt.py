"""Which speed, data bits and parity a serial line has, from what was read under one setting after the other. No I/O.

At the right speed 8N1 tells 8N1, 7E1, 7O1 and 7N2 apart: the top bit is the parity (or the first stop bit). 8E1 and
8O1 have a bit more; reading 8N1 makes framing errors of it, so they are tried second, best speed first. Only the
line's statistics are looked at: which bytes are text, where lines end, what the driver counted.
"""

import msgspec

SPEEDS = (9600, 19200, 4800, 38400, 115200, 2400, 1200, 57600)
PLAIN, LONG, LONG_ODD = "8N1", "8E1", "8O1"
KEPT_BYTES = 1024  # newest bytes that are judged
WRONG_BYTES = 12  # enough to see noise; doubled with each round in vain, so that the journal does not fill
MOST_WRONG_BYTES = 4096
WRONG_SHARE = 0.75  # less text than this is a wrong setting
SURE_BYTES, SURE_LINES, SURE_KINDS = 48, 2, 8  # of text without a flaw, at the end of what was read
LIKELY_BYTES, LIKELY_LINES, LIKELY_SHARE, LIKELY_ERRORS = 200, 6, 0.9, 0.1
TAIL_BYTES = 8  # before the line falls silent: the end of a line, without a flaw
LEAST_LINE, MOST_LINE = 8, 512  # mean distance of line ends
NOISE_BYTES = 512  # after the decision: so many, and less text than this, and the hunt begins again
NOISE_SHARE = {8: 0.5, 7: 0.85}

TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n\f")
ENDS = b"\r\n"
FILL = b"\0\x80"  # behind a line, for printers that need time to return


def _odd(byte: int) -> bool:
    return byte.bit_count() % 2 == 1


# What text looks like, read 8N1, by what the line really has.
LOOKS = {
    "8N1": TEXT,
    "7E1": frozenset(byte | 0x80 if _odd(byte) else byte for byte in TEXT),
    "7O1": frozenset(byte if _odd(byte) else byte | 0x80 for byte in TEXT),
    "7N2": frozenset(byte | 0x80 for byte in TEXT),
}


class Tune(msgspec.Struct, frozen=True, order=True):
    """Settings of a line, such as 9600 and "7E1"."""

    baud: int
    framing: str

    def __str__(self) -> str:
        return f"{self.baud} {self.framing}"


class Verdict(msgspec.Struct, frozen=True):
    """What to do now: set the line to `tune`. `hunting`: it is a trial; else it was found, and `sure` or only likely."""

    tune: Tune
    hunting: bool
    sure: bool
    evidence: str


class Errors(msgspec.Struct, frozen=True):
    """What the driver counted while these bytes came."""

    framing: int = 0
    parity: int = 0


class Hunt:
    """A hunt as it goes on; `found` is a setting known from before. `tune` is what the line is, or is to be, set to.

    `heard` and `quiet` return a verdict when something is to be changed or told, else None.
    """

    def __init__(self, found: Tune | None = None) -> None:
        self.found = found
        self.tune = found or Tune(SPEEDS[0], PLAIN)
        self._trials: list[Tune] = []
        self._shares: dict[Tune, float] = {}  # how much was text, at the settings tried
        self._patience = WRONG_BYTES
        self._window = self._burst = b""  # newest bytes; those since the line was silent
        self._bytes = self._framing = self._parity = 0  # since the line is set so
        self._counted = False
        self._first()

    def heard(self, data: bytes, errors: Errors | None) -> Verdict | None:
        """Bytes read under `tune`. `errors`: None when the driver does not count."""
        self._window = (self._window + data)[-KEPT_BYTES:]
        self._bytes += len(data)
        self._burst = (self._burst + data)[-KEPT_BYTES:]
        if errors is not None:
            self._counted = True
            self._framing += errors.framing
            self._parity += errors.parity
        if self.found is not None:
            return self._stays()
        return self._decided() or self._wrong()

    def quiet(self) -> Verdict | None:
        """The line says nothing for a while after it said something: few bytes must do, at a speed far too low."""
        burst, self._burst = self._burst.rstrip(FILL), b""
        if self.found is not None or not self._bytes:
            return None
        looks, tail = self._looks(), burst[-TAIL_BYTES:]
        framing, share = best(burst, looks)
        ended = any(byte & 0x7F in ENDS and byte in looks[framing] for byte in burst)
        flawed = self._framing > 1 + LIKELY_ERRORS * self._bytes
        whole = clean(tail, looks[framing]) == tail or (share >= LIKELY_SHARE and tail[-1] & 0x7F in ENDS)
        if share >= WRONG_SHARE and ended and whole and not flawed:
            return None
        return self._next(self._told())

    def refused(self) -> Verdict:
        """The driver does not take `tune`."""
        self.found = None
        return self._next(f"{self.tune} is refused by the driver")

    def _first(self) -> None:
        self._trials = [Tune(baud, PLAIN) for baud in SPEEDS if baud != self.tune.baud]
        self._shares = {}
        self._patience = WRONG_BYTES

    def _fresh(self) -> None:
        self._window = self._burst = b""
        self._bytes = self._framing = self._parity = 0
        self._counted = False

    def _decided(self) -> Verdict | None:
        if (
            self._framing > LIKELY_ERRORS * self._bytes
        ):  # frames of another length, though it may look like text
            return None
        looks = self._looks()
        for framing, look in looks.items():
            run = clean(self._window, look)
            ends = lines(run)
            if (
                len(run) >= SURE_BYTES
                and ends >= SURE_LINES
                and len(set(run)) >= SURE_KINDS
                and _apart(run, ends)
            ):
                return self._found(framing, f"{len(run)} bytes, {ends} lines, all printable", sure=True)
        framing, share = best(self._window, looks)
        ends = lines(self._window)
        if (
            len(self._window) >= LIKELY_BYTES
            and ends >= LIKELY_LINES
            and share >= LIKELY_SHARE
            and _apart(self._window, ends)
        ):
            return self._found(
                framing, f"{len(self._window)} bytes, {ends} lines, {share:.0%} printable", sure=False
            )
        return None

    def _found(self, framing: str, evidence: str, sure: bool) -> Verdict:
        if framing == LONG:
            if self._parity > LIKELY_ERRORS * self._bytes:
                framing = LONG_ODD
            if self._counted:
                evidence += f", {self._parity} parity errors at {LONG}"
            else:
                evidence, sure = f"{evidence}, but this driver does not tell {LONG} from {LONG_ODD}", False
        self.found = self.tune = Tune(self.tune.baud, framing)
        self._first()
        self._fresh()
        return Verdict(self.found, False, sure, evidence)

    def _wrong(self) -> Verdict | None:
        """The next trial, if this one has shown itself to be none. A line of good text gets more time."""
        if self._bytes < self._patience:
            return None
        share = best(self._window[-max(WRONG_BYTES, len(self._window) // 2) :], self._looks())[1]
        flawed = self._framing > LIKELY_ERRORS * self._bytes
        return self._next(self._told()) if share < WRONG_SHARE or flawed else None

    def _looks(self) -> dict[str, frozenset[int]]:
        return LOOKS if self.tune.framing == PLAIN else {self.tune.framing: TEXT}

    def _told(self) -> str:
        share = best(self._window, self._looks())[1]
        self._shares[self.tune] = share
        return f"{len(self._window)} bytes, {share:.0%} printable"

    def _next(self, evidence: str) -> Verdict:
        if not self._trials:
            if self.tune.framing == PLAIN:  # all speeds were tried: the longer frames, best speed first
                ranks = {tune.baud: share for tune, share in self._shares.items() if tune.framing == PLAIN}
                order = sorted(SPEEDS, key=lambda baud: -ranks.get(baud, 0.0))
                self._trials = [Tune(baud, LONG) for baud in order]
            else:
                self._trials = [Tune(baud, PLAIN) for baud in SPEEDS]
                self._shares = {}
                self._patience = min(2 * self._patience, MOST_WRONG_BYTES)
        self.tune = self._trials.pop(0)
        self._fresh()
        return Verdict(self.tune, True, False, evidence)

    def _stays(self) -> Verdict | None:
        """Once found it stays, unless a long run is noise."""
        assert self.found is not None
        if self._bytes < NOISE_BYTES:
            return None
        recent = self._window[-NOISE_BYTES:]
        share = best(recent, {"": TEXT})[1]
        flawed = self._framing + self._parity > LIKELY_ERRORS * self._bytes
        if share >= NOISE_SHARE[int(self.found.framing[0])] and not flawed:
            self._fresh()
            return None
        self.tune, self.found = Tune(self.found.baud, PLAIN), None  # the framing may be all that has changed
        self._first()
        self._fresh()
        return Verdict(self.tune, True, False, f"{NOISE_BYTES} bytes, {share:.0%} printable: hunting again")


def clean(data: bytes, look: frozenset[int]) -> bytes:
    """The longest end of `data` that is text only; what stands before it was read at another setting, or half."""
    at = len(data)
    while at and data[at - 1] in look:
        at -= 1
    return data[at:]


def best(data: bytes, looks: dict[str, frozenset[int]]) -> tuple[str, float]:
    """The framing under which most of it is text, and the share that is."""
    shares = {
        framing: sum(byte in look for byte in data) / max(1, len(data)) for framing, look in looks.items()
    }
    framing = max(shares, key=lambda name: shares[name])
    return framing, shares[framing]


def lines(data: bytes) -> int:
    """Line ends, with or without a parity bit; CR LF is one."""
    count, before = 0, False
    for byte in data:
        now = byte & 0x7F in ENDS
        count += now and not before
        before = now
    return count


def _apart(data: bytes, ends: int) -> bool:
    return LEAST_LINE <= len(data) / max(1, ends) <= MOST_LINE
