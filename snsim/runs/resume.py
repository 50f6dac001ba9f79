"""Resume a run that was stopped or killed, and prolong one to more passes."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

from snsim import run_folder
from snsim.data.progress import Progress as DownloadProgress
from snsim.errors import fail
from snsim.escaping import for_shell
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options, Say
from snsim.runs.run import Event, record_passes, started_event
from snsim.training.schedule import stage_of_pass, value_at
from snsim.training.spec import Stage, Training, Value


def resume(
    folder: Path,
    options: Options = Options(),
    say: Say = lambda sentence: None,
    download: DownloadProgress | None = None,
    passes: int | None = None,
) -> Generator[Event, None, None]:
    """Resume a run that was stopped or killed; it ends with the same bits as one that was not.

    All but `data_dir`, `moved`, `online` and `memory` comes from the run folder, the program from its own copy. With
    `passes`, the run goes on until it has this many in all, also where it was finished. `say` then receives sentences
    on the effect on schedules.

    SnError if the folder is damaged, or if the data or the texts have changed; RunBusyError if another snsim runs it.
    """
    with run_folder.lock_run(folder):
        began = time.perf_counter()
        record = run_folder.reopen_run(folder)
        options = replace(options, device=options.device or record.settings.get("device"))
        shorter = None
        if passes is not None and passes != record.settings["passes"]:
            shorter = OpenedRun(record, options, locked=True)
            record = _prolonged(shorter, passes)
        run = OpenedRun(record, options, say, download, locked=True)
        engine, snapshot, seed = run.new_engine(), run.snapshot, run.settings["seed"]
        if shorter is not None:
            for sentence in schedule_changes(shorter.training, run.training, snapshot.number):
                say(sentence)
            overrides = {**record.settings["overrides"], "passes": passes}
            run_folder.record_settings(record, passes=passes, overrides=overrides, finished=None)
        yield started_event(folder, run.training, run.found_examples, run.data, engine, seed, snapshot.number)
        yield from record_passes(run.record, run.training, run.data, engine, seed, snapshot, began, options.save_every)


def _prolonged(run: OpenedRun, passes: int) -> run_folder.Run:
    """Return the record of a run with another number of passes; nothing is written.

    SnError if the number is too small.
    """
    record, done, folder = run.record, run.record.snapshot.number, for_shell([run.folder])
    if passes < done:
        raise fail(
            f"the run {run.folder} has done {done:,} passes, and --passes {passes} is the number in all",
            hint=f"write more than {done}: snsim run --resume {folder} --passes {done + max(passes, 1)}",
        )
    best = record.best_pass()
    if best is not None and best.stops:
        raise fail(
            f"(stop-after {best.stop_after}) has ended the run {run.folder} with pass {best.last:,}: it cannot go on",
            hint="start a new run of the text without (stop-after ...)",
        )
    settings = {
        **record.settings,
        "passes": passes,
        "overrides": {**record.settings["overrides"], "passes": passes},
        "finished": None,
    }
    return run_folder.Run(record.folder, settings, record.passes, record.snapshot)


def schedule_changes(before: Training, after: Training, done: int) -> list[str]:
    """Return sentences on how another number of passes changes the schedules, after `done` passes."""
    sentences: dict[str, None] = {}
    if len(after.stages) > 1:
        stage, inside = stage_of_pass(after.stages, after.passes)
        sentences[f"the last stage, of {len(after.stages)}, now ends with its pass {inside} of {stage.passes}"] = None
    if not done:
        return list(sentences)
    (old, old_pass), (new, new_pass) = (stage_of_pass(training.stages, done) for training in (before, after))
    for (name, value), (_, longer) in zip(_values(old), _values(new)):
        was, is_now = value_at(value, old_pass, old.passes), value_at(longer, new_pass, new.passes)
        if value.kind == "linear" and (old.passes != new.passes):
            first, last = value.numbers
            then = f"; pass {done + 1} takes {value_at(longer, new_pass + 1, new.passes):g}"
            following = "" if new_pass == new.passes else then
            sentences[
                f"({name} (linear {first:g} {last:g})) depends on the number of passes, which is now {new.passes}. "
                f"Pass {done} had {was:g}, where the longer schedule has {is_now:g}{following}. "
                f"A run of {after.passes} passes from the start gives other numbers"
            ] = None
        elif longer.kind == "steps" and old.passes < new.passes:
            step = longer.numbers[-1]
            sentences[f"({name} (steps ...)): the last value, {step:g}, holds for the passes added"] = None
    return list(sentences)


def _values(stage: Stage) -> Iterator[tuple[str, Value]]:
    """Yield every value of a stage that may change over its passes, with the name of its clause."""
    for rate in stage.rates:
        yield rate.family, rate.value
    yield from stage.options.items()
    for name, value in (("input-noise", stage.input_noise), ("theta", stage.theta)):
        if value is not None:
            yield name, value
