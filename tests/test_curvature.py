"""Second derivatives: exact where the recursion is exact, the recursion done by autograd elsewhere, SN-2.8's numbers.

The recursion keeps the diagonal of the second derivatives of E by the sums of a layer. So it is exact for a weight
where what is dropped is 0: where E is a sum over the outputs and the weight enters their sums once each (one layer of
weights; the last layer of any net), and where no unit has two ways to the outputs (chains, unit to unit layers).
"""

from __future__ import annotations

import io
import itertools
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from snsim.data.patterns import from_matrices
from snsim.engines import ENGINES, build
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Cost, Settings
from snsim.engines.torch.operations import TORCH
from snsim.errors import Source
from snsim.network.expressions import compile_expressions
from snsim.network.wiring import BORDER
from snsim.program import Program, read_program
from snsim.runs.options import Options
from snsim.runs.run import run_unrecorded
from snsim.training.choose_engine import build_engine
from snsim.training.loop import train
from snsim.training.prepare import prepare_data

KINDS = ("full", "gauss-newton")
NLFS = ("sn-tanh", "tanh", "sigmoid", "linear", "nlf-tanh 0.666 0.05", "nlf-bell", "swish", "(+ x (* 0.3 x x))")
COSTS = ("lms", "mean-square", "thlms 0.1", "quartic 0.3", "cross-entropy", "map 0.5")
COUPLED = ("cross-entropy", "map 0.5")
HEAD = """(define-nlf swish (x) (/ x (+ 1 (exp (- x)))))
(define-cost quartic (x d (a 1)) (+ (** (- x d) 4) (* a x d (tanh x))))
"""
# Every scheme, between an input and an output of these shapes.
SCHEMES = {
    "(full)": ("6", "3"),
    "(one-to-one)": ("5", "5"),
    "(pairs (0 0 0) (1 1 0) (2 1 1) (3 2 1) (3 0 2))": ("4", "3"),
    "(mask 3 2) (step 1 2) (border 1 -1) (scale 0.7)": ("(2 4 4)", "(3 4 3)"),
    "(mask 2 2) (border 0 wrap) (table some)": ("(2 3 3)", "(3 3 3)"),
    "(local 2 3) (border 1 0.5)": ("(2 3 3)", "(1 4 3)"),
    "(tdnn 3) (step 2)": ("(7 2)", "(3 3)"),
}


def fixed_tensor(parameter, dtype: torch.dtype) -> torch.Tensor:
    """The weights of a parameter that never learns: one number for all, or codes."""
    return torch.from_numpy(np.full(parameter.shape, parameter.fixed, np.float64)).to(dtype)


def read(text: str) -> Program:
    return read_program(Source("curvature.sn", HEAD + text), port=io.StringIO())


def net_text(layers: list[tuple[str, str, str]], connects: list[str], bias: str = "unit") -> str:
    """layers: (name, shape, nlf), the input's without one."""
    made = [f"(layer {name} {shape} {f and f'(nlf {f}) (bias {bias})'})" for name, shape, f in layers]
    return f"(table some (x x -) (- x x)) (net n {' '.join(made)} {' '.join(connects)})"


