"""The first sign-in: the set-up code from the console, then the first administrator."""

import re

from bluewhale import setup_code
from bluewhale.setup_code import Answer as Code
from bluewhale_webui import access, auth, render, rights, signing, texts
from bluewhale_webui.answers import Answer, see
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route

NO_STORE = [("Cache-Control", "no-store")]
MARK = "set-up code was right"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
Faults = list[tuple[str, str]]


def show(ctx: Context) -> Answer:
    if _code_was_right(ctx):
        return _administrator(ctx)
    return ctx.page("setup_code.html", headers=NO_STORE, faults=[])


def code(ctx: Context) -> Answer:
    language = ctx.form.get("language", ctx.language)
    if language in render.LANGUAGES:
        ctx.language = language
        ctx.set_cookie("bw-language", language, max_age=365 * 86400)
    with auth.hashing:
        found = setup_code.check(ctx.web.config, ctx.form.get("code", "")[:40])
    if found is Code.RIGHT:
        secret = access.open_session(ctx.web.access, "", MARK, ctx.address, ctx.language)
        ctx.set_cookie("bw", secret)
        return see("/setup")
    text = {
        Code.WRONG: ctx.text("This is not the code. After five wrong tries it is locked for a minute."),
        Code.LOCKED: ctx.text("Too many wrong codes: wait a minute, then try again."),
        Code.EXPIRED: ctx.text(
            "There is no valid code (any more). Make a new one on the console: bluewhale setup-code"
        ),
        Code.DONE: ctx.text("This box is set up already."),
    }[found]
    status = 429 if found is Code.LOCKED else 403
    return ctx.page("setup_code.html", status=status, headers=NO_STORE, faults=[("code", text)])


def administrator(ctx: Context) -> Answer:
    if not _code_was_right(ctx):
        return see("/setup")
    name, password = ctx.form.get("name", "").strip(), ctx.form.get("password", "")
    faults = account_faults(ctx, name, password, ctx.form.get("again", ""))
    if faults:
        return _administrator(ctx, faults, name)
    session = ctx.session
    ctx.who = rights.Who(name, rights.ADMINISTRATOR)
    value = {"role": rights.ADMINISTRATOR, "scope": {}, "language": ctx.language}
    try:
        made = ctx.change("user", name, value, why="set-up")
        if made.state == "refused":
            return _administrator(ctx, [("name", ctx.why(made.why))], name)
        auth.set_password(ctx.web.config, name, password)
        ctx.change("setup", "done", {"by": name}, why="set-up")
    finally:
        ctx.who = None
    setup_code.use(ctx.web.config)
    if session:
        access.close_session(ctx.web.access, session)
    mark = signing.published(ctx, name)
    if mark is None:  # the ledger is behind: the account works as soon as it has caught up
        ctx.set_cookie("bw", "", max_age=0)
        return see("/login")
    signing.come_in(ctx, name, mark, "setup", ctx.language)
    return see("/")


def account_faults(ctx: Context, name: str, password: str, again: str) -> Faults:
    """What is wrong with a new account, by field."""
    faults: Faults = []
    if not NAME.fullmatch(name):
        faults.append(
            (
                "name",
                ctx.text(
                    "A name has 1 to 40 letters A to Z, digits, '.', '_' or '-', and begins with a letter or digit."
                ),
            )
        )
    return faults + password_faults(ctx, name, password, again)


def password_faults(ctx: Context, name: str, password: str, again: str) -> Faults:
    faults: Faults = []
    if found := auth.fault(name, password):
        faults.append(("password", ctx.word(texts.PASSWORD, found)))
    elif password != again:
        faults.append(("again", ctx.text("The two passwords are not the same.")))
    return faults


def _code_was_right(ctx: Context) -> bool:
    return ctx.session is not None and ctx.session.mark == MARK


def _administrator(ctx: Context, faults: Faults | None = None, name: str = "") -> Answer:
    return ctx.page(
        "setup_administrator.html",
        status=422 if faults else 200,
        headers=NO_STORE,
        faults=faults or [],
        name=name,
    )


ROUTES = (
    Route("GET", "/setup", show, rights.BEFORE),
    Route("POST", "/setup", code, rights.BEFORE),
    Route("POST", "/setup/administrator", administrator, rights.BEFORE),
)
