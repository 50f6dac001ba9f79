"""Declare the net that a machine of gblearn2's modules computes: the word `net-of`, and the weights of the modules.

Layers are named by the kind of their module and their place: c1 s2 c3 s4 c5 output, as in the papers on LeNet. See
docs/reference/gblearn2.md, section 13, for what corresponds to what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from snsim.errors import Span
from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.strings import text
from snsim.language.forms import NIL, Form, Symbol, fold, symbol
from snsim.language.objects import Object, send
from snsim.language.printer import show
from snsim.language.procedures import ABSENT, CallError
from snsim.lush.idx import Idx
from snsim.lush.module_trace import (
    IDENTITIES,
    LAYERS,
    SQUASHERS,
    Step,
    applied_class,
    has_own_backward,
    module_in,
    no_counterpart,
    state_parts,
    trace,
)
from snsim.lush.modules.built_in import lisp_list, make, shown
from snsim.lush.modules.layers import CLayer, ELayer, FLayer, Layer, SLayer
from snsim.lush.modules.roots import FPROP
from snsim.lush.modules.squashers import Idx3Sqsquasher, Idx3Squasher
from snsim.lush.modules.states_and_params import STATES
from snsim.lush.vocabulary import word
from snsim.network.clauses import make_node
from snsim.network.complete_form import table_form
from snsim.network.expressions import evaluate
from snsim.network.net import Net
from snsim.network.net_form import NetShelves, declare_net, shelves_of
from snsim.network.tables import declare_table
from snsim.registry import Shelf

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_NLFS: dict[type, str] = {Idx3Squasher: "std-sigmoid", Idx3Sqsquasher: "squared-tanh"}
_LETTERS: dict[type | None, str] = {FLayer: "f", CLayer: "c", SLayer: "s", ELayer: "e", None: "q"}
_HALF = ["*", 0.5, "x"]  # the non-linearity of an e-layer
_TOLERANCE = 1e-4  # of the comparison of outputs: the order of sums differs, and so does the rounding
Sizes = tuple[int, int, int]  # maps, rows, columns


@dataclass(eq=False)
class ChainLayer:
    """A layer of the declared net, and the module that it comes from.

    `module` is None for a function of each element that is not the squasher of a layer. `source` and `target` are
    states of the trace. `table` (source maps, target maps) says which maps a c-layer joins, if not all.
    """

    module: FLayer | CLayer | SLayer | ELayer | None
    kind: type | None
    source: int
    target: int
    nlf: Any
    name: str = ""
    sizes: Sizes = (1, 1, 1)
    flat: bool = False
    bias: str = "map"
    scheme: list[Any] = field(default_factory=list)
    options: list[Any] = field(default_factory=list)
    table: np.ndarray | None = None

    @property
    def shape(self) -> Any:
        return _shape(self.sizes, self.flat)


@dataclass(frozen=True)
class ModuleNet:
    """The net that a machine computes: the shape of its input, and its layers in order of computation.

    `by_program` says that methods of the program decided the order of the modules. `sums` declares the sums of the
    blocks of an s-layer as a layer of their own: then the second derivative of its coefficients is that of the modules.
    """

    input_sizes: Sizes
    input_shape: Any
    layers: tuple[ChainLayer, ...]
    by_program: bool
    sums: bool = False

    def form(self, name: str, tables: Mapping[str, str]) -> list[Any]:
        """Return `(net name clause ...)` as nested lists; `tables` has the name of the table of a layer by its name."""
        nlf = _most_common([layer.nlf for layer in self.layers])
        bias = _most_common([layer.bias for layer in self.layers])
        clauses: list[Any] = [["default", ["nlf", nlf], ["bias", bias]], ["layer", "input", self.input_shape]]
        for layer in self.layers:
            own = [["nlf", layer.nlf]] if layer.nlf != nlf else []
            own += [["bias", layer.bias]] if layer.bias != bias else []
            if self._has_sums(layer):
                clauses.append(["layer", f"{layer.name}-sums", layer.shape, ["nlf", "linear"], ["bias", "none"]])
            clauses.append(["layer", layer.name, layer.shape, *own])
        names = {0: "input", **{layer.target: layer.name for layer in self.layers}}
        for layer in self.layers:
            source, scheme, options = names[layer.source], layer.scheme, layer.options
            if self._has_sums(layer):
                clauses.append(["connect", source, f"{layer.name}-sums", scheme, *options, ["fixed", 1]])
                source, scheme = f"{layer.name}-sums", ["equal-mask", 1, 1]
                options = [option for option in options if option[0] == "table"]
            table = [["table", tables[layer.name]]] if layer.name in tables else []
            clauses.append(["connect", source, layer.name, scheme, *options, *table])
        return ["net", name, *clauses]

    def _has_sums(self, layer: ChainLayer) -> bool:
        return self.sums and layer.kind is SLayer

    def tables(self, name: str) -> dict[str, tuple[str, np.ndarray]]:
        """Return the name and the matrix of the table of each layer that has one, by the name of the layer."""
        names = {0: "input", **{layer.target: layer.name for layer in self.layers}}
        return {
            layer.name: (f"{name}-{names[layer.source]}-{layer.name}", layer.table)
            for layer in self.layers
            if layer.table is not None
        }

    def declare(self, shelves: NetShelves, name: str, span: Span) -> Net:
        """Put the net, with the weights of the modules, and its tables on shelves; SnError if a name is taken."""
        tables = self.tables(name)
        full_name = shelves.nets.declared_name(name)
        shelves.nets.check_free(full_name, span)
        for title, matrix in tables.values():
            declare_table(make_node(["table", title, make_node(matrix, span)], span), shelves.tables)
        form = self.form(name, {layer: title for layer, (title, _) in tables.items()})
        net = declare_net(make_node(form, span), NetShelves(shelves.tables, Shelf("net"), shelves.nlfs))
        net = replace(net, name=full_name, module_weights=self.weights(net))
        return shelves.nets.add(full_name, net, net.summary, span)

    def text(self, name: str, expected: tuple[int, int, int] | None = None) -> str:
        """Return the forms `(table ...)` and `(net ...)` as text; `expected`: units, connections, weights."""
        tables = self.tables(name)
        form = self.form(name, {layer: title for layer, (title, _) in tables.items()})
        clauses = [_text(clause) for clause in form[2:]]
        if expected is not None:
            counts = (f"({what} {count})" for what, count in zip(("units", "connections", "weights"), expected))
            clauses.append(f"(expect {' '.join(counts)})")
        lines = [f"(net {show(symbol(name))}", *(f"  {clause}" for clause in clauses)]
        return "\n\n".join([*(table_form(title, matrix) for title, matrix in tables.values()), "\n".join(lines) + ")"])

    def weights(self, net: Net) -> dict[str, np.ndarray]:
        """Return the weights of the modules by the names of the parameters of the net, float32, in their shapes."""
        modules = {layer.name: layer for layer in self.layers}
        values: dict[str, np.ndarray] = {}
        for parameter in net.parameters:
            if parameter.learns:
                layer = modules[parameter.layer]
                array = _bias(layer) if parameter.kind == "bias" else _weights(layer)
                values[parameter.name] = np.array(array, np.float32, order="C").reshape(parameter.shape)
        return values


@word("net-of")
def net_of(
    interpreter: Interpreter, module: Form, name: Form = ABSENT, sizes: Form = ABSENT, sums: Form = ABSENT
) -> Net:
    """(net-of module [name [sizes [sums]]]): declares the net that a machine of modules computes, and returns it

    The module is a layer, a ready net, an idx3-supervised-module, or an object of a class of the program whose `fprop`
    sends `fprop` to such modules. `name` is the name of the net, by default that of the class of the module. `sizes`
    are maps, rows and columns of the input, as (idx-dim :in:x) returns them; by default the smallest that give one
    place of the output. If `sums` is not (), the sums of the blocks of an s-layer become a layer of their own: then
    the second derivatives of its coefficients are those of the modules. A training of the net begins with the weights
    that the modules have now, unless it states others: (module-weights) is its default.
    """
    given = None if sizes is ABSENT or sizes is NIL else _read_sizes(interpreter, sizes)
    found = module_net(interpreter, module, given)
    if sums is not ABSENT and sums is not NIL:
        found = replace(found, sums=True)
    title = _default_name(module) if name is ABSENT or name is NIL else _read_name(name)
    span = interpreter.place()
    assert span is not None, "a running program has a place"
    shelves = interpreter.part(shelves_of)
    if found.by_program:
        assert isinstance(module, Object)
        check_same_outputs(interpreter, module, found, found.declare(shelves.child(), title, span))
    net = found.declare(shelves.in_cell(interpreter.cell), title, span)
    interpreter.part(DeclaredMachines).found.append((module, found, net))
    return net


class DeclaredMachines:
    """The machines whose nets a program declared: `interpreter.part(DeclaredMachines)`."""

    def __init__(self, interpreter: Interpreter):
        self.found: list[tuple[Form, ModuleNet, Net]] = []


def _default_name(module: Form) -> str:
    machine = getattr(module, "machine", module) if not isinstance(module, Layer) else module
    assert isinstance(machine, Object) and machine.kind is not None
    return machine.kind.name.name


def _read_name(name: Form) -> str:
    return name.name if isinstance(name, Symbol) else fold(text("net-of", name, 1))


def _read_sizes(interpreter: Interpreter, sizes: Form) -> Sizes:
    numbers = [whole("net-of", size, 2) for size in lisp_list(interpreter, sizes, "net-of")]
    if len(numbers) != 3 or min(numbers) < 1:
        raise CallError(
            f"net-of: the sizes of the input are {shown(sizes)}, not three numbers from 1 on",
            2,
            "write maps, rows and columns: '(1 32 32), or (idx-dim :in:x)",
        )
    maps, rows, columns = numbers
    return maps, rows, columns


def module_net(interpreter: Interpreter, machine: Form, sizes: Sizes | None = None) -> ModuleNet:
    """Return the net of a machine for an input of these sizes, by default the smallest with one place of the output.

    CallError for a module without a counterpart, and for sizes that do not fit.
    """
    found = trace(interpreter, machine)
    layers, output = _layers(found.steps, found.output)
    if not layers:
        raise CallError(
            "net-of: the module hands its input on and computes nothing", 0, "give a module with a layer in it"
        )
    used = [layer.module for layer in layers if layer.module is not None]
    if len(set(map(id, used))) < len(used):
        twice = next(module for i, module in enumerate(used) if module in used[:i])
        raise CallError(
            f"net-of: {shown(twice)} takes part twice, and layers of a declared net do not share biases",
            0,
            "make a second layer, with weights of its own",
        )
    smallest = _smallest(layers, output)
    given = sizes or smallest
    states = _forward(layers, given)
    for number, layer in enumerate(layers, 1):
        layer.name = "output" if number == len(layers) else f"{_LETTERS[layer.kind]}{number}"
        layer.sizes = states[layer.target]
    for layer in layers:
        layer.flat = _is_flat(layer.target, layers, states, output)
        _connect(layer, states[layer.source])
    return ModuleNet(given, _shape(given, _is_flat(0, layers, states, output)), tuple(layers), found.by_program)


# Layers


def _layers(steps: tuple[Step, ...], output: int) -> tuple[list[ChainLayer], int]:
    """Return a layer for each step that computes, and the last state. Squashers join the linear layer below them."""
    same: dict[int, int] = {}  # states that are another state

    def resolved(state: int) -> int:
        while state in same:
            state = same[state]
        return state

    for step in steps:
        if step.python in IDENTITIES:
            same[step.target] = step.source
    computing = [step for step in steps if step.python not in IDENTITIES]
    readers = Counter([resolved(step.source) for step in computing] + [resolved(output)])
    layers: list[ChainLayer] = []
    for step in computing:
        source = resolved(step.source)
        below = next((layer for layer in layers if layer.target == source), None)
        if step.python in LAYERS:
            module = step.module
            assert isinstance(module, (FLayer, CLayer, SLayer, ELayer))
            layers.append(ChainLayer(module, step.python, source, step.target, _nlf_of(module)))
        elif below is not None and below.nlf == "linear" and readers[source] == 1:
            below.nlf, same[step.target] = _NLFS[step.python], source
            readers[source] = readers[step.target]
        else:
            layers.append(ChainLayer(None, None, source, step.target, _NLFS[step.python]))
    return layers, resolved(output)


def _nlf_of(module: FLayer | CLayer | SLayer | ELayer) -> Any:
    """Return the non-linearity of a layer; CallError if its squasher has no counterpart."""
    if isinstance(module, ELayer):
        return _HALF
    squash = module.squash
    python = applied_class(squash)
    if python not in (*SQUASHERS, *IDENTITIES) or has_own_backward(squash):
        raise no_counterpart(squash)
    return _NLFS.get(python, "linear") if python is not None else "linear"


# Sizes


def _smallest(layers: list[ChainLayer], output: int) -> Sizes:
    """Return the smallest sizes of the input that give one place of the output."""
    needed: dict[int, Sizes] = {output: (1, 1, 1)}
    for layer in reversed(layers):
        module = layer.module
        maps, rows, columns = needed[layer.target]
        if isinstance(module, CLayer):
            _, ki, kj = module.kernel.x.sizes
            maps = int(module.rows()[:, 0].max()) + 1
            rows, columns = (rows - 1) * module.stridei + ki, (columns - 1) * module.stridej + kj
        elif isinstance(module, SLayer):
            maps, rows, columns = module.coeff.x.sizes[0], rows * module.stridei, columns * module.stridej
        elif module is not None:
            maps = module.weight.x.sizes[1]
        former = needed.get(layer.source, (1, 1, 1))
        needed[layer.source] = max(maps, former[0]), max(rows, former[1]), max(columns, former[2])
    return needed[0]


def _forward(layers: list[ChainLayer], sizes: Sizes) -> dict[int, Sizes]:
    """Return the sizes of each state for an input of these sizes; CallError where they do not fit."""
    states: dict[int, Sizes] = {0: sizes}
    for layer in layers:
        states[layer.target] = _output_sizes(layer, states[layer.source])
    return states


def _output_sizes(layer: ChainLayer, sizes: Sizes) -> Sizes:
    module = layer.module
    maps, *places = sizes
    if isinstance(module, CLayer):
        table = module.rows()
        if int(table[:, 0].max()) >= maps:
            raise _do_not_fit(module, sizes, f"its table names input map {int(table[:, 0].max())}")
        counts = []
        for size, kernel, step in zip(places, module.kernel.x.sizes[1:], module.step):
            if size < kernel or (size - kernel) % step:
                raise _do_not_fit(module, sizes, f"its kernel covers {kernel} rows or columns, every {step}")
            counts.append((size - kernel) // step + 1)
        return module.thickness, counts[0], counts[1]
    if isinstance(module, SLayer):
        block = module.stridei, module.stridej
        if maps != module.coeff.x.sizes[0] or any(size % step for size, step in zip(places, block)):
            raise _do_not_fit(
                module, sizes, f"it takes {module.coeff.x.sizes[0]} maps in blocks of {block[0]} x {block[1]}"
            )
        return maps, places[0] // block[0], places[1] // block[1]
    if module is None:
        return sizes
    if maps != module.weight.x.sizes[1]:
        raise _do_not_fit(module, sizes, f"it takes {module.weight.x.sizes[1]} maps")
    return module.weight.x.sizes[0], places[0], places[1]


def _do_not_fit(module: Object, sizes: Sizes, needs: str) -> CallError:
    maps, rows, columns = sizes
    return CallError(
        f"net-of: {shown(module)} would get {maps} maps of {rows} x {columns}, and {needs}",
        2,
        "give other sizes of the input, as those of the pictures that the machine is trained with: '(1 32 32)",
    )


def _is_flat(state: int, layers: list[ChainLayer], states: dict[int, Sizes], output: int) -> bool:
    """Return whether a state with one place is declared as units without geometry: no window reads or makes it."""
    if states[state][1:] != (1, 1) or any(layer.target == state and layer.kind in (CLayer, SLayer) for layer in layers):
        return False
    readers = [layer for layer in layers if layer.source == state]
    return all(
        layer.kind in (FLayer, ELayer) or (layer.kind is None and _is_flat(layer.target, layers, states, output))
        for layer in readers
    )


def _shape(sizes: Sizes, flat: bool) -> Any:
    maps, rows, columns = sizes
    return maps if flat else [rows, columns] if maps == 1 else [maps, rows, columns]


# Connections


def _connect(layer: ChainLayer, source: Sizes) -> None:
    """Set the scheme of the connection that enters a layer, its options, and the bias of the layer."""
    module = layer.module
    if isinstance(module, CLayer):
        _connect_windows(layer, module, source)
    elif isinstance(module, SLayer):
        block = [module.stridei, module.stridej]
        layer.scheme, layer.options = ["equal-mask", *block], _step(*block)
        if source[0] > 1:
            layer.options.append(["table", "one-to-one"])
    elif module is None:
        layer.scheme, layer.options, layer.bias = ["one-to-one"], [["fixed", 1]], "none"
    else:
        layer.scheme = ["full"] if source[1:] == (1, 1) else ["mask", 1, 1]
        if isinstance(module, ELayer):
            layer.options, layer.bias = [["distance"]], "none"
        elif layer.flat:
            layer.bias = "unit"


def _connect_windows(layer: ChainLayer, module: CLayer, source: Sizes) -> None:
    rows = module.rows()
    maps = np.zeros((source[0], module.thickness), bool)
    maps[rows[:, 0], rows[:, 1]] = True
    if int(maps.sum()) < len(rows):
        raise CallError(
            "net-of: the table of a c-layer joins two maps twice, which a declared net cannot",
            0,
            "leave each row (from to) in the table once",
        )
    if not maps.any(0).all():
        raise CallError(
            f"net-of: the table of a c-layer joins nothing to map {int(np.flatnonzero(~maps.any(0))[0])}",
            0,
            "give each output map a row, or make the layer with fewer maps",
        )
    layer.scheme = ["mask", *module.kernel.x.sizes[1:]]
    layer.options = [] if module.step == (1, 1) else _step(*module.step)
    if maps.shape[0] == maps.shape[1] and maps.shape[0] > 1 and (maps == np.eye(len(maps))).all():
        layer.options.append(["table", "one-to-one"])
    elif not maps.all():
        layer.table = maps


def _step(rows: int, columns: int) -> list[Any]:
    return [["step", rows] if rows == columns else ["step", rows, columns]]


# Weights


def _bias(layer: ChainLayer) -> np.ndarray:
    assert isinstance(layer.module, (FLayer, CLayer, SLayer))
    return layer.module.bias.x.array


def _weights(layer: ChainLayer) -> np.ndarray:
    """Return the weights that enter a layer, in the order of the connection's parameter."""
    module = layer.module
    assert module is not None
    if isinstance(module, CLayer):
        rows = module.rows()
        return module.kernel.x.array[np.lexsort((rows[:, 0], rows[:, 1]))]  # by target map, then source map
    if isinstance(module, SLayer):
        return module.coeff.x.array
    array = module.weight.x.array  # (target, source)
    return array.T if layer.scheme == ["full"] else array


