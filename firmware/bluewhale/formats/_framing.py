"""Bytes of one connection to frames, whatever the pieces they come in.

A frame has the stream position of its first byte, its length in bytes of the source, and its bytes. Two
pieces need not touch in the stream (record headers lie between them), so a frame that goes on in the next
piece keeps the position of its beginning. The same bytes give the same frames however they are cut.
"""

import re
from typing import Any

from bluewhale.formats._documents import DocumentFramer, PacketFramer
from bluewhale.formats._layout import Blocks, Documents, Frames, Packets

PAD = b"\0\f"
TWO_BYTES = frozenset(
    {"gbk", "gb18030", "gb2312", "cp936", "big5", "cp950", "big5hkscs", "euckr", "cp949", "shiftjis", "cp932"}
)


# Position of the first byte, length, the bytes, offset of the first byte in the source. No bytes: an empty
# line. None: no end within the limit; the rest up to the next line end is left out.
Frame = tuple[int, int, bytes | None, int]


class LineFramer:
    """Lines of one source. `offset` counts the source's own bytes, without gaps."""

    def __init__(self, limit: int, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self.limit = limit
        self.pending: bytes = state.get("pending", "").encode("latin-1")
        self.position: int = state.get("position", 0)  # of pending[0]
        self.begun: int = state.get("begun", 0)  # its offset
        self.offset: int = state.get("offset", 0)  # of the next byte to come
        self.dropping: bool = state.get("dropping", False)  # inside a line that was too long
        self.after_cr: bool = state.get("after_cr", False)

    def state(self) -> dict[str, Any]:
        return {
            "pending": self.pending.decode("latin-1"),
            "position": self.position,
            "begun": self.begun,
            "offset": self.offset,
            "dropping": self.dropping,
            "after_cr": self.after_cr,
        }

    def feed(self, data: bytes, position: int) -> list[Frame]:
        """A frame for each line that ended."""
        frames: list[Frame] = []
        if not data:
            return frames
        base = self.offset - position
        if self.after_cr and data[0] == 10:
            data, position = data[1:], position + 1
        self.after_cr = data[-1:] == b"\r" if data else False
        self.offset = base + position + len(data)
        for line in data.splitlines(True):
            body = line.rstrip(b"\r\n")
            size = len(body)
            if size and body[0] in PAD:
                body = body.lstrip(PAD)
            start = position + size - len(body)
            if self.pending or self.dropping or size == len(line) or size > self.limit:
                self._long_way(line, body, start, base + start, frames)
            else:
                if body and body[-1] in PAD:
                    body = body.rstrip(PAD)
                frames.append((start, len(body), body, base + start))
            position += len(line)
        return frames

    def _long_way(self, line: bytes, body: bytes, start: int, offset: int, frames: list[Frame]) -> None:
        """A line that began in an earlier piece, has no end yet, or is too long."""
        ended = line[-1:] in (b"\r", b"\n")
        if self.pending:
            body = self.pending + line.rstrip(b"\r\n")
            start, offset = self.position, self.begun
        if self.dropping:
            self.dropping = not ended
        elif len(body) > self.limit:
            frames.append((start, self.limit, None, offset))
            self.pending, self.dropping = b"", not ended
        elif ended:
            self.pending = b""
            body = body.rstrip(PAD)
            frames.append((start, len(body), body, offset))
        else:
            self.pending, self.position, self.begun = body, start, offset

    def close(self) -> list[Frame]:
        """The source ended: what is left is framed as if it had an end."""
        body = self.pending.rstrip(PAD)
        frame = (self.position, len(body), body, self.begun)
        self.pending, self.dropping, self.after_cr = b"", False, False
        return [frame] if body else []


class BlockFramer:
    """Lines gathered to blocks by their marks; lines outside a block are frames of their own."""

    def __init__(self, marks: Blocks, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self.lines = LineFramer(marks.limit, state)
        self.limit = marks.limit
        self.start = re.compile(marks.start.encode() if marks.start else b"(?!)").match
        self.run = re.compile(marks.run.encode()).match if marks.run else None
        self.last = re.compile(marks.last.encode()).match if marks.last else None
        self.single = re.compile(marks.single.encode()).match if marks.single else None
        self.block: list[bytes] = [line.encode("latin-1") for line in state.get("block", [])]
        self.begun: tuple[int, int] = tuple(state.get("block_begun", (0, 0)))
        self.end: int = state.get("end", 0)

    def state(self) -> dict[str, Any]:
        block = [line.decode("latin-1") for line in self.block]
        return self.lines.state() | {"block": block, "block_begun": list(self.begun), "end": self.end}

    def feed(self, data: bytes, position: int) -> list[Frame]:
        frames: list[Frame] = []
        for frame in self.lines.feed(data, position):
            self._line(frame, frames)
        return frames

    def _line(self, frame: Frame, frames: list[Frame]) -> None:
        position, length, raw, offset = frame
        if raw is None and self.block:  # an endless line makes the whole block too long
            self.block = []
            frames.append((self.begun[0], offset + length - self.begun[1], None, self.begun[1]))
        elif raw is None or not raw.strip():
            self._flush(frames)
            frames.append(frame)
        elif self.start(raw) or (self.run and not self.block and self.run(raw)):
            self._flush(frames)
            self.block, self.begun, self.end = [raw], (position, offset), offset + length
        elif not self.block or (self.single and self.single(raw)):
            frames.append(frame)
        elif self.run and not self.run(raw):
            self._flush(frames)
            frames.append(frame)
        elif offset + length - self.begun[1] > self.limit:
            self.block = []
            frames.append((self.begun[0], offset - self.begun[1], None, self.begun[1]))
        else:
            self.block.append(raw)
            self.end = offset + length
            if self.last and self.last(raw):
                self._flush(frames)

    def _flush(self, frames: list[Frame]) -> None:
        if self.block:
            position, offset = self.begun
            frames.append((position, self.end - offset, b"\n".join(self.block), offset))
            self.block = []

    def close(self) -> list[Frame]:
        frames: list[Frame] = []
        for frame in self.lines.close():
            self._line(frame, frames)
        self._flush(frames)
        return frames


def framer(
    frames: Frames, state: dict[str, Any] | None, encoding: str = "utf-8"
) -> LineFramer | BlockFramer | DocumentFramer | PacketFramer:
    if isinstance(frames, Blocks):
        return BlockFramer(frames, state)
    if isinstance(frames, Documents):
        return DocumentFramer(frames, state, encoding.lower().replace("-", "").replace("_", "") in TWO_BYTES)
    if isinstance(frames, Packets):
        return PacketFramer(frames, state)
    return LineFramer(frames.limit, state)
