"""The pages on a real box: its ledger rates real records, its capture takes the changes."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

import web_boxes
from bluewhale.config import Config
from bluewhale.ledger import plan
from bluewhale_webui import csrf
from bluewhale_webui.facts import Facts
from bluewhale_webui.web import Web
from waiting import until
from web_boxes import Browser, signed_in

Opened = tuple[Web, Callable[..., object]]
CALLS = 127


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    with web_boxes.running(tmp_path_factory.mktemp("pages")) as config:
        yield config


@pytest.fixture(scope="module")
def opened(config: Config) -> Iterator[Opened]:
    web, app = web_boxes.application(config)
    yield web, app
    web.close()


@pytest.fixture(scope="module")
def boss(opened: Opened) -> Browser:
    return signed_in(opened[1], "administrator")


def rows(text: str) -> list[str]:
    body = re.search(r"<tbody>(.*?)</tbody>", text, re.S)
    return re.findall(r"<tr.*?</tr>", body[1], re.S) if body else []


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


# calls


def test_calls_are_newest_first_and_paged_by_place(boss: Browser) -> None:
    seen: list[str] = []
    place = "/calls?limit=50"
    pages = [place]
    while True:
        text = boss.get(place).text
        seen += re.findall(r'href="/calls/([0-9a-f]+\.feed\.\d+\.\d+)', text)
        older = re.search(r'href="([^"]+)" rel="next"', text)
        if not older:
            break
        place = older[1].replace("&amp;", "&")
        pages.append(place)
    assert len(pages) == 3
    assert len(seen) == len(set(seen)) == CALLS
    positions = [int(call.split(".")[2]) for call in seen]
    assert positions == sorted(positions, reverse=True)
    for back in (pages[1], pages[0]):
        newer = re.search(r'href="([^"]+)" rel="prev"', text)
        assert newer
        place = newer[1].replace("&amp;", "&")
        text = boss.get(place).text
        assert boss.get(back).text.count("<tr") == text.count("<tr")
    assert 'rel="prev"' not in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("extension=8012", 40),
        ("extension=8200", 7),
        ("number=982661234", 40),
        ("number=%2B8675582661234", 40),
        ("number=*1234", 40),
        ("number=9138*", 40),
        ("number=075587654321", 7),
        ("direction=incoming", 7),
        ("unpriced=1", 36),
        ("unassigned=1", 40),
        ("unanswered=1", 12),
        ("text=Mobile", 40),
        ("since=2026-11-25&until=2026-11-25", CALLS),
        ("since=2026-11-26", 0),
        ("until=2026-11-24", 0),
        ("extension=8012&direction=incoming", 0),
        ("number=%25", 0),
        ("number=_", 0),
        ("text=%27%20OR%201%3D1%20--", 0),
    ],
)
def test_searches(boss: Browser, query: str, found: int) -> None:
    answer = boss.get(f"/calls?limit=500&{query}")
    assert answer.status == 200
    assert len(rows(answer.text)) == found
    if not found:
        assert "No call matches" in answer.text


def test_what_is_set_stands_in_a_sentence_and_in_chips_that_drop_it(boss: Browser) -> None:
    text = boss.get("/calls?extension=8012&direction=outgoing").text
    assert "Extension 8012, outgoing." in words(text)
    assert 'href="/calls?extension=8012" aria-label="Without outgoing"' in text
    assert 'href="/calls?direction=outgoing" aria-label="Without extension 8012"' in text
    assert 'value="8012"' in text


def test_the_total_of_a_search_is_that_of_its_calls(boss: Browser) -> None:
    text = words(boss.get("/calls?direction=outgoing&limit=500").text)
    total = re.search(r"(\d+) calls, (.+?), ¥([\d.]+)\.", text)
    assert total
    items = boss.get("/api/v1/calls?direction=outgoing&limit=500").json["items"]
    assert int(total[1]) == len(items) == 120
    assert float(total[3]) * 1_000_000 == sum(item.get("charge_micros") or 0 for item in items)


@pytest.mark.parametrize(
    "query",
    ["before=x", "before=1.2.3", "since=yesterday", "until=2026-13-01"],
)
def test_nonsense_is_refused_in_words(boss: Browser, query: str) -> None:
    answer = boss.get(f"/calls?{query}")
    assert answer.status == 400
    assert "<h1>" in answer.text


def test_not_priced_is_a_state_and_never_nought(boss: Browser) -> None:
    found = rows(boss.get("/calls?unpriced=1&limit=500").text)
    assert len(found) == 36
    for row in found:
        assert "▲" in row
        assert "Not priced" in row
        assert "0.00" not in row
    for row in rows(boss.get("/calls?unanswered=1&limit=500").text):
        assert "Not answered" in row
        assert "0.00" not in row
    link = re.search(r'href="(/calls/[^"?]+)', found[0])
    assert link
    text = boss.get(link[1]).text
    assert "no rate for" in text
    assert 'href="/prices"' in text, "the link that mends it"


def test_an_unchanged_page_is_not_sent_again(boss: Browser, config: Config) -> None:
    answer = boss.get("/calls")
    tag = answer.headers["etag"]
    again = boss.get("/calls", HTTP_IF_NONE_MATCH=tag)
    assert (again.status, again.body) == (304, b"")
    assert boss.get("/calls?limit=7", HTTP_IF_NONE_MATCH=tag).status == 200
    other = signed_in(boss.app, "viewer")
    assert other.get("/calls", HTTP_IF_NONE_MATCH=tag).status == 200, "another reader"
    web_boxes.change(config, "site", "annex", {"zone": "Asia/Shanghai"})
    assert boss.get("/calls", HTTP_IF_NONE_MATCH=tag).status == 200, "a setting changed"


# one call


def call_of(boss: Browser, query: str) -> str:
    link = re.search(r'href="(/calls/[^"]+)"', boss.get(f"/calls?{query}").text.split("<tbody>")[1])
    assert link
    return link[1].replace("&amp;", "&")


def test_one_call_down_to_its_bytes(boss: Browser) -> None:
    place = call_of(boss, "extension=8012&number=982661234")
    text = boss.get(place).text
    said = words(text)
    assert "8012 王芳 called 98266 1234" in said
    assert "(Shenzhen)" in said
    assert "Plan “telecom”. Rate “Local”, prefix +86755." in said
    assert "0–180" in said
    assert "Payer extension 8012, 王芳 Department 财务部" in said
    raw = re.search(r"<pre[^>]*>(.*?)</pre>", text, re.S)
    assert raw
    assert re.fullmatch(r"2026/11/25 \d\d:\d\d:07,.*,8012,O,982661234,.*", raw[1].split("<span")[0].strip())
    assert 'href="/calls?extension=8012&amp;number=982661234"' in text, "back to the search"
    assert text.count("<svg") == 3, "the mark, and the time line twice"


def test_the_sum_of_the_spans_is_the_charge(boss: Browser) -> None:
    text = boss.get(call_of(boss, "extension=8101&number=913800138000")).text
    table = text.split("Price</h2>")[1].split("</table>")[0]
    sums = [float(found) for found in re.findall(r'class="r">(\d+\.\d\d)</td>', table)]
    assert len(sums) >= 2
    assert sum(sums[:-1]) == pytest.approx(sums[-1])


def test_a_call_outside_the_scope_is_not_there(boss: Browser, opened: Opened) -> None:
    mine, others = call_of(boss, "extension=8012"), call_of(boss, "extension=8101")
    branch = signed_in(opened[1], "branch")
    assert branch.get(mine).status == 200
    assert branch.get(others).status == 404
    assert len(rows(branch.get("/calls?limit=500").text)) == 40
    assert "Chen Qiang" not in branch.get("/calls?limit=500").text
    nobody = signed_in(opened[1], "nothing")
    assert not rows(nobody.get("/calls?limit=500").text)
    assert nobody.get(mine).status == 404
    for browser, count in ((branch, "40"), (nobody, "0")):
        report = boss_total(browser.get("/reports/department?since=2026-11-01&until=2026-11-30").text)
        assert report == (count if count != "0" else None)


def boss_total(text: str) -> str | None:
    foot = re.search(r"<tfoot>(.*?)</tfoot>", text, re.S)
    return re.findall(r'class="r">([\d,]+)</td>', foot[1])[0] if foot else None


@pytest.mark.parametrize(
    "call_id", ["x", "0" * 16 + ".feed.1.2", "a.b.c.d", "..%2f..%2fsecrets", "0.owner.0.10"]
)
def test_a_call_that_is_none_is_not_found(boss: Browser, call_id: str) -> None:
    assert boss.get(f"/calls/{call_id}").status == 404


# home and box


def test_home_says_how_the_box_is_and_what_is_left_to_do(boss: Browser, opened: Opened) -> None:
    text = boss.get("/").text
    assert len(re.findall(r'class="fig"', text)) == 4
    assert "Latest calls" in text
    assert text.count('class="c nw"') == 10
    assert re.search(r"<h1>(Today|Wed 25 Nov 2026)</h1>", text)
    assert "To do on this new box" not in text, "all is done here"
    assert 'aria-current="page">Home' in text
    assert [word for word in ("Home", "Calls", "Reports", "Directory", "Prices", "Box") if f">{word}</a>" in text] == [
        "Home", "Calls", "Reports", "Directory", "Prices", "Box",
    ]  # fmt: skip
    viewer = signed_in(opened[1], "viewer").get("/").text
    assert ">Prices</a>" not in viewer
    assert ">Box</a>" not in viewer


def test_home_shows_the_newest_day_when_all_is_old(
    boss: Browser, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "today", lambda self: 20270301)
    text = words(boss.get("/").text)
    assert "Wed 25 Nov 2026 The day of the newest calls; none are of the last 14 days" in text
    assert "Calls 127" in text
    monkeypatch.setattr(Facts, "today", lambda self: 20261130)
    text = words(boss.get("/").text)
    assert "Today Mon 30 Nov 2026" in text
    assert "Calls today 0" in text


def test_periods_count_from_today(boss: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(period: str, today: int) -> int:
        monkeypatch.setattr(Facts, "today", lambda self: today)
        return len(rows(boss.get(f"/calls?limit=500&period={period}").text))

    assert found("today", 20261125) == found("yesterday", 20261126) == CALLS
    assert found("today", 20261126) == found("yesterday", 20261125) == 0
    assert found("week", 20261129) == found("last-week", 20261130) == CALLS
    assert found("week", 20261130) == found("last-week", 20261129) == 0
    assert found("month", 20261130) == found("last-month", 20261231) == CALLS
    assert found("month", 20261201) == found("last-month", 20261130) == 0


def test_rejects_show_the_reason_and_the_bytes_as_text(boss: Browser) -> None:
    text = boss.get("/rejects").text
    assert "not a record of this format" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert '<span class="ctl">NUL</span>' in text
    assert boss.get("/rejects?before=x").status == 400


def test_feeds_with_their_format(boss: Browser) -> None:
    text = boss.get("/feeds/main").text
    assert "avaya-ipoffice" in text
    assert "127" in words(text)
    assert boss.get("/feeds/none").status == 404


# reports


@pytest.mark.parametrize("by", ["day", "department", "extension", "destination"])
def test_a_report_s_total_is_the_sum_of_its_rows(boss: Browser, by: str) -> None:
    text = boss.get(f"/reports/{by}?since=2026-11-01&until=2026-11-30").text
    table = re.search(r"<tbody>(.*?)</tbody>\s*<tfoot>(.*?)</tfoot>", text.split('class="scroll"')[1], re.S)
    assert table

    def numbers(html: str) -> list[float]:
        cells = re.findall(r'<td class="r(?: o)?">(.*?)</td>', html)
        return [float(cells[at].replace(",", "").replace("–", "0")) for at in (0, 1, 3, 4)]

    found = [numbers(row) for row in re.findall(r"<tr.*?</tr>", table[1], re.S)]
    total = numbers(table[2])
    assert found
    assert [round(sum(column), 2) for column in zip(*found)] == total
    assert total[0] == (120 if by == "destination" else CALLS)


def test_unassigned_is_a_row_and_rows_lead_to_their_calls(boss: Browser) -> None:
    text = boss.get("/reports/department?since=2026-11-25&until=2026-11-25").text
    row = next(row for row in rows(text) if "Unassigned" in row)
    link = re.search(r'href="([^"]+)"', row)
    assert link
    count = re.search(r'class="r">(\d+)</td>', row)
    assert count
    calls = boss.get(link[1].replace("&amp;", "&") + "&limit=500").text
    assert len(rows(calls)) == int(count[1]) == 40


def test_a_report_as_a_table_for_excel(boss: Browser) -> None:
    answer = boss.get("/reports/department/csv?since=2026-11-01&until=2026-11-30")
    assert answer.headers["content-disposition"].startswith(
        "attachment; filename*=UTF-8''department-2026-11-01"
    )
    text = answer.body.decode("utf-8-sig")
    assert answer.body.startswith("\ufeff".encode())
    lines = [line.split(",") for line in text.splitlines()]
    assert lines[0] == ["Department", "Calls", "Answered", "Talk time (s)", "Not priced", "Charge (CNY)"]
    assert sum(int(line[1]) for line in lines[1:-1]) == int(lines[-1][1]) == CALLS


def test_a_cell_from_outside_is_no_formula() -> None:
    from bluewhale_webui.routes.reports import _cell

    assert [_cell(text) for text in ("=1+1", "@x", "+86755", "-5", "-x", "Sales")] == [
        "'=1+1",
        "'@x",
        "+86755",
        "-5",
        "'-x",
        "Sales",
    ]


# the directory

TABLE = "分机,姓名,部门\n8012,王芳,财务部\n8101,Chen Qiang,Sales\n8455,New One,Sales\n80 a,x,y\n"


def test_a_table_is_previewed_then_applied(boss: Browser, config: Config) -> None:
    boss.get("/directory")
    answer = boss.upload("/directory/preview", TABLE.encode("gb18030"))
    said = words(answer.text)
    assert answer.status == 200
    assert "1 new, 1 changed, 1 as before, 1 not in the table" in said
    assert "Line 5: not an extension" in said
    assert "International → Sales" in said
    assert "8455" not in boss.get("/directory").text, "nothing is changed yet"
    answer = boss.post("/directory/apply", upload=hidden(answer.text, "upload"))
    assert answer.status == 303
    text = boss.get(answer.headers["location"]).text
    assert "Applied." in text
    assert "New One" in text
    assert "Front desk" in text, "kept, because it was not asked for"
    log = boss.get("/log").text
    assert "table uploaded" in log
    # the same table again: nothing to change
    answer = boss.upload("/directory/preview", TABLE.replace("80 a,x,y\n", "").encode())
    assert "0 new, 0 changed, 3 as before" in words(answer.text)


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', text)
    assert found
    return found[1]


def test_an_upload_is_its_owner_s_and_used_once(boss: Browser, opened: Opened) -> None:
    boss.get("/directory")
    number = hidden(boss.upload("/directory/preview", b"extension,person\n8600,Q\n").text, "upload")
    operator = signed_in(opened[1], "operator")
    operator.get("/directory")
    operator.tokens["/directory/apply"] = hidden(
        operator.upload("/directory/preview", b"extension,person\n8601,R\n").text.split(
            'action="/directory/apply"'
        )[1],
        "token",
    )
    assert operator.post("/directory/apply", upload=number).status == 410
    assert operator.post("/directory/apply", upload="../../secrets/web/users").status == 410
    assert boss.post("/directory/apply", upload=number).status == 303
    assert boss.post("/directory/apply", upload=number).status == 410


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "empty"), (b"\xff\xfe\xff\x81\x00", "Nothing was imported"), (b"a,b\n1,2\n", "unknown heading"), (b"extension\n\"8", "Nothing was imported")],
)  # fmt: skip
def test_a_broken_table_is_told_and_changes_nothing(boss: Browser, data: bytes, said: str) -> None:
    boss.get("/directory")
    assert said in boss.upload("/directory/preview", data).text


def test_a_table_that_is_too_large_is_not_read(boss: Browser) -> None:
    boss.get("/directory")
    answer = boss.call(
        "POST",
        "/directory/preview",
        b"",
        CONTENT_LENGTH="17000000",
        CONTENT_TYPE="multipart/form-data; boundary=x",
    )
    assert answer.status == 413


def test_one_extension_set_and_taken_out(boss: Browser) -> None:
    boss.get("/directory")
    answer = boss.post("/directory/row", extension="8700", person="Solo", department="Legal")
    assert "Applied." in boss.get(answer.headers["location"]).text
    assert "Solo" in boss.get("/directory?text=solo").text
    answer = boss.post("/directory/row", extension="8700", remove="1")
    assert "Applied." in boss.get(answer.headers["location"]).text
    assert "Solo" not in boss.get("/directory?text=solo").text.split("<tbody>")[-1].split("</tbody>")[0]


def test_a_large_change_goes_in_records_the_journal_takes() -> None:
    from bluewhale_webui.routes.directory import IN_ONE, parts

    value = {
        "set": [{"extension": str(n), "person": "x" * 100} for n in range(20_000)],
        "remove": [{"site": "main", "extension": "1"}],
    }
    made = parts(value)
    assert len(made) > 1
    assert all(len(json.dumps(part)) <= IN_ONE * 1.2 for part in made)
    assert [row for part in made for row in part["set"]] == value["set"]
    assert [row for part in made for row in part["remove"]] == value["remove"]


# prices

NEW_PLAN = web_boxes.PLAN.replace('name = "telecom"', 'name = "next-year"').replace('"0.30"', '"0.25"')


def test_a_plan_is_previewed_then_applied_and_prices_calls(boss: Browser, config: Config) -> None:
    boss.get("/prices")
    answer = boss.upload("/prices/preview", NEW_PLAN.encode(), "plan.toml")
    assert "A new plan “next-year”" in answer.text
    assert "next-year" not in boss.get("/prices").text
    boss.upload("/prices/preview", NEW_PLAN.encode(), "plan.toml")
    answer = boss.post("/prices/apply", upload=hidden(answer.text, "upload"))
    text = boss.get(answer.headers["location"]).text
    assert "Applied." in text
    assert "next-year" in text
    changed = NEW_PLAN.replace('"0.11"', '"0.12"')
    answer = boss.upload("/prices/preview", changed.encode(), "plan.toml")
    assert "A new version of the plan" in answer.text
    assert "0.11 / 60 s" in answer.text
    assert "0.12 / 60 s" in answer.text


def test_what_is_wrong_with_a_plan_is_told_by_line(boss: Browser) -> None:
    boss.get("/prices")
    answer = boss.upload("/prices/preview", NEW_PLAN.replace('"CNY"', '"yuan"').encode(), "plan.toml")
    assert answer.status == 422
    assert "not a currency code" in answer.text
    assert "Line 3" in words(answer.text)
    assert "Nothing was changed" in answer.text
    answer = boss.upload("/prices/preview", b"name = \n", "plan.toml")
    assert answer.status == 422
    assert "Line 1" in answer.text
    assert boss.upload("/prices/preview", b"\xff\xfe", "plan.toml").status == 422


def test_a_plan_as_a_table_goes_out_and_comes_in(boss: Browser) -> None:
    answer = boss.get("/prices/telecom/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.body.decode("utf-8-sig")
    assert plan.load(text, "x.csv") == plan.load(web_boxes.PLAN, "x.toml") | {
        "rate": plan.load(text, "x.csv")["rate"]
    }
    boss.get("/prices")
    table = text.replace("telecom", "表格资费")
    answer = boss.upload("/prices/preview", table.encode("gb18030"), "prices.csv")
    assert answer.status == 200, words(answer.text)
    assert "A new plan “表格资费”: 2 rates, CNY" in words(answer.text)
    answer = boss.upload("/prices/preview", text.replace("0.30,", "dear,").encode(), "prices.csv")
    assert answer.status == 422
    assert "not an amount" in answer.text
    assert re.search(r"Line \d", words(answer.text))


def test_a_number_is_tried_against_a_plan(boss: Browser) -> None:
    text = words(boss.get("/prices/telecom?number=982661234&seconds=200").text)
    assert "+8675582661234 costs ¥0.31" in text
    assert "no rate for" in boss.get("/prices/telecom?number=90033142685300").text
    assert boss.get("/prices/none").status == 404


def test_a_plan_goes_out_as_it_came_in(boss: Browser) -> None:
    answer = boss.get("/prices/telecom/json")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert plan.load(answer.text, "x.json") == plan.load(web_boxes.PLAN, "x.toml")


def test_a_plan_in_force_cannot_be_deleted(boss: Browser, opened: Opened) -> None:
    path = "/prices/telecom/remove"  # the page does not offer it
    boss.tokens[path] = csrf.token(opened[0].key, boss.cookies["bw"], path)
    answer = boss.post("/prices/telecom/remove")
    text = boss.get(answer.headers["location"]).text
    assert "Refused:" in text
    assert "is in use" in text


# users, site, feeds


def test_a_user_comes_is_changed_and_goes(boss: Browser, opened: Opened) -> None:
    web, app = opened
    boss.get("/users")
    answer = boss.post("/users", name="zhao", role="viewer", scope="all", password="short", again="short")
    assert answer.status == 422
    assert "too short" in answer.text
    assert 'value="zhao"' in answer.text, "what was typed is kept"
    answer = boss.post(
        "/users",
        name="zhao",
        role="viewer",
        scope="department=财务部",
        password="night-train-88",
        again="night-train-88",
    )
    assert answer.status == 303
    assert "Applied." in boss.get(answer.headers["location"]).text
    until(lambda: web.mark("zhao"), 5, "the ledger has published the user")
    zhao = Browser(app)
    assert zhao.sign_in("zhao", "night-train-88").status == 303
    assert len(rows(zhao.get("/calls?limit=500").text)) == 40
    assert (
        boss.post(
            "/users",
            name="zhao",
            role="viewer",
            scope="all",
            password="night-train-88",
            again="night-train-88",
        ).status
        == 422
    )
    boss.get("/users")
    boss.post("/users/zhao", what="rights", role="operator", scope="all")
    until(lambda: web.published.get().users["zhao"].role == "operator", 5)
    assert zhao.get("/").status == 303, "signed out by the new role"
    boss.get("/users")
    boss.post("/users/zhao", what="remove")
    until(lambda: "zhao" not in web.published.get().users, 5)
    assert Browser(app).sign_in("zhao", "night-train-88").status == 401


def test_the_last_administrator_stays(boss: Browser) -> None:
    boss.get("/users")
    answer = boss.post("/users/administrator", what="rights", role="viewer", scope="all")
    text = boss.get(answer.headers["location"]).text
    assert "Refused:" in text
    assert "last administrator" in text


def test_a_token_is_shown_once_and_works_until_it_is_removed(boss: Browser, opened: Opened) -> None:
    web, app = opened
    boss.get("/users")
    answer = boss.post("/tokens", name="billing", role="accountant", scope="all")
    token = re.search(r"<pre[^>]*>([0-9a-f]{8}\.[\w-]+)</pre>", answer.text)
    assert token
    number = token[1].partition(".")[0]
    assert token[1] not in boss.get("/users").text
    until(lambda: number in web.published.get().tokens, 5)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {token[1]}"}
    assert len(Browser(app).get("/api/v1/calls", **bearer).json["items"]) == 50
    assert Browser(app).get("/api/v1/feeds", **bearer).status == 403
    assert Browser(app).get("/calls", **bearer).status == 303, "a token is for the API alone"
    boss.get("/users")
    boss.post(f"/tokens/{number}/remove")
    assert Browser(app).get("/api/v1/calls", **bearer).status == 401


def test_the_site_is_set(boss: Browser) -> None:
    boss.get("/sites")
    fields = {
        "site": "main",
        "zone": "Asia/Shanghai",
        "country": "+86",
        "area": "755",
        "access_codes": "9, 0",
        "local_digits": "8",
    }
    answer = boss.post("/sites", **fields)
    text = boss.get(answer.headers["location"]).text
    assert "Applied." in text
    assert 'value="9 0"' in text
    assert (
        "Refused:"
        in boss.get(boss.post("/sites", **(fields | {"zone": "Mars/Olympus"})).headers["location"]).text
    )
    assert boss.post("/sites", **(fields | {"local_digits": "many"})).status == 400
    assert (
        "Applied."
        in boss.get(boss.post("/sites", **(fields | {"access_codes": "9"})).headers["location"]).text
    )


def test_a_feed_is_added_and_refused_in_words(boss: Browser) -> None:
    boss.get("/feeds")
    answer = boss.post(
        "/feeds",
        new="1",
        enabled="1",
        name="second",
        url="folder:/srv/none",
        format="auto",
        site="main",
        allow="",
    )
    assert "Applied." in boss.get(answer.headers["location"]).text
    answer = boss.post(
        "/feeds", new="1", enabled="1", name="third", url="gopher:70", format="auto", site="main", allow=""
    )
    assert "Refused:" in boss.get(answer.headers["location"]).text
    answer = boss.post(
        "/feeds",
        new="1",
        enabled="1",
        name="second",
        url="folder:/srv/other",
        format="auto",
        site="main",
        allow="",
    )
    assert "Refused:" in boss.get(answer.headers["location"]).text, "the name is taken"
    boss.get("/feeds/second")
    answer = boss.post("/feeds/second/remove")
    assert "Applied." in boss.get(answer.headers["location"]).text


# me


def test_a_new_password_by_the_old_one(opened: Opened) -> None:
    app = opened[1]
    browser, elsewhere = signed_in(app, "accountant"), signed_in(app, "accountant")
    browser.get("/me")
    new = "night-train-99"
    assert browser.post("/me/password", old="wrong-word-1", password=new, again=new).status == 403
    assert browser.post("/me/password", old=web_boxes.PASSWORD, password=new, again=new + "x").status == 422
    assert browser.post("/me/password", old=web_boxes.PASSWORD, password=new, again=new).status == 303
    assert "signed out everywhere else" in browser.get("/me?done=password").text
    assert elsewhere.get("/").status == 303
    browser.get("/me")
    assert (
        browser.post("/me/password", old=new, password=web_boxes.PASSWORD, again=web_boxes.PASSWORD).status
        == 303
    )


def test_the_language_of_the_account_and_of_the_browser(
    opened: Opened,
) -> None:
    web, app = opened
    browser = signed_in(app, "viewer")
    browser.get("/calls")
    answer = browser.post("/language", to="zh", back="/calls?extension=8012")
    assert answer.headers["location"] == "/calls?extension=8012"
    text = browser.get("/calls").text
    assert '<html lang="zh-Hans">' in text
    assert "话单" in text
    assert browser.post("/language", to="xx", back="/").status == 400
    browser.get("/me")
    browser.post("/me/language", to="zh")
    until(lambda: web.published.get().users["viewer"].language == "zh", 5)
    other = signed_in(app, "viewer")
    assert '<html lang="zh-Hans">' in other.get("/").text
    other.get("/me")
    other.post("/me/language", to="en")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/calls",
        "/reports/day",
        "/directory",
        "/prices",
        "/box",
        "/feeds",
        "/rejects",
        "/users",
        "/log",
        "/me",
        "/sites",
        "/alarms",
    ],
)
def test_each_page_has_one_heading_a_title_and_labels(boss: Browser, path: str) -> None:
    text = boss.get(path).text
    assert text.count("<h1") == 1
    assert re.search(r"<title>[^<]+ · Bluewhale</title>", text)
    assert '<main id="main">' in text
    assert 'href="#main"' in text
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids)), "an id stands twice"
    labels = set(re.findall(r'<label for="([^"]+)"', text))
    for field in re.findall(r"<(?:input|select)[^>]*>", text):
        if 'type="hidden"' in field or 'type="checkbox"' in field or 'type="radio"' in field:
            continue
        name = re.search(r'\sid="([^"]+)"', field)
        assert name, field
        assert name[1] in labels, field
    assert not re.search(r"<th[^>]*>\s*</th>", text), "an empty head"