# Comparison


def check_same_outputs(interpreter: Interpreter, machine: Object, found: ModuleNet, net: Net) -> None:
    """Raise CallError if the net computes other outputs than the machine for random inputs and weights.

    The states and weights of the modules are what they were, afterwards.
    """
    module, generator = module_in(machine), np.random.default_rng(1)
    interpreter.budget.make_matrix(3 * net.counts.connections, "net-of")
    source, out = (make(interpreter, STATES[3, 2], *map(float, found.input_sizes)) for _ in range(2))
    inputs = generator.uniform(-1, 1, found.input_sizes).astype(np.float32)
    source.slots[symbol("x")] = Idx.of(inputs)
    holders = [module, *(layer.module for layer in found.layers if layer.module is not None)]
    kept = [(part, part.sizes, part.array.copy()) for holder in holders for part in state_parts(holder)]
    try:
        for layer in found.layers:
            for array in _parameters(layer):
                fan_in = array.size / len(array)
                array[...] = generator.uniform(-1, 1, array.shape) / np.sqrt(fan_in)
        weights = found.weights(net)
        send(interpreter, module, FPROP, [source, out])
    except CallError as error:
        raise CallError(
            f"net-of: {shown(module)} does not take the input of its net: {error.message}", 0, error.hint
        ) from None
    finally:
        for part, sizes, array in kept:
            if part.sizes != sizes:
                part.resize(sizes)
            part.array[...] = array
    x = out.slots[symbol("x")]
    assert isinstance(x, Idx)
    wanted = np.asarray(x.array, np.float64).reshape(-1)
    outputs = _outputs(net, weights, inputs.reshape(-1).astype(np.float64))
    if wanted.shape != outputs.shape or not np.allclose(outputs, wanted, _TOLERANCE, _TOLERANCE):
        raise CallError(
            f"net-of: {shown(module)} computes other outputs than its layers one after the other",
            0,
            "a method fprop of the program may send fprop to modules, and do no more",
        )


