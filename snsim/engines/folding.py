"""Substitute the constant options of an update rule into its assignments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from snsim.engines.protocol import UpdateRule
from snsim.network.expressions import Expression, number, substitute, variable


def fold_rule(rule: UpdateRule, constants: Mapping[str, float], zeros: Iterable[str] = ()) -> dict[str, Expression]:
    """Return the new values of w and the states as expressions of their old values.

    The groups are merged, constants are substituted, and only the states on which w can ever depend are kept. `zeros`
    are options that are 0 now and may change later.
    """
    results = _results(rule, constants)
    needed, waiting = {"w"}, ["w"]
    while waiting:
        for name in results.get(waiting.pop(), variable("w")).variables():
            if name in rule.states and name not in needed:
                needed.add(name)
                waiting.append(name)
    assignments = _results(rule, {**constants, **{name: 0.0 for name in zeros}})
    return {name: e for name, e in assignments.items() if name in needed}


def _results(rule: UpdateRule, constants: Mapping[str, float]) -> dict[str, Expression]:
    """Return all assignments in terms of the values before the first one."""
    values: dict[str, Expression] = {name: number(value) for name, value in constants.items()}
    for group in rule.assignments:
        values.update({name: substitute(e, values) for name, e in group})
    return {name: e for name, e in values.items() if name == "w" or name in rule.states}


def is_idle(results: Mapping[str, Expression]) -> bool:
    """Return whether an update changes nothing."""
    return all(e.op == "variable" and e.name == name for name, e in results.items())
