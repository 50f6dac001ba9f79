"""Resume a run that was stopped or killed."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from snsim import run_folder
from snsim.data.progress import Progress as DownloadProgress
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options, Say, options_of, reading_options
from snsim.runs.run import Event, record_passes, started_event


def resume(
    folder: Path,
    options: Options = Options(),
    say: Say = lambda sentence: None,
    download: DownloadProgress | None = None,
) -> Generator[Event, None, None]:
    """Resume a run that was stopped or killed; it ends with the same bits as one that was not.

    All but `data_dir`, `moved`, `online` and `memory` comes from the run folder, the program from its own copy.
    SnError if the folder is damaged, or if the data or the texts have changed; RunBusyError if another snsim runs it.
    """
    with run_folder.lock_run(folder):
        began = time.perf_counter()
        record = run_folder.reopen_run(folder)
        options = replace(options, device=options.device or record.settings.get("device"))
        run = OpenedRun(record, options, say, download, locked=True)
        engine, snapshot, seed = run.new_engine(), run.snapshot, run.settings["seed"]
        again = options_of(run.settings), reading_options(options)
        yield started_event(
            folder, run.training, run.found_examples, run.data, engine, seed, snapshot.number, again=again
        )
        yield from record_passes(run.record, run.training, run.data, engine, seed, snapshot, began, options.save_every)
