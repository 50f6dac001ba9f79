"""Gather what a plug-in needs: the one module that an installed package imports from snsim.

A plug-in is a package with an entry point in one of four groups. docs/how-to/plugins.md has a working example of each.

=====================  ==============================================  ========================================
group                  the entry point names                           from this module
=====================  ==============================================  ========================================
``snsim.schemes``      a `Scheme`, made by `scheme` from a function    `Layer`, `Statement`, `Wiring`,
                       (source, target, statement) -> `Wiring`         `wire`, `wire_table`, `Table`, `Dense` ...
``snsim.datasets``     a `DataSet`                                     `DataFile`, `Split`, `read_idx`,
                                                                       `read_matrix`, `scale`
``snsim.criteria``     a `Criterion`                                   `Criterion`
``snsim.engines``      a function or class (plan, cost, rule, dtype,   `Plan`, `Cost`, `UpdateRule`, `Settings`,
                       constants) -> `Engine`                          `ReferenceEngine`, `build`, `evaluate`
=====================  ==============================================  ========================================

The name of the entry point is the name in a description. The first line of the docstring is the line in `snsim list`.
A plug-in cannot replace the names of snsim.

The names in `__all__`, with their arguments and fields, stay from version to version; other modules of snsim may move.
`fail` and `SnError` report faults of a user: a message, its place, a hint. Non-linearities, costs and update rules need
no plug-in: they are expressions in a `.sn` file (`define-nlf`, `define-cost`, `define-update`).

Notes
-----
snsim does not import this module itself, so it costs nothing where there is no plug-in. It imports NumPy, not PyTorch.
"""

from snsim.data.catalog import Contents, DataSet
from snsim.data.examples import Split
from snsim.data.fetch import DataFile
from snsim.data.formats import read_idx, read_matrix
from snsim.data.scaling import scale
from snsim.engines import Constants, build
from snsim.engines.plan import LayerPlan as Stage
from snsim.engines.plan import Link, Plan, Transfer, explicit_tables
from snsim.engines.protocol import NO_GATES, NO_NOISES, Cost, Engine, Settings, UpdateRule
from snsim.engines.reference.engine import ReferenceEngine
from snsim.errors import Fault, SnError, Span, fail
from snsim.language.forms import Node
from snsim.network.clauses import Faults, describe
from snsim.network.clauses import read_arguments as arguments
from snsim.network.clauses import read_number as number
from snsim.network.clauses import read_whole_number as whole
from snsim.network.connect_options import Border, Statement
from snsim.network.expressions import Expression, evaluate
from snsim.network.net import Layer, Net, Parameter
from snsim.network.schemes import WINDOW_OPTIONS, Scheme, scheme
from snsim.network.wiring import BIAS, BORDER, Dense, Frames, Table, Windows, Wiring, wire, wire_table
from snsim.training.criteria import Criterion

__all__ = [
    # schemes
    "BIAS",
    "BORDER",
    "NO_GATES",
    "NO_NOISES",
    "WINDOW_OPTIONS",
    "Border",
    # engines
    "Constants",
    # data sets
    "Contents",
    "Cost",
    # criteria
    "Criterion",
    "DataFile",
    "DataSet",
    "Dense",
    "Engine",
    "Expression",
    # faults of a user
    "Fault",
    "Faults",
    "Frames",
    "Layer",
    "Link",
    "Net",
    "Node",
    "Parameter",
    "Plan",
    "ReferenceEngine",
    "Scheme",
    "Settings",
    "SnError",
    "Span",
    "Split",
    "Stage",
    "Statement",
    "Table",
    "Transfer",
    "UpdateRule",
    "Windows",
    "Wiring",
    "arguments",
    "build",
    "describe",
    "evaluate",
    "explicit_tables",
    "fail",
    "number",
    "read_idx",
    "read_matrix",
    "scale",
    "scheme",
    "whole",
    "wire",
    "wire_table",
]
