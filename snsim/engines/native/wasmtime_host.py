"""Run the code of the native engine as WebAssembly, by the PyPI package `wasmtime`."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
import wasmtime

from snsim.engines.native.code_host import Result
from snsim.engines.native.engine import NativeEngine
from snsim.engines.native.target import Machine, page_machine
from snsim.engines.native.wasm import MEMORY, module_bytes
from snsim.engines.plan import Plan
from snsim.engines.protocol import Cost, UpdateRule
from snsim.errors import SnError, fail

_PAGE = 65536  # bytes
_START = 1024  # of the block, in bytes
_MOST_PAGES = 65536  # a memory of 4 GiB


class WasmtimeHost:
    """A `CodeHost` that runs modules in a WebAssembly memory: the block, then the tables, then the arguments.

    A call copies its arguments into the memory, and its results back.
    """

    groups = True

    def __init__(self, machine: Machine):
        self.machine = machine
        self._store = wasmtime.Store()
        try:
            self._memory = wasmtime.Memory(self._store, wasmtime.MemoryType(wasmtime.Limits(1, _MOST_PAGES)))
        except wasmtime.WasmtimeError:  # it reserves addresses for 4 GiB, which a limit of addresses may not allow
            raise _no_memory(_MOST_PAGES * _PAGE) from None
        self._linker = wasmtime.Linker(self._store.engine)
        self._linker.define(self._store, *MEMORY, self._memory)
        self._numbers = 0  # in the block
        self._tables = np.zeros(0, np.int32)
        self.state = self._view(_START, machine.dtype, 0)

    def _view(self, start: int, dtype: np.dtype, count: int) -> np.ndarray:
        """Return an array in the memory, `start` in bytes."""
        size = count * dtype.itemsize
        self._reserve(start + size)
        address = ctypes.addressof(self._memory.data_ptr(self._store).contents) + start
        return np.ndarray((count,), dtype, memoryview((ctypes.c_char * size).from_address(address)))

    def _reserve(self, end: int) -> None:
        """Enlarge the memory so that it has `end` bytes."""
        missing = -(-end // _PAGE) - self._memory.size(self._store)
        if missing <= 0:
            return
        if end > _MOST_PAGES * _PAGE:
            raise fail(
                f"the net and its patterns need {end:,} bytes, and a WebAssembly memory has at most 4 GiB",
                hint="use the native engine, or present fewer patterns at a time",
            )
        try:
            self._memory.grow(self._store, missing)
        except wasmtime.WasmtimeError:
            raise _no_memory(end) from None
        self.state = self._view(_START, self.machine.dtype, self._numbers)  # the memory may have moved

    def grow(self, size: int) -> None:
        if size > self._numbers:
            before, self._numbers = self._numbers, size
            self.state = self._view(_START, self.machine.dtype, size)
            self.state[before:] = 0  # tables and arguments were there
            self.set_tables(self._tables)

    def set_tables(self, tables: np.ndarray) -> None:
        self._tables = tables
        self._view(self._tables_start, tables.dtype, len(tables))[:] = tables

    @property
    def _tables_start(self) -> int:
        return _aligned(_START + self._numbers * self.machine.dtype.itemsize)

    def compile(self, text: str, exported: tuple[str, ...]) -> Mapping[str, Any]:
        module = wasmtime.Module(self._store.engine, module_bytes(text, exported))
        return dict(self._linker.instantiate(self._store, module).exports(self._store).items())

    def run(self, code: Mapping[str, Any], name: str, *arguments: np.ndarray | Result | int | float) -> None:
        values: list[int | float] = [_START, self._tables_start]
        results: list[tuple[np.ndarray, int]] = []
        end = _aligned(self._tables_start + self._tables.nbytes)
        for argument in arguments:
            array = argument.array if isinstance(argument, Result) else argument
            if not isinstance(array, np.ndarray):
                values.append(array)
                continue
            values.append(end)
            if isinstance(argument, Result):
                self._reserve(end + array.nbytes)
                results.append((array, end))
            else:
                self._view(end, array.dtype, array.size)[:] = array.reshape(-1)
            end = _aligned(end + array.nbytes)
        code[name](self._store, *values)
        for array, start in results:
            array.reshape(-1)[:] = self._view(start, array.dtype, array.size)


def _no_memory(size: int) -> SnError:
    return fail(
        f"a WebAssembly memory of {size:,} bytes is more than this process can get",
        hint="use the native engine, or raise the limit of the shell: ulimit -v",
    )


def _aligned(bytes_before: int) -> int:
    """Return the next multiple of 64 bytes."""
    return -(-bytes_before // 64) * 64


class WasmEngine(NativeEngine):
    """The native engine, run as WebAssembly: the same bits as the portable native engine."""

    name = "wasm"

    def __init__(
        self,
        plan: Plan,
        cost: Cost,
        rule: UpdateRule,
        dtype: np.dtype | type | str = np.float32,
        options: Mapping[str, float] | None = None,
    ):
        super().__init__(plan, cost, rule, dtype, options, WasmtimeHost(page_machine(dtype)))
