"""Connections with `(delay 1)`: nets that read sequences, beside the same nets written by hand in PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import snsim
from snsim.cli.main import main
from snsim.engines import build
from snsim.engines.protocol import Cost, Settings, UpdateRule
from snsim.engines.recurrent import RecurrentEngine, build_recurrent
from snsim.errors import SnError, Source
from snsim.network.expressions import apply, differentiate, number, variable
from snsim.network.net import Net
from snsim.program import read_program
from snsim.runs.examples import examples_of
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options
from snsim.runs.run import PassFinished, RunFinished, RunStarted, run
from snsim.training.loop import sequence_order
from snsim.training.prepare import PreparedData, prepare_data

SQUARES = apply("*", number(0.5), apply("**", apply("-", variable("x"), variable("d")), number(2.0)))
SLOPE = differentiate(SQUARES, "x")
HALF_SQUARES = Cost("lms", SQUARES, SLOPE, differentiate(SLOPE, "x"))
STEP = apply("-", variable("w"), apply("*", variable("rate"), variable("g")))
DESCENT = UpdateRule("sgd", (), (), ((("w", STEP),),))
needs_onnx = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
ENGINES = ["reference", "native", "torch"]

# The states of the output (as in Jordan 1986), of the hidden layer (as in Elman 1990) and of the input come back.
NET = """
(net loops (default (nlf tanh))
  (layer in 3) (layer a 4) (layer b 5 (bias none)) (layer out 2)
  (connect in a (full)) (connect b a (full) (delay 1)) (connect out a (full) (delay 1)) (connect a a (full) (delay 1))
  (connect a b (full)) (connect in b (full) (delay 1)) (connect b out (full)))
"""
ELMAN = """
(net elman (default (nlf sigmoid))
  (layer input 1) (layer context 2 (nlf linear) (bias none)) (layer hidden 2) (layer output 1)
  (connect hidden context (one-to-one) (fixed 1) (delay 1)) (connect (input context) hidden (full))
  (connect hidden output (full)))
"""
SHARED = """
(net shared (default (nlf tanh))
  (layer in (1 6 6)) (layer (a b) (2 4 4) (bias map)) (layer out 3)
  (connect in a (mask 3 3)) (connect in b (weights-of in a))
  (connect a b (equal-mask 3 3) (border 1 0.25) (scale 0.5) (delay 1)) (connect b a (local 3 3) (border 1 0) (delay 1))
  (connect b out (full) (weight-norm)))
