"""Engines: on every net of nets/ and tests/nets/ they agree with each other, with autograd and with literal loops."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import transform_oracles
from random_nets import random_mixture, random_mixture_text

from snsim.engines import ENGINES, build
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Cost, Settings, UpdateRule
from snsim.engines.reference.engine import ReferenceEngine
from snsim.engines.reference.weighted_sums import ScatterAdd, bundles
from snsim.engines.torch.engine import TorchEngine
from snsim.engines.torch.module import TORCH, build_module
from snsim.errors import SnError
from snsim.network.expressions import apply, compile_expressions, differentiate, evaluate, number, variable
from snsim.network.unrolled import unroll
from snsim.network.wiring import BORDER, Table
from snsim.program import read_program

HERE = Path(__file__).parent
FILES = sorted([*(HERE.parent / "nets").glob("*.sn"), *(HERE / "nets").glob("*.sn")])


@cache
def declared(path: Path) -> dict:
    """The nets of a file by name; of one with delays that which engines get, unrolled over two steps."""
    nets = [entry.value for entry in read_program(path).nets.own()]
    return {net.name: unroll(net, 2).net if net.delayed else net for net in nets}


NETS = [pytest.param(path, name, id=f"{path.stem}:{name}") for path in FILES for name in declared(path)]
every_net = pytest.mark.parametrize(("path", "name"), NETS)


def tree(form) -> object:
    """An expression from nested tuples, names and numbers: ("*", 2, "x")."""
    if isinstance(form, tuple):
        return apply(form[0], *(tree(item) for item in form[1:]))
    return variable(form) if isinstance(form, str) else number(form)


def cost(form) -> Cost:
    e = tree(form)
    de = differentiate(e, "x")
    return Cost("cost", e, de, differentiate(de, "x"))


def fixed_tensor(parameter, dtype: torch.dtype) -> torch.Tensor:
    """The weights of a parameter that never learns: one number for all, or codes."""
    return torch.from_numpy(np.full(parameter.shape, parameter.fixed, np.float64)).to(dtype)


HALF_SQUARES = cost(("*", 0.5, ("**", ("-", "x", "d"), 2)))
CURVED = cost(("/", ("+", ("tanh", ("*", "x", "x")), ("exp", ("*", "d", "x"))), "n"))  # slope and bend vary with x
SOFTMAX = Cost("cross-entropy", None, None, None, softmax=True)
SGD = UpdateRule(
    "sgd",
    (("alpha", 0.0), ("decay", 0.0)),
    ("delta",),
    (
        (("delta", tree(("-", ("*", "alpha", "delta"), ("*", ("*", ("-", 1, "alpha"), "rate"), "g")))),),
        (("w", tree(("+", ("*", ("-", 1, ("*", "rate", "decay")), "w"), "delta"))),),
    ),
)
LM = UpdateRule(
    "lm",
    (("mu", 0.05), ("gamma", 0.1)),
    ("hess",),
    (
        (("hess", tree(("+", ("*", ("-", 1, "gamma"), "hess"), ("*", "gamma", "h")))),),
        (("w", tree(("-", "w", ("/", ("*", "rate", "g"), ("+", "mu", "hess"))))),),
    ),
)


def taking(variable_: str) -> UpdateRule:
    """The rule that puts one of its variables in the place of the weights, so that it can be read."""
    return UpdateRule("taking", (), (), ((("w", variable(variable_)),),))


def patterns(made: Plan, count: int = 4, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, made.input_units)), rng.uniform(-1, 1, (count, made.output_units))


def weights(made: Plan, seed: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        p.name: rng.uniform(-1, 1, p.shape) * 2 / np.sqrt(p.fan_in.reshape(p.shape))
        for p in made.parameters.values()
        if p.learns
    }


def engine(kind: str, made: Plan, rule: UpdateRule, of: Cost = HALF_SQUARES, dtype: str = "float64"):
    ready = build(kind, made, of, rule, dtype)
    ready.load_parameters(weights(made))
    return ready


def settings(made: Plan, rate: float = 0.05, **more) -> Settings:
    return Settings({p.name: rate for p in made.parameters.values() if p.learns}, **{"options": {}, **more})


def close(a: dict, b: dict, tolerance: float = 1e-9) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


class Literal:
    """A net computed connection by connection, with no arrangement and no structure: the definition."""

    def __init__(self, made: Plan, values: dict[str, np.ndarray], of: Cost):
        self.plan, self.cost = made, of
        self.values = {
            p.name: np.full(p.shape, p.fixed).ravel() if p.fixed is not None else values[p.name].ravel()
            for p in made.parameters.values()
        }
        self.parts = {}
        for link in (link for stage in made.stages for link in stage.links if link.gain is not None):
            if link.connection.weights_of is not None:
                continue
            self.parts[link] = {name: torch.from_numpy(values[name].ravel()) for name in (link.slot, link.gain)}
            self.values[link.slot] = transform_oracles.normed(link, **self._named(link)).numpy()

    def present(self, x: np.ndarray, d: np.ndarray, full: bool) -> tuple[list, dict, dict]:
        """States of all layers, g and h by parameter, for one pattern."""
        states = np.split(x, np.cumsum([layer.units for layer in self.plan.net.inputs])[:-1])
        slopes, bends = [None] * len(states), [None] * len(states)
        for stage in self.plan.stages:
            a = np.zeros(stage.units)
            for link in stage.links:
                for source, target, weight in zip(link.table.source, link.table.target, link.table.weight):
                    state = link.border_value if source == BORDER else states[link.source][source]
                    w = self.values[link.slot][weight]
                    a[target] += (w - state) ** 2 if link.distance else link.scale * w * state
            for transfer in stage.transfers:
                a += transform_oracles.of_pattern(transfer, states)
            if stage.bias is not None:
                a += self.values[stage.bias][stage.bias_index]
            for kept, e in ((states, stage.f), (slopes, stage.df), (bends, stage.ddf)):
                kept.append(np.broadcast_to(evaluate(e, {"x": a}), a.shape))
        env = {"x": states[-1], "d": d, "n": float(len(d))}
        y = [np.zeros(len(s)) for s in states]
        s = [np.zeros(len(s)) for s in states]
        y[-1] = np.broadcast_to(evaluate(self.cost.de, env), d.shape)
        s[-1] = np.broadcast_to(evaluate(self.cost.dde, env), d.shape)
        g = {name: np.zeros(len(v)) for name, v in self.values.items()}
        h = {name: np.zeros(len(v)) for name, v in self.values.items()}
        for stage in reversed(self.plan.stages):
            at = stage.layer
            g_unit = y[at] * slopes[at]
            h_unit = s[at] * slopes[at] ** 2 + (y[at] * bends[at] if full else 0)
            if stage.bias is not None:
                for unit, weight in enumerate(stage.bias_index):
                    g[stage.bias][weight] += g_unit[unit]
                    h[stage.bias][weight] += h_unit[unit]
            for link in stage.links:
                for source, target, weight in zip(link.table.source, link.table.target, link.table.weight):
                    w = link.scale * self.values[link.slot][weight]
                    state = link.border_value if source == BORDER else states[link.source][source]
                    if link.distance:
                        apart, bend = self.values[link.slot][weight] - state, 2 * g_unit[target] if full else 0
                        g[link.slot][weight] += 2 * apart * g_unit[target]
                        h[link.slot][weight] += 4 * apart**2 * h_unit[target] + bend
                        if source != BORDER:
                            y[link.source][source] -= 2 * apart * g_unit[target]
                            s[link.source][source] += 4 * apart**2 * h_unit[target] + bend
                        continue
                    g[link.slot][weight] += link.scale * g_unit[target] * state
                    h[link.slot][weight] += link.scale**2 * h_unit[target] * state**2
                    if source != BORDER:
                        y[link.source][source] += w * g_unit[target]
                        s[link.source][source] += w**2 * h_unit[target]
            for transfer in stage.transfers:
                for source, g_back, h_back in transform_oracles.passed_back(transfer, states, g_unit, h_unit, full):
                    y[source] += g_back
                    s[source] += h_back
        for link in self.parts:
            g_back, h_back = transform_oracles.of_parts(link, self._named(link), g[link.slot], h[link.slot], full)
            for name, part in ((link.slot, "v"), (link.gain, "gain")):
                g[name], h[name] = g_back[part], h_back[part]
        return states, self._shaped(g), self._shaped(h)

    def _named(self, link) -> dict[str, torch.Tensor]:
        return {"v": self.parts[link][link.slot], "gain": self.parts[link][link.gain]}

    def _shaped(self, flat: dict) -> dict:
        return {p.name: flat[p.name].reshape(p.shape) for p in self.plan.parameters.values() if p.learns}


@every_net
def test_reference_is_the_definition(path, name):
    """States, g, h and h-full against the literal loops; on the largest nets of the papers for one of h."""
    made = plan(declared(path)[name])
    large = made.net.counts.connections > 50_000
    x, d = patterns(made, 1)
    literal = Literal(made, weights(made), CURVED)
    for full, kind, mentioned in ((True, "full", "h-full"), (False, "gauss-newton", "h"))[: 1 if large else 2]:
        states, g, h = literal.present(x[0], d[0], full)
        ready = engine("reference", made, taking("g"), CURVED)
        for computed, state in zip(ready.states(x).values(), states):
            np.testing.assert_allclose(computed[0], state, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(ready.outputs(x), list(ready.states(x).values())[-1])
        close(ready.curvature(x, d, kind), h)
        ready.learn(x, d, settings(made))
        close({n: v for n, v in ready.parameters().items() if n in g}, g)
        ready = engine("reference", made, taking(mentioned), CURVED)
        ready.learn(x, d, settings(made))
        close({n: v for n, v in ready.parameters().items() if n in h}, h)


def plain_outputs(made: Plan, values: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The net as dense matrices filled from the explicit tables: (patterns, output units)."""
    states = list(x.split([layer.units for layer in made.net.inputs], 1))
    for stage in made.stages:
        a = torch.zeros(len(x), stage.units, dtype=x.dtype)
        for link in stage.links:
            units = made.net.layers[link.source].units
            source = torch.from_numpy(np.where(link.table.source == BORDER, units, link.table.source))
            w = values[link.slot].reshape(-1)
            w = w if link.gain is None else transform_oracles.normed(link, w, values[link.gain])
            w = w[torch.from_numpy(np.array(link.table.weight))]
            matrix = torch.zeros(units + 1, stage.units, dtype=x.dtype).index_put(
                (source, torch.from_numpy(np.array(link.table.target))), w, accumulate=True
            )
            border = torch.full((len(x), 1), link.border_value, dtype=x.dtype)
            if link.distance:
                target = torch.from_numpy(np.array(link.table.target))
                squares = (w - torch.cat([states[link.source], border], 1)[:, source]) ** 2
                a = a.index_add(1, target, squares)
                continue
            a = a + link.scale * (torch.cat([states[link.source], border], 1) @ matrix)
        for transfer in stage.transfers:
            a = a + transform_oracles.results(transfer, *(states[k] for k in transfer.sources))
        if stage.bias is not None:
            a = a + values[stage.bias].reshape(-1)[torch.from_numpy(np.array(stage.bias_index))]
        states.append(compile_expressions([stage.f]).bind(TORCH)({"x": a})[0])
    return states[-1]


