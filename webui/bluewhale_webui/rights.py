"""Who may do what: four roles, and the scope of what a person or token may see."""

import msgspec

from bluewhale.config import Config
from bluewhale.model import NOTHING, Scope
from bluewhale_webui.watched import Watched

ADMINISTRATOR, OPERATOR, ACCOUNTANT, VIEWER = "administrator", "operator", "accountant", "viewer"
UNASSIGNED = "unassigned"  # the name of department 0 in a scope
ROLES = (ADMINISTRATOR, OPERATOR, ACCOUNTANT, VIEWER)

EVERYONE = frozenset(ROLES)
STAFF = frozenset((ADMINISTRATOR, OPERATOR, ACCOUNTANT))
TECHNICAL = frozenset((ADMINISTRATOR, OPERATOR))
MONEY = frozenset((ADMINISTRATOR, ACCOUNTANT))
ADMINISTRATORS = frozenset((ADMINISTRATOR,))
OPEN = frozenset(("",))  # without sign-in, once the box is set up
ALWAYS = frozenset(("", "before set-up"))  # without sign-in, also before
BEFORE = frozenset(("before set-up",))  # the wizard: only before


class ScopeNames(msgspec.Struct, frozen=True):
    """A scope as owners write it. None = all."""

    enterprises: list[str] | None = None
    sites: list[str] | None = None
    departments: list[str] | None = None


class Account(msgspec.Struct, frozen=True):
    """A user or a token as the ledger publishes it."""

    role: str
    scope: ScopeNames = ScopeNames()
    language: str | None = None
    name: str | None = None


class Published(msgspec.Struct, frozen=True):
    """settings/web.json"""

    users: dict[str, Account] = {}
    tokens: dict[str, Account] = {}
    setup_done: bool = False


def published(config: Config) -> Watched[Published]:
    """What the ledger tells of users and tokens, as it stands."""
    return Watched(config.settings_file("web"), Published, Published())


class Who(msgspec.Struct, frozen=True):
    """The person or token that asks."""

    name: str
    role: str
    scope: Scope = NOTHING
    language: str | None = None
    token: bool = False


def sees_all(scope: Scope) -> bool:
    return scope.enterprises is None and scope.sites is None and scope.departments is None


def resolve(names: ScopeNames, ids: dict[str, dict[str, set[int]]]) -> Scope:
    """Names to ids. `ids`: kind -> name -> ids (departments of several enterprises may share a name).

    A name the box does not know (yet) gives nothing; department "unassigned" is 0.
    """

    def of(kind: str, wanted: list[str] | None) -> frozenset[int] | None:
        if wanted is None:
            return None
        known = ids.get(kind, {})
        return frozenset(number for name in wanted for number in known.get(name, ()))

    return Scope(
        enterprises=of("enterprise", names.enterprises),
        sites=of("site", names.sites),
        departments=of("department", names.departments),
    )


def scope_text(names: ScopeNames) -> str:
    """all; site=main,department=Sales"""
    parts = [
        f"{word}={name}"
        for word, found in (
            ("enterprise", names.enterprises),
            ("site", names.sites),
            ("department", names.departments),
        )
        if found is not None
        for name in found
    ]
    return ",".join(parts) or "all"


def parse_scope(text: str) -> ScopeNames:
    """The inverse: `all`, or names of enterprises, sites, departments. Raises ValueError."""
    if text.strip() == "all":
        return ScopeNames()
    found: dict[str, list[str]] = {}
    for part in text.split(","):
        word, equals, name = part.strip().partition("=")
        if word not in ("enterprise", "site", "department") or not equals or not name.strip():
            raise ValueError(
                f'scope: "{part.strip()}" is none of all, enterprise=NAME, site=NAME, department=NAME'
            )
        found.setdefault(word, []).append(name.strip())
    return ScopeNames(found.get("enterprise"), found.get("site"), found.get("department"))
