"""bluewhale journal: list, show, verify, export. Reads only; works while the box runs and while it is down."""

import argparse
import contextlib
import datetime
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bluewhale.cli_common import BROKEN, OK, REJECTED, USAGE, box_options, complain, config_of, emit
from bluewhale.journal import manifest, reader
from bluewhale.journal.format import STREAMS, Damage, Ends
from bluewhale.journal.segments import listing, open_segment
from bluewhale.journal.verify import verify
from bluewhale.model import FEED, Kind, Record, parse_origin

ESCAPES = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", "\t": "\\t"}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("journal", help="the raw dump: list, show, verify, export")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _verb(verbs, "list", "the segments of the journal", _list)
    show = _verb(verbs, "show", "records, oldest first", _show)
    show.add_argument(
        "--stream", choices=STREAMS, help="one stream alone (default: both, in their one order)"
    )
    show.add_argument(
        "--since",
        type=int,
        metavar="POSITION",
        help="from this position of the stream (default stream: feed)",
    )
    show.add_argument("--limit", type=int, metavar="N", help="at most N records")
    show.add_argument("--origin", metavar="ORIGIN", help="the raw bytes this origin names, and nothing else")
    _verb(verbs, "verify", "check everything; exit 1 on damage", _verify)
    export = _verb(verbs, "export", "the bytes of feeds, exactly as they came", _export)
    export.add_argument(
        "--source", metavar="FEED[/N]", help="of one feed, or of one connection (default: all)"
    )
    export.add_argument("-o", "--output", metavar="FILE", help="default: stdout")


def escaped(data: bytes) -> str:
    """Bytes as text in one line: what is not printable UTF-8 as \\r, \\n, \\t or \\xNN, a backslash doubled."""
    out = []
    for char in data.decode("utf-8", "surrogateescape"):
        if char in ESCAPES:
            out.append(ESCAPES[char])
        elif char.isprintable():
            out.append(char)
        else:
            out.extend(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    return "".join(out)


def _verb(verbs: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    box_options(parser)
    parser.set_defaults(run=run)
    return parser


def _journal(args: argparse.Namespace) -> Path | None:
    """The journal's directory; None (said on stderr) if there is none."""
    directory = config_of(args).journal_dir
    if not directory.is_dir():
        complain(str(directory), "there is no journal here; name the box's data directory with --data")
        return None
    return directory


def _list(args: argparse.Namespace) -> int:
    directory = _journal(args)
    if directory is None:
        return BROKEN
    ends = reader.ends(directory)
    for stream in STREAMS:
        closed = {line.start: line for line in manifest.read(directory, stream)[0]}
        for named in listing(directory, stream):
            with open_segment(named) as segment:
                line = closed.get(named.start)
                end = line.end if line else max(named.start, min(segment.end, ends.of(stream)))
                row: dict[str, Any] = {
                    "stream": stream, "start": named.start, "end": end,
                    "file": str(segment.path.relative_to(directory)), "file_bytes": segment.path.stat().st_size,
                    "journal": reader.journal_of(directory, stream, segment), "closed": line is not None,
                }  # fmt: skip
                if line is not None:
                    row |= {
                        "records": line.records, "first_seq": line.first_seq, "last_seq": line.last_seq,
                        "first_utc": _utc(line.first_us), "last_utc": _utc(line.last_us), "hash": line.hash,
                    }  # fmt: skip
                emit(row)
    return OK


def _show(args: argparse.Namespace) -> int:
    directory = _journal(args)
    if directory is None:
        return BROKEN
    if args.origin:
        return _show_origin(directory, args.origin)
    status, shown = OK, 0
    for item in _chosen(directory, args.stream, args.since, reader.ends(directory)):
        if args.limit is not None and shown >= args.limit:
            break
        if isinstance(item, Damage):
            complain(f"{item.stream}:{item.position}", f"{item.size} bytes are {item.why}")
            status = REJECTED
            continue
        emit(_row(item))
        shown += 1
    return status


def _chosen(directory: Path, stream: str | None, since: int | None, ends: Ends) -> Iterator[Record | Damage]:
    if stream is None and since is None:
        return reader.merged(directory, {}, ends)
    stream = stream or FEED
    return reader.records(directory, stream, since or 0, ends.of(stream))


def _row(record: Record) -> dict[str, Any]:
    return {
        "stream": record.stream, "position": record.position, "size": record.size, "seq": record.seq,
        "kind": record.kind.name.lower(), "source": record.source, "time_utc": _utc(record.real_us),
        "synced": record.synced, "data_position": record.data_position, "payload": escaped(record.payload),
    }  # fmt: skip


def _show_origin(directory: Path, text: str) -> int:
    try:
        origin = parse_origin(text)
    except ValueError:
        complain(text, "this is no origin: JOURNAL.STREAM.POSITION.LENGTH")
        return USAGE
    try:
        sys.stdout.buffer.write(reader.frame(directory, origin))
    except LookupError as error:
        complain("journal", str(error))
        return BROKEN
    return OK


def _verify(args: argparse.Namespace) -> int:
    directory = _journal(args)
    if directory is None:
        return BROKEN
    count = 0
    for finding in verify(directory):
        complain(str(directory / finding.file), str(finding))
        count += 1
    ends = reader.ends(directory)
    emit(
        {"journal": ends.journal, "feed": ends.feed, "owner": ends.owner, "seq": ends.seq, "findings": count}
    )
    return REJECTED if count else OK


def _export(args: argparse.Namespace) -> int:
    directory = _journal(args)
    if directory is None:
        return BROKEN
    ends = reader.ends(directory)
    status, found = OK, False
    with _output(args.output) as out:
        for item in reader.records(directory, FEED, 0, ends.feed):
            if isinstance(item, Damage):
                complain(f"{item.stream}:{item.position}", f"{item.size} bytes are {item.why}: not exported")
                status = REJECTED
            elif item.kind is Kind.CHUNK and _is_of(item.source, args.source):
                out.write(item.payload)
                found = True
    if args.source and not found:
        complain(args.source, "no bytes of this source in the journal")
        return max(status, REJECTED)
    return status


def _is_of(source: str, wanted: str | None) -> bool:
    return wanted is None or source == wanted or source.rpartition("/")[0] == wanted


@contextlib.contextmanager
def _output(file: str | None) -> Iterator[BinaryIO]:
    if file is None or file == "-":
        yield sys.stdout.buffer
        return
    with Path(file).open("wb") as out:
        yield out


def _utc(real_us: int) -> str:
    """ISO 8601 with microseconds; out of range (a damaged clock) as the number itself."""
    try:
        moment = datetime.datetime.fromtimestamp(real_us // 1_000_000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{real_us} us"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{real_us % 1_000_000:06d}Z"
