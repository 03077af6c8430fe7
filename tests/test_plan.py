"""plan.py reads strictly; plan_check finds what is odd; plan_lines says where."""

import copy
import json
import random
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from bluewhale import cli_rate
from bluewhale.ledger import plan as plan_files
from bluewhale.ledger import plan_csv, plan_raw
from bluewhale.ledger.plan import PlanError
from bluewhale.ledger.plan_check import check
from bluewhale.ledger.plan_lines import line_of
from slow_rater import random_plan

GOOD = {
    "name": "good",
    "currency": "EUR",
    "decimals": 2,
    "rounding": "half-up",
    "time_zone": "Europe/London",
    "calendar": [{"name": "H", "dates": ["12-25", "2026-04-03"]}],
    "band": [{"name": "day", "from": "08:00", "to": "18:30:15", "days": [1, 2], "weight": 1}],
    "rate": [
        {"prefix": "+44", "slot": [{"from_s": 0, "price": "0.1", "per_s": 60, "increment_s": 1}]},
        {
            "prefix": "+44",
            "band": "day",
            "connection_fee": "0.05",
            "valid_from": "2026-01-01",
            "slot": [
                {"price": "0.2", "per_s": 60, "increment_s": 60},
                {"from_s": 60, "price": "0.2", "per_s": 60, "increment_s": 1},
            ],
        },
    ],
}
SAMPLES = sorted(p.name for p in files("bluewhale").joinpath("share/plans").iterdir())


def broken(path: str, value) -> dict:
    """GOOD with one thing changed (or taken away: ...)."""
    tree = copy.deepcopy(GOOD)
    *parents, last = path.split("/")
    here = tree
    for part in parents:
        here = here[int(part) if part.isdigit() else part]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return tree


def test_the_good_plan_is_good():
    plan = plan_files.parse(GOOD)
    assert (plan.name, plan.decimals, len(plan.rates), plan.lengths) == ("good", 2, 2, (3,))
    assert check(plan) == []


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("currency", ..., "", "there is no `currency`"),
        ("colour", "red", "", "unknown key `colour`"),
        ("name", " ", "name", "needs a name"),
        ("currency", "euro", "currency", "not a currency code"),
        ("decimals", 7, "decimals", "7 is not 0 to 6"),
        ("decimals", "2", "decimals", "wanted is a whole number, not text in quotes"),
        ("rounding", "up-ish", "rounding", "unknown value"),
        ("time_zone", "Mars/Base", "time_zone", "not a zone"),
        ("compatible", "cgrates", "increment_decimals", "goes together"),
        ("increment_decimals", 4, "increment_decimals", "goes together"),
        ("rate", [], "rate", "at least one"),
        ("rate", {}, "rate", "wanted is a list, not a table"),
        ("calendar/0/dates", ["13-01"], "calendar[0].dates", "not a day"),
        ("calendar/0/dates", ["2026-02-29"], "calendar[0].dates", "not a day"),
        ("calendar/0/dates", ["02-30"], "calendar[0].dates", "not a day"),
        ("band/0/days", [0], "band[0].days", "0 is not 1"),
        ("band/0/days", [], "band[0].days", "no day at all"),
        ("band/0/from", "8:00", "band[0].from", "not a time"),
        ("band/0/to", "24:01", "band[0].to", "not a time"),
        ("band/0/to", "08:00", "band[0].to", "the same as from"),
        ("band/0/from", "24:00", "band[0].from", "end of a day"),
        ("band/0/holidays", "sometimes", "band[0].holidays", "unknown value"),
        ("band/0/calendar", "H", "band[0].calendar", "has no effect"),
        ("band/0/dates", ["1-1"], "band[0].dates", "not a day"),
        ("band/0/weekdays", [1], "band[0]", "unknown key `weekdays`"),
        ("rate/0/band", "night", "rate[0].band", 'no band "night"'),
        ("rate/0/prefix", "1" * 41, "rate[0].prefix", "longer than 40"),
        ("rate/0/price", "1", "rate[0]", "unknown key `price`"),
        ("rate/0/connection_fee", "-1", "rate[0].connection_fee", "not 0 to"),
        ("rate/0/minimum", "1,5", "rate[0].minimum", "not an amount"),
        ("rate/0/maximum", 5, "rate[0].maximum", 'amounts are text: "0.07"'),
        ("rate/0/maximum_rule", "stop", "rate[0].maximum_rule", "unknown value"),
        ("rate/0/valid_from", "yesterday", "rate[0].valid_from", "not a day"),
        ("rate/0/valid_from", "2026-01-01T00:00+01:00", "rate[0].valid_from", "without offset"),
        ("rate/1/valid_to", "2026-01-01", "rate[1].valid_to", "never valid"),
        ("rate/0/slot", [], "rate[0].slot", "at least one"),
        ("rate/1/slot/0/price", 0.2, "rate[1].slot[0].price", "wanted is text in quotes, not float"),
        ("rate/1/slot/0/price", "2e9", "rate[1].slot[0].price", "not an amount"),
        ("rate/1/slot/0/price", "1000000", "rate[1].slot[0].price", "more than 10000 a second"),
        ("rate/1/slot/0/from_s", 1, "rate[1].slot[0].from_s", "starts at 0"),
        ("rate/1/slot/1/from_s", 0, "rate[1].slot[1].from_s", "not after"),
        ("rate/1/slot/1/per_s", 0, "rate[1].slot[1].per_s", "0 is not 1"),
        ("rate/1/slot/1/increment_s", -6, "rate[1].slot[1].increment_s", "-6 is not 1"),
        ("rate/1/slot/1/increment_s", True, "rate[1].slot[1].increment_s", "whole number"),
    ],
)
def test_a_fault_has_its_path(path, value, where, text):
    with pytest.raises(PlanError) as caught:
        plan_files.parse(broken(path, value))
    assert [f.path for f in caught.value.faults] == [where]
    assert text in str(caught.value)
    assert str(caught.value).startswith(f"{where}: " if where else "")


