"""Find and read the examples and files that a run needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from snsim.data.catalog import find
from snsim.data.examples import Examples
from snsim.data.fetch import Search
from snsim.data.input_parts import InputShapes
from snsim.data.own_data import options_for, read_matrices, read_own, read_path
from snsim.data.patterns import from_files
from snsim.data.progress import Progress as DownloadProgress
from snsim.data.reader_options import OwnData
from snsim.data.readers import READERS
from snsim.data.record import DataRecord
from snsim.errors import Source, Span, fail
from snsim.input_files import PathError, exists, is_file, is_folder, open_file, resolve, shown
from snsim.program import Program
from snsim.runs.options import Options, Say, overridden
from snsim.runs.recorded_data import folder_of
from snsim.training.spec import Training


def examples_of(
    program: Program, training: Training, options: Options, say: Say, download: DownloadProgress | None = None
) -> Examples:
    """Return the examples that a run of this training learns and is tested on. SnError if they are not found."""
    folder = SourceFolder.of(program.sources)
    return find_examples(overridden(training, options), options, folder, say, download).examples


def initial_file(program: Program, training: Training, options: Options) -> Path | None:
    """Return the file of initial weights of a run; None if they are drawn. SnError if the file is not found."""
    if options.initial is not None or training.initial_file is None:
        return options.initial
    folder = SourceFolder.of(program.sources)
    return folder.file(training.initial_file, training.span_of("initial"), data_folders(options))


@dataclass(frozen=True)
class FoundExamples:
    """Examples, and how they were chosen.

    Attributes
    ----------
    wanted : tuple of str
        The data sets asked for, in order of preference.
    rank : int
        The place of the examples among them, from 0.
    reasons : tuple of str
        Sentences from the search: why the first choices were not taken.
    """

    examples: Examples
    wanted: tuple[str, ...]
    rank: int
    reasons: tuple[str, ...]


def find_examples(
    training: Training,
    options: Options,
    source_folder: SourceFolder,
    say: Say,
    download: DownloadProgress | None,
    record: DataRecord | None = None,
) -> FoundExamples:
    """Return the examples of a training: of a data set, of pattern files, or from its text.

    `say` receives sentences on the search. `record` is that of a run whose own files are read again. SnError if no
    choice is found, or a file is damaged.
    """
    choice = training.data
    if options.moved is not None and not exists(options.moved):
        raise fail(
            f"--data: there is no file or folder {shown(options.moved)}",
            hint="name the file or folder that holds the data of the run",
        )
    if options.fold is not None and choice.own_data is None and choice.folds is None:
        raise fail(
            f"--fold {options.fold}: the data of this training have no folds",
            choice.span,
            hint="write (folds 5) in the form of a reader, or leave --fold out",
        )
    if choice.names:
        reasons: list[str] = []

        def keep_and_say(sentence: str) -> None:
            reasons.append(sentence)
            say(sentence)

        search = _search(options)
        spans = [choice.span] * len(choice.names)
        examples, rank = find(choice.names, search, keep_and_say, download, spans)
        return FoundExamples(examples, choice.names, rank, tuple(reasons))
    if choice.own_data is not None:
        inputs = training.net.input_shapes
        examples = _own_examples(choice.own_data, choice.span, options, source_folder, record, inputs)
        for note in examples.notes:
            say(note)
        return FoundExamples(examples, (examples.name,), 0, examples.notes)
    if choice.patterns is not None:
        if options.moved is not None:
            files = _files_in(options.moved, choice.patterns)
        else:
            files = [source_folder.file(name, choice.span, data_folders(options)) for name in choice.patterns]
        examples = from_files(files[0], files[1], choice.span)
    else:
        assert choice.inputs is not None and choice.targets is not None
        if options.moved is not None:
            raise fail(
                f"--data {shown(options.moved)}: the data of this run are written in its program",
                choice.span,
                hint="leave --data out",
            )
        examples = read_matrices(choice.inputs, choice.targets, choice.options, options.fold, choice.span)
        for note in examples.notes:
            say(note)
    return FoundExamples(examples, (examples.name,), 0, ())


def _own_examples(
    own: OwnData,
    span: Span | None,
    options: Options,
    source_folder: SourceFolder,
    record: DataRecord | None,
    inputs: InputShapes,
) -> Examples:
    """Read a user's own files: those of a description below its folder, those of the command line anywhere."""
    if options.moved is not None:
        reader = own.reader if record is None else record.reader
        if not reader:  # the command line named a path, and nothing was recorded of it
            return read_path(options.moved, own.options, own.reader, options.fold, inputs)
        of_folder = READERS.get(reader).of_folder
        names = own.files if record is None or not record.files else [file.name for file in record.files]
        files = [options.moved] if of_folder else _files_in(options.moved, names)
        return read_own(reader, files, options_for(reader, own.options, own.reader), options.fold, span, inputs=inputs)
    if own.anywhere:
        return read_path(Path(own.files[0]), own.options, own.reader, options.fold, inputs)
    folders = data_folders(options)
    if READERS.get(own.reader).of_folder:
        folder, inside = source_folder.folder(own.files[0], span, folders)
        return read_own(own.reader, [folder], own.options, options.fold, span, inside)
    files = [source_folder.file(name, span, folders) for name in own.files]
    return read_own(own.reader, files, own.options, options.fold, span, inputs=inputs)


