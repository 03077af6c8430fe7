"""make bench: what a record costs, beside the budget.

CPU time, not wall time, is the figure to trust on a machine that does other things too; and each CPU figure
is also given as a ratio to a baseline measured in the same run: splitting the same lines and inserting them
bare into SQLite. Real processes, real sockets; nothing outside 127.0.0.1.
"""

import argparse
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import zstandard

from bench.feeding import ipoffice
from bench.stages import stages
from bluewhale.journal.compress import FRAME_BYTES, LEVEL
from bluewhale.store.seal import seal
from boxes import Box
from waiting import until

Row = tuple[str, float, str, str]  # what, figure, unit, budget


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--latency-lines", type=int, default=500)
    args = parser.parse_args()
    rows: list[Row] = []
    data = list(ipoffice(args.lines))
    base = baseline(data)
    rows.append(("baseline: split and bare insert", base, "us/record", "the ruler"))
    for name, cost in stages(data[:50_000]):
        rows.append((f"stage {name}", cost, "us/record", f"{cost / base:.1f} x baseline"))
    with tempfile.TemporaryDirectory(prefix="bluewhale-bench-") as directory:
        rows += whole_box(Path(directory), data, base, args.latency_lines)
    print(f"\n{'what':44} {'figure':>10}  {'unit':12} budget")
    for what, figure, unit, budget in rows:
        print(f"{what:44} {figure:10.2f}  {unit:12} {budget}")
    return 0


def baseline(data: list[bytes]) -> float:
    """CPU microseconds a record for the least anyone could do in Python with the same lines."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE line (a,b,c,d,e,f,g,h,i,j,k,l)")
    started = time.process_time()
    database.executemany(
        "INSERT INTO line VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (line.decode().split(",")[:12] for line in data),
    )
    database.commit()
    return (time.process_time() - started) / len(data) * 1e6


def whole_box(directory: Path, data: list[bytes], base: float, latency_lines: int) -> list[Row]:
    """CPU of the roles, latency, bytes a call and memory of a real box."""
    box = Box(directory)
    box.start()
    try:
        idle = memory(box)
        box.send(data[0])
        until(lambda: box.lines() == 1, 20, "the first line")
        delays = latency(box, data[1 : 1 + latency_lines])
        rest = data[1 + latency_lines :]
        before = {role: cpu(box, role) for role in ("capture", "ledger")}
        file = directory / "rest.raw"
        file.write_bytes(b"".join(rest))
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "bluewhale", "replay", str(file), "--to", f"tcp:127.0.0.1:{box.feed_port}"],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        busy = 0.0
        while box.lines() < len(data):
            busy = max(busy, memory(box))
            time.sleep(0.2)
        wall = time.monotonic() - started
        spent = {role: (cpu(box, role) - before[role]) / len(rest) * 1e6 for role in before}
        both = sum(spent.values())
    finally:
        box.stop()
    opened = size(box.data / "calls") / len(data)
    started = time.process_time()
    for file in (box.data / "calls").glob("*.open.db"):
        seal(box.data / "calls", int(file.name.split(".")[0]))
    sealing = (time.process_time() - started) / len(data) * 1e6
    sealed = size(box.data / "calls") / len(data)
    journal = compressed(box.data / "journal" / "feed")
    shutil.rmtree(box.sockets)
    return [
        (
            "capture role, wire to journal",
            spent["capture"],
            "us/record",
            f"{spent['capture'] / base:.1f} x baseline",
        ),
        (
            "ledger role, journal to stored line",
            spent["ledger"],
            "us/record",
            f"{spent['ledger'] / base:.1f} x baseline",
        ),
        ("all stages, pure Python", both, "us/record", f"30 ({both / base:.1f} x baseline)"),
        ("throughput", len(rest) / wall, "records/s", "wall, the player beside it"),
        ("latency p50, 100/s", statistics.median(delays), "ms", "5"),
        ("latency p99, 100/s", sorted(delays)[int(len(delays) * 0.99)], "ms", "25"),
        ("sealing, low priority", sealing, "us/record", "in 30"),
        ("bytes a call, open segment", opened, "bytes", ""),
        ("bytes a call, sealed with all indexes", sealed, "bytes", "110"),
        ("journal compression", journal, ": 1", "5"),
        ("memory of capture, ledger and health, idle", idle, "MB", "64"),
        ("memory of capture, ledger and health, busy", busy, "MB", "256"),
    ]


def latency(box: Box, lines: list[bytes]) -> list[float]:
    """Milliseconds from send() to a line that a reader of the store can see, 100 lines a second."""
    visible = counter(box)
    delays = []
    with socket.create_connection(("127.0.0.1", box.feed_port)) as connection:
        for line in lines:
            seen = visible()
            started = time.monotonic()
            connection.sendall(line)
            while visible() == seen:
                time.sleep(0.0003)
            delays.append((time.monotonic() - started) * 1000)
            time.sleep(max(0.0, 0.01 - (time.monotonic() - started)))
    return delays


def counter(box: Box) -> Callable[[], int]:
    file = sorted((box.data / "calls").glob("*.db"))[-1]
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)

    def visible() -> int:
        answer: Any = database.execute("SELECT max(seq) FROM line").fetchone()
        return int(answer[0] or 0)

    return visible


def cpu(box: Box, role: str) -> float:
    times = psutil.Process(box.pid(role)).cpu_times()
    return float(times.user + times.system)


def memory(box: Box) -> float:
    """Proportional set size of the three roles that a call passes or that watch them, in MB."""
    roles = ("capture", "ledger", "health")
    return sum(psutil.Process(box.pid(role)).memory_full_info().pss for role in roles) / 1e6


def size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def compressed(directory: Path) -> float:
    """How small zstd makes the raw dump: by the journal's own setting, on what the run wrote."""
    raw = b"".join(file.read_bytes() for file in sorted(directory.glob("*.seg")))
    packer = zstandard.ZstdCompressor(level=LEVEL)
    frames = [packer.compress(raw[at : at + FRAME_BYTES]) for at in range(0, len(raw), FRAME_BYTES)]
    return len(raw) / sum(map(len, frames)) if raw else 0.0


if __name__ == "__main__":
    sys.exit(main())
