"""The writer: lock, rotation, compression, what a start finds, copies, disk full."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bluewhale.journal import compress as compress_module
from bluewhale.journal import durable, identity, manifest, reader
from bluewhale.journal.compress import LEVEL, Compressor, level_for
from bluewhale.journal.format import FILE_HEADER_BYTES, NO_JOURNAL, Damage, Ends
from bluewhale.journal.segments import MARKER, Compressed, Named
from bluewhale.journal.space import free_bytes
from bluewhale.journal.verify import verify
from bluewhale.journal.writer import JournalFull, Writer, WriterBusy
from bluewhale.model import FEED, OWNER, Kind, Record
from journal_tools import BOX, HandClock, compress_closed, everything, flip, open_small, segment_files, sound
from waiting import until


def fill(writer: Writer, count: int, size: int = 100, name: str = "r") -> None:
    """Each record is a commit of its own."""
    for number in range(count):
        writer.append(Kind.CHUNK, "feed/1", f"{name}{number} ".encode().ljust(size, b"."))
        writer.sync()


def names(records: list[Record]) -> list[str]:
    return [record.payload.split()[0].decode() for record in records]


def test_readers_never_pass_the_published_end(tmp_path: Path) -> None:
    writer = open_small(tmp_path)
    assert reader.ends(tmp_path) == Ends(writer.journal, 0, 0, 0)
    writer.append(Kind.CHUNK, "feed/1", b"one")
    assert everything(tmp_path) == []
    first = writer.sync()
    writer.append(Kind.CHUNK, "feed/1", b"two")
    writer.append(Kind.OWNER, "cli", b"{}")
    assert reader.ends(tmp_path) == Ends(writer.journal, first.feed, 0, 1)
    assert [r.payload for r in sound(tmp_path)] == [b"one"]
    writer.close()
    assert [r.payload for r in sound(tmp_path)] == [b"one", b"two", b"{}"]


def test_an_empty_or_absent_directory_has_no_ends(tmp_path: Path) -> None:
    assert reader.ends(tmp_path / "nowhere") == Ends(NO_JOURNAL, 0, 0, 0)
    assert everything(tmp_path) == []
    assert list(verify(tmp_path)) == []


def test_there_is_one_writer(tmp_path: Path) -> None:
    writer = open_small(tmp_path)
    with pytest.raises(WriterBusy, match=str(os.getpid())):
        open_small(tmp_path)
    writer.close()
    open_small(tmp_path).close()


def test_rotation_and_compression_change_no_name(tmp_path: Path) -> None:
    writer = open_small(tmp_path, segment_bytes=1000)
    fill(writer, 40)
    writer.append(Kind.OWNER, "cli", b"{}")
    writer.sync()
    before = sound(tmp_path)
    count = len(list(segment_files(tmp_path)))
    assert count > 4
    assert compress_closed(tmp_path) == count - 2  # all but the open one of each stream
    assert sound(tmp_path) == before
    for start in range(0, 41, 7):
        record = before[start]
        got = reader.records(tmp_path, FEED, record.position, writer.durable.feed)
        assert next(got) == record
    fill(writer, 1, name="later")
    assert names(sound(tmp_path))[-1] == "later0"
    writer.close()
    assert list(verify(tmp_path)) == []


def test_a_compressed_segment_is_an_ordinary_zstd_file(tmp_path: Path) -> None:
    writer = open_small(tmp_path, segment_bytes=200_000)
    writer.append(Kind.CHUNK, "feed/1", bytes(range(256)) * 3000)  # several frames
    writer.sync()
    fill(writer, 1)
    plain = (tmp_path / FEED / f"{0:020d}.seg").read_bytes()
    compress_closed(tmp_path)
    writer.close()
    import zstandard

    packed = tmp_path / FEED / f"{0:020d}.seg.zst"
    with packed.open("rb") as handle:
        content = zstandard.ZstdDecompressor().stream_reader(handle, read_across_frames=True).read()
    assert content == plain
    tool = shutil.which("zstd")
    if tool:
        assert subprocess.run([tool, "-dc", packed], capture_output=True, check=True).stdout == plain


def test_damage_in_a_compressed_segment_costs_its_frame_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress_module, "FRAME_BYTES", 1000)
    writer = open_small(tmp_path, segment_bytes=10_000)
    fill(writer, 100, size=100 - 48 - len("feed/1"))  # 100 bytes a record: ten in a frame
    fill(writer, 1, name="next")
    writer.close()
    compress_closed(tmp_path)
    path = tmp_path / FEED / f"{0:020d}.seg.zst"
    with Compressed(Named(0, path, True)) as segment:
        frame = segment.frames[5]
    whole = path.read_bytes()
    for at in (frame.at - MARKER.size, frame.at - 1, frame.at, frame.at + frame.stored - 1):
        path.write_bytes(whole)
        flip(path, at)
        lost = {item for item in everything(tmp_path) if isinstance(item, Damage)}
        assert lost == {Damage(FEED, 4000, 1000)}, at


def test_a_segment_is_kept_if_its_compressed_copy_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_small(tmp_path, segment_bytes=1000)
    fill(writer, 12)
    before = sound(tmp_path)
    right = compress_module.pack_marker
    monkeypatch.setattr(
        compress_module, "pack_marker", lambda offset, size, stored: right(offset, size, stored[:-1])
    )
    with pytest.raises(OSError, match="differs"):
        compress_closed(tmp_path)
    writer.close()
    assert [path for path in (tmp_path / FEED).iterdir() if ".zst" in path.name] == []
    assert sound(tmp_path) == before


def test_the_compressor_follows_the_writer(tmp_path: Path) -> None:
    writer = open_small(tmp_path, segment_bytes=1000)
    fill(writer, 20)
    leftover = tmp_path / FEED / ".00000000000000000007.seg.zst.new"
    leftover.write_bytes(b"half a file of a process that was killed")
    compressor = Compressor(tmp_path, writer.release_reserve)
    until(lambda: len(list((tmp_path / FEED).glob("*.seg"))) == 1)
    assert not leftover.exists()
    fill(writer, 20, name="more")
    compressor.wake()
    until(lambda: len(list((tmp_path / FEED).glob("*.seg"))) == 1)
    compressor.close()
    writer.close()
    assert len(sound(tmp_path)) == 40


def test_a_reader_is_not_disturbed_by_compression(tmp_path: Path) -> None:
    writer = open_small(tmp_path, segment_bytes=1000)
    fill(writer, 60)
    running = reader.records(tmp_path, FEED, 0, writer.durable.feed)
    got = [next(running) for _ in range(5)]
    compress_closed(tmp_path)
    got += list(running)
    assert [r.seq for r in got if isinstance(r, Record)] == list(range(1, 61))
    writer.close()


def test_reading_while_writing_sees_each_record_once(tmp_path: Path) -> None:
    """A follower polls the published end while another thread writes and compresses."""
    writer = open_small(tmp_path, segment_bytes=3000)
    done = threading.Event()

    def write() -> None:
        fill(writer, 300)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen: list[int] = []
    at = 0
    while True:
        last_round = done.is_set()
        end = reader.ends(tmp_path).feed
        for record in reader.records(tmp_path, FEED, at, end):
            assert isinstance(record, Record), record
            seen.append(record.seq)
        at = end
        compress_closed(tmp_path)
        if last_round:
            break
    thread.join()
    writer.close()
    assert seen == list(range(1, 301))


def test_a_bounded_number_of_files_is_open(tmp_path: Path) -> None:
    writer = open_small(tmp_path, segment_bytes=200)
    before = len(os.listdir("/proc/self/fd"))
    fill(writer, 50)
    running = reader.merged(tmp_path, {}, reader.ends(tmp_path))
    for _ in range(30):
        next(running)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    running.close()
    writer.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_start_goes_on_in_the_same_segment_and_sequence(tmp_path: Path) -> None:
    clock = HandClock()
    for name in "abc":
        writer = open_small(tmp_path, clock=clock)
        fill(writer, 2, name=name)
        writer.close()
    found = sound(tmp_path)
    assert names(found) == ["a0", "a1", "b0", "b1", "c0", "c1"]
    assert [r.seq for r in found] == [1, 2, 3, 4, 5, 6]
    assert len(list(segment_files(tmp_path))) == 1
    assert list(verify(tmp_path)) == []


def test_damage_before_the_published_end_is_kept_at_a_start(tmp_path: Path) -> None:
    """The last record is damaged on the disk: it was published, so its place is never written again."""
    writer = open_small(tmp_path)
    fill(writer, 3)
    ends = writer.durable
    writer.close()
    flip(tmp_path / FEED / f"{0:020d}.seg", FILE_HEADER_BYTES + ends.feed - 1)
    writer = open_small(tmp_path)
    assert writer.opened.cut == {FEED: 0, OWNER: 0}
    fill(writer, 1, name="after")
    writer.close()
    found = everything(tmp_path)
    assert [type(item) for item in found] == [Record, Record, Damage, Record]
    assert found[-1].position == ends.feed


def test_published_bytes_that_are_gone_leave_a_gap(tmp_path: Path) -> None:
    """The disk lost what it had confirmed: no position and no sequence number is given a second time."""
    writer = open_small(tmp_path)
    fill(writer, 4)
    ends = writer.durable
    writer.close()
    path = tmp_path / FEED / f"{0:020d}.seg"
    os.truncate(path, path.stat().st_size - 150)
    writer = open_small(tmp_path)
    assert writer.opened.lost[FEED] >= 150
    assert writer.opened.cut[FEED] == 0
    fill(writer, 1, name="after")
    writer.close()
    found = everything(tmp_path)
    assert [type(item) for item in found] == [Record, Record, Record, Damage, Record]
    assert (found[-1].position, found[-1].seq) == (ends.feed, ends.seq + 1)
    assert [f.what for f in verify(tmp_path)] != []


def test_a_lost_published_end_is_found_again(tmp_path: Path) -> None:
    """A power cut may take the newest state of `durable`: the records behind it are found, none is cut."""
    writer = open_small(tmp_path, segment_bytes=500)
    fill(writer, 2)
    old = (tmp_path / "durable").read_bytes()
    fill(writer, 20, name="late")
    ends, last = writer.durable.ends, writer.durable
    writer.close()
    for content in (old, b"", bytes(512), os.urandom(512)):
        (tmp_path / "durable").write_bytes(content)
        writer = open_small(tmp_path, segment_bytes=500)
        assert writer.durable.ends == ends
        assert (writer.durable.feed_hash, writer.durable.feed_records) == (last.feed_hash, last.feed_records)
        assert writer.opened.cut == {FEED: 0, OWNER: 0}
        writer.close()
    assert list(verify(tmp_path)) == []


def test_without_its_published_end_a_journal_shows_its_closed_segments(tmp_path: Path) -> None:
    writer = open_small(tmp_path, segment_bytes=500)
    fill(writer, 20)
    writer.close()
    (tmp_path / "durable").unlink()
    ends = reader.ends(tmp_path)
    assert ends.feed == manifest.last(tmp_path, FEED).end
    assert ends.seq == len(sound(tmp_path)) > 10


@pytest.mark.parametrize("way", ["copied", "no identity", "other box", "other machine"])
def test_a_copy_opens_a_new_journal_that_follows(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HandClock()
    first = tmp_path / "first"
    writer = open_small(first, clock=clock)
    fill(writer, 3, name="old")
    writer.append(Kind.OWNER, "cli", b"{}")
    old_end = writer.sync()
    writer.close()
    second, box = tmp_path / "second", BOX
    if way == "copied":
        subprocess.run(["cp", "-a", first, second], check=True)
    else:
        second = first
    if way == "no identity":
        (first / "identity").unlink()
    if way == "other box":
        box = "fedcba9876543210"
    if way == "other machine":
        other = tmp_path / "machine-id"
        other.write_text("another one\n")
        monkeypatch.setattr(identity, "MACHINE_ID", other)
        if not identity.read(first).machine:
            pytest.skip("this system has no machine id to differ from")
    copy = Writer(second, box=box, reserve_bytes=0, owner_share_bytes=0, clock=clock)
    assert copy.opened.new
    assert copy.journal != old_end.journal
    assert copy.opened.follows == old_end.journal
    fill(copy, 2, name="new")
    copy.close()
    found = sound(second)
    mark = found.pop(4)  # the first record of the new journal says which one it is
    body = json.loads(mark.payload)
    assert (mark.kind, body["event"], body["journal"]) == (Kind.MARK, "start", copy.journal)
    assert body["follows"] == old_end.journal
    assert names(found) == ["old0", "old1", "old2", "{}", "new0", "new1"]
    assert [r.seq for r in found] == [1, 2, 3, 4, 6, 7]  # positions and sequence go on; the name does not
    assert reader.journal_at(second, FEED, 0) == old_end.journal
    assert reader.journal_at(second, FEED, old_end.feed) == copy.journal
    assert list(verify(second)) == []
    monkeypatch.undo()
    if way == "copied":  # the original goes on under its own name
        writer = open_small(first, clock=clock)
        assert (writer.journal, writer.opened.new) == (old_end.journal, False)
        writer.close()


def test_each_mark_of_a_copy_is_enough(tmp_path: Path) -> None:
    """A copy may get the inode number of a deleted original: its birth time differs then; and the reverse."""
    known = identity.make(tmp_path, BOX, NO_JOURNAL)
    assert identity.is_genuine(tmp_path, known, BOX)
    assert known.inode and known.born_us  # of the file system the tests run on
    for other in ({"inode": known.inode + 1}, {"born_us": known.born_us + 1}):
        assert not identity.is_genuine(tmp_path, msgspec.structs.replace(known, **other), BOX)
    assert identity.is_genuine(tmp_path, msgspec.structs.replace(known, born_us=0), BOX)


def test_a_copy_that_recorded_nothing_leaves_no_trace(tmp_path: Path) -> None:
    writer = open_small(tmp_path / "a")
    fill(writer, 1)
    writer.close()
    subprocess.run(["cp", "-a", tmp_path / "a", tmp_path / "b"], check=True)
    known = identity.make(tmp_path / "b", BOX, writer.journal)  # killed before its first record
    for _ in range(2):
        copy = open_small(tmp_path / "b")
        copy.close()
        assert (copy.journal, copy.opened.follows) == (known.journal, writer.journal)
    assert [r.kind for r in sound(tmp_path / "b")] == [
        Kind.CHUNK,
        Kind.MARK,
    ]  # marked once, by the first that wrote


def test_the_first_journal_may_follow_another(tmp_path: Path) -> None:
    writer = Writer(tmp_path, box=BOX, reserve_bytes=0, owner_share_bytes=0, follows="ab" * 8)
    fill(writer, 1)
    writer.close()
    assert writer.opened.follows == "ab" * 8
    with reader.open_segment(reader.listing(tmp_path, FEED)[0]) as segment:
        assert segment.header.follows == "ab" * 8


def test_the_published_end_survives_a_slot_in_mid_write(tmp_path: Path) -> None:
    writer = open_small(tmp_path)
    fill(writer, 3)
    newest = writer.durable
    writer.close()
    half = durable.SLOT_BYTES * (newest.commits & 1)
    flip(tmp_path / "durable", half + 40)
    assert durable.read(tmp_path).commits == newest.commits - 1


def test_root_leaves_files_to_the_directory_owner(tmp_path: Path) -> None:
    """A command that root runs while the box is down must not lock the box's user out of its journal."""
    if os.geteuid() != 0:
        pytest.skip("only root can write into another user's directory as this test needs")
    box = tmp_path / "journal"
    box.mkdir()
    os.chown(box, 12345, 12345)
    writer = Writer(box, box=BOX, reserve_bytes=4096, owner_share_bytes=0, segment_bytes=100)
    fill(writer, 3)
    writer.close()
    compress_closed(box)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in box.rglob("*")}
    assert len(list(box.rglob("*"))) > 8
    assert owners == {(12345, 12345)}


