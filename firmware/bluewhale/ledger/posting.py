"""Double entry: what lines charge and cost, as signed sums by account, currency and day.

A department owes what its calls are charged, the enterprise's revenue account takes it; what the carrier is
owed is the enterprise's expense. Over all accounts of a currency the sums add up to zero. Nothing is ever
converted between currencies.
"""

from collections.abc import Iterable

from bluewhale.model import Line

Postings = dict[tuple[str, str, int], tuple[int, int]]  # (account, currency, day) -> (micros, lines)


def post(lines: Iterable[Line]) -> Postings:
    """The postings of a batch of lines. Lines without an amount post nothing."""
    sums: dict[tuple[int, int, str, int], list[int]] = {}
    for line in lines:
        if line.currency is None or not (line.charge_micros or line.cost_micros):
            continue
        key = (line.department, line.enterprise, line.currency, line.day or 0)
        entry = sums.get(key)
        if entry is None:
            entry = sums[key] = [0, 0, 0, 0]
        if line.charge_micros:
            entry[0] += line.charge_micros
            entry[1] += 1
        if line.cost_micros:
            entry[2] += line.cost_micros
            entry[3] += 1
    postings: Postings = {}
    for (department, enterprise, currency, day), (charge, charged, cost, costed) in sums.items():
        if charged:
            _add(postings, f"department:{department}:{enterprise}", currency, day, charge, charged)
            _add(postings, f"revenue:{enterprise}", currency, day, -charge, charged)
        if costed:
            _add(postings, f"expense:{enterprise}", currency, day, cost, costed)
            _add(postings, f"carrier:{enterprise}", currency, day, -cost, costed)
    return postings


def _add(postings: Postings, account: str, currency: str, day: int, micros: int, lines: int) -> None:
    before, count = postings.get((account, currency, day), (0, 0))
    postings[(account, currency, day)] = (before + micros, count + lines)
