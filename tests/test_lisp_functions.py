"""The functions of the language on numbers, lists, lists of numbers and strings, as tables of programs.

Expected values: the reference (docs/reference/sn28.md, section 1.4), output of the original (strings_lists.expected),
arithmetic, and for regular expressions Python's `re`.
"""

import pytest
from lisp_programs import fault_of, value_of

NUMBERS = [
    ("(list (+) (+ 1) (+ 1 2 3) (*) (* 2 3 4) (- 1) (- 3 1) (/ 4) (/ 1 4))", "(0 1 6 1 24 -1 2 0.25 0.25)"),
    ("(list (** 2 10) (** 2 0.5) (** 0 0) (** 2 -1))", "(1024 1.4142135623730951 1 0.5)"),
    ("(list (1+ 1) (1- 1) (2* 3) (2/ 3))", "(2 0 6 1.5)"),
    ("(list (int 3.7) (int -3.7) (int -4) (int 0.9999))", "(3 -4 -4 0)"),
    ("(list (div 7 2) (div -7 2) (div 7 -2) (div 7.9 2.9) (div 6 3))", "(3 -3 -3 3 2)"),
    ("(list (mod 7 3) (mod -7 3) (mod 7 -3) (mod -6 3) (mod 7.9 3))", "(1 -1 1 0 1)"),
    ("(list (sgn 0) (sgn -0.1) (sgn 9) (abs -2) (abs 2))", "(1 -1 1 2 2)"),
    ("(list (sqrt 9) (exp 0) (log 1) (sin 0) (cos 0) (tan 0) (atan 0) (tanh 0))", "(3 1 0 0 1 0 0 0)"),
    ("(list (max 1) (max 1 3 2) (min 2 1) (max 2 3) (min 4))", "(1 3 1 3 4)"),
    ("(list (0= 0) (0= 1) (if (0= 0) 'true 'false))", "(0 () true)"),
    ("(list (if (0<> 5) 1 2) (0<> 0))", "(1 ())"),
    (
        '(list (= 1 1) (= 1 2) (= 1 "1") (= "a" "a") (= \'a \'a) (= () ()) (= 1 ()) (= \'(1 (2 "x")) \'(1 (2 "x"))))',
        "(t () () t t t () t)",
    ),
    ("(list (= [1 2] [1 2]) (= [1 2] [1 3]) (= [1 2] '(1 2)) (= '([1]) '([1])))", "(t () () t)"),
    ("(list (<> 1 2) (<> '(1) '(1)) (<> 'a 'b))", "(t () t)"),
    ("(setq l '(1)) (list (== l l) (== l '(1)) (== 'a 'a) (== 2 2) (== \"a\" \"a\"))", "(t () t () ())"),
    ('(list (< 1 2) (< 2 1) (<= 1 1) (> 2 1) (>= 1 2) (< "a" "b") (>= "b" "a"))', "(t () t t () t t)"),
]

LISTS = [
    ("(list (car '(1 2)) (cdr '(1 2)) (car ()) (cdr ()) (cdr '(1 . 2)))", "(1 (2) () () 2)"),
    (
        "(list (caar '((1))) (cadr '(1 2)) (cdar '((1 2))) (cddr '(1 2 3)) (caddr '(1 2 3)) (cadddr '(1 2 3 4)))",
        "(1 2 (2) (3) 3 4)",
    ),
    ("(list (cons 1 ()) (cons 1 '(2)) (cons 1 2) (list) (list 1 '(2)))", "((1) (1 2) (1 . 2) () (1 (2)))"),
    (
        "(list (append) (append '(1)) (append '(1) () '(2 3)))",
        "(() (1) (1 2 3))",
    ),
    ("(setq l '(2)) (setq m (append '(1) l)) (nconc1 l 3) m", "(1 2 3)"),
    ("(list (reverse '(1 2 3)) (reverse ()) (length '(1 (2) 3)) (length ()))", "((3 2 1) () 3 0)"),
    ("(list (nth 0 '(a b)) (nth 1 '(a b)) (nth 9 '(a)))", "(a b ())"),
    ("(list (nth '(a b) 1) (nth '(a b) 2))", "(a b)"),
    (
        "(list (nthcdr 0 '(a b)) (nthcdr 1 '(a b)) (nthcdr 2 '(a b)))",
        "((a b) (b) ())",
    ),
    ("(list (last '(1 2)) (lasta '(1 2)) (lastcdr '(1 2)))", "(2 2 (2))"),
    (
        "(list (member 2 '(1 2 3)) (member '(a) '((a) b)) (member 9 '(1)) (member () '(1 ())))",
        "((2 3) ((a) b) () (()))",
    ),
    (
        "(list (assoc 'b '((a 1) (b 2))) (assoc \"k\" '(3 (\"k\" . 4))) (assoc 9 ()) (alist-get 'b '((a . 1) (b . 2))))",  # noqa: E501
        '((b 2) ("k" . 4) () 2)',
    ),
    (
        "(list (range 3) (range 2 4) (range 0 -1) (range 2 2) (range 1 2 0.5))",
        "((1 2 3) (2 3 4) (0 -1) (2) (1 1.5 2))",
    ),
    ("(nth 3 (range 0 1 0.1))", "0.30000000000000004"),
    ("(makelist 3 'x)", "(x x x)"),
    ("(flatten '(1 (2 (3 ())) 4))", "(1 2 3 4)"),
    (
        "(setq l '(1)) (list (nconc l '(2)) (nconc () l) (nconc1 l 3) (nconc1 () 4) l)",
        "((1 2 3) (1 2 3) (1 2 3) (4) (1 2 3))",
    ),
    ("(setq l '(1 2)) (list (rplaca l 0) (rplacd l '(9)) l)", "((0 9) (0 9) (0 9))"),
    ("(list (filter (lambda (x) (> x 1)) '(1 2 3)) (filter 'numberp '(a 1)) (filter 'car ()))", "((2 3) (1) ())"),
    (
        "(list (sort-list '(3 1 2) <) (sort-list '(3 1 2 1) >) (sort-list () <) (sort-list '(\"b\" \"a\") '>))",
        '((3 2 1) (1 1 2 3) () ("a" "b"))',
    ),
]

