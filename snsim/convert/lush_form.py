"""Write the machines that a program of Lush trains as `net` and `train` forms; what has no such form becomes a note.

The weights of the modules are carried over. If `forget` drew them, the training draws from the same distributions;
otherwise they go into a file. Large examples go into a file too.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.convert.lush_recorder import Learning, LushWatch, TrainedMachine, weights_of
from snsim.convert.nlf import number_text
from snsim.convert.recorder import ProgramWatch
from snsim.language.forms import NIL, symbol
from snsim.language.objects import Object, send
from snsim.language.printer import exact_text, show
from snsim.language.procedures import CallError
from snsim.lush.idx import Idx
from snsim.lush.module_trace import applied_class
from snsim.lush.modules.built_in import make, shown
from snsim.lush.modules.classifiers import MaxClasser
from snsim.lush.modules.costs import EdistCost, PrototypeCost
from snsim.lush.modules.layers import CLayer, ELayer, FLayer, SLayer
from snsim.lush.modules.roots import FPROP
from snsim.lush.modules.states_and_params import STATES
from snsim.lush.net_of import DeclaredMachines, ModuleNet, Sizes, module_net

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_MOST_STATED = 4000  # numbers of examples that are written into a form
_MOST_WRITTEN = 100_000_000  # numbers of examples that are written into a file


@dataclass(eq=False)
class ConvertedMachine:
    """The declared net of a machine, and what its training form needs.

    `arrays` are the contents of the files that the forms name, by the part of their name after that of the text.
    """

    name: str
    found: ModuleNet
    machine: TrainedMachine | None
    weights: Mapping[str, np.ndarray]
    notes: list[str] = field(default_factory=list)
    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    suffix: str = ""  # of the names of its files: "-2" for the second machine


@dataclass(frozen=True, eq=False)
class _Patterns:
    """The patterns of a source: inputs (pattern, map, row, column), and the number of each label in the cost."""

    inputs: np.ndarray
    classes: np.ndarray


def machines_of(interpreter: Interpreter, watch: LushWatch, title: str) -> list[tuple[str, ModuleNet, TrainedMachine]]:
    """Return the machines that a program trains or declares by net-of, each module once, with the name of its net.

    CallError for a module without a counterpart.
    """
    declared = interpreter.part(DeclaredMachines).found
    records = [one for one in watch.machines if one.trainer is not None] or list(watch.machines)
    records += [
        TrainedMachine(module)
        for module, _, _ in declared
        if isinstance(module, Object) and not any(module in (one.machine, one.module) for one in records)
    ]
    chosen: list[tuple[str, ModuleNet, TrainedMachine]] = []
    for record in records:
        module = record.module
        same = [(found, net) for one, found, net in declared if one in (record.machine, module)]
        if any(module is other.module for _, _, other in chosen):
            continue
        found = same[0][0] if same else module_net(interpreter, module, _input_sizes(interpreter, record))
        name = same[0][1].name if same else title if not chosen else f"{title}-{len(chosen) + 1}"
        chosen.append((name, found, record))
    return chosen


def _input_sizes(interpreter: Interpreter, record: TrainedMachine) -> Sizes | None:
    """Return the sizes of the first pattern that a machine learns; None if it learns none."""
    if not record.learning:
        return None
    maps, rows, columns = _pattern(interpreter, record.learning[0].source, 0)[0].shape
    return maps, rows, columns


def _pattern(interpreter: Interpreter, source: Object, number: int) -> tuple[np.ndarray, float]:
    """Return a pattern of a source and its label."""
    state, label = make(interpreter, STATES[3, 2], 1.0, 1.0, 1.0), Idx.zeros((), "int")
    send(interpreter, source, symbol("seek"), [float(number)])
    send(interpreter, source, FPROP, [state, label])
    x = state.slots[symbol("x")]
    return np.array(x.array), float(label.array[()])


# Training


def training_text(interpreter: Interpreter, watch: LushWatch, converted: ConvertedMachine, beside: str | None) -> str:
    """Return the form `(train name ...)`; if the training cannot be stated, "" or a comment that names the weights.

    `beside` is the name of the text's file without its ending, None if the text goes to the screen.
    """
    return _TrainingWriter(interpreter, watch, converted, beside).text()


class _TrainingWriter:
    def __init__(self, interpreter: Interpreter, watch: LushWatch, converted: ConvertedMachine, beside: str | None):
        assert converted.machine is not None
        self.interpreter, self.watch, self.converted, self.beside = interpreter, watch, converted, beside
        self.machine, self.notes = converted.machine, converted.notes

    def text(self) -> str:
        clauses = self.examples()
        initial = self.initial()
        if clauses is None:
            files = [clause for clause in initial if clause.startswith("(initial ")]
            return "\n".join(f";; the weights of the modules, for a training: {clause}" for clause in files)
        clauses += ["(cost lms)", "(correct max)", *initial, *self.seed(), *self.manner()]
        return "\n  ".join([f"(train {show(symbol(self.converted.name))}", *clauses]) + ")"

    def examples(self) -> list[str] | None:
        """Return the clauses of the examples; None, with a note, if the training cannot be stated."""
        if not self.machine.learning:
            self.notes.append(f"the training of {self.converted.name}: the program never sends train to a trainer")
            return None
        codes = self.codes()
        return None if codes is None else self.data(codes)

    # Examples

    def codes(self) -> np.ndarray | None:
        """Return the targets of the classes, one row each; None, with a note, if the cost has no counterpart."""
        cost = self.machine.part("cost")
        if not isinstance(cost, EdistCost) or applied_class(cost) is not EdistCost:
            self.notes.append(f"the training: its cost, {shown(cost)}, is none of (cost ...); edist-cost is (cost lms)")
            return None
        classifier = self.machine.part("classifier")
        if not isinstance(classifier, MaxClasser) or applied_class(classifier) is not MaxClasser:
            self.notes.append(f"the classifier, {shown(classifier)}: (correct max) replaces it")
        if any(one.own_rule for one in self.machine.learning):
            self.notes.append("the rule of the meter: (correct max) replaces it")
        return np.array(cost.proto.array)

    def data(self, codes: np.ndarray) -> list[str] | None:
        """Return the clauses of the examples; None, with a note, if they cannot be written."""
        source = self.machine.learning[0].source
        if any(one.source is not source for one in self.machine.learning):
            self.notes.append(
                "the examples of later learning: the program changes the source, and the first is written"
            )
        tests = [one for one in self.machine.tests if one is not source]
        if len(tests) > 1:
            self.notes.append("the test examples of all sources but the first")
        try:
            parts = [self.patterns(one) for one in (source, *tests[:1])]
        except CallError as error:
            self.notes.append(f"the training: its examples cannot be read: {error.message}")
            return None
        numbers = sum(part.inputs.size + len(part.classes) * codes.shape[1] for part in parts)
        if numbers <= _MOST_STATED:
            return self.stated(parts, codes)
        if numbers > _MOST_WRITTEN or self.beside is None:
            reason = "with -o FILE they are written beside it" if self.beside is None else "they are too many"
            self.notes.append(f"the training: its {numbers:,} numbers of examples do not go into the text; {reason}")
            return None
        return self.in_file(parts, codes)

    def patterns(self, source: Object) -> _Patterns:
        """Return all patterns of a source, which stands where it stood afterwards."""
        cost = self.machine.part("cost")
        assert isinstance(cost, PrototypeCost)
        position = send(self.interpreter, source, symbol("tell"), [])
        size = send(self.interpreter, source, symbol("size"), [])
        assert isinstance(size, float)
        read = [_pattern(self.interpreter, source, k) for k in range(int(size))]
        send(self.interpreter, source, symbol("seek"), [position])
        if len({x.shape for x, _ in read}) > 1:
            raise CallError("the patterns have different sizes")
        return _Patterns(np.stack([x for x, _ in read]), np.array([cost.known_number(label) for _, label in read]))

    def stated(self, parts: list[_Patterns], codes: np.ndarray) -> list[str]:
        inputs = np.concatenate([part.inputs.reshape(len(part.inputs), -1) for part in parts])
        targets = codes[np.concatenate([part.classes for part in parts])]
        clauses = [f"(data (examples {_literal(inputs)}\n                  {_literal(targets)}))"]
        if len(parts) > 1:
            ends = np.cumsum([len(part.inputs) for part in parts]).tolist()
            clauses += [f"(ensemble 0 {ends[0] - 1})", f"(test-set {ends[0]} {ends[1] - 1})"]
        return clauses

    def in_file(self, parts: list[_Patterns], codes: np.ndarray) -> list[str]:
        levels = _on_and_off(codes)
        if len(np.unique(parts[0].classes)) < len(codes):
            levels = None  # a file of labels would have fewer classes
        arrays: dict[str, np.ndarray] = {}
        for name, part in zip(("train", "test"), parts):
            one_map = part.inputs.shape[1] == 1
            inputs = part.inputs[:, 0] if one_map else part.inputs.reshape(len(part.inputs), -1)
            arrays[f"x_{name}"] = inputs.astype(np.float32)
            arrays[f"y_{name}"] = part.classes.astype(np.int64) if levels else codes[part.classes].astype(np.float32)
        file = self.file("data", arrays)
        targets = [] if levels is None else [f"(targets {exact_text(levels[0])} {exact_text(levels[1])})"]
        return [f"(data (npz {show(file)}))", *targets]

    def file(self, ending: str, arrays: dict[str, np.ndarray]) -> str:
        """Keep arrays for a file beside the text; return its name."""
        assert self.beside is not None
        part = f"{self.converted.suffix}-{ending}.npz"
        self.converted.arrays[part] = arrays
        return f"{self.beside}{part}"

    # Weights

    def initial(self) -> list[str]:
        """Return the clauses of the initial weights."""
        if not any(array.any() for array in self.converted.weights.values()):
            return ["(constant 0)"]
        clauses = self.drawn()
        if clauses is not None:
            return clauses
        if self.beside is None:
            self.notes.append("the weights, which forget did not draw alone: with -o FILE they are written beside it")
            return []
        return [f"(initial {show(self.file('weights', dict(self.converted.weights)))})"]

    def drawn(self) -> list[str] | None:
        """Return the clauses that draw as `forget` drew; None if the weights are not what it drew."""
        layers = [layer for layer in self.converted.found.layers if layer.module is not None]
        drawn = [self.watch.drawn.get(id(layer.module)) for layer in layers]
        if any(
            one is None or layer.module is None or one.weights != weights_of(layer.module)
            for one, layer in zip(drawn, layers)
        ):
            return None
        names = {0: "input", **{layer.target: layer.name for layer in self.converted.found.layers}}
        common: set[tuple[float, float]] = set()
        scoped: list[str] = []
        for layer, one in zip(layers, drawn):
            assert one is not None
            module = layer.module
            summed = self.converted.found.sums and isinstance(module, SLayer)
            source = f"{layer.name}-sums" if summed else names[layer.source]
            scope = f"(connect {show(symbol(source))} {show(symbol(layer.name))})"
            if isinstance(module, SLayer):
                scoped.append(f"(constant {number_text(float(module.coeff.x.array[0]))} {scope})")
            elif isinstance(module, ELayer):
                scoped.append(f"(forget {exact_text(one.v)} {scope})")
            elif isinstance(module, (CLayer, FLayer)):
                common.add((one.v, one.p))
        if len(common) > 1 or any(p not in (1.0, 2.0) for _, p in common):
            return None
        families = [f"({'forget-sqrt' if p == 2 else 'forget-inv'} {exact_text(v)})" for v, p in common]
        return [*(families or ["(constant 0)"]), "(fan-in weights)", "(constant 0 biases)", *scoped]

    def seed(self) -> list[str]:
        calls = [call for call in self.interpreter.part(ProgramWatch).learning_calls if call.name == "seed"]
        number = calls[-1].others[0] if calls and calls[-1].others else NIL
        if isinstance(number, float) and number >= 0 and number == int(number):
            return [f"(seed {int(number)})"]
        return []

    # How it learns

    def manner(self) -> list[str]:
        """Return the clauses of the update rule, the rates and the passes."""
        learning = self.machine.learning
        if any(one.kappa for one in learning):
            self.notes.append("the running mean of the weights (kappa)")
        if self.watch.updates:
            self.notes.append("learning steps of the program's own: (==> param update ...)")
        if any(not one.even for one in learning):
            self.notes.append("the epsilons of the param, which differ from weight to weight: their mean is written")
        if any(one.hessian for one in learning):
            once = "once" if self.machine.hessians == 1 else f"{self.machine.hessians} times"
            self.notes.append(
                f"the moment of compute-diaghessian, which the program sends {once}: a training computes the rates "
                "before each pass, from patterns that it draws"
            )
            found = self.converted.found
            if not found.sums and any(isinstance(layer.module, SLayer) for layer in found.layers):
                self.notes.append(
                    "the second derivatives of the coefficients of s-layers: those of the net are sums of squares; "
                    "(net-of module 'name () t) in the program declares a net in which they agree"
                )
        stages = self.stages()
        rules = [_rule(one) for one, _ in stages]
        if len(set(rules)) == 1:
            rates = [(_number(one.eta * one.rate), passes) for one, passes in stages]
            return [
                rules[0],
                f"(epsilon {_steps(rates)})",
                f"(passes {sum(passes for _, passes in stages)})",
            ]
        return [
            f"(stage (passes {passes}) {rule} (epsilon {_number(one.eta * one.rate)}))"
            for rule, (one, passes) in zip(rules, stages)
        ]

    def stages(self) -> list[tuple[Learning, int]]:
        """Return the learning with the whole passes of each stage; stages of the same rate and inertia are one.

        Learning with rates of 0 is left out if there is other learning.
        """
        moving = [one for one in self.machine.learning if one.rate]
        if not moving:
            self.notes.append("a rate: the epsilons of the param are 0, so the program learns nothing")
        joined: list[tuple[Learning, int]] = []
        for one in moving or self.machine.learning:
            if joined and (joined[-1][0].eta, joined[-1][0].rate, _rule(joined[-1][0])) == (
                one.eta,
                one.rate,
                _rule(one),
            ):
                joined[-1] = one, joined[-1][1] + one.presentations
            else:
                joined.append((one, one.presentations))
        stages = []
        for one, presentations in joined:
            whole = max(1, round(presentations / one.size))
            if whole * one.size != presentations:
                replaced = "pass replaces" if whole == 1 else "passes replace"
                self.notes.append(
                    f"{presentations} presentations of {one.size} patterns: {whole} whole {replaced} them"
                )
            stages.append((one, whole))
        return stages


def _rule(one: Learning) -> str:
    """Return the clause of the update rule: lm if compute-diaghessian set the rates, else sgd."""
    options = ["sgd"]
    if one.hessian is not None:
        patterns, mu = one.hessian
        options = ["lm", f"(mu {exact_text(mu)})", f"(curvature {patterns})"]
    if one.inertia:
        options.append(f"(alpha {exact_text(one.inertia)})")
    return f"(update {' '.join(options)})"


def _number(x: float) -> str:
    """Return a number with the digits of double precision that a product of short ones has."""
    return exact_text(float(f"{x:.12g}"))


def _steps(rates: list[tuple[str, int]]) -> str:
    """Return one rate, or `(steps (V n) ... (V))`."""
    if len(rates) == 1:
        return rates[0][0]
    texts = [f"({rate} {passes})" for rate, passes in rates[:-1]] + [f"({rates[-1][0]})"]
    return f"(steps {' '.join(texts)})"


def _on_and_off(codes: np.ndarray) -> tuple[float, float] | None:
    """Return OFF and ON if class k has the target ON at output k and OFF elsewhere; None otherwise."""
    if codes.shape[0] != codes.shape[1] or codes.shape[0] < 2:
        return None
    off, on = float(codes[0, 1]), float(codes[0, 0])
    wanted = np.where(np.eye(len(codes), dtype=bool), np.float32(on), np.float32(off))
    return (off, on) if on != off and (codes == wanted).all() else None


def _literal(matrix: Any) -> str:
    """Return the rows of a matrix, with the digits of single precision."""
    rows = ["[" + " ".join(number_text(x) for x in row) + "]" for row in np.asarray(matrix, float)]
    return "[" + " ".join(rows) + "]"


def file_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of a compressed npz file."""
    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()
