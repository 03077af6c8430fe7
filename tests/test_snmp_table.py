"""The agent's sorted table, its values, keys and access rules, without a process."""

import hashlib
import stat
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluewhale.config import Config
from bluewhale.health import reads
from bluewhale.health.feeds import SECOND
from bluewhale.snmp import keys, oids, settings, table, values
from bluewhale.snmp.access import READER, Sender, may_read
from bluewhale.snmp.objects import SCALARS, TABLES, System, View
from bluewhale.snmp.source import Source
from snmp_peers import Health, feed, role

SYSTEM = System("1", "Bluewhale", "", "box", "", 0)
NOW = 1_789_385_530 * SECOND


def view(feeds: int = 3, roles: int = 2) -> View:
    health = reads.Snapshot(
        box=reads.Box(health="h", time_us=NOW - 2 * SECOND),
        feeds=[msgspec.structs.replace(feed(f"f{n}"), id=n * 7 + 1) for n in range(feeds)],
        roles=[msgspec.structs.replace(role(f"r{n}"), id=n + 1) for n in range(roles)],
    )
    return View(health, SYSTEM, NOW, 5 * SECOND)


def walk(answers: table.Sorted) -> list[tuple[oids.Oid, object]]:
    found, at = [], table.after(answers, (0, 0))
    while at is not None:
        found.append(at)
        at = table.after(answers, at[0])
    return found


def test_a_walk_meets_every_instance_once_in_order() -> None:
    answers = table.build(view())
    names = [name for name, _ in walk(answers)]
    assert names == sorted(set(names))
    known = [s for s in SCALARS if s.read(view()) is not None]
    assert len(names) == len(known) + 3 * len(TABLES[0].columns) + 2 * len(TABLES[1].columns)
    for name, value in walk(answers):
        assert table.get(answers, name) == value and table.is_object(name)
    assert table.get(answers, (*oids.FEED_ENTRY, 2, 2)) is None
    assert table.is_object((*oids.FEED_ENTRY, 2, 2)) and not table.is_object((*oids.FEED_ENTRY, 99, 1))
    assert table.after(answers, names[-1]) is None


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20).map(tuple))
def test_next_is_the_least_name_above(name: tuple[int, ...]) -> None:
    answers = table.build(view())
    above = [n for n in answers.names if n > name]
    found = table.after(answers, name)
    assert (found[0] if found else None) == (min(above) if above else None)


def test_what_is_not_known_is_absent() -> None:
    answers = table.build(View(reads.Snapshot(), SYSTEM, NOW, 0))
    names = {name for name, _ in walk(answers)}
    assert (*oids.BOX, 5, 0) not in names and (*oids.SYSTEM, 1, 0) in names
    assert int(table.get(answers, (*oids.BOX, 22, 0))) == 0


def test_values_of_a_feed() -> None:
    silent = feed("x", id=1, last_us=None, format=None, state="a-later-state", losses=2**32 + 5, rate=-1)
    health = reads.Snapshot(feeds=[silent])
    cells = {c.name: c.syntax.make(c.read(silent, View(health, SYSTEM, NOW, 0))) for c in TABLES[0].columns}
    assert (
        int(cells["bwFeedState"]) == 0 and int(cells["bwFeedSilence"]) == -1 and int(cells["bwFeedRate"]) == 0
    )
    assert bytes(cells["bwFeedLastRecord"]) == bytes(8) and bytes(cells["bwFeedFormat"]) == b""
    assert int(cells["bwFeedLosses"]) == 5 and int(cells["bwFeedBytes"]) == 2**40
    assert bytes(cells["bwFeedSince"]) == bytes([7, 234, 9, 14, 11, 23, 20, 0]) + b"+\0\0"


@given(st.text(max_size=400))
def test_any_text_fits_its_255_bytes_and_is_cut_between_characters(text: str) -> None:
    octets = bytes(values.TEXT.make(text))
    assert len(octets) <= 255
    whole = text.encode("utf-8", "replace")
    assert whole.startswith(octets) and octets.decode("utf-8") is not None
    assert octets == whole or len(octets) > 250


@given(st.integers(-(2**70), 2**70))
def test_any_number_fits_its_type(number: int) -> None:
    for kind in (values.GAUGE, values.COUNTER, values.COUNTER64, values.SECONDS):
        kind.make(number)
    values.date_octets(number % 2**60)


def test_who_may_read() -> None:
    users = frozenset({"noc"})
    assert may_read(Sender(3, "noc", 3), users, False)
    assert not may_read(Sender(3, "noc", 2), users, True)
    assert not may_read(Sender(3, "noc", 1), users, True)
    assert not may_read(Sender(3, "", 3), users, True)
    assert not may_read(Sender(3, READER, 3), users, True)
    assert may_read(Sender(2, READER, 1), users, True)
    assert not may_read(Sender(2, READER, 1), users, False)
    assert not may_read(Sender(1, READER, 1), users, True)


