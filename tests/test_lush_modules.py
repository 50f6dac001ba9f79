"""gblearn2's classes: gradients and second derivatives against autograd in float64, and what the reference states.

The numbers to the last bit are tested by the original's own output: test_lush.py.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from snsim.errors import SnError, Source
from snsim.glossary.names import explain, listing
from snsim.language.forms import symbol
from snsim.language.objects import send
from snsim.language.procedures import CallError
from snsim.lush import begin
from snsim.lush.idx import Idx
from snsim.lush.modules import built_in
from snsim.lush.modules.built_in import CLASSES, NUMBER, Message, Slot, built_in_class, constructor, make, refused
from snsim.lush.modules.states_and_params import State
from snsim.lush.modules.states_and_params import state as state_kind
from snsim.program import make_interpreter, new_shelves, read_program
from snsim.runtime.host import scratch


@dataclass
class Program:
    """A running program of Lush, used from Python."""

    interpreter: Any

    def new(self, name: str, *arguments: Any) -> Any:
        entry = CLASSES.get(name)
        return make(self.interpreter, entry.python, *[float(a) if isinstance(a, int) else a for a in arguments])

    def send(self, receiver: Any, message: str, *arguments: Any) -> Any:
        return send(
            self.interpreter, receiver, symbol(message), [float(a) if isinstance(a, int) else a for a in arguments]
        )


@pytest.fixture
def lush() -> Iterator[Program]:
    with scratch() as host:
        interpreter = make_interpreter(new_shelves(), host)
        begin(interpreter)
        yield Program(interpreter)


def output_of(text: str) -> str:
    """Return what a program of Lush prints."""
    port = io.StringIO()
    read_program(Source("test.lsh", text), port=port)
    return port.getvalue()


def floats(*sizes: int, seed: int = 0) -> Idx:
    return Idx.of(np.random.default_rng(seed).standard_normal(sizes).astype(np.float32))


def ints(values: Any) -> Idx:
    return Idx.of(np.array(values, np.int32))


# Modules against autograd


class Squash(torch.autograd.Function):
    """height tanh(2/3 x) by the rational function of the reference, section 5, with the derivative given there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, height: float) -> Tensor:  # type: ignore[override]
        z = x.abs()
        y = (1 + 0.125 * slope * z + 0.0078125 * (slope * z) ** 2 + 0.000325520833333 * (slope * z) ** 3) ** 16
        q = (y - 1) / (y + 1)
        ctx.save_for_backward(slope * height * (1 - q * q))
        return torch.sign(x) * height * q

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return gradient * ctx.saved_tensors[0], None, None


def sigmoid(x: Tensor) -> Tensor:
    return Squash.apply(x, 0.66666666, 1.71593428)  # type: ignore[no-any-return, no-untyped-call]


def squared_tanh(x: Tensor) -> Tensor:
    return Squash.apply(x, 1.0, 1.0) ** 2  # type: ignore[no-any-return, no-untyped-call]


TABLE = [[0, 0], [2, 0], [1, 1], [2, 2], [0, 2], [1, 2], [1, 3], [0, 3]]


