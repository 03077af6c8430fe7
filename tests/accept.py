"""`make accept CASE=family/case`: the only way to rewrite a golden file. The commit says why.

Reads tests/corpus/FAMILY/CASE/capture.raw with the format and options of capture.toml and writes what comes out to
expect.jsonl. Without a case it says what would change and writes nothing.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.cli_decode import plain
from bluewhale.formats import Decoder, load_formats

CORPUS = Path(__file__).parent / "corpus"
JOURNAL = "corpus"  # stands for the journal id in the golden files


def cases() -> list[str]:
    """Every case as family/case, in order."""
    return sorted(str(file.parent.relative_to(CORPUS)) for file in CORPUS.glob("*/*/capture.raw"))


def about(case: str) -> dict[str, Any]:
    return tomllib.loads((CORPUS / case / "capture.toml").read_text(encoding="utf-8"))


def raw(case: str) -> bytes:
    return (CORPUS / case / "capture.raw").read_bytes()


def decoder_of(case: str, state: dict[str, Any] | None = None) -> Decoder:
    facts = about(case)
    fmt = load_formats()[facts.get("format", case.partition("/")[0])]
    return Decoder(fmt, facts.get("options", {}), state, journal=JOURNAL)


def decoded(case: str) -> list[dict[str, Any]]:
    """Everything a case gives, in order, then how many frames were skipped."""
    decoder = decoder_of(case)
    items = decoder.feed(raw(case), 0) + decoder.close()
    return [*map(plain, items), {"skipped": decoder.skipped}]


def lines(values: list[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(value) + b"\n" for value in values)


def main(names: list[str]) -> int:
    for case in names or cases():
        if case not in cases():
            print(f"{case}: no such case under {CORPUS}", file=sys.stderr)
            return 2
        golden, now = CORPUS / case / "expect.jsonl", lines(decoded(case))
        before = golden.read_bytes() if golden.exists() else b""
        if before == now:
            print(f"{case}: as it was")
        elif names:
            golden.write_bytes(now)
            print(f"{case}: {len(now.splitlines())} lines written; read them before you commit")
        else:
            print(f"{case}: differs")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
