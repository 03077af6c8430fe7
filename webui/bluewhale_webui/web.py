"""What lives as long as the page's process: the box's files, keys, sessions, and who may come in."""

import hashlib
import threading
import time
from importlib.resources import files

import msgspec

from bluewhale import setup_code
from bluewhale.config import Config
from bluewhale.health import reads as health
from bluewhale.store import reads
from bluewhale_webui import access, auth, csrf, facts, rights, sums
from bluewhale_webui.hosts import Hosts
from bluewhale_webui.watched import Watched

HEALTH_FOR_S = 0.5
STATIC = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


class Counters(msgspec.Struct):
    """Since the start of the process; for the status file and /metrics."""

    requests: int = 0
    faults: int = 0
    broken: int = 0  # connections cheroot gave up


class Web:
    """Owns the database handles of the page."""

    def __init__(self, config: Config) -> None:
        secrets = config.secrets_dir("web")
        self.config = config
        self.key = csrf.key(secrets)
        self.access = access.Access(secrets / "access.db")
        self.box = reads.open_box(config)
        self.facts = facts.Keeper(self.box, config.zone)
        self.sums = sums.Sums(self.box)
        self.hosts = Hosts(config)
        self.published = rights.published(config)
        self.secrets = Watched(auth.users_file(config), auth.Secrets, {})
        self.tokens = Watched(auth.tokens_file(config), dict[str, str], {})
        self.static = {name: _static(name) for name in STATIC}
        self.code = hashlib.sha256(b"".join(data for _, data in self.static.values())).hexdigest()[:12]
        self.started = f"{time.time_ns():x}"  # a new program is a new version of every page
        self.counters = Counters()
        self._health = health.Snapshot()
        self._looked = -HEALTH_FOR_S
        self._lock = threading.Lock()

    def set_up(self) -> bool:
        return self.published.get().setup_done or setup_code.done(self.config)

    def health(self) -> health.Snapshot:
        """The box's state, at most half a second old."""
        with self._lock:
            if time.monotonic() - self._looked >= HEALTH_FOR_S:
                self._health = health.snapshot(self.config)
                self._looked = time.monotonic()
            return self._health

    def mark(self, name: str) -> str | None:
        """The state of a user's rights and password; None if there is no such user or no password."""
        account = self.published.get().users.get(name)
        secret = self.secrets.get().get(name)
        if account is None or secret is None:
            return None
        what = msgspec.json.encode([account.role, account.scope, secret.set_us])
        return hashlib.sha256(what).hexdigest()[:24]

    def who(self, name: str, account: rights.Account, token: bool = False) -> rights.Who:
        scope = rights.resolve(account.scope, self._ids(account.scope))
        role = account.role if account.role in rights.ROLES else rights.VIEWER
        return rights.Who(name, role, scope, account.language, token)

    def _ids(self, scope: rights.ScopeNames) -> dict[str, dict[str, set[int]]]:
        return (
            {} if scope == rights.ScopeNames() else self.facts.now().ids | {"department": self._departments()}
        )

    def _departments(self) -> dict[str, set[int]]:
        return self.facts.now().ids.get("department", {}) | {rights.UNASSIGNED: {0}}

    def token(self, secret: str) -> rights.Who | None:
        """Whose API token this is: ID.SECRET, its SHA-256 in the account's secrets."""
        number, _, rest = secret.partition(".")
        kept = self.tokens.get().get(number)
        account = self.published.get().tokens.get(number)
        if not rest or kept is None or account is None or not auth.token_matches(kept, rest):
            return None
        return self.who(account.name or number, account, token=True)

    def close(self) -> None:
        self.access.close()
        self.box.close()


def _static(name: str) -> tuple[str, bytes]:
    """(its address, its bytes): the address changes with the content, so that it may be kept for ever."""
    data = files("bluewhale_webui").joinpath(f"static/{name}").read_bytes()
    return f"/static/{hashlib.sha256(data).hexdigest()[:12]}/{name}", data
