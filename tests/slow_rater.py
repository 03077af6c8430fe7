"""A second rater, slow and independent: it reads the plan's tree itself and walks second by second.

Written from design section 9 alone; it shares no code with bluewhale.ledger. Exact fractions, `datetime` for
the wall clock. Beside it: random plans and calls, biased to the places where mistakes live.
"""

import random
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

TWO_HOURS = 7200


def slow_charge(tree: dict, called: str, start: datetime, talk_s: int, fold: int = 0) -> int | None:
    """Micros, or None if the call has no price. `start`: naive wall time."""
    if talk_s == 0:
        return 0
    rates = rates_of_longest_prefix(tree, called, start)
    if not rates:
        return None
    bands = {band["name"]: band for band in tree.get("band", [])}
    days = Days({c["name"]: frozenset(c["dates"]) for c in tree.get("calendar", [])})
    prices = {id(slot): increment_price(tree, slot) for _, rate in rates for slot in rate["slot"]}
    clock = wall_clock(tree.get("time_zone"), start, fold)
    first, total, next_increment = None, Fraction(0), 0
    seconds = range(talk_s) if talk_s <= TWO_HOURS else None
    second = 0
    while second < talk_s:
        if second == next_increment:
            rate = best_rate(rates, bands, days, clock(second))
            if rate is None:
                return None
            if first is None:
                first = rate
                total += Fraction(rate.get("connection_fee", "0"))
            slot = [slot for slot in rate["slot"] if slot["from_s"] <= second][-1]
            total += prices[id(slot)]
            next_increment = second + slot["increment_s"]
        second = second + 1 if seconds is not None else next_increment
    if "minimum" in first:
        total = max(total, Fraction(first["minimum"]))
    if "maximum" in first and first.get("maximum_rule", "free") == "free":
        total = min(total, Fraction(first["maximum"]))
    return rounded(total * 10 ** tree["decimals"], tree["rounding"]) * 10 ** (6 - tree["decimals"])


class Days(dict):
    """Calendar name -> its dates; and, asked once a day and band, whether the band starts that day."""

    def __init__(self, calendars: dict) -> None:
        super().__init__(calendars)
        self.asked: dict = {}

    def count(self, band: dict, day: date) -> bool:
        key = (band["name"], day)
        if key not in self.asked:
            self.asked[key] = day_counts(band, self, day)
        return self.asked[key]


def rates_of_longest_prefix(tree: dict, called: str, start: datetime) -> list[tuple[int, dict]]:
    for length in range(len(called), -1, -1):
        by_band: dict = {}
        for at, rate in enumerate(tree["rate"]):
            if rate["prefix"] != called[:length]:
                continue
            valid_from = datetime.fromisoformat(rate.get("valid_from", "0001-01-01"))
            if not valid_from <= start < datetime.fromisoformat(rate.get("valid_to", "9999-12-31")):
                continue
            known = by_band.get(rate.get("band"))
            if known is None or known[2] < valid_from:
                by_band[rate.get("band")] = (at, rate, valid_from)
        if by_band:
            return [(at, rate) for at, rate, _ in by_band.values()]
    return []


def best_rate(rates: list, bands: dict, days: Days, now: datetime) -> dict | None:
    best, rank = None, None
    for at, rate in rates:
        if rate.get("band") is None:
            continue
        band = bands[rate["band"]]
        started = band_start(band, days, now)
        if started is not None:
            mine = (band.get("weight", 0), started, -at)
            if rank is None or mine > rank:
                best, rank = rate, mine
    return best or next((rate for _, rate in rates if rate.get("band") is None), None)


def band_start(band: dict, days: Days, now: datetime) -> datetime | None:
    """When the band that holds now has started, if it holds."""
    begin, end = clock_s(band.get("from", "00:00")), clock_s(band.get("to", "24:00"))
    length = end - begin if end > begin else end + 86400 - begin
    second = now.hour * 3600 + now.minute * 60 + now.second
    for back in (0, 1):
        since = second + back * 86400 - begin
        if 0 <= since < length and days.count(band, now.date() - timedelta(days=back)):
            return now - timedelta(seconds=since, microseconds=now.microsecond)
    return None


