"""Every golden capture through the fold: as many lines as legs, with the seconds and the parties of the legs."""

import json
from typing import Any

import pytest

from accept import CORPUS, about, cases, raw
from bluewhale.ledger import pipeline
from bluewhale.model import Line, Saved, Step
from folding import Journal
from test_pipeline import set_up

CASES = cases()


def golden(case: str) -> list[dict[str, Any]]:
    text = (CORPUS / case / "expect.jsonl").read_text(encoding="utf-8")
    return [row for row in map(json.loads, text.splitlines()) if "origin" in row]


def folded(case: str, size: int, name: str) -> Step:
    """The capture in pieces of `size` bytes, as one connection that closes."""
    journal, facts = Journal(), about(case)
    set_up(journal)
    setting = {"url": "tcp-listen:9000", "format": name, "options": facts.get("options", {})}
    journal.owner("feed", "main", setting)
    data = raw(case)
    for at in range(0, len(data), size):
        journal.chunk("main/1", data[at : at + size], 0.001)
    journal.link("closed", "main/1")
    state = pipeline.restore(Saved(), "UTC", "ab" * 8, "v")
    return pipeline.advance(state, journal.records)


def seconds(rows: list[Any]) -> int:
    return sum((row["talk_s"] if isinstance(row, dict) else row.talk_s) or 0 for row in rows)


@pytest.mark.parametrize("case", CASES)
def test_each_leg_is_one_line(case: str) -> None:
    rows = golden(case)
    legs = [row for row in rows if "reject" not in row and "signal" not in row]
    name = about(case).get("format") or case.split("/")[0]
    for size in (1 << 20, 61):
        step = folded(case, size, name)
        assert [o.state for o in step.outcomes] == ["applied"] * 6
        assert len(step.lines) == len(legs), step.rejects
        assert len(step.rejects) == sum("reject" in row for row in rows)
        for line, leg in zip(step.lines, legs):
            same(line, leg)


def same(line: Line, leg: dict[str, Any]) -> None:
    """What the record states stands in the line unchanged."""
    for name in (
        "direction",
        "extension",
        "caller",
        "called",
        "trunk",
        "ring_s",
        "account_code",
        "auth_code",
    ):
        assert getattr(line, name) == leg.get(name), name
    if "talk_s" in leg:
        assert line.talk_s == leg["talk_s"]
    if "started_local" in leg:
        assert line.started_local == leg["started_local"]
    assert line.started_utc is not None
    assert (line.answered is None) == ("answered" not in leg)
    assert line.charge_micros is not None or line.unpriced
    if line.direction in ("incoming", "internal") or leg.get("answered") is False:
        assert line.charge_micros == 0


def test_the_corpus_has_something_to_charge() -> None:
    charged = [
        line
        for case in CASES
        for line in folded(case, 1 << 20, case.split("/")[0]).lines
        if line.charge_micros
    ]
    assert len(charged) >= 10
