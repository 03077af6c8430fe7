"""What is read out of status files and settings, and shown to others. Pure: trees in, values out."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

Tree = dict[str, Any]
SECRET_WORDS = ("pass", "secret", "token", "key", "auth", "community", "pin")
WITH_USER = ("tcp", "http", "https", "ftp", "ftps", "sftp", "radius")


class Kernel(msgspec.Struct, frozen=True):
    """Bytes; `cpu` in percent of all cores since the last look; `load1` in hundredths."""

    disk_size: int
    disk_free: int
    memory_size: int
    memory_free: int
    cpu: int
    load1: int
    boot_us: int


def integer(found: Tree | None, *path: str) -> int:
    """The number at `path`, 0 where there is none."""
    return maybe(found, *path) or 0


def maybe(found: Tree | None, *path: str) -> int | None:
    """The number at `path` in a tree, None where there is none."""
    value: Any = found
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    if isinstance(value, (int, float)):
        return int(value)
    return None


def named(found: Tree | None, key: str) -> dict[str, Tree]:
    """name -> entry of a list of objects that have names, or of an object whose keys are the names."""
    entries = (found or {}).get(key)
    if isinstance(entries, dict):
        return {str(name): entry for name, entry in entries.items() if isinstance(entry, dict)}
    if not isinstance(entries, list):
        return {}
    return {str(entry["name"]): entry for entry in entries if isinstance(entry, dict) and entry.get("name")}


def public_url(url: str) -> str:
    """A feed's URL without user, password and whatever in its query is called a secret."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url.partition(":")[0] + ":"
    shown = [(k, "***" if any(word in k.lower() for word in SECRET_WORDS) else v) for k, v in query]
    place = "***@" + parts.netloc.rpartition("@")[2] if "@" in parts.netloc else parts.netloc
    path = parts.path
    if not place and "@" in path and parts.scheme in WITH_USER:
        path = "***@" + path.rpartition("@")[2]  # tcp:USER:PASSWORD@HOST has no slashes
    if shown == query and place == parts.netloc and path == parts.path:
        return url
    return urlunsplit((parts.scheme, place, path, urlencode(shown, safe="*/:"), parts.fragment))
