"""Plan a study: a row for each training of its file, a task for each seed, a run folder for each task.

A run folder is named after everything that decides its numbers. If a study runs again, after a kill or with one row
more, it reuses these folders, and never the run of another description.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from snsim.data.examples import Examples
from snsim.data.progress import Progress
from snsim.data_classes import dataclass
from snsim.errors import Fault, SnError, fail
from snsim.language.forms import Node
from snsim.program import Program, is_named
from snsim.registry import suggest
from snsim.run_folder import folder_name
from snsim.runs.examples import examples_of, initial_file
from snsim.runs.options import Options, Say, overridden
from snsim.training.spec import Training

_WITHOUT_EFFECT = {"like", "seed", "published", "prior", "note"}  # clauses of train that no number of a run depends on
_BY_DIGEST = {"net", "data"}  # these count by the digests of the net and of the examples


@dataclass(frozen=True)
class Task:
    """One training with one seed, in values that can be sent to another process or machine."""

    file: Path
    training: str
    seed: int
    options: Options
    identity: str  # sha256 (hex) of everything that decides the numbers of the run, except versions and machine
    work: float  # about how many multiply-adds: the longest tasks start first

    @property
    def folder(self) -> Path:
        """Return the run folder, of this task and no other."""
        assert self.options.folder is not None
        return self.options.out / self.options.folder


@dataclass(frozen=True, eq=False)
class PlannedRow:
    """One training of a study and its tasks, one for each seed, or for each fold and seed."""

    training: Training
    data: str  # the name of the examples that were found
    tasks: tuple[Task, ...]


@dataclass(frozen=True, eq=False)
class PlannedStudy:
    """One file and its rows, in the order of its trainings."""

    program: Program
    rows: tuple[PlannedRow, ...]

    @property
    def file(self) -> str:
        return self.program.sources[0].name

    @property
    def introduction(self) -> str:
        """Return the comment at the start of the file, without its semicolons."""
        lines: list[str] = []
        for line in self.program.sources[0].text.splitlines():
            if not line.startswith(";"):
                break
            lines.append(line.lstrip(";").strip())
        return "\n".join(lines).strip()


def plan(
    programs: Sequence[Program],
    options: Options,
    only: Sequence[str] = (),
    seeds: Sequence[int] = (),
    say: Say = lambda sentence: None,
    download: Progress | None = None,
) -> tuple[PlannedStudy, ...]:
    """Return the studies of some programs: the trainings that each file declares, with their seeds or with `seeds`.

    `only` restricts them to the trainings of these names. Every data set is found, and downloaded if necessary, here
    and once. Raises SnError for files that declare no training, for names of `only` that no file has, and for data that
    cannot be found.
    """
    _check(programs, only)
    known_examples: dict[tuple[str, ...], Examples] = {}
    studies = []
    for program in programs:
        chosen = [training for training in program.own_trainings if not only or is_named(training.name, only)]
        rows = tuple(
            _row(
                program,
                training,
                options,
                seeds or training.seeds,
                [
                    (folded, _examples(program, training, folded, known_examples, say, download))
                    for folded in _folds(training, options)
                ],
            )
            for training in chosen
        )
        if rows:
            studies.append(PlannedStudy(program, rows))
    return tuple(studies)


def _check(programs: Sequence[Program], only: Sequence[str]) -> None:
    empty = [program.sources[0].name for program in programs if not program.own_trainings]
    faults = [
        Fault(
            f"{file} declares no training of its own: there is nothing to reproduce",
            hint="declare one with (train NAME clause ...); trainings of included files are not run",
        )
        for file in empty
    ]
    names = list(dict.fromkeys(training.name for program in programs for training in program.own_trainings))
    files = " and ".join(program.sources[0].name for program in programs)
    declare = "declares" if len(programs) == 1 else "declare"
    faults += [
        Fault(f'{files} {declare} no training "{name}"', hint=suggest(name, names, "trainings"))
        for name in only
        if names and not any(is_named(training, (name,)) for training in names)
    ]
    if faults:
        raise SnError(faults)


def _examples(
    program: Program,
    training: Training,
    options: Options,
    known_examples: dict[tuple[str, ...], Examples],
    say: Say,
    download: Progress | None,
) -> Examples:
    """Return the examples of a training; data sets of the catalogue are read once and kept in `known_examples`."""
    names = overridden(training, options).data.names
    if names in known_examples:
        return known_examples[names]
    examples = examples_of(program, training, options, say, download)
    if names:
        known_examples[names] = examples
    return examples


def _folds(training: Training, options: Options) -> list[Options]:
    """Return the options of the runs of a training: one for each fold, where its data have folds and none is chosen."""
    folds = overridden(training, options).data.folds
    if folds is None or options.fold is not None:
        return [options]
    return [replace(options, fold=fold) for fold in range(1, folds + 1)]


def _row(
    program: Program,
    training: Training,
    options: Options,
    seeds: Sequence[int],
    data: Sequence[tuple[Options, Examples]],
) -> PlannedRow:
    """Return the row of a training; `data` are the examples with the options under which each was read."""
    passes = float(overridden(training, options).passes)
    tasks = []
    for folded, examples in data:
        work = passes * len(examples.train) * training.net.counts.connections
        for seed in seeds:
            identity = identity_of(program, training, seed, folded, examples.digest)
            fold = "" if folded.fold is None else f"-fold{folded.fold}"
            folder = folder_name(f"{training.name}-seed{seed}{fold}-{identity[:12]}")
            own = replace(folded, out=Path(os.path.abspath(options.out)), folder=folder, data_digest=examples.digest)
            tasks.append(Task(Path(program.sources[0].name).resolve(), training.name, seed, own, identity, work))
    return PlannedRow(training, data[0][1].name, tuple(tasks))


def identity_of(program: Program, training: Training, seed: int, options: Options, data_digest: str) -> str:
    """Return the sha256 (hex) of everything that decides the numbers of a run, except versions and machine."""
    decisive = [
        json_values(clause.node) for clause in training.clauses if clause.word not in _WITHOUT_EFFECT | _BY_DIGEST
    ]
    definitions = [json_values(node) for node in program.own_definitions]
    initial = initial_file(program, training, options)
    description = {
        "net": training.net.digest,
        "train": decisive,
        "definitions": definitions,
        "data": data_digest,
        "seed": seed,
        "passes": options.passes,
        "engine": options.engine,
        "dtype": options.dtype,
        "initial": None if initial is None else _digest_of(initial),
    }
    if options.portable:
        description["portable"] = True
    if options.device is not None:
        description["device"] = options.device
    if options.together is not None:
        description["together"] = True
    if training.initial_scopes and options.initial is None:
        description["initial_scopes"] = [[s.kind, s.source, s.layer] for s in training.initial_scopes]
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def json_values(node: Node) -> Any:
    """Return a form in values that JSON can write: symbols and texts differ, matrices are digests."""
    if node.is_list:
        return [json_values(item) for item in node.items]
    if isinstance(node.value, np.ndarray):
        return {
            "matrix": hashlib.sha256(np.ascontiguousarray(node.value).tobytes()).hexdigest(),
            "shape": list(node.value.shape),
        }
    if node.is_symbol:
        return {"symbol": node.name}
    return node.value


def _digest_of(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise fail(
            f"the initial weights {file} cannot be read: {error.strerror or error}",
            hint="put the file back, or change its permissions with chmod: each run of this training reads it",
        ) from None
