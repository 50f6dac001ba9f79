"""One addition, one place: a thing that is put on its shelf is known to the reader, the commands and the editor.

Each test adds to the shelf alone, as CONTRIBUTING.md says, and the shelf has its old entries when the test is over.
What the addition computes is held against NumPy.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest
from click.shell_completion import ShellComplete
from safetensors.numpy import load_file
from tiny_run import snsim

from snsim import program
from snsim.cli.main import COMMANDS, cli
from snsim.data.catalog import DATA_SETS, data_set
from snsim.data.examples import Split
from snsim.editor.coloured_names import heads
from snsim.editor.definitions import definitions
from snsim.editor.diagnostics import check_text
from snsim.editor.hover_and_completion import Cursor, explanation, proposals
from snsim.editor.vscode import grammar
from snsim.engines import ENGINES
from snsim.engines.protocol import NO_GATES, NO_NOISES
from snsim.engines.reference.engine import ReferenceEngine
from snsim.errors import Source, fail
from snsim.language.evaluator import Evaluator
from snsim.network import net_form
from snsim.network.clauses import arguments, whole
from snsim.network.schemes import SCHEMES, scheme
from snsim.network.wiring import Windows, wire
from snsim.plots.registry import PICTURES, Picture
from snsim.plots.style import open_figure
from snsim.registry import Shelf
from snsim.training.criteria import CRITERIA, criterion
from snsim.training.initial import INITIALISERS, WeightsToDraw, distribution

# How an addition is made, and where it is looked for


@contextmanager
def taken_away_again(*shelves: Shelf[Any]) -> Iterator[None]:
    """Take away at the end of the block whatever was put on the shelves inside it."""
    with pytest.MonkeyPatch.context() as patch:
        for shelf in shelves:
            patch.setattr(shelf, "_entries", dict(shelf._entries))
        heads.cache_clear()
        yield
    heads.cache_clear()


@contextmanager
def in_the_prelude(text: str) -> Iterator[None]:
    """Inside the block the declarations of the text are built in, as those of a prelude.sn are."""
    built_in = program.shelves()
    with taken_away_again(built_in.nlfs, built_in.costs, built_in.updates):
        Evaluator(built_in.functions, built_in.words).run(Source("<prelude>", text))
        yield


def proposed(text: str) -> list[str]:
    """What an editor proposes at the end of a text."""
    source = Source("t.sn", text)
    return [proposal.name for proposal in proposals(Cursor(source, len(text)), list(definitions(source)))]


def hover(text: str, name: str) -> str:
    source = Source("t.sn", text)
    return explanation(Cursor(source, text.index(name) + 1), list(definitions(source))) or ""


def is_known(kind: str, name: str, line: str, syntax: str = "") -> None:
    """`snsim list` has the name with its line of help, `snsim help` its syntax, "did you mean" the name."""
    code, out, _ = snsim("list", kind)
    assert code == 0 and [row for row in out.split("\n") if row.split()[:1] == [name] and row.endswith(line)], out
    assert name in snsim("list")[1]
    code, out, _ = snsim("help", name)
    assert code == 0 and out.startswith(f"{name}: {kind}") and line in out and syntax in out
    assert name in snsim("help", name + "x")[2]


def is_unknown(kind: str, name: str) -> None:
    assert name not in snsim("list", kind)[1].split() and snsim("help", name)[0] == 1 and name not in heads()


def run(file: Path, *more: str) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Run the one training of a file, called n: its passes, and its weights."""
    code, _, err = snsim("run", file, "--quiet", "--dtype", "float64", "--out", file.parent, *more)
    assert code == 0, err
    folder = max(file.parent.glob("n*/"), key=lambda folder: folder.stat().st_mtime_ns)
    passes = [json.loads(line) for line in (folder / "passes.jsonl").read_text().splitlines()]
    return passes, load_file(folder / "weights.safetensors")


# A net of one layer, all weights 0.5 at first; two patterns, shown once each.
X, D = np.array([[0.3, -0.8], [0.9, 0.4]]), np.array([[0.7], [-0.2]])
ONE_LAYER = """
(net n (layer input 2) (layer output 1 (nlf NLF)) (connect input output (full)))
(train n (data (examples [[0.3 -0.8] [0.9 0.4]] [[0.7] [-0.2]])) (constant 0.5) (cost COST) (update UPDATE)
  (epsilon RATE) (passes 1))
"""


