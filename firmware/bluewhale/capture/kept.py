"""Descriptors that outlive this process: the supervisor holds a copy of each and hands them to our successor.

So a killed capture loses no connection: what the PBX sent meanwhile waits in the kernel. `store` and `drop` are
roles.heart's (systemd's FDSTORE); without a supervisor both do nothing.
"""

import os
from collections.abc import Callable
from urllib.parse import quote, unquote

LISTEN, SOURCE, SERIAL = "listen", "source", "serial"
MOST_NAME = 200  # systemd takes up to 255 characters


class Keeper:
    """Owns the descriptors of before our start until they are taken."""

    def __init__(
        self,
        kept: dict[str, int] | None = None,
        store: Callable[[str, int], None] = lambda name, descriptor: None,
        drop: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._kept = dict(kept or {})
        self._store = store
        self._drop = drop

    def store(self, kind: str, name: str, descriptor: int) -> None:
        key = _key(kind, name)
        if len(key) <= MOST_NAME:
            self._store(key, descriptor)

    def drop(self, kind: str, name: str) -> None:
        self._drop(_key(kind, name))

    def take(self, kind: str, name: str) -> int | None:
        """The descriptor of that name, ours from now on; None if there is none."""
        return self._kept.pop(_key(kind, name), None)

    def names(self, kind: str) -> list[str]:
        """What is kept and not taken yet."""
        pairs = (key.partition("|")[::2] for key in self._kept)
        return [unquote(name) for found, name in pairs if found == kind]

    def close_rest(self) -> None:
        """Nobody wants what is left."""
        for key, descriptor in self._kept.items():
            os.close(descriptor)
            self._drop(key)
        self._kept.clear()


def _key(kind: str, name: str) -> str:
    return f"{kind}|{quote(name, safe='/')}"