def day_counts(band: dict, days: Days, day: date) -> bool:
    names = (day.strftime("%m-%d"), f"{day.year:04d}-{day.strftime('%m-%d')}")
    if "days" in band and day.isoweekday() not in band["days"]:
        return False
    if "dates" in band and not any(name in band["dates"] for name in names):
        return False
    if "holidays" not in band:
        return True
    calendars = [band["calendar"]] if "calendar" in band else list(days)
    holiday = any(name in days[calendar] for calendar in calendars for name in names)
    return holiday is (band["holidays"] == "only")


@lru_cache
def clock_s(text: str) -> int:
    parts = [int(part) for part in text.split(":")] + [0]
    return parts[0] * 3600 + parts[1] * 60 + parts[2]


def wall_clock(zone: str | None, start: datetime, fold: int):
    if zone is None:
        return lambda second: start + timedelta(seconds=second)
    utc = start.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)
    place = ZoneInfo(zone)
    return lambda second: (utc + timedelta(seconds=second)).astimezone(place).replace(tzinfo=None)


def increment_price(tree: dict, slot: dict) -> Fraction:
    exact = Fraction(slot["price"]) / slot["per_s"] * slot["increment_s"]
    if tree.get("compatible") != "cgrates":
        return exact
    scale = 10 ** tree["increment_decimals"]
    return Fraction(rounded(exact * scale, "half-up"), scale)


def rounded(value: Fraction, rule: str) -> int:
    """Amounts here are never below 0."""
    low = value.numerator // value.denominator
    over = value - low
    if over == 0 or rule == "down":
        return low
    if rule == "up" or over > Fraction(1, 2):
        return low + 1
    if over < Fraction(1, 2):
        return low
    return low + 1 if rule == "half-up" or low % 2 == 1 else low


ZONES = (None, None, "Asia/Shanghai", "Europe/London", "America/New_York", "Australia/Lord_Howe")
# Around changes of the clock (London, New York, Lord Howe), a leap day, ends of months and of the year.
DAYS = ("2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04", "2024-02-29",
        "2026-10-01", "2025-12-31", "2026-01-05", "2026-05-01", "2026-07-31")  # fmt: skip
CHANGES = {
    "Europe/London": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),  # by half an hour
}
PREFIXES = ("", "+", "1", "12", "123", "+8", "+86", "+8610", "+86755", "17909+86")
TAILS = ("", "0", "5", "34", "10623456", "62345678", "75512345678")
NUMBERS = ("+861062345678", "+8675512345678", "12315", "12", "17909+8610", "+12315551234", "95588", "", "+8")


def random_plan(chance: random.Random) -> dict:
    tree: dict = {
        "name": "random",
        "currency": "XTS",
        "decimals": chance.choice((0, 1, 2, 2, 3, 4, 6)),
        "rounding": chance.choice(("up", "down", "half-up", "half-even")),
        "calendar": [
            {"name": "A", "dates": ["10-01", "2026-05-01", "2026-01-05"]},
            {"name": "B", "dates": ["12-31"]},
        ],
        "band": [random_band(chance, at) for at in range(chance.choice((0, 0, 1, 2, 3, 5)))],
        "rate": [],
    }
    zone = chance.choice(ZONES)
    if zone:
        tree["time_zone"] = zone
    if chance.random() < 0.15:
        tree |= {"compatible": "cgrates", "increment_decimals": chance.choice((0, 2, 4, 5))}
    seen = set()
    prefixes = chance.sample(PREFIXES, chance.randint(1, 4))
    for _ in range(chance.randint(1, 9)):
        rate = random_rate(chance, chance.choice(prefixes), [band["name"] for band in tree["band"]])
        key = (rate["prefix"], rate.get("band"), rate.get("valid_from"))
        if key not in seen:
            seen.add(key)
            tree["rate"].append(rate)
    return tree


