"""Who has which extension: the list, and a table uploaded with a preview before it is applied."""

from typing import Any

import msgspec

from bluewhale import owner
from bluewhale.ledger import directory
from bluewhale.store import reads
from bluewhale_webui import rights, uploads
from bluewhale_webui.answers import Answer, Problem
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route

LIMIT = 16_000_000  # bytes of a table
SHOWN = 200  # rows on a page
IN_ONE = 900_000  # bytes of one owner's record; the journal takes 1 MiB


def show(ctx: Context) -> Answer:
    facts = ctx.web.facts.now()
    text = ctx.query.get("text", "").strip().lower()[:80]
    found = [row for row in reads.directory(ctx.web.box, ctx.scope) if _holds(row, text)]
    start = min(_number(ctx.query.get("start", "")), len(found))
    return ctx.page(
        "directory.html",
        rows=found[start : start + SHOWN],
        count=len(found),
        start=start,
        text=ctx.query.get("text", ""),
        before=ctx.link(start=max(0, start - SHOWN) or None) if start else None,
        after=ctx.link(start=start + SHOWN) if start + SHOWN < len(found) else None,
        outcome=ctx.outcome(),
        several_sites=len(facts.sites) > 1,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _holds(row: dict[str, Any], text: str) -> bool:
    return not text or any(
        text in (row[name] or "").lower() for name in ("extension", "person", "department", "site")
    )


def export(ctx: Context) -> Answer:
    """The directory as the table one can upload again."""
    body = "\ufeff" + directory.to_csv(ctx.web.facts.book())
    headers = [("Content-Disposition", "attachment; filename*=UTF-8''directory.csv")]
    return Answer(body=body, type="text/csv; charset=utf-8", headers=headers)


def preview(ctx: Context) -> Answer:
    data = uploads.received(ctx, "file", LIMIT)
    rows, faults = directory.read(data)
    found = directory.diff(ctx.web.facts.book(), rows)
    number = uploads.keep(ctx, "directory", ctx.web.facts.now().generation, data)
    return ctx.page(
        "directory_preview.html", upload=number, found=found, faults=[*faults, *found.faults], shown=100
    )


def apply(ctx: Context) -> Answer:
    """The same table once more against what stands now: nobody's change of the meantime is overwritten unseen."""
    number = ctx.form.get("upload", "")
    upload = uploads.waiting(ctx, "directory", number)
    rows, _ = directory.read(upload.data)
    found = directory.diff(ctx.web.facts.book(), rows)
    value = directory.change(found, remove=bool(ctx.form.get("remove")))
    if not value["set"] and not value["remove"]:
        raise Problem(409, ctx.text("There is nothing to change: the directory is like this already."))
    outcome: owner.Outcome | None = None
    for part in parts(value):
        outcome = ctx.change("directory", "extensions", part, why=ctx.text("table uploaded"))
        if outcome.state == "refused":
            break
    uploads.drop(ctx, number)
    assert outcome is not None
    return ctx.changed(outcome, "/directory")


def parts(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The change in records the journal takes: nearly always one."""
    if len(msgspec.json.encode(value)) <= IN_ONE:
        return [value]
    made: list[dict[str, Any]] = []
    size = IN_ONE
    for kind in ("set", "remove"):
        for row in value[kind]:
            length = len(msgspec.json.encode(row)) + 1
            if size + length > IN_ONE:
                made.append({"set": [], "remove": []})
                size = 0
            made[-1][kind].append(row)
            size += length
    return made


def one(ctx: Context) -> Answer:
    """One row, set from the page."""
    names = ("site", "extension", "person", "department")
    row = {name: text for name in names if (text := ctx.form.get(name, "").strip()[:200])}
    if "extension" not in row:
        raise Problem(400, ctx.text("An extension is needed."))
    value: dict[str, Any] = {"set": [row], "remove": []}
    if ctx.form.get("remove"):
        value = {"set": [], "remove": [{"site": row.get("site", "main"), "extension": row["extension"]}]}
    return ctx.changed(ctx.change("directory", "extensions", value), "/directory")


ROUTES = (
    Route("GET", "/directory", show, rights.STAFF, part=True),
    Route("GET", "/directory/csv", export, rights.TECHNICAL),
    Route("POST", "/directory/preview", preview, rights.TECHNICAL, limit=LIMIT + 100_000),
    Route("POST", "/directory/apply", apply, rights.TECHNICAL),
    Route("POST", "/directory/row", one, rights.TECHNICAL),
)
