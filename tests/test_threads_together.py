"""Threads that learn a batch together: the bits of one thread for every kind of net, interrupts and failures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")

from random_nets import random_text
from test_native_batches import TEXTS, drawn, own_cache  # noqa: F401  (a fixture)

from snsim.engines.native import jit, threads
from snsim.engines.native.engine import NativeEngine
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Cost, Settings
from snsim.errors import Source
from snsim.program import read_program, shelves

NETS = {
    **TEXTS,
    # Rows of inputs in several parts, and errors through a layer whose units are shared.
    "large": "(layer input 2100) (layer a 300) (layer b 260) (layer c 130) (layer output 3) (connect input a (full)) "
    "(connect a b (full)) (connect b c (full)) (connect a c (full)) (connect c output (full))",
    # Lanes along maps, and along maps and positions; a coefficient for each map; a listed table of maps.
    "lanes": "(layer input (16 16)) (layer a (12 12 12)) (layer b (12 6 6)) (layer output 5) "
    "(connect input a (mask 5 5)) (connect a b (average-mask 2 2) (step 2)) (connect b output (full))",
    "packed": "(layer input (16 16)) (layer a (4 12 12)) (layer b (4 6 6)) (layer output 5) "
    "(connect input a (mask 5 5)) (connect a b (average-mask 2 2) (step 2)) (connect b output (full))",
    # The largest square of a window, the distance to prototypes.
    "pooled": "(layer input (8 8)) (layer a (5 6 6)) (layer b (5 3 3)) (layer output 4) (connect input a (mask 3 3)) "
    "(connect a b (max-mask 2 2) (step 2)) (connect b output (full) (distance))",
}
UPDATES = {"sgd": {"alpha": 0.4, "decay": 0.01}, "lm": {}}


@pytest.fixture(autouse=True)
def any_batch_is_worth_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_TOGETHER", 1)
    monkeypatch.setattr(threads, "_LEAST", 1)
    monkeypatch.setattr(threads, "_OWN_CORE", 0)  # even where they have no core each


def compiled(text: str) -> tuple[Plan, Cost]:
    name = text.split("(net ", 1)[1].split()[0]
    program = read_program(Source("<test>", f"{text}\n(train {name} (data digits) (epsilon 0.01) (passes 1))"))
    return plan(program.nets.get(name)), program.trainings.get(name).cost


def learned(
    made: Plan, cost: Cost, count: int, rule: str, dtype: str, batch: int, gated: bool = False
) -> tuple[dict[str, np.ndarray], int]:
    """The weights and states after two passes on some threads, and how many threads there were."""
    draw, update = np.random.default_rng(3), shelves().updates.get(rule).rule
    options = {**dict(update.options), **UPDATES[rule]}
    engine = NativeEngine(made, cost, update, dtype)
    engine.use_threads(count)
    weights = {p.name: draw.uniform(-0.3, 0.3, p.shape) for p in made.parameters.values() if p.learns}
    engine.load_parameters(weights)
    x, d = (draw.uniform(-1, 1, (91, units)).astype(dtype) for units in (made.input_units, made.output_units))
    how = Settings(dict.fromkeys(weights, 0.01), options, batch, True)
    for _ in range(2):
        engine.learn(x, d, how, drawn(made, 91) if gated else {})
    together = max(code.threads for code in engine._compiled.values())
    return {**engine.parameters(), **engine.state()}, together


def check_bits(text: str, rule: str, dtype: str, batch: int, gated: bool = False) -> None:
    """The same bits for 1, 2 and 3 threads, of which all learn together unless links share weights."""
    made, cost = compiled(text)
    one, _ = learned(made, cost, 1, rule, dtype, batch, gated)
    for count in (2, 3):
        several, together = learned(made, cost, count, rule, dtype, batch, gated)
        assert together == (1 if made.shared_slots else min(count, batch))
        for key, value in one.items():
            np.testing.assert_array_equal(several[key], value, err_msg=f"{key}, {count} threads")


@pytest.mark.parametrize(("rule", "dtype"), [("sgd", "float32"), ("lm", "float64")])
@pytest.mark.parametrize("name", NETS)
def test_threads_learn_the_bits_of_one_thread(name: str, rule: str, dtype: str) -> None:
    for batch, gated in ((37, False), (91, True)) if rule == "sgd" else ((5, False),):
        check_bits(f"(net n {NETS[name]})", rule, dtype, batch, gated)


@pytest.mark.slow
@settings(max_examples=12)
@given(
    st.integers(0, 1 << 32), st.sampled_from(["sgd", "lm"]), st.sampled_from(["float32", "float64"]), st.integers(2, 70)
)
def test_threads_learn_the_bits_of_one_thread_in_random_nets(seed: int, rule: str, dtype: str, batch: int) -> None:
    check_bits(random_text(seed), rule, dtype, batch)


@pytest.fixture
def engine() -> tuple[NativeEngine, Callable[[], None]]:
    """An engine on three threads, and a function that lets it learn two batches."""
    made, cost = compiled(f"(net n {NETS['dense']})")
    rule, draw = shelves().updates.get("sgd").rule, np.random.default_rng(3)
    native = NativeEngine(made, cost, rule, "float64")
    native.use_threads(3)
    native.load_parameters({p.name: draw.uniform(-0.3, 0.3, p.shape) for p in made.parameters.values()})
    how = Settings(dict.fromkeys(made.parameters, 0.01), dict(rule.options), 32, True)
    x, d = draw.uniform(-1, 1, (64, 70)), draw.uniform(-1, 1, (64, 3))
    return native, lambda: native.learn(x, d, how)


# ---- Cores that other processes use ----------------------------------------------------------------------------------


def test_threads_pause_where_they_have_no_core_each(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(threads, "_OWN_CORE", 0.8)
    monkeypatch.setattr(threads.time, "monotonic", lambda: now)
    cores = threads.Cores()
    for pause in (1, 2, 4, 8, 16, 32, 64, 64):
        cores.note(0.06, 0.06)
        assert cores.are_free  # a tenth of a second is watched
        cores.note(0.06, 0.01)
        for seconds in (0, pause - 0.5):
            now += seconds
            assert not cores.are_free
        now += 1
        assert cores.are_free
    cores.note(0.2, 0.18)
    cores.note(0.2, 0.1)
    now += 1.5  # a good time makes the next pause short
    assert cores.are_free


def test_an_engine_learns_on_one_thread_while_its_cores_are_not_free(
    engine: tuple[NativeEngine, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    native, learn = engine
    assert native._crew is not None
    monkeypatch.setattr(threads, "_OWN_CORE", 0.8)
    called = []
    native._crew.run_together = lambda *_: called.append(1)  # type: ignore[method-assign]
    learn()
    native._crew.cores.note(1.0, 0.1)
    before = native.parameters()
    learn()
    assert called == [1]
    assert all((native.parameters()[key] != value).any() for key, value in before.items())


# ---- Interrupts and failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_thread_that_fails_stops_the_others_before_anything_changes(
    engine: tuple[NativeEngine, Callable[[], None]],
    failing: int,
    error: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    native, learn = engine
    learn()
    before, run = native.parameters(), jit.ProcessHost.run

    def failing_run(self: jit.ProcessHost, code: jit.Code, name: str, *arguments: object) -> None:
        if arguments[-1] == failing:
            raise error
        run(self, code, name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(jit.ProcessHost, "run", failing_run)
        with pytest.raises(error):
            learn()
    for key, value in before.items():
        np.testing.assert_array_equal(native.parameters()[key], value)
    learn()
    assert all((native.parameters()[key] != value).any() for key, value in before.items())


def test_a_thread_that_cannot_start_stops_the_others(
    engine: tuple[NativeEngine, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    native, learn = engine
    before = native.parameters()
    started = []

    def start(self: threads.threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(self)
        begin(self)

    begin = threads.threading.Thread.start
    with monkeypatch.context() as patch:
        patch.setattr(threads.threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            learn()
    for key, value in before.items():
        np.testing.assert_array_equal(native.parameters()[key], value)


SCRIPT = """
import os, random, signal, sys
import numpy as np
from snsim.engines.native import build, threads
from snsim.engines.plan import plan
from snsim.engines.protocol import Settings
from snsim.errors import Source
from snsim.program import read_program, shelves
threads._TOGETHER, threads._OWN_CORE = 1, 0  # threads, even where they have no core each
program = read_program(Source("<test>", "(net n (layer input 70) (layer a 150) (layer output 3) "
    "(connect input a (full)) (connect a output (full))) (train n (data digits) (epsilon 0.01) (passes 1))"))
