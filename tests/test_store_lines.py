"""Lines in a segment: every line comes back as it went in, whatever a PBX said."""

import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluewhale.model import Line
from bluewhale.store import schema, segments
from bluewhale.store.pack import Words, as_stored, number_code, pack
from store_samples import JOURNAL, line, lines

INT64 = st.integers(-(2**62), 2**62) | st.integers(0, 5000)
US = (
    st.integers(-(2**62), 2**62)
    | st.integers(0, 4_000_000_000).map(lambda s: s * 1_000_000)
    | st.integers(0, 2**51)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
DIGITS = st.from_regex(r"\A\+?[0-9*#]{1,22}\Z") | TEXT
WALL = (
    st.datetimes().map(lambda at: at.isoformat()[:19])
    | st.datetimes().map(lambda at: at.isoformat()[:16])
    | TEXT
)


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


def _strategy(name: str, kind: object) -> st.SearchStrategy[object]:
    if name in ("caller", "called", "called_e164", "extension", "correlation_id", "payer"):
        return maybe(DIGITS)
    if name.endswith("_utc"):
        return maybe(US)
    if name == "started_local":
        return maybe(WALL)
    if name == "day":
        return maybe(st.integers(20200101, 20391231))
    if kind is str or "str" in str(kind):
        return maybe(TEXT) if "None" in str(kind) else TEXT
    values: st.SearchStrategy[object] = INT64 if name.endswith("_micros") else st.integers(0, 2**40)
    return maybe(values) if "None" in str(kind) else values


FIELDS = {field.name: _strategy(field.name, field.type) for field in msgspec.structs.fields(Line)}


def roundtrip(directory: Path, made: list[Line], batch: int = 100) -> list[Line]:
    segment = segments.create(directory, 1, JOURNAL, "box", made[0].seq)
    for at in range(0, len(made), batch):
        segment.insert(made[at : at + batch], {"feed": at}, "one")
    rows = segment.db.execute("SELECT * FROM call_line ORDER BY seq").fetchall()
    segment.close()
    segment.file.unlink()
    return [Line(**dict(zip(schema.LINE, row))) for row in rows]


def test_the_view_has_the_fields_of_a_line_in_order() -> None:
    assert tuple(schema.LINE) == Line.__struct_fields__


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.fixed_dictionaries(FIELDS), min_size=1, max_size=8), st.booleans())
def test_any_line_comes_back(
    tmp_path_factory: pytest.TempPathFactory, facts: list[dict[str, object]], own: bool
) -> None:
    made = []
    for seq, fields in enumerate(facts, 1):
        made.append(Line(**(fields | {"seq": seq})))  # type: ignore[arg-type]
        if own:
            made[-1].call_position, made[-1].call_length = made[-1].position, made[-1].length
    assert roundtrip(tmp_path_factory.mktemp("calls"), made, batch=3) == [as_stored(one) for one in made]


def test_usual_lines_come_back(tmp_path: Path) -> None:
    made = lines(1, 3000)
    assert roundtrip(tmp_path, made) == made


@pytest.mark.parametrize(
    "given_",
    [
        {"called": "9075582661234", "called_e164": "+8675582661234"},
        {"called": "82661234", "called_e164": "+8675582661234"},
        {"called": "0" * 17, "caller": "+" + "9" * 17},
        {"called": "0" * 18, "caller": "+" + "9" * 18},
        {"called": "+", "caller": "²³"},
        {
            "started_utc": 1_789_000_000_123_456,
            "ended_utc": 1_789_000_009_000_001,
            "answered_utc": 1_789_000_000_123_457,
        },
        {
            "started_utc": None,
            "answered_utc": 1_789_000_000_000_000,
            "ended_utc": 1_789_000_100_000_000,
            "talk_s": 100,
        },
        {"started_utc": 1_000_000_000_500_000, "started_local": "2001-09-09T01:46:40"},
        {"started_local": "2026-02-30T25:00:00"},
        {"started_local": "2026-09-14T1١:00:00"},
        {"talk_s": 2**63 - 1, "charged_s": -(2**63) + 1},
        {"position": 2**62, "call_position": 5},
        {"trunk": "T", "destination": "T", "trunk_in": "T", "auth_code": "0012", "account_code": "x'\"\\"},
        {"auth_code": "\\u0000", "account_code": "a\\\\u0000", "trunk_in": '"\\'},
        {"charge_micros": -(2**63), "cost_micros": 2**63 - 1},
    ],
)
def test_edges_come_back(tmp_path: Path, given_: dict[str, object]) -> None:
    made = [line(1), line(2, **given_), line(3)]
    assert roundtrip(tmp_path, made) == made


def test_an_empty_text_is_stored_as_unknown(tmp_path: Path) -> None:
    (back,) = roundtrip(tmp_path, [line(1, called="", trunk="", auth_code="", destination="")])
    assert (back.called, back.trunk, back.auth_code, back.destination) == (None, None, None, None)


def test_a_nul_in_a_code_is_shown_by_its_picture(tmp_path: Path) -> None:
    (back,) = roundtrip(tmp_path, [line(1, auth_code="1\0002", trunk="T\0", extension="2\0")])
    assert (back.auth_code, back.trunk, back.extension) == ("1\u24002", "T\0", "2\0")


def test_digits_are_stored_as_integers() -> None:
    assert number_code("0755") == 10755
    assert number_code("+86") == 286
    assert number_code("12#") == "12#"
    assert number_code(None) is None


def test_a_line_that_cannot_be_stored_leaves_nothing_behind(tmp_path: Path) -> None:
    segment = segments.create(tmp_path, 1, JOURNAL, None, 1)
    segment.insert(lines(1, 10), {"feed": 1}, "one")
    with pytest.raises(OverflowError):
        segment.insert([line(11, trunk="only here"), line(12, talk_s=2**70)], {"feed": 2}, "one")
    segment.insert([line(11, trunk="only here")], {"feed": 2}, "one")
    assert segment.db.execute("SELECT count(*) FROM line").fetchone() == (11,)
    assert segment.db.execute("SELECT count(*) FROM word WHERE word = 'only here'").fetchone() == (1,)
    assert segment.db.execute("SELECT trunk FROM call_line WHERE seq = 11").fetchone() == ("only here",)


def test_a_segment_stays_small(tmp_path: Path) -> None:
    """110 bytes a call live, with all indexes (design section 10); measured on usual lines it is some 90."""
    segment = segments.create(tmp_path, 1, JOURNAL, None, 1)
    for at in range(1, 20_001, 2000):
        segment.insert(lines(at, 2000), {"feed": at}, "one")
    assert segment.indexed
    segment.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert segment.file.stat().st_size / 20_000 < 110


def test_an_older_reader_is_refused(tmp_path: Path) -> None:
    segment = segments.create(tmp_path, 1, JOURNAL, None, 1)
    segment.db.execute("UPDATE meta SET value = 99 WHERE name = 'version'")
    segment.close()
    with pytest.raises(segments.Broken):
        segments.OpenSegment(segment.file)


def test_pack_numbers_words_in_order_of_appearance() -> None:
    words = Words()
    pack(words, lines(1, 50))
    assert list(words.parties.values()) == list(range(len(words.parties)))
    assert sqlite3.sqlite_version_info >= (3, 38), "the view uses json functions that are built in"
