"""Regexes that owners write: their worst case is counted before they are taken, so that no line can hang the box.

Python's engine goes back and tries again. What it may have to try is bounded by the product of the choices: a
repeat that can end at several places because what follows it may begin with the same characters, a branch that
begins like another. A repeat whose follower cannot begin with its own characters (`\\d+ `, `[^,]*,`) leaves no
choice. Not taken at all: references back, looking around, flags, a repeat with choices inside a repeat.
"""

import re
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MOST_TRIES = 100_000  # of one match; each try may look at a line's length of characters
MOST_SEARCH = 1_100_000  # the same times the places where a search may begin
# ASCII characters are told apart one by one, all others by what Python's classes make of them.
_U_DIGIT, _U_SPACE, _U_WORD, _U_REST = range(128, 132)
_ASCII, _BEYOND = frozenset(range(128)), frozenset(range(128, 132))
_ALL = _ASCII | _BEYOND
_DIGIT = frozenset(range(48, 58)) | {_U_DIGIT}
_SPACE = frozenset({9, 10, 11, 12, 13, 28, 29, 30, 31, 32, _U_SPACE})
_WORD = _DIGIT | frozenset(range(65, 91)) | frozenset(range(97, 123)) | {95, _U_WORD}
_CLASSES = {
    op.CATEGORY_DIGIT: _DIGIT,
    op.CATEGORY_NOT_DIGIT: _ALL - _DIGIT,
    op.CATEGORY_SPACE: _SPACE,
    op.CATEGORY_NOT_SPACE: _ALL - _SPACE,
    op.CATEGORY_WORD: _WORD,
    op.CATEGORY_NOT_WORD: _ALL - _WORD,
}
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)
_ONE = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)
Item = tuple[Any, Any]


def checked(pattern: str, limit: int, *, anywhere: bool = False) -> str:
    """The pattern, if a line of `limit` characters costs few tries at most. `anywhere`: it is searched, not only
    matched at the start. Raises ValueError with what to change."""
    try:
        tree = _parser.parse(pattern)
    except re.error as error:
        raise ValueError(f"regex {pattern!r}: {error}") from None
    if tree.state.flags & ~re.UNICODE:
        raise ValueError(f"regex {pattern!r}: flags like (?i) are not taken; write [Aa]")
    tries = _sequence(list(tree), frozenset(), limit, False)
    searched = tries * limit if anywhere and not _anchored(tree) else 0
    if tries > MOST_TRIES or searched > MOST_SEARCH:
        raise ValueError(
            f"regex {pattern!r}: it could take {max(tries, searched):,} tries on one line of {limit} characters; "
            "let each + or * be followed by what it cannot hold itself ([^,]*, or \\d+ or \\s+\\S), or bound it "
            "({1,40})"
        )
    return pattern


def _anchored(tree: Any) -> bool:
    return bool(len(tree)) and tree[0][0] is op.AT and tree[0][1] in (op.AT_BEGINNING, op.AT_BEGINNING_STRING)


def _sequence(items: list[Item], after: frozenset[int], limit: int, inside: bool) -> int:
    """Tries that a sequence costs when `after` may follow it. `inside` a repeat there may be no choice at all."""
    tries = 1
    for at, item in enumerate(items):
        follows = _first(items[at + 1 :], after)
        cost = _cost(item, follows, limit, inside)
        if inside and cost > 1:
            raise ValueError(
                "a repeat with a choice inside a repeat could hang on a long line; write it apart"
            )
        tries *= cost
    return tries


def _cost(item: Item, follows: frozenset[int], limit: int, inside: bool) -> int:
    kind, value = item
    if kind in _ONE or kind is op.AT:
        return 1
    if kind is op.SUBPATTERN:
        if value[1] or value[2]:
            raise ValueError("flags inside a regex are not taken")
        return _sequence(list(value[3]), follows, limit, inside)
    if kind in _REPEATS:
        return _repeat(value, follows, limit, inside)
    if kind is op.BRANCH:
        branches = [list(branch) for branch in value[1]]
        firsts = [_first(branch, follows) for branch in branches]
        apart = sum(map(len, firsts)) == len(frozenset().union(*firsts))
        costs = [_sequence(branch, follows, limit, inside) for branch in branches]
        return max(costs) if apart else sum(costs)
    raise ValueError(
        f"a regex may not hold {str(kind).lower().replace('_', ' ')} (references, looking around)"
    )


def _repeat(value: Any, follows: frozenset[int], limit: int, inside: bool) -> int:
    least, most, body = value[0], min(int(value[1]), limit), list(value[2])
    own = _first(body, frozenset())
    if most > 1:
        _sequence(body, own | follows, limit, True)
    inner = 1 if most > 1 else _sequence(body, follows, limit, inside)
    choices = max(1, most - least + 1) if own & follows or _may_be_empty(body) else 1
    return inner * choices


def _first(items: list[Item], after: frozenset[int]) -> frozenset[int]:
    """Characters that a sequence may begin with; with those of what follows where it may be empty."""
    found: frozenset[int] = frozenset()
    for item in items:
        found |= _begin(item)
        if not _item_empty(item):
            return found
    return found | after


def _begin(item: Item) -> frozenset[int]:
    kind, value = item
    if kind is op.LITERAL:
        return _code(value, value)
    if kind is op.NOT_LITERAL:
        return _ALL - {value} if value < 128 else _ALL
    if kind is op.ANY:
        return _ALL
    if kind is op.IN:
        return _set(value)
    if kind is op.SUBPATTERN:
        return _first(list(value[3]), frozenset())
    if kind in _REPEATS:
        return _first(list(value[2]), frozenset())
    if kind is op.BRANCH:
        return frozenset().union(*(_first(list(branch), frozenset()) for branch in value[1]))
    return frozenset()


def _set(parts: list[Item]) -> frozenset[int]:
    """What a [set] may hold. Characters beyond ASCII are counted in where they may be, so never too few."""
    negated = parts[0][0] is op.NEGATE
    found: set[int] = set()
    for kind, value in parts:
        if kind is op.LITERAL:
            found |= _code(value, value)
        elif kind is op.RANGE:
            found |= _code(*value)
        elif kind is op.CATEGORY:
            found |= _CLASSES[value]
    if not negated:
        return frozenset(found)
    exact = all(kind in (op.NEGATE, op.CATEGORY) for kind, _ in parts)
    return (_ALL - found) | (frozenset() if exact else _BEYOND)


def _code(low: int, high: int) -> frozenset[int]:
    return frozenset(range(low, min(high, 127) + 1)) | (_BEYOND if high > 127 else frozenset())


def _may_be_empty(items: list[Item]) -> bool:
    return all(_item_empty(item) for item in items)


def _item_empty(item: Item) -> bool:
    kind, value = item
    if kind is op.SUBPATTERN:
        return _may_be_empty(list(value[3]))
    if kind in _REPEATS:
        return value[0] == 0 or _may_be_empty(list(value[2]))
    if kind is op.BRANCH:
        return any(_may_be_empty(list(branch)) for branch in value[1])
    return kind is op.AT
