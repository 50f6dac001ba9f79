"""snsim beside a net that was coded by hand in PyTorch, and beside the reproduction of 2022: same start, same order."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import snsim
from snsim import engines, experiment
from snsim.data.catalog import find
from snsim.engines.plan import plan
from snsim.engines.protocol import Settings
from snsim.learning.initial import initial_weights
from snsim.learning.places import rates_at

ROOT = Path(__file__).parent.parent
BY_HAND = {  # parameter of nets/lecun89-2022.sn -> attribute of the hand-coded net
    "input-h1.weight": "h1_weight", "h1.bias": "h1_bias",
    "h1-h2.weight": "h2_weight", "h2.bias": "h2_bias",
    "h2-h3.weight": "h3_weight", "h3.bias": "h3_bias",
    "h3-output.weight": "output_weight", "output.bias": "output_bias",
}


def hand_coded():
    """examples/lecun89_torch.py as a module."""
    spec = importlib.util.spec_from_file_location("lecun89_torch", ROOT / "examples" / "lecun89_torch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def training():
    return snsim.read_program(ROOT / "nets" / "lecun89-2022.sn").trainings.get("lecun89-2022")


@pytest.fixture(scope="module")
def patterns():
    """200 real digits as (200, 256), and their targets as (200, 10)."""
    split = find(["digits"]).examples.train
    inputs = split.inputs[:200].reshape(200, -1)
    return inputs, np.where(np.arange(10) == split.labels[:200, None], 1.0, -1.0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("engine", ["reference", "torch"])
def test_200_presentations_equal_the_hand_coded_net(training, patterns, engine, dtype):
    weights = initial_weights(training, 1)
    inputs, targets = patterns
    stage = training.stages[0]
    ours = engines.build(engine, plan(training.net), training.cost, stage.rule, dtype)
    ours.load_parameters(weights)
    rates = rates_at(stage, training.net, 1, training.fan_in)
    ours.learn(inputs, targets, Settings(rates, {"alpha": 0.0, "decay": 0.0}))

    code = hand_coded()
    net = code.Net().to(getattr(torch, dtype))
    with torch.no_grad():
        for name, attribute in BY_HAND.items():
            getattr(net, attribute).copy_(torch.from_numpy(weights[name]))
    code.learn(net, torch.tensor(inputs, dtype=getattr(torch, dtype)).reshape(-1, 1, 16, 16),
               torch.tensor(targets, dtype=getattr(torch, dtype)))

    for name, attribute in BY_HAND.items():
        theirs = getattr(net, attribute).detach().numpy()
        assert np.abs(ours.parameters()[name] - theirs).max() < 1e-6, name
        assert np.abs(theirs - weights[name]).max() > 1e-3, f"{name} has not learned"


def test_initial_weights_of_2022(tmp_path):
    """The example writes the very weights that were recorded from the script of 2022."""
    recorded = Path(os.environ.get("SNSIM_DATA", "")).parent / "reference" / "baseline" / "init_1337.npz"
    if not recorded.is_file():
        pytest.skip("no record of the initial weights of 2022 beside SNSIM_DATA")
    hand_coded().save_initial(tmp_path / "init.npz")
    ours, theirs = np.load(tmp_path / "init.npz"), np.load(recorded)
    assert sorted(ours) == sorted(theirs)
    for name in theirs:
        assert np.array_equal(ours[name], theirs[name]), name


def test_start_and_first_passes_of_the_reproduction_of_2022(tmp_path):
    """Misses and losses of the first pass from that script's own initial weights (torch 2.13, measured)."""
    if "SNSIM_DATA" not in os.environ:
        pytest.skip("SNSIM_DATA is not set: no zip codes here")
    start = tmp_path / "init.npz"
    hand_coded().save_initial(start)
    program = snsim.read_program(ROOT / "nets" / "lecun89-2022.sn")
    chosen = program.trainings.get("lecun89-2022")
    for data, train, test in (("zipcode", (321, 3.501162e-02), (179, 5.962237e-02)),
                              ("mnist-1989", (656, 6.303318e-02), (206, 6.877645e-02))):
        assert first_pass(program, chosen, data, start, tmp_path) == (
            (train[0], pytest.approx(train[1], rel=1e-4)), (test[0], pytest.approx(test[1], rel=1e-4)))


def first_pass(program, training, data, start, out):
    options = experiment.Options(dtype="float32", data=(data,), initial=start, passes=1, out=out, online=False)
    done = next(event.done for event in experiment.run(program, training, 1, options)
                if isinstance(event, experiment.Passed))
    return (done.train.misses, done.train.loss), (done.test.misses, done.test.loss)
