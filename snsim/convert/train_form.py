"""Write what an SN-2.8 program says about learning as `train` forms; what has no declarative form becomes a note.

If the weights are initialised again after some learning, another training starts. A change of the method, of the rates
or of the net starts another stage. SN's random generator is not that of a training: the same seed draws other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from snsim.convert.layers import Layers
from snsim.convert.nlf import number_text
from snsim.convert.recorder import INITIAL, LEARNING, RATES, BuiltNet, Call, presentations
from snsim.language.forms import Form, symbol
from snsim.language.printer import exact_text, show

_RATES = {"epsilon": "epsilon", "epsi": "epsi-inv", "epsi-sqrt": "epsi-sqrt", "mask-epsi": "mask-epsi"}
_MOST_STATED = 4000  # numbers of examples that are written into a form


@dataclass
class _Stage:
    """Learning in one manner: its `clauses` except passes, and the number of presentations."""

    clauses: tuple[str, ...]
    presentations: float
    prune: str = ""


@dataclass
class _Training:
    """The parts of one train form."""

    initial: list[str]
    stages: list[_Stage] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trainings:
    """The text of each training by its name (`forms`), and what they leave out (`notes`)."""

    forms: dict[str, str]
    notes: tuple[str, ...]


def trainings(net: BuiltNet, layers: Layers, name: str) -> Trainings:
    """Return the trainings of a program, all of the net `name`."""
    reader = _TrainingReader(net, layers)
    for call in net.learning_calls:
        reader.read(call)
    reader.end()
    if net.learning_calls and not reader.trainings:
        reader.notes.append("learning: the program never calls learn, run, trun ... with examples")
    if len({call.examples for call in net.learning_calls if call.name in LEARNING}) > 1:
        reader.notes.append(
            "the examples of earlier learning: the program changes them, and only the last ones are written"
        )
    forms = {}
    for k, training in enumerate(reader.trainings, 1):
        title = name if k == 1 else f"{name}-{k}"
        clauses = [*([f"(net {show(symbol(name))})"] if k > 1 else []), *training.clauses]
        forms[title] = "\n  ".join([f"(train {show(symbol(title))}", *clauses]) + ")"
    return Trainings(forms, tuple(dict.fromkeys(reader.notes)))


class _TrainingReader:
    """Reads the calls of one program, in order."""

    def __init__(self, net: BuiltNet, layers: Layers):
        self.net, self.layers = net, layers
        self.notes: list[str] = []
        self.trainings: list[_Training] = []
        self.training = _Training([])
        self.rates: list[str] = []
        self.prune = ""
        self.data = self.ranges = ()  # type: tuple[str, ...]
        self.size = 0  # training patterns
        self.test = self.seed = ""
        self.cost, self.correct, self.order = "(cost lms)", "(correct quadrant)", "(order fixed)"

    def read(self, call: Call) -> None:
        numbers = [x for x in call.others if isinstance(x, float)]
        if call.name in INITIAL:
            self._initial(call, numbers)
        elif call.name in RATES and numbers:
            self._rate(call, numbers[0])
        elif call.name in LEARNING:
            self._learn(call, numbers)
        else:
            self._example(call, numbers)

    def end(self) -> None:
        """End the current training; it counts if anything was learned in it."""
        if self.prune:
            self.notes.append(f"{self.prune}: no learning follows it")
            self.prune = ""
        if self.training.stages:
            self.training.clauses = self._clauses()
            if self.training.clauses:
                self.trainings.append(self.training)
        self.training = _Training([])

    # Weights and rates

    def _place(self, call: Call) -> str | None:
        """Return the layer that a call is about: "" for all, None for units that are not a layer."""
        if not call.layers:
            return ""
        for name, units in zip(self.layers.names, self.layers.units):
            if np.array_equal(np.sort(units), np.sort(call.layers[0])):
                return " " + show(symbol(name))
        return None

    def _initial(self, call: Call, numbers: list[float]) -> None:
        place = self._place(call)
        word = call.name.removesuffix("-layer").replace("smartforget", "forget-sqrt")
        value = exact_text(numbers[0]) if numbers else "1"
        if place is None:
            self.notes.append(f"({call.name} {value} ...) of units that are no layer")
            return
        if place == "" and self.training.stages:
            self.end()
        if call.name == "smartforget" or place == "":
            self.training.initial = []
        self.training.initial = [
            clause for clause in self.training.initial if not place or not clause.endswith(f"{place})")
        ]
        self.training.initial.append(f"({word} {value}{place})")

    def _rate(self, call: Call, x: float) -> None:
        place = self._place(call)
        word = _RATES[call.name.removesuffix("-layer")]
        if place is None:
            self.notes.append(f"({call.name} {exact_text(x)} ...) of units that are no layer")
            return
        self.rates = [] if not place else [clause for clause in self.rates if not clause.endswith(f"{place})")]
        self.rates.append(f"({word} {exact_text(x)}{place})")

    # Examples

    def _example(self, call: Call, numbers: list[float]) -> None:
        argument_text = " ".join(exact_text(x) for x in numbers)
        name = call.name
        if name == "load-patterns":
            self.data = tuple(show(x) for x in call.others if isinstance(x, str))
        elif name == "ensemble":
            self.ranges, self.size = (f"(ensemble {argument_text})",), int(numbers[1] - numbers[0]) + 1
        elif name == "test-set":
            self.test = f"(test-set {argument_text})"
        elif name == "seed":
            self.seed = f"(seed {argument_text})" if numbers and numbers[0] == int(numbers[0]) >= 0 else ""
            if not self.seed:
                self.notes.append(f"(seed {argument_text}): a declared seed is a whole number of 0 or more")
        elif name.startswith("set-cost-"):
            self.cost = f"({' '.join(['cost', name.removeprefix('set-cost-'), *argument_text.split()])})"
        elif name == "set-class-nil":
            self.notes.append("(set-class-nil): a training needs a criterion for correct answers")
        elif name.startswith("set-class-"):
            self.correct = f"({' '.join(['correct', name.removeprefix('set-class-'), *argument_text.split()])})"
        elif name.startswith("set-nextcho-"):
            self.order = "(order random)" if name.endswith("rnd") else "(order fixed)"
        elif name == "set-nextpat-stay":
            self.notes.append("(set-nextpat-stay): a declared training presents each pattern once per pass")

    def _data(self) -> str:
        if self.data:
            return f"(data (patterns {' '.join(self.data)}))"
        matrices = self.net.matrices
        if not all(isinstance(m, np.ndarray) and m.ndim == 2 and m.dtype != object for m in matrices):
            return ""
        if sum(m.size for m in matrices) > _MOST_STATED:
            return ""
        return f"(data (examples {_literal(matrices[0])}\n                  {_literal(matrices[1])}))"

    # Learning

    def _learn(self, call: Call, numbers: list[float]) -> None:
        if call.name == "obd-prune":
            self.prune = f"(prune {exact_text(numbers[0])})" if numbers else ""
        if call.name.startswith(("obd", "netenv")):
            if call.name.startswith("netenv"):
                self.notes.append(f"({call.name} ...): the net that it makes")
            return
        count = presentations(call.name, numbers, self.size)
        if not count or not self.size:
            self.notes.append(f"({call.name} ...): the training patterns are not known")
            return
        stage = _Stage(tuple(self._manner(call)), count, self.prune)
        self.prune = ""
        last_stage = self.training.stages[-1] if self.training.stages else None
        if last_stage is not None and last_stage.clauses == stage.clauses and not stage.prune:
            last_stage.presentations += count
        else:
            self.training.stages.append(stage)

    def _manner(self, call: Call) -> list[str]:
        """Return the clauses of one stage, except its passes."""
        settings, (rule, batch) = call.settings, _method(call)
        if rule == "conjugate-gradient":
            return ["(update conjugate-gradient)"]
        options = [
            f"({key} {exact_text(settings[key])})" for key in ("mu", "gamma") if rule != "sgd" and key in settings
        ]
        if rule != "sgd" and batch:
            self.notes.append("the curvature of a batch, which SN-2.8 sums over the patterns of one sweep")
        if settings.get("alpha"):
            options.append(f"(alpha {exact_text(settings['alpha'])})")
        if settings.get("decay") and self.net.kernel in ("sn28ite", "sn28itenew"):
            self.notes.append(
                f"decay {exact_text(settings['decay'])}: kernel {self.net.kernel} does not multiply it by the rate"
            )
        elif settings.get("decay"):
            options.append(f"(decay {exact_text(settings['decay'])})")
        clauses = [f"({' '.join(['update', rule, *options])})", *self.rates]
        if not self.rates:
            self.notes.append("the learning rates: the program sets none, so they are 0")
            clauses.append("(epsilon 0)")
        clauses.append("(batch all sum)" if batch else "(batch 1)")
        return clauses + [
            f"({key} {exact_text(settings[key])})" for key in ("theta", "input-noise") if settings.get(key)
        ]

    def _clauses(self) -> list[str]:
        """Return all clauses of the training; none, with a note, if its examples are not known."""
        data = self._data()
        if not data:
            self.notes.append("the training: its examples are neither pattern files nor small matrices")
            return []
        stages = [(stage, self._passes(stage)) for stage in self.training.stages]
        one_by_one = any("(batch 1)" in stage.clauses for stage, _ in stages)  # else their order says nothing
        order = [self.order] if one_by_one else []
        initial = self.training.initial or ["(constant 0)"]
        clauses = [
            data,
            *self.ranges,
            *filter(None, [self.test]),
            self.cost,
            self.correct,
            *order,
            *initial,
            *filter(None, [self.seed]),
        ]
        if len(stages) == 1 and not stages[0][0].prune:
            stage, passes = stages[0]
            return [*clauses, *(c for c in stage.clauses if c != "(batch 1)"), f"(passes {passes})"]
        for stage, passes in stages:
            parts = [f"(passes {passes})", *([stage.prune] if stage.prune else []), *stage.clauses]
            clauses.append(f"(stage {' '.join(parts)})")
        return clauses

    def _passes(self, stage: _Stage) -> int:
        passes = stage.presentations / self.size
        whole = max(1, round(passes))
        if passes != int(passes):
            replaced = "pass replaces" if whole == 1 else "passes replace"
            self.notes.append(
                f"{stage.presentations:g} presentations of {self.size} patterns: {whole} whole {replaced} them"
            )
        return whole


def _method(call: Call) -> tuple[str, bool]:
    """Return the update rule of a learning call, and whether it learns in one batch of all patterns."""
    batch = "batch" in call.name
    if call.name.endswith("-cg"):
        return "conjugate-gradient", batch
    if call.name.endswith("-lm") or ("newton" in call.name and call.settings["lev-mar"]):
        return "lm", batch
    return ("newton" if "newton" in call.name else "sgd"), batch


def _literal(matrix: Form) -> str:
    """Return the rows of a matrix, with the digits of single precision."""
    rows = ["[" + " ".join(number_text(x) for x in row) + "]" for row in np.asarray(matrix, float)]
    return "[" + " ".join(rows) + "]"
