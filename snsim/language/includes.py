"""Define the word `include`, which evaluates another file."""

from __future__ import annotations

from dataclasses import replace

from snsim.errors import Fault, SnError, Span, fail
from snsim.language.forms import NIL, Form, Node
from snsim.language.interpreter import Interpreter, ProgramStoppedError
from snsim.language.source_files import read_source


def include(call: Node, interpreter: Interpreter) -> Form:
    """(include "f.sn"): evaluates a file, relative to the file of this form; a file is evaluated only the first time"""
    span = call.span
    if len(call.items) != 2 or not isinstance(call.items[1].value, str):
        raise fail("include takes the name of one file, as a string", span, hint='write (include "f.sn")')
    name, title, files = call.items[1], call.items[1].value, interpreter.files
    assert files is not None, "a running program has its files"
    try:
        path = files.find(title, span.source, name.span)
        if not files.mark_read(path):
            return NIL
        source = read_source(path, interpreter.limits, name.span)
    except SnError as error:
        raise ProgramStoppedError(error.faults) from None
    faults: list[Fault] = []
    interpreter.including += 1
    try:
        value = interpreter.run_text(source, faults)
    except ProgramStoppedError as stopped:
        raise ProgramStoppedError([_from(fault, span) for fault in (*faults, *stopped.faults)]) from None
    finally:
        interpreter.including -= 1
    if faults:
        raise SnError([_from(fault, span) for fault in faults])
    return value


def _from(fault: Fault, span: Span) -> Fault:
    """Return the fault of an included file with the place of the include form added."""
    return replace(fault, also=(*fault.also, ("included here", span)))
