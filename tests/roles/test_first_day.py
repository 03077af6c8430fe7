"""An installer's first day: six PBXs over TCP, two over serial lines; the page's sums are the golden files' sums."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boxes import Box, free_port, running
from waiting import until

ROOT = Path(__file__).parent.parent.parent
CORPUS = ROOT / "tests" / "corpus"
PLAN = ROOT / "firmware" / "bluewhale" / "share" / "plans" / "sample.toml"
CASES = {
    "avaya-ipoffice": "published",
    "cisco-cucm": "transfer-consult-out",
    "asterisk": "published",
    "panasonic": "published",
    "norstar-bcm": "published",
    "avaya-cm": "teleseer",
}
SERIAL = ("panasonic", "norstar-bcm")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with running(tmp_path_factory.mktemp("day")) as box:
        yield box


def capture(family: str) -> Path:
    return CORPUS / family / CASES[family] / "capture.raw"


def golden(family: str) -> list[dict[str, Any]]:
    text = (CORPUS / family / CASES[family] / "expect.jsonl").read_text(encoding="utf-8")
    legs = [json.loads(line) for line in text.splitlines()]
    return [leg for leg in legs if "direction" in leg]


def prices(box: Box, legs: list[dict[str, Any]]) -> int:
    """What the legs cost by `bluewhale rate`, another way through the code than the ledger's."""
    asked = "".join(
        json.dumps(
            {"called": leg["called"], "started": "2026-01-05T12:00:00", "talk_s": leg.get("talk_s", 0)}
        )
        + "\n"
        for leg in legs
        if leg["direction"] in {"outgoing", "tandem"} and leg.get("talk_s") and leg.get("answered")
    )
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale", "rate", "--plan", str(PLAN), "-"],
        input=asked, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return sum(json.loads(line)["charge_micros"] for line in done.stdout.splitlines())


def feed(box: Box, name: str, url: str, *more: str) -> None:
    out = box.run("feed", "add", name, url, *more, "--data", str(box.data), "--config", str(box.file))
    assert json.loads(out)["state"] == "applied"


def replay(family: str, target: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "bluewhale", "replay", str(capture(family)), "--to", target],
        check=True, stderr=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


def of_feed(box: Box, name: str) -> list[dict[str, Any]]:
    return [call for call in box.calls() if call.get("feed_name", call.get("feed")) == name]


def api(box: Box, path: str, token: str) -> Any:
    request = urllib.request.Request(box.url.rstrip("/") + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize("family", CASES)
def test_a_capture_over_tcp_gives_the_golden_calls(box: Box, family: str) -> None:
    port = free_port()
    feed(box, f"tcp-{family}", f"tcp-listen:127.0.0.1:{port}")
    until(
        lambda: (
            {"listening"}
            & {f["state"] for f in box.status("capture")["feeds"] if f["name"] == f"tcp-{family}"}
        )
    )
    replay(family, f"tcp:127.0.0.1:{port}")
    same_as_golden(box, f"tcp-{family}", family)


@pytest.mark.parametrize("family", SERIAL)
def test_a_capture_over_a_serial_pair_gives_the_golden_calls(box: Box, family: str, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    pair = subprocess.Popen(["socat", f"pty,raw,echo=0,link={ours}", f"pty,raw,echo=0,link={theirs}"])
    try:
        until(lambda: ours.exists() and theirs.exists(), 10, "the tty pair")
        feed(box, f"serial-{family}", f"serial:{ours}?baud=9600", "--format", family)
        until(
            lambda: (
                {"open"}
                & {f["state"] for f in box.status("capture")["feeds"] if f["name"] == f"serial-{family}"}
            )
        )
        replay(family, f"serial:{theirs}")
        same_as_golden(box, f"serial-{family}", family)
    finally:
        pair.terminate()
        pair.wait()


def same_as_golden(box: Box, name: str, family: str) -> None:
    legs = golden(family)
    calls = until(
        lambda: (found := of_feed(box, name)) and len(found) >= len(legs) and found, 30, f"calls of {name}"
    )
    assert len(calls) == len(legs)
    keys = ("direction", "extension", "caller", "called", "talk_s")
    assert sorted([str([c.get(k) for k in keys]) for c in calls]) == sorted(
        [str([g.get(k) for k in keys]) for g in legs]
    )
    assert sum(c.get("charge_micros") or 0 for c in calls) == prices(box, legs)


def test_the_sums_on_the_page_are_the_sums_of_the_golden_files(box: Box) -> None:
    families = [*CASES, *SERIAL]
    legs = [leg for family in families for leg in golden(family)]
    token = token_of(box)
    total = until(
        lambda: (t := api(box, "/api/v1/summary?by=department", token)["total"])["calls"] == len(legs) and t,
        20,
    )
    assert total["talk_s"] == sum(leg.get("talk_s", 0) for leg in legs)
    charged = {currency: money["charge_micros"] for currency, money in total["money"].items()}
    assert sum(charged.values()) == sum(prices(box, golden(family)) for family in families)
    assert api(box, "/api/v1/summary?by=day", token)["total"]["calls"] == len(legs)


def token_of(box: Box) -> str:
    subprocess.run(
        [sys.executable, "-m", "bluewhale", "user", "add", "li", "--role", "administrator", "--password-stdin",
         "--config", str(box.file)],
        input="correct horse 42 battery\n", text=True, check=True, timeout=60,
    )  # fmt: skip
    out = box.run("token", "create", "--scope", "all", "--name", "test", "--config", str(box.file))
    return str(json.loads(out)["token"]) if out.startswith("{") else out.strip()


def test_six_kinds_of_pbx_may_share_one_port(tmp_path: Path) -> None:
    """Each connection of a feed whose format is detected may be another PBX."""
    with running(tmp_path) as box:
        for count, family in enumerate(CASES, start=1):
            replay(family, f"tcp:127.0.0.1:{box.feed_port}")
            wanted = sum(len(golden(f)) for f in list(CASES)[:count])
            until(lambda n=wanted: box.lines() == n, 20, f"{wanted} lines after {family}")  # type: ignore[misc]
        legs = [leg for family in CASES for leg in golden(family)]
        assert sum(c.get("talk_s") or 0 for c in box.calls()) == sum(leg.get("talk_s", 0) for leg in legs)
