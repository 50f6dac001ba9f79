"""The training loop, as a generator: one `PassResult` after each pass. The caller stops or continues."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snsim.engines.protocol import Engine
from snsim.engines.recurrent import learn_rows
from snsim.errors import Fault, SnError
from snsim.network.net import Net
from snsim.training import conjugate_gradient
from snsim.training.choose_engine import build_engine_like
from snsim.training.initial import CURVATURE, GATES, NOISE, ORDER, THETA, layer_generator, stream_generator
from snsim.training.prepare import Patterns, PreparedData
from snsim.training.pruning import (
    RemainingCounts,
    count_remaining,
    kept_masks,
    masks_as_state,
    prune_masks,
    with_kept_state,
    zero_pruned,
)
from snsim.training.schedule import stage_of_pass, value_at
from snsim.training.scores import Score, Scorer
from snsim.training.spec import Stage, Training
from snsim.training.stage_constants import StageConstants

_SHORT = 1e-3  # seconds of a pass whose CPU time is not asked for
_STREAMS = {"order": ORDER, "noise": NOISE, "curvature": CURVATURE}


class DivergedError(SnError):
    """Raised when the cost of the training patterns is not finite after a pass."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything that a run needs to resume after pass `number` with the same bits."""

    number: int
    parameters: Mapping[str, np.ndarray]  # those that learn
    state: Mapping[str, np.ndarray]  # of the update rule
    generators: Mapping[str, Mapping[str, Any]]  # by stream: the state of its bit generator, as numbers and strings

    def named_for(self, net: Net) -> Snapshot:
        """Return the snapshot with the names of the parameters of a net; snsim 0.1 wrote others, and fixed weights."""
        names = net.parameter_names(self.parameters)
        fixed = {p.name for p in net.parameters if not p.learns}
        state = {}
        for key, array in self.state.items():
            ends = [k for k in range(len(key) - 1, 0, -1) if key[k] == "/" and key[:k] in names]  # the longest first
            state[names[key[: ends[0]]] + key[ends[0] :] if ends else key] = array
        parameters = {names[name]: array for name, array in self.parameters.items() if names[name] not in fixed}
        return Snapshot(self.number, parameters, state, self.generators)


class LazySnapshot:
    """The snapshot after a pass; it copies the state of the engine when it is first needed."""

    def __init__(self, take: Callable[[], Snapshot]):
        self._take: Callable[[], Snapshot] | None = take
        self._taken: Snapshot | None = None

    def get(self) -> Snapshot:
        """Return the snapshot; raise RuntimeError if training went on before the first call."""
        if self._taken is None:
            if self._take is None:
                raise RuntimeError("the snapshot of this pass was not taken before training went on")
            self._taken, self._take = self._take(), None
        return self._taken

    def take(self) -> Snapshot:
        """Return the snapshot as `get` does, but do not keep it, because it is as large as the net."""
        if self._taken is None and self._take is not None:
            return self._take()
        return self.get()

    def expire(self) -> None:
        """Note that training goes on: the engine no longer has the state of this pass."""
        self._take = None


@dataclass(frozen=True, eq=False)
class PassResult:
    """The result of pass `number` (from 1).

    `presentations` counts from the start of the run. `seconds` is the wall-clock time of training in this pass, and
    `cpu_seconds` the CPU time of this thread for training and scoring. After a pass below a millisecond it is the
    wall-clock time, because asking for the CPU time is a call of the system.
    """

    number: int
    train: Score
    test: Score | None
    presentations: int
    seconds: float
    cpu_seconds: float
    lazy_snapshot: LazySnapshot
    remaining: RemainingCounts | None = None  # the counts of the net, once weights were pruned

    @property
    def snapshot(self) -> Snapshot:
        """The state after this pass; it is copied at the first use, which must come before training goes on."""
        return self.lazy_snapshot.get()


