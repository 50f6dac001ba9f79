"""Learning: what `train` forms mean and refuse, places, schedules, update rules against oracles, criteria, scores."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snsim import engines
from snsim.data.examples import Examples, Split
from snsim.data.patterns import from_matrices
from snsim.engines.plan import plan
from snsim.engines.protocol import Settings
from snsim.errors import SnError, Source
from snsim.network.clauses import DEFAULT, Faults
from snsim.network.complete_form import complete_form
from snsim.network.net import Parameter
from snsim.program import Program, read_program
from snsim.training.choose_engine import build_engine
from snsim.training.criteria import CRITERIA
from snsim.training.initial import INITIALISERS, WeightsToDraw, initial_weights, stream_generator
from snsim.training.initial_files import load_initial
from snsim.training.loop import presentation_order, train
from snsim.training.parameter_scopes import StatementsByScope, rates_in_pass
from snsim.training.prepare import PreparedData, prepare_data
from snsim.training.schedule import check_steps_fill, fit_stages, fit_value, value_at
from snsim.training.scores import score_outputs
from snsim.training.spec import Scope, ScopedValue, Training, Value

NETS = """
(net small (default (nlf tanh)) (layer input 3) (layer h 4) (layer output 2)
  (connect input h (full)) (connect h output (full)))
(net shared (default (nlf tanh)) (layer input (6 6)) (layer h (2 4 4) (bias map)) (layer output 3 (nlf linear))
  (connect input h (mask 3 3)) (connect h output (full)))
(net held (layer input 4) (layer h 4) (layer output 2 (bias none))
  (connect input h (one-to-one) (fixed 1)) (connect h output (full)))
