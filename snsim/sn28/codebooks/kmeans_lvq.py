"""References that stand for many words: k-means of MacQueen, and learning vector quantisation of Kohonen.

See docs/reference/sn28.md, section 5.

Both go through the data in the order of the codebook and move a reference at each word x, in single precision.

`k-means` (MacQueen, Fifth Berkeley Symposium, 1967): the nearest reference r becomes (n r + x) / (n + 1), the mean of
the n words before and this one.

`learn-lvq` (Kohonen, The self-organizing map, Proceedings of the IEEE 78, 1990) knows the classes of the words. A
reference is drawn near by r + a (x - r), pushed away by r - a (x - r), where the rate a falls from sweep to sweep
towards 0. LVQ1 does one of both to the nearest. LVQ2 and LVQ3 do both to a pair, if x is misclassified in a window
about the plane between them; they are two ways to choose the pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.sn28.codebooks.codebooks import Codebook, codebook, merged, two_codebooks
from snsim.sn28.codebooks.nearest_neighbours import (
    count_distances,
    distortion,
    nearest,
    nearest_k,
    nearest_two,
    neighbours,
    squared_distances,
)
from snsim.sn28.runtime.random_numbers import Randomness
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_CLOSE, _LITTLE = 1e-5, 1e-4  # k-means ends at such a distortion, or when it falls by such a part of itself
_RATE, _WINDOW = 0.1, 0.01  # of learn-lvq
_ONE, _TWO = np.float32(1), np.float32(2)

Pair = tuple[int, int]  # the places of a reference of a wrong class and of one of the right class


# k-means


def k_means(interpreter: Interpreter, data: Codebook, k: int) -> Codebook:
    """k references, at first copies of the first k words with n = 1 each; all have the label 0.

    A word at distance 0 moves nothing and is not counted. n grows over all sweeps. It ends with a sweep that makes the
    distortion less by no more than 1e-4 of it, or leaves no more than 1e-5.
    """
    references = Codebook.of(data.words[:k].copy())
    counts = np.ones(k, np.float32)
    before = np.float32(np.inf)
    while True:
        count_distances(interpreter, 2 * len(data), references)
        for x in data.words:
            _to_mean(references.words, counts, x)
        after = distortion(data, references)
        if not (after > _CLOSE and (before - after) / after > _LITTLE):  # so that it ends if one is not a number
            return references
        before = after


def _to_mean(means: np.ndarray, counts: np.ndarray, x: np.ndarray) -> None:
    """Take a word into the nearest mean."""
    distances = squared_distances(x, means)
    i = int(distances.argmin())
    if distances[i] != 0:
        means[i] = (counts[i] * means[i] + x) / (counts[i] + _ONE)
        counts[i] += _ONE


def k_means_of_classes(interpreter: Interpreter, name: str, data: Codebook, k: int, classes: list[int]) -> Codebook:
    """k references for each of the classes, one class behind the other, each by the k-means of the words of its class;
    CallError if a class has fewer words.
    """
    of_classes = []
    for label in classes:
        own = Codebook.of(data.words[data.labels == label])
        if len(own) < k:
            raise CallError(
                f"{name}: {len(own)} words have the label {label}, fewer than {k} references",
                1,
                f"write {len(own)} or less for k, or give more words the label {label}",
            )
        references = k_means(interpreter, own, k)
        references.labels[:] = label
        of_classes.append(references)
    return merged(name, of_classes)


def assign_labels(interpreter: Interpreter, data: Codebook, references: Codebook, k: int) -> None:
    """Give each reference the label that most of the words have of which it is one of the k nearest references.

    Between labels that are equally frequent one number of `rand` decides, and among all labels where there are no such
    words.
    """
    labels, of_item = np.unique(data.labels, return_inverse=True)
    interpreter.budget.check_matrix(len(references) * len(labels), "codebook-assign-labels")
    votes = np.zeros((len(references), len(labels)), np.int64)
    count_distances(interpreter, len(data), references)
    for x, column in zip(data.words, of_item):
        votes[nearest_k(x, references.words, k), column] += 1
    for i, row in enumerate(votes):
        leading = labels[row == row.max()]
        drawn = 0
        if len(leading) > 1:
            drawn = int(interpreter.part(Randomness).rand() * len(leading))
        references.labels[i] = leading[min(drawn, len(leading) - 1)]  # rand may be 1


# Learning vector quantisation


@dataclass(frozen=True)
class Lesson:
    """What `learn-lvq` learns from, what it moves, and how: `sweeps` of a rate that begins at `rate`."""

    data: Codebook
    references: Codebook
    sweeps: int
    rate: float

    def rate_in(self, sweep: int) -> np.float32:
        """a = a0 (1 - t/T), sweep t counted from 0."""
        return np.float32(self.rate * (1 - sweep / self.sweeps))

    def move(self, place: int, x: np.ndarray, share: np.float32) -> None:
        """r + share (x - r): near to x for a positive share, away for a negative one."""
        reference = self.references.words[place]
        reference += share * (x - reference)


def learn_lvq1(lesson: Lesson, interpreter: Interpreter) -> None:
    """LVQ1: the nearest reference is drawn to a word of its own class, pushed away by one of another.

    The rate in use follows the schedule where a reference is pushed away, and is what it was last where one is drawn,
    at first 0: so SN-2.8 does, and it learns from right answers only after the first wrong one.
    """
    references, in_use = lesson.references, np.float32(0)
    for sweep in range(lesson.sweeps):
        count_distances(interpreter, len(lesson.data), references)
        for x, label in zip(lesson.data.words, lesson.data.labels):
            place = nearest(x, references.words)
            if references.labels[place] == label:
                lesson.move(place, x, in_use)
            else:
                in_use = lesson.rate_in(sweep)
                lesson.move(place, x, -in_use)


def learn_lvq_of_pairs(
    lesson: Lesson,
    pair_for: Callable[[np.ndarray, Codebook, int], Pair | None],
    window: float,
    interpreter: Interpreter,
) -> None:
    """LVQ2 and LVQ3: of the pair for a misclassified word in the window, the wrong one is pushed away and the right
    one drawn near. `pair_for` gives None where no pair is to be moved.
    """
    for sweep in range(lesson.sweeps):
        rate = lesson.rate_in(sweep)
        count_distances(interpreter, len(lesson.data), lesson.references)
        for x, label in zip(lesson.data.words, lesson.data.labels):
            pair = pair_for(x, lesson.references, int(label))
            if pair is None:
                continue
            wrong, right = pair
            if in_window(x, lesson.references.words[wrong], lesson.references.words[right], np.float32(window)):
                lesson.move(wrong, x, -rate)
                lesson.move(right, x, rate)


def pair_of_lvq2(x: np.ndarray, references: Codebook, label: int) -> Pair | None:
    """The two nearest references, if the first is of a wrong class and the second of the right one."""
    wrong, right = nearest_two(x, references.words)
    is_pair = references.labels[wrong] != label and references.labels[right] == label
    return (wrong, right) if is_pair else None


def pair_of_lvq3(x: np.ndarray, references: Codebook, label: int) -> Pair | None:
    """The nearest reference, if it is of a wrong class, and the nearest of the right class."""
    distances = squared_distances(x, references.words)
    wrong = int(distances.argmin())
    if references.labels[wrong] == label:
        return None
    own = np.flatnonzero(references.labels == label)
    return wrong, int(own[distances[own].argmin()])


def in_window(x: np.ndarray, m1: np.ndarray, m2: np.ndarray, width: np.float32) -> bool:
    """|2 (x - m1)·(m2 - m1) - |m2 - m1|^2| <= width |m2 - m1|^2.

    Seen along the line from m1 to m2, x then lies within width/2 of its length from the middle.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        line = m2 - m1
        length = line @ line
        return bool(abs(_TWO * ((x - m1) @ line) - length) <= width * length)


