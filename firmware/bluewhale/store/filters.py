"""What a reader asks for and may see, as conditions on a segment: on its parties, its contexts and its lines.

Parties and contexts are few, so what concerns them is decided once and not line by line; a segment where none fits
is passed over without a look at its lines.
"""

from typing import Any

import msgspec

from bluewhale.model import Scope
from bluewhale.store import numbers, schema

_WORD = "(SELECT word FROM word WHERE id = l.{})"

Tests = tuple[tuple[str, ...], tuple[Any, ...]]


class Filter(msgspec.Struct, frozen=True):
    """`party`, `context`, `line`: conditions (and their values) on party `p`, context `x` and line `l`. `names`: those on
    the line need `x` too. `drivers`: what an index can find; `direct`: always fewer than a scan would read."""

    party: Tests
    context: Tests
    line: Tests
    names: bool
    drivers: tuple[numbers.Sql, ...] | None
    direct: bool
    since_us: int | None
    until_us: int | None


class Asked(msgspec.Struct, frozen=True):
    """What reads.calls is asked for; None = does not matter."""

    number: str | None = None
    extension: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    direction: str | None = None
    department: int | None = None
    site: int | None = None
    feed: int | None = None
    answered: bool | None = None
    unpriced: bool = False
    text: str | None = None


def scope_conditions(scope: Scope, party: str = "p") -> tuple[list[str], list[Any]]:
    """What a reader may see, as conditions on columns enterprise, site and department."""
    conditions: list[str] = []
    values: list[Any] = []
    for column, allowed in (
        ("enterprise", scope.enterprises),
        ("site", scope.sites),
        ("department", scope.departments),
    ):
        if allowed is not None:
            name = f"{party}.{column}" if party else column
            conditions.append(f"{name} IN ({','.join('?' * len(allowed))})")
            values += sorted(allowed)
    return conditions, values


def make(scope: Scope, asked: Asked) -> Filter:
    """The filter that finds what is asked for, within the scope."""
    tests, values = scope_conditions(scope)
    own = {"p.department": asked.department, "p.site": asked.site, "p.extension": asked.extension}
    tests += [f"{column} = ?" for column, value in own.items() if value is not None]
    values += [value for value in own.values() if value is not None]
    party = (tuple(tests), tuple(values))
    answered = None if asked.answered is None else int(asked.answered)
    kind = {"x.direction": asked.direction, "x.feed": asked.feed, "x.answered": answered}
    kinds = [f"{column} = ?" for column, value in kind.items() if value is not None]
    kinds += ["x.unpriced IS NOT NULL"] if asked.unpriced else []
    context = (tuple(kinds), tuple(value for value in kind.values() if value is not None))
    line, names = _line(asked)
    pattern = numbers.parse(asked.number) if asked.number else None
    drivers = numbers.drivers(pattern) if pattern is not None else None
    direct = drivers is not None and pattern is not None and pattern.how == "exact"
    if drivers is None and (asked.extension or asked.department is not None or scope.departments is not None):
        where = " AND ".join(party[0])
        parties = f"SELECT p.id FROM party p WHERE {where}"
        drivers = [(f"SELECT l.seq FROM line l INDEXED BY line_party WHERE l.party IN ({parties})", values)]
        direct = asked.extension is not None
    return Filter(
        party,
        context,
        line,
        names,
        tuple(drivers) if drivers else None,
        direct,
        asked.since_us,
        asked.until_us,
    )


def _line(asked: Asked) -> tuple[Tests, bool]:
    """Conditions on the line itself, the cheap ones first; whether they need its party and context."""
    tests: list[str] = []
    values: list[Any] = []
    for test, bound in (
        (f"{schema.STARTED} >= ?", asked.since_us),
        (f"{schema.STARTED} < ?", asked.until_us),
    ):
        if bound is not None:
            tests.append(test)
            values.append(bound)
    pattern = numbers.parse(asked.number) if asked.number else None
    text = (asked.text or "").strip()
    for test, given in (
        *([numbers.condition(pattern)] if pattern is not None else []),
        *([_holds(text)] if text else []),
    ):
        tests.append(test)
        values += given
    return (tuple(tests), tuple(values)), bool(text) or (pattern is not None and numbers.names(pattern))


def _holds(text: str) -> numbers.Sql:
    """The condition that any text of a line holds `text`, letter for letter."""
    words = (_WORD.format("trunk"), _WORD.format("destination"))
    fields = (f"({numbers.CALLER})", f"({numbers.CALLED})", numbers.E164, "l.correlation", "l.more", *words)
    tests = [f"instr({field}, ?) > 0" for field in fields]
    tests.append("l.party IN (SELECT p.id FROM party p WHERE instr(p.extension, ?) > 0)")
    return f"({' OR '.join(tests)})", [text] * len(tests)
