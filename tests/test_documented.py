"""Guards of the documents: every configuration key and every command is written down."""

import argparse
import re
from pathlib import Path

import msgspec

from bluewhale.cli import build_parser
from bluewhale.config import Config

ROOT = Path(__file__).parent.parent


def config_keys(kind: type, prefix: str = "") -> set[str]:
    keys = set()
    for field in msgspec.structs.fields(kind):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            keys |= config_keys(inner, f"{prefix}{field.name}.")
        elif field.name == "feed":
            keys |= config_keys(inner.__args__[0], f"{prefix}feed.")
        else:
            keys.add(prefix + field.name)
    return keys


def test_every_configuration_key_is_in_the_table() -> None:
    table = set(
        re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "firmware/README.md").read_text(encoding="utf-8"), re.M)
    )
    keys = config_keys(Config)
    assert len(keys) > 15
    assert keys == table


def test_every_command_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    actions = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    names = list(actions[0].choices)
    assert len(names) > 10
    missing = [name for name in names if f"`{name}" not in manual]
    assert not missing


def test_commits_name_no_machine_paths() -> None:
    checked = 0
    for pattern in ("*.py", "*.md", "*.toml", "*.lock", "Makefile", "run", "setup", "*.html", "*.css"):
        for file in ROOT.rglob(pattern):
            parts = file.relative_to(ROOT).parts
            if parts[0] in {".venv", "data", ".git", "build"} or not file.is_file():
                continue
            checked += 1
            text = file.read_text(encoding="utf-8", errors="replace")
            assert "/" + "work/" not in text, f"{file} names a path of one machine"
            assert "--index" + "-url" not in text or file.name == "setup", f"{file} names a package index"
    assert checked > 60
