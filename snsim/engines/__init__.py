"""Choose and build the engine that computes a plan. A new engine is a folder here and a function in this file.

Each engine is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from importlib import import_module
from types import MappingProxyType, ModuleType

import numpy as np

from snsim.engines.memory import (
    MemoryEstimate,
    MemoryNeed,
    Workload,
    native_memory,
    reference_memory,
    torch_memory,
)
from snsim.engines.plan import Plan
from snsim.engines.protocol import Cost, Engine, UpdateRule
from snsim.errors import fail
from snsim.optional_packages import needing
from snsim.registry import Shelf

Constants = Mapping[str, float]  # options of the rule that stay constant for the life of the engine
Maker = Callable[[Plan, Cost, UpdateRule, np.dtype, Constants], Engine]


class EngineKind:
    """A kind of engine: the function that builds one, and the function that estimates its memory.

    `make_portable` builds an engine that computes the same bits on every processor; None if there is none.

    A plug-in may register a function alone. Its memory is then estimated as that of the torch engine.
    """

    def __init__(self, make: Maker, memory: MemoryEstimate, make_portable: Maker | None = None):
        self._make = make
        self.memory = memory
        self.make_portable = make_portable
        update_wrapper(self, make)

    def __call__(self, plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
        return self._make(plan, cost, rule, dtype, constants)


def needing_memory(memory: MemoryEstimate, make_portable: Maker | None = None) -> Callable[[Maker], EngineKind]:
    """Return a decorator that pairs a function that builds an engine with its memory estimate."""
    return lambda make: EngineKind(make, memory, make_portable)


PATTERNS_TOGETHER = 256  # that each of several nets notes before all of them learn, see `build_together`
ENGINES: Shelf[Maker] = Shelf("engine", plugins="snsim.engines", plugin_type=Callable)  # type: ignore[arg-type]


def _portable_native(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    engine: Engine = native_package().build(plan, cost, rule, dtype, constants, portable=True)
    return engine


def _build_wasm(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    native_package()
    with needing("wasmtime", what="the wasm engine", instead="write --engine native --portable for the same bits"):
        from snsim.engines.native.wasmtime_host import WasmEngine
    return WasmEngine(plan, cost, rule, dtype, constants)


@ENGINES.register("native")
@needing_memory(native_memory, _portable_native)
def _native(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """compiled for this processor, pattern by pattern, every update rule: the fastest."""
    engine: Engine = native_package().build(plan, cost, rule, dtype, constants)
    return engine


@ENGINES.register("reference")
@needing_memory(reference_memory)
def _reference(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """NumPy, from explicit connection tables, every update rule: slow, and defines the results."""
    from snsim.engines.reference.engine import ReferenceEngine

    return ReferenceEngine(plan, cost, rule, dtype)


@ENGINES.register("torch")
@needing_memory(torch_memory)
def _torch(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """PyTorch, gradients by autograd, every update rule: fast in batches."""
    with needing("torch", what="the torch engine", instead="use the native or the reference engine"):
        from snsim.engines.torch.engine import TorchEngine
    return TorchEngine(plan, cost, rule, dtype)


@ENGINES.register("wasm")
@needing_memory(native_memory, _build_wasm)
def _wasm(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """WebAssembly, as a page runs it, every update rule: the same bits as the native engine with --portable."""
    return _build_wasm(plan, cost, rule, dtype, constants)


def build_together(
    plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, count: int, device: str | None
) -> Sequence[Engine]:
    """Return engines for `count` nets that learn at the same time by PyTorch, with all weights 0.

    `learn` of one only notes its patterns. All of them learn when the weights or outputs of one are asked for.
    SnError if torch is not installed, or for an unknown device.
    """
    with needing("torch", what="--together", instead="leave --together out: each net learns alone"):
        from snsim.engines.torch.together import NetsTogether
    return NetsTogether(plan, cost, rule, dtype, count, PATTERNS_TOGETHER, device).nets


def native_package() -> ModuleType:
    """Return the package `snsim.engines.native`. SnError if llvmlite is not installed."""
    with needing("llvmlite", what="the native engine", instead="use another engine: reference or torch"):
        return import_module("snsim.engines.native")


def build(
    name: str,
    plan: Plan,
    cost: Cost,
    rule: UpdateRule,
    dtype: np.dtype | type | str = np.float64,
    constants: Constants = MappingProxyType({}),
    portable: bool = False,
) -> Engine:
    """Return the engine of this name for a plan, a cost and an update rule, with all weights 0.

    Parameters
    ----------
    name : str
        "native", "reference", "torch", or the name of an entry point of the group `snsim.engines`.
    plan : Plan
        The layers, connections and parameters to compute.
    cost : Cost
        The cost to minimise.
    rule : UpdateRule
        The update of one weight.
    dtype
        float32 or float64.
    constants : mapping of str to float
        Options of the rule that stay constant for the life of the engine. An engine may compile them in.
    portable : bool
        Whether the engine must compute the same bits on every processor.

    Raises
    ------
    SnError
        If the engine is unknown or not installed, if it does not compute this rule, for another dtype, or if it is not
        portable and must be.
    """
    if str(np.dtype(dtype)) not in ("float32", "float64"):
        raise fail(
            f"engines compute in float32 or float64, not {np.dtype(dtype)}",
            hint='write dtype="float32" or dtype="float64"',
        )
    make = ENGINES.get(name)
    if portable:
        make_portable: Maker | None = getattr(make, "make_portable", None)
        if make_portable is None:
            raise fail(
                f"the {name} engine may compute other bits on another processor: it is not portable",
                hint="write --engine native --portable, or leave --portable out",
            )
        make = make_portable
    return make(plan, cost, rule, np.dtype(dtype), constants)


def estimate_memory(name: str, work: Workload) -> MemoryNeed:
    """Return the memory that an engine needs, without building it. SnError for an unknown engine."""
    estimate: MemoryEstimate = getattr(ENGINES.get(name), "memory", torch_memory)
    return estimate(work)
