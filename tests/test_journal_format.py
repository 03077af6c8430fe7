"""Properties of the record layout: what is written is read back, and no damage hides a sound record."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluewhale.journal import compress as compress_module
from bluewhale.journal import reader
from bluewhale.journal import scan as scan_module
from bluewhale.journal.format import (
    FILE_HEADER_BYTES,
    HEADER_BYTES,
    MAGIC,
    MAX_PAYLOAD,
    RECORD,
    Damage,
    FileHeader,
    crc_start,
    encode,
    pack_file_header,
    plausible,
    unpack_file_header,
)
from bluewhale.journal.scan import find, locate, scan
from bluewhale.journal.verify import verify
from bluewhale.model import FEED, OWNER, Kind, Origin, Record, stream_of
from journal_tools import HandClock, compress_closed, everything, open_small, scratch, segment_files, sound

PROPERTY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

payloads = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=40).map(lambda b: b + MAGIC + b),
    st.builds(lambda b, n: b * n, st.binary(min_size=1, max_size=8), st.integers(1, 600)),
)
entries = st.lists(
    st.tuples(st.sampled_from(list(Kind)), st.text(max_size=12), payloads, st.sampled_from(["", "sync", "open"])),
    min_size=1, max_size=25,
)  # fmt: skip


def write_all(directory: Path, wanted: list, segment_bytes: int) -> None:
    """Appends; syncs or opens anew where an entry says so."""
    clock = HandClock()
    writer = open_small(directory, segment_bytes, clock)
    for kind, source, payload, then in wanted:
        origin = writer.append(kind, source, payload)
        assert origin.stream == stream_of(kind) and origin.journal == writer.journal
        if then == "sync":
            writer.sync()
        if then == "open":
            writer.close()
            writer = open_small(directory, segment_bytes, clock)
    writer.close()


def same(record: Record, entry: tuple) -> bool:
    return (record.kind, record.source, record.payload) == entry[:3]


@PROPERTY
@given(wanted=entries, segment_bytes=st.integers(1, 4000), packed=st.booleans())
def test_what_is_written_is_read_back_in_order(wanted: list, segment_bytes: int, packed: bool) -> None:
    with scratch() as name:
        directory = Path(name)
        write_all(directory, wanted, segment_bytes)
        if packed:
            compress_closed(directory)
        found = sound(directory)
        assert len(found) == len(wanted)
        assert all(same(record, entry) for record, entry in zip(found, wanted))
        assert [record.seq for record in found] == list(range(1, len(found) + 1))
        for stream in (FEED, OWNER):
            at = 0
            for record in reader.records(directory, stream, 0, reader.ends(directory).of(stream)):
                assert isinstance(record, Record)
                assert record.position == at
                at += record.size
            assert at == reader.ends(directory).of(stream)


@PROPERTY
@given(
    wanted=entries, segment_bytes=st.integers(200, 4000), packed=st.booleans(),
    hits=st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 1 << 30), st.binary(min_size=1, max_size=120)), min_size=1, max_size=4),
)  # fmt: skip
def test_damage_hides_no_sound_record(
    wanted: list, segment_bytes: int, packed: bool, hits: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress_module, "FRAME_BYTES", 300)
    monkeypatch.setattr(scan_module, "SLICE", 150)  # headers and records lie across the slices that are read
    with scratch() as name:
        directory = Path(name)
        write_all(directory, wanted, segment_bytes)
        before = sound(directory)
        if packed:
            compress_closed(directory)
        struck = damage(directory, hits)
        found = everything(directory)
        assert sound_outside(before, struck) <= {
            (r.stream, r.position) for r in found if isinstance(r, Record)
        }
        known = {(r.stream, r.position): r for r in before}
        for item in found:
            if isinstance(item, Record):
                assert item == known[item.stream, item.position]
        assert covers(found, reader.ends(directory).of(FEED), reader.ends(directory).of(OWNER))


@PROPERTY
@given(
    wanted=entries,
    segment_bytes=st.integers(200, 4000),
    packed=st.booleans(),
    hits=st.lists(
        st.tuples(st.integers(0, 1 << 30), st.integers(0, 1 << 30), st.binary(min_size=1, max_size=60)),
        min_size=1,
        max_size=6,
    ),
)
def test_a_start_survives_any_damage(wanted: list, segment_bytes: int, packed: bool, hits: list) -> None:
    """Any file of the journal, the manifest and the published end too: the writer starts and goes on."""
    with scratch() as name:
        directory = Path(name)
        write_all(directory, wanted, segment_bytes)
        if packed:
            compress_closed(directory)
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        for which, where, junk in hits:
            path = files[which % len(files)]
            data = bytearray(path.read_bytes())
            at = where % (len(data) + 1)
            data[at : at + len(junk)] = junk
            path.write_bytes(data)
        everything(directory)
        list(verify(directory))
        clock = HandClock()
        for payload in (b"after", b"at last"):
            writer = open_small(directory, segment_bytes, clock)
            writer.append(Kind.CHUNK, "after", payload)
            writer.append(Kind.OWNER, "after", payload)
            writer.close()
        found = [
            item for item in everything(directory) if isinstance(item, Record) and item.source == "after"
        ]
        assert [r.payload for r in found if r.kind is Kind.CHUNK] == [b"after", b"at last"]
        assert [r.payload for r in found if r.kind is Kind.OWNER] == [b"after", b"at last"]
        list(verify(directory))


def damage(directory: Path, hits: list) -> list[tuple[str, int, int]]:
    """Overwrites bytes of segment files. Returns what that may cost: stream, first position, position behind."""
    files = list(segment_files(directory))
    struck = []
    for which, where, junk in hits:
        path = files[which % len(files)]
        data = bytearray(path.read_bytes())
        at = where % len(data)
        junk = junk[: len(data) - at]
        changed = data[at : at + len(junk)] != junk
        data[at : at + len(junk)] = junk
        path.write_bytes(data)
        start = int(path.name.split(".")[0])
        if not changed:
            continue
        if path.suffix == ".seg":
            struck.append(
                (path.parent.name, start + at - FILE_HEADER_BYTES, start + at + len(junk) - FILE_HEADER_BYTES)
            )
        else:
            struck += [
                (path.parent.name, low, high)
                for low, high in struck_frames(directory, path, at, len(junk), start)
            ]
    return struck


_frames: dict[tuple[str, int], list] = {}


def struck_frames(directory: Path, path: Path, at: int, size: int, start: int) -> list[tuple[int, int]]:
    """Content of the frames whose bytes or marker were hit. The whole segment if the markers cannot be told any more."""
    from bluewhale.journal.segments import Compressed, Named

    with Compressed(Named(start, path, True)) as segment:
        frames = segment.frames
        low = high = None
        out = []
        for frame in frames:
            first, behind = frame.at - 32, frame.at + frame.stored
            if first < at + size and at < behind:
                out.append(
                    (
                        start + frame.offset - FILE_HEADER_BYTES,
                        start + frame.offset + frame.size - FILE_HEADER_BYTES,
                    )
                )
            # a frame whose marker was hit is not in the list: its content lies between its neighbours
            if behind <= at:
                low = start + frame.offset + frame.size - FILE_HEADER_BYTES
            if first >= at + size and high is None:
                high = start + frame.offset - FILE_HEADER_BYTES
    out.append((low if low is not None else 0, high if high is not None else 1 << 60))
    return out


def sound_outside(before: list[Record], struck: list[tuple[str, int, int]]) -> set[tuple[str, int]]:
    return {
        (r.stream, r.position)
        for r in before
        if not any(
            s == r.stream and low < r.position + r.size and r.position < high for s, low, high in struck
        )
    }


def covers(found: list, feed: int, owner: int) -> bool:
    """Records and damage together cover each stream without a gap or an overlap."""
    for stream, end in ((FEED, feed), (OWNER, owner)):
        at = 0
        for item in found:
            if item.stream == stream:
                assert item.position == at, (stream, item.position, at)
                at += item.size
        assert at == end
    return True


@PROPERTY
@given(
    wanted=entries, extra=entries, cut=st.integers(0, 1 << 30), junk=st.binary(max_size=80),
    stream=st.sampled_from([FEED, OWNER]),
)  # fmt: skip
def test_a_torn_tail_is_cut_and_nothing_else(
    wanted: list, extra: list, cut: int, junk: bytes, stream: str
) -> None:
    """A writer dies between its write and its publication, with half of the batch on the disk."""
    kind = Kind.OWNER if stream == OWNER else Kind.CHUNK
    wanted = [(kind, source, payload, "sync") for _, source, payload, _ in wanted]
    with scratch() as name:
        directory = Path(name)
        clock = HandClock()
        writer = open_small(directory, clock=clock)
        for entry in wanted:
            writer.append(*entry[:3])
            writer.sync()
        published = (directory / "durable").read_bytes()
        before = writer.durable
        late = [writer.append(kind, source, payload) for _, source, payload, _ in extra]
        writer.close()
        (directory / "durable").write_bytes(published)
        path = directory / stream / f"{0:020d}.seg"
        data = path.read_bytes()
        durable_size = FILE_HEADER_BYTES + before.of(stream)
        keep = durable_size + cut % (len(data) - durable_size + 1)
        path.write_bytes(data[:keep] + junk)
        whole = [o for o in late if FILE_HEADER_BYTES + o.position + o.length <= keep]
        torn = (
            keep
            + len(junk)
            - FILE_HEADER_BYTES
            - (whole[-1].position + whole[-1].length if whole else before.of(stream))
        )

        writer = open_small(directory, clock=clock)
        try:
            if not junk or len(data) == keep:  # else the junk may complete what was cut: then it is whole
                assert writer.opened.cut[stream] == torn
            assert writer.durable.of(stream) >= before.of(stream)
            assert path.stat().st_size == FILE_HEADER_BYTES + writer.durable.of(stream)
            after = writer.append(kind, "after", b"the next one")
            writer.sync()
        finally:
            writer.close()
        found = sound(directory)
        assert [same(r, e) for r, e in zip(found, wanted)] == [True] * len(wanted)
        assert len(found) >= len(wanted) + len(whole) + 1
        assert (found[-1].position, found[-1].payload) == (after.position, b"the next one")
        assert [r.seq for r in found] == sorted({r.seq for r in found})


@PROPERTY
@given(
    pieces=st.lists(
        st.tuples(st.sampled_from("ab"), st.binary(min_size=1, max_size=90)), min_size=1, max_size=20
    ),
    data=st.data(),
)
def test_a_frame_is_found_across_chunks_of_its_source(pieces: list, data: st.DataObject) -> None:
    with scratch() as name:
        directory = Path(name)
        writer = open_small(directory, segment_bytes=400)
        for source, payload in pieces:
            writer.append(Kind.CHUNK, f"feed/{source}", payload)
            if len(payload) % 3 == 0:
                writer.sync()
        writer.close()
        compress_closed(directory)
        number = data.draw(st.integers(0, len(pieces) - 1))
        source = pieces[number][0]
        rest = b"".join(payload for s, payload in pieces[number:] if s == source)
        skip = data.draw(st.integers(0, len(pieces[number][1]) - 1))
        length = data.draw(st.integers(1, len(rest) - skip))
        position = sound(directory)[number].data_position + skip
        origin = Origin(writer.journal, FEED, position, length)
        assert reader.frame(directory, origin) == rest[skip : skip + length]


def test_a_record_inside_a_payload_is_none(tmp_path: Path) -> None:
    """A journal's own bytes, sent through a feed and then damaged around, are never taken for records."""
    inner = open_small(tmp_path / "inner")
    inner.append(Kind.CHUNK, "feed/1", b"secret")
    inner.close()
    dump = (tmp_path / "inner" / FEED / f"{0:020d}.seg").read_bytes()[FILE_HEADER_BYTES:]
    outer = open_small(tmp_path / "outer")
    outer.append(Kind.CHUNK, "feed/1", dump)
    outer.close()
    path = tmp_path / "outer" / FEED / f"{0:020d}.seg"
    data = bytearray(path.read_bytes())
    data[FILE_HEADER_BYTES + 20] ^= 0xFF  # the outer record's header: the reader looks for the next record
    path.write_bytes(data)
    assert everything(tmp_path / "outer") == [Damage(FEED, 0, len(data) - FILE_HEADER_BYTES)]


