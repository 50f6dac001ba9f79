"""Matrices and arrays: made, indexed, cut into views, and computed with, as tables of programs.

Expected values: the reference (docs/reference/sn28.md, section 1.6), and arithmetic.
"""

import pytest
from lisp_programs import fault_of, value_of

M = "(setq m [[1 2 3][4 5 6]])"

MAKING = [
    (
        "(list (matrix 2) (double-array 1 2) (float-matrix 2) (int-matrix 2) (matrix))",
        "([0 0] [[0 0]] [f 0 0] [i 0 0] [@ 0])",
    ),
    ("(setq v 1) (de f (v) (dim v 2) :v) (list (f 3) v)", "([f 0 0] [f 0 0])"),
    ("(dim v 2 1) (v 0 0 0.1) v", "[f[0.10000000149011612] [0]]"),
    (
        "(setq a (array 2 2)) (list (a 0 0) (bound a) (a () ()) (bound (atom-array 1)))",
        "(() (2 2) ((() ()) (() ())) (1))",
    ),
    (f"{M} (list (bound m) (bound m 0) (bound m 1) (bound m 2))", "((2 3) 2 1 2)"),
]

ELEMENTS = [
    (f"{M} (list (m 0 1) (m 1 2) (m 1.9 0))", "(2 6 4)"),
    (
        f"{M} (list (m () 1) (m 1 ()) (m () ()) (m '(0 1) '(1 2)) (m 0 '(1 1)))",
        "((2 5) (4 5 6) ((1 2 3) (4 5 6)) ((2 3) (5 6)) (2))",
    ),
    ("(list ([5 6] 1) ((matrix 1) 0) (apply [5 6] '(0)) (mapcar [5 6] '(1 0)))", "(6 0 5 (6 5))"),
    ("([@ 3])", "3"),
    ("(setq z (matrix)) (z 5) z", "[@ 5]"),
    ("(setq m (matrix 2 2)) (list (m 0 1 7) (== m (m 1 0 8)))", "([[0 7] [8 0]] t)"),
    ("(setq m (matrix 2 2)) (m () 1 9) m", "[[0 9] [0 9]]"),
    ("(setq m (matrix 2 2)) (m () () 3) m", "[[3 3] [3 3]]"),
    ("(setq m (matrix 2 2)) (m () () '((1 2) (3 4))) m", "[[1 2] [3 4]]"),
    ("(setq m (matrix 2 2)) (m () () '(1 2 3 4)) m", "[[1 2] [3 4]]"),
    ("(setq m (matrix 2 3)) (m '(0 1) '(1 2) '(1 2 3 4)) m", "[[0 1 2] [0 3 4]]"),
    ("(setq m (matrix 2 2)) (m 0 () '(1 2)) m", "[[1 2] [0 0]]"),
    ("(setq m (int-matrix 3)) (m 0 3.7) (m 1 -3.7) m", "[i 3 -3 0]"),
    ("(((array 4 4) () () (range 16)) '(0 1) '(2 3))", "((3 4) (7 8))"),
    ('(setq a (array 2)) (a 0 \'(x "y")) (a 1 [1 2]) (list (a 0) (a 1) (a () ))', '((x "y") [1 2] ((x "y") [1 2]))'),
    ("(setq a (array 2)) (a () '((1) (2))) (list (a 0) (a 1 1 )) (a 1)", "1"),
    ("(setq a (array 2 2)) (a () () '(1 2 3 4)) (list (a 1 0) (a () 1))", "(3 (2 4))"),
]

VIEWS = [
    (f"{M} (setq s (submatrix m () '(1 2))) (s 0 0 9) (list s m)", "([[9 3] [5 6]] [[1 9 3] [4 5 6]])"),
    (f"{M} (submatrix m '(1 1) '(0 0))", "[[4]]"),
    (
        f"{M} (setq s (select m 0 1)) (s 0 7) (list (select m 1 0) m)",
        "([1 7] [[1 2 3] [7 5 6]])",
    ),
    (
        f"{M} (setq s (narrow m 1 2 1)) (s 0 0 9) (list s m)",
        "([[9 3] [5 6]] [[1 9 3] [4 5 6]])",
    ),
    (
        f"{M} (setq s (transpose m)) (s 0 1 9) (list s m)",
        "([[1 9] [2 5] [3 6]] [[1 2 3] [9 5 6]])",
    ),
    (
        f"{M} (setq s (redim m 3 2)) (s 0 0 9) (list s m (redim (transpose m) 6))",
        "([[9 2] [3 4] [5 6]] [[9 2 3] [4 5 6]] [9 4 2 5 3 6])",
    ),
    ("(setq u (unfold [1 2 3 4 5] 0 3 2)) (u 0 2 9) u", "[[1 2 9] [9 4 5]]"),
    ("(setq a (array 2)) ((select a 0 1) '(x)) (a ())", "(() (x))"),
    (f"{M} (setq c (copy-matrix m)) (c 0 0 9) (list (m 0 0) (copy-matrix m (matrix 6)))", "(1 [1 2 3 4 5 6])"),
    ("(list (copy-matrix [1.9 -1.9] (int-matrix 2)) (copy-any-matrix [i 1] (float-matrix 1)))", "([i 1 -1] [f 1])"),
    ("(setq a (copy-array [1 2] (array 2))) (list (a 0) (array-copy a (matrix 2)))", "(1 [1 2])"),
]