def case(text: str, cost: str, seed: int) -> tuple[Plan, Cost, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Plan, cost, random weights and two random patterns of a program's net and cost."""
    made = read(text)
    net = plan(made.nets.get("n"))
    chosen = made.costs.get(cost.split()[0])
    draw = np.random.default_rng(seed)
    weights = {p.name: draw.uniform(-1, 1, p.shape) for p in net.parameters.values() if p.learns}
    x = draw.uniform(-1, 1, (2, net.input_units))
    d = draw.uniform(-1, 1, (2, net.output_units))
    if chosen.softmax:
        if cost != "cross-entropy":
            return net, Cost("map", None, None, None, True, -float(cost.split()[1])), weights, x, np.abs(d)
        return net, Cost("cross-entropy", None, None, None, True), weights, x, np.abs(d)
    return net, stated_cost(made, cost, net.output_units), weights, x, d


def stated_cost(made: Program, cost: str, outputs: int) -> Cost:
    """The cost as a clause states it."""
    targets = " ".join(["0"] * outputs)
    text = (
        f"(net c (layer input 1) (layer output {outputs}) (connect input output (full)))"
        f"(train c (data (examples [[0]] [[{targets}]])) (cost {cost}) (epsilon 1) (passes 1) (correct lms 1))"
    )
    return read(text).trainings.get("c").cost


def outputs(net: Plan, values: dict[str, torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    """Sums of every computed layer and last the outputs, for one pattern: sums over the explicit tables, no more."""
    states, sums = list(x.split([layer.units for layer in net.net.inputs])), []
    for stage in net.stages:
        a = torch.zeros(stage.units, dtype=x.dtype)
        for link in stage.links:
            framed = torch.cat([states[link.source], torch.full((1,), link.border_value, dtype=x.dtype)])
            source = np.where(link.table.source == BORDER, len(framed) - 1, link.table.source)
            products = (
                framed[torch.from_numpy(source)]
                * values[link.slot].reshape(-1)[torch.from_numpy(np.array(link.table.weight))]
            )
            a = a.index_add(0, torch.from_numpy(np.array(link.table.target)), link.scale * products)
        if stage.bias is not None:
            a = a + values[stage.bias].reshape(-1)[torch.from_numpy(np.array(stage.bias_index))]
        sums.append(a)
        states.append(compile_expressions([stage.f]).bind(TORCH)({"x": a})[0])
    return [*sums, states[-1]]


def e_of(cost: Cost, x: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    if cost.rubbish is not None:  # equation 9 of 1998, in the penalties y = -x
        rest = torch.exp(torch.tensor(cost.rubbish, dtype=x.dtype))
        return (d * (-x + torch.log(rest + torch.exp(x).sum()))).sum()
    if cost.softmax:
        return -(d * torch.log_softmax(x, 0)).sum()
    return compile_expressions([cost.e]).bind(TORCH)({"x": x, "d": d, "n": float(len(x))})[0].sum()


def exact(
    net: Plan, cost: Cost, weights: dict[str, np.ndarray], x: np.ndarray, d: np.ndarray, kind: str
) -> dict[str, np.ndarray]:
    """The diagonal of the Hessian by autograd, mean over the patterns; of J' (d2E/dx2) J for "gauss-newton"."""
    names, sizes = list(weights), [w.size for w in weights.values()]
    flat = torch.cat([torch.from_numpy(w.ravel()) for w in weights.values()])

    def outputs_of(vector: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(names, vector.split(sizes)))
        fixed = {p.name: fixed_tensor(p, vector.dtype) for p in net.parameters.values() if not p.learns}
        return outputs(net, {**parts, **fixed}, row)[-1]

    total = torch.zeros_like(flat)
    for row, target in zip(torch.from_numpy(x), torch.from_numpy(d)):
        if kind == "full":
            total += torch.autograd.functional.hessian(
                lambda v, row=row, target=target: e_of(cost, outputs_of(v, row), target), flat
            ).diagonal()
        else:
            slopes = torch.autograd.functional.jacobian(lambda v, row=row: outputs_of(v, row), flat)
            bend = torch.autograd.functional.hessian(
                lambda o, target=target: e_of(cost, o, target), outputs_of(flat, row)
            )
            total += torch.einsum("iw,ij,jw->w", slopes, bend, slopes)
    diagonal = (total / len(x)).numpy()
    ends = np.cumsum([0, *sizes])
    return {n: diagonal[a:b].reshape(weights[n].shape) for n, a, b in zip(names, ends, ends[1:])}


def computed(
    name: str, net: Plan, cost: Cost, weights: dict[str, np.ndarray], x: np.ndarray, d: np.ndarray, kind: str
) -> dict[str, np.ndarray]:
    engine = build(name, net, cost, read("").updates.get("sgd").rule, "float64")
    engine.load_parameters(weights)
    return engine.curvature(x, d, kind)


def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray], tolerance: float = 1e-6) -> None:
    for name in b:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)


# ---- Exact -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES.names())
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_layer_is_exact(engine: str, scheme: str, kind: str) -> None:
    """Every scheme, its weights shared between units or not; a bias shared by a map."""
    sources, targets = SCHEMES[scheme]
    bias = "column" if "tdnn" in scheme else "map" if targets.startswith("(") else "unit"
    layers = [("input", sources, ""), ("output", targets, "sn-tanh")]
    text = net_text(layers, [f"(connect input output {scheme})"], bias)
    drawn = case(text, "quartic 0.3", 1)
    equal(computed(engine, *drawn, kind), exact(*drawn, kind))


@settings(max_examples=16, deadline=None)
@given(
    st.sampled_from(sorted(SCHEMES)),
    st.sampled_from(NLFS),
    st.sampled_from(COSTS),
    st.sampled_from(KINDS),
    st.sampled_from(["reference", "torch"]),
    st.integers(0, 10**6),
)
@example("(full)", "linear", "cross-entropy", "full", "reference", 1)
def test_one_layer_is_exact_for_every_nlf_and_cost(scheme, f, cost, kind, engine, seed) -> None:  # type: ignore[no-untyped-def]
    shared = cost in COUPLED  # E couples the outputs: then each weight must enter one of them alone
    sources, targets = SCHEMES["(full)" if shared else scheme]
    f, scheme = ("linear", "(full)") if shared else (f, scheme)
    text = net_text([("input", sources, ""), ("output", targets, f)], [f"(connect input output {scheme})"])
    drawn = case(text, cost, seed)
    equal(computed(engine, *drawn, kind), exact(*drawn, kind))


@settings(max_examples=16, deadline=None)
@given(
    st.lists(st.sampled_from(NLFS), min_size=2, max_size=4),
    st.sampled_from(COSTS[:4]),
    st.sampled_from(KINDS),
    st.integers(1, 3),
    st.sampled_from(["reference", "torch"]),
    st.integers(0, 10**6),
)
def test_nets_without_two_ways_are_exact(nlfs, cost, kind, units, engine, seed) -> None:  # type: ignore[no-untyped-def]
    """Chains of layers joined unit to unit: every weight and bias of every layer."""
    names = ["input", *(f"l{k}" for k in range(len(nlfs)))]
    text = net_text(
        [(n, str(units), f) for n, f in zip(names, ["", *nlfs])],
        [f"(connect {a} {b} (one-to-one) (scale 1.5))" for a, b in itertools.pairwise(names)],
    )
    drawn = case(text, cost, seed)
    equal(computed(engine, *drawn, kind), exact(*drawn, kind))


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(NLFS),
    st.sampled_from(NLFS),
    st.sampled_from(COSTS[:4]),
    st.sampled_from(KINDS),
    st.booleans(),
    st.sampled_from(["reference", "torch"]),
    st.integers(0, 10**6),
)
def test_the_last_layer_of_any_net_is_exact(first, last, cost, kind, skip, engine, seed) -> None:  # type: ignore[no-untyped-def]
    connects = ["(connect input h (mask 2 2))", "(connect h output (full))"]
    connects += ["(connect input output (full))"] * skip
    text = net_text([("input", "(4 4)", ""), ("h", "(2 3 3)", first), ("output", "3", last)], connects)
    drawn = case(text, cost, seed)
    found, wanted = computed(engine, *drawn, kind), exact(*drawn, kind)
    equal(found, {n: h for n, h in wanted.items() if n.endswith("output.weight") or n == "output.bias"})
    assert skip or kind == "full" or (found["h.bias"] >= 0).all() or cost.startswith("quartic")


