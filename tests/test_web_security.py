"""The security list of the pages, line by line, against the whole application."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluewhale import setup_code
from bluewhale.config import Config
from bluewhale.config import Web as WebConfig
from bluewhale_webui import app as application_module
from bluewhale_webui import auth, guard, rights, routes
from bluewhale_webui.app import make_app
from bluewhale_webui.routing import Route, Undeclared, checked
from bluewhale_webui.web import Web
from web_boxes import PASSWORD, ROLES, Browser, signed_in

USERS = {role: {"role": role, "scope": {}} for role in ROLES}


def config_of(directory: Path, *, done: bool = True, **web: object) -> Config:
    """A box without any other role: what the ledger would publish is laid down by hand, in its own shape."""
    import msgspec

    config = Config(data=str(directory), web=WebConfig(**web))  # type: ignore[arg-type]
    file = config.settings_file("web")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode({"users": USERS if done else {}, "tokens": {}, "setup_done": done}))
    if done:
        for role in ROLES:
            auth.set_password(config, role, PASSWORD)
    return config


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config_of(tmp_path_factory.mktemp("security"))


@pytest.fixture(scope="module")
def web(config: Config) -> Iterator[Web]:
    opened = Web(config)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(web: Web) -> guard.App:
    return make_app(web)


@pytest.fixture
def new(tmp_path: Path) -> Iterator[tuple[Config, Browser]]:
    """A box that is not set up."""
    config = config_of(tmp_path, done=False)
    web = Web(config)
    yield config, Browser(make_app(web))
    web.close()


def example(route: Route) -> str:
    return re.sub(r"<(\w+)>", lambda found: {"by": "day"}.get(found[1], "x"), route.path)


ALL = routes.all_routes()


# headers


@pytest.mark.parametrize(
    "path", ["/login", "/", "/nowhere", "/healthz", "/api/v1/calls", "/static/x/app.css"]
)
def test_every_answer_carries_the_headers(app: guard.App, path: str) -> None:
    answer = Browser(app).get(path)
    for name, value in guard.HEADERS.items():
        assert answer.headers[name.lower()] == value, path
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers, (
        "a self-signed certificate must not lock anybody out"
    )


def test_static_files_are_kept_for_ever_and_only_under_their_own_address(web: Web, app: guard.App) -> None:
    for name, (place, data) in web.static.items():
        answer = Browser(app).get(place)
        assert (answer.status, answer.body) == (200, data)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert Browser(app).get(f"/static/000000000000/{name}").status == 404
    assert Browser(app).get("/static/x/../../setup_code.py").status == 404


@pytest.mark.parametrize("path", ["/login", "/users", "/me", "/healthz"])
def test_what_must_not_be_kept_says_so(app: guard.App, path: str) -> None:
    browser = signed_in(app, "administrator") if path in ("/users", "/me") else Browser(app)
    assert browser.get(path).headers["cache-control"] == "no-store"


def test_pages_are_private(app: guard.App) -> None:
    assert signed_in(app, "viewer").get("/calls").headers["cache-control"] == "private, no-cache"


# nothing inline, nothing from elsewhere


@pytest.mark.parametrize("route", [r for r in ALL if r.method == "GET" and not r.api], ids=lambda r: r.path)
def test_no_inline_script_or_style_and_nothing_from_elsewhere(app: guard.App, route: Route) -> None:
    answer = signed_in(app, "administrator").get(example(route))
    if "text/html" not in answer.headers.get("content-type", ""):
        return
    text = answer.text
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|<[^>]+\son[a-z]+=|javascript:", text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


# the box's own name


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8080", 200), ("127.0.0.1", 200), ("[::1]:8080", 200), ("box.example", 200), ("BOX.example.:80", 200),
     ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("198.51.100.9", 421), ("", 421), ("[::1", 200)],
)  # fmt: skip
def test_only_the_box_s_own_names_answer(tmp_path: Path, host: str, status: int) -> None:
    web = Web(config_of(tmp_path, names=["box.example"]))
    assert Browser(make_app(web), host).get("/healthz").status == status
    web.close()


# forms


def test_a_form_needs_the_browser_s_word_and_the_token(app: guard.App) -> None:
    browser = Browser(app)
    browser.get("/login")
    form = f"token={browser.tokens['/login']}&name=viewer&password={PASSWORD}".encode()
    kind = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}

    def post(body: bytes = form, **headers: str) -> int:
        return browser.call("POST", "/login", body, **(kind | headers)).status

    assert post(HTTP_SEC_FETCH_SITE="cross-site") == 403
    assert post(HTTP_SEC_FETCH_SITE="same-site") == 403
    assert post(HTTP_SEC_FETCH_SITE="none") == 403
    assert post(HTTP_SEC_FETCH_SITE="") == 403, "no word at all"
    assert post(HTTP_SEC_FETCH_SITE="", HTTP_ORIGIN="http://evil.example") == 403
    assert post(HTTP_SEC_FETCH_SITE="", HTTP_ORIGIN="null") == 403
    assert post(HTTP_SEC_FETCH_SITE="", HTTP_ORIGIN="https://localhost:8080") == 403
    assert post(HTTP_SEC_FETCH_SITE="", HTTP_REFERER="http://localhost:8080.evil.example/login") == 403
    assert post(form.replace(b"token=", b"token=A")) == 403
    assert post(b"name=viewer&password=" + PASSWORD.encode()) == 403
    assert post(HTTP_SEC_FETCH_SITE="", HTTP_ORIGIN="http://localhost:8080") == 303
    browser = Browser(app)
    browser.get("/login")
    form = f"token={browser.tokens['/login']}&name=viewer&password={PASSWORD}".encode()
    assert post(form, HTTP_SEC_FETCH_SITE="", HTTP_REFERER="http://localhost:8080/login") == 303


def test_a_token_of_one_session_or_form_is_none_of_another(app: guard.App) -> None:
    one, other = signed_in(app, "administrator"), signed_in(app, "administrator")
    one.get("/me")
    other.tokens["/me/sessions"] = one.tokens["/me/sessions"]
    assert other.post("/me/sessions").status == 403
    one.tokens["/logout"] = one.tokens["/me/sessions"]
    assert one.post("/logout").status == 403
    assert one.get("/").status == 200, "still signed in"


@pytest.mark.parametrize("route", [r for r in ALL if r.method == "POST"], ids=lambda r: r.path)
def test_no_post_works_without_a_token(app: guard.App, new: tuple[Config, Browser], route: Route) -> None:
    browser = new[1] if route.may == rights.BEFORE else signed_in(app, "administrator")
    browser.tokens.clear()
    assert browser.post(example(route), code="x", name="x").status == 403


def test_get_changes_nothing(app: guard.App) -> None:
    browser = signed_in(app, "viewer")
    before = browser.get("/calls").text
    for path in ("/calls?lang=zh", "/calls?language=zh", "/?to=zh"):
        assert browser.get(path).status == 200
    assert 'lang="en"' in before
    assert 'lang="en"' in browser.get("/calls").text
    assert browser.get("/logout").status == 405


def test_a_chunked_form_is_not_read(app: guard.App) -> None:
    answer = Browser(app).call("POST", "/login", HTTP_TRANSFER_ENCODING="chunked")
    assert answer.status == 411


def test_a_form_that_is_too_large_is_refused_unread(app: guard.App) -> None:
    browser = Browser(app)
    browser.get("/login")
    assert browser.post("/login", name="x" * 70_000).status == 413


# rights


def test_each_route_of_the_table_is_declared() -> None:
    assert len(ALL) > 50
    assert {route.path for route in ALL if not route.may.isdisjoint(rights.ALWAYS)} == {
        "/static/<version>/<name>", "/healthz", "/setup", "/setup/administrator", "/login", "/language",
    }  # fmt: skip


def test_an_undeclared_route_does_not_start(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    view = ALL[0].view
    for may in (frozenset(), frozenset({"everybody"})):
        with pytest.raises(Undeclared, match="/secret"):
            checked([Route("GET", "/secret", view, may)])
    with pytest.raises(Undeclared, match="twice"):
        checked([Route("GET", "/a", view, rights.STAFF), Route("GET", "/a", view, rights.STAFF)])
    with pytest.raises(TypeError):
        Route("GET", "/secret", view)  # type: ignore[call-arg]
    monkeypatch.setattr(
        application_module, "all_routes", lambda: [*ALL, Route("GET", "/x", view, frozenset())]
    )
    with pytest.raises(Undeclared):
        make_app(web)


def expected(route: Route, role: str) -> set[int]:
    """What a role gets from a route with nonsense parameters; None: the door is open to it."""
    if route.may.isdisjoint(rights.ALWAYS) and role not in route.may:
        return {403} if role else {401} if route.api or route.path == "/metrics" else {303}
    return set()


@pytest.mark.parametrize("role", ["", *ROLES])
def test_all_routes_by_all_roles(app: guard.App, role: str) -> None:
    browser = signed_in(app, role) if role else Browser(app)
    checked_routes = 0
    for route in ALL:
        if route.path == "/logout" or route.may == rights.BEFORE:
            continue
        if route.method == "POST":
            browser.tokens.clear()
            answer = browser.post(example(route))
        else:
            answer = browser.get(example(route))
        wanted = expected(route, role)
        checked_routes += 1
        if wanted:
            assert answer.status in wanted, (
                f"{route.method} {route.path} as {role or 'nobody'}: {answer.status}"
            )
            if answer.status == 303:
                assert answer.headers["location"].startswith("/login")
        elif route.method == "GET" and route.path not in ("/login", "/static/<version>/<name>"):
            assert answer.status in (200, 404, 400), f"{route.path} as {role}: {answer.status}"
    assert checked_routes > 50


def test_a_user_without_password_or_record_does_not_come_in(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    auth.forget(config, "viewer")
    auth.set_password(config, "ghost", PASSWORD)
    web = Web(config)
    for name in ("viewer", "ghost", ""):
        assert Browser(make_app(web)).sign_in(name).status == 401
    web.close()


# sessions


def test_the_cookie_is_as_tight_as_it_can_be(app: guard.App, tmp_path: Path) -> None:
    browser = Browser(app)
    cookie = next(c for c in browser.sign_in("viewer").cookies if c.startswith("bw="))
    assert "; Path=/; HttpOnly; SameSite=Lax" in cookie
    assert "Secure" not in cookie, "plain HTTP on the bench"
    web = Web(config_of(tmp_path, tls=True))
    browser = Browser(make_app(web))
    cookies = [*browser.get("/login").cookies, *browser.sign_in("viewer").cookies]
    assert any(c.startswith("__Host-bw=") for c in cookies)
    for text in cookies:
        assert text.startswith("__Host-")
        assert "; Path=/; HttpOnly; SameSite=Lax; Secure" in text
    web.close()


def test_signing_in_gives_a_new_id_and_ends_the_old_one(app: guard.App) -> None:
    browser = signed_in(app, "viewer")
    old = browser.cookies["bw"]
    thief = Browser(app)
    thief.cookies["bw"] = old
    assert thief.get("/").status == 200
    browser.cookies["bw"] = old
    browser.tokens.clear()
    browser.get("/me")
    browser.post("/logout")
    browser.sign_in("viewer")
    assert browser.cookies["bw"] != old
    assert thief.get("/").status == 303


def test_a_new_password_or_role_ends_sessions(tmp_path: Path) -> None:
    import msgspec

    config = config_of(tmp_path)
    web = Web(config)
    app = make_app(web)
    browser = signed_in(app, "operator")
    auth.set_password(config, "operator", PASSWORD + "x")
    assert browser.get("/feeds").status == 303
    browser = Browser(app)
    browser.sign_in("operator", PASSWORD + "x")
    assert browser.get("/feeds").status == 200
    users = USERS | {"operator": {"role": "viewer", "scope": {}}}
    config.settings_file("web").write_bytes(
        msgspec.json.encode({"users": users, "tokens": {}, "setup_done": True, "watermark": {}})
    )
    assert browser.get("/feeds").status == 303, "the session of the old role is gone"
    web.close()


# guessing


def test_a_wrong_password_tells_nothing_and_five_make_one_wait(tmp_path: Path) -> None:
    web = Web(config_of(tmp_path))
    app = make_app(web)
    said = set()
    for name in ("viewer", "nobody"):
        browser = Browser(app)
        for number in range(5):
            answer = browser.sign_in(name, "wrong-word-1")
            assert answer.status == 401
            text = re.sub(r'value="[^"]*"', "", answer.text.replace(name, "NAME"))
            said.add((number == 4, text))
        answer = browser.sign_in(name, PASSWORD)
        assert answer.status == 429, "even the right one has to wait"
        assert int(answer.headers["retry-after"]) <= 30
    assert len(said) == 2, "known and unknown names are told the same"
    web.close()


def test_the_place_to_go_on_to_is_never_elsewhere(app: guard.App) -> None:
    for place in (
        "//evil.example/",
        "https://evil.example",
        "/\\evil.example",
        "/login?next=/",
        "javascript:x",
    ):
        browser = Browser(app)
        browser.get("/login")
        assert browser.post("/login", name="viewer", password=PASSWORD, next=place).headers["location"] == "/"
    browser = Browser(app)
    answer = browser.get("/calls?number=0755*")
    assert answer.headers["location"] == "/login?next=%2Fcalls%3Fnumber%3D0755%252A"
    browser.get(answer.headers["location"])
    answer = browser.post("/login", name="viewer", password=PASSWORD, next="/calls?number=0755*")
    assert answer.headers["location"] == "/calls?number=0755*"


# set-up


def test_before_set_up_only_the_wizard_answers(new: tuple[Config, Browser]) -> None:
    _, browser = new
    answered = set()
    for route in ALL:
        if route.method != "GET":
            continue
        answer = browser.get(example(route))
        if route.api:
            assert answer.status == 403
            assert answer.json["error"]
        elif answer.status == 303:
            assert answer.headers["location"] == "/setup"
        else:
            answered.add(route.path)
    assert answered == {"/setup", "/healthz", "/static/<version>/<name>"}
    assert browser.get("/nowhere").headers["location"] == "/setup"
    browser.get("/setup")
    assert browser.post("/login", name="x", password="y").status == 403


def test_after_set_up_the_wizard_is_closed(app: guard.App) -> None:
    assert Browser(app).get("/setup").headers["location"] == "/"
    browser = Browser(app)
    browser.get("/login")
    assert browser.post("/setup", code="x").status == 303
    assert browser.post("/setup/administrator", name="x").status == 303


def test_the_administrator_s_form_needs_the_code_first(new: tuple[Config, Browser]) -> None:
    config, browser = new
    code = setup_code.renew(config)
    assert code
    browser.get("/setup")
    answer = browser.post("/setup", code="AAAAA-BBBBB")
    assert answer.status == 403
    assert "not the code" in answer.text
    assert 'action="/setup/administrator"' not in browser.get("/setup").text
    browser.tokens["/setup/administrator"] = browser.tokens["/setup"]
    assert browser.post("/setup/administrator", name="limin", password=PASSWORD, again=PASSWORD).status == 403
    assert browser.post("/setup", code=code).headers["location"] == "/setup"
    answer = browser.get("/setup")
    assert 'action="/setup/administrator"' in answer.text
    answer = browser.post("/setup/administrator", name="李敏", password="short", again="short")
    assert answer.status == 422
    assert answer.text.count("■") >= 2
    assert "short" not in re.sub(r"too short", "", answer.text), "the password is not shown again"
    stranger = Browser(browser.app)
    assert 'action="/setup/administrator"' not in stranger.get("/setup").text


def test_while_capture_is_away_nothing_can_be_changed_and_nothing_was(new: tuple[Config, Browser]) -> None:
    config, browser = new
    code = setup_code.renew(config)
    assert code
    browser.get("/setup")
    browser.post("/setup", code=code)
    browser.get("/setup")
    answer = browser.post("/setup/administrator", name="limin", password=PASSWORD, again=PASSWORD)
    assert answer.status == 503
    assert "Nothing can be changed now" in answer.text
    assert not setup_code.done(config)
    assert not auth.users_file(config).exists()


# faults


def test_a_fault_shows_a_number_and_no_stack(
    web: Web, app: guard.App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    browser = signed_in(app, "viewer")

    def broken() -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(web.facts, "now", broken)
    answer = browser.get("/calls")
    assert answer.status == 500
    assert "Traceback" not in answer.text
    assert "secret of the inside" not in answer.text
    number = re.search(r"Quote ([0-9a-f]{8})", answer.text)
    assert number
    assert f"fault {number[1]}" in caplog.text
    assert "secret of the inside" in caplog.text
    answer = browser.get("/api/v1/calls")
    assert answer.status == 500
    assert set(answer.json) == {"error"}
    monkeypatch.setattr(web, "health", broken)
    answer = browser.get("/calls")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert re.fullmatch(r"Something went wrong here\. Quote [0-9a-f]{8} when you report it\.\n", answer.text)


def test_text_is_squeezed_and_only_when_asked(app: guard.App) -> None:
    browser = Browser(app)
    answer = browser.get("/login")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(answer.raw) < len(answer.body)
    assert "accept-encoding" in answer.headers["vary"].lower()
    plain = browser.get("/login", HTTP_ACCEPT_ENCODING="")
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in browser.get("/login", HTTP_ACCEPT_ENCODING="gzip;q=0, br").headers
    assert "content-encoding" not in browser.get("/healthz").headers


def test_signing_in_takes_no_longer_for_unknown_names(app: guard.App) -> None:
    """Not to the millisecond: that no hash is left out."""
    browser = Browser(app)
    browser.sign_in("nobody-here", "wrong-word-1")
    spent = []
    for name in ("accountant", "nobody-here"):
        began = time.thread_time()
        browser.sign_in(name, "wrong-word-1")
        spent.append(time.thread_time() - began)
    assert spent[1] > spent[0] / 3
