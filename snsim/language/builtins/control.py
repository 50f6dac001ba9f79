"""Define special forms and functions that control evaluation (docs/reference/sn28.md, section 1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from snsim.errors import NO_HINT, Fault, SnError
from snsim.language.forms import BACKQUOTE, NIL, Form, Pair, Symbol
from snsim.language.limits import LONG_LIST, LimitError, exceeded
from snsim.language.procedures import TRUE, CallError, check_pattern, function, match_pattern, special
from snsim.language.quasiquote import argument_of, backquote

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter


def rest_of(form: Pair, least: int, syntax: str) -> Any:
    """Return the first argument cell of a special form; raise CallError if there are fewer than `least` arguments."""
    cell: Form = form.cdr
    for _ in range(least):
        if not isinstance(cell, Pair):
            raise CallError(f"{form.car} has too few arguments", None, f"write {syntax}")
        cell = cell.cdr
    return form.cdr


def is_pair_of_two(form: Form) -> bool:
    """Return whether the form is a list of two elements."""
    return isinstance(form, Pair) and isinstance(form.cdr, Pair) and form.cdr.cdr is NIL


@special("quote")
def quote(interpreter: Interpreter, form: Pair) -> Form:
    """(quote x), 'x: x itself, not evaluated"""
    cell = argument_of(form, form.car)
    if cell is None:
        raise CallError("quote takes one form", None, "write 'x")
    return cell.car


@special("backquote")
def quasi(interpreter: Interpreter, form: Pair) -> Form:
    """(backquote x), `x: returns x unevaluated, but computes ,a and ,@list in it

    The value of a replaces ,a. The elements of the value of list replace ,@list.
    """
    cell = argument_of(form, BACKQUOTE)
    if cell is None:
        raise CallError("backquote takes one form", None, "write `x")
    return backquote(interpreter, cell.car, interpreter.place())


@special("progn")
def progn(interpreter: Interpreter, form: Pair) -> Form:
    """(progn form...): evaluates the forms in order; returns the value of the last"""
    return interpreter.body(form.cdr)


@special("prog1")
def prog1(interpreter: Interpreter, form: Pair) -> Form:
    """(prog1 form...): evaluates the forms in order; returns the value of the first"""
    cell = rest_of(form, 1, "(prog1 form...)")
    value = interpreter.evaluate(cell.car, cell.at)
    interpreter.body(cell.cdr)
    return value


@special("if")
def if_(interpreter: Interpreter, form: Pair) -> Form:
    """(if condition yes no...): if the condition is not (), evaluates yes, else all no forms; returns the last value"""
    condition = rest_of(form, 2, "(if condition yes no...)")
    yes = condition.cdr
    if interpreter.evaluate(condition.car, condition.at) is not NIL:
        return interpreter.evaluate(yes.car, yes.at)
    return interpreter.body(yes.cdr)


@special("when")
def when(interpreter: Interpreter, form: Pair) -> Form:
    """(when condition form...): evaluates the forms if the condition is not (); returns the last value, or ()"""
    condition = rest_of(form, 1, "(when condition form...)")
    if interpreter.evaluate(condition.car, condition.at) is not NIL:
        return interpreter.body(condition.cdr)
    return NIL


@special("cond")
def cond(interpreter: Interpreter, form: Pair) -> Form:
    """(cond (condition form...)...): evaluates the forms of the first clause whose condition is not ()

    It returns the last value, or () if every condition is ().
    """
    cell = form.cdr
    while isinstance(cell, Pair):
        clause = cell.car
        if not isinstance(clause, Pair):
            raise CallError("a clause of cond must be a list", None, "write (cond (condition form...)...)")
        interpreter.step()
        if interpreter.evaluate(clause.car, clause.at) is not NIL:
            return interpreter.body(clause.cdr)
        cell = cell.cdr
    return NIL


@special("selectq")
def selectq(interpreter: Interpreter, form: Pair) -> Form:
    """(selectq x (case form...)... (t form...)): evaluates the forms of the first matching case; returns the last value

    A case matches if it equals x, or if it is a list with an element that equals x. The case t always matches.
    """
    key = rest_of(form, 1, "(selectq x (case form...)... (t form...))")
    value = interpreter.evaluate(key.car, key.at)
    for clause in interpreter.elements(key.cdr, "selectq"):
        if not isinstance(clause, Pair):
            raise CallError("a case of selectq must be a list", None, "write (selectq x (case form...)... (t form...))")
        case = clause.car
        if (
            case is TRUE
            or interpreter.equal(case, value)
            or (
                isinstance(case, Pair)
                and any(interpreter.equal(value, item) for item in interpreter.elements(case, "selectq"))
            )
        ):
            return interpreter.body(clause.cdr)
    return NIL


