"""Codebooks: matrices of words, one per row, each with a whole number as its label.

See docs/reference/sn28.md, section 5.

A codebook can be indexed like its matrix: `(cb i j)` is an element. `codebook-split` returns codebooks that share the
words but have their own labels; `codebook-merge` and `codebook-select` return copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import index_matrix, put
from snsim.language.forms import NIL, Form, make_list
from snsim.language.procedures import ABSENT, CallError, Procedure
from snsim.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LARGEST_LABEL = 1_000_000
_MOST_WORDS, _MOST_NUMBERS = 10_000_000, 100_000  # per codebook, and per word


@dataclass(frozen=True, eq=False)
class Codebook(Procedure):
    """A codebook: `words`, shape (words, width), float32, and `labels`, shape (words,), int64."""

    words: np.ndarray
    labels: np.ndarray
    name: str = field(default="CODEBOOK", init=False)

    @classmethod
    def unlabelled(cls, words: np.ndarray) -> Codebook:
        """Return a codebook that shares these words, with all labels 0."""
        return cls(words, np.zeros(len(words), np.int64))

    def __len__(self) -> int:
        return len(self.words)

    @property
    def width(self) -> int:
        """The number of numbers in a word."""
        return int(self.words.shape[1])

    def classes(self) -> list[int]:
        """Return the different labels in ascending order."""
        return [int(label) for label in np.unique(self.labels)]

    def class_count(self) -> int:
        """Return one more than the largest label, or 0 for no words."""
        return int(self.labels.max()) + 1 if len(self) else 0

    def slice(self, first: int, end: int) -> Codebook:
        """Return the words from `first` up to but not including `end`: shared words, copied labels."""
        return Codebook(self.words[first:end], self.labels[first:end].copy())

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return index_matrix(interpreter, self.words, arguments)

    def __str__(self) -> str:
        return f"::CODEBOOK:{len(self)}x{self.width}"


def expect_codebook(interpreter: Interpreter, name: str, x: Form, argument: int = 0) -> Codebook:
    """Return x if it is a codebook. Raise CallError if it is not."""
    if isinstance(x, Codebook):
        return x
    raise CallError(
        f"{name}: expected a codebook, got {interpreter.describe(x)}",
        argument,
        "make one with (new-codebook words width), or load one with (load-codebook file)",
    )


def expect_two_codebooks(
    interpreter: Interpreter, name: str, data: Form, references: Form, arguments: tuple[int, int] = (0, 1)
) -> tuple[Codebook, Codebook]:
    """Return two codebooks whose words have the same width. Raise CallError otherwise.

    `arguments` are the numbers of the two arguments in the call.
    """
    one = expect_codebook(interpreter, name, data, arguments[0])
    other = expect_codebook(interpreter, name, references, arguments[1])
    if one.width != other.width:
        raise CallError(
            f"{name}: the words of the codebooks have {one.width} and {other.width} numbers",
            arguments[1],
            f"write a second codebook of {one.width} numbers per word: (new-codebook words {one.width})",
        )
    return one, other


def word_index(name: str, book: Codebook, i: Form, argument: int = 1) -> int:
    """Return the index of a word, from 0. Raise CallError if there is no such word."""
    index = whole(name, i, argument)
    if not 0 <= index < len(book):
        raise CallError(
            f"{name}: no word {index}: the codebook has {len(book)} words",
            argument,
            f"write 0 to {len(book) - 1}" if len(book) else "write a codebook with words: (new-codebook words width)",
        )
    return index


def merge_codebooks(name: str, books: list[Codebook]) -> Codebook:
    """Return a copy of all words and labels of some codebooks, in order. Raise CallError if their widths differ."""
    widths = {book.width for book in books}
    if len(widths) > 1:
        raise CallError(
            f"{name}: the words of the codebooks have {' and '.join(map(str, sorted(widths)))} numbers",
            None,
            "write codebooks whose words have the same width: (new-codebook words width)",
        )
    return Codebook(np.concatenate([book.words for book in books]), np.concatenate([book.labels for book in books]))


def make_codebook(interpreter: Interpreter, name: str, words: int, width: int) -> Codebook:
    """Return a codebook of zeros. Raise CallError for a size out of range."""
    if not 0 <= words <= _MOST_WORDS or not 1 <= width <= _MOST_NUMBERS:
        raise CallError(
            f"{name}: a codebook cannot have {words} words of {width} numbers",
            None,
            f"write 0 to {_MOST_WORDS:,} words of 1 to {_MOST_NUMBERS:,} numbers, as in (new-codebook 100 16)",
        )
    interpreter.budget.make_matrix(words * width, name)
    return Codebook.unlabelled(np.zeros((words, width), np.float32))


@word("new-codebook")
def new_codebook(interpreter: Interpreter, words: Form, width: Form = ABSENT) -> Codebook:
    """(new-codebook n d): a codebook of n vectors of d zeros; (new-codebook m [labels]): the rows of m as its vectors

    The codebook shares the rows with the matrix m. All labels are 0 unless they are given.
    """
    if not isinstance(words, np.ndarray):
        if width is ABSENT:
            raise CallError("new-codebook takes a matrix or two numbers", 0, "write (new-codebook words width)")
        return make_codebook(interpreter, "new-codebook", whole("new-codebook", words), whole("new-codebook", width, 1))
    if words.dtype != np.float32 or words.ndim != 2:
        raise CallError(
            f"new-codebook: expected 2 dimensions in single precision, got {words.ndim} of type {words.dtype}",
            0,
            "make the matrix with (float-matrix n d), or copy it into one with copy-matrix",
        )
    book = Codebook.unlabelled(words)
    if width is not ABSENT:
        labels = width
        if not isinstance(labels, np.ndarray) or labels.dtype == object or labels.shape != (len(book),):
            raise CallError(
                f"new-codebook: expected a matrix of {len(book)} labels, one for each word",
                1,
                f"make it with (int-matrix {len(book)})",
            )
        book.labels[:] = [_label("new-codebook", float(x), 1) for x in labels.tolist()]
    return book


@word("codebookp")
def codebookp(interpreter: Interpreter, x: Form) -> Form:
    """(codebookp x): x if it is a codebook, else ()"""
    return x if isinstance(x, Codebook) else NIL


@word("codebook-word")
def codebook_word(interpreter: Interpreter, cb: Form, i: Form = ABSENT, value: Form = ABSENT) -> np.ndarray:
    """(codebook-word cb): the matrix of all vectors of a codebook; (codebook-word cb i [v]): vector i; v sets it

    Both share their numbers with the codebook. Vectors count from 0.
    """
    book = expect_codebook(interpreter, "codebook-word", cb)
    if i is ABSENT:
        return book.words
    row: np.ndarray = book.words[word_index("codebook-word", book, i)]
    if value is not ABSENT:
        put(row, expect_vector(interpreter, "codebook-word", value, book, 2).astype(np.float64))
    return row


@word("codebook-label", makes=True)
def codebook_label(interpreter: Interpreter, cb: Form, i: Form = ABSENT, label: Form = ABSENT) -> Form:
    """(codebook-label cb): a vector of all labels of cb; (codebook-label cb i [l]): the label of vector i; l sets it"""
    book = expect_codebook(interpreter, "codebook-label", cb)
    if i is ABSENT:
        return book.labels.astype(np.int32)
    index = word_index("codebook-label", book, i)
    if label is not ABSENT:
        book.labels[index] = _label("codebook-label", label, 2)
    return float(book.labels[index])


def _label(name: str, x: Form, argument: int) -> int:
    label = whole(name, x, argument)
    if not 0 <= label <= _LARGEST_LABEL:
        raise CallError(
            f"{name}: a label is a whole number from 0 to {_LARGEST_LABEL:,}, not {label}",
            argument,
            "count the labels from 0",
        )
    return label


@word("codebook-labels")
def codebook_labels(interpreter: Interpreter, cb: Form) -> Form:
    """(codebook-labels cb): a list of the different labels of a codebook, in ascending order"""
    return make_list(float(label) for label in expect_codebook(interpreter, "codebook-labels", cb).classes())


@word("codebook-split")
def codebook_split(interpreter: Interpreter, cb: Form, a: Form, b: Form) -> Codebook:
    """(codebook-split cb a b): a codebook of the vectors a to b of cb, both included, counted from 0

    It shares the vectors with cb, and copies the labels.
    """
    book = expect_codebook(interpreter, "codebook-split", cb)
    first, last = word_index("codebook-split", book, a, 1), word_index("codebook-split", book, b, 2)
    if first > last:
        raise CallError(
            f"codebook-split: the first word, {first}, comes after the last word, {last}",
            1,
            f"write the smaller number first: (codebook-split cb {last} {first})",
        )
    return book.slice(first, last + 1)


@word("codebook-merge")
def codebook_merge(interpreter: Interpreter, *books: Form) -> Codebook:
    """(codebook-merge cb...): a new codebook with copies of all vectors and labels of the codebooks, in order"""
    if not books:
        raise CallError("codebook-merge takes one or more codebooks; none given", None, "write (codebook-merge cb...)")
    parts = [expect_codebook(interpreter, "codebook-merge", book, i) for i, book in enumerate(books)]
    interpreter.budget.make_matrix(sum(book.words.size for book in parts), "codebook-merge")
    return merge_codebooks("codebook-merge", parts)


@word("codebook-select")
def codebook_select(interpreter: Interpreter, predicate: Form, *books: Form) -> Codebook:
    """(codebook-select f cb...): a new codebook with copies of the vectors for whose label (f label) is not ()"""
    if not books:
        raise CallError(
            "codebook-select takes a function and one or more codebooks; none given",
            None,
            "write (codebook-select f cb...)",
        )
    whole_book = merge_codebooks(
        "codebook-select", [expect_codebook(interpreter, "codebook-select", book, i) for i, book in enumerate(books, 1)]
    )
    is_selected = [interpreter.apply(predicate, [float(label)]) is not NIL for label in whole_book.labels.tolist()]
    chosen = np.array(is_selected, bool)
    interpreter.budget.make_matrix(int(chosen.sum()) * whole_book.width, "codebook-select")
    return Codebook(whole_book.words[chosen], whole_book.labels[chosen])


@word("codebook-to-patdes")
def codebook_to_patdes(interpreter: Interpreter, cb: Form) -> Form:
    """(codebook-to-patdes cb): a list of two matrices: the vectors, and the targets

    The matrix of vectors is shared with the codebook. A row of targets has +1 in the column of the label and -1
    elsewhere.
    """
    book = expect_codebook(interpreter, "codebook-to-patdes", cb)
    interpreter.budget.make_matrix(len(book) * book.class_count(), "codebook-to-patdes")
    desired = np.full((len(book), book.class_count()), -1.0)
    desired[np.arange(len(book)), book.labels] = 1.0
    return make_list([book.words, desired])


@word("patdes-to-codebook")
def patdes_to_codebook(interpreter: Interpreter, patterns: Form, desired: Form) -> Codebook:
    """(patdes-to-codebook p d): a codebook of the rows of p, labelled by the rows of the targets d

    It shares its vectors with p. A label is the column of the largest target in the same row of d.
    """
    book = new_codebook(interpreter, patterns)
    if not isinstance(desired, np.ndarray) or desired.dtype == object or desired.ndim != 2 or len(desired) != len(book):
        raise CallError(
            f"patdes-to-codebook: expected a matrix of targets with {len(book)} rows, one for each word",
            1,
            f"make it with (matrix {len(book)} 10), for 10 classes",
        )
    book.labels[:] = desired.argmax(axis=1)
    return book


def expect_vector(interpreter: Interpreter, name: str, x: Form, book: Codebook, argument: int = 0) -> np.ndarray:
    """Return x as a float32 vector of the width of a codebook's words. Raise CallError if it is not such a vector."""
    if not isinstance(x, np.ndarray) or x.dtype == object or x.shape != (book.width,):
        raise CallError(
            f"{name}: expected a vector of {book.width} numbers, like the words, got {interpreter.describe(x)}",
            argument,
            f"make it with (float-matrix {book.width}), or use a word: (codebook-word cb 0)",
        )
    with np.errstate(over="ignore"):
        return x.astype(np.float32)
