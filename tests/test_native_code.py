"""The code of the native engine: functions at their edges, sums of lanes, a cache that is never trusted, a text that
can be read."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")

from test_native import HALF_SQUARES, HERE, RULES, declared, own_cache, patterns, rule, small, weights

from snsim.engines.native import asm_text, build, ir_text, jit
from snsim.engines.native.layout import aligned_block
from snsim.engines.native.llvm_ir import Module
from snsim.engines.native.target import Address, attributes
from snsim.engines.native.vector_math import VectorOperations, sums_of
from snsim.engines.plan import Plan, plan
from snsim.errors import SnError

__all__ = ["own_cache", "small"]  # fixtures


# ---- Functions ---------------------------------------------------------------------------------------------------


def compiled(dtype: str, write) -> ctypes._CFuncPtr:
    """A function over 4096 numbers: `write(function, x)` gives the result for a vector."""
    machine = jit.machine(dtype)
    module = Module(machine, "test")
    f = module.function("run", [("ptr", "state"), ("ptr", "made")], "test", exported=True)

    def body(i, _) -> None:
        x = f.load(Address(0).by(i, machine.lanes))
        f.store(write(f, x), Address(0, base="%made").by(i, machine.lanes))

    f.loop(4096 // machine.lanes, body)
    code = jit.Code(str(module) + attributes({}), ("run",))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address("run"))

    def on(values: np.ndarray) -> np.ndarray:
        x, made = aligned_block(4096, np.dtype(dtype)), aligned_block(4096, np.dtype(dtype))
        x[: len(values)] = values
        call(x.ctypes.data, made.ctypes.data)
        assert code is not None  # the code lives as long as this function
        return made[: len(values)]

    return on


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_at_the_edges(dtype: str) -> None:
    """Infinities, zeros, what is not a number, denormal numbers: as NumPy has them, where exp does not stop."""
    tiny, large = float(np.finfo(dtype).smallest_subnormal) * 1000, float(np.finfo(dtype).max)
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, 1.0, -1.0, 1e4, -1e4, 0.3, large, -large], dtype)
    with np.errstate(all="ignore"):
        for name in ("log", "tanh", "sqrt"):
            np.testing.assert_allclose(
                compiled(dtype, lambda f, v: VectorOperations(f).table()[name](v))(x),  # noqa: B023
                getattr(np, name)(x),
                rtol=1e-6,
                err_msg=name,
            )
    grown = compiled(dtype, lambda f, v: VectorOperations(f).table()["exp"](v))(x)
    assert np.isfinite(grown[~np.isnan(x)]).all() and np.isnan(grown[4]) and grown[3] == 0 and grown[2] > 1e37
    low = np.array([{"float32": -90.0, "float64": -720.0}[dtype]], dtype)
    np.testing.assert_allclose(
        compiled(dtype, lambda f, v: VectorOperations(f).table()["exp"](v))(low), np.exp(low), rtol=1e-3
    )


@pytest.mark.parametrize("power", [2.0, 3.0, -2.0, 0.5, 1.7, 0.0, -0.5])
def test_powers(power: float) -> None:
    x = np.array([0.0, 0.5, 1.0, 2.0, 10.0, -2.0, np.nan, 1e-300])
    with np.errstate(all="ignore"):
        expected = np.power(x, power)
    np.testing.assert_allclose(
        compiled("float64", lambda f, v: VectorOperations(f).power(v, power))(x), expected, rtol=1e-12
    )
    both = compiled("float64", lambda f, v: VectorOperations(f).power(v, f.constant(power)))(x)
    np.testing.assert_allclose(both, expected, rtol=1e-12)


@pytest.mark.parametrize("count", [1, 3, 7, 16])
def test_sums_of_lanes(count: int) -> None:
    """Lane i has the sum of the lanes of vector i, however few vectors there are."""
    lanes = jit.machine("float64").lanes
    some = min(count, lanes)
    on = compiled("float64", lambda f, v: sums_of(f, [v * float(k + 1) for k in range(some)]))
    x = np.random.default_rng(5).integers(-8, 8, 4096).astype(float)
    sums = x.reshape(-1, lanes).sum(1)[:, None] * np.arange(1, some + 1)
    assert (on(x).reshape(-1, lanes)[:, :some] == sums).all()


# ---- The cache ---------------------------------------------------------------------------------------------------


def test_damaged_entries_are_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Plan) -> None:
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path))
    x, _ = patterns(small, 3)

    def outputs() -> np.ndarray:
        engine = build(small, HALF_SQUARES, rule("sgd"), "float64")
        engine.load_parameters(weights(small))
        return engine.outputs(x)

    expected = outputs()
    (entry,) = tmp_path.rglob("*.o")
    good = entry.read_bytes()
    for damaged in (good[: len(good) // 2], b"", good[:-1] + bytes([good[-1] ^ 1]), b"x" + good[1:]):
        entry.write_bytes(damaged)
        assert (outputs() == expected).all()
        assert entry.read_bytes() == good
    monkeypatch.setattr(jit, "_target_machine", lambda: pytest.fail("compiled again"))
    assert jit.read_checked(entry, jit._MARK, jit._MOST_BYTES) is not None
    monkeypatch.undo()
    monkeypatch.setenv("SNSIM_CACHE", str(entry))  # a file where a folder should be
    assert (outputs() == expected).all()


def test_two_processes_may_write_the_cache_at_once_and_torch_stays_out(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from test_native import *\n"
        "made = plan(declared(HERE.parent / 'nets' / 'lecun89.sn')['lecun89'])\n"
        "engine = build(made, HALF_SQUARES, rule('newton'), 'float32')\n"
        "engine.load_parameters(weights(made))\n"
        "x, d = patterns(made, 20)\n"
        "engine.learn(x, d, settings(made, rule('newton'), 0.001, **MOVING))\n"
        "print(float(engine.outputs(x).sum()), 'torch' in sys.modules)\n"
    )
    environment = {
        **os.environ,
        "SNSIM_CACHE": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(3)
    ]
    told = [process.communicate(timeout=300) for process in running]
    assert len({out for out, _ in told}) == 1, told
    assert told[0][0].endswith("False\n"), told
    assert not list(tmp_path.rglob("*.part")) and len(list(tmp_path.rglob("*.o"))) == 1


def test_what_llvm_refuses_is_said(small: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = build(small, HALF_SQUARES, rule("sgd"), "float64")
    monkeypatch.setattr(engine._net, "forward_module", lambda: "define broken")
    with pytest.raises(SnError, match="LLVM cannot compile this net for the processor .*: "):
        engine.outputs(patterns(small, 1)[0])


def test_keys_tell_programs_apart() -> None:
    made = plan(declared(HERE.parent / "nets" / "xor.sn")["xor"])
    texts = {ir_text(made, HALF_SQUARES, rule(by), dtype) for by in RULES for dtype in ("float32", "float64")}
    assert len({jit.object_key(text) for text in texts}) == len(texts) == 8


# ---- What is shown -----------------------------------------------------------------------------------------------


def test_the_text_names_the_layers() -> None:
    made = plan(declared(HERE.parent / "nets" / "lecun89.sn")["lecun89"])
    text = ir_text(made, HALF_SQUARES, rule("lm"))
    for layer in ("h1", "h2", "h3", "output"):
        assert f"; {layer}: sums and states" in text and f'@"{layer} forward"' in text
    assert f"<{jit.machine('float32').lanes} x float>" in text and "llvm.fmuladd" in text
    assert '"h1_h2.weight back"' in asm_text(made, HALF_SQUARES, rule("sgd"))
