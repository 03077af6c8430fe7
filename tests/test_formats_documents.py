"""Documents and packets in a byte stream: cut anywhere they frame alike, broken ones cost only themselves."""

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accept import raw
from bluewhale.formats import Decoder, load_formats
from bluewhale.formats._documents import Frame
from bluewhale.formats._framing import framer
from bluewhale.formats._layout import LIMIT, Documents, Frames, Packets
from bluewhale.model import Leg, Reject, Signal, Why

MARKS = Documents(
    opened=("cdr",), elements=("cdr",), wrappers=("root",), texts=("cdr=", "uuid="), limit=1 << 14
)
PACKETS = Packets(head=r"\x04.(?:\x00[\x14-\xff]|[\x01-\x0f].|\x10\x00)")
PARTS = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"1",
        b"a",
        b'"cdr":',
        b'"a":',
        b"<",
        b">",
        b"<cdr>",
        b"</cdr>",
    ),
    *(
        b"\n",
        b"cdr=",
        b"uuid=",
        b" ",
        b"<?xml ?>",
        b"\0",
        b'"k":"v"',
        b"x" * 9000,
        b'"' + b"y" * 17000,
        b"\xb3\\",
    ),
]


def frames(
    data: bytes, marks: Frames = MARKS, cuts: tuple[int, ...] = (), encoding: str = "utf-8"
) -> list[Frame]:
    """All frames, the state taken through JSON at every cut."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    state: dict[str, Any] | None = None
    found: list[Frame] = []
    for start, end in zip(edges, edges[1:]):  # noqa: RUF007
        part = framer(marks, state, encoding)
        found += part.feed(data[start:end], start)
        state = json.loads(json.dumps(part.state()))
    return found + framer(marks, state, encoding).close()


def texts(data: bytes, **more: Any) -> list[bytes | None]:
    return [frame[2] for frame in frames(data, **more)]


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (
            b'{"a":1}{"b":"}{"}\r\n{"c":[1,{"x":"\\""}]}',
            [b'{"a":1}', b'{"b":"}{"}', b'{"c":[1,{"x":"\\""}]}'],
        ),
        (b'{"cdr":[{"a":1},{"b":2}]}{"z":1}', [b'{"a":1}', b'{"b":2}', b'{"z":1}']),
        (
            b'[{"cdr":"id","main_cdr":{"a":1},"sub":[{"q":1},{"r":2}],"n":7},{"flat":1}]',
            [b'"main_cdr":{"a":1}', b'{"q":1}', b'{"r":2}', b'{"flat":1}'],
        ),
        (b'{"a":{"b":1}\n{"c":2}Welcome {"d":3}', [b'{"a":', b'{"b":1}', b'{"c":2}', b"Welcome", b'{"d":3}']),
        (b'{"a":"xyz\n{"b":1}', [b'{"a":"xyz', b'{"b":1}']),
        (b'{"a":"xyz{"b":1}', [b'{"a":"xyz', b'{"b":1}']),
        (b'<?xml version="1.0"?><root><cdr a="b"/></root>', [b'<cdr a="b"/>']),
        (b"<cdr><y><cdr>1</cdr><5>", [b"<cdr><y>", b"<cdr>1</cdr>", b"<5>"]),
        (b"cdr=%7B&uuid=a_5cdr=%3C\nuuid=", [b"cdr=%7B&", b"uuid=a_5", b"cdr=%3C", b"uuid="]),
        (b'{"a":1,', [b'{"a":1,']),
    ],
)
def test_what_is_a_frame(data: bytes, parts: list[bytes]) -> None:
    assert texts(data) == parts
    assert texts(data, cuts=tuple(range(len(data)))) == parts


@given(
    parts=st.lists(st.sampled_from(PARTS), max_size=20),
    cuts=st.lists(st.integers(0, 100_000), max_size=5),
    lines=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_any_cut_gives_the_same_documents(parts: list[bytes], cuts: list[int], lines: bool) -> None:
    data = b"".join(parts)
    marks = Documents(opened=("cdr",), elements=("cdr",), texts=("cdr=", "uuid="), lines=lines, limit=1 << 14)
    whole = frames(data, marks)
    assert frames(data, marks, tuple(cuts)) == whole
    last = -1
    for position, length, body, _ in whole:
        assert last < position < position + length <= len(data)
        assert body is None or data[position : position + length] == body
        last = position + length - 1


@given(
    parts=st.lists(
        st.sampled_from([b"\x04a\x00\x14" + b"z" * 16, b"\x04", b"\0", b"\x14", b"xx", b"q" * 4200]),
        max_size=16,
    ),
    cuts=st.lists(st.integers(0, 50_000), max_size=5),
)
@settings(max_examples=300, deadline=None)
def test_any_cut_gives_the_same_packets(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    assert frames(data, PACKETS, tuple(cuts)) == frames(data, PACKETS)


def test_a_second_byte_that_looks_like_a_backslash() -> None:
    """功 is A5 5C in Big5: the quote behind it ends the text."""
    data = '{"a":"功",\n"b":1}'.encode("big5")
    assert data[7:8] == b"\\"
    assert texts(data, encoding="big5") == [data]
    assert texts(data, encoding="big5", cuts=tuple(range(len(data)))) == [data]
    assert len(texts(data)) == 2


def test_what_never_ends_is_bounded_and_what_follows_is_read() -> None:
    for endless in (
        b'{"a":"' + b"x" * 40_000,
        b"<cdr>" + b"x" * 40_000,
        b"cdr=" + b"x" * 40_000,
        b"x" * 40_000,
    ):
        part = framer(MARKS, None)
        found = []
        data = endless + b'\n{"z":1}\n'
        for at in range(0, len(data), 1000):
            found += part.feed(data[at : at + 1000], at)
            assert len(json.dumps(part.state())) < MARKS.limit + 2000
        assert found[0][2] is None
        assert found[0][1] in (MARKS.limit, LIMIT)
        assert found[-1][2] == b'{"z":1}'
        assert len(found) == 2


@pytest.mark.parametrize(
    "part", [b"{", b'{"a":', b'{"a":[', b"<cdr>", b"<cdr", b"<", b'{"a":1,', b'{"a":{"b":"', b"<?xml "]
)
def test_nesting_is_no_way_to_cost_time(part: bytes) -> None:
    """Twice the bytes may not cost four times as long (generous: below three times)."""

    def cost(times: int) -> float:
        data, best = part * times, 9e9
        for _ in range(3):
            one, start = framer(MARKS, None), time.process_time()
            for at in range(0, len(data), 4096):
                one.feed(data[at : at + 4096], at)
            best = min(best, time.process_time() - start)
        return best

    assert cost(16_000) < 3 * cost(8_000) + 0.02


BOMBS = [
    '<!DOCTYPE cdr [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><cdr><variables><uuid>&b;</uuid></variables></cdr>',
    '<cdr><!DOCTYPE cdr [<!ENTITY a "x">]><variables><uuid>&a;</uuid></variables></cdr>',
    '<?xml version="1.0"?><!DOCTYPE cdr SYSTEM "file:///etc/passwd"><cdr><variables/></cdr>',
    "<cdr>" + "<a>" * 5000 + "</cdr>",
]


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", ["freeswitch", "grandstream"])
def test_no_entity_is_ever_read(bomb: str, name: str) -> None:
    decoder = Decoder(load_formats()[name])
    items = decoder.feed(bomb.encode() + b"\n", 0) + decoder.close()
    assert items
    assert all(isinstance(item, Reject) for item in items)


def test_half_a_character_in_json_is_replaced() -> None:
    body = '{"action":"NewCdr","callid":"1.2","timestart":"2017-05-25 22:15:10","callfrom":"\\ud800","talkduraction":1,"status":"BUSY"}'
    (leg,) = Decoder(load_formats()["yeastar"]).feed(body.encode(), 0)
    assert isinstance(leg, Leg)
    assert leg.caller == "?"


def test_layouts_that_alternate_lose_nothing() -> None:
    """Both Yeastar APIs in one stream: a record of one is never taken for an event of the other."""
    first, *_, last = raw("yeastar/published").splitlines(True)
    decoder = Decoder(load_formats()["yeastar"])
    for turn in range(4):
        (leg,) = decoder.feed(first if turn % 2 else last, turn * 1000)
        assert isinstance(leg, Leg)
    assert decoder.skipped == 0


def test_radius_text_packets_and_repeats_agree() -> None:
    """The same sessions as text and as packets give the same legs; a Stop sent again gives none."""
    legs = {}
    for case, form in (("radius-voip/text", "text"), ("radius-voip/packets", "packets")):
        decoder = Decoder(load_formats()["radius-voip"], {"format": form, "zones": {"MSK": "+03:00"}})
        items = [item for item in decoder.feed(raw(case), 0) + decoder.close() if isinstance(item, Leg)]
        legs[form] = [
            (leg.correlation_id, leg.direction, leg.talk_s, leg.started_utc, leg.caller) for leg in items
        ]
    assert legs["text"][:3] == legs["packets"][:3]
    assert [each[1] for each in legs["text"][:3]] == [None, "outgoing", "incoming"]


def test_ios_without_a_zone_table_keeps_wall_time() -> None:
    line = raw("cisco-ios-syslog/published").splitlines()[0].replace(b"UTC", b"EET")
    (leg,) = Decoder(load_formats()["cisco-ios-syslog"]).feed(line + b"\n", 0)
    assert isinstance(leg, Leg)
    assert (leg.started_utc, leg.started_local, leg.talk_ms) == (None, "2001-06-18T11:14:39", 13160)
    (leg,) = Decoder(load_formats()["cisco-ios-syslog"], {"zones": {"EET": "+02:00"}}).feed(line + b"\n", 0)
    assert isinstance(leg, Leg)
    assert leg.started_utc == "2001-06-18T09:14:39Z"


def test_a_group_of_grandstream_counts_once() -> None:
    decoder = Decoder(load_formats()["grandstream"])
    items = decoder.feed(raw("grandstream/groups"), 0)
    assert [type(item) for item in items] == [Signal, Leg, Leg, Leg, Reject, Leg]
    call = [item for item in items if isinstance(item, Leg) and item.correlation_id == "1592-7"]
    assert sum(leg.talk_s or 0 for leg in call) == 40
    assert len({item.origin for item in items}) == len(items)
    assert isinstance(items[4], Reject)
    assert items[4].why is Why.BAD_FIELD


def test_random_bytes_are_nobodys_packets() -> None:
    noise = random.Random(7).randbytes(30_000)
    for options in load_formats()["radius-voip"].dialects:
        decoder = Decoder(load_formats()["radius-voip"], options)
        items = decoder.feed(noise, 0) + decoder.close()
        assert items
        assert all(isinstance(item, Reject) for item in items)
