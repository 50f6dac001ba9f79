"""The data sets by name: the files of each with addresses and digests, and a function that reads their contents.

An installed package adds a set by an entry point of the group `snsim.datasets` that names a `DataSet`
(docs/how-to/plugins.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from snsim.data import parsed_cache
from snsim.data.examples import Examples, Split, digest
from snsim.data.fetch import DataFile, Fetcher, Say, Search, UnavailableError, not_found_error
from snsim.data.formats import read_digits_csv, read_idx, read_matrix, read_zip_text
from snsim.data.own_picture import FULL_BOX, PictureStyle
from snsim.data.progress import Progress
from snsim.data.scaling import scale
from snsim.data_classes import dataclass
from snsim.errors import Fault, SnError, Span, fail
from snsim.registry import Shelf, suggest

Contents = Mapping[str, bytes]  # by the name of the file
Reader = Callable[[Contents], tuple[Split, Split]]


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set: its files, and one function from their contents to its train and its test patterns.

    Parameters
    ----------
    read : callable
        Takes the contents of the files, bytes by name of the file, and returns two `Split`. Its docstring is the
        set's. It raises SnError (`fail`) if the contents are not what they should be.
    files : tuple of DataFile
        May be empty for patterns that `read` computes: its argument is then an empty mapping.
    sizes : (int, int)
        Patterns in the train and in the test split. Others are refused. (N, 0) means that there is no test part:
        `read` returns a `Split` of no patterns for it.
    shape : tuple of int
        Of one pattern: (units,), (rows, columns) or (maps, rows, columns).
    classes : int or None
        How many classes the labels count; None if the set has targets.
    class_names : tuple of str
        Names of the classes 0, 1 ... as confusion tables and reports show them; () if they are only numbers.
    pictures : PictureStyle
        How the ink of a user's own picture is scaled and placed.
    version : str or None
        The version of `read`. If it is stated, the cache keeps the arrays that `read` returns: state another version
        when `read` returns other arrays for the same files. A set without files is never kept.
    """

    read: Reader
    files: tuple[DataFile, ...]
    sizes: tuple[int, int]
    shape: tuple[int, ...]
    classes: int | None = 10
    class_names: tuple[str, ...] = ()
    pictures: PictureStyle = FULL_BOX
    version: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.read.__doc__)


DATA_SETS: Shelf[DataSet] = Shelf("data set", plugins="snsim.datasets", plugin_type=DataSet)


class FoundData(NamedTuple):
    """The examples that were found, and the rank of their name among those asked for (0: the first choice)."""

    examples: Examples
    rank: int


def find(
    names: Sequence[str],
    search: Search | None = None,
    say: Say = lambda sentence: None,
    progress: Progress | None = None,
    spans: Sequence[Span | None] | None = None,
    shelf: Shelf[DataSet] = DATA_SETS,
) -> FoundData:
    """Return the first of the named data sets that is found; each of its files comes from the first place that has it.

    `say` gets one sentence for every step, `progress` the bytes of a download. `spans`: where each name was written.
    Raises SnError for unknown names (all of them), for a damaged file in a user's folder, and if no set is found.
    """
    search = search or Search.usual()
    sets = _known(names, spans or [None] * len(names), shelf)
    fetcher = Fetcher(search, say, progress)
    failures: list[UnavailableError] = []
    for rank, (name, data_set) in enumerate(zip(names, sets, strict=True)):
        try:
            examples = load(name, data_set, fetcher)
        except UnavailableError as failure:
            failures.append(failure)
            say(f"data set {name} not found: {failure}")
            continue
        say(f"data set {name}: {examples.origin}")
        return FoundData(examples, rank)
    raise not_found_error(list(names), failures, search)


