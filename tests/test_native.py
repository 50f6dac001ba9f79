"""The native engine learns what the reference learns: on every net and on random ones, for every rule, with settings
that change; the same bits twice and in two threads."""

from __future__ import annotations

import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from random_nets import random_net

pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")

from snsim.engines.native import build, jit
from snsim.engines.native.target import Machine
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import NO_GATES, Cost, Settings, UpdateRule
from snsim.engines.reference.engine import ReferenceEngine
from snsim.errors import SnError, Source
from snsim.network.expressions import apply, differentiate, number, variable
from snsim.network.unrolled import unroll
from snsim.program import read_program, shelves

HERE = Path(__file__).parent
FILES = sorted([*(HERE.parent / "nets").glob("*.sn"), *(HERE / "nets").glob("*.sn")])
RULES = ("sgd", "lm", "newton", "adamw")
MOVING = {"alpha": 0.4, "decay": 0.01}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNSIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@cache
def declared(path: Path) -> dict:
    """The nets of a file by name; of one with delays that which engines get, unrolled over two steps."""
    nets = [entry.value for entry in read_program(path).nets.own()]
    return {net.name: unroll(net, 2).net if net.delayed else net for net in nets}


EVERY_NET = [pytest.param(path, name, id=f"{path.stem}:{name}") for path in FILES for name in declared(path)]


def read_program_text(text: str):
    return read_program(Source("<test>", text))


def rule(name: str) -> UpdateRule:
    return shelves().updates.get(name).rule


def cost(e) -> Cost:
    de = differentiate(e, "x")
    return Cost("cost", e, de, differentiate(de, "x"))


X, D = variable("x"), variable("d")
HALF_SQUARES = cost(apply("*", number(0.5), apply("**", apply("-", X, D), number(2))))
THRESHOLD = cost(
    apply("if", apply("if", apply(">", D, number(0)), apply(">", X, D), apply("<", X, D)), number(0), HALF_SQUARES.e)
)
CURVED = cost(apply("/", apply("+", apply("tanh", apply("*", X, X)), apply("exp", apply("*", D, X))), variable("n")))
SOFTMAX = Cost("cross-entropy", None, None, None, softmax=True)
MAP = Cost("map", None, None, None, softmax=True, rubbish=-0.5)


def options(of: UpdateRule, **stated: float) -> dict[str, float]:
    """The defaults of the rule but for those stated; adamw with a `delta` that does not magnify rounding."""
    made = {**dict(of.options), **({"delta": 1e-3} if of.name == "adamw" else {})}
    return {**made, **{name: value for name, value in stated.items() if name in made}}


