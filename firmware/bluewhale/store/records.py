"""What a box knows beside calls: names, directory, plans, rejects, what owners changed, accounts.

Scope: directory, catalogue and plans are cut to it row by row; rejects and feeds to those of the scope's sites, and
not shown at all to who may see only some departments (a raw line may be anybody's); settings, changes and accounts
are the whole box's, for a scope without any limit.
"""

from typing import Any

import msgspec

from bluewhale.model import Origin, Scope
from bluewhale.store.window import Box

Item = dict[str, Any]
DEFAULT = "default"  # the enterprise of what names none


class Rows(msgspec.Struct, frozen=True):
    """Rows newest first; `next` is the `before` of the page after this, None at the end."""

    items: list[Item]
    next: str | None


def catalogue(box: Box, scope: Scope, kind: str) -> list[Item]:
    """{id, name, enterprise} of all enterprises, sites, departments, persons, feeds or plans the scope may know of."""
    if _empty(scope):
        return []
    with box.ledger() as db:
        rows = db.execute(
            "SELECT id, name, enterprise FROM catalogue WHERE kind = ? ORDER BY name, id", (kind,)
        )
        items = [dict(zip(("id", "name", "enterprise"), row)) for row in rows]
    if kind == "feed":
        allowed = _feeds(box, scope)
        return [item for item in items if item["id"] in allowed]
    if kind == "enterprise":
        return [item for item in items if _in(item["id"], scope.enterprises)]
    limit = {"site": scope.sites, "department": scope.departments}.get(kind)
    items = [item for item in items if _in(item["enterprise"], scope.enterprises) and _in(item["id"], limit)]
    if kind == "person" and (scope.sites is not None or scope.departments is not None):
        of = _ids(box)["enterprise"]
        persons = {
            (of.get((None, row["enterprise"] or DEFAULT)), row["person"]) for row in directory(box, scope)
        }
        items = [item for item in items if (item["enterprise"], item["name"]) in persons]
    return items


def directory(box: Box, scope: Scope) -> list[Item]:
    """{site, extension, person, department, enterprise} by name, in order of site and extension."""
    ids = _ids(box)
    found = []
    with box.ledger() as db:
        for site, extension, person, department, enterprise in db.execute(
            "SELECT site, extension, person, department, enterprise FROM directory ORDER BY site, extension"
        ):
            here = ids["enterprise"].get((None, enterprise or DEFAULT))
            unit = 0 if department is None else ids["department"].get((here, department))
            if (
                _in(here, scope.enterprises)
                and _in(ids["site"].get((None, site)), scope.sites)
                and _in(unit, scope.departments)
            ):
                row = (site, extension, person, department, enterprise)
                found.append(dict(zip(("site", "extension", "person", "department", "enterprise"), row)))
    return found


def plans(box: Box, scope: Scope) -> list[Item]:
    """{id, name, enterprise, current, plan}: every version that ever priced a line, the newest of a name is `current`."""
    if _empty(scope):
        return []
    with box.ledger() as db:
        rows = db.execute(
            "SELECT id, name, enterprise, value FROM catalogue WHERE kind = 'plan' ORDER BY name, id DESC"
        ).fetchall()
        settings = {key for (key,) in db.execute("SELECT key FROM setting WHERE kind = 'plan'")}
    found: list[Item] = []
    for number, name, enterprise, value in rows:
        if _in(enterprise, scope.enterprises):
            newest = name in settings and all(item["name"] != name for item in found)
            plan = value and msgspec.json.decode(value)
            found.append(
                {"id": number, "name": name, "enterprise": enterprise, "current": newest, "plan": plan}
            )
    return found


def rejects(
    box: Box, scope: Scope, *, feed: int | None = None, before: str | None = None, limit: int = 100
) -> Rows:
    """{id, feed, feed_name, source, at_us, why, format, detail, origin}. Raises ValueError for a bad `before`."""
    feeds = _feeds(box, scope) if feed is None else _feeds(box, scope) & {feed}
    names = box.names()
    with box.ledger() as db:
        rows = db.execute(
            "SELECT id, feed, source, at_us, why, format, detail, journal, stream, position, length FROM reject"
            f" WHERE id < ? AND feed IN ({','.join('?' * len(feeds))}) ORDER BY id DESC LIMIT ?",
            (int(before) if before else 1 << 62, *sorted(feeds), limit + 1),
        ).fetchall()
    items = []
    for row in rows[:limit]:
        item = dict(zip(("id", "feed", "source", "at_us", "why", "format", "detail"), row))
        items.append(item | {"feed_name": names.of("feed", row[1]), "origin": str(Origin(*row[7:]))})
    return Rows(items, str(rows[limit - 1][0]) if len(rows) > limit else None)


def reject_counts(box: Box, scope: Scope) -> list[Item]:
    """{feed, feed_name, why, rejects} since the journal began."""
    feeds, names = _feeds(box, scope), box.names()
    with box.ledger() as db:
        return [
            {"feed": feed, "feed_name": names.of("feed", feed), "why": why, "rejects": count}
            for feed, why, count in db.execute(
                "SELECT feed, why, rejects FROM reject_count ORDER BY feed, why"
            )
            if feed in feeds
        ]


def feed_stats(box: Box, scope: Scope) -> list[Item]:
    """What is known of each feed's format, and its counts since the journal began: model.FeedStats, `feed`, `feed_name`."""
    feeds, names = _feeds(box, scope), box.names()
    columns = ("feed", "format", "sure", "evidence", "legs", "signals", "rejects", "skips", "last_us")
    with box.ledger() as db:
        rows = db.execute(f"SELECT {', '.join(columns)} FROM feed_stat ORDER BY feed").fetchall()
    return [
        dict(zip(columns, row)) | {"feed_name": names.of("feed", row[0]), "sure": bool(row[2])}
        for row in rows
        if row[0] in feeds
    ]


