"""`snsim compare`: hand-coded twins that are equal, planted faults that are found, and what a user may do wrong."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from data_folder import ZIP_CODES, needs_data
from torch import nn
from torch.nn import functional as F

import snsim
from snsim.cli.main import main
from snsim.comparison.report import comparison_text
from snsim.data.catalog import find
from snsim.errors import Source
from snsim.program import read_program
from snsim.runs.options import Options

ROOT = Path(__file__).parent.parent
QUICK = Options(engine="reference", dtype="float64", online=False)  # nothing to compile


@cache
def example(name: str) -> ModuleType:
    """A file of examples/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LECUN, LADDER, NET5 = (example(name).Net for name in ("lecun89_torch", "ladder_torch", "net5_torch"))


@cache
def program(text: str) -> snsim.program.Program:
    return snsim.read_program(Source(str(ROOT / "nets" / "<text>"), text) if "(" in text else ROOT / "nets" / text)


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    split = find(["digits"]).examples.train
    return split.inputs[:8].reshape(8, -1), np.where(np.arange(10) == split.labels[:8, None], 1.0, -1.0)


def compared(net: str, module: nn.Module, presentations: int = 4, **how: object):
    data = how.pop("data", "digits")
    return snsim.compare(program(net), module, data, presentations=presentations, options=QUICK, **how)


# ---- Twins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "file", "presentations", "how"),
    [
        ("lecun89-2022.sn", "lecun89_torch.py", 100, {}),
        ("ladder.sn", "ladder_torch.py", 100, {"only": "ladder-5"}),
        ("lecun89.sn", "lecun89_lm_torch.py", 100, {}),
        ("net-5.sn", "net5_torch.py", 500, {"sgd": 0.01}),
        ("lenet-5.sn", "lenet5_torch.py", 50, {"sgd": 0.01}),
    ],
)
def test_the_examples_are_twins(net, file, presentations, how):
    """On real digits (500 presentations); every layer is seen, and every layer learns."""
    made = snsim.compare(
        ROOT / "nets" / net, f"{ROOT}/examples/{file}:Net", "digits", presentations=presentations, **how
    )
    assert made.equal and made.presentations == presentations and made.cost < 1e-5 and made.names == ("native", "Net")
    for row in made.layers:
        assert row.states is not None and max(row.states, row.gradients, row.weights) < 1e-9, row
        assert row.moved > 1e-3, row
    assert len(made.pairs) == len(program(net).trainings.get(made.training).net.parameters)


@pytest.mark.parametrize(("net", "file"), [("siamese", "siamese_torch"), ("family-trees", "family_trees_torch")])
def test_nets_with_two_inputs_are_twins(net, file):
    """`forward` takes a tensor for each input layer. Layers that share weights learn in the layer that has them."""
    made = snsim.compare(ROOT / "nets" / f"{net}.sn", f"{ROOT}/examples/{file}.py:Net", presentations=100)
    assert made.equal and made.presentations == 100 and made.cost < 1e-12
    for row in made.layers:
        assert row.states < 1e-12 and max(row.gradients or 0, row.weights or 0) < 1e-12, row
    learned = [row for row in made.layers if row.moved is not None]
    assert len(learned) == len({p.layer for p in program(f"{net}.sn").nets.get(net).parameters if p.learns})
    assert all(row.moved > 1e-3 for row in learned)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_net_with_delays_is_a_twin(steps):
    """Elman's net: the module goes through the steps from the same context, and autograd goes back through them."""
    elman = read_program(ROOT / "nets" / "elman-xor.sn", presets={"steps": steps})
    made = snsim.compare(elman, f"{ROOT}/examples/elman_torch.py:Net", presentations=200)
    assert made.equal and made.presentations == 200 and made.cost < 1e-12
    assert [row.layer for row in made.layers] == ["context", "hidden", "output"]
    assert all(row.states < 1e-12 for row in made.layers)
    assert all(row.gradients < 1e-12 and row.weights < 1e-12 and row.moved > 1e-3 for row in made.layers[1:])