def convolution(step: tuple[int, int], table: list[list[int]], thickness: int) -> Any:
    def compute(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        maps = []
        for target in range(thickness):
            rows, columns = [(n - k) // r + 1 for n, k, r in zip(x.shape[1:], kernel.shape[1:], step)]
            total = bias[target] + torch.zeros(rows, columns, dtype=torch.float64)
            for row, (source, end) in enumerate(table):
                if end == target:
                    picture, weights = x[source][None, None], kernel[row][None, None]
                    total = total + torch.nn.functional.conv2d(picture, weights, stride=step)[0, 0]
            maps.append(total)
        return torch.stack(maps)

    return compute


def subsampling(block: tuple[int, int]) -> Any:
    def compute(x: Tensor, coeff: Tensor, bias: Tensor) -> Tensor:
        sums = torch.nn.functional.avg_pool2d(x[None], block)[0] * block[0] * block[1]
        return sums * coeff[:, None, None] + bias[:, None, None]

    return compute


def full(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.einsum("oi,ihw->ohw", weight, x) + bias[:, None, None]


def distances(x: Tensor, weight: Tensor) -> Tensor:
    return 0.5 * ((x[None] - weight[:, :, None, None]) ** 2).sum(1)


def pieces(x: Tensor, weight: Tensor) -> Tensor:
    return torch.stack([0.5 * ((x[o : o + 3] - w[:, None, None]) ** 2).sum(0) for o, w in zip([2, 0, 1], weight)])


def log_mean(x: Tensor) -> Tensor:
    return -torch.log(torch.exp(-x).mean((1, 2)))


@dataclass(frozen=True)
class Row:
    """A module: its arguments before the param, the sizes of its input, and what it computes in float64."""

    name: str
    arguments: tuple[Any, ...]
    sizes: tuple[int, ...]
    compute: Any
    squash: Any = None  # the function behind the sum; None: linear
    parts: tuple[str, ...] = ()  # the slots of its parameters
    squared: bool = True  # whether bbprop is the sum of the squared derivatives
    places: str = "idx3"


ROWS = [
    Row("f-layer", (5, 4, 1, 1), (5, 1, 1), full, sigmoid, ("weight", "bias")),
    Row("f-layer", (3, 2, 2, 3), (3, 2, 3), full, None, ("weight", "bias")),
    Row("f-layer", (1, 1, 1, 1), (1, 3, 1), full, sigmoid, ("weight", "bias")),
    Row("c-layer", (3, 2, 1, 1, TABLE, 4, 1, 1), (3, 6, 5), convolution((1, 1), TABLE, 4), sigmoid, ("kernel", "bias")),
    Row("c-layer", (3, 2, 2, 3, TABLE, 5, 1, 1), (3, 7, 8), convolution((2, 3), TABLE, 5), None, ("kernel", "bias")),
    Row(
        "c-layer",
        (4, 4, 1, 1, [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]], 3, 1, 1),
        (2, 4, 4),
        convolution((1, 1), [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]], 3),
        sigmoid,
        ("kernel", "bias"),
    ),
    Row(
        "c-layer",
        (3, 3, 1, 1, [[0, 0], [0, 1]], 2, 1, 1),
        (1, 5, 6),
        convolution((1, 1), [[0, 0], [0, 1]], 2),
        sigmoid,
        ("kernel", "bias"),
    ),
    Row("s-layer", (2, 3, 3, 1, 1), (3, 4, 6), subsampling((2, 3)), sigmoid, ("coeff", "bias")),
    Row("s-layer", (1, 1, 2, 1, 1), (2, 3, 2), subsampling((1, 1)), None, ("coeff", "bias")),
    Row("e-layer", (4, 3), (4, 2, 3), distances, None, ("weight",), squared=False),
    Row("e-layer-sparse", (3, ints([2, 0, 1])), (6, 2, 2), pieces, None, ("weight",), squared=False),
    Row("logadd-layer", (3, 1, 1), (3, 2, 4), log_mean, squared=False, places="idx1"),
    Row("logadd-layer", (3, 1, 1), (3, 1, 1), lambda x: x[:, 0, 0], squared=False, places="idx1"),
    Row("idx3-squasher", (), (3, 4, 2), sigmoid),
    Row("idx3-sqsquasher", (), (3, 4, 2), squared_tanh),
    Row("idx4-squasher", (), (2, 3, 4, 2), sigmoid, places="idx4"),
    *[Row(f"idx{n}-module", (), (2, 3, 4, 2)[:n], lambda x: x, places=f"idx{n}") for n in (1, 2, 3, 4)],
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name} {row.sizes}")
def test_a_module_agrees_with_autograd(row: Row, lush: Program) -> None:
    """Output, gradients, second derivatives; parameter gradients add to what is there, input gradients do not."""
    param = lush.new("idx1-ddparam", 0, 10)
    arguments = [ints(a) if isinstance(a, list) else a for a in row.arguments]
    if row.name in ("f-layer", "c-layer", "s-layer"):
        arguments.append(lush.new("idx3-squasher" if row.squash else "idx3-module"))
    module = lush.new(row.name, *arguments, *([param] if row.parts else []))
    size = int(lush.send(param, "size"))
    if size:
        param.x.array[...] = 0.5 * floats(size, seed=1).array
        param.dx.array[...], param.ddx.array[...] = 3, 5
    inside = lush.new(f"idx{len(row.sizes)}-ddstate", *row.sizes)
    inside.x.array[...] = 2 * floats(*row.sizes, seed=2).array
    inside.dx.array[...] = inside.ddx.array[...] = 7
    out = lush.new(f"{row.places}-ddstate", *[1] * int(row.places[3]))
    lush.send(module, "fprop", inside, out)

    x = torch.tensor(inside.x.array, dtype=torch.float64, requires_grad=True)
    states = [module.slots[symbol(part)] for part in row.parts]
    weights = [torch.tensor(state.x.array, dtype=torch.float64, requires_grad=True) for state in states]
    expected = row.compute(x, *weights)
    expected = row.squash(expected) if row.squash else expected
    assert out.x.sizes == tuple(expected.shape)
    np.testing.assert_allclose(out.x.array, expected.detach().numpy(), rtol=2e-5, atol=2e-6)

    out.dx.array[...], out.ddx.array[...] = floats(*out.x.sizes, seed=3).array, floats(*out.x.sizes, seed=4).array ** 2
    lush.send(module, "bprop", inside, out)
    gradients = torch.autograd.grad(
        expected, [x, *weights], torch.tensor(out.dx.array.astype(float)), retain_graph=True
    )
    close(inside.dx.array, gradients[0])
    for state, gradient in zip(states, gradients[1:]):
        close(state.dx.array, gradient + 3)

    lush.send(module, "bbprop", inside, out)
    if row.squared:  # every output has one term with each number: the sum of its squared derivatives
        errors = torch.tensor(out.ddx.array.astype(float)).reshape(-1)
        sums = [torch.zeros_like(part) for part in (x, *weights)]
        for one, error in zip(expected.reshape(-1), errors):
            for total, slope in zip(sums, torch.autograd.grad(one, [x, *weights], retain_graph=True)):
                total += slope**2 * error
        close(inside.ddx.array, sums[0])
        for state, total in zip(states, sums[1:]):
            close(state.ddx.array, total + 5)
    elif row.name == "logadd-layer":
        close(inside.ddx.array, torch.tensor(out.ddx.array)[:, None, None].expand(row.sizes))
    else:
        assert (inside.ddx.array == 1).all() and (states[0].ddx.array == 5).all()


def close(actual: np.ndarray, expected: Tensor) -> None:
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("x", "value", "slope"),
    [(1, 1, 0.755440891), (2, 1.4928745, 0.278082192), (-3, -1.65407848, 0.0809879303), (6, 1.71475077, 0.00157749653),
     (20, 1.71593428, 0), (-13, -1.71593428, 0)],
)  # fmt: skip
def test_the_squasher_has_the_values_of_the_reference(x: float, value: float, slope: float, lush: Program) -> None:
    """Section 5; every digit of a float."""
    inside, out = lush.new("idx3-ddstate", 1, 1, 1), lush.new("idx3-ddstate", 1, 1, 1)
    squasher = lush.new("idx3-squasher")
    inside.x.array[...] = x
    lush.send(squasher, "fprop", inside, out)
    out.dx.array[...] = 1
    lush.send(squasher, "bprop", inside, out)
    assert f"{out.x.array.item():.9g}" == f"{np.float32(value):.9g}"
    assert f"{inside.dx.array.item():.9g}" == f"{np.float32(slope):.9g}"


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_a_child_calls_the_constructor_of_the_identity(dimensions: int) -> None:
    """Each class has its own constructor: `(==> this parent-name args)`, docs/reference/gblearn2.md."""
    parent = f"idx{dimensions}-module"
    assert CLASSES.get(parent).syntax.startswith(f"(new {parent}): ")
    child = f"(defclass mine {parent} k) (defmethod mine mine (n) (==> this {parent}) (setq k n))"
    assert output_of(f"{child} (print :(new mine 3):k)") == "3\n"


def test_noop_and_id_modules(lush: Program) -> None:
    inside, out = lush.new("idx2-ddstate", 2, 2), lush.new("idx2-ddstate", 2, 2)
    for level in ("x", "dx", "ddx"):
        getattr(inside, level).array[...], getattr(out, level).array[...] = 1, 2
    for message in ("fprop", "bprop", "bbprop"):
        lush.send(lush.new("noop-module"), message, inside, out)
    assert [state.parts()[i].array[0, 0] for state in (inside, out) for i in range(3)] == [1, 1, 1, 2, 2, 2]
    for message in ("fprop", "bprop", "bbprop"):
        lush.send(lush.new("id-module"), message, inside, out)
    assert [state.parts()[i].array[0, 0] for state in (inside, out) for i in range(3)] == [1, 2, 2, 1, 2, 2]


