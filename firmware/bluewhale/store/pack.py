"""Lines to rows of a segment: the only place that writes the codes of schema.py. No I/O.

What does not fit a code goes into `more` as it is, so that every line comes back exactly; the codes only make
the usual small. This is the hot path of the store, some 4 us a line: measure before making it prettier.
"""

from datetime import datetime
from typing import Any

import msgspec

from bluewhale.model import Line
from bluewhale.store.schema import EPOCH_S, EPOCH_US

Row = tuple[Any, ...]
More = dict[str, Any]

_FAR = 1 << 61  # a difference beyond this does not fit its code
_EPOCH_DAY = datetime(1970, 1, 1).toordinal() + EPOCH_S // 86400  # noqa: DTZ001 - wall time has no zone
_NUL = "\u2400"
_IN_MORE = ("called_e164", "trunk_in", "auth_code", "account_code", "started_local", "payer")
_encode = msgspec.json.encode


class Words(msgspec.Struct):
    """The dictionaries of a segment (content -> id), with what the coming transaction adds to them."""

    base_position: int | None = None
    parties: dict[Row, int] = {}
    contexts: dict[Row, int] = {}
    words: dict[str, int] = {}
    new_parties: list[Row] = []
    new_contexts: list[Row] = []
    new_words: list[Row] = []
    joined: list[Row] = []


def pack(words: Words, lines: list[Line]) -> list[Row]:
    """Rows for `line`, in its column order; what the dictionaries and `joined` need stands in `words`."""
    if words.base_position is None and lines:
        words.base_position = lines[0].position
    base = words.base_position or 0
    party_of, word_of = words.parties.get, words.words.get
    rows: list[Row] = []
    for line in lines:
        more: More = {}
        extension, called, caller = line.extension or None, line.called, line.caller
        trunk, destination, charged, talk_s = line.trunk, line.destination, line.charged_s, line.talk_s
        if charged is not None and talk_s is not None:
            charged -= talk_s
            if not -_FAR < charged < _FAR:
                more["charged_s"], charged = line.charged_s, None
        started, answered, ended = _times(line, more)
        context = _context(words, line, more, started)
        key = (line.enterprise, line.site, line.department, line.person, extension)
        party = party_of(key)
        if party is None:
            party = words.parties[key] = len(words.parties)
            words.new_parties.append((party, *key))
        trunk_id = word_of(trunk) if trunk else None
        destination_id = word_of(destination) if destination else None
        if line.trunk_in or line.auth_code or line.account_code:
            _codes(line, more)
        rows.append(
            (
                line.seq,
                party,
                context,
                line.position - base,
                line.length,
                0 if caller and caller == extension else number_code(caller),
                0 if called and called == extension else number_code(called),
                _new_word(words, trunk) if trunk and trunk_id is None else trunk_id,
                _new_word(words, destination) if destination and destination_id is None else destination_id,
                talk_s,
                line.ring_s,
                line.total_s,
                started,
                answered,
                ended,
                number_code(line.correlation_id),
                charged,
                line.cost_micros,
                line.charge_micros,
                line.reference_micros,
                _json(more) if more else None,
            )
        )
    return rows


def as_stored(line: Line) -> Line:
    """The line as it comes back: '' is unknown, and a NUL in a text of `more` is shown by its picture."""
    given = {name: value for name in Line.__struct_fields__ if isinstance(value := getattr(line, name), str)}
    for name, text in given.items():
        given[name] = text.replace("\0", _NUL) if name in _IN_MORE else text
    return msgspec.structs.replace(line, **{name: text or None for name, text in given.items()})


def _json(more: More) -> str:
    text = _encode(more).decode()
    if "\\u0000" in text:  # perhaps a NUL, at which SQLite's JSON would end the text
        shown = {
            name: value.replace("\0", _NUL) if isinstance(value, str) else value
            for name, value in more.items()
        }
        text = _encode(shown).decode()
    return text


def _codes(line: Line, more: More) -> None:
    """What only some sites have."""
    for name, text in (
        ("trunk_in", line.trunk_in),
        ("auth_code", line.auth_code),
        ("account_code", line.account_code),
    ):
        if text:
            more[name] = text


def number_code(text: str | None) -> int | str | None:
    """Digits as an integer with a leading 1, + and digits with a leading 2, all else as it is."""
    if not text:
        return None
    if text.isdigit():
        if len(text) < 18 and text.isascii():
            return int("1" + text)
    elif text[0] == "+" and len(text) < 19 and text[1:].isdigit() and text.isascii():
        return int("2" + text[1:])
    return text


def _new_word(words: Words, text: str) -> int:
    """Its id; trunk and destination of one line may be the same word."""
    number = words.words.get(text)
    if number is None:
        number = words.words[text] = len(words.words)
        words.new_words.append((number, text))
    return number


