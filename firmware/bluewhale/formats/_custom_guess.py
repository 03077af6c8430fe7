"""A first layout from sample lines: what delimiter or columns there seem to be, and what each seems to hold.

A proposal to edit, no more: it says in comments what it could not know. `proposal(lines) -> str` is TOML.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from bluewhale.formats._layout import Fault
from bluewhale.formats._readers import reader

DATES = (
    "yyyy-mm-dd", "yyyy/mm/dd", "dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy", "dd.mm.yy", "dd/mm/yy", "mm/dd/yy",
    "yy/mm/dd", "yy-mm-dd", "dd-mm-yy", "dd-mm-yyyy", "yyyymmdd", "dd/mm", "mm/dd", "dd.mm", "dd mon yyyy",
)  # fmt: skip
CLOCKS = ("hh:mm:ss", "hh:mm", "h:mm", "h:mm:ss", "h:mm am", "h:mmam", "h:mm:ss am")
DURATIONS = ("hh:mm:ss", "hh:mm'ss", "m'ss", "m:ss", "h:mm:ss")
DIRECTIONS = {
    "outgoing": ("O", "OUT", "OUTGOING", "OG", "OUTBOUND"),
    "incoming": ("I", "IN", "INCOMING", "IC", "INBOUND"),
    "internal": ("INT", "INTERNAL", "ICM", "INTERCOM"),
}
Cells = Sequence[str]
Guess = tuple[str, str, str]  # field, more of the TOML table, comment


def proposal(lines: Sequence[str]) -> str:
    """The TOML text. Raises ValueError where the lines hold nothing to go by."""
    lines = [line.rstrip() for line in lines if line.strip()]
    records = [line for line in lines if re.search(r"\d.*\d", line)]
    if not records:
        raise ValueError("no line holds digits: give some lines of calls")
    timed = [line for line in records if re.search(r"\d[:'/.-]\d", line)]  # page heads have no times
    records = timed if len(timed) * 2 >= len(records) else records
    delimiter = _delimiter(records)
    if delimiter:
        count = Counter(line.count(delimiter) for line in records).most_common(1)[0][0]
        records = [line for line in records if line.count(delimiter) == count]
        rows = [[cell.strip().strip('"') for cell in line.split(delimiter)] for line in records]
        columns = [(str(at + 1), [row[at] for row in rows]) for at in range(count + 1)]
        quoted = any('"' in line for line in records)
        kind = f'kind = "delimited"\ndelimiter = {json.dumps(delimiter)}\n' + (
            "quote = '\"'\n" if quoted else ""
        )
    else:
        columns = [
            (json.dumps(f"{a + 1}-{b or ''}"), [line[a : b or None].strip() for line in records])
            for a, b in _places(records)
        ]
        kind = 'kind = "fixed"\n'
    return _written(kind, columns, [line for line in lines if line not in records], len(records))


def _delimiter(lines: Sequence[str]) -> str:
    """The one that stands equally often in most lines, at least twice; "" = none."""
    best, most = "", 0
    for delimiter in ",;|\t":
        count, times = Counter(line.count(delimiter) for line in lines).most_common(1)[0]
        if count >= 2 and times * 5 >= len(lines) * 4 and count > most:
            best, most = delimiter, count
    return best


def _runs(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of positions that are not blank in every line: one run is one column."""
    used = [any(line[at : at + 1].strip() for line in lines) for at in range(max(map(len, lines)))]
    runs, start = [], None
    for at, on in enumerate([*used, False]):
        if on and start is None:
            start = at
        elif not on and start is not None:
            runs.append((start, at))
            start = None
    return runs


def _places(lines: Sequence[str]) -> list[tuple[int, int | None]]:
    """The runs, with room to the next for what begins at the same place in each line; the last one has no end."""
    runs = _runs(lines)
    found: list[tuple[int, int | None]] = []
    for (start, end), (after, _) in pairwise(runs):
        left = all(line[start : start + 1].strip() for line in lines if line[start:end].strip())
        right = all(line[end - 1 : end].strip() for line in lines if line[start:end].strip())
        found.append((start, after - 1 if left and not right else end))
    return [*found, (runs[-1][0], None)]


