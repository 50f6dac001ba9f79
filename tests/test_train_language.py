"""What a training may say beyond the clauses of 1989: criteria that fit their targets, frozen layers.

Expected values come from PyTorch, scikit-learn's definitions written out, or a second engine.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file
from tiny_run import snsim

from snsim.data.examples import Examples, Split
from snsim.data.patterns import from_matrices
from snsim.errors import SnError, Source
from snsim.network.complete_form import complete_form
from snsim.network.net import Layer
from snsim.program import Program, read_program
from snsim.run_folder import open_run
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options
from snsim.runs.resume import resume
from snsim.runs.run import PassFinished, run
from snsim.training.choose_engine import build_engine
from snsim.training.criteria import CRITERIA
from snsim.training.criterion_check import criterion_warnings
from snsim.training.initial import initial_weights
from snsim.training.loop import PassResult, train
from snsim.training.prepare import prepare_data
from snsim.training.spec import Training

ENGINES = ("reference", "native", "torch")
NET = """(net n (default (nlf NLF)) (layer input 2) (layer h 3) (layer output 2) (connect input h (full))
  (connect h output (full)))
(train n (data (examples [[0.5 -1][1 0.25][-0.75 0.5]] [[1 -1][-1 1][1 1]])) CLAUSES)"""


def program(clauses: str, nlf: str = "tanh", text: str = NET) -> Program:
    return read_program(Source("t.sn", text.replace("NLF", nlf).replace("CLAUSES", clauses)), port=io.StringIO())


def training(clauses: str, nlf: str = "tanh") -> Training:
    return program(clauses, nlf).trainings.get("n")


def passes(chosen: Training, engine: str, dtype: str = "float64", seed: int = 1) -> list[PassResult]:
    data = prepare_data(chosen, from_matrices(chosen.data.inputs, chosen.data.targets), dtype)  # type: ignore[arg-type]
    made = build_engine(chosen, chosen.stages[0], engine, dtype)
    made.load_parameters(initial_weights(chosen, seed))
    return list(train(chosen, data, made, seed))


# ---- Criteria ----------------------------------------------------------------------------------------------------


def output(units: int, nlf: str = "tanh") -> Layer:
    text = f"(net n (layer input 1) (layer output {units} (nlf {nlf})) (connect input output (full)))"
    return read_program(Source("n.sn", text), port=io.StringIO()).nets.get("n").layers[-1]


XOR = [[0], [1], [1], [0]]
SIGNS = [[-1], [1], [1], [-1]]
SEVERAL = [[1, 1, -1, -1], [-1, 1, 1, -1], [1, -1, -1, 1]]

WARNINGS: list[tuple[str, list[list[float]], str, str | None, str]] = [  # criterion, targets, nlf; sentence, hint
    ("max", XOR, "sigmoid", "with one output the largest is always right", "(correct labels 0.5)"),
    ("max", SIGNS, "tanh", "with one output the largest is always right", "(correct quadrant)"),
    ("max", [[0.3], [0.4], [0.9]], "linear", "with one output", "(correct hamming 0.06)"),
    ("quadrant", XOR, "sigmoid", "the same outputs, 0.5, are right for all 4", "(correct labels 0.5)"),
    ("hamming 0.5", XOR, "sigmoid", "the same outputs, 0.5, are right for all 4", "(correct labels 0.5)"),
    ("labels 2", XOR, "sigmoid", "the same outputs, 0.5, are right for all 4", "(correct labels 0.5)"),
    ("quadrant", [[0, 1], [1, -1]], "tanh", "whose target is 0: 1 of 4 targets", "(correct max)"),
    ("max", SEVERAL, "tanh", "3 of 3 patterns, the first of them pattern 0, have several", "(correct quadrant)"),
    (
        "max",
        [[1, 0], [1, 1], [0, 0]],
        "sigmoid",
        "2 of 3 patterns, the first of them pattern 1",
        "(correct labels 0.5)",
    ),
    ("quadrant", [[-1, 1], [1, -1]], "sigmoid", "never be met from outputs between 0 and 1: 2 of 2", "(correct max)"),
    ("hamming 0.2", [[-1, 1], [1, -1]], "relu", "never be met from outputs between 0 and inf", "(correct max)"),
    ("lms 0", [[0, 1], [1, 0]], "linear", "(correct lms 0) can never be met: 2 of 2", "(correct max)"),
    ("max", [[1, -1], [-1, 1]], "sigmoid", None, ""),
    ("quadrant", SIGNS, "tanh", None, ""),
    ("sgn 0.5 0.5", XOR, "sigmoid", None, ""),
    ("lms 0.25", XOR, "sigmoid", None, ""),
    ("lms 0.2", [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "sn-tanh", None, ""),
    ("quadrant", [[1, 1], [1, 1]], "tanh", None, ""),
]


def rule_of(text: str) -> tuple[str, tuple[float, ...]]:
    name, *numbers = text.split()
    return name, tuple(map(float, numbers))


@pytest.mark.parametrize(("correct", "targets", "nlf", "sentence", "hint"), WARNINGS)
def test_a_criterion_that_does_not_fit_its_targets_is_warned_of(
    correct: str, targets: list[list[float]], nlf: str, sentence: str | None, hint: str
) -> None:
    found = criterion_warnings(rule_of(correct), np.array(targets, float), output(len(targets[0]), nlf), None)
    assert len(found) == (sentence is not None)
    for fault in found:
        assert str(sentence) in fault.message and hint in fault.hint and fault.severity == "warning"


@settings(max_examples=150, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 3)), elements=st.sampled_from([-1, 0, 0.5, 1, 3])),
    st.sampled_from(["max", "quadrant", "lms 0.1", "hamming 0.5", "sgn 0 0", "sgn -0.5 0.5", "labels 0.5"]),
    st.sampled_from(["tanh", "sigmoid", "relu", "linear"]),
)
def test_a_hint_that_names_a_criterion_helps(targets: np.ndarray, correct: str, nlf: str) -> None:
    layer = output(targets.shape[1], nlf)
    for fault in criterion_warnings(rule_of(correct), targets, layer, None):
        named = re.fullmatch(r"write \(correct (.*)\)", fault.hint)
        assert named or "no criterion fits these targets" in fault.hint
        if named:
            better = rule_of(named[1])
            assert criterion_warnings(better, targets, layer, None) == []
            if len(np.unique(targets, axis=0)) > 1:  # what the hint promises: no answer is right for everything
                middle = np.broadcast_to(targets.mean(axis=0), targets.shape)
                assert not CRITERIA.get(better[0]).right(middle, targets, *better[1]).all()


def test_targets_of_files_are_checked_when_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savetxt(tmp_path / "x", [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.savetxt(tmp_path / "d", np.array(XOR, float) * [[1.0, 1.0]])
    text = NET.replace("(examples [[0.5 -1][1 0.25][-0.75 0.5]] [[1 -1][-1 1][1 1]])", '(patterns "x" "d")')
    (tmp_path / "t.sn").write_text(
        text.replace("NLF", "sigmoid").replace("CLAUSES", "(correct quadrant) (epsilon 0.1) (passes 1)")
    )
    for view in ("--json", "--quiet"):
        code, _, err = snsim("run", "t.sn", view)
        assert code == 0 and "cannot tell these targets apart" in err and "(correct labels 0.5)" in err
    pictures = Examples("labels", Split(np.ones((2, 2)), np.array([0, 1])), None, 2, digest="0")
    named = replace(training("(correct quadrant) (epsilon 1) (passes 1)"), targets=(0.0, 1.0))
    named = replace(named, data=replace(named.data, inputs=None, targets=None, names=("digits",)))
    (warning,) = prepare_data(named, pictures).warnings
    assert "(correct quadrant) cannot tell these targets apart" in warning.message and "(correct max)" in warning.hint


@pytest.mark.parametrize(
    ("classes", "clauses", "is_warned"),
    [
        ("aaaaabbbbbccccc", "", True),
        ("aaaaabbbbbccccc", "(order fixed)", True),
        ("aaaaabbbbbccccc", "(batch 5 mean)", True),
        ("aaaaabbbbbccccc", "(stage (order shuffled) (passes 1)) (stage (order fixed) (passes 1))", True),
        ("aaaaabbbbbccccc", "(order shuffled)", False),
        ("aaaaabbbbbccccc", "(order shuffled once)", False),
        ("aaaaabbbbbccccc", "(order random)", False),
        ("aaaaabbbbbccccc", "(batch all mean)", False),
        ("aaaaabbbbbccccc", "(batch 15 sum)", False),
        ("abcabcabcabcabc", "", False),
        ("aaaaabbbbbaaaaa", "", False),  # a class comes back
        ("aaaaaaaaaaaaaaa", "", False),
        ("aabbcc", "", False),  # so few that a class comes back soon
    ],
)
def test_classes_in_order_are_warned_of(
    classes: str, clauses: str, is_warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For labels of a table and for targets of pattern files; the run goes on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("x,kind\n" + "".join(f"{n},{kind}\n" for n, kind in enumerate(classes)))
    np.savetxt(tmp_path / "x", np.arange(len(classes))[:, None])
    np.savetxt(tmp_path / "d", np.where(np.array(list(classes))[:, None] == np.array(list("abc")), 1, -1))
    outputs = len(set(classes))
    passes = "" if "(passes" in clauses else "(passes 1)"
    for data, units in (('(csv "t.csv" (label kind))', max(outputs, 2)), ('(patterns "x" "d")', 3)):
        (tmp_path / "t.sn").write_text(
            f"(net n (layer input 1) (layer output {units}) (connect input output (full)))\n"
            f"(train n (data {data})\n  (epsilon 0.001) {clauses} {passes})"
        )
        code, _, err = snsim("run", "t.sn", "--quiet")
        assert code == 0, err
        assert ("stand class by class" in err) == is_warned, err
        if is_warned:
            assert f"warning: the {len(classes)} training patterns of {outputs} classes" in err
            assert "hint: write (order shuffled)" in err
            assert f"t.sn:{3 if clauses == '(order fixed)' else 2}:" in err  # the clause, else the data


def test_several_labels_are_counted_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subset accuracy, and the Hamming loss of each column, as for multilabel targets in scikit-learn."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(4)
    x, d = draw.normal(size=(50, 3)), (draw.random((50, 3)) > 0.5).astype(float)
    wrong = (x > 0.2) != (d > 0.2)
    labels = CRITERIA.get("labels")
    assert np.array_equal(labels.right(x, d, 0.2), ~wrong.any(axis=1)) and labels.each is not None
    (tmp_path / "t.sn").write_text(
        NET.replace("NLF", "tanh").replace("CLAUSES", "(correct labels 0) (epsilon 0.1) (passes 2)")
    )
    code, out, err = snsim("run", "t.sn", "--json")
    assert code == 0, err
    last = json.loads(out.splitlines()[-2])["train"]
    logged = json.loads((tmp_path / "runs/n/passes.jsonl").read_text().splitlines()[-1])["train"]
    _, _, module_outputs = _outputs(tmp_path / "runs/n")
    misses = ((module_outputs > 0) != (np.array([[1, -1], [-1, 1], [1, 1]]) > 0)).sum(axis=0).tolist()
    assert last["output_misses"] == logged["output_misses"] == misses
    assert "misses of each output: train" in snsim("run", "t.sn")[1]
    assert snsim("report", "runs/n")[0] == 0
    page = re.sub(r"\s+", " ", (tmp_path / "runs/n/report.html").read_text())
    rows = [f'<td>{k}</td><td class="right">{n} ({100 * n / 3:.2f} %)</td>' for k, n in enumerate(misses)]
    assert all(row in page.replace("> <", "><") for row in rows), page


def _outputs(folder: Path) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The weights of a run of NET, its inputs, and its outputs by PyTorch."""
    from safetensors.torch import load_file

    w = {name: value.double() for name, value in load_file(folder / "weights.safetensors").items()}
    x = torch.tensor([[0.5, -1], [1, 0.25], [-0.75, 0.5]], dtype=torch.float64)
    hidden = torch.tanh(x @ w["input_h.weight"] + w["h.bias"])
    return w, x.numpy(), torch.tanh(hidden @ w["h_output.weight"] + w["output.bias"]).numpy()


