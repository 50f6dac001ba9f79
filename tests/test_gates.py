"""Gates, by which dropout reaches the engines: a gated unit is one whose nlf is gate * f, in every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snsim.engines import ENGINES, build
from snsim.engines.plan import Plan, plan
from snsim.engines.protocol import Cost, Settings
from snsim.errors import SnError, Source
from snsim.network.expressions import apply, differentiate, number, variable
from snsim.program import Program, read_program
from snsim.training.forms.update_rules import UpdateDefinition

E = apply("*", number(0.5), apply("**", apply("-", variable("x"), variable("d")), number(2)))
LMS = Cost("lms", E, differentiate(E, "x"), differentiate(differentiate(E, "x"), "x"))
NETS = Path(__file__).parent.parent / "nets"
HALVED = Source(
    "<halved>",
    """
(net whole (layer input (6 6)) (layer h1 (2 3 3) (nlf tanh)) (layer output 3)
  (connect input h1 (mask 2 2) (step 2)) (connect (input h1) output (full)))
(net halved (like whole) (layer h1 (nlf (* 0.5 (tanh x)))))
""",
)


def engine(name: str, made: Plan, program: Program, rule: str, seed: int = 1):
    draw = np.random.default_rng(seed)
    definition: UpdateDefinition = program.updates.get(rule)
    ready = build(name, made, LMS, definition.rule, "float64")
    ready.load_parameters({p.name: draw.uniform(-0.5, 0.5, p.shape) for p in made.parameters.values()})
    return ready, Settings({p: 0.05 for p in made.parameters}, dict(definition.rule.options), batch=2)


def patterns(made: Plan, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    return draw.uniform(-1, 1, (count, made.input_units)), draw.uniform(-1, 1, (count, made.output_units))


@pytest.mark.parametrize("other", [name for name in ENGINES.names() if name != "reference"])
def test_engines_agree_under_dropout(other: str) -> None:
    """Against autograd (torch) and whatever else there is: half of two layers' units dropped, each time others."""
    program = read_program(NETS / "net-5.sn")
    made = plan(program.nets.get("net-5"))
    x, d = patterns(made)
    draw = np.random.default_rng(9)
    gates = {stage.name: 2.0 * draw.integers(0, 2, (len(x), stage.units)) for stage in made.stages[:2]}
    learned = []
    for name in ("reference", other):
        ready, settings = engine(name, made, program, "sgd")
        ready.learn(x, d, settings, gates)
        learned.append(ready.parameters())
    ungated, settings = engine("reference", made, program, "sgd")
    ungated.learn(x, d, settings)
    for name, value in learned[0].items():
        np.testing.assert_allclose(learned[1][name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert any(np.abs(ungated.parameters()[name] - value).max() > 1e-6 for name, value in learned[0].items())


@pytest.mark.parametrize("other", [name for name in ENGINES.names() if name != "reference"])
@pytest.mark.parametrize("rule", ["sgd", "lm", "newton"])
def test_engines_agree_under_noise_on_the_sums(other: str, rule: str) -> None:
    """SN's theta with dropout beside it; noise on the sums of the first layer is noise on its bias."""
    program = read_program(HALVED)
    made = plan(program.nets.get("whole"))
    x, d = patterns(made)
    draw = np.random.default_rng(9)
    noises = {stage.name: draw.normal(size=(len(x), stage.units)) for stage in made.stages}
    gates = {"h1": 2.0 * draw.integers(0, 2, (len(x), 18))}
    learned = []
    for name in ("reference", other):
        ready, settings = engine(name, made, program, rule)
        ready.learn(x, d, settings, gates, noises)
        learned.append({**ready.parameters(), "outputs": ready.outputs(x)})
    for name, value in learned[0].items():
        np.testing.assert_allclose(learned[1][name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", ENGINES.names())
def test_noise_on_the_sums_is_noise_on_the_bias(name: str) -> None:
    program = read_program(HALVED)
    made = plan(program.nets.get("whole"))
    x, d = (array[:1] for array in patterns(made))
    noise = np.random.default_rng(9).normal(size=(1, 18))
    noisy, settings = engine(name, made, program, "sgd")
    noisy.learn(x, d, settings, noises={"h1": noise})
    moved, settings = engine(name, made, program, "sgd")
    start = moved.parameters()
    moved.load_parameters({**start, "h1.bias": start["h1.bias"] + noise.reshape(start["h1.bias"].shape)})
    moved.learn(x, d, settings)
    expected = moved.parameters()
    expected["h1.bias"] = expected["h1.bias"] - noise.reshape(start["h1.bias"].shape)
    for parameter, value in expected.items():
        np.testing.assert_allclose(noisy.parameters()[parameter], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["sgd", "lm", "newton"])
@pytest.mark.parametrize("name", ENGINES.names())
def test_gate_of_one_half_is_an_nlf_halved(name: str, rule: str) -> None:
    program = read_program(HALVED)
    whole, halved = (plan(program.nets.get(n)) for n in ("whole", "halved"))
    x, d = patterns(whole)
    gated, settings = engine(name, whole, program, rule)
    gated.learn(x, d, settings, {"h1": np.full((len(x), 18), 0.5)})
    expected, settings = engine(name, halved, program, rule)
    expected.learn(x, d, settings)
    for parameter, value in expected.parameters().items():
        np.testing.assert_allclose(gated.parameters()[parameter], value, rtol=1e-10, atol=1e-13)


def test_gates_that_do_not_fit_are_refused() -> None:
    program = read_program(HALVED)
    made = plan(program.nets.get("whole"))
    x, d = patterns(made)
    for name in ENGINES.names():
        ready, settings = engine(name, made, program, "sgd")
        with pytest.raises(SnError, match='noises for "h2", which is not a computed layer'):
            ready.learn(x, d, settings, noises={"h2": np.ones((6, 18))})
        with pytest.raises(SnError, match='gates for "h2", which is not a computed layer'):
            ready.learn(x, d, settings, {"h2": np.ones((6, 18))})
        with pytest.raises(SnError, match="18 h1 gate units"):
            ready.learn(x, d, settings, {"h1": np.ones((6, 17))})
        with pytest.raises(SnError, match="6 input patterns, gates for 5 at layer h1"):
            ready.learn(x, d, settings, {"h1": np.ones((5, 18))})
