"""One thread for every library: the nets here are small, and on a busy machine waiting threads cost more than they
give."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy and torch are imported, and for the programs that tests start

from hypothesis import settings  # noqa: E402  (numpy may come with it)

settings.register_profile("untimed", deadline=None)  # no test fails because a machine is busy
settings.load_profile("untimed")
