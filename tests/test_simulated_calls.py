"""A PBX's random calls as four families write them: the seconds per trunk and party are the truth's."""

import os
import random

import pytest

import simpbx
from bluewhale.formats import Decoder, load_formats
from bluewhale.ledger.correlate import calls
from bluewhale.model import Leg

COUNT = int(os.environ.get("BLUEWHALE_CALLS", "1250"))  # of each family
FORMATS = load_formats()
Owed = list[tuple[str, int]]


def decoded(family: str, rows: list[str]) -> list[Leg]:
    decoder = Decoder(FORMATS[family], simpbx.options(family), journal="s")
    data = "".join(f"{row}\r\n" for row in [*simpbx.head(family), *rows]).encode()
    items = [*decoder.feed(data, 0, 0), *decoder.close(0)]
    assert all(isinstance(item, Leg) for item in items), [i for i in items if not isinstance(i, Leg)][:2]
    return [item for item in items if isinstance(item, Leg)]


def correlated(family: str, rows: list[str]) -> list[tuple[str, str, Owed]]:
    """(direction of the trunk, number, who owes) of each call; each has one trunk."""
    found = []
    for call in calls.calls(decoded(family, rows), FORMATS[family].join, simpbx.options(family)):
        assert len(call["external_legs"]) <= 1, call
        owed: Owed = [(c["pays"].get("extension", "?"), c["charged_s"]) for c in call["charges"]]
        assert sum(s for _, s in owed) == sum(leg["seizure_s"] for leg in call["external_legs"])
        for leg in call["external_legs"]:
            found.append((leg["direction"], leg["number"], in_order_of(family, owed)))
    return sorted(found)


def in_order_of(family: str, owed: Owed) -> Owed:
    """On a clock of minutes nobody can tell the order of two segments of seconds."""
    return sorted(owed) if family == "avaya-cm" else owed


def world(family: str, seed: int) -> tuple[list[simpbx.Call], list[list[str]]]:
    made = simpbx.calls(COUNT, seed, ("in",) if family == "avaya-cm" else ("in", "out"))
    return made, [simpbx.records(family, call) for call in made]


def truth(family: str, made: list[simpbx.Call]) -> list[tuple[str, str, Owed]]:
    return sorted((call.way, call.outside, in_order_of(family, call.owed())) for call in made)


@pytest.mark.parametrize("family", simpbx.FAMILIES)
def test_in_order(family: str) -> None:
    made, records = world(family, 1)
    assert correlated(family, [row for rows in records for row in rows]) == truth(family, made)


@pytest.mark.parametrize("family", [name for name in simpbx.FAMILIES if name != "avaya-ipoffice"])
def test_shuffled(family: str) -> None:
    """IP Office writes to one connection, which keeps the order; the others come in any."""
    made, records = world(family, 2)
    rows = [row for rows in records for row in rows]
    random.Random(2).shuffle(rows)
    assert correlated(family, rows) == truth(family, made)


@pytest.mark.parametrize("family", ["cisco-cucm", "asterisk"])
def test_repeated(family: str) -> None:
    made, records = world(family, 3)
    rows = [row for rows in records for row in rows]
    assert correlated(family, rows + random.Random(3).sample(rows, len(rows) // 5)) == truth(family, made)


@pytest.mark.parametrize("family", simpbx.FAMILIES)
def test_one_percent_is_lacking(family: str) -> None:
    """Nothing is charged twice; calls whose records all came are exact."""
    made, records = world(family, 4)
    chance = random.Random(4)
    kept = [[row for row in rows if chance.random() >= 0.01] for rows in records]
    whole = {call.outside for call, rows, all_ in zip(made, kept, records, strict=True) if rows == all_}
    assert len(whole) < len(made)
    found = correlated(family, [row for rows in kept for row in rows])
    assert [f for f in found if f[1] in whole] == [t for t in truth(family, made) if t[1] in whole]
    limits = {call.outside: sum(s for _, s in call.owed()) for call in made}
    spent: dict[str, int] = {}
    for _, number, owed in found:
        spent[number] = spent.get(number, 0) + sum(s for _, s in owed)
    assert all(seconds <= limits[number] for number, seconds in spent.items() if number in limits)