def load(name: str, data_set: DataSet, fetcher: Fetcher) -> Examples:
    """Read a data set from its files, or from the arrays in the cache that were parsed from the same files before.

    UnavailableError if a file is not found, SnError if one is damaged.
    """
    version = data_set.version if data_set.files else None
    if version is not None and (found := fetcher.stored(data_set.files)) is not None:
        digests, places = found
        parsed = parsed_cache.read(parsed_cache.entry_key(name, version, digests))
        if parsed is not None and (len(parsed.train), len(parsed.test or ())) == data_set.sizes:
            return _examples(name, data_set, parsed, places)
    contents: dict[str, bytes] = {}
    places = []
    for file in data_set.files:
        contents[file.name], place = fetcher.read(file)
        places.append(place)
    train, test = data_set.read(contents)
    if (len(train), len(test)) != data_set.sizes:
        raise fail(
            f"the data set {name} has {len(train)} train and {len(test)} test patterns, "
            f"expected {data_set.sizes[0]} and {data_set.sizes[1]}",
            hint=f"remove {_listed([str(place) for place in places])}; `snsim data {name}` downloads them again"
            if places
            else f"the set is computed: state the sizes ({len(train)}, {len(test)}) where {name} is declared",
        )
    parsed = parsed_cache.ParsedSet(train, test, digest(train, test))
    if version is not None:
        parsed_cache.write(parsed_cache.entry_key(name, version, fetcher.digests(data_set.files)), parsed)
    return _examples(name, data_set, parsed, places)


def _examples(name: str, data_set: DataSet, parsed: parsed_cache.ParsedSet, places: Sequence[Path]) -> Examples:
    origin = origin_of(places) or "computed, from no file"
    test = parsed.test or None  # a part without patterns is none
    return Examples(name, parsed.train, test, origin, parsed.digest, data_set.classes, names=data_set.class_names)


def origin_of(places: Sequence[Path]) -> str:
    """Return the names of the files and their folders as text: `zip.train.gz and zip.test.gz in /data/usps`."""
    by_folder: dict[Path, list[str]] = {}
    for place in places:
        by_folder.setdefault(place.parent, []).append(place.name)
    return ", ".join(f"{_listed(names)} in {folder}" for folder, names in by_folder.items())


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _known(names: Sequence[str], spans: Sequence[Span | None], shelf: Shelf[DataSet]) -> list[DataSet]:
    if not names:
        raise fail("no data set is named", hint=suggest("", shelf.names(), "data sets"))
    faults: list[Fault] = []
    sets: list[DataSet] = []
    for name, span in zip(names, spans, strict=True):
        try:
            sets.append(shelf.get(name, span))
        except SnError as error:
            faults.extend(error.faults)
    if faults:
        raise SnError(faults)
    return sets


# The files. Digests and sizes are those of the uncompressed content, so that any wrapper will do.

_RAW = "https://raw.githubusercontent.com"
_ZIP_ADDRESSES = (
    "https://hastie.su.domains/ElemStatLearn/datasets",
    "https://web.stanford.edu/~hastie/ElemStatLearn/datasets",
    f"{_RAW}/dgkim5360/the-elements-of-statistical-learning-notebooks/2c13a48/data/zipcode",
    f"{_RAW}/dgkim5360/the-elements-of-statistical-learning-notebooks/"
    "004d7fc15711986d76dcccbed203ad1a74c06c62/data/zipcode",
)
_MNIST_ADDRESSES = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "http://yann.lecun.com/exdb/mnist",
)
_DIG_ADDRESSES = (
    f"{_RAW}/barak/lush/cda754a/packages/sn28/examples/bptool",
    f"{_RAW}/barak/lush/a21c8998f8706a0be817d6dd0f19f1ecb1d037d8/packages/sn28/examples/bptool",
    f"{_RAW}/barak/lush/bb08337caa1b6144508a1c00ad39e32ef4b7a788/packages/sn28/examples/bptool",
)


def _file(path: str, size: int, sha256: str, folders: tuple[str, ...]) -> DataFile:
    return DataFile(path, size, sha256, tuple(f"{folder}/{Path(path).name}" for folder in folders))


