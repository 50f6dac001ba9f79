"""Networks of radial basis functions over a codebook of centres (docs/reference/sn28.md, section 5).

After Moody and Darken (Fast learning in networks of locally-tuned processing units, Neural Computation 1, 1989): the
centres come from k-means, class by class, and stay. Unit j of the first layer holds d_j, the squared distance of a word
to centre j; bell j gives (1 - a^2)^3 for a = v_j d_j within -1 and 1, else 0; and an output for each class takes a
weighted sum of all bells and a bias through the common non-linearity, with targets +1 and -1. `learn-rbf` learns v and
the weights of the outputs by the gradient, word by word.

The net is made and trained by the words that any program would use for it, found by name when they are called: it can
be drawn, saved and measured as other nets are. Its layers are `distance-layer`, `bell-layer` and `class-layer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.builtins.arithmetic import number, whole
from snsim.language.forms import NIL, Form, make_list, symbol
from snsim.language.procedures import TRUE, CallError
from snsim.sn28.codebooks.codebooks import Codebook, codebook
from snsim.sn28.codebooks.kmeans_lvq import k_means_of_classes
from snsim.sn28.codebooks.nearest_neighbours import count_distances, neighbours, squared_distances
from snsim.sn28.runtime.lisp_definitions import bound, code
from snsim.sn28.runtime.random_numbers import Randomness
from snsim.sn28.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_DRAWN = 100  # words whose distances set the first v
_REACH = 0.5  # |a| of a word at the mean distance of these: its bell then gives 0.42
_RATE = 0.02  # of the bells by their mean v, of the outputs by 1/sqrt(bells)


@word("init-rbf")
def init_rbf(interpreter: Interpreter, data: Form, centres: Form) -> Form:
    """(init-rbf data k): build a net, k centres a label by k-means; (init-rbf data cb): with these centres"""
    items = codebook(interpreter, "init-rbf", data)
    if not len(items):
        raise CallError(
            "init-rbf: the codebook has no words", 0, "fill it before: (load-codebook file) or (codebook-merge cb...)"
        )
    if isinstance(centres, Codebook):
        book = centres
        if not len(book) or book.width != items.width:
            raise CallError(
                f"init-rbf: {len(book)} centres of {book.width} numbers for words of {items.width}",
                1,
                f"take the centres from the data: (k-means data {max(len(book), 1)})",
            )
    else:
        k = neighbours("init-rbf", centres, items, 1)
        book = k_means_of_classes(interpreter, "init-rbf", items, k, items.classes())
    first = _first_v(interpreter, items, book)
    classes = max(items.class_count(), book.class_count())
    for name, value in (("rbf-codebook", book), ("rbf-classes", float(classes)), ("age", 0.0)):
        interpreter.assign(symbol(name), value)
    _make_net(interpreter, len(book), classes)
    for unit, bell in _pairs(interpreter):
        interpreter.call("sval", unit, bell, first)
    return TRUE


def _make_net(interpreter: Interpreter, bells: int, classes: int) -> None:
    """Layers and connections; all weights are 0."""
    units = 1 + 2 * bells + 2 * classes  # with the bias, and what the outputs should be
    interpreter.call("alloc-net", float(units), float(bells + classes * (bells + 1)))
    layers = make_list(
        [
            code("distance-layer", float(bells)),
            code("bell-layer", float(bells), code("nlf-bell")),
            code("class-layer", float(classes)),
        ]
    )
    interpreter.call("build-net-nobias", layers, NIL)
    for unit, bell in _pairs(interpreter):
        interpreter.call("connect", unit, bell)
    outputs = interpreter.lookup("class-layer")
    interpreter.call("connect", 0.0, outputs)
    interpreter.call("connect", interpreter.lookup("bell-layer"), outputs)


def _pairs(interpreter: Interpreter) -> list[tuple[Form, Form]]:
    """Each unit that holds a distance, and its bell; CallError if there is no such net."""
    layers = [interpreter.elements(interpreter.lookup(name), name) for name in ("distance-layer", "bell-layer")]
    if not layers[0] or len(layers[0]) != len(layers[1]):
        raise CallError("there is no net of radial basis functions", None, "(init-rbf data k) builds one")
    return list(zip(*layers))


def _first_v(interpreter: Interpreter, items: Codebook, centres: Codebook) -> float:
    """1/2 over the mean squared distance of 100 words to the centres, the words drawn by `rand` one by one."""
    randomness, total = interpreter.part(Randomness), 0.0
    count_distances(interpreter, _DRAWN, centres)
    for _ in range(_DRAWN):
        drawn = min(int(randomness.rand() * len(items)), len(items) - 1)  # rand may be 1
        total += float(squared_distances(items.words[drawn], centres.words).mean(dtype=np.float64))
    if not 0.0 < total < np.inf:
        raise CallError(
            "init-rbf: all words are the same" if total == 0.0 else "init-rbf: the distances are too large",
            0,
            "give words that differ" if total == 0.0 else "divide the words before: (m*c (codebook-word cb) 0.001)",
        )
    return _REACH * _DRAWN / total


# Words as patterns


@word("rbf-present-pattern")
def rbf_present_pattern(interpreter: Interpreter, layer: Form, i: Form) -> Form:
    """(rbf-present-pattern layer i): set a layer to the squared distances from word i of rbf-cbdata to the centres"""
    centres = codebook(interpreter, "rbf-present-pattern: rbf-codebook", interpreter.lookup("rbf-codebook"))
    x = _presented(interpreter, "rbf-present-pattern", i)[0]
    count_distances(interpreter, 1, centres)
    return interpreter.call("state", layer, make_list(squared_distances(x, centres.words).astype(float).tolist()))


@word("rbf-present-desired")
def rbf_present_desired(interpreter: Interpreter, layer: Form, i: Form) -> Form:
    """(rbf-present-desired layer i): set the desired layer to 1 for the label of word i of rbf-cbdata, else to -1"""
    label = _presented(interpreter, "rbf-present-desired", i)[1]
    count = len(interpreter.elements(layer, "rbf-present-desired"))
    return interpreter.call("state", layer, make_list(1.0 if c == label else -1.0 for c in range(count)))


def _presented(interpreter: Interpreter, name: str, i: Form) -> tuple[np.ndarray, int]:
    """Word i of the codebook that is presented, and its label."""
    items, place = codebook(interpreter, f"{name}: rbf-cbdata", interpreter.lookup("rbf-cbdata")), whole(name, i, 1)
    if not 0 <= place < len(items):
        raise CallError(
            f"{name}: the codebook has words 0 to {len(items) - 1}, not {place}",
            1,
            f"words count from 0: write 0 to {len(items) - 1}",
        )
    return items.words[place], int(items.labels[place])


@contextmanager
def _as_patterns(interpreter: Interpreter, name: str, data: Form) -> Iterator[None]:
    """The words of a codebook are the training patterns, and the greatest output is the answer."""
    items = codebook(interpreter, name, data)
    centres = interpreter.lookup("rbf-codebook")
    if not isinstance(centres, Codebook):
        raise CallError(f"{name}: there is no net of radial basis functions", None, "(init-rbf data k) builds one")
    if not len(items) or items.width != centres.width:
        raise CallError(
            f"{name}: {len(items)} words of {items.width} numbers for centres of {centres.width}",
            0,
            "build the net for these words: (init-rbf data k)",
        )
    if items.class_count() > number(name, interpreter.lookup("rbf-classes"), None):
        raise CallError(
            f"{name}: the net has no output for the label {items.class_count() - 1}",
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
    with ExitStack() as stack:
        for variable, value in values.items():
            stack.enter_context(bound(interpreter, variable, value))
        yield


@word("learn-rbf")
def learn_rbf(
    interpreter: Interpreter, data: Form, sweeps: Form, bell_rate: Form = NIL, class_rate: Form = NIL
) -> Form:
    """(learn-rbf data n [es ec]): n sweeps over the words, at rates from es (bells) and ec (outputs) to 0

    In sweep t of n a rate is e (1 - t/n), t from 0. By default es is 0.02 times the mean weight of the bells, ec 0.02
    over the root of their number.
    """
    count = whole("learn-rbf", sweeps, 1)
    if count < 0:
        raise CallError(f"learn-rbf: {count} sweeps", 1, "write 1 or more, such as 10")
    with _as_patterns(interpreter, "learn-rbf", data):
        weights = [number("sval", interpreter.call("sval", *pair), None) for pair in _pairs(interpreter)]
        rates = {
            "bell-layer": _RATE * sum(weights) / len(weights)
            if bell_rate is NIL
            else number("learn-rbf", bell_rate, 2),
            "class-layer": _RATE / len(weights) ** 0.5 if class_rate is NIL else number("learn-rbf", class_rate, 3),
        }
        for sweep in range(count):
            for layer, rate in rates.items():
                interpreter.call("epsilon", interpreter.lookup(layer), rate * (1 - sweep / count))
            interpreter.call("learn-cycle", 1.0)
    return TRUE


@word("perf-rbf")
def perf_rbf(interpreter: Interpreter, data: Form) -> Form:
    """(perf-rbf data): measure the net on a codebook, as perf does; a word counts if the greatest output is its own"""
    with _as_patterns(interpreter, "perf-rbf", data):
        return interpreter.call("perf")
