"""The fold: journal records in, lines out, whatever the batches and wherever it is stopped."""

from collections.abc import Iterator
from importlib.resources import files

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluewhale.ledger import parse, pipeline, plan
from bluewhale.model import FEED, Kind, Line, Record, RejectRow, Saved, Step, Why
from folding import Journal

JOURNAL = "ab" * 8
PLAN = plan.load(files("bluewhale").joinpath("share/plans/sample.toml").read_text("utf-8"), "sample.toml")


def smdr(
    number: int, *, direction: str = "O", talk: int = 67, minute: int = 0, called: str = "02079460123"
) -> bytes:
    """An IP Office record of extension 2NN."""
    device = f"E{200 + number % 100},Ann" if direction == "O" else "T9001,Line 1.0"
    far = "T9001,Line 1.0" if direction == "O" else f"E{200 + number % 100},Ann"
    caller = f"{200 + number % 100}" if direction == "O" else "02079460999"
    return (
        f"2026/09/14 11:{minute:02d}:00,00:{talk // 60:02d}:{talk % 60:02d},5,{caller},{direction},{called},{called},,0,"
        f"{1000000 + number},0,{device},{far},0,0,,,,,,,,,,,,,,,,,,\r\n"
    ).encode()  # fmt: skip


def set_up(journal: Journal) -> None:
    journal.owner("plan", "sample", {"plan": PLAN})
    journal.owner("pricing", "default", {"charge": "sample", "cost": None, "reference": None})
    journal.owner(
        "site", "main", {"zone": "Europe/London", "country": "44", "area": "20", "access_codes": ["9"]}
    )
    row = {"site": "main", "extension": "201", "person": "Ann", "department": "Sales"}
    journal.owner("directory", "extensions", {"set": [row]})
    journal.owner("feed", "main", {"url": "tcp-listen:9000"})


def fresh() -> pipeline.State:
    return pipeline.restore(Saved(), "Europe/London", JOURNAL, "v")


class Kept:
    """What a store would hold after each step: the test's own store, in memory."""

    def __init__(self) -> None:
        self.saved = Saved()
        self.commits, self.die_at = 0, -1
        self.lines: list[Line] = []
        self.rejects: list[RejectRow] = []
        self.rolls: list[int] = []
        self.outcomes: list[tuple[str, str]] = []
        self.catalogue: dict[tuple[str, int], str] = {}

    def commit(self, step: Step) -> None:
        if self.commits == self.die_at:
            raise Killed
        self.commits += 1
        self.lines += step.lines
        self.rejects += step.rejects
        self.rolls += step.rolls
        self.outcomes += [(o.id, o.state) for o in step.outcomes]
        self.catalogue |= {(row.kind, row.id): row.name for row in step.catalogue}
        known = {(s.kind, s.key): s for s in self.saved.settings} | {
            (s.kind, s.key): s for s in step.settings
        }
        sources = self.saved.sources | step.sources
        self.saved = Saved(
            watermark=step.watermark, journal=step.journal, next_seq=step.next_seq, state=step.state,
            book=step.book or self.saved.book, settings=list(known.values()), feeds=self.saved.feeds | step.feeds,
            sources={name: state for name, state in sources.items() if state is not None},
        )  # fmt: skip

    def restarted(self) -> pipeline.State:
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(self.saved), type=Saved)
        return pipeline.restore(saved, "Pacific/Auckland", JOURNAL, "v")


def drive(
    state: pipeline.State, records: list[Record], kept: Kept, journal: list[Record], size: int = 3
) -> None:
    """Folds records as a role would, whose journal is a list; what is read again comes in batches of `size`."""

    def again(start: int, end: int) -> Iterator[list[Record]]:
        found = [
            r for r in journal if r.stream == FEED and start <= r.position and r.position + r.size <= end
        ]
        for at in range(0, len(found), size):
            yield found[at : at + size]

    for step in pipeline.steps(state, records, again):
        kept.commit(step)


def whole(records: list[Record]) -> Kept:
    kept = Kept()
    drive(fresh(), records, kept, records, 1000)
    return kept


def test_one_line_of_a_pbx_becomes_one_rated_line() -> None:
    journal = Journal()
    set_up(journal)
    journal.link("open", "main/1")
    data = smdr(1)
    first = journal.chunk("main/1", data[:40])
    journal.chunk("main/1", data[40:])
    made = whole(journal.records).lines
    assert len(made) == 1
    line = made[0]
    assert (line.seq, line.position, line.length) == (1, first.data_position, len(data) - 2)
    assert (line.call_position, line.call_length, line.ordinal, line.revision) == (
        line.position,
        line.length,
        0,
        0,
    )
    assert (line.extension, line.direction, line.called_e164) == ("201", "outgoing", "+442079460123")
    assert (line.talk_s, line.charged_s, line.currency, line.day) == (67, 67, "EUR", 20260914)
    assert line.charge_micros is not None and line.charge_micros > 0
    assert line.department == 1