@special("and", applies=True)
def and_(interpreter: Interpreter, form: Pair) -> Form:
    """(and form...): evaluates the forms until one is (), and returns (); else returns the value of the last"""
    value: Form = TRUE
    cell = form.cdr
    while isinstance(cell, Pair):
        interpreter.step()
        value = interpreter.evaluate(cell.car, cell.at)
        if value is NIL:
            return NIL
        cell = cell.cdr
    return value


@special("or", applies=True)
def or_(interpreter: Interpreter, form: Pair) -> Form:
    """(or form...): evaluates the forms until one is not (), and returns its value; else returns ()"""
    cell = form.cdr
    while isinstance(cell, Pair):
        interpreter.step()
        value = interpreter.evaluate(cell.car, cell.at)
        if value is not NIL:
            return value
        cell = cell.cdr
    return NIL


@special("while")
def while_(interpreter: Interpreter, form: Pair) -> Form:
    """(while condition form...): repeats the forms while the condition is not (); returns the last value"""
    rest_of(form, 1, "(while condition form...)")
    loop = interpreter.translated_loop(form, "while", while_rounds)
    return while_rounds(interpreter, form, NIL, interpreter.often) if loop is None else loop(NIL)


def while_rounds(interpreter: Interpreter, form: Pair, value: Form, rounds: int = -1) -> Form:
    """Run the remaining rounds of a `while`, and return the last value.

    `value` is the value of the round before. After `rounds` rounds the loop is translated to Python; -1 means never.
    """
    condition = form.cdr
    while interpreter.evaluate(condition.car, condition.at) is not NIL:
        interpreter.step()
        value = interpreter.body(condition.cdr)
        rounds -= 1
        if rounds == 0:
            loop = interpreter.translated_loop(form, "while", while_rounds, now=True)
            if loop is not None:
                return loop(value)
    return value


@special("do-while")
def do_while(interpreter: Interpreter, form: Pair) -> Form:
    """(do-while condition form...): like while, but evaluates the forms before it first tests the condition"""
    condition = rest_of(form, 1, "(do-while condition form...)")
    while True:
        interpreter.step()
        value = interpreter.body(condition.cdr)
        if interpreter.evaluate(condition.car, condition.at) is NIL:
            return value


@special("repeat")
def repeat(interpreter: Interpreter, form: Pair) -> Form:
    """(repeat n form...): evaluates the forms n times; returns the last value"""
    count = rest_of(form, 1, "(repeat n form...)")
    times = repeat_count(interpreter, interpreter.evaluate(count.car, count.at))
    loop = interpreter.translated_loop(form, "repeat", repeat_rounds)
    return repeat_rounds(interpreter, form, NIL, 0, times, interpreter.often) if loop is None else loop(NIL, 0, times)


def repeat_count(interpreter: Interpreter, times: Form) -> float:
    """Return the number of rounds of a `repeat`; raise CallError if it is not a number or is negative."""
    if not isinstance(times, float) or not times >= 0:
        raise CallError(
            f"repeat: {interpreter.describe(times)} is not a number of times", 0, "write (repeat n form...)"
        )
    return times


def repeat_rounds(interpreter: Interpreter, form: Pair, value: Form, done: int, times: float, rounds: int = -1) -> Form:
    """Run the rounds of a `repeat` that remain after `done` of `times`; `rounds` is as in `while_rounds`."""
    body = form.cdr.cdr
    while done + 1 <= times:
        interpreter.step()
        value = interpreter.body(body)
        done += 1
        rounds -= 1
        if rounds == 0:
            loop = interpreter.translated_loop(form, "repeat", repeat_rounds, now=True)
            if loop is not None:
                return loop(value, done, times)
    return value


def _for_header(interpreter: Interpreter, form: Pair, name: str) -> tuple[Symbol, float, float, float]:
    """Return the variable of `for` or `mapfor`, its first value, the bound and the step."""
    syntax = f"({name} (i from to [step]) form...)"
    header = rest_of(form, 1, syntax).car
    parts = interpreter.elements(header, name) if isinstance(header, Pair) else []
    if not 3 <= len(parts) <= 4 or not isinstance(parts[0], Symbol):
        raise CallError(f"{name}: expected a variable and its bounds", 0, f"write {syntax}")
    bounds = [interpreter.evaluate(cell.car, cell.at) for cell in header.cdr.cells()]
    return parts[0], *for_bounds(interpreter, name, bounds)


