"""The box itself: roles, disk, alarms, the site it stands at, who changed what and who came in."""

from typing import Any
from zoneinfo import available_timezones

from bluewhale.health import reads as health
from bluewhale.model import EVERYTHING
from bluewhale.store import reads
from bluewhale_webui import access, rights
from bluewhale_webui.answers import Answer, Problem
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route

SHOWN = 100
SITE_FIELDS = ("zone", "country", "area", "access_codes", "local_digits")


def links(ctx: Context) -> list[tuple[str, str]]:
    """The pages of this part."""
    found = [
        ("/box", ctx.text("State")),
        ("/feeds", ctx.text("Feeds")),
        ("/rejects", ctx.text("Rejects")),
        ("/alarms", ctx.text("Alarms")),
        ("/sites", ctx.text("Site")),
    ]
    if ctx.may(rights.ADMINISTRATORS):
        found += [("/users", ctx.text("Users and tokens")), ("/log", ctx.text("Log"))]
    return found


def show(ctx: Context) -> Answer:
    snap = ctx.web.health()
    mark = reads.watermark(ctx.web.box, EVERYTHING)
    return ctx.page("box.html", snap=snap, mark=mark, links=links(ctx), zone=ctx.web.facts.now().zone)


def alarms(ctx: Context) -> Answer:
    found: list[health.Alarm] = []
    if ctx.web.config.health_db.exists():
        db = health.connect(ctx.web.config.health_db)
        try:
            found = health.alarms(db, active=False, limit=SHOWN)
        finally:
            db.close()
    return ctx.page("alarms.html", alarms=found, links=links(ctx), zone=ctx.web.facts.now().zone)


def sites(ctx: Context) -> Answer:
    known = ctx.web.facts.now().sites
    main = {
        "zone": ctx.web.facts.now().zone,
        "country": "",
        "area": "",
        "access_codes": [],
        "local_digits": 0,
    }
    shown = {"main": main} | {name: main | value for name, value in sorted(known.items())}
    return ctx.page(
        "sites.html",
        sites=shown,
        zones=sorted(available_timezones()),
        links=links(ctx),
        outcome=ctx.outcome(),
    )


def site(ctx: Context) -> Answer:
    """Zone and numbering of one site."""
    name = ctx.form.get("site", "main").strip()
    known: dict[str, Any] = dict(ctx.web.facts.now().sites.get(name, {"enterprise": "default"}))
    digits = ctx.form.get("local_digits", "").strip() or "0"
    if not (digits.isascii() and digits.isdigit() and len(digits) < 3):
        raise Problem(400, ctx.text("The length of local numbers is a number of digits, such as 8."))
    known |= {
        "zone": ctx.form.get("zone", "").strip(),
        "country": ctx.form.get("country", "").strip().lstrip("+"),
        "area": ctx.form.get("area", "").strip(),
        "access_codes": ctx.form.get("access_codes", "").replace(",", " ").split(),
        "local_digits": int(digits),
    }
    return ctx.changed(ctx.change("site", name, known), "/sites")


def log(ctx: Context) -> Answer:
    try:
        changes = reads.owner_changes(
            ctx.web.box, EVERYTHING, before=ctx.query.get("before") or None, limit=SHOWN
        )
    except (ValueError, OverflowError) as error:
        raise Problem(400, ctx.text("This place in the list does not exist.")) from error
    return ctx.page(
        "log.html",
        changes=changes.items,
        older=ctx.link(before=changes.next) if changes.next else None,
        logins=access.logins(ctx.web.access),
        links=links(ctx),
        zone=ctx.web.facts.now().zone,
    )


ROUTES = (
    Route("GET", "/box", show, rights.TECHNICAL),
    Route("GET", "/alarms", alarms, rights.TECHNICAL),
    Route("GET", "/sites", sites, rights.TECHNICAL),
    Route("POST", "/sites", site, rights.ADMINISTRATORS),
    Route("GET", "/log", log, rights.ADMINISTRATORS),
)
