"""One connection's bytes to legs, signals and rejects. All state is explicit and can go through JSON."""

import re
from typing import Any

from bluewhale.formats._compile import Read, compiled
from bluewhale.formats._framing import Frame, framer
from bluewhale.formats._layout import (
    Blocks,
    Context,
    Delimited,
    Fault,
    Format,
    Layout,
    Lines,
    Packets,
    Pattern,
)
from bluewhale.formats._options import OptionError, check
from bluewhale.model import Leg, Origin, Reject, Signal, Why

Item = Leg | Signal | Reject
STATE_VERSION = 1


class Decoder:
    """Frames and reads one source. Raises OptionError when made; feed() and close() never raise on data."""

    def __init__(
        self,
        fmt: Format,
        options: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        *,
        journal: str = "",
        stream: str = "feed",
    ) -> None:
        self.format = fmt
        self.options = check(fmt, options or {})
        if fmt.resolve:
            self.format = fmt = fmt.resolve(self.options)
        self.journal, self.stream = journal, stream
        self.skipped = 0
        state = state or {}
        if state and state.get("version") != STATE_VERSION:
            raise ValueError(f"decoder state of version {state.get('version')}, not {STATE_VERSION}")
        site = fmt.prepare(self.options) if fmt.prepare else self.options
        layouts = fmt.choose(self.options) if fmt.choose else fmt.layouts
        self.layouts = layouts
        self._reads = [_compiled(layout) for layout in layouts]
        self._shapes = [re.compile(each.shape).match if each.shape else None for each in layouts]
        self._aside = [isinstance(layout, (Pattern, Delimited)) and layout.aside for layout in layouts]
        self._skips = [re.compile(pattern).search for pattern in fmt.skip]
        self._last: int = min(state.get("layout", 0), len(self._reads) - 1)
        frames = fmt.framing(self.options) if fmt.framing else fmt.frames
        self._encoding: str = self.options.get("encoding", "utf-8")
        self._framer = framer(frames, state.get("frames"), self._encoding)
        self._limit = frames.limit if isinstance(frames, (Lines, Blocks)) else 0
        self._packets = isinstance(frames, Packets)
        if self._packets:
            self._encoding = "latin-1"  # a character a byte
        self.context = Context(fmt.name, self.options, site, state.get("memory", {}))

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, JSON-able."""
        return {
            "version": STATE_VERSION,
            "frames": self._framer.state(),
            "layout": self._last,
            "memory": self.context.memory,
        }

    def feed(self, data: bytes, position: int, at_us: int = 0) -> list[Item]:
        """`position`: the stream position of data[0]; `at_us`: when it was received (formats know no clock)."""
        return self._items(self._framer.feed(data, position), False)

    def close(self, at_us: int = 0) -> list[Item]:
        """The source ended: the rest is framed as if it had an end; what is incomplete is a reject."""
        return self._items(self._framer.close(), True)

    def _items(self, frames: list[Frame], closing: bool) -> list[Item]:
        items: list[Item] = []
        name, journal, stream = self.format.name, self.journal, self.stream
        finish, context, encoding = self.format.finish, self.context, self._encoding
        for position, length, raw, _ in frames:
            if not raw:
                if raw is not None:
                    self.skipped += 1
                    continue
                why = f"no end within {self._limit or length} bytes"
                items.append(Reject(Origin(journal, stream, position, length), Why.TOO_LONG, why, name))
                continue
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                text = raw.decode("latin-1")
            try:
                row = self._reads[self._last](text, context.memory)
                if row is not None and finish is not None:
                    done = finish(row, context)
                else:
                    done = row
            except Fault as fault:
                try:
                    done = self._otherwise(text, fault)
                except Fault as worst:
                    reject = self._reject(
                        Origin(journal, stream, position, length), raw, text, worst, closing
                    )
                    items.append(reject)
                    continue
            if done is None:
                self.skipped += 1
            elif isinstance(done, dict):
                if not done.get("extra", True):
                    del done["extra"]
                items.append(Leg(format=name, origin=Origin(journal, stream, position, length), **done))
            else:
                done.origin = Origin(journal, stream, position, length)
                items.append(done)
        return items

    def _otherwise(self, text: str, fault: Fault) -> dict[str, Any] | Signal | None:
        """What the usual layout could not read: other layouts, frames that are no calls.

        Raises the fault that knows most: one of a layout whose shape fits before "foreign".
        """
        if not text.strip() or any(skip(text) for skip in self._skips):
            return None
        fault = self._judged(fault, self._last, text)
        for at, read in enumerate(self._reads):
            if at != self._last:
                try:
                    done = self._finished(read, text)
                    if not self._aside[at]:
                        self._last = at
                    return done
                except Fault as other:
                    if fault.why is Why.FOREIGN:
                        fault = self._judged(other, at, text)
        raise fault

    def _judged(self, fault: Fault, layout: int, text: str) -> Fault:
        """A layout with a shape knows its own: what fits the shape is broken, what does not is foreign."""
        shape = self._shapes[layout]
        if shape is None:
            return fault
        if not shape(text):
            return Fault(Why.FOREIGN, fault.detail)
        return Fault(Why.BAD_FIELD, fault.detail) if fault.why is Why.FOREIGN else fault

    def _finished(self, read: Read, text: str) -> dict[str, Any] | Signal | None:
        row = read(text, self.context.memory)
        if row is None or self.format.finish is None:
            return row
        return self.format.finish(row, self.context)

    def _reject(self, origin: Origin, raw: bytes, text: str, fault: Fault, closing: bool) -> Reject:
        if closing and fault.why is not Why.FOREIGN:
            return Reject(origin, Why.TRUNCATED, fault.detail, self.format.name)
        if not self._packets and _noise(raw, text):
            return Reject(
                origin, Why.NOISE, "mostly bytes no PBX sends: wrong speed or framing?", self.format.name
            )
        why = Why.TRUNCATED if closing else fault.why
        return Reject(origin, why, fault.detail, self.format.name)


def _noise(raw: bytes, text: str) -> bool:
    """More than a fifth is no text: control characters, or high bytes that are not the encoding's."""
    strange = sum(1 for char in text if not (char.isprintable() or char == "\t"))
    if text.encode("latin-1", "replace") == raw and not raw.isascii():
        strange += sum(1 for byte in raw if byte >= 0xA0)
    return strange * 5 > len(text)


_READS: dict[int, tuple[Layout, Read]] = {}  # by identity; holding the layout keeps its identity its own
_MOST_READS = 512


def _compiled(layout: Layout) -> Read:
    """The layout's read function, compiled once: it keeps nothing of what it read but what speeds it up."""
    known = _READS.get(id(layout))
    if known is not None:
        return known[1]
    try:
        read = compiled(layout)
    except (KeyError, ValueError, re.error) as error:
        raise OptionError(f"layout {layout.name or type(layout).__name__}: {error}") from error
    if len(_READS) >= _MOST_READS:
        _READS.clear()
    _READS[id(layout)] = layout, read
    return read
