"""Where a box keeps what the store needs; bluewhale.config.Config is one."""

from pathlib import Path
from typing import Protocol


class Places(Protocol):
    @property
    def data_dir(self) -> Path: ...

    @property
    def calls_dir(self) -> Path: ...

    @property
    def ledger_db(self) -> Path: ...