_PAIRS = {2: pair_of_lvq2, 3: pair_of_lvq3}


# Words


def _with_words(interpreter: Interpreter, name: str, data: Form) -> Codebook:
    book = codebook(interpreter, name, data)
    if not len(book):
        raise CallError(
            f"{name}: the codebook has no words", 0, "fill it before: (load-codebook file) or (codebook-merge cb...)"
        )
    return book


@word("k-means")
def k_means_(interpreter: Interpreter, data: Form, k: Form) -> Codebook:
    """(k-means data k): k references, from the first k words moved to the means of what is nearest to them"""
    book = codebook(interpreter, "k-means", data)
    return k_means(interpreter, book, neighbours("k-means", k, book, 1))


@word("k-means-class")
def k_means_class(interpreter: Interpreter, data: Form, k: Form, classes: Form = NIL) -> Codebook:
    """(k-means-class data k [labels]): k references for each label (all), by the k-means of its own words"""
    book = _with_words(interpreter, "k-means-class", data)
    count = neighbours("k-means-class", k, book, 1)
    wanted = [whole("k-means-class", label, 2) for label in interpreter.elements(classes, "k-means-class")]
    return k_means_of_classes(interpreter, "k-means-class", book, count, sorted(set(wanted)) or book.classes())


@word("codebook-assign-labels")
def codebook_assign_labels(interpreter: Interpreter, data: Form, references: Form, k: Form = 1.0) -> Codebook:
    """(codebook-assign-labels data ref [k]): label references as most items do whose k (1) nearest they are"""
    items, book = two_codebooks(interpreter, "codebook-assign-labels", data, references)
    if not len(items):
        raise CallError(
            "codebook-assign-labels: there are no items",
            0,
            "give data with words: (load-codebook file) or (patdes-to-codebook matrix targets)",
        )
    assign_labels(interpreter, items, book, neighbours("codebook-assign-labels", k, book, 2))
    return book


