"""Owner records to settings and the book: applied or refused, and why.

Sites, plans, pricing and the directory are the book's (ledger/attribute.py); feeds, users, tokens, set-up,
SNMP and confirmed formats are ruled here. A refusal changes nothing.
"""

import ipaddress
import re
from typing import NamedTuple

import msgspec

from bluewhale.formats import Decoder, OptionError, load_formats
from bluewhale.ledger import attribute
from bluewhale.ledger.correlate import wall
from bluewhale.model import Change, DirectoryRow, Origin, Outcome, Record, Setting

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
ROLES = ("administrator", "operator", "accountant", "viewer")
SCHEMES = ("serial", "tcp-listen", "tcp", "udp", "folder", "replay")
REMEMBERED_IDS = 256
AUTO = "auto"

Settings = dict[tuple[str, str], Setting]


class FeedSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value of kind `feed`. `watch` is read by the health role: seconds until quiet, stale, lost."""

    url: str
    format: str = AUTO
    options: dict[str, object] = {}
    allow: list[str] = []
    site: str = "main"
    enabled: bool = True
    watch: dict[str, float] = {}


class ScopeNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enterprises: list[str] | None = None
    sites: list[str] | None = None
    departments: list[str] | None = None


class Person(msgspec.Struct, frozen=True):
    """The part of a user's or token's value that is ruled here."""

    role: str
    scope: ScopeNames


class Owner(msgspec.Struct):
    """What the fold remembers of owner records. `seen`: id -> [state, why] of the newest ids."""

    settings: Settings
    seen: dict[str, tuple[str, str | None]]


class Answer(NamedTuple):
    outcome: Outcome
    book: attribute.Book
    change: Change | None  # what took effect


def answer(owner: Owner, book: attribute.Book, record: Record, journal: str) -> Answer:
    """Applies one owner record. `owner` is changed in place, `book` is not."""
    origin = str(Origin(journal, record.stream, record.position, record.size))
    try:
        change = msgspec.json.decode(record.payload, type=Change)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Answer(_refused(record, journal, f"not a change: {error}"), book, None)
    again = owner.seen.get(change.id)
    if again:
        return Answer(_outcome(record, origin, change, *again), book, None)
    changed = _apply(owner, book, change)
    state, why = ("refused", changed) if isinstance(changed, str) else ("applied", None)
    owner.seen[change.id] = (state, why)
    while len(owner.seen) > REMEMBERED_IDS:
        del owner.seen[next(iter(owner.seen))]
    outcome = _outcome(record, origin, change, state, why)
    if isinstance(changed, str):
        return Answer(outcome, book, None)
    value = {"rows": len(directory_rows(change.value))} if change.kind == "directory" else change.value
    if value is None:
        owner.settings.pop((change.kind, change.key), None)
    else:
        owner.settings[(change.kind, change.key)] = Setting(change.kind, change.key, value, record.seq)
    return Answer(outcome, changed, change)


def failed(record: Record, journal: str, what: str) -> Outcome:
    """The answer to a change this program fails on. It bears the change's id, if it can be read that far."""
    try:
        known = msgspec.json.decode(record.payload, type=Change)
    except msgspec.DecodeError:
        return _refused(record, journal, f"a fault of this program: {what}")
    origin = str(Origin(journal, record.stream, record.position, record.size))
    return _outcome(record, origin, known, "refused", f"a fault of this program: {what}")


def _refused(record: Record, journal: str, why: str) -> Outcome:
    """The answer to a record of which nothing can be said."""
    origin = str(Origin(journal, record.stream, record.position, record.size))
    return Outcome(record.seq, origin, "", "", "", "refused", why, record.source, 0)


def _outcome(record: Record, origin: str, change: Change, state: str, why: str | None) -> Outcome:
    return Outcome(
        seq=record.seq,
        origin=origin,
        id=change.id,
        kind=change.kind,
        key=change.key,
        state=state,
        why=why,
        who=change.who,
        when_us=change.when_us,
        value=None if change.kind in ("directory", "plan") else change.value,
        reason=change.why or None,
    )


