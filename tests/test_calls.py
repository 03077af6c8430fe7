"""Calls of many records: the result depends on the records alone; look-alikes stay apart; no second is paid twice."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluewhale.formats import Decoder, load_formats
from bluewhale.ledger.correlate import calls, group, pieces, seizures
from bluewhale.model import Leg, Origin

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.json"))
FORMATS = load_formats()


def legs_of(path: Path) -> tuple[str, dict[str, Any], list[Leg]]:
    scenario = json.loads(path.read_text(encoding="utf-8"))
    data = "".join(f"{line}\r\n" for line in scenario["raw"]).encode()
    decoder = Decoder(FORMATS[scenario["family"]], scenario["config"], journal="s")
    items = [*decoder.feed(data, 0, 0), *decoder.close(0)]
    return scenario["family"], scenario["config"], [item for item in items if isinstance(item, Leg)]


def made(family: str, legs: list[Leg], options: dict[str, Any]) -> list[dict[str, Any]]:
    return calls.calls(legs, FORMATS[family].join, options)


def owed(found: list[dict[str, Any]]) -> list[list[tuple[str, int]]]:
    return [[(str(c["pays"]), c["charged_s"]) for c in call["charges"]] for call in found]


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_the_order_of_arrival_changes_nothing(path: Path) -> None:
    family, options, legs = legs_of(path)
    if pieces.joins_of(FORMATS[family].join).order == "arrival":
        return
    first = made(family, legs, options)
    for seed in range(5):
        mixed = random.Random(seed).sample(legs, len(legs))
        assert made(family, mixed, options) == first


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_repeats_change_nothing_where_records_have_names(path: Path) -> None:
    family, options, legs = legs_of(path)
    if not pieces.joins_of(FORMATS[family].join).identity:
        return
    assert made(family, legs + legs, options) == made(family, legs, options)


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_any_record_may_be_lacking(path: Path) -> None:
    """Nothing is charged twice then: less than the whole, and every seizure still adds up."""
    family, options, legs = legs_of(path)
    whole = sum(s for call in owed(made(family, legs, options)) for _, s in call)
    for at in range(len(legs)):
        found = made(family, legs[:at] + legs[at + 1 :], options)
        assert sum(s for call in owed(found) for _, s in call) <= whole
        for call in found:
            for leg in call["external_legs"]:
                mine = [c["charged_s"] for c in call["charges"] if c["external_leg"] == leg["id"]]
                assert sum(mine) == leg.get("seizure_s", 0)


def asterisk(start: str, end: str, *, channel: str, linkedid: str, sequence: int) -> Leg:
    day = "2026-03-0"
    return Leg(
        format="asterisk", direction="incoming", caller="100", called="200", extension="200", trunk="SIP/t",
        answered=True, started_local=day + start, answered_local=day + start, ended_local=day + end, talk_s=60,
        correlation_id=linkedid, extra={"channel": channel, "uniqueid": linkedid, "sequence": str(sequence)},
        origin=Origin("j", "feed", sequence, 1),
    )  # fmt: skip


def test_a_channel_name_that_comes_again_is_another_call() -> None:
    """After a restart Asterisk counts its channels from nought again."""
    legs = [
        asterisk("1T10:00:00", "1T10:01:00", channel="SIP/t-00000000", linkedid="a.1", sequence=1),
        asterisk("1T12:00:00", "1T12:01:00", channel="SIP/t-00000000", linkedid="b.1", sequence=1),
    ]
    assert len(made("asterisk", legs, {"zone": "UTC"})) == 2
    assert owed(made("asterisk", legs, {"zone": "UTC"})) == [[("{'extension': '200'}", 60)]] * 2


def test_a_channel_that_goes_on_under_another_linkedid_is_one_call() -> None:
    legs = [
        asterisk("1T10:00:00", "1T10:01:00", channel="SIP/t-00000000", linkedid="a.1", sequence=1),
        asterisk("1T10:01:00", "1T10:02:00", channel="SIP/t-00000000", linkedid="b.1", sequence=2),
    ]
    assert owed(made("asterisk", legs, {"zone": "UTC"})) == [[("{'extension': '200'}", 120)]]


def test_a_call_number_that_comes_again_is_another_call() -> None:
    """IP Office counts from 1000000 after a restart."""
    family, options, legs = legs_of(
        next(p for p in SCENARIOS if p.stem == "avaya-ipoffice-transfer-voicemail-in")
    )
    later = [msgspec.structs.replace(leg, started_local="2008-06-28T11:00:00") for leg in legs]
    assert len(made(family, legs + later, options)) == 2


def test_the_same_trunk_a_minute_later_is_another_call() -> None:
    """Families that print nothing but the trunk: without a mark of a transfer nothing is tied."""
    raw = (SCENARIOS[0].parent.parent / "corpus/nec-sl-sv8100/every-class/capture.raw").read_bytes()
    decoder = Decoder(FORMATS["nec-sl-sv8100"], {}, journal="s")
    legs = [item for item in [*decoder.feed(raw, 0, 0), *decoder.close(0)] if isinstance(item, Leg)]
    first = [call for call in made("nec-sl-sv8100", legs, {}) if call.get("trunk") == "002"]
    assert [call["called"] for call in first] == ["2142623801", "2142623802"]


def test_a_circuit_taken_again_closes_what_was_open() -> None:
    family, options, legs = legs_of(next(p for p in SCENARIOS if p.stem == "norstar-bcm-sl1-transfer-out"))
    again = msgspec.structs.replace(legs[0], started_local="2006-04-04T15:30")
    found = made(family, [*legs[:2], again], options)
    assert [call["state"] for call in found] == ["incomplete", "incomplete"]


@pytest.mark.parametrize(
    ("policy", "pays"),
    [("segment", ["200", "300"]), ("originator", ["200"]), ("last", ["300"]), ("answering", ["200"])],
)
def test_policies_share_the_same_seconds(policy: str, pays: list[str]) -> None:
    family, options, legs = legs_of(next(p for p in SCENARIOS if p.stem == "asterisk-transfer-blind-in"))
    (call,) = made(family, legs, options | {"charge_policy": policy})
    assert [c["pays"] for c in call["charges"]] == [{"extension": who} for who in pays]
    assert sum(c["charged_s"] for c in call["charges"]) == 85


MOMENTS = st.integers(0, 3000)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            MOMENTS, MOMENTS, MOMENTS, st.sampled_from("abc"), st.sampled_from("abc"),
            st.sampled_from(["incoming", "outgoing", "internal", "tandem", None]), st.booleans(), st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(sorted(FORMATS)),
)  # fmt: skip
def test_shares_add_up_to_the_seizure_whatever_comes(rows: list[tuple[Any, ...]], family: str) -> None:
    """Any records at all: seconds come out once, each with one payer."""
    legs = []
    for at, (start, ring, talk, one, two, way, answered, goes_on) in enumerate(rows):
        legs.append(
            Leg(
                format=family, direction=way, caller="1", called="2", extension=one if answered else None, trunk=two,
                trunk_in=one if way == "tandem" else None, answered=answered, talk_s=talk if answered else 0,
                ring_s=ring, started_local=f"2026-03-01T{start // 3600:02}:{start // 60 % 60:02}:{start % 60:02}",
                correlation_id=one, continues=goes_on, origin=Origin("j", "feed", at, 1),
                extra={"orig_leg": one, "dest_leg": two, "channel": one, "dstchannel": two, "customer": "0"},
            )
        )  # fmt: skip
    join = pieces.joins_of(FORMATS[family].join)
    made_of = [pieces.piece(leg, at, join, {}) for at, leg in enumerate(legs)]
    found = group.groups(made_of, join, {})
    assert sorted(p.at for call in found for p in call) == list(range(len(legs)))
    for own in found:
        for trunk in seizures.seizures(own, join, group.lacking(own, join) is None):
            assert trunk.seconds is None or trunk.seconds == sum(s.to_s - s.from_s for s in trunk.shares)
        calls.call(own, join, {})
