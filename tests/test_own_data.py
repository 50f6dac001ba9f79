"""A user's own files: each kind is trained, each option is that of scikit-learn, each damage is told with its place."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import shlex
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from test_one_addition import taken_away_again
from tiny_run import snsim

from snsim.data.examples import Examples
from snsim.data.held_out import count_held_out, fold_of_each, held_out
from snsim.data.own_data import read_own, read_path
from snsim.data.pictures import read_gray, resized
from snsim.data.reader_options import NamePattern, ReaderOptions
from snsim.data.reader_shelf import READERS, RawData, RawPart, ReadRequest, add_reader
from snsim.data.record import DataRecord
from snsim.errors import SnError
from snsim.input_files import read_file

NET = """
(net n (layer input {shape}) (layer h 6) (layer out {outputs}) (connect input h (full)) (connect h out (full)))
(train n (data {data}) (order shuffled) (epsilon {epsilon}) (passes {passes}) {more})
"""


def described(
    folder: Path, data: str, shape: object, outputs: int, passes: int = 20, epsilon: float = 0.01, more: str = ""
) -> Path:
    """A description with one net and one training, in a file."""
    file = folder / "n.sn"
    file.write_text(
        NET.format(shape=shape, outputs=outputs, data=data, epsilon=epsilon, passes=passes, more=more), encoding="utf-8"
    )
    return file


def trained(file: Path, *arguments: str) -> dict[str, Any]:
    """The figures of the last pass of a run."""
    code, out, err = snsim("run", file, "--json", "--out", file.parent / "runs", *arguments)
    assert code == 0, err
    run = next(Path(event["run"]) for event in map(json.loads, out.splitlines()) if "run" in event)
    return json.loads((run / "passes.jsonl").read_text().splitlines()[-1])


def refusal(file: Path, *arguments: str) -> str:
    """What a command says that ends with a fault of the user."""
    code, _, err = snsim("run", file, "--quiet", "--out", file.parent / "runs", *arguments)
    assert code == 1, err
    assert "Traceback" not in err and "hint: " in err
    return err


def write_csv(file: Path, rows: list[list[object]]) -> Path:
    with open(file, "w", newline="", encoding="utf-8") as port:
        csv.writer(port).writerows(rows)
    return file


def write_iris(file: Path) -> Path:
    iris = load_iris()
    rows = [[*x, iris.target_names[y]] for x, y in zip(iris.data, iris.target)]
    return write_csv(file, [["Sepal_Length", "Sepal_Width", "Petal_Length", "Petal_Width", "Species"], *rows])


def idx_bytes(array: np.ndarray, order: str = ">") -> bytes:
    """An idx file, made by the format's own description."""
    types = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
    magic = bytes([0, 0, types[array.dtype.str[1:]], array.ndim])
    head = (magic if order == ">" else magic[::-1]) + struct.pack(f"{order}{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(order)).tobytes()


def write_pictures(folder: Path, count: int = 200, side: int = 24) -> Path:
    """Dark rings and crosses on white, in five formats, each class in a folder of its name."""
    draw = np.random.default_rng(0)
    for number in range(count):
        name = "cross" if number % 2 else "Ring"
        (folder / name).mkdir(parents=True, exist_ok=True)
        picture = Image.new("L", (side, side), 255)
        pen, x, y = ImageDraw.Draw(picture), *map(int, draw.integers(2, 6, 2))
        if name == "Ring":
            pen.ellipse((x, y, x + 15, y + 15), outline=0, width=2)
        else:
            pen.line((x, y, x + 15, y + 15), 0, 2)
            pen.line((x + 15, y, x, y + 15), 0, 2)
        picture.save(folder / name / f"{number:03d}.{('png', 'jpg', 'bmp', 'pgm', 'tif')[number % 5]}")
    return folder


# Trained --------------------------------------------------------------------------------------------------------------


def test_iris_as_csv(tmp_path: Path) -> None:
    """A description, and --data alone. Class names keep their spelling in the table of confusions."""
    write_iris(tmp_path / "iris.csv")
    file = described(tmp_path, '(csv "iris.csv" (label species) (test 0.2) (standardize))', 4, 3)
    last = trained(file)
    assert last["test"]["patterns"] == 30 and last["test"]["misses"] <= 3
    shown = snsim("plot", "confusion", tmp_path / "runs" / "n", "--text")[1]
    assert re.search(r"^ +setosa +versicolor +virginica$", shown, re.M) and re.search(r"^ virginica ", shown, re.M)
    assert "setosa" in snsim("plot", "maps", tmp_path / "runs" / "n", "--text")[1]
    assert (
        trained(described(tmp_path, "digits", 4, 3), "--data", str(tmp_path / "iris.csv"))["train"]["patterns"] == 150
    )


def test_wine_as_npz_with_folds(tmp_path: Path) -> None:
    wine = load_wine()
    np.savez(
        tmp_path / "wine.npz",
        data=wine.data,
        target=wine.target,
        target_names=wine.target_names,
        feature_names=wine.feature_names,
        extra=np.array([None, {}], object),  # a pickle, which nothing asks for: it is never read
    )
    file = described(tmp_path, '(npz "wine.npz" (folds 5) (standardize))', 13, 3, 5, 0.02)
    assert "(folds 5) needs --fold" in refusal(file)
    assert "has the folds 1 to 5" in refusal(file, "--fold", "6")
    last = trained(file, "--fold", "2")
    assert last["test"]["patterns"] in (35, 36) and last["test"]["misses"] <= 4

    code, _, err = snsim("reproduce", file, "--jobs", "1", "--passes", "1", "--out", tmp_path / "study", "--quiet")
    assert code == 0, err
    row = json.loads((tmp_path / "study" / "n.json").read_text())["studies"][0]["rows"][0]
    assert [run["fold"] for run in row["runs"]] == [1, 2, 3, 4, 5] and row["figures"]["test-misses"]["runs"] == 5
    code, _, err = snsim("run", "--resume", tmp_path / "study" / Path(row["runs"][1]["folder"]).name)
    assert code == 0, err


def test_pictures_in_class_folders(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pics")
    data = '(images "pics" (size 16 16) (invert) (test 0.25) (classes ring cross))'
    last = trained(described(tmp_path, data, "(16 16)", 2))
    assert last["test"]["patterns"] == 50 and last["test"]["misses"] <= 2
    assert "Ring" in snsim("plot", "confusion", tmp_path / "runs" / "n", "--text")[1]


@pytest.mark.parametrize("order", ["<", ">"])
def test_idx_files_of_other_sizes(tmp_path: Path, order: str) -> None:
    """Four classes, 12 x 10 pixels, one file packed; the output layer has a unit more than there are classes."""
    draw = np.random.default_rng(1)
    for part, count in (("train", 120), ("t10k", 40)):
        labels = (np.arange(count) % 4).astype(np.uint8)
        pictures = draw.integers(0, 60, (count, 12, 10), dtype=np.uint8)
        for picture, label in zip(pictures, labels):
            picture[3 * label : 3 * label + 3] += 150
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(pictures, order)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels, order))
    files = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte.gz", "labels-idx1-ubyte")]
    named = "(idx " + " ".join(f'"{file}"' for file in files) + ")"
    last = trained(described(tmp_path, named, "(12 10)", 5, 5))
    assert last["test"]["patterns"] == 40 and last["test"]["misses"] <= 2
    folder, one = read_path(tmp_path), read_path(tmp_path / files[0])
    assert folder.test is not None and one.test is None  # a file that is named brings its labels
    assert np.array_equal(folder.train.inputs, one.train.inputs) and folder.train.inputs.min() == -1