def one_layer(nlf: str = "linear", cost: str = "lms", update: str = "sgd", rate: float = 0.1) -> str:
    return ONE_LAYER.replace("NLF", nlf).replace("COST", cost).replace("UPDATE", update).replace("RATE", f"{rate:g}")


def learned(f: Any, df: Any, dcost: Any, step: Any) -> np.ndarray:
    """The two weights and the bias after both patterns, by the chain rule."""
    weights = np.full(3, 0.5)
    for x, d in zip(np.column_stack([X, np.ones(2)]), D[:, 0]):
        total = weights @ x
        weights = step(weights, dcost(f(total), d) * df(total) * x)
    return weights


def check_learning(file: Path, expected: np.ndarray, *engines: str) -> None:
    for engine in engines or ("native", "reference", "torch"):
        _, weights = run(file, "--engine", engine)
        found = np.concatenate([weights["input_output.weight"].ravel(), weights["output.bias"]])
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=engine)


# One test for each kind


def test_a_non_linearity_is_added_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "n.sn"
    file.write_text(one_layer(nlf="softsign 3"))
    with in_the_prelude('(define-nlf softsign (x (p 2)) "x over p plus its size" (/ x (+ p (abs x))))'):
        is_known("nlf", "softsign", "x over p plus its size", "(define-nlf softsign (x (p 2)) (/ x (+ p (abs x))))")
        check_learning(
            file,
            learned(
                lambda s: s / (3 + abs(s)),
                lambda s: 3 / (3 + abs(s)) ** 2,  # by hand, by the quotient rule
                lambda y, d: y - d,
                lambda w, g: w - 0.1 * g,
            ),
        )
        assert proposed("(net a (layer h 3 (nlf soft") == ["softsign"]
        assert "x over p plus its size" in hover(one_layer(nlf="softsign 3"), "softsign")
        assert "(nlf softsign 3)" in snsim("show", file)[1]
        assert "softsign" in snsim("plot", "nlf", "softsign", "3", "--text")[1]
    is_unknown("nlf", "softsign")
    assert 'unknown nlf "softsign"' in snsim("check", file)[2]


def test_a_cost_is_added_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "n.sn"
    file.write_text(one_layer(cost="fourth 2"))
    with in_the_prelude('(define-cost fourth (x d (k 1)) "k times the fourth power" (* k (** (- x d) 4)))'):
        is_known("cost", "fourth", "k times the fourth power", "(cost fourth [k])")
        check_learning(
            file,
            learned(lambda s: s, lambda s: 1.0, lambda y, d: 8 * (y - d) ** 3, lambda w, g: w - 0.1 * g),
        )
        file.write_text(one_layer(cost="fourth 2", rate=0))
        outputs = 0.5 * (X.sum(axis=1, keepdims=True) + 1)
        assert run(file)[0][0]["train"]["loss"] == pytest.approx(np.mean(2 * (outputs - D) ** 4), rel=1e-9)
        assert proposed("(train n (cost fou") == ["fourth"]
        assert "k times the fourth power" in hover(one_layer(cost="fourth 2"), "fourth")
        assert "(cost fourth 2)" in snsim("show", file)[1]
    is_unknown("cost", "fourth")
    assert 'unknown cost "fourth"' in snsim("check", file)[2]


def test_an_update_rule_is_added_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "n.sn"
    file.write_text(one_layer(update="signed (times 3)"))
    rule = '(define-update signed ((times 1)) () "a step of one length" (setq w (- w (* times rate (sgn g)))))'
    with in_the_prelude(rule):
        is_known("update", "signed", "a step of one length", "(update signed (times 1))")
        check_learning(
            file,
            learned(lambda s: s, lambda s: 1.0, lambda y, d: y - d, lambda w, g: w - 3 * 0.1 * np.sign(g)),
        )
        assert proposed("(train n (update sig") == ["signed"]
        assert "a step of one length" in hover(one_layer(update="signed"), "signed")
        assert "(update signed (times 3))" in snsim("show", file)[1]
    is_unknown("update", "signed")
    assert 'unknown update rule "signed"' in snsim("check", file)[2]


