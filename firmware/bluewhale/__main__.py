"""`python -m bluewhale`: the same as the `bluewhale` command."""

import sys

from bluewhale.cli import main

sys.exit(main())
