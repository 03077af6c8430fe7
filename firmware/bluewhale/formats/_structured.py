"""Compilers of layouts that name their values: name=value lists, JSON, XML, type-length-value.

Each gives a `read(text, memory) -> row` like those of `_compile.py`. The standard library parses JSON and XML; a
document that brings a DTD or entities is refused before the parser sees it, so nothing in it can grow.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

from bluewhale.formats._fill import Fill, filler
from bluewhale.formats._layout import Column, Fault, Json, Named, Row, Tlv, Xml
from bluewhale.model import Why

Read = Callable[[str, dict[str, Any]], "Row | None"]
Cells = dict[str, str]
VENDOR = 26  # the RADIUS attribute that holds a vendor's own
_PERCENT = re.compile("(?:%[0-9A-Fa-f]{2})+")


def _by_name(columns: Iterable[Column]) -> tuple[Cells, Fill]:
    """A dictionary of all cells, empty, and the function that reads a filled copy of it."""
    names: Cells = {str(column.at): "" for column in columns}
    return names, filler([(column, str(column.at), str(column.at)) for column in columns])


def _put(cells: Cells, name: str, value: str, unfold: tuple[str, ...]) -> None:
    """A value under its name, or under the name it brings itself (`Cisco-AVPair = "call-id=7"`)."""
    own, equals, rest = value.partition("=")
    if equals and (own == name or name in unfold):
        name, value = own, rest
    if name in cells:
        cells[name] = value.strip()


def unquoted(value: str) -> str:
    """A value without the quotes around it and the backslashes before quotes inside."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value


def percent_decoded(text: str) -> str:
    """`%40` is @; what is no UTF-8 is read as Latin-1. A `+` stays."""

    def plain(found: re.Match[str]) -> str:
        raw = bytes.fromhex(found.group().replace("%", ""))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw.decode("latin-1")

    return _PERCENT.sub(plain, text) if "%" in text else text


def _form_field(text: str, name: str) -> str:
    """The value of `name=...` in a form body, decoded; any other text as it is."""
    if not name or not text.startswith(name + "="):
        return text
    return percent_decoded(text[len(name) + 1 :].partition("&")[0].replace("+", " "))


def named(layout: Named) -> Read:
    names, fill = _by_name(layout.columns)
    pairs, unfold = re.compile(layout.pair).finditer, layout.unfold
    head = re.compile(layout.head).match if layout.head else None

    def read(text: str, memory: dict[str, Any]) -> Row:
        cells, start = dict(names), 0
        if head:
            found = head(text)
            if found is None:
                raise Fault(Why.FOREIGN, f"no record of this shape: {text[:60]!r}")
            start = found.end()
            cells |= {name: value for name, value in found.groupdict("").items() if name in names}
        count = 0
        for pair in pairs(text[start:]):
            count += 1
            _put(cells, pair["name"], unquoted(pair["value"]), unfold)
        if not count:
            raise Fault(Why.FOREIGN, f"no name and value: {text[:60]!r}")
        return fill(cells)

    return read


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object in order, names that come again included."""


def _json_text(value: Any) -> str:
    """A scalar as the text a cell has, half characters (`\\ud800`) replaced; anything else is nothing."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip() if value.isascii() else value.encode(errors="replace").decode().strip()
    return "" if value is None or isinstance(value, list) else str(value)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise Fault(Why.FOREIGN, f"no JSON: {error}") from None


def _member(value: Any, name: str) -> Any:
    """The last member of that name, or the list's element of that number; None if there is none."""
    if isinstance(value, _Members):
        return next((found for key, found in reversed(value) if key == name), None)
    if isinstance(value, list) and name.isdigit():
        return value[int(name)] if int(name) < len(value) else None
    return None


