"""Programs of Lush: what the reference (gblearn2.md, sections 1 to 5 and 14) states, and the recorded programs.

Expected values are statements of the reference, output of the original, or computed here by loops in float32.
"""

import gzip
import io
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_folder import MNIST, REFERENCE, needs_data, needs_reference
from sn28_programs import fault as sn_fault
from sn28_programs import printed as sn_printed

from snsim.errors import SnError, Source
from snsim.formatter.format import formatted
from snsim.language.limits import ACTING
from snsim.lush import LUSH, arithmetic
from snsim.lush.idx import Idx, narrow, select, transpose, unfold
from snsim.program import Host, make_interpreter, new_shelves, read_program, scratch

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = (
    *("idx-loops", "idx-tables", "xor-modules", "sources-and-costs", "own-module"),
    pytest.param("conv16", marks=pytest.mark.slow),
)


def printed(text, name="program.lsh", **more):
    """What a program of Lush prints."""
    port = io.StringIO()
    read_program(Source(name, text), port=port, **more)
    return port.getvalue()


def value(text):
    """What `print` writes for the last form of a program, or for each of several forms."""
    return printed(f"(print (progn {text}))").rstrip("\n")


def fault(text, name="program.lsh"):
    """The first fault of a program: its sentence with the remedy, its line and its column."""
    with pytest.raises(SnError) as error:
        printed(text, name)
    first = error.value.faults[0]
    assert first.span is not None and first.hint, first
    return f"{first.message} {first.hint}", first.span.line, first.span.column


@needs_reference("gblearn2-programs")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_what_the_original_printed(program, tmp_path):
    path = REFERENCE / "gblearn2-programs" / f"{program}.lsh"
    port = io.StringIO()
    with scratch() as host:
        read_program(path, port=port, limits=ACTING, around=replace(host, output=lambda: tmp_path))
    assert port.getvalue() == path.with_suffix(".expected").read_text()


@needs_reference("gblearn2-programs")
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_layout_of_a_program_is_stable(program):
    path = REFERENCE / "gblearn2-programs" / f"{program}.lsh"
    once = formatted(Source(path.name, path.read_text()))
    assert formatted(Source(path.name, once)) == once


@pytest.mark.parametrize(("name", "place"), [("edges", 0), ("xor", 1)])
def test_the_example_prints_what_the_guide_shows(name, place):
    guide = (ROOT / "docs" / "how-to" / "lush.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```text\n(.*?)^```", guide, re.M | re.S)
    assert len(shown) == 2
    port = io.StringIO()
    read_program(ROOT / "examples" / "lush" / f"{name}.lsh", port=port)
    assert port.getvalue() == shown[place]