MAPS = """
(net n (default (nlf linear) (bias none)) (layer input (4 1 1)) (layer output (2 1 1))
  (connect input output CONNECT))
(train n (data (examples [[1 10 100 1000]] [[0 0]])) (constant 1) (epsilon 0) (passes 1))
"""


def test_a_scheme_is_added_in_one_place(tmp_path: Path) -> None:
    """Map t is fed by every map s with s = t modulo K."""
    file = tmp_path / "n.sn"
    file.write_text(MAPS.replace("CONNECT", "(comb 2) (scale 3)"))
    with taken_away_again(SCHEMES):

        @SCHEMES.register("comb")
        @scheme("(comb K)", reads=("scale",))
        def comb(source: Any, target: Any, statement: Any) -> Any:
            """Every K-th map to every K-th map."""
            (node,) = arguments(statement.scheme, 1, 1, "(comb K)", statement.faults) or (None,)
            k = None if node is None else whole(node, "K", statement.faults, least=1)
            statement.faults.raise_if_any()
            maps = np.subtract.outer(np.arange(source.maps[0]), np.arange(target.maps[0])) % k == 0
            return wire(Windows(source.maps, target.maps, maps, (1, 1), (1, 1), (0, 0), False, "map"), (0, 0))

        is_known("scheme", "comb", "Every K-th map to every K-th map.", "(comb K)")
        assert "(scale NUM)" in snsim("help", "comb")[1]
        passes, _ = run(file)
        outputs = 3 * np.array([1 + 100, 10 + 1000])  # of maps 0 and 2, and of 1 and 3, times the scale
        assert passes[0]["train"]["loss"] == pytest.approx(0.5 * (outputs**2).sum(), rel=1e-9)
        shown = snsim("show", file)[1]
        assert "input > output  4  (comb 2) (scale 3) 4 of 8 pairs of maps" in shown
        assert re.search(r"\(connect input output \(comb 2\)\s+\(scale 3\)\)", shown)
        drawn = snsim("plot", "table", file, "--text")[1]
        assert "4 of 8 pairs of maps are connected" in drawn
        assert [line.split()[1:] for line in drawn.strip().split("\n")[-4:]] == [["x", "-"], ["-", "x"]] * 2
        assert proposed("(net n (connect a b (com") == ["comb"] and heads()["comb"] == "scheme"
        assert "(comb K)" in hover(file.read_text(), "comb") and "comb|" in str(grammar())
        file.write_text(MAPS.replace("CONNECT", "(comb 2) (fixed 1)"))
        assert '(comb ...) has no option "fixed"' in snsim("check", file)[2]
    is_unknown("scheme", "comb")
    assert 'unknown scheme "comb"' in snsim("check", file)[2]


def test_a_connection_table_is_added_in_one_place(tmp_path: Path) -> None:
    """In the text that uses it."""
    file = tmp_path / "n.sn"
    table = "(table corners (x -) (- -) (- x) (x x))"
    file.write_text(table + MAPS.replace("CONNECT", "(mask 1 1) (table corners)"))
    passes, _ = run(file)
    outputs = np.array([[1, 10, 100, 1000]]) @ np.array([[1, 0], [0, 0], [0, 1], [1, 1]])
    assert passes[0]["train"]["loss"] == pytest.approx(0.5 * (outputs**2).sum(), rel=1e-9)
    shown = snsim("show", file)[1]
    assert "(table corners)" in shown and "input > output  4" in shown
    drawn = snsim("plot", "table", file, "--text")[1]
    assert "4 of 8 pairs" in drawn
    assert [line.split()[1:] for line in drawn.strip().split("\n")[-4:]] == [
        list("x-"),
        list("--"),
        list("-x"),
        list("xx"),
    ]
    begun = f"{table} (net n (connect a b (mask 1 1) (table cor"
    assert proposed(begun) == ["corners"] and "(- x)" in hover(begun, "corners")
    file.write_text(table + MAPS.replace("CONNECT", "(mask 1 1) (table cornres)"))
    assert 'did you mean "corners"?' in snsim("check", file)[2]


