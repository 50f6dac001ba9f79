"""Name the likely cause of a difference: a pattern in the numbers, or an option of the module's optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snsim.comparison.engine_side import UpdateResult
from snsim.comparison.presentations import Update
from snsim.engines.protocol import Cost, Settings
from snsim.network.net import Net
from snsim.training.spec import Stage

_Names = tuple[str, str]  # of the engine and of the module


@dataclass(frozen=True)
class Cause:
    """A likely cause: its name (`Divergence.cause`), and a note for the reader. Both are empty if none is known."""

    name: str = ""
    note: str = ""


# ---- States, cost, gradients -------------------------------------------------------------------------------------


def of_states(layer: str, ours: np.ndarray, theirs: np.ndarray, names: _Names) -> Cause:
    """Return the cause if all states of a layer are a little too large, or all a little too small."""
    a, b = _flat(ours), _flat(theirs)
    with np.errstate(all="ignore"):
        present = np.abs(a) > 1e-3 * np.abs(a).max(initial=0.0)
        differences = b[present] / a[present] - 1
    most = float(np.abs(differences).max(initial=0.0))
    small = 0 < most < 1e-3
    if not small or not (np.all(differences > -1e-3 * most) or np.all(differences < 1e-3 * most)):
        return Cause()
    direction = "larger" if differences[int(np.abs(differences).argmax())] > 0 else "smaller"
    return Cause(
        "constant",
        f"all states of {layer} in {names[1]} are {direction}, by up to {most:.2g} of their size: is a constant of its "
        "non-linearity rounded?",
    )


def of_cost(one: UpdateResult, other: UpdateResult, targets: np.ndarray, cost: Cost, name: str) -> Cause:
    """Return the cause of a cost that differs while the outputs agree: a softmax that is applied twice, or itself."""
    if cost.takes_logits and other.output_kind == "probabilities":
        p = np.exp(_log_softmax(one.outputs))
        twice = float(-(targets * _log_softmax(p)).sum())
        if abs(twice - other.cost) <= 1e-6 * abs(twice):
            return Cause("cost", f"{name} applies softmax twice: it returns probabilities, and its cost does it again")
    return Cause("cost")


def of_gradients(
    net: Net, layer: str, one: UpdateResult, other: UpdateResult, previous: UpdateResult | None, names: _Names
) -> Cause:
    """Return the cause of gradients that differ while the states and the cost agree."""
    if other.extra_gradients.get(layer, 0.0) > 0:
        return Cause("table", f"{names[1]} learns weights between maps that are not connected")
    entering = [p.name for p in net.parameters if p.layer == layer and p.learns]
    if previous is not None and all(
        _is_close(other.gradients[name] - one.gradients[name], previous.gradients[name]) for name in entering
    ):
        return Cause(
            "zero-grad",
            f"the gradients in {names[1]} are added to those of the presentation before: zero_grad() has no effect",
        )
    factors = {name: _factor(one.gradients[name], other.gradients[name]) for name in entering}
    notes = [_factor_text(f"gradient of {name}", factor, names) for name, factor in factors.items() if factor != 1]
    lost = any(factor == 0 for factor in factors.values())
    biases = [p.name for p in net.parameters if p.name in entering and p.kind == "bias" and factors[p.name] == 0]
    if biases and len(biases) < len(entering) and sum(factor == 0 for factor in factors.values()) == len(biases):
        return Cause(
            "no-gradient", f"{', '.join(biases)} takes no part in forward of {names[1]}: no gradient reaches it"
        )
    return Cause("no-gradient" if lost else "", "; ".join(note for note in notes if note))


def dropout_when_evaluated(layer: str, name: str) -> Cause:
    """Return the cause where a module drops states in eval mode too."""
    return Cause(
        "dropout",
        f"{name} drops states of {layer} in eval mode too: write F.dropout(x, p, self.training), or use nn.Dropout",
    )


# ---- Updates -----------------------------------------------------------------------------------------------------


def of_steps(
    net: Net,
    stage: Stage,
    layer: str,
    differing: Sequence[str],
    update: Update,
    before: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    other: UpdateResult,
    factor: float,
    names: _Names,
) -> Cause:
    """Return the cause of an update that differs although the gradients agree."""
    for p in net.parameters:
        if p.learns and p.layer in differing:
            cause = of_options(p.name, stage, update, other.optimizer, factor, names[1])
            if cause.name:
                return Cause(
                    cause.name, "; ".join([cause.note, *_step_notes(net, layer, before, expected, other, names)])
                )
    notes = _step_notes(net, layer, before, expected, other, names)
    decayed = [p.name for p in net.parameters if p.learns and p.layer in differing]
    if notes or not decayed:
        return Cause("rate" if notes else "", "; ".join(notes))
    return _decay(decayed, before, expected, other, names[1])


def of_options(
    parameter: str,
    stage: Stage,
    update: Update,
    optimizer: Mapping[str, Mapping[str, object]],
    factor: float,
    name: str,
) -> Cause:
    """Return the first option of the module's optimizer that is not that of the training, for one parameter."""
    if not optimizer:
        return Cause()
    if parameter not in optimizer:
        return Cause("optimizer", f"the optimizer of {name} does not have {parameter}")
    for option, theirs, ours in _options(stage, update.settings, parameter, optimizer[parameter], factor):
        if not _is_same(theirs, ours):
            return Cause(option, f"{_SAID[option]} of {parameter} is {_shown(theirs)} in {name}, {_shown(ours)} here")
    return Cause()