def patterns(made: Plan, count: int, dtype: str = "float64", seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, d = rng.uniform(-1, 1, (count, made.input_units)), rng.uniform(-1, 1, (count, made.output_units))
    return x.astype(dtype), d.astype(dtype)


def weights(made: Plan, dtype: str = "float64", seed: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        p.name: (rng.uniform(-1, 1, p.shape) * 2 / np.sqrt(p.fan_in.reshape(p.shape))).astype(dtype)
        for p in made.parameters.values()
        if p.learns
    }


def settings(made: Plan, of: UpdateRule, rate: float = 0.01, batch: int = 1, mean: bool = False, **stated) -> Settings:
    rates = {p.name: rate for p in made.parameters.values() if p.learns}
    return Settings(rates, options(of, **stated), batch, mean)


def gates(made: Plan, count: int) -> dict[str, np.ndarray]:
    """Dropout of the layers before the output."""
    rng = np.random.default_rng(6)
    return {stage.name: rng.integers(0, 2, (count, stage.units)) * 2.0 for stage in made.stages[:-1]}


def pair(made: Plan, of: Cost, by: UpdateRule, dtype: str = "float64", constants: dict | None = None):
    """A native engine and the reference with the same weights."""
    both = build(made, of, by, dtype, constants), ReferenceEngine(made, of, by, dtype)
    for engine in both:
        engine.load_parameters(weights(made, dtype))
    return both


def close(a: dict, b: dict, tolerance: float) -> None:
    """Equal up to `tolerance` times the greatest value, or 1."""
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(
            a[name], b[name], rtol=0, atol=tolerance * max(1.0, np.abs(b[name]).max()), err_msg=name
        )


# ---- Agreement with the reference --------------------------------------------------------------------------------


# Nets whose outputs are linear or squares, and large: an exponential of them, or a long step, magnifies rounding.
LARGE_OUTPUTS = {"micro-vit": 0.002, "lenet-5-rbf": 1e-6}  # and a rate that does not


@pytest.mark.parametrize(("path", "name"), EVERY_NET)
def test_every_net_after_100_presentations(path: Path, name: str) -> None:
    """As its training would have it: pattern by pattern, 1e-12 in float64 and 1e-5 in float32."""
    made = plan(declared(path)[name])
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        engine, reference = pair(made, HALF_SQUARES, rule("sgd"), dtype, options(rule("sgd")))
        x, d = patterns(made, 100, dtype)
        before = engine.parameters()
        for one in (engine, reference):
            one.learn(x, d, settings(made, rule("sgd"), rate=LARGE_OUTPUTS.get(name, 0.002)))
        after = engine.parameters()
        close(after, reference.parameters(), tolerance)
        assert any((after[p] != before[p]).any() for p in after)
        close({"outputs": engine.outputs(x)}, {"outputs": reference.outputs(x)}, tolerance)


def test_one_pass_of_the_net_of_2022() -> None:
    """7,291 presentations at its rate, one after the other: the loss agrees to 1e-5."""
    training = read_program(HERE.parent / "nets" / "lecun89-2022.sn").trainings.get("lecun89-2022")
    made, by = plan(training.net), rule("sgd")
    rng = np.random.default_rng(7)
    label = rng.integers(0, 10, 7291)
    x = (0.6 * rng.uniform(-1, 1, (10, 256))[label] + 0.4 * rng.uniform(-1, 1, (7291, 256))).astype("float32")
    d = np.where(label[:, None] == np.arange(10), 1, -1).astype("float32")
    engine, reference = pair(made, training.cost, by, "float32", options(by))
    losses = []
    for one in (engine, reference):
        one.learn(x, d, settings(made, by, 0.03))
        losses.append(float(((one.outputs(x[:1000]) - d[:1000]) ** 2).mean()))
    assert abs(losses[0] / losses[1] - 1) < 1e-5 and losses[1] < 0.1


def rules_of_nets() -> list[Any]:
    """Every rule with every net; all rules but one are slow, but for nets with every scheme."""
    first = [path for path in FILES if path.stem in ("lecun89", "transforms", "windows", "tdnn")]
    return [
        pytest.param(
            path,
            name,
            by,
            id=f"{by}-{path.stem}:{name}",
            marks=() if path in first or number % len(RULES) == turn else pytest.mark.slow,
        )
        for number, (path, name) in enumerate((path, name) for path in FILES for name in declared(path))
        for turn, by in enumerate(RULES)
    ]


@pytest.mark.parametrize(("path", "name", "by"), rules_of_nets())
def test_every_rule_on_every_net(path: Path, name: str, by: str) -> None:
    made = plan(declared(path)[name])
    if made.net.counts.connections > 50_000 and by != "lm":
        pytest.skip("large; its windows are tried with lm and in smaller nets")
    engine, reference = pair(made, HALF_SQUARES if name in LARGE_OUTPUTS else CURVED, rule(by))
    x, d = patterns(made, 6)
    for one in (engine, reference):
        one.learn(x, d, settings(made, rule(by), rate=0.001, **MOVING))
    more = 100 if name in LARGE_OUTPUTS else 1
    close(engine.parameters(), reference.parameters(), more * 1e-10)
    close(engine.state(), reference.state(), more * 1e-9)
    close(engine.states(x), reference.states(x), more * 1e-10)


@pytest.mark.parametrize("count", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_random_nets(count: int) -> None:
    """Random structure, rule, cost and batch."""

    @given(seed=st.integers(0, 10**6))
    @hypothesis_settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def agree(seed: int) -> None:
        assert_a_random_net_agrees(seed)

    agree()


def assert_a_random_net_agrees(seed: int) -> None:
    made = plan(random_net(seed))
    by, of = rule(RULES[seed % 4]), (HALF_SQUARES, CURVED, THRESHOLD, SOFTMAX, MAP)[seed // 4 % 5]
    engine, reference = pair(made, of, by, constants=options(by) if seed % 3 == 0 else None)
    x, d = patterns(made, 7)
    chosen = settings(
        made, by, 0.003, batch=(1, 1, 3)[seed // 16 % 3], mean=seed % 2 == 0, **({} if seed % 3 == 0 else MOVING)
    )
    for one in (engine, reference):
        one.learn(x, np.abs(d), chosen, gates(made, len(x)) if seed % 5 == 0 else NO_GATES)
    close(engine.parameters(), reference.parameters(), 1e-9)
    close(engine.states(x), reference.states(x), 1e-9)
    for kind in ("gauss-newton", "full"):
        there = reference.curvature(x, d, kind)
        # Some are exactly 0, as that of a direction with one number: the engine has the rounding of its terms there.
        least = 1e-4 * max(1.0, *(float(np.abs(h).max()) for h in there.values()))
        scale = {name: max(float(np.abs(h).max()), least) for name, h in there.items()}
        here = engine.curvature(x, d, kind)
        close({n: here[n] / scale[n] for n in here}, {n: there[n] / scale[n] for n in there}, 1e-8)


@pytest.mark.parametrize(("lanes", "registers"), [(2, 16), (4, 16), (4, 32), (8, 16), (16, 32)])
def test_other_processors(lanes: int, registers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code for vectors of any size gives the same; seeds with windows, frames, pooling and tables among them."""
    monkeypatch.setattr(jit, "machine", lambda dtype: Machine(np.dtype(dtype), lanes, registers))
    lecun89 = declared(HERE.parent / "nets" / "lecun89.sn")["lecun89"]
    for made in map(plan, (lecun89, random_net(3), random_net(8))):
        engine, reference = pair(made, HALF_SQUARES, rule("lm"))
        x, d = patterns(made, 3)
        for one in (engine, reference):
            one.learn(x, d, settings(made, rule("lm"), 0.001))
        close(engine.parameters(), reference.parameters(), 1e-11)


WIDE = """
(table blocks ,(blocks 40 6 2 1))
(net rows (layer input (3 70)) (layer a (1 5 70)) (layer b (2 4 66)) (layer c (3 3 61)) (layer output 2)
  (connect input a (mask 3 5) (border 2 0.5)) (connect a b (mask 2 5)) (connect b c (mask 2 6))
  (connect c output (full)))
(net deep (layer input (4 4)) (layer a (40 4 4)) (layer b (6 4 4)) (layer c (36 2 2) (bias map)) (layer output 50)
  (connect input a (mask 3 3) (border 1 -1)) (connect a b (mask 3 3) (border 1 wrap) (table blocks))
  (connect b c (local 2 2) (step 2)) (connect a c (equal-mask 2 2) (step 2)) (connect c output (full)))
(net frames (layer input (30 17)) (layer a (26 20)) (layer b (12 5) (bias column)) (layer output 300)
  (connect input a (tdnn 5)) (connect a b (tdnn 3) (step 2)) (connect b output (full)))
(net units (layer input 200) (layer a 200) (layer output (2 10 10)) (connect input a (one-to-one))
  (connect a output (full) (scale 0.3)))
"""


@pytest.mark.parametrize("name", ["rows", "deep", "frames", "units"])
def test_many_columns_maps_traits_and_units(name: str) -> None:
    """More of each than a vector or a block of registers holds."""
    made = plan(read_program_text(WIDE).nets.get(name))
    for by in ("sgd", "newton"):
        engine, reference = pair(made, CURVED, rule(by))
        x, d = patterns(made, 4)
        for one in (engine, reference):
            one.learn(x, d, settings(made, rule(by), 0.001))
        close(engine.parameters(), reference.parameters(), 1e-11)
        close(engine.states(x), reference.states(x), 1e-11)


# ---- Settings ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> Plan:
    return plan(declared(HERE / "nets" / "windows.sn")["rectangular"])


def test_settings_may_change_from_pass_to_pass(small: Plan) -> None:
    """Numbers, arrays, a frozen layer, batches, options: one after the other on one engine."""
    by = rule("lm")
    engine, reference = pair(small, HALF_SQUARES, by)
    x, d = patterns(small, 10)
    rng = np.random.default_rng(3)
    spread = {p.name: rng.uniform(0, 0.01, p.shape) for p in small.parameters.values() if p.learns}
    one_rate = settings(small, by, 0.01)
    held = reference.curvature(x, d, "gauss-newton")
    frozen = {**one_rate.rates, "input_h.weight": 0.0, "h.bias": np.zeros(small.parameters["h.bias"].shape)}
    for chosen in (
        one_rate,
        Settings(spread, options(by)),
        Settings(frozen, options(by, alpha=0.5)),
        Settings(one_rate.rates, options(by, decay=0.1, gamma=0.2), batch=4, batch_mean=True),
        Settings(spread, options(by), batch=4),
        Settings(one_rate.rates, options(by, gamma=1), 1, False, held),
        Settings(spread, options(by, gamma=1), 3, True, held),
        one_rate,
    ):
        for one in (engine, reference):
            one.learn(x, d, chosen)
        close(engine.parameters(), reference.parameters(), 1e-11)
        close(engine.state(), reference.state(), 1e-11)


@pytest.mark.parametrize(("by", "batch"), [("newton", 1), ("sgd", 3)])
def test_gates(small: Plan, by: str, batch: int) -> None:
    """Dropout: states and derivatives times the gate while learning, and nowhere else."""
    engine, reference = pair(small, CURVED, rule(by))
    x, d = patterns(small, 8)
    chosen = settings(small, rule(by), 0.003, batch)
    for drawn in (gates(small, 8), NO_GATES, {"h": gates(small, 8)["h"]}):
        for one in (engine, reference):
            one.learn(x, d, chosen, drawn)
        close(engine.parameters(), reference.parameters(), 1e-11)
        close(engine.states(x), reference.states(x), 1e-11)


def test_rate_0_freezes_and_needs_no_way_back(small: Plan) -> None:
    by = rule("sgd")
    engine, reference = pair(small, HALF_SQUARES, by, constants=options(by))
    rates = {name: 0.01 if name.startswith(("output", "k-output")) else 0.0 for name in weights(small)}
    x, d = patterns(small, 5)
    for one in (engine, reference):
        one.learn(x, d, Settings(rates, options(by)))
    close(engine.parameters(), reference.parameters(), 1e-13)
    for name, before in weights(small).items():
        assert (engine.parameters()[name] != before).any() == (rates[name] > 0)


def test_constant_options_are_held_to(small: Plan) -> None:
    engine = build(small, HALF_SQUARES, rule("sgd"), "float64", options(rule("sgd")))
    x, d = patterns(small, 2)
    with pytest.raises(SnError, match="alpha of sgd was compiled in as 0, not 0.5"):
        engine.learn(x, d, settings(small, rule("sgd"), alpha=0.5))


@pytest.mark.parametrize("by", RULES)
def test_going_on_from_a_snapshot_gives_the_same_bits(small: Plan, by: str) -> None:
    x, d = patterns(small, 12, "float32")
    chosen = settings(small, rule(by), 0.01, **MOVING)
    whole, first, second = (build(small, HALF_SQUARES, rule(by), "float32") for _ in range(3))
    for engine in (whole, first):
        engine.load_parameters(weights(small))
    whole.learn(x, d, chosen)
    first.learn(x[:5], d[:5], chosen)
    second.load_parameters(first.parameters())
    second.load_state(first.state())
    second.learn(x[5:], d[5:], chosen)
    for kind in ("parameters", "state"):
        there = getattr(whole, kind)()
        assert all((there[name] == array).all() for name, array in getattr(second, kind)().items())


def test_a_rule_of_the_users_own(small: Plan) -> None:
    """Several assignments at once, a state that nothing reads, powers of n, a choice."""
    program = read_program_text("""(define-update odd ((p 0.7) (q 2)) (a b unread)
      (setq a b b (+ (* p a) g) unread (exp w))
      (setq w (- w (* rate (if (> (abs b) q) (sgn b) (+ a b)) (/ 1 (+ 1 (* 0.1 (** n 0.5))))))))""")
    by = program.updates.get("odd").rule
    engine, reference = pair(small, HALF_SQUARES, by, constants={"q": 2.0})
    x, d = patterns(small, 9)
    for one in (engine, reference):
        one.learn(x, d, settings(small, by, 0.002))
    close(engine.parameters(), reference.parameters(), 1e-12)


def test_wrong_patterns_and_wrong_names(small: Plan) -> None:
    engine = build(small, HALF_SQUARES, rule("sgd"))
    x, d = patterns(small, 3)
    for call in (
        lambda: engine.outputs(x[:, 1:]),
        lambda: engine.learn(x, d[1:], settings(small, rule("sgd"))),
        lambda: engine.load_parameters({"nothing": x}),
        lambda: engine.curvature(x, d, "whole"),
        lambda: engine.curvature(x[:0], d[:0], "full"),
    ):
        with pytest.raises(SnError):
            call()
    assert engine.outputs(x[:0]).shape == (0, small.output_units)


# ---- The same bits -----------------------------------------------------------------------------------------------


def test_the_same_bits_twice_and_in_two_threads() -> None:
    made = plan(declared(HERE.parent / "nets" / "lecun89.sn")["lecun89"])
    x, d = patterns(made, 200, "float32")

    def run(results: list) -> None:
        engine = build(made, HALF_SQUARES, rule("lm"), "float32")
        engine.load_parameters(weights(made))
        engine.learn(x, d, settings(made, rule("lm"), 0.0005))
        results.append(np.concatenate([p.ravel() for p in engine.parameters().values()]))

    found: list[np.ndarray] = []
    run(found)
    run(found)
    threads = [threading.Thread(target=run, args=(found,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all((found[0] == other).all() for other in found[1:])


def test_python_goes_on_while_the_engine_learns_and_evaluates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of Python is free while compiled code runs. Here no thread gives it up because its turn is over."""
    made = plan(declared(HERE.parent / "nets" / "lecun89.sn")["lecun89"])
    x, d = patterns(made, 2000, "float32")
    engine = build(made, HALF_SQUARES, rule("sgd"), "float32")
    engine.learn(x[:1], d[:1], settings(made, rule("sgd")))
    run, begun, ended = jit.ProcessHost.run, threading.Event(), threading.Event()

    def watched(self, code, name, *arguments) -> None:
        begun.set()
        run(self, code, name, *arguments)
        ended.set()

    def goes_on(call) -> bool:
        """Whether this thread had a turn between the begin and the end of the first run of compiled code."""
        begun.clear()
        ended.clear()
        thread = threading.Thread(target=call)
        thread.start()
        begun.wait()
        before_its_end = not ended.is_set()
        thread.join()
        return before_its_end

    monkeypatch.setattr(jit.ProcessHost, "run", watched)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        for call in (lambda: engine.learn(x, d, settings(made, rule("sgd"))), lambda: engine.outputs(x)):
            # Once is enough; more than one attempt is needed only where the system gives this thread no processor.
            assert any(goes_on(call) for _ in range(100))
    finally:
        sys.setswitchinterval(interval)


def test_interrupted_batch_leaves_no_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is gathered in pieces; one that is broken off between them counts for nothing afterwards."""
    from snsim.engines.native import engine as native

    made = plan(declared(HERE.parent / "nets" / "net-5.sn")["net-5"])
    x, d = patterns(made, 150)  # more than are in memory at once
    by = rule("sgd")
    whole, broken = (build(made, HALF_SQUARES, by, "float64") for _ in range(2))
    for engine in (whole, broken):
        engine.load_parameters(weights(made))
    whole.learn(x, d, settings(made, by, batch=150))

    monkeypatch.setattr(native, "_PIECE", 50)
    run, calls = jit.ProcessHost.run, []

    def interrupted(self, code, name, *arguments):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        run(self, code, name, *arguments)

    monkeypatch.setattr(jit.ProcessHost, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        broken.learn(x, d, settings(made, by, batch=150))
    broken.learn(x, d, settings(made, by, batch=150))
    assert calls == ["gather"] * (3 + 3) + ["apply"]
    close(broken.parameters(), whole.parameters(), 1e-14)
