"""Nets from their text: counts, variation by `like`, the complete form, and every fault with its place."""

from __future__ import annotations

import ast
import io
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from snsim.errors import SnError, Source
from snsim.language.builtins import CORE
from snsim.language.evaluator import Evaluator
from snsim.language.interpreter import Word
from snsim.language.procedures import Procedure, function
from snsim.network.clauses import DEFAULT, STATED
from snsim.network.complete_form import complete_form
from snsim.network.expressions import evaluate
from snsim.network.net import Net
from snsim.network.net_form import WORDS, NetShelves, lisp_functions
from snsim.registry import Shelf

PRELUDE = Path(__file__).parent.parent / "snsim" / "network" / "prelude.sn"


def run(text: str, shelves: NetShelves) -> NetShelves:
    """Evaluate a text with the words of networks only."""
    known: Shelf[Word] = Shelf("declarative word")
    for entry in WORDS:
        known.add(entry.name, partial(entry.value, shelves=shelves), entry.doc)
    functions: Shelf[Procedure] = CORE.child()
    for name, (body, _) in lisp_functions().items():
        function(name, shelf=functions)(body)
    Evaluator(functions, known, io.StringIO()).run(Source("t.sn", text))
    return shelves


BUILT_IN = run(PRELUDE.read_text(), NetShelves())


def declare(text: str) -> NetShelves:
    return run(text, BUILT_IN.child())


def net(text: str, name: str = "n") -> Net:
    return declare(text).nets.get(name)