@word("init-lvq")
def init_lvq(interpreter: Interpreter, data: Form, k: Form) -> Codebook:
    """(init-lvq data k): k references by k-means, with the labels of the items around them"""
    book = codebook(interpreter, "init-lvq", data)
    references = k_means(interpreter, book, neighbours("init-lvq", k, book, 1))
    assign_labels(interpreter, book, references, 1)
    return references


@word("init-lvq-class")
def init_lvq_class(interpreter: Interpreter, data: Form, k: Form) -> Codebook:
    """(init-lvq-class data k): k references for each label, by the k-means of its own words"""
    book = _with_words(interpreter, "init-lvq-class", data)
    count = neighbours("init-lvq-class", k, book, 1)
    return k_means_of_classes(interpreter, "init-lvq-class", book, count, book.classes())


@word("learn-lvq")
def learn_lvq(
    interpreter: Interpreter,
    version: Form,
    data: Form,
    references: Form,
    sweeps: Form,
    rate: Form = _RATE,
    window: Form = ABSENT,
) -> Form:
    """(learn-lvq v data ref n [a [w]]): n sweeps of LVQ 1, 2 or 3 at a rate from a (0.1) to 0, with window w (0.01)"""
    which, count = whole("learn-lvq", version), whole("learn-lvq", sweeps, 3)
    items, book = two_codebooks(interpreter, "learn-lvq", data, references, (1, 2))
    if which not in (1, *_PAIRS):
        raise CallError(f"learn-lvq: there is no version {which}", 0, "write 1, 2 or 3")
    if which == 1 and window is not ABSENT:
        raise CallError("learn-lvq: LVQ1 has no window", 5, "leave it out, or take version 2 or 3")
    if count < 0:
        raise CallError(f"learn-lvq: {count} sweeps", 3, "write 0 or more, such as 10")
    if len(book) < min(which, 2):
        raise CallError(
            f"learn-lvq: {len(book)} references are too few for LVQ{which}",
            2,
            "give two references or more, of different labels: (init-lvq-class data k)",
        )
    unknown = np.setdiff1d(items.labels, book.labels)
    if which == 3 and len(unknown):
        raise CallError(
            f"learn-lvq: no reference has the label {unknown[0]} of an item",
            2,
            "(init-lvq-class data k) gives each class k references",
        )
    lesson = Lesson(items, book, count, number("learn-lvq", rate, 4))
    with np.errstate(over="ignore", invalid="ignore"):
        if which == 1:
            learn_lvq1(lesson, interpreter)
        else:
            width = _WINDOW if window is ABSENT else number("learn-lvq", window, 5)
            learn_lvq_of_pairs(lesson, _PAIRS[which], width, interpreter)
    return NIL