@dataclass(frozen=True)
class PruningResult:
    """Weights were pruned before pass `number`: the counts before and after."""

    number: int
    before: RemainingCounts
    remaining: RemainingCounts


@dataclass(frozen=True)
class Progress:
    """The progress in pass `number`: `done` of `total` presentations."""

    number: int
    done: int
    total: int


class CpuClock:
    """Measures the wall-clock time and the CPU time of a pass, and asks for the CPU time only where it matters.

    The CPU time is divided by `nets`, the number of nets that learn at the same time on this thread.
    """

    def __init__(self, nets: int = 1) -> None:
        self._nets = nets
        self._began = 0.0
        self._cpu: float | None = None  # the CPU time of this thread at the start of the pass
        self._is_short = False  # the last pass was

    def start(self) -> None:
        """Note the start of a pass."""
        self._began = time.perf_counter()
        self._cpu = None if self._is_short else time.thread_time()

    def seconds(self) -> float:
        """Return the wall-clock seconds since the start."""
        return time.perf_counter() - self._began

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of this thread since the start, or the wall-clock seconds after a short pass."""
        seconds = self.seconds()
        cpu = seconds if self._cpu is None else time.thread_time() - self._cpu
        self._is_short = seconds < _SHORT
        return cpu / self._nets


def train(
    training: Training,
    data: PreparedData,
    engine: Engine,
    seed: int,
    start: Snapshot | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[PassResult]:
    """Train, and yield the result of each pass with its snapshot taken.

    Parameters
    ----------
    engine : Engine
        Built for the update rule of the first pass to run, with the initial weights. If a later stage has another rule,
        a new engine of the same kind takes over the weights and the update state that both rules share.
    start : Snapshot, optional
        Where an earlier run stopped. Resuming gives the same bits as not stopping.
    progress : callable, optional
        Called with the number of presentations done in the pass and their total.

    Raises
    ------
    SnError
        If the cost of the training patterns is not finite after a pass.
    """
    for step in training_events(training, data, engine, seed, start):
        if isinstance(step, PassResult):
            step.lazy_snapshot.get()
            yield step
        elif isinstance(step, Progress) and progress is not None:
            progress(step.done, step.total)


def training_events(
    training: Training,
    data: PreparedData,
    engine: Engine,
    seed: int,
    start: Snapshot | None = None,
    every_pass: bool = True,
) -> Iterator[Progress | PassResult | PruningResult]:
    """Train as `train` does, and yield the progress inside a pass and the results of pruning too.

    A snapshot is taken only when the caller asks for it. Without `every_pass` only the last pass is scored and yielded.
    """
    generators = {name: stream_generator(seed, stream) for name, stream in _STREAMS.items()}
    scored = [
        (patterns, Scorer(patterns.targets, training.cost, training.criterion))
        for patterns in (data.train, data.test)
        if patterns is not None
    ]
    constants: StageConstants | None = None
    clock = CpuClock(getattr(engine, "nets_at_once", 1))
    passes = training.passes
    first = 1 if start is None else start.number + 1
    state: Mapping[str, np.ndarray] = {}  # of the update rule after the previous pass; empty before the first
    if start is not None:
        _restore(training, engine, generators, start)
        state = start.state if first > 1 else {}
    for number in range(first, passes + 1):
        stage, inside = stage_of_pass(training.stages, number)
        before = None if number == 1 else stage_of_pass(training.stages, number - 1)[0]
        if (stage.prune is not None and inside == 1) or (before is not None and before.rule != stage.rule):
            state = engine.state() if number > first else state
            engine, pruned = _start_stage(training, stage, before, number, engine, state, data)
            if pruned is not None:
                yield pruned
        elif start is not None and number == first:
            engine.load_state(start.state)
        if constants is None or inside == 1:
            constants = StageConstants(training, stage, data, engine)
        clock.start()
        yield from _run_pass(training, stage, constants, inside, number, data, engine, seed, generators)
        if every_pass or number == passes:
            done = _score_pass(training, constants, number, scored, engine, clock, generators)
            yield done
            if number < passes:
                done.lazy_snapshot.expire()


def compile_learning(training: Training, data: PreparedData, engine: Engine) -> bool:
    """Let the engine compile the code of pass 1, and return True; False if it cannot know that code beforehand.

    It is the code that learns and evaluates, so a run that does this needs no other. Gates, noise, held curvature and
    second derivatives of the non-linearity have code that evaluates slower; conjugate gradients have none that learns.
    SnError if the net cannot be compiled.
    """
    stage, prepare = training.stages[0], getattr(engine, "prepare", None)
    special = stage.dropout or stage.theta or stage.curvature_patterns or stage.prune
    if prepare is None or special or stage.rule.conjugate or stage.rule.curvature == "full":
        return False
    options = {name: value_at(value, 1, stage.passes) for name, value in stage.options.items()}
    prepare(StageConstants(training, stage, data, engine).settings(1, options, None), ((), ()))
    return True


def _start_stage(
    training: Training,
    stage: Stage,
    before: Stage | None,
    number: int,
    engine: Engine,
    state: Mapping[str, np.ndarray],
    data: PreparedData,
) -> tuple[Engine, PruningResult | None]:
    """Return an engine for the rule of a stage, with the weights of `engine`, pruned if the stage says so.

    The second result says what was pruned. `state` is the update state after the stage `before`.
    """
    masks, net, pruned = kept_masks(training.net, state), training.net, None
    weights = _select_learning(training.net, engine.parameters())
    if stage.prune is not None:
        now = prune_masks(net, engine, data.train, masks, *stage.prune)
        pruned = PruningResult(number, count_remaining(net, masks), count_remaining(net, now))
        weights, masks = zero_pruned(weights, now), now
    ready = engine
    if engine.rule != stage.rule:
        ready = build_engine_like(training, stage, engine)
    ready.load_parameters(weights)
    new_state = {name: np.zeros_like(value) for name, value in ready.state().items()}
    if before is not None and keeps_update_state(before, stage):
        new_state |= {name: value for name, value in zero_pruned(state, masks or {}).items() if name in new_state}
    ready.load_state(new_state if masks is None else {**new_state, **masks_as_state(masks, engine.dtype)})
    return ready, pruned


def keeps_update_state(before: Stage, stage: Stage) -> bool:
    """Tell whether the update state carries over to the next stage; pruning ends conjugate directions."""
    if before.rule == stage.rule:
        return stage.prune is None or not stage.rule.conjugate
    return with_kept_state(before.rule) == stage.rule and not stage.rule.conjugate


def _select_learning(net: Net, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {p.name: values[p.name] for p in net.parameters if p.learns}


def without_fixed(net: Net, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the values of parameters without those of a net that are fixed."""
    fixed = {p.name for p in net.parameters if not p.learns}
    return {name: value for name, value in values.items() if name not in fixed}