def test_windows_on_a_larger_input_give_the_same_sums(lush: Program) -> None:
    """A net is replicable: where a larger picture holds the smaller one, its output is the same, bit for bit."""
    param = lush.new("idx1-ddparam", 0, 10)
    net = lush.new("net-cscf", 12, 12, 3, 3, ints([[0, 0], [0, 1], [0, 2]]), 2, 2, 5, 5,
                   ints([[0, 0], [1, 0], [2, 1], [0, 1], [1, 2]]), 4, param)  # fmt: skip
    param.x.array[...] = 0.3 * floats(param.x.size).array
    large, small, wide, narrow = (lush.new("idx3-ddstate", 1, *sizes) for sizes in ((16, 14), (12, 12), (1, 1), (1, 1)))
    large.x.array[...] = floats(1, 16, 14, seed=5).array
    lush.send(net, "fprop", large, wide)
    assert wide.x.sizes == (4, 3, 2)
    for row in range(3):
        for column in range(2):
            small.x.array[...] = large.x.array[:, 2 * row : 2 * row + 12, 2 * column : 2 * column + 12]
            lush.send(net, "fprop", small, narrow)
            assert (narrow.x.array[:, 0, 0] == wide.x.array[:, row, column]).all()


# Sums in order: against loops over floats


def loop_sum(terms: list[np.float32], start: np.float32) -> np.float32:
    for term in terms:
        start = np.float32(start + term)
    return start


def test_a_c_layer_adds_in_the_order_of_the_reference(lush: Program) -> None:
    """Section 5: forward by table rows, kernel rows, columns; in.dx descending; kernel.dx by positions."""
    param = lush.new("idx1-ddparam", 0, 10)
    table = [[1, 0], [0, 0], [1, 1]]
    layer = lush.new("c-layer", 2, 3, 1, 1, ints(table), 2, 1, 1, lush.new("idx3-module"), param)
    param.x.array[...] = floats(param.x.size).array
    param.dx.array[...] = floats(param.x.size, seed=1).array
    inside, out = lush.new("idx3-ddstate", 2, 4, 5), lush.new("idx3-ddstate", 1, 1, 1)
    x = inside.x.array[...] = floats(2, 4, 5, seed=2).array * 100
    kernel, bias, before = layer.kernel.x.array, layer.bias.x.array, layer.kernel.dx.array.copy()
    lush.send(layer, "fprop", inside, out)
    rows, columns = out.x.sizes[1:]
    assert (rows, columns) == (3, 3)
    for end in range(2):
        for r in range(rows):
            for c in range(columns):
                terms = [
                    kernel[n, i, j] * x[source, r + i, c + j]
                    for n, (source, target) in enumerate(table) if target == end
                    for i in range(2) for j in range(3)
                ]  # fmt: skip
                assert out.x.array[end, r, c] == np.float32(loop_sum(terms, np.float32(0)) + bias[end])
    g = out.dx.array[...] = floats(2, 3, 3, seed=3).array
    lush.send(layer, "bprop", inside, out)
    expected = np.zeros_like(x)
    for n, (source, end) in enumerate(table):
        for r in range(rows):
            for c in range(columns):
                for i in range(2):
                    for j in range(3):
                        expected[source, r + i, c + j] += g[end, r, c] * kernel[n, i, j]
                        before[n, i, j] += x[source, r + i, c + j] * g[end, r, c]
    assert (inside.dx.array == expected).all() and (layer.kernel.dx.array == before).all()


# Costs


def shares(x: Tensor, joined: Tensor) -> Tensor:
    """Return -log mean exp(-x) over the places of each map."""
    return -torch.log(torch.exp(-x).mean((-2, -1)))


LABELS, PROTO, WEIGHTS = [7, 2, 5], floats(3, 4, seed=8), Idx.of(floats(3, 4, seed=9).array ** 2)


@pytest.mark.parametrize("name", ["edist-cost", "wedist-cost", "weighted-mse-cost"])
@pytest.mark.parametrize("places", [(1, 1), (2, 3)])
def test_costs_of_prototypes(name: str, places: tuple[int, int], lush: Program) -> None:
    """Section 8; the second derivative has energy:dx at every place, without share."""
    weighted = name != "edist-cost"
    cost = lush.new(name, ints(LABELS), *places, PROTO, *([WEIGHTS] if weighted else []))
    pair = name == "weighted-mse-cost"
    for label, row in ((2, 1), (5, 0), *(((5, -1),) if pair else ())):
        inside, energy = lush.new("idx3-ddstate", 4, *places), lush.new("idx0-ddstate")
        inside.x.array[...] = floats(4, *places, seed=label).array
        energy.dx.array[...], energy.ddx.array[...] = 0.7, 9
        number = LABELS.index(label)
        desired = ints([label, row] if pair else label)
        for message in ("fprop", "bprop", "bbprop"):
            lush.send(cost, message, inside, desired, energy)
        used = row if pair else number
        w = torch.tensor(WEIGHTS.array[used].astype(float) if weighted and used >= 0 else np.ones(4))
        x = torch.tensor(inside.x.array, dtype=torch.float64, requires_grad=True)
        d = (0.5 * w[:, None, None] * (x - torch.tensor(PROTO.array[number])[:, None, None]) ** 2).sum(0)
        expected = -torch.log(torch.exp(-d).mean())
        close(energy.x.array, expected)
        close(inside.dx.array, torch.autograd.grad(expected * 0.7, x)[0])
        close(inside.ddx.array, (w * 0.7)[:, None, None].expand(4, *places))


@pytest.mark.parametrize("places", [(1, 1), (2, 3)])
def test_mle_and_mmi_costs(places: tuple[int, int], lush: Program) -> None:
    param = lush.new("idx1-ddparam", 0, 10)
    priors = Idx.of(np.array([0.4, 0.3, 0.2, 0.1], np.float32))
    mle, mmi = lush.new("mle-cost", ints(LABELS), *places), lush.new("mmi-cost", ints(LABELS), priors, *places, param)
    assert lush.send(param, "size") == 1 and mmi.junk_param.x.array == 0
    lush.send(mmi, "set-junk-cost", 1.5)
    assert mmi.junk_param.x.array == np.float32(3**0.5)
    for label in (2, 5, 7, -1, 3, 99):
        number = LABELS.index(label) if label in LABELS else -1
        for cost in (mle, mmi):
            inside, energy = lush.new("idx3-ddstate", 3, *places), lush.new("idx0-ddstate")
            inside.x.array[...] = floats(3, *places, seed=1).array
            energy.dx.array[...], energy.ddx.array[...] = 0.7, 0.3
            for message in ("fprop", "bprop", "bbprop"):
                lush.send(cost, message, inside, ints(label), energy)
            x = torch.tensor(inside.x.array, dtype=torch.float64, requires_grad=True)
            j = torch.tensor(mmi.junk_param.x.array.item(), dtype=torch.float64, requires_grad=True)
            scores = -torch.log(torch.exp(-x).mean((1, 2)))
            if cost is mle:
                expected = scores[number] if number >= 0 else 0 * scores[0]
                ddx = torch.zeros(3, *places)
                if number >= 0:
                    ddx[number] = 0.3
            else:
                scores, p = torch.cat([scores, (0.5 * j * j)[None]]), torch.tensor(priors.array.astype(float))
                expected = scores[number] - torch.log(p[number]) + torch.log((p * torch.exp(-scores)).sum())
                ddx = torch.full((3, *places), 0.3)
                close(mmi.junk_param.dx.array, torch.autograd.grad(expected * 0.7, j, retain_graph=True)[0])
            close(energy.x.array, expected)
            close(inside.dx.array, torch.autograd.grad(expected * 0.7, x)[0])
            close(inside.ddx.array, ddx)


