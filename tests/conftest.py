"""Shared set-up of the tests: `tests/` is on the path, so that helpers import by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