# ---- The recursion -----------------------------------------------------------------------------------------------


def recursion(
    net: Plan, cost: Cost, weights: dict[str, np.ndarray], x: np.ndarray, d: np.ndarray, kind: str
) -> dict[str, np.ndarray]:
    """Layer by layer: autograd differentiates what is between the sums of one layer and those of the next, and E by
    the sums; only the diagonal is kept on the way, and each connection is a weight by itself until the end."""
    values = {
        **{n: torch.from_numpy(w) for n, w in weights.items()},
        **{p.name: fixed_tensor(p, torch.float64) for p in net.parameters.values() if not p.learns},
    }
    total = {n: np.zeros(w.size) for n, w in weights.items()}
    for row, target in zip(torch.from_numpy(x), torch.from_numpy(d)):
        *sums, last = outputs(net, values, row)
        f = {stage.layer: compile_expressions([stage.f]).bind(TORCH) for stage in net.stages}
        states = [row, *(f[stage.layer]({"x": a})[0] for stage, a in zip(net.stages, sums))]
        y = _slopes_by_state(net, values, states, cost, target)
        bend = torch.autograd.functional.hessian(lambda o, target=target: e_of(cost, o, target), last).diagonal()
        s = {stage.layer: torch.zeros(stage.units, dtype=torch.float64) for stage in net.stages}
        s[len(net.stages)] = bend
        for stage, a in zip(reversed(net.stages), reversed(sums)):
            at = a.clone().requires_grad_()
            df = torch.autograd.grad(f[stage.layer]({"x": at})[0].sum() + 0 * at.sum(), at, create_graph=True)[0]
            ddf = torch.autograd.grad(df.sum() + 0 * at.sum(), at)[0]
            h = s[stage.layer] * df.detach() ** 2 + (y[stage.layer] * ddf if kind == "full" else 0)
            if stage.bias in total:
                np.add.at(total[stage.bias], stage.bias_index, h.numpy())
            for link in stage.links:
                framed = np.append(states[link.source].numpy(), link.border_value)
                read_ = framed[np.where(link.table.source == BORDER, len(framed) - 1, link.table.source)]
                of_target = h.numpy()[link.table.target]
                if link.slot in total:
                    np.add.at(total[link.slot], link.table.weight, (link.scale * read_) ** 2 * of_target)
                if link.source:
                    jacobian = torch.zeros(net.stages[link.source - 1].units, stage.units, dtype=torch.float64)
                    inside = link.table.source != BORDER
                    w = link.scale * values[link.slot].reshape(-1)[torch.from_numpy(np.array(link.table.weight))]
                    ends = tuple(
                        torch.from_numpy(np.array(unit[inside])) for unit in (link.table.source, link.table.target)
                    )
                    jacobian.index_put_(ends, (w**2)[torch.from_numpy(inside)], accumulate=True)
                    s[link.source] = s[link.source] + jacobian @ h
    return {n: (h / len(x)).reshape(weights[n].shape) for n, h in total.items()}