def test_all_faults_are_told_at_once():
    tree = broken("rate/0/band", "night")
    tree["rate"][1]["slot"][1]["price"] = "dear"
    tree["decimals"] = 9
    with pytest.raises(PlanError) as caught:
        plan_files.parse(tree)
    assert [f.path for f in caught.value.faults] == ["decimals", "rate[0].band", "rate[1].slot[1].price"]


def test_a_rate_stands_once():
    tree = copy.deepcopy(GOOD)
    tree["rate"].append(copy.deepcopy(tree["rate"][1]))
    with pytest.raises(PlanError, match=r"rate\[2\]: prefix .* already in rate\[1\]"):
        plan_files.parse(tree)
    tree["rate"][2]["valid_from"] = "2026-06-01"
    plan_files.parse(tree)


def test_a_calendar_without_days_in_the_file_is_refused_clearly():
    tree = broken("band/0/holidays", "only")
    tree["band"][0]["calendar"] = "CN"
    with pytest.raises(PlanError, match=r'band\[0\].calendar: no calendar "CN" in this file: write its days'):
        plan_files.parse(tree)


def test_toml_and_json_give_one_tree():
    toml = """
        name = "t"
        currency = "EUR"
        decimals = 2
        rounding = "up"
        [[band]]
        name = "b"
        from = 07:30:00
        [[rate]]
        prefix = "1"
        valid_from = 2026-01-01
        valid_to = 2026-02-01T12:00:00
        slot = [{ price = "1", per_s = 60, increment_s = 60 }]
    """
    tree = plan_files.load(toml, "x.toml")
    assert tree["rate"][0]["valid_from"] == "2026-01-01" and tree["band"][0]["from"] == "07:30:00"
    assert plan_files.load(json.dumps(tree), "x.json") == plan_files.load(json.dumps(tree)) == tree
    assert (
        plan_files.parse(tree).rates[0].valid_to - plan_files.parse(tree).rates[0].valid_from
        == 31 * 86400 + 43200
    )


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ('name = "x"\nname = "y"\n', "a.toml", 2),
        ('{\n "a": 1,\n}', "a.json", 3),
        ('{"name": "x", "name": "y"}', "a.json", None),
        ("[]", "a.json", None),
        ("[" * 9999, "a.json", None),
    ],
)
def test_text_that_is_no_tree(text, name, line):
    with pytest.raises(PlanError) as caught:
        plan_files.load(text, name)
    assert caught.value.faults[0].line == line


