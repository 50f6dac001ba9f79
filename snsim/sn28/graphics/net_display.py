"""The windows of nets drawn by NetTool's files: the class `net-display`, which `(libload "nettool")` brings."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from snsim.errors import Fault, SnError, Source
from snsim.language.forms import symbol

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_TEXT = "nettool.sn"


def bring_net_display(interpreter: Interpreter) -> None:
    """Define the class, and what goes with it, unless the program has defined it."""
    if interpreter.is_set_globally(symbol("net-display")):
        return
    text = resources.files("snsim.sn28.graphics").joinpath(_TEXT).read_text(encoding="utf-8")
    faults: list[Fault] = []
    interpreter.run_text(Source(f"<snsim.sn28.{_TEXT}>", text), faults)
    if faults:
        raise SnError(faults)