def _parameters(layer: ChainLayer) -> list[np.ndarray]:
    """Return the weights and the biases of the module of a layer, which may be written."""
    module = layer.module
    if module is None:
        return []
    if isinstance(module, ELayer):
        return [module.weight.x.array]
    first = (
        module.kernel if isinstance(module, CLayer) else module.coeff if isinstance(module, SLayer) else module.weight
    )
    return [first.x.array, module.bias.x.array]


def _outputs(net: Net, weights: Mapping[str, np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """Return the outputs of a net for one pattern, in double precision, connection by connection."""
    states = {net.inputs[0].name: inputs}
    for layer in net.computed:
        sums = np.zeros(layer.units)
        if layer.bias != "none":
            sums += weights[f"{net.attribute(layer.name)}.bias"].reshape(-1)[layer.bias_index]
        for connection in net.entering(layer.name):
            table = connection.table
            x = states[connection.source][table.source]
            if connection.fixed is not None:
                w: np.ndarray | float = float(connection.fixed)
            else:
                w = weights[net.weight_name(connection)].astype(np.float64).reshape(-1)[table.weight]
            terms = (w - x) ** 2 if connection.distance else w * x
            sums += np.bincount(table.target, terms, layer.units)
        assert layer.nlf is not None
        states[layer.name] = np.broadcast_to(evaluate(layer.nlf.f, {"x": sums}), sums.shape)
    return states[net.layers[-1].name]


# Text


def _most_common(values: list[Any]) -> Any:
    return max(values, key=values.count)


def _text(form: Any) -> str:
    """Return nested lists as text."""
    if isinstance(form, list):
        return "(" + " ".join(map(_text, form)) + ")"
    return show(symbol(form)) if isinstance(form, str) else f"{form:g}"