@pytest.mark.parametrize("name", SAMPLES)
def test_shipped_plans_are_clean_and_marked(name):
    text = files("bluewhale").joinpath(f"share/plans/{name}").read_text(encoding="utf-8")
    assert text.startswith("# SAMPLE")
    assert check(plan_files.parse(plan_files.load(text, name))) == []
    assert len(SAMPLES) >= 6


def rate(prefix="", **more):
    return {"prefix": prefix, "slot": [{"price": "1", "per_s": 60, "increment_s": 60}]} | more


def findings(rates, **head):
    tree = {"name": "t", "currency": "EUR", "decimals": 2, "rounding": "up", "rate": rates} | head
    return [str(fault) for fault in check(plan_files.parse(tree))]


def test_check_finds_gaps():
    day = {"name": "day", "days": [1, 2, 3, 4, 5], "from": "08:00", "to": "18:00"}
    night = {"name": "night", "from": "18:00", "to": "08:00"}
    found = findings([rate(band="day"), rate(band="night")], band=[day, night])
    assert len(found) == 1 and found[0].startswith('rate[0]: gap: no band of prefix "" holds on S'), found
    assert "08:00 to 18:00" in found[0]
    assert findings([rate(band="day"), rate(band="night"), rate()], band=[day, night]) == []
    assert findings([rate(valid_to="2026-01-01"), rate(valid_from="2026-02-01")]) == [
        'rate[0].valid_to: gap: prefix "" has no rate from 2026-01-01 to 2026-02-01'
    ]


def test_check_finds_overlaps_and_what_is_never_used():
    one, two = {"name": "one"}, {"name": "two", "from": "00:00", "to": "12:00"}
    assert findings([rate(band="one"), rate(band="two"), rate()], band=[one, two, {"name": "three"}]) == [
        'band[2]: no rate uses the band "three"',
        'rate[1]: never used: the band "two" never holds, or others always go before it',
        "rate[1].band: overlap: rate[0] has a band of the same weight and start (Saturday 2000-01-01, 00:00 to 12:00); it wins",
        "rate[2]: never used: bands of this prefix hold at any time",
    ]
    assert findings([rate(valid_to="2026-03-01"), rate(valid_from="2026-02-01")]) == [
        "rate[0].valid_to: overlap: from 2026-02-01 rate[1] is valid too; it wins"
    ]
    holiday = {"name": "h", "holidays": "only"}
    assert "no holidays are known" in findings([rate(band="h"), rate()], band=[holiday])[0]
    known = findings(
        [rate(band="h"), rate()], band=[holiday], calendar=[{"name": "x", "dates": ["2031-07-01"]}]
    )
    assert known == []


def test_check_finds_prefixes_that_match_nothing():
    found = findings(
        [rate("+0"), rate("0044"), rate("44 20"), rate("+1234567890123456"), rate("17909+86"), rate("*9#")]
    )
    assert [text.split(".")[0] for text in found] == ["rate[0]", "rate[2]", "rate[3]"]
    assert all("can never match" in text for text in found)
    ten = [rate("+4"), *(rate(f"+4{digit}") for digit in range(10))]
    assert findings(ten) == [
        'rate[0].prefix: "+4" can never match a longer number: each next digit has a prefix of its own'
    ]
    assert findings(ten[:-1]) == []


def test_check_finds_slots_that_never_begin():
    slots = [{"from_s": s, "price": "1", "per_s": 60, "increment_s": 60} for s in (0, 10, 60)]
    found = findings([{"prefix": "", "slot": slots}])
    assert found == [
        "rate[0].slot[1]: never begins: the increment before it ends at 60 s, when the next slot has begun"
    ]


