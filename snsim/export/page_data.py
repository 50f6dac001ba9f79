"""The arrays that a page of PyTorch reads: patterns, and what the training draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from snsim.errors import fail
from snsim.export.page_net import NetWriter
from snsim.network.net import Net, Parameter
from snsim.training.initial import CURVATURE, GATES, NOISE, ORDER, THETA, layer_generator, stream_generator
from snsim.training.loop import sequence_order
from snsim.training.parameter_scopes import StatementsByScope, fan_in_of
from snsim.training.prepare import Patterns, PreparedData
from snsim.training.pruning import KEPT_STATE
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Training

_MOST_BYTES = 120_000_000  # of one kind of draws: order, shifts, noise, dropout ...
KINDS = {
    "order": "the order of the patterns",
    "shift": "the shifts of the patterns",
    "noise": "the noise on the inputs",
    "gate": "dropout",
    "theta": "the noise on the weighted sums",
    "held": "the patterns of the curvature",
}


def pattern_arrays(data: PreparedData, dtype: str) -> dict[str, np.ndarray]:
    """Return the arrays of the patterns by name: x_train, d_train, and x_test, d_test with a test set.

    Sequences have starts_train and starts_test too: whether each pattern starts one.

    An array with at most 256 different numbers is stored as uint8 indices, beside a table of the numbers, NAME.levels.
    """
    arrays: dict[str, np.ndarray] = {}
    for split, patterns in (("train", data.train), ("test", data.test)):
        if patterns is not None:
            for name, values in ((f"x_{split}", patterns.inputs), (f"d_{split}", patterns.targets)):
                levels = np.unique(values[:1000])
                levels = np.unique(values) if len(levels) <= 256 else levels
                if len(levels) <= 256 < values.size:
                    arrays[name] = np.searchsorted(levels, values).astype(np.uint8)
                    arrays[f"{name}.levels"] = levels.astype(dtype)
                else:
                    arrays[name] = values.astype(dtype)
            if patterns.starts is not None:
                arrays[f"starts_{split}"] = patterns.starts
    return arrays


def left_to_torch(training: Training, total: int) -> list[str]:
    """Return the kinds of random numbers ("order", "noise" ...) that would make the page's file too large.

    A page draws these with PyTorch, so it does not repeat the training bit by bit. `total` is the number of training
    patterns.
    """
    sizes: dict[str, int] = defaultdict(int)
    net = training.net
    for stage in training.stages:
        if stage.rule.conjugate:
            continue
        many = stage.passes * total
        sizes["order"] += 4 * many if stage.order in ("shuffled", "random") else 0
        sizes["shift"] += 2 * many if stage.shift is not None else 0
        sizes["noise"] += 4 * many * net.input_units if stage.input_noise is not None else 0
        sizes["gate"] += sum(many * net.layer(layer).units // 8 for layer, _ in stage.dropout)
        sizes["theta"] += 4 * many * sum(layer.units for layer in net.computed) if stage.theta is not None else 0
    return [kind for kind, size in sizes.items() if size > _MOST_BYTES]


def draw_arrays(
    training: Training, patterns: Patterns, seed: int, dtype: str, modules: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Return the random numbers of each pass by name, drawn as in training, without those of `left_to_torch`.

    `patterns` are those of the training; `modules` are the names of the layers on the page.
    """
    total, starts = len(patterns), patterns.starts
    net, left = training.net, left_to_torch(training, total)
    order, noise, curvature = (stream_generator(seed, stream) for stream in (ORDER, NOISE, CURVATURE))
    arrays: dict[str, np.ndarray] = {}
    for number in range(1, training.passes + 1):
        stage, _ = stage_of_pass(training.stages, number)
        if stage.rule.conjugate:
            continue
        if stage.curvature_patterns is not None and stage.rule.curvature is not None:
            arrays[f"held.{number}"] = curvature.permutation(total)[: stage.curvature_patterns]
        if stage.order == "shuffled once":
            arrays["order"] = sequence_order(stage.order, total, seed, order, starts)
        elif stage.order != "fixed" and "order" not in left:
            arrays[f"order.{number}"] = sequence_order(stage.order, total, seed, order, starts)
        if stage.shift is not None and not {"shift", "noise"} & set(left):  # both are drawn by one generator
            most = stage.shift[0]
            moves = noise.integers(-most, most + 1, (total, 2))
            arrays[f"shift.{number}"] = moves.astype(np.int8 if most < 128 else np.int32)
        if stage.input_noise is not None and not {"shift", "noise"} & set(left):
            arrays[f"noise.{number}"] = noise.standard_normal((total, net.input_units)).astype(dtype)
        for k, (layer, chance) in enumerate(stage.dropout):
            if "gate" not in left:
                stays = layer_generator(seed, GATES, number, k).random((total, net.layer(layer).units)) >= chance
                arrays[f"gate.{number}.{modules[layer]}"] = np.packbits(stays, bitorder="little")
        if stage.theta is not None and "theta" not in left:
            for k, each in enumerate(net.computed):
                drawn = layer_generator(seed, THETA, number, k).standard_normal((total, each.units))
                arrays[f"theta.{number}.{modules[each.name]}"] = drawn.astype(dtype)
    return {name: a.astype(np.int32) if a.dtype == np.int64 else a for name, a in arrays.items()}


