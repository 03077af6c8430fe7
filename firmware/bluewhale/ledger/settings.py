"""What each role has to know of the owner's settings: the content of settings/<role>.json."""

from bluewhale.ledger.owner_fold import FeedSetting, Settings

ROLES = ("capture", "health", "web", "snmp")


def published(settings: Settings, role: str, declared: list[dict[str, object]]) -> dict[str, object]:
    """One role's settings. `declared`: feeds of the configuration file, in the shape of a feed's value."""
    if role in ("capture", "health"):
        return {"feeds": _feeds(settings, declared)}
    if role == "web":
        return {
            "users": _values(settings, "user"),
            "tokens": _values(settings, "token"),
            "setup_done": ("setup", "done") in settings,
        }
    receivers = _values(settings, "snmp-receiver")
    return {
        "users": sorted(_values(settings, "snmp-user")),
        "receivers": [{"name": name} | value for name, value in receivers.items()],
    }


def _values(settings: Settings, kind: str) -> dict[str, dict[str, object]]:
    """name -> value of one kind, by name."""
    found = {key: s.value for (k, key), s in settings.items() if k == kind and isinstance(s.value, dict)}
    return dict(sorted(found.items()))


def _feeds(settings: Settings, declared: list[dict[str, object]]) -> list[dict[str, object]]:
    """The owner's feeds and those of the file, with all defaults; a name in both is the file's."""
    defaults = {
        "format": "auto", "options": {}, "allow": [], "site": "main", "enabled": True, "watch": {},
    }  # fmt: skip
    assert set(defaults) == set(FeedSetting.__struct_fields__) - {"url"}
    feeds: dict[str, dict[str, object]] = {}
    for name, value in _values(settings, "feed").items():
        feeds[name] = {"name": name} | defaults | value | {"source": "owner"}
    for value in declared:
        feeds[str(value["name"])] = defaults | value | {"source": "file"}
    return [feeds[name] for name in sorted(feeds)]
