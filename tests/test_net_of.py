"""`net-of`: the declared net of a machine of gblearn2's modules computes what the modules compute, layer by layer."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_run import snsim

from snsim.engines import build
from snsim.engines.plan import plan
from snsim.engines.protocol import Engine
from snsim.errors import SnError, Source
from snsim.language.forms import symbol
from snsim.language.objects import Object, send
from snsim.lush import begin
from snsim.lush.module_trace import trace
from snsim.lush.modules.built_in import make
from snsim.lush.modules.states_and_params import STATES
from snsim.lush.net_of import ModuleNet, module_net
from snsim.network.net import Net
from snsim.program import make_interpreter, new_shelves, read_program
from snsim.runtime.host import scratch
from snsim.training.initial import initial_weights

ROOT = Path(__file__).resolve().parents[1]
ENGINES = (("reference", "float64"), ("reference", "float32"), ("native", "float32"), ("torch", "float32"))
TOLERANCE = 3e-5  # of the largest value: float32 sums in another order, through six layers
TWO = """(defclass two idx3-module a b between)
(defmethod two two (x y) (setq a x b y between (new idx3-ddstate 1 1 1)))
(defmethod two fprop (in out) (==> a fprop in between) (==> b fprop between out))
(defmethod two bprop (in out) (==> b bprop between out) (==> a bprop in between))
(defmethod two bbprop (in out) (==> b bbprop between out) (==> a bbprop in between))
"""
LENET5 = "(new-lenet5 32 32 5 5 2 2 5 5 2 2 120 10 w)"
CSCF = "(new net-cscf 16 16 5 5 (full-table 1 4) 2 2 6 6 [i [0 0] [1 0] [1 1] [2 1] [0 2] [3 2] [3 3] [0 3]] 3 w)"
MACHINES = {  # what makes a module: shape of its input
    LENET5: (1, 32, 32),
    CSCF: (1, 16, 16),
    CSCF + " ": (1, 20, 18),  # several places of the output
    "(new net-ff 3 5 2 1 1 w)": (3, 1, 1),
    "(new net-ff 3 5 2 1 1 w) ": (3, 2, 4),
    "(new c-layer 3 2 2 1 [i [1 0] [0 0] [0 1] [2 1]] 2 1 1 (new idx3-sqsquasher) w)": (3, 7, 5),
    "(new c-layer 3 3 1 1 [i [0 0] [1 1]] 2 1 1 (new idx3-squasher) w)": (2, 4, 4),  # one-to-one
    "(new s-layer 3 2 2 1 1 (new idx3-module) w)": (2, 6, 4),
    "(new two (new f-layer 4 3 1 1 (new idx3-module) w) (new idx3-squasher))": (4, 1, 1),
    "(new two (new idx3-squasher) (new f-layer 4 3 1 1 (new idx3-squasher) w))": (4, 1, 2),
    "(new two (new c-layer 2 2 1 1 [i [0 0] [0 1]] 2 1 1 (new idx3-squasher) w)"
    " (new two (new s-layer 2 2 2 1 1 (new idx3-squasher) w) (new f-layer 2 3 1 1 (new idx3-squasher) w)))": (1, 3, 3),
}


@contextmanager
def machine_of(text: str) -> Iterator[tuple[Any, Object, Object]]:
    """A program of Lush that makes a module `m` with the param `w`: its interpreter, the module and the param."""
    with scratch() as host:
        interpreter = make_interpreter(new_shelves(), host, io.StringIO())
        begin(interpreter)
        interpreter.run(
            Source("t.lsh", f"{TWO}(defvar w (new idx1-ddparam 0 60000)) (defvar m {text})\n(seed 3) (rand)")
        )
        yield interpreter, interpreter.lookup("m"), interpreter.lookup("w")


def declared(found: ModuleNet) -> Net:
    return read_program(Source("n.sn", found.text("n"))).nets.get("n")


def engine_of(net: Net, name: str, dtype: str, weights: dict[str, np.ndarray]) -> Engine:
    """An engine with the cost lms, 1/2 sum (x - d)^2."""
    outputs = " ".join("0" * net.layers[-1].units)
    text = f"(net c (layer input 1) (layer output {net.layers[-1].units}) (connect input output (full)))"
    text += f"(train c (data (examples [[0]] [[{outputs}]])) (epsilon 1) (passes 1) (correct lms 1))"
    training = read_program(Source("c.sn", text)).trainings.get("c")
    engine = build(name, plan(net), training.cost, training.stages[0].rule, dtype)
    engine.load_parameters({key: value.astype(dtype) for key, value in weights.items()})
    return engine


def vector(param: Object, level: str) -> np.ndarray:
    return param.slots[symbol(level)].array


def in_the_place_of_x(found: ModuleNet, net: Net, param: Object, level: str) -> dict[str, np.ndarray]:
    """The dx or ddx of the modules by the names of the parameters of the net, by way of the weights."""
    x = vector(param, "x")
    kept = x.copy()
    x[...] = vector(param, level)
    values = found.weights(net)
    x[...] = kept
    return values


def close(actual: np.ndarray, wanted: np.ndarray, name: str) -> None:
    wanted = np.asarray(wanted, np.float64)
    np.testing.assert_allclose(
        np.asarray(actual, np.float64).reshape(wanted.shape),
        wanted,
        rtol=0,
        atol=TOLERANCE * max(1e-3, np.abs(wanted).max()),
        err_msg=name,
    )


@pytest.mark.parametrize(
    ("text", "sums"),
    [(text, False) for text in MACHINES] + [(text, True) for text in MACHINES if re.search("s-layer|cscf|lenet", text)],
    ids=lambda value: str(value)[:30],
)
def test_modules_and_net_compute_the_same(text: str, sums: bool) -> None:
    """States, gradients and second derivatives of each layer, with the weights of the modules.

    With `sums`, all second derivatives; without, those of the coefficients of s-layers are another sum.
    """
    draw = np.random.default_rng(1)
    with machine_of(text) as (interpreter, module, param):
        vector(param, "x")[...] = draw.uniform(-0.3, 0.3, len(vector(param, "x")))
        found = replace(module_net(interpreter, module, MACHINES[text]), sums=sums)
        net = declared(found)
        weights = found.weights(net)
        assert sum(value.size for value in weights.values()) == len(vector(param, "x")) == net.counts.weights
        source, out = (make(interpreter, STATES[3, 2], 1.0, 1.0, 1.0) for _ in range(2))
        send(interpreter, source, symbol("resize"), [float(size) for size in MACHINES[text]])
        x = source.slots[symbol("x")].array
        x[...] = draw.uniform(-1, 1, x.shape)
        send(interpreter, module, symbol("fprop"), [source, out])
        wanted = {  # the states that a layer of the net has under its name
            layer.name: layer.module.sum for layer in found.layers if layer.module is not None and layer.bias != "none"
        }
        outputs = out.slots[symbol("x")].array.astype(np.float64)
        errors = draw.uniform(-1, 1, outputs.shape)
        out.slots[symbol("dx")].array[...], out.slots[symbol("ddx")].array[...] = errors, 1
        send(interpreter, module, symbol("bprop"), [source, out])
        send(interpreter, module, symbol("bbprop"), [source, out])
        gradient, curvature = (in_the_place_of_x(found, net, param, level) for level in ("dx", "ddx"))
        blocks = {layer.name: layer for layer in found.layers if layer.scheme[0] == "equal-mask"}
        for name, dtype in ENGINES:
            engine = engine_of(net, name, dtype, weights)
            inputs = x.reshape(1, -1).astype(dtype)
            states = engine.states(inputs)
            close(states[net.layers[-1].name], outputs, f"{name}: outputs")
            for layer, state in wanted.items():
                nlf = net.layer(layer).nlf
                assert nlf is not None
                if nlf.name == "linear":
                    close(states[layer], state.x.array, f"{name}: {layer}")
            targets = (states[net.layers[-1].name].astype(np.float64) - errors.reshape(1, -1)).astype(dtype)
            for key, value in engine.gradient(inputs, targets).items():
                close(value, gradient[key], f"{name}: gradient of {key}")
            for key, value in engine.curvature(inputs, targets, "gauss-newton").items():
                parameter = next(p for p in net.parameters if p.name == key)
                if sums or parameter.kind == "bias" or parameter.layer not in blocks:
                    close(value, curvature[key], f"{name}: curvature of {key}")
                else:  # the net adds the squares of the inputs, the modules square their sum
                    layer = blocks[parameter.layer]
                    below = states[parameter.source].reshape(_shape3(net, parameter.source)).astype(np.float64)
                    squares = _block_sums(below**2, layer.module.stridei, layer.module.stridej)
                    h = layer.module.sum.ddx.array
                    close(value, (squares * h).sum((1, 2)), f"{name}: curvature of {key}")
                    close(curvature[key], (layer.module.sub.x.array.astype(float) ** 2 * h).sum((1, 2)), key)


def _shape3(net: Net, layer: str) -> tuple[int, ...]:
    shape = net.layer(layer).shape
    return (1,) * (3 - len(shape)) + shape


def _block_sums(maps: np.ndarray, rows: int, columns: int) -> np.ndarray:
    count, h, w = maps.shape
    return maps.reshape(count, h // rows, rows, w // columns, columns).sum((2, 4))


def test_states_of_lenet5_layer_by_layer() -> None:
    """The states between the modules are those of c1 s2 c3 s4 c5 output of nets/lenet-5-lush.sn."""
    draw = np.random.default_rng(2)
    net = read_program(ROOT / "nets" / "lenet-5-lush.sn").nets.get("lenet-5-lush")
    with machine_of(LENET5) as (interpreter, module, param):
        vector(param, "x")[...] = draw.uniform(-0.3, 0.3, 51046)
        found = module_net(interpreter, module)
        assert declared(found).digest == net.digest and net.counts.weights == 51046
        source, out = (make(interpreter, STATES[3, 2], 1.0, 32.0, 32.0) for _ in range(2))
        x = source.slots[symbol("x")].array
        x[...] = draw.uniform(-1, 1, x.shape)
        send(interpreter, module, symbol("fprop"), [source, out])
        between = [module.slots[symbol(f"{part}-state")] for part in ("c0", "s0", "c1", "s1", "c2")] + [out]
        for name, dtype in ENGINES:
            states = engine_of(net, name, dtype, found.weights(net)).states(x.reshape(1, -1).astype(dtype))
            for layer, state in zip(("c1", "s2", "c3", "s4", "c5", "output"), between):
                np.testing.assert_allclose(
                    states[layer].reshape(-1), state.slots[symbol("x")].array.reshape(-1), rtol=0, atol=1e-5
                )


def test_an_e_layer_is_a_layer_of_distances() -> None:
    """Outputs and gradients; its bbprop is another rule (reference, section 7), so the curvature is not compared."""
    draw = np.random.default_rng(4)
    for sizes in ((4, 1, 1), (4, 2, 3)):
        with machine_of("(new e-layer 4 3 w)") as (interpreter, module, param):
            vector(param, "x")[...] = draw.uniform(-1, 1, 12)
            found = module_net(interpreter, module, sizes)
            net = declared(found)
            x = draw.uniform(-1, 1, sizes).astype(np.float32)
            w = vector(param, "x").reshape(3, 4)
            wanted = 0.5 * ((x[None] - w[:, :, None, None]) ** 2).sum(1)
            states = engine_of(net, "reference", "float64", found.weights(net)).states(x.reshape(1, -1).astype(float))
            np.testing.assert_allclose(states["output"].reshape(wanted.shape), wanted, rtol=1e-6)


# What net-of declares


def nets_of(text: str) -> Any:
    return read_program(Source("t.lsh", f"(defvar w (new idx1-ddparam 0 60000))\n{text}"), port=io.StringIO()).nets


def test_names_sizes_and_the_module_of_a_machine() -> None:
    nets = nets_of(
        "(net-of (new net-ff 2 3 2 1 1 w))"
        "(net-of (new net-ff 2 3 2 1 1 w) 'wide '(2 1 4))"
        '(net-of (new net-ff 2 4 2 1 1 w) "As_Text" (idx-dim (float-matrix 2 1 1)))'
        "(net-of (new idx3-supervised-module (new f-layer 3 2 1 1 (new idx3-module) w) (new mle-cost [i 0 1] 1 1)"
        " (new max-classer [i 0 1])))"
        "(net-of (new s-layer 2 2 2 1 1 (new idx3-squasher) w) 'pooled () t)"
    )
    assert [layer.name for layer in nets.get("pooled").layers] == ["input", "output-sums", "output"]
    assert [layer.shape for layer in nets.get("net-ff").layers] == [(2,), (3,), (2,)]
    assert [layer.shape for layer in nets.get("wide").layers] == [(2, 1, 4), (3, 1, 4), (2, 1, 4)]
    assert nets.get("wide").counts.weights == nets.get("net-ff").counts.weights == 17
    assert nets.get("as-text").layers[1].units == 4
    assert [layer.units for layer in nets.get("f-layer").layers] == [3, 2]


def test_the_comparison_changes_no_state() -> None:
    """A method of the program decides the order, so a random input runs through; the states are kept."""
    text = "(new two (new f-layer 2 3 1 1 (new idx3-squasher) w) (new f-layer 3 2 1 1 (new idx3-squasher) w))"
    with machine_of(text) as (interpreter, module, param):
        vector(param, "x")[...] = 0.5
        between = module.slots[symbol("between")]
        send(interpreter, between, symbol("resize"), [3.0, 1.0, 2.0])
        between.slots[symbol("x")].array[...] = 7
        interpreter.run(Source("u.lsh", "(net-of m 'two)"))
        assert between.slots[symbol("x")].sizes == (3, 1, 2) and (between.slots[symbol("x")].array == 7).all()


def test_tracing_changes_nothing() -> None:
    """No state, no weight, and no method: the machine computes afterwards as before."""
    with machine_of(LENET5) as (interpreter, module, param):
        vector(param, "x")[...] = 0.1
        before = {name: value for name, value in module.slots.items()}
        sizes = module.slots[symbol("c0-state")].slots[symbol("x")].sizes
        methods = {cls.name: dict(cls.methods) for cls in module.kind.ancestry()}
        assert len(trace(interpreter, module).steps) == 6
        assert module.slots == before and module.slots[symbol("c0-state")].slots[symbol("x")].sizes == sizes
        assert methods == {cls.name: cls.methods for cls in module.kind.ancestry()}
        assert vector(param, "x").min() == np.float32(0.1)


FAULTS = {
    "(net-of 3)": "3 is not a module",
    "(net-of w)": "an object of class idx1-ddparam is not a module",
    "(net-of (new idx3-module))": "hands its input on and computes nothing",
    "(net-of (new e-layer-sparse 2 [i 0 1] w))": "an object of class e-layer-sparse has no counterpart",
    "(net-of (new f-layer 2 3 1 1 (new noop-module) w))": "an object of class noop-module has no counterpart",
    "(net-of (new rectifier))": "an object of class rectifier computes its output by a method of the program",
    "(net-of (new f-layer 2 3 1 1 (new rectifier) w))": "an object of class rectifier has no counterpart",
    "(net-of (new two (new f-layer 2 3 1 1 l w) (new rectifier)))": "an object of class rectifier computes its output",
    "(net-of (new steep 2 3 1 1 l w))": "a method of the program replaces bprop or bbprop of an object of class steep",
    "(net-of (new four))": "fprop of an object of class four takes 4 arguments, not 2",
    "(net-of (new two f (new scaler)))": "an object of class scaler computes its output by a method of the program",
    "(net-of (new twice f))": "an object of class twice computes other outputs than its layers",
    "(net-of (new two f f))": "an object of class f-layer takes part twice",
    "(net-of (new c-layer 3 3 1 1 [i [0 0] [0 0]] 1 1 1 l w))": "joins two maps twice",
    "(net-of (new c-layer 3 3 1 1 [i [0 0]] 2 1 1 l w))": "joins nothing to map 1",
    "(net-of (new c-layer 3 3 2 2 [i [0 0]] 1 1 1 l w) 'c '(1 6 5))": "would get 1 maps of 6 x 5, and its kernel",
    "(net-of (new s-layer 2 2 3 1 1 l w) 's '(2 4 4))": "would get 2 maps of 4 x 4, and it takes 3 maps in blocks of 2",
    "(net-of f 'f '(3 1 1))": "would get 3 maps of 1 x 1, and it takes 2 maps",
    "(net-of f 'f '(2 1))": "the sizes of the input are (2 1), not three numbers from 1 on",
    "(net-of f 'f '(2 0 1))": "not three numbers from 1 on",
    "(net-of f 4)": "net-of: 4 is not a string",
    "(net-of f 'f) (net-of f 'f)": '"f" is already the name of another net',
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults(text: str) -> None:
    head = (
        TWO
        + """(defvar w (new idx1-ddparam 0 1000)) (defvar l (new idx3-module)) (defvar f (new f-layer 2 2 1 1 l w))
