"""Searching numbers and times: marks stand for themselves, an index misses nothing, blocks bound a time exactly."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bluewhale.config import Config
from bluewhale.model import EVERYTHING, Line
from bluewhale.store import numbers, reads, search
from bluewhale.store.reads import Box
from bluewhale.store.writer import Store
from reads_samples import found, open_sample
from store_samples import JOURNAL, START_S, line, lines, step


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with open_sample(Config(data=str(tmp_path_factory.mktemp("box")))) as opened:
        yield opened


@pytest.mark.parametrize(
    "typed",
    [
        "%",
        "_",
        "21_",
        "2%",
        "[0-9]",
        "?17",
        "*%*",
        "*_*",
        "*[0-9]*",
        "'",
        '"',
        "*'*",
        "\\",
        "*\\*",
        "--",
        ";",
    ],
)
def test_marks_of_sql_stand_for_themselves(box: Box, typed: str) -> None:
    assert found(box, number=typed) == []
    assert found(box, text=typed if typed.strip("*") else "zz") == []
    assert found(box, extension=typed) == []


def test_dialled_stars_and_marks_are_found(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    store = Store(config)
    dialled = ["*57", "57*", "5*7", "#31#139", "10%", "1_0", "100", "o'clock", "+8675582661234", "sip:a@b"]
    store.commit(step([line(seq, direction="outgoing", extension="9", caller="9", called=number)
                       for seq, number in enumerate(dialled, 1)]))  # fmt: skip
    box = reads.open_box(config)
    for typed, want in {
        "\\*57": ["*57"], "57\\*": ["57*"], "5*7": ["5*7"], "*7": ["*57", "5*7"], "10%": ["10%"], "1_0": ["1_0"], "10*": ["10%", "100"],
        "*'*": ["o'clock"], "#31*": ["#31#139"], "*1234": ["+8675582661234"], "+86 755*": ["+8675582661234"],
        "sip:*": ["sip:a@b"], "*@b": ["sip:a@b"], "+86-755-8266-1234": ["+8675582661234"],
    }.items():  # fmt: skip
        got = {item["called"] for item in reads.calls(box, EVERYTHING, number=typed).items}
        assert got == set(want), typed
    store.close()


def test_the_normal_form_of_a_number_is_found(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    store = Store(config)
    store.commit(step([line(1, direction="outgoing", called="9075582661234", called_e164="+8675582661234"),
                       line(2, direction="outgoing", called="982661234", called_e164="+8675582661234"),
                       line(3, direction="outgoing", called="9075582661239", called_e164="+8675582661239")]))  # fmt: skip
    box = reads.open_box(config)
    for typed in ("+8675582661234", "8675582661234", "+86 755 8266 1234", "*2661234", "*1234"):
        assert {item["seq"] for item in reads.calls(box, EVERYTHING, number=typed).items} == {1, 2}, typed
    assert len(reads.calls(box, EVERYTHING, number="+86755*").items) == 3
    store.commit(step([line(4, direction="outgoing", called="912315", called_e164="12315")]))
    assert [item["seq"] for item in reads.calls(box, EVERYTHING, number="12315").items] == [4]
    store.close()


LONGEST = 0  # this line of `blocks` dialled the longest number that is stored as an integer


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Box, list[Line]]]:
    """One open segment of several blocks, its times out of order, with numbers of all kinds."""
    config = Config(data=str(tmp_path_factory.mktemp("blocks")))
    store = Store(config)
    draw = random.Random(5)
    kinds = ["90755%08d", "+86755%08d", "%04d", "0%07d", "%017d", "%018d", "1#%03d", "*%04d", "sip:%05d"]
    made = lines(1, 9500)
    for one in made:
        one.direction, one.extension = "tandem", draw.choice(("203", "0755", "1#7"))
        one.caller, one.called = (
            draw.choice((draw.choice(kinds) % draw.randrange(9999), one.extension)) for _ in range(2)
        )
        if one.called[:5] == "90755":
            one.called_e164 = "+86755" + one.called[5:]
        one.started_utc = (
            None if one.seq % 97 == 0 else (one.started_utc or 0) + draw.randrange(-40_000, 40_000) * 10**6
        )
        one.started_local = one.day = None
    made[LONGEST].called, made[LONGEST].caller = "3" * 17, "+" + "4" * 17
    for at in range(0, 9500, 500):
        store.commit(step(made[at : at + 500]))
    while store._open is not None and store._open.index_one():
        pass
    box = reads.open_box(config)
    yield box, made
    box.close()
    store.close()


@pytest.mark.parametrize("hours", [(0, 5), (3, 4), (30, 40), (77, 90), (-20, 1), (None, 10), (60, None)])
def test_a_time_is_found_over_blocks(
    blocks: tuple[Box, list[Line]], hours: tuple[int | None, int | None]
) -> None:
    box, made = blocks
    since, until_ = (None if hour is None else (START_S + hour * 3600) * 10**6 for hour in hours)
    want = [one.seq for one in reversed(made) if one.started_utc is not None
            and (since is None or one.started_utc >= since) and (until_ is None or one.started_utc < until_)]  # fmt: skip
    assert found(box, limit=1000, since_us=since, until_us=until_) == want
    assert len(want) > 20


def test_a_time_is_found_to_the_microsecond(blocks: tuple[Box, list[Line]]) -> None:
    """The latest and the earliest of each block, which are the bounds the search goes by."""
    box, made = blocks
    for first in range(0, 9500, 4096):
        times = [one.started_utc for one in made[first : first + 4096] if one.started_utc is not None]
        for at in (max(times), min(times)):
            seqs = found(box, limit=1000, since_us=at, until_us=at + 1)
            assert seqs == [one.seq for one in reversed(made) if one.started_utc == at] != []


def test_each_call_of_a_block_is_found_by_its_name(blocks: tuple[Box, list[Line]]) -> None:
    box, made = blocks
    for seq in (1, 4094, 4095, 4096, 4097, 8191, 8192, 9500):
        call = reads.call(box, EVERYTHING, f"{JOURNAL}.feed.{made[seq - 1].position}.80")
        assert call is not None and call["seq"] == seq


@settings(max_examples=120, deadline=None)
@example(LONGEST, 0, 5, "{}*", False)
@example(LONGEST, 0, 18, "{}", False)
@given(
    st.integers(0, 9499),
    st.integers(0, 12),
    st.integers(1, 18),
    st.sampled_from(["{}", "{}*", "*{}", "*{}*"]),
    st.booleans(),
)
def test_drivers_miss_nothing(
    blocks: tuple[Box, list[Line]], at: int, start: int, width: int, form: str, e164: bool
) -> None:
    """What an index proposes and the condition keeps is what the condition alone finds."""
    box, made = blocks
    number = (made[at].called_e164 if e164 else made[at].called) or made[at].caller or ""
    pattern = numbers.parse(form.format(number[start : start + width] or number))
    selects = numbers.drivers(pattern) if pattern else None
    if pattern is None or selects is None:
        return
    condition, values = numbers.condition(pattern)
    with box.segment(box.spans()[0]) as db:
        scan = db.execute(f"SELECT l.seq FROM line l {search._NAMES} WHERE {condition}", values).fetchall()
        proposed = {seq for select, given_ in selects for (seq,) in db.execute(select, given_)}
    assert {seq for (seq,) in scan} <= proposed
    plain = {"exact": lambda n: n == pattern.text, "prefix": lambda n: n.startswith(pattern.text),
             "suffix": lambda n: n.endswith(pattern.text), "inside": lambda n: pattern.text in n}[pattern.how]  # fmt: skip
    e164_too = pattern.how in ("exact", "suffix") or pattern.text[0] == "+"
    want = {
        one.seq
        for one in made
        for n in (one.caller, one.called, one.called_e164 if e164_too else None)
        if n and plain(n)
    }
    if pattern.how == "exact":
        want |= {one.seq for one in made if one.called_e164 == "+" + pattern.text}
    assert {seq for (seq,) in scan} == want