# Disk full, on a real small file system.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "bluewhale-test", str(place)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


RESERVE, SHARE = 256 << 10, 512 << 10


def open_on(disk: Path) -> Writer:
    return Writer(
        disk / "journal", box=BOX, reserve_bytes=RESERVE, owner_share_bytes=SHARE, segment_bytes=1 << 20
    )


def fill_disk(disk: Path, leave: int) -> Path:
    """Another program takes all space but `leave` bytes."""
    hog = disk / "hog"
    with hog.open("ab") as handle:
        while free_bytes(disk) > leave + 4096:
            handle.write(bytes(min(65536, free_bytes(disk) - leave)))
            handle.flush()
    return hog


def test_feeds_stop_before_the_owner_share(small_disk: Path) -> None:
    writer = open_on(small_disk)
    taken = 0
    with pytest.raises(JournalFull):
        while True:
            writer.append(Kind.CHUNK, "feed/1", bytes(60_000))
            taken += 1
            if taken % 3 == 0:
                writer.sync()
    writer.sync()
    assert writer.full
    assert taken > 20
    assert free_bytes(small_disk) >= SHARE - 8192  # what files cost beside their content
    assert (small_disk / "journal" / "reserve").stat().st_size == RESERVE
    with pytest.raises(JournalFull):
        writer.append(Kind.TICK, "capture", b"")
    for number in range(5):
        writer.append(Kind.OWNER, "cli", json.dumps({"id": number}).encode())
        writer.append(Kind.ALARM, "health", b"{}")
        writer.sync()
    writer.close()
    kinds = [record.kind for record in sound(small_disk / "journal")]
    assert (kinds.count(Kind.CHUNK), kinds.count(Kind.OWNER)) == (taken, 5)


