"""Find the words of a codebook nearest to a vector, and classify by them (docs/reference/sn28.md, section 5).

By the rule of the k nearest neighbours (Cover and Hart, 1967), a vector gets the class of most of them; a tie gives no
class. Distances are squared Euclidean distances in single precision, summed from the first number to the last.
Neighbours are sorted by distance, those at equal distance by their index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import put
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import NIL, Form, make_list
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.vocabulary import word
from snsim.sn28.codebooks.codebook_loops import codebook_loops
from snsim.sn28.codebooks.codebooks import Codebook, expect_codebook, expect_two_codebooks, expect_vector, word_index

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

NO_CLASS = -1  # result of a tied vote
_MOST_COLUMNS = 1_000  # of a table of votes


def squared_distances(x: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return sum_j (w_j - x_j)^2 for each row w of `words`, shape (words,), float32.

    `x` has shape (width,), `words` (words, width), both float32.
    """
    loops = codebook_loops(1, words) if x.dtype == np.float32 and x.flags.c_contiguous and len(words) else None
    if loops is not None:
        return loops.distances(x, words)
    with np.errstate(over="ignore", invalid="ignore"):  # too large a distance becomes infinite
        squares = np.square(words - x)
        sums: np.ndarray = np.add.accumulate(squares, axis=1)[:, -1]  # np.sum would add in another order
    return sums


def nearest(x: np.ndarray, words: np.ndarray) -> int:
    """Return the index of the nearest word."""
    return int(squared_distances(x, words).argmin())


def nearest_two(x: np.ndarray, words: np.ndarray) -> tuple[int, int]:
    """Return the indices of the nearest and the second nearest word."""
    first, second = nearest_k(x, words, 2)
    return first, second


def nearest_k(x: np.ndarray, words: np.ndarray, k: int) -> list[int]:
    """Return the indices of the k nearest words, nearest first."""
    indices: list[int] = np.argsort(squared_distances(x, words), kind="stable")[:k].tolist()
    return indices