def test_a_data_set_is_added_in_one_place(tmp_path: Path) -> None:
    """It has three classes, and the net as many outputs."""
    file = tmp_path / "n.sn"
    inputs, labels = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5], [0.5, 0.5]]), np.array([0, 1, 2, 1])
    text = """(net n (layer input 2) (layer output OUTPUTS (nlf linear)) (connect input output (full)))
(train n (data three) (targets 0 1) (constant 0.5) (epsilon 0) (passes 1))"""
    with taken_away_again(DATA_SETS):

        @data_set("three", (), (3, 1), (2,), classes=3)
        def three(contents: Any) -> tuple[Split, Split]:
            """Four patterns of three classes."""
            return Split(inputs[:3], labels[:3]), Split(inputs[3:], labels[3:])

        is_known("data", "three", "Four patterns of three classes.")
        file.write_text(text.replace("OUTPUTS", "3"))
        passes, _ = run(file)
        losses = 0.5 * ((0.5 * (inputs.sum(axis=1, keepdims=True) + 1) - np.eye(3)[labels]) ** 2).sum(axis=1)
        assert passes[0]["train"]["loss"] == pytest.approx(losses[:3].mean(), rel=1e-9)
        assert passes[0]["test"]["loss"] == pytest.approx(losses[3], rel=1e-9)
        assert "three" in snsim("data")[1] and "class  0  1  2" in snsim("data", "three")[1]
        assert proposed("(train n (data thr") == ["three"] and "three classes" in hover(text, "three")
        confused = snsim("plot", "confusion", tmp_path / "n", "--text")[1]
        assert [row.split()[0] for row in confused.strip().split("\n")[-3:]] == ["0", "1", "2"]
        file.write_text(text.replace("OUTPUTS", "2"))
        assert "three has 3 classes" in snsim("run", file, "--out", tmp_path)[2]
    is_unknown("data", "three")
    assert 'unknown data set "three"' in snsim("check", file)[2]


def test_a_word_is_added_in_one_place(tmp_path: Path) -> None:
    """(chain NAME N ...): a net of full layers of N units."""
    file = tmp_path / "n.sn"
    with taken_away_again(net_form.WORDS):

        @net_form.WORDS.register("chain")
        def chain(form: Any, interpreter: Any, shelves: Any) -> Any:
            """(chain NAME N ...): a net of full layers of N units."""
            name, *sizes = (node.value for node in form.items[1:])
            layers = [f"l{number}" for number in range(len(sizes))]
            clauses = [f"(layer {layer} {size:g})" for layer, size in zip(layers, sizes)]
            clauses += [f"(connect {a} {b} (full))" for a, b in pairwise(layers)]
            interpreter.run_text(Source("<chain>", f"(net {name.name} {' '.join(clauses)})"), [])
            return shelves.nets.get(name.name)

        program.shelves.cache_clear()
        try:
            file.write_text("(chain long 4 3 2)\n")
            is_known("word", "chain", "a net of full layers of N units.", "(chain NAME N ...)")
            code, out, err = snsim("check", file)
            connections = (4 + 1) * 3 + (3 + 1) * 2  # with the biases
            assert code == 0 and f"{connections} connections" in out, out + err
            assert proposed("(cha") == ["chain"] and heads()["chain"] == "word"
            assert "(chain NAME N ...)" in hover("(chain long 4 3 2)", "chain") and "(chain|" in str(grammar())
        finally:
            program.shelves.cache_clear()
    is_unknown("word", "chain")


def test_a_criterion_is_added_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "n.sn"
    file.write_text(one_layer(rate=0).replace("(passes 1)", "(passes 1) (correct middle 0.5)"))
    outputs = 0.5 * (X.sum(axis=1, keepdims=True) + 1)
    with taken_away_again(CRITERIA):

        @criterion("middle", "M")
        def right(x: np.ndarray, d: np.ndarray, margin: float) -> np.ndarray:
            """the median of |d-x| is below M"""
            return np.median(np.abs(d - x), axis=1) < margin

        is_known("criterion", "middle", "the median of |d-x| is below M", "(correct middle M)")
        misses = int((np.abs(outputs - D) >= 0.5).sum())
        assert misses == 1 and run(file)[0][0]["train"]["misses"] == misses
        assert proposed("(train n (correct mid") == ["middle"]
        assert "the median of" in hover(file.read_text(), "middle") and "(correct middle 0.5)" in snsim("show", file)[1]
    is_unknown("criterion", "middle")
    assert 'unknown criterion "middle"' in snsim("check", file)[2]