def random_band(chance: random.Random, at: int) -> dict:
    begin, end = chance.sample(range(0, 1440, chance.choice((1, 30, 60))), 2)
    band: dict = {"name": f"band{at}", "weight": chance.choice((0, 0, 1, 10))}
    if chance.random() < 0.8:
        band["from"] = f"{begin // 60:02d}:{begin % 60:02d}"
        band["to"] = f"{end // 60:02d}:{end % 60:02d}:{chance.choice((0, 0, 30)):02d}"
    if chance.random() < 0.5:
        band["days"] = chance.sample(range(1, 8), chance.randint(1, 6))
    if chance.random() < 0.15:
        band["dates"] = chance.sample(("10-25", "03-29", "2026-01-05", "02-29", "12-31", "2026-10-02"), 3)
    if chance.random() < 0.25:
        band["holidays"] = chance.choice(("only", "never"))
        if chance.random() < 0.5:
            band["calendar"] = chance.choice(("A", "B"))
    return band


def random_rate(chance: random.Random, prefix: str, bands: list[str]) -> dict:
    rate: dict = {"prefix": prefix, "slot": random_slots(chance)}
    if bands and chance.random() < 0.65:
        rate["band"] = chance.choice(bands)
    if chance.random() < 0.4:
        rate["connection_fee"] = amount(chance, 2)
    if chance.random() < 0.2:
        rate["minimum"] = amount(chance, 3)
    if chance.random() < 0.25:
        rate["maximum"] = str(Fraction(rate.get("minimum", "0")) // 1 + chance.randint(1, 20))
        rate["maximum_rule"] = chance.choice(("free", "cut"))
    if chance.random() < 0.25:
        rate["valid_from"] = chance.choice(("2020-01-01", "2026-03-29", "2026-10-25T01:30:00", "2026-01-01"))
    if chance.random() < 0.15:
        rate["valid_to"] = chance.choice(("2026-06-30", "2026-10-25T12:00", "2027-01-01"))
        if rate["valid_to"] <= rate.get("valid_from", ""):
            del rate["valid_to"]
    return rate


def random_slots(chance: random.Random) -> list[dict]:
    starts = [
        0,
        *sorted(chance.sample((1, 6, 30, 59, 60, 61, 180, 600, 3600), chance.choice((0, 0, 1, 2, 3)))),
    ]
    return [
        {
            "from_s": start,
            "price": amount(chance, chance.choice((0, 2, 4))),
            "per_s": chance.choice((1, 6, 7, 30, 60, 60, 3600)),
            "increment_s": chance.choice((1, 1, 6, 7, 10, 30, 60, 60, 180, 600)),
        }
        for start in starts
    ]


def amount(chance: random.Random, decimals: int) -> str:
    digits = f"{chance.choice((0, chance.randint(0, 99), chance.randint(0, 9999))):0{decimals + 1}d}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def random_call(chance: random.Random, tree: dict) -> tuple[str, datetime, int, int]:
    """(called, start, talk_s, fold); many calls start just before a band's edge or a change of the clock."""
    days = DAYS if chance.random() < 0.6 else CHANGES.get(tree.get("time_zone"), DAYS)
    start = datetime.fromisoformat(chance.choice(days)) + timedelta(days=chance.choice((0, 0, 0, -1, 1)))
    edges = [clock_s(band[side]) for band in tree["band"] for side in ("from", "to") if side in band]
    edge = chance.choice([*edges, 0, 3600, 7200, 10800, 43200])
    start += timedelta(
        seconds=edge + chance.choice((0, -1, 1, -chance.randint(0, 600), chance.randint(-43200, 43200)))
    )
    weights, ends = (60, 30, 8, 2), (90, 900, TWO_HOURS, 40 * 3600)
    talk_s = chance.randint(0, chance.choices(ends, weights)[0])
    known = chance.choice(tree["rate"])["prefix"] + chance.choice(TAILS)
    return (
        chance.choice((known, known, known, chance.choice(NUMBERS))),
        start,
        talk_s,
        chance.choice((0, 0, 0, 1)),
    )
