"""Raw bytes as text one can look at: what does not print becomes a symbol, nothing is lost, nothing is markup."""

from markupsafe import Markup, escape

SHOWN = 8192  # bytes of one record on a page
_NAMES = {0x7F: "␡"} | {code: chr(0x2400 + code) for code in range(0x20)}


def raw(data: bytes) -> Markup:
    """The bytes of a frame for a <pre>: control characters as pictures, line ends kept, others than text as \\xNN."""
    out: list[str] = []
    for part in _pieces(data[:SHOWN]):
        if part.isprintable():
            out.append(str(escape(part)))
        else:
            out.append(f'<span class="ctl">{escape(_symbols(part))}</span>' + ("\n" if "\n" in part else ""))
    if len(data) > SHOWN:
        out.append("…")
    return Markup("".join(out))


def _symbols(part: str) -> str:
    return "".join(_NAMES.get(ord(letter)) or _code(ord(letter)) for letter in part)


def _code(number: int) -> str:
    byte = 0xDC80 <= number <= 0xDCFF  # surrogateescape: a byte that is no UTF-8
    return f"\\x{number - 0xDC00:02X}" if byte else f"\\u{{{number:x}}}"


def _pieces(data: bytes) -> list[str]:
    """The text in runs of printable and of other characters; bytes that are no UTF-8 as surrogates."""
    text = data.decode("utf-8", "surrogateescape")
    pieces: list[str] = []
    start = 0
    for at, letter in enumerate(text):
        after = text[at + 1] if at + 1 < len(text) else ""
        ends_line = letter == "\n"
        if not after or letter.isprintable() != after.isprintable() or ends_line:
            pieces.append(text[start : at + 1])
            start = at + 1
    return pieces
