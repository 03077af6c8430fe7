"""Sign in, sign out, choose the language."""

from bluewhale_webui import access, render, rights, signing, throttle
from bluewhale_webui.answers import Answer, Problem, see
from bluewhale_webui.context import Context
from bluewhale_webui.routing import Route

NO_STORE = [("Cache-Control", "no-store")]
ALARM_AFTER = 20


def show(ctx: Context) -> Answer:
    if ctx.who:
        return see("/")
    return _form(ctx, next=signing.local(ctx.query.get("next", "/")))


def sign_in(ctx: Context) -> Answer:
    user, password = ctx.form.get("name", "").strip()[:80], ctx.form.get("password", "")
    place = signing.local(ctx.form.get("next", "/"))
    wait = throttle.wait_s(ctx.web.access, user, ctx.address)
    if wait:
        access.log_login(ctx.web.access, user, ctx.address, "locked")
        return _form(ctx, name=user, next=place, wait=wait, status=429, headers=[("Retry-After", str(wait))])
    mark = signing.right_password(ctx, user, password)
    if mark is None:
        throttle.wrong(ctx.web.access, user, ctx.address)
        access.log_login(ctx.web.access, user, ctx.address, "wrong")
        wait = throttle.wait_s(ctx.web.access, user, ctx.address)
        return _form(ctx, name=user, next=place, wait=wait, wrong=True, status=401)
    throttle.right(ctx.web.access, user)
    chosen = ctx.cookie("bw-language")
    signing.come_in(ctx, user, mark, "in", chosen if chosen in render.LANGUAGES else None)
    return see(place)


def sign_out(ctx: Context) -> Answer:
    signing.go_out(ctx)
    return see("/login")


def language(ctx: Context) -> Answer:
    """Keeps the choice for this browser; for good it is chosen on the page "Me"."""
    to = ctx.form.get("to", "")
    if to not in render.LANGUAGES:
        raise Problem(400, ctx.text("There is no such language here."))
    ctx.set_cookie("bw-language", to, max_age=365 * 86400)
    if ctx.session:
        access.set_language(ctx.web.access, ctx.session, to)
    return see(signing.local(ctx.form.get("back", "/")) if ctx.who else _outside(ctx))


def _outside(ctx: Context) -> str:
    back = ctx.form.get("back", "")
    return back if back.startswith(("/login", "/setup")) and back.isprintable() and "\\" not in back else "/"


def _form(
    ctx: Context, *, status: int = 200, headers: list[tuple[str, str]] | None = None, name: str = "", next: str = "/",
    wrong: bool = False, wait: int = 0,
) -> Answer:  # fmt: skip
    return ctx.page(
        "login.html",
        status=status,
        headers=[*NO_STORE, *(headers or [])],
        name=name,
        next=next,
        wrong=wrong,
        wait=wait,
    )


ROUTES = (
    Route("GET", "/login", show, rights.OPEN),
    Route("POST", "/login", sign_in, rights.OPEN),
    Route("POST", "/logout", sign_out, rights.EVERYONE),
    Route("POST", "/language", language, rights.ALWAYS),
)