@every_net
def test_module_is_the_net(path, name):
    """Outputs and gradients of the module, and of plain autograd through the explicit tables."""
    made = plan(declared(path)[name])
    x, d = (torch.from_numpy(a) for a in patterns(made, 3))
    net = build_module(made, torch.float64)
    values = {
        **{p.name: fixed_tensor(p, x.dtype) for p in made.parameters.values() if not p.learns},
        **{n: torch.from_numpy(v).requires_grad_() for n, v in weights(made).items()},
    }
    net.load_state_dict(weights_as_tensors(made))
    out, plain = net(x).reshape(3, -1), plain_outputs(made, values, x)
    np.testing.assert_allclose(out.detach(), plain.detach(), rtol=1e-9, atol=1e-12)
    (0.5 * (out - d) ** 2).sum().backward()
    if name not in ("branches", "lenet-5-lush"):  # autograd alone has other derivatives there than are meant
        (0.5 * (plain - d) ** 2).sum().backward()
        for n in weights(made):
            np.testing.assert_allclose(net.get_parameter(n).grad, values[n].grad, rtol=1e-8, atol=1e-10, err_msg=n)


@pytest.mark.parametrize("seed", range(12))
def test_a_mixture_of_schemes_has_the_gradient_of_autograd(seed: int) -> None:
    """weights-of, distance, codes, max-mask and average-mask in one net: every engine, float64, to 1e-10."""
    made = plan(random_mixture(seed))
    text = random_mixture_text(seed)
    assert all(f"({word}" in text for word in ("weights-of", "distance", "codes", "max-mask", "average-mask"))
    x, d = patterns(made, 3)
    values = {
        **{p.name: fixed_tensor(p, torch.float64) for p in made.parameters.values() if not p.learns},
        **{n: torch.from_numpy(v).requires_grad_() for n, v in weights(made).items()},
    }
    out = plain_outputs(made, values, torch.from_numpy(x))
    (0.5 * (out - torch.from_numpy(d)) ** 2).sum().backward()
    expected = {n: np.asarray(values[n].grad) for n in weights(made)}
    largest = max(float(np.abs(g).max()) for g in expected.values())
    assert largest > 1e-3
    for kind in ENGINES.names():
        ready = engine(kind, made, SGD)
        np.testing.assert_allclose(ready.outputs(x), out.detach(), rtol=1e-10, atol=1e-10)
        for name, g in ready.gradient(x, d).items():
            np.testing.assert_allclose(g, expected[name], rtol=0, atol=1e-10 * largest, err_msg=f"{kind} {name}")