def _slopes_by_state(
    net: Plan, values: dict[str, torch.Tensor], states: list[torch.Tensor], cost: Cost, d: torch.Tensor
) -> dict[int, torch.Tensor]:
    """dE/dx of every computed layer: E as a function of what is added to its states, at 0."""
    added = [torch.zeros_like(state, requires_grad=True) for state in states[1:]]
    moved = [states[0]]
    for stage, extra in zip(net.stages, added):
        a = torch.zeros(stage.units, dtype=torch.float64)
        for link in stage.links:
            framed = torch.cat([moved[link.source], torch.full((1,), link.border_value, dtype=torch.float64)])
            source = torch.from_numpy(np.where(link.table.source == BORDER, len(framed) - 1, link.table.source))
            w = values[link.slot].reshape(-1)[torch.from_numpy(np.array(link.table.weight))]
            a = a.index_add(0, torch.from_numpy(np.array(link.table.target)), link.scale * framed[source] * w)
        if stage.bias is not None:
            a = a + values[stage.bias].reshape(-1)[torch.from_numpy(np.array(stage.bias_index))]
        moved.append(compile_expressions([stage.f]).bind(TORCH)({"x": a})[0] + extra)
    slopes = torch.autograd.grad(e_of(cost, moved[-1], d), added)
    return {k + 1: slope for k, slope in enumerate(slopes)}


