"""One session at the prompt: a program that grows form by form, and the training that is under way in it.

A name may be declared again: it is replaced, and said. What a text prints goes to the port of the session; each form
has the limits of a program to itself.
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
from snsim.language.procedures import Misuse
from snsim.language.reader import FormReader, Unfinished, read_forms
from snsim.language.source_files import FileAccess
from snsim.program import Program, Shelves, Surroundings, make_interpreter, new_shelves
from snsim.prompt.prompt_word import PROMPT
from snsim.registry import Entry, Shelf
from snsim.runs.options import Options
from snsim.sn28.net.netspace import Netspace

if TYPE_CHECKING:
    from snsim.language import interpreter as protocol
    from snsim.language.evaluator import Interpreter
    from snsim.prompt.current_training import Pupil


class Session:
    """`own` are the shelves of what was declared, `pupil` is the training under way, if one is."""

    def __init__(self, port: TextIO, options: Options = Options(), around: Surroundings | None = None):
        """`options` hold for every training, `around` for words of SN-2.8 (default: they write nothing)."""
        self.options = options
        self.own: Shelves = new_shelves()
        self.pupil: Pupil | None = None
        self.saved: set[Path] = set()  # files that this session wrote
        self.told = 0  # warnings that were handed out
        self._units: object = None  # of the net of SN's words when the training became the net at hand
        self.interpreter: Interpreter = make_interpreter(
            self.own, around or Surroundings(), port, AT_PROMPT, files=FileAccess(Path.cwd())
        )
        self.interpreter.keep(session_of, self)
        for shelf in self.shelves().values():
            shelf.replace_by(partial(self._say_replaced, shelf.kind))

    def shelves(self) -> dict[str, Shelf[Any]]:
        """What can be declared, by the word for one."""
        own = self.own
        return {
            "table": own.tables,
            "net": own.nets,
            "training": own.trainings,
            "nlf": own.nlfs,
            "cost": own.costs,
            "update": own.updates,
        }

    @property
    def program(self) -> Program:
        """All that was declared so far, as `read_program` would give it."""
        run = self.interpreter
        sources = tuple(run.sources) or (Source("<prompt>", ""),)
        return Program(
            self.own.network,
            self.own.learning,
            self.own.words,
            self.own.functions,
            sources,
            tuple(run.warnings),
            run.acted,
        )

    # Evaluating

    def forms(self, source: Source) -> Iterator[tuple[Form, Form, bool]]:
        """Evaluate a text form by form: each with its value and whether it printed. SnError ends it; a later call
        with the rest goes on.
        """
        reader, at = FormReader(source, self.interpreter.limits, self.interpreter.warnings.append), 0
        while (found := reader.read(at)) is not None:
            form, span, end = found
            yield self._evaluate(form, replace(source, text=source.text[:end]), span.start)
            at = end

    def _evaluate(self, form: Form, source: Source, start: int) -> tuple[Form, Form, bool]:
        run = self.interpreter
        run.renew()
        for shelf in self.shelves().values():
            shelf.forget_broken()
        faults: list[Fault] = []
        try:
            value = run.run_text(source, faults, start)
        except SnError as error:
            faults += error.faults
        if faults:
            here = Span(source, start, len(source.text))
            raise SnError(fault if fault.span else replace(fault, span=here) for fault in faults)
        return form, value, run.budget.output > 0

    def load(self, source: Source) -> None:
        """Evaluate the text of a file, which may include what stands beside it. SnError with every fault."""
        run = self.interpreter
        before, run.files = run.files, FileAccess.around(source)
        faults: list[Fault] = []
        try:
            run.run_text(source, faults)
        except LimitError:
            raise
        except SnError as error:
            faults += error.faults
        finally:
            run.files = before
        if faults:
            raise SnError(faults)

    def new_warnings(self) -> list[Fault]:
        """The warnings that were not handed out yet."""
        found = self.interpreter.warnings[self.told :]
        self.told += len(found)
        return found

    # The net at hand

    def take(self, pupil: Pupil) -> None:
        """A training becomes what `perf`, `state` and the like look at."""
        self.pupil = pupil
        self._units = self.interpreter.part(Netspace).unit

    def at_hand(self) -> Pupil | None:
        """The training under way, unless a net was made in SN's words since."""
        made_since = self.interpreter.part(Netspace).unit is not self._units
        return None if made_since else self.pupil

    # Names

    def declared(self) -> Iterator[tuple[str, Entry[Any]]]:
        """Everything that was declared, with the word for what it is."""
        for kind, shelf in self.shelves().items():
            yield from ((kind, entry) for entry in shelf.own())

    def own_names(self) -> list[str]:
        """Functions and variables that were set, and what was declared."""
        prompt = set(PROMPT.names())
        names = [name for name in self.interpreter.set_names() if name not in prompt]
        return sorted({*names, *(entry.name for _, entry in self.declared())})

    def value_of(self, name: str) -> Form:
        """The value of a variable, () if it has none."""
        return self.interpreter.lookup(symbol(name))

    def _say_replaced(self, kind: str, before: Entry[Any], now: Entry[Any]) -> None:
        users = [
            f"{word} {entry.name}"
            for word, entry in self.declared()
            if entry.value is not now.value and _uses(entry.value, before.value)
        ]
        still = (
            f"; {', '.join(users)} still {'has' if len(users) == 1 else 'have'} the one before: declare "
            f"{'it' if len(users) == 1 else 'them'} again"
            if users
            else ""
        )
        self.interpreter.print_text(f"; {kind} {now.name} is replaced{still}\n")


def _uses(value: object, thing: object) -> bool:
    """Whether a training is one of this net."""
    return getattr(value, "net", None) is thing


def is_complete(text: str) -> bool:
    """Whether a text can be evaluated, or is wrong, as it stands: no bracket is open at its end."""
    try:
        for _ in read_forms(Source("<prompt>", text)):
            pass
    except Unfinished:
        return False
    except SnError:
        return True
    return True


def close(session: Session) -> None:
    """Save what words of SN drew in windows, if they drew."""
    from snsim.sn28.graphics.saved_windows import save_pictures, windows
    from snsim.sn28.runtime.host import surroundings

    place = session.interpreter.part(surroundings)
    if windows(session.interpreter) and place.output is not None and place.pictures is not None:
        save_pictures(session.interpreter, place.output(), place.pictures)


def session_of(interpreter: protocol.Interpreter) -> Session:
    """The session of an interpreter: that which `interpreter.keep(session_of, ...)` gave it."""
    raise Misuse("this is a word of the prompt, and there is none", None, "start one: snsim repl")