(net identity (layer input 4) (layer output 4 (bias none)) (connect input output (one-to-one) (fixed 1)))
"""


def program(text: str) -> Program:
    return read_program(Source("test.sn", NETS + text), port=io.StringIO())


def training(clauses: str, name: str = "t") -> Training:
    return program(f"(train {name} {clauses})").trainings.get(name)


def faults(text: str) -> list[str]:
    """For every fault of the text: what stands at its place, and its message."""
    with pytest.raises(SnError) as caught:
        program(text)
    return [
        f"{'' if f.span is None else f.span.source.text[f.span.start : f.span.end]} | {f.message}"
        for f in caught.value.faults
    ]


def data_for(chosen: Training, patterns: int = 12, seed: int = 0) -> PreparedData:
    """Random patterns with targets of two values, as many as the net has units."""
    draw = np.random.default_rng(seed)
    layers = chosen.net.layers
    targets = np.where(np.eye(layers[-1].units)[draw.integers(0, layers[-1].units, patterns)] > 0, 0.8, -0.8)
    return prepare_data(chosen, from_matrices(draw.normal(size=(patterns, layers[0].units)), targets))


def engine_for(chosen: Training, name: str = "reference", dtype: type = np.float64, seed: int = 1):  # type: ignore[no-untyped-def]
    made = engines.build(name, plan(chosen.net), chosen.cost, chosen.stages[0].rule, dtype)
    made.load_parameters(initial_weights(chosen, seed))
    return made


# ---- Forms -------------------------------------------------------------------------------------------------------

BASE = "(net small) (data digits) (passes 3) (epsilon 0.1)"

FAULTS = [  # the clauses of a (train t ...), and for each fault what stands at its place and how its sentence begins
    (
        "(net small)",
        [
            "form | no data: this training does not say which patterns",
            "form | no passes: this training does not say how often",
            "form | no learning rate, and the update rule sgd has",
        ],
    ),
    ("(data digits) (passes 1) (epsilon 1)", ['t | no net: this training names none, and there is no net "t"']),
    ("(net smal) (data digit) (passes 1)", ['smal | unknown net "smal"', 'digit | unknown data set "digit"']),
    (
        BASE + " (dropout 1 h h output wrong)",
        [
            "1 | the dropout probability must be from 0 to below 1, not 1",
            "h | layer h is listed twice",
            "output | the output layer cannot have dropout",
            'wrong | there is no layer "wrong"',
        ],
    ),
    (
        BASE + " (theta -1) (prune 1)",
        [
            "(theta -1) | noise has a standard deviation of 0 or more, not",
            "1 | the fraction to cut is between 0 and 1",
        ],
    ),
    (BASE + " (prune 0.5 layers)", ["layers | (prune ...) cuts connections or weights, not"]),
    (
        BASE + " (update conjugate-gradient (alpha 1))",
        [
            "(epsilon 0.1) | (epsilon ...) has no effect: the update rule conjugate-gradient has",
            'alpha | update rule conjugate-gradient has no option "alpha"',
        ],
    ),
    (
        BASE + " (update conjugate-gradient) (order shuffled) (theta 1)",
        [
            "(epsilon 0.1) | (epsilon ...) has no effect: the update rule conjugate-gradient has",
            "(order shuffled) | (order ...) has no effect: each pass of conjugate-gradient",
            "(theta 1) | (theta ...) has no effect: each pass of conjugate-gradient",
        ],
    ),
    (BASE + " (epsi 1)", ["epsi | in SN (epsi x) divides x by the fan-in;"]),
    (BASE + " (epsi-sqrt 1)", ["(epsi-sqrt 1) | the rate everywhere is stated twice in this form"]),
    (BASE + " (epsilon 1 h (bias h) h)", ["h | the rate of h is stated twice in this"]),
    (
        BASE + " (epsilon 1 hh input (connect input output))",
        [
            'hh | net small has no layer "hh"',
            "input | nothing enters input, the input layer of net small",
            "(connect input output) | net small does not connect input to output",
        ],
    ),
    (
        BASE + " (epsilon (linear 1) (bias))",
        [
            "(linear 1) | (linear ...) takes 2 arguments, 1 given",
            "(bias) | a scope is biases, a layer, (bias LAYER), (connect FROM TO) or",
        ],
    ),
    ("(net small) (data digits) (passes 1) (epsilon a)", ["a | the value of (epsilon ...) must be a number, not"]),
    (BASE + " (epsilon -1 h)", ["-1 | a learning rate cannot be negative: -1"]),
    (
        "(net held) (data digits) (passes 1) (epsilon 1) (forget 1 (connect input h)) (epsilon 0 (bias output))",
        [
            "(connect input h) | the weights of (connect input h) are fixed: they",
            "(bias output) | layer output of net held has no bias",
        ],
    ),
    (
        "(net small) (data digits) (passes 1) (epsilon 1 h)",
        ["form | no learning rate for h_output.weight, output.bias, and the update"],
    ),
    (
        BASE + " (update sgd (alpha (steps (0.1 1) (0.2 1))) (beta 1) (decay))",
        [
            "(steps (0.1 1) (0.2 1)) | the steps fill 2 passes, the training or stage",
            'beta | update rule sgd has no option "beta"',
            "(decay) | (decay ...) takes 1 argument, 0 given",
        ],
    ),
    (
        BASE + " (update lm (gamma 0.1) (curvature 5))",
        ["(gamma 0.1) | (curvature N) replaces the running mean of h"],
    ),
    (BASE + " (update sgd (curvature 5))", ['curvature | update rule sgd has no option "curvature"']),
    (BASE + " (batch 4)", ["(batch 4) | (batch N) must say whether the gradient is"]),
    (BASE + " (batch 4 median)", ["median | a batch uses the sum or the mean, not"]),
    (
        BASE + " (order once) (seed 1 1) (correct lms) (cost thlms 1 2) (fan-in half)",
        [
            "(order once) | (order once) is not valid",
            "1 | seed 1 is stated twice",
            "(correct lms) | (correct lms ...) takes 1 number, 0 given",
            "2 | cost thlms takes at most 1 number, not 2",
            "(fan-in half) | (fan-in half) is not valid",
        ],
    ),
    (
        BASE + " (augment (shift 1 0)) (frame 9 9 0)",
        [
            "(augment (shift 1 0)) | the input layer input has 3 units and no",
            "(frame 9 9 0) | the frame is 9 x 9, the input layer",
        ],
    ),
    (BASE + " (passes 4)", ["passes | (passes ...) is stated twice in this train"]),
    (
        BASE + " (cost cross-entropy)",
        [
            "(cost cross-entropy) | cross-entropy takes the softmax of the outputs itself, so",
            "(cost cross-entropy) | cross-entropy needs targets that sum to 1; -1 and",
        ],
    ),
    (
        "(net shared) (data digits) (passes 1) (epsilon 1) (cost cross-entropy) (targets 0.1 0.9)",
        ["(targets 0.1 0.9) | cross-entropy needs targets that sum to 1; 0.1 and"],
    ),
    (
        "(net small) (passes 1) (epsilon 1) (data (examples [[1 2]] [[1 2] [3 4]])) (targets 0 1)",
        [
            "(examples [[1 2]] [[1 2] [3 4]]) | 1 rows of inputs, 2 rows of targets",
            "[[1 2]] | 2 inputs per pattern, 3 units in layer input",
            "(targets 0 1) | (targets ...) has no effect: examples and patterns state their",
        ],
    ),
    (
        BASE + " (stage (epsilon 1) (passes 2))",
        [
            "(passes 3) | (passes ...) has no effect: the first stage has its own",
            "(epsilon 0.1) | (epsilon ...) has no effect: the first stage states its",
        ],
    ),
    (
        "(net small) (data digits) (stage (epsilon 1)) (repeat 2 (stage (frame 1 1 1) (passes 2)))",
        ["(stage (epsilon 1)) | no passes: this stage does not say how often", 'frame | stage has no clause "frame"'],
    ),
    (
        BASE + ' (initial "a.npz") (forget 1)',
        ["(forget 1) | (forget ...) has no effect: (initial ...) gives every weight"],
    ),
    (
        BASE + " (glorot 1) (he h (linear 1 2) output) (forget 2)",
        [
            "1 | (glorot ...) takes no number, but the number 1 is given",
            "(linear 1 2) | (he ...) takes no number, but the list (linear ...) is",
        ],
    ),
    (
        BASE + " (glorot) (he h) (he hh (bias h) (bias)) (forget 1) (constant 0 h)",
        [
            'hh | net small has no layer "hh"',
            "(bias) | a scope is biases, a layer, (bias LAYER), (connect FROM TO) or",
            "(forget 1) | the initial weight everywhere is stated twice in",
            "h | the initial weight of h is stated twice in this",
        ],
    ),
    (BASE + " (published (misses 3))", ['misses | unknown figure "misses"']),
    (BASE + ' (note "read this" 3)', ["3 | a note must be a text in quotes, not the number 3"]),
    (BASE + " (like u)", ["(like u) | (like ...) must be the first clause", 'u | unknown training "u"']),
]


@pytest.mark.parametrize(("clauses", "wanted"), FAULTS, ids=[str(i) for i in range(len(FAULTS))])
def test_every_fault_of_a_training_at_its_place(clauses: str, wanted: list[str]) -> None:
    text = f"(train t {clauses})"
    found = [fault.replace(text, "form") for fault in faults(text)]
    assert len(found) == len(wanted), found
    for message, start in zip(found, wanted):
        assert message.startswith(start), found


def test_a_broken_net_or_training_is_told_once() -> None:
    found = faults(
        "(net bad (layer input 2))\n(train bad (data digits) (passes 1) (epsilon 1))\n"
        "(train more (like bad))\n(train last (net bad) (data digits) (passes x) (epsilon 1))"
    )
    assert len(found) == 2 and found[0].startswith("bad | net bad has")
    assert found[1].startswith("x | the passes must be a number")


def test_a_name_twice_has_both_places() -> None:
    with pytest.raises(SnError) as caught:
        program(f"(train t {BASE})\n(train t {BASE})")
    (fault,) = caught.value.faults
    assert fault.span is not None and fault.also[0][1].line == fault.span.line - 1


def test_own_costs_and_updates_are_checked() -> None:
    found = faults(
        '(define-update u ((rate 1) (k 2)) (w) (setq g 1))\n(define-update v () () "help" (setq v 1))\n'
        "(define-cost lms (x d) (* x d))\n(define-cost c (d x) x)\n(define-cost e (x d (k 1)) (* q k))"
    )
    assert [fault.split(" | ")[0] for fault in found] == ["rate", "w", "g", "v", "lms", "(d x)", "q"]


def test_like_merges_place_by_place_and_drops_what_nothing_reads() -> None:
    made = program("""
      (define-update sign () () (setq w (- w (* 0.01 (sgn g)))))
      (train a (net small) (data digits) (passes 4) (epsilon 0.1) (epsilon 0.2 h output) (constant 0 biases)
        (update sgd (alpha 0.9)) (published (test-misses 1)))
      (train b (like a) (epsilon (linear 1 0)) (epsilon 0.3 h) (constant 1 (bias h)) (passes 2))
      (train c (like b) (net shared) (update lm))
      (train d (like c) (update sign))
      (train e (like a) (net held))
      (train f (like e) (constant 3 (bias h)))
      (net bare (like held) (layer h (bias none)))
      (train g (like f) (net bare))""").trainings
    b, c, d, e, g = (made.get(name) for name in "bcdeg")
    stated = {
        (placed.family, placed.scope.kind, placed.scope.layer): placed.value.numbers
        for placed in (*b.stages[0].rates, *b.initial)
    }
    assert stated == {
        ("epsilon", "everywhere", ""): (1, 0),
        ("epsilon", "layer", "h"): (0.3,),
        ("epsilon", "layer", "output"): (0.2,),
        ("forget-sqrt", "everywhere", ""): (1,),
        ("constant", "biases", ""): (0,),
        ("constant", "bias", "h"): (1,),
    }
    assert b.published == () and b.stages[0].options["alpha"].numbers == (0.9,)
    assert c.net.name == "shared" and set(c.stages[0].options) == {"mu", "gamma", "alpha", "decay"}
    assert {clause.origin for clause in c.clauses if clause.word == "epsilon"} == {"a", "b"}
    assert d.stages[0].rates == () and {clause.word for clause in d.dropped} == {"epsilon"}
    assert not any(clause.word == "epsilon" for clause in d.clauses)
    assert e.net.name == "held" and not e.dropped
    assert [clause.word for clause in g.dropped] == ["constant", "constant", "epsilon"]  # no bias, nothing into h


def test_initial_weights_stated_anew_replace_an_inherited_file() -> None:
    made = program(f"""(train a {BASE} (initial "f.npz")) (train b (like a) (constant 0 biases))
                       (train c (like a) (initial "g.npz"))""").trainings
    assert made.get("b").initial_file is None and made.get("c").initial_file == "g.npz"
    assert {placed.family for placed in made.get("b").initial} == {"forget-sqrt", "constant"}
    text = complete_form("train", "b", made.get("b").clauses, dropped=made.get("b").dropped)
    assert text.endswith('\n;; no effect here: (initial "f.npz"), from a')


def test_faults_of_the_data_stand_at_the_clause_that_has_them() -> None:
    examples = from_matrices(np.ones((4, 3)), np.ones((4, 2)))
    for clauses, place in (
        ("(ensemble 0 4)", "(ensemble 0 4)"),
        ("(ensemble 0 1) (test-set 2 9)", "(test-set 2 9)"),
        ("(update lm (curvature 5))", "(update lm (curvature 5))"),
    ):
        with pytest.raises(SnError) as caught:
            prepare_data(training(BASE + clauses), examples)
        span = caught.value.faults[0].span
        assert span is not None and span.source.text[span.start : span.end] == place


@pytest.mark.parametrize(
    "clauses",
    [
        BASE,
        BASE + " (epsilon (steps (1 1) (2)) h (bias output)) (update lm (mu 0.1) (curvature 3)) (batch all mean)",
        BASE
        + " (cost thlms) (correct sgn -1 1) (order shuffled once) (input-noise 0.1) (seed 3 4) (constant 2 biases)",
        "(net identity) (data digits) (passes 1)",
        BASE + " (update lm) (batch all sum) (theta (steps (0.1 1) (0))) (prune 0.25 weights)",
        "(net small) (data digits) (update conjugate-gradient (mu 0.5)) (stage (passes 1)) "
        "(stage (prune 0.5) (update lm) (epsilon 1)) (stage (batch 4 mean) (update newton))",
        BASE + " (glorot h (bias output)) (he) (constant 0.5 (bias h))",
        '(net small) (data (patterns "a" "b")) (initial "w.npz") (mask-epsi 1) (stage (passes 2)) '
        "(repeat 2 (stage (update adamw) (epsilon 1 h)))",
    ],
)
def test_the_complete_form_reads_back_as_itself(clauses: str) -> None:
    first = training(clauses)
    text = complete_form("train", "t", first.clauses)
    again = program(text).trainings.get("t")
    bare = [
        "".join(line.split(";")[0] for line in form.split("\n")).split()
        for form in (text, complete_form("train", "t", again.clauses))
    ]
    assert bare[0] == bare[1]
    assert again.stages[0].rates == first.stages[0].rates and again.initial == first.initial
    assert any(clause.origin == DEFAULT for clause in first.clauses)


def test_stages_are_each_like_the_one_before() -> None:
    chosen = training(
        "(net small) (data digits) (epsi-sqrt 0.5) (passes 2) (batch 3 sum) (stage (order shuffled)) "
        "(repeat 2 (stage (passes 3) (epsilon 1 h)) (stage (update lm (mu 1)) (epsi-inv 2)))"
    )
    assert [s.passes for s in chosen.stages] == [2, 3, 3, 3, 3] and chosen.passes == 14
    assert [s.rule.name for s in chosen.stages] == ["sgd", "sgd", "lm", "lm", "lm"]
    assert all(s.order == "shuffled" and s.batch == 3 for s in chosen.stages)
    assert [[p.family for p in s.rates] for s in chosen.stages[:3]] == [
        ["epsi-sqrt"],
        ["epsi-sqrt", "epsilon"],
        ["epsi-inv", "epsilon"],
    ]


# ---- Schedules and places ----------------------------------------------------------------------------------------

steps_values = st.lists(st.tuples(st.floats(0, 9), st.integers(1, 5)), min_size=1, max_size=5).flatmap(
    lambda steps: st.booleans().map(
        lambda is_open: Value(
            "steps", tuple(v for v, _ in steps), tuple(n for _, n in (steps[:-1] if is_open else steps))
        )
    )
)


@given(steps_values, st.integers(1, 30))
def test_steps_fill_their_passes_or_are_a_fault_and_fitted_always_do(value: Value, passes: int) -> None:
    written_out = [v for v, n in zip(value.numbers, value.lengths) for _ in range(n)]
    is_open = len(value.lengths) < len(value.numbers)
    found = Faults()
    check_steps_fill(value, passes, found)
    assert found.any == (len(written_out) >= passes if is_open else len(written_out) != passes)
    fits = fit_value(value, passes)
    check_steps_fill(fits, passes, after := Faults())
    assert not after.any
    wanted = (written_out + [value.numbers[-1]] * passes)[:passes]
    assert [value_at(fits, p, passes) for p in range(1, passes + 1)] == wanted
    assert [value_at(value, p, passes) for p in range(1, passes + 1)] == wanted


def test_linear_goes_from_the_first_to_the_last_pass() -> None:
    value = Value("linear", (3e-4, 1e-4))
    assert [value_at(value, p, 3) for p in (1, 2, 3)] == pytest.approx([3e-4, 2e-4, 1e-4])
    assert value_at(value, 1, 1) == 3e-4


def test_other_passes_cut_stages_or_let_the_last_run_on() -> None:
    chosen = training(
        "(net small) (data digits) (stage (passes 3) (epsilon (steps (1 1) (2 2)))) "
        "(stage (passes 2) (epsilon (steps (5 1) (6))))"
    )
    assert [(s.passes, s.rates[0].value.numbers) for s in fit_stages(chosen.stages, 2)] == [(2, (1, 2))]
    assert [s.passes for s in fit_stages(chosen.stages, 9)] == [3, 6]
    assert [s.passes for s in fit_stages(chosen.stages, 4)] == [3, 1]


places = st.one_of(
    st.just(Scope("everywhere")),
    st.just(Scope("biases")),
    st.builds(Scope, st.just("layer"), st.sampled_from("ab")),
    st.builds(Scope, st.just("bias"), st.sampled_from("ab")),
    st.builds(Scope, st.just("connection"), st.sampled_from("ab"), st.sampled_from(["input", "a"])),
)


@given(st.lists(places, unique=True), st.sampled_from("ab"), st.sampled_from([None, "input", "a"]))
def test_the_more_specific_place_wins(stated: list[Scope], layer: str, source: str | None) -> None:
    kind = "bias" if source is None else "weight"
    parameter = Parameter("p", kind, layer, source, (1,), *[lambda: np.ones(1)] * 4, True)
    order = [
        Scope("everywhere"),
        Scope("biases"),
        Scope("layer", layer),
        Scope("bias", layer) if source is None else Scope("connection", layer, source),
    ]
    wanted = [place for place in order if place in stated and not (place.kind == "biases" and source is not None)]
    statements = [ScopedValue("epsilon", Value("constant", (1.0,)), place) for place in stated]
    found = StatementsByScope(statements).most_specific(parameter)
    assert (found and found.scope) == (wanted[-1] if wanted else None)


def test_rates_divide_by_fan_in_and_sharers() -> None:
    chosen = training(
        "(net shared) (data digits) (passes 1) (epsilon 1) (epsi-sqrt 2 (connect input h)) "
        "(mask-epsi 3 (bias h)) (epsi-inv 4 output)"
    )
    rates = rates_in_pass(chosen.stages[0], chosen.net, 1)
    assert rates == pytest.approx(
        {
            "input_h.weight": 2 / np.sqrt(10),
            "h.bias": 3 / np.sqrt(10 * 16),
            "h_output.weight": 4 / 33,
            "output.bias": 4 / 33,
        }
    )
    assert rates_in_pass(chosen.stages[0], chosen.net, 1, "weights")["input_h.weight"] == pytest.approx(2 / 3)


def test_initial_weights_stay_in_their_range_and_are_reproduced() -> None:
    chosen = training(
        "(net shared) (data digits) (passes 1) (epsilon 1) (forget-inv 2.4) (forget 3 (bias output)) "
        "(constant -1 (bias h)) (forget-sqrt 2 (connect h output))"
    )
    weights = initial_weights(chosen, 7)
    assert list(weights) == ["input_h.weight", "h.bias", "h_output.weight", "output.bias"]
    bounds = {"input_h.weight": 0.24, "h_output.weight": 2 / np.sqrt(33), "output.bias": 3}
    assert all(0.4 * bound < np.abs(weights[name]).max() <= bound for name, bound in bounds.items())
    assert (weights["h.bias"] == -1).all()
    draw = stream_generator(7, 0)  # one draw per free weight, in this order, none for constants
    drawn = draw.uniform(-1, 1, sum(weights[name].size for name in bounds))
    flat = np.concatenate([weights[name].ravel() / bound for name, bound in bounds.items()])
    assert flat == pytest.approx(drawn)
    assert not np.array_equal(initial_weights(chosen, 8)["output.bias"], weights["output.bias"])


@given(st.sampled_from(["forget", "forget-sqrt", "forget-inv"]), st.integers(1, 50), st.floats(0.1, 5))
def test_initialisers_are_uniform_in_their_range(name: str, lines: int, value: float) -> None:
    def drawn(lines: np.ndarray) -> np.ndarray:
        return INITIALISERS.get(name)(WeightsToDraw(value, lines, (40, 50), stream_generator(1, 0), pytest.fail))

    weights, equal = drawn(np.full((40, 50), float(lines))), drawn(np.asarray(float(lines)))
    np.testing.assert_array_equal(weights, equal)
    bound = value / {"forget": 1, "forget-sqrt": np.sqrt(lines), "forget-inv": lines}[name]
    assert weights.shape == (40, 50) and np.abs(weights).max() <= bound
    assert weights.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)


# Layers and scheme of a net, and what draws such weights in PyTorch: the module by whose shape torch.nn.init counts
# fan-in, and the one by whose it counts fan-out.
GROUPS = "(x x x - - -) (x x x - - -) (- - - x x x) (- - - x x x)"
TWINS = [
    ("30", "10", "(full)", torch.nn.Linear(30, 10), None),
    ("(3 9 9)", "(8 5 5)", "(mask 5 5) (step 2) (border 2 -1)", torch.nn.Conv2d(3, 8, 5, 2, 2), None),
    ("(9 9)", "(4 7 5)", "(mask 3 5)", torch.nn.Conv2d(1, 4, (3, 5)), None),
    ("(20 3)", "(9 7)", "(tdnn 4) (step 2)", torch.nn.Conv1d(3, 7, 4, 2), None),
    ("(4 5 5)", "(6 3 3)", "(mask 3 3) (table groups)", torch.nn.Conv2d(4, 6, 3, groups=2), torch.nn.Conv2d(2, 3, 3)),
]


@pytest.mark.parametrize(("source", "target", "scheme", "twin", "group"), TWINS, ids=[case[2] for case in TWINS])
def test_glorot_and_he_are_those_of_torch(
    source: str,
    target: str,
    scheme: str,
    twin: torch.nn.Module,
    group: torch.nn.Module | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Range and deviation, as torch.nn.init hands them to the generator. For groups PyTorch counts the outputs of all
    groups as fan-out: there the fan-out is that of one group as a convolution of its own."""
    chosen = program(f"""(table groups {GROUPS})
        (net n (layer input {source}) (layer output {target}) (connect input output {scheme}))
        (train t (net n) (data digits) (epsilon 1) (passes 1))""").trainings.get("t")
    weight = next(p for p in chosen.net.parameters if p.kind == "weight")
    fans = chosen.net.connections[0].wiring.fans()
    counted = [torch.nn.init._calculate_fan_in_and_fan_out(module.weight) for module in (twin, group or twin)]
    assert [np.unique(fan).tolist() for fan in fans] == [[counted[0][0]], [counted[1][1]]]

    asked: dict[str, float] = {}
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda tensor, low, high, **_: asked.update(low=low, high=high))
    monkeypatch.setattr(torch.Tensor, "normal_", lambda tensor, mean, std, **_: asked.update(mean=mean, std=std))
    torch.nn.init.xavier_uniform_((group or twin).weight)
    torch.nn.init.kaiming_normal_(twin.weight, mode="fan_in", nonlinearity="relu")

    class Ones:
        """Instead of a generator: each draw is 1, so that what is drawn is the factor."""

        def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
            assert (low, high) == (-1, 1)
            return np.ones(shape)

        def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
            return np.ones(shape)

    for name, wanted in (("glorot", asked["high"]), ("he", asked["std"])):
        factors = INITIALISERS.get(name)(
            WeightsToDraw(float("nan"), np.asarray(np.nan), weight.shape, Ones(), lambda: fans)
        )  # type: ignore[arg-type]
        assert factors.shape == weight.shape and factors.dtype == np.float64
        assert (factors == factors.flat[0]).all() and factors.flat[0] == pytest.approx(wanted, rel=4e-16)
    assert asked["low"] == -asked["high"] and asked["mean"] == 0