# ---- Freezing ----------------------------------------------------------------------------------------------------

RULES = ["sgd (alpha 0.9)", "lm (alpha 0.9)", "newton (alpha 0.5)", "adamw (decay 0.1)", "sgd (alpha 0.5) (decay 0.1)"]


@pytest.mark.parametrize("rule", RULES)
def test_a_rate_of_0_freezes_weights_and_states_of_every_rule(rule: str) -> None:
    """Momentum waits while a layer is frozen, as in PyTorch for parameters without a gradient; no engine differs."""
    chosen = training(
        f"(update {rule}) (epsilon 0.05) (stage (passes 2)) (stage (epsilon 0 h) (epsilon 0 (bias output)) (passes 2)) "
        "(stage (epsilon 0.05 h) (epsilon 0.05 (bias output)) (passes 2))"
    )
    by_engine = {engine: passes(chosen, engine) for engine in ENGINES}
    for results in by_engine.values():
        before, frozen, after = (results[k].snapshot for k in (1, 3, 5))
        for name in before.parameters:
            moves = name == "h_output.weight"
            assert (frozen.parameters[name] != before.parameters[name]).any() == moves
            assert (after.parameters[name] != before.parameters[name]).all()
            for key, value in frozen.state.items():
                if key.startswith(f"{name}/"):
                    assert np.array_equal(value, before.state[key]) or moves
        for name, value in after.parameters.items():
            assert value == pytest.approx(by_engine["reference"][5].snapshot.parameters[name], rel=1e-9, abs=1e-12)


