"""Pictures: what is drawn is asked of matplotlib's own objects, and compared with where it is from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_run import make_runs, snsim

from snsim.errors import SnError
from snsim.plots import block_characters, confusion, curves, maps, misses, net, nlf, rejection, table, weights
from snsim.plots.mosaic import mosaic
from snsim.plots.registry import PICTURES
from snsim.plots.style import NARROW, WIDE, FigureStyle
from snsim.program import read_program
from snsim.reports.picture_data import (
    confusion_of,
    curves_of,
    maps_of,
    misses_of,
    nlf_by_text,
    rejection_of,
    weights_of,
)
from snsim.runs.opened_run import OpenedRun, SplitOutputs, open_net
from snsim.runs.options import Options
from snsim.training.forward_all import effective_weights
from snsim.training.initial import initial_weights

ROOT = Path(__file__).resolve().parents[1]
NETS = sorted((ROOT / "nets").glob("*.sn"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_runs(tmp_path_factory.mktemp("plots"))


@pytest.fixture(scope="module")
def outputs(runs: Path) -> SplitOutputs:
    return OpenedRun.open(runs / "tiny", Options(online=False)).outputs()


def image(axes) -> np.ndarray:
    """What an axes shows, with NaN where the paper is seen."""
    return np.ma.filled(axes.images[0].get_array(), np.nan)


# ---- Each picture ------------------------------------------------------------------------------------------------


def test_curves_are_the_passes(runs: Path) -> None:
    made = OpenedRun.open(runs / "tiny")
    figure = curves.draw(curves_of(made))
    above, below = figure.axes
    for axes, field in ((above, "half_mse"), (below, "error")):  # a half mean square error was published
        drawn = {line.get_label(): line for line in axes.lines}
        for split in ("train", "test"):
            assert list(drawn[split].get_ydata()) == [line[split][field] for line in made.record.passes]
            assert list(drawn[split].get_xdata()) == [1, 2, 3, 4]
    levels = [
        [line.get_ydata()[0] for line in axes.lines if line.get_label().startswith("_")] for axes in (above, below)
    ]
    assert levels == [[0.25], [10.0]]  # 2 misses of 20 patterns
    assert drawn["train"].get_linestyle() != drawn["test"].get_linestyle()


def test_published_figures_of_other_data_are_not_drawn(runs: Path) -> None:
    made = OpenedRun.open(runs / "tiny")
    data = curves.curves(made.record.passes, "tiny", made.settings["published"], comparable=False)
    assert not data.loss_published and not data.error_published and "not trained on" in data.remark
    assert len(curves.draw(data).axes[1].lines) == 2


def test_kernels_stand_where_the_table_says(runs: Path) -> None:
    made = OpenedRun.open(runs / "tiny")
    data = weights_of(made)
    figure = weights.draw(data)
    shown = {panel.title.split(":")[0]: image(axes) for panel, axes in zip(data.panels, figure.axes)}
    values, drawn = made.weights, read_program(made.record.main_source).nets.get("tiny")
    fan_in = {p.name: p.fan_in for p in drawn.parameters}
    first = (values["input_a.weight"].ravel() * np.sqrt(fan_in["input_a.weight"])).reshape(2, 3, 3)
    assert np.allclose(shown["input > a"], mosaic(first[None]), equal_nan=True)
    own = (values["a_b.weight"].ravel() * np.sqrt(fan_in["a_b.weight"])).reshape(3, 2, 2, 2, 2)  # pair, unit, window
    tile = 2 * 2 + 1
    for number, (source, target) in enumerate([(0, 0), (1, 0), (1, 1)]):
        row, column = source * (tile + 2), target * (tile + 2)
        at = shown["a > b"][row : row + tile, column : column + tile]
        assert np.allclose(at, mosaic(own[number]), equal_nan=True)
    assert np.isnan(shown["a > b"][:tile, tile + 2 :]).all()  # `-` in the table
    limits = {(axes.images[0].norm.vmin, axes.images[0].norm.vmax) for axes in figure.axes[: len(data.panels)]}
    assert limits == {(-data.reach, data.reach)}


@pytest.mark.parametrize("path", NETS, ids=lambda path: path.stem)
def test_every_weight_of_the_gallery_is_drawn_once(path: Path) -> None:
    for training in read_program(path).own_trainings[:2]:
        values = effective_weights(training.net, initial_weights(training, 1))
        data = weights.weights(training.net, values, "x")
        by_unit = {
            f"{training.net.attribute(c)}.weight": len(c.table.source)
            for c in training.net.connections
            if c.wiring.structure is None
        }  # what no structure tells is drawn connection by connection
        sizes = [by_unit.get(p.name, p.size) for p in training.net.parameters if p.kind != "gain" and p.size]
        assert [int(np.isfinite(panel.picture).sum()) for panel in data.panels] == sizes


def test_weight_norm_is_drawn_as_the_sums_have_it() -> None:
    training = read_program(ROOT / "nets" / "ladder-weight-norm.sn").own_trainings[0]
    parameters = initial_weights(training, 1)
    doubled = {name: 2 * value if name.endswith(".gain") else value for name, value in parameters.items()}
    once, twice = (effective_weights(training.net, values) for values in (parameters, doubled))
    normed = [training.net.attribute(c) for c in training.net.connections if c.weight_norm]
    assert normed and all(np.allclose(2 * once[f"{name}.weight"], twice[f"{name}.weight"]) for name in normed)


def test_maps_are_the_states(outputs: SplitOutputs) -> None:
    data = maps_of(outputs, 3)
    figure = maps.draw(data)
    states = outputs.run.engine.states(outputs.patterns.inputs[3:4])
    panels = figure.axes[:-1]
    assert [axes.get_title(loc="left") for axes in panels] == ["input 4x4", "a 2x4x4", "b 2x2x2", "output 2", "target"]
    for axes, layer in zip(panels, outputs.run.net.layers):
        drawn = image(axes)
        assert np.isfinite(drawn).sum() == layer.units
        assert np.allclose(np.sort(drawn[np.isfinite(drawn)]), np.sort(states[layer.name][0]))
    assert np.allclose(image(panels[1])[:, :4], states["a"][0].reshape(2, 4, 4)[0])
    height = figure.get_figheight()
    cells = {round(axes.get_position().height * height / image(axes).shape[0], 4) for axes in panels}
    assert len(cells) == 1 and len({axes.images[0].norm.vmax for axes in panels}) == 1  # one size, one gray scale
    label, answer = outputs.patterns.targets[3].argmax(), outputs.outputs[3].argmax()
    assert f"label {label}, answer {answer}" in data.title


@pytest.mark.parametrize("shape", [(2,), (16, 16)])
@pytest.mark.parametrize("look", [WIDE, NARROW])
def test_captions_of_misses_stand_side_by_side(shape: tuple[int, ...], look: FigureStyle) -> None:
    """However long the names of the classes are, as Matplotlib measures its texts."""
    inputs, outputs, targets = np.zeros((20, np.prod(shape))), np.eye(2)[[0] * 20], np.eye(2)[[1] * 20]
    data = misses.misses(inputs, shape, outputs, targets, np.zeros(20, bool), "t", names=("strawberry", "mango"))
    figure = misses.draw(data, look)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts if "→" in text.get_text()]
    assert len(boxes) == 20 and {text.get_text() for text in figure.axes[0].texts} == {"mango→strawberry"}
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


def test_misses_are_those_that_were_counted(outputs: SplitOutputs) -> None:
    data = misses_of(outputs)
    last = outputs.run.record.passes[-1]["test"]
    assert data.total == last["misses"] > 0 and data.patterns == last["patterns"] == 20
    figure = misses.draw(data)
    captions = [text.get_text() for text in figure.axes[0].texts]
    assert captions == [f"{outputs.patterns.targets[n].argmax()}→{outputs.outputs[n].argmax()}" for n in data.numbers]
    assert all(caption[0] != caption[-1] for caption in captions)
    assert np.allclose(image(figure.axes[0])[:4, :4], outputs.patterns.inputs[data.numbers[0]].reshape(4, 4))
    assert misses.draw(misses_of(outputs, 1)).axes[0].texts[0].get_text() == captions[0]
    assert len(misses_of(outputs, 1).captions) == 1 and "the first 1 of them" in misses_of(outputs, 1).heading


def test_confusion_counts_every_pattern(outputs: SplitOutputs) -> None:
    data = confusion_of(outputs)
    assert data.counts.sum() == 20 and data.wrong == misses_of(outputs).total
    axes = confusion.draw(data).axes[0]
    assert sum(int(text.get_text()) for text in axes.texts) == 20
    drawn = image(axes)
    assert np.isnan(drawn.diagonal()).all() and drawn[0, 1] == data.counts[0, 1]


def test_rejection_meets_the_error(outputs: SplitOutputs) -> None:
    data = rejection_of(outputs.run, 5.0)
    axes = rejection.draw(data).axes[0]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == [made.percent for made in data.chosen.values()]
    assert {"test", "train"} <= {line.get_label() for line in axes.lines}


def test_table_and_net(runs: Path) -> None:
    drawn = open_net(runs / "tiny").net
    figure = table.draw(table.tables(drawn))
    assert (image(figure.axes[0]) == [[1, 0], [1, 1]]).all() and len(figure.axes) == 1
    axes = net.draw(drawn).axes[0]
    assert len(axes.patches) == 1 + 2 + 2 + 1  # maps of input, a, b, and the row of outputs
    words = " ".join(text.get_text() for text in axes.texts)
    told = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) weights|([\d,]+) biases", words) for n in n if n]
    assert told[0] == drawn.counts.weights == sum(told[1:])
    with pytest.raises(SnError, match="has no connection between maps"):
        table.tables(open_net(runs / "one").net)


@pytest.mark.parametrize(
    ("name", "look"),
    [
        ("lecun89", WIDE),
        ("lecun89", NARROW),
        ("net-5", WIDE),
        ("lenet-5", NARROW),
        ("micro-vit", NARROW),
        ("encoder", NARROW),
    ],
)
def test_words_beside_a_net_have_room(name: str, look: FigureStyle) -> None:
    training = read_program(ROOT / "nets" / f"{name}.sn").own_trainings[0]
    figure = net.draw(training.net, look)
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    bold = "\n".join(text.get_text() for text in texts if text.get_fontweight() == "bold")
    assert all(f"{layer.name}  " in bold for layer in training.net.layers)
    every = texts if name != "micro-vit" else texts[:20]
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 + 1 for text in every)


@pytest.mark.parametrize("words", [["sn-tanh"], ["sigmoid"], ["(* x (tanh x))"]], ids=" ".join)
def test_derivatives_are_those_of_the_function(words: list[str]) -> None:
    data = nlf.nlf_curves(nlf_by_text(words), -3, 3)
    lines = {line.get_label(): line for line in nlf.draw(data).axes[0].lines}
    f, df, ddf = (lines[name].get_ydata() for name in ("f(x)", "f'(x)", "f''(x)"))
    step = data.x[1] - data.x[0]
    assert np.allclose(np.gradient(f, step)[2:-2], df[2:-2], atol=2e-4)
    assert np.allclose(np.gradient(df, step)[2:-2], ddf[2:-2], atol=2e-4)


# ---- The command -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["tiny"],
        ["weights", "tiny"],
        ["maps", "tiny", "--pattern", "2"],
        ["misses", "tiny"],
        ["confusion", "tiny", "--of", "train"],
        ["rejection", "tiny"],
        ["net", "tiny"],
        ["table", "tiny"],
        ["nlf", "sn-tanh"],
    ],
    ids=" ".join,
)
def test_files_and_text(arguments: list[str], runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    svg = tmp_path / "made" / "a.svg"
    assert snsim("plot", *arguments, "-o", svg)[:2] == (0, f"{svg}\n")
    assert svg.read_bytes().startswith(b"<?xml") and b"<svg" in svg.read_bytes()
    code, text, _ = snsim("plot", *arguments, "--text")
    assert code == 0 and len(text) > 40
    assert max(map(len, text.splitlines())) <= 100


def test_equal_pictures_are_equal_files(runs: Path, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        assert snsim("plot", "maps", runs / "tiny", "-o", tmp_path / name)[0] == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_default_file(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert snsim("plot", runs / "tiny")[1] == "tiny-curves.png\n"
    assert (tmp_path / "tiny-curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["maps", "tiny", "--pattern", "20"], 1, "there is no pattern 20: the test patterns of"),
        (["confusion", "one"], 1, "no classes"),
        (["weights", "tiny", "--only", "a-c"], 1, 'no weights "a-c"'),
        (["nowhere"], 1, "there is no run folder"),
        (["pie", "tiny"], 2, 'unknown picture "pie"\n  hint: pictures: curves, weights, maps'),
        (["tiny", "-o", "tiny.sn/a.png"], 1, "a file in a folder that you may write to"),
        (["tiny", "-o", "a.gif"], 1, "ends with .png, .svg, .pdf, not a.gif"),
        (["tiny", "-o", "a.png", "--text"], 2, "cannot be combined"),
        (["net", "tiny.sn"], 1, "declares 2 nets, and only one can be used"),
        (["net", "tiny.sn", "--only", "tny"], 1, 'did you mean "tiny"'),
        (["nlf", "sn-tahn"], 1, 'unknown nlf "sn-tahn"'),
        (["nlf", "sn-tanh", "--from", "1", "--to", "1"], 2, "is not below"),
    ],
)
def test_wrong_calls(
    arguments: list[str], code: int, sentence: str, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs)
    found, out, err = snsim("plot", *arguments)
    assert (found, out) == (code, "") and sentence in err, err


def test_windows_need_a_screen(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setattr(matplotlib, "get_backend", lambda: "agg")
    code, _, err = snsim("plot", runs / "tiny", "--show")
    assert code == 1 and "there is no screen for a window" in err


def test_nothing_is_loaded_before_something_is_drawn(tmp_path: Path) -> None:
    """A run as JSON, and a picture as text, go without matplotlib."""
    code = (
        "import sys; from snsim.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "assert 'matplotlib' not in sys.modules"
    )
    for arguments in (
        ["run", str(ROOT / "nets" / "xor.sn"), "--json", "--passes", "2", "--out", "runs"],
        ["plot", "runs/xor", "--text"],
        ["plot", "--help"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr


def test_the_shelf_has_every_picture() -> None:
    of_runs = ["curves", "weights", "maps", "misses", "confusion", "rejection"]
    assert PICTURES.names() == [*of_runs, "net", "table", "data", "nlf"]


# ---- Block characters --------------------------------------------------------------------------------------------


def test_shades_follow_the_values() -> None:
    assert block_characters.grey(np.array([[0.0, 0.25, 0.5, 0.75, 1.0, np.nan, 1.0]]), 0, 1) == ["··░░▒▒▓▓██  ██"]
    assert block_characters.grey(np.array([[0.0, 1.0]]), 0, 1, width=2) == ["·█"]
    assert block_characters.grey(np.tile([0.0, 0.0, 1.0, 1.0], (2, 1)), 0, 1, width=2) == ["·█"]  # means of squares


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=80), st.integers(1, 5))
def test_bars_are_as_high_as_the_values(values: list[float], height: int) -> None:
    lines = block_characters.curve(values, 40, height)
    shown = block_characters.thinned(np.array(values), 40)
    levels = [sum(block_characters.BARS.index(line[column]) for line in lines) for column in range(len(shown))]
    top = max(shown) or 1.0
    assert all(abs(level - max(1, 8 * height * value / top)) <= 1 for level, value in zip(levels, shown))


def test_a_line_goes_from_the_bottom_to_the_top_without_a_gap() -> None:
    lines = block_characters.line(np.array([0.0, 0.1, 1.0]), 0, 1, 3)
    padded = [line.ljust(3) for line in lines]
    assert [line[0] for line in padded] == [" ", " ", "▄"] and [line[2] for line in padded[:2]] == ["█", "█"]
