"""Define definitions, bindings and assignments (docs/reference/sn28.md, sections 1.2 and 1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.builtins.control import is_pair_of_two, rest_of
from snsim.language.forms import NIL, Form, Pair, Symbol, symbol
from snsim.language.objects import Object
from snsim.language.procedures import (
    CallError,
    Function,
    Macro,
    Parameters,
    check_name,
    check_pattern,
    conversion,
    function,
    match_pattern,
    special,
)

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_SCOPE = symbol("scope")
_MOST_SLOTS = 100  # in :a:b:c; a circular list would never end


def _parts(form: Pair, syntax: str) -> tuple[Symbol, Parameters, Form]:
    """Return the name, parameters and body of a definition."""
    cell = rest_of(form, 2, syntax)
    if not isinstance(cell.car, Symbol):
        raise CallError(f"{form.car}: expected a name", 0, f"write {syntax}")
    check_name(cell.car, 0)
    return cell.car, _parameters(cell.cdr, 1), cell.cdr.cdr


def _parameters(cell: Pair, argument: int) -> Parameters:
    try:
        return Parameters.of(cell.car)
    except CallError as call_error:
        raise CallError(call_error.message, argument, call_error.hint) from None


@special("de")
def de(interpreter: Interpreter, form: Pair) -> Form:
    """(de name (argument...) form...): defines a function; a call returns the value of the last form"""
    name, parameters, body = _parts(form, "(de name (argument...) form...)")
    interpreter.assign(name, Function(name.name, parameters, body, True, form.span))
    return name


@special("df")
def df(interpreter: Interpreter, form: Pair) -> Form:
    """(df name (argument...) form...): defines a function that gets its arguments unevaluated"""
    name, parameters, body = _parts(form, "(df name (argument...) form...)")
    interpreter.assign(name, Function(name.name, parameters, body, False, form.span))
    return name


@special("dm")
def dm(interpreter: Interpreter, form: Pair) -> Form:
    """(dm name (name argument...) form...): defines a macro that gets the whole call, unevaluated

    Its value, a form, is then evaluated in place of the call. Each call runs the macro again.
    """
    name, parameters, body = _parts(form, "(dm name (name argument...) form...)")
    interpreter.assign(name, Macro(name.name, parameters, body, whole_call=True, span=form.span))
    return name


@special("dmd")
def dmd(interpreter: Interpreter, form: Pair) -> Form:
    """(dmd name (argument...) form...): defines a macro that gets its arguments unevaluated

    Its value, a form, is then evaluated, and replaces the call in the program. So each call runs the macro once only.
    """
    name, parameters, body = _parts(form, "(dmd name (argument...) form...)")
    interpreter.assign(name, Macro(name.name, parameters, body, replaces=True, span=form.span))
    return name


@special("defun")
def defun(interpreter: Interpreter, form: Pair) -> Form:
    """(defun name (argument...) form...): defines a global function, even where a local variable has the same name"""
    name, parameters, body = _parts(form, "(defun name (argument...) form...)")
    interpreter.assign_global(name, Function(name.name, parameters, body, True, form.span))
    return name


@special("defmacro")
def defmacro(interpreter: Interpreter, form: Pair) -> Form:
    """(defmacro name (argument...) form...): defines a global macro, even where a local variable has the same name"""
    name, parameters, body = _parts(form, "(defmacro name (argument...) form...)")
    interpreter.assign_global(name, Macro(name.name, parameters, body, span=form.span))
    return name


@special("lambda")
def lambda_(interpreter: Interpreter, form: Pair) -> Form:
    """(lambda (argument...) form...): returns a function without a name"""
    cell = rest_of(form, 1, "(lambda (argument...) form...)")
    return Function("lambda", _parameters(cell, 0), cell.cdr, True, form.span)


@special("flambda")
def flambda(interpreter: Interpreter, form: Pair) -> Form:
    """(flambda (argument...) form...): returns a function without a name that gets its arguments unevaluated"""
    cell = rest_of(form, 1, "(flambda (argument...) form...)")
    return Function("flambda", _parameters(cell, 0), cell.cdr, False, form.span)


@special("mlambda")
def mlambda(interpreter: Interpreter, form: Pair) -> Form:
    """(mlambda (name argument...) form...): returns a macro without a name, which gets the whole call unevaluated"""
    cell = rest_of(form, 1, "(mlambda (name argument...) form...)")
    return Macro("mlambda", _parameters(cell, 0), cell.cdr, whole_call=True, span=form.span)


def _bindings(interpreter: Interpreter, form: Pair, name: str) -> list[tuple[Form, Pair]]:
    """Return the patterns of `let` and the cells of their values."""
    syntax = f"({name} ((variable value)...) form...)"
    pairs = []
    for binding in interpreter.elements(rest_of(form, 1, syntax).car, name):
        if not is_pair_of_two(binding):
            raise CallError(
                f"{name}: expected a variable and its value, not {interpreter.describe(binding)}",
                0,
                f"write {syntax}",
            )
        pairs.append((check_pattern(binding.car), binding.cdr))
    return pairs


@special("let")
def let(interpreter: Interpreter, form: Pair) -> Form:
    """(let ((variable value)...) form...): binds local variables and evaluates the forms; returns the last value

    All values are computed before the first variable is bound.
    """
    pairs = _bindings(interpreter, form, "let")
    bound: list[tuple[Symbol, Form]] = []
    for pattern, cell in pairs:
        match_pattern(pattern, interpreter.evaluate(cell.car, cell.at), bound)
    return interpreter.run_body(bound, form.cdr.cdr)


@special("let*")
def let_star(interpreter: Interpreter, form: Pair) -> Form:
    """(let* ((variable value)...) form...): like let, but binds each variable before the next value is computed"""
    bound: list[Symbol] = []
    try:
        for variable, cell in _bindings(interpreter, form, "let*"):
            if not isinstance(variable, Symbol):
                raise CallError("let* binds names only", 0, "write let in place of let*: it takes patterns")
            value = interpreter.evaluate(cell.car, cell.at)
            interpreter.bind(variable, value)
            bound.append(variable)
        return interpreter.body(form.cdr.cdr)
    finally:
        for variable in reversed(bound):
            interpreter.unbind(variable)


def _scoped(target: Form) -> Symbol | None:
    """Return the symbol a of (scope a), which `:a` abbreviates, or None."""
    if isinstance(target, Pair) and target.car is _SCOPE and isinstance(target.cdr, Pair) and target.cdr.cdr is NIL:
        return target.cdr.car if isinstance(target.cdr.car, Symbol) else None
    return None


@special("setq")
def setq(interpreter: Interpreter, form: Pair) -> Form:
    """(setq a x b y ...): computes all values, then sets the variables a, b ...; :a is the global variable a"""
    targets: list[Form] = []
    values: list[Form] = []
    cell = form.cdr
    while isinstance(cell, Pair) and isinstance(cell.cdr, Pair):
        if targets:
            interpreter.step()
        targets.append(cell.car)
        values.append(interpreter.evaluate(cell.cdr.car, cell.cdr.at))
        cell = cell.cdr.cdr
    if cell is not NIL or not targets:
        raise CallError(
            "setq: a variable without a value", 2 * len(targets) if cell else None, "write (setq a x b y ...)"
        )
    for i, (target, value) in enumerate(zip(targets, values)):
        if isinstance(target, Symbol):
            interpreter.assign(target, value)
        elif not _assign_place(interpreter, target, value, 2 * i):
            raise CallError(
                f"setq: {interpreter.describe(target)} is not a variable", 2 * i, "write (setq a x b y ...)"
            )
    return value


def _assign_place(interpreter: Interpreter, target: Form, value: Form, argument: int = 0) -> bool:
    """Set what :a or :o:s refers to; return whether the target has this form."""
    if (name := _scoped(target)) is not None:
        interpreter.assign_global(name, value)
    elif (path := _slot_path(target)) is not None:
        _object(interpreter, path[:-1], argument).set(path[-1], value)
    else:
        return False
    return True


@special("scope")
def scope(interpreter: Interpreter, form: Pair) -> Form:
    """(scope a), :a: the value of the global variable a; :o:s: the value of slot s of the object in the variable o"""
    name = _scoped(form)
    if name is not None:
        return interpreter.global_value(name, form.span)
    path = _slot_path(form)
    if path is None:
        raise CallError(
            "scope takes one name, or the names of an object and its slots", None, "write :a, or :object:slot"
        )
    return _object(interpreter, path[:-1]).get(path[-1])


def _slot_path(target: Form) -> list[Form] | None:
    """Return the parts o, s, t of (scope o s t), which `:o:s:t` abbreviates, or None. All but a list o are symbols."""
    if not isinstance(target, Pair) or target.car is not _SCOPE:
        return None
    names: list[Form] = []
    for name in target.cdr or ():
        if not (isinstance(name, Symbol) or (isinstance(name, Pair) and not names)) or len(names) > _MOST_SLOTS:
            return None
        names.append(name)
    return names if len(names) > 1 else None


def _object(interpreter: Interpreter, path: list[Form], argument: int | None = None) -> Object:
    """Return the object in a variable, or the value of a list, or in a slot of one."""
    value = interpreter.evaluate(path[0])
    for name in (*path[1:], None):
        if not isinstance(value, Object) or value.kind is None:
            raise CallError(
                f"{interpreter.describe(value)} is not an object, so it has no slots",
                argument,
                "write :object:slot for a variable that holds an object",
            )
        value = value if name is None else value.get(name)
    assert isinstance(value, Object)
    return value


@function("set", interpreter=True)
def set_(interpreter: Interpreter, name: Form, value: Form) -> Form:
    """(set 'a x): evaluates its first argument to a name, and sets the variable of this name to x; returns x"""
    if not isinstance(name, Symbol):
        raise CallError(
            f"set: {interpreter.describe(name)} is not a name",
            0,
            "write a name with a quote, (set 'a x), or (setq a x)",
        )
    interpreter.assign(name, value)
    return value


@special("incr")
def incr(interpreter: Interpreter, form: Pair) -> Form:
    """(incr a [n]): adds n, default 1, to the variable a; returns the sum"""
    cell = rest_of(form, 1, "(incr variable [n])")
    by = interpreter.evaluate(cell.cdr.car, cell.cdr.at) if isinstance(cell.cdr, Pair) else 1.0
    target = cell.car
    if isinstance(target, Symbol):
        value = interpreter.value(target, cell.at)
    elif _slot_path(target) is not None or _scoped(target) is not None:
        value = interpreter.evaluate(target, cell.at)
    else:
        raise CallError("incr: expected a variable", 0, "write (incr variable [n])")
    return add_to(interpreter, target, value, by)


def add_to(interpreter: Interpreter, target: Form, value: Form, by: Form) -> float:
    """Add `by` to a variable or slot that has the value `value`, and return the sum; CallError for other values."""
    if not isinstance(value, float) or not isinstance(by, float):
        wrong, argument = (value, 0) if isinstance(by, float) else (by, 1)
        raise CallError(
            f"incr: {interpreter.describe(wrong)} is not a number",
            argument,
            conversion(by, "number") if argument else f"set it first: (setq {interpreter.describe(target)} 0)",
        )
    if isinstance(target, Symbol):
        interpreter.assign(target, value + by)
    else:
        _assign_place(interpreter, target, value + by)
    return value + by


@special("defvar")
def defvar(interpreter: Interpreter, form: Pair) -> Form:
    """(defvar a [x]): sets the global variable a to x, default (), unless it has a value

    The option --set a=y sets it to y instead.
    """
    cell = rest_of(form, 1, "(defvar variable [value])")
    name = cell.car
    if not isinstance(name, Symbol):
        raise CallError("defvar: expected a name", 0, "write (defvar variable [value])")
    check_name(name, 0)
    interpreter.preset_names.append(name.name)
    if name.name in interpreter.presets and name.name not in interpreter.used_presets:
        interpreter.used_presets.add(name.name)
        preset = interpreter.presets[name.name]
        interpreter.assign_global(name, preset if isinstance(preset, str) else float(preset))
    elif not interpreter.is_set_globally(name):
        interpreter.assign_global(name, interpreter.body(cell.cdr))
    return name


@special("defparameter")
def defparameter(interpreter: Interpreter, form: Pair) -> Form:
    """(defparameter a x): sets the global variable a to x, even if it has a value"""
    cell = rest_of(form, 2, "(defparameter variable value)")
    if not isinstance(cell.car, Symbol):
        raise CallError("defparameter: expected a name", 0, "write (defparameter variable value)")
    check_name(cell.car, 0)
    interpreter.assign_global(cell.car, interpreter.body(cell.cdr))
    return cell.car
