"""Small trainings that together use everything that a training may ask of an engine, with random patterns."""

from __future__ import annotations

import io
from functools import cache

import numpy as np

from snsim.data.examples import Examples, Split
from snsim.errors import Source
from snsim.program import read_program
from snsim.training.prepare import PreparedData, prepare_data
from snsim.training.spec import Training

_NETS = """
(net maps (default (nlf sn-tanh) (bias map))
  (layer input (2 8 8)) (layer h1 (5 6 6)) (layer h2 (3 3 3)) (layer h3 9 (bias unit)) (layer output 4 (bias unit))
  (connect input h1 (mask 3 3)) (connect h1 h2 (mask 2 2) (step 2)) (connect h2 h3 (full) (weight-norm))
  (connect (h3 input) output (full)))
(net pruned (default (nlf sn-tanh) (bias map))
  (layer input (2 8 8)) (layer h1 (5 6 6)) (layer h2 (3 3 3)) (layer output 4 (bias unit))
  (connect input h1 (mask 3 3)) (connect h1 h2 (mask 2 2) (step 2)) (connect h2 output (full)))
(net dense (layer input (8 8)) (layer h1 11) (layer output 4) (connect input h1 (full)) (connect h1 output (full)))
(net shared (default (nlf sn-tanh) (bias map))
  (layer input (2 8 8)) (layer (h1 t1) (5 6 6)) (layer (h2 t2) (5 3 3)) (layer output 4 (bias unit))
  (connect input h1 (mask 3 3)) (connect input t1 (weights-of input h1))
  (connect h1 h2 (max-mask 2 2) (step 2)) (connect t1 t2 (average-mask 2 2) (step 2))
  (connect h2 output (full)) (connect t2 output (weights-of h2 output)))
(net towers (default (nlf sn-tanh) (bias none))
  (layer left (8 8) (input)) (layer (h1 t1) (3 6 6)) (layer right (8 8) (input)) (layer output 4 (bias unit))
  (connect left h1 (mask 3 3)) (connect right t1 (weights-of left h1)) (connect (h1 t1 right) output (full)))
(net softmax (like dense) (layer output (nlf linear)))
(net coded (layer input (2 8 8)) (layer h1 (2 6 6)) (layer h2 5)
  (layer output 4 (nlf (- 0 x)) (bias none))
  (connect input h1 (mask 3 3) (table one-to-one)
    (codes (0.1 - 0.3 0.2 -0.3 0.1 x 0.5 0.2) ((- 0.1 -) (- x -) (0 x 0))))
  (connect h1 h2 (full))
  (connect h2 output (full) (distance) (fixed) (codes (x x - - x) (- x - x -) (x - 0.5 x x) (- - - - -))))
"""
_OWN = "(define-update counted () (seen) (setq seen (+ seen 1)) (setq w (- w (/ (* rate g) n))))"