def test_incoming_and_unanswered_calls_cost_nothing() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1, direction="I") + smdr(2, talk=0) + smdr(3))
    made = whole(journal.records).lines
    assert [line.charge_micros == 0 for line in made] == [True, True, False]
    assert [line.unpriced for line in made] == [None, None, None]


def test_without_a_plan_a_call_is_unpriced_and_says_so() -> None:
    journal = Journal()
    journal.chunk("main/1", smdr(1) + smdr(2, direction="I"))
    made = whole(journal.records).lines
    assert [(line.charge_micros, line.unpriced) for line in made] == [(None, "no plan"), (0, None)]


def test_a_call_is_priced_from_its_answer() -> None:
    """It rings at the day's price and is answered in the evening's."""
    journal = Journal()
    slot = {"from_s": 0, "per_s": 60, "increment_s": 60}
    tree = {
        "name": "bands", "currency": "EUR", "decimals": 2, "rounding": "up",
        "band": [{"name": "evening", "from": "11:00:03", "to": "24:00"}],
        "rate": [
            {"prefix": "", "name": "day", "slot": [slot | {"price": "1"}]},
            {"prefix": "", "name": "evening", "band": "evening", "slot": [slot | {"price": "5"}]},
        ],
    }  # fmt: skip
    journal.owner("plan", "bands", {"plan": tree})
    journal.owner("pricing", "default", {"charge": "bands"})
    journal.owner("feed", "main", {"url": "tcp-listen:9000", "format": "avaya-ipoffice"})
    journal.chunk("main/1", smdr(1, talk=60))
    assert [line.charge_micros for line in whole(journal.records).lines] == [5_000_000]


def test_a_plan_counts_from_where_it_stands_in_the_journal() -> None:
    journal = Journal()
    journal.owner("feed", "main", {"url": "tcp-listen:9000", "format": "avaya-ipoffice"})
    journal.chunk("main/1", smdr(1))
    set_up(journal)
    journal.chunk("main/1", smdr(2))
    assert [line.unpriced for line in whole(journal.records).lines] == ["no plan", None]


def test_a_line_split_over_an_options_change_and_two_connections_never_mix() -> None:
    journal = Journal()
    set_up(journal)
    one, two = smdr(1), smdr(2)
    journal.chunk("main/1", one[:30])
    journal.chunk("main/2", two[:60])
    journal.chunk("main/1", one[30:])
    journal.chunk("main/2", two[60:])
    kept = whole(journal.records)
    assert sorted(line.extension or "" for line in kept.lines) == ["201", "202"]
    assert not kept.rejects


def test_a_rest_at_close_is_a_reject_with_its_bytes() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1))
    rest = journal.chunk("main/1", smdr(2)[:25])
    journal.link("lost", "main/1")
    kept = whole(journal.records)
    assert len(kept.lines) == 1
    assert [(r.reject.why, r.reject.origin.position, r.reject.origin.length) for r in kept.rejects] == [
        (Why.TRUNCATED, rest.data_position, 25)
    ]
    assert kept.rejects[0].source == "main/1"
    assert kept.rejects[0].reject.origin.journal == JOURNAL
    assert kept.saved.sources == {}


def test_a_restart_of_capture_does_not_cut_a_line() -> None:
    journal = Journal()
    set_up(journal)
    data = smdr(1)
    journal.chunk("main/1", data + data[:30])
    journal.add(Kind.MARK, "capture", b'{"event":"start"}')
    journal.chunk("main/1", data[30:])
    kept = whole(journal.records)
    assert (len(kept.lines), len(kept.rejects)) == (2, 0)


def test_bytes_nobody_knows_are_held_then_rejected_where_they_lie() -> None:
    journal = Journal()
    set_up(journal)
    noise = [journal.chunk("main/1", bytes([7, 200 + n, 13, 10]) * 64) for n in range(4)]
    kept = whole(journal.records)
    assert (kept.lines, kept.rejects) == ([], [])
    journal.link("closed", "main/1")
    kept = whole(journal.records)
    assert [r.reject.why for r in kept.rejects] == [Why.UNDETECTED] * 4
    assert [r.reject.origin.position for r in kept.rejects] == [record.data_position for record in noise]


@pytest.mark.parametrize("size", [1, 4096])
def test_what_is_held_is_bounded(size: int) -> None:
    journal = Journal()
    set_up(journal)
    chunks = [
        journal.chunk("main/1", (b"\x07\xfe" * size)[:size], 0.001) for _ in range(2500 if size == 1 else 40)
    ]
    kept = whole(journal.records)
    state = msgspec.json.decode(kept.saved.sources["main/1"], type=parse.SavedSource)
    assert sum(len(piece.data) for piece in state.held) <= parse.HELD_BYTES
    assert len(state.held) <= parse.HELD_PIECES
    assert len(kept.rejects) + len(state.held) == len(chunks)


