"""Write and read run folders. A run folder holds the input and the output of a run, and is all that a resume reads.

    runs/NAME/
      source/               the texts of the program, main file and includes, in their folders
      run.json              settings, seed, engine, versions, digests, command line, when it began and ended
      passes.jsonl          one JSON object a line for each pass
      weights.safetensors   the weights of the checkpoint, by parameter name
      best.safetensors      with (keep best ...): the weights of the best pass up to the checkpoint, and its number
      checkpoint.safetensors  weights, update state, generator states, number of the pass

When these are written:
  - A pass is in passes.jsonl before it is printed. The line is flushed to the system at once.
  - The checkpoint is replaced in one step, at most once a second. It is also replaced at the end of a stage, at the end
    of the run, and when the run is interrupted (Ctrl-C, SIGTERM) or fails.
  - The lines up to a checkpoint are on the disk before the checkpoint is.
What a stopped run keeps:
  - A run that is interrupted resumes after the last pass that was printed.
  - A run that is killed (kill -9, power cut) resumes from its last checkpoint. It computes at most one second of
    printed passes again. Lines after the checkpoint are cut off and written again; only their seconds differ.
  - Either way it ends with the same bits as a run that never stopped.
A folder appears with all of its files or not at all. If a run is killed before, its draft (`.new-*`) is removed by the
next run in the same folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from snsim import atomic_files, json_reader, operating_system, run_schema
from snsim.atomic_files import LockedError, write_all, write_atomically, write_new, write_together
from snsim.errors import Fault, SnError, Source, fail, passes_text
from snsim.escaping import for_shell
from snsim.input_files import is_file, is_folder
from snsim.input_files import shown as shown_path
from snsim.json_reader import Fields, open_plain_file, parse_json, read_json, read_plain_file, shown, unreadable
from snsim.protected_files import BEST, CHECKPOINT, LOCK, PASSES, PROGRAM, WEIGHTS
from snsim.protected_files import SETTINGS as SETTINGS
from snsim.protected_files import SOURCES as SOURCES
from snsim.run_schema import FORMAT
from snsim.tensor_file import read_tensor_file, tensor_file
from snsim.training.best_pass import FIGURES, BestPass
from snsim.training.loop import PassResult, Snapshot
from snsim.training.scores import Score

_LONGEST_NAME = 150  # characters of the name of a run folder
_MOST_OF_A_LINE = 1 << 16  # bytes of a line of passes.jsonl; a line has about 400
_MOST_OF_A_TEXT = 1 << 26  # bytes of a file in source/


@dataclass(frozen=True)
class Run:
    """The content of a run folder: `settings` is run.json, `passes` the lines of passes.jsonl up to the checkpoint."""

    folder: Path
    settings: Mapping[str, Any]
    passes: tuple[Mapping[str, Any], ...]
    snapshot: Snapshot

    @property
    def is_finished(self) -> bool:
        """Whether the checkpoint is that of the last pass, or (stop-after N) ended the run with it."""
        best = self.best_pass()
        return self.snapshot.number >= int(self.settings["passes"]) or (best is not None and best.stops)

    def best_pass(self) -> BestPass | None:
        """Return the best pass up to the checkpoint; None without (keep best ...)."""
        keep = self.settings.get("keep")
        if keep is not None and keep["figure"] not in FIGURES:
            raise _damaged(
                self.folder / SETTINGS,
                f"it keeps the best {shown(keep['figure'])}, which is not a figure such as test-misses",
                _restart_hint(self.folder, self.settings),
            )
        return None if keep is None else BestPass(keep["figure"], keep["stop_after"], self.passes)

    def best_weights(self) -> tuple[int, dict[str, np.ndarray]]:
        """Return the number of the best pass and its weights. SnError if none is kept, or the file is damaged."""
        path, best = self.folder / BEST, self.best_pass()
        if best is None:
            raise fail(
                f"the run {shown_path(self.folder)} keeps no best pass: its training has no (keep best ...)",
                hint="leave out --best, or add (keep best test-misses) to the text and start a new run",
            )
        if not best.number:
            raise fail(
                f"no pass of {shown_path(self.folder)} has a {best.figure} yet",
                hint=f"train further passes: snsim run --resume {for_shell([self.folder])}",
            )
        hint = _restart_hint(self.folder, self.settings)
        arrays, metadata = read_tensor_file(path, hint)
        about = parse_json(metadata.get("snsim", "null"), f"the metadata of {path}", hint)
        json_reader.check(about, run_schema.BEST, f"the metadata of {path}", hint)
        if about["pass"] > self.snapshot.number:  # killed between the two files
            raise fail(
                f"{path} holds weights of pass {about['pass']:,}, but the checkpoint is of pass "
                f"{self.snapshot.number:,}",
                hint=f"resume the run, which rewrites both: snsim run --resume {for_shell([self.folder])}",
            )
        if about["pass"] != best.number or about["figure"] != best.figure:
            raise _damaged(path, f"it is of pass {about['pass']:,}, but the best pass is {best.number:,}", hint)
        for name, array in arrays.items():
            kept = self.snapshot.parameters.get(name)
            if kept is None or kept.shape != array.shape or kept.dtype != array.dtype or np.isnan(array).any():
                raise _damaged(path, f"its weights are not those of this training: {shown(name)}", hint)
        if len(arrays) != len(self.snapshot.parameters):
            raise _damaged(path, f"it has {len(arrays)} of {len(self.snapshot.parameters)} arrays", hint)
        return best.number, arrays

    @property
    def main_source(self) -> Path:
        """The copy of the main file of the program in the run folder."""
        main: str = self.settings["source"]["main"]
        return self.folder / SOURCES / main

    def changed_sources(self) -> list[str]:
        """Return the names of the texts in the run folder that have changed since the run was started."""
        folder, digests = self.folder / SOURCES, self.settings["source"].get("digests", {})
        return [
            name
            for name in self.settings["source"]["files"]
            if name in digests and _digest_of(folder / name) != digests[name]
        ]

    def check_sources(self) -> None:
        """Check the texts in the run folder. SnError if one is missing, changed, or leads out of the folder."""
        names = dict.fromkeys([self.settings["source"]["main"], *self.settings["source"]["files"]])
        for name in names:
            self.source_text(name)
        if changed := self.changed_sources():
            raise fail(
                f"the run {self.folder} cannot be used: its copy of the program has changed ({', '.join(changed)} in "
                f"{SOURCES}/)",
                hint="undo the change, or start a new run with the changed text",
            )

    def source_text(self, name: str) -> str:
        """Return a text from the run folder. SnError if it cannot be read, or if links lead out of the run folder."""
        path = self.folder / SOURCES / name
        hint = f"restore the text, or start a new run from the original in {self.settings['source']['root']}"
        try:
            inside = path.resolve().is_relative_to((self.folder / SOURCES).resolve())
        except (OSError, RuntimeError):  # links in a circle
            inside = False
        if not inside:
            raise fail(f"{path} leads out of the run folder, or links to itself", hint=hint)
        return read_plain_file(path, _MOST_OF_A_TEXT, hint).decode("utf-8", "surrogateescape")

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights of the checkpoint, by parameter name."""
        return dict(self.snapshot.parameters)


