"""`normalize`, `attend` and `weight-norm` in a program: what they state, inherit, print, count and start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from snsim.engines import build
from snsim.engines.plan import plan
from snsim.engines.protocol import Cost, Settings, UpdateRule
from snsim.engines.torch.module import build_module
from snsim.engines.weight_norm import WeightNorm
from snsim.errors import SnError, Source
from snsim.network.complete_form import complete_form
from snsim.network.expressions import apply, number, variable
from snsim.network.net import Net
from snsim.plots.connection_text import describe_connections
from snsim.program import Program, read_program
from snsim.training.initial import initial_weights
from snsim.training.initial_files import load_initial

HERE = Path(__file__).parent
BLOCK = """
(net block
  (layer input (3 2 2)) (layer (q k v a) (6 2 2) (nlf linear)) (layer n (6 2 2)) (layer output 2)
  (connect input (q k v) (mask 1 1))
  (attend q k v a (heads 2))
  (normalize a n)
  (connect n output (full)))
"""


def program(text: str) -> Program:
    return read_program(Source("t.sn", text))


def net(text: str, name: str) -> Net:
    return program(text).nets.get(name)


def structures(made: Net) -> list[tuple[str, str]]:
    return [(t.name, repr(t.structure)) for t in made.transforms]


# ---- What is stated ----------------------------------------------------------------------------------------------


def test_they_have_no_weights_and_no_connections() -> None:
    made = net(BLOCK, "block")
    counts = made.layer_counts("a"), made.layer_counts("n")
    assert [(c.connections, c.weights) for c in counts] == [(24, 24), (24, 24)]  # biases alone
    assert made.lines("n").tolist() == [1] * 24
    told = [line.split() for line in describe_connections(made).splitlines()[-2:]]
    assert told == [["a", ">", "n", "-", "(normalize)"], ["q", "k", "v", ">", "a", "-", "(attend)", "(heads", "2)"]]


def test_a_variation_changes_heads_and_leaves_out() -> None:
    text = (
        BLOCK
        + """
      (net three (like block) (attend q k v a (heads 3)))
      (net plain (like block) (without (normalize a n)) (connect a n (one-to-one)))
      (net less (like block) (without (attend q k v a)) (without k) (without v) (connect q a (mask 1 1)))"""
    )
    assert structures(net(text, "three")) == [
        ("normalize a n", "Normalization(maps=6, positions=4)"),
        ("attend q k v a", "Attention(maps=6, positions=4, heads=3)"),
    ]
    assert [name for name, _ in structures(net(text, "plain"))] == ["attend q k v a"]
    assert [name for name, _ in structures(net(text, "less"))] == ["normalize a n"]
    digests = {net(text, name).digest for name in ("block", "three", "plain", "less")}
    assert len(digests) == 4


def test_the_complete_form_reads_back() -> None:
    for path, name in ((HERE / "nets" / "transforms.sn", "with-itself"), (HERE / "nets" / "weight-norm.sn", "normed")):
        read = read_program(path)
        made = read.nets.get(name)
        tables = "(table some (x x - x) (- x - x) (- - x x))\n" if name == "normed" else ""
        again = net(tables + complete_form("net", name, made.clauses), name)
        assert again.digest == made.digest and again.counts == made.counts


def test_a_net_of_vision_reads_as_it_stands() -> None:
    made = read_program(HERE.parent / "nets" / "micro-vit.sn").nets.get("micro-vit")
    assert [t.name for t in made.transforms] == [
        "normalize o0 n1",
        "normalize r1 m1",
        "normalize o1 n2",
        "normalize r2 m2",
        "attend q1 k1 v1 a1",
        "attend q2 k2 v2 a2",
    ]
    assert made.counts.weights == 13_978


# ---- Values ------------------------------------------------------------------------------------------------------


def test_positions_have_mean_0_and_variance_1() -> None:
    made = plan(
        net(
            "(net n (layer input (5 2 3)) (layer output (5 2 3) (nlf linear) (bias none)) (normalize input output))",
            "n",
        )
    )
    rule, cost = UpdateRule("none", (), (), ((("w", variable("w")),),)), Cost("none", number(0), number(0), number(0))
    x = np.random.default_rng(0).normal(2, 3, (4, 30))
    for name in ("reference", "torch", "native"):
        y = build(name, made, cost, rule).outputs(x).reshape(4, 5, 6)
        np.testing.assert_allclose(y.mean(1), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(1), x.reshape(4, 5, 6).var(1) / (x.reshape(4, 5, 6).var(1) + 1e-5), rtol=1e-9)


LAST = """
(net last-{what} (layer input (4 2 2)) (layer (q k v) (4 2 2) (nlf linear)) (layer output (4 2 2) (nlf linear))
  (connect input (q k v) (one-to-one)) {clauses})
