"""Join the arrays of an npz file that hold one input layer each, `x_NAME`, to one row for each pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from snsim.data.reader_options import fold_name, quoted
from snsim.data.record import BYTES_TO_GRAY
from snsim.errors import Span, fail, for_line
from snsim.text_table import shape_text

InputShapes = Sequence[tuple[str, tuple[int, ...]]]  # the name and the shape of each input layer of a net, in order


def arrays_of_inputs(
    stored: Mapping[str, str], stem: str, inputs: InputShapes, name: str, span: Span | None = None
) -> list[str] | None:
    """Return the folded names of the arrays that hold the layers of a net with several inputs, in order.

    None if there is no such array. `stored` has the name of each array by its folded name; `stem` is "x", "x-train" or
    "x-test". SnError if arrays are missing, or if one belongs to no input layer.
    """
    wanted = {f"{stem}-{fold_name(layer)}": layer for layer, _ in inputs}
    if len(inputs) == 1 or not any(key in stored for key in wanted):
        return None
    hint = f"numpy.savez(FILE, {', '.join(f'{_spelled(key)}=...' for key in wanted)}, {_spelled('y' + stem[1:])}=...)"
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
    if extra:
        raise fail(
            f"{name} holds {quoted([for_line(key) for key in extra])}, and the net has the input layers {layers}",
            span,
            hint=f"leave it out, or rename it: {hint}",
        )
    return list(wanted)


def join_inputs(arrays: Sequence[np.ndarray], inputs: InputShapes, name: str, span: Span | None = None) -> np.ndarray:
    """Return the arrays (patterns, ...) of all input layers as rows (patterns, units); pictures in bytes as -1 to 1.

    SnError if an array has not the size of its layer, or if they differ in the number of patterns.
    """
    rows = []
    for array, (layer, shape) in zip(arrays, inputs):
        units = prod(shape)
        if array.ndim < 2 or prod(array.shape[1:]) != units:
            raise fail(
                f"{name}: the array of layer {layer} has the shape {array.shape}, and the layer is {shape_text(shape)}",
                span,
                hint=f"give (patterns, {', '.join(map(str, shape))}), or (layer {layer} N (input)) its size",
            )
        if len(array) != len(arrays[0]):
            raise fail(
                f"{name}: {len(arrays[0]):,} patterns for layer {inputs[0][0]}, {len(array):,} for layer {layer}",
                span,
                hint="give as many patterns for each input layer",
            )
        is_picture = array.dtype == np.uint8 and array.ndim > 2
        rows.append((BYTES_TO_GRAY.apply(array) if is_picture else array).reshape(len(array), units))
    return np.concatenate(rows, axis=1)


def _spelled(folded: str) -> str:
    """Return a name as Python writes it: x_left."""
    return folded.replace("-", "_")
