"""Read update rules: `(define-update ...)` declares one, `(update NAME (option V) ...)` uses one."""

from __future__ import annotations

from functools import partial

from snsim.data_classes import dataclass
from snsim.engines.protocol import UpdateRule
from snsim.language.forms import Node
from snsim.network.clauses import Faults, describe, make_node, read_arguments, read_name, read_whole_number
from snsim.network.expressions import Expression, parse_expression
from snsim.registry import Shelf, suggest
from snsim.training.forms.costs import read_defaults, remember_broken
from snsim.training.forms.values_and_scopes import read_value
from snsim.training.schedule import constant_value
from snsim.training.spec import Value

DEFINE_UPDATE = "(define-update NAME ((option default) ...) (state ...) (setq w EXPR) ...)"
_VARIABLES = ("w", "g", "h", "h-full", "rate", "n")


@dataclass(frozen=True, eq=False)
class UpdateDefinition:
    """An update rule and the form that declared it, None if it is built in."""

    rule: UpdateRule
    node: Node | None = None


UPDATES: Shelf[UpdateDefinition] = Shelf("update rule")
UPDATES.add(
    "conjugate-gradient",
    UpdateDefinition(UpdateRule("conjugate-gradient", (("mu", 0.0),), ("gradient", "direction"), (), True)),
    "conjugate gradient as in SN: one step per pass, with the step length from the Gauss-Newton curvature (plus mu)",
)


def define_update(call: Node, updates: Shelf[UpdateDefinition]) -> UpdateDefinition:
    """Read `(define-update NAME ((option default) ...) (state ...) (setq w EXPR) ...)` and put the rule on the shelf.

    A string before the first `setq` is its help line. Raise SnError with all faults.
    """
    faults = Faults()
    args = read_arguments(call, 4, None, DEFINE_UPDATE, faults)
    if args is None:
        remember_broken(updates, call)
        faults.stop()
    name = read_name(args[0], "the name of an update rule", faults)
    options = read_defaults(args[1].items, "option", (*_VARIABLES, "curvature"), faults)
    if not args[1].is_list:
        faults.add(
            f"the options are a list of (option default), not {describe(args[1])}",
            args[1].span,
            "write ((momentum 0.9)), or () if there are none",
        )
    states = _read_states(args[2], [*_VARIABLES, *(o for o, _ in options)], faults)
    body = args[3:]
    doc = ""
    if isinstance(body[0].value, str) and len(body) > 1:
        doc, body = body[0].value, body[1:]
    groups = tuple(
        _read_assignments(node, states, [*_VARIABLES, *(o for o, _ in options), *states], faults) for node in body
    )
    if not any(target == "w" for group in groups for target, _ in group) and not faults.any:
        faults.add("this rule never sets w", call.span, "write for example (setq w (- w (* rate g)))")
    with faults.gathered():
        updates.check_free(name or "", args[0].span)
    if faults.any or name is None:
        remember_broken(updates, call)
        faults.stop()
    definition = UpdateDefinition(UpdateRule(name, options, states, groups), call)
    return updates.add(name, definition, doc or "an update rule of this program", args[0].span)


def _read_states(node: Node, taken: list[str], faults: Faults) -> tuple[str, ...]:
    states: list[str] = []
    if not node.is_list:
        faults.add(
            f"the states are a list of names, or () if there are none, not {describe(node)}",
            node.span,
            f"put parentheses around it: ({node.name})" if node.is_name else "write (v) for a state called v",
        )
    for item in node.items:
        state = read_name(item, "a state", faults)
        if state in taken or state in states:
            faults.add(f'"{state}" already has a meaning here', item.span, f"write another name, such as my-{state}")
        elif state is not None:
            states.append(state)
    return tuple(states)


def _read_assignments(
    node: Node, states: tuple[str, ...], variables: list[str], faults: Faults
) -> tuple[tuple[str, Expression], ...]:
    """Read `(setq NAME EXPR NAME EXPR ...)`: all expressions are computed before any is assigned."""
    pairs = node.items[1:]
    if node.head != "setq":
        faults.add(
            f"the body of an update rule is (setq NAME EXPR ...), not {describe(node)}",
            node.span,
            "write for example (setq w (- w (* rate g)))",
        )
        return ()
    if not pairs or len(pairs) % 2:
        faults.add(
            f"(setq ...) takes names and expressions in pairs, {len(pairs)} arguments given",
            node.span,
            "write (setq NAME EXPR ...)",
        )
        return ()
    group: dict[str, Expression] = {}
    for target, side in zip(pairs[::2], pairs[1::2]):
        name = read_name(target, "what setq sets", faults)
        expression = parse_expression(side, variables, faults)
        if name is not None and name != "w" and name not in states:
            faults.add(
                f'an update rule sets w and its states, not "{name}"',
                target.span,
                partial(suggest, name, ["w", *states], "names that can be set"),
            )
        elif name in group:
            faults.add(f'"{name}" is set twice in one setq', target.span, "set it again in a second (setq ...)")
        elif name is not None and expression is not None:
            group[name] = expression
    return tuple(group.items())


