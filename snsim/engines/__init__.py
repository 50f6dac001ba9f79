"""The backends that compute a plan: `ENGINES`, and `build` to make one. Each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

Constants = Mapping[str, float]  # options of the rule that stay what they are for as long as the engine is used
Maker = Callable[[Plan, Cost, UpdateRule, np.dtype, Constants], Engine]


class EngineKind:
    """A kind of engine: the function that makes one, and what tells the memory that it needs (`engines.memory`).

    A function alone may stand on the shelf too; then it is taken to need what the torch engine needs.
    """

    def __init__(self, make: Maker, memory: MemoryEstimate):
        self._make = make
        self.memory = memory
        update_wrapper(self, make)

    def __call__(self, plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
        return self._make(plan, cost, rule, dtype, constants)


def needing_memory(memory: MemoryEstimate) -> Callable[[Maker], EngineKind]:
    """Decorator: a function that makes an engine, with what tells the memory of one."""
    return lambda make: EngineKind(make, memory)


ENGINES: Shelf[Maker] = Shelf("engine", plugins="snsim.engines", plugin_type=Callable)  # type: ignore[arg-type]


@ENGINES.register("native")
@needing_memory(native_memory)
def _native(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """compiled for this processor, pattern by pattern, every update rule: the quickest."""
    engine: Engine = native_package().build(plan, cost, rule, dtype, constants)
    return engine


@ENGINES.register("reference")
@needing_memory(reference_memory)
def _reference(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """NumPy, from explicit connection tables, every update rule: says what is meant."""
    from snsim.engines.reference.engine import ReferenceEngine

    return ReferenceEngine(plan, cost, rule, dtype)


@ENGINES.register("torch")
@needing_memory(torch_memory)
def _torch(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """PyTorch, gradients by autograd, every update rule; quick in batches."""
    with needing("torch", what="the torch engine", instead="use the native or the reference engine"):
        from snsim.engines.torch.engine import TorchEngine
    return TorchEngine(plan, cost, rule, dtype)


def native_package() -> ModuleType:
    """The package of the native engine, which makes engines and prints their code; SnError without llvmlite."""
    with needing("llvmlite", what="the native engine", instead="use another engine: reference or torch"):
        return import_module("snsim.engines.native")


def build(
    name: str,
    plan: Plan,
    cost: Cost,
    rule: UpdateRule,
    dtype: np.dtype | type | str = np.float64,
    constants: Constants = MappingProxyType({}),
) -> Engine:
    """Return the engine of this name for a plan, a cost and an update rule, with all weights 0.

    Parameters
    ----------
    name : str
        "native", "reference", "torch", or an entry point of `snsim.engines`.
    plan, cost, rule
        What is computed.
    dtype
        float32 or float64.
    constants : mapping of str to float
        Options of the rule that no `Settings` will change; an engine may compile them in.

    Raises
    ------
    SnError
        For an unknown engine, one that is not installed, a rule that it does not have, another type.
    """
    if str(np.dtype(dtype)) not in ("float32", "float64"):
        raise fail(
            f"engines compute in float32 or float64, not {np.dtype(dtype)}",
            hint='write dtype="float32" or dtype="float64"',
        )
    return ENGINES.get(name)(plan, cost, rule, np.dtype(dtype), constants)


def estimate_memory(name: str, work: Workload) -> MemoryNeed:
    """The memory that the engine of this name needs; nothing is made. SnError for an unknown engine."""
    tells: MemoryEstimate = getattr(ENGINES.get(name), "memory", torch_memory)
    return tells(work)
