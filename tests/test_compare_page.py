"""`snsim compare --report`: the numbers of both sides where they first differ, and the lines that compute them."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from test_compare import (
    QUICK,
    Changed,
    HalfRateOfH3,
    SharedBias,
    SumOfSquares,
    SwappedColumns,
    compared,
    digits,
    program,
)
from test_compare_own_step import OtherMu
from test_compare_own_step import compared as compared_by_hand
from test_compare_runs import put_in, runs  # noqa: F401  (a fixture)
from tiny_run import snsim

from snsim import compare_engines
from snsim.comparison.first_difference import description_lines, module_lines
from snsim.comparison.page import comparison_html
from snsim.comparison.script.events import Place
from snsim.comparison.script.result import ScriptComparison, ScriptDifference
from snsim.comparison.script.script_page import script_html

ROOT = Path(__file__).parent.parent
TWIN = ROOT / "examples" / "net5_torch.py"
CALL = ("compare", ROOT / "nets/net-5.sn", "--sgd", "0.01", "--data", "digits", "--presentations", "3")
CALL = (*CALL, "--engine", "reference")


@pytest.fixture
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: pictures take seconds."""
    for page in ("page", "run_page"):
        monkeypatch.setattr(
            f"snsim.comparison.{page}.figure", lambda draw, words, kind: f"<figure>{html.escape(words)}</figure>"
        )


def text_of(page: str) -> str:
    """The words of a page, without its tags and pictures."""
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def check_is_self_contained(page: str) -> None:
    """Nothing is loaded from elsewhere, and nothing runs."""
    assert page.startswith("<!DOCTYPE html>") or page.lstrip().startswith("<!DOCTYPE html>")
    assert not re.search(r"<script|<iframe|<object|@import|javascript:", page)
    places = re.findall(r"""\b(?:src|srcset|href)="([^"]*)""", page)
    assert all(place.startswith("data:") for place in places)


def marked(excerpts) -> list[str]:
    return [line.strip() for excerpt in excerpts for _, line, is_marked in excerpt.lines if is_marked]