(defclass rectifier idx3-module)
(defmethod rectifier fprop (in out)
  (==> out resize (idx-dim :in:x 0) (idx-dim :in:x 1) (idx-dim :in:x 2))
  (idx-bloop ((i :in:x) (o :out:x)) (idx-copy i o)))
(defclass scaler idx3-module g) (defmethod scaler scaler () (setq g (float-matrix 2)))
(defmethod scaler fprop (in out) (idx-bloop ((i :in:x) (o :out:x) (g g)) (idx-dotm0 i g o)))
(defclass twice idx3-module a) (defmethod twice twice (x) (setq a x))
(defmethod twice fprop (in out) (==> a fprop in out) (idx-f3dotc :out:x 2 :out:x))
(defclass steep f-layer) (defmethod steep bprop (in out) ())
(defclass four idx3-module) (defmethod four fprop (input output desired energy) ())
"""
    )
    with pytest.raises(SnError) as caught:
        read_program(Source("t.lsh", head + text), port=io.StringIO())
    (fault,) = caught.value.faults
    assert FAULTS[text] in fault.message and fault.hint and fault.span is not None


# Weights

TRAIN = "(data (examples [[-1 -1] [1 1]] [[1 -1] [-1 1]])) (epsilon 0.1) (passes 2)"


def test_a_training_begins_with_the_weights_of_the_modules() -> None:
    """Those of the moment of net-of, by default; another distribution replaces them where it is stated."""
    program = read_program(
        Source(
            "t.lsh",
            "(defvar w (new idx1-ddparam 0 50)) (defvar m (new net-ff 2 3 2 1 1 w)) (for (k 0 16) (:w:x k (+ k 0.5)))"
            f"(net-of m 'a) (idx-clear :w:x) (train a {TRAIN}) (train b (net a) (constant 9 (bias f1)) {TRAIN})"
            f"(train c (net a) (forget 0) {TRAIN}) (net d (layer i 2) (layer o 2) (connect i o (full)))"
            f"(train d (like a) (net d))",
        )
    )
    drawn = {name: initial_weights(program.trainings.get(name), 1) for name in "abcd"}
    a = drawn["a"]
    assert a["input_f1.weight"].tolist() == [[0.5, 2.5, 4.5], [1.5, 3.5, 5.5]]  # (input, unit); modules: (unit, input)
    assert a["f1.bias"].tolist() == [6.5, 7.5, 8.5]
    assert a["f1_output.weight"].tolist() == [[9.5, 12.5], [10.5, 13.5], [11.5, 14.5]]
    assert a["output.bias"].tolist() == [15.5, 16.5]
    assert drawn["b"]["f1.bias"].tolist() == [9, 9, 9] and (drawn["b"]["output.bias"] == a["output.bias"]).all()
    assert not any(values.any() for values in drawn["c"].values())
    assert 0 < abs(drawn["d"]["i_o.weight"]).max() < 1  # another net: the default of all nets


def test_a_net_without_modules_has_no_weights_of_modules() -> None:
    text = f"(net d (layer i 2) (layer o 2) (connect i o (full))) (train d (module-weights) {TRAIN})"
    with pytest.raises(SnError, match="the net d has no modules whose weights it could take") as caught:
        read_program(Source("t.sn", text))
    assert "(net-of module)" in caught.value.faults[0].hint


# The commands


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program of Lush with a net of its modules, and a training of the net."""
    monkeypatch.chdir(tmp_path)
    Path("xor.lsh").write_text(
        "(defvar w (new idx1-ddparam 0 50)) (defvar m (new net-ff 2 3 2 1 1 w)) (seed 3)\n"
        "(==> m forget 1 2) (net-of m (quote xor))\n"
        "(train xor (data (examples [[-1 -1] [-1 1] [1 -1] [1 1]] [[1 -1] [-1 1] [-1 1] [1 -1]])) (epsilon 0.1)"
        " (passes 30) (update lm) (correct max))\n"
    )
    return "xor.lsh"


def test_commands_take_the_net_of_a_program_of_lush(program: str) -> None:
    code, out, _ = snsim("show", program)
    assert code == 0 and "(net xor" in out and "std-sigmoid" in out
    code, out, _ = snsim("check", program)
    assert code == 0 and "7 units, 17 connections, 17 weights; 1 training" in out
    code, out, err = snsim("show", program, "--stage", "net")
    assert code == 0, err
    again = read_program(Source("again.sn", out[out.index("(net") : out.index("(train")])).nets.get("xor")
    assert again.digest == read_program(program).nets.get("xor").digest
    for command in (
        ["run", program],
        ["run", "--resume", "runs/xor", "--passes", "40"],
        ["plot", "net", program, "--text"],
        ["plot", "weights", "runs/xor", "--text"],
        ["page", "runs/xor", "-o", "page.html"],
        ["compare", program, "--engine", "native", "--engine", "reference"],
        ["export", "runs/xor", "--to", "torch", "-o", "xor.py"],
    ):
        code, out, err = snsim(*command)
        assert code == 0, (command, out, err)
