"""Compiled presentations of gblearn2 leave the bits of the modules in every slot, and print the same text.

Each program runs twice: with plans, and module by module. The modules themselves are tested against the original's
output and against autograd: test_lush.py, test_lush_modules.py.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from data_folder import REFERENCE, needs_reference
from hypothesis import given, settings
from hypothesis import strategies as st

from snsim.errors import SnError, Source
from snsim.language.budget import Budget
from snsim.language.forms import symbol
from snsim.language.limits import ACTING, Limits
from snsim.language.objects import Object
from snsim.lush import begin
from snsim.lush.idx import Idx
from snsim.lush.plan import ahead
from snsim.lush.plan.ahead import Plans
from snsim.program import make_interpreter, new_shelves, read_program
from snsim.runtime.host import scratch

pytest.importorskip("llvmlite")

from snsim.engines.native import jit
from snsim.lush.plan import compiled, operations


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use plans from the first presentations of a program on."""
    monkeypatch.setattr(ahead, "_WARM_UP", 0)


@dataclass
class Outcome:
    """What a program leaves: slots by path, printed text, steps of the budget, and presentations that ran compiled."""

    slots: dict[str, Any]
    text: str
    steps: int
    compiled: int
    faults: list[str]

    def largest(self) -> float:
        """Return the largest number in all float matrices: those beyond 3e15 are not compiled."""
        floats = [np.frombuffer(v[2], v[1]) for v in self.slots.values() if isinstance(v, tuple) and v[1] == np.float32]
        return max(float(np.abs(numbers).max(initial=0)) for numbers in floats)


def slots_below(root: Object, path: str, found: dict[str, Any], seen: set[int]) -> None:
    """Collect the slots of an object and of all objects in its slots."""
    if id(root) in seen:
        return
    seen.add(id(root))
    for name, value in root.slots.items():
        here = f"{path}:{name.name}"
        if isinstance(value, Object):
            slots_below(value, here, found, seen)
        elif isinstance(value, Idx):
            found[here] = (value.sizes, value.kind, value.array.tobytes())
        elif value is None or isinstance(value, (float, str)):
            found[here] = value


def outcome(program: str, forms: list[str], on: bool, limits: Limits | None = None) -> Outcome:
    """Run a program and then some forms; an error of a form does not end the others."""
    with scratch() as host:
        port, faults = io.StringIO(), []
        interpreter = make_interpreter(new_shelves(), host, port, limits or Limits(steps=10**9))
        begin(interpreter)
        interpreter.part(Plans).on = on
        interpreter.run(Source("program", program))
        for form in forms:
            try:
                interpreter.run(Source("form", form))
            except SnError as error:
                faults += [f"{fault.message} {fault.hint}" for fault in error.faults]
        found: dict[str, Any] = {}
        for name in ("trainer", "meter", "source", "param"):
            slots_below(interpreter.lookup(symbol(name)), name, found, set())
        saliencies = interpreter.lookup(symbol("saliencies"))
        found["saliencies"] = saliencies.array.tobytes() if isinstance(saliencies, Idx) else b""
        plans = interpreter.part(Plans)
        return Outcome(found, port.getvalue(), interpreter.budget.steps, plans.compiled, faults)


def both(program: str, *forms: str, compiled: bool | None = True, limits: Limits | None = None) -> Outcome:
    """Compare both ways of a program; `compiled`: whether a plan is used (None: it may be)."""
    plain, planned = (outcome(program, list(forms), on, limits) for on in (False, True))
    assert plain.compiled == 0
    assert plain.slots.keys() == planned.slots.keys()
    different = [path for path, value in plain.slots.items() if planned.slots[path] != value]
    assert different == []
    assert (plain.text, plain.faults) == (planned.text, planned.faults)
    if not plain.faults:
        assert plain.steps == planned.steps
    if compiled is not None:
        assert (planned.compiled > 0) is compiled
    return planned


