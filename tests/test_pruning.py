"""Conjugate gradient and optimal brain damage: against least squares, a literal cut, and nets without what was cut."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snsim.data.patterns import from_matrices
from snsim.engines import ENGINES
from snsim.errors import SnError, Source
from snsim.network.net import Net
from snsim.program import Program, read_program
from snsim.run_folder import open_run
from snsim.runs.options import Options
from snsim.runs.resume import resume
from snsim.runs.run import PassFinished, RunFinished, run
from snsim.training.choose_engine import build_engine
from snsim.training.conjugate_gradient import curvature_along
from snsim.training.initial import initial_weights
from snsim.training.loop import PassResult, PruningResult, train, training_events
from snsim.training.prepare import PreparedData, prepare_data
from snsim.training.pruning import KEPT_STATE, count_remaining, kept_masks, prune_masks
from snsim.training.spec import Training

NETS = """
(net linear (default (nlf linear)) (layer input 4) (layer output 2) (connect input output (full)))
(net two (layer input 3) (layer h 3) (layer output 2) (connect input h (full)) (connect h output (full)))
(net pictures (layer input (5 5)) (layer h (2 3 3) (bias map)) (layer output 3)
  (connect input h (mask 3 3)) (connect h output (full)))
(net pooled (layer input (6 6)) (layer h (2 4 4)) (layer p (2 2 2)) (layer output 3)
  (connect input h (mask 3 3)) (connect h p (mask 2 2) (step 2) (fixed 0.25) (table one-to-one))
  (connect p output (full)))
