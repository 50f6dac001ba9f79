"""Every fault has a remedy: something that the user can type or do.

The code is looked through for faults without one. Where nothing can be added to the sentence, the code says so by
NO_HINT, and the table NOTHING_TO_ADD has the sentence. A wrong call of a function of the language gets the line of help
of that function, which is held here against the function itself.
"""

from __future__ import annotations

import ast
import io
import re
from functools import cache
from pathlib import Path
from typing import Iterator

import pytest

import snsim
from snsim.cli.main import COMMANDS, main
from snsim.errors import NO_HINT, Fault, SnError, Source
from snsim.language.evaluator import Interpreter
from snsim.language.procedures import Primitive
from snsim.program import lisp_functions, read_program
from snsim.sn28.net.net_word import KernelWord

ROOT = Path(snsim.__file__).parent
ERRORS = Path(__file__).parent / "errors"

# The faults to which nothing can be added: the file, a piece of the sentence, and why.
NOTHING_TO_ADD = [
    ("language/builtins/control.py", "': '.join(words)", "the program itself raises it by (error ...), in its own words"),
]

MOST_WITHOUT = 60

# Where the remedy stands in a call: its place among the arguments, if it may stand there.
PLACES = {"fail": None, "Fault": None, "exceeded": 3, "add": 2, "_fault": 2, "Misread": 1, "Misuse": 2,
          "WrongUseError": 1}
MAY_LACK_ONE = {"Misuse"}  # it gets that of the word that was called


