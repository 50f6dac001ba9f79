"""Nets that are too large to compute: `check` and `show` count them without building a table."""

import os
import re
import resource
import subprocess
import sys

import pytest

NETS = {
    "(layer i 30000) (layer o 30000) (connect i o (full))": 30_000 * 30_001,
    "(layer i 30000) (layer o 30000 (bias none)) (connect i o (full) (weight-norm))": 30_000 * 30_000,
    "(layer i (10 110 110)) (layer o (80 100 100)) (connect i o (mask 11 11))": 80 * 100 * 100 * (10 * 121 + 1),
    "(layer i (10 100 100)) (layer o (90 92 92)) (connect i o (local 9 9))": 90 * 92 * 92 * (10 * 81 + 1),
    "(layer i (1000 100)) (layer o (991 900)) (connect i o (tdnn 10))": 991 * 900 * (10 * 100 + 1),
}
MEGABYTE = 1 << 20


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not tell the peak of a process")
@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize("clauses", NETS)
def test_a_net_is_counted_in_little_memory(clauses, command, tmp_path):
    path = tmp_path / "large.sn"
    path.write_text(f"(net large {clauses})")
    script = (
        "import resource, sys; from snsim.cli.main import main; code = main(sys.argv[1:]); sys.stdout.flush(); "
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')), "
        "sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4096 * MEGABYTE, 4096 * MEGABYTE)),
    )
    assert done.returncode == 0, done.stderr
    assert f"{NETS[clauses]:,}" in done.stdout
    if "(full)" in clauses or "(local" in clauses:  # few weights take less than what `check` tells
        assert re.search(r"a run would need \d\d\.\d GB of memory", done.stdout)
    kilobytes, seconds = done.stderr.split()[-2:]
    assert int(kilobytes) * 1024 < 300 * MEGABYTE
    assert float(seconds) < 3  # of CPU: one on the machine this was written on