SETUP = """
(seed {seed})
(defvar saliencies)
(setq param (new {param} 0 5000))
{layers}
(de drawn () (let ((m (float-matrix {outputs} {outputs}))) (idx-bloop ((row m)) (idx-bloop ((x row)) (x (rand 1)))) m))
(setq machine (new idx3-supervised-module net (new {cost}) (new {classer})))
(setq patterns (float-matrix {count} {maps} {rows} {columns}))
(idx-bloop ((x (redim patterns {size}))) (x (rand 2)))
(setq labels-of (int-matrix {count}))
(idx-gloop ((k) (l labels-of)) (l (mod (* 7 k) {outputs})))
(setq source (new dsource-idx3fl patterns labels-of))
(setq trainer (new supervised-gradient machine param))
(setq meter (new classifier-meter))
(==> net forget {spread} 2)
(idx-bloop ((x :param:x)) (x (+ (x) (rand 0.3))))
(when (= {rates} 1) (idx-bloop ((x :param:epsilons)) (x (rand 0.1 1))))
(:trainer:energy:dx {slope})
(:trainer:energy:ddx 0.6)
"""


def setup(layers: str, maps: int, rows: int, columns: int, outputs: int, count: int = 9, **more: Any) -> str:
    """Return a program that makes `net` by these forms, and a trainer, a source and a meter around it."""
    values = {
        "seed": 3,
        "param": "idx1-ddparam",
        "cost": "edist-cost",
        "classer": "max-classer",
        "spread": 1,
        "slope": 1,
        "labels": f"[i {' '.join(map(str, range(outputs)))}]",
        "size": count * maps * rows * columns,
        **more,
    }
    labels = values["labels"]
    matrices = {"edist-cost": "(drawn)", "wedist-cost": "(drawn) (drawn)", "mle-cost": ""}[values["cost"]]
    values["cost"] = f"{values['cost']} {labels} 1 1 {matrices}"
    values["classer"] += f" {labels} 1 1 (drawn)" if values["classer"] == "edist-classer" else f" {labels}"
    values["rates"] = int(values["param"] != "idx1-dparam")
    numbers = {"maps": maps, "rows": rows, "columns": columns, "outputs": outputs, "count": count}
    return SETUP.format(layers=layers, **numbers, **values)


# Random chains


def chained(modules: list[str]) -> str:
    """Return forms that make `net`, an object of a class of the program: modules one behind the other."""
    slots = " ".join(f"m{i} s{i}" for i in range(len(modules)))
    ends = ["in", *(f"s{i}" for i in range(len(modules) - 1)), "out"]
    sends = {
        way: [f"(==> m{i} {way} {ends[i]} {ends[i + 1]})" for i in range(len(modules))]
        for way in ("fprop", "bprop", "bbprop")
    }
    methods = [
        f"(defmethod chain {way} (in out) ((-obj- (idx3-state)) in out) "
        f"{' '.join(forms if way == 'fprop' else reversed(forms))})"
        for way, forms in sends.items()
    ]
    makes = " ".join(f"(setq m{i} {module}) (setq s{i} (new idx3-ddstate 1 1 1))" for i, module in enumerate(modules))
    forgets = " ".join(f"(==> m{i} forget v p)" for i in range(len(modules)))
    return "\n".join(
        [
            f"(defclass chain idx3-module {slots})",
            f"(defmethod chain chain () {makes})",
            f"(defmethod chain forget (v p) {forgets})",
            *methods,
            "(setq net (new chain))",
        ]
    )


