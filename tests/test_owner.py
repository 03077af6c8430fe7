"""Owner records: applied or refused, with a reason a person understands."""

from typing import Any

import pytest

from bluewhale.ledger import pipeline, settings
from bluewhale.ledger.owner_fold import REMEMBERED_IDS
from bluewhale.model import Kind, Saved, Step
from folding import Journal


def fresh() -> pipeline.State:
    return pipeline.restore(Saved(), "UTC", "ab" * 8, "v")


def fold(journal: Journal, state: pipeline.State | None = None) -> Step:
    records, journal.records = journal.records, []
    return pipeline.advance(state or fresh(), records)


def test_a_change_is_applied_and_its_version_is_its_seq() -> None:
    journal, state = Journal(), fresh()
    journal.tick()
    journal.owner("site", "main", {"zone": "Asia/Shanghai", "country": "86", "area": "10"}, why="we moved")
    step = fold(journal, state)
    assert [(o.state, o.why, o.reason, o.seq) for o in step.outcomes] == [("applied", None, "we moved", 2)]
    assert [(s.kind, s.key, s.version) for s in step.settings] == [("site", "main", 2)]
    assert state.book.sites["main"].zone == "Asia/Shanghai"
    assert step.book is not None


def test_a_stale_version_is_refused_and_changes_nothing() -> None:
    journal, state = Journal(), fresh()
    journal.owner("site", "main", {"zone": "Asia/Shanghai"})
    journal.owner("site", "main", {"zone": "Europe/Berlin"}, expects=1)
    journal.owner("site", "main", {"zone": "Europe/London"}, expects=1)
    step = fold(journal, state)
    assert [o.state for o in step.outcomes] == ["applied", "applied", "refused"]
    assert "changed meanwhile (version 2, not 1)" in str(step.outcomes[2].why)
    assert state.book.sites["main"].zone == "Europe/Berlin"
    assert len(step.settings) == 2


def test_expects_zero_means_must_not_exist() -> None:
    journal = Journal()
    feed = {"url": "udp:514"}
    journal.owner("feed", "a", feed, expects=0)
    journal.owner("feed", "a", feed, expects=0)
    journal.owner("feed", "a", None)
    journal.owner("feed", "a", feed, expects=0)
    journal.owner("feed", "a", None, expects=3)
    assert [o.state for o in fold(journal).outcomes] == [
        "applied", "refused", "applied", "applied", "refused",
    ]  # fmt: skip


def test_the_same_change_handed_in_twice_counts_once() -> None:
    journal, state = Journal(), fresh()
    journal.owner("feed", "a", {"url": "udp:514"}, id="x")
    journal.owner("feed", "a", {"url": "udp:515"}, id="x")
    journal.owner("feed", "b", {"url": "ftp:515"}, id="y")
    journal.owner("feed", "b", {"url": "udp:515"}, id="y")
    step = fold(journal, state)
    assert [o.state for o in step.outcomes] == ["applied", "applied", "refused", "refused"]
    assert state.feeds["a"].setting.url == "udp:514"
    assert "b" not in state.feeds
    assert len(step.settings) == 1


def test_ids_are_remembered_over_a_restart_and_not_for_ever() -> None:
    journal, state = Journal(), fresh()
    for number in range(REMEMBERED_IDS + 10):
        journal.owner("setup", "done", {"by": str(number)})
    step = fold(journal, state)
    assert len(state.owner.seen) == REMEMBERED_IDS
    again = pipeline.restore(
        Saved(state=step.state, book=step.book, settings=step.settings), "UTC", "ab" * 8, "v"
    )
    assert again.owner.seen == state.owner.seen


