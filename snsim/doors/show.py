"""`snsim show` and `snsim check`: the overview of a program, and each stage on the way from its text to an engine."""

from __future__ import annotations

import sys
from typing import Iterator

import click

from snsim.doors.terminal import BOLD, DIM, paint
from snsim.errors import fail
from snsim.language import printer
from snsim.language.loading import read_source
from snsim.language.reader import read_forms
from snsim.learning.training import Training
from snsim.network.graph import Net
from snsim.program import Program
from snsim.reports import complete, drawings, tables

_MOST_ELEMENTS = 64  # of a matrix that is printed inside a form of the overview
_MOST_COUNTED = 3  # nets whose counts stand in the line of `snsim check`


def print_overview(program: Program) -> None:
    """For each net its table, connections and drawings; then the complete forms."""
    nets = shown_nets(program)
    if not nets:
        raise fail(f"{program.sources[0].name} declares no net",
                   hint="`snsim convert FILE` writes what a program of SN-2.8 makes as (net ...)" if program.acted else
                   "(net NAME clause ...) declares one; `snsim show FILE --stage forms` prints the text")
    for net in nets:
        _print_net(net, _training_of(program, net))
    for form in complete_forms(program, _MOST_ELEMENTS):
        click.echo(_painted_form(form) + "\n")


def print_forms(file: str) -> None:
    """The forms of the file's text as they were read, one after the other; SnError where the text is no form."""
    for form, _ in read_forms(read_source(file)):
        click.echo(printer.show(form))


def print_complete_forms(program: Program) -> None:
    click.echo("\n\n".join(complete_forms(program)))


def print_plans(program: Program) -> None:
    from snsim.engines.plan import plan

    for net in shown_nets(program):
        click.echo(str(plan(net)))


def print_modules(program: Program) -> None:
    """Each net as a PyTorch module: its own print, then its parameters with their shapes."""
    from snsim.engines.plan import plan
    from snsim.engines.torch_module import module

    for net in shown_nets(program):
        made = module(plan(net))
        click.echo(str(made))
        parameters = [(name, tuple(value.shape)) for name, value in made.named_parameters()]
        width = max((len(name) for name, _ in parameters), default=0)
        for name, shape in parameters:
            click.echo(f"  {name.ljust(width)}  {tables.shape_text(shape)}")


def print_ir(program: Program) -> None:
    """The LLVM IR by which the native engine learns in the first stage of each training of the file."""
    _print_code(program, assembly=False)


def print_assembly(program: Program) -> None:
    """The same for this processor."""
    _print_code(program, assembly=True)


def _print_code(program: Program, assembly: bool) -> None:
    from snsim.learning.backend import native_code

    for training in program.own_trainings:
        click.echo(native_code(training, training.stages[0], "float32", assembly))
    if not program.own_trainings:
        raise fail(f"{program.sources[0].name} declares no training of its own, and code is made for one",
                   hint="(train NAME clause ...) declares one")


def check_line(file: str, program: Program) -> str:
    """One line for a program without faults: what it declares and the counts of its nets."""
    nets = shown_nets(program)
    trainings = program.own_trainings
    parts = [_count_text(net) for net in nets] if len(nets) <= _MOST_COUNTED else [f"{len(nets)} nets"]
    if trainings:
        parts.append(f"{len(trainings)} training{'' if len(trainings) == 1 else 's'}")
    return f"{file}: {'; '.join(parts) or 'no net, no training'}; no faults"


def shown_nets(program: Program) -> list[Net]:
    """The nets the file itself declares or trains; all of them if it only includes others."""
    main = program.sources[0]
    trained = {id(training.net) for training in program.own_trainings}
    nets = [entry.value for entry in program.nets.own()]
    return [net for net in nets if id(net) in trained or (net.span and net.span.source is main)] or nets


def complete_forms(program: Program, most_elements: int | None = None) -> Iterator[str]:
    """What the program declares, complete and in an order in which it can be read: each name before its use."""
    for nlf in program.nlfs.own():
        yield complete.nlf_form(nlf.value)
    for definition in (*program.costs.own(), *program.updates.own()):
        yield complete.node_text(definition.value.node)
    for table in program.tables.own():
        yield complete.table_form(table.name, table.value)
    for net in shown_nets(program):
        yield complete.complete_form("net", net.name, net.clauses, most_elements)
    for training in program.own_trainings:
        yield complete.complete_form("train", training.name, training.clauses, most_elements, training.dropped)


def _print_net(net: Net, training: Training | None) -> None:
    out = sys.stdout
    place = "" if net.span is None else paint(f"   {net.span.source.name}:{net.span.line}", DIM, stream=out)
    click.echo(paint(f"net {net.name}", BOLD, stream=out) + place + "\n")
    _print_table(net, training)
    click.echo("\n" + drawings.describe_connections(net) + "\n")
    drawn = drawings.drawn_tables(net)
    if drawn:
        click.echo(drawn + "\n")
    if any(clause.word == "expect" for clause in net.clauses):
        click.echo(paint("expect held: the counts above are those the description states", DIM, stream=out) + "\n")


def _print_table(net: Net, training: Training | None) -> None:
    text = tables.plain(tables.summary(net, training), with_rates=training is not None)
    head, *body, total = text.split("\n")
    click.echo("\n".join([paint(head, BOLD, stream=sys.stdout), *body, paint(total, BOLD, stream=sys.stdout)]))


def _training_of(program: Program, net: Net) -> Training | None:
    return next((t for t in program.own_trainings if t.net is net), None)


def _painted_form(form: str) -> str:
    """The form with its comments in the background; a `;` inside a text is not one."""
    lines = []
    for line in form.split("\n"):
        text, mark, comment = line.rpartition("  ; ")
        lines.append(text + paint(mark + comment, DIM, stream=sys.stdout) if mark and '"' not in comment else line)
    return "\n".join(lines)


def _count_text(net: Net) -> str:
    counts = net.counts
    return (f"net {net.name}, {counts.units:,} units, {counts.connections:,} connections, "
            f"{counts.weights:,} weights")
