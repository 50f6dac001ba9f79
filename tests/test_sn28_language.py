"""SN-2.8's Lisp as its programs use it: the rows of its reference and its traps, as programs and what they print."""

import io

import pytest
from sn28_programs import fault, printed

from snsim.errors import Source
from snsim.language.limits import Limits
from snsim.program import lisp_functions, read_program
from snsim.runtime.unsupported import UNSUPPORTED

READER = [
    # stray parentheses between forms, on the same line too
    ("(print 1)))) (print 2)\n)\n(print 3)", "1\n2\n3\n"),
    ("; (print 0)\n(print 1) ; (print 2)\n#! (print 3)\n(print 4) !#\n#? (print 5)\n(print 6)", "1\n6\n"),
    # folding, of quoted symbols too; a leading _ stays, bars keep
    ("(print 'Update_State 'A_B '_x_y '|A_B| 'ALLOC_NET)", "update-state a-b _x-y |A_B| alloc-net\n"),
    ("(setq my_var 3) (print MY-VAR)", "3\n"),
    ("(print '(a . b) '(a.b) (length '(a.b)) '(1+ 2* 0<>) '1.2.3 '-3a)", "(a . b) (a.b) 1 (1+ 2* 0<>) 1.2.3 -3a\n"),
    ("(print +1 .5 1. 1e3 0x1A -2.5)", "1 0.5 1 1000 26 -2.5\n"),
    ("(print ~() ~3)", "t ()\n"),
    ("(setq b 2) (print `(a ,b ,@(list 3 4) . 5))", "(a 2 3 4 . 5)\n"),
    ('(printf "%d%s%s%d%s" (len "\\x41\\^A\\101\\e") "a\\tb" "\\\\" (len "ab\\\ncd") "\\n")', "4a\tb\\4\n"),
    ('(print (= "\\e" "\\xff") (= "\\+a" "\\xe1"))', "t t\n"),
    ("(print (bound [[1 2 3] [4 5 6]]) ([f 1.5 2.5] 1) ([i 3] 0) ([@ 7]))", "(2 3) 2.5 3 7\n"),
    (
        '(print ([a x (y 1)] 1) (#[ a "s" #] 1) (bound [a [ x 1] [ y [d 2]]]) ([a [ x 1] [ y z]] 1 1))',
        '(y 1) "s" (2 2) z\n',
    ),
]

HERE_DOCUMENTS = [
    (
        '(printf (read-string "~@"))\nFirst, 100%% of it.\n  Second.\n@\n(print (quote after))',
        "\nFirst, 100% of it.\n  Second.\nafter\n",
    ),
    ("(setq x (read)) (a list of data)\n(print x)", "(a list of data)\n"),
    ("(setq s (read-string 5))hello(print s)", '"hello"\n'),
    ("(setq l (read-string)) the rest\n(print l)", '" the rest"\n'),
    ('(setq d (progn (skip-char) (read-string "0-9")))\n  42abc(print d)', '"42"\n'),
    ('(print (skip-char " \\n"))\n\n\n(print 2)', '"("\n2\n'),
    ('(progn (read-string "~%") (read-string 1) (print (= (skip-char) "\\e")))  anything, (here\n%  \n', "t\n"),
]