def test_all_bytes_are_read_from_their_beginning_when_the_owner_names_the_format() -> None:
    journal = Journal()
    set_up(journal)
    data = smdr(1)
    journal.chunk("main/1", b"garbage that hides what it is\r\n" * 5000)
    journal.chunk("main/1", data[:30])
    journal.chunk("main/2", data[:60])
    journal.chunk("main/3", data[:60])
    journal.link("lost", "main/3")
    before = whole(journal.records)
    assert not before.lines
    assert before.saved.feeds[1].format is None
    assert before.rejects[0].reject.why is Why.UNDETECTED
    journal.owner("format", "main", {"format": "avaya-ipoffice"})
    journal.chunk("main/2", data[60:])
    journal.chunk("main/1", data[30:])
    kept = whole(journal.records)
    starts = [
        r.data_position
        for r in journal.records
        if r.source in ("main/1", "main/2") and r.payload[:4] == data[:4]
    ]
    assert sorted(line.position for line in kept.lines) == starts
    assert len(starts) == 2
    assert kept.saved.feeds[1].evidence == "set by the owner"


def test_calls_of_a_time_when_nobody_could_tell_are_read_when_it_shows() -> None:
    """Noise at the wrong speed, then one good record: what was rejected before is read as well."""
    journal = Journal()
    set_up(journal)
    journal.link("open", "main/1")
    journal.chunk("main/1", smdr(1)[:60])
    journal.chunk("main/2", b"\xfe\x07\x00" * 400 + b"\r\n")
    journal.link("lost", "main/2")
    journal.chunk("main/1", smdr(1)[60:] + smdr(2) + smdr(3) + smdr(4))
    kept = whole(journal.records)
    assert [line.extension for line in kept.lines] == ["201", "202", "203", "204"]


def test_a_decision_stands_though_other_bytes_follow() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1))
    journal.chunk("main/1", b"no such record\r\n" * 20)
    journal.chunk("main/2", smdr(2))
    kept = whole(journal.records)
    assert len(kept.lines) == 2
    assert len(kept.rejects) == 20
    assert kept.saved.feeds[1].format == "avaya-ipoffice"


def test_a_record_no_call_can_have_is_a_reject() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", smdr(1))
    journal.chunk("main/1", smdr(2).replace(b"2026/09/14", b"2026/02/30"))
    journal.chunk("main/1", smdr(3))
    kept = whole(journal.records)
    assert [line.seq for line in kept.lines] == [1, 2]
    assert len(kept.rejects) == 1


def test_a_feed_of_the_file_is_known_by_its_link() -> None:
    journal = Journal()
    declared = {
        "url": "tcp-listen:9",
        "format": "avaya-ipoffice",
        "options": {"zone": "Asia/Shanghai"},
        "site": "main",
    }
    journal.link("open", "plant/1", declared=declared)
    journal.chunk("plant/1", smdr(1))
    line = whole(journal.records).lines[0]
    assert line.started_utc == 1789356660000000 - 60_000_000 * 31


@pytest.mark.parametrize(
    ("wrong", "evidence"),
    [
        ({"format": "abacus"}, "there is no format abacus"),
        ({"format": "avaya-ipoffice", "options": {"colour": "blue"}}, "colour"),
    ],
)
def test_a_faulty_feed_of_the_file_holds_its_bytes_and_says_why(
    wrong: dict[str, object], evidence: str
) -> None:
    journal = Journal()
    journal.link("open", "plant/1", declared={"url": "tcp-listen:9"} | wrong)
    journal.chunk("plant/1", b"no such record\r\n")
    kept = whole(journal.records)
    assert kept.lines == []
    assert evidence in str(kept.saved.feeds[1].evidence)
    journal.link("open", "plant/1", declared={"url": "tcp-listen:9", "format": "avaya-ipoffice"})
    journal.chunk("plant/1", smdr(1))
    kept = whole(journal.records)
    assert (len(kept.lines), len(kept.rejects)) == (1, 1)


def test_a_zone_that_is_none_is_the_sites() -> None:
    journal = Journal()
    declared = {"url": "tcp-listen:9", "format": "avaya-ipoffice", "options": {"zone": "Moon/Tranquility"}}
    journal.link("open", "plant/1", declared=declared)
    journal.chunk("plant/1", smdr(1))
    assert whole(journal.records).lines[0].started_utc == 1789380000000000  # 11:00 in London, in summer


