"""The role snmp with net-snmp as its managers: reads, refusals, hostile packets, restarts."""

import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bluewhale.snmp import oids
from bluewhale.snmp.objects import SCALARS, TABLES
from snmp_peers import AUTH, PRIV, Health, Peer, agent, feed, role
from waiting import until

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
V3 = ("-v3", "-u", "noc", "-a", "SHA-256", "-A", AUTH, "-x", "AES", "-X", PRIV)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with agent(tmp_path_factory.mktemp("agent")) as peer:
        health = Health(peer.config)
        feeds = [feed(f"pbx-{n:03}", state="LOST" if n == 5 else "LIVE") for n in range(128)]
        health.write(feeds=feeds, roles=[role("capture"), role("ledger", state="hung")])
        health.lose("pbx-005")
        until(lambda: len(peer.walk(".1.3.6.1.4.1", "snmpbulkwalk")) > 2000, 20, "the tables")
        yield peer


def names(lines: list[str]) -> list[str]:
    return [line.split(" ", 1)[0].lstrip(".") for line in lines if " = " in line]


def test_a_walk_gives_everything_in_order(peer: Peer) -> None:
    lines = [line for line in peer.walk(".1.3.6.1", "snmpbulkwalk") if "No more variables" not in line]
    found = [tuple(map(int, name.split("."))) for name in names(lines)]
    assert found == sorted(set(found))
    columns = {table.index_name: len(table.columns) for table in TABLES}
    rows = {"bwFeedIndex": 128, "bwRoleIndex": 2, "bwAlarmIndex": 1}
    assert len(found) == len(SCALARS) + sum(columns[name] * rows[name] for name in rows)
    assert names(peer.walk(".1.3.6.1.2.1.1")) == names(lines)[:7]


def test_values_as_a_manager_shows_them(peer: Peer) -> None:
    done = peer.run(
        "snmpget", "bwFeedState.6", "bwFeedName.6", "bwFeedSince.6", "bwDiskState.0", "bwAlarmText.1"
    )
    assert [line.split(": ", 1)[1] for line in done.stdout.splitlines()] == [
        "lost(4)",
        "pbx-005",
        "2026-9-14,11:23:20.0,+0:0",
        "ok(1)",
        "Feed pbx-005 is lost: gone",
    ]
    assert (
        peer.run("snmpget", "-Ov", "-Oq", f".{oids.text(oids.SYSTEM)}.2.0").stdout.strip()
        == "BLUEWHALE-MIB::bwSoftware"
    )


def test_what_is_not_there(peer: Peer) -> None:
    done = peer.run(
        "snmpget", "-On", ".1.3.6.1.2.1.1.1.1", ".1.3.6.1.2.1.2.1.0", f".{oids.text(oids.FEED_ENTRY)}.2.4711"
    )
    ends = [line.split(" = ")[1] for line in done.stdout.splitlines()]
    assert ends[0].startswith("No Such Instance") and ends[1].startswith("No Such Object")
    assert ends[2].startswith("No Such Instance")