@st.composite
def nets(draw: st.DrawFn) -> str:
    """Draw a chain of modules, and a program around it."""

    def size(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    def squash() -> str:
        return draw(st.sampled_from(["(new idx3-squasher)", "(new idx3-module)", "(new idx3-sqsquasher)"]))

    def table(sources: int, targets: int) -> str:
        rows = {(size(0, sources - 1), target) for target in range(targets)}
        match draw(st.sampled_from(["few", "each", "all"])):
            case "each":
                rows |= {(source, size(0, targets - 1)) for source in range(sources)}
            case "all":
                rows |= {(source, target) for source in range(sources) for target in range(targets)}
        return "[i " + " ".join(f"[{a} {b}]" for a, b in draw(st.permutations(sorted(rows)))) + "]"

    maps, rows, columns = first = size(1, 3), size(1, 14), size(1, 14)
    modules = []

    def convolve(ki: int, kj: int) -> None:
        nonlocal maps, rows, columns
        targets = size(1, 5)
        ri, rj = (draw(st.sampled_from([r for r in (1, 2, 3) if n % r == 0])) for n in (rows - ki, columns - kj))
        modules.append(f"(new c-layer {ki} {kj} {ri} {rj} {table(maps, targets)} {targets} 1 1 {squash()} param)")
        maps, rows, columns = targets, (rows - ki) // ri + 1, (columns - kj) // rj + 1

    for _ in range(size(0, 3)):
        match draw(st.sampled_from(["c", "s", "squash"])):
            case "c":
                convolve(size(1, min(rows, 6)), size(1, min(columns, 6)))
            case "s":
                bi, bj = (draw(st.sampled_from([b for b in (1, 2, 3) if n % b == 0])) for n in (rows, columns))
                modules.append(f"(new s-layer {bi} {bj} {maps} 1 1 {squash()} param)")
                rows, columns = rows // bi, columns // bj
            case _:
                modules.append(squash())
    if rows * columns > 1 or draw(st.booleans()):
        convolve(rows, columns)
    for _ in range(size(0, 2)):
        outputs = size(1, 20)
        full = f"(new f-layer {maps} {outputs} 1 1 {squash()} param)"
        modules.append(draw(st.sampled_from([full, full, f"(new e-layer {maps} {outputs} param)"])))
        maps = outputs
    if not any("layer" in module for module in modules):
        modules.append(f"(new f-layer {maps} 3 1 1 {squash()} param)")
        maps = 3
    more: dict[str, Any] = {
        "seed": size(1, 99),
        "param": draw(st.sampled_from(["idx1-ddparam", "idx1-ddparam", "idx1-dparam-eps", "idx1-dparam"])),
        "cost": draw(st.sampled_from(["edist-cost", "wedist-cost", "mle-cost"])),
        "classer": draw(st.sampled_from(["max-classer", "min-classer", "edist-classer"])),
        "slope": draw(st.sampled_from([1, 0.7, -1.25])),
        "spread": draw(st.sampled_from([1, 3, 20])),
    }
    return setup(chained(modules), *first, maps, **more)


@settings(max_examples=30, deadline=None)
@given(nets(), st.sampled_from([0, 0.9, 1]), st.sampled_from([0, 0.3, -0.5]))
def test_a_chain_leaves_the_bits_of_its_modules(program: str, inertia: float, kappa: float) -> None:
    second = "new idx1-ddparam" in program
    forms = [
        "(==> trainer test source meter)",
        *(["(==> trainer compute-diaghessian source 7 0.5)"] if second else []),
        *(["(setq saliencies (==> trainer saliencies source 6))"] if second else []),
        f"(==> trainer train source meter 0.02 {inertia} {kappa if second else 0})",
        "(==> trainer test source meter) (==> meter display)",
        f"(==> trainer train-online source meter 7 0.01 {inertia})",
    ]
    done = both(program, *forms, compiled=None)
    assert done.compiled or done.faults or done.largest() > 1e12


# LeNet-5, and other shapes


LENET5 = "(setq net (new-lenet5 32 32 5 5 2 2 5 5 2 2 120 10 param))"


def lenet5(**more: Any) -> str:
    return setup(LENET5, 1, 32, 32, 10, **more).replace("0 5000", "0 52000")


def test_lenet5_leaves_the_bits_of_its_modules() -> None:
    done = both(
        lenet5(count=20),
        "(==> trainer compute-diaghessian source 9 0.02)",
        "(==> trainer train source meter 0.0001 0.5 0.1) (==> meter display)",
        "(==> trainer test source meter) (==> meter display)",
    )
    assert done.compiled == (9 - 3) + (20 - 2) + (20 - 2)


FULL = "(setq net (new net-ff 3 5 4 1 1 param))"
TRAIN = "(==> trainer train source meter 0.05 0.9) (==> meter display)"


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        ("(setq net (new f-layer 3 4 1 1 (new idx3-squasher) param))", (3, 2, 1)),  # places
        ("(setq net (new c-layer 2 2 1 1 (full-table 1 4) 4 1 1 (new idx3-squasher) param))", (1, 3, 3)),  # places
        ("(setq net (new c-layer 2 2 1 1 [i [0 0] [0 1] [0 3]] 4 1 1 (new idx3-squasher) param))", (1, 2, 2)),  # no row
        ("(setq net (new e-layer 3 4 param))", (3, 2, 1)),
        (FULL + " (setq :net:f0-module:squash :net:f1-module:squash) (setq :net:f1-module :net:f1-module)", (3, 1, 1)),
    ],
)
def test_other_shapes_run_module_by_module_with_the_same_result(layers: str, sizes: tuple[int, int, int]) -> None:
    both(setup(layers, *sizes, 4), TRAIN, "(==> trainer test source meter)", compiled=None)


