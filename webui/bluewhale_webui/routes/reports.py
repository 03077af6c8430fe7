"""Sums: by day, department, extension, destination. Every total is the sum of its rows; unassigned is a row."""

import csv
import io
from datetime import date, timedelta
from typing import Any

from bluewhale.store import reads
from bluewhale_webui import charts, finding, formats, rights
from bluewhale_webui.answers import Answer, Problem
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route
from bluewhale_webui.texts import N_

REPORTS = {
    "day": (N_("Calls by day"), N_("Day"), N_("How many calls, how long, at what charge, day by day.")),
    "department": (
        N_("Department bill"),
        N_("Department"),
        N_("What each department owes; calls without a known owner have a row of their own."),
    ),
    "extension": (N_("Extension bill"), N_("Extension"), N_("What each extension used.")),
    "destination": (N_("Destinations"), N_("Destination"), N_("Where outgoing calls went.")),
}
PERIODS = (
    ("this-month", N_("This month")),
    ("last-month", N_("Last month")),
    ("today", N_("Today")),
    ("yesterday", N_("Yesterday")),
    ("week", N_("This week")),
    ("last-week", N_("Last week")),
)
MOST_ROWS = 1000


def choose(ctx: Context) -> Answer:
    return ctx.page("reports.html", reports=REPORTS)


def show(ctx: Context, by: str) -> Answer:
    facts = ctx.web.facts.now()
    tag = ctx.unchanged(facts.seq, facts.generation, facts.today(), ctx.state())
    title, head, about = _named(ctx, by)
    since, until = period(ctx, formats.day_of(facts.today()))
    found = summary(ctx, by, since, until, MOST_ROWS)
    return ctx.page(
        "report.html",
        headers=[tag],
        by=by,
        title=title,
        head=head,
        about=about,
        since=since,
        until=until,
        rows=[_row(ctx, by, row, since, until) for row in found.rows],
        rest=found.rest,
        total=found.total,
        money_columns=money_columns(found),
        chart=_chart(ctx, found.rows, title) if by == "day" else None,
        most=max((row["calls"] for row in found.rows), default=0),
        periods=[
            (ctx.text(words), ctx.link(period=name, since=None, until=None), _is(ctx, name))
            for name, words in PERIODS
        ],
        seq=facts.seq,
        zone=facts.zone,
    )


def table(ctx: Context, by: str) -> Answer:
    """The same rows as CSV: UTF-8 with its mark (Excel wants it), numbers plain."""
    _, head, _ = _named(ctx, by)
    since, until = period(ctx, formats.day_of(ctx.web.facts.now().today()))
    found = summary(ctx, by, since, until)
    columns = money_columns(found)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    heads = [ctx.text("Calls"), ctx.text("Answered"), ctx.text("Talk time (s)"), ctx.text("Not priced")]
    writer.writerow([head, *heads, *(f"{ctx.text('Charge')} ({currency})" for currency, _ in columns)])
    for row in [
        *(_row(ctx, by, row, since, until) for row in found.rows),
        found.total | {"label": ctx.text("Total")},
    ]:
        amounts = [
            formats.amount(row["money"].get(currency, {}).get("charge_micros", 0), decimals).replace(",", "")
            for currency, decimals in columns
        ]
        writer.writerow(
            [_cell(row["label"]), row["calls"], row["answered"], row["talk_s"], row["unpriced"], *amounts]
        )
    name = f"{by}-{since.isoformat()}-{until.isoformat()}.csv"
    return Answer(
        body="\ufeff" + text.getvalue(),
        type="text/csv; charset=utf-8",
        headers=[("Content-Disposition", f"attachment; filename*=UTF-8''{name}")],
    )


def _cell(text: str) -> str:
    """Text from outside must not become a formula in a spreadsheet; plain numbers may begin with + or -."""
    return f"'{text}" if text[:1] in "=+-@\t\r" and not text[1:].isdigit() else text


def _named(ctx: Context, by: str) -> tuple[str, str, str]:
    if by not in REPORTS:
        raise Problem(404, ctx.text("There is no such report."))
    title, head, about = REPORTS[by]
    return ctx.text(title), ctx.text(head), ctx.text(about)


def period(ctx: Context, today: date) -> tuple[date, date]:
    """The days asked for, both inclusive; this month if none are."""
    wanted = finding.read(ctx, today)
    name = ctx.query.get("period", "this-month")
    if (wanted.since is None and wanted.until is None) or name == "this-month":
        first = today.replace(day=1)
        return wanted.since or first, wanted.until or today
    return wanted.since or date(2000, 1, 1), wanted.until or today


def _is(ctx: Context, name: str) -> bool:
    if ctx.query.get("since") or ctx.query.get("until"):
        return False
    return ctx.query.get("period", "this-month") == name


def summary(ctx: Context, by: str, since: date, until: date, limit: int | None = None) -> reads.Summary:
    direction = "outgoing" if by == "destination" else None
    return ctx.summary(
        by, formats.day_number(since), formats.day_number(until), direction=direction, limit=limit
    )


def money_columns(found: reads.Summary) -> list[tuple[str, int]]:
    """(currency, decimals) of the columns of money."""
    return [(currency, sums["decimals"]) for currency, sums in sorted(found.total["money"].items())]


def _row(ctx: Context, by: str, row: dict[str, Any], since: date, until: date) -> dict[str, Any]:
    """A row with its label and the link to the calls behind it."""
    days: dict[str, object] = {"since": since.isoformat(), "until": until.isoformat()}
    nothing = dict.fromkeys(ctx.query)
    if by == "day":
        day = row["day"] and formats.day_of(row["day"])
        label = formats.date_words(day, ctx.language) if day else ctx.text("Day unknown")
        query: dict[str, object] | None = (
            {"since": day.isoformat(), "until": day.isoformat()} if day else None
        )
    elif by == "department":
        label = row["department_name"] or ctx.text("Unassigned")
        query = days | ({"unassigned": 1} if row["department"] == 0 else {"department": row["department"]})
    elif by == "extension":
        label = row["extension"] or ctx.text("No extension")
        query = days | {"extension": row["extension"]} if row["extension"] else None
    else:
        label = row["destination"] or ctx.text("No destination")
        query = days | {"text": row["destination"], "direction": "outgoing"} if row["destination"] else None
    link = ctx.link("/calls", **(nothing | query)) if query else None
    return row | {"label": label, "link": link}


def _chart(ctx: Context, rows: list[dict[str, Any]], title: str) -> Any:
    shown = sorted((row for row in rows if row["day"]), key=lambda row: row["day"])[-62:]
    if len(shown) < 2:
        return None
    first, last = formats.day_of(shown[0]["day"]), formats.day_of(shown[-1]["day"])
    by_day = {row["day"]: row["calls"] for row in shown}
    columns = []
    for at in range(min((last - first).days, 61) + 1):
        day = last - timedelta(days=min((last - first).days, 61) - at)
        calls = by_day.get(formats.day_number(day), 0)
        columns.append(
            charts.Column(
                f"{day.month}-{day.day:02d}", calls, f"{formats.date_words(day, ctx.language)}: {calls:,}"
            )
        )
    most = max(columns, key=lambda column: column.value)
    return charts.columns(columns, title, ctx.text("Most on %(day)s.", day=most.told), "days")


ROUTES = (
    Route("GET", "/reports", choose, rights.EVERYONE),
    Route("GET", "/reports/<by>", show, rights.EVERYONE),
    Route("GET", "/reports/<by>/csv", table, rights.EVERYONE),
)