def for_bounds(interpreter: Interpreter, name: str, bounds: list[Form]) -> tuple[float, float, float]:
    """Return the first value, the last value (inclusive) and the step of a `for`; the default step is 1.

    `bounds` are the values of `from`, `to` and perhaps `step`. Raises CallError if one is no number or the step is 0.
    """
    for bound in bounds:
        if not isinstance(bound, float):
            raise CallError(
                f"{name}: {interpreter.describe(bound)} is not a number",
                0,
                f"write ({name} (i from to [step]) form...)",
            )
    start, end, step = (*bounds, 1.0)[:3]
    if step == 0:
        raise CallError(f"{name}: a step of 0 never ends", 0, "write a step such as 1, or -1 to count down")
    return start, end, step


@special("for")
def for_(interpreter: Interpreter, form: Pair) -> Form:
    """(for (i from to [step]) form...): sets i to from, from + step, ... up to and including to; returns the last value

    The default step is 1. A negative step counts down. A step of 0 is an error.
    """
    variable, start, end, step = _for_header(interpreter, form, "for")
    interpreter.bind(variable, NIL)
    try:
        loop = interpreter.translated_loop(form, "for", for_rounds)
        return (
            for_rounds(interpreter, form, NIL, start, end, step, interpreter.often)
            if loop is None
            else loop(NIL, start, end, step)
        )
    finally:
        interpreter.unbind(variable)


def for_rounds(
    interpreter: Interpreter, form: Pair, value: Form, i: float, end: float, step: float, rounds: int = -1
) -> Form:
    """Run the rounds of a `for` from the value i on; `rounds` is as in `while_rounds`."""
    bindings, body = interpreter.stack_of(form.cdr.car.car), form.cdr.cdr
    while (i <= end) if step > 0 else (i >= end):
        interpreter.step()
        bindings[-1] = i
        value = interpreter.body(body)
        i += step
        rounds -= 1
        if rounds == 0:
            loop = interpreter.translated_loop(form, "for", for_rounds, now=True)
            if loop is not None:
                return loop(value, i, end, step)
    return value


@special("mapfor")
def mapfor(interpreter: Interpreter, form: Pair) -> Form:
    """(mapfor (i from to [step]) form...): like for, but returns a list of the value of the last form in each round"""
    variable, i, end, step = _for_header(interpreter, form, "mapfor")
    body = form.cdr.cdr
    results: list[Form] = []
    while (i <= end) if step > 0 else (i >= end):
        _collect(interpreter, results, interpreter.run_body([(variable, i)], body))
        i += step
    return interpreter.new_list(results, "mapfor")


@special("mapwhile")
def mapwhile(interpreter: Interpreter, form: Pair) -> Form:
    """(mapwhile condition form...): like while, but returns a list of the value of the last form in each round"""
    condition = rest_of(form, 1, "(mapwhile condition form...)")
    results: list[Form] = []
    while interpreter.evaluate(condition.car, condition.at) is not NIL:
        _collect(interpreter, results, interpreter.body(condition.cdr))
    return interpreter.new_list(results, "mapwhile")


def _collect(interpreter: Interpreter, results: list[Form], value: Form) -> None:
    interpreter.step()
    results.append(value)
    if len(results) > interpreter.limits.list_length:
        raise exceeded("the list is too long", interpreter.limits.list_length, interpreter.place(), LONG_LIST)


def _rounds(interpreter: Interpreter, form: Pair, name: str) -> Iterator[list[tuple[Symbol, Form]]]:
    """Yield what `each` and `all` bind in each round: the elements of their lists, in parallel."""
    syntax = f"({name} ((x list)...) form...)"
    header = rest_of(form, 1, syntax).car
    patterns: list[Form] = []
    lists: list[list[Form]] = []
    for binding in interpreter.elements(header, name):
        if not is_pair_of_two(binding):
            raise CallError(
                f"{name}: expected a variable and its list, not {interpreter.describe(binding)}", 0, f"write {syntax}"
            )
        cell = binding.cdr
        patterns.append(check_pattern(binding.car))
        lists.append(interpreter.elements(interpreter.evaluate(cell.car, cell.at), name, cell.at))
    lengths = {len(values) for values in lists}
    if len(lengths) > 1:
        raise CallError(
            f"{name}: the lists have {', '.join(str(len(v)) for v in lists)} elements",
            0,
            "make the lists equally long: they are traversed in parallel",
        )
    for values in zip(*lists):
        interpreter.step()
        bound: list[tuple[Symbol, Form]] = []
        for pattern, value in zip(patterns, values):
            match_pattern(pattern, value, bound)
        yield bound


@special("each")
def each(interpreter: Interpreter, form: Pair) -> Form:
    """(each ((x list)...) form...): evaluates the forms for each element x of the list; returns the last value

    Several lists are traversed in parallel. Lists of different lengths are an error.
    """
    value: Form = NIL
    for bound in _rounds(interpreter, form, "each"):
        value = interpreter.run_body(bound, form.cdr.cdr)
    return value


