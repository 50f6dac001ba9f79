"""The glossary of terms: SN's words beside today's, from the table that `snsim help` uses."""

from __future__ import annotations

from collections.abc import Callable

from markdown import cell, code, table

from snsim.todays_words import TERMS

FURTHER = (  # words of this documentation that are no names of the language
    ("pattern", "example, sample", "One input with its target."),
    ("presentation", "training step on one example", "One pattern goes forward and backward."),
    ("misses", "errors, misclassified examples", "Patterns whose output is not right by (correct ...)."),
    ("half-mse", "mean squared error, halved", "1/2 sum (d-x)^2 over the number of outputs: the error that SN prints."),
    ("map", "feature map, channel", "A picture of units that share weights."),
    ("unit", "neuron", "One number of a layer."),
    ("connection", "multiply-add", "One line from unit to unit; connections may share a weight."),
    ("weight", "free parameter", "One number that learns; it may belong to many connections."),
    ("F", "fan-in", "The number of connections into a unit, the bias included."),
    ("curvature", "diagonal second derivative", "The second derivative of the cost by one weight."),
    ("rejection", "reject rate", "The part of the patterns to refuse so that the rest has 1 % error."),
    ("description", "model definition", "A .sn file with (net ...) and (train ...)."),
    ("run", "experiment", "One training with one seed, and its folder in runs/."),
    ("study", "sweep, benchmark", "A file whose trainings are the rows of a table."),
)


def term_pages(write: Callable[[str, str | bytes], None]) -> None:
    """Write the page of terms."""
    rows = [
        [" ".join(code(name) for name in term.here), cell(", ".join(term.today[:4])), cell(term.meaning)]
        for term in TERMS
    ]
    further = [[cell(here), cell(today), cell(meaning)] for here, today, meaning in FURTHER]
    write(
        "reference/terms.md",
        "# Terms: SN's words and today's\n\nsnsim keeps the words of the simulator of 1988. `snsim help` takes today's "
        "words too: `snsim help epochs` explains `passes`.\n\n## Names of the language and commands\n\n"
        + table(["here", "today", "meaning"], rows)
        + "\n## Other words\n\n"
        + table(["here", "today", "meaning"], further),
    )
