"""Bytes to frames where records are JSON objects, XML elements, form fields or packets rather than lines.

A stream may hold anything between them. What does not belong is a frame of its own that no layout reads, so it is
counted; reading goes on at the next place where a record can begin, also inside a record that broke off. The
same bytes give the same frames however they are cut.
"""

import re
from bisect import bisect_right
from typing import Any

from bluewhale.formats._json_scan import JsonScan
from bluewhale.formats._layout import LIMIT, Documents, Packets

Frame = tuple[int, int, bytes | None, int]
Found = re.Match[bytes]
NESTED = 32  # how deep members around records may lie
PAD = re.compile(rb"[\s\0]*")
INSIDE = re.compile(rb"[\s\0,]*")
ANGLE = re.compile(b"[<>]")
LINE_END = re.compile(rb"[\r\n]")
BACK = 64  # bytes looked at again where a mark may have been cut


class Stream:
    """The bytes not framed yet, and where in the journal's stream each piece of them began."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.data = bytearray(state.get("pending", "").encode("latin-1"))
        self.base: int = state.get("base", 0)  # offset in the source of data[0]
        self.pieces: list[tuple[int, int]] = [tuple(piece) for piece in state.get("pieces", [])]
        self.start = 0  # of the frame being read, in data
        self.at: int = state.get("at", 0)  # how far it has been looked at, in data
        self.mode: str = state.get("mode", "")

    def state(self) -> dict[str, Any]:
        return {
            "pending": self.data.decode("latin-1"),
            "base": self.base,
            "pieces": [list(piece) for piece in self.pieces],
            "at": self.at,
            "mode": self.mode,
        }

    def take(self, data: bytes, position: int) -> None:
        offset = self.base + len(self.data)
        if not self.pieces or self.pieces[-1][1] - self.pieces[-1][0] != position - offset:
            self.pieces.append((offset, position))
        self.data += data

    def frame(self, end: int, limit: int = 0) -> Frame:
        """The bytes from `start` to `end` as a frame, pad at the end left out; with `limit` its first bytes, unread."""
        offset = self.base + self.start
        begun, position = self.pieces[bisect_right(self.pieces, (offset, 1 << 63)) - 1]
        raw = None if limit else bytes(self.data[self.start : end]).rstrip(b"\0\f\r\n\t ")
        size = limit if raw is None else len(raw)
        self.start = self.at = end
        self.mode = ""
        return position + offset - begun, size, raw, offset

    def trim(self) -> None:
        """Forgets what has been framed."""
        del self.data[: self.start]
        self.base, self.at, self.start = self.base + self.start, max(self.at - self.start, 0), 0
        first = bisect_right(self.pieces, (self.base, 1 << 63)) - 1
        if first > 0:
            del self.pieces[:first]


class DocumentFramer:
    """JSON objects, XML elements, form fields and lines of one source."""

    def __init__(self, marks: Documents, state: dict[str, Any] | None, wide: bool) -> None:
        state = state or {}
        self.marks, self.limit = marks, marks.limit
        self.stream = Stream(state)
        self.json = JsonScan([name.encode() for name in marks.opened], wide, state.get("json"))
        self.depth: int = state.get("depth", 0)  # of members around records
        self.element: str = state.get("element", "")
        begins = (b"{" if marks.json else b"") + (b"<" if marks.elements else b"")
        self.begin = re.compile(b"[" + begins + b"]")
        self.texts = [text.encode() for text in marks.texts]
        ends = [b"[" + begins + rb"\r\n]", *map(re.escape, self.texts)]
        self.stop = re.compile(b"|".join(ends))
        self.broken = self.stop if marks.lines else self.begin
        names = [re.escape(name.encode()) for name in marks.elements]
        self.opening = re.compile(b"<(" + b"|".join(names) + rb")[\s/>]")
        around = [re.escape(name.encode()) for name in marks.wrappers]
        self.passed = re.compile(
            rb"<\?xml[^>]*>|<!--|</?(?:" + b"|".join(around) + rb")\b" if around else rb"<\?xml|<!--"
        )
        self.marks_of = {
            name.decode(): re.compile(b"</" + name + b">|<" + name + rb"[\s/>]|<\?xml[\s?]") for name in names
        }

    def state(self) -> dict[str, Any]:
        return self.stream.state() | {
            "json": self.json.state(),
            "depth": self.depth,
            "element": self.element,
        }

    def feed(self, data: bytes, position: int) -> list[Frame]:
        frames: list[Frame] = []
        if data:
            self.stream.take(data, position)
            while self._step(frames):
                pass
            self.stream.trim()
        return frames

    def close(self) -> list[Frame]:
        """The source ended: what is left is framed as if it had an end, records inside something broken too."""
        frames: list[Frame] = []
        stream = self.stream
        while True:
            while self._step(frames):
                pass
            if stream.mode not in ("json", "tag", "xml"):
                break
            self._break(frames, len(stream.data))
        if stream.start < len(stream.data) and stream.mode != "drop":
            frames.append(stream.frame(len(stream.data)))
        stream.start, stream.mode, self.depth = len(stream.data), "", 0
        stream.trim()
        return frames

    def _step(self, frames: list[Frame]) -> bool:
        """One step through the bytes at hand; False when more are needed."""
        mode = self.stream.mode
        if not mode:
            return self._begin()
        return bool(getattr(self, "_" + mode)(frames))

    def _begin(self) -> bool:
        """Between frames: what begins here?"""
        stream, marks = self.stream, self.marks
        found: Found = (INSIDE if self.depth else PAD).match(stream.data, stream.start)  # type: ignore[assignment]
        stream.start = stream.at = start = found.end()
        if start == len(stream.data):
            return False
        first = stream.data[start : start + 1]
        if self.depth and first in (b"]", b"}"):
            self.depth -= 1
            stream.start += 1
        elif marks.json and first == b"[" and (self.depth or not marks.lines) and self.depth < NESTED:
            self.depth += 1
            stream.start += 1
        elif marks.json and (first == b"{" or (self.depth and first == b'"')):
            self.json.begin(first == b'"')
            stream.mode = "json"
        elif marks.elements and first == b"<":
            stream.mode, stream.at = "tag", start + 1
        else:
            return self._other()
        return True

    def _other(self) -> bool:
        """A form field, a line, or nothing known."""
        stream = self.stream
        self.depth = 0
        for text in self.texts:
            head = stream.data[stream.start : stream.start + len(text)]
            if head == text:
                stream.mode, stream.at = "text", stream.start + 1
                return True
            if text.startswith(head):
                return False  # its rest is to come
        stream.mode, stream.at = "line" if self.marks.lines else "junk", stream.start + 1
        return True

    def _json(self, frames: list[Frame]) -> bool:
        stream, scan = self.stream, self.json
        end = min(len(stream.data), stream.start + self.limit)
        verdict, stream.at = scan.go(stream.data, stream.start, stream.at, end)
        if verdict == "end":
            frames.append(stream.frame(stream.at))
        elif verdict in ("list", "opened"):  # around records; the first name stays, before what it names
            self.depth += 1
            stream.start, stream.mode = stream.at, ""
        elif verdict == "scalar":
            stream.start, stream.mode = stream.at, ""
        elif verdict == "bad" or self.depth > NESTED:
            self._break(frames, stream.at)
        elif verdict == "deep":  # no record begins in there
            self.depth = 0
            frames.append(stream.frame(stream.at))
        elif end == stream.start + self.limit:
            self._too_long(frames, self.limit)
        else:
            return False
        return True

    def _tag(self, frames: list[Frame]) -> bool:
        """The mark after a `<`: an element that is a frame, one around it, or nothing of ours."""
        stream = self.stream
        found = ANGLE.search(stream.data, stream.at, stream.start + LIMIT)
        if found is None:
            if len(stream.data) >= stream.start + LIMIT:
                self._too_long(frames, LIMIT)
                return True
            stream.at = len(stream.data)
            return False
        end = found.end()
        if found.group() == b"<":
            self._break(frames, end - 1)
        elif opening := self.opening.match(stream.data, stream.start, end):
            self.element = opening.group(1).decode()
            stream.mode, stream.at = "xml", end
            if stream.data[end - 2 : end - 1] == b"/":
                frames.append(stream.frame(end))
        elif self.passed.match(stream.data, stream.start, end):
            stream.start, stream.mode = end, ""
        else:
            self._break(frames, end - 1)
        return True

    def _xml(self, frames: list[Frame]) -> bool:
        stream = self.stream
        end = stream.start + self.limit
        found = self.marks_of[self.element].search(stream.data, stream.at, end)
        if found:  # its end, or the beginning of another: then this one broke off
            frames.append(stream.frame(found.end() if found.group()[:2] == b"</" else found.start()))
        elif len(stream.data) >= end:
            self._too_long(frames, self.limit)
        else:
            stream.at = max(stream.at, len(stream.data) - BACK)
            return False
        return True

    def _line(self, frames: list[Frame]) -> bool:
        return self._until(LINE_END, LIMIT, frames)

    def _text(self, frames: list[Frame]) -> bool:
        return self._until(self.stop, self.limit, frames)

    def _junk(self, frames: list[Frame]) -> bool:
        return self._until(self.stop, LIMIT, frames)

    def _until(self, stop: re.Pattern[bytes], limit: int, frames: list[Frame]) -> bool:
        stream = self.stream
        found = stop.search(stream.data, stream.at, stream.start + limit + BACK)
        if found and found.start() <= stream.start + limit:
            frames.append(stream.frame(found.start()))
        elif len(stream.data) > stream.start + limit + BACK:
            self._too_long(frames, limit)
        else:
            stream.at = max(stream.at, len(stream.data) - BACK)
            return False
        return True

    def _drop(self, frames: list[Frame]) -> bool:
        """After a frame that was too long: nothing counts up to the next beginning."""
        stream = self.stream
        found = self.stop.search(stream.data, stream.at)
        stream.start = found.start() if found else max(stream.at, len(stream.data) - BACK)
        stream.at = stream.start
        stream.mode = "" if found else "drop"
        return found is not None

    def _too_long(self, frames: list[Frame], limit: int) -> None:
        frames.append(self.stream.frame(self.stream.start + limit, limit))
        self.depth, self.stream.mode = 0, "drop"

    def _break(self, frames: list[Frame], at: int) -> None:
        """The bytes from the start are no record, as byte `at` shows: on to the next beginning behind the start."""
        stream, at = self.stream, max(at, self.stream.start + 1)
        self.depth = 0
        found = self.broken.search(stream.data, stream.start + 1, at + 1)
        if found:
            frames.append(stream.frame(found.start()))
        elif at - stream.start >= LIMIT:
            frames.append(stream.frame(at))
            stream.mode = "drop"
        else:
            stream.mode, stream.at = "junk", at


class PacketFramer:
    """Packets that state their own length."""

    def __init__(self, marks: Packets, state: dict[str, Any] | None) -> None:
        self.limit, self.at = marks.limit, marks.length_at
        self.head = re.compile(marks.head.encode("latin-1"), re.DOTALL)
        self.stream = Stream(state or {})

    def state(self) -> dict[str, Any]:
        return self.stream.state()

    def feed(self, data: bytes, position: int) -> list[Frame]:
        frames: list[Frame] = []
        if data:
            self.stream.take(data, position)
            while self._step(frames):
                pass
            self.stream.trim()
        return frames

    def close(self) -> list[Frame]:
        stream, frames = self.stream, []
        if stream.data and stream.mode != "drop":
            frames = [self._whole(len(stream.data))]
        stream.start, stream.mode = len(stream.data), ""
        stream.trim()
        return frames

    def _whole(self, end: int) -> Frame:
        raw = bytes(self.stream.data[self.stream.start : end])
        position, _, _, offset = self.stream.frame(end, 1)
        return position, len(raw), raw, offset

    def _step(self, frames: list[Frame]) -> bool:
        stream = self.stream
        left = len(stream.data) - stream.start
        if left < self.at + 2:
            return False
        if not stream.mode and self.head.match(stream.data, stream.start):
            size = int.from_bytes(stream.data[stream.start + self.at : stream.start + self.at + 2], "big")
            if left < size:
                return False
            frames.append(self._whole(stream.start + size))
            return True
        found = self.head.search(stream.data, max(stream.at, stream.start + (stream.mode != "drop")))
        dropping = stream.mode == "drop"
        if found and dropping:
            stream.start, stream.mode = found.start(), ""
        elif found and found.start() <= stream.start + self.limit:
            frames.append(self._whole(found.start()))
        elif found or (left > self.limit + BACK and not dropping):
            frames.append(stream.frame(stream.start + self.limit, self.limit))
            stream.mode = "drop"
        else:
            stream.at = max(stream.at, len(stream.data) - self.at - 1)
            stream.start, stream.mode = (stream.at, "drop") if dropping else (stream.start, "junk")
            return False
        return True