ZIP_FILES = (
    _file(
        "usps/zip.train.gz",
        14_512_253,
        "abc9f5c75b997cabe66b5d01727d5a681c69298e1641a8d37b55433a52129dc0",
        _ZIP_ADDRESSES,
    ),
    _file(
        "usps/zip.test.gz",
        2_029_542,
        "6bde17b4f1cd68e0630cd2751d6495b5795d9165ab2dc4a0be8b7002b732f4cc",
        _ZIP_ADDRESSES,
    ),
)
MNIST_FILES = (
    _file(
        "mnist/train-images-idx3-ubyte.gz",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        _MNIST_ADDRESSES,
    ),
    _file(
        "mnist/train-labels-idx1-ubyte.gz",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        _MNIST_ADDRESSES,
    ),
    _file(
        "mnist/t10k-images-idx3-ubyte.gz",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        _MNIST_ADDRESSES,
    ),
    _file(
        "mnist/t10k-labels-idx1-ubyte.gz",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        _MNIST_ADDRESSES,
    ),
)
DIG_FILES = (
    _file("sn28/dig.pat", 122_933, "4d34649511ad2cd3460227dbd6802a94628b36a5371537fa5bee28bd622565f5", _DIG_ADDRESSES),
    _file("sn28/dig.des", 4_820, "791dfa9c457f351afaa4594dd462e350796b7d23bc67cb2e02499f1cdb2ebb42", _DIG_ADDRESSES),
)
DIGITS_FILES = (
    DataFile(
        "digits/digits.csv.gz",
        264_712,
        "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
        (f"{_RAW}/scikit-learn/scikit-learn/1.5.0/sklearn/datasets/data/digits.csv.gz",),
        package=("snsim", "data/digits.csv.gz"),
    ),
)


# MNIST: the longer side of the ink is 20 of 28, the centre of mass is in the middle (http://yann.lecun.com/exdb/mnist).
# The other digits fill their 16 x 16 cells.
_MNIST_STYLE = PictureStyle(20, "mass")
_SCALED_MNIST_STYLE = PictureStyle(20, "mass", (28, 28))


def data_set(
    name: str,
    files: tuple[DataFile, ...],
    sizes: tuple[int, int],
    shape: tuple[int, ...],
    classes: int | None = 10,
    pictures: PictureStyle = FULL_BOX,
    class_names: tuple[str, ...] = (),
) -> Callable[[Reader], Reader]:
    """Return a decorator that registers the set that a function reads; the arguments are those of `DataSet`.

    The first line of the docstring is the line of the set in `snsim list`: it names the set, as `mnist` does.
    """

    def put(read: Reader) -> Reader:
        # The key of an entry of the cache has a digest of this module, so one version is enough.
        read_by = DataSet(read, files, sizes, shape, classes, class_names, pictures, version="1")
        DATA_SETS.add(name, read_by, (read.__doc__ or "").strip().split("\n")[0])
        return read

    return put


@data_set("zipcode", ZIP_FILES, (7291, 2007), (16, 16))
def zipcode(contents: Contents) -> tuple[Split, Split]:
    """Postal zip-code digits of the 1989 paper: 7291 train, 2007 test, 16 x 16 grey from -1 (paper) to 1 (ink).

    The USPS digits as "The Elements of Statistical Learning" gives them, deslanted, in the order of the files.
    """
    train, test = (Split(*read_zip_text(contents[file.name], file.name)) for file in ZIP_FILES)
    return train, test


@data_set("mnist-1989", MNIST_FILES, (7291, 2007), (16, 16), pictures=_SCALED_MNIST_STYLE)
def mnist_1989(contents: Contents) -> tuple[Split, Split]:
    """The substitute for the zip codes in the 2022 study: 7291 and 2007 digits drawn from MNIST, scaled to 16 x 16.

    The sample of https://github.com/karpathy/lecun1989-repro, drawn by one generator: first the test digits.
    """
    return _mnist_sample(contents, 7291, 2007, np.float64)


@data_set("mnist", MNIST_FILES, (60000, 10000), (28, 28), pictures=_MNIST_STYLE)
def mnist(contents: Contents) -> tuple[Split, Split]:
    """MNIST: 60000 train, 10000 test, 28 x 28 grey from -1 to 1.

    The inputs are float32: byte / 127.5 - 1. float64 would need twice the memory without a gain in precision.
    """
    train, test = (Split(_grey(images), labels) for images, labels in _mnist_pairs(contents))
    return train, test


@data_set("mnist-16", MNIST_FILES, (60000, 10000), (16, 16), pictures=_SCALED_MNIST_STYLE)
def mnist_16(contents: Contents) -> tuple[Split, Split]:
    """MNIST: 60000 train, 10000 test, scaled to 16 x 16 (bilinear); float32."""
    train, test = (Split(_grey_16(images), labels) for images, labels in _mnist_pairs(contents))
    return train, test


@data_set("mnist-50000", MNIST_FILES, (50000, 2007), (16, 16), pictures=_SCALED_MNIST_STYLE)
def mnist_50000(contents: Contents) -> tuple[Split, Split]:
    """50000 and 2007 digits drawn from MNIST, scaled to 16 x 16: the larger sample of the 2022 study; float32."""
    return _mnist_sample(contents, 50000, 2007, np.float32)


