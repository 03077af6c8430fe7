"""The list of calls: newest first, searched, paged by place."""

from datetime import date
from typing import Any

from bluewhale_webui import finding, formats, rights, texts
from bluewhale_webui.answers import Answer
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route

TRAIL = 40  # pages one can go back by "newer"


def show(ctx: Context) -> Answer:
    facts = ctx.web.facts.now()
    tag = ctx.unchanged(facts.seq, facts.generation, facts.today(), ctx.state())
    today = formats.day_of(facts.today())
    wanted = finding.read(ctx, today)
    found = finding.page(ctx, wanted, facts.zone, finding.limit(ctx))
    departments = finding.names(ctx.web.box, ctx.scope, "department")
    departments = {0: ctx.text("Unassigned")} | departments
    feeds = finding.names(ctx.web.box, ctx.scope, "feed")
    total = finding.total(ctx, wanted)
    conditions = finding.conditions(ctx, wanted, departments, feeds)
    rows, one_day = table(ctx, found.items, wanted)
    return ctx.page(
        "calls.html",
        headers=[tag],
        wanted=wanted,
        rows=rows,
        one_day=one_day,
        found=found,
        total=total,
        conditions=conditions,
        sentence=_sentence(ctx, [words for words, _ in conditions]),
        departments=departments,
        feeds=feeds,
        unit=currency(found.items),
        older=_older(ctx, found.next),
        newer=_newer(ctx),
        newest=ctx.link(before=None, trail=None) if ctx.query.get("before") else None,
        quick=_quick(ctx),
        zone=facts.zone,
        back=ctx.link(),
    )


def table(
    ctx: Context, items: list[dict[str, Any]], wanted: finding.Wanted | None = None
) -> tuple[list[dict[str, Any]], date | None]:
    """Rows for the table of calls, and the day if all are of one."""
    days = {(item["started_local"] or "")[:10] for item in items}
    one = date.fromisoformat(days.pop()) if len(days) == 1 and "" not in days else None
    places = max((item["decimals"] for item in items if item["charge_micros"] is not None), default=2)
    several = len({item["currency"] for item in items if item["currency"] and item["charge_micros"]}) > 1
    return [row(ctx, item, one is not None, places, several) for item in items], one


def row(ctx: Context, item: dict[str, Any], one_day: bool, places: int, several: bool) -> dict[str, Any]:
    """What the table shows of a call."""
    when = item["started_local"] or ""
    this_year = when[:4] == str(formats.day_of(ctx.web.facts.now().today()).year)
    if not when:
        time = formats.NONE
    elif one_day:
        time = when[11:]
    else:
        time = (when[5:] if this_year else when).replace("T", " ")
    incoming = item["direction"] == "incoming"
    answered = item["answered"] != 0 and bool(item["talk_s"] or item["answered"])
    charge = formats.NONE
    if item["charge_micros"] and several:
        charge = formats.money(item["charge_micros"], item["currency"], places)
    elif (
        item["charge_micros"] is not None
        and answered
        and (item["charge_micros"] or item["direction"] == "outgoing")
    ):
        charge = formats.amount(item["charge_micros"], places)
    return item | {
        "time": time,
        "other": item["caller"] if incoming else item["called"],
        "arrow": texts.ARROW.get(item["direction"] or "", "·"),
        "direction_word": ctx.word(texts.DIRECTION, item["direction"]) if item["direction"] else "",
        "charge": charge,
        "status": state(ctx, item, answered),
    }


def state(ctx: Context, item: dict[str, Any], answered: bool) -> tuple[str, str] | None:
    """The shape and word of a call's state, None for an ordinary one."""
    if item["unpriced"]:
        return ("warn", ctx.text("Not priced"))
    if item["state"] in ("incomplete", "corrected", "open", "settling"):
        return ctx.shape(texts.CALL_STATE, item["state"])
    if item["answered"] == 0 or (not answered and item["talk_s"] == 0):
        return ("none", ctx.text("Not answered"))
    return None


def currency(items: list[dict[str, Any]]) -> str:
    """The currency for the column's head, if there is one for all."""
    found = {item["currency"] for item in items if item["currency"] and item["charge_micros"]}
    found = found or {item["currency"] for item in items if item["currency"]}
    return formats.unit(found.pop()) if len(found) == 1 else ""


def _sentence(ctx: Context, conditions: list[str]) -> str:
    text = ctx.text(", ").join(conditions)
    return text[:1].upper() + text[1:]


def _older(ctx: Context, place: str | None) -> str | None:
    if place is None:
        return None
    trail = [*_trail(ctx), ctx.query.get("before", "-")][-TRAIL:]
    return ctx.link(before=place, trail=",".join(trail))


def _newer(ctx: Context) -> str | None:
    trail = _trail(ctx)
    if not trail:
        return None
    *rest, last = trail
    return ctx.link(before=None if last == "-" else last, trail=",".join(rest) or None)


def _trail(ctx: Context) -> list[str]:
    return [place for place in ctx.query.get("trail", "").split(",") if place][-TRAIL:]


def _quick(ctx: Context) -> list[tuple[str, str, bool]]:
    """Searches at one click: (words, link, whether it is this one)."""
    wishes: list[tuple[str, dict[str, object]]] = [
        (ctx.text("All"), {}),
        (ctx.text("Today"), {"period": "today"}),
        (ctx.text("Yesterday"), {"period": "yesterday"}),
        (ctx.text("This month"), {"period": "month"}),
        (ctx.text("Last month"), {"period": "last-month"}),
        (ctx.text("Not answered"), {"unanswered": 1}),
        (ctx.text("Not priced"), {"unpriced": 1}),
        (ctx.text("Unassigned"), {"unassigned": 1}),
    ]
    now = {
        key: value for key, value in ctx.query.items() if value and key not in ("before", "trail", "limit")
    }
    nothing = dict.fromkeys(ctx.query)
    return [
        (words, ctx.link(**(nothing | query)), now == {key: str(value) for key, value in query.items()})
        for words, query in wishes
    ]


ROUTES = (Route("GET", "/calls", show, rights.EVERYONE),)
