"""Data: formats, the sets of the catalogue against what is published of them, and every way a download can end."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from data_folder import DATA, MNIST, REFERENCE, SN_DIGITS, ZIP_CODES, needs_data, needs_reference
from hypothesis import given
from hypothesis import strategies as st
from tiny_run import snsim

from snsim.data import catalog, formats, patterns
from snsim.data.catalog import DATA_SETS, DataSet, find
from snsim.data.download import Timeouts
from snsim.data.examples import Split, digest
from snsim.data.fetch import DataFile, Fetcher, Search, UnavailableError
from snsim.data.progress import ProgressBar
from snsim.data.scaling import scale
from snsim.errors import SnError
from snsim.registry import Shelf
from snsim.training.loop import shift


def message(raised: pytest.ExceptionInfo[SnError]) -> str:
    return str(raised.value)


# Formats ---------------------------------------------------------------------------------------------------------

SN_TYPES = {0x51: "f4", 0x53: "f8", 0x54: "i4", 0x55: "u1", 0x56: "i2", 0x57: "i1"}


def sn_matrix(array: np.ndarray, magic: int, order: str) -> bytes:
    sizes = (*array.shape, *[1] * (3 - array.ndim))
    return struct.pack(f"{order}{2 + len(sizes)}i", 0x1E3D4C00 + magic, array.ndim, *sizes) + array.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", SN_TYPES)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (1, 1, 2, 3)])
def test_sn_matrix_of_every_type_and_order(magic, order, shape):
    array = np.arange(6).astype(order + SN_TYPES[magic]).reshape(shape)
    read = formats.read_matrix(sn_matrix(array, magic, order) + b"; more", "a.mat")
    assert read.dtype == np.float64 and np.array_equal(read, array)


def test_packed_matrix_counts_in_sixteenths():
    packed = np.array([[-128, -16, 0], [1, 16, 127]], np.int8)
    assert np.array_equal(formats.read_matrix(sn_matrix(packed, 0x52, ">"), "p"), packed / 16)


def test_text_matrix_in_any_layout():
    assert np.array_equal(
        formats.read_matrix(b".MAT 2\n2 3 +1 -1.0\n\t.5 0 1e1 2 and more", "t"), [[1, -1, 0.5], [0, 10, 2]]
    )


GOOD = sn_matrix(np.ones((2, 3), "<f4"), 0x51, "<")
WRONG_MATRICES = {
    "hello world": "it begins with 68656c6c, expected 1e3d4c51",
    "": "it begins with nothing",
    GOOD[:-1]: "it has 43 bytes, expected 44 for 2 x 3 elements of 4 bytes",
    GOOD[:14]: "it has 14 bytes, expected a header of 20 bytes",
    sn_matrix(np.array([1, np.nan], "<f4"), 0x51, "<"): "number 2 of 2 is nan",
    struct.pack("<5i", 0x1E3D4C51, 2, 10**6, 10**6, 1): "expected 4000000000020 for 1000000 x 1000000",
    struct.pack("<5i", 0x1E3D4C51, 2, -2, 3, 1): "claims the sizes -2 x 3",
    struct.pack("<5i", 0x1E3D4C51, 99, 2, 3, 1): "claims 99 dimensions",
    ".MAT": 'the number of dimensions is "", expected a whole number',
    ".MAT 2 2": "ends after 1 sizes, expected 2",
    ".MAT 2 2 x 1": 'a size is "x"',
    ".MAT 1 3 1 2": "has 2 numbers, expected 3",
    ".MAT 1 3 1 2 three": 'word 3 is "three", expected a number',
    ".MAT 1 2 1 nan": "number 2 of 2 is nan",
    ".MAT 2 1000000 1000000 1": "has 1 numbers, expected 1000000000000",
}


@pytest.mark.parametrize("content", WRONG_MATRICES)
def test_wrong_matrices_are_named_with_numbers(content):
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(SnError) as raised:
        formats.read_matrix(data, "some/file.mat")
    assert "some/file.mat" in message(raised) and WRONG_MATRICES[content] in message(raised)


def test_idx():
    content = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 3) + bytes(range(6))
    assert formats.read_idx(content, "i").tolist() == [[0, 1, 2], [3, 4, 5]]
    for wrong, expected in {
        content[:-1]: "has 17 bytes, expected 18",
        content + b"x": "has 19 bytes, expected 18",
        b"\0\0\7\2": "begins with 00000702",
        content[:7]: "expected a header of 12 bytes",
        b"\0\0\x0e\3" + b"\xff" * 12: "expected 633825299671",
    }.items():
        with pytest.raises(SnError, match=expected):
            formats.read_idx(wrong, "i")


def test_zip_text_does_not_count_blanks():
    line = "9.0000 " + "0.5 -1 " * 128
    pictures, labels = formats.read_zip_text(f"{line}\n3   {line[7:]}".encode(), "z")
    assert pictures.shape == (2, 16, 16) and labels.tolist() == [9, 3] and pictures[1, 0, :2].tolist() == [0.5, -1]
    for wrong, expected in {
        line[:-4]: "has 256 numbers, expected a multiple of 257",
        "": "has 0 numbers",
        "11 " + line[7:]: "the class of digit 0 is 11",
        "9 1.5 " + line[11:]: "value 1.5",
        line.replace("-1", "nan", 1): "number 3 of 257 is nan",
    }.items():
        with pytest.raises(SnError, match=expected):
            formats.read_zip_text(wrong.encode(), "z")


@given(st.binary(max_size=60), st.sampled_from([b"", b".MAT", b".MAT 2 1 2 ", GOOD[:8], b"\0\0\x08\1"]))
def test_any_bytes_give_an_array_or_an_error(tail, head):
    for read in (formats.read_matrix, formats.read_idx, formats.read_zip_text, formats.read_digits_csv):
        try:
            read(head + tail, "f")
        except SnError as error:
            assert error.faults[0].message.startswith("f")


# Scaling, shifts, patterns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(28, 28, 16, 16), (8, 8, 16, 16), (9, 7, 16, 13), (16, 16, 16, 16)])
def test_scaling_is_torch_bilinear(sizes):
    torch = pytest.importorskip("torch")
    rows, columns, *wanted = sizes
    pictures = np.random.default_rng(1).uniform(-1, 1, (5, rows, columns)).astype(np.float32)
    oracle = torch.nn.functional.interpolate(
        torch.from_numpy(pictures)[:, None], size=wanted, mode="bilinear", align_corners=False
    )[:, 0].numpy()
    scaled = scale(pictures, *wanted)
    assert scaled.dtype == np.float32 and np.abs(scaled - oracle).max() <= 1e-6


@given(st.integers(0, 2**32), st.sampled_from([(4, 5), (2, 4, 5)]))
def test_shift_moves_each_picture_by_its_own_amount(seed, shape):
    draw = np.random.default_rng(seed)
    pictures = draw.normal(size=(6, *shape))
    down, right = draw.integers(-6, 7, 6), draw.integers(-6, 7, 6)
    wrapped, filled = shift(pictures, down, right, None), shift(pictures, down, right, -9.0)
    for k in range(6):
        assert np.array_equal(wrapped[k], np.roll(pictures[k], (down[k], right[k]), (-2, -1)))
        wide = np.pad(pictures[k], [(0, 0)] * (len(shape) - 2) + [(6, 6), (6, 6)], constant_values=-9.0)
        assert np.array_equal(filled[k], wide[..., 6 - down[k] : 10 - down[k], 6 - right[k] : 11 - right[k]])


def numbered(train: int, test: int) -> catalog.Examples:
    """Examples whose pattern i is a 2 x 3 picture of i."""
    pictures = np.arange(train + test, dtype=float)[:, None, None] * np.ones((1, 2, 3))
    labels = np.arange(train + test) % 10
    first, second = Split(pictures[:train], labels[:train]), Split(pictures[train:], labels[train:])
    return catalog.Examples("numbered", first, second, "here", digest(first, second), 10)


def numbers(split: Split) -> list[float]:
    assert split.labels.tolist() == [number % 10 for number in split.inputs[:, 0, 0]]
    return split.inputs[:, 0, 0].tolist()


def test_ranges_count_over_the_whole_set_and_include_both_ends():
    examples = numbered(6, 4)
    chosen = patterns.select(examples, (4, 7), (8, 9))
    assert numbers(chosen.train) == [4, 5, 6, 7] and numbers(chosen.test) == [8, 9]
    assert chosen.digest != examples.digest
    assert numbers(patterns.select(examples, (0, 1), None).test) == [6, 7, 8, 9]
    for wrong in [(3, 10), (5, 4), (-1, 2)]:
        with pytest.raises(SnError, match="has the patterns 0 to 9"):
            patterns.select(examples, None, wrong)


def test_frame_puts_the_odd_cells_below_and_to_the_right():
    framed = patterns.frame(numbered(2, 1), 5, 6, -1.0)
    assert framed.shape == (5, 6)
    assert framed.train.inputs[1].tolist() == [
        [-1] * 6,
        [-1, 1, 1, 1, -1, -1],
        [-1, 1, 1, 1, -1, -1],
        [-1] * 6,
        [-1] * 6,
    ]
    with pytest.raises(SnError, match="pictures of numbered are 2 x 3"):
        patterns.frame(numbered(2, 1), 1, 6, -1.0)


def test_shapes():
    examples = numbered(2, 1)
    for shape in [(6,), (1, 2, 3), (2, 3)]:
        assert patterns.shaped(examples, shape).shape == shape
    with pytest.raises(SnError, match="are 2 x 3, the layer input is 3 x 2"):
        patterns.shaped(examples, (3, 2))
    with pytest.raises(SnError, match=r"\(frame 32 32 -1\)"):
        patterns.shaped(examples, (32, 32))


def test_matrices_and_pattern_files(tmp_path):
    inputs, targets = np.eye(4), -np.eye(4)[:, :2]
    stated = patterns.from_matrices(inputs, targets)
    assert stated.test is None and stated.classes is None and stated.shape == (4,)
    (tmp_path / "x.pat").write_bytes(sn_matrix(inputs.astype("<f8"), 0x53, "<"))
    (tmp_path / "x.des").write_text(".MAT 2 4 2 " + " ".join(map(str, targets.flat)))
    read = patterns.from_files(tmp_path / "x.pat", tmp_path / "x.des")
    assert read.digest == stated.digest and read.origin == f"x.pat and x.des in {tmp_path}"
    with pytest.raises(SnError, match="4 patterns in the inputs of examples, 3 in its targets"):
        patterns.from_matrices(inputs, targets[:3])
    with pytest.raises(SnError, match="value nan in pattern 2"):
        patterns.from_matrices(inputs, np.where(np.eye(4) > 0, [1, 1, np.nan, 1], 0))
    with pytest.raises(SnError, match="there is no file .*y.pat"):
        patterns.from_files(tmp_path / "y.pat", tmp_path / "x.des")


def test_one_of_n():
    assert patterns.one_of_n(np.array([2, 0]), 3, -1, 1).tolist() == [[-1, -1, 1], [1, -1, -1]]


# The catalogue ---------------------------------------------------------------------------------------------------

COUNTS = {
    "zipcode": (
        [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644],
        [359, 264, 198, 166, 200, 160, 170, 147, 166, 177],
    ),
    "mnist": (
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ),
    "sn28-digits": ([32] * 10, [16] * 10),
    "sn28-digits-by-drawing": ([32] * 10, [16] * 10),
}
FIRST_LABELS = {
    "zipcode": ("6547363101", "9636600069"),
    "mnist": ("5041921314", "7210414959"),
    "mnist-16": ("5041921314", "7210414959"),
    "sn28-digits": ("0123456789", "0123456789"),
}


@needs_data(*ZIP_CODES, *MNIST, *SN_DIGITS)
@pytest.mark.parametrize(
    "name", ["zipcode", "mnist-1989", "mnist", "mnist-16", "mnist-50000", "sn28-digits", "sn28-digits-by-drawing"]
)
def test_data_set(name):
    said: list[str] = []
    examples, rank = find([name], Search(environment=DATA, online=False), said.append)
    data_set = DATA_SETS.get(name)
    assert rank == 0 and said == [f"data set {name}: {examples.origin}"] and str(DATA) in examples.origin
    assert (len(examples.train), len(examples.test)) == data_set.sizes and examples.shape == data_set.shape
    for which, split in enumerate((examples.train, examples.test)):
        assert split.inputs.dtype == (np.float32 if len(examples.train) >= 50000 else np.float64)
        assert split.inputs.min() == -1 and split.inputs.max() == 1 and len(split.labels) == len(split)
        if name in COUNTS:
            assert np.bincount(split.labels).tolist() == COUNTS[name][which]
        if name in FIRST_LABELS:
            assert "".join(map(str, split.labels[:10])) == FIRST_LABELS[name][which]


@needs_data(*ZIP_CODES, *MNIST, *SN_DIGITS)
def test_no_drawing_is_in_both_parts_if_the_split_is_by_drawing():
    def drawings(split):
        return {
            np.roll(picture, -np.flatnonzero((picture > 0).any(axis=0))[0], axis=1).tobytes()
            for picture in split.inputs
        }

    by_file, by_drawing = (
        find([name], Search(environment=DATA, online=False)).examples
        for name in ("sn28-digits", "sn28-digits-by-drawing")
    )
    assert len(drawings(by_drawing.train)) == 80 and len(drawings(by_drawing.test)) == 40
    assert not drawings(by_drawing.train) & drawings(by_drawing.test)
    in_training = drawings(by_file.train)
    assert sum(len(drawings(Split(picture[None])) & in_training) for picture in by_file.test.inputs) == 156


@needs_data(*ZIP_CODES, *MNIST, *SN_DIGITS)
def test_zipcode_statistics():
    examples = find(["zipcode"], Search(environment=DATA, online=False)).examples
    means = [(split.inputs.mean(), split.inputs.std()) for split in (examples.train, examples.test)]
    assert np.allclose(means, [(-0.4910, 0.7692), (-0.4648, 0.7852)], atol=5e-5)


@needs_data(*MNIST)
@needs_reference("baseline/mnist1989_index.npz")
def test_mnist_1989_is_the_sample_of_2022():
    index = np.load(REFERENCE / "baseline" / "mnist1989_index.npz")
    train, test = catalog.mnist_sample_indices(7291, 2007)
    assert np.array_equal(train, index["train"]) and np.array_equal(test, index["test"])
    search = Search(environment=DATA, online=False)
    sample, whole = (find([name], search).examples for name in ("mnist-1989", "mnist-16"))
    assert np.array_equal(sample.train.inputs, whole.train.inputs[index["train"]])
    assert np.array_equal(sample.test.labels, whole.test.labels[index["test"]])


def test_digits_come_without_scikit_learn_being_imported(tmp_path):
    program = """
