"""What a view gives back, and the ways in which a request ends early."""

from collections.abc import Iterable
from http import HTTPStatus

import msgspec

HTML = "text/html; charset=utf-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Answer(msgspec.Struct, kw_only=True):
    body: str | bytes | Iterable[bytes] = b""
    status: int = 200
    type: str = HTML
    headers: list[tuple[str, str]] = []


class Problem(Exception):
    """The request cannot be served. `text` is for the reader, in the reader's language."""

    def __init__(self, status: int, text: str, headers: list[tuple[str, str]] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers or []


class NotModified(Exception):
    """The reader has this page already."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


def see(place: str) -> Answer:
    """Look there instead (303): after a form, and for those who are not let in yet."""
    return Answer(status=HTTPStatus.SEE_OTHER, headers=[("Location", place)], body=b"")


def as_json(value: object, status: int = 200) -> Answer:
    return Answer(body=msgspec.json.encode(value), status=status, type=JSON)
