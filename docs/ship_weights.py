"""Write the weights of a finished run of a gallery net into nets/weights/, as the wheel carries them.

    snsim run nets/lecun89.sn --data mnist-1989 --seed 1
    python docs/ship_weights.py runs/lecun89

NOTICE lists the files with the commands that made them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from snsim.atomic_files import write_atomically
from snsim.gallery import ShippedWeights, gallery_file, gallery_folder
from snsim.runs.opened_run import OpenedRun
from snsim.tensor_file import tensor_file


def ship(folder: Path) -> ShippedWeights:
    """Write the weights of a run, float32, and return the record in their header."""
    run = OpenedRun.open(folder)
    settings, last, name = run.settings, run.record.passes[-1], run.settings["name"]
    assert gallery_file(name) is not None, f"{name} is no net of the gallery"
    assert run.record.is_finished, f"{folder} is not finished"
    path = gallery_folder() / "weights" / f"{name}.safetensors"
    record = ShippedWeights(
        path,
        name,
        settings["net_digest"],
        settings["data"]["name"],
        settings["data"]["digest"],
        settings["passes"],
        settings["seed"],
        settings["engine"],
        settings["dtype"],
        last["train"]["misses"],
        last["train"]["patterns"],
        last["test"]["misses"],
        last["test"]["patterns"],
        f"snsim run {name} --data {settings['data']['name']} --seed {settings['seed']}",
    )
    path.parent.mkdir(exist_ok=True)
    weights = {key: values.astype(np.float32) for key, values in run.weights.items()}
    write_atomically(path, tensor_file(weights, record.metadata()))
    return record


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        record = ship(Path(argument))
        print(f"{record.path}: {record.summary}")
