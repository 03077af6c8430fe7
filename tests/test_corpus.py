"""Ring a: every capture against its golden file, however it is cut; no format claims another's corpus."""

import json
from functools import cache
from typing import Any

import pytest

from accept import CORPUS, about, cases, decoded, decoder_of, lines, plain, raw
from bluewhale.formats import Decoder, decide, detect, load_formats
from bluewhale.model import Leg, Origin, Reject, parse_origin

CASES = cases()
FAMILIES = {"asterisk", "avaya-cm", "avaya-ipoffice", "cisco-cucm", "norstar-bcm", "panasonic"}


def golden(case: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / case / "expect.jsonl").read_bytes().splitlines()]


def legs(case: str) -> list[dict[str, Any]]:
    return [
        line for line in golden(case) if "format" in line and "reject" not in line and "signal" not in line
    ]


def test_the_corpus_is_there() -> None:
    """Guards below pass on nothing: this one does not."""
    by_family = {
        family: [case for case in CASES if case.startswith(family + "/")] for family in load_formats()
    }
    assert by_family.keys() >= FAMILIES
    assert all(by_family.values()), "a format without a capture"
    assert all(f"{family}/published" in CASES for family in FAMILIES - {"avaya-cm", "cisco-cucm"})
    assert len(CASES) >= 40
    assert sum(len(legs(case)) for case in CASES) >= 90


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str) -> None:
    assert lines(decoded(case)).decode() == (CORPUS / case / "expect.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_provenance(case: str) -> None:
    facts = about(case)
    assert facts["source"]
    assert facts["status"] in ("published", "published-values", "derived", "ours")
    assert isinstance(facts["anonymised"], bool)
    assert facts.keys() <= {"source", "status", "anonymised", "note", "overlap", "options", "format"}


@pytest.mark.parametrize("case", CASES)
def test_origins_point_at_the_bytes(case: str) -> None:
    """No two share a first byte, and a single-line frame decoded alone from its origin is the same leg."""
    data, seen = raw(case), set()
    for line in golden(case)[:-1]:
        origin = parse_origin(line["origin"])
        assert origin.position not in seen
        seen.add(origin.position)
        frame = data[origin.position : origin.position + origin.length]
        assert len(frame) == origin.length
        assert frame[:1] not in (b"\r", b"\n", b"\0")
        if line.get("reject") != "too-long":
            assert frame[-1:] not in (b"\r", b"\n", b"\0")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_any_chunking(case: str, size: int) -> None:
    """Pieces of any size, with gaps between them as the journal has, and a restart through JSON after each."""
    data, gap, items, skipped = raw(case), 33, [], 0
    decoder = decoder_of(case)
    pieces = range(0, len(data), size)
    for number, at in enumerate(pieces):
        items += decoder.feed(data[at : at + size], at + number * gap)
        if number % 3 == 0:
            skipped += decoder.skipped
            decoder = decoder_of(case, json.loads(json.dumps(decoder.state())))
    items += decoder.close()
    want = golden(case)
    assert skipped + decoder.skipped == want[-1]["skipped"]
    got = [plain(item) for item in items]
    assert len(got) == len(want) - 1
    for have, expected in zip(got, want[:-1]):
        origin = parse_origin(expected["origin"])
        moved = Origin(
            origin.journal, origin.stream, origin.position + origin.position // size * gap, origin.length
        )
        assert have == expected | {"origin": str(moved)}


DETECTED = [
    case
    for case in CASES
    if load_formats()[about(case).get("format", case.partition("/")[0])].dialects  # custom is never detected
]


@cache
def guesses(case: str) -> list[Any]:
    return detect(raw(case))


@pytest.mark.parametrize("case", [case for case in DETECTED if len(legs(case)) >= 3])
def test_detected(case: str) -> None:
    may = {case.partition("/")[0], *about(case).get("overlap", [])}
    assert guesses(case)[0].format in may, guesses(case)
    best = decide(guesses(case), ended=True)
    assert best is None or best.format in may


def test_detection_decides_most() -> None:
    whole = [case for case in DETECTED if len(legs(case)) >= 3 and "broken" not in case]
    undecided = [case for case in whole if decide(guesses(case), ended=True) is None]
    assert len(whole) > 10
    assert not undecided, undecided


@pytest.mark.parametrize("case", CASES)
def test_no_other_format_claims_it(case: str) -> None:
    """A leg read by another family, under any of its dialects, is a wrong claim unless capture.toml lists it."""
    family, allowed, checked = case.partition("/")[0], about(case).get("overlap", []), 0
    for name, fmt in load_formats().items():
        if name == family:
            continue
        for options in fmt.dialects:
            decoder = Decoder(fmt, options)
            items = decoder.feed(raw(case), 0) + decoder.close()
            checked += 1
            claimed = [item for item in items if isinstance(item, Leg)]
            assert not claimed or name in allowed, (name, claimed[0])
    assert checked >= len(FAMILIES) - 1


def garbled(data: bytes, ratio: float) -> bytes:
    """What a line at one speed gives a receiver at another (ratio = receiver's speed by the sender's), 8N1."""
    bits: list[int] = []
    for byte in data:
        bits += [0, *((byte >> bit) & 1 for bit in range(8)), 1]
    out, at, step = bytearray(), 0.0, 1 / ratio
    while at + 10 * step < len(bits):
        if bits[int(at)]:
            at += step / 8  # idle: look for the edge of a start bit
            continue
        sampled = [bits[int(at + (bit + 1.5) * step)] for bit in range(8)]
        out.append(sum(value << bit for bit, value in enumerate(sampled)))
        at += 9.5 * step
    return bytes(out)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 2.0, 4.0])
@pytest.mark.parametrize(
    "case", [f"{family}/published" for family in ("avaya-ipoffice", "asterisk", "panasonic")]
)
def test_wrong_speed_is_claimed_by_none(case: str, ratio: float) -> None:
    data = raw(case) * 4
    noise = garbled(data, ratio)
    assert len(noise) > 100
    assert detect(noise) == []
    for fmt in load_formats().values():
        if not fmt.dialects:  # custom has no layout of its own
            continue
        decoder = Decoder(fmt)
        items = decoder.feed(noise, 0) + decoder.close()
        assert items
        assert all(isinstance(item, Reject) for item in items)


def test_garbled_at_the_right_speed_is_the_data() -> None:
    """The simulation itself: with equal speeds nothing is lost but the last byte."""
    data = raw("avaya-ipoffice/published")
    assert garbled(data, 1.0)[:-1] == data[: len(garbled(data, 1.0)) - 1]
    assert len(garbled(data, 1.0)) >= len(data) - 2
