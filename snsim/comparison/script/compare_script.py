"""Compare a training of a description with a training script, which runs unchanged in a process of its own."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from snsim.comparison.script.events import place_of, read_events, run_watched
from snsim.comparison.script.judge import Judge
from snsim.comparison.script.result import ScriptComparison
from snsim.errors import fail
from snsim.optional_packages import needing
from snsim.program import Program
from snsim.registry import suggest
from snsim.runs.examples import examples_of
from snsim.runs.options import Options, Say, overridden
from snsim.runs.run import choose_engine
from snsim.training.prepare import prepare_data
from snsim.training.spec import Training


def compare_script(
    program: Program,
    script: Path,
    arguments: Sequence[str] = (),
    *,
    presentations: int = 500,
    only: str | None = None,
    options: Options,
    say: Say = lambda sentence: None,
    show: Say = lambda sentence: None,
) -> ScriptComparison:
    """Run a training script unchanged, watch it, and compare what it does with a training of a program.

    Parameters
    ----------
    program : Program
    script : Path
        A Python file. It runs in its own folder, with `arguments`, in a process of its own.
    presentations : int
        How many presentations are watched, besides those round the end of each pass; 0 for all.
    only : str
        The training to compare, if the program declares several.
    say
        Receives sentences about what was chosen.
    show
        Receives each line that the script prints.

    Raises
    ------
    SnError
        For faults of the program or the data, and if the script fails or never trains anything with PyTorch.
    """
    training = overridden(_choose_training(program, only), options)
    if importlib.util.find_spec("torch") is None:
        with needing("torch", what="a comparison with a training script"):
            raise ModuleNotFoundError("torch", name="torch")
    data = prepare_data(training, examples_of(program, training, options, say), options.dtype)
    engine, instead = choose_engine(training, replace(options, device=None), data)
    if instead:
        say(instead)
    comparison = ScriptComparison(training.name, training.net.name, data.name, script.name)
    judge = Judge(training, data, engine.name, comparison)
    settings = {
        "presentations": presentations,
        "patterns": len(data.train),
        "inputs": training.net.input_units,
        "outputs": training.net.layers[-1].units,
        "units": [layer.units for layer in training.net.computed],
    }
    with tempfile.TemporaryDirectory(prefix="snsim-compare-") as folder:
        events = Path(folder) / "events"
        code, lines = run_watched(script, arguments, settings, events, show)
        failed = None
        for event in read_events(events) if events.exists() else ():
            if event.kind == "failed":
                failed = event
            judge.take(event)
    if failed is not None or code:
        place = None if failed is None else place_of(failed["place"])
        what = "ends with exit code " + str(code) if failed is None else f"{failed['type']}: {failed['message']}"
        text = f"the script {script.name} fails" + (f" ({place})" if place else "") + f": {' '.join(what.split())}"
        if not comparison.watched:
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            raise fail(
                text if failed is not None or not last else f"{text}: {last[:300]}",
                hint=f"make sure that python {script.name} runs in its folder; write its arguments after --",
            )
        comparison.notes.append(text)
    if not comparison.watched:
        raise fail(
            f"the script {script.name} ends without a backward pass of PyTorch, so there is nothing to compare",
            hint="name the script that trains; to compare a class, write FILE.py:Class",
        )
    return comparison


def _choose_training(program: Program, only: str | None) -> Training:
    declared = {training.name: training for training in program.own_trainings}
    file, names = program.sources[0].name, list(declared)
    if not declared:
        raise fail(
            f"{file} declares no training of its own, and a comparison needs its cost, rates and data",
            hint="(train NAME clause ...) declares one",
        )
    if only is not None and only not in declared:
        raise fail(f'{file} declares no training "{only}"', hint=suggest(only, names, "trainings"))
    if only is None and len(declared) > 1:
        raise fail(
            f"{file} declares {len(declared)} trainings, but a comparison runs one",
            hint=f"choose one with --only: {', '.join(names)}",
        )
    return declared[only] if only is not None else next(iter(declared.values()))
