"""The words of the Lisp beyond the library (docs/reference/sn28.md, section 1.11).

Expected values: the table of the reference, and output of the original (words_bits_tables.expected), where a row has
no other source beside it. The property tests compare with Python's own integers, strings, `re`, dict, and NumPy.
"""

import math
import operator
import os
import re
import statistics
from functools import reduce

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lisp_programs import Program, fault_of, value_of
from sn28_programs import fault, printed

from snsim.errors import Source
from snsim.language.limits import Limits
from snsim.language.literals import string_text
from snsim.language.printer import exact_text

RECORDED = [
    ("(list (bitand 12 10) (bitand 15 7 5) (bitand) (bitor 12 10 1) (bitor) (bitxor 12 10))", "(8 5 -1 15 0 6)"),
    ("(list (bitshl 3 2) (bitshr 12 2) (bitshr -8 1) (bitshl 1 2.9) (bitshl 1 31))", "(12 3 -4 4 -2147483648)"),
    (
        '(list (asc "A") (asc "zeta") (chr 97) (chr 10) (chr 0) (strhex 255) (strhex 0) (downcase "AbC_9"))',
        '(65 122 "a" "\\n" "" "0xff" "0" "abc_9")',
    ),
    (
        '(list (explode-chars "sn28") (implode-chars \'(115 110)) (explode-bytes "ab") (implode-bytes \'(99 100)))',
        '((115 110 50 56) "sn" (97 98) "cd")',
    ),
    (
        '(list (strins "hello" 0 "<") (strins "hello" 2 "XX") (strins "hello" 9 ">") (strins "hello" -1 ">"))',
        '("<hello" "heXXllo" "hello>" "hello>")',
    ),
    ('(list (strdel "hello" 2 2) (strdel "hello" 4 9) (strdel "hello" 3))', '("hlo" "hel" "he")'),
    (
        '(list (strsubst "banana" "an" "AN") (strsubst "aaa" "aa" "b") (strsubst "abc" "x" "y"))',
        '("bANANa" "ba" "abc")',
    ),
    (
        '(list (isprint "text") (isprint "line\\n") (isprint "") (strip "  two words  ") (strip "\\tx \\n"))',
        '(t () () "two words" "\\tx \\n")',
    ),
    (
        '(list (regex-extract "([a-z]+)=([0-9]+)" "mu=12") (regex-extract "a.c" "abc") (regex-extract "a" "b"))',
        '(("mu" "12") ("abc") ())',
    ),
    (
        '(list (regex-split "[a-z]+" "ab12cd") (regex-split "[0-9]" "a1b2") (regex-split "x" "abc"))',
        '(("ab" "cd") ("1" "2") ())',
    ),
    ('(list (regex-count "[0-9]" "a1b22") (regex-count "a" "banana") (regex-count "x" "abc"))', "(3 3 0)"),
    ('(list (regex-rseek "a" "banana") (regex-skip "[ab]+" "abba12"))', '(((2 1) (4 1) (6 1)) "12")'),
    (
        '(list (regex-rseek "a" "banana" 2) (regex-split "[a-z]+" "ab12cd" 1) (regex-skip "a" "banana" 2))',
        '(((2 1) (4 1)) ("ab") "na")',
    ),
    (
        '(setq s "banana") (list (regex-skip "a" s 4) (regex-tail "an" s) (regex-tail "a" s 3) (regex-tail "x" s))',
        '(() "ana" "anana" ())',
    ),
    (
        "(list (list-insert '(a b c) 0 'x) (list-insert '(a b c) 3 'x) (list-delete '(a b c) 1))",
        "((x a b c) (a b c x) (a c))",
    ),
    ("(setq l (list 1 2)) (list-insert l 1 'x) (list-insert l 0 'y) (list-delete l 2) (list-delete l 0) l", "(1 x)"),
    ("(list (list-merge '(1 3) '(2 4)) (list-merge '(b) '(a b c)) (list-merge () '(a)))", "((1 3 2 4) (b a c) ())"),
    ("(setq l (list 'a 'b)) (list (list-merge l '(c b)) l (list-merge () '(x y)))", "(() (a b c) (x y))"),
    ("(list (nfirst 2 '(a b c)) (nfirst 9 '(a b c)) (nfirst 0 '(a)))", "((a b) (a b c) ())"),
    (
        "(list (alist-add 'a 1 ()) (alist-add 'a 1 '((b . 2))) (alist-add 'b 1 '((a . 7) (b . 2) (c . 3))))",
        "(((a . 1)) ((a . 1) (b . 2)) ((a . 7) (b . 1) (c . 3)))",
    ),
    ("(setq l (list (cons 'a 1))) (list (== l (alist-add 'a 2 l)) l)", "(t ((a . 2)))"),
    (
        "(setq ys '(2.1 3.9 6.2 7.8 12)) (list (ksmallest ys 2) (ksmallest ys 5) (ksmallest '(3 1 2) 1) ys)",
        "(3.9 12 1 (2.1 3.9 6.2 7.8 12))",
    ),
    ("(list (sort-index '(30 10 20)) (sort-index ()) (nth% 7 '(a b c)) (nth% -1 '(a b c)))", "((1 2 0) () b c)"),
    (
        "(list (sublist (range 12) 4 '(1 2) '(0 1)) (sublist (range 12) 4 () 3) (sublist '(a b c d) 2 1))",
        "((5 6 9 10) (4 8 12) (c d))",
    ),
    (
        "(setq a (list-to-array '((a 1) (b 2)))) (list (bound a) (a 1 0) (bound (list-to-array '(1 (2)))))",
        "((2 2) b (2))",
    ),
    (
        '(setq h (htable)) (h "one" 1) (h \'two 2) (h \'(3) "three")'
        ' (list (h "one") (h \'two) (h \'(3)) (h "none") (htable-size h) (length (htable-keys h)))',
        '(1 2 "three" () 3 3)',
    ),
    ("(setq h (htable)) (h 'two 2) (list (== h (h 'one 1)) (== h (h 'two ())) (htable-size h) (h 'two))", "(t t 1 ())"),
    (
        '(setq same (htable 10 t)) (same \'x 5) (same "x" 6) (setq k "key") (same k 7)'
        ' (list (same \'x) (same "x") (same k) (same "key") (htable-size same))',
        "(5 () 7 () 3)",
    ),
    ('(setq h (htable)) (h "k" 7) (htable-alist h)', '(("k" . 7))'),
    ("(setq h (htable)) (h [1 2] 'm) (h 1 'n) (h () 'nil) (list (h [f 1 2]) (h 1) (h ()) (h [1]))", "(m n nil ())"),
    (
        "(setq h (htable) k (list 1)) (h k 'old) (rplaca k 2) (list (h '(1)) (htable-rehash h) (h '(2)))",
        "(() () old)",
    ),
    (
        "(de twice (x) (* 2 x)) (df quoted (x) x) (list (funcdef twice) (funcdef quoted) (funcdef car) (funcdef 'car))",
        "((lambda (x) (* 2 x)) (flambda (x) x) () ())",
    ),
    (
        "(dmd plus-one (x) `(+ 1 ,x)) (dm all-of l `(list ,@(cdr l)))"
        " (list (macro-expand (plus-one 3)) (macro-expand (all-of a b)) (plus-one 3))",
        "((+ 1 3) (list a b) 4)",
    ),
    ("(lock-symbol a) (let ((a 1)) (setq a 2)) (unlock-symbol a) (setq a 3) a", "3"),
    ("(list (lock-symbol b c) (unlock-symbol b))", "(() ())"),
]


