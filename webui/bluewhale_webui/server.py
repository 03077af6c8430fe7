"""cheroot with the settings and mends of pages.md 6.5: many threads, limits, TLS that waits for nobody."""

import logging
import ssl
from typing import Any

from cheroot import errors, server, wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from bluewhale_webui import certificate
from bluewhale_webui.guard import HEADERS, App
from bluewhale_webui.web import Counters, Web

log = logging.getLogger("bluewhale")
THREADS = 48
TIMEOUT_S = 5
KEPT_ALIVE = 64
BACKLOG = 64
HEADER_LIMIT = 16 * 1024
BODY_LIMIT = 64_000_000
STOP_S = 2


class Adapter(BuiltinSSLAdapter):
    """TLS whose handshake happens in a worker. cheroot's own does it while accepting, so that one client that
    connects and stays silent stops the page for everybody (cheroot issue 748)."""

    def wrap(self, sock: Any) -> tuple[ssl.SSLSocket, dict[str, str]]:
        wrapped = self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class Request(server.HTTPRequest):
    """cheroot's own short answers (bad request, too large) get the headers of all answers too."""

    def simple_response(self, status: str, msg: str = "") -> None:
        body = msg.encode()
        self.close_connection = True
        lines = [
            f"{self.server.protocol} {status}",
            f"Content-Length: {len(body)}",
            "Content-Type: text/plain",
            "Connection: close",
        ]
        lines += [f"{name}: {value}" for name, value in HEADERS.items()]
        data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        try:
            self.conn.wfile.write(data)
        except OSError as error:
            if error.args[0] not in errors.socket_errors_to_ignore:
                raise


class Connection(server.HTTPConnection):
    """Shakes hands before the first request, in the worker's time."""

    RequestHandlerClass = Request
    shaken = False

    def communicate(self) -> bool:
        if isinstance(self.socket, ssl.SSLSocket) and not self.shaken:
            try:
                self.socket.do_handshake()
            except OSError as error:  # also ssl.SSLError, and a client that says nothing
                self._count(error)
                return False
            self.shaken = True
        try:
            return bool(super().communicate())
        except OSError as error:  # the client went away
            self._count(error)
            return False

    def _count(self, error: OSError) -> None:
        self.server.error_log(f"connection of {self.remote_addr}: {error}", level=logging.DEBUG)

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:
            self._count(error)


class Server(wsgi.Server):
    """Owns the listening socket and the workers."""

    ConnectionClass = Connection
    timeout = TIMEOUT_S
    keep_alive_conn_limit = KEPT_ALIVE
    max_request_header_size = HEADER_LIMIT
    max_request_body_size = BODY_LIMIT
    counters = Counters()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Broken clients are a figure, not a page of log."""
        self.counters.broken += 1
        log.debug("cheroot: %s", msg, exc_info=traceback)


def make(web: Web, app: App, address: tuple[str, int]) -> Server:
    """The server, not started. Raises OSError when the certificate cannot be made."""
    made = Server(
        address,
        app,
        numthreads=THREADS,
        server_name="Bluewhale",
        request_queue_size=BACKLOG,
        timeout=TIMEOUT_S,
        shutdown_timeout=STOP_S,
    )
    made.counters = web.counters
    if web.config.web.tls:
        names, addresses = web.hosts.names, web.hosts.addresses()
        place, key = certificate.files(web.config.secrets_dir("web"), names, addresses)
        adapter = Adapter(str(place), str(key))
        adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
        made.ssl_adapter = adapter
    return made


def address_of(listen: str) -> tuple[str, int]:
    """HOST:PORT, [IPv6]:PORT. Raises ValueError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"web.listen: {listen!r} is not HOST:PORT")
    return host.strip("[]") or "0.0.0.0", int(port)
