"""The words that state networks: `net`, `table`, `define-nlf`. Each checks, puts its value on its shelf, returns it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from snsim.errors import SnError
from snsim.language.forms import Node
from snsim.network.check import check
from snsim.network.clauses import (
    DEFAULT,
    STATED,
    Clause,
    Faults,
    Plain,
    all_read,
    arguments,
    describe,
    make_node,
    name,
    number,
    sort_clauses,
    whole,
)
from snsim.network.connect_options import Statement, plain
from snsim.network.net import Connection, Layer, Net, Nlf, Transform
from snsim.network.nlfs import NlfDefinition, declare_nlf, read_nlf
from snsim.network.partial_net import (
    CONNECT_SYNTAX,
    LAYER_OPTIONS,
    LAYER_SYNTAX,
    OPTION_DEFAULTS,
    WITHOUT_SYNTAX,
    Draft,
    DraftConnection,
    DraftLayer,
)
from snsim.network.schemes import SCHEMES
from snsim.network.tables import declare_table, lisp_functions
from snsim.network.transforms import SYNTAX as TRANSFORMS
from snsim.network.transforms import DraftTransform, transform
from snsim.network.wiring import Table, Wiring, wire_table
from snsim.registry import Shelf

__all__ = ["WORDS", "NetShelves", "NlfDefinition", "lisp_functions"]

# Every clause of `net`: its syntax and its line of help.
CLAUSES: Shelf[str] = Shelf("clause of net")
for _word, _syntax, _doc in (
    ("like", "(like NET)", "first clause: the clauses of that net, then these"),
    ("default", "(default (nlf ..) (bias ..))", "for layers that do not say; (nlf sn-tanh) (bias unit) if not stated"),
    ("layer", LAYER_SYNTAX, "layers, in order of computation: the first is the input, the last the output"),
    ("connect", CONNECT_SYNTAX, "every layer of the first names to every layer of the second"),
    ("normalize", TRANSFORMS["normalize"], "each position of FROM to mean 0, variance 1 over the maps, into TO"),
    ("attend", TRANSFORMS["attend"], "softmax(q k / sqrt(maps of a head)) v over the positions, per head, into TO"),
    ("without", WITHOUT_SYNTAX, "removes what `like` brought"),
    ("expect", "(expect (units N) (connections N) (weights N))", "refuses the net if its counts are others"),
):
    CLAUSES.add(_word, _syntax, _doc)

BIASES = ("unit", "map", "column", "none")
COUNTS = ("units", "connections", "weights")


@dataclass(frozen=True)
class NetShelves:
    """Where a program's tables, nets and nlfs are kept."""

    tables: Shelf[np.ndarray] = field(default_factory=lambda: Shelf("table"))
    nets: Shelf[Net] = field(default_factory=lambda: Shelf("net"))
    nlfs: Shelf[NlfDefinition] = field(default_factory=lambda: Shelf("nlf"))

    def child(self) -> NetShelves:
        """Shelves that see everything here and keep their own additions to themselves."""
        return NetShelves(self.tables.child(), self.nets.child(), self.nlfs.child())


# The words. Each takes the call as a node, its commas computed, the interpreter, and where its program keeps things.
WORDS: Shelf[Callable[[Node, Any, NetShelves], object]] = Shelf("declarative word")


@WORDS.register("table")
def _table(form: Node, interpreter: Any, shelves: NetShelves) -> np.ndarray:
    """(table NAME row ...): which map feeds which, drawn, listed (from B (s ...) ...) or computed (,matrix)."""
    return declare_table(form, shelves.tables)


@WORDS.register("net")
def _net(form: Node, interpreter: Any, shelves: NetShelves) -> Net:
    """(net NAME clause ...): a network; clauses: like default layer connect normalize attend without expect."""
    return declare_net(form, shelves)


@WORDS.register("define-nlf")
def _define_nlf(form: Node, interpreter: Any, shelves: NetShelves) -> NlfDefinition:
    """(define-nlf NAME (x p (q default) ...) "help" EXPR): a non-linearity with parameters, as an expression."""
    return declare_nlf(form, shelves.nlfs)


def declare_net(form: Node, shelves: NetShelves) -> Net:
    """Read `(net NAME clause ...)`, put the net on the shelf and return it. SnError with all faults."""
    faults = Faults()
    given = arguments(form, 1, None, "(net NAME clause ...)", faults)
    title = None if given is None else name(given[0], "the name of a net", faults)
    if given is None or title is None:
        raise SnError(faults.found)
    try:
        with faults.gathered():
            shelves.nets.check_free(title, given[0].span)
        net = NetForm(title, form, given[1:], shelves, faults).net()
    except SnError:
        shelves.nets.mark_broken(title)
        raise
    return shelves.nets.add(title, net, net.summary, given[0].span)


