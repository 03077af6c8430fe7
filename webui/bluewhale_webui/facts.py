"""What pages ask of the box again and again: time zones of sites, ids of names, plans. Kept until a setting changes."""

import threading
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from bluewhale.ledger import attribute
from bluewhale.ledger import plan as plan_files
from bluewhale.ledger.plan_records import Plan
from bluewhale.model import EVERYTHING
from bluewhale.store import reads

MAIN = "main"
PLANS_KEPT = 15


class Facts(msgspec.Struct, frozen=True):
    """`zones`: site id -> zone; `ids`: kind -> name -> ids; `pricing` as set; `feeds`: name -> value."""

    seq: int = 0
    generation: int = -1
    zone: str = "UTC"
    zones: dict[int, str] = {}
    ids: dict[str, dict[str, set[int]]] = {}
    pricing: dict[str, Any] = {}
    sites: dict[str, dict[str, Any]] = {}

    def today(self) -> int:
        now = datetime.now(ZoneInfo(self.zone))
        return now.year * 10000 + now.month * 100 + now.day

    def zone_of(self, site: int | None) -> str:
        return self.zones.get(site or 0, self.zone)


class Keeper:
    """Owns the last facts of a box."""

    def __init__(self, box: reads.Box, zone: str) -> None:
        self.box, self.zone = box, zone
        self._facts = Facts(zone=zone)
        self._plans: dict[int, Plan] = {}
        self._lock = threading.Lock()

    def now(self) -> Facts:
        mark = reads.watermark(self.box, EVERYTHING)
        if mark is None:
            return Facts(zone=self.zone)
        with self._lock:
            if mark["generation"] != self._facts.generation:
                self._facts = self._read(mark["generation"])
            if mark["seq"] != self._facts.seq:
                self._facts = msgspec.structs.replace(self._facts, seq=mark["seq"])
            return self._facts

    def _read(self, generation: int) -> Facts:
        ids: dict[str, dict[str, set[int]]] = {}
        for kind in ("enterprise", "site", "department"):
            for item in reads.catalogue(self.box, EVERYTHING, kind):
                ids.setdefault(kind, {}).setdefault(item["name"], set()).add(item["id"])
        sites = {item["key"]: item["value"] for item in reads.settings(self.box, EVERYTHING, "site")}
        zones = {
            number: usable(sites.get(name, {}).get("zone"), self.zone)
            for name, numbers in ids.get("site", {}).items()
            for number in numbers
        }
        pricing: dict[str, Any] | None = next(
            (item["value"] for item in reads.settings(self.box, EVERYTHING, "pricing")), {}
        )
        zone = usable(sites.get(MAIN, {}).get("zone"), self.zone)
        return Facts(
            generation=generation, zone=zone, zones=zones, ids=ids, pricing=pricing or {}, sites=sites
        )

    def plan(self, number: int) -> Plan | None:
        """The version of a plan that priced a line, by its id; it never changes."""
        with self._lock:
            known = self._plans.get(number)
        if known is None:
            found = next((item for item in reads.plans(self.box, EVERYTHING) if item["id"] == number), None)
            known = parsed(found["plan"]) if found else None
            if known is not None:
                with self._lock:
                    self._plans = dict([*self._plans.items()][-PLANS_KEPT:]) | {number: known}
        return known

    def book(self) -> attribute.Book:
        """Sites and directory as they stand, to compare an uploaded table with."""
        book = attribute.new_book(self.zone)
        for item in reads.settings(self.box, EVERYTHING, "site"):
            changed = attribute.apply(book, "site", item["key"], item["value"])
            book = book if isinstance(changed, str) else changed
        rows = [
            {key: value for key, value in row.items() if value is not None}
            for row in reads.directory(self.box, EVERYTHING)
        ]
        changed = attribute.apply(book, "directory", "extensions", {"set": rows, "remove": []})
        return book if isinstance(changed, str) else changed


def usable(zone: str | None, otherwise: str) -> str:
    try:
        ZoneInfo(zone or "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return otherwise
    return zone or otherwise


def parsed(value: Any) -> Plan | None:
    """A plan from what the catalogue or a setting holds of it; None if it cannot be read any more."""
    tree = value.get("plan", value) if isinstance(value, dict) else None
    return _parsed(msgspec.json.encode(tree)) if tree else None


@lru_cache(maxsize=32)
def _parsed(tree: bytes) -> Plan | None:
    try:
        return plan_files.parse(msgspec.json.decode(tree))
    except plan_files.PlanError:
        return None