made, rule = plan(program.nets.get("n")), shelves().updates.get("sgd").rule
draw = np.random.default_rng(3)
weights = {p.name: draw.uniform(-0.3, 0.3, p.shape) for p in made.parameters.values()}
how = Settings(dict.fromkeys(weights, 0.01), dict(rule.options), 32, True)
x, d = draw.uniform(-1, 1, (32, 70)), draw.uniform(-1, 1, (32, 3))
def engine(count):
    native = build(made, program.trainings.get("n").cost, rule, "float64")
    native.use_threads(count)
    native.load_parameters(weights)
    return native
def bits(native):
    return b"".join(value.tobytes() for value in native.parameters().values())
"""
INTERRUPTS = """
def interrupt(number, frame):
    global stopped
    stopped = True
    raise KeyboardInterrupt  # which a callback may swallow
signal.signal(signal.SIGALRM, interrupt)
native, calls, interrupts = engine(2), 0, 60
native.learn(x, d, how)
for _ in range(interrupts):
    stopped = False
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4 + random.random() * 0.02)
        while not stopped:
            native.learn(x, d, how)
            calls += 1
    except KeyboardInterrupt:
        pass
single, known = engine(1), set()
for _ in range(calls + interrupts + 1):
    single.learn(x, d, how)
    known.add(bits(single))
assert calls > 0 and bits(native) in known, "a batch was learned in part"
"""
FORK = """
native = engine(2)
native.learn(x, d, how)
child = os.fork()
native.learn(x, d, how)
single = engine(1)
single.learn(x, d, how)
single.learn(x, d, how)
assert bits(native) == bits(single)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize(
    "text",
    [INTERRUPTS, FORK],
    ids=["interrupts", "fork"],
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="neither timers nor forks on this system")
def test_nothing_hangs(text: str, tmp_path: Path) -> None:
    """Interrupts at random moments come between batches, and a forked process makes threads of its own."""
    (tmp_path / "script.py").write_text(SCRIPT + text)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
