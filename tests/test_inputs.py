"""Nets with several input layers: their data by name, PyTorch modules with several tensors, runs and predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import snsim
from snsim.cli.main import main
from snsim.data.examples import Examples
from snsim.engines.plan import plan
from snsim.engines.torch.module import build_module
from snsim.errors import Source
from snsim.network.net import Net
from snsim.program import Program, read_program
from snsim.runs.examples import examples_of
from snsim.runs.opened_run import OpenedRun
from snsim.runs.options import Options
from snsim.runs.predictor import Predictor
from snsim.runs.run import RunFinished, run
from snsim.training.prepare import prepare_data

NET = """
(net two
  (layer hidden 4)
  (layer left  3 (input))
  (layer right (2 2) (input))
  (layer output 2)
  (connect (left right) hidden (full))
  (connect (hidden left) output (full)))
"""
OPTIONS = Options(online=False)


def with_training(data: str) -> Program:
    train = f"(train t (net two) {data} (epsilon 0.05) (forget 1) (passes 2) (correct lms 1))"
    return read_program(Source("<test>", NET + train))


def net() -> Net:
    return read_program(Source("<test>", NET)).nets.get("two")


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    shapes = {"x_left": (6, 3), "x_right": (6, 2, 2), "y": (6, 2)}
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def rows(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([arrays["x_left"], arrays["x_right"].reshape(6, 4)], axis=1)


def read_file(folder: Path, arrays: dict[str, np.ndarray]) -> Examples:
    """The examples that a training of the net makes of an npz file with these arrays."""
    np.savez(folder / "d.npz", **arrays)
    (folder / "t.sn").write_text(
        NET + '(train t (net two) (data (npz "d.npz")) (epsilon 0.05) (passes 1) (correct lms 1))'
    )
    program = read_program(folder / "t.sn")
    return examples_of(program, program.trainings.get("t"), OPTIONS, print)


def refusal(folder: Path, arrays: dict[str, np.ndarray]) -> str:
    """What is said of a file with these arrays: the sentence and the remedy."""
    with pytest.raises(snsim.SnError) as caught:
        prepare_data(
            with_training("(data (examples [[1 2 3 4 5 6 7]] [[1 0]]))").trainings.get("t"), read_file(folder, arrays)
        )
    return f"{caught.value.faults[0].message} => {caught.value.faults[0].hint}"


def test_a_presentation_is_the_units_of_the_input_layers_in_order() -> None:
    made = net()
    assert [layer.name for layer in made.layers] == ["left", "right", "hidden", "output"]
    assert made.input_units == 7 and made.input_places == {"left": slice(0, 3), "right": slice(3, 7)}
    # 3 and 4 inputs to 4 hidden units, 4 hidden units and 3 inputs to 2 outputs, a bias for each of the 6
    assert (made.counts.units, made.counts.weights) == (3 + 4 + 4 + 2, 3 * 4 + 4 * 4 + 4 * 2 + 3 * 2 + 6)


def test_the_order_of_the_parts_in_the_text_does_not_matter(arrays: dict[str, np.ndarray]) -> None:
    by_name = with_training("(data (examples (right [[4 5 6 7]]) (left [[1 2 3]]) [[1 0]]))").trainings.get("t")
    in_rows = with_training("(data (examples [[1 2 3 4 5 6 7]] [[1 0]]))").trainings.get("t")
    np.testing.assert_array_equal(by_name.data.inputs, [[1, 2, 3, 4, 5, 6, 7]])
    np.testing.assert_array_equal(in_rows.data.inputs, by_name.data.inputs)


def test_arrays_by_name_are_the_rows_of_all_units(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    named = read_file(tmp_path, dict(reversed(arrays.items())))
    np.testing.assert_array_equal(named.train.inputs, rows(arrays))
    assert named.digest == read_file(tmp_path, {"x": rows(arrays), "y": arrays["y"]}).digest


def test_training_and_test_parts_by_name_and_pictures_in_bytes(tmp_path: Path) -> None:
    """Pictures in bytes become -1 to 1, as for a net with one input; other numbers stay."""
    rng = np.random.default_rng(0)
    pictures, left = rng.integers(0, 256, (4, 2, 2), np.uint8), rng.uniform(-1, 1, (4, 3))
    y = np.array([0, 1, 1, 0])
    parts = {"x_train_left": left, "x_train_right": pictures, "y_train": y}
    read = read_file(tmp_path, {**parts, "x_test_left": left[:2], "x_test_right": pictures[:2], "y_test": y[:2]})
    wanted = np.concatenate([left, pictures.reshape(4, 4).astype(np.float32) / np.float32(127.5) - 1], axis=1)
    np.testing.assert_allclose(read.train.inputs, wanted, rtol=1e-6)
    np.testing.assert_array_equal(read.test.inputs, read.train.inputs[:2])


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"x_right": None}, "has no array x_right; the net has the input layers left, right => write numpy.savez"),
        ({"x_middle": np.ones((6, 2))}, "holds x_middle, and the net has the input layers left, right => leave it out"),
        ({"x_right": np.ones((6, 5))}, "the array of layer right has the shape (6, 5), and the layer is 2x2"),
        ({"x_right": np.ones((5, 4))}, "6 patterns in x_left, 5 in x_right => give as many patterns for each"),
        ({"x_left": np.ones((5, 3))}, "5 patterns in x_left, 6 in x_right => give as many patterns for each"),
        ({"y": np.ones((5, 2))}, "one row of targets, for each pattern"),
        (
            {"x": np.ones((6, 7))},
            "holds x, the inputs of all layers in a row, as well as x_left, x_right => leave out x",
        ),
        ({"X_test": np.ones((6, 7))}, "holds X_test, the inputs of all layers in a row, as well as x_left, x_right"),
        ({"X_left": np.ones((6, 3))}, "holds x_left, X_left, whose names differ only in case or in _ and -"),
        ({"Y": np.ones((6, 2))}, "holds y, Y, whose names differ only in case or in _ and -"),
        (
            {"x_train_left": np.ones((6, 3)), "x_train_right": np.ones((6, 4)), "y_train": np.ones((6, 2))},
            "holds training patterns twice, in x_train_left and in x_left => leave out x_left",
        ),
        (
            {"x_left": np.array([None] * 6)},
            '"x_left": an array has the type "|O", which is not one of plain num',
        ),
        ({"x_right": np.ones((6, 4), complex)}, '"x_right": an array has the type "<c16", which is not one of'),
        (
            {"x_left": None, "x_right": None, "x": np.ones((6, 6))},
            "are 6 numbers, the input layers take 7: left 3, right 4 => give 7 numbers for each pattern",
        ),
        ({"y": None}, 'has no array "y" beside those of the input layers'),
    ],
    ids=[
        "missing",
        "extra",
        "size",
        "patterns",
        "fewer",
        "answered",
        "rows",
        "test-rows",
        "case",
        "case-of-y",
        "twice",
        "objects",
        "complex",
        "width",
        "answers",
    ],
)
def test_parts_that_do_not_fit_are_refused(
    changes: dict[str, np.ndarray | None], wanted: str, arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    changed = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    assert wanted in refusal(tmp_path, changed)


def test_a_module_takes_a_tensor_for_each_input_layer_or_one_row(arrays: dict[str, np.ndarray]) -> None:
    module = build_module(plan(net()), torch.float64)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    left, right = torch.from_numpy(arrays["x_left"]), torch.from_numpy(arrays["x_right"])
    together = module(torch.from_numpy(rows(arrays)))
    torch.testing.assert_close(module(left, right), together, rtol=0, atol=0)
    torch.testing.assert_close(module(left[0], right[0]), together[0])
    assert list(module.states(left, right)) == ["left", "right", "hidden", "output"]
    for wrong, sentence in (
        ((left, right[:2]), "different numbers of patterns: 6 of left, 2 of right"),
        ((left, right, left), "3 inputs for a net with 2 input layers"),
        ((right, left), "whose layer left is"),
        ((left,), r"whose input layers \(left, right\) take"),
    ):
        with pytest.raises(snsim.SnError, match=sentence):
            module(*wrong)


def test_a_run_predicts_arrays_by_name(
    arrays: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`snsim predict` prints what the module of the run computes, from parts and from rows."""
    np.savez(tmp_path / "d.npz", **arrays)
    (tmp_path / "t.sn").write_text(
        NET + '(train t (net two) (data (npz "d.npz")) (epsilon 0.05) (forget 1) (passes 2) (correct lms 1))'
    )
    assert main(["run", str(tmp_path / "t.sn"), "--out", str(tmp_path / "runs"), "--dtype", "float64"]) == 0
    np.savez(tmp_path / "parts.npz", x_left=arrays["x_left"], x_right=arrays["x_right"])
    np.save(tmp_path / "rows.npy", rows(arrays))
    module = snsim.load(tmp_path / "runs" / "t")
    with torch.no_grad():
        wanted = module(torch.from_numpy(rows(arrays)).to(next(module.parameters()).dtype)).numpy()
    printed = []
    for name in ("parts.npz", "rows.npy"):
        capsys.readouterr()
        assert main(["predict", str(tmp_path / "runs" / "t"), str(tmp_path / name)]) == 0
        lines = capsys.readouterr().out.strip().splitlines()[1:]
        printed.append([[float(number) for number in line.split()[-2:]] for line in lines])
    np.testing.assert_allclose(printed[0], wanted, rtol=1e-3, atol=1e-3)
    assert printed[0] == printed[1]


