"""`snsim test`: figures on a run's own data are those of its last pass; on other data those of PyTorch."""

from __future__ import annotations

import csv
import io
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_folder import MNIST, need_data
from PIL import Image
from safetensors.numpy import load_file
from sklearn.metrics import confusion_matrix
from tiny_run import snsim

NET = """(net iris (layer input 4) (layer hidden 6) (layer output 4)
  (connect input hidden (full)) (connect hidden output (full)))
(train iris (net iris) (data (npz "iris.npz" (standardize)))
  (order shuffled) (epsilon 0.01) (passes 6) (seed 1 2 3) (keep best train-misses))
(net line (layer input 2) (layer output 1 (nlf linear)) (connect input output (full)))
(train line (net line) (data (csv "line.csv" (target y) (range -1 1))) (correct lms 0.5) (epsilon 0.05) (passes 4))
"""
CLASSES = ("setosa", "Versi Color", "virginica")


def flowers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of four numbers of very different scales, and the classes 0 to 2."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, count)
    return rng.normal(kind[:, None], 0.6, (count, 4)) * [1, 100, 0.01, 5] + [0, 400, 7, -20], kind


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of a net with a spare output on a file with two parts, and a regression."""
    place = tmp_path_factory.mktemp("scores")
    (x, y), (tx, ty) = flowers(90, 5), flowers(40, 6)
    np.savez(place / "iris.npz", x_train=x, y_train=y, x_test=tx, y_test=ty, class_names=np.array(CLASSES))
    rng = np.random.default_rng(1)
    table = rng.uniform(0, 10, (30, 2))
    rows = [[*row, row[0] - 2 * row[1]] for row in table.tolist()]
    (place / "line.csv").write_text("a,b,y\n" + "\n".join(",".join(map(repr, row)) for row in rows))
    (place / "nets.sn").write_text(NET)
    code, _, err = snsim("run", place / "nets.sn", "--quiet", "--out", place / "runs")
    assert code == 0, err
    return place


def told(*arguments: str | Path) -> list[dict[str, Any]]:
    code, out, err = snsim("test", *arguments, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "passes.jsonl").read_text().splitlines()]


def outputs_by_torch(folder: Path, run: str, x: np.ndarray) -> np.ndarray:
    """Outputs (patterns, 4), by layers of PyTorch with the weights of a run. Inputs are scaled by the training file."""
    weights = {name: torch.as_tensor(array) for name, array in load_file(folder / run / "weights.safetensors").items()}
    learned = np.load(folder.parent / "iris.npz")["x_train"]
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Linear(6, 4))
    state = {}
    for place, (layer, connection) in enumerate((("hidden", "input_hidden"), ("output", "hidden_output"))):
        state |= {f"{place}.weight": weights[f"{connection}.weight"].T, f"{place}.bias": weights[f"{layer}.bias"]}
    net.load_state_dict({name: value.reshape(net.state_dict()[name].shape) for name, value in state.items()})
    out = torch.as_tensor((x - learned.mean(0)) / learned.std(0), dtype=torch.float32)
    with torch.no_grad():
        for layer in net:
            out = torch.tanh(layer(out) * (2 / 3)) / np.tanh(2 / 3)
    return out.double().numpy()


def by_torch(folder: Path, run: str, x: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Loss and answers of the net of a run, by PyTorch."""
    return figures(outputs_by_torch(folder, run, x), labels)


