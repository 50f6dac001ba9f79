"""The options of a run: what the command line adds to the description."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from snsim.data.reader_options import OwnData
from snsim.errors import fail
from snsim.training.schedule import fit_stages
from snsim.training.spec import DataChoice, Training

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """The options of a run. None: as the description says, or the default."""

    engine: str | None = None  # default: the first of `default_engines` that can compute the net
    dtype: str = "float32"  # as SN's numbers and PyTorch's
    data: tuple[str, ...] = ()  # replaces the (data ...) clause: names in order of preference, or one absolute path
    fold: int | None = None  # of own data with (folds N): the one that is tested, from 1
    data_dir: Path | None = None  # searched first
    online: bool = True
    initial: Path | None = None  # a file of initial weights; replaces the clause and the drawn weights
    passes: int | None = None
    out: Path = Path("runs")  # the parent of new run folders
    folder: str | None = None  # exact name of the run folder; default: `run_name`, with a number if that is taken
    data_digest: str | None = None  # SHA-256 that the data must have
    presets: Mapping[str, float | str] = field(default_factory=dict)  # values of --set; recorded
    command: tuple[str, ...] = ()  # command line; recorded
    memory: int | None = None  # bytes a run may need; default: `memory_limit.default_limit()`
    save_every: float = 1.0  # minimum seconds between checkpoints; 0: one after each pass


def run_name(training: Training, seed: int) -> str:
    """Return the name of a run folder: NAME of the training, or NAME-seedN where it has several seeds."""
    return training.name if len(training.seeds) == 1 and seed in training.seeds else f"{training.name}-seed{seed}"


def overridden(training: Training, options: Options) -> Training:
    """Return the training with the passes and data of the options in place of its own."""
    if options.passes is not None:
        if options.passes < 1:
            raise fail(f"a training needs at least 1 pass, not {options.passes}", hint="write --passes 1, or more")
        training = replace(training, stages=fit_stages(training.stages, options.passes))
    if options.data:
        training = replace(training, data=_data_of(tuple(options.data), training.data))
    return training


def _data_of(names: tuple[str, ...], described: DataChoice) -> DataChoice:
    """Return the data of --data: names of data sets, or an absolute path to own files.

    For a file of the kind that the description reads, the options of the description hold.
    """
    if len(names) != 1 or not os.path.isabs(names[0]):
        return DataChoice(names=names)
    own = described.own or OwnData("", ())
    return DataChoice(own=replace(own, files=names, anywhere=True), span=described.span)
