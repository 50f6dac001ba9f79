"""The arguments of the primitives: settings and functions may stand first, layers follow.

See docs/reference/sn28.md, section 3.2.

`(update-state [theta] [nlf] layer...)`: what is left out is the value of the variable of that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snsim.language.forms import NIL, Form, Pair
from snsim.language.procedures import CallError
from snsim.sn28.net.adjacency import Units
from snsim.sn28.net.netspace import Netspace
from snsim.sn28.net.nlf import NonLinearity
from snsim.sn28.net.nlf_words import non_linearity
from snsim.sn28.runtime.settings import Settings, number_in

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


class Arguments:
    """The arguments of one call, taken from the left."""

    def __init__(self, interpreter: Interpreter, who: str, given: Sequence[Form]):
        self.interpreter, self.who = interpreter, who
        self.space = interpreter.part(Netspace)
        self._given = list(given)
        self._taken = 0

    @property
    def _next(self) -> Form:
        return self._given[self._taken] if self._taken < len(self._given) else NIL

    def number(self, variable: str) -> float:
        """A number that may stand here; else that of the variable."""
        given = self._next
        if isinstance(given, float):
            self._taken += 1
            return given
        self.interpreter.part(Settings)
        return number_in(self.interpreter, variable)

    def optional_number(self, otherwise: float) -> float:
        """A number that may stand here; else `otherwise`."""
        if not isinstance(self._next, float):
            return otherwise
        self._taken += 1
        return float(self._given[self._taken - 1])

    def function(self, variable: str) -> NonLinearity:
        """A non-linearity that may stand here; else that of the variable."""
        given = self._next
        if given is NIL or isinstance(given, (Pair, float)):
            self.interpreter.part(Settings)
            return non_linearity(self.interpreter, self.interpreter.lookup(variable), f"{self.who}: {variable}")
        self._taken += 1
        return non_linearity(self.interpreter, given, self.who, self._taken - 1)

    def layer(self, what: str = "layer") -> Units:
        """One layer, which must stand here."""
        if self._taken >= len(self._given):
            raise CallError(
                f"{self.who}: a {what} is missing",
                None,
                f"write one behind the last argument; `snsim help {self.who}` tells the order",
            )
        self._taken += 1
        return self.space.units(self._given[self._taken - 1], self.who)

    def layers(self) -> list[Units]:
        """All that is left; at least one layer."""
        if self._taken >= len(self._given):
            raise CallError(f"{self.who}: no layer is given", None, "a layer is a list of units")
        return self.rest()

    def rest(self) -> list[Units]:
        """All that is left, as layers."""
        found = [self.space.units(given, self.who) for given in self._given[self._taken :]]
        self._taken = len(self._given)
        return found

    def rest_or_all(self) -> list[Units | None]:
        """All that is left, as layers; None, which stands for all units, if that is nothing."""
        return [*self.rest()] or [None]

    def end(self) -> None:
        """Nothing may be left."""
        if self._taken < len(self._given):
            raise CallError(
                f"{self.who}: {len(self._given)} arguments are {len(self._given) - self._taken} too many", self._taken
            )