def test_glorot_and_he_draw_what_they_say() -> None:
    """Uniform in the range and normal with the deviation, one draw per free weight in the order of the parameters, none
    for a bias. The connection from b is counted for itself."""
    net = """(net n (layer input (2 20 20)) (layer (a b) 60) (layer output 50)
      (connect input a (full)) (connect input b (full)) (connect a output (full)) (connect b output (full)))"""
    chosen = program(f"""{net} (train t (net n) (data digits) (epsilon 1) (passes 1)
      (glorot) (he b) (constant 2 (bias a)) (glorot (connect b output) (bias output)))""").trainings.get("t")
    weights = initial_weights(chosen, 7)
    assert (weights["a.bias"] == 2).all() and not weights["b.bias"].any() and not weights["output.bias"].any()
    draw = stream_generator(7, 0)
    glorot, he = np.sqrt(6 / (800 + 60)), np.sqrt(2 / 800)
    np.testing.assert_array_equal(weights["input_a.weight"], draw.uniform(-1, 1, (800, 60)) * glorot)
    np.testing.assert_array_equal(weights["input_b.weight"], draw.standard_normal((800, 60)) * he)
    for name in ("a_output.weight", "b_output.weight"):
        np.testing.assert_array_equal(weights[name], draw.uniform(-1, 1, (60, 50)) * np.sqrt(6 / (60 + 50)))
    uniform, normal = weights["input_a.weight"].ravel(), weights["input_b.weight"].ravel()
    assert 0.999 * glorot < np.abs(uniform).max() <= glorot and abs(uniform.mean()) < 0.02 * glorot
    assert uniform.std() == pytest.approx(glorot / np.sqrt(3), rel=0.01)
    assert normal.std() == pytest.approx(he, rel=0.015) and np.abs(normal).max() > 3.5 * he
    assert np.mean(np.abs(normal) < he) == pytest.approx(0.6827, abs=0.01)  # erf(1/sqrt 2)