def test_ledist_cost_and_classer(lush: Program) -> None:
    cost = lush.new("ledist-cost", ints(LABELS), PROTO)
    inside, energy = lush.new("idx3-ddstate", 4, 2, 2), lush.new("idx0-ddstate")
    inside.x.array[...] = floats(4, 2, 2).array
    energy.dx.array[...] = 0.7
    labels = np.array([[2, 5], [7, 2]], np.float32)
    for message in ("fprop", "bprop", "bbprop"):
        lush.send(cost, message, inside, Idx.of(labels), energy)
    rows = PROTO.array[[[1, 2], [0, 1]]].transpose(2, 0, 1)
    close(energy.x.array, torch.tensor(0.5 * ((inside.x.array - rows)[:, 1, 1].astype(float) ** 2).sum()))
    assert (inside.dx.array == inside.x.array - rows).all() and (inside.ddx.array == np.float32(0.7)).all()

    answer, place = lush.new("lclass-state", 3, 3, 5), lush.new("idx3-ddstate", 4, 1, 1)
    place.x.array[:, 0, 0] = PROTO.array[1] + 0.01
    lush.send(lush.new("ledist-classer", ints(LABELS), PROTO), "fprop", place, answer)
    assert answer.output_class.array.tolist() == [[2]] and answer.sorted_classes.sizes == (3, 1, 1)
    np.testing.assert_allclose(answer.confidence.array, [[-0.0002]], atol=1e-6)


# Classifiers: the reference's orders of equal scores (sections 4 and 8)


@pytest.mark.parametrize(
    ("name", "scores", "classes"),
    [
        ("max-classer", [1, 1, 1], [1, 2, 3]),
        ("min-classer", [1, 1, 1], [1, 2, 3]),
        ("max-classer", [0.5, 2, 1], [1, 2, 3]),
        ("min-classer", [0.5, 2, 1], [3, 2, 1]),
    ],
)
def test_classers_sort(name: str, scores: list[float], classes: list[int], lush: Program) -> None:
    inside, answer = lush.new("idx3-ddstate", 3, 1, 2), lush.new("class-state", 1)
    worse = 1 if name == "min-classer" else -1
    inside.x.array[...] = np.array([[[s + worse, s]] for s in scores], np.float32)
    lush.send(lush.new(name, ints([3, 1, 2])), "fprop", inside, answer)
    assert answer.sorted_classes.array.tolist() == classes
    assert answer.output_class == classes[0] and answer.confidence == answer.sorted_scores.array[0]


def test_edist_and_mmi_classers(lush: Program) -> None:
    inside, answer = lush.new("idx3-ddstate", 4, 1, 1), lush.new("class-state", 1)
    inside.x.array[:, 0, 0] = PROTO.array[2]
    lush.send(lush.new("edist-classer", ints(LABELS), 1, 1, PROTO), "fprop", inside, answer)
    expected = sorted(
        (0.5 * ((PROTO.array[2] - row).astype(float) ** 2).sum(), k) for row, k in zip(PROTO.array, LABELS)
    )
    assert answer.sorted_classes.array.tolist() == [k for _, k in expected]
    np.testing.assert_allclose(answer.sorted_scores.array, [d for d, _ in expected], rtol=1e-6)

    param, priors = lush.new("idx1-param", 0, 4), Idx.of(np.array([0.4, 0.3, 0.2, 0.1], np.float32))
    classer = lush.new("mmi-classer", ints(LABELS), priors, 1, 1, param)
    lush.send(classer, "set-junk-cost", 1.0)
    places = lush.new("idx3-ddstate", 3, 1, 2)
    places.x.array[...] = floats(3, 1, 2).array
    lush.send(classer, "fprop", places, answer)
    scores = np.append(-np.log(np.exp(-places.x.array.astype(float)).mean((1, 2))), 1.0)
    joint = priors.array * np.exp(-scores)
    expected = sorted(zip(-np.log(joint / joint.sum()), [*LABELS, -1]))
    assert answer.sorted_classes.array.tolist() == [k for _, k in expected]
    np.testing.assert_allclose(answer.sorted_scores.array, [score for score, _ in expected], rtol=1e-5)


def test_a_cost_and_a_classer_share_junk(lush: Program) -> None:
    """Section 8: make the classer, resize the param one shorter, make the cost."""
    param, priors = lush.new("idx1-ddparam", 0, 9), Idx.of(np.array([0.5, 0.5], np.float32))
    classer = lush.new("mmi-classer", ints([0]), priors, 1, 1, param)
    lush.send(param, "resize", 0)
    cost = lush.new("mmi-cost", ints([0]), priors, 1, 1, param)
    lush.send(cost, "set-junk-cost", 2.0)
    assert lush.send(param, "size") == 1 and classer.junk_param.x.array == 2


# What programs see: sections 6, 7, 9, 10 and 11, with the text that the reference gives


