"""Use a trained net on a user's own pictures, rows and labelled data. Needs neither the data of the run nor PyTorch."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from snsim.array_files import open_arrays, read_npy
from snsim.data.catalog import DATA_SETS, DataSet
from snsim.data.input_parts import ArrayNames, InputShapes, arrays_of_inputs, join_inputs, save_call
from snsim.data.own_picture import FULL_BOX, Ink, PictureReport, prepare_picture, prepare_whole_picture
from snsim.data.pictures import SUFFIXES
from snsim.data.reader_options import EXAMPLES, NamePattern, quoted
from snsim.data.reader_shelf import MOST_BYTES, check_finite, first_bytes
from snsim.data.readers.csv_table import read_known_columns
from snsim.data.record import BYTES_TO_GRAY, DataRecord
from snsim.engines.protocol import Engine
from snsim.errors import SnError, fail, for_line
from snsim.gallery import Named, names_with_weights
from snsim.input_files import foreign_format, is_folder, open_file, shown
from snsim.program import read_program
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options, overridden
from snsim.training.choose_engine import build_engine, set_threads
from snsim.training.forward_all import compute_outputs
from snsim.training.initial_files import load_initial
from snsim.training.memory_need import PatternCounts, check_memory
from snsim.training.prepare import prepare_inputs
from snsim.training.schedule import stage_of_pass
from snsim.training.spec import Training

STANDARD_INPUT = "-"
_ARRAY_NAMES = ("x", "x-test", "images", "test-images", "inputs", "data", "test-data", "x-train")  # of an npz file


@dataclass(frozen=True, eq=False)
class OwnPatterns:
    """Patterns of one file, as the net takes them.

    `inputs` is (patterns, input units), `name` that of the file. `report` says how a picture was prepared; None for
    rows. `starts` tells which rows of a table start a sequence, bool (patterns,); None: only the first.
    """

    name: str
    inputs: np.ndarray
    report: PictureReport | None = None
    starts: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained net with what is needed to prepare inputs for it.

    Parameters
    ----------
    training : Training
    weights : mapping of str to array
        By parameter name, each of its `Parameter.shape`.
    dtype : str
        "float32" or "float64", in which the net is computed.
    data_name : str
        The data set, or the file, on which the net was trained.
    record : DataRecord or None
        What was recorded of a user's own data.
    memory : int or None
        Bytes that may be needed; None: those of this machine.
    name : str
        The run or the net of the gallery.
    pass_number : int
        The pass after which the weights were taken.
    threads : int or None
        The threads that compute; None: as many as there are cores.
    """

    training: Training
    weights: Mapping[str, np.ndarray]
    dtype: str
    data_name: str
    record: DataRecord | None = None
    memory: int | None = None
    name: str = ""
    pass_number: int = 0
    threads: int | None = None

    @classmethod
    def of_named(cls, named: Named, options: Options = Options()) -> Predictor:
        """Return the predictor of a run, or of a net of the gallery with the weights that come with it.

        SnError for a damaged run, and for a net that comes without weights.
        """
        if named.kind != "net":
            return cls.of_run(OpenedRun.open(named.path, options))
        shipped = named.weights
        if shipped is None:
            trainings = read_program(named.path, port=io.StringIO()).trainings.own()
            raise fail(
                f"the net {for_line(named.word)} of the gallery comes without trained weights",
                hint=(
                    f"train it: snsim run {for_line(named.word)}; or take one with weights: "
                    if trainings
                    else "its file declares no training; take a net with weights: "
                )
                + ", ".join(names_with_weights()),
            )
        if options.best:
            raise fail(
                f"the net {for_line(named.word)} of the gallery keeps no best pass, only its last weights",
                hint="leave --best out",
            )
        program = read_program(named.path, port=io.StringIO())
        training = overridden(program.trainings.get(shipped.training), Options(data=(shipped.data,)))
        weights = load_initial(shipped.path, training.net)
        return cls(
            training,
            weights,
            shipped.dtype,
            shipped.data,
            None,
            options.memory,
            named.word,
            shipped.passes,
            options.threads,
        )

    @classmethod
    def of_run(cls, run: OpenedRun) -> Predictor:
        """Return the predictor of a run with the weights that it was opened with. SnError for a damaged run."""
        record = run.data_record
        if record is None and (run.training.data.own_data is not None or run.training.data.options.are_stated):
            raise fail(
                f"the run {run.folder} did not record how its data were prepared",
                hint="train it again: `snsim predict` needs the scaling and the names of the classes",
            )
        settings = run.settings
        return cls(
            run.training,
            run.weights,
            settings["dtype"],
            settings["data"]["name"],
            record,
            run.options.memory,
            run.name,
            run.pass_number,
            run.options.threads,
        )

    @property
    def title(self) -> str:
        """The name and the number of the pass, for the head of a picture."""
        return f"{for_line(self.name)}, pass {self.pass_number}"

    @cached_property
    def engine(self) -> Engine:
        """The native engine, or the reference engine where that one cannot compute the net."""
        stage, _ = stage_of_pass(self.training.stages, 1)
        for name in ("native", "reference"):
            check_memory(self.training, name, self.dtype, self.memory, PatternCounts(1, 1), threads=self.threads)
            try:
                engine = build_engine(self.training, stage, name, self.dtype)
                engine.load_parameters(self.weights)
                engine.outputs(np.zeros((1, self.training.net.input_units)))  # raises if it cannot be compiled
                set_threads(engine, self.threads)
                return engine
            except SnError:
                if name == "reference":
                    raise
        raise AssertionError("the loop returns or raises")

    @property
    def data_set(self) -> DataSet | None:
        """The data set of the catalogue on which the net was trained; None for other data."""
        entry = DATA_SETS.entry(self.data_name) if self.training.data.names else None
        return None if entry is None else entry.value

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one pattern of the data, before a frame is put round it."""
        if self.record is not None:
            return self.record.shape
        return self.training.net.input_shape if self.data_set is None else self.data_set.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes; () where they are only numbers."""
        if self.record is not None:
            return self.record.class_names
        return () if self.data_set is None else self.data_set.class_names

    @property
    def classes(self) -> int | None:
        """The number of classes of the data of the training; None if it is not known, or if they have targets."""
        if self.record is not None:
            return len(self.record.class_names) or None
        return None if self.data_set is None else self.data_set.classes

    @property
    def sequence(self) -> NamePattern | None:
        """The column that tells the sequence in the tables of the training, for a net with delays; None without one."""
        own = self.training.data.own_data
        return None if own is None or not self.training.net.delayed else own.options.sequence

    @property
    def have_classes(self) -> bool:
        """Whether the largest output stands for a class."""
        if self.training.net.layers[-1].units < 2:
            return False
        if self.record is not None and (self.record.class_names or self.record.reader != EXAMPLES):
            return bool(self.record.class_names)
        if self.data_set is not None:
            return self.data_set.classes is not None
        return self.training.criterion[0] == "max"

    @property
    def output_names(self) -> tuple[str, ...]:
        """A name for each output: its class, its target, or its number."""
        names = self.class_names or (() if self.record is None or self.have_classes else self.record.targets)
        units = self.training.net.layers[-1].units
        return tuple(names[place] if place < len(names) else str(place) for place in range(units))

    def outputs(self, inputs: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
        """Return the outputs (patterns, output units) for inputs (patterns, input units).

        For a net with delays the patterns are steps; `starts` tells which begin a sequence, None that only the first
        does.
        """
        return compute_outputs(self.engine, inputs, starts)

    # ---- From files to inputs ------------------------------------------------------------------------------------

    def read(self, name: str, content: bytes | None = None, ink: Ink | None = None, as_is: bool = False) -> OwnPatterns:
        """Return the patterns of a picture, csv, npy or npz file.

        `content` are the bytes of standard input, a csv or npy. `ink` and `as_is` are for pictures. SnError for a file
        that is none of these, or does not fit the net.
        """
        path = Path("standard input" if content is not None else name)
        if content is None and is_folder(path):
            raise fail(
                f"{shown(path)} is a folder",
                hint=f"name the files in it, such as {shown(path / '*.png')}",
            )
        start = first_bytes(path) if content is None else content[:512]
        if start[:6] == b"\x93NUMPY":
            return self._of_array(self._npy(path, content), path.name)
        if content is None:
            if start[:4] == b"PK\3\4":
                return self._of_array(_npz_inputs(path, self.training.net.input_shapes), path.name)
            if foreign_format(start).startswith("a picture") or path.suffix.lower() in SUFFIXES:
                inputs, report = self.prepare_picture(path, ink, as_is)
                return OwnPatterns(path.name, inputs[None], report)
        known = foreign_format(start)
        if known:
            raise fail(
                f"{shown(path.name)} is {known}; expected "
                + ("a csv or npy" if content is not None else "a picture (PNG, JPEG, BMP, PGM, TIFF), csv, npy or npz"),
                hint="name the file instead of -" if content is not None else "convert it to one of these",
            )
        columns = () if self.record is None else self.record.columns
        raw = read_known_columns(path, columns, math.prod(self.shape), content=content, sequence=self.sequence)
        return replace(self._of_array(raw.train.inputs, path.name), starts=raw.train.starts)

    def prepare_picture(
        self, path: Path, ink: Ink | None = None, as_is: bool = False
    ) -> tuple[np.ndarray, PictureReport]:
        """Return a picture as the net takes it, (input units,), and a report. SnError if the net takes no pictures."""
        cells, report = self.picture(path, ink, as_is)
        return self._as_inputs(cells[None], shown(path.name))[0], report

    def picture(self, path: Path, ink: Ink | None = None, as_is: bool = False) -> tuple[np.ndarray, PictureReport]:
        """Return a picture as the data of the run have it, (*shape), and a report. SnError as `prepare_picture`."""
        shape, name = self.shape, shown(path.name)
        if len(shape) < 2 or (len(shape) == 3 and shape[0] > 1):
            takes = f"{shape[0]:,} numbers" if len(shape) == 1 else f"{shape[0]} maps of {shape[1]}x{shape[2]}"
            raise fail(
                f"{name} is a picture, which is read as one gray map; the net {self.training.net.name} takes {takes}",
                hint="give the inputs in a csv or npy file",
            )
        if self.record is None:
            style = FULL_BOX if self.data_set is None else self.data_set.pictures
            cells, report = prepare_picture(path, (shape[-2], shape[-1]), style, ink, as_is)
        else:
            self._check_bytes(name)
            if ink is not None:
                raise fail(
                    f"--ink {ink}: the pictures of {self.data_name} were scaled as a whole, without a search for ink, "
                    f"and so is {name}",
                    hint="leave --ink out; give a picture with the same paper and ink as the training pictures",
                )
            cells, report = prepare_whole_picture(path, (shape[-2], shape[-1]), self.record.scaling, as_is)
        return cells.reshape(shape), report

    def scaled(self, inputs: np.ndarray) -> np.ndarray:
        """Return inputs (patterns, *shape) with the scaling of the run; bytes as the data set has them."""
        if self.record is not None:
            return inputs if self.record.scaling is None else self.record.scaling.apply(inputs)
        return BYTES_TO_GRAY.apply(inputs) if inputs.dtype == np.uint8 and len(self.shape) > 1 else inputs

    def _check_bytes(self, name: str) -> None:
        """Raise SnError unless the net was trained on 8-bit pictures: else the scale of gray values is unknown."""
        assert self.record is not None
        scaling = self.record.scaling
        if self.record.reader not in ("images", "idx") and (scaling is None or scaling.kind != "bytes"):
            raise fail(
                f"{name}: the net was not trained on 8-bit pictures ({self.data_name}), so its grays cannot be scaled",
                hint="give the inputs in an npy file, in the units of the training data",
            )

    def _npy(self, path: Path, content: bytes | None) -> np.ndarray:
        if content is not None:
            return read_npy(io.BytesIO(content), path.name, MOST_BYTES)
        with open_file(path, MOST_BYTES, what="an npy file") as file:
            return read_npy(file, shown(path.name), MOST_BYTES)

    def _of_array(self, array: np.ndarray, name: str) -> OwnPatterns:
        """Return patterns from an array: (patterns, *shape), (patterns, numbers), or one pattern alone."""
        shape, size = self.shape, math.prod(self.shape)
        if array.dtype.kind not in "fiub":
            raise fail(f"{shown(name)} has the type {array.dtype}, expected numbers", hint="give numbers")
        if len(shape) == 3 and array.shape[-3:] == (*shape[1:], shape[0]):  # channels last, as in Keras
            array = np.moveaxis(array, -1, -3)
        if array.shape == shape or array.shape == (size,):
            array = array[None]
        if array.ndim < 2 or not len(array) or math.prod(array.shape[1:]) != size:
            expected = f"(patterns, {size})" if len(shape) == 1 else f"(patterns, {', '.join(map(str, shape))})"
            raise fail(
                f"{shown(name)} has the shape ({', '.join(map(str, array.shape))}), expected {expected}",
                hint=f"give {size:,} numbers for each pattern, as the net {self.training.net.name} takes them",
            )
        if array.dtype != np.uint8 or len(shape) == 1:
            with np.errstate(invalid="ignore"):  # a NaN that signals
                array = np.ascontiguousarray(array, np.float32 if array.dtype == np.float32 else np.float64)
            check_finite(array, shown(name), None)
        return OwnPatterns(name, self._as_inputs(self.scaled(array.reshape(len(array), *shape)), name))

    def _as_inputs(self, inputs: np.ndarray, name: str) -> np.ndarray:
        return prepare_inputs(self.training, inputs, shown(name), self.dtype)


def _npz_inputs(path: Path, inputs: InputShapes) -> np.ndarray:
    """Return the inputs of an npz file: the arrays of all input layers, the array of a usual name, or the only one."""
    file = shown(path.name)
    with open_arrays(path, MOST_BYTES, None, "an npz file", with_texts=True) as arrays:
        names = ArrayNames(arrays.headers, arrays.refused, file)
        keys = names.stored
        for stem in ("x", "x-test", "x-train"):  # in the order of _ARRAY_NAMES
            by_layer = arrays_of_inputs(keys, stem, inputs, file)
            if by_layer is not None:
                names.check(by_layer)
                spelled = [keys[key] for key in by_layer]
                parts = [arrays.read(key) for key in spelled]
                for part, key in zip(parts, spelled):
                    check_finite(part, f"{file}: {for_line(key)}", None)
                return join_inputs(parts, spelled, inputs, file)
        found = next((name for name in _ARRAY_NAMES if name in keys), None)
        if found is None and len(keys) == 1:
            found = next(iter(keys))
        if found is None:
            by_name = "" if len(inputs) < 2 else f"; or save each input layer: {save_call(inputs)}"
            raise fail(
                f"{file} holds the arrays {quoted(list(map(for_line, keys.values()))) or 'of no numbers'}; "
                "which are the inputs? none is called x, images, inputs or data",
                hint=f"call the inputs x: numpy.savez(FILE, x=...){by_name}",
            )
        names.check([found])
        return arrays.read(keys[found])


def margins(outputs: np.ndarray) -> np.ndarray:
    """Return for outputs (patterns, two or more units) the best minus the second."""
    best = np.sort(np.asarray(outputs, np.float64), axis=1)
    result: np.ndarray = best[:, -1] - best[:, -2]
    return result


def ranked(outputs: np.ndarray, most: int) -> Sequence[Sequence[int]]:
    """Return for each pattern the output units with the largest outputs, the best first."""
    order = np.argsort(-np.asarray(outputs, np.float64), axis=1, kind="stable")[:, :most]
    return [[int(unit) for unit in row] for row in order]
