"""What `bluewhale run` does once the roles are up: sets up an empty box, and greets whoever started it."""

import asyncio
import http.client
import ssl
import time
from importlib.resources import files

import msgspec

from bluewhale import owner, setup_code
from bluewhale.config import Config
from bluewhale.ledger import plan as plan_files
from bluewhale.model import EVERYTHING
from bluewhale.store import reads

SAMPLE_CAPTURE = "tests/corpus/avaya-ipoffice/published/capture.raw"
SAMPLE_FEED = {"format": "auto", "site": "main", "options": {}, "allow": [], "enabled": True}


async def welcome(config: Config, listen: str, ready: dict[str, asyncio.Event]) -> None:
    """Waits for the roles, sets up an empty box, prints the page's address and the set-up code on stdout.

    The code goes to the console alone, never into a log that is kept.
    """
    await ready["capture"].wait()
    await ready["ledger"].wait()
    made = await asyncio.to_thread(_set_up_if_empty, config)
    scheme = "https" if config.web.tls else "http"
    url = f"{scheme}://{listen}/"
    if "web" in ready:
        await ready["web"].wait()
        await asyncio.to_thread(_wait_for_page, config, listen)
    lines = ["", f"Bluewhale is running. Page: {url}"]
    if code := await asyncio.to_thread(setup_code.renew, config):
        lines.append(f"Set-up code: {code}   (valid for 24 hours, used once)")
    if made:
        await asyncio.to_thread(_wait_for_feed, config)
        address = config.sample.removeprefix("tcp-listen:")
        address = address if ":" in address else f"127.0.0.1:{address}"
        lines.append(f"Feed main listens on {address}; its format is detected.")
        lines.append(f"Try it:  .venv/bin/bluewhale replay {SAMPLE_CAPTURE} --to tcp:{address}")
    lines.append(f"Data: {config.data_dir}   Log: {config.data_dir / 'log' / 'bluewhale.log'}   Stop: Ctrl-C")
    print("\n".join(lines), flush=True)  # noqa: T201 - this is the greeting


def _set_up_if_empty(config: Config) -> bool:
    """The sample plan and a feed, as owner changes, if nobody ever set a plan or a feed here."""
    box = reads.open_box(config)
    if not config.sample or any(
        reads.owner_changes(box, EVERYTHING, kind=k, limit=1).items for k in ("plan", "feed")
    ):
        return False
    text = files("bluewhale").joinpath("share/plans/sample.toml").read_text(encoding="utf-8")
    changes = [
        ("plan", "sample", {"plan": plan_files.load(text, "sample.toml")}),
        ("pricing", "default", {"charge": "sample", "cost": None, "reference": None}),
        ("feed", "main", {"url": config.sample} | SAMPLE_FEED),
    ]
    for kind, key, value in changes:
        change = owner.Change(
            kind=kind, key=key, value=value, who="first start", when_us=time.time_ns() // 1000,
            why="an empty box gets a sample to try", id=f"first-start-{kind}",
        )  # fmt: skip
        outcome = owner.submit(config, change, wait_s=20.0)
        if outcome.state == "refused":
            raise RuntimeError(f"{kind} {key}: {outcome.why}")
    return True


def _wait_for_feed(config: Config) -> None:
    """Until capture has opened the sample feed, or says why it cannot (health and the page then say it too)."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        feeds = msgspec.json.decode(config.status_file("capture").read_bytes()).get("feeds", [])
        if any(feed["name"] == "main" and feed["state"] != "connecting" for feed in feeds):
            return
        time.sleep(0.1)


def _wait_for_page(config: Config, listen: str) -> None:
    """Until /healthz answers: the address is printed only when it works."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        if config.web.tls:  # the box's own certificate, asked for by the box itself
            context = ssl._create_unverified_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                listen, timeout=2, context=context
            )
        else:
            connection = http.client.HTTPConnection(listen, timeout=2)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    raise TimeoutError(f"the page at {listen} does not answer; see the log")