def test_a_context_that_no_gradient_goes_through_is_told():
    class Forgetful(example("elman_torch").Net):
        def forward(self, steps, context):
            outputs = []
            for x in steps:
                context = torch.sigmoid(self.read(x) + self.remember(context.detach()))
                outputs.append(torch.sigmoid(self.answer(context)))
            return torch.stack(outputs)

    elman = read_program(ROOT / "nets" / "elman-xor.sn", presets={"steps": 2})
    made = snsim.compare(elman, Forgetful(), presentations=20)
    assert not made.equal and (made.first.layer, made.first.what) == ("hidden", "gradients")


def test_lenet_5_complete_is_a_twin():
    """Its output layer has codes that never learn: every other layer learns, and all states agree."""
    made = snsim.compare(
        ROOT / "nets" / "lenet-5-rbf.sn",
        f"{ROOT}/examples/lenet5_rbf_torch.py:Net",
        "digits",
        presentations=30,
        sgd=0.0001,
    )
    assert made.equal and made.presentations == 30 and made.cost < 1e-12
    *below, output = made.layers
    assert output.states < 1e-12 and output.moved is None
    for row in below:
        assert max(row.states, row.gradients) < 1e-12 and row.weights < 1e-12 and row.moved > 1e-3, row


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "file", "how"),
    [("lecun89-2022.sn", "lecun89_torch.py", {}), ("ladder.sn", "ladder_torch.py", {"only": "ladder-5"})],
)
def test_the_examples_are_twins_in_single_precision(net, file, how):
    """Each update starts from equal weights, so that rounding does not add up over 500 presentations."""
    made = snsim.compare(
        ROOT / "nets" / net,
        f"{ROOT}/examples/{file}:Net",
        "digits",
        presentations=500,
        options=Options(dtype="float32", online=False),
        **how,
    )
    assert made.equal and made.largest < 500 * np.finfo(np.float32).eps  # sums of up to 200 numbers, four layers


@needs_data(*ZIP_CODES)
def test_on_the_zip_codes():
    assert compared("lecun89-2022.sn", LECUN(), 60, data="zipcode").equal


def test_examples_import_nothing_of_snsim():
    for file in (ROOT / "examples").glob("*.py"):
        assert "import snsim" not in file.read_text() and "from snsim" not in file.read_text()


RULES = """(include "net-5.sn")
(train momentum (like net-5) (update sgd (alpha 0.5) (decay 0.01)) (epsi-sqrt 0.1) (epsilon 0.002 h2))
(train adamw (like net-5) (update adamw (decay 0.01)) (epsilon (linear 0.01 0.001)) (passes 3) (order shuffled))
(train batches (like net-5) (update sgd) (epsilon 0.02) (batch 3 mean))
(train drawn (like net-5) (update sgd) (epsilon 0.01) (augment (shift 1 -1)) (input-noise 0.1)
  (dropout 0.5 input h2))
"""


class Dropped(NET5):
    """Net-5 with dropout of its input and behind H2."""

    def forward(self, x):
        dropped = F.dropout(x, 0.5, self.training)
        h1 = example("net5_torch").squash(self.h1(F.pad(dropped, (1, 1, 1, 1), value=-1.0)) + self.h1_bias)
        h2 = example("net5_torch").squash(self.h2(F.pad(h1, (2, 2, 2, 2), value=-1.0)) + self.h2_bias)
        return example("net5_torch").squash(self.output(F.dropout(h2, 0.5, self.training).flatten(1)))


