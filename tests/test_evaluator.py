"""The evaluator and the functions of the language: programs as data, and that every program ends."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snsim.errors import Fault, SnError, Source, fail
from snsim.language.core import CORE
from snsim.language.evaluator import Interpreter
from snsim.language.forms import symbol
from snsim.language.limits import Limits
from snsim.language.loading import include
from snsim.language.printer import show
from snsim.shelf import Shelf


class Program:
    """An interpreter with one declarative word, `net`, that keeps its calls, and `(net bad)` as a fault."""

    def __init__(self, **options):
        self.calls = []
        words = Shelf("declarative word")
        words.add("net", self._net, "keeps its call")
        words.add("include", include, "reads another file")
        self.port = io.StringIO()
        self.interpreter = Interpreter(words=words, port=self.port, **options)

    def _net(self, call, interpreter):
        if "bad" in [node.name for node in call.items[1:] if node.is_symbol]:
            raise fail("a bad net", call.items[1].span)
        self.calls.append((call, interpreter.including))
        return symbol("declared")

    def run(self, text, name="<test>"):
        return show(self.interpreter.run(Source(name, text)))

    @property
    def declared(self):
        return [plain(call) for call, _ in self.calls]


def plain(node):
    return "(" + " ".join(plain(n) for n in node.items) + ")" if node.is_list else show(node.value)


VALUES = [
    # truth, quoting, variables
    ("(list (if 0 1 2) (if \"\" 1 2) (if () 1 2 3) (not 3) ~() t)", "(1 1 3 () t t)"),
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
    # functions
    ("(de f (a &optional b (c (+ 1 2)) &rest d) (list a b c d)) (list (f 1) (f 1 2 3 4 5))",
     "((1 () (+ 1 2) ()) (1 2 3 (4 5)))"),
    ("(de f ((x y) . z) (list x y z)) (f '(1 2) 3 4)", "(1 2 (3 4))"),
    ("(de f l l) (f 1 2)", "(1 2)"),
    ("(df f (x) x) (f (car y))", "(car y)"),
    ("(de outer (x) (inner)) (de inner () (* 2 x)) (outer 4)", "8"),
    ("(de f (list) (list list 1)) (f 3)", "(3 1)"),
    ("((lambda (a b) (- b a)) 3 10)", "7"),
    ("(de make (k) (eval `(lambda (x) (* x ,k)))) ((make 3) 5)", "15"),
    ("(setq g car) (list (g '(7)) (mapcar '1+ '(1 2)) (mapcar (lambda (x y) (+ x y)) '(1 2) '(3 4)))",
     "(7 (2 3) (4 6))"),
    ("(de area (r) (* r r)) (let ((area (lambda (r) 0))) (area 9))", "0"),
    ("(dm twice (name x) `(progn ,x ,x)) (setq n 0) (twice (incr n)) n", "2"),
    ("(dmd up (x) `(setq ,x (1+ ,x))) (setq a 1) (de g () (up a)) (g) (g) a", "3"),
    ("(defmacro swap (x y) `(setq ,x ,y ,y ,x)) (setq p 1 q 2) (swap p q) (list p q)", "(2 1)"),
    # control
    ("(cond ((= 1 2) 'a) ((< 1 2) 'b 'c) (t 'd))", "c"),
    ("(list (selectq 3 (1 'a) ((2 3) 'b) (t 'c)) (selectq () (() 'nil)) (selectq \"x\" (\"x\" 1)))", "(b nil 1)"),
    ("(let ((i 0)) (list (while (< i 3) (incr i)) (do-while (< i 3) (incr i))))", "(3 4)"),
    ("(list (repeat 3 'x) (mapfor (i 1 3) (* i i)) (mapfor (i 1 0) i) (mapfor (i 3 1 -1) i) (mapfor (i 0 1 0.5) i))",
     "(x (1 4 9) () (3 2 1) (0 0.5 1))"),
    ("(list (each (((a b) '((1 2) (3 4))) (c '(5 6))) (+ a b c)) (all ((x '(1 2))) (- x)))", "(13 (-1 -2))"),
    ("(let ((i 0)) (mapwhile (< i 3) (incr i)))", "(1 2 3)"),
    ("(list (rmapcar '1+ '(1 (2 (3)))) (mapc 'car '((1) (2))) (prog1 1 2))", "((2 (3 (4))) 2 1)"),
    ("(let (((a b) '(1 2)) (c 3)) (list a b c))", "(1 2 3)"),
    ("(let* ((a 1) (b (+ a 1))) (list a b))", "(1 2)"),
    # numbers
    ("(list (+) (+ 1 2 3) (- 1) (- 3 1) (/ 4) (/ 1 4) (** 2 10) (int -3.7) (div -7 2) (mod -7 3) (sgn 0))",
     "(0 6 -1 2 0.25 0.25 1024 -4 -3 -1 1)"),
    ("(list (0= 0) (0= 1) (0<> 3) (0<> 0) (1+ 1) (2/ 3) (max 1 3 2) (min 2 1) (abs -2) (sqrt 9))",
     "(0 () 3 () 2 1.5 3 1 2 3)"),
    ("(list (= '(1 \"a\") '(1 \"a\")) (== '(1) '(1)) (= [1 2] [1 2]) (< \"a\" \"b\") (= 1 '1) (= 1 \"1\"))",
     "(t () t t t ())"),
    # lists
    ("(list (range 3) (range 2 4) (range 0 -1) (range 1 2 0.5) (range 0))", "((1 2 3) (2 3 4) (0 -1) (1 1.5 2) ())"),
    ("(list (nth 0 '(a b)) (nth '(a b) 1) (nth 9 '(a)) (nthcdr 1 '(a b)) (last '(1 2)) (lastcdr '(1 2)))",
     "(a a () (b) 2 (2))"),
    ("(list (cadr '(1 2)) (cddr '(1 2 3)) (caar '((1))) (caddr '(1 2 3)) (car ()))", "(2 (3) 1 3 ())"),
    ("(list (append '(1) () '(2 3)) (reverse '(1 2)) (length '(1 2)) (flatten '(1 (2 (3)) ())) (makelist 2 'a))",
     "((1 2 3) (2 1) 2 (1 2 3) (a a))"),
    ("(list (member 2 '(1 2 3)) (assoc 'b '((a 1) (b 2))) (alist-get 'b '((a . 1) (b . 2))))", "((2 3) (b 2) 2)"),
    ("(list (filter (lambda (x) (> x 1)) '(1 2 3)) (sort-list '(3 1 2) <) (sort-list '(3 1 2 1) >))",
     "((2 3) (3 2 1) (1 1 2 3))"),
    ("(setq l '(1)) (nconc l '(2)) (nconc1 l 3) (rplaca l 0) l", "(0 2 3)"),
    ("(list (sum '(1 2 3)) (mean '(1 2 3)) (sdev '(1 3)) (sup '(1 3)) (inf '(1 3)) (median '(3 1 2)))",
     "(6 2 1 3 1 2)"),
    ("(list (quantile '(4 1 3 2) 0.5) (quantile '(1 2) 9) (rank '(5 7 5) 5) (add-lists '(1 2) '(3 4)))",
     "(3 2 (0 2) (4 6))"),
    ("(list (sqr-dist '(1 2) '(3 2)) (abs-dist '(1) '(3)) (sup-dist '(1 5) '(2 9)) (mean-sqr-dist '(0 0) '(2 0)))",
     "(4 2 4 2)"),
    ("(list (quadrant-dist '(1 -1 0) '(0 -1 5)) (hamming-dist '(1 2) '(1 3)) (hamming-dist 2 '(1 2) '(1 3)))",
     "(1 1 0)"),
    # strings
    ("(list (concat \"a\" \"b\") (left \"hello\" 2) (right \"hello\" 2) (mid \"hello\" 2 3) (index \"l\" \"hello\"))",
     '("ab" "he" "lo" "ell" 3)'),
    ("(list (len \"abc\") (upcase \"ab\") (upcase1 \"ab\") (val \"1.5\") (val \"x\") (str 0.25) (nameof 'a-b))",
     '(3 "AB" "Ab" 1.5 () "0.25" "a-b")'),
    ("(list (named \"A_b\") (namedclean \"A_b\") (pname '(1 \"a\")))", '(|A_b| a-b "(1 \\"a\\")")'),
    ("(sprintf \"%s|%d|%5.2f|%g|%-4d|%l|%%\" 'a 3.7 2.5 0.00012345 3 '(1 \"b\"))",
     '"a|3| 2.50|0.00012345|3   |(1 \\"b\\")|%"'),
    # matrices
    ("(setq m [[1 2][3 4]]) (list (m 0 1) (m () 1) (m 1 '(0 1)) (bound m) (bound m 0) (bound m 1))",
     "(2 (2 4) (3 4) (2 2) 2 1)"),
    ("(setq m (matrix 2 2)) (m 0 () '(1 2)) (m () 1 9) m", "[[1 9] [0 9]]"),
    ("(setq m [[1 2][3 4]]) ((select m 0 1) 0 7) (list m (transpose m) (redim m 4) (submatrix m () '(1 1)))",
     "([[1 2] [7 4]] [[1 7] [2 4]] [1 2 7 4] [[2] [4]])"),
    ("(list (unfold [1 2 3 4 5] 0 3 2) (narrow [1 2 3] 0 2 1) (copy-matrix [1 2]))", "([[1 2 3] [3 4 5]] [2 3] [1 2])"),
    ("(dim v 2) (v 0 0.1) v", "[f 0.10000000149011612 0]"),
]


@pytest.mark.parametrize("text, expected", VALUES)
def test_value(text, expected):
    assert Program().run(text) == expected


ERRORS = [
    ("\n(foo 1)", 2, 2, 'no function "foo"'),
    ("(lenght '(1))", 1, 2, "did you mean \"length\"?"),
    ("(list\n (car 3))", 2, 7, "car: 3 is no list"),
    ("(+ 1\n   \"a\")", 2, 4, '+: "a" is no number'),
    ("(1 2)", 1, 2, "1 is no function"),
    ("(/ 1 0)", 1, 1, "division by zero"),
    ("(exp 1000)", 1, 1, "too large"),
    ("(sqrt -1)", 1, 1, "no result"),
    ("(** -1 2)", 1, 5, "negative number -1"),
    ("(1+ 1 2)", 1, 1, "1+: too many arguments, 2 given, 1 taken"),
    ("(de f (x) x)\n(f)", 2, 1, "f: too few arguments, 0 given, 1 taken"),
    ("(de f ((a b)) a) (f '(1))", 1, 18, "too few elements"),
    ("(mapc 'car '(1))", 1, 1, "car: 1 is no list"),
    ("(mapcar '+ '(1) '(1 2))", 1, 1, "the lists have 1, 2 elements"),
    ("(each ((x '(1)) (y ())) x)", 1, 7, "the lists have 1, 0 elements"),
    ("(let ((a)) a)", 1, 6, "a variable and its value"),
    ("(let* (((a b) '(1 2))) a)", 1, 7, "names only"),
    ("(setq a)", 1, 7, "without a value"),
    ("(setq t 1)", 1, 1, "t is always t"),
    ("(if t)", 1, 1, "write (if condition yes no...)"),
    ("(list 1 . 2)", 1, 1, "without a dot"),
    (",x", 1, 1, "a comma computes inside a declarative form"),
    ("(progn ,(f))", 1, 8, "a comma computes inside a declarative form"),
    ("(error 'where \"what\" 3)", 1, 1, "where: what: 3"),
    ("([1 2] 5)", 1, 8, "index 5 lies outside of 0 to 1"),
    ("([1 2] 0 0 0)", 1, 1, "takes 1 indices"),
    ("(matrix 0)", 1, 9, "at least one element"),
    ("(sprintf \"%d\")", 1, 10, "no value for %d"),
    ("(sprintf \"%d\" 1 2)", 1, 1, "1 value more"),
    ("(sprintf \"%q\" 1)", 1, 10, "%q is no directive"),
    ("(range 1 2 0)", 1, 12, "never ends"),
    ("(include \"x.sn\")", 1, 10, "a text without a folder"),
    # declarative forms
    ("(net ,x)", 1, 7, '"x" has no value'),
    ("(net 'a)", 1, 6, "nothing is evaluated here"),
    ("(net ,@3)", 1, 8, "elements of a list"),
    ("(net (a . b))", 1, 6, "dotted list"),
    ("(net ,car)", 1, 7, "cannot stand here"),
    ("(de f () (eval (list 'net 'bad)))\n(f)", 1, 10, "a bad net"),
    # limits
    ("(while t)", 1, 1, "too many steps (100,000 is the limit)"),
    ("(de f () (f)) (f)", 1, 10, "calls stand too deep"),
    ("(repeat 1e18)", 1, 1, "too many steps"),
    ("(for (i 0 1e300) i)", 1, 1, "too many steps"),
    ("(matrix 1e6 1e6)", 1, 1, "1e+12 elements (10,000,000 is the limit)"),
    ("(range 1 1e12)", 1, 1, "list is too long (1,000,000 is the limit)"),
    ("(makelist 1e12 0)", 1, 1, "list is too long"),
    ("(setq s \"ab\") (while t (setq s (concat s s)))", 1, 32, "string is too long"),
    ("(while t (printf \"%99999s\" \"\"))", 1, 10, "prints too much (10,000,000 is the limit)"),
    ("(sprintf \"%999999999d\" 1)", 1, 1, "text is too long"),
    ("(setq l '(1 2)) (rplacd (cdr l) l) (length l)", 1, 36, "list is too long"),
    ("(setq l '(1 2)) (rplaca l l) (net ,l)", 1, 36, "nested too deep"),
    ("(setq l '(1)) (repeat 60 (setq l (cons l l))) (net ,l)", 1, 53, "too many parts"),
    ("(setq l ()) (repeat 9000 (setq l (list l))) (eval (list 'backquote l))", 1, 45, "nested too deep"),
]


@pytest.mark.parametrize("text, line, column, message", ERRORS)
def test_error(text, line, column, message):
    with pytest.raises(SnError) as error:
        Program(limits=Limits(steps=100_000)).run(text)
    fault = error.value.faults[0]
    assert message in f"{fault.message} {fault.hint}"
    assert (fault.span.line, fault.span.column) == (line, column)


@pytest.mark.parametrize("definition", [
    "(de f (x) (+ 1 (f x)))", "(de f (x) (mapcar 'f (list x)))", "(de f (x) (apply 'and (list (f x))))",
    "(de f (x &optional y) (sort-list '(1 2) f))", "(de f (x) `(a ,(f x)))",
    "(de f (x) (net a ,(f x)))", "(dm f (n x) `(f (,x)))", "(de f (x) (eval '(f 1)))", "(de f (x) (filter 'f '(1)))",
    "(de f (x) (each ((y (list (f 1)))) y))", "(de f (x) (let ((y x)) (cond ((progn (when t (f y)))))))",
])
def test_the_depth_limit_holds_whatever_recurses(definition):
    with pytest.raises(SnError, match="too deep"):
        Program().run(definition + "(f 1)")


def test_two_thousand_levels_are_there():
    assert Program().run("(de f (n) (if (= n 0) 0 (1+ (f (1- n))))) (f 600)") == "600"


def test_an_unset_symbol_is_false_with_one_warning():
    program = Program()
    assert program.run("(setq lines 1)\n(list line line (when line 1))") == "(() () ())"
    (warning,) = program.interpreter.warnings
    assert (warning.span.line, warning.span.column, warning.severity) == (2, 7, "warning")
    assert "did you mean lines" in warning.hint


def test_printing_goes_to_the_port():
    program = Program()
    program.run('(print 3.14159 \'(a "b") [[1 2][3 4]]) (prin "x") (printf "%d items\\n" 3)')
    assert program.port.getvalue() == '3.1416 (a "b") [[ 1.00  2.00 ]\n [ 3.00  4.00 ]]\n"x"3 items\n'


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

@pytest.mark.parametrize("text, declared", [
    ("(net a (layer h 3) \"text\" [1 2])", ["(net a (layer h 3) \"text\" [1 2])"]),
    ("(setq k 3) (net ,(sprintf \"n-%d\" k) (a ,k ,@(list 1 'b)) ,@() ())", ['(net "n-3" (a 3 1 b) ())']),
    ("(each ((k '(1 2))) (net a ,k))", ["(net a 1)", "(net a 2)"]),
    ("(eval (list 'net 'a '(b 3)))", ["(net a (b 3))"]),
    ("(setq net 3) (let ((net ())) (net a))", ["(net a)"]),
    ("(de net (x) x) (net 3)", []),
    ("(setq i 0) (net ,(incr i) ,(incr i) ,(incr i))", ["(net 1 2 3)"]),
    ("(de block (k) `((layer ,k) (bias (map ,k)))) (net ,@(block 2))", ["(net (layer 2) (bias (map 2)))"]),
])
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
        ("a bad net", 1), ('"x" has no value', 2), ("car: 3 is no list", 2), ("car: 4 is no list", 4)]
    assert program.declared == ["(net good)"]


def test_presets():
    assert Program(presets={"Width": 8}).run("(defvar width 12) (defvar width 3) width") == "8"
    assert Program(presets={"name": "x"}).run("(defvar name 12) name") == '"x"'
    with pytest.raises(SnError, match='no \\(defvar widht .*\n.*width'):
        Program(presets={"widht": 8.0}).run("(defvar width 12)")


# include

@pytest.fixture
def tree(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name, text in {
        "out.sn": "(net out)",
        "in/main.sn": '(include "sub/a.sn")\n(net main)\n(include "sub/a.sn")',
        "in/sub/a.sn": '(net a) (include "b.sn") (include "../main.sn")',
        "in/sub/b.sn": '(net b) (include "a.sn")',
        "in/broken.sn": "(net fine)\n(net bad)\n(net later)",
        "in/lisp.sn": "(net fine)\n(car 3)",
        "in/open.sn": "(net fine\n",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "in" / "link.sn").symlink_to(tmp_path / "out.sn")
    return tmp_path / "in"


def test_include_reads_each_file_once_relative_to_the_file_it_stands_in(tree):
    program = Program()
    name = str(tree / "main.sn")
    program.run((tree / "main.sn").read_text(), name)
    assert program.declared == ["(net a)", "(net b)", "(net main)"]
    assert [depth for _, depth in program.calls] == [1, 2, 0]
    assert [source.name for source in program.interpreter.sources] == [
        name, str(tree / "sub" / "a.sn"), str(tree / "sub" / "b.sn")]


@pytest.mark.parametrize("name, message", [
    ("../out.sn", "outside of"), ("link.sn", "outside of"), ("/etc/hostname", "outside of"),
    ("absent.sn", "there is no file"), ("sub", "is a folder"), ("a\\x00b", "cannot be read|outside of"),
])
def test_include_refuses(tree, name, message):
    program = Program()
    with pytest.raises(SnError, match=message) as error:
        program.run(f'\n(include "{name}")\n(net late)', str(tree / "m.sn"))
    assert error.value.faults[0].span.line == 2 and program.declared == []


@pytest.mark.parametrize("name, line, column, declared", [
    ("broken.sn", 2, 6, ["(net fine)", "(net later)", "(net main)"]),
    ("lisp.sn", 2, 6, ["(net fine)"]),
    ("open.sn", 1, 1, []),
])
def test_an_error_inside_an_included_file_shows_both_places(tree, name, line, column, declared):
    program = Program()
    with pytest.raises(SnError) as error:
        program.run(f'\n(include "{name}") (net main)', str(tree / "m.sn"))
    (fault,) = error.value.faults
    assert (fault.span.source.name, fault.span.line, fault.span.column) == (str(tree / name), line, column)
    assert [(label, str(span)) for label, span in fault.also] == [("included here", f"{tree / 'm.sn'}:2:1")]
    assert program.declared == declared


# Everything built in

def test_every_function_shows_its_call_in_its_help():
    for entry in CORE:
        assert entry.doc.startswith(f"({entry.name}") and ": " in entry.doc, entry.name


_WORDS = [entry.name for entry in CORE]
_pieces = st.recursive(
    st.sampled_from([*_WORDS, "x", "l", "m", "()", "0", "-1", "2.5", "1e9", '"a%d"', "'(1 2)", "[1 2]", "'car", "(x)"]),
    lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda items: "(" + " ".join(items) + ")"),
    max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_WORDS), st.lists(_pieces, max_size=3)), max_size=3))
def test_any_program_ends_with_a_value_or_a_fault(calls):
    text = "(setq x '(1 2) l x m (matrix 2 2))" + "\n".join(f"({name} {' '.join(rest)})" for name, rest in calls)
    limits = Limits(steps=2_000, list_length=5_000, string_length=5_000, matrix_elements=5_000)
    try:
        Program(limits=limits).run(text)
    except SnError as error:
        assert error.faults and all(isinstance(fault, Fault) and fault.span for fault in error.faults)
