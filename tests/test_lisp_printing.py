"""What print, printf and their like write."""

import pytest
from lisp_programs import fault_of, printed_by

PRINTED = [
    ("(print)", "\n"),
    (
        "(print 3.14159 -2.5 3 0 (- 0) 0.00012345 0.0005 0.001 1e10 1e11 0.000996027)",
        "3.1416 -2.5 3 0 -0 0.00012345 0.0005 0.001 10000000000 1e+11 0.000996027\n",
    ),
    ("(print 0.99999 123456.78919 -1e-300 1e999 -1e999)", "1 123456.7892 -1e-300 Inf -Inf\n"),
    (
        "(print 'A_b '|A_b| \"q\\\"\\n\" '(a (1 . 2) ()) ''x '`(a ,b))",
        'a-b |A_b| "q\\"\\n" (a (1 . 2) ()) \'x `(a ,b)\n',
    ),
    ('(prin 1 "a") (prin 2)', '1 "a"2'),
    ("(list (print 1 2))", "1 2\n"),
    (
        "(de f (x) x) (print f car if (lambda (x) x)) (dm m (m) 1) (df g l l) (print m g)",
        "::DE:f ::DX:car ::DY:if ::DE:lambda\n::DM:m ::DF:g\n",
    ),
    ("(print [1 2])", "[ 1.00  2.00 ]\n"),
    ("(print [[1 2][3 4]])", "[[ 1.00  2.00 ]\n [ 3.00  4.00 ]]\n"),
    ("(print 'ab [[1][2]])", "ab [[ 1.00 ]\n    [ 2.00 ]]\n"),
    ("(print '(x [i[1][20]]))", "(x [i[    1 ]\n     [   20 ]])\n"),
    (
        "(print [[[1 2][3 4]][[5 6][7 8]]])",
        "[[[ 1.00  2.00 ]\n  [ 3.00  4.00 ]]\n [[ 5.00  6.00 ]\n  [ 7.00  8.00 ]]]\n",
    ),
    ("(print [f -1.5] [@ 3])", "[f-1.50 ] [@ 3]\n"),
    ("(print (matrix 100) (matrix 99 1 2) (array 2 3))", "::MATRIX:100 ::MATRIX:99x1x2 ::ARRAY:2x3\n"),
    ('(printf "ab") (print [[1][2]])', "ab[[ 1.00 ]\n   [ 2.00 ]]\n"),
    ("(prin 'abc) (tab 5) (prin (tab)) (tab 2) (prin 'x)", "abc  5x"),
    ('(printf "%d\\n" (tab))', "0\n"),
]

FORMATTED = [
    ("%d %d %d", "3.7 -3.7 1e11", "3 -3 1e+11"),
    ("%5d|%-5d|%05d", "42 42 42", "   42|42   |00042"),
    ("%f %g %e", "3.14159 3.14159 3.14159", "3.1416 3.1416 3.1416"),
    ("%g %g %g", "0.000996027 1e11 3", "0.000996027 1e+11 3"),
    ("%9.5f|%.6g|%.3e|%6.2f", "3.14159265 0.000996027 12345 2.5", "  3.14159|0.000996027|1.234e+04|  2.50"),
    ("%8g|%-8g|%.0f", "3.14159265 3.14159265 2.5", " 3.14159|3.14159 |2"),
    ("%s|%5s|%-5s|%.2s", '"ab" "ab" "ab" "abc"', "ab|   ab|ab   |ab"),
    ("%s", "'name", "name"),
    ("%l %l %l", '3.14159 "q" \'(1 "b")', '3.1416 "q" (1 "b")'),
    ("%p %p", "'(a b) 2.5", "(a b) 2.5"),
    ("100%%", "", "100%"),
    ("%d%s%d", '1 " " 2', "1 2"),
    ("%5d %5.1f", "1e999 -1e999", "Inf -Inf"),
]


@pytest.mark.parametrize(("text", "expected"), PRINTED)
def test_what_is_printed(text, expected):
    assert printed_by(text) == expected


@pytest.mark.parametrize(("pattern", "values", "expected"), FORMATTED)
def test_formats(pattern, values, expected):
    assert printed_by(f'(printf "{pattern}" {values})') == expected
    assert printed_by(f'(printf "%s" (sprintf "{pattern}" {values}))') == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ('(sprintf "%d")', 10, "no value for %d"),
        ('(sprintf "%d" 1 2)', 1, "1 value more"),
        ('(sprintf "%q" 1)', 10, "%q is not a directive"),
        ('(sprintf "%" 1)', 10, "% is not a directive"),
        ('(sprintf "%d" "a")', 15, "%d takes a number"),
        ('(sprintf "%s" 1)', 15, "%s takes a string or a name"),
        ("(printf 3)", 9, "3 is not a string"),
        ("(tab 'a)", 6, "a is not a number"),
        ("(tab 1e9)", 1, "too long"),
    ],
)
def test_errors(text, column, message):
    found, line, at = fault_of(text)
    assert message in found and (line, at) == (1, column)


def test_pretty_breaks_what_is_longer_than_a_line():
    assert printed_by("(pretty '(a b))") == "(a b)\n"
    assert printed_by("(pretty (lambda (x) x))") == "(lambda (x) x)\n"
    definition = """(de scaled (values factor)
  (when values
    (cons (* factor (car values)) (scaled (cdr values) factor (list 1 2 3 4)))))
"""
    assert printed_by(definition + "(pretty scaled)") == definition
    long = "(a " + " ".join(str(i) for i in range(40)) + ")"
    assert printed_by(f"(pretty '{long})").split() == long.split()
    assert printed_by("(setq l (list 1 2)) (rplacd (cdr l) l) (pretty l)").endswith("1 2 ...)\n")
    assert printed_by(f"(pretty '({'a' * 50} {'b' * 50} . c))").endswith(" . c)\n")
