"""Define the tests of types. As in SN, they return the value itself, or () if it has another type.

See docs/reference/sn28.md, section 1.4.
"""

from __future__ import annotations

from snsim.language.forms import NIL, Form, Pair, Symbol
from snsim.language.procedures import TRUE, Procedure, function


@function("consp")
def consp(x: Form) -> Form:
    """(consp x): x if it is a list of at least one element, else ()"""
    return x if isinstance(x, Pair) else NIL


@function("listp")
def listp(x: Form) -> Form:
    """(listp x): x if it is a list, else (); t if x is (), the empty list"""
    return TRUE if x is NIL else consp(x)


@function("atomp")
def atomp(x: Form) -> Form:
    """(atomp x): x if it is not a list, else (); t if x is ()"""
    return TRUE if x is NIL else NIL if isinstance(x, Pair) else x


@function("numberp")
def numberp(x: Form) -> Form:
    """(numberp x): x if it is a number, else ()"""
    return x if isinstance(x, float) else NIL


@function("symbolp")
def symbolp(x: Form) -> Form:
    """(symbolp x): x if it is a symbol, else ()"""
    return x if isinstance(x, Symbol) else NIL


@function("stringp")
def stringp(x: Form) -> Form:
    """(stringp x): x if it is a string, else ()"""
    return x if isinstance(x, str) else NIL


@function("functionp")
def functionp(x: Form) -> Form:
    """(functionp x): x if it is a function, else ()"""
    return x if isinstance(x, Procedure) else NIL
