"""The pages and the API: reads what others wrote, hands changes to capture."""

import contextlib
import http.client
import logging
import os
import ssl
import tempfile
import threading
import time

from bluewhale.cli_common import BROKEN, OK, USAGE
from bluewhale.config import Config
from bluewhale.roles.heart import Heart
from bluewhale_webui import server
from bluewhale_webui.app import make_app
from bluewhale_webui.web import Web

log = logging.getLogger("bluewhale")
NICE = 5  # the ledger goes first
LOOK_S, ANSWER_S = 5.0, 4.0


def main(config: Config) -> int:
    """Serves until SIGTERM. Returns an exit status."""
    heart = Heart(config, "web")
    heart.catch_signals()
    try:
        address = server.address_of(config.web.listen)
    except ValueError as error:
        log.error("%s", error)
        return USAGE
    with contextlib.suppress(OSError):  # already as polite as it may be
        os.nice(NICE)
    _upload_space(config)
    web = Web(config)
    made = server.make(web, make_app(web), address)
    try:
        made.prepare()
    except OSError as error:
        log.error("cannot listen on %s: %s", config.web.listen, error)
        return BROKEN
    thread = threading.Thread(target=made.serve, name="serve", daemon=True)
    thread.start()
    port = made.bind_addr[1]
    log.info("the page listens on %s:%d", address[0], port)
    heart.ready()
    _watch(config, heart, web, thread, (address[0], port))
    heart.stopping()
    made.stop()
    web.close()
    return OK


def _upload_space(config: Config) -> None:
    """Large bodies go to the data partition, not to a /tmp that may be memory."""
    place = config.data_dir / "web" / "tmp"
    place.mkdir(parents=True, exist_ok=True)
    place.parent.chmod(0o700)
    tempfile.tempdir = str(place)


def _watch(
    config: Config, heart: Heart, web: Web, thread: threading.Thread, address: tuple[str, int]
) -> None:
    """Feeds the watchdog as long as the page answers the box itself."""
    answered = looked = time.monotonic()
    while not heart.stop.wait(0.2):
        now = time.monotonic()
        if now - looked >= LOOK_S:
            looked = now
            if _answers(config, address):
                answered = time.monotonic()
        if not thread.is_alive() or now - answered > 4 * LOOK_S:
            continue  # no beat: the supervisor starts us anew
        heart.beat(
            {
                "listen": f"{address[0]}:{address[1]}",
                "requests": web.counters.requests,
                "faults": web.counters.faults,
                "broken": web.counters.broken,
            }
        )


def _answers(config: Config, address: tuple[str, int]) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address[0], address[0])
    if config.web.tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, address[1], timeout=ANSWER_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, address[1], timeout=ANSWER_S)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException) as error:
        log.warning("the page does not answer itself: %s", error)
        return False
    finally:
        connection.close()
