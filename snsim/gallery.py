"""Find what a word on the command line or in Python names: a path, a run, or a net of the gallery.

The gallery is the folder `nets/` of the project; a wheel carries it as `snsim/nets/`. `nets/weights/NAME.safetensors`
holds trained weights of some of its nets. Every command that takes a name calls `find_named`:

    find_named("runs/mine")                  a path: it has a slash or a suffix
    find_named("mine")                       the run runs/mine, else the net `mine` of the gallery
    find_named("lecun89", ("net",))          only files and nets of the gallery, as for `snsim run`
    find_named("lecun89").weights            the shipped weights of a net of the gallery, or None
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from snsim.errors import fail, for_line, passes_text
from snsim.input_files import exists, is_file, is_folder, read_file
from snsim.protected_files import SETTINGS
from snsim.registry import listed, nearest, suggest

RUNS = Path("runs")  # the parent of run folders, where bare names are looked for
_METADATA = "snsim"  # the key in the header of a file of shipped weights
_MOST_OF_A_FILE = 1 << 26  # bytes of a file of shipped weights, or of a text of the gallery


class ShippedWeights(NamedTuple):
    """Trained weights of a net of the gallery, from the header of their file.

    Attributes
    ----------
    path : Path
        A safetensors file; `training.initial_files.load_initial(path, net)` reads it for its net.
    training : str
        The name of the training, in the file of the gallery that has the name of the weights.
    net_digest, data_digest : str
        Digests of the net and of the data that the weights were trained on.
    data : str
        The name of the data set.
    dtype : str
        The type of the engine, "float32" or "float64".
    train_misses, train_patterns, test_misses, test_patterns : int
        The misses after the last pass.
    command : str
        The command that makes them again.
    """

    path: Path
    training: str
    net_digest: str
    data: str
    data_digest: str
    passes: int
    seed: int
    engine: str
    dtype: str
    train_misses: int
    train_patterns: int
    test_misses: int
    test_patterns: int
    command: str

    @property
    def summary(self) -> str:
        """One line of text: how the weights were trained, and their misses."""
        return weights_summary(self._asdict())

    def metadata(self) -> dict[str, str]:
        """Return the metadata for the header of the file."""
        values = {name: value for name, value in self._asdict().items() if name != "path"}
        return {_METADATA: json.dumps(values, sort_keys=True)}

    @staticmethod
    def of(path: Path, metadata: Mapping[str, str]) -> ShippedWeights:
        """Return the record of a file from its metadata. SnError if the header is not that of shipped weights."""
        try:
            values: dict[str, Any] = json.loads(metadata[_METADATA])
            return ShippedWeights(path, **values)
        except (KeyError, TypeError, ValueError):
            raise fail(f"{for_line(path)} is damaged: its header is not known", hint="install snsim again") from None


def weights_summary(weights: Mapping[str, Any]) -> str:
    """Return the summary of shipped weights from their fields by name."""
    return (
        f"{passes_text(weights['passes'])} over {weights['data']}, seed {weights['seed']}: "
        f"{weights['train_misses']:,} of {weights['train_patterns']:,} train and "
        f"{weights['test_misses']:,} of {weights['test_patterns']:,} test patterns missed"
    )


@dataclass(frozen=True)
class Named:
    """A run, a net of the gallery, or a path, as a word of the command line names it.

    Attributes
    ----------
    word : str
        The word as it was typed.
    kind : str
        "path" (a file or folder, which may be missing), "run" (`runs/WORD`), or "net" (of the gallery).
    path : Path
        The path, the run folder, or the file of the gallery.
    """

    word: str
    kind: str
    path: Path

    @cached_property
    def weights(self) -> ShippedWeights | None:
        """The shipped weights of a net of the gallery; None if there are none."""
        return shipped_weights(self.word) if self.kind == "net" else None

    @property
    def sentence(self) -> str:
        """A sentence that says what the word was taken for, to be printed; "" for a path."""
        if self.kind == "path":
            return ""
        other = gallery_file(self.word)
        here = f" (write ./{for_line(self.word)} for {_kind(Path(self.word))} here)" if exists(Path(self.word)) else ""
        if self.kind == "run":
            beside = "" if other is None else f"; the net of the gallery is {for_line(other)}"
            return f"{for_line(self.word)} means the run {for_line(self.path)}{beside}{here}"
        return f"{for_line(self.word)} means the net of the gallery, {for_line(self.path)}{here}"


def _kind(place: Path) -> str:
    return "the folder" if is_folder(place) else "the file"


def find_named(word: str | os.PathLike[str], kinds: Collection[str] = ("run", "net")) -> Named:
    """Return the run, gallery net or path that a word names; `kinds` are those that the command takes.

    A word with a slash or a suffix is a path. A bare name is a run, then a net of the gallery, then a file or folder of
    the current folder. A path need not exist: the function that opens it reports a missing file. The same holds for a
    name where only runs are allowed, unless it is that of a net of the gallery. SnError for a bare name that is none of
    these.
    """
    text = os.fspath(word)
    path = Path(text)
    if isinstance(word, Path) or is_path(text):
        return Named(text, "path", path)
    if "run" in kinds and is_file(RUNS / text / SETTINGS):
        return Named(text, "run", RUNS / text)
    if "net" in kinds and (file := gallery_file(text)) is not None:
        return Named(text, "net", file)
    if "run" in kinds and not exists(path) and is_folder(RUNS / text):
        return Named(text, "run", RUNS / text)
    if "net" not in kinds and "run" in kinds and not exists(path) and gallery_file(text) is not None:
        raise fail(
            f"there is no run {for_line(text)}",
            hint=f"{for_line(text)} is a net of the gallery: train it first with snsim run {for_line(text)}",
        )
    if exists(path) or "net" not in kinds:
        return Named(text, "path", path)
    what = "no file and no run" if "run" in kinds else "no file"
    beside = f"{text}.sn"
    raise fail(
        f'there is {what} "{for_line(text)}", and no net of the gallery has this name',
        hint=f"did you mean the file {for_line(beside)}?" if exists(beside) else _nearest_names(text, "run" in kinds),
    )


def _nearest_names(text: str, with_runs: bool) -> str:
    """Return the hint for a bare name that is unknown: the nearest run or net of the gallery, and the names of both."""
    runs = sorted(place.parent.name for place in RUNS.glob(f"*/{SETTINGS}")) if with_runs else []
    nets = gallery_names()
    if not runs:
        return suggest(text, nets, "nets of the gallery")
    of_training = (run for run in runs if run.startswith(f"{text}-"))  # as mine-seed1
    near = next(of_training, None) or nearest(text, [*runs, *nets])
    start = f'did you mean "{near}"?  ' if near else ""
    return f"{start}runs: {listed(runs, len(runs), 8)}; nets of the gallery: {listed(nets, len(nets))}"


def is_path(word: str) -> bool:
    """Tell whether a word is a path by its form: it has a slash or a suffix, or is `.`, `..`, `~`, `-` or empty."""
    separators = {"/", os.sep, os.altsep or "/"}
    return word in ("", ".", "..", "~", "-") or bool(separators & set(word)) or bool(Path(word).suffix)


def gallery_folder() -> Path:
    """Return the folder of the gallery: `nets` in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "nets", package.parent / "nets"):
        if is_file(folder / "lecun89.sn"):
            return folder
    raise fail(
        "this installation of snsim has no nets", hint="install snsim again: pip install --force-reinstall snsim"
    )