TOML = """name = "x"

[[band]]
name = "b"
[[rate]] # first
prefix = "1"
  [[rate.slot]]
  price = "1"
[[rate]]
prefix = "2"
slot = [ { from_s = 0 } ]
  [[rate.slot]]
  [[rate.slot]]
  per_s = 1
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [("name", 1), ("band[0]", 3), ("band[0].name", 4), ("rate[0].slot[0].price", 8), ("rate[1].prefix", 10),
     ("rate[1].slot[1].per_s", 14), ("rate[1].minimum", 9), ("rate[0].slot[0].per_s", 7), ("colour", None), ("", None)],
)  # fmt: skip
def test_lines_in_toml(path, line):
    assert line_of(TOML, path, "TOML") == line


def test_lines_in_json():
    text = json.dumps(GOOD, indent=1)
    lines = text.splitlines()
    for path, key in (
        ("rate[1].slot[1].from_s", '"from_s": 60'),
        ("band[0].weight", '"weight": 1'),
        ("name", '"name": "good"'),
    ):
        assert key in lines[line_of(text, path, "JSON") - 1]
    assert line_of(text, "rate[1].slot[1]", "JSON") == line_of(text, "rate[1].slot[1].from_s", "JSON") - 1
    assert line_of(text, "rate[0].minimum", "JSON") == line_of(text, "rate[0]", "JSON")


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_as_a_table_and_back(name):
    text = files("bluewhale").joinpath(f"share/plans/{name}").read_text(encoding="utf-8")
    tree = plan_files.load(text, name)
    assert plan_csv.tree_of(plan_csv.table_of(tree)) == tree


def test_random_plans_as_a_table_and_back():
    chance = random.Random("table")
    for _ in range(200):
        tree = random_plan(chance)
        back = plan_files.load(plan_csv.table_of(tree))
        assert plan_files.parse(back) == plan_files.parse(tree)


TABLE = """\ufeff#name;Table
#currency;EUR
#decimals;2
#rounding;up
#calendar;H;01-01 2026-05-01
#band;off;6 7;00:00;24:00;;;;5

Prefix;Name;Band;from_s;price;per_s;increment_s;from_s;price;per_s;increment_s
="+44";UK;;0;0.10;60;60;60;0.05;60;1
'0044;;off;;1;60;60
"""


def test_a_table_from_a_spreadsheet():
    tree = plan_files.load(TABLE, "x.csv")
    plan = plan_files.parse(tree)
    assert [(rate.prefix, rate.name, len(rate.slots)) for rate in plan.rates] == [
        ("+44", "UK", 2),
        ("0044", "0044", 1),
    ]
    assert (plan.bands[0].days, plan.bands[0].weight) == ({6, 7}, 5)
    assert line_of(TABLE, "rate[1].slot[0].price", "CSV") == 10 and line_of(TABLE, "band[0].days", "CSV") == 6


@pytest.mark.parametrize(
    ("old", "new", "where", "text"),
    [
        ("Name;Band", "Name;Colour", 8, 'unknown heading "colour"'),
        ("Prefix;", "", 8, 'no heading "prefix"'),
        ("60;1\n", "60;1;9\n", 9, "12 cells under 11 headings"),
        ("0.10", "1,10", 9, "rate[0].slot[0].price"),
        ("6 7", "6 x", 6, "band[0].days[1]: wanted is a whole number"),
        ("#decimals;2\n", "", None, "there is no `decimals`"),
        ("01-01", "01-32", 5, "calendar[0].dates"),
    ],
)  # fmt: skip
def test_faults_of_a_table_have_lines(old, new, where, text):
    assert old in TABLE
    (fault,) = cli_rate.check_plan_text(TABLE.replace(old, new, 1), "x.csv")
    assert fault.line == where and text in str(fault)


def test_the_examples_of_the_manual():
    manual = (Path(__file__).parent.parent / "docs" / "plans.md").read_text(encoding="utf-8")
    toml = manual.partition("```toml\n")[2].partition("```")[0]
    table = "#name" + manual.partition("```\n#name")[2].partition("```")[0]
    assert cli_rate.check_plan_text(toml, "x.toml") == cli_rate.check_plan_text(table, "x.csv") == []
    call = b'{"called": "+442079460123", "started": "2026-01-05T18:59:00", "talk_s": 90}'
    assert cli_rate.rate_line(plan_files.parse(plan_files.load(toml)), call)["charge_micros"] == 180_000
    keys = {field.encode_name for kind in vars(plan_raw).values() if hasattr(kind, "__struct_fields__")
            for field in msgspec.structs.fields(kind)}  # fmt: skip
    assert len(keys) > 25
    assert not [
        key
        for key in keys
        if f"`{key}`" not in manual and f"[[{key}]]" not in manual and f".{key}]]" not in manual
    ]
