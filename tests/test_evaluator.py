"""The evaluator: scope, functions, control, faults, declarative words and files, with programs as data."""

import pytest
from lisp_programs import Program, fault_of, value_of

from snsim.errors import SnError

VALUES = [
    # truth, quoting, variables
    ('(list (if 0 1 2) (if "" 1 2) (if () 1 2 3) (not 3) ~() t)', "(1 1 3 () t t)"),
    ("(list (and 1 2) (and 1 () 2) (and) (or () 3) (or ()))", "(2 () t 3 ())"),
    ("(setq n 0) (de f () (incr n) ()) (apply 'and (list 1 () 2))", "()"),
    ("(setq a 1 b 2) (setq a b b a) (list a b)", "(2 1)"),
    ("(setq x 5) (incr x) (incr x 2)", "8"),
    ("(set (car '(y z)) 4) y", "4"),
    ("(setq a 5) (de f (a) (list a :a (setq :a 7))) (list (f 1) a)", "((1 5 7) 7)"),
    ("(defvar a 1) (defvar a 2) (defparameter b 3) (list a b)", "(1 3)"),
    ("`(1 ,(+ 1 1) ,@(list 3 4) . ,(+ 2 3))", "(1 2 3 4 . 5)"),
    ("`(a `(b ,(c ,(+ 1 2))))", "(a `(b ,(c 3)))"),
    ("(setq x ''a) `(f ',(car '(b)))", "(f 'b)"),
    ("(list `,1 `[1 2] `(a ,@() b) '(a . (b c)) (quote x))", "(1 [1 2] (a b) (a b c) x)"),
    ("(setq a 1) (let ((a 2)) (setq :a 5 b 3) (list a :a b))", "(2 5 3)"),
    ("(let ((q 1)) (de g () 5)) (let ((h 1)) (de h () 6) (list (g) (h)))", "(5 6)"),
    ("(let ((g 1)) (defun g () 5)) (de f () (defvar z 3)) (f) (list (g) z)", "(5 3)"),
    ("(let ((x 2)) (defparameter x 1) (list x :x))", "(2 1)"),
    ("(list ~() ~~() unset (eval) (eval ''a ''b))", "(t () () () b)"),
    # functions
    (
        "(de f (a &optional b (c (+ 1 2)) &rest d) (list a b c d)) (list (f 1) (f 1 2 3 4 5))",
        "((1 () (+ 1 2) ()) (1 2 3 (4 5)))",
    ),
    ("(de f ((x y) . z) (list x y z)) (f '(1 2) 3 4)", "(1 2 (3 4))"),
    ("(de f l l) (f 1 2)", "(1 2)"),
    ("(df f (x) x) (df g l l) (list (f (car y)) (g a b))", "((car y) (a b))"),
    (
        "(de f (&optional a (b (c d))) (list a b)) (de g (&rest r) r) (list (f) (f 1 2) (g) (g 1))",
        "((() (c d)) (1 2) () (1))",
    ),
    (
        "(list ((flambda (x) x) (a b)) ((mlambda (m x) (list 'quote x)) (a b)) ((list 'lambda '(x) 'x) 3))",
        "((a b) (a b) 3)",
    ),
    ("(list ((if () '+ '-) 3 1) ((car (list car)) '(7)) ('car '(8)))", "(2 7 8)"),
    ("(de f (car) (g)) (de g () (car '(1 2))) (list (f 3) (f cdr))", "(1 (2))"),
    ("(let ((car 3) (list ())) (list (car '(1)) car))", "(1 3)"),
    ("(list (apply '+ 1 2 '(3 4)) (apply + ()) (apply 'if '(() 1 2)) (apply [5 6] '(1)))", "(10 0 2 6)"),
    ("(de outer (x) (inner)) (de inner () (* 2 x)) (outer 4)", "8"),
    ("(de f (list) (list list 1)) (f 3)", "(3 1)"),
    ("((lambda (a b) (- b a)) 3 10)", "7"),
    ("(de make (k) (eval `(lambda (x) (* x ,k)))) ((make 3) 5)", "15"),
    (
        "(setq g car) (list (g '(7)) (mapcar '1+ '(1 2)) (mapcar (lambda (x y) (+ x y)) '(1 2) '(3 4)))",
        "(7 (2 3) (4 6))",
    ),
    ("(de area (r) (* r r)) (let ((area (lambda (r) 0))) (area 9))", "0"),
    ("(dm twice (name x) `(progn ,x ,x)) (setq n 0) (twice (incr n)) n", "2"),
    ("(dmd up (x) `(setq ,x (1+ ,x))) (setq a 1) (de g () (up a)) (g) (g) a", "3"),
    ("(dmd m (x) (list 'quote x)) (setq c '((m (a b)))) (list (eval (car c)) c)", "((a b) ('(a b)))"),
    ("(dmd m (x) x) (setq c '((m 5))) (list (eval (car c)) (eval (car c)) c)", "(5 5 ((progn 5)))"),
    ("(defmacro swap (x y) `(setq ,x ,y ,y ,x)) (setq p 1 q 2) (swap p q) (list p q)", "(2 1)"),
    # control
    (
        "(list (cond ((= 1 2) 'a) ((< 1 2) 'b 'c) (t 'd)) (cond (5)) (cond) (cond (() 1)) (when 1) (when () 1) (if () 1))",  # noqa: E501
        "(c () () () () () ())",
    ),
    ("(list (selectq '(1 2) ((1 2) 'low)) (selectq 5 (1 'a)) (selectq 5 (t)) (selectq 'x ((y x) 1)))", "(low () () 1)"),
    (
        "(list (repeat 0 1) (repeat 2.7 'x) (while () 1) (do-while () 3) (each () 1) (all ((x ())) x))",
        "(() x () 3 () ())",
    ),
    ("(let ((n 0)) (for (i 1 3) (setq i 10) (incr n)) (for (i 3 1) (incr n 100)) n)", "3"),
    ("(setq i 7) (list (for (i 1 2) (* 10 i)) (for (i 0 1 0.25) i) i)", "(20 1 7)"),
    ("(let ((n 0)) (for (x 0 1 0.1) (incr n)) n)", "11"),
    ("(list (selectq 3 (1 'a) ((2 3) 'b) (t 'c)) (selectq () (() 'nil)) (selectq \"x\" (\"x\" 1)))", "(b nil 1)"),
    ("(let ((i 0)) (list (while (< i 3) (incr i)) (do-while (< i 3) (incr i))))", "(3 4)"),
    (
        "(list (repeat 3 'x) (mapfor (i 1 3) (* i i)) (mapfor (i 1 0) i) (mapfor (i 3 1 -1) i) (mapfor (i 0 1 0.5) i))",
        "(x (1 4 9) () (3 2 1) (0 0.5 1))",
    ),
    ("(list (each (((a b) '((1 2) (3 4))) (c '(5 6))) (+ a b c)) (all ((x '(1 2))) (- x)))", "(13 (-1 -2))"),
    ("(let ((i 0)) (mapwhile (< i 3) (incr i)))", "(1 2 3)"),
    ("(list (rmapcar '1+ '(1 (2 (3)))) (mapc 'car '((1) (2))) (prog1 1 2))", "((2 (3 (4))) 2 1)"),
    ("(let (((a b) '(1 2)) (c 3)) (list a b c))", "(1 2 3)"),
    ("(let* ((a 1) (b (+ a 1))) (list a b))", "(1 2)"),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_value(text, expected):
    assert value_of(text) == expected


ERRORS = [
    ("\n(foo 1)", 2, 2, 'no function "foo"'),
    ("(lenght '(1))", 1, 2, 'did you mean "length"?'),
    ("(list\n (car 3))", 2, 7, "car: 3 is not a list"),
    ('(+ 1\n   "a")', 2, 4, '+: "a" is not a number'),
    ("(1 2)", 1, 2, "1 is not a function"),
    ("(1+ 1 2)", 1, 1, "1+: too many arguments, 2 given, 1 expected"),
    ("(de f (x) x)\n(f)", 2, 1, "f: too few arguments, 0 given, 1 expected"),
    ("(de f ((a b)) a) (f '(1))", 1, 18, "too few elements"),
    ("(mapc 'car '(1))", 1, 1, "car: 1 is not a list"),
    ("(mapcar '+ '(1) '(1 2))", 1, 1, "the lists have 1, 2 elements"),
    ("(each ((x '(1)) (y ())) x)", 1, 7, "the lists have 1, 0 elements"),
    ("(let ((a)) a)", 1, 6, "a variable and its value"),
    ("(let* (((a b) '(1 2))) a)", 1, 7, "names only"),
    ("(setq a)", 1, 7, "without a value"),
    ("(setq t 1)", 1, 1, "t is always t"),
    ("(if t)", 1, 1, "write (if condition yes no...)"),
    ("(list 1 . 2)", 1, 1, "without a dot"),
    (",x", 1, 1, "a comma is allowed inside a declarative form"),
    ("(progn ,(f))", 1, 8, "a comma is allowed inside a declarative form"),
    ('(error \'where "what" 3)', 1, 1, "where: what: 3"),
    ("(- 5 ())", 1, 6, "-: () is not a number"),
    ("(- 5 x)", 1, 6, "-: () is not a number"),
    ("(let (x) x)", 1, 6, "a variable and its value"),
    ("(let x 1)", 1, 1, "let: x is not a list"),
    ("(cond 5)", 1, 1, "a clause of cond must be a list"),
    ("(selectq 5 5)", 1, 1, "a case of selectq must be a list"),
    ("(repeat -1 1)", 1, 9, "-1 is not a number of times"),
    ("(repeat 'a 1)", 1, 9, "a is not a number of times"),
    ("(for (i 1) i)", 1, 6, "a variable and its bounds"),
    ("(for (i 'a 3) i)", 1, 6, "a is not a number"),
    ("(for (i 1 2 0) i)", 1, 6, "never ends"),
    ("(each ((x 3)) x)", 1, 11, "each: 3 is not a list"),
    ("(setq a 1 b)", 1, 11, "without a value"),
    ("(setq 3 4)", 1, 7, "3 is not a variable"),
    ('(set "x" 3)', 1, 6, "is not a name"),
    ("(incr x)", 1, 7, "incr: () is not a number"),
    ('(setq x 1) (incr x "a")', 1, 20, '"a" is not a number'),
    ("(de 3 (x) 1)", 1, 5, "expected a name"),
    ("(de f (3) 1)", 1, 7, "names only"),
    ("(de f (a &rest b c) 1)", 1, 7, "one name must follow &rest"),
    ("(de f (&optional (a 1 2)) 1)", 1, 7, "a name or (name default)"),
    ("(quote 1 2)", 1, 1, "quote takes one form"),
    ("`(1 ,@2)", 1, 7, "2 is not a list"),
    ("`,@(list 1)", 1, 2, "inside a list only"),
    ("(apply '+ 3)", 1, 1, "apply: 3 is not a list"),
    ("(mapcar 'lenght '((1)))", 1, 1, 'lenght is not a function did you mean "length"?'),
    ("(not 1 2)", 1, 1, "not: too many arguments"),
    ("(setq (o s) 3)", 1, 7, "is not a variable"),
    ("(setq :o:s 3)", 1, 7, "() is not an object, so it has no slots"),
    ('(include "x.sn")', 1, 10, "not in a file, so it has no folder"),
    # declarative forms
    ("(net ,x)", 1, 7, '"x" has no value'),
    ("(net 'a)", 1, 6, "nothing is evaluated here"),
    ("(net ,@3)", 1, 8, "elements of a list"),
    ("(net (a . b))", 1, 6, "dotted list"),
    ("(net ,car)", 1, 7, "is not allowed here"),
    ("(de f () (eval (list 'net 'bad)))\n(f)", 1, 10, "a bad net"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), ERRORS)
def test_error(text, line, column, message):
    found, *place = fault_of(text)
    assert message in found and place == [line, column]


def test_an_unset_symbol_is_false_with_one_warning():
    program = Program()
    assert program.run("(setq lines 1)\n(list line line (when line 1))") == "(() () ())"
    (warning,) = program.interpreter.warnings
    assert (warning.span.line, warning.span.column, warning.severity) == (2, 7, "warning")
    assert "did you mean lines" in warning.hint


def test_the_handler_runs_and_the_error_goes_on():
    program = Program()
    with pytest.raises(SnError, match="car: 3"):
        program.run("(on-error (print 'handled) (car 3)) (print 'never)")
    assert program.port.getvalue() == "handled\n"


def test_bindings_are_restored_after_an_error():
    program = Program()
    with pytest.raises(SnError):
        program.run("(setq x 1) (let ((x 2)) (let* ((x 3)) (car x)))")
    assert program.run("x") == "1"


# Declarative words


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ('(net a (layer h 3) "text" [1 2])', ['(net a (layer h 3) "text" [1 2])']),
        ('(setq k 3) (net ,(sprintf "n-%d" k) (a ,k ,@(list 1 \'b)) ,@() ())', ['(net "n-3" (a 3 1 b) ())']),
        ("(each ((k '(1 2))) (net a ,k))", ["(net a 1)", "(net a 2)"]),
        ("(eval (list 'net 'a '(b 3)))", ["(net a (b 3))"]),
        ("(setq net 3) (let ((net ())) (net a))", ["(net a)"]),
        ("(de net (x) x) (net 3)", []),
        ("(setq i 0) (net ,(incr i) ,(incr i) ,(incr i))", ["(net 1 2 3)"]),
        ("(de block (k) `((layer ,k) (bias (map ,k)))) (net ,@(block 2))", ["(net (layer 2) (bias (map 2)))"]),
    ],
)
def test_a_declarative_call_is_data(text, declared):
    program = Program()
    program.run(text)
    assert program.declared == declared


