"""Around every answer: the box's own name only, no foreign forms, headers that hold a browser tight, gzip.

Plain WSGI, outside of Bottle, so that no route can be without it.
"""

import gzip
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from bluewhale_webui.hosts import Hosts

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Referrer-Policy: filters stand in addresses, so nobody else is told them. To ourselves they are, because with
# "no-referrer" a browser sends "Origin: null" with our own forms, and then the check below could not be kept.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), interest-cohort=()",
}
SAFE = {"GET", "HEAD", "OPTIONS"}
SQUEEZE_FROM, SQUEEZE_LEVEL = 1000, 5
SQUEEZED = ("text/", "application/json", "image/svg+xml")

Environ = dict[str, object]
App = Callable[..., Iterable[bytes]]


def guard(app: App, hosts: Hosts, tls: bool) -> App:
    """The application with the guard around it."""

    def guarded(environ: Environ, start: Callable[..., object]) -> Iterable[bytes]:
        why = _refused(environ, hosts, tls)
        if why:
            status, text = why
            return _squeezed(environ, start, lambda e, s: _plain(s, status, text))
        return _squeezed(environ, start, app)

    return guarded


def _plain(start: Callable[..., object], status: str, text: str) -> Iterable[bytes]:
    body = text.encode()
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]


def _refused(environ: Environ, hosts: Hosts, tls: bool) -> tuple[str, str] | None:
    host = str(environ.get("HTTP_HOST", ""))
    if not hosts.mine(host):
        return "421 Misdirected Request", "This box does not go by that name (web.names in bluewhale.toml).\n"
    if environ["REQUEST_METHOD"] in SAFE or str(environ.get("HTTP_AUTHORIZATION", "")).startswith("Bearer "):
        return None
    if not _ours(environ, f"{'https' if tls else 'http'}://{host}"):
        return "403 Forbidden", "This form was not sent from a page of this box.\n"
    if "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
        return "411 Length Required", "Say how long it is (Content-Length).\n"
    return None


def _ours(environ: Environ, own: str) -> bool:
    """The browser says so: Sec-Fetch-Site, else (older ones, and plain HTTP) Origin, else Referer."""
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return site == "same-origin"
    origin = str(environ.get("HTTP_ORIGIN", ""))
    if not origin:
        parts = urlsplit(str(environ.get("HTTP_REFERER", "")))
        origin = f"{parts.scheme}://{parts.netloc}"
    return origin.lower() == own.lower()


def _squeezed(environ: Environ, start: Callable[..., object], app: App) -> Iterable[bytes]:
    """Runs the application, adds the headers, and gzips a text that is complete and worth it."""
    said: list[tuple[str, list[tuple[str, str]], object]] = []

    def remember(status: str, headers: list[tuple[str, str]], error: object = None) -> None:
        said.append((status, headers, error))

    body = app(environ, remember)
    status, headers, error = said[-1]
    names = {name.lower() for name, _ in headers}
    headers = [*headers, *((n, v) for n, v in HEADERS.items() if n.lower() not in names)]
    if "cache-control" not in names:
        headers.append(("Cache-Control", "private, no-cache"))
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    if isinstance(body, list) and kind.startswith(SQUEEZED):
        headers.append(("Vary", "Accept-Encoding, Cookie"))
        whole = b"".join(body)
        if len(whole) > SQUEEZE_FROM and _takes_gzip(environ) and environ["REQUEST_METHOD"] != "HEAD":
            whole = gzip.compress(whole, SQUEEZE_LEVEL, mtime=0)
            headers = [(n, v) for n, v in headers if n.lower() != "content-length"]
            headers += [("Content-Encoding", "gzip"), ("Content-Length", str(len(whole)))]
        body = [whole]
    start(status, headers, error) if error else start(status, headers)
    return body


def _takes_gzip(environ: Environ) -> bool:
    words = (word.strip().lower() for word in str(environ.get("HTTP_ACCEPT_ENCODING", "")).split(","))
    return any(word.partition(";")[0] == "gzip" and not word.endswith("q=0") for word in words)
