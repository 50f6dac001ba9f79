"""Reduce a codebook so that fewer words classify as well: `multiedit` and `condense`.

See docs/reference/sn28.md, section 5.

`multiedit` (Devijver and Kittler) removes words near the borders between classes; `condense` (Hart) then keeps only the
words that are needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.runtime.vocabulary import word
from snsim.sn28.codebooks.codebook_loops import codebook_loops
from snsim.sn28.codebooks.codebooks import Codebook, expect_codebook
from snsim.sn28.codebooks.nearest_neighbours import count_distances, nearest, nearest_words

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LEAST_PARTS = 3  # with two parts, each would judge the part that judges it


@word("multiedit")
def multiedit(interpreter: Interpreter, cb: Form, parts: Form = 3.0, verbose: Form = NIL) -> Codebook:
    """(multiedit cb [n [verbose]]): a copy of cb without the vectors misclassified by the next of n parts, default 3

    Devijver and Kittler (Pattern Recognition, 1982, section 3.11): the codebook is split into n parts. Each part is
    classified by the nearest words of the next part, the last by the first. Misclassified words are dropped and the
    rest is split again, until none is dropped. Here a part is a range of the codebook; theirs are random.
    """
    book, n = expect_codebook(interpreter, "multiedit", cb), whole("multiedit", parts, 1)
    if n < _LEAST_PARTS:
        raise CallError(
            f"multiedit: expected {_LEAST_PARTS} parts or more, got {n}",
            1,
            f"write (multiedit cb {_LEAST_PARTS}), or a larger number of parts",
        )
    remaining, dropped = np.arange(len(book)), -1
    while dropped:
        if len(remaining) < n:
            raise CallError(
                f"multiedit: only {len(remaining)} words are left for {n} parts",
                0,
                (f"write 3 to {len(remaining)} parts, or " if len(remaining) >= _LEAST_PARTS else "")
                + "add words to the codebook",
            )
        if verbose is not NIL:
            interpreter.print_text(f"restarting with {len(remaining)} elements\n")
        starts = [part * len(remaining) // n for part in range(n + 1)]
        stretches = [remaining[start:end] for start, end in itertools.pairwise(starts)]
        judges = stretches[1:] + stretches[:1]
        kept = [_correctly_classified(interpreter, book, part, judge) for part, judge in zip(stretches, judges)]
        dropped = len(remaining) - sum(map(len, kept))
        remaining = np.concatenate(kept)
    return _copy_words(interpreter, "multiedit", book, remaining)


def _correctly_classified(
    interpreter: Interpreter, book: Codebook, indices: np.ndarray, judges: np.ndarray
) -> np.ndarray:
    """Return those of the `indices` whose words have the label of the nearest word among the `judges`."""
    judge_book = Codebook(book.words[judges], book.labels[judges])
    count_distances(interpreter, len(indices), judge_book)
    nearest_labels = judge_book.labels[nearest_words(book.words[indices], judge_book.words, 1)[0][:, 0]]
    correct: np.ndarray = indices[book.labels[indices] == nearest_labels]
    return correct


@word("condense")
def condense(interpreter: Interpreter, cb: Form, verbose: Form = NIL) -> Codebook:
    """(condense cb [verbose]): a copy of a part of cb whose nearest vector classifies every vector of cb correctly

    This is Hart's condensed nearest neighbour rule (IEEE Transactions on Information Theory 14, 1968). The store starts
    with the first word. Each word that the store misclassifies is added to it, until a whole pass adds none. The result
    has the order of the store.
    """
    book = expect_codebook(interpreter, "condense", cb)
    if not len(book):
        raise CallError(
            "condense: the codebook has no words",
            0,
            "fill it first, with (load-codebook file) or (codebook-merge cb...)",
        )
    store, size_before = [0], 0
    while size_before < len(store):
        size_before = len(store)
        if verbose is not NIL:
            interpreter.print_text(f"restarting with {len(store)} element(s)\n")
        for i in _misclassified(interpreter, book, store):
            if i in store:  # an equal word with another label comes first in the store
                raise CallError(
                    f"condense: word {i} occurs in the codebook with two labels",
                    0,
                    "drop such words first with (multiedit cb)",
                )
            store.append(i)
    return _copy_words(interpreter, "condense", book, np.array(store))


def _misclassified(interpreter: Interpreter, book: Codebook, store: list[int]) -> Iterator[int]:
    """Yield the words that the nearest word of the store misclassifies, in order; the caller adds them to the store."""
    words, labels = np.zeros_like(book.words), np.zeros_like(book.labels)
    words[: len(store)], labels[: len(store)] = book.words[store], book.labels[store]
    size, state = len(store), np.zeros(2, np.int64)
    while state[0] < len(book):
        if len(store) > size:
            words[size], labels[size] = book.words[store[-1]], book.labels[store[-1]]
            size += 1
        first = int(state[0])
        stored = Codebook(words[:size], labels[:size])
        loops = codebook_loops(1, book.words, stored.words)
        if loops is not None:
            loops.find("next_wrong", book.words, book.labels, words, labels, state, size)
        i = int(state[0])
        count_distances(interpreter, min(i + 1, len(book)) - first, stored)
        if i < len(book) and (
            (loops is not None and state[1] >= 0) or labels[nearest(book.words[i], stored.words)] != book.labels[i]
        ):
            yield i
        state[0] += 1


def _copy_words(interpreter: Interpreter, name: str, book: Codebook, indices: np.ndarray) -> Codebook:
    interpreter.budget.make_matrix(len(indices) * book.width, name)
    return Codebook(book.words[indices], book.labels[indices])
