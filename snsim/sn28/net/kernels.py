"""The four kernels of SN-2.8, their abilities, and the choice of one for a program.

See docs/reference/sn28.md, section 2.4.

    sn28         one weight for each connection, on-line gradient; rates belong to units
    sn28ite      shared and accumulated weights, so also batches and conjugate gradient; rates belong to units
    sn28new      on-line second order; rates belong to connections
    sn28itenew   both, so also second order in batches and optimal brain damage

They give different numbers with momentum, decay or rates, so the kernel must be chosen before these are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from snsim.errors import Source
from snsim.language.forms import fold
from snsim.language.procedures import Misuse, Procedure
from snsim.registry import Shelf, suggest


@dataclass(frozen=True)
class Kernel:
    """One of the four kernels.

    `iterative`: weights can be shared, and gradients are accumulated. `newton`: second derivatives exist, and
    rates belong to connections instead of units (SN's SYNEPSILON).
    """

    name: str
    iterative: bool
    newton: bool

    def has(self, modes: Iterable[str]) -> bool:
        """Return whether the kernel has all of these modes ("iterative", "newton")."""
        return all(getattr(self, mode) for mode in modes)


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("sn28", False, False),
        Kernel("sn28ite", True, False),
        Kernel("sn28new", False, True),
        Kernel("sn28itenew", True, True),
    )
}


def kernel_named(name: str) -> Kernel:
    """Return the kernel of this name. Raise Misuse, with the known names, if there is none."""
    if name not in KERNELS:
        raise Misuse(f'there is no kernel "{name}"', 0, suggest(name, list(KERNELS), "kernels"))
    return KERNELS[name]


def smallest_kernel(modes: Iterable[str]) -> Kernel:
    """Return the first of the four kernels that has these modes ("iterative", "newton")."""
    required = set(modes)
    return next(k for k in KERNELS.values() if k.has(required))


def missing_modes_error(name: str, modes: Iterable[str], now: Kernel, why: str = "") -> Misuse:
    """Return the error for a word that needs modes which the current kernel does not have."""
    capable = [k.name for k in KERNELS.values() if k.has(modes)]
    wider = smallest_kernel({*modes, *(mode for mode in ("iterative", "newton") if now.has([mode]))}).name
    return Misuse(
        f"kernel {now.name} has no {name}{why}: {' and '.join(capable)} "
        + ("has it" if len(capable) == 1 else "have it"),
        None,
        f'start the program with (libload "sn28/{wider}"), or run it with --kernel {wider}',
    )


# What a program needs

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|;[^\n]*|[^\s()\[\]{}\'`,~";]+|[(]')


def needed_kernel(sources: Iterable[Source], functions: Shelf[Procedure]) -> Kernel:
    """Return the kernel for a program that names none: the first of the four that has all words in its texts.

    The texts are scanned before anything runs, so a word counts even if it is never called. A word that the program
    defines itself does not count.
    """
    modes: set[str] = set()
    for source in sources:
        previous: list[str] = ["", ""]
        used: set[str] = set()
        defined: set[str] = set()
        for token in _TOKEN.findall(source.text):
            if token[0] in '";':
                continue
            name = fold(token)
            (defined if previous == ["(", "de"] or previous == ["(", "df"] or previous == ["(", "defun"] else used).add(
                name
            )
            previous = [previous[1], name]
        for name in used - defined:
            entry = functions.entry(name)
            if entry is not None:
                modes |= getattr(entry.value, "modes", frozenset())  # of a KernelWord, see net_word.py
    return smallest_kernel(modes)