def fan_in_arrays(training: Training, writer: NetWriter) -> dict[str, np.ndarray]:
    """Return, by name, F (the fan-in) and the sharers of each weight, where rates or pruning need them per weight."""
    net, names = training.net, writer.names
    arrays: dict[str, np.ndarray] = {}
    for stage in training.stages:
        if stage.prune is not None and stage.prune[1] == "connections":
            arrays |= {f"connections.{names[p.name]}": _in_shape(p, p.sharers) for p in net.parameters if p.learns}
        if "rate" not in stage.rule.mentions:
            continue
        rates = StatementsByScope(stage.rates)
        families = {p.name: scoped.family for p in net.parameters if p.learns and (scoped := rates.most_specific(p))}
        of_lines = {name: family for name, family in families.items() if family != "epsilon"}
        if of_lines and KEPT_STATE in stage.rule.states:
            arrays |= _connections_by_unit(net, training.fan_in, writer)
        for p in net.parameters:
            if p.name in of_lines:
                low, high = p.sharers_range
                if fan_in_of(p, training.fan_in).ndim or (of_lines[p.name] == "mask-epsi" and low != high):
                    lines = np.broadcast_to(fan_in_of(p, training.fan_in), p.shape)
                    arrays[f"lines.{names[p.name]}"] = lines
                if of_lines[p.name] == "mask-epsi":
                    arrays[f"sharers.{names[p.name]}"] = _in_shape(p, p.sharers).astype(float)
    return {name: a.astype(np.int32) if a.dtype == np.int64 else a for name, a in arrays.items()}


def _in_shape(parameter: Parameter, values: np.ndarray) -> np.ndarray:
    return values.reshape(parameter.shape)


def _connections_by_unit(net: Net, counting: str, writer: NetWriter) -> dict[str, np.ndarray]:
    """Return for each parameter the unit and the weight of every connection, and the unit that uses a weight last."""
    for c in net.connections:
        if c.weights_of is not None:
            raise fail(
                f"a page of PyTorch counts the lines that pruning leaves for each parameter, but {c.name} uses the "
                f"weights of {' '.join(c.weights_of)}",
                c.span,
                hint="state the rates by (epsilon ...), which does not count lines, or write --to pt2",
            )
    arrays: dict[str, np.ndarray] = {}
    for layer in net.computed:
        always = np.zeros(layer.units)
        for connection in net.entering(layer.name):
            slot = net.weight_name(connection)
            table = connection.table
            if slot not in writer.names or not any(p.name == slot and p.learns for p in net.parameters_of(layer.name)):
                always += np.bincount(table.target, minlength=layer.units)
                continue
            name = writer.names[slot]
            arrays[f"target.{name}"], arrays[f"weight.{name}"] = table.target, table.weight
            arrays[f"user.{name}"] = connection.wiring.last_user().reshape(_shape_of(net, slot))
        if layer.bias != "none":
            name = writer.names[f"{net.attribute(layer.name)}.bias"]
            counted = counting != "weights"
            units = np.arange(layer.units) if counted else np.zeros(0, int)
            arrays[f"target.{name}"] = units
            arrays[f"weight.{name}"] = np.asarray(layer.bias_index)[units]
            user = np.zeros(int(np.prod(layer.bias_shape)), int)
            user[layer.bias_index] = np.arange(layer.units)
            arrays[f"user.{name}"] = user.reshape(layer.bias_shape)
        arrays[f"lines.{writer.modules[layer.name]}"] = always
    return arrays


def _shape_of(net: Net, name: str) -> tuple[int, ...]:
    return next(p.shape for p in net.parameters if p.name == name)
