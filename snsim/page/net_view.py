"""What the page shows of a training, as values of JSON: layers, connections, parameters, data, published figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from snsim.data.catalog import DATA_SETS, DataSet
from snsim.data.own_picture import FULL_BOX
from snsim.data.record import DataRecord
from snsim.errors import for_line
from snsim.network.net import Connection, Dense, Frames, Layer, Net, Parameter, Windows
from snsim.run_folder import folder_name
from snsim.text_table import class_label
from snsim.training.prepare import PreparedData, have_classes
from snsim.training.spec import Training

_MOST_LINES = 300_000  # of an explicit table that travels in the page
_MOST_SLIDERS = 16  # inputs without rows and columns that have sliders
_MOST_INPUTS = 10_000_000  # numbers that decide the range of the inputs
_LOSSES = {"half-mse": "half_mse", "mse": "mse", "loss": "loss"}  # published figure: field of a score, as in plots


@dataclass(frozen=True, eq=False)
class ShownData:
    """The data of a page.

    Attributes
    ----------
    prepared : PreparedData
    record : DataRecord or None
        Of a user's own files.
    comparable : bool
        Whether published figures hold for these data.
    attribution : str
        Whose data they are.
    """

    prepared: PreparedData
    record: DataRecord | None
    comparable: bool
    attribution: str


def view_of(training: Training, data: ShownData, seed: int, start: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the view, values for `for_json`, and the arrays that belong to it by name.

    `seed` is that of the initial weights, and `start` the sentence that the page shows when it is ready.
    """
    net, prepared = training.net, data.prepared
    arrays: dict[str, np.ndarray] = {}
    connections = [_connection(net, connection, arrays) for connection in net.connections]
    targets = prepared.train.targets
    view = {
        "name": for_line(training.name),
        "file": folder_name(training.name).lstrip("-.") or "net",
        "seed": seed,
        "passes": training.passes,
        "layers": [_layer(net, layer) for layer in net.layers],
        "connections": connections,
        "transforms": [{"word": t.word, "sources": list(t.sources), "target": t.target} for t in net.transforms],
        "parameters": [_parameter(p) for p in net.parameters if p.learns],
        "criterion": [training.criterion[0], *training.criterion[1]],
        "classes": _class_names(data, targets.shape[1]),
        "have_classes": have_classes(targets),
        "data": {
            "name": for_line(prepared.name),
            "train": len(prepared.train),
            "test": 0 if prepared.test is None else len(prepared.test),
        },
        "range": _range(prepared.train.inputs),
        "picture": _picture_form(training, data),
        "sliders": _sliders(net),
        "input_names": _input_names(net, data),
        "input_scaling": _scaling_of_columns(data.record),
        "curves": _published_lines(training, data),
        "loss_figure": _loss_figure(training, data)[1],
        "settings": _settings(training),
        "start_words": start,
    }
    return view, arrays


def _layer(net: Net, layer: Layer) -> dict[str, Any]:
    bias = next((p.name for p in net.parameters_of(layer.name) if p.kind == "bias"), None)
    return {
        "name": layer.name,
        "label": for_line(layer.name),
        "shape": list(layer.shape),
        "units": layer.units,
        "maps": None if layer.maps is None else list(layer.maps),
        "nlf": "" if layer.nlf is None else for_line(layer.nlf.name),
        "bias": layer.bias,
        "bias_parameter": bias,
        "input": layer.is_input,
    }


