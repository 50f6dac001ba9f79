"""Learn references that represent many words: k-means and learning vector quantisation (LVQ).

See docs/reference/sn28.md, section 5.

Both process the words x in the order of the codebook and move references after each word, in single precision.

`k-means` (MacQueen, Fifth Berkeley Symposium, 1967) replaces the nearest reference r by (n r + x) / (n + 1), the mean
of its n words so far and this one.

`learn-lvq` (Kohonen, The self-organizing map, Proceedings of the IEEE 78, 1990) uses the labels of the words. It moves
a reference towards x, to r + a (x - r), or away from it, to r - a (x - r), at a rate a that falls linearly to 0. LVQ1
moves the nearest reference. LVQ2 and LVQ3 move two references, one away and one towards x, if x is misclassified and
lies in a window around the plane between them; they differ in the choice of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import ABSENT, CallError
from snsim.runtime.random_numbers import RandomGenerator
from snsim.runtime.vocabulary import word
from snsim.sn28.codebooks.codebook_loops import codebook_loops
from snsim.sn28.codebooks.codebooks import Codebook, expect_codebook, expect_two_codebooks, merge_codebooks
from snsim.sn28.codebooks.nearest_neighbours import (
    count_distances,
    distortion,
    nearest,
    nearest_two,
    nearest_words,
    neighbour_count,
    squared_distances,
)

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_DISTORTION_LIMIT, _RELATIVE_DECREASE = (
    1e-5,
    1e-4,
)  # k-means ends at such a distortion, or when it falls by such a part of itself
_RATE, _WINDOW = 0.1, 0.01  # defaults of learn-lvq
_ONE, _TWO = np.float32(1), np.float32(2)

Pair = tuple[int, int]  # indices of a reference of a wrong class and of one of the right class


# k-means


def k_means(interpreter: Interpreter, data: Codebook, k: int) -> Codebook:
    """Return k references found by k-means, with the labels of the first k words.

    They start as copies of the first k words, with n = 1 each, and n grows over all sweeps. A word at distance 0 moves
    nothing and is not counted. Learning ends when a sweep decreases the distortion by at most the fraction 1e-4, or
    when the distortion is at most 1e-5.
    """
    references = Codebook(data.words[:k].copy(), data.labels[:k].copy())
    counts = np.ones(k, np.float32)
    previous = np.float32(np.inf)
    while True:
        count_distances(interpreter, 2 * len(data), references)
        _move_nearest_means(references.words, counts, data.words)
        after = distortion(data, references)
        if not (
            after > _DISTORTION_LIMIT and (previous - after) / after > _RELATIVE_DECREASE
        ):  # written so that a distortion that is not a number ends it too
            return references
        previous = after


def _move_nearest_means(means: np.ndarray, counts: np.ndarray, data: np.ndarray) -> None:
    """Update the nearest mean with each word in order."""
    loops, state = codebook_loops(len(data), data, means), np.zeros(1, np.int64)
    while state[0] < len(data):
        if loops is not None:
            loops.k_means_sweep(data, means, counts, state)
        if state[0] < len(data):
            _move_nearest_mean(means, counts, data[state[0]])
            state[0] += 1


def _move_nearest_mean(means: np.ndarray, counts: np.ndarray, x: np.ndarray) -> None:
    """Update the nearest mean with a word."""
    distances = squared_distances(x, means)
    i = int(distances.argmin())
    if distances[i] != 0:
        means[i] = (counts[i] * means[i] + x) / (counts[i] + _ONE)
        counts[i] += _ONE


def k_means_of_classes(interpreter: Interpreter, name: str, data: Codebook, k: int, classes: list[int]) -> Codebook:
    """Return k references for each class, found by k-means from the words of that class.

    Raise CallError if a class has fewer than k words.
    """
    of_classes = []
    for label in classes:
        of_label = Codebook.unlabelled(data.words[data.labels == label])
        if len(of_label) < k:
            raise CallError(
                f"{name}: only {len(of_label)} words have label {label}, fewer than the {k} references",
                1,
                f"write at most {len(of_label)} for k, or add words with label {label}",
            )
        references = k_means(interpreter, of_label, k)
        references.labels[:] = label
        of_classes.append(references)
    return merge_codebooks(name, of_classes)


def assign_labels(interpreter: Interpreter, data: Codebook, references: Codebook, k: int) -> None:
    """Label each reference by a vote of the words for which it is one of the k nearest references.

    A tie is broken by one number of `rand`. A reference without such words gets a random label.
    """
    labels, of_item = np.unique(data.labels, return_inverse=True)
    interpreter.budget.check_matrix(len(references) * len(labels), "codebook-assign-labels")
    votes = np.zeros((len(references), len(labels)), np.int64)
    count_distances(interpreter, len(data), references)
    indices, _ = nearest_words(data.words, references.words, k)
    np.add.at(votes, (indices, of_item[:, None]), 1)
    for i, row in enumerate(votes):
        leading = labels[row == row.max()]
        drawn = 0
        if len(leading) > 1:
            drawn = int(interpreter.part(RandomGenerator).rand() * len(leading))
        references.labels[i] = leading[min(drawn, len(leading) - 1)]  # rand can return 1


# Learning vector quantisation


@dataclass(frozen=True)
class LvqTraining:
    """The data, references, number of sweeps and initial rate of one `learn-lvq`."""

    data: Codebook
    references: Codebook
    sweeps: int
    rate: float

    def rate_in(self, sweep: int) -> np.float32:
        """Return the rate a = a0 (1 - t/T) of sweep t, counted from 0, in single precision."""
        part = np.float32(sweep) / np.float32(self.sweeps)
        return np.float32(np.float32(self.rate) * (_ONE - part))

    def move(self, index: int, x: np.ndarray, share: np.float32) -> None:
        """Move a reference to r + share (x - r): towards x for a positive share, away for a negative one."""
        reference = self.references.words[index]
        reference += share * (x - reference)


def learn_lvq1(training: LvqTraining, interpreter: Interpreter) -> None:
    """Learn by LVQ1: move the nearest reference towards words of its own class and away from words of others.

    As in SN-2.8, the rate is updated only when a reference moves away, and starts at 0: it learns from right answers
    only after the first wrong one.
    """
    data, references, current_rate = training.data, training.references, np.zeros(1, np.float32)
    loops = codebook_loops(training.sweeps * len(data), data.words, references.words)
    for sweep in range(training.sweeps):
        count_distances(interpreter, len(data), references)
        rate, state = training.rate_in(sweep), np.zeros(1, np.int64)
        while state[0] < len(data):
            if loops is not None:
                loops.lvq1_sweep(
                    data.words, data.labels, references.words, references.labels, rate, current_rate, state
                )
            if state[0] < len(data):
                x, label = data.words[state[0]], data.labels[state[0]]
                index = nearest(x, references.words)
                if references.labels[index] == label:
                    training.move(index, x, current_rate[0])
                else:
                    current_rate[0] = rate
                    training.move(index, x, -rate)
                state[0] += 1


def learn_lvq_pairs(
    training: LvqTraining,
    pair_for: Callable[[np.ndarray, Codebook, int], Pair | None],
    window: float,
    interpreter: Interpreter,
) -> None:
    """Learn by LVQ2 or LVQ3: for a misclassified word in the window, move a wrong reference away, a right one closer.

    `pair_for` returns the two references for a word, or None if none should move.
    """
    for sweep in range(training.sweeps):
        rate = training.rate_in(sweep)
        count_distances(interpreter, len(training.data), training.references)
        for x, (wrong, right) in _pairs(training, pair_for):
            if in_window(x, training.references.words[wrong], training.references.words[right], np.float32(window)):
                training.move(wrong, x, -rate)
                training.move(right, x, rate)


def _pairs(
    training: LvqTraining, pair_for: Callable[[np.ndarray, Codebook, int], Pair | None]
) -> Iterator[tuple[np.ndarray, Pair]]:
    """Yield the words of one sweep that have a pair, and the pair, each after the moves for the one before."""
    data, references = training.data, training.references
    loops = codebook_loops(len(data), data.words, references.words)
    state = np.zeros(3, np.int64)
    while state[0] < len(data):
        state[1] = -1
        if loops is not None:
            name = "next_lvq2" if pair_for is lvq2_pair else "next_lvq3"
            loops.find(name, data.words, data.labels, references.words, references.labels, state)
            if state[0] >= len(data):
                return
        i, wrong, right = state.tolist()
        pair = (wrong, right) if wrong >= 0 else pair_for(data.words[i], references, int(data.labels[i]))
        if pair is not None:
            yield data.words[i], pair
        state[0] += 1


def lvq2_pair(x: np.ndarray, references: Codebook, label: int) -> Pair | None:
    """Return the two nearest references if the first has a wrong class and the second the right one, else None."""
    wrong, right = nearest_two(x, references.words)
    is_pair = references.labels[wrong] != label and references.labels[right] == label
    return (wrong, right) if is_pair else None


def lvq3_pair(x: np.ndarray, references: Codebook, label: int) -> Pair | None:
    """Return the nearest reference, if its class is wrong, and the nearest of the right class; otherwise None."""
    distances = squared_distances(x, references.words)
    wrong = int(distances.argmin())
    if references.labels[wrong] == label:
        return None
    of_label = np.flatnonzero(references.labels == label)
    return wrong, int(of_label[distances[of_label].argmin()])


def in_window(x: np.ndarray, m1: np.ndarray, m2: np.ndarray, width: np.float32) -> bool:
    """Return whether |2 (x - m1)·(m2 - m1) - |m2 - m1|^2| <= width |m2 - m1|^2.

    The projection of x on the line from m1 to m2 is then within width/2, as a fraction of its length, of the middle.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        line = m2 - m1
        length = line @ line
        return bool(abs(_TWO * ((x - m1) @ line) - length) <= width * length)


