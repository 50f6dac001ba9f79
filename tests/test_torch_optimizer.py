"""`net.optimizer()`: 200 presentations equal the torch engine to the bit, for each rule and each training of nets/."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gallery_trainings import WITHOUT_DELAYS

import snsim
from snsim.engines.protocol import Settings
from snsim.errors import SnError
from snsim.program import read_program
from snsim.training.choose_engine import build_engine
from snsim.training.conjugate_gradient import take_step
from snsim.training.initial import initial_weights
from snsim.training.parameter_scopes import decays_of, rates_in_pass
from snsim.training.prepare import Patterns
from snsim.training.schedule import stage_of_pass, value_at
from snsim.training.spec import Training

GALLERY = [(path, training.name) for path in WITHOUT_DELAYS for training in read_program(path).own_trainings]
FAST = ("encoder", "lecun89", "ladder-3")  # one for each rule of the gallery
PRESENTATIONS = 200

RULES = """
(net small (default (nlf sn-tanh) (bias unit)) (layer input (4 4)) (layer h (2 4 4)) (layer output 3)
  (connect input h (mask 3 3) (border 1 -1)) (connect h output (full) (weight-norm)))
(define-update heavy ((alpha 0.9)) (v) (setq v (+ (* alpha v) g)) (setq w (- w (* rate v))))
(train base (net small) (data digits)
  (forget-sqrt 1) (epsi-sqrt 0.05) (passes 4))
(train sgd (like base) (update sgd (alpha 0.5) (decay 0.01)))
(train mean (like base) (update sgd) (batch 8 mean))
(train rates (like base) (update sgd) (mask-epsi 0.1) (epsilon 0.02 output))
(train adamw (like base) (update adamw (decay 0.01)) (epsilon (linear 1e-2 1e-3)) (batch 5 sum))
(net linear (like small) (layer output (nlf linear)))
(train soft (like base) (net linear) (update adamw) (epsilon 0.01) (cost cross-entropy) (targets 0 1))
(train lm (like base) (update lm (mu 0.05) (gamma 0.05)))
(train newton (like base) (update newton (mu 0.5) (gamma 0.05)) (epsilon 0.001))
(train held (like base) (update lm (mu 0.02) (curvature 50)))
(train all (like base) (update lm (mu 1)) (batch all sum) (epsilon 0.01))
(train conjugate (like base) (update conjugate-gradient (mu 1)))
(train heavy (like base) (update heavy))
(train places (like base) (update sgd (alpha 0.5)) (decay 0.05 h) (decay 0.01 (bias output)))
(train apart (like base) (update adamw) (epsilon 0.01) (decay 0.1 (connect h output)) (batch 5 mean))
(train frozen (like base) (update lm (mu 0.1)) (decay 0.01 h)
  (epsilon 0 (bias h)) (epsilon (steps (0 2) (0.01)) output))
(train staged (like base) (stage (passes 2) (update sgd) (epsilon 0.01))
  (stage (passes 2) (update lm (mu 0.1)) (epsilon 0.001)))
