"""One file a page, or a family of small ones. `all_routes` is the table of everything that answers."""

from bluewhale_webui.routes import (
    api,
    box,
    call,
    calls,
    directory,
    feeds,
    home,
    me,
    plain,
    prices,
    reports,
    setup,
    sign,
    users,
)
from bluewhale_webui.routing import Route

PARTS = (plain, setup, sign, home, calls, call, reports, directory, prices, box, feeds, users, me, api)


def all_routes() -> list[Route]:
    return [route for part in PARTS for route in part.ROUTES]