# By name: the net and the clauses. Every one of them runs in a page too, unless its name begins with "run".
_TRAININGS = {
    "plain": ("dense", "(update sgd) (epsilon 0.02)"),
    "momentum": ("maps", "(update sgd (alpha 0.9) (decay 0.001)) (epsi-sqrt 0.05) (order shuffled)"),
    "batches": ("maps", "(update sgd (alpha 0.5)) (epsilon 0.02) (order shuffled once) (batch 7 mean)"),
    "whole-set": ("dense", "(update sgd) (epsilon 0.005) (batch all sum)"),
    "random-order": ("dense", "(update sgd) (mask-epsi 0.1) (order random) (he)"),
    "adamw": ("maps", "(update adamw (decay 0.01)) (epsilon (linear 1e-3 1e-4)) (batch 4 mean) (glorot)"),
    "cross-entropy": ("softmax", "(cost cross-entropy) (update sgd) (epsi-inv 0.5)"),
    "map": ("coded", "(cost map 3) (update lm (mu 1)) (epsilon 0.01)"),
    "map-full-curvature": ("coded", "(cost map 3) (update newton (mu 1)) (epsilon 0.01)"),
    "newton": ("maps", "(update lm (mu 0.02)) (epsilon 0.01)"),
    "full-curvature": ("dense", "(update newton (mu 0.1)) (epsilon 0.01)"),
    "held-curvature": (
        "maps",
        "(update lm (mu 0.02) (curvature 20)) (epsilon (steps (0.01 1) (0.005))) (order shuffled)",
    ),
    "held-in-batches": ("dense", "(update lm (mu 0.02) (curvature 300)) (epsilon 0.01) (batch 5 sum)"),
    "dropout": ("maps", "(update sgd) (epsilon 0.02) (dropout 0.25 h3 input h1)"),
    "several-inputs": (
        "towers",
        "(update lm (mu 0.5)) (epsilon 0.02) (input-noise 0.1) (theta 0.1) (dropout 0.25 right h1 left)",
    ),
    "noise": ("maps", "(update sgd) (epsilon 0.02) (input-noise (linear 0.3 0)) (theta 0.1) (dropout 0.5 h2)"),
    "shift": ("maps", "(update sgd) (epsilon 0.02) (augment (shift 2 0.5)) (order shuffled) (input-noise 0.1)"),
    "wrapped": ("dense", "(update sgd) (epsilon 0.02) (augment (shift 1 wrap))"),
    "decays": ("maps", "(update sgd) (epsilon 0.02) (epsilon 0 h1) (decay 0.01 h2) (decay 0.1 biases)"),
    "own-rule": ("dense", "(update counted) (epsilon (steps (0 1) (0.5))) (constant 0.1 biases)"),
    "stages": (
        "maps",
        "(stage (passes 1) (update sgd (alpha 0.5)) (epsilon 0.02))"
        "(stage (passes 2) (update lm (mu 0.1)) (epsilon (linear 0.01 0.001)) (order shuffled))"
        "(stage (passes 1) (update sgd (alpha 0)) (epsilon 0.01) (theta 0.1))",
    ),
    "shared": (
        "shared",
        "(epsi-sqrt 0.02) (stage (passes 1) (update lm)) (stage (passes 1) (update sgd (alpha 0.5)) (batch 7 mean))"
        "(stage (prune 0.1 connections) (passes 1) (batch 1))",
    ),
    "pruning": (
        "dense",
        "(update sgd (alpha 0.5)) (epsi-sqrt 0.05) (stage (passes 1)) (stage (prune 0.3 connections) (passes 1))"
        "(stage (prune 0.2 weights) (update lm) (epsilon 0.01) (passes 1))",
    ),
    "pruning-first": ("pruned", "(update sgd (alpha 0.5)) (mask-epsi 0.05) (prune 0.4 weights) (fan-in weights)"),
    "pruning-of-maps": (
        "pruned",
        "(epsi-inv 0.1) (update sgd (alpha 0.5) (decay 0.01)) (order shuffled) (stage (passes 1))"
        "(stage (prune 0.3) (batch 7 mean) (passes 1)) (stage (prune 0.3 weights) (passes 2))"
        "(stage (update lm) (epsi-sqrt 0.05) (passes 1))",
    ),
    "run-conjugate": ("dense", "(update conjugate-gradient (mu 1))"),
}
FEATURES = list(_TRAININGS)
PAGE_FEATURES = [name for name in FEATURES if not name.startswith("run")]


@cache
def program_of(name: str) -> tuple[Training, PreparedData]:
    """The training of this name, of 3 passes or its stages, and its data."""
    net, clauses = _TRAININGS[name]
    shape = (8, 8) if net in ("dense", "softmax") else (2, 8, 8)
    draw = np.random.default_rng(5)
    kinds = draw.integers(0, 4, 460)
    prototypes = draw.normal(0, 0.5, (4, *shape))
    x = (prototypes[kinds] + draw.normal(0, 0.3, (460, *shape))).round(3)
    passes = "" if "(stage" in clauses else "(passes 3)"
    off = 0 if "cross-entropy" in clauses or "(cost map" in clauses else -1
    d = np.where(np.eye(4)[kinds] > 0, 1.0, off)
    row = f"[[{'0 ' * x[0].size}]] [[1 0 0 0]]"
    text = f"{_NETS}{_OWN}(train t (net {net}) (data (examples {row})) {clauses} {passes})"
    training = read_program(Source("features.sn", text), port=io.StringIO()).trainings.get("t")
    train, test = (Split(x[part], None, d[part]) for part in (slice(0, 303), slice(303, 460)))
    return training, prepare_data(training, Examples("features", train, test, "", ""), "float32")
