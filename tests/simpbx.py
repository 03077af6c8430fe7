"""A PBX that makes random calls and writes them as several families would: one truth, four kinds of records.

A call holds one trunk; stations have it one after the other, each until the next one answers (policy `segment`).
"""

import csv
import io
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

EPOCH = 1_767_600_000  # 2026-01-05T08:00:00Z
SCENARIOS = Path(__file__).parent / "scenarios"
FAMILIES = ("cisco-cucm", "asterisk", "avaya-cm", "avaya-ipoffice")


class Turn(NamedTuple):
    """A station's part: it talks from `answer` to `end` (hold and consultation follow until the next one's)."""

    station: str
    answer: int
    end: int


class Call(NamedTuple):
    number: int
    way: str  # in, out
    outside: str
    turns: list[Turn]

    def owed(self) -> list[tuple[str, int]]:
        """Seconds of the trunk by station, in order."""
        starts = [turn.answer for turn in self.turns]
        ends = [*starts[1:], self.turns[-1].end]
        return [(t.station, end - t.answer) for t, end in zip(self.turns, ends, strict=True)]


def calls(count: int, seed: int, ways: tuple[str, ...] = ("in", "out")) -> list[Call]:
    """Random calls, some transferred up to three times; stations and trunks are free when they are taken."""
    chance = random.Random(seed)
    found, at = [], EPOCH
    for number in range(1, count + 1):
        at += chance.randint(1, 40)
        moment, turns = at + chance.randint(2, 20), []
        for station in chance.sample(range(2000, 2900), chance.choice((1, 1, 2, 2, 3, 4))):
            talk = chance.randint(2, 600)
            turns.append(Turn(str(station), moment, moment + talk))
            moment += talk + chance.randint(8, 60)
        found.append(Call(number, chance.choice(ways), f"0{chance.randint(10**8, 10**9 - 1)}", turns))
    return found


def options(family: str) -> dict[str, object]:
    if family == "asterisk":
        return _config("asterisk-transfer-blind-in") | {
            "trunk_channels": ["PJSIP/gw"],
            "internal_channels": ["SIP/"],
        }
    name = {
        "cisco-cucm": "transfer-consult-out",
        "avaya-cm": "itcs-transfer-in",
        "avaya-ipoffice": "transfer-external",
    }
    return _config(f"{family}-{name[family]}")


def records(family: str, call: Call) -> list[str]:
    return {"cisco-cucm": cisco, "asterisk": asterisk, "avaya-cm": avaya, "avaya-ipoffice": ipoffice}[family](
        call
    )


def head(family: str) -> list[str]:
    return _raw("cisco-cucm-transfer-consult-out")[:2] if family == "cisco-cucm" else []


def cisco(call: Call) -> list[str]:
    """One record per turn, and one per consultation under a global id of its own; the trunk keeps its leg number."""
    names = next(csv.reader([_raw("cisco-cucm-transfer-consult-out")[0]]))
    base = call.number * 100
    rows, consult = [], None
    for at, turn in enumerate(call.turns):
        last = at == len(call.turns) - 1
        station_leg = consult if consult is not None else base + 2
        calling_is_trunk = at > 0 or call.way == "in"
        ends = (
            (call.outside, "S0/SU1/DS1-0@gw1", base + 1),
            (turn.station, f"SEP{turn.station:0>12}", station_leg),
        )
        near, far = ends if calling_is_trunk else ends[::-1]
        row = _cisco_row(near, far, turn.answer - (0 if at else 2), turn.answer, turn.end, base, last)
        rows.append(row | {"joinOnBehalfOf": "10" if at else "0", "pkid": f"{base}-{at}"})
        if not last:
            target = call.turns[at + 1]
            consult = base + 10 + at
            near = turn.station, f"SEP{turn.station:0>12}", base + 50 + at
            far = target.station, f"SEP{target.station:0>12}", consult
            row = _cisco_row(near, far, turn.end + 1, turn.end + 3, target.answer, base + 1 + at, False)
            rows.append(row | {"pkid": f"{base}-c{at}"})
    return [_csv([str(row.get(name, "")) for name in names]) for row in rows]


Party = tuple[str, str, int]


