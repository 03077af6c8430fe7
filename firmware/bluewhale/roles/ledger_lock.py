"""One writer of calls and ledger.db at a time: the ledger role, or a rebuild that replaces them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from bluewhale.config import Config


class LedgerBusy(RuntimeError):
    """Another process has the lock; the text names it."""


@contextmanager
def locked(config: Config) -> Iterator[None]:
    """Holds DATA/ledger.lock. Raises LedgerBusy."""
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with (config.data_dir / "ledger.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise LedgerBusy(
                f"the ledger of {config.data_dir} is at work (process {lock.read().strip()})"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
