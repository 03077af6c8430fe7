"""Arrows point one way. The import table of the house style, and what the pure middle must not touch."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "firmware" / "bluewhale"
# part -> parts of ours it may import (itself always)
ALLOWED = {
    "model": set(),
    "config": set(),
    "clock": set(),
    "formats": {"model"},
    "ledger": {"formats", "model", "journal.time"},
    "store": {"model", "config"},
    "journal": {"model", "config", "clock"},
    "capture": {"model", "config", "clock", "journal"},
    "health": {"model", "config", "clock", "journal"},
    "snmp": {"model", "config", "health", "store"},
}
PURE = ("formats", "ledger")
NO_IO = {
    "socket", "sqlite3", "os", "subprocess", "threading", "asyncio", "time", "logging", "pathlib", "io", "random",
    "selectors", "signal", "shutil", "tempfile", "urllib", "http", "serial", "psutil",
}  # fmt: skip
# the generator of docs/formats.md and the scan of the package read files; neither is on a call's way
MAY_READ = {"formats/datasheets.py", "formats/__init__.py"}


def modules(part: str) -> Iterator[Path]:
    if (PACKAGE / f"{part}.py").exists():
        yield PACKAGE / f"{part}.py"
    yield from (PACKAGE / part).rglob("*.py")


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_follow_the_table() -> None:
    checked = 0
    wrong = []
    for part, allowed in ALLOWED.items():
        for file in modules(part):
            for name in imports(file):
                if not name.startswith("bluewhale."):
                    assert not name.startswith("bluewhale_webui"), f"{file} imports the pages"
                    continue
                inner = name.removeprefix("bluewhale.")
                checked += 1
                mine = inner.split(".")[0]
                if (
                    mine != part
                    and mine not in allowed
                    and not any(inner.startswith(a) for a in allowed if "." in a)
                ):
                    wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert checked > 100, "the guard saw almost nothing"
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_the_middle_is_pure() -> None:
    checked = 0
    wrong = []
    for part in PURE:
        for file in modules(part):
            if str(file.relative_to(PACKAGE)) in MAY_READ:
                continue
            checked += 1
            tree = ast.parse(file.read_text(encoding="utf-8"))
            wrong += [
                f"{file.relative_to(ROOT)} imports {n}" for n in imports(file) if n.split(".")[0] in NO_IO
            ]
            wrong += [
                f"{file.relative_to(ROOT)}:{node.lineno} calls {node.func.id}()"
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"print", "open"}
            ]
    assert checked > 15, "the guard saw almost nothing"
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_roles_or_the_pages() -> None:
    checked = 0
    for file in PACKAGE.rglob("*.py"):
        inside = str(file.relative_to(PACKAGE))
        if inside.startswith(("roles/", "cli", "__main__")):
            continue
        checked += 1
        bad = [n for n in imports(file) if n.startswith(("bluewhale.roles", "bluewhale_webui"))]
        assert not bad, f"{inside} imports {bad}"
    assert checked > 30
