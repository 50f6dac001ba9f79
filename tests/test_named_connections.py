"""Several connections between the same layers: `(name N)` keeps their weights, rates and initial weights apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from snsim.convert.convert import to_sn28
from snsim.engines import ENGINES
from snsim.errors import SnError, Source
from snsim.network.net import Net
from snsim.program import Program, read_program
from snsim.training.choose_engine import build_engine
from snsim.training.initial import initial_weights
from snsim.training.parameter_scopes import StatementsByScope

NET = """(net n (layer input (4 4)) (layer h (4 4) (nlf tanh)) (layer output 2 (nlf linear))
  (connect input h (mask 3 3) (border 0 2 1 1 -1))
  (connect input h (one-to-one) (scale 0.5) (name straight))
  (connect h output (full))
  (connect h output (full) (distance) (name radial)))"""
DATA = "(data (examples [[0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0]] [[0 1]])) (correct max) (passes 1)"


def program(more: str = "(forget 0.5) (epsilon 0.1)", net: str = NET) -> Program:
    return read_program(Source("named.sn", f"{net} (train t (net n) {DATA} {more})"), port=io.StringIO())


def digest(net: str) -> str:
    return program(net=net).nets.get("n").digest


def test_weights_have_the_name_of_their_connection() -> None:
    net: Net = program().nets.get("n")
    weights = {p.name: p.shape for p in net.parameters if p.kind == "weight"}
    assert weights == {
        "input_h.weight": (1, 1, 3, 3),
        "straight.weight": (16,),
        "h_output.weight": (16, 2),
        "radial.weight": (16, 2),
    }
    assert net.counts.weights == (9 + 16) + 16 + 2 * (16 * 2) + 2  # and the biases of h and output
    assert net.counts.connections == 16 * 9 + 16 + 16 + 2 * (16 * 2) + 2
    assert np.array_equal(net.lines("h"), np.full(16, 9 + 1 + 1))  # F counts both, and the bias


@pytest.mark.parametrize("kind", sorted(ENGINES.names()))
def test_sums_and_gradients_are_those_of_both_connections(kind: str) -> None:
    """Against the formula in PyTorch, float64, to 1e-10."""
    training = program().trainings.get("t")
    draw = np.random.default_rng(5)
    weights = {p.name: draw.uniform(-1, 1, p.shape) for p in training.net.parameters}
    x, d = draw.uniform(-1, 1, (3, 16)), draw.uniform(-1, 1, (3, 2))
    engine = build_engine(training, training.stages[0], kind, np.float64)
    engine.load_parameters(weights)

    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    pictures = torch.tensor(x).reshape(3, 1, 4, 4)
    framed = torch.nn.functional.pad(pictures, (1, 1, 0, 2), value=-1.0)  # left, right, above, below
    windows = torch.nn.functional.conv2d(framed, w["input_h.weight"].reshape(1, 1, 3, 3)).flatten(1)
    h = torch.tanh(windows + 0.5 * torch.tensor(x) * w["straight.weight"] + w["h.bias"].flatten())
    radial = ((h[:, :, None] - w["radial.weight"]) ** 2).sum(1)
    out = h @ w["h_output.weight"] + radial + w["output.bias"]
    (0.5 * (out - torch.tensor(d)) ** 2).sum().backward()

    np.testing.assert_allclose(engine.outputs(x), out.detach(), rtol=1e-10)
    for name, gradient in engine.gradient(x, d).items():
        np.testing.assert_allclose(gradient, w[name].grad, rtol=1e-10, atol=1e-10, err_msg=name)


def test_a_scope_names_one_of_them_or_all() -> None:
    """(connect FROM TO) holds for all between the two layers, (connect FROM TO NAME) for one, and it wins."""
    made = program(
        "(constant 0) (constant 1 (connect input h)) (constant 0.25 (connect input h straight))"
        "(epsilon 0.1) (epsilon 0.2 (connect h output radial)) (epsilon 0.3 output)"
    ).trainings.get("t")
    drawn = initial_weights(made, 1)
    assert (drawn["input_h.weight"] == 1).all() and (drawn["straight.weight"] == 0.25).all()
    assert not drawn["h_output.weight"].any() and not drawn["radial.weight"].any()
    rates = StatementsByScope(made.stages[0].rates)
    found = {p.name: rates.most_specific(p).value.numbers for p in made.net.parameters}
    assert found == {
        "input_h.weight": (0.1,),
        "straight.weight": (0.1,),
        "h.bias": (0.1,),
        "h_output.weight": (0.3,),
        "radial.weight": (0.2,),
        "output.bias": (0.3,),
    }


def test_the_name_belongs_to_the_digest() -> None:
    assert digest(NET) != digest(NET.replace("straight", "other"))
    alone = NET.replace("(connect input h (mask 3 3) (border 0 2 1 1 -1))", "")
    assert digest(alone) != digest(alone.replace(" (name straight)", ""))


def test_a_variation_changes_or_removes_the_one_that_it_names() -> None:
    changes = "(connect input h (scale 2) (name straight)) (without (connect h output))"
    made = program(net=f"{NET} (net m (like n) {changes})")
    scales = {c.name: c.scale for c in made.nets.get("m").connections}
    assert scales == {"input-h": 1, "straight": 2, "radial": 1}


def test_sn28_has_no_second_connection() -> None:
    with pytest.raises(SnError, match=r"no second connection between the same layers \(straight\)"):
        to_sn28(program(net=NET.replace(" (distance)", "").replace(" (scale 0.5)", "")), "n")
