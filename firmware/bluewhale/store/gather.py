"""From lines to calls: all lines of a call, wherever they are, added up."""

import sqlite3
from typing import Any

from bluewhale.model import FEED, Origin, Scope
from bluewhale.store import schema
from bluewhale.store.filters import scope_conditions
from bluewhale.store.search import Hit
from bluewhale.store.window import Box, Names, Span

Item = dict[str, Any]
_COLUMNS = tuple(schema.LINE)
_SUMS = ("talk_s", "charged_s", "cost_micros", "charge_micros", "reference_micros")
_NAMED = ("feed", "enterprise", "site", "department", "person", "plan")


def lines_at(db: sqlite3.Connection, scope: Scope, seqs: list[int]) -> list[Item]:
    """The lines of these seqs that the scope may see, as dicts named like model.Line."""
    if not seqs:
        return []
    conditions, values = scope_conditions(scope, "")
    where = " AND ".join([f"seq IN ({','.join('?' * len(seqs))})", *conditions])
    rows = db.execute(f"SELECT * FROM call_line WHERE {where} ORDER BY seq", (*seqs, *values))
    return [dict(zip(_COLUMNS, row)) for row in rows]


def seqs_of_calls(db: sqlite3.Connection, span: Span, positions: list[int]) -> list[tuple[int, int]]:
    """(seq, call_position) of the lines here that are not the first of these calls."""
    if span.low_joined is None or span.high_joined is None:
        return []
    near = [p for p in positions if span.low_joined <= p <= span.high_joined]
    marks = ",".join("?" * len(near))
    return db.execute(
        f"SELECT seq, call_position FROM joined WHERE call_position IN ({marks})", near
    ).fetchall()


def seq_at(db: sqlite3.Connection, span: Span, position: int) -> int | None:
    """The seq of the first line of the call that began at this position of the journal."""
    low_end, high_end = span.low_position, span.high_position
    if low_end is not None and high_end is not None and not low_end <= position <= high_end:
        return None
    base = db.execute("SELECT value FROM meta WHERE name = 'base_position'").fetchone()
    if base is None:
        return None
    at = position - base[0]
    find = "SELECT seq FROM line NOT INDEXED WHERE seq BETWEEN ? AND ? AND position = ?"
    last = -1
    for block, low, high in db.execute("SELECT id, low_position, high_position FROM block ORDER BY id"):
        last = block
        if low <= at <= high:
            start = block << schema.BLOCK_BITS
            found = db.execute(find, (start, start + (1 << schema.BLOCK_BITS) - 1, at)).fetchone()
            if found:
                return found[0]
    found = db.execute(find, ((last + 1) << schema.BLOCK_BITS, span.last_seq, at)).fetchone()
    return found[0] if found else None


def lines_of_call(box: Box, scope: Scope, journal: str, position: int) -> list[tuple[Span, Item]]:
    """All lines of a call that the scope may see, in order of seq."""
    found: list[tuple[Span, Item]] = []
    for span in box.spans():
        if span.journal != journal or not _near(span, position):
            continue
        with box.segment(span) as db:
            seqs = [seq for seq, _ in seqs_of_calls(db, span, [position])]
            first = seq_at(db, span, position)
            if first is not None:
                seqs.append(first)
            found += [(span, line) for line in lines_at(db, scope, seqs) if line["call_position"] == position]
    return found


def items(box: Box, scope: Scope, found: list[Hit]) -> list[Item]:
    """The calls these lines stand for, in the order given."""
    calls: dict[tuple[str, int], list[Item]] = {}
    order: list[tuple[str, int]] = []
    firsts = _firsts(box, scope, found)
    for span, seq, position in found:
        if position is not None:
            lines = [line for _, line in lines_of_call(box, scope, span.journal, position)]
        else:
            lines = [firsts[span.number, seq]] if (span.number, seq) in firsts else []
        if lines:
            key = (span.journal, lines[0]["call_position"])
            calls[key] = lines
            order.append(key)
    _join(box, scope, calls, {key for key, (_, _, position) in zip(order, found) if position is None})
    names = box.names()
    return [call_of(journal, calls[journal, position], names) for journal, position in order]


def _firsts(box: Box, scope: Scope, found: list[Hit]) -> dict[tuple[int, int], Item]:
    """The lines that are the first of their call, by (segment, seq)."""
    seqs: dict[int, tuple[Span, list[int]]] = {}
    for span, seq, position in found:
        if position is None:
            seqs.setdefault(span.number, (span, []))[1].append(seq)
    lines: dict[tuple[int, int], Item] = {}
    for number, (span, wanted) in seqs.items():
        with box.segment(span) as db:
            lines |= {(number, line["seq"]): line for line in lines_at(db, scope, wanted)}
    return lines


def _join(
    box: Box, scope: Scope, calls: dict[tuple[str, int], list[Item]], keys: set[tuple[str, int]]
) -> None:
    """Adds the further lines of these calls, wherever they are."""
    for span in box.spans():
        positions = [position for journal, position in keys if journal == span.journal]
        if not positions or span.low_joined is None:
            continue
        with box.segment(span) as db:
            seqs = [seq for seq, _ in seqs_of_calls(db, span, positions)]
            for line in lines_at(db, scope, seqs):
                have = calls[span.journal, line["call_position"]]
                if all(other["seq"] != line["seq"] for other in have):
                    have.append(line)


def _near(span: Span, position: int) -> bool:
    """Whether lines of the call that began at this position can be here."""
    if span.low_position is None or span.high_position is None:
        return True
    if span.low_position <= position <= span.high_position:
        return True
    return span.low_joined is not None and span.low_joined <= position <= (span.high_joined or 0)


def call_of(journal: str, lines: list[Item], names: Names) -> Item:
    """The call its lines (at least one) add up to: the first line's facts, the sums of all, and names."""
    item = dict(lines[0])
    for name in _SUMS:
        amounts = [line[name] for line in lines if line[name] is not None]
        item[name] = sum(amounts) if amounts else None
    for kind in _NAMED:
        item[f"{kind}_name"] = names.of(kind, item[kind])
    item["decimals"] = names.decimals.get(item["currency"], 2)
    item["call_id"] = str(Origin(journal, FEED, item["call_position"], item["call_length"]))
    item["origin"] = str(Origin(journal, FEED, item["position"], item["length"]))
    item["line_count"] = len(lines)
    return item
