"""The decoder on anything: any bytes give values, any cut gives the same, state goes through JSON."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accept import about, cases, decoder_of, raw
from bluewhale.formats import Decoder, Item, OptionError, load_formats
from bluewhale.formats._layout import LIMIT
from bluewhale.model import Leg, Origin, Reject, Signal, Why

FORMATS = load_formats()
NAMES = sorted(FORMATS)
IP = (
    b"2008/06/28 09:30:57,00:00:13,7,01707392200,I,299999,299999,,0,1000014160,1,"
    b"E4750,John Smith,T9002,LINE 1.2,11,0"
)
LINE_ENDS = [b"\r", b"\n", b"\r\n", b"\r\n\n", b"\r\n\0\0\0", b"\0\0", b" ", b"\f"]
REAL = {
    name: [raw(case).splitlines(True) for case in cases() if case.startswith(name + "/")] for name in NAMES
}


def ip(state: dict[str, Any] | None = None, **options: Any) -> Decoder:
    return Decoder(FORMATS["avaya-ipoffice"], options, state, journal="j")


def in_pieces(fresh: Any, data: bytes, cuts: list[int], restart: bool) -> tuple[list[Item], int]:
    """All items and the number skipped, fed in pieces that touch in the stream."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    decoder, items, skipped = fresh(None), [], 0
    for start, end in zip(edges, edges[1:]):  # noqa: RUF007
        items += decoder.feed(data[start:end], start)
        if restart:
            skipped += decoder.skipped
            decoder = fresh(json.loads(json.dumps(decoder.state())))
    items += decoder.close()
    return items, skipped + decoder.skipped


@st.composite
def streams(draw: Any, name: str) -> bytes:
    """Real lines of a family, damaged, mixed with any bytes and any line ends."""
    lines = [line for capture in REAL[name] for line in capture if len(line) < 2000]
    parts = []
    for _ in range(draw(st.integers(1, 8))):
        part = draw(st.one_of(st.sampled_from(lines), st.binary(max_size=60), st.sampled_from(LINE_ENDS)))
        if part and draw(st.integers(0, 3)) == 0:
            at = draw(st.integers(0, len(part) - 1))
            part = part[:at] + draw(st.binary(max_size=3)) + part[at + draw(st.integers(0, 4)) :]
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_any_bytes_any_cut(name: str, data: Any) -> None:
    stream = data.draw(streams(name))
    owners = [about(case).get("options", {}) for case in cases() if case.startswith(f"{name}/")]
    options = data.draw(st.sampled_from(FORMATS[name].dialects or owners))

    def fresh(state: dict[str, Any] | None) -> Decoder:
        return Decoder(FORMATS[name], options, state, journal="j")

    whole = in_pieces(fresh, stream, [], False)
    cuts = data.draw(st.lists(st.integers(0, 10_000), max_size=6))
    assert in_pieces(fresh, stream, cuts, False) == whole
    assert in_pieces(fresh, stream, cuts, True) == whole
    _well_formed(name, stream, whole[0])


def _well_formed(name: str, stream: bytes, items: list[Item]) -> None:
    last = -1
    for item in items:
        assert item.origin is not None
        assert last < item.origin.position < item.origin.position + item.origin.length <= len(stream)
        assert item.format == name
        msgspec.convert(
            msgspec.json.decode(msgspec.json.encode(item)), type(item)
        )  # types as the register says
        if isinstance(item, Leg):
            assert all(value != "" for value in msgspec.structs.asdict(item).values())
            for seconds in (item.talk_s, item.ring_s, item.total_s):
                assert seconds is None or 0 <= seconds <= 10_000_000
        last = (
            item.origin.position if name != "norstar-bcm" else -1
        )  # a notice inside a block comes before it


@pytest.mark.parametrize("case", [case for case in cases() if len(raw(case)) < 4000][::3])
@given(cuts=st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None)
def test_captures_in_any_cut(case: str, cuts: list[int]) -> None:
    def fresh(state: dict[str, Any] | None) -> Decoder:
        return decoder_of(case, state)

    assert in_pieces(fresh, raw(case), cuts, True) == in_pieces(fresh, raw(case), [], False)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\n\n", b"\r\n\0\0\0", b"\0\r\n", b"\r\0\0\n"])
def test_line_ends(end: bytes) -> None:
    data = (IP + end) * 3
    decoder = ip()
    items = decoder.feed(data, 1000) + decoder.close()
    assert [item.origin for item in items] == [
        Origin("j", "feed", 1000 + data.index(IP, at * len(IP + end)), len(IP)) for at in range(3)
    ]
    assert all(isinstance(item, Leg) for item in items)


def test_a_frame_keeps_the_position_of_its_first_piece() -> None:
    decoder = ip()
    assert decoder.feed(IP[:40], 100) == []
    assert decoder.feed(IP[40:] + b"\r", 5000)[0].origin == Origin("j", "feed", 100, len(IP))
    assert decoder.feed(b"\n" + IP + b"\n", 9000)[0].origin == Origin("j", "feed", 9001, len(IP))
    assert decoder.skipped == 0