@pytest.mark.parametrize(
    ("module", "described", "coded"),
    [
        (SwappedColumns, "(connect h1 h2 ", "h2 = torch.tanh(torch.cat(groups, dim=1)"),
        (SharedBias, "(connect h1 h2 ", "h2 = torch.tanh(torch.cat(groups, dim=1)"),
        (HalfRateOfH3, "(epsilon     0.03)", "def configure_optimizers(self):"),
        (SumOfSquares, "(cost        mean-square)", "def cost(self, outputs, targets):"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_lines_of_description_and_class(module, described, coded):
    made = compared("lecun89-2022.sn", module(), 4, data=digits())
    what, layer = made.first.what, made.first.layer
    assert any(line.startswith(described) for line in marked(description_lines(made.evidence.training, what, layer)))
    assert any(line.startswith(coded) for line in marked(module_lines(made.evidence, what, layer)))
    file, _, numbers = module_lines(made.evidence, what, layer)[0].marked.rpartition(":")
    of_file = Path(file).read_text().splitlines()
    assert any(of_file[int(number) - 1].strip().startswith(coded) for number in numbers.split(","))


def test_the_line_of_a_step_by_hand():
    made = compared_by_hand("lecun89.sn", OtherMu())
    assert marked(module_lines(made.evidence, "weights", "h1")) == ["w -= 0.0005 * by_g / (self.mu + mean)"]


@pytest.mark.usefixtures("quick_pictures")
def test_the_numbers_are_those_of_the_first_difference():
    """The rate of h3 is 0.015 instead of 0.03: weights differ by 0.015 times the gradient, by autograd."""
    module = HalfRateOfH3().double()
    made = compared("lecun89-2022.sn", module, 4, data=digits())
    evidence = made.evidence
    assert evidence.update.end == made.first.number == 1
    inputs, targets = digits()
    np.testing.assert_array_equal(evidence.update.inputs[0], inputs[0])
    for pair, theirs in made.pairs:
        parameter = module.get_parameter(theirs)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(evidence.before[pair]).reshape(parameter.shape))
    module.cost(module(torch.tensor(inputs[:1]).reshape(1, 1, 16, 16)), torch.tensor(targets[:1])).backward()
    slope = module.h3_weight.grad.numpy()
    apart = evidence.other.weights["h2_h3.weight"] - evidence.one.weights["h2_h3.weight"]
    np.testing.assert_allclose(apart, 0.015 * slope, atol=1e-12)
    page = comparison_html([made])
    check_is_self_contained(page)
    row, column = np.unravel_index(np.abs(slope).argmax(), slope.shape)
    assert f"h2_h3.weight {row} {column}" in text_of(page)
    assert f"{0.015 * slope[row, column]:.3g}" in text_of(page)
    heads = re.findall("<h4>(.*?)</h4>", page)
    assert heads[:3] == ["In the description", "In HalfRateOfH3", "Weights after the update of h3"]
    assert set(heads[3:]) == {"States of h3", "Cost of the batch", "Gradients of h3", "The pattern"}


def test_the_command_writes_one_page_and_escapes(tmp_path):
    """Names and lines that look like HTML stand as text."""
    mine = tmp_path / "a<script>&.py"
    mine.write_text(
        TWIN.read_text() + '\n\nclass Wrong(Net):\n    def cost(self, x, d):  # </pre><script>alert("1")</script>\n'
        "        return (x - d).abs().sum()\n"
    )
    place = tmp_path / "new" / "page.html"
    code, out, _ = snsim(*CALL, f"{mine}:Wrong", "--report", place)
    assert code == 1 and out.rstrip().endswith(str(place))
    number = 1 + mine.read_text().split("\n").index('    def cost(self, x, d):  # </pre><script>alert("1")</script>')
    assert f"in Wrong: {mine}:{number}\n" in out and "in the description: " in out
    page = place.read_text()
    check_is_self_contained(page)
    assert 'def cost(self, x, d):  # </pre><script>alert("1")</script>' in text_of(page)
    assert "DIFFERENT from presentation 1 on: the cost behind layer output" in text_of(page)
    assert page.count("<img") == len(re.findall(r'src="data:image/svg', page)) >= 8
    code, out, _ = snsim(*CALL, f"{TWIN}:Net", "--report", place, "--json")
    assert code == 0 and out.startswith("{") and out.count("\n") == 1
    assert "equal: Net learns the same" in text_of(place.read_text())  # the old page is replaced


@pytest.mark.usefixtures("quick_pictures")
def test_batches_and_engines():
    """The pattern of a batch that differs most; engines have no lines."""
    net = '(include "net-5.sn") (train b (like net-5) (update sgd) (epsilon 0.02) (batch 3 mean))'

    def tilted(x, d):
        return 0.5 * ((x - d) ** 2).sum() + 1e-3 * (x**3).sum()

    made = compared(net, Changed(cost=tilted), 6, data=digits())
    page = text_of(comparison_html([made]))
    outputs = made.evidence.one.outputs
    other = made.evidence.other.outputs
    number = int(np.abs(outputs - other).max(axis=1).argmax()) + 1
    assert f"pattern {number} of the 3 of the batch" in page
    made = next(compare_engines(ROOT / "nets/xor.sn", presentations=30, tolerance=0, options=QUICK))
    assert not made.equal and "No line is known." in comparison_html([made])


def test_two_runs(runs, tmp_path):  # noqa: F811
    place = tmp_path / "runs.html"
    code, out, _ = snsim("compare", runs / "tiny", runs / "tiny-seed4", "--report", place)
    assert code == 1 and str(place) in out
    page = place.read_text()
    check_is_self_contained(page)
    assert "DIFFERENT from pass 1 on" in text_of(page) and "<td>seed</td><td>3</td><td>4</td>" in page
    assert page.count("<figure") == 1
    assert snsim("compare", runs / "tiny", runs / "tiny", "--report", place)[0] == 0
    assert "the same to the last bit" in place.read_text() and "<p>None.</p>" in place.read_text()
    other = put_in(runs / "tiny", tmp_path / "<b>", 2, "test", loss=1.0)
    snsim("compare", runs / "tiny", other, "--report", place)
    page = place.read_text()
    assert "<b>" not in page and "Comparison of the runs tiny and &lt;b&gt;" in page


@pytest.mark.parametrize(
    ("page", "told", "hint"),
    [("mine.py", "whose name ends with .html, not mine.py", "mine.html"), ("x.sn", "ends with .html", "x.html")],
)
def test_a_text_is_not_overwritten(page, told, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(page).write_text("mine")
    code, _, err = snsim(*CALL, f"{TWIN}:Net", "--report", page)
    assert code == 2 and told in err and hint in err and Path(page).read_text() == "mine"


def test_a_page_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = snsim(*CALL, f"{TWIN}:Net", "--report", tmp_path / "file" / "page.html")
    assert code == 1 and "cannot be written" in err and "--report" in err


@pytest.mark.usefixtures("quick_pictures")
def test_a_script(tmp_path):
    """Each difference with the line of the script, the clause of the description, and both sides of a layer."""
    script = tmp_path / "mine.py"
    script.write_text('lr = 0.015  # "<b>"\nstep(lr)\n')
    training = program("lecun89-2022.sn").trainings.get("lecun89-2022")
    ours = np.linspace(0, 1, 10)
    theirs = ours + np.where(np.arange(10) == 7, 0.25, 0)
    made = ScriptComparison(training.name, training.net.name, "digits", "mine.py")
    made.differences.append(
        ScriptDifference("step", "too <small>", 3, Place("mine.py", 1), "output", sides={"output.bias": (ours, theirs)})
    )
    made.differences.append(ScriptDifference("cost", "another cost", 2))
    page = script_html(made, training, tmp_path)
    check_is_self_contained(page)
    assert re.findall("<h2>(.*?)</h2>", page) == ["Cost, from presentation 2 on", "Step, from presentation 3 on"]
    assert '   1  lr = 0.015  # "<b>"' in text_of(page) and f"{script}:1" in page and "too &lt;small&gt;" in page
    assert "(epsilon     0.03)" in page and "(cost        mean-square)" in page
    assert "<td>number 7</td>" in page and '<td class="right">0.25</td>' in page
