"""What print, printf and their like write.

Expected values: the reference (docs/reference/sn28.md, section 1.5), output of the original (print_values.expected),
and C's printf for the directives that have a width or a precision.
"""

import pytest
from lisp_programs import fault_of, printed_by

PRINTED = [
    ("(print)", "\n"),
    (
        "(print 3.14159 -2.5 3 0 0.00012345 0.0005 0.001 1e10 1e11 0.000996027)",
        "3.1416 -2.5 3 0 0.00012345 0.0005 0.001 10000000000 1e+11 0.000996027\n",
    ),
    ("(print 0.99999 123456.78919 -1e-300 1e999 -1e999)", "1 123456.7892 -1e-300 Inf -Inf\n"),
    (
        "(print 'A_b '|A_b| '|a b| \"q\\\"\\n\" '(a (1 . 2) ()) ''x '(~x :a :o:s))",
        'a-b |A_b| a b "q\\"\\n" (a (1 . 2) ()) (quote x) ((null x) (scope a) (scope o s))\n',
    ),
    ('(print "\\^G\\t\\r\\b\\f\\e\\xe1\\\\")', '"\\^G\\t\\r\\b\\f\\e\\xe1\\\\"\n'),
    ('(prin 1 "a") (prin 2)', '1 "a"2'),
    ("(list (print 1 2))", "1 2\n"),
    ("(print car de)", "::DX:car ::DY:de\n"),
    ("(defclass pt object x) (print pt)", "::class:pt\n"),
    ("(print [1 -2 300])", "[  1.00 -2.00 300.00 ]\n"),
    ("(print [[1 2][3 4]])", "[[  1.00  2.00 ]\n [  3.00  4.00 ]]\n"),
    ("(print [f[1 2][3 4]])", "[f[f  1.00  2.00 ]\n  [f  3.00  4.00 ]]\n"),
    ("(print 'ab [[1][2]])", "ab [[  1.00 ]\n    [  2.00 ]]\n"),
    ("(print '(x [i[1 2][3 4]]))", "(x [i[i     1     2 ]\n     [i     3     4 ]])\n"),
    (
        "(print [[[1 2][3 4]][[5 6][7 8]]])",
        "[[[  1.00  2.00 ]\n  [  3.00  4.00 ]]\n [[  5.00  6.00 ]\n  [  7.00  8.00 ]]]\n",
    ),
    (
        "(print [i[[1][2]][[3][4]]])",
        "[i[i[i     1 ]\n    [i     2 ]]\n  [i[i     3 ]\n    [i     4 ]]]\n",
    ),
    ("(print [@ 5] [f@ -0.25])", "[@ 5 ] [f@ -0.25 ]\n"),
    ('(setq a (array 3)) (a () \'("p" q (1 2))) (print a)', '#[ "p" q (1 2) #]\n'),
    ("(print (array 2 2))", "#[#[ () () #]\n  #[ () () #]#]\n"),
    ("(print (matrix 100) (matrix 4 25) (array 4 25))", "::INDEX1:<100> ::INDEX2:<4x25> ::INDEX2:<4x25>\n"),
    ('(printf "%s|%l" (sprintf "%l %l" [1 2] \'(a [3 4])) [1 2])', "::INDEX1:<2> (a ::INDEX1:<2>)|[  1.00  2.00 ]"),
    ('(printf "ab") (print [[1][2]])', "ab[[  1.00 ]\n   [  2.00 ]]\n"),
]

FORMATTED = [
    ("%d %d %d %d", "3.7 -3.7 -2.99 1e11", "3 -3 -2 1e+11"),
    ("%5d|%-5d|%05d|%07d", "42 42 42 42", "   42|42   |00042|0000042"),
    ("%f %g %e", "3.14159 3.14159 3.14159", "3.1416 3.1416 3.1416"),
    ("%g %g %g", "0.000996027 1e11 3", "0.000996027 1e+11 3"),
    ("%9.5f|%.6g|%.3e|%6.2f", "3.14159265 0.000996027 12345 2.5", "  3.14159|0.000996027|1.234e+04|  2.50"),
    ("%8g|%-8g|%.0f", "3.14159265 3.14159265 2.5", " 3.14159|3.14159 |2"),
    ("%s|%5s|%-5s", '"ab" "ab" "ab"', "ab|   ab|ab   "),
    ("%l %l %l", '3.14159 "q" \'(1 "b")', '3.1416 "q" (1 "b")'),
    ("%p %p", "'(a b) 2.5", "(a b) 2.5"),
    ("100%%", "", "100%"),
    ("%d%s%d", '1 " " 2', "1 2"),
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
        ('(sprintf "%q" 1)', 10, "bad format string: %q is not a directive"),
        ('(sprintf "%" 1)', 10, "% is not a directive"),
        *[
            (f'(printf "{directive}" 1)', 9, "bad format string")
            for directive in ("%i", "%x", "%c", "%+d", "%.2s", "%5.1d", "%3l")
        ],
        ('(sprintf "%d" "a")', 15, "%d takes a number"),
        ('(sprintf "%s" 1)', 15, "%s takes a string"),
        ('(sprintf "%s" \'name)', 15, "%s takes a string"),
        ("(printf 3)", 9, "3 is not a string"),
        ("(tab 'a)", 6, "a is not a number"),
        ("(tab 1e9)", 1, "too long"),
    ],
)
def test_errors(text, column, message):
    found, line, at = fault_of(text)
    assert message in found and (line, at) == (1, column)


def test_print_evaluates_one_argument_after_the_other_and_printf_all_of_them_first():
    f = "(de f (x) (prin 'in) x)"
    assert printed_by(f + "(print (f 1) (f 2))").replace(" ", "") == "in1in2\n"
    assert printed_by(f + "(apply print (list 1 2))") == "1 2\n"
    assert printed_by(f + '(printf "%d %d" (f 1) (f 2))') == "inin1 2"


def test_pretty_breaks_what_is_longer_than_a_line():
    """Where a line is broken is this project's choice; the words are those that print writes."""
    assert printed_by("(pretty '(a b))") == "(a b)\n"
    definition = """(de scaled (values factor)
  (when values
    (cons (* factor (car values)) (scaled (cdr values) factor (list 1 2 3 4)))))
"""
    assert printed_by(definition + "(pretty scaled)") == definition
    long = "(a " + " ".join(str(i) for i in range(40)) + ")"
    assert printed_by(f"(pretty '{long})").split() == long.split()
    assert printed_by("(setq l (list 1 2)) (rplacd (cdr l) l) (pretty l)").endswith("1 2 ...)\n")
    assert printed_by(f"(pretty '({'a' * 50} {'b' * 50} . c))").endswith(" . c)\n")
