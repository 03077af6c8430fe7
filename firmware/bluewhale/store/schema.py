"""The tables of a call segment, and the view that reads them as model.Line.

A segment keeps what repeats apart from what does not: `party` (who), `context` (what kind of line) and `word`
(trunks, destinations) are small dictionaries of the same file, so that a row of `line` costs some 65 bytes.
Nobody needs to know that to read it: the view `call_line` has the names and values of model.Line. All writing
goes through pack.py, all reading through the view.
"""

VERSION = 1
EPOCH_S = 1577836800  # 2020-01-01 UTC: times in `line` count from here
EPOCH_US = EPOCH_S * 1_000_000
BLOCK_BITS = 12  # a row of `block` tells what 4,096 lines span

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE watermark (journal TEXT, stream TEXT, position INTEGER NOT NULL,"
    " PRIMARY KEY (journal, stream)) WITHOUT ROWID",
    "CREATE TABLE fold (first_seq INTEGER PRIMARY KEY, fold_version TEXT NOT NULL)",
    "CREATE TABLE word (id INTEGER PRIMARY KEY, word TEXT NOT NULL)",
    "CREATE TABLE party (id INTEGER PRIMARY KEY, enterprise INTEGER, site INTEGER, department INTEGER,"
    " person INTEGER, extension TEXT)",
    # joined: 1 = not the first line of its call. payer_is: 1 the extension, 2 the trunk, 3 see `more`.
    # wall_s: started_local less UTC; wall_form: its letters. day_is: 1 date of started_local, 2 see `more`.
    # e164_strip, e164_head: called_e164 is the head and what is left of `called` after so many digits.
    "CREATE TABLE context (id INTEGER PRIMARY KEY, feed INTEGER, format TEXT, direction TEXT, answered INTEGER,"
    " joined INTEGER, ordinal INTEGER, revision INTEGER, reason TEXT, state TEXT, payer_kind INTEGER,"
    " payer_is INTEGER, time_flags INTEGER, wall_s INTEGER, wall_form INTEGER, day_is INTEGER,"
    " e164_strip INTEGER, e164_head TEXT, condition_code TEXT, cause INTEGER, plan INTEGER, currency TEXT,"
    " unpriced TEXT)",
    # caller, called: 0 = the extension; 1 and digits = those digits; 2 and digits = + and those digits; else text.
    # started: twice the seconds since 2020, or twice the microseconds and 1. answered, ended: the same since
    # started; 1 = started + ring_s, and answered (or started) + talk_s. charged: charged_s less talk_s.
    "CREATE TABLE line (seq INTEGER PRIMARY KEY, party INTEGER, context INTEGER, position INTEGER,"
    " length INTEGER, caller, called, trunk INTEGER, destination INTEGER, talk_s INTEGER, ring_s INTEGER,"
    " total_s INTEGER, started INTEGER, answered INTEGER, ended INTEGER, correlation, charged INTEGER,"
    " cost_micros INTEGER, charge_micros INTEGER, reference_micros INTEGER, more TEXT)",
    "CREATE TABLE joined (seq INTEGER PRIMARY KEY, call_position INTEGER, call_length INTEGER)",
    "CREATE TABLE block (id INTEGER PRIMARY KEY, low_position INTEGER, high_position INTEGER,"
    " low_started INTEGER, high_started INTEGER)",
    "CREATE INDEX joined_call ON joined (call_position)",
    "CREATE INDEX party_extension ON party (extension)",
)

# Each is small because it holds only the rows that can be asked for; the rowid in it is the seq.
INDEXES = {
    "line_party": "CREATE INDEX IF NOT EXISTS line_party ON line (party)",
    "line_called": "CREATE INDEX IF NOT EXISTS line_called ON line (called) WHERE called > 1",
    "line_caller": "CREATE INDEX IF NOT EXISTS line_caller ON line (caller) WHERE caller > 1",
    "line_called_tail": "CREATE INDEX IF NOT EXISTS line_called_tail ON line (called % 10000) WHERE called > 1",
    "line_caller_tail": "CREATE INDEX IF NOT EXISTS line_caller_tail ON line (caller % 10000) WHERE caller > 1",
}


def _number(column: str) -> str:
    return (
        f"CASE typeof({column}) WHEN 'integer' THEN CASE {column} WHEN 0 THEN p.extension ELSE"
        f" CASE substr({column}, 1, 1) WHEN '2' THEN '+' || substr({column}, 2) ELSE substr({column}, 2) END END"
        f" ELSE {column} END"
    )


