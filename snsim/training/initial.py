"""Initial weights, and the generators from which everything random of a run is drawn."""

from __future__ import annotations

from typing import Callable, Mapping

import numpy as np

from snsim.errors import fail
from snsim.network.net import Net, Parameter
from snsim.registry import Shelf
from snsim.training.parameter_scopes import StatedPlaces, fan_in
from snsim.training.spec import Training

# Streams: each thing that is drawn has a generator of its own.
WEIGHTS, ORDER, NOISE, CURVATURE, GATES, THETA = range(6)

Initialiser = Callable[[float, np.ndarray, tuple[int, ...], np.random.Generator], np.ndarray]

INITIALISERS: Shelf[Initialiser] = Shelf("initialiser")


def generator(seed: int, stream: int) -> np.random.Generator:
    """The generator of one stream of a run: PCG64, seeded by the run's seed and the number of the stream."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def layer_generator(seed: int, stream: int, number: int, layer: int) -> np.random.Generator:
    """The generator of what a stream (dropout, theta) draws in pass `number` at its `layer`-th layer: Philox, which
    counts (Salmon et al. 2011), so that a pass draws the same however it was come by and whatever engine learns."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, number, layer])))


def _scaled(drawn: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    drawn *= factor  # in place: of a large connection there is one array, not two
    return drawn


@INITIALISERS.register("forget")
def forget(value: float, lines: np.ndarray, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """uniform in +-V; `lines` is F for each weight (no dimension where all are equal), one draw per free weight"""
    return _scaled(draw.uniform(-1.0, 1.0, shape), value)


@INITIALISERS.register("forget-sqrt")
def forget_sqrt(value: float, lines: np.ndarray, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """uniform in +-V/sqrt F"""
    return _scaled(draw.uniform(-1.0, 1.0, shape), value / np.sqrt(lines))


@INITIALISERS.register("forget-inv")
def forget_inv(value: float, lines: np.ndarray, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """uniform in +-V/F"""
    return _scaled(draw.uniform(-1.0, 1.0, shape), value / lines)


@INITIALISERS.register("constant")
def constant(value: float, lines: np.ndarray, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """all V; nothing is drawn"""
    return np.full(shape, value)


def initial_weights(training: Training, seed: int) -> dict[str, np.ndarray]:
    """The weights a run with this seed starts from: every parameter that learns, float64, of its own shape.

    Drawn in the order of `Net.parameters`.
    """
    return drawn_weights(training.net, training, generator(seed, WEIGHTS))


def drawn_weights(net: Net, training: Training, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """One draw per free weight, each parameter by the most specific statement that covers it; gains are not drawn, but
    such that the weights are those that were (see `gains`)."""
    weights: dict[str, np.ndarray] = {}
    stated = StatedPlaces(training.initial)
    for parameter in net.parameters:
        if parameter.kind == "gain":
            weights[parameter.name] = gains(net, parameter, weights)
        elif parameter.learns:
            placed = stated.holding_for(parameter)
            if placed is None:
                raise ValueError(f"no initial weights are stated for {parameter.name}")
            lines = fan_in(parameter, training.fan_in)
            make = INITIALISERS.get(placed.family)
            weights[parameter.name] = make(placed.value.numbers[0], lines, parameter.shape, draw)
    return weights


def gains(net: Net, parameter: Parameter, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """The gains of a connection with `weight-norm` with which its weights are those in `weights`: their lengths, target
    map by target map (or unit by unit). SnError where all of one are 0."""
    connection = next(c for c in net.entering(parameter.layer) if c.source == parameter.source)
    v = weights[f"{connection.name}.weight"].reshape(-1)
    with np.errstate(over="ignore"):  # an engine tells weights beyond its numbers
        squares = v * v
    lengths = np.sqrt(np.bincount(connection.wiring.owners(), squares, parameter.size))
    if not lengths.all():
        raise fail(f"the initial weights of {connection.name} are all 0 at {int((lengths == 0).sum())} of its "
                   f"{parameter.size} gains, and (weight-norm) divides by their length", connection.span,
                   hint="draw them: (forget-sqrt 1)")
    return lengths.reshape(parameter.shape)
