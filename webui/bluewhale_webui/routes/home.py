"""The box at one glance: is it well, what happened today, what is left to set up."""

from datetime import timedelta
from typing import Any

from bluewhale.model import EVERYTHING
from bluewhale.store import reads
from bluewhale_webui import charts, formats, rights
from bluewhale_webui.answers import Answer
from bluewhale_webui.context import Context
from bluewhale_webui.routes.calls import currency, table
from bluewhale_webui.routing import Route

DAYS, LATEST, TOP = 14, 10, 5
SAMPLE = "sample"


def show(ctx: Context) -> Answer:
    facts = ctx.web.facts.now()
    snap = ctx.web.health()
    seen = snap.box.time_us if snap.box else 0
    tag = ctx.unchanged(facts.seq, facts.generation, facts.today(), seen)
    latest = reads.calls(ctx.web.box, ctx.scope, limit=LATEST).items
    today, days = _days(ctx, facts.today(), latest)
    yesterday = formats.day_number(formats.day_of(today) - timedelta(days=1))
    rows, _ = table(ctx, latest)
    since = today if today in days else min(days, default=None)
    departments = ctx.summary("department", since, today, limit=TOP)
    destinations = ctx.summary("destination", since, today, direction="outgoing", limit=TOP + 1)
    refresh = ctx.query.get("refresh", "")
    return ctx.page(
        "home.html",
        headers=[tag],
        today=days.get(today),
        yesterday=days.get(yesterday),
        day=today,
        is_today=today == facts.today(),
        chart=_chart(ctx, days, today),
        days=[(day, days.get(day)) for day in _last_days(today)],
        rows=rows,
        unit=currency(latest),
        departments=departments.rows[:TOP],
        destinations=[row for row in destinations.rows if row["destination"]][:TOP],
        since=since,
        snap=snap,
        todo=_todo(ctx, bool(latest)),
        zone=facts.zone,
        refresh=int(refresh) if refresh.isdigit() and 2 <= int(refresh) <= 3600 else 0,
    )


def _last_days(today: int) -> list[int]:
    last = formats.day_of(today)
    return [formats.day_number(last - timedelta(days=back)) for back in range(DAYS - 1, -1, -1)]


def _days(ctx: Context, today: int, latest: list[dict[str, Any]]) -> tuple[int, dict[int, dict[str, Any]]]:
    """(day shown, sums of its last 14 days). It is today; but where nothing is of these days (a capture of last year
    was played), it is the day of the newest calls."""
    shown = today
    while True:
        first = formats.day_number(formats.day_of(shown) - timedelta(days=DAYS - 1))
        days = {row["day"]: row for row in ctx.summary("day", first, shown).rows}
        newest = max((item["day"] for item in latest if item["day"] and item["day"] <= today), default=None)
        if any(row["calls"] for row in days.values()) or newest is None or shown == newest:
            return shown, days
        shown = newest


def _chart(ctx: Context, days: dict[int, Any], today: int) -> Any:
    if not any(row["calls"] for row in days.values()):
        return None
    columns = []
    for number in _last_days(today):
        calls = days[number]["calls"] if number in days else 0
        day = formats.day_of(number)
        columns.append(
            charts.Column(f"{day.day}", calls, f"{formats.date_words(day, ctx.language)}: {calls:,}")
        )
    most = max(columns, key=lambda column: column.value)
    told = ctx.text("Most on %(day)s.", day=most.told)
    return charts.columns(columns, ctx.text("Calls of the last 14 days"), told, "days")


def _todo(ctx: Context, calls: bool) -> list[tuple[bool, str, str]]:
    """What is left to do on a new box: (done, words, link). Empty when all is done, or not this reader's to do."""
    if not ctx.may(rights.ADMINISTRATORS):
        return []
    facts = ctx.web.facts.now()
    feeds = ctx.web.health().feeds or reads.settings(ctx.web.box, EVERYTHING, "feed")
    steps = [
        (
            "main" in facts.sites,
            ctx.text("Say where the box stands: time zone, country, area code"),
            "/sites",
        ),
        (bool(feeds), ctx.text("Connect a PBX: a feed"), "/feeds"),
        (calls, ctx.text("See the first call"), "/calls"),
        (
            bool(reads.settings(ctx.web.box, EVERYTHING, "directory")),
            ctx.text("Upload the directory: who has which extension"),
            "/directory",
        ),
        (
            facts.pricing.get("charge") not in (None, SAMPLE),
            ctx.text("Put your own prices in place of the sample plan"),
            "/prices",
        ),
    ]
    return [] if all(done for done, _, _ in steps) else steps


ROUTES = (Route("GET", "/", show, rights.EVERYONE),)