def _apply(owner: Owner, book: attribute.Book, change: Change) -> attribute.Book | str:
    """The book after the change (the same one if it is none of the book's kinds), or why it is refused."""
    known = owner.settings.get((change.kind, change.key))
    version = known.version if known else 0
    if change.expects is not None and change.expects != version:
        if not version:
            return f"{change.kind} {change.key} is not there any more"
        return f"{change.kind} {change.key} was changed meanwhile (version {version}, not {change.expects})"
    if change.kind in attribute.KINDS:
        if change.kind == "site" and change.value is None and (user := _feed_at(owner.settings, change.key)):
            return f"feed {user} stands at site {change.key}"
        return attribute.apply(book, change.kind, change.key, change.value)
    rule = RULES.get(change.kind)
    if rule is None:
        return f"unknown kind {change.kind!r}"
    if change.value is None:
        why = _missing(version, change) or _last_administrator(owner.settings, change)
    elif not NAME.fullmatch(change.key):
        why = f"{change.key!r} is no name: letters, digits, '.', '_' and '-', at most 40"
    else:
        try:
            why = rule(owner.settings, book, change)
        except msgspec.ValidationError as error:
            why = str(error).replace(" - at `$.", " (`").replace("`", "") + (
                ")" if "at `$." in str(error) else ""
            )
    return why or book


def _missing(version: int, change: Change) -> str | None:
    return None if version else f"there is no {change.kind} {change.key}"


def _feed_at(settings: Settings, site: str) -> str | None:
    return next(
        (s.key for s in settings.values() if s.kind == "feed" and isinstance(s.value, dict)
         and s.value.get("site", "main") == site), None,
    )  # fmt: skip


def _feed(settings: Settings, book: attribute.Book, change: Change) -> str | None:
    feed = msgspec.convert(change.value, FeedSetting)
    scheme, colon, rest = feed.url.partition(":")
    if scheme not in SCHEMES or not colon or not rest:
        return f"url: {feed.url!r} is none of {', '.join(SCHEMES)}"
    if feed.site not in book.sites:
        return f"site: there is no site {feed.site}"
    for network in feed.allow:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            return f"allow: {network!r} is no address or network"
    zone = feed.options.get("zone")
    if zone is not None and not (isinstance(zone, str) and wall.is_zone(zone)):
        return f"options: zone: {zone!r} is no time zone"
    return _format_fits(feed.format, feed.options)


def _format_fits(name: str, options: dict[str, object]) -> str | None:
    formats = load_formats()
    if name == AUTO:
        return None
    if name not in formats:
        return f"format: there is no format {name!r}"
    try:
        Decoder(formats[name], options)
    except OptionError as error:
        return f"options: {error}"
    return None


def _format(settings: Settings, book: attribute.Book, change: Change) -> str | None:
    feed = settings.get(("feed", change.key))
    if feed is None or not isinstance(feed.value, dict):
        return f"there is no feed {change.key}"
    value = msgspec.convert(change.value, dict[str, str])
    return _format_fits(value.get("format", ""), msgspec.convert(feed.value, FeedSetting).options)


def _person(settings: Settings, book: attribute.Book, change: Change) -> str | None:
    person = msgspec.convert(change.value, Person)
    if person.role not in ROLES:
        return f"role: {person.role!r} is none of {', '.join(ROLES)}"
    return _last_administrator(settings, change)


def _last_administrator(settings: Settings, change: Change) -> str | None:
    """A box nobody can administer is locked for good."""
    if change.kind != "user":
        return None
    administrators = {
        s.key
        for s in settings.values()
        if s.kind == "user" and isinstance(s.value, dict) and s.value.get("role") == "administrator"
    }
    stays = isinstance(change.value, dict) and change.value.get("role") == "administrator"
    if administrators == {change.key} and not stays:
        return f"{change.key} is the last administrator"
    return None


def _receiver(settings: Settings, book: attribute.Book, change: Change) -> str | None:
    value = msgspec.convert(change.value, dict[str, object])
    host, colon, port = str(value.get("address", "")).rpartition(":")
    if not host or not colon or not port.isdigit() or not 0 < int(port) < 65536:
        return "address: HOST:PORT is needed"
    if not value.get("user") and not value.get("community"):
        return "user or community is needed"
    return None


def _table(settings: Settings, book: attribute.Book, change: Change) -> str | None:
    msgspec.convert(change.value, dict[str, object])
    return None


RULES = {
    "feed": _feed,
    "format": _format,
    "user": _person,
    "token": _person,
    "setup": _table,
    "snmp-user": _table,
    "snmp-receiver": _receiver,
}


class _Row(msgspec.Struct, frozen=True):
    extension: str
    site: str = "main"
    person: str | None = None
    department: str | None = None
    enterprise: str | None = None


class _Rows(msgspec.Struct, frozen=True):
    set: list[_Row] = []
    remove: list[_Row] = []


def directory_rows(value: object) -> list[DirectoryRow]:
    """The rows an applied directory change touches, as the store keeps them."""
    rows = msgspec.convert(value if value is not None else {}, _Rows)
    put = [DirectoryRow(r.site, r.extension, r.person, r.department, r.enterprise) for r in rows.set]
    return put + [DirectoryRow(r.site, r.extension, removed=True) for r in rows.remove]
