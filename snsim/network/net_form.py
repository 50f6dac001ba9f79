"""The words that declare networks: `net`, `table`, `define-nlf`. Each returns its value and puts it on a shelf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from snsim.errors import SnError
from snsim.language.forms import Node
from snsim.network.check import check_net
from snsim.network.clauses import (
    DEFAULT,
    STATED,
    Clause,
    Faults,
    Plain,
    all_or_none,
    describe,
    make_node,
    read_arguments,
    read_name,
    read_number,
    read_whole_number,
    select_clauses,
)
from snsim.network.codes import read_codes
from snsim.network.connect_options import BESIDE_DISTANCE, Statement, WiredLayers, python_value
from snsim.network.net import Connection, Layer, Net, Nlf, Transform
from snsim.network.nlfs import NlfDefinition, declare_nlf, read_nlf
from snsim.network.partial_net import (
    CONNECT_SYNTAX,
    LAYER_SYNTAX,
    OPTION_DEFAULTS,
    WITHOUT_SYNTAX,
    DraftConnection,
    DraftLayer,
    NetDraft,
)
from snsim.network.schemes import SCHEMES
from snsim.network.tables import declare_table, lisp_functions
from snsim.network.transforms import SYNTAX as TRANSFORMS
from snsim.network.transforms import DraftTransform, build_transform
from snsim.network.wiring import MaxPooling, Table, Windows, Wiring, wire_table
from snsim.registry import Shelf

__all__ = ["WORDS", "NetShelves", "NlfDefinition", "lisp_functions"]

# Every clause of `net` with its syntax and its help line.
CLAUSES: Shelf[str] = Shelf("clause of net")
for _word, _syntax, _doc in (
    ("like", "(like NET)", "first clause: start from the clauses of that net"),
    ("default", "(default (nlf ..) (bias ..))", "for layers that do not state them; default (nlf sn-tanh) (bias unit)"),
    (
        "layer",
        LAYER_SYNTAX,
        "one layer or several, in order of computation: the first is the input (or those with (input)), the last the "
        "output",
    ),
    ("connect", CONNECT_SYNTAX, "connect every layer of the first names to every layer of the second"),
    (
        "normalize",
        TRANSFORMS["normalize"],
        "layer normalisation: FROM with mean 0 and variance 1 over the maps at each position, added to TO",
    ),
    (
        "attend",
        TRANSFORMS["attend"],
        "attention: softmax(q k / sqrt(maps of a head)) v over the positions, per head, added to TO",
    ),
    ("without", WITHOUT_SYNTAX, "remove a layer, connection or transform inherited by `like`"),
    ("expect", "(expect (units N) (connections N) (weights N))", "refuse the net if its counts differ"),
):
    CLAUSES.add(_word, _syntax, _doc)

BIASES = ("unit", "map", "column", "none")
COUNTS = ("units", "connections", "weights")


@dataclass(frozen=True)
class NetShelves:
    """The tables, nets and nlfs of a program."""

    tables: Shelf[np.ndarray] = field(default_factory=lambda: Shelf("table"))
    nets: Shelf[Net] = field(default_factory=lambda: Shelf("net"))
    nlfs: Shelf[NlfDefinition] = field(default_factory=lambda: Shelf("nlf"))

    def child(self) -> NetShelves:
        """Return shelves that see everything here and keep their additions to themselves."""
        return NetShelves(self.tables.child(), self.nets.child(), self.nlfs.child())

    def in_cell(self, cell: str) -> NetShelves:
        """Return the shelves as a cell of a design sees them: see `Shelf.in_cell`. Tables keep their names."""
        return NetShelves(self.tables, self.nets.in_cell(cell), self.nlfs) if cell else self


def shelves_of(interpreter: Any) -> NetShelves:
    """Return empty shelves: the value of `interpreter.part(shelves_of)` for an interpreter without declarations.

    `interpreter.keep(shelves_of, shelves)` sets those of a program.
    """
    return NetShelves()


# Each word takes the call as a node with its commas evaluated, the interpreter, and the shelves of the program.
WORDS: Shelf[Callable[[Node, Any, NetShelves], object]] = Shelf("declarative word")


@WORDS.register("table")
def _table(form: Node, interpreter: Any, shelves: NetShelves) -> np.ndarray:
    """(table NAME row ...): a row for each source map, a column for each target; drawn, (from B (s ...)) or ,matrix."""
    return declare_table(form, shelves.tables)


@WORDS.register("net")
def _net(form: Node, interpreter: Any, shelves: NetShelves) -> Net:
    """(net NAME clause ...): a network; clauses: like default layer connect normalize attend without expect."""
    return declare_net(form, shelves.in_cell(interpreter.cell))


@WORDS.register("define-nlf")
def _define_nlf(form: Node, interpreter: Any, shelves: NetShelves) -> NlfDefinition:
    """(define-nlf NAME (x p (q default) ...) "help" EXPR): a non-linearity with parameters, as an expression."""
    return declare_nlf(form, shelves.nlfs)


def declare_net(form: Node, shelves: NetShelves) -> Net:
    """Read `(net NAME clause ...)`, put the net on the shelf and return it; raise SnError with all faults."""
    faults = Faults()
    args = read_arguments(form, 1, None, "(net NAME clause ...)", faults)
    name = None if args is None else read_name(args[0], "the name of a net", faults)
    if args is None or name is None:
        raise SnError(faults.found)
    name = shelves.nets.declared_name(name)
    try:
        with faults.gathered():
            shelves.nets.check_free(name, args[0].span)
        net = NetForm(name, form, args[1:], shelves, faults).build()
    except SnError:
        shelves.nets.mark_broken(name)
        raise
    return shelves.nets.add(name, net, net.summary, args[0].span)


class NetForm:
    """Builds a `Net` from one form `(net NAME clause ...)`."""

    def __init__(self, name: str, form: Node, nodes: tuple[Node, ...], shelves: NetShelves, faults: Faults):
        self.name = name
        self.span = form.items[1].span
        self.shelves = shelves
        self.faults = faults
        repeatable = ("layer", "connect", "without", *TRANSFORMS)
        self._clauses = select_clauses(nodes, CLAUSES.names(), "net", repeatable, faults)
        if self._stated("like") and nodes[0].head != "like":
            faults.add(
                "(like NET) must be the first clause",
                self._stated("like")[0].span,
                f"move it directly after the name: (net {name} (like NET) ...)",
            )
        self._nlfs: dict[
            int, tuple[Node, Nlf]
        ] = {}  # by the id of the option; the option is stored to keep its id valid
        self._unsound: set[str] = set()  # layers whose shape could not be read

    def _stated(self, word: str) -> list[Node]:
        return [node for node in self._clauses if node.head == word]

    def build(self) -> Net:
        """Return the checked net; raise SnError with every fault of the form."""
        self._parent = self._read_like()
        draft = NetDraft(self._parent, self.span, self.faults)
        for word, apply in (
            ("without", draft.apply_without),
            ("default", draft.apply_default),
            ("layer", draft.apply_layer),
            ("connect", draft.apply_connect),
            *((word, draft.apply_transform) for word in TRANSFORMS),
        ):
            for node in self._stated(word):
                apply(node)
        all_clauses_read = not self.faults.any
        inputs = {layer.name for layer in draft.inputs}
        layers = tuple(
            self._build_input(layer) if layer.name in inputs else self._build_layer(layer, draft)
            for layer in sorted(draft.layers.values(), key=lambda layer: layer.name not in inputs)
        )
        by_name = {layer.name: layer for layer in layers}
        built = self._build_connections(draft.connections, by_name)
        connections = tuple(c for c in built if c.scheme != "max-mask")
        transforms = (
            *(_pooling(c) for c in built if c.scheme == "max-mask"),
            *(self._build_transform(t, by_name) for t in draft.transforms),
        )
        net = Net(self.name, layers, connections, self._complete_clauses(draft), self.span, transforms)
        # If a clause could not be read, layers may only seem to lack connections: that check does not run then.
        self.faults.found += check_net(net, skip=() if all_clauses_read else ("ends",))
        expected = self._read_expect()
        if not self.faults.any:
            self._check_counts(expected, net)
        if self.faults.any:
            # a fault that several pairs of layers share is reported once
            raise SnError(dict.fromkeys(self.faults.found))
        return net

    def _read_like(self) -> Net | None:
        """Return the net of `(like NET)`, None if there is no such clause; raise SnError if the net cannot be found."""
        for node in self._stated("like"):
            args = read_arguments(node, 1, 1, "(like NET)", self.faults)
            name = None if args is None else read_name(args[0], "the net of (like NET)", self.faults)
            if args is None or name is None:
                raise SnError(self.faults.found)
            with self.faults.gathered():
                return self.shelves.nets.get(name, args[0].span)
            raise SnError(self.faults.found)
        return None

    # ---- layers --------------------------------------------------------------------------------------------------

    def _build_layer(self, draft: DraftLayer, net_draft: NetDraft) -> Layer:
        shape = self._read_shape(draft)
        options = {**net_draft.defaults, **draft.options}
        nlf, bias = self._read_nlf(options["nlf"].node), self._read_bias(options["bias"].node)
        return Layer(draft.name, shape, nlf, bias, draft.span)

    def _build_input(self, draft: DraftLayer) -> Layer:
        shape = self._read_shape(draft)
        which = "an input layer" if "input" in draft.options else "the input (the first layer)"
        for word, option in draft.options.items():
            if word == "input":
                read_arguments(option.node, 0, 0, "(input)", self.faults)
            elif option.origin == STATED:
                self.faults.add(
                    f"layer {draft.name} is {which}, which takes no ({word} ...)",
                    option.node.span,
                    f"remove ({word} ...), or state it for a later layer",
                )
        return Layer(draft.name, shape, span=draft.span, is_input=True)

    def _read_nlf(self, option: Node) -> Nlf | None:
        """Return the nlf that an option states. An option that many layers share, such as a default, is read once."""
        known = self._nlfs.get(id(option))
        if known is not None:
            return known[1]
        nlf = read_nlf(option, self.shelves.nlfs, self.faults)
        if nlf is not None:
            self._nlfs[id(option)] = option, nlf
        return nlf

    def _read_shape(self, draft: DraftLayer) -> tuple[int, ...]:
        """Return the shape that a layer states; after a fault (1,), and the layer is unsound."""
        shape = None if draft.shape is None else self._stated_shape(draft, draft.shape)
        if shape is None:
            self._unsound.add(draft.name)
        return shape or (1,)

    def _stated_shape(self, draft: DraftLayer, node: Node) -> tuple[int, ...] | None:
        """Return a shape, n, (rows columns) or (maps rows columns); None after a fault."""
        if not node.is_list and not node.is_number:
            self.faults.add(
                f"expected a shape or an option, not {describe(node)}",
                node.span,
                f"write {LAYER_SYNTAX}; name several layers in a list: (layer (h1 h2) 30)",
            )
            return None
        if node.is_list and len(node.items) not in (2, 3):
            self.faults.add(
                f"the shape of layer {draft.name} is a list of 2 or 3 numbers, not of {len(node.items)}",
                node.span,
                f"write {LAYER_SYNTAX}",
            )
            return None
        return all_or_none(
            [
                read_whole_number(n, f"a size of layer {draft.name}", self.faults, least=1)
                for n in (node.items if node.is_list else (node,))
            ]
        )

    def _read_bias(self, node: Node) -> str:
        args = read_arguments(node, 1, 1, "(bias unit), map, column or none", self.faults)
        if args is None:
            return "none"
        if args[0].is_name and args[0].name in BIASES:
            return args[0].name
        self.faults.add(
            f"a bias is unit, map, column or none, not {describe(args[0])}",
            args[0].span,
            "write (bias unit) for one bias per unit, (bias map) for one per map, (bias column) for one per column, "
            "or (bias none)",
        )
        return "none"

    # ---- connections ---------------------------------------------------------------------------------------------

    def _build_connections(self, drafts: list[DraftConnection], layers: dict[str, Layer]) -> tuple[Connection, ...]:
        """Return the connections in the order of the text; those that use the weights of another are built after it."""
        built: dict[int, Connection] = {}
        owned: dict[tuple[str, str], Connection] = {}
        borrowed = {
            (draft.source, draft.target): tuple(node.name for node in draft.scheme.items[1:] if node.is_symbol)
            for draft in drafts
            if draft.scheme is not None and draft.scheme.head == "weights-of"
        }
        for uses_others in (False, True):
            for k, draft in enumerate(drafts):
                if (draft.scheme is not None and draft.scheme.head == "weights-of") == uses_others:
                    built[k] = self._build_connection(draft, layers, owned, borrowed)
                    if not uses_others and draft.scheme is not None and "name" not in draft.options:
                        owned[draft.source, draft.target] = built[k]
        return tuple(built[k] for k in range(len(drafts)))

    def _build_connection(
        self,
        draft: DraftConnection,
        layers: dict[str, Layer],
        owned: Mapping[tuple[str, str], Connection],
        borrowed: Mapping[tuple[str, str], tuple[str, ...]],
    ) -> Connection:
        """Return the connection. If its clause has faults, it has no wires, so that the net can still be checked."""
        options = {word: clause.node for word, clause in draft.options.items()}
        is_delayed = "delay" in options  # known before the rest is read, so that a fault of it gives no second one
        connection = Connection(draft.source, draft.target, "", {}, NOT_WIRED, span=draft.span, delay=int(is_delayed))
        if draft.scheme is None or not draft.whole or self._unsound & {draft.source, draft.target}:
            return connection
        faults = Faults()
        statement = Statement(draft.scheme, options, self.shelves.tables, faults, borrowed=borrowed)
        if draft.scheme.head == "weights-of":
            return self._build_user(connection, draft, layers, owned, statement)
        scheme = SCHEMES.get(draft.scheme.head)
        scale = self._read_number(options.get("scale"), faults)
        fixed = self._read_fixed(options, faults)
        weight_norm, distance, delay = statement.weight_norm(), statement.distance(), statement.delay()
        average = draft.scheme.head == "average-mask"
        with faults.gathered():
            wiring = scheme(layers[draft.source], layers[draft.target], replace(statement, faults=Faults()))
            border = statement.border()
            codes = read_codes(options["codes"], wiring, faults) if "codes" in options else None
            stated = {word: _value(node) for word, node in options.items()}
            scheme_arguments = tuple(python_value(node) for node in draft.scheme.items[1:])
            if average and isinstance(wiring.structure, Windows):
                fixed, scale = 1.0, 1 / prod(wiring.structure.window)
            connection = Connection(
                draft.source,
                draft.target,
                draft.scheme.head,
                stated,
                wiring,
                border.value,
                1.0 if scale is None else scale,
                fixed if codes is None else codes,
                draft.span,
                scheme_arguments,
                weight_norm,
                distance,
                learns=not average and "fixed" not in options,
                label=options["name"].items[1].name if "name" in options else None,
                delay=delay,
            )
        self._report(faults, draft)
        return connection

    def _build_user(
        self,
        unwired: Connection,
        draft: DraftConnection,
        layers: dict[str, Layer],
        owned: Mapping[tuple[str, str], Connection],
        statement: Statement,
    ) -> Connection:
        """Return a connection that uses the scheme, the options and the weights of another."""
        assert draft.scheme is not None
        connection, faults = unwired, statement.faults
        wired = {ends: WiredLayers(layers[ends[0]], layers[ends[1]], c.wiring) for ends, c in owned.items()}
        with faults.gathered():
            wiring = SCHEMES.get("weights-of")(
                layers[draft.source], layers[draft.target], replace(statement, faults=Faults(), connections=wired)
            )
            ends = (draft.scheme.items[1].name, draft.scheme.items[2].name)
            connection = replace(
                owned[ends],
                source=draft.source,
                target=draft.target,
                scheme="weights-of",
                options={},
                wiring=wiring,
                span=draft.span,
                arguments=ends,
                weights_of=ends,
                delay=0,
            )
        self._report(faults, draft)
        return connection

    def _build_transform(self, draft: DraftTransform, layers: dict[str, Layer]) -> Transform:
        faults = Faults()
        result = build_transform(draft, layers, not self._unsound & set(draft.layers), faults)
        self._report(faults, draft)
        return result

    def _read_fixed(self, options: Mapping[str, Node], faults: Faults) -> float | None:
        """Return the number of `(fixed NUM)`; None without it, beside codes, or after a fault."""
        node, codes = options.get("fixed"), options.get("codes")
        if node is None or codes is None:
            if node is not None and len(node.items) == 1:
                faults.add(
                    "(fixed) without a number keeps codes from learning, and this connection has none",
                    node.span,
                    "write (fixed NUM) for equal weights, or add (codes ...)",
                )
                return None
            return self._read_number(node, faults)
        if len(node.items) > 1:
            faults.add(
                "(codes ...) states the weights, so (fixed) beside it takes no number",
                node.span,
                "write (fixed), or leave out (codes ...)",
                (("the codes", codes.span),),
            )
        return None

    def _read_number(self, node: Node | None, faults: Faults) -> float | None:
        if node is None:
            return None
        args = read_arguments(node, 1, 1, f"({node.head} NUM)", faults)
        return None if args is None else read_number(args[0], f"the number of ({node.head} ...)", faults)

    def _report(self, faults: Faults, draft: DraftConnection | DraftTransform) -> None:
        """Add the faults to those of the form; those of an inherited clause name this net too."""
        also = () if draft.origin == STATED else ((f"in net {self.name}", self.span),)
        self.faults.found += [replace(fault, also=fault.also + also) for fault in faults.found]
        self.faults.silent = self.faults.silent or faults.silent

    # ---- the complete form, expect -------------------------------------------------------------------------------

    def _complete_clauses(self, draft: NetDraft) -> tuple[Clause, ...]:
        """Return every clause with all its options; `parts` has the origin of each option."""
        defaults = tuple(draft.defaults.values())
        origin = next((p.origin for p in sorted(defaults, key=_rank)), DEFAULT)
        clauses = [Clause(make_node(["default", *(p.node for p in defaults)], self.span), origin, defaults)]
        inputs = draft.inputs
        for layer in draft.layers.values():
            parts = (
                tuple(option for word, option in layer.options.items() if word == "input")
                if layer in inputs
                else tuple(
                    layer.options.get(word) or Clause(draft.defaults[word].node, DEFAULT) for word in draft.defaults
                )
            )
            items: list[Plain] = ["layer", layer.name, layer.shape or (), *(p.node for p in parts)]
            clauses.append(Clause(make_node(items, layer.span), layer.origin, parts))
        clauses += [self._complete_connection(c) for c in draft.connections if c.scheme is not None]
        clauses += [Clause(make_node(t.items, t.span), t.origin) for t in draft.transforms]
        return (*clauses, *(Clause(node) for node in self._stated("expect")))

    def _complete_connection(self, draft: DraftConnection) -> Clause:
        assert draft.scheme is not None
        parts: list[Clause] = []
        for word in SCHEMES.get(draft.scheme.head).reads:
            if word in draft.options:
                parts.append(draft.options[word])
            elif word in OPTION_DEFAULTS and not ("distance" in draft.options and word in BESIDE_DISTANCE):
                parts.append(Clause(make_node(OPTION_DEFAULTS[word], draft.span), DEFAULT))
        items: list[Plain] = ["connect", draft.source, draft.target, draft.scheme, *(p.node for p in parts)]
        return Clause(make_node(items, draft.span), draft.origin, tuple(parts))

    def _read_expect(self) -> dict[str, tuple[int, Node]]:
        """Return the counts that `(expect (units N) (connections N) (weights N))` states, each with its node."""
        expected: dict[str, tuple[int, Node]] = {}
        for node in self._stated("expect"):
            args = read_arguments(node, 1, None, "(expect (units N) (connections N) (weights N))", self.faults) or ()
            for count in select_clauses(args, COUNTS, "expect", (), self.faults):
                stated = read_arguments(count, 1, 1, f"({count.head} N)", self.faults)
                value = (
                    None if stated is None else read_whole_number(stated[0], f"the number of {count.head}", self.faults)
                )
                if value is not None:
                    expected[count.head] = value, count
        return expected

    def _check_counts(self, expected: dict[str, tuple[int, Node]], net: Net) -> None:
        for what, (value, node) in expected.items():
            actual = getattr(net.counts, what)
            if actual != value:
                each = ", ".join(
                    f"{layer.name} {getattr(net.layer_counts(layer.name), what):,}" for layer in net.layers
                )
                self.faults.add(
                    f"net {net.name} has {actual:,} {what}, {value:,} expected",
                    node.span,
                    f"write ({what} {actual}) if that is what you want; layer by layer: {each}",
                )


def _pooling(connection: Connection) -> Transform:
    """Return the transform of a connection with the scheme `max-mask`."""
    windows = connection.wiring.structure
    structure = None
    if isinstance(windows, Windows):
        structure = MaxPooling(windows.source, windows.target, windows.window, windows.step)
    return Transform("max-mask", (connection.source,), connection.target, structure, connection.span)


def _rank(clause: Clause) -> int:
    """Return the rank of an origin: stated before inherited before default."""
    return 0 if clause.origin == STATED else 2 if clause.origin == DEFAULT else 1


def _value(option: Node) -> object:
    """Return the value of an option as Python values: one by itself, several as a tuple, none as True."""
    values = tuple(python_value(node) for node in option.items[1:])
    return True if not values else values[0] if len(values) == 1 else values


def _no_wires() -> Table:
    return Table(*(np.empty(0, int) for _ in range(3)))


NOT_WIRED: Wiring = wire_table((0,), 0, _no_wires)