def test_a_plan_is_made_again_after_a_change() -> None:
    """Weights, table, label and slots change between two messages."""
    table = "(setq net (new c-layer 2 2 1 1 [i [0 0] [1 1] [0 2] [1 2]] 3 1 1 (new idx3-squasher) param))"
    program = setup(table, 2, 2, 2, 3)
    changes = [
        "(:param:x 3 0.7)",
        "(setq :net:squash (new idx3-module))",
        "(:net:table 0 0 1) (:net:table 1 0 0)",
        "(labels-of 4 0)",
        "(setq :trainer:age 7)",
        "(setq trainer (new supervised-gradient machine param))",
        "(setq source (new dsource-idx3l-narrow source 5 2))",
        "(==> trainer train-online source meter 3 0.1) (==> source seek 3)",
        "(:machine:cost:proto 1 1 0.3)",
    ]
    both(program, TRAIN, *[f"{change} {TRAIN} (==> trainer test source meter)" for change in changes])


# What a plan must not take over


@pytest.mark.parametrize(
    "change",
    [
        "(defmethod f-layer fprop (in out) (==> out resize 4 1 1) (idx-f3fill :out:x 0.5))",
        "(defmethod idx3-squasher bprop (in out) (idx-copy :out:dx :in:dx))",
        "(defmethod edist-cost bprop (in desired energy) (idx-clear :in:dx))",
        "(defmethod idx1-ddparam update (eta inertia) (idx-f1dotc :this:x 0.9 :this:x))",
        "(defmethod dsource-idx3fl next () (setq current 2) 2)",
        '(defmethod classifier-meter update (age out desired energy) (printf "%g " age))',
        "(setq meter (new classifier-meter (lambda (got wanted) (print got) 1)))",
        "(setq :net:f1-module :net:f0-module) (setq :net:f0-module :net:f1-module)",
        "(setq :net:f0-module:weight :net:f1-module:weight)",
        "(setq :net:f0-module:weight:x (idx-copy :net:f0-module:weight:x))",
        "(setq :net:f0-state :machine:mout)",
        "(setq :machine:mout:dx :machine:mout:x)",
        "(setq :trainer:input:x (select patterns 0 3))",
        "(setq :machine:machine (new idx3-module))",
        "(idx-f1fill :param:epsilons 1e30)",
        "(:param:x 2 1e20)",
        "(setq :source:inputs (float-matrix 9 2 1 1))",
        "(setq :machine:classifier (new edist-classer [i 0 1 2 3] 1 1 :machine:cost:proto))",
        "(setq :machine:classifier (new edist-classer [i 0 1 2 3] 1 1 (drawn))) (setq :machine:classifier:dist input)",
        "(setq :machine:cost (new mmi-cost [i 0 1 2 3] [f 0.2 0.2 0.2 0.2 0.2] 1 1 param)) (:param:epsilons 47 0.1)",
        "(:machine:cost:proto 1 1 1e18)",
        "(setq :net:f0-module 3)",
        "(setq :trainer:energy 3)",
        "(setq :machine:cost (new mle-cost [i 0 1 2 3] 1 1))",
    ],
)
def test_what_a_program_replaces_takes_part(change: str) -> None:
    both(setup(FULL, 3, 1, 1, 4), TRAIN, f"{change} {TRAIN}", TRAIN, "(==> trainer test source meter)")