DEEP = {
    "masks": [
        ("a", "(3 4 4)", "(connect input a (mask 3 3) (border 1 -1))"),
        ("b", "(2 2 2)", "(connect a b (equal-mask 2 2) (step 2) (scale 0.25) (table some2))"),
        ("output", "3", "(connect b output (full)) (connect input output (full))"),
    ],
    "local": [
        ("a", "(2 3 3)", "(connect input a (local 2 2))"),
        ("b", "4", "(connect a b (full))"),
        ("output", "4", "(connect b output (one-to-one)) (connect a output (full))"),
    ],
    "fixed": [
        ("a", "(4 4)", "(connect input a (one-to-one) (fixed 0.5))"),
        ("b", "5", "(connect a b (full))"),
        ("output", "2", "(connect b output (full))"),
    ],
}


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(DEEP)),
    st.lists(st.sampled_from(NLFS), min_size=3, max_size=3),
    st.sampled_from(COSTS),
    st.sampled_from(KINDS),
    st.sampled_from(["reference", "torch"]),
    st.integers(0, 10**6),
)
def test_deep_nets_follow_the_recursion(shape, nlfs, cost, kind, engine, seed) -> None:  # type: ignore[no-untyped-def]
    nlfs = [*nlfs[:2], "linear"] if cost in COUPLED else nlfs
    layers = [("input", "(4 4)", ""), *((n, s, f) for (n, s, _), f in zip(DEEP[shape], nlfs))]
    text = "(table some2 (x -) (x x) (- x))" + net_text(layers, [connects for *_, connects in DEEP[shape]])
    drawn = case(text, cost, seed)
    equal(computed(engine, *drawn, kind), recursion(*drawn, kind), 1e-9)


@pytest.mark.parametrize("shape", DEEP)
def test_native_follows_the_recursion(shape: str) -> None:
    layers = [("input", "(4 4)", ""), *((n, s, "sn-tanh") for n, s, _ in DEEP[shape])]
    text = "(table some2 (x -) (x x) (- x))" + net_text(layers, [connects for *_, connects in DEEP[shape]])
    for kind in KINDS:
        drawn = case(text, "quartic 0.3", 5)
        equal(computed("native", *drawn, kind), recursion(*drawn, kind), 1e-9)


# ---- SN-2.8's numbers --------------------------------------------------------------------------------------------

XOR = """
(net xor (layer input 2) (layer hidden 2) (layer output 1) (connect input hidden (full)) (connect hidden output (full)))
(train base (net xor) (data (examples [[-1 -1] [1 -1] [1 1] [-1 1]] [[1] [-1] [1] [-1]])) (correct quadrant)
  (epsilon 0.1) (passes 1))
(train learn          (like base) (ensemble 0 0))
(train learn-lm       (like learn) (update lm (gamma 1)))
(train learn-newton   (like learn) (update newton (gamma 1)))
(train learn-batch    (like base) (batch all sum))
(train learn-batch-lm (like learn-batch) (update lm))
(train learn-batch-cg (like base) (update conjugate-gradient) (passes 3))
"""


def printed_by_the_original() -> dict[str, list[float]]:
    """The weights after each call, from docs/reference/sn28.md, appendix A: `0→3 0→4 0→5 1→3 ...`, units 1 and 2 the
    inputs, 3 and 4 hidden, 5 the output, 0 the bias. So biases come first, then input-hidden, then hidden-output.
    """
    text = (Path(__file__).parents[1] / "docs" / "reference" / "sn28.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `\((\S+) \d\)` \|((?: -?\d\.\d{7} \|){9})$", text, re.M)
    return {call: [float(number) for number in numbers.split("|")[:-1]] for call, numbers in rows}


