"""The search for calls: from an address's query to a filter, and back to a sentence and links that drop a part."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from bluewhale.model import Scope
from bluewhale.store import reads
from bluewhale_webui import formats, texts
from bluewhale_webui.answers import Problem
from bluewhale_webui.context import Context

DIRECTIONS = tuple(texts.DIRECTION)
PERIODS = ("today", "yesterday", "week", "last-week", "month", "last-month")
FLAGS = ("unanswered", "unpriced", "unassigned")
DEFAULT_LIMIT, ON_PHONE, MOST = 50, 20, 500
MANY = 2_000_000  # calls of a box from which on no total is made beside a list
LONGEST = 80  # characters of a search text


class Wanted(msgspec.Struct, frozen=True):
    """A search as asked for. Days are inclusive, in the zone of the site "main"."""

    number: str = ""
    extension: str = ""
    since: date | None = None
    until: date | None = None
    direction: str = ""
    department: int | None = None
    text: str = ""
    feed: int | None = None
    unanswered: bool = False
    unpriced: bool = False
    unassigned: bool = False

    @property
    def narrow(self) -> bool:
        """Whether anything but days, direction and department is asked for: then there is no cheap total."""
        return bool(
            self.number or self.extension or self.text or self.unanswered or self.unpriced or self.unassigned
        ) or self.feed is not None  # fmt: skip


def read(ctx: Context, today: date) -> Wanted:
    """The search of a query. Raises Problem for what cannot be read."""
    query = ctx.query
    since, until = _period(query.get("period", ""), today)
    return Wanted(
        number=query.get("number", "").strip()[:LONGEST],
        extension=query.get("extension", "").strip()[:LONGEST],
        since=_day(ctx, "since") or since,
        until=_day(ctx, "until") or until,
        direction=query.get("direction", "") if query.get("direction") in DIRECTIONS else "",
        department=_number(query.get("department", "")),
        text=query.get("text", "").strip()[:LONGEST],
        feed=_number(query.get("feed", "")),
        unanswered=bool(query.get("unanswered")),
        unpriced=bool(query.get("unpriced")),
        unassigned=bool(query.get("unassigned")),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _day(ctx: Context, name: str) -> date | None:
    text = ctx.query.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Problem(400, ctx.text('"%(text)s" is not a day such as 2026-11-22.', text=text[:20])) from error


def _period(name: str, today: date) -> tuple[date | None, date | None]:
    monday = today - timedelta(days=today.weekday())
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    return {
        "today": (today, today),
        "yesterday": (today - timedelta(days=1), today - timedelta(days=1)),
        "week": (monday, today),
        "last-week": (monday - timedelta(days=7), monday - timedelta(days=1)),
        "month": (first, today),
        "last-month": (before, first - timedelta(days=1)),
    }.get(name, (None, None))


def limit(ctx: Context) -> int:
    """Calls on a page: as asked for, else fewer on a phone, where each is a card."""
    return max(
        1, min(_number(ctx.query.get("limit", "")) or (ON_PHONE if ctx.phone else DEFAULT_LIMIT), MOST)
    )


def page(ctx: Context, wanted: Wanted, zone: str, most: int) -> reads.Page:
    """The calls of a search, newest first, from the place of the query on. Raises Problem for a bad place."""
    try:
        return reads.calls(
            ctx.web.box,
            ctx.scope,
            number=wanted.number or None,
            extension=wanted.extension or None,
            since_us=_start(wanted.since, zone),
            until_us=_start(wanted.until + timedelta(days=1), zone) if wanted.until else None,
            direction=wanted.direction or None,
            department=wanted.department,
            feed=wanted.feed,
            answered=False if wanted.unanswered else None,
            unassigned=wanted.unassigned,
            unpriced=wanted.unpriced,
            text=wanted.text or None,
            before=ctx.query.get("before") or None,
            limit=most,
        )
    except (ValueError, OverflowError) as error:
        raise Problem(400, ctx.text("This place in the list does not exist.")) from error


def _start(day: date | None, zone: str) -> int | None:
    """Midnight at the start of a day, in microseconds UTC."""
    if day is None:
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


def total(ctx: Context, wanted: Wanted) -> dict[str, Any] | None:
    """Calls, seconds and amounts of a whole search, where the daily sums know them and it is cheap to ask."""
    box = ctx.web.health().box
    if wanted.narrow or (box is not None and (box.calls or 0) > MANY):
        return None
    since = formats.day_number(wanted.since) if wanted.since else None
    until = formats.day_number(wanted.until) if wanted.until else None
    only = {"direction": wanted.direction or None, "department": wanted.department}
    return ctx.summary("day", since, until, **only).total


def conditions(
    ctx: Context, wanted: Wanted, departments: dict[int, str], feeds: dict[int, str]
) -> list[tuple[str, str]]:
    """(words, link without it) of each condition in force."""
    found: list[tuple[str, str]] = []

    def add(words: str, *names: str) -> None:
        found.append((words, ctx.link(**dict.fromkeys((*names, "before", "trail", "change")))))

    if wanted.since or wanted.until:
        add(days(ctx, wanted), "since", "until", "period")
    if wanted.number:
        add(ctx.text("number %(number)s", number=wanted.number), "number")
    if wanted.extension:
        add(ctx.text("extension %(extension)s", extension=wanted.extension), "extension")
    if wanted.direction:
        add(ctx.word(texts.DIRECTION, wanted.direction), "direction")
    if wanted.department is not None:
        add(departments.get(wanted.department, str(wanted.department)), "department")
    if wanted.feed is not None:
        add(ctx.text("feed %(feed)s", feed=feeds.get(wanted.feed, str(wanted.feed))), "feed")
    if wanted.unanswered:
        add(ctx.text("not answered"), "unanswered")
    if wanted.unpriced:
        add(ctx.text("not priced"), "unpriced")
    if wanted.unassigned:
        add(ctx.text("unassigned"), "unassigned")
    if wanted.text:
        add(ctx.text("with “%(text)s”", text=wanted.text), "text")
    return found


def days(ctx: Context, wanted: Wanted) -> str:
    since, until = wanted.since, wanted.until
    if since == until and since is not None:
        return formats.date_words(since, ctx.language)
    if since and until:
        return ctx.text("%(since)s to %(until)s", since=since.isoformat(), until=until.isoformat())
    if since:
        return ctx.text("from %(since)s on", since=since.isoformat())
    assert until is not None
    return ctx.text("until %(until)s", until=until.isoformat())


def names(box: reads.Box, scope: Scope, kind: str) -> dict[int, str]:
    return {item["id"]: item["name"] for item in reads.catalogue(box, scope, kind)}