THREE_BLOCKS = "(table three-blocks ,(blocks 12 12 3 2))"
LECUN89 = f"""
{THREE_BLOCKS}
(net lecun89
  (default (nlf sn-tanh) (bias unit))
  (layer input (16 16)) (layer h1 (12 8 8)) (layer h2 (12 4 4)) (layer h3 30) (layer output 10)
  (connect input h1 (mask 5 5) (step 2) (border 2 -1))
  (connect h1 h2 (mask 5 5) (step 2) (border 2 -1) (table three-blocks))
  (connect h2 h3 (full)) (connect h3 output (full))
  (expect (units 1256) (connections 64660) (weights 9760)))
"""
LENET_1 = """
(table h2-h3 (from 1 (1) (1 2) (1 2) (2) (1 2) (1 2) (3) (3 4) (3 4) (4) (3 4) (3 4)))
(net n (default (bias map))
  (layer input (28 28)) (layer h1 (4 24 24)) (layer h2 (4 12 12)) (layer h3 (12 8 8)) (layer h4 (12 4 4))
  (layer output 10 (bias unit))
  (connect input h1 (mask 5 5))
  (connect h1 h2 (equal-mask 2 2) (step 2) (table one-to-one) (scale 0.25))
  (connect h2 h3 (mask 5 5) (table h2-h3))
  (connect h3 h4 (equal-mask 2 2) (step 2) (table one-to-one) (scale 0.25))
  (connect h4 output (full)))
"""
LENET_5 = """
(table c3 (from 0 (0 1 2) (1 2 3) (2 3 4) (3 4 5) (4 5 0) (5 0 1) (0 1 2 3) (1 2 3 4) (2 3 4 5) (3 4 5 0) (4 5 0 1)
                  (5 0 1 2) (0 1 3 4) (1 2 4 5) (0 2 3 5) (0 1 2 3 4 5)))
(net n (default (bias map))
  (layer input (32 32)) (layer c1 (6 28 28)) (layer s2 (6 14 14)) (layer c3 (16 10 10)) (layer s4 (16 5 5))
  (layer c5 (120 1 1)) (layer (f6) 84 (bias unit)) (layer output 10 (bias unit))
  (connect input c1 (mask 5 5)) (connect c1 s2 (equal-mask 2 2) (step 2) (table one-to-one))
  (connect s2 c3 (mask 5 5) (table c3)) (connect c3 s4 (equal-mask 2 2) (step 2) (table one-to-one))
  (connect s4 c5 (mask 5 5)) (connect c5 f6 (full)) (connect f6 output (full)))
"""
TDNN = """
(net n (default (nlf sigmoid) (bias column))
  (layer input (15 16)) (layer h1 (13 8)) (layer h2 (9 3)) (layer output (1 3))
  (connect input h1 (tdnn 3)) (connect h1 h2 (tdnn 5)) (connect h2 output (equal-mask 9 1) (fixed 1)))
"""
TDNN_MAPS = """
(net n (default (nlf sigmoid) (bias map))
  (layer input (16 15 1)) (layer h1 (8 13 1)) (layer h2 (3 9 1)) (layer output (3 1 1))
  (connect input h1 (mask 3 1)) (connect h1 h2 (mask 5 1))
  (connect h2 output (equal-mask 9 1) (table one-to-one) (fixed 1)))
"""
NET_3 = """
(net n (layer input (16 16)) (layer h1 (8 8)) (layer h2 (4 4)) (layer output 10)
  (connect input h1 (local 3 3) (step 2) (border 1 -1)) (connect h1 h2 (local 5 5) (step 2) (border 2 -1))
  (connect h2 output (full)))
"""
NET_5 = """
(net n (layer input (16 16)) (layer h1 (2 8 8)) (layer h2 (4 4 4)) (layer output 10)
  (connect input h1 (mask 3 3) (step 2) (border 1 -1)) (connect h1 h2 (mask 5 5) (step 2) (border 2 -1))
  (connect h2 output (full)))
"""
NETMASK = """
(net n (default (bias map))
  (layer input (16 16)) (layer hidden (2 8 8)) (layer prepro (4 4 4)) (layer output 10 (bias unit))
  (connect input hidden (mask 3 3) (step 2) (border wrap)) (connect hidden prepro (mask 3 3) (step 2) (border wrap))
  (connect prepro output (full)))
"""
SKIP = """
(net n (layer input (16 16)) (layer (h1 h2) 30) (layer output 10)
  (connect input (h1 h2 output) (full)) (connect h1 (h2 output) (full)) (connect h2 output (full)))
"""
PAIRS = """
(net n (layer input (4 4)) (layer a (4 4) (nlf nlf-tanh 0.666 0.05)) (layer b 2 (nlf (* 2 (tanh x))) (bias none))
  (connect input a (one-to-one) (scale 2)) (connect a b (pairs (0 0) (1 0 5) (2 1 5))))
"""
NETS = {
    "lenet-1": (LENET_1, (4634, 98442, 2578)),
    "lenet-5": (LENET_5, (9118, 340918, 60850)),
    "tdnn": (TDNN, (374, 6233, 518)),
    "tdnn-maps": (TDNN_MAPS, (374, 6233, 518)),
    "net-3": (NET_3, (346, 1226, 1226)),
    "net-5": (NET_5, (458, 5194, 1060)),
    "netmask": (NETMASK, (458, 3146, 746)),
    "skip": (SKIP, (326, 19490, 19490)),
    "pairs": (PAIRS, (34, 35, 34)),
}


@pytest.mark.parametrize("name", NETS)
def test_counts(name: str) -> None:
    text, counts = NETS[name]
    found = net(text).counts
    assert (found.units, found.connections, found.weights) == counts


def test_lecun89() -> None:
    n = net(LECUN89, "lecun89")
    assert [n.layer_counts(layer.name).weights for layer in n.layers] == [0, 1068, 2592, 5790, 310]
    assert [(p.name, p.shape) for p in n.parameters[:4]] == [
        ("input_h1.weight", (12, 1, 5, 5)),
        ("h1.bias", (12, 8, 8)),
        ("h1_h2.weight", (12, 8, 5, 5)),
        ("h2.bias", (12, 4, 4)),
    ]
    assert [set(p.fan_in.tolist()) for p in n.parameters[::2]] == [{26}, {201}, {193}, {31}]
    assert n.parameters[0].sharers.tolist() == [64] * 300
    assert [c.wiring.unread for c in n.connections] == [(1, 1), (1, 1), (0, 0), (0, 0)]