def test_an_endless_line_is_one_reject_and_the_next_line_is_read() -> None:
    for cut in (1, 100, LIMIT, LIMIT + 1, 20_000):
        data = b"x" * 20_000 + b"\r\n" + IP + b"\r\n"
        decoder, items = ip(), []
        for at in range(0, len(data), cut):
            items += decoder.feed(data[at : at + cut], at)
        assert [type(item) for item in items] == [Reject, Leg]
        assert items[0] == Reject(
            Origin("j", "feed", 0, LIMIT), Why.TOO_LONG, "no end within 8192 bytes", "avaya-ipoffice"
        )
        assert items[1].origin == Origin("j", "feed", 20_002, len(IP))


def test_an_endless_line_costs_no_memory() -> None:
    decoder = ip()
    for at in range(0, 1 << 20, 4096):
        decoder.feed(b"y" * 4096, at)
    assert len(json.dumps(decoder.state())) < 500
    assert decoder.close() == []


def test_half_a_line_at_the_end_is_truncated_and_a_whole_one_is_read() -> None:
    decoder = ip()
    decoder.feed(IP[:60], 0)
    (half,) = decoder.close()
    assert isinstance(half, Reject)
    assert (half.why, half.origin.length) == (Why.TRUNCATED, 60)
    decoder.feed(IP, 0)
    assert isinstance(decoder.close()[0], Leg)
    assert decoder.close() == []


def test_names_in_their_encoding() -> None:
    def name(raw_name: bytes, **options: Any) -> str:
        (leg,) = ip(**options).feed(IP.replace(b"John Smith", raw_name) + b"\n", 0)
        assert isinstance(leg, Leg)
        return (leg.extra or {})["party1_name"]

    assert name("王小明".encode()) == "王小明"
    assert name("王小明".encode("gbk"), encoding="gbk") == "王小明"
    assert name("王小明".encode("big5"), encoding="big5") == "王小明"
    assert name("José".encode("latin-1")) == "José"


def test_rejects_name_the_column_and_the_text() -> None:
    bad = IP.replace(b",7,", b",seven,")
    (reject,) = ip().feed(bad + b"\n", 0)
    assert reject == Reject(
        Origin("j", "feed", 0, len(bad)),
        Why.BAD_FIELD,
        "column 3 (ring_s): 'seven' is no whole number",
        "avaya-ipoffice",
    )


def test_foreign_and_noise_are_told_apart() -> None:
    items = ip().feed(b"Welcome to the PBX\r\n\x8f\x02\xf3\x01\xe0\x7f\x03\r\n" + IP[:50] + b"\n", 0)
    assert [item.why for item in items if isinstance(item, Reject)] == [Why.FOREIGN, Why.NOISE, Why.BAD_FIELD]


def test_blank_lines_and_headers_are_counted() -> None:
    decoder = ip()
    decoder.feed(b"\r\n  \r\n" + IP + b"\r\n\r\n", 0)
    assert decoder.skipped == 3


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("avaya-ipoffice", {"colour": 1}, "no option 'colour'"),
        ("avaya-ipoffice", {"encoding": "rot13"}, "encoding"),
        ("avaya-ipoffice", {"encoding": "klingon"}, "encoding"),
        ("cisco-cucm", {"trunk_devices": 5}, "trunk_devices"),
        ("cisco-cucm", {"device_owner": ["x"]}, "device_owner"),
        ("asterisk", {"columns": ["src", "dst"]}, "columns"),
        ("asterisk", {"internal_extensions": "many"}, "internal numbers"),
        ("panasonic", {"date_order": "mm/mm/yy"}, "date_order"),
        ("panasonic", {"format": "Z"}, "format"),
        ("panasonic", {"time_is": "noon"}, "time_is"),
        ("avaya-cm", {"format": "61-character"}, "format"),
        ("avaya-cm", {"format": "customized"}, "layout"),
        ("avaya-cm", {"layout": [["date", "six"]]}, "layout"),
        ("avaya-cm", {"layout": [["date", 6]]}, "duration"),
        ("avaya-cm", {"year": "2026"}, "year"),
    ],
)
def test_options_are_checked(name: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        Decoder(FORMATS[name], options)


def test_site_facts_of_other_families_are_accepted() -> None:
    Decoder(FORMATS["avaya-ipoffice"], {"zone": "Asia/Shanghai", "trunk_devices": "GW1, GW2", "year": 2026})


def test_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        ip({"version": 99})


def test_signals_have_their_origin() -> None:
    items = Decoder(FORMATS["norstar-bcm"], journal="j").feed(b"x\r\n01/01/06 RECORD RESTART\r\n", 50)
    assert isinstance(items[1], Signal)
    assert items[1].origin == Origin("j", "feed", 53, 23)
