"""Apply the clauses of a net before anything is built: `like`, `default`, `layer`, `connect` and `without`.

A draft stores the origin of each option. So a net that inherits from another changes only what it states, and the
complete form can tell what was stated, inherited or a default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial

from snsim.errors import Span
from snsim.language.forms import Node
from snsim.network.clauses import (
    DEFAULT,
    STATED,
    Clause,
    Faults,
    all_or_none,
    describe,
    make_node,
    read_arguments,
    read_name,
    read_names,
)
from snsim.network.connect_options import BORDER_SYNTAX
from snsim.network.net import Net
from snsim.network.schemes import SCHEMES
from snsim.network.transforms import SYNTAX, DraftTransform, read_transform
from snsim.registry import Shelf, listed, suggest

# Options with their syntax and help line, in the order of the complete form.
LAYER_OPTIONS: Shelf[str] = Shelf("option of layer")
CONNECT_OPTIONS: Shelf[str] = Shelf("option of connect")
for _shelf, _word, _syntax, _doc in (
    (LAYER_OPTIONS, "nlf", "(nlf NAME NUM ...) or (nlf EXPR)", "non-linearity, by name or as an expression in x"),
    (LAYER_OPTIONS, "bias", "(bias unit), map, column or none", "one per unit, one shared per map or per column, none"),
    (LAYER_OPTIONS, "input", "(input)", "an input layer, of several; without it the first layer is the only one"),
    (
        CONNECT_OPTIONS,
        "table",
        "(table NAME) or (table ,matrix)",
        "which source maps feed which target maps; default full",
    ),
    (CONNECT_OPTIONS, "step", "(step S) or (step SR SC)", "shift of the window in rows and columns; default 1"),
    (
        CONNECT_OPTIONS,
        "border",
        BORDER_SYNTAX,
        "N cells around each map, with the value V or wrapped around; or T cells above it, B below it, L to its left "
        "and R to its right; default none",
    ),
    (CONNECT_OPTIONS, "exact", "(exact)", "refuse a net whose windows leave cells at the far edge unread"),
    (CONNECT_OPTIONS, "scale", "(scale NUM)", "inputs multiplied by a constant; default 1"),
    (
        CONNECT_OPTIONS,
        "fixed",
        "(fixed NUM), or (fixed) beside codes",
        "all weights are this number and never learn; without a number, the codes never learn",
    ),
    (
        CONNECT_OPTIONS,
        "weight-norm",
        "(weight-norm)",
        "weights gain * v / |v|, with one v for each target map (mask, equal-mask), trait (tdnn) or unit; "
        "the gains learn too",
    ),
    (CONNECT_OPTIONS, "distance", "(distance)", "sums of (w - x)^2, as in a radial unit, instead of products w x"),
    (
        CONNECT_OPTIONS,
        "codes",
        "(codes (x - 0.5 ...) ...) or (codes ,matrix)",
        "the weights, a row for each target unit or map: x is 1, - is -1; initial values, or fixed with (fixed)",
    ),
    (
        CONNECT_OPTIONS,
        "delay",
        "(delay 1)",
        "read the states of one step before, in sequences; the connection may lead backward, or from a layer to itself",
    ),
    (
        CONNECT_OPTIONS,
        "name",
        "(name N)",
        "for one more connection between the same layers: its weights are called N.weight",
    ),
):
    _shelf.add(_word, _syntax, _doc)

LAYER_SYNTAX = "(layer NAMES SHAPE option ...), SHAPE n, (rows cols) or (maps rows cols)"
CONNECT_SYNTAX = "(connect NAMES NAMES (scheme ...) option ...)"
WITHOUT_SYNTAX = (
    "(without LAYER), (without (connect A B)), (without (connect A B NAME)), (without (normalize A B)) or "
    "(without (attend Q K V TO))"
)
# The values of options that are not stated. `exact`, `fixed`, `weight-norm`, `distance`, `codes`, `delay` and
# `name` are off then, which has no syntax.
OPTION_DEFAULTS: dict[str, tuple[str | int, ...]] = {
    "table": ("table", "full"),
    "step": ("step", 1),
    "border": ("border", 0, 0),
    "scale": ("scale", 1),
}


@dataclass
class DraftLayer:
    """A layer as its clauses state it."""

    name: str
    shape: Node | None
    origin: str  # of the shape
    span: Span
    options: dict[str, Clause] = field(default_factory=dict)  # stated or inherited; defaults are filled in at the end


@dataclass
class DraftConnection:
    """A connection as its clauses state it."""

    source: str
    target: str
    scheme: Node | None
    origin: str  # of the scheme
    span: Span
    options: dict[str, Clause] = field(default_factory=dict)
    stated: bool = False  # a clause of this form, not of an inherited one, names it
    whole: bool = True  # every option of its clause could be read


class NetDraft:
    """The layers, connections and transforms that result from the clauses of one net form."""

    def __init__(self, parent: Net | None, span: Span, faults: Faults):
        self.layers: dict[str, DraftLayer] = {}
        # The inherited ones, by source and target, and by their name if they have one.
        self._connections: dict[tuple[str, ...], DraftConnection] = {}
        self._transforms: dict[tuple[str, ...], DraftTransform] = {}  # inherited, by word and layers
        self._added_connections: list[DraftConnection] = []
        self._added_transforms: list[DraftTransform] = []
        self.defaults = {
            word: Clause(make_node(form, span), DEFAULT)
            for word, form in (("nlf", ("nlf", "sn-tanh")), ("bias", ("bias", "unit")))
        }
        self._parent = parent
        self._faults = faults
        self._stated: dict[str, Span] = {}  # layers of this form
        if parent is not None:
            self._inherit(parent)

    @property
    def connections(self) -> list[DraftConnection]:
        """The inherited connections, then the added ones, in the order of the text."""
        return [*self._connections.values(), *self._added_connections]

    @property
    def transforms(self) -> list[DraftTransform]:
        """The inherited transforms, then the added ones, in the order of the text."""
        return [*self._transforms.values(), *self._added_transforms]

    @property
    def inputs(self) -> list[DraftLayer]:
        """The input layers: those with `(input)`, or else the first."""
        layers = list(self.layers.values())
        return [layer for layer in layers if "input" in layer.options] or layers[:1]

    @cached_property
    def _joined(self) -> dict[str, list[tuple[str, ...]]]:
        """For each inherited layer the keys of its inherited connections and transforms."""
        joined: dict[str, list[tuple[str, ...]]] = {}
        for key in self._connections:
            for layer in key[:2]:
                joined.setdefault(layer, []).append(key)
        for key in self._transforms:
            for layer in key[1:]:
                joined.setdefault(layer, []).append(key)
        return joined

    def _inherit(self, parent: Net) -> None:
        for clause in parent.clauses:
            clause = clause.inherited(parent.name)
            node, items = clause.node, clause.node.items
            parts = {part.word: part for part in clause.parts}
            kept = {word: part for word, part in parts.items() if part.origin != DEFAULT}
            if clause.word == "default":
                self.defaults = parts
            elif clause.word == "layer":
                layer = items[1].name
                self.layers[layer] = DraftLayer(layer, items[2], clause.origin, node.span, kept)
            elif clause.word == "connect":
                ends = items[1].name, items[2].name
                name = (kept["name"].node.items[1].name,) if "name" in kept else ()
                self._connections[*ends, *name] = DraftConnection(*ends, items[3], clause.origin, items[2].span, kept)
            elif clause.word in SYNTAX:
                draft = read_transform(node, clause.origin, self._faults)
                assert draft is not None, "a clause of a net without faults"
                self._transforms[draft.key] = draft

    # ---- without, default ----------------------------------------------------------------------------------------

    def apply_without(self, node: Node) -> None:
        """Apply `(without LAYER)`, `(without (connect A B))` or the same with a name, `normalize` or `attend`."""
        args = read_arguments(node, 1, 1, WITHOUT_SYNTAX, self._faults)
        if args is None:
            return
        if self._parent is None:
            self._faults.add(
                "(without ...) removes what (like NET) inherits, and there is no (like NET)",
                node.span,
                "start the net with (like NET), or remove the layer itself",
            )
        elif args[0].is_list:
            (self._without_transform if args[0].head in SYNTAX else self._without_connection)(args[0])
        elif (layer := self._existing_layer(args[0])) is not None:
            del self.layers[layer]
            for key in self._joined.get(layer, ()):
                self._connections.pop(key, None)
                self._transforms.pop(key, None)

    def _without_connection(self, node: Node) -> None:
        if node.head != "connect" or len(node.items) not in (3, 4):
            self._faults.add(
                f"(without ...) takes a layer or (connect A B), not {describe(node)}",
                node.span,
                f"write {WITHOUT_SYNTAX}",
            )
            return
        ends = all_or_none(map(self._existing_layer, node.items[1:3]))
        name = all_or_none([read_name(item, "the name of a connection", self._faults) for item in node.items[3:]])
        if ends is not None and name is not None and self._connections.pop((*ends, *name), None) is None:
            by_this_name = f" by a connection called {name[0]}" if name else ""
            self._faults.add(f"{ends[0]} is not connected to {ends[1]}{by_this_name}", node.span, self._connection_list)

    def _without_transform(self, node: Node) -> None:
        """Remove `(normalize FROM TO)` or `(attend Q K V TO)`; the heads need not be stated."""
        layers = all_or_none([self._existing_layer(item) for item in node.items[1:] if item.head != "heads"])
        if layers is not None and self._transforms.pop((node.head, *layers), None) is None:
            existing = listed((f"({' '.join(key)})" for key in self._transforms), len(self._transforms)) or "none"
            self._faults.add(
                f"there is no ({' '.join([node.head, *layers])}) here", node.span, f"clauses of this kind: {existing}"
            )

    def _connection_list(self) -> str:
        return "connections: " + listed((" ".join(ends) for ends in self._connections), len(self._connections))

    def _layer_list(self) -> str:
        return suggest("", list(self.layers), "layers")

    def _existing_layer(self, node: Node) -> str | None:
        """Return the name of a layer of the draft; None after a fault with the nearest name if there is none."""
        layer = read_name(node, "a layer", self._faults, self._layer_list)
        if layer is None or layer in self.layers:
            return layer
        self._faults.add(f'there is no layer "{layer}"', node.span, lambda: suggest(layer, list(self.layers), "layers"))
        return None

    def apply_default(self, node: Node) -> None:
        """Apply `(default (nlf ..) (bias ..))`, the options of layers that do not state them."""
        self.defaults = {**self.defaults, **self._read_options(node.items[1:], list(self.defaults), "(default ...)")}

    def _read_options(self, nodes: Iterable[Node], known: Iterable[str], kind: str) -> dict[str, Clause]:
        """Return the options by word; unknown and repeated ones are faults."""
        options: dict[str, Clause] = {}
        for node in nodes:
            if not node.head:
                self._faults.add(
                    f"an option is a list that begins with a word, not {describe(node)}",
                    node.span,
                    f"options of {kind}: {', '.join(known)}",
                )
            elif node.head not in known:
                self._faults.add(
                    f'{kind} has no option "{node.head}"',
                    node.items[0].span,
                    partial(suggest, node.head, list(known), f"options of {kind}"),
                )
            elif node.head in options:
                self._faults.add(
                    f"({node.head} ...) is stated twice",
                    node.span,
                    "remove one of them",
                    (("first here", options[node.head].node.span),),
                )
            else:
                options[node.head] = Clause(node)
        return options

    # ---- layers --------------------------------------------------------------------------------------------------

    def apply_layer(self, node: Node) -> None:
        """Apply `(layer NAMES SHAPE option ...)`; an inherited layer changes only in what the clause states."""
        args = read_arguments(node, 1, None, LAYER_SYNTAX, self._faults)
        if args is None:
            return
        stated = read_names(args[0], "a layer", self._faults)
        rest = list(args[1:])
        shape = rest.pop(0) if rest and not rest[0].head else None
        if rest and rest[0].is_number and shape is not None and not shape.is_name:
            self._faults.add(
                "a layer has one shape", rest[0].span, "write a shape of several numbers as a list: (12 8 8)"
            )
        if rest and not rest[0].is_list:
            rest = []
        options = self._read_options(rest, LAYER_OPTIONS.names(), "(layer ...)")
        for name_node in stated:
            self._state_layer(name_node, shape, options, node)

    def _state_layer(self, name_node: Node, shape: Node | None, options: dict[str, Clause], node: Node) -> None:
        layer = self.layers.get(name_node.name)
        if name_node.name in self._stated:
            self._faults.add(
                f"layer {name_node.name} is stated twice",
                name_node.span,
                "remove one of them, or rename it",
                (("first here", self._stated[name_node.name]),),
            )
            return
        self._stated[name_node.name] = name_node.span
        if layer is None:
            if shape is None:
                self._faults.add(
                    f"layer {name_node.name} has no shape", name_node.span, partial(self._shape_hint, name_node.name)
                )
            self.layers[name_node.name] = DraftLayer(name_node.name, shape, STATED, name_node.span, dict(options))
            return
        if shape is None and not options:
            self._faults.add(f"(layer {name_node.name}) changes nothing", node.span, f"write {LAYER_SYNTAX}")
        layer.options.update(options)
        layer.span = name_node.span
        if shape is not None:
            layer.shape, layer.origin = shape, STATED

    def _shape_hint(self, layer: str) -> str:
        inherited = list(self.layers) if self._parent is not None else []
        near = f"; {suggest(layer, inherited, 'inherited layers')}" if inherited else ""
        return f"write {LAYER_SYNTAX}{near}"

    # ---- connections, and what joins layers without weights ------------------------------------------------------

    def apply_transform(self, node: Node) -> None:
        """Apply `(normalize FROM TO)` or `(attend Q K V TO (heads N))`; it replaces an inherited one."""
        draft = read_transform(node, STATED, self._faults)
        known = {item.name for item in node.items[1:] if item.is_name and self._existing_layer(item) is not None}
        if draft is None or not known.issuperset(draft.layers):
            return
        inherited = self._transforms.get(draft.key)
        if inherited is not None and inherited.origin != STATED:
            self._transforms[draft.key] = draft
        else:
            self._added_transforms.append(draft)

    def apply_connect(self, node: Node) -> None:
        """Apply `(connect NAMES NAMES (scheme ..) option ...)`: every source layer to every target layer."""
        args = read_arguments(node, 3, None, CONNECT_SYNTAX, self._faults)
        if args is None:
            return
        sources, targets = (
            [
                name_node
                for name_node in read_names(n, "a layer", self._faults, self._layer_list)
                if self._existing_layer(name_node) is not None
            ]
            for n in args[:2]
        )
        pairs = [(s.name, t) for s in sources for t in targets]
        faults_before = len(self._faults.found)
        name = self._read_name(args[2:], len(pairs))
        name_is_sound = len(self._faults.found) == faults_before
        inherited = {
            ends: c
            for ends in ((s, t.name, *name) for s, t in pairs)
            if (c := self._connections.get(ends)) is not None and not c.stated
        }
        changes = bool(pairs) and all((s, t.name, *name) in inherited for s, t in pairs)
        scheme, rest = self._read_scheme(args[2:], changes)
        for source, target in pairs:
            changed = inherited.get((source, target.name, *name))
            before = len(self._faults.found)
            options = self._read_connect_options(rest, scheme or (changed.scheme if changed else None))
            draft = changed or DraftConnection(source, target.name, scheme, STATED, target.span)
            if changed is None:
                self._added_connections.append(draft)
            draft.options = options if scheme else {**draft.options, **options}
            draft.stated, draft.span = True, target.span
            if scheme is not None:
                draft.scheme, draft.origin = scheme, STATED
            draft.whole = name_is_sound and len(self._faults.found) == before

    def _read_name(self, args: tuple[Node, ...], pairs: int) -> tuple[str, ...]:
        """Return the name of `(name N)` among the options of a clause, () if there is none or after a fault."""
        node = next((arg for arg in args if arg.head == "name"), None)
        stated = None if node is None else read_arguments(node, 1, 1, "(name N)", self._faults)
        name = None if stated is None else read_name(stated[0], "the name of a connection", self._faults)
        if node is None or name is None:
            return ()
        if pairs > 1:
            self._faults.add(
                f"a name belongs to one connection, and this clause states {pairs}",
                node.span,
                "write a clause for each pair of layers, with a name of its own",
            )
            return ()
        return (name,)

    def _read_scheme(self, args: tuple[Node, ...], changes: bool) -> tuple[Node | None, tuple[Node, ...]]:
        """Return the scheme, if one is stated, and the options after it.

        `changes` is true if the clause names inherited connections only: it may then leave the scheme out.
        """
        first = args[0]
        if changes and first.head in CONNECT_OPTIONS:
            return None, args
        if first.is_list and first.head in SCHEMES:
            with self._faults.gathered():
                SCHEMES.get(first.head, first.items[0].span)  # raises for a plug-in that cannot be loaded
                return first, args[1:]
            return None, ()
        kind = "scheme or option" if changes else "scheme"
        words = SCHEMES.names() + (CONNECT_OPTIONS.names() if changes else [])
        if first.is_name and first.name in words:
            with self._faults.gathered():
                option = first.name not in SCHEMES.names()
                syntax = CONNECT_OPTIONS.get(first.name) if option else SCHEMES.get(first.name).syntax
                self._faults.add(
                    f'a {kind} must be in parentheses, and "{first.name}" is not', first.span, f"write {syntax}"
                )
        elif not first.head:
            self._faults.add(
                f"expected a {kind}, not {describe(first)}",
                first.span,
                f"write {CONNECT_SYNTAX}; schemes: {', '.join(SCHEMES.names())}",
            )
        elif first.head in CONNECT_OPTIONS:
            self._faults.add(
                f"({first.head} ...) is an option; the scheme comes first",
                first.span,
                f"write {CONNECT_SYNTAX}; schemes: {', '.join(SCHEMES.names())}",
            )
        else:
            self._faults.add(
                f'unknown {kind} "{first.head}"', first.items[0].span, partial(suggest, first.head, words, f"{kind}s")
            )
        return None, ()

    def _read_connect_options(self, rest: tuple[Node, ...], scheme: Node | None) -> dict[str, Clause]:
        """Return the options by word; those that the scheme does not read are faults."""
        if scheme is None:
            return {}
        reads = SCHEMES.get(scheme.head).reads
        if scheme.head == "weights-of" and rest:
            self._faults.add(
                "(weights-of ...) is the scheme: it takes no other scheme and no option",
                rest[0].span,
                "remove this: the connection has the scheme and the options of the one that it names",
            )
            delays = tuple(node for node in rest if node.head == "delay")  # so that its direction is no fault too
            return self._read_options(delays, ("delay",), "(weights-of ...)")
        return self._read_options(rest, reads, f"({scheme.head} ...)")