def weights_as_tensors(made: Plan) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in weights(made).items()}


@every_net
@pytest.mark.parametrize("mean", [False, True])
def test_engines_agree(path, name, mean):
    """After updates with momentum and decay, batches of unequal size, rates that differ."""
    made = plan(declared(path)[name])
    if mean and made.net.counts.connections > 50_000:
        pytest.skip("the sums of large nets are enough")
    x, d = patterns(made, 5)
    rates = {p.name: 0.02 / (1 + k) for k, p in enumerate(p for p in made.parameters.values() if p.learns)}
    first = next(iter(rates))
    rates[first] = np.linspace(0.001, 0.02, made.parameters[first].size).reshape(made.parameters[first].shape)
    how = Settings(rates, {"alpha": 0.5, "decay": 0.1}, batch=2, batch_mean=mean)
    engines = [engine(kind, made, SGD, CURVED) for kind in ("reference", "torch")]
    for ready in engines:
        ready.learn(x, d, how)
    close(*(ready.parameters() for ready in engines))
    close(*(ready.state() for ready in engines))
    close(*(ready.states(x) for ready in engines))
    assert int(engines[0].state()["n"]) == 3


@pytest.fixture(scope="module")
def small() -> Plan:
    return plan(declared(HERE / "nets" / "windows.sn")["rectangular"])


