"""Compile the code of a net to WebAssembly: LLVM IR to the bytes of a module, without a linker.

LLVM writes a relocatable object, which is a module without exports. The names of its functions stand in its section
"linking" (WebAssembly tool conventions, Linking.md). `module_bytes` reads them and adds an export section.

The code is that of `page_machine`: vectors of 16 bytes (4 numbers of float32, 2 of float64), no fused multiply-add.
Its results are the same bits as those of `snsim run --engine native --portable`. A module uses `simd128` and
`bulk-memory`, which every browser since 2023 has. It has no start function, no data, no globals and no table.

The interface of a module
-------------------------
Import  `env.__linear_memory`: the WebAssembly.Memory that the caller creates. There is no other import.

Exports: those of the functions below that the module was compiled for. Nothing is returned. A pointer is an i32, in
bytes. A count is an i64: a BigInt in JavaScript, at least 1. REAL is f32 or f64, the type of the engine.

    learn(state, tables, inputs, targets, count patterns, gates, numbers, count first)
        Present `patterns` patterns in order, each with its update. `first` is the number of the first of these updates;
        the first update of a training is 1.
    gather(state, tables, inputs, targets, count patterns, gates)
        Add up the derivatives of the patterns, without an update.
    apply(state, tables, numbers, count number, REAL factor)
        Make update `number` with the sums times `factor` (1, or 1/patterns for a mean), and clear the sums.
    learn_batches(state, tables, inputs, targets, count patterns, gates, numbers, count first, count size, count mean)
        Present batches of `size` patterns, the last one perhaps smaller, with an update after each; with `mean` 1 the
        sums are divided by the number of patterns. Modules for pages have gather and apply alone: the same bits.
    evaluate(state, tables, inputs, made, count patterns)
        Fill a row of `made` for each pattern: the states of the output layer.
    states(state, tables, inputs, made, count patterns)
        Fill a row of `made` for each pattern: the states of all layers one after the other, the input layer first.
    tangents(state, tables, inputs, made, count patterns)
        Fill a row of `made` for each pattern: the outputs, then their derivatives along a direction of the weights.

A training has one module for each variant of its settings. The module of a training without batches has learn, evaluate
and states; with batches gather, apply, evaluate and states. A module that computes the curvature (for held curvature
and pruning) or the gradient has gather, apply, evaluate and states; its sums are read after `gather` and then set to 0.

Arguments
    state    the block of numbers of one engine, on a multiple of 64 bytes. All offsets below count numbers (not bytes)
             from here. Before the first call it holds 0, the fills, the weights and the state of the rule.
    tables   the index tables, int32, on a multiple of 4 bytes.
    inputs   rows of input units, in the order of cells (see below); `patterns` rows without gaps.
    targets  rows of output units, in the order of cells.
    gates    rows with the factors of the states of every layer with dropout, then the numbers that are added to the
             weighted sums of every layer with noise: both in the order of the layers, in the order of cells. Any
             pointer if there is neither.
    numbers  f64: the options of the update rule that are not compiled in, a rate for each parameter that learns (0 if
             its rates are an array in the block), and a final 0.

Layers
    The states of a layer lie at `x`, one number a cell; f'(a) at `slope`; dE/da at `error` after a presentation by
    learn, or by gather of one pattern. A layer of maps has its maps innermost: cell = position * maps + place of the
    map.
    `unit_of_cell[c]` is the unit in cell c, `cell_of_unit[u]` the cell of unit u; both are the identity for other
    layers. So the state of unit u is block[x + cell_of_unit[u]].

Parameters
----------
    Weights lie at `value`, one number a cell; `index[c]` is the number of the weight in cell c (C order of its shape),
    or -1 where a lane holds none, which must stay 0. Each weight has one cell. A region beside the values has the same
    form: "state NAME" for a state of the rule, "rate" for rates that differ inside a parameter, "curvature" for held
    curvature, "sum g", "sum h" and "sum h-full" for what gather adds up.

`snsim.page.training_description` writes all of these offsets and arrays as JSON and blobs. `openTraining` of
`snsim/page/engine/training.js` drives a training with them, so that a page needs no other knowledge of this interface.
"""

from __future__ import annotations

from collections.abc import Iterator

import llvmlite.binding as llvm
import numpy as np

from snsim.engines.native.code_host import ArrayHost, Result
from snsim.engines.native.jit import cached_object, object_key
from snsim.errors import fail

TRIPLE = "wasm32-unknown-unknown"
FEATURES = "+simd128,+bulk-memory"
OPTIMISATION = 2
MEMORY = ("env", "__linear_memory")  # the module and the name of the import

_CUSTOM, _IMPORT, _EXPORT, _CODE = 0, 2, 7, 10
_KEPT = (1, _IMPORT, 3, _CODE)  # types, imports, functions, code
_SYMBOL_TABLE, _FUNCTION_SYMBOL = 8, 0
_UNDEFINED, _EXPLICIT_NAME = 0x10, 0x40


