"""net-snmp as the peer of our agent: its tools as managers, snmptrapd as receiver. Real processes, free ports."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from bluewhale.config import Config
from bluewhale.health import look, reads
from bluewhale.health.store import Store
from bluewhale.snmp import keys
from boxes import free_port
from waiting import until

AUTH, PRIV = "correct horse auth", "battery staple priv"
MIBS = f"{Path(__file__).parent / 'mibs'}:{files('bluewhale').joinpath('share/mibs')}"


class Peer:
    """A data directory with an snmp role on it, and net-snmp's tools pointed at that role."""

    def __init__(self, directory: Path, more: str = "") -> None:
        self.directory = directory
        self.file = directory / "bluewhale.toml"
        self.file.write_text(f'data = "{directory / "data"}"\n[snmp]\nlisten = "127.0.0.1:0"\n{more}')
        self.config = Config(data=str(directory / "data"))
        self.config.run_dir.mkdir(parents=True, exist_ok=True)
        self.log = directory / "snmp.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.env = os.environ | {
            "SNMP_PERSISTENT_DIR": str(directory / "net-snmp"),
            "SNMPCONFPATH": str(directory / "net-snmp"),
            "MIBDIRS": MIBS,
        }

    def user(self, name: str = "noc") -> None:
        keys.save(self.config, name, keys.localize(keys.engine(self.config).id, AUTH, PRIV))

    def settings(self, users: list[str], receivers: list[dict[str, str]] | None = None) -> None:
        file = self.config.settings_file("snmp")
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(msgspec.json.encode({"users": users, "receivers": receivers or []}))
        part.replace(file)

    def start(self) -> None:
        self.config.status_file("snmp").unlink(missing_ok=True)
        command = [sys.executable, "-m", "bluewhale", "role", "snmp", "--config", str(self.file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: self.status() or self._died(), 30, "the role snmp")

    def _died(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()

    def status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads(self.config.status_file("snmp").read_bytes())
        except FileNotFoundError:
            return {}
        return status

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(15)

    def run(
        self, tool: str, *arguments: str, who: tuple[str, ...] | None = None, where: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """A net-snmp tool as user noc; `who` replaces the security options, `where` the agent's address."""
        who = who or (
            "-v3",
            "-l",
            "authPriv",
            "-u",
            "noc",
            "-a",
            "SHA-256",
            "-A",
            AUTH,
            "-x",
            "AES",
            "-X",
            PRIV,
        )
        where = where or self.status()["listen"]
        command = [tool, *who, "-t", "2", "-r", "2", "-m", "BLUEWHALE-MIB", where, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.env, timeout=60)

    def walk(self, oid: str, tool: str = "snmpwalk", who: tuple[str, ...] | None = None) -> list[str]:
        """`OID = TYPE: value` lines, OIDs as numbers."""
        done = self.run(tool, "-On", oid, who=who)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@contextlib.contextmanager
def agent(directory: Path, more: str = "") -> Iterator[Peer]:
    """A running agent with the user noc."""
    peer = Peer(directory, more)
    peer.user()
    peer.settings(["noc"])
    peer.start()
    try:
        yield peer
    finally:
        if peer.process is not None and peer.process.poll() is None:
            peer.kill()


class Receiver:
    """snmptrapd on a free port; `lines` are what it printed, one a notification."""

    def __init__(self, directory: Path, engine_id: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port(socket.SOCK_DGRAM)
        self.output = directory / "traps.txt"
        self.directory = directory
        (directory / "snmptrapd.conf").write_text(
            f'createUser -e 0x{engine_id} noc SHA-256 "{AUTH}" AES "{PRIV}"\nauthUser log noc\n'
            "authCommunity log traps\nformat2 %V|%v\\n\noutputOption n\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            "snmptrapd",
            "-f",
            "-C",
            "-c",
            str(self.directory / "snmptrapd.conf"),
            "-On",
            "-m",
            "",
            "-Lo",
        ]
        env = os.environ | {"SNMP_PERSISTENT_DIR": str(self.directory / "state")}
        out = self.output.open("ab")
        self.process = subprocess.Popen(
            [*command, f"udp:127.0.0.1:{self.port}"], stdout=out, stderr=out, env=env
        )
        out.close()
        until(lambda: "NET-SNMP version" in self.output.read_text(errors="replace"), 20, "snmptrapd")

    def traps(self) -> list[dict[str, str]]:
        """OID -> value of each notification."""
        found = []
        for line in self.output.read_text(errors="replace").splitlines():
            if "1.3.6.1.6.3.1.1.4.1.0" in line:
                pairs = re.findall(r"\.([0-9.]+) = (?:[A-Za-z0-9-]+: )?(.*?)(?=\|\.1|$)", line)
                found.append({oid: value.strip('"') for oid, value in pairs})
        return found

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Health:
    """health.db as the role health would write it, by its real store."""

    def __init__(self, config: Config) -> None:
        self.store = Store(config.health_db)
        self.now = 1_789_385_525 * 1_000_000

    def box(self, **changes: Any) -> reads.Box:
        box = reads.Box(
            health=self.store.name, time_us=self.now, box="b0x", lines=12, calls=11, rejects=1, unassigned=2,
            unpriced=0, backlog_bytes=4096, journal_seq=99, journal_bytes=5000, journal_full=0, disk_size=100 << 30,
            disk_free=60 << 30, memory_size=1 << 30, memory_free=1 << 29, cpu=3, load1=25, boot_us=1,
        )  # fmt: skip
        return msgspec.structs.replace(box, **changes)

    def write(self, **changes: Any) -> None:
        step = look.Step(self.now, [], [], [], {}, [], self.box())
        self.store.write(step._replace(**changes))

    def lose(self, feed: str) -> None:
        from bluewhale.health.alarms import Wanted

        self.write(raised={f"feed/{feed}/lost": Wanted("feed-lost", {"feed": feed, "detail": "gone"})})

    def back(self, feed: str) -> None:
        self.write(cleared=[f"feed/{feed}/lost"])


def feed(name: str, **changes: Any) -> reads.Feed:
    row = reads.Feed(
        name=name, url=f"tcp-listen:{name}", format="acme-400", state="LIVE", since_us=1_789_385_000_000_000,
        detail="192.0.2.7", last_us=1_789_385_525_000_000, bytes=2**40, chunks=5, legs=10, rejects=1, opens=2,
        losses=1, connections=1, rate=6, counted_since_us=1_789_380_000_000_000,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


def role(name: str, **changes: Any) -> reads.Role:
    row = reads.Role(name=name, state="up", since_us=1_789_385_000_000_000, pid=7, started_us=1, restarts=2)
    return msgspec.structs.replace(row, **changes)
