"""`snsim predict`: own pictures are prepared as the data set's were, and rows get the scaling of the run."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from data_folder import MNIST, ZIP_CODES, need_data
from page_runner import run_command, with_commands
from PIL import Image, ImageDraw
from safetensors.numpy import load_file
from tiny_run import make_runs, snsim

from snsim.data.catalog import find
from snsim.data.own_data import read_path
from snsim.data.own_picture import PictureStyle, place_ink, prepare_picture
from snsim.errors import SnError
from snsim.runs.opened_run import OpenedRun
from snsim.runs.predictor import Predictor

ROOT = Path(__file__).resolve().parents[1]
IRIS = """(net iris (layer input 4) (layer hidden 6) (layer output 3)
  (connect input hidden (full)) (connect hidden output (full)))
(train iris (net iris) (data (csv "iris.csv" (label species) (standardize)))
  (order shuffled) (epsilon 0.01) (passes 5))
"""
SPECIES = ("setosa", "Versi Color", "virginica")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of `tiny_run`, and `iris`, on a table whose columns have very different scales."""
    folder = make_runs(tmp_path_factory.mktemp("predict") / "runs")
    rng = np.random.default_rng(5)
    kind = rng.integers(0, 3, 90)
    table = rng.normal(kind[:, None], 0.3, (90, 4)) * [1, 100, 0.01, 5] + [0, 400, 7, -20]
    lines = ["sepal length,sepal width,petal length,petal width,species"]
    lines += [",".join(map(repr, row.tolist())) + f",{SPECIES[k]}" for row, k in zip(table, kind)]
    (folder / "iris.csv").write_text("\n".join(lines))
    (folder / "iris.sn").write_text(IRIS)
    code, _, err = snsim("run", folder / "iris.sn", "--quiet", "--out", folder)
    assert code == 0, err
    return folder