@pytest.mark.parametrize(
    "text",
    [
        "(net n (layer i 3000000) (layer o 30) (connect i o (full)))",
        """
(net n (layer i (1000 1000)) (layer h (3 1000 1000)) (layer o 1)
  (connect i h (mask 5 5) (border 2 0)) (connect h o (full)))""",
    ],
)
def test_a_large_net_is_read_without_its_tables(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from snsim.network import wiring

    monkeypatch.setattr(wiring.Wiring, "table", property(lambda self: pytest.fail("a table was built")))
    n = net(text)
    assert n.counts.connections > 7 * 10**7 and len(n.digest) == 64


@pytest.mark.parametrize("name", NETS)
def test_the_complete_form_reads_back_as_the_same_net(name: str) -> None:
    shelves = declare(NETS[name][0])
    first = shelves.nets.get("n")
    printed = complete_form("net", "again", first.clauses)
    again = run(printed, shelves).nets.get("again")
    assert again.digest == first.digest
    assert [c.node.head for c in again.clauses] == [c.node.head for c in first.clauses]
    assert (
        complete_form("net", "again", again.clauses).replace("; default", "").split()
        == printed.replace("; default", "").split()
    )


def test_digests_differ_where_nets_do() -> None:
    changes = [
        "",
        "(layer h1 (nlf relu))",
        "(layer h1 (bias map))",
        "(connect h1 h2 (table full))",
        "(connect input h1 (border 2 0))",
        "(connect h2 h3 (scale 2))",
        "(connect h2 h3 (fixed 2))",
        "(connect h2 h3 (mask 4 4)) (layer h3 (30 1 1))",
        "(layer h1 (nlf nlf-bin 1 0))",
        "(layer h1 (nlf nlf-bin 2 0 1))",
    ]
    shelves = declare(LECUN89 + "".join(f"(net n{i} (like lecun89) {c})" for i, c in enumerate(changes)))
    digests = [shelves.nets.get(name).digest for name in ("lecun89", *(f"n{i}" for i in range(len(changes))))]
    assert digests[0] == digests[1] and len(set(digests)) == len(changes)


# ---- like ------------------------------------------------------------------------------------------------------------


def like(*clauses: str) -> Net:
    return net(f"{LECUN89} (net n (like lecun89) {' '.join(clauses)})")


def test_a_net_says_which_layers_hold_a_presentation_and_which_are_computed() -> None:
    described = net("(net n (layer a (2 3)) (layer b 4) (layer c 5) (connect a b (full)) (connect b c (full)))")
    assert [layer.name for layer in described.inputs] == ["a"]
    assert [layer.name for layer in described.computed] == ["b", "c"]
    assert described.input_units == 2 * 3
    assert {p.layer for p in described.parameters} == {"b", "c"}


def test_no_place_takes_the_first_layer_for_the_input() -> None:
    """Every module asks `Net.inputs`, `Net.computed` or `Net.input_units`; only `Net` itself knows their places."""
    nets = {"net", "_net", "described"}
    guesses = [
        f"{path.name}:{node.lineno}"
        for path in sorted(PRELUDE.parents[1].rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "layers"
        and ast.unparse(node.value.value).split(".")[-1] in nets
        and ast.unparse(node.slice) in ("0", "1:", ":1")
        and path.parent.name != "native"  # there `net` is code of a net, whose layers are places in memory
    ]
    assert guesses == []


def test_like_changes_only_what_is_stated() -> None:
    n = like("(layer (h1 h2) (nlf relu))", "(layer h3 40)", "(connect h1 h2 (table full))")
    assert [layer.nlf and layer.nlf.name for layer in n.layers] == [None, "relu", "relu", "sn-tanh", "sn-tanh"]
    assert n.layer("h3").shape == (40,) and n.layer("h1").shape == (12, 8, 8)
    assert n.connections[1].wiring.structure.maps.all() and n.connections[1].options["step"] == 2.0
    origins = {tuple(item.value.name for item in c.node.items[1:3] if item.is_symbol): c for c in n.clauses}
    assert origins["h1",].origin == origins["h1", "h2"].origin == "lecun89"  # of shape and scheme
    assert {p.word: p.origin for p in origins["h1",].parts} == {"nlf": STATED, "bias": DEFAULT}
    assert {p.word: p.origin for p in origins["h1", "h2"].parts} == {
        "table": STATED,
        "step": "lecun89",
        "border": "lecun89",
        "scale": DEFAULT,
    }


def test_a_scheme_replaces_scheme_and_options() -> None:
    n = like("(connect h1 h2 (full))")
    assert n.connections[1].scheme == "full" and set(n.connections[1].options) == set()
    assert [c.target for c in n.connections] == ["h1", "h2", "h3", "output"]


def test_a_new_default_reaches_layers_that_do_not_say() -> None:
    shelves = declare("""
        (net a (default (bias map)) (layer i (4 4)) (layer (h k) (4 4)) (layer o (1 1) (nlf linear))
          (connect i h (full)) (connect h k (full)) (connect k o (full)))
        (net b (like a) (default (nlf relu)) (layer h (bias unit)))
        (net c (like b) (layer h (nlf tanh)))""")
    assert [(x.nlf.name, x.bias) for x in shelves.nets.get("c").layers[1:]] == [
        ("tanh", "unit"),
        ("relu", "map"),
        ("linear", "map"),
    ]
    clause = next(c for c in shelves.nets.get("c").clauses if c.word == "layer" and c.node.items[1].name == "h")
    assert {p.word: p.origin for p in clause.parts} == {"nlf": STATED, "bias": "b"}


def test_without() -> None:
    n = like("(without h3)", "(connect h2 output (full))")
    assert [layer.name for layer in n.layers] == ["input", "h1", "h2", "output"]
    assert [c.name for c in n.connections] == ["input-h1", "h1-h2", "h2-output"]
    n = like("(without (connect h3 output))", "(without output)", "(layer out 5)", "(connect h3 out (full))")
    assert n.layers[-1].name == "out" and n.layers[-1].units == 5


def test_expect_is_not_inherited() -> None:
    assert like("(layer h3 31)").counts.weights != 9760


def test_the_same_name_twice_names_both_places() -> None:
    with pytest.raises(SnError) as raised:
        declare("(net n (layer i 1) (layer o 1) (connect i o (full)))\n(net n (layer i 1))")
    fault = raised.value.faults[0]
    assert '"n" is already the name of another net' in fault.message
    assert fault.span is not None and fault.span.line == 2 and fault.also[0][1].line == 1


# ---- Tables and nlfs -------------------------------------------------------------------------------------------------


def test_tables() -> None:
    tables = declare("""
        (table drawn (x - 1) (0 x x)) (table listed (from 1 (1) (1 2) (2))) (table matrix [[1 0 1][0 1 1]])
        (table cyclic ,(cyclic 4 5 2)) (table blocks ,(blocks 4 6 2 1))""").tables
    assert tables.get("drawn").tolist() == [[1, 0, 1], [0, 1, 1]] == tables.get("matrix").tolist()
    assert tables.get("listed").tolist() == [[1, 1, 0], [0, 1, 1]]
    for j, column in enumerate(tables.get("cyclic").T):
        assert set(np.flatnonzero(column)) == {j % 4, (j + 1) % 4}
    assert tables.get("blocks").tolist() == [[1, 1, 1, 0, 0, 0]] * 2 + [[0, 0, 0, 1, 1, 1]] * 2


A = 1 / math.tanh(2 / 3)
NLFS = {  # option: f, f' at x
    "linear": (lambda x: x, lambda x: 1),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "sn-tanh": (lambda x: A * math.tanh(2 * x / 3), lambda x: 2 / 3 * A * (1 - math.tanh(2 * x / 3) ** 2)),
    "sigmoid": (lambda x: 1 / (1 + math.exp(-x)), lambda x: math.exp(-x) / (1 + math.exp(-x)) ** 2),
    "relu": (lambda x: max(0, x), lambda x: float(x > 0)),
    "nlf-tanh 0.5 0 0.5 0.5": (lambda x: 1 / (1 + math.exp(-x)), None),
    "nlf-tanh 0.666 0.05": (lambda x: (math.tanh(0.666 * x)) / (math.tanh(0.666) + 0.05) + 0.05 * x, None),
    "nlf-lin 1 1": (lambda x: x, lambda x: 1),
    "nlf-lin 0.5 2": (lambda x: 1.5 * max(-1 / 3, min(1 / 3, x)) + 0.5 * x, None),
    "nlf-lin 0 1 2": (lambda x: max(-2, min(2, x)), lambda x: float(abs(x) <= 2)),
    "nlf-lin 0.1 -1.1": (lambda x: -1.2 * max(-1.1 / 1.2, min(1.1 / 1.2, x)) + 0.1 * x, None),
    "nlf-bin 0.6 0 2 1": (lambda x: 2 * (1 if x >= 0 else -1) + 1, lambda x: 1.2 * (1 - math.tanh(0.6 * x) ** 2)),
    "nlf-bell": (
        lambda x: (1 - x * x) ** 3 if abs(x) < 1 else 0,
        lambda x: -6 * x * (1 - x * x) ** 2 if abs(x) < 1 else 0,
    ),
    "(* x x)": (lambda x: x * x, lambda x: 2 * x),
    "x": (lambda x: x, lambda x: 1),
}


@pytest.mark.parametrize("option", NLFS)
def test_nlfs(option: str) -> None:
    nlf = net(f"(net n (layer i 1) (layer o 1 (nlf {option})) (connect i o (full)))").layers[1].nlf
    f, df = NLFS[option]
    for x in (-2.5, -1.0, -0.7, 0.0, 0.3, 1.0, 1.9):
        assert evaluate(nlf.f, {"x": x}) == pytest.approx(f(x), abs=1e-12)
        if df is not None:
            assert evaluate(nlf.df, {"x": x}) == pytest.approx(df(x), abs=1e-12)
    assert nlf.name == option or option.startswith("(")


def test_defined_nlf() -> None:
    shelves = declare("""
        (define-nlf steep (x a (b (* 2 a)) (c (+ a b))) "help" (+ (* a x) (* b c)) (derivative (* 5 a)))
        (net n (layer i 1) (layer o 1 (nlf steep 3)) (layer p 1 (nlf steep 3 1 0))
          (connect i o (full)) (connect o p (full)))""")
    first, second = (layer.nlf for layer in shelves.nets.get("n").layers[1:])
    assert [evaluate(e, {"x": 2.0}) for e in (first.f, first.df, first.ddf)] == [60, 15, 0]
    assert evaluate(second.f, {"x": 2.0}) == 6 and second.name == "steep 3 1 0"
    assert shelves.nlfs.entry("steep").doc == "help"
    assert all(entry.doc for entry in BUILT_IN.nlfs)


# ---- Faults ----------------------------------------------------------------------------------------------------------

# Text and, for each fault, line, column, a part of the sentence. A text in < > stands inside a net of two layers.
FAULTS = [
    ("(net)", [(1, 1, "(net ...) takes 1 or more arguments, 0 given")]),
    ("(net 3 (layer i 2))", [(1, 6, "must be a name, not the number 3")]),
    ("(net n)", [(1, 6, "net n has no layers; a net needs at least two")]),
    ("(net n\n (layr i 3))", [(2, 3, 'net has no clause "layr"'), (1, 6, "no layers")]),
    ("<(layer h1 (12 8)) (connect i h1 (fll)) (connect h1 o (full))>", [(2, 34, 'unknown scheme "fll"')]),
    ("<(connect i h7 (full))>", [(2, 12, 'there is no layer "h7"')]),
    ("<(layer h 3)>", [(2, 8, "layer h is connected to nothing")]),
    ("<(layer h 3) (connect i h (full))>", [(2, 8, "nothing leaves layer h")]),
    ("<(layer h 3) (connect h o (full))>", [(2, 8, "nothing enters layer h")]),
    ("<(connect i o (full))>", [(3, 24, "i is connected to o twice")]),
    ("<(connect o i (full))>", [(2, 12, "leads backward: i is computed before o")]),
    ("<(connect o o (full))>", [(2, 12, "layer o is connected to itself: a cycle")]),
    ("<(layer biases 3) (connect i biases (full)) (connect biases o (full))>", [(2, 8, 'cannot be called "biases"')]),
    ("<(layer i 3)>", [(2, 8, "layer i is stated twice")]),
    ("<(layer h (1 2 3 4))>", [(2, 10, "layer h is a list of 2 or 3 numbers, not of 4"), (2, 8, "connected")]),
    ("<(layer h 0)>", [(2, 10, "a size of layer h must be a whole number from 1, not 0"), (2, 8, "nothing")]),
    ("<(layer h k 3)>", [(2, 10, "expected a shape or an option"), (2, 8, "connected to nothing")]),
    ("<(layer h 3 4)>", [(2, 12, "a layer has one shape")]),
    ("<(layer h (nlf relu))>", [(2, 8, "layer h has no shape")]),
    ("<(without i)>", [(2, 1, "there is no (like NET)")]),
    ("<(layer (h k) 3 (nlf rely)) (connect i (h k) (full)) (connect (h k) o (full))>", [(2, 21, 'unknown nlf "rely"')]),
    ("<(layer h 3 (bias uni)) (connect i h (full)) (connect h o (full))>", [(2, 18, "a bias is unit, map, column or")]),
    ("<(layer h 3 (bias map)) (connect i h (full)) (connect h o (full))>", [(2, 8, "cannot have a bias per map")]),
    (
        "<(default (nlf nlf-lin 0.1 0.5))>",
        [(2, 10, "the default of parameter th of nlf nlf-lin is not finite with 0.1 0.5")],
    ),
    ("<(default (nlf nlf-tanh))>", [(2, 10, "nlf nlf-tanh takes 2 to 4 parameters, 0 given")]),
    ("<(default (nlf (+ 1 2)))>", [(2, 15, "does not depend on x")]),
    ("<(default (nlf relu) (nlf tanh))>", [(2, 21, "(nlf ...) is stated twice")]),
    ("<(default (nlp relu))>", [(2, 11, 'has no option "nlp"')]),
    (
        "<(layer h 1000000000000) (connect i h (full)) (connect h o (full))>",
        [
            (2, 8, "layer h has 1,000,000,000,000 units"),
            (2, 36, "4,000,000,000,000 connections"),
            (2, 57, "connections"),
        ],
    ),
    ("<(expect (units 7))>", [(2, 9, "net n has 6 units, 7 expected")]),
    ("<(expect (unit 7))>", [(2, 10, 'expect has no clause "unit"')]),
    ("(net n (layer i 4 (bias unit)) (layer o 2) (connect i o (full)))", [(1, 19, "layer i is the input")]),
    ("(net n (layer i 4) (layer o 2) (connect i o (full) (step 2)))", [(1, 53, '(full ...) has no option "step"')]),
    ("(net n (layer i 4) (layer o 2) (connect i o (step 2) (full)))", [(1, 45, "the scheme comes first")]),
    ("(net n (layer i 4) (layer o 2) (connect i o full))", [(1, 45, "must be in parentheses")]),
    (
        "(net n (layer i 4) (layer o 2) (connect i o (mask 1 1)))",
        [(1, 45, "layer i is 4 units without rows and"), (1, 45, "layer o is 2 units without rows and columns")],
    ),
    (
        "(net n (layer i (4 4)) (layer o (2 4 4)) (connect i o (mask 1 1) (table ,(cyclic 12 10 2))))",
        [(1, 74, "12 source maps in the table, 1 in layer i; 10 target maps in the table, 2 in layer o")],
    ),
    (
        "(net n (layer i (4 4)) (layer o (2 4 4)) (connect i o (mask 1 1) (table tree)))",
        [(1, 73, 'unknown table "tree"')],
    ),
    (
        "(net n (layer i (4 4)) (layer o (2 4 4)) (connect i o (mask 1 1) (table [[1 0]])))",
        [(1, 53, "nothing feeds map 2 of layer o")],
    ),
    (
        "(net n (layer (i a a-b) 1) (layer (b-c c o) 1) (connect i (a a-b) (full)) (connect a b-c (full))\n"
        "(connect a-b c (full)) (connect (b-c c) o (full)))",
        [(2, 14, "would both be called a-b-c")],
    ),
    ("(net n (like m))", [(1, 14, 'unknown net "m"')]),
    ("(table t (x -) (x))", [(1, 16, "this row has 1 signs, the first has 2")]),
    ("(table t (x o))", [(1, 13, 'a table is drawn with x or 1 and - or 0, not the name "o"')]),
    (
        "(table t (from 1 (1 0) (2 2)))",
        [(1, 21, "maps are counted from 1 here; there is no map 0"), (1, 27, "map 2 is listed twice")],
    ),
    ("(table t [[1 2]])", [(1, 10, "this one has 2 in row 1, column 2")]),
    ("(table t ,(cyclic 3 3 4))", [(1, 23, "a target cannot read 4 of 3 maps")]),
    ("(table full (x))", [(1, 8, "the table full is built in")]),
    ("(define-nlf tanh (x) x)", [(1, 13, '"tanh" is already the name of another nlf')]),
    ("(define-nlf f (x (a 1) b) (* y x))", [(1, 24, "parameter b has no default"), (1, 30, 'unknown variable "y"')]),
    ("(define-nlf f (y) y)", [(1, 15, "the variables of an nlf are")]),
    ("(define-nlf f (x) x (deriv 1))", [(1, 21, "only (derivative EXPR) may follow")]),
]


@pytest.mark.parametrize(("text", "expected"), FAULTS, ids=[text[:50] for text, _ in FAULTS])
def test_fault(text: str, expected: list[tuple[int, int, str]]) -> None:
    if text.startswith("<"):
        text = f"(net n (layer i 4)\n{text[1:-1]}\n(layer o 2) (connect i o (full)))"
    with pytest.raises(SnError) as raised:
        declare(text)
    found = [(fault.span.line, fault.span.column, fault.message) for fault in raised.value.faults]
    assert [place[:2] for place in found] == [place[:2] for place in expected], raised.value
    for (_, _, message), (_, _, part) in zip(found, expected):
        assert part in message


def test_all_faults_of_a_form_at_once() -> None:
    with pytest.raises(SnError) as raised:
        declare("""(net n (default (nlf tan)) (layer i (16 16)) (layer h (12 7 8)) (layer k 3) (layer o 2)
                     (connect i h (mask 5 5) (step 2) (border 2 -1)) (connect h o (full) (scle 2)))""")
    text = str(raised.value)
    for part in ('unknown nlf "tan"', "give 8x8; layer h is 12x7x8", 'has no option "scle"', 'did you mean "scale"'):
        assert part in text


def test_a_broken_name_is_reported_once() -> None:
    with pytest.raises(SnError) as raised:
        declare(
            "(table t (y))\n(net n (layer i (4 4)) (layer o (4 4)) (connect i o (mask 1 1) (table t)))\n"
            "(net m (like n) (layer o (nlf relu)))"
        )
    assert [fault.span.line for fault in raised.value.faults] == [1]


def test_a_fault_that_arises_by_like_names_the_net() -> None:
    with pytest.raises(SnError) as raised:
        declare(f"{LECUN89}\n(net small (like lecun89) (layer h1 (12 6 6)))")
    assert [label for fault in raised.value.faults for label, _ in fault.also] == ["in net small"] * 2
