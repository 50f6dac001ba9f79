"""The four kernels of SN-2.8, what each allows, and which one a program runs with.

See docs/reference/sn28.md, section 2.4.

    sn28         one weight a connection, on-line gradient; rates stand on units
    sn28ite      shared weights and accumulators, so batches and conjugate gradient; rates stand on units
    sn28new      second order on line; rates stand on connections
    sn28itenew   both: second order in batches and OBD too

They differ in numbers where a program uses momentum, decay or rates, so one must be chosen before any of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from snsim.errors import Source
from snsim.language.forms import fold
from snsim.language.procedures import CallError, Procedure
from snsim.registry import Shelf, suggest


@dataclass(frozen=True)
class Kernel:
    """One of the four. `iterative`: weights may be shared and are accumulated. `newton`: there are second
    derivatives, and the rate of a connection stands on it and not on the unit it enters (SN's SYNEPSILON).
    """

    name: str
    iterative: bool
    newton: bool

    def has(self, modes: Iterable[str]) -> bool:
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
    """The kernel of this name. CallError with the names there are if it is none."""
    if name not in KERNELS:
        raise CallError(f'there is no kernel "{name}"', 0, suggest(name, list(KERNELS), "kernels"))
    return KERNELS[name]


def smallest(modes: Iterable[str]) -> Kernel:
    """The first of the four that has these modes ("iterative", "newton")."""
    wanted = set(modes)
    return next(k for k in KERNELS.values() if k.has(wanted))


def missing(name: str, modes: Iterable[str], now: Kernel, why: str = "") -> CallError:
    """The refusal of a word that the kernel does not have."""
    having = [k.name for k in KERNELS.values() if k.has(modes)]
    wider = smallest({*modes, *(mode for mode in ("iterative", "newton") if now.has([mode]))}).name
    return CallError(
        f"kernel {now.name} has no {name}{why}: {' and '.join(having)} "
        + ("has it" if len(having) == 1 else "have it"),
        None,
        f'begin the program with (libload "sn28/{wider}"), or run it with --kernel {wider}',
    )


# What a program needs

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|;[^\n]*|[^\s()\[\]{}\'`,~";]+|[(]')


def needed(sources: Iterable[Source], functions: Shelf[Procedure]) -> Kernel:
    """The kernel for a program that names none: the first of the four that has every word in its texts.

    Texts are looked through as they stand, whether a word is reached or not, before anything is computed; a word that
    the program defines itself does not count.
    """
    modes: set[str] = set()
    for source in sources:
        before: list[str] = ["", ""]
        used: set[str] = set()
        own: set[str] = set()
        for token in _TOKEN.findall(source.text):
            if token[0] in '";':
                continue
            name = fold(token)
            (own if before == ["(", "de"] or before == ["(", "df"] or before == ["(", "defun"] else used).add(name)
            before = [before[1], name]
        for name in used - own:
            entry = functions.entry(name)
            if entry is not None:
                modes |= getattr(entry.value, "modes", frozenset())  # of a KernelWord, see net_word.py
    return smallest(modes)


# The predicates
