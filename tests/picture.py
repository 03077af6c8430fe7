"""Makes the picture of the README again: a real box, two PBXs, a day of made-up calls, a real browser.

.venv/bin/python tests/picture.py docs/calls.png
"""

import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from bluewhale import owner
from bluewhale.config import load
from bluewhale.ledger import plan
from boxes import Box, free_port
from waiting import until

COUNT, PIECE = 240, 8
PASSWORD = "picture-of-the-day-7"
DAY = datetime(2026, 11, 24, 8, 2)
STAFF = (
    ("201", "Ann Lewis", "Sales"), ("202", "Tom Hardy", "Sales"), ("205", "Grace Okoro", "Purchasing"), ("210", "Li Wei", "Export"),
    ("211", "Marta Silva", "Export"), ("230", "Reception", "Front office"), ("301", "Peter Novak", "Workshop"), ("302", "Jane Price", "Workshop"),
)  # fmt: skip
FAR = (
    "902079460123",
    "901614960123",
    "907911123456",
    "90014155550134",
    "90033142685300",
    "90086755826612",
    "907911123789",
)
PLAN = """
name = "carrier-2026"
currency = "GBP"
decimals = 2
rounding = "up"
"""
RATE = """[[rate]]
prefix = "{}"
name = "{}"
destination = "{}"
connection_fee = "{}"
 [[rate.slot]]
 price = "{}"
 per_s = 60
 increment_s = 60
"""
RATES = (
    ("+44", "UK", "United Kingdom", "0.03", "0.01"), ("+447", "UK mobile", "UK mobile", "0.05", "0.09"),
    ("+1", "North America", "United States", "0", "0.04"), ("+33", "France", "France", "0", "0.06"),
)  # fmt: skip


def records() -> list[tuple[bytes, bytes]]:
    """A day of an IP Office and of an Asterisk, in pieces, in the order of time."""
    dice = random.Random(8)
    pieces: list[tuple[bytes, bytes]] = []
    office, asterisk = b"", b""
    at = DAY
    for number in range(COUNT):
        if number % PIECE == 0 and number:
            pieces.append((office, asterisk))
            office, asterisk = b"", b""
        at += timedelta(seconds=dice.randrange(20, 200))
        extension, person, _ = dice.choice(STAFF)
        far, ring = dice.choice(FAR), dice.randrange(2, 14)
        talk = 0 if dice.random() < 0.1 else int(dice.expovariate(1 / 170)) + 4
        if extension.startswith("3"):
            start, answer, end = at, at + timedelta(seconds=ring), at + timedelta(seconds=ring + talk)
            state = "ANSWERED" if talk else "NO ANSWER"
            times = ",".join(
                f'"{t:%Y-%m-%d %H:%M:%S}"' if t else "" for t in (start, answer if talk else None, end)
            )
            asterisk += (
                f'"","{extension}","{far}","outbound","""{person}"" <{extension}>","SIP/{extension}-0000{number:04x}",'
                f'"SIP/carrier-0000{number + 1:04x}","Dial","SIP/{far}@carrier",{times},{ring + talk},{talk},"{state}","DOCUMENTATION","1354.{number}",""\r\n'
            ).encode()
            continue
        incoming = dice.random() < 0.3
        station, line = f"E{extension},{person}", f"T900{number % 4 + 1},Line 1.{number % 4}"
        ends, caller, called = (
            ((line, station), far[1:], extension) if incoming else ((station, line), extension, far)
        )
        office += (
            f"{at:%Y/%m/%d %H:%M:%S},{talk // 3600:02d}:{talk // 60 % 60:02d}:{talk % 60:02d},{ring},{caller},"
            f"{'I' if incoming else 'O'},{called},{called},,0,{1000000 + number},0,{ends[0]},{ends[1]},0,0,,,,,,,,,,,,,,,,,,\r\n"
        ).encode()
    return [*pieces, (office, asterisk)]


def set_up(box: Box, port: int) -> None:
    config = load(str(box.file))
    tree = plan.load(PLAN + "".join(RATE.format(*rate) for rate in RATES), "plan.toml")
    site = {
        "enterprise": "default",
        "zone": "Europe/London",
        "country": "44",
        "area": "20",
        "access_codes": ["9"],
        "local_digits": 8,
    }
    rows = [{"extension": e, "person": p, "department": d} for e, p, d in STAFF]
    for kind, key, value in (
        ("site", "main", site), ("plan", "carrier-2026", {"plan": tree}), ("pricing", "default", {"charge": "carrier-2026"}),
        ("directory", "extensions", {"set": rows}), ("feed", "workshop", {"url": f"tcp-listen:127.0.0.1:{port}", "format": "asterisk"}),
    ):  # fmt: skip
        assert (
            owner.submit(config, owner.change(kind, key, value, who="picture"), wait_s=10).state == "applied"
        ), kind
    subprocess.run(
        [sys.executable, "-m", "bluewhale", "user", "add", "ann", "--role", "administrator", "--password-stdin", "--config", str(box.file)],
        input=PASSWORD, text=True, check=True,
    )  # fmt: skip


def main(target: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        box = Box(Path(directory))
        box.start()
        try:
            ports = (box.feed_port, free_port())
            set_up(box, ports[1])
            until(lambda: "workshop" in {f["name"] for f in box.status("capture")["feeds"]}, 10)
            lines = 0
            for piece in records():
                for box.feed_port, data in zip(ports, piece):
                    if data:
                        lines += data.count(b"\n")
                        box.send(data)
                        until(lambda wanted=lines: box.lines() == wanted, 20)
            picture(box, target)
        finally:
            box.stop()


def picture(box: Box, target: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(
            viewport={"width": 1280, "height": 800}, locale="en-GB", color_scheme="light"
        ).new_page()
        page.goto(box.url + "login")
        page.fill("#name", "ann")
        page.fill("#password", PASSWORD)
        page.click("main button")
        page.wait_for_selector("h2:text('Latest calls')")
        page.goto(box.url + "calls")
        page.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
