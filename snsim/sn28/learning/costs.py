"""Choose the cost function, which `init-grad` computes (docs/reference/sn28.md, section 3.9).

`local-error` is half the sum of the squared errors, divided by the number of outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import number
from snsim.language.forms import Form, symbol
from snsim.runtime.lisp_definitions import code, define
from snsim.runtime.settings import Settings
from snsim.runtime.vocabulary import word

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


@word("set-cost-lms")
def set_lms(interpreter: Interpreter) -> Form:
    """(set-cost-lms): makes the cost half the sum of the squared errors"""
    interpreter.part(Settings)
    interpreter.assign(symbol("init-grad"), interpreter.procedure(symbol("init-grad-lms")))
    return symbol("init-grad-lms")


@word("set-cost-thlms")
def set_thlms(interpreter: Interpreter, threshold: Form) -> Form:
    """(set-cost-thlms th): like set-cost-lms, but an output beyond its target has no error

    An output is beyond its target if it is above a target above th, or below a target of at most th.
    """
    interpreter.part(Settings)
    limit = number("set-cost-thlms", threshold)
    define(
        interpreter,
        "init-grad",
        symbol("layers"),
        code("apply", code("quote", "init-grad-thlms"), code("append", "layers", code("list", limit))),
    )
    return symbol("init-grad-thlms")