def test_segments_end_with_the_month_of_journal_time() -> None:
    journal = Journal(at_us=1_790_812_790_000_000)  # 2026-09-30 23:59:50
    set_up(journal)
    journal.chunk("main/1", smdr(1) * 3)
    journal.chunk("main/1", smdr(1), 20.0)
    assert whole(journal.records).rolls == [4]


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    """A day of a box: lines cut anywhere, connections that come and go, owners who change things."""
    journal = Journal()
    pending = {"main/1": b"", "main/2": b"", "other/1": b""}
    for number in range(draw(st.integers(3, 25))):
        action = draw(st.integers(0, 12))
        source = draw(st.sampled_from(sorted(pending)))
        if action <= 7:
            pending[source] += smdr(number, minute=number, direction=draw(st.sampled_from("OI")))
            cut = draw(st.integers(1, len(pending[source])))
            journal.chunk(source, pending[source][:cut])
            pending[source] = pending[source][cut:]
        elif action == 8:
            journal.link(draw(st.sampled_from(["closed", "lost"])), source)
            pending[source] = b""
        elif action == 9:
            set_up(journal)
        elif action == 10:
            journal.tick()
        elif action == 11:
            journal.chunk(source, draw(st.binary(max_size=40)))
        else:
            journal.owner("format", "main", {"format": draw(st.sampled_from(["avaya-ipoffice", "nonsense"]))})
    return journal.records


def same(one: Kept, two: Kept) -> None:
    assert one.lines == two.lines
    assert [line.seq for line in one.lines] == list(range(1, len(one.lines) + 1))
    assert one.rejects == two.rejects
    assert one.outcomes == two.outcomes
    assert one.catalogue == two.catalogue
    assert one.rolls == two.rolls
    assert one.saved == two.saved


@settings(max_examples=60, deadline=None)
@given(journals(), st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_any_batching_gives_the_same(records: list[Record], sizes: list[int]) -> None:
    kept, state, at = Kept(), fresh(), 0
    while at < len(records):
        size = sizes[at % len(sizes)]
        drive(state, records[at : at + size], kept, records, size)
        at += size
    same(kept, whole(records))


def restarted_before(records: list[Record], number: int) -> Kept:
    """Folded with a restart before the record of that index, counted from the end."""
    kept, at = Kept(), len(records) - number
    drive(fresh(), records[:at], kept, records)
    drive(kept.restarted(), records[at:], kept, records)
    return kept


def test_a_restart_remembers_from_where_an_undecided_feed_was_not_read() -> None:
    journal = Journal()
    set_up(journal)
    journal.chunk("main/1", b"\xfe\x07\r\n" * 200 + smdr(1)[:50])
    journal.chunk("main/1", smdr(1)[50:] + smdr(2))
    journal.owner("format", "main", {"format": "avaya-ipoffice"})
    for number in (1, 2):
        kept = restarted_before(journal.records, number)
        same(kept, whole(journal.records))
        assert len(kept.lines) == 2


def test_a_restart_does_not_change_the_order_of_a_feeds_sources() -> None:
    journal = Journal()
    set_up(journal)
    journal.owner("feed", "main", {"url": "udp:1", "format": "avaya-ipoffice"})
    for source in ("main/9", "main/1", "main/5"):
        journal.chunk(source, smdr(1) + smdr(2)[:40])
    journal.owner("feed", "main", {"url": "udp:1", "format": "avaya-ipoffice", "options": {"year": 2026}})
    kept = restarted_before(journal.records, 1)
    assert len(kept.rejects) == 3
    same(kept, whole(journal.records))


class Killed(Exception):
    pass


@settings(max_examples=80, deadline=None)
@given(journals(), st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_a_restart_after_any_commit_gives_the_same(records: list[Record], lives: list[int]) -> None:
    """Each life folds what it finds and dies after some records or commits, also while it reads again."""
    kept, number = Kept(), 0
    for number, life in enumerate([*lives, 1000]):
        state = kept.restarted() if kept.saved.state else fresh()
        mark = kept.saved.watermark
        left = [r for r in records if r.position >= mark.get(r.stream, 0)]
        commits = kept.commits
        kept.die_at = commits + 1 + life // 3 if number < len(lives) else -1
        try:
            drive(state, left[:life], kept, records, 2)
        except Killed:
            continue
    same(kept, whole(records))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Kind)), st.sampled_from(["a/1", "b", ""]), st.binary(max_size=80))
    )
)
def test_no_record_breaks_the_fold(made: list[tuple[Kind, str, bytes]]) -> None:
    journal = Journal()
    for kind, source, payload in made:
        journal.add(kind, source, payload)
    step = pipeline.advance(fresh(), journal.records)
    assert step.watermark == {stream: end for stream, end in journal.ends.items() if end}


def test_the_fold_remembers_no_time_zone_of_a_later_configuration() -> None:
    journal = Journal()
    journal.chunk("main/1", smdr(1))
    kept = whole(journal.records)
    assert kept.restarted().zone == "Europe/London"