"""


def net_of(text: str) -> Net:
    return next(iter(read_program(Source("test.sn", text)).nets.own())).value


def engine_of(net: Net, kind: str, steps: int, rule: UpdateRule = DESCENT, dtype: str = "float64") -> RecurrentEngine:
    def make(plan: object) -> object:
        return build(kind, plan, HALF_SQUARES, rule, dtype)  # type: ignore[arg-type]

    return build_recurrent(net, steps, HALF_SQUARES, rule, np.dtype(dtype), make)  # type: ignore[arg-type]


def start_of(net: Net, seed: int = 3) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {p.name: draw.uniform(-0.7, 0.7, p.shape) for p in net.parameters if p.learns}


def data_of(net: Net, lengths: list[int], seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw, count = np.random.default_rng(seed), sum(lengths)
    starts = np.zeros(count, bool)
    starts[np.cumsum([0, *lengths[:-1]])] = True
    return draw.uniform(-1, 1, (count, net.input_units)), draw.uniform(-1, 1, (count, net.layers[-1].units)), starts


State = tuple[Tensor, ...]
Weights = dict[str, Tensor]


def loops_step(w: Weights, x: Tensor, before: State) -> State:
    """One step of NET: the states of in, a, b and out, from those of the step before."""
    in0, a0, b0, out0 = before
    sums = w["a.bias"] + x @ w["in_a.weight"] + b0 @ w["b_a.weight"] + out0 @ w["out_a.weight"] + a0 @ w["a_a.weight"]
    a = torch.tanh(sums)
    b = torch.tanh(a @ w["a_b.weight"] + in0 @ w["in_b.weight"])
    return x, a, b, torch.tanh(w["out.bias"] + b @ w["b_out.weight"])


def elman_step(w: Weights, x: Tensor, before: State) -> State:
    """One step of ELMAN: the states of the hidden and of the output layer."""
    hidden = torch.sigmoid(w["hidden.bias"] + x @ w["input_hidden.weight"] + before[0] @ w["context_hidden.weight"])
    return hidden, torch.sigmoid(w["output.bias"] + hidden @ w["hidden_output.weight"])


Twin = tuple[str, Callable[[Weights, Tensor, State], State], tuple[int, ...]]
TWINS: dict[str, Twin] = {"loops": (NET, loops_step, (3, 4, 5, 2)), "elman": (ELMAN, elman_step, (2, 1))}


def zeros(units: tuple[int, ...]) -> State:
    return tuple(torch.zeros(n, dtype=torch.float64) for n in units)


def tensors(values: dict[str, np.ndarray]) -> Weights:
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


class Presenter:
    """The loop that one writes in PyTorch: truncated backpropagation through `steps` steps, for each step."""

    def __init__(self, twin: Twin, weights: Weights, steps: int):
        _, self.step, self.units = twin
        self.weights, self.steps = weights, steps
        self.start()

    def start(self) -> None:
        self.context, self.window = zeros(self.units), []

    def cost(self, x: Tensor, d: Tensor) -> Tensor:
        if len(self.window) == self.steps:  # the window moves on by one step, whose states are kept
            self.window.pop(0)
            self.context = tuple(state.detach() for state in self.after_first)
        self.window.append(x)
        state = self.context
        for place, inputs in enumerate(self.window):
            state = self.step(self.weights, inputs, state)
            if place == 0:
                self.after_first = state
        return 0.5 * ((state[-1] - d) ** 2).sum()


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("kind", ENGINES)
def test_outputs_are_those_of_a_loop_over_the_steps(name: str, kind: str) -> None:
    twin, net = TWINS[name], net_of(TWINS[name][0])
    x, _, starts = data_of(net, [7, 1, 4])
    start = start_of(net)
    engine = engine_of(net, kind, 3)
    engine.load_parameters(start)
    expected, state = [], zeros(twin[2])
    for inputs, begins in zip(torch.from_numpy(x), starts):
        state = twin[1](tensors(start), inputs, zeros(twin[2]) if begins else state)
        expected.append(state[-1].detach().numpy())
    np.testing.assert_allclose(engine.outputs(x, starts), expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(engine.states(x, starts)[net.layers[-1].name], engine.outputs(x, starts))
    np.testing.assert_allclose(engine.outputs(x[:7]), expected[:7], rtol=0, atol=1e-14)  # one sequence


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("steps", [1, 2, 3, 9])
@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("kind", ENGINES)
def test_learning_is_truncated_backpropagation_through_time(name: str, kind: str, steps: int, batch: int) -> None:
    twin, net = TWINS[name], net_of(TWINS[name][0])
    x, d, starts = data_of(net, [7, 1, 12])
    start = start_of(net)
    engine = engine_of(net, kind, steps)
    engine.load_parameters(start)
    settings = Settings(dict.fromkeys(start, 0.1), {}, batch=batch)
    for rows in (slice(0, 8), slice(8, 20)):  # a call goes on where the last one ended
        engine.learn(x[rows], d[rows], settings, starts=starts[rows])
        engine.outputs(x[:3])  # which must not disturb the sequence that is learnt
    weights = tensors(start)
    presenter, optimizer = Presenter(twin, weights, steps), torch.optim.SGD(weights.values(), lr=0.1)
    for row, (inputs, wanted) in enumerate(zip(torch.from_numpy(x), torch.from_numpy(d))):
        if starts[row]:
            presenter.start()
        presenter.cost(inputs, wanted).backward()
        if row % batch == batch - 1:
            optimizer.step()
            optimizer.zero_grad()
    for parameter, values in engine.parameters().items():
        if parameter in weights:
            expected = weights[parameter].detach().numpy()
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12, err_msg=parameter)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("kind", ENGINES)
def test_gradients_are_those_of_autograd(name: str, kind: str, steps: int) -> None:
    twin, net = TWINS[name], net_of(TWINS[name][0])
    x, d, starts = data_of(net, [7, 1, 4])
    start = start_of(net)
    engine = engine_of(net, kind, steps)
    engine.load_parameters(start)
    weights = tensors(start)
    presenter = Presenter(twin, weights, steps)
    for row, (inputs, wanted) in enumerate(zip(torch.from_numpy(x), torch.from_numpy(d))):
        if starts[row]:
            presenter.start()
        presenter.cost(inputs, wanted).backward()
    for parameter, g in engine.gradient(x, d, starts).items():
        expected = weights[parameter].grad
        assert expected is not None
        np.testing.assert_allclose(g, expected.numpy(), rtol=0, atol=1e-12, err_msg=parameter)


def elman_curvature(
    w: dict[str, np.ndarray], x: np.ndarray, d: np.ndarray, starts: np.ndarray, steps: int, full: bool
) -> dict[str, np.ndarray]:
    """The mean over the steps of the diagonal curvature of ELMAN (LeCun 1987): the second backward pass by hand."""

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-a))

    total = {name: np.zeros_like(value) for name, value in w.items()}
    hidden = np.zeros((len(x) + 1, 2))  # the last entry is the state before the start of a sequence
    since = 0
    for row in range(len(x)):
        since = 0 if starts[row] else since + 1
        before = hidden[row - 1] if since else np.zeros(2)
        hidden[row] = sigmoid(
            w["hidden.bias"] + x[row] @ w["input_hidden.weight"] + before @ w["context_hidden.weight"]
        )
        out = sigmoid(w["output.bias"] + hidden[row] @ w["hidden_output.weight"])
        slope, bend = out * (1 - out), out * (1 - out) * (1 - 2 * out)
        g, h = (out - d[row]) * slope, slope**2 + ((out - d[row]) * bend if full else 0)
        total["output.bias"] += h
        total["hidden_output.weight"] += np.outer(hidden[row] ** 2, h)
        y, s = w["hidden_output.weight"] @ g, w["hidden_output.weight"] ** 2 @ h
        for back in range(min(steps, since + 1)):
            state = hidden[row - back]
            context = hidden[row - back - 1] if back < since else np.zeros(2)
            slope, bend = state * (1 - state), state * (1 - state) * (1 - 2 * state)
            g, h = y * slope, s * slope**2 + (y * bend if full else 0)
            total["hidden.bias"] += h
            total["input_hidden.weight"] += np.outer(x[row - back] ** 2, h)
            total["context_hidden.weight"] += np.outer(context**2, h)
            y, s = w["context_hidden.weight"] @ g, w["context_hidden.weight"] ** 2 @ h
    return {name: value / len(x) for name, value in total.items()}


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("curvature", ["gauss-newton", "full"])
@pytest.mark.parametrize("kind", ENGINES)
def test_curvatures_of_the_copies_add(kind: str, curvature: str, steps: int) -> None:
    net = net_of(ELMAN)
    x, d, starts = data_of(net, [7, 1, 4])
    start = start_of(net)
    engine = engine_of(net, kind, steps)
    engine.load_parameters(start)
    expected = elman_curvature(start, x, d, starts, steps, curvature == "full")
    for name, h in engine.curvature(x, d, curvature, starts).items():
        np.testing.assert_allclose(h, expected[name], rtol=0, atol=1e-13, err_msg=name)


def random_net(seed: int) -> str:
    """The text of a random net with delays: forward connections from each layer to the next, and delays at random."""
    draw = np.random.default_rng(seed)
    layers = int(draw.integers(1, 4))
    nlfs = ["tanh", "sigmoid", "relu", "linear", "sn-tanh", "(/ x (+ 1 (abs x)))"]
    shapes = [draw.choice(["4", "(3 4)", "(2 3 3)"]) for _ in range(layers + 2)]
    lines = [f"(layer l0 {shapes[0]})"]
    joined = set()
    for k in range(1, layers + 2):
        bias = "map" if shapes[k] == "(2 3 3)" and draw.random() < 0.5 else draw.choice(["unit", "none"])
        lines.append(f"(layer l{k} {shapes[k]} (nlf {draw.choice(nlfs)}) (bias {bias}))")
        lines.append(f"(connect l{k - 1} l{k} (full){' (weight-norm)' if draw.random() < 0.3 else ''})")
        joined.add((k - 1, k))
    free = [(a, b) for a in range(layers + 2) for b in range(1, layers + 2) if (a, b) not in joined]
    for source, target in draw.permutation(free)[: int(draw.integers(1, 5))]:
        shaped = shapes[source] == shapes[target] == "(2 3 3)"
        scheme = draw.choice(["(full)", "(mask 3 3) (border 1 0.3)" if shaped else "(full) (fixed 0.2)"])
        lines.append(f"(connect l{source} l{target} {scheme} (scale 0.7) (delay 1))")
    text = "\n  ".join(lines)
    return f"(net random\n  {text})"


@pytest.mark.parametrize(("seed", "dtype"), [*((k, "float64") for k in range(6)), (6, "float32"), (7, "float32")])
def test_engines_agree_on_random_nets(seed: int, dtype: str) -> None:
    """The reference engine computes with explicit tables; the others have fast code."""
    net = net_of(random_net(seed))
    x, d, starts = data_of(net, [6, 1, 5])
    start, steps = start_of(net), 1 + seed % 4
    start = {name: 0.3 * value if "gain" not in name else np.abs(value) + 0.2 for name, value in start.items()}
    trained = {}
    for kind in ENGINES:
        engine = engine_of(net, kind, steps, dtype=dtype)
        engine.load_parameters(start)
        engine.learn(x, d, Settings(dict.fromkeys(start, 0.02), {}, batch=1 + seed % 3), starts=starts)
        trained[kind] = engine.parameters() | {"outputs": engine.outputs(x, starts)}
        if kind != "torch":
            trained[kind] |= {f"h {n}": h for n, h in engine.curvature(x, d, "full", starts).items()}
    atol = 1e-12 if dtype == "float64" else 2e-5
    for kind in ENGINES[1:]:
        for name, values in trained[kind].items():
            np.testing.assert_allclose(
                values, trained["reference"][name], rtol=atol, atol=atol, err_msg=f"{kind} {name}"
            )


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("kind", ["native", "torch"])
def test_engines_agree_on_shared_weights(kind: str, steps: int) -> None:
    net = net_of(SHARED)
    x, d, starts = data_of(net, [5, 4])
    start = {name: np.abs(value) + 0.1 if "gain" in name else value for name, value in start_of(net).items()}
    engines = [engine_of(net, each, steps) for each in ("reference", kind)]
    for engine in engines:
        engine.load_parameters(start)
        engine.learn(x, d, Settings(dict.fromkeys(start, 0.02), {}), starts=starts)
    for name, values in engines[1].parameters().items():
        np.testing.assert_allclose(values, engines[0].parameters()[name], rtol=0, atol=1e-12, err_msg=name)


def test_a_backward_connection_shares_weights_with_a_forward_one() -> None:
    """`weights-of` takes the weights of a delayed connection without its delay; gradients of both uses add."""
    net = net_of(
        "(net t (default (nlf tanh) (bias none)) (layer in 2) (layer a 3) (layer b 3) (layer out 1)"
        " (connect in a (full)) (connect b b (full) (delay 1)) (connect a b (weights-of b b)) (connect b out (full)))"
    )
    assert [p.name for p in net.parameters] == ["in_a.weight", "b_b.weight", "b_out.weight"]
    x, d, _ = data_of(net, [6])
    start = start_of(net)
    weights = tensors(start)

    def step(w: Weights, inputs: Tensor, before: State) -> State:
        b = torch.tanh(before[0] @ w["b_b.weight"] + torch.tanh(inputs @ w["in_a.weight"]) @ w["b_b.weight"])
        return b, torch.tanh(b @ w["b_out.weight"])

    presenter = Presenter(("", step, (3, 1)), weights, 3)
    for inputs, wanted in zip(torch.from_numpy(x), torch.from_numpy(d)):
        presenter.cost(inputs, wanted).backward()
    for kind in ENGINES:
        engine = engine_of(net, kind, 3)
        engine.load_parameters(start)
        for name, g in engine.gradient(x, d).items():
            np.testing.assert_allclose(g, weights[name].grad, rtol=0, atol=1e-12, err_msg=name)


# ---- Trainings -----------------------------------------------------------------------------------------------------

WALKS = """
(net walks (default (nlf tanh)) (layer input 2) (layer h 4) (layer output 2)
  (connect input h (full)) (connect h h (full) (delay 1)) (connect h output (full)))