@pytest.mark.parametrize(("text", "expected"), RECORDED)
def test_value(text, expected):
    assert value_of(text) == expected


CLASSES = """
(defclass point object x (y 3)) (defclass pixel point value)
(defmethod point point (a) (setq x a)) (defmethod point norm () (sqrt (+ (* x x) (* y y)))) (setq p (new point 4))
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(slots point) (methods point) (classname point) (classname (super pixel)) (slots pixel)",
         "(x (y 3)) (norm point) point point (value)"),
        ("(classname (super point)) (super (super point)) (super object) (slots object)", "object () () ()"),
        ("(==> p norm) (letslot p (list x y)) (letslot p (setq x 5) (+ x y)) :p:x", "5 (4 3) 8 5"),
        ("(letslot p (==> p norm) (setq :p:y 12) y)", "12"),
        ("(is-of-class p object) (is-of-class p point) (is-of-class p pixel)", "t t ()"),
    ],
)  # fmt: skip
def test_classes_are_data(text, expected):
    assert printed(f"{CLASSES}(print {text})") == expected + "\n"


def test_backquotes_of_a_definition_are_expanded_to_calls_that_build_the_same():
    """By evaluating both: the definition, and the function made of what funcdef returns."""
    for body in ("`(a ,x 2)", "`(,@x . b)", "`((c ,x) ,@x ,@x d)", "`(k . ,x)", "(list `a `(b) `,x)", '`"s"'):
        text = f"(de f (x) {body}) (setq g (eval (funcdef f))) "
        assert value_of(text + "(= (f '(1 2)) (g '(1 2)))") == "t", body
        assert "backquote" not in printed(text + "(print (funcdef g))") and "`" not in printed(
            text + "(print (funcdef f))"
        )


# Properties, against Python


def raw_value(text):
    """The last value of a program, as the interpreter has it."""
    return Program().interpreter.run(Source("<test>", text))


Words = st.integers(-(2**31), 2**31 - 1)


@given(st.lists(Words, max_size=5), Words, st.integers(0, 31))
def test_bits_are_those_of_pythons_integers(numbers, n, k):
    row = " ".join(map(str, numbers))
    wanted = [
        reduce(operator.and_, numbers, -1),
        reduce(operator.or_, numbers, 0),
        reduce(operator.xor, numbers, 0),
        int(np.array(n, np.int32) << np.array(k, np.int32)),
        n >> k,
    ]
    text = f"(list (bitand {row}) (bitor {row}) (bitxor {row}) (bitshl {n} {k}) (bitshr {n} {k}))"
    assert value_of(text) == f"({' '.join(map(str, wanted))})"
    assert value_of(f"(strhex {n})") == f'"{hex(n % 2**32) if n else 0}"'


Texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(Texts, Texts, Texts, st.integers(-2, 14), st.integers(0, 5))
def test_strings_are_those_of_python(s, old, new, n, k):
    a, b, c = map(string_text, (s, old, new))
    assert raw_value(f"(strsubst {a} {b} {c})") == (s.replace(old, new) if old else s)
    assert raw_value(f"(strins {a} {n} {b})") == (s[:n] + old + s[n:] if 0 <= n <= len(s) else s + old)
    assert raw_value(f"(strip {a})") == s.strip(" ") and raw_value(f"(downcase {a})") == s.lower()
    assert raw_value(f"(implode-chars (explode-chars {a}))") == raw_value(f"(implode-bytes (explode-bytes {a}))") == s
    assert list(raw_value(f"(explode-bytes {a})") or ()) == list(s.encode())
    if n >= 1:
        assert raw_value(f"(strdel {a} {n} {k})") == s[: n - 1] + s[n - 1 + k :]
        assert raw_value(f"(strdel {a} {n})") == s[: n - 1]


_ATOMS = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "\\."])
Patterns = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        inner.map(lambda p: f"({p})"),
        st.tuples(_ATOMS, st.sampled_from("*+?")).map("".join),
        st.tuples(_ATOMS, st.sampled_from("*+?")).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=6,
)


@given(Patterns, st.text("abc.", max_size=10), st.integers(1, 3))
def test_regular_expressions_agree_with_those_of_python(pattern, s, n):
    """Where Python numbers groups from left to right: SN starts again in each alternative, so those are left out."""
    regex = re.compile(pattern)
    matches = []
    at = 0
    while (match := regex.search(s, at)) is not None and at < len(s):
        matches += [match] if match.end() > match.start() else []
        at = max(match.end(), match.start() + 1)
    p, t = string_text(pattern), string_text(s)
    places = [(float(m.start() + 1), float(m.end() - m.start())) for m in matches]
    assert [tuple(place) for place in raw_value(f"(regex-rseek {p} {t})") or ()] == places
    assert list(raw_value(f"(regex-split {p} {t} {n})") or ()) == [m[0] for m in matches[:n]]
    assert raw_value(f"(regex-count {p} {t})") == len(matches)
    assert raw_value(f"(regex-skip {p} {t} {n})") == (s[matches[n - 1].end() :] if len(matches) >= n else None)
    assert raw_value(f"(regex-tail {p} {t} {n})") == (s[matches[-n].start() :] if len(matches) >= n else None)
    whole = regex.fullmatch(s)
    groups = raw_value(f"(regex-extract {p} {t})")
    assert (groups is None) == (whole is None)
    if whole is not None and "|" not in pattern:
        assert list(groups) == ([group or "" for group in whole.groups()] or [s])


Keys = st.one_of(
    st.integers(-3, 3).map(str),
    st.sampled_from(
        ['""', '"a"', '"b c"', "'a", "'b", "()", "[1 2]", "[[1 2]]", "[3]", "'(1)", "'(1 (a))", "'((1) a)"]
    ),
)


@given(st.lists(st.tuples(Keys, st.integers(0, 4)), max_size=30))
def test_a_hash_table_is_a_dict(stores):
    """Each key here is written in one way only, so that its text stands for its content. 0 removes the key."""
    expected = {}
    for key, value in stores:
        expected.pop(key, None) if value == 0 else expected.update({key: value})
    text = "(setq h (htable))" + "".join(f"(h {key} {value or '()'})" for key, value in stores)
    keys = sorted({key for key, _ in stores})
    found = value_of(f"{text} (list {' '.join(f'(h {key})' for key in keys)} (htable-size h))")
    assert found == f"({' '.join([str(expected.get(key, '()')) for key in keys] + [str(len(expected))])})"
    lengths = value_of(f"{text} (list (length (htable-keys h)) (length (htable-alist h)))")
    assert lengths == f"({len(expected)} {len(expected)})"


Numbers = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=12)


@given(Numbers, st.data())
def test_statistics_are_those_of_python(xs, data):
    ys = data.draw(st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=len(xs), max_size=len(xs)))
    assume(statistics.pvariance(xs) > 1e-3 and statistics.pvariance(ys) > 1e-3)
    lists = [f"'({' '.join(map(exact_text, values))})" for values in (xs, ys)]
    close = {"rel": 1e-9, "abs": 1e-8}
    n = len(xs)
    assert raw_value(f"(cov {' '.join(lists)})") == pytest.approx(statistics.covariance(xs, ys) * (n - 1) / n, **close)
    slope, intercept = statistics.linear_regression(xs, ys)
    wanted = [slope, intercept, abs(statistics.correlation(xs, ys))]
    assert list(raw_value(f"(regression {' '.join(lists)})")) == pytest.approx(wanted, **close)
    assert [raw_value(f"(ksmallest {lists[0]} {k})") for k in range(1, n + 1)] == sorted(xs)
    assert list(raw_value(f"(sort-index {lists[0]})")) == np.argsort(xs, kind="stable").tolist()


@given(st.floats(-20, 20), st.floats(0.1, 20))
def test_solve_finds_the_root(root, width):
    assume(abs(root) > 0.01)
    found = float(value_of(f"(solve {root - width!r} {root + 2 * width!r} (lambda (x) (- x {root!r})))"))
    assert found == pytest.approx(root, rel=5e-7)


def test_solve_as_recorded():
    text = '(sprintf "%.6f %.6f" (solve 0 2 (lambda (x) (- (* x x) 2))) (solve 1 2 (lambda (x) (cos x))))'
    assert value_of(text) == '"1.414213 1.570796"'


@pytest.mark.parametrize("name", ["asin", "acos", "sinh", "cosh"])
def test_functions_of_one_number(name):
    assert float(value_of(f"({name} 0.3)")) == getattr(math, name)(0.3)


ELEMENTWISE = {"masin": "arcsin", "macos": "arccos", "matan": "arctan"}


@pytest.mark.parametrize(
    "name", ["msqrt", "mexp", "mlog", "msin", "mcos", "mtan", "masin", "macos", "matan", "msinh", "mcosh", "mtanh"]
)
def test_functions_of_elements_are_those_of_numpy(name):
    m = np.array([[0.25, 0.5], [0.75, 1.0]])
    wanted = getattr(np, ELEMENTWISE.get(name, name[1:]))(m)
    m_text = "[[.25 .5] [.75 1]]"
    result, kept = raw_value(f"(setq r (float-matrix 2 2)) (list ({name} {m_text}) ({name} {m_text} r))")
    assert np.array_equal(result, wanted) and np.array_equal(kept, wanted.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # each by hand, from the sentence of the reference
        ("(m**m [2 3] [3 2])", "[8 9]"),
        ("(mapply [1 2] (lambda (x) (* x x)))", "[1 4]"),
        ("(mreplace [[1 2][2 3]] 2 9)", "[[1 9] [9 3]]"),
        ("(am+bm 2 [1 2] 10 [3 4])", "[32 44]"),
        ("(m*d [[1 2][3 4]] [10 100])", "[[10 200] [30 400]]"),
        ("(trace [[1 2][3 4]])", "5"),
        ("(setq m [3 1 2]) (msort m) m", "[1 2 3]"),
        ("(setq m [[4 3][2 1]]) (msort m) m", "[[1 2] [3 4]]"),
        ("(mset [0 1 2] [7 8 9])", "[0 8 9]"),
        ("(setq r [1 2 3]) (mset [0 1 2] [7 8 9] r) r", "[1 8 9]"),
    ],
)
def test_matrix_words(text, expected):
    assert value_of(text) == expected


ERRORS = [
    ("(bitand 4e9)", 9, "4000000000 does not fit in 32 bits"),
    ("(bitshl 1 40)", 11, "cannot shift by 40"),
    ('(asc "")', 6, "the string is empty"),
    ("(chr 256)", 6, "256 is not the code of a character"),
    ("(implode-chars '(-1))", 16, "-1 is not the code"),
    ("(implode-chars '(55296))", 16, "not the code"),
    ("(implode-bytes '(256))", 16, "256 is not a byte"),
    ('(strhex "a")', 9, '"a" is not a number'),
    ('(strdel "a" 0)', 13, "count from 1"),
    ('(regex-skip "a" "a" 0)', 21, "count from 1"),
    ('(regex-count "(" "a")', 14, "nothing to match"),
    ("(list-insert '(1) 2 'x)", 19, "there is no place 2 in a list of length 1"),
    ("(list-delete '(1) 1)", 19, "no place 1 in a list of length 1"),
    ("(list-delete () 0)", 17, "no place 0 in a list of length 0"),
    ("(ksmallest '(1 2) 3)", 19, "3 is out of range"),
    ("(cov '(1) '(1 2))", 1, "one list has 1 elements"),
    ("(regression '(1 1) '(1 2))", 13, "xs are all equal"),
    ("(solve 1 2 (lambda (x) x))", 1, "bad search range: the function is 1 at 1 and 2 at 2"),
    ("(solve -1 1 sin)", 13, "is not a function of the program"),
    ("(sublist '(1 2 3) 2)", 19, "no rows of 2"),
    ("((htable))", 1, "a key, and a value"),
    ("(htable-keys 3)", 14, "3 is not a hash table"),
    ("(macro-expand (car 3))", 15, "car is not a macro"),
    ("(lock-symbol a) (setq a 3)", 17, "the variable a is locked unlock it first: (unlock-symbol a)"),
    ("(unlock-symbol t)", 1, "t is always t"),
    ("(lock-symbol 3)", 14, "3 is not a name"),
    ("(slots 3)", 8, "3 is not a class"),
    ("(letslot 3 1)", 10, "3 is not an object"),
    ("(asin 2)", 1, "undefined"),
    ("(msqrt [-1])", 1, "undefined or too large"),
    ("(m*d [[1 2]] [1])", 14, "1 x 2 and 1 do not match"),
    ("(trace [1 2])", 8, "a square matrix"),
    ("(list-to-array ())", 16, "is empty"),
]


@pytest.mark.parametrize(("text", "column", "message"), ERRORS)
def test_error(text, column, message):
    found, line, at = fault_of(text)
    assert message in found and (line, at) == (1, column)


@pytest.mark.parametrize(
    "text",
    [
        '(setq s "aa") (while t (setq s (strsubst s "a" s)))',
        '(setq s "a") (while t (setq s (strins s 0 s)))',
        "(setq h (htable) i 0) (while t (h (incr i) i))",
        "(setq h (htable) l (list 1) m (list 1)) (rplacd l l) (rplacd m m) (h l 1) (h m)",
        "(setq l (list 1)) (rplacd l l) (list-merge l l)",
        "(setq l (list 1 2)) (rplaca l l) (rplaca (cdr l) l) (list-to-array l)",
        "(setq f '(lambda (x) (a))) (rplaca (caddr f) (caddr f)) (funcdef (eval f))",
        '(setq s "a") (repeat 17 (setq s (concat s s))) (while t (regex-count "(a|aa)*b" s))',
    ],
)
def test_limits_hold(text):
    assert "is the limit" in fault_of(text, limits=Limits(steps=200_000, list_length=10_000))[0]


# The system


def test_folders(tmp_path):
    files = {"data/a.txt": "x", "data/deep/b.txt": "y", "c.txt": "1"}
    text = """
      (print (files "data") (dirp "data") (dirp "c.txt") (dirp "none") (dirp ".."))
      (print (mkdir "made") (dirp "made") (filep "a.txt"))
      (printf "%s\\n" (chdir "data")) (print (filep "a.txt") (files ".") (filep "deep/b.txt") (filep "c.txt"))
      (writing "new" (print 1)) (chdir "deep") (print (filep "b.txt")) (chdir "../..") (print (filep "data/new"))
    """
    out = printed(text, tmp_path, files).splitlines()
    assert out == [
        '("." ".." "a.txt" "deep") t () () ()',
        "() t ()",
        str(tmp_path / "data"),
        't ("." ".." "a.txt" "deep") t t',
        "t",
        "t",
    ]
    assert (tmp_path / "run" / "data" / "new").read_text() == "1\n" and (tmp_path / "run" / "made").is_dir()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('(files "..")', 'no folder ".."'),
        ('(chdir "/")', 'no folder "/"'),
        ('(chdir "none")', 'no folder "none"'),
        ('(mkdir "../x")', "outside the run folder"),
        ('(mkdir "source")', "reserved for snsim"),
        ('(mkdir "a") (mkdir "a")', "cannot"),
        ('(mkdir "a") (chdir "a") (writing "../../x" (print 1))', "outside the run folder"),
        ('(getenv "AWS_SECRET_ACCESS_KEY")', "may hold a password"),
    ],
)
def test_what_a_program_may_not_do(text, message, tmp_path):
    assert message in fault(text, tmp_path)[0]


def test_the_environment_and_the_clock(monkeypatch):
    monkeypatch.setenv("SNSIM_WORD", "a word")
    monkeypatch.delenv("SNSIM_NONE", raising=False)
    assert printed('(print (getenv "SNSIM_WORD") (getenv "SNSIM_NONE") (flush) (beep))') == '"a word" "" () "beep"\n'
    assert printed("(print (< 1e9 (time)) (< (time) 1e10) (if (today) 1 0))") == "t t 1\n"
    assert printed('(print (relative-fname "/a" "/a/b/c") (relative-fname "/a" "/ab"))') == '"b/c" ()\n'
    assert "USER" not in os.environ or printed('(print (len (getenv "USER")))') == f"{len(os.environ['USER'])}\n"


def test_a_long_list_key_is_told_from_another():
    text = "(setq h (htable) k (makelist 300 1)) (h k 'long) (list (h (append k '(2))) (h (makelist 300 1)))"
    assert value_of(text) == "(() long)"
