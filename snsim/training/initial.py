"""Initial weights, and the random generators of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial, update_wrapper

import numpy as np

from snsim.errors import fail
from snsim.network.net import Connection, Net, Parameter
from snsim.network.wiring import Fans
from snsim.registry import Shelf
from snsim.training.parameter_scopes import StatementsByScope, fan_in_of
from snsim.training.spec import Training

# Streams: each kind of random numbers has its own generator.
WEIGHTS, ORDER, NOISE, CURVATURE, GATES, THETA = range(6)


@dataclass(frozen=True, eq=False)
class WeightsToDraw:
    """The input of an initial distribution: shape and fans of one parameter, and the generator."""

    value: float  # V of the clause; NaN where the distribution takes none
    lines: np.ndarray  # F of each weight, as (fan-in ...) counts it; no dimension where all are equal
    shape: tuple[int, ...]
    generator: np.random.Generator
    count_fans: Callable[[], Fans]  # of weights; not called for a bias
    is_bias: bool = False
    of_modules: np.ndarray | None = None  # the weights of the modules from which (net-of ...) made the net

    @cached_property
    def _fans(self) -> Fans:
        return self.count_fans()

    @property
    def fan_in(self) -> np.ndarray:
        """Fan-in of each weight through this connection alone, without the bias; 1 for a bias.

        It broadcasts to the shape. `Wiring.fans` defines what is counted.
        """
        return np.asarray(1) if self.is_bias else self._fans[0]

    @property
    def fan_out(self) -> np.ndarray:
        """Fan-out of each weight, counted like `fan_in`."""
        return np.asarray(1) if self.is_bias else self._fans[1]


class InitialDistribution:
    """An initial distribution: a function that draws the weights of a parameter (float64), and its syntax."""

    def __init__(self, draw: Callable[[WeightsToDraw], np.ndarray], syntax: str):
        self._draw = draw
        self.syntax = syntax
        update_wrapper(self, draw)

    def __call__(self, weights: WeightsToDraw) -> np.ndarray:
        return self._draw(weights)

    @property
    def takes_value(self) -> bool:
        """Whether the clause has a number V before its scopes."""
        return "V" in self.syntax.strip("()").split()


# Every initial distribution, in the order in which `train` lists them. Each is the clause of `train` with its name. The
# first line of its docstring is the help line; `snsim help NAME` shows the rest.
INITIALISERS: Shelf[InitialDistribution] = Shelf("initial distribution")


def distribution(syntax: str) -> Callable[[Callable[[WeightsToDraw], np.ndarray]], InitialDistribution]:
    """Return a decorator that makes a function an initial distribution.

    `syntax` is "(NAME V SCOPE ...)", or "(NAME SCOPE ...)" if it takes no number.
    """
    return lambda draw: InitialDistribution(draw, syntax)


def stream_generator(seed: int, stream: int) -> np.random.Generator:
    """Return the generator of one stream of a run: PCG64, seeded by the seed of the run and the stream."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def layer_generator(seed: int, stream: int, number: int, layer: int) -> np.random.Generator:
    """Return the generator of a stream (dropout, theta) for one layer in pass `number`.

    It is Philox, a counter-based generator (Salmon et al. 2011). So a pass draws the same numbers in a resumed run and
    with any engine.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, number, layer])))


def _scaled(drawn: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    drawn *= factor  # in place: a large connection needs one array, not two
    return drawn


@INITIALISERS.register("forget")
@distribution("(forget V SCOPE ...)")
def forget(weights: WeightsToDraw) -> np.ndarray:
    """Draw initial weights uniformly from -V to V."""
    return _scaled(_uniform(weights), weights.value)


@INITIALISERS.register("forget-sqrt")
@distribution("(forget-sqrt V SCOPE ...)")
def forget_sqrt(weights: WeightsToDraw) -> np.ndarray:
    """Draw initial weights uniformly from -V/sqrt F to V/sqrt F, with fan-in F; the default, with V = 1."""
    return _scaled(_uniform(weights), weights.value / np.sqrt(weights.lines))


@INITIALISERS.register("forget-inv")
@distribution("(forget-inv V SCOPE ...)")
def forget_inv(weights: WeightsToDraw) -> np.ndarray:
    """Draw initial weights uniformly from -V/F to V/F, with fan-in F."""
    return _scaled(_uniform(weights), weights.value / weights.lines)


@INITIALISERS.register("constant")
@distribution("(constant V SCOPE ...)")
def constant(weights: WeightsToDraw) -> np.ndarray:
    """Set all initial weights to V."""
    return np.full(weights.shape, weights.value)


@INITIALISERS.register("glorot")
@distribution("(glorot SCOPE ...)")
def glorot(weights: WeightsToDraw) -> np.ndarray:
    """Draw initial weights uniformly in +-sqrt(6/(fan-in + fan-out)); biases are 0.

    Both fans count the lines of one connection, without the bias. Fan-in and fan-out of a weight are
      (full)                      the units of the source, the units of the target
      (mask R C) (equal-mask R C) R C times the maps that feed the target map, R C times the maps that the source map
                                  feeds, by the table; step and border do not matter
      (tdnn N)                    N times the traits of the source, N times the traits of the target
      any other                   the lines that enter the target unit, border cells included, and the lines that leave
                                  the source unit; a border cell counts 1
    torch.nn.init.xavier_uniform_ does the same for Linear and Conv2d. For a Conv2d with groups, PyTorch counts the
    outputs of all groups as fan-out; here the table decides, as if each group were its own Conv2d.
    Glorot and Bengio (2010), equation 16.
    """
    if weights.is_bias:
        return np.zeros(weights.shape)
    return _scaled(_uniform(weights), np.sqrt(6 / (weights.fan_in + weights.fan_out)))


@INITIALISERS.register("he")
@distribution("(he SCOPE ...)")
def he(weights: WeightsToDraw) -> np.ndarray:
    """Draw initial weights from a normal distribution of standard deviation sqrt(2/fan-in); biases are 0.

    Fan-in is defined as for (glorot): see snsim help glorot. torch.nn.init.kaiming_normal_ does the same for Linear
    and Conv2d, with or without groups. He et al. (2015), equation 10.
    """
    if weights.is_bias:
        return np.zeros(weights.shape)
    return _scaled(weights.generator.standard_normal(weights.shape), np.sqrt(2 / weights.fan_in))


@INITIALISERS.register("module-weights")
@distribution("(module-weights SCOPE ...)")
def module_weights(weights: WeightsToDraw) -> np.ndarray:
    """Set the initial weights to those of the modules in (net-of ...); the default for such a net.

    They are the weights that gblearn2's modules have when the program calls net-of. See docs/reference/gblearn2.md,
    section 13.
    """
    if weights.of_modules is None:
        raise ValueError("the net is not one of (net-of ...)")
    return weights.of_modules.astype(np.float64)


def _uniform(weights: WeightsToDraw) -> np.ndarray:
    """Draw one number from -1 to 1 for each free weight."""
    return weights.generator.uniform(-1.0, 1.0, weights.shape)


def initial_weights(training: Training, seed: int) -> dict[str, np.ndarray]:
    """Return the initial weights of a run with this seed: every parameter that learns, float64, in its shape.

    They are drawn in the order of `Net.parameters`.
    """
    return draw_weights(training.net, training, stream_generator(seed, WEIGHTS))


def draw_weights(net: Net, training: Training, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw each parameter that learns from the distribution of the most specific scope that covers it.

    Codes and gains are not drawn: codes are what the net states, gains the norms of the weights (`initial_gains`).
    """
    weights: dict[str, np.ndarray] = {}
    stated = StatementsByScope(training.initial)
    for parameter in net.parameters:
        if parameter.kind == "gain":
            weights[parameter.name] = initial_gains(net, parameter, weights)
        elif parameter.learns and parameter.codes is not None:
            weights[parameter.name] = parameter.codes.copy()
        elif parameter.learns:
            weights[parameter.name] = draw_parameter(net, training, stated, parameter, draw)
    return weights


