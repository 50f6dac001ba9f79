"""Every program ends, within its limits, with a value or with faults that have a place."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lisp_programs import Program, fault_of

from snsim.errors import Fault, SnError
from snsim.language.builtins import CORE
from snsim.language.limits import Limits

SMALL = Limits(
    steps=100_000,
    list_length=20_000,
    lists=200_000,
    matrix_elements=50_000,
    matrices=200_000,
    string_length=10_000,
    strings=100_000,
    output_characters=100_000,
)
LONG = '(setq s "ab") (repeat 12 (setq s (concat s s)))'

REFUSED = [
    ("(while t)", 1, "too many steps (100,000 is the limit)"),
    ("(repeat 1e18)", 1, "too many steps"),
    ("(for (i 0 1e300) i)", 1, "too many steps"),
    ("(for (i 1e17 2e17) i)", 1, "too many steps"),
    ("(de f () (f)) (f)", 10, "calls are nested too deeply (2,000 is the limit)"),
    ("(matrix 1e6 1e6)", 1, "1e+12 elements (50,000 is the limit)"),
    ("(m*m (matrix 300 1) (matrix 1 300))", 1, "9e+04 elements"),
    ("(unfold (matrix 2000) 0 1000 1)", 1, "1.001e+06 elements"),
    ("(range 1 1e12)", 1, "range: the list is too long (20,000 is the limit)"),
    ("(range 1e17 2e17)", 1, "range: the list is too long"),
    ("(makelist 1e12 0)", 1, "makelist: the list is too long"),
    ("((matrix 30000) ())", 1, "index: the list is too long"),
    ('(setq s "ab") (while t (setq s (concat s s)))', 32, "concat: the string is too long (10,000 is the limit)"),
    ('(sprintf "%999999999d" 1)', 1, "sprintf: the string is too long"),
    ('(sprintf "%9999d%9999d" 1 1)', 1, "sprintf: the string is too long"),
    ('(while t (printf "%9999s" ""))', 10, "prints too much (100,000 is the limit)"),
    ("(while t (print (range 1000)))", 10, "prints too much"),
    ("(setq l ()) (repeat 9000 (setq l (list l))) (eval (list 'backquote l))", 45, "nested too deeply"),
    # what is kept
    ("(while t (setq k (cons (matrix 100 100) k)))", 24, "too many matrices: their elements (200,000 is the limit)"),
    ("(setq m (matrix 100 100)) (while t (setq k (cons (copy-matrix m) k)))", 50, "too many matrices"),
    ("(setq m (matrix 100 100)) (while t (setq k (cons (m+c m 1) k)))", 50, "too many matrices"),
    ("(setq m (transpose (matrix 100 90))) (while t (setq k (cons (redim m 9000) k)))", 61, "too many matrices"),
    ("(while t (dim k 100 100))", 10, "too many matrices"),
    ("(setq l (range 9999)) (while t (setq k (cons (reverse l) k)))", 46, "too many lists: their elements"),
    ("(setq l (range 9999)) (while t (setq k (cons (append l ()) k)))", 46, "too many lists"),
    ("(setq l (range 9999)) (while t (setq k (cons `(,@l) k)))", 46, "too many lists"),
    ("(setq l (range 9999)) (while t (setq k (cons (apply 'list l) k)))", 46, "too many lists"),
    ("(setq m (matrix 9999)) (while t (setq k (cons (m ()) k)))", 47, "too many lists"),
    (LONG + " (while t (setq k (cons (left s 8000) k)))", 72, "too many strings: their characters"),
    (LONG + " (while t (setq k (cons (upcase s) k)))", 72, "too many strings"),
    (LONG + ' (while t (setq k (cons (sprintf "%s" s) k)))', 72, "too many strings"),
    # what takes long without making anything
    ("(setq l (range 9999)) (while t (length l))", 32, "too many steps"),
    ("(setq l (range 9999)) (setq k (reverse (reverse l))) (while t (= k l))", 63, "too many steps"),
    ("(setq l (range 9999)) (while t (nth 9998 l))", 32, "too many steps"),
    ("(setq m (matrix 200 200)) (while t (m+m m m m))", 36, "too many steps"),
    ("(setq m (matrix 200 200)) (while t (sup-mat m))", 36, "too many steps"),
    ("(setq m (matrix 200 200)) (while t (m () () 1))", 36, "too many steps"),
    (LONG + ' (while t (index "x" s))', 58, "too many steps"),
    (LONG + ' (while t (regex-seek "(a|b)*(a|b)*c" s))', 58, "too many steps"),
    # lists that hold themselves
    ("(setq l '(1 2)) (rplacd (cdr l) l) (length l)", 36, "length: the list is too long"),
    ("(setq l '(1 2)) (rplacd (cdr l) l) (flatten l)", 36, "the list is too long"),
    ("(setq l '(1)) (rplaca l l) (flatten l)", 28, "the list is too long"),
    ("(setq l '(1) k '(1)) (rplacd l l) (rplacd k k) (= l k)", 48, "the list is too long"),
    ("(setq l '(1) k '(1)) (rplaca l l) (rplaca k k) (= l k)", 48, "the list is too long"),
    ("(setq l '(1) k '(2)) (rplacd l l) (member k l)", 35, "member: the list is too long"),
    ("(setq a (array 1) b (array 1)) (a 0 b) (b 0 a) (= a b)", 48, "the list is too long"),
    ("(setq l (list 'progn 1)) (rplacd (cdr l) (cdr l)) (eval l)", 51, "too many steps"),
    ("(setq l (list 'and 1)) (rplacd (cdr l) (cdr l)) (eval l)", 49, "too many steps"),
    ("(setq l (list 'or ())) (rplacd (cdr l) (cdr l)) (eval l)", 49, "too many steps"),
    ("(setq l (list 'cond '(()))) (rplacd (cdr l) (cdr l)) (eval l)", 54, "too many steps"),
    ("(setq l '(setq a 1)) (rplacd (cddr l) (cdr l)) (eval l)", 10, "too many steps"),
    ("(setq l (list 'list 1)) (rplacd (cdr l) (cdr l)) (eval l)", 50, "too many arguments"),
    ("(setq l (list 'each '((x '(1))))) (rplacd (cadr l) (cadr l)) (eval l)", 62, "each: the list is too long"),
    ("(setq p '(a)) (rplacd p p) (eval (list 'de 'f p 1))", 28, "at most 1,000 names"),
    ("(setq p '(a)) (rplaca p p) (eval (list 'let (list (list p 1)) 1))", 28, "at most 1,000 names"),
    ("(setq p '(x)) (repeat 60 (setq p (cons p p))) (eval (list 'lambda p 1))", 47, "at most 1,000 names"),
    ("(setq l '(1 2)) (rplaca l l) (net ,l)", 36, "nested too deeply"),
    ("(setq l '(1)) (repeat 60 (setq l (cons l l))) (net ,l)", 53, "too many parts"),
    ("(setq p '(1)) (repeat 60 (setq p (list p p))) (rmapcar '1+ p)", 47, "too many steps"),
]


@pytest.mark.parametrize(("text", "column", "message"), REFUSED)
def test_what_is_refused(text, column, message):
    found, line, at = fault_of(text, limits=SMALL)
    assert message in found and (line, at) == (1, column)


def test_the_clock_ends_a_program():
    for text, column in (
        ("(while t)", 1),
        ("(setq l (range 9999)) (while t (reverse l))", 32),
        ("(setq m (matrix 200 200)) (while t (m+m m m m))", 36),
    ):
        found, line, at = fault_of(text, limits=replace(SMALL, steps=10**9, seconds=0, lists=10**9, matrices=10**12))
        assert "too many seconds of CPU (0 is the limit)" in found and (line, at) == (1, column)


def test_the_clock_of_a_program_that_acts_is_another():
    text, limits = "(repeat 9999 (setq i 1))", replace(SMALL, seconds=0, acting_seconds=math.inf)
    assert "seconds" in fault_of(text, limits=limits)[0]
    assert Program(limits=limits).run("(print 1) " + text) == "1"


def test_what_is_only_looked_at_is_not_counted():
    text = f"{LONG} (setq l (list (matrix 200 200) s)) (repeat 1000 (car l) (cadr l) (nth 1 l) (select (car l) 0 1))"
    assert Program(limits=SMALL).run(text + " (len s)") == "8192"


def test_the_limits_count_what_all_forms_of_a_program_do():
    program = Program(limits=SMALL)
    with pytest.raises(SnError, match="too many steps"):
        for _ in range(100):
            program.run("(repeat 1000 (+ 1 1))")


@pytest.mark.parametrize(
    "definition",
    [
        "(de f (x) (+ 1 (f x)))",
        "(de f (x) (mapcar 'f (list x)))",
        "(de f (x) (apply 'and (list (f x))))",
        "(de f (x &optional y) (sort-list '(1 2) f))",
        "(de f (x) `(a ,(f x)))",
        "(de f (x) (net a ,(f x)))",
        "(dm f (n x) `(f (,x)))",
        "(de f (x) (eval '(f 1)))",
        "(de f (x) (filter 'f '(1)))",
        "(de f (x) (each ((y (list (f 1)))) y))",
        "(de f (x) (let ((y x)) (cond ((progn (when t (f y)))))))",
        "(de f (x) (for (i 1 1) (f x)))",
        "(de f (x) (rmapcar 'f '((1))))",
        "(de f (x) (on-error 1 (f x)))",
    ],
)
def test_the_depth_limit_holds_whatever_recurses(definition):
    with pytest.raises(SnError, match="too deep"):
        Program().run(definition + "(f 1)")


def test_recursion_goes_as_deep_as_the_limit_says():
    assert Program().run("(de f (n) (if (= n 0) 0 (1+ (f (1- n))))) (f 660)") == "660"


def test_what_a_program_prints_of_a_list_without_end_is_cut():
    program = Program(limits=SMALL)
    program.run("(setq l '(1)) (rplaca l l) (print l) (setq x ''1) (rplaca (cdr x) x) (print x) 1")
    assert "(...)" in program.port.getvalue() and len(program.port.getvalue()) < 100_000


# Anything at all


def test_every_function_shows_its_call_in_its_help():
    for entry in CORE:
        assert entry.doc.startswith(f"({entry.name}") and ": " in entry.doc, entry.name


NUMBERS = st.sampled_from(["0", "-1", "1", "2", "2.5", "1e9", "1e308", "1e999", "x", "(+ 1 2)", "-0.0"])
LISTS = st.sampled_from(
    [
        "l",
        "()",
        "'(3 1 2)",
        "'((1 2) (3 4))",
        "'(a b . c)",
        "ring",
        "self",
        '\'("a" "b")',
        "(range 5)",
        "'((a . 1))",
        "'(i 1 3)",
        "'(&optional a)",
    ]
)
MATRICES = st.sampled_from(["m", "a", "[1 2]", "[[1 2][3 4]]", "[i 1 2]", "[@ 3]", "(array 2)", "(select m 0 0)"])
STRINGS = st.sampled_from(['"hello"', '""', '"(a*)*b"', '"a%d %5.2f"', '"%l"', '"[a-c]+"', '"-1.5"', '"%1%%"'])
FUNCTIONS = st.sampled_from(["car", "'car", "+", "<", "(lambda (x) x)", "f", "'quote", "'if"])
OTHERS = st.sampled_from(["'x", "x", "'net", ":x", "t", "(x)", "'(lambda (x) x)", "`(a ,x)"])
ATOMS = st.one_of(NUMBERS, LISTS, MATRICES, STRINGS, FUNCTIONS, OTHERS)
KINDS = {
    "n": NUMBERS,
    "k": NUMBERS,
    "i": NUMBERS,
    "d": NUMBERS,
    "m": MATRICES,
    "list": LISTS,
    "list...": LISTS,
    "string": STRINGS,
    "format": STRINGS,
    "regex": STRINGS,
    "new": STRINGS,
    "f": FUNCTIONS,
}


@st.composite
def calls(draw, depth=0):
    """A call of any function, most often with arguments of the kinds its help names."""
    entry = draw(st.sampled_from(list(CORE)))
    arguments = []
    for word in entry.doc.split(": ")[0].strip("()").split()[1:]:
        choices = KINDS.get(word.strip("[]"), ATOMS)
        inner = [calls(depth + 1)] if depth < 2 else []
        arguments.append(draw(st.one_of(choices, choices, ATOMS, *inner)))
    return f"({' '.join([entry.name, *arguments])})"


PREPARED = """(setq x 1 l (list 1 2 3) m (matrix 2 2) a (array 2 2) ring (list 1 2) self (list 1))
(rplacd (cdr ring) ring) (rplaca self self) (a 0 0 a) (de f (x) (if x (f ()) 0))"""


@settings(max_examples=400, deadline=None)
@given(st.lists(calls(), max_size=4))
def test_any_program_ends_with_a_value_or_a_fault(forms):
    program = Program(
        limits=Limits(
            steps=5_000,
            list_length=2_000,
            lists=20_000,
            matrix_elements=5_000,
            matrices=20_000,
            string_length=5_000,
            strings=50_000,
            output_characters=50_000,
        )
    )
    program.run(PREPARED)
    for form in forms:
        try:
            program.run(form)
        except SnError as error:
            assert error.faults and all(isinstance(fault, Fault) and fault.span for fault in error.faults)
            assert all(len(fault.message) < 1_000 for fault in error.faults)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(list("()[]'`,@~:|\"\\;#!?.ab_A10-+ex \n\0")) | st.characters(), max_size=60))
def test_any_text_ends_with_a_value_or_a_fault(text):
    try:
        Program(limits=SMALL).run(text)
    except SnError as error:
        assert error.faults and all(fault.span for fault in error.faults)
