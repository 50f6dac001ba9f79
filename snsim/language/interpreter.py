"""Declare the protocol through which built-in functions and declarative words use the interpreter.

`evaluator.Interpreter` satisfies it. Functions and words import this file alone, so the evaluator may import them
and they do not import the evaluator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TextIO, TypeVar

from snsim.errors import Fault, SnError, Source, Span
from snsim.language.budget import Budget
from snsim.language.forms import NIL, Form, Node, Pair, Symbol
from snsim.language.limits import Limits
from snsim.language.source_files import FileAccess
from snsim.registry import Shelf

Part = TypeVar("Part")


class ProgramStoppedError(SnError):
    """Raised for an error after which the rest of the file has no meaning: no further form is read."""


class Interpreter(Protocol):
    """One running program. Each member is described where it is defined: evaluator.py, variables.py."""

    limits: Limits
    budget: Budget
    files: FileAccess | None
    absent: Mapping[str, str]
    presets: dict[str, float | str]
    preset_names: list[str]
    used_presets: set[str]
    including: int
    cell: str
    rewritten: int
    calls: list[Pair]
    version: list[int]
    often: int
    inlined: set[Symbol]
    column: int
    port: TextIO
    warnings: list[Fault]
    sources: list[Source]
    inputs: list[Any]  # of `source_stream.SourceStream`, which imports this file by way of `procedures`
    read_form: Callable[[Form], Form]
    functions: Shelf[Any]  # of `procedures.Procedure`

    def part(self, factory: Callable[[Interpreter], Part]) -> Part: ...

    # Evaluating

    def step(self, count: int = 1) -> None: ...

    def evaluate(self, form: Form, at: Span | None = None) -> Form: ...

    def arguments(self, form: Pair) -> list[Form]: ...

    def body(self, forms: Form) -> Form: ...

    def enter(self, function: Any, values: list[Form]) -> Form: ...

    def translated_loop(
        self, form: Pair, kind: str, rounds: Callable[..., Form], now: bool = False
    ) -> Callable[..., Form] | None: ...

    def changed(self, cell: Pair) -> None: ...

    def located(self, error: Any, base: int, frames: tuple[Pair, ...]) -> SnError: ...

    def run_body(self, bound: list[tuple[Symbol, Form]], body: Form) -> Form: ...

    def run_text(self, source: Source, faults: list[Fault], start: int = 0) -> Form: ...

    def apply(self, function: Form, arguments: list[Form]) -> Form: ...

    def call(self, name: str, *arguments: Form) -> Form: ...

    # Variables

    def bind(self, variable: Symbol, value: Form) -> list[Form]: ...

    def unbind(self, variable: Symbol) -> None: ...

    def stack_of(self, variable: Symbol) -> list[Form]: ...

    def has_bindings(self, name: Symbol) -> bool: ...

    def is_fixed(self, name: Symbol) -> bool: ...

    def bindings(self) -> Iterable[list[Form]]: ...

    def value(self, name: Symbol, at: Span | None = None) -> Form: ...

    def global_value(self, name: Symbol, at: Span | None = None) -> Form: ...

    def lookup(self, name: Symbol | str) -> Form: ...

    def assign(self, name: Symbol, value: Form) -> None: ...

    def assign_global(self, name: Symbol, value: Form) -> None: ...

    def is_set(self, name: Symbol) -> bool: ...

    def is_set_globally(self, name: Symbol) -> bool: ...

    def fix(self, name: Symbol, value: Form) -> None: ...

    def lock(self, name: Symbol) -> None: ...

    def unlock(self, name: Symbol) -> None: ...

    def procedure(self, name: Symbol) -> Form: ...

    def use_functions(self, functions: Shelf[Any]) -> None: ...

    def set_names(self) -> list[str]: ...

    def function_names(self) -> list[str]: ...

    def nearest_variable(self, name: Symbol) -> str: ...

    def usage(self, head: Form) -> str: ...

    # Values, places and sentences

    def place(self) -> Span | None: ...

    def written(self, argument: int) -> Form: ...

    def describe(self, value: Form) -> str: ...

    def print_text(self, text: str) -> None: ...

    def install(self, name: Symbol, value: Form) -> None: ...

    def printed(self, value: Form, column: int = 0, largest_matrix: int | None = None) -> str: ...

    def equal(self, a: Form, b: Form) -> bool: ...

    def new_list(self, items: Iterable[Form], caller: str, end: Form = NIL) -> Form: ...

    def elements(self, value: Form, caller: str, at: Span | None = None) -> list[Form]: ...


Word = Callable[[Node, Interpreter], Form]
