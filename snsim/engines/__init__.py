"""The backends that compute a plan: `ENGINES`, and `build` to make one. Each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Callable, Mapping

import numpy as np

from snsim.engines.plan import Plan
from snsim.engines.protocol import Cost, Engine, UpdateRule
from snsim.errors import fail
from snsim.optional_packages import needing
from snsim.registry import Shelf

Constants = Mapping[str, float]  # options of the rule that stay what they are for as long as the engine is used
Maker = Callable[[Plan, Cost, UpdateRule, np.dtype, Constants], Engine]

ENGINES: Shelf[Maker] = Shelf("engine", plugins="snsim.engines")


@ENGINES.register("native")
def _native(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """compiled for this processor, pattern by pattern, every update rule: the quickest."""
    engine: Engine = native_package().build(plan, cost, rule, dtype, constants)
    return engine


@ENGINES.register("reference")
def _reference(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """NumPy, from explicit connection tables, every update rule: says what is meant."""
    from snsim.engines.reference.engine import ReferenceEngine

    return ReferenceEngine(plan, cost, rule, dtype)


@ENGINES.register("torch")
def _torch(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype, constants: Constants) -> Engine:
    """PyTorch, gradients by autograd, every update rule; quick in batches."""
    with needing("torch", what="the torch engine", instead="use the native or the reference engine"):
        from snsim.engines.torch.engine import TorchEngine
    return TorchEngine(plan, cost, rule, dtype)


def native_package() -> ModuleType:
    """The package of the native engine, which makes engines and prints their code; SnError without llvmlite."""
    with needing("llvmlite", what="the native engine", instead="use another engine: reference or torch"):
        return import_module("snsim.engines.native")


def build(name: str, plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype | type | str = np.float64,
          constants: Constants = MappingProxyType({})) -> Engine:
    """The engine of this name for a plan, a cost and an update rule, with all weights 0.

    `constants` are options of the rule that no `Settings` will change; an engine may compile them in.
    SnError for an unknown engine, one that is not installed, a rule it does not have, a type other than float32 and
    float64.
    """
    if str(np.dtype(dtype)) not in ("float32", "float64"):
        raise fail(f"engines compute in float32 or float64, not {np.dtype(dtype)}")
    return ENGINES.get(name)(plan, cost, rule, np.dtype(dtype), constants)
