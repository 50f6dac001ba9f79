"""Training as a generator: one `Pass` after each pass over the training patterns. The caller loops, stops, goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from snsim.data.augment import shift
from snsim.engines.protocol import Engine, Settings
from snsim.errors import fail
from snsim.network.net import Net
from snsim.training import conjugate_gradient
from snsim.training.choose_engine import build_engine
from snsim.training.held_curvature import held_curvature
from snsim.training.initial import CURVATURE, GATES, NOISE, ORDER, THETA, layer_generator, stream_generator
from snsim.training.parameter_scopes import rates_in_pass
from snsim.training.prepare import PreparedData
from snsim.training.pruning import (
    KEPT_STATE,
    KeptMasks,
    RemainingCounts,
    count_remaining,
    kept_masks,
    masks_as_state,
    parameters_with_remaining_lines,
    prune_masks,
    with_kept_state,
    zero_pruned,
)
from snsim.training.schedule import stage_of_pass, value_at
from snsim.training.scores import Score, score_engine
from snsim.training.spec import Stage, Training

_MOMENT = 0.05  # seconds of learning after which progress is told and an interrupt is heard
_STREAMS = {"order": ORDER, "noise": NOISE, "curvature": CURVATURE}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a run needs to go on after pass `number` as if it had never stopped."""

    number: int
    parameters: Mapping[str, np.ndarray]
    state: Mapping[str, np.ndarray]  # of the update rule
    generators: Mapping[str, Mapping[str, Any]]  # by stream: the state of its bit generator, plain numbers and texts


class LazySnapshot:
    """The snapshot after a pass, which copies the state of the engine when it is first asked for."""

    def __init__(self, take: Callable[[], Snapshot]):
        self._take: Callable[[], Snapshot] | None = take
        self._taken: Snapshot | None = None

    def get(self) -> Snapshot:
        """Return the snapshot. RuntimeError if it was not asked for before training went on."""
        if self._taken is None:
            if self._take is None:
                raise RuntimeError("training went on before the snapshot of this pass was asked for")
            self._taken, self._take = self._take(), None
        return self._taken

    def take(self) -> Snapshot:
        """Return the snapshot as `get` does, without keeping it: it is as large as the net."""
        if self._taken is None and self._take is not None:
            return self._take()
        return self.get()

    def expire(self) -> None:
        """Training goes on: the engine has no longer the state of this pass."""
        self._take = None


@dataclass(frozen=True, eq=False)
class PassResult:
    """Pass `number` (from 1) is over. `presentations` count from the start of the run; `seconds` of wall clock were
    spent learning in this pass, `cpu_seconds` of this thread learning and scoring.
    """

    number: int
    train: Score
    test: Score | None
    presentations: int
    seconds: float
    cpu_seconds: float
    lazy_snapshot: LazySnapshot
    remaining: RemainingCounts | None = None  # of the net, once weights have been cut

    @property
    def snapshot(self) -> Snapshot:
        """The state after this pass. It must be asked for before training goes on; it is copied then."""
        return self.lazy_snapshot.get()


@dataclass(frozen=True)
class PruningResult:
    """Before pass `number` weights were cut: what remained until then, and what is left."""

    number: int
    before: RemainingCounts
    remaining: RemainingCounts


@dataclass(frozen=True)
class Progress:
    """`done` of `total` presentations of pass `number` have been learned."""

    number: int
    done: int
    total: int