def test_regression(tmp_path: Path) -> None:
    diabetes = load_diabetes()
    rows = [[*x, y / 100] for x, y in zip(diabetes.data, diabetes.target)]
    write_csv(tmp_path / "d.csv", [[*diabetes.feature_names, "progress"], *rows])
    data = '(csv "d.csv" (target progress) (ignore AGE 2) (test 100) (standardize))'
    last = trained(described(tmp_path, data, 8, 1, 3, 0.001, "(correct lms 1)"))
    assert last["test"]["patterns"] == 100 and np.isfinite(last["test"]["loss"])
    examples = read_path(tmp_path / "d.csv")  # decimals in the last column are a target
    assert examples.classes is None and examples.train.targets is not None
    assert np.allclose(examples.train.targets[:, 0], diabetes.target / 100)


# Options, held against scikit-learn -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("test", [0.2, 0.37, 41])
def test_held_out_patterns_are_stratified_as_by_scikit_learn(seed: int, test: float) -> None:
    labels = np.random.default_rng(seed).choice(4, 200, p=[0.5, 0.3, 0.15, 0.05])
    wanted = count_held_out(test, len(labels))
    chosen = held_out(labels, len(labels), wanted, seed)
    splitter = StratifiedShuffleSplit(1, test_size=test, random_state=seed)
    _, theirs = next(splitter.split(labels.reshape(-1, 1), labels))
    ours = np.bincount(labels[chosen], minlength=4)
    assert chosen.sum() == len(theirs) == wanted
    assert np.abs(ours - np.bincount(labels[theirs], minlength=4)).max() <= 1  # remainders may tie
    assert np.abs(ours - np.bincount(labels) * wanted / 200).max() < 1
    assert not np.array_equal(chosen, held_out(labels, len(labels), wanted, seed + 1))


@pytest.mark.parametrize("folds", [2, 5, 7])
def test_folds_have_the_class_counts_of_scikit_learn(folds: int) -> None:
    labels = load_wine().target
    fold = fold_of_each(labels, len(labels), folds, 3)
    theirs = [np.bincount(labels[test]) for _, test in StratifiedKFold(folds).split(labels.reshape(-1, 1), labels)]
    ours = [np.bincount(labels[fold == number], minlength=3) for number in range(1, folds + 1)]
    assert np.array_equal(np.sort(ours, axis=0), np.sort(theirs, axis=0))
    assert sorted(np.bincount(fold)[1:]) == sorted(int(counts.sum()) for counts in theirs)


def test_each_class_keeps_a_pattern_for_training() -> None:
    labels = np.array([0] * 10 + [1])
    assert not held_out(labels, 11, 5, 1)[10]


def test_the_draw_is_that_of_the_raw_generator() -> None:
    raw = np.random.PCG64(7).random_raw(30)
    labels = np.zeros(30, int)
    assert set(np.flatnonzero(held_out(labels, 30, 9, 7))) == set(sorted(range(30), key=lambda n: raw[n])[:9])


@pytest.mark.parametrize("interval", [None, (-1.0, 1.0), (0.0, 5.0)])
def test_scaling_is_that_of_scikit_learn_and_of_the_training_part(
    tmp_path: Path, interval: tuple[float, float] | None
) -> None:
    wine = load_wine()
    inputs = np.column_stack([wine.data, np.full(len(wine.data), 3.0)])  # and a constant feature
    np.savez(tmp_path / "w.npz", x=inputs, y=wine.target)
    plain = ReaderOptions(test=0.3, split_seed=5)
    options = ReaderOptions(test=0.3, split_seed=5, standardize=interval is None, range=interval)
    before, after = (read_own("npz", [tmp_path / "w.npz"], each) for each in (plain, options))
    scaler = StandardScaler() if interval is None else MinMaxScaler(interval)
    assert before.test is not None and after.test is not None
    expected = scaler.fit(before.train.inputs).transform(before.test.inputs)
    assert np.allclose(after.test.inputs, expected, rtol=0, atol=1e-12)
    assert np.allclose(after.train.inputs, scaler.transform(before.train.inputs), rtol=0, atol=1e-12)
    record = after.record
    assert record is not None and record.scaling is not None and record.seed == 5 and record.test == 0.3
    again = DataRecord.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record and again.scaling is not None
    assert np.array_equal(again.scaling.apply(before.test.inputs), after.test.inputs)


