"""`weights-of` and pooling: counts, F and sharers by hand, and the same net written by hand in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from snsim.engines import build
from snsim.engines.plan import plan
from snsim.engines.protocol import Cost, Settings, UpdateRule
from snsim.errors import SnError, Source
from snsim.network.expressions import apply, differentiate, number, variable
from snsim.network.net import Net
from snsim.program import read_program
from snsim.training.pruning import count_remaining

TOWERS = """
(net towers
  (layer in (2 8 8)) (layer (a b) (3 6 6)) (layer (a1 b1) (3 3 3) (nlf linear) (bias none)) (layer (a2 b2) 5)
  (layer out 4)
  (connect in a (mask 3 3)) (connect in b (weights-of in a))
  (connect a a1 (max-mask 2 2) (step 2)) (connect b b1 (average-mask 2 2) (step 2))
  (connect a1 a2 (full)) (connect b1 b2 (weights-of a1 a2))
  (connect a2 out (full)) (connect b2 out (weights-of a2 out)) (connect b out (full)))
"""
SQUARES = apply("*", number(0.5), apply("**", apply("-", variable("x"), variable("d")), number(2.0)))
SLOPE = differentiate(SQUARES, "x")
HALF_SQUARES = Cost("lms", SQUARES, SLOPE, differentiate(SLOPE, "x"))
STEP = apply("-", variable("w"), apply("*", variable("rate"), variable("g")))
DESCENT = UpdateRule("sgd", (), (), ((("w", STEP),),))


def net_of(text: str) -> Net:
    return next(iter(read_program(Source("test.sn", text)).nets.own())).value


class Towers(nn.Module):
    """The net as one writes it in PyTorch: a layer that is called twice has one array of weights."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.code = nn.Conv2d(2, 3, 3, bias=False), nn.Linear(27, 5, bias=False)
        self.out, self.skip = nn.Linear(5, 4, bias=False), nn.Linear(108, 4, bias=False)
        self.biases = nn.ParameterDict(
            {
                name: nn.Parameter(torch.zeros(n))
                for name, n in (("a", 108), ("b", 108), ("a2", 5), ("b2", 5), ("out", 4))
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def f(sums: torch.Tensor, name: str) -> torch.Tensor:
            return 1.7159047085755392 * torch.tanh(2 / 3 * (sums + self.biases[name]))

        a, b = (f(self.kernel(x).flatten(1), name) for name in "ab")
        a1 = functional.max_pool2d(a.reshape(-1, 3, 6, 6), 2).flatten(1)
        b1 = functional.avg_pool2d(b.reshape(-1, 3, 6, 6), 2).flatten(1)
        a2, b2 = f(self.code(a1), "a2"), f(self.code(b1), "b2")
        return f(self.out(a2) + self.out(b2) + self.skip(b), "out")

    def named(self) -> dict[str, nn.Parameter]:
        """By the name in the description; the weights of a Linear are transposed."""
        named = {"in_a.weight": self.kernel.weight, "a1_a2.weight": self.code.weight}
        named |= {"a2_out.weight": self.out.weight, "b_out.weight": self.skip.weight}
        return named | {f"{name}.bias": bias for name, bias in self.biases.items()}


def oriented(name: str, values: np.ndarray) -> np.ndarray:
    return values if "bias" in name or name == "in_a.weight" else values.T


@pytest.mark.parametrize("kind", ["reference", "native", "torch"])
@pytest.mark.parametrize("batch", [1, 4])
def test_learning_is_that_of_layers_that_are_called_twice(kind: str, batch: int) -> None:
    made, twin = plan(net_of(TOWERS)), Towers().double()
    draw = np.random.default_rng(4)
    x, d = draw.uniform(-1, 1, (12, 128)), draw.uniform(-1, 1, (12, 4))
    start = {p.name: draw.uniform(-0.5, 0.5, p.shape) for p in made.parameters.values() if p.learns}
    assert start.keys() == twin.named().keys()
    with torch.no_grad():
        for name, parameter in twin.named().items():
            parameter.copy_(torch.from_numpy(oriented(name, start[name]).copy()).reshape(parameter.shape))
    engine = build(kind, made, HALF_SQUARES, DESCENT, "float64")
    engine.load_parameters(start)
    engine.learn(x, d, Settings(dict.fromkeys(start, 0.05), {}, batch=batch))
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.05)
    for first in range(0, 12, batch):
        optimizer.zero_grad()
        inputs, wanted = (torch.from_numpy(part[first : first + batch]) for part in (x, d))
        (0.5 * (twin(inputs.reshape(-1, 2, 8, 8)) - wanted) ** 2).sum().backward()
        optimizer.step()
    for name, values in engine.parameters().items():
        if name in start:
            expected = twin.named()[name].detach().numpy()
            found = oriented(name, values).reshape(expected.shape)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)


