"""Raw bytes as text one can look at: what does not print becomes its name, nothing is lost, nothing is markup."""

import re

from markupsafe import Markup

SHOWN = 8192  # bytes of one record on a page
_NAMES = re.findall(
    r"\S+",
    "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US",
)
_DELETE = 0x7F
_STRAY = range(0xDC80, 0xDD00)  # surrogateescape: a byte that is no UTF-8


def raw(data: bytes) -> Markup:
    """The bytes of a frame for a <pre>: control characters by name, line ends kept, bytes that are no text as \\xNN."""
    text = data[:SHOWN].decode("utf-8", "surrogateescape")
    out: list[Markup] = []
    plain = ""
    for letter in text:
        if letter.isprintable():
            plain += letter
            continue
        out += [Markup("{}").format(plain), Markup('<span class="ctl">{}</span>').format(_name(ord(letter)))]
        plain = "\n" if letter == "\n" else ""
    out.append(Markup("{}").format(plain.rstrip("\n") + ("…" if len(data) > SHOWN else "")))
    return Markup("").join(out)


def _name(code: int) -> str:
    if code < len(_NAMES):
        return _NAMES[code]
    if code == _DELETE:
        return "DEL"
    return f"\\x{code - 0xDC00:02X}" if code in _STRAY else f"\\u{{{code:x}}}"
