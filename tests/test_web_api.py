"""/api/v1: the pages' reads as JSON, by token or session; its document names every route; /metrics."""

import base64
import subprocess
import sys
from collections.abc import Callable, Iterator

import msgspec
import pytest

import web_boxes
from bluewhale import setup_code
from bluewhale.config import Config
from bluewhale_webui import auth, openapi
from bluewhale_webui.routes import api
from bluewhale_webui.web import Web
from waiting import until
from web_boxes import Answer, Browser, signed_in

Opened = tuple[Web, Callable[..., object]]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    with web_boxes.running(tmp_path_factory.mktemp("api")) as config:
        yield config


@pytest.fixture(scope="module")
def opened(config: Config) -> Iterator[Opened]:
    web, app = web_boxes.application(config)
    yield web, app
    web.close()


def command(config: Config, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "bluewhale", *words, "--data", config.data]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def token(config: Config, opened: Opened) -> str:
    """Made by the command line, as a script would."""
    done = command(config, "token", "create", "--scope", "all", "--role", "administrator", "--name", "tests")
    assert done.returncode == 0, done.stderr
    made = done.stdout.strip()
    until(lambda: made.partition(".")[0] in opened[0].published.get().tokens, 10, "the token is published")
    return made


def get(opened: Opened, path: str, token: str) -> Answer:
    return Browser(opened[1]).get(f"/api/v1/{path}", HTTP_AUTHORIZATION=f"Bearer {token}")


LISTS = ("calls", "summary", "feeds", "directory", "plans", "rejects")


@pytest.mark.parametrize("path", LISTS)
def test_lists_have_one_shape(opened: Opened, token: str, path: str) -> None:
    answer = get(opened, path, token)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) >= {"items", "next"}
    assert isinstance(answer.json["items"], list)


def test_calls_are_paged_and_nothing_unknown_is_null(opened: Opened, token: str) -> None:
    seen, place = [], "calls?limit=50"
    while True:
        page = get(opened, place, token).json
        seen += page["items"]
        if page["next"] is None:
            break
        place = f"calls?limit=50&before={page['next']}"
    assert len(seen) == 127
    assert len({call["call_id"] for call in seen}) == 127
    assert all(value is not None for call in seen for value in call.values())
    assert get(opened, "calls?before=x", token).status == 400
    assert get(opened, "calls?before=x", token).json["error"]


def test_a_call_with_its_lines_and_bytes(opened: Opened, token: str) -> None:
    call = get(opened, "calls?extension=8012&limit=1", token).json["items"][0]
    whole = get(opened, f"calls/{call['call_id']}", token).json
    assert (
        whole["charge_micros"]
        == call["charge_micros"]
        == sum(line["charge_micros"] for line in whole["lines"])
    )
    data = base64.b64decode(whole["raw"][0]["base64"])
    assert data.startswith(b"2026/11/25")
    assert whole["raw"][0]["origin"] == call["call_id"]
    assert get(opened, "calls/0000.feed.1.1", token).status == 404


def test_a_summary_s_total_is_the_sum_of_its_rows(opened: Opened, token: str) -> None:
    for by in ("day", "department", "extension", "direction", "site", "destination"):
        answer = get(opened, f"summary?by={by}", token).json
        assert sum(row["calls"] for row in answer["items"]) == answer["total"]["calls"] == 127
        money = sum(row["money"].get("CNY", {}).get("charge_micros", 0) for row in answer["items"])
        assert money == answer["total"]["money"]["CNY"]["charge_micros"] > 0
    assert get(opened, "summary?by=colour", token).status == 400


def test_pages_and_api_say_the_same(opened: Opened, token: str) -> None:
    browser = signed_in(opened[1], "administrator")
    for query in ("unpriced=1", "number=9138*", "direction=incoming"):
        items = browser.get(f"/api/v1/calls?limit=500&{query}").json["items"]
        text = browser.get(f"/calls?limit=500&{query}").text
        assert items
        assert all(item["call_id"] in text for item in items)
        assert text.count("/calls/") == len(items)


def test_status_and_feeds(opened: Opened, token: str) -> None:
    status = get(opened, "status", token).json
    assert set(status) == {"box", "roles", "alarms", "watermark"}
    assert status["watermark"]["seq"] == 127


def test_rejects_have_their_reason(opened: Opened, token: str) -> None:
    items = get(opened, "rejects", token).json["items"]
    assert [item["why"] for item in items] == ["foreign"]
    assert items[0]["origin"].count(".") == 3


