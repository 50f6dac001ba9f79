"""Parse the arguments of the primitives: optional settings and functions first, then layers.

See docs/reference/sn28.md, section 3.2.

In `(update-state [theta] [nlf] layer...)` a missing argument is the value of the variable of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snsim.errors import Fault
from snsim.language.forms import NIL, Form, Pair
from snsim.language.procedures import CallError
from snsim.runtime.settings import Settings, number_in
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.net.nlf import NonLinearity
from snsim.sn28.net.nlf_words import non_linearity

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


class Arguments:
    """The arguments of one call, consumed from left to right."""

    def __init__(self, interpreter: Interpreter, caller: str, arguments: Sequence[Form]):
        self.interpreter, self.caller = interpreter, caller
        self.space = interpreter.part(Netspace)
        self._arguments = list(arguments)
        self._position = 0

    @property
    def _next(self) -> Form:
        return self._arguments[self._position] if self._position < len(self._arguments) else NIL

    def number(self, variable: str) -> float:
        """Consume a number if one comes next; otherwise return that of the variable."""
        argument = self._next
        if isinstance(argument, float):
            self._position += 1
            return argument
        self.interpreter.part(Settings)
        return number_in(self.interpreter, variable)

    def optional_number(self, default: float) -> float:
        """Consume a number if one comes next; otherwise return `default`."""
        if not isinstance(self._next, float):
            return default
        self._position += 1
        return float(self._arguments[self._position - 1])

    def function(self, variable: str) -> NonLinearity:
        """Consume a non-linearity if one comes next; otherwise return that of the variable."""
        argument = self._next
        if argument is NIL or isinstance(argument, (Pair, float)):
            self.interpreter.part(Settings)
            return non_linearity(self.interpreter, self.interpreter.lookup(variable), f"{self.caller}: {variable}")
        self._position += 1
        return non_linearity(self.interpreter, argument, self.caller, self._position - 1)

    def layer(self, what: str = "layer") -> Units:
        """Consume one layer. Raise CallError if no argument is left; `what` names the layer in the message."""
        if self._position >= len(self._arguments):
            raise CallError(
                f"{self.caller}: a {what} is missing",
                None,
                f"add it after the last argument; `snsim help {self.caller}` shows the order",
            )
        self._position += 1
        return self.space.units(self._arguments[self._position - 1], self.caller)

    def layers(self) -> list[Units]:
        """Consume the remaining arguments as layers. Without one the word does nothing, as in SN: warn."""
        if self._position >= len(self._arguments):
            self.interpreter.warnings.append(
                Fault(
                    f"{self.caller}: no layer is given, so nothing happens; a bare number is no layer",
                    self.interpreter.place(),
                    hint=f"write one or more lists of units, as in ({self.caller} output-layer)",
                    severity="warning",
                )
            )
        return self.rest()

    def rest(self) -> list[Units]:
        """Consume the remaining arguments, none or more, as layers."""
        layers = [self.space.units(argument, self.caller) for argument in self._arguments[self._position :]]
        self._position = len(self._arguments)
        return layers

    def rest_or_all(self) -> list[Units | None]:
        """Consume the remaining arguments as layers; return [None], for all units, if there are none."""
        return [*self.rest()] or [None]

    def expect_end(self) -> None:
        """Raise CallError if arguments are left."""
        if self._position < len(self._arguments):
            raise CallError(
                f"{self.caller}: {len(self._arguments) - self._position} of {len(self._arguments)} arguments too many",
                self._position,
            )
