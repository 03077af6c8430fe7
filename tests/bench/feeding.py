"""Lines for the benchmark: as many as asked for, every one different, the same for the same seed."""

import random
from collections.abc import Iterator

IPOFFICE = (
    "2026/11/{day:02d} {h:02d}:{m:02d}:{s:02d},{talk},{ring},{ext},O,{num},{num},,0,{id},0,"
    "E{ext},Extn{ext},T9{trunk:03d},Line {trunk}.1,0,0,,,,,,,,,,,,,\r\n"
)
LINES_A_DAY = 100_000  # of 5,000 extensions: 20 calls each, what a busy office makes
PREFIXES = ("0207946", "0755826", "01632960", "07700900", "0033142", "0012125", "008610")


def ipoffice(count: int, seed: int = 1) -> Iterator[bytes]:
    """Outgoing calls of an IP Office: 12 % unanswered, 5,000 extensions, 20 trunks."""
    dice = random.Random(seed)
    for i in range(count):
        talk = 0 if dice.random() < 0.12 else int(dice.expovariate(1 / 120)) + 1
        yield IPOFFICE.format(
            day=1 + i // LINES_A_DAY % 28, h=dice.randrange(8, 19), m=dice.randrange(60), s=dice.randrange(60),
            talk=f"{talk // 3600:02d}:{talk // 60 % 60:02d}:{talk % 60:02d}", ring=dice.randrange(30),
            ext=2000 + dice.randrange(5000), num=dice.choice(PREFIXES) + f"{dice.randrange(10000):04d}",
            id=1000000 + i, trunk=dice.randrange(1, 21),
        ).encode()  # fmt: skip
