"""Every noun and field of the box: records of the journal, legs, lines, rejects.

One name per thing: a field here, the SQLite column and the JSON key are the same word. Units stand in
the name: `_s` seconds, `_us` microseconds since 1970 UTC, `_micros` millionths of the plan's currency,
`_local` wall time of the PBX as ISO 8601 text. What is not known is None, and absent in JSON.
"""

import enum

import msgspec


class Kind(enum.IntEnum):
    """What a journal record holds."""

    CHUNK = 1  # bytes as a PBX sent them
    LINK = 2  # a feed's connection opened, was lost, had line errors (JSON)
    E1 = 3  # an event of an E1 card
    OWNER = 4  # a change by a person or a script (JSON)
    ALARM = 5  # raised or cleared (JSON)
    MARK = 6  # start, stop, clock step (JSON)
    TICK = 7  # a quiet minute; no payload


FEED = "feed"
OWNER = "owner"


def stream_of(kind: Kind) -> str:
    """The stream a kind is written to: changes by people are never deleted, bytes are kept for a set time."""
    return OWNER if kind is Kind.OWNER else FEED


class Origin(msgspec.Struct, frozen=True, order=True):
    """Where a fact came from, its name for ever.

    `position` counts uncompressed bytes of the stream over its whole life; `length` is in bytes. For a leg
    it points at the first byte of its frame inside a chunk's payload, so no two legs share one.
    """

    journal: str
    stream: str
    position: int
    length: int

    def __str__(self) -> str:
        return f"{self.journal}.{self.stream}.{self.position}.{self.length}"


def parse_origin(text: str) -> Origin:
    """The inverse of str(origin). Raises ValueError."""
    journal, stream, position, length = text.rsplit(".", 3)
    return Origin(journal, stream, int(position), int(length))


class Record(msgspec.Struct, frozen=True):
    """A record as read back from the journal.

    `position` and `size` cover the whole record; `data_position` is the stream position of payload[0].
    `real_us` is realtime, `mono_us` monotonic time of boot `boot`; `synced` says whether the clock was
    synchronised. `source` is FEED/CONNECTION for chunks and links, else the role that wrote.
    """

    kind: Kind
    stream: str
    position: int
    size: int
    seq: int
    real_us: int
    mono_us: int
    boot: str
    synced: bool
    source: str
    payload: bytes

    @property
    def data_position(self) -> int:
        return self.position + self.size - len(self.payload)


class Direction(enum.StrEnum):
    OUTGOING = "outgoing"
    INCOMING = "incoming"
    INTERNAL = "internal"
    TANDEM = "tandem"