def module_bytes(text: str, exported: tuple[str, ...]) -> bytes:
    """Return the WebAssembly module of LLVM IR, from the cache or newly compiled, with these functions exported.

    SnError if LLVM cannot compile it, or if the code needs anything but its memory.
    """
    target = (TRIPLE, "generic", FEATURES)
    key = object_key(text, target)
    try:
        return _exporting(cached_object(key, lambda: _object(text)), exported)
    except RuntimeError as error:  # all that llvmlite raises
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise fail(
            f"LLVM cannot compile this net to WebAssembly: {reason}",
            hint="use another engine: native, reference or torch",
        ) from error


def _object(text: str) -> bytes:
    """Return the relocatable object of LLVM IR."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(text)
    module.triple = TRIPLE
    module.verify()
    for variable in module.global_variables:
        raise RuntimeError(f"the code holds the global variable {variable.name}")
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu="generic", features=FEATURES, opt=OPTIMISATION, reloc="static"
    )
    image: bytes = machine.emit_object(module)
    return image


# ---- The binary format -------------------------------------------------------------------------------------------


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number; return it with the place after it."""
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result, at


def _number(value: int) -> bytes:
    """Return an unsigned number as LEB128."""
    encoded = bytearray()
    while True:
        value, byte = value >> 7, value & 127
        encoded.append(byte | 128 if value else byte)
        if not value:
            return bytes(encoded)


def _name(data: bytes, at: int) -> tuple[str, int]:
    """Read a name; return it with the place after it."""
    length, at = _read_number(data, at)
    return data[at : at + length].decode(), at + length


def _sections(image: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each section."""
    at = 8  # after the magic bytes and the version
    while at < len(image):
        kind = image[at]
        length, start = _read_number(image, at + 1)
        yield kind, image[start : start + length]
        at = start + length


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _number(len(content)) + content


def _exporting(image: bytes, exported: tuple[str, ...]) -> bytes:
    """Return the module of a relocatable object, with an export section and without the sections for a linker.

    RuntimeError if it has anything but types, one imported memory, functions and code.
    """
    indices: dict[str, int] = {}
    for kind, content in _sections(image):
        if kind == _CUSTOM:
            name, at = _name(content, 0)
            if name == "linking":
                indices = _function_indices(content[at:])
        elif kind not in _KEPT:
            raise RuntimeError(f"the code has a section of kind {kind}")
        elif kind == _IMPORT:
            _check_imports(content)
    exports = [_number(len(name)) + name.encode() + b"\0" + _number(indices[name]) for name in exported]
    module = bytearray(image[:8])
    for kind, content in _sections(image):
        if kind == _CODE:
            module += _section(_EXPORT, _number(len(exports)) + b"".join(exports))
        if kind != _CUSTOM:
            module += _section(kind, content)
    return bytes(module)


def _check_imports(content: bytes) -> None:
    """Raise RuntimeError if anything but the memory is imported."""
    count, at = _read_number(content, 0)
    for _ in range(count):
        module, at = _name(content, at)
        name, at = _name(content, at)
        kind, at = content[at], at + 1
        if (module, name) != MEMORY or kind != 2:
            raise RuntimeError(f"the code needs {module}.{name}")
        has_maximum, at = _read_number(content, at)
        for _ in range(1 + (has_maximum & 1)):
            _, at = _read_number(content, at)


def _function_indices(content: bytes) -> dict[str, int]:
    """Return the index of each defined function of a section "linking", by name."""
    indices: dict[str, int] = {}
    _, at = _read_number(content, 0)  # the version
    while at < len(content):
        kind, (length, at) = content[at], _read_number(content, at + 1)
        end = at + length
        if kind == _SYMBOL_TABLE:
            count, at = _read_number(content, at)
            for _ in range(count):
                symbol = content[at]
                flags, at = _read_number(content, at + 1)
                if symbol != _FUNCTION_SYMBOL:
                    raise RuntimeError(f"the code has a symbol of kind {symbol}")
                index, at = _read_number(content, at)
                if not flags & _UNDEFINED or flags & _EXPLICIT_NAME:
                    name, at = _name(content, at)
                    indices[name] = index
        at = end
    return indices


class ModuleHost(ArrayHost):
    """A `CodeHost` that compiles modules and runs none; its block can be filled and copied into a page."""

    groups = False  # a page is small, and shows one pattern at a time

    def compile(self, text: str, exported: tuple[str, ...]) -> bytes:
        return module_bytes(text, exported)

    def run(self, code: bytes, name: str, *arguments: np.ndarray | Result | int | float) -> None:
        raise NotImplementedError("this host compiles modules and runs none")
