"""One thread for every library: the nets here are small, and on a busy machine waiting threads cost more than they
give."""

import os
import signal

# A shell that starts the suite in the background has SIGINT ignored, and every program started from here would inherit
# that: tests that interrupt a run would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy and torch are imported, and for the programs that tests start

from hypothesis import settings  # noqa: E402  (numpy may come with it)

settings.register_profile("untimed", deadline=None)  # no test fails because a machine is busy
settings.load_profile("untimed")