GOLDEN = printed_by_the_original()
INITIAL = GOLDEN.pop("forget")
# From the same appendix and, for newton, from the original (kernel sn28itenew): `shess` after one step, in this order.
SIGMA = {
    "learn-lm": [0.2045011, 0.5051048, 0.7297729, 0.2045011, 0.5051048, 0.2045011, 0.5051048, 0.5378639, 0.3652176],
    "learn-newton": [0.1852692, 0.6128657, 0.8081757, 0.1852692, 0.6128657, 0.1852692, 0.6128657, 0.5956491, 0.4044546],
}
# SN takes f'' as a difference of float32 with a step of 1/128, coarse to about 1e-3: ours is the derivative.
ROUGH = {"learn-newton": (2e-5, 2e-3)}


@cache
def xor() -> Program:
    return read(XOR)


def in_order(values: dict[str, np.ndarray]) -> np.ndarray:
    names = ("hidden.bias", "output.bias", "input_hidden.weight", "hidden_output.weight")
    return np.concatenate([values[name].ravel() for name in names])


def test_the_original_printed_a_row_for_each_training() -> None:
    assert sorted(GOLDEN) == sorted(entry.name for entry in xor().trainings.own() if entry.name != "base")


@pytest.mark.parametrize("engine", ENGINES.names())
@pytest.mark.parametrize("name", GOLDEN)
def test_the_numbers_of_the_original(name: str, engine: str) -> None:
    chosen = xor().trainings.get(name)
    assert chosen.data.inputs is not None and chosen.data.targets is not None
    data = prepare_data(chosen, from_matrices(chosen.data.inputs, chosen.data.targets), np.float32)
    ready = build_engine(chosen, chosen.stages[0], engine, np.float32)
    start = np.array(INITIAL, np.float32)
    ready.load_parameters(
        {
            "hidden.bias": start[:2],
            "output.bias": start[2:3],
            "input_hidden.weight": start[3:7].reshape(2, 2),
            "hidden_output.weight": start[7:][:, None],
        }
    )
    of_weights, of_sigma = ROUGH.get(name, (1e-6 if name == "learn-batch-cg" else 2e-7, 5e-7))
    if name in SIGMA:
        h = ready.curvature(data.train.inputs, data.train.targets, "full" if "newton" in name else "gauss-newton")
        np.testing.assert_allclose(in_order(h), SIGMA[name], atol=of_sigma, rtol=0)
    list(train(chosen, data, ready, 1))
    np.testing.assert_allclose(in_order(ready.parameters()), GOLDEN[name], atol=of_weights, rtol=0)


# ---- Batches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES.names())
@pytest.mark.parametrize(("rule", "kind"), [("lm", "gauss-newton"), ("newton", "full")])
@pytest.mark.parametrize("of", ["sum", "mean"])
def test_a_batch_steps_by_its_gradient_over_its_curvature(engine: str, rule: str, kind: str, of: str) -> None:
    """SN's batch Newton: acc and hess over the set, w less rate acc/(mu + |hess|); unstated, gamma is 1."""
    text = XOR + f"(train t (like base) (batch all {of}) (update {rule} (mu 0.3)) (passes 2))"
    chosen = read(text).trainings.get("t")
    assert chosen.stages[0].options["gamma"].numbers == (1.0,)
    data = prepare_data(chosen, from_matrices(chosen.data.inputs, chosen.data.targets))  # type: ignore[arg-type]
    ready = build_engine(chosen, chosen.stages[0], engine, np.float64)
    draw = np.random.default_rng(0)
    ready.load_parameters({p.name: draw.uniform(-1, 1, p.shape) for p in chosen.net.parameters})
    check = build("reference", plan(chosen.net), chosen.cost, chosen.stages[0].rule)
    check.load_parameters(ready.parameters())
    for _ in train(chosen, data, ready, 1):
        x, d = data.train.inputs, data.train.targets
        over = len(x) if of == "mean" else 1
        g, h = check.gradient(x, d), check.curvature(x, d, kind)
        check.load_parameters(
            {n: w - 0.1 * (g[n] / over) / (0.3 + np.abs(h[n] * len(x) / over)) for n, w in check.parameters().items()}
        )
        equal(ready.parameters(), check.parameters(), 1e-9)


