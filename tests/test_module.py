"""The module that a net becomes for PyTorch: shapes, names, tables, export, rates for an optimiser."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import snsim

from snsim.engines.plan import Plan, plan
from snsim.engines.torch.module import build_module
from snsim.errors import SnError
from snsim.network.attribute_names import RESERVED
from snsim.program import read_program
from snsim.training.initial_files import load_initial

HERE = Path(__file__).parent


def planned(path: Path, name: str) -> Plan:
    return plan(read_program(path).nets.get(name))


@pytest.fixture(scope="module")
def lecun89() -> Plan:
    return planned(HERE.parent / "nets" / "lecun89.sn", "lecun89")


def test_shapes_of_the_module(lecun89):
    net = build_module(lecun89)
    x = torch.zeros(7, 16, 16)
    assert net(x).shape == net(x.reshape(7, 256)).shape == (7, 10)
    assert net(x[0]).shape == net(x[0].reshape(256)).shape == (10,)
    net = build_module(planned(HERE.parent / "nets" / "tdnn.sn", "tdnn-maps"))
    assert net(torch.zeros(2, 16, 15, 1)).shape == (2, 3, 1, 1) and net(torch.zeros(16, 15, 1)).shape == (3, 1, 1)
    with pytest.raises(SnError, match=r"an input of shape \(2, 5\) for a net whose input layer is \(16, 15, 1\)"):
        net(torch.zeros(2, 5))


def test_states_and_weights_by_name(lecun89):
    """States are in rows, however the patterns are handed over; weights must have their parameter's name and shape."""
    net, x = build_module(lecun89), torch.rand(7, 16, 16)
    for given in (x, x.reshape(7, 256)):
        assert [tuple(state.shape) for state in net.states(given).values()] == [
            (7, 256),
            (7, 768),
            (7, 192),
            (7, 30),
            (7, 10),
        ]
    with pytest.raises(SnError, match="an input of shape"):
        net.states(torch.zeros(7, 255))
    for given in (x.numpy().astype(np.float64), x.tolist()):
        states = net.states(given)
        assert all(torch.equal(state, states[name]) for name, state in net.states(x).items())
    with pytest.raises(SnError, match="a module takes a tensor, not ndarray"):
        net(x.numpy())
    for given in ([["a"]], None, [[1.0], [1.0, 2.0]]):
        for method in (net.states, net.predict):
            with pytest.raises(SnError, match="inputs are an array of numbers"):
                method(given)
    net.load_weights({"h3.bias": np.full(30, 0.5)})
    assert (net.h3.bias == 0.5).all()
    with pytest.raises(SnError, match=r"h3.bias has shape \(30,\), not \(1,\)"):
        net.load_weights({"h3.bias": np.zeros(1)})
    with pytest.raises(SnError, match='no parameter is called "h3_bias"'):
        net.load_weights({"h3_bias": np.zeros(30)})


def test_names_and_tables(lecun89):
    """Parameters by what they are, explicit tables by name, every weight in a table, no weights for absent pairs."""
    net = build_module(lecun89)
    assert list(dict(net.named_parameters())) == [
        "input_h1.weight",
        "h1.bias",
        "h1_h2.weight",
        "h2.bias",
        "h2_h3.weight",
        "h3.bias",
        "h3_output.weight",
        "output.bias",
    ]
    assert sum(p.numel() for p in net.parameters()) == 9760
    assert list(net.state_dict()) == list(net.parameter_names.values())
    assert sum(len(table) for table in net.tables.values()) == 64660
    assert net.tables["input-h1"].dtype == torch.int64 and (net.tables["h1.bias"][:, 0] == -1).all()
    assert (net.tables["input-h1"][:, 0] == -2).sum() > 0
    for name, parameter in lecun89.parameters.items():
        table = net.tables[name.removesuffix(".weight")]
        assert (np.bincount(table[:, 2], minlength=parameter.size) == parameter.sharers).all()


def test_taken_names(tmp_path):
    """A layer called like a connection, like an attribute of every module, and one with a dot in its name."""
    text = (
        "(net n (layer a 2) (layer a-b 2) (layer forward 2) (layer b 2) (connect a (a-b b) (full))"
        " (connect a-b forward (full)) (connect forward b (full)))"
    )
    (tmp_path / "n.sn").write_text(text)
    made = planned(tmp_path / "n.sn", "n")
    net = build_module(made)
    assert net.parameter_names["a-a-b.weight"] == "a_a_b.weight"
    assert net.parameter_names["forward.bias"] == "forward_.bias"
    assert {net.parameter_names["a-b.bias"], net.parameter_names["a-b.weight"]} == {"a_b.bias", "a_b_.weight"}
    assert list(net.parameter_names.values()) == list(made.parameters)
    assert net(torch.zeros(3, 2)).shape == (3, 2)