def draw_parameter(
    net: Net, training: Training, stated: StatementsByScope, parameter: Parameter, draw: np.random.Generator
) -> np.ndarray:
    """Draw a parameter from the distribution of the most specific of the scopes `stated` that covers it."""
    scoped = stated.most_specific(parameter)
    if scoped is None:
        raise ValueError(f"no initial weights are stated for {parameter.name}")
    value = scoped.value.numbers[0] if scoped.value.numbers else float("nan")
    return INITIALISERS.get(scoped.family)(
        WeightsToDraw(
            value,
            fan_in_of(parameter, training.fan_in),
            parameter.shape,
            draw,
            partial(_fans, net, parameter),
            parameter.kind == "bias",
            None if net.module_weights is None else net.module_weights[parameter.name],
        )
    )


def _fans(net: Net, weights: Parameter) -> Fans:
    return _connection(net, weights).wiring.fans()


def _connection(net: Net, parameter: Parameter) -> Connection:
    """Return the connection of a weight or gain parameter."""
    return net.connection_of(parameter)


def initial_gains(net: Net, parameter: Parameter, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the initial gains of a connection with `weight-norm`: the norms of its weights, per target map or unit.

    With these gains, the effective weights are those in `weights`. Raise SnError if a norm is 0.
    """
    connection = _connection(net, parameter)
    v = weights[net.weight_name(connection)].reshape(-1)
    with np.errstate(over="ignore"):  # engines report weights beyond the range of their type
        squares = v * v
    norms = np.sqrt(np.bincount(connection.wiring.owners(), squares, parameter.size))
    if not norms.all():
        raise fail(
            f"the initial weights of {connection.name} are all 0 at {int((norms == 0).sum())} of its "
            f"{parameter.size} gains, and (weight-norm) divides by their norm",
            connection.span,
            hint="draw these weights at random: (forget-sqrt 1)",
        )
    return norms.reshape(parameter.shape)