@dataclass(frozen=True, eq=False)
class UpdateClause:
    """What an `(update ...)` clause states, and the clause completed with every option."""

    rule: UpdateRule
    options: dict[str, Value]
    curvature_patterns: int | None
    node: Node

    @property
    def has_rate(self) -> bool:
        return "rate" in self.rule.mentions


def read_update(
    node: Node, updates: Shelf[UpdateDefinition], faults: Faults, batched: bool = False
) -> UpdateClause | None:
    """Read `(update NAME (option VALUE) ... (curvature N))`; None after a fault.

    With `(curvature N)`, for rules that use h, the mean over N patterns replaces the running mean: the option gamma, if
    the rule has it, is 1 and cannot be stated. `batched` is true if an update uses several patterns. The curvature is
    then a sum or mean already, so gamma is 1 if it is not stated, as in SN's batch Newton.
    """
    args = read_arguments(node, 1, None, "(update NAME (option VALUE) ...)", faults)
    if args is None or read_name(args[0], "the name of an update rule", faults) is None:
        return None
    if args[0].name not in updates and not updates.is_broken(args[0].name):
        with faults.gathered():
            updates.get(args[0].name, args[0].span)
        return None
    with faults.gathered():
        rule = updates.get(args[0].name, args[0].span).rule
        stated = _stated_options(args[1:], rule, faults)
        patterns = None
        if "curvature" in stated:
            counts = read_arguments(stated["curvature"], 1, 1, "(curvature N)", faults)
            patterns = read_whole_number(counts[0], "the patterns of (curvature N)", faults, 1) if counts else None
            if "gamma" in stated:
                faults.add(
                    "(curvature N) replaces the running mean of h, so (gamma ...) has no effect",
                    stated["gamma"].span,
                    "remove one of them",
                    (("the curvature is set here", stated["curvature"].span),),
                )
        options = {
            option: constant_value(_default_of(option, default, rule, batched)) for option, default in rule.options
        }
        for option in options:
            if option in stated:
                value = read_arguments(stated[option], 1, 1, f"({option} VALUE)", faults)
                stated_value = read_value(value[0], f"option {option} of {rule.name}", faults) if value else None
                options[option] = stated_value or options[option]
                if stated_value and (rule.curvature or rule.conjugate):
                    _check_range(option, options[option], stated[option], faults)
        return UpdateClause(
            rule,
            _with_held_curvature(options, patterns),
            patterns,
            _complete_clause(args[0], rule, stated, node, batched),
        )
    return None


def _check_range(option: str, value: Value, stated: Node, faults: Faults) -> None:
    """Add a fault if mu, the damping, or gamma, the weight of the running mean, is out of its range."""
    low, high = min(value.numbers), max(value.numbers)
    if option == "mu" and low < 0:
        faults.add(
            f"mu is the damping added to the curvature and cannot be negative: {low:g}",
            stated.span,
            "write (mu 0.05), or (mu 0) for no damping",
        )
    elif option == "gamma" and not 0 <= low <= high <= 1:
        faults.add(
            "gamma is the weight of one pattern in the running mean of h, from 0 to 1, not "
            f"{high if high > 1 else low:g}",
            stated.span,
            "write (gamma 0.05)",
        )


def _stated_options(nodes: tuple[Node, ...], rule: UpdateRule, faults: Faults) -> dict[str, Node]:
    known = [option for option, _ in rule.options] + (["curvature"] if rule.curvature else [])
    stated: dict[str, Node] = {}
    for node in nodes:
        if not node.head:
            faults.add(
                f"an option of {rule.name} is (NAME VALUE), not {describe(node)}",
                node.span,
                f"options: {', '.join(known)}",
            )
        elif node.head not in known:
            faults.add(
                f'update rule {rule.name} has no option "{node.head}"',
                node.items[0].span,
                partial(suggest, node.head, known, "options"),
            )
        elif node.head in stated:
            faults.add(
                f"option {node.head} is stated twice",
                node.span,
                "remove one of them",
                (("first here", stated[node.head].span),),
            )
        else:
            stated[node.head] = node
    return stated


def _with_held_curvature(options: dict[str, Value], patterns: int | None) -> dict[str, Value]:
    """Return the options with gamma 1 if the curvature is held during a pass: it replaces the running mean."""
    return {**options, "gamma": constant_value(1)} if patterns is not None and "gamma" in options else options


def _default_of(option: str, default: float, rule: UpdateRule, batched: bool) -> float:
    return 1.0 if option == "gamma" and batched and rule.curvature is not None else default


def _complete_clause(name: Node, rule: UpdateRule, stated: dict[str, Node], node: Node, batched: bool) -> Node:
    """Return the clause with the default of every option that it does not state."""
    options = []
    for option, default in rule.options:
        if option in stated:
            options.append(stated[option])
        elif option != "gamma" or "curvature" not in stated:
            options.append(make_node([option, _default_of(option, default, rule, batched)], node.span))
    if "curvature" in stated:
        options.append(stated["curvature"])
    return make_node(["update", name, *options], node.span)
