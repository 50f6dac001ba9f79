"""Train step by step at the prompt, one pass at a time, and inspect the net between passes.

Nothing is written to disk: only `snsim run` keeps runs. An interrupt discards the unfinished pass. The weights are then
those after the last complete pass, and training continues from there as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from snsim.data.progress import Progress as DownloadProgress
from snsim.errors import fail
from snsim.network.net import Net, Parameter
from snsim.program import Program
from snsim.run_folder import pass_line
from snsim.runs.examples import examples_of, initial_file
from snsim.runs.options import Options, Say, overridden
from snsim.runs.run import choose_engine
from snsim.training.best_pass import BestPass
from snsim.training.choose_engine import build_engine_like
from snsim.training.criteria import CRITERIA
from snsim.training.forward_all import compute_outputs
from snsim.training.initial_files import starting_weights
from snsim.training.loop import PassResult, Progress, PruningResult, Snapshot, training_events
from snsim.training.prepare import Patterns, prepare_data
from snsim.training.schedule import fit_stages, stage_of_pass
from snsim.training.scores import Score, Scorer, mean_cost
from snsim.training.spec import Training


class CurrentTraining:
    """A training in progress. `last`: the state after the last complete pass; `at`: split and number of the pattern."""

    def __init__(
        self,
        program: Program,
        training: Training,
        seed: int,
        options: Options,
        say: Say,
        download: DownloadProgress | None = None,
    ):
        """Prepare data, engine and initial weights. SnError for data, weights or sizes that do not fit."""
        self.declared = training  # before it is overridden by the options of the session, or extended by further passes
        training = overridden(training, options)
        examples = examples_of(program, training, options, say, download)
        self.training, self.seed = training, seed
        self.data = prepare_data(training, examples, options.dtype)
        self.engine, self.instead = choose_engine(training, options, self.data)
        file = initial_file(program, training, options)
        self.engine.load_parameters(starting_weights(training, seed, file, options.dtype, options.initial is not None))
        self.last = Snapshot(0, self._learning(), self.engine.state(), {})
        self.lines: list[Mapping[str, Any]] = []  # one for each pass, in the format of a run folder
        self.best = None if training.keep is None else BestPass(training.keep, training.stop_after)
        self.best_weights: Mapping[str, np.ndarray] = {}  # those of the best pass, with (keep best ...)
        self.at = ("train" if self.data.test is None else "test", 0)

    @property
    def net(self) -> Net:
        return self.training.net

    @property
    def passes_left(self) -> int:
        return max(0, self.training.passes - self.last.number)

    @property
    def is_stopped(self) -> bool:
        """Whether (stop-after N) has ended the training: the last N passes were not better than the best."""
        return self.best is not None and self.best.stops

    @property
    def other_data(self) -> str | None:
        """The data set that the description names first, to which its published figures belong, if it is not in use."""
        first = next(iter(self.declared.data.names), self.data.name)
        return None if first == self.data.name else first

    # Training

    def learn(self, passes: int) -> Iterator[Progress | PruningResult | PassResult]:
        """Train for a number of further passes, and yield progress. After the declared passes the last rates apply.

        However it is interrupted, `last` and the weights are those after the last pass that was yielded. It ends early
        where (stop-after N) says so, unless it had said so before.
        """
        goes_on = self.is_stopped
        if passes > self.passes_left:
            stages = fit_stages(self.training.stages, self.last.number + passes)
            self.training = replace(self.training, stages=stages)
        stage, _ = stage_of_pass(self.training.stages, self.last.number + 1)
        if self.engine.rule != stage.rule:
            self.engine = build_engine_like(self.training, stage, self.engine)
        self.engine.load_parameters(self.last.parameters)
        start = self.last if self.last.number else None
        end = self.last.number + passes
        try:
            for step in training_events(self.training, self.data, self.engine, self.seed, start):
                if isinstance(step, PassResult):
                    self.last = replace(step.snapshot, parameters=self._learning(step.snapshot.parameters))
                    self.lines.append(pass_line(step))
                    if self.best is not None and self.best.add(self.lines[-1]):
                        self.best_weights = self.last.parameters
                yield step
                if self.last.number == end or (self.is_stopped and not goes_on):
                    break
        finally:
            self.engine.load_parameters(self.last.parameters)

    # Inspecting

    def patterns(self, split: str) -> Patterns:
        """Return the patterns of "train" or "test". SnError if there are none."""
        patterns = self.data.train if split == "train" else self.data.test
        if patterns is None:
            raise fail(f"{self.data.name} has no test patterns", hint="write 'train for the training patterns")
        return patterns

    def scores(self) -> tuple[Score, Score | None]:
        """Return the current scores on the training patterns and on the test patterns."""
        train, test = (
            None
            if p is None
            else Scorer(p.targets, self.training.cost, self.training.criterion).score_engine(
                self.engine, p.inputs, p.starts
            )
            for p in (self.data.train, self.data.test)
        )
        assert train is not None
        return train, test

    def outputs(self, split: str) -> np.ndarray:
        """Return the outputs for all patterns of a split, shape (patterns, output units)."""
        patterns = self.patterns(split)
        return compute_outputs(self.engine, patterns.inputs, patterns.starts)

    def misses(self, split: str) -> list[tuple[int, int, int]]:
        """Return the misclassified patterns: number, desired class, answered class (the most active unit of each)."""
        x, d = self.outputs(split).astype(np.float64), self.patterns(split).targets
        name, numbers = self.training.criterion
        wrong = np.flatnonzero(~CRITERIA.get(name).right(x, d, *numbers))
        return [(int(n), int(d[n].argmax()), int(x[n].argmax())) for n in wrong]

    def present(self, split: str, number: int) -> float:
        """Select the current pattern and return its cost. SnError if there is no such pattern."""
        patterns = self.patterns(split)
        if not 0 <= number < len(patterns):
            raise fail(f"there is no {split} pattern {number}", hint=f"write 0 to {len(patterns) - 1}")
        self.at = (split, number)
        outputs = self.engine.outputs(patterns.inputs[patterns.leading_to(number)])[-1:]
        return mean_cost(self.training.cost, outputs.astype(np.float64), patterns.targets[number : number + 1])

    def states(self) -> Mapping[str, np.ndarray]:
        """Return the states of every layer for the current pattern, each in the shape of its layer."""
        split, number = self.at
        patterns = self.patterns(split)
        states = self.engine.states(patterns.inputs[patterns.leading_to(number)])
        return {layer.name: states[layer.name][-1].reshape(layer.shape) for layer in self.net.layers}

    # Weights

    def parameter(self, source: str | None, target: str) -> Parameter:
        """Return the weights from one layer to another, or the bias of a layer (source None). SnError without any."""
        for layer in (target,) if source is None else (source, target):
            self.net.layer(layer)
        kind = "bias" if source is None else "weight"
        found = next((p for p in self.net.parameters_of(target) if (p.source, p.kind) == (source, kind)), None)
        if found is None:
            raise fail(
                f"{target} has no bias" if source is None else f"nothing connects {source} to {target}",
                hint=f"weights: {', '.join(p.name for p in self.net.parameters)}",
            )
        return found

    def set_weights(self, values: Mapping[str, np.ndarray]) -> None:
        """Set weights by parameter name, each of its shape; training continues from them."""
        self.last = replace(self.last, parameters={**self.last.parameters, **values})
        self.engine.load_parameters(self.last.parameters)
        self.last = replace(self.last, parameters=self._learning())

    def _learning(self, values: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        """Return the trainable weights, from `values` or from the engine."""
        weights = self.engine.parameters() if values is None else values
        return {p.name: weights[p.name] for p in self.net.parameters if p.learns}
