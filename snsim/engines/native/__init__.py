"""The native engine: LLVM IR generated from a plan and compiled for this processor. Needs llvmlite.

build       an engine                                   engine.py, jit.py
ir_text     the IR that it runs, with comments          net_code.py, kernel_choice.py and the kernels they choose
asm_text    the same as assembly
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from snsim.engines.native import jit
from snsim.engines.native.engine import NativeEngine
from snsim.engines.native.net_code import NetCode
from snsim.engines.native.target import page_machine, portable_machine
from snsim.engines.native.update_rules import CodeVariant
from snsim.engines.plan import Plan
from snsim.engines.protocol import Cost, UpdateRule

if TYPE_CHECKING:
    from snsim.engines.native.wasm import ModuleHost


def build(
    plan: Plan,
    cost: Cost,
    rule: UpdateRule,
    dtype: np.dtype | type | str = np.float32,
    options: Mapping[str, float] | None = None,
    portable: bool = False,
) -> NativeEngine:
    """Return an engine with all weights 0. `options` of the rule stay constant for the whole run.

    A portable engine computes the same bits on every processor: it uses vectors of 16 bytes and rounds every operation.
    """
    return NativeEngine(
        plan, cost, rule, dtype, options, jit.ProcessHost(portable_machine(dtype)) if portable else None
    )


def module_engine(
    plan: Plan,
    cost: Cost,
    rule: UpdateRule,
    dtype: np.dtype | type | str = np.float32,
    options: Mapping[str, float] | None = None,
) -> tuple[NativeEngine, ModuleHost]:
    """Return an engine that compiles to WebAssembly and runs nothing here, with its host.

    The host has the block and the tables to copy into a page; the code of the engine is the bytes of modules.
    """
    from snsim.engines.native.wasm import ModuleHost

    host = ModuleHost(page_machine(dtype))
    return NativeEngine(plan, cost, rule, dtype, options, host), host


def ir_text(
    plan: Plan,
    cost: Cost,
    rule: UpdateRule,
    dtype: np.dtype | type | str = np.float32,
    options: Mapping[str, float] | None = None,
    portable: bool = False,
) -> str:
    """Return the LLVM IR that learns pattern by pattern, where the rate of each parameter is one number, not an array.

    `options` are those of `build`; without them the defaults of the rule are used.
    """
    net = NetCode(plan, cost, portable_machine(dtype) if portable else jit.machine(dtype))
    constants = dict(rule.options) if options is None else options
    rates = tuple((name, "number") for name, p in plan.parameters.items() if p.learns)
    updates = net.updates(rule, CodeVariant(rates, tuple(sorted(constants.items()))))
    return net.learning_module(updates, updates.channels())


def asm_text(
    plan: Plan,
    cost: Cost,
    rule: UpdateRule,
    dtype: np.dtype | type | str = np.float32,
    options: Mapping[str, float] | None = None,
    portable: bool = False,
) -> str:
    """Return `ir_text` as assembly for this processor."""
    return jit.assembly(ir_text(plan, cost, rule, dtype, options, portable))