def _connection(net: Net, connection: Connection, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    wiring, structure = connection.wiring, connection.wiring.structure
    parameter = next(p for p in net.parameters if p.name == net.weight_name(connection))
    described: dict[str, Any]
    has_codes = not parameter.learns and parameter.codes is not None
    if has_codes:
        arrays[f"codes-{connection.name}"] = parameter.fixed_values(np.float32).astype("<f4").ravel()
    gain = net.gain_name(connection)
    if gain is not None:
        arrays[f"owners-{connection.name}"] = wiring.owners().astype("<i4")
    shown = parameter.learns and not connection.weight_norm and parameter.size > 0
    if isinstance(structure, Dense):
        described = {"kind": "dense", "sources": structure.sources, "targets": structure.targets}
    elif isinstance(structure, Frames):
        described = {"kind": "frames", "source": list(structure.source), "target": list(structure.target)}
        described |= {"window": structure.window, "step": structure.step}
    elif isinstance(structure, Windows):
        described = {
            "kind": "windows",
            "source": list(structure.source),
            "target": list(structure.target),
            "maps": ["".join("x" if feeds else "-" for feeds in row) for row in structure.maps],
            "window": list(structure.window),
            "step": list(structure.step),
            "border": list(structure.border),
            "wrap": structure.wrap,
            "sharing": structure.sharing,
        }
    else:
        described = {"kind": "table"}
        if wiring.connections <= _MOST_LINES:
            table = connection.table
            arrays[f"table-{connection.name}"] = np.concatenate([table.source, table.target, table.weight]).astype(
                "<i4"
            )
        else:
            shown = False
    return {
        "name": connection.name,
        "source": connection.source,
        "target": connection.target,
        "source_label": for_line(connection.source),
        "target_label": for_line(connection.target),
        "parameter": parameter.name,
        "structure": described,
        "text": _text(connection, parameter),
        "border_value": connection.border_value,
        "delayed": connection.delay > 0,
        "scale": connection.scale,
        "distance": connection.distance,
        "gain": gain,
        "sharers": parameter.sharers_range[1] if parameter.size else 0,
        "fixed": "codes" if has_codes else parameter.fixed,
        "fan_in": _runs(parameter.fan_in) if shown else [],
        "shown": shown,
    }


def _text(connection: Connection, parameter: Parameter) -> str:
    words = f"{connection.scheme}, {connection.wiring.connections:,} lines, {parameter.size:,} weights"
    structure = connection.wiring.structure
    if isinstance(structure, Windows):
        rows, columns = structure.window
        words += f", windows of {rows} by {columns}"
        if not structure.maps.all():
            words += f", {int(structure.maps.sum())} of {structure.maps.size} pairs of maps"
    if connection.delay:
        words += ", one step before"
    return for_line(words)


def _runs(values: np.ndarray) -> list[list[int]]:
    """Return values as runs, [value, count] each."""
    flat = np.ravel(values)
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    counts = np.diff(np.r_[starts, len(flat)])
    return [[int(flat[start]), int(count)] for start, count in zip(starts, counts)]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {"name": parameter.name, "described": parameter.described_name, "shape": list(parameter.shape)}


def _class_names(data: ShownData, units: int) -> list[str]:
    names: Sequence[str] = data.prepared.class_names
    if not names and data.record is not None:
        names = data.record.targets
    return [class_label(names, unit) for unit in range(units)]


def _range(inputs: np.ndarray) -> list[float]:
    some = inputs[: max(1, _MOST_INPUTS // max(1, inputs.shape[1]))]
    low, high = float(some.min()), float(some.max())
    return [low, high] if high > low else [low - 1, low + 1]


def _data_set(training: Training, name: str) -> DataSet | None:
    entry = DATA_SETS.entry(name) if training.data.names else None
    return None if entry is None else entry.value


def _picture_form(training: Training, data: ShownData) -> Mapping[str, Any] | None:
    """Return how a drawing becomes an input; None if the input is not one picture.

    As for `snsim predict`: as the data set places its ink, or whole where the user's own pictures were learned.
    """
    maps = training.net.inputs[0].maps
    if maps is None or maps[0] != 1 or len(training.net.inputs) > 1:
        return None
    shape, data_set = list(maps[1:]), _data_set(training, data.prepared.name)
    frame = training.frame
    style, scaling, whole, span = FULL_BOX, None, False, None
    if data.record is not None:
        scaling = None if data.record.scaling is None else asdict(data.record.scaling)
        whole = data.record.reader in ("images", "idx") or (scaling is not None and scaling["kind"] == "bytes")
        shape = list(data.record.shape[-2:]) if len(data.record.shape) > 1 else shape
    elif data_set is not None:
        style, shape = data_set.pictures, list(data_set.shape[-2:])
    if data_set is None and not whole:
        span = _range(data.prepared.train.inputs)  # ink becomes the largest input, paper the smallest
    if frame is None and shape != list(maps[1:]):
        shape = list(maps[1:])
    return {
        "shape": shape,
        "style": {
            "longer_side": style.longer_side,
            "place": style.place,
            "canvas": style.canvas and list(style.canvas),
        },
        "whole": whole,
        "scaling": scaling if whole else None,
        "frame": None if frame is None else list(frame),
        "range": span,
    }


def _scaling_of_columns(record: DataRecord | None) -> dict[str, Any] | None:
    """Return the scaling of the columns of a table, with which the page shows inputs in the units of the table."""
    if record is None or record.scaling is None or not record.columns:
        return None
    return asdict(record.scaling)


def _sliders(net: Net) -> int:
    """Return the number of sliders: one for each input unit, if they are few and no picture."""
    are_numbers = all(layer.maps is None for layer in net.inputs)
    return net.input_units if are_numbers and net.input_units <= _MOST_SLIDERS else 0


def _input_names(net: Net, data: ShownData) -> list[str]:
    """Return what the sliders are called: columns of a table, or units of several input layers."""
    if data.record is not None and data.record.columns:
        return [for_line(name) for name in data.record.columns]
    units = [f"{for_line(layer.name)} {k}" for layer in net.inputs for k in range(layer.units)]
    return units if len(net.inputs) > 1 and _sliders(net) else []


def _published_lines(training: Training, data: ShownData) -> dict[str, dict[str, float]]:
    """Return the published errors in percent and losses by split, to be drawn as lines."""
    if not data.comparable:
        return {}
    published, prepared = dict(training.published), data.prepared
    sizes = {"train": len(prepared.train), "test": 0 if prepared.test is None else len(prepared.test)}
    lines: dict[str, dict[str, float]] = {"error": {}, "loss": {}}
    loss, _ = _loss_figure(training, data)
    for split, size in sizes.items():
        if f"{split}-error" in published:
            lines["error"][split] = published[f"{split}-error"]
        elif f"{split}-misses" in published and size:
            lines["error"][split] = 100 * published[f"{split}-misses"] / size
        if f"{split}-{loss}" in published:
            lines["loss"][split] = published[f"{split}-{loss}"]
    return lines


def _loss_figure(training: Training, data: ShownData) -> tuple[str, str]:
    """Return what the curve of the loss shows, as published and as a field of a score: the one that is published."""
    stated = {name.partition("-")[2] for name, _ in training.published} if data.comparable else set()
    return next((pair for pair in _LOSSES.items() if pair[0] in stated), ("loss", "loss"))


def _settings(training: Training) -> list[dict[str, Any]]:
    """Return what can be changed while the net learns: a factor of all rates, and the options of the first rule."""
    stage = training.stages[0]
    settings = [{"name": "rate", "label": "rate ×", "value": 1.0, "help": "all learning rates times this"}]
    return settings + [
        {
            "name": f"option-{name}",
            "label": for_line(name),
            "value": value.numbers[0] if value.kind == "constant" else None,
            "help": f"the option {for_line(name)} of the update rule {for_line(stage.rule.name)}",
        }
        for name, value in stage.options.items()
    ]
