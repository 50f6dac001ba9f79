"""Evaluate forms: dynamic scope, one namespace, bounded (docs/reference/sn28.md, sections 1.2 and 1.3).

Where SN is silent, snsim warns: an unset symbol is `()` with one warning. Declarative words are looked up last, and
get their call as data. Evaluation recurses in Python, up to `limits.depth`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

import numpy as np

from snsim.errors import Fault, SnError, Source, Span, fail
from snsim.escaping import for_stream
from snsim.language import quasiquote
from snsim.language.budget import Budget
from snsim.language.builtins.indexing import call_of, index_matrix
from snsim.language.equality import equal
from snsim.language.forms import NIL, Form, Node, Pair, Symbol, fold, make_list, symbol
from snsim.language.hot_code import translate_body, translate_function, translate_loop
from snsim.language.interpreter import ProgramStoppedError, Word
from snsim.language.limits import DEFAULT, FREE_MEMORY, LONG_LIST, LimitError, Limits, exceeded
from snsim.language.printer import LARGEST_PRINTED_MATRIX, brief, printed
from snsim.language.procedures import CallError, Function, Procedure, conversion
from snsim.language.source_files import FileAccess
from snsim.language.source_stream import SourceStream
from snsim.language.variables import UNSET, Variables
from snsim.registry import Shelf, nearest, suggest

Part = TypeVar("Part")

_OFTEN, _MOST_OFTEN = 60, 10_000  # see `Interpreter.often`
_FRAMES_PER_LEVEL = 12  # Python frames that one level of evaluation may need
_ENDLESS = "does a function call itself without end? Give it a condition that ends it, or write a loop: (while ...)"
_HINTS, _NEIGHBOURS = 20, 1_000  # how often the nearest name is searched, and among how many names: it takes time


class Evaluator(Variables):
    """One running program: its variables, limits, output port and warnings."""

    def __init__(
        self,
        functions: Shelf[Procedure],
        words: Shelf[Word] | None = None,
        port: TextIO | None = None,
        limits: Limits = DEFAULT,
        presets: Mapping[str, float | str] | None = None,
        files: FileAccess | None = None,
    ):
        """Create an interpreter without variables.

        `functions`: the built-in functions, `builtins.CORE` or a child of it. `words`: the declarative words, looked up
        last. `port`: where output goes (default: standard output). `presets`: values that replace those of `defvar`.
        `files`: what may be read (default: the folder of the first text that is run).
        """
        self.words = words if words is not None else Shelf("declarative word")
        super().__init__(functions, self.words)
        self.port = port if port is not None else sys.stdout
        self.limits = limits
        self.presets = {fold(name): value for name, value in (presets or {}).items()}
        self.files = files
        self.functions = functions
        self.absent: Mapping[str, str] = {}  # names that old programs call and nothing defines, with a hint for each
        self.sources: list[Source] = []
        self.inputs: list[SourceStream] = []  # the texts being read, the innermost last
        self.including = 0
        self.read_form: Callable[[Form], Form] = lambda form: form  # what a dialect makes of a form that was read
        self.cell = ""  # the setting of the running `grid` or `sample`: "mu=0.02,rate=0.0002"
        self.warnings: list[Fault] = []
        self.budget = Budget(limits, self.place, lambda: self.acted)
        self.step = self.budget.step  # counts one evaluation, or one round of a loop
        self._rewritten = 0
        self.column = 0  # where the next character is printed, from 0
        self.used_presets: set[str] = set()
        self.preset_names: list[str] = []  # the names of every defvar, in order
        self._unset: set[Symbol] = set()  # unset symbols that have been warned about
        self._hints = 0
        self.calls: list[Pair] = []  # the calls being evaluated, outermost first
        self.often = _OFTEN  # evaluations of a body, and rounds of a loop, before it is translated
        self._loops: dict[int, Callable[..., Form]] = {}  # translations, by the identity of the form, which they keep
        self._translations: dict[tuple[int, tuple[Form, ...]], Callable[..., Form]] = {}  # of functions, by their body
        self._top: Span | None = None  # the top-level form being evaluated
        self._parts: dict[Callable[[Evaluator], Any], Any] = {}
        self._kept = 0  # parts that existed before the program ran

    def part(self, factory: Callable[[Evaluator], Part]) -> Part:
        """Return this program's state of one kind (its random numbers, say); create it with `factory` at first use.

        Functions of rooms above the Lisp keep their state between calls here.
        """
        if factory not in self._parts:
            self._parts[factory] = factory(self)
        part: Part = self._parts[factory]
        return part

    def keep(self, factory: Callable[[Evaluator], Part], part: Part) -> None:
        """Make `part(factory)` return this existing state, before the program runs."""
        self._parts[factory] = part
        self._kept = len(self._parts)

    @property
    def acted(self) -> bool:
        """Whether the program printed, or called words that keep state, such as SN-2.8's words for nets."""
        return self.budget.output > 0 or len(self._parts) > self._kept

    # Running a text

    def use_functions(self, functions: Shelf[Procedure]) -> None:
        super().use_functions(functions)
        self.functions = functions
        self._forget_translations()

    def run(self, source: Source) -> Form:
        """Read and evaluate a text form by form; return the last value.

        A fault of a declarative word at top level is kept, and the next form is evaluated. Any other error ends the
        text. SnError with all faults at the end, if there are any.
        """
        if self.files is None:
            self.files = FileAccess.beside(source)
        faults: list[Fault] = []
        value: Form = NIL
        try:
            value = self.run_text(source, faults)
        except ProgramStoppedError as stopped:
            faults += stopped.faults
        else:
            faults += self._unused_presets(source)
        if faults:
            raise SnError(faults)
        return value

    def reset_limits(self) -> None:
        """Reset the counters of the limits and of the warnings; at a prompt each form starts from zero."""
        self.budget = Budget(self.limits, self.place, lambda: self.acted)
        self.step = self.budget.step
        self._unset.clear()
        self._hints = 0

    def run_text(self, source: Source, faults: list[Fault], start: int = 0) -> Form:
        """Evaluate a text from an offset on. Faults of declarative forms are added to `faults`; others are raised."""
        self.sources.append(source)
        value: Form = NIL
        outer, depth = self._top, len(self.inputs)
        try:
            text = SourceStream(source, self.limits, self.warnings.append, start)
            self.inputs.append(text)
            while (entry := text.form()) is not None:
                form, self._top = entry
                form = self.read_form(form)
                try:
                    with self._deep():
                        value = self.evaluate(form, self._top)
                except RecursionError:
                    raise exceeded("calls are nested too deeply", self.limits.depth, self._top, _ENDLESS) from None
                except MemoryError:  # the system provides less than the limit allows
                    raise LimitError(
                        Fault("the program needs more memory than the system provides", self.place(), hint=FREE_MEMORY)
                    ) from None
                except (LimitError, ProgramStoppedError):
                    raise
                except SnError as error:
                    if self.declarative_word(form) is None:
                        raise
                    faults += error.faults
        except ProgramStoppedError:
            raise
        except SnError as error:
            raise ProgramStoppedError(error.faults) from None
        finally:
            self._top = outer
            del self.inputs[depth:]
        return value

    def _unused_presets(self, source: Source) -> list[Fault]:
        names = [name for name in self.presets if name not in self.used_presets]
        known = suggest("", self.preset_names, "variables that can be set") if self.preset_names else ""
        return [
            Fault(
                f'there is no (defvar {name} ...) to set: the value given for "{name}" has no effect',
                None,
                hint=known or f"write (defvar {name} ...) in {source.name} and use ,{name}",
            )
            for name in names
        ]

    @contextmanager
    def _deep(self) -> Iterator[None]:
        """Make room for `limits.depth` levels of evaluation on Python's stack."""
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, 1_000 + _FRAMES_PER_LEVEL * (self.limits.depth + self.limits.nesting)))
        try:
            yield
        finally:
            sys.setrecursionlimit(before)

    # Evaluating

    def evaluate(self, form: Form, at: Span | None = None) -> Form:
        """Return the value of a form. `at` is its place, for an atom, which has none itself."""
        kind = type(form)
        if kind is Symbol:
            return self.value(form, at)
        if kind is not Pair:
            return form
        budget = self.budget
        budget.steps += 1  # `Budget.step` inlined: this is the hottest place
        if budget.steps > budget.due:
            budget.check_steps()
        calls = self.calls
        calls.append(form)
        if len(calls) > self.limits.depth:
            place = self.place()
            calls.pop()
            raise exceeded("calls are nested too deeply", self.limits.depth, place, _ENDLESS)
        try:
            head = form.car
            procedure = self.procedure(head) if type(head) is Symbol else self._computed_head(form)
            if isinstance(procedure, Procedure):
                return procedure.call(self, form)
            return self._declare(form) if procedure is None else index_matrix(self, procedure, self.arguments(form))
        except CallError as call_error:
            raise self._error_of_call(form, call_error) from None
        finally:
            calls.pop()

    def _error_of_call(self, form: Pair, call_error: CallError) -> SnError:
        return fail(
            call_error.message,
            self._argument_place(form, call_error.argument),
            hint=call_error.hint or self.usage(form.car),
        )

    def located(self, error: CallError, base: int, frames: tuple[Pair, ...]) -> SnError:
        """Return an error in the last of the calls `frames`, with its place; remove all but `base` calls."""
        self.calls.extend(frames)
        fault = self._error_of_call(self.calls[-1], error)
        del self.calls[base:]
        return fault

    def arguments(self, form: Pair) -> list[Form]:
        """Return the values of the arguments of a call, evaluated from left to right."""
        values: list[Form] = []
        cell, most = form.cdr, self.limits.list_length
        while type(cell) is Pair:
            argument = cell.car
            kind = type(argument)
            if kind is Pair:
                values.append(self.evaluate(argument, cell.at))
            else:
                values.append(self.value(argument, cell.at) if kind is Symbol else argument)
            cell = cell.cdr
            if len(values) > most:
                raise exceeded(
                    "the call has too many arguments",
                    most,
                    self.place(),
                    f"put them in a list and write (apply '{brief(form.car)} list)",
                )
        if cell is not NIL:
            raise CallError(
                "a call must be a list without a dot", None, f"leave the dot out: ({brief(form.car)} ... {brief(cell)})"
            )
        if len(values) > 8:
            self.budget.make_list(len(values), "a call")
        return values

    def body(self, forms: Form) -> Form:
        """Evaluate forms in order; return the last value."""
        if type(forms) is Pair:
            code = forms.code
            if code is None:
                forms.code = 1
            elif type(code) is not int:
                value: Form = code()
                return value
            elif code < self.often:
                forms.code = code + 1
            else:
                return self._translate_body(forms)()
        return self._walk(forms)

    def _walk(self, forms: Form) -> Form:
        value: Form = NIL
        while type(forms) is Pair:
            if type(forms.car) is not Pair:
                self.step()  # so that a circular list of names ends too
            value = self.evaluate(forms.car, forms.at)
            forms = forms.cdr
        return value

    def run_body(self, bound: list[tuple[Symbol, Form]], body: Form) -> Form:
        """Evaluate a body with some variables bound; restore their previous bindings afterwards."""
        values = self._values
        for variable, value in bound:
            values[variable].append(value)
        try:
            return self.body(body)
        finally:
            for variable, _ in bound:
                values[variable].pop()

    def enter(self, function: Function, values: list[Form]) -> Form:
        """Return the value of a function of the program for as many arguments as it accepts."""
        if function.code is not None:
            return function.code(*values)
        function.calls += 1
        if function.calls == 1 or function.calls > self.often:
            self._translate_function(function, function.calls > self.often)
            if function.code is not None:
                return function.code(*values)
        return self.run_body(list(zip(function.parameters.required, values)), function.body)

    # Translations of what runs often (hot_code.py)

    def changed(self, cell: Pair) -> None:
        """Note that a cell of a list is being changed in place."""
        self._rewritten += 1
        if cell.code is not None:
            self._forget_translations()

    def _forget_translations(self) -> None:
        self.version[0] += 1
        self.often = min(2 * self.often, _MOST_OFTEN)  # a program that changes itself is rather walked
        self._translations.clear()
        self._loops.clear()

    @property
    def rewritten(self) -> int:
        """How often a list was changed in place: words call `changed`. Setting it forgets all translations."""
        return self._rewritten

    @rewritten.setter
    def rewritten(self, count: int) -> None:
        self._rewritten = count
        self._forget_translations()

    def _translate_body(self, first: Pair) -> Callable[[], Form]:
        version = self.version[0]

        def otherwise() -> Form:
            if self.version[0] == version:
                return self._walk(first)
            first.code = 0
            return self.body(first)

        first.code = translate_body(self, first, otherwise) or otherwise
        code: Callable[[], Form] = first.code
        return code

    def _translate_function(self, function: Function, translates: bool) -> None:
        """Find the translation of a function that shares its body, or translate it."""
        required, body = function.parameters.required, function.body
        key = (id(body), required)
        code = self._translations.get(key)
        if code is None and translates:
            version = self.version[0]

            def otherwise(*values: Form) -> Form:
                if self.version[0] != version:
                    function.code, function.calls = None, 0
                return self.run_body(list(zip(required, values)), body)

            code = translate_function(self, function, otherwise) or otherwise
            self._translations[key] = code
        function.code = code

    def translated_loop(
        self, form: Pair, kind: str, rounds: Callable[..., Form], now: bool = False
    ) -> Callable[..., Form] | None:
        """Return the translation of the remaining rounds of a loop, which takes the arguments of `rounds`.

        None if there is none: with `now` it is translated, if that is possible.
        """
        code = self._loops.get(id(form))
        if code is None and now:
            version = self.version[0]

            def otherwise(*values: Form) -> Form:
                if self.version[0] != version:
                    self._loops.pop(id(form), None)
                return rounds(self, form, *values)

            code = translate_loop(self, form, kind, otherwise)
            if code is not None:
                self._loops[id(form)] = code
        return code

    def apply(self, function: Form, arguments: list[Form]) -> Form:
        """Return the value of a function for arguments; a symbol or lambda form may stand for the function."""
        budget = self.budget
        budget.steps += 1
        if budget.steps > budget.due:
            budget.check_steps()
        if len(arguments) > 8:
            budget.make_list(len(arguments), "apply")
        if type(function) is Function and function.code is not None and function.accepts == len(arguments):
            return function.code(*arguments)
        procedure = self._to_procedure(function)
        if procedure is None:
            raise CallError(f"{self.describe(function)} is not a function", None, self._nearest_function(function))
        try:
            if isinstance(procedure, np.ndarray):
                return index_matrix(self, procedure, arguments)
            return procedure.apply(self, arguments)
        except CallError as call_error:  # the argument's index is useful for a call in the text only
            raise CallError(call_error.message, None, call_error.hint or self.usage(function)) from None

    def call(self, name: str, *arguments: Form) -> Form:
        """Return the value of the function that has this name now, for some arguments."""
        return self.apply(symbol(name), list(arguments))

    def _to_procedure(self, value: Form) -> Procedure | np.ndarray | None:
        """Return what a value means as the head of a call: evaluate it until it can be called."""
        for _ in range(100):
            if isinstance(value, (Procedure, np.ndarray)):
                return value
            if isinstance(value, Symbol):
                return self.procedure(value)
            if not isinstance(value, Pair):
                return None
            value = self.evaluate(value)
        return None

    def _computed_head(self, form: Pair) -> Procedure | np.ndarray:
        value = self.evaluate(form.car, form.at)
        procedure = self._to_procedure(value)
        if procedure is None:
            raise fail(
                f"{self.describe(value)} is not a function",
                form.at or self.place(),
                hint="a call begins with a function or its name; a list as data is written '(...)",
            )
        return procedure

    # Variables

    def value(self, name: Symbol, at: Span | None = None) -> Form:
        """Return the value of a symbol in the program; () and one warning if it is unset."""
        stack = self._values.get(name)
        if stack is not None and stack[-1] is not UNSET:
            return stack[-1]
        if not self.is_set(name) and name not in self._unset:
            self._unset.add(name)
            self.warnings.append(
                Fault(
                    f'"{name.name}" has no value; using ()',
                    at or self.place(),
                    hint=self.nearest_variable(name),
                    severity="warning",
                )
            )
        return self.lookup(name)

    def global_value(self, name: Symbol, at: Span | None = None) -> Form:
        """Return the value of a symbol outside all functions."""
        stack = self._values.get(name)
        return stack[0] if stack is not None and stack[0] is not UNSET else self.value(name, at)

    # Declarative words

    def declarative_word(self, form: Form) -> Word | None:
        """Return the declarative word that a call begins with, unless its symbol has a callable value."""
        if isinstance(form, Pair) and isinstance(form.car, Symbol) and self.procedure(form.car) is None:
            entry = self.words.entry(form.car.name)
            return None if entry is None else entry.value
        return None

    def literal(self, call: Pair) -> Node:
        """Return a declarative call as data, `,e` and `,@e` computed from left to right."""
        return quasiquote.literal(self, call, self.place() or _NOWHERE)

    def _declare(self, form: Pair) -> Form:
        word = self.declarative_word(form)
        if word is None:
            name = form.car.name
            if name in ("unquote", "unquote-splice"):
                raise fail(
                    "a comma is allowed inside a declarative form or after a ` only",
                    self.place(),
                    hint="leave the comma out",
                )
            raise fail(f'there is no function "{name}"', form.at or self.place(), hint=self._nearest_function(form.car))
        return word(self.literal(form), self)

    # Places and sentences

    def place(self) -> Span | None:
        """Return the place of the current evaluation: of the innermost call that was read and not computed."""
        for call in reversed(self.calls):
            if call.span is not None:
                return call.span
        return self._top

    def written(self, argument: int) -> Form:
        """Return an argument of the innermost call as written, not evaluated; () if there is none."""
        cell: Form = self.calls[-1].cdr if self.calls else NIL
        for _ in range(argument):
            cell = cell.cdr if isinstance(cell, Pair) else NIL
        return cell.car if isinstance(cell, Pair) else NIL

    def _argument_place(self, form: Pair, argument: int | None) -> Span | None:
        if argument is not None and form.span is not None:
            for i, cell in enumerate(form.cells()):
                if i == argument + 1:
                    return cell.at or form.span
                if i > argument:
                    break
        return form.span or self.place()

    def describe(self, value: Form) -> str:
        """Return a value for use in a sentence, cut if it is long."""
        return brief(value)

    def print_text(self, text: str) -> None:
        """Write to the port, within the limit. On a terminal, control characters are replaced."""
        self.budget.print(len(text))
        self.port.write(for_stream(text, self.port))
        newline = text.rfind("\n")
        self.column = self.column + len(text) if newline < 0 else len(text) - newline - 1

    def printed(self, value: Form, column: int = 0, largest_matrix: int | None = None) -> str:
        """Return the value as SN prints it, beginning in a column (from 0).

        A matrix of more than `largest_matrix` elements (by default 99) becomes a name.
        """
        largest = LARGEST_PRINTED_MATRIX if largest_matrix is None else largest_matrix
        text = printed(value, self.limits.list_length, self.limits.output_characters, column, largest)
        self.step(len(text) // 4)
        return text

    def equal(self, a: Form, b: Form) -> bool:
        """Return whether two values are equal by content. LimitError for circular lists."""
        return equal(a, b, self.budget.traversal())

    def new_list(self, items: Iterable[Form], caller: str, end: Form = NIL) -> Form:
        """Return a new list, counted against the limits; `caller` is the word that creates it."""
        elements = list(items)
        self.budget.make_list(len(elements), caller)
        return make_list(elements, end)

    def elements(self, value: Form, caller: str, at: Span | None = None) -> list[Form]:
        """Return the elements of a list without a dotted end; `caller` is the word that needs them."""
        items: list[Form] = []
        cell = value
        while type(cell) is Pair:
            items.append(cell.car)
            cell = cell.cdr
            if len(items) > self.limits.list_length:
                raise exceeded(
                    f"{caller}: the list is too long", self.limits.list_length, at or self.place(), LONG_LIST
                )
        self.budget.walk(len(items))
        if cell is not NIL:
            message = f"{caller}: {self.describe(value)} is not a list"
            hint = conversion(value, "list")
            raise (
                CallError(message, None, hint)
                if at is None
                else fail(message, at, hint=hint or f"write a list, such as '({brief(cell)})")
            )
        return items

    def nearest_variable(self, name: Symbol) -> str:
        if remedy := _foreign_remedy(name.name):
            return remedy
        self._hints += 1
        seeks = self._hints <= _HINTS and len(self._values) <= _NEIGHBOURS
        known = self.set_names() if seeks else []
        near = nearest(name.name, known)
        return f"did you mean {near}?" if near else f"set it first: (setq {name.name} ...)"

    def usage(self, head: Form) -> str:
        """Return the hint for a wrong call: how a call of this function is written, from its help line."""
        title = head.name if isinstance(head, Symbol) else getattr(head, "name", "")
        entry = self.functions.entry(title)
        if entry is None:
            value = self.lookup(head) if isinstance(head, Symbol) else head
            if isinstance(value, np.ndarray):
                return f"write {call_of(value)}, or {call_of(value, 'x')} to set it to x"
            entry = self.functions.entry(getattr(value, "name", ""))
        return "`snsim list function` shows how to call each function" if entry is None else f"write {entry.doc}"

    def _nearest_function(self, value: Form) -> str:
        if not isinstance(value, Symbol):
            return "give a function, as 'car or (lambda (x) ...)"
        if value.name in self.absent:
            return self.absent[value.name]
        if remedy := _foreign_remedy(value.name):
            return remedy
        known = [*self.function_names(), *self.functions.names(), *self.words.names()]
        near = nearest(value.name, known)
        return f'did you mean "{near}"?' if near else f"define it: (de {value.name} (...) ...)"


def _foreign_remedy(name: str) -> str:
    """Return the remedy for a name that other languages or word processors leave in a text; "" for any other."""
    if name.startswith("//"):
        return "a comment begins with ; and goes to the end of its line"
    if not _CURLY_QUOTES.isdisjoint(name):
        return 'write straight quotes: "'
    return ""


_CURLY_QUOTES = frozenset("\u201c\u201d\u201e\u00ab\u00bb")
_NOWHERE = Span(Source("<computed>", ""), 0, 0)