def test_a_class_that_does_more_than_send_runs_module_by_module() -> None:
    one = """
(defclass pair idx3-module a s b)
(defmethod pair pair () (setq a (new f-layer 3 5 1 1 (new idx3-squasher) param)) (setq s (new idx3-ddstate 1 1 1))
  (setq b (new f-layer 5 4 1 1 (new idx3-squasher) param)))
(defmethod pair forget (v p) (==> a forget v p) (==> b forget v p))
(defmethod pair fprop (in out) (==> a fprop in s) {more} (==> b fprop s out))
(defmethod pair bprop (in out) {back})
(setq net (new pair))"""
    back = "(==> b bprop s out) (==> a bprop in s)"
    known = one.format(more="", back=back)
    both(setup(known, 3, 1, 1, 4), TRAIN)
    both(setup(known, 3, 1, 1, 4), "(==> trainer compute-diaghessian source 9 1)", compiled=False)  # it has no bbprop
    for more, backwards in [
        ("(idx-f3dotc :s:x 0.5 :s:x)", back),
        ("", "(==> a bprop in s) (==> b bprop s out)"),
        ("", f"{back} (when (= 1 2) ())"),
        ("(==> a fprop in s)", back),
    ]:
        both(setup(one.format(more=more, back=backwards), 3, 1, 1, 4), TRAIN, compiled=False)


def test_a_machine_of_the_program_that_only_sends_is_compiled() -> None:
    own = """
(defclass own-machine gb-module machine mout cost classifier)
(defmethod own-machine own-machine (m c k)
  (setq machine m) (setq cost c) (setq classifier k) (setq mout (new idx3-ddstate 1 1 1)))
(defmethod own-machine fprop (input output desired energy)
  (==> machine fprop input mout) (==> classifier fprop mout output) (==> cost fprop mout desired energy))
(defmethod own-machine bprop (input output desired energy)
  (==> cost bprop mout desired energy) (==> machine bprop input mout))
(defmethod own-machine bbprop (input output desired energy)
  (==> cost bbprop mout desired energy) (==> machine bbprop input mout))
"""
    program = setup(own + FULL, 3, 1, 1, 4).replace("new idx3-supervised-module", "new own-machine")
    both(program, "(==> trainer compute-diaghessian source 9 0.1)", TRAIN, "(==> trainer test source meter)")
    twice = "(==> cost bprop mout desired energy) (==> machine bprop input mout)"
    other = program.replace(twice, f"(==> cost bprop mout desired energy) {twice}")
    both(other, TRAIN, compiled=False)


# Sources, labels, meters


@pytest.mark.parametrize(
    "source",
    [
        "(new dsource-idx3l-narrow source 6 2)",
        "(let ((p (new dsource-idx3l-permute source))) (==> p shuffle) p)",
        "(new dsource-idx3l-concat (new dsource-idx3l-narrow source 4 5) (new dsource-idx3l-narrow source 5 0))",
        "(new dsource-idx3l-concat (new dsource-idx3l-permute source) source)",
        "(new dsource-idx3ul (let ((m (ubyte-matrix 7 3 1 1))) (for (k 0 6) (m k 1 0 0 (* 30 k))) m)"
        " [i 0 1 2 3 2 1 0] -2.5 0.013)",
    ],
)
@pytest.mark.parametrize("train", ["train source meter 0.05", "train-online source meter 13 0.05"])
def test_a_source_stands_where_the_modules_leave_it(source: str, train: str) -> None:
    program = setup(FULL, 3, 1, 1, 4) + f"(setq source {source})"
    both(
        program, "(==> source seek 3)", f"(==> trainer {train})", "(print (==> source tell))", f"(==> trainer {train})"
    )


