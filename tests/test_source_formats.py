"""Several kinds of PBX on one feed whose format is detected: each source is read in its own format."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluewhale.ledger import newcomer
from folding import Journal
from test_pipeline import Kept, drive, fresh, same, set_up, smdr, whole

CORPUS = Path(__file__).parent / "corpus"
CASES = {
    "avaya-ipoffice": "published",
    "cisco-cucm": "transfer-consult-out",
    "asterisk": "published",
    "panasonic": "published",
    "norstar-bcm": "published",
    "avaya-cm": "teleseer",
}


def capture(family: str) -> bytes:
    return (CORPUS / family / CASES[family] / "capture.raw").read_bytes()


def golden(family: str) -> list[tuple[object, ...]]:
    text = (CORPUS / family / CASES[family] / "expect.jsonl").read_text(encoding="utf-8")
    legs = [leg for line in text.splitlines() if "direction" in (leg := json.loads(line))]
    return [(family, g.get("extension"), g.get("called"), g.get("talk_s")) for g in legs]


def play(order: list[str], cuts: list[int]) -> Journal:
    journal = Journal()
    set_up(journal)
    for number, family in enumerate(order):
        data, source = capture(family), f"main/{number}"
        journal.link("open", source, feed="main")
        at = 0
        while at < len(data):
            size = cuts[at % len(cuts)]
            journal.chunk(source, data[at : at + size])
            at += size
        journal.link("closed", source)
    return journal


def got(kept: Kept) -> list[tuple[object, ...]]:
    return [(line.format, line.extension, line.called, line.talk_s) for line in kept.lines]


@settings(max_examples=25, deadline=None)
@given(st.permutations(sorted(CASES)), st.lists(st.sampled_from([7, 60, 333, 5000]), min_size=1, max_size=3))
def test_all_kinds_in_any_order_and_cut(order: list[str], cuts: list[int]) -> None:
    kept = whole(play(order, cuts).records)
    assert sorted(map(str, got(kept))) == sorted(str(g) for family in order for g in golden(family))
    assert not kept.rejects
    assert kept.saved.feeds[1].format == order[0], "the feed's own format is that of its first"


@settings(max_examples=15, deadline=None)
@given(st.permutations(sorted(CASES)), st.integers(1, 400))
def test_a_restart_between_any_two_records_gives_the_same(order: list[str], number: int) -> None:
    records = play(order[:3], [97]).records
    at = number % len(records)
    kept = Kept()
    drive(fresh(), records[:at], kept, records)
    drive(kept.restarted() if kept.saved.state else fresh(), records[at:], kept, records)
    same(kept, whole(records))


def test_noise_on_an_established_connection_flips_nothing() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1))
    journal.chunk("main/1", capture("asterisk"))
    journal.chunk("main/1", smdr(2))
    kept = whole(journal.records)
    assert {line.format for line in kept.lines} == {"avaya-ipoffice"}
    assert len(kept.lines) == 2
    assert len(kept.rejects) == len(golden("asterisk"))


def test_a_source_nobody_can_read_goes_on_in_the_feeds_format() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1))
    journal.chunk("main/2", b"no such record\r\n" * (newcomer.TRIAL_BYTES // 16 + 1))
    journal.chunk("main/2", smdr(2))
    kept = whole(journal.records)
    assert len(kept.lines) == 2
    assert len(kept.rejects) == newcomer.TRIAL_BYTES // 16 + 1


def test_noise_before_the_first_record_of_a_connection_is_kept_as_rejects() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1))
    journal.chunk("main/2", b"\xff\xfe noise\r\n")
    journal.chunk("main/2", smdr(2))
    kept = whole(journal.records)
    assert len(kept.lines) == 2
    assert len(kept.rejects) == 1


@pytest.mark.parametrize("kind", ["feed", "format"])
def test_an_owners_word_is_not_doubted(kind: str) -> None:
    journal = Journal()
    set_up(journal)
    if kind == "feed":
        journal.owner("feed", "main", {"url": "tcp-listen:1", "format": "avaya-ipoffice"})
    else:
        journal.owner("format", "main", {"format": "avaya-ipoffice"})
    journal.chunk("main/1", smdr(1))
    journal.chunk("main/2", capture("asterisk"))
    kept = whole(journal.records)
    assert len(kept.lines) == 1
    assert len(kept.rejects) == len(golden("asterisk"))


def test_what_is_on_trial_is_not_lost_when_the_owner_changes_the_feed() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1))
    journal.chunk("main/2", b"half a line")
    journal.owner(
        "feed", "main", {"url": "tcp-listen:1", "format": "avaya-ipoffice", "options": {"year": 2026}}
    )
    kept = whole(journal.records)
    assert len(kept.rejects) == 1
