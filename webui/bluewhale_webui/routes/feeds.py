"""Feeds: how each is, what it sent, what could not be read and why; add, change, remove one."""

from typing import Any

from bluewhale.formats import load_formats
from bluewhale.journal import reader
from bluewhale.model import EVERYTHING, parse_origin
from bluewhale.store import reads
from bluewhale_webui import rights, texts
from bluewhale_webui.answers import Answer, Problem
from bluewhale_webui.context import Context
from bluewhale_webui.routes.box import links
from bluewhale_webui.routing import Route

SHOWN = 50


def show(ctx: Context) -> Answer:
    return ctx.page(
        "feeds.html",
        feeds=ctx.web.health().feeds,
        stats=_stats(ctx),
        links=links(ctx),
        outcome=ctx.outcome(),
        formats=["auto", *sorted(load_formats())],
        sites=sorted({"main", *ctx.web.facts.now().sites}),
        faults=[],
        typed={},
        zone=ctx.web.facts.now().zone,
    )


def _stats(ctx: Context) -> dict[str, dict[str, Any]]:
    return {str(item["feed_name"]): item for item in reads.feed_stats(ctx.web.box, EVERYTHING)}


def show_feed(ctx: Context, name: str) -> Answer:
    value = _settings(ctx).get(name)
    seen = next((feed for feed in ctx.web.health().feeds if feed.name == name), None)
    stat = _stats(ctx).get(name)
    if value is None and seen is None and stat is None:
        raise Problem(404, ctx.text("There is no such feed."))
    counts = [item for item in reads.reject_counts(ctx.web.box, EVERYTHING) if item["feed_name"] == name]
    return ctx.page(
        "feed.html",
        name=name,
        value=value,
        feed=seen,
        stat=stat,
        counts=counts,
        links=links(ctx),
        outcome=ctx.outcome(),
        formats=["auto", *sorted(load_formats())],
        sites=sorted({"main", *ctx.web.facts.now().sites}),
        zone=ctx.web.facts.now().zone,
    )


def _settings(ctx: Context) -> dict[str, dict[str, Any]]:
    """The owner's feeds; those of bluewhale.toml are not here: they are shown, not changed."""
    return {item["key"]: item["value"] for item in reads.settings(ctx.web.box, EVERYTHING, "feed")}


def save(ctx: Context) -> Answer:
    """A new feed, or an old one with changes."""
    name = ctx.form.get("name", "").strip()
    known = _settings(ctx).get(name)
    value: dict[str, Any] = dict(known or {})
    value |= {
        "url": ctx.form.get("url", "").strip(),
        "format": ctx.form.get("format", "auto"),
        "site": ctx.form.get("site", "main"),
        "allow": ctx.form.get("allow", "").replace(",", " ").split(),
        "enabled": bool(ctx.form.get("enabled")),
    }
    expects = 0 if ctx.form.get("new") else None
    return ctx.changed(ctx.change("feed", name, value, expects=expects), "/feeds")


def remove(ctx: Context, name: str) -> Answer:
    if name not in _settings(ctx):
        raise Problem(404, ctx.text("There is no such feed."))
    return ctx.changed(ctx.change("feed", name, None), "/feeds")


def rejects(ctx: Context) -> Answer:
    feeds = {item["id"]: item["name"] for item in reads.catalogue(ctx.web.box, ctx.scope, "feed")}
    text = ctx.query.get("feed", "")
    feed = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    try:
        found = reads.rejects(
            ctx.web.box, ctx.scope, feed=feed, before=ctx.query.get("before") or None, limit=SHOWN
        )
    except (ValueError, OverflowError) as error:
        raise Problem(400, ctx.text("This place in the list does not exist.")) from error
    return ctx.page(
        "rejects.html",
        rows=[item | {"data": _bytes(ctx, item["origin"])} for item in found.items],
        counts=reads.reject_counts(ctx.web.box, ctx.scope),
        older=ctx.link(before=found.next) if found.next else None,
        newest=ctx.link(before=None) if ctx.query.get("before") else None,
        feeds=feeds,
        feed=feed,
        links=links(ctx),
        words_reject=texts.REJECT,
        zone=ctx.web.facts.now().zone,
    )


def _bytes(ctx: Context, origin: str) -> bytes | None:
    """The start of what could not be read, as it came."""
    try:
        place = parse_origin(origin)
        return reader.frame(ctx.web.config.journal_dir, place)[:400]
    except (LookupError, ValueError, OSError):
        return None


ROUTES = (
    Route("GET", "/feeds", show, rights.TECHNICAL),
    Route("POST", "/feeds", save, rights.TECHNICAL),
    Route("GET", "/feeds/<name>", show_feed, rights.TECHNICAL),
    Route("POST", "/feeds/<name>/remove", remove, rights.ADMINISTRATORS),
    Route("GET", "/rejects", rejects, rights.TECHNICAL, part=True),
)
