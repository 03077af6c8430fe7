"""The values of an owner's changes that the book takes, checked: their shape, and what each text may be."""

from functools import cache
from typing import Any, TypeVar
from zoneinfo import available_timezones

import msgspec

from bluewhale.ledger.plan_raw import shape_fault

T = TypeVar("T")

_LONGEST = 200
_LONGEST_NUMBER = 32


class Refused(ValueError):
    """An owner's change that is not applied; the text says why, for the person who asked."""


class SiteValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    enterprise: str = "default"
    zone: str = "UTC"
    country: str = ""
    area: str = ""
    access_codes: list[str] = []
    local_digits: int = 0


class PlanValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    plan: dict[str, Any]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An extension of the directory. What is not given is not known: unassigned."""

    extension: str
    site: str = "main"
    person: str | None = None
    department: str | None = None
    enterprise: str | None = None


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    extension: str
    site: str = "main"


class DirectoryValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    set: list[Row] = []
    remove: list[Key] = []


def convert(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        path, text = shape_fault(str(error))
        raise Refused(f"{path}: {text}" if path else text) from error


def name(text: str, what: str) -> str:
    """A name that a person gives: not empty, not padded, no control characters."""
    if not text or text != text.strip() or len(text) > _LONGEST or not text.isprintable():
        raise Refused(f"not a name for a {what}: {text[:_LONGEST]!r}")
    return text


def site(value: Any) -> SiteValue:
    wanted = convert(value, SiteValue)
    name(wanted.enterprise, "enterprise")
    if wanted.zone not in _zones():
        raise Refused(f'zone: "{wanted.zone}" is not a zone such as "Asia/Shanghai"')
    area = wanted.area.removeprefix("0")
    for field, text in (
        ("country", wanted.country),
        ("area", area),
        *(("access_codes", c) for c in wanted.access_codes),
    ):
        if text and not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise Refused(f'{field}: "{text[:_LONGEST]}" is not up to 6 digits')
    if "" in wanted.access_codes or not 0 <= wanted.local_digits <= 12:
        raise Refused(
            "access_codes: an empty one" if "" in wanted.access_codes else "local_digits: not 0 to 12"
        )
    return msgspec.structs.replace(wanted, area=area)


def plan(value: Any) -> dict[str, Any]:
    return convert(value, PlanValue).plan


def directory(value: Any) -> DirectoryValue:
    wanted = convert(value, DirectoryValue)
    for at, extension in enumerate(
        [row.extension for row in wanted.set] + [row.extension for row in wanted.remove]
    ):
        if not extension or extension != extension.strip() or len(extension) > _LONGEST_NUMBER:
            raise Refused(f"row {at + 1}: not an extension: {extension[:_LONGEST_NUMBER]!r}")
    for row in wanted.set:
        for what in ("person", "department", "enterprise"):
            text = getattr(row, what)
            if text is not None:
                name(text, what)
    return wanted


@cache
def _zones() -> set[str]:
    return available_timezones()
