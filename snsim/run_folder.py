"""The run folder: all that a run was made from and all that came out. Reports and resuming read it, nothing else.

    runs/NAME/
      source/               the texts of the program, main file and includes, in their folders
      run.json              settings, seed, engine, versions, digests, command line, when it began and ended
      passes.jsonl          one JSON object a line for each pass
      weights.safetensors   the weights after the last pass, by parameter name
      checkpoint.safetensors  weights, update state, generator states, number of the pass

The checkpoint is replaced as a whole after each pass, and a pass counts from that moment on: lines of later passes
are cut off when the run is resumed. A folder appears with all of these or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from snsim.errors import Fault, SnError, Source, fail
from snsim.training.loop import Pass, Snapshot
from snsim.training.scores import Score

SETTINGS, PASSES, WEIGHTS, CHECKPOINT, SOURCES = (
    "run.json", "passes.jsonl", "weights.safetensors", "checkpoint.safetensors", "source")
PROGRAM = "program.json"  # instead of SETTINGS, where a program trains by itself
_REOPENED: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {  # what of run.json a resumed run reads
    "": {"name": str, "seed": int, "net_digest": str, "engine": str, "dtype": str, "data": dict, "overrides": dict,
         "presets": dict, "versions": dict},
    "data": {"name": str, "digest": str, "origin": str, "wanted": list, "rank": int},
    "overrides": {"data": list, "passes": (int, type(None))},
    "source": {"root": str},
}
_LONGEST_NAME = 150  # characters of a folder or file that is named after something declared
_NOT_RESUMED = "this run cannot be resumed; run its source/ anew"
_FORMAT = 1  # of the folder; a later snsim that writes another one says so


@dataclass(frozen=True)
class Run:
    """A run folder as it was read. `settings` is run.json, `passes` the lines of passes.jsonl up to the checkpoint."""

    folder: Path
    settings: Mapping[str, Any]
    passes: tuple[Mapping[str, Any], ...]
    snapshot: Snapshot

    @property
    def is_finished(self) -> bool:
        return self.snapshot.number >= int(self.settings["passes"])

    @property
    def main_source(self) -> Path:
        """The run's own copy of the program's main file."""
        return self.folder / SOURCES / self.settings["source"]["main"]

    def changed_sources(self) -> list[str]:
        """The names of the run's copies of texts that are not what they were when it was begun."""
        folder, digests = self.folder / SOURCES, self.settings["source"].get("digests", {})
        return [name for name, digest in digests.items() if _is_below(name) and _digest_of(folder / name) != digest]

    def weights(self) -> dict[str, np.ndarray]:
        """The weights after the last pass that counts, by parameter name."""
        return dict(self.snapshot.parameters)


class Busy(SnError):
    """Somebody else has the run folder, or made it in the meantime."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a run folder to this writer for as long as it writes there; Busy if another one has it."""
    if not folder.is_dir() or os.name != "posix":  # whoever reads it will say so; elsewhere folders have no locks
        yield
        return
    import fcntl

    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(Fault(f"the run {folder} is being run already, by another snsim",
                             hint="wait for it, or stop it first")) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(place)


# ---- Writing -----------------------------------------------------------------------------------------------------


