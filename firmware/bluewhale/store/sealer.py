"""The thread that seals full segments while the writer goes on."""

import logging
import os
import queue
import sqlite3
import threading
from pathlib import Path
from typing import Any

from bluewhale.store.seal import seal

log = logging.getLogger("bluewhale")
_NICE = 15


class Sealer:
    """Owns the thread. A segment that cannot be sealed now (full disk) is tried again after the next `retry`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._todo: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._failed: list[int] = []
        self._waiting = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, number: int) -> None:
        """A segment the writer has closed."""
        with self._lock:
            self._waiting += 1
        self._todo.put(number)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
            self._thread.start()

    def retry(self) -> None:
        with self._lock:
            failed, self._failed = self._failed, []
        for number in failed:
            self.put(number)

    @property
    def busy(self) -> bool:
        with self._lock:
            return self._waiting > 0

    def done(self) -> list[dict[str, Any]]:
        """Manifests of what was sealed since the last call."""
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def close(self, wait_s: float) -> None:
        """Waits at most `wait_s`; what is not sealed by then is left for the next start (see seal.py)."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join(wait_s)

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while (number := self._todo.get()) is not None:
            try:
                self._done.put(seal(self._directory, number))
            except (OSError, sqlite3.Error) as error:
                log.warning("segment %06d cannot be sealed now: %s", number, error)
                with self._lock:
                    self._failed.append(number)
            finally:
                with self._lock:
                    self._waiting -= 1