def _files_in(moved: Path, names: Sequence[str]) -> list[Path]:
    """Return the data files of a run at the path that --data names: a folder, one of the files, or the only file."""
    if len(names) == 1 and not is_folder(moved):
        return [moved]
    folder, files = folder_of(moved), []
    for name in names:
        places = [folder / Path(name).name] if os.path.isabs(name) else [folder / name, folder / Path(name).name]
        file = next((place for place in places if is_file(place)), None)
        if file is None:
            raise fail(
                f'--data {shown(moved)}: there is no file "{shown(Path(name).name)}" in {shown(folder)}',
                hint=f"name the folder that holds {', '.join(shown(Path(name).name) for name in names)}",
            )
        files.append(file)
    return files


def _search(options: Options) -> Search:
    """Return the search for data sets. The folder to which data were moved comes first."""
    if options.moved is None:
        return Search.usual(options.data_dir, options.online, options.recorded_folders)
    data_folders = () if options.data_dir is None else (options.data_dir,)
    return Search.usual(folder_of(options.moved), options.online, (*data_folders, *options.recorded_folders))


def searched_folders(options: Options) -> list[Path]:
    """Return the absolute paths of the folders of the user that are searched for data."""
    return [Path(os.path.abspath(folder)) for _, folder in _search(options).folders()]


def data_folders(options: Options) -> list[Path]:
    """Return the folders in which pattern files are searched, after that of the program; `sn28/` has those of SN."""
    folders = [folder for _, folder in _search(options).folders()]
    return [*folders, *(folder / "sn28" for folder in folders)]


@dataclass(frozen=True)
class SourceFolder:
    """The folder of a program, for the files that it names. A run that is opened again knows where its texts were."""

    root: Path  # the folder that holds all its texts; nothing outside is read for the program
    moved_from: Path | None = None  # texts were read from this copy of `root`

    @staticmethod
    def of(sources: tuple[Source, ...]) -> SourceFolder:
        """Return the folder that holds all texts of a program."""
        return SourceFolder(Path(os.path.commonpath([_folder_of(source) for source in sources])))

    def file(self, name: str, span: Span | None, folders: list[Path]) -> Path:
        """Return the file that a clause names: beside its text, else in a data folder. SnError if it is in neither."""
        return self._find(name, span, folders, is_file)[0]

    def folder(self, name: str, span: Span | None, folders: list[Path]) -> tuple[Path, Path]:
        """Return the folder that a clause names, and the one that its links must not leave. SnError as for a file."""
        return self._find(name, span, folders, is_folder)

    def _find(
        self, name: str, span: Span | None, folders: list[Path], is_wanted: Callable[[Path], bool]
    ) -> tuple[Path, Path]:
        beside = self.root if span is None else self._original(_folder_of(span.source))
        is_outside, not_a_file = False, None
        for allowed, start in ((self.root, beside), *((folder, folder) for folder in folders)):
            try:
                place = resolve(start / name)
            except PathError as reason:
                raise fail(
                    f'"{shown(name)}" cannot be read: {reason}',
                    span,
                    hint="correct the name, or the links that it leads through",
                ) from None
            if not place.is_relative_to(resolve(allowed)):
                is_outside = True
            elif is_wanted(place):
                return place, allowed
            elif exists(place):
                not_a_file = not_a_file or place
        noun = "folder" if is_wanted is is_folder else "file"
        if not_a_file is not None:  # a folder, a pipe or a device has its name
            if noun == "folder":
                raise fail(f'"{shown(name)}" is not a folder', span, hint="name the folder, not a file in it")
            open_file(not_a_file, span=span, hint="name a plain file").close()
        where = ", ".join(str(folder) for folder in (beside, *folders))
        if is_outside:
            raise fail(
                f'"{shown(name)}" is outside the folder of the program',
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
