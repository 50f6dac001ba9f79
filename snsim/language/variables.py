"""Store the variables of a program: one namespace, dynamic scope.

See docs/reference/sn28.md, section 1.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from snsim.language.forms import Form, Symbol, symbol
from snsim.language.locked_names import LOCKED
from snsim.language.objects import OBJECT
from snsim.language.procedures import TRUE, CallError, Procedure
from snsim.registry import Shelf

UNSET = object()


class _Bindings(dict[Symbol, list[Form]]):
    """The bindings by symbol. The first binding of a name whose built-in meaning was inlined changes the version."""

    def __init__(self, inlined: set[Symbol], version: list[int]):
        super().__init__()
        self.inlined, self.version = inlined, version

    def __missing__(self, name: Symbol) -> list[Form]:
        stack = self[name] = [UNSET]
        return stack

    def setdefault(self, name: Symbol, default: list[Form]) -> list[Form]:
        if name not in self:
            self[name] = default
        return self[name]

    def __setitem__(self, name: Symbol, stack: list[Form]) -> None:
        if name in self.inlined:
            self.version[0] += 1
        super().__setitem__(name, stack)


class _FixedNames(set[Symbol]):
    """Names of variables that a program cannot set; a new one changes the version, as a translation may set it."""

    def __init__(self, version: list[int], names: Iterable[Symbol]):
        super().__init__(names)
        self.version = version

    def add(self, name: Symbol) -> None:
        if name not in self:
            self.version[0] += 1
        super().add(name)


class Variables:
    """The bindings of each symbol, the global one first. Built-in functions are below all bindings.

    `version` holds one number, which changes when translations of parts of the program become invalid. `inlined` are
    the names that translations take for their built-in meanings. Names of `words` are no functions, so that
    they need no search.
    """

    def __init__(self, functions: Shelf[Procedure], words: Shelf[Any] | None = None):
        self.version = [0]
        self.inlined: set[Symbol] = set()
        self._values = _Bindings(self.inlined, self.version)  # the global binding of a symbol, then the inner ones
        self._values[TRUE] = [TRUE]
        self._values[OBJECT.name] = [OBJECT]
        self._locked: set[Symbol] = {symbol(name) for name in LOCKED}  # only inner variables can have these names
        self._fixed = _FixedNames(self.version, {TRUE, *self._locked})
        self._functions, self._words = functions, words
        self._built_in: dict[Symbol, Procedure] = {symbol(entry.name): entry.value for entry in functions.present()}
        self._is_complete = not functions.lacks_rest

    def _find_built_in(self, name: Symbol) -> Procedure | None:
        """Return a built-in function, or None; the functions that are slow to import come with the first other name."""
        function = self._built_in.get(name)
        if function is None and not self._is_complete and (self._words is None or name.name not in self._words):
            self._built_in.update({symbol(entry.name): entry.value for entry in self._functions})
            self._is_complete = True
            function = self._built_in.get(name)
        return function

    def bind(self, variable: Symbol, value: Form) -> list[Form]:
        """Add an inner binding, which `unbind` removes. Return all bindings of the variable, the new one last."""
        stack = self._values[variable]
        stack.append(value)
        return stack

    def stack_of(self, variable: Symbol) -> list[Form]:
        """Return the list of all bindings of a variable, which stays the same object: the global one is first."""
        return self._values[variable]

    def has_bindings(self, name: Symbol) -> bool:
        """Return whether the program has ever bound a name; until then it has its built-in meaning."""
        return name in self._values

    def is_fixed(self, name: Symbol) -> bool:
        """Return whether the program cannot set a variable."""
        return name in self._fixed

    def unbind(self, variable: Symbol) -> None:
        self._values[variable].pop()

    def bindings(self) -> Iterable[list[Form]]:
        """Return the bindings of every variable, the innermost last. Setting an item of a list sets the variable."""
        return self._values.values()

    def procedure(self, name: Symbol) -> Procedure | np.ndarray | None:
        """Return the innermost binding of a symbol that can be called; the built-in function if there is none."""
        bindings = self._values.get(name)
        if bindings is not None:
            for value in reversed(bindings):
                if isinstance(value, (Procedure, np.ndarray)):
                    return value
        return self._find_built_in(name)

    def is_set(self, name: Symbol) -> bool:
        bindings = self._values.get(name)
        return (bindings is not None and bindings[-1] is not UNSET) or self._find_built_in(name) is not None

    def use_functions(self, functions: Shelf[Procedure]) -> None:
        """Take these built-in functions from now on, as a program does that changes to another dialect."""
        self._functions, self._is_complete = functions, True
        self._built_in = {symbol(entry.name): entry.value for entry in functions}
        self.version[0] += 1

    def set_names(self) -> list[str]:
        """Return the names of all variables that the program set."""
        return [key.name for key in self._values if self.is_set(key)]

    def function_names(self) -> list[str]:
        """Return the names of all variables of the program that can be called."""
        return [key.name for key in self._values if self.procedure(key) is not None]

    def lookup(self, name: Symbol | str) -> Form:
        """Return the value of a variable, () if it is unset."""
        name = symbol(name) if isinstance(name, str) else name
        bindings = self._values.get(name)
        return bindings[-1] if bindings is not None and bindings[-1] is not UNSET else self._find_built_in(name)

    def assign(self, name: Symbol, value: Form) -> None:
        """Set the current binding of a symbol: the innermost, or the global one if there is no other."""
        if name in self._fixed and not (name in self._locked and len(self._values.get(name, ())) > 1):
            raise self._fixed_error(name)
        self._values[name][-1] = value

    def assign_global(self, name: Symbol, value: Form) -> None:
        if name in self._fixed:
            raise self._fixed_error(name)
        self._values[name][0] = value

    def install(self, name: Symbol, value: Form) -> None:
        """Set a global variable to a word of snsim's own, which a program may find locked."""
        self._values[name][0] = value

    def is_set_globally(self, name: Symbol) -> bool:
        return self._values.get(name, [UNSET])[0] is not UNSET

    def fix(self, name: Symbol, value: Form) -> None:
        """Set a variable that the program can read and not set, such as a counter of the simulator."""
        self._fixed.add(name)
        self._values[name][0] = value

    def lock(self, name: Symbol) -> None:
        """Forbid assignments to the global variable; parameters and `let` variables of its name are not affected."""
        if name not in self._fixed:
            self._fixed.add(name)
            self._locked.add(name)

    def unlock(self, name: Symbol) -> None:
        """Allow assignments to a variable that `lock` locked."""
        if name in self._locked:
            self._locked.discard(name)
            self._fixed.discard(name)
        elif name in self._fixed:
            raise self._fixed_error(name)

    def _fixed_error(self, name: Symbol) -> CallError:
        if name in self._locked and name.name not in LOCKED:
            return CallError(
                f"locked symbol: the variable {name.name} is locked",
                None,
                f"unlock it first: (unlock-symbol {name.name})",
            )
        if name in self._locked:
            return CallError(
                f"locked symbol: {name.name} is a word of the Lisp",
                None,
                f"choose another name, such as my-{name.name}; a parameter or a variable of let may be called "
                f"{name.name}",
            )
        return CallError(
            "t is always t" if name is TRUE else f"the variable {name.name} is read-only",
            None,
            f"choose another name, such as my-{name.name}",
        )