def test_a_file_header_survives_and_shows_damage() -> None:
    header = FileHeader(FEED, "00112233aabbccdd", "box", 1 << 40, 77, "0" * 16, 1_790_000_000_000_000)
    packed = pack_file_header(header)
    assert len(packed) == FILE_HEADER_BYTES
    assert unpack_file_header(packed) == header
    for at in range(len(packed)):
        broken = bytearray(packed)
        broken[at] ^= 0x10
        assert unpack_file_header(bytes(broken)) is None
    assert unpack_file_header(packed[:-1]) is None


def test_limits_are_kept(tmp_path: Path) -> None:
    writer = open_small(tmp_path)
    largest = bytes(MAX_PAYLOAD[FEED])
    writer.append(Kind.CHUNK, "s" * 255, largest)
    with pytest.raises(ValueError, match="too long"):
        writer.append(Kind.CHUNK, "s", largest + b"x")
    with pytest.raises(ValueError, match="too long"):
        writer.append(Kind.CHUNK, "ä" * 128, b"")
    writer.append(Kind.OWNER, "cli", largest + b"x")
    writer.close()
    assert [len(r.payload) for r in sound(tmp_path)] == [len(largest), len(largest) + 1]
    assert sound(tmp_path)[0].size == HEADER_BYTES + 255 + len(largest)


