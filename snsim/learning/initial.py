"""Initial weights, and the generators from which everything random of a run is drawn."""

from __future__ import annotations

from typing import Callable

import numpy as np

from snsim.learning.places import fan_in, statement_for
from snsim.learning.training import Training
from snsim.network.graph import Net
from snsim.shelf import Shelf

WEIGHTS, ORDER, NOISE, CURVATURE, GATES = range(5)  # streams: each thing that is drawn has a generator of its own

Initialiser = Callable[[float, np.ndarray, tuple[int, ...], np.random.Generator], np.ndarray]

INITIALISERS: Shelf[Initialiser] = Shelf("initialiser")


def generator(seed: int, stream: int) -> np.random.Generator:
    """The generator of one stream of a run: PCG64, seeded by the run's seed and the number of the stream."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def gate_generator(seed: int, number: int, layer: int) -> np.random.Generator:
    """The generator for dropout in pass `number` at the `layer`-th dropped layer: Philox, which counts (Salmon et al.
    2011), so that a pass draws the same however it was come by and whatever engine learns."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, GATES, number, layer])))


@INITIALISERS.register("forget")
def forget(value: float, lines: np.ndarray, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """uniform in +-V; `lines` is F for each weight (flat), one draw per free weight"""
    return value * draw.uniform(-1.0, 1.0, shape)


@INITIALISERS.register("forget-sqrt")
def forget_sqrt(value: float, lines: np.ndarray, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """uniform in +-V/sqrt F"""
    return value / np.sqrt(lines).reshape(shape) * draw.uniform(-1.0, 1.0, shape)


@INITIALISERS.register("forget-inv")
def forget_inv(value: float, lines: np.ndarray, shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """uniform in +-V/F"""
    return value / lines.reshape(shape) * draw.uniform(-1.0, 1.0, shape)


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
    """One draw per free weight, each parameter by the most specific statement that covers it."""
    weights = {}
    for parameter in net.parameters:
        if parameter.learns:
            placed = statement_for(parameter, training.initial)
            if placed is None:
                raise ValueError(f"no initial weights are stated for {parameter.name}")
            lines = fan_in(parameter, training.fan_in)
            make = INITIALISERS.get(placed.family)
            weights[parameter.name] = make(placed.value.numbers[0], lines, parameter.shape, draw)
    return weights
