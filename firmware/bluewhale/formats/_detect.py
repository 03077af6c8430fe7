"""Which family do these bytes come from: every format reads them, and the evidence is weighed.

One record is proof for a format with strong structure; others need several, with dates that run forward and
durations a call can have. Where two are close, nobody is sure.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from bluewhale.formats._decoder import Decoder, Item
from bluewhale.formats._layout import Format, Integrity
from bluewhale.model import Leg, Reject, Why

DAY_S = 86_400
MINE = frozenset({Why.BAD_FIELD, Why.BAD_TIME, Why.TRUNCATED})  # broken, but of this format: half a proof
SURE = 0.85  # the score at which a feed may be decided without asking
LIKELY = 0.5  # the score that is enough at the end of the input
APART = 0.2  # how far the next best must lie behind
RECORDS = {Integrity.STRONG: 1, Integrity.FAIR: 3, Integrity.NONE: 5}


class Guess(msgspec.Struct, frozen=True):
    """`score` 0..1; `sure` = decide now; `options` = the dialect that read best."""

    format: str
    score: float
    evidence: str
    sure: bool
    options: dict[str, Any] = {}


def detect(data: bytes | Sequence[bytes], names: Iterable[str] | None = None) -> list[Guess]:
    """Every format that reads something of `data` (bytes of one source, or of several), best first."""
    from bluewhale.formats import load_formats

    formats = load_formats()
    sources = [data] if isinstance(data, bytes) else list(data)
    guesses = []
    for name in names if names is not None else formats:
        tried = [_weigh(formats[name], options, sources) for options in formats[name].dialects]
        best = max(tried, key=lambda guess: guess.score, default=None)
        if best is not None and best.score > 0:
            guesses.append(best)
    guesses.sort(key=lambda guess: (-guess.score, guess.format))
    return _decided(guesses)


def decide(guesses: Sequence[Guess], ended: bool = False) -> Guess | None:
    """The format to go on with, or None while nobody is sure. When the input has `ended`, the only candidate, or
    one well ahead of the next, is taken with fewer records too."""
    if not guesses:
        return None
    best = guesses[0]
    ahead = len(guesses) < 2 or best.score - guesses[1].score >= APART
    return best if best.sure or (ended and ahead and best.score >= LIKELY) else None


def _decided(guesses: list[Guess]) -> list[Guess]:
    """Only the first may be sure, and only well ahead of the second."""
    clear = len(guesses) < 2 or guesses[0].score - guesses[1].score >= APART
    return [msgspec.structs.replace(g, sure=g.sure and clear and not at) for at, g in enumerate(guesses)]


def _weigh(fmt: Format, options: dict[str, Any], sources: list[bytes]) -> Guess:
    items: list[Item] = []
    for source in sources:
        decoder = Decoder(fmt, options)
        items += decoder.feed(source, 0, 0)
        items += decoder.close(0)
    read = [item for item in items if not isinstance(item, Reject)]
    legs = [item for item in read if isinstance(item, Leg)]
    if not legs:
        return Guess(fmt.name, 0.0, "no call reads", False, options)
    broken = sum(1 for item in items if isinstance(item, Reject) and item.why in MINE)
    parsed = (len(read) + broken / 2) / len(items)
    forward = _forward(legs)
    plausible = sum(1 for leg in legs if _plausible(leg)) / len(legs)
    enough = min(1.0, len(read) / RECORDS[fmt.integrity])
    score = round(parsed * parsed * (0.6 + 0.2 * forward + 0.2 * plausible) * (0.6 + 0.4 * enough), 3)
    evidence = "; ".join(
        [
            f"{len(read)} of {len(items)} records parse",
            "dates run forward" if forward == 1 else f"{forward:.0%} of dates run forward",
            "durations plausible" if plausible == 1 else f"{plausible:.0%} of durations plausible",
        ]
    )
    months = sum(1 for item in items if isinstance(item, Reject) and "is no month" in (item.detail or ""))
    if months:
        evidence += f"; {months} dates have a month above 12: the order of day and month is wrong"
    return Guess(fmt.name, score, evidence, score >= SURE and enough == 1.0, options)


def _time(leg: Leg) -> str | None:
    """The one time that can be compared along a feed."""
    return leg.ended_local or leg.ended_utc or leg.started_local or leg.started_utc or leg.answered_local


def _forward(legs: list[Leg]) -> float:
    """The share of records not dated a day or more before the one ahead of them (records come at call end)."""
    days = [time[:10] for leg in legs if (time := _time(leg))]
    steps = list(pairwise(days))
    return sum(1 for before, after in steps if after >= before) / len(steps) if steps else 1.0


def _plausible(leg: Leg) -> bool:
    seconds = (leg.talk_s or 0, leg.ring_s or 0, leg.total_s or 0)
    return max(seconds) <= DAY_S and (
        leg.total_s is None or leg.talk_s is None or leg.talk_s <= leg.total_s + 1
    )