def nearest_words(data: np.ndarray, words: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row of `data` the indices of the k nearest words, nearest first, and the least distance.

    Shapes (rows, k), int64, and (rows,), float32.
    """
    loops = codebook_loops(len(data), data, words) if len(words) else None
    if loops is None:
        indices, least = np.empty((len(data), k), np.int64), np.empty(len(data), np.float32)
        rows = list(range(len(data)))
    else:
        indices, distances = loops.nearest_words(data, words, k)
        least = distances[:, 0].copy()
        rows = np.flatnonzero(indices[:, 0] < 0).tolist()
    for row in rows:
        distances = squared_distances(data[row], words)
        least[row] = distances.min()
        if k == 1:
            indices[row] = distances.argmin()
        else:
            indices[row] = np.argsort(distances, kind="stable")[:k]
    return indices, least


def vote(labels: np.ndarray, indices: list[int], classes: int) -> int:
    """Return the most frequent label, below `classes`, of the words at `indices`, or -1 for a tie."""
    counts = np.bincount(labels[indices], minlength=classes)
    winners = np.flatnonzero(counts == counts.max())
    return int(winners[0]) if len(winners) == 1 else NO_CLASS


def classify(x: np.ndarray, references: Codebook, k: int) -> int:
    """Return the class of a vector by a vote of its k nearest references, or -1 for a tie."""
    if k == 1:
        return int(references.labels[nearest(x, references.words)])
    return vote(references.labels, nearest_k(x, references.words, k), references.class_count())


def classify_all(data: np.ndarray, references: Codebook, k: int) -> np.ndarray:
    """Return what `classify` returns for each row of `data`, shape (rows,)."""
    indices, _ = nearest_words(data, references.words, k)
    labels = references.labels[indices]
    if k == 1:
        first: np.ndarray = labels[:, 0]
        return first
    classes = references.class_count()
    if classes > _MOST_COLUMNS:
        return np.array([vote(references.labels, row, classes) for row in indices.tolist()])
    counts = np.zeros((len(data), classes), np.int64)
    np.add.at(counts, (np.arange(len(data))[:, None], labels), 1)
    ties = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    classes_found: np.ndarray = np.where(ties, NO_CLASS, counts.argmax(axis=1))
    return classes_found


def distortion(data: Codebook, references: Codebook) -> np.float32:
    """Return the mean squared distance of the data to their nearest references, float32, added in order."""
    _, least = nearest_words(data.words, references.words, 1)
    with np.errstate(over="ignore"):
        mean: np.float32 = np.add.accumulate(least)[-1] / np.float32(len(least))
    return mean


def neighbour_count(name: str, k: Form, book: Codebook, argument: int) -> int:
    """Return a number of neighbours or references as an int. Raise CallError unless it is 1 to the number of words."""
    count = whole(name, k, argument)
    if 1 <= count <= len(book):
        return count
    raise CallError(
        f"{name}: cannot choose {count} of the {len(book)} words of the codebook",
        argument,
        f"write 1 to {len(book)}" if len(book) else "write a codebook with words, from (load-codebook file)",
    )


def count_distances(interpreter: Interpreter, vectors: int, references: Codebook) -> None:
    """Count the work of comparing `vectors` vectors with all references."""
    interpreter.budget.compute(vectors * references.words.size)


# Distances


@word("codebook-distances", makes=True)
def codebook_distances(interpreter: Interpreter, v: Form, cb: Form, target: Form = ABSENT) -> np.ndarray:
    """(codebook-distances v cb [d]): a vector of the squared distances from v to each vector of cb

    It is stored in d if that is given.
    """
    book = expect_codebook(interpreter, "codebook-distances", cb, 1)
    x = expect_vector(interpreter, "codebook-distances", v, book)
    count_distances(interpreter, 1, book)
    distances = squared_distances(x, book.words)
    if target is ABSENT:
        return distances
    output = matrix("codebook-distances", target, 2)
    if output.shape != distances.shape:
        raise CallError(
            f"codebook-distances: expected a vector of {len(book)} numbers for the distances",
            2,
            f"omit it, or make it with (float-matrix {len(book)})",
        )
    put(output, distances)
    return output


@word("codebook-dist-and-labels", makes=True)
def codebook_dist_and_labels(interpreter: Interpreter, v: Form, cb: Form) -> np.ndarray:
    """(codebook-dist-and-labels v cb): a matrix with one row (squared distance from v, label) per vector of cb"""
    book = expect_codebook(interpreter, "codebook-dist-and-labels", cb, 1)
    x = expect_vector(interpreter, "codebook-dist-and-labels", v, book)
    count_distances(interpreter, 1, book)
    table = np.empty((len(book), 2))
    table[:, 0], table[:, 1] = squared_distances(x, book.words), book.labels
    return table


@word("codebook-distorsion")
def codebook_distorsion(interpreter: Interpreter, data: Form, references: Form) -> float:
    """(codebook-distorsion data ref): the mean squared distance of the vectors of data to the nearest vectors of ref"""
    items, book = expect_two_codebooks(interpreter, "codebook-distorsion", data, references)
    for argument, codebook in enumerate((items, book)):
        if not len(codebook):
            raise CallError(
                "codebook-distorsion: the codebook has no words",
                argument,
                "fill it first, with (load-codebook file) or (codebook-merge cb...)",
            )
    count_distances(interpreter, len(items), book)
    return float(distortion(items, book))


# Classes


@word("knn")
def knn(interpreter: Interpreter, v: Form, cb: Form, k: Form) -> Form:
    """(knn v cb k): a list of the indices, from 0, of the k vectors of cb nearest to v, nearest first"""
    book = expect_codebook(interpreter, "knn", cb, 1)
    x, count = expect_vector(interpreter, "knn", v, book), neighbour_count("knn", k, book, 2)
    count_distances(interpreter, 1, book)
    return interpreter.new_list(map(float, nearest_k(x, book.words, count)), "knn")


@word("knn-class")
def knn_class(interpreter: Interpreter, v: Form, cb: Form, k: Form) -> float:
    """(knn-class v cb k): the most frequent label of the k vectors of cb nearest to v, or -1 for a tie"""
    book = expect_codebook(interpreter, "knn-class", cb, 1)
    x, count = expect_vector(interpreter, "knn-class", v, book), neighbour_count("knn-class", k, book, 2)
    count_distances(interpreter, 1, book)
    return float(classify(x, book, count))


@word("test-knn")
def test_knn(interpreter: Interpreter, data: Form, i: Form, references: Form, k: Form = 1.0) -> bool:
    """(test-knn data i ref [k]): t if the k nearest vectors of ref classify vector i of data correctly, else ()

    The default k is 1. A tie counts as an error.
    """
    items, book = expect_two_codebooks(interpreter, "test-knn", data, references, (0, 2))
    index, count = word_index("test-knn", items, i), neighbour_count("test-knn", k, book, 3)
    count_distances(interpreter, 1, book)
    return bool(items.labels[index] == classify(items.words[index], book, count))


def _answers(
    interpreter: Interpreter, name: str, data: Form, references: Form, k: Form
) -> tuple[Codebook, Codebook, np.ndarray]:
    """Return the data, the references, and the class of each word of the data by its k nearest references."""
    items, book = expect_two_codebooks(interpreter, name, data, references)
    if not len(items):
        raise CallError(
            f"{name}: the codebook has no words to classify",
            0,
            "fill it first, with (load-codebook file) or (codebook-merge cb...)",
        )
    count = neighbour_count(name, k, book, 2)
    count_distances(interpreter, len(items), book)
    return items, book, classify_all(items.words, book, count)


@word("perf-knn")
def perf_knn(interpreter: Interpreter, data: Form, references: Form, k: Form = 1.0, both: Form = NIL) -> Form:
    """(perf-knn data ref [k [flag]]): the percentage of data that its k nearest vectors of ref classify correctly

    The default k is 1. If flag is not (), it returns a list: the percentage of errors, and that of ties.
    """
    items, _, classes_found = _answers(interpreter, "perf-knn", data, references, k)
    right, ties = int((classes_found == items.labels).sum()), int((classes_found == NO_CLASS).sum())
    count, hundred = np.float32(len(items)), np.float32(100)  # SN computes in single precision
    wrong, rejected = (hundred * np.float32(n) / count for n in (len(items) - right - ties, ties))
    return float(hundred - wrong - rejected) if both is NIL else make_list([float(wrong), float(rejected)])


@word("confusion-knn", makes=True)
def confusion_knn(interpreter: Interpreter, data: Form, references: Form, k: Form = 1.0) -> np.ndarray:
    """(confusion-knn data ref [k]): the confusion matrix of classifying data by the k nearest vectors of ref, default 1

    Row c, column d counts the vectors of class c that were classified as d. A tie is an error.
    """
    items, book, classes_found = _answers(interpreter, "confusion-knn", data, references, k)
    if (classes_found == NO_CLASS).any():
        raise CallError(
            f"confusion-knn: a vote of {whole('confusion-knn', k, 2)} neighbours is a tie, which has no column",
            2,
            "count ties with (perf-knn data ref k t), or write 1 neighbour, which has no ties",
        )
    classes = max(items.class_count(), book.class_count())
    interpreter.budget.check_matrix(classes * classes, "confusion-knn")
    table = np.zeros((classes, classes))
    np.add.at(table, (items.labels, classes_found), 1.0)
    return table
