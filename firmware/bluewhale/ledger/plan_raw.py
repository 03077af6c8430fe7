"""A plan file's shape: which keys there are and of which type. What the values mean is plan.py's."""

from typing import Literal

import msgspec


class RawSlot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    from_s: int = 0
    price: str
    per_s: int
    increment_s: int


class RawRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prefix: str
    name: str = ""
    destination: str | None = None
    band: str | None = None
    connection_fee: str = "0"
    minimum: str | None = None
    maximum: str | None = None
    maximum_rule: Literal["free", "cut"] = "free"
    valid_from: str | None = None
    valid_to: str | None = None
    slot: list[RawSlot]


class RawBand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    days: list[int] | None = None
    from_: str = msgspec.field(name="from", default="00:00")
    to: str = "24:00"
    dates: list[str] | None = None
    holidays: Literal["only", "never"] | None = None
    calendar: str | None = None
    weight: int = 0


class RawCalendar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    dates: list[str]


class RawPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    currency: str
    decimals: int
    rounding: Literal["up", "down", "half-up", "half-even"]
    time_zone: str | None = None
    compatible: Literal["cgrates"] | None = None
    increment_decimals: int | None = None
    calendar: list[RawCalendar] = []
    band: list[RawBand] = []
    rate: list[RawRate]


_TYPES = {"str": "text in quotes", "int": "a whole number", "array": "a list", "object": "a table"}


def shape_fault(message: str) -> tuple[str, str]:
    """msgspec's message as (path, text): "Expected `str`, got `float` - at `$.rate[0].slot[1].price`"."""
    text, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    text = text.replace("Object contains unknown field", "unknown key")
    text = text.replace("Object missing required field", "there is no").replace(
        "Invalid enum value", "unknown value"
    )
    if text.startswith("Expected `"):
        wanted, _, got = text.removeprefix("Expected ").partition(", got ")
        kinds = [_TYPES.get(kind.strip("` "), kind.strip("` ")) for kind in wanted.split("|")]
        text = f"wanted is {' or '.join(kinds).replace(' or null', '')}, not {_TYPES.get(got.strip('`'), got.strip('`'))}"
    if path.endswith(("price", "connection_fee", "minimum", "maximum")) and "text in quotes" in text:
        text += ' (amounts are text: "0.07")'
    return path, text