@pytest.fixture(scope="module")
def predictor(arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The predictor of a run that learned the arrays."""
    folder = tmp_path_factory.mktemp("run")
    np.savez(folder / "d.npz", **arrays)
    (folder / "t.sn").write_text(
        NET + '(train t (net two) (data (npz "d.npz")) (epsilon 0.05) (forget 1) (passes 1) (correct lms 1))'
    )
    assert main(["run", str(folder / "t.sn"), "--out", str(folder / "runs"), "--quiet"]) == 0
    return Predictor.of_run(OpenedRun.open(folder / "runs" / "t"))


def test_predict_takes_the_arrays_that_test_takes(
    arrays: dict[str, np.ndarray], predictor: Predictor, tmp_path: Path
) -> None:
    """Of x_NAME, x_test_NAME and x_train_NAME the first is read, as of x, x_test and x_train."""
    file, wanted = tmp_path / "p.npz", np.float32(rows(arrays))
    left, right = arrays["x_left"], arrays["x_right"]
    other = {"x_train_left": left + 1, "x_train_right": right + 1, "y_train": arrays["y"]}
    np.savez(file, **other)
    np.testing.assert_allclose(predictor.read(str(file)).inputs, wanted + 1, rtol=1e-6)
    np.savez(file, **other, x_test_left=left, x_test_right=right, y_test=arrays["y"])
    np.testing.assert_allclose(predictor.read(str(file)).inputs, wanted, rtol=1e-6)
    np.savez(file, x_test_left=left + 1, x_test_right=right + 1, x_left=left, x_right=right)
    np.testing.assert_allclose(predictor.read(str(file)).inputs, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {"x_left": np.array([None] * 6)},
            '"x_left": an array has the type "|O", which is not one of plain num',
        ),
        ({"x_left": np.ones((6, 3), complex)}, '"x_left": an array has the type "<c16", which is not one of plain'),
        ({"x_left": np.full((6, 3), "a")}, "p.npz: x_left has the type <U1, expected numbers"),
        ({"x_left": np.full((6, 3), np.nan)}, "p.npz: x_left holds nan at [0, 0]"),
        ({"x_left": np.ones((5, 3))}, "5 patterns in x_left, 6 in x_right => give as many patterns for each"),
        (
            {"x": np.ones((6, 7))},
            "holds x, the inputs of all layers in a row, as well as x_left, x_right => leave out x",
        ),
        ({"X_left": np.ones((6, 3))}, "holds x_left, X_left, whose names differ only in case or in _ and -"),
        (
            {"x_left": None, "x_right": None, "z": np.ones(6)},
            "or save each input layer: numpy.savez(FILE, x_left=..., x",
        ),
        ({"x_left": None, "x_right": None, "x": np.array([None])}, '"x": an array has the type "|O", which is not one'),
    ],
    ids=["objects", "complex", "texts", "nan", "fewer", "rows", "case", "unknown", "objects-in-rows"],
)
def test_predict_refuses_parts_as_the_training_does(
    changes: dict[str, np.ndarray | None],
    wanted: str,
    arrays: dict[str, np.ndarray],
    predictor: Predictor,
    tmp_path: Path,
) -> None:
    changed = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    np.savez(tmp_path / "p.npz", **changed)
    with pytest.raises(snsim.SnError) as caught:
        predictor.read(str(tmp_path / "p.npz"))
    assert wanted in f"{caught.value.faults[0].message} => {caught.value.faults[0].hint}"


@pytest.mark.parametrize("engine", ["native", "reference", "torch"])
def test_dropout_of_an_input_layer_multiplies_its_units(engine: str, tmp_path: Path) -> None:
    """One update of a linear net from weights 0: the weights of a dropped unit stay 0, those of others are 2 x d."""
    ones = " ".join("1" * 43)
    text = f"""
    (net n (default (nlf linear) (bias none))
      (layer one 40 (input)) (layer other 3 (input)) (layer output 1)
      (connect (one other) output (full)))
    (train t (net n) (data (examples [[{ones}]] [[1]])) (epsilon 1) (constant 0) (passes 1) (correct lms 1)
      (dropout 0.5 one))
    """
    program = read_program(Source("<test>", text))
    weights: dict[str, np.ndarray] = {}
    for event in run(program, program.trainings.get("t"), 3, Options(out=tmp_path, engine=engine, dtype="float64")):
        if isinstance(event, RunFinished):
            weights = {name: value.numpy().ravel() for name, value in snsim.load(event.run).state_dict().items()}
    assert set(weights["one_output.weight"].tolist()) == {0.0, 2.0}
    assert 8 < np.count_nonzero(weights["one_output.weight"]) < 32  # 40 draws of 1/2
    np.testing.assert_allclose(weights["other_output.weight"], [1, 1, 1])
