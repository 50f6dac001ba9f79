"""SN's numbers for the fields of units and connections, and the variables that hold these numbers.

See docs/reference/sn28.md, sections 2.2 and 2.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.forms import symbol

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

# variable that holds the number -> (number, meaning, modes that the kernel must have)
UNIT_FIELDS: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "n-val": (1, "the state", ()),
    "n-sum": (2, "the weighted sum", ()),
    "n-grad": (3, "the gradient, minus dC/da", ()),
    "n-backsum": (4, "the back sum, minus dC/dx", ()),
    "n-epsilon": (5, "the rate", ()),
    "n-ggrad": (8, "the second derivative by the sum", ("newton",)),
    "n-sqbacksum": (9, "the second derivative by the state", ("newton",)),
    "n-sigma": (10, "the running curvature", ("newton",)),
    "n-spare1": (11, "the first spare field", ()),
    "n-spare2": (12, "the second spare field", ()),
    "n-spare3": (13, "the third spare field", ()),
}
LINK_FIELDS: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "s-val": (1, "the weight", ()),
    "s-delta": (2, "the last change of the weight", ()),
    "s-acc": (3, "the accumulated gradient of the weight", ("iterative",)),
    "s-epsilon": (4, "the rate of the connection", ("newton",)),
    "s-sigma": (5, "the running curvature of the connection", ("newton",)),
    "s-hess": (6, "the accumulated curvature of the weight", ("iterative", "newton")),
}


class FieldNumbers:
    """The variables n-val ... s-hess of one program: `interpreter.part(FieldNumbers)` sets the unset ones, once."""

    def __init__(self, interpreter: Interpreter):
        numbers = {name: at for fields in (UNIT_FIELDS, LINK_FIELDS) for name, (at, _, _) in fields.items()}
        for name, at in {**numbers, "n-spare": 11}.items():
            if not interpreter.is_set_globally(symbol(name)):
                interpreter.assign_global(symbol(name), float(at))
