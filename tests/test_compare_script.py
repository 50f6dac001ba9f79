"""`snsim compare NET SCRIPT`: training scripts that run unchanged, twins that learn the same, and planted faults."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sys
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import snsim
from snsim.cli.compare import is_script_path
from snsim.cli.main import main
from snsim.comparison.script.compare_script import compare_script
from snsim.comparison.script.distribution_fit import UNLIKELY, Distribution, _kolmogorov, fit_initial
from snsim.comparison.script.events import WATCHER
from snsim.comparison.script.printed_figures import figures
from snsim.comparison.script.result import ScriptComparison
from snsim.comparison.script.script_report import _fit_text, script_text
from snsim.data.catalog import find
from snsim.errors import Source
from snsim.runs.options import Options

TWINS = Path(__file__).parent / "twins"
NETS = TWINS.parent.parent / "nets"
CASES = tomllib.loads((TWINS / "scripts.toml").read_text())
OPTIONS = Options(dtype="float64", online=False)
QUICK = {  # of the fast tier: one of each way in which a fault is found
    "kernels from N(0, 25)",
    "a third of the rate",
    "truncated misses",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small.sn and the digits as the step `prepro.py` leaves them."""
    place = tmp_path_factory.mktemp("scripts")
    shutil.copy(TWINS / "small.sn", place)
    for name in ("lecun89.sn", "lecun89-2022.sn"):
        shutil.copy(NETS / name, place)
    examples = find(["digits"]).examples
    train, test = examples.train, examples.test
    np.savez(
        place / "patterns.npz",
        train_inputs=train.inputs[:30],
        train_labels=train.labels[:30],
        test_inputs=test.inputs[:20],
        test_labels=test.labels[:20],
    )
    shutil.copy(TWINS / "prepro.py", place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        runpy.run_path("prepro.py", run_name="__main__")
    return place


def run_forked(script: Path, arguments, settings, events: Path, show) -> tuple[int, list[str]]:
    """Run the watcher as `run_watched` does, but in a fork of this process: torch is imported once for all cases."""
    output = events.with_name("output")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(script.resolve().parent)
            torch.set_num_threads(1)
            sys.stdout = sys.stderr = open(output, "w")  # noqa: SIM115 - of the whole process
            sys.argv = [str(WATCHER), str(events), json.dumps(settings), script.name, *arguments]
            runpy.run_path(str(WATCHER), run_name="__main__")
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            sys.stdout.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, output.read_text().splitlines()


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "fork"):
        monkeypatch.setattr("snsim.comparison.script.compare_script.run_watched", run_forked)


@cache
def program(path: Path) -> snsim.program.Program:
    return snsim.read_program(path)


def edited(case: dict, folder: Path) -> Path:
    """Write the script of a case, with its replacements made, and return its path."""
    text = (TWINS / case["script"]).read_text()
    for before, after in case["edits"]:
        assert text.count(before) == 1, (case["name"], before, text.count(before))
        text = text.replace(before, after)
    path = folder / f"{case['name'].replace(' ', '_').replace(',', '').replace('(', '').replace(')', '')}.py"
    path.write_text(text)
    return path


def watched(case: dict, folder: Path, **how: object) -> ScriptComparison:
    return compare_script(program(folder / "small.sn"), edited(case, folder), only=case["net"], options=OPTIONS, **how)


def by_tier(cases: list[dict], quick: set[str]) -> list:
    return [
        pytest.param(case, id=case["name"], marks=() if case["name"] in quick else pytest.mark.slow) for case in cases
    ]


def told(comparison: ScriptComparison) -> str:
    return json.dumps(
        [
            [one.kind, one.presentation, str(one.place), one.layer, one.message, *one.notes]
            for one in comparison.differences
        ],
        indent=1,
    )


@pytest.mark.parametrize("case", by_tier(CASES["twin"], {"a script of the shape of 2022"}))
@pytest.mark.usefixtures("forked")
def test_a_twin_learns_the_same(case: dict, folder: Path) -> None:
    comparison = watched(case, folder)
    assert comparison.same, told(comparison)
    assert comparison.presentations == comparison.watched == 60 and comparison.exact
    assert comparison.headline == "learns the same up to rounding: all 60 presentations"
    assert comparison.figures and all(figure.agrees for figure in comparison.figures)
    for head in case.get("notes", ()):
        assert any(note.startswith(head) for note in comparison.notes), comparison.notes


