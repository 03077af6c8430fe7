"""What a feed's records say: how many a minute, and whether they can be read. Pure, from running totals."""

import msgspec

from bluewhale.health.feeds import SECOND

WINDOW_US = 60 * SECOND
SAMPLE_US = 5 * SECOND
JUDGE = (
    20  # records between two judgements; fewer once a feed is unreadable, so that it is soon trusted again
)
JUDGE_AGAIN = 5


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """`samples`: (monotonic us, records so far), oldest first, a minute of them. `good`, `bad`: not yet judged."""

    legs: int | None = None  # totals at the last look
    rejects: int = 0
    total: int = 0
    samples: tuple[tuple[int, int], ...] = ()
    good: int = 0
    bad: int = 0
    unreadable: bool = False


def count(records: Records, legs: int, rejects: int, mono_us: int) -> Records:
    """The next look at the ledger's totals. Totals that fell begin anew (the ledger was rebuilt)."""
    if records.legs is None:
        return msgspec.structs.replace(records, legs=legs, rejects=rejects, samples=((mono_us, 0),))
    more_legs = legs - records.legs if legs >= records.legs else legs
    more_rejects = rejects - records.rejects if rejects >= records.rejects else rejects
    good, bad, unreadable = records.good + more_legs, records.bad + more_rejects, records.unreadable
    if good + bad >= (JUDGE_AGAIN if unreadable else JUDGE):
        unreadable = bad > good
        good = bad = 0
    total = records.total + more_legs + more_rejects
    return msgspec.structs.replace(
        records,
        legs=legs,
        rejects=rejects,
        total=total,
        samples=_sample(records.samples, mono_us, total),
        good=good,
        bad=bad,
        unreadable=unreadable,
    )


def _sample(samples: tuple[tuple[int, int], ...], mono_us: int, total: int) -> tuple[tuple[int, int], ...]:
    if samples and mono_us - samples[-1][0] < SAMPLE_US:
        return samples
    kept = [sample for sample in samples if mono_us - sample[0] <= WINDOW_US]
    return (*kept, (mono_us, total))


def rate(records: Records, mono_us: int) -> int:
    """Records of the last minute; fewer seconds count as they are, so a start does not look like a storm."""
    inside = [total for at, total in records.samples if mono_us - at <= WINDOW_US]
    return records.total - inside[0] if inside else 0
