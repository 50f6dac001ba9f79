"""A program of SN-2.8 watched while it makes its net: which words it called, and what they made.

The program runs, but what learns or measures is noted and not done: only the net and what was said about learning are
wanted. A net is looked at when the program ends, or when it makes room for another one.
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
FRESH = ("alloc-net", "clear-net", "use-net")  # what was there is gone
LAYERS = ("build-net", "build-net-nobias", "newneurons", "make-desired")
SETTINGS = ("alpha", "decay", "mu", "gamma", "theta", "input-noise")
MOST_LEARNING = 20_000  # calls that learn; behind them the program is not followed
MOST_MEASURED = 50  # measurements that find nothing learnt, in a program that learns by words that are not watched


class Followed(Exception):
    """The program has said enough: it calls what learns again and again."""


def presentations(call: str, numbers: list[float], size: int) -> float:
    """How many patterns a call that learns presents, of `size` training patterns, with these numbers given."""
    if call.startswith("basic-"):
        return 1.0
    if call.startswith("batch-"):
        return numbers[1] - numbers[0] + 1 if len(numbers) == 2 else 0.0
    given = numbers[:2] if call.startswith(("run", "trun")) else numbers[:1]
    sweeps = "-batch" in call or call.startswith("learn-cycle")
    return float(np.prod(given)) * (size if sweeps else 1) if given else 0.0


@dataclass(frozen=True)
class Call:
    """One call of a watched word. `layers` are the units of the layers among its arguments, `others` the rest;
    `first` to `last` (not included) the connections it made; `settings` SN's variables at that moment (lev-mar 1 or
    0).
    """

    name: str
    layers: tuple[np.ndarray, ...] = ()
    others: tuple[Form, ...] = ()
    first: int = 0
    last: int = 0
    settings: dict[str, float] = field(default_factory=dict)
    examples: int = 0  # of what learns: equal for the same examples


@dataclass(frozen=True, eq=False)
class Construction:
    """A net as a program made it: connection k leads from unit pre[k] (0: the bias) to post[k] with weight[k], and
    call by[k] of `calls` made it (-1: none that is watched). `groups` are the layers by name, in the order of their
    making, `values` the states of all units, `nlfs` the non-linearity of a layer that has one of its own, `said`
    what was said about learning.
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
    said: tuple[Call, ...]
    kernel: str
    matrices: tuple[Form, Form]


class Watch:
    """What one program did. `interpreter.part(Watch)` gives it."""

    def __init__(self, interpreter: Interpreter):
        self.interpreter = interpreter
        self.nets: list[Construction] = []
        self.made: list[Call] = []  # of the net that is being made
        self.said: list[Call] = []
        self.learned = 0  # calls that learn
        self.measured = 0  # measurements since the weights were drawn
        self.trained = False  # whether anything was learnt since then
        self.answered = False  # whether a measurement was ever answered so that a loop may end
        self.inside = 0  # watched words that are at work
        self.declared = False  # whether the net is a declared one, which `use-net` took

    def note(self, call: Call) -> None:
        if call.name in BUILDERS or call.name in LAYERS:
            self.made.append(call)
        elif call.name not in FRESH:
            self.said.append(call)

    def finish(self) -> None:
        """The net there is, if it has connections, is one of those the program made; another may come."""
        space = self.interpreter.part(Netspace)
        if space.alive[: space.snum].any() and not self.declared:
            self.nets.append(_construction(self.interpreter, self))
        self.made = []
        self.said = [call for call in self.said if call.name in EXAMPLES]


def watched(functions: Shelf[Procedure]) -> Shelf[Procedure]:
    """The functions of the Lisp, those that make nets or learn watched."""
    names = {*BUILDERS, *LEARNING, *INITIAL, *RATES, *EXAMPLES, *FRESH, *LAYERS, *MEASURES}
    shelf: Shelf[Procedure] = Shelf("function")
    for entry in functions:
        value = entry.value
        if entry.name in names:
            value = _WatchedKernelWord(value) if isinstance(value, KernelWord) else _Watched(value)
        shelf.add(entry.name, value, entry.doc)
    return shelf


class _Watched(Procedure):
    """A word that is noted when it is called."""

    def __init__(self, word: Procedure):
        self.name, self.word = word.name, word

    def call(self, interpreter: Interpreter, form: Pair) -> Form:
        if not isinstance(self.word, Special):
            return self.apply(interpreter, interpreter.arguments(form))
        value = self.word.call(interpreter, form)
        given = [interpreter.evaluate(argument) for argument in interpreter.elements(form.cdr, self.name)]
        _note(interpreter, self.name, given, value, 0)
        return value

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return _do(interpreter, self.name, arguments, lambda: self.word.apply(interpreter, arguments))

    def __str__(self) -> str:
        return str(self.word)


class _WatchedKernelWord(KernelWord):
    """The same for a word that needs a kernel, and so tells which one a program needs."""

    def __init__(self, word: KernelWord):
        super().__init__(word.primitive, word.modes)

    def apply(self, interpreter: Interpreter, arguments: list[Form]) -> Form:
        return _do(
            interpreter, self.name, arguments, lambda: super(_WatchedKernelWord, self).apply(interpreter, arguments)
        )


