"""Every scenario of many records and one call: the calls, legs, trunk seconds and charges that must come out.

The files in tests/scenarios are ours; their `config` goes in verbatim as --options.
"""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from bluewhale import cli

HERE = Path(__file__).parent / "scenarios"
SCENARIOS = sorted(HERE.glob("*.json"))


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return found


def files(scenario: dict[str, Any], folder: Path) -> list[str]:
    """The bytes to feed, in the order of arrival where the scenario has one."""
    raw = scenario["raw"]
    heads = raw[: len(raw) - len(scenario["records"])] if scenario["family"] == "cisco-cucm" else []
    rows = raw[len(heads) :]
    parts = [heads + [rows[at] for at in part["records"]] for part in scenario.get("arrival", [])] or [raw]
    names = []
    for at, part in enumerate(parts):
        path = folder / f"{at}.raw"
        path.write_bytes("".join(f"{line}\r\n" for line in part).encode())
        names.append(str(path))
    return names


def run(scenario: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    options = folder / "options.json"
    options.write_text(json.dumps(scenario["config"]), encoding="utf-8")
    names = files(scenario, folder)
    status = cli.main(["calls", "--format", scenario["family"], "--options", str(options), *names])
    out = capsys.readouterr()
    assert status == 0, out.err
    return [json.loads(line) for line in io.StringIO(out.out)]


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 31


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_scenario(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = load(path.stem)
    found = run(scenario, tmp_path, capsys)
    expected = scenario["expected"]
    calls = expected["calls"]
    assert len(found) == len(calls) == expected["totals"]["calls"], found
    assert sum(seconds(call["external_legs"], "seizure_s") for call in found) == pytest.approx(
        expected["totals"]["external_s"], abs=slack(calls)
    )
    assert sum(seconds(call["charges"], "charged_s") for call in found) == pytest.approx(
        expected["totals"]["charged_s"], abs=slack(calls)
    )
    for call in found:
        balanced(call)
    for wanted in calls:
        call = next((c for c in found if matches(c, wanted)), None)
        assert call is not None, (wanted, found)
        facts(call, wanted)
        external(call, wanted)
        legs(call, wanted)
        charges(call, wanted)


def slack(calls: list[dict[str, Any]]) -> int:
    return sum(leg.get("tolerance_s", 0) for call in calls for leg in call["external_legs"])


def seconds(parts: list[dict[str, Any]], name: str) -> int:
    return sum(part.get(name, 0) for part in parts)


def balanced(call: dict[str, Any]) -> None:
    """Every trunk second to exactly one payer, once."""
    for leg in call["external_legs"]:
        shares = [c["charged_s"] for c in call["charges"] if c["external_leg"] == leg["id"]]
        assert sum(shares) == leg.get("seizure_s", 0), call


def matches(call: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(call.get(name) == wanted[name] for name in ("direction", "caller", "called") if name in wanted)


def facts(call: dict[str, Any], wanted: dict[str, Any]) -> None:
    same = (
        "direction",
        "caller",
        "called",
        "extension",
        "answered",
        "auth_code",
        "condition_code",
        "account_code",
    )
    for name in same:
        if name in wanted:
            assert call.get(name) == wanted[name], (name, call)
    assert call["state"] == wanted.get("state", "closed"), call
    assert ("incomplete_reason" in call) == (call["state"] == "incomplete")
    if "incomplete_reason" in wanted:
        assert "112" in call["incomplete_reason"]
    if call.get("started_utc") and "start" in wanted:
        assert call["started_utc"] == wanted["start"]
    elif call.get("started_local") and ("start" in wanted or "start_minute" in wanted):
        start = wanted.get("start") or wanted["start_minute"]
        assert call["started_local"][:16] == start[:16]


def external(call: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert len(call["external_legs"]) == len(wanted["external_legs"]), call
    for leg, want in zip(call["external_legs"], wanted["external_legs"], strict=True):
        assert (leg["direction"], leg.get("number")) == (want["direction"], want["number"])
        assert leg["seizure_s"] == pytest.approx(want["seizure_s"], abs=want.get("tolerance_s", 0))
        began(leg, want)


def began(part: dict[str, Any], want: dict[str, Any]) -> None:
    """The start to the second where both know it; a minute where the PBX prints one."""
    if want.get("start") and "started_local" in part:
        length = (
            16 if "tolerance_s" in want else min(len(part["started_local"]), len(want["start"].rstrip("Z")))
        )
        assert part["started_local"][:length] == want["start"][:length], (part, want)


def legs(call: dict[str, Any], wanted: dict[str, Any]) -> None:
    def named(party: str, role: str) -> tuple[str, str]:
        return party, role

    got = sorted(named(leg["party"], leg["role"]) for leg in call["legs"])
    assert got == sorted(named(leg["party"], leg["role"]) for leg in wanted["legs"]), call["legs"]
    left = list(call["legs"])
    for want in wanted["legs"]:
        slack = want.get("tolerance_s", 0)
        mine = [leg for leg in left if (leg["party"], leg["role"]) == (want["party"], want["role"])]
        fits = [leg for leg in mine if abs(leg["talk_s"] - want["duration_s"]) <= slack]
        assert fits, (want, call["legs"])
        left.remove(fits[0])
        began(fits[0], want)
        if "ring_s" in want:
            assert fits[0]["ring_s"] == want["ring_s"]


def charges(call: dict[str, Any], wanted: dict[str, Any]) -> None:
    got = [
        (c["external_leg"], c["pays"], c["kind"], c.get("called"), c.get("caller"), c["charged_s"])
        for c in call["charges"]
    ]
    assert len(got) == len(wanted["charge"]), got
    shift = first_id(wanted)
    for mine, want in zip(got, wanted["charge"], strict=True):
        leg = f"L{int(want['external_leg'][1:]) - shift}"
        assert mine[:5] == (leg, want["pays"], want["kind"], want.get("called"), want.get("caller"))
        assert mine[5] == pytest.approx(
            want["duration_s"], abs=want.get("tolerance_s", 2 * (slack([wanted]) > 0))
        )


def first_id(wanted: dict[str, Any]) -> int:
    """Scenarios count external legs over all their calls, we count within a call."""
    return int(wanted["external_legs"][0]["id"][1:]) - 1 if wanted["external_legs"] else 0