def gallery_names() -> list[str]:
    """Return the names of the nets of the gallery, in the order of the alphabet."""
    return sorted(file.stem for file in gallery_folder().glob("*.sn"))


def gallery_file(name: str) -> Path | None:
    """Return the file of a net of the gallery; None if there is none of this name."""
    file = gallery_folder() / f"{name}.sn"
    return None if is_path(name) or not is_file(file) else file


def gallery_doc(name: str) -> str:
    """Return what the file of a gallery net says of itself first: its first comment, up to an empty line of it."""
    lines = []
    for line in read_file(gallery_folder() / f"{name}.sn", _MOST_OF_A_FILE).decode("utf-8").splitlines():
        text = line.removeprefix(";;;").strip()
        if not line.startswith(";;;") or not text:
            break
        lines.append(text)
    return " ".join(lines)


def names_with_weights() -> list[str]:
    """Return the names of the nets of the gallery that come with trained weights."""
    return [name for name in gallery_names() if is_file(_weights_file(name))]


def shipped_weights(name: str) -> ShippedWeights | None:
    """Return the shipped weights of a net of the gallery; None if there are none."""
    file = _weights_file(name)
    if not is_file(file):
        return None
    from snsim.array_files import open_arrays  # NumPy, which most callers need not load

    with open_arrays(file, _MOST_OF_A_FILE, hint="install snsim again") as arrays:
        return ShippedWeights.of(file, arrays.metadata)


def _weights_file(name: str) -> Path:
    return gallery_folder() / "weights" / f"{name}.safetensors"
