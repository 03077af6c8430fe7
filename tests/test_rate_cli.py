"""`bluewhale rate` as a user runs it, and the check of a plan file."""

import argparse
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from bluewhale import cli_rate
from bluewhale.ledger import plan as plan_files

CHINA = str(files("bluewhale").joinpath("share/plans/china-telecom-sample.toml"))


def rate(*args: str, stdin: str = "") -> tuple[int, list[dict], list[str]]:
    """(exit status, what stood on stdout, lines of stderr)."""
    command = [sys.executable, "-m", "bluewhale", "rate", *args]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


def call(called="+8675512345678", started="2026-01-05T06:59:57", talk_s=10, **more) -> str:
    return json.dumps({"called": called, "started": started, "talk_s": talk_s} | more)


def test_one_line_out_for_each_line_in(tmp_path):
    lines = [
        call(),
        call(talk_s=0),
        call(answered=False),
        call(direction="internal"),
        call(direction="incoming"),
        call("999999"),
        "not json",
        "",
        call(direction="tandem", answered=True, legs=[], extension="201"),
    ]
    calls = tmp_path / "calls.jsonl"
    calls.write_text("\n".join(lines) + "\n", encoding="utf-8")
    status, answers, told = rate("--plan", CHINA, str(calls))
    assert status == 1 and len(answers) == len(lines)
    # Begun at night, its second unit by day: 0.04 + 0.07.
    assert answers[0]["charge_micros"] == 110_000 and answers[0]["currency"] == "CNY"
    assert answers[0] == answers[8]
    assert answers[1:5] == [{"charge_micros": 0, "currency": "CNY", "spans": []}] * 4
    assert answers[5] == {"error": 'no rate for "999999"'}
    assert [list(answer) for answer in answers[6:8]] == [["error"], ["error"]]
    assert [line.partition(": ")[0] for line in told] == [f"{calls}:{n}" for n in (6, 7, 8)]


def test_spans_add_up_and_explain():
    status, (answer,), told = rate("--plan", CHINA, stdin=call(talk_s=100))
    assert (status, told) == (0, [])
    assert (
        sum(span["charge_micros"] for span in answer["spans"])
        == answer["charge_micros"]
        == 4 * 10**4 + 16 * 7 * 10**4
    )
    assert answer["spans"][1] == {
        "what": "talk", "charge_micros": 1_120_000, "exact": "1.12", "from_s": 6, "to_s": 102, "increments": 16,
        "increment_s": 6, "price": "0.07", "per_s": 6, "band": "day", "rate": "National long distance, day",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"called": "1"}', "no started, no talk_s"),
        (call(talk_s=-1), "talk_s: -1 is below 0"),
        (call(talk_s="9"), "not a call"),
        (call(called=12315), "not a call"),
        (call(started="yesterday"), "is not a time"),
        (call(started="2026-01-05"), "is not a time"),
        (call(started="2026-13-05T00:00:00"), "is not a time"),
        ("[]", "not a call"),
        ("\x00", "not a call"),
    ],
)
def test_what_is_no_call(line, why):
    plan = cli_rate._usable(CHINA)
    assert why in cli_rate.rate_line(plan, line.encode())["error"]


def test_an_offset_is_brought_to_the_plans_zone():
    tree = plan_files.load(Path(CHINA).read_text(encoding="utf-8"), CHINA)
    here = plan_files.parse(tree | {"time_zone": "Asia/Shanghai"})
    times = ["2026-01-05T06:59:57", "2026-01-04T22:59:57Z", "2026-01-05 00:59:57.900+02:00"]
    charges = [cli_rate.rate_line(here, call(started=started).encode())["charge_micros"] for started in times]
    assert charges == [110_000] * 3
    # A plan without a zone takes the time as it is written.
    anywhere = plan_files.parse(tree)
    assert (
        cli_rate.rate_line(anywhere, call(started="2026-01-05T06:59:57Z").encode())["charge_micros"]
        == 110_000
    )
    # 25 October 2026 in London: 01:30 comes twice, the offset says which.
    assert (
        cli_rate.wall_of(plan_files.parse(tree | {"time_zone": "Europe/London"}), "2026-10-25T01:30:00Z")[1]
        == 1
    )


def test_balance_and_warning():
    asked = json.dumps({"called": "+861062345678", "started": "2026-01-05T10:00:00"})
    # 0.22 for 180 s, then 0.11 a minute: 1.00 pays 0.22 + 7 x 0.11 = 0.99; below 0.50 with 0.22 + 3 x 0.11 = 0.55.
    status, answers, _ = rate(
        "--plan", CHINA, "--balance", "1.00", "--warn", "0.50", stdin=asked + "\n" + call("9")
    )
    assert (status, answers) == (
        1,
        [{"currency": "CNY", "max_talk_s": 600, "warn_s": 301}, {"error": 'no rate for "9"'}],
    )
    assert rate("--plan", CHINA, "--balance", "-", stdin=asked)[0] == 2
    assert rate("--plan", CHINA, "--warn", "1", stdin=asked)[0] == 2


def test_a_faulty_plan_is_told_by_line(tmp_path):
    file = tmp_path / "bad.toml"
    text = Path(CHINA).read_text(encoding="utf-8").replace('price = "0.22"', "price = 0.22", 1)
    file.write_text(text, encoding="utf-8")
    line = text.splitlines().index("  price = 0.22") + 1
    status, answers, told = rate("--plan", str(file), stdin=call())
    assert (status, answers) == (2, [])
    assert told == [
        f'{file}:{line}: rate[0].slot[0].price: wanted is text in quotes, not float (amounts are text: "0.07")'
    ]
    assert rate("--plan", str(tmp_path / "none.toml"))[0] == 2
    assert rate("--plan", CHINA, str(tmp_path / "none.jsonl"))[0] == 2
    assert rate()[0] == 2


def check(*paths) -> int:
    parser = argparse.ArgumentParser()
    cli_rate.add_check(parser.add_subparsers())
    args = parser.parse_args(["check", *map(str, paths)])
    return args.run(args)


def test_plan_check(tmp_path, capfd):
    odd = tmp_path / "odd.json"
    tree = {
        "name": "odd", "currency": "EUR", "decimals": 2, "rounding": "up",
        "rate": [{"prefix": "+0", "slot": [{"price": "1", "per_s": 60, "increment_s": 60}]}],
    }  # fmt: skip
    odd.write_text(json.dumps(tree, indent=1), encoding="utf-8")
    assert check(CHINA) == 0
    assert capfd.readouterr() == (
        json.dumps({"plan": CHINA, "faults": 0, "warnings": 0}, separators=(",", ":")) + "\n",
        "",
    )
    assert check(CHINA, odd) == 1
    out, err = capfd.readouterr()
    assert json.loads(out.splitlines()[1]) == {"plan": str(odd), "faults": 0, "warnings": 1}
    assert err.startswith(f'{odd}:8: rate[0].prefix: "+0" can never match')
    odd.write_text("{", encoding="utf-8")
    assert check(odd) == 1
    assert capfd.readouterr().err.startswith(f"{odd}:1: not JSON")
    odd.write_bytes(b"\xff\xfe")
    assert check(odd) == 1
    assert check(tmp_path / "none") == 2
