"""One call down to its bytes: what happened, what it costs and why, who pays, what the PBX sent."""

from typing import Any

from bluewhale.journal import reader
from bluewhale.ledger import numbering, rating
from bluewhale.model import parse_origin
from bluewhale.store import reads
from bluewhale_webui import charts, dial, formats, rights, texts
from bluewhale_webui.answers import Answer, Problem
from bluewhale_webui.context import Context
from bluewhale_webui.routes.calls import row
from bluewhale_webui.routing import Route

SECOND = 1_000_000


def show(ctx: Context, call_id: str) -> Answer:
    call = reads.call(ctx.web.box, ctx.scope, call_id)
    if call is None:
        raise Problem(404, ctx.text("There is no such call, or you may not see it."))
    zone = ctx.web.facts.now().zone_of(call["site"])
    shown = row(ctx, call, False, call["decimals"], False)
    back = ctx.query.get("back", "/calls")
    return ctx.page(
        "call.html",
        call=shown,
        when=_when(ctx, call, zone),
        chart=_chart(ctx, call, zone),
        price=price(ctx, call, zone),
        reference=_reference(call),
        records=records(ctx, call),
        notes=[ctx.text(text) for flag, text in texts.TIME_FLAGS.items() if call["time_flags"] & flag],
        back=back if back.startswith("/calls?") and back.isprintable() else "/calls",
        zone=zone,
        mend=_mend(ctx, call),
    )


def _when(ctx: Context, call: dict[str, Any], zone: str) -> str:
    """The call's start for the heading: as the PBX told it, else by our clock."""
    local = call["started_local"]
    if local:
        day, _, time = local.partition("T")
        year, month, date = (int(part) for part in day.split("-"))
        return f"{formats.date_words(formats.day_of(year * 10000 + month * 100 + date), ctx.language)} {time}"
    return formats.stamp(call["started_utc"], zone)


def _chart(ctx: Context, call: dict[str, Any], zone: str) -> Any:
    """The time line, if the records say when things began."""
    known = [line for line in call["lines"] if line["started_utc"] is not None and not line["revision"]]
    if not any(line["talk_s"] for line in known):
        return None
    start = min(line["started_utc"] for line in known)
    bars = [bar for line in known for bar in _bars(line, start)]
    end = start + max(bar.talk_to for bar in bars) * SECOND
    told = "; ".join(bar.told for bar in bars)
    times = (formats.clock(start, zone), formats.clock(end, zone))
    return charts.call(bars, times, ctx.text("Time line of the call"), told, "line")


def _bars(line: dict[str, Any], start: int) -> list[charts.Bar]:
    """The station's part, and that of the far end on its trunk."""
    ring_from = (line["started_utc"] - start) // SECOND
    answered = line["answered_utc"]
    talk_from = ring_from + (line["ring_s"] or 0) if answered is None else (answered - start) // SECOND
    talk_to = talk_from + (line["talk_s"] or 0)
    length = formats.length(line["talk_s"])
    bars = []
    station = " ".join(part for part in (line["extension"], line["person_name"]) if part)
    if station:
        bars.append(charts.Bar(station, ring_from, talk_from, talk_to, length, f"{station}, {length}"))
    far = line["caller"] if line["direction"] == "incoming" else line["called"]
    if far and far != line["extension"]:
        label = f"{length}, {line['trunk']}" if line["trunk"] else length
        name = dial.plain(far)
        bars.append(charts.Bar(name, talk_from, talk_from, talk_to, label, f"{name}, {label}"))
    name = line["trunk"] or formats.NONE
    return bars or [charts.Bar(name, ring_from, talk_from, talk_to, length, f"{name}, {length}")]


def price(ctx: Context, call: dict[str, Any], zone: str) -> rating.Price | None:
    """How the charge comes about: the plan that priced it, asked again. None if it says another amount (shares of
    a call, corrections): then only the sum is shown."""
    if not call["charge_micros"] or call["plan"] is None or call["talk_s"] is None:
        return None
    plan = ctx.web.facts.plan(call["plan"])
    start = call["answered_utc"] if call["answered_utc"] is not None else call["started_utc"]
    if plan is None or start is None:
        return None
    key = call["called_e164"] or numbering.digits(call["called"])
    wall_us, fold = rating.wall(plan.time_zone or zone, start)
    found = rating.price(plan, key, wall_us, call["talk_s"], fold)
    return found if isinstance(found, rating.Price) and found.micros == call["charge_micros"] else None


def _reference(call: dict[str, Any]) -> dict[str, int] | None:
    """Saving and profit, where there are plans to tell them."""
    known = {
        name: call[f"{name}_micros"] for name in ("cost", "reference") if call[f"{name}_micros"] is not None
    }
    return known or None


def records(ctx: Context, call: dict[str, Any]) -> list[dict[str, Any]]:
    """The bytes of each line, as the journal keeps them."""
    found = []
    for line in call["lines"]:
        if line["revision"]:
            continue
        try:
            data = reader.frame(ctx.web.config.journal_dir, parse_origin(line["origin"]))
        except (LookupError, OSError):
            data = None
        found.append(
            {"origin": line["origin"], "size": line["length"], "data": data, "format": line["format"]}
        )
    return found


def _mend(ctx: Context, call: dict[str, Any]) -> str | None:
    """Where a missing price is mended, for those who may."""
    if not call["unpriced"] or not ctx.may(rights.MONEY):
        return None
    return "/prices"


ROUTES = (Route("GET", "/calls/<call_id>", show, rights.EVERYONE),)
