"""Join the arrays of an npz file that hold one input layer each, `x_NAME`, to one row for each pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np

from snsim.data.reader_options import fold_name, quoted
from snsim.data.record import BYTES_TO_GRAY
from snsim.errors import Span, fail, for_line
from snsim.text_table import shape_text

InputShapes = Sequence[tuple[str, tuple[int, ...]]]  # the name and the shape of each input layer of a net, in order


_STEMS = ("x", "x-train", "x-test")


class ArrayNames:
    """The names of the arrays of a file `name`, of which those in `refused` cannot be read, for the reasons there.

    `stored` has the name of each array by its folded name; `shared` the names where several arrays have the same one.
    """

    def __init__(self, readable: Iterable[str], refused: Mapping[str, str], name: str, span: Span | None = None):
        several: dict[str, list[str]] = {}
        for key in (*readable, *refused):
            several.setdefault(fold_name(key), []).append(key)
        self.stored = {folded: keys[0] for folded, keys in several.items()}
        self.shared = {folded: keys for folded, keys in several.items() if len(keys) > 1}
        self.refused, self.name, self.span = refused, name, span

    def check(self, folded_names: Iterable[str], remedy: str = "give numbers: array.astype('float32')") -> None:
        """Raise SnError if one of these arrays is not the only one of its folded name, or cannot be read."""
        for folded in folded_names:
            if folded in self.shared:
                raise fail(
                    f"{self.name} holds {quoted(list(map(for_line, self.shared[folded])))}, whose names differ only in "
                    "case or in _ and -",
                    self.span,
                    hint="leave out all but one of them",
                )
            key = self.stored[folded]
            if key in self.refused:
                raise fail(f'{self.name}: "{for_line(key)}": {self.refused[key]}', self.span, hint=remedy)


def save_call(inputs: InputShapes, answers: str = "", stem: str = "x") -> str:
    """Return the call of NumPy that saves an array for each input layer, and the array `answers` unless it is ""."""
    arrays = [f"{stem}_{layer}" for layer, _ in inputs] + ([answers] if answers else [])
    return _spelled(f"numpy.savez(FILE, {', '.join(f'{array}=...' for array in arrays)})")


def arrays_of_inputs(
    stored: Mapping[str, str], stem: str, inputs: InputShapes, name: str, span: Span | None = None, answers: str = ""
) -> list[str] | None:
    """Return the folded names of the arrays that hold the layers of a net with several inputs, in order.

    None if there is no such array. `stored` has the name of each array by its folded name; `stem` is "x", "x-train" or
    "x-test"; `answers` names the array of the labels or targets in the remedy. SnError if arrays are missing, if one
    belongs to no input layer, and if one holds the inputs of all layers.
    """
    wanted = {f"{stem}-{fold_name(layer)}": layer for layer, _ in inputs}
    if len(inputs) == 1 or not any(key in stored for key in wanted):
        return None
    hint = save_call(inputs, answers, stem)
    layers = ", ".join(layer for layer, _ in inputs)
    missing = [_spelled(key) for key in wanted if key not in stored]
    if missing:
        raise fail(
            f"{name} has no array {quoted(missing)}; the net has the input layers {layers}", span, hint=f"write {hint}"
        )
    others = ("train-", "test-") if stem == "x" else ()
    extra = [
        stored[key]
        for key in stored
        if key.startswith(f"{stem}-") and key not in wanted and not key[len(stem) + 1 :].startswith(others)
    ]
    extra = [key for key in extra if fold_name(key) not in _STEMS]
    if extra:
        raise fail(
            f"{name} holds {quoted([for_line(key) for key in extra])}, and the net has the input layers {layers}",
            span,
            hint=f"leave it out, or rename it: {hint}",
        )
    whole = [for_line(stored[key]) for key in _STEMS if key in stored and key not in wanted]
    if whole:
        parts = [for_line(stored[key]) for key in wanted]
        raise fail(
            f"{name} holds {quoted(whole)}, the inputs of all layers in a row, as well as {quoted(parts)}",
            span,
            hint=f"leave out {whole[0]}, or the arrays of the single layers",
        )
    return list(wanted)


def join_inputs(
    arrays: Sequence[np.ndarray], keys: Sequence[str], inputs: InputShapes, name: str, span: Span | None = None
) -> np.ndarray:
    """Return the arrays (patterns, ...) of all input layers as rows (patterns, units); pictures in bytes as -1 to 1.

    `keys` are the names of the arrays in the file `name`. SnError if an array holds no finite numbers or has not the
    size of its layer, or if they differ in the number of patterns.
    """
    check_counts([array.shape for array in arrays], keys, name, span)
    rows = []
    for array, key, (layer, shape) in zip(arrays, keys, inputs):
        units = prod(shape)
        if array.dtype.kind not in "fiub":
            raise fail(
                f"{name}: {for_line(key)} has the type {array.dtype}, expected numbers",
                span,
                hint="give numbers: array.astype('float32')",
            )
        if array.ndim < 2 or prod(array.shape[1:]) != units:
            raise fail(
                f"{name}: the array of layer {layer} has the shape {array.shape}, and the layer is {shape_text(shape)}",
                span,
                hint=f"give (patterns, {', '.join(map(str, shape))}), or (layer {layer} N (input)) its size",
            )
        is_picture = array.dtype == np.uint8 and array.ndim > 2
        rows.append((BYTES_TO_GRAY.apply(array) if is_picture else array).reshape(len(array), units))
    return np.concatenate(rows, axis=1)


def check_counts(shapes: Sequence[tuple[int, ...]], keys: Sequence[str], name: str, span: Span | None = None) -> None:
    """Raise SnError if the arrays of the input layers, `keys`, differ in the number of patterns."""
    counts = [(shape[0], key) for shape, key in zip(shapes, keys) if shape]
    for count, key in counts:
        if count != counts[0][0]:
            raise fail(
                f"{name}: {counts[0][0]:,} patterns in {for_line(counts[0][1])}, {count:,} in {for_line(key)}",
                span,
                hint="give as many patterns for each input layer",
            )


def _spelled(folded: str) -> str:
    """Return a name as Python writes it: x_left."""
    return folded.replace("-", "_")
