"""The engine of a page in Node: every pass has the losses, misses and weights of the engine wasm, to the bit."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from every_feature import PAGE_FEATURES, program_of
from gallery_trainings import WITH_TRAINING
from page_node import ENGINE, call_training, needs_node, run_node, write_description
from test_delays import NET, SHARED, data_of, loops_step, tensors
from test_wasm import FEW, NETS, cut, prepared

from snsim.data.examples import Examples, Split
from snsim.engines.plan import plan
from snsim.errors import SnError, Source
from snsim.page.training_description import describe_training
from snsim.program import read_program
from snsim.training.choose_engine import build_engine
from snsim.training.initial import initial_weights, layer_generator, stream_generator
from snsim.training.loop import train
from snsim.training.prepare import prepare_data

pytestmark = needs_node


def passes_of_run(training, data, seed: int = 1, dtype: str = "float32"):
    """The passes of the portable native engine, whose bits are those of the engine wasm (tests/test_wasm.py)."""
    engine = build_engine(training, training.stages[0], "native", dtype, portable=True)
    engine.load_parameters(initial_weights(training, seed))
    return train(training, data, engine, seed)


def expected_passes(training, data, seed: int = 1):
    return list(passes_of_run(training, data, seed))


def assert_same_passes(
    training, data, folder: Path, seed: int = 1, dtype: str = "float32", most: int | None = None
) -> None:
    """The first `most` passes, by default all, have the same bits."""
    write_description(describe_training(training, data, seed, dtype=dtype, adjustable=most is None), folder)
    expected = list(islice(passes_of_run(training, data, seed, dtype), most))
    *passes, weights = call_training(folder, *([("pass",)] * len(expected)), ("weights",))
    for one, other in zip(expected, passes, strict=True):
        assert other["left"] == (None if one.remaining is None else asdict(one.remaining))
        for score, found in ((one.train, other["train"]), (one.test, other["test"])):
            if score is None:
                assert found is None
                continue
            assert found["misses"] == score.misses and found["mse"] == score.mse
            # The logarithm of JavaScript may differ from NumPy's in the last bit.
            assert found["loss"] == (pytest.approx(score.loss, rel=1e-14) if training.cost.softmax else score.loss)
    for name, values in expected[-1].snapshot.parameters.items():
        assert np.array_equal(np.array(weights[name], dtype), values.ravel()), name


@pytest.mark.parametrize("feature", PAGE_FEATURES)
def test_everything_that_a_page_can_do_has_the_same_bits(feature: str, tmp_path: Path) -> None:
    assert_same_passes(*program_of(feature), tmp_path)


def test_float64_has_the_same_bits(tmp_path: Path) -> None:
    training, data = program_of("stages")
    assert_same_passes(training, data, tmp_path, dtype="float64")


@pytest.mark.parametrize(
    "name",
    [pytest.param(path.stem, marks=() if path.stem in FEW else pytest.mark.slow) for path in WITH_TRAINING],
)
def test_every_net_has_the_same_bits_in_a_page(name: str, tmp_path: Path) -> None:
    training, data = next(iter(prepared(NETS / f"{name}.sn")))
    assert_same_passes(training, data, tmp_path, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("file", [*WITH_TRAINING, *sorted((NETS / "studies").glob("*.sn"))], ids=lambda f: f.stem)
def test_every_training_of_the_gallery_and_its_studies_has_the_same_bits(file: Path, tmp_path: Path) -> None:
    """The first pass of every training, and every pass of those that prune, on 120 patterns."""
    for training, data in prepared(file, 1000, 120):
        if training.initial_file is not None:  # its weights are those of another program
            continue
        prunes = any(stage.prune is not None for stage in training.stages)
        assert_same_passes(training, data, tmp_path, most=training.passes if prunes else 1)


@pytest.mark.slow
def test_lecun89_learns_the_digits_in_23_passes_with_the_same_bits(tmp_path: Path) -> None:
    training, data = next(iter(prepared(NETS / "lecun89.sn", 23, most=None)))
    assert len(data.train) > 1000 and training.passes == 23
    assert_same_passes(training, data, tmp_path)


# ---- Sequences ---------------------------------------------------------------------------------------------------

SEQUENCES = {
    "one step": (NET, "(update sgd)"),
    "three steps": (NET, "(time 3) (update sgd (alpha 0.9) (decay 0.001))"),
    "batches": (NET, "(time 2) (batch 4 mean) (update adamw)"),
    "shuffled": (NET, "(time 3) (order shuffled) (input-noise 0.1)"),
    "curvature": (NET, "(time 2) (update lm (mu 0.1) (gamma 0.1))"),
    "maps": (SHARED, "(time 2) (order shuffled once)"),
    "stages": (NET, "(time 2) (stage (passes 1)) (stage (passes 2) (update sgd (alpha 0.5)) (epsilon 0.02))"),
}


def sequences_of(net: str, clauses: str):
    """A training on sequences of 1 to 9 steps."""
    name = net.split()[1]
    passes = "" if "(stage" in clauses else "(passes 3)"
    of_net = read_program(Source("net.sn", net)).nets.get(name)
    row = f"[[{'0 ' * of_net.input_units}]] [[{'0 ' * of_net.layers[-1].units}]]"
    text = f"{net} (train t (net {name}) (data (examples {row})) (cost lms) (epsilon 0.05) {clauses} {passes})"
    training = read_program(Source("sequences.sn", text), port=io.StringIO()).trainings.get("t")
    parts = []
    for lengths, seed in (([5, 1, 9, 2, 7, 4], 5), ([3, 8, 1], 6)):
        x, d, starts = data_of(of_net, lengths, seed)
        parts.append(Split(x.reshape(-1, *of_net.inputs[0].shape), None, d, starts=starts))
    return training, prepare_data(training, Examples("sequences", *parts, "", ""), "float32")


@pytest.mark.parametrize("case", SEQUENCES)
def test_nets_with_delays_have_the_same_bits(case: str, tmp_path: Path) -> None:
    assert_same_passes(*sequences_of(*SEQUENCES[case]), tmp_path)


def test_a_net_with_delays_is_pruned_by_the_same_curvature(tmp_path: Path) -> None:
    """The page adds up the curvature step by step, the engine the steps near the starts first: the same weights go."""
    clauses = "(time 2) (stage (passes 2)) (stage (passes 2) (prune 0.3))"
    assert_same_passes(*sequences_of(NET, clauses), tmp_path)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_page_shows_the_states_and_errors_of_a_step(steps: int, tmp_path: Path) -> None:
    training, data = sequences_of(NET, f"(time {steps}) (update sgd)")
    write_description(describe_training(training, data, 1, dtype="float64"), tmp_path)
    engine = build_engine(training, training.stages[0], "reference", "float64")
    engine.load_parameters(initial_weights(training, 1))
    states = engine.states(data.train.inputs, data.train.starts)
    step = 12  # of the third sequence, which starts at 6
    own = [0.5] * training.net.input_units
    looks = call_training(
        tmp_path, ("look", {"index": step}), ("look", {"index": 5}), ("look", {"index": step, "input": own})
    )
    changed = data.train.inputs.copy()
    changed[step] = own
    of_own = engine.states(changed, data.train.starts)
    for layer in training.net.layers:
        np.testing.assert_allclose(looks[0]["states"][layer.name], states[layer.name][step], rtol=1e-6)
        np.testing.assert_allclose(looks[1]["states"][layer.name], states[layer.name][5], rtol=1e-6)
        np.testing.assert_allclose(looks[2]["states"][layer.name], of_own[layer.name][step], rtol=1e-6)
    for name in ("in", "a", "b", "out"):
        np.testing.assert_allclose(looks[0]["before"][name], states[name][step - 1], rtol=1e-6)
        assert not np.any(looks[1]["before"][name])  # the step is a sequence of its own


@pytest.mark.parametrize("steps", [1, 3])
def test_the_errors_of_a_step_are_those_of_the_gradient(steps: int, tmp_path: Path) -> None:
    """dE/da of a unit in step t is the gradient of its bias there, by PyTorch, with the context as it was."""
    training, data = sequences_of(NET, f"(time {steps}) (update sgd)")
    write_description(describe_training(training, data, 1, dtype="float64"), tmp_path)
    _, weights, look, again = call_training(
        tmp_path,
        ("step", 1),
        ("weights",),
        ("look", {"index": 12, "errors": True}),
        ("look", {"index": 12, "errors": True}),
    )
    assert look["errors"] == again["errors"]  # looking changes nothing
    values = {p.name: np.array(weights[p.name]).reshape(p.shape) for p in training.net.parameters if p.learns}
    engine = build_engine(training, training.stages[0], "reference", "float64")
    engine.load_parameters(values)
    states = engine.states(data.train.inputs, data.train.starts)
    w = tensors(values)
    before = tuple(torch.tensor(states[name][11]) for name in ("in", "a", "b", "out"))
    out = loops_step(w, torch.tensor(data.train.inputs[12]).double(), before)[-1]
    (0.5 * (out - torch.tensor(data.train.targets[12])) ** 2).sum().backward()
    for name in ("a", "out"):
        np.testing.assert_allclose(look["errors"][name], w[f"{name}.bias"].grad, rtol=1e-5)


# ---- Random numbers ----------------------------------------------------------------------------------------------


def test_random_numbers_are_those_of_numpy(tmp_path: Path) -> None:
    from snsim.page.normal_table import normal_table

    script = tmp_path / "draw.mjs"
    script.write_text(
        f"""import {{ Pcg64, Philox }} from "{(ENGINE / "random.js").as_uri()}";