LISTS_OF_NUMBERS = [
    ("(list (sum '(1 2 3)) (sum ()) (mean '(1 2 6)) (sdev '(1 3)) (sdev '(4.56)))", "(6 0 3 1 0)"),
    ("(list (sup '(1 3 2)) (inf '(2 1 3)) (median '(3 1 2)) (median '(4 1 3 2)))", "(3 1 2 2)"),
    (
        "(list (quantile '(4 1 3 2) 0) (quantile '(4 1 3 2) 0.5) (quantile '(4 1 3 2) 0.99) (quantile '(1 2) 1))",
        "(1 3 4 2)",
    ),
    (
        "(list (rank '(5 7 5) 5) (rank '(1 2 3) 2 1) (rank '(1) 9) (find-interval '(5 7 5) 5))",
        "((0 2) (0 1 2) () (0 2))",
    ),
    ("(list (sqr-dist '(1 2) '(3 2)) (abs-dist '(1 -1) '(3 0)) (sup-dist '(1 5) '(2 9)))", "(4 3 4)"),
    ("(list (hamming-dist '(1 2) '(1 3)) (hamming-dist 2 '(1 5) '(2 9)))", "(1 1)"),
    (
        "(list (quadrant-dist '(1 -1 0) '(0 -1 5)) (quadrant-dist '(1 -1) '(2 0)) (quadrant-dist '(0 0) '(1 -1)))",
        "(1 1 0)",
    ),
    (
        "(list (mean-sqr-dist '(0 0) '(2 0)) (add-lists '(1 2) '(3 4)) (diff-lists '(1 2) '(3 5)))",
        "(2 (4 6) (-2 -3))",
    ),
]

STRINGS = [
    (
        '(list (concat "a" "" "b") (left "hello" 2) (right "hello" 2))',
        '("ab" "he" "lo")',
    ),
    (
        '(list (mid "hello" 2 3) (mid "network" 4))',
        '("ell" "work")',
    ),
    ('(list (index "l" "hello") (index "l" "hello" 4) (index "x" "hello") (index "lo" "hello" 5))', "(3 4 () ())"),
    ('(list (len "abc") (len "") (upcase "aB") (upcase1 "ab"))', '(3 0 "AB" "Ab")'),
    (
        '(list (val "2.50") (val "0xff") (val "-1e3") (val "none"))',
        "(2.5 255 -1000 ())",
    ),
    ("(list (str 0.25) (str 3.14159) (str 1e11) (str -0.00001))", '("0.25" "3.1416" "1e+11" "-1e-05")'),
    ('(list (named "A_b") (namedclean "A_b") (namedclean "_A_b"))', "(|A_b| a-b _a-b)"),
    ("(list (nameof 'a-b) (pname 'layer))", '("a-b" "layer")'),
    ('(list (regex-match "a.c" "abc") (regex-match "a" "ab") (regex-match "(x|y)+z?" "xyx"))', "(t () t)"),
    ('(list (regex-match "[^0-9]*" "a1") (regex-match "[^0-9]*1" "a1"))', "(() t)"),
    ('(list (regex-match "a\\\\.b" "a.b") (regex-match "a\\\\.b" "axb") (regex-match "[]a-c-]+" "]-b"))', "(t () t)"),
    (
        '(list (regex-seek "l+" "hello") (regex-seek "l" "hello" 4) (regex-seek "x" "hello") (regex-seek "^h" "hh" 2))',
        "((3 2) (4 1) () ())",
    ),
    ('(regex-subst "l" "L" "hello")', '"heLLo"'),
    ('(regex-subst "([a-z]+)=([0-9]+)" "%1:%0" "x=1, yy=22")', '"1:x, 22:yy"'),
]