def _written(kind: str, columns: list[tuple[str, list[str]]], others: list[str], count: int) -> str:
    out = [
        f"# A first proposal from {count} lines. Check every column: bluewhale format try --options THIS SAMPLES"
    ]
    out.append('name = "my-pbx"')
    if skips := sorted({_skip(line) for line in others}):
        out.append(f"skip = {json.dumps(skips)}  # lines that looked like no calls")
    out += ["", "[[record]]", kind + "columns = ["]
    taken: set[str] = set()
    for at, cells in columns:
        field, more, comment = _column(cells, taken)
        taken.add(field)
        shown = next((cell for cell in cells if cell), "")
        note = f"  # {comment}" if comment else ""
        out.append(
            f"  {{ at = {at}, field = {json.dumps(field)}{more} }},{note}  # {json.dumps(shown)[:40]}"[:150]
        )
    out += ["]", ""]
    wanted = {
        "talk_s": "how long the call took",
        "start": "when it began (or end)",
        "number": "the far number",
    }
    out += [
        f"# No column was taken for {field}: {what}." for field, what in wanted.items() if field not in taken
    ]
    return "\n".join(out) + "\n"


def _skip(line: str) -> str:
    word = re.match(r"\s*(\S{1,12})", line)
    text = word.group(1) if word else ""
    return r"^\s*" + (re.escape(text[:1]) + "+" if len(set(text)) == 1 else re.escape(text))


def _column(cells: Cells, taken: set[str]) -> Guess:
    """What a column seems to hold, its fields taken in the order PBXs usually print them."""
    full = [cell for cell in cells if cell]
    if not full:
        return _extra(taken, "empty in all samples")
    for guess in (_dated, _timed, _worded, _numbered):
        found = guess(full, taken)
        if found:
            return found
    return _extra(taken, "not known")


def _extra(taken: set[str], comment: str) -> Guess:
    number = next(n for n in range(1, 300) if f"extra.column_{n}" not in taken)
    return f"extra.column_{number}", "", comment


def _fitting(kind: str, shapes: Sequence[str], cells: Cells) -> list[str]:
    """The shapes that read at least two thirds of the cells, the one that reads most first."""
    counts = {shape: sum(_reads(reader(kind, shape), cell) for cell in cells) for shape in shapes}
    fit = [shape for shape in shapes if counts[shape] * 3 >= len(cells) * 2]
    return sorted(fit, key=lambda shape: -counts[shape])


def _reads(read: Callable[[str], object], cell: str) -> bool:
    try:
        return read(cell) is not None
    except Fault:
        return False


def _dated(cells: Cells, taken: set[str]) -> Guess | None:
    dates = _fitting("when", DATES, cells)
    both = _fitting("when", [f"{d} {c}" for d in DATES for c in CLOCKS], cells) if " " in cells[0] else []
    if dates and "date" not in taken:
        return "date", f', read = "{dates[0]}"', _doubt(dates)
    if both and not {"start", "end"} <= taken:
        return ("end" if "start" in taken else "start"), f', read = "{both[0]}"', _doubt(both)
    return None


def _doubt(shapes: list[str]) -> str:
    return f"or {shapes[1]}: most samples fit both" if len(shapes) > 1 else ""


def _timed(cells: Cells, taken: set[str]) -> Guess | None:
    """A clock time first, where a date came before; durations after that."""
    clocks, spans = _fitting("when", CLOCKS, cells), _fitting("duration", DURATIONS, cells)
    if clocks and "date" in taken and "start" not in taken:
        return "start", f', read = "{clocks[0]}"', "start, or end: see the manual"
    if spans and "talk_s" not in taken:
        doubt = "start" if clocks and "start" not in taken else ""
        return "talk_s", f', read = "{spans[0]}"', f"or a time of day ({doubt})?" if doubt else ""
    return None


def _worded(cells: Cells, taken: set[str]) -> Guess | None:
    """Few words, again and again: a code."""
    words = sorted(set(cells))
    if len(words) > 12 or any(not re.fullmatch(r"[A-Za-z]{1,12}", word) for word in words):
        return None
    known = {word: way for way, names in DIRECTIONS.items() for word in words if word.upper() in names}
    if set(known) == set(words) and "direction" not in taken:
        table = ", ".join(f"{word} = {json.dumps(way)}" for word, way in known.items())
        return "direction", f", codes = {{ {table} }}", "a guess from the words"
    if "condition_code" not in taken:
        return "condition_code", "", f"words: {' '.join(words)}; a codes table may say what they mean"
    return None


def _numbered(cells: Cells, taken: set[str]) -> Guess | None:
    if not all(re.fullmatch(r"[+*#\dA-Z]{1,32}", cell) and re.search(r"\d", cell) for cell in cells):
        return None
    longest = max(map(len, cells))
    order = ("extension", "trunk") if longest <= 5 else ("number", "account_code")
    for field in order:
        if field not in taken:
            return field, "", "a guess from the length"
    return None
