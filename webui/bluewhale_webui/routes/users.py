"""Users and API tokens: who may come in, as what, and see how much."""

import secrets
from typing import Any

import msgspec

from bluewhale_webui import access, auth, rights
from bluewhale_webui.answers import Answer, Problem, see
from bluewhale_webui.context import Context
from bluewhale_webui.routes.box import links
from bluewhale_webui.routes.setup import NO_STORE, Faults, account_faults, password_faults
from bluewhale_webui.routing import Route


def show(ctx: Context, *, faults: Faults | None = None, token: str = "", status: int = 200) -> Answer:
    published = ctx.web.published.get()
    known = ctx.web.secrets.get()
    last: dict[str, float] = {}
    for at, user, _, what in reversed(access.logins(ctx.web.access, 1000)):
        if what in ("in", "setup"):
            last[user] = at
    return ctx.page(
        "users.html",
        status=status,
        headers=NO_STORE,
        users=published.users,
        tokens=published.tokens,
        with_password=set(known),
        scopes={
            name: rights.scope_text(account.scope)
            for name, account in (published.users | published.tokens).items()
        },
        last={name: int(at * 1_000_000) for name, at in last.items()},
        faults=faults or [],
        typed={key: value for key, value in ctx.form.items() if key in ("name", "role", "scope")},
        new_token=token,
        roles=rights.ROLES,
        links=links(ctx),
        outcome=ctx.outcome(),
        zone=ctx.web.facts.now().zone,
    )


def _account(ctx: Context) -> tuple[dict[str, Any], Faults]:
    """Role and scope of a form."""
    role = ctx.form.get("role", "")
    faults: Faults = [] if role in rights.ROLES else [("role", ctx.text("Choose a role."))]
    try:
        scope = rights.parse_scope(ctx.form.get("scope", "").strip() or "all")
    except ValueError:
        scope = rights.ScopeNames()
        faults.append(("scope", ctx.text("Write all, or names such as: site=main, department=Sales")))
    return {"role": role, "scope": msgspec.to_builtins(scope)}, faults


def add(ctx: Context) -> Answer:
    name, password = ctx.form.get("name", "").strip(), ctx.form.get("password", "")
    value, faults = _account(ctx)
    faults = account_faults(ctx, name, password, ctx.form.get("again", "")) + faults
    if name in ctx.web.published.get().users:
        faults.append(("name", ctx.text("This name is taken.")))
    if faults:
        return show(ctx, faults=faults, status=422)
    outcome = ctx.change("user", name, value, expects=0)
    if outcome.state != "refused":
        auth.set_password(ctx.web.config, name, password)
    return ctx.changed(outcome, "/users")


def change(ctx: Context, name: str) -> Answer:
    """Another role, another password, or gone."""
    account = ctx.web.published.get().users.get(name)
    if account is None:
        raise Problem(404, ctx.text("There is no such user."))
    what = ctx.form.get("what", "")
    if what == "remove":
        outcome = ctx.change("user", name, None)
        if outcome.state == "applied":
            auth.forget(ctx.web.config, name)
            access.close_sessions(ctx.web.access, name)
        return ctx.changed(outcome, "/users")
    if what == "password":
        password = ctx.form.get("password", "")
        faults = password_faults(ctx, name, password, password)
        if faults:
            return show(ctx, faults=[("", f"{name}: {text}") for _, text in faults], status=422)
        auth.set_password(ctx.web.config, name, password)
        access.close_sessions(ctx.web.access, name)
        access.log_login(ctx.web.access, name, ctx.address, "password")
        return see("/users")
    value, faults = _account(ctx)
    if faults:
        return show(ctx, faults=faults, status=422)
    return ctx.changed(ctx.change("user", name, value | {"language": account.language}), "/users")


def add_token(ctx: Context) -> Answer:
    """A new API token; it is shown once."""
    value, faults = _account(ctx)
    name = ctx.form.get("name", "").strip()[:80]
    if not name:
        faults.append(("token-name", ctx.text("Give it a name, so that it can be told from others.")))
    if faults:
        return show(ctx, faults=faults, status=422)
    number = secrets.token_hex(4)
    outcome = ctx.change("token", number, value | {"name": name}, expects=0)
    if outcome.state == "refused":
        return ctx.changed(outcome, "/users")
    return show(ctx, token=auth.new_token(ctx.web.config, number))


def remove_token(ctx: Context, number: str) -> Answer:
    auth.forget_token(ctx.web.config, number)
    return ctx.changed(ctx.change("token", number, None), "/users")


ROUTES = (
    Route("GET", "/users", show, rights.ADMINISTRATORS),
    Route("POST", "/users", add, rights.ADMINISTRATORS),
    Route("POST", "/users/<name>", change, rights.ADMINISTRATORS),
    Route("POST", "/tokens", add_token, rights.ADMINISTRATORS),
    Route("POST", "/tokens/<number>/remove", remove_token, rights.ADMINISTRATORS),
)