def _context(words: Words, line: Line, more: More, started: int | None) -> int:
    """The id of what kind of line this is; adds to `more` what is not of a kind."""
    joined = 0
    if line.position != line.call_position or line.length != line.call_length:
        joined = int(line.position != line.call_position)
        words.joined.append((line.seq, line.call_position, line.call_length))
    payer = line.payer
    payer_is = None
    if payer:
        payer_is = 1 if payer == line.extension else 2 if payer == line.trunk else 3
        if payer_is == 3:
            more["payer"] = payer
    strip, head = _e164(line, more) if line.called_e164 else (None, None)
    wall_s, form, day_is = _wall(line, more, started)
    key = (
        line.feed, line.format, line.direction or None, line.answered, joined, line.ordinal, line.revision,
        line.reason or None, line.state, line.payer_kind, payer_is, line.time_flags, wall_s, form, day_is, strip, head,
        line.condition_code or None, line.cause, line.plan, line.currency or None, line.unpriced or None,
    )  # fmt: skip
    context = words.contexts.get(key)
    if context is None:
        context = words.contexts[key] = len(words.contexts)
        words.new_contexts.append((context, *key))
    return context


def _e164(line: Line, more: More) -> tuple[int | None, str | None]:
    """(digits to drop from `called`, what to put before): the same few pairs for all calls of a site."""
    called, e164 = line.called or "", line.called_e164 or ""
    for strip in range(min(len(called), 4)):
        tail = called[strip:]
        if e164.endswith(tail) and tail.isdigit():
            return strip, e164[: -len(tail)] or None
    more["called_e164"] = e164
    return None, None


def _times(line: Line, more: More) -> tuple[int | None, int | None, int | None]:
    """The codes of started, answered, ended; schema.py says what they mean."""
    start, answer, end = line.started_utc, line.answered_utc, line.ended_utc
    started = answered = ended = None
    base = EPOCH_US
    if start is not None:
        started = _span(start - EPOCH_US)
        if started is None:
            more["started_utc"] = start
        else:
            base = start
    if answer is not None:
        if started is not None and answer - base == (line.ring_s or 0) * 1_000_000:
            answered = 1
        else:
            answered = _span(answer - base)
            if answered is None:
                more["answered_utc"] = answer
    if end is not None:
        since = answer if answered is not None else base if started is not None else None
        if since is not None and line.talk_s is not None and end - since == line.talk_s * 1_000_000:
            ended = 1
        else:
            ended = _span(end - base)
            if ended is None:
                more["ended_utc"] = end
    return started, answered, ended


def _span(us: int) -> int | None:
    if us % 1_000_000 == 0 and -_FAR < us < _FAR:
        return us // 500_000
    return 2 * us + 1 if -_FAR < us < _FAR else None


def _wall(line: Line, more: More, started: int | None) -> tuple[int | None, int | None, int | None]:
    """(seconds of started_local over UTC, its length in letters, how `day` follows from it)."""
    text, day = line.started_local, line.day
    wall = _read_wall(text) if text else None
    if wall is not None and text and started is not None:
        second = started >> 1 if not started & 1 else started // 2_000_000
        wall_s = wall[0] - second
        if (started >= 0 or not started & 1) and -200_000 < wall_s < 200_000:
            if day == wall[1]:
                return wall_s, len(text), 1
            if day is not None:
                more["day"] = day
            return wall_s, len(text), None
    if text:
        more["started_local"] = text
    if day is not None:
        more["day"] = day
    return None, None, None


def _read_wall(text: str) -> tuple[int, int] | None:
    """(seconds since 2020 of the wall clock, YYYYMMDD); None unless text is exactly YYYY-MM-DDThh:mm[:ss]."""
    hour = _hours.get(text[:13])
    if hour is None:
        hour = _read_hour(text[:13])
        if hour is None:
            return None
    second = _IN_HOUR.get(text[13:])
    return None if second is None else (hour[0] + second, hour[1])


_IN_HOUR = {f":{at // 60:02}:{at % 60:02}": at for at in range(3600)}
_IN_HOUR |= {f":{minute:02}": minute * 60 for minute in range(60)}
_hours: dict[str, tuple[int, int]] = {}
_HOURS_KEPT = 10_000


def _read_hour(text: str) -> tuple[int, int] | None:
    """The same of YYYY-MM-DDThh. Kept, because calls of one hour come together."""
    if len(text) != 13 or text[4] != "-" or text[7] != "-" or text[10] != "T" or not text.isascii():
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if len(_hours) >= _HOURS_KEPT:
        _hours.clear()
    seconds = (at.toordinal() - _EPOCH_DAY) * 86400 + at.hour * 3600
    _hours[text] = seconds, at.year * 10000 + at.month * 100 + at.day
    return _hours[text]
