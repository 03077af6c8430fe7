"""Where in a plan file's text a path such as `rate[3].slot[0].price` stands, for messages with a line."""

import re

from bluewhale.ledger import plan_csv

_TOML_TABLE = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.\- ]+?)\s*\]\]?\s*(?:#.*)?$")
_TOML_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|\n|[^\s\[\]{},:"]+')


def line_of(text: str, path: str, kind: str) -> int | None:
    """The line of a path in TOML, JSON or CSV text, or of the nearest table around it. None: not in the text."""
    lines = {"TOML": _toml_lines, "JSON": _json_lines, "CSV": plan_csv.lines_of}[kind](text)
    while path:
        if path in lines:
            return lines[path]
        path = re.sub(r"(^|\.)[^.\[\]]+$|\[\d+\]$", "", path)
    return None


def _toml_lines(text: str) -> dict[str, int]:
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        table = _TOML_TABLE.match(line)
        if table:
            here = _table_path(table[1], line.lstrip().startswith("[["), counts)
            lines.setdefault(here, number)
            continue
        key = _TOML_KEY.match(line)
        if key:
            lines.setdefault(f"{here}.{key[1]}" if here else key[1], number)
    return lines


def _table_path(name: str, repeated: bool, counts: dict[str, int]) -> str:
    """The path of a table header: each [[name]] is the next one under its parent."""
    path = ""
    parts = [part.strip() for part in name.split(".")]
    for at, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        if at == len(parts) - 1 and repeated:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}[{counts[path]}]"
    return path


def _json_lines(text: str) -> dict[str, int]:
    lines: dict[str, int] = {}
    stack: list[tuple[str, int]] = []  # (path, index) of the lists and objects around; index -1 in an object
    path, line, key = "", 1, ""
    expect_key = False
    for token in _JSON_TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token in "}]":
            path = stack.pop()[0] if stack else ""
            expect_key = False
        elif token == ",":
            if stack and stack[-1][1] >= 0:
                stack[-1] = (stack[-1][0], stack[-1][1] + 1)
            expect_key = bool(stack) and stack[-1][1] < 0
        elif token == ":":
            expect_key = False
        elif expect_key:
            key = token.strip('"')
        else:
            parent, index = stack[-1] if stack else ("", -1)
            if stack:
                path = f"{parent}[{index}]" if index >= 0 else (f"{parent}.{key}" if parent else key)
                lines.setdefault(path, line)
            if token in "[{":
                stack.append((path, 0 if token == "[" else -1))
                expect_key = token == "{"
    return lines