class Leg(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One record of a PBX: one party's part in a call, with only what the record states.

    Numbers to dial are text. `extension` is the station charged or answering. Times are the PBX's wall time
    (`*_local`, ISO 8601 without offset), `*_partial` where no year is known (`MM-DDThh:mm[:ss]`, or
    `Thh:mm[:ss]` where no date is known), `started_utc` (ISO 8601, Z) where the record is certain about UTC.
    """

    format: str
    direction: str | None = None
    caller: str | None = None
    called: str | None = None
    extension: str | None = None
    trunk: str | None = None
    trunk_in: str | None = None
    auth_code: str | None = None
    account_code: str | None = None
    answered: bool | None = None
    talk_s: int | None = None
    talk_ms: int | None = None
    ring_s: int | None = None
    total_s: int | None = None
    started_local: str | None = None
    answered_local: str | None = None
    ended_local: str | None = None
    started_partial: str | None = None
    ended_partial: str | None = None
    started_utc: str | None = None
    answered_utc: str | None = None
    ended_utc: str | None = None
    condition_code: str | None = None
    cause: int | None = None
    correlation_id: str | None = None
    continues: bool | None = None
    extra: dict[str, str] | None = None
    origin: Origin | None = None


class Why(enum.StrEnum):
    """Why a frame is no leg. `FOREIGN` says "not mine"; all others "mine, but broken"."""

    FOREIGN = "foreign"  # the format does not know this shape
    TRUNCATED = "truncated"  # the connection ended inside the frame
    BAD_FIELD = "bad-field"  # the shape is right, a field cannot be read
    BAD_TIME = "bad-time"  # a date or time that cannot be
    TOO_LONG = "too-long"  # no end of frame within the format's limit
    NOISE = "noise"  # mostly bytes no PBX sends: wrong speed or framing
    UNDETECTED = "undetected"  # no format could be told yet when the source ended
    FAULT = "fault"  # this program failed on it: the log says how


class Reject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frame that did not become a leg. Stored, counted and shown; `detail` says what failed and where."""

    origin: Origin
    why: Why
    detail: str | None = None
    format: str | None = None


class Signal(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A fact about a call that is no leg of its own: a ring record, a line event."""

    format: str
    what: str
    correlation_id: str | None = None
    trunk: str | None = None
    called: str | None = None
    caller: str | None = None
    at_local: str | None = None
    at_utc: str | None = None
    ring_s: int | None = None
    extra: dict[str, str] | None = None
    origin: Origin | None = None


class Payer(enum.IntEnum):
    """Who a charged second belongs to; `none` for seconds nobody is charged for."""

    NONE = 0
    EXTENSION = 1
    TRUNK_GROUP = 2
    QUEUE = 3
    VOICEMAIL = 4
    AUTH_CODE = 5


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """A row of a call segment: one leg with the seconds, payer and prices it adds. Never changes.

    A call is the sum of its lines. `seq` is contiguous in a journal. `call_position`/`call_length` name the
    call (the Origin of its first leg in the same journal); (`call_position`, `ordinal`, `revision`) is the
    line's key; revision 0 is the first word, later ones are signed corrections with a `reason`.
    Catalogue ids (`feed`, `enterprise`, `site`, `department`, `person`, `plan`) are small integers from
    `ledger.db`; department 0 is "unassigned". `charge_micros` None = not priced, and `unpriced` says why.
    The fold fills it by position, which is 25 times faster than by name: keep the order.
    """

    seq: int
    position: int
    length: int
    call_position: int
    call_length: int
    ordinal: int = 0
    revision: int = 0
    reason: str | None = None
    feed: int = 0
    enterprise: int = 0
    site: int = 0
    department: int = 0
    person: int = 0
    format: str = ""
    direction: str | None = None
    extension: str | None = None
    caller: str | None = None
    called: str | None = None
    called_e164: str | None = None
    trunk: str | None = None
    trunk_in: str | None = None
    auth_code: str | None = None
    account_code: str | None = None
    answered: int | None = None
    talk_s: int | None = None
    ring_s: int | None = None
    total_s: int | None = None
    started_utc: int | None = None  # microseconds, like the two below
    answered_utc: int | None = None
    ended_utc: int | None = None
    day: int | None = None  # YYYYMMDD of the call's start in the site's zone
    started_local: str | None = None  # wall time of the PBX in full, for the page
    # 1 = year inferred, 2 = date inferred, 4 = repeated autumn hour (the earlier of two is shown), 8 = receive
    # time used, 16 = in the hour skipped in spring, 32 = more than a year before or 2 days after its receipt
    time_flags: int = 0
    condition_code: str | None = None
    cause: int | None = None
    correlation_id: str | None = None
    state: str = "closed"
    payer_kind: int = 0
    payer: str | None = None
    charged_s: int | None = None
    destination: str | None = None
    plan: int | None = None
    currency: str | None = None
    cost_micros: int | None = None
    charge_micros: int | None = None
    reference_micros: int | None = None
    unpriced: str | None = None


class Scope(msgspec.Struct, frozen=True):
    """What a reader may see. None as a set means all below; the empty scope sees nothing."""

    enterprises: frozenset[int] | None = frozenset()
    sites: frozenset[int] | None = None
    departments: frozenset[int] | None = None


EVERYTHING = Scope(enterprises=None)
NOTHING = Scope()


class RejectRow(msgspec.Struct, frozen=True):
    """A reject as the store keeps it: with the feed and source it came from and the receive time."""

    reject: Reject
    feed: int
    source: str
    at_us: int


class Setting(msgspec.Struct, frozen=True):
    """The latest value of one owner's key. `version` is the seq of the record that set it; None = deleted."""

    kind: str
    key: str
    value: object
    version: int


class DirectoryRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who an extension of a site belongs to. `removed` rows take it out of the directory."""

    site: str
    extension: str
    person: str | None = None
    department: str | None = None
    enterprise: str | None = None
    removed: bool = False


class CatalogueRow(msgspec.Struct, frozen=True):
    """A name behind a small number in lines. kind: feed, enterprise, site, department, person, plan."""

    kind: str
    id: int
    name: str
    enterprise: int = 1
    value: object = None  # of a plan: its tree


class Outcome(msgspec.Struct, frozen=True):
    """The fold's answer to one owner record."""

    seq: int
    origin: str
    id: str
    kind: str
    key: str
    state: str  # applied, refused
    why: str | None
    who: str
    when_us: int
    value: object = None
    reason: str | None = None  # the person's own


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a person or script changes; the payload of an OWNER record. `value` None deletes.

    `expects` is the version (seq of the record that set it) the writer had seen, 0 = must not exist yet, None =
    do not compare. `id` is the idempotency key: the same change handed in twice counts once.
    """

    kind: str
    key: str
    value: object
    expects: int | None = None
    who: str
    when_us: int
    why: str = ""
    id: str


class FeedStats(msgspec.Struct, omit_defaults=True):
    """Counts of a feed since the journal began, and what is known about its format."""

    format: str | None = None
    sure: bool = False
    evidence: str | None = None
    legs: int = 0
    signals: int = 0
    rejects: int = 0
    skips: int = 0
    last_us: int | None = None


class Step(msgspec.Struct, kw_only=True):
    """What the fold made of a batch of journal records; the store commits it as a whole.

    `settings`, `directory`, `catalogue` and `sources` hold only what changed. `postings` are signed sums by
    (account, currency, day) with the count of lines; over all accounts of a currency they add up to zero.
    `sources` are states of decoders by source (None = gone), `state` the rest of the fold's memory. `rolls` are the
    seqs of lines with which a new month of journal time began: segments end there.
    """

    lines: list[Line]
    rejects: list[RejectRow]
    outcomes: list[Outcome]
    settings: list[Setting]
    directory: list[DirectoryRow]
    catalogue: list[CatalogueRow]
    postings: dict[tuple[str, str, int], tuple[int, int]]
    feeds: dict[int, FeedStats]
    sources: dict[str, bytes | None]
    book: bytes | None  # sites, directory, plans as the ledger dumps them; None = not changed
    state: bytes
    watermark: dict[str, int]
    journal: str
    journal_time_us: int
    next_seq: int
    fold_version: str
    rolls: list[int] = []


class Saved(msgspec.Struct, kw_only=True):
    """What the store holds of the fold: all it needs to go on. An empty store gives the defaults."""

    watermark: dict[str, int] = {}
    journal: str | None = None
    next_seq: int = 1
    state: bytes | None = None
    book: bytes | None = None
    sources: dict[str, bytes] = {}
    settings: list[Setting] = []
    directory: list[DirectoryRow] = []
    catalogue: list[CatalogueRow] = []
    feeds: dict[int, FeedStats] = {}
