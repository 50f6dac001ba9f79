"""MOCK for development."""

from dataclasses import dataclass
from typing import Any


@dataclass
class D:
    values: Any
    blobs: Any


def describe_training(training, prepared, seed, initial=None, weights=None):
    blobs = {}
    for name in ("train", "test"):
        p = getattr(prepared, name)
        if p is not None:
            blobs[f"{name}.inputs"] = p.inputs.astype("<f4").tobytes()
            blobs[f"{name}.targets"] = p.targets.astype("<f4").tobytes()
    return D({"passes": training.passes}, blobs)