class NetForm:
    """One `(net NAME clause ...)` on its way to a Net."""

    def __init__(self, title: str, form: Node, nodes: tuple[Node, ...], shelves: NetShelves, faults: Faults):
        self.title = title
        self.span = form.items[1].span
        self.shelves = shelves
        self.faults = faults
        repeatable = ("layer", "connect", "without", *TRANSFORMS)
        self._clauses = sort_clauses(nodes, CLAUSES.names(), "net", repeatable, faults)
        if self._stated("like") and nodes[0].head != "like":
            faults.add(
                "(like NET) must be the first clause",
                self._stated("like")[0].span,
                f"move it directly behind the name: (net {title} (like NET) ...)",
            )
        self._nlfs: dict[int, tuple[Node, Nlf]] = {}  # by the identity of the option, which is kept with it
        self._unsound: set[str] = set()  # layers whose shape is not known

    def _stated(self, word: str) -> list[Node]:
        return [node for node in self._clauses if node.head == word]

    def net(self) -> Net:
        """The net, checked; SnError with every fault of the form."""
        self._parent = self._like()
        draft = Draft(self._parent, self.span, self.faults)
        for word, apply in (
            ("without", draft.without),
            ("default", draft.default),
            ("layer", draft.layer),
            ("connect", draft.connect),
            *((word, draft.transform) for word in TRANSFORMS),
        ):
            for node in self._stated(word):
                apply(node)
        read_whole = not self.faults.any
        layers = tuple(self._layer(layer, draft) for layer in draft.layers.values())
        if layers:
            layers = (self._input(layers[0], draft), *layers[1:])
        by_name = {layer.name: layer for layer in layers}
        connections = tuple(self._connection(c, by_name) for c in draft.connections)
        transforms = tuple(self._transform(t, by_name) for t in draft.transforms)
        net = Net(self.title, layers, connections, self._complete(draft), self.span, transforms)
        # Where a clause could not be read, layers may seem to be without a connection: not said then.
        self.faults.found += check(net, skip=() if read_whole else ("ends",))
        expected = self._expected()
        if not self.faults.any:
            self._compare(expected, net)
        if self.faults.any:
            raise SnError(dict.fromkeys(self.faults.found))  # one that several pairs of layers have is said once
        return net

    def _like(self) -> Net | None:
        """The net of `(like NET)`. Without it nothing else of the form makes sense."""
        for node in self._stated("like"):
            given = arguments(node, 1, 1, "(like NET)", self.faults)
            title = None if given is None else name(given[0], "the net of (like NET)", self.faults)
            if given is None or title is None:
                raise SnError(self.faults.found)
            with self.faults.gathered():
                return self.shelves.nets.get(title, given[0].span)
            raise SnError(self.faults.found)
        return None

    # ---- layers --------------------------------------------------------------------------------------------------

    def _layer(self, draft: DraftLayer, all_of_them: Draft) -> Layer:
        shape = None if draft.shape is None else self._shape(draft)
        if shape is None:
            self._unsound.add(draft.name)
        options = {**all_of_them.defaults, **draft.options}
        nlf, bias = self._nlf(options["nlf"].node), self._bias(options["bias"].node)
        return Layer(draft.name, shape or (1,), nlf, bias, draft.span)

    def _nlf(self, option: Node) -> Nlf | None:
        """The nlf that an option states; one that many layers share, as that of `default`, is read once."""
        known = self._nlfs.get(id(option))
        if known is not None:
            return known[1]
        nlf = read_nlf(option, self.shelves.nlfs, self.faults)
        if nlf is not None:
            self._nlfs[id(option)] = option, nlf
        return nlf

    def _shape(self, draft: DraftLayer) -> tuple[int, ...] | None:
        """n, (rows cols) or (maps rows cols)."""
        node = draft.shape
        assert node is not None
        if not node.is_list and not node.is_number:
            self.faults.add(
                f"a shape or an option belongs here, not {describe(node)}",
                node.span,
                f"write {LAYER_SYNTAX}; several layers are named in a list: (layer (h1 h2) 30)",
            )
            return None
        if node.is_list and len(node.items) not in (2, 3):
            self.faults.add(
                f"the shape of layer {draft.name} is a list of 2 or 3 numbers, not of {len(node.items)}",
                node.span,
                f"write {LAYER_SYNTAX}",
            )
            return None
        return all_read(
            [
                whole(n, f"a size of layer {draft.name}", self.faults, least=1)
                for n in (node.items if node.is_list else (node,))
            ]
        )

    def _bias(self, node: Node) -> str:
        given = arguments(node, 1, 1, "(bias unit), map, column or none", self.faults)
        if given is None:
            return "none"
        if given[0].is_name and given[0].name in BIASES:
            return given[0].name
        self.faults.add(
            f"a bias is unit, map, column or none, not {describe(given[0])}",
            given[0].span,
            "write (bias unit) for one a unit, (bias map) for a shared one, or (bias none)",
        )
        return "none"

    def _input(self, layer: Layer, draft: Draft) -> Layer:
        stated = {word: option for word, option in draft.layers[layer.name].options.items() if option.origin == STATED}
        for word, option in stated.items():
            self.faults.add(
                f"layer {layer.name} is the input (the first layer), which takes no ({word} ...)",
                option.node.span,
                f"leave ({word} ...) out, or state it for a later layer",
            )
        return Layer(layer.name, layer.shape, span=layer.span)

    # ---- connections ---------------------------------------------------------------------------------------------

    def _connection(self, draft: DraftConnection, layers: dict[str, Layer]) -> Connection:
        """The connection; where its clause has faults, one with no wires, so that the net can still be checked."""
        options = {word: clause.node for word, clause in draft.options.items()}
        connection = Connection(draft.source, draft.target, "", {}, NOT_WIRED, span=draft.span)
        if draft.scheme is None or not draft.whole or self._unsound & {draft.source, draft.target}:
            return connection
        faults = Faults()
        statement = Statement(draft.scheme, options, self.shelves.tables, faults)
        scheme = SCHEMES.get(draft.scheme.head)
        scale = self._number(options.get("scale"), faults)
        fixed = self._number(options.get("fixed"), faults)
        weight_norm = statement.weight_norm()
        with faults.gathered():
            wiring = scheme(layers[draft.source], layers[draft.target], replace(statement, faults=Faults()))
            border = statement.border()
            stated = {word: _value(node) for word, node in options.items()}
            arguments_ = tuple(plain(node) for node in draft.scheme.items[1:])
            connection = Connection(
                draft.source,
                draft.target,
                draft.scheme.head,
                stated,
                wiring,
                border.value,
                1.0 if scale is None else scale,
                fixed,
                draft.span,
                arguments_,
                weight_norm,
            )
        self._report(faults, draft)
        return connection

    def _transform(self, draft: DraftTransform, layers: dict[str, Layer]) -> Transform:
        faults = Faults()
        made = transform(draft, layers, not self._unsound & set(draft.layers), faults)
        self._report(faults, draft)
        return made

    def _number(self, node: Node | None, faults: Faults) -> float | None:
        if node is None:
            return None
        given = arguments(node, 1, 1, f"({node.head} NUM)", faults)
        return None if given is None else number(given[0], f"the number of ({node.head} ...)", faults)

    def _report(self, faults: Faults, draft: DraftConnection | DraftTransform) -> None:
        """Take over the faults; those of an inherited clause say in which net they arise."""
        also = () if draft.origin == STATED else ((f"in net {self.title}", self.span),)
        self.faults.found += [replace(fault, also=fault.also + also) for fault in faults.found]
        self.faults.silent = self.faults.silent or faults.silent

    # ---- the complete form, expect -------------------------------------------------------------------------------

    def _complete(self, draft: Draft) -> tuple[Clause, ...]:
        """Every clause with its options filled in and, in `parts`, whence each option is."""
        defaults = tuple(draft.defaults[word] for word in LAYER_OPTIONS.names())
        origin = next((p.origin for p in sorted(defaults, key=_rank)), DEFAULT)
        clauses = [Clause(make_node(["default", *(p.node for p in defaults)], self.span), origin, defaults)]
        for i, layer in enumerate(draft.layers.values()):
            parts = (
                ()
                if i == 0
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
            elif word in OPTION_DEFAULTS:
                parts.append(Clause(make_node(OPTION_DEFAULTS[word], draft.span), DEFAULT))
        items: list[Plain] = ["connect", draft.source, draft.target, draft.scheme, *(p.node for p in parts)]
        return Clause(make_node(items, draft.span), draft.origin, tuple(parts))

    def _expected(self) -> dict[str, tuple[int, Node]]:
        """The counts that `(expect (units N) (connections N) (weights N))` states, any of the three."""
        expected: dict[str, tuple[int, Node]] = {}
        for node in self._stated("expect"):
            given = arguments(node, 1, None, "(expect (units N) (connections N) (weights N))", self.faults) or ()
            for count in sort_clauses(given, COUNTS, "expect", (), self.faults):
                stated = arguments(count, 1, 1, f"({count.head} N)", self.faults)
                value = None if stated is None else whole(stated[0], f"the number of {count.head}", self.faults)
                if value is not None:
                    expected[count.head] = value, count
        return expected

    def _compare(self, expected: dict[str, tuple[int, Node]], net: Net) -> None:
        for what, (value, node) in expected.items():
            found = getattr(net.counts, what)
            if found != value:
                each = ", ".join(
                    f"{layer.name} {getattr(net.layer_counts(layer.name), what):,}" for layer in net.layers
                )
                self.faults.add(
                    f"net {net.name} has {found:,} {what}, {value:,} expected",
                    node.span,
                    f"write ({what} {found}) if that is meant; layer by layer: {each}",
                )


def _rank(clause: Clause) -> int:
    """Stated before inherited before default."""
    return 0 if clause.origin == STATED else 2 if clause.origin == DEFAULT else 1


def _value(option: Node) -> object:
    """What an option states as Python values: a single one by itself, several as a tuple, none as True."""
    given = tuple(plain(node) for node in option.items[1:])
    return True if not given else given[0] if len(given) == 1 else given


def _no_wires() -> Table:
    return Table(*(np.empty(0, int) for _ in range(3)))


NOT_WIRED: Wiring = wire_table((0,), 0, _no_wires)