@data_set("sn28-digits", DIG_FILES, (320, 160), (16, 16))
def sn28_digits(contents: Contents) -> tuple[Split, Split]:
    """480 mouse-drawn digits that came with SN-2.8: 320 train, 160 test, 16 x 16, -1 or 1 (ink).

    There are 120 drawings, each at four horizontal positions. A row of dig.des has +1 at the label and -1 elsewhere.
    """
    pictures = read_matrix(contents["dig.pat"], "dig.pat").reshape(-1, 16, 16)
    labels = read_matrix(contents["dig.des"], "dig.des").argmax(axis=1)
    return Split(pictures[:320], labels[:320]), Split(pictures[320:], labels[320:])


@data_set("sn28-digits-by-drawing", DIG_FILES, (320, 160), (16, 16))
def sn28_digits_by_drawing(contents: Contents) -> tuple[Split, Split]:
    """The same 480 digits, but no drawing is in both parts: 8 drawings of each digit to train, 4 to test; 320 and 160.

    In `sn28-digits`, 156 of the 160 test pictures are shifted copies of drawings in the training part. Here the first
    eight drawings of each digit in the file are for training.
    """
    pictures, labels = (
        np.concatenate(parts) for parts in zip(*((split.inputs, split.labels) for split in sn28_digits(contents)))
    )
    seen: list[list[bytes]] = [[] for _ in range(10)]  # by digit: its drawings so far, moved to the left edge
    trains = []
    for picture, label in zip(pictures, labels):
        left = int(np.flatnonzero((picture > 0).any(axis=0))[0])
        drawing = np.roll(picture, -left, axis=1).tobytes()
        if drawing not in seen[label]:
            seen[label].append(drawing)
        trains.append(seen[label].index(drawing) < 8)
    first = np.array(trains)
    return Split(pictures[first], labels[first]), Split(pictures[~first], labels[~first])


@data_set("digits", DIGITS_FILES, (1437, 360), (16, 16))
def digits(contents: Contents) -> tuple[Split, Split]:
    """1797 handwritten digits that come with snsim: 1437 train, 360 test, 8 x 8 scaled to 16 x 16; no network.

    Counts 0 to 16 become gray from -1 to 1. The first 1437 digits of the file are for training.
    """
    counts, labels = read_digits_csv(contents["digits.csv.gz"], "digits.csv.gz")
    pictures = scale((counts / 8 - 1).astype(np.float32), 16, 16).astype(np.float64)
    return Split(pictures[:1437], labels[:1437]), Split(pictures[1437:], labels[1437:])


def mnist_sample_indices(train: int, test: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the MNIST digits in the samples of 2022; the test digits are drawn first (seed 1337)."""
    draw = np.random.RandomState(1337)
    chosen_test = draw.permutation(10000)[:test]
    return draw.permutation(60000)[:train], chosen_test


def _mnist_sample(contents: Contents, train: int, test: int, dtype: type) -> tuple[Split, Split]:
    samples = zip(_mnist_pairs(contents), mnist_sample_indices(train, test))
    first, second = (
        Split(_grey_16(images[chosen]).astype(dtype, copy=False), labels[chosen])
        for (images, labels), chosen in samples
    )
    return first, second


def _mnist_pairs(contents: Contents) -> list[tuple[np.ndarray, np.ndarray]]:
    """Yield images (n, 28, 28) uint8 and labels (n,) int64 of the two splits."""
    names = [file.name for file in MNIST_FILES]
    return [
        (read_idx(contents[images], images), read_idx(contents[labels], labels).astype(np.int64))
        for images, labels in zip(names[::2], names[1::2])
    ]


def _grey(images: np.ndarray) -> np.ndarray:
    """Return bytes, 0 (paper) to 255 (ink), as float32 from -1 to 1."""
    grey = images.astype(np.float32)
    grey /= np.float32(127.5)
    grey -= np.float32(1)
    return grey


def _grey_16(images: np.ndarray) -> np.ndarray:
    """Return bytes as float32 from -1 to 1, scaled to 16 x 16, in batches to save memory."""
    pieces = (images[start : start + 4000] for start in range(0, len(images), 4000))
    return np.concatenate([scale(_grey(piece), 16, 16) for piece in pieces])