def test_what_is_no_change_is_refused_and_named() -> None:
    journal = Journal()
    journal.add(Kind.OWNER, "web", b"{not json")
    journal.add(Kind.OWNER, "web", b'{"kind":"site"}')
    journal.add(Kind.OWNER, "web", b"\xff\xfe")
    journal.owner("colour", "page", {"is": "blue"})
    assert [(o.state, str(o.why)[:12]) for o in fold(journal).outcomes] == [
        ("refused", "not a change"), ("refused", "not a change"), ("refused", "not a change"),
        ("refused", "unknown kind"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "key", "value", "why"),
    [
        ("feed", "a", {"url": "carrier-pigeon:3"}, "url"),
        ("feed", "a", {"url": "udp"}, "url"),
        ("feed", "a", {}, "url"),
        ("feed", "a/b", {"url": "udp:514"}, "no name"),
        ("feed", "", {"url": "udp:514"}, "no name"),
        ("feed", "a", {"url": "udp:514", "colour": "blue"}, "colour"),
        ("feed", "a", {"url": "udp:514", "site": "moon"}, "no site moon"),
        ("feed", "a", {"url": "udp:514", "allow": ["10.0.0.0/8", "x"]}, "'x'"),
        ("feed", "a", {"url": "udp:514", "format": "abacus"}, "abacus"),
        ("feed", "a", {"url": "udp:514", "format": "avaya-ipoffice", "options": {"colour": 1}}, "colour"),
        ("feed", "a", {"url": "udp:514", "options": {"zone": "Moon/Tranquility"}}, "Moon/Tranquility"),
        ("feed", "a", {"url": "udp:514", "options": {"zone": 7}}, "zone"),
        ("feed", "a", None, "no feed a"),
        ("format", "a", {"format": "avaya-ipoffice"}, "no feed a"),
        ("user", "ann", {"role": "king", "scope": {}}, "king"),
        ("user", "ann", {"role": "viewer"}, "scope"),
        ("user", "ann", {"role": "viewer", "scope": {"planets": ["moon"]}}, "planets"),
        ("user", "ann", {"role": "viewer", "scope": {"sites": "all"}}, "scope.sites"),
        ("user", "ann", "viewer", "object"),
        ("snmp-receiver", "noc", {"address": "127.0.0.1", "user": "noc"}, "HOST:PORT"),
        ("snmp-receiver", "noc", {"address": "127.0.0.1:99999", "user": "noc"}, "HOST:PORT"),
        ("snmp-receiver", "noc", {"address": "127.0.0.1:162"}, "user or community"),
        ("site", "main", {"zone": "Moon/Tranquility"}, "zone"),
        ("pricing", "default", {"charge": "nothing"}, "nothing"),
        ("directory", "extensions", {"set": [{"site": "moon", "extension": "1"}]}, "moon"),
    ],
)
def test_a_rule_refuses_and_says_why(kind: str, key: str, value: Any, why: str) -> None:
    journal, state = Journal(), fresh()
    before = state.book
    journal.owner(kind, key, value)
    step = fold(journal, state)
    assert [o.state for o in step.outcomes] == ["refused"]
    assert why in str(step.outcomes[0].why)
    assert state.book is before
    assert not step.settings
    assert not state.owner.settings


def test_the_last_administrator_stays() -> None:
    journal = Journal()
    scope = {"enterprises": None, "sites": None, "departments": None}
    journal.owner("user", "ann", {"role": "administrator", "scope": scope, "language": "en"})
    journal.owner("user", "ann", None)
    journal.owner("user", "ann", {"role": "viewer", "scope": scope, "language": "en"})
    journal.owner("user", "ben", {"role": "administrator", "scope": scope, "language": "zh"})
    journal.owner("user", "ann", None)
    assert [o.state for o in fold(journal).outcomes] == [
        "applied", "refused", "refused", "applied", "applied",
    ]  # fmt: skip


def test_a_site_with_feeds_stays() -> None:
    journal = Journal()
    journal.owner("site", "plant", {"zone": "Asia/Shanghai"})
    journal.owner("feed", "a", {"url": "udp:514", "site": "plant"})
    journal.owner("site", "plant", None)
    outcomes = fold(journal).outcomes
    assert [o.state for o in outcomes] == ["applied", "applied", "refused"]
    assert outcomes[2].why == "feed a stands at site plant"


def test_a_directory_change_is_stored_as_rows() -> None:
    journal = Journal()
    row = {"site": "main", "extension": "201", "person": "Ann", "department": "Sales"}
    journal.owner("directory", "extensions", {"set": [row], "remove": []})
    journal.owner("directory", "extensions", {"set": [], "remove": [{"site": "main", "extension": "201"}]})
    step = fold(journal)
    assert [(r.extension, r.department, r.removed) for r in step.directory] == [
        ("201", "Sales", False), ("201", None, True),
    ]  # fmt: skip
    assert [s.value for s in step.settings] == [{"rows": 1}, {"rows": 1}]
    assert {(c.kind, c.name) for c in step.catalogue} >= {("department", "Sales"), ("person", "Ann")}


def test_each_role_gets_its_settings() -> None:
    journal, state = Journal(), fresh()
    journal.owner("feed", "b", {"url": "udp:514", "watch": {"lost_after_s": 5}})
    journal.owner("feed", "a", {"url": "tcp-listen:9000", "enabled": False})
    journal.owner("user", "ann", {"role": "viewer", "scope": {}, "language": "en"})
    journal.owner("token", "t1", {"name": "script", "role": "viewer", "scope": {}})
    journal.owner("snmp-user", "noc", {})
    journal.owner("snmp-receiver", "noc", {"address": "127.0.0.1:1162", "user": "noc"})
    fold(journal, state)
    declared: list[dict[str, object]] = [{"name": "b", "url": "udp:999", "format": "auto", "site": "main"}]
    feeds = settings.published(state.owner.settings, "capture", declared)["feeds"]
    assert isinstance(feeds, list)
    assert [(f["name"], f["url"], f["source"], f["enabled"]) for f in feeds] == [
        ("a", "tcp-listen:9000", "owner", False), ("b", "udp:999", "file", True),
    ]  # fmt: skip
    assert settings.published(state.owner.settings, "health", [])["feeds"] != []
    web = settings.published(state.owner.settings, "web", [])
    assert (list(web["users"]), list(web["tokens"]), web["setup_done"]) == (["ann"], ["t1"], False)
    assert settings.published(state.owner.settings, "snmp", []) == {
        "users": ["noc"],
        "receivers": [{"name": "noc", "address": "127.0.0.1:1162", "user": "noc"}],
    }