PROGRAMS = {
    "states": ("""
        (let ((s (new idx3-ddstate 2 1 2)))
          (:s:x 1 0 1 5) (print (idx-dim :s:ddx)) (==> s resize 1 2 2) (print :s:x)
          (==> s resize 2 2 2) (print (idx-dim :s:dx) (:s:x 1 1 1)) (==> s clear) (print (:s:x 0 1 1))
          (print (length (==> s idx-slots)) (classname (classof s)) (classname (super (classof s)))))
        (let ((c (new class-state 3)))
          (print :c:output-class :c:confidence :c:sorted-classes) (==> c resize 2) (print :c:sorted-scores))
        """, """
        (2 1 2)
        [f[f[f  0.00  0.00 ]
            [f  0.00  5.00 ]]]
        (2 2 2) 0
        0
        3 idx3-ddstate idx3-dstate
        0 0 [i     0     0     0 ]
        [f  0.00  0.00 ]
        """),
    "params": ("""
        (let* ((p (new idx1-ddparam 0 2)) (s (==> p alloc-idx2-ddstate 2 2)))
          (:s:x 0 1 7) (:p:dx 3 2) (print (==> p size) (:p:x 1) (:s:dx 1 1) :p:epsilons)
          (==> p alloc-idx0-state) (:s:x 1 1 9) (print :p:x (:p:x 3))
          (==> p set-epsilon 0.5) (==> p clear-dx) (:p:dx 0 1) (==> p update 0.1 0) (print :p:x :p:temp)
          (==> p update 0.1 0.5) (print (:p:x 0) (:p:deltas 0) (:p:temp 0))
          (==> p update-xaverage 0.25) (print (:p:xaverage 1)) (==> p swap-xaverage) (print (:p:x 1) (:p:xaverage 1))
          (==> p copy-xaverage) (print (:p:x 1) (==> p set [f 1 2 3 4 5]) (==> p get))
          (==> p clear-ddx) (:p:ddx 0 3) (==> p clear-ddeltas) (==> p update-ddeltas 0.5 1) (==> p compute-epsilons 0.5)
          (print :p:epsilons) (==> p clear-deltas) (:p:deltas 1 0.25) (print (==> p saliencies))
          (==> p update-deltas 2 3) (print (:p:deltas 0) (:p:deltas 1))
          (==> p resize 2) (print :p:x) (==> p resize 5) (print :p:x))
        (let ((p (new idx1-dparam-eps 1 2)))
          (==> p alloc-idx1-dstate 2) (print :p:epsilons) (==> p set-epsilons [f 1 2 3]) (print :p:epsilons))
        (let ((p (new idx1-dparam 2 0))) (:p:dx 0 1) (==> p update 0.5 0) (print :p:x :p:deltas))
        """, """
        4 7 2 [f  0.00  0.00  0.00  0.00 ]
        [f  0.00  7.00  0.00  9.00  0.00 ] 9
        [f -0.05  7.00  0.00  9.00  0.00 ] [f  0.50  0.00  0.00  0.00  0.00 ]
        -0.075 0.5 0.25
        1.75
        1.75 7
        7 () [f  1.00  2.00  3.00  4.00  5.00 ]
        [f  0.50  2.00  2.00  2.00  2.00 ]
        [f  0.75 -0.50  0.00  0.00  0.00 ]
        2 0.75
        [f  1.00  2.00 ]
        [f  1.00  2.00  3.00  4.00  5.00 ]
        [f  1.00  1.00  0.00 ]
        [f  1.00  2.00  3.00 ]
        [f -0.50  0.00 ] [f  0.00  0.00 ]
        """),
    "layers": ("""
        (print (full-table 2 3))
        (let* ((p (new idx1-ddparam 0 100)) (c (new c-layer 5 4 2 1 (full-table 2 3) 3 1 1 (new idx3-module) p))
               (f (new f-layer 6 2 1 1 (new idx3-squasher) p)) (s (new s-layer 2 2 4 1 1 (new idx3-module) p)))
          (print (idx-dim :c:kernel:x) (idx-dim :c:bias:x) :c:thickness :c:stridei :c:stridej (idx-dim :c:table))
          (print (idx-dim :f:weight:x) (idx-dim :s:coeff:x) :s:stridei :s:stridej (==> p size))
          (==> c set-stride 1 2) (==> f set-squash (new idx3-module)) (print :c:stridei (classname (classof :f:squash)))
          (==> s forget 1 2) (print :s:coeff:x :s:bias:x) (==> s forget 1.3 0.7) (printf "%.9g\\n" (:s:coeff:x 0)))
        (print (slots s-layer) (classname (super e-layer-sparse)) (classname (super mmi-cost)))
        """, """
        [i[i     0     0 ]
          [i     1     0 ]
          [i     0     1 ]
          [i     1     1 ]
          [i     0     2 ]
          [i     1     2 ]]
        (6 5 4) (3) 3 2 1 (6 2)
        (2 6) (4) 2 2 145
        1 idx3-module
        [f  0.50  0.50  0.50  0.50 ] [f  0.00  0.00  0.00  0.00 ]
        0.179414541
        (squash sum sub bias coeff stridej stridei) e-layer mle-cost
        """),
    "lenet": ("""
        (let ((p (new idx1-ddparam 0 60000)) (q (new idx1-ddparam 0 10)))
          (let ((net (new-lenet5 32 32 5 5 2 2 5 5 2 2 120 10 p)) (out (new idx3-ddstate 1 1 1)))
            (print (==> p size) (idx-dim :net:c1-module:table) (idx-dim :net:c2-module:kernel:x))
            (print (all ((k '(0 17 18 42 53 54 59))) (list (:net:c1-module:table k 0) (:net:c1-module:table k 1))))
            (==> net fprop (new idx3-ddstate 1 32 40) out) (print (idx-dim :out:x)))
          (new-lenet5 28 28 5 5 2 2 5 5 2 2 84 10 q) (print (==> q size)))
        """, """
        51046 (60 2) (1920 5 5)
        ((0 0) (1 5) (0 6) (0 12) (0 14) (0 15) (5 15))
        (10 1 3)
        24154
        """),
    "sources": ("""
        (let* ((base (new dsource-idx3fl [f [[[0]]] [[[1]]] [[[2]]] [[[3]]] [[[4]]] [[[5]]]] [i 0 1 2 3 4 5]))
               (a (new dsource-idx3l-narrow base 3 0)) (b (new dsource-idx3l-narrow base 3 3))
               (c (new dsource-idx3l-concat a b)) (in (new idx3-ddstate 1 1 1)) (lab (int-matrix))
               (p (new dsource-idx3l-permute base)))
          (de at () (print (==> c tell) (==> a tell) (==> b tell) (==> base tell)))
          (print (==> c seek 2)) (at) (==> c fprop in lab) (at) (==> c seek 5) (at) (==> c fprop in lab) (at)
          (print (==> c next) (lab) (:in:x 0 0 0)) (at) (:p:map 0 4) (==> p seek 0) (at) (==> p fprop in lab) (at)
          (seed 1) (print (==> p shuffle) (==> c size) (==> b size)))
        (let ((u (ubyte-matrix 1 1 1 2)) (in (new idx3-ddstate 1 1 1)) (lab (int-matrix)))
          (u 0 0 0 1 200) (==> (new dsource-idx3ul u [i 3] -100 0.01) fprop in lab) (print :in:x (lab)))
        """, """
        2
        2 0 0 0
        2 2 0 2
        5 2 0 2
        5 2 2 5
        0 5 5
        0 2 2 5
        0 2 2 5
        0 2 2 4
        () 6 3
        [f[f[f -1.00  1.00 ]]] 3
        """),
    "meter": ("""
        (let ((m (new classifier-meter)) (o (new class-state 2)) (e (new idx0-ddstate)) (d [i@ 1]))
          (:e:x 0.5) (setq :o:output-class 1) (setq :o:confidence 0.25) (print (==> m update 3 o d e))
          (setq :o:output-class 0) (print (==> m update 4 o d e)) (setq :o:output-class -1) (:e:x 0.25)
          (print (==> m update 5 o d e) (==> m test o d e) (==> m info)) (==> m display) (==> m resize 4)
          (print (==> m info-sprint) :m:age :m:size :m:confidence :m:energy :m:total-punt (==> m clear) :m:size))
        (print (same-class? 1 1) (same-class? 1 2) (same-class? -1 2))
        (let ((m (new classifier-meter (lambda (got wanted) 7))))
          (print (==> m update 0 (new class-state 1) [i@ 0] (new idx0-state)) (==> m info)))
        """, """
        1
        -1
        0 (0 -1 1 0.25 0.25) (5 3 0.4167 33.3333 33.3333 33.3333)
        [    5]  size=  3  energy=0.4167  correct=33.33%  errors=33.33%  rejects=33.33%
        "    5     3   0.416667  33.33   33.33   33.33" 5 3 0.25 0.25 1 0 0
        1 -1 0
        7 (0 1 0 0 0 0)
        """),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_programs_print(name: str) -> None:
    text, expected = PROGRAMS[name]
    assert output_of(text).split("\n") == [line[8:] for line in expected.split("\n")[1:-1]] + [""]


def test_params_states_and_meters_write_files(tmp_path: Path) -> None:
    program = tmp_path / "files.lsh"
    program.write_text(
        """
        (let ((p (new idx1-param 0 9)) (q (new idx1-param 2 2)) (s (new idx2-state 1 2)))
          (==> p alloc-idx1-state 2) (:p:x 1 3) (print (==> p save "P.mat") (==> q load "P.mat") :q:x)
          (print (==> s load "P.mat") (==> s save "S.mat")))
        (let ((m (new classifier-meter)) (n (new classifier-meter)) (o (new class-state 2)) (e (new idx0-ddstate)))
          (:e:x 0.5) (==> m update 7 o [i@ 0] e) (==> m save "M.mat") (==> n load "M.mat")
          (print :n:size :n:age :n:total-energy :n:total-correct))
        """
    )
    port, output = io.StringIO(), tmp_path / "run"
    with scratch() as host:
        output.mkdir()
        read_program(program, port=port, around=replace(host, output=lambda: output))
    assert port.getvalue().split("\n") == ["() () [f  0.00  3.00 ]", '[f[f  0.00  3.00 ]] "S.mat"', "1 0 0.5 1", ""]
    assert sorted(file.name for file in output.iterdir()) == ["M.mat", "P.mat", "S.mat"]


# Classes of the program


def test_own_classes_take_part_everywhere() -> None:
    """A layer, a squasher, a source, a meter and a trainer of the program replace messages of the library's."""
    text = """
        (defclass doubled f-layer)
        (defmethod doubled fprop (in out) (==> this (f-layer . fprop) in out) (idx-f3dotc :out:x 2 :out:x))
        (defclass half idx3-module)
        (defmethod half fprop (in out)
          (==> out resize (idx-dim :in:x 0) 1 1) (idx-f3dotc :in:x 0.5 :out:x))
        (defmethod half bprop (in out) (idx-f3dotc :out:dx 0.5 :in:dx))
        (defclass numbers dsource-idx3l n)
        (defmethod numbers size () 3)
        (defmethod numbers fprop (out label) (==> out resize 2 1 1) (:out:x 0 0 0 current) (label (mod current 2)))
        (defclass talking classifier-meter)
        (defmethod talking update (age out desired energy)
          (print 'update age (desired)) (==> this (classifier-meter . update) age out desired energy))
        (defclass own-trainer supervised-gradient seen)
        (defmethod own-trainer own-trainer (machine param)
          (==> this supervised-gradient machine param) (print (classname (classof machine)) age) (setq seen 0))
        (defmethod own-trainer train-online (source meter n eta)
          (incr seen n) (==> this (supervised-gradient . train-online) source meter n eta) (print 'age age) seen)
        (let* ((p (new idx1-ddparam 0 10)) (layer (new doubled 2 2 1 1 (new half) p)) (out (new idx3-ddstate 1 1 1))
               (in (new idx3-ddstate 2 1 1)) (machine ()) (trainer ()) (source (new numbers)))
          (idx-f1fill :p:x 1) (idx-f3fill :in:x 3) (==> layer fprop in out) (print :out:x :layer:sum:x)
          (idx-f3fill :out:dx 1) (==> layer bprop in out) (print :in:dx)
          (setq machine (new idx3-supervised-module layer (new edist-cost [i 0 1] 1 1 [f [1 0] [0 1]])
                                                          (new max-classer [i 0 1])))
          (setq trainer (new own-trainer machine p))
          (print (==> trainer train source (new talking) 0.1) (==> source next) :source:current))
        (defmethod f-layer forget (v p) (print 'mine v p))
        (==> (new net-ff 1 1 1 1 1 (new idx1-ddparam 0 0)) forget 3 4)
        """
    expected = """
        [f[f[f  7.00 ]]
          [f[f  7.00 ]]] [f[f[f  7.00 ]]
                           [f[f  7.00 ]]]
        [f[f[f  1.00 ]]
          [f[f  1.00 ]]]
        idx3-supervised-module 0
        update 0 0
        update 1 1
        update 2 0
        age 3
        3 1 1
        mine 3 4
        mine 3 4
        """
    assert output_of(text).split("\n") == [line[8:] for line in expected.split("\n")[1:-1]] + [""]


def test_a_replaced_slot_is_used() -> None:
    """`setq :object:slot` puts another object where the library's stood."""
    text = """
        (let* ((p (new idx1-ddparam 0 10)) (net (new net-ff 1 1 1 1 1 p)) (in (new idx3-ddstate 1 1 1))
               (out (new idx3-ddstate 1 1 1)))
          (idx-f1fill :p:x 1) (:in:x 0 0 0 1) (==> net fprop in out) (printf "%.6f\\n" (:out:x 0 0 0))
          (setq :net:f1-module (new idx3-module)) (==> net fprop in out) (printf "%.6f\\n" (:out:x 0 0 0)))
        """
    first, second = map(float, output_of(text).split())
    hidden = sigmoid(torch.tensor(2.0, dtype=torch.float64))
    assert second == pytest.approx(hidden.item(), abs=1e-6)
    assert first == pytest.approx(sigmoid(hidden + 1).item(), abs=1e-6)


def test_a_class_is_added_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CONTRIBUTING.md says: one Python class. Lists, help and programs then know it."""
    monkeypatch.setattr(CLASSES, "_entries", dict(CLASSES._entries))

    @built_in_class("scaler")
    class Scaler(CLASSES.get("idx3-module").python):  # type: ignore[misc]
        """multiplies its input by a number"""

        factor = Slot(NUMBER)

        @constructor(NUMBER)
        def make(self, factor: float) -> None:
            """(new scaler factor): multiplies by factor"""
            self.factor = factor

        @built_in.message("fprop", state_kind(3), state_kind(3))
        def fprop(self, source: State, out: State) -> None:
            """(==> scaler fprop in out): sets out:x to factor in:x"""
            out.fit(source.x.sizes)
            out.x.array[...] = source.x.array * np.float32(self.factor)

    assert "scaler" in listing("class") and "(new scaler factor): multiplies by factor" in explain("scaler")
    text = """
        (let ((s (new idx3-state 1 1 1)) (o (new idx3-state 1 1 1)) (m (new scaler 3)))
          (:s:x 0 0 0 2) (==> m fprop s o) (setq :m:factor 5) (print (:o:x 0 0 0)) (==> m fprop s o)
          (print (:o:x 0 0 0) (slots scaler)))
        """
    assert output_of(text) == "6\n10 (factor)\n"


# Errors: the place, the sentence, the remedy

P = "(let ((p (new idx1-ddparam 0 10)) (s (new idx3-ddstate 1 1 1)) (m (new idx3-module))) %s)"
ERRORS = [
    ("(new f-layer 2 3 1 1 m)", "f-layer: too few arguments, 5 given, 6 expected", "(new f-layer tin tout"),
    ("(new f-layer 2 3 1 1 m s)", "f-layer: param is an object of class idx3-ddstate, not a param", "idx1-ddparam"),
    ("(new f-layer 0 3 1 1 m p)", "f-layer: tin is 0", "from 1 on"),
    ('(new f-layer "2" 3 1 1 m p)', 'f-layer: tin is "2", not a whole number', "write 2, without quotes"),
    ("(new f-layer 2 3 1 1 7 p)", "f-layer: squash is 7, not a module", "idx3-squasher"),
    (
        "(==> (new f-layer 2 3 1 1 m p) fprop s s)",
        "wrong dimensions: the input has 1 maps, the layer takes 2",
        "2 maps",
    ),
    ("(==> m fprop s 5)", "idx3-module fprop: out is 5, not an idx3-state", "idx3-ddstate"),
    ("(==> m bprop (new idx3-state 1 1 1) s)", "in is an object of class idx3-state, not an idx3-dstate", "ddstate"),
    (
        "(let ((l (new f-layer 1 1 1 1 m p))) (==> l fprop s s) (==> s resize 1 2 2) (==> l bprop s s))",
        "this input gives 1 x 2 x 2",
        "send fprop first",
    ),
    (
        "(let ((l (new f-layer 1 1 1 1 m p))) (setq :l:bias (new idx1-ddstate 3)) (==> l fprop s s) (==> l bprop s s))",
        "do not fit together",
        "leave the sizes",
    ),
    ("(==> m forwards s s)", "class idx3-module has no method forwards", "its methods are"),
    ("(==> m fpropp s s)", "class idx3-module has no method fpropp", "did you mean fprop?"),
    (":s:y", "an object of class idx3-ddstate has no slot y", "x"),
    ("(==> s resize 1 2)", "2 sizes for a state of 3 dimensions", "write 3 sizes"),
    ("(==> s resize 1 0 2)", "the size 0 is not above 0", "from 1 on"),
    ("(new c-layer 3 3 1 1 [i [0 4]] 4 1 1 m p)", "the table names map 4 of 4", "0 to 3"),
    ("(new c-layer 3 3 1 1 [i 0 4] 4 1 1 m p)", "table is an idx of int, 2, not an idx of 2 dimensions", "int-matrix"),
    (
        "(==> (new c-layer 3 3 1 1 [i [1 0]] 1 1 1 m p) fprop (new idx3-state 1 5 5) s)",
        "subscript is too large",
        "2 maps",
    ),
    ("(==> (new c-layer 3 3 1 1 [i [0 0]] 1 1 1 m p) fprop (new idx3-state 1 2 5) s)", "size and step", "3 rows"),
    (
        "(==> (new c-layer 3 3 2 2 [i [0 0]] 1 1 1 m p) fprop (new idx3-state 1 5 6) s)",
        "subsampling ratio",
        "5 columns",
    ),
    ("(==> (new s-layer 2 2 1 1 1 m p) fprop (new idx3-state 1 4 5) s)", "5 columns in blocks of 2", "multiple of 2"),
    ("(==> (new s-layer 2 2 1 1 1 m p) fprop (new idx3-state 2 4 4) s)", "looping dimensions are different", "1 maps"),
    ("(==> (new e-layer 3 2 p) fprop s s)", "matrix must have same dimensions: the input has 1 maps", "3 maps"),
    ("(==> (new e-layer-sparse 3 [i 0 1] p) fprop s s)", "specified interval is too large", "at least 4 maps"),
    ('(==> (new e-layer 3 2 p) save "f")', "does not save its parameters alone", "(==> param save"),
    ("(==> p set [f 1 2])", "arguments have the wrong dimensions: 2 for a param of 0", "0 elements"),
    ("(==> p update 0.1)", "update: too few arguments, 1 given, 2 expected", "(==> param update eta inertia)"),
    ("(==> p resize -1)", "cannot have -1 elements", "from 0 on"),
    ("(new edist-cost [i 0 -1] 1 1 [f [1] [2]])", "labels must be positive: -1", "from 0 on"),
    ("(new edist-cost [i 0 1 2] 1 1 [f [1] [2]])", "proto has 2 rows for 3 labels", "a row for each label"),
    (
        "(==> (new edist-cost [i 0 2] 1 1 [f [1] [2]]) fprop s [i@ 1] (new idx0-state))",
        "the desired label 1",
        "all labels",
    ),
    (
        "(==> (new edist-cost [i 0 1] 1 1 [f [1 2] [2 3]]) fprop s [i@ 1] (new idx0-state))",
        "the output has 1 maps",
        "1 col",
    ),
    ("(new mmi-cost [i 0 1] [f 0.5 0.5] 1 1 p)", "[mmi-cost] priors and classes have incompatible sizes", "3 priors"),
    ("(==> (new max-classer [i 0 1]) fprop s (new class-state 1))", "the output has 1 maps for 2 labels", "one label"),
    (
        "(==> (new edist-classer [i 0] 1 1 [f [1]]) fprop (new idx3-state 1 2 1) (new class-state 1))",
        "not contiguous",
        "one",
    ),
    ("(==> (new classifier-meter) info)", "Floating exception", "no result"),
    ("(==> (new dsource-idx3fl (float-matrix 3 1 1 1) [i 0 1 2]) seek 3)", "item index out of bound: 3", "from 0"),
    ("(new dsource-idx3fl (float-matrix 3 1 1 1) [i 0 1])", "2 labels for 3 patterns", "each pattern"),
    (
        "(new dsource-idx3l-narrow (new dsource-idx3fl (float-matrix 3 1 1 1) [i 0 1 2]) 2 2)",
        "illegal range",
        "at most 1",
    ),
    (
        "(new dsource-idx3l-narrow (new dsource-idx3fl (float-matrix 3 1 1 1) [i 0 1 2]) 0 2)",
        "must be positive",
        "size",
    ),
    ("(new dsource-mnist (ubyte-matrix 1 4 4) [u 1] 5 3 0 1)", "the height 3 is too small", "width comes before"),
    ("(==> (new dsource) fprop s [i@ 0])", "class dsource does not define fprop", "defmethod dsource fprop"),
    ("(new-lenet5 20 8 5 5 2 2 5 5 2 2 9 10 p)", "20 x 8 is too small", "larger picture"),
    ("(new net-cfe 1 2)", "there is no class net-cfe", "not here"),
    (
        "(defclass a f-layer) (defmethod a a () ()) (==> (new a) fprop s s)",
        "the slot weight of the object",
        "(==> this f-",
    ),
    ("(:s:x 0 0 0 1e30) (==> (new e-layer 1 1 p) fprop s s)", "Floating exception: overflow", "too large"),
    ("(==> (new supervised-gradient m p) train 3 4 5)", "supervised-gradient train: source is 3", "creates one"),
    (
        "(==> (new supervised-gradient m (new idx1-dparam 0 1)) compute-diaghessian m 1 1)",
        "no second deriv",
        "idx1-ddp",
    ),
]


@pytest.mark.parametrize(("form", "message", "hint"), ERRORS, ids=[form for form, _, _ in ERRORS])
def test_wrong_calls_are_told_with_a_remedy(form: str, message: str, hint: str) -> None:
    with pytest.raises(SnError) as caught:
        output_of(P % form)
    (fault,) = caught.value.faults
    assert message in fault.message and hint in fault.hint
    assert fault.span is not None and fault.span.source.name == "test.lsh"


def test_every_message_says_how_it_is_sent() -> None:
    """The first line of the help names as many arguments as the message takes."""
    for entry in CLASSES:
        for message in entry.value.messages:
            assert message.usage.startswith(("(==> ", "(new ")), (entry.name, message.name, message.usage)
            assert len(message.names) == message.most or "..." in message.usage or message.least == message.most


MADE = {  # an object of each class that has arguments, for a run with any arguments
    "f-layer": (2, 3, 1, 1, "idx3-squasher", "idx1-ddparam"),
    "c-layer": (2, 2, 1, 1, [[0, 0], [1, 0], [1, 1]], 2, 1, 1, "idx3-squasher", "idx1-ddparam"),
    "s-layer": (2, 2, 2, 1, 1, "idx3-module", "idx1-ddparam"),
    "e-layer": (2, 3, "idx1-ddparam"),
    "logadd-layer": (2, 1, 1),
    "edist-cost": ([0, 1], 1, 1, "rows"),
    "wedist-cost": ([0, 1], 1, 1, "rows", "rows"),
    "weighted-mse-cost": ([0, 1], 1, 1, "rows", "rows"),
    "mle-cost": ([0, 1], 1, 1),
    "mmi-cost": ([0, 1], "priors", 1, 1, "idx1-ddparam"),
    "ledist-cost": ([0, 1], "rows"),
    "max-classer": ([0, 1],),
    "min-classer": ([0, 1],),
    "edist-classer": ([0, 1], 1, 1, "rows"),
    "mmi-classer": ([0, 1], "priors", 1, 1, "idx1-ddparam"),
    "ledist-classer": ([0, 1], "rows"),
    "net-ff": (2, 3, 2, 1, 1, "idx1-ddparam"),
    "net-cscf": (8, 8, 3, 3, [[0, 0], [0, 1]], 2, 2, 3, 3, [[0, 0], [1, 1]], 2, "idx1-ddparam"),
    "idx3-supervised-module": ("idx3-module", "mle-cost", "max-classer"),
    "supervised-gradient": ("idx3-supervised-module", "idx1-ddparam"),
    "dsource-idx3fl": ("pictures", [0, 1, 0]),
    "dsource-idx3l-narrow": ("dsource-idx3fl", 2, 1),
    "dsource-idx3l-permute": ("dsource-idx3fl",),
    "dsource-idx3l-concat": ("dsource-idx3fl", "dsource-idx3l-narrow"),
    "class-state": (2,),
    "lclass-state": (1, 1, 2),
    "idx0-ddstate": (),
    "idx1-ddstate": (2,),
    "idx3-ddstate": (2, 4, 4),
    "idx3-state": (2, 1, 1),
    "idx1-ddparam": (0, 20),
    "idx1-dparam": (3, 0),
    "classifier-meter": (),
}
OTHERS = {"rows": floats(2, 2), "priors": floats(3, seed=1), "pictures": floats(3, 2, 1, 1, seed=2)}


def test_any_arguments_of_any_message_give_a_value_or_a_fault(lush: Program) -> None:
    """Never another exception, whatever the states, sizes and slots were before."""
    OTHERS["priors"].array[...] = np.abs(OTHERS["priors"].array)

    def value(argument: Any) -> Any:
        if isinstance(argument, str):
            return OTHERS[argument] if argument in OTHERS else built(argument)
        return ints(argument) if isinstance(argument, list) else argument

    def built(name: str) -> Any:
        return lush.new(name, *[value(argument) for argument in MADE.get(name, ())])

    objects = {name: built(name) for name in MADE}
    values = [
        *objects.values(),
        *OTHERS.values(),
        lush.new("idx3-module"),
        ints(1),
        ints([1, 0]),
        ints([[0, 1]]),
        0.0,
        1.0,
    ]
    values += [2.0, -3.0, 1e30, 0.5, None, "name", symbol("a"), np.ones(3), lush.interpreter.functions.get("car")]
    draw = np.random.default_rng(0)
    answered = 0
    for name, receiver in objects.items():
        methods = [method for cls in receiver.kind.ancestry() for method in cls.methods.values()]
        messages = {one.name: one for one in methods if isinstance(one, Message)}
        for one in messages.values():
            for _ in range(12):
                chosen = [values[draw.integers(len(values))] for _ in range(draw.integers(one.least, one.most + 1))]
                for i, kind in enumerate(one.kinds[: len(chosen)]):  # most arguments are of the right kind
                    fitting = [v for v in values if kind.read(v) is not refused(object)]
                    if fitting and draw.random() < 0.9:
                        chosen[i] = fitting[draw.integers(len(fitting))]
                if name != one.name:
                    try:
                        lush.send(receiver, one.name, *chosen)
                        answered += 1
                    except (CallError, SnError):
                        pass
    assert answered > 300


def test_a_class_of_the_library_is_not_defined_again() -> None:
    """docs/reference/gblearn2.md: the library's own files are not read. Own classes may be defined again."""
    with pytest.raises(SnError) as error:
        output_of("(defclass idx3-module object x)")
    assert "gblearn2, which is built in here; its own files are not read" in error.value.faults[0].message
    twice = "(defclass mine idx3-module a) (defclass mine idx3-module b) (print :(new-empty mine):b)"
    assert output_of(twice) == "()\n"