PREDICATES = [  # only whether they are true: what a true one returns is in the reference for `numberp` alone
    (
        "(mapcar (lambda (f) (mapcar null (mapcar f '(() (1) 1)))) (list listp consp atomp))",
        "((() () t) (t () t) (() t ()))",
    ),
    ('(mapcar (lambda (f) (mapcar null (mapcar f \'(0 "" a ())))) (list numberp stringp))', "((() t t t) (t () t t))"),
    ("(list (numberp 3) (null (symbolp 'a)) (symbolp 1) (null (matrixp [1])) (matrixp 1))", "(3 () () () ())"),
    (
        "(list (null (functionp car)) (functionp 3) (null ()) (null 0) (not ()) (not 'a) ~() ~1)",
        "(() () t () t () t ())",
    ),
]


@pytest.mark.parametrize(("text", "expected"), [*NUMBERS, *LISTS, *LISTS_OF_NUMBERS, *STRINGS, *PREDICATES])
def test_value(text, expected):
    assert value_of(text) == expected


ERRORS = [
    ("(/ 1 0)", 1, "/: division by zero"),
    ("(div 1 0)", 1, "division by zero"),
    ("(mod 1 0.5)", 1, "division by zero"),
    ("(sqrt -1)", 1, "undefined"),
    ("(log 0)", 1, "undefined"),
    ("(exp 1000)", 1, "too large"),
    ("(** -0.05 2)", 5, "negative number -0.05"),
    ("(** 10 400)", 1, "too large"),
    ("(* 1e200 1e200)", 1, "too large"),
    ("(+ 1e308 1e308)", 1, "too large"),
    ("(- -1e308 1e308)", 1, "too large"),
    ("(sum '(1e308 1e308))", 1, "too large"),
    ("(- 1 2 3)", 1, "-: too many arguments, 3 given, 1 to 2 expected"),
    ("(-)", 1, "too few"),
    ("(/ 1 2 3)", 1, "too many"),
    ('(< 1 "a")', 6, '"a" is not a number'),
    ('(max 1 "a")', 8, '"a" is not a number'),
    ("(max)", 1, "too few"),
    ("(1+ 'a)", 5, "a is not a number"),
    ("(int 'a)", 6, "not a number"),
    ("(div 1e999 2)", 6, "too large"),
    ('(left "a" 1e300)', 11, "1e+300 is too large"),
    ("(car 3)", 6, "car: 3 is not a list"),
    ("(cadr '(1 . 2))", 7, "cadr: 2 is not a list"),
    ("(length 3)", 1, "length: 3 is not a list"),
    ("(nth 'a '(1))", 6, "not an index of a list"),
    ("(nth 1 2)", 1, "2 is not a list"),
    ("(reverse '(1 . 2))", 1, "is not a list"),
    ("(mapcar '+ '(1) '(1 2))", 1, "the lists have 1, 2 elements"),
    ("(range 1 2 0)", 12, "never ends"),
    ("(range 'a)", 8, "a is not a number"),
    ("(makelist -1 0)", 11, "-1 is not a number of elements"),
    ("(rplaca () 1)", 9, "() is not a list"),
    ("(sum '(1 a))", 1, "a in the list is not a number"),
    ("(mean ())", 1, "is empty"),
    ("(sup ())", 1, "is empty"),
    ("(add-lists '(1) '(1 2))", 1, "one list has 1 elements, the other 2"),
    ("(hamming-dist 1)", 1, "one or two lists"),
    ("(quantile '(1) 'a)", 16, "a is not a finite number"),
    ('(concat "a" 1)', 13, "1 is not a string"),
    ('(left "a" -1)', 11, "-1 is not a number of characters"),
    ('(mid "a" 0)', 10, "count from 1, 0 given"),
    ('(mid "a" 1 -1)', 12, "-1 is not a number of characters"),
    ('(str "a")', 6, "is not a number"),
    ('(nameof "a")', 9, "is not a symbol"),
    ('(named "a|b")', 8, "not contain | or a newline"),
    ('(regex-match "(a" "a")', 14, "character 3: a ) is missing"),
    ('(regex-match "a)" "a")', 14, "a ( is missing"),
    ('(regex-match "[a" "a")', 14, "a ] is missing"),
    ('(regex-match "a|" "a")', 14, "nothing to match here"),
    ('(regex-subst "a" "%x" "a")', 18, "a digit or a %"),
]


@pytest.mark.parametrize(("text", "column", "message"), ERRORS)
def test_error(text, column, message):
    found, line, at = fault_of(text)
    assert message in found and (line, at) == (1, column)


def test_a_regular_expression_takes_a_time_that_grows_with_the_text_only():
    text = '(setq s "a") (repeat 12 (setq s (concat s s))) (regex-match "(a*)*(a|aa)+(a?)*b" s)'
    assert value_of(text) == "()"
