"""`snsim show` and `snsim check`: the overview of a program, and each stage from its text to an engine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from snsim.cli.errors import report
from snsim.cli.exit_codes import FAULT
from snsim.cli.options import memory_option, presets, seconds_option
from snsim.cli.reading import named_path, read_and_report
from snsim.colour import BOLD, DIM, echo, paint
from snsim.errors import Fault, SnError, cut, fail
from snsim.escaping import for_line
from snsim.memory_limit import default_limit, size_text, whole_gigabytes
from snsim.text_table import shape_text

if TYPE_CHECKING:
    from snsim.network.net import Net
    from snsim.program import Program
    from snsim.training.spec import Training


@click.command()
@click.argument("file")
@click.option(
    "--stage",
    type=click.Choice(["forms", "net", "plan", "torch", "llvm", "asm"]),
    help="One stage from text to engine, instead of the overview.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@seconds_option("60")
@memory_option
def show(file: str, stage: str | None, settings: Sequence[str], seconds: float | None, memory: int | None) -> None:
    r"""Show the nets of FILE: layers, connections, tables, memory of a run, and every clause, stated or default.

    \b
    --stage forms   the expressions of the file, before they are evaluated
    --stage net     the complete declarations alone, with all defaults, as snsim can read them again
    --stage plan    parameters and order of computation
    --stage torch   the PyTorch module
    --stage llvm    the LLVM IR of the native engine in float32, pattern by pattern, for the first stage of each
                    training
    --stage asm     the same as assembly for this processor
    """
    path = named_path(file, "net")
    if stage == "forms":
        print_forms(path)
        return
    program = read_and_report(path, presets(settings), seconds=seconds)
    if stage in _STAGES_WITH_ARRAYS:
        _refuse_large(program, stage, memory)
    elif stage is None:
        report(_memory_warnings(program, memory))
    {
        "net": print_complete_forms,
        "plan": print_plans,
        "torch": print_modules,
        "llvm": print_ir,
        "asm": print_assembly,
        None: print_overview,
    }[stage](program)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@seconds_option("60 for each FILE")
def check(files: Sequence[str], settings: Sequence[str], seconds: float | None) -> int:
    """Report every error of each FILE; for a FILE without errors, print a line with its counts.

    The line also shows the memory that a run would need, if it is 1 GB or more.
    """
    faulty = 0
    for file in files:
        try:
            program = read_and_report(named_path(file, "net"), presets(settings), seconds=seconds)
            report(_memory_warnings(program, None))
            echo(check_line(file, program))
        except SnError as error:
            faulty += 1
            report(error.faults)
    if faulty and len(files) > 1:
        echo(f"{faulty} of {len(files)} files {'has' if faulty == 1 else 'have'} faults", err=True)
    return FAULT if faulty else 0


_STAGES_WITH_ARRAYS = ("torch", "llvm", "asm")  # these make arrays as large as the net
_MUCH = 1_000_000_000  # bytes; `snsim check` names the memory of a run that needs this much or more
_MOST_ELEMENTS = 64  # of a matrix that is printed inside a form of the overview
_MOST_COUNTED = 3  # nets; of more, `snsim check` prints no counts


def print_overview(program: Program) -> None:
    """Print the table, connections and drawings of each net; then the complete forms."""
    from snsim.reports.program_forms import complete_forms

    nets = program.shown_nets
    if not nets:
        raise fail(
            f"{program.sources[0].name} declares no net",
            hint="`snsim convert FILE` writes the nets of a program of SN-2.8 or Lush as (net ...)"
            if program.acted
            else "(net NAME clause ...) declares one; `snsim show FILE --stage forms` prints the text",
        )
    for net in nets:
        _print_net(net, _training_of(program, net))
        echo(
            paint(
                f"a run would need {size_text(_memory_of(net, program))} of memory, in addition to its data",
                DIM,
                stream=sys.stdout,
            )
            + "\n"
        )
    for form in complete_forms(program, _MOST_ELEMENTS):
        echo(_painted_form(form) + "\n")


def print_forms(file: str) -> None:
    """Print the forms of a file as they were read. SnError at a text that is not a form."""
    from snsim.language import printer
    from snsim.language.reader import read_forms
    from snsim.language.source_files import read_source

    for form, _ in read_forms(read_source(file)):
        echo(printer.show(form))


def print_complete_forms(program: Program) -> None:
    """Print every declaration with all defaults, as forms that can be read again."""
    from snsim.reports.program_forms import complete_forms

    echo("\n\n".join(complete_forms(program)))


def print_plans(program: Program) -> None:
    """Print the plan of each net: parameters and order of computation; a net with delays is unrolled."""
    from snsim.engines.plan import plan
    from snsim.network.unrolled import unroll

    for net in program.shown_nets:
        if net.delayed:
            training = _training_of(program, net)
            net = unroll(net, 1 if training is None else training.time).net
        echo(str(plan(net)))


def print_modules(program: Program) -> None:
    """Print each net as a PyTorch module, then its parameters with their shapes."""
    from snsim.optional_packages import needing

    with needing("torch", what="--stage torch", instead="choose another stage: forms, net, plan, llvm or asm"):
        from snsim.engines.torch.recurrent import module_of
    for net in program.shown_nets:
        torch_module = module_of(net)
        echo(str(torch_module))
        parameters = [(name, tuple(value.shape)) for name, value in torch_module.named_parameters()]
        width = max((len(name) for name, _ in parameters), default=0)
        for name, shape in parameters:
            echo(f"  {name.ljust(width)}  {shape_text(shape)}")


def print_ir(program: Program) -> None:
    """Print the LLVM IR of the native engine for the first stage of each training of the file."""
    _print_code(program, assembly=False)


def print_assembly(program: Program) -> None:
    """Print the same code as assembly for this processor."""
    _print_code(program, assembly=True)


def _print_code(program: Program, assembly: bool) -> None:
    from snsim.training.choose_engine import native_code

    for training in program.own_trainings:
        echo(native_code(training, training.stages[0], "float32", assembly))
    if not program.own_trainings:
        raise fail(
            f"{program.sources[0].name} declares no training, and the code of an engine depends on the training",
            hint="(train NAME clause ...) declares one",
        )


def check_line(file: str, program: Program) -> str:
    """Return the line for a program without errors: what it declares, and the counts of its nets."""
    nets = program.shown_nets
    trainings = program.own_trainings
    parts = [cut(_count_text(net)) for net in nets] if len(nets) <= _MOST_COUNTED else [f"{len(nets)} nets"]
    if trainings:
        parts.append(f"{len(trainings)} training{'' if len(trainings) == 1 else 's'}")
    need = max((_memory_of(net, program) for net in nets), default=0)
    if need >= _MUCH:
        parts.append(f"a run would need {size_text(need)} of memory")
    return f"{for_line(file)}: {'; '.join(parts) or 'no net, no training'}; no faults"


def _print_net(net: Net, training: Training | None) -> None:
    from snsim.plots import connection_text

    out = sys.stdout
    place = "" if net.span is None else paint(f"   {for_line(net.span.source.name)}:{net.span.line}", DIM, stream=out)
    echo(paint(f"net {net.name}", BOLD, stream=out) + place + "\n")
    _print_table(net, training)
    echo("\n" + connection_text.describe_connections(net) + "\n")
    drawn = connection_text.drawn_tables(net)
    if drawn:
        echo(drawn + "\n")
    if any(clause.word == "expect" for clause in net.clauses):
        echo(paint("expect holds: the counts above are those in the description", DIM, stream=out) + "\n")


def _print_table(net: Net, training: Training | None) -> None:
    from snsim.reports.tables import plain, summary

    text = plain(summary(net, training), with_rates=training is not None)
    head, *body, total = text.split("\n")
    echo("\n".join([paint(head, BOLD, stream=sys.stdout), *body, paint(total, BOLD, stream=sys.stdout)]))


def _memory_of(net: Net, program: Program) -> int:
    """Return the bytes that a run of a net would need; an estimate if the program has no training of it."""
    from snsim.training.memory_need import net_memory, run_memory

    needs = [run_memory(training) for training in program.own_trainings if training.net is net]
    return max(needs) if needs else net_memory(net)


def _memory_warnings(program: Program, memory: int | None) -> list[Fault]:
    """Return a warning for each net whose run would be refused because of its memory."""
    limit = default_limit() if memory is None else memory
    warnings = []
    for net in program.shown_nets:
        need = _memory_of(net, program)
        if limit is not None and need > limit:
            warnings.append(
                Fault(
                    f"a run of net {net.name} would need {size_text(need)} of memory, and the limit is "
                    f"{size_text(limit)}",
                    net.span,
                    hint=f"`snsim run --memory {whole_gigabytes(need)}` allows it if the machine has that much; "
                    "or make its layers smaller",
                    severity="warning",
                )
            )
    return warnings


def _refuse_large(program: Program, stage: str, memory: int | None) -> None:
    faults = [
        replace(fault, severity="error", message=f"--stage {stage} needs as much memory as a run: {fault.message}")
        for fault in _memory_warnings(program, memory)
    ]
    if faults:
        raise SnError([replace(fault, hint=fault.hint.replace("snsim run", "snsim show")) for fault in faults])


def _training_of(program: Program, net: Net) -> Training | None:
    return next((t for t in program.own_trainings if t.net is net), None)


def _painted_form(form: str) -> str:
    """Return a form with its comments dimmed; a `;` inside a string starts no comment."""
    lines = []
    for line in form.split("\n"):
        text, mark, comment = line.rpartition("  ; ")
        lines.append(text + paint(mark + comment, DIM, stream=sys.stdout) if mark and '"' not in comment else line)
    return "\n".join(lines)


def _count_text(net: Net) -> str:
    counts = net.counts
    return f"net {net.name}, {counts.units:,} units, {counts.connections:,} connections, {counts.weights:,} weights"
