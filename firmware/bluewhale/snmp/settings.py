"""What the owner set for SNMP: users and receivers, from settings/snmp.json and the secrets beside it."""

import ipaddress
from typing import Any

import msgspec

from bluewhale.config import Config
from bluewhale.snmp import keys
from bluewhale.snmp.notify import Receiver

TRAP_PORT = 162


def read(config: Config) -> dict[str, Any]:
    """The published settings, {} before the ledger ran for the first time."""
    try:
        tree = msgspec.json.decode(config.settings_file("snmp").read_bytes())
    except FileNotFoundError:
        return {}
    return tree if isinstance(tree, dict) else {}


def stamp(config: Config) -> tuple[Any, ...]:
    """Changes whenever settings or secrets do."""
    found: list[Any] = []
    for path in (config.settings_file("snmp"), config.secrets_dir("snmp")):
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_ino))
        except FileNotFoundError:
            found.append(None)
    return tuple(found)


def users(config: Config, tree: dict[str, Any], engine_id: str) -> tuple[dict[str, keys.Keys], list[str]]:
    """(users with usable keys, faults for the log)."""
    found: dict[str, keys.Keys] = {}
    faults = []
    for name in tree.get("users", []):
        try:
            own = keys.load(config, str(name))
        except keys.KeyFault as fault:
            faults.append(str(fault))
            continue
        if own is None:
            faults.append(
                f"user {name} has no keys on this box: set them with `bluewhale snmp user add {name}`"
            )
        elif own.engine != engine_id:
            faults.append(f"the keys of user {name} were made for another engine id: set them anew")
        else:
            found[str(name)] = own
    return found, faults


def receivers(config: Config, tree: dict[str, Any]) -> tuple[list[Receiver], list[str]]:
    """(receivers, faults for the log)."""
    found = []
    faults = []
    for entry in tree.get("receivers", []):
        name, user = str(entry.get("name")), entry.get("user")
        try:
            keys.check_name(name)
            host, port = address(str(entry.get("address")))
            community = None if user else keys.load_community(config, name)
        except keys.KeyFault as fault:
            faults.append(f"receiver {name}: {fault}")
            continue
        if user is None and community is None:
            faults.append(f"receiver {name} has no community on this box: add it anew")
        else:
            found.append(Receiver(name, host, port, user, community))
    return found, faults


def address(text: str) -> tuple[str, int]:
    """HOST, HOST:PORT or [HOST]:PORT with a numeric address: alarms do not wait for a name server."""
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        number = int(port) if port else TRAP_PORT
        if not 0 < number < 65536:
            raise ValueError("port")
        return str(ipaddress.ip_address(host)), number
    except ValueError:
        raise keys.KeyFault(f"not an address like 192.0.2.7:162 or [2001:db8::7]:162: {text}") from None
