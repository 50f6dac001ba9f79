"""Read what clauses of `train` share: VALUE, a number over the passes, and SCOPE, the weights it holds for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from snsim.language.forms import Node
from snsim.network.clauses import (
    STATED,
    Clause,
    Faults,
    all_or_none,
    describe,
    read_arguments,
    read_name,
    read_number,
    read_whole_number,
)
from snsim.network.net import Net
from snsim.registry import listed, suggest
from snsim.training.initial import INITIALISERS
from snsim.training.parameter_scopes import scopes_of
from snsim.training.spec import Scope, ScopedValue, Value

VALUE = "a number, (linear a b) or (steps (v n) ... (v))"
SCOPES = "biases, a layer, (bias LAYER), (connect FROM TO) or (connect FROM TO NAME)"


def read_value(node: Node, what: str, faults: Faults) -> Value | None:
    """Read VALUE: NUM, `(linear a b)` or `(steps (v n) ... (v))`; None after a fault."""
    if node.head == "linear":
        ends = read_arguments(node, 2, 2, "(linear a b)", faults)
        numbers = all_or_none([read_number(end, what, faults) for end in ends or ()])
        return None if ends is None or numbers is None else Value("linear", numbers, span=node.span)
    if node.head == "steps":
        return _read_steps(node, what, faults)
    if node.is_list:
        faults.add(
            f"{what} must be {VALUE}, not {describe(node)}",
            node.span,
            "write for example 0.1, (linear 0.1 0.01) or (steps (0.1 10) (0.01))",
        )
        return None
    stated = read_number(node, what, faults)
    return None if stated is None else Value("constant", (stated,), span=node.span)


def _read_steps(node: Node, what: str, faults: Faults) -> Value | None:
    steps = read_arguments(node, 1, None, "(steps (v n) ... (v))", faults)
    if steps is None:
        return None
    numbers, lengths, before = [], [], len(faults.found)
    for step in steps:
        if len(step.items) not in ((1, 2) if step is steps[-1] else (2,)):
            faults.add(
                f"a step is (v n), value and passes, not {describe(step)}",
                step.span,
                "only the last step may be (v), which holds until the end",
            )
            continue
        numbers.append(read_number(step.items[0], what, faults))
        lengths += [read_whole_number(length, "the passes of a step", faults, 1) for length in step.items[1:]]
    values, passes = all_or_none(numbers), all_or_none(lengths)
    if values is None or passes is None or len(faults.found) != before:
        return None
    return Value("steps", values, passes, node.span)


def read_constant(node: Node, what: str, faults: Faults) -> Value | None:
    """Read NUM as a Value that does not change; None after a fault."""
    stated = read_number(node, what, faults)
    return None if stated is None else Value("constant", (stated,), span=node.span)


def read_scope(node: Node, faults: Faults) -> Scope | None:
    """Read SCOPE; None after a fault.

    It is `biases`, LAYER, `(bias LAYER)`, `(connect FROM TO)` or `(connect FROM TO NAME)`.
    """
    if node.is_name:
        return Scope("biases") if node.name == "biases" else Scope("layer", node.name)
    if node.head == "bias" and len(node.items) == 2:
        layer = read_name(node.items[1], "the layer of (bias LAYER)", faults)
        return None if layer is None else Scope("bias", layer)
    if node.head == "connect" and len(node.items) in (3, 4):
        ends = all_or_none([read_name(end, "a layer of (connect FROM TO)", faults) for end in node.items[1:3]])
        label = all_or_none([read_name(item, "the name of a connection", faults) for item in node.items[3:]])
        if ends is None or label is None:
            return None
        return Scope("connection", ends[1], ends[0], *label)
    faults.add(
        f"a scope is {SCOPES}, not {describe(node)}",
        node.span,
        "write the name of a layer for all that enters it, or remove the scope for the whole net",
    )
    return None


@dataclass(frozen=True)
class ScopedStatement:
    """A scoped value and the clause, with this scope alone, that prints it."""

    scoped: ScopedValue
    clause: Clause
    at: Node  # the scope as it is written; the whole clause, if it states none


Family = dict[Scope, ScopedStatement]  # a later statement replaces an earlier one of the same scope
ReadValue = Callable[[Node, str, Faults], "Value | None"]
ReaderOf = Callable[
    [str], "ReadValue | None"
]  # the function that reads the value in a clause of this word; None if it takes none


_NO_MODULES = "(net-of module) in a program of Lush makes a net of modules; for another net write (forget-sqrt 1)"


def read_family(
    clauses: Iterable[Clause], reader_of: ReaderOf, net: Net | None, faults: Faults, drop: Callable[[Clause], None]
) -> Family:
    """Read the rates, or the initial distributions, of one form, `(WORD V SCOPE ...)` or `(WORD SCOPE ...)`, by scope.

    A scope stated twice in the form is a fault, and so is a stated scope in which the net has nothing that learns. An
    inherited scope that this net lacks is passed to `drop`.
    """
    family: Family = {}
    problems: dict[Scope, tuple[str, Callable[[], str] | str] | None] = {}
    for clause in clauses:
        for statement in _read_statements(clause, reader_of(clause.word), faults):
            scope = statement.scoped.scope
            if scope not in problems:
                problems[scope] = None if net is None else scope_problem(scope, net)
            problem = problems[scope]
            if problem is None and net is not None and clause.word in INITIALISERS:
                problem = _codes_problem(scope, net)
            if problem is None and net is not None and clause.word == "module-weights" and net.module_weights is None:
                problem = f"the net {net.name} has no modules whose weights it could take", _NO_MODULES
            if problem is not None and clause.origin != STATED:
                drop(statement.clause)
            elif problem is not None:
                faults.add(problem[0], statement.at.span, problem[1])
            elif scope in family:
                faults.add(
                    f"the {_family_text(clause.word)} {scope_text(scope)} is stated twice in this form",
                    statement.at.span,
                    "remove one of them",
                    (("first here", family[scope].at.span),),
                )
            else:
                family[scope] = statement
    return family


def _codes_problem(scope: Scope, net: Net) -> tuple[str, str] | None:
    """Return why a scope of an initial distribution names codes alone, which no distribution draws, and the remedy."""
    if scope.kind != "connection":
        return None
    for parameter in net.parameters_of(scope.layer):
        if scope in scopes_of(parameter) and parameter.codes is not None:
            return f"the net states the weights {scope_text(scope)}, by (codes ...)", "remove this scope, or the codes"
    return None


def _read_statements(clause: Clause, read: ReadValue | None, faults: Faults) -> list[ScopedStatement]:
    node, word = clause.node, clause.word
    args = read_arguments(node, 0 if read is None else 1, None, f"({word} V SCOPE ...)", faults)
    if args is None:
        return []
    value: Value | None = Value("constant", (), span=node.span)
    scopes = args
    if read is not None:
        value, scopes = read(args[0], f"the value of ({word} ...)", faults), args[1:]
    elif any(_states_value(item) for item in args):
        scopes = _without_values(clause, faults)
        if not scopes:
            return []
    head = node.items[: 1 if read is None else 2]
    stated = [(at, (*head, at), read_scope(at, faults)) for at in scopes] or [(node, head, Scope("everywhere"))]
    return [
        ScopedStatement(ScopedValue(word, value, scope), Clause(Node(items, node.span), clause.origin), at)
        for at, items, scope in stated
        if value is not None and scope is not None
    ]


def _states_value(node: Node) -> bool:
    return node.is_number or node.head in ("linear", "steps")


def _without_values(clause: Clause, faults: Faults) -> tuple[Node, ...]:
    """Return the scopes of a clause that takes no value, after a fault for each value among them."""
    args = clause.node.items[1:]
    for node in filter(_states_value, args):
        faults.add(
            f"({clause.word} ...) takes no number, but {describe(node)} is given",
            node.span,
            f"write ({clause.word}), or ({clause.word} SCOPE ...); a scope is {SCOPES}",
        )
    return tuple(node for node in args if not _states_value(node))


def _family_text(word: str) -> str:
    return "initial weight" if word in INITIALISERS else "decay" if word == "decay" else "rate"


def scope_text(scope: Scope) -> str:
    """Return a scope as words of a sentence: "everywhere", "of h1", "of (bias h1)"."""
    if scope.kind == "everywhere":
        return "everywhere"
    text = {
        "biases": "biases",
        "layer": scope.layer,
        "bias": f"(bias {scope.layer})",
        "connection": f"(connect {' '.join(filter(None, (scope.source, scope.layer, scope.label)))})",
    }[scope.kind]
    return f"of {text}"


def _nearest_layer(layer: str, net: Net) -> str:
    return suggest(layer, [one.name for one in net.layers], "layers")


def scope_problem(scope: Scope, net: Net) -> tuple[str, Callable[[], str] | str] | None:
    """Return why a scope names nothing that learns in this net, and the remedy; None if it names something."""
    for layer in (scope.source, scope.layer):
        if layer and not net.has_layer(layer):
            return f'net {net.name} has no layer "{layer}"', partial(_nearest_layer, layer, net)
    covered = [p for p in (net.parameters_of(scope.layer) if scope.layer else net.parameters) if scope in scopes_of(p)]
    if any(parameter.learns for parameter in covered):
        return None
    if covered:
        return (
            f"the weights {scope_text(scope)} are fixed: they take no rate and no initial value",
            "remove this scope",
        )
    if scope.kind == "connection":
        for c in net.entering(scope.layer) if net.has_layer(scope.layer) else ():
            if c.source == scope.source and c.weights_of is not None and not scope.label:
                owner = " ".join(c.weights_of)
                return (
                    f"{scope.source} to {scope.layer} uses the weights of {owner}, and has none of its own",
                    f"write (connect {owner})",
                )
        joined = listed((f"(connect {' '.join(c.key)})" for c in net.connections), len(net.connections))
        named = f" by a connection called {scope.label}" if scope.label else ""
        return f"net {net.name} does not connect {scope.source} to {scope.layer}{named}", f"connections: {joined}"
    if scope.layer in {layer.name for layer in net.inputs}:
        which = "the input layer" if len(net.inputs) == 1 else "an input layer"
        return f"nothing enters {scope.layer}, {which} of net {net.name}", "name a later layer"
    if scope.kind == "layer" and net.has_layer(scope.layer):
        return (
            f"the weights into {scope.layer} are those of other connections (weights-of), and it has no bias",
            "name the layer that has the weights",
        )
    owner = "no layer" if scope.kind == "biases" else f"layer {scope.layer}"
    return f"{owner} of net {net.name} has {'a' if scope.kind == 'biases' else 'no'} bias", "remove this scope"