def test_frozen_momentum_is_that_of_pytorch() -> None:
    chosen = training(
        "(update sgd (alpha 0.5)) (epsilon 0.1) (cost lms) (stage (passes 1)) (stage (epsilon 0 h) (passes 2)) "
        "(stage (epsilon 0.1 h) (passes 1))"
    )
    x, d = (torch.tensor(rows) for rows in (chosen.data.inputs, chosen.data.targets))
    w = {name: torch.tensor(value, requires_grad=True) for name, value in initial_weights(chosen, 1).items()}
    # dampening 0.5 is (1 - alpha); PyTorch's first step has none, so a step with gradient 0 comes before it
    optimizer = torch.optim.SGD(list(w.values()), lr=0.1, momentum=0.5, dampening=0.5)
    for weight in w.values():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for number in range(4):
        for k in range(3):
            optimizer.zero_grad(set_to_none=True)
            hidden = torch.tanh(x[k] @ w["input_h.weight"] + w["h.bias"])
            (0.5 * (torch.tanh(hidden @ w["h_output.weight"] + w["output.bias"]) - d[k]) ** 2).sum().backward()
            if number in (1, 2):
                w["input_h.weight"].grad = w["h.bias"].grad = None
            optimizer.step()
    for engine in ENGINES:
        for name, value in passes(chosen, engine)[-1].snapshot.parameters.items():
            assert value == pytest.approx(w[name].detach().numpy(), rel=1e-12)


