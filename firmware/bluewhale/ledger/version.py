"""What the fold's results depend on beside the journal: its own version and its libraries' tables."""

import hashlib
import sys

FOLD = 1  # raised with every change that can alter a line made from the same bytes


def fold_version(phonenumbers: str, tzdata: str) -> str:
    """A short name of all versions together; the arguments are the versions of the tables in use."""
    parts = (
        f"fold {FOLD}",
        f"phonenumbers {phonenumbers}",
        f"tzdata {tzdata}",
        f"python {sys.version_info.major}.{sys.version_info.minor}",
    )
    return hashlib.sha256("; ".join(parts).encode()).hexdigest()[:16]