"""
NAMES = ["sgd", "mean", "rates", "adamw", "soft", "lm", "newton", "held", "all", "conjugate", "heavy", "staged"]
NAMES += ["places", "apart", "frozen"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def patterns(training: Training) -> Patterns:
    rng = np.random.default_rng(1)
    layers = training.net.layers
    x = rng.uniform(-1, 1, (PRESENTATIONS, training.net.input_units)).astype(np.float32)
    off, on = training.targets
    classes = rng.integers(0, layers[-1].units, PRESENTATIONS)
    d = np.where(np.arange(layers[-1].units) == classes[:, None], on, off)
    return Patterns(x, d)


def by_engine(training: Training, data: Patterns, passes: int) -> dict[str, np.ndarray]:
    """The weights of the torch engine after the patterns, in order, in each pass; without dropout, shifts and noise."""
    engine = build_engine(training, training.stages[0], "torch", np.float32)
    engine.load_parameters(initial_weights(training, 1))
    for number in range(1, passes + 1):
        stage, inside = stage_of_pass(training.stages, number)
        if engine.rule != stage.rule:
            weights = {p.name: engine.parameters()[p.name] for p in training.net.parameters if p.learns}
            engine = build_engine(training, stage, "torch", np.float32)
            engine.load_parameters(weights)
        options = {name: value_at(value, inside, stage.passes) for name, value in stage.options.items()}
        if stage.rule.conjugate:
            list(take_step(engine, data, training.cost, options["mu"], None, number))
            continue
        held = None
        if stage.curvature_patterns is not None:
            n = stage.curvature_patterns
            held = engine.curvature(data.inputs[:n], data.targets[:n], stage.rule.curvature)
        rates = rates_in_pass(stage, training.net, inside, training.fan_in)
        batch = min(stage.batch or PRESENTATIONS, PRESENTATIONS)
        settings = Settings(rates, options, batch, stage.batch_mean, held, decays_of(stage, training.net))
        engine.learn(data.inputs, data.targets, settings)
    return engine.parameters()


def by_optimizer(path: Path, training: Training, data: Patterns, passes: int) -> dict[str, np.ndarray]:
    """The same with the module, its optimizer, and loops as a user writes them."""
    net = snsim.load(path, training.name, seed=1)
    opt = net.optimizer()
    assert isinstance(opt, torch.optim.Optimizer)
    x = torch.from_numpy(data.inputs).reshape(-1, *net.input_shape)
    d = torch.from_numpy(data.targets).float()
    for number in range(1, passes + 1):
        stage = stage_of_pass(training.stages, number)[0]
        if number > 1:
            opt.next_pass()
        if stage.rule.conjugate:

            def closure():
                opt.zero_grad()
                loss = opt.loss(net(x), d)
                loss.backward()
                return loss

            assert opt.step(closure).item() > 0
            continue
        if stage.curvature_patterns is not None:
            opt.estimate_curvature(x[: stage.curvature_patterns], d[: stage.curvature_patterns])
        for batch in torch.arange(PRESENTATIONS).split(stage.batch or PRESENTATIONS):
            if stage.rule.curvature:
                opt.step(x[batch], d[batch])
            else:
                opt.zero_grad()
                opt.loss(net(x[batch]), d[batch]).backward()
                opt.step()
    return {name: p.detach().numpy() for name, p in net.named_parameters()}


def assert_equal(path: Path, name: str, passes: int) -> None:
    training = read_program(path).trainings.get(name)
    data = patterns(training)
    with torch.no_grad():
        start = {n: p.numpy().copy() for n, p in snsim.load(path, name, seed=1).named_parameters()}
    mine, theirs = by_optimizer(path, training, data, passes), by_engine(training, data, passes)
    assert any((start[n] != array).any() for n, array in mine.items())
    for n, array in mine.items():
        assert array.tobytes() == theirs[n].tobytes(), n


@pytest.mark.parametrize(
    ("path", "name"),
    [pytest.param(path, name, id=name, marks=() if name in FAST else pytest.mark.slow) for path, name in GALLERY],
)
def test_each_training_of_the_gallery(path: Path, name: str) -> None:
    assert_equal(path, name, 1)


FAST_RULES = ("mean", "adamw", "soft", "lm", "conjugate", "staged", "places")  # the others differ in one clause


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST_RULES else pytest.mark.slow) for name in NAMES]
)
def test_each_rule(name: str, tmp_path: Path) -> None:
    (tmp_path / "rules.sn").write_text(RULES)
    assert_equal(tmp_path / "rules.sn", name, 4)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.sn").write_text(RULES)
    return tmp_path / "rules.sn"


def test_wrong_steps_say_what_to_write(rules: Path) -> None:
    x, d = torch.zeros(1, 4, 4), torch.zeros(1, 3)
    for name, arguments, hint in (
        ("lm", (), r"opt.step\(x, d\) with patterns"),
        ("lm", (lambda: None,), r"opt.step\(x, d\)"),
        ("held", (x, d), "estimate_curvature.* 50 patterns"),
        ("conjugate", (), r"opt.step\(closure\)"),
        ("conjugate", (lambda: torch.zeros(()),), r"opt.loss\(net\(x\), d\)"),
        ("sgd", (x, d), r"backward\(\); opt.step\(\)"),
        ("lm", (x, torch.zeros(1, 4)), r"shape \(1, 3\)"),
    ):
        with pytest.raises(SnError, match=hint):
            snsim.load(rules, name).optimizer().step(*arguments)
    opt = snsim.load(rules, "sgd").optimizer()
    for _ in range(3):
        opt.next_pass()
    with pytest.raises(SnError, match="has 4 passes"):
        opt.next_pass()
    with pytest.raises(SnError, match="has no training"):
        snsim.load(rules, "sgd").optimizer("nothing")
    snsim.load(rules, "sgd").optimizer("lm").step(x, d)  # another training of the same net


def test_the_state_is_saved_and_rates_can_be_changed(rules: Path, tmp_path: Path) -> None:
    """A resumed optimizer goes on with the same bits; a scheduler of torch changes the rates."""
    x, d = torch.rand(6, 4, 4, generator=torch.Generator().manual_seed(1)), torch.eye(3).repeat(2, 1) * 2 - 1

    def learn(net, opt, passes):
        for _ in range(passes):
            opt.next_pass()
            for k in range(6):
                opt.zero_grad()
                opt.loss(net(x[k]), d[k]).backward()
                opt.step()

    whole, first = snsim.load(rules, "adamw"), snsim.load(rules, "adamw")
    learn(whole, whole.optimizer(), 3)
    opt = first.optimizer()
    learn(first, opt, 2)
    torch.save({"net": first.state_dict(), "opt": opt.state_dict()}, tmp_path / "saved.pt")
    saved = torch.load(tmp_path / "saved.pt", weights_only=True)
    second = snsim.load(rules, "adamw", seed=9)
    second.load_state_dict(saved["net"])
    opt = second.optimizer()
    opt.load_state_dict(saved["opt"])
    learn(second, opt, 1)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    net = snsim.load(rules, "sgd")
    opt = net.optimizer()
    rates = [group["lr"] for group in opt.param_groups]
    torch.optim.lr_scheduler.LambdaLR(opt, lambda epoch: 0.0)  # sets the rates at once
    before = {name: value.clone() for name, value in net.state_dict().items()}
    opt.loss(net(x), d).backward()
    opt.step()
    assert any(rates) and not any(group["lr"] for group in opt.param_groups)
    decay = {"h.bias", "output.bias"}  # decay 0.01 is multiplied by the rate
    assert all(torch.equal(net.state_dict()[name], before[name]) for name in decay)


def test_the_decay_of_a_group_can_be_changed(rules: Path) -> None:
    """The step of sgd without momentum: w (1 - rate decay) - rate g."""
    net = snsim.load(rules, "mean")
    opt = net.optimizer()
    x, d = torch.rand(8, 4, 4, generator=torch.Generator().manual_seed(1)), torch.ones(8, 3)
    for k, group in enumerate(opt.param_groups):
        group["decay"] = 0.1 * k
    opt.loss(net(x), d).backward()
    expected = {
        g["name"]: g["params"][0].detach() * (1 - g["lr"] * g["decay"]) - g["lr"] * g["params"][0].grad
        for g in opt.param_groups
    }
    opt.step()
    for name, w in net.named_parameters():
        torch.testing.assert_close(w.detach(), expected[name])
