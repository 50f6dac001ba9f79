"""The native engine with several patterns in memory: batches of any size against the reference, every way of grouping
with the same bits, and evaluation of many patterns as of one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")

from snsim.engines.native import jit
from snsim.engines.native.engine import NativeEngine
from snsim.engines.native.target import portable_machine
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Settings
from snsim.engines.reference.engine import ReferenceEngine
from snsim.errors import Source
from snsim.program import read_program, shelves

TEXTS = {
    # Long rows of inputs (two chunks of vectors), more units than errors are summed over at once (128).
    "dense": "(layer input 70) (layer hidden 150) (layer output 3) (connect input hidden (full)) "
    "(connect hidden output (full))",
    # Two links into one layer, two errors for one layer, a scale.
    "crossed": "(layer input 9) (layer a 21) (layer b 5) (layer output 6) (connect input a (full)) "
    "(connect a b (full)) (connect a output (full)) (connect b output (full) (scale 0.5))",
    # Windows with one position, after windows with many; maps in two groups; a border.
    "single": "(layer input (7 7)) (layer a (3 5 5)) (layer b (4 1 1)) (layer output 2) "
    "(connect input a (mask 3 3)) (connect a b (mask 5 5)) (connect b output (full))",
    # 40 * 40 * 25 = 40,000 shared weights, whose gradient is summed over the patterns of a group.
    "wide": "(layer input (6 6)) (layer a (40 6 6)) (layer b (40 2 2)) (layer output 2) "
    "(connect input a (mask 1 1)) (connect a b (mask 5 5)) (connect b output (full))",
    # Weights per position, over one map and several, with errors for a local layer.
    "local": "(layer input (8 8)) (layer a (3 6 6)) (layer b (2 3 3)) (layer output 2) (connect input a (local 3 3)) "
    "(connect a b (local 4 4)) (connect b output (full))",
    # Listed connections, one after the other, with a scale and with a source of two links.
    "listed": "(layer input 9) (layer a 7) (layer b 5) (layer output 2) "
    "(connect input a (pairs (0 1) (8 1) (3 1) (2 0) (4 6) (5 2) (1 3))) (connect a b (pairs (0 1) (3 1) (6 4)) "
    "(scale 0.5)) (connect a output (full)) (connect b output (full))",
    # Weights per position, listed connections, and weight-norm, which takes patterns one after the other.
    "mixed": "(layer input (6 6)) (layer a (2 4 4)) (layer b 5) (layer output 2) (connect input a (local 3 3)) "
    "(connect a b (full) (weight-norm)) (connect input b (pairs (0 1) (7 2) (30 4))) (connect b output (full))",
}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNSIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class OneByOne(jit.ProcessHost):
    """A host whose block has the cells of one pattern, as a page has."""

    groups = False


@cache
def net(name: str) -> tuple[Plan, object]:
    program = read_program(Source("<test>", f"(net n {TEXTS[name]}) (train n (data digits) (epsilon 0.01) (passes 1))"))
    return plan(program.nets.get("n")), program.trainings.get("n").cost


RULE = shelves().updates.get("sgd").rule
OPTIONS = {**dict(RULE.options), "alpha": 0.4, "decay": 0.01}


def patterns(made: Plan, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.uniform(-1, 1, (count, made.input_units)), rng.uniform(-1, 1, (count, made.output_units))


def weights(made: Plan) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        p.name: rng.uniform(0.1, 1, p.shape) * rng.choice([-1, 1], p.shape) / np.sqrt(p.fan_in.reshape(p.shape))
        for p in made.parameters.values()
        if p.learns
    }


def engine(name: str, host: jit.ProcessHost | None = None, dtype: str = "float64") -> NativeEngine:
    made, cost = net(name)
    native = NativeEngine(made, cost, RULE, dtype, host=host)
    native.load_parameters({key: value.astype(dtype) for key, value in weights(made).items()})
    return native


def how(made: Plan, batch: int, mean: bool) -> Settings:
    return Settings({key: 0.01 for key in weights(made)}, OPTIONS, batch, mean)


def drawn(made: Plan, count: int) -> dict[str, np.ndarray]:
    """Dropout of every layer between input and output."""
    rng = np.random.default_rng(6)
    return {stage.name: rng.integers(0, 2, (count, stage.units)) * 2.0 for stage in made.stages[:-1]}


@pytest.mark.parametrize("name", TEXTS)
def test_batches_of_any_size_learn_what_the_reference_learns(name: str) -> None:
    """Smaller and larger than a group, with a smaller last batch, sums and means, with dropout: 1e-12 in float64."""
    made, cost = net(name)
    native, reference = engine(name), ReferenceEngine(made, cost, RULE, "float64")
    assert 4 <= native.net_code.block.patterns < 70
    reference.load_parameters(weights(made))
    x, d = patterns(made, 83)
    for batch, mean in ((2, False), (5, True), (64, True), (70, False)):
        some = slice(0, 23 if batch < 64 else 83)
        gates = {key: rows[some] for key, rows in drawn(made, 83).items()} if batch == 5 else {}
        for one in (native, reference):
            one.learn(x[some], d[some], how(made, batch, mean), gates)
    for ours, theirs in ((native.parameters(), reference.parameters()), (native.state(), reference.state())):
        for key, value in theirs.items():
            np.testing.assert_allclose(ours[key], value, rtol=0, atol=1e-12 * max(1, np.abs(value).max()), err_msg=key)
    kind = "gauss-newton"
    for key, value in reference.curvature(x, d, kind).items():
        np.testing.assert_allclose(native.curvature(x, d, kind)[key], value, rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", TEXTS)
def test_portable_batches_have_the_same_bits_for_groups_of_any_size(name: str) -> None:
    """A page gathers pattern by pattern, and computes what a run with groups computes."""
    made, dtype = net(name)[0], "float32"
    x, d = (values.astype(dtype) for values in patterns(made, 75))
    engines = [engine(name, host(portable_machine(dtype)), dtype) for host in (jit.ProcessHost, OneByOne)]
    assert [one.net_code.block.patterns > 1 for one in engines] == [True, False]
    for one in engines:
        one.learn(x, d, how(made, 7, True))
        one.learn(x, d, how(made, 75, False))
    grouped, single = (one.parameters() for one in engines)
    for key, value in grouped.items():
        np.testing.assert_array_equal(single[key], value, err_msg=key)


@pytest.mark.parametrize("name", TEXTS)
def test_a_pattern_has_the_same_states_alone_and_among_others(name: str) -> None:
    made, _ = net(name)
    native = engine(name, dtype="float32")
    x = patterns(made, 67)[0].astype("float32")
    together, states = native.outputs(x), native.states(x)
    for k in (0, 1, 50, 66):
        np.testing.assert_array_equal(native.outputs(x[k : k + 1])[0], together[k])
        for layer, rows in native.states(x[k : k + 1]).items():
            np.testing.assert_array_equal(rows[0], states[layer][k], err_msg=layer)