EVALUATION = [
    ("(print unset (if unset 'yes 'no))", "() no\n"),
    ("(print (if 0 'true 'false) (if \"\" 'true 'false) (0= 0) (0= 1) (0<> 5) (0<> 0))", "true true 0 () 5 ()\n"),
    ("(de f (list) (list 1 (car list))) (print (f '(2)))", "(1 2)\n"),
    ("(de quick-sort (car) (car car)) (print (quick-sort '(3 4)))", "3\n"),
    ("(de g () x) (de f (x) (g)) (setq x 1) (print (f 2) (g))", "2 1\n"),
    ("(de present (n) n) (de show () (present 3)) (print (show) (let ((present 1+)) (show)) (show))", "3 4 3\n"),
    ("(setq plus +) (print (plus 1 2) ((lambda (a b) (- b a)) 3 10) ((car (list plus)) 3 4))", "3 7 7\n"),
    ("(setq m [[1 2] [3 4]]) (print (m 1 0) ((car (list m)) 0 1))", "3 2\n"),
    (
        "(de f (a &optional b (c (+ 1 2))) (list a b c)) (print (f 1) (f 1 2) (f 1 2 3))",
        "(1 () (+ 1 2)) (1 2 (+ 1 2)) (1 2 3)\n",
    ),
    (
        "(de f (a &rest r) (list a r)) (de g l l) (de h (a . r) r) (print (f 1 2 3) (g 1 2) (h 1 2))",
        "(1 (2 3)) (1 2) (2)\n",
    ),
    ("(de f ((x y) z) (list y z x)) (print (f '(1 2) 3) (let (((a b) '(1 2))) b))", "(2 3 1) 2\n"),
    ("(dm add1 (call x) `(+ 1 ,x)) (print (add1 4))", "5\n"),
    ("(df name (x) x) (print (name unset))", "unset\n"),
    ("(print (apply '+ '(1 2)) (mapcar '1+ '(1 2)) (apply and (list 1 ())))", "3 (2 3) ()\n"),
    ("(setq a 1 b 2) (setq a b b a) (print a b (setq c 3 d 4))", "2 1 4\n"),
    ("(setq x 1) (de f (x) (setq x 2 :x 3) x) (print (f 9) x :x)", "2 3 3\n"),
    ("(print (= '(1 (2)) '(1 (2))) (== '(1) '(1)) (= [1 2] [1 2]) (= \"a\" \"a\"))", "t () t t\n"),
    ("(print (for (i 3 1) (print i)) (range 3 1) (range 0 -1) (range 3))", "() (3 2 1) (0 -1) (1 2 3)\n"),
    ("(print (nth 1 '(a b c)) (nth '(a b c) 1) (nth 9 '(a)))", "b a ()\n"),
    ("(setq m [[1 2 3]]) (print (bound m) (bound m 0) (bound m 1) (bound m 2))", "(1 3) 2 0 2\n"),
    ("(print (int -3.7) (div -7 2) (mod -7 3) (sgn 0) (sdev '(1 3)) (sdev-mat [1 3]))", "-4 -3 -1 1 1 1\n"),
    ("(print (sort-list '(1 3 2) <))", "(3 2 1)\n"),
    ("(print (matrixp (m+m [1 2] [3 4])))", "[f  4.00  6.00 ]\n"),
    ("(setq f (eval `(lambda (x) (* x ,(+ 1 1))))) (print (f 4))", "8\n"),
    ("(selectq 3 (1 (print 'one)) ((2 3) (print 'more)) (t (print 'none)))", "more\n"),
    ("(setq i 0) (do-while (< i 0) (incr i)) (print i (repeat 2 (incr i)))", "1 3\n"),
    ("(print (each ((x '(1 2)) (y '(3 4))) (+ x y)) (all ((x '(1 2))) (* x x)))", "6 (1 4)\n"),
]

PRINTING = [
    (
        "(print 3.14159265 -2.5 3 100000 0.00012345 1e11 (/ 1 3) 0.001)",
        "3.1416 -2.5 3 100000 0.00012345 1e+11 0.3333 0.001\n",
    ),
    (
        '(printf "%g %f %d %l|%g\\n" 0.25 0.333333 3.7 \'(1.23456 a) 0.000996027)',
        "0.25 0.3333 3 (1.2346 a)|0.000996027\n",
    ),
    ('(printf "%9.5f|%.6g|%5d|%-5s|%%\\n" 0.25 3.14159265 3.7 "ab")', "  0.25000|3.14159|    3|ab   |%\n"),
    ("(prin 'x) (print [[1 2][3 4]])", "x[[  1.00  2.00 ]\n  [  3.00  4.00 ]]\n"),
    ("(print 'a [f 1 2] [i 3 4])", "a [f  1.00  2.00 ] [i     3     4 ]\n"),
    ('(print (sprintf "%s-%d" "age" 320))', '"age-320"\n'),
]

OBJECTS = """
(defclass counter object (n 0) step)
(defmethod counter counter (s) (setq step s))
(defmethod counter up () (incr n step) (when (< n 10) (==> this up)) n)
(defmethod counter -destructor () (print 'gone n))
(defclass loud counter (name "loud"))
(defmethod loud loud (s) (==> this (counter . counter) s))
(defmethod loud up () (print name n) (==> this (super . up)))
(defmethod loud both ((a b) c) (list a b c name))
(setq c (new counter 4) d (new loud 6))
"""
OBJECT_ROWS = [
    ("(print (==> c up) :c:n :c:step)", "12 12 4\n"),
    ("(print (==> d up) :d:n)", '"loud" 0\n"loud" 6\n12 12\n'),
    ("(setq :c:n 9) (incr :c:n) (print :c:n (==> c up) (send c 'up))", "10 14 18\n"),
    ("(print (==> d both '(1 2) 3))", '(1 2 3 "loud")\n'),
    (
        "(print (classof c) (is-of-class d counter) (is-of-class c loud) (is-of-class 3 'number) (classp counter))",
        "::class:counter t () t ::class:counter\n",
    ),
    ("(setq l (list c 1)) (delete c) (print c l)", "gone 0\n() (() 1)\n"),
    # a message to the object while one of its methods runs sees, and leaves, the same slots
    (
        "(defmethod counter reset () (setq n 0)) (defmethod counter f () (setq n 5) (==> this reset) n) (print (==> c f))",  # noqa: E501
        "0\n",
    ),
    ("(de peek () n) (defmethod counter g () (setq n 7) (list (peek) :c:n)) (print (==> c g))", "(7 7)\n"),
]


@pytest.mark.parametrize(("text", "expected"), [*READER, *HERE_DOCUMENTS, *EVALUATION, *PRINTING])
def test_program(text, expected):
    assert printed(text) == expected


@pytest.mark.parametrize(("text", "expected"), OBJECT_ROWS)
def test_object(text, expected):
    assert printed(OBJECTS + text) == expected


