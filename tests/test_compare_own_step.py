"""`snsim compare` with classes that make their own step: `learn(x, d)`, and second-order rules by hand."""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from data_folder import ZIP_CODES, needs_data
from torch import nn

import snsim
from snsim.data.catalog import find
from snsim.errors import Source
from snsim.runs.options import Options

ROOT = Path(__file__).parent.parent
QUICK = Options(engine="reference", dtype="float64", online=False)  # nothing to compile


@cache
def twin():
    """examples/lecun89_lm_torch.py as a module."""
    spec = importlib.util.spec_from_file_location("lecun89_lm_torch", ROOT / "examples" / "lecun89_lm_torch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def program(text: str) -> snsim.program.Program:
    return snsim.read_program(Source("<text>", text) if "(" in text else ROOT / "nets" / text)


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    split = find(["digits"]).examples.train
    return split.inputs[:8].reshape(8, -1), np.where(np.arange(10) == split.labels[:8, None], 1.0, -1.0)


def compared(net: str, module: nn.Module, presentations: int = 4, **how: object):
    data = how.pop("data", digits())
    return snsim.compare(program(net), module, data, presentations=presentations, options=QUICK, **how)


@needs_data(*ZIP_CODES)
def test_the_flagship_and_its_twin_learn_the_same():
    """On the zip codes of the paper, with its own rule, each number to rounding."""
    made = snsim.compare(ROOT / "nets" / "lecun89.sn", f"{ROOT}/examples/lecun89_lm_torch.py:Net", presentations=100)
    assert made.equal and made.data == "zipcode" and made.names == ("native", "Net")
    for row in made.layers:
        assert max(row.states, row.gradients, row.weights) < 1e-12, row
        assert row.moved > 1e-3, row


def test_the_gradient_of_the_twin_by_hand_is_that_of_autograd():
    """One step from a fresh mean curvature; the steps are divided by what the curvature says."""
    torch.manual_seed(3)
    net = twin().Net().double()
    x, d = torch.rand(2, 1, 16, 16, dtype=torch.float64) * 2 - 1, torch.randn(2, 10, dtype=torch.float64)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    slopes = dict(zip(before, torch.autograd.grad(net.cost(net(x), d), list(net.parameters()))))
    net.learn(x, d)
    buffers = dict(net.named_buffers())
    for name, p in net.named_parameters():
        taken = (before[name] - p.detach()) * (twin().MU + buffers[f"{name}_h"]) / twin().EPSILON
        assert torch.allclose(taken, slopes[name], atol=1e-9, rtol=1e-6), name


def test_sgd_passes_over_learn():
    """The twin has the gradients of the description under plain descent too."""
    assert compared("lecun89.sn", twin().Net(), sgd=0.001).equal


# ---- Faults in a step --------------------------------------------------------------------------------------------


class Twin(twin().Net):
    """The twin with places for faults: in the second pass, in the mean and in the step."""

    squared = staticmethod(lambda w: w**2)
    gamma, mu = 0.05, 0.05

    @torch.no_grad()
    def learn(self, x, d):
        layers, states = [self.h1, self.h2, self.h3, self.output], [x]
        for layer in layers:
            states.append(layer(states[-1]))
        y = states[-1] - d
        s = torch.ones_like(y)
        for layer, x_in, x_out in reversed(list(zip(layers, states, states[1:]))):
            y, s = y.reshape(x_out.shape), s.reshape(x_out.shape)
            g, h = y * twin().slope(x_out), s * twin().slope(x_out) ** 2
            y, s = layer.to_inputs(layer.weight, g), layer.to_inputs(self.squared(layer.weight), h)
            seen = layer.inputs(x_in)
            for w, mean, by_g, by_h in (
                (layer.weight, layer.weight_h, layer.to_weights(seen, g), layer.to_weights(seen**2, h)),
                (layer.bias, layer.bias_h, g.sum(0), h.sum(0)),
            ):
                mean.mul_(1 - self.gamma).add_(self.gamma * by_h)
                w -= 0.0005 * by_g / (self.mu + mean)


class NotSquared(Twin):
    squared = staticmethod(abs)


class OtherMean(Twin):
    gamma = 0.1


class OtherMu(Twin):
    mu = 0.02


def test_the_place_for_faults_is_none_itself():
    assert compared("lecun89.sn", Twin(), 8).equal


@pytest.mark.parametrize(
    ("module", "layer"),
    [(OtherMean, "h3"), (OtherMu, "h1"), (NotSquared, "h1")],
    ids=["mean", "mu", "not squared"],
)
def test_a_fault_in_the_step_is_found(module, layer):
    """Everything before the step agrees at the first presentation."""
    made = compared("lecun89.sn", module())
    assert not made.equal and (made.first.number, made.first.what) == (1, "weights") and layer in made.first.differing
    if module is NotSquared:  # the output layer's own curvature needs no weights
        assert "output" not in made.first.differing


# ---- Other rules -------------------------------------------------------------------------------------------------

ONE_LAYER = """(net one (default (nlf sn-tanh) (bias unit)) (layer input (16 16)) (layer output 10)
  (connect input output (full)))
(train one (data digits) (targets -1 1) (cost lms) (correct max) (epsilon 0.01) (passes 3)
  (update RULE (mu 0.1) (gamma 0.2)))"""


class OneLayer(nn.Module):
    """One layer of weights, for which the diagonal of the second derivatives is exact."""

    def __init__(self):
        super().__init__()
        self.output = nn.Linear(256, 10)
        self.mean_h = {}  # an attribute that is no buffer

    def forward(self, x):
        return 1 / math.tanh(2 / 3) * torch.tanh(2 / 3 * self.output(x.flatten(1)))


class ByNewton(OneLayer):
    def learn(self, x, d):
        """h is the diagonal of the Hessian, by autograd through autograd: E by one sum has no cross terms here."""
        sums = self.output(x.flatten(1)).detach().requires_grad_()
        cost = ((1 / math.tanh(2 / 3) * torch.tanh(2 / 3 * sums) - d) ** 2).sum() / 2
        (g,) = torch.autograd.grad(cost, sums, create_graph=True)
        h = torch.autograd.grad(g.sum(), sums)[0]
        x = x.flatten(1)
        parts = {"weight": (g.T @ x, h.T @ x**2), "bias": (g.sum(0), h.sum(0))}
        with torch.no_grad():
            for name, (by_g, by_h) in parts.items():
                self.mean_h[name] = 0.8 * self.mean_h.get(name, 0) + 0.2 * by_h
                self.output.get_parameter(name).sub_(0.01 * by_g / (0.1 + self.mean_h[name].abs()))


class GaussNewton(torch.optim.Optimizer):
    """lm as an optimizer: it has the inputs and slopes from the forward pass of its module."""

    def __init__(self, module):
        self.module, self.mean_h = module, {}
        super().__init__(module.parameters(), {})

    @torch.no_grad()
    def step(self, closure=None):
        x, out = self.module.seen
        h = (2 / 3 * (1 / math.tanh(2 / 3) - out**2 * math.tanh(2 / 3))) ** 2
        parts = {self.module.output.weight: h.T @ x**2, self.module.output.bias: h.sum(0)}
        for p, by_h in parts.items():
            self.mean_h[p] = 0.8 * self.mean_h.get(p, 0) + 0.2 * by_h
            p -= 0.01 * p.grad / (0.1 + self.mean_h[p])


class ByOptimizer(OneLayer):
    def forward(self, x):
        out = super().forward(x)
        self.seen = (x.flatten(1).detach(), out.detach())
        return out

    def configure_optimizers(self):
        return GaussNewton(self)


@pytest.mark.parametrize(("rule", "module"), [("newton", ByNewton), ("lm", ByOptimizer)])
def test_newton_by_learn_and_lm_by_an_optimizer(rule, module):
    """Over passes; every number to rounding."""
    made = compared(ONE_LAYER.replace("RULE", rule), module(), 20)
    assert made.equal and made.presentations == 20
    assert made.layers[0].weights < 1e-12 and made.layers[0].moved > 1e-2


def test_newton_is_not_lm():
    """The class for newton beside lm: only the step differs."""
    made = compared(ONE_LAYER.replace("RULE", "lm"), ByNewton())
    assert (made.first.number, made.first.what) == (1, "weights")


def test_the_module_remembers_nothing_of_it():
    """Weights, buffers and attributes are as before, so that a second comparison gives the same."""
    module, net = ByNewton(), ONE_LAYER.replace("RULE", "newton")
    assert compared(net, module).equal and compared(net, module).equal and module.mean_h == {}
    flagship = twin().Net()
    before = {name: value.clone() for name, value in flagship.state_dict().items()}
    assert compared("lecun89.sn", flagship).equal
    assert all(torch.equal(value, before[name]) for name, value in flagship.state_dict().items())


# ---- What a user may do wrong ------------------------------------------------------------------------------------


class Fails(OneLayer):
    def learn(self, x):
        pass


class Replaces(OneLayer):
    def learn(self, x, d):
        self.output.weight = nn.Parameter(self.output.weight.detach() - 0.1)


@pytest.mark.parametrize(
    ("module", "told", "hint"),
    [
        (Fails, r"learn\(x, d\) of the module fails: TypeError: .*takes 2 positional arguments", "in the shape"),
        (Replaces, "replaces its parameter output.weight", "self.output.weight -= step"),
        (OneLayer, "OneLayer has neither learn", "examples/lecun89_lm_torch.py"),
    ],
)
def test_a_step_that_cannot_be(module, told, hint):
    with pytest.raises(snsim.SnError, match=told) as caught:
        compared(ONE_LAYER.replace("RULE", "lm"), module())
    assert hint in caught.value.faults[0].hint
