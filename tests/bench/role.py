"""The ledger role alone, in this process, over a journal written beforehand: what it costs without the box around it.

    cd tests && ../.venv/bin/python -m bench.role [--lines N] [--chunk LINES] [--country 44] [--profile]

The same work each time, so the ratio to the baseline holds on a busy machine too; --profile says where it goes.
"""

import argparse
import cProfile
import gc
import pstats
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.__main__ import baseline
from bench.feeding import ipoffice
from bench.stages import SAMPLE
from bluewhale.config import Config
from bluewhale.journal import client, reader
from bluewhale.journal.writer import Writer
from bluewhale.model import Change, Kind
from bluewhale.roles.folding import open_store
from bluewhale.roles.heart import Heart
from bluewhale.roles.ledger import Ledger


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=60_000)
    parser.add_argument("--chunk", type=int, default=600, help="lines a journal record")
    parser.add_argument("--country", default="", help="of the site: numbers become E.164")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    data = list(ipoffice(args.lines))
    profiler = cProfile.Profile(time.process_time) if args.profile else None
    for _ in range(1 if profiler else 3):
        with tempfile.TemporaryDirectory(prefix="bluewhale-bench-") as directory:
            config = journal(Path(directory), data, args.chunk, args.country)
            base, cost = baseline(data), role(config, len(data), profiler)
        print(f"{cost:.1f} us/record, {cost / base:.1f} x baseline")
    if profiler:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
    return 0


def journal(directory: Path, data: list[bytes], chunk: int, country: str) -> Config:
    """A box's journal with a plan, one feed and these lines."""
    config = Config(data=str(directory))
    writer = Writer(config.journal_dir, box="0123456789abcdef", reserve_bytes=0, owner_share_bytes=0)
    site = {
        "enterprise": "default",
        "zone": "Europe/London",
        "country": country,
        "area": "20",
        "access_codes": ["9"],
    }
    changes = [
        ("plan", "bench", {"plan": SAMPLE}),
        ("pricing", "default", {"charge": "bench", "cost": None, "reference": None}),
        ("feed", "main", {"url": "tcp-listen:0", "format": "avaya-ipoffice", "site": "main"}),
        *([("site", "main", site)] if country else []),
    ]
    for kind, key, value in changes:
        change = Change(kind=kind, key=key, value=value, who="bench", when_us=1, id=key + kind)
        writer.append(Kind.OWNER, "owner", msgspec.json.encode(change))
    opened = {"event": "open", "source": "main/1", "feed": "main"}
    writer.append(Kind.LINK, "main/1", msgspec.json.encode(opened))
    for at in range(0, len(data), chunk):
        writer.append(Kind.CHUNK, "main/1", b"".join(data[at : at + chunk]))
    writer.sync()
    writer.close()
    return config


def role(config: Config, lines: int, profiler: cProfile.Profile | None) -> float:
    """CPU microseconds a record from the journal to the stored line and the saved sums."""
    store, state = open_store(config, config)
    ends = reader.ends(config.journal_dir)
    ledger = Ledger(config, Heart(config, "ledger"), client.Watch(config), store, state, ends)
    gc.collect()
    gc.freeze()
    started = time.process_time()
    if profiler:
        profiler.runcall(ledger._catch_up)
    else:
        ledger._catch_up()
    store.flush()
    spent = time.process_time() - started
    assert store.lines == lines
    store.close()
    return spent / lines * 1e6


if __name__ == "__main__":
    sys.exit(main())
