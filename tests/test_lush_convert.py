"""`snsim convert` of programs of Lush: the net, the training, and the files beside the text."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from data_folder import MNIST, REFERENCE, needs_data, needs_reference
from tiny_run import snsim

from snsim.convert.convert import Conversion, to_declarative
from snsim.errors import SnError, Source
from snsim.program import Host, read_program

ROOT = Path(__file__).resolve().parents[1]
HEAD = """(defvar w (new idx1-ddparam 0 100))
(defvar m (new net-ff 2 3 2 1 1 w))
(defvar labels [i 5 7]) (defvar codes [f [1 -1] [-1 1]])
(defvar s (new dsource-idx3fl [f [[[-1]] [[-1]]] [[[-1]] [[1]]] [[[1]] [[-1]]] [[[1]] [[1]]]] [i 5 7 7 5]))
(defvar box (new idx3-supervised-module m (new edist-cost labels 1 1 codes) (new max-classer labels)))
(defvar t (new supervised-gradient box w)) (defvar meter (new classifier-meter))
""".replace("(defvar t ", "(defvar trainer ")


def converted(text: str, beside: str | None = None, head: str = HEAD) -> Conversion:
    return to_declarative(Source("old.lsh", head + text), Host(), beside=beside)


def clauses(conversion: Conversion) -> list[str]:
    """The clauses of the training, each with single blanks."""
    training = conversion.text[conversion.text.index("(train") :]
    return [re.sub(r"\s+", " ", line.strip()) for line in training.strip().split("\n")]


def reproduced(folder: Path, name: str) -> None:
    """The written file is formatted, checks without a fault, and trains."""
    assert snsim("fmt", "--check", f"{name}.sn")[0] == 0
    code, _, err = snsim("check", f"{name}.sn")
    assert code == 0, err
    code, _, err = snsim("run", f"{name}.sn", "--passes", "1", "--out", str(folder / "out"))
    assert code == 0, err


# Whole programs


def test_the_example_xor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = snsim("convert", str(ROOT / "examples/lush/xor.lsh"), "-o", "new.sn")
    assert code == 0 and "net xor, 2 2 2; 6 units, 12 connections, 12 weights" in out
    text = Path("new.sn").read_text()
    assert "(expect (units 6) (connections 12) (weights 12))" in text
    assert "(examples [[-1 -1] [-1 1] [1 -1] [1 1]]" in text and "[[1.5 -1.5] [-1.5 1.5] [-1.5 1.5] [1.5 -1.5]]" in text
    training = read_program("new.sn").trainings.get("xor")
    assert (training.passes, training.seeds, training.fan_in) == (200, (1,), "weights")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "new.sn"]
    reproduced(tmp_path, "new")


@needs_data(*MNIST)
def test_lenet5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example program gives the net of nets/lenet-5-lush.sn, its training, and a file of its digits."""
    monkeypatch.chdir(tmp_path)
    code, _, err = snsim("convert", str(ROOT / "examples/lush/lenet5.lsh"), "-o", "new.sn")
    assert code == 0, err
    program = read_program("new.sn")
    gallery = read_program(ROOT / "nets" / "lenet-5-lush.sn")
    assert program.nets.get("lenet5").digest == gallery.nets.get("lenet-5-lush").digest
    training, shipped = program.trainings.get("lenet5"), gallery.trainings.get("lenet-5-lush")
    for one, other in ((training, shipped), (shipped, training)):
        assert {(drawn.family, drawn.value.numbers, drawn.scope) for drawn in one.initial} == {
            (drawn.family, drawn.value.numbers, drawn.scope) for drawn in other.initial
        }
        assert (one.targets, one.fan_in, one.passes) == (other.targets, other.fan_in, other.passes)
        assert one.stages[0].rule == other.stages[0].rule
    with np.load("new-data.npz") as arrays:
        assert {name: arrays[name].shape for name in arrays} == {
            "x_train": (2000, 32, 32),
            "y_train": (2000,),
            "x_test": (1000, 32, 32),
            "y_test": (1000,),
        }
        assert arrays["x_train"].max() == np.float32(255) * np.float32(0.01) and arrays["x_train"].min() == 0
    reproduced(tmp_path, "new")