"""
OWN = (
    "(define-cost distance (x d) (abs (- x d)))"
    "(define-update always () () (setq w (- (- w (* 0.05 g)) 0.001)))"
)  # no rate, and w moves where nothing else does


def read(text: str) -> Program:
    return read_program(Source("pruning.sn", NETS + OWN + text), port=io.StringIO())


def training(net: str, clauses: str) -> Training:
    inputs, targets = {"linear": (4, 2), "two": (3, 2), "pictures": (25, 3), "pooled": (36, 3)}[net]
    row = f"[[{'0 ' * inputs}]] [[1 {'0 ' * (targets - 1)}]]"
    return read(f"(train t (net {net}) (data (examples {row})) {clauses})").trainings.get("t")


def data_for(chosen: Training, patterns: int = 12, seed: int = 0) -> PreparedData:
    draw = np.random.default_rng(seed)
    inputs, outputs = (layer.units for layer in (chosen.net.layers[0], chosen.net.layers[-1]))
    x, d = draw.normal(size=(patterns, inputs)), draw.uniform(-0.8, 0.8, (patterns, outputs))
    d = np.abs(d) / np.abs(d).sum(1, keepdims=True) if chosen.cost.softmax else d
    return prepare_data(chosen, from_matrices(x, d))


def engine(chosen: Training, name: str = "reference", dtype: type = np.float64):  # type: ignore[no-untyped-def]
    made = build_engine(chosen, chosen.stages[0], name, dtype)
    made.load_parameters(initial_weights(chosen, 1))
    return made


def last(chosen: Training, data: PreparedData, name: str = "reference") -> PassResult:
    *_, done = train(chosen, data, engine(chosen, name), 1)
    return done


@cache
def plain(net: str) -> Training:
    return training(net, "(epsilon 0.1) (passes 1)")


# ---- Conjugate gradient ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES.names())
@pytest.mark.parametrize("cost", ["lms", "mean-square"])
def test_a_quadratic_is_solved_in_as_many_steps_as_it_has_weights(name: str, cost: str) -> None:
    """Linear least squares: 10 weights, in two systems of 5 with the same matrix."""
    chosen = training("linear", f"(update conjugate-gradient) (passes 5) (cost {cost})")
    data = data_for(chosen)
    found = last(chosen, data, name).snapshot.parameters
    x = np.hstack([data.train.inputs, np.ones((12, 1))])
    wanted = np.linalg.lstsq(x, data.train.targets, rcond=None)[0]
    np.testing.assert_allclose(found["input_output.weight"], wanted[:4], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found["output.bias"], wanted[4], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("cost", ["lms", "cross-entropy", "thlms 0.1"])
def test_every_engine_takes_the_same_steps(cost: str) -> None:
    net = "linear" if cost == "cross-entropy" else "pictures"
    chosen = training(net, f"(update conjugate-gradient (mu (linear 1 0.1))) (passes 6) (cost {cost})")
    data = data_for(chosen)
    states = []
    for name in ENGINES.names():
        *_, done = passes = list(train(chosen, data, engine(chosen, name), 1))
        assert passes[-1].train.loss < passes[0].train.loss and int(done.snapshot.state["n"]) == 6
        states.append({**done.snapshot.parameters, **done.snapshot.state})
    for state in states[1:]:
        for key, value in state.items():
            np.testing.assert_allclose(value, states[0][key], rtol=1e-6, atol=1e-8, err_msg=key)


def test_the_curvature_of_cross_entropy_is_its_second_difference() -> None:
    cost = training("linear", "(cost cross-entropy) (epsilon 1) (passes 1)").cost
    draw = np.random.default_rng(0)
    x, t, d = (draw.normal(size=(4, 5)) for _ in range(3))
    d = np.abs(d)

    def e(r: float) -> float:
        at = x + r * t
        return float(-(d * (at - np.log(np.exp(at).sum(1, keepdims=True)))).sum())

    second = (e(1e-3) - 2 * e(0) + e(-1e-3)) / 1e-6
    assert curvature_along(cost, x, t, d) == pytest.approx(second, rel=1e-5)


def test_no_step_where_there_is_no_curvature() -> None:
    chosen = training("two", "(update conjugate-gradient) (passes 2) (constant 0)")
    data = data_for(chosen)
    found = last(chosen, data).snapshot.parameters  # 0 everywhere but at the output biases: the rest has no slope
    assert np.all(found["h_output.weight"] == 0) and np.any(found["output.bias"] != 0)
    flat = last(training("two", "(update conjugate-gradient) (passes 2) (constant 1000)"), data)  # no slope at all
    assert all(np.all(w == 1000) for w in flat.snapshot.parameters.values())
    straight = "(passes 2) (cost distance)"
    for name in ENGINES.names():
        with pytest.raises(SnError, match="the curvature along the search direction of pass 1 is 0; the step length"):
            last(training("two", f"(update conjugate-gradient) {straight}"), data, name)
    assert last(training("two", f"(update conjugate-gradient (mu 1)) {straight}"), data).train.loss > 0


# ---- What is cut -------------------------------------------------------------------------------------------------


def literally_cut(net: Net, h: dict, w: dict, before: dict, fraction: float, of: str) -> dict[str, np.ndarray]:
    """SN's rule connection by connection: a list of saliencies, its quantile, what is strictly below."""
    each = []
    for p in net.parameters:
        if p.learns:
            for k in range(p.size):
                if before[p.name].flat[k]:
                    each += [(h[p.name].flat[k] * w[p.name].flat[k] ** 2, p.name, k)] * (
                        int(p.sharers[k]) if of == "connections" else 1
                    )
    limit = sorted(s for s, *_ in each)[int(len(each) * fraction)]
    kept = {name: remains.copy() for name, remains in before.items()}
    for saliency, name, k in each:
        if saliency < limit:
            kept[name].flat[k] = False
    return kept


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["two", "pictures", "pooled"]),
    st.floats(0.01, 0.99),
    st.floats(0.01, 0.99),
    st.sampled_from(["connections", "weights"]),
    st.integers(0, 10**6),
)
def test_what_is_cut_is_what_the_original_cuts(net, first, second, of, seed) -> None:  # type: ignore[no-untyped-def]
    chosen = plain(net)
    data, ready = data_for(chosen, seed=seed), engine(chosen)
    kept = None
    h, w = ready.curvature(data.train.inputs, data.train.targets, "full"), ready.parameters()
    before = {n: np.ones(v.shape, bool) for n, v in h.items()}
    for fraction in (first, second):
        kept = prune_masks(chosen.net, ready, data.train, kept, fraction, of)
        before = literally_cut(chosen.net, h, w, before, fraction, of)
        assert all(np.array_equal(kept[n], before[n]) for n in before) and kept.keys() == before.keys()
    left = count_remaining(chosen.net, kept)
    assert left.weights == sum(int(k.sum()) for k in before.values())


RULES = [
    "sgd (alpha 0.5) (decay 0.1)",
    "lm",
    "newton (alpha 0.3)",
    "adamw (decay 0.1)",
    "conjugate-gradient (mu 1)",
    "always",
]