const table = Float64Array.from({json.dumps(normal_table().ravel().tolist())});
const say = (values) => console.log(JSON.stringify(Array.from(values)));
const many = (count, draw) => Array.from({{ length: count }}, draw);
for (const entropy of [[1, 1], [2 ** 40 + 7, 3], [0, 0]]) {{
  const draw = new Pcg64(entropy);
  say(many(1000, () => draw.double()));
  say(draw.permutation(1001));
  say(draw.integers(7, 999));
  say(draw.integers(2 ** 31 - 5, 99));
  say(many(200000, () => draw.normal(table)));
  const counted = new Philox([...entropy, 5, 6]);
  say(many(1001, () => counted.double()));
  say(many(1000, () => counted.normal(table)));
}}
"""
    )
    results = iter(run_node(script))
    for seed, stream in ((1, 1), (2**40 + 7, 3), (0, 0)):
        draw, counted = stream_generator(seed, stream), layer_generator(seed, stream, 5, 6)
        assert next(results) == draw.random(1000).tolist()
        assert next(results) == draw.permutation(1001).tolist()
        assert next(results) == draw.integers(0, 7, 999).tolist()
        assert next(results) == draw.integers(0, 2**31 - 5, 99).tolist()
        assert next(results) == pytest.approx(draw.standard_normal(200000).tolist(), rel=1e-14)
        assert next(results) == counted.random(1001).tolist()
        assert next(results) == pytest.approx(counted.standard_normal(1000).tolist(), rel=1e-14)


# ---- What a page asks for ----------------------------------------------------------------------------------------


def test_steps_of_any_size_and_looks_between_them_change_nothing(tmp_path: Path) -> None:
    training, data = program_of("batches")
    write_description(describe_training(training, data, 1), tmp_path)
    look = ("look", {"set": "train", "index": 3, "weights": ["h1.bias"], "errors": True})
    whole = call_training(tmp_path, ("pass",), ("weights",))
    calls = [("step", 1), look, ("step", 100), look, ("step", 13), ("score",), ("step", 1000), ("passIsOver",)]
    *_, over, end, weights = call_training(tmp_path, *calls, ("endPass",), ("weights",))
    assert over and [end, weights] == whole


def test_a_look_has_the_states_of_the_engine_and_the_errors_of_the_gradient(tmp_path: Path) -> None:
    training, data = program_of("stages")
    write_description(describe_training(training, data, 1), tmp_path)
    _, look, place = call_training(tmp_path, ("step", 0), ("look", {"index": 3, "errors": True}), ("place",))
    engine = build_engine(training, training.stages[0], "wasm", "float32")
    engine.load_parameters(initial_weights(training, 1))
    for name, states in engine.states(data.train.inputs[3:4]).items():
        assert np.array_equal(np.array(look["states"][name], "float32"), states[0]), name
    gradient = engine.gradient(data.train.inputs[3:4], data.train.targets[3:4])
    biases = {p.layer: p.name for p in training.net.parameters if p.kind == "bias"}
    for layer in ("h3", "output"):  # a bias a unit: its gradient is dE/da
        np.testing.assert_allclose(look["errors"][layer], gradient[biases[layer]].ravel(), rtol=1e-6)
    assert place["presentations"] == 0 and place["patterns"] == len(data.train)


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    training, data = program_of("noise")
    write_description(describe_training(training, data, 1), tmp_path)
    _, end = call_training(tmp_path, ("step", 20), ("restart", 9), ("pass",))[-2:]
    assert end["train"]["mse"] == expected_passes(training, data, 9)[0].train.mse


def test_trained_weights_come_first_and_a_restart_gives_initial_ones(tmp_path: Path) -> None:
    training, data = program_of("plain")
    trained = {p.name: np.full(p.shape, 0.25) for p in training.net.parameters}
    write_description(describe_training(training, data, 1, weights=trained), tmp_path)
    first, _, second = call_training(tmp_path, ("weights",), ("restart", 1), ("weights",))
    assert {value for values in first.values() for value in values} == {0.25}
    for name, values in initial_weights(training, 1).items():
        assert np.array_equal(np.array(second[name], "float32"), values.ravel().astype("float32"))


def test_initial_weights_of_a_file_need_no_distribution(tmp_path: Path) -> None:
    """As of `(initial "FILE")`: the page begins with the weights of the file, and restarts with them."""
    training, data = program_of("plain")
    given = {p.name: np.full(p.shape, 0.125) for p in training.net.parameters}
    write_description(describe_training(replace(training, initial=()), data, 1, initial=given), tmp_path)
    first, _, second = call_training(tmp_path, ("weights",), ("restart", 2), ("weights",))
    assert first == second and {value for values in first.values() for value in values} == {0.125}


def test_an_option_can_be_changed_while_the_net_learns(tmp_path: Path) -> None:
    """With alpha 0.9 turned to 0 before the first pass, momentum learns as plain gradient descent, up to rounding."""
    training, data = program_of("momentum")
    plain = replace(training.stages[0], options={**training.stages[0].options, "alpha": _constant(0.0)})
    expected = expected_passes(replace(training, stages=(plain,)), data)
    write_description(describe_training(training, data, 1), tmp_path)
    *_, changed = call_training(tmp_path, ("set", {"option-alpha": 0}), ("pass",))
    assert changed["train"]["loss"] == pytest.approx(expected[0].train.loss, rel=1e-3)
    _, first, _, second = call_training(tmp_path, ("set", {"rate": 0}), ("pass",), ("set", {"rate": None}), ("pass",))
    assert first["train"]["loss"] > second["train"]["loss"]


def test_pruned_weights_stay_cut_when_an_option_is_changed(tmp_path: Path) -> None:
    training, data = program_of("pruning-of-maps")
    write_description(describe_training(training, data, 1), tmp_path)
    changes = [("set", {"option-alpha": 0}), ("set", {"option-alpha": None})]
    calls = [("pass",), changes[0], ("pass",), changes[1], ("pass",), ("weights",)]
    first, _, second, _, third, weights = call_training(tmp_path, *calls)
    assert first["left"] is None and second["left"]["connections"] > third["left"]["connections"]
    assert sum(value != 0 for values in weights.values() for value in values) == third["left"]["weights"]


def _constant(number: float):
    from snsim.training.schedule import constant_value

    return constant_value(number)


def test_what_a_page_cannot_do_is_refused_with_a_sentence() -> None:
    training, data = program_of("run-conjugate")
    with pytest.raises(SnError, match="a page cannot learn by conjugate gradient"):
        describe_training(training, cut(data), 1)


def test_a_layer_of_maps_is_described_in_cells() -> None:
    training, data = program_of("plain")
    values = describe_training(training, data, 1).values
    assert [layer["units"] for layer in values["nets"][0]["layers"]] == [
        plan(training.net).input_units,
        *(stage.units for stage in plan(training.net).stages),
    ]
