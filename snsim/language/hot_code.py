"""Translate the parts of a program that run often into Python functions.

The evaluator walks a form each time it evaluates it. A body that runs often (of a function, a loop, a `let`) is
translated once instead: `translate_body`, `translate_function` and `translate_loop` write the text of a Python function
and compile it. The function computes the same values in the same order, and counts the same steps. It inlines common
special forms and arithmetic of numbers, reads variables from their binding lists, and calls everything else as the
evaluator does.

What stays equal:

- Places. The calls around an inlined form are not on the interpreter's list of calls. They are put there (as one
  constant tuple) before any code runs that can need them. For an inlined operation that can fail, the variable `at`
  holds the number of the place instead.
- Limits. Steps are added up in the text and checked in each round and at each call. A translation that could pass the
  limit of depth is not entered.
- Changes of the program. A translation is valid for one `version` of the program. The version changes if a list that
  a translation has read is changed in place, or if an inlined name gets a binding. Then the evaluator goes on from the
  next form.

Anything unusual (a macro, a special form that is not inlined, a wrong number of arguments, deep nesting) is left to the
evaluator, form by form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.builtins.control import (
    for_bounds,
    for_rounds,
    is_pair_of_two,
    repeat_count,
    repeat_rounds,
    while_rounds,
)
from snsim.language.builtins.definitions import add_to
from snsim.language.builtins.indexing import index_matrix
from snsim.language.forms import NIL, QUOTE, Form, Pair, Symbol
from snsim.language.procedures import (
    CORE,
    TRUE,
    CallError,
    Function,
    Primitive,
    Procedure,
    check_name,
    lisp_value,
)
from snsim.language.quasiquote import argument_of
from snsim.language.variables import UNSET

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_MOST_FORMS = 1_500  # inlined forms of one function
_MOST_CELLS = 300  # of one list: a circular one has no end
_MOST_INDENT = 40  # Python allows 100
_MOST_BLOCKS = 12  # nested `while` and `try`; Python allows 20
_MOST_ARGUMENTS = 8  # more are counted as a list
_PLAIN = frozenset({float, str, Pair, Symbol, type(None)})  # types of results that need no conversion


class NotInlinedError(Exception):
    """Raised when a form cannot be translated to Python, so that the evaluator must evaluate it."""


def translate_body(interpreter: Interpreter, first: Pair, otherwise: Callable[..., Form]) -> Callable[[], Form] | None:
    """Return a function that evaluates the forms from a cell on; None if they cannot be translated to Python.

    It does what `Interpreter.body` does. It calls `otherwise` when the program has changed in the meantime.
    """

    def write(writer: Writer) -> None:
        writer.sequence(first, (), "d", "return")

    return _translate(interpreter, [], [], write, otherwise)


def translate_function(
    interpreter: Interpreter, function: Function, otherwise: Callable[..., Form]
) -> Callable[..., Form] | None:
    """Return a function of the arguments that binds the parameters of a Lisp function and evaluates its body."""

    def write(writer: Writer) -> None:
        writer.sequence(function.body, (), "d", "return")

    names = [f"a{i}" for i in range(len(function.parameters.required))]
    return _translate(interpreter, names, list(function.parameters.required), write, otherwise)


def translate_loop(
    interpreter: Interpreter, form: Pair, kind: str, otherwise: Callable[..., Form]
) -> Callable[..., Form] | None:
    """Return a function that does the remaining rounds of a running loop: `while`, `repeat` or `for`.

    Its arguments are those of `while_rounds`, `repeat_rounds` or `for_rounds` after the form.
    """

    def write(writer: Writer) -> None:
        writer.loops[kind](form, (), "d", "x", "e", "s")

    names = {"while": ["d"], "repeat": ["d", "x", "e"], "for": ["d", "x", "e", "s"]}[kind]
    return _translate(interpreter, names, [], write, otherwise)


def _translate(
    interpreter: Interpreter,
    arguments: list[str],
    parameters: list[Symbol],
    write: Callable[[Writer], None],
    otherwise: Callable[..., Form],
) -> Callable[..., Form] | None:
    for _ in range(2):  # a second time if the names that it binds were inlined before
        version = interpreter.version[0]
        writer = Writer(interpreter, otherwise)
        stacks = [writer.stack(parameter) for parameter in parameters]
        try:
            write(writer)
        except NotInlinedError:
            return None
        if interpreter.version[0] == version:
            return writer.finish(arguments, stacks)
    return None


# What a translation calls


def _unset(interpreter: Interpreter, name: Symbol, at: Any, frames: tuple[Pair, ...]) -> Form:
    """Return the value of a variable without a binding: a built-in function, or () with a warning."""
    calls = interpreter.calls
    calls.extend(frames)
    value = interpreter.value(name, at)
    del calls[len(calls) - len(frames) :]
    return value


def _rest(interpreter: Interpreter, frames: tuple[Pair, ...], cell: Pair) -> Form:
    """Evaluate the forms from a cell on as the program has them now."""
    calls = interpreter.calls
    calls.extend(frames)
    value = interpreter.body(cell)
    del calls[len(calls) - len(frames) :]
    return value


def _tick(interpreter: Interpreter, frames: tuple[Pair, ...]) -> None:
    """Compare the steps and the clock with their limits."""
    calls = interpreter.calls
    calls.extend(frames)
    interpreter.budget.check_steps()
    del calls[len(calls) - len(frames) :]


def _element(m: np.ndarray, i: Form, j: Form = 0.0) -> float | np.ndarray | None:
    """Evaluate (m i) or (m i j) for a matrix of numbers and numbers in range, else return None."""
    if type(i) is not float or type(j) is not float or m.dtype.kind == "O":
        return None
    shape = m.shape
    if len(shape) == 1:
        return float(m.item(int(i))) if -1.0 < i < shape[0] else None
    if len(shape) == 2 and -1.0 < i < shape[0] and -1.0 < j < shape[1]:
        return float(m.item(int(i), int(j)))
    return None


def _put(m: np.ndarray, i: Form, j: Form, x: Form = 0.0) -> np.ndarray | None:
    """Evaluate (m i x) or (m i j x) for a matrix of doubles and numbers in range, else return None."""
    if type(i) is not float or type(j) is not float or type(x) is not float or m.dtype != np.float64:
        return None
    shape = m.shape
    if len(shape) == 1 and -1.0 < i < shape[0]:
        m[int(i)] = j
        return m
    if len(shape) == 2 and -1.0 < i < shape[0] and -1.0 < j < shape[1]:
        m[int(i), int(j)] = x
        return m
    return None


def _evaluates_arguments(procedure: object) -> bool:
    """Return whether a call of a procedure means: evaluate the arguments, then apply it."""
    return isinstance(procedure, Procedure) and type(procedure).call is Procedure.call


_HELPERS = {
    "N": NIL,
    "T": TRUE,
    "U": UNSET,
    "F": float,
    "Pair": Pair,
    "Function": Function,
    "ndarray": np.ndarray,
    "Z": _PLAIN,
    "CallError": CallError,
    "BaseException": BaseException,
    "len": len,
    "type": type,
    "convert": lisp_value,
    "index_matrix": index_matrix,
    "element": _element,
    "put": _put,
    "unset": _unset,
    "rest": _rest,
    "tick": _tick,
    "add_to": add_to,
    "for_bounds": for_bounds,
    "repeat_count": repeat_count,
    "while_rounds": while_rounds,
    "repeat_rounds": repeat_rounds,
    "for_rounds": for_rounds,
}

Frames = tuple[Pair, ...]


class Writer:
    """Writes the Python function for a piece of Lisp. Most methods return the name of the variable with the value.

    `frames` are the calls around a form inside the function, outermost first.
    """

    def __init__(self, interpreter: Interpreter, otherwise: Callable[..., Form]):
        self.interpreter = interpreter
        self.globals: dict[str, Any] = dict(_HELPERS)
        self.globals |= {
            "__builtins__": {},
            "I": interpreter,
            "C": interpreter.calls,
            "G": interpreter.version,
            "push": interpreter.calls.append,
            "pop": interpreter.calls.pop,
            "extend": interpreter.calls.extend,
            "evaluate": interpreter.evaluate,
            "enter": interpreter.enter,
            "located": interpreter.located,
            "otherwise": otherwise,
        }
        self._constants: dict[int, str] = {}
        self._sites: list[Frames] = [()]
        self._site_numbers: dict[tuple[int, ...], int] = {}
        self._lines: list[tuple[int, str]] = []
        self._indent = 2
        self._blocks = 1
        self._temporaries = 0
        self._pending = 0  # steps that are not added yet
        self._forms = 0
        self._deepest = 0  # how many calls are nested in the text, inlined or not
        self._floats: set[str] = set()  # variables that are known to hold a number
        self._may_have_changed = False  # whether code ran, since the last check, that can change the program
        self._changes = 0
        self._exits = 0
        self._round_at = 0, 0  # the line that counts a round of the innermost loop, and its steps
        self._read: list[Pair] = []
        self.loops: dict[str, Callable[..., None]] = {
            "while": self._while_rounds,
            "repeat": self._repeat_rounds,
            "for": self._for_rounds,
        }

    def finish(self, arguments: list[str], stacks: list[str]) -> Callable[..., Form]:
        """Return the compiled function."""
        interpreter = self.interpreter
        self._flush()
        self.globals["g"] = interpreter.version[0]
        self.globals["D"] = interpreter.limits.depth - self._deepest
        self.globals["SITES"] = self._sites
        listed = ", ".join(arguments)
        head = [
            f"def translated({listed}):",
            f" if G[0] != g or len(C) > D: return otherwise({listed})",
            " B = I.budget",
            " base = len(C)",
            " at = 0",
            *(f" {stack}.append({argument})" for stack, argument in zip(stacks, arguments)),
            " try:",
        ]
        tail = [
            "  return d",
            " except CallError as error:",
            "  raise located(error, base, SITES[at]) from None",
            " except BaseException:",
            "  del C[base:]",
            "  raise",
            *([" finally:"] if stacks else []),
            *(f"  {stack}.pop()" for stack in stacks),
        ]
        text = "\n".join([*head, *(" " * indent + line for indent, line in self._lines), *tail])
        exec(compile(text, "<translated>", "exec"), self.globals)
        for cell in self._read:
            if cell.code is None:
                cell.code = 0
        translated: Callable[..., Form] = self.globals["translated"]
        return translated

    # Text

    def _line(self, text: str) -> None:
        self._lines.append((self._indent, text))

    @contextmanager
    def _block(self, head: str, counted: bool = False) -> Iterator[None]:
        """Write a line and indent what follows. `counted`: Python limits how many of this kind can be nested."""
        self._line(head)
        self._indent += 1
        self._blocks += counted
        start = len(self._lines)
        yield
        if len(self._lines) == start:
            self._line("pass")
        self._indent -= 1
        self._blocks -= counted

    def _note_change(self) -> None:
        """Note that the code written last can change the program."""
        self._may_have_changed = True
        self._changes += 1

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def _constant(self, value: object, key: int | None = None) -> str:
        key = id(value) if key is None else key
        if key not in self._constants:
            name = f"k{len(self._constants)}"
            self._constants[key] = name
            self.globals[name] = value
        return self._constants[key]

    def stack(self, variable: Symbol) -> str:
        """Return the name, in the Python function, of the list of bindings of a Lisp variable."""
        return self._constant(self.interpreter.stack_of(variable))

    def _flush(self) -> None:
        if self._pending:
            self._line(f"B.steps += {self._pending}")
            self._pending = 0

    def _frames(self, frames: Frames) -> str:
        """Return the name of the constant that holds some frames."""
        site = self._site(frames)
        return self._constant(self._sites[site])

    def _site(self, frames: Frames) -> int:
        self._deepest = max(self._deepest, len(frames))
        key = tuple(map(id, frames))
        if not key:
            return 0
        if key not in self._site_numbers:
            self._site_numbers[key] = len(self._sites)
            self._sites.append(frames)
        return self._site_numbers[key]

    @contextmanager
    def _inside(self, frames: Frames) -> Iterator[None]:
        """Put frames on the interpreter's list of calls around the code that follows."""
        self._deepest = max(self._deepest, len(frames))
        if len(frames) == 1:
            self._line(f"push({self._constant(frames[0])})")
        elif frames:
            self._line(f"extend({self._frames(frames)})")
        yield
        if len(frames) == 1:
            self._line("pop()")
        elif frames:
            self._line(f"del C[-{len(frames)}:]")

    # Forms

    def sequence(self, cell: Form, frames: Frames, target: str, leave: str) -> None:
        """Write code that evaluates the forms from a cell on; the value of the last goes to `target`.

        `leave` is the statement that ends the sequence early, when the program has changed: "return", "continue",
        "break", or "" if there is none yet.
        """
        cells: list[Pair] = []
        while type(cell) is Pair:
            cells.append(cell)
            cell = cell.cdr
            if len(cells) > _MOST_CELLS:
                raise NotInlinedError
        if not cells:
            self._line(f"{target} = N")
            return
        if not leave and len(cells) > 1:
            self._flush()
            start, exits = len(self._lines), self._exits
            self._indent += 1
            self._blocks += 1
            self._write_cells(cells, frames, target, "break")
            self._flush()
            self._line("break")
            self._indent -= 1
            self._blocks -= 1
            if self._exits > exits:
                self._lines.insert(start, (self._indent, "while 1:"))
            else:
                self._lines.pop()
                self._lines[start:] = [(indent - 1, line) for indent, line in self._lines[start:]]
            return
        self._write_cells(cells, frames, target, leave)

    def _write_cells(self, cells: list[Pair], frames: Frames, target: str, leave: str) -> None:
        self._read += cells
        for i, cell in enumerate(cells):
            if i and self._may_have_changed:
                self._flush()
                with self._block("if G[0] != g:"):
                    self._exits += 1
                    self._line(f"{target} = rest(I, {self._frames(frames)}, {self._constant(cell)})")
                    self._line(f"return {target}" if leave == "return" else leave)
                self._may_have_changed = False
            if type(cell.car) is not Pair:
                self._pending += 1
            last = i == len(cells) - 1
            if last:
                self._into(target, cell.car, cell, frames, leave)
            else:
                self.value(cell.car, cell, frames)

    def _into(self, target: str, form: Form, cell: Pair, frames: Frames, leave: str = "") -> None:
        """Write a form whose value goes to the variable `target`."""
        value = self.value(form, cell, frames, target, leave)
        if value != target:
            self._line(f"{target} = {value}")

    def value(self, form: Form, cell: Pair, frames: Frames, target: str = "", leave: str = "") -> str:
        """Write code that evaluates a form, the car of a cell; return the variable that holds its value.

        With `target` the value may be put there, but it need not be.
        """
        if type(form) is Symbol:
            return self._variable(form, cell, frames)
        if type(form) is Pair:
            return self._call(form, frames, target or self._temporary(), leave)
        name = self._constant(form)
        if type(form) is float:
            self._floats.add(name)
        return name

    def _variable(self, name: Symbol, cell: Pair, frames: Frames) -> str:
        interpreter = self.interpreter
        if not interpreter.has_bindings(name) and (built_in := interpreter.procedure(name)) is not None:
            self.interpreter.inlined.add(name)
            return self._constant(built_in)
        value = self._temporary()
        self._line(f"{value} = {self.stack(name)}[-1]")
        unset = f"unset(I, {self._constant(name)}, {self._constant(cell.at)}, {self._frames(frames)})"
        self._line(f"if {value} is U: {value} = {unset}")
        return value

    def _call(self, form: Pair, frames: Frames, target: str, leave: str) -> str:
        self._forms += 1
        self._deepest = max(self._deepest, len(frames) + 1)
        head = form.car
        too_deep = self._indent > _MOST_INDENT or self._blocks > _MOST_BLOCKS or self._forms > _MOST_FORMS
        if type(head) is not Symbol or too_deep:
            return self._left_to_evaluator(form, frames, target)
        cells = self._argument_cells(form)
        if cells is None:
            return self._left_to_evaluator(form, frames, target)
        procedure = self.interpreter.procedure(head)
        if not self.interpreter.has_bindings(head):
            entry = CORE.entry(head.name)
            core = entry is not None and entry.value is procedure
            result = None
            self.interpreter.inlined.add(head)  # before its arguments are written, which can bind it
            if core and head.name in _TESTS:
                condition = self._test_call(form, cells, frames)
                if condition:
                    self._line(f"{target} = T if {condition} else N")
                    result = target
            elif core and head.name in _FORMS:
                result = _FORMS[head.name](self, form, cells, frames, target, leave)
            if result is None and _evaluates_arguments(procedure):
                assert isinstance(procedure, Procedure)
                result = self._built_in(procedure, form, cells, frames, target)
            if result is not None:
                return result
        elif isinstance(procedure, Function) and procedure.accepts == len(cells):
            return self._program_function(form, cells, frames, target)
        elif isinstance(procedure, np.ndarray) and 0 < len(cells) <= _MOST_ARGUMENTS:
            return self._matrix(form, cells, frames, target)
        return self._left_to_evaluator(form, frames, target)

    def _argument_cells(self, form: Pair) -> list[Pair] | None:
        """Return the cells of the arguments, or None if they are no list or too many."""
        cells: list[Pair] = []
        cell = form.cdr
        while type(cell) is Pair:
            cells.append(cell)
            if len(cells) > _MOST_CELLS:
                return None
            cell = cell.cdr
        return cells if cell is NIL else None

    def _reads(self, form: Pair, cells: Sequence[Pair]) -> None:
        """Remember that the text depends on these cells."""
        self._read.append(form)
        self._read += cells

    def _left_to_evaluator(self, form: Pair, frames: Frames, target: str) -> str:
        self._flush()
        with self._inside(frames):
            self._line(f"{target} = evaluate({self._constant(form)})")
        self._note_change()
        self._floats.discard(target)
        return target

    def _arguments(self, form: Pair, cells: Sequence[Pair], frames: Frames) -> list[str]:
        self._reads(form, cells)
        inner = (*frames, form)
        return [self.value(cell.car, cell, inner) for cell in cells]

    # Calls

    def _built_in(self, procedure: Procedure, form: Pair, cells: list[Pair], frames: Frames, target: str) -> str | None:
        count, inner = len(cells), (*frames, form)
        if count > _MOST_ARGUMENTS:
            return None
        self._floats.discard(target)
        if type(procedure) is not Primitive:
            values = self._arguments(form, cells, frames)
            self._pending += 1
            self._flush()
            with self._inside(inner):
                self._line("at = 0")
                self._line(f"{target} = {self._constant(procedure)}.apply(I, [{', '.join(values)}])")
            self._note_change()
            return target
        if count < procedure.least or (procedure.most is not None and count > procedure.most):
            return None
        values = self._arguments(form, cells, frames)
        self._pending += 1
        if not procedure.wants_interpreter and not procedure.makes:
            self._operation(procedure, values, inner, target)
            return target
        self._flush()
        with self._inside(inner):
            self._line("at = 0")
            if procedure.makes:
                self._line(f"{target} = {self._constant(procedure)}.apply(I, [{', '.join(values)}])")
            else:
                self._line(f"{target} = {self._constant(procedure.function)}({', '.join(['I', *values])})")
                self._line(f"if type({target}) not in Z: {target} = convert({target})")
        self._note_change()
        return target

    def _operation(self, procedure: Primitive, values: list[str], frames: Frames, target: str) -> None:
        """Write the call of a built-in function that needs nothing but its arguments."""
        self._line(f"at = {self._site(frames)}")
        self._line(f"{target} = {self._constant(procedure.function)}({', '.join(values)})")
        self._line(f"if type({target}) not in Z: {target} = convert({target})")

    def _program_function(self, form: Pair, cells: list[Pair], frames: Frames, target: str) -> str:
        """Write the call of a function of the program, which may be another one by the time of the call."""
        self._flush()
        f = self._temporary()
        self._line(f"{f} = {self.stack(form.car)}[-1]")
        with self._block(f"if type({f}) is Function and {f}.accepts == {len(cells)}:"):
            values = self._arguments(form, cells, frames)
            self._pending += 1
            self._flush()
            inner, code = (*frames, form), self._temporary()
            with self._inside(inner):
                self._line("if B.steps > B.due: B.check_steps()")
                self._line(f"{code} = {f}.code")
                self._line(
                    f"{target} = {code}({', '.join(values)}) if {code} is not N else enter({f}, [{', '.join(values)}])"
                )
        with self._block("else:"):
            self._left_to_evaluator(form, frames, target)
        self._floats.discard(target)
        self._note_change()
        return target

    def _matrix(self, form: Pair, cells: list[Pair], frames: Frames, target: str) -> str:
        """Write a call whose head was a matrix when the text was written."""
        self._flush()
        m = self._temporary()
        self._line(f"{m} = {self.stack(form.car)}[-1]")
        with self._block(f"if type({m}) is ndarray:"):
            values = self._arguments(form, cells, frames)
            self._pending += 1
            self._flush()
            count = len(values)
            self._line(f"{target} = N")
            if count < 3:
                self._line(f"if len({m}.shape) == {count}: {target} = element({m}, {', '.join(values)})")
            if 1 < count < 4:
                self._line(f"if len({m}.shape) == {count - 1}: {target} = put({m}, {', '.join(values)})")
            with self._block(f"if {target} is N:"), self._inside((*frames, form)):
                self._line("at = 0")
                self._line(f"{target} = index_matrix(I, {m}, [{', '.join(values)}])")
        with self._block("else:"):
            self._left_to_evaluator(form, frames, target)
        self._floats.discard(target)
        self._note_change()
        return target

    # Conditions

    def test(self, form: Form, cell: Pair, frames: Frames) -> str:
        """Write code that evaluates a condition; return a Python expression that is true if it is not ()."""
        if type(form) is Pair and type(form.car) is Symbol and form.car.name in _TESTS:
            head, cells = form.car, self._argument_cells(form)
            entry = CORE.entry(head.name)
            if (
                cells is not None
                and self._indent <= _MOST_INDENT
                and not self.interpreter.has_bindings(head)
                and entry is not None
                and entry.value is self.interpreter.procedure(head)
            ):
                self._forms += 1
                self._deepest = max(self._deepest, len(frames) + 1)
                self.interpreter.inlined.add(head)
                condition = self._test_call(form, cells, frames)
                if condition:
                    return condition
        return f"{self.value(form, cell, frames)} is not N"

    def _test_call(self, form: Pair, cells: list[Pair], frames: Frames) -> str:
        """Write a comparison or negation of _TESTS; return a Python expression, "" if the call is wrong."""
        name = form.car.name
        operator = _TESTS[name]
        if len(cells) != (1 if operator == "not" else 2):
            return ""
        if operator == "not":
            self._reads(form, cells)
            self._pending += 1
            condition = self.test(cells[0].car, cells[0], (*frames, form))
            if condition.endswith(" is not N"):
                return condition.removesuffix(" is not N") + " is N"
            return f"not {condition}"
        a, b = self._arguments(form, cells, frames)
        self._pending += 1
        result = self._temporary()
        identity = {"==": f" or {a} is {b}", "!=": f" and {a} is not {b}"}.get(operator, "")  # of no number (nan)
        self._floats_or(
            [a, b],
            f"{result} = {a} {operator} {b}{identity}",
            lambda: self._compare_slowly(form, [a, b], (*frames, form), result),
        )
        return result

    def _compare_slowly(self, form: Pair, values: list[str], frames: Frames, result: str) -> None:
        procedure = self.interpreter.procedure(form.car)
        assert isinstance(procedure, Primitive)
        function = self._constant(procedure.function)
        if procedure.wants_interpreter:
            self._line("at = 0")
            with self._inside(frames):
                self._line(f"{result} = {function}({', '.join(['I', *values])})")
        else:
            self._line(f"at = {self._site(frames)}")
            self._line(f"{result} = {function}({', '.join(values)})")

    def _floats_or(self, values: Sequence[str], fast: str, slow: Callable[[], None]) -> None:
        """Write a statement for numbers, and what to do if a value is none."""
        unknown = [value for value in dict.fromkeys(values) if value not in self._floats]
        if not unknown:
            self._line(fast)
            return
        self._line(f"if {' and '.join(f'type({value}) is F' for value in unknown)}: {fast}")
        with self._block("else:"):
            slow()

    # Arithmetic

    def _arithmetic(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        name, count = form.car.name, len(cells)
        if not 1 <= count <= _MOST_ARGUMENTS or (name in "-/" and count > 2):
            return None
        values = self._arguments(form, cells, frames)
        self._pending += 1
        operands = list(values)
        # the same operations as in `arithmetic.add` and so on, so that the sign of a zero is the same
        if name == "+":
            text = " + ".join(["0.0", *operands])
        elif name == "*":
            text = " * ".join(operands) if count > 1 else f"1.0 * {operands[0]}"
        elif name == "-":
            text = f"-{operands[0]}" if count == 1 else " - ".join(operands)
        else:
            operands = ["1.0", *operands] if count == 1 else operands
            text = " / ".join(operands)
        unknown = [value for value in dict.fromkeys(values) if value not in self._floats]
        conditions = [f"type({value}) is F" for value in unknown]
        if name == "/":
            conditions.append(f"{operands[1]} != 0.0")
        result = self._temporary()
        if name == "-" and count == 1:
            compute, finite = f"{result} = {text}", ""
        else:
            compute, finite = "", f"({result} := {text}) - {result} == 0.0"
        everything = " and ".join([*conditions, *([finite] if finite else [])])
        if not everything:
            self._line(compute)
        else:
            if finite:
                self._line(f"if not ({everything}):")
            else:
                self._line(f"if {everything}: {compute}")
                self._line("else:")
            self._indent += 1
            procedure = self.interpreter.procedure(form.car)
            assert isinstance(procedure, Primitive)
            self._line(f"at = {self._site((*frames, form))}")
            self._line(f"{result} = {self._constant(procedure.function)}({', '.join(values)})")
            self._indent -= 1
        self._floats.add(result)
        return result

    def _by_one(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        """Write 1+, 1-, 2* and 2/ of one number."""
        if len(cells) != 1:
            return None
        (value,) = self._arguments(form, cells, frames)
        self._pending += 1
        text = {"1+": "{} + 1", "1-": "{} - 1", "2*": "{} * 2", "2/": "{} / 2"}[form.car.name].format(value)
        result = self._temporary()
        known = [] if value in self._floats else [f"type({value}) is F"]
        procedure = self.interpreter.procedure(form.car)
        assert isinstance(procedure, Primitive)
        with self._block(f"if not ({' and '.join([*known, f'({result} := {text}) - {result} == 0.0'])}):"):
            self._line(f"at = {self._site((*frames, form))}")
            self._line(f"{result} = {self._constant(procedure.function)}({value})")
        self._floats.add(result)
        return result

    def _car_or_cdr(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if len(cells) != 1:
            return None
        (value,) = self._arguments(form, cells, frames)
        self._pending += 1
        procedure = self.interpreter.procedure(form.car)
        assert isinstance(procedure, Primitive)
        result = self._temporary()
        self._line(f"if type({value}) is Pair: {result} = {value}.{form.car.name}")
        with self._block("else:"):
            self._line(f"at = {self._site((*frames, form))}")
            self._line(f"{result} = {self._constant(procedure.function)}({value})")
        return result

    # Special forms

    def _quote(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if argument_of(form, QUOTE) is None:
            return None
        self._reads(form, cells)
        self._pending += 1
        return self._constant(cells[0].car)

    def _progn(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        self._reads(form, ())
        self._pending += 1
        self.sequence(form.cdr, (*frames, form), target, leave)
        self._floats.discard(target)
        return target

    def _branches(self, branches: Sequence[tuple[str, Callable[[], None]]], target: str) -> str:
        """Write `if` with an optional `else`; the steps before it are added first."""
        self._flush()
        changed = self._may_have_changed
        after = changed
        for head, body in branches:
            self._may_have_changed = changed
            with self._block(head):
                body()
                self._flush()
            after = after or self._may_have_changed
        self._may_have_changed = after
        self._floats.discard(target)
        return target

    def _if(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if len(cells) < 2:
            return None
        self._reads(form, cells[:2])
        self._pending += 1
        inner = (*frames, form)
        condition = self.test(cells[0].car, cells[0], inner)
        return self._branches(
            [
                (f"if {condition}:", lambda: self._into(target, cells[1].car, cells[1], inner, leave)),
                ("else:", lambda: self.sequence(cells[1].cdr, inner, target, leave)),
            ],
            target,
        )

    def _when(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not cells:
            return None
        self._reads(form, cells[:1])
        self._pending += 1
        inner = (*frames, form)
        condition = self.test(cells[0].car, cells[0], inner)
        return self._branches(
            [
                (f"if {condition}:", lambda: self.sequence(cells[0].cdr, inner, target, leave)),
                ("else:", lambda: self._line(f"{target} = N")),
            ],
            target,
        )

    def _cond(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not all(type(cell.car) is Pair for cell in cells) or len(cells) > 12:
            return None
        self._reads(form, cells)
        self._pending += 1
        inner = (*frames, form)

        def clause(i: int) -> None:
            if i == len(cells):
                self._line(f"{target} = N")
                return
            parts = cells[i].car
            self._read.append(parts)
            self._pending += 1
            condition = self.test(parts.car, parts, inner)
            self._branches(
                [
                    (f"if {condition}:", lambda: self.sequence(parts.cdr, inner, target, leave)),
                    ("else:", lambda: clause(i + 1)),
                ],
                target,
            )

        clause(0)
        return target

    def _and(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not 1 <= len(cells) <= 12:
            return None
        self._reads(form, cells)
        self._pending += 1
        inner = (*frames, form)

        def part(i: int) -> None:
            self._pending += 1
            if i == len(cells) - 1:
                self._into(target, cells[i].car, cells[i], inner, leave)
                return
            condition = self.test(cells[i].car, cells[i], inner)
            self._branches(
                [(f"if {condition}:", lambda: part(i + 1)), ("else:", lambda: self._line(f"{target} = N"))], target
            )

        part(0)
        self._floats.discard(target)
        return target

    def _or(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not 1 <= len(cells) <= 12:
            return None
        self._reads(form, cells)
        self._pending += 1
        inner = (*frames, form)

        def part(i: int) -> None:
            self._pending += 1
            last = i == len(cells) - 1
            self._into(target, cells[i].car, cells[i], inner, leave if last else "")
            if not last:
                self._branches([(f"if {target} is N:", lambda: part(i + 1))], target)

        part(0)
        self._floats.discard(target)
        return target

    def _is_variable(self, name: Form) -> bool:
        """Return whether a form is a name that can be set."""
        if type(name) is not Symbol or self.interpreter.is_fixed(name):
            return False
        try:
            check_name(name)
        except CallError:
            return False
        return True

    def _setq(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not cells or len(cells) % 2 or not all(self._is_variable(cell.car) for cell in cells[::2]):
            return None
        self._reads(form, cells)
        self._pending += len(cells) // 2
        inner = (*frames, form)
        values = [self.value(cell.car, cell, inner) for cell in cells[1::2]]
        for cell, value in zip(cells[::2], values):
            self._line(f"{self.stack(cell.car)}[-1] = {value}")
        return values[-1]

    def _incr(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not cells or not self._is_variable(cells[0].car):
            return None
        self._reads(form, cells)
        self._pending += 1
        inner = (*frames, form)
        if len(cells) > 1:
            by = self.value(cells[1].car, cells[1], inner)
        else:
            by = "1.0"
            self._floats.add(by)
        old = self._variable(cells[0].car, cells[0], inner)
        result = self._temporary()

        def slow() -> None:
            self._line(f"at = {self._site(inner)}")
            self._line(f"{result} = add_to(I, {self._constant(cells[0].car)}, {old}, {by})")

        stack = self.stack(cells[0].car)
        self._floats_or([old, by], f"{stack}[-1] = {result} = {old} + {by}", slow)
        return result

    def _let(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        bindings = self._bindings(cells)
        if bindings is None:
            return None
        inner = (*frames, form)
        self._reads(form, cells[:1])
        self._pending += 1
        pairs = [(binding.car, self.value(binding.cdr.car, binding.cdr, inner)) for binding in bindings]
        stacks = [self.stack(variable) for variable, _ in pairs]
        self._flush()
        for stack, (_, value) in zip(stacks, pairs):
            self._line(f"{stack}.append({value})")
        self._protected(stacks, lambda: self.sequence(cells[0].cdr, inner, target, leave))
        self._floats.discard(target)
        return target

    def _let_star(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        bindings = self._bindings(cells)
        if bindings is None or len(bindings) > 4:
            return None
        inner = (*frames, form)
        self._reads(form, cells[:1])
        self._pending += 1

        def rest(i: int) -> None:
            if i == len(bindings):
                self.sequence(cells[0].cdr, inner, target, leave)
                return
            binding = bindings[i]
            value = self.value(binding.cdr.car, binding.cdr, inner)
            stack = self.stack(binding.car)
            self._flush()
            self._line(f"{stack}.append({value})")
            self._protected([stack], lambda: rest(i + 1))

        rest(0)
        self._floats.discard(target)
        return target

    def _bindings(self, cells: list[Pair]) -> list[Pair] | None:
        """Return the (name value) lists of a `let`, or None if they are unusual."""
        header = cells[0].car if cells else NIL
        listed: list[Pair] = []
        header_cells: list[Pair] = []
        while type(header) is Pair:
            header_cells.append(header)
            if not is_pair_of_two(header.car) or type(header.car.car) is not Symbol or len(listed) > 15:
                return None
            try:
                check_name(header.car.car)
            except CallError:
                return None
            listed.append(header.car)
            header = header.cdr
        if not listed or header is not NIL:
            return None
        self._read += header_cells
        for binding in listed:
            self._read += [binding, binding.cdr]
        return listed

    def _protected(self, stacks: list[str], body: Callable[[], None]) -> None:
        """Write code after which the inner bindings of some variables end, whatever happens."""
        with self._block("try:", counted=True):
            body()
            self._flush()
        with self._block("finally:"):
            for stack in stacks:
                self._line(f"{stack}.pop()")

    # Loops

    def _round(self, frames: Frames) -> None:
        """Write the start of a round: count it."""
        self._pending += 1
        self._round_at = len(self._lines), self._pending
        self._flush()
        self._line(f"if B.steps > B.due: tick(I, {self._frames(frames)})")

    def _loop(self, condition: str, otherwise: str, frames: Frames, target: str, body: Callable[[], None]) -> None:
        """Write a loop. `otherwise` does the remaining rounds when the program has changed."""
        before, before_changes = self._may_have_changed, self._changes
        with self._block("while 1:", counted=True):  # CPython 3.11 specialises only loops that end in a plain jump
            start = len(self._lines)
            self._may_have_changed = False
            if condition:
                self._line(f"if not ({condition}): break")
            body()
            changes = self._changes > before_changes
            at, steps = self._round_at
            if not changes and at > start and self._indent == self._lines[at][0]:
                self._lines[at] = self._indent, f"B.steps += {steps + self._pending}"  # in one addition
                self._pending = 0
            self._flush()
            if changes:
                indent = self._indent
                check: list[tuple[int, str]] = [(indent, "if G[0] != g:")]
                lines, self._lines = self._lines, []
                self._indent += 1
                with self._inside(frames):
                    self._line("at = 0")
                    self._line(f"{target} = {otherwise}")
                self._line("break")
                self._indent -= 1
                check += self._lines
                self._lines = lines
                self._lines[start:start] = check
        self._may_have_changed = before or changes
        self._floats.discard(target)

    def _while(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not cells:
            return None
        self._pending += 1
        self._flush()
        self._line(f"{target} = N")
        self._while_rounds(form, frames, target)
        return target

    def _while_rounds(self, form: Pair, frames: Frames, target: str, *_: str) -> None:
        condition = form.cdr
        # in a translated loop the form itself is on the list of calls already
        inner = (*frames, form) if self._forms else frames
        self._reads(form, [condition])
        self._forms += 1

        def body() -> None:
            test = self.test(condition.car, condition, inner)
            self._flush()
            self._line(f"if not ({test}): break")
            self._round(inner)
            self.sequence(condition.cdr, inner, target, "continue")

        self._loop("", f"while_rounds(I, {self._constant(form)}, {target})", inner, target, body)

    def _repeat(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        if not cells:
            return None
        self._reads(form, cells[:1])
        self._pending += 1
        times = self.value(cells[0].car, cells[0], (*frames, form))
        done = self._temporary()
        self._flush()
        self._line(f"at = {self._site((*frames, form))}")
        self._line(f"repeat_count(I, {times})")
        self._line(f"{done} = 0")
        self._line(f"{target} = N")
        self._repeat_rounds(form, frames, target, done, times)
        return target

    def _repeat_rounds(self, form: Pair, frames: Frames, target: str, done: str, times: str, *_: str) -> None:
        inner = (*frames, form) if self._forms else frames
        self._reads(form, [form.cdr])
        self._forms += 1

        def body() -> None:
            self._line(f"{done} += 1")
            self._round(inner)
            self.sequence(form.cdr.cdr, inner, target, "continue")

        self._loop(
            f"{done} + 1 <= {times}",
            f"repeat_rounds(I, {self._constant(form)}, {target}, {done}, {times})",
            inner,
            target,
            body,
        )

    def _for(self, form: Pair, cells: list[Pair], frames: Frames, target: str, leave: str) -> str | None:
        header: Any = cells[0].car if cells else NIL
        parts = self._argument_cells(header) if type(header) is Pair else None
        if parts is None or not 2 <= len(parts) <= 3 or type(header.car) is not Symbol:
            return None
        inner = (*frames, form)
        self._reads(form, cells[:1])
        self._reads(header, parts)
        self._pending += 1
        bounds = [self.value(cell.car, cell, inner) for cell in parts]
        x, e, s = (self._temporary() for _ in range(3))
        stack = self.stack(header.car)
        self._flush()
        self._line(f"at = {self._site(inner)}")
        self._line(f"{x}, {e}, {s} = for_bounds(I, {self._constant('for')}, [{', '.join(bounds)}])")
        self._line(f"{target} = N")
        self._line(f"{stack}.append(N)")
        self._protected([stack], lambda: self._for_rounds(form, frames, target, x, e, s))
        return target

    def _for_rounds(self, form: Pair, frames: Frames, target: str, x: str, e: str, s: str) -> None:
        inner = (*frames, form) if self._forms else frames
        header = form.cdr.car
        self._reads(form, [form.cdr, *header.cells()])
        self._forms += 1
        stack = self.stack(header.car)

        def body() -> None:
            self._round(inner)
            self._line(f"{stack}[-1] = {x}")
            self._line(f"{x} += {s}")
            self.sequence(form.cdr.cdr, inner, target, "continue")

        self._loop(
            f"{x} <= {e} if {s} > 0.0 else {x} >= {e}",
            f"for_rounds(I, {self._constant(form)}, {target}, {x}, {e}, {s})",
            inner,
            target,
            body,
        )


_TESTS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "==", "<>": "!=", "not": "not", "null": "not"}
_FORMS: dict[str, Callable[[Writer, Pair, list[Pair], Frames, str, str], str | None]] = {
    "+": Writer._arithmetic,
    "-": Writer._arithmetic,
    "*": Writer._arithmetic,
    "/": Writer._arithmetic,
    "1+": Writer._by_one,
    "1-": Writer._by_one,
    "2*": Writer._by_one,
    "2/": Writer._by_one,
    "car": Writer._car_or_cdr,
    "cdr": Writer._car_or_cdr,
    "quote": Writer._quote,
    "progn": Writer._progn,
    "if": Writer._if,
    "when": Writer._when,
    "cond": Writer._cond,
    "and": Writer._and,
    "or": Writer._or,
    "setq": Writer._setq,
    "incr": Writer._incr,
    "let": Writer._let,
    "let*": Writer._let_star,
    "while": Writer._while,
    "repeat": Writer._repeat,
    "for": Writer._for,
}