_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:\s*(?=\{)')


def json_paths(layout: Json) -> Read:
    names, fill = _by_name(layout.columns)
    paths = [(name, name.split(".")) for name in names if name != "@name"]
    inner = [path.split(".") for path in layout.inner]

    def read(text: str, memory: dict[str, Any]) -> Row:
        cells, text = dict(names), _form_field(text, layout.form)
        if before := _NAME.match(text):
            text = text[before.end() :]
            if "@name" in cells:
                cells["@name"] = before.group(1)
        tree = _parsed(text)
        if not isinstance(tree, _Members):
            raise Fault(Why.FOREIGN, "no JSON object")
        for path in inner:
            _open_inner(tree, path)
        for name, path in paths:
            value: Any = tree
            for step in path:
                value = _member(value, step)
            cell = _json_text(value)
            if layout.unfold:
                _put(cells, name, cell, ())
            else:
                cells[name] = percent_decoded(cell) if layout.urlcoded else cell
        for name in layout.unfold:
            for value in [value for key, value in tree if key == name]:
                for each in value if type(value) is list else [value]:
                    _put(cells, name, _json_text(each), layout.unfold)
        return fill(cells)

    return read


def _open_inner(tree: _Members, path: list[str]) -> None:
    """Replaces the text at the path by the JSON it holds. Raises Fault where it holds none."""
    *above, last = path
    node: Any = tree
    for step in above:
        node = _member(node, step)
    if isinstance(node, _Members):
        for at, (key, value) in enumerate(node):
            if key == last and isinstance(value, str):
                node[at] = key, _parsed(value)


_DECLARES = re.compile(r"<!(?!--|\[CDATA\[)")


def xml_paths(layout: Xml) -> Read:
    names, fill = _by_name(layout.columns)
    paths = [(name, name.split("/")) for name in names]
    opening = re.compile(rf"\s*(?:<\?xml[^>]*\?>\s*)?<{re.escape(layout.element)}[\s/>]").match

    def read(text: str, memory: dict[str, Any]) -> Row:
        text = _form_field(text, layout.form)
        if not opening(text):
            raise Fault(Why.FOREIGN, f"no element {layout.element}: {text[:60]!r}")
        if _DECLARES.search(text):
            raise Fault(Why.BAD_FIELD, "a DTD or entity declaration: not read")
        try:
            tree = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError) as error:
            if not layout.tolerant:
                raise Fault(Why.BAD_FIELD, f"XML: {error}") from None
            found = {name: _loose_text(text, path) for name, path in paths}
        else:
            found = {name: _xml_text(tree, path) for name, path in paths}
        return fill(
            {name: percent_decoded(cell) if layout.urlcoded else cell for name, cell in found.items()}
        )

    return read


def _xml_text(node: ElementTree.Element, path: list[str]) -> str:
    """The text at the path, of the first element of each name; "" if there is none."""
    for step in path:
        if step.startswith("@"):
            return node.get(step[1:], "").strip()
        below = node.find(step)
        if below is None:
            return ""
        node = below
    return (node.text or "").strip()


_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}


def _loose_text(text: str, path: list[str]) -> str:
    """The same in a document that is not well-formed: what stands between the marks of each name."""
    for step in path:
        if step.startswith("@"):
            found = re.match(rf'[^>]*?\s{re.escape(step[1:])}="([^"]*)"', text)
            return found.group(1).strip() if found else ""
        start = text.find(f"<{step}>")
        end = text.find(f"</{step}>", start)
        if start < 0 or end < 0:
            return ""
        text = text[start + len(step) + 2 : end]
    return re.sub("&[a-z]+;", lambda found: _ENTITIES.get(found.group(), found.group()), text).strip()


def tlv(layout: Tlv) -> Read:
    names, fill = _by_name(layout.columns)
    numbers, addresses = frozenset(layout.numbers), frozenset(layout.addresses)

    def value_of(name: str, raw: bytes) -> str:
        if name in numbers:
            return str(int.from_bytes(raw, "big"))
        if name in addresses and len(raw) == 4:
            return ".".join(map(str, raw))
        try:
            return raw.decode().rstrip("\0")
        except UnicodeDecodeError:
            return raw.decode("latin-1").rstrip("\0")

    def read(text: str, memory: dict[str, Any]) -> Row:
        cells, raw = dict(names), text.encode("latin-1", "replace")
        for kind, value in _attributes(raw[layout.skip :]):
            if kind == VENDOR and len(value) > 4:
                vendor = int.from_bytes(value[:4], "big")
                for below, part in _attributes(value[4:]):
                    name = f"{vendor}.{below}"
                    _put_tlv(cells, name, value_of(name, part), layout.unfold)
            else:
                _put_tlv(cells, str(kind), value_of(str(kind), value), layout.unfold)
        return fill(cells)

    return read


def _put_tlv(cells: Cells, name: str, value: str, unfold: tuple[str, ...]) -> None:
    """A value under its number; one that repeats its name (`h323-conf-id=...`) loses it, or brings another."""
    found = re.match(r"([A-Za-z][\w-]*)=", value) if "." in name else None
    if found and name in unfold:
        name = found.group(1)
    if name in cells:
        cells[name] = (value[found.end() :] if found else value).strip()


def _attributes(raw: bytes) -> Iterable[tuple[int, bytes]]:
    """Type and value of each attribute. Raises Fault where lengths do not add up."""
    at = 0
    while at < len(raw):
        length = raw[at + 1] if at + 1 < len(raw) else 0
        if length < 2 or at + length > len(raw):
            raise Fault(Why.BAD_FIELD, f"attribute {raw[at]} at byte {at}: length {length} does not fit")
        yield raw[at], raw[at + 2 : at + length]
        at += length


COMPILERS: dict[type, Callable[[Any], Read]] = {
    Named: named,
    Json: json_paths,
    Xml: xml_paths,
    Tlv: tlv,
}