@pytest.fixture(scope="module")
def lecun89() -> Plan:
    return plan(declared(HERE.parent / "nets" / "lecun89.sn")["lecun89"])


def test_cross_entropy():
    """Both engines, and the curvature p(1-p) sum(d) of the reference against autograd, where it is exact."""
    made = plan(declared(HERE / "nets" / "nonlinear.sn")["nonlinear"])
    x, d = patterns(made)
    d = np.abs(d) / np.abs(d).sum(1, keepdims=True)
    engines = [engine(kind, made, SGD, SOFTMAX) for kind in ("reference", "torch")]
    for ready in engines:
        ready.learn(x, d, settings(made))
    close(*(ready.parameters() for ready in engines))
    ready = engine("reference", made, SGD, SOFTMAX)
    state = torch.from_numpy(ready.outputs(x[:1])[0])
    wanted = torch.from_numpy(d[0])
    hessian = torch.autograd.functional.hessian(lambda s: -(wanted * torch.log_softmax(s, 0)).sum(), state)
    np.testing.assert_allclose(ready.curvature(x[:1], d[:1], "full")["output.bias"], hessian.diagonal(), rtol=1e-9)


def test_full_curvature_is_exact_in_one_layer():
    """With one layer of weights, none shared, the recursion is the diagonal of the Hessian."""
    made = plan(declared(HERE / "nets" / "joined.sn")["one-layer"])
    x, d = patterns(made, 1)
    start = weights_as_tensors(made)
    names = list(start)

    def e(*values: torch.Tensor) -> torch.Tensor:
        out = plain_outputs(made, dict(zip(names, values)), torch.from_numpy(x))
        return compile_expressions([CURVED.e]).bind(TORCH)({"x": out, "d": torch.from_numpy(d), "n": 4.0})[0].sum()

    wide, bias = torch.autograd.functional.hessian(e, tuple(start[n] for n in names))
    found = engine("reference", made, SGD, CURVED).curvature(x, d, "full")
    size = start[names[0]].numel()
    np.testing.assert_allclose(found[names[0]].ravel(), wide[0].reshape(size, size).diagonal(), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found[names[1]], bias[1].diagonal(), rtol=1e-8, atol=1e-12)