def settings(box: Box, scope: Scope, kind: str | None = None) -> list[Item]:
    """{kind, key, value, version} of what owners set and is in force."""
    if not _whole(scope):
        return []
    with box.ledger() as db:
        return [
            {"kind": kind_, "key": key, "value": msgspec.json.decode(value), "version": version}
            for kind_, key, value, version in db.execute(
                "SELECT kind, key, value, version FROM setting WHERE kind = coalesce(?, kind) ORDER BY kind, key",
                (kind,),
            )
        ]


def owner_changes(
    box: Box, scope: Scope, *, kind: str | None = None, before: str | None = None, limit: int = 100
) -> Rows:
    """{seq, origin, id, kind, key, state, why, who, when_us, value, reason}: what persons and scripts asked for, and the
    answer. Raises ValueError for a bad `before`."""
    if not _whole(scope):
        return Rows([], None)
    with box.ledger() as db:
        rows = db.execute(
            f"SELECT {', '.join(_CHANGE)} FROM owner_change WHERE seq < ? AND kind = coalesce(?, kind)"
            " ORDER BY seq DESC LIMIT ?",
            (int(before) if before else 1 << 62, kind, limit + 1),
        ).fetchall()
    return Rows(
        [_change(row) for row in rows[:limit]], str(rows[limit - 1][0]) if len(rows) > limit else None
    )


def owner_change(box: Box, scope: Scope, origin: str) -> Item | None:
    """The answer to one change, by the origin of its record; None while the ledger has not read it."""
    if not _whole(scope):
        return None
    with box.ledger() as db:
        row = db.execute(
            f"SELECT {', '.join(_CHANGE)} FROM owner_change WHERE origin = ?", (origin,)
        ).fetchone()
    return None if row is None else _change(row)


def accounts(box: Box, scope: Scope) -> list[Item]:
    """{account, currency, balance_micros, lines}."""
    if not _whole(scope):
        return []
    with box.ledger() as db:
        rows = db.execute(
            "SELECT account, currency, balance_micros, lines FROM account ORDER BY account, currency"
        )
        return [dict(zip(("account", "currency", "balance_micros", "lines"), row)) for row in rows]


def watermark(box: Box, scope: Scope) -> Item | None:
    """How far the box has read: {journal, feed, owner, seq, generation, journal_time_us, fold_version}. `seq` counts all
    lines visible now; it and `generation` (names and settings) change with what a page shows. None before the first save."""
    if _empty(scope):
        return None
    spans = box.spans()
    with box.ledger() as db:
        row = db.execute(
            "SELECT journal, seq, generation, journal_time_us, fold_version FROM fold"
        ).fetchone()
        if row is None:
            return None
        marks = dict(db.execute("SELECT stream, position FROM fold_watermark WHERE journal = ?", row[:1]))
    item = dict(zip(("journal", "seq", "generation", "journal_time_us", "fold_version"), row))
    item["seq"] = max([row[1], *(span.last_seq for span in spans if span.journal == row[0])])
    return item | {"feed": marks.get("feed", 0), "owner": marks.get("owner", 0)}


_CHANGE = ("seq", "origin", "id", "kind", "key", "state", "why", "who", "when_us", "value", "reason")


def _change(row: tuple[Any, ...]) -> Item:
    item = dict(zip(_CHANGE, row))
    return item | {"value": item["value"] and msgspec.json.decode(item["value"])}


def _in(number: int | None, allowed: frozenset[int] | None) -> bool:
    return allowed is None or number in allowed


def _whole(scope: Scope) -> bool:
    return scope.enterprises is None and scope.sites is None and scope.departments is None


def _empty(scope: Scope) -> bool:
    return any(
        allowed is not None and not allowed for allowed in (scope.enterprises, scope.sites, scope.departments)
    )


def _ids(box: Box) -> dict[str, dict[tuple[int | None, str], int]]:
    """kind -> (enterprise, name) -> id: two enterprises may each have a department or person of one name; enterprises and
    sites have names of their own (None)."""
    ids: dict[str, dict[tuple[int | None, str], int]] = {
        "enterprise": {},
        "site": {},
        "department": {},
        "person": {},
    }
    with box.ledger() as db:
        for kind, number, name, enterprise in db.execute("SELECT kind, id, name, enterprise FROM catalogue"):
            if kind in ids:
                ids[kind][None if kind in ("enterprise", "site") else enterprise, name] = number
    return ids


def _feeds(box: Box, scope: Scope) -> set[int]:
    """The feeds whose lines belong to the scope's enterprises and sites."""
    if scope.departments is not None:
        return set()
    sites = _ids(box)["site"]
    with box.ledger() as db:
        known = db.execute("SELECT id, name, enterprise FROM catalogue WHERE kind = 'feed'").fetchall()
        places = {
            key: msgspec.json.decode(value).get("site", "main")
            for key, value in db.execute("SELECT key, value FROM setting WHERE kind = 'feed'")
        }
        seen = {
            feed
            for (feed,) in db.execute(
                "SELECT feed FROM feed_stat UNION SELECT DISTINCT feed FROM reject_count"
            )
        }
    feeds = {
        number
        for number, name, enterprise in known
        if _in(enterprise, scope.enterprises)
        and _in(sites.get((None, places.get(name, "main"))), scope.sites)
    }
    return feeds | seen if _whole(scope) else feeds