@pytest.mark.parametrize("name", ["momentum", "adamw", "batches", "drawn"])
def test_rules_rates_batches_and_what_is_drawn(name):
    """A module without an optimizer learns by the training's rule and rates, over passes too."""
    made = compared(RULES, Dropped() if name == "drawn" else NET5(), 20, data=digits(), only=name)
    assert made.equal and made.presentations >= 20
    assert all(row.weights < 1e-9 and row.moved > 1e-4 for row in made.layers)


def test_a_layer_that_is_computed_in_another_way_is_no_fault():
    class Last(NET5):
        """H2 with its maps last, of half the size, for weights of twice the size."""

        def forward(self, x):
            h1 = example("net5_torch").squash(self.h1(F.pad(x, (1, 1, 1, 1), value=-1.0)) + self.h1_bias)
            sums = self.h2(F.pad(h1, (2, 2, 2, 2), value=-1.0)) + self.h2_bias
            h2 = example("net5_torch").SCALE / 2 * torch.tanh(2 / 3 * sums.permute(0, 2, 3, 1).contiguous())
            weight = 2 * self.output.weight.reshape(10, 4, 16).transpose(1, 2).flatten(1)
            return example("net5_torch").squash(F.linear(h2.flatten(1), weight, self.output.bias))

    made = compared("net-5.sn", Last(), sgd=0.01)
    assert made.equal
    assert [row.states is None for row in made.layers] == [False, True, False]


def test_the_module_is_as_it_was():
    module = LADDER().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    compared("ladder.sn", module, only="ladder-5")
    with pytest.raises(snsim.SnError):
        compared("ladder.sn", module, only="ladder-4")  # no dropout there
    assert {name: value.dtype for name, value in module.state_dict().items()} == {n: v.dtype for n, v in before.items()}
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any(part.training for part in module.modules()) and all(p.grad is None for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    assert torch.get_default_dtype() == torch.float32


# ---- Planted faults ----------------------------------------------------------------------------------------------


class Lecun(LECUN):
    """The twin of 1989/2022 with places to plant faults in."""

    blocks, h1_border, h2_border = example("lecun89_torch").BLOCKS, -1.0, -1.0

    def of_bias(self, bias):
        return bias

    def before_h3(self, h2):
        return h2

    def forward(self, x):
        x = F.pad(x, (2, 2, 2, 2), value=self.h1_border)
        h1 = torch.tanh(F.conv2d(x, self.h1_weight, stride=2) + self.h1_bias)
        h1 = F.pad(h1, (2, 2, 2, 2), value=self.h2_border)
        groups = [
            F.conv2d(h1[:, maps], self.h2_weight[4 * k : 4 * k + 4], stride=2) for k, maps in enumerate(self.blocks)
        ]
        h2 = torch.tanh(torch.cat(groups, dim=1) + self.of_bias(self.h2_bias))
        h3 = torch.tanh(self.before_h3(h2).flatten(1) @ self.h3_weight + self.h3_bias)
        return torch.tanh(h3 @ self.output_weight + self.output_bias)


class SwappedColumns(Lecun):
    blocks = [Lecun.blocks[1], Lecun.blocks[0], Lecun.blocks[2]]


class NoBackground(Lecun):
    h1_border = 0.0


class NoBackgroundOfH1(Lecun):
    h2_border = 0.0


class SharedBias(Lecun):
    def of_bias(self, bias):
        return bias[:, :1, :1]


class HalfRate(Lecun):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.015)


class HalfRateOfH3(Lecun):
    def configure_optimizers(self):
        others = [p for p in self.parameters() if p is not self.h3_weight]
        return torch.optim.SGD([{"params": [self.h3_weight], "lr": 0.015}, {"params": others}], lr=0.03)


class SumOfSquares(Lecun):
    def cost(self, outputs, targets):
        return ((outputs - targets) ** 2).sum()


class HalfRateLater(Lecun):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)


class Cut(Lecun):
    """No gradient reaches what is before H3."""

    def before_h3(self, h2):
        return h2.detach()


def test_the_place_for_faults_is_none_itself():
    assert compared("lecun89-2022.sn", Lecun(), 8).equal