# ---- What engines give to conjugate gradient ---------------------------------------------------------------------

HERE = Path(__file__).parent
FILES = [
    *(
        HERE / "nets" / f"{name}.sn"
        for name in (
            "joined",
            "windows",
            "nonlinear",
            "weight-norm",
            "weights-of",
            "pooling",
            "distance",
            "codes",
            "named",
        )
    ),
    HERE.parent / "nets" / "lecun89.sn",
]


@cache
def declared(path: Path) -> dict[str, Plan]:
    return {entry.name: plan(entry.value) for entry in read_program(path).nets.own()}


NETS = [pytest.param(path, name, id=name) for path in FILES for name in declared(path)]


@pytest.mark.parametrize(("path", "name"), NETS)
def test_gradients_and_tangents_of_every_engine(path: Path, name: str) -> None:
    """The same of all; the tangents are differences of the outputs, the gradient what learning subtracts."""
    net, made = declared(path)[name], read("")
    draw = np.random.default_rng(3)
    weights, along = (
        {p.name: draw.uniform(-1, 1, p.shape) for p in net.parameters.values() if p.learns} for _ in range(2)
    )
    x, d = draw.uniform(-1, 1, (3, net.input_units)), draw.uniform(-1, 1, (3, net.output_units))
    cost, sgd = stated_cost(made, "quartic 0.3", net.output_units), made.updates.get("sgd").rule
    engines = [build(engine, net, cost, sgd, "float64") for engine in ENGINES.names()]
    for engine in engines:
        engine.load_parameters(weights)
        for a, b in zip(engine.tangents(x, along), engines[0].tangents(x, along)):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
        equal(engine.gradient(x, d), engines[0].gradient(x, d), 1e-9)
    outputs_at, moved = engines[0].tangents(x, along)
    np.testing.assert_array_equal(outputs_at, engines[0].outputs(x))
    gradient = engines[0].gradient(x, d)
    engines[0].learn(x, d, Settings({n: 1.0 for n in weights}, {}, batch=3))
    equal({n: weights[n] - engines[0].parameters()[n] for n in weights}, gradient, 1e-9)
    if name == "branches":  # its derivatives are stated, and are not those of what it computes
        return
    step, there = 1e-6, []
    for side in (step, -step):
        engines[0].load_parameters({n: weights[n] + side * along[n] for n in weights})
        there.append(engines[0].outputs(x))
    np.testing.assert_allclose(moved, (there[0] - there[1]) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "options"), [("lm", "(gamma 0.05)"), ("newton", "(gamma 0.05)"), ("lm", "(curvature 40)")]
)
def test_a_cost_without_the_half_is_half_of_mu(rule: str, options: str) -> None:
    """Both g and h double, so the step rate 2g / (mu + 2h) is that of mu/2. Powers of two keep every bit."""
    program = read_program(
        Source(
            "t",
            f"""(define-cost whole (x d) (** (- d x) 2))
            (net n (layer input (16 16)) (layer hidden 8) (layer output 10)
              (connect input hidden (full)) (connect hidden output (full)))
            (train half (net n) (data digits) (ensemble 0 99) (passes 2) (epsilon 0.004)
              (update {rule} (mu 0.05) {options}))
            (train whole (like half) (cost whole) (update {rule} (mu 0.1) {options}))""",
        )
    )
    first, second = (
        list(run_unrecorded(program, program.trainings.get(name), 1, Options(engine="reference")))[-1]
        for name in ("half", "whole")
    )
    assert first.train.half_mse == second.train.half_mse
    assert second.train.loss == pytest.approx(2 * first.train.loss, rel=1e-12)