import sys, pathlib
from snsim.data.catalog import find
from snsim.data.fetch import Search
found = find(["digits"], Search(cache=pathlib.Path(sys.argv[1]), online=False)).examples
print(len(found.train), len(found.test), found.shape, *sorted({"sklearn", "pooch", "requests"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1437 360 (16, 16)"


def test_digits_are_those_of_scikit_learn(tmp_path):
    datasets = pytest.importorskip("sklearn.datasets")
    examples = find(["digits"], Search(cache=tmp_path, online=False)).examples
    packaged = resources.files("sklearn.datasets.data").joinpath("digits.csv.gz").read_bytes()
    ours = resources.files("snsim.data").joinpath("digits.csv.gz").read_bytes()
    assert gzip.decompress(ours) == gzip.decompress(packaged)  # what NOTICE says
    bunch = datasets.load_digits()
    pictures = np.concatenate([examples.train.inputs, examples.test.inputs])
    labels = np.concatenate([examples.train.labels, examples.test.labels])
    assert np.array_equal(labels, bunch.target)
    assert np.allclose(pictures[:, ::15, ::15], (bunch.images / 8 - 1)[:, ::7, ::7])  # corners are not mixed


def test_digest_depends_on_every_array_and_not_on_byte_order():
    split = Split(np.arange(6.0).reshape(2, 3), np.array([0, 1]))
    assert digest(split, None) == digest(replace(split, inputs=split.inputs.astype(">f8")), None)
    others = [
        replace(split, labels=np.array([1, 0])),
        replace(split, inputs=split.inputs.reshape(2, 3, 1)),
        replace(split, labels=None),
    ]
    assert len({digest(split, None), digest(split, split), *(digest(other, None) for other in others)}) == 5


def test_all_unknown_names_are_reported_with_the_nearest():
    with pytest.raises(SnError) as raised:
        find(["zipcod", "digits", "minst"], Search(online=False))
    assert len(raised.value.faults) == 2
    assert 'unknown data set "zipcod"' in message(raised) and 'did you mean "mnist"?' in message(raised)


def test_every_data_set_has_a_line_of_help_and_addresses():
    for entry in DATA_SETS:
        assert len(entry.doc) > 20 and entry.value.__doc__.startswith(entry.doc)
        assert all(file.addresses and len(file.sha256) == 64 for file in entry.value.files)


# Fetching --------------------------------------------------------------------------------------------------------

CONTENT = ("snsim " * 5000).encode() + np.random.default_rng(0).bytes(200_000)
PACKED = gzip.compress(CONTENT)
PATIENCE = Timeouts(300, 300, 300)  # no answer is too slow for a busy machine


class Answers(BaseHTTPRequestHandler):
    """Answers by path: /good/..., /plain/..., /short/..., and so on."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
        elif kind == "redirect":
            self.send_response(302)
            self.send_header("Location", self.path.replace("redirect", "good"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "dead":
            self.close_connection = True
        else:
            self._body(kind)

    def _body(self, kind: str) -> None:
        body = {
            "plain": CONTENT,
            "unpacked": PACKED,
            "wrong": gzip.compress(b"<html>no such thing</html>"),
            "cut": PACKED[:-2000],
            "huge": bytes(len(PACKED) + 2_000_000),
        }.get(kind, PACKED)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if kind == "unpacked":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            if kind == "short":
                self.wfile.write(body[:1000])
                self.close_connection = True
            elif kind == "silent":
                self.wfile.write(body[:1000])
                self.server.stopped.wait()
            elif kind == "drip":
                for start in range(len(body)):
                    self.wfile.write(body[start : start + 1])
                    if self.server.stopped.wait(0.02):
                        break
            else:
                self.wfile.write(body)
        except OSError:
            pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.stopped, server.asked = threading.Event(), []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.address = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


def file_at(*addresses: str) -> DataFile:
    return DataFile("set/it.dat.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), addresses)


def served(server, *kinds: str) -> DataFile:
    return file_at(*(f"{server.address}/{kind}/it.dat.gz" for kind in kinds))


def unused_address() -> str:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as gone:
        return f"http://127.0.0.1:{gone.server_port}/it.dat.gz"


@pytest.mark.parametrize(
    ("kind", "stored"), [("good", "it.dat.gz"), ("plain", "it.dat"), ("unpacked", "it.dat"), ("redirect", "it.dat.gz")]
)
def test_a_download_is_kept_in_the_cache(server, tmp_path, kind, stored):
    file, said = served(server, kind), []
    content, place = Fetcher(Search(cache=tmp_path, timeouts=PATIENCE), said.append).read(file)
    assert content == CONTENT and place == tmp_path / "set" / stored
    assert said == [f"downloading it.dat.gz from {file.addresses[0]}"]
    assert Fetcher(Search(cache=tmp_path, online=False)).read(file) == (CONTENT, place)
    assert os.listdir(tmp_path / "set") == [stored]


BAD_ANSWERS = {
    "missing": "it answers 404 Not Found",
    "wrong": "its content has 26 bytes with sha256",
    "cut": "it ends early",
    "short": "the connection broke before the end",
    "dead": "the connection broke",
    "huge": "it sends more than the",
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_a_bad_answer_leads_to_the_next_mirror(server, tmp_path, kind):
    said: list[str] = []
    file = served(server, kind, "good")
    content, _ = Fetcher(Search(cache=tmp_path, timeouts=PATIENCE), said.append).read(file)
    assert content == CONTENT
    assert said[1].startswith(f"cannot download {file.addresses[0]}: {BAD_ANSWERS[kind]}")
    assert os.listdir(tmp_path / "set") == ["it.dat.gz"]


@pytest.mark.parametrize(
    ("kind", "patience", "reason"),
    [
        ("silent", replace(PATIENCE, read=0.4), "it sent nothing for 0.4 seconds"),
        ("drip", replace(PATIENCE, whole=1.2), "it was not complete after 1.2 seconds"),
    ],
)
def test_an_answer_that_does_not_end_leads_to_the_next_mirror(server, tmp_path, kind, patience, reason):
    """Both mirrors are of this kind: another one might be too slow too, on a busy machine."""
    file = served(server, kind, kind)
    with pytest.raises(UnavailableError) as raised:
        Fetcher(Search(cache=tmp_path, timeouts=patience)).read(file)
    assert [reason in told for told in raised.value.reasons[-2:]] == [True, True]
    assert os.listdir(tmp_path / "set") == []


def test_when_all_mirrors_fail_every_one_is_named_and_nothing_is_left(server, tmp_path):
    shelf: Shelf[DataSet] = Shelf("data set")
    file = served(server, "missing", "wrong")
    shelf.add("far", DataSet(lambda contents: (None, None), (file,), (1, 1), (1,)), "a set that is far away")
    with pytest.raises(SnError) as raised:
        find(["far"], Search(cache=tmp_path, timeouts=PATIENCE), shelf=shelf)
    for part in (
        "data set far not found",
        f"not in the cache {tmp_path}",
        *file.addresses,
        "404 Not Found",
        file.sha256,
        f"put it.dat.gz in {tmp_path / 'set'} by hand",
        "(data digits)",
    ):
        assert part in message(raised)
    assert os.listdir(tmp_path / "set") == []


def test_the_second_choice_is_used_and_said(server, tmp_path):
    shelf: Shelf[DataSet] = Shelf("data set")
    split = Split(np.zeros((1, 2)), np.zeros(1, int))
    sets = {"first": served(server, "missing"), "second": served(server, "good")}
    for name, file in sets.items():
        shelf.add(name, DataSet(lambda contents: (split, split), (file,), (1, 1), (2,)), "a set")
    said: list[str] = []
    found = find(["first", "second"], Search(cache=tmp_path, timeouts=PATIENCE), said.append, shelf=shelf)
    assert found.rank == 1 and found.examples.name == "second"
    assert "data set first not found: no local copy of it.dat.gz, and all 1 mirrors failed" in said


def test_without_a_network_it_is_over_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    said: list[str] = []
    file = file_at(unused_address(), unused_address(), "http://third.invalid/it.dat.gz")
    tried: list[str] = []
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **options: tried.append(host) or look_up(host, *more, **options)
    )
    fetcher = Fetcher(Search(cache=tmp_path, timeouts=PATIENCE), said.append)
    for _ in range(2):
        with pytest.raises(UnavailableError) as raised:
            fetcher.read(file)
        assert set(tried) == {"127.0.0.1"}  # by the first of the two alone
        looked_up, tried[:] = len(tried), ["127.0.0.1"]
    assert looked_up == 1, "the second one asks nobody"
    assert [sentence for sentence in said if "no network: skipping" in sentence] == [said[4]]
    assert "third.invalid/it.dat.gz: skipped, there is no network" in raised.value.reasons[-1]


def test_offline_asks_nobody(server, tmp_path):
    with pytest.raises(UnavailableError, match="downloads are off"):
        Fetcher(Search(cache=tmp_path, online=False)).read(served(server, "good"))
    assert server.asked == []


@pytest.mark.parametrize("place", ["set/it.dat.gz", "set/it.dat", "it.dat.gz", "it.dat"])
def test_folders_of_the_user_come_first(server, tmp_path, place):
    folder = tmp_path / "mine"
    (folder / place).parent.mkdir(parents=True)
    (folder / place).write_bytes(PACKED if place.endswith("gz") else CONTENT)
    search = Search(data_dir=folder, cache=tmp_path / "cache")
    assert Fetcher(search).read(served(server, "good")) == (CONTENT, folder / place)
    assert Fetcher(search).locate(served(server, "good")) == folder / place
    assert server.asked == [] and not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "damage",
    [
        PACKED[:-2000],
        CONTENT[:-1],
        CONTENT[:-1] + b"?",
        gzip.compress(CONTENT + b"?"),
        PACKED[:50] + b"????" + PACKED[54:],
        b"",
    ],
)
def test_a_damaged_file_of_the_user_is_an_error_and_one_in_the_cache_is_fetched_anew(server, tmp_path, damage):
    place = tmp_path / "set" / "it.dat.gz"
    place.parent.mkdir()
    place.write_bytes(damage)
    file, said = served(server, "good"), []
    with pytest.raises(SnError) as raised:
        Fetcher(Search(environment=tmp_path, cache=tmp_path / "cache", timeouts=PATIENCE)).read(file)
    for part in (f"{place} is not the file of the data set, or is damaged: ", str(len(CONTENT)), "your own data"):
        assert part in message(raised)
    assert "remove" not in message(raised)  # it may be the user's own work
    assert place.read_bytes() == damage and server.asked == []
    content, found = Fetcher(Search(cache=tmp_path, timeouts=PATIENCE), said.append).read(file)
    assert (content, found) == (CONTENT, place) and "in the cache is damaged, downloading it again" in said[0]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SnError, match="--data-dir is .*no such folder"):
        find(["digits"], Search(data_dir=tmp_path / "gone", online=False))


def test_a_folder_that_cannot_be_searched_is_an_error(server, tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(SnError, match=f"{tmp_path} cannot be searched for it.dat.gz: Permission denied"):
        Fetcher(Search(environment=tmp_path, cache=tmp_path / "cache")).read(served(server, "good"))


def test_a_cache_that_cannot_be_written_is_an_error(server, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder belongs")
    with pytest.raises(SnError, match="cannot be written") as raised:
        Fetcher(Search(cache=tmp_path / "cache", timeouts=PATIENCE)).read(served(server, "good"))
    assert "SNSIM_CACHE" in message(raised)


def test_the_environment_chooses_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("SNSIM_DATA", str(tmp_path))
    search = Search.usual(data_dir="~/d")
    assert (search.cache, search.environment, search.data_dir) == (tmp_path / "c", tmp_path, Path.home() / "d")


def test_a_user_without_a_home_has_to_name_a_cache(monkeypatch):
    for name in ("SNSIM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # so it ends where no home folder is known
    with pytest.raises(SnError, match="no cache folder") as raised:
        Search.usual()
    assert "name a folder with the variable SNSIM_CACHE" in message(raised)


def test_progress_is_drawn_and_wiped(server, tmp_path):
    port = StringIO()
    Fetcher(Search(cache=tmp_path, timeouts=PATIENCE), progress=ProgressBar(port)).read(served(server, "good"))
    drawn = port.getvalue().split("\r")
    assert drawn[-1] == "" and drawn[-2].strip() == "" and "100%" in drawn[-3] and "it.dat.gz" in drawn[-3]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no modes of POSIX here")
def test_a_cache_that_others_can_change_is_neither_read_nor_written(server, tmp_path):
    cache, said = tmp_path / "cache", []
    cache.mkdir()
    (cache / "it.dat").write_bytes(CONTENT)
    cache.chmod(0o777)
    content, place = Fetcher(Search(cache=cache, timeouts=PATIENCE), said.append).read(served(server, "good"))
    assert content == CONTENT and not place.is_relative_to(cache) and place.name == "it.dat.gz"
    assert f"the cache is not used: {cache} can be written by others (mode 777)" in said[0]
    assert [path.name for path in cache.iterdir()] == ["it.dat"] and len(server.asked) == 1


def test_a_set_of_the_catalogue_may_name_its_classes(tmp_path, monkeypatch):
    """As many as it has, and they stand in the description of the set and in the confusion table of a run."""

    def fruits(contents):
        """Three kinds of fruit."""
        inputs, labels = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]]), np.arange(3)
        return Split(inputs, labels), Split(inputs, labels)

    monkeypatch.setattr(DATA_SETS, "_entries", dict(DATA_SETS._entries))
    names = ("apple", "pear", "Plum")
    DATA_SETS.add("fruits", DataSet(fruits, (), (3, 3), (2,), 3, names), "Three kinds of fruit.")
    file = tmp_path / "n.sn"
    file.write_text(
        "(net n (layer input 2) (layer output 3) (connect input output (full)))"
        "(train n (data fruits) (epsilon 0.1) (passes 1))"
    )
    assert "class  apple  pear  Plum" in snsim("data", "fruits")[1]
    assert snsim("run", file, "--quiet", "--out", tmp_path)[0] == 0
    rows = snsim("plot", "confusion", tmp_path / "n", "--text")[1].strip().split("\n")[-3:]
    assert tuple(row.split()[0] for row in rows) == names


def test_every_set_without_downloads_is_described_and_may_lack_a_test_part(tmp_path, monkeypatch):
    """All that is computed or comes with snsim, and one whose sizes (N, 0) say that nothing is kept for testing."""

    def dots(contents):
        """Four corners of a square."""
        assert contents == {}
        corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        return Split(corners, np.array([0, 1, 1, 0])), Split(corners[:0], np.zeros(0, int))

    monkeypatch.setattr(DATA_SETS, "_entries", dict(DATA_SETS._entries))
    DATA_SETS.add("dots", DataSet(dots, (), (4, 0), (2,), 2), "Four corners of a square.")
    DATA_SETS.add("fewer", DataSet(dots, (), (3, 0), (2,), 2), "Three of them.")
    for entry in DATA_SETS:
        if entry.name != "fewer" and all(file.package for file in entry.value.files):
            code, out, err = snsim("data", entry.name, "--offline")
            assert code == 0 and entry.doc.split()[0] in out, err
    rows = {line.split()[0]: line.split() for line in snsim("data", "dots")[1].splitlines() if line.strip()}
    assert "test" not in rows and rows["train"][1:3] == ["2", "2"]  # the last table: patterns of each class
    assert [line.split() for line in snsim("data")[1].splitlines() if line.startswith("dots")] == [
        ["dots", "4", "0", "2", "computed"]
    ]
    code, _, err = snsim("data", "fewer")
    assert code == 1 and "has 4 train and 0 test patterns, expected 3 and 0" in err
    assert "hint: the set is computed: state the sizes (4, 0) where fewer is declared" in err
    file = tmp_path / "n.sn"
    file.write_text(
        "(net n (layer input 2) (layer output 2) (connect input output (full)))"
        "(train n (data dots) (epsilon 0.1) (passes 1))"
    )
    code, _, err = snsim("run", file, "--quiet", "--out", tmp_path)
    assert code == 0, err
    assert json.loads((tmp_path / "n" / "passes.jsonl").read_text().splitlines()[-1])["test"] is None
