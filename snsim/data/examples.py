"""A data set in memory: arrays, where they came from, and a digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from snsim.data.record import DataRecord


@dataclass(frozen=True, eq=False)
class Split:
    """Patterns in their stored order. Either `labels` or `targets` is given.

    Parameters
    ----------
    inputs : array (patterns, ...shape)
        float64, or float32 for large sets.
    labels : array (patterns,) of int or None
        Class numbers from 0.
    targets : array (patterns, outputs) or None
        float64.
    files : array (patterns,) of str or None
        The absolute path of each pattern, where each has a file of its own. No part of the digest.
    starts : array (patterns,) of bool or None
        Whether a pattern is the first step of a sequence. None: only the first pattern is.
    """

    inputs: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None
    files: np.ndarray | None = None
    starts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class Examples:
    """A data set in memory.

    `record` is what a run records of a user's own files, None for other data; `notes` are sentences about them that the
    user must see. `names` are the names of the classes of a data set of the catalogue.
    """

    name: str
    train: Split
    test: Split | None
    origin: str  # a sentence: which files, found where
    digest: str  # sha256 over inputs, labels or targets of both splits
    classes: int | None = None
    record: DataRecord | None = None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of the classes as the files spell them; () where classes are only numbers."""
        return self.names if self.record is None else self.record.class_names

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one input: (units,), (rows, columns) or (maps, rows, columns)."""
        return self.train.inputs.shape[1:]


def digest(train: Split, test: Split | None) -> str:
    """Return the sha256 of both splits: the role, type, shape and elements (little-endian, by rows) of each array."""
    total = hashlib.sha256()
    for which, split in (("train", train), ("test", test)):
        if split is None:
            continue
        for role in ("inputs", "labels", "targets", "starts"):
            array = getattr(split, role)
            if array is not None:
                little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
                total.update(f"{which} {role} {little.dtype.str} {little.shape}\n".encode())
                total.update(little.data)
    return total.hexdigest()
