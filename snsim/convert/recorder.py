"""Record what an SN-2.8 program does while it makes its net: which words it calls, and what they make.

The program runs, but calls that learn or measure are only recorded: the converter needs only the net and the
settings of learning. A net is read when the program ends, or when it makes room for another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from snsim.language.forms import NIL, Form, Pair, Symbol, make_list, symbol
from snsim.language.procedures import TRUE, CallError, Function, Procedure, Special
from snsim.registry import Shelf
from snsim.sn28.net.net_word import KernelWord
from snsim.sn28.net.netspace import VAL, Netspace
from snsim.sn28.net.nlf import NonLinearity

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

# Words that connect, with the places of the layers among their arguments.
BUILDERS: dict[str, tuple[int, ...]] = {
    "connect": (0, 1),
    "dup-connection": (0, 1, 2, 3),
    **{f"{kind}-1d-connect": (0, 2) for kind in ("local", "mask", "equal-mask")},
    **{f"{kind}-2d-connect": (0, 3) for kind in ("local", "mask", "equal-mask")},
    "local-toric-connect": (0, 3),
    "mask-toric-connect": (0, 3),
    "mask-2d-reverse": (0, 3),
    "tdnn-connect": (0, 3),
    "bias-connect": (0,),
    "shared-bias-connect": (0,),
    "tdnn-bias-connect": (0,),
}
LEARNING = tuple(
    [f"{word}{kind}" for word in ("learn", "learn-cycle", "run", "trun") for kind in ("", "-newton", "-lm")]
    + [f"{word}-batch{kind}" for word in ("learn", "run", "trun") for kind in ("", "-newton", "-lm", "-cg")]
    + [
        "basic-iteration",
        "basic-newton-iteration",
        "batch-iteration",
        "batch-newton-iteration",
        "obd-compute-curvature",
        "obd-prune",
        "netenv-auto-train",
        "netenv-auto-arch",
    ]
)
MEASURES = ("performance", "test-pattern")
INITIAL = (
    "forget",
    "forget-inv",
    "forget-sqrt",
    "smartforget",
    "forget-layer",
    "forget-inv-layer",
    "forget-sqrt-layer",
)
RATES = ("epsilon", "epsi", "epsi-sqrt", "mask-epsi", "epsi-layer", "epsi-sqrt-layer")
EXAMPLES = (
    "load-patterns",
    "ensemble",
    "test-set",
    "set-cost-lms",
    "set-cost-thlms",
    "set-class-quadrant",
    "set-class-max",
    "set-class-sgn",
    "set-class-lms",
    "set-class-hamming",
    "set-class-nil",
    "set-nextcho-seq",
    "set-nextcho-rnd",
    "set-nextpat-seq",
    "set-nextpat-stay",
    "seed",
)
FRESH = ("alloc-net", "clear-net", "use-net")  # words that discard the current net
LAYERS = ("build-net", "build-net-nobias", "newneurons", "make-desired")
SETTINGS = ("alpha", "decay", "mu", "gamma", "theta", "input-noise")
MOST_LEARNING = 20_000  # calls that learn; after that the program is not followed
MOST_MEASURED = (
    50  # measurements without learning before all is right: the program may learn by words that are not recorded
)


class LearningLimitError(Exception):
    """Raised to stop a program that has called words that learn MOST_LEARNING times."""


def presentations(call: str, numbers: list[float], size: int) -> float:
    """Return how many patterns a learning call presents, with these arguments and `size` training patterns."""
    if call.startswith("basic-"):
        return 1.0
    if call.startswith("batch-"):
        return numbers[1] - numbers[0] + 1 if len(numbers) == 2 else 0.0
    counts = numbers[:2] if call.startswith(("run", "trun")) else numbers[:1]
    sweeps = "-batch" in call or call.startswith("learn-cycle")
    return float(np.prod(counts)) * (size if sweeps else 1) if counts else 0.0


@dataclass(frozen=True)
class Call:
    """One call of a recorded word.

    `layers` are the units of the layers among its arguments, `others` the remaining arguments. `first` to `last`
    (excluded) are the connections that it made. `settings` are SN's variables at that moment (lev-mar: 1 or 0).
    """

    name: str
    layers: tuple[np.ndarray, ...] = ()
    others: tuple[Form, ...] = ()
    first: int = 0
    last: int = 0
    settings: dict[str, float] = field(default_factory=dict)
    examples: int = 0  # of what learns: equal for the same examples


@dataclass(frozen=True, eq=False)
class BuiltNet:
    """A net as a program made it.

    Connection k leads from unit pre[k] (0: the bias) to post[k] with weight[k], and call by[k] of `calls` made it (-1:
    no recorded call). `groups` are the layers by name, in the order of creation. `values` are the states of all units.
    `nlfs` has the non-linearity of each layer with its own. `learning_calls` are the calls about learning.
    """

    groups: tuple[tuple[str, np.ndarray], ...]
    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    by: np.ndarray
    calls: tuple[Call, ...]
    values: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    desired: np.ndarray
    nlfs: dict[str, Form]
    nlf: Form
    learning_calls: tuple[Call, ...]
    kernel: str
    matrices: tuple[Form, Form]


class ProgramWatch:
    """What one program did so far; `interpreter.part(ProgramWatch)` returns it."""

    def __init__(self, interpreter: Interpreter):
        self.interpreter = interpreter
        self.nets: list[BuiltNet] = []
        self.net_calls: list[Call] = []  # of the net that is being made
        self.learning_calls: list[Call] = []
        self.learned = 0  # calls that learn
        self.measured = 0  # measurements since the weights were drawn
        self.trained = False  # whether anything was learnt since then
        self.answered = False  # whether a measurement was ever answered so that a loop may end
        self.inside = 0  # watched words that are at work
        self.declared = False  # whether the net is a declared one, which `use-net` took

    def record(self, call: Call) -> None:
        if call.name in BUILDERS or call.name in LAYERS:
            self.net_calls.append(call)
        elif call.name not in FRESH:
            self.learning_calls.append(call)

    def finish(self) -> None:
        """Add the current net, if it has connections, to the nets of the program; another may follow."""
        space = self.interpreter.part(Netspace)
        if space.alive[: space.snum].any() and not self.declared:
            self.nets.append(_built_net(self.interpreter, self))
        self.net_calls = []
        self.learning_calls = [call for call in self.learning_calls if call.name in EXAMPLES]


def watch_functions(functions: Shelf[Procedure]) -> Shelf[Procedure]:
    """Return the functions of the Lisp, with recording for those that make nets or learn."""
    names = {*BUILDERS, *LEARNING, *INITIAL, *RATES, *EXAMPLES, *FRESH, *LAYERS, *MEASURES}
    shelf: Shelf[Procedure] = Shelf("function")
    for entry in functions:
        value = entry.value
        if entry.name in names:
            value = _WatchedKernelWord(value) if isinstance(value, KernelWord) else _WatchedWord(value)
        shelf.add(entry.name, value, entry.doc)
    return shelf


class _WatchedWord(Procedure):
    """A word that is recorded when it is called."""

    def __init__(self, word: Procedure):
        self.name, self.word = word.name, word

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        if not isinstance(self.word, Special):
            return self.apply(interpreter, interpreter.arguments(form))
        value = self.word.call(interpreter, form)
        arguments = [interpreter.evaluate(argument) for argument in interpreter.elements(form.cdr, self.name)]
        _record(interpreter, self.name, arguments, value, 0)
        return value

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return _watch_call(interpreter, self.name, arguments, lambda: self.word.apply(interpreter, arguments))

    def __str__(self) -> str:
        return str(self.word)


class _WatchedKernelWord(KernelWord):
    """A recorded word that needs a kernel, and so shows which kernel a program needs."""

    def __init__(self, word: KernelWord):
        super().__init__(word.primitive, word.modes)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return _watch_call(
            interpreter, self.name, arguments, lambda: super(_WatchedKernelWord, self).apply(interpreter, arguments)
        )


def _watch_call(interpreter: Interpreter, name: str, arguments: list[Form], work: Callable[[], Form]) -> Form:
    """Do what a word does and record it. A word that learns is only recorded; one that measures only pretends to."""
    watch = interpreter.part(ProgramWatch)
    if name in LEARNING:
        return _record_learning(interpreter, watch, name, arguments)
    if name in MEASURES:
        error = _instead_of_measuring(interpreter, watch)
        return error if name == "test-pattern" else interpreter.lookup("good-an-percent")
    if name in INITIAL:
        watch.trained, watch.measured = False, 0
    if name in FRESH and not watch.inside:
        watch.finish()
    first = interpreter.part(Netspace).snum
    watch.inside += name in FRESH
    try:
        value = work()
    finally:
        watch.inside -= name in FRESH
    if name in FRESH and not watch.inside:
        watch.declared = name == "use-net"
    _record(interpreter, name, arguments, value, first)
    return value


def _record_learning(interpreter: Interpreter, watch: ProgramWatch, name: str, arguments: list[Form]) -> Form:
    """Record a learning call, and advance `age` as if it had learned."""
    if watch.learned >= MOST_LEARNING:
        raise LearningLimitError
    watch.learned += 1
    _record(interpreter, name, arguments, NIL, 0)
    if name.startswith(("obd", "netenv")):
        return 0.0
    ends = [interpreter.lookup(end) for end in ("patt-min", "patt-max")]
    size = int(ends[1] - ends[0]) + 1 if all(isinstance(end, float) for end in ends) else 0
    age, count = interpreter.lookup("age"), presentations(name, [x for x in arguments if isinstance(x, float)], size)
    if isinstance(age, float):
        interpreter.assign(symbol("age"), age + count)
    watch.trained = True
    if "iteration" in name:
        return _instead_of_measuring(interpreter, watch)
    return make_list(arguments[:1]) if name.startswith("learn") else NIL


def _instead_of_measuring(interpreter: Interpreter, watch: ProgramWatch) -> Form:
    """Pretend to measure: all patterns are wrong before any learning, and all are right after it.

    So loops that wait for good results end. Returns the value of `test-pattern` and of a step, the error; the
    other results are in SN's variables.
    """
    watch.measured += 1
    good = watch.trained or watch.measured > MOST_MEASURED
    watch.answered = watch.answered or good
    values: dict[str, Form] = {
        "global-error": 0.0 if good else 1.0,
        "local-error": 0.0 if good else 1.0,
        "good-an-num": float(good),
        "good-an-percent": 100.0 * good,
        "pnum": 1.0,
        "good-answer": TRUE if good else NIL,
    }
    for name, value in values.items():
        interpreter.assign(symbol(name), value)
    return values["local-error"]


def _record(interpreter: Interpreter, name: str, arguments: list[Form], value: Form, first: int) -> None:
    space = interpreter.part(Netspace)
    at = BUILDERS.get(name, ())
    layers = [arguments[i] for i in at]
    if name in ("newneurons", "make-desired"):
        layers = [value]
    elif name.endswith("-layer") or (name == "epsilon" and len(arguments) == 2):
        layers = [argument for argument in arguments if isinstance(argument, Pair)]
        at = tuple(i for i, argument in enumerate(arguments) if isinstance(argument, Pair))
    settings = {key: number for key in SETTINGS if isinstance(number := interpreter.lookup(key), float)}
    settings["lev-mar"] = float(interpreter.lookup("lev-mar") is not NIL)
    interpreter.part(ProgramWatch).record(
        Call(
            name,
            tuple(space.units(layer, name).array.copy() for layer in layers),
            tuple(argument for i, argument in enumerate(arguments) if i not in at),
            first,
            space.snum,
            settings,
            _examples(interpreter) if name in LEARNING else 0,
        )
    )


def _examples(interpreter: Interpreter) -> int:
    """Return a number that identifies the current examples."""
    matrices = [interpreter.lookup(name) for name in ("pattern-matrix", "desired-matrix")]
    return hash(tuple(m.tobytes() for m in matrices if isinstance(m, np.ndarray) and m.size < 100_000))


# A net that was made


def _built_net(interpreter: Interpreter, watch: ProgramWatch) -> BuiltNet:
    space = interpreter.part(Netspace)
    by = np.full(space.snum, -1)
    for k, call in enumerate(watch.net_calls):
        if call.name in BUILDERS:
            by[call.first : call.last] = k  # a word that calls another is noted behind it
    living = np.flatnonzero(space.alive[: space.snum])
    groups = _groups(interpreter, watch)
    pre, post, weight = (a.array[living].astype(int) for a in (space.pre, space.post, space.weight))
    inputs, outputs, desired = (_units_in(interpreter, f"{name}-layer") for name in ("input", "output", "desired"))
    return BuiltNet(
        tuple(groups),
        pre,
        post,
        weight,
        by[living],
        tuple(watch.net_calls),
        space.unit[VAL].array[: space.nnum].copy(),
        inputs,
        outputs,
        desired,
        _layer_nlfs(interpreter),
        interpreter.lookup("nlf"),
        tuple(watch.learning_calls),
        space.kernel.name,
        (interpreter.lookup("pattern-matrix"), interpreter.lookup("desired-matrix")),
    )


def _units_in(interpreter: Interpreter, name: str) -> np.ndarray:
    value = interpreter.lookup(name)
    try:
        return interpreter.part(Netspace).units(value, name).array.astype(int)
    except CallError:
        return np.array([], int)


def _groups(interpreter: Interpreter, watch: ProgramWatch) -> list[tuple[str, np.ndarray]]:
    """Return the layers: those of `build-net`, then other results of `newneurons`.

    The latter are named by the variables that hold them.
    """
    named: list[tuple[str, np.ndarray]] = []
    used_units: set[int] = set()
    if any(call.name.startswith("build-net") for call in watch.net_calls):
        for name in interpreter.elements(interpreter.lookup("layer-names"), "layer-names"):
            units = _units_in(interpreter, name.name)
            if len(units) and not used_units & set(units.tolist()):
                named.append((name.name, units))
                used_units |= set(units.tolist())
    variables = _variables(interpreter)
    for call in watch.net_calls:
        if call.name != "newneurons" or used_units & set(call.layers[0].tolist()):
            continue
        units = call.layers[0].astype(int)
        named += _parts(units, variables)
        used_units |= set(units.tolist())
    return named


def _parts(units: np.ndarray, variables: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Return new units as one layer, or as the layers that variables hold if together they are these units."""
    same = next((name for name, other in variables.items() if np.array_equal(other, units)), None)
    if same is not None:
        return [(same, units)]
    remaining, parts = set(units.tolist()), []
    for name, other in sorted(variables.items(), key=lambda item: -len(item[1])):
        units_of_variable = set(other.tolist())
        if units_of_variable and units_of_variable <= remaining:
            parts.append((name, other))
            remaining -= units_of_variable
    return sorted(parts, key=lambda part: int(part[1][0])) if not remaining else [(f"units-{units[0]}", units)]


