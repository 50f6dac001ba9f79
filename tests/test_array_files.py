"""Files of arrays and patterns: each damage is a fault with numbers and a remedy, and no file takes much memory."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sn28_programs import printed

from snsim.array_files import open_arrays
from snsim.data.patterns import from_files, read_patterns
from snsim.errors import SnError, Source
from snsim.program import read_program
from snsim.training.initial_files import load_initial

NET = read_program(Source("<test>", "(net n (layer input 2) (layer output 3) (connect input output (full)))")).nets.get(
    "n"
)
ARRAYS = {"input-output.weight": np.arange(6.0).reshape(2, 3), "output.bias": np.array([1, -1, 0.5], np.float32)}


def npz(compress: bool = False, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_with(header: str, body: bytes = b"", length: int | None = None) -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header) if length is None else length) + header.encode() + body


def zip_of(method: int = zipfile.ZIP_STORED, **entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def tensors(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(begin: int, end: int, shape: list[int], kind: str = "F32", **more: object) -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end], **more}


def good_tensors() -> bytes:
    from safetensors.numpy import save

    return save(ARRAYS)


GOOD = {"npz": npz(**ARRAYS), "compressed": npz(True, **ARRAYS), "safetensors": good_tensors()}
BOMB = npz(True, big=np.zeros(50_000_000, np.uint8))  # 50 MB in 50 kB


def declared(**fields: int) -> bytes:
    """The good npz with other numbers in its directory of entries."""
    content = bytearray(GOOD["npz"])
    at = content.index(b"PK\1\2")
    for name, value in fields.items():
        struct.pack_into(
            "<I" if "size" in name else "<H",
            content,
            at + {"flag": 8, "method": 10, "compress_size": 20, "file_size": 24}[name],
            value,
        )
    return bytes(content)


DAMAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "neither an npz nor a safetensors file"),
    "a text": (b"no weights at all", "neither an npz nor a safetensors file"),
    "an npz cut short": (GOOD["npz"][:-30], "the end of the zip file is missing"),
    "only the magic of a zip": (b"PK\3\4" + b"\0" * 40, "the end of the zip file is missing"),
    "a zip with a text": (zip_of(readme__txt=b"hello"), "other things than arrays"),
    "an array that is none": (zip_of(a__npy=b"hello, this is text"), "an array begins with 68656c6c6f2c"),
    "objects": (zip_of(a__npy=npy(np.array([{}], object))), "objects of Python, which are never read"),
    "a structure": (zip_of(a__npy=npy(np.zeros(2, [("x", "f4")]))), "does not state type, order and shape"),
    "texts": (npz(a=np.array(["one"])), 'the type "<U3"'),
    "a header of code": (zip_of(a__npy=npy_with("{'descr': __import__('os').system('true')}")), "does not state type"),
    "a header that is too long": (
        zip_of(a__npy=b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1) + b"{}"),
        "claims 4,294,967,295 bytes, at most 10,000",
    ),
    "a header cut short": (zip_of(a__npy=npy_with("{}", length=500)), "ends in the header of an array, after 2 of 500"),
    "an array cut short": (zip_of(a__npy=npy(np.zeros(9))[:-8]), "has 192 bytes, its 9 elements of 8 bytes take 200"),
    "an array that claims more": (
        zip_of(a__npy=npy_with("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000)}", b"12345678")),
        "its 1000000 x 1000000 elements of 8 bytes take 8,000,000,000,0",
    ),
    "a bomb": (BOMB, "names no parameter of net n"),
    "a claim of terabytes": (declared(file_size=2**32 - 2), "has 4,294,967,294 bytes, compressed to"),
    "encrypted": (declared(flag=1), "is encrypted"),
    "an unknown method": (declared(method=12), "is compressed by method 12"),
    "a bit of an element": (GOOD["npz"].replace(np.float64(5).tobytes(), np.float64(6).tobytes()), "Bad CRC-32"),
    "one array": (npy(np.zeros(3)), "one array without a name"),
    "more JSON than file": (tensors({}, length=2**40), "header claims 1,099,511,627,776 bytes, and 2 follow"),
    "no JSON": (tensors(b"{not JSON}"), "its header is not JSON"),
    "deep JSON": (tensors(b'{"a":' * 150_000 + b"}" * 150_000), "header"),
    "a name twice": (tensors(b'{"a":1,"a":2}'), "a name occurs twice in it"),
    "no entry": (tensors({"a": [1]}), "must have a dtype, a shape and data_offsets"),
    "an unknown type": (tensors({"a": entry(0, 2, [1], "BF16")}, b"12"), "has the type BF16, expected one of F16"),
    "a size below 0": (tensors({"a": entry(0, 4, [-1])}, b"1234"), "is not a list of at most 32 sizes"),
    "a size beyond numbers": (tensors({"a": entry(0, 4, [2**70])}, b"1234"), "is not a list of at most 32 sizes"),
    "a place outside": (tensors({"a": entry(0, 400, [100])}, b"1234"), "its header and arrays take 4"),
    "a place too short": (tensors({"a": entry(0, 4, [2])}, b"1234"), "its 2 elements of 4 bytes take 8"),
    "an overlap": (tensors({"a": entry(0, 4, [1]), "b": entry(0, 4, [1])}, b"1234"), "begins at byte 0, expected 4"),
    "a gap": (tensors({"a": entry(4, 8, [1])}, b"12345678"), "begins at byte 4, expected 0"),
    "more than the arrays": (GOOD["safetensors"] + b"?", "bytes, its header and arrays take"),
    "another shape": (npz(**{**ARRAYS, "output.bias": np.zeros(4)}), '"output.bias" in .* is 4, output.bias is 3'),
    "turned": (npz(**{**ARRAYS, "input-output.weight": np.zeros((3, 2))}), "transpose"),
    "truths": (npz(**{**ARRAYS, "output.bias": np.zeros(3, bool)}), "holds bool, not numbers"),
    "nan": (npz(**{**ARRAYS, "output.bias": np.array([0, np.nan, 0])}), "1 of 3 numbers that are not finite, .* at 1"),
    "beyond float32": (
        npz(**{**ARRAYS, "output.bias": np.array([0, 1e300, 0])}),
        "1 is 1e\\+300, too large for float32",
    ),
    "far too large": (b"PK" + bytes(3_000_000), "has 3,000,002 bytes; the limit for a file of the 9 weights of n is"),
}


def peak(action: Callable[[], object]) -> int:
    """The most bytes that Python and NumPy held at once."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", GOOD)