def test_pictures_in_a_frame() -> None:
    pictures = "(setq pictures (ubyte-matrix 8 3 2)) (idx-bloop ((x (redim pictures 48))) (x (rand 200)))"
    source = "(setq source (new dsource-mnist pictures [u 0 1 2 3 0 1 2 3] 5 4 -3 0.01))"
    layers = "(setq net (new c-layer 4 5 1 1 (full-table 1 4) 4 1 1 (new idx3-squasher) param))"
    both(setup(layers, 1, 4, 5, 4) + pictures + source, TRAIN, "(==> trainer test source meter)")


@pytest.mark.parametrize("classer", ["max-classer", "min-classer"])
def test_equal_scores_are_sorted_as_by_the_modules(classer: str) -> None:
    both(setup(FULL, 3, 1, 1, 4, classer=classer) + "(idx-clear :param:x)", TRAIN, "(==> trainer test source meter)")
    odd = setup(FULL, 3, 1, 1, 4, classer=classer, labels="[i 2 0 3 1]")
    both(odd, "(:param:x 7 0)", "(==> trainer test source meter) (==> meter display)")


def test_a_label_of_junk_is_rejected() -> None:
    program = setup(FULL, 3, 1, 1, 4) + "(setq :machine:classifier (new max-classer [i 0 -1 2 -1]))"
    done = both(program, TRAIN)
    assert "rejects=0.00%" not in done.text


@pytest.mark.parametrize("place", range(9))
def test_an_unknown_label_stops_at_its_pattern(place: int) -> None:
    program = setup(FULL, 3, 1, 1, 4) + f"(labels-of {place} 17)"
    done = both(program, TRAIN, "(==> trainer test source meter)", compiled=None)
    assert len(done.faults) == 2 and "none of the labels" in done.faults[0]


@pytest.mark.parametrize("place", [0, 1, 4, 8])
@pytest.mark.parametrize(
    "form", [TRAIN, "(==> trainer test source meter)", "(==> trainer compute-diaghessian source 9 1)"]
)
def test_overflow_stops_at_its_pattern(place: int, form: str) -> None:
    layers = FULL + "(setq :net:f0-module:squash (new idx3-module)) (setq :net:f1-module:squash (new idx3-module))"
    program = setup(layers, 3, 1, 1, 4) + f"(patterns {place} 1 0 0 3e38)"
    done = both(program, form, form, compiled=None)
    assert done.faults and done.faults[0].startswith("Floating exception: overflow")


def test_a_large_number_that_does_not_overflow_is_no_error() -> None:
    layers = FULL + "(setq :net:f0-module:squash (new idx3-module))"
    program = setup(layers, 3, 1, 1, 4, count=30) + "(patterns 15 1 0 0 1e17) (patterns 22 1 0 0 -1e17)"
    done = both(program, "(==> trainer test source meter)")
    assert done.faults == []


def test_a_training_that_runs_away_stops_alike() -> None:
    layers = FULL + "(setq :net:f1-module:squash (new idx3-module))"
    form = "(==> trainer train-online source meter 400 3 0.9 0.2)"
    done = both(setup(layers, 3, 1, 1, 4), form)
    assert done.faults and done.faults[0].startswith("Floating exception")


# Limits, interrupts, no compiler


def test_the_limit_of_steps_ends_the_training() -> None:
    form = "(==> trainer train-online source meter 100000 0.1)"
    plain, planned = (outcome(setup(FULL, 3, 1, 1, 4), [form], on, Limits(steps=20_000)).faults for on in (False, True))
    assert plain == planned and plain[0].startswith("the program takes too many steps")


