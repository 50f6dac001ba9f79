"""Run whole passes over patterns as one compiled loop, in place of words that are called for each pattern.

Learning and measuring call about 15 words for each pattern, all of which a program may replace: present-pattern,
forward-prop, backward-prop, classify and so on. `FusedSweeps` reads what these words are now. If each is a built-in
word, or a Lisp function that only calls built-in words on layers (as `define-net` writes them), it writes the
operations of one pattern down as a list for `sweep_code.run_sweep`. The results are equal to the bit.

Otherwise `run` does nothing, and the caller goes on word by word: a word is redefined, a display or noise is on, a
non-linearity is a Lisp function, or the loops are not compiled. The first pattern of a new list is always left to the
words, which check it, warn, and show how many steps a pattern counts. A pattern whose error is not finite is left to
the words too: they raise the error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.language.forms import NIL, QUOTE, Form, Pair, Symbol, as_matrix, symbol
from snsim.language.procedures import TRUE, CallError, Function, Procedure
from snsim.runtime.settings import DESIRED, INPUT, NET, OUTPUT
from snsim.runtime.vocabulary import SN28
from snsim.sn28.net.adjacency import Edges, Memory, Units, as_memory
from snsim.sn28.net.arguments import Arguments
from snsim.sn28.net.netspace import BACKSUM, EPSILON, GGRAD, GRAD, SQBACKSUM, SUM, VAL, Netspace
from snsim.sn28.net.nlf import (
    Bell,
    BellDerivative,
    CentralDifference,
    Linear,
    NonLinearity,
    Piecewise,
    SecondDifference,
    Tanh,
    TanhDerivative,
    Threshold,
    Zero,
)

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_F = np.float32
_SETQ, _DIVIDE, _LENGTH, _IF, _PROGN = (symbol(name) for name in ("setq", "/", "length", "if", "progn"))
_LOCAL_ERROR = symbol("local-error")
_UNITS_PER_RUN = 200_000  # connections that one run of the compiled loop passes: some milliseconds
_MOST_FORMS = 1_000
_MOST_LISTS, _LONGEST_WAIT = 64, 10_000


class NotFusedError(Exception):
    """Raised when a pass cannot be fused, so that its words must be called one by one."""


@dataclass
class _List:
    """The operations of one pattern, and everything that must be unchanged for them to be valid."""

    version: int
    rewritten: int
    reads: list[tuple[list[Form], Form]]  # a list of bindings, and the last of them
    edges: tuple[Edges, Edges]
    unit: list[Memory]
    operations: np.ndarray
    kept: list[Any]  # keeps the memory of the arguments
    inputs: list[tuple[np.ndarray, Form]]  # the arguments of each `present`, and the matrix
    learns: bool  # whether weights are changed
    warns: bool  # whether the words still have to warn about long patterns
    good_value: Form  # of good-answer, if the answer is good
    steps: int | None = None  # that one pattern counts, once it is known
    errors: np.ndarray = field(default_factory=lambda: np.zeros(0))
    totals: np.ndarray = field(default_factory=lambda: np.zeros(0))
    good: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    results: list[tuple[np.ndarray, int, str]] = field(default_factory=list)  # slots that point to these arrays
    status: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))


@dataclass(frozen=True)
class Pass:
    """What is done for each pattern, in the words of the library.

    `step` is the word that does it for one pattern, if there is one. `desired`: the desired outputs are presented.
    `functions` are called with the net. `measures`: `do-compute-err` is
    called with the outputs. `display` is the hook called after `classify`, or "" if the answer is not judged.
    `tangent`: the states' change along delta is computed and its squares are summed (batch-cg2-iteration).
    """

    step: str = ""
    functions: tuple[str, ...] = ()
    desired: bool = True
    measures: bool = False
    display: str = ""
    tangent: bool = False


class FusedSweeps:
    """The compiled passes of one program: each does in one call what several words do for many patterns.

    `interpreter.part(FusedSweeps)` returns it.
    """

    def __init__(self, interpreter: Interpreter):
        self.interpreter = interpreter
        self.enabled = True
        self._lists: dict[Pass, _List | None] = {}
        self._refused: dict[Pass, tuple[int, int]] = {}  # calls to wait before the words are read again, and then

    def run(self, what: Pass, patterns: Sequence[int]) -> tuple[int, np.ndarray, np.ndarray]:
        """Do a pass for patterns from the first on.

        Return how many were done (0 if none can be); the error of each, for a tangent pass the sum of the squares
        of the change of its outputs; and whether its answer was good.
        """
        nothing = 0, np.zeros(0), np.zeros(0, np.int64)
        if not self.enabled:
            return nothing
        operations = self._list(what)
        if operations is None or operations.steps is None:
            return nothing
        rows = np.array(patterns, np.int64)
        if not self._present(operations, rows):
            return nothing
        count = len(rows)
        if len(operations.errors) < count:
            self._make_results(operations, count)
        space = self.interpreter.part(Netspace)
        space.has_learned = space.has_learned or operations.learns
        size = max(1, _UNITS_PER_RUN // (space.snum + 100))
        loops: Any = space.loops  # of compiled_sums, else there is no list
        run, status = loops.run_sweep, operations.status
        status[:] = 0
        done = 0
        result = operations.totals if what.tangent else operations.errors
        while done < count and not status[0]:
            part = min(size, count - done)
            for slots, slot, kind in operations.results if done or size < count else ():
                slots[slot] = getattr(operations, kind).ctypes.data + 8 * done
            status[1] = 0
            run(
                operations.operations.ctypes.data,
                len(operations.operations) // 2,
                rows.ctypes.data + 8 * done,
                part,
                status.ctypes.data,
            )
            done += int(status[1])
            self.interpreter.step(operations.steps * int(status[1]))
        if size < count:
            for slots, slot, kind in operations.results:
                slots[slot] = getattr(operations, kind).ctypes.data
        return done, result[:done], operations.good[:done]

    def forget(self) -> None:
        """Forget the compiled passes, because numbers that they have tabulated may have changed."""
        self._lists.clear()
        self._refused.clear()

    def is_ready(self, what: Pass) -> bool:
        """Return whether `run` can do a pass now, unless a pattern is missing."""
        if not self.enabled:
            return False
        operations = self._list(what)
        return operations is not None and operations.steps is not None

    def word_by_word(self, what: Pass) -> _Watch:
        """Return a context that watches one pattern done by the words: the steps that it counts."""
        return _Watch(self, what)

    def answer(self, what: Pass, good: bool) -> Form:
        """Return the value of `classify` after a pass, for a good answer or not."""
        operations = self._lists[what]
        return operations.good_value if operations is not None and good else NIL

    # Validity

    def _list(self, what: Pass) -> _List | None:
        interpreter = self.interpreter
        known = self._lists.get(what)
        if known is not None and self._is_valid(known):
            return known
        wait, longer = self._refused.get(what, (0, 8))
        if wait:  # a program that redefines a word is not read again for each call
            self._refused[what] = wait - 1, longer
            return None
        if not hasattr(interpreter.part(Netspace).loops, "run_sweep"):
            self.enabled = False
            return None
        try:
            made = _Writer(interpreter).write(what)
        except (NotFusedError, CallError):
            self._lists.pop(what, None)
            self._refused[what] = longer, min(2 * longer, _LONGEST_WAIT)
            return None
        self._refused.pop(what, None)
        if len(self._lists) > _MOST_LISTS:
            self._lists.clear()
        if known is not None and len(known.operations) == len(made.operations) and not made.warns:
            made.steps = known.steps  # a number has changed, such as alpha
        self._lists[what] = made
        return made

    def _is_valid(self, operations: _List) -> bool:
        interpreter = self.interpreter
        if operations.version != interpreter.version[0] or operations.rewritten != interpreter.rewritten:
            return False
        for stack, value in operations.reads:
            last = stack[-1]
            if last is not value and not (type(last) is float and type(value) is float and last == value):
                return False
        space = interpreter.part(Netspace)
        return (
            operations.unit is space.unit
            and operations.edges[0] is space.incoming
            and operations.edges[1] is space.outgoing
        )

    def _present(self, operations: _List, rows: np.ndarray) -> bool:
        """Point the presenting operations to their matrices; return False if a pattern is missing."""
        first, last = int(rows.min()), int(rows.max())
        for slots, matrix in operations.inputs:
            if first < 0 or last >= len(matrix):
                return False
            if matrix.dtype == _F and matrix.flags.c_contiguous:
                slots[2] = matrix.ctypes.data
            else:
                some = np.ascontiguousarray(matrix[first : last + 1], _F)
                operations.kept[0][id(slots)] = some
                slots[2] = some.ctypes.data - 4 * first * int(slots[3])
        return True

    def _make_results(self, operations: _List, count: int) -> None:
        size = max(count, 64)
        operations.errors, operations.totals = np.zeros(size), np.zeros(size)
        operations.good = np.zeros(size, np.int64)
        for slots, slot, kind in operations.results:
            slots[slot] = getattr(operations, kind).ctypes.data


class _Watch:
    """Counts the steps of one pattern done by the words."""

    def __init__(self, sweeps: FusedSweeps, what: Pass):
        self._sweeps, self._what = sweeps, what
        self._list: _List | None = None

    def __enter__(self) -> None:
        sweeps = self._sweeps
        self._list = sweeps._list(self._what) if sweeps.enabled else None
        self._before = sweeps.interpreter.budget.steps

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._list is not None:
            self._list.steps = self._sweeps.interpreter.budget.steps - self._before


class _Writer:
    """Writes the operations of a pass. Raises NotFusedError if the words must be called one by one."""

    def __init__(self, interpreter: Interpreter):
        self.interpreter = interpreter
        self.space = interpreter.part(Netspace)
        self.loops: Any = self.space.loops
        self.reads: dict[int, tuple[list[Form], Form]] = {}
        self.learns = self.warns = False
        self.good_value: Form = NIL
        self.cells: list[Pair] = []
        self.list: list[int] = []
        self.kept: list[Any] = [{}]
        self.inputs: list[tuple[np.ndarray, Form]] = []
        self.results: list[tuple[np.ndarray, int, str]] = []
        self.status = np.zeros(2, np.int64)
        self._fields: dict[str, Memory] = {}
        self._forms = 0

    def write(self, what: Pass) -> _List:
        """Return the list of a pass."""
        interpreter, space = self.interpreter, self.space
        version, rewritten = interpreter.version[0], interpreter.rewritten
        if what.step:
            self.expect_built_in(what.step)
        if self.number("input-noise") != 0:
            raise NotFusedError
        inputs, net = self.read(INPUT), self.read(NET)
        self.present("present-pattern", "pattern-matrix", inputs)
        self.call("forward-prop", [net])
        if what.tangent:
            self.unit_operation("sweep_fill", self.units(inputs), [self.field(GRAD)], [0.0])
            self.call("forward-2-prop", [net])
            totals = self.operation(
                "sweep_square_total", [*self.layer(self.units(self.read(OUTPUT))), self.field(GRAD), 0]
            )
            self.results.append((totals, 3, "totals"))
        if what.desired:
            self.present("present-desired", "desired-matrix", self.read(DESIRED))
        for function in what.functions:
            self.call(function, [net])
        if what.measures:
            self.call("do-compute-err", [self.read(OUTPUT), self.read(DESIRED)])
        if what.display:
            self.classify()
            self.expect_built_in("process-pending-events")
            if self.procedure(what.display) is not _word("disp-nil"):
                raise NotFusedError
        for cell in self.cells:
            if cell.code is None:
                cell.code = 0  # a mark: a change of it in place changes the version
        if interpreter.version[0] != version:
            raise NotFusedError
        return _List(
            version,
            rewritten,
            [*self.reads.values()],
            (space.incoming, space.outgoing),
            space.unit,
            np.array(self.list, np.int64),
            [*self.kept],
            self.inputs,
            self.learns,
            self.warns,
            self.good_value,
            results=self.results,
            status=self.status,
        )

    # What the program has now

    def read(self, name: Symbol | str) -> Form:
        """Return the value of a variable; the list is valid as long as the variable has it."""
        name = symbol(name) if isinstance(name, str) else name
        stack = self.interpreter.stack_of(name)
        self.reads[id(stack)] = stack, stack[-1]
        return self.interpreter.lookup(name)

    def number(self, name: str) -> float:
        value = self.read(name)
        if type(value) is not float:
            raise NotFusedError
        return value

    def procedure(self, name: str) -> Form:
        """Return what a name calls; the list is valid as long as it does."""
        key = symbol(name)
        if not self.interpreter.has_bindings(key):
            self.interpreter.inlined.add(key)
            return self.interpreter.procedure(key)
        procedure = self.interpreter.procedure(key)
        stack = self.interpreter.stack_of(key)
        if stack[-1] is not procedure:
            raise NotFusedError
        self.reads[id(stack)] = stack, procedure
        return procedure

    def expect_built_in(self, name: str) -> None:
        if self.procedure(name) is not _word(name):
            raise NotFusedError

    # Lisp functions

    def call(self, name: str, arguments: list[Form]) -> None:
        """Write the call of a Lisp function of the program, or of a word."""
        procedure = self.procedure(name)
        if isinstance(procedure, Function):
            if procedure.accepts != len(arguments):
                raise NotFusedError
            self.body(procedure.body, dict(zip(procedure.parameters.required, arguments)))
        elif procedure is not None and procedure is _word(name):
            self.word(name, arguments)
        else:
            raise NotFusedError

    def body(self, forms: Form, values: dict[Symbol, Form]) -> None:
        for form in self.elements(forms):
            self.form(form, values)

    def form(self, form: Form, values: dict[Symbol, Form]) -> None:
        parts = self.elements(form)
        if not parts or type(parts[0]) is not Symbol:
            raise NotFusedError
        head, arguments = parts[0], parts[1:]
        if head is _SETQ and len(arguments) == 2 and arguments[0] is _LOCAL_ERROR and _LOCAL_ERROR not in values:
            self.core("setq")
            self.mean_error(arguments[1], values)
        elif head is _IF and len(arguments) >= 2 and type(arguments[0]) is Symbol:
            self.core("if")
            if self.value(arguments[0], values) is not NIL:
                self.form(arguments[1], values)
            else:
                for other in arguments[2:]:
                    self.form(other, values)
        elif head is _PROGN:
            self.core("progn")
            for other in arguments:
                self.form(other, values)
        else:
            self.call(head.name, [self.value(argument, values) for argument in arguments])

    def elements(self, value: Form) -> list[Form]:
        """Return the elements of a list of the program's text."""
        items: list[Form] = []
        while type(value) is Pair:
            self.cells.append(value)
            self._forms += 1
            if self._forms > _MOST_FORMS:
                raise NotFusedError
            items.append(value.car)
            value = value.cdr
        if value is not NIL:
            raise NotFusedError
        return items

    def core(self, name: str) -> None:
        """Make sure that a word of the Lisp has its own meaning."""
        key = symbol(name)
        if self.interpreter.has_bindings(key):
            raise NotFusedError
        self.interpreter.inlined.add(key)

    def value(self, form: Form, values: dict[Symbol, Form]) -> Form:
        if type(form) is Symbol:
            return values[form] if form in values else self.read(form)
        if type(form) is Pair:
            raise NotFusedError
        return form

    def mean_error(self, form: Form, values: dict[Symbol, Form]) -> None:
        """Write (/ (init-grad dnlf out des) (length out)), with which `define-net` computes the error."""
        parts = self.elements(form)
        if len(parts) != 3 or parts[0] is not _DIVIDE:
            raise NotFusedError
        call, count = self.elements(parts[1]), self.elements(parts[2])
        if len(call) != 4 or type(call[0]) is not Symbol or len(count) != 2 or count[0] is not _LENGTH:
            raise NotFusedError
        self.core("/")
        self.core("length")
        arguments = [self.value(argument, values) for argument in call[1:]]
        layer = self.value(count[1], values)
        if layer is not arguments[1]:
            raise NotFusedError
        procedure, limit = self.procedure(call[0].name), None
        if isinstance(procedure, Function):
            limit = self.threshold(procedure)
        elif procedure is not _word("init-grad-lms"):
            raise NotFusedError
        args = Arguments(self.interpreter, "init-grad-lms", arguments)
        self.read("dnlf")
        slope, output, desired = args.function("dnlf"), args.layer(), args.layer()
        args.expect_end()
        if output.count != desired.count or output.count != len(self.layer_elements(layer)) or not output.count:
            raise NotFusedError
        der = self.nlf(output, slope, self.field(SUM))
        fields = [self.field(number) for number in (VAL,)]
        slots = self.operation(
            "sweep_errors",
            [
                *self.layer(output),
                desired.memory.address,
                *(memory.address for memory in fields),
                der.address,
                self.field(BACKSUM).address,
                self.field(GRAD).address,
                int(limit is not None),
                _float_slot(limit or 0.0),
                _double_slot(float(output.count)),
                0,
                self.status.ctypes.data,
            ],
        )
        self.kept += [desired, output]
        self.results.append((slots, 10, "errors"))
        if self.space.kernel.newton:
            self.unit_operation("sweep_fill", output, [self.field(SQBACKSUM)], [1.0])

    def layer_elements(self, layer: Form) -> list[Form]:
        items: list[Form] = []
        while type(layer) is Pair:
            items.append(layer.car)
            layer = layer.cdr
        return items

    def threshold(self, function: Function) -> float:
        """Return the threshold of the function that `set-cost-thlms` defines as init-grad."""
        if function.parameters.required or function.parameters.rest is not symbol("layers"):
            raise NotFusedError
        body = self.elements(function.body)
        apply = self.elements(body[0]) if len(body) == 1 else []
        if len(apply) != 3 or apply[0] is not symbol("apply"):
            raise NotFusedError
        quote, append = self.elements(apply[1]), self.elements(apply[2])
        if quote != [QUOTE, symbol("init-grad-thlms")] or len(append) != 3:
            raise NotFusedError
        listed = self.elements(append[2])
        if append[:2] != [symbol("append"), symbol("layers")] or len(listed) != 2 or listed[0] is not symbol("list"):
            raise NotFusedError
        if type(listed[1]) is not float:
            raise NotFusedError
        for name in ("apply", "append", "list", "quote"):
            self.core(name)
        self.expect_built_in("init-grad-thlms")
        return listed[1]

    # Words

    def word(self, name: str, arguments: list[Form]) -> None:
        """Write a word of SN-2.8 for evaluated arguments."""
        writer = _WORDS.get(name)
        if writer is None:
            raise NotFusedError
        for variable in ("theta", "nlf", "dnlf", "ddnlf", "alpha", "decay", "gamma", "mu"):
            self.read(variable)
        writer(self, Arguments(self.interpreter, name, arguments))

    def update_state(self, args: Arguments) -> None:
        if args.number("theta") != 0:
            raise NotFusedError
        nlf = args.function("nlf")
        for units in args.layers():
            self.edge_operation("sweep_weighted_sum", units, self.space.incoming, [], [self.space.weight_val, VAL, SUM])
            self.nlf(units, nlf, self.field(SUM), self.field(VAL))

    def update_gradient(self, args: Arguments) -> None:
        slope = args.function("dnlf")
        for units in args.layers():
            self.edge_operation(
                "sweep_weighted_sum", units, self.space.outgoing, [], [self.space.weight_val, GRAD, BACKSUM]
            )
            der = self.nlf(units, slope, self.field(SUM))
            self.unit_operation("sweep_product", units, [self.field(BACKSUM), der, self.field(GRAD)])

    def update_deltastate(self, args: Arguments) -> None:
        slope = args.function("dnlf")
        out = self.scratch("moved")
        for units in args.layers():
            space = self.space
            self.edge_operation(
                "sweep_moved_sum", units, space.incoming, [], [space.weight_val, GRAD, space.delta, VAL, out]
            )
            der = self.nlf(units, slope, self.field(SUM))
            self.unit_operation("sweep_product", units, [der, out, self.field(GRAD)])

    def update_lmggradient(self, args: Arguments) -> None:
        slope, gamma = args.function("dnlf"), args.number("gamma")
        for units in args.layers():
            self._curvature(units, slope, None, gamma)

    def update_ggradient(self, args: Arguments) -> None:
        slope, bend, gamma = args.function("dnlf"), args.function("ddnlf"), args.number("gamma")
        for units in args.layers():
            self._curvature(units, slope, bend, gamma)

    def _curvature(self, units: Units, slope: NonLinearity, bend: NonLinearity | None, gamma: float) -> None:
        space, sums = self.space, self.field(SUM)
        self.edge_operation("sweep_square_sum", units, space.outgoing, [], [space.weight_val, GGRAD, SQBACKSUM])
        der = self.nlf(units, slope, sums)
        if bend is None:
            self.unit_operation("sweep_curvature", units, [self.field(SQBACKSUM), der, self.field(GGRAD)])
        else:
            second = self.nlf(units, bend, sums, self.scratch("bend"))
            fields = [self.field(SQBACKSUM), der, self.field(BACKSUM), second, self.field(GGRAD)]
            self.unit_operation("sweep_full_curvature", units, fields)
        self.edge_operation("sweep_average", units, space.incoming, [gamma], [GGRAD, VAL, space.sigma])

    def update_weight(self, args: Arguments) -> None:
        alpha, decay = args.number("alpha"), args.number("decay")
        args.expect_end()
        self.learns = True
        if self.space.kernel.iterative:
            self._clear(self.space.acc)
            self._accumulate()
            self._move(alpha, decay)
        else:
            self._learn(alpha, decay, None)

    def update_w_newton(self, args: Arguments) -> None:
        alpha, decay, mu = args.number("alpha"), args.number("decay"), args.number("mu")
        args.expect_end()
        self.learns = True
        if self.space.kernel.iterative:
            space = self.space
            self._clear(space.acc)
            self._accumulate()
            self._clear(space.hess)
            self._gather()
            self.weight_operation("sweep_scale", [space.acc, space.hess], [mu])
            self._move(alpha, decay)
        else:
            self._learn(alpha, decay, mu)

    def update_acc(self, args: Arguments) -> None:
        args.expect_end()
        self._accumulate()

    def update_hess(self, args: Arguments) -> None:
        args.expect_end()
        self._gather()

    def _clear(self, memory: Memory) -> None:
        self.weight_operation("sweep_clear", [memory], [0.0])

    def _accumulate(self) -> None:
        space = self.space
        newton = space.kernel.newton
        self.edge_operation(
            "sweep_accumulate_by_connection" if newton else "sweep_accumulate",
            space.all_units,
            space.incoming,
            [],
            [VAL, GRAD, space.rate if newton else EPSILON, space.acc],
        )

    def _gather(self) -> None:
        space = self.space
        self.edge_operation("sweep_gather", space.all_units, space.incoming, [], [space.sigma, space.hess])

    def _move(self, alpha: float, decay: float) -> None:
        space = self.space
        if alpha == 0:
            self.weight_operation("sweep_copy", [space.acc, space.delta], [1.0])
        else:
            share = _F(1) - _F(alpha)
            self.weight_operation("sweep_momentum", [space.acc, space.delta], [alpha, float(share)])
        self.weight_operation("sweep_move", [space.weight_val, space.delta], [float(_F(1) - _F(decay))])

    def _learn(self, alpha: float, decay: float, mu: float | None) -> None:
        space = self.space
        momentum = "_momentum" if alpha != 0 else ""
        if space.kernel.newton:
            name = f"sweep_learn_by_connection{momentum}{'_newton' if mu is not None else ''}"
            numbers = [alpha, decay, 0.0 if mu is None else mu]
            fields: list[Memory | int] = [VAL, GRAD, space.rate, space.sigma, space.weight_val, space.delta]
        else:
            name, numbers = f"sweep_learn{momentum}", [alpha, decay]
            fields = [VAL, GRAD, EPSILON, space.weight_val, space.delta]
        self.edge_operation(name, space.all_units, space.incoming, numbers, fields)

    # Presenting and judging

    def present(self, name: str, variable: str, layer: Form) -> None:
        """Write the presentation of a row of a matrix. The words of radial basis functions are tabulated as one."""
        procedure = self.procedure(name)
        tabulated = next((word for word in _TABULATED if procedure is _word(word)), None)
        if tabulated is not None:
            matrix = self.tabulate(tabulated, layer)
        elif procedure is _word(name):
            self.expect_built_in("get-pattern")
            matrix = as_matrix(self.read(variable))
        else:
            raise NotFusedError
        if not isinstance(matrix, np.ndarray) or matrix.dtype == object or matrix.ndim < 1 or layer is NIL:
            raise NotFusedError
        units = self.units(layer)
        width = int(np.prod(matrix.shape[1:]))
        if width < units.count:
            raise NotFusedError
        self.warns = self.warns or (width > units.count and not self.space.warned_of_longer_patterns)
        slots = self.operation("sweep_present", [*self.layer(units), 0, width, 0, self.field(VAL).address])
        self.kept.append(matrix)
        self.inputs.append((slots, matrix))

    def tabulate(self, name: str, layer: Form) -> np.ndarray:
        """Return what a presenting word sets a layer to, for each word of the codebook `rbf-cbdata`."""
        data: Any = self.read("rbf-cbdata")
        for variable in ("rbf-codebook", "rbf-classes"):
            self.read(variable)
        self.expect_built_in("state")
        val, index = self.field(VAL).array, self.units(layer).index
        before = val.copy()
        rows = []
        for i in range(len(data) if isinstance(data, Procedure) and hasattr(data, "__len__") else 0):
            self.interpreter.call(name, layer, float(i))
            rows.append(val[index].copy())
        val[:] = before
        return np.array(rows, _F).reshape(len(rows), -1)

    def classify(self) -> None:
        """Write the test that `classify` is: a built-in one, or one with numbers as `set-class-lms` defines it."""
        procedure, numbers = self.procedure("classify"), [0.0, 0.0]
        name = getattr(procedure, "name", "")
        if isinstance(procedure, Function):
            if procedure.accepts != 1:
                raise NotFusedError
            body = self.elements(procedure.body)
            call = self.elements(body[0]) if len(body) == 1 else []
            if len(call) < 3 or type(call[0]) is not Symbol or call[1] is not procedure.parameters.required[0]:
                raise NotFusedError
            if not all(type(value) is float for value in call[2:]):
                raise NotFusedError
            name, numbers = call[0].name, [*call[2:], 0.0][:2]
            self.expect_built_in(name)
            if len(call) != 2 + _TESTS.get(name, ("", 0))[1]:
                raise NotFusedError
        elif procedure is not _word(name) or _TESTS.get(name, ("", 1))[1]:
            raise NotFusedError
        if name not in _TESTS:
            raise NotFusedError
        output, desired = self.units(self.read(OUTPUT)), self.units(self.read(DESIRED))
        if output.count != desired.count or not output.count:
            raise NotFusedError
        slots = [*self.layer(output), desired.memory.address, self.field(VAL).address, 0]
        self.kept += [output, desired]
        if name == "class-max":
            most = np.zeros(2, _F)
            self.kept.append(most)
            self.operation("sweep_largest", [*slots, most.ctypes.data])
            made = self.operation("sweep_same_largest", [*slots, most.ctypes.data])
        else:
            made = self.operation(_TESTS[name][0], [*slots, *map(_double_slot, numbers)])
        self.results.append((made, 4, "good"))
        self.good_value = 0.0 if name in ("class-quadrant", "class-hamming") else TRUE

    # Operations

    def units(self, layer: Form) -> Units:
        if layer is NIL:
            raise NotFusedError
        return self.space.units(layer, "present-pattern")

    def layer(self, units: Units) -> list[int]:
        self.kept.append(units)
        return [units.memory.address, units.count]

    def field(self, number: int) -> Memory:
        return self.space.unit[number]

    def scratch(self, name: str) -> Memory:
        if name not in self._fields:
            self._fields[name] = as_memory(np.zeros(self.space.nmax, _F))
            self.kept.append(self._fields[name])
        return self._fields[name]

    def operation(self, name: str, slots: Sequence[Any]) -> np.ndarray:
        """Add an operation; return its arguments, 8 bytes each."""
        arguments = np.array([slot.address if isinstance(slot, Memory) else slot for slot in slots], np.int64)
        self.kept.append(arguments)
        self.list += [self.loops.operations[name], arguments.ctypes.data]
        return arguments

    def unit_operation(
        self, name: str, units: Units, fields: Sequence[Memory], numbers: Sequence[float | np.float32] = ()
    ) -> np.ndarray:
        return self.operation(name, [*self.layer(units), *fields, *map(_float_slot, numbers)])

    def edge_operation(
        self, name: str, units: Units, edges: Edges, numbers: Sequence[float], fields: Sequence[Memory | int]
    ) -> None:
        places = [self.field(place) if isinstance(place, int) else place for place in fields]
        memories = (edges.start, edges.other, edges.weight, edges.connection)
        self.kept += [edges, places]
        self.operation(name, [*self.layer(units), *memories, *map(_float_slot, numbers), *places])

    def weight_operation(self, name: str, fields: Sequence[Memory], numbers: Sequence[float]) -> None:
        self.kept.append(fields)
        self.operation(name, [self.space.wnum, *fields, *map(_float_slot, numbers)])

    def nlf(self, units: Units, f: NonLinearity, source: Memory, target: Memory | None = None) -> Memory:
        """Write target = f(source) for the units of a layer; the default target is memory of its own."""
        out = self.scratch("slope") if target is None else target
        kind = type(f)
        if kind is Tanh or kind is Threshold or kind is Piecewise:
            name = {Tanh: "sweep_tanh", Threshold: "sweep_threshold", Piecewise: "sweep_piecewise"}[kind]
            self.unit_operation(name, units, [source, out], [f.a, f.b, f.c, f.d])  # type: ignore[attr-defined]
        elif isinstance(f, TanhDerivative) and kind is TanhDerivative:
            slope = f.a * f.b
            self.unit_operation("sweep_tanh_slope", units, [source, out], [f.b, slope, slope + f.c])
        elif isinstance(f, Linear) and kind is Linear:
            self.unit_operation("sweep_linear", units, [source, out], [f.a * f.b + f.c, f.d])
        elif kind is Zero or kind is Bell or kind is BellDerivative:
            name = {Zero: "sweep_zero", Bell: "sweep_bell", BellDerivative: "sweep_bell_slope"}[kind]
            self.unit_operation(name, units, [source, out])
        elif isinstance(f, CentralDifference) and kind is CentralDifference:
            h, place, other = _F(1 / 256), self.scratch("place"), self.scratch("other")
            self._shifted(units, f.f, source, -h, place, other)
            self._shifted(units, f.f, source, h, place, out)
            self.unit_operation("sweep_first_difference", units, [other, out], [_F(2) * h])
        elif isinstance(f, SecondDifference) and kind is SecondDifference:
            h, place, other = _F(1 / 128), self.scratch("place"), self.scratch("other")
            self._shifted(units, f.f, source, -h, place, other)
            middle = self.nlf(units, f.f, source, self.scratch("middle"))
            self._shifted(units, f.f, source, h, place, out)
            self.unit_operation("sweep_second_difference", units, [other, middle, out], [h * h])
        else:
            raise NotFusedError
        return out

    def _shifted(
        self, units: Units, f: NonLinearity, source: Memory, by: np.float32, place: Memory, target: Memory
    ) -> None:
        """Write target = f(source + by), through `place`."""
        if isinstance(f, (CentralDifference, SecondDifference)):  # they use the same memory
            raise NotFusedError
        self.unit_operation("sweep_shift", units, [source, place], [float(by)])
        self.nlf(units, f, place, target)