(train walks (data (csv "walks.csv" (sequence walk) (label kind){options}))
  (epsilon 0.05) (passes 6) (time 3) {clauses})
"""


def walks(folder: Path, options: str = "", clauses: str = "") -> Path:
    """A program with a table of six sequences of lengths 4, 1, 5, 3, 2 and 5."""
    draw = np.random.default_rng(8)
    rows = ["walk,x,y,kind"]
    for walk, length in enumerate([4, 1, 5, 3, 2, 5]):
        rows += [f"w{walk},{draw.normal():.3f},{draw.normal():.3f},{walk % 2}" for _ in range(length)]
    (folder / "walks.csv").write_text("\n".join(rows) + "\n")
    (folder / "walks.sn").write_text(WALKS.format(options=options, clauses=clauses))
    return folder / "walks.sn"


def prepared(file: Path) -> PreparedData:
    program = read_program(file)
    training = program.own_trainings[0]
    return prepare_data(training, examples_of(program, training, Options(), lambda sentence: None), "float64")


def test_a_sequence_starts_where_the_column_changes(tmp_path: Path) -> None:
    data = prepared(walks(tmp_path))
    assert data.train.inputs.shape == (20, 2)  # without the column of the walk
    assert data.train.starts is not None
    assert np.flatnonzero(data.train.starts).tolist() == [0, 4, 5, 10, 13, 15]
    assert data.train.leading_to(12) == slice(10, 13)


def test_whole_sequences_are_held_out(tmp_path: Path) -> None:
    whole, data = prepared(walks(tmp_path)), prepared(walks(tmp_path, "(test 2)"))
    assert data.test is not None and data.train.starts is not None and data.test.starts is not None
    assert data.train.starts.sum() == 4 and data.test.starts.sum() == 2
    sequences = np.split(whole.train.inputs, [4, 5, 10, 13, 15])
    for part in (data.train, data.test):
        for sequence in np.split(part.inputs, np.flatnonzero(part.starts)[1:]):
            assert any(np.array_equal(sequence, other) for other in sequences)


def test_examples_of_the_text_start_sequences_where_it_says() -> None:
    text = WALKS.replace('(csv "walks.csv" (sequence walk) (label kind){options})', "{data}")
    examples = "(examples [[0 1][1 0][1 1][0 0]] [[1 0][0 1][1 0][0 1]] (starts 2))"
    program = read_program(Source("t.sn", text.format(data=examples, clauses="(test-set 3 3)")))
    training = program.own_trainings[0]
    data = prepare_data(training, examples_of(program, training, Options(), lambda sentence: None))
    assert data.train.starts is not None and data.test is not None and data.test.starts is not None
    assert data.train.starts.tolist() == [True, False, True, False] and data.test.starts.tolist() == [True]


@pytest.mark.parametrize(
    ("options", "clauses", "message", "hint"),
    [
        ("(starts 99)", "", "(starts ...) and (sequence ...) cannot be combined", ""),
        ("(test 6)", "", "holds out 6 of the 6 sequences", "write a number from 1 to 5"),
        ("(ignore walk)", "", "", ""),
    ],
)
def test_sequences_that_do_not_fit(options: str, clauses: str, message: str, hint: str, tmp_path: Path) -> None:
    if not message:
        prepared(walks(tmp_path, options, clauses))
        return
    with pytest.raises(SnError) as caught:
        prepared(walks(tmp_path, options, clauses))
    assert message in str(caught.value) and hint in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "line 4, column 1 (walk): the value is missing"),
        ("nan", 'line 4, column 1 (walk): the value is missing ("nan")'),
        ("-inf", 'line 4, column 1 (walk): "-inf" tells no sequence'),
    ],
)
def test_a_row_of_no_sequence_is_refused(cell: str, message: str, tmp_path: Path) -> None:
    file = walks(tmp_path)
    lines = (tmp_path / "walks.csv").read_text().splitlines()
    lines[3] = cell + lines[3].removeprefix("w0")
    (tmp_path / "walks.csv").write_text("\n".join(lines))
    with pytest.raises(SnError) as caught:
        prepared(file)
    (fault,) = caught.value.faults
    assert fault.message == f"walks.csv: {message}"
    assert fault.hint == "write the number or the name of the sequence, or delete line 4"


@pytest.mark.parametrize(
    ("option", "message"),
    [("folds 2", "(folds 2): walks.csv has 1 sequence"), ("test 1", "(test 1) holds out 1 of the 1 sequence of")],
)
def test_one_sequence_cannot_be_divided(option: str, message: str, tmp_path: Path) -> None:
    file = walks(tmp_path, f"({option})")
    rows = (tmp_path / "walks.csv").read_text().splitlines()[:5]
    (tmp_path / "walks.csv").write_text("\n".join(rows))
    with pytest.raises(SnError) as caught:
        prepared(file)
    (fault,) = caught.value.faults
    assert message in fault.message and f"remove ({option.split()[0]} ...)" in fault.hint


def test_steps_that_are_drawn_one_by_one_are_refused(tmp_path: Path) -> None:
    file = walks(tmp_path, "(test 0.2)")
    file.write_text(file.read_text().replace("(sequence walk)", "(ignore walk)"))
    with pytest.raises(SnError, match="the test patterns of walks.csv are drawn one by one"):
        prepared(file)


def test_one_sequence_cannot_be_shuffled() -> None:
    text = WALKS.replace('(csv "walks.csv" (sequence walk) (label kind){options})', "{data}")
    text = text.format(data="(examples [[0 1][1 0]] [[1 0][0 1]])", clauses="(order shuffled)")
    program = read_program(Source("t.sn", text))
    training = program.own_trainings[0]
    with pytest.raises(SnError, match="are one sequence, whose steps keep their order"):
        prepare_data(training, examples_of(program, training, Options(), lambda sentence: None))


def test_sequences_are_shuffled_whole() -> None:
    starts = np.zeros(10, bool)
    starts[[0, 3, 4, 8]] = True
    order = sequence_order("shuffled", 10, 1, np.random.default_rng(2), starts)
    drawn = np.random.default_rng(2).permutation(4)
    pieces = [[0, 1, 2], [3], [4, 5, 6, 7], [8, 9]]
    assert order.tolist() == [row for k in drawn for row in pieces[k]] and drawn.tolist() != [0, 1, 2, 3]


def weights_after(file: Path, engine: str, folder: Path, passes: int | None = None) -> dict[str, np.ndarray]:
    program = read_program(file)
    options = Options(out=folder, engine=engine, dtype="float64", passes=passes)
    for event in run(program, program.own_trainings[0], 1, options):
        if isinstance(event, RunFinished):
            return dict(OpenedRun.open(event.run).weights)
    raise AssertionError("the run did not finish")


@pytest.mark.parametrize("clauses", ["(order shuffled)", "(batch 4 mean) (update lm)", "(update adamw)"])
def test_engines_train_the_same_run(clauses: str, tmp_path: Path) -> None:
    file = walks(tmp_path, "(test 2)", clauses)
    expected = weights_after(file, "reference", tmp_path / "reference")
    for engine in ("native", "torch", "wasm"):
        for name, values in weights_after(file, engine, tmp_path / engine).items():
            np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-10, err_msg=f"{engine} {name}")


def test_the_native_engine_is_the_first_choice(tmp_path: Path) -> None:
    file = walks(tmp_path)
    program = read_program(file)
    events = list(run(program, program.own_trainings[0], 1, Options(out=tmp_path / "runs")))
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.engine.startswith("native") and not started.instead


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_pruned_connections_stay_cut(engine: str, tmp_path: Path) -> None:
    stages = "(stage (passes 2)) (stage (prune 0.3) (passes 3))"
    file = walks(tmp_path, "", "")
    file.write_text(file.read_text().replace("(passes 6)", stages))
    weights = weights_after(file, engine, tmp_path / engine)
    zeros = sum(int((values == 0).sum()) for values in weights.values())
    total = sum(values.size for values in weights.values())
    assert zeros == int(0.3 * total)


def test_a_module_is_the_net_of_a_run(tmp_path: Path) -> None:
    """`snsim.load` gives a module that goes through the steps; its outputs are those of the engine."""
    file = walks(tmp_path)
    weights_after(file, "native", tmp_path / "runs")
    opened = OpenedRun.open(tmp_path / "runs" / "walks")
    module = snsim.load(tmp_path / "runs" / "walks")
    outputs, patterns = opened.outputs("train"), prepared(file).train
    assert patterns.starts is not None
    for rows in np.split(np.arange(20), np.flatnonzero(patterns.starts)[1:]):
        steps = torch.from_numpy(patterns.inputs[rows])
        found, state = module(steps)
        np.testing.assert_allclose(found.detach(), outputs.outputs[rows], rtol=0, atol=1e-12)
        again, _ = module(torch.stack([steps, -steps], 1), torch.zeros(2, 4, dtype=torch.float64))
        np.testing.assert_allclose(again[:, 0].detach(), found.detach(), rtol=0, atol=1e-14)
        assert state.shape == (4,)
        np.testing.assert_allclose(module.states(steps)["h"][-1].detach(), state.detach(), rtol=0, atol=0)
    assert set(module.state_dict()) == {p.name for p in opened.net.parameters}
    with pytest.raises(SnError, match="reads steps of shape"):
        module(torch.zeros(3))


def test_predictions_follow_the_column_of_the_sequence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = walks(tmp_path)
    weights_after(file, "native", tmp_path / "runs")
    expected = OpenedRun.open(tmp_path / "runs" / "walks").outputs("train").outputs
    assert main(["predict", str(tmp_path / "runs" / "walks"), str(tmp_path / "walks.csv"), "--json"]) == 0
    rows = [json.loads(line)["outputs"] for line in capsys.readouterr().out.splitlines()]
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-6)


def test_nets_that_learn_together_read_no_sequences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", str(walks(tmp_path)), "--together", "2"]) != 0
    said = "".join(capsys.readouterr())
    assert "delay" in said and "walks.sn:" in said and "Traceback" not in said


@pytest.mark.parametrize(
    "form",
    [
        "object",
        "torch",
        pytest.param("pt2", marks=pytest.mark.slow),
        pytest.param("onnx", marks=[pytest.mark.slow, needs_onnx]),
    ],
)
@pytest.mark.parametrize("net", [NET, ELMAN, SHARED], ids=["loops", "elman", "shared"])
def test_exports_go_through_steps(net: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each export is run beside the engine, through sequences side by side, before it is written."""
    file = tmp_path / "net.sn"
    file.write_text(net)
    suffix = {"torch": ".py", "object": ""}.get(form, f".{form}")
    assert main(["export", str(file), "--to", form, "-o", str(tmp_path / f"net_out{suffix}")]) == 0
    said = capsys.readouterr().out
    difference = float(said.split("largest difference ")[1].split()[0])
    assert difference < 1e-5 and (tmp_path / f"net_out{suffix}").exists()


