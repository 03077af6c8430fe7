"""How the records of a family become calls, as data: what correlation reads of a format.

    JOIN = Joins(key=("correlation_id",), circuit=("extra.channel", "extra.dstchannel"), seconds="span")

A field is the name of a Leg's field, or `extra.NAME`; `a|b` is b where there is no a.
"""

import msgspec

from bluewhale.formats._layout import Join


class Link(msgspec.Struct, frozen=True):
    """Two records are one call's when the fields `one` of the first equal the fields `other` of the second and their
    times fit.

    `when`: "window" (within the join's window), "overlap" (they ran at the same time), "answer" (answered at the same
    moment), "follows" (the second starts when the first ends, or up to `slack_s` after it). `slack_s`: how exact the
    clocks are. `one_has`, `other_has`: (field, regex) pairs, all of which must be found in the records' fields.
    `open_only`: a tie by time and parties, made only between calls that lack a record.
    """

    one: tuple[str, ...]
    other: tuple[str, ...]
    when: str = "window"
    slack_s: int = 0
    one_has: tuple[tuple[str, str], ...] = ()
    other_has: tuple[tuple[str, str], ...] = ()
    open_only: bool = False


class Joins(Join, frozen=True):
    """A family's join. `identity`: fields that name a record for ever; a second record with the same ones is a repeat.

    `links`: what ties records beside the key. `relay`: fields of a circuit on which one record continues another:
    the earlier says so (`continues`) or the later does (`extra.transferred`), or they touch in time and in the fields
    `touching` (where the site's option `splitting` says that the PBX splits), within `slack_s`. A record that fits
    one of `starts` (field, regex) begins a call whatever came before.
    `circuit`: the fields that name a trunk's seizure at the calling and at the called end; none = the trunk's name.
    `seconds`: of a seizure: "span" (first answer to last end) or "sum" (of its records, with hold and park).
    `order`: records of a call by "time" or by "arrival". `bridge`: (field, beginning) pairs that say conference.
    `inner`: records without a trunk say who talks on the call's only seizure. `joined`: a field that says that the
    record goes on with parties of an earlier one.
    """

    identity: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    relay: tuple[str, ...] = ()
    touching: tuple[str, ...] = ()
    splitting: str = ""
    starts: tuple[tuple[str, str], ...] = ()
    slack_s: int = 0
    circuit: tuple[str, str] | None = None
    seconds: str = "sum"
    order: str = "time"
    bridge: tuple[tuple[str, str], ...] = ()
    inner: bool = False
    joined: str = ""
