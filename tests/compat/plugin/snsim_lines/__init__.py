"""A plug-in as it was written for commit 7ed90c2, with the module paths of that commit. Do not modernise it."""

from __future__ import annotations

from typing import Mapping

import numpy as np

from snsim.data.catalog import DataSet
from snsim.data.examples import Split
from snsim.data.fetch import DataFile
from snsim.engines.plan import Plan
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Engine, Settings, UpdateRule
from snsim.engines.reference import ReferenceEngine
from snsim.errors import fail
from snsim.learning.criteria import Criterion
from snsim.network.clauses import arguments
from snsim.network.graph import Layer
from snsim.network.options import Statement
from snsim.network.schemes import scheme
from snsim.network.wiring import Table, Wiring, wire_table


@scheme("(skip-one)", reads=("scale", "fixed"))
def skip_one(source: Layer, target: Layer, statement: Statement) -> Wiring:
    """Unit k to unit k + 1, each with a weight of its own; the last unit feeds nothing."""
    arguments(statement.scheme, 0, 0, "(skip-one)", statement.faults)
    if target.units != source.units:
        statement.faults.add(f"(skip-one) needs as many units in both layers: {source.units} in {source.name}, "
                             f"{target.units} in {target.name}", statement.span, "give both layers the same size")
    statement.faults.raise_if_any()
    k = np.arange(source.units - 1)
    return wire_table((len(k),), len(k), lambda: Table(k, k + 1, k))


LINES_FILE = DataFile("lines/lines.csv", 234,
                      "ddad85fef65f3163c99a88cdac5a169759f95ed8ccb89213c0b38fac71376555",
                      package=("snsim_lines", "lines.csv"))


def lines(contents: Mapping[str, bytes]) -> tuple[Split, Split]:
    """Twelve pictures of 2 x 3 with a line in a row or a column: 8 train, 4 test, two classes.

    The last number of each line of the file is the class.
    """
    try:
        rows = np.array([line.split(",") for line in contents["lines.csv"].decode().splitlines()], float)
    except ValueError:
        raise fail("lines.csv holds what is no number") from None
    inputs, labels = rows[:, :-1].reshape(-1, 2, 3), rows[:, -1].astype(np.int64)
    return Split(inputs[:8], labels[:8]), Split(inputs[8:], labels[8:])


LINES = DataSet(lines, (LINES_FILE,), (8, 4), (2, 3), classes=2)


def right_by_share(x: np.ndarray, d: np.ndarray, share: float) -> np.ndarray:
    """at least this share of the outputs has the sign of its target"""
    return np.mean((x > 0) == (d > 0), axis=1) >= share


SHARE = Criterion("share", ("P",), right_by_share)


class Reversed(ReferenceEngine):
    """The reference engine, which is shown the patterns of each call from the last to the first."""

    name = "reversed"

    def learn(self, inputs: np.ndarray, targets: np.ndarray, settings: Settings,
              gates: Mapping[str, np.ndarray] = NO_GATES, noises: Mapping[str, np.ndarray] = NO_NOISES) -> None:
        super().learn(inputs[::-1], targets[::-1], settings, {k: v[::-1] for k, v in gates.items()},
                      {k: v[::-1] for k, v in noises.items()})


def reversed_engine(plan: Plan, cost: Cost, rule: UpdateRule, dtype: np.dtype,
                    constants: Mapping[str, float]) -> Engine:
    """the reference engine with the patterns of a pass from the last to the first"""
    return Reversed(plan, cost, rule, dtype)
