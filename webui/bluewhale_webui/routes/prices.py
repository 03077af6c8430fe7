"""Plans: which there are, which prices calls, what is in them; a new one uploaded with a preview; a number tried."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from bluewhale.ledger import numbering, plan_check, plan_csv, rating
from bluewhale.ledger import plan as plan_files
from bluewhale.ledger.numbering import Site
from bluewhale.ledger.plan_lines import line_of
from bluewhale.model import EVERYTHING
from bluewhale.store import reads
from bluewhale_webui import facts, rights, uploads
from bluewhale_webui.answers import Answer, Problem
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route

LIMIT = 4_000_000  # bytes of a plan file
IN_ONE = 900_000  # bytes of one owner's record
SHOWN = 500  # rates on a page
USES = ("charge", "cost", "reference")


def show(ctx: Context) -> Answer:
    known = ctx.web.facts.now()
    plans = [
        {"name": item["key"], "plan": facts.parsed(item["value"]), "version": item["version"]}
        for item in reads.settings(ctx.web.box, EVERYTHING, "plan")
    ]
    uses = {
        name: [use for use in USES if known.pricing.get(use) == name] for name in (p["name"] for p in plans)
    }
    return ctx.page("prices.html", plans=plans, uses=uses, pricing=known.pricing, outcome=ctx.outcome())


def show_plan(ctx: Context, name: str) -> Answer:
    item = _setting(ctx, name)
    plan = facts.parsed(item["value"])
    if plan is None:
        raise Problem(404, ctx.text("This plan cannot be read."))
    return ctx.page(
        "plan.html",
        name=name,
        plan=plan,
        rates=_rates(plan)[:SHOWN],
        warnings=plan_check.check(plan),
        tried=_try(ctx, plan),
        uses=[use for use in USES if ctx.web.facts.now().pricing.get(use) == name],
        now=datetime.now(ZoneInfo(ctx.web.facts.now().zone)).strftime("%Y-%m-%dT%H:%M"),
    )


def _setting(ctx: Context, name: str) -> dict[str, Any]:
    for item in reads.settings(ctx.web.box, EVERYTHING, "plan"):
        if item["key"] == name:
            return item
    raise Problem(404, ctx.text("There is no such plan."))


def _rates(plan: plan_files.Plan) -> list[dict[str, Any]]:
    """The rates as rows a person can read."""
    rows = []
    for rate in sorted(plan.rates, key=lambda rate: rate.prefix):
        slots = [
            f"{_ratio(slot.price)} / {slot.per_s} s"
            + (f" × {slot.increment_s} s" if slot.increment_s != slot.per_s else "")
            for slot in rate.slots
        ]
        rows.append(
            {
                "prefix": rate.prefix,
                "name": rate.name,
                "destination": rate.destination,
                "band": rate.band.name if rate.band else "",
                "fee": _ratio(rate.fee) if rate.fee else "",
                "slots": slots,
            }
        )
    return rows


def _ratio(value: Any) -> str:
    """An exact amount as decimal text; thirds as a fraction."""
    for places in range(13):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(scaled.numerator).rjust(places + 1, "0")
            return f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return str(value)


def _try(ctx: Context, plan: plan_files.Plan) -> dict[str, Any] | None:
    """The test box: what a number costs by this plan."""
    number = ctx.query.get("number", "").strip()[:40]
    if not number:
        return None
    seconds = ctx.query.get("seconds", "60")
    talk = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 7 else 60
    known = ctx.web.facts.now()
    main = {"zone": known.zone} | known.sites.get(facts.MAIN, {})
    site = Site(
        id=1, name=facts.MAIN, enterprise=1, zone=main["zone"], country=main.get("country", ""), area=main.get("area", ""),
        access_codes=tuple(main.get("access_codes", ())), local_digits=main.get("local_digits", 0),
    )  # fmt: skip
    key = numbering.normalise(site, number, "outgoing") or numbering.digits(number)
    try:
        at = datetime.fromisoformat(ctx.query.get("at", ""))
    except ValueError:
        at = datetime.now(ZoneInfo(known.zone))
    wall_us = int(at.replace(tzinfo=UTC).timestamp()) * 1_000_000  # wall time counts as if it were UTC
    found = rating.price(plan, key, wall_us, talk)
    return {
        "number": number,
        "seconds": talk,
        "at": at.strftime("%Y-%m-%dT%H:%M"),
        "key": key,
        "price": found,
        "priced": isinstance(found, rating.Price),
    }


def preview(ctx: Context) -> Answer:
    data = uploads.received(ctx, "file", LIMIT)
    filename = (ctx.files["file"].raw_filename or "").lower()
    tree, faults = read(data, filename)
    if tree is None:
        return ctx.page("plan_preview.html", status=422, plan=None, faults=faults)
    plan = plan_files.parse(tree)
    whole = msgspec.json.encode(tree)
    if len(whole) > IN_ONE:
        raise Problem(
            413,
            ctx.text("This plan is too large: its text may have %(size)s kB at most.", size=IN_ONE // 1000),
        )
    known = reads.settings(ctx.web.box, EVERYTHING, "plan")
    old = next((facts.parsed(item["value"]) for item in known if item["key"] == plan.name), None)
    diff = differences(old, plan)
    return ctx.page(
        "plan_preview.html",
        plan=plan,
        upload=uploads.keep(ctx, "plan", ctx.web.facts.now().generation, whole, plan.name),
        warnings=plan_check.check(plan),
        old=old,
        diff=diff[:SHOWN],
        hidden=max(0, len(diff) - SHOWN),
        in_use=ctx.web.facts.now().pricing.get("charge") == plan.name,
    )


def read(data: bytes, filename: str) -> tuple[dict[str, Any] | None, list[plan_files.Fault]]:
    """A plan tree that can be used, from an uploaded TOML, JSON or CSV; or what is wrong, with its lines."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError:
            return None, [plan_files.Fault("", "neither UTF-8 nor GB18030 text")]
    try:
        tree = plan_files.load(text, filename)
        plan_files.parse(tree)
    except plan_files.PlanError as error:
        kind = plan_files.kind_of(text, filename)
        return None, [
            msgspec.structs.replace(f, line=f.line or (line_of(text, f.path, kind) if f.path else None))
            for f in error.faults
        ]
    return tree, []