@pytest.mark.parametrize("name", ENGINES.names())
@pytest.mark.parametrize("rule", RULES)
def test_what_is_cut_stays_cut_under_every_rule(rule: str, name: str) -> None:
    rates = "(epsilon 0.02)" if rule.split()[0] in ("sgd", "lm", "newton", "adamw") else ""
    then = (
        f"(stage (passes 1) (update {rule}) {rates}) (stage (prune 0.4) (passes 2)) (stage (prune 0.3 weights))"
        "(stage (passes 1) (update sgd (alpha 0.5)) (epsilon 0.01))"
    )
    chosen = training("pictures", then)
    data = data_for(chosen)
    events = []
    for event in training_events(chosen, data, engine(chosen, name), 1):
        events.append(event)
        assert not isinstance(event, PassResult) or event.snapshot.number == event.number  # taken while it can be
    cuts = [event for event in events if isinstance(event, PruningResult)]
    passes = [event for event in events if isinstance(event, PassResult)]
    assert [cut.number for cut in cuts] == [2, 4] and cuts[0].remaining == cuts[1].before
    assert cuts[0].before.connections == chosen.net.counts.connections
    assert (
        passes[0].remaining is None
        and [p.remaining for p in passes[1:]] == [cuts[0].remaining] * 2 + [cuts[1].remaining] * 3
    )
    for done in passes[1:]:
        kept = kept_masks(chosen.net, done.snapshot.state)
        assert kept is not None and count_remaining(chosen.net, kept) == done.remaining
        for weights, remains in kept.items():
            assert np.all(done.snapshot.parameters[weights][~remains] == 0)
            assert np.all(done.snapshot.parameters[weights][remains] != 0)
    for name_of, value in passes[1].snapshot.parameters.items():
        assert np.any(value != passes[2].snapshot.parameters[name_of]) or not kept[name_of].any()


@pytest.mark.parametrize(
    ("rule", "rates"),
    [("sgd (alpha 0.5)", "(epsi-sqrt 0.1)"), ("lm", "(mask-epsi 0.05)"), ("conjugate-gradient (mu 1)", "")],
)
@pytest.mark.parametrize("name", ENGINES.names())
def test_a_pruned_net_learns_as_one_without_what_was_cut(name: str, rule: str, rates: str) -> None:
    """The net of the connections that are left, stated one by one, with as many lines and sharers, from its weights."""
    chosen = training("pictures", f"(update {rule}) {rates} (prune 0.5) (passes 3)")
    data = data_for(chosen)
    ready = engine(chosen, name)
    start = ready.parameters()
    kept = prune_masks(chosen.net, engine(chosen), data.train, None, 0.5, "connections")
    *_, pruned = train(chosen, data, ready, 1)
    text, weights = without(chosen.net, kept)
    row = f"[[{'0 ' * 25}]] [[{'0 ' * 3}]]"
    fewer = read(
        text + f"(train t (net fewer) (data (examples {row})) (update {rule}) {rates} (passes 3))"
    ).trainings.get("t")
    other = engine(fewer, name)
    other.load_parameters(
        {
            made: start[of].ravel()[entries].reshape(other.parameters()[made].shape)
            for made, (of, entries) in weights.items()
        }
    )
    *_, alike = train(fewer, data, other, 1)
    for made, (of, entries) in weights.items():
        np.testing.assert_allclose(
            alike.snapshot.parameters[made].ravel(),
            pruned.snapshot.parameters[of].ravel()[entries],
            rtol=1e-9,
            atol=1e-12,
        )
    assert alike.train.loss == pytest.approx(pruned.train.loss, rel=1e-9)


def without(net: Net, kept: dict[str, np.ndarray]) -> tuple[str, dict[str, tuple[str, np.ndarray]]]:
    """The net with its biases as weights of a connection from a unit, and every connection stated by itself; by its
    parameters, those of the net given and the entries of them that are left."""
    connects, weights = [], {}
    for connection in net.connections:
        pairs, entries = _pairs(
            connection.table.source,
            connection.table.target,
            connection.table.weight,
            kept[f"{connection.name.replace('-', '_')}.weight"].ravel(),
        )
        connects.append(f"(connect {connection.source} {connection.target} (pairs {pairs}))")
        weights[f"{connection.name.replace('-', '_')}.weight"] = f"{connection.name.replace('-', '_')}.weight", entries
    for layer in net.layers[1:]:
        index = layer.bias_index
        pairs, entries = _pairs(
            np.zeros(len(index), int), np.arange(len(index)), index, kept[f"{layer.name}.bias"].ravel()
        )
        if len(entries):
            connects.append(f"(connect one {layer.name} (pairs {pairs}) (scale 2))")
            weights[f"one_{layer.name}.weight"] = f"{layer.name}.bias", entries
    layers = " ".join(f"(layer {layer.name} {layer.units} (bias none))" for layer in net.layers[1:])
    one = "(layer one 1 (nlf sigmoid) (bias none)) (connect input one (full) (fixed 0))"  # of state 1/2, times 2
    return f"(net fewer (layer input {net.layers[0].units}) {one} {layers} {' '.join(connects)})", weights


