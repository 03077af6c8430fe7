"""Where a JSON value ends in bytes that are still coming: its structure only, byte by byte, each byte once."""

import re
from typing import Any

DEEPEST = 32
QUOTE, COMMA, COLON = b'",:'
OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST = b"{}[]"
WORDS = frozenset(b"-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
SPACE = re.compile(rb"[ \t\r\n\0]*")
LITERAL = re.compile(rb"[\w.+-]*")
NARROW = re.compile(rb'(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*')
WIDE = re.compile(rb'(?:[^"\\\x00-\x1f\x81-\xfe]|[\x81-\xfe][\x30-\xff]|\\[^\x00-\x1f])*')


class JsonScan:
    """Scans one value, or a member (a name, then a value).

    `stack` holds the open brackets; `expect` what comes next: v a value, a a value or `]`, o a name or `}`, k a
    name, `:`, `,` (or a closing bracket), K inside a name, F inside the first name of the outer object, V inside a
    text, L inside a word or number. `wide`: texts are in an encoding of two bytes, whose second byte may look
    like a backslash.
    """

    def __init__(self, opened: list[bytes], wide: bool, state: list[Any] | None = None) -> None:
        self.stack, self.expect, self.key = state or ["", "v", 0]
        self.opened = frozenset(b'"' + name + b'"' for name in opened)
        self.body = (WIDE if wide else NARROW).match
        self.wide = wide

    def state(self) -> list[Any]:
        return [self.stack, self.expect, self.key]

    def begin(self, member: bool) -> None:
        self.stack, self.expect, self.key = "", "k" if member else "v", 0

    def go(self, data: bytearray, start: int, at: int, end: int) -> tuple[str, int]:
        """Scans data[at:end] of the value that began at `start`. Gives what was found and where: "end" (behind the
        value), "scalar" (behind a member whose value is no bracket), "list" (behind the bracket of a member's list),
        "opened" (where the first name begins, of an object that `opened` names), "bad" (at the byte), "deep" (at a
        bracket deeper than any record has), "" (more is needed, scanned so far).
        """
        while at < end:
            expect = self.expect
            if expect in "KFV":
                at = self.body(data, at, end).end()  # type: ignore[union-attr]
                if at >= end:
                    break
                if data[at] != 0x22:
                    half = at == end - 1 and (data[at] == 0x5C or (self.wide and 0x81 <= data[at] <= 0xFE))
                    return ("" if half else "bad"), at
                at += 1
                self.expect = "," if expect == "V" else ":"
                if expect == "F" and bytes(data[start + self.key : at]) in self.opened:
                    return "opened", start + self.key
            elif expect == "L":
                at = LITERAL.match(data, at, end).end()  # type: ignore[union-attr]
                if at >= end:
                    break
                self.expect = ","
            else:
                at = SPACE.match(data, at, end).end()  # type: ignore[union-attr]
                if at >= end:
                    break
                verdict = self._mark(data[at])
                if verdict in ("bad", "deep"):
                    return verdict, at
                if self.expect == "F":
                    self.key = at - start
                at += verdict != "again"
                if verdict in ("end", "list"):
                    return verdict, at
            if self.expect == "," and not self.stack:
                return "scalar", at
        return "", at

    def _mark(self, mark: int) -> str:
        """Takes one mark; "" to go on, "again" to look at it as a word, "bad", "deep", "end" or "list"."""
        expect = self.expect
        if expect in "va":
            return self._value(mark)
        if expect in "ok":
            if mark == QUOTE:
                self.expect = "F" if expect == "o" and len(self.stack) == 1 else "K"
                return ""
            return self._closed() if expect == "o" and mark == CLOSE_OBJECT else "bad"
        if expect == ":":
            self.expect = "v"
            return "" if mark == COLON else "bad"
        if mark == COMMA:
            self.expect = "k" if self.stack[-1] == "{" else "v"
            return ""
        return self._closed() if mark == (CLOSE_OBJECT if self.stack[-1] == "{" else CLOSE_LIST) else "bad"

    def _value(self, mark: int) -> str:
        if mark == QUOTE:
            self.expect = "V"
        elif mark in (OPEN_OBJECT, OPEN_LIST):
            if mark == OPEN_LIST and not self.stack:
                return "list"
            self.stack += chr(mark)
            self.expect = "o" if mark == OPEN_OBJECT else "a"
            return "deep" if len(self.stack) > DEEPEST else ""
        elif mark == CLOSE_LIST and self.expect == "a":
            return self._closed()
        elif mark in WORDS:
            self.expect = "L"
            return "again"
        else:
            return "bad"
        return ""

    def _closed(self) -> str:
        self.stack = self.stack[:-1]
        self.expect = ","
        return "" if self.stack else "end"