def test_what_a_comma_computed_has_the_place_of_its_expression():
    program = Program()
    program.run("(setq l '(1 (2)))\n(net a\n ,l)")
    call = program.calls[0][0]
    assert [str(node.span) for node in call.items] == ["<test>:2:2", "<test>:2:6", "<test>:3:3"]
    assert str(call.items[2].items[1].items[0].span) == "<test>:3:3"


def test_faults_of_declarative_forms_are_gathered_and_lisp_errors_stop():
    program = Program()
    with pytest.raises(SnError) as error:
        program.run("(net bad)\n(net ,x ,(car 3))\n(net good)\n(car 4)\n(net late)")
    assert [(f.message, f.span.line) for f in error.value.faults] == [
        ("a bad net", 1),
        ('"x" has no value', 2),
        ("car: 3 is not a list", 2),
        ("car: 4 is not a list", 4),
    ]
    assert program.declared == ["(net good)"]


def test_presets():
    assert Program(presets={"Width": 8}).run("(defvar width 12) (defvar width 3) width") == "8"
    assert Program(presets={"name": "x"}).run("(defvar name 12) name") == '"x"'
    with pytest.raises(SnError, match="no \\(defvar widht .*\n.*width"):
        Program(presets={"widht": 8.0}).run("(defvar width 12)")