# ---- Initial weights of a part of the net ------------------------------------------------------------------------


def test_a_file_gives_the_weights_of_some_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are the ones that the same seed draws without the file; other names in the file do no harm."""
    monkeypatch.chdir(tmp_path)
    stated = {"hw": np.arange(6.0).reshape(2, 3), "h.bias": np.ones(3), "elsewhere": np.zeros(7), "outputw": np.ones(2)}
    np.savez("h.npz", **stated)  # type: ignore[arg-type]
    clauses = "(epsilon 0) (passes 1) (forget 2 output)"
    drawn = initial_weights(training(clauses), 5)
    wanted = {**drawn, "input_h.weight": stated["hw"], "h.bias": stated["h.bias"]}
    only_weights = {**drawn, "input_h.weight": stated["hw"]}
    for places, expected in (
        ("h", wanted),
        ("(connect input h)", only_weights),
        ("(bias h) (connect input h)", wanted),
    ):
        Path("t.sn").write_text(NET.replace("NLF", "tanh").replace("CLAUSES", f'{clauses} (initial "h.npz" {places})'))
        shown = snsim("show", "t.sn")[1]
        assert f'(initial "h.npz" {places})' in " ".join(shown.split()) and "(forget 2 output)" in " ".join(
            shown.split()
        )
        code, _, err = snsim(
            "run", "t.sn", "--seed", "5", "--dtype", "float64", "--out", tmp_path / places[:2], "--quiet"
        )
        assert code == 0, err
        (run,) = (tmp_path / places[:2]).iterdir()
        assert snsim("fmt", "--check", "t.sn")[0] in (0, 1)
        found = load_file(run / "weights.safetensors")
        for name, value in expected.items():
            assert np.array_equal(found[name], value), name


PART_FAULTS = [
    ('(initial "h.npz" output)', "h.npz is 2, h_output.weight is 3 x 2"),
    ('(initial "h.npz" h output)', "h.npz has no array for output.bias, 2"),
    ('(initial "h.npz" hidden)', 'net n has no layer "hidden"'),
    ('(initial "h.npz" h h)', "the initial weights of h are stated twice"),
    ('(initial "h.npz" h) (forget 1 (bias h))', "(forget ...) has no effect: (initial ...) gives these weights"),
    ('(initial "h.npz") (forget 1)', "(forget ...) has no effect: (initial ...) gives every weight"),
    ('(initial "h.npz" 3)', "a scope is biases, a layer"),
]


@pytest.mark.parametrize(("clauses", "sentence"), PART_FAULTS)
def test_a_file_for_some_places_has_to_hold_them(
    clauses: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("h.npz", hw=np.zeros((2, 3)), hb=np.zeros(3), outputw=np.ones(2))
    Path("t.sn").write_text(NET.replace("NLF", "tanh").replace("CLAUSES", f"(epsilon 0) (passes 1) {clauses}"))
    code, _, err = snsim("run", "t.sn", "--quiet")
    assert code == 1 and sentence in err and "hint:" in err


def test_initial_places_are_inherited() -> None:
    text = (
        NET
        + '(train m (like n) (forget 2 output)) (train o (like n) (forget 3 h)) (train p (like n) (initial "g" output))'
    )
    found = program('(epsilon 1) (passes 1) (initial "f" h)', text=text).trainings
    assert [found.get(name).initial_file for name in "nmop"] == ["f", "f", None, "g"]
    assert [len(found.get(name).initial_scopes) for name in "nmop"] == [1, 1, 0, 1]


# ---- Weight decay by place ---------------------------------------------------------------------------------------

DECAYED = {"input_h.weight": 0.3, "h.bias": 0.3, "h_output.weight": 0.1, "output.bias": 0.0}
PLACES = "(decay 0.1) (decay 0 biases) (decay 0.3 h)"


def test_decay_by_place_is_that_of_pytorch() -> None:
    """AdamW with a group for each decay; (decay 0.3 h) is more specific than (decay 0 biases)."""
    chosen = training(f"(update adamw) {PLACES} (epsilon 0.01) (epsilon 0.02 output) (batch all mean) (passes 4)")
    x, d = (torch.tensor(rows) for rows in (chosen.data.inputs, chosen.data.targets))
    w = {name: torch.tensor(value, requires_grad=True) for name, value in initial_weights(chosen, 1).items()}
    rates = {name: 0.02 if "output" in name else 0.01 for name in w}
    optimizer = torch.optim.AdamW(
        [{"params": [w[name]], "weight_decay": DECAYED[name], "lr": rates[name]} for name in w]
    )
    for _ in range(4):
        optimizer.zero_grad()
        hidden = torch.tanh(x @ w["input_h.weight"] + w["h.bias"])
        (0.5 * (torch.tanh(hidden @ w["h_output.weight"] + w["output.bias"]) - d) ** 2).sum().div(3).backward()
        optimizer.step()
    for engine in ENGINES:
        for name, value in passes(chosen, engine)[-1].snapshot.parameters.items():
            assert value == pytest.approx(w[name].detach().numpy(), rel=1e-10), (engine, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", ["sgd (alpha 0.5)", "lm", "adamw"])
def test_a_decay_clause_has_the_bits_of_the_option(rule: str, dtype: str) -> None:
    rest = "(epsilon 0.05) (passes 3)"
    option = training(f"(update {rule} (decay 0.1)) {rest}")
    clause = training(f"(update {rule}) (decay 0.1) {rest}")
    for engine in ENGINES:
        one, two = (passes(chosen, engine, dtype)[-1].snapshot for chosen in (option, clause))
        for name, value in one.parameters.items():
            assert np.array_equal(value, two.parameters[name]), (engine, name)


def test_decay_changes_with_the_stages_and_is_shown_and_inherited(tmp_path: Path) -> None:
    text = NET + "(train m (like n) (decay 0 h)) (train o (like n) (update adamw (decay 0.5)))"
    found = program(f"(epsilon 0.1) {PLACES} (passes 1)", text=text)
    decays = {name: [len(s.decays) for s in found.trainings.get(name).stages] for name in "nmo"}
    assert decays == {"n": [3], "m": [3], "o": [0]}
    for name in "nmo":
        shown = complete_form("train", name, found.trainings.get(name).clauses)
        declared = text.replace("NLF", "tanh").split("(train")[0].replace("(net n", f"(net {name}")
        again = read_program(Source("u.sn", declared + shown.replace("(net n)", f"(net {name})"))).trainings.get(name)
        assert [(d.scope, d.value.numbers) for d in again.stages[0].decays] == [
            (d.scope, d.value.numbers) for d in found.trainings.get(name).stages[0].decays
        ]
    two = training("(epsilon 0.1) (decay 0.1) (stage (passes 1)) (stage (decay 0.2 h) (passes 1)) (stage (passes 1))")
    assert [[(d.scope.layer, d.value.numbers[0]) for d in s.decays] for s in two.stages] == [
        [("", 0.1)],
        [("", 0.1), ("h", 0.2)],
        [("", 0.1), ("h", 0.2)],
    ]


DECAY_FAULTS = [
    ("(update sgd (decay 0.1)) (decay 0.1 h)", "the decay is stated twice: as a clause, and as an option of sgd"),
    ("(decay -1)", "a decay cannot be negative: -1"),
    ("(decay 0.1 h) (decay 0.2 h)", "the decay of h is stated twice in this form"),
    ("(decay 0.1 wrong)", 'net n has no layer "wrong"'),
    ("(update conjugate-gradient) (decay 0.1)", "the update rule conjugate-gradient has no decay"),
    ("(decay 0.1) (stage (passes 1)) (stage (update lm (decay 0.1)) (passes 1))", "the decay is stated twice"),
]


@pytest.mark.parametrize(("clauses", "sentence"), DECAY_FAULTS)
def test_a_decay_that_has_no_meaning_is_refused(clauses: str, sentence: str) -> None:
    rest = "" if "stage" in clauses else "(passes 1)"
    rate = "" if "conjugate" in clauses else "(epsilon 0.1)"
    with pytest.raises(SnError) as caught:
        program(f"{clauses} {rate} {rest}")
    assert sentence in str(caught.value) and all(fault.hint for fault in caught.value.faults)


# ---- The best pass -----------------------------------------------------------------------------------------------

NOISY = """(net n (default (nlf tanh)) (layer input 2) (layer h 3) (layer output 2) (connect input h (full))
  (connect h output (full)))
