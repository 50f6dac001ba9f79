"""Run the presentations of a message of a trainer ahead, compiled, all but the last one.

The last presentation of a message runs module by module, so every slot of every object then holds what it would hold
without a plan: each presentation overwrites all of them but the param, the counts of the meter, the age and the
positions of the sources, which are written back. A presentation with a large number or an error runs module by module
too, and so does the one before it: its error then finds the slots as they would be. To know about an error of the last
presentation, it is tried compiled, and taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import thread_time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from snsim.errors import SnError
from snsim.language.forms import symbol
from snsim.language.objects import Object
from snsim.language.procedures import CallError
from snsim.lush.arithmetic import Floats
from snsim.lush.idx import Idx
from snsim.lush.modules.built_in import LushObject
from snsim.lush.modules.meters import ClassifierMeter
from snsim.lush.modules.roots import BBPROP, BPROP, FPROP
from snsim.lush.modules.states_and_params import ClassState, DDparam, Dparam, DparamEps, Param, State
from snsim.lush.plan.chain import (
    Describer,
    Description,
    NotPlannedError,
    NotYetError,
    built_in,
    links,
    machine_of,
    refuse,
)
from snsim.lush.plan.desired import answers_of, cost_of
from snsim.lush.plan.patterns import Reader, reader_of
from snsim.lush.storing import convert
from snsim.lush.vocabulary import LUSH

if TYPE_CHECKING:
    from snsim.lush.plan.compiled import CompiledOperations
    from snsim.lush.plan.layout import Layout, Operations

_F = np.float32
_LEAST = 4  # presentations left that are worth a start
_WARM_UP = 0.5  # seconds of presentations, module by module, that are worth the start of a compiler
_ATTEMPTS = 8  # of a message to find a plan, or to run one that stops at a large number
_CHUNK = 64  # presentations between two looks at the clock
_LARGE = {"test": 1e15, "train": 1e15, "curvature": 1e8}  # a weight from which a sum that nobody computes may overflow
_BEFORE_UPDATE, _IN_UPDATE = 1, 2  # where a large number stops a presentation
_MOST_NUMBERS = 20_000_000  # of the buffers of a plan
_MOST_PRESENTATIONS, _MOST_OUTPUTS = 50_000, 4_000_000  # of one run; the outputs are kept for the meter
_UPDATE, _CLEAR_DX, _CLEAR_DDX = symbol("update"), symbol("clear-dx"), symbol("clear-ddx")
_UPDATE_DELTAS, _UPDATE_DDELTAS = symbol("update-deltas"), symbol("update-ddeltas")
_UPDATE_XAVERAGE = symbol("update-xaverage")
_OF_PARAM = {  # the messages that a presentation sends
    "test": [],
    "train": [_UPDATE, _CLEAR_DX],
    "curvature": [_CLEAR_DX, _CLEAR_DDX, _UPDATE_DELTAS, _UPDATE_DDELTAS],
}
_X, _DX, _DDX = symbol("x"), symbol("dx"), symbol("ddx")
_AGE, _CURRENT, _CORRECTP = symbol("age"), symbol("current"), symbol("correctp")


@cache
def _compiled() -> CompiledOperations | None:
    """Return the compiled operations, or None if llvmlite is missing."""
    try:
        from snsim.lush.plan.compiled import CompiledOperations  # loads llvmlite

        return CompiledOperations()
    except (ImportError, SnError):
        return None


class Plans:
    """The plans of one program: `interpreter.part(Plans)`.

    Attributes
    ----------
    on : bool
        Whether plans are used at all. A program has no word for it.
    seconds, one : float
        The seconds of CPU of all presentations that ran module by module, and of the last of them.
    compiled : int
        How many presentations ran compiled.
    steps : dict
        By trainer: how many steps of the budget a presentation takes, by chain and mode.
    """

    on = True

    def __init__(self, interpreter: object = None):
        self.seconds = self.one = 0.0
        self.compiled = 0
        self.steps: WeakKeyDictionary[Object, dict[tuple[Description, str], int]] = WeakKeyDictionary()
        self._layouts: dict[Description, Layout] = {}

    def layout(self, description: Description) -> Layout:
        """Return the layout of a chain: a few are kept."""
        known = self._layouts.pop(description, None)
        if known is None:
            compiled = _compiled()
            if compiled is None:
                raise refuse("no compiler")
            from snsim.lush.plan.layout import Layout, needed_numbers

            if needed_numbers(description) > _MOST_NUMBERS:
                raise refuse("a chain that needs much memory")
            known = Layout(description, compiled)
        self._layouts[description] = known
        for old in list(self._layouts)[:-4]:
            del self._layouts[old]
        return known


@dataclass(frozen=True)
class Rates:
    """What an update takes: eta, inertia, and kappa of the running mean."""

    eta: float
    inertia: float = 0
    kappa: float = 0


@dataclass(frozen=True)
class Parts:
    """The objects of a presentation."""

    machine: Object
    param: Param
    input: Object
    output: Object
    desired: Idx
    energy: State


class Ahead:
    """The presentations of one message of a trainer.

    The trainer calls `run` before each presentation of its own, and `note` after it. `rates`: a training;
    `share` = 1/n: a mean of second derivatives; else a test.
    """

    def __init__(
        self,
        trainer: LushObject,
        parts: Callable[[], Parts],
        source: Object,
        meter: Object | None,
        rates: Rates | None = None,
        share: float | None = None,
    ):
        self.trainer, self.interpreter, self.plans = trainer, trainer.interpreter, trainer.interpreter.part(Plans)
        self.parts, self.source, self.meter = parts, source, meter
        self.rates, self.share = rates, share
        self.mode = "train" if rates is not None else "test" if share is None else "curvature"
        self.steps: int | None = None
        self.fits = False  # the states had their sizes before the presentation that is noted next
        self._attempts, self._began = _ATTEMPTS, 0.0

    def note(self, steps: int) -> None:
        """Take note of a presentation module by module, which took these steps of the budget."""
        self.steps = steps if self.fits else None
        self.plans.one = thread_time() - self._began
        self.plans.seconds += self.plans.one

    def run(self, count: int) -> int:
        """Run presentations, of which `count` are left, but never the last; return how many: 0 without a plan."""
        done = self._run(count)
        self._began = thread_time()
        return done

    def _run(self, count: int) -> int:
        if count < _LEAST or not self._attempts or not self.plans.on:
            return 0
        if not _compiled.cache_info().currsize and self.plans.seconds + count * self.plans.one < _WARM_UP:
            return 0
        self._attempts -= 1
        self.fits = False
        try:
            run = _Run(self, count)
        except NotYetError:
            return 0
        except (NotPlannedError, CallError):  # the modules raise the error
            self._attempts = 0
            return 0
        return run.run()


class _Run:
    """Some presentations, one after the other."""

    def __init__(self, ahead: Ahead, count: int):
        """Check that a plan fits; NotPlannedError or CallError if not."""
        parts, plans = ahead.parts(), ahead.plans
        self.ahead, self.parts = ahead, parts
        self.reader = reader_of(ahead.source)
        self.description = self._describe(parts, self.reader)
        age = ahead.trainer.get(_AGE)
        if not isinstance(age, float):
            raise refuse("an age that is no number")
        self.age = age
        ahead.fits = True
        known = plans.steps.setdefault(ahead.trainer, {})
        steps = ahead.steps if ahead.steps is not None else known.get((self.description, ahead.mode))
        if steps is None:
            raise NotYetError("a chain that no presentation has tried")
        known[self.description, ahead.mode] = self.steps = steps
        self._check_rates()
        self.layout = plans.layout(self.description)
        current = ahead.source.slots[_CURRENT]
        if not isinstance(current, float) or not 0 <= current < self.reader.size:
            raise refuse("a source beyond its end")
        count = min(count, _MOST_PRESENTATIONS, max(_LEAST, _MOST_OUTPUTS // self.layout.outputs))
        self.numbers = (int(current) + np.arange(count)) % self.reader.size
        self.classes = self._classes()
        if len(self.classes) < _LEAST:
            raise NotYetError("too few patterns before one with an unknown label")
        self.numbers = self.numbers[: len(self.classes)]

    # ---- Checks --------------------------------------------------------------------------------------------------

    def _describe(self, parts: Parts, reader: Reader) -> Description:
        mode = self.ahead.mode
        selectors = {"test": [FPROP], "train": [FPROP, BPROP], "curvature": [FPROP, BPROP, BBPROP]}[mode]
        built_in(parts.param, *_OF_PARAM[mode])
        if type(parts.param) not in (Dparam, DparamEps, DDparam):
            raise refuse("another param")
        machine = machine_of(parts.machine, selectors)
        if type(parts.output) is not ClassState:
            raise refuse("another answer")
        self._check_meter()
        levels = len(selectors)
        describer = Describer(parts.param, levels)
        chain = list(links(machine.module, parts.input, machine.out, selectors))
        for link in chain:
            built_in(link.module, *selectors)
        description = describer.describe(chain, reader.sizes)
        outputs, *places = description.output
        if places != [1, 1]:
            raise refuse("several places of the output")
        for level in (_X, _DX, _DDX)[:levels]:
            part = parts.energy.slots.get(level)
            if not isinstance(part, Idx) or part.sizes != () or part.kind != _F:
                raise refuse("no energy")
            describer.alone(part)
        if parts.desired.sizes != () or parts.desired.kind.kind not in "iuf":
            raise refuse("no label")
        describer.alone(parts.desired)
        self.cost = cost_of(machine.cost, outputs, selectors, describer)
        self.answers = answers_of(machine.classifier, outputs, describer)
        if any(np.may_share_memory(stored, whole) for stored in reader.stored for whole in describer.arrays):
            raise refuse("matrices share their memory")
        return description

    def _check_meter(self) -> None:
        meter = self.ahead.meter
        if meter is None:
            return
        if type(meter) is not ClassifierMeter or meter.slots[_CORRECTP] is not LUSH.get("same-class?"):
            raise refuse("another meter")
        built_in(meter, _UPDATE)
        if not all(isinstance(value, float) for name, value in meter.slots.items() if name is not _CORRECTP):
            raise refuse("a count that is no number")

    def _check_rates(self) -> None:
        rates, param = self.ahead.rates, self.parts.param
        x = param.x.array
        if not len(x) or not float(np.abs(x).max()) < _LARGE[self.ahead.mode]:
            raise refuse("a large weight")
        if rates is None:
            return
        if not (abs(rates.eta) < 1e10 and 0 <= rates.inertia <= 1 and abs(rates.kappa) <= 1):
            raise refuse("large rates")
        if rates.kappa:
            if not isinstance(param, DDparam) or not np.isfinite(param.xaverage.array).all() or self.age < 0:
                raise refuse("a running mean that would raise an error")
            built_in(param, _UPDATE_XAVERAGE)

    def _classes(self) -> np.ndarray:
        """Return the number of the class of each pattern, up to the first that has an unknown label."""
        self.wanted = convert(self.reader.labels(self.numbers), self.parts.desired.kind).astype(np.float64)
        return self.cost.classes(self.wanted)

    # ---- Presentations -------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Run the presentations; return how many."""
        layout, size = self.layout, self.layout.outputs
        count = len(self.numbers)
        self.kept, self.energies = np.zeros((count, size), _F), np.zeros(count, _F)
        self.state = _State(self, layout)
        ages = self._ages(count)
        self.progress = np.zeros(1, np.int64)
        try:
            while self._run_some(count, ages):
                pass
        finally:
            self.state.write_back()
            self._settle(ages)
        return self.done

    @property
    def done(self) -> int:
        """The number of presentations that are complete."""
        return int(self.progress[0])

    def _run_some(self, count: int, ages: list[float]) -> bool:
        """Run some presentations; return whether there are more."""
        before, layout = self.done, self.layout
        some = slice(before, min(before + _CHUNK, count))
        self._run_chunk(some, ages)
        stopped = self.done < some.stop
        if stopped and layout.flag[0] == _IN_UPDATE:
            self.state.undo(begun=True)
        elif self.done and (stopped or self.done == count):
            self.state.undo(begun=False)
            self.progress -= 1  # it runs module by module, for its slots
        self.ahead.interpreter.budget.step(self.steps * (self.done - before))
        return self.done == some.stop

    def _ages(self, count: int) -> list[float]:
        """Return the age of the trainer before each presentation, and after the last."""
        ages = [self.age]
        for _ in range(count):
            ages.append(ages[-1] + (1 if self.ahead.mode == "train" else 0))
        return ages

    def _run_chunk(self, some: slice, ages: list[float]) -> None:
        layout, count = self.layout, some.stop - some.start
        inputs = self.reader.inputs(self.numbers[some])
        patterns = np.zeros(inputs.size + 64, _F)
        patterns[: inputs.size].reshape(inputs.shape)[...] = inputs
        operations = self._operations(patterns, some, ages)
        layout.check[...] = 0
        layout.compiled.run(operations.table(), count, layout.flag, self.progress)

    def _operations(self, patterns: Floats, some: slice, ages: list[float]) -> Operations:
        """Return the operations of a chunk."""
        from snsim.lush.plan.layout import Operations

        layout, mode = self.layout, self.ahead.mode
        list_ = Operations(layout.compiled)
        size = int(np.prod(self.description.sizes))
        vectors = -(-size // layout.lanes)
        list_.add("present", target=layout.input, source=patterns, size=size, vectors=vectors)
        list_.extend(layout.forward())
        classes, energy = self.classes[some], self.parts.energy
        self.cost.add_forward(list_, layout, classes, self.energies[some.start :])
        if self.ahead.meter is not None:
            list_.add("keep_output", x=layout.output, kept=self.kept[some.start :], outputs=layout.outputs)
        if mode != "test":
            self.cost.add_back(list_, layout, classes, energy)
            list_.extend(layout.backward() if mode == "train" else layout.errors())
        list_.add("stop_if_large", check=layout.check, flag=layout.flag, stage=_BEFORE_UPDATE)
        if mode != "test":
            self.state.add_update(list_, some, ages)
        return list_

    def _settle(self, ages: list[float]) -> None:
        """Write what the presentations leave in trainer, sources and meter."""
        done, source = self.done, self.ahead.source
        self.ahead.plans.compiled += done
        if not done:
            return
        self.ahead.trainer.set(_AGE, ages[done])
        self.reader.settle(self.numbers[:done])
        source.set(_CURRENT, float((self.numbers[done - 1] + 1) % self.reader.size))
        meter = self.ahead.meter
        if meter is None:
            return
        assert isinstance(meter, ClassifierMeter)
        answers, confidences = self.answers(self.kept[:done])
        wanted = self.wanted[:done]
        punt = answers == -1
        right = ~punt & (answers == wanted)
        total = meter.total_energy
        for energy in self.energies[:done].tolist():
            total += energy
        meter.total_energy = total
        meter.size += float(done)
        meter.total_correct += float(right.sum())
        meter.total_punt += float(punt.sum())
        meter.total_error += float((~punt & ~right).sum())
        meter.age = ages[done - 1]
        meter.energy, meter.confidence = float(self.energies[done - 1]), float(confidences[-1])


class _State:
    """The vectors of the param, as the operations have them."""

    def __init__(self, run: _Run, layout: Layout):
        self.run, self.layout, self.param = run, layout, run.parts.param
        self.target, self.place = layout.target, layout.place
        self._load(layout.x, self.param.x)
        self._written: list[tuple[Floats, Idx]] = []
        self._backups: list[tuple[Floats, Floats]] = []
        self._last: Floats | None = None
        mode, param = run.ahead.mode, self.param
        if mode == "train":
            self._written.append((layout.x, param.x))
            self._backups.append((layout.x, layout.backup))
            if isinstance(param, DparamEps):
                self._load(layout.rates, param.epsilons)
            else:
                layout.rates[self.target] = 1
            assert run.ahead.rates is not None
            if run.ahead.rates.inertia:
                assert isinstance(param, Dparam)
                self.deltas = self._also(param.deltas)
            if run.ahead.rates.kappa:
                assert isinstance(param, DDparam)
                self.xaverage = self._also(param.xaverage)
                self._last = self.xaverage[0]
        elif mode == "curvature":
            assert isinstance(param, DDparam)
            self.ddeltas = self._also(param.ddeltas)

    def _load(self, numbers: Floats, whole: Idx) -> None:
        numbers[self.target] = whole.array[self.place]

    def _also(self, whole: Idx) -> tuple[Floats, Floats]:
        """Return a vector that is updated too, and its values before the last update."""
        from snsim.lush.plan.layout import buffer

        numbers, backup = (buffer(self.layout.size) for _ in range(2))
        self._load(numbers, whole)
        self._written.append((numbers, whole))
        self._backups.append((numbers, backup))
        return numbers, backup

    def undo(self, begun: bool) -> None:
        """Take back the last update; `begun`: it has not come to the running mean yet."""
        for numbers, backup in self._backups:
            if not begun or numbers is not self._last:
                numbers[...] = backup

    def write_back(self) -> None:
        """Copy the vectors that were updated into the param."""
        layout = self.layout
        for numbers, whole in self._written:
            whole.array[self.place[layout.unique]] = numbers[self.target[layout.unique]]

    def add_update(self, list_: Operations, some: slice, ages: list[float]) -> None:
        """Add the operations that update the vectors."""
        layout, ahead = self.layout, self.run.ahead
        common: dict[str, Any] = {"vectors": layout.vectors, "check": layout.check}
        if ahead.share is not None:
            self.run.cost.add_curvature(list_, layout, self.run.classes[some], self.run.parts.energy)
            list_.extend(layout.curvature())
            numbers, backup = self.ddeltas
            new, old = float(_F(ahead.share)), 1.0
            list_.add("mix", target=numbers, source=layout.dx, backup=backup, new=new, old=old, **common)
        else:
            rates = ahead.rates
            assert rates is not None
            direction = layout.dx
            if rates.inertia:
                direction, backup = self.deltas
                new, old = float(_F(1) - _F(rates.inertia)), float(_F(rates.inertia))
                list_.add("mix", target=direction, source=layout.dx, backup=backup, new=new, old=old, **common)
            list_.add(
                "update",
                x=layout.x,
                direction=direction,
                rates=layout.rates,
                backup=layout.backup,
                minus_eta=float(-_F(rates.eta)),
                **common,
            )
        list_.add("stop_if_large", check=layout.check, flag=layout.flag, stage=_IN_UPDATE)
        if ahead.rates is not None and ahead.rates.kappa:
            numbers, backup = self.xaverage
            kappas = self._kappas(ahead.rates.kappa, ages[some])
            vectors = layout.vectors
            list_.add("average", target=numbers, x=layout.x, backup=backup, kappas=kappas, vectors=vectors)

    @staticmethod
    def _kappas(kappa: float, ages: list[float]) -> Floats:
        """Return 1 - k and k for the age of each presentation."""
        k = np.array([_F(kappa) if kappa > 0 else _F(-kappa) / _F(1 + age) for age in ages], _F)
        return np.stack([_F(1) - k, k], axis=1).copy()