@special("all")
def all_(interpreter: Interpreter, form: Pair) -> Form:
    """(all ((x list)...) form...): like each, but returns a list of the value of the last form for each element"""
    results: list[Form] = []
    for bound in _rounds(interpreter, form, "all"):
        results.append(interpreter.run_body(bound, form.cdr.cdr))
    return interpreter.new_list(results, "all")


def _parallel(interpreter: Interpreter, name: str, lists: tuple[Form, ...]) -> list[tuple[Form, ...]]:
    columns = [interpreter.elements(values, name) for values in lists]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise CallError(
            f"{name}: the lists have {', '.join(str(len(c)) for c in columns)} elements",
            None,
            "make the lists equally long: they are traversed in parallel",
        )
    return list(zip(*columns))


@function("mapcar", interpreter=True)
def mapcar(interpreter: Interpreter, f: Form, first: Form, *more: Form) -> Form:
    """(mapcar f list...): applies f to each element, and returns a list of the values

    With n lists, f takes n arguments, one element of each list. Lists of different lengths are an error.
    """
    results = []
    for values in _parallel(interpreter, "mapcar", (first, *more)):
        results.append(interpreter.apply(f, list(values)))
    return interpreter.new_list(results, "mapcar")


@function("mapc", interpreter=True)
def mapc(interpreter: Interpreter, f: Form, first: Form, *more: Form) -> Form:
    """(mapc f list...): like mapcar, but returns only the last value"""
    value: Form = NIL
    for values in _parallel(interpreter, "mapc", (first, *more)):
        value = interpreter.apply(f, list(values))
    return value


def _recursive(interpreter: Interpreter, f: Form, tree: Form, name: str, depth: int = 0) -> Form:
    if depth > interpreter.limits.nesting:
        raise exceeded(
            f"{name}: the list is nested too deeply",
            interpreter.limits.nesting,
            interpreter.place(),
            "is it a circular list? Pass one that is not, such as (flatten list)",
        )
    interpreter.step()
    results = []
    for item in interpreter.elements(tree, name):
        nested = isinstance(item, Pair)
        results.append(_recursive(interpreter, f, item, name, depth + 1) if nested else interpreter.apply(f, [item]))
    return interpreter.new_list(results, name)


@function("rmapcar", interpreter=True)
def rmapcar(interpreter: Interpreter, f: Form, tree: Form) -> Form:
    """(rmapcar f list): applies f to each element, also in nested lists; returns the values, nested in the same way"""
    return _recursive(interpreter, f, tree, "rmapcar")


@function("rmapc", interpreter=True)
def rmapc(interpreter: Interpreter, f: Form, tree: Form) -> Form:
    """(rmapc f list): applies f to each element, also in nested lists; returns ()"""
    _recursive(interpreter, f, tree, "rmapc")
    return NIL


@function("eval", interpreter=True)
def eval_(interpreter: Interpreter, *forms: Form) -> Form:
    """(eval form...): evaluates each argument, and then its value as a form; returns the last value"""
    value: Form = NIL
    for form in forms:
        value = interpreter.evaluate(form)
    return value


@function("apply", interpreter=True)
def apply(interpreter: Interpreter, f: Form, *arguments: Form) -> Form:
    """(apply f [x...] list): calls f with the arguments x and then the elements of the list; returns its value"""
    if not arguments:
        raise CallError("apply: expected a list of arguments", None, "write (apply f list)")
    return interpreter.apply(f, [*arguments[:-1], *interpreter.elements(arguments[-1], "apply")])


@function("not")
def not_(x: Form) -> bool:
    """(not x): t if x is (), else ()"""
    return x is NIL


@function("null")
def null(x: Form) -> bool:
    """(null x), ~x: t if x is (), else ()"""
    return x is NIL


@special("on-error")
def on_error(interpreter: Interpreter, form: Pair) -> Form:
    """(on-error handler form...): evaluates the forms; on an error, evaluates the handler and raises the error again"""
    handler = rest_of(form, 1, "(on-error handler form...)")
    try:
        return interpreter.body(handler.cdr)
    except LimitError:
        raise
    except (SnError, CallError):
        interpreter.evaluate(handler.car, handler.at)
        raise


@function("error", interpreter=True)
def error(interpreter: Interpreter, *parts: Form) -> Form:
    """(error ['where] "text" [x]): stops the program with the error message "where: text: x" in this order"""
    sentence = []
    for part in parts:
        sentence.append(part if isinstance(part, str) else interpreter.describe(part))
    raise SnError(Fault(": ".join(sentence) or "error", interpreter.place(), hint=NO_HINT))