def in_memory(records: list[tuple[bytes, int]], seed: int) -> tuple[bytes, list[int]]:
    """Records with junk before them, as a stream from position 0. Returns bytes and the records' positions."""
    out, positions = bytearray(), []
    for number, (payload, junk) in enumerate(records):
        out += b"\xab" * junk
        positions.append(len(out))
        out += encode(1, 0, number, 0, 0, bytes(8), b"f/1", payload, crc_start(seed, len(out)))
    return bytes(out), positions


@PROPERTY
@given(
    records=st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 400)), min_size=1, max_size=12),
    size=st.integers(HEADER_BYTES, 200),
    data=st.data(),
)
def test_slices_hide_no_record(
    records: list[tuple[bytes, int]], size: int, data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the slices that are read end: in a header, a magic, a payload, damage."""
    monkeypatch.setattr(scan_module, "SLICE", size)
    content, positions = in_memory(records, 77)

    def read(position: int, size: int) -> bytes:
        return content[position : position + size].ljust(size, b"\0")

    found = list(scan(read, 0, len(content), FEED, 77))
    assert [item.position for item in found if isinstance(item, Record)] == positions
    assert [item.payload for item in found if isinstance(item, Record)] == [payload for payload, _ in records]
    assert sum(item.size for item in found) == len(content)
    at = data.draw(st.integers(0, len(content) - 1))
    covering = [
        item.position for item in found if isinstance(item, Record) and 0 <= at - item.position < item.size
    ]
    assert locate(read, 0, at, len(content), FEED, 77) == (covering[0] if covering else None)


def test_false_headers_do_not_make_a_search_slow() -> None:
    """Damage full of what looks like headers of long records: their payloads are not read in vain."""
    dice = random.Random(3)
    false = b"".join(
        RECORD.pack(MAGIC, 0, 100_000, 1, 0, 0, dice.randrange(256), number, 0, 0, dice.randbytes(8))
        for number in range(2000)
    )
    content = false + bytes(200_000)
    asked = 0

    def read(position: int, size: int) -> bytes:
        nonlocal asked
        asked += size
        return content[position : position + size]

    assert find(read, 0, len(content), FEED, 5) == len(content)
    assert asked < 5_000_000  # 2000 payloads would be 200 MB


def test_most_false_headers_are_seen_without_reading_their_payload() -> None:
    """A payload full of magics must not make a search through damage slow."""
    dice = random.Random(3)
    fields = (1, 1, 7, 1_790_000_000_000_000, 5_000_000, b"8 bytes.", b"feed/1", b"payload", 99)
    assert plausible(encode(*fields)[:HEADER_BYTES], 99)
    assert not plausible(encode(*fields)[:HEADER_BYTES], 98)
    passed = sum(plausible(MAGIC + dice.randbytes(HEADER_BYTES - 4), 99) for _ in range(5000))
    assert passed < 60  # 1 in 256
