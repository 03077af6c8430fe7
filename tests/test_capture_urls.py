"""What a feed's URL means, and what is said when it means nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.capture import urls
from bluewhale.capture.urls import Connect, Folder, Listen, Replay, Serial, UrlError, parse

GOOD = {
    "serial:/dev/ttyS1": Serial(device="/dev/ttyS1"),
    "serial:/dev/ttyS1?baud=auto&flow=rtscts": Serial(device="/dev/ttyS1", flow="rtscts", hunt=True),
    "serial:/dev/ttyS1?baud=9600&framing=7E1&flow=rtscts": Serial(
        device="/dev/ttyS1", baud=9600, bits=7, parity="E", stop=1, flow="rtscts"
    ),
    "serial:/dev/ttyUSB0?baud=115200&framing=8n2&flow=xonxoff": Serial(
        device="/dev/ttyUSB0", baud=115200, stop=2, flow="xonxoff"
    ),
    "serial:/dev/serial/by-id/usb%20x?framing=5M1.5": Serial(
        device="/dev/serial/by-id/usb x", bits=5, parity="M", stop=1.5
    ),
    "tcp-listen:9000": Listen(host="127.0.0.1", port=9000),
    "tcp-listen:0.0.0.0:9000?most=2": Listen(host="0.0.0.0", port=9000, most=2),
    "tcp-listen:*:9000": Listen(host="*", port=9000),
    "tcp-listen:[::1]:9000": Listen(host="::1", port=9000),
    "tcp:pbx.example:5038": Connect(host="pbx.example", port=5038),
    "tcp:[2001:db8::7]:23": Connect(host="2001:db8::7", port=23),
    "folder:/var/log/cdr?glob=*.csv": Folder(directory=Path("/var/log/cdr"), glob="*.csv"),
    "folder:in%3Fcoming?glob=a%26b+*": Folder(directory=Path("in?coming"), glob="a&b+*"),
    "replay:capture.raw?rate=50": Replay(file=Path("capture.raw"), rate=50),
}
BAD = {
    "": "none of serial:",
    "ftp://x": "none of serial:",
    "serial": "none of serial:",
    "udp:514": "later release",
    "serial:": "behind the colon",
    "serial:/dev/ttyS1?bauds=9600": "unknown parameter 'bauds'; serial: knows baud, framing, flow",
    "serial:/dev/ttyS1?baud=fast": "baud: 'fast'",
    "serial:/dev/ttyS1?baud=auto&framing=7E1": "framing: baud=auto finds it out too",
    "serial:/dev/ttyS1?baud=١٢٠٠": "baud",
    "serial:/dev/ttyS1?framing=9N1": "framing: '9N1'",
    "serial:/dev/ttyS1?framing=8N": "framing: '8N'",
    "serial:/dev/ttyS1?flow=rts": "flow: 'rts' is none of none, rtscts, xonxoff",
    "serial:/dev/ttyS1?baud=1200&baud=2400": "give it once",
    "serial:/dev/ttyS1?baud": "baud=VALUE",
    "serial:/dev/a%00b": "behind the colon",
    "tcp-listen:host:9000": "no address to listen on",
    "tcp-listen:70000": "port: '70000'",
    "tcp-listen:": "behind the colon",
    "tcp-listen:9000?most=0": "most: '0'",
    "tcp-listen:::1:9000": "brackets",
    "tcp:5038": "not HOST:PORT",
    "tcp:host:0": "port: '0'",
    "tcp:host:1?x=1": "tcp: knows none",
    "folder:/x?glob=a/*": "no pattern of file names",
    "replay:x?rate=-1": "rate: '-1'",
}


@pytest.mark.parametrize("url", GOOD)
def test_good_urls(url: str) -> None:
    assert parse(url) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_bad_urls_say_why(url: str) -> None:
    with pytest.raises(UrlError) as caught:
        parse(url)
    assert BAD[url] in str(caught.value)


@given(
    st.one_of(st.text(), st.builds(lambda s, t: f"{s}:{t}", st.sampled_from(list(urls.READERS)), st.text()))
)
def test_any_text_is_a_spec_or_a_url_error(text: str) -> None:
    try:
        parse(text)
    except UrlError as error:
        assert str(error)


def test_allowed_networks() -> None:
    assert [str(network) for network in urls.parse_allow(["192.0.2.7/24", "::1"])] == [
        "192.0.2.0/24",
        "::1/128",
    ]
    with pytest.raises(UrlError, match=r"allow: .*office"):
        urls.parse_allow(["office"])
