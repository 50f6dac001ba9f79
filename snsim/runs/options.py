"""The options of a run: what the command line adds to the description."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from snsim.data.reader_options import OwnData
from snsim.data_classes import dataclass
from snsim.errors import fail
from snsim.training.schedule import fit_stages
from snsim.training.spec import DataChoice, Training

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """The options of a run. None: as the description says, or the default."""

    engine: str | None = None  # default: the first of `default_engines` that can compute the net
    portable: bool = False  # the same bits on every processor
    device: str | None = None  # of PyTorch, for the torch engine, which it chooses; default: the processor
    together: int | None = None  # nets that learn at the same time in the torch engine, which it chooses; recorded
    dtype: str = "float32"  # as SN's numbers and PyTorch's
    data: tuple[str, ...] = ()  # replaces the (data ...) clause: names in order of preference, or one absolute path
    fold: int | None = None  # of own data with (folds N): the one that is tested, from 1
    data_dir: Path | None = None  # searched first
    recorded_folders: tuple[Path, ...] = ()  # of a run folder, searched next
    moved: Path | None = None  # of a run folder: the file or folder that holds its data now
    online: bool = True
    initial: Path | None = None  # a file of initial weights; replaces the clause and the drawn weights
    passes: int | None = None
    out: Path = Path("runs")  # the parent of new run folders
    folder: str | None = None  # exact name of the run folder; default: `run_name`, with a number if that is taken
    data_digest: str | None = None  # SHA-256 that the data must have
    presets: Mapping[str, float | str] = field(default_factory=dict)  # values of --set; recorded
    command: tuple[str, ...] = ()  # command line; recorded
    best: bool = False  # open a run with the weights of its best pass
    memory: int | None = None  # bytes a run may need; default: `memory_limit.default_limit()`
    threads: int | None = None  # default: the cores; changes only the time, and is not recorded
    save_every: float = 1.0  # minimum seconds between checkpoints; 0: one after each pass


def run_name(training: Training, seed: int) -> str:
    """Return the name of a run folder: NAME of the training, or NAME-seedN where it has several seeds."""
    return training.name if len(training.seeds) == 1 and seed in training.seeds else f"{training.name}-seed{seed}"


def reading_options(options: Options) -> tuple[str, ...]:
    """Return the options that later commands on a run need, which a run folder does not record: --memory, --offline."""
    memory = () if options.memory is None else ("--memory", f"{options.memory}B")
    return (*memory, *(() if options.online else ("--offline",)))


def options_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options that repeat a run from its copy of the text, with everything that its run.json records."""
    words = ["--only", settings["name"], "--engine", settings["engine"], "--dtype", settings["dtype"]]
    words += ["--device", settings["device"]] if "device" in settings else []
    words += ["--portable"] if settings.get("portable") else []
    overrides, data = settings["overrides"], settings["data"]
    record, folders = data.get("record"), data.get("folders", ())
    if record is not None and len(record["files"]) == 1:  # the copy of the text lies elsewhere than the data
        words += ["--data", os.path.join(record["folder"], record["files"][0]["name"])]
    else:
        words += [word for name in overrides["data"] for word in ("--data", name)]
        if folders:
            words += ["--data-dir", folders[0]]
    for option in ("passes", "fold", "initial"):
        if overrides.get(option) is not None:
            words += [f"--{option}", str(overrides[option])]
    for key, value in settings["presets"].items():
        words += ["--set", f"{key}={value}"]
    return tuple(words)


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
    own = described.own_data or OwnData("", ())
    return DataChoice(own_data=replace(own, files=names, anywhere=True), span=described.span)
