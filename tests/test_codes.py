"""`(codes ...)`: weights that a net states, against sums written out by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from snsim.engines import ENGINES
from snsim.engines.plan import plan
from snsim.errors import SnError, Source
from snsim.program import read_program
from snsim.training.choose_engine import build_engine
from snsim.training.initial import initial_weights

ROWS = "(x - 0.5) (- - x)"
CODES = np.array([[1, -1, 0.5], [-1, -1, 1]])
DATA = "(data (examples [[0.2 -0.4 0.9]] [[0 1]])) (correct max)"


def program(options: str, clauses: str = "(forget 0.5)"):
    text = (
        "(net n (layer input 3) (layer output 2 (nlf linear) (bias unit)) "
        f"(connect input output (full) {options}))"
        f"(train t (net n) {DATA} {clauses} (epsilon 0.1) (passes 1))"
    )
    return read_program(Source("codes.sn", text), port=io.StringIO())


@pytest.mark.parametrize("kind", sorted(ENGINES.names()))
@pytest.mark.parametrize(
    "codes", [f"(codes {ROWS})", "(codes ((x) (- 0.5)) ((- -) (x)))", "(codes ,[[1 -1 0.5][-1 -1 1]])"]
)
def test_a_row_has_the_weights_of_a_unit(kind: str, codes: str) -> None:
    """As list, as picture and as matrix; as products and as distances; fixed ones are no parameters that learn."""
    x = np.array([[0.2, -0.4, 0.9]])
    for distance, expected in (("", x @ CODES.T), ("(distance)", ((CODES - x) ** 2).sum(1)[None])):
        made = program(f"{codes} (fixed) {distance}")
        training = made.trainings.get("t")
        engine = build_engine(training, training.stages[0], kind, np.float64)
        engine.load_parameters({"output.bias": np.zeros(2)})
        np.testing.assert_allclose(engine.outputs(x), expected, rtol=1e-14)
        assert np.array_equal(engine.parameters()["input_output.weight"], CODES.T)
        assert list(initial_weights(training, 1)) == ["output.bias"] and made.nets.get("n").counts.weights == 2


def test_codes_that_learn_are_not_drawn() -> None:
    """Neither is the generator used for them: the biases are those of a net whose weights are fixed."""
    learned, fixed = (program(f"(codes {ROWS}) {more}").trainings.get("t") for more in ("", "(fixed)"))
    weights = initial_weights(learned, 3)
    assert np.array_equal(weights["input_output.weight"], CODES.T)
    assert np.array_equal(weights["output.bias"], initial_weights(fixed, 3)["output.bias"])
    assert np.abs(weights["output.bias"]).max() <= 0.5 and weights["output.bias"].all()


def test_the_digest_has_fixed_codes_alone() -> None:
    def digest(options: str) -> str:
        return program(options).nets.get("n").digest

    assert digest(f"(codes {ROWS})") == digest("") == digest("(codes (x x x) (x x x))")
    assert len({digest(""), digest(f"(codes {ROWS}) (fixed)"), digest("(codes (x x x) (x x x)) (fixed)")}) == 3
    assert plan(program(f"(codes {ROWS}) (fixed)").nets.get("n")).parameters["input_output.weight"].learns is False


def test_codes_may_be_the_array_of_a_file_of_numpy(tmp_path: Path) -> None:
    """An npz with one array, of whole numbers, and an npy: both give the weights that the rows give."""
    codes = np.array([[1, -1, 0], [2, 3, -4]])
    np.savez(tmp_path / "one.npz", anything=codes)
    np.save(tmp_path / "one.npy", codes.astype(np.float32))
    for name in ("one.npz", "one.npy"):
        (tmp_path / "n.sn").write_text(
            f'(net n (layer input 3) (layer output 2) (connect input output (full) (codes ,(load-matrix "{name}"))))'
        )
        (weights,) = [p for p in read_program(tmp_path / "n.sn").nets.get("n").parameters if p.kind == "weight"]
        np.testing.assert_array_equal(weights.codes, codes.T)  # a row of codes enters one target unit


def test_an_npz_with_several_arrays_is_no_matrix(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.ones(2), b=np.ones(3))
    (tmp_path / "n.sn").write_text('(setq m (load-matrix "two.npz"))')
    with pytest.raises(SnError, match="holds 2 arrays: a, b"):
        read_program(tmp_path / "n.sn")
