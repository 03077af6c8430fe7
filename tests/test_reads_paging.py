"""Calls of several lines, and lists read while calls come in and segments are sealed."""

import threading
from pathlib import Path

import pytest

from bluewhale.config import Config
from bluewhale.model import EVERYTHING
from bluewhale.store import reads, writer
from bluewhale.store.reads import Box
from bluewhale.store.writer import Store
from reads_samples import found
from store_samples import fold, line, lines, step
from waiting import until


def joined_box(tmp_path: Path) -> tuple[Store, Box]:
    """Calls of several lines: leg and late leg in one segment, in two, and a correction."""
    config = Config(data=str(tmp_path))
    store = Store(config, 10)
    made = lines(1, 25)
    for one in made:
        one.talk_s, one.charge_micros, one.currency, one.direction = 10, 100, "CNY", "outgoing"
    for seq, first in ((5, 3), (15, 3), (24, 8)):
        made[seq - 1].call_position, made[seq - 1].call_length = (
            made[first - 1].position,
            made[first - 1].length,
        )
        made[seq - 1].ordinal = 1
    made[19].position = made[19].call_position = made[8].position
    made[19].revision, made[19].charge_micros, made[19].talk_s, made[19].reason = 1, -40, 0, "late leg"
    made[19].position += 7
    store.commit(step(made[:22]))
    store.commit(step(made[22:]))
    until(lambda: not store._sealer.busy)
    return store, reads.open_box(config)


def test_a_call_is_the_sum_of_its_lines(tmp_path: Path) -> None:
    store, box = joined_box(tmp_path)
    page = reads.calls(box, EVERYTHING)
    by_seq = {item["seq"]: item for item in page.items}
    assert sorted(item["seq"] for item in page.items) == [
        seq for seq in range(1, 26) if seq not in (5, 15, 20, 24)
    ]
    assert (by_seq[3]["line_count"], by_seq[3]["talk_s"], by_seq[3]["charge_micros"]) == (3, 30, 300)
    assert (by_seq[8]["line_count"], by_seq[9]["charge_micros"], by_seq[10]["line_count"]) == (2, 60, 1)
    call = reads.call(box, EVERYTHING, by_seq[3]["call_id"])
    assert call is not None and [one["seq"] for one in call["lines"]] == [3, 5, 15]
    assert call["charge_micros"] == 300
    store.close()


def test_a_call_found_by_a_later_line_is_listed_once(tmp_path: Path) -> None:
    store, box = joined_box(tmp_path)
    for extension in {one.extension for one in lines(1, 25)}:
        mine = [one for one in lines(1, 25) if one.extension == extension]
        calls_ = {{5: 3, 15: 3, 24: 8, 20: 9}.get(one.seq, one.seq) for one in mine}
        for limit in (1, 2, 100):
            assert sorted(found(box, extension=extension, limit=limit)) == sorted(calls_)
    store.close()


@pytest.mark.parametrize("wanted", [{}, {"direction": "outgoing"}, {"number": "*9*"}])
def test_a_call_of_two_matching_lines_is_listed_once(tmp_path: Path, wanted: dict[str, str]) -> None:
    store, box = joined_box(tmp_path)
    for limit in (1, 3, 100):
        seqs = found(box, limit=limit, **wanted)
        assert len(seqs) > 10 and len(seqs) == len(set(seqs))
    store.close()


def test_paging_is_complete_while_calls_come_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of the beginning once, whatever is added, sealed or indexed meanwhile."""
    monkeypatch.setattr(writer, "QUIET_S", 0.0)
    config = Config(data=str(tmp_path))
    store = Store(config, 500)
    store.commit(step(lines(1, 1800)))
    box = reads.open_box(config)
    at = 1801
    for number in (None, "*1*", "9*"):
        start = at - 1
        seqs: list[int] = []
        before = None
        while True:
            page = reads.calls(box, EVERYTHING, limit=60, number=number, before=before, deadline_s=5)
            seqs += [item["seq"] for item in page.items]
            before = page.next
            if before is None:
                break
            store.commit(step(lines(at, 45)))
            store.idle()
            at += 45
        text = (number or "").strip("*")
        want = [seq for seq in range(start, 0, -1) if number is None
                or any((text in n if number[0] == "*" else n.startswith(text)) for n in (line(seq).caller or "", line(seq).called or ""))]  # fmt: skip
        assert [seq for seq in seqs if seq <= start] == want
    store.close()


def test_many_threads_read_while_one_process_writes(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    store = Store(config, 700)
    box = reads.open_box(config)
    stop = threading.Event()
    faults: list[str] = []
    rounds = [0] * 48

    def read(number: int) -> None:
        last = 0
        while not stop.is_set():
            try:
                total = reads.totals(box, EVERYTHING)["calls"]
                page = reads.calls(box, EVERYTHING, limit=20, number="*1*", deadline_s=5)
                by_day = reads.summary(box, EVERYTHING, "day").total["calls"]
                if by_day < total or total < last or (total > 500 and not page.items):
                    faults.append(f"{last} {total} {by_day} {len(page.items)}")
                last = by_day
                rounds[number] += 1
            except Exception as error:  # a fault in any thread fails the test
                faults.append(repr(error))
                return

    threads = [threading.Thread(target=read, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for at in range(1, 4001, 50):
        store.commit(fold(at, 50))
        store.idle()
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    assert sum(rounds) > 48
    assert reads.totals(box, EVERYTHING)["calls"] == 4000 - 80  # every 50th line is a further leg
    store.close()
