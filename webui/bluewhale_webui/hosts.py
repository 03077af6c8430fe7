"""The names and addresses a box may be asked by. Others are refused: a name that was made to point here
(DNS rebinding) must not read the box through somebody's browser."""

import ipaddress
import socket
import threading
import time

import psutil

from bluewhale.config import Config

LOOK_AGAIN_S = 10.0
LOCAL = {"localhost"}


class Hosts:
    """Owns the list of the box's own addresses, looked up again every ten seconds."""

    def __init__(self, config: Config) -> None:
        name = socket.gethostname().lower()
        self.names = LOCAL | {name, f"{name}.local"} | {n.lower() for n in config.web.names}
        listen = config.web.listen.rpartition(":")[0].strip("[]")
        self.names.add(listen.lower())
        self._addresses: set[str] = set()
        self._looked = -LOOK_AGAIN_S
        self._lock = threading.Lock()

    def mine(self, host: str) -> bool:
        """Whether a Host header (with or without port) names this box."""
        name = _without_port(host).lower().rstrip(".")
        if name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or str(address) in self.addresses()

    def addresses(self) -> set[str]:
        with self._lock:
            if time.monotonic() - self._looked > LOOK_AGAIN_S:
                self._addresses = {
                    entry.address.partition("%")[0]
                    for card in psutil.net_if_addrs().values()
                    for entry in card
                }
                self._looked = time.monotonic()
            return self._addresses


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