def test_bulk_with_non_repeaters_and_many_repetitions(peer: Peer) -> None:
    done = peer.run(
        "snmpbulkget", "-On", "-Cn1", "-Cr500", ".1.3.6.1.2.1.1.3", f".{oids.text(oids.FEED_ENTRY)}.2"
    )
    found = names(done.stdout.splitlines())
    assert found[0] == "1.3.6.1.2.1.1.3.0"
    assert found[1:4] == [f"{oids.text(oids.FEED_ENTRY)}.2.{n}" for n in (1, 2, 3)]
    assert 10 < len(found) < 64  # one packet's worth
    assert peer.run("snmpbulkget", "-On", "-Cn0", "-Cr0", ".1.3.6.1").stdout == ""
    tail = peer.run("snmpbulkget", "-On", "-Cr9", f".{oids.text(oids.ALARM_ENTRY)}.6").stdout
    assert len(names(tail.splitlines())) == 2 and "No more variables" in tail


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (("-v3", "-l", "noAuthNoPriv", "-u", "noc"), "Unsupported security level"),
        (("-l", "authNoPriv", *V3), "Unsupported security level"),
        (("-v3", "-l", "noAuthNoPriv", "-u", "nobody"), "Unknown user name"),
        (("-l", "authPriv", *V3[:2], "other", *V3[3:]), "Unknown user name"),
        (("-l", "authPriv", *V3[:6], "wrong passphrase", *V3[7:]), "Authentication failure"),
        (("-l", "authPriv", *V3[:-1], "wrong passphrase"), "Decryption error"),
        (("-v2c", "-c", "public"), "Timeout"),
        (("-v1", "-c", "public"), "Timeout"),
    ],
)
def test_others_are_refused(peer: Peer, who: tuple[str, ...], why: str) -> None:
    done = peer.run("snmpget", "-t", "0.3", "-r", "1", SYS_DESCR, who=who)
    assert done.returncode != 0 and "Bluewhale" not in done.stdout
    assert why in done.stderr


def test_nothing_can_be_set(peer: Peer) -> None:
    done = peer.run("snmpset", "1.3.6.1.2.1.1.5.0", "s", "mine")
    assert "notWritable" in done.stderr
    assert "mine" not in peer.run("snmpget", "1.3.6.1.2.1.1.5.0").stdout


def test_answers_are_fast_with_128_feeds(peer: Peer) -> None:
    """A walk of all tables: a request takes the agent far less than the 50 ms a manager may wait. (Processor
    time: the machine of a test has other work too.)"""
    assert peer.process is not None
    agent = psutil.Process(peer.process.pid)
    spent = sum(agent.cpu_times()[:2])
    lines = peer.walk(".1.3.6.1.4.1", "snmpbulkwalk")
    spent = sum(agent.cpu_times()[:2]) - spent
    requests = len(lines) / 10  # that many net-snmp asks for at a time
    assert requests > 200
    assert spent / requests < 0.02, f"{spent:.2f} s for {requests:.0f} requests"


def test_hostile_packets_change_only_counters(peer: Peer) -> None:
    dice = random.Random(11)
    host, _, port = peer.status()["listen"].rpartition(":")
    sample = bytes.fromhex(
        "3081800201033010020411223344020300ffe30401040201030438303604"
        "1180007ed9050000000000000000000000000201000201000403"
        + b"noc".hex()
        + "0418"
        + "00" * 24
        + "0408"
        + "01" * 8
    ) + dice.randbytes(80)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        for n in range(400):
            packet = bytearray(sample if n % 2 else dice.randbytes(dice.randrange(1, 600)))
            for _ in range(dice.randrange(0, 6)):
                packet[dice.randrange(len(packet))] = dice.randrange(256)
            attacker.sendto(bytes(packet), (host, int(port)))
        attacker.sendto(b"", (host, int(port)))
        attacker.sendto(b"\x30" * 60_000, (host, int(port)))
    assert "Bluewhale" in peer.run("snmpget", SYS_DESCR).stdout
    assert len(peer.log.read_text().splitlines()) < 30  # nobody can fill the log


def test_strangers_cannot_fill_the_memory(peer: Peer) -> None:
    """Messages that name a new engine each, without a user: pysnmp would remember every one for five minutes."""

    def tlv(tag: int, content: bytes) -> bytes:
        length = (
            bytes([len(content)]) if len(content) < 128 else bytes([0x82]) + len(content).to_bytes(2, "big")
        )
        return bytes([tag]) + length + content

    def resident() -> int:
        assert peer.process is not None
        return psutil.Process(peer.process.pid).memory_info().rss

    def flood(count: int) -> None:
        for n in range(count):
            name = b"\x80" + n.to_bytes(4, "big") + b"engine"
            user = tlv(
                48, tlv(4, name) + tlv(2, b"\0") * 2 + tlv(4, b"") + tlv(4, bytes(24)) + tlv(4, bytes(8))
            )
            header = tlv(
                48, tlv(2, n.to_bytes(4, "big")) + tlv(2, b"\0\xff\xe3") + tlv(4, b"\3") + tlv(2, b"\3")
            )
            attacker.sendto(
                tlv(48, tlv(2, b"\3") + header + tlv(4, user) + tlv(4, bytes(64))), (host, int(port))
            )
            if n % 50 == 49:  # as fast as it is read: what the kernel drops proves nothing
                assert "Bluewhale" in peer.run("snmpget", SYS_DESCR).stdout

    host, _, port = peer.status()["listen"].rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        flood(300)
        before = resident()
        flood(2500)
    assert resident() - before < 2_000_000  # 3.5 MB if they were kept