def train(
    training: Training,
    data: PreparedData,
    engine: Engine,
    seed: int,
    start: Snapshot | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[PassResult]:
    """Train, pass by pass, each with its snapshot taken. The engine has the initial weights, or `start` is where an
    earlier run stopped.

    The engine must have been built for the rule of the first pass to be run; where a later stage has another rule, a
    new engine of the same kind takes over the weights, and what of the update state has a meaning there. Going on
    from a snapshot gives the same bits as not stopping.
    SnError if the cost of the training patterns is no longer finite.
    """
    for step in training_events(training, data, engine, seed, start):
        if isinstance(step, PassResult):
            step.lazy_snapshot.get()
            yield step
        elif isinstance(step, Progress) and progress is not None:
            progress(step.done, step.total)


def training_events(
    training: Training, data: PreparedData, engine: Engine, seed: int, start: Snapshot | None = None
) -> Iterator[Progress | PassResult | PruningResult]:
    """As `train`, with the progress inside a pass, and what is cut before one, among what is yielded. Snapshots are
    taken by who asks for them.
    """
    generators = {name: stream_generator(seed, stream) for name, stream in _STREAMS.items()}
    first = 1 if start is None else start.number + 1
    state: Mapping[str, np.ndarray] = {}  # of the update rule after the pass before; empty before the first
    if start is not None:
        _restore(training, engine, generators, start)
        state = start.state if first > 1 else {}
    for number in range(first, training.passes + 1):
        stage, inside = stage_of_pass(training.stages, number)
        before = None if number == 1 else stage_of_pass(training.stages, number - 1)[0]
        if (stage.prune is not None and inside == 1) or (before is not None and before.rule != stage.rule):
            state = engine.state() if number > first else state
            engine, pruned = _begun(training, stage, before, number, engine, state, data)
            if pruned is not None:
                yield pruned
        elif start is not None and number == first:
            engine.load_state(start.state)
        began, cpu = time.perf_counter(), time.thread_time()
        yield from _learn(training, stage, inside, number, data, engine, seed, generators)
        seconds = time.perf_counter() - began
        done = _finished_pass(training, stage, number, data, engine, seconds, cpu, generators)
        yield done
        if number < training.passes:
            done.lazy_snapshot.expire()


def _begun(
    training: Training,
    stage: Stage,
    before: Stage | None,
    number: int,
    engine: Engine,
    state: Mapping[str, np.ndarray],
    data: PreparedData,
) -> tuple[Engine, PruningResult | None]:
    """The engine with which a stage begins: for its rule, with the weights of the one given; less what the stage cuts,
    and what that was. `state` is the update state after the stage `before`.
    """
    kept, net, pruned = kept_masks(training.net, state), training.net, None
    weights = _learning(training, engine.parameters())
    if stage.prune is not None:
        now = prune_masks(net, engine, data.train, kept, *stage.prune)
        pruned = PruningResult(number, count_remaining(net, kept), count_remaining(net, now))
        weights, kept = zero_pruned(weights, now), now
    ready = engine if engine.rule == stage.rule else build_engine(training, stage, engine.name, engine.dtype)
    ready.load_parameters(weights)
    made = {name: np.zeros_like(value) for name, value in ready.state().items()}
    if before is not None and _goes_on(before, stage):
        made |= {name: value for name, value in zero_pruned(state, kept or {}).items() if name in made}
    ready.load_state(made if kept is None else {**made, **masks_as_state(kept, engine.dtype)})
    return ready, pruned


def _goes_on(before: Stage, stage: Stage) -> bool:
    """Whether the update state of one stage means something in the next. Conjugate directions do not where weights are
    cut.
    """
    if before.rule == stage.rule:
        return stage.prune is None or not stage.rule.conjugate
    return with_kept_state(before.rule) == stage.rule and not stage.rule.conjugate


def _learning(training: Training, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {p.name: values[p.name] for p in training.net.parameters if p.learns}


def _restore(training: Training, engine: Engine, generators: dict[str, np.random.Generator], start: Snapshot) -> None:
    engine.load_parameters(_learning(training, start.parameters))
    for name, draw in generators.items():
        if name in start.generators:
            draw.bit_generator.state = start.generators[name]


def _learn(
    training: Training,
    stage: Stage,
    inside: int,
    number: int,
    data: PreparedData,
    engine: Engine,
    seed: int,
    generators: dict[str, np.random.Generator],
) -> Iterator[Progress]:
    """One pass: every training pattern once (or as many draws), in chunks of whole batches."""
    patterns, net = data.train, training.net
    total = len(patterns)
    batch = min(stage.batch or total, total)
    kept = _kept(net, stage, engine)
    options = {name: value_at(value, inside, stage.passes) for name, value in stage.options.items()}
    if stage.rule.conjugate:
        for done in conjugate_gradient.step(engine, patterns, training.cost, options["mu"], kept, number):
            yield Progress(number, done, total)
        return
    parameters = None if kept is None else parameters_with_remaining_lines(net, kept, training.fan_in)
    settings = Settings(
        rates=rates_in_pass(stage, net, inside, training.fan_in, parameters),
        options=options,
        batch=batch,
        batch_mean=stage.batch_mean,
        held_curvature=held_curvature(stage, patterns, engine, generators["curvature"]),
    )
    order = presentation_order(stage.order, total, seed, generators["order"])
    moved = (
        None if stage.shift is None else generators["noise"].integers(-stage.shift[0], stage.shift[0] + 1, (total, 2))
    )
    noise = 0.0 if stage.input_noise is None else value_at(stage.input_noise, inside, stage.passes)
    dropped = {layer: layer_generator(seed, GATES, number, k) for k, (layer, _) in enumerate(stage.dropout)}
    theta = 0.0 if stage.theta is None else value_at(stage.theta, inside, stage.passes)
    disturbed = {layer.name: layer_generator(seed, THETA, number, k) for k, layer in enumerate(net.layers[1:]) if theta}
    begin, batches = 0, 1
    while begin < total:
        since = time.perf_counter()
        piece = slice(begin, min(begin + batches * batch, total))
        chosen = piece if stage.order == "fixed" else order[piece]  # a piece of the data themselves is not copied
        inputs = patterns.inputs[chosen]
        if moved is not None and stage.shift is not None:
            inputs = _shifted(inputs, data.shape, moved[piece], stage.shift[1])
        if noise:
            inputs = inputs + noise * generators["noise"].standard_normal(inputs.shape)
        gates = _gates(stage, training, len(inputs), dropped)
        of_inputs = gates.pop(net.layers[0].name, None)
        inputs = inputs if of_inputs is None else inputs * of_inputs
        noises = (
            {}
            if not theta
            else {
                layer: theta * draw.standard_normal((len(inputs), net.layer(layer).units))
                for layer, draw in disturbed.items()
            }
        )
        engine.learn(inputs, patterns.targets[chosen], settings, gates, noises)
        begin = piece.stop
        if time.perf_counter() - since < _MOMENT:  # how many are learned in one go changes nothing but the time
            batches *= 2
        yield Progress(number, begin, total)


def _shifted(inputs: np.ndarray, shape: tuple[int, ...], cells: np.ndarray, fill: float | None) -> np.ndarray:
    """The patterns moved by so many rows and columns, (patterns, 2)."""
    pictures = inputs.reshape(len(inputs), *shape)
    return shift(pictures, cells[:, 0], cells[:, 1], fill).reshape(len(inputs), -1)


def _gates(
    stage: Stage, training: Training, patterns: int, draws: Mapping[str, np.random.Generator]
) -> dict[str, np.ndarray]:
    """By name of a layer with dropout, what its states are multiplied by: 0, or 1/(1-P)."""
    return {
        layer: (draws[layer].random((patterns, training.net.layer(layer).units)) >= chance) / (1.0 - chance)
        for layer, chance in stage.dropout
    }


def presentation_order(order: str, patterns: int, seed: int, draw: np.random.Generator) -> np.ndarray:
    """The numbers of the patterns of one pass: `fixed`, `shuffled`, `shuffled once` or `random` (with replacement).

    `shuffled once` draws its one permutation from the seed anew each time, so that nothing needs to be kept.
    """
    if order == "fixed":
        return np.arange(patterns)
    if order == "shuffled":
        return draw.permutation(patterns)
    if order == "shuffled once":
        return stream_generator(seed, ORDER).permutation(patterns)
    return draw.integers(0, patterns, patterns)


def _finished_pass(
    training: Training,
    stage: Stage,
    number: int,
    data: PreparedData,
    engine: Engine,
    seconds: float,
    cpu: float,
    generators: dict[str, np.random.Generator],
) -> PassResult:
    """The pass with its scores; `cpu` is what this thread's clock showed when it began."""
    scores = [
        None
        if patterns is None
        else score_engine(engine, patterns.inputs, patterns.targets, training.cost, training.criterion)
        for patterns in (data.train, data.test)
    ]
    on_train = scores[0]
    assert on_train is not None
    if not np.isfinite(on_train.loss):
        raise fail(
            f"training {training.name} diverged in pass {number}: its cost is {on_train.loss}",
            training.span,
            hint="lower the learning rate; the weights of the previous pass are kept",
        )
    kept = _kept(training.net, stage, engine)
    return PassResult(
        number,
        on_train,
        scores[1],
        number * len(data.train),
        seconds,
        time.thread_time() - cpu,
        LazySnapshot(lambda: _snapshot(number, engine, generators)),
        None if kept is None else count_remaining(training.net, kept),
    )


def _snapshot(number: int, engine: Engine, generators: Mapping[str, np.random.Generator]) -> Snapshot:
    return Snapshot(
        number,
        engine.parameters(),
        engine.state(),
        {name: draw.bit_generator.state for name, draw in generators.items()},
    )


def _kept(net: Net, stage: Stage, engine: Engine) -> KeptMasks | None:
    """Which weights remain; None if none was ever cut, which the rule tells without a copy of the engine's state."""
    return kept_masks(net, engine.state()) if KEPT_STATE in stage.rule.states else None
