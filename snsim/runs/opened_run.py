"""A run folder opened once: each part is read when it is first used, and never again.

Pictures, tables, reports and `run --resume` are handed one `OpenedRun`. A picture of a net also takes a text that no
run was made from, an `OpenedText`; both are a `NetSource`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from snsim import run_folder
from snsim.data.catalog import DATA_SETS
from snsim.data.progress import Progress as DownloadProgress
from snsim.data.record import DataRecord
from snsim.engines.protocol import Engine
from snsim.errors import SnError, Source, fail, for_line
from snsim.input_files import is_folder
from snsim.language.limits import ACTING
from snsim.network.net import Net
from snsim.program import Program, read_program
from snsim.registry import suggest
from snsim.runs import provenance
from snsim.runs.examples import FoundExamples, SourceFolder, find_examples
from snsim.runs.options import Options, Say, overridden
from snsim.runs.recorded_data import check_unchanged, new_place, not_found, with_recorded_places
from snsim.runs.run import engine_for_resume
from snsim.training.criteria import CRITERIA
from snsim.training.forward_all import compute_outputs, effective_weights
from snsim.training.loop import Snapshot
from snsim.training.prepare import Patterns, PreparedData, have_classes, prepare_data
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Training


class NetSource(Protocol):
    """Where a net comes from: a run folder or a text."""

    @property
    def program(self) -> Program:
        """What the text declares."""

    @property
    def net(self) -> Net:
        """The net that was chosen, or that the run trains."""


class OpenedRun:
    """A run folder and everything the run was made from. SnError where a part is missing, damaged or changed.

    Program, training, net and weights need no data and no engine.

    Attributes
    ----------
    record : run_folder.Run
        The files of the folder: settings, passes, checkpoint.
    options : Options
        Where data are looked for and how much memory an engine may need; the rest comes from the folder.
    """

    def __init__(
        self,
        record: run_folder.Run,
        options: Options = Options(),
        say: Say = lambda sentence: None,
        download: DownloadProgress | None = None,
        locked: bool = False,
    ):
        overrides = record.settings["overrides"]
        self.record = record
        self.options = replace(
            options, data=tuple(overrides["data"]), passes=overrides["passes"], fold=overrides.get("fold")
        )
        self._say, self._download, self._locked = say, download, locked
        self._outputs: dict[str, SplitOutputs] = {}

    @classmethod
    def open(
        cls,
        folder: str | Path,
        options: Options = Options(),
        say: Say = lambda sentence: None,
        download: DownloadProgress | None = None,
    ) -> OpenedRun:
        """Read the files of a run folder. The only thing written is a new place of the data, if the options name one.

        `say` receives sentences: where the data are, and why the last bits may differ. `download` shows progress.
        """
        return cls(run_folder.open_run(folder), options, say, download)

    @property
    def folder(self) -> Path:
        """The path of the run folder."""
        return self.record.folder

    @property
    def settings(self) -> Mapping[str, Any]:
        """The content of run.json."""
        return self.record.settings

    @property
    def name(self) -> str:
        """The name of the run folder, also where it was opened as `.`."""
        return self.folder.resolve().name

    @property
    def title(self) -> str:
        """The name of the run and the number of its last pass, for the head of a picture."""
        return f"{for_line(self.name)}, pass {self.pass_number}"

    @cached_property
    def pass_number(self) -> int:
        """The pass whose weights are used: the last one, or with `options.best` the best one."""
        return self.record.best_weights()[0] if self.options.best else self.record.snapshot.number

    @cached_property
    def program(self) -> Program:
        """What the run's own copy of its text declares. What the text prints is dropped."""
        self.record.check_sources()  # before a text is evaluated
        return read_program(
            self.record.main_source,
            presets=self.settings["presets"],
            port=io.StringIO(),
            texts=self.folder / run_folder.SOURCES,
            limits=ACTING,
        )

    @cached_property
    def texts(self) -> tuple[Source, ...]:
        """The texts that the program was read from, the main one first, under their names inside the run folder."""
        top = (self.folder / run_folder.SOURCES).resolve()
        return tuple(
            source if source.path is None else Source(source.path.resolve().relative_to(top).as_posix(), source.text)
            for source in self.program.sources
        )

    @cached_property
    def training(self) -> Training:
        """The training of the run: its clauses, with the data and passes of the command line put in."""
        settings = self.settings
        unknown = [name for name in self.options.data if not os.path.isabs(name) and name not in DATA_SETS]
        if unknown:
            raise fail(
                f'{self.folder / run_folder.SETTINGS} is damaged: its option --data names "{for_line(unknown[0])}", '
                "and there is no such data set",
                hint=suggest(unknown[0], DATA_SETS.names(), "data sets"),
            )
        training = overridden(self.program.trainings.get(settings["name"]), self.options)
        if training.data.names:
            if settings["data"]["name"] not in training.data.names:
                names = " or ".join(training.data.names)
                raise fail(
                    f"{self.folder / run_folder.SETTINGS} is damaged: it names the data "
                    f"{settings['data']['name']}, but its training uses {names}",
                    hint=f'in run.json set the "name" of "data" to {names}',
                )
            training = replace(training, data=replace(training.data, names=(settings["data"]["name"],)))
        if training.net.digest != settings["net_digest"]:
            raise fail(
                f"the net {training.net.name} differs from the net that the run {self.folder} was started with",
                hint="the program has changed, or this version of snsim builds another net from it: start a new run",
            )
        if training.passes != settings["passes"]:
            raise fail(
                f"{self.folder / run_folder.SETTINGS} is damaged: its passes are {settings['passes']:,}, but the "
                f"program and the options of the run give {training.passes:,}",
                hint=f'in run.json set "passes" to {training.passes}',
            )
        return training

    @property
    def net(self) -> Net:
        """The net of the training."""
        return self.training.net

    @cached_property
    def snapshot(self) -> Snapshot:
        """The checkpoint, with today's names. SnError if it does not fit the training."""
        parameters = [p for p in self.net.parameters if p.learns]
        snapshot = self.record.snapshot.named_for(self.net)
        stage, _ = stage_of_pass(self.training.stages, max(1, self.record.snapshot.number))
        run_folder.check_snapshot(
            replace(self.record, snapshot=snapshot),
            {p.name: p.shape for p in parameters},
            {f"{p.name}/{state}": p.shape for p in parameters for state in stage.rule.states},
        )
        return snapshot

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """The weights that learn after `pass_number`, by parameter name, each of its `Parameter.shape`."""
        last = dict(self.snapshot.parameters)
        return self.record.best_weights()[1] if self.options.best else last

    @cached_property
    def effective_weights(self) -> dict[str, np.ndarray]:
        """The weights as the weighted sums use them, float64: gains of `weight-norm` and fixed weights put in."""
        return effective_weights(self.net, self.weights)

    @cached_property
    def data_record(self) -> DataRecord | None:
        """What the run records of a user's own files: names, digests, columns, class names, scaling.

        None for a data set of the catalogue, patterns in a text, and runs of versions that recorded nothing.
        """
        values = self.settings["data"].get("record")
        if values is None:
            return None
        record = DataRecord.from_json(values)
        numbers = 1 if len(record.shape) > 1 else record.shape[0]
        scaling = record.scaling
        if scaling is not None and not {len(scaling.offset), len(scaling.divisor)} <= {1, numbers}:
            raise fail(
                f"{self.folder / run_folder.SETTINGS} is damaged: data.record.scaling has {len(scaling.offset):,} "
                f"offsets and {len(scaling.divisor):,} divisors for {numbers:,} features",
                hint="restore the file from a backup of the run folder, or start a new run",
            )
        return record

    @property
    def source_folder(self) -> SourceFolder:
        """The folder that the texts were in, for the files that they name."""
        return SourceFolder(Path(self.settings["source"]["root"]), (self.folder / run_folder.SOURCES).resolve())

    @cached_property
    def found_examples(self) -> FoundExamples:
        """The examples that the run was started with, from where they were. SnError if they are gone or have changed.

        Where the options name another place (`data_dir`, `moved`), it is recorded in run.json.
        """
        training, recorded, record = self.training, self.settings["data"], self.data_record
        span = training.span_of("data")
        options = with_recorded_places(self.options, self.settings)
        try:
            found = find_examples(training, options, self.source_folder, self._say, self._download, record)
        except SnError as error:
            raise not_found(error, self.folder, options, record, span) from None
        check_unchanged(found.examples, self.folder, self.settings, record, span)
        self._record_place(new_place(found.examples, self.options, recorded))
        return replace(found, wanted=tuple(recorded["wanted"]), rank=int(recorded["rank"]))

    def _record_place(self, data: Mapping[str, Any]) -> None:
        """Record where the data are now. If the folder is in use or cannot be written, say so."""
        if data == self.settings["data"]:
            return
        try:
            with nullcontext() if self._locked else run_folder.lock_run(self.folder):
                self.record = run_folder.record_data(self.record, data)
        except SnError as error:
            self._say(f"the new place of the data is not recorded: {error.faults[0].message}")

    @cached_property
    def data(self) -> PreparedData:
        """The patterns of the run as its engine is shown them."""
        return prepare_data(self.training, self.found_examples.examples, self.settings["dtype"])

    @cached_property
    def engine(self) -> Engine:
        """An engine of the kind the run was made with, holding the last weights."""
        engine = self.new_engine()
        engine.load_parameters(self.weights)
        return engine

    def new_engine(self) -> Engine:
        """Return an engine for the pass after the last one, all weights 0.

        SnError if the checkpoint does not fit the training, the data are missing, or the memory is not enough.
        """
        _ = self.weights  # a damaged checkpoint is reported before data are looked for
        data, name = self.data, self.settings["engine"]
        for sentence in provenance.differences(self.settings["versions"], provenance.versions(name)):
            self._say(sentence)
        number = min(self.record.snapshot.number + 1, self.training.passes)
        dtype, portable = self.settings["dtype"], self.settings.get("portable", False)
        return engine_for_resume(self.training, number, name, dtype, self.options, data, portable)

    def outputs(self, split: str | None = None) -> SplitOutputs:
        """Return what the net computes for the patterns of "train" or "test", computed once for each.

        Without a split: the test patterns where there are some. SnError for "test" where there are none.
        """
        data = self.data
        if split is None:
            split = "train" if data.test is None else "test"
        if split not in self._outputs:
            patterns = data.train if split == "train" else data.test
            if patterns is None:
                raise fail(
                    f"the run {self.folder} has no test patterns", hint="use --of train for the training patterns"
                )
            self._outputs[split] = SplitOutputs(
                self, split, patterns, compute_outputs(self.engine, patterns.inputs, patterns.starts)
            )
        return self._outputs[split]


