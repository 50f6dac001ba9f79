"""What a program declares, as complete forms that read back."""

from __future__ import annotations

from collections.abc import Iterator

from snsim.network import complete_form
from snsim.program import Program


def complete_forms(program: Program, most_elements: int | None = None) -> Iterator[str]:
    """What the program declares, complete and in an order in which it can be read: each name before its use."""
    for nlf in program.nlfs.own():
        yield complete_form.nlf_form(nlf.value)
    yield from map(complete_form.node_text, program.own_definitions)
    for table in program.tables.own():
        yield complete_form.table_form(table.name, table.value)
    for net in program.shown_nets:
        yield complete_form.complete_form("net", net.name, net.clauses, most_elements)
    for training in program.own_trainings:
        yield complete_form.complete_form("train", training.name, training.clauses, most_elements, training.dropped)
