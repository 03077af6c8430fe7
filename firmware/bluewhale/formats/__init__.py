"""PBX bytes to legs, signals and rejects: one file a family, found by name; no I/O and no clock.

formats = load_formats()
decoder = Decoder(formats["avaya-ipoffice"], options={}, state=None, journal="4f..", stream="feed")
decoder.feed(data, position, at_us)  ->  [Leg | Signal | Reject]
decoder.close(at_us)                 ->  what was left, framed as if it had an end
decoder.state()                      ->  JSON-able; a new Decoder goes on from it
detect(data)                         ->  [Guess], best first
"""

import importlib
import pkgutil
from functools import cache

import msgspec

from bluewhale.formats._decoder import Decoder, Item
from bluewhale.formats._layout import Context, Format, Integrity, Join
from bluewhale.formats._options import OptionError

__all__ = [
    "Context",
    "Decoder",
    "Format",
    "Guess",
    "Integrity",
    "Item",
    "Join",
    "OptionError",
    "decide",
    "detect",
    "load_formats",
]


@cache
def load_formats() -> dict[str, Format]:
    """Every family in this package by its name, in alphabetical order. A new file here is all a family needs."""
    found: dict[str, Format] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        family = importlib.import_module(f"{__name__}.{module.name}")
        fmt: Format = family.FORMAT
        if fmt.name != module.name.replace("_", "-"):
            raise ValueError(f"{module.name}.py holds a format named {fmt.name}")
        found[fmt.name] = msgspec.structs.replace(fmt, sheet=(family.__doc__ or "").strip())
    return dict(sorted(found.items()))


from bluewhale.formats._detect import Guess, decide, detect  # noqa: E402  (needs load_formats)
