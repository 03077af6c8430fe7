"""Bytes of one connection to frames, whatever the pieces they come in.

A frame has the stream position of its first byte, its length in bytes of the source, and its bytes. Two
pieces need not touch in the stream (record headers lie between them), so a frame that goes on in the next
piece keeps the position of its beginning. The same bytes give the same frames however they are cut.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from bluewhale.formats._layout import Blocks, Lines

PAD = b"\0\r\n\f"
_PAD = frozenset(PAD)


class Frame(NamedTuple):
    """`raw` None = no end within the limit: the rest up to the next line end is left out."""

    position: int
    length: int
    raw: bytes | None
    blank: bool = False  # an empty line: counts as skipped, ends a block


class LineFramer:
    """Lines of one source. `offset` counts the source's own bytes, without gaps."""

    def __init__(self, limit: int, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self.limit = limit
        self.pending: bytes = state.get("pending", "").encode("latin-1")
        self.position: int = state.get("position", 0)  # of pending[0]
        self.offset: int = state.get("offset", 0)  # of the next byte to come
        self.dropping: bool = state.get("dropping", False)  # inside a line that was too long
        self.after_cr: bool = state.get("after_cr", False)

    def state(self) -> dict[str, Any]:
        return {
            "pending": self.pending.decode("latin-1"),
            "position": self.position,
            "offset": self.offset,
            "dropping": self.dropping,
            "after_cr": self.after_cr,
        }

    def feed(self, data: bytes, position: int) -> Iterator[tuple[int, Frame]]:
        """(offset of the frame's first byte in the source, frame) for each line that ended."""
        if not data:
            return
        at = 0
        if self.after_cr and data[0] == 10:
            at = 1
        self.after_cr = data[-1] == 13
        base = self.offset
        self.offset += len(data)
        for line in (data[at:] if at else data).splitlines(True):
            size = len(line)
            body = line.rstrip(b"\r\n")
            ended = len(body) != size
            if body[:1] in (b"\0", b"\f"):
                lead = size - len(line.lstrip(b"\0\f"))
                body = body.lstrip(b"\0\f")
            else:
                lead = 0
            if self.pending or self.dropping or not ended or len(body) > self.limit:
                yield from self._long_way(line, body, lead, ended, position + at, base + at)
            elif body[-1:] == b"\0":
                body = body.rstrip(b"\0\f")
                yield base + at + lead, Frame(position + at + lead, len(body), body)
            else:
                yield base + at + lead, Frame(position + at + lead, len(body), body, not body)
            at += size

    def _long_way(
        self, line: bytes, body: bytes, lead: int, ended: bool, position: int, offset: int
    ) -> Iterator[tuple[int, Frame]]:
        """A line that began in an earlier piece, has no end yet, or is too long."""
        if self.pending:
            body = self.pending + line.rstrip(b"\r\n")
            start, begun = self.position, offset - len(self.pending)
        else:
            start, begun = position + lead, offset + lead
        if not self.dropping and len(body) > self.limit:
            yield begun, Frame(start, self.limit, None)
            self.dropping = True
        if self.dropping:
            self.pending = b""
            self.dropping = not ended
        elif ended:
            self.pending = b""
            body = body.rstrip(b"\0\f")
            yield begun, Frame(start, len(body), body, not body)
        else:
            self.pending, self.position = body, start

    def close(self) -> Iterator[tuple[int, Frame]]:
        """The source ended: what is left is framed as if it had an end."""
        body = self.pending.rstrip(PAD)
        if body:
            yield self.offset - len(self.pending), Frame(self.position, len(body), body)
        self.pending, self.dropping, self.after_cr = b"", False, False


class BlockFramer:
    """Lines gathered to blocks by their marks; lines outside a block are frames of their own."""

    def __init__(self, marks: Blocks, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self.lines = LineFramer(marks.limit, state)
        self.limit = marks.limit
        self.start = re.compile(marks.start.encode()).match
        self.last = re.compile(marks.last.encode()).match if marks.last else None
        self.single = re.compile(marks.single.encode()).match if marks.single else None
        self.block: list[bytes] = [line.encode("latin-1") for line in state.get("block", [])]
        self.begun: tuple[int, int] = tuple(state.get("begun", (0, 0)))
        self.end: int = state.get("end", 0)

    def state(self) -> dict[str, Any]:
        block = [line.decode("latin-1") for line in self.block]
        return self.lines.state() | {"block": block, "begun": list(self.begun), "end": self.end}

    def feed(self, data: bytes, position: int) -> Iterator[tuple[int, Frame]]:
        for offset, frame in self.lines.feed(data, position):
            yield from self._line(offset, frame)

    def _line(self, offset: int, frame: Frame) -> Iterator[tuple[int, Frame]]:
        raw = frame.raw
        if raw is None or frame.blank or not raw.strip():
            yield from self._flush()
            yield offset, frame
        elif self.start(raw):
            yield from self._flush()
            self.block, self.begun, self.end = [raw], (offset, frame.position), offset + frame.length
        elif not self.block or (self.single and self.single(raw)):
            yield offset, frame
        elif offset + frame.length - self.begun[0] > self.limit:
            self.block = []
            yield self.begun[0], Frame(self.begun[1], self.limit, None)
        else:
            self.block.append(raw)
            self.end = offset + frame.length
            if self.last and self.last(raw):
                yield from self._flush()

    def _flush(self) -> Iterator[tuple[int, Frame]]:
        if self.block:
            begun, position = self.begun
            block, self.block = self.block, []
            yield begun, Frame(position, self.end - begun, b"\n".join(block))

    def close(self) -> Iterator[tuple[int, Frame]]:
        for offset, frame in self.lines.close():
            yield from self._line(offset, frame)
        yield from self._flush()


def framer(frames: Lines | Blocks, state: dict[str, Any] | None) -> LineFramer | BlockFramer:
    if isinstance(frames, Blocks):
        return BlockFramer(frames, state)
    return LineFramer(frames.limit, state)