def _pairs(source: np.ndarray, target: np.ndarray, weight: np.ndarray, kept: np.ndarray) -> tuple[str, np.ndarray]:
    left = [(s, t, w) for s, t, w in zip(source, target, weight) if kept[w]]
    entries = np.array(list(dict.fromkeys(w for *_, w in left)), int)  # weights are numbered as they come
    return " ".join(f"({s} {t} {w})" for s, t, w in left), entries


def test_weight_norm_is_not_pruned() -> None:
    with pytest.raises(SnError, match=r"\(connect input output ...\) has weight-norm, and \(prune ...\) cannot cut"):
        read(
            "(net n (layer input 4) (layer output 2) (connect input output (full) (weight-norm)))"
            "(train n (data (examples [[0 0 0 0]] [[1 0]])) (epsilon 1) (passes 1) (prune 0.5))"
        )


# ---- Runs --------------------------------------------------------------------------------------------------------

PROGRAM = """
(net pooled (layer input (6 6)) (layer h (2 4 4) (bias map)) (layer p (2 2 2)) (layer output 3)
  (connect input h (mask 3 3)) (connect h p (mask 2 2) (step 2) (fixed 0.25) (table one-to-one))
  (connect p output (full)))
(train t (net pooled) (data (patterns "x.pat" "x.des"))
  (stage (update sgd (alpha 0.4)) (epsi-sqrt 0.1) (passes 1) (theta 0.1) (order shuffled))
  (repeat 2 (stage (prune 0.2) (passes 1)) (stage (passes 1)))
  (stage (update conjugate-gradient (mu 0.1)) (passes 3))
  (stage (prune 0.2 weights) (passes 2))
  (stage (update lm (curvature 5)) (epsilon 0.01) (passes 1)))
"""


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pruned")
    draw = np.random.default_rng(0)
    for name, matrix in (("x.pat", draw.normal(size=(20, 36))), ("x.des", 2 * np.eye(3)[draw.integers(0, 3, 20)] - 1)):
        (folder / name).write_text(
            f".MAT 2 {matrix.shape[0]} {matrix.shape[1]}\n"
            + " ".join(f"{value:.6f}" for value in matrix.ravel())
            + "\n"
        )
    (folder / "main.sn").write_text(PROGRAM)
    return folder / "main.sn"


@pytest.mark.parametrize("name", ENGINES.names())
def test_stopped_after_any_pass_it_ends_with_the_same_bits(name: str, main: Path, tmp_path: Path) -> None:
    program = read_program(main, port=io.StringIO())
    chosen = program.trainings.get("t")
    options = Options(out=tmp_path, engine=name)
    *_, whole = run(program, chosen, 1, options)
    assert isinstance(whole, RunFinished) and whole.completed and chosen.passes == 11
    left = [line.get("left") for line in open_run(whole.run).passes]
    assert left[0] is None and left[1] == left[2] and left[3]["weights"] < left[2]["weights"]
    for after in range(11):
        events = run(program, chosen, 1, options)
        while after and not (isinstance(event := next(events), PassFinished) and event.done.number == after):
            pass
        cut = next(events) if not after else None
        events.close()
        folder = cut.run if cut is not None else sorted(tmp_path.iterdir(), key=lambda f: f.stat().st_mtime_ns)[-1]
        assert open_run(folder).snapshot.number == after
        list(resume(folder))
        for file in ("weights.safetensors", "checkpoint.safetensors"):
            assert (folder / file).read_bytes() == (whole.run / file).read_bytes(), (after, file)
        assert [line.get("left") for line in open_run(folder).passes] == left
    assert f"h.bias/{KEPT_STATE}" in open_run(whole.run).snapshot.state
