"""Reduce a codebook so that fewer words classify as well: `multiedit` and `condense`.

See docs/reference/sn28.md, section 5.

`multiedit` (Devijver and Kittler) removes words near the borders between classes; `condense` (Hart) then keeps only the
words that are needed.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.sn28.codebooks.codebooks import Codebook, expect_codebook
from snsim.sn28.codebooks.nearest_neighbours import count_distances, nearest
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LEAST_PARTS = 3  # with two parts, each would judge the part that judges it


@word("multiedit")
def multiedit(interpreter: Interpreter, cb: Form, parts: Form = 3.0, verbose: Form = NIL) -> Codebook:
    """(multiedit cb [n [verbose]]): a copy without the words that the next of n (3) parts misclassifies

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
    nearest_labels = [judge_book.labels[nearest(x, judge_book.words)] for x in book.words[indices]]
    correct: np.ndarray = indices[book.labels[indices] == nearest_labels]
    return correct


@word("condense")
def condense(interpreter: Interpreter, cb: Form, verbose: Form = NIL) -> Codebook:
    """(condense cb [verbose]): a copy of only the words needed so that the nearest one classifies every word correctly

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
        for i, (x, label) in enumerate(zip(book.words, book.labels)):
            stored = Codebook(book.words[store], book.labels[store])
            count_distances(interpreter, 1, stored)
            if stored.labels[nearest(x, stored.words)] == label:
                continue
            if i in store:  # an equal word with another label comes first in the store
                raise CallError(
                    f"condense: word {i} occurs in the codebook with two labels",
                    0,
                    "drop such words first with (multiedit cb)",
                )
            store.append(i)
    return _copy_words(interpreter, "condense", book, np.array(store))


def _copy_words(interpreter: Interpreter, name: str, book: Codebook, indices: np.ndarray) -> Codebook:
    interpreter.budget.make_matrix(len(indices) * book.width, name)
    return Codebook(book.words[indices], book.labels[indices])
