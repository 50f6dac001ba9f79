"""What a study runs: a row for each training of its file, a task for each of its seeds, a run folder for each task.

A run folder is named after all that decides its numbers, so that whoever runs the study again, after a kill or with
one row more, takes what is there, and never the run of another description.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from snsim.data.examples import Examples
from snsim.data.progress import Progress
from snsim.errors import Fault, SnError, fail
from snsim.language.forms import Node
from snsim.program import Program
from snsim.registry import suggest
from snsim.run_folder import folder_name
from snsim.runs.examples import examples_of, initial_file
from snsim.runs.options import Options, Say, overridden
from snsim.training.spec import Training

_DECIDE_NOTHING = {"like", "seed", "published", "note"}  # clauses of train that no number of a run depends on
_SAID_OTHERWISE = {"net", "data"}  # by the digests of the net and of the examples


@dataclass(frozen=True)
class Task:
    """One training with one seed, in values that can be sent to another process or machine."""

    file: Path
    training: str
    seed: int
    options: Options
    identity: str  # sha256 (hex) over all that decides the numbers of the run, but for versions and machine
    work: float  # multiply-adds, roughly: what takes longest is begun first

    @property
    def folder(self) -> Path:
        """The run folder, of this task and no other."""
        assert self.options.folder is not None
        return self.options.out / self.options.folder


@dataclass(frozen=True, eq=False)
class Row:
    """One training of a study and its tasks, one for each seed, or for each fold and seed."""

    training: Training
    data: str  # the name of the examples that were found
    tasks: tuple[Task, ...]


@dataclass(frozen=True, eq=False)
class Study:
    """One file and its rows, in the order of its trainings."""

    program: Program
    rows: tuple[Row, ...]

    @property
    def file(self) -> str:
        return self.program.sources[0].name

    @property
    def introduction(self) -> str:
        """The comment that the file begins with, without its semicolons."""
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
) -> tuple[Study, ...]:
    """The studies of some programs: the trainings that each file declares (those of `only`), with their own seeds or
    with `seeds`. Every data set is found, and fetched if need be, here and once.

    SnError for files that declare no training, for names of `only` that no file has, for data that cannot be had.
    """
    _check(programs, only)
    found: dict[tuple[str, ...], Examples] = {}
    studies = []
    for program in programs:
        chosen = [training for training in program.own_trainings if not only or training.name in only]
        rows = tuple(
            _row(
                program,
                training,
                options,
                seeds or training.seeds,
                [
                    (folded, _examples(program, training, folded, found, say, download))
                    for folded in _folds(training, options)
                ],
            )
            for training in chosen
        )
        if rows:
            studies.append(Study(program, rows))
    return tuple(studies)


def _check(programs: Sequence[Program], only: Sequence[str]) -> None:
    empty = [program.sources[0].name for program in programs if not program.own_trainings]
    faults = [
        Fault(
            f"{file} declares no training of its own: there is nothing to reproduce",
            hint="(train NAME clause ...) declares one; what comes by include is declared, not run",
        )
        for file in empty
    ]
    names = list(dict.fromkeys(training.name for program in programs for training in program.own_trainings))
    files = " and ".join(program.sources[0].name for program in programs)
    declare = "declares" if len(programs) == 1 else "declare"
    faults += [
        Fault(f'{files} {declare} no training "{name}"', hint=suggest(name, names, "trainings"))
        for name in only
        if names and name not in names
    ]
    if faults:
        raise SnError(faults)


def _examples(
    program: Program,
    training: Training,
    options: Options,
    found: dict[tuple[str, ...], Examples],
    say: Say,
    download: Progress | None,
) -> Examples:
    """The examples of a training; what the catalogue has is read once and kept in `found`."""
    names = overridden(training, options).data.names
    if names in found:
        return found[names]
    examples = examples_of(program, training, options, say, download)
    if names:
        found[names] = examples
    return examples


def _folds(training: Training, options: Options) -> list[Options]:
    """The options of the runs of a training: one for each fold, where its data have folds and none is chosen."""
    own = overridden(training, options).data.own
    if own is None or own.options.folds is None or options.fold is not None:
        return [options]
    return [replace(options, fold=fold) for fold in range(1, own.options.folds + 1)]


def _row(
    program: Program,
    training: Training,
    options: Options,
    seeds: Sequence[int],
    data: Sequence[tuple[Options, Examples]],
) -> Row:
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
    return Row(training, data[0][1].name, tuple(tasks))


def identity_of(program: Program, training: Training, seed: int, options: Options, data_digest: str) -> str:
    """sha256 (hex) over all that decides the numbers of a run, but for versions and machine."""
    decisive = [
        _written(clause.node) for clause in training.clauses if clause.word not in _DECIDE_NOTHING | _SAID_OTHERWISE
    ]
    definitions = [_written(node) for node in program.own_definitions]
    initial = initial_file(program, training, options)
    described = {
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
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _written(node: Node) -> Any:
    """A form in values that JSON writes: symbols and texts apart, matrices by their digest."""
    if node.is_list:
        return [_written(item) for item in node.items]
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
            f"{file} cannot be read: {error.strerror or error}",
            hint="a run reads it too: put it in its place, or change its permissions with chmod",
        ) from None
