"""A small JSON file others replace: decoded again only when it changed."""

import threading
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Watched(Generic[T]):
    """Owns the last decoded content of a file and what told it from the one before."""

    def __init__(self, file: Path, kind: type[T], empty: T) -> None:
        self.file, self.kind, self.value = file, kind, empty
        self._empty = empty
        self._seen: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    def get(self) -> T:
        """The content now; what is empty while there is no file. Raises msgspec.DecodeError, OSError."""
        try:
            found = self.file.stat()
        except FileNotFoundError:
            return self._empty
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        with self._lock:
            if seen != self._seen:
                self.value = msgspec.json.decode(self.file.read_bytes(), type=self.kind)
                self._seen = seen
            return self.value
