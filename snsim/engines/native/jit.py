"""Compile the text of an LLVM module to code that runs: host, object code with its cache, linker.

An object is kept in the user's cache folder under the hash of everything that it depends on: text, processor and its
features, LLVM, optimisation level. What LLVM says about the processor is kept there too. So LLVM is loaded only to
compile, and to link where `elf.py` cannot: that saves a tenth of a short run. A file that is damaged or cut short does
not match its checksum and is compiled again. The checksum is no protection: only files of this user that nobody else
can write are linked (`snsim.cache_folder`).

Linked code can call the functions of LIBRARY and nothing else of the process. LLVM's linker would look up any symbol in
the process, so a module or an object that asks for another one is refused before it is linked.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import numpy as np

from snsim.cache_folder import UnsafeCacheError, cache_folder, read_checked, warn_once, write_checked
from snsim.engines.native import elf
from snsim.engines.native.code_host import ArrayHost, Result
from snsim.engines.native.target import Machine
from snsim.errors import SnError, fail
from snsim.operating_system import c_library, processor_description

OPTIMISATION = 2  # level of code generation; LLVM's passes over the IR gain nothing and cost a second
_MARK = b"snsim object 1\n"
_MOST_BYTES = 1 << 30  # of an object in the cache

# Functions of the C library that compiled code may call: tanh for SN-2.8's sums; the others LLVM may call for a copy, a
# fill, or a processor that cannot round.
LIBRARY = ("memcpy", "memmove", "memset", "rint", "rintf", "tanh")
_RUN_AT_LOAD = (".init", ".fini", ".preinit", ".ctors", ".dtors", "__mod_init", "__mod_term", "__init_offsets", ".crt")


class _RefusedCodeError(Exception):
    """Raised for code that would use something of the process that snsim does not allow."""


class _Host(NamedTuple):
    """What LLVM says about this machine: target triple, name and features of the processor; and LLVM's version."""

    triple: str
    processor: str
    features: str
    llvm: str


