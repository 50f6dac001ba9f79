"""The summary of a net: one row for each layer and one of totals, as data and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from snsim.network.net import Layer, Net
from snsim.text_table import aligned, shape_text
from snsim.training.parameter_scopes import StatementsByScope
from snsim.training.spec import ScopedValue, Training, Value

NONE = "-"
_TEXTS = {"layer", "nlf", "bias", "rate"}  # columns of words, aligned left; the others are numbers
_RATE_TEXT = {"epsilon": "{}", "epsi-sqrt": "{}/sqrt F", "epsi-inv": "{}/F", "mask-epsi": "{}/sqrt FS"}


@dataclass(frozen=True)
class Row:
    """One layer, every entry as it is printed.

    `fan_in` is the number of inputs of its units, "126-201" where they differ.
    """

    layer: str
    shape: str
    units: str
    connections: str
    weights: str
    fan_in: str
    nlf: str
    bias: str
    rate: str


def summary(net: Net, training: Training | None = None) -> tuple[Row, ...]:
    """Return a row for each layer and one of totals.

    Rates are those of the first stage of the training, "-" without a training.

    Units, connections and weights are counted as in `Net.counts`.
    """
    rates = None if training is None else StatementsByScope(training.stages[0].rates)
    rows = [_row(net, layer, rates) for layer in net.layers]
    counts = net.counts
    total = Row("total", "", f"{counts.units:,}", f"{counts.connections:,}", f"{counts.weights:,}", "", "", "", "")
    return (*rows, total)


def value_text(value: Value) -> str:
    """Return a value over the passes as text: "0.1", or first and last as in "0.0005..1e-05"."""
    first, last = value.numbers[0], value.numbers[-1]
    return f"{first:g}" if first == last else f"{first:g}..{last:g}"


def headings(with_rates: bool) -> tuple[str, ...]:
    """Return the names of the columns; the last one is the rate."""
    names = tuple(field.name.replace("_", "-") for field in fields(Row))
    return names if with_rates else names[:-1]


def plain(rows: Sequence[Row], with_rates: bool = True) -> str:
    """Return the rows as text in columns, with a line of hyphens below the headings and above the totals."""
    heads = headings(with_rates)
    sides = "".join("l" if head in _TEXTS else "r" for head in heads)
    head, *body, total = aligned([heads, *(_cells(row, with_rates) for row in rows)], sides)
    rule = "-" * max(len(line) for line in (head, *body, total))
    return "\n".join([head, rule, *body, rule, total])


def _cells(row: Row, with_rates: bool) -> tuple[str, ...]:
    cells = tuple(str(getattr(row, field.name)) for field in fields(Row))
    return cells if with_rates else cells[:-1]


def _row(net: Net, layer: Layer, rates: StatementsByScope | None) -> Row:
    counts = net.layer_counts(layer.name)
    if layer.nlf is None:
        return Row(layer.name, shape_text(layer.shape), f"{layer.units:,}", NONE, NONE, NONE, NONE, NONE, NONE)
    return Row(
        layer.name,
        shape_text(layer.shape),
        f"{layer.units:,}",
        f"{counts.connections:,}",
        f"{counts.weights:,}",
        _fan_in(net, layer.name),
        layer.nlf.name,
        layer.bias,
        NONE if rates is None else _rate(net, layer.name, rates),
    )


def _fan_in(net: Net, layer: str) -> str:
    ranges = [parameter.fan_in_range for parameter in net.parameters_of(layer) if parameter.size]
    if not ranges:
        return NONE
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return f"{low}" if low == high else f"{low}-{high}"


def _rate(net: Net, layer: str, rates: StatementsByScope) -> str:
    """Return the stated rate of the weights into a layer; where its parameters differ, each with its name."""
    stated = {}
    for parameter in net.parameters_of(layer):
        if parameter.learns:
            placed = rates.most_specific(parameter)
            name = "bias" if parameter.kind == "bias" else parameter.label or parameter.source
            stated[name] = _rate_text(placed)
    if len(set(stated.values())) == 1:
        return next(iter(stated.values()))
    return "; ".join(f"{name} {text}" for name, text in stated.items()) or NONE


def _rate_text(placed: ScopedValue | None) -> str:
    if placed is None:
        return NONE
    return _RATE_TEXT.get(placed.family, "{} " + placed.family).format(value_text(placed.value))
