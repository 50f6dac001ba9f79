"""The examples and files that a run needs: where they are, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from snsim.data.catalog import find
from snsim.data.examples import Examples
from snsim.data.fetch import Search
from snsim.data.own_data import read_own, read_path
from snsim.data.patterns import from_files, from_matrices
from snsim.data.progress import Progress as DownloadProgress
from snsim.data.reader_options import OwnData
from snsim.data.readers import READERS
from snsim.errors import Source, Span, fail
from snsim.input_files import PathError, exists, is_file, is_folder, open_file, resolve, shown
from snsim.program import Program
from snsim.runs.options import Options, Say, overridden
from snsim.training.spec import Training


def examples_of(
    program: Program, training: Training, options: Options, say: Say, download: DownloadProgress | None = None
) -> Examples:
    """The examples that a run of this training would learn and be tested on. SnError if they cannot be had."""
    folder = SourceFolder.of(program.sources)
    return find_examples(overridden(training, options), options, folder, say, download).examples


def initial_file(program: Program, training: Training, options: Options) -> Path | None:
    """The file of initial weights of a run of this training; None if they are drawn. SnError if it is not there."""
    if options.initial is not None or training.initial_file is None:
        return options.initial
    folder = SourceFolder.of(program.sources)
    return folder.file(training.initial_file, training.place("initial"), data_folders(options))


@dataclass(frozen=True)
class FoundExamples:
    examples: Examples
    wanted: tuple[str, ...]
    rank: int
    reasons: tuple[str, ...]


def find_examples(
    training: Training, options: Options, home: SourceFolder, say: Say, download: DownloadProgress | None
) -> FoundExamples:
    choice = training.data
    if options.fold is not None and choice.own is None:
        raise fail(
            f"--fold {options.fold}: the data of this training have no folds",
            choice.span,
            hint="write (folds 5) in the form of a reader, or leave --fold out",
        )
    if choice.names:
        sentences: list[str] = []

        def heard(sentence: str) -> None:
            sentences.append(sentence)
            say(sentence)

        search = Search.usual(options.data_dir, options.online)
        spans = [choice.span] * len(choice.names)
        examples, rank = find(choice.names, search, heard, download, spans)
        return FoundExamples(examples, choice.names, rank, tuple(sentences))
    if choice.own is not None:
        examples = _own_examples(choice.own, choice.span, options, home)
        for note in examples.notes:
            say(note)
        return FoundExamples(examples, (examples.name,), 0, examples.notes)
    if choice.patterns is not None:
        files = [home.file(name, choice.span, data_folders(options)) for name in choice.patterns]
        examples = from_files(files[0], files[1], choice.span)
    else:
        assert choice.inputs is not None and choice.targets is not None
        examples = from_matrices(choice.inputs, choice.targets, span=choice.span)
    return FoundExamples(examples, (examples.name,), 0, ())


def _own_examples(own: OwnData, span: Span | None, options: Options, home: SourceFolder) -> Examples:
    """Read a user's own files: those of a description below its folder, that of the command line anywhere."""
    if own.anywhere:
        return read_path(Path(own.files[0]), own.options, own.reader, options.fold)
    folders = data_folders(options)
    if READERS.get(own.reader).of_folder:
        folder, inside = home.folder(own.files[0], span, folders)
        return read_own(own.reader, [folder], own.options, options.fold, span, inside)
    files = [home.file(name, span, folders) for name in own.files]
    return read_own(own.reader, files, own.options, options.fold, span)


def data_folders(options: Options) -> list[Path]:
    """Where a pattern file is looked for beside its program; what came with SN has a folder of its own."""
    folders = [folder for _, folder in Search.usual(options.data_dir, options.online).folders()]
    return [*folders, *(folder / "sn28" for folder in folders)]


@dataclass(frozen=True)
class SourceFolder:
    """Where the files are that a program names: beside its texts, wherever those were when the run was begun."""

    root: Path  # the folder that holds all its texts; nothing outside is read for the program
    moved_from: Path | None = None  # texts were read from this copy of `root`

    @staticmethod
    def of(sources: tuple[Source, ...]) -> SourceFolder:
        return SourceFolder(Path(os.path.commonpath([_folder_of(source) for source in sources])))

    def file(self, name: str, span: Span | None, folders: list[Path]) -> Path:
        """The file a clause names: beside the text it stands in, else in a data folder. SnError if there is none."""
        return self._find(name, span, folders, is_file)[0]

    def folder(self, name: str, span: Span | None, folders: list[Path]) -> tuple[Path, Path]:
        """Return the folder that a clause names, and the one that its links must not leave. SnError as for a file."""
        return self._find(name, span, folders, is_folder)

    def _find(
        self, name: str, span: Span | None, folders: list[Path], is_wanted: Callable[[Path], bool]
    ) -> tuple[Path, Path]:
        beside = self.root if span is None else self._original(_folder_of(span.source))
        outside, other = False, None
        for allowed, start in ((self.root, beside), *((folder, folder) for folder in folders)):
            try:
                place = resolve(start / name)
            except PathError as reason:
                raise fail(
                    f'"{shown(name)}" cannot be read: {reason}',
                    span,
                    hint="name a file below the folder of the program, or below that of --data-dir",
                ) from None
            if not place.is_relative_to(resolve(allowed)):
                outside = True
            elif is_wanted(place):
                return place, allowed
            elif exists(place):
                other = other or place
        noun = "folder" if is_wanted is is_folder else "file"
        if other is not None:  # a folder, a pipe or a device has its name
            if noun == "folder":
                raise fail(f'"{shown(name)}" is not a folder', span, hint="name the folder, not a file in it")
            open_file(other, span=span, hint="name a plain file").close()
        where = ", ".join(str(folder) for folder in (beside, *folders))
        if outside:
            raise fail(
                f'"{shown(name)}" is outside of the folder of the program',
                span,
                hint=f"put it below {self.root}, or below the folder of --data-dir",
            )
        raise fail(f'there is no {noun} "{shown(name)}" in {where}', span, hint=f"put it in {beside}")

    def _original(self, folder: Path) -> Path:
        if self.moved_from is None or not folder.is_relative_to(self.moved_from):
            return folder
        return self.root / folder.relative_to(self.moved_from)


def _folder_of(source: Source) -> Path:
    return Path.cwd() if source.path is None else source.path.resolve().parent