def test_users_come_and_go_while_it_runs(peer: Peer) -> None:
    peer.user("second")
    peer.settings(["noc", "second"])
    who = ("-v3", "-l", "authPriv", "-u", "second", *V3[3:])
    until(lambda: "Bluewhale" in peer.run("snmpget", SYS_DESCR, who=who).stdout, 10, "the new user")
    peer.settings(["noc"])
    until(lambda: "Unknown user name" in peer.run("snmpget", SYS_DESCR, who=who).stderr, 10, "it is gone")
    assert "Bluewhale" in peer.run("snmpget", SYS_DESCR).stdout


def test_the_engine_keeps_its_id_counts_its_starts_and_stops_on_sigterm(tmp_path: Path) -> None:
    with agent(tmp_path) as peer:
        first = peer.status()
        assert peer.kill(signal.SIGTERM) == 0
        peer.start()
        second = peer.status()
        peer.kill(signal.SIGKILL)
        peer.start()
        third = peer.status()
        assert first["engine_id"] == second["engine_id"] == third["engine_id"]
        assert [s["boots"] for s in (first, second, third)] == [1, 2, 3]
        assert "Bluewhale" in peer.run("snmpget", SYS_DESCR).stdout


def test_a_community_only_where_one_is_configured(tmp_path: Path) -> None:
    with agent(
        tmp_path, 'community = "s3cret"\ncontact = "Wang Fang"\nlocation = "Lab"\nname = "bw1"\n'
    ) as peer:
        assert [
            line.split("STRING: ")[1]
            for line in peer.walk(".1.3.6.1.2.1.1", who=("-v2c", "-c", "s3cret"))
            if "STRING" in line
        ][1:] == ['"Wang Fang"', '"bw1"', '"Lab"']
        for who in (
            ("-v1", "-c", "s3cret"),
            ("-v2c", "-c", "public"),
            ("-v2c", "-c", "community"),
            ("-v2c", "-c", "read"),
        ):
            assert "Timeout" in peer.run("snmpget", "-t", "0.3", "-r", "1", SYS_DESCR, who=who).stderr
        assert (
            "notWritable"
            in peer.run("snmpset", "1.3.6.1.2.1.1.5.0", "s", "x", who=("-v2c", "-c", "s3cret")).stderr
        )
        assert "Bluewhale" in peer.run("snmpget", SYS_DESCR).stdout


def test_it_speaks_ipv6_too(tmp_path: Path) -> None:
    peer = Peer(tmp_path)
    peer.file.write_text(peer.file.read_text().replace("127.0.0.1:0", "[::1]:0"))
    peer.user()
    peer.settings(["noc"])
    peer.start()
    try:
        assert peer.status()["listen"].startswith("[::1]:")
        who = ("-v3", "-l", "authPriv", *V3[1:])
        done = peer.run("snmpget", "-Ov", SYS_DESCR, who=who, where="udp6:" + peer.status()["listen"])
        assert "Bluewhale" in done.stdout, done.stderr
    finally:
        peer.kill()


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        peer = Peer(tmp_path)
        peer.file.write_text(peer.file.read_text().replace(":0", f":{taken.getsockname()[1]}"))
        with pytest.raises(AssertionError, match="cannot listen"):
            peer.start()
        assert peer.process is not None and peer.process.wait(5) == 3
