"""Sections 6 to 11 of docs/reference/gblearn2.md, sentence by sentence: a small program each, and what it prints.

The expected values follow from the sentence by hand. What the sections state beside this is in test_lush_modules.py.
"""

from __future__ import annotations

import io
from pathlib import Path
from textwrap import dedent

import pytest

from snsim.errors import SnError, Source
from snsim.program import Host, read_program

# Sentence: program, what it prints, and the beginning of the fault with which it ends ("" for none).
SENTENCES = {
    "6: each state class is a child of the former; root idx-state, gb-state; own slots, latest first": (
        r"""
    (each ((c (list idx0-state idx1-dstate idx2-ddstate idx3-state idx4-dstate idx-state)))
      (print (classname c) (classname (super c)) (slots c)))
    """,
        """
    idx0-state idx-state (x)
    idx1-dstate idx1-state (dx)
    idx2-ddstate idx2-dstate (ddx)
    idx3-state idx-state (x)
    idx4-dstate idx4-state (dx)
    idx-state gb-state (ddx dx x)
    """,
        '',
    ),
    "6: save returns the file name; load needs the same number of elements, not the same shape, and returns x": (
        r"""
    (let ((s (new idx2-state 2 3)) (q (new idx1-ddstate 6)) (r (new idx1-state 5)))
      (:s:x 1 2 7)
      (print (==> s save "S.mat"))
      (print (==> q load "S.mat"))
      (print :q:dx)
      (==> r load "S.mat"))
    """,
        """
    "S.mat"
    [f  0.00  0.00  0.00  0.00  0.00  7.00 ]
    [f  0.00  0.00  0.00  0.00  0.00  0.00 ]
    """,
        'load: matrices have different number of elements: 6 in S.mat, 5 in the state',
    ),
    "6: a class-state has no save and no load": (
        r"""
    (let ((c (new class-state 2))) (==> c save "x"))
    """,
        """

    """,
        'class class-state has no method save',
    ),
    "6: lclass-state: rows x columns, and n x rows x columns": (
        r"""
    (let ((c (new lclass-state 2 3 4)))
      (print (idx-dim :c:output-class) (idx-dim :c:confidence) (idx-dim :c:sorted-classes) (idx-dim :c:sorted-scores))
      (==> c resize 1 2)
      (print (idx-dim :c:output-class) (idx-dim :c:sorted-classes)))
    """,
        """
    (2 3) (2 3) (4 2 3) (4 2 3)
    (1 2) (4 1 2)
    """,
        '',
    ),
    "6: the slots that each class of params adds": (
        r"""
    (each ((c (list idx1-param idx1-dparam idx1-dparam-eps idx1-ddparam)))
      (print (classname c) (classname (super c)) (slots c)))
    """,
        """
    idx1-param object (x)
    idx1-dparam idx1-param (deltas dx)
    idx1-dparam-eps idx1-dparam (temp epsilons)
    idx1-ddparam idx1-dparam-eps (xaverage ddeltas ddx)
    """,
        '',
    ),
    "6: inertia 0: x -= eta dx, deltas untouched; else deltas = (1 - inertia) dx + inertia deltas": (
        r"""
    (let ((p (new idx1-dparam 2 0)))
      (:p:deltas 0 5)
      (:p:dx 0 1)
      (==> p update 0.5 0)
      (print :p:x :p:deltas)
      (==> p update 0.5 0.25)
      (print :p:deltas :p:x))
    """,
        """
    [f -0.50  0.00 ] [f  5.00  0.00 ]
    [f  2.00  0.00 ] [f -1.50  0.00 ]
    """,
        '',
    ),
    "6: epsilons are 1 as far as reserve goes, and return after a resize down and up; reserve preallocates": (
        r"""
    (let ((p (new idx1-dparam-eps 0 3)))
      (==> p alloc-idx1-state 2)
      (print :p:epsilons)
      (==> p alloc-idx1-state 2)
      (print :p:epsilons)
      (==> p set-epsilon 4)
      (==> p resize 1)
      (==> p resize 4)
      (print :p:epsilons))
    (print (idx-dim (progn (setq q (new idx1-ddparam 2 100)) :q:x)) (==> q size))
    """,
        """
    [f  1.00  1.00 ]
    [f  1.00  1.00  1.00  0.00 ]
    [f  4.00  4.00  4.00  4.00 ]
    (2) 2
    """,
        '',
    ),
    "6: alloc appends windows at the old end, of each kind of state": (
        r"""
    (let ((p (new idx1-ddparam 0 0)) (l ()))
      (each
        ((m '(alloc-idx0-state alloc-idx1-dstate alloc-idx2-ddstate alloc-idx3-ddstate alloc-idx4-state))
         (z '(() (2) (2 1) (1 2 1) (1 1 2 1))))
        (setq l (cons (apply ==> (cons p (cons m z))) l)))
      (print (all ((s l)) (classname (classof s))) (==> p size))
      (:p:x 0 0)
      (let ((s (nth 2 l))) (:s:x 1 0 0))
      (for (k 0 8) (:p:x k k))
      (each ((s (reverse l))) (print :s:x)))
    """,
        """
    (idx4-state idx3-ddstate idx2-ddstate idx1-dstate idx0-state) 9
    [f@ 0 ]
    [f  1.00  2.00 ]
    [f[f  3.00 ]
      [f  4.00 ]]
    [f[f[f  5.00 ]
        [f  6.00 ]]]
    [f[f[f[f  7.00 ]
          [f  8.00 ]]]]
    """,
        '',
    ),
    "6: idx1-param allocates states without dx": (
        r"""
    (==> (new idx1-param 0 0) alloc-idx1-dstate 2)
    """,
        """

    """,
        'class idx1-param has no method alloc-idx1-dstate',
    ),
    "6: get is a copy; set takes the same length": (
        r"""
    (let ((p (new idx1-param 2 0)))
      (==> p set [f 1 2])
      (let ((copy (==> p get))) (copy 0 9) (print :p:x))
      (==> p set [f 1 2 3])
      (print 'not 'reached))
    """,
        """
    [f  1.00  2.00 ]
    """,
        'set: arguments have the wrong dimensions: 3 for a param of 2 elements',
    ),
    "6: load takes any numeric type of the same length; load, save and set return ()": (
        r"""
    (let ((p (new idx1-ddparam 3 0)))
      (save-matrix [d 1 2 3] "D.mat")
      (print (==> p load "D.mat") :p:x)
      (save-matrix [i 4 5 6] "I.mat")
      (==> p load "I.mat")
      (print :p:x (==> p save "P.mat"))
      (print (load-matrix "P.mat"))
      (save-matrix [f 1 2] "F.mat")
      (==> p load "F.mat"))
    """,
        """
    () [f  1.00  2.00  3.00 ]
    [f  4.00  5.00  6.00 ] ()
    [f  4.00  5.00  6.00 ]
    """,
        'load: arguments have the wrong dimensions: 2 for a param of 3 elements',
    ),
    "6: set-epsilons takes a float vector": (
        r"""
    (let ((p (new idx1-ddparam 2 0))) (print (==> p set-epsilons [f 1 2]) :p:epsilons) (==> p set-epsilons [d 1 2]))
    """,
        """
    () [f  1.00  2.00 ]
    """,
        'idx1-ddparam set-epsilons: v is an idx of double, 2, not a vector of type float',
    ),
    "6: idx1-param has no update": (
        r"""
    (==> (new idx1-param 2 0) update 1 0)
    """,
        """

    """,
        'class idx1-param has no method update',
    ),
    "6: growing beyond reserve keeps all windows valid": (
        r"""
    (let* ((p (new idx1-ddparam 0 1)) (s (==> p alloc-idx2-ddstate 2 2)))
      (:s:x 1 1 3)
      (==> p alloc-idx1-ddstate 1000)
      (:s:x 0 0 8)
      (print (:p:x 3) (:p:x 0)))
    """,
        """
    3 8
    """,
        '',
    ),
    "7: idx3-module is the identity; load, save and forget do nothing; the root is gb-module": (
        r"""
    (let ((m (new idx3-module)) (s (new idx3-ddstate 2 1 1)) (o (new idx3-ddstate 1 1 1)))
      (:s:x 1 0 0 4)
      (==> m fprop s o)
      (print :o:x (==> m save "none") (==> m load "none") (==> m forget 1 2))
      (:o:dx 0 0 0 3)
      (:s:dx 0 0 0 9)
      (==> m bprop s o)
      (print :s:dx)
      (:o:ddx 1 0 0 2)
      (==> m bbprop s o)
      (print :s:ddx))
    (each ((c (list noop-module id-module idx1-module idx3-module idx4-module gb-module)))
      (print (classname c) (classname (super c))))
    """,
        """
    [f[f[f  0.00 ]]
      [f[f  4.00 ]]] () () ()
    [f[f[f  3.00 ]]
      [f[f  0.00 ]]]
    [f[f[f  0.00 ]]
      [f[f  2.00 ]]]
    noop-module gb-module
    id-module gb-module
    idx1-module gb-module
    idx3-module gb-module
    idx4-module gb-module
    gb-module object
    """,
        '',
    ),
    "7: input gradients are overwritten, parameter gradients accumulate": (
        r"""
    (let*
      ((p (new idx1-ddparam 0 10)) (f (new f-layer 1 1 1 1 (new idx3-module) p)) (s (new idx3-ddstate 1 1 1))
       (o (new idx3-ddstate 1 1 1)))
      (:p:x 0 2)
      (:s:x 0 0 0 3)
      (==> f fprop s o)
      (:o:dx 0 0 0 1)
      (==> f bprop s o)
      (==> f bprop s o)
      (print :o:x :p:dx :s:dx)
      (:o:ddx 0 0 0 1)
      (==> f bbprop s o)
      (==> f bbprop s o)
      (print :p:ddx :s:ddx))
    """,
        """
    [f[f[f  6.00 ]]] [f  6.00  2.00 ] [f[f[f  2.00 ]]]
    [f 18.00  2.00 ] [f[f[f  4.00 ]]]
    """,
        '',
    ),
    "7: the order of allocation: weight, bias; kernel, bias; coeff, bias": (
        r"""
    (let*
      ((p (new idx1-ddparam 0 10)) (m (new idx3-module)) (f (new f-layer 1 2 1 1 m p))
       (c (new c-layer 1 2 1 1 [i[0 0]] 1 1 1 m p)) (s (new s-layer 1 1 2 1 1 m p)))
      (for (k 0 10) (:p:x k k))
      (print :f:weight:x :f:bias:x :c:kernel:x :c:bias:x :s:coeff:x :s:bias:x))
    """,
        """
    [f[f  0.00 ]
      [f  1.00 ]] [f  2.00  3.00 ] [f[f[f  4.00  5.00 ]]] [f  6.00 ] [f  7.00  8.00 ] [f  9.00 10.00 ]
    """,
        '',
    ),
    "7: e-layer: half squared distance; bbprop sets in:ddx to 1 and adds nothing; p of forget has no effect": (
        r"""
    (let* ((p (new idx1-ddparam 0 10)) (e (new e-layer 2 1 p)) (s (new idx3-ddstate 2 1 1)) (o
       (new idx3-ddstate 1 1 1)))
      (:p:x 0 1)
      (:p:x 1 -1)
      (:s:x 0 0 0 3)
      (:s:x 1 0 0 2)
      (==> e fprop s o)
      (print :o:x)
      (:o:dx 0 0 0 2)
      (==> e bprop s o)
      (print :s:dx :p:dx)
      (:o:ddx 0 0 0 5)
      (==> e bbprop s o)
      (print :s:ddx :p:ddx)
      (seed 3)
      (==> e forget 0.5 1)
      (let ((a (==> p get))) (seed 3) (==> e forget 0.5 7) (print ((idx-sqrdist a :p:x)))))
    """,
        """
    [f[f[f  6.50 ]]]
    [f[f[f  4.00 ]]
      [f[f  6.00 ]]] [f -4.00 -6.00 ]
    [f[f[f  1.00 ]]
      [f[f  1.00 ]]] [f  0.00  0.00 ]
    0
    """,
        '',
    ),
    "7: e-layer-sparse: units see pieces; inputs that no unit sees get dx 0; in:ddx is 1": (
        r"""
    (let*
      ((p (new idx1-ddparam 0 10)) (e (new e-layer-sparse 2 [i 0 2] p)) (s (new idx3-ddstate 5 1 1))
       (o (new idx3-ddstate 1 1 1)))
      (==> e set-proto [f[1 2] [3 4]])
      (print :p:x :e:offset (idx-dim :e:weight:x))
      (==> e fprop s o)
      (print :o:x)
      (:o:dx 0 0 0 1)
      (:o:dx 1 0 0 1)
      (==> e bprop s o)
      (print :s:dx)
      (==> e bbprop s o)
      (print :s:ddx))
    """,
        """
    [f  1.00  2.00  3.00  4.00 ] [i     0     2 ] (2 2)
    [f[f[f  2.50 ]]
      [f[f 12.50 ]]]
    [f[f[f -1.00 ]]
      [f[f -2.00 ]]
      [f[f -3.00 ]]
      [f[f -4.00 ]]
      [f[f  0.00 ]]]
    [f[f[f  1.00 ]]
      [f[f  1.00 ]]
      [f[f  1.00 ]]
      [f[f  1.00 ]]
      [f[f  1.00 ]]]
    """,
        '',
    ),
    "7: logadd-layer: -log mean exp(-x); share of the place; ddx without share; one place: a copy": (
        r"""
    (let ((l (new logadd-layer 1 1 1)) (s (new idx3-ddstate 1 1 2)) (o (new idx1-ddstate 1)))
      (:s:x 0 0 0 1)
      (:s:x 0 0 1 1)
      (==> l fprop s o)
      (print :o:x)
      (:o:dx 0 4)
      (==> l bprop s o)
      (print :s:dx)
      (:o:ddx 0 4)
      (==> l bbprop s o)
      (print :s:ddx :l:expdist :l:sumexp)
      (==> s resize 1 1 1)
      (:s:x 0 0 0 7)
      (==> l fprop s o)
      (print :o:x))
    """,
        """
    [f  1.00 ]
    [f[f[f  2.00  2.00 ]]]
    [f[f[f  4.00  4.00 ]]] ::idx3-ddstate ::idx1-ddstate
    [f  7.00 ]
    """,
        '',
    ),
    "7: si and sj only preallocate": (
        r"""
    (let*
      ((p (new idx1-ddparam 0 10)) (f (new f-layer 2 3 4 5 (new idx3-module) p)) (s (new idx3-ddstate 2 1 1))
       (o (new idx3-ddstate 1 1 1)))
      (==> f fprop s o)
      (print (idx-dim :o:x) (==> p size)))
    """,
        """
    (3 1 1) 9
    """,
        '',
    ),
    "8: energy:dx is 0 at first; edist: dx = (out - proto) energy:dx, ddx = energy:dx; label2classindex": (
        r"""
    (let
      ((c (new edist-cost [i 0 1] 1 1 [f[1 0] [0 1]])) (s (new idx3-ddstate 2 1 1)) (e (new idx0-ddstate)) (d
         (int-matrix)))
      (d 1)
      (==> c fprop s d e)
      (print (:e:x) :c:label2classindex :c:proto (idx-dim :c:dist:x))
      (==> c bprop s d e)
      (print :s:dx)
      (:e:dx 2)
      (==> c bprop s d e)
      (print :s:dx)
      (==> c bbprop s d e)
      (print :s:ddx))
    (each ((c (list edist-cost wedist-cost mle-cost mmi-cost))) (print (slots c)))
    (let ((c (new mle-cost [i 4 1] 1 1))) (print :c:label2classindex))
    """,
        """
    0.5 [i     0     1 ] [f[f  1.00  0.00 ]
                           [f  0.00  1.00 ]] (1 1 1)
    [f[f[f  0.00 ]]
      [f[f -0.00 ]]]
    [f[f[f  0.00 ]]
      [f[f -2.00 ]]]
    [f[f[f  2.00 ]]
      [f[f  2.00 ]]]
    (logadded-dist logadder dist label2classindex proto)
    (w logadded-dist logadder dist label2classindex proto)
    (logadded-dist logadder dist label2classindex)
    (junk-param priors)
    [i    -1     1    -1    -1     0 ]
    """,
        '',
    ),
    "8: edist over places: -log mean exp(-d), dx with the share, ddx without": (
        r"""
    (let ((c (new edist-cost [i 0] 1 2 [f[1]])) (s (new idx3-ddstate 1 1 2)) (e (new idx0-ddstate)) (d (int-matrix)))
      (:e:dx 3)
      (==> c fprop s d e)
      (printf "%.6f\n" (:e:x))
      (==> c bprop s d e)
      (print :s:dx)
      (==> c bbprop s d e)
      (print :s:ddx))
    """,
        """
    0.500000
    [f[f[f -1.50 -1.50 ]]]
    [f[f[f  3.00  3.00 ]]]
    """,
        '',
    ),
    "8: wedist: 0.5 sum w d d; dx = d w energy:dx, ddx = w energy:dx": (
        r"""
    (let
      ((c (new wedist-cost [i 0 1] 1 1 [f[1 0] [0 1]] [f[1 1] [2 3]])) (s (new idx3-ddstate 2 1 1)) (e
         (new idx0-ddstate))
       (d (int-matrix)))
      (d 1)
      (:s:x 0 0 0 2)
      (:e:dx 2)
      (==> c fprop s d e)
      (print (:e:x))
      (==> c bprop s d e)
      (print :s:dx)
      (==> c bbprop s d e)
      (print :s:ddx))
    """,
        """
    5.5
    [f[f[f  8.00 ]]
      [f[f -6.00 ]]]
    [f[f[f  4.00 ]]
      [f[f  6.00 ]]]
    """,
        '',
    ),
    "8: weighted-mse-cost: desired is label and row of w, negative: all weights 1; it is no idx3-cost": (
        r"""
    (let
      ((c (new weighted-mse-cost [i 0 1] 1 1 [f[1 0] [0 1]] [f[1 1] [2 3]])) (s (new idx3-ddstate 2 1 1))
       (e (new idx0-ddstate)) (d (int-matrix 2)))
      (d 0 1)
      (d 1 0)
      (:s:x 0 0 0 2)
      (:e:dx 1)
      (==> c fprop s d e)
      (print (:e:x))
      (d 1 1)
      (==> c fprop s d e)
      (print (:e:x))
      (d 1 -1)
      (==> c fprop s d e)
      (print (:e:x))
      (==> c bprop s d e)
      (print :s:dx)
      (print (classname (super weighted-mse-cost)) (classname (super edist-cost)) (classname (super ledist-cost))))
    """,
        """
    2.5
    5.5
    2.5
    [f[f[f  2.00 ]]
      [f[f -1.00 ]]]
    gb-module idx3-cost gb-module
    """,
        '',
    ),
    "8: mle: the output of the unit; ddx at every place without share; unknown labels: 0, no gradient": (
        r"""
    (let ((c (new mle-cost [i 3 5] 1 1)) (s (new idx3-ddstate 2 1 2)) (e (new idx0-ddstate)) (d (int-matrix)))
      (:s:x 1 0 0 2)
      (:s:x 1 0 1 2)
      (:e:dx 1)
      (:e:ddx 4)
      (d 5)
      (==> c fprop s d e)
      (print (:e:x))
      (==> c bprop s d e)
      (print :s:dx)
      (==> c bbprop s d e)
      (print :s:ddx)
      (each ((l '(-1 4 99))) (d l) (==> c fprop s d e) (==> c bprop s d e) (print (:e:x) ((idx-sumsqr :s:dx)))))
    """,
        """
    2
    [f[f[f  0.00  0.00 ]]
      [f[f  0.50  0.50 ]]]
    [f[f[f  0.00  0.00 ]]
      [f[f  4.00  4.00 ]]]
    0 0
    0 0
    0 0
    """,
        '',
    ),
    "8: mmi: j is sqrt(2c); its dx is set, its ddx untouched; ddx = energy:ddx everywhere": (
        r"""
    (let*
      ((p (new idx1-ddparam 0 5)) (c (new mmi-cost [i 0 1] [f 0.4 0.4 0.2] 1 1 p)) (s (new idx3-ddstate 2 1 1))
       (e (new idx0-ddstate)) (d (int-matrix)))
      (print :p:x (idx-ndim :c:junk-param:x))
      (==> c set-junk-cost 2)
      (print :p:x)
      (:e:dx 1)
      (:e:ddx 3)
      (:p:dx 0 50)
      (:p:ddx 0 60)
      (==> c fprop s d e)
      (==> c bprop s d e)
      (==> c bbprop s d e)
      (printf "%.6f %.6f\n" (:e:x) (:p:dx 0))
      (print :s:ddx :p:ddx))
    """,
        """
    [f  0.00 ] 0
    [f  2.00 ]
    0.726421 -0.065453
    [f[f[f  3.00 ]]
      [f[f  3.00 ]]] [f 60.00 ]
    """,
        '',
    ),
    "8: a desired label that is none of the labels, in wedist-cost": (
        r"""
    (let ((c (new wedist-cost [i 0 2] 1 1 [f[1] [2]] [f[1] [1]])) (s (new idx3-ddstate 1 1 1)) (e (new idx0-ddstate)))
      (==> c fprop s [i@ 1] e))
    """,
        """

    """,
        'wedist-cost: illegal parameter: the desired label 1 is none of the labels 0 2',
    ),
    "8: a desired label that is none of the labels, in weighted-mse-cost": (
        r"""
    (let ((c (new weighted-mse-cost [i 0 2] 1 1 [f[1] [2]] [f[1] [1]])) (s (new idx3-ddstate 1 1 1)) (e
       (new idx0-ddstate)))
      (==> c fprop s [i 7 0] e))
    """,
        """

    """,
        'weighted-mse-cost: illegal parameter: the desired label 7 is none of the labels 0 2',
    ),
    "8: the machine runs module, classifier and cost; use leaves the cost out": (
        r"""
    (let*
      ((p (new idx1-ddparam 0 9))
       (m
         (new idx3-supervised-module (new f-layer 1 2 1 1 (new idx3-module) p)
            (new edist-cost [i 8 9] 1 1 [f[1 0] [0 1]])
              (new max-classer [i 8 9]))) (s (new idx3-ddstate 1 1 1)) (o (new class-state 1)) (e (new idx0-ddstate))
       (d (int-matrix)))
      (for (k 0 3) (:p:x k k))
      (:s:x 0 0 0 1)
      (d 8)
      (print (slots idx3-supervised-module))
      (==> m fprop s o d e)
      (print :m:mout:x :o:output-class :o:confidence :o:sorted-classes :o:sorted-scores (:e:x)
             (classname (classof :m:mout)))
      (:s:x 0 0 0 -2)
      (==> m use s o)
      (print :o:output-class (:e:x)))
    """,
        """
    (classifier cost mout machine)
    [f[f[f  2.00 ]]
      [f[f  4.00 ]]] 9 4 [i     9     8 ] [f  4.00  2.00 ] 8.5 idx3-ddstate
    8 8.5
    """,
        '',
    ),
    "9: defaults of the trainer, ages, positions of the source, values of its messages, saliencies": (
        r"""
    (let*
      ((p (new idx1-ddparam 0 9))
       (m
         (new idx3-supervised-module (new f-layer 1 2 1 1 (new idx3-module) p)
            (new edist-cost [i 8 9] 1 1 [f[1 0] [0 1]])
              (new max-classer [i 8 9]))) (t1 (new supervised-gradient m p))
       (ds (new dsource-idx3fl [f[[[1]]] [[[2]]] [[[-1]]]] [i 8 9 8])) (meter (new classifier-meter)))
      (print (slots supervised-gradient) (:t1:energy:dx) (:t1:energy:ddx) :t1:age (classname (classof :t1:input))
             (classname (classof :t1:output)) (classname (classof :t1:energy)) (idx-ndim :t1:desired))
      (print (==> t1 train ds meter 0.1) :t1:age (==> ds tell))
      (print (==> t1 train-online ds meter 2 0.1) :t1:age (==> ds tell))
      (print (==> t1 compute-diaghessian ds 2 0.5) (==> ds tell) :p:ddeltas)
      (print (==> t1 test ds meter) (==> ds tell) (==> meter info))
      (print (==> t1 test-sample ds meter 1) (==> meter info))
      (print (==> t1 train ds meter 0.1) (==> meter info) :meter:age)
      (==> t1 test ds meter)
      (print :meter:age :t1:age)
      (print (==> t1 saliencies ds 2))
      (print :p:x :p:ddeltas))
    """,
        """
    (desired output (age 0) energy input param machine) 1 0 0 idx3-ddstate class-state idx0-ddstate 0
    (2 3 0.5 33.3333 66.6667 0) 3 0
    (4 5 0.5 40 60 0) 5 2
    (0.6667 0.6667) 1 [f  1.00  1.00  1.00  1.00 ]
    0 0 (5 3 0.5 33.3333 66.6667 0)
    (1 9 9 0 0.5) (5 3 0.5 33.3333 66.6667 0)
    (7 3 0.503 33.3333 66.6667 0) (7 3 0.503 33.3333 66.6667 0) 7
    8 8
    [f  0.00  0.02  0.01  0.00 ]
    [f -0.03  0.13  0.12  0.07 ] [f  2.50  2.50  1.00  1.00 ]
    """,
        '',
    ),
    "9: kappa > 0: update-xaverage kappa; kappa < 0: -kappa/(1 + age)": (
        r"""
    (let* ((p (new idx1-dparam 0 9))) (print (slots idx1-ddparam)))
    (let*
      ((p (new idx1-ddparam 0 9))
       (m
         (new idx3-supervised-module (new f-layer 1 1 1 1 (new idx3-module) p) (new edist-cost [i 0] 1 1 [f[1]])
              (new max-classer [i 0]))) (t1 (new supervised-gradient m p)) (ds (new dsource-idx3fl [f[[[1]]]] [i 0]))
       (meter (new classifier-meter)))
      (==> p set-epsilon 1)
      (==> t1 train ds meter 0.5 0 0.5)
      (print :p:x :p:xaverage)
      (==> t1 train ds meter 0 0 -1)
      (print :p:xaverage :t1:age))
    """,
        """
    (xaverage ddeltas ddx)
    [f  0.50  0.50 ] [f  0.25  0.25 ]
    [f  0.38  0.38 ] 2
    """,
        '',
    ),
    "9: a meter's file has the counts, not the age": (
        r"""
    (let ((m (new classifier-meter)) (n (new classifier-meter)))
      (setq :m:age 7 :m:size 3 :m:total-error 2 :m:total-energy 1.5 :m:energy 0.5 :m:confidence 0.1 :m:total-correct 1
            :m:total-punt 0)
      (==> m save "M")
      (==> n load "M")
      (print :n:age :n:size :n:total-error :n:total-energy :n:energy :n:confidence :n:total-correct))
    """,
        """
    0 3 2 1.5 0.5 0.1 1
    """,
        '',
    ),
    "10: next wraps to 0 and returns the new index; the map of a permute is the identity at first; classes and slots": (
        r"""
    (let ((ds (new dsource-idx3fl (float-matrix 3 1 1 1) [i 0 1 2])))
      (print (==> ds size) (==> ds seek 2) (==> ds next) (==> ds tell) (==> ds next)))
    (let* ((ds (new dsource-idx3fl (float-matrix 3 1 1 1) [i 0 1 2])) (p (new dsource-idx3l-permute ds)))
      (print :p:map (==> p size)))
    (each
      ((c
         (list dsource-idx3l dsource-idx3fl dsource-idx3ul dsource-idx3l-narrow dsource-idx3l-permute
            dsource-idx3l-concat
               dsource-mnist)))
      (print (classname c) (classname (super c)) (slots c)))
    """,
        """
    3 2 0 0 1
    [i     0     1     2 ] 3
    dsource-idx3l dsource ()
    dsource-idx3fl dsource-idx3l (labels inputs)
    dsource-idx3ul dsource-idx3l (coeff bias labels inputs)
    dsource-idx3l-narrow dsource-idx3l (offset size base)
    dsource-idx3l-permute dsource-idx3l (map base)
    dsource-idx3l-concat dsource-idx3l (b a)
    dsource-mnist dsource-idx3l (coeff bias height width labels inputs)
    """,
        '',
    ),
    "10: (v + bias) coeff; the frame is (bias coeff + bias) coeff; starts are cut down; width before height": (
        r"""
    (let ((ds (new dsource-mnist [u[[1 2] [3 4]]] [u 7] 4 3 2 10)) (s (new idx3-state 1 1 1)) (l (int-matrix)))
      (==> ds fprop s l)
      (print (l))
      (for (i 0 2) (for (j 0 3) (printf " %g" (:s:x 0 i j))) (printf "\n")))
    """,
        """
    7
     220 30 40 220
     220 50 60 220
     220 220 220 220
    """,
        '',
    ),
    "10: offset and size of narrow-db must be positive": (
        r"""
    (new dsource-idx3l-narrow (new dsource-idx3fl (float-matrix 3 1 1 1) [i 0 1 2]) 2 -1)
    """,
        """

    """,
        'offset and size of narrow-db must be positive: -1 and 2',
    ),
    "11: slots, order of allocation and of forget; thickness is 1 + the largest target": (
        r"""
    (each ((c (list net-ff net-cscf net-cscscf))) (print (slots c)))
    (print (classname (super net-ff)) (classname (super net-cscscf)))
    (let* ((p (new idx1-ddparam 0 99)) (n (new net-ff 1 1 1 1 1 p)))
      (print (==> p size))
      (:p:x 0 1)
      (:p:x 1 2)
      (:p:x 2 3)
      (:p:x 3 4)
      (print :n:f0-module:weight:x :n:f0-module:bias:x :n:f1-module:weight:x (classname (classof :n:f0-module:squash)))
      (seed 5)
      (==> n forget 1 1)
      (let ((a (:p:x 0)) (b (:p:x 2)))
        (seed 5)
        (let ((r1 (rand -1 1)) (r2 (rand -1 1))) (print (< (abs (- a r2)) 0.00001) (< (abs (- b r1)) 0.00001)))))
    (let* ((p (new idx1-ddparam 0 99)) (n (new net-cscf 6 6 3 3 (full-table 1 2) 2 2 2 2 [i[0 0] [1 2]] 2 p)))
      (print :n:c0-module:thickness :n:c2-module:thickness (==> p size)))
    """,
        """
    (f1-module f0-state f0-module)
    (f-module c2-state c2-module s0-state s0-module c0-state c0-module)
    (f-module c2-state c2-module s1-state s1-module c1-state c1-module s0-state s0-module c0-state c0-module)
    idx3-module idx3-module
    4
    [f[f  1.00 ]] [f  2.00 ] [f[f  3.00 ]] idx3-squasher
    t t
    2 3 43
    """,
        '',
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_of_the_reference(sentence: str, tmp_path: Path) -> None:
    text, expected, message = SENTENCES[sentence]
    port, fault = io.StringIO(), ""
    try:
        read_program(Source("sentence.lsh", dedent(text)), port=port, around=Host(output=lambda: tmp_path))
    except SnError as error:
        fault = error.faults[0].message
    assert port.getvalue().strip() == dedent(expected).strip()
    assert fault.startswith(message) and bool(fault) == bool(message)