def test_curvature_of_patterns_and_held(small):
    """The mean over patterns; a held one is used as it is; a batch takes the sum or the mean."""
    x, d = patterns(small)
    ready = engine("reference", small, LM)
    each = [ready.curvature(x[k : k + 1], d[k : k + 1], "gauss-newton") for k in range(4)]
    mean = ready.curvature(x, d, "gauss-newton")
    close(mean, {name: sum(one[name] for one in each) / 4 for name in mean})
    assert all((h >= 0).all() for h in mean.values())
    for how, expected in ((settings(small, batch=4, batch_mean=True), 1), (settings(small, batch=4), 4)):
        ready = engine("reference", small, taking("h"))
        ready.learn(x, d, how)
        close(ready.parameters(), {name: expected * h for name, h in mean.items()})
    held = {name: np.full_like(h, 7.0) for name, h in mean.items()}
    ready = engine("reference", small, taking("h"))
    ready.learn(x, d, settings(small, held_curvature=held))
    close(ready.parameters(), held)


@pytest.mark.parametrize(("kind", "rule"), [("reference", LM), ("reference", SGD), ("torch", SGD)])
def test_pieces_and_resumption(small, kind, rule):
    """Learning in several calls, and in another engine that was given the state, gives the very same bits."""
    x, d = patterns(small, 6)
    how = settings(small, options={"alpha": 0.3} if rule is SGD else {})
    whole, pieces = engine(kind, small, rule), engine(kind, small, rule)
    whole.learn(x, d, how)
    pieces.learn(x[:2], d[:2], how)
    other = build(kind, small, HALF_SQUARES, rule)
    other.load_parameters(pieces.parameters())
    other.load_state(pieces.state())
    other.learn(x[2:], d[2:], settings(small, options=how.options))
    for a, b in ((whole.parameters(), other.parameters()), (whole.state(), other.state())):
        assert a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)


@pytest.mark.parametrize("kind", ["reference", "torch"])
def test_float32(lecun89, kind):
    """Everything stays in float32, near to what float64 gives; many patterns at once are as one by one."""
    x, d = patterns(lecun89, 12)
    single, double = (engine(kind, lecun89, SGD, dtype=t) for t in ("float32", "float64"))
    for ready in (single, double):
        ready.learn(x, d, settings(lecun89, 0.01, options={"alpha": 0.5, "decay": 0.01}))
    assert all(a.dtype == np.float32 for a in (*single.parameters().values(), single.outputs(x)))
    close(single.parameters(), double.parameters(), 1e-4)
    np.testing.assert_allclose(double.outputs(np.tile(x, (100, 1)))[-1], double.outputs(x[-1:])[0], rtol=1e-9)
    assert double.outputs(x[:0]).shape == (0, 10)


def test_fixed_weights_stay():
    made = plan(declared(HERE / "nets" / "joined.sn")["residual"])
    x, d = patterns(made)
    for kind in ("reference", "torch"):
        ready = engine(kind, made, SGD)
        before = ready.parameters()
        ready.learn(x, d, settings(made))
        after = ready.parameters()
        assert (after["a_c.weight"] == 1).all()
        assert all((before[n] != after[n]).any() for n in before if n != "a_c.weight")


