"""The role web as a process: its server's limits and time-outs, TLS that waits for nobody, a clean end."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import web_boxes
from bluewhale.config import Config
from bluewhale_webui import server
from bluewhale_webui.guard import HEADERS
from boxes import free_port
from waiting import until

QUICK_S = 2.0  # far below the 5 s a broken client may hold a thread


class Served:
    """A web role on a free port."""

    def __init__(self, config: Config, port: int, tls: bool) -> None:
        self.config, self.port, self.tls = config, port, tls

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def connection(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=15, context=context)

    def get(self, path: str = "/healthz") -> http.client.HTTPResponse:
        connection = self.connection()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def seconds(self) -> float:
        began = time.monotonic()
        assert self.get().status == 200
        return time.monotonic() - began


def serve(directory: Path, tls: bool) -> Iterator[Served]:
    port = free_port()
    file = directory / "bluewhale.toml"
    file.write_text(f'data = "{directory}"\n[web]\nlisten = "127.0.0.1:{port}"\ntls = {str(tls).lower()}\n')
    config = Config(data=str(directory))
    with web_boxes.role(config, "web", "--config", str(file)):
        yield Served(config, port, tls)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("plain"), tls=False)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("secure"), tls=True)


def test_a_silent_client_stops_nobody(secure: Served) -> None:
    """cheroot shakes hands while it accepts: one client that connects and says nothing stopped the page for 10 s."""
    silent = [secure.raw() for _ in range(3)]
    try:
        assert max(secure.seconds() for _ in range(3)) < QUICK_S
    finally:
        for client in silent:
            client.close()


def test_half_a_header_stops_nobody(plain: Served) -> None:
    slow = [plain.raw() for _ in range(20)]
    try:
        for client in slow:
            client.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        assert max(plain.seconds() for _ in range(3)) < QUICK_S
    finally:
        for client in slow:
            client.close()


def test_half_a_header_is_given_up(plain: Served) -> None:
    with plain.raw() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        client.settimeout(server.TIMEOUT_S + 8)
        assert b"408" in client.recv(100)


def test_no_version_and_all_headers_also_on_the_server_s_own_answers(plain: Served) -> None:
    answers = []
    for request in (
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ):
        with plain.raw() as client:
            client.sendall(request)
            answers.append(client.makefile("rb").read())
    for answer in answers:
        head = answer.partition(b"\r\n\r\n")[0].decode()
        assert head.startswith("HTTP/1.1 4"), head
        for name, value in HEADERS.items():
            assert f"{name}: {value}" in head
    assert plain.get().getheader("server") == "Bluewhale"


def test_a_body_over_all_limits_is_refused_before_it_is_sent(plain: Served) -> None:
    connection = plain.connection()
    connection.putrequest("POST", "/login")
    connection.putheader("Content-Length", str(server.BODY_LIMIT + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_plain_http_to_the_secure_port_is_told(secure: Served) -> None:
    with secure.raw() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.settimeout(10)
        with pytest.raises(ConnectionError):
            while client.recv(1000):
                pass
            raise ConnectionError("closed")
    assert secure.seconds() < QUICK_S


def test_many_broken_clients_leave_the_page_alive_and_the_log_short(secure: Served) -> None:
    for number in range(40):
        with secure.raw() as client:
            client.sendall(bytes([number]) * 200)
    assert secure.seconds() < QUICK_S
    log = (secure.config.data_dir / "web.log").read_text()
    assert "Traceback" not in log
    until(
        lambda: msgspec.json.decode(secure.config.status_file("web").read_bytes())["broken"] >= 1,
        5,
        "they are counted",
    )


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_the_certificate_is_made_once_and_fits(secure: Served) -> None:
    directory = secure.config.secrets_dir("web")
    found = x509.load_pem_x509_certificate((directory / "cert.pem").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert (directory / "key.pem").stat().st_mode & 0o777 == 0o600
    context = ssl.create_default_context(cafile=str(directory / "cert.pem"))
    with context.wrap_socket(secure.raw(), server_hostname="localhost") as client:
        assert client.version() in ("TLSv1.2", "TLSv1.3")
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)), secure.raw() as bare:
        old.wrap_socket(bare, server_hostname="localhost")


def test_a_certificate_that_ends_soon_is_made_anew_but_never_an_owner_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bluewhale_webui import certificate

    place, key = certificate.files(tmp_path, {"localhost"}, {"127.0.0.1"})
    first = place.read_bytes()
    assert certificate.files(tmp_path, {"localhost"}, set())[0].read_bytes() == first, "it stays"
    monkeypatch.setattr(certificate, "RENEW_DAYS", certificate.VALID_DAYS + 10)
    second = certificate.files(tmp_path, {"localhost"}, set())[0].read_bytes()
    assert second != first
    assert key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_twenty_requests_over_one_connection(secure: Served) -> None:
    connection = secure.connection()
    for _ in range(20):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
    connection.close()


def test_it_tells_that_it_lives(plain: Served) -> None:
    status = msgspec.json.decode(plain.config.status_file("web").read_bytes())
    assert status["role"] == "web"
    assert status["listen"] == f"127.0.0.1:{plain.port}"
    before = status["requests"]
    plain.get("/login")
    until(lambda: msgspec.json.decode(plain.config.status_file("web").read_bytes())["requests"] > before, 5)


def test_sigterm_ends_it_in_time_even_with_clients_hanging(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    port = free_port()
    with web_boxes.role(config, "web", "--listen", f"127.0.0.1:{port}") as process:
        served = Served(config, port, tls=False)
        assert served.get().status == 200
        hanging = [served.raw() for _ in range(3)]
        for client in hanging:
            client.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 4.5
        for client in hanging:
            client.close()


def test_an_address_that_is_none_ends_it_with_a_word(tmp_path: Path) -> None:
    import subprocess
    import sys

    for listen, status in (("localhost:http", 2), ("192.0.2.1:80", 3)):
        done = subprocess.run(
            [sys.executable, "-m", "bluewhale", "role", "web", "--data", str(tmp_path), "--listen", listen],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert listen in done.stderr