@pytest.fixture
def iris(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run `iris`. A run of a version that recorded nothing of the data gets its record here."""
    if getattr(OpenedRun.open(runs / "iris"), "data_record", None) is None:
        record = read_path(
            runs / "iris.csv", OpenedRun.open(runs / "iris").training.data.own_data.options, "csv"
        ).record
        monkeypatch.setattr(OpenedRun, "data_record", record, raising=False)
    return runs / "iris"


def _forward(run: Path, table: np.ndarray) -> np.ndarray:
    """The outputs of the iris net by NumPy: columns standardized by the training file, then two layers of SN's tanh."""
    learned = np.genfromtxt(run.parent / "iris.csv", delimiter=",", skip_header=1)[:, :4]
    x = (table - learned.mean(axis=0)) / learned.std(axis=0)
    weights = load_file(run / "weights.safetensors")
    for layer, connection in (("hidden", "input_hidden"), ("output", "hidden_output")):
        a = x @ weights[f"{connection}.weight"] + weights[f"{layer}.bias"].reshape(-1)
        x = np.tanh(2 / 3) ** -1 * np.tanh(2 / 3 * a)
    return x


def test_rows_get_the_scaling_and_the_class_names_of_the_run(iris: Path, tmp_path: Path) -> None:
    table = np.random.default_rng(8).normal([1, 450, 7.01, -15], [1, 100, 0.01, 5], (7, 4))
    shuffled = [2, 0, 3, 1]  # columns are found by name; a column that the net does not take is left out
    names = ["sepal length", "Sepal Width", "petal length", "petal width"]
    new = tmp_path / "new.csv"
    rows = [",".join([*(repr(float(row[place])) for place in shuffled), "red"]) for row in table]
    new.write_text("\n".join([",".join([*(names[place] for place in shuffled), "colour"]), *rows]))
    code, out, err = snsim("predict", iris, new, "--json")
    assert code == 0, out + err
    told = [json.loads(line) for line in out.splitlines()]
    expected = _forward(iris, table)
    assert np.allclose([entry["outputs"] for entry in told], expected, atol=1e-5)
    order = sorted(SPECIES, key=str.casefold)
    assert [entry["class"] for entry in told] == [order[unit] for unit in expected.argmax(axis=1)]
    best = np.sort(expected, axis=1)
    assert np.allclose([entry["margin"] for entry in told], best[:, 2] - best[:, 1], atol=1e-5)
    np.save(tmp_path / "new.npy", table)
    np.savez(tmp_path / "new.npz", x=table.astype(np.float32), y=np.zeros(7))
    code, out, err = snsim("predict", iris, tmp_path / "new.npy", tmp_path / "new.npz", new, "--csv")
    assert code == 0, out + err
    lines = list(csv.DictReader(io.StringIO(out)))
    assert [line["file"] for line in lines] == [
        str(tmp_path / f"new.{kind}") for kind in ("npy", "npz", "csv") for _ in range(7)
    ]
    for start in (0, 7, 14):
        values = [[float(line[name]) for name in order] for line in lines[start : start + 7]]
        assert np.allclose(values, expected, atol=1e-4)
    code, out, err = snsim("predict", iris, new, "--top", "2")
    best_two = np.argsort(-expected[0])[:2]
    assert code == 0 and all(order[unit] in out.splitlines()[1] for unit in best_two), err


def test_predict_needs_neither_the_data_nor_torch(iris: Path, runs: Path, tmp_path: Path) -> None:
    """Another process reads rows from standard input, in an empty folder and without a data folder."""
    program = (
        "import sys; from snsim.cli.main import main; code = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules; sys.exit(code)"
    )
    rows = np.random.default_rng(2).uniform(-1, 1, (5, 16)).astype(np.float32)
    packed = io.BytesIO()
    np.save(packed, rows)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SNSIM_DATA": str(tmp_path)}
    text = "\n".join(",".join(map(str, row)) for row in rows).encode()
    answers = []
    for content in (packed.getvalue(), text):
        done = subprocess.run(
            [sys.executable, "-c", program, "predict", "tiny", "-", "--json"],
            cwd=runs.parent,  # where the bare name is the run runs/tiny
            env=environment,
            input=content,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        assert b"tiny means the run runs/tiny" in done.stderr
        answers.append([json.loads(line)["outputs"] for line in done.stdout.splitlines()])
    engine = OpenedRun.open(runs / "tiny").engine  # of the kind that trained: reference
    assert np.allclose(answers, [engine.outputs(rows)] * 2, atol=1e-5)


FORMATS = ("png", "jpg", "bmp", "pgm", "tif")


@pytest.mark.parametrize(("data", "origin"), [("zipcode", "zipcode"), ("mnist-16", "mnist")])
def test_enlarged_digits_get_the_answer_of_the_digit(data: str, origin: str, tmp_path: Path) -> None:
    need_data(*(ZIP_CODES if data == "zipcode" else MNIST))
    arguments = ["--data", data, "--passes", "3" if data == "zipcode" else "1", "--quiet", "--out", tmp_path]
    code, _, err = snsim("run", ROOT / "nets" / "lecun89.sn", *arguments)
    assert code == 0, err
    predictor = Predictor.of_run(OpenedRun.open(tmp_path / "lecun89"))
    digits = find([data]).examples.test.inputs[:100]
    wanted = predictor.outputs(np.ascontiguousarray(digits.reshape(100, -1), np.float32)).argmax(axis=1)
    originals = find([origin]).examples.test.inputs[:100]
    for suffix in FORMATS:
        for is_dark in (False, True):
            inputs = []
            for number, digit in enumerate(originals):
                gray = np.round((digit + 1) * 127.5).clip(0, 255).astype(np.uint8)
                sheet = Image.new("L", (200, 200), 0)
                sheet.paste(Image.fromarray(gray).resize((150, 150), Image.Resampling.BICUBIC), (10 + number % 30, 29))
                pixels = 255 - np.asarray(sheet) if is_dark else np.asarray(sheet)
                file = tmp_path / f"digit.{suffix}"
                Image.fromarray(pixels).save(file)
                cells, report = predictor.prepare_picture(file)
                assert report.ink == ("dark" if is_dark else "light")
                inputs.append(cells)
            answers = predictor.outputs(np.stack(inputs)).argmax(axis=1)
            assert (answers == wanted).sum() >= 95, (suffix, is_dark)


def test_ink_is_averaged_over_exact_areas_and_placed() -> None:
    """Against fractions: each cell is the mean over the part of the box that it covers."""
    rng = np.random.default_rng(4)
    gray = np.full((31, 40), 250, np.uint8)
    gray[5:28, 9:20] = rng.integers(0, 180, (23, 11))  # all of it is in the box
    cells, box = place_ink(gray, (16, 16), PictureStyle(), "dark")
    assert box == (23, 11)
    ink = 250 - gray[5:28, 9:20].astype(int)
    wide = 8  # 11 * 16 / 23 = 7.65
    expected = np.full((16, 16), -1.0)
    for row in range(16):
        for column in range(wide):
            total = Fraction(0)
            for y in range(23):
                for x in range(11):
                    down = min(Fraction(row + 1, 16) * 23, y + 1) - max(Fraction(row, 16) * 23, y)
                    across = min(Fraction(column + 1, wide) * 11, x + 1) - max(Fraction(column, wide) * 11, x)
                    total += max(down, Fraction(0)) * max(across, Fraction(0)) * int(ink[y, x])
            expected[row, 4 + column] = -1 + 2 * total * 16 * wide / (23 * 11 * int(ink.max()))
    assert (cells == expected.astype(np.float32)).all()
    placed, _ = place_ink(gray, (28, 28), PictureStyle(20, "mass"), "dark")
    amount = (placed.astype(float) + 1) / 2
    centre = [(amount.sum(axis=1 - axis) * np.arange(28)).sum() / amount.sum() for axis in (0, 1)]
    assert np.allclose(centre, 14, atol=0.5) and (amount > 0).any(axis=1).sum() == 20


def test_a_picture_says_how_it_was_prepared(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (640, 480), (0, 0, 0, 0))  # transparent: it counts as white paper
    ImageDraw.Draw(picture).rectangle((100, 50, 311, 350), fill=(10, 20, 90, 255))
    picture.save(tmp_path / "seven.png")
    cells, report = prepare_picture(tmp_path / "seven.png", (16, 16))
    assert report.line == "seven.png: 640x480, dark ink, box 212x301 -> 16x16"
    assert cells.max() == 1 and (cells == -1).sum() == 16 * 5  # 212 * 16 / 301 = 11.3 columns of ink
    small = np.zeros((16, 16), np.uint8)
    small[3:9, 4] = 255
    Image.fromarray(small).save(tmp_path / "small.png")
    cells, report = prepare_picture(tmp_path / "small.png", (16, 16), as_is=True)
    assert (cells == small / 127.5 - 1).all() and report.line == "small.png: 16x16, light ink, whole picture -> 16x16"
    with pytest.raises(SnError, match="640x480 pixels, the net takes 16x16"):
        prepare_picture(tmp_path / "seven.png", (16, 16), as_is=True)
    Image.new("L", (9, 9), 255).save(tmp_path / "empty.png")
    with pytest.raises(SnError, match=r"empty.png has no dark ink"):
        prepare_picture(tmp_path / "empty.png", (16, 16))


def test_own_pictures_are_taken_as_the_folder_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A net that learned a folder of pictures gets a new one whole, in its size and with its scaling."""
    rng = np.random.default_rng(3)
    for kind in ("cat", "Dog"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(rng.integers(0, 255, (6, 6), np.uint8)).save(tmp_path / "pets" / kind / f"{number}.png")
    (tmp_path / "pets.sn").write_text(
        "(net pets (layer input (6 6)) (layer output 2) (connect input output (full)))"
        '(train pets (net pets) (data (images "pets" (standardize))) (epsilon 0.01) (passes 1))'
    )
    code, _, err = snsim("run", tmp_path / "pets.sn", "--quiet", "--out", tmp_path / "runs")
    assert code == 0, err
    run = OpenedRun.open(tmp_path / "runs" / "pets")
    if getattr(run, "data_record", None) is None:
        monkeypatch.setattr(OpenedRun, "data_record", run.found_examples.examples.record, raising=False)
    learned = [np.asarray(Image.open(file), float) for file in sorted((tmp_path / "pets").glob("*/*.png"))]
    gray = np.asarray(Image.open(tmp_path / "pets" / "Dog" / "2.png"), float)
    x = (gray - np.mean(learned)) / np.std(learned)
    weights = load_file(tmp_path / "runs" / "pets" / "weights.safetensors")
    a = x.ravel() @ weights["input_output.weight"] + weights["output.bias"].ravel()
    expected = np.tanh(2 / 3) ** -1 * np.tanh(2 / 3 * a)
    code, out, err = snsim("predict", tmp_path / "runs" / "pets", tmp_path / "pets" / "Dog" / "2.png", "--json")
    assert code == 0, out + err
    entry = json.loads(out)
    assert np.allclose(entry["outputs"], expected, atol=1e-5) and entry["class"] == ("cat", "Dog")[expected.argmax()]
    assert entry["file"] == str(tmp_path / "pets" / "Dog" / "2.png")
    assert entry["picture"] == f"{entry['file']}: 6x6, whole picture -> 6x6"


def test_maps_of_an_own_picture(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The states are those of the engine that trained the net, for the pattern that a picture makes."""
    gray = np.full((40, 40), 255, np.uint8)
    gray[10:30, 10:20], gray[10:30, 20:30] = 0, 127
    Image.fromarray(gray).save(tmp_path / "half.png")
    drawn = []
    monkeypatch.setattr("snsim.plots.style.write", lambda figure, file: drawn.append(file))
    monkeypatch.setattr("snsim.plots.maps.draw", lambda data, look: drawn.append(data))
    code, _, err = snsim("plot", "maps", runs / "tiny", "--picture", tmp_path / "half.png", "-o", tmp_path / "m.png")
    assert code == 0 and "half.png: 40x40, dark ink, box 20x20 -> 4x4" in err
    pattern = np.tile([1, 1, 2 * 128 / 255 - 1, 2 * 128 / 255 - 1], 4)
    states = OpenedRun.open(runs / "tiny").engine.states(pattern[None])
    for (_, cells), wanted in zip(drawn[0].layers, states.values(), strict=True):
        assert np.allclose(cells.ravel(), wanted[0], atol=1e-6)
    assert drawn[0].answer == states["output"].argmax() and drawn[0].label is None


def test_the_commands_of_the_page_run_as_shown(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "predict.md").read_text()
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S) for line in block.splitlines()]
    assert len(commands) >= 10
    (tmp_path / "nets").symlink_to(ROOT / "nets")
    test = find(["digits"]).examples.test
    for digit, label in zip(test.inputs[:20], test.labels):
        place = tmp_path / "digits" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.kron((127.5 * (1 - digit)).astype(np.uint8), np.ones((9, 9), np.uint8)))
        picture.save(place / f"{len(list(place.iterdir()))}.png")
        picture.save(tmp_path / "seven.png")
    np.savetxt(tmp_path / "rows.csv", find(["digits"]).examples.test.inputs[:3].reshape(3, -1), delimiter=",")
    environment = with_commands(tmp_path)
    for line in commands:
        code, out, err = run_command(line, tmp_path, environment)
        assert code == 0 and out.strip(), line + err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "1,2,3\n4,5,6\n", "it has 3 columns; the net takes 4 numbers"),
        ("a.csv", "sepal length,petal length,petal width,x\n1,2,3,4\n", "the column sepal width that the net takes is"),
        ("a.csv", "sepal length,sepal width,petal length,petal width\n1,2,x,4\n", '"x" is not a finite number'),
        ("a.npy", np.zeros((2, 5)), "has the shape (2, 5), expected (patterns, 4)"),
        ("a.npy", np.array([[0, 1, np.nan, 3]]), "a.npy holds nan at [0, 2]"),
        (
            "a.png",
            Image.new("L", (8, 8)),
            "a.png is a picture, which is read as one gray map; the net iris takes 4 numbers",
        ),
        ("a.pdf", "%PDF-1.4", "a.pdf is a PDF document; expected a picture"),
    ],
)
def test_files_that_do_not_fit_are_faults(name: str, content: object, message: str, iris: Path, tmp_path: Path) -> None:
    file = tmp_path / name
    if isinstance(content, str):
        file.write_text(content)
    elif isinstance(content, np.ndarray):
        np.save(file, content)
    else:
        content.save(file)  # type: ignore[attr-defined]
    code, out, err = snsim("predict", iris, file, tmp_path / "missing.csv")
    assert code == 1 and not out and message in err and "hint:" in err
    assert "there is no file" in err  # each missing file is named