def test_counts_fan_in_and_sharers() -> None:
    """Weights count once, connections and sharers twice; F is that of the last user; max-mask counts nothing."""
    net = net_of(TOWERS)
    masks, pools, codes, outputs, skip = 2 * 108 * 18, 27 * 4, 2 * 27 * 5, 2 * 5 * 4, 108 * 4
    assert net.counts.connections == masks + pools + codes + outputs + skip + 216 + 10 + 4
    assert net.counts.weights == 2 * 3 * 9 + 27 * 5 + 5 * 4 + skip + 216 + 10 + 4
    parameters = {p.name: p for p in net.parameters}
    assert set(parameters["in_a.weight"].sharers) == {2 * 36} and parameters["in_a.weight"].sharers_range == (72, 72)
    assert set(parameters["a1_a2.weight"].sharers) == {2} and set(parameters["b_out.weight"].sharers) == {1}
    assert set(parameters["in_a.weight"].fan_in) == {18 + 1}
    assert set(parameters["a2_out.weight"].fan_in) == {5 + 5 + 108 + 1}
    assert count_remaining(net, None).weights == net.counts.weights
    assert count_remaining(net, None).connections == net.counts.connections - pools


def test_f_of_shared_weights_is_that_of_the_last_unit() -> None:
    net = net_of(
        "(net n (layer in 4) (layer (a b) 3) (layer out 2)"
        " (connect in b (full)) (connect in a (weights-of in b)) (connect a b (full)) (connect b out (full)))"
    )
    assert set(next(p for p in net.parameters if p.name == "in_b.weight").fan_in) == {4 + 3 + 1}


@pytest.mark.parametrize("kind", ["reference", "native", "torch"])
def test_the_first_of_equal_states_wins(kind: str) -> None:
    """Equal weights of a local connection give equal states; only the weights of the winner move, as in PyTorch."""
    text = (
        "(net n (layer in (4 5)) (layer a (4 5) (bias none)) (layer b (2 2) (nlf linear) (bias none))"
        " (connect in a (local 1 1)) (connect a b (max-mask 3 3) (step 1 2)))"
    )
    made = plan(net_of(text))
    engine = build(kind, made, HALF_SQUARES, DESCENT, "float64")
    engine.load_parameters({"in_a.weight": np.full(made.parameters["in_a.weight"].shape, 0.3)})
    gradient = engine.gradient(np.ones((1, 20)), np.full((1, 4), 5.0))["in_a.weight"].reshape(4, 5)
    x = torch.full((1, 1, 4, 5), 1.0, dtype=torch.float64, requires_grad=True)
    functional.max_pool2d(x, 3, (1, 2)).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(gradient != 0, x.grad[0, 0].numpy() != 0)


def test_what_inherits_follows_the_owner() -> None:
    """A changed scheme of the owner changes the connections with its weights; without it they are refused."""
    text = TOWERS + "(net wider (like towers) (connect in a (local 3 3)))"
    made = {entry.name: entry.value for entry in read_program(Source("test.sn", text)).nets.own()}
    assert made["wider"].entering("b")[0].wiring.weight_shape == (3, 2, 6, 6, 3, 3)
    with pytest.raises(SnError, match="in is not connected to a by weights of its own"):
        net_of(TOWERS + "(net less (like towers) (without (connect in a)))")