(train n (data (examples [ROWS] [TARGETS])) (ensemble 0 19) (test-set 20 39) (order shuffled) (epsilon 0.4)
  (update sgd (alpha 0.5)) CLAUSES)"""


def noisy(clauses: str) -> str:
    """Text of a training with labels that are often wrong, so that its figures go up and down."""
    draw = np.random.default_rng(3)
    x = np.round(draw.normal(size=(40, 2)), 2)
    first = (x[:, 0] + draw.normal(size=40) > 0)[:, None]
    rows, targets = (
        " ".join(f"[{a:g} {b:g}]" for a, b in matrix) for matrix in (x, np.where(np.hstack([first, ~first]), 1, -1))
    )
    return NOISY.replace("ROWS", rows).replace("TARGETS", targets).replace("CLAUSES", clauses)


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "passes.jsonl").read_text().splitlines()]


def run_until(run: Path, last: int | None, events: Any) -> None:
    """Follow events, and stop as Ctrl-C does after pass `last`."""
    for event in events:
        if isinstance(event, PassFinished) and event.done.number == last:
            events.close()
            return


@pytest.mark.parametrize("figure", ["test-misses", "test-loss", "train-half-mse", "train-rejection"])
def test_the_best_pass_is_kept_through_stops_and_resumes(
    figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.sn").write_text(noisy(f"(passes 12) (keep best {figure})"))
    code, out, err = snsim("run", "t.sn", "--out", "whole", "--json")
    assert code == 0, err
    whole = Path("whole/n")
    split, _, name = figure.partition("-")
    values = [line[split][name.replace("-", "_")] for line in lines_of(whole)]
    best = int(np.argmin(values)) + 1
    assert json.loads(out.splitlines()[-1])["best"] == {"pass": best, "figure": figure, "value": min(values)}
    assert snsim("run", "t.sn", "--out", "short", "--passes", str(best), "--quiet")[0] == 0
    kept = load_file(whole / "best.safetensors")
    for key, value in load_file("short/n/weights.safetensors").items():
        assert np.array_equal(kept[key], value)
    described = read_program(Path("t.sn"), port=io.StringIO())
    for save_every in (0.0, 100.0):
        options = Options(out=Path(f"stopped{save_every}"), save_every=save_every)
        run_until(options.out, 2, run(described, described.trainings.get("n"), 1, options))
        folder = options.out / "n"
        for last in (5, best, None):
            run_until(folder, last, resume(folder, options))
        for file in ("best.safetensors", "weights.safetensors", "checkpoint.safetensors"):
            assert (folder / file).read_bytes() == (whole / file).read_bytes()
    opened, last_one = (OpenedRun.open(whole, Options(best=flag)) for flag in (True, False))
    assert (opened.pass_number, last_one.pass_number) == (best, 12)
    assert all(np.array_equal(opened.engine.parameters()[key], kept[key]) for key in kept)
    right = opened.outputs(split).are_right
    assert (~right).sum() == lines_of(whole)[best - 1][split]["misses"]
    assert snsim("report", whole, "--best")[0] == 0
    assert f"After pass {best} of 12" in (whole / "report.html").read_text()


def test_stop_after_ends_the_run_where_the_figure_no_longer_improves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("all.sn").write_text(noisy("(passes 40)"))
    Path("t.sn").write_text(noisy("(passes 40) (keep best test-misses) (stop-after 4)"))
    assert snsim("run", "all.sn", "--out", "all", "--quiet")[0] == 0
    misses = [line["test"]["misses"] for line in lines_of(Path("all/n"))]
    end = next(p for p in range(1, 41) if p - (int(np.argmin(misses[:p])) + 1) >= 4)
    assert end < 40
    code, out, err = snsim("run", "t.sn", "--out", "early")
    assert code == 0, err
    assert f"stopped after pass {end}: no better test-misses in 4 passes" in out and "best test-misses" in out
    assert [line["test"]["misses"] for line in lines_of(Path("early/n"))] == misses[:end]
    record = open_run("early/n")
    assert record.is_finished and record.settings["finished"]
    described = read_program(Path("t.sn"), port=io.StringIO())
    options = Options(out=Path("killed"), save_every=0)
    run_until(Path("killed"), end - 1, run(described, described.trainings.get("n"), 1, options))
    assert not open_run("killed/n").is_finished
    for _ in range(2):  # resumed, and resumed again where nothing is left
        code, out, err = snsim("run", "--resume", "killed/n", "--quiet")
        assert code == 0, err
        for file in ("best.safetensors", "weights.safetensors", "checkpoint.safetensors"):
            assert Path("killed/n", file).read_bytes() == Path("early/n", file).read_bytes()
    assert f"stopped after pass {end}" in out


KEEP_FAULTS = [
    ("(keep best test-misses)", "(keep best test-misses) needs test patterns, and examples has none"),
    ("(keep best misses)", 'unknown figure "misses"'),
    ("(keep last test-misses)", "(keep ...) keeps the best pass, not last"),
    ("(stop-after 3)", "(stop-after N) needs a figure to watch"),
    ("(keep best train-loss) (stop-after 0)", "the passes of (stop-after N)"),
    ("(keep best train-rejection) (correct quadrant)", "rejection is computed only with (correct max)"),
]


@pytest.mark.parametrize(("clauses", "sentence"), KEEP_FAULTS)
def test_a_best_pass_that_cannot_be_found_is_refused(
    clauses: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.sn").write_text(NET.replace("NLF", "tanh").replace("CLAUSES", f"(epsilon 1) (passes 1) {clauses}"))
    code, _, err = snsim("run", "t.sn", "--quiet")
    assert code == 1 and sentence in err and "hint:" in err


def test_best_is_refused_where_none_is_kept_or_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.sn").write_text(noisy("(passes 2)"))
    assert snsim("run", "t.sn", "--quiet")[0] == 0
    assert "keeps no best pass" in snsim("report", "runs/n", "--best")[2]
    Path("t.sn").write_text(noisy("(passes 2) (keep best train-loss)"))
    assert snsim("run", "t.sn", "--quiet")[0] == 0
    file = Path("runs/n-2/best.safetensors")
    whole = file.read_bytes()
    for content in (whole[:-4], b"", whole.replace(b'\\"pass\\": ', b'\\"pass\\":9'), b"x" * 40):
        file.write_bytes(content)
        code, _, err = snsim("report", "runs/n-2", "--best")
        assert code == 1 and "hint:" in err and "Traceback" not in err
    file.unlink()
    assert snsim("report", "runs/n-2", "--best")[0] == 1


# ---- Prolonging --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clauses", "sentence"),
    [
        ("(epsilon 0.4) (passes 3)", None),
        ("(epsilon (steps (0.4 2) (0.1))) (passes 3)", "the last value, 0.1, holds for the passes added"),
        ("(epsilon (steps (0.4 2) (0.1 1))) (passes 3) (keep best test-loss)", "the last value, 0.1, holds"),
        ("(epsilon 0.4) (stage (passes 1)) (stage (update lm) (epsilon 0.01) (passes 2))", "the last stage, of 2"),
    ],
)
def test_a_prolonged_run_is_the_longer_run(
    clauses: str, sentence: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.sn").write_text(noisy(clauses).replace("(epsilon 0.4)\n", "\n"))
    assert snsim("run", "t.sn", "--quiet")[0] == 0
    assert snsim("run", "t.sn", "--quiet", "--passes", "7", "--out", "longer")[0] == 0
    code, _, err = snsim("run", "--resume", "runs/n", "--passes", "5")
    assert code == 0 and (sentence is None) == ("last" not in err) and (sentence or "") in err
    code, _, err = snsim("run", "--resume", "runs/n", "--passes", "7", "--quiet")
    assert code == 0, err
    for file in ("weights.safetensors", "checkpoint.safetensors", *(["best.safetensors"] if "keep" in clauses else [])):
        assert Path("runs/n", file).read_bytes() == Path("longer/n", file).read_bytes()
    assert [line["train"] for line in lines_of(Path("runs/n"))] == [
        line["train"] for line in lines_of(Path("longer/n"))
    ]
    record = open_run("runs/n")
    assert record.settings["passes"] == record.settings["overrides"]["passes"] == 7 and record.settings["finished"]
    assert "already done" in snsim("run", "--resume", "runs/n", "--passes", "7", "--quiet")[1]
    assert "has done 7 passes" in snsim("run", "--resume", "runs/n", "--passes", "6", "--quiet")[2]
    assert snsim("report", "runs/n")[0] == 0


def test_prolonging_says_what_a_linear_schedule_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.3 to 0.1 over 3 passes, then over 5: 0.3 + (0.1 - 0.3) 3/4 = 0.15 in pass 4."""
    monkeypatch.chdir(tmp_path)
    Path("t.sn").write_text(noisy("(epsilon (linear 0.3 0.1)) (passes 3)").replace("(epsilon 0.4)\n", "\n"))
    assert snsim("run", "t.sn", "--quiet")[0] == 0
    code, _, err = snsim("run", "--resume", "runs/n", "--passes", "5")
    assert code == 0 and "(epsilon (linear 0.3 0.1)) depends on the number of passes" in " ".join(err.split())
    assert "Pass 3 had 0.1, where the longer schedule has 0.2; pass 4 takes 0.15" in " ".join(err.split())


def test_a_run_that_stop_after_ended_is_not_prolonged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.sn").write_text(noisy("(passes 40) (keep best test-misses) (stop-after 1)"))
    assert snsim("run", "t.sn", "--quiet")[0] == 0
    before = Path("runs/n/run.json").read_bytes()
    code, _, err = snsim("run", "--resume", "runs/n", "--passes", "60")
    assert code == 1 and "(stop-after 1) has ended the run runs/n" in err and "hint:" in err
    assert Path("runs/n/run.json").read_bytes() == before