@pytest.mark.slow
@needs_data(*MNIST)
def test_lenet5_of_modules_learns_digits(tmp_path, monkeypatch):
    """One pass over 500 digits: far better than the nine of ten that guessing misses."""
    text = (ROOT / "examples" / "lush" / "lenet5.lsh").read_text(encoding="utf-8")
    program = tmp_path / "lenet5.lsh"
    program.write_text(text.replace('"train" 2000', '"train" 500').replace("(pass 1 5)", "(pass 1 1)"))
    done = subprocess.run(
        [sys.executable, "-m", "snsim", "run", str(program)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("51046 weights\n")  # gblearn2.md, section 11
    assert float(re.search(r"correct=([\d.]+)%", done.stdout)[1]) > 60


@pytest.mark.parametrize("name", ["edges", "xor", "lenet5"])
def test_the_examples_are_laid_out(name):
    text = (ROOT / "examples" / "lush" / f"{name}.lsh").read_text(encoding="utf-8")
    assert formatted(Source(f"{name}.lsh", text)) == text


# ---- Section 1: the language ---------------------------------------------------------------------------------------

LANGUAGE = [
    # a declaration converts nothing, wherever it stands
    ("(let ((x 3.5)) ((-int-) x) x)", "3.5"),
    ("(let ((x 300)) ((-ubyte-) x) x)", "300"),
    ("(let ((x 1)) (declare (-float-) x))", "()"),
    ("(let ((x 1)) ((-idx1- (-float-)) x))", "()"),
    ("(let ((x 1)) (-flt- x))", "()"),
    ("(de f (x y) ((-idx1- (-float-)) x) ((-int-) y) (* y 2)) (f [f 1] 3)", "6"),
    ("(defclass c object a) (de f (o) ((-obj- (c)) o) 1) (f (new c))", "1"),
    ("(de f (s v) ((-str-) s) ((-list-) v) ((-gptr-) s) ((-bool-) s) ((-double-) v) ((-real-) v) s) (f 1 2)", "1"),
    ("(for (i 0 2) ((-int-) i) i)", "2"),
    ("(let* ((x 1)) ((-short-) x) ((-byte-) x) ((-idx0- (-float-)) x) ((-idx8- (-int-)) x) x)", "1"),
    # compiling words do nothing
    ("(dhc-make () f (c m))", "()"),
    ('(dhc-make-with-libs "x" ())', "()"),
    ("(dhc-make-all f)", "()"),
    # casts
    (
        "(list (int 2.7) (int -2.7) (to-int -2.7) (to-float 2.5) (to-double 2.5) (flt 2.5) (to-bool 0) (to-bool ()))",
        "(2 -2 -2 2.5 2.5 2.5 t ())",
    ),
    ('(to-str "a")', '"a"'),
    # classes: typed slots are not converted; a fresh slot is ()
    (
        "(defclass c object ((-int-) n m) ((-obj- (c)) st)) (let ((o (new c))) (setq :o:n 3.7) (list :o:n :o:m :o:st))",
        "(3.7 () ())",
    ),
    ("(defclass c object a b (k 3)) (let ((o (new c))) (list :o:a :o:k))", "(() 3)"),
    ("(defclass c object (k 3)) (let ((o (new-empty c))) (list :o:k))", "(())"),
    ("(defclass c object a) (defmethod c c (x) (setq a x)) (defclass d c b) (let ((o (new d 5))) :o:a)", "5"),
    (
        "(defclass c object a) (defmethod c c (x) (setq a x)) (defclass d c b) (defmethod d d (x) (==> this c x)) "
        "(let ((o (new d 6))) :o:a)",
        "6",
    ),
    ("(defclass c object) (defmethod c m l l) (==> (new c) m 1 2 3)", "(1 2 3)"),
    ("(defclass c object) (defmethod c m (a &optional (x 7)) (list a x)) (==> (new c) m 1)", "(1 7)"),
    ("(defclass c object) (defmethod c m (x) (cons 'got x)) (apply ==> (list (new c) 'm '(1 2)))", "(got 1 2)"),
    # slots: as the head of a call, of a computed object, of an object in a slot
    ("(defclass c object x) (let ((s (new c))) (setq :s:x (float-matrix 2)) (:s:x 1 5) (:s:x 1))", "5"),
    ("(defclass c object x) (let ((s (new c))) (setq :(car (list s)):x 4) (list :s:x :(car (list s)):x))", "(4 4)"),
    ("(defclass c object x) (let ((s (new c)) (u (new c))) (setq :s:x u) (setq :s:x:x 9) (list :u:x :s:x:x))", "(9 9)"),
    # C code is skipped by the reader
    ('(de f (x) #{ double y = $x; /* ( " */ #} x) 1', "1"),
    ('(printf "")', "()"),
    ("(flush)", "()"),
    ("(list (>= (time 1) 0) (>= (cputime 1) 0) (>= (realtime 1) 0))", "(t t t)"),
]


@pytest.mark.parametrize(("text", "expected"), LANGUAGE)
def test_language(text, expected):
    assert value(text) == expected


# ---- Sections 2 and 3: idx objects and loops -----------------------------------------------------------------------

M = "(let ((m [f [0 1 2] [3 4 5] [6 7 8] [9 10 11]])) {})"  # 4 x 3 matrix of 0..11

IDX = [
    ("(idx-dim (float-matrix 2.7))", "(2)"),
    ("(list (idx-ndim (int-matrix)) (idx-dim (int-matrix)) (let ((s (int-matrix))) (s 5) (s)))", "(0 () 5)"),
    ("(list (float-matrix-nc 1) (double-matrix-nc 1) (matrix-nc 1) (int-matrix-nc 1) (short-matrix-nc 1))",
     "([f  0.00 ] [  0.00 ] [  0.00 ] [i     0 ] [s     0 ])"),
    ("(list (byte-matrix-nc 1) (ubyte-matrix-nc 1) (array-nc 1) (atom-matrix 1) (atom-matrix-nc 1))",
     "([b     0 ] [u     0 ] #[ () #] #[ () #] #[ () #])"),
    # a literal is one object, made when it is read
    ("(de f () [f 1 2]) ((f) 0 7) (f)", "[f  7.00  2.00 ]"),
    ("(list (idx-ndim [f@ 5]) ([f@ 5]) ([d 0.1] 0) ([i 1 2] 1) ([s 1] 0) ([b -1] 0) ([u 255] 0) ([a x] 0))",
     "(0 5 0.1 2 1 -1 255 x)"),
    # elements
    ("(let ((m [f [1 2] [3 4]])) (list (m 1 0) (m () 0) (m 1 ()) (m () ())))", "(3 (1 3) (3 4) ((1 2) (3 4)))"),
    ("(let ((m (float-matrix 2 3))) (m () () '(1 2 3 4 5 6)) (m 1 () 7) (m () ()))", "((1 2 3) (7 7 7))"),
    ("(let ((m [f 1 2])) (m 0 9))", "[f  9.00  2.00 ]"),
    ("(let ((m (float-matrix 1))) (m 0 0.1) (sprintf \"%.9g\" (m 0)))", '"0.100000001"'),
    ("(let ((m (int-matrix 2))) (m 0 3.7) (m 1 -3.7) (m ()))", "(3 -3)"),
    ("(let ((m (short-matrix 2))) (m 0 3.7) (m 1 -3.7) (m ()))", "(3 -3)"),
    ("(let ((m (ubyte-matrix 2))) (m 0 300) (m 1 -1) (m ()))", "(44 255)"),
    ("(let ((m (byte-matrix 1))) (m 0 300) (m ()))", "(44)"),
    ("(let ((m (array 2))) (m 0 'x) (m 1 '(y)) (m ()))", "(x (y))"),
    # asking
    (M.format("(list (idx-dim m) (idx-dim m 1) (idx-dim m -1) (idx-dim m -2))"), "((4 3) 3 3 4)"),
    (M.format("(list (idx-nelements m) (idx-size m) (idx-modulo m) (idx-modulo m 0) (idx-offset m) (idx-bound m))"),
     "(12 48 (3 1) 3 0 (3 2))"),
    (M.format("(list (bound m) (bound m 1) (bound m 2) (idx-bound m 0))"), "((4 3) 3 2 3)"),
    (M.format("(list (indexp m) (indexp 1) (matrixp m) (matrixp (array 1)) (arrayp m) (arrayp (array 1)))"),
     "(t () t () () t)"),
    (M.format("(list (contiguousp m) (contiguousp (select m 1 0)) (contiguousp (transpose m)))"), "(t () ())"),
    # slicing shares the elements
    (M.format("((select m 0 2) 1 99) (m 2 1)"), "99"),
    (M.format("(list (idx-dim (select m 1 0)) ((select m 1 2) ()))"), "((4) (2 5 8 11))"),
    (M.format("((narrow m 0 2 1) () ())"), "((3 4 5) (6 7 8))"),
    ("((unfold [f 1 2 3 4 5 6] 0 2 2) () ())", "((1 2) (3 4) (5 6))"),
    ("(idx-dim (unfold (float-matrix 5 7) 0 3 2))", "(2 7 3)"),
    ("((transpose [f 1 2 3]) () ())", "((1 2 3))"),
    ("(idx-dim (idx-transclone (float-matrix 2 3 4) '(2 0 1)))", "(4 2 3)"),
    (M.format("((redim (select m 0 2) 3) ())"), "(0 1 2)"),
    (M.format("((redim (transpose m) 2 6) () ())"), "((0 1 2 3 4 5) (6 7 8 9 10 11))"),
    (M.format("(let ((row (select m 0 2))) (idx-redim row '(2)) (row ()))"), "(6 7)"),
    ("(let ((m [f 1 2])) ((redim m 4) ()))", "(1 2 0 0)"),  # the storage grows
    ("((diagonal [f [[1 2] [3 4]] [[5 6] [7 8]]] 2) () ())", "((1 4) (5 8))"),
    (M.format("((idx-clone m) 0 0 77) (m 0 0)"), "77"),
    (M.format("((idx-copy m) 0 0 77) (m 0 0)"), "0"),
    ("(idx-copy (transpose [i [1 2] [3 4]]))", "[i[i     1     3 ]\n  [i     2     4 ]]"),
    (M.format("((sub-index m 1 ()) ())"), "(3 4 5)"),
    (M.format("((sub-index m '(1 2) 0) ())"), "(3 6)"),
    ("(let* ((s (float-storage 6)) (a (new-index s '(2 3))) (b (new-index s '(6)))) (b 5 8) (a 1 2))", "8"),
    ("(let ((m (float-matrix 2))) ((new-index (idx-storage m) '(2)) 1 3) (m 1))", "3"),
    ("(list (int-storage 1) (double-storage 2) (ubyte-storage 1) (byte-storage 1) (short-storage 1) (atom-storage 1))",
     "(::STORAGE:<1> ::STORAGE:<2> ::STORAGE:<1> ::STORAGE:<1> ::STORAGE:<1> ::STORAGE:<1>)"),
    # words that change their argument return ()
    (M.format("(list (idx-select m 0 1) (m ()))"), "(() (3 4 5))"),
    (M.format("(list (idx-narrow m 0 1 3) (m () ()))"), "(() ((9 10 11)))"),
    ("(let ((m [f 1 2 3])) (list (idx-unfold m 0 2 1) (m () ())))", "(() ((1 2) (2 3)))"),
    ("(let ((m [f [1 2] [3 4]])) (list (idx-transpose m) (m () ())))", "(() ((1 3) (2 4)))"),
    ("(let ((m [f [1 2] [3 4]])) (list (idx-trans m '(1 0)) (m () ())))", "(() ((1 3) (2 4)))"),
    ("(let ((m [f [1 2] [3 4]])) (list (idx-diagonal m 2) (m ())))", "(() (1 4))"),
    ("(let ((m [f 1 2 3 4])) (list (idx-changedim m 0 2) (m ())))", "(() (1 2))"),
    ("(let ((m [f 1 2 3 4])) (idx-changedim m 0 2) (list (idx-changemod m 0 3) (m ())))", "(() (1 4))"),
    ("(let ((m [f 1 2 3 4])) (idx-changedim m 0 2) (list (idx-changeoffset m 2) (m ())))", "(() (3 4))"),
    ("(let ((m [f 1 2])) (list (idx-undim m) (m)))", "(() 1)"),
    # resizing keeps the elements in flat order and clears none; what is new is 0 here
    ("(let ((m [f 1 2 3 4])) (idx-m2resize m 2 3) (m () ()))", "((1 2 3) (4 0 0))"),
    ("(let ((m [f 1 2 3 4])) (idx-m1resize m 2) (idx-f1resize m 4) (m ()))", "(1 2 3 4)"),
    ("(let ((m [f 1 2 3 4])) (midx-m2resize m 2 2) (m () ()))", "((1 2) (3 4))"),
    ("(let ((m [i 1 2 3 4])) (idx-i1resize m 2) (m ()))", "(1 2)"),
    ("(let ((m [f [1 2] [3 4]])) (idx-m1resize m 2) (m ()))", "(1 2)"),
    ("(let ((m [f 1 2])) (list (idx-m3resize m 1 2 1) (idx-m4resize m 1 1 1 1) (m 0 0 0 0)))",
     "([f[f[f[f  1.00 ]]]] [f[f[f[f  1.00 ]]]] 1)"),
    # copies
    ("(idx-copy [f 1.7 -1.7] (int-matrix 2))", "[i     1    -1 ]"),
    ("(idx-copy [f 1 300 -1] (ubyte-matrix 3))", "[u     1    44   255 ]"),
    ("(let ((b (float-matrix 2))) (idx-copy [1 2] b) (b ()))", "(1 2)"),
    ("((copy-matrix [1 2 3 4] (float-matrix 2 2)) () ())", "((1 2) (3 4))"),
    # printing: 100 elements or more, and sprintf, give the short form
    ("(float-matrix 10 10)", "::INDEX2:<10x10>"),
    ('(sprintf "%l" [f 1 2])', '"::INDEX1:<2>"'),
    ('(sprintf "%l" (float-matrix 99))', '"::INDEX1:<99>"'),
    # loops
    ("(idx-bloop ((l [f 1 2]) (o [f 3 4])) (o (+ (o) (l))))", "[f  4.00  6.00 ]"),
    ("(let ((n 0)) (idx-eloop ((c [f [1 2 3] [4 5 6]])) (setq n (+ (* 10 n) (c 0)))) n)", "123"),
    ("(let ((n 0)) (idx-pbloop ((c [f 1 2 3])) (incr n (c))) (idx-peloop ((c [f 1 2 3])) (incr n (c))) n)", "12"),
    ("(let ((x [f 1 2])) (idx-bloop ((x x)) (x (* 2 (x)))) x)", "[f  2.00  4.00 ]"),
    ("(let ((v [f 1 2])) (idx-bloop ((x v)) (setq x 7)) v)", "[f  1.00  2.00 ]"),
    ("(let ((n ())) (idx-bloop ((x #[ a (b) c #])) (setq n (cons (x) n))) n)", "(c (b) a)"),
    ("(let ((n 0)) (idx-gloop ((i) (x [f 5 6 7])) (incr n (* i (x)))) n)", "20"),
    ("(let ((n ())) (list (idx-gloop ((y [i 2 0] [f 5 6 7]) (i)) (setq n (cons (list i (y)) n))) n))",
     "([i     2     0 ] ((1 5) (0 7)))"),
    # words of SN take an idx, and return one
    ("(let ((a (m+m [1 2] [3 4]))) (list a (indexp a)))", "([f  4.00  6.00 ] t)"),
    ("(= [f 1 2] [1 2])", "t"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), IDX)
def test_idx(text, expected):
    assert value(text) == expected


def test_rows_of_the_second_idx_stand_under_its_own_bracket():
    assert printed("(print [f [1 2] [3 4]] [f [5 6] [7 8]])") == (
        "[f[f  1.00  2.00 ]\n  [f  3.00  4.00 ]] [f[f  5.00  6.00 ]\n                      [f  7.00  8.00 ]]\n"
    )
    assert printed("(print [[1 2] [3 4]])") == "[[  1.00  2.00 ]\n [  3.00  4.00 ]]\n"


def test_print_shows_each_value_before_it_computes_the_next():
    text = "(let ((s (float-matrix))) (print (idx-dot [f 1 2] [f 3 4] s) (idx-dotacc [f 1 2] [f 3 4] s)))"
    assert printed(text) == "[f@ 11 ] [f@ 22 ]\n"


def test_matrices_deep_in_a_literal_are_idx():
    assert value("(let ((a '#[ ([f 1]) #[ [i 2] x #] #])) (list (indexp (car (a 0))) (indexp ((a 1) 0))))") == "(t t)"
    deep = "'" + "#[ a " * 480 + "b" + " #]" * 480
    assert printed(f"(print (idx-dim {deep}))") == "(2)\n"


def test_a_storage_that_grows_keeps_all_its_windows():
    m = Idx.of(np.arange(4, dtype=np.float32))
    window = narrow(m, 0, 2, 1)
    m.resize((10,))
    window.write(0, 7)
    assert m.array.tolist() == [0, 7, 2, 3, 0, 0, 0, 0, 0, 0]
    picture = unfold(unfold(Idx.of(np.arange(12, dtype=np.float32).reshape(3, 4)), 0, 2, 1), 1, 3, 1)
    assert (picture.sizes, picture.modulos) == ((2, 2, 2, 3), (4, 1, 4, 1))
    assert transpose(select(select(picture, 0, 1), 0, 1)).array.tolist() == [[5, 9], [6, 10], [7, 11]]


def test_matrix_files(tmp_path):
    images = np.arange(2 * 3 * 2, dtype=np.uint8).reshape(2, 3, 2)
    content = struct.pack(">BBBB3i", 0, 0, 8, 3, *images.shape) + images.tobytes()
    text = """
    (let ((m (load-matrix "images-idx3-ubyte"))) (print (idx-dim m) (m 1 2 1) (select m 0 0)))
    (let ((m [f 1.5 2])) (save-matrix m "w") (print (load-matrix "w") (map-matrix "w")))
    """
    expected = "(2 3 2) 11 [u[u     0     1 ]\n             [u     2     3 ]\n             [u     4     5 ]]\n"
    for name, stored in (("images-idx3-ubyte", content), ("images-idx3-ubyte.gz", gzip.compress(content))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(stored)
        port, output = io.StringIO(), folder / "run"
        output.mkdir()
        source = Source(str(folder / "program.lsh"), text)
        read_program(source, port=port, around=Host(output=lambda output=output: output))
        assert port.getvalue() == expected + "[f  1.50  2.00 ] [f  1.50  2.00 ]\n"


# ---- Section 4: arithmetic -----------------------------------------------------------------------------------------

ARITHMETIC = [
    ("(idx-add [f 1 2] [f 3 4] (double-matrix 2))", "[  4.00  6.00 ]"),  # the result may have another type
    ("(idx-div [i 7 -7] [i 2 2])", "[i     3    -3 ]"),  # integers are computed in their type
    ("(idx-sum [u 200 100])", "[u@ 44 ]"),  # ubyte sums wrap
    ("((idx-sum [f 1 2 3]))", "6"),
    ("(let ((s [f@ 10])) (idx-sumacc [f 1 2] s) (s))", "13"),
    ("(let ((s [f@ 0])) (idx-sumsqracc [f 1 2] s) (s))", "5"),
    ("(let ((s [f@ 10])) (idx-supacc [f 1 2] s) (s))", "10"),
    ("(let ((s [f@ 1.5])) (idx-infacc [f 1 2] s) (s))", "1"),
    ("(let ((s [f@ 1])) (idx-sqrdistacc [f 1 2] [f 3 5] s) (s))", "14"),
    ("(let ((m [f 1 2])) (list (idx-clear m) m))", "([f  0.00  0.00 ] [f  0.00  0.00 ])"),
    ("(let ((m (array 1))) (m 0 'x) (idx-clear m))", "#[ () #]"),
    ("(idx-addm0 [f 1 2] [f@ 3])", "[f  4.00  5.00 ]"),
    ("(idx-addm0acc [f 1 2] [f@ 3] [f 10 10])", "[f 14.00 15.00 ]"),
    ("(idx-dotm0acc [f 1 2] [f@ 3] [f 10 10])", "[f 13.00 16.00 ]"),
    (
        "(list (idx-sin [f 0]) (idx-cos [f 0]) (idx-exp [f 0]) (idx-atan [f 0]) (idx-log [f 1]) (idx-sqrt [f 4]))",
        "([f  0.00 ] [f  1.00 ] [f  1.00 ] [f  0.00 ] [f  0.00 ] [f  2.00 ])",
    ),
    # expmx: 1/y, where z = 1, y = 1 + 0.125 + 0.0078125 + 0.00032552083 + 1.0172526e-5 and 3 times y = y*y
    (
        '(let ((v (idx-expmx [f 0 1 -1 13]))) (sprintf "%.4f %.4f %.4f %.4f" (v 0) (v 1) (v 2) (v 3)))',
        '"1.0000 0.3679 0.3679 0.0000"',
    ),
    (
        '(let ((v (idx-dexpmx [f 0 1 -1 13]))) (sprintf "%.4f %.4f %.4f %.4f" (v 0) (v 1) (v 2) (v 3)))',
        '"1.0000 0.3679 -0.3679 0.0000"',
    ),
    ("(midx-m2oversample [f [1 2]] 1 2 (float-matrix 1 4))", "[f[f  1.00  1.00  2.00  2.00 ]]"),
    ("(idx-d2timesd2 [[1 2] [3 4]] [[1] [1]] (matrix 2 1))", "[[  3.00 ]\n [  7.00 ]]"),
    ("(idx-m2extm2acc [f [1]] [f [2]] [f [[[3]]]])", "[f[f[f[f  5.00 ]]]]"),
    # words for one type: the value is () for one dimension, the output for more
    ("(let ((m (float-matrix 2))) (list (idx-f1fill m 0.5) m))", "(() [f  0.50  0.50 ])"),
    ("(idx-f3fill (float-matrix 1 1 1) 2)", "[f[f[f  2.00 ]]]"),
    ("(idx-i2fill (int-matrix 1 1) 2.7)", "[i[i     2 ]]"),
    ("(let ((m (int-matrix 2))) (idx-i1fill m 3) (idx-i1addc m 2 m) m)", "[i     5     5 ]"),
    ("(let ((m (int-matrix 3))) (idx-i1fill-with-index m) m)", "[i     0     1     2 ]"),
    ("(idx-f3dotc [f [[1 2]]] 2 (float-matrix 1 1 2))", "[f[f[f  2.00  4.00 ]]]"),
    ("(idx-f2dotcacc [f [1 2]] 2 [f [1 1]])", "[f[f  3.00  5.00 ]]"),
    ("(idx-f3addc [f [[1 2]]] 2 (float-matrix 1 1 2))", "[f[f[f  3.00  4.00 ]]]"),
    ("(let ((z (double-matrix 2))) (idx-d1lincomb [1 2] 2 [3 4] -1 z) z)", "[ -1.00  0.00 ]"),
    ("(let ((z (float-matrix 2 2))) (idx-extf1sub [f 1 2] [f 3 5] z) z)", "[f[f -2.00 -4.00 ]\n  [f -1.00 -3.00 ]]"),
    (
        "(list (idx-d1max [1 3 2]) (idx-d1min [1 3 2]) (idx-d1sup [1 3]) (idx-d1inf [1 3]) (idx-u1max [u 3 200]))",
        "(3 1 3 1 200)",
    ),
    ("(list (idx-f1indexmax [f 1 3 3]) (idx-f1indexmin [f 2 1 1]))", "(1 1)"),
    ("(list (idx-f1avg [f 1 2]) (idx-f1prod [f 2 3 4]) (idx-f2prod [f [2 3]]))", "(1.5 24 6)"),
    (
        "(list (idx-f1logadd [f 0 0]) (idx-f1logsum [f 0 0]) (idx-f2logadd [f [0] [0]]) (idx-f2logsum [f [0 0]]))",
        "(-0.6931 0 -0.6931 0)",
    ),
    ("(idx-f1logaddb [f 0 0] 2)", "-0.3466"),  # -log(2)/2
    ("(idx-f1logdotf1 [f 0 0] [f 0.5 0.5])", "0"),
    ("(idx-f1entropy [f 1 2 3] 0.5)", "1.0258"),
    ("((idx-f1range 0 2 0.5) ())", "(0 0.5 1 1.5 2)"),
    ("(make-f2-place-target 2)", "[f[f  1.00 -1.00 ]\n  [f -1.00  1.00 ]]"),
    ("(let ((v [f 1 2 3])) (idx-f1reverse v) v)", "[f  3.00  2.00  1.00 ]"),
    ("(let ((x [f -1 0 2]) (y (float-matrix 3))) (idx-f1sign x y) (y ()))", "(-1 -1 1)"),
    ("(let ((x [f -1 0 2]) (y (float-matrix 3))) (idx-f1clip x y) (y ()))", "(0 0 2)"),
    ("(let ((x [f 2 4]) (y (float-matrix 2))) (idx-f1inv x y) (y ()))", "(0.5 0.25)"),
    ("(idx-f3dotf2 [f [[1 2] [3 4]]] [f [1 1] [1 1]] (float-matrix 1))", "[f 10.00 ]"),
    ("(idx-f3dotf3 [f [[1 2]]] [f [[3 4]]] (float-matrix))", "[f@ 11 ]"),
    ("(idx-f4dotf3 [f [[[1 2]]] [[[3 4]]]] [f [[1 1]]] (float-matrix 2))", "[f  3.00  7.00 ]"),
    ("(idx-f3dotf1 [f [[1 2]] [[3 4]]] [f 10 1] (float-matrix 1 2))", "[f[f 13.00 24.00 ]]"),
    ("(idx-f4dotf1 [f [[[1 2]]] [[[3 4]]]] [f 10 1] (float-matrix 1 1 2))", "[f[f[f 13.00 24.00 ]]]"),
    ("(idx-f3dotf1acc [f [[1 2]] [[3 4]]] [f 10 1] [f [1 1]])", "[f[f 14.00 25.00 ]]"),
    ("(idx-f1extf2 [f 1 2] [f [3 4]] (float-matrix 2 1 2))", "[f[f[f  3.00  4.00 ]]\n  [f[f  6.00  8.00 ]]]"),
    ("(idx-dim (idx-f1extf3 [f 1 2] [f [[3 4]]] (float-matrix 2 1 1 2)))", "(2 1 1 2)"),
    ("(idx-dim (idx-f3extf1 [f [[3 4]]] [f 1 2] (float-matrix 1 1 2 2)))", "(1 1 2 2)"),
    ("(idx-f3dotf2acc [f [[1 2] [3 4]]] [f [1 1] [1 1]] [f 5])", "[f 15.00 ]"),
    ("(idx-f3dotf3acc [f [[1 2]]] [f [[3 4]]] [f@ 1])", "[f@ 12 ]"),
    ("(idx-f4dotf3acc [f [[[1 2]]] [[[3 4]]]] [f [[1 1]]] [f 1 1])", "[f  4.00  8.00 ]"),
    ("(idx-d3dotd1acc [[[1 2]] [[3 4]]] [10 1] [[1 1]])", "[[ 14.00 25.00 ]]"),
    ("(idx-f4dotf1acc [f [[[1 2]]] [[[3 4]]]] [f 10 1] [f [[1 1]]])", "[f[f[f 14.00 25.00 ]]]"),
    ("(idx-f1extf2acc [f 2] [f [3]] [f [[1]]])", "[f[f[f  7.00 ]]]"),
    ("(idx-f1extf3acc [f 2] [f [[3]]] [f [[[1]]]])", "[f[f[f[f  7.00 ]]]]"),
    ("(idx-f3extf1acc [f [[3]]] [f 2] [f [[[1]]]])", "[f[f[f[f  7.00 ]]]]"),
    ("(idx-m2squextm2 [f [2]] [f [3]] (float-matrix 1 1 1 1))", "[f[f[f[f 18.00 ]]]]"),
    ("(idx-m4squdotm2acc [f [[[2]]]] [f [3]] [f [1]])", "[f[f 13.00 ]]"),
    ("(list (idx-m1squdotm1 [f 2] [f 3]) (idx-m2squdotm2 [f [2]] [f [3]]))", "([f@ 12 ] [f@ 12 ])"),
    ("(let ((v [f 1 3 2])) (idx-f1sortdown v) (v ()))", "(3 2 1)"),
    # the squared operand is the second of ...ext..., the first of ...dot...
    ("(idx-m1squextm1 [f 2] [f 3] (float-matrix 1 1))", "[f[f 18.00 ]]"),
    ("(idx-m2squextm2acc [f [2]] [f [3]] [f [[[1]]]])", "[f[f[f[f 19.00 ]]]]"),
    ("(idx-m4squdotm2 [f [[[2]]]] [f [3]] (float-matrix 1 1))", "[f[f 12.00 ]]"),
    ("(let ((s [f@ 1])) (idx-m1squdotm1acc [f 2] [f 3] s) (idx-m2squdotm2acc [f [2]] [f [3]] s) (s))", "25"),
]


@pytest.mark.parametrize(("text", "expected"), ARITHMETIC)
def test_arithmetic(text, expected):
    assert value(text) == expected


TIES = [  # equal keys; the tags 0 1 2 ... afterwards
    ([1] * 5, "up", "(1 2 3 4 0)"),
    ([1] * 5, "down", "(1 2 3 4 0)"),
    ([1] * 10, "up", "(1 2 3 4 5 6 7 8 9 0)"),
    ([1, 2, 1, 2, 1], "up", "(4 2 0 3 1)"),
    ([1, 2, 1, 2, 1], "down", "(1 3 2 4 0)"),
    ([0, 0, 1, 1, 0, 0, 2, 2, 1, 0], "up", "(1 9 0 4 5 2 8 3 6 7)"),
    ([0, 0, 1, 1, 0, 0, 2, 2, 1, 0], "down", "(6 7 2 8 3 5 4 1 9 0)"),
]


@pytest.mark.parametrize(("keys", "way", "tags"), TIES)
@pytest.mark.parametrize("letter", "fdi")
def test_equal_keys_are_sorted_as_by_the_original(keys, way, tags, letter):
    text = f"""(let ((k [{letter} {" ".join(map(str, keys))}]) (tag (int-matrix {len(keys)})))
      (idx-i1fill-with-index tag) (idx-{letter}1i1sort{way} k tag) (list (k ()) (tag ())))"""
    ordered = " ".join(map(str, sorted(keys, reverse=way == "down")))
    assert value(text) == f"(({ordered}) {tags})"


# ---- Section 5: sums in order, each product and each sum rounded to float ------------------------------------------


def added(terms, start=0.0):
    """The sum of float32 terms, one after the other."""
    total = np.float32(start)
    for term in terms:
        total = np.float32(total + np.float32(term))
    return total


@pytest.mark.parametrize("width", [1, 2, 7])
def test_sums_are_those_of_a_loop_in_float(width):
    draw = np.random.default_rng(width)
    a, b = draw.normal(size=(2, width, 300)).astype(np.float32)
    start = draw.normal(size=width).astype(np.float32)
    v = b[0]
    assert arithmetic.total(a) == added(a.ravel())
    assert arithmetic.total(a, start[0]) == added(a.ravel(), start[0])
    assert arithmetic.dot(a, b) == added((a * b).ravel())
    assert arithmetic.squared_distance(a, b) == added(((a - b) * (a - b)).ravel())
    rows = [added(row * v) for row in a]
    assert arithmetic.contract(a, v).tolist() == rows
    assert arithmetic.contract(a, v, start).tolist() == [added(row * v, s) for row, s in zip(a, start)]
    assert arithmetic.contract_squared(a, v).tolist() == [added((row * row) * v) for row in a]
    assert arithmetic.contract_first(np.ascontiguousarray(a.T), v).tolist() == rows
    assert arithmetic.matrix_product(a, b.T).tolist() == [[added(x * y) for y in b] for x in a]
    kernel = draw.normal(size=(3, 4)).astype(np.float32)
    picture = draw.normal(size=(width + 2, 20)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(picture, kernel.shape)
    expected = [[added((windows[i, j] * kernel).ravel()) for j in range(17)] for i in range(width)]
    assert arithmetic.contract(windows, kernel).tolist() == expected
    outer = arithmetic.outer_squared(a[:, 0], v[:5])
    assert outer.tolist() == [[(x * y) * y for y in v[:5]] for x in a[:, 0]]
    assert outer.dtype == np.float32


SIGMOIDS = [  # x, standard sigmoid, its derivative: the table of section 5
    (1, 1, 0.755440891),
    (2, 1.4928745, 0.278082192),
    (-3, -1.65407848, 0.0809879303),
    (6, 1.71475077, 0.00157749653),
]


@pytest.mark.parametrize(("x", "sigmoid", "derivative"), SIGMOIDS)
def test_sigmoids_have_all_digits(x, sigmoid, derivative):
    v = np.array([x], np.float32)
    assert arithmetic.stdsigmoid(v)[0] == np.float32(sigmoid)
    assert arithmetic.dstdsigmoid(v)[0] == np.float32(derivative)


# ---- What is refused -----------------------------------------------------------------------------------------------

REFUSED = [  # program, sentence or remedy, column
    ("(idx-bloop ((a [f 1 2]) (b [f 1])) a)", "looping dimension are different", 12),
    ("(idx-bloop ((a 3)) a)", "not an index", 12),
    ("(idx-bloop ((a [f@ 3])) a)", "no dimension", 12),
    ("(idx-gloop ((i)) i)", "no idx to loop over", 12),
    ("([f 1 2] 1 2 3)", "dimensions", 1),
    ("(let ((m [f [1 2]])) (m 0))", "not enough dimensions", 22),
    ("(let ((m [f [1 2]])) (m 0 2))", "subscript out of range", 27),
    ("(select [f 1 2] -1 0)", "dimension -1", 17),
    ("(select [f 1 2] 0 2)", "subscript out of range", 19),
    ("(narrow [f 1 2] 0 0 0)", "specified interval is too large", 19),
    ("(narrow [f 1 2] 0 1)", "too few arguments", 1),
    ("(unfold [f 1 2 3 4] 0 3 2)", "does not match size and step", 23),
    ("(transpose (float-matrix 2 2 2))", "3 dimensions", 12),
    ("(float-matrix 2 0)", "at least one element", 17),
    ("(float-matrix -1)", "at least one element", 15),
    ("(float-matrix 1 1 1 1 1 1 1 1 1)", "at most 8 dimensions", 1),
    ("(float-matrix 100000 100000)", "the matrix would have 1e+10 elements", 1),
    ("(idx-copy (unfold (float-matrix 100000) 0 50000 1))", "the matrix would have", 1),
    ("(idx-add [f 1] [i 1])", "Input idxs must be of the same type", 16),
    ("(idx-exp [f 1] (double-matrix 1))", "Input idxs must be of the same type", 16),
    ("(idx-dotm0 [f 1] 3)", "not an index", 18),
    ("(idx-dotm0 [f 1] [f 3])", "wrong dimensions", 18),
    ("(idx-copy [f 1 2] (float-matrix 3))", "different dimensions", 19),
    ("(copy-matrix [f 1 2] (float-matrix 3))", "different number of elements", 22),
    ("(idx-f1i1sortup (select [f [1 2] [3 4]] 1 0) (int-matrix 2))", "vector is not contiguous", 17),
    ("(idx-f1fill (double-matrix 1) 0)", "type mismatch", 13),
    # overflow, division by zero and invalid operations stop the program
    ("(idx-sqrt [f -1])", "Floating exception", 1),
    ("(idx-log [f 0])", "Floating exception", 1),
    ("(idx-inv [f 0])", "Floating exception", 1),
    ("(idx-div [i 1] [i 0])", "Floating exception", 1),
    ("(idx-mul [f 1e30] [f 1e30])", "Floating exception", 1),
    ("(idx-exp [f 100])", "Floating exception", 1),
    ("(idx-f1entropy [f 0 1] 0)", "Floating exception", 1),
    ("((float-matrix 1) 0 1e300)", "Floating exception", 1),
    ("((int-matrix 1) 0 1e10)", "Floating exception", 1),
    ("(defclass c object) (new c 1)", "takes no arguments", 28),
    ('(libload "libimage/image-io")', "there is no library libimage/image-io here; of Lush's libraries", 10),
    # the words of Lush 2, and those left out, do not exist
    ("(float-array 2)", "float-matrix", 2),
    ("(int-array 2)", "int-matrix", 2),
    ("(idx-f1sum [f 1])", 'there is no function "idx-f1sum"', 2),
    ("(idx-dotc [f 1] 2)", 'there is no function "idx-dotc"', 2),
    ("(gptr-matrix 1)", 'there is no function "gptr-matrix"', 2),
    ("(in-pool c)", 'there is no function "in-pool"', 2),
]


@pytest.mark.parametrize(("text", "sentence", "column"), REFUSED)
def test_refused(text, sentence, column):
    message, line, place = fault(text)
    assert sentence in message
    assert (line, place) == (1, column)


def test_c_code_is_refused_where_it_would_run_and_the_rest_of_the_file_runs():
    text = "(de fast (x)\n  #{ $x *= 2; #})\n(print 1)\n(fast 3)"
    with pytest.raises(SnError) as error:
        printed(text)
    message = error.value.faults[0].message
    assert message == "C inside Lisp cannot run here: fast (program.lsh:2)"
    assert "idx-bloop" in error.value.faults[0].hint
    assert printed(text.removesuffix("(fast 3)")) == "1\n"
    text = '(defclass c object)\n(defmethod c go () (cinline "x"))\n(==> (new c) go)'
    assert fault(text)[0].startswith("C inside Lisp cannot run here: go (program.lsh:2)")
    assert "cidx-bloop" in LUSH.names() and "C inside Lisp" in fault("(cidx-bloop (i) 1)")[0]


# ---- Which programs are programs of Lush ---------------------------------------------------------------------------


def test_a_program_of_sn_stays_one():
    text = "(print (matrixp [f 1 2]))"
    assert sn_printed(text) == "[f  1.00  2.00 ]\n" and printed(text) == "t\n"
    assert 'there is no function "idx-bloop"' in sn_fault("(idx-bloop ((x [f 1])) x)")[0]
    assert "is not a slot" in sn_fault("(defclass c object ((-int-) n))")[0]


@pytest.mark.parametrize("library", ["gblearn2/gb-modules", "libidx/idx-float", "/usr/lib/lush/gblearn2/net-lenet5",
                                     "demos/dsource-mnist"])  # fmt: skip
def test_a_library_of_lush_changes_a_program_from_there_on(library):
    text = f"""(print (matrixp [f 1 2]))
    (defvar before [f 1 2])
    (libload "{library}")
    (print (matrixp [f 1 2]) (idx-dim before) (idx-add before [f 1 1]))
    (defclass c object ((-int-) n))
    (let ((x 1)) ((-int-) x) (print x))"""
    assert sn_printed(text) == "[f  1.00  2.00 ]\nt (2) [f  2.00  3.00 ]\n1\n"


def test_the_suffix_is_known_to_formatter_editor_and_colours(tmp_path, capsys):
    from pygments.lexers import get_lexer_for_filename
    from pygments.token import Comment, Name

    from snsim.cli.main import main
    from snsim.editor import vscode
    from snsim.editor.diagnostics import check_text
    from snsim.editor.hover_and_completion import Cursor, explanation, proposals
    from snsim.editor.lexer import SnLexer

    program = tmp_path / "a.lsh"
    program.write_text("(idx-bloop ((x [f 1 2]))\n(x 0))\n")
    assert main(["fmt", str(tmp_path)]) == 0
    assert program.read_text() == "(idx-bloop ((x [f 1 2]))\n  (x 0))\n"
    assert main(["check", str(program)]) == 0
    assert main([str(program)]) == 2 and f"snsim run {program}" in capsys.readouterr().err
    assert isinstance(get_lexer_for_filename("a.lsh"), SnLexer)
    pieces = list(SnLexer().get_tokens("(idx-sum :(f x):s) #{ int i; ( #}"))
    assert (Name.Builtin, "idx-sum") in pieces and (Comment.Special, "#{ int i; ( #}") in pieces
    text = "(idx-blo ((x [f 1])) x)"
    (fault,) = check_text(Source("a.lsh", text)).faults
    assert "idx-bloop" in fault.hint
    assert "idx-bloop" in {p.name for p in proposals(Cursor(Source("a.lsh", text), 8), [])}
    assert "idx-bloop" not in {p.name for p in proposals(Cursor(Source("a.sn", text), 8), [])}
    assert "slices of m" in explanation(Cursor(Source("a.lsh", "(idx-bloop)"), 5), [])
    assert '".lsh"' in vscode.files()["package.json"]


# ---- Every word ----------------------------------------------------------------------------------------------------


@needs_reference("gblearn2-programs")
def test_every_word_is_tried_here_or_in_a_program():
    """One of several words with the same help is enough: idx-f1fill and idx-d3fill, idx-m1add and idx-add."""
    texts = [text for text, *_ in (*LANGUAGE, *IDX, *ARITHMETIC, *REFUSED)]
    texts += [path.read_text() for path in (REFERENCE / "gblearn2-programs").glob("*.lsh")]
    tried = set(re.findall(r"[^\s()\[\]'\"]+", " ".join(texts)))
    tried |= {"cinline", "load-matrix", "map-matrix", "net-of", "new-lenet5", "same-class?"}  # in tests of their own

    def meaning(entry):
        arguments, text = entry.doc.split(": ", 1)
        text = re.sub(r" \(another name of .*|, for (float|double)", "", text)
        return text, arguments.count(" ") if "resize" in entry.name else 0

    known = {meaning(entry) for entry in LUSH if entry.name in tried}
    assert [entry.name for entry in LUSH if meaning(entry) not in known] == []


VALUES = ["3", "-1", "0", "2.7", "1e300", "1e12", "()", "'a", '"s"', "'(1 2)", "'(1 a)", "[1 2 3]", "[f 1 2 3]",
          "[f [1 2] [3 4]]", "[i 1 2 0]", "[u 200 100]", "[f@ 2]", "[f@ 0]", "[a 1 x]", "(float-matrix 2 3 2)",
          "(unfold [f 1 2 3 4 5] 0 3 1)", "(unfold (float-matrix 100000) 0 50000 1)", "t", "car", "(float-storage 3)",
          "(array 2)", "[f -1 -2]", "[d 1e300]", "[f 3e38 3e38]"]  # fmt: skip


def test_any_arguments_of_any_word_give_a_value_or_a_fault_with_its_place():
    interpreter = make_interpreter(new_shelves(), Host(), io.StringIO())
    interpreter.run(Source("begin.lsh", '(libload "libidx/idx-float")'))
    draw = np.random.default_rng(1)
    values = 0
    for name in LUSH.names():
        for count in (0, 1, 1, 2, 2, 3, 3, 4, 5):
            interpreter.reset_limits()
            likely = str(draw.choice(VALUES))
            arguments = [likely if draw.random() < 0.5 else str(draw.choice(VALUES)) for _ in range(count)]
            try:
                interpreter.run(Source("program.lsh", f"(print ({' '.join([name, *arguments])}))"))
                values += 1
            except SnError as error:
                assert all(fault.span is not None and fault.hint for fault in error.faults), (name, arguments)
    assert values > 100
