"""Train a net with delays on sequences, by any engine: the engine gets the net unrolled in time.

One presentation is one step t of a sequence. The net runs over the last `steps` steps, t - steps + 1 ... t, and E is
the cost of the outputs of step t. Its gradient goes back through these steps: truncated backpropagation through time,
BPTT(h) with h = `steps` (Williams and Peng 1990, "An efficient gradient-based algorithm for on-line training of
recurrent network trajectories"). With 1 step the context is an input like any other (Elman 1990, "Finding structure in
time"). The copies of the steps share their weights, so gradients and curvatures of all copies add.

The context of the first of these steps has the states that its layers had one step before. The presentation of step
t - 1 computed them, with the weights of that moment: its first copy is step t - steps. Before the start of a sequence
all states are 0. A presentation near the start has fewer steps.

While nothing learns, all steps of a sequence are computed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from snsim.engines.parameter_state import check_patterns
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Engine, Settings, UpdateRule
from snsim.errors import fail
from snsim.network.net import Net
from snsim.network.unrolled import Unrolled, unroll

Build = Callable[[Plan], Engine]  # of an engine for a plan, with all weights 0
Listener = Callable[[np.ndarray, np.ndarray, Settings, bool], None]
_MOST_NUMBERS = 1 << 22  # inputs of the unrolled net that are made at a time


class _Context:
    """Where learning is in a sequence: the context, the inputs of the last steps, and the number of steps so far."""

    def __init__(self, carried: int, steps: int, inputs: int, dtype: np.dtype):
        self.carried = np.zeros(carried, dtype)
        self.window = np.zeros((steps, inputs), dtype)
        self.steps = 0

    def start(self) -> None:
        """Begin a sequence."""
        self.carried[:] = 0
        self.window[:] = 0
        self.steps = 0

    def read(self, inputs: np.ndarray) -> None:
        """Go on by one step with these inputs."""
        self.window[:-1] = self.window[1:]
        self.window[-1] = inputs
        self.steps += 1


class _OfUnrolled:
    """An engine of an unrolled net (`_learning`); its weights and state have the names of the net as it is written."""

    def __init__(self, net: Net, unrolled: Unrolled, learning: Engine):
        self._net, self._unrolled, self._learning = net, unrolled, learning
        self._in_unrolled = unrolled.names
        self._in_net = {inner: name for name, inner in self._in_unrolled.items()}
        self.name, self.dtype, self.rule = learning.name, learning.dtype, learning.rule
        self._last_settings: tuple[Settings, Settings] | None = None

    def parameters(self) -> dict[str, np.ndarray]:
        inner = self._learning.parameters()
        return {name: inner[self._in_unrolled[name]] for name in (p.name for p in self._net.parameters)}

    def load_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        self._learning.load_parameters(self._to_unrolled(values))

    def state(self) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        for key, array in self._learning.state().items():
            name, slash, state = key.rpartition("/")
            arrays[f"{self._in_net[name]}/{state}" if slash else key] = array
        return arrays

    def load_state(self, values: Mapping[str, np.ndarray]) -> None:
        inner: dict[str, np.ndarray] = {}
        for key, array in values.items():
            name, slash, state = key.rpartition("/")
            inner[f"{self._in_unrolled.get(name, name)}/{state}" if slash else key] = array
        self._learning.load_state(inner)

    def _to_unrolled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by parameter with the names of the unrolled net."""
        return {self._in_unrolled.get(name, name): value for name, value in values.items()}

    def _settings(self, settings: Settings) -> Settings:
        """Return settings with the names of the unrolled net; the same object as long as the settings are the same."""
        last = self._last_settings
        if last is None or last[0] is not settings:
            held, decays = settings.held_curvature, settings.decays
            inner = Settings(
                self._to_unrolled(settings.rates),
                settings.options,
                settings.batch,
                settings.batch_mean,
                None if held is None else self._to_unrolled(held),
                None if decays is None else self._to_unrolled(decays),
            )
            last = self._last_settings = settings, inner
        return last[1]


