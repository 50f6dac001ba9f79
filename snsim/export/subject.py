"""What is exported: a net with its weights, and the patterns on which each export is checked before it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Cost, Engine, UpdateRule
from snsim.engines.recurrent import build_recurrent, plan_of_a_step
from snsim.errors import SnError, fail
from snsim.gallery import ShippedWeights
from snsim.network.expressions import variable
from snsim.network.net import Net
from snsim.program import Program
from snsim.runs.examples import SourceFolder, examples_of
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options, Say, overridden
from snsim.runs.run import start_weights
from snsim.training.choose_engine import build_engine, preferred_engines
from snsim.training.forward_all import compute_outputs
from snsim.training.initial_files import load_initial
from snsim.training.prepare import PreparedData, prepare_data
from snsim.training.spec import Training

# The largest difference from the engine, as a part of the largest output, that an export may have.
TOLERANCES = {"float32": 1e-4, "float64": 1e-10}
_MOST_CHECKED = 2007  # patterns that an export is checked on
_RANDOM_STEPS = 10  # of a random sequence
NO_COST = Cost("none", variable("x"), variable("x"), variable("x"))
_NO_RULE = UpdateRule("none", (), (), ((("w", variable("w")),),))


@dataclass(frozen=True, eq=False)
class Subject:
    """A net to export.

    Attributes
    ----------
    name : str
        The training or the net.
    origin : str
        The run or the file, for the head of what is written.
    training : Training or None
    weights : mapping
        Of every parameter that learns, by snsim's name: those of the run, or the initial ones.
    start : mapping or None
        The initial weights of the training; None if they are unknown.
    trained : bool
        Whether `weights` come from a run.
    data : PreparedData or None
        None if the data were not found, or if the net has no training.
    """

    name: str
    origin: str
    net: Net
    training: Training | None
    weights: Mapping[str, np.ndarray]
    start: Mapping[str, np.ndarray] | None
    trained: bool
    data: PreparedData | None
    dtype: str
    seed: int

    @cached_property
    def plan(self) -> Plan:
        """The plan of the net; of a net with delays that of one step (`plan_of_a_step`)."""
        return plan_of_a_step(self.net) if self.net.delayed else plan(self.net)

    @property
    def context_units(self) -> int:
        """The units of the context of a net with delays: the first inputs of its plan. 0 for other nets."""
        return self.plan.input_units - self.net.input_units

    @property
    def checked_on(self) -> str:
        """What `inputs` are, in words, such as "480 test patterns of digits"."""
        if self.data is None:
            return "random inputs"
        return f"{len(self.inputs):,} {'train' if self.data.test is None else 'test'} patterns of {self.data.name}"

    @property
    def inputs(self) -> np.ndarray:
        """The inputs on which an export is compared with snsim, shape (patterns, input units).

        They are the first 2,007 test patterns, or training patterns if there is no test set. Without data they are 100
        random patterns, uniform in [-1, 1).
        """
        if self.data is None:
            draw = np.random.default_rng(0)
            return draw.uniform(-1, 1, (100, self.net.input_units)).astype(self.dtype)
        patterns = self.data.train if self.data.test is None else self.data.test
        return patterns.inputs[:_MOST_CHECKED]

    @property
    def starts(self) -> np.ndarray | None:
        """For a net with delays whether each of `inputs` starts a sequence, bool (patterns,); None for other nets."""
        if not self.net.delayed:
            return None
        if self.data is None:
            starts: np.ndarray = np.arange(len(self.inputs)) % _RANDOM_STEPS == 0
            return starts
        patterns = self.data.train if self.data.test is None else self.data.test
        assert patterns.starts is not None
        return patterns.starts[:_MOST_CHECKED]

    def engine_outputs(self) -> np.ndarray:
        """Return the outputs of snsim's own engine for `inputs`, (patterns, output units)."""
        return compute_outputs(self._engine(), self.inputs, self.starts)

    def outputs_by_steps(self, step: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return the outputs of an export of a net with delays for `inputs`, (patterns, output units).

        `step` takes inputs (sequences, units) and contexts (sequences, units), both in the type of the export, and
        returns the outputs and the next contexts. All sequences go on side by side.
        """
        assert self.starts is not None
        inputs, firsts = self.inputs.astype(self.dtype), np.flatnonzero(self.starts)
        lengths = np.diff(np.append(firsts, len(inputs)))
        outputs = np.empty((len(inputs), self.plan.output_units), self.dtype)
        context = np.zeros((len(firsts), self.context_units), self.dtype)
        for number in range(int(lengths.max(initial=0))):
            running = np.flatnonzero(lengths > number)
            rows = firsts[running] + number
            of_step, context[running] = step(inputs[rows], context[running])
            outputs[rows] = of_step.reshape(len(rows), -1)
        return outputs

    def _engine(self) -> Engine:
        from snsim import engines

        if self.training is None:

            def build(of: Plan) -> Engine:
                return engines.build("reference", of, NO_COST, _NO_RULE, self.dtype, {})

            engine = (
                build_recurrent(self.net, 1, NO_COST, _NO_RULE, np.dtype(self.dtype), build)
                if self.net.delayed
                else build(self.plan)
            )
        else:
            names = preferred_engines(self.training)
            engine = _first_that_builds(self.training, names, self.dtype)
        engine.load_parameters(self.weights)
        return engine


def _first_that_builds(training: Training, names: tuple[str, ...], dtype: str) -> Engine:
    for name in names[:-1]:
        try:
            return build_engine(training, training.stages[0], name, dtype)
        except SnError:
            continue
    return build_engine(training, training.stages[0], names[-1], dtype)


def subject_of_run(run: OpenedRun) -> Subject:
    """Return the net of a run with its last weights. SnError if the run or its data are damaged or missing."""
    training = run.training
    return Subject(
        training.name,
        f"the run {run.name}" + (f", its best pass, {run.pass_number}" if run.options.best else ""),
        run.net,
        training,
        {p.name: run.weights[p.name] for p in run.net.parameters if p.learns},
        _start_of_run(run, int(run.settings["seed"])),
        True,
        run.data,
        run.settings["dtype"],
        int(run.settings["seed"]),
    )


def subject_of_shipped(
    program: Program, shipped: ShippedWeights, name: str | None, options: Options, say: Say
) -> Subject:
    """Return a net of the gallery with its shipped weights; `program` is its file, `name` that of the training.

    SnError if the weights are those of another training, or of the net as it is without `--set`.
    """
    if name not in (None, shipped.training):
        raise fail(
            f'the weights of the gallery are those of the training {shipped.training}, not of "{name}"',
            hint=f"leave --training out, or write the path of the file for initial weights: {program.sources[0].name}",
        )
    subject = subject_of_program(program, shipped.training, options, say, shipped.seed)
    if subject.net.digest != shipped.net_digest:
        raise fail(
            f"the weights of the gallery do not fit the net {subject.net.name} as it is now",
            hint=f"leave --set out, or write the path of the file for initial weights: {program.sources[0].name}",
        )
    weights = load_initial(shipped.path, subject.net, dtype=options.dtype)
    return replace(subject, weights=weights, trained=True, origin=f"the gallery, {shipped.summary}")


def _start_of_run(run: OpenedRun, seed: int) -> Mapping[str, np.ndarray] | None:
    """Return the initial weights of a run; None if their file is no longer there."""
    path = run.settings["overrides"].get("initial")
    options = replace(run.options, initial=None if path is None else Path(path), dtype=run.settings["dtype"])
    try:
        return start_weights(run.training, seed, options, run.source_folder)
    except SnError:
        return None


def subject_of_program(
    program: Program, name: str | None, options: Options, say: Say, seed: int | None = None
) -> Subject:
    """Return a training or a net of a file, with initial weights. `name` chooses one of several.

    SnError if there is none of this name. Without data, the export is checked on random inputs; `say` receives a
    sentence about this.
    """
    path = program.sources[0].name
    trainings = program.own_trainings
    if name is not None and name not in {entry.name for entry in trainings} and name in program.nets:
        return _of_net(program.nets.get(name), path, options)
    if not trainings and name is None:
        nets = program.nets.own()
        if len(nets) != 1:
            raise fail(
                f"{path} declares {len(nets) or 'no'} net{'' if len(nets) == 1 else 's'} and no training",
                hint=f"choose a net with --training: {', '.join(net.name for net in nets)}"
                if nets
                else "(net NAME clause ...) declares a net",
            )
        return _of_net(nets[0].value, path, options)
    training = overridden(program.only_training(name, "an export has one", "--training"), options)
    seed = training.seeds[0] if seed is None else seed
    data: PreparedData | None = None
    try:
        data = prepare_data(training, examples_of(program, training, options, say), options.dtype)
    except SnError as error:
        if not training.data.names:
            raise
        say(f"no data: {error.faults[0].message}; the export is checked on random inputs")
    start = start_weights(training, seed, options, SourceFolder.of(program.sources))
    return Subject(training.name, path, training.net, training, start, start, False, data, options.dtype, seed)


def _of_net(net: Net, path: str, options: Options) -> Subject:
    """Return a net without a training, its weights drawn uniformly in +-1/sqrt F."""
    draw = np.random.default_rng(0)
    weights = {
        p.name: draw.uniform(-1, 1, p.shape) / np.sqrt(np.maximum(p.fan_in.reshape(p.shape), 1))
        for p in net.parameters
        if p.learns
    }
    return Subject(net.name, path, net, None, weights, None, False, None, options.dtype, 0)


def check_difference(subject: Subject, outputs: np.ndarray, what: str) -> float:
    """Return the largest difference of an export's outputs from the engine's. SnError above the tolerance."""
    expected = np.asarray(subject.engine_outputs(), np.float64)
    with np.errstate(all="ignore"):
        difference = float(np.abs(np.asarray(outputs, np.float64).reshape(expected.shape) - expected).max(initial=0.0))
        most = TOLERANCES[subject.dtype] * max(1.0, float(np.abs(expected).max(initial=0.0)))
    if not difference <= most:
        raise fail(
            f"{what} differs from the engine by {difference:.3g} on {subject.checked_on}; at most {most:.3g} is "
            f"rounding in {subject.dtype}",
            hint="do not use this export; please report it with the description of the net",
        )
    return difference


@dataclass(frozen=True)
class Exported:
    """What was written: the files, sentences about them, and the largest difference from the engine."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]
    difference: float | None
    checked_on: str