def test_owner_changes_go_into_the_reserve_and_nothing_confirmed_is_lost(small_disk: Path) -> None:
    writer = open_on(small_disk)
    fill(writer, 5)
    hog = fill_disk(small_disk, 0)
    writer.append(Kind.OWNER, "cli", b"a" * 100_000)
    writer.sync()  # the disk is full to the last block: the reserve is released
    assert not (small_disk / "journal" / "reserve").exists()
    confirmed = 1
    with pytest.raises(JournalFull):
        while confirmed < 100:
            writer.append(Kind.OWNER, "cli", b"b" * 50_000)
            writer.sync()
            confirmed += 1
    assert confirmed < 10
    with pytest.raises(JournalFull):  # one batch is stuck: nothing more is taken
        writer.append(Kind.OWNER, "cli", b"c")
    with pytest.raises(JournalFull):
        writer.sync()
    assert len(sound(small_disk / "journal")) == 5 + confirmed
    size = (small_disk / "journal" / "owner" / f"{0:020d}.seg").stat().st_size
    assert size == FILE_HEADER_BYTES + writer.durable.owner  # the half-written batch was truncated away
    hog.unlink()
    writer.sync()
    assert writer.check_space() is False
    assert (small_disk / "journal" / "reserve").stat().st_size == RESERVE  # set aside again
    fill(writer, 2, name="on")
    writer.close()
    found = sound(small_disk / "journal")
    assert len(found) == 5 + confirmed + 1 + 2
    assert list(verify(small_disk / "journal")) == []