def differences(
    old: plan_files.Plan | None, new: plan_files.Plan
) -> list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]]:
    """(what, before, after) of the rates that differ, by prefix and band: new, changed, gone."""

    def by_key(plan: plan_files.Plan | None) -> dict[tuple[Any, ...], dict[str, Any]]:
        rows = _rates(plan) if plan else []
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in rows:
            key = (row["prefix"], row["band"])
            found[(*key, sum(k[:2] == key for k in found))] = row
        return found

    before, after = by_key(old), by_key(new)
    rows: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]] = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was != now:
            rows.append(("new" if was is None else "gone" if now is None else "changed", was, now))
    return rows


def apply(ctx: Context) -> Answer:
    number = ctx.form.get("upload", "")
    upload = uploads.waiting(ctx, "plan", number)
    outcome = ctx.change(
        "plan", upload.name, {"plan": msgspec.json.decode(upload.data)}, why=ctx.text("plan uploaded")
    )
    if outcome.state != "refused" and ctx.form.get("use"):
        pricing = {use: ctx.web.facts.now().pricing.get(use) for use in USES} | {"charge": upload.name}
        outcome = ctx.change("pricing", "default", pricing)
    uploads.drop(ctx, number)
    return ctx.changed(outcome, "/prices")


def choose(ctx: Context) -> Answer:
    """Which plans are in force."""
    pricing = {use: ctx.form.get(use) or None for use in USES}
    return ctx.changed(ctx.change("pricing", "default", pricing), "/prices")


def remove(ctx: Context, name: str) -> Answer:
    _setting(ctx, name)
    return ctx.changed(ctx.change("plan", name, None), "/prices")


def export(ctx: Context, name: str) -> Answer:
    """The plan as JSON, as it can be uploaded again."""
    value = _setting(ctx, name)["value"]
    body = msgspec.json.format(msgspec.json.encode(value.get("plan", value)), indent=2)
    headers = [("Content-Disposition", "attachment; filename*=UTF-8''plan.json")]
    return Answer(body=body, type="application/json", headers=headers)


def export_table(ctx: Context, name: str) -> Answer:
    """The plan as a table for a spreadsheet, as it can be uploaded again."""
    value = _setting(ctx, name)["value"]
    body = "\ufeff" + plan_csv.table_of(value.get("plan", value))
    headers = [("Content-Disposition", "attachment; filename*=UTF-8''plan.csv")]
    return Answer(body=body, type="text/csv; charset=utf-8", headers=headers)


ROUTES = (
    Route("GET", "/prices", show, rights.MONEY),
    Route("POST", "/prices/preview", preview, rights.MONEY, limit=LIMIT + 100_000),
    Route("POST", "/prices/apply", apply, rights.MONEY),
    Route("POST", "/prices/choose", choose, rights.MONEY),
    Route("GET", "/prices/<name>", show_plan, rights.MONEY),
    Route("GET", "/prices/<name>/json", export, rights.MONEY),
    Route("GET", "/prices/<name>/csv", export_table, rights.MONEY),
    Route("POST", "/prices/<name>/remove", remove, rights.MONEY),
)
