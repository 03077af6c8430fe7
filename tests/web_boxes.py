"""A box for the pages: real journal, real ledger and capture, and a browser without a network: WSGI calls."""

import contextlib
import gzip
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

import ledger_boxes
from bluewhale import owner
from bluewhale.config import Config
from bluewhale.ledger import plan
from bluewhale_webui import auth
from bluewhale_webui.app import make_app
from bluewhale_webui.web import Web
from boxes import free_port
from waiting import until

PASSWORD = "blue-whale-77x"
ROLES = ("administrator", "operator", "accountant", "viewer")
PEOPLE = (
    ("8012", "王芳", "财务部"),
    ("8101", "Chen Qiang", "International"),
    ("8200", "Front desk", "International"),
)
ODD = b"garbage \x00\x01\xff <script>alert(1)</script>\r\n"
PLAN = """
name = "telecom"
currency = "CNY"
decimals = 2
rounding = "up"
[[rate]]
prefix = "+86755"
name = "Local"
destination = "Shenzhen"
 [[rate.slot]]
 price = "0.20"
 per_s = 180
 increment_s = 180
 [[rate.slot]]
 from_s = 180
 price = "0.11"
 per_s = 60
 increment_s = 60
[[rate]]
prefix = "+861"
name = "Mobile"
destination = "Mobile & far"
 [[rate.slot]]
 price = "0.30"
 per_s = 60
 increment_s = 60
"""


def record(
    number: int, *, talk: int = 67, called: str = "982661234", extension: str = "8012", incoming: bool = False
) -> bytes:
    """An IP Office record of 25 November 2026, one a minute."""
    station, line = f"E{extension},Ann", "T9001,Line 1.0"
    caller, far = (called[1:], extension) if incoming else (extension, called)
    ends = (line, station) if incoming else (station, line)
    return (
        f"2026/11/{25 - number // 600:02d} {8 + number // 60 % 10:02d}:{number % 60:02d}:07,00:{talk // 60:02d}:{talk % 60:02d},5,"
        f"{caller},{'I' if incoming else 'O'},{far},{far},,0,{1000000 + number},0,{ends[0]},{ends[1]},0,0,,,,,,,,,,,,,,,,,,\r\n"
    ).encode()  # fmt: skip


def records() -> bytes:
    """127 records: local, mobile, not priced (France), incoming, not answered, of nobody; one line of rubbish."""
    made = []
    for number in range(120):
        called = ("982661234", "913800138000", "90033142685300")[number % 3]
        extension = ("8012", "8101", "8455")[number % 3]
        made.append(
            record(number, called=called, extension=extension, talk=0 if number % 10 == 9 else 30 + number)
        )
    made += [
        record(number, incoming=True, extension="8200", called="9075587654321") for number in range(120, 127)
    ]
    return b"".join(made[:60]) + ODD + b"".join(made[60:])


def journaled(directory: Path) -> Config:
    """A data directory with settings and records, before any role ran."""
    box = ledger_boxes.Journaled(directory)
    site = {
        "enterprise": "default",
        "zone": "Asia/Shanghai",
        "country": "86",
        "area": "755",
        "access_codes": ["9"],
        "local_digits": 8,
    }
    box.owner("site", "main", site)
    box.owner("plan", "telecom", {"plan": plan.load(PLAN, "telecom.toml")})
    box.owner("pricing", "default", {"charge": "telecom"})
    rows = [{"extension": e, "person": p, "department": d} for e, p, d in PEOPLE]
    box.owner("directory", "extensions", {"set": rows})
    box.owner("feed", "main", {"url": f"tcp-listen:127.0.0.1:{free_port()}"})
    for role in ROLES:
        box.owner("user", role, {"role": role, "scope": {}})
    box.owner("user", "branch", {"role": "viewer", "scope": {"departments": ["财务部"]}})
    box.owner("user", "nothing", {"role": "viewer", "scope": {"departments": ["no such department"]}})
    box.owner("setup", "done", {"by": "tests"})
    box.link("open", "main/1")
    box.chunk("main/1", records())
    box.link("closed", "main/1")
    config = box.close()
    for name in (*ROLES, "branch", "nothing"):
        auth.set_password(config, name, PASSWORD)
    return config