PROGRAMS = {  # of the reference: units, connections, weights, and pieces of the text
    "xor-modules": ((7, 17, 17), ["(update lm (mu 0.02) (curvature 4) (alpha 0.9)) (epsilon 0.01)", "(seed 3)"]),
    "conv16": (
        (983, 16075, 491),
        ["(epsilon (steps (0.002 3) (0.001 3) (0.0005)))", "(passes 8)", "(constant 0.5 (connect c1 s2))"],
    ),
    "sources-and-costs": ((128, 608, 41), ["its cost, an object of class wedist-cost", '(initial "new-weights.npz")']),
}


@needs_reference("gblearn2-programs")
@pytest.mark.parametrize("name", PROGRAMS)
def test_recorded_programs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert REFERENCE is not None
    monkeypatch.chdir(tmp_path)
    code, _, err = snsim("convert", str(REFERENCE / "gblearn2-programs" / f"{name}.lsh"), "-o", "new.sn")
    assert code == 0, err
    counts = read_program("new.sn").nets.get(name).counts
    wanted, pieces = PROGRAMS[name]
    assert (counts.units, counts.connections, counts.weights) == wanted
    text = re.sub(r"\s+", " ", Path("new.sn").read_text())
    for piece in pieces:
        assert piece in text
    if "(train" in text:
        reproduced(tmp_path, "new")


def test_a_module_of_the_program_itself_is_refused() -> None:
    with pytest.raises(SnError) as caught:
        converted(
            "(defclass rectifier idx3-module)\n(defmethod rectifier fprop (in out) (idx-copy :in:x :out:x))\n"
            "(new idx3-supervised-module (new rectifier) (new edist-cost labels 1 1 codes) (new max-classer labels))",
            head=HEAD[: HEAD.index("(defvar box")],
        )
    (fault,) = caught.value.faults
    assert "an object of class rectifier computes its output" in fault.message and "snsim run FILE" in fault.hint


def test_a_program_without_a_machine_is_refused() -> None:
    with pytest.raises(SnError, match="makes no machine"):
        converted("(print (idx-sum [f 1 2]))", head="")


def test_a_fault_before_the_first_training_is_reported() -> None:
    with pytest.raises(SnError, match="no function"):
        converted("(frobnicate)")
    late = converted("(==> m forget 1 2) (==> trainer train s meter 0.1) (frobnicate)")
    assert any("frobnicate" in note for note in late.notes) and "(passes 1)" in late.text


# Learning


def test_rates_inertia_and_passes() -> None:
    def learning(text: str) -> list[str]:
        return clauses(converted(f"(seed 4) (==> m forget 2 1) {text}"))

    first = ["(forget-inv 2)", "(fan-in weights)", "(constant 0 biases)", "(seed 4)"]
    found = learning("(==> w set-epsilon 0.5) (repeat 3 (==> trainer train s meter 0.1))")
    assert found[found.index(first[0]) :] == [*first, "(update sgd)", "(epsilon 0.05)", "(passes 3))"]
    found = learning("(==> trainer compute-diaghessian s 3 0.2) (repeat 2 (==> trainer train s meter 0.1 0.5))")
    assert found[-3:] == ["(update lm (mu 0.2) (curvature 3) (alpha 0.5))", "(epsilon 0.1)", "(passes 2))"]
    found = learning(
        "(==> trainer compute-diaghessian s 4 0.02) (==> trainer train s meter 0.2) (==> trainer train s meter 0.1) "
        "(==> trainer train s meter 0.1)"
    )
    assert found[-3:] == ["(update lm (mu 0.02) (curvature 4))", "(epsilon (steps (0.2 1) (0.1)))", "(passes 3))"]
    found = learning(
        "(==> trainer train s meter 0.2) (==> w set-epsilon 2) (==> trainer train s meter 0.2) "
        "(==> trainer train-online s meter 8 0.2 0.9)"
    )
    assert found[-2:] == [
        "(stage (passes 1) (update sgd) (epsilon 0.4))",
        "(stage (passes 2) (update sgd (alpha 0.9)) (epsilon 0.4)))",
    ]


