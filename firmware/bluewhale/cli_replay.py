"""`bluewhale replay`: plays a capture as the PBX would, over TCP or a serial line."""

import argparse
import array
import contextlib
import fcntl
import socket
import sys
import termios
import time
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from urllib.parse import quote

import serial

from bluewhale.capture import urls
from bluewhale.cli_common import BROKEN, OK, USAGE, complain

BLOCK_BYTES = 65536
STEP_S = 0.02  # lines of that time go together
CONNECT_S = 10.0
PROGRESS_S = 1.0
SIOCOUTQ = 0x5411  # bytes sent that the other end has not acknowledged

Send = Callable[[bytes], None]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("replay", help="play a capture as the PBX would")
    parser.add_argument("file", metavar="FILE", help="the capture; - is standard input")
    parser.add_argument("--to", required=True, metavar="URL", help="tcp:HOST:PORT or serial:DEVICE")
    parser.add_argument(
        "--rate", type=float, metavar="N", help="lines a second (default: as fast as it goes)"
    )
    parser.add_argument("--baud", metavar="N", help="speed of the serial line (default 9600)")
    parser.add_argument("--framing", metavar="8N1", help="framing of the serial line (default 8N1)")
    parser.add_argument("--flow", choices=urls.FLOWS, help="flow control of the serial line (default none)")
    parser.set_defaults(run=replay)


def replay(args: argparse.Namespace) -> int:
    """Exit 2 for a URL or rate that is none, 3 when the file cannot be read or the other end cannot be reached."""
    try:
        spec = _spec(args)
    except urls.UrlError as error:
        complain("--to", str(error))
        return USAGE
    if args.rate is not None and not 0 < args.rate <= 1e9:
        complain("--rate", f"{args.rate} is no number of lines a second")
        return USAGE
    try:
        source = _open(args.file)
    except OSError as error:
        complain(args.file, error.strerror or str(error))
        return BROKEN
    progress = Progress()
    with source:
        try:
            with connected(spec) as send:
                for data, lines in paced(source, args.rate):
                    send(data)
                    progress.add(len(data), lines)
        except OSError as error:
            complain(
                args.to, f"{_why(error)}, after {progress.lines} lines" if progress.bytes else _why(error)
            )
            return BROKEN
    progress.end()
    return OK


def paced(source: BufferedReader, rate: float | None) -> Iterator[tuple[bytes, int]]:
    """Pieces to send now, with the lines they end. A rate spreads them over time. Raises OSError."""
    if rate is None:
        while data := source.read1(BLOCK_BYTES):
            yield data, data.count(b"\n")
        return
    at_once = max(1, int(rate * STEP_S))
    due = time.monotonic()
    while data := b"".join(line for _, line in zip(range(at_once), source)):
        time.sleep(max(0.0, due - time.monotonic()))
        lines = data.count(b"\n")
        due = max(due, time.monotonic() - 1.0) + max(1, lines) / rate
        yield data, lines


@contextlib.contextmanager
def connected(spec: urls.Spec) -> Iterator[Send]:
    """How to send. Leaving it waits until the other end has everything. Raises OSError."""
    if isinstance(spec, urls.Connect):
        with socket.create_connection((spec.host, spec.port), timeout=CONNECT_S) as peer:
            peer.settimeout(None)
            yield peer.sendall
            peer.shutdown(socket.SHUT_WR)
            while _unacknowledged(peer):
                time.sleep(0.01)
        return
    assert isinstance(spec, urls.Serial)
    with serial.Serial(
        spec.device, spec.baud, spec.bits, spec.parity, spec.stop,
        xonxoff=spec.flow == "xonxoff", rtscts=spec.flow == "rtscts",
    ) as line:  # fmt: skip
        yield lambda data: _write(line, data)
        line.flush()


class Progress:
    """Says on stderr how far it is, once it takes long, and at the end how much it was."""

    def __init__(self) -> None:
        self.bytes = self.lines = 0
        self._began = self._told = time.monotonic()

    def add(self, size: int, lines: int) -> None:
        self.bytes += size
        self.lines += lines
        if time.monotonic() - self._told >= PROGRESS_S and sys.stderr.isatty():
            self._told = time.monotonic()
            print(f"\r{self}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        start = "\r" if self._told != self._began else ""
        print(f"{start}{self}", file=sys.stderr)

    def __str__(self) -> str:
        took_s = time.monotonic() - self._began
        return f"{self.lines} lines, {self.bytes} bytes in {took_s:.1f} s"


def _open(file: str) -> BufferedReader:
    """Raises OSError."""
    return Path("/dev/stdin" if file == "-" else file).open("rb")


def _spec(args: argparse.Namespace) -> urls.Spec:
    """Raises UrlError."""
    given = {"baud": args.baud, "framing": args.framing, "flow": args.flow}
    more = "&".join(f"{name}={quote(value)}" for name, value in given.items() if value is not None)
    spec = urls.parse(args.to + ("&" if "?" in args.to else "?") + more if more else args.to)
    if not isinstance(spec, (urls.Connect, urls.Serial)):
        raise urls.UrlError(f"{args.to!r} is neither tcp:HOST:PORT nor serial:DEVICE")
    return spec


def _write(line: serial.Serial, data: bytes) -> None:
    try:
        line.write(data)
    except termios.error as error:
        raise OSError(*error.args) from error


def _unacknowledged(peer: socket.socket) -> int:
    """Raises OSError if the connection was lost."""
    left = array.array("i", [0])
    fcntl.ioctl(peer, SIOCOUTQ, left)
    lost = peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if lost:
        raise OSError(lost, f"connection lost with {left[0]} bytes on the way")
    return left[0]


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return error.strerror or str(error)
