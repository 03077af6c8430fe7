"""Which feeds there are: settings/capture.json as the ledger publishes it, and those of bluewhale.toml.

The last good copy is kept in DATA/capture, so that feeds run on if the published file is damaged.
"""

import logging
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.capture.running import Setting
from bluewhale.config import Config
from bluewhale.config import Feed as Declared
from bluewhale.journal.identity import write_file

log = logging.getLogger("bluewhale")
FROM_OWNER = "owner"


class _Feed(msgspec.Struct):
    name: str
    url: str
    allow: list[str] = []
    enabled: bool = True
    source: str = FROM_OWNER


class _Published(msgspec.Struct):
    feeds: list[_Feed] = []


class Settings:
    """Watches the published file. `copy` is ours."""

    def __init__(self, config: Config) -> None:
        self.file = config.settings_file("capture")
        self.copy = config.data_dir / "capture" / "feeds.json"
        self._declared = {feed.name: declared(feed) for feed in config.feed}
        self._stamp: tuple[int, int, int] | None = None
        self._owners: list[Setting] = _read(self.copy) or []

    def changed(self) -> list[Setting] | None:
        """All feeds, if the file is new since the last call, or at the first; else None."""
        first, stamp = self._stamp is None, _stamp(self.file)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        if stamp != NO_FILE:
            found = _read(self.file)
            if found is None:
                log.warning("%s cannot be read; the feeds stay as they were", self.file)
                return self._all() if first else None
            self._owners = found
            self._keep()
        elif not first:
            return None
        return self._all()

    def _all(self) -> list[Setting]:
        """A name in both is the file's."""
        owners = [feed for feed in self._owners if feed.name not in self._declared]
        return [*self._declared.values(), *owners]

    def _keep(self) -> None:
        feeds = [_Feed(feed.name, feed.url, feed.allow, feed.enabled) for feed in self._owners]
        try:
            self.copy.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.copy, msgspec.json.encode(_Published(feeds)))
        except OSError as error:
            log.warning("%s cannot be written: %s", self.copy, error)


NO_FILE = (0, 0, 0)


def declared(feed: Declared) -> Setting:
    told: dict[str, Any] = {
        "url": feed.url,
        "format": feed.format,
        "options": feed.options,
        "site": feed.site,
    }
    return Setting(feed.name, feed.url, list(feed.allow), True, told)


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except FileNotFoundError:
        return NO_FILE
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(file: Path) -> list[Setting] | None:
    """The owner's feeds; None if the file is not there or damaged."""
    try:
        feeds = msgspec.json.decode(file.read_bytes(), type=_Published).feeds
    except (OSError, msgspec.DecodeError):
        return None
    return [Setting(f.name, f.url, f.allow, f.enabled) for f in feeds if f.source == FROM_OWNER]
