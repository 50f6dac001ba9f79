"""Codebooks: words of single precision, one a row, each with a whole number as its label.

See docs/reference/sn28.md, section 5.

A codebook stands for its matrix: `(cb i j)` is an element of it. Parts that `codebook-split` gives share the words and
have labels of their own; what `codebook-merge` and `codebook-select` give is copied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import index_matrix, put
from snsim.language.forms import NIL, Form, make_list
from snsim.language.procedures import ABSENT, CallError, Procedure
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LARGEST_LABEL = 1_000_000
_MOST_WORDS, _MOST_NUMBERS = 10_000_000, 100_000  # in a codebook, and in a word of it


@dataclass(frozen=True, eq=False)
class Codebook(Procedure):
    """`words`: float32, words × numbers. `labels`: int64, one a word."""

    words: np.ndarray
    labels: np.ndarray
    name: str = field(default="CODEBOOK", init=False)

    @classmethod
    def of(cls, words: np.ndarray) -> Codebook:
        """A codebook that shares these words; all labels are 0."""
        return cls(words, np.zeros(len(words), np.int64))

    def __len__(self) -> int:
        return len(self.words)

    @property
    def width(self) -> int:
        """Numbers in a word."""
        return int(self.words.shape[1])

    def classes(self) -> list[int]:
        """The labels there are, in order."""
        return [int(label) for label in np.unique(self.labels)]

    def class_count(self) -> int:
        """One more than the greatest label."""
        return int(self.labels.max()) + 1 if len(self) else 0

    def part(self, first: int, end: int) -> Codebook:
        """The words from `first` to before `end`, shared, with labels of their own."""
        return Codebook(self.words[first:end], self.labels[first:end].copy())

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return index_matrix(interpreter, self.words, arguments)

    def __str__(self) -> str:
        return f"::CODEBOOK:{len(self)}x{self.width}"


def codebook(interpreter: Interpreter, name: str, x: Form, argument: int = 0) -> Codebook:
    """x if it is a codebook, else CallError."""
    if isinstance(x, Codebook):
        return x
    raise CallError(
        f"{name}: {interpreter.describe(x)} is no codebook",
        argument,
        "(new-codebook words width) makes one, (load-codebook file) reads one",
    )


def two_codebooks(
    interpreter: Interpreter, name: str, data: Form, references: Form, arguments: tuple[int, int] = (0, 1)
) -> tuple[Codebook, Codebook]:
    """Two codebooks with words of one width, which stand in these places of a call; else CallError."""
    one = codebook(interpreter, name, data, arguments[0])
    other = codebook(interpreter, name, references, arguments[1])
    if one.width != other.width:
        raise CallError(
            f"{name}: words of {one.width} numbers and words of {other.width}",
            arguments[1],
            f"make the second one of {one.width} numbers a word: (new-codebook words {one.width})",
        )
    return one, other


def item(name: str, book: Codebook, i: Form, argument: int = 1) -> int:
    """The place of a word, from 0; CallError if there is none."""
    place = whole(name, i, argument)
    if not 0 <= place < len(book):
        raise CallError(
            f"{name}: the codebook has words 0 to {len(book) - 1}, not {place}",
            argument,
            f"write 0 to {len(book) - 1}" if len(book) else "give one with words: (new-codebook words width)",
        )
    return place


def merged(name: str, books: list[Codebook]) -> Codebook:
    """All words of some codebooks of one width, in order, copied with their labels."""
    widths = {book.width for book in books}
    if len(widths) > 1:
        raise CallError(
            f"{name}: words of {' and '.join(map(str, sorted(widths)))} numbers",
            None,
            "give codebooks of one width: (new-codebook words width) makes one",
        )
    return Codebook(np.concatenate([book.words for book in books]), np.concatenate([book.labels for book in books]))


def make_codebook(interpreter: Interpreter, name: str, words: int, width: int) -> Codebook:
    """A codebook of zeros; CallError for a size that is none."""
    if not 0 <= words <= _MOST_WORDS or not 1 <= width <= _MOST_NUMBERS:
        raise CallError(
            f"{name}: {words} words of {width} numbers; there are 0 to {_MOST_WORDS:,} of 1 to {_MOST_NUMBERS:,}",
            None,
            "write (new-codebook words width), such as (new-codebook 100 16)",
        )
    interpreter.budget.make_matrix(words * width, name)
    return Codebook.of(np.zeros((words, width), np.float32))


@word("new-codebook")
def new_codebook(interpreter: Interpreter, words: Form, width: Form = ABSENT) -> Codebook:
    """(new-codebook n d): n words of d zeros; (new-codebook m [labels]): the rows of a matrix, shared, with labels"""
    if not isinstance(words, np.ndarray):
        if width is ABSENT:
            raise CallError("new-codebook: a matrix or two numbers are wanted", 0, "write (new-codebook words width)")
        return make_codebook(interpreter, "new-codebook", whole("new-codebook", words), whole("new-codebook", width, 1))
    if words.dtype != np.float32 or words.ndim != 2:
        raise CallError(
            "new-codebook: a matrix of two dimensions in single precision is wanted",
            0,
            "make it by (float-matrix n d), or copy it into one with copy-matrix",
        )
    book = Codebook.of(words)
    if width is not ABSENT:
        labels = width
        if not isinstance(labels, np.ndarray) or labels.dtype == object or labels.shape != (len(book),):
            raise CallError(
                f"new-codebook: a matrix of {len(book)} labels is wanted, one for each word",
                1,
                f"make it by (int-matrix {len(book)})",
            )
        book.labels[:] = [_label("new-codebook", float(x), 1) for x in labels.tolist()]
    return book


@word("codebookp")
def codebookp(interpreter: Interpreter, x: Form) -> Form:
    """(codebookp x): x if it is a codebook, else ()"""
    return x if isinstance(x, Codebook) else NIL


@word("codebook-word")
def codebook_word(interpreter: Interpreter, cb: Form, i: Form = ABSENT, value: Form = ABSENT) -> np.ndarray:
    """(codebook-word cb): the matrix of the words; (codebook-word cb i [v]): word i, set to vector v; all shared"""
    book = codebook(interpreter, "codebook-word", cb)
    if i is ABSENT:
        return book.words
    row: np.ndarray = book.words[item("codebook-word", book, i)]
    if value is not ABSENT:
        put(row, vector(interpreter, "codebook-word", value, book, 2).astype(np.float64))
    return row


@word("codebook-label", makes=True)
def codebook_label(interpreter: Interpreter, cb: Form, i: Form = ABSENT, label: Form = ABSENT) -> Form:
    """(codebook-label cb): a matrix of all labels; (codebook-label cb i [l]): the label of word i, set to l"""
    book = codebook(interpreter, "codebook-label", cb)
    if i is ABSENT:
        return book.labels.astype(np.int32)
    place = item("codebook-label", book, i)
    if label is not ABSENT:
        book.labels[place] = _label("codebook-label", label, 2)
    return float(book.labels[place])


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
    """(codebook-labels cb): the labels there are, as a list in order"""
    return make_list(float(label) for label in codebook(interpreter, "codebook-labels", cb).classes())


@word("codebook-split")
def codebook_split(interpreter: Interpreter, cb: Form, a: Form, b: Form) -> Codebook:
    """(codebook-split cb a b): the words a to b, shared with the codebook; their labels are copies"""
    book = codebook(interpreter, "codebook-split", cb)
    first, last = item("codebook-split", book, a, 1), item("codebook-split", book, b, 2)
    if first > last:
        raise CallError(
            f"codebook-split: {first} comes behind {last}",
            1,
            f"write the smaller one first: (codebook-split cb {last} {first})",
        )
    return book.part(first, last + 1)


@word("codebook-merge")
def codebook_merge(interpreter: Interpreter, *books: Form) -> Codebook:
    """(codebook-merge cb...): a copy of all words, one codebook behind the other"""
    if not books:
        raise CallError("codebook-merge: a codebook is wanted")
    given = [codebook(interpreter, "codebook-merge", book, i) for i, book in enumerate(books)]
    interpreter.budget.make_matrix(sum(book.words.size for book in given), "codebook-merge")
    return merged("codebook-merge", given)


@word("codebook-select")
def codebook_select(interpreter: Interpreter, predicate: Form, *books: Form) -> Codebook:
    """(codebook-select f cb...): a copy of the words for whose label f is true"""
    if not books:
        raise CallError("codebook-select: a codebook is wanted behind the function")
    whole_book = merged(
        "codebook-select", [codebook(interpreter, "codebook-select", book, i) for i, book in enumerate(books, 1)]
    )
    kept = [interpreter.apply(predicate, [float(label)]) is not NIL for label in whole_book.labels.tolist()]
    chosen = np.array(kept, bool)
    interpreter.budget.make_matrix(int(chosen.sum()) * whole_book.width, "codebook-select")
    return Codebook(whole_book.words[chosen], whole_book.labels[chosen])


@word("codebook-to-patdes")
def codebook_to_patdes(interpreter: Interpreter, cb: Form) -> Form:
    """(codebook-to-patdes cb): the list of the matrix of words, shared, and one of targets, +1 in the label's column"""
    book = codebook(interpreter, "codebook-to-patdes", cb)
    interpreter.budget.make_matrix(len(book) * book.class_count(), "codebook-to-patdes")
    desired = np.full((len(book), book.class_count()), -1.0)
    desired[np.arange(len(book)), book.labels] = 1.0
    return make_list([book.words, desired])


