"""The supervisor of the bench: starts every role, restarts what dies or hangs, stops all within 5 s.

In the image and on a server systemd does this; the roles speak sd_notify to both. A role that fails is
restarted alone, after a pause that grows while it keeps failing.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import logging
import logging.handlers
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

from bluewhale import first_start
from bluewhale.cli_common import BROKEN, OK, USAGE, complain
from bluewhale.config import Config

WATCHDOG_S = 30.0
START_S = 60.0  # a role that is not ready by then is started anew
STOP_S = 4.5
BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 60.0  # after that long a failure counts as the first again
PR_SET_PDEATHSIG = 1
MOST_SOCKET_PATH = 107  # bytes of a UNIX socket's path, by the kernel
MOST_KEPT = 4096  # descriptors a role may leave with us

log = logging.getLogger("bluewhale")


class Child:
    """Owns one role's process and its notify socket."""

    def __init__(self, config: Config, role: str, arguments: list[str]) -> None:
        self.role = role
        self.arguments = arguments
        self.failures = 0
        self.ready = asyncio.Event()
        self.beat = time.monotonic()
        self.process: asyncio.subprocess.Process | None = None
        self.kept: dict[str, int] = {}  # descriptors the role asked us to keep over its death
        self.address = config.run_dir / f"notify-{role}.sock"
        self.address.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(self.address))
        asyncio.get_running_loop().add_reader(self.socket, self._hear)

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 16)
                self.beat = time.monotonic()
                words = dict(word.partition("=")[::2] for word in data.decode(errors="replace").splitlines())
                if "READY" in words:
                    self.ready.set()
                name = words.get("FDNAME", "")
                if "FDSTOREREMOVE" in words or "FDSTORE" in words:
                    self._drop(name)
                if "FDSTORE" in words and descriptors and len(self.kept) < MOST_KEPT:
                    self.kept[name] = descriptors.pop()
                for descriptor in descriptors:
                    os.close(descriptor)

    def _drop(self, name: str) -> None:
        descriptor = self.kept.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    async def keep(self, lines: logging.Logger) -> None:
        """Runs the role for ever; ends only by cancellation."""
        while True:
            started = time.monotonic()
            self.beat = started
            self.ready.clear()
            self.process = await asyncio.create_subprocess_exec(
                *self.arguments,
                env=self._environment(),
                pass_fds=tuple(self.kept.values()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
            watch = asyncio.create_task(self._watch(self.process))
            await _copy_lines(self.process, lines)
            code = await self.process.wait()
            watch.cancel()
            if time.monotonic() - started > STEADY_S:
                self.failures = 0
            pause = BACK_OFF_S[min(self.failures, len(BACK_OFF_S) - 1)]
            self.failures += 1
            log.warning("%s ended (%s); starting it again in %.1f s", self.role, _how(code), pause)
            await asyncio.sleep(pause)

    def _environment(self) -> dict[str, str]:
        more = {"NOTIFY_SOCKET": str(self.address), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        if self.kept:
            more["BLUEWHALE_FDS"] = ":".join(f"{number}={name}" for name, number in self.kept.items())
        return os.environ | more

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        while True:
            await asyncio.sleep(1.0)
            limit = WATCHDOG_S if self.ready.is_set() else START_S
            if time.monotonic() - self.beat > limit:
                log.error("%s does not answer for %.0f s; killing it", self.role, limit)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return

    async def stop(self, deadline: float) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            process.send_signal(signal.SIGCONT)  # one that was stopped hears SIGTERM only then
        try:
            await asyncio.wait_for(process.wait(), max(0.1, deadline - time.monotonic()))
        except TimeoutError:
            log.warning("%s did not stop in time; killed", self.role)
            process.kill()
            await process.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()
        for name in list(self.kept):
            self._drop(name)
        self.address.unlink(missing_ok=True)


def main(config: Config, config_file: str | None) -> int:
    """Runs the box until SIGTERM or Ctrl-C. Returns an exit status."""
    longest = len(os.fsencode((config.run_dir / "notify-capture.sock").absolute()))
    if longest > MOST_SOCKET_PATH:
        why = f"this path is too long for sockets, by {longest - MOST_SOCKET_PATH} bytes: name a shorter one as `run`"
        complain(str(config.run_dir), f"{why} in bluewhale.toml")
        return USAGE
    config.run_dir.mkdir(parents=True, exist_ok=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
    with (config.run_dir / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            complain(
                str(config.data_dir),
                "a box already runs on this data directory; stop it, or give another --data",
            )
            return BROKEN
        address = _free_address(config.web.listen)
        if address is None:
            complain(
                config.web.listen,
                "this address is in use or not ours: give another one with --listen HOST:PORT",
            )
            return BROKEN
        return asyncio.run(_supervise(config, config_file, address))


async def _supervise(config: Config, config_file: str | None, listen: str) -> int:
    lines = _start_log(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    children = [Child(config, role, _command(config, config_file, role, listen)) for role in config.roles]
    tasks = [asyncio.create_task(child.keep(lines)) for child in children]
    welcome = asyncio.create_task(first_start.welcome(config, listen, {c.role: c.ready for c in children}))
    welcome.add_done_callback(_report)
    await stop.wait()
    print("Stopping.", flush=True)  # noqa: T201 - the bench's console
    for task in [welcome, *tasks]:
        task.cancel()
    deadline = time.monotonic() + STOP_S
    await asyncio.gather(*(child.stop(deadline) for child in children))
    for child in children:
        child.close()
    return OK


def _report(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("first start failed: %s", error, exc_info=error)


def _command(config: Config, config_file: str | None, role: str, listen: str) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "bluewhale",
        "role",
        role,
        "--data",
        str(config.data_dir),
        "--listen",
        listen,
    ]
    return [*command, "--config", config_file] if config_file else command


def _free_address(listen: str) -> str | None:
    """HOST:PORT that can be bound now (port 0 is made a real one), None if it cannot."""
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except (OSError, OverflowError):
            return None
        return f"{host}:{probe.getsockname()[1]}"


def _start_log(config: Config) -> logging.Logger:
    """One log for all roles: DATA/log/bluewhale.log (5 files of 2 MB) and, from warnings on, the console."""
    directory = config.data_dir / "log"
    directory.mkdir(parents=True, exist_ok=True)
    file = logging.handlers.RotatingFileHandler(
        directory / "bluewhale.log", maxBytes=2_000_000, backupCount=4
    )
    file.setFormatter(logging.Formatter("%(message)s"))
    lines = logging.getLogger("bluewhale.roles")
    lines.propagate = False
    lines.setLevel(logging.INFO)
    lines.addHandler(file)
    console = logging.StreamHandler(sys.stderr)
    console.addFilter(lambda record: " INFO " not in record.getMessage())
    lines.addHandler(console)
    own = logging.StreamHandler(sys.stderr)
    own.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s run: %(message)s"))
    log.addHandler(own)
    kept = logging.handlers.WatchedFileHandler(Path(directory / "bluewhale.log"))
    kept.setFormatter(own.formatter)
    log.addHandler(kept)
    return lines


async def _copy_lines(process: asyncio.subprocess.Process, lines: logging.Logger) -> None:
    """The role's output into the log, until it closes it."""
    assert process.stdout is not None
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:  # a line over the stream's limit: what is left of it comes with the next read
            continue
        if not line:
            return
        lines.info("%s", line.decode(errors="replace").rstrip())


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


def _die_with_parent() -> None:
    """A supervisor that is killed takes its roles along: their locks would keep the next start out."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
