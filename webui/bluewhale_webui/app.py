"""The application: routes behind one door, where rights, forms, sizes and faults are dealt with once."""

import logging
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import bottle

from bluewhale_webui import access, csrf, guard, render, rights
from bluewhale_webui.answers import JSON, TEXT, Answer, NotModified, Problem, as_json, see
from bluewhale_webui.context import Context
from bluewhale_webui.routes import all_routes
from bluewhale_webui.routing import Route, checked
from bluewhale_webui.web import Web

log = logging.getLogger("bluewhale")
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def make_app(web: Web) -> guard.App:
    """The WSGI application of a box."""
    app = bottle.Bottle()
    app.catchall = False
    for route in checked(all_routes()):
        app.route(route.path, route.method, partial(_serve, web, route))
    app.default_error_handler = partial(_not_ours, web)
    return guard.guard(app, web.hosts, web.config.web.tls)


def _serve(web: Web, route: Route, **parts: str) -> bottle.HTTPResponse:
    return _answered(web, route.api, lambda ctx: _run(ctx, route, parts))


def _not_ours(web: Web, error: bottle.HTTPError) -> Any:
    """Bottle found no route, or the method or body is wrong."""
    path = bottle.request.path
    status = error.status_code if error.status_code in (400, 404, 405, 413) else 404

    def fail(ctx: Context) -> Answer:
        _identify(ctx)
        if not web.set_up():
            return _first_set_up(ctx, path.startswith("/api/"))
        raise Problem(
            status,
            ctx.text("This page does not exist.")
            if status == 404
            else ctx.text("This request cannot be read."),
        )

    answer = _answered(web, path.startswith("/api/"), fail)
    bottle.response.status = answer.status
    for name, value in answer.headers.items():
        bottle.response.set_header(name, value)
    return answer.body


def _answered(web: Web, api: bool, view: Callable[[Context], Answer]) -> bottle.HTTPResponse:
    """Runs a view; its problems and faults become answers too."""
    web.counters.requests += 1
    ctx = Context(web, bottle.request)
    try:
        answer = view(ctx)
    except NotModified as same:
        answer = Answer(status=304, headers=[("ETag", same.tag)])
    except Problem as problem:
        answer = _problem(ctx, api, problem)
    except bottle.HTTPError as error:  # a body Bottle cannot parse
        answer = _problem(ctx, api, Problem(error.status_code, ctx.text("This request cannot be read.")))
    except Exception:
        web.counters.faults += 1
        number = secrets.token_hex(4)
        log.exception("fault %s: %s %s", number, ctx.method, ctx.path)
        text = ctx.text(
            "Something went wrong here. Quote %(number)s when you report it.",
            number=number,
        )
        answer = _problem(ctx, api, Problem(500, text))
    response = bottle.HTTPResponse(answer.body, answer.status)
    if answer.status != 304:
        response.set_header("Content-Type", answer.type)
    for name, value in [*answer.headers, *ctx.headers]:
        response.add_header(name, value)
    return response


def _problem(ctx: Context, api: bool, problem: Problem) -> Answer:
    if api:
        return Answer(
            body=as_json({"error": problem.text}).body,
            status=problem.status,
            type=JSON,
            headers=problem.headers,
        )
    try:
        return ctx.page("problem.html", status=problem.status, headers=problem.headers, problem=problem)
    except Exception:  # not even that: the box's files are away
        log.exception("the page of a problem: %s", problem.text)
        return Answer(body=f"{problem.text}\n", status=problem.status, type=TEXT, headers=problem.headers)


def _run(ctx: Context, route: Route, parts: dict[str, str]) -> Answer:
    bearer = _identify(ctx, api=route.api or route.path == "/metrics")
    if not ctx.web.set_up():
        if not route.may & rights.BEFORE:
            return _first_set_up(ctx, route.api)
    elif route.may == rights.BEFORE:
        return see("/")
    if route.may.isdisjoint(rights.ALWAYS):
        refused = _let_in(ctx, route)
        if refused:
            return refused
    if ctx.method in UNSAFE:
        _read_form(ctx, route, bearer)
    return route.view(ctx, **parts)


def _first_set_up(ctx: Context, api: bool) -> Answer:
    """Nothing is told before the set-up code was used."""
    if api:
        raise Problem(403, ctx.text("This box is not set up yet."))
    if ctx.method in UNSAFE:
        raise Problem(403, ctx.text("This box is not set up yet."))
    return see("/setup")


def _identify(ctx: Context, api: bool = False) -> bool:
    """Who asks, by token (API) or session; the language. True if it was a token."""
    web = ctx.web
    header = str(bottle.request.environ.get("HTTP_AUTHORIZATION", ""))
    if header.startswith("Bearer "):
        if api:
            ctx.who = web.token(header.removeprefix("Bearer ").strip())
        ctx.language = "en"
        return True
    _find_session(ctx)
    chosen = [
        ctx.session.language if ctx.session else None,
        ctx.who.language if ctx.who else None,
        ctx.cookie("bw-language"),
    ]
    accepted = str(bottle.request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    ctx.language = next((c for c in chosen if c in render.LANGUAGES), None) or render.best_language(accepted)
    return False


def _find_session(ctx: Context) -> None:
    """The session of the cookie, as long as it runs and its user's rights and password are as they were."""
    secret = ctx.cookie("bw")
    live = bool(
        bottle.request.environ.get("HTTP_X_LIVE")
    )  # a page that keeps itself fresh: nobody need be there
    session = access.find_session(ctx.web.access, secret, seen=not live) if secret else None
    if session is None:
        return
    if not session.user and not ctx.web.set_up():  # the wizard, between its two steps
        ctx.session, ctx.session_secret = session, secret
        return
    account = ctx.web.published.get().users.get(session.user)
    if account is None or ctx.web.mark(session.user) != session.mark:
        access.close_session(ctx.web.access, session)
        return
    ctx.session, ctx.session_secret = session, secret
    ctx.who = ctx.web.who(session.user, account)


def _let_in(ctx: Context, route: Route) -> Answer | None:
    if ctx.may(route.may) or (route.part and ctx.who is not None and ctx.who.role in route.may):
        return None
    if ctx.who is not None and ctx.who.role in route.may:
        raise Problem(403, ctx.text("This is for those who may see the whole box."))
    if ctx.who is not None:
        raise Problem(403, ctx.text("Your role may not do this."))
    if route.api or route.path == "/metrics":
        raise Problem(401, ctx.text("Sign in, or send a token."), [("WWW-Authenticate", "Bearer")])
    if ctx.method == "GET":
        return see(ctx.link("/login", **dict.fromkeys(ctx.query), next=ctx.link()))
    return see("/login")


def _read_form(ctx: Context, route: Route, bearer: bool) -> None:
    """The fields of a form, once its size and token are right. A token (API) needs no form token."""
    length = bottle.request.content_length
    if length > route.limit:
        raise Problem(
            413, ctx.text("This is too large: at most %(size)s MB.", size=route.limit // 1_000_000 or 1)
        )
    fields = bottle.request.POST
    for name in fields:
        value = fields.get(name)
        if isinstance(value, str):
            ctx.form[name] = fields.getunicode(name) or ""
        else:
            ctx.files[name] = value
    if not bearer and not csrf.holds(ctx.web.key, ctx.form_secret(), ctx.path, ctx.form.get(csrf.FIELD, "")):
        raise Problem(
            403, ctx.text("This form is too old. Go back, load the page again and send it once more.")
        )
