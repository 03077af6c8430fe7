"""The first schema of ledger.db. Key columns cannot be NULL: `-` stands for none, day 0 for no day."""

from sqlite_utils import Database

# Measures of an aggregate row: lines, calls (first lines), answered calls, seconds, amounts, not priced.
MEASURES = (
    "lines INTEGER NOT NULL, calls INTEGER NOT NULL, answered INTEGER NOT NULL, talk_s INTEGER NOT NULL,"
    " cost_micros INTEGER NOT NULL, charge_micros INTEGER NOT NULL, reference_micros INTEGER NOT NULL,"
    " unpriced INTEGER NOT NULL"
)

TABLES = (
    # Where the fold stands. `seq` is the last line counted here; `generation` grows when a name or setting changes.
    "CREATE TABLE fold (id INTEGER PRIMARY KEY CHECK (id = 1), journal TEXT NOT NULL, seq INTEGER NOT NULL,"
    " journal_time_us INTEGER NOT NULL, fold_version TEXT NOT NULL, generation INTEGER NOT NULL, state BLOB, book BLOB)",
    "CREATE TABLE fold_watermark (journal TEXT, stream TEXT, position INTEGER NOT NULL,"
    " PRIMARY KEY (journal, stream)) WITHOUT ROWID",
    "CREATE TABLE decoder_state (source TEXT PRIMARY KEY, state BLOB NOT NULL)",
    "CREATE TABLE feed_stat (feed INTEGER PRIMARY KEY, format TEXT, sure INTEGER NOT NULL, evidence TEXT,"
    " legs INTEGER NOT NULL, signals INTEGER NOT NULL, rejects INTEGER NOT NULL, skips INTEGER NOT NULL,"
    " last_us INTEGER)",
    "CREATE TABLE catalogue (kind TEXT, id INTEGER, name TEXT NOT NULL, enterprise INTEGER, value TEXT,"
    " PRIMARY KEY (kind, id)) WITHOUT ROWID",
    "CREATE TABLE setting (kind TEXT, key TEXT, value TEXT NOT NULL, version INTEGER NOT NULL,"
    " PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "CREATE TABLE directory (site TEXT, extension TEXT, person TEXT, department TEXT, enterprise TEXT,"
    " PRIMARY KEY (site, extension)) WITHOUT ROWID",
    # Calls that await legs, and where a late leg finds its call again; both end by journal time.
    "CREATE TABLE open_call (journal TEXT, position INTEGER, length INTEGER NOT NULL, feed INTEGER NOT NULL,"
    " expires_us INTEGER NOT NULL, value TEXT, PRIMARY KEY (journal, position)) WITHOUT ROWID",
    "CREATE TABLE call_key (feed INTEGER, key TEXT, journal TEXT, position INTEGER, length INTEGER NOT NULL,"
    " expires_us INTEGER NOT NULL, PRIMARY KEY (feed, key, journal, position)) WITHOUT ROWID",
    # Double entry: over all accounts of a currency the amounts of a day add up to zero.
    "CREATE TABLE account (account TEXT, currency TEXT, balance_micros INTEGER NOT NULL, lines INTEGER NOT NULL,"
    " PRIMARY KEY (account, currency)) WITHOUT ROWID",
    "CREATE TABLE posting (day INTEGER, account TEXT, currency TEXT, amount_micros INTEGER NOT NULL,"
    " lines INTEGER NOT NULL, PRIMARY KEY (day, account, currency)) WITHOUT ROWID",
    "CREATE TABLE daily_extension (day INTEGER, enterprise INTEGER, site INTEGER, department INTEGER,"
    f" person INTEGER, extension TEXT, direction TEXT, currency TEXT, {MEASURES}, PRIMARY KEY (day, enterprise,"
    " site, department, person, extension, direction, currency)) WITHOUT ROWID",
    "CREATE TABLE daily_destination (day INTEGER, enterprise INTEGER, site INTEGER, department INTEGER,"
    f" destination TEXT, direction TEXT, currency TEXT, {MEASURES}, PRIMARY KEY (day, enterprise, site, department,"
    " destination, direction, currency)) WITHOUT ROWID",
    "CREATE TABLE reject (id INTEGER PRIMARY KEY, journal TEXT NOT NULL, stream TEXT NOT NULL,"
    " position INTEGER NOT NULL, length INTEGER NOT NULL, feed INTEGER NOT NULL, source TEXT NOT NULL,"
    " at_us INTEGER NOT NULL, why TEXT NOT NULL, format TEXT, detail TEXT)",
    "CREATE TABLE reject_count (feed INTEGER, why TEXT, rejects INTEGER NOT NULL, PRIMARY KEY (feed, why)) WITHOUT ROWID",
    "CREATE TABLE owner_change (seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,"
    " key TEXT NOT NULL, state TEXT NOT NULL, why TEXT, who TEXT NOT NULL, when_us INTEGER NOT NULL, value TEXT,"
    " reason TEXT)",
    "CREATE INDEX owner_change_origin ON owner_change (origin)",
    "CREATE INDEX owner_change_id ON owner_change (id)",
    # Sealed segments, with what their manifests say.
    "CREATE TABLE segment (number INTEGER PRIMARY KEY, journal TEXT NOT NULL, first_seq INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL, lines INTEGER NOT NULL, bytes INTEGER NOT NULL, low_position INTEGER,"
    " high_position INTEGER, low_started INTEGER, high_started INTEGER, talk_s INTEGER NOT NULL,"
    " charges TEXT NOT NULL, sha256 TEXT NOT NULL)",
)


def apply(db: Database) -> None:
    for statement in TABLES:
        db.execute(statement)