def test_initial_files_account_for_every_parameter(tmp_path: Path) -> None:
    net = training("(net shared) (data digits) (passes 1) (epsilon 1)").net
    shapes = {p.name: p.shape for p in net.parameters}
    draw = np.random.default_rng(0)
    arrays = {name: draw.normal(size=shape) for name, shape in shapes.items()}
    short = dict(zip(("Hw", "hB", "outw", "OUTPUTb"), arrays.values()))
    np.savez(tmp_path / "short.npz", **short)
    from safetensors.numpy import save_file

    save_file(arrays, tmp_path / "long.safetensors")
    save_file({name.replace("-", "_"): array for name, array in arrays.items()}, tmp_path / "module.safetensors")
    for file in ("short.npz", "long.safetensors", "module.safetensors"):
        loaded = load_initial(tmp_path / file, net)
        assert all(np.array_equal(loaded[name], arrays[name]) for name in arrays)
    np.savez(
        tmp_path / "bad.npz",
        Hw=np.zeros((2, 3)),
        more=np.zeros(3),
        outb=np.full(3, np.nan),
        **{"output.bias": np.zeros(3)},
    )
    with pytest.raises(SnError) as caught:
        load_initial(tmp_path / "bad.npz", net)
    said = "\n".join(fault.message for fault in caught.value.faults)
    for piece in (
        "is 2 x 3, input_h.weight is 2 x 1 x 3 x 3",
        '"more" in',
        "are both output.bias",
        "has no array for h.bias, 2",
        "has no array for h_output.weight, 32 x 3",
    ):
        assert piece in said
    (tmp_path / "text").write_text("no weights")
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    torch.save({"h.bias": torch.zeros(2)}, tmp_path / "saved.pt")
    for file in ("text", "absent", "pickled.npy", "", "saved.pt"):
        with pytest.raises(SnError) as caught:
            load_initial(tmp_path / file, net)
        assert len(caught.value.faults) == 1


