"""What is said about a run beside its description."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from snsim.data.reader_options import OwnData
from snsim.errors import fail
from snsim.training.schedule import fitted_stages
from snsim.training.spec import DataChoice, Training

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is said about a run beside its description. None: as described, or the default."""

    engine: str | None = None  # default: the first of `default_engines` that can be built
    dtype: str = "float32"  # as SN's numbers and PyTorch's
    data: tuple[str, ...] = ()  # instead of the clause: names in order of preference, or one absolute path
    fold: int | None = None  # of own data with (folds N): the one that is tested, from 1
    data_dir: Path | None = None  # where data are looked for first
    online: bool = True
    initial: Path | None = None  # initial weights instead of the clause or the drawn ones
    passes: int | None = None
    out: Path = Path("runs")  # the folder in which run folders are made
    folder: str | None = None  # the very name of the run folder; default: `run_name`, or that with a number
    data_digest: str | None = None  # of the only data that will do
    presets: Mapping[str, float | str] = field(default_factory=dict)  # the values of --set, recorded
    command: tuple[str, ...] = ()  # the command line, recorded
    memory: int | None = None  # bytes that a run may need; default: `memory_limit.default_limit()`
    save_every: float = 1.0  # seconds between two checkpoints, at least; 0: one after each pass


def run_name(training: Training, seed: int) -> str:
    """The name of the run folder: that of the training, with the seed where it has several."""
    return training.name if len(training.seeds) == 1 and seed in training.seeds else f"{training.name}-seed{seed}"


def overridden(training: Training, options: Options) -> Training:
    """The training with the passes and the data of the options instead of its own."""
    if options.passes is not None:
        if options.passes < 1:
            raise fail(f"a training has 1 or more passes, not {options.passes}", hint="write --passes 1, or more")
        training = replace(training, stages=fitted_stages(training.stages, options.passes))
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
