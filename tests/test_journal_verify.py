"""The verifier: nothing to say of a sound journal, and no single changed byte passes it."""

import os
import random
import shutil
from pathlib import Path

import pytest

from bluewhale.journal import compress as compress_module
from bluewhale.journal import manifest
from bluewhale.journal.durable import SLOT, SLOT_BYTES
from bluewhale.journal.format import FILE_HEADER_BYTES, encode, seed
from bluewhale.journal.verify import verify
from bluewhale.model import FEED, OWNER, Kind
from journal_tools import HandClock, compress_closed, flip, open_small, scratch, sound

FIRST = f"{0:020d}.seg"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Several closed segments in both streams and an open one."""
    directory = tmp_path / "journal"
    writer = open_small(directory, segment_bytes=700, clock=HandClock())
    for number in range(30):
        writer.append(Kind.OWNER if number % 3 == 0 else Kind.CHUNK, "feed/1", b"record %d " % number * 8)
        writer.sync()
    writer.close()
    assert list(verify(directory)) == []
    return directory


def findings(directory: Path) -> list[str]:
    return [f"{finding.file}: {finding}" for finding in verify(directory)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("which", [".seg", "manifest.jsonl", ".key", "identity", "durable"])
def test_no_flipped_byte_passes(
    journal: Path, packed: bool, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress_module, "FRAME_BYTES", 256)
    if packed:
        assert compress_closed(journal) >= 4
        assert findings(journal) == []
    files = [path for path in sorted(journal.rglob("*")) if which in path.name and path.is_file()]
    dice = random.Random(which)
    checked = 0
    with scratch() as name:
        work = Path(name) / "journal"
        shutil.copytree(journal, work)
        for path in files:
            data = path.read_bytes()
            for at in sorted(dice.sample(range(len(data)), min(len(data), 60))):
                if which == "durable" and at % SLOT_BYTES >= SLOT.size:
                    continue  # not used
                broken = work / path.relative_to(journal)
                flip(broken, at, 1 << dice.randrange(8))
                assert findings(work), f"{path.name} byte {at} of {len(data)}"
                broken.write_bytes(data)
                checked += 1
        assert findings(work) == []
    assert checked > 10


def test_damage_is_named_by_file_and_position(journal: Path) -> None:
    record = sound(journal)[4]
    file = max(p for p in (journal / record.stream).glob("*.seg") if int(p.stem) <= record.position)
    flip(file, FILE_HEADER_BYTES + record.data_position - int(file.stem))
    assert findings(journal) == [
        f"{record.stream}/{file.name}: at position {record.position}: {record.size} bytes are damaged"
    ]


def test_a_record_that_was_changed_with_its_checksum_is_found(journal: Path) -> None:
    """Somebody edits a record and repairs its crc: only the chain of hashes knows."""
    record = next(r for r in sound(journal) if r.stream == OWNER)
    name = next((journal / OWNER).glob("*.seg"))
    from bluewhale.journal.format import crc_start
    from bluewhale.journal.reader import ends

    forged = encode(
        record.kind, 1, record.seq, record.real_us, record.mono_us, bytes.fromhex(record.boot),
        record.source.encode(), record.payload.replace(b"record", b"forged"),
        crc_start(seed(ends(journal).journal, OWNER), record.position),
    )  # fmt: skip
    with name.open("r+b") as handle:
        handle.seek(FILE_HEADER_BYTES + record.position)
        handle.write(forged)
    assert b"forged" in sound(journal)[0].payload  # a reader cannot tell
    assert any("hash is another one" in text for text in findings(journal))


def test_the_open_segment_is_held_to_the_published_hash(journal: Path) -> None:
    last = sorted((journal / FEED).glob("*.key"))[-1]
    flip(last, 3)
    assert findings(journal) == [
        f"durable: at position {max(r.position + r.size for r in sound(journal) if r.stream == FEED)}: "
        "the running hash of feed is not the published one"
    ]


def test_a_sequence_that_goes_back_is_found(journal: Path) -> None:
    """Nothing but our own fault can make one: the checksums and hashes fit."""
    writer = open_small(journal, segment_bytes=700, clock=HandClock())
    writer._seq = 3
    writer.append(Kind.CHUNK, "feed/1", b"an old number")
    writer.close()
    assert any("sequence 4 follows" in text for text in findings(journal))


def test_missing_files_are_named(journal: Path) -> None:
    names = sorted(path.name for path in (journal / FEED).glob("*.seg"))
    (journal / FEED / names[1]).unlink()
    (journal / FEED / names[2].replace(".seg", ".key")).unlink()
    text = "\n".join(findings(journal))
    assert "bytes before this segment are missing" in text
    assert "the segment listed here is missing" in text
    assert "the segment's key is missing" in text
    (journal / FEED / names[-1]).unlink()
    assert "up to the published end are missing" in "\n".join(findings(journal))


def test_a_manifest_without_a_line_breaks_the_chain(journal: Path) -> None:
    file = journal / FEED / manifest.NAME
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:1] + lines[2:]))
    text = "\n".join(findings(journal))
    assert "does not continue the one before" in text
    assert "does not list the segment" in text
    file.write_bytes(b"".join([*lines, b"torn li"]))
    assert findings(journal) == [f"feed/manifest.jsonl: line {len(lines) + 1} cannot be read"]
    file.unlink()
    assert findings(journal)


def test_a_torn_line_of_the_manifest_does_not_stop_the_writer(journal: Path) -> None:
    """A power cut in mid-line: the segment is still open for the next start, which cuts the line."""
    with (journal / FEED / manifest.NAME).open("ab") as handle:
        handle.write(b'{"start": 12')
    writer = open_small(journal, segment_bytes=700, clock=HandClock())
    for number in range(10):
        writer.append(Kind.CHUNK, "feed/1", b"later %d " % number * 20)
        writer.sync()
    writer.close()
    assert len(sound(journal)) == 40
    assert findings(journal) == []


def test_a_hash_that_is_none_is_a_bad_line(journal: Path) -> None:
    file = journal / FEED / manifest.NAME
    text = file.read_text()
    file.write_text(text.replace('"hash":"', '"hash":"zz', 1))
    assert "feed/manifest.jsonl: line 1 cannot be read" in findings(journal)
    file.write_text(text[:-4] + 'zz"}\n')
    open_small(journal, clock=HandClock()).close()


def test_bytes_behind_a_closed_segment_are_named(journal: Path) -> None:
    with (journal / FEED / FIRST).open("ab") as handle:
        handle.write(b"more")
    assert any("bytes behind the segment's end" in text for text in findings(journal))


def test_a_running_writer_disturbs_no_verifier(journal: Path) -> None:
    writer = open_small(journal, segment_bytes=700, clock=HandClock())
    writer.append(Kind.CHUNK, "feed/1", b"not synced")
    assert findings(journal) == []
    writer.sync()
    assert findings(journal) == []
    writer.close()
    assert os.listdir(journal)
