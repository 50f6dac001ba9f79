"""The processor that code is generated for, addresses in memory, and how both are written in LLVM IR."""

from __future__ import annotations

import string
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Machine:
    """The processor: `lanes` numbers of `dtype` in a vector, and its number of vector registers.

    With `strict`, the code rounds every operation as IEEE 754 says: no fused multiply-add, no division by an estimated
    reciprocal. Its results are then the same bits on every processor. `avx512`: the processor has these instructions.
    `in_order`: what compiles the code further has few registers, and keeps the order of instructions.
    """

    dtype: np.dtype
    lanes: int
    registers: int
    strict: bool = False
    avx512: bool = False
    in_order: bool = False

    @cached_property
    def scalar(self) -> str:
        return "float" if self.dtype == np.float32 else "double"

    @cached_property
    def has_avx512(self) -> bool:
        """Return whether instructions of AVX-512 work on whole vectors."""
        return self.avx512 and self.lanes * self.dtype.itemsize == 64

    @cached_property
    def suffix(self) -> str:
        """Return the suffix of the names of LLVM's vector intrinsics."""
        return f"v{self.lanes}f{self.bits}"

    @cached_property
    def bits(self) -> int:
        return 8 * self.dtype.itemsize

    @cached_property
    def vector(self) -> str:
        return f"<{self.lanes} x {self.scalar}>"

    @cached_property
    def integers(self) -> str:
        return f"<{self.lanes} x i{self.bits}>"

    @cached_property
    def mask_vector(self) -> str:
        return f"<{self.lanes} x i1>"

    def padded(self, count: int) -> int:
        """Return the smallest multiple of the lanes that holds `count` numbers."""
        return -(-count // self.lanes) * self.lanes


def portable_machine(dtype: np.dtype | type | str) -> Machine:
    """Return vectors that every processor and WebAssembly have: 16 bytes, 16 registers, strict rounding."""
    number = np.dtype(dtype)
    return Machine(number, 16 // number.itemsize, 16, strict=True)


def page_machine(dtype: np.dtype | type | str) -> Machine:
    """Return the portable machine as WebAssembly has it: JavaScript engines compile the code for 16 registers."""
    return replace(portable_machine(dtype), in_order=True)


@dataclass(frozen=True)
class Address:
    """The address of numbers: `offset` numbers after the start of the block `base`, plus a stride for each loop index.

    The alignment follows from it: the state block starts on a whole vector.
    """

    offset: int
    terms: tuple[tuple[str, int], ...] = ()  # text of an i64, how many numbers it is worth
    base: str = "%state"

    def __add__(self, offset: int) -> Address:
        return Address(self.offset + offset, self.terms, self.base)

    def by(self, index: Any, stride: int) -> Address:
        """Return this address moved by `index` times `stride` numbers."""
        if isinstance(index, int) or stride == 0:
            return self + (index if isinstance(index, int) else 0) * stride
        return Address(self.offset, (*self.terms, (index.text, stride)), self.base)

    def is_aligned(self, lanes: int) -> bool:
        return self.base in ("%state", "%cells") and all(
            n % lanes == 0 for n in (self.offset, *(s for _, s in self.terms))
        )


def pieces(count: int) -> list[tuple[int, int]]:
    """Split `count` into powers of two, largest first: (start, size) of each."""
    parts, start = [], 0
    while start < count:
        size = 1 << ((count - start).bit_length() - 1)
        parts.append((start, size))
        start += size
    return parts


_LETTERS = frozenset(string.ascii_letters + string.digits + " _.,:;()+-*/='^<>")
_MOST = 500  # characters of a symbol or of a line of comment


def plain_text(text: str) -> str:
    """Return a text as LLVM IR may hold it: letters of a fixed alphabet, all others as %XX, cut if it is long.

    Names from a program reach the IR through this function only, so that none can end a comment or a symbol.
    """
    encoded = "".join(
        c if c in _LETTERS else "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "surrogatepass"))
        for c in text[:_MOST]
    )
    return encoded if len(encoded) <= _MOST and len(text) <= _MOST else encoded[: _MOST - 3] + "..."


def number_text(number: float, dtype: np.dtype) -> str:
    """Return a number, rounded to the dtype, as LLVM reads it: the bits of the double of the same value."""
    with np.errstate(over="ignore"):
        value = float(dtype.type(number))
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def attributes(extra: Mapping[str, str]) -> str:
    """Return the text of attribute group 0, which all functions have."""
    return "attributes #0 = { nounwind " + " ".join(f'"{key}"="{value}"' for key, value in extra.items()) + " }\n"