def test_a_picture_is_added_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "n.sn"
    file.write_text(one_layer())
    run(file)
    with taken_away_again(PICTURES):

        def draw(data: list[str], look: Any) -> Any:
            figure = open_figure(look, 1.0)
            figure.text(0.1, 0.5, " ".join(data))
            return figure

        def text(data: list[str], width: int) -> str:
            return "\n".join(data)

        def sizes(net: Any) -> list[str]:
            return [f"{layer.name} {layer.units}" for layer in net.layers]

        PICTURES.add("sizes", Picture("net", draw, text, sizes), "the units of each layer")
        PICTURES.add(
            "sums",
            Picture("run", draw, text, lambda run: [f"{run.weights['output.bias'][0]:.9f}"]),
            "the bias of the run",
        )
        is_known("picture", "sizes", "the units of each layer")
        assert snsim("plot", "sizes", file, "--text")[1] == "input 2\noutput 1\n"
        weights = learned(lambda s: s, lambda s: 1.0, lambda y, d: y - d, lambda w, g: w - 0.1 * g)
        assert snsim("plot", "sums", tmp_path / "n", "--text")[1] == f"{weights[2]:.9f}\n"
        code, _, err = snsim("plot", "sizes", file, "-o", tmp_path / "sizes.png")
        assert code == 0 and (tmp_path / "sizes.png").read_bytes()[:4] == b"\x89PNG", err
        assert "The units of each layer." in snsim("plot", "--help")[1]
        assert "the units of each layer" in snsim("plot", "sizes", "--help")[1]
        assert 'did you mean "sizes"?' in snsim("plot", "sizse", "a.sn")[2]
    is_unknown("picture", "sizes")


def test_an_engine_is_added_in_one_place(tmp_path: Path) -> None:
    """One that learns each pattern twice."""
    file = tmp_path / "n.sn"
    file.write_text(one_layer())
    with taken_away_again(ENGINES):

        @ENGINES.register("twice")
        class Twice(ReferenceEngine):
            """learns each pattern twice"""

            name = "twice"

            def __init__(self, plan: Any, cost: Any, rule: Any, dtype: np.dtype, constants: Any):
                super().__init__(plan, cost, rule, dtype)

            def learn(
                self, inputs: Any, targets: Any, settings: Any, gates: Any = NO_GATES, noises: Any = NO_NOISES
            ) -> None:
                super().learn(np.repeat(inputs, 2, axis=0), np.repeat(targets, 2, axis=0), settings, gates, noises)

        is_known("engine", "twice", "learns each pattern twice")
        weights = np.full(3, 0.5)
        for x, d in zip(np.repeat(np.column_stack([X, np.ones(2)]), 2, axis=0), np.repeat(D[:, 0], 2)):
            weights = weights - 0.1 * (weights @ x - d) * x
        check_learning(file, weights, "twice")
        assert json.loads((tmp_path / "n" / "run.json").read_text())["engine"] == "twice"
        assert 'did you mean "twice"?' in snsim("run", file, "--engine", "twcie")[2]
    is_unknown("engine", "twice")


def test_a_command_is_added_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.argument("number", type=int)
    def square(number: int) -> None:
        """Print the square of NUMBER."""
        click.echo(number**2)

    module = ModuleType("squares")
    module.square = square  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "squares", module)
    monkeypatch.setitem(COMMANDS, "square", ("squares:square", "Print a square."))
    assert snsim("square", "12") == (0, "144\n", "")
    assert "square     Print a square." in snsim("--help")[1] and "Print a square." in snsim("list", "command")[1]
    assert "square" in snsim("list")[1] and "Print the square of NUMBER." in snsim("help", "square")[1]
    assert 'did you mean "square"?' in snsim("squaer")[2] and 'did you mean "square"?' in snsim("help", "squaer")[2]
    completion = ShellComplete(cli, {}, "snsim", "_SNSIM_COMPLETE")
    assert [item.value for item in completion.get_completions([], "squ")] == ["square"]


