"""bluewhale journal list, show, verify, export, as a script uses them."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.cli_journal import escaped
from bluewhale.journal.format import FILE_HEADER_BYTES
from bluewhale.journal.writer import Writer
from bluewhale.model import FEED, Kind, Origin
from journal_tools import BOX, HandClock, compress_closed, flip

Result = subprocess.CompletedProcess[bytes]


def journal(*arguments: str, data: Path) -> Result:
    command = [
        sys.executable,
        "-m",
        "bluewhale",
        "journal",
        arguments[0],
        "--data",
        str(data),
        *arguments[1:],
    ]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def rows(result: Result) -> list[dict[str, object]]:
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def sent(tmp_path: Path) -> dict[str, bytes]:
    """What three connections of two feeds sent, in pieces of any size, into several segments."""
    dice = random.Random(7)
    wanted = {name: dice.randbytes(9000) for name in ("main/1", "main/2", "hotel-main/1")}
    left = dict(wanted)
    writer = Writer(
        tmp_path / "journal",
        box=BOX,
        segment_bytes=6000,
        reserve_bytes=0,
        owner_share_bytes=0,
        clock=HandClock(),
    )
    while any(left.values()):
        name = dice.choice([name for name, data in left.items() if data])
        size = dice.randrange(1, 700)
        writer.append(Kind.CHUNK, name, left[name][:size])
        left[name] = left[name][size:]
        writer.append(Kind.LINK, name, b"{}")
        writer.sync()
    writer.append(Kind.OWNER, "cli", b'{"id": "a"}')
    writer.close()
    compress_closed(tmp_path / "journal")
    return wanted


def test_export_gives_back_what_was_sent(tmp_path: Path, sent: dict[str, bytes]) -> None:
    for name, data in sent.items():
        assert journal("export", "--source", name, data=tmp_path).stdout == data
    file = tmp_path / "out.raw"
    assert journal("export", "--source", "hotel-main", "-o", str(file), data=tmp_path).returncode == 0
    assert file.read_bytes() == sent["hotel-main/1"]
    everything = journal("export", data=tmp_path).stdout
    assert len(everything) == 3 * 9000
    assert sorted(everything) == sorted(b"".join(sent.values()))
    assert len(journal("export", "--source", "main", data=tmp_path).stdout) == 2 * 9000
    nothing = journal("export", "--source", "mai", data=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (1, b"")
    assert nothing.stderr == b"mai: no bytes of this source in the journal\n"


def test_list_names_each_segment(tmp_path: Path, sent: dict[str, bytes]) -> None:
    found = rows(journal("list", data=tmp_path))
    feed = [row for row in found if row["stream"] == FEED]
    assert len(feed) > 4
    assert [row["end"] for row in feed[:-1]] == [row["start"] for row in feed[1:]]
    assert [row["closed"] for row in feed] == [True] * (len(feed) - 1) + [False]
    for row in found:
        assert (tmp_path / "journal" / str(row["file"])).stat().st_size == row["file_bytes"]
    assert str(feed[0]["file"]).endswith(".seg.zst")
    assert feed[0]["first_seq"] == 1
    assert str(feed[0]["first_utc"]).endswith("Z")


def test_show_shows_records_in_order(tmp_path: Path, sent: dict[str, bytes]) -> None:
    found = rows(journal("show", data=tmp_path))
    assert [row["seq"] for row in found] == list(range(1, len(found) + 1))
    assert (found[-1]["kind"], found[-1]["stream"], found[-1]["payload"]) == ("owner", "owner", '{"id": "a"}')
    assert found[0]["payload"] != ""
    some = rows(journal("show", "--since", str(found[10]["position"]), "--limit", "3", data=tmp_path))
    assert some == found[10:13]
    assert rows(journal("show", "--stream", "owner", data=tmp_path)) == found[-1:]


def test_show_origin_gives_the_raw_bytes(tmp_path: Path, sent: dict[str, bytes]) -> None:
    first = rows(journal("show", "--limit", "1", data=tmp_path))[0]
    name = str(first["source"])
    segment = rows(journal("list", data=tmp_path))[0]
    origin = Origin(str(segment["journal"]), FEED, int(str(first["data_position"])) + 5, 2000)
    assert journal("show", "--origin", str(origin), data=tmp_path).stdout == sent[name][5:2005]
    other = Origin("ffffffffffffffff", FEED, origin.position, 10)
    refused = journal("show", "--origin", str(other), data=tmp_path)
    assert (refused.returncode, refused.stdout) == (3, b"")
    assert refused.stderr.endswith(f"these bytes are of journal {segment['journal']}\n".encode())
    assert journal("show", "--origin", "what?", data=tmp_path).returncode == 2
    far = Origin(str(segment["journal"]), FEED, 1 << 40, 10)
    assert journal("show", "--origin", str(far), data=tmp_path).returncode == 3


def test_damage_is_told_and_the_rest_is_shown(tmp_path: Path, sent: dict[str, bytes]) -> None:
    clean = rows(journal("show", data=tmp_path))
    assert journal("verify", data=tmp_path).returncode == 0
    last = rows(journal("list", data=tmp_path))
    open_one = next(row for row in last if not row["closed"] and row["stream"] == FEED)
    file = tmp_path / "journal" / str(open_one["file"])
    hit = next(row for row in clean if row["stream"] == FEED and row["position"] == open_one["start"])
    flip(file, FILE_HEADER_BYTES + 60)
    shown = journal("show", data=tmp_path)
    assert shown.returncode == 1
    assert len(shown.stdout.splitlines()) == len(clean) - 1
    assert shown.stderr == f"feed:{hit['position']}: {hit['size']} bytes are damaged\n".encode()
    checked = journal("verify", data=tmp_path)
    assert checked.returncode == 1
    assert (
        checked.stderr == f"{file}: at position {hit['position']}: {hit['size']} bytes are damaged\n".encode()
    )
    assert json.loads(checked.stdout)["findings"] == 1
    assert journal("export", data=tmp_path).returncode == 1


def test_without_a_journal_it_says_so(tmp_path: Path) -> None:
    for verb in ("list", "show", "verify", "export"):
        result = journal(verb, data=tmp_path / "nothing")
        assert result.returncode == 3
        assert b"there is no journal here" in result.stderr


@given(st.binary())
def test_escaped_text_is_one_printable_line_and_loses_nothing(data: bytes) -> None:
    text = escaped(data)
    assert text.isprintable()
    out, rest = bytearray(), text
    while rest:
        if rest.startswith("\\x"):
            out += bytes.fromhex(rest[2:4])
            rest = rest[4:]
        elif rest.startswith("\\"):
            out += {"\\": b"\\", "r": b"\r", "n": b"\n", "t": b"\t"}[rest[1]]
            rest = rest[2:]
        else:
            out += rest[0].encode()
            rest = rest[1:]
    assert bytes(out) == data