def test_swap_in_one_group(small):
    """Right sides are computed before any is assigned, also where they are plain variables."""
    rule = UpdateRule(
        "swap",
        (),
        ("a", "b"),
        (
            (("a", tree(("+", "a", 1))), ("b", tree(("+", "b", 2)))),
            (("a", tree("b")), ("b", tree("a"))),
            (("w", tree("n")),),
        ),
    )
    ready = engine("reference", small, rule)
    x, d = patterns(small, 1)
    ready.learn(x, d, settings(small))
    assert (ready.state()["k.bias/a"] == 2).all() and (ready.state()["k.bias/b"] == 1).all()
    assert (ready.parameters()["k.bias"] == 1).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda p: build("numpy", p, HALF_SQUARES, SGD), 'unknown engine "numpy"'),
        (
            lambda p: build("reference", p, HALF_SQUARES, SGD, np.int32),
            "engines compute in float32 or float64, not int32",
        ),
        (lambda p: TorchEngine(p, HALF_SQUARES, SGD).curvature(*patterns(p), "half"), 'unknown curvature "half"'),
        (lambda p: TorchEngine(p, HALF_SQUARES, SGD).curvature(*patterns(p, 0), "full"), "no pattern was given"),
        (
            lambda p: TorchEngine(p, HALF_SQUARES, LM).learn(*patterns(p), settings(p, held_curvature={})),
            "no curvature",
        ),
        (
            lambda p: ReferenceEngine(p, HALF_SQUARES, SGD).outputs(np.zeros((2, 5))),
            r"input patterns of shape \(2, 5\)",
        ),
        (
            lambda p: ReferenceEngine(p, HALF_SQUARES, SGD).learn(patterns(p)[0], patterns(p, 3)[1], settings(p)),
            "4 input patterns, 3 target patterns",
        ),
        (lambda p: engine("reference", p, SGD).learn(*patterns(p), Settings({}, {})), "no learning rate for input_h"),
        (lambda p: engine("reference", p, SGD).load_parameters({**weights(p), "k.bias": np.zeros(3)}), "has shape"),
        (
            lambda p: engine("reference", p, SGD).load_parameters({**weights(p), "q.bias": np.zeros(3)}),
            "not a parameter of",
        ),
        (lambda p: engine("reference", p, SGD).curvature(*patterns(p, 0), "full"), "no pattern was given"),
        (lambda p: engine("reference", p, SGD).curvature(*patterns(p), "half"), 'unknown curvature "half"'),
    ],
)
def test_faults(small, call, sentence):
    with pytest.raises(SnError, match=sentence):
        call(small)


def test_without_torch(small, monkeypatch):
    monkeypatch.delitem(sys.modules, "snsim.engines.torch.engine")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SnError, match="pip install torch"):
        build("torch", small, HALF_SQUARES, SGD)
    assert "torch" in ENGINES.names() and build("reference", small, HALF_SQUARES, SGD).name == "reference"


def test_arrangement_and_gathering():
    """Every connection of a table without any order stands once in the bundles; sums into slots, sparse or not."""
    rng = np.random.default_rng(3)
    target = np.sort(rng.integers(0, 20, 300))
    table = Table(rng.integers(-2, 30, 300), target, rng.integers(0, 9, 300))
    table = Table(np.where(table.source == -1, BORDER, table.source), target, table.weight)
    found = [
        (int(b.source[g, line, p]), int(b.target[g, k, p]), int(b.weight[g, k, line]))
        for b in bundles(table, 30)
        for g, k, p in np.ndindex(b.target.shape)
        for line in range(b.weight.shape[2])
    ]
    assert sorted(found) == sorted(zip(np.where(table.source < 0, 30, table.source), table.target, table.weight))
    for index, slots in (
        (rng.integers(-2, 12, 200), 9),
        (np.zeros(500, int), 400),
        (np.arange(5), 5),
        (np.ones(0, int), 3),
    ):
        values, expected = rng.normal(size=index.size), np.zeros(slots)
        np.add.at(expected, index[(index >= 0) & (index < slots)], values[(index >= 0) & (index < slots)])
        np.testing.assert_allclose(ScatterAdd(index, slots)(values), expected, atol=1e-12)


def test_plan_prints(lecun89):
    text = str(lecun89)
    assert "h1_h2.weight      (12 8 5 5)     2400     201       16" in text
    assert "shared windows, 5x5, step 2 2, border 2 2, 96 of 144 pairs of maps" in text
