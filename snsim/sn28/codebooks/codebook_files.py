"""Read and write codebook files, text and binary (docs/reference/sn28.md, section 4.3). Their suffix is `.cb`.

A text file has the number of words and the numbers per word, then for each word a line of its numbers and a line with
its label. A binary file has the two sizes as int32, then for each word its numbers as float32 and its label as int32.
It is written little-endian and read in either byte order.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snsim.data.formats import read_numbers, within
from snsim.errors import SnError
from snsim.input_files import shown
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, symbol
from snsim.language.procedures import CallError
from snsim.runtime.file_lookup import ProgramFiles
from snsim.runtime.vocabulary import word
from snsim.sn28.codebooks.codebooks import Codebook, expect_codebook, make_codebook

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_SUFFIX = ".cb"
_IRIS = ("iris_train", "iris_test")
_HEADER = 8  # bytes


@word("load-codebook")
def load_codebook(interpreter: Interpreter, name: Form) -> Codebook:
    """(load-codebook file): returns a codebook, read from a binary file"""
    path = interpreter.part(ProgramFiles).readable_path(text("load-codebook", name), _SUFFIX)
    content = interpreter.part(ProgramFiles).read(path)
    for order in ("<", ">"):
        sizes = np.frombuffer(content[:_HEADER], order + "i4").tolist() if len(content) >= _HEADER else [0, 0]
        if min(sizes) >= 1 and len(content) == _HEADER + sizes[0] * (4 * sizes[1] + 4):
            record = np.dtype([("word", order + "f4", (sizes[1],)), ("label", order + "i4")])
            items = np.frombuffer(content[_HEADER:], record)
            if not np.isfinite(items["word"]).all():
                raise CallError(f"{path} contains a number that is not finite", 0, "save it again with save-codebook")
            book = make_codebook(interpreter, "load-codebook", *sizes)
            book.words[:] = items["word"]
            return _with_labels(book, items["label"].astype(np.int64), path)
    hint = (
        "load a text file with (load-ascii-codebook file)"
        if content[:1].isdigit()
        else "save it again with save-codebook"
    )
    raise CallError(
        f"{path} is not a binary codebook: its size of {len(content):,} bytes does not match its header", 0, hint
    )


@word("load-ascii-codebook")
def load_ascii_codebook(interpreter: Interpreter, name: Form) -> Codebook:
    """(load-ascii-codebook file): returns a codebook, read from a text file"""
    return _read_text(interpreter, "load-ascii-codebook", text("load-ascii-codebook", name))


def _read_text(interpreter: Interpreter, word_name: str, name: str) -> Codebook:
    path = interpreter.part(ProgramFiles).readable_path(name, _SUFFIX)
    try:
        numbers = within(read_numbers(interpreter.part(ProgramFiles).read(path), shown(path)), np.float32, shown(path))
    except SnError as error:
        raise CallError(
            f"{path} is not a text codebook: {error.faults[0].message}",
            0,
            "load a binary file with (load-codebook file)",
        ) from None
    words, width = (int(x) for x in numbers[:2].tolist()) if len(numbers) >= 2 else (0, 0)
    if words < 1 or width < 1:
        raise CallError(
            f"{path} is not a text codebook: it does not start with two sizes of 1 or more",
            0,
            "load a binary file with (load-codebook file), or save it again with (save-ascii-codebook codebook file)",
        )
    if len(numbers) < 2 + words * (width + 1):
        raise CallError(
            f"{path} ends early: {words} words of {width} numbers and a label need "
            f"{words * (width + 1):,} numbers, but it has {len(numbers) - 2:,}",
            0,
            "the file is cut off: save it again with (save-ascii-codebook codebook file)",
        )
    rows = numbers[2 : 2 + words * (width + 1)].reshape(words, width + 1)
    if (numbers[:2] % 1).any() or (rows[:, -1] % 1).any() or (np.abs(rows[:, -1]) > 2**31).any():
        raise CallError(
            f"{path} is not a text codebook: its sizes and labels are not all whole numbers below 2**31",
            0,
            "save it again with (save-ascii-codebook codebook file)",
        )
    book = make_codebook(interpreter, word_name, words, width)
    book.words[:] = rows[:, :-1]
    return _with_labels(book, rows[:, -1].astype(np.int64), path)


def _with_labels(book: Codebook, labels: np.ndarray, path: Path) -> Codebook:
    if labels.min() < 0:
        raise CallError(
            f"{path}: word {int(labels.argmin())} has the negative label {int(labels.min())}",
            0,
            "count the labels from 0, and save the file again",
        )
    book.labels[:] = labels
    return book


@word("save-codebook")
def save_codebook(interpreter: Interpreter, cb: Form, name: Form) -> Form:
    """(save-codebook cb file): writes a codebook to a binary file in the run folder; returns ()"""
    book = expect_codebook(interpreter, "save-codebook", cb)
    items = np.empty(len(book), [("word", "<f4", (book.width,)), ("label", "<i4")])
    items["word"], items["label"] = book.words, book.labels
    header = np.array([len(book), book.width], "<i4").tobytes()
    _write(interpreter, text("save-codebook", name, 1), header + items.tobytes())
    return NIL


@word("save-ascii-codebook")
def save_ascii_codebook(interpreter: Interpreter, cb: Form, name: Form) -> Form:
    """(save-ascii-codebook cb file): writes a codebook to a text file in the run folder, with 6 decimals; returns ()"""
    book = expect_codebook(interpreter, "save-ascii-codebook", cb)
    lines = [str(len(book)), str(book.width)]
    for numbers, label in zip(book.words.tolist(), book.labels.tolist()):
        lines += ["".join(f"{x:.6f}  " for x in numbers), str(label)]
    _write(interpreter, text("save-ascii-codebook", name, 1), ("\n".join(lines) + "\n").encode())
    return NIL


def _write(interpreter: Interpreter, name: str, content: bytes) -> None:
    files = interpreter.part(ProgramFiles)
    files.write(files.writable_path(name, _SUFFIX, argument=1), content, 1)


@word("load-iris")
def load_iris(interpreter: Interpreter) -> Codebook:
    """(load-iris): sets iris-a to a codebook of 100 training flowers, iris-t to one of 50 test flowers (Fisher 1936)"""
    train, test = (_read_text(interpreter, "load-iris", name) for name in _IRIS)
    interpreter.assign(symbol("iris-a"), train)
    interpreter.assign(symbol("iris-t"), test)
    return test