class RunBusyError(SnError):
    """Raised when another process uses the run folder, or has created it in the meantime."""


class NotSavedError(SnError):
    """Raised when a pass or a checkpoint cannot be written."""


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Lock a run folder during the block. RunBusyError if another process has the lock."""
    try:
        descriptor = _open_to_lock(folder)
    except (OSError, ValueError):  # the reader of the folder says what is wrong
        yield
        return
    try:
        try:
            atomic_files.lock(descriptor)
        except LockedError:
            raise RunBusyError(
                Fault(
                    f"the run {folder} is being run already, by another snsim",
                    hint="wait for it, or stop it with Ctrl-C where it runs",
                )
            ) from None
        yield
    finally:
        os.close(descriptor)


def _open_to_lock(folder: Path) -> int:
    """Open the folder to lock it, or the file LOCK in it on systems that cannot open folders."""
    descriptor = operating_system.open_folder(folder)
    if descriptor is None:
        os.stat(folder / SETTINGS)  # nothing is created in a folder of another kind
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    return descriptor


# ---- Writing -----------------------------------------------------------------------------------------------------


@contextmanager
def new_run(
    parent: Path,
    name: str,
    sources: Sequence[Source],
    settings: Mapping[str, Any],
    start: Snapshot,
    only_name: bool = False,
    files: Sequence[Path] = (),
) -> Iterator[Run]:
    """Create a run folder `parent`/NAME, or NAME-2, NAME-3 ... if NAME exists, and lock it during the block.

    It gets the weights before pass 1. `settings` must have "passes"; the names of the source files are added to them.
    `files` are other files that the texts read below their folder, such as matrices; they are copied beside the texts.
    With `only_name` no other name than NAME is used: RunBusyError if it exists. SnError if it cannot be written.
    """
    with ExitStack() as stack:
        with _folder_faults(parent):
            draft = _new_draft(stack, parent)
            settings = {"format": FORMAT, **settings, "source": _write_sources(draft / SOURCES, sources, files)}
            write_new(draft / SETTINGS, _json_bytes(settings))
            write_new(draft / PASSES, b"")
            for file, pieces in _tensor_files(start):
                write_new(draft / file, pieces)
            folder = _move_into_place(draft, parent, folder_name(name), only_name)
        if not operating_system.CAN_OPEN_FOLDERS:  # else the draft is locked, and so is what it has become
            stack.enter_context(lock_run(folder))
        number = start.number
        del start  # it is on the disk now, and its arrays are as large as the net
        yield Run(folder, settings, (), Snapshot(number, {}, {}, {}))


def create_program_folder(parent: Path, source: Source, settings: Mapping[str, Any]) -> Path:
    """Create a folder `parent`/NAME, or NAME-2 ..., for the files that a program called NAME.sn writes itself.

    It holds the text of the program in source/ and the settings in program.json. SnError if it cannot be created.
    """
    base = folder_name(PurePath(_file_name(source)).stem)
    with ExitStack() as stack, _folder_faults(parent):
        draft = _new_draft(stack, parent)
        sources = _write_sources(draft / SOURCES, [source])
        write_new(draft / PROGRAM, _json_bytes({"format": FORMAT, **settings, "source": sources}))
        return _move_into_place(draft, parent, base, False)


class Recorder:
    """Writes the passes and checkpoints of a run, at the times that the docstring of this module states.

    `number` is the last pass in the log, `saved` that of the checkpoint. `seconds` is the least time between two
    checkpoints by `clock`, which must never go back.
    """

    def __init__(self, run: Run, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic):
        self._folder, self._seconds, self._clock = run.folder, seconds, clock
        self.number = self.saved = run.snapshot.number
        self.best = run.best_pass()
        self._best_weights: Mapping[str, np.ndarray] | None = None  # not written yet
        with self._faults(self.number):
            self._log = os.open(run.folder / PASSES, os.O_WRONLY | os.O_APPEND)
        self._last = clock()

    def add(self, done: PassResult, save: bool = False) -> None:
        """Add a pass to the log. Save a checkpoint if one is due, or if `save` asks for it."""
        try:  # `_faults` would take as long as the line
            write_all(self._log, pass_text(done).encode() + b"\n")
        except OSError as error:
            raise self._not_saved(done.number, error) from None
        self.number = done.number
        if self.best is not None and self.best.add(pass_line(done)):
            self._best_weights = done.lazy_snapshot.take().parameters
        if save or self.stops or self._clock() - self._last >= self._seconds:
            self.save(done.lazy_snapshot.take())

    def save(self, snapshot: Snapshot) -> None:
        """Replace the checkpoint: a resumed run continues after this pass."""
        files = dict(_tensor_files(snapshot))
        if self.best is not None and self._best_weights is not None:
            about = {"pass": self.best.number, "figure": self.best.figure, "value": self.best.value}
            files = {BEST: tensor_file(self._best_weights, {"snsim": json.dumps(about)}), **files}
        with self._faults(snapshot.number):
            write_together(self._folder, files, [self._log])
        self._best_weights = None
        self.saved, self._last = snapshot.number, self._clock()

    @property
    def stops(self) -> bool:
        """Whether (stop-after N) ends the run after the last pass in the log."""
        return self.best is not None and self.best.stops

    def checkpoint(self) -> Snapshot:
        """Read the checkpoint from the folder."""
        snapshot = _read_checkpoint(self._folder / CHECKPOINT, "run the training again")
        self.saved = snapshot.number
        return snapshot

    def close(self) -> None:
        """Close the log."""
        os.close(self._log)

    @contextmanager
    def _faults(self, number: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._not_saved(number, error) from None

    def _not_saved(self, number: int, error: OSError) -> NotSavedError:
        return NotSavedError(
            Fault(
                f"pass {number} cannot be written to {self._folder}: {error.strerror or error}",
                hint=f"make room or repair the disk, then resume: snsim run --resume {for_shell([self._folder])}",
            )
        )


def record_settings(run: Run, **changed: object) -> Run:
    """Replace some settings of a run in run.json, and return the changed run. SnError if it cannot be written."""
    settings = {**run.settings, **changed}
    try:
        write_atomically(run.folder / SETTINGS, _json_bytes(settings))
    except OSError as error:
        raise fail(
            f"{run.folder / SETTINGS} cannot be written: {error.strerror or error}",
            hint=f"make room, or change the permissions of {run.folder}, then give the command again",
        ) from None
    return Run(run.folder, settings, run.passes, run.snapshot)


def record_data(run: Run, data: Mapping[str, Any]) -> Run:
    """Replace the record of the data in run.json, and return the changed run.

    The other settings are read from the file again. The caller holds the lock of the folder. SnError if run.json cannot
    be read or written.
    """
    return record_settings(replace(run, settings=_read_settings(run.folder)), data=dict(data))


def pass_text(done: PassResult) -> str:
    """Return `pass_line` as JSON. It is written by hand: with `json` it takes longer than a pass over few patterns."""
    if done.remaining is not None:
        return json.dumps(pass_line(done))
    test = "null" if done.test is None else _figures_text(done.test)
    return (
        f'{{"pass": {done.number}, "train": {_figures_text(done.train)}, "test": {test}, '
        f'"presentations": {done.presentations}, "seconds": {round(done.seconds, 3)!r}, '
        f'"cpu_seconds": {round(done.cpu_seconds, 3)!r}}}'
    )


def _figures_text(score: Score) -> str:
    loss, half_mse, mse = score.loss, score.half_mse, score.mse
    if score.output_misses is not None or not math.isfinite(loss + half_mse + mse):
        return json.dumps(_figures(score))
    rejected = "" if score.rejection is None else f', "rejection": {score.rejection!r}'
    return (
        f'{{"loss": {loss!r}, "half_mse": {half_mse!r}, "mse": {mse!r}, "error": {score.error!r}, '
        f'"misses": {score.misses}, "patterns": {score.patterns}{rejected}}}'
    )


def pass_line(done: PassResult) -> dict[str, Any]:
    """Return a pass as it stands in passes.jsonl."""
    left = (
        {} if done.remaining is None else {"left": asdict(done.remaining)}
    )  # how many connections and weights pruning has left
    return {
        "pass": done.number,
        "train": _figures(done.train),
        "test": done.test and _figures(done.test),
        "presentations": done.presentations,
        "seconds": round(done.seconds, 3),
        "cpu_seconds": round(done.cpu_seconds, 3),
        **left,
    }


def _figures(score: Score) -> dict[str, Any]:
    rejected = {} if score.rejection is None else {"rejection": score.rejection}
    figures = {
        name: value if math.isfinite(value) else None  # JSON has no infinity and no NaN
        for name, value in (("loss", score.loss), ("half_mse", score.half_mse), ("mse", score.mse))
    }
    of_outputs = {} if score.output_misses is None else {"output_misses": list(score.output_misses)}
    return {
        **figures,
        "error": score.error,
        "misses": score.misses,
        "patterns": score.patterns,
        **rejected,
        **of_outputs,
    }


def folder_name(name: str) -> str:
    """Return a valid name for a file or folder: other characters than letters, digits and . _ - become hyphens.

    A long name is cut, and a digest of the whole name is added. The function does not change its own results.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", name).strip(".") or "run"
    if len(plain) <= _LONGEST_NAME:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain[: _LONGEST_NAME - 1 - len(digest)]}-{digest}"


