"""The files of nets/ that declare a training. The others have a net alone, because its data are not public."""

from pathlib import Path

from snsim.program import read_program

NETS = Path(__file__).resolve().parents[1] / "nets"
TRAININGS = {path: read_program(path).own_trainings for path in sorted(NETS.glob("*.sn"))}
WITH_TRAINING = [path for path, own in TRAININGS.items() if own]
# Those whose patterns stand alone; nets with delays read sequences (test_delays.py).
WITHOUT_DELAYS = [path for path in WITH_TRAINING if not any(training.net.delayed for training in TRAININGS[path])]
