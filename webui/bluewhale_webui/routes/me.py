"""One's own account: password, language, where one is signed in."""

import msgspec

from bluewhale_webui import access, auth, render, rights, signing, throttle
from bluewhale_webui.answers import Answer, Problem, see
from bluewhale_webui.context import Context
from bluewhale_webui.routes.setup import NO_STORE, Faults, password_faults
from bluewhale_webui.routing import Route


def show(ctx: Context, *, faults: Faults | None = None, status: int = 200) -> Answer:
    assert ctx.who is not None
    account = ctx.web.published.get().users.get(ctx.who.name)
    return ctx.page(
        "me.html",
        status=status,
        headers=NO_STORE,
        scope=rights.scope_text(account.scope) if account else "",
        faults=faults or [],
        sessions=access.sessions_of(ctx.web.access, ctx.who.name),
        here=ctx.session.key if ctx.session else b"",
        done=ctx.query.get("done", ""),
        outcome=ctx.outcome(),
        zone=ctx.web.facts.now().zone,
    )


def password(ctx: Context) -> Answer:
    """A new password, by the old one; other sessions end."""
    assert ctx.who is not None
    name, new = ctx.who.name, ctx.form.get("password", "")
    wait = throttle.wait_s(ctx.web.access, name, ctx.address)
    if wait or signing.right_password(ctx, name, ctx.form.get("old", "")) is None:
        if not wait:
            throttle.wrong(ctx.web.access, name, ctx.address)
        return show(ctx, faults=[("old", ctx.text("This is not your password."))], status=403)
    faults = password_faults(ctx, name, new, ctx.form.get("again", ""))
    if faults:
        return show(ctx, faults=faults, status=422)
    auth.set_password(ctx.web.config, name, new)
    access.close_sessions(ctx.web.access, name)
    mark = ctx.web.mark(name)
    assert mark is not None
    signing.come_in(ctx, name, mark, "password", ctx.session.language if ctx.session else None)
    return see("/me?done=password")


def language(ctx: Context) -> Answer:
    """The language of the account, for every browser."""
    assert ctx.who is not None
    to = ctx.form.get("to", "")
    account = ctx.web.published.get().users.get(ctx.who.name)
    if to not in render.LANGUAGES or account is None:
        raise Problem(400, ctx.text("There is no such language here."))
    value = {"role": account.role, "scope": msgspec.to_builtins(account.scope), "language": to}
    outcome = ctx.change("user", ctx.who.name, value)
    if ctx.session and outcome.state != "refused":
        access.set_language(ctx.web.access, ctx.session, to)
    return ctx.changed(outcome, "/me")


def sign_out_everywhere(ctx: Context) -> Answer:
    assert ctx.who is not None
    access.close_sessions(ctx.web.access, ctx.who.name)
    access.log_login(ctx.web.access, ctx.who.name, ctx.address, "out")
    ctx.set_cookie("bw", "", max_age=0)
    return see("/login")


ROUTES = (
    Route("GET", "/me", show, rights.EVERYONE),
    Route("POST", "/me/password", password, rights.EVERYONE),
    Route("POST", "/me/language", language, rights.EVERYONE),
    Route("POST", "/me/sessions", sign_out_everywhere, rights.EVERYONE),
)