@contextmanager
def _folder_faults(parent: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise fail(
            f"no run folder can be created in {parent}: {error.strerror or error}",
            hint="give another folder with --out",
        ) from None


def _new_draft(stack: ExitStack, parent: Path) -> Path:
    """Create a locked draft of a run folder. The stack removes it if it is not moved."""
    atomic_files.make_folders(parent)
    return stack.enter_context(atomic_files.draft_folder(parent))


def _move_into_place(draft: Path, parent: Path, base: str, only: bool) -> Path:
    """Flush the finished folder and give it the first name that is free.

    RunBusyError if `only` the first name may be used and it is taken.
    """
    atomic_files.flush_tree(draft)
    number = 1
    while True:
        folder = parent / (base if number == 1 else f"{base}-{number}")
        if not os.path.lexists(folder):
            try:
                os.rename(draft, folder)
                break
            except OSError:
                if not os.path.lexists(folder):  # otherwise another run took the name in the meantime
                    raise
        if only:
            raise RunBusyError(
                Fault(
                    f"the run {folder} exists already",
                    hint=f"train further passes: snsim run --resume {for_shell([folder])}",
                )
            )
        number += 1
    atomic_files.flush_folder(parent)
    return folder


def _write_sources(folder: Path, sources: Sequence[Source], files: Sequence[Path] = ()) -> dict[str, Any]:
    """Copy the texts and files to a folder, with the same relative paths, and return their record for run.json."""
    paths = [Path(os.path.abspath(_file_name(source))) for source in sources]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    contents = {path: source.text.encode("utf-8", "surrogateescape") for path, source in zip(paths, sources)}
    for file in files:
        below = next((top for top in (root, root.resolve()) if file.is_relative_to(top)), None)
        if below is None:
            continue
        hint = "make the file smaller, or name it as the data of the training"
        contents.setdefault(root / file.relative_to(below), read_plain_file(file, _MOST_OF_A_TEXT, hint))
    for path, content in contents.items():
        place = folder / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_new(place, content)
    names = [path.relative_to(root).as_posix() for path in contents]
    digests = {name: _digest_of(folder / name) for name in names}
    return {"main": names[0], "files": names, "digests": digests, "root": str(root)}


def _digest_of(path: Path) -> str | None:
    try:
        with open_plain_file(path) as file:
            return hashlib.sha256(file.read(_MOST_OF_A_TEXT)).hexdigest()
    except OSError:
        return None


def _file_name(source: Source) -> str:
    """Return the path of a source, or a name for one that is not a file (`<prompt>`)."""
    return f"{source.name[1:-1] or 'program'}.sn" if source.path is None else source.name


def _tensor_files(snapshot: Snapshot) -> Iterator[tuple[str, Iterator[memoryview]]]:
    """Yield name and content of the two files of a snapshot, in the order in which they are replaced.

    A kill between the two leaves weights that are newer than the checkpoint. `reopen_run` corrects them.
    """
    yield WEIGHTS, tensor_file(snapshot.parameters)
    state = {f"state {name}": value for name, value in snapshot.state.items()}
    # All metadata in one key: so equal runs have equal bytes, in whatever order other writers sort keys.
    about = json.dumps({"pass": snapshot.number, "generators": snapshot.generators})
    yield CHECKPOINT, tensor_file({**snapshot.parameters, **state}, {"snsim": about})


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # file names may have bytes that are not UTF-8


# ---- Reading -----------------------------------------------------------------------------------------------------


def open_run(path: str | PurePath) -> Run:
    """Read a run folder. SnError, with file and field, if it is damaged or not a run folder."""
    folder = Path(path)
    settings = _read_settings(folder)
    snapshot = _read_checkpoint(folder / CHECKPOINT, _restart_hint(folder, settings))
    if snapshot.number > settings["passes"]:
        raise _damaged(
            folder / CHECKPOINT,
            f"it was written after pass {snapshot.number:,}, but {SETTINGS} says {passes_text(settings['passes'])}",
            _restart_hint(folder, settings),
        )
    return Run(
        folder,
        settings,
        tuple(_read_passes(folder / PASSES, snapshot.number, _restart_hint(folder, settings))[0]),
        snapshot,
    )


def _read_settings(folder: Path) -> dict[str, Any]:
    """Read run.json. SnError if the folder is not a run folder, or if a field does not match `run_schema`."""
    place = folder / SETTINGS
    if not is_folder(folder):
        raise fail(
            f"{shown_path(folder)} is a file, not a run folder"
            if is_file(folder)
            else f"there is no run folder {shown_path(folder)}",
            hint=_nearest_runs(Path("runs"), folder.name),
        )
    if os.path.lexists(folder / PROGRAM):
        raise fail(
            f"{shown_path(folder)} is the folder of an SN-2.8 program, which cannot be resumed",
            hint=f"run the program again: snsim run {for_shell([_kept_text(folder)])}",
        )
    if not os.path.lexists(place):
        raise fail(f"{shown_path(folder)} is not a run folder: it has no {SETTINGS}", hint=_nearest_runs(folder, ""))
    hint = _restart_hint(folder, {})
    settings: dict[str, Any] = read_json(place, hint)
    json_reader.check(settings, Fields({}), str(place), hint)
    number = settings.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise fail(
            f"{place} has format {shown(number)} of a later snsim; this version reads format {FORMAT}",
            hint="use the version of snsim that wrote it, or a later one",
        )
    if number != FORMAT:
        raise _damaged(place, f"its format is {shown(number)}, and this snsim reads {FORMAT}", hint)
    json_reader.check(settings, run_schema.SETTINGS, str(place), hint)
    return settings


def _restart_hint(folder: Path, settings: Mapping[str, Any]) -> str:
    """Return the hint for a damaged run folder, with the command that starts a new run of its text."""
    main = folder / SOURCES / settings["source"]["main"] if settings else _kept_text(folder)
    return (
        "restore the file from a backup of the run folder, or start a new run of its program: "
        f"snsim run {for_shell([main])}"
    )


def _kept_text(folder: Path) -> Path:
    """Return the first text in source/, for hints where run.json does not name the main one."""
    return min((folder / SOURCES).glob("*.sn"), default=folder / SOURCES / "NAME.sn")


def _nearest_runs(parent: Path, name: str) -> str:
    """Return the hint for a path that is not a run folder: the runs in `parent`, the one called `name` first."""
    runs = sorted((place.parent for place in parent.glob(f"*/{SETTINGS}")), key=lambda run: (run.name != name, run))
    return (
        f"run folders: {', '.join(map(str, runs[:8]))}{' ...' if runs[8:] else ''}"
        if runs
        else "a run folder is runs/NAME"
    )


def reopen_run(path: str | PurePath) -> Run:
    """Read a run folder to resume the run, and restore its state at the checkpoint.

    Lines of later passes are cut off, the weights become those of the checkpoint, and drafts of a killed run are
    removed. SnError if the folder is damaged or cannot be written.
    """
    run = open_run(path)
    atomic_files.remove_stale_drafts(run.folder)
    kept = _read_passes(run.folder / PASSES, run.snapshot.number, _restart_hint(run.folder, run.settings))[1]
    try:
        for file, content in ((PASSES, [memoryview(kept)]), (WEIGHTS, list(tensor_file(run.snapshot.parameters)))):
            if not _has_content(run.folder / file, content):
                write_atomically(run.folder / file, content)
    except OSError as error:
        raise fail(
            f"{run.folder} cannot be written: {error.strerror or error}",
            hint=f"change its owner, or resume a copy: cp -r {for_shell([run.folder])} COPY",
        ) from None
    return run


def _has_content(path: Path, content: Sequence[memoryview]) -> bool:
    """Return whether a file has exactly this content."""
    try:
        with open_plain_file(path) as file:
            return all(file.read(len(piece)) == piece for piece in content) and not file.read(1)
    except FileNotFoundError:
        return False


def _read_passes(path: Path, last: int, hint: str) -> tuple[list[Mapping[str, Any]], bytes]:
    """Read the lines of passes 1 to `last`. Return them and their bytes. A null figure becomes NaN."""
    passes: list[Mapping[str, Any]] = []
    content = []
    try:
        with open_plain_file(path) as file:
            for number in range(1, last + 1):
                line = file.readline(_MOST_OF_A_LINE)
                if not line.endswith(b"\n"):
                    raise _damaged(
                        path,
                        f"it has no complete line for pass {number:,}, but the checkpoint is that of pass {last:,}",
                        hint,
                    )
                content.append(line)
    except OSError as error:
        raise unreadable(path, error, hint) from None
    for number, line in enumerate(content, 1):
        name = f"{path}, line {number:,},"
        done = parse_json(line, name, hint)
        json_reader.check(done, run_schema.PASS, name, hint)
        first = passes[0] if passes else done
        if done["pass"] != number:
            raise _damaged(path, f"line {number:,} holds pass {done['pass']:,}", hint)
        if (done["test"] is None) != (first["test"] is None):
            raise _damaged(path, f"only one of line {number:,} and line 1 has figures on test patterns", hint)
        for split in ("train", "test"):
            if done[split] is not None:
                if done[split]["misses"] > done[split]["patterns"]:
                    raise _damaged(
                        path,
                        f"line {number:,} has {done[split]['misses']:,} misses among "
                        f"{done[split]['patterns']:,} patterns",
                        hint,
                    )
                done[split] |= {name: math.nan for name, value in done[split].items() if value is None}
        passes.append(done)
    return passes, b"".join(content)


def _read_checkpoint(path: Path, hint: str) -> Snapshot:
    """Read the snapshot in a checkpoint. SnError if it is damaged. `check_snapshot` compares it with the net."""
    arrays, metadata = read_tensor_file(path, hint)
    if "snsim" not in metadata:
        raise _damaged(path, "it has no metadata of snsim, so it is not the checkpoint of a run", hint)
    about = parse_json(metadata["snsim"], f"the metadata of {path}", hint)
    json_reader.check(about, run_schema.CHECKPOINT, f"the metadata of {path}", hint)
    number, generators = about["pass"], about["generators"]
    if set(generators) != (set(run_schema.STREAMS) if number else set()):
        raise _damaged(
            path,
            f"the generators of random numbers after pass {number:,} are "
            f"{', '.join(map(shown, generators)) or 'missing'}",
            hint,
        )
    state = {key.removeprefix("state "): array for key, array in arrays.items() if key.startswith("state ")}
    return Snapshot(number, {key: a for key, a in arrays.items() if not key.startswith("state ")}, state, generators)


def check_snapshot(
    run: Run, parameters: Mapping[str, tuple[int, ...]], state: Mapping[str, tuple[int, ...]] | None = None
) -> None:
    """Check the checkpoint of a run against the names and shapes of the weights and of the update state.

    SnError if a name is missing or unknown, if a shape or type differs, or if an array has a NaN. Without `state` the
    update state is not checked. Every update state has the count of updates, "n".
    """
    path, hint = run.folder / CHECKPOINT, _restart_hint(run.folder, run.settings)
    kinds = [("weights", parameters, run.snapshot.parameters)]
    if state is not None:
        kinds.append(("update state", {**state, "n": ()}, run.snapshot.state))
    for what, expected, found in kinds:
        for name in [*expected, *(name for name in found if name not in expected)]:
            if name not in found or name not in expected:
                kind = "is missing" if name not in found else "is unknown"
                raise _damaged(path, f"its {what} are not those of this training: {shown(name)} {kind}", hint)
            array = found[name]
            dtype = "int64" if what == "update state" and name == "n" else run.settings["dtype"]
            if array.shape != expected[name] or array.dtype != dtype:
                raise _damaged(
                    path,
                    f"its {what} are not those of this training: {shown(name)} is {array.dtype} "
                    f"{array.shape}, not {dtype} {expected[name]}",
                    hint,
                )
            if np.isnan(array).any():
                raise _damaged(path, f"its {what} {shown(name)} have values that are not numbers (NaN)", hint)
    if state is not None and run.snapshot.state["n"] < 0:
        raise _damaged(path, f"it counts {run.snapshot.state['n']:,} updates", hint)


def _damaged(path: Path, why: str, hint: str) -> SnError:
    return fail(f"{path} is damaged: {why}", hint=hint)
