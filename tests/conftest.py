"""One thread for every library: the nets here are small, and on a busy machine waiting threads cost more than they
give."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy and torch are imported, and for the programs that tests start