@pytest.mark.parametrize("standardize", [True, False])
def test_pictures_share_one_scale_and_are_inverted_before(tmp_path: Path, standardize: bool) -> None:
    pictures = np.random.default_rng(2).integers(0, 200, (9, 5, 4), dtype=np.uint8)
    np.savez(tmp_path / "p.npz", images=pictures, labels=np.arange(9) % 3)
    options = ReaderOptions(standardize=standardize, range=None if standardize else (0.0, 1.0), invert=True)
    found = read_own("npz", [tmp_path / "p.npz"], options).train.inputs
    light = 255.0 - pictures
    expected = (light - light.mean()) / light.std() if standardize else light / 255
    assert found.dtype == np.float32 and np.allclose(found, expected, atol=1e-6)
    plain = read_own("npz", [tmp_path / "p.npz"], ReaderOptions()).train.inputs
    assert np.array_equal(plain, pictures / np.float32(127.5) - np.float32(1))


@pytest.mark.parametrize("sizes", [(28, 28, 16, 16), (9, 30, 12, 7), (40, 40, 10, 10)])
def test_scaled_pictures_are_those_of_pytorch(sizes: tuple[int, int, int, int]) -> None:
    """Bilinear with antialiasing."""
    pictures = np.random.default_rng(3).random((3, 2, sizes[0], sizes[1]), np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(pictures), sizes[2:], mode="bilinear", antialias=True)
    assert np.allclose(resized(pictures, *sizes[2:]), theirs.numpy(), atol=1e-5)
    in_bytes = (pictures * 255).astype(np.uint8)
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(in_bytes.astype(np.float32)), sizes[2:], mode="bilinear", antialias=True
    )
    assert np.abs(resized(in_bytes, *sizes[2:]) - theirs.numpy()).max() <= 1.01


# Names, classes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["(test 0.2)", "(folds 4)"])
def test_matrices_in_the_text_take_the_options_of_a_file(held: str, tmp_path: Path) -> None:
    """The same numbers in a file and in the text: the same patterns held out, and the same training."""
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1, 2], (20, 13, 9))
    inputs = np.round(rng.normal(labels[:, None], 1, (42, 3)) * [1, 50, 0.1], 3)
    np.savez(tmp_path / "a.npz", x=inputs, y=labels, class_names=np.array(["p", "q", "R"]))
    targets = np.where(labels[:, None] == np.arange(3), 1, -1)

    def matrix(rows: np.ndarray) -> str:
        return "[" + "".join(f"[{' '.join(map(str, row))}]" for row in rows.tolist()) + "]"

    fold = ["--fold", "3"] if "folds" in held else []
    options = f"{held} (standardize) (split-seed 5)"
    of_file = trained(described(tmp_path, f'(npz "a.npz" {options})', 3, 3), *fold)
    (tmp_path / "text").mkdir()
    form = f'(examples {matrix(inputs)} {matrix(targets)} {options} (classes p q "R"))'
    in_text = trained(described(tmp_path / "text", form, 3, 3), *fold)
    assert {**in_text, "seconds": 0, "cpu_seconds": 0} == {**of_file, "seconds": 0, "cpu_seconds": 0}
    np.save(tmp_path / "new.npy", inputs[:5])
    told = [
        snsim("predict", tmp_path / place / "runs" / "n", tmp_path / "new.npy", "--json")[1] for place in ("", "text")
    ]
    assert told[0] == told[1] and '"class": "p"' in told[0]
    assert json.loads(snsim("test", tmp_path / "text" / "runs" / "n", "--json")[1])["loss"] == of_file["test"]["loss"]
    code, out, err = snsim("run", "--resume", tmp_path / "text" / "runs" / "n", "--passes", "21", "--quiet")
    assert code == 0 and "pass 21" in out, err


