"""/api/v1: the pages' reads as JSON, with the same rights and scopes. Lists are {"items": [...], "next": null}.

What is not known is absent. Sign in with `Authorization: Bearer TOKEN`, or with the session of the pages.
"""

import base64
from typing import Any

import msgspec

from bluewhale.model import EVERYTHING
from bluewhale.store import reads
from bluewhale_webui import finding, formats, openapi, rights
from bluewhale_webui.answers import Answer, Problem, as_json
from bluewhale_webui.context import Context
from bluewhale_webui.routes.call import records
from bluewhale_webui.routing import Route

PLACE = ("before", "the `next` of the page before this one")
LIMIT = ("limit", f"items on a page, at most {finding.MOST}")
SEARCH = (
    ("number", "digits of caller or called: exact, or with a star: 0755*, *1234, *8266*"),
    ("extension", "the extension charged or answering"),
    ("since", "first day, YYYY-MM-DD, in the zone of the site main"),
    ("until", "last day, YYYY-MM-DD"),
    ("direction", "outgoing, incoming, internal or tandem"),
    ("department", "id of a department; 0 is unassigned"),
    ("feed", "id of a feed"),
    ("unanswered", "1: only calls that were not answered"),
    ("unpriced", "1: only calls without a price"),
    ("unassigned", "1: only calls of nobody known"),
    ("text", "text in trunk, code, number or destination"),
    PLACE,
    LIMIT,
)


def _known(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value is not None}


def _list(items: list[Any], next: str | None = None, **more: Any) -> Answer:
    return as_json({"items": items, "next": next} | more)


def calls(ctx: Context) -> Answer:
    facts = ctx.web.facts.now()
    tag = ctx.unchanged(facts.seq, facts.generation, facts.today())
    wanted = finding.read(ctx, formats.day_of(facts.today()))
    page = finding.page(ctx, wanted, facts.zone, finding.limit(ctx))
    more = {} if page.complete else {"searched_back_to": page.searched_back_to}
    answer = _list([_known(item) for item in page.items], page.next, **more)
    return msgspec.structs.replace(answer, headers=[tag])


def call(ctx: Context, call_id: str) -> Answer:
    found = reads.call(ctx.web.box, ctx.scope, call_id)
    if found is None:
        raise Problem(404, "there is no such call, or you may not see it")
    lines = [_known(line) for line in found["lines"]]
    raw = [
        {"origin": record["origin"], "base64": base64.b64encode(record["data"]).decode()}
        for record in records(ctx, found)
        if record["data"] is not None
    ]
    return as_json(_known(found) | {"lines": lines, "raw": raw})


def summary(ctx: Context) -> Answer:
    by = ctx.query.get("by", "day")
    wanted = finding.read(ctx, formats.day_of(ctx.web.facts.now().today()))
    try:
        found = reads.summary(
            ctx.web.box,
            ctx.scope,
            by,
            formats.day_number(wanted.since) if wanted.since else None,
            formats.day_number(wanted.until) if wanted.until else None,
            direction=wanted.direction or None,
            department=wanted.department,
        )
    except KeyError as error:
        raise Problem(400, "by: one of day, department, extension, direction, site, destination") from error
    return _list([_known(row) for row in found.rows], by=by, total=found.total)


def feeds(ctx: Context) -> Answer:
    stats = {item["feed_name"]: _known(item) for item in reads.feed_stats(ctx.web.box, ctx.scope)}
    items = [
        _known(msgspec.to_builtins(feed)) | {"ledger": stats.get(feed.name, {})}
        for feed in ctx.web.health().feeds
    ]
    return _list(items)


def status(ctx: Context) -> Answer:
    snap = ctx.web.health()
    return as_json(
        {
            "box": msgspec.to_builtins(snap.box),
            "roles": msgspec.to_builtins(snap.roles),
            "alarms": msgspec.to_builtins(snap.alarms),
            "watermark": reads.watermark(ctx.web.box, EVERYTHING),
        }
    )


def directory(ctx: Context) -> Answer:
    return _list([_known(row) for row in reads.directory(ctx.web.box, ctx.scope)])


def plans(ctx: Context) -> Answer:
    pricing = ctx.web.facts.now().pricing
    return _list([_known(item) for item in reads.plans(ctx.web.box, ctx.scope)], pricing=pricing)


def rejects(ctx: Context) -> Answer:
    text = ctx.query.get("feed", "")
    feed = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    try:
        found = reads.rejects(
            ctx.web.box,
            ctx.scope,
            feed=feed,
            before=ctx.query.get("before") or None,
            limit=finding.limit(ctx),
        )
    except (ValueError, OverflowError) as error:
        raise Problem(400, "before: not a place of this list") from error
    return _list([_known(item) for item in found.items], found.next)


def document(ctx: Context) -> Answer:
    return as_json(openapi.document(ROUTES))


ROUTES = (
    Route("GET", "/api/v1/status", status, rights.TECHNICAL, summary="The box, its roles and standing alarms"),
    Route("GET", "/api/v1/calls", calls, rights.EVERYONE, summary="Calls, newest first", parameters=SEARCH, answer="list"),
    Route("GET", "/api/v1/calls/<call_id>", call, rights.EVERYONE, summary="One call with its lines and raw bytes"),
    Route(
        "GET", "/api/v1/summary", summary, rights.EVERYONE,
        summary="Sums; the total is the sum of the rows",
        parameters=(("by", "day, department, extension, direction, site or destination"), *SEARCH[2:6]), answer="list",
    ),
    Route("GET", "/api/v1/feeds", feeds, rights.TECHNICAL, summary="Feeds and their state", answer="list"),
    Route("GET", "/api/v1/directory", directory, rights.STAFF, part=True, summary="Who has which extension", answer="list"),
    Route("GET", "/api/v1/plans", plans, rights.MONEY, part=True, summary="Plans, each version that priced a call", answer="list"),
    Route(
        "GET", "/api/v1/rejects", rejects, rights.TECHNICAL, part=True,
        summary="What could not be read, and why", parameters=(("feed", "id of a feed"), PLACE, LIMIT), answer="list",
    ),
    Route("GET", "/api/v1/openapi.json", document, rights.EVERYONE, summary="This document"),
)  # fmt: skip