_PAIRS = {2: lvq2_pair, 3: lvq3_pair}


# Words


def _expect_words(interpreter: Interpreter, name: str, data: Form) -> Codebook:
    book = expect_codebook(interpreter, name, data)
    if not len(book):
        raise CallError(
            f"{name}: the codebook has no words",
            0,
            "fill it first, with (load-codebook file) or (codebook-merge cb...)",
        )
    return book


@word("k-means")
def k_means_(interpreter: Interpreter, data: Form, k: Form) -> Codebook:
    """(k-means data k): a codebook of k references by k-means, which starts at the first k vectors of data"""
    book = expect_codebook(interpreter, "k-means", data)
    return k_means(interpreter, book, neighbour_count("k-means", k, book, 1))


@word("k-means-class")
def k_means_class(interpreter: Interpreter, data: Form, k: Form, classes: Form = NIL) -> Codebook:
    """(k-means-class data k [labels]): a codebook of k references per label, by k-means of the vectors with that label

    Labels is a list, by default all labels of data.
    """
    book = _expect_words(interpreter, "k-means-class", data)
    count = neighbour_count("k-means-class", k, book, 1)
    labels = [whole("k-means-class", label, 2) for label in interpreter.elements(classes, "k-means-class")]
    return k_means_of_classes(interpreter, "k-means-class", book, count, sorted(set(labels)) or book.classes())