def test_new_writes_a_description_that_fits_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A regression, a label that is not last, pictures of several sizes, data elsewhere: each learns at once."""
    monkeypatch.chdir(tmp_path)
    diabetes = load_diabetes(scaled=False)
    rows = [[*x, y] for x, y in zip(diabetes.data.tolist(), diabetes.target.tolist())]
    write_csv(tmp_path / "diabetes.csv", [[*diabetes.feature_names, "progress"], *rows])
    heads: list[object] = ["id", 'the "kind"', "a", "b"]
    write_csv(tmp_path / "first.csv", [heads, *([f"x{k}", "pq"[k % 2], k, -k] for k in range(40))])
    write_pictures(tmp_path / "pictures", 40)
    Image.new("L", (50, 30), 255).save(tmp_path / "pictures" / "Ring" / "wide.png")
    (tmp_path / "else").mkdir()
    write_iris(tmp_path / "else" / "iris.csv")

    def made(name: str, *arguments: str) -> str:
        code, out, err = snsim("new", name, "--data", *arguments)
        assert code == 0 and "next:\n" in out, err
        assert snsim("fmt", "--check", f"{name}.sn")[0] == 0
        command = next(line for line in out.splitlines() if line.startswith("  snsim run "))
        assert snsim(*shlex.split(command)[1:], "--quiet")[0] == 0
        return (tmp_path / f"{name}.sn").read_text() + err

    text = made("progress", "diabetes.csv")
    assert '(target "progress")' in text and "has 214 values: a number to predict" in text
    last = json.loads((tmp_path / "runs" / "progress" / "passes.jsonl").read_text().splitlines()[-1])
    assert last["test"]["mse"] < 0.7 * np.var(diabetes.target)  # less than the mean as an answer
    assert "for snsim new: --ignore" in snsim("new", "kinds", "--data", "first.csv")[2]
    assert "(label 2)" in made("kinds", "first.csv", "--label", "2", "--ignore", "id")
    write_csv(tmp_path / "counted.csv", [["no", "a", "kind"], *([k, -k, "pq"[k % 2]] for k in range(1, 40))])
    assert "the column no counts the rows, and the net reads it; --ignore no leaves it out" in made("c", "counted.csv")
    for rows, told in (
        ([[k, "p"] for k in range(9)], 'have the class "p"'),
        ([[k, f"t{k}"] for k in range(30)], "30 "),
    ):
        write_csv(tmp_path / "classes.csv", [["a", "kind"], *rows])
        code, _, err = snsim("new", "classes", "--data", "classes.csv")
        assert code == 1 and told in err and "--label COLUMN" in err, err
    assert '(images "pictures" (size 32 32) (invert) (test' in made("shapes", "pictures")
    for file in list((tmp_path / "pictures").rglob("*.*")):
        with Image.open(file) as picture:
            inverted = ImageOps.invert(picture.convert("L"))
        file.unlink()
        inverted.save(file.with_suffix(".png"))
    assert '(images "pictures" (size 32 32) (test' in made("bright", "pictures")
    monkeypatch.chdir(tmp_path / "runs")
    code, out, err = snsim("new", "iris", "--data", "../else/iris.csv")
    assert code == 0 and "snsim run iris.sn --data ../else/iris.csv" in out, err
    assert snsim("run", "iris.sn", "--data", "../else/iris.csv", "--quiet")[0] == 0
    assert snsim("new", "x", "--label", "a")[0] == snsim("new", "x", "--like", "xor", "--data", "y")[0] == 2


def test_names_fold_and_texts_are_exact(tmp_path: Path) -> None:
    write_iris(tmp_path / "iris.csv")
    fine = '(csv "iris.csv" (label SPECIES) (ignore sepal-length Sepal_width) (classes Virginica setosa "versicolor"))'
    trained(described(tmp_path, fine, 2, 3, 1))
    said = refusal(described(tmp_path, '(csv "iris.csv" (label "species"))', 4, 3))
    assert 'iris.csv has no column "species"' in said and 'write "Species"' in said
    said = refusal(described(tmp_path, '(csv "iris.csv" (classes setosa virginica))', 4, 3))
    assert "1 class that (classes ...) does not name: versicolor" in said
    write_csv(tmp_path / "two.csv", [["a_b", "A-B", "c"], [1, 2, 0], [3, 4, 1]])
    said = refusal(described(tmp_path, '(csv "two.csv" (ignore a-b))', 1, 2))
    assert 'matches 2 columns of two.csv: "a_b" and "A-B"' in said and 'in quotes: "a_b"' in said
    trained(described(tmp_path, '(csv "two.csv" (ignore "A-B"))', 1, 2, 1))


def test_classes_are_ordered_by_value_or_alphabet_or_as_stated(tmp_path: Path) -> None:
    def names(labels: list[str], *classes: str) -> tuple[str, ...]:
        write_csv(tmp_path / "c.csv", [["x", "label"], *([n, label] for n, label in enumerate(labels))])
        patterns = tuple(NamePattern(name, exact=True) for name in classes)
        return read_own("csv", [tmp_path / "c.csv"], ReaderOptions(classes=patterns)).class_names

    assert names(["10", "9", "-1", "9"]) == ("-1", "9", "10")
    assert names(["pear", "Apple", "fig"]) == ("Apple", "fig", "pear")
    assert names(["pear", "Apple", "fig"], "fig", "pear", "kiwi", "Apple") == ("fig", "pear", "kiwi", "Apple")


def test_a_class_of_the_test_alone_is_a_warning(tmp_path: Path) -> None:
    for name, labels in (("train", "abab"), ("test", "abz")):
        write_csv(tmp_path / f"{name}.csv", [["x", "y"], *([n, label] for n, label in enumerate(labels))])
    found = read_path(tmp_path)
    assert found.class_names == ("a", "b", "z") and found.classes == 3
    assert found.notes == ("warning: train.csv: 1 class of the test part never occurs in the training part: z",)
    code, _, err = snsim("data", tmp_path)
    assert code == 0 and "never occurs" in err


# Round trips ----------------------------------------------------------------------------------------------------------

NUMBERS = st.floats(-1e300, 1e300, allow_nan=False, width=64)
CLASSES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and not re.fullmatch(r"[-+.\d\s]*|(?i:\?|na|n/a|nan|null|none|#n/a|.*e\d+)", text)
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.tuples(st.lists(NUMBERS, min_size=width, max_size=width), CLASSES), min_size=2, max_size=8
    )
)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(
    rows=TABLES,
    delimiter=st.sampled_from(",;\t"),
    bom=st.booleans(),
    heading=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_csv_file_comes_back(
    rows: list[tuple[list[float], str]], delimiter: str, bom: bool, heading: bool, end: str, tmp_path: Path
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    width = len(rows[0][0])
    if heading:
        writer.writerow([*(f"x{n}" for n in range(width)), "label"])
    writer.writerows([*(repr(x) for x in numbers), label] for numbers, label in rows)
    before = "\t;,"[: "\t;,".index(delimiter)]  # of higher rank: in a text, such a character would mislead
    if any(character in label for _, label in rows for character in before):
        return
    (tmp_path / "t.csv").write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.getvalue().encode())
    found = read_own("csv", [tmp_path / "t.csv"], ReaderOptions())
    assert np.array_equal(found.train.inputs, np.array([numbers for numbers, _ in rows]))
    assert found.train.labels is not None
    assert [found.class_names[n] for n in found.train.labels] == [label for _, label in rows]


@FEW
@given(
    count=st.integers(1, 6),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=2),
    kind=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]),
    order=st.sampled_from("<>"),
    packed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_idx_and_npz_and_npy_files_come_back(
    count: int, shape: list[int], kind: str, order: str, packed: bool, seed: int, tmp_path: Path
) -> None:
    draw = np.random.default_rng(seed)
    inputs = draw.integers(0, 100, (count, *shape)).astype(kind)
    labels = draw.integers(0, 5, count).astype(np.int32)
    pack = gzip.compress if packed else bytes
    (tmp_path / "x.idx").write_bytes(pack(idx_bytes(inputs, order)))
    (tmp_path / "y.idx").write_bytes(pack(idx_bytes(labels, order)))
    np.save(tmp_path / "x.npy", inputs.astype(inputs.dtype.newbyteorder(order)))
    np.save(tmp_path / "y.npy", labels)
    (np.savez_compressed if packed else np.savez)(tmp_path / "xy.npz", X=inputs, y=labels)
    expected = inputs / 127.5 - 1 if kind == "u1" and len(shape) == 2 else inputs.astype(float)
    for reader, names in (("idx", ("x.idx", "y.idx")), ("npy", ("x.npy", "y.npy")), ("npz", ("xy.npz",))):
        found = read_own(reader, [tmp_path / name for name in names], ReaderOptions())
        assert np.allclose(found.train.inputs, expected, atol=1e-6)
        assert found.train.labels is not None
        assert [found.class_names[n] for n in found.train.labels] == [str(label) for label in labels]
        assert found.record is not None
        assert [file.sha256 for file in found.record.files] == [
            hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names
        ]


def test_headings_are_told_from_rows(tmp_path: Path) -> None:
    def read(text: str, **options: object) -> Examples:
        (tmp_path / "h.csv").write_text(text, encoding="utf-8")
        return read_own("csv", [tmp_path / "h.csv"], ReaderOptions(**options))  # type: ignore[arg-type]

    assert len(read("5.1,3.5,a\n4.9,3.0,b\n").train) == 2
    assert len(read("x,y,z\n4.9,3.0,b\n1,2,b\n").train) == 1 + 1
    mixed = read("150,4,setosa,virginica\n5.1,3.5,1.4,0\n1,2,3,1\n")  # as scikit-learn writes its iris.csv
    assert len(mixed.train) == 2 and "line 1 is read as the names of the columns" in mixed.notes[0]
    pandas = read(",x,y\n0,5.5,a\n1,6.5,b\n")
    assert pandas.train.inputs.tolist() == [[5.5], [6.5]] and "column 1 has no name" in pandas.notes[0]
    quoted = read('x,"the, label"\n1,"a ""b"""\n\n2,"two\nlines"\n', label=NamePattern("the, label", exact=True))
    assert quoted.class_names == ('a "b"', "two\nlines")
    assert read("1,2\n3,4\n", label=NamePattern("1", number=1)).class_names == ("1", "3")