def _cisco_row(
    near: Party, far: Party, start: int, answer: int, end: int, call_id: int, last: bool
) -> dict[str, object]:
    cause, by = ("16", "12") if last else ("393216", "10")
    return {
        "cdrRecordType": 1, "globalCallID_callManagerId": 1, "globalCallID_callId": call_id,
        "globalCallId_ClusterID": "C", "origLegCallIdentifier": near[2], "destLegIdentifier": far[2],
        "callingPartyNumber": near[0], "originalCalledPartyNumber": far[0], "finalCalledPartyNumber": far[0],
        "origDeviceName": near[1], "destDeviceName": far[1], "dateTimeOrigination": start, "dateTimeConnect": answer,
        "dateTimeDisconnect": end, "duration": end - answer, "origCause_value": cause,
        "destCause_value": "0" if last else cause, "origCallTerminationOnBehalfOf": by,
        "destCallTerminationOnBehalfOf": by,
    }  # fmt: skip


def asterisk(call: Call) -> list[str]:
    """One row per pair of parties; the trunk's channel goes on under its name."""
    trunk, rows = f"PJSIP/gw-{call.number:08x}", []
    linked = f"{EPOCH}.{call.number}"
    for at, turn in enumerate(call.turns):
        station = f"SIP/{turn.station}-{call.number:08x}"
        out = call.way == "out" and at == 0
        near, far = (station, trunk) if out else (trunk, station)
        src, dst = (turn.station, call.outside) if out else (call.outside, turn.station)
        start = call.turns[at - 1].end if at else turn.answer - 2
        stamps = [_stamp(moment, "%Y-%m-%d %H:%M:%S") for moment in (start, turn.answer, turn.end)]
        row = [
            "",
            src,
            dst,
            "default",
            near,
            far,
            "Dial",
            "",
            *stamps,
            turn.end - start,
            turn.end - turn.answer,
        ]
        rows.append(_csv([*map(str, row), "ANSWERED", "DOCUMENTATION", "", "", linked, "", str(at), linked]))
    return rows


def avaya(call: Call) -> list[str]:
    """Incoming trunk call splitting: contiguous segments, each hold inside the one before it."""
    rows = []
    ends = [*[turn.answer for turn in call.turns[1:]], call.turns[-1].end]
    for turn, end in zip(call.turns, ends, strict=True):
        spent = end - turn.answer
        tenths = f"{spent // 3600}{spent // 60 % 60:02}{spent % 60 // 6}"
        head_ = f"{_stamp(end, '%m%d%y %H%M')} {tenths} {spent:05} 9" + " " * 11
        far, ucid = call.outside, f"{call.number:020}"
        rows.append(f"{head_}{turn.station:>18} {far:<10} {'123':>4} {call.number % 1000:03}     {ucid}")
    return rows


def ipoffice(call: Call) -> list[str]:
    """One call id; the same start in all records; hold beside the talk."""
    rows = []
    for at, turn in enumerate(call.turns):
        last = at == len(call.turns) - 1
        hold = 0 if last else call.turns[at + 1].answer - turn.end
        talk = turn.end - turn.answer
        caller, called = (call.outside, turn.station) if call.way == "in" else (turn.station, call.outside)
        spent = f"{talk // 3600:02}:{talk // 60 % 60:02}:{talk % 60:02}"
        row = [
            _stamp(call.turns[0].answer - 2, "%Y/%m/%d %H:%M:%S"), spent, "0" if at else "2", caller,
            "I" if call.way == "in" else "O", called, called, "", "0", str(1_000_000 + call.number), str(int(not last)),
            f"E{turn.station}", f"Extn{turn.station}", "T9001", "Line 1.1", str(hold), "0",
        ]  # fmt: skip
        rows.append(",".join(row + [""] * 13))
    return rows


def _config(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((SCENARIOS / f"{name}.json").read_text(encoding="utf-8"))["config"]
    return found


def _raw(name: str) -> list[str]:
    found: list[str] = json.loads((SCENARIOS / f"{name}.json").read_text(encoding="utf-8"))["raw"]
    return found


def _stamp(moment: int, form: str) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(form)


def _csv(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    return out.getvalue()
