"""The versions of what the fold consults beside the journal, as installed here."""

import zoneinfo
from importlib import metadata
from pathlib import Path

from bluewhale.ledger import version


def fold_version() -> str:
    return version.fold_version(metadata.version("phonenumberslite"), tzdata_version())


def tzdata_version() -> str:
    """Of the tables zoneinfo reads: the system's where there are any, else the package's."""
    for directory in zoneinfo.TZPATH:
        file = Path(directory) / "tzdata.zi"
        if file.is_file():
            with file.open(encoding="ascii") as lines:
                return lines.readline().removeprefix("# version ").strip()
        if Path(directory).is_dir() and any(Path(directory).iterdir()):
            return f"system {directory}"
    return metadata.version("tzdata")