def test_keras_arrays(tmp_path: Path) -> None:
    """Channels stand last, labels in a column: those of CIFAR-10 and Fashion-MNIST."""
    draw = np.random.default_rng(4)
    colour, gray = (draw.integers(0, 256, (6, 8, 7, maps), dtype=np.uint8) for maps in (3, 1))
    labels = np.array([[2], [0], [1], [2], [0], [1]], np.uint8)
    np.savez(tmp_path / "c.npz", x_train=colour, y_train=labels, x_test=colour[:2], y_test=labels[:2])
    found = read_path(tmp_path / "c.npz")
    assert found.shape == (3, 8, 7) and found.test is not None and len(found.test) == 2
    assert np.allclose(found.train.inputs, colour.transpose(0, 3, 1, 2) / 127.5 - 1, atol=1e-6)
    np.savez(tmp_path / "g.npz", x=gray, y=labels)
    assert read_path(tmp_path / "g.npz").shape == (8, 7)


def test_colours_paper_and_sixteen_bits_become_gray(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (3, 2), (0, 0, 0, 0))
    clear.putpixel((1, 0), (255, 0, 0, 255))
    clear.save(tmp_path / "clear.png")
    gray, _ = read_gray(tmp_path / "clear.png", "clear.png")
    assert gray[0].tolist() == [255, 76, 255]  # ITU-R 601: 0.299 of 255
    deep = np.array([[0, 257, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert read_gray(tmp_path / "deep.png", "deep.png")[0].tolist() == [[0, 1, 255]]


# Where files may lie --------------------------------------------------------------------------------------------------


def test_a_description_stays_in_its_folder_and_a_command_goes_anywhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    write_iris(tmp_path / "iris.csv")
    write_pictures(tmp_path / "pics", 8)
    for data in ('(csv "../iris.csv")', '(images "../pics")', f'(csv "{tmp_path}/iris.csv")'):
        assert "is outside the folder of the program" in refusal(described(home, data, 4, 3))
    (home / "link.csv").symlink_to(tmp_path / "iris.csv")
    assert "is outside the folder" in refusal(described(home, '(csv "link.csv")', 4, 3))
    write_pictures(home / "pics", 4)
    (home / "pics" / "cross" / "a.png").symlink_to(tmp_path / "pics" / "Ring" / "000.png")
    said = refusal(described(home, '(images "pics")', "(24 24)", 2))
    assert "a.png is a link to a place outside" in said
    trained(described(home, '(csv "../iris.csv")', 4, 3, 1), "--data", str(tmp_path / "iris.csv"))
    trained(described(home, '(csv "iris.csv")', 4, 3, 1), "--data-dir", str(tmp_path))


def test_a_run_with_data_of_the_command_line_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is recorded whole: another working folder finds the file. A changed file is refused."""
    write_iris(tmp_path / "iris.csv")
    file = described(tmp_path, "digits", 4, 3, 2)
    monkeypatch.chdir(tmp_path)
    trained(file, "--data", "iris.csv")
    monkeypatch.chdir("/")
    code, _, err = snsim("run", "--resume", tmp_path / "runs" / "n", "--quiet")
    assert code == 0, err
    (tmp_path / "iris.csv").write_text((tmp_path / "iris.csv").read_text().replace("5.1", "5.2", 1))
    assert "has changed since the run" in snsim("run", "--resume", tmp_path / "runs" / "n")[2]


def test_a_path_keeps_the_options_of_a_description_of_its_kind(tmp_path: Path) -> None:
    write_iris(tmp_path / "iris.csv")
    (tmp_path / "other.csv").write_text((tmp_path / "iris.csv").read_text())
    file = described(tmp_path, '(csv "iris.csv" (label species) (test 30) (ignore 1))', 3, 3, 1)
    assert trained(file, "--data", str(tmp_path / "other.csv"))["test"]["patterns"] == 30


# Faults ---------------------------------------------------------------------------------------------------------------


def rows_csv(text: str | bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "a.csv").write_bytes(text.encode() if isinstance(text, str) else text)

    return write


def arrays(**named: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.savez(folder / "a.npz", **named)


def files(**contents: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, content in contents.items():
            (folder / name).write_bytes(content)

    return write


def picture(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        write_pictures(folder / "pics", 4)
        (folder / "pics" / "Ring" / name).write_bytes(content)

    return write


def png(size: tuple[int, int], cut: int | None = None) -> bytes:
    port = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, size[::-1], dtype=np.uint8)
    Image.fromarray(noise).save(port, "PNG")
    return port.getvalue()[:cut]


def huge_png() -> bytes:
    """A header of 8000 x 8000 pixels, and no pixels."""
    content = bytearray(png((1, 1)))
    content[16:24] = struct.pack(">2I", 8000, 8000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


ZEROS = np.zeros((3, 2))
IDX = idx_bytes(np.zeros((3, 2, 2), np.uint8))
DAMAGES = [
    # CSV: line and column
    ("csv", rows_csv("x,y,z\n1,2,a\n3,oops,b\n"), ["a.csv: line 3, column 2 (y)", '"oops" is not a finite number']),
    ("csv", rows_csv("x,y,z\n1,2,a\n3,,b\n"), ["line 3, column 2 (y): the value is missing", "delete line 3"]),
    ("csv", rows_csv("x,y,z\n1,2,a\n3,4\n"), ["a.csv: line 3 has 2 cells, expected 3"]),
    ("csv", rows_csv("x,y,z\n1,2,a\n3,4,b,5\n"), ["a.csv: line 3 has 4 cells, expected 3"]),
    ("csv", rows_csv("x,y,z\n1,red,a\n3,green,b\n"), ["column 2 (y): the column holds texts", '(ignore "y")']),
    ("csv", rows_csv("x,y,z\n1,2,a\n3,4,\n"), ["line 3, column 3 (z): the value is missing"]),
    ("csv", rows_csv("x;y;z\n1;2,5;a\n3;4;b\n"), ["line 2, column 2 (y)", "has a decimal comma", "with a point: 2.5"]),
    ("csv", rows_csv("x;y;z\n1;2,5;a\n3;-4,5;b\n"), ['line 2, column 2 (y): "2,5" has a decimal comma']),
    ("csv", rows_csv("x,y,z\n1,1e999,a\n3,4,b\n"), ["line 2, column 2 (y)", '"1e999" is not a finite']),
    ("csv", rows_csv("x,y,z\n1,1_0,a\n3,4,b\n"), ['column 2 (y): "1_0"']),
    ("csv", rows_csv('x,y,z\n1,2,a\n3,4,"b\n'), ['begins in line 3 has no closing "']),
    ("csv", rows_csv("1,2\n3,4\n".encode("utf-16")), ["a.csv: is a text in UTF-16", "iconv"]),
    ("csv", rows_csv(b"x,y\n1,\xe9\n"), ["line 2 holds the byte 0xe9, which is not UTF-8"]),
    ("csv", rows_csv(b"x,y\n1,\0\n"), ["line 2 holds a zero byte"]),
    ("csv", rows_csv(""), ["the file holds no rows"]),
    ("csv", rows_csv("x,y\n"), ["no rows below the names"]),
    ("csv", rows_csv("a\nb\n"), ["there is one column"]),
    ("csv", rows_csv(png((2, 2))), ["a.csv: is a picture (PNG)"]),
    # npz, npy: shape and type
    ("npz", arrays(a=ZEROS), ["a.npz holds the arrays a; expected x_train and y_train"]),
    ("npz", arrays(x=ZEROS, y=np.zeros(4, int)), ["a.npz: x has the shape (3, 2) and a.npz: y the shape (4,)"]),
    ("npz", arrays(x=np.zeros(3), y=np.zeros(3, int)), ["a.npz: x has the shape (3,)"]),
    ("npz", arrays(x=ZEROS + np.nan, y=np.zeros(3, int)), ["a.npz: x holds nan at [0, 0]"]),
    ("npz", arrays(x=ZEROS, y=np.array([None, 1, 2], object)), ['a.npz: "y": an array has the type', "never read"]),
    ("npz", arrays(X=ZEROS, x=ZEROS, y=np.zeros(3, int)), ["a.npz holds X, x, whose names differ only in case"]),
    (
        "npz",
        arrays(x_train=ZEROS, y_train=np.arange(3), x_test=np.array([None] * 3), y_test=np.arange(3)),
        ['a.npz: "x_test": an array has the type', "never read"],
    ),
    ("npz", arrays(x=np.array([["a", "b"]]), y=np.zeros(1, int)), ["a.npz: x has the type <U1, expected numbers"]),
    ("npz", files(**{"a.npz": b"PK\3\4 and no more"}), ["a.npz is damaged", "end of the zip file is missing"]),
    (
        "npz",
        arrays(x_train=ZEROS, y_train=np.arange(3), x_test=ZEROS[:, :1], y_test=np.arange(3)),
        ["one training pattern has the shape (2,), one test pattern (1,)"],
    ),
    ("npy", files(**{"x.npy": b"\x93NUMPY\1\0", "y.npy": b""}), ["x.npy is damaged or holds no plain arrays"]),
    # idx: sizes of the header
    ("idx", files(x=IDX[:-1], y=idx_bytes(np.zeros(3, np.uint8))), ["x has 27 bytes, its header claims 28 for 3 x 2"]),
    ("idx", files(x=IDX, y=idx_bytes(np.zeros(2, np.uint8))), ["x has the shape (3, 2, 2) and y the shape (2,)"]),
    ("idx", files(x=b"\0\0\x07\2" + bytes(20), y=b""), ["x is not an idx file: it begins with 00000702"]),
    ("idx", files(x=b"\0\0\x08\1\xff\xff\xff\xff", y=b""), ["its header claims 4294967303"]),
    # pictures: the file
    ("images", picture("bad.png", b"no picture"), ["pics/Ring/bad.png is not a picture in one of the formats"]),
    ("images", picture("cut.png", png((24, 24), cut=300)), ["pics/Ring/cut.png is damaged"]),
    ("images", picture("big.png", png((30, 24))), ["pics/Ring/big.png has 24 rows and 30 columns", "(size "]),
    ("images", picture("huge.png", huge_png()), ["pics/Ring/huge.png has 8,000 x 8,000 pixels, at most 50,000,000"]),
    ("images", lambda folder: (folder / "pics" / "a").mkdir(parents=True), ["class folder pics/a holds no pictures"]),
    ("images", lambda folder: (folder / "pics").mkdir(), ["holds no folder of pictures", "FOLDER/CLASS/PICTURE.png"]),
    ("images", lambda folder: None, ['there is no folder "pics"']),
    ("images", files(pics=b""), ['"pics" is not a folder']),
]  # fmt: skip
FORMS = {
    "csv": '(csv "a.csv")',
    "npz": '(npz "a.npz")',
    "npy": '(npy "x.npy" "y.npy")',
    "idx": '(idx "x" "y")',
    "images": '(images "pics")',
}


@pytest.mark.parametrize(("reader", "write", "parts"), DAMAGES, ids=[f"{n}-{d[0]}" for n, d in enumerate(DAMAGES)])
def test_damage_is_told_with_its_place(
    reader: str, write: Callable[[Path], object], parts: list[str], tmp_path: Path
) -> None:
    write(tmp_path)
    said = " ".join(refusal(described(tmp_path, FORMS[reader], 2, 3)).split())
    assert all(" ".join(part.split()) in said for part in parts), said
    assert "n.sn:3:" in said  # where the form stands


FAULTS = [
    ('(csv "iris.csv" (test 0))', "must be a fraction between 0 and 1"),
    ('(csv "iris.csv" (test 150))', "(test 150) holds out 150 of the 150 patterns"),
    ('(csv "iris.csv" (test 0.2) (folds 5))', "(test ...) and (folds ...) cannot be combined"),
    ('(csv "iris.csv" (range 0 1) (standardize))', "(range ...) and (standardize ...) cannot be combined"),
    ('(csv "iris.csv" (range 1 0))', "write the lower number first: (range 0 1)"),
    ('(csv "iris.csv" (size 4 4))', 'csv has no option "size"'),
    ('(csv "iris.csv" (lable species))', 'did you mean "label"?'),
    ('(csv "iris.csv" (label species) (label 1))', "is stated twice"),
    ('(csv "iris.csv" (split-seed 3))', "has no effect without (test ...)"),
    ('(csv "iris.csv" (label 6))', "there is no column 6: the table has 5"),
    ('(csv "iris.csv" (label petal-length) (ignore 5))', "holds decimals"),
    ('(csv "iris.csv" (label 5) (ignore 5))', "is both in (ignore ...) and the label"),
    ("(csv iris.csv)", 'write it in quotes: "iris.csv"'),
    ('(csv "a" "b" "c")', "takes 1 or 2 files, 3 named"),
    ('digits (csv "iris.csv")', "must be the only item"),
    ('(cvs "iris.csv")', "readers: examples, "),
    ('(csv "iris.csv" (ignore 1))', "the patterns of iris.csv are 3 units, the layer input is 4 units"),
    ('(npy "x.npy" "y.npy" (invert))', "are 4 numbers a pattern, not pictures"),
    ('(csv "iris.csv" (classes setosa versicolor virginica other))', "has 4 classes, the output layer out has 3 units"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "part"), FAULTS)
def test_forms_that_do_not_fit(data: str, part: str, tmp_path: Path) -> None:
    write_iris(tmp_path / "iris.csv")
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    np.save(tmp_path / "y.npy", np.arange(3))
    assert part in refusal(described(tmp_path, data, 4, 3))


def test_pictures_that_do_not_fit_name_both_sizes_and_the_remedy(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pics", 4)
    said = refusal(described(tmp_path, '(images "pics")', "(16 16)", 2))
    assert "are 24 x 24, the layer input is 16 x 16" in said
    assert "write (layer input (24 24)), or scale the pictures: (size 16 16) in the form (images ...)" in said


def test_what_is_no_data_is_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pics", 4)
    (tmp_path / "a.pkl").write_bytes(b"\x80\4\x95" + bytes(20))
    np.save(tmp_path / "alone.npy", ZEROS)
    for name, part in (
        ("nowhere.csv", "there is no file or folder"),
        ("pics/Ring/000.png", "name a folder that has a subfolder of pictures"),
        ("a.pkl", "is a pickle of Python"),
        ("alone.npy", "has no labels"),
        ("runs-of-nothing", "unknown data set"),
    ):
        code, _, err = snsim("data", tmp_path / name if "." in name else name)
        assert code == 1 and part in err and "hint: " in err


def test_inputs_beyond_the_limit_are_refused_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snsim.data.own_data.MOST_BYTES", 1000)
    np.savez(tmp_path / "x.npz", x=np.zeros((10, 8, 8), np.uint8), y=np.arange(10))
    with pytest.raises(SnError, match=r"10 patterns of 8x8, take 2,560 bytes as numbers; at most 1,000"):
        read_path(tmp_path / "x.npz")
    assert read_path(tmp_path / "x.npz", ReaderOptions(size=(2, 2), spans={})).shape == (2, 2)


# The commands ---------------------------------------------------------------------------------------------------------


def test_data_and_plot_data_describe_files(tmp_path: Path) -> None:
    write_iris(tmp_path / "iris.csv")
    code, out, _ = snsim("data", tmp_path / "iris.csv")
    iris = load_iris().data
    assert code == 0 and "150 patterns" in out and re.search(r"class +setosa +versicolor +virginica", out)
    row = f"{iris[:, 2].min():g} +{iris[:, 2].max():g} +{iris[:, 2].mean():.5g} +{iris[:, 2].std():.5g}"
    assert re.search(rf"Petal_Length +{row}", out)
    write_pictures(tmp_path / "pics", 12)
    code, out, err = snsim("plot", "data", tmp_path / "pics", "--text")
    assert code == 0 and "12 patterns of 24x24, 2 classes" in out and "Ring" in out, err
    code, _, err = snsim("plot", "data", tmp_path / "pics", "-o", tmp_path / "sheet.png")
    assert code == 0, err
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 100


def test_a_reader_is_added_in_one_place(tmp_path: Path) -> None:
    """A dummy reader is known to the description, to --data, to list and to help."""
    (tmp_path / "d.lines").write_text("LINES\n1 2 even\n1 3 odd\n1 4 even\n")
    with taken_away_again(READERS):

        def recognise(path: Path, start: bytes) -> tuple[Path, ...] | None:
            return (path,) if start.startswith(b"LINES\n") else None

        @add_reader("lines", '(lines "FILE" option ...)', recognise)
        def read_lines(request: ReadRequest) -> RawData:
            """Read lines of two numbers and a class."""
            words = [line.split() for line in read_file(request.files[0], 1000).decode().split("\n")[1:-1]]
            inputs = np.array([[float(word) for word in line[:2]] for line in words])
            return RawData(
                RawPart(inputs, np.array([line[2] == "odd" for line in words], int)), None, (), ("even", "odd")
            )

        trained(described(tmp_path, '(lines "d.lines" (test 1) (classes odd even))', 2, 2, 1))
        assert trained(described(tmp_path, "digits", 2, 2, 1), "--data", str(tmp_path / "d.lines"))
        (tmp_path / "d.lines").rename(tmp_path / "e.lines")  # it records no file, and is found again by --data
        resumed = snsim("run", "--resume", tmp_path / "runs" / "n", "--data", tmp_path / "e.lines", "--quiet")
        assert resumed[0] == 0, resumed[2]
        (tmp_path / "e.lines").rename(tmp_path / "d.lines")
        assert "lines" in snsim("list", "data")[1] and "Read lines of two numbers" in snsim("help", "lines")[1]
        assert re.search(r"class +even +odd", snsim("data", tmp_path / "d.lines")[1])
    assert "readers: examples, " in refusal(described(tmp_path, '(lines "d.lines")', 2, 2))


def test_errors_carry_no_hidden_characters_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x,y,z\n1,\x1b[31m,a\n2,3,b\n")
    with pytest.raises(SnError) as raised:
        read_own("csv", [tmp_path / "a.csv"], ReaderOptions())
    assert "\x1b" not in str(raised.value) and "\\x1b[31m" in str(raised.value)


def test_bytes_of_any_kind_give_examples_or_a_fault(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    good = [write_iris(tmp_path / "iris.csv").read_bytes()[:400], IDX, png((5, 4))]
    np.savez(tmp_path / "g.npz", x=ZEROS, y=np.arange(3))
    good.append((tmp_path / "g.npz").read_bytes())
    for number in range(200):
        content = bytearray(good[number % 4])
        for place in draw.integers(0, len(content), 3):
            content[place] = draw.integers(0, 256)
        file = tmp_path / "f"
        file.write_bytes(content)
        for reader, count in (("csv", 1), ("npz", 1), ("idx", 2)):
            try:
                read_own(reader, [file] * count, ReaderOptions())
            except SnError as error:
                assert all(fault.hint for fault in error.faults)
        try:
            read_gray(file, "f")
        except SnError as error:
            assert all(fault.hint for fault in error.faults)


# The page -------------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "data.md").read_text(encoding="utf-8")


def test_every_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_iris(tmp_path / "iris.csv")
    write_pictures(tmp_path / "pictures")
    wine, diabetes = load_wine(), load_diabetes()
    np.savez("wine.npz", data=wine.data, target=wine.target)
    rows = [[*x, y / 100] for x, y in zip(diabetes.data, diabetes.target)]
    write_csv(tmp_path / "diabetes.csv", [[*diabetes.feature_names, "progress"], *rows])
    for name, text in zip(("iris.sn", "data.sn"), re.findall(r"^```lisp\n(.*?)^```", PAGE, re.M | re.S), strict=True):
        (tmp_path / name).write_text(text)
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]
    assert len(commands) == 12
    for command in commands:
        if "archive" in command:
            (tmp_path / "archive").mkdir()
            (tmp_path / "iris.csv").rename(tmp_path / "archive" / "iris.csv")
        code, out, err = snsim(*command.split()[1:], *(["--jobs", "1"] if "reproduce" in command else []))
        assert code == 0 and out, f"{command}: {err}"
    lines = (tmp_path / "archive" / "iris.csv").read_text().splitlines()
    cells = lines[16].split(",")
    (tmp_path / "iris.csv").write_text("\n".join([*lines[:16], ",".join([*cells[:2], "1.4cm", *cells[3:]])]))
    said = [line for line in snsim("run", "iris.sn")[2].splitlines() if line.startswith(("iris.sn", "  hint"))]
    assert "\n".join(said) in PAGE


def test_the_page_names_every_reader_and_option() -> None:
    from snsim.training.forms.reader_clauses import OPTIONS

    for entry in READERS:
        assert f"| `({entry.name} " in PAGE
        assert set(entry.value.all_options) <= set(OPTIONS.names())
    for name in OPTIONS.names():
        assert re.search(rf"^\| `\({name}[ )]", PAGE, re.M), name
