"""An owner's change from the page: handed to capture, answered by the ledger.

Never by taking the writer's lock, as the command line does when the box is down: capture may just be restarting.
"""

import time

import msgspec

from bluewhale import owner
from bluewhale.config import Config
from bluewhale.journal import client
from bluewhale.model import Change, Kind

WAIT_S, POLL_S = 2.0, 0.02


def submit(config: Config, change: Change) -> owner.Outcome:
    """The ledger's answer, or "pending" after 2 s. Raises client.CaptureAway, client.Refused."""
    origin = client.append(config, Kind.OWNER, "web", msgspec.json.encode(change))
    deadline = time.monotonic() + WAIT_S
    while True:
        outcome = owner.answer_of(config, origin)
        if outcome.state != "pending" or time.monotonic() >= deadline:
            return outcome
        time.sleep(POLL_S)
