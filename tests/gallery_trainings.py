"""The files of nets/ that declare a training. The others have a net alone, because its data are not public."""

from pathlib import Path

from snsim.program import read_program

NETS = Path(__file__).resolve().parents[1] / "nets"
TRAININGS = {path: read_program(path).own_trainings for path in sorted(NETS.glob("*.sn"))}
WITH_DELAYS = [path for path, own in TRAININGS.items() if any(training.net.delayed for training in own)]
# Those that pages and exports compute; they refuse nets with delays (test_delays.py).
WITH_TRAINING = [path for path, own in TRAININGS.items() if own and path not in WITH_DELAYS]