@cache
def _llvm() -> Any:
    """Return LLVM, ready to compile for this machine."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@lru_cache(maxsize=1)
def _host() -> _Host:
    """Return the description of this machine, from the cache or from LLVM.

    Its key is a digest of what the system and NumPy say about the processor, and of the library of LLVM.
    """

    def described() -> bytes:
        llvm = _llvm()
        host = _Host(
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            llvm.get_host_cpu_features().flatten(),
            str(llvm.llvm_version_info),
        )
        return json.dumps(host).encode()

    processor, library = processor_description(), Path(llvmlite.__file__).parent / "binding" / "libllvmlite.so"
    try:
        status = library.stat()
    except OSError:
        processor = None
    if processor is None:
        return _Host(*json.loads(described()))
    features = getattr(getattr(np, "_core", None), "_multiarray_umath", None)
    parts = (processor, getattr(features, "__cpu_features__", None), llvmlite.__version__)
    key = hashlib.sha256(repr(("snsim host 1", *parts, status.st_size, status.st_mtime_ns)).encode()).hexdigest()
    return _Host(*json.loads(_cached(f"{key}.host", described)))


def machine(dtype: np.dtype | type | str) -> Machine:
    """Return how many numbers of this dtype a vector register of the host holds, and how many registers it has.

    A register has 64 bytes with AVX-512, 32 with AVX, else 16.
    """
    has = set(_host().features.split(","))
    width, registers = (64, 32) if "+avx512f" in has else (32, 16) if "+avx" in has else (16, 16)
    if _host().triple.startswith(("aarch64", "arm64")):
        registers = 32
    return Machine(np.dtype(dtype), width // np.dtype(dtype).itemsize, registers, avx512="+avx512f" in has)


def _target_machine() -> Any:
    host = _host()
    target = _llvm().Target.from_triple(host.triple)
    return target.create_target_machine(
        cpu=host.processor, features=host.features, opt=OPTIMISATION, reloc="pic", codemodel="small", jit=True
    )


def _parse(text: str) -> Any:
    """Parse a module.

    Raises RuntimeError if it is invalid, and _RefusedCodeError if it has a global variable, such as a list of
    constructors, or declares a function that is neither LLVM's own nor in LIBRARY.
    """
    module = _llvm().parse_assembly(text)
    module.triple = _host().triple
    module.verify()
    for variable in module.global_variables:
        raise _RefusedCodeError(f"it defines the global variable {variable.name}, and may define functions only")
    for function in module.functions:
        if function.is_declaration and not function.name.startswith("llvm."):
            _check_allowed(function.name)
    return module


def _check_allowed(name: str) -> None:
    if name not in LIBRARY:
        raise _RefusedCodeError(f"it calls {name}, and may call only these C functions: {', '.join(LIBRARY)}")


def _imports(image: bytes, parsed: elf.ElfObject | None) -> tuple[str, ...]:
    """Return the functions of LIBRARY that an object needs; `parsed` is the object if it has the format ELF.

    Raises _RefusedCodeError if it needs another function, or has code that runs when it is loaded. Undefined symbols
    are read from objects of the format ELF. For other formats all of LIBRARY is returned, and `_parse` is the only
    check.
    """
    if parsed is None:
        names = [section.name() for section in _llvm().ObjectFileRef.from_data(image).sections()]
    else:
        names = parsed.names
    for name in names:
        text = name.decode(errors="replace") if isinstance(name, bytes) else name or ""
        if text.lower().startswith(_RUN_AT_LOAD):
            raise _RefusedCodeError(f"its section {text} runs when the object is loaded")
    if parsed is None:
        return LIBRARY
    for name in parsed.needed:
        _check_allowed(name)
    return tuple(parsed.needed)


def _address(name: str) -> int:
    """Return the address of a function of the C library."""
    return ctypes.cast(getattr(c_library(), name), ctypes.c_void_p).value or 0


def assembly(text: str) -> str:
    """Return the assembly of a module for this machine."""
    text_of_code: str = _target_machine().emit_assembly(_parse(text))
    return text_of_code


def object_key(text: str, target: tuple[str, str, str] | None = None) -> str:
    """Return the sha256 of everything that an object depends on: the target is this machine unless one is given."""
    parts = (text, *(target or _host()[:3]), llvmlite.__version__, _host().llvm, str(OPTIMISATION))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def object_code(text: str) -> bytes:
    """Return the object of a module for this machine, from the cache or newly compiled and cached."""

    def compiled() -> bytes:
        image: bytes = _target_machine().emit_object(_parse(text))
        return image

    return cached_object(object_key(text), compiled)


def cached_object(key: str, compiled: Callable[[], bytes]) -> bytes:
    """Return the object of this key from the cache, or compile it and put it there.

    If the cache cannot be used, it is compiled each time.
    """
    return _cached(f"{key}.o", compiled)


def _cached(name: str, compiled: Callable[[], bytes]) -> bytes:
    """Return the content of an entry of the cache, or compute it and put it there."""
    path = _path(name)
    cached = None if path is None else read_checked(path, _MARK, _MOST_BYTES)
    if cached is not None:
        return cached
    image = compiled()
    if path is not None:
        write_checked(path, _MARK, image)
    return image


def _path(name: str) -> Path | None:
    """Return the path of an entry in the cache; warn and return None if there is no cache folder."""
    try:
        return cache_folder() / "native" / name
    except SnError as error:
        warn_once(
            UnsafeCacheError(
                f"{error.faults[0].message}: compiled code is not cached, so each run compiles it again", Path()
            )
        )
        return None


class Code:
    """Linked code: `address(name)` of its exported functions, valid while this object lives.

    Raises SnError if LLVM cannot compile the text for this processor, or if the code may not be linked.
    """

    def __init__(self, text: str, exported: tuple[str, ...]):
        self._functions: dict[tuple[str, tuple[Any, ...]], Callable[..., None]] = {}
        self.called: dict[str, Callable[..., None]] = {}  # those that a host has called, by name
        try:
            self._link(text, exported)
        except RuntimeError as error:  # all that llvmlite raises
            reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
            raise fail(
                f"LLVM cannot compile this net for the processor {_host().processor}: {reason}",
                hint="use another engine: reference or torch",
            ) from error
        except _RefusedCodeError as error:
            raise fail(
                f"snsim refuses to run the native code of this net: {error}",
                hint="use another engine: reference or torch",
            ) from None

    def _link(self, text: str, exported: tuple[str, ...]) -> None:
        image = object_code(text)
        parsed = elf.ElfObject(image) if image.startswith(elf.MAGIC) else None
        library = {name: _address(name) for name in _imports(image, parsed)}
        self._linked: Any  # what has the memory of the code
        if parsed is not None:
            with suppress(elf.ElfError, OSError):
                self._linked = elf.LinkedObject(parsed, library)
                self._addresses: Mapping[str, int] = self._linked.addresses
                return
        llvm = _llvm()
        builder = llvm.JITLibraryBuilder().add_object_img(image)
        for name, address in library.items():
            builder.import_symbol(name, address)
        for name in exported:
            builder.export_symbol(name)
        linker = llvm.create_lljit_compiler(_target_machine())
        self._linked = linker, builder.link(linker, "snsim")
        self._addresses = {name: self._linked[1][name] for name in exported}

    def address(self, name: str) -> int:
        return self._addresses[name]

    def function(self, name: str, kinds: tuple[Any, ...]) -> Callable[..., None]:
        """Return an exported function that takes the block, the tables and arguments of these types of ctypes."""
        if (name, kinds) not in self._functions:
            pointer = ctypes.c_void_p
            self._functions[name, kinds] = ctypes.CFUNCTYPE(None, pointer, pointer, *kinds)(self.address(name))
        return self._functions[name, kinds]


class ProcessHost(ArrayHost):
    """A `CodeHost` that runs code in this process, on arrays of NumPy."""

    def __init__(self, machine: Machine):
        super().__init__(machine)
        self._number = ctypes.c_float if machine.dtype == np.float32 else ctypes.c_double
        self._block: tuple[np.ndarray, np.ndarray, int, int] | None = None  # block and tables with their addresses

    def compile(self, text: str, exported: tuple[str, ...]) -> Code:
        return Code(text, exported)

    def run(self, code: Code, name: str, *arguments: np.ndarray | Result | int | float) -> None:
        block = self._block
        if block is None or block[0] is not self.state or block[1] is not self.tables:
            block = self._block = self.state, self.tables, _start(self.state), _start(self.tables)
        self._call(code, name, block[2], block[3], arguments)

    def run_on(self, block: np.ndarray, code: Code, name: str, *arguments: np.ndarray | Result | int | float) -> None:
        """Call a function as `run` does, but on a copy of the block."""
        self._call(code, name, _start(block), _start(self.tables), arguments)

    def _call(
        self, code: Code, name: str, block: int, tables: int, arguments: Sequence[np.ndarray | Result | int | float]
    ) -> None:
        function = code.called.get(name)
        if function is None:
            function = code.called[name] = code.function(name, tuple(self._kind(argument) for argument in arguments))
        function(block, tables, *[_as_number(argument) for argument in arguments])

    def _kind(self, argument: np.ndarray | Result | int | float) -> Any:
        """Return the type of ctypes for an argument, which is the same in every call of a function."""
        if isinstance(argument, (np.ndarray, Result)):
            return ctypes.c_void_p
        return ctypes.c_int64 if isinstance(argument, int) else self._number


def _as_number(argument: np.ndarray | Result | int | float) -> int | float:
    """Return an argument as ctypes takes it: for an array its address."""
    if isinstance(argument, np.ndarray):
        return _start(argument)
    return _start(argument.array) if isinstance(argument, Result) else argument


def _start(array: np.ndarray) -> int:
    """Return the address of the first number of an array; 0 for an empty one."""
    if not array.size:
        return 0
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))  # faster than the array's own way
    except (TypeError, ValueError, BufferError):  # it cannot be written to
        address: int = array.__array_interface__["data"][0]
        return address
