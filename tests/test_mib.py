"""BLUEWHALE-MIB: clean by smilint's strictest level, known to net-snmp, and equal to the agent's table."""

import os
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bluewhale.health import alarms
from bluewhale.snmp import notify, oids
from bluewhale.snmp.objects import BOX, SCALARS, SYSTEM_GROUP, TABLES
from bluewhale.snmp.values import Syntax

STAND_INS = Path(__file__).parent / "mibs"
MIB = Path(str(files("bluewhale").joinpath("share/mibs/BLUEWHALE-MIB.txt")))
ROOT = Path(__file__).parent.parent


def smi(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"SMIPATH": str(STAND_INS)}
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def mib() -> ElementTree.Element:
    return ElementTree.fromstring(smi("smidump", "-f", "xml", str(MIB)))


def test_smilint_finds_nothing() -> None:
    assert smi("smilint", "-l", "6", "-s", str(MIB)) == ""


def test_smilint_would_find_something(tmp_path: Path) -> None:
    broken = tmp_path / MIB.name
    broken.write_text(MIB.read_text().replace("{ bwBox 7 }", "{ bwBox 6 }").replace("bwLoad,\n", "\n"))
    found = smi("smilint", "-l", "6", "-s", str(broken))
    assert "bwRejects" in found and "bwLoad" in found


def test_net_snmp_translates() -> None:
    path = f"{STAND_INS}:{MIB.parent}"
    command = ["snmptranslate", "-M", path, "-m", "BLUEWHALE-MIB", "-On", "BLUEWHALE-MIB::bwFeedState.7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "." + oids.text((*oids.FEED_ENTRY, 4, 7)), done.stderr


def syntax(node: ElementTree.Element) -> tuple[str, dict[str, int] | None]:
    """(name of the syntax, numbers of an enumeration)."""
    given = node.find("syntax")
    assert given is not None
    inner = given.find("typedef")
    if inner is not None:
        numbers = {n.get("name", ""): int(n.get("number", "")) for n in inner.findall("namednumber")}
        base = "INTEGER" if inner.get("basetype") == "Enumeration" else inner.get("basetype", "")
        parent = inner.find("parent")
        return (parent.get("name", "") if parent is not None else base), numbers or None
    kind = given.find("type")
    assert kind is not None
    return kind.get("name", ""), None


def ours(kind: Syntax) -> tuple[str, dict[str, int] | None]:
    return kind.name, dict(kind.numbers) if kind.numbers else None


def test_the_agents_scalars_are_the_mibs(mib: ElementTree.Element) -> None:
    found = {}
    for node in mib.iter("scalar"):
        if node.findtext("access") == "readonly":
            found[node.get("name")] = (node.get("oid"), *syntax(node))
    assert len(found) == len(BOX) > 20
    assert {s.name: (oids.text(s.oid), *ours(s.syntax)) for s in BOX} == found


def test_the_agents_columns_are_the_mibs(mib: ElementTree.Element) -> None:
    found, indexes = {}, set()
    for node in mib.iter("column"):
        if node.findtext("access") == "readonly":
            found[node.get("name")] = (node.get("oid"), *syntax(node))
        else:
            indexes.add(node.get("name"))
    columns = [column for table in TABLES for column in table.columns]
    assert len(found) == len(columns) > 25
    assert {c.name: (oids.text(c.oid), *ours(c.syntax)) for c in columns} == found
    assert {table.index_name for table in TABLES} == indexes


def test_the_notifications_are_the_mibs(mib: ElementTree.Element) -> None:
    found = {node.get("name"): node.get("oid") for node in mib.iter("notification")}
    assert found == {
        "bwFeedLost": oids.text(notify.FEED_LOST),
        "bwFeedBack": oids.text(notify.FEED_BACK),
        "bwAlarmRaised": oids.text(notify.RAISED),
        "bwAlarmCleared": oids.text(notify.CLEARED),
    }
    carried = {}
    for node in mib.iter("scalar"):
        if node.findtext("access") == "notifyonly":
            carried[node.get("name")] = (node.get("oid"), *syntax(node))
    given = {
        name: (oids.text((*oids.EVENT, n)), *ours(kind))
        for n, (name, kind) in enumerate(notify.EVENT_OBJECTS, 1)
    }
    assert given == carried
    for node in mib.iter("notification"):
        objects = [o.get("name") for o in node.iter("object")]
        assert objects == [name for name, _ in notify.EVENT_OBJECTS]


def test_the_product_has_its_oid(mib: ElementTree.Element) -> None:
    nodes = {node.get("name"): node.get("oid") for node in mib.iter("node")}
    assert nodes["bwSoftware"] == oids.text(oids.PRODUCT)
    assert nodes["bluewhaleMIB"] == oids.text(oids.MIB)


def test_the_table_is_sorted_and_the_system_group_complete() -> None:
    order = [scalar.oid for scalar in SCALARS] + [c.oid for table in TABLES for c in table.columns]
    assert order == sorted(order) and len(set(order)) == len(order)
    names = "sysDescr sysObjectID sysUpTime sysContact sysName sysLocation sysServices"
    assert [scalar.name for scalar in SYSTEM_GROUP] == names.split()


def test_the_manual_lists_every_alarm() -> None:
    manual = (ROOT / "docs" / "noc.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", manual, re.M))
    assert listed == {what: str(sort.severity) for what, sort in alarms.CATALOGUE.items()}
