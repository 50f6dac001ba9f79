"""Compile the forward pass of a net to an object file for this or another machine.

The code is for any processor of the architecture: vectors of 16 bytes and no feature beyond its baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import llvmlite.binding as llvm
import numpy as np

from snsim.engines.native.layout import aligned_block
from snsim.engines.native.net_code import NetCode
from snsim.engines.native.target import Machine
from snsim.engines.plan import Plan
from snsim.engines.protocol import Cost
from snsim.errors import fail

_EXAMPLES = "x86_64-linux-gnu, aarch64-linux-gnu, riscv64-linux-gnu, arm64-apple-darwin, x86_64-pc-windows-msvc"


@dataclass(frozen=True, eq=False)
class ForwardObject:
    """An object file with one function `NAME(state, tables, inputs, outputs, patterns)`, and its arguments.

    Attributes
    ----------
    image : bytes
    state : array
        The block of numbers with the weights in it. It must start on a multiple of 64 bytes; the function writes to it.
    tables : int32 array
    unit_of_cell : int32 array
        The input unit that each number of a row of `inputs` holds.
    cell_of_unit : int32 array
        The place of each output unit in a row of `outputs`.
    carried_cells : int32 array
        For a net with delays the place in `state` of each unit of the next context, after a step; else empty.
    big_endian : bool
    """

    image: bytes
    state: np.ndarray
    tables: np.ndarray
    unit_of_cell: np.ndarray
    cell_of_unit: np.ndarray
    carried_cells: np.ndarray
    big_endian: bool


def host_triple() -> str:
    """Return the target triple of this process."""
    triple: str = llvm.get_process_triple()
    return triple


def forward_object(
    plan: Plan, cost: Cost, weights: Mapping[str, np.ndarray], dtype: np.dtype | type | str, triple: str, name: str
) -> ForwardObject:
    """Return the object that computes a net with these weights (of every parameter that learns).

    SnError if LLVM knows no such target, or cannot compile the net for it.
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
        machine = target.create_target_machine(opt=2, reloc="pic", codemodel="default")
    except RuntimeError:
        raise fail(
            f'LLVM knows no target "{triple}"', hint=f"write --target with a target triple, such as {_EXAMPLES}"
        ) from None
    number = np.dtype(dtype)
    registers = 32 if triple.startswith(("aarch64", "arm64", "riscv")) else 16
    net = NetCode(replace(plan, carried=()), cost, Machine(number, 16 // number.itemsize, registers))
    text = net.forward_module()
    try:
        module = llvm.parse_assembly(text)
        module.triple, module.data_layout = triple, str(machine.target_data)
        module.get_function("evaluate").name = name
        module.get_function("states").linkage = "internal"
        module.verify()
        image = machine.emit_object(module)
    except RuntimeError as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise fail(
            f"LLVM cannot compile this net for {triple}: {reason}", hint=f"name another target, such as {_EXAMPLES}"
        ) from None
    return ForwardObject(
        image,
        _filled_state(net, plan, weights, number),
        net.tables.joined(),
        net.inputs.unit_of_cell.astype(np.int32),
        net.layers[-1].cell_of_unit.astype(np.int32),
        np.concatenate(
            [
                np.zeros(0),
                *(net.block.offset(cells.x) + cells.cell_of_unit for cells in (net.layers[k] for k, _ in plan.carried)),
            ]
        ).astype(np.int32),
        str(machine.target_data).startswith("E"),
    )


def _filled_state(net: NetCode, plan: Plan, weights: Mapping[str, np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Return the block with everything that is constant, and the weights."""
    state = aligned_block(net.block.size, dtype)
    for place, numbers in net.block.fills:
        state[place.offset : place.offset + len(numbers)] = numbers
    for name, parameter in plan.parameters.items():
        values = weights[name] if parameter.learns else parameter.fixed_values().reshape(-1)
        net.cells[name].pack(state, np.asarray(values, dtype))
    return state
