"""Lines and steps for the tests of the store: a small made-up fold whose line n depends on n alone."""

import random
from datetime import UTC, datetime
from typing import Any

from bluewhale.config import Config
from bluewhale.model import Line, Origin, Outcome, Reject, RejectRow, Setting, Step, Why
from bluewhale.store.dump import dump
from bluewhale.store.writer import Store

JOURNAL = "0123456789abcdef"
START_S = 1_789_000_000
NUMBERS = ("90755%08d", "9021%08d", "9%08d", "9138%08d", "90012125%06d", "%04d")


def line(seq: int, **given: Any) -> Line:
    """Line `seq` of the made-up fold: always the same for the same seq. `given` overrides fields."""
    draw = random.Random(seq)
    at = START_S + seq * 30 + draw.randrange(60)
    extension = str(draw.randrange(200, 260))
    kind = draw.choice(("outgoing", "outgoing", "incoming", "internal"))
    other = draw.choice(NUMBERS) % draw.randrange(10**4)
    talk_s = draw.choice((0, draw.randrange(1, 900)))
    local = datetime.fromtimestamp(at + 28800, UTC)
    charge = talk_s * 1_234 if kind == "outgoing" and draw.random() < 0.9 else None
    position = 10_000 + seq * 100
    facts: dict[str, Any] = {
        "seq": seq,
        "position": position,
        "length": 80,
        "call_position": position,
        "call_length": 80,
        "feed": 1 + seq % 2,
        "enterprise": 1 + draw.randrange(2),
        "site": 1 + draw.randrange(2),
        "department": int(extension) % 4,
        "person": int(extension) - 199,
        "format": "panasonic",
        "direction": kind,
        "extension": extension,
        "caller": other if kind == "incoming" else extension,
        "called": extension if kind == "incoming" else other,
        "trunk": None if kind == "internal" else f"CO{draw.randrange(12):02}",
        "answered": int(talk_s > 0),
        "talk_s": talk_s,
        "ring_s": draw.randrange(20),
        "started_utc": at * 1_000_000,
        "day": local.year * 10_000 + local.month * 100 + local.day,
        "started_local": local.isoformat()[:19],
        "payer_kind": 1,
        "payer": extension,
        "charged_s": talk_s,
        "destination": draw.choice(("Shenzhen", "上海", None)) if kind == "outgoing" else None,
        "plan": 1,
        "currency": "CNY" if kind == "outgoing" else None,
        "charge_micros": charge,
        "unpriced": "no rate" if kind == "outgoing" and charge is None else None,
    }
    return Line(**(facts | given))


def lines(first: int, count: int) -> list[Line]:
    return [line(seq) for seq in range(first, first + count)]


def step(made: list[Line], **given: Any) -> Step:
    """A step that read as many feed bytes as the last line says."""
    end = made[-1].seq if made else 0
    facts: dict[str, Any] = {
        "lines": made,
        "rejects": [],
        "outcomes": [],
        "settings": [],
        "directory": [],
        "catalogue": [],
        "postings": postings(made),
        "feeds": {},
        "sources": {},
        "book": None,
        "state": b'{"lines": %d}' % end,
        "watermark": {"feed": end, "owner": 0},
        "journal": JOURNAL,
        "journal_time_us": (START_S + end * 30) * 1_000_000,
        "next_seq": end + 1,
        "fold_version": "one",
    }
    return Step(**(facts | given))


def postings(made: list[Line]) -> dict[tuple[str, str, int], tuple[int, int]]:
    """Double entry: departments against income."""
    sums: dict[tuple[str, str, int], tuple[int, int]] = {}
    for one in made:
        if one.charge_micros is not None and one.currency is not None:
            for account, micros in (
                (f"department:{one.department}", one.charge_micros),
                ("income", -one.charge_micros),
            ):
                key = (account, one.currency, one.day or 0)
                have = sums.get(key, (0, 0))
                sums[key] = (have[0] + micros, have[1] + 1)
    return sums


def joined(first: int, count: int) -> list[Line]:
    """The same, but every 50th is a further leg of the call before it."""
    made = lines(first, count)
    for one in made:
        if one.seq % 50 == 0:
            before = line(one.seq - 1)
            one.call_position, one.call_length, one.ordinal = before.position, before.length, 1
    return made


def fold(first: int, count: int) -> Step:
    """What the made-up fold makes of its input from `first` on: lines, some rejects, now and then an owner's change."""
    made = joined(first, count)
    return step(
        made,
        rejects=[reject(seq) for seq in range(first, first + count) if seq % 40 == 0],
        outcomes=[outcome(seq) for seq in range(first, first + count) if seq % 300 == 0],
        settings=[
            Setting("plan", "sample", {"plan": {"currency": "CNY", "decimals": 3, "seq": seq}}, seq)
            for seq in range(first, first + count)
            if seq % 300 == 0
        ],
        rolls=[seq for seq in range(first, first + count) if seq % 1700 == 0],
    )


def reject(number: int, feed: int = 1) -> RejectRow:
    origin = Origin(JOURNAL, "feed", number * 100 + 50, 12)
    return RejectRow(
        Reject(origin, Why.BAD_FIELD, "seconds", "panasonic"), feed, "main/1", START_S * 1_000_000 + number
    )


def outcome(seq: int) -> Outcome:
    origin = f"{JOURNAL}.owner.{seq}.60"
    return Outcome(
        seq, origin, f"id-{seq}", "plan", "sample", "applied", None, "li", START_S, {"seq": seq}, "new prices"
    )


def run(store: Store, until: int, batch: int) -> None:
    """Folds from where the store stands to line `until`, as the ledger role does."""
    saved = store.load()
    at = saved.next_seq
    while at <= until:
        count = min(batch, until - at + 1)
        store.commit(fold(at, count))
        at += count


def made(config: Config, until_seq: int, batch: int = 500, segment_lines: int = 1000) -> list[str]:
    store = Store(config, segment_lines)
    run(store, until_seq, batch)
    store.close()
    return list(dump(config))
