"""Who may read. pysnmp proves who sent a message; whether that is enough is decided here, in one place.

pysnmp's own access model (7.1) falls back to any entry of a group when none fits the security level, so that
a request without authentication would be served. It is not used.
"""

from typing import NamedTuple

COMMUNITY_MODEL, USER_MODEL = 2, 3
NO_AUTH, AUTH_PRIV = 1, 3
READER = "community"  # the security name of whoever knows the read community


class Sender(NamedTuple):
    """What is proven of a message: model 1 v1, 2 v2c, 3 USM; level 1 noAuthNoPriv, 2 authNoPriv, 3 authPriv."""

    model: int
    name: str
    level: int


def may_read(sender: Sender, users: frozenset[str], community: bool) -> bool:
    """Known users with authentication and privacy; v2c only where a community is configured; v1 never."""
    if sender.model == USER_MODEL:
        return sender.level == AUTH_PRIV and sender.name in users
    return community and sender.model == COMMUNITY_MODEL and sender.name == READER