def test_good_files_are_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "w").write_bytes(GOOD[content])
    read = load_initial(tmp_path / "w", NET)
    assert {name: array.tolist() for name, array in read.items()} == {
        name.replace("-", "_"): array.tolist() for name, array in ARRAYS.items()
    }


def test_arrays_of_every_order_and_type_are_read(tmp_path: Path) -> None:
    arrays = {
        "columns": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        "one": np.array(3.5),
        "none": np.zeros((0, 4)),
        "half": np.ones(3, np.float16),
    }
    (tmp_path / "a.npz").write_bytes(npz(**arrays))
    with open_arrays(tmp_path / "a.npz", 10_000) as file:
        for name, array in arrays.items():
            assert file.headers[name].shape == array.shape and np.array_equal(file.read(name), array)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_initial_weights_are_told_with_a_remedy(tmp_path: Path, damage: str) -> None:
    content, sentence = DAMAGES[damage]
    (tmp_path / "w").write_bytes(content)
    raised: list[pytest.ExceptionInfo[SnError]] = []

    def load() -> None:
        with pytest.raises(SnError, match=sentence) as caught:
            load_initial(tmp_path / "w", NET, dtype=np.float32)
        raised.append(caught)

    assert peak(load) < 20_000_000 + 10 * len(content)
    for fault in raised[0].value.faults:
        assert fault.hint and "w" in fault.message and len(fault.message) < 500


# ---- Patterns ----------------------------------------------------------------------------------------------------


def idx(shape: tuple[int, ...], body: bytes, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + body


def test_patterns_of_every_format_are_the_same(tmp_path: Path) -> None:
    table = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
    rows = "-1 -1\n1 -1\n1 1\n-1 1\n"
    for content in (
        rows,
        rows.strip(),
        "\ufeff" + rows,
        rows.replace("\n", "\r\n"),
        rows.replace("\n", "\r"),
        rows.replace(" ", ","),
        rows.replace(" ", ";"),
        rows.replace(" ", "\t"),
        "# two inputs\n\n" + rows,
        ".MAT 2 4 2\n" + rows,
        "\ufeff.MAT 2 4 2\r\n" + rows,
        npy(np.array(table)),
        npy(np.array(table, ">f4")),
        gzip.compress(idx((4, 2), np.array(table, ">i1").tobytes(), 9)),
    ):
        (tmp_path / "x").write_bytes(content.encode() if isinstance(content, str) else content)
        assert read_patterns(tmp_path / "x").tolist() == table, content


def test_own_pictures_and_labels_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx((3, 1, 2), bytes([0, 255, 51, 204, 255, 0]))))
    (tmp_path / "y").write_bytes(idx((3,), bytes([2, 0, 1])))
    examples = from_files(tmp_path / "x.gz", tmp_path / "y")
    assert examples.classes == 3 and examples.train.labels is not None and examples.train.labels.tolist() == [2, 0, 1]
    assert np.allclose(examples.train.inputs[:, 0], [[-1, 1], [-0.6, 0.6], [1, -1]])


