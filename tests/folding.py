"""Hand-made journal records for tests of the fold."""

import itertools
from typing import Any

import msgspec

from bluewhale.model import Change, Kind, Record, stream_of

START_US = 1_790_000_000_000_000
BOOT = "00" * 8
HEADER = 64


class Journal:
    """Makes records with positions and seqs as a journal would; one second between two of them."""

    def __init__(self, at_us: int = START_US) -> None:
        self.at_us = at_us
        self.ends = {"feed": 0, "owner": 0}
        self.seq = itertools.count(1)
        self.ids = itertools.count(1)
        self.records: list[Record] = []

    def add(self, kind: Kind, source: str, payload: bytes, later_s: float = 1.0) -> Record:
        stream = stream_of(kind)
        self.at_us += int(later_s * 1_000_000)
        record = Record(
            kind=kind, stream=stream, position=self.ends[stream], size=HEADER + len(source) + len(payload),
            seq=next(self.seq), real_us=self.at_us, mono_us=self.at_us - START_US, boot=BOOT, synced=True,
            source=source, payload=payload,
        )  # fmt: skip
        self.ends[stream] += record.size
        self.records.append(record)
        return record

    def chunk(self, source: str, data: bytes, later_s: float = 1.0) -> Record:
        return self.add(Kind.CHUNK, source, data, later_s)

    def link(self, event: str, source: str, **more: Any) -> Record:
        return self.add(Kind.LINK, source, msgspec.json.encode({"event": event, "source": source} | more))

    def tick(self) -> Record:
        return self.add(Kind.TICK, "capture", b"", 60.0)

    def owner(self, kind: str, key: str, value: Any, **more: Any) -> Record:
        more.setdefault("id", f"id-{next(self.ids)}")
        change = Change(kind=kind, key=key, value=value, who="tester", when_us=self.at_us, **more)
        return self.add(Kind.OWNER, "owner", msgspec.json.encode(change))
