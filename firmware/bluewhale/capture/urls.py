"""What a feed's URL means: SCHEME:PLACE[?NAME=VALUE&...], percent-encoding allowed in both. See docs/feeds.md."""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import msgspec

MOST_CONNECTIONS = 1024
LATER = ("udp", "http", "radius", "e1")  # of the design; this release does not have them
FLOWS = ("none", "rtscts", "xonxoff")
ALL = "*"


class UrlError(Exception):
    """The URL cannot be used; the text says which part and what would do."""


class Serial(msgspec.Struct, frozen=True, kw_only=True):
    """`hunt`: speed and framing are to be found out; `baud` and the rest are only what the line is opened with."""

    device: str
    baud: int = 9600
    bits: int = 8
    parity: str = "N"  # N none, E even, O odd, M mark, S space
    stop: float = 1
    flow: str = "none"
    hunt: bool = False

    @property
    def text(self) -> str:
        if self.hunt:
            return f"auto flow {self.flow}"
        return f"{self.baud} {self.bits}{self.parity}{self.stop:g} flow {self.flow}"


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """`host` "*" is every address of the box. Port 0: the system picks one."""

    host: str
    port: int
    most: int = MOST_CONNECTIONS


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    directory: Path
    glob: str = "*"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` in lines a second, 0 = as fast as it goes."""

    file: Path
    rate: int = 0


Spec = Serial | Listen | Connect | Folder | Replay
Values = dict[str, str]


def parse(url: str) -> Spec:
    """Raises UrlError."""
    scheme, colon, rest = url.partition(":")
    reader = READERS.get(scheme) if colon else None
    if reader is None:
        late = f"; {scheme}: comes with a later release" if colon and scheme in LATER else ""
        raise UrlError(f"{url!r} is none of {', '.join(f'{name}:' for name in READERS)}{late}")
    place, _, query = rest.partition("?")
    known, read = reader
    values: Values = {}
    for part in query.split("&") if query else []:
        name, equals, value = part.partition("=")
        if name not in known:
            names = ", ".join(known) or "none"
            raise UrlError(f"unknown parameter {name!r}; {scheme}: knows {names}")
        if not equals or name in values:
            raise UrlError(f"{name}: give it once, as {name}=VALUE")
        values[name] = unquote(value)
    place = unquote(place)
    if not place or "\0" in place:
        raise UrlError(f"{scheme}: what stands behind the colon is missing")
    return read(place, values)


def parse_allow(allow: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Networks that may connect. Raises UrlError."""
    try:
        return [ipaddress.ip_network(text, strict=False) for text in allow]
    except ValueError as error:
        raise UrlError(f"allow: {error}") from error


def _serial(place: str, values: Values) -> Spec:
    bits, parity, stop = _framing(values.get("framing", "8N1"))
    flow = values.get("flow", "none")
    if flow not in FLOWS:
        raise UrlError(f"flow: {flow!r} is none of {', '.join(FLOWS)}")
    baud = values.get("baud", "9600")
    if baud == "auto":
        if "framing" in values:
            raise UrlError("framing: baud=auto finds it out too; leave it out")
        return Serial(device=place, flow=flow, hunt=True)
    return Serial(
        device=place,
        baud=_number("baud", baud, 50, 4_000_000),
        bits=bits,
        parity=parity,
        stop=stop,
        flow=flow,
    )


def _framing(text: str) -> tuple[int, str, float]:
    bits, parity, stop = text[:1], text[1:2].upper(), text[2:]
    if bits not in tuple("5678") or parity not in tuple("NEOMS") or stop not in ("1", "1.5", "2"):
        raise UrlError(f"framing: {text!r} is no framing such as 8N1, 7E1, 7O1, 8E1 or 8N2")
    return int(bits), parity, float(stop)


def _listen(place: str, values: Values) -> Spec:
    """An address left out is 127.0.0.1: a bench must not be open to the network without being told."""
    host, port = _host_port(place, "127.0.0.1", lowest=0)
    if host != ALL:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise UrlError(f"{host!r} is no address to listen on; an IP address, or * for all") from None
    return Listen(
        host=host, port=port, most=_number("most", values.get("most", str(MOST_CONNECTIONS)), 1, 65536)
    )


def _connect(place: str, values: Values) -> Spec:
    host, port = _host_port(place, "", lowest=1)
    if not host:
        raise UrlError(f"{place!r} is not HOST:PORT")
    return Connect(host=host, port=port)


def _folder(place: str, values: Values) -> Spec:
    glob = values.get("glob", "*")
    if not glob or "/" in glob:
        raise UrlError(f"glob: {glob!r} is no pattern of file names")
    return Folder(directory=Path(place), glob=glob)


def _replay(place: str, values: Values) -> Spec:
    return Replay(file=Path(place), rate=_number("rate", values.get("rate", "0"), 0, 10_000_000))


def _host_port(place: str, host: str, lowest: int) -> tuple[str, int]:
    before, colon, port = place.rpartition(":")
    if colon:
        host = before.removeprefix("[").removesuffix("]") if before.startswith("[") else before
        if ":" in host and not before.startswith("["):
            raise UrlError(f"{place!r}: an IPv6 address stands in brackets, [::1]:9000")
    return host, _number("port", port, lowest, 65535)


def _number(name: str, text: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdigit()) or not lowest <= int(text[:12]) <= highest:
        raise UrlError(f"{name}: {text!r} is no number from {lowest} to {highest}")
    return int(text)


READERS: dict[str, tuple[tuple[str, ...], Callable[[str, Values], Spec]]] = {
    "serial": (("baud", "framing", "flow"), _serial),
    "tcp-listen": (("most",), _listen),
    "tcp": ((), _connect),
    "folder": (("glob",), _folder),
    "replay": (("rate",), _replay),
}