def of_rate(
    parameter: str,
    stage: Stage,
    settings: Settings,
    optimizer: Mapping[str, Mapping[str, object]],
    factor: float,
    name: str,
) -> Cause:
    """Return the cause if the module's optimizer has another rate for a parameter than the settings of a pass."""
    for option, theirs, ours in _options(stage, settings, parameter, optimizer.get(parameter, {}), factor):
        if option == "rate" and not _is_same(theirs, ours):
            return Cause("rate", f"the rate of {parameter} is {_shown(theirs)} in {name}, {_shown(ours)} here")
    return Cause()


_SAID = {
    "rule": "the update rule",
    "rate": "the rate",
    "decay": "the weight decay",
    "momentum": "the momentum",
    "dampening": "the dampening",
    "nesterov": "nesterov",
    "betas": "the pair of betas",
    "delta": "eps",
    "amsgrad": "amsgrad",
    "maximize": "maximize",
}


def _options(
    stage: Stage, settings: Settings, parameter: str, theirs: Mapping[str, object], factor: float
) -> Iterator[tuple[str, object, object]]:
    """Yield each option that both have: its name, the module's value and ours, in the order to tell them."""
    options, rule, decays = settings.options, stage.rule.name, settings.decays
    decay = options.get("decay", 0.0) if decays is None else decays[parameter]
    rate = settings.rates.get(parameter)
    classes = theirs.get("classes", ())
    if not isinstance(classes, tuple) or not classes:
        return
    if rule == "sgd":
        if "SGD" not in classes:
            yield "rule", classes[0], "sgd"
            return
        alpha = options.get("alpha", 0.0)
        yield "maximize", theirs["maximize"], False
        yield "momentum", theirs["momentum"], alpha
        yield "nesterov", theirs["nesterov"], False
        yield "dampening", theirs["dampening"], 0.0
        if rate is not None and np.ndim(rate) == 0:
            yield "rate", _number(theirs["lr"]) * factor, float(rate) * (1 - alpha)
        if not alpha:
            yield "decay", theirs["weight_decay"], decay
    elif rule == "adamw":
        if not {"Adam", "AdamW"} & set(classes):
            yield "rule", classes[0], "adamw"
            return
        yield "maximize", theirs["maximize"], False
        yield "amsgrad", theirs["amsgrad"], False
        yield "betas", theirs["betas"], (options.get("beta1", 0.9), options.get("beta2", 0.999))
        yield "delta", theirs["eps"], options.get("delta", 1e-8)
        if rate is not None and np.ndim(rate) == 0:
            yield "rate", theirs["lr"], float(rate)
        yield "decay", theirs["weight_decay"], decay
        if "AdamW" not in classes and decay:
            yield "rule", "Adam, which adds the decay to the gradient", "adamw, which takes it off the weight"


def _step_notes(
    net: Net,
    layer: str,
    before: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    other: UpdateResult,
    names: _Names,
) -> list[str]:
    """Say for each parameter of a layer that its steps are a multiple of those expected, where they are."""
    notes = []
    for p in net.parameters:
        if p.layer == layer and p.learns:
            w = np.asarray(before[p.name], np.float64)
            factor = _factor(expected[p.name] - w, other.weights[p.name] - w)
            notes.append(_factor_text(f"step of {p.name}", factor, names))
    return [note for note in notes if note]


def _decay(
    parameters: Sequence[str],
    before: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    other: UpdateResult,
    name: str,
) -> Cause:
    """Return the cause if what is missing in the steps, or too much, is a multiple of the weights."""
    for parameter in parameters:
        difference = np.asarray(other.weights[parameter], np.float64) - expected[parameter]
        if np.abs(difference).max(initial=0.0) <= 1e-12 * np.abs(expected[parameter]).max(initial=0.0):
            continue
        factor = _factor(before[parameter], difference, 5e-2)
        if factor:
            more = "too little" if factor > 0 else "too much"
            return Cause("decay", f"{parameter} in {name} decays {more}, by {abs(factor):.2g} of itself in each update")
    return Cause()


# ---- Numbers -----------------------------------------------------------------------------------------------------


def _factor(one: np.ndarray, other: np.ndarray, precision: float = 1e-3) -> float | None:
    """Return k if the second is k times the first, else None."""
    a, b = _flat(one), _flat(other)
    with np.errstate(all="ignore"):
        factor = float(a @ b / (a @ a))
        is_multiple = np.abs(b - factor * a).max(initial=0.0) <= precision * np.abs(b).max(initial=0.0)
    return factor if is_multiple and math.isfinite(factor) else None


def _factor_text(what: str, factor: float | None, names: _Names) -> str:
    if factor is None or abs(factor - 1) < 1e-3:
        return ""
    return f"the {what} in {names[1]} is {factor:.4g} times that in {names[0]}"


def _is_close(one: np.ndarray, other: np.ndarray) -> bool:
    a, b = _flat(one), _flat(other)
    size = float(np.abs(b).max(initial=0.0))
    return size > 0 and float(np.abs(a - b).max(initial=0.0)) <= 1e-4 * size


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(_is_same(a, b) for a, b in zip(one, other))
    if isinstance(one, (str, bool)) or isinstance(other, (str, bool)):
        return one == other
    return math.isclose(_number(one), _number(other), rel_tol=1e-9, abs_tol=1e-300)


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]  # a float, or a tensor of one number


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_shown, value))})"
    return str(value) if isinstance(value, (str, bool)) else f"{_number(value):.9g}"


def _flat(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64).reshape(-1)


def _log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(axis=1, keepdims=True)
    logarithms: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logarithms
