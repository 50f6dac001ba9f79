"""`python -m snsim` is the command `snsim`."""

import sys

from snsim.cli.main import main

sys.exit(main())
