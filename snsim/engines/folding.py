"""An update rule with its constant options put in: what w and the states become, and which states w depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from snsim.engines.protocol import UpdateRule
from snsim.network.expressions import Expression, number, substitute, variable


def fold_rule(rule: UpdateRule, constants: Mapping[str, float], zeros: Iterable[str] = ()) -> dict[str, Expression]:
    """What w and the states become, in terms of what they were: no groups, constants put in, and only the states
    that w will ever depend on. `zeros` are options that are 0 now and may not be later.
    """
    results = _results(rule, constants)
    needed, waiting = {"w"}, ["w"]
    while waiting:
        for name in results.get(waiting.pop(), variable("w")).variables():
            if name in rule.states and name not in needed:
                needed.add(name)
                waiting.append(name)
    now = _results(rule, {**constants, **{name: 0.0 for name in zeros}})
    return {name: e for name, e in now.items() if name in needed}


def _results(rule: UpdateRule, constants: Mapping[str, float]) -> dict[str, Expression]:
    """All assignments in terms of what the variables were before the first."""
    now: dict[str, Expression] = {name: number(value) for name, value in constants.items()}
    for group in rule.assignments:
        now.update({name: substitute(e, now) for name, e in group})
    return {name: e for name, e in now.items() if name == "w" or name in rule.states}


def is_idle(results: Mapping[str, Expression]) -> bool:
    """Whether an update changes nothing at all."""
    return all(e.op == "variable" and e.name == name for name, e in results.items())