@pytest.mark.parametrize("case", by_tier(CASES["fault"], QUICK))
@pytest.mark.usefixtures("forked")
def test_a_planted_fault_is_found(case: dict, folder: Path) -> None:
    comparison = watched(case, folder)
    first = comparison.first
    assert first is not None, "no difference"
    assert first.kind == case["kind"], told(comparison)
    assert first.layer == case.get("layer", first.layer), told(comparison)
    assert first.presentation == case.get("from", first.presentation), told(comparison)
    text = " ".join([first.message, *first.notes])
    assert all(part in text for part in case["says"]), told(comparison)
    by_kind = {one.kind: " ".join([one.message, *one.notes]) for one in comparison.differences}
    for kind, parts in case.get("also", {}).items():
        assert all(part in by_kind[kind] for part in parts), told(comparison)
    assert not set(case.get("absent", ())) & set(by_kind), told(comparison)
    if first.place is not None:
        assert first.place.file == edited(case, folder).name and first.place.line > 0


# ---- The command -------------------------------------------------------------------------------------------------


def test_the_command_runs_the_script_in_its_folder_with_its_arguments(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, with the files beside it; the first presentations and the ends of passes are watched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copy(TWINS / "repro.py", folder)
    call = ["compare", str(folder / "small.sn"), str(folder / "repro.py"), "--only", "small", "--offline", "--json"]
    assert main([*call, "--presentations", "5", "--", "--rate", "0.01", "--passes", "3", "--out", "here"]) == 1
    shown, said = capsys.readouterr()
    result = json.loads(shown)
    assert said == "" and (folder / "here" / "model.pt").is_file() and not list(tmp_path.iterdir())
    assert result["event"] == "script comparison" and result["same"] is False
    assert result["headline"] == "first differs in optimizer, at presentation 1"
    # 5 at the start, then 28 to 32, 58 to 62 and 88 to 90: two before and two after the end of each pass
    assert result["presentations"] == 90 and result["watched"] == 5 + 2 + 4 + 4
    kinds = {one["kind"]: one for one in result["differences"]}
    assert set(kinds) == {"optimizer", "passes"}
    text = (folder / "repro.py").read_text().splitlines()
    assert kinds["optimizer"]["file"] == "repro.py" and "optimizer.step()" in text[kinds["optimizer"]["line"] - 1]
    assert "its rate is 0.01; that of the description 0.03" in kinds["optimizer"]["message"]
    assert "3 passes" in kinds["passes"]["message"]
    assert len(result["figures"]) == 18 and all(one["agrees"] for one in result["figures"])


def test_a_script_of_fewer_passes_is_the_same_as_far_as_it_goes(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kind is passes and the exit code 1; `--passes` asks the description for as many."""
    monkeypatch.setattr("snsim.comparison.script.compare_script.run_watched", run_forked)
    shutil.copy(TWINS / "repro.py", folder)
    call = ["compare", str(folder / "small.sn"), str(folder / "repro.py"), "--only", "small", "--offline"]
    script = ["--", "--passes", "1", "--out", str(folder / "one")]
    assert main([*call, *script]) == 1
    shown = capsys.readouterr().out
    assert "learns the same as far as it goes: 1 of 2 passes" in shown and "--passes 1 compares" in shown
    assert main([*call, "--passes", "1", *script]) == 0
    assert "SAME repro.py learns the same up to rounding: all 30 presentations" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 / 0\n", "broken.py:1): ZeroDivisionError"),
        ("import no_such_package\n", "ModuleNotFoundError"),
        ("def f(:\n", "SyntaxError"),
        ("import sys\nsys.exit(3)\n", "fails"),
        ("print('nothing')\n", "without a backward pass"),
    ],
)
@pytest.mark.usefixtures("forked")
def test_a_script_that_fails(text: str, says: str, folder: Path) -> None:
    (folder / "broken.py").write_text(text)
    with pytest.raises(snsim.SnError) as raised:
        compare_script(program(folder / "small.sn"), folder / "broken.py", only="small", options=OPTIONS)
    fault = raised.value.faults[0]
    assert says in fault.message and fault.hint and "Traceback" not in fault.message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["repro.py", "--sgd", "0.1"], "--sgd is for a class"),
        (["repro.py:Net", "--", "--rate", "1"], "arguments after --"),
        (["none.py"], "there is no file none.py"),
    ],
)
def test_a_call_that_cannot_be(
    options: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(["compare", "small.sn", "--only", "small", "--offline", *options]) in (1, 2)
    assert says in capsys.readouterr().err


def test_only_a_file_without_a_class_is_a_script() -> None:
    assert is_script_path("repro.py") and is_script_path("a:b/repro.py") and is_script_path("C:\\x\\repro.py")
    assert not is_script_path("repro.py:Net") and not is_script_path("repro")


# ---- Parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("eval: split test . loss 1.5e-01. error 20.00%. misses: 20", [("loss", 0.15), ("error", 20), ("misses", 20)]),
        ("pass 1 train loss 0.379607, 12 misses", [("loss", 0.379607), ("misses", 12)]),
        ("Test accuracy: 9871/10000 (98.71%)", [("accuracy", 9871)]),
        ("epoch 3, lr 0.03", []),
        ("loss=nan", [("loss", None)]),
        ("1,045 errors", [("error", 1045)]),
    ],
)
def test_figures_are_numbers_beside_their_words(line: str, found: list) -> None:
    read = [(word, None if value != value else value) for _, word, value, _, _ in figures(line)]
    assert read == [(word, None if value is None else pytest.approx(value)) for word, value in found]


def test_few_weights_do_not_tell_a_distribution() -> None:
    """Ten uniform weights fit a normal distribution as well; ten equal ones are a constant."""
    net = snsim.read_program(Source("<text>", FEW_WEIGHTS))
    training = net.trainings.get("few")
    weights, bias = training.net.parameters[:2]
    assert (weights.size, bias.size) == (6, 3)
    drawn = fit_initial(training.net, training, weights, np.array([0.3, -0.2, 0.1, -0.4, 0.25, 0.05]))
    assert drawn.agrees and _fit_text(drawn) == "too few to tell"
    assert _fit_text(fit_initial(training.net, training, bias, np.zeros(3))) == "0 everywhere"
    wide = fit_initial(training.net, training, weights, np.array([30.0, -20.0, 10.0, -40.0, 25.0, 5.0]))
    assert not wide.agrees and "too few to tell" in wide.fits


FEW_WEIGHTS = """
(net few (layer input 2) (layer h 3 (nlf tanh)) (layer output 1 (nlf tanh))
         (connect input h (full)) (connect h output (full)))
(train few (net few) (data digits) (cost mean-square) (forget-sqrt 2.4) (constant 0 biases)
           (update sgd) (epsilon 0.1) (passes 1))
"""


@pytest.mark.usefixtures("forked")
def test_a_parameter_without_a_match_is_told_as_none(folder: Path) -> None:
    case = next(case for case in CASES["fault"] if case["name"] == "no bias of h3")
    assert "h3.bias = none" in script_text(watched(case, folder))


def test_a_distribution_is_refused_only_where_it_should_be() -> None:
    """Against the exact values of scipy.stats.kstest's asymptotic distribution, and by drawing."""
    # Kolmogorov's distribution: Q(1.36) = 0.0494, Q(1.63) = 0.0098 (Massey 1951, table 1).
    assert _kolmogorov(1.36) == pytest.approx(0.0494, abs=2e-4) and _kolmogorov(1.63) == pytest.approx(0.0098, abs=1e-4)
    draw = np.random.default_rng(1)
    uniform = Distribution("uniform", 0.48, "")
    refused = [uniform.probability(draw.uniform(-0.48, 0.48, 300)) < UNLIKELY for _ in range(300)]
    assert sum(refused) <= 1
    assert uniform.probability(draw.uniform(-0.4, 0.4, 300)) < UNLIKELY  # too narrow
    assert uniform.probability(draw.normal(0, 0.28, 300)) < UNLIKELY  # the same deviation, but beyond the bounds
    normal = Distribution("normal", 1.0, "")
    assert sum(normal.probability(draw.normal(0, 1, 300)) < UNLIKELY for _ in range(300)) <= 1
    assert normal.probability(draw.normal(0, 1.3, 300)) < UNLIKELY