ARITHMETIC = [
    (
        "(list (m+m [1 2] [3 4]) (m-m [1 2] [3 5]) (mxm [1 2] [3 4]) (m/m [1 2] [4 4]))",
        "([f 4 6] [f -2 -3] [f 3 8] [f 0.25 0.5])",
    ),
    ("(list (m*c [[1 2]] 2) (m+c [1 2] 0.5) (m+m [i 1 2] [i 3 4]))", "([f[2 4]] [f 1.5 2.5] [f 4 6])"),
    (
        "(list (m*m [[1 2][3 4]] [[1][1]]) (m*m [[1 2][3 4]] [1 1]) (m*m [f[1 2][3 4]] [f[0 1][1 0]]))",
        "([[3] [7]] [3 7] [[2 1] [4 3]])",
    ),
    ("(setq d (matrix 2)) (list (== d (m+m [1 2] [3 4] d)) d)", "(t [4 6])"),
    ("(setq a [1 2]) (m*c a 3 a) a", "[3 6]"),
    ("(m*c [0.1] 1)", "[f 0.10000000149011612]"),
    ("(list (mean-mat [[1 2][3 6]]) (sdev-mat [1 3]) (sup-mat [[1 9][3 6]]) (inf-mat [f 2 1]))", "(3 1 9 1)"),
    ("(list (dot-product [1 2] [3 4]) (idx-dot [[1 2]] [[3 4]]))", "(11 [@ 11])"),
    ("(idx-sum [1 2 3])", "[@ 6]"),
    ("(setq r (matrix)) (idx-dot [1 2] [3 4] r) (r)", "11"),
    ("(setq r (matrix)) (idx-sum [1 2] r) (r)", "3"),
    ("(setq b [10 20]) (list (idx-f1dotc [1 2] 3 [0 0]) (idx-f1dotcacc [1 2] 3 b) b)", "([3 6] [13 26] [13 26])"),
]


@pytest.mark.parametrize(("text", "expected"), [*MAKING, *ELEMENTS, *VIEWS, *ARITHMETIC])
def test_value(text, expected):
    assert value_of(text) == expected


ERRORS = [
    ("(matrix 0)", 9, "at least one element, 0 given"),
    ("(matrix 'a)", 9, "a is not a number"),
    ("(dim 3 2)", 6, "expected a name"),
    ("([1 2] 2)", 8, "index 2 is out of range: 0 to 1"),
    ("([1 2] -1)", 8, "index -1 is out of range"),
    ("([1 2] '(0 2))", 8, "index 2 is out of range"),
    ("([1 2] '(0))", 8, "number, () or (a b), not (0)"),
    ("([1 2] '(0 1 1))", 8, "number, () or (a b)"),
    ("([1 2] 'a)", 8, "number, () or (a b), not a"),
    ("([1 2])", 1, "takes 1 indices"),
    ("([1 2] 0 0 0)", 1, "takes 1 indices"),
    ('([1 2] 0 "a")', 1, '"a" is not a number'),
    ("([1 2] () '(1 2 3))", 1, "list of 3 was given for 2 elements"),
    ("([1 2] () [1])", 1, "1 elements was given for 2"),
    ("([[1 2][3 4]] () () '(1 2 3))", 1, "list of 3 was given for 2 rows of 4 elements"),
    ("([[1 2][3 4]] () () '((1 2) (3)))", 1, "list of 1 was given for 2 elements"),
    ("([b 1] 0 200)", 1, "200 does not fit in a matrix of numbers from -128 to 127"),
    ("(bound [1] 2)", 12, "has 1 dimensions, not 2"),
    ("(bound 3)", 8, "3 is not a matrix"),
    ("(submatrix [1 2] '(1 0))", 18, "the range (1 0) is empty"),
    ("(submatrix [1 2])", 1, "1 dimensions, 0 ranges"),
    ("(select [1 2] 1 0)", 15, "dimensions 0 to 0, not 1"),
    ("(narrow [1 2] 0 3)", 17, "are not within 0 to 1"),
    ("(redim [1 2] 3)", 1, "2 elements do not fill 3"),
    ("(unfold [1 2] 0 3 1)", 17, "do not fit in 2 indices"),
    ("(copy-matrix [1 2] (matrix 3))", 20, "2 elements do not fill 3"),
    ("(copy-matrix (array 1) [1])", 1, "() is not a number"),
    ("(m+m [1 2] [1 2 3])", 12, "2 and 3"),
    ("(m+m (array 1) [1])", 6, "is not a matrix of numbers"),
    ("(m+m [1] [f 1])", 10, "Input idxs must be of the same type"),
    ("(m*c [f 1] 2)", 6, "expected a matrix of doubles"),
    ("(m+c [i 1] 2)", 6, "expected a matrix of doubles"),
    ("(m/m [1] [0])", 1, "m/m: division by zero"),
    ("(m*c [1e300] 1)", 1, "too large"),
    ("(m*m [[1 2]] [[1 2]])", 14, "pass a second matrix of 2 rows"),
    ("(m*m [[[1]]] [1])", 6, "one or two dimensions"),
    ("(m+m [1] [1] [1 2])", 14, "1 and 2"),
    ("(dot-product [[1 2][3 4]] [1])", 14, "one dimension"),
    ("(idx-sum [1] [1])", 14, "without dimensions"),
    ("(net ,(array 2))", 7, "is not allowed here"),
]


@pytest.mark.parametrize(("text", "column", "message"), ERRORS)
def test_error(text, column, message):
    found, line, at = fault_of(text)
    assert message in found and (line, at) == (1, column)