class RowEngine(_OfUnrolled):
    """An engine that learns rows of the unrolled net, as `RecurrentEngine.listen` tells them, with the net's names."""

    def __init__(self, net: Net, steps: int, build: Build):
        unrolled = unroll(net, steps)
        super().__init__(net, unrolled, build(plan(unrolled.net)))

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
    ) -> None:
        """Learn rows as `Engine.learn` learns patterns."""
        self._learning.learn(inputs, targets, self._settings(settings), gates, noises)

    def states(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the states of every layer of the unrolled net; the last copy has the names of the net's layers."""
        return self._learning.states(inputs)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        return self._learning.outputs(inputs)


class RecurrentEngine(_OfUnrolled):
    """Implements `engines.protocol.Engine` for a net with delays, by an engine of the unrolled net.

    Rows of inputs are steps in their order. Each method takes `starts`, bool (rows,): whether a row is the first of a
    sequence. Without it all rows of a call are one sequence.

    Parameters
    ----------
    net : Net
    steps : int
        The steps through which gradients go back, from 1.
    build : callable
        Returns an engine of the wanted kind for a plan.
    build_small : callable
        Returns an engine that needs no compilation, for the few presentations near the start of a sequence.
    """

    keeps_chunks = True  # what it learns does not depend on how the steps are divided into calls

    def __init__(self, net: Net, steps: int, build: Build, build_small: Build):
        unrolled = unroll(net, steps)
        super().__init__(net, unrolled, build(_plan(unrolled)))
        self._steps, self._build_small = steps, build_small
        self._listener: Listener | None = None
        self._one_step = self._unrolled if steps == 1 else unroll(net, 1)
        self._evaluating: Engine = self._learning if steps == 1 else build(_plan(self._one_step))
        self._near_start: dict[int, tuple[Unrolled, Engine]] = {}
        self._context = _Context(self._unrolled.carried_units, steps, net.input_units, self.dtype)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute that only some engines have, such as `device`, `portable` or `threads`."""
        if name.startswith("_") or name == "prepare":  # `prepare` takes settings with the names of the unrolled net
            raise AttributeError(name)
        of_one = getattr(self._learning, name)
        if name not in ("use_threads", "move_to"):
            return of_one

        def set_both(value: object) -> None:
            for engine in (self._learning, self._evaluating):
                getattr(engine, name)(value)

        return set_both

    def _learned(self, engine: Engine, unrolled: Unrolled) -> Engine:
        """Return an engine of another number of steps with the current weights."""
        if engine is not self._learning:
            values = self.parameters()
            engine.load_parameters({unrolled.names[p.name]: values[p.name] for p in self._net.parameters if p.learns})
        return engine

    # ---- Learning ------------------------------------------------------------------------------------------------

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray] = NO_GATES,
        noises: Mapping[str, np.ndarray] = NO_NOISES,
        starts: np.ndarray | None = None,
    ) -> None:
        """Learn the steps in order, as `Engine.learn` learns patterns.

        A row that does not start a sequence goes on where the last call ended.
        """
        for drawn, what in ((gates, "dropout"), (noises, "theta")):
            if drawn:
                raise fail(f"a net with delays learns without {what}", hint=f"leave ({what} ...) out")
        x = check_patterns(inputs, self._net.input_units, "input", self.dtype)
        d = check_patterns(targets, self._net.layers[-1].units, "target", self.dtype, len(x))
        is_start = starts_of(starts, len(x))
        inner = self._settings(settings)
        if getattr(self._learning, "carries", False) and self._listener is None:
            size = self._rows_at_once(settings.batch)
            for first in range(0, len(x), size):
                piece = slice(first, first + size)
                self._learn_at_once(x[piece], d[piece], is_start[piece], inner)
            return
        for first in range(0, len(x), settings.batch):
            batch = slice(first, first + settings.batch)
            rows, there = zip(*self._present(x[batch], is_start[batch]))
            if self._listener is not None:
                self._listener(np.array(rows), d[batch], settings, min(there) == self._steps)
            self._learning.learn(np.array(rows), d[batch], inner, self._gates(np.array(there)))

    def listen(self, listener: Listener | None) -> None:
        """Tell a function each batch before it is learned; None ends this.

        It gets the rows of the unrolled net, whose context is in them, the targets, the settings, and whether all
        steps of all rows belong to the sequence, as they do not near its start.
        """
        self._listener = listener

    def _rows_at_once(self, batch: int) -> int:
        """Return how many rows of the unrolled net are made at a time: whole batches, of bounded memory."""
        width = self._unrolled.net.input_units
        return max(1, _MOST_NUMBERS // width // batch) * batch

    def _learn_at_once(self, x: np.ndarray, d: np.ndarray, is_start: np.ndarray, settings: Settings) -> None:
        """Learn all steps in one call of an engine that itself carries states on to the next presentation."""
        context, steps, rows = self._context, self._steps, len(x)
        goes_on = not is_start[0]
        if not goes_on:
            context.start()
        before = context.steps  # of the sequence that the first row goes on with
        all_rows = np.concatenate([context.window[1:], x])  # the window of row k begins at row k of these
        is_first = is_start.copy()
        is_first[0] = True
        since = _steps_since_start(is_first)
        in_first = np.cumsum(is_first) == 1
        there = np.minimum(since + 1 + np.where(in_first, before, 0), steps)
        windows = np.lib.stride_tricks.sliding_window_view(all_rows, steps, axis=0).transpose(0, 2, 1).copy()
        windows[np.arange(steps) < steps - there[:, None]] = 0
        carried = np.zeros((rows, self._unrolled.carried_units), self.dtype)
        carried[since + np.where(in_first, before, 0) >= steps] = np.nan
        carried[0] = context.carried
        one = np.ones((rows, int(self._unrolled.has_one)), self.dtype)
        learned = np.concatenate([carried, one, windows.reshape(rows, -1)], axis=1)
        self._learning.learn(learned, d, settings, self._gates(there))
        context.window[:] = windows[-1]
        context.steps = int(since[-1]) + 1 + (before if in_first[-1] else 0)
        context.carried[:] = 0
        if context.steps >= steps:
            context.carried[:] = self._learning.carried_states()  # type: ignore[attr-defined]

    def _present(self, x: np.ndarray, is_start: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the row of the unrolled net for each step, and how many of its copies are steps of the sequence."""
        context = self._context
        for inputs, starts in zip(x, is_start):
            if starts:
                context.start()
            context.read(inputs)
            row = self._row(self._unrolled, context.carried, context.window)
            yield row, min(context.steps, self._steps)
            if context.steps >= self._steps:
                states = self._learning.states(row[None])
                context.carried = np.concatenate([states[name][0] for name in self._unrolled.first_copy])

    def _row(self, unrolled: Unrolled, carried: np.ndarray, window: np.ndarray) -> np.ndarray:
        """Return the inputs of an unrolled net: the context, the unit of state 1, the inputs of the steps."""
        one = np.ones(int(unrolled.has_one), self.dtype)
        return np.concatenate([carried, one, window.ravel()])

    def _gates(self, there: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gates that hold the states of steps before the start of a sequence at 0.

        `there`, (rows,), is the number of copies that are steps of the sequence: the last ones.
        """
        gates: dict[str, np.ndarray] = {}
        for copy, names in enumerate(self._unrolled.held):
            is_there = (there >= self._steps - copy).astype(self.dtype)[:, None]
            for name in names:
                gates[name] = np.repeat(is_there, self._unrolled.net.layer(name).units, axis=1)
        return gates

    # ---- Evaluation ----------------------------------------------------------------------------------------------

    def outputs(self, inputs: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
        """Return the outputs of all steps, (steps, output units)."""
        if getattr(self._evaluating, "carries", False) and len(inputs):
            x = check_patterns(inputs, self._net.input_units, "input", self.dtype)
            engine = self._learned(self._evaluating, self._one_step)
            return engine.outputs(self._rows_that_carry(x, starts_of(starts, len(x))))
        return self._all_states(inputs, starts)[self._net.layers[-1].name]

    def states(self, inputs: np.ndarray, starts: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the states of every layer by name, (steps, units)."""
        states = self._all_states(inputs, starts)
        return {layer.name: states[layer.name] for layer in self._net.layers}

    def _all_states(self, inputs: np.ndarray, starts: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return the states of all steps by layer; the sequences are computed side by side."""
        x = check_patterns(inputs, self._net.input_units, "input", self.dtype)
        engine, unrolled = self._learned(self._evaluating, self._one_step), self._one_step
        states = {layer.name: np.empty((len(x), layer.units), self.dtype) for layer in self._net.layers}
        is_start = starts_of(starts, len(x))
        if getattr(engine, "carries", False) and len(x):
            of_steps = engine.states(self._rows_that_carry(x, is_start))
            return {name: of_steps[name] for name in states}
        firsts, lengths = _sequences(is_start)
        carried = np.zeros((len(firsts), unrolled.carried_units), self.dtype)
        for step in range(int(lengths.max(initial=0))):
            running = np.flatnonzero(lengths > step)
            rows = firsts[running] + step
            of_step = engine.states(np.concatenate([carried[running], x[rows]], axis=1))
            for name, of_layer in states.items():
                of_layer[rows] = of_step[name]
            carried[running] = np.concatenate([of_step[layer.name] for layer in unrolled.carried], axis=1)
        return states

    def _rows_that_carry(self, x: np.ndarray, is_start: np.ndarray) -> np.ndarray:
        """Return rows of the net of one step, whose context comes from the row before, and is 0 at a start."""
        carried = np.full((len(x), self._one_step.carried_units), np.nan, self.dtype)
        carried[is_start] = 0
        carried[0] = 0
        return np.concatenate([carried, x], axis=1)

    # ---- Derivatives ---------------------------------------------------------------------------------------------

    def gradient(
        self, inputs: np.ndarray, targets: np.ndarray, starts: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return the gradient summed over the steps, by parameter name, without learning."""
        return self._summed(inputs, targets, starts, lambda engine, x, d: engine.gradient(x, d))

    def curvature(
        self, inputs: np.ndarray, targets: np.ndarray, kind: str, starts: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return the mean over the steps of the curvature of each weight, by parameter name."""
        if not len(inputs):
            raise fail("the curvature is a mean over patterns, and no pattern was given", hint="pass at least one step")

        def of_rows(engine: Engine, x: np.ndarray, d: np.ndarray) -> dict[str, np.ndarray]:
            return {name: h * len(x) for name, h in engine.curvature(x, d, kind).items()}

        return {name: h / len(inputs) for name, h in self._summed(inputs, targets, starts, of_rows).items()}

    def tangents(self, inputs: np.ndarray, direction: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Refuse, because no rule that needs the derivatives along a direction trains a net with delays."""
        raise fail(
            "conjugate gradient cannot train a net with delays", hint="write another update rule, such as (update sgd)"
        )

    def _summed(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        starts: np.ndarray | None,
        derivatives: Callable[[Engine, np.ndarray, np.ndarray], dict[str, np.ndarray]],
    ) -> dict[str, np.ndarray]:
        """Return derivatives summed over the steps; the weights stay as they are."""
        x = check_patterns(inputs, self._net.input_units, "input", self.dtype)
        d = check_patterns(targets, self._net.layers[-1].units, "target", self.dtype, len(x))
        states = self._all_states(x, starts)
        context = np.concatenate([states[layer.name] for layer in self._unrolled.carried], axis=1)
        since = _steps_since_start(starts_of(starts, len(x)))  # 0 in the first step of a sequence
        total = {p.name: np.zeros(p.shape, self.dtype) for p in self._net.parameters if p.learns}
        for steps in range(1, self._steps + 1):
            ends = np.flatnonzero(since == steps - 1 if steps < self._steps else since >= steps - 1)
            if not len(ends):
                continue
            unrolled, engine = self._engine_for(steps)
            learned = self._learned(engine, unrolled)
            size = self._rows_at_once(1)
            for some in np.split(ends, range(size, len(ends), size)):
                before = np.where((since[some] >= steps)[:, None], context[some - steps], 0)
                one = np.ones((len(some), int(unrolled.has_one)), self.dtype)
                window = x[some[:, None] + np.arange(1 - steps, 1)].reshape(len(some), -1)
                rows = np.concatenate([before, one, window], axis=1).astype(self.dtype)
                found = derivatives(learned, rows, d[some])
                for name in total:
                    total[name] += found[unrolled.names[name]]
        return total

    def _engine_for(self, steps: int) -> tuple[Unrolled, Engine]:
        """Return the net unrolled over this many steps, and an engine of it."""
        if steps == self._steps:
            return self._unrolled, self._learning
        if steps not in self._near_start:
            unrolled = unroll(self._net, steps)
            self._near_start[steps] = unrolled, self._build_small(plan(unrolled.net))
        return self._near_start[steps]


def plan_of_steps(net: Net, steps: int) -> Plan:
    """Return the plan of a net with delays unrolled over `steps` steps: what engines get."""
    return _plan(unroll(net, steps))


def plan_of_a_step(net: Net) -> Plan:
    """Return the plan of one step of a net with delays: the context and the inputs in, the outputs out.

    Its `carried` says which states are the next context. Parameters have the names that they have in the net.
    """
    unrolled = unroll(net, 1)
    made, names = _plan(unrolled), {inner: name for name, inner in unrolled.names.items()}

    def name_of(inner: str | None) -> str | None:
        return None if inner is None else names.get(inner, inner)

    stages = tuple(
        replace(
            stage,
            links=tuple(
                replace(link, slot=names.get(link.slot, link.slot), gain=name_of(link.gain)) for link in stage.links
            ),
            bias=name_of(stage.bias),
        )
        for stage in made.stages
    )
    return replace(made, stages=stages, parameters={p.name: p for p in net.parameters})


def _plan(unrolled: Unrolled) -> Plan:
    """Return the plan of an unrolled net, which says which states of its first copy are the next context."""
    made = plan(unrolled.net)
    number = {name: k for k, name in enumerate(made.layer_names)}
    ends = np.cumsum([0, *(layer.units for layer in unrolled.carried)])
    carried = tuple((number[name], int(first)) for name, first in zip(unrolled.first_copy, ends))
    return replace(made, carried=carried)


def starts_of(starts: np.ndarray | None, rows: int) -> np.ndarray:
    """Return which rows start a sequence; without `starts` only the first does."""
    if starts is None:
        is_first: np.ndarray = np.arange(rows) == 0
        return is_first
    if len(starts) != rows:
        raise fail(f"{rows} steps, but starts for {len(starts)}", hint="pass True or False for each step")
    return np.asarray(starts, bool)


def _sequences(is_start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row and the length of each sequence; the first row of all always starts one."""
    firsts = np.flatnonzero(is_start | (np.arange(len(is_start)) == 0))
    return firsts, np.diff(np.append(firsts, len(is_start)))


def _steps_since_start(is_start: np.ndarray) -> np.ndarray:
    """Return for each row how many steps after the start of its sequence it is."""
    firsts, lengths = _sequences(is_start)
    since: np.ndarray = np.arange(len(is_start)) - np.repeat(firsts, lengths)
    return since


# ---- For callers that train nets with and without delays ---------------------------------------------------------


def learn_rows(
    engine: Engine,
    inputs: np.ndarray,
    targets: np.ndarray,
    settings: Settings,
    gates: Mapping[str, np.ndarray],
    noises: Mapping[str, np.ndarray],
    starts: np.ndarray | None,
) -> None:
    """Let an engine learn patterns, or steps with the `starts` of their sequences (see `RecurrentEngine`)."""
    if isinstance(engine, RecurrentEngine):
        engine.learn(inputs, targets, settings, gates, noises, starts)
    else:
        engine.learn(inputs, targets, settings, gates, noises)


def outputs_of_rows(engine: Engine, inputs: np.ndarray, starts: np.ndarray | None) -> np.ndarray:
    """Return the outputs for patterns, or for steps with the `starts` of their sequences."""
    return engine.outputs(inputs, starts) if isinstance(engine, RecurrentEngine) else engine.outputs(inputs)


def curvature_of_rows(
    engine: Engine, inputs: np.ndarray, targets: np.ndarray, kind: str, starts: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return the mean curvature over patterns, or over steps with the `starts` of their sequences."""
    if isinstance(engine, RecurrentEngine):
        return engine.curvature(inputs, targets, kind, starts)
    return engine.curvature(inputs, targets, kind)


def build_recurrent(
    net: Net, steps: int, cost: Cost, rule: UpdateRule, dtype: np.dtype, build: Build
) -> RecurrentEngine:
    """Return an engine for a net with delays, with all weights 0. `build` builds engines of the wanted kind."""
    from snsim.engines.reference.engine import ReferenceEngine

    return RecurrentEngine(net, steps, build, lambda small: ReferenceEngine(small, cost, rule, dtype))
