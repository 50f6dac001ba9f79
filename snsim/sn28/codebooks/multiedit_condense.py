"""Fewer words that classify as well: `multiedit` of Devijver and Kittler, `condense` of Hart.

See docs/reference/sn28.md, section 5.

`multiedit` clears the borders between classes, and what is left is a set that `condense` makes small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import whole
from snsim.language.forms import NIL, Form
from snsim.language.procedures import CallError
from snsim.sn28.codebooks.codebooks import Codebook, codebook
from snsim.sn28.codebooks.nearest_neighbours import count_distances, nearest
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LEAST_PARTS = 3  # with two, each part would be judged by the one it judges


@word("multiedit")
def multiedit(interpreter: Interpreter, cb: Form, parts: Form = 3.0, verbose: Form = NIL) -> Codebook:
    """(multiedit cb [n [verbose]]): without the words misclassified by the nearest one in the next of n (3) parts

    Devijver and Kittler (Pattern Recognition, 1982, section 3.11): each of n parts is judged by the nearest words of
    the part behind it, the last by the first; the misclassified go, and the rest is cut again, until none goes. Here
    a part is a stretch of the codebook, where theirs are drawn at random. The result is a new codebook.
    """
    book, n = codebook(interpreter, "multiedit", cb), whole("multiedit", parts, 1)
    if n < _LEAST_PARTS:
        raise CallError(
            f"multiedit: {_LEAST_PARTS} parts or more are wanted, not {n}",
            1,
            f"write (multiedit cb {_LEAST_PARTS}), or a larger number",
        )
    left, dropped = np.arange(len(book)), -1
    while dropped:
        if len(left) < n:
            raise CallError(
                f"multiedit: {len(left)} words are left, too few for {n} parts",
                0,
                f"write a smaller number of parts, at most {max(len(left), 1)}, or give more words",
            )
        stretches = np.array_split(left, n)
        judges = stretches[1:] + stretches[:1]
        kept = [_agreed(interpreter, book, part, judge) for part, judge in zip(stretches, judges)]
        dropped = len(left) - sum(map(len, kept))
        left = np.concatenate(kept)
        if verbose is not NIL:
            interpreter.print_text(f"multiedit: {dropped} dropped, {len(left)} of {len(book)} left\n")
    return _copied(interpreter, "multiedit", book, left)


def _agreed(interpreter: Interpreter, book: Codebook, places: np.ndarray, judges: np.ndarray) -> np.ndarray:
    """Those of some places of a codebook whose words have the label of the nearest of the words at other places."""
    judging = Codebook(book.words[judges], book.labels[judges])
    count_distances(interpreter, len(places), judging)
    found = [judging.labels[nearest(x, judging.words)] for x in book.words[places]]
    agreed: np.ndarray = places[book.labels[places] == found]
    return agreed


@word("condense")
def condense(interpreter: Interpreter, cb: Form, verbose: Form = NIL) -> Codebook:
    """(condense cb [verbose]): the words that are needed for each to be classified well by its nearest one

    Hart's condensed nearest neighbour rule (IEEE Transactions on Information Theory 14, 1968): the store begins with
    the first word; each word that the store misclassifies goes into it; again from the front, until a whole pass adds
    none. The result is a new codebook, in the order in which the words came into the store.
    """
    book = codebook(interpreter, "condense", cb)
    if not len(book):
        raise CallError(
            "condense: the codebook has no words", 0, "fill it before: (load-codebook file) or (codebook-merge cb...)"
        )
    store, before = [0], 0
    while before < len(store):
        before = len(store)
        for i, (x, label) in enumerate(zip(book.words, book.labels)):
            stored = Codebook(book.words[store], book.labels[store])
            count_distances(interpreter, 1, stored)
            if stored.labels[nearest(x, stored.words)] == label:
                continue
            if i in store:  # another word in the store is as near as the word itself
                raise CallError(
                    f"condense: word {i} stands in the codebook with two labels", 0, "(multiedit cb) drops such words"
                )
            store.append(i)
        if verbose is not NIL:
            interpreter.print_text(f"condense: {len(store) - before} added, {len(store)} of {len(book)} kept\n")
    return _copied(interpreter, "condense", book, np.array(store))


def _copied(interpreter: Interpreter, name: str, book: Codebook, places: np.ndarray) -> Codebook:
    interpreter.budget.make_matrix(len(places) * book.width, name)
    return Codebook(book.words[places], book.labels[places])