def test_a_loop_that_waits_for_a_result_ends() -> None:
    found = converted(
        "(==> m forget 1 2) (==> w set-epsilon 1) (let ((right 0) (n 0)) (while (< right 100) (incr n) "
        "(==> trainer train s meter 0.1) (==> trainer test s meter) (setq right (nth 3 (==> meter info)))))"
    )
    assert clauses(found)[-1] == "(passes 1))"
    assert any("a loop that waits for a measurement" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("(==> w update 0.1 0)", "learning steps of the program's own"),
        ("(==> trainer train s meter 0.1 0 0.5)", "the running mean of the weights (kappa)"),
        ("(==> trainer train-online s meter 3 0.1)", "11 presentations of 4 patterns: 3 whole passes replace them"),
        ("(==> w set-epsilons (idx-copy :w:x (float-matrix 17)))", "which differ from weight to weight"),
        ("(==> trainer train (new dsource-idx3l-narrow s 2 0) meter 0.1)", "the examples of later learning"),
        ("(setq meter (new classifier-meter (lambda (g w) 1)))", "the rule of the meter"),
        ("(setq :box:classifier (new min-classer labels))", "the classifier, an object of class min-classer"),
    ],
)
def test_notes(text: str, note: str) -> None:
    found = converted(
        f"(==> m forget 1 2) (==> w set-epsilon 1) (==> trainer train s meter 0.1) {text} "
        "(==> trainer train s meter 0.1)"
    )
    assert any(note in one for one in found.notes), found.notes
    assert f";; not carried over: {found.notes[0][:40]}" in found.text


def test_other_costs_leave_the_training_out() -> None:
    found = converted("(setq :box:cost (new mle-cost labels 1 1)) (==> m forget 1 2) (==> trainer train s meter 0.1)")
    assert "(train" not in found.text and "(net old" in found.text
    assert any("its cost, an object of class mle-cost" in note for note in found.notes)


# Weights


def test_weights_that_forget_did_not_draw_go_into_a_file() -> None:
    """Set by hand, or changed after forget: the file holds them, by the names of the parameters of the net."""
    text = "(==> m forget 1 2) (:w:x 4 7.5) (==> w set-epsilon 1) (==> trainer train s meter 0.1)"
    found = converted(text, "new")
    assert '(initial "new-weights.npz")' in clauses(found)
    with np.load(io.BytesIO(found.files["new-weights.npz"])) as arrays:
        assert arrays["input_f1.weight"].shape == (2, 3) and arrays["input_f1.weight"][0, 2] == 7.5  # row 2, input 0
    alone = converted(text)
    assert not alone.files and "(initial" not in alone.text
    assert any("with -o FILE they are written beside it" in note for note in alone.notes)


def test_the_net_alone_of_a_machine_that_learns_nothing() -> None:
    found = converted("(idx-f1fill :w:x 0.25)", "new")
    assert '(initial "new-weights.npz")' in found.text and "(train" not in found.text
    assert any("the program never sends train" in note for note in found.notes)


def test_net_of_names_the_net() -> None:
    found = converted("(net-of m 'mine) (==> m forget 1 2) (==> w set-epsilon 1) (==> trainer train s meter 0.1)")
    assert [net.name for net in found.nets] == ["mine"] and "(train mine" in found.text


def test_second_derivatives_of_coefficients() -> None:
    """A note says that those of s-layers differ; a net with the sums of the blocks has none."""
    head = HEAD.replace("(new net-ff 2 3 2 1 1 w)", "(new s-layer 1 1 2 1 1 (new idx3-squasher) w)")
    learn = "(==> m forget 1 2) (==> trainer compute-diaghessian s 4 0.1) (==> trainer train s meter 0.1)"
    plain, exact = (converted(text + learn, head=head) for text in ("", "(net-of m 'm () t)"))
    assert any("coefficients of s-layers" in note for note in plain.notes)
    assert not any("coefficients of s-layers" in note for note in exact.notes) and "output-sums" in exact.text
    assert "(constant 1 (connect input output))" in clauses(plain)
    assert "(constant 1 (connect output-sums output))" in clauses(exact)


def test_two_machines() -> None:
    found = converted(
        "(new supervised-gradient (new idx3-supervised-module (new f-layer 2 2 1 1 (new idx3-module) w) "
        "(new edist-cost labels 1 1 codes) (new max-classer labels)) w)"
    )
    assert [net.name for net in found.nets] == ["old", "old-2"]
    assert found.nets[1].layers[1].nlf.name == "linear"


def test_a_program_in_a_sn_file_that_loads_gblearn2() -> None:
    text = HEAD + "(==> m forget 1 2) (==> w set-epsilon 1) (==> trainer train s meter 0.1)"
    found = to_declarative(Source("old.sn", '(libload "gblearn2/net-ff")\n' + text), Host())
    assert "of Lush" in found.text and found.nets[0].counts.weights == 17