def _restore(training: Training, engine: Engine, generators: dict[str, np.random.Generator], start: Snapshot) -> None:
    engine.load_parameters(_select_learning(training.net, start.parameters))
    for name, draw in generators.items():
        if name in start.generators:
            draw.bit_generator.state = start.generators[name]


def _run_pass(
    training: Training,
    stage: Stage,
    constants: StageConstants,
    inside: int,
    number: int,
    data: PreparedData,
    engine: Engine,
    seed: int,
    generators: dict[str, np.random.Generator],
) -> Iterator[Progress]:
    """Run one pass: every training pattern once (or as many random draws), in chunks of whole batches."""
    patterns, net = data.train, training.net
    total = len(patterns)
    batch = constants.batch
    options = {name: value_at(value, inside, stage.passes) for name, value in stage.options.items()}
    if stage.rule.conjugate:
        for done in conjugate_gradient.take_step(
            engine, patterns, training.cost, options["mu"], constants.masks, number
        ):
            yield Progress(number, done, total)
        return
    held = _held_curvature(stage, patterns, engine, generators["curvature"])
    settings = constants.settings(inside, options, held)
    order = None
    if stage.order != "fixed":
        order = sequence_order(stage.order, total, seed, generators["order"], patterns.starts)
    shifts = (
        None if stage.shift is None else generators["noise"].integers(-stage.shift[0], stage.shift[0] + 1, (total, 2))
    )
    noise = 0.0 if stage.input_noise is None else value_at(stage.input_noise, inside, stage.passes)
    gate_generators = {layer: layer_generator(seed, GATES, number, k) for k, (layer, _) in enumerate(stage.dropout)}
    theta = 0.0 if stage.theta is None else value_at(stage.theta, inside, stage.passes)
    noise_generators = (
        {layer.name: layer_generator(seed, THETA, number, k) for k, layer in enumerate(net.computed)} if theta else {}
    )
    begin = 0
    constants.start_pass()
    while begin < total:
        since = time.perf_counter()
        chunk = slice(begin, min(begin + constants.chunk * batch, total))
        inputs, targets, starts = patterns.inputs, constants.targets, patterns.starts
        if order is not None or chunk.stop - begin < total:
            indices = chunk if order is None else order[chunk]  # a slice of the data is not copied
            inputs, targets = inputs[indices], targets[indices]
            starts = None if starts is None else starts[indices]
        if shifts is not None and stage.shift is not None:
            inputs = _shifted(inputs, data.shape, shifts[chunk], stage.shift[1])
        if noise:
            inputs = inputs + noise * generators["noise"].standard_normal(inputs.shape)
        gates = _draw_gates(stage, training, len(inputs), gate_generators) if gate_generators else {}
        for layer in [layer for layer in gates if layer in net.input_places]:
            inputs = inputs.copy()
            inputs[:, net.input_places[layer]] *= gates.pop(layer)
        noises = {
            layer: theta * draw.standard_normal((len(inputs), net.layer(layer).units))
            for layer, draw in noise_generators.items()
        }
        learn_rows(engine, inputs, targets, settings, gates, noises, starts)
        begin = chunk.stop
        if chunk.stop - chunk.start == constants.chunk * batch:  # not the rest of a pass
            constants.adapt_chunk(time.perf_counter() - since, total)
        yield Progress(number, begin, total)