WRONG_PATTERNS: dict[str, tuple[bytes, str, str]] = {  # content, message, hint
    "decimal comma": (b".MAT 2 2 1\n1,0\n-1", 'word 1 is "1,0"', "line 2 of the file: write it with a point"),
    "underscore": (b".MAT 1 2\n1\n1_0", 'word 2 is "1_0"', "line 3 of the file: leave the _ out"),
    "hexadecimal": (b"1 2\n0x1 2\n", 'word 3 is "0x1"', "line 2 of the file: write it in decimals"),
    "power by d": (b"1d0\n", 'word 1 is "1d0"', "line 1 of the file: write the power of ten with e"),
    "another minus": ("\u22121 2\n".encode(), 'word 1 is "\u22121"', "hyphen"),
    "headings": (b"width,height\n1,2\n", 'word 1 is "width"', "line 1 of the file: leave names"),
    "rows of other lengths": (b"1 2\n\n3\n", "line 3 has 1 numbers, line 1 has 2", "one pattern a line"),
    "nothing": (b"# nothing\n\n", "holds no numbers", "one pattern a line"),
    "inf": (b"1\n1e999\n", "number 2 of 2 is inf", "beyond 1.8e308"),
    "nan": (b"1\nnan\n", "number 2 of 2 is nan", "replace"),
    "zero bytes": (b"1\0002\n", "not an SN matrix", "a text matrix is .MAT"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(60), "is a picture (PNG)", "numpy.save"),
    "UTF-16": ("1 2\n".encode("utf-16"), "is a text in UTF-16", "iconv"),
    "SNNS": (b"SNNS pattern definition file V3.2\n", "a file of patterns of SNNS", '(patterns "INPUTS" "OUTPUTS")'),
    "a pickle": (b"\x80\4\x95\0\0", "a pickle of Python", "can run code"),
    "npz": (GOOD["npz"], "is a zip file", "numpy.save"),
    "npy of objects": (npy(np.array([{}], object)), "never read", "float32"),
    "npy cut short": (npy(np.zeros(9))[:-8], "has 192 bytes, 9 elements of 8 bytes take 200", "numpy.save"),
    "npy that claims more": (
        npy_with("{'descr':'<f8','fortran_order':False,'shape':(9999999999,)}"),
        "9999999999 elements of 8 bytes take 80,000,000,061",
        "numpy.save",
    ),
    "idx that claims more": (idx((60000, 28, 28), b"few"), "its header claims 47040016", "damaged"),
    "a gz bomb": (gzip.compress(idx((2, 2), bytes(30_000_000))), "expected 16", "damaged"),
    "gz that claims more": (gzip.compress(idx((60000, 280, 280), b"few")), "its header claims 4704000016", "damaged"),
    "gz too large": (gzip.compress(idx((300, 1000, 1000), bytes(300_000_000)), 1), "may hold 256,000,000", "split"),
    "gz cut short": (gzip.compress(idx((2, 2), b"1234"))[:-12], "expected 16", "damaged"),
    "gz of something": (gzip.compress(b"some text"), "not an idx file", "00000803"),
    "damaged gz": (b"\x1f\x8b\x08\0\0\0\0\0\0\0" + b"\xff" * 9, "a damaged gzip file", "again"),
    "one long line": (b"1 " * 9_000_000, "is longer than 16,777,216 bytes", "one pattern a line"),
    "one long word": (b".MAT 1 9 " + b"1" * 3_000_000 + b" 2" * 9, "number 1 of 9 is inf", "beyond 1.8e308"),
    "sizes of no file": (b".MAT 2 99999999 99999999 1", "claims 99999999 x 99999999 elements", "split"),
}


@pytest.mark.parametrize("name", WRONG_PATTERNS)
def test_wrong_patterns_are_told_with_a_remedy(tmp_path: Path, name: str) -> None:
    content, sentence, hint = WRONG_PATTERNS[name]
    (tmp_path / "x").write_bytes(content)
    faults = []

    def read() -> None:
        with pytest.raises(SnError) as caught:
            read_patterns(tmp_path / "x")
        faults.extend(caught.value.faults)

    assert peak(read) < 30_000_000 + 4 * len(content)
    assert sentence in faults[0].message and hint in faults[0].hint and len(faults[0].message) < 500


