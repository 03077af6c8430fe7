"""Charts as SVG without a library: columns of days, and the time line of a call.

Classes only, no style attributes (the content policy forbids them). Each chart is drawn twice, for wide and for narrow
screens, and CSS hides one; every number also stands in a title and in the table the page puts below. The elements
are made here, so every text is escaped here.
"""

from collections.abc import Sequence

import msgspec
from markupsafe import Markup

WIDE, NARROW = (720, 210), (330, 190)
STEPS = (1, 2, 2.5, 5, 10)


class Column(msgspec.Struct, frozen=True):
    label: str  # below the axis
    value: int
    told: str  # what the title says: "Sun 22 Nov: 1,562"


class Bar(msgspec.Struct, frozen=True):
    """A party's part of a call, in seconds since the call's start; ring before talk."""

    name: str
    ring_from: int
    talk_from: int
    talk_to: int
    label: str  # in the bar: 12:31
    told: str


def axis(most: int, lines: int = 4) -> list[int]:
    """Round values from 0 to at least `most`, in steps of 1, 2, 2.5 or 5 times a power of ten, whole numbers."""
    if most <= 0:
        return [0, 1]
    power = 1
    while True:
        for step in STEPS:
            size = step * power
            if size == int(size) and size * lines >= most:
                count = -(-most // int(size))
                return [int(size) * at for at in range(count + 1)]
        power *= 10


def columns(columns: Sequence[Column], title: str, told: str, name: str) -> Markup:
    """Columns from zero, wide and narrow. `told` says what the eye would see."""
    return Markup("").join(
        _columns(columns, title, told, f"{name}-{shape}", size, shape)
        for shape, size in (("wide", WIDE), ("narrow", NARROW))
    )


def _columns(
    items: Sequence[Column], title: str, told: str, name: str, size: tuple[int, int], shape: str
) -> Markup:
    width, height = size
    left, right, top, bottom = 48, width - 4, 12, height - 26
    marks = axis(max((item.value for item in items), default=0))
    parts = [_head(name, size, shape, title, told)]
    for mark in marks:
        y = bottom - (bottom - top) * mark / marks[-1]
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(left, y, right))
        parts.append(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:,}</text>').format(left - 6, y + 4, mark)
        )
    step = (right - left) / max(1, len(items))
    every = -(-len(items) // (14 if shape == "wide" else 5))
    for at, item in enumerate(items):
        high = (bottom - top) * item.value / marks[-1]
        x = left + step * at
        parts.append(
            Markup(
                '<rect class="s0" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(x + step * 0.15, bottom - high, step * 0.7, high, item.told)
        )
        if at % every == (len(items) - 1) % every:
            parts.append(
                Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    x + step / 2, height - 8, item.label
                )
            )
    return Markup("").join(parts) + Markup("</svg>")


def _head(name: str, size: tuple[int, int], shape: str, title: str, told: str) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{n}-t {n}-d" class="chart {}">'
        '<title id="{n}-t">{}</title><desc id="{n}-d">{}</desc>'
    ).format(size[0], size[1], shape, title, told, n=name)


def call(bars: Sequence[Bar], times: tuple[str, str], title: str, told: str, name: str) -> Markup:
    """The time line of a call: who rang and who talked, from start to end. `times`: labels of both ends."""
    return _call(bars, times, title, told, f"{name}-wide", 900, "wide") + _call(
        bars, times, title, told, f"{name}-narrow", 330, "narrow"
    )


def _call(
    bars: Sequence[Bar], times: tuple[str, str], title: str, told: str, name: str, width: int, shape: str
) -> Markup:
    wide = shape == "wide"
    left, right = (190.0, width - 8.0) if wide else (4.0, width - 4.0)
    row, first = (36, 8) if wide else (48, 20)
    height = first + row * len(bars) + 24
    scale = (right - left) / (max((bar.talk_to for bar in bars), default=0) or 1)
    parts = [_head(name, (width, height), shape, title, told)]
    for x in (left, right):
        parts.append(Markup('<path class="grid" d="M{} {}V{}"/>').format(x, 4, height - 22))
    for at, bar in enumerate(bars):
        y = first + row * at
        text, above = (_cut(bar.name, 26), 17) if wide else (_cut(bar.told, 44), -5)
        parts.append(Markup('<text class="ink" x="4" y="{}">{}</text>').format(y + above, text))
        parts.append(_block("ring", left, scale, y, bar.ring_from, bar.talk_from, bar.told))
        parts.append(_block("s0", left, scale, y, bar.talk_from, bar.talk_to, bar.told))
        if wide and (bar.talk_to - bar.talk_from) * scale > 12 + 8 * len(bar.label):
            x = left + bar.talk_from * scale + 8
            parts.append(Markup('<text class="on" x="{:.1f}" y="{}">{}</text>').format(x, y + 17, bar.label))
    for x, anchor, label in ((left, "start", times[0]), (right, "end", times[1])):
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, height - 5, anchor, label)
        )
    return Markup("").join(parts) + Markup("</svg>")


def _block(kind: str, left: float, scale: float, y: int, start: int, end: int, told: str) -> Markup:
    if end <= start:
        return Markup("")
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="24"><title>{}</title></rect>'
    ).format(kind, left + start * scale, y, max(1.0, (end - start) * scale), told)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