# include


@pytest.fixture
def tree(tmp_path):
    """The folder `in` of a program, in a folder without texts, in a folder with one."""
    (tmp_path / "out.sn").write_text("(net out)")
    top = tmp_path / "top"
    (top / "in" / "sub").mkdir(parents=True)
    for name, text in {
        "beside.txt": "(net beside)",
        "in/main.sn": '(include "sub/a.sn")\n(net main)\n(include "sub/a.sn")',
        "in/sub/a.sn": '(net a) (include "b.sn") (include "../main.sn")',
        "in/sub/b.sn": '(net b) (include "a.sn")',
        "in/broken.sn": "(net fine)\n(net bad)\n(net later)",
        "in/lisp.sn": "(net fine)\n(car 3)",
        "in/open.sn": "(net fine\n",
    }.items():
        (top / name).write_text(text)
    (top / "in" / "link.sn").symlink_to(tmp_path / "out.sn")
    return top / "in"


def test_include_reads_each_file_once_relative_to_the_file_it_stands_in(tree):
    program = Program()
    name = str(tree / "main.sn")
    program.run((tree / "main.sn").read_text(), name)
    assert program.declared == ["(net a)", "(net b)", "(net main)"]
    assert [depth for _, depth in program.calls] == [1, 2, 0]
    assert [source.name for source in program.interpreter.sources] == [
        name,
        str(tree / "sub" / "a.sn"),
        str(tree / "sub" / "b.sn"),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../out.sn", "outside"),
        ("../beside.txt", "outside"),
        ("link.sn", "outside"),
        ("/etc/hostname", "outside"),
        ("absent.sn", "there is no file"),
        ("sub", "is a folder"),
        ("a\\x00b", "cannot be read|outside"),
    ],
)
def test_include_refuses(tree, name, message):
    program = Program()
    with pytest.raises(SnError, match=message) as error:
        program.run(f'\n(include "{name}")\n(net late)', str(tree / "m.sn"))
    assert error.value.faults[0].span.line == 2 and program.declared == []


