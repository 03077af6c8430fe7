"""A route says who may use it, or it does not exist: the table of routes is made of these."""

from collections.abc import Callable

import msgspec

from bluewhale_webui import rights
from bluewhale_webui.answers import Answer

View = Callable[..., Answer]
FORM_LIMIT = 64 * 1024  # bytes of a form without a file


class Route(msgspec.Struct, frozen=True):
    """`may`: roles, or one of rights.OPEN, ALWAYS, BEFORE. `limit`: bytes a body may have.

    A route that not everybody may use is for those who see the whole box, unless it says `part`.

    `summary`, `parameters` and `answer` are what the OpenAPI document says of a route below /api/.
    """

    method: str
    path: str
    view: View
    may: frozenset[str]
    limit: int = FORM_LIMIT
    part: bool = False
    summary: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    answer: str = "object"

    @property
    def api(self) -> bool:
        return self.path.startswith("/api/")


class Undeclared(Exception):
    """A route that does not say who may use it."""


def checked(routes: list[Route]) -> list[Route]:
    """The routes, if each is declared and none twice. Raises Undeclared."""
    known = rights.EVERYONE | rights.ALWAYS
    seen = set()
    for route in routes:
        if not route.may or not route.may <= known:
            raise Undeclared(f"{route.method} {route.path}: {sorted(route.may)}")
        if (route.method, route.path) in seen:
            raise Undeclared(f"{route.method} {route.path} stands twice")
        seen.add((route.method, route.path))
    return routes