def _shifted(inputs: np.ndarray, shape: tuple[int, ...], cells: np.ndarray, fill: float | None) -> np.ndarray:
    """Return the patterns, each shifted by its rows and columns in `cells`, (patterns, 2)."""
    pictures = inputs.reshape(len(inputs), *shape)
    return shift(pictures, cells[:, 0], cells[:, 1], fill).reshape(len(inputs), -1)


def shift(pictures: np.ndarray, down: np.ndarray, right: np.ndarray, fill: float | None) -> np.ndarray:
    """Move each picture by its own numbers of cells, as `(augment (shift ...))` states.

    `pictures`: (n, rows, columns) or (n, maps, rows, columns); `down`, `right`: (n,) whole numbers, negative for up
    and left. Cells that come in from outside are `fill`, or with None the cells that went out at the other side.
    Returns a new array of the same shape and type.
    """
    n, rows, columns = len(pictures), pictures.shape[-2], pictures.shape[-1]
    row = np.arange(rows) - np.asarray(down, np.int64).reshape(n, 1)
    column = np.arange(columns) - np.asarray(right, np.int64).reshape(n, 1)
    stacks = pictures.reshape(n, -1, rows, columns)
    picture = np.arange(n)[:, None, None]
    moved = stacks[picture, :, (row % rows)[:, :, None], (column % columns)[:, None, :]]  # (n, rows, columns, maps)
    if fill is not None:
        inside = ((row >= 0) & (row < rows))[:, :, None] & ((column >= 0) & (column < columns))[:, None, :]
        moved[~inside] = fill
    return np.ascontiguousarray(np.moveaxis(moved, -1, 1)).reshape(pictures.shape)


