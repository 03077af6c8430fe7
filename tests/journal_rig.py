"""Processes of the journal's kill test. `server DIR LOG` is what capture is to the journal; `client DIR NAME KIND LOG`.

Each writes a line `NAME NUMBER ORIGIN` into LOG when a record was acknowledged, by one write(2), so that a
killed process leaves whole lines.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from bluewhale.config import Config
from bluewhale.journal import client
from bluewhale.journal.committer import Committer
from bluewhale.journal.server import Server
from bluewhale.journal.writer import Writer, open_writer
from bluewhale.model import Kind, Origin

SEGMENT_BYTES = 30_000  # many rotations and compressions, some of them killed half-way
KEYED = (Kind.OWNER,)  # kinds whose payload's id makes a repetition harmless


def main() -> None:
    if sys.argv[1] == "server":
        asyncio.run(server(Path(sys.argv[2]), sys.argv[3]))
    else:
        feed(Config(data=sys.argv[2]), sys.argv[3], Kind[sys.argv[4]], sys.argv[5])


def body(name: str, number: int) -> bytes:
    return json.dumps({"id": f"{name}-{number}", "number": number, "pad": "x" * (number % 400)}).encode()


async def server(data: Path, log: str) -> None:
    """Takes records over the socket and appends lines of its own feeds, until SIGTERM."""
    config = Config(data=str(data))
    open_writer(config).close()  # makes box.json and the directory, as capture's first start does
    box = json.loads((data / "box.json").read_bytes())["box"]
    writer = Writer(
        config.journal_dir, box=box, segment_bytes=SEGMENT_BYTES, reserve_bytes=0, owner_share_bytes=0
    )
    committer = Committer(writer, linger_ms=1)
    listening = Server(committer, config.capture_socket)
    await listening.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    feeds = [asyncio.create_task(lines(committer, f"feed{n}/{os.getpid()}", log)) for n in range(8)]
    print("ready", flush=True)
    await stop.wait()
    for task in feeds:
        task.cancel()
    await asyncio.gather(*feeds, return_exceptions=True)
    await listening.close()
    await committer.close()


async def lines(committer: Committer, source: str, log: str) -> None:
    number = 0
    while True:
        await committer.room()
        origin = await committer.append(Kind.CHUNK, source, body(source, number))
        note(log, source, number, origin)
        number += 1


def feed(config: Config, name: str, kind: Kind, log: str) -> None:
    """Numbers upwards for ever; goes on behind the last acknowledged number of LOG after a restart.

    An owner record that was not acknowledged is repeated with the same id. Others bear no id: a new number.
    """
    number = next_number(log, name)
    unsure = 0
    while True:
        this = number if kind in KEYED else number + unsure
        who = name if kind in KEYED else f"{name}.{os.getpid()}"
        try:
            origin = client.append(config, kind, who, body(who, this), timeout=20)
        except client.CaptureAway:
            unsure += 1
            continue
        note(log, who, this, origin)
        number += 1


def next_number(log: str, name: str) -> int:
    known = [0]
    for line in Path(log).read_text(encoding="ascii").splitlines():
        if line.split()[0] == name:
            known.append(int(line.split()[1]) + 1)
    return max(known)


def note(log: str, name: str, number: int, origin: Origin) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{name} {number} {origin}\n".encode())
    os.close(descriptor)


if __name__ == "__main__":
    main()