def create_run(parent: Path, name: str, sources: Sequence[Source], settings: Mapping[str, Any], start: Snapshot,
               only_name: bool = False) -> Run:
    """A new folder `parent`/NAME, or NAME-2, NAME-3 ... if there is one already, with the weights before pass 1.

    `settings` must have "passes"; the names of the sources' copies are added. SnError if it cannot be written.
    With `only_name` it is called NAME or not made: Busy if there is one already.
    """
    base = folder_name(name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            draft.chmod(0o755)
            settings = {"format": _FORMAT, **settings, "source": _write_sources(draft / SOURCES, sources)}
            _write_json(draft / SETTINGS, settings)
            _replace(draft / PASSES, b"")
            _write_tensors(draft, start)
            folder = _take_name(draft, parent, base, only_name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise fail(f"no run folder can be made in {parent}: {error.strerror or error}",
                   hint="give another folder with --out") from None
    return Run(folder, settings, (), start)


def create_program_folder(parent: Path, source: Source, settings: Mapping[str, Any]) -> Path:
    """A new folder `parent`/NAME, or NAME-2 ..., for what a program called NAME.sn writes by itself.

    It holds the text of the program in source/ and the settings in program.json. SnError if it cannot be made.
    """
    base = folder_name(PurePath(_file_name(source)).stem)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            draft.chmod(0o755)
            _write_json(draft / PROGRAM, {"format": _FORMAT, **settings,
                                          "source": _write_sources(draft / SOURCES, [source])})
            return _take_name(draft, parent, base, False)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise fail(f"no run folder can be made in {parent}: {error.strerror or error}",
                   hint="give another folder with --out") from None


def record_pass(run: Run, done: Pass) -> None:
    """Add a pass: its line, the weights, and last the checkpoint, from which moment on the pass counts."""
    try:
        with (run.folder / PASSES).open("ab") as lines:
            lines.write(json.dumps(pass_line(done)).encode() + b"\n")
            lines.flush()
            os.fsync(lines.fileno())
        _write_tensors(run.folder, done.snapshot)
    except OSError as error:
        raise fail(f"pass {done.number} cannot be written to {run.folder}: {error.strerror or error}",
                   hint="the run can be resumed from the pass before") from None


def record_settings(run: Run, **changed: object) -> Run:
    """The run with some of its settings replaced, in run.json too."""
    settings = {**run.settings, **changed}
    try:
        _write_json(run.folder / SETTINGS, settings)
    except OSError as error:
        raise fail(f"{run.folder / SETTINGS} cannot be written: {error.strerror or error}") from None
    return Run(run.folder, settings, run.passes, run.snapshot)


def pass_line(done: Pass) -> dict[str, Any]:
    """A pass as passes.jsonl has it."""
    left = {} if done.left is None else {"left": asdict(done.left)}  # of connections and weights, after pruning
    return {"pass": done.number, "train": _figures(done.train), "test": done.test and _figures(done.test),
            "presentations": done.presentations, "seconds": round(done.seconds, 3),
            "cpu_seconds": round(done.cpu_seconds, 3), **left}


def _figures(score: Score) -> dict[str, Any]:
    rejected = {} if score.rejection is None else {"rejection": score.rejection}
    return {"loss": score.loss, "half_mse": score.half_mse, "mse": score.mse, "error": score.error,
            "misses": score.misses, "patterns": score.patterns, **rejected}


def folder_name(name: str) -> str:
    """Return the name as a file or folder may be called: what is not a letter, a digit or one of . _ - becomes a
    hyphen. A long name is cut, and a digest of it takes the place of the rest."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", name).strip(".") or "run"
    if len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[:_LONGEST_NAME]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _take_name(draft: Path, parent: Path, base: str, only: bool) -> Path:
    """Give the finished folder the first name that is free; Busy if only the first one will do, and is not."""
    number = 1
    while True:
        folder = parent / (base if number == 1 else f"{base}-{number}")
        if not os.path.lexists(folder):
            try:
                os.rename(draft, folder)
                return folder
            except OSError:
                if not os.path.lexists(folder):  # else another run took the name in the meantime
                    raise
        if only:
            raise Busy(Fault(f"there is a run {folder} already"))
        number += 1


def _write_sources(folder: Path, sources: Sequence[Source]) -> dict[str, Any]:
    """Copy the texts, each in its place below the folder that holds them all."""
    paths = [Path(os.path.abspath(_file_name(source))) for source in sources]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    for path, source in zip(paths, sources):
        place = folder / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source.text.encode("utf-8", "surrogateescape"))
    names = [path.relative_to(root).as_posix() for path in paths]
    digests = {name: _digest_of(folder / name) for name in names}
    return {"main": names[0], "files": names, "digests": digests, "root": str(root)}


def _digest_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _file_name(source: Source) -> str:
    """The path of a source; one that is no file (`<prompt>`) gets a name."""
    return f"{source.name[1:-1] or 'program'}.sn" if source.name.startswith("<") else source.name


def _write_tensors(folder: Path, snapshot: Snapshot) -> None:
    from safetensors.numpy import save

    weights = {name: np.asarray(value, order="C") for name, value in snapshot.parameters.items()}
    _replace(folder / WEIGHTS, save(weights))
    state = {f"state {name}": np.asarray(value, order="C") for name, value in snapshot.state.items()}
    # One key, as safetensors writes several in no fixed order: equal runs have equal bytes.
    about = json.dumps({"pass": snapshot.number, "generators": snapshot.generators})
    _replace(folder / CHECKPOINT, save({**weights, **state}, metadata={"snsim": about}))


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    _replace(path, text.encode(errors="backslashreplace"))  # of names that are no UTF-8: what JSON writes for them


def _replace(path: Path, content: bytes) -> None:
    """Put the content in place of the file at once: whoever reads finds the old file or the new one."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    if os.name != "posix":  # elsewhere a folder is not opened
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# ---- Reading -----------------------------------------------------------------------------------------------------


def open_run(path: str | PurePath) -> Run:
    """Read a run folder. SnError with the file and what is wrong in it, if it is none or damaged."""
    folder = Path(path)
    if not folder.is_dir():
        raise fail(f"{folder} is a file, no run folder" if folder.is_file() else f"there is no run folder {folder}",
                   hint=_nearest_runs(Path("runs"), folder.name))
    if not (folder / SETTINGS).exists():
        raise fail(f"{folder} is no run folder: it has no {SETTINGS}", hint=_nearest_runs(folder, ""))
    settings = _read_json(folder / SETTINGS)
    if settings.get("format") != _FORMAT:
        raise _damaged(folder / SETTINGS, f"its format is {settings.get('format')}, this snsim reads {_FORMAT}")
    source = settings.get("source")
    if not isinstance(settings.get("passes"), int) or not isinstance(source, dict) or not _is_below(source.get("main")):
        raise _damaged(folder / SETTINGS, "it does not tell the passes and the main source of the run")
    snapshot = _read_checkpoint(folder / CHECKPOINT)
    return Run(folder, settings, tuple(_read_passes(folder / PASSES, snapshot.number)[0]), snapshot)


def _nearest_runs(parent: Path, name: str) -> str:
    """A remedy for a path that is no run folder: those in `parent`, the one called `name` first."""
    runs = sorted((place.parent for place in parent.glob(f"*/{SETTINGS}")), key=lambda run: (run.name != name, run))
    return f"run folders: {', '.join(map(str, runs[:8]))}{' ...' if runs[8:] else ''}" if runs else \
        "a run folder is runs/NAME"


def reopen_run(path: str | PurePath) -> Run:
    """Read a run folder in order to go on with it: lines of passes after the checkpoint are cut off."""
    run = open_run(path)
    check_settings(run)
    lines = run.folder / PASSES
    kept = _read_passes(lines, run.snapshot.number)[1]
    if len(lines.read_bytes()) != len(kept):
        _replace(lines, kept)
    return run


def check_settings(run: Run) -> None:
    """SnError with all that is missing in the settings, or of another kind, for a run to go on."""
    wrong = [f"{part}.{key}".lstrip(".") for part, kinds in _REOPENED.items() for key, kind in kinds.items()
             if isinstance(within := run.settings.get(part) if part else run.settings, dict)
             and not isinstance(within.get(key), kind)]
    if wrong:
        raise _damaged(run.folder / SETTINGS, f"{', '.join(wrong)} missing or of another kind")


def _read_passes(path: Path, last: int) -> tuple[list[Mapping[str, Any]], bytes]:
    """The lines of passes 1 to `last`, and their bytes."""
    try:
        content = path.read_bytes().splitlines(keepends=True)[:last]
        passes = [json.loads(line) for line in content]
        numbers = [line["pass"] for line in passes]
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, KeyError, TypeError):
        raise _damaged(path, "a line of it is not a pass") from None
    if numbers != list(range(1, last + 1)):
        raise _damaged(path, f"its lines are not those of passes 1 to {last}, after which the checkpoint was written")
    return passes, b"".join(content)


def _read_checkpoint(path: Path) -> Snapshot:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {})["snsim"])
            arrays = {key: file.get_tensor(key) for key in file.keys()}
        number, generators = about["pass"], about["generators"]
    except OSError as error:
        raise _unreadable(path, error) from None
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error)) from None
    state = {key.removeprefix("state "): array for key, array in arrays.items() if key.startswith("state ")}
    return Snapshot(number, {key: a for key, a in arrays.items() if not key.startswith("state ")}, state, generators)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(value, dict):
        raise _damaged(path, "it is not a JSON object")
    return value


def _is_below(name: object) -> bool:
    """Whether a name of a source stays inside the folder of sources."""
    return isinstance(name, str) and not PurePath(name).is_absolute() and ".." not in PurePath(name).parts


def _unreadable(path: Path, error: OSError) -> SnError:
    if isinstance(error, FileNotFoundError):
        return fail(f"there is no {path}", hint=_NOT_RESUMED)
    return fail(f"{path} cannot be read: {error.strerror or error}")


def _damaged(path: Path, why: str) -> SnError:
    return fail(f"{path} is damaged: {why}", hint=_NOT_RESUMED)
