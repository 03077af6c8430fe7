"""The journal's promise under SIGKILL: every acknowledged record is there, in order, once.

A real writing process with its socket, eight feeds of its own and four client processes; at random moments
some of them are killed and started again. Half of the time the writer's death is made a power cut: what was
not synced is cut off or overwritten with junk. BLUEWHALE_KILLS sets how many processes the long test kills,
BLUEWHALE_SEED the dice of both.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import journal_rig
from bluewhale.journal import reader
from bluewhale.journal.format import FILE_HEADER_BYTES, STREAMS, Damage
from bluewhale.journal.verify import verify
from bluewhale.model import Kind, Record
from waiting import until

KILLS = 25
MANY_KILLS = int(os.environ.get("BLUEWHALE_KILLS", "300"))
SEED = int(os.environ.get("BLUEWHALE_SEED", "20260914"))
CLIENTS = {"anna": Kind.OWNER, "boris": Kind.OWNER, "health": Kind.ALARM, "card0": Kind.E1}


class Rig:
    """Owns the processes."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = data / "acknowledged.log"
        self.log.touch()
        self.errors = (data / "stderr.log").open("ab")
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.killed = Counter[str]()

    def start(self, name: str, wait: bool = True) -> None:
        arguments = ["server", str(self.data), str(self.log)]
        if name != "server":
            arguments = ["client", str(self.data), name, CLIENTS[name].name, str(self.log)]
        process = subprocess.Popen(
            [sys.executable, journal_rig.__file__, *arguments], stdout=subprocess.PIPE, stderr=self.errors
        )
        self.running[name] = process
        if name == "server" and wait:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", (self.data / "stderr.log").read_text()

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        assert process.poll() is None, (name, process.returncode, (self.data / "stderr.log").read_text())
        process.kill()
        process.communicate()
        self.killed[name] += 1

    def close(self) -> None:
        for process in self.running.values():
            process.kill()
            process.communicate()
        self.errors.close()

    def await_acknowledged(self, more: int) -> None:
        """Until the log of acknowledgements has grown by so many bytes (some 50 a record)."""
        wanted = self.log.stat().st_size + more
        until(lambda: self.log.stat().st_size > wanted, timeout=60)

    def stop_server(self) -> None:
        process = self.running.pop("server")
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 0, (self.data / "stderr.log").read_text()


def cut_power(journal: Path, dice: random.Random) -> None:
    """Spoils what lies behind the published end, as a power cut may: shorter, longer, or other bytes."""
    ends = reader.ends(journal)
    for stream in STREAMS:
        files = sorted((journal / stream).glob("*.seg"))
        if not files:
            continue
        start, data = int(files[-1].stem), files[-1].read_bytes()
        safe = max(FILE_HEADER_BYTES, FILE_HEADER_BYTES + ends.of(stream) - start)
        keep = dice.randint(min(safe, len(data)), len(data))
        junk = dice.choice([b"", bytes(dice.randrange(300)), dice.randbytes(dice.randrange(300))])
        files[-1].write_bytes(data[:keep] + junk)


def test_every_acknowledged_record_is_there_once_in_order(tmp_path: Path) -> None:
    kill_often(tmp_path, KILLS)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_hundreds_of_kills(tmp_path: Path) -> None:
    """make long-tests; the results are kept in docs/journal.md."""
    kill_often(tmp_path, MANY_KILLS)


def kill_often(tmp_path: Path, kills: int) -> None:
    dice = random.Random(SEED)
    rig = Rig(tmp_path)
    cuts = 0
    try:
        for name in ("server", *CLIENTS):
            rig.start(name)
        while rig.killed.total() < kills:
            rig.await_acknowledged(40 * dice.randrange(1, 40))
            ends = reader.ends(tmp_path / "journal")
            victims = [
                name for name in ("server", *CLIENTS) if dice.random() < (0.7 if name == "server" else 0.3)
            ]
            for name in victims:
                rig.kill(name)
            if "server" in victims and dice.random() < 0.5:
                cuts += 1
                cut_power(tmp_path / "journal", dice)
            if "server" in victims and dice.random() < 0.3:  # killed again while it starts
                rig.start("server", wait=False)
                time.sleep(dice.random() * 0.4)
                rig.kill("server")
            for name in victims:
                rig.start(name)
            assert reader.ends(tmp_path / "journal").seq >= ends.seq
        rig.await_acknowledged(2000)
        for name in CLIENTS:
            rig.kill(name)
        rig.stop_server()
    finally:
        rig.close()
    count = check(tmp_path)
    summary = f"{rig.killed.total()} kills {dict(rig.killed)}, {cuts} power cuts, {count} records acknowledged, seed {SEED}"
    print(summary)
    assert rig.killed["server"] >= kills / 10
    assert count > 3 * kills


def check(data: Path) -> int:
    """Compares the log of acknowledgements with the journal. Returns how many there were."""
    journal = data / "journal"
    assert [str(finding) for finding in verify(journal)] == []
    found: dict[tuple[str, int], Record] = {}
    last_seq = 0
    for record in reader.merged(journal, {}, reader.ends(journal)):
        assert not isinstance(record, Damage), record
        assert record.seq > last_seq
        last_seq = record.seq
        if record.kind in (Kind.MARK, Kind.TICK):
            continue
        number = int(record.payload.split(b'"number": ')[1].split(b",")[0])
        assert (record.source, number) not in found, "a record is there twice"
        assert record.payload == journal_rig.body(record.source, number)
        found[record.source, number] = record
    last: dict[str, tuple[int, int]] = {}
    acknowledged: dict[tuple[str, int], str] = {}
    for line in (data / "acknowledged.log").read_text().splitlines():
        name, number_text, origin = line.split()
        key = (name, int(number_text))
        assert acknowledged.setdefault(key, origin) == origin  # a repeated id has one origin
        record = found[key]
        assert origin == f"{reader.ends(journal).journal}.{record.stream}.{record.position}.{record.size}"
        assert last.get(name, (-1, -1)) <= (key[1], record.position)
        last[name] = (key[1], record.position)
    return len(acknowledged)
