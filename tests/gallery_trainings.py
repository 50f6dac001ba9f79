"""The files of nets/ that declare a training. The others have a net alone, because its data are not public."""

from pathlib import Path

from snsim.program import read_program

NETS = Path(__file__).resolve().parents[1] / "nets"
WITH_TRAINING = [path for path in sorted(NETS.glob("*.sn")) if read_program(path).own_trainings]
