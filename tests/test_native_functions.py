"""The errors of the native engine's functions, in units in the last place, as docs/explanation/numbers.md states them.

`python tests/test_native_functions.py` measures them: at every 61st number of float32, and at 16 million numbers of
float64 with a size from 2^-30 to 2^10, evenly spaced in the order of their bits. NumPy computes in the next wider type.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="the native engine needs llvmlite")

from snsim.engines.native import jit
from snsim.engines.native.layout import aligned_block
from snsim.engines.native.llvm_ir import Index, Module, Value
from snsim.engines.native.net_code import ATTRIBUTES
from snsim.engines.native.target import Address, Machine, attributes, portable_machine
from snsim.engines.native.vector_math import VectorOperations
from snsim.network.expressions import LARGEST_EXPONENT

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "numbers.md"
SIZE = 1 << 16
NAMES = ("exp", "log", "tanh")
WIDER = {"float32": "float64", "float64": "longdouble"}
BITS = {"float32": np.uint32, "float64": np.uint64}
SIZES = {"float32": (0.0, np.inf), "float64": (2.0**-30, 2.0**10)}
EVERY = {"float32": 61, "float64": 23058430093}  # odd, to meet all last bits
MODES: dict[str, Callable[[str], Machine]] = {"native": jit.machine, "portable": portable_machine}


def compiled(machine: Machine, name: str) -> Callable[[np.ndarray], np.ndarray]:
    module = Module(machine, "test")
    f = module.function("run", [("ptr", "state"), ("ptr", "made")], name, exported=True)

    def body(i: Index, _: list[Value]) -> None:
        result = VectorOperations(f).table()[name](f.load(Address(0).by(i, machine.lanes)))
        f.store(result, Address(0, base="%made").by(i, machine.lanes))

    f.loop(SIZE // machine.lanes, body)
    code = jit.Code(str(module) + attributes(ATTRIBUTES), ("run",))
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address("run"))
    x, made = aligned_block(SIZE, machine.dtype), aligned_block(SIZE, machine.dtype)

    def on(values: np.ndarray) -> np.ndarray:
        x[: len(values)] = values
        call(x.ctypes.data, made.ctypes.data)
        assert code is not None  # the code lives as long as this function
        return made[: len(values)]

    return on


def arguments(name: str, dtype: str, every: int) -> Iterator[np.ndarray]:
    """Yield every `every`-th number of the type, in pieces, where the function is finite and not cut off."""
    low_bits, high_bits = (int(np.array(size, dtype).view(BITS[dtype])) for size in SIZES[dtype])
    for start in range(low_bits, high_bits, every * SIZE // 2):
        count = min(SIZE // 2, -(-(high_bits - start) // every))
        size = (np.arange(count, dtype=np.uint64) * np.uint64(every) + np.uint64(start)).astype(BITS[dtype]).view(dtype)
        x = np.concatenate([size, -size])
        low, high = {"exp": (-np.inf, LARGEST_EXPONENT[dtype]), "log": (0, np.inf)}.get(name, (-np.inf, np.inf))
        inside = x[(x > low) & (x < high)]
        if len(inside):
            yield inside


def largest_error(name: str, dtype: str, mode: str, every: int) -> float:
    """Return the largest error, in units in the last place of the exact value."""
    on, largest = compiled(MODES[mode](dtype), name), 0.0
    for x in arguments(name, dtype, every):
        with np.errstate(all="ignore"):
            exact = getattr(np, name)(x.astype(WIDER[dtype]))
            largest = max(largest, float((np.abs(on(x) - exact) / np.spacing(np.abs(exact).astype(dtype))).max()))
    return largest


def row(name: str, dtype: str) -> str:
    cells = [f"{np.ceil(10 * largest_error(name, dtype, mode, EVERY[dtype])) / 10:.1f}" for mode in MODES]
    return f"| {name} | {dtype} | {' | '.join(cells)} |"


def stated() -> dict[tuple[str, str, str], float]:
    """Return the largest error by (function, type, mode) from the table of the page."""
    rows = re.findall(r"^\| (\w+) \| (float\d\d) \| ([\d.]+) \| ([\d.]+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    found = {(name, dtype, mode): float(n) for name, dtype, *cells in rows for mode, n in zip(MODES, cells)}
    assert len(found) == len(NAMES) * len(WIDER) * len(MODES)
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", WIDER)
@pytest.mark.parametrize("name", NAMES)
def test_errors_are_at_most_those_of_the_table(name: str, dtype: str, mode: str) -> None:
    every = EVERY[dtype] * 101
    measured, most = largest_error(name, dtype, mode, every), stated()[name, dtype, mode]
    assert most / 2 < measured <= most  # the table does not overstate them by much


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_errors_are_those_of_the_table(name: str) -> None:
    """The portable mode has the same errors on every processor."""
    measured = largest_error(name, "float32", "portable", EVERY["float32"])
    assert np.ceil(10 * measured) / 10 == stated()[name, "float32", "portable"]


if __name__ == "__main__":
    for each in NAMES:
        for number_type in WIDER:
            print(row(each, number_type), flush=True)
