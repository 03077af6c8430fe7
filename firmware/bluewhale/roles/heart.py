"""What every role does beside its work: a status file a second, the watchdog, a clean stop.

The protocol to the supervisor is systemd's sd_notify, on the bench as in the image: READY=1 once the role
works, WATCHDOG=1 from its main loop (so a hung loop is restarted alone), STOPPING=1 at the end.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.config import Config

log = logging.getLogger("bluewhale")
FIRST_LISTEN_FD = 3  # systemd's SD_LISTEN_FDS_START


class Heart:
    """Owns a role's notify socket and status file. `stop` is set by SIGTERM and SIGINT."""

    def __init__(self, config: Config, role: str) -> None:
        self.role = role
        self.file = config.status_file(role)
        self.started_us = time.time_ns() // 1000
        self.stop = threading.Event()
        self._written = 0.0
        self._address = os.environ.get("NOTIFY_SOCKET")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket:
            self._socket.settimeout(1.0)  # a stopped supervisor must not stop the role
        self.file.parent.mkdir(parents=True, exist_ok=True)

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT set `stop`. For roles without an asyncio loop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())

    def notify(self, text: str) -> None:
        if self._socket and self._address:
            address = self._address
            if address.startswith("@"):
                address = "\0" + address[1:]
            try:
                self._socket.sendto(text.encode(), address)
            except OSError:
                log.debug("%s: the supervisor does not listen", self.role)

    def ready(self) -> None:
        self.notify("READY=1")

    def due(self) -> bool:
        """Whether a beat would do something now: a status is worth making."""
        return time.monotonic() - self._written >= 1.0

    def beat(self, status: dict[str, Any]) -> bool:
        """Call from the main loop as often as it turns: at most once a second it feeds the watchdog and
        publishes `status` (with role, pid, time_us, started_us). True if it did."""
        now = time.monotonic()
        if now - self._written < 1.0:
            return False
        self._written = now
        self.notify("WATCHDOG=1")
        self.publish(status)
        return True

    def publish(self, status: dict[str, Any]) -> None:
        body = {
            "role": self.role,
            "pid": os.getpid(),
            "time_us": time.time_ns() // 1000,
            "started_us": self.started_us,
        }
        write_atomic(self.file, msgspec.json.encode(body | status))

    def stopping(self) -> None:
        self.notify("STOPPING=1")

    def store_fd(self, name: str, descriptor: int) -> None:
        """The supervisor keeps a copy of the descriptor over our death (systemd's FDSTORE). `name`: no colon.

        Without FDPOLL=0 systemd would drop it, unread bytes and all, as soon as the peer hangs up.
        """
        if self._socket and self._address:
            text = f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}".encode()
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))
            address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
            try:  # not socket.send_fds: Python 3.11 ignores its address
                self._socket.sendmsg([text], [rights], 0, address)
            except OSError as error:
                log.debug("%s: %s is not kept over a restart: %s", self.role, name, error)

    def drop_fd(self, name: str) -> None:
        """The supervisor closes its copy."""
        self.notify(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def kept_fds(self) -> dict[str, int]:
        """Descriptors kept from before our restart, by name; ours from now on. Empty on the first start."""
        ours = os.environ.pop("BLUEWHALE_FDS", "")
        if ours:
            pairs = (pair.split("=", 1) for pair in ours.split(":"))
            return {name: int(number) for number, name in pairs}
        if os.environ.get("LISTEN_PID") != str(os.getpid()):
            return {}
        names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
        return {name: FIRST_LISTEN_FD + index for index, name in enumerate(names) if name}


def write_atomic(file: Path, data: bytes, mode: int = 0o644) -> None:
    """Readers see the old file or the new one, never half of one. Not synced: for files that can be remade."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(data)
    part.replace(file)


def start_log(config: Config, role: str) -> None:
    """One readable log: TIME LEVEL role: text, on stderr, which the supervisor or systemd keeps."""
    logging.basicConfig(
        stream=sys.stderr,
        level=config.log_level.upper(),
        format=f"%(asctime)s %(levelname)-7s {role}: %(message)s",
        force=True,
    )