@word("codebook-assign-labels")
def codebook_assign_labels(interpreter: Interpreter, data: Form, references: Form, k: Form = 1.0) -> Codebook:
    """(codebook-assign-labels data ref [k]): labels each reference of ref by majority vote of data

    Each vector of data votes for the k references nearest to it, by default 1.
    """
    items, book = expect_two_codebooks(interpreter, "codebook-assign-labels", data, references)
    if not len(items):
        raise CallError(
            "codebook-assign-labels: the data have no words",
            0,
            "fill them first, with (load-codebook file) or (patdes-to-codebook matrix targets)",
        )
    assign_labels(interpreter, items, book, neighbour_count("codebook-assign-labels", k, book, 2))
    return book


@word("init-lvq")
def init_lvq(interpreter: Interpreter, data: Form, k: Form) -> Codebook:
    """(init-lvq data k): a codebook of k references by k-means, labelled by a vote of the vectors nearest to each"""
    book = expect_codebook(interpreter, "init-lvq", data)
    references = k_means(interpreter, book, neighbour_count("init-lvq", k, book, 1))
    assign_labels(interpreter, book, references, 1)
    return references


@word("init-lvq-class")
def init_lvq_class(interpreter: Interpreter, data: Form, k: Form) -> Codebook:
    """(init-lvq-class data k): a codebook of k references per label, by k-means of the vectors with that label"""
    book = _expect_words(interpreter, "init-lvq-class", data)
    count = neighbour_count("init-lvq-class", k, book, 1)
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
    """(learn-lvq v data ref n [a [w]]): trains the references ref by n sweeps of LVQ version v (1, 2 or 3) over data

    The rate falls from a, 0.1 by default, to 0. LVQ 2 and 3 use a window of width w, 0.01 by default.
    """
    variant, count = whole("learn-lvq", version), whole("learn-lvq", sweeps, 3)
    items, book = expect_two_codebooks(interpreter, "learn-lvq", data, references, (1, 2))
    if variant not in (1, *_PAIRS):
        raise CallError(f"learn-lvq: there is no version {variant}", 0, "write 1, 2 or 3")
    if variant == 1 and window is not ABSENT:
        raise CallError("learn-lvq: LVQ1 has no window", 5, "omit the window, or choose version 2 or 3")
    if count < 0:
        raise CallError(f"learn-lvq: expected 0 sweeps or more, got {count}", 3, "write a number of sweeps such as 10")
    if len(book) < min(variant, 2):
        raise CallError(
            f"learn-lvq: LVQ{variant} needs {min(variant, 2)} references or more, got {len(book)}",
            2,
            "make references for all labels: (init-lvq-class data k)",
        )
    unknown = np.setdiff1d(items.labels, book.labels)
    if variant == 3 and len(unknown):
        raise CallError(
            f"learn-lvq: no reference has label {unknown[0]}, which occurs in the data",
            2,
            "make references for all labels: (init-lvq-class data k)",
        )
    training = LvqTraining(items, book, count, number("learn-lvq", rate, 4))
    with np.errstate(over="ignore", invalid="ignore"):
        if variant == 1:
            learn_lvq1(training, interpreter)
        else:
            width = _WINDOW if window is ABSENT else number("learn-lvq", window, 5)
            learn_lvq_pairs(training, _PAIRS[variant], width, interpreter)
    return NIL
