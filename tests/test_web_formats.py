"""Numbers, dates, amounts, dial strings, raw bytes and charts as readers see them."""

import itertools
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale_webui import charts, dial, formats, marks, render


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "–"), (41, "0:41"), (751, "12:31"), (3729, "1:02:09"), (-65, "-1:05")],
)
def test_length_in_tables(seconds: int | None, text: str) -> None:
    assert formats.length(seconds) == text


def test_length_in_sentences() -> None:
    assert formats.length_words(224_040, "en") == "62 h 14 min"
    assert formats.length_words(224_040, "zh") == "62 小时 14 分"
    assert formats.length_words(751, "zh") == "12 分 31 秒"
    assert formats.length_words(41, "en") == "41 s"


@pytest.mark.parametrize(
    ("micros", "decimals", "text"),
    [(1_204_750_000, 2, "1,204.75"), (0, 2, "0.00"), (-1_500_000, 2, "-1.50"), (33_500, 4, "0.0335"), (7_000_000, 0, "7"), (None, 2, "–")],
)  # fmt: skip
def test_amounts(micros: int | None, decimals: int, text: str) -> None:
    assert formats.amount(micros, decimals) == text


def test_money_in_sentences() -> None:
    assert formats.money(1_204_750_000, "CNY") == "¥1,204.75"
    assert formats.money(-5_000_000, "CNY") == "-¥5.00"
    assert formats.money(3_200_000, "USD") == "USD 3.20"
    assert formats.money(20_800, "EUR", 4) == "€0.0208"


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_an_amount_reads_back_as_itself(micros: int, decimals: int) -> None:
    micros -= micros % 10 ** (6 - decimals)
    text = formats.amount(micros, decimals).replace(",", "")
    whole, _, part = text.lstrip("-").partition(".")
    value = int(whole) * 1_000_000 + int(part.ljust(6, "0") or 0)
    assert (-value if text.startswith("-") else value) == micros


def test_dates() -> None:
    assert formats.date_words(date(2026, 11, 22), "en") == "Sun 22 Nov 2026"
    assert formats.date_words(date(2026, 11, 22), "zh") == "2026年11月22日 星期日"
    assert formats.day_number(formats.day_of(20261122)) == 20261122
    assert formats.stamp(1_795_600_000_000_000, "Asia/Shanghai") == "2026-11-25 17:46:40"
    assert formats.clock(None, "UTC") == "–"


def test_spans_of_time() -> None:
    now = 10**15
    assert formats.ago(now - 2_000_000, now, "en") == "2 s ago"
    assert formats.ago(now - 23 * 60_000_000, now, "zh") == "23 分钟前"
    assert formats.ago(now + 5_000_000, now, "en") == "0 s ago", "a clock that was set back"
    assert formats.span(900, "en") == "15 min"


def test_sizes_and_ticks() -> None:
    assert [formats.size(n) for n in (0, 999, 4200, 84_000_000_000)] == ["0 B", "999 B", "4.2 kB", "84 GB"]
    assert [formats.tick(n, "en") for n in (9_999, 12_000, 1_500_000)] == ["9,999", "12k", "1.5M"]
    assert formats.tick(12_000, "zh") == "1.2 万"
    assert formats.share(1, 3) == "33%"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("075582661234", "0755 8266 1234"),
        ("13800138000", "138 0013 8000"),
        ("+12125550134", "+1 212 555 0134"),
        ("+8675582661234", "+86 755 8266 1234"),
        ("02079460123", "020 7946 0123"),
        ("8012", "8012"),
        ("12315", "12315"),
        ("*47", "*47"),
        ("+358401234567", "+358 40123 4567"),
    ],
)
def test_numbers_are_grouped_for_the_eye(number: str, shown: str) -> None:
    assert " ".join(dial.groups(number)) == shown


@given(st.text(alphabet="+0123456789*#ABx<&", max_size=25))
def test_grouping_changes_no_digit_and_lets_no_markup_in(number: str) -> None:
    assert "".join(dial.groups(number)) == number
    text = re.sub(r"</?span[^>]*>|<wbr>", "", str(dial.markup(number)))
    assert text == (number.replace("&", "&amp;").replace("<", "&lt;") or "–")


@given(st.binary(max_size=300))
def test_raw_bytes_are_never_markup_and_lose_nothing(data: bytes) -> None:
    shown = str(marks.raw(data))
    assert not re.search(r"<(?!/?span)", shown)
    names = re.findall(r'<span class="ctl">([^<]+)</span>', shown)
    text = data.decode("utf-8", "surrogateescape")
    assert len(names) == sum(not letter.isprintable() for letter in text)


def test_raw_bytes_by_name() -> None:
    shown = str(marks.raw(b"a<b>\x00\x1b\xff\r\nnext\n"))
    assert shown == (
        'a&lt;b&gt;<span class="ctl">NUL</span><span class="ctl">ESC</span><span class="ctl">\\xFF</span>'
        '<span class="ctl">CR</span><span class="ctl">LF</span>\nnext<span class="ctl">LF</span>'
    )
    assert str(marks.raw(b"x" * 10_000)).endswith("…")


@given(st.integers(0, 10**9))
def test_the_axis_is_round_and_holds_the_largest(most: int) -> None:
    marks_ = charts.axis(most)
    assert marks_[0] == 0
    assert marks_[-1] >= most
    assert len(marks_) <= 6
    steps = {b - a for a, b in itertools.pairwise(marks_)}
    assert len(steps) == 1
    assert str(steps.pop()).rstrip("0") in {"1", "2", "25", "5"}


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=62))
def test_each_number_of_a_chart_stands_in_a_title_and_no_mark_outside(values: list[int]) -> None:
    columns = [charts.Column(str(at), value, f"day {at}: {value:,}") for at, value in enumerate(values)]
    drawn = str(charts.columns(columns, "Calls <1>", "what the eye sees", "x"))
    assert drawn.count("<svg") == 2
    assert "Calls &lt;1&gt;" in drawn
    for svg, (width, height) in zip(drawn.split("</svg>"), (charts.WIDE, charts.NARROW)):
        assert 'role="img"' in svg
        assert all(f"<title>day {at}: {value:,}</title>" in svg for at, value in enumerate(values))
        for x, y, w, h in re.findall(
            r'<rect class="s0" x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', svg
        ):
            assert float(x) >= 0
            assert float(x) + float(w) <= width
            assert float(y) >= 0
            assert float(y) + float(h) <= height
        ids = re.findall(r' id="([^"]+)"', svg)
        assert len(ids) == len(set(ids)) == 2
    assert "style=" not in drawn


def test_the_time_line_of_a_call() -> None:
    bars = [
        charts.Bar("8012 <b>", 0, 10, 500, "8:10", "8012, 8:10"),
        charts.Bar("far", 10, 10, 500, "8:10, T1", "far, 8:10"),
    ]
    drawn = str(charts.call(bars, ("14:19:36", "14:27:56"), "Time line", "told", "line"))
    assert drawn.count('class="ring"') == 2, "once wide, once narrow; only where it rang"
    assert "<b>" not in drawn
    assert "14:27:56" in drawn


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB,en;q=0.9,zh;q=0.8", "en"), ("de,zh;q=0.5", "zh"), ("de", "en"), ("", "en"),
     ("zh;q=0", "en"), ("zh;q=x", "en"), ("en;q=0.1,zh;q=0.2", "zh")],
)  # fmt: skip
def test_the_browser_s_wish(accepted: str, language: str) -> None:
    assert render.best_language(accepted) == language