# ---- Update rules against oracles --------------------------------------------------------------------------------


def torch_twin(chosen: Training, data: PreparedData, optimiser, passes: int) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """The net `small` in plain PyTorch, trained one pattern at a time with an optimiser of torch."""
    weights = {n: torch.tensor(v, requires_grad=True) for n, v in initial_weights(chosen, 1).items()}
    steps = optimiser(list(weights.values()))
    for _ in range(passes):
        for x, d in zip(torch.tensor(data.train.inputs), torch.tensor(data.train.targets)):
            h = torch.tanh(x @ weights["input_h.weight"] + weights["h.bias"])
            out = torch.tanh(h @ weights["h_output.weight"] + weights["output.bias"])
            steps.zero_grad()
            (0.5 * ((d - out) ** 2).sum()).backward()
            steps.step()
    return {name: value.detach().numpy() for name, value in weights.items()}


@pytest.mark.parametrize(
    ("update", "optimiser"),
    [
        ("(update sgd (decay 0.1))", lambda w: torch.optim.SGD(w, 0.05, weight_decay=0.1)),
        ("(update sgd (alpha 0.7))", lambda w: torch.optim.SGD(w, 0.05 * 0.3, momentum=0.7)),
        (
            "(update adamw (decay 0.02) (beta1 0.8))",
            lambda w: torch.optim.AdamW(w, 0.05, (0.8, 0.999), weight_decay=0.02),
        ),
    ],
)
@pytest.mark.parametrize("engine", ["reference", "torch"])
def test_update_rules_against_torch(update: str, optimiser, engine: str) -> None:  # type: ignore[no-untyped-def]
    chosen = training(f"(net small) (data digits) (passes 3) (epsilon 0.05) {update}")
    data = data_for(chosen)
    *_, last = train(chosen, data, engine_for(chosen, engine), 1)
    twin = torch_twin(chosen, data, optimiser, 3)
    for name, value in last.snapshot.parameters.items():
        assert value == pytest.approx(twin[name], abs=1e-10), name


