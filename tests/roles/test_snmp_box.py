"""SNMP on a whole box: a user and a receiver by command, a PBX that comes and goes, roles killed meanwhile."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from bluewhale import owner
from bluewhale.config import Config
from bluewhale.journal import reader
from bluewhale.model import FEED, Kind, Record
from bluewhale.snmp import keys, notify, oids
from boxes import Box, running
from snmp_peers import AUTH, PRIV, Peer, Receiver
from waiting import until

LINE = b"2008/06/28 09:28:41,00:00:30,9,215,O,02079460123,02079460123,,0,1000001,0,E215,Joe Bloggs,T9161,LINE 5.1,0,0\r\n"
TRAP, ID, KEY = (oids.text(oid) for oid in (oids.SNMP_TRAP_OID, (*oids.EVENT, 2, 0), (*oids.EVENT, 5, 0)))


def prepare(box: Box, config: Config, receiver: Receiver) -> None:
    """The owner's part: a user, a receiver, and less patience with the feed than usual."""
    command = [
        sys.executable,
        "-m",
        "bluewhale",
        "snmp",
        "user",
        "add",
        "noc",
        "--auth-stdin",
        "--config",
        str(box.file),
    ]
    made = subprocess.run(command, input=f"{AUTH}\n{PRIV}\n", capture_output=True, text=True, timeout=60)
    assert json.loads(made.stdout)["state"] == "applied", made.stderr
    box.run(
        "snmp", "receiver", "add", f"127.0.0.1:{receiver.port}", "--user", "noc", "--config", str(box.file)
    )
    value = {"url": f"tcp-listen:127.0.0.1:{box.feed_port}", "watch": {"lost_after_s": 0.5}}
    outcome = owner.submit(config, owner.change("feed", "main", value, who="test"), wait_s=10)
    assert outcome.state == "applied", outcome
    until(lambda: box.status("snmp")["receivers"], 10, "the receiver")


def test_a_pbx_comes_and_goes_on_a_real_box(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        config = Config(data=str(box.data), run=str(box.sockets))
        receiver = Receiver(tmp_path / "receiver", keys.engine(config).id)
        receiver.start()
        try:
            prepare(box, config, receiver)
            (tmp_path / "peer").mkdir()
            peer = Peer(tmp_path / "peer")
            peer.config = config
            expected = []
            for role in ("health", "snmp", None):
                with socket.create_connection(("127.0.0.1", box.feed_port)) as pbx:
                    pbx.sendall(LINE)
                    until(lambda: "live(1)" in peer.run("snmpget", "bwFeedState.1").stdout, 15, "live")
                    if role:
                        box.kill(role)
                until(lambda: "lost(4)" in peer.run("snmpget", "bwFeedState.1").stdout, 15, "lost")
                expected += [notify.FEED_LOST, notify.FEED_BACK]
            with socket.create_connection(("127.0.0.1", box.feed_port)):
                until(lambda: len(told(receiver)) == len(expected), 15, "all notifications")
            assert [trap[TRAP].lstrip(".") for trap in told(receiver)] == [oids.text(oid) for oid in expected]
            assert "= Counter64: 3" in peer.run("snmpget", "bwCalls.0").stdout
            until(lambda: len(alarms(config)) == len(expected), 10, "the journal")
            assert alarms(config) == [trap[ID] for trap in told(receiver)]
        finally:
            receiver.stop()


def told(receiver: Receiver) -> list[dict[str, str]]:
    """The notifications about the feed; a slow machine may have had others."""
    return [trap for trap in receiver.traps() if trap[KEY].startswith("feed/")]


def alarms(config: Config) -> list[str]:
    """The ids of the journal's alarm records about the feed, in order."""
    ends = reader.ends(config.journal_dir)
    found = []
    for record in reader.records(config.journal_dir, FEED, 0, ends.feed):
        if isinstance(record, Record) and record.kind is Kind.ALARM:
            alarm = json.loads(record.payload)
            if alarm["key"].startswith("feed/"):
                found.append(alarm["id"])
    return found
