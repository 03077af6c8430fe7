"""Site facts a feed brings: checked once, refused with a text that says what would be right."""

import codecs
from typing import Any

from bluewhale.formats._layout import Format, Option

# Every family accepts these names (one set of options may serve a feed whose format is found by detection);
# each family's data sheet says which of them it reads.
COMMON = (
    Option("zone", "text", "IANA zone of the PBX's clock; the ledger reads it"),
    Option("encoding", "text", "how names are encoded; default utf-8, else latin-1, line by line"),
    Option("charge_policy", "text", "who pays when several took part; the ledger reads it"),
    Option("format", "text", "the family's layout, where it has several"),
    Option("layout", "any", "a list of [name, length], or a layout's name"),
    Option("date_order", "text", "such as mm/dd/yy or dd.mm.yy"),
    Option("year", "number", "the year of the first record, where records have none"),
    Option("time_is", "text", "what a record's time means: start, answer or end"),
    Option("columns", "texts", "the record's columns in order"),
    Option("template", "texts", "the record's columns in order"),
    Option("fields", "any", "field names"),
    Option("trunk_devices", "texts", "devices that are trunks; * stands for anything"),
    Option("internal_devices", "texts", "devices that are stations; * stands for anything"),
    Option("internal_numbers", "any", "what numbers of this site look like"),
    Option("trunk_channels", "texts", "channels that are trunks, by their beginning"),
    Option("internal_channels", "texts", "channels that are stations, by their beginning"),
    Option("extension_channels", "any", "channel to extension"),
    Option("internal_extensions", "any", "what extensions look like"),
    Option("voicemail_numbers", "texts", "numbers that are voice mail"),
)


class OptionError(ValueError):
    """An option that does not exist or whose value cannot be used; the text says which and why."""


def check(fmt: Format, options: dict[str, Any]) -> dict[str, Any]:
    """The options with each value in the type its kind names. Raises OptionError."""
    known = {option.name: option for option in COMMON} | {option.name: option for option in fmt.options}
    out: dict[str, Any] = {}
    for name, value in options.items():
        option = known.get(name)
        if option is None:
            mine = ", ".join(sorted(known))
            raise OptionError(f"{fmt.name} has no option {name!r}; it knows {mine}")
        out[name] = _value(option, value)
        if option.choices and out[name] not in option.choices:
            raise OptionError(f"option {name}: {value!r} is none of {', '.join(option.choices)}")
    if "encoding" in out:
        _check_encoding(out["encoding"])
    return out


def _value(option: Option, value: Any) -> Any:
    kind, name = option.kind, option.name
    if kind == "any":
        return value
    if kind == "texts" and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if kind == "texts" and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return value
    if kind == "table" and isinstance(value, dict):
        return {str(key): str(part) for key, part in value.items()}
    if kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind == "flag" and isinstance(value, bool):
        return value
    if kind == "text" and isinstance(value, str):
        return value
    raise OptionError(f"option {name}: {value!r} is no {_WORDS.get(kind, kind)}")


_WORDS = {"texts": "list of texts", "table": "table", "number": "whole number", "flag": "true or false"}


def _check_encoding(name: str) -> None:
    try:
        codecs.lookup(name)
        b"a".decode(name)
    except LookupError:
        raise OptionError(f"option encoding: {name!r} is no text encoding") from None