@pytest.mark.parametrize("clauses", ["", "(batch 4 mean) (update adamw)", "(order shuffled) (input-noise 0.1)"])
def test_a_page_of_pytorch_goes_through_sequences(
    clauses: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`main()` of the page has the misses of a run, and `snsim compare` finds the page equal."""
    file = walks(tmp_path, "(test 2)", clauses)
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(file), "--json", "--dtype", "float64"]) == 0
    passes = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "train" in line]
    assert main(["export", "runs/walks", "--to", "torch", "-o", "page.py"]) == 0
    done = subprocess.run([sys.executable, "page.py"], capture_output=True, text=True, check=True)
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == [
        f"missed {one['train']['misses']} of 13 training patterns, {one['test']['misses']} of 7 test patterns"
        for one in passes
    ]
    assert main(["compare", str(file), "page.py:Net"]) == 0


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("kind", ENGINES)
def test_the_calls_in_which_steps_are_learned_change_no_bit(
    kind: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = net_of(NET)
    x, d, starts = data_of(net, [7, 1, 12])
    settings = Settings(dict.fromkeys(start_of(net), 0.1), {}, batch=2)
    weights = []
    for ends in ([20], [2, 4, 6, 12, 20], [20]):
        if len(weights) == 2:
            monkeypatch.setattr("snsim.engines.recurrent._MOST_NUMBERS", 100)  # a call makes some rows at a time
        engine = engine_of(net, kind, steps, dtype="float32")
        engine.load_parameters(start_of(net))
        for first, last in zip([0, *ends], ends):
            engine.learn(x[first:last], d[first:last], settings, starts=starts[first:last])
        weights.append(engine.parameters())
    for name, values in weights[0].items():
        np.testing.assert_array_equal(values, weights[1][name], err_msg=name)
        np.testing.assert_array_equal(values, weights[2][name], err_msg=name)


def test_a_resumed_run_has_the_same_bits(tmp_path: Path) -> None:
    file = walks(tmp_path, "", "(order shuffled)")
    expected = weights_after(file, "native", tmp_path / "whole")
    program = read_program(file)
    options = Options(out=tmp_path / "parts", engine="native", dtype="float64")
    events = run(program, program.own_trainings[0], 1, options)
    for event in events:
        if isinstance(event, PassFinished) and event.done.number == 3:
            break
    events.close()
    assert main(["run", "--resume", str(tmp_path / "parts" / "walks"), "--quiet"]) == 0
    for name, values in OpenedRun.open(tmp_path / "parts" / "walks").weights.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_forward_and_a_delayed_connection_of_the_same_layers(kind: str) -> None:
    """With `(name N)` two layers have both; and a net may have several input layers."""
    net = net_of(
        "(net t (default (nlf tanh)) (layer in 2 (input)) (layer more 3 (input)) (layer a 4) (layer out 2)"
        " (connect (in more) a (full)) (connect in a (full) (delay 1) (name before)) (connect a a (full) (delay 1))"
        " (connect a out (full)) (connect a out (full) (delay 1) (name later)))"
    )
    x, d, starts = data_of(net, [6, 3])
    start = start_of(net)

    def step(w: Weights, inputs: Tensor, before: State) -> State:
        now, more = inputs[:2], inputs[2:]
        sums = w["a.bias"] + now @ w["in_a.weight"] + more @ w["more_a.weight"] + before[0] @ w["before.weight"]
        a = torch.tanh(sums + before[1] @ w["a_a.weight"])
        return now, a, torch.tanh(w["out.bias"] + a @ w["a_out.weight"] + before[1] @ w["later.weight"])

    weights = tensors(start)
    presenter = Presenter(("", step, (2, 4, 2)), weights, 3)
    for row, (inputs, wanted) in enumerate(zip(torch.from_numpy(x), torch.from_numpy(d))):
        if starts[row]:
            presenter.start()
        presenter.cost(inputs, wanted).backward()
    engine = engine_of(net, kind, 3)
    engine.load_parameters(start)
    for name, g in engine.gradient(x, d, starts).items():
        np.testing.assert_allclose(g, weights[name].grad, rtol=0, atol=1e-12, err_msg=name)


def test_a_list_may_be_computed_that_tells_where_sequences_start() -> None:
    text = WALKS.replace('(csv "walks.csv" (sequence walk) (label kind){options})', "{data}")
    examples = "(examples [[0 1][1 0][1 1][0 0]] [[1 0][0 1][1 0][0 1]] (starts ,(list 0 3)))"
    program = read_program(Source("t.sn", text.format(data=examples, clauses="")))
    training = program.own_trainings[0]
    data = prepare_data(training, examples_of(program, training, Options(), lambda sentence: None))
    assert data.train.starts is not None and np.flatnonzero(data.train.starts).tolist() == [0, 3]
