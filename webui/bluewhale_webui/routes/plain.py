"""What needs no page: files, the sign of life, figures for Prometheus."""

from bluewhale_webui import metrics, rights
from bluewhale_webui.answers import TEXT, Answer, Problem
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route
from bluewhale_webui.web import STATIC


def static(ctx: Context, version: str, name: str) -> Answer:
    """A file under an address that changes with its content."""
    place, data = ctx.web.static.get(name, ("", b""))
    if place != ctx.path:
        raise Problem(404, ctx.text("This page does not exist."))
    kept = [("Cache-Control", "public, max-age=31536000, immutable")]
    return Answer(body=data, type=STATIC[name], headers=kept)


def healthz(ctx: Context) -> Answer:
    """The page answers; nothing is told about the box."""
    return Answer(body="ok\n", type=TEXT, headers=[("Cache-Control", "no-store")])


def prometheus(ctx: Context) -> Answer:
    return Answer(body=metrics.text(ctx), type="text/plain; version=0.0.4; charset=utf-8")


ROUTES = (
    Route("GET", "/static/<version>/<name>", static, rights.ALWAYS),
    Route("GET", "/healthz", healthz, rights.ALWAYS),
    Route("GET", "/metrics", prometheus, rights.TECHNICAL),
)