def _variables(interpreter: Interpreter) -> dict[str, np.ndarray]:
    """Return the variables that hold lists of different units, by name."""
    sn_variables = ("input-layer", "output-layer", "desired-layer", "net-struc", "layer-names")
    lists: dict[str, np.ndarray] = {}
    for name in interpreter.set_names():
        value = interpreter.lookup(symbol(name))
        if name not in sn_variables and isinstance(value, Pair) and all(isinstance(item, float) for item in value):
            units = _units_in(interpreter, name)
            if len(units) and len(np.unique(units)) == len(units) and units.min() > 0:
                lists[name] = units
    return lists


def _layer_nlfs(interpreter: Interpreter) -> dict[str, Form]:
    """Return the non-linearity that `forward-prop` uses for each layer, by name of the layer."""
    forward = interpreter.procedure(symbol("forward-prop"))
    functions: dict[str, Form] = {}
    work = [forward.body] if isinstance(forward, Function) else []
    while work:
        form = work.pop()
        if not isinstance(form, Pair):
            continue
        parts = list(form)
        work += [part for part in parts if isinstance(part, Pair)]
        if parts[0] is not symbol("update-state"):
            continue
        f = next((part for part in parts[1:] if isinstance(part, NonLinearity)), None)
        for part in parts[1:]:
            if isinstance(part, Symbol) and f is not None:
                functions.setdefault(part.name, f)
            elif isinstance(part, Symbol) and part.name not in ("theta", "nlf"):
                nlf_symbol = next(
                    (p for p in parts[1:] if isinstance(p, Symbol) and isinstance(interpreter.lookup(p), NonLinearity)),
                    None,
                )
                functions.setdefault(part.name, interpreter.lookup(nlf_symbol if nlf_symbol is not None else "nlf"))
    return functions