"""


@pytest.mark.parametrize(
    ("what", "clauses"),
    [
        ("normalized", "(normalize q output) (connect (k v) output (one-to-one) (fixed 1))"),
        ("attended", "(attend q k v output (heads 2))"),
    ],
)
def test_full_curvature_is_exact_below_the_outputs(what: str, clauses: str) -> None:
    """Where nothing but a transform lies between a layer and the outputs, the recursion is the diagonal of the Hessian
    of the biases: that of autograd."""
    made = plan(net(LAST.format(what=what, clauses=clauses), f"last-{what}"))
    x, d = variable("x"), variable("d")
    away = apply("-", x, d)
    cost = Cost("squares", apply("*", number(0.5), apply("*", away, away)), away, number(1))
    rng = np.random.default_rng(1)
    values = {p.name: rng.normal(size=p.shape) for p in made.parameters.values() if p.learns}
    inputs, targets = rng.normal(size=(1, 16)), rng.normal(size=(1, 16))
    parts = build_module(made, torch.float64)
    parts.load_weights(values)
    names = ["q.bias", "k.bias", "v.bias"]

    def e(*biases: torch.Tensor) -> torch.Tensor:
        out = torch.func.functional_call(parts, dict(zip(names, biases)), (torch.from_numpy(inputs),))
        return 0.5 * ((out.reshape(1, -1) - torch.from_numpy(targets)) ** 2).sum()

    hessian = torch.autograd.functional.hessian(e, tuple(torch.from_numpy(values[name]) for name in names))
    rule = UpdateRule("none", (), (), ((("w", variable("w")),),))
    for engine in ("reference", "torch", "native"):
        ready = build(engine, made, cost, rule)
        ready.load_parameters(values)
        found = ready.curvature(inputs, targets, "full")
        for k, name in enumerate(names):
            np.testing.assert_allclose(
                found[name].ravel(),
                hessian[k][k].reshape(16, 16).diagonal(),
                rtol=1e-9,
                atol=1e-12,
                err_msg=f"{engine} {name}",
            )


@pytest.mark.parametrize(("name", "file"), [("two-heads", "transforms"), ("normed", "weight-norm")])
def test_engines_move_alike_along_a_direction(name: str, file: str) -> None:
    """Derivatives along a direction of all parameters, of three engines and by differences."""
    made = plan(read_program(HERE / "nets" / f"{file}.sn").nets.get(name))
    rng = np.random.default_rng(2)
    w, along = ({p.name: rng.normal(size=p.shape) for p in made.parameters.values() if p.learns} for _ in range(2))
    x = rng.normal(size=(3, made.input_units))
    rule, cost = UpdateRule("none", (), (), ((("w", variable("w")),),)), Cost("none", number(0), number(0), number(0))
    moved = {}
    for engine in ("reference", "torch", "native"):
        ready = build(engine, made, cost, rule)
        ready.load_parameters(w)
        moved[engine] = ready.tangents(x, along)[1]
        np.testing.assert_allclose(moved[engine], moved["reference"], rtol=1e-9, atol=1e-12)
    ends = []
    for step in (1e-6, -1e-6):
        ready.load_parameters({n: w[n] + step * along[n] for n in w})
        ends.append(ready.outputs(x))
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, moved["native"], rtol=1e-5, atol=1e-7)


def test_modules_can_be_exported() -> None:
    for file, name in (("transforms", "with-itself"), ("weight-norm", "normed")):
        made = plan(read_program(HERE / "nets" / f"{file}.sn").nets.get(name))
        ready = build_module(made)
        ready.load_weights(
            {
                p.name: np.random.default_rng(3).normal(size=p.shape).astype("float32")
                for p in made.parameters.values()
                if p.learns
            }
        )
        x = torch.randn(3, *made.input_shape)
        exported = torch.export.export(ready, (x,)).module()
        torch.testing.assert_close(exported(x), ready(x))


# ---- Weight normalisation ----------------------------------------------------------------------------------------

NORMED = """
(table some (x x - x) (- x - x) (- - x x))
(net n (layer input (3 4 4)) (layer h (4 4 4)) (layer output 3)
  (connect input h (mask 3 3) (border 1 0) (table some){option})
  (connect h output (full){option}))