def _span(column: str) -> str:
    """A time code as microseconds."""
    return f"CASE {column} & 1 WHEN 0 THEN {column} * 500000 ELSE ({column} - 1) / 2 END"


STARTED = f"({_span('l.started')} + {EPOCH_US})"
_BASE = f"coalesce({STARTED}, {EPOCH_US})"
_ANSWERED = (
    f"CASE WHEN l.answered = 1 THEN {STARTED} + coalesce(l.ring_s, 0) * 1000000"
    f" ELSE {_BASE} + {_span('l.answered')} END"
)
_ENDED = (
    f"CASE WHEN l.ended = 1 THEN coalesce({_ANSWERED}, {STARTED}) + l.talk_s * 1000000"
    f" ELSE {_BASE} + {_span('l.ended')} END"
)
_SECONDS = "CASE l.started & 1 WHEN 0 THEN l.started / 2 ELSE (l.started - 1) / 2 / 1000000 END"
WALL_S = f"({_SECONDS} + x.wall_s + {EPOCH_S})"  # started_local, as seconds since 1970 of the wall clock
_FORM = "CASE x.wall_form WHEN 16 THEN '%Y-%m-%dT%H:%M' ELSE '%Y-%m-%dT%H:%M:%S' END"
_LOCAL = f"strftime({_FORM}, {WALL_S}, 'unixepoch')"
_DATE = f"CAST(strftime('%Y%m%d', {WALL_S}, 'unixepoch') AS INTEGER)"
_CALLED = _number("l.called")


def _more(name: str, otherwise: str = "") -> str:
    """A field that may lie in `more`, else `otherwise`."""
    found = f"json_extract(l.more, '$.{name}')"
    return (
        f"CASE WHEN l.more IS NULL THEN {otherwise} ELSE coalesce({found}, {otherwise}) END"
        if otherwise
        else found
    )


BASE = "(SELECT value FROM meta WHERE name = 'base_position')"

# model.Line, field by field and in its order.
LINE = {
    "seq": "l.seq",
    "position": f"l.position + {BASE}",
    "length": "l.length",
    "call_position": f"coalesce(j.call_position, l.position + {BASE})",
    "call_length": "coalesce(j.call_length, l.length)",
    "ordinal": "x.ordinal",
    "revision": "x.revision",
    "reason": "x.reason",
    "feed": "x.feed",
    "enterprise": "p.enterprise",
    "site": "p.site",
    "department": "p.department",
    "person": "p.person",
    "format": "x.format",
    "direction": "x.direction",
    "extension": "p.extension",
    "caller": _number("l.caller"),
    "called": _CALLED,
    "called_e164": _more("called_e164", f"coalesce(x.e164_head, '') || substr({_CALLED}, x.e164_strip + 1)"),
    "trunk": "t.word",
    "trunk_in": _more("trunk_in"),
    "auth_code": _more("auth_code"),
    "account_code": _more("account_code"),
    "answered": "x.answered",
    "talk_s": "l.talk_s",
    "ring_s": "l.ring_s",
    "total_s": "l.total_s",
    "started_utc": _more("started_utc", STARTED),
    "answered_utc": _more("answered_utc", _ANSWERED),
    "ended_utc": _more("ended_utc", _ENDED),
    "day": _more("day", f"CASE x.day_is WHEN 1 THEN {_DATE} END"),
    "started_local": _more("started_local", _LOCAL),
    "time_flags": "x.time_flags",
    "condition_code": "x.condition_code",
    "cause": "x.cause",
    "correlation_id": _number("l.correlation"),
    "state": "x.state",
    "payer_kind": "x.payer_kind",
    "payer": _more("payer", "CASE x.payer_is WHEN 1 THEN p.extension WHEN 2 THEN t.word END"),
    "charged_s": _more("charged_s", "l.charged + coalesce(l.talk_s, 0)"),
    "destination": "d.word",
    "plan": "x.plan",
    "currency": "x.currency",
    "cost_micros": "l.cost_micros",
    "charge_micros": "l.charge_micros",
    "reference_micros": "l.reference_micros",
    "unpriced": "x.unpriced",
}
JOINS = (
    "line l JOIN party p ON p.id = l.party JOIN context x ON x.id = l.context"
    " LEFT JOIN word t ON t.id = l.trunk LEFT JOIN word d ON d.id = l.destination"
    " LEFT JOIN joined j ON j.seq = l.seq"
)
VIEW = (
    "CREATE VIEW call_line AS SELECT "
    + ", ".join(f"{how} AS {name}" for name, how in LINE.items())
    + f" FROM {JOINS}"
)
