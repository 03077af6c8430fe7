"""A whole box in a temporary directory, on free ports: real roles, real supervisor."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waiting import until


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Box:
    """Owns a running `bluewhale run`."""

    def __init__(self, directory: Path, more: str = "") -> None:
        self.data = directory / "data"
        self.sockets = Path(tempfile.mkdtemp(prefix="bw-"))  # short: a socket's path has 107 bytes at most
        self.feed_port, self.snmp_port = free_port(), free_port(socket.SOCK_DGRAM)
        self.file = directory / "bluewhale.toml"
        self.file.write_text(
            f'data = "{self.data}"\nrun = "{self.sockets}"\nsample = "tcp-listen:127.0.0.1:{self.feed_port}"\n'
            f'[web]\nlisten = "127.0.0.1:0"\n[snmp]\nlisten = "127.0.0.1:{self.snmp_port}"\n{more}'
        )
        self.output = directory / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bluewhale", "run", "--config", str(self.file)], stdout=out, stderr=out
            )
        seen = len(self.said("Page: "))
        until(lambda: len(self.said("Stop: Ctrl-C")) > seen or self._died(), 60, "the greeting")

    def _died(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the box ended: {self.output.read_text()}")
        return False

    def said(self, text: str) -> list[str]:
        return [line for line in self.output.read_text(errors="replace").splitlines() if text in line]

    @property
    def url(self) -> str:
        found = re.search(r"https?://\S+", self.said("Page: ")[-1])
        assert found
        return found.group()

    @property
    def code(self) -> str:
        return self.said("Set-up code: ")[-1].split()[2]

    def pid(self, role: str) -> int:
        return int(self.status(role)["pid"])

    def status(self, role: str) -> dict[str, Any]:
        status: dict[str, Any] = json.loads((self.sockets / f"{role}.json").read_bytes())
        return status

    def kill(self, role: str) -> None:
        """SIGKILL, then wait until the supervisor has brought it back."""
        before = self.pid(role)
        os.kill(before, signal.SIGKILL)
        until(lambda: self.pid(role) != before, 30, f"{role} is back")

    def run(self, *command: str, check: int | None = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "bluewhale", *command], capture_output=True, text=True, timeout=170
        )
        if check is not None:
            assert done.returncode == check, done.stderr
        return done.stdout

    def calls(self) -> list[dict[str, Any]]:
        out = self.run("query", "calls", "--data", str(self.data), "--config", str(self.file))
        return [json.loads(line) for line in out.splitlines()]

    def lines(self) -> int:
        return int(self.status("ledger").get("lines", 0))

    def send(self, data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.feed_port), timeout=10) as connection:
            connection.sendall(data)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.url.rstrip("/") + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@contextlib.contextmanager
def running(directory: Path, more: str = "") -> Iterator[Box]:
    box = Box(directory, more)
    box.start()
    try:
        yield box
    finally:
        if box.process is not None and box.process.poll() is None:
            box.process.terminate()
            try:
                box.process.wait(10)
            except subprocess.TimeoutExpired:
                box.process.kill()
                box.process.wait()
        shutil.rmtree(box.sockets)