@pytest.mark.parametrize(
    ("module", "number", "what", "layer", "note"),
    [
        (SwappedColumns, 1, "states", "h2", "only 0 to 7 differ"),
        (NoBackground, 1, "states", "h1", "only units whose window reads the border"),
        (NoBackgroundOfH1, 1, "states", "h2", "only units whose window reads the border"),
        (SharedBias, 1, "gradients", "h2", ""),
        (Cut, 1, "gradients", "h2", "gradient of h1_h2.weight in Cut is 0 times"),
        (HalfRate, 1, "weights", "h1", "step of h1.bias in HalfRate is 0.5 times that in reference"),
        (HalfRateOfH3, 1, "weights", "h3", "step of h2_h3.weight in HalfRateOfH3 is 0.5 times"),
        (SumOfSquares, 1, "cost", "output", "cost in SumOfSquares is 10 times that in reference"),
        (HalfRateLater, 9, "weights", "h1", "0.5 times"),  # eight patterns a pass
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found_and_its_layer_named(module, number, what, layer, note):
    made = compared("lecun89-2022.sn", module(), 50, data=digits())
    assert not made.equal
    assert (made.first.number, made.first.what, made.first.layer) == (number, what, layer)
    assert note in made.first.note and bool(note) == bool(made.first.note)


def test_mean_instead_of_sum():
    class Mean(NET5):
        def cost(self, outputs, targets):
            return 0.5 * F.mse_loss(outputs, targets)

    made = compared("net-5.sn", Mean(), 50, sgd=0.01)
    assert (made.first.what, made.first.layer) == ("cost", "output")
    assert made.first.note == "the cost in Mean is 0.1 times that in reference"
    assert compared("net-5.sn", Mean(), 49, sgd=0.01).first.note == ""  # too few presentations to call it constant


def test_a_table_that_is_not_kept():
    """Weights of absent pairs start at 0, as a mask would leave them, and learn: the states show it a step later."""
    module = LADDER()
    module.joined.fill_(1)
    made = compared("ladder.sn", module, only="ladder-5")
    assert (made.first.number, made.first.what, made.first.layer) == (1, "gradients", "h2")
    assert made.first.note == "Net learns weights between maps that are not connected"


def test_a_bias_of_another_shape_is_told_before_anything_runs():
    module = LECUN()
    module.h1_bias = nn.Parameter(torch.zeros(12, 1, 1))
    with pytest.raises(
        snsim.SnError,
        match=r"h1.bias, which enters layer h1, is \(12 x 8 x 8\); h1_bias of the module "
        r"is \(12 x 1 x 1\)",
    ):
        compared("lecun89-2022.sn", module)


class RatesDivided(Lecun):
    """The sum of the ten squares with a tenth of the rate: the steps of the training."""

    def cost(self, outputs, targets):
        return ((outputs - targets) ** 2).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.003)


def test_another_scale_of_the_cost_is_told_when_it_held_long_enough():
    for presentations, is_told in ((50, True), (49, False)):
        made = compared("lecun89-2022.sn", RatesDivided(), presentations, data=digits())
        assert made.equal and abs(made.cost_factor - 10) < 1e-9
        assert ("the cost in RatesDivided is 10 times that in reference" in comparison_text(made)) == is_told


def test_a_schedule_is_followed_beyond_what_is_presented():
    """LinearLR in 80 steps instead of 79: nothing differs in the first pass."""

    class Later(LADDER):
        def configure_optimizers(self):
            return super().configure_optimizers(81)

    made = snsim.compare(program("ladder.sn"), Later(), "digits", presentations=3, only="ladder-5", options=QUICK)
    assert (made.first.what, made.first.cause) == ("rate", "rate")
    assert made.first.number == 1437 + 1  # the first of the second pass
    second = 3e-4 + (1e-4 - 3e-4) / 79
    assert f"{3e-4 + (1e-4 - 3e-4) / 80:.9g} in Later, {second:.9g} here" in made.first.note


def test_numbers_that_are_not_finite_are_a_difference():
    """A rate of 1e200 makes the weights infinite, and then not a number, on both sides."""
    made = compared("ladder.sn", LADDER(), 4, only="ladder-5", sgd=1e200)
    assert not made.equal and made.largest == float("inf")
    assert "DIFFERENT" in comparison_text(made)


def test_initial_weights_of_another_distribution_are_told_and_not_judged():
    """The example draws from +-2.4/sqrt(F), as the training declares; the variant from +-2.4."""

    class Wide(LECUN):
        def __init__(self):
            super().__init__()
            nn.init.uniform_(self.h3_weight, -2.4, 2.4)

    assert compared("lecun89-2022.sn", LECUN()).initial == ()
    made = compared("lecun89-2022.sn", Wide())
    assert made.equal and len(made.initial) == 1
    found = re.match(r"h2_h3\.weight: deviation ([\d.]+), at most 2\.4, in the training", made.initial[0])
    assert found and abs(float(found[1]) - 2.4 / 3**0.5) < 0.06  # six deviations of what 5,760 draws give, and rounding


# ---- Engines, the command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["xor.sn", "net-2.sn"])
def test_engines_with_each_other(net):
    """All that can run the training, lm without torch included, which is said."""
    said: list[str] = []
    made = list(
        snsim.compare_engines(
            ROOT / "nets" / net, "digits" if net == "net-2.sn" else None, presentations=30, say=said.append
        )
    )
    assert {one.names for one in made} >= {("native", "reference")} and all(one.equal for one in made)
    named = {one.names[1] for one in made} | {word for sentence in said for word in sentence.split()}
    assert {"reference", "torch"} <= {name.rstrip(":") for name in named}


def test_the_command(capsys, tmp_path):
    (tmp_path / "mine.py").write_text(
        (ROOT / "examples" / "net5_torch.py").read_text() + "\n\nclass Wrong(Net):\n    def cost(self, x, d):\n"
        "        return (x - d).abs().sum()\n"
    )
    call = [
        "compare",
        str(ROOT / "nets" / "net-5.sn"),
        "--sgd",
        "0.01",
        "--data",
        "digits",
        "--presentations",
        "3",
        "--engine",
        "reference",
    ]
    assert main([*call, f"{tmp_path}/mine.py:Net"]) == 0
    shown = capsys.readouterr().out
    assert shown.split("\n")[2].startswith("equal: Net learns the same up to rounding for 3 presentations")  # first
    assert "h1.bias = h1_bias" in shown
    assert main([*call, f"{tmp_path}/mine.py:Wrong"]) == 1
    assert "DIFFERENT from presentation 1 on: the cost behind layer output" in capsys.readouterr().out
    assert main([*call, f"{tmp_path}/mine.py:Wrong", "--json"]) == 1
    made = json.loads(capsys.readouterr().out)
    assert made["equal"] is False and made["first"]["layer"] == "output" and made["compared"] == ["reference", "Wrong"]
    assert [row["layer"] for row in made["layers"]] == ["h1", "h2", "output"]
    assert main([*call, "--tolerance", "0"]) == 1  # native beside reference: they round otherwise
    assert "DIFFERENT" in capsys.readouterr().out


# ---- What a user may do wrong ------------------------------------------------------------------------------------


FILE = """
import torch
from torch import nn

class Wants(nn.Module):
    def __init__(self, units):
        super().__init__()

class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(no_such_name))

class NoModule:
    pass
"""


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("mine.py", "names no class"),
        ("none.py:Net", "there is no file none.py"),
        ("mine.py:Nett", 'has no class "Nett"'),
        ("trains.py:Nett", 'trains.py has no class "Nett"(.|\n)*for a script leave out :Nett'),
        ("mine.py:Wants", "Wants of .* cannot be created: TypeError: .*units"),
        ("mine.py:Raises", "Raises of .* cannot be created: NameError: .*no_such_name.* \\(mine.py:12\\)"),
        ("mine.py:NoModule", "is not a torch.nn.Module"),
        ("broken.py:Net", "broken.py cannot be executed: SyntaxError: .*broken.py:1"),
    ],
)
def test_a_class_that_cannot_be_had(place, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(FILE)
    Path("broken.py").write_text("class Net(:\n")
    Path("trains.py").write_text("import argparse\nargparse.ArgumentParser().parse_args(['--not-an-option'])\n")
    fault(told, lambda: snsim.compare(ROOT / "nets" / "lecun89-2022.sn", place, options=QUICK))


def fault(told, call):
    with pytest.raises(snsim.SnError, match=told) as caught:
        call()
    for one in caught.value.faults:
        assert one.hint and "Traceback" not in one.message


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (lambda outputs, targets: (outputs - targets) ** 2, r"a tensor of shape \(1, 10\), not a tensor of one number"),
        (lambda outputs, targets: 1.0, "returns a float, not a tensor of one number"),
        (lambda outputs: outputs.sum(), r"of the module fails: TypeError: .* takes 1 .* given\n"),
    ],
)
def test_a_cost_that_is_none(own, told):
    fault(told, lambda: snsim.compare(ROOT / "nets" / "net-5.sn", Changed(cost=own), "digits", sgd=0.01, options=QUICK))


