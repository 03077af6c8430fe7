"""bluewhale.toml as typed records: what is needed before the journal opens.

Strict: an unknown key or a wrong type stops the start and names file, section and key. The key table for
owners stands in firmware/README.md; a test fails if a key is missing there.
"""

import os
import tomllib
from pathlib import Path

import msgspec


class ConfigError(Exception):
    """The configuration cannot be used; the text says where and what to do."""


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listen: str = "127.0.0.1:8080"
    tls: bool = False
    names: list[str] = []  # further host names the page may be asked for


class Snmp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listen: str = "127.0.0.1:1161"
    community: str = ""  # v2c read community; empty = v2c off
    name: str = ""  # sysName; empty = the host's name
    contact: str = ""  # sysContact
    location: str = ""  # sysLocation


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feed declared in the file (automated set-ups); shown read-only on the page."""

    name: str
    url: str
    format: str = "auto"
    site: str = "main"
    allow: list[str] = []
    options: dict[str, object] = {}


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    segment_mb: int = 64
    linger_ms: int = 3
    reserve_mb: int = 16  # released for clean-up when the disk is full
    owner_share_mb: int = 8  # kept free for owner changes and the ledger: feeds stop before
    writers: dict[str, list[str]] = {}  # kind -> users who may write it; absent = the box's own user


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: str = "data"
    run: str = ""  # run directory (sockets, status files); empty = DATA/run
    roles: tuple[str, ...] = ("capture", "ledger", "health", "web", "snmp")
    zone: str = "UTC"  # zone of the site "main" until the owner says otherwise
    log_level: str = "info"
    sample: str = "tcp-listen:9000"  # an empty box gets the sample plan and this feed; empty = neither
    web: Web = Web()
    snmp: Snmp = Snmp()
    journal: Journal = Journal()
    feed: list[Feed] = []

    @property
    def data_dir(self) -> Path:
        return Path(self.data)

    @property
    def run_dir(self) -> Path:
        return Path(self.run) if self.run else self.data_dir / "run"

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal"

    @property
    def ledger_db(self) -> Path:
        return self.data_dir / "ledger.db"

    @property
    def calls_dir(self) -> Path:
        return self.data_dir / "calls"

    @property
    def health_db(self) -> Path:
        return self.data_dir / "health.db"

    @property
    def capture_socket(self) -> Path:
        return self.run_dir / "capture.sock"

    def secrets_dir(self, role: str) -> Path:
        return self.data_dir / "secrets" / role

    def settings_file(self, role: str) -> Path:
        return self.data_dir / "settings" / f"{role}.json"

    def status_file(self, role: str) -> Path:
        return self.run_dir / f"{role}.json"


DEFAULT_FILES = ("bluewhale.toml", "/etc/bluewhale/bluewhale.toml")


def load(file: str | None = None, data: str | None = None) -> Config:
    """Reads the file (or the first default one that exists); `data` overrides the data directory.

    BLUEWHALE_CONFIG and BLUEWHALE_DATA stand in for arguments not given. Raises ConfigError.
    """
    file = (
        file
        or os.environ.get("BLUEWHALE_CONFIG")
        or next((f for f in DEFAULT_FILES if Path(f).is_file()), None)
    )
    tree: dict[str, object] = {}
    if file:
        try:
            tree = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: {error}") from error
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {_plain(str(error))}") from error
    data = data or os.environ.get("BLUEWHALE_DATA")
    return msgspec.structs.replace(config, data=data) if data else config


def _plain(text: str) -> str:
    """msgspec's message with the TOML path in place of its own: "unknown key `x` in [web]"."""
    what, _, where = text.partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    what = what.replace("Object contains unknown field", "unknown key")
    return f"{what} in [{where}]" if where else f"{what} at the top"