def _word(name: str) -> Form:
    """Return the word of SN-2.8 of this name, or a value that no variable has."""
    entry = SN28.entry(name)
    return entry.value if entry is not None else object()


def _float_slot(number: float | np.float32) -> int:
    """Return the 8 bytes whose first 4 hold a number in single precision."""
    return int(np.array([_F(number), _F(0)]).view(np.int64)[0])


def _double_slot(number: float) -> int:
    return int(np.array([number]).view(np.int64)[0])


_TABULATED = ("rbf-present-pattern", "rbf-present-desired")
_TESTS = {  # the test, and how many numbers it takes
    "class-quadrant": ("sweep_quadrant", 0),
    "class-max": ("sweep_same_largest", 0),
    "class-sgn": ("sweep_sides", 2),
    "class-lms": ("sweep_mean", 1),
    "class-hamming": ("sweep_hamming", 1),
}
_WORDS: dict[str, Callable[[_Writer, Arguments], None]] = {
    "update-state": _Writer.update_state,
    "update-gradient": _Writer.update_gradient,
    "update-deltastate": _Writer.update_deltastate,
    "update-lmggradient": _Writer.update_lmggradient,
    "update-ggradient": _Writer.update_ggradient,
    "update-weight": _Writer.update_weight,
    "update-w-newton": _Writer.update_w_newton,
    "update-acc": _Writer.update_acc,
    "update-hess": _Writer.update_hess,
}
