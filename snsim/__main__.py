"""`python -m snsim` is the command `snsim`."""

import sys

from snsim.cli import main

sys.exit(main())