@word("patdes-to-codebook")
def patdes_to_codebook(interpreter: Interpreter, patterns: Form, desired: Form) -> Codebook:
    """(patdes-to-codebook p d): the rows of p, shared; each label is the column of the greatest in the row of d"""
    book = new_codebook(interpreter, patterns)
    if not isinstance(desired, np.ndarray) or desired.dtype == object or desired.ndim != 2 or len(desired) != len(book):
        raise CallError(
            f"patdes-to-codebook: a matrix of {len(book)} rows of targets is wanted",
            1,
            f"give a row of targets for each of the {len(book)} words, such as (matrix {len(book)} 10)",
        )
    book.labels[:] = desired.argmax(axis=1)
    return book


def vector(interpreter: Interpreter, name: str, x: Form, book: Codebook, argument: int = 0) -> np.ndarray:
    """x as a vector of single precision as wide as the words of a codebook; CallError if it is none."""
    if not isinstance(x, np.ndarray) or x.dtype == object or x.shape != (book.width,):
        raise CallError(
            f"{name}: a matrix of one dimension with {book.width} numbers is wanted, as the words have; not "
            f"{interpreter.describe(x)}",
            argument,
            f"make it by (float-matrix {book.width}), or take a word: (codebook-word cb 0)",
        )
    with np.errstate(over="ignore"):
        return x.astype(np.float32)
