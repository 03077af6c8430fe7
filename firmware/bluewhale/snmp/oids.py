"""Where our objects hang.

No Private Enterprise Number is assigned yet. 32473 is the number reserved for documentation (RFC 5612): it
belongs to nobody and cannot collide with a maker's. Once a number is assigned by IANA, it goes here and into
the first lines of BLUEWHALE-MIB; docs/noc.md says what else changes.
"""

from typing import Final

Oid = tuple[int, ...]

PLACEHOLDER_PEN: Final = 32473
ROOT: Final[Oid] = (1, 3, 6, 1, 4, 1, PLACEHOLDER_PEN, 4257)
MIB: Final[Oid] = (*ROOT, 1)
NOTIFICATIONS: Final[Oid] = (*MIB, 0)
BOX: Final[Oid] = (*MIB, 1, 1)
FEED_ENTRY: Final[Oid] = (*MIB, 1, 2, 1, 1)
ROLE_ENTRY: Final[Oid] = (*MIB, 1, 3, 1, 1)
ALARM_ENTRY: Final[Oid] = (*MIB, 1, 4, 1, 1)
EVENT: Final[Oid] = (*MIB, 1, 4, 2)
PRODUCT: Final[Oid] = (*ROOT, 2, 1)  # sysObjectID: the software on any machine

SYSTEM: Final[Oid] = (1, 3, 6, 1, 2, 1, 1)
SYS_UP_TIME: Final[Oid] = (*SYSTEM, 3, 0)
SNMP_TRAP_OID: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)


def text(oid: Oid) -> str:
    return ".".join(map(str, oid))
