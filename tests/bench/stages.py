"""CPU time of each pure stage alone, in this process, on the same lines."""

import cProfile
import pstats
import time
from collections.abc import Callable

from bluewhale.formats import Decoder, load_formats
from bluewhale.ledger import numbering, pipeline, plan, rating
from bluewhale.model import Leg, Saved
from folding import Journal

CHUNK_LINES = 600  # about 64 KiB, what a busy feed journals at once


def stages(data: list[bytes]) -> list[tuple[str, float]]:
    """(stage, microseconds of CPU a record)."""
    chunks = [b"".join(data[i : i + CHUNK_LINES]) for i in range(0, len(data), CHUNK_LINES)]
    decoder = Decoder(load_formats()["avaya-ipoffice"], {})
    legs: list[Leg] = []

    def parse() -> None:
        position = 0
        for chunk in chunks:
            legs.extend(item for item in decoder.feed(chunk, position, 0) if isinstance(item, Leg))
            position += len(chunk)

    tariff = plan.parse(SAMPLE)
    site = numbering.Site(id=1, name="main", enterprise=1, zone="Europe/London", country="44", area="20")

    def rate() -> None:
        for leg in legs:
            key = numbering.normalise(site, leg.called or "", "outgoing") or leg.called or ""
            rating.charge_micros(tariff, key, 1_790_000_000_000_000, leg.talk_s or 0)

    cost = [("parse", timed(parse) / len(data)), ("normalise and rate", timed(rate) / len(data))]
    journal, state = prepared()
    records = [journal.chunk("main/1", chunk) for chunk in chunks]
    fold = timed(lambda: [pipeline.advance(state, records[i : i + 4]) for i in range(0, len(records), 4)])
    return [*cost, ("fold: parse to priced line", fold / len(data))]


def prepared() -> tuple[Journal, pipeline.State]:
    """A journal with one feed and the sample plan applied, and the fold's state after that."""
    journal = Journal()
    journal.owner("plan", "bench", {"plan": SAMPLE})
    journal.owner("pricing", "default", {"charge": "bench", "cost": None, "reference": None})
    journal.owner("feed", "main", {"url": "tcp-listen:0", "format": "avaya-ipoffice", "site": "main"})
    journal.link("open", "main/1", feed="main")
    state = pipeline.restore(Saved(), "UTC", "bench", "bench")
    pipeline.advance(state, journal.records)
    return journal, state


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1e6


def profile(data: list[bytes]) -> None:
    """Where the fold's time goes: python -c 'from bench import stages; ...'."""
    chunks = [b"".join(data[i : i + CHUNK_LINES]) for i in range(0, len(data), CHUNK_LINES)]
    journal, state = prepared()
    records = [journal.chunk("main/1", chunk) for chunk in chunks]
    profiler = cProfile.Profile()
    profiler.runcall(lambda: [pipeline.advance(state, records[i : i + 4]) for i in range(0, len(records), 4)])
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


SAMPLE = {
    "name": "bench", "currency": "EUR", "decimals": 4, "rounding": "half-up",
    "rate": [
        {"prefix": prefix, "name": prefix or "rest", "destination": prefix or "rest",
         "slot": [{"from_s": 0, "price": price, "per_s": 60, "increment_s": 1}]}
        for prefix, price in (("", "0.10"), ("+44", "0.02"), ("+447", "0.12"), ("+33", "0.05"), ("+1", "0.03"), ("+86", "0.11"))
    ],
}  # fmt: skip