@pytest.mark.parametrize(("rule", "full"), [("lm", False), ("newton", True)])
@pytest.mark.parametrize("held", [None, 5])
def test_second_order_rules_against_a_literal_loop(rule: str, full: bool, held: int | None) -> None:
    own = f"(curvature {held})" if held else "(gamma 0.1)"
    chosen = training(f"(net small) (data digits) (passes 2) (epsilon 0.01) (update {rule} (mu 0.2) (alpha 0.3) {own})")
    data = data_for(chosen)
    *_, last = train(chosen, data, engine_for(chosen), 1)

    w = initial_weights(chosen, 1)
    delta, hess = ({name: np.zeros_like(v) for name, v in w.items()} for _ in range(2))
    draw = stream_generator(1, 3)
    for _ in range(2):
        if held:
            picked = draw.permutation(len(data.train))[:held]
            each = [derivatives(w, data.train.inputs[i], data.train.targets[i], full)[1] for i in picked]
            hess = {name: np.mean([h[name] for h in each], axis=0) for name in w}
        for x, d in zip(data.train.inputs, data.train.targets):
            g, h = derivatives(w, x, d, full)
            for name in w:
                if not held:
                    hess[name] = 0.9 * hess[name] + 0.1 * h[name]
                step = 0.01 / (0.2 + np.abs(hess[name]))
                delta[name] = 0.3 * delta[name] - 0.7 * step * g[name]
                w[name] = w[name] + delta[name]
    for name, value in last.snapshot.parameters.items():
        assert value == pytest.approx(w[name], abs=1e-12), name


