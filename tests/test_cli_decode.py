"""`bluewhale decode`, `detect` and `formats` as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from accept import CORPUS, about, raw

CAPTURE = CORPUS / "avaya-ipoffice" / "published" / "capture.raw"


def run(*args: str, stdin: bytes = b"") -> tuple[int, list[dict[str, object]], list[str]]:
    """Exit code, JSON lines of stdout, lines of stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale", *args], input=stdin, capture_output=True, timeout=60, check=False
    )
    out = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, out, done.stderr.decode().splitlines()


def test_decode_detects_and_prints_legs() -> None:
    code, legs, complaints = run("decode", str(CAPTURE))
    assert (code, complaints, len(legs)) == (0, [], 11)
    assert legs[0]["origin"] == f"{CAPTURE}.feed.0.102"
    assert legs[0]["caller"] == "8004206"
    assert "auth_code" not in legs[0]


def test_decode_reads_stdin_and_names_the_line() -> None:
    good = CAPTURE.read_bytes().splitlines(True)[0]
    broken = good.replace(b"00:00:00", b"00:00:99")
    code, legs, complaints = run(
        "decode", "--format", "avaya-ipoffice", stdin=good + b"\r\n" + broken + good + b"x"
    )
    assert code == 1
    assert len(legs) == 2
    assert str(legs[0]["origin"]).startswith("-.feed.0.")
    assert complaints == [
        "-:3: bad-field: column 2 (talk_s): '00:00:99' is no duration hh:mm:ss",
        "-:5: truncated: 1 cells, not 17 to 60",
    ]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_line_numbers_for_every_line_end(end: bytes) -> None:
    lines = [b"", b"a", b"", b"b"]
    _, _, complaints = run("decode", "--format", "avaya-ipoffice", "-", stdin=end.join(lines) + end)
    assert [text.split(":")[1] for text in complaints] == ["2", "4"]


def test_files_in_the_order_given(tmp_path: Path) -> None:
    one, two = tmp_path / "b.raw", tmp_path / "a.raw"
    lines = CAPTURE.read_bytes().splitlines(True)
    one.write_bytes(lines[0])
    two.write_bytes(lines[1])
    _, legs, _ = run("decode", str(one), str(two))
    assert [str(leg["origin"]).rsplit(".", 3)[0] for leg in legs] == [str(one), str(two)]


def test_options_by_key_value_and_file(tmp_path: Path) -> None:
    case = "asterisk/park-in"
    file, options = CORPUS / case / "capture.raw", tmp_path / "options.json"
    options.write_text(json.dumps(about(case)["options"]))
    code, legs, _ = run("decode", "--format", "asterisk", "--options", str(options), str(file))
    assert (code, legs[0]["direction"], legs[0]["extension"]) == (0, "incoming", "200")
    code, legs, _ = run(
        "decode",
        "--format",
        "asterisk",
        "--options",
        str(options),
        "-o",
        'trunk_channels=["SIP/none"]',
        str(file),
    )
    assert (code, legs[0].get("direction")) == (0, None)
    code, legs, _ = run("decode", "--format", "panasonic", "-o", "date_order=dd/mm/yy", "-",
                        stdin=raw("panasonic/published"))  # fmt: skip
    assert (code, legs[0]["ended_local"]) == (0, "2002-02-01T10:03")


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["decode", "--format", "nonesuch", "-"], 2, "none of"),
        (["decode", "--format", "asterisk", "-o", "colour=red", "-"], 2, "no option 'colour'"),
        (["decode", "--format", "asterisk", "-o", "colour", "-"], 2, "KEY=VALUE"),
        (["decode", "--format", "asterisk", "-o", "columns=[1]", "-"], 2, "columns"),
        (["decode", "--nonesuch"], 2, "usage"),
        (["decode", "/nonexistent/file"], 3, "/nonexistent/file"),
        (["detect", "/nonexistent/file"], 3, "/nonexistent/file"),
        (["decode", "--options", "/nonexistent/file", "-"], 3, "/nonexistent/file"),
        (["decode", "-"], 1, "-:1: undetected"),
        (["detect"], 1, "-:1: undetected"),
    ],
)
def test_exit_codes(args: list[str], code: int, text: str) -> None:
    got, out, complaints = run(*args, stdin=b"hello\n")
    assert (got, out) == (code, [])
    assert text in "\n".join(complaints)


def test_signals_only_when_asked() -> None:
    capture = str(CORPUS / "avaya-cm" / "teleseer" / "capture.raw")
    _, legs, _ = run("decode", "--format", "avaya-cm", "-o", "format=teleseer", capture)
    _, both, _ = run("decode", "--format", "avaya-cm", "-o", "format=teleseer", "--signals", capture)
    assert len(both) == len(legs) + 1
    assert [item["signal"] for item in both if "signal" in item] == ["ring"]


def test_detect() -> None:
    code, guesses, _ = run("detect", stdin=CAPTURE.read_bytes())
    assert code == 0
    assert guesses[0]["format"] == "avaya-ipoffice"
    assert guesses[0].keys() == {"format", "score", "evidence"}


def test_formats_lists_all() -> None:
    code, listed, _ = run("formats")
    assert code == 0
    assert {"format": "cisco-cucm", "title": "Cisco Unified Communications Manager"} in listed