def test_a_text_takes_the_memory_of_its_numbers(tmp_path: Path) -> None:
    """A text matrix took 46 times its size."""
    count = 500_000
    (tmp_path / "a").write_bytes(b".MAT 2 %d 2\n" % (count // 2) + b"-1 1\n" * (count // 2))
    (tmp_path / "b").write_bytes(b"-1 1\n" * (count // 2))
    for place in (tmp_path / "a", tmp_path / "b"):
        assert peak(partial(read_patterns, place)) < 8 * count + 16_000_000


# ---- Random damage -----------------------------------------------------------------------------------------------

KINDS = {
    **GOOD,
    "npy": npy(np.arange(12.0).reshape(3, 4)),
    "idx": idx((3, 4), bytes(range(12))),
    "idx.gz": gzip.compress(idx((3, 4), bytes(range(12))), mtime=0),
    "mat": b".MAT 2 3 4\n" + b"1.5 -2 3e1 4\n" * 3,
    "binary mat": struct.pack("<5i", 0x1E3D4C51, 2, 3, 4, 1) + np.arange(12, dtype="<f4").tobytes(),
    "rows": b"1.5,-2,3e1,4\n" * 3,
}


def read_twice(place: Path) -> None:
    """As inputs and as targets."""
    from_files(place, place)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(KINDS)), st.integers(0, 2**32), st.integers(0, 6), st.sampled_from(["keep", "cut", "add"])
)
def test_random_damage_yields_arrays_or_faults(tmp_path: Path, kind: str, seed: int, flips: int, end: str) -> None:
    draw = random.Random(seed)
    content = bytearray(KINDS[kind])
    for _ in range(flips):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    if end == "cut":
        del content[draw.randrange(len(content)) :]
    elif end == "add":
        content += draw.randbytes(draw.randrange(40))
    (tmp_path / "w").write_bytes(content)

    def read() -> None:
        warnings.simplefilter("error")
        for reader in (lambda path: load_initial(path, NET, dtype=np.float32), read_patterns, read_twice):
            try:
                reader(tmp_path / "w")
            except SnError as error:
                assert error.faults and all(fault.hint for fault in error.faults)

    with warnings.catch_warnings():
        assert peak(read) < 20_000_000


PROGRAMS = {  # of SN-2.8: what reads a file, and a good one
    '(load-matrix "f")': KINDS["binary mat"],
    '(load-array "f")': KINDS["mat"],
    '(load-matrix m "f")': KINDS["idx"],
    '(load-matrix "f") ': KINDS["npy"],
    '(load-matrix "f")  ': npz(codes=np.arange(6.0).reshape(2, 3)),
    '(import-text-matrix (matrix 3 4) "f")': KINDS["mat"][11:],
    '(import-raw-matrix (float-matrix 3) "f" 4)': b"1234" * 4,
    '(load-codebook "f")': struct.pack("<2i3fi3fi", 2, 3, 1, 2, 3, 0, 4, 5, 6, 1),
    '(load-ascii-codebook "f")': b"2\n3\n1 2 3\n0\n4 5 6\n1\n",
    '(new-code) (load-net "f")': struct.pack("<5i9f", 0x1E3D4C51, 1, 9, 1, 1, *range(9)),
    '(new-code) (load-net "f") ': struct.pack("<3i2if2if", 0x2D4F1C93, 5, 7, 1, 3, 0.5, 0, 4, -1.5),
    '(new-code) (merge-net "f" (append input hidden output))': b".WEI 5 7\n1 3 0.5\n0 4 -1.5\n",
}
XOR = """(libload "sn28/sn28ite") (alloc-net 20 50) (setq all (build-net '((input 2) (hidden 2) (output 1))
         '((input hidden) (hidden output))))"""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(PROGRAMS)), st.integers(0, 2**32), st.integers(0, 4), st.booleans())
def test_random_damage_of_files_of_sn28_is_told_with_a_place(
    tmp_path: Path, word: str, seed: int, flips: int, cut: bool
) -> None:
    draw = random.Random(seed)
    content = bytearray(PROGRAMS[word])
    for _ in range(flips):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    if cut:
        del content[draw.randrange(len(content)) :]
    text = word.replace("(new-code)", XOR)
    printed(XOR, tmp_path)  # what is loaded at the first call is not measured

    def run() -> None:
        warnings.simplefilter("error")
        try:
            printed(text, tmp_path, files={"f": bytes(content)})
        except SnError as error:
            assert flips or cut, error
            assert all(fault.span is not None for fault in error.faults)

    with warnings.catch_warnings():
        assert peak(run) < 40_000_000
