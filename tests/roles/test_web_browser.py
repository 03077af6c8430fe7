"""The pages in a real browser, on a real box: set-up, calls, phone, policy, without script, kept fresh."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from boxes import Box
from waiting import until
from web_boxes import PASSWORD, record

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP box.test 127.0.0.1",
]  # fmt: skip
NAME = "limin"
PAGES = (
    "/", "/calls", "/calls?unpriced=1", "/reports", "/reports/day", "/reports/department", "/directory", "/prices",
    "/prices/sample?number=02079460123", "/box", "/feeds", "/feeds/main", "/rejects", "/alarms", "/sites", "/users", "/log", "/me",
)  # fmt: skip

TOO_WIDE = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth
 && !e.closest('.scroll, pre, nav.main')).slice(0, 5).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A browser window that remembers what went wrong in it and what it asked for."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def _asked(self, request: Request) -> None:
        self.asked.append(request.url)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    box = Box(tmp_path_factory.mktemp("browser"))
    box.file.write_text(box.file.read_text().replace("[web]\n", '[web]\nnames = ["box.test"]\n'))
    box.start()
    try:
        data = b"".join(record(number, called=f"90207946{number:04d}") for number in range(70))
        box.send(data + b"garbage <script>alert(1)</script>\r\n")
        until(lambda: box.lines() == 70, 20, "the calls")
        yield box
    finally:
        box.stop()


@pytest.fixture(scope="module")
def state(box: Box, chromium: Browser) -> Any:
    """Sets the box up through the wizard; the cookies of its administrator."""
    context = chromium.new_context(locale="en-GB")
    page = Watched(context).page
    page.goto(box.url)
    assert page.url.endswith("/setup")
    page.fill("#code", "AAAAA-AAAAA")
    follow(page, "text=Go on")
    assert page.inner_text("[role=alert]").count("not the code") == 1
    page.fill("#code", box.code.lower())
    follow(page, "text=Go on")
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("text=Finish")
    page.wait_for_selector("h2:text('Latest calls')")
    assert page.inner_text(".me a[href='/me']") == NAME
    kept = context.storage_state()
    context.close()
    return kept


def window(chromium: Browser, state: Any, width: int = 1280, **more: Any) -> Watched:
    return Watched(
        chromium.new_context(
            storage_state=state, viewport={"width": width, "height": 900}, locale="en-GB", **more
        )
    )


def follow(page: Page, place: str) -> None:
    """Clicks, and waits for the page this leads to."""
    with page.expect_navigation():
        page.click(place)


def test_from_the_code_to_the_bytes_of_a_call(box: Box, chromium: Browser, state: Any) -> None:
    there = window(chromium, state)
    page = there.page
    rows = page.locator("table.cards tbody tr")
    page.goto(box.url)
    follow(page, "nav.main >> text=Calls")
    assert rows.count() == 50
    follow(page, "text=Older")
    assert rows.count() == 20
    follow(page, "text=Newer")
    page.fill("#number", "*0042")
    follow(page, "form.find button")
    assert rows.count() == 1, page.inner_text("main")
    assert "Number *0042." in page.inner_text(".lead")
    follow(page, "table.cards tbody a")
    assert "902079460042" in page.inner_text("pre")
    assert page.inner_text("h1").startswith("Call of Wed 25 Nov 2026")
    follow(page, "text=← Calls")
    assert "*0042" in page.input_value("#number"), "back at the same search"
    follow(page, "[aria-label='Without number *0042']")
    assert rows.count() == 50
    assert not there.wrong
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_page_breaks_the_policy_scrolls_sideways_or_asks_elsewhere(
    box: Box, chromium: Browser, state: Any, width: int, scheme: Any
) -> None:
    there = window(chromium, state, width, color_scheme=scheme)
    page = there.page
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"
    )
    for path in PAGES:
        answer = page.goto(box.url.rstrip("/") + path)
        assert answer is not None
        assert answer.status == 200, path
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{path} scrolls sideways at {width} by {over}: {page.evaluate(TOO_WIDE)}"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(16, 23, 30)" if scheme == "dark" else "rgb(244, 246, 248)")
    assert not there.wrong
    assert {url.split("/")[2] for url in there.asked} == {box.url.split("/")[2]}
    page.context.close()


def test_a_call_is_a_card_on_the_phone_and_still_a_table(box: Box, chromium: Browser, state: Any) -> None:
    page = window(chromium, state, 390).page
    page.goto(box.url + "calls")
    row = page.locator("table.cards tbody tr").first
    size = row.bounding_box()
    assert size is not None
    assert 40 < size["height"] < 90
    assert row.get_attribute("role") == "row"
    assert page.get_by_role("row").count() == 51
    small = page.evaluate(
        "[...document.querySelectorAll('main button, main input:not([type=hidden]):not([type=checkbox]), main select, .chips a')]"
        ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 36).map(e => e.outerHTML)"
    )
    assert not small
    page.context.close()


def test_all_works_without_script(box: Box, chromium: Browser, state: Any) -> None:
    page = window(chromium, state, java_script_enabled=False).page
    page.goto(box.url + "directory")
    page.set_input_files(
        "#file",
        {
            "name": "people.csv",
            "mimeType": "text/csv",
            "buffer": "分机,姓名,部门\n8012,王芳,财务部\n".encode(),
        },
    )
    follow(page, "text=Preview")
    assert "1 new" in page.inner_text(".sum")
    follow(page, "text=Apply")
    page.wait_for_selector("text=Applied.")
    assert "王芳" in page.inner_text("main")
    follow(page, "header >> text=中文")
    assert page.inner_text("h1") == "通讯录"
    follow(page, "header >> text=English")
    assert page.inner_text("h1") == "Directory"
    page.context.close()


def test_over_plain_http_by_name_forms_work_and_foreign_ones_do_not(
    box: Box, chromium: Browser, state: Any
) -> None:
    """There the browser sends no Sec-Fetch-Site; Origin has to do."""
    place = box.url.replace("127.0.0.1", "box.test")
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    heads: list[dict[str, str]] = []
    page.on(
        "request", lambda request: heads.append(request.all_headers()) if request.method == "POST" else None
    )
    page.goto(place + "login")
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    page.click("button:text('Sign in')")
    page.wait_for_selector("h2:text('Latest calls')")
    assert "sec-fetch-site" not in heads[0]
    assert heads[0]["origin"] == place.rstrip("/")
    page.set_content(f'<form method="post" action="{place}logout"><button>go</button></form>')
    page.goto("about:blank")
    page.set_content(f'<form method="post" action="{place}logout"><button>go</button></form>')
    page.click("button")
    page.wait_for_load_state()
    assert "not sent from a page of this box" in page.inner_text("body")
    page.goto(place)
    assert page.locator("h2:text('Latest calls')").is_visible(), "still signed in"
    context.close()


def test_a_new_call_appears_by_itself_and_the_pause_holds_it(box: Box, chromium: Browser, state: Any) -> None:
    page = window(chromium, state).page
    page.goto(box.url)
    before = box.lines()
    box.send(record(900, called="90207949900"))
    until(lambda: box.lines() == before + 1, 10, "the line")
    page.wait_for_selector("main >> text=9900", timeout=15_000)
    page.click("#pause")
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    page.context.close()


def test_the_keyboard_finds_the_content_first(box: Box, chromium: Browser, state: Any) -> None:
    page = window(chromium, state).page
    page.goto(box.url + "calls")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.context.close()


def test_the_printed_page_is_the_list_alone(box: Box, chromium: Browser, state: Any) -> None:
    page = window(chromium, state).page
    page.goto(box.url + "calls")
    page.emulate_media(media="print")
    for hidden in ("header.top", "form.find", ".chips", ".pager"):
        assert not page.locator(hidden).first.is_visible(), hidden
    assert page.locator("table.cards").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.context.close()


def test_sign_out_ends_it(box: Box, chromium: Browser, state: Any) -> None:
    context = chromium.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(box.url + "calls")
    assert page.url.endswith("/login?next=%2Fcalls")
    assert page.get_attribute("html", "lang") == "zh-Hans"
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    follow(page, "main button")
    assert page.url.endswith("/calls")
    follow(page, ".me a[href='/me']")
    follow(page, "form[action='/logout'] button")
    assert page.url.endswith("/login")
    page.goto(box.url + "calls")
    assert "/login" in page.url
    context.close()


LONG = """document.querySelectorAll('table.cards tbody tr').forEach((row, at) => {
  const cells = row.children;
  cells[0].firstElementChild.textContent = '2008-10-20 06:43:58';
  cells[1].textContent = '0118999881999119 Wilhelmina Featherstonehaugh-Cholmondeley';
  cells[2].textContent = 'Interkontinentalversicherungsabteilung Nordrhein-Westfalen';
  cells[4].textContent = 'international-premium-rate-services-of-all-kinds';
  cells[6].textContent = '12,345.6789';
  cells[7].textContent = 'S0/SU1/DS1-0@gateway-of-the-third-floor.example';
  if (at % 2) cells[3].textContent = '→ 0123456789012345678901234567890123456789';
  cells[8].innerHTML = '<span class="st warn"><i>▲</i><b>Not answered</b></span>';
})"""


@pytest.mark.parametrize("width", [1280, 1024, 800, 390])
def test_long_names_stay_in_the_sheet(box: Box, chromium: Browser, state: Any, width: int) -> None:
    page = window(chromium, state, width).page
    page.goto(box.url + "calls")
    page.evaluate(LONG)
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0
    sheet = page.locator("section.panel:has(table.cards)").bounding_box()
    table = page.locator("table.cards").bounding_box()
    assert sheet is not None
    assert table is not None
    assert table["x"] + table["width"] <= sheet["x"] + sheet["width"]
    page.context.close()
