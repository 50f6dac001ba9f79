"""Define what can be called: built-in functions, special forms, and the functions and macros of a program.

Built-in ones are registered on the shelf CORE. A built-in function gets its evaluated arguments; a special form gets
the unevaluated call. Both raise `CallError`, to which the evaluator adds the place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from snsim.data_classes import dataclass
from snsim.errors import Span
from snsim.language.forms import NIL, QUOTE, Form, Pair, Symbol, make_list, symbol
from snsim.language.hidden_characters import refuse_hidden
from snsim.language.literals import NUMBER
from snsim.language.printer import brief
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

OPTIONAL, REST, TRUE = symbol("&optional"), symbol("&rest"), symbol("t")
ABSENT: Form = object()  # the value of an optional parameter without an argument; () would be an argument
_MOST_NAMES = 1_000  # in an argument list or a pattern; a circular one would never end


class CallError(Exception):
    """Raised for a wrong call. It has a sentence, a hint, and the number of the wrong argument (from 0), if any.

    Without a hint it gets the help line of the called word (`Interpreter.usage`).
    """

    def __init__(self, message: str, argument: int | None = None, hint: str = ""):
        super().__init__(message)
        self.message, self.argument, self.hint = message, argument, hint


def conversion(value: Form, kind: str) -> str:
    """Return a hint for a value of the wrong type, or "" if there is no obvious conversion.

    `kind` is the wanted type: "number", "string", "matrix" or "list".
    """
    if kind == "number" and isinstance(value, str) and NUMBER.fullmatch(value):
        return f'write {value}, without quotes, or (val "{value}")'
    if kind == "number" and isinstance(value, Symbol) and value not in (TRUE, OPTIONAL, REST):
        return f"write {value}, without a quote, for the value of the variable {value}"
    if kind == "string" and isinstance(value, float):
        return f'write "{brief(value)}", or (str {brief(value)})'
    if kind == "string" and isinstance(value, Symbol):
        return f'write "{value}", or (nameof \'{value})'
    if kind == "matrix" and isinstance(value, Pair):
        return "write [1 2 3] for a matrix of known numbers; otherwise create it with (matrix n) and set its elements"
    if kind == "list" and isinstance(value, np.ndarray):
        return f"write (m{' ()' * value.ndim}) for the elements of a matrix m of {value.ndim} dimensions as lists"
    return ""


class Procedure:
    """Anything that can be the head of a call."""

    name: str

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        """Return the value of a call whose arguments are not evaluated yet."""
        return self.apply(interpreter, interpreter.arguments(form))

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        """Return the value for these evaluated arguments."""
        raise CallError(
            f"{self.name} cannot be applied to a list of arguments",
            None,
            f"call it by its name, ({self.name} ...), or apply a function: (lambda (x) ({self.name} x))",
        )


@dataclass(frozen=True, eq=False)
class Primitive(Procedure):
    """A built-in function. `most` is None if it takes any number of arguments.

    With `makes`, a string or matrix that it returns is new (unless it was an argument) and counts against the limits.
    """

    name: str
    function: Callable[..., object]
    least: int
    most: int | None
    wants_interpreter: bool
    makes: bool = False

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        count = len(arguments)
        if count < self.least or (self.most is not None and count > self.most):
            raise CallError(wrong_count(self.name, self.least, self.most, count))
        result = self.function(interpreter, *arguments) if self.wants_interpreter else self.function(*arguments)
        if type(result) is float:
            return result
        result = lisp_value(result)
        if self.makes and type(result) is not float and not any(result is argument for argument in arguments):
            interpreter.budget.make(result, self.name)
        return result

    def __str__(self) -> str:
        return f"::DX:{self.name}"


@dataclass(frozen=True, eq=False)
class Special(Procedure):
    """A built-in form that gets its call unevaluated. With `applies` it also takes values (`and`, `or`)."""

    name: str
    function: Callable[[Interpreter, Pair], Form]
    applies: bool

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        return self.function(interpreter, form)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if self.applies:
            arguments = [make_list([QUOTE, value]) for value in arguments]
        return self.function(interpreter, Pair(symbol(self.name), make_list(arguments)))

    def __str__(self) -> str:
        return f"::DY:{self.name}"


def lisp_value(result: object) -> Form:
    """Return the Lisp value for the result of a Python function: a number is a float, a truth value t or ()."""
    if isinstance(result, (int, np.number, np.bool_)):
        return float(result) if not isinstance(result, (bool, np.bool_)) else TRUE if result else NIL
    return result


def wrong_count(name: str, least: int, most: int | None, count: int) -> str:
    """Return the sentence for a wrong number of arguments."""
    takes = f"{least}" if least == most else f"at least {least}" if most is None else f"{least} to {most}"
    amount = "too few" if count < least else "too many"
    return f"{name}: {amount} arguments, {count} given, {takes} expected"


@dataclass(frozen=True)
class Parameters:
    """An argument list: required patterns, optional names with literal defaults, and a name for the rest.

    `(a (b c))` destructures, `(a . rest)` and `&rest rest` collect, a bare symbol takes all arguments.
    `pattern` is the list as the program has it; `plain` means that it holds only names.
    """

    required: tuple[Form, ...] = ()
    optional: tuple[tuple[Symbol, Form], ...] = ()
    rest: Symbol | None = None
    pattern: Form = NIL
    plain: bool = False

    @classmethod
    def of(cls, pattern: Form) -> Parameters:
        required: list[Form] = []
        optional: list[tuple[Symbol, Form]] = []
        cell, in_optional = pattern, False
        while isinstance(cell, Pair):
            item = cell.car
            if len(required) + len(optional) >= _MOST_NAMES:
                raise _too_many_names()
            if item is OPTIONAL:
                in_optional = True
            elif item is REST:
                after = cell.cdr
                if not isinstance(after, Pair) or not isinstance(after.car, Symbol) or after.cdr is not NIL:
                    raise CallError("exactly one name must follow &rest", None, "write (a b &rest others)")
                check_name(after.car)
                return cls(tuple(required), tuple(optional), after.car, pattern)
            elif in_optional:
                optional.append(_optional(item))
            else:
                required.append(_pattern(item))
            cell = cell.cdr
        if cell is not NIL and not isinstance(cell, Symbol):
            raise _no_name(cell)
        if cell is not NIL:
            check_name(cell)
        plain = not optional and cell is NIL and all(isinstance(item, Symbol) for item in required)
        return cls(tuple(required), tuple(optional), cell, pattern, plain)

    def bind(self, name: str, values: list[Form]) -> list[tuple[Symbol, Form]]:
        """Return the names and the value that each is bound to."""
        if self.plain and len(values) == len(self.required):
            return list(zip(self.required, values))
        least, most = len(self.required), len(self.required) + len(self.optional)
        if len(values) < least or (self.rest is None and len(values) > most):
            raise CallError(
                wrong_count(name, least, None if self.rest else most, len(values)), None, f"write {self.usage(name)}"
            )
        bound: list[tuple[Symbol, Form]] = []
        for pattern, value in zip(self.required, values):
            if type(pattern) is Symbol:
                bound.append((pattern, value))
            else:
                match_pattern(pattern, value, bound)
        for i, (variable, default) in enumerate(self.optional, least):
            bound.append((variable, values[i] if i < len(values) else default))
        if self.rest is not None:
            bound.append((self.rest, make_list(values[most:])))
        return bound

    def usage(self, name: str) -> str:
        """Return how a call of the function is written: `(name a b [optional] rest...)`."""
        names = [brief(item) for item in self.required] + [f"[{variable}]" for variable, _ in self.optional]
        return f"({' '.join([name, *names, *([f'{self.rest}...'] if self.rest else [])])})"


def _too_many_names() -> CallError:
    return CallError(
        f"an argument list holds at most {_MOST_NAMES:,} names",
        None,
        "take a list of values as one argument: (de f values ...)",
    )


def _no_name(item: Form) -> CallError:
    return CallError(
        "an argument list holds names only", None, f"put a name in place of {brief(item)}, as in (de f (a b) ...)"
    )


def _optional(item: Form) -> tuple[Symbol, Form]:
    if isinstance(item, Symbol):
        check_name(item)
        return item, NIL
    if isinstance(item, Pair) and isinstance(item.car, Symbol):
        check_name(item.car)
        if item.cdr is NIL:
            return item.car, NIL
        if isinstance(item.cdr, Pair) and item.cdr.cdr is NIL:
            return item.car, item.cdr.car
    raise CallError(
        "&optional must be followed by a name or (name default)",
        None,
        f"put one in place of {brief(item)}, as in (a &optional b (c 1))",
    )


def _pattern(item: Form) -> Form:
    """Return the item if it is a name or a nested list of names, which a value can be matched with."""
    work, parts = [item], 0
    while work:
        part = work.pop()
        parts += 1
        if parts > 2 * _MOST_NAMES:
            raise _too_many_names()
        if isinstance(part, Pair):
            work += [part.cdr, part.car]
        elif isinstance(part, Symbol):
            check_name(part)
        elif part is not NIL:
            raise _no_name(part)
    return item


def match_pattern(pattern: Form, value: Form, bound: list[tuple[Symbol, Form]]) -> None:
    """Bind the names of a pattern to the parts of a value of the same shape: ((a b) c) with ((1 2) 3)."""
    while isinstance(pattern, Pair):
        if not isinstance(value, Pair):
            raise CallError(
                "the value has too few elements for the pattern of names",
                None,
                f"take {brief(pattern.car)} out of the pattern, or make the list longer",
            )
        if len(bound) > 100 * _MOST_NAMES:
            # the pattern was changed after it was checked
            raise CallError("the pattern of names never ends", None, "write the names out, as in (de f (a b) ...)")
        match_pattern(pattern.car, value.car, bound)
        pattern, value = pattern.cdr, value.cdr
    if isinstance(pattern, Symbol):
        bound.append((pattern, value))
    elif value is not NIL:
        raise CallError(
            "the value has too many elements for the pattern of names",
            None,
            f"write (a b . rest) for a pattern that takes {brief(value)} too",
        )


def check_name(name: Symbol, argument: int | None = None) -> None:
    """Raise CallError if a name that is being defined holds an invisible character."""
    refusal = refuse_hidden(name.name, "name")
    if refusal is not None:
        raise CallError(refusal[0], argument, refusal[1])


def check_pattern(pattern: Form) -> Form:
    """Return the pattern, or raise CallError if it is neither a name nor a list of names."""
    if pattern is NIL or not isinstance(pattern, (Symbol, Pair)):
        raise CallError(
            "expected a name, or a list of names",
            None,
            f"put a name, such as x, or (x y) in place of {brief(pattern)}",
        )
    return _pattern(pattern)


@dataclass(eq=False)
class Function(Procedure):
    """A function of the program: SN's `de` (arguments evaluated) or `df` (not evaluated).

    `accepts` is the number of arguments if all parameters are names, evaluated and required, else -1. `calls` counts
    the calls until there is a translation, `code` (hot_code.py).
    """

    name: str
    parameters: Parameters
    body: Form
    evaluates: bool = True
    span: Span | None = None
    accepts: int = field(default=-1, init=False)
    calls: int = field(default=0, init=False)
    code: Callable[..., Form] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.parameters.plain and self.evaluates:
            self.accepts = len(self.parameters.required)

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        if self.evaluates:
            return self.apply(interpreter, interpreter.arguments(form))
        values = interpreter.elements(form.cdr, self.name)
        return interpreter.run_body(self.parameters.bind(self.name, values), self.body)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        if len(arguments) == self.accepts:
            return interpreter.enter(self, arguments)
        return interpreter.run_body(self.parameters.bind(self.name, arguments), self.body)

    def __str__(self) -> str:
        return f"::{'DE' if self.evaluates else 'DF'}:{self.name}"


@dataclass(frozen=True, eq=False)
class Macro(Procedure):
    """A macro: the result of its body is evaluated in place of the call.

    `whole_call`: the parameters are matched with the call and not with its arguments (`dm`).
    `replaces`: the first time it runs, the expansion replaces the call in the program (`dmd`).
    """

    name: str
    parameters: Parameters
    body: Form
    whole_call: bool = False
    replaces: bool = False
    span: Span | None = None

    def expand(self, interpreter: Interpreter, form: Pair) -> Form:
        """Return the expansion of a call, not evaluated."""
        values = interpreter.elements(form if self.whole_call else form.cdr, self.name)
        return interpreter.run_body(self.parameters.bind(self.name, values), self.body)

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        expansion = self.expand(interpreter, form)
        if self.replaces:
            interpreter.changed(form)
            if isinstance(expansion, Pair):
                form.car, form.cdr = expansion.car, expansion.cdr
            else:
                form.car, form.cdr = symbol("progn"), Pair(expansion, NIL, form.at)
        return interpreter.evaluate(expansion, form.span)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return self.call(interpreter, Pair(symbol(self.name), make_list(arguments)))

    def __str__(self) -> str:
        return f"::{'DMD' if self.replaces else 'DM'}:{self.name}"


CORE: Shelf[Procedure] = Shelf("function")
F = TypeVar("F", bound=Callable[..., object])


def function(
    name: str, interpreter: bool = False, shelf: Shelf[Procedure] = CORE, makes: bool = False
) -> Callable[[F], F]:
    """Register a Python function as a function of the Lisp (decorator).

    Its positional parameters are the arguments; with `interpreter` it gets the interpreter before them. The first
    line of its docstring is the help: `(nth n list): the element n, from 0`. `makes`: it returns new strings or
    matrices.
    """

    def put(body: F) -> F:
        code = body.__code__
        hidden = int(interpreter)
        most = None if code.co_flags & 0x04 else code.co_argcount - hidden
        least = code.co_argcount - hidden - len(body.__defaults__ or ())
        doc = (body.__doc__ or "").strip().split("\n")[0]
        shelf.add(name, Primitive(name, body, least, most, interpreter, makes), doc)
        return body

    return put


def alias(other: str, name: str, shelf: Shelf[Procedure] = CORE) -> None:
    """Register a function of a shelf under another name too."""
    entry = shelf.entry(name)
    assert entry is not None
    arguments, meaning = entry.doc.split(": ", 1)
    shelf.add(other, entry.value, f"{arguments.replace(name, other, 1)}: {meaning} (another name of {name})")


def special(name: str, applies: bool = False) -> Callable[[F], F]:
    """Register a Python function of (interpreter, call) as a special form on CORE (decorator)."""

    def put(body: F) -> F:
        CORE.add(name, Special(name, body, applies), (body.__doc__ or "").strip().split("\n")[0])
        return body

    return put
