"""A layout file's tree, looked at strictly: unknown keys and wrong types are refused with the place and a guess.

Every function raises OptionError; `place` is what the text begins with ("record 1, column 4 'talk_s'").
"""

import difflib
import json
import tomllib
from collections.abc import Iterable
from typing import Any

from bluewhale.formats._options import OptionError

_TYPES = {str: "text", int: "whole number", bool: "true or false", list: "list", dict: "table"}


def tree_of(value: Any) -> dict[str, Any]:
    """The layout as a tree, from a tree or from TOML or JSON text."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        raise OptionError("layout: give the layout file's text, or what it says as a table")
    try:
        tree = json.loads(value) if value.lstrip()[:1] == "{" else tomllib.loads(value)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise OptionError(f"layout: {error}") from None
    if not isinstance(tree, dict):
        raise OptionError("layout: it is no table")
    return tree


def near(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" or the known words, where they are few."""
    known = list(known)
    close = difflib.get_close_matches(word, known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; it is none of {', '.join(known)}" if len(known) <= 30 else ""


def keys(tree: Any, known: Iterable[str], place: str) -> dict[str, Any]:
    """The tree, if it is a table of known keys only."""
    if not isinstance(tree, dict):
        raise OptionError(f"{place}: {tree!r} is no table")
    for key in tree:
        if key not in known:
            raise OptionError(f"{place}: unknown key {key!r}{near(key, known)}")
    return tree


def get(tree: dict[str, Any], key: str, kind: type, default: Any, place: str) -> Any:
    """A value of a certain type."""
    value = tree.get(key, default)
    if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise OptionError(f"{place}: {key} = {value!r} is no {_TYPES[kind]}")
    return value


def texts(tree: dict[str, Any], key: str, place: str) -> tuple[str, ...]:
    """A text, or a list of texts."""
    value = tree.get(key, [])
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise OptionError(f"{place}: {key} = {value!r} is no list of texts")
    return tuple(value)


def tables(tree: dict[str, Any], key: str, place: str) -> list[Any]:
    """A list of tables; one table alone is a list of one."""
    value = tree.get(key, [])
    value = [value] if isinstance(value, dict) else value
    if not isinstance(value, list):
        raise OptionError(f"{place}: {key} = {value!r} is no list of tables")
    return value


def places(text: str | int, limit: int, place: str) -> tuple[int, int]:
    """Positions as people count, "17-22", "23" or "53-" (to the end), as 0-based start and end."""
    first, dash, last = str(text).replace(" ", "").partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(first) < 1:
        raise OptionError(f'{place}: at = {text!r} is no place like "17-22", "23" or "53-"')
    start, end = int(first) - 1, int(last or (limit if dash else first))
    if not start < end <= limit:
        raise OptionError(f"{place}: at = {text!r} ends before it begins, or beyond {limit}")
    return start, end