def derivatives(
    w: dict[str, np.ndarray], x: np.ndarray, d: np.ndarray, full: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """g and h of the net `small` for one pattern, written out: sn28's first and second backward pass."""
    h = np.tanh(x @ w["input_h.weight"] + w["h.bias"])
    out = np.tanh(h @ w["h_output.weight"] + w["output.bias"])
    df_out, df_h = 1 - out**2, 1 - h**2
    y_out = out - d
    g_out = y_out * df_out
    y_h = w["h_output.weight"] @ g_out
    g_h = y_h * df_h
    s_out = df_out**2 + (y_out * -2 * out * df_out if full else 0)
    s_h = df_h**2 * (w["h_output.weight"] ** 2 @ s_out) + (y_h * -2 * h * df_h if full else 0)
    return (
        {
            "input_h.weight": np.outer(x, g_h),
            "h.bias": g_h,
            "h_output.weight": np.outer(h, g_out),
            "output.bias": g_out,
        },
        {
            "input_h.weight": np.outer(x**2, s_h),
            "h.bias": s_h,
            "h_output.weight": np.outer(h**2, s_out),
            "output.bias": s_out,
        },
    )


def test_a_rate_of_zero_freezes() -> None:
    chosen = training(f"{BASE} (epsilon 0 h) (update sgd (alpha 0.5))")
    *_, last = train(chosen, data_for(chosen), engine_for(chosen), 1)
    start = initial_weights(chosen, 1)
    changed = {name: not np.array_equal(value, start[name]) for name, value in last.snapshot.parameters.items()}
    assert changed == {"input_h.weight": False, "h.bias": False, "h_output.weight": True, "output.bias": True}


@pytest.mark.parametrize("engine", ["reference", "torch"])
def test_xor_is_learned(engine: str) -> None:
    chosen = read_program(Path(__file__).parents[1] / "nets" / "xor.sn", port=io.StringIO()).trainings.get("xor")
    data = prepare_data(chosen, from_matrices(chosen.data.inputs, chosen.data.targets))
    passes = list(train(chosen, data, engine_for(chosen, engine, seed=0), 0))
    assert [p.number for p in passes] == list(range(1, 41)) and passes[-1].presentations == 160
    assert passes[0].train.misses > 0 and passes[-1].train.misses == 0 and passes[-1].train.half_mse < 0.05


def test_stages_carry_the_weights_over_to_another_rule() -> None:
    both = training(
        "(net small) (data digits) (epsilon 0.05) (stage (passes 2) (update sgd (alpha 0.5))) "
        "(stage (update lm) (passes 1))"
    )
    data = data_for(both)
    passes = list(train(both, data, engine_for(both), 1))
    alone = replace(both, stages=both.stages[1:])
    fresh = engines.build("reference", plan(both.net), both.cost, alone.stages[0].rule)
    fresh.load_parameters(passes[1].snapshot.parameters)
    (again,) = train(alone, data, fresh, 1)
    for name, value in again.snapshot.parameters.items():
        assert np.array_equal(value, passes[2].snapshot.parameters[name])


def test_runaway_weights_are_an_error() -> None:
    chosen = training("(net shared) (data digits) (passes 60) (epsilon 1e6)")
    with pytest.raises(SnError, match="diverged in pass"):
        list(train(chosen, data_for(chosen), engine_for(chosen), 1))


# ---- Presentation ------------------------------------------------------------------------------------------------


class Watcher:
    """An engine that only remembers what it is shown."""

    name, dtype = "watcher", np.dtype(np.float64)

    def __init__(self, outputs: int):
        self.shown: list[np.ndarray] = []
        self.gates: list[Mapping[str, np.ndarray]] = []
        self.noises: list[Mapping[str, np.ndarray]] = []
        self.settings: list[Settings] = []
        self._outputs = outputs

    def learn(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        settings: Settings,
        gates: Mapping[str, np.ndarray],
        noises: Mapping[str, np.ndarray],
    ) -> None:
        self.shown.append(inputs)
        self.gates.append(gates)
        self.noises.append(noises)
        self.settings.append(settings)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        return np.zeros((len(inputs), self._outputs))

    def parameters(self) -> dict[str, np.ndarray]:
        return {}

    state = parameters


def shown(clauses: str, seed: int = 1, patterns: int = 600, progress=None) -> list[np.ndarray]:  # type: ignore[no-untyped-def]
    """What an engine is shown in each of two passes; the patterns are pictures with their number in every cell."""
    return watched(clauses, seed, patterns, progress)[0]


def watched(clauses: str, seed: int = 1, patterns: int = 600, progress=None) -> tuple[list[np.ndarray], Watcher]:  # type: ignore[no-untyped-def]
    chosen = training(f"(net shared) (data digits) (epsilon 0.1) (passes 2) {clauses}")
    inputs = np.arange(patterns)[:, None, None] * np.ones((1, 6, 6))
    data = prepare_data(chosen, from_matrices(inputs, np.ones((patterns, 3))))
    watcher = Watcher(3)
    list(train(chosen, data, watcher, seed, progress=progress))  # type: ignore[arg-type]
    both = np.concatenate(watcher.shown)
    batch = watcher.settings[0].batch
    assert all(len(part) % batch == 0 for part in watcher.shown[: len(watcher.shown) // 2 - 1]), "a batch was cut"
    return [both[:patterns], both[patterns:]], watcher


@pytest.mark.parametrize(
    ("order", "sorted_is_all", "passes_equal"),
    [("fixed", True, True), ("shuffled", True, False), ("shuffled once", True, True), ("random", False, False)],
)
def test_orders(order: str, sorted_is_all: bool, passes_equal: bool) -> None:
    first, second = (p[:, 0] for p in shown(f"(order {order}) (batch 7 sum)"))
    assert np.array_equal(np.sort(first), np.arange(600)) == sorted_is_all
    assert np.array_equal(first, second) == passes_equal
    assert np.array_equal(first, np.arange(600)) == (order == "fixed")
    assert np.array_equal(first, shown(f"(order {order})")[0][:, 0])
    assert np.array_equal(first, shown(f"(order {order})", seed=2)[0][:, 0]) == (order == "fixed")
    assert set(presentation_order(order, 5, 1, stream_generator(1, 1))) <= set(range(5))


def test_shifts_and_noise_are_anew_at_each_presentation() -> None:
    told: list[tuple[int, int]] = []
    first, second = shown("(augment (shift 2 -1))", progress=lambda done, total: told.append((done, total)))
    assert told[0][0] < told[-1][0] == 600 and [total for _, total in told] == [600] * len(told)
    borders = first.reshape(600, 6, 6) == -1
    assert set(borders.sum(axis=(1, 2))) == {
        36 - (6 - abs(r)) * (6 - abs(c)) for r, c in itertools.product(range(-2, 3), repeat=2)
    }
    assert not np.array_equal(first, second)
    assert np.array_equal(shown("(augment (shift 2 wrap))")[0], np.arange(600)[:, None] * np.ones(36))
    first, second = shown("(input-noise (linear 0.1 0.3))")
    noise = [part - np.arange(600)[:, None] for part in (first, second)]
    assert [n.std() for n in noise] == pytest.approx([0.1, 0.3], rel=0.02)


def test_dropout_is_drawn_for_each_presentation_and_the_same_again() -> None:
    """Gates of 0 and 1/(1-P) in the stated share, whatever the pieces in which patterns are learned; others next pass
    and for another seed; of the input layer they are in the inputs."""

    def gates(seed: int) -> np.ndarray:
        watcher = watched("(dropout 0.25 h)", seed)[1]
        assert all(list(one) == ["h"] for one in watcher.gates)
        return np.concatenate([one["h"] for one in watcher.gates])

    drawn = gates(1)
    assert set(np.unique(drawn)) == {0.0, 1 / 0.75}
    assert (drawn == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert np.array_equal(drawn, gates(1)) and not np.array_equal(drawn, gates(2))
    assert not np.array_equal(drawn[:600], drawn[600:])
    first, _ = shown("(dropout 0.5 input)")
    assert set(np.unique(first[1:] / np.arange(1, 600)[:, None])) == {0.0, 2.0}
    assert watched("(dropout 0.5 input)")[1].gates == [{}] * len(watched("(dropout 0.5 input)")[1].gates)


def test_theta_is_noise_on_all_sums_anew_in_each_pass() -> None:
    def noises(clauses: str, seed: int = 1) -> list[dict[str, np.ndarray]]:
        learned = watched(clauses, seed)[1].noises
        drawn = [{layer: np.concatenate([one[layer] for one in learned]) for layer in learned[0]}]
        return [
            {layer: values[half] for layer, values in drawn[0].items()} for half in (slice(0, 600), slice(600, 1200))
        ]

    first, second = noises("(theta (linear 0.1 0.3))")
    assert list(first) == ["h", "output"] and first["h"].shape == (600, 32)
    assert [part["h"].std() for part in (first, second)] == pytest.approx([0.1, 0.3], rel=0.02)
    assert abs(np.corrcoef(first["h"][:, 0], second["h"][:, 0])[0, 1]) < 0.15
    again, _ = noises("(theta (linear 0.1 0.3)) (order shuffled)")
    assert np.array_equal(again["output"], first["output"])
    assert not np.array_equal(noises("(theta 0.1)", 2)[0]["h"], first["h"])
    assert watched("")[1].noises == [{}] * len(watched("")[1].noises)


def test_gamma_is_1_for_batches_unless_it_is_stated() -> None:
    made = program(f"""(train a {BASE} (update lm) (batch all sum)) (train b (like a) (batch 1))
                       (train c (like a) (update lm (gamma 0.2))) (train d (like b) (batch 5 mean))""").trainings
    assert [made.get(name).stages[0].options["gamma"].numbers for name in "abcd"] == [(1,), (0.05,), (0.2,), (1,)]
    assert "(gamma 1)" in complete_form("train", "a", made.get("a").clauses)
    assert "(gamma 0.05)" in complete_form("train", "b", made.get("b").clauses)


def test_what_conjugate_gradient_does_not_read_is_dropped() -> None:
    made = program("""(train a (net shared) (data digits) (passes 3) (epsilon 0.1) (batch 4 mean) (order shuffled)
                               (augment (shift 1 0)) (dropout 0.1 h))
                      (train b (like a) (update conjugate-gradient))
                      (train c (like b) (stage (update conjugate-gradient)) (stage (update sgd) (epsilon 1)))""").trainings  # noqa: E501
    assert [clause.word for clause in made.get("b").dropped] == ["batch", "order", "augment", "dropout", "epsilon"]
    words = [clause.word for clause in made.get("b").clauses]
    assert not {"batch", "order", "augment", "dropout", "epsilon"} & set(words)
    assert ";; no effect here: (batch 4 mean), from a" in complete_form(
        "train", "b", made.get("b").clauses, dropped=made.get("b").dropped
    )
    second = made.get("c").stages[1]
    assert (second.batch, second.order, second.rule.name, made.get("c").stages[0].rule.conjugate) == (
        1,
        "fixed",
        "sgd",
        True,
    )


# ---- Data --------------------------------------------------------------------------------------------------------


def test_sizes_that_do_not_fit_are_named() -> None:
    chosen = training("(net shared) (data digits) (passes 1) (epsilon 1)")
    pictures = Examples("pics", Split(np.zeros((5, 4, 4)), np.array([0, 1, 2, 0, 1])), None, "", "", 3)
    with pytest.raises(SnError, match="pics are 4 x 4, the layer input is 6 x 6"):
        prepare_data(chosen, pictures)
    framed = training(
        "(net shared) (data digits) (passes 1) (epsilon 1) (frame 6 6 -1) (ensemble 1 3) (test-set 4 4) (targets 0 1)"
    )
    data = prepare_data(framed, pictures)
    assert len(data.train) == 3 and data.test is not None and len(data.test) == 1
    assert data.train.inputs[0].reshape(6, 6)[:, 0] == pytest.approx(-1) and data.train.inputs[0].sum() == -20
    assert data.train.targets.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    with pytest.raises(SnError, match="has 4 classes, the output layer output has 3 units"):
        prepare_data(framed, replace(pictures, classes=4))
    with pytest.raises(SnError, match=r"ensemble 1 3"):
        prepare_data(framed, replace(pictures, train=Split(np.zeros((2, 4, 4)), np.array([0, 1]))))
    curved = training("(net shared) (data digits) (passes 1) (epsilon 1) (frame 6 6 -1) (update lm (curvature 6))")
    with pytest.raises(SnError, match="asks for more than the 5 training patterns"):
        prepare_data(curved, pictures)


# ---- Criteria and scores -----------------------------------------------------------------------------------------

rows = st.integers(1, 5).flatmap(
    lambda n: st.tuples(*[st.lists(st.sampled_from([-1.0, -0.4, 0.0, 0.3, 1.0]), min_size=n, max_size=n)] * 2)
)


@given(rows)
@settings(max_examples=300)
def test_criteria_against_their_definitions(row: tuple[list[float], list[float]]) -> None:
    x, d = row
    literal = {
        ("max",): [i for i, v in enumerate(x) if v == max(x)] == [i for i, v in enumerate(d) if v == max(d)],
        ("quadrant",): sum((b > 0 and a <= 0) or (b < 0 and a >= 0) for a, b in zip(x, d)) == 0,
        ("lms", 0.2): sum((b - a) ** 2 for a, b in zip(x, d)) / len(x) < 0.2,
        ("hamming", 0.6): all(abs(b - a) <= 0.6 for a, b in zip(x, d)),
        ("sgn", -0.2, 0.2): all((a < -0.2, a > 0.2) == (b < -0.2, b > 0.2) for a, b in zip(x, d)),
    }
    literal["sgn", 0.0, 0.0] = literal[("quadrant",)]
    for (name, *numbers), wanted in literal.items():
        assert CRITERIA.get(name).right(np.array([x]), np.array([d]), *numbers).tolist() == [wanted], name


@pytest.mark.parametrize(
    ("cost", "loss"),
    [
        ("lms", lambda x, d: 0.5 * np.sum((d - x) ** 2)),
        ("mean-square", lambda x, d: np.mean((d - x) ** 2)),
        ("thlms 0.1", lambda x, d: 0.5 * sum((b - a) ** 2 for a, b in zip(x, d) if (b > a if b > 0.1 else b < a))),
        ("map 0.5", lambda x, d: np.sum(d * (np.log(np.exp(-0.5) + np.exp(x).sum()) - x))),
        ("cross-entropy", lambda x, d: -np.sum(d * np.log(np.exp(x) / np.exp(x).sum()))),
    ],
)
def test_scores_against_their_definitions(cost: str, loss) -> None:  # type: ignore[no-untyped-def]
    chosen = training(f"(net shared) (data digits) (passes 1) (epsilon 1) (targets 0 1) (cost {cost})")
    draw = np.random.default_rng(3)
    x, d = draw.normal(size=(50, 3)), np.eye(3)[draw.integers(0, 3, 50)]
    got = score_outputs(x, d, chosen.cost, ("max", ()))
    misses = sum(int(a.argmax() != b.argmax()) for a, b in zip(x, d))
    assert got.loss == pytest.approx(np.mean([loss(a, b) for a, b in zip(x, d)]))
    assert got.mse == pytest.approx(np.mean((x - d) ** 2)) and got.half_mse == got.mse / 2
    assert (got.misses, got.error, got.patterns) == (misses, 2 * misses, 50)


@pytest.mark.parametrize("engine", ["reference", "native", "torch"])
@pytest.mark.parametrize(
    ("options", "cost", "told"),
    [
        ("(scale 1e30)", "lms", r"the scale is 1e\+30, too large for float32 \(at most 1.84e\+19\)"),
        ("(fixed -1e39)", "lms", r"the stated weight is 1e\+39, too large for float32 \(at most 3.4e\+38\)"),
        ("(codes (x 1e39) (x x)) (fixed)", "lms", r"the stated weight is 1e\+39"),
        ("", "map 1e39", r"the number of cost map is 1e\+39"),
    ],
)
def test_numbers_that_a_type_cannot_hold(engine: str, options: str, cost: str, told: str) -> None:
    net = "(net big (layer input 2) (layer h 2) (layer output 2) (connect input h (full)) "
    clauses = f"(net big) (data digits) (passes 1) (epsilon 1) (targets 0 1) (cost {cost})"
    chosen = program(f"{net} (connect h output (full) {options})) (train t {clauses})").trainings.get("t")
    with pytest.raises(SnError, match=told):
        build_engine(chosen, chosen.stages[0], engine, "float32")
    assert build_engine(chosen, chosen.stages[0], engine, "float64").dtype == np.float64


def test_one_answer_for_all_patterns_is_noticed() -> None:
    chosen = training("(net shared) (data digits) (passes 1) (epsilon 1)")

    def only(outputs: list[list[float]], classes: list[int]) -> int | None:
        return score_outputs(np.array(outputs), np.eye(3)[classes], chosen.cost, ("max", ())).only_answer

    assert only([[0, 2, 1], [-1, 5, 0], [0, 0.1, 0]], [0, 1, 1]) == 1
    assert only([[0, 2, 1], [-1, 5, 0], [0, 0.1, 0]], [0, 2, 0]) == 1  # none is right
    assert only([[0, 2, 1], [-1, 5, 0], [0, 0.1, 0]], [1, 1, 1]) is None  # and none is wrong
    assert only([[0, 2, 1], [-1, 5, 0], [1, 0.1, 0]], [0, 1, 1]) is None
    assert only([[0, 2, 1]] * 150 + [[2, 0, 1]], [0, 1, 2] * 50 + [1]) is None  # the first hundred are alike
    assert only([[0, 0, 0]] * 3, [0, 1, 2]) == 0  # as `predict` answers


def test_a_training_has_a_bounded_number_of_stages_and_of_rates_in_them() -> None:
    clauses = "(net small) (data digits) (epsilon 1) "
    with pytest.raises(SnError, match="1,000,000,000 stages; the limit is 100,000"):
        training(clauses + "(repeat 1000 (repeat 1000 (repeat 1000 (stage (passes 1)))))")
    rates = "".join(f"(epsilon 1 {place})" for place in ("h", "output", "(bias h)", "(bias output)", "biases"))
    with pytest.raises(SnError, match="more than 100 rates in total"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("snsim.training.forms.stage_form.MOST_RATES", 100)
        training(f"{clauses}{rates} (repeat 17 (stage (passes 1)))")
    assert len(training(f"{clauses}{rates} (repeat 17 (stage (passes 1)))").stages) == 17


def test_stages_that_share_an_update_read_it_alike() -> None:
    stages = training(
        "(net small) (data digits) (epsilon 1) (update newton) (repeat 2 (stage (passes 1)) "
        "(stage (passes 1) (update sgd)) (stage (passes 2)))"
    ).stages
    assert [(s.passes, s.rule.name) for s in stages] == [
        (1, "newton"),
        (1, "sgd"),
        (2, "sgd"),
        (1, "sgd"),
        (1, "sgd"),
        (2, "sgd"),
    ]
