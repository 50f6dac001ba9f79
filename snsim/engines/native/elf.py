"""Read and link objects of the format ELF for x86-64, as LLVM writes them for the native engine.

To load LLVM takes a tenth of a short run. A run whose code is in the cache needs it for nothing else, so its object is
linked here: its sections are copied into new memory, the references between them are filled in, and the memory is made
executable and read-only. Objects of other formats, or with anything that is not described below, are linked by LLVM.

An object has sections of code and constants, without variables, and calls functions of the C library. A call reaches
4 GiB at most, so it goes through a jump to the address in full, one for each function.

Source: System V Application Binary Interface, chapter 4, and its AMD64 supplement, table 4.10 (relocations).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from snsim.operating_system import code_memory, make_executable

MAGIC = b"\x7fELF"
_BEGIN = MAGIC + b"\x02\x01\x01"  # 64 bits, little-endian, version 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = np.dtype(
    [(name, "<u4") for name in ("name", "kind")]
    + [(name, "<u8") for name in ("flags", "address", "offset", "size")]
    + [(name, "<u4") for name in ("link", "info")]
    + [(name, "<u8") for name in ("alignment", "entry")]
)
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_RELOCATION = np.dtype([("offset", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])

_RELOCATABLE, _X86_64 = 1, 62
_CONTENT, _SYMBOLS, _NAMES, _RELOCATIONS = 1, 2, 3, 4  # kinds of sections
_WRITTEN, _LOADED, _THREAD_LOCAL = 1, 2, 1024  # flags of sections
_EXPORTED = 0x12  # info of the symbol of a global function
_UNWINDING = ".eh_frame"  # for exceptions, which compiled code does not raise
_ABSOLUTE, _RELATIVE, _CALL = 1, 2, 4  # kinds of relocations: S + A in 64 bits, S + A - P in 32 (both others)
_JUMP = b"\xff\x25\0\0\0\0"  # jmp *0(%rip): to the address that follows
_JUMP_SIZE, _PAGE, _MOST_BYTES = 16, 4096, 1 << 30


class ElfError(Exception):
    """Raised for an object that is damaged, or that has something that `link` does not know."""


@dataclass(frozen=True, eq=False)
class ElfObject:
    """The sections and symbols of an object. ElfError if they do not lie inside it."""

    image: bytes

    @cached_property
    def sections(self) -> np.ndarray:
        if len(self.image) < _HEADER.size or not self.image.startswith(_BEGIN):
            raise ElfError("it is no object of 64 bits")
        _, kind, processor, _, _, _, start, _, _, _, _, entry, count, _ = _HEADER.unpack_from(self.image)
        if (kind, processor, entry) != (_RELOCATABLE, _X86_64, _SECTION.itemsize):
            raise ElfError("it is no object for x86-64")
        return self._table(_SECTION, start, count * entry)

    @cached_property
    def names(self) -> list[str]:
        """Return the names of the sections."""
        header: int = _HEADER.unpack_from(self.image)[-1]
        if header >= len(self.sections):
            raise ElfError("its sections have no names")
        table = self.content(header)
        return [_text(table, int(name)) for name in self.sections["name"]]

    @cached_property
    def symbols(self) -> np.ndarray:
        return np.zeros(0, _SYMBOL) if self._symbol_table is None else self._entries(self._symbol_table, _SYMBOL)

    def symbol_name(self, number: int) -> str:
        link = int(self.sections[self._symbol_table]["link"])
        if link >= len(self.sections) or self.sections[link]["kind"] != _NAMES:
            raise ElfError("its symbols have no names")
        return _text(self.content(link), int(self.symbols[number]["name"]))

    @cached_property
    def undefined(self) -> dict[int, str]:
        """Return the symbols that the object does not have itself, by number, with their names."""
        found = np.flatnonzero((self.symbols["section"] == 0) & (self.symbols["name"] != 0))
        return {int(k): self.symbol_name(int(k)) for k in found}

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the names of the functions that the object does not have itself."""
        return tuple(self.undefined.values())

    def content(self, number: int) -> bytes:
        """Return the bytes of a section."""
        section = self.sections[number]
        return self.image[self._checked(int(section["offset"]), int(section["size"])) :][: int(section["size"])]

    def relocations(self, number: int) -> np.ndarray:
        """Return the relocations of a section."""
        found = np.flatnonzero((self.sections["kind"] == _RELOCATIONS) & (self.sections["info"] == number))
        return np.concatenate([np.zeros(0, _RELOCATION), *(self._entries(int(k), _RELOCATION) for k in found)])

    @cached_property
    def _symbol_table(self) -> int | None:
        found = np.flatnonzero(self.sections["kind"] == _SYMBOLS)
        return int(found[0]) if len(found) else None

    def _entries(self, number: int, kind: np.dtype) -> np.ndarray:
        section = self.sections[number]
        return self._table(kind, int(section["offset"]), int(section["size"]))

    def _table(self, kind: np.dtype, start: int, size: int) -> np.ndarray:
        return np.frombuffer(self.image, kind, size // kind.itemsize, self._checked(start, size))

    def _checked(self, start: int, size: int) -> int:
        if start + size > len(self.image):
            raise ElfError("it ends inside a section")
        return start


def _text(table: bytes, start: int) -> str:
    """Return a name in a table of names."""
    end = table.find(b"\0", start)
    if end < 0:
        raise ElfError("a name has no end")
    return table[start:end].decode(errors="replace")


class LinkedObject:
    """Code in memory that can be called: `addresses` of its functions by name, valid while this object lives.

    `library` has the addresses of the functions that the object needs. ElfError if it cannot be linked here; OSError
    if the system gives no memory for code.
    """

    def __init__(self, linked: ElfObject, library: Mapping[str, int]):
        starts, size = _starts(linked)
        jumps = {name: size + k * _JUMP_SIZE for k, name in enumerate(linked.needed)}
        places = _places(linked, starts, jumps)
        self._memory = code_memory(size + len(jumps) * _JUMP_SIZE)
        numbers = np.frombuffer(self._memory, np.uint8)
        address: int = numbers.__array_interface__["data"][0]
        for number, start in starts.items():
            content = linked.content(number)
            numbers[start : start + len(content)] = np.frombuffer(content, np.uint8)
            _relocate(numbers, start, len(content), linked.relocations(number), places, address)
        for name, start in jumps.items():
            code = _JUMP + struct.pack("<Q", library[name])
            numbers[start : start + len(code)] = np.frombuffer(code, np.uint8)
        make_executable(address, len(numbers))
        functions = np.flatnonzero((linked.symbols["info"] == _EXPORTED) & (places >= 0))
        self.addresses = {linked.symbol_name(int(k)): address + int(places[k]) for k in functions}


def _starts(linked: ElfObject) -> tuple[dict[int, int], int]:
    """Return where each section that is loaded begins in the memory, and the bytes of all."""
    starts, end = {}, 0
    for number, (section, name) in enumerate(zip(linked.sections, linked.names, strict=True)):
        flags, alignment = int(section["flags"]), max(1, int(section["alignment"]))
        if not flags & _LOADED or name == _UNWINDING:
            continue
        if section["kind"] != _CONTENT or flags & (_WRITTEN | _THREAD_LOCAL) or _PAGE % alignment:
            raise ElfError(f"its section {name} is of an unknown kind")
        starts[number] = end + -end % alignment
        end = starts[number] + int(section["size"])
    if end > _MOST_BYTES:
        raise ElfError("it is too large")
    return starts, end + -end % _JUMP_SIZE


def _places(linked: ElfObject, starts: Mapping[int, int], jumps: Mapping[str, int]) -> np.ndarray:
    """Return where each symbol lies in the memory, -1 for one that does not."""
    places = np.full(len(linked.symbols), -1, np.int64)
    for number, start in starts.items():
        inside = linked.symbols["section"] == number
        values = linked.symbols["value"][inside]
        if (values > linked.sections[number]["size"]).any():
            raise ElfError("a symbol lies outside its section")
        places[inside] = start + values.astype(np.int64)
    for k, name in linked.undefined.items():
        places[k] = jumps[name]
    return places


def _relocate(
    memory: np.ndarray, start: int, size: int, relocations: np.ndarray, places: np.ndarray, address: int
) -> None:
    """Fill in the references of a section of `size` bytes that begins at `start`, for a memory at `address`."""
    kinds = relocations["kind"]
    if not np.isin(kinds, (_ABSOLUTE, _RELATIVE, _CALL)).all() or (relocations["symbol"] >= len(places)).any():
        raise ElfError("it has a relocation of an unknown kind")
    targets, offsets = places[relocations["symbol"]], relocations["offset"].astype(np.int64)
    if (targets < 0).any() or (offsets < 0).any() or (offsets > size - np.where(kinds == _ABSOLUTE, 8, 4)).any():
        raise ElfError("a relocation leads outside")
    targets, offsets = targets + relocations["addend"], offsets + start
    for is_kind, values, kind in (
        (kinds == _ABSOLUTE, targets + address, "<i8"),
        (kinds != _ABSOLUTE, targets - offsets, "<i4"),
    ):
        width = np.dtype(kind).itemsize
        memory[offsets[is_kind, None] + np.arange(width)] = values[is_kind, None].astype(kind).view(np.uint8)
