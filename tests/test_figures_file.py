"""Studies without run folders: the figures are those of ordinary runs, and a file that was cut short goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from snsim.cli.main import main

STUDY = """(net n (layer input (16 16)) (layer hidden 12) (layer output 10)
  (connect input hidden (full)) (connect hidden output (full)))
(defvar k 0)
(sample 4 1 ((rate (log-uniform 0.001 0.01)) (mu (log-uniform 0.01 0.1)) (method (one-of "lm" "newton")))
  (train a (net n) (data digits) (ensemble 0 299) (test-set 0 99) (passes 3) (order shuffled)
    (seed ,(setq k (+ k 1))) (epsilon ,rate) (update ,method (mu ,mu))
    (published (test-misses 30) (train-misses 60) (test-half-mse 0.02) (test-rejection 20))))
(train held (net n) (data digits) (ensemble 0 299) (test-set 0 99) (passes 3) (seed 1 2)
  (epsilon 0.001) (update lm (mu 0.02) (curvature 50)))
"""


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in path.read_text().splitlines() if not line.startswith("# ")))


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.sn").write_text(STUDY)


def test_figures_are_those_of_run_folders(study: None) -> None:
    """Engines that are used again, without the options of the rule compiled in, compute what ordinary runs do."""
    assert main(["reproduce", "study.sn", "--jobs", "1", "--quiet"]) == 0
    assert main(["reproduce", "study.sn", "--jobs", "1", "--quiet", "--figures", "f.csv", "--report", "f.md"]) == 0
    ordinary = json.loads(Path("runs/reproduced/study.json").read_text())["studies"][0]["rows"]
    by_folder = {Path(run["folder"]).name[-12:]: (row, run) for row in ordinary for run in row["runs"]}
    found = rows(Path("f.csv"))
    assert {row["run"] for row in found} == set(by_folder)
    for row in found:
        stated, run = by_folder[row["run"]]
        assert row["seed"] == str(run["seed"])
        for name in ("test-misses", "train-misses", "test-half-mse", "test-rejection"):
            assert float(row[name]) == pytest.approx(run["figures"][name], rel=1e-6), (row, name)
        if row["training"] == "a":
            assert stated["training"] == f"a@rate={row['rate']},mu={row['mu']},method={row['method']}"
    page = json.loads(Path("f.json").read_text())["studies"][0]["rows"]
    assert page[0]["figures"]["test-error"]["mean"] == pytest.approx(ordinary[0]["figures"]["test-error"]["mean"])


@pytest.mark.slow
def test_a_file_that_was_cut_short_goes_on(study: None, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["reproduce", "study.sn", "--jobs", "1", "--figures", "f.csv"]
    assert main(command) == 0
    whole = rows(Path("f.csv"))
    text = Path("f.csv").read_text()
    Path("f.csv").write_text(text[:-20])  # as a kill would leave it
    capsys.readouterr()
    assert main([*command, "--finished"]) == 0
    assert capsys.readouterr().out.startswith("5 runs; ")
    assert main(command) == 0
    assert capsys.readouterr().out.count("seed ") == 1
    seconds = {"cpu-seconds": ""}
    assert [{**row, **seconds} for row in rows(Path("f.csv"))] == [{**row, **seconds} for row in whole]
    # a part of the study leaves the other runs in the file
    assert main([*command, "--only", "held"]) == 0
    assert {row["run"] for row in rows(Path("f.csv"))} == {row["run"] for row in whole}
    assert main([*command, "--finished"]) == 0
    assert {row["run"]: row["rate"] for row in rows(Path("f.csv"))} == {row["run"]: row["rate"] for row in whole}


def test_faults(study: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.csv").write_text("a,b\n1,2\n")
    assert main(["reproduce", "study.sn", "--figures", "f.csv"]) != 0
    assert "f.csv is not a file of figures: it lacks the columns run and made" in capsys.readouterr().err
    assert main(["reproduce", "study.sn", "--figures", "f.txt"]) != 0
    assert "--figures f.csv" in capsys.readouterr().err
    Path("study.sn").write_text(STUDY.replace("(train held ", "(train held (keep best test-misses) "))
    assert main(["reproduce", "study.sn", "--figures", "g.csv", "--only", "held", "--jobs", "1"]) == 1
    assert "remove (keep best ...), or leave --figures out" in capsys.readouterr().err