def test_a_folder_of_texts_is_open_to_a_folder_in_it(tree):
    """A study reads the nets of the folder above, these what is theirs; never what is no .sn file, or further up."""
    program = Program()
    program.run('(include "../main.sn") (include "b.sn")', str(tree / "sub" / "study.sn"))
    assert program.declared == ["(net a)", "(net b)", "(net main)"]
    (tree / "numbers.txt").write_text("(net numbers)")
    for name in ("../numbers.txt", "../../../out.sn", "../link.sn"):
        with pytest.raises(SnError, match="outside"):
            Program().run(f'(include "{name}")', str(tree / "sub" / "study.sn"))


@pytest.mark.parametrize(
    ("name", "line", "column", "declared"),
    [
        ("broken.sn", 2, 6, ["(net fine)", "(net later)", "(net main)"]),
        ("lisp.sn", 2, 6, ["(net fine)"]),
        ("open.sn", 1, 1, []),
    ],
)
def test_an_error_inside_an_included_file_shows_both_places(tree, name, line, column, declared):
    program = Program()
    with pytest.raises(SnError) as error:
        program.run(f'\n(include "{name}") (net main)', str(tree / "m.sn"))
    (fault,) = error.value.faults
    assert (fault.span.source.name, fault.span.line, fault.span.column) == (str(tree / name), line, column)
    assert [(label, str(span)) for label, span in fault.also] == [("included here", f"{tree / 'm.sn'}:2:1")]
    assert program.declared == declared
