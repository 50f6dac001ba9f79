"""What `import snsim` offers: `load`, `load_data` and `run`. torch is imported by `load` only, when it is called."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from snsim.data.catalog import DATA_SETS, find
from snsim.data.fetch import Search
from snsim.data.own_data import read_path
from snsim.errors import SnError, fail, passes_text
from snsim.gallery import RUNS, find_named, is_path
from snsim.input_files import is_folder
from snsim.network.net import Net
from snsim.optional_packages import needing
from snsim.program import Program, read_program
from snsim.registry import suggest
from snsim.runs.examples import SourceFolder
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options
from snsim.runs.run import PassFinished, RunStarted, run_unrecorded, start_weights
from snsim.runs.run import run as run_training
from snsim.training.initial_files import load_initial
from snsim.training.loop import PassResult
from snsim.training.memory_need import check_module_memory
from snsim.training.parameter_scopes import rates_in_pass
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Training

if TYPE_CHECKING:
    import torch

    from snsim.engines.torch.module import SnModule


def load(
    path: str | Path,
    net: str | None = None,
    *,
    seed: int | None = None,
    dtype: torch.dtype | None = None,
    presets: Mapping[str, float | str] | None = None,
    memory: int | None = None,
    device: torch.device | str | int | None = None,
) -> SnModule:
    """Return a net as a PyTorch module: trained, from a run or the gallery; with initial weights, from a `.sn` file.

    Parameters
    ----------
    path : str or Path
        A run folder, a `.sn` file, or a name without `/` and suffix: of a run in `runs/`, or else of a net of the
        gallery, with its trained weights if it has some. With `seed` or `presets`, a name is that of a net, and the
        weights are initial ones.
    net : str, optional
        The name of a training or of a net in the file. Default: the last training that the file itself declares, or
        else its last net. A run has one net.
    seed : int, optional
        The seed of the initial weights. Default: the first seed of the training. Not for a run.
    dtype : torch.dtype, optional
        Default: torch.float32, or the type in which the run was trained.
    presets : mapping, optional
        Values of variables, as `--set` on the command line. Not for a run.
    memory : int, optional
        The limit, in bytes, of the memory of the module. Default: half of the memory of this machine.
    device : torch.device or str, optional
        Where the module is: "cpu" (default), "cuda", "meta" ...

    Returns
    -------
    SnModule
        `module(x)` takes (patterns, ...input shape) or (patterns, units) and returns (patterns, ...output shape).
        `module.predict(x)` returns the names of the classes. `module.optimizer()` is an optimizer with the update rule
        and the rates of the training. Its parameters have the names and shapes that `snsim show FILE --stage torch`
        prints and that weights.safetensors of a run has. `module.tables[...]` are the explicit connection tables, and
        `module.parameter_groups(pass)` are the groups for another optimizer of `torch.optim`. A module with trained
        weights is in eval mode. Without a training, all weights that learn are 0.

    Raises
    ------
    SnError
        With every fault of the file; if the run folder is damaged; if the file of `(initial "FILE")` does not fit; if
        torch is not installed.
    """
    with needing("torch", what="snsim.load"):
        import torch

        from snsim.engines.torch.recurrent import module_of
        from snsim.training.torch_optimizer import OptimizerMaker

    trained = seed is None and presets is None  # trained weights have their seed and values
    named = find_named(path, ("run", "net") if trained else ("net",))
    place, shipped = named.path, named.weights if trained else None
    run = OpenedRun.open(place) if is_folder(place) else None
    if run is not None:
        for name, value in (("seed", seed), ("presets", presets), ("net", net)):
            if value is not None and value not in (run.settings["name"], run.settings["net"]):
                raise fail(
                    f"{place} is a run, and its {name} cannot be changed",
                    hint=f"leave out {name}=, or load its text: {run.record.main_source}",
                )
        program, selected = run.program, run.net
        training: Training | None = run.training
        if dtype is None:
            dtype = getattr(torch, run.settings["dtype"])
    else:
        program = read_program(place, presets=presets)
        selected, training = _select_net(program, net if net is not None or shipped is None else shipped.training)
        if training is None or shipped is None or training.name != shipped.training:
            shipped = None
    dtype = torch.float32 if dtype is None else dtype
    check_module_memory(selected, dtype.itemsize, memory)
    module = module_of(selected, dtype)
    if training is not None:
        if run is not None:
            module.load_weights(run.weights)
        elif shipped is not None:
            module.load_weights(load_initial(shipped.path, selected, dtype=str(dtype).removeprefix("torch.")))
        else:
            first = training.seeds[0] if seed is None else seed
            module.load_weights(start_weights(training, first, Options(), SourceFolder.of(program.sources)))
        module.schedule = _Schedule(training)
        own = [other for entry in program.trainings.own() if (other := entry.value).net is selected]
        module.make_optimizer = OptimizerMaker([*own, training], training.name)
        module.classes = _classes(training, run) or module.classes
    if run is not None:
        record = run.data_record
        module.scaling = None if record is None or record.scaling is None else record.scaling.apply
        module.scales_rows = record is not None and len(record.shape) == 1
    module.train(run is None and shipped is None)
    return module if device is None else module.to(device)


class DataArrays(NamedTuple):
    """The arrays that `load_data` returns: inputs and labels (or targets) to learn, and those to test."""

    x: np.ndarray
    y: np.ndarray
    tx: np.ndarray
    ty: np.ndarray


def load_data(name: str | Path, *, data_dir: str | Path | None = None, online: bool = True) -> DataArrays:
    """Return the arrays x, y, tx, ty of a data set, or of your own file or folder.

    Parameters
    ----------
    name : str or Path
        A data set of `snsim data`, such as "zipcode" or "digits"; or the path of a CSV, npz, npy or idx file, or of a
        folder of pictures.
    data_dir : str or Path, optional
        The folder searched first for a data set.
    online : bool
        Whether a data set may be downloaded.

    Returns
    -------
    DataArrays
        x and tx are inputs, (patterns, ...shape), float32 or float64, scaled as trainings see them before `(range)` or
        `(standardize)`. y and ty are class numbers from 0, (patterns,) int64, or targets, (patterns, outputs) float64.
        tx and ty have 0 patterns where the data have no test part.

    Raises
    ------
    SnError
        If there is no such data set or file, if the data are not found, or if a file is damaged.
    """
    if isinstance(name, str) and (name in DATA_SETS or name == "" or not is_path(name)):
        folder = None if data_dir is None else Path(data_dir)
        examples = find([name], Search.usual(folder, online)).examples
    else:
        examples = read_path(Path(name))
    train, test = examples.train, examples.test
    y = train.targets if train.labels is None else np.asarray(train.labels, np.int64)
    assert y is not None  # a split has labels or targets
    if test is None:
        return DataArrays(train.inputs, y, train.inputs[:0], y[:0])
    ty = test.targets if test.labels is None else np.asarray(test.labels, np.int64)
    assert ty is not None
    return DataArrays(train.inputs, y, test.inputs, ty)


class TrainingRun(Iterator[PassResult]):
    """A training that runs while you iterate over it: each item is a finished pass, a `PassResult`.

    A pass has `number` (from 1), and `train` and `test` with `loss`, `error` (percent) and `misses`; `test` is None
    without test patterns. `snapshot.parameters` are the weights after it, to be read before the next one.

    Attributes
    ----------
    folder : Path or None
        The run folder, from the first pass on; None without one.
    seed : int
    passes : int
        How many the training has.
    """

    def __init__(self, program: Program, training: Training, seed: int, options: Options, recorded: bool):
        self.seed = seed
        self.passes = training.passes if options.passes is None else options.passes
        self.folder: Path | None = None
        self._last: PassResult | None = None
        self._steps = (
            self._recorded(program, training, options) if recorded else run_unrecorded(program, training, seed, options)
        )

    def __next__(self) -> PassResult:
        self._last = next(self._steps)
        return self._last

    def finish(self) -> PassResult:
        """Train to the end and return the last pass. SnError if training fails."""
        for _ in self:
            pass
        assert self._last is not None  # a training has at least one pass
        return self._last

    def close(self) -> None:
        """End the training now; the passes up to here are saved, and `snsim run --resume` goes on from there."""
        self._steps.close()

    def _recorded(self, program: Program, training: Training, options: Options) -> Generator[PassResult, None, None]:
        for event in run_training(program, training, self.seed, options):
            if isinstance(event, RunStarted):
                self.folder = event.run
            elif isinstance(event, PassFinished):
                yield event.done


def run(
    path: str | Path,
    training: str | None = None,
    *,
    passes: int | None = None,
    seed: int | None = None,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    online: bool = True,
    initial: str | Path | None = None,
    engine: str | None = None,
    device: str | None = None,
    portable: bool = False,
    dtype: str = "float32",
    out: str | Path | None = RUNS,
    presets: Mapping[str, float | str] | None = None,
    memory: int | None = None,
    threads: int | None = None,
) -> TrainingRun:
    """Train what a `.sn` file declares: iterate over the passes, or call `.finish()` on the result.

    Parameters
    ----------
    path : str or Path
        A `.sn` file, or the name of a net of snsim.
    training : str, optional
        The training to run. Default: the last one that the file itself declares.
    passes, seed : int, optional
        Default: as the training says; the first of its seeds.
    data : str or Path, optional
        A data set, or your own file or folder, in place of the clause `(data ...)`.
    data_dir, online
        As for `load_data`.
    initial : str or Path, optional
        A file of initial weights.
    engine : str, optional
        "native", "reference", "torch" or "wasm". Default: the fastest that can train the net.
    device : str, optional
        A device of PyTorch, such as "cuda", for the torch engine. Default: the processor.
    portable : bool
        Whether to compute the same bits on every processor, by the native engine.
    dtype : str
        "float32" or "float64".
    out : str or Path, or None
        The folder in which the run folder is made, "runs" by default. None: no run folder is written.
    presets : mapping, optional
        Values of variables, as `--set` on the command line.
    memory : int, optional
        The limit, in bytes, of the memory of the run. Default: half of the memory of this machine.
    threads : int, optional
        The threads for evaluation and batches. Default: the cores of this process, or OMP_NUM_THREADS if that is
        less. The native engine gives the same bits for any number of threads.

    Returns
    -------
    TrainingRun
        Nothing is trained before its first pass is asked for.

    Raises
    ------
    SnError
        For every fault of the file, here; for data or weights that do not fit, at the first pass.
    """
    place = find_named(path, ("net",)).path
    program = read_program(place, presets=presets)
    declared = program.own_trainings
    names = [one.name for one in declared]
    if not declared:
        raise fail(f"{place} declares no training: there is nothing to run", hint="write (train NAME clause ...) in it")
    if training is not None and training not in names:
        raise fail(f'{place} declares no training "{training}"', hint=suggest(training, names, "trainings"))
    chosen = declared[-1] if training is None else declared[names.index(training)]
    options = Options(
        engine=engine,
        device=device,
        portable=portable,
        dtype=dtype,
        data=() if data is None else (_as_data(data),),
        data_dir=None if data_dir is None else Path(data_dir),
        online=online,
        initial=None if initial is None else Path(initial),
        passes=passes,
        out=RUNS if out is None else Path(out),
        presets=dict(presets or {}),
        memory=memory,
        threads=threads,
    )
    return TrainingRun(program, chosen, chosen.seeds[0] if seed is None else seed, options, out is not None)


# ---- Nets and data -----------------------------------------------------------------------------------------------


def _as_data(data: str | Path) -> str:
    """Return data as the options of a run have them: the name of a data set, or an absolute path."""
    if isinstance(data, str) and (data in DATA_SETS or data == "" or not is_path(data)):
        DATA_SETS.get(data)
        return data
    return os.path.abspath(data)


def _select_net(program: Program, name: str | None) -> tuple[Net, Training | None]:
    """Return the net of this name (see `load`), and the training that initialises it, if there is one."""
    if name is None:
        if trainings := program.own_trainings:
            return trainings[-1].net, trainings[-1]
        nets = program.nets.own()
        if not nets:
            raise fail(
                f"{program.sources[0].name} declares no net", hint="write (net NAME ...) in it, or load another file"
            )
        return nets[-1].value, None
    if name in program.trainings:
        training = program.trainings.get(name)
        return training.net, training
    selected = program.nets.get(name)
    declared = (entry.value for entry in program.trainings.own())
    return selected, next((training for training in declared if training.net is selected), None)


# ---- Classes and rates -------------------------------------------------------------------------------------------


def _classes(training: Training, run: OpenedRun | None) -> tuple[str, ...]:
    """Return the names of the classes of the data; () if they are not known."""
    record = None if run is None else run.data_record
    if record is not None:
        return record.class_names
    for name in training.data.names:
        try:
            data_set = DATA_SETS.get(name)
        except SnError:  # of a plug-in that is not installed
            continue
        names = data_set.class_names or tuple(str(number) for number in range(data_set.classes or 0))
        return names if len(names) <= training.net.layers[-1].units else ()
    return ()


class _Schedule:
    """The rates of a training by pass number. It is a class so that the module can be copied and pickled."""

    def __init__(self, training: Training):
        self.training = training

    def __call__(self, number: int) -> Mapping[str, float | np.ndarray]:
        if not 1 <= number <= self.training.passes:
            raise fail(
                f"there is no pass {number} in a training of {passes_text(self.training.passes)}",
                hint=f"write a pass from 1 to {self.training.passes}",
            )
        stage, inside = stage_of_pass(self.training.stages, number)
        return rates_in_pass(stage, self.training.net, inside, self.training.fan_in)
