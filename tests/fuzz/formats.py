"""Coverage-guided fuzzing of every format: make fuzz ARGS="-max_total_time=300".

Any bytes must give values, the same ones however they are cut and after a restart in between. The first byte of an
input chooses the format, the second where it is cut. Findings become regression tests in tests/test_fuzz_findings.py.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bluewhale.formats"]):
    from bluewhale.formats import Decoder, load_formats

import msgspec

FORMATS = load_formats()
NAMES = sorted(name for name, fmt in FORMATS.items() if fmt.dialects)
CASES = [(name, dialect) for name in NAMES for dialect in FORMATS[name].dialects]
CORPUS = Path(__file__).parent.parent / "corpus"


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    name, options = CASES[data[0] % len(CASES)]
    body = data[2:]
    cut = len(body) * data[1] // 256
    whole = Decoder(FORMATS[name], options)
    expected = [*whole.feed(body, 0, 0), *whole.close(0)]
    first = Decoder(FORMATS[name], options)
    found = first.feed(body[:cut], 0, 0)
    state = msgspec.json.decode(msgspec.json.encode(first.state()))
    second = Decoder(FORMATS[name], options, state)
    found += second.feed(body[cut:], cut, 0)
    found += second.close(0)
    assert found == expected, f"{name} {options}: cut at {cut} changes what is read"
    msgspec.json.encode(expected)


def seeds(directory: Path) -> None:
    """The corpora as first inputs, each in the family's first dialect."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, (name, _) in enumerate(CASES):
        for capture in CORPUS.glob(f"{name}/*/capture.raw"):
            data = bytes([number, 100]) + capture.read_bytes()[:4000]
            (directory / f"{number}-{capture.parent.name}").write_bytes(data)


def main() -> None:
    seeds(Path(sys.argv[1]))
    atheris.Setup([sys.argv[0], *sys.argv[2:], sys.argv[1]], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