def test_names_that_every_module_has_are_reserved(lecun89):
    net = build_module(lecun89)
    parts = {name for name, _ in net.named_children()}
    names = {name for name in dir(net) if not name.startswith("___")}  # with those, torch.compile marks modules
    assert names - parts <= RESERVED
    assert not parts & RESERVED


def test_a_weight_file_is_a_state_dict(tmp_path, monkeypatch):
    """Hyphens, dots, names that modules have, two layers that meet in one name, fixed weights and gains."""
    (tmp_path / "n.sn").write_text(
        """(net n (default (nlf sn-tanh) (bias unit)) (layer in 3) (layer train 4) (layer |h.1| 4) (layer |h 1| 4)
             (layer a-b 4) (layer out 2) (connect in train (full)) (connect train (|h.1| |h 1|) (full) (weight-norm))
             (connect |h.1| a-b (one-to-one) (fixed 0.5)) (connect |h 1| a-b (full)) (connect a-b out (full)))
           (train n (data (examples [[1 0 1][0 1 1]] [[1 -1][-1 1]])) (correct max) (forget-sqrt 1) (epsilon 0.1)
             (update sgd) (passes 2))"""
    )
    monkeypatch.chdir(tmp_path)
    code, _, err = snsim("run", "n.sn", "--quiet")
    assert code == 0, err
    weights = load_file("runs/n/weights.safetensors")
    net = build_module(planned(tmp_path / "n.sn", "n"))
    assert {"train_.bias", "h_1.bias", "h_1_.bias", "a_b.bias", "train_h_1.gain", "train_h_1_.gain"} < set(weights)
    net.load_state_dict(weights)
    x = torch.tensor([[1.0, 0, 1], [0, 1, 1]])
    with torch.no_grad():
        loss = float(((net(x) - torch.tensor([[1.0, -1], [-1, 1]])) ** 2).mean() / 2)
    last = json.loads((tmp_path / "runs/n/passes.jsonl").read_text().splitlines()[-1])
    assert loss == pytest.approx(last["train"]["half_mse"], rel=1e-6)
    # as an initial file, under the names of today and under those of snsim 0.1
    again = {old: weights[new] for old, new in net.parameter_names.items() if new in weights}
    save_file({name: torch.clone(array) for name, array in again.items()}, "old.safetensors")
    for file in ("runs/n/weights.safetensors", "old.safetensors"):
        read = load_initial(tmp_path / file, read_program("n.sn").nets.get("n"))
        assert list(read) == [name for name in net.state_dict()]
        assert all((read[name] == weights[name].double().numpy()).all() for name in read)


@pytest.mark.parametrize(
    ("file", "name"),
    [("windows", "rectangular"), ("windows", "irregular-local"), ("joined", "by-pairs"), ("nonlinear", "branches")],
)
def test_export(file, name):
    """`torch.export` with any number of patterns, and a module sent to another type."""
    net = build_module(planned(HERE / "nets" / f"{file}.sn", name), torch.float64)
    for parameter in net.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    x = torch.rand(5, *net.input_shape, dtype=torch.float64)
    exported = torch.export.export(net, (x[:2],), dynamic_shapes=({0: torch.export.Dim("patterns")},))
    torch.testing.assert_close(exported.module()(x), net(x))
    assert net.to(torch.float32)(x.float()).dtype == torch.float32


def test_parameter_groups(lecun89):
    net = build_module(lecun89)
    with pytest.raises(SnError, match="this module knows no learning rates"):
        net.parameter_groups(1)
    rates = {name: 0.1 * (k + 1) for k, name in enumerate(lecun89.parameters)}
    net.schedule = lambda number: {**rates, "h1.bias": np.full((12, 8, 8), 0.5 / number)}
    optimiser = torch.optim.SGD(net.parameter_groups(1))
    assert [group["lr"] for group in optimiser.param_groups[:2]] == [0.1, 0.5]
    assert sum(p.numel() for group in net.parameter_groups(2) for p in group["params"]) == 9760
    net.schedule = lambda number: {**rates, "h1.bias": np.linspace(0.1, 0.2, 768).reshape(12, 8, 8)}
    with pytest.raises(SnError, match="the weights of h1.bias have learning rates from 0.1 to 0.2"):
        net.parameter_groups(1)


def test_pickled_and_copied(lecun89):
    """A module goes through pickle and copy whole, its tables with it."""
    net = build_module(lecun89)
    torch.nn.init.uniform_(net.h1_h2.weight)
    x = torch.rand(2, 16, 16)
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert torch.equal(other(x), net(x)) and torch.equal(other.tables["h1-h2"], net.tables["h1-h2"])
