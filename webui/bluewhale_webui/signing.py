"""Coming in and going out: the session a person gets, and the accounts behind it."""

import time

from bluewhale_webui import access, auth
from bluewhale_webui.context import Context

PUBLISHED_S, POLL_S = 3.0, 0.03


def come_in(ctx: Context, user: str, mark: str, what: str, language: str | None = None) -> None:
    """A new session under a new id; the one there was ends."""
    if ctx.session:
        access.close_session(ctx.web.access, ctx.session)
    secret = access.open_session(ctx.web.access, user, mark, ctx.address, language)
    ctx.set_cookie("bw", secret)
    access.log_login(ctx.web.access, user, ctx.address, what)


def go_out(ctx: Context) -> None:
    if ctx.session:
        access.close_session(ctx.web.access, ctx.session)
        access.log_login(ctx.web.access, ctx.session.user, ctx.address, "out")
    ctx.set_cookie("bw", "", max_age=0)


def right_password(ctx: Context, user: str, password: str) -> str | None:
    """The mark for a session if name and password fit. Takes as long for unknown names."""
    secret = ctx.web.secrets.get().get(user)
    known = ctx.web.mark(user)
    return known if auth.matches(secret if known else None, password) else None


def published(ctx: Context, user: str) -> str | None:
    """Waits until the ledger has told of a user that was just made; its mark, None if it takes too long."""
    deadline = time.monotonic() + PUBLISHED_S
    while True:
        mark = ctx.web.mark(user)
        if mark or time.monotonic() > deadline:
            return mark
        time.sleep(POLL_S)


def local(place: str) -> str:
    """A place of this box to go on to; anything else is the home page."""
    good = place.startswith("/") and not place.startswith("//") and "\\" not in place and place.isprintable()
    return place if good and not place.startswith(("/login", "/logout", "/language")) else "/"
