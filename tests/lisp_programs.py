"""What the tests of the Lisp share: an interpreter that keeps what was declared and printed."""

import io

from snsim.errors import SnError, Source, fail
from snsim.language.builtins import CORE
from snsim.language.evaluator import Evaluator
from snsim.language.forms import symbol
from snsim.language.includes import include
from snsim.language.printer import show
from snsim.registry import Shelf


class Program:
    """An interpreter with one declarative word, `net`, that keeps its calls, and `(net bad)` as a fault."""

    def __init__(self, **options):
        self.calls = []
        words = Shelf("declarative word")
        words.add("net", self._net, "keeps its call")
        words.add("include", include, "reads another file")
        self.port = io.StringIO()
        self.interpreter = Evaluator(options.pop("functions", CORE), words, self.port, **options)

    def _net(self, call, interpreter):
        if "bad" in [node.name for node in call.items[1:] if node.is_symbol]:
            raise fail("a bad net", call.items[1].span, hint="write a good one")
        self.calls.append((call, interpreter.including))
        return symbol("declared")

    def run(self, text, name="<test>"):
        return show(self.interpreter.run(Source(name, text)), most=10_000)  # a list may hold itself

    @property
    def declared(self):
        return [plain(call) for call, _ in self.calls]


def plain(node):
    return "(" + " ".join(plain(n) for n in node.items) + ")" if node.is_list else show(node.value)


def value_of(text):
    """The last value of a program, as text."""
    return Program().run(text)


def printed_by(text):
    """What a program prints."""
    program = Program()
    program.run(text)
    return program.port.getvalue()


def fault_of(text, **options):
    """The first fault of a program: its sentence with the remedy, its line and its column."""
    try:
        value = Program(**options).run(text)
    except SnError as error:
        fault = error.faults[0]
        assert fault.span is not None, fault
        return f"{fault.message} {fault.hint}", fault.span.line, fault.span.column
    raise AssertionError(f"no fault, but the value {value}")