def _do(interpreter: Interpreter, name: str, arguments: list[Form], work: Callable[[], Form]) -> Form:
    """Do what the word does, unless it learns, and note it."""
    watch = interpreter.part(Watch)
    if name in LEARNING:
        return _instead_of_learning(interpreter, watch, name, arguments)
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
    _note(interpreter, name, arguments, value, first)
    return value


def _instead_of_learning(interpreter: Interpreter, watch: Watch, name: str, arguments: list[Form]) -> Form:
    """Note what would be learnt, and let `age` say that it was."""
    if watch.learned >= MOST_LEARNING:
        raise Followed
    watch.learned += 1
    _note(interpreter, name, arguments, NIL, 0)
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


def _instead_of_measuring(interpreter: Interpreter, watch: Watch) -> Form:
    """Find a net that knows nothing before it has learnt, and everything after: so that loops which wait for that
    end. The value of `test-pattern` and of a step, the error; the rest in SN's variables.
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


def _note(interpreter: Interpreter, name: str, arguments: list[Form], value: Form, first: int) -> None:
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
    interpreter.part(Watch).note(
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
    """A number that tells the examples there are from others."""
    matrices = [interpreter.lookup(name) for name in ("pattern-matrix", "desired-matrix")]
    return hash(tuple(m.tobytes() for m in matrices if isinstance(m, np.ndarray) and m.size < 100_000))


# A net that was made


def _construction(interpreter: Interpreter, watch: Watch) -> Construction:
    space = interpreter.part(Netspace)
    by = np.full(space.snum, -1)
    for k, call in enumerate(watch.made):
        if call.name in BUILDERS:
            by[call.first : call.last] = k  # a word that calls another is noted behind it
    living = np.flatnonzero(space.alive[: space.snum])
    groups = _groups(interpreter, watch)
    pre, post, weight = (a.array[living].astype(int) for a in (space.pre, space.post, space.weight))
    inputs, outputs, desired = (_units_in(interpreter, f"{name}-layer") for name in ("input", "output", "desired"))
    return Construction(
        tuple(groups),
        pre,
        post,
        weight,
        by[living],
        tuple(watch.made),
        space.unit[VAL].array[: space.nnum].copy(),
        inputs,
        outputs,
        desired,
        _own_functions(interpreter),
        interpreter.lookup("nlf"),
        tuple(watch.said),
        space.kernel.name,
        (interpreter.lookup("pattern-matrix"), interpreter.lookup("desired-matrix")),
    )


def _units_in(interpreter: Interpreter, name: str) -> np.ndarray:
    value = interpreter.lookup(name)
    try:
        return interpreter.part(Netspace).units(value, name).array.astype(int)
    except CallError:
        return np.array([], int)


def _groups(interpreter: Interpreter, watch: Watch) -> list[tuple[str, np.ndarray]]:
    """Layers: those of `build-net`, then what else `newneurons` gave, named by the variables that hold it."""
    named: list[tuple[str, np.ndarray]] = []
    taken: set[int] = set()
    if any(call.name.startswith("build-net") for call in watch.made):
        for name in interpreter.elements(interpreter.lookup("layer-names"), "layer-names"):
            units = _units_in(interpreter, name.name)
            if len(units) and not taken & set(units.tolist()):
                named.append((name.name, units))
                taken |= set(units.tolist())
    holding = _variables(interpreter)
    for call in watch.made:
        if call.name != "newneurons" or taken & set(call.layers[0].tolist()):
            continue
        units = call.layers[0].astype(int)
        named += _parts(units, holding)
        taken |= set(units.tolist())
    return named


def _parts(units: np.ndarray, holding: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """New units as one layer, or as the layers that variables hold if together they are these units."""
    same = next((name for name, other in holding.items() if np.array_equal(other, units)), None)
    if same is not None:
        return [(same, units)]
    left, parts = set(units.tolist()), []
    for name, other in sorted(holding.items(), key=lambda item: -len(item[1])):
        own = set(other.tolist())
        if own and own <= left:
            parts.append((name, other))
            left -= own
    return sorted(parts, key=lambda part: int(part[1][0])) if not left else [(f"units-{units[0]}", units)]


def _variables(interpreter: Interpreter) -> dict[str, np.ndarray]:
    """The variables that hold lists of different units, by name."""
    own = ("input-layer", "output-layer", "desired-layer", "net-struc", "layer-names")
    held: dict[str, np.ndarray] = {}
    for name in interpreter.set_names():
        value = interpreter.lookup(symbol(name))
        if name not in own and isinstance(value, Pair) and all(isinstance(item, float) for item in value):
            units = _units_in(interpreter, name)
            if len(units) and len(np.unique(units)) == len(units) and units.min() > 0:
                held[name] = units
    return held


def _own_functions(interpreter: Interpreter) -> dict[str, Form]:
    """What `forward-prop` computes each layer with: a non-linearity by the name of the layer."""
    forward = interpreter.procedure(symbol("forward-prop"))
    found: dict[str, Form] = {}
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
                found.setdefault(part.name, f)
            elif isinstance(part, Symbol) and part.name not in ("theta", "nlf"):
                given = next(
                    (p for p in parts[1:] if isinstance(p, Symbol) and isinstance(interpreter.lookup(p), NonLinearity)),
                    None,
                )
                found.setdefault(part.name, interpreter.lookup(given if given is not None else "nlf"))
    return found