def test_a_start_on_a_full_disk(small_disk: Path) -> None:
    writer = open_on(small_disk)
    fill(writer, 3)
    writer.close()
    fill_disk(small_disk, 0)
    writer = open_on(small_disk)
    writer.append(Kind.OWNER, "cli", b"{}")
    writer.sync()
    with pytest.raises(JournalFull):
        writer.append(Kind.CHUNK, "feed/1", b"x")
    writer.close()
    assert len(sound(small_disk / "journal")) == 4


def test_compression_uses_the_reserve(small_disk: Path) -> None:
    """A full disk gets room when its closed segments are compressed."""
    writer = open_on(small_disk)
    fill(writer, 20, size=60_000)
    fill_disk(small_disk, 0)
    compressor = Compressor(small_disk / "journal", writer.release_reserve)
    until(lambda: not (small_disk / "journal" / FEED / f"{0:020d}.seg").exists())
    compressor.close()
    assert free_bytes(small_disk) > 900_000
    writer.close()
    assert len(sound(small_disk / "journal")) == 20


def test_a_failing_disk_is_told_and_not_swallowed(tmp_path: Path) -> None:
    """A descriptor that cannot be written to (as a disk that has gone): sync raises, and the end stays where it was."""
    writer = open_small(tmp_path)
    fill(writer, 2)
    ends = writer.durable.ends
    tail = writer._tails[FEED]
    good, tail.fd = tail.fd, os.open("/dev/null", os.O_RDONLY)
    writer.append(Kind.CHUNK, "feed/1", b"lost with the disk")
    with pytest.raises(OSError) as caught:
        writer.sync()
    assert caught.value.errno in (errno.EBADF, errno.EINVAL)
    assert reader.ends(tmp_path) == ends
    os.close(tail.fd)
    tail.fd = good
    writer.close()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from bluewhale.journal.writer import Writer\n"
        "w = Writer(pathlib.Path(sys.argv[1]), box='b', reserve_bytes=0, owner_share_bytes=0)\n"
        "print('open', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    with pytest.raises(WriterBusy, match=str(process.pid)):
        open_small(tmp_path)
    process.kill()
    process.communicate()
    Writer(tmp_path, box="b", reserve_bytes=0, owner_share_bytes=0).close()


def test_compression_is_quick_while_segments_fill_fast() -> None:
    def closed(seconds: float) -> manifest.Closed:
        last_us = int(seconds * 1_000_000)
        return manifest.Closed(0, 1, "", 1, 1, 1, 1, 0, last_us, "", "")

    assert [level_for(closed(seconds)) for seconds in (3, 59, 60, 86400)] == [1, 1, LEVEL, LEVEL]
