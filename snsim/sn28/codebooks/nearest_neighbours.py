"""The words of a codebook that are nearest to a vector, and classification by them (docs/reference/sn28.md, section 5).

The rule of the k nearest neighbours is that of Cover and Hart (1967): a vector has the class that most of them have;
where two classes have as many, there is no answer. Distances are squared and Euclidean, in single precision, each sum
added up from the first number to the last. Neighbours are in order of distance, those at one distance in order of
their places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.indexing import put
from snsim.language.builtins.matrices import matrix
from snsim.language.forms import NIL, Form, make_list
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.codebooks.codebooks import Codebook, codebook, item, two_codebooks, vector
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

NO_CLASS = -1  # what a vote without a majority gives


def squared_distances(x: np.ndarray, words: np.ndarray) -> np.ndarray:
    """sum_j (w_j - x_j)^2 for each row w of `words` (n × d, float32), as n float32; x has d numbers."""
    with np.errstate(over="ignore", invalid="ignore"):  # a distance beyond single precision is infinite
        squares = np.square(words - x)
        sums: np.ndarray = np.add.accumulate(squares, axis=1)[:, -1]  # unlike np.sum, in order
    return sums


def nearest(x: np.ndarray, words: np.ndarray) -> int:
    """The place of the nearest word."""
    return int(squared_distances(x, words).argmin())


def nearest_two(x: np.ndarray, words: np.ndarray) -> tuple[int, int]:
    """The places of the nearest word and of the next."""
    first, second = nearest_k(x, words, 2)
    return first, second


def nearest_k(x: np.ndarray, words: np.ndarray, k: int) -> list[int]:
    """The places of the k nearest words, nearest first."""
    places: list[int] = np.argsort(squared_distances(x, words), kind="stable")[:k].tolist()
    return places


def vote(labels: np.ndarray, places: list[int], classes: int) -> int:
    """The label, below `classes`, that most of the words at these places have; -1 if it is not one alone."""
    counts = np.bincount(labels[places], minlength=classes)
    winners = np.flatnonzero(counts == counts.max())
    return int(winners[0]) if len(winners) == 1 else NO_CLASS


def classify(x: np.ndarray, references: Codebook, k: int) -> int:
    """The class of a vector by its k nearest references, -1 if they do not agree on one."""
    if k == 1:
        return int(references.labels[nearest(x, references.words)])
    return vote(references.labels, nearest_k(x, references.words, k), references.class_count())


def distortion(data: Codebook, references: Codebook) -> np.float32:
    """The mean over the data of the squared distance to the nearest reference; float32, added up in order."""
    least = np.array([squared_distances(x, references.words).min() for x in data.words], np.float32)
    with np.errstate(over="ignore"):
        mean: np.float32 = np.add.accumulate(least)[-1] / np.float32(len(least))
    return mean


def neighbours(name: str, k: Form, book: Codebook, argument: int) -> int:
    """The number of neighbours a call asks for; CallError if it is not 1 to the number of words."""
    count = whole(name, k, argument)
    if 1 <= count <= len(book):
        return count
    raise CallError(
        f"{name}: {count} of the {len(book)} words of the codebook are asked for", argument, f"write 1 to {len(book)}"
    )


def count_distances(interpreter: Interpreter, vectors: int, references: Codebook) -> None:
    """Count the work of comparing so many vectors with all references."""
    interpreter.budget.compute(vectors * references.words.size)


# Distances


@word("codebook-distances", makes=True)
def codebook_distances(interpreter: Interpreter, v: Form, cb: Form, target: Form = ABSENT) -> np.ndarray:
    """(codebook-distances v cb [d]): the vector of the squared distances from v to each word, put in d"""
    book = codebook(interpreter, "codebook-distances", cb, 1)
    x = vector(interpreter, "codebook-distances", v, book)
    count_distances(interpreter, 1, book)
    distances = squared_distances(x, book.words)
    if target is ABSENT:
        return distances
    given = matrix("codebook-distances", target, 2)
    if given.shape != distances.shape:
        raise CallError(
            f"codebook-distances: a matrix of {len(book)} numbers takes the distances",
            2,
            f"leave it out, or make it by (float-matrix {len(book)})",
        )
    put(given, distances)
    return given


@word("codebook-dist-and-labels", makes=True)
def codebook_dist_and_labels(interpreter: Interpreter, v: Form, cb: Form) -> np.ndarray:
    """(codebook-dist-and-labels v cb): a row for each word, its squared distance from v and its label"""
    book = codebook(interpreter, "codebook-dist-and-labels", cb, 1)
    x = vector(interpreter, "codebook-dist-and-labels", v, book)
    count_distances(interpreter, 1, book)
    table = np.empty((len(book), 2))
    table[:, 0], table[:, 1] = squared_distances(x, book.words), book.labels
    return table


@word("codebook-distorsion")
def codebook_distorsion(interpreter: Interpreter, data: Form, references: Form) -> float:
    """(codebook-distorsion data ref): the mean squared distance of the data to the nearest reference"""
    items, book = two_codebooks(interpreter, "codebook-distorsion", data, references)
    for argument, each in enumerate((items, book)):
        if not len(each):
            raise CallError(
                "codebook-distorsion: a codebook without words has none",
                argument,
                "fill it before: (load-codebook file) or (codebook-merge cb...)",
            )
    count_distances(interpreter, len(items), book)
    return float(distortion(items, book))


# Classes


@word("knn")
def knn(interpreter: Interpreter, v: Form, cb: Form, k: Form) -> Form:
    """(knn v cb k): the list of the places of the k words nearest to v, nearest first"""
    book = codebook(interpreter, "knn", cb, 1)
    x, count = vector(interpreter, "knn", v, book), neighbours("knn", k, book, 2)
    count_distances(interpreter, 1, book)
    return interpreter.new_list(map(float, nearest_k(x, book.words, count)), "knn")


@word("knn-class")
def knn_class(interpreter: Interpreter, v: Form, cb: Form, k: Form) -> float:
    """(knn-class v cb k): the label that most of the k words nearest to v have, -1 if there is a tie"""
    book = codebook(interpreter, "knn-class", cb, 1)
    x, count = vector(interpreter, "knn-class", v, book), neighbours("knn-class", k, book, 2)
    count_distances(interpreter, 1, book)
    return float(classify(x, book, count))


@word("test-knn")
def test_knn(interpreter: Interpreter, data: Form, i: Form, references: Form, k: Form = 1.0) -> bool:
    """(test-knn data i ref [k]): whether word i of the data is of the class of its k (1) nearest references"""
    items, book = two_codebooks(interpreter, "test-knn", data, references, (0, 2))
    place, count = item("test-knn", items, i), neighbours("test-knn", k, book, 3)
    count_distances(interpreter, 1, book)
    return bool(items.labels[place] == classify(items.words[place], book, count))


def _answers(
    interpreter: Interpreter, name: str, data: Form, references: Form, k: Form
) -> tuple[Codebook, Codebook, np.ndarray]:
    """The data, the references, and the class that the k nearest of these give each of the data."""
    items, book = two_codebooks(interpreter, name, data, references)
    if not len(items):
        raise CallError(
            f"{name}: the codebook has no words to classify",
            0,
            "fill it before: (load-codebook file) or (codebook-merge cb...)",
        )
    count = neighbours(name, k, book, 2)
    count_distances(interpreter, len(items), book)
    return items, book, np.array([classify(x, book, count) for x in items.words])


@word("perf-knn")
def perf_knn(interpreter: Interpreter, data: Form, references: Form, k: Form = 1.0, both: Form = NIL) -> Form:
    """(perf-knn data ref [k [flag]]): how many percent of the data are classified well; with flag (errors ties)"""
    items, _, found = _answers(interpreter, "perf-knn", data, references, k)
    right, ties = int((found == items.labels).sum()), int((found == NO_CLASS).sum())
    wrong = len(items) - right - ties
    percent = [100.0 * count / len(items) for count in (right, wrong, ties)]
    return percent[0] if both is NIL else make_list(percent[1:])


@word("confusion-knn", makes=True)
def confusion_knn(interpreter: Interpreter, data: Form, references: Form, k: Form = 1.0) -> np.ndarray:
    """(confusion-knn data ref [k]): a matrix, in row c and column d how many of class c were taken for class d"""
    items, book, found = _answers(interpreter, "confusion-knn", data, references, k)
    if (found == NO_CLASS).any():
        raise CallError(
            f"confusion-knn: with {whole('confusion-knn', k, 2)} neighbours a vote is a tie, which has no column",
            2,
            "(perf-knn data ref k t) counts ties; with 1 neighbour there is none",
        )
    classes = max(items.class_count(), book.class_count())
    interpreter.budget.check_matrix(classes * classes, "confusion-knn")
    table = np.zeros((classes, classes))
    np.add.at(table, (items.labels, found), 1.0)
    return table
