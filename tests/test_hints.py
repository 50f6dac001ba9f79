"""Every fault has a remedy: something that the user can type or do.

The code is looked through for faults without one. Where nothing can be added to the sentence, the code says so by
NO_HINT, and the table NOTHING_TO_ADD has the sentence. A wrong call of a function of the language gets the line of help
of that function, which is held here against the function itself.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import snsim
from snsim.cli.main import main
from snsim.errors import Fault, SnError, Source
from snsim.language.evaluator import Evaluator
from snsim.language.procedures import Primitive
from snsim.program import lisp_functions, read_program
from snsim.sn28.net.net_word import KernelWord

ROOT = Path(snsim.__file__).parent
ERRORS = Path(__file__).parent / "errors"

# The faults to which nothing can be added: the file, a piece of the sentence, and why.
NOTHING_TO_ADD = [
    ("language/builtins/control.py", "': '.join(sentence)", "the program raises it by (error ...), in its own words"),
]

MOST_WITHOUT = 60

# Where the remedy stands in a call: its place among the arguments, if it may stand there.
PLACES = {
    "fail": None,
    "Fault": None,
    "exceeded": 3,
    "add": 2,
    "_fault": 2,
    "TokenError": 1,
    "CallError": 2,
    "WrongUseError": 1,
}
MAY_LACK_ONE = {"CallError"}  # it gets that of the word that was called


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
            elif (isinstance(outcome, ast.Constant) and not str(outcome.value or "").strip()) or (
                isinstance(outcome, ast.Name) and outcome.id in empty and called(call) not in MAY_LACK_ONE
            ):
                found.append((call.lineno, sentence, False))
    return found


@cache
def in_the_code() -> list[tuple[str, int, str, bool]]:
    return [
        (path.relative_to(ROOT).as_posix(), *found)
        for path in sorted(ROOT.rglob("*.py"))
        for found in wanting(ast.parse(path.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('raise fail("wrong", span)', [False]),
        ('raise fail("wrong", hint="")', [False]),
        ('raise fail("wrong", hint=" " if a else "write b")', [False]),
        ('raise fail("wrong", hint=a or "")', [False]),
        ('raise fail("wrong", hint=NO_HINT)', [True]),
        ('raise fail("wrong", hint=hint or "write b")', []),
        ('self.faults.add("wrong", span)', [False]),
        ('self.names.add("wrong")', []),
        ('raise exceeded("much", 3, span)', [False]),
        ('raise CallError("wrong")', []),
        ('raise CallError("wrong", 1, "")', [False]),
        ('def f(hint=""):\n    return Fault("wrong", hint=hint)', [False]),
        ('def f(hint=""):\n    return Fault("wrong", hint=hint or "write b")', []),
        ('def f(hint):\n    return Fault("wrong", hint=hint)', []),
    ],
)
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
                found.append(doc[start : i + 1])
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
    wrong = [
        entry.name
        for entry in lisp_functions()
        if not entry.doc.startswith((f"({entry.name} ", f"({entry.name})")) or ": " not in entry.doc
    ]
    assert not wrong


def test_the_help_of_a_function_takes_what_the_function_takes() -> None:
    """So what a hint tells to write is accepted. A function of any number of arguments may ask for fewer than it says,
    and look at them itself."""
    wrong = []
    for name, doc, primitive in primitives():
        shown = [arguments_of(form) for form in forms_in(doc) if form.startswith((f"({name} ", f"({name})"))]
        least = min(few for few, _ in shown)
        most = None if any(many is None for _, many in shown) else max(many or 0 for _, many in shown)
        if (
            (least, most) != (primitive.least, primitive.most)
            if primitive.most is not None
            else least + (most is None) < primitive.least
        ):
            wrong.append(f"{doc}  shows {least} to {most}, takes {primitive.least} to {primitive.most}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("form", "takes"),
    [
        ("(f)", (0, 0)),
        ("(f a b)", (2, 2)),
        ("(f a [b])", (1, 2)),
        ("(f a [b [c d]])", (1, 4)),
        ("(f x...)", (0, None)),
        ("(f a x...)", (1, None)),
        ("(f (a b) c)", (2, 2)),
        ('(f "a b" [x...])', (1, None)),
        ("(f [[x y] w])", (0, 3)),
    ],
)
def test_arguments_of_a_form_are_counted(form: str, takes: tuple[int, int | None]) -> None:
    assert arguments_of(form) == takes


def lisp(text: str) -> Fault | None:
    """The fault of a program of Lisp; None if there is none."""
    try:
        Evaluator(lisp_functions(), port=io.StringIO()).run(Source("<test>", text))
    except SnError as error:
        assert len(error.faults) == 1
        return error.faults[0]
    return None


def test_a_call_with_too_many_arguments_is_told_how_it_is_written() -> None:
    called, wrong = 0, []
    for name, doc, primitive in primitives():
        if primitive.most is None:
            continue
        called += 1
        written = f"|{name}|" if "_" in name else name
        fault = lisp(f"({written}{' 1' * (primitive.most + 1)})")
        if fault is None:
            wrong.append(f"{name}: no fault")
        elif "too many arguments" in fault.message:
            if fault.hint != f"write {doc}":
                wrong.append(f"{name}: the hint is not its line of help: {fault.hint}")
        elif "kernel" not in fault.message or "(libload " not in fault.hint:  # a word of the net that the kernel lacks
            wrong.append(f"{name}: {fault.message} => {fault.hint}")
    assert called > 400
    assert not wrong, "\n".join(wrong)


def test_the_function_that_is_applied_tells_how_it_is_written() -> None:
    """And not the one that applies it."""
    fault = lisp("(mapcar cos '(1 2) '(3 4))")
    assert fault is not None and fault.hint.startswith("write (cos x)")
    fault = lisp("(apply 'left \"abc\" 1 2 '(3))")
    assert fault is not None and fault.hint.startswith("write (left string n)")


def test_a_function_of_the_program_tells_how_it_is_written() -> None:
    fault = lisp("(de area (width height &optional depth) (* width height)) (area 1)")
    assert fault is not None and fault.hint == "write (area width height [depth])"
    fault = lisp("(de all-of (first &rest others) first) (all-of)")
    assert fault is not None and fault.hint == "write (all-of first others...)"


# A program, a piece of what it is told, and the program that did so.
LISP = [
    ("(range 1 'a)", "(range a b [step]): a to b inclusive", "(range 1 3)"),
    ("(range 1 3 0)", "write a step such as 1", "(range 1 3 1)"),
    ('(+ 1 "2")', 'write 2, without quotes, or (val "2")', '(+ 1 2) (+ 1 (val "2"))'),
    ("(setq a 1) (+ 1 'a)", "write a, without a quote, for the value of the variable a", "(setq a 1) (+ 1 a)"),
    ("(concat 1)", 'write "1", or (str 1)', '(concat "1") (concat (str 1))'),
    ("(concat 'h1)", """write "h1", or (nameof 'h1)""", """(concat "h1") (concat (nameof 'h1))"""),
    ("(setq x 0) (/ 1 x)", "(if (0= x) 0 (/ a x))", "(setq a 1 x 0) (if (0= x) 0 (/ a x))"),
    ("(setq m [[1 2][3 4]]) (car m)", "write (m () ())", "(setq m [[1 2][3 4]]) (car (m () ()))"),
    (
        "(setq m [[1 2][3 4]]) (m 0)",
        "write (m i1 i2), or (m i1 i2 x) to set it",
        "(setq m [[1 2][3 4]]) (m 0 1) (m 0 1 5)",
    ),
    ("(setq m [1 2 3]) (m 3)", "write 2 for the last, () for all", "(setq m [1 2 3]) (m 2) (m ())"),
    (
        "(setq m [1 2 3]) (m 'a)",
        "write a number from 0 to 2, () for all, or '(0 2) for a range",
        "(setq m [1 2 3]) (m 0) (m ()) (m '(0 2))",
    ),
    ("(m+m [1 2] [1])", "created with (matrix 2)", "(m+m [1 2] (matrix 2))"),
    ("(redim [1 2 3 4] 3)", "such as (redim m 4)", "(setq m [1 2 3 4]) (redim m 4)"),
    ("(submatrix [[1 2][3 4]] 0)", "write (submatrix m () ())", "(setq m [[1 2][3 4]]) (submatrix m () '(0 1))"),
    ("(mean ())", "(if list (mean list) 0)", "(let ((list ())) (if list (mean list) 0))"),
    ("(sum '(1 b))", "write b, without a quote", "(setq b 2) (sum (list 1 b))"),
    ("(sum '(1 (2)))", "(filter numberp list)", "(sum (filter numberp '(1 (2))))"),
    ("(incr a 1)", "set it first: (setq a 0)", "(setq a 0) (incr a 1)"),
    ('(printf "%d\\n" "x")', "write %s for a string, %l for any value", '(printf "%s %l\\n" "x" "x")'),
    ("(de f (a 1) a)", "put a name in place of 1", "(de f (a b) a)"),
    ("(str 'a)", "write (pname x) for a value of any kind", "(pname 'a)"),
    ("(lenght '(1))", 'did you mean "length"?', "(length '(1))"),
    ('(regex-match "(" "(")', r'as in "\\("', '(regex-match "\\\\(" "(")'),
    ("(setq t 1)", "choose another name, such as my-t", "(setq my-t 1)"),
    ("(makelist -1 0)", "such as (makelist 10 x)", "(makelist 10 0)"),
    ("[[1 2][3]]", "write 2 numbers, as in the first row", "[[1 2][3 4]]"),
    ("(list 1 2", "write ) where the form ends", "(list 1 2)"),
    ("(list [1 2)", "write ]) here", "(list [1 2])"),
    ("[b 300]", "write [ in place of [b", "[ 300]"),
]


@pytest.mark.parametrize(("wrong", "told", "mended"), LISP, ids=[wrong for wrong, _, _ in LISP])
def test_lisp_that_does_what_it_is_told_is_accepted(wrong: str, told: str, mended: str) -> None:
    fault = lisp(wrong)
    assert fault is not None and told in fault.hint, fault
    assert lisp(mended) is None, lisp(mended)


NET = "(net a {0} (layer output 2) {1})"
TRAIN = "(net a (layer input 4) (layer output 2) (connect input output (full)))\n(train a (data digits) {0} {1})"
# As above; the part of the program that differs.
FORMS = [
    (
        NET,
        ("(layer 1 3)", "(connect 1 output (full))"),
        "write a word, such as layer1",
        ("(layer layer1 3)", "(connect layer1 output (full))"),
    ),
    (
        NET,
        ('(layer input "3")', "(connect input output (full))"),
        "write (layer NAMES SHAPE option ...)",
        ("(layer input 3)", "(connect input output (full))"),
    ),
    (
        NET,
        ("(layer input 3)", "(connect input 7 (full))"),
        "layers: input, output",
        ("(layer input 3)", "(connect input output (full))"),
    ),
    (
        NET,
        ("(layer input 3)", '(connect input output (full) (scale "2"))'),
        "write 2, without quotes",
        ("(layer input 3)", "(connect input output (full) (scale 2))"),
    ),
    (
        NET,
        ("(layer input 2.5)", "(connect input output (full))"),
        "write 2 or 3",
        ("(layer input 3)", "(connect input output (full))"),
    ),
    (
        NET,
        ("(layer input 3)", "(connect input output (full)) (expect (units 6))"),
        "write (units 5)",
        ("(layer input 3)", "(connect input output (full)) (expect (units 5))"),
    ),
    (
        NET,
        ("(layer input 3)", ""),
        "add (connect input output (full))",
        ("(layer input 3)", "(connect input output (full))"),
    ),
    (
        NET,
        ("(layer input 3) (layer h 3 3)", "(connect input h (full)) (connect h output (full))"),
        "write a shape of several numbers as a list: (12 8 8)",
        ("(layer input 3) (layer h (3 3))", "(connect input h (full)) (connect h output (full))"),
    ),
    (
        NET,
        ("(layer input 3) (layer h 3)", "(connect input h (full) (weight-norm)) (connect h output (one-to-one))"),
        "give output 3 units, or connect them with (full)",
        ("(layer input 3) (layer h 3)", "(connect input h (full) (weight-norm)) (connect h output (full))"),
    ),
    (TRAIN, ("(epsilon -0.1)", "(passes 1)"), "write 0.1, without the minus sign", ("(epsilon 0.1)", "(passes 1)")),
    (
        TRAIN,
        ("(epsilon (0.1))", "(passes 1)"),
        "(linear 0.1 0.01) or (steps (0.1 10) (0.01))",
        ("(epsilon (linear 0.1 0.01))", "(passes 1)"),
    ),
    (TRAIN, ("(epsilon 0.1)", ""), "add (passes N)", ("(epsilon 0.1)", "(passes 1)")),
    (TRAIN, ("", "(passes 1)"), "add (epsilon V)", ("(epsilon 0.1)", "(passes 1)")),
    (TRAIN, ("(epsi 0.1)", "(passes 1)"), "write (epsi-inv x)", ("(epsi-inv 0.1)", "(passes 1)")),
    (
        TRAIN,
        ("(epsilon 0.1)", "(passes 1) (targets 1 1)"),
        "such as (targets -1 1)",
        ("(epsilon 0.1)", "(passes 1) (targets -1 1)"),
    ),
    (
        TRAIN,
        ("(epsilon 0.1)", "(passes 1) (dropout 50 input)"),
        "write 0.5 for 50 percent",
        ("(epsilon 0.1)", "(passes 1) (dropout 0.5 input)"),
    ),
    (
        TRAIN,
        ("(epsilon 0.1)", "(passes 1) (ensemble 9 0)"),
        "write the smaller number first: (ensemble 0 9)",
        ("(epsilon 0.1)", "(passes 1) (ensemble 0 9)"),
    ),
]


@pytest.mark.parametrize(("form", "wrong", "told", "mended"), FORMS, ids=[" ".join(wrong) for _, wrong, _, _ in FORMS])
def test_forms_that_do_what_they_are_told_are_accepted(
    form: str, wrong: tuple[str, str], told: str, mended: tuple[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "a.sn"
    file.write_text(form.format(*wrong))
    with pytest.raises(SnError) as caught:
        read_program(file)
    assert any(told in fault.hint for fault in caught.value.faults), str(caught.value)
    file.write_text(form.format(*mended))
    assert read_program(file).nets.own()


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.sn")), ids=lambda path: path.stem)
def test_a_hint_says_more_than_its_sentence(path: Path) -> None:
    with pytest.raises(SnError) as caught:
        read_program(path, port=io.StringIO())
    for fault in caught.value.faults:
        words = set(re.findall(r"[\w.+-]+", fault.hint.lower())) - set(re.findall(r"[\w.+-]+", fault.message.lower()))
        words -= {"write", "give", "a", "the", "is", "or", "for", "in", "it"}
        assert words or fault.hint.startswith("write ("), fault


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu", "a.sn"], 'did you mean "run"?'),
        (["a.sn"], "write snsim run a.sn"),
        (["run"], "write snsim run FILE"),
        (["run", "a.sn", "--resume", "runs/a"], "write snsim run --resume runs/a"),
        (["run", "--resume", "runs/a", "--seed", "3"], "leave out --seed"),
        (["run", "a.sn", "--set", "rate"], "write for example --set rate=0.1"),
        (["run", "a.sn", "--seed", "x"], "`snsim run --help` lists its arguments and options"),
        (["run", "a.sn", "--engine", "natvie"], 'did you mean "native"?'),
        (["compare", "a.sn", "--mapping", "m.json"], "write FILE.py:Class after the file"),
        (["convert", "a.sn", "--to", "sn28", "--kernel", "sn28new"], "leave out one of --kernel and --to sn28"),
        (["plot", "mpas", "a.sn"], 'did you mean "maps"?'),
        (["plot", "nlf", "sn-tanh", "--from", "2", "--to", "-2"], "write --from -2 --to 2"),
        (["reproduce", "a.sn", "--seeds", "2", "--seed", "1"], "leave out --seeds"),
        (["reproduce", "a.sn", "--report", "page.html"], "write --report page.md"),
        (["help", "lenght"], 'did you mean "length"?'),
        (["list", "wrods"], 'did you mean "word"?'),
        (["data", "digist"], 'did you mean "digits"?'),
    ],
)
def test_a_wrong_command_is_told_what_to_type(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sn").write_text("(net a (layer input 1) (layer output 1) (connect input output (full)))\n")
    assert main(arguments) in (1, 2)
    assert told in capsys.readouterr().err.partition("hint: ")[2]