def test_a_fault_is_added_in_one_place(tmp_path: Path) -> None:
    """By the sentence and the remedy where it is found: the commands, JSON and the editor show both at its place."""
    file = tmp_path / "n.sn"
    file.write_text(MAPS.replace("CONNECT", "(crossed)"))
    with taken_away_again(SCHEMES):

        @SCHEMES.register("crossed")
        @scheme("(crossed)")
        def crossed(source: Any, target: Any, statement: Any) -> Any:
            """Never fits."""
            raise fail(f"{source.units} units cannot be crossed", statement.span, hint="write (full)")

        place = (3, file.read_text().split("\n")[2].index("(crossed)") + 1)
        for command in ("check", "show", "run"):
            code, _, err = snsim(command, file)
            assert code == 1 and f"n.sn:{place[0]}:{place[1]}: error: 4 units cannot be crossed" in err
            assert "hint: write (full)" in err
        (fault,) = check_text(Source(str(file), file.read_text())).faults
        assert fault.span is not None and (fault.span.line, fault.span.column) == place
        assert (fault.message, fault.hint) == ("4 units cannot be crossed", "write (full)")
        (told,) = (json.loads(line) for line in snsim("run", file, "--json")[1].splitlines())
        assert told["message"] == "4 units cannot be crossed" and told["hint"] == "write (full)"


INITIAL = """
(net n (layer input 2) (layer h 3) (layer output 1) (connect input h (full)) (connect h output (full)))
(train n (data (examples [[0 1] [1 0]] [[1] [-1]])) (epsilon 0) (passes 1)
  (by-fans 2 h) (by-lines output))
(train m (like n) (passes 2))
"""


def add_distributions() -> None:
    @INITIALISERS.register("by-fans")
    @distribution("(by-fans V SCOPE ...)")
    def by_fans(weights: WeightsToDraw) -> np.ndarray:
        """V times fan-in, plus fan-out

        With a second paragraph.
        """
        return np.full(weights.shape, weights.value * weights.fan_in + weights.fan_out)

    @INITIALISERS.register("by-lines")
    @distribution("(by-lines SCOPE ...)")
    def by_lines(weights: WeightsToDraw) -> np.ndarray:
        """-1/F, and what is drawn is 0 times that"""
        return -1 / weights.lines + 0 * weights.generator.random(weights.shape)


def test_an_initial_distribution_is_added_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "n.sn"
    file.write_text(INITIAL)
    with taken_away_again(INITIALISERS):
        add_distributions()
        check_distributions(file)
    file.write_text(INITIAL)
    for name in ("by-fans", "by-lines"):
        assert f'train has no clause "{name}"' in snsim("check", file)[2]
        assert snsim("help", name)[0] == 1 and name not in snsim("list")[1] and name not in heads()


def check_distributions(file: Path) -> None:
    code, _out, err = snsim("run", file, "--only", "n", "--quiet", "--out", file.parent)
    assert code == 0, err
    weights = load_file(file.parent / "n" / "weights.safetensors")
    assert {name: np.unique(values).tolist() for name, values in weights.items()} == {
        "input_h.weight": [2 * 2 + 3],
        "h.bias": [2 * 1 + 1],
        "h_output.weight": [-0.25],
        "output.bias": [-0.25],
    }

    shown = snsim("show", file, "--stage", "net")[1]
    assert "(by-fans 2 h)  " in shown and "(by-lines output)  " in shown and "; from n" in shown
    clauses = [line.split()[0] for line in snsim("list", "clause")[1].splitlines()[1:]]
    first = clauses.index(INITIALISERS.names()[0])
    assert clauses[first : first + len(INITIALISERS.names())] == INITIALISERS.names()
    assert {"by-fans", "by-lines"} <= set(clauses)
    told = snsim("help", "by-fans")[1]
    assert all(
        part in told
        for part in (
            "by-fans: clause of train",
            "(by-fans V SCOPE ...)\n    SCOPE: biases, a layer",
            "V times fan-in, plus fan-out",
            "With a second paragraph.",
        )
    )

    begun = INITIAL[: INITIAL.index("(by-fans")]
    assert proposed(begun + "(by-f") == ["by-fans"] and proposed(begun + "(by-lines outp") == ["output"]
    assert "(by-lines SCOPE ...)" in hover(INITIAL, "by-lines")
    assert heads()["by-fans"] == "clause" and r"|by[-_]fans|" in str(grammar())

    file.write_text(INITIAL.replace("(by-lines output)", "(by-lines 1)").replace("(by-fans 2 h)", "(by-fans)"))
    said = snsim("check", file)[2]
    assert "(by-lines ...) takes no number" in said and "hint: write (by-lines), or (by-lines SCOPE ...)" in said
    assert "hint: write (by-fans V SCOPE ...)" in said