@dataclass(frozen=True, eq=False)
class SplitOutputs:
    """The outputs of a run's net for the patterns of one split, "train" or "test"; (patterns, output units)."""

    run: OpenedRun
    split: str
    patterns: Patterns
    outputs: np.ndarray

    @property
    def title(self) -> str:
        """The run and the patterns, for the head of a picture."""
        return f"{self.run.title}, {self.split} patterns of {self.run.data.name}"

    @cached_property
    def have_classes(self) -> bool:
        """Whether the targets state classes."""
        return have_classes(self.patterns.targets)

    @cached_property
    def are_right(self) -> np.ndarray:
        """Whether each pattern is right by the criterion of the training; bool, (patterns,)."""
        name, numbers = self.run.training.criterion
        outputs = np.asarray(self.outputs, np.float64)
        return CRITERIA.get(name).right(outputs, self.patterns.targets, *numbers)


@dataclass(frozen=True, eq=False)
class OpenedText:
    """A text with one of the nets it declares."""

    program: Program
    net: Net


def open_net(
    path: Path, only: str | None = None, presets: Mapping[str, float | str] | None = None, port: TextIO | None = None
) -> NetSource:
    """Open a run folder, or a `.sn` file, where `only` names one of several nets.

    `presets` are the values of --set for a file, `port` is where it prints (default: standard output). SnError if it
    declares no net, or not one of this name.
    """
    if is_folder(path):
        return OpenedRun.open(path)
    program = read_program(path, presets=presets, port=port)
    nets = program.shown_nets
    names = [net.name for net in nets]
    chosen = [net for net in nets if only in (None, net.name)]
    if not names:
        raise fail(f"{path} declares no net", hint="(net NAME clause ...) declares one")
    if not chosen:
        raise fail(f'{path} declares no net "{only}"', hint=suggest(only or "", names, "nets"))
    if len(chosen) > 1:
        raise fail(
            f"{path} declares {len(chosen)} nets, and only one can be used",
            hint=f"choose with --only: {', '.join(names)}",
        )
    return OpenedText(program, chosen[0])
