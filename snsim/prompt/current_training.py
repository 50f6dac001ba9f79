"""A training under way at the prompt: a pass at a time, and what can be looked at between them.

Nothing is written: it is `snsim run` that keeps a run. What an interrupt breaks off is the pass that was begun; the
weights are then those after the last whole pass, from which learning goes on as if it had never stopped.
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
from snsim.runs.run import build_engine
from snsim.training.choose_engine import engine_for
from snsim.training.criteria import CRITERIA
from snsim.training.forward_all import outputs_of
from snsim.training.initial import initial_weights
from snsim.training.initial_files import load_initial
from snsim.training.loop import Pass, Progress, Pruned, Snapshot, steps
from snsim.training.prepare import Patterns, prepare
from snsim.training.schedule import fitted_stages, stage_of
from snsim.training.scores import Score, evaluate_on, mean_cost
from snsim.training.spec import Training


class Pupil:
    """`last` is the state after the last whole pass, `at` the pattern at hand: its split and its number from 0."""

    def __init__(
        self,
        program: Program,
        training: Training,
        seed: int,
        options: Options,
        say: Say,
        download: DownloadProgress | None = None,
    ):
        """SnError for data, weights or sizes that do not fit."""
        self.declared = training  # before the options of the session, and more passes than it says, are put in
        training = overridden(training, options)
        examples = examples_of(program, training, options, say, download)
        self.training, self.seed = training, seed
        self.data = prepare(training, examples, options.dtype)
        self.engine, self.instead = build_engine(training, options, self.data)
        file = initial_file(program, training, options)
        self.engine.load_parameters(
            initial_weights(training, seed)
            if file is None
            else load_initial(file, training.net, training.place("initial"), options.dtype)
        )
        self.last = Snapshot(0, self._learning(), self.engine.state(), {})
        self.lines: list[Mapping[str, Any]] = []  # of the passes, as a run folder has them
        self.at = ("train" if self.data.test is None else "test", 0)

    @property
    def net(self) -> Net:
        return self.training.net

    @property
    def passes_left(self) -> int:
        return max(0, self.training.passes - self.last.number)

    @property
    def other_data(self) -> str | None:
        """The data set that the description names first, which its published figures are of, if these are others."""
        first = next(iter(self.declared.data.names), self.data.name)
        return None if first == self.data.name else first

    # Learning

    def learn(self, passes: int) -> Iterator[Progress | Pruned | Pass]:
        """So many passes more, told as they go; beyond those declared the last rates hold on.

        Whatever breaks it off, `last` and the weights are those after the last pass that was told.
        """
        if passes > self.passes_left:
            stages = fitted_stages(self.training.stages, self.last.number + passes)
            self.training = replace(self.training, stages=stages)
        stage, _ = stage_of(self.training.stages, self.last.number + 1)
        if self.engine.rule != stage.rule:
            self.engine = engine_for(self.training, stage, self.engine.name, self.engine.dtype)
        self.engine.load_parameters(self.last.parameters)
        start = self.last if self.last.number else None
        end = self.last.number + passes
        try:
            for step in steps(self.training, self.data, self.engine, self.seed, start):
                if isinstance(step, Pass):
                    self.last = replace(step.snapshot, parameters=self._learning(step.snapshot.parameters))
                    self.lines.append(pass_line(step))
                yield step
                if self.last.number == end:
                    break
        finally:
            self.engine.load_parameters(self.last.parameters)

    # Looking

    def patterns(self, split: str) -> Patterns:
        """Those of "train" or "test". SnError if there are none."""
        found = self.data.train if split == "train" else self.data.test
        if found is None:
            raise fail(f"{self.data.name} has no test patterns", hint="write 'train for those it learns")
        return found

    def scores(self) -> tuple[Score, Score | None]:
        """How the net does now, on the training and on the test patterns."""
        on = [
            None
            if p is None
            else evaluate_on(self.engine, p.inputs, p.targets, self.training.cost, self.training.criterion)
            for p in (self.data.train, self.data.test)
        ]
        assert on[0] is not None
        return on[0], on[1]

    def outputs(self, split: str) -> np.ndarray:
        """(patterns, output units), for all patterns of a split."""
        inputs = self.patterns(split).inputs
        return outputs_of(self.engine, inputs)

    def misses(self, split: str) -> list[tuple[int, int, int]]:
        """The patterns that are not right: number, class wanted, class answered (the most active unit of each)."""
        x, d = self.outputs(split).astype(np.float64), self.patterns(split).targets
        name, numbers = self.training.criterion
        wrong = np.flatnonzero(~CRITERIA.get(name).right(x, d, *numbers))
        return [(int(n), int(d[n].argmax()), int(x[n].argmax())) for n in wrong]

    def present(self, split: str, number: int) -> float:
        """Make a pattern the one at hand; its cost. SnError if there is no such pattern."""
        patterns = self.patterns(split)
        if not 0 <= number < len(patterns):
            raise fail(f"there is no {split} pattern {number}", hint=f"write 0 to {len(patterns) - 1}")
        self.at = (split, number)
        outputs = self.engine.outputs(patterns.inputs[number : number + 1])
        return mean_cost(self.training.cost, outputs.astype(np.float64), patterns.targets[number : number + 1])

    def states(self) -> Mapping[str, np.ndarray]:
        """The states of every layer for the pattern at hand, each in the shape of its layer."""
        split, number = self.at
        found = self.engine.states(self.patterns(split).inputs[number : number + 1])
        return {layer.name: found[layer.name][0].reshape(layer.shape) for layer in self.net.layers}

    # Weights

    def parameter(self, source: str | None, target: str) -> Parameter:
        """The weights from one layer to another, or the bias of a layer. SnError if there are none."""
        wanted = f"{target}.bias" if source is None else f"{source}-{target}.weight"
        found = {p.name: p for p in self.net.parameters}
        for layer in (target,) if source is None else (source, target):
            self.net.layer(layer)
        if wanted not in found:
            raise fail(
                f"{target} has no bias" if source is None else f"nothing connects {source} to {target}",
                hint=f"weights: {', '.join(found)}",
            )
        return found[wanted]

    def set_weights(self, values: Mapping[str, np.ndarray]) -> None:
        """Weights by parameter name, each of its shape, from which learning goes on."""
        self.last = replace(self.last, parameters={**self.last.parameters, **values})
        self.engine.load_parameters(self.last.parameters)
        self.last = replace(self.last, parameters=self._learning())

    def _learning(self, values: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        """The weights that learn, of those given or those that are in the engine."""
        there = self.engine.parameters() if values is None else values
        return {p.name: there[p.name] for p in self.net.parameters if p.learns}
