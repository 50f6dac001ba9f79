"""The compiled loops of codebooks compute the bits of NumPy, also with ties and with numbers that are not finite."""

import numpy as np
import pytest

from snsim.language.builtins import CORE
from snsim.language.evaluator import Evaluator
from snsim.sn28.codebooks import codebook_loops, kmeans_lvq, multiedit_condense, nearest_neighbours
from snsim.sn28.codebooks.codebooks import Codebook

pytest.importorskip("llvmlite")


def book(seed, words=60, width=5, classes=4, grain=None, hostile=False):
    """A codebook of random words; with `grain` of few values, so that distances are equal."""
    draw = np.random.default_rng(seed)
    table = draw.normal(size=(words, width))
    table = (table if grain is None else np.round(table / grain) * grain).astype(np.float32)
    labels = np.where(
        draw.random(words) < 0.1, draw.integers(classes, size=words), np.digitize(table[:, 0], (-0.7, 0.7))
    )
    if hostile:
        table[draw.integers(words, size=3), draw.integers(width, size=3)] = (np.inf, np.nan, 3e38)
    return Codebook(table, labels)


CASES = [
    {"seed": 1},
    {"seed": 2, "grain": 0.5},
    {"seed": 3, "grain": 1.0, "width": 2},
    {"seed": 4, "width": 1},
    {"seed": 5, "hostile": True},
    {"seed": 6, "words": 7, "width": 33},
]


def everything(case):
    """Every result that depends on the loops, as bytes."""
    interpreter = Evaluator(CORE)
    data, other = book(**case), book(**(case | {"seed": case["seed"] + 100}))
    results = []
    with np.errstate(all="ignore"):
        for k in (1, 2, 5):
            results += [*nearest_neighbours.nearest_words(data.words, other.words, k)]
            results.append(nearest_neighbours.classify_all(data.words, other, k))
        results.append(nearest_neighbours.squared_distances(data.words[0], other.words))
        results.append(np.array(nearest_neighbours.distortion(data, other)))
        counts = np.ones(len(other), np.float32)
        means = other.words.copy()
        kmeans_lvq._move_nearest_means(means, counts, data.words)
        results += [means, counts]
        for version in (1, 2, 3):
            moved = Codebook(other.words.copy(), other.labels)
            training = kmeans_lvq.LvqTraining(data, moved, 4, 0.3)
            if version == 1:
                kmeans_lvq.learn_lvq1(training, interpreter)
            else:
                kmeans_lvq.learn_lvq_pairs(training, kmeans_lvq._PAIRS[version], 0.9, interpreter)
            results.append(moved.words)
        if "hostile" not in case and "grain" not in case:
            reduced = multiedit_condense.condense(interpreter, data)
            results += [reduced.words, reduced.labels]
        if len(data) > 10 and "hostile" not in case:
            results.append(multiedit_condense.multiedit(interpreter, data, 3.0).words)
    return [array.tobytes() for array in results]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_compiled_loops_have_the_bits_of_numpy(case: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codebook_loops, "_LITTLE_WORK", -1)
    compiled = everything(case)
    assert codebook_loops.codebook_loops(1, book(1).words) is not None
    monkeypatch.setattr(codebook_loops, "_compiled", lambda: None)
    assert everything(case) == compiled