def figures(out: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Loss and answers of outputs (patterns, 4)."""
    targets = np.eye(4)[labels] * 2 - 1
    return float(((out - targets) ** 2).sum(1).mean() / 2), out.argmax(1)


def test_own_data_give_the_figures_of_the_last_pass(folder: Path) -> None:
    run = folder / "runs" / "iris-seed1"
    for split in ("test", "train"):
        last = lines_of(run)[-1][split]
        (entry,) = told(run, "--of", split)
        assert entry["own_data"] and entry["split"] == split and entry["pass"] == 6
        assert {name: entry[name] for name in last} == last
    (entry,) = told(run, "--data", folder / "iris.npz")
    assert {name: entry[name] for name in last} == lines_of(run)[-1]["test"] and not entry["own_data"]
    best = min(lines_of(run), key=lambda line: (line["train"]["misses"], line["pass"]))
    (entry,) = told(run, "--best", "--of", "train")
    assert entry["pass"] == best["pass"] and {name: entry[name] for name in best["train"]} == best["train"]
    code, out, _ = snsim("test", run)
    assert code == 0 and "40 test patterns of iris.npz, the data of the run itself" in out and "Versi Color" in out


def test_other_data_give_the_figures_of_pytorch(folder: Path, tmp_path: Path) -> None:
    """As csv with names of classes in another spelling, and as npy with numbers where the classes are numbers."""
    run = folder / "runs" / "iris-seed2"
    x, labels = flowers(60, 9)
    names = ("setosa", "versi color", "VIRGINICA")
    rows = [",".join([*map(repr, row), names[label]]) for row, label in zip(x.tolist(), labels)]
    (tmp_path / "new.csv").write_text("\n".join(rows))
    (entry,) = told(run, "--data", tmp_path / "new.csv")
    loss, answers = by_torch(folder / "runs", "iris-seed2", x, labels)
    assert entry["loss"] == pytest.approx(loss, rel=1e-5)
    assert entry["misses"] == int((answers != labels).sum()) and entry["patterns"] == 60
    assert entry["confusion"] == confusion_matrix(labels, answers, labels=range(4)).tolist()
    assert entry["outputs"] == [*CLASSES, "3"]


def test_several_runs_have_a_mean_and_a_deviation(folder: Path) -> None:
    runs = [folder / "runs" / f"iris-seed{seed}" for seed in (1, 2, 3)]
    *entries, summary = told(*runs)
    for name in ("loss", "misses", "error", "rejection"):
        values = [lines_of(run)[-1]["test"][name] for run in runs]
        assert [entry[name] for entry in entries] == values
        assert summary["mean"][name] == pytest.approx(statistics.mean(values))
        assert summary["deviation"][name] == pytest.approx(statistics.stdev(values))
    code, out, err = snsim("test", *runs, "--csv")
    assert code == 0, err
    lines = list(csv.DictReader(io.StringIO(out)))
    assert [line["run"] for line in lines] == [*(run.name for run in runs), "mean", "deviation", "vote"]
    assert float(lines[3]["loss"]) == pytest.approx(summary["mean"]["loss"])
    code, out, err = snsim("test", runs[0], folder / "runs" / "line")
    assert code == 0 and "the runs have different test data, iris.npz, line.csv" in out and "mean " not in out


def test_a_vote_is_the_mean_of_the_outputs_and_common_misses_are_named(folder: Path) -> None:
    runs = [folder / "runs" / f"iris-seed{seed}" for seed in (1, 2, 3)]
    x, labels = flowers(40, 6)
    outputs = [outputs_by_torch(folder / "runs", run.name, x) for run in runs]
    missed = np.array([out.argmax(1) != labels for out in outputs])
    summary = told(*runs)[-1]
    loss, answers = figures(np.mean(outputs, axis=0), labels)
    assert summary["vote"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert summary["vote"]["misses"] == int((answers != labels).sum())
    assert summary["missed_by_all"] == np.flatnonzero(missed.all(0)).tolist() != []
    assert summary["missed_by_some"] == np.flatnonzero(missed.any(0)).tolist()
    code, out, _ = snsim("test", *runs)
    numbers = ", ".join(map(str, summary["missed_by_all"]))
    assert code == 0 and f"all 3 miss {len(summary['missed_by_all'])} (counted from 0): {numbers}" in out


def test_a_regression_by_least_squares_of_its_own(folder: Path, tmp_path: Path) -> None:
    """Columns in another order, whole numbers as targets: outputs and error by NumPy from the weights."""
    learned = np.genfromtxt(folder / "line.csv", delimiter=",", skip_header=1)[:, :2]
    x = np.random.default_rng(3).uniform(0, 10, (8, 2))
    y = np.arange(8)
    (tmp_path / "new.csv").write_text("Y,b,a\n" + "\n".join(f"{t},{b!r},{a!r}" for (a, b), t in zip(x.tolist(), y)))
    weights = load_file(folder / "runs" / "line" / "weights.safetensors")
    low, high = learned.min(0), learned.max(0)
    outputs = (2 * (x - low) / (high - low) - 1) @ weights["input_output.weight"] + weights["output.bias"].ravel()
    (entry,) = told(folder / "runs" / "line", "--data", tmp_path / "new.csv")
    assert entry["mse"] == pytest.approx(float(np.mean((outputs[:, 0] - y) ** 2)), rel=1e-5)
    assert "confusion" not in entry and entry["outputs"] == ["y"]


def test_pictures_are_prepared_as_by_predict(tmp_path: Path) -> None:
    """The misses of a folder are those that `snsim predict` makes on its pictures one by one."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in range(0, 120, 3):
        place = tmp_path / "own" / str(digits.target[number])
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(255 - digits.images[number] * 15.9, np.ones((9, 9))).astype(np.uint8)
        Image.fromarray(np.pad(pixels, 20, constant_values=255)).save(place / f"{number}.png")
    files = sorted((tmp_path / "own").glob("*/*.png"))
    code, out, err = snsim("predict", "lecun89", *files, "--json")
    assert code == 0, err
    wrong = sum(json.loads(line)["class"] != file.parent.name for line, file in zip(out.splitlines(), files))
    (entry,) = told("lecun89", "--data", tmp_path / "own")
    assert (entry["misses"], entry["patterns"]) == (wrong, 40)


@pytest.mark.needs_data(*MNIST)
def test_a_net_of_the_gallery_has_the_misses_that_it_came_with(tmp_path: Path) -> None:
    need_data(*MNIST)
    from snsim.gallery import shipped_weights

    shipped = shipped_weights("lecun89")
    assert shipped is not None
    code, out, err = snsim("test", "lecun89", "--offline")
    assert code == 0 and f"{shipped.test_misses} of {shipped.test_patterns:,} confused" in out
    assert "lecun89 means the net of the gallery" in err and shipped.summary in err


@pytest.mark.parametrize(
    ("run", "file", "content", "message"),
    [
        ("iris-seed1", "a.csv", "1,2,3,4,tulip\n1,2,3,5,setosa\n", "a class that iris-seed1 was not trained on: tulip"),
        ("iris-seed1", "a.csv", "1,2,3,4\n1,2,3,5\n", "it has 4 columns; the net takes 4 numbers, and 1 more"),
        ("iris-seed1", "a.csv", "1,2,3,4,1\n1,2,3,5,0\n", "write the names of the classes instead of their numbers"),
        ("iris-seed1", "x.npy", np.zeros((3, 5)), "are 5 numbers; the net iris was trained on 4 numbers"),
        ("iris-seed1", "y.npy", np.zeros(3), "has targets, and iris-seed1 was trained on classes: setosa"),
        ("line", "a.csv", "a,b\n1,2\n3,4\n", "the column y with the answers is missing"),
        ("line", "y.npy", np.zeros((3, 2)), "x.npy has 2 targets per pattern, line 1 output"),
    ],
)
def test_data_that_do_not_fit_are_faults(
    run: str, file: str, content: object, message: str, folder: Path, tmp_path: Path
) -> None:
    if isinstance(content, str):
        (tmp_path / file).write_text(content)
    else:
        np.save(tmp_path / "x.npy", np.zeros((3, 4 if run.startswith("iris") else 2)))
        np.save(tmp_path / "y.npy", np.zeros(3, int))
        np.save(tmp_path / file, content)  # type: ignore[arg-type]
    source = tmp_path / ("x.npy" if file.endswith("npy") else file)
    code, out, err = snsim("test", folder / "runs" / run, "--data", source)
    assert code == 1 and not out and "hint:" in err, err
    assert message in err, err


def test_options_that_do_not_fit_are_faults(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = folder / "runs" / "line"
    assert "keeps no best pass" in snsim("test", run, "--best")[2]
    assert "has no test patterns" in snsim("test", run, "--of", "test")[2]
    told = snsim("test", "xor")[2]
    assert "comes without trained weights" in told and "train it: snsim run xor" in told
    told = snsim("test", "nettalk")[2]  # `snsim run nettalk` cannot work
    assert "its file declares no training" in told and "snsim run" not in told
    assert "hint: copy the net with snsim new mine --like nettalk" in snsim("run", "nettalk")[2]
    assert "train it first with snsim run xor" in snsim("report", "xor")[2]
    for seed in (1, 2):
        (tmp_path / "runs" / f"mine-seed{seed}").mkdir(parents=True)
        (tmp_path / "runs" / f"mine-seed{seed}" / "run.json").touch()
    monkeypatch.chdir(tmp_path)
    told = snsim("test", "mine")[2]
    assert 'did you mean "mine-seed1"?  runs: mine-seed1, mine-seed2; nets of the gallery: ' in told
    assert "snsim run" not in snsim("new", "mine", "--like", "nettalk")[1]
    assert "keeps no best pass" in snsim("test", "lecun89", "--best")[2]
    assert snsim("test", run, "--data", "nix")[0] == 2


def test_python_gives_the_answers_of_the_command(folder: Path, tmp_path: Path) -> None:
    """`predict` takes rows as a file has them, of any type: it scales them as the run did."""
    import snsim as package

    x, _ = flowers(20, 11)
    np.save(tmp_path / "x.npy", x)
    net = package.load(folder / "runs" / "iris-seed3")
    code, out, err = snsim("predict", folder / "runs" / "iris-seed3", tmp_path / "x.npy", "--json")
    assert code == 0, err
    answers = [json.loads(line)["class"] for line in out.splitlines()]
    assert net.predict(x) == net.predict(torch.as_tensor(x)) == answers and len(set(answers)) == 3
    assert net.predict(x[0]) == answers[0]


def test_misses_are_listed_with_the_file_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `snsim predict` says of each listed file is the answer, and the folder that the file is in is the label."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    for kind in ("cat", "dog"):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 255, (4, 4), np.uint8)).save(tmp_path / "pets" / kind / f"{number}.png")
    (tmp_path / "pets.sn").write_text(
        "(net pets (layer input (4 4)) (layer output 2) (connect input output (full)))"
        '(train pets (net pets) (data (images "pets" (test 0.5))) (order shuffled) (epsilon 0.01) (passes 1))'
    )
    assert snsim("run", "pets.sn", "--quiet")[0] == 0
    for words, paths in (((), "pets"), (("--data", "pets"), "pets")):
        (entry,) = told("pets", *words, "--misses")
        missed = entry["missed"]
        assert len(missed) == entry["misses"] > 0
        files = [one["file"] for one in missed]
        assert files == sorted(set(files)) and all(file.startswith(f"{paths}/") for file in files)
        assert [one["label"] for one in missed] == [Path(file).parent.name for file in files]
        code, out, err = snsim("predict", "pets", *files, "--json")
        assert code == 0, err
        answers = [json.loads(line) for line in out.splitlines()]
        assert [one["file"] for one in answers] == files
        assert [one["class"] for one in answers] == [one["answer"] for one in missed]
        assert all(one["answer"] != one["label"] for one in missed)
        code, out, _ = snsim("test", "pets", *words, "--misses")
        assert code == 0 and all(f"{one['pattern']}  {one['file']}" in out for one in missed)
        code, out, _ = snsim("test", "pets", *words, "--misses", "--csv")
        assert code == 0 and [row["file"] for row in csv.DictReader(io.StringIO(out))] == files


def test_misses_of_data_without_files_or_classes(folder: Path) -> None:
    (entry,) = told(folder / "runs" / "iris-seed1", "--misses")
    assert len(entry["missed"]) == entry["misses"]
    assert all(set(one) == {"pattern", "label", "answer"} for one in entry["missed"])
    (entry,) = told(folder / "runs" / "line", "--misses")
    assert len(entry["missed"]) == entry["misses"] and all(set(one) == {"pattern"} for one in entry["missed"])
    code, out, _ = snsim("test", folder / "runs" / "iris-seed1", folder / "runs" / "iris-seed2", "--misses")
    assert code == 0 and "iris-seed2: " in out


def test_targets_state_classes_where_the_largest_number_of_each_is_the_same() -> None:
    from snsim.training.prepare import have_classes

    codes = np.where(np.eye(3)[[0, 2, 1, 0]] > 0, 1.0, -1.0)
    assert have_classes(codes)
    assert not have_classes(codes[:, :1])  # one unit
    assert not have_classes(np.array([[0.3, 1.2], [2.0, 0.1]]))  # two numbers to be predicted
    assert not have_classes(np.array([[1.0, 1.0], [1.0, -1.0]]))  # two largest
