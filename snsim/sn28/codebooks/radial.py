"""Networks of radial basis functions over a codebook of centres (docs/reference/sn28.md, section 5).

The method follows Moody and Darken (Fast learning in networks of locally-tuned processing units, Neural Computation 1,
1989). The centres come from k-means for each class and stay fixed. Unit j of the first layer holds d_j, the squared
distance of a word to centre j. Bell j computes (1 - a^2)^3 for a = v_j d_j between -1 and 1, else 0. One output per
class applies the default non-linearity to a weighted sum of all bells and a bias; its targets are +1 and -1.
`learn-rbf` learns v and the output weights by on-line gradient descent.

The net is built and trained by the same words that a program would call, looked up by name, so it can be drawn, saved
and measured like any other net. Its layers are `input-layer`, `bell-layer` and `output-layer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, make_list, symbol
from snsim.language.procedures import TRUE, CallError
from snsim.runtime.lisp_definitions import binding, code
from snsim.runtime.random_numbers import RandomGenerator
from snsim.runtime.vocabulary import word
from snsim.sn28.codebooks.codebooks import Codebook, expect_codebook
from snsim.sn28.codebooks.kmeans_lvq import k_means_of_classes
from snsim.sn28.codebooks.nearest_neighbours import count_distances, neighbour_count, squared_distances
from snsim.sn28.learning.fused_sweeps import FusedSweeps

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_SAMPLED_WORDS = 100  # words whose distances determine the initial v
_MEAN_ARGUMENT = 0.5  # |a| at the mean distance of these words, where a bell gives 0.42
_RATE = 0.02  # multiplied by the mean v for bells, and by 1/sqrt(bells) for outputs


@word("init-rbf")
def init_rbf(interpreter: Interpreter, data: Form, centres: Form) -> Form:
    """(init-rbf data k): builds a net with k centres per label, by k-means; (init-rbf data cb): with the centres cb"""
    items = expect_codebook(interpreter, "init-rbf", data)
    if not len(items):
        raise CallError(
            "init-rbf: the codebook has no words",
            0,
            "fill it first, with (load-codebook file) or (codebook-merge cb...)",
        )
    if isinstance(centres, Codebook):
        book = centres
        if not len(book) or book.width != items.width:
            raise CallError(
                f"init-rbf: {len(book)} centres of {book.width} numbers do not fit words of {items.width} numbers",
                1,
                f"make the centres from the data: (k-means data {max(len(book), 1)})",
            )
    else:
        k = neighbour_count("init-rbf", centres, items, 1)
        book = k_means_of_classes(interpreter, "init-rbf", items, k, items.classes())
    initial_weight = _initial_bell_weight(interpreter, items)
    labels = make_list(map(float, items.classes()))
    for name, value in (("rbf-codebook", book), ("rbf-classes", labels), ("age", 0.0)):
        interpreter.assign(symbol(name), value)
    _make_net(interpreter, len(book), len(items.classes()))
    for unit, bell in _distance_bell_pairs(interpreter):
        interpreter.call("sval", unit, bell, initial_weight)
    return TRUE


def _make_net(interpreter: Interpreter, bells: int, classes: int) -> None:
    """Build layers and connections, with all weights 0."""
    units = 1 + 2 * bells + 2 * classes  # with the bias and the desired layer
    interpreter.call("alloc-net", float(units), float(bells + classes * (bells + 1)))
    layers = make_list(
        [
            code("input-layer", float(bells)),
            code("bell-layer", float(bells), code("nlf-bell")),
            code("output-layer", float(classes)),
        ]
    )
    interpreter.call("build-net-nobias", layers, NIL)
    for unit, bell in _distance_bell_pairs(interpreter):
        interpreter.call("connect", unit, bell)
    outputs = interpreter.lookup("output-layer")
    interpreter.call("connect", 0.0, outputs)
    interpreter.call("connect", interpreter.lookup("bell-layer"), outputs)


def _distance_bell_pairs(interpreter: Interpreter) -> list[tuple[Form, Form]]:
    """Return pairs of a distance unit and its bell unit. Raise CallError if the net is not one of `init-rbf`."""
    layers = [interpreter.elements(interpreter.lookup(name), name) for name in ("input-layer", "bell-layer")]
    if not layers[0] or len(layers[0]) != len(layers[1]):
        raise CallError(
            "the current net is not a net of radial basis functions", None, "build one with (init-rbf data k)"
        )
    return list(zip(*layers))


def _initial_bell_weight(interpreter: Interpreter, items: Codebook) -> float:
    """Return 0.5 divided by the mean squared distance of 100 words, drawn with `rand`, to all words.

    The distance of a word to itself counts as the largest of its distances.
    """
    randomness, total = interpreter.part(RandomGenerator), 0.0
    count_distances(interpreter, _SAMPLED_WORDS, items)
    for _ in range(_SAMPLED_WORDS):
        index = min(int(randomness.rand() * len(items)), len(items) - 1)  # rand may be 1
        distances = squared_distances(items.words[index], items.words)
        distances[index] = distances.max()
        total += float(distances.mean(dtype=np.float64))
    if not 0.0 < total < np.inf:
        raise CallError(
            "init-rbf: all words are equal" if total == 0.0 else "init-rbf: the distances are too large",
            0,
            "write data with different words" if total == 0.0 else "scale the words: (m*c (codebook-word cb) 0.001)",
        )
    return _MEAN_ARGUMENT * _SAMPLED_WORDS / total


# Words as patterns


@word("rbf-present-pattern")
def rbf_present_pattern(interpreter: Interpreter, layer: Form, i: Form) -> Form:
    """(rbf-present-pattern layer i): sets the layer's states to the squared distances of vector i from the centres

    The vector is number i of the codebook in rbf-cbdata, counted from 0.
    """
    centres = expect_codebook(interpreter, "rbf-present-pattern: rbf-codebook", interpreter.lookup("rbf-codebook"))
    x = _presented_word(interpreter, "rbf-present-pattern", i)[0]
    count_distances(interpreter, 1, centres)
    return interpreter.call("state", layer, make_list(squared_distances(x, centres.words).astype(float).tolist()))


@word("rbf-present-desired")
def rbf_present_desired(interpreter: Interpreter, layer: Form, i: Form) -> Form:
    """(rbf-present-desired layer i): sets the layer's states to 1 for the label of vector i, and to -1 for the others

    The vector is number i of the codebook in rbf-cbdata, counted from 0.
    """
    label = _presented_word(interpreter, "rbf-present-desired", i)[1]
    labels = interpreter.elements(interpreter.lookup("rbf-classes"), "rbf-present-desired: rbf-classes")
    return interpreter.call("state", layer, make_list(1.0 if c == label else -1.0 for c in labels))


def _presented_word(interpreter: Interpreter, name: str, i: Form) -> tuple[np.ndarray, int]:
    """Return word i of rbf-cbdata and its label."""
    items, index = (
        expect_codebook(interpreter, f"{name}: rbf-cbdata", interpreter.lookup("rbf-cbdata")),
        whole(name, i, 1),
    )
    if not 0 <= index < len(items):
        raise CallError(
            f"{name}: no word {index}: the codebook has {len(items)} words",
            1,
            f"count words from 0: write 0 to {len(items) - 1}",
        )
    return items.words[index], int(items.labels[index])


@contextmanager
def _codebook_as_patterns(interpreter: Interpreter, name: str, data: Form) -> Iterator[None]:
    """Make the words of a codebook the training patterns, and the largest output the answer, in the `with` block."""
    items = expect_codebook(interpreter, name, data)
    centres = interpreter.lookup("rbf-codebook")
    if not isinstance(centres, Codebook):
        raise CallError(f"{name}: there is no net of radial basis functions", None, "build one with (init-rbf data k)")
    if not len(items) or items.width != centres.width:
        raise CallError(
            f"{name}: {len(items)} words of {items.width} numbers do not fit centres of {centres.width} numbers",
            0,
            "build the net for these words: (init-rbf data k)",
        )
    outputs = interpreter.elements(interpreter.lookup("rbf-classes"), f"{name}: rbf-classes")
    unknown = [label for label in items.classes() if label not in outputs]
    if unknown:
        raise CallError(
            f"{name}: the net has no output for label {unknown[0]}",
            0,
            "build the net with data of all classes: (init-rbf data k)",
        )
    values = {
        "rbf-cbdata": items,
        "patt-min": 0.0,
        "patt-max": float(len(items) - 1),
        "classify": interpreter.procedure(symbol("class-max")),
        "present-pattern": interpreter.procedure(symbol("rbf-present-pattern")),
        "present-desired": interpreter.procedure(symbol("rbf-present-desired")),
    }
    interpreter.part(FusedSweeps).forget()  # it tabulates the distances
    with ExitStack() as stack:
        for variable, value in values.items():
            stack.enter_context(binding(interpreter, variable, value))
        yield


@word("learn-rbf")
def learn_rbf(
    interpreter: Interpreter, data: Form, sweeps: Form, bell_rate: Form = NIL, class_rate: Form = NIL
) -> Form:
    """(learn-rbf data n [es ec]): trains the net of init-rbf by n sweeps over the codebook data

    The rate of the bells falls from es to 0, that of the outputs from ec to 0: in sweep t, counted from 0, a rate is e
    (1 - t/n). By default es is 0.02 times the mean weight of the bells, and ec is 0.02 divided by the square root of
    their number.
    """
    count = whole("learn-rbf", sweeps, 1)
    if count < 0:
        raise CallError(f"learn-rbf: expected 0 sweeps or more, got {count}", 1, "write a number of sweeps such as 10")
    with _codebook_as_patterns(interpreter, "learn-rbf", data):
        weights = [number("sval", interpreter.call("sval", *pair), None) for pair in _distance_bell_pairs(interpreter)]
        rates = {
            "bell-layer": _RATE * sum(weights) / len(weights)
            if bell_rate is NIL
            else number("learn-rbf", bell_rate, 2),
            "output-layer": _RATE / len(weights) ** 0.5 if class_rate is NIL else number("learn-rbf", class_rate, 3),
        }
        for sweep in range(count):
            for layer, rate in rates.items():
                interpreter.call("epsilon", interpreter.lookup(layer), rate * (1 - sweep / count))
            interpreter.call("learn-cycle", 1.0)
    return TRUE


@word("perf-rbf")
def perf_rbf(interpreter: Interpreter, data: Form) -> Form:
    """(perf-rbf data): measures the net of init-rbf on a codebook, as perf does; the largest output is the answer"""
    with _codebook_as_patterns(interpreter, "perf-rbf", data):
        return interpreter.call("perf")