def test_dmd_rewrites_its_caller():
    text = "(dmd twice (x) (incr expanded) `(* 2 ,x)) (setq expanded 0) (de f (y) (twice y))"
    assert printed(text + "(f 1) (print (f 2) expanded)") == "4 1\n"


def test_on_error_runs_its_handler_and_the_error_goes_on(tmp_path):
    text = """(on-error (writing "handled" (print 'yes)) (car 3))\n(writing "never" (print 1))"""
    assert fault(text, tmp_path)[1:] == (1, 49)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["handled"]
    assert fault('(error \'where "that is wrong" 7)')[0].startswith("where: that is wrong: 7")


ERRORS = [
    ("(print 1)\n(undefinedfn 3)", 2, 2, 'no function "undefinedfn"'),
    ("(de performance-of (a) a)\n  (performanse-of 3)", 2, 4, 'did you mean "performance-of"?'),
    ("(foget-sqrt 1)", 1, 2, 'did you mean "forget-sqrt"?'),
    ("(** -0.05 2)", 1, 5, "negative number"),
    ("(/ 1 0)", 1, 1, "division by zero"),
    ("(mapc + '(1 2) '(1))", 1, 1, "2, 1 elements"),
    ("(de f (a) a)\n(f 1 2)", 2, 1, "too many arguments"),
    ('(sys "rm -rf /")', 1, 6, "may not run system commands"),
    ("(setq :x:y 3)", 1, 7, "is not an object"),
    ("(print :x:y)", 1, 8, "is not an object"),
    ("[a [1 2] 3]", 1, 10, "rows and elements are mixed"),
    ("(x #[ 1 2)", 1, 10, "a #] is missing"),
    ("[a]", 1, 1, "at least one element"),
    (OBJECTS + "(==> c upp)", 11, 8, "did you mean up?"),
    (OBJECTS + "(print :c:m)", 11, 8, "its slots are n, step"),
    ("(new 3)", 1, 6, "is not a class"),
    ("(==> 3 go)", 1, 6, "is not an object"),
    ("(defclass a nowhere)", 1, 13, "there is no class nowhere"),
    ("(print (read))", 1, 8, "no form left"),
    ('(read-string "z-a")', 1, 1, "runs backwards"),
    ("(reading 3 (read))", 1, 10, "expected a stream"),
    # what of SN is not here says so
    ("(new windowobject 3)", 1, 6, "there is no class windowobject it belongs to Ogre"),
    ("(defclass mine column a)", 1, 16, "there is no class column it belongs to Ogre"),
    ("(new nothing)", 1, 6, "there is no class nothing (defclass"),
    ("(print 1)\n(yesnorequester 3)", 2, 2, "it belongs to Ogre"),
    ("(quick-sort '(2 1))", 1, 2, "(sort-list l >) sorts a list upwards"),
    ("(mapcar 'hilite '(1))", 1, 1, "it belongs to Ogre"),
    ("(x11-configure)", 1, 2, "remove the call"),
    ("(forward-prop 0)", 1, 2, "build-net and define-net define it"),
    ('(load-perf-file "a.perf")', 1, 2, "plot-perf-file"),
    ("(print 1) ^Pname", 1, 11, "for its prompt"),
    ("(print 1) {<b> text", 1, 11, "this { has no matching }"),
    ("(f #{ int i; #})", 1, 4, "SN's compiler"),
]


def test_brace_text_is_skipped_with_one_warning():
    """Formatted help, as in the original's tsp: it reads the whole, which may nest and hold any sign."""
    text = "{<hr> Cities ' ) # {<b> nested} ^} (print 1 {more})\n{again} (print 2)"
    port = io.StringIO()
    warnings = read_program(Source("<test>", text), port=port).warnings
    assert port.getvalue() == "1\n2\n"
    assert [(w.span.line, w.span.column) for w in warnings if "braces" in w.message] == [(1, 1)]


def test_names_that_are_not_here_are_free():
    assert not UNSUPPORTED.keys() & set(lisp_functions().names())
    assert printed("(print row (let ((column 3)) column)) (de clip (x) (* 2 x)) (print (clip 4))") == "() 3\n8\n"


@pytest.mark.parametrize(("text", "line", "column", "message"), ERRORS)
def test_error(text, line, column, message):
    found, *place = fault(text)
    assert message in found and place == [line, column]


@pytest.mark.parametrize(
    "text", ["(while t 1)", "(de f () (f)) (f)", "(setq i 0) (do-while t (incr i))", "(for (i 0 1e9) i)"]
)
def test_an_endless_program_ends_with_its_place(text):
    found, line, _ = fault("\n" + text, limits=Limits(steps=20_000))
    assert "is the limit" in found and line == 2


def test_memory_is_bounded():
    pytest.importorskip("resource")
    text = "(repeat 15 (setq l (range 100000)))"
    assert printed(text) == ""
    assert "bytes of memory" in fault(text, limits=Limits(memory_bytes=1))[0]
