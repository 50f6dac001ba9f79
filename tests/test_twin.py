"""snsim beside a net that was coded by hand in PyTorch, and beside the reproduction of 2022: same start, same order."""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from data_folder import MNIST, REFERENCE, ZIP_CODES, needs_data, needs_reference

import snsim
from snsim import engines
from snsim.data.catalog import find
from snsim.engines.protocol import Settings
from snsim.runs.options import Options
from snsim.runs.run import PassFinished, run
from snsim.training.choose_engine import build_engine
from snsim.training.initial import initial_weights
from snsim.training.parameter_scopes import rates_in_pass

ROOT = Path(__file__).parent.parent
BY_HAND = {  # parameter of nets/lecun89-2022.sn -> attribute of the hand-coded net
    "input_h1.weight": "h1_weight",
    "h1.bias": "h1_bias",
    "h1_h2.weight": "h2_weight",
    "h2.bias": "h2_bias",
    "h2_h3.weight": "h3_weight",
    "h3.bias": "h3_bias",
    "h3_output.weight": "output_weight",
    "output.bias": "output_bias",
}
# What the script of 2022 gives, run with PyTorch 2.13 from its own initial weights: for each pass the misses on train
# and test; then the losses of the first and of the last of these passes.
OF_2022 = {
    "zipcode": (
        [
            (321, 179),
            (210, 140),
            (168, 131),
            (126, 126),
            (97, 128),
            (96, 127),
            (81, 127),
            (68, 130),
            (69, 133),
            (57, 136),
            (50, 130),
            (45, 123),
            (43, 121),
            (39, 119),
            (39, 116),
            (37, 117),
            (33, 116),
            (32, 118),
            (31, 119),
            (27, 118),
            (24, 118),
            (23, 118),
            (23, 119),
        ],
        (3.501162e-02, 5.962237e-02),
        (2.082711e-03, 3.942006e-02),
    ),
    "mnist-1989": (
        [(656, 206), (493, 168), (393, 152), (325, 146), (253, 114)],
        (6.303318e-02, 6.877645e-02),
        (2.540228e-02, 4.001119e-02),
    ),
}


@cache
def hand_coded():
    """examples/lecun89_torch.py as a module."""
    spec = importlib.util.spec_from_file_location("lecun89_torch", ROOT / "examples" / "lecun89_torch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def program():
    return snsim.read_program(ROOT / "nets" / "lecun89-2022.sn")


@cache
def patterns() -> tuple[np.ndarray, np.ndarray]:
    """200 real digits as (200, 256), and their targets as (200, 10)."""
    split = find(["digits"]).examples.train
    inputs = split.inputs[:200].reshape(200, -1)
    return inputs, np.where(np.arange(10) == split.labels[:200, None], 1.0, -1.0)


@cache
def learned_by_hand(dtype: str) -> dict[str, np.ndarray]:
    """Weights of the hand-coded net after the 200 presentations, from those that snsim draws with seed 1."""
    net = hand_coded().Net().to(getattr(torch, dtype))
    weights = initial_weights(program().trainings.get("lecun89-2022"), 1)
    with torch.no_grad():
        for name, attribute in BY_HAND.items():
            getattr(net, attribute).copy_(torch.from_numpy(weights[name]))
    inputs, targets = (torch.tensor(part, dtype=getattr(torch, dtype)) for part in patterns())
    hand_coded().learn(net, inputs.reshape(-1, 1, 16, 16), targets)
    return {name: getattr(net, attribute).detach().numpy() for name, attribute in BY_HAND.items()}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", engines.ENGINES.names())
def test_200_presentations_equal_the_hand_coded_net(name, dtype):
    training = program().trainings.get("lecun89-2022")
    weights = initial_weights(training, 1)
    stage = training.stages[0]
    engine = build_engine(training, stage, name, dtype)
    engine.load_parameters(weights)
    rates = rates_in_pass(stage, training.net, 1, training.fan_in)
    engine.learn(*patterns(), Settings(rates, {"alpha": 0.0, "decay": 0.0}))
    for parameter, theirs in learned_by_hand(dtype).items():
        assert np.abs(engine.parameters()[parameter] - theirs).max() < 1e-6, parameter
        assert np.abs(theirs - weights[parameter]).max() > 1e-3, f"{parameter} has not learned"


@needs_reference("baseline/init_1337.npz")
def test_initial_weights_of_2022(tmp_path):
    """The example writes the very weights that were recorded from the script of 2022."""
    hand_coded().save_initial(tmp_path / "init.npz")
    ours, theirs = np.load(tmp_path / "init.npz"), np.load(REFERENCE / "baseline" / "init_1337.npz")
    assert sorted(ours) == sorted(theirs)
    for name in theirs:
        assert np.array_equal(ours[name], theirs[name]), name


@pytest.mark.parametrize(("engine", "passes"), [("native", 23), ("reference", 1)])
@pytest.mark.parametrize("data", OF_2022)
@needs_data(*ZIP_CODES, *MNIST)
def test_the_misses_of_2022(data, engine, passes, tmp_path):
    """Exactly, pass by pass, on both sets; losses to 1e-4. On MNIST five passes: later on, rounding parts them."""
    misses, first, last = OF_2022[data]
    passes = min(passes, len(misses))
    hand_coded().save_initial(tmp_path / "init.npz")
    options = Options(
        engine=engine, data=(data,), initial=tmp_path / "init.npz", passes=passes, out=tmp_path, online=False
    )
    events = run(program(), program().trainings.get("lecun89-2022"), 1, options)
    done = [event.done for event in events if isinstance(event, PassFinished)]
    assert [(one.train.misses, one.test.misses) for one in done] == misses[:passes]
    assert (done[0].train.loss, done[0].test.loss) == pytest.approx(first, rel=1e-4)
    if passes == len(misses):
        assert (done[-1].train.loss, done[-1].test.loss) == pytest.approx(last, rel=1e-4)