(train n (data (examples ,[[{row}][{row}]] ,[[1 0 0][0 1 0]])) (epsilon 0.1) (passes 1) {more})
"""


def normed(option: str, more: str = "") -> Program:
    return program(NORMED.format(option=option, row=" ".join(["0.5"] * 48), more=more))


@pytest.mark.parametrize("drawn_by", ["", "(glorot) (he output)"])
def test_weights_start_as_drawn(drawn_by: str) -> None:
    plain, with_norm = normed("", drawn_by), normed(" (weight-norm)", drawn_by)
    drawn = initial_weights(plain.trainings.get("n"), 5)
    start = initial_weights(with_norm.trainings.get("n"), 5)
    assert {name: start[name].shape for name in start.keys() - drawn.keys()} == {
        "input_h.gain": (4,),
        "h_output.gain": (3,),
    }
    assert all((drawn[name] == start[name]).all() for name in drawn)
    for link in (link for stage in plan(with_norm.nets.get("n")).stages for link in stage.links):
        norm = WeightNorm(link.connection.wiring.owners(), len(start[link.gain]))
        np.testing.assert_allclose(
            norm.weights(start[link.slot].ravel(), start[link.gain]), drawn[link.slot].ravel(), rtol=1e-12
        )
    columns = np.sqrt((start["h_output.weight"] ** 2).sum(0))
    np.testing.assert_allclose(start["h_output.gain"], columns, rtol=1e-12)


def test_counts_and_places_of_gains() -> None:
    made = normed(" (weight-norm)").nets.get("n")
    assert made.counts.weights == normed("").nets.get("n").counts.weights + 4 + 3
    gain = next(p for p in made.parameters if p.name == "input_h.gain")
    assert gain.fan_in.tolist() == [10, 19, 10, 28] and gain.sharers.tolist() == [144, 288, 144, 432]


def test_a_file_without_gains_gives_the_lengths(tmp_path: Path) -> None:
    made = normed(" (weight-norm)")
    start = initial_weights(made.trainings.get("n"), 5)
    without = {name: value for name, value in start.items() if not name.endswith("gain")}
    np.savez(tmp_path / "w.npz", **without)
    for name, value in load_initial(tmp_path / "w.npz", made.nets.get("n")).items():
        np.testing.assert_array_equal(value, start[name])


def test_weights_of_length_0_are_refused() -> None:
    with pytest.raises(SnError, match=r"initial weights of h-output are all 0 at 3 of its 3 gains"):
        initial_weights(normed(" (weight-norm)", "(constant 0 output)").trainings.get("n"), 1)


def test_lengths_and_directions_learn_apart() -> None:
    """With the direction frozen only the length of each weight vector changes; the other way about, only the angle."""
    made = plan(normed(" (weight-norm)").nets.get("n"))
    start = initial_weights(normed(" (weight-norm)").trainings.get("n"), 5)
    step = apply("*", variable("rate"), variable("g"))
    rule = UpdateRule("descent", (), (), ((("w", apply("-", variable("w"), step)),),))
    away = apply("-", variable("x"), variable("d"))
    cost = Cost("squares", apply("*", number(0.5), apply("*", away, away)), away, number(1))
    rng = np.random.default_rng(4)
    x, d = rng.normal(size=(5, 48)), rng.normal(size=(5, 3))
    for engine in ("reference", "torch", "native"):
        for moves, stays in (("gain", "weight"), ("weight", "gain")):
            ready = build(engine, made, cost, rule)
            ready.load_parameters(start)
            ready.learn(x, d, Settings({n: 0.01 if n.endswith(moves) else 0.0 for n in start}, {}))
            after = ready.parameters()
            assert all((after[n] == start[n]).all() for n in start if n.endswith(stays))
            assert all((after[n] != start[n]).any() for n in start if n.endswith(moves))
            if moves == "weight":  # a step along v would not change w, so there is none: |v| can only grow
                owners = made.net.connections[0].wiring.owners()
                lengths = [WeightNorm(owners, 4).lengths(w["input_h.weight"].ravel()) for w in (start, after)]
                assert (lengths[1] > lengths[0]).all()