class Changed(NET5):
    """Net-5 with one thing other than it should be."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


class Forward(NET5):
    def __init__(self, forward):
        super().__init__()
        self.forward = forward


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (
            lambda: Changed(more=nn.Linear(3, 4)),
            r"in net net-5: none; in the module: more.weight \(4 x 3\)",
        ),
        (lambda: Changed(h2_bias=None), r"Changed has no biases of layer h2; the description has 64 \(h2.bias\)"),
        (lambda: Changed(h3_bias=nn.Parameter(torch.zeros(4))), r"Changed has 4 biases, h3_bias; no layer of the desc"),
        (lambda: Changed(output=nn.Linear(48, 10)), r"h2_output.weight, .* \(64 x 10\); output.weight .* \(10 x 48\)"),
        (lambda: Forward(lambda x: x @ torch.zeros(3, 10)), "accepts none of the input shapes of layer input"),
        (lambda: Forward(lambda x: x.sum()), r"returns \(\), not \(1, 10\)"),
        (lambda: Forward(lambda x: no_such_name), "NameError"),  # noqa: F821
        (lambda: Forward(lambda x: F.dropout2d(x).flatten(1)[:, :10]), "dropout2d"),
        (lambda: Forward(lambda x: F.dropout(x, 0.3).flatten(1)[:, :10]), "with p = 0.3, matches no layer"),
        (lambda: Changed(cost=lambda x, d: x.no_such), "cost.* fails: AttributeError"),
        (lambda: Changed(configure_optimizers=lambda: 1 / 0), "configure_optimizers.* fails: ZeroDivisionError"),
        (lambda: Changed(configure_optimizers=lambda: "adam"), "returns a str"),
    ],
)
def test_a_module_that_does_not_fit(module, told):
    fault(told, lambda: compared("net-5.sn", module(), 2, sgd=0.01))


@pytest.mark.parametrize(
    ("declared", "has_bias", "told", "hint"),
    [
        (
            "",
            False,
            r"Layers has no biases of layer h; the description has 3 \(h.bias\)",
            r"bias=True, .*\(bias none\)",
        ),
        (" (bias none)", True, "Layers has 3 biases, hidden.bias; layer h of the description has none", "bias=False"),
    ],
)
def test_a_bias_of_one_side_only(declared, has_bias, told, hint):
    class Layers(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.output = nn.Linear(2, 3, bias=has_bias), nn.Linear(3, 1)

        def forward(self, x):
            return torch.tanh(self.output(torch.tanh(self.hidden(x))))

    text = f"""
    (net n (layer input 2) (layer h 3 (nlf tanh){declared}) (layer output 1 (nlf tanh))
           (connect input h (full)) (connect h output (full)))
    (train n (net n) (data digits) (cost mean-square) (update sgd) (epsilon 0.1) (passes 1))"""
    with pytest.raises(snsim.SnError, match=told) as raised:
        compared(text, Layers(), data=(np.zeros((2, 2)), np.zeros((2, 1))))
    assert len(raised.value.faults) == 1 and re.search(hint, raised.value.faults[0].hint)


@pytest.mark.parametrize(
    ("net", "how", "told"),
    [
        ("net-5.sn", {}, "learns by lm, which needs second derivatives, but the module Net has neither learn"),
        ("ladder.sn", {}, "declares 7 trainings, but"),
        ("ladder.sn", {"only": "ladder-8"}, 'declares no training "ladder-8"'),
        ('(include "net-5.sn")', {}, "declares no training of its own"),
        ("net-5.sn", {"sgd": -1.0}, "a finite number above 0, not -1"),
        ("net-5.sn", {"sgd": 0.1, "presentations": 0}, "presentations must be 1 or more, not 0"),
        ("net-5.sn", {"sgd": 0.1, "tolerance": float("nan")}, "a finite number of 0 or more, not nan"),
        ("net-5.sn", {"sgd": 0.1, "data": (np.zeros((2, 256)), np.zeros((2, 9)))}, "have 9 numbers per pattern"),
        (
            "net-5.sn",
            {"sgd": 0.1, "mapping": {"h3.bias": "h1_bias"}},
            'names "h3.bias", which is not a learning parameter of net',
        ),
        (
            "net-5.sn",
            {"sgd": 0.1, "mapping": {"h1.bias": "h3_bias"}},
            'names "h3_bias", which is not a learning parameter of the mod',
        ),
        (
            "net-5.sn",
            {"sgd": 0.1, "mapping": {"h1.bias": "h2_bias"}},
            r"h1.bias, .* \(2 x 8 x 8\); h2_bias of the module",
        ),
        (
            "net-5.sn",
            {"sgd": 0.1, "mapping": {"h1.bias": "h1_bias", "h2.bias": "h1_bias"}},
            "more than once, for",
        ),
        ("net-5.sn", {"sgd": 0.1, "mapping": "nets/no-such.json"}, "there is no file nets/no-such.json"),
        ("net-5.sn", {"sgd": 0.1, "mapping": ROOT / "nets" / "net-5.sn"}, "is damaged: Expecting value"),
        ("ladder.sn", {"only": "ladder-5"}, "drops states of layer h2 .* but the module calls dropout 0 times"),
        ('(include "net-5.sn") (train cut (like net-5) (prune 0.1))', {"sgd": 0.1}, "cut starts by pruning weights"),
    ],
)
def test_a_call_that_cannot_be(net, how, told):
    module = Lecun() if net == "ladder.sn" else NET5()
    fault(told, lambda: compared(net, module, **how))


def test_a_mapping_joins_what_names_do_not(tmp_path):
    class Renamed(NET5):
        """The two biases under names that mean nothing."""

        h1_bias, h2_bias = property(lambda self: self.a), property(lambda self: self.b)

        def __init__(self):
            super().__init__()
            self.a, self.b = self._parameters.pop("h1_bias"), self._parameters.pop("h2_bias")

    (tmp_path / "names.json").write_text('{"h2.bias": "b"}')
    made = compared("net-5.sn", Renamed(), sgd=0.01, mapping=tmp_path / "names.json")
    assert made.equal and dict(made.pairs)["h1.bias"] == "a"  # the one that is left fits by its shape