def called(call: ast.Call) -> str:
    """The name of what is called; `add` only if faults are added to."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    adds = name == "add" and not ast.unparse(call.func).endswith("faults.add")
    return "" if adds or (name == "fail" and isinstance(call.func, ast.Attribute)) else name


def remedy(call: ast.Call) -> ast.expr | None:
    place = PLACES[called(call)]
    for keyword in call.keywords:
        if keyword.arg == "hint":
            return keyword.value
    return call.args[place] if place is not None and len(call.args) > place else None


def outcomes(expression: ast.expr) -> Iterator[ast.expr]:
    """What an expression may be: both branches of a condition, the last of an `or`."""
    if isinstance(expression, ast.IfExp):
        yield from outcomes(expression.body)
        yield from outcomes(expression.orelse)
    elif isinstance(expression, ast.BoolOp) and isinstance(expression.op, ast.Or):
        yield from outcomes(expression.values[-1])
    else:
        yield expression


def faults_of(tree: ast.AST) -> Iterator[tuple[ast.Call, ast.expr | None, set[str]]]:
    """Each call that makes a fault, its remedy, and the parameters of the function round it that default to ""."""

    def visit(node: ast.AST, empty: set[str]) -> Iterator[tuple[ast.Call, ast.expr | None, set[str]]]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = node.args.posonlyargs + node.args.args
            given = dict(zip(reversed(names), reversed(node.args.defaults)))
            given |= {name: value for name, value in zip(node.args.kwonlyargs, node.args.kw_defaults) if value}
            empty = {name.arg for name, value in given.items() if isinstance(value, ast.Constant) and not value.value}
        if isinstance(node, ast.Call) and called(node) in PLACES:
            yield node, remedy(node), empty
        for child in ast.iter_child_nodes(node):
            yield from visit(child, empty)

    yield from visit(tree, set())


def wanting(tree: ast.AST) -> list[tuple[int, str, bool]]:
    """The calls that make a fault without a remedy: line, sentence, and whether NO_HINT says so."""
    found = []
    for call, hint, empty in faults_of(tree):
        sentence = ast.unparse(call.args[0]) if call.args else ""
        if hint is None:
            if called(call) not in MAY_LACK_ONE:
                found.append((call.lineno, sentence, False))
            continue
        for outcome in outcomes(hint):
            if isinstance(outcome, ast.Name) and outcome.id == "NO_HINT":
                found.append((call.lineno, sentence, True))
            elif (isinstance(outcome, ast.Constant) and not str(outcome.value or "").strip()) or \
                    (isinstance(outcome, ast.Name) and outcome.id in empty and called(call) not in MAY_LACK_ONE):
                found.append((call.lineno, sentence, False))
    return found


@cache
def in_the_code() -> list[tuple[str, int, str, bool]]:
    return [(path.relative_to(ROOT).as_posix(), *found) for path in sorted(ROOT.rglob("*.py"))
            for found in wanting(ast.parse(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("text, wanted", [
    ('raise fail("wrong", span)', [False]),
    ('raise fail("wrong", hint="")', [False]),
    ('raise fail("wrong", hint=" " if a else "write b")', [False]),
    ('raise fail("wrong", hint=a or "")', [False]),
    ('raise fail("wrong", hint=NO_HINT)', [True]),
    ('raise fail("wrong", hint=hint or "write b")', []),
    ('self.faults.add("wrong", span)', [False]),
    ('self.names.add("wrong")', []),
    ('raise exceeded("much", 3, span)', [False]),
    ('raise Misuse("wrong")', []),
    ('raise Misuse("wrong", 1, "")', [False]),
    ('def f(hint=""):\n    return Fault("wrong", hint=hint)', [False]),
    ('def f(hint=""):\n    return Fault("wrong", hint=hint or "write b")', []),
    ('def f(hint):\n    return Fault("wrong", hint=hint)', []),
])
def test_the_search_finds_what_lacks_a_remedy(text: str, wanted: list[bool]) -> None:
    assert [marked for _, _, marked in wanting(ast.parse(text))] == wanted


def test_every_fault_has_a_remedy() -> None:
    lacking = [f"snsim/{file}:{line}: {sentence}" for file, line, sentence, marked in in_the_code() if not marked]
    assert not lacking, "no remedy, or an empty one:\n" + "\n".join(lacking)


def test_what_has_nothing_to_add_is_listed() -> None:
    marked = [(file, sentence) for file, _, sentence, is_marked in in_the_code() if is_marked]
    assert len(marked) <= MOST_WITHOUT
    left = list(NOTHING_TO_ADD)
    for file, sentence in marked:
        rows = [row for row in left if row[0] == file and row[1] in sentence]
        assert rows, f"not in the table: {file}: {sentence}"
        left.remove(rows[0])
    assert not left, f"no longer in the code: {left}"
    assert all(why for _, _, why in NOTHING_TO_ADD)


# Words of the language that are called wrongly

def forms_in(doc: str) -> list[str]:
    """The calls that a line of help shows: `(- a b)` and `(- a)` of "(- a b): the difference; (- a): the opposite"."""
    found, depth, start = [], 0, 0
    for i, sign in enumerate(doc):
        if sign == "(":
            start, depth = (i, 1) if depth == 0 else (start, depth + 1)
        elif sign == ")" and depth:
            depth -= 1
            if depth == 0:
                found.append(doc[start:i + 1])
    return found


def arguments_of(form: str) -> tuple[int, int | None]:
    """How few and how many arguments a form such as `(range a b [step])` takes; `x...` stands for none or more."""
    pieces = re.findall(r'"(?:\\.|[^"])*"|[()\[\]]|[^\s()\[\]"]+', form[1:-1])[1:]  # without the name
    least, most, inside, optional, anything = 0, 0, 0, 0, False
    for i, piece in enumerate(pieces):
        if piece in "([" or piece in ")]":
            change = 1 if piece in "([" else -1
            if piece in "[]":
                optional += change
            else:
                inside += change
                if change == 1 and inside == 1:  # a list is one argument
                    least, most = least + (not optional), most + 1
        elif not inside and piece.endswith("..."):
            anything = True
            if piece == "..." and pieces[i - 1] == ")":  # `(a b) ...`
                least, most = least - (not optional), most - 1
        elif not inside:
            least, most = least + (not optional), most + 1
    return least, None if anything else most


def primitives() -> list[tuple[str, str, Primitive]]:
    found = []
    for entry in lisp_functions():
        value = entry.value.primitive if isinstance(entry.value, KernelWord) else entry.value
        if isinstance(value, Primitive):
            found.append((entry.name, entry.doc, value))
    return found


def test_every_function_says_how_it_is_called() -> None:
    wrong = [entry.name for entry in lisp_functions()
             if not entry.doc.startswith((f"({entry.name} ", f"({entry.name})")) or ": " not in entry.doc]
    assert not wrong


def test_the_help_of_a_function_takes_what_the_function_takes() -> None:
    """So what a hint tells to write is accepted. A function of any number of arguments may ask for fewer than it says,
    and look at them itself."""
    wrong = []
    for name, doc, primitive in primitives():
        shown = [arguments_of(form) for form in forms_in(doc) if form.startswith((f"({name} ", f"({name})"))]
        least = min(few for few, _ in shown)
        most = None if any(many is None for _, many in shown) else max(many or 0 for _, many in shown)
        if (least, most) != (primitive.least, primitive.most) if primitive.most is not None else \
                least + (most is None) < primitive.least:
            wrong.append(f"{doc}  shows {least} to {most}, takes {primitive.least} to {primitive.most}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("form, takes", [
    ("(f)", (0, 0)), ("(f a b)", (2, 2)), ("(f a [b])", (1, 2)), ("(f a [b [c d]])", (1, 4)), ("(f x...)", (0, None)),
    ("(f a x...)", (1, None)), ("(f (a b) c)", (2, 2)), ('(f "a b" [x...])', (1, None)), ("(f [[x y] w])", (0, 3)),
])
def test_arguments_of_a_form_are_counted(form: str, takes: tuple[int, int | None]) -> None:
    assert arguments_of(form) == takes
