"""A translated part of a program computes what the evaluator computes when it walks the forms.

Every program runs twice: walked only, and translated at once (`often` is 1). Values, output, warnings, errors with
their places, and the numbers of steps up to the end must be equal.
"""

import random

import pytest
from lisp_programs import Program

from snsim.errors import SnError
from snsim.language.limits import Limits

NEVER = 10**9


def outcome(text, often, limits):
    """Everything that can be seen of a run: the value or the error, the output, the warnings, the steps."""
    program = Program(limits=limits)
    program.interpreter.often = often
    try:
        result = program.run(text)
    except SnError as error:
        result = [
            (str(fault), fault.message, fault.span and (fault.span.start, fault.span.end)) for fault in error.faults
        ]
    interpreter = program.interpreter
    steps = interpreter.budget.steps if isinstance(result, str) else None
    return (
        result,
        program.port.getvalue(),
        [(fault.message, fault.span and fault.span.start) for fault in interpreter.warnings],
        steps,
        len(interpreter.calls),
    )


def check(text, limits=Limits()):
    walked = outcome(text, NEVER, limits)
    translated = outcome(text, 1, limits)
    assert translated == walked, text
    return walked[0]


PROGRAMS = {
    "a function": ("(de fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (fib 12)", "144"),
    "a loop": ("(setq s 0) (for (i 10 1 -2) (incr s i)) s", "30"),
    "loops in loops": ("(setq s 0) (for (i 1 5) (let ((j 0)) (while (< j i) (incr j) (incr s j)))) s", "35"),
    "a value of repeat": ("(setq i 0) (repeat 7 (incr i) (* i i))", "49"),
    "dynamic scope": ("(de g () x) (de f (x) (g)) (setq x 1) (all ((i '(1 2 3 4))) (+ (f i) x))", "(2 3 4 5)"),
    "let in parallel": ("(setq a 1 b 2) (repeat 5 (let ((a b) (b a)) (+ (* 10 a) b)))", "21"),
    "let* in turn": ("(setq a 1) (repeat 5 (let* ((a (+ a 1)) (b (* 2 a))) (list a b)))", "(2 4)"),
    "cond": (
        "(de f (x) (cond ((< x 0) 'no) ((= x 0)) (t (list x) 'yes))) (list (f -1) (f 0) (f 1) (f 2))",
        "(no () yes yes)",
    ),
    "and, or": ("(de f (x y) (list (and x y) (or x y) (and) (or))) (f 1 ()) (f () 2) (f () 2)", "(() 2 t ())"),
    "strings are compared": ('(de f (a b) (list (< a b) (= a b) (>= a b))) (f 1 2) (f 1 2) (f "a" "b")', "(t () ())"),
    "the sign of zero": ("(de f (x) (/ 1 (+ x x))) (repeat 3 (on-error 0 (f 2)))", "0.25"),
    "a matrix": ("(setq m (matrix 3 3)) (for (i 0 2) (for (j 0 2) (m i j (+ (* 3 i) j)))) (m () 2)", "(2 5 8)"),
    "a vector": ("(setq m (matrix 4)) (for (i 1 3) (m i (+ (m (- i 1)) i))) (m ())", "(0 1 3 6)"),
    "the program changes its own text": (
        "(setq l '(+ x 1)) (setq x 5) (de f () (eval l)) "
        "(setq h (cons 'lambda (cons () (cons l ())))) (setq r ())"
        "(for (i 1 6) (when (= i 4) (rplaca l '-)) (setq r (cons (apply h ()) r))) r",
        "(4 4 4 6 6 6)",
    ),
    "a loop changes its own text": (
        "(setq n 0 loop '(for (i 1 6) (incr n 1) (when (= i 3) (rplaca (cddr (nth 2 loop)) 10)))) (eval loop) n",
        "33",
    ),
    "a form is added behind": (
        "(setq n 0 f '(progn (when (= n 2) (nconc1 f '(incr n 10))) (incr n))) (repeat 5 (eval f)) n",
        "35",
    ),
    "a built-in is redefined in a loop": (
        "(setq r ()) (for (i 1 5) (when (= i 3) (de bitor (x) (* 10 x))) (setq r (cons (bitor i) r))) r",
        "(50 40 30 2 1)",
    ),
    "the first form of a loop is redefined": (
        "(setq r ()) (for (i 1 5) (setq r (cons (bitor i) r)) (when (= i 3) (de bitor (x) (* 10 x))) (incr i)) r",
        "(50 40 3 2 1)",
    ),
    "a built-in is bound": (
        "(de f (list) (list 1)) (de g (x) (list x)) (g 1) (g 1) (setq a (f (lambda (x) 7))) (list a (g 2))",
        "(7 (2))",
    ),
    "a function is redefined in a loop": (
        "(de f (x) 1) (setq s 0) (for (i 1 6) (incr s (f i)) (when (= i 3) (de f (x) 10))) s",
        "33",
    ),
    "a function becomes a macro": (
        "(de f (x) x) (setq s 0) (for (i 1 4) (setq s (+ s (f (+ i 0)))) (when (= i 2) (dm f (n x) 100))) s",
        "203",
    ),
    "a macro replaces its call": ("(dmd twice (x) `(* 2 ,x)) (setq s 0) (for (i 1 5) (incr s (twice i))) s", "30"),
    "a variable becomes a matrix": ("(setq f car s ()) (for (i 1 4) (setq s (cons (f '0) s)) (setq f [7 8])) s", None),
    "an error in a loop": ("(for (i 1 9) (+ 1\n (if (= i 7) (car 'a) i)))", None),
    "an error in a condition": ("(setq i 0) (while (< i (if (= i 5) 'x 9)) (incr i))", None),
    "an error of arguments": ("(de f (x) x) (repeat 5 (f 1)) (repeat 2 (f 1 2))", None),
    "an error in an argument": ("(de f (x y) (+ x (* y y)))\n(f 1 2) (f 1 2) (f 1 2) (f 1 'a)", None),
    "division by zero": ("(for (i 3 -3 -1) (/ 1\n i))", None),
    "too large": ("(setq x 10) (repeat 400 (setq x (* x 10)))", None),
    "a step of 0": ("(setq d 2) (repeat 3 (for (i 0 10 d) i) (incr d -1))", None),
    "no number of times": ("(setq n 2) (repeat 3 (repeat n 1) (setq n ()))", None),
    "on-error": ("(setq r ()) (de f (x) (on-error (setq r (cons x r)) (+ 1 (car x)))) (f '(1)) (f '(2)) (f 3)", None),
    "an unset variable": ("(setq a 1) (repeat 4 (list a nowhere)) (list nowhere)", "(())"),
    "a read-only variable": ("(repeat 3 (setq t 1))", None),
    "incr of a text": ('(setq a "x") (repeat 3 (incr a))', None),
    "incr by a text": ('(setq a 1) (repeat 3 (incr a "x"))', None),
    "an inner binding ends by an error": ("(setq x 1) (de f (y) (let ((x 2)) (car y))) (f ()) (f ()) (f 'z)", None),
    "dotted forms": ("(de f () (+ 1 . 2)) (f)", None),
    "no list of bindings": ("(de f () (let ((a)) a)) (f)", None),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_translated_is_the_program_walked(name: str) -> None:
    text, value = PROGRAMS[name]
    result = check(text)
    if value is not None:
        assert result == value


def test_the_limits_are_those_of_the_evaluator() -> None:
    for depth in range(20, 60):
        check("(de f (n) (if (= n 0) 0 (let ((m (- n 1))) (+ 1 (f m))))) (f 12)", Limits(depth=depth))
    for steps in (100, 101, 150, 777):
        walked, translated = (outcome("(setq i 0) (while t (incr i))", o, Limits(steps=steps))[0] for o in (NEVER, 1))
        assert [fault[1] for fault in walked] == [fault[1] for fault in translated]
    for text in ("(de f (n) (+ 1 (f n))) (f 1)", "(de f (n) (f n)) (f 1)", "(de f (n) (let ((a 1)) (f n))) (f 1)"):
        check(text, Limits(depth=500))


class Draw:
    """Draws a random program of a small Lisp."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, *choices):
        return self.random.choice(choices)

    def atom(self) -> str:
        return self.one("a", "b", "c", "x", "y", "1", "2", "0", "-1.5", "'(1 2 3)", "()", '"s"', "l", "m", "unset", "t")

    def forms(self, depth: int, most: int = 3) -> str:
        return " ".join(self.form(depth) for _ in range(self.random.randint(1, most)))

    def form(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.15:
            return self.atom()
        d = depth - 1
        name = self.one("a", "b", "c", "x", "l")
        operator = self.one("+", "-", "*", "/", "<", ">=", "=", "<>", "list", "cons", "max", "mod", "and", "or", "eq")
        return self.one(
            lambda: f"({operator} {self.form(d)} {self.form(d)})",
            lambda: f"({operator} {self.form(d)} {self.form(d)})",
            lambda: (
                f"({self.one('car', 'cdr', 'not', '1+', 'bitor', '2/', '0=', 'length', 'print', '-')} {self.form(d)})"
            ),
            lambda: f"(if {self.form(d)} {self.form(d)} {self.forms(d)})",
            lambda: f"(when {self.form(d)} {self.forms(d)})",
            lambda: f"(cond ({self.form(d)} {self.forms(d)}) ({self.form(d)}) (t {self.forms(d)}))",
            lambda: f"(let (({name} {self.form(d)}) (y {self.form(d)})) {self.forms(d)})",
            lambda: f"(let* (({name} {self.form(d)}) (y {self.form(d)})) {self.forms(d)})",
            lambda: f"(setq {name} {self.form(d)})",
            lambda: f"(setq {name} {self.form(d)} b {self.form(d)})",
            lambda: f"(incr {name} {self.form(d)})",
            lambda: f"(for (i 1 {self.one('3', 'a', '2')}) {self.forms(d)})",
            lambda: f"(repeat {self.one('3', 'b', '2')} {self.forms(d)})",
            lambda: f"(let ((n 0)) (while (< n 3) (incr n) {self.forms(d)}))",
            lambda: f"(f {self.form(d)} {self.form(d)})",
            lambda: f"(g {self.form(d)})",
            lambda: f"(m {self.form(d)})",
            lambda: f"(m {self.form(d)} {self.form(d)})",
            lambda: f"(progn {self.forms(d)})",
            lambda: f"(mapcar (lambda (x) {self.forms(d)}) l)",
            lambda: f"(rplaca (nth {self.one('1', '2', '3')} code) {self.form(1)})",
            lambda: f"(de {self.one('g', 'bitor')} (x) {self.forms(1)})",
        )()

    def program(self) -> str:
        return (
            f"(setq a 1 b 2 c 3 x 4 l '(1 2) m [1 2 3] n 0 code '({self.form(3)} {self.form(2)} (+ a 1)))\n"
            f"(de f (x y) (incr n) (if (> n 40) 0 {self.forms(4)}))\n(de g (x) {self.forms(2)})\n"
            "(for (k 1 4) (print (list k a b c x))\n (f k a)\n"
            " (apply (cons 'lambda (cons () code)) ()))\n(list a b c l)"
        )


@pytest.mark.parametrize("part", range(4))
def test_random_programs_translated_are_the_programs_walked(part: int) -> None:
    for seed in range(part * 150, part * 150 + 150):
        text = Draw(seed).program()
        check(text, Limits(steps=200_000, depth=300))