@contextlib.contextmanager
def role(config: Config, name: str, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A role as a process of its own."""
    command = [sys.executable, "-m", "bluewhale", "role", name, "--data", config.data, *more]
    with (config.data_dir / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: alive(config, name, process), 30, f"{name} is up")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def alive(config: Config, name: str, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, (config.data_dir / f"{name}.log").read_text()
    with contextlib.suppress(FileNotFoundError):
        return bool(msgspec.json.decode(config.status_file(name).read_bytes())["pid"] == process.pid)
    return False


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Config]:
    """The box of journaled() with its ledger and capture at work."""
    config = journaled(directory)
    with role(config, "capture"), role(config, "ledger") as ledger:
        until(lambda: ledger_boxes.caught_up(config, ledger), 30, "the ledger has read all")
        yield config


class Answer:
    """What came back: `text` is unzipped."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = int(status[:3])
        self.headers = {name.lower(): value for name, value in headers}
        self.cookies = [value for name, value in headers if name.lower() == "set-cookie"]
        self.raw = body
        self.body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Browser:
    """Keeps cookies and form tokens; speaks WSGI."""

    def __init__(self, app: Callable[..., Any], host: str = "localhost:8080") -> None:
        self.app, self.host = app, host
        self.cookies: dict[str, str] = {}
        self.tokens: dict[str, str] = {}

    def call(self, method: str, path: str, body: bytes = b"", **more: str) -> Answer:
        place, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": place.encode().decode("latin1"), "QUERY_STRING": query, "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "8080", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "192.0.2.7",
            "HTTP_HOST": self.host, "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
            "CONTENT_LENGTH": str(len(body)), "HTTP_ACCEPT_ENCODING": "gzip",
        }  # fmt: skip
        if self.cookies:
            environ["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method not in ("GET", "HEAD"):
            environ["HTTP_SEC_FETCH_SITE"] = "same-origin"
        environ |= {name: value for name, value in more.items() if value}
        for name in [name for name, value in more.items() if not value]:
            environ.pop(name, None)
        said: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], error: object = None) -> None:
            said.append((status, headers))

        pieces = self.app(environ, start)
        answer = Answer(*said[-1], b"".join(pieces))
        for text in answer.cookies:
            for name, morsel in SimpleCookie(text).items():
                self.cookies[name] = morsel.value
        self._remember(answer)
        return answer

    def _remember(self, answer: Answer) -> None:
        if "text/html" in answer.headers.get("content-type", ""):
            for form in re.findall(r"<form method=\"post\".*?</form>", answer.text, re.S):
                action, token = (
                    re.search(r'action="([^"]+)"', form),
                    re.search(r'name="token" value="([^"]+)"', form),
                )
                assert action and token, form
                self.tokens[action[1]] = token[1]

    def get(self, path: str, **more: str) -> Answer:
        return self.call("GET", path, **more)

    def post(self, path: str, **fields: str) -> Answer:
        """Sends a form of a page that was loaded before."""
        body = urlencode({"token": self.tokens.get(path, "")} | fields).encode()
        return self.call("POST", path, body, CONTENT_TYPE="application/x-www-form-urlencoded")

    def upload(self, path: str, data: bytes, filename: str = "x.csv", **fields: str) -> Answer:
        edge = "----edge"
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode()
            for n, v in ({"token": self.tokens.get(path, "")} | fields).items()
        ]
        parts.append(
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: text/csv\r\n\r\n'.encode()
            + data
            + b"\r\n"
        )
        body = b"".join(parts) + f"--{edge}--\r\n".encode()
        return self.call("POST", path, body, CONTENT_TYPE=f"multipart/form-data; boundary={edge}")

    def sign_in(self, name: str, password: str = PASSWORD) -> Answer:
        self.get("/login")
        return self.post("/login", name=name, password=password)


def signed_in(app: Callable[..., Any], name: str) -> Browser:
    browser = Browser(app)
    answer = browser.sign_in(name)
    assert (answer.status, answer.headers["location"]) == (303, "/"), answer.text
    browser.get("/")
    return browser


def application(config: Config) -> tuple[Web, Callable[..., Any]]:
    web = Web(config)
    return web, make_app(web)


def change(config: Config, kind: str, key: str, value: object) -> owner.Outcome:
    return owner.submit(config, owner.change(kind, key, value, who="tests"), wait_s=10)
