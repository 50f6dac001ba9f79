"""Record a user's own data: enough to find the files again and to prepare new patterns in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from snsim.data_classes import dataclass

SCALINGS = ("bytes", "range", "standardize", "mirror")


@dataclass(frozen=True)
class FileRecord:
    """One file that was read.

    Parameters
    ----------
    name : str
        The path below the folder of the record.
    sha256 : str
        Digest (hex) of the bytes of the file. For a folder of pictures: over the names and bytes of all of them.
    pictures : int or None
        How many pictures a folder holds; None for a file.
    """

    name: str
    sha256: str
    pictures: int | None = None


@dataclass(frozen=True)
class InputScaling:
    """How inputs were scaled: (x - offset) / divisor + shift, with x replaced by mirror - x first if that is set.

    Parameters
    ----------
    kind : str
        "bytes" (0 to 255 becomes -1 to 1), "range", "standardize", or "mirror" (only inverted).
    offset, divisor : tuple of float
        One number for each feature, or a single number for all pixels.
    shift : float
    mirror : float or None
        Lowest plus highest gray of the training part where pictures were inverted.
    """

    kind: str
    offset: tuple[float, ...]
    divisor: tuple[float, ...]
    shift: float = 0.0
    mirror: float | None = None

    def apply(self, inputs: np.ndarray) -> np.ndarray:
        """Return inputs (patterns, ...) scaled. Bytes become float32; other types stay."""
        dtype = np.dtype(np.float32) if inputs.dtype == np.uint8 else inputs.dtype
        scaled = inputs.astype(dtype)
        if self.mirror is not None:
            scaled = dtype.type(self.mirror) - scaled
        offset, divisor = np.array(self.offset, dtype), np.array(self.divisor, dtype)
        if offset.any():
            scaled -= offset
        if (divisor != 1).any():
            scaled /= divisor
        if self.shift:
            scaled += dtype.type(self.shift)
        return scaled


@dataclass(frozen=True)
class DataRecord:
    """What was read, from where, and how it was prepared.

    Parameters
    ----------
    reader : str
        The reader: "csv", "npz", "npy", "idx", "images" ...
    folder : str
        Absolute path of the folder that holds the files.
    files : tuple of FileRecord
    shape : tuple of int
        Of one prepared input: (units,), (rows, columns) or (maps, rows, columns).
    columns : tuple of str
        The names of the input columns of a table, in order; empty for other files.
    targets : tuple of str
        The names of its label column or target columns.
    class_names : tuple of str
        In the order of the class numbers, spelled as in the file; empty for data with targets.
    scaling : InputScaling or None
    size : (int, int) or None
        Rows and columns to which pictures were scaled.
    seed : int or None
        The seed that drew the patterns held out; None if none were drawn.
    test : float or None
        The part (below 1) or number of patterns held out.
    folds, fold : int or None
        The number of folds, and the one (from 1) that is tested.
    """

    reader: str
    folder: str
    files: tuple[FileRecord, ...]
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    scaling: InputScaling | None = None
    size: tuple[int, int] | None = None
    seed: int | None = None
    test: float | None = None
    folds: int | None = None
    fold: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as values that JSON can write."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> DataRecord:
        """Return the record that `to_json` wrote. Raises KeyError or TypeError for anything else."""
        scaling, size = values["scaling"], values["size"]
        return DataRecord(
            reader=values["reader"],
            folder=values["folder"],
            files=tuple(FileRecord(**file) for file in values["files"]),
            shape=tuple(values["shape"]),
            columns=tuple(values["columns"]),
            targets=tuple(values["targets"]),
            class_names=tuple(values["class_names"]),
            scaling=None
            if scaling is None
            else InputScaling(**{**scaling, "offset": tuple(scaling["offset"]), "divisor": tuple(scaling["divisor"])}),
            size=None if size is None else (size[0], size[1]),
            seed=values["seed"],
            test=values["test"],
            folds=values["folds"],
            fold=values["fold"],
        )


BYTES_TO_GRAY = InputScaling("bytes", (0.0,), (127.5,), -1.0)


def fit_scaling(
    inputs: np.ndarray, interval: tuple[float, float] | None, standardize: bool, invert: bool
) -> InputScaling | None:
    """Return the scaling of inputs (patterns, ...) that the training part `inputs` determines; None if there is none.

    Rows of features are scaled feature by feature, pictures by one pair of numbers for all pixels. A constant feature
    is only moved, as scikit-learn's StandardScaler and MinMaxScaler do it. The deviation is that of the population.
    """
    pictures = inputs.ndim > 2
    bytes_of_pictures = pictures and inputs.dtype == np.uint8
    low, high = _ends(inputs, bytes_of_pictures)
    mirror = float(low.min() + high.max()) if invert else None
    if interval is not None:
        if mirror is not None:
            low, high = mirror - high, mirror - low
        divisor = (high - low) / (interval[1] - interval[0])
        return InputScaling("range", _numbers(low), _numbers(_no_zero(divisor)), interval[0], mirror)
    if standardize:
        mean, deviation = _moments(inputs)
        if mirror is not None:
            mean = mirror - mean
        return InputScaling("standardize", _numbers(mean), _numbers(_no_zero(deviation)), 0.0, mirror)
    if bytes_of_pictures:
        return InputScaling("bytes", (0.0,), (127.5,), -1.0, mirror) if invert else BYTES_TO_GRAY
    return InputScaling("mirror", (0.0,), (1.0,), 0.0, mirror) if invert else None


def _ends(inputs: np.ndarray, is_bytes: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest values: of each feature, of all pixels, or 0 and 255."""
    if is_bytes:
        return np.array([0.0]), np.array([255.0])
    if inputs.ndim > 2:
        return np.array([inputs.min()], np.float64), np.array([inputs.max()], np.float64)
    return inputs.min(axis=0).astype(np.float64), inputs.max(axis=0).astype(np.float64)


def _moments(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axis = None if inputs.ndim > 2 else 0
    mean = np.atleast_1d(inputs.mean(axis=axis, dtype=np.float64))
    if inputs.ndim <= 2:
        return mean, np.atleast_1d(inputs.std(axis=0, dtype=np.float64))
    squares = sum(float(np.square(picture - mean[0]).sum()) for picture in inputs)  # no second set in float64
    return mean, np.array([np.sqrt(squares / inputs.size)])


def _no_zero(divisor: np.ndarray) -> np.ndarray:
    return np.where(divisor == 0, 1.0, divisor)


def _numbers(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(values))
