"""Every text of the pages comes from the catalogue, and every text of the catalogue is translated."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from babel.messages.catalog import Message

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "webui"))

import catalogue  # noqa: E402
from bluewhale_webui import render, texts  # noqa: E402

VIEWS = ROOT / "webui/bluewhale_webui/views"
PLACE = re.compile(r"%\((\w+)\)s")


def strings(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple) else [message.string]


def ids(message: Message) -> list[str]:
    return list(message.id) if isinstance(message.id, tuple | list) else [message.id]


@pytest.mark.parametrize("locale", catalogue.LOCALES)
def test_every_text_is_translated(locale: str) -> None:
    known = catalogue.read(locale)
    wanted = [message for message in catalogue.collected() if message.id]
    assert len(wanted) > 400
    for message in wanted:
        found = known.get(message.id, context=message.context)
        assert found is not None, f"not in the catalogue (run webui/catalogue.py): {message.id!r}"
        assert all(strings(found)), f"not translated: {message.id!r}"
        assert not found.fuzzy, f"fuzzy: {message.id!r}"
        places = set(PLACE.findall(ids(message)[-1]))
        for text in strings(found):
            assert set(PLACE.findall(text)) == places, f"other places than {message.id!r}: {text!r}"
    assert len(known) == len(catalogue.collected()), "texts that are used no more"


@pytest.mark.parametrize("locale", catalogue.LOCALES)
def test_the_compiled_catalogue_is_that_of_the_text(locale: str) -> None:
    assert catalogue.file(locale, "mo").read_bytes() == catalogue.compiled(catalogue.read(locale))


class Letters(HTMLParser):
    """Collects literal text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.lang: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.lang.append(given.get("lang") or "")
        for name in ("title", "alt", "placeholder", "aria-label"):
            if re.search(r"[^\W\d_]{2}", given.get(name) or ""):
                self.found.append(f"{name}={given[name]}")
        if tag in ("input", "meta", "link", "path", "rect", "br", "option"):
            self.lang.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.lang and tag not in ("input", "meta", "link", "path", "rect", "br", "option"):
            self.lang.pop()

    def handle_data(self, data: str) -> None:
        if re.search(r"[^\W\d_]{2}", data) and not any(self.lang):
            self.found.append(data.strip())


@pytest.mark.parametrize("view", sorted(VIEWS.glob("*.html")), ids=lambda view: view.name)
def test_no_literal_text_stands_in_a_template(view: Path) -> None:
    """Names of formats, values to type and the other language's own name (with its lang) are no texts."""
    source = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", view.read_text(encoding="utf-8"), flags=re.S)
    letters = Letters()
    letters.feed(source.replace(' lang=""', ""))
    allowed = {"CSV", "JSON", "placeholder=tcp-listen:9000", "placeholder=CNY", 'data-live="5"'}
    assert not [text for text in letters.found if text not in allowed]


def test_the_guard_of_literal_text_sees_some() -> None:
    letters = Letters()
    letters.feed('<p>Hello <b lang="zh">你好</b></p><input placeholder="type here">')
    assert letters.found == ["Hello", "placeholder=type here"]


def test_templates_have_no_script_and_each_compiles() -> None:
    checked = 0
    for view in VIEWS.glob("*.html"):
        checked += 1
        render.environment("en").get_template(view.name)
        assert not re.search(
            r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", view.read_text(encoding="utf-8")
        )
    assert checked > 20


def test_a_missing_name_is_an_error_and_text_is_escaped() -> None:
    environment = render.environment("en")
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ nobody }}").render()
    assert environment.from_string("{{ x }}").render(x="<b>") == "&lt;b&gt;"
    assert environment.from_string('{{ _("%(who)s called", who=x) }}').render(x="<b>") == "&lt;b&gt; called"


def test_what_other_parts_say_is_translated_with_its_data() -> None:
    chinese = render.translations("zh").gettext
    assert texts.why('no rate for "0033142685300"', chinese) == "“0033142685300”没有费率"
    assert texts.why("no plan", chinese) == "没有生效的资费"
    assert texts.why('currency: "yuan" is not a currency code such as "EUR"', chinese).startswith(
        "currency: “yuan”"
    )
    assert texts.why("something new", chinese) == "something new"
    assert texts.why(None, chinese) == ""
    english = render.translations("en").gettext
    for pattern in texts.PATTERNS:
        filled = PLACE.sub("7", pattern)
        assert texts.why(filled, english) == filled


def test_alarms_are_translated_and_unknown_ones_shown_as_they_are() -> None:
    from bluewhale.health.alarms import CATALOGUE, text

    chinese = render.translations("zh").gettext
    assert set(CATALOGUE) == set(texts.ALARM)
    for what in CATALOGUE:
        params = {"feed": "main", "detail": "gone", "role": "web"}
        assert texts.alarm(what, params, "", render.translations("en").gettext) == text(what, params)
        assert texts.alarm(what, params, "", chinese) != text(what, params)
    assert texts.alarm("new-one", {}, "A new one", chinese) == "A new one"


def test_every_code_has_a_word() -> None:
    from bluewhale.health.feeds import FeedState
    from bluewhale.health.processes import RoleState
    from bluewhale.ledger.owner_fold import RULES
    from bluewhale.model import Direction, Payer, Why

    assert set(texts.FEED_STATE) == {str(state) for state in FeedState}
    assert set(texts.ROLE_STATE) == {str(state) for state in RoleState}
    assert set(texts.REJECT) == {str(why) for why in Why}
    assert set(texts.DIRECTION) == {str(direction) for direction in Direction}
    assert set(texts.PAYER) == {int(payer) for payer in Payer}
    assert set(texts.CHANGE) >= set(RULES)


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_colours_can_be_read(scheme: int) -> None:
    css = (ROOT / "webui/bluewhale_webui/static/app.css").read_text(encoding="utf-8")
    tokens = dict(re.findall(r"--([\w-]+):#([0-9a-f]{3,6})", re.findall(r":root\{([^}]*)\}", css)[scheme]))
    for ground in ("bg", "surface", "tint"):
        for text in ("ink", "muted", "accent", "ok", "warn", "bad"):
            assert contrast(tokens[text], tokens[ground]) >= 4.5, f"{text} on {ground}"
    for ground in ("bg", "surface"):
        assert contrast(tokens["edge"], tokens[ground]) >= 3, f"edge on {ground}"
        assert contrast(tokens["s0"], tokens[ground]) >= 3
    assert contrast(tokens["on-accent"], tokens["accent"]) >= 4.5


def test_the_style_sheet_stays_small_and_plain() -> None:
    css = (ROOT / "webui/bluewhale_webui/static/app.css").read_text(encoding="utf-8")
    assert len(css.encode()) < 12_000
    assert "http" not in css
    assert "@import" not in css
    assert "prefers-color-scheme:dark" in css
    assert "@media print" in css
    script = (ROOT / "webui/bluewhale_webui/static/app.js").read_bytes()
    assert len(script) < 4_000
    assert not re.search(rb"\b(let|const|=>|eval|document\.write)\b", script)