def test_without_a_token_or_session_nothing_is_told(opened: Opened) -> None:
    for path in (*LISTS, "status", "openapi.json", "calls/x", "nothing"):
        for header in ({}, {"HTTP_AUTHORIZATION": "Bearer x.y"}, {"HTTP_AUTHORIZATION": "Bearer "}):
            answer = Browser(opened[1]).get(f"/api/v1/{path}", **header)
            assert answer.status == (404 if path == "nothing" else 401)
            assert set(answer.json) == {"error"}
            if answer.status == 401:
                assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_s_session_cookie_is_not_looked_at(opened: Opened) -> None:
    browser = signed_in(opened[1], "administrator")
    assert browser.get("/api/v1/calls").status == 200, "the session of the pages works too"
    assert browser.get("/api/v1/calls", HTTP_AUTHORIZATION="Bearer x.y").status == 401, (
        "a token takes no cookie"
    )


def test_the_document_names_every_route(opened: Opened, token: str) -> None:
    document = get(opened, "openapi.json", token).json
    assert document["openapi"].startswith("3.")
    paths = {openapi.PART.sub(r"{\1}", route.path) for route in api.ROUTES}
    assert set(document["paths"]) == paths
    assert len(paths) >= 9
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert {"200", "401", "403"} <= set(operation["responses"])
    parameters = document["paths"]["/api/v1/calls"]["get"]["parameters"]
    assert {"number", "extension", "since", "until", "direction", "before", "limit"} <= {
        p["name"] for p in parameters
    }


def test_metrics_for_prometheus(opened: Opened, token: str) -> None:
    answer = Browser(opened[1]).get("/metrics", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert answer.status == 200
    assert "# TYPE bluewhale_web_requests_total counter" in answer.text
    assert Browser(opened[1]).get("/metrics").status == 401


# the commands


def test_a_scoped_token_sees_its_scope(config: Config, opened: Opened) -> None:
    done = command(config, "token", "create", "--scope", "department=财务部")
    assert done.returncode == 0, done.stderr
    made = done.stdout.strip()
    until(lambda: made.partition(".")[0] in opened[0].published.get().tokens, 10)
    items = get(opened, "calls?limit=500", made).json["items"]
    assert len(items) == 40
    assert {item["department_name"] for item in items} == {"财务部"}
    assert get(opened, "summary?by=department", made).json["total"]["calls"] == 40
    assert get(opened, "feeds", made).status == 403
    listed = [msgspec.json.decode(line) for line in command(config, "token", "list").stdout.splitlines()]
    assert {
        "id": made.partition(".")[0],
        "name": made.partition(".")[0],
        "role": "viewer",
        "scope": "department=财务部",
    } in listed
    assert command(config, "token", "remove", made.partition(".")[0]).returncode == 0
    until(lambda: get(opened, "calls", made).status == 401, 10)
    assert command(config, "token", "create", "--scope", "room=7").returncode == 2


def test_a_user_by_command(config: Config, opened: Opened) -> None:
    add = ("user", "add", "qian", "--role", "operator", "--password-stdin")
    for bad in ("short-7\n", "password123\n", "\n"):
        done = command(config, *add, stdin=bad)
        assert done.returncode == 2
        assert "password:" in done.stderr
    assert command(config, *add, stdin="night-train-88\n").returncode == 0
    until(lambda: opened[0].mark("qian"), 10)
    assert Browser(opened[1]).sign_in("qian", "night-train-88").status == 303
    listed = command(config, "user", "list").stdout
    assert '{"name":"qian","role":"operator","scope":"all","password":true}' in listed
    assert command(config, "user", "remove", "qian").returncode == 0
    until(lambda: opened[0].mark("qian") is None, 10)
    assert Browser(opened[1]).sign_in("qian", "night-train-88").status == 401
    assert command(config, "user", "remove", "qian").returncode == 1


def test_the_set_up_code_by_command(config: Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = command(config, "setup-code")
    assert done.returncode == 1
    assert "set up already" in done.stderr
    fresh = Config(data=str(tmp_path_factory.mktemp("fresh")))
    done = command(fresh, "setup-code")
    assert done.returncode == 0
    assert setup_code.check(fresh, done.stdout.split()[2]) is setup_code.Answer.RIGHT


def test_an_administrator_by_command_closes_the_wizard_even_while_the_box_is_down(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    fresh = Config(data=str(tmp_path_factory.mktemp("down")))
    done = command(
        fresh, "user", "add", "limin", "--role", "administrator", "--password-stdin", stdin="night-train-88\n"
    )
    assert done.returncode == 0, done.stderr
    assert setup_code.done(fresh)
    assert auth.users_file(fresh).exists()
    with web_boxes.role(fresh, "ledger"):
        web, app = web_boxes.application(fresh)
        until(lambda: web.mark("limin"), 20, "the ledger has published the user")
        assert Browser(app).sign_in("limin", "night-train-88").status == 303
        web.close()