def _draw_gates(
    stage: Stage, training: Training, patterns: int, draws: Mapping[str, np.random.Generator]
) -> dict[str, np.ndarray]:
    """Return the factors of the states, 0 or 1/(1-P), by name of a layer with dropout."""
    return {
        layer: (draws[layer].random((patterns, training.net.layer(layer).units)) >= chance) / (1.0 - chance)
        for layer, chance in stage.dropout
    }


def presentation_order(order: str, patterns: int, seed: int, draw: np.random.Generator) -> np.ndarray:
    """Return the indices of the patterns of one pass in an order of `(order ...)`.

    The order is `fixed`, `shuffled`, `shuffled once` or `random` (with replacement).
    `shuffled once` draws its permutation from the seed again in each pass, so it needs no stored state.
    """
    if order == "fixed":
        return np.arange(patterns)
    if order == "shuffled":
        return draw.permutation(patterns)
    if order == "shuffled once":
        return stream_generator(seed, ORDER).permutation(patterns)
    return draw.integers(0, patterns, patterns)


def sequence_order(
    order: str, patterns: int, seed: int, draw: np.random.Generator, starts: np.ndarray | None
) -> np.ndarray:
    """Return `presentation_order`, of whole sequences if `starts`, bool (patterns,), tells where they start."""
    if starts is None:
        return presentation_order(order, patterns, seed, draw)
    sequences = np.split(np.arange(patterns), np.flatnonzero(starts)[1:])
    return np.concatenate([sequences[k] for k in presentation_order(order, len(sequences), seed, draw)])


def _score_pass(
    training: Training,
    constants: StageConstants,
    number: int,
    scored: Sequence[tuple[Patterns, Scorer]],
    engine: Engine,
    clock: CpuClock,
    generators: dict[str, np.random.Generator],
) -> PassResult:
    """Return the result of a pass with its scores; `clock` was started with the pass.

    `scored` has the training patterns, and the test patterns if there are any, each with their scorer.
    """
    seconds = clock.seconds()
    on_train, *on_test = [scorer.score_engine(engine, part.inputs, part.starts) for part, scorer in scored]
    if not math.isfinite(on_train.loss):
        raise DivergedError(
            Fault(
                f"training {training.name} diverged in pass {number}: its cost is {on_train.loss}",
                training.span,
                hint="lower the learning rate; the weights of the previous pass are kept",
            )
        )
    masks = constants.masks
    return PassResult(
        number,
        on_train,
        on_test[0] if on_test else None,
        number * on_train.patterns,
        seconds,
        clock.cpu_seconds(),
        LazySnapshot(lambda: _snapshot(training, number, engine, generators)),
        None if masks is None else count_remaining(training.net, masks),
    )


def _snapshot(
    training: Training, number: int, engine: Engine, generators: Mapping[str, np.random.Generator]
) -> Snapshot:
    return Snapshot(
        number,
        without_fixed(training.net, engine.parameters()),
        engine.state(),
        {name: draw.bit_generator.state for name, draw in generators.items()},
    )


def _held_curvature(
    stage: Stage, patterns: Patterns, engine: Engine, draw: np.random.Generator
) -> dict[str, np.ndarray] | None:
    """Return the curvature that `(curvature N)` holds during a pass: the mean over N training patterns.

    It is h or h-full, whichever the rule uses, by parameter name; None without `(curvature N)`. The patterns are drawn
    without replacement before each pass, as in LeCun, Bottou, Bengio and Haffner 1998, appendix C (500 of 60,000).
    """
    if stage.curvature_patterns is None or stage.rule.curvature is None:
        return None
    indices = draw.permutation(len(patterns))[: stage.curvature_patterns]
    return engine.curvature(patterns.inputs[indices], patterns.targets[indices], stage.rule.curvature)
