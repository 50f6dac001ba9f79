"""Read costs: `(define-cost ...)` declares one, `(cost NAME NUM ...)` uses one."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from snsim.data_classes import dataclass
from snsim.engines.protocol import Cost
from snsim.language.forms import Node
from snsim.network.clauses import Faults, all_or_none, describe, make_node, read_arguments, read_name, read_number
from snsim.network.expressions import Expression, differentiate, number_text, parse_expression, substitute
from snsim.network.expressions import number as constant
from snsim.network.net import Net
from snsim.registry import Shelf

DEFINE_COST = "(define-cost NAME (x d (p default) ...) EXPR)"
_VARIABLES = ("x", "d", "n")


@dataclass(frozen=True, eq=False)
class CostDefinition:
    """A cost as declared: E is the sum over the outputs of `e`, in x, d, n and parameters with defaults.

    `softmax` marks cross-entropy and map, which are built in: they couple the outputs, so no expression in one output
    states them. map is equation 9 of LeCun, Bottou, Bengio and Haffner (1998), with j for the class of rubbish.
    """

    name: str
    parameters: tuple[tuple[str, float], ...]
    e: Expression | None
    node: Node | None = None  # the form that declared it
    softmax: bool = False
    takes_logits: bool = False  # needs a linear output layer


COSTS: Shelf[CostDefinition] = Shelf("cost")
COSTS.add(
    "cross-entropy",
    CostDefinition("cross-entropy", (), None, softmax=True, takes_logits=True),
    "- sum d log softmax(x); needs a linear output layer and targets that sum to 1",
)
COSTS.add(
    "map",
    CostDefinition("map", (("j", 1.0),), None, softmax=True),
    "sum d (log(exp(-j) + sum exp(x)) - x); outputs are penalties with a minus sign, one is right",
)


def define_cost(call: Node, costs: Shelf[CostDefinition]) -> CostDefinition:
    """Read `(define-cost NAME (x d (p default) ...) EXPR)` and put the cost on the shelf.

    A string before EXPR is its help line. Raise SnError with all faults.
    """
    faults = Faults()
    args = read_arguments(call, 3, 4, DEFINE_COST, faults)
    if args is None:
        remember_broken(costs, call)
        faults.stop()
    name = read_name(args[0], "the name of a cost", faults)
    parameters = _read_parameters(args[1], faults)
    doc = read_doc(args[2:], faults)
    e = parse_expression(args[-1], [*_VARIABLES, *(p for p, _ in parameters)], faults)
    if e is not None and "x" not in e.variables():
        faults.add(
            "this cost does not depend on x, the output, so nothing could be learned",
            args[-1].span,
            "use x in the body, such as (* 0.5 (** (- x d) 2))",
        )
    with faults.gathered():
        costs.check_free(name or "", args[0].span)
    if faults.any or name is None:
        remember_broken(costs, call)
        faults.stop()
    definition = CostDefinition(name, parameters, e, call)
    return costs.add(name, definition, doc or "a cost of this program", args[0].span)


def remember_broken(shelf: Shelf[Any], call: Node) -> None:
    """Remember the name of a faulty form, so that its uses are not reported too. A taken name stays."""
    if len(call.items) > 1 and call.items[1].is_name and call.items[1].name not in shelf:
        shelf.mark_broken(call.items[1].name)


def _read_parameters(node: Node, faults: Faults) -> tuple[tuple[str, float], ...]:
    if [item.name if item.is_symbol else "" for item in node.items[:2]] != ["x", "d"]:
        faults.add(
            "the variables of a cost begin with x, the output, and d, the target", node.span, f"write {DEFINE_COST}"
        )
        return ()
    return read_defaults(node.items[2:], "parameter", _VARIABLES, faults)


def read_defaults(
    nodes: tuple[Node, ...], what: str, taken: tuple[str, ...], faults: Faults
) -> tuple[tuple[str, float], ...]:
    """Return names and defaults from `(NAME default) ...`; a name that is repeated or in `taken` is a fault.

    `what` names a pair in the sentences: "parameter" or "option".
    """
    defaults: dict[str, float] = {}
    for node in nodes:
        if len(node.items) != 2:
            faults.add(
                f"each {what} needs its default, (NAME NUM), not {describe(node)}",
                node.span,
                f"write ({node.name if node.is_name and node.name else 'NAME'} 0.5) for the default 0.5",
            )
            continue
        name = read_name(node.items[0], f"the name of the {what}", faults)
        default = read_number(node.items[1], f"the default of {name or 'it'}", faults)
        if name in defaults or name in taken:
            faults.add(
                f'"{name}" already has a meaning here',
                node.items[0].span,
                f"write another name, such as my-{name}",
            )
        elif name is not None and default is not None:
            defaults[name] = default
    return tuple(defaults.items())


def read_doc(nodes: tuple[Node, ...], faults: Faults) -> str:
    """Return the help line that may come before the body; "" if there is none."""
    if len(nodes) < 2:
        return ""
    if isinstance(nodes[0].value, str):
        return nodes[0].value
    faults.add(
        f"only a help text may come before the body, not {describe(nodes[0])}",
        nodes[0].span,
        'write the help in quotes, "TEXT", followed by one expression',
    )
    return ""


def read_cost(node: Node, costs: Shelf[CostDefinition], net: Net | None, faults: Faults) -> tuple[Cost, Node] | None:
    """Read `(cost NAME NUM ...)` for a net: return the cost and the clause with all its numbers; None after a fault."""
    args = read_arguments(node, 1, None, "(cost NAME NUM ...)", faults)
    if args is None or read_name(args[0], "the name of a cost", faults) is None:
        return None
    with faults.gathered():
        definition = costs.get(args[0].name, args[0].span)
        numbers = [read_number(item, f"a number of cost {definition.name}", faults) for item in args[1:]]
        if len(numbers) > len(definition.parameters):
            count = len(definition.parameters)
            takes = "no number" if not count else f"at most {count} number{'s' * (count > 1)}"
            syntax = " ".join([definition.name, *(f"[{p}]" for p, _ in definition.parameters)])
            faults.add(
                f"cost {definition.name} takes {takes}, not {len(numbers)}", args[-1].span, f"write (cost {syntax})"
            )
            return None
        stated = all_or_none(numbers)
        if stated is None:
            return None
        if definition.softmax and definition.parameters and stated and stated[0] <= 0:
            faults.add(
                f"j of cost map is a positive number, not {stated[0]:g}",
                args[1].span,
                "write (cost map 1); the larger j, the less a pattern may belong to no class",
            )
            return None
        values = [default for _, default in definition.parameters]
        values[: len(stated)] = stated
        if definition.takes_logits and net is not None:
            _check_linear_output(node, net, faults)
        complete = make_node(["cost", args[0], *values], node.span)
        texts = tuple(number_text(value) for value in values)
        return _make_cost(definition, texts, 1 if net is None else net.layers[-1].units), complete
    return None


@lru_cache(maxsize=64)
def _make_cost(definition: CostDefinition, values: tuple[str, ...], outputs: int) -> Cost:
    """Return the cost with numbers for its parameters; cached, because many trainings of a program state the same one.

    Values are strings, because 0 and -0 are equal as numbers.
    """
    if definition.softmax or definition.e is None:
        rubbish = -float(values[0]) if values else None
        return Cost(definition.name, None, None, None, softmax=True, rubbish=rubbish)
    constants = {p: constant(float(value)) for (p, _), value in zip(definition.parameters, values)}
    e = substitute(definition.e, {**constants, "n": constant(outputs)})
    de = differentiate(e, "x")
    return Cost(definition.name, e, de, differentiate(de, "x"))


def _check_linear_output(node: Node, net: Net, faults: Faults) -> None:
    layer = net.layers[-1]
    if layer.nlf is not None and layer.nlf.df != constant(1):
        faults.add(
            "cross-entropy takes the softmax of the outputs itself, so the output layer must be linear; that "
            f"of net {net.name} has the nlf {layer.nlf.name}",
            node.span,
            f"write (layer {layer.name} (nlf linear)) in a net that is like {net.name}",
        )


def check_sums(cost: Cost, off: float, on: float, outputs: int, node: Node, faults: Faults) -> None:
    """Add a fault if the cost is cross-entropy or map, and the targets OFF and ON do not sum to 1 over the outputs."""
    total = off * (outputs - 1) + on
    if cost.softmax and abs(total - 1) > 1e-6:
        off_value = 0.1 / outputs
        faults.add(
            f"{cost.name} needs targets that sum to 1; {off:g} and {on:g} over {outputs} outputs sum to {total:g}",
            node.span,
            f"write (targets 0 1), or softer (targets {off_value:g} {1 - off_value * (outputs - 1):g})",
        )