@pytest.mark.parametrize("place", ["in the budget", "after the compiled code"])
def test_an_interrupt_leaves_a_whole_number_of_presentations(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = setup(FULL, 3, 1, 1, 4)
    chunk, step, run = ahead._CHUNK, Budget.step, compiled.CompiledOperations.run

    def interrupt(budget: Budget, count: int = 1) -> None:
        step(budget, count)
        if count >= chunk:  # a chunk has run
            raise KeyboardInterrupt

    def run_interrupted(self: compiled.CompiledOperations, *arguments: Any) -> None:
        run(self, *arguments)
        raise KeyboardInterrupt

    with scratch() as host:
        interpreter = make_interpreter(new_shelves(), host)
        begin(interpreter)
        interpreter.run(Source("program", program))
        if place == "in the budget":
            monkeypatch.setattr(Budget, "step", interrupt)
        else:
            monkeypatch.setattr(compiled.CompiledOperations, "run", run_interrupted)
        with pytest.raises(KeyboardInterrupt):
            interpreter.run(Source("form", "(==> trainer train-online source meter 1000 0.1)"))
        monkeypatch.undo()
        stopped = {name: interpreter.run(Source("form", name)) for name in (":trainer:age", ":meter:size")}
        param = interpreter.run(Source("form", ":param:x")).array.tobytes()
        position = interpreter.run(Source("form", "(==> source tell)"))
    presentations = 2 + chunk
    assert stopped == {":trainer:age": presentations, ":meter:size": presentations} and position == presentations % 9
    whole = outcome(program, [f"(==> trainer train-online source meter {presentations} 0.1)"], False)
    assert whole.slots["param:x"][2] == param


def test_a_trainer_of_the_program_uses_plans() -> None:
    """A message of the library that runs inside one of the program: the slots of the trainer are variables then."""
    child = """
(defclass slow supervised-gradient twice)
(defmethod slow slow (m p) (==> this supervised-gradient m p))
(defmethod slow both (d m) (setq age 5) (==> this train d m 0.1) (==> this train d m 0.05 0.9) (setq twice age))
"""
    program = child + setup(FULL, 3, 1, 1, 4).replace("new supervised-gradient", "new slow")
    done = both(program, "(==> trainer both source meter)", "(print :trainer:twice)", "(==> trainer both source meter)")
    assert "23" in done.text


def test_the_code_has_no_fused_multiply_add() -> None:
    text = operations.operations_text(operations.machine_for(jit.machine("float32").lanes))
    assert "fmuladd" not in text and " contract " not in text and "fast" not in text
    assert "fmadd" not in jit.assembly(text) and "fmla" not in jit.assembly(text)


def test_vectors_of_any_width_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    width = operations.machine_for
    monkeypatch.setattr(compiled, "machine_for", lambda lanes: width(4))
    monkeypatch.setattr(ahead, "_compiled", cache(compiled.CompiledOperations))
    layers = (
        """(setq net (new net-cscf 12 13 3 4 (full-table 2 3) 2 2 5 5 [i [0 0] [2 0] [1 1] [2 1] [0 1]] 5 param))"""
    )
    program = setup(layers, 2, 12, 13, 5)
    both(program, "(==> trainer compute-diaghessian source 9 0.1)", TRAIN, "(==> trainer test source meter)")


def test_without_a_compiler_the_modules_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_compiled", cache(lambda: None))
    both(setup(FULL, 3, 1, 1, 4), TRAIN, compiled=False)


def test_a_chain_that_needs_much_memory_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_MOST_NUMBERS", 100)
    both(setup(FULL, 3, 1, 1, 4), TRAIN, compiled=False)


@needs_reference("gblearn2-programs")
@pytest.mark.parametrize("name", ["xor-modules", "sources-and-costs", "conv16"])
def test_plans_print_what_the_original_printed(name: str) -> None:
    assert REFERENCE is not None
    folder = REFERENCE / "gblearn2-programs"
    port = io.StringIO()
    text = (folder / f"{name}.lsh").read_text(encoding="latin-1")
    read_program(Source(f"{name}.lsh", text), port=port, limits=ACTING)
    assert port.getvalue() == (folder / f"{name}.expected").read_text(encoding="latin-1")
