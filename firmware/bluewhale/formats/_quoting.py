"""Delimited text to cells, with and without quotes."""

import re
from functools import lru_cache

from bluewhale.formats._layout import Fault
from bluewhale.model import Why


def cells_of(text: str, delimiter: str, quote: str | None) -> list[str]:
    """The cells of a line, without the pad around them. A quote doubled inside quotes is one quote.

    Raises Fault where quotes do not add up.
    """
    if quote and quote in text:
        return [cell.strip() for cell in _quoted(text, delimiter, quote)]
    cells = text.split(delimiter)
    if " " in text and (
        f" {delimiter}" in text or f"{delimiter} " in text or text[0] == " " or text[-1] == " "
    ):
        return [cell.strip() for cell in cells]
    return cells


def _quoted(text: str, delimiter: str, quote: str) -> list[str]:
    if quote * 3 in text or f"{quote * 2}" in text.replace(f"{delimiter}{quote * 2}", delimiter):
        return _doubled(text, delimiter, quote)
    parts = text.split(quote)  # outside, inside, outside ...: the fast way where no quote is doubled
    if len(parts) % 2 == 0:
        raise Fault(Why.BAD_FIELD, "a quote has no end")
    cells = parts[0].split(delimiter)
    for inside, outside in zip(parts[1::2], parts[2::2]):
        first, *more = outside.split(delimiter)
        cells[-1] += inside + first
        cells += more
    return cells


@lru_cache(maxsize=16)
def _cell_regex(delimiter: str, quote: str) -> re.Pattern[str]:
    mark, stop = re.escape(quote), re.escape(delimiter)
    return re.compile(
        rf"\s*{mark}((?:[^{mark}]+|{mark}{mark})*){mark}\s*(?:{stop}|$)|([^{stop}]*)(?:{stop}|$)"
    )


def _doubled(text: str, delimiter: str, quote: str) -> list[str]:
    match = _cell_regex(delimiter, quote).match
    cells: list[str] = []
    at = 0
    while at <= len(text):
        found = match(text, at)
        if found is None or (found.group(1) is None and found.group(2).lstrip().startswith(quote)):
            raise Fault(Why.BAD_FIELD, f"cell {len(cells) + 1}: a quote has no end")
        inside = found.group(1)
        cells.append(found.group(2) if inside is None else inside.replace(quote * 2, quote))
        at = found.end()
        if at == len(text) and text[at - 1 : at] != delimiter:
            break
    return cells