def test_keys_are_localized_and_kept_to_their_owner(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path / "data"))
    engine = keys.engine(config)
    assert keys.engine(config) == engine and len(bytes.fromhex(engine.id)) == 17
    made = keys.localize(engine.id, "correct horse", "battery staple")
    whole = (b"correct horse" * 100_000)[: 1 << 20]
    ku = hashlib.sha256(whole).digest()
    assert bytes.fromhex(made.auth) == hashlib.sha256(ku + bytes.fromhex(engine.id) + ku).digest()
    assert len(bytes.fromhex(made.priv)) == 16
    keys.save(config, "noc", made)
    file = keys.user_file(config, "noc")
    assert keys.load(config, "noc") == made and b"horse" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert keys.load(config, "other") is None
    file.write_bytes(b"{")
    with pytest.raises(keys.KeyFault, match=r"noc\.json"):
        keys.load(config, "noc")


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a" * 33, "a/b", "a b", "é"])
def test_names_that_are_no_file_names(name: str) -> None:
    with pytest.raises(keys.KeyFault):
        keys.check_name(name)


@pytest.mark.parametrize("passphrase", ["", "short", "tab\tinside", "x" * 2000])
def test_passphrases_that_cannot_be_used(passphrase: str) -> None:
    with pytest.raises(keys.KeyFault):
        keys.localize("80007ed905", passphrase, "long enough")
    with pytest.raises(keys.KeyFault):
        keys.localize("80007ed905", "long enough", passphrase)


def test_boots_count_and_the_id_stays(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    started = [keys.start(config) for _ in range(3)]
    assert [engine.boots for engine in started] == [1, 2, 3] and len({engine.id for engine in started}) == 1
    keys.engine_file(config).write_bytes(msgspec.json.encode(keys.Engine(started[0].id, keys.MOST_BOOTS)))
    with pytest.raises(keys.KeyFault, match="set keys anew"):
        keys.start(config)


def test_addresses() -> None:
    assert settings.address("192.0.2.7") == ("192.0.2.7", 162)
    assert settings.address("192.0.2.7:1162") == ("192.0.2.7", 1162)
    assert settings.address("2001:db8::7") == ("2001:db8::7", 162)
    assert settings.address("[2001:db8::7]:1162") == ("2001:db8::7", 1162)
    for wrong in ("", "noc.example.org", "192.0.2.7:0", "192.0.2.7:x", "192.0.2.7:70000", "1:2:3"):
        with pytest.raises(keys.KeyFault):
            settings.address(wrong)


def test_settings_with_faults_leave_the_good_ones(tmp_path: Path) -> None:
    config = Config(data=str(tmp_path))
    engine = keys.engine(config)
    keys.save(config, "noc", keys.localize(engine.id, "long enough", "long enough"))
    keys.save(config, "moved", keys.localize("80007ed905", "long enough", "long enough"))
    keys.save_community(config, "b", "public")
    found, faults = settings.users(config, {"users": ["noc", "moved", "nokeys", "../x"]}, engine.id)
    assert list(found) == ["noc"] and len(faults) == 3
    tree = {
        "receivers": [
            {"name": "a", "address": "192.0.2.7:162", "user": "noc"},
            {"name": "b", "address": "192.0.2.8", "community": "set"},
            {"name": "c", "address": "192.0.2.9", "community": "set"},
            {"name": "d", "address": "nowhere", "user": "noc"},
        ]
    }
    receivers, faults = settings.receivers(config, tree)
    assert [(r.name, r.user, r.community) for r in receivers] == [("a", "noc", None), ("b", None, "public")]
    assert len(faults) == 2
    assert settings.read(config) == {}


def test_the_source_caches_and_notices_another_file(tmp_path: Path) -> None:
    file = tmp_path / "health.db"
    source = Source(file, SYSTEM)
    assert table.get(source.answers(), (*oids.BOX, 6, 0)) is None
    config = Config(data=str(tmp_path))
    health = Health(config)
    health.write()
    assert table.get(source.answers(), (*oids.BOX, 6, 0)) is None  # a second old at most
    source.read_mono -= 2 * SECOND
    assert int(table.get(source.answers(), (*oids.BOX, 6, 0))) == 11
    health.store.close()
    for part in tmp_path.glob("health.db*"):
        part.unlink()
    other = Health(config)
    other.write(box=other.box(calls=77))
    source.read_mono -= 2 * SECOND
    assert int(table.get(source.answers(), (*oids.BOX, 6, 0))) == 77
    file.write_bytes(b"no database")
    source.read_mono -= 2 * SECOND
    assert int(table.get(source.answers(), (*oids.BOX, 6, 0))) == 77
    source.close()


def test_128_feeds_are_built_quickly() -> None:
    whole = view(128, 7)
    table.build(whole)
    started = time.process_time()
    for _ in range(10):
        table.build(whole)
    assert (time.process_time() - started) / 10 < 0.05
