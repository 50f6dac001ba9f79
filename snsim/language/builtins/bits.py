"""Define the words for bits (docs/reference/sn28.md, section 1.11): whole numbers of 32 bits, with sign."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import Form
from snsim.language.printer import show
from snsim.language.procedures import CORE, CallError, Primitive, function

_BITS = 32


def word_of(name: str, x: Form, argument: int) -> int:
    """Return a number truncated to a whole number of 32 bits; raise CallError if it needs more bits."""
    value = number(name, x, argument)
    if not -(2.0 ** (_BITS - 1)) - 1 < value < 2.0 ** (_BITS - 1):
        raise CallError(
            f"{name}: {show(value)} does not fit in {_BITS} bits",
            argument,
            f"write a number from {-(2 ** (_BITS - 1))} to {2 ** (_BITS - 1) - 1}",
        )
    return int(value)


def _signed(bits: int) -> float:
    """Return the number whose 32 bits are the lowest of `bits`, the highest of them the sign."""
    bits &= 2**_BITS - 1
    return float(bits - 2**_BITS if bits >> (_BITS - 1) else bits)


def _add_bitwise() -> None:
    operations: dict[str, tuple[Callable[[int, int], int], int, str]] = {
        "bitand": (operator.and_, -1, "the bits that are set in all of them; -1 without a number"),
        "bitor": (operator.or_, 0, "the bits that are set in at least one of them; 0 without a number"),
        "bitxor": (operator.xor, 0, "the bits that are set in an odd number of them; 0 without a number"),
    }
    for name, (combine, start, doc) in operations.items():

        def call(
            *numbers: Form, name: str = name, combine: Callable[[int, int], int] = combine, start: int = start
        ) -> float:
            return _signed(reduce(combine, [word_of(name, x, i) for i, x in enumerate(numbers)], start))

        CORE.add(name, Primitive(name, call, 0, None, False), f"({name} n...): {doc}")


_add_bitwise()


def _places(name: str, k: Form) -> int:
    places = word_of(name, k, 1)
    if not 0 <= places < _BITS:
        raise CallError(f"{name}: cannot shift by {places} places", 1, f"write 0 to {_BITS - 1} places")
    return places


@function("bitshl")
def bitshl(n: Form, k: Form) -> float:
    """(bitshl n k): shifts the 32-bit whole number n left by k bits, 0 to 31; bits shifted out are lost"""
    return _signed(word_of("bitshl", n, 0) << _places("bitshl", k))


@function("bitshr")
def bitshr(n: Form, k: Form) -> float:
    """(bitshr n k): shifts the 32-bit whole number n right by k bits, 0 to 31, and keeps the sign"""
    return _signed(word_of("bitshr", n, 0) >> _places("bitshr", k))
