"""Keep the state of one prompt: a program that grows form by form, and its current training.

A name may be declared again: the new declaration replaces the old one, with a note. Output goes to the port of the
session. Each form has the whole limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from snsim.errors import Fault, SnError, Source, Span
from snsim.language.forms import Form, symbol
from snsim.language.limits import AT_PROMPT, LimitError
from snsim.language.procedures import CallError
from snsim.language.reader import FormReader, UnfinishedFormError, read_forms
from snsim.language.source_files import FileAccess, is_lush
from snsim.program import Host, Program, Shelves, make_interpreter, new_shelves
from snsim.prompt.prompt_word import PROMPT
from snsim.registry import Entry, Shelf
from snsim.runs.options import Options
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language import interpreter as protocol
    from snsim.language.evaluator import Evaluator
    from snsim.prompt.current_training import CurrentTraining


class Session:
    """One session. `declarations`: the shelves of what was declared; `latest`: the training begun last, if any."""

    def __init__(self, port: TextIO, options: Options = Options(), host: Host | None = None):
        """`options` apply to every training; `host` gives words of SN-2.8 their folders (default: none)."""
        self.options = options
        self.declarations: Shelves = new_shelves()
        self.latest: CurrentTraining | None = None
        self.saved: set[Path] = set()  # files that this session wrote
        self.reported = 0  # warnings that have been reported
        self._units: object = None  # the units of SN's net when the latest training became the current net
        self.interpreter: Evaluator = make_interpreter(
            self.declarations, host or Host(), port, AT_PROMPT, files=FileAccess(Path.cwd())
        )
        self.interpreter.keep(session_of, self)
        for shelf in self.shelves().values():
            shelf.replace_by(partial(self._say_replaced, shelf.kind))

    def shelves(self) -> dict[str, Shelf[Any]]:
        """Return everything that was declared, by kind: "table", "net", "training", "nlf", "cost", "update"."""
        shelves = self.declarations
        return {
            "table": shelves.tables,
            "net": shelves.nets,
            "training": shelves.trainings,
            "nlf": shelves.nlfs,
            "cost": shelves.costs,
            "update": shelves.updates,
        }

    @property
    def program(self) -> Program:
        """All that was declared so far, as `read_program` would return it."""
        interpreter = self.interpreter
        sources = tuple(interpreter.sources) or (Source("<prompt>", ""),)
        return Program(
            self.declarations.network,
            self.declarations.learning,
            self.declarations.words,
            self.declarations.functions,
            sources,
            tuple(interpreter.warnings),
            interpreter.acted,
        )

    # Evaluating

    def forms(self, source: Source) -> Iterator[tuple[Form, Form, bool]]:
        """Evaluate a text form by form; yield each form, its value, and whether it printed.

        SnError ends it; a later call can continue with the rest.
        """
        reader, at = FormReader(source, self.interpreter.limits, self.interpreter.warnings.append), 0
        while (entry := reader.read(at)) is not None:
            form, span, end = entry
            yield self._evaluate(form, replace(source, text=source.text[:end]), span.start)
            at = end

    def _evaluate(self, form: Form, source: Source, start: int) -> tuple[Form, Form, bool]:
        interpreter = self.interpreter
        interpreter.reset_limits()
        for shelf in self.shelves().values():
            shelf.forget_broken()
        faults: list[Fault] = []
        try:
            value = interpreter.run_text(source, faults, start)
        except SnError as error:
            faults += error.faults
        if faults:
            here = Span(source, start, len(source.text))
            raise SnError(fault if fault.span else replace(fault, span=here) for fault in faults)
        return form, value, interpreter.budget.output > 0

    def load(self, source: Source) -> None:
        """Evaluate the text of a file, which may include files near it. SnError with every fault."""
        interpreter = self.interpreter
        if is_lush(source):
            from snsim.lush import begin  # slow to import

            begin(interpreter)
        before, interpreter.files = interpreter.files, FileAccess.beside(source)
        faults: list[Fault] = []
        try:
            interpreter.run_text(source, faults)
        except LimitError:
            raise
        except SnError as error:
            faults += error.faults
        finally:
            interpreter.files = before
        if faults:
            raise SnError(faults)

    def new_warnings(self) -> list[Fault]:
        """Return the warnings that have not been reported yet, and count them as reported."""
        warnings = self.interpreter.warnings[self.reported :]
        self.reported += len(warnings)
        return warnings

    # The current net

    def make_current(self, training: CurrentTraining) -> None:
        """Make a training the one that `perf`, `state` and similar words use."""
        self.latest = training
        self._units = self.interpreter.part(Netspace).unit

    def current(self) -> CurrentTraining | None:
        """Return the latest training, or None if SN's words made a net after it."""
        has_newer_net = self.interpreter.part(Netspace).unit is not self._units
        return None if has_newer_net else self.latest

    # Names

    def declared(self) -> Iterator[tuple[str, Entry[Any]]]:
        """Yield everything that was declared, with the word for its kind."""
        for kind, shelf in self.shelves().items():
            yield from ((kind, entry) for entry in shelf.own())

    def own_names(self) -> list[str]:
        """Return the names of functions and variables that were set, and of what was declared."""
        prompt = set(PROMPT.names())
        names = [name for name in self.interpreter.set_names() if name not in prompt]
        return sorted({*names, *(entry.name for _, entry in self.declared())})

    def value_of(self, name: str) -> Form:
        """Return the value of a variable, () if it has none."""
        return self.interpreter.lookup(symbol(name))

    def _say_replaced(self, kind: str, before: Entry[Any], now: Entry[Any]) -> None:
        users = [
            f"{word} {entry.name}"
            for word, entry in self.declared()
            if entry.value is not now.value and _uses(entry.value, before.value)
        ]
        note = (
            f"; {', '.join(users)} still {'uses' if len(users) == 1 else 'use'} the old one: declare "
            f"{'it' if len(users) == 1 else 'them'} again"
            if users
            else ""
        )
        self.interpreter.print_text(f"; {kind} {now.name} is replaced{note}\n")


def _uses(value: object, net: object) -> bool:
    """Return whether a training is of this net."""
    return getattr(value, "net", None) is net


def is_complete(text: str) -> bool:
    """Return whether a text can be evaluated or is faulty: False if more text can complete its last form."""
    try:
        for _ in read_forms(Source("<prompt>", text)):
            pass
    except UnfinishedFormError:
        return False
    except SnError:
        return True
    return True


def close(session: Session) -> None:
    """Save the windows that words of SN drew, if they drew any."""
    from snsim.runtime.host import host_of
    from snsim.sn28.graphics.saved_windows import save_pictures, windows

    host = session.interpreter.part(host_of)
    if windows(session.interpreter) and host.output is not None and host.pictures is not None:
        save_pictures(session.interpreter, host.output(), host.pictures)


def session_of(interpreter: protocol.Interpreter) -> Session:
    """Return the session of an interpreter, which `interpreter.keep(session_of, ...)` has set."""
    raise CallError("this word works at the prompt only", None, "start a prompt: snsim repl")
