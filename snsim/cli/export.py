"""`snsim export`: write a net as plain PyTorch, ONNX, a program of torch.export, or object code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snsim.cli.errors import WrongUseError
from snsim.cli.options import memory_option, presets, seconds_option
from snsim.colour import echo
from snsim.escaping import for_line

if TYPE_CHECKING:
    from snsim.export.subject import Subject

_SUFFIXES = {"torch": ".py", "onnx": ".onnx", "pt2": ".pt2", "object": ""}


@click.command()
@click.argument("source", metavar="RUN|FILE.sn|NAME")
@click.option("--to", "form", type=click.Choice(list(_SUFFIXES)), required=True, help="What is written.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PATH", help="Where. [default: NAME here]")
@click.option("--target", metavar="TRIPLE", help="Machine of object code. [default: this one]")
@click.option("--training", metavar="NAME", help="Training, or net, if FILE.sn declares several.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), help="Type of a net of a file. [default: float32]")
@click.option("--data", "data", multiple=True, metavar="NAME", help="Data set of a file; repeat by preference.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@click.option("--best", is_flag=True, help="Weights of the best pass of a run, of (keep best ...), not the last ones.")
@click.option("--offline", is_flag=True, help="Never download data.")
@seconds_option("60")
@memory_option
def export(source: str, form: str, output: Path | None, target: str | None, best: bool, **options: Any) -> None:
    r"""Write the net of a run, or of a file with its initial weights, in a form that needs no snsim.

    A NAME is a run in the folder runs, or else a net of the gallery, with its trained weights if it has some.

    \b
    torch   one page of plain PyTorch: net, cost, update rule, and a main() that trains it on the same
            data. Beside it NAME.pt, the weights of a run, and NAME-data.pt, patterns and initial weights.
    onnx    a model for ONNX Runtime and others (pip install "snsim[onnx]")
    pt2     a program that torch.export.load reads
    object  a folder with object code of the forward pass, a C header, the weights and an example in C

    The export is run at once on the test patterns beside the engine; the largest difference is printed, and the
    command fails if it is more than rounding.
    """
    if target is not None and form != "object":
        raise WrongUseError(f"--target is for object code, not for {form}", "write --to object, or leave it out")
    subject = _subject(source, best, options)
    from snsim.optional_packages import needing
    from snsim.run_folder import folder_name

    stem = folder_name(subject.name).lstrip("-.") or "net"
    path = output or Path(stem + _SUFFIXES[form])
    if form != "object" and path.suffix != _SUFFIXES[form]:
        named = path.with_name(path.stem + _SUFFIXES[form])
        raise WrongUseError(f"-o {path} does not end in {_SUFFIXES[form]}", f"write -o {named}")
    if form == "object":
        from snsim.export.c_object import export_object

        done = export_object(subject, path, target)
    else:
        with needing("torch", what=f"snsim export --to {form}"):
            from snsim.export.graph import export_onnx, export_pt2
            from snsim.export.writing import export_torch
        done = {"torch": export_torch, "onnx": export_onnx, "pt2": export_pt2}[form](subject, path)
    for note in done.notes:
        echo(for_line(note), err=True)
    for file in done.files:
        echo(for_line(file))
    if done.difference is not None:
        echo(f"largest difference {done.difference:.3g} from the engine, {for_line(done.checked_on)}")


def _subject(source: str, best: bool, options: dict[str, Any]) -> Subject:
    from snsim.cli.reading import find_and_report, read_and_report
    from snsim.export.subject import subject_of_program, subject_of_run, subject_of_shipped
    from snsim.input_files import is_folder
    from snsim.runs.opened_run import OpenedRun
    from snsim.runs.options import Options

    def say(sentence: str) -> None:
        echo(for_line(sentence), err=True)

    values = presets(options["settings"])
    named = find_and_report(source, "run", "net")
    path = Path(source) if named.kind == "path" else named.path
    chosen = Options(
        dtype=options["dtype"] or "float32",
        data=tuple(options["data"]),
        data_dir=options["data_dir"],
        online=not options["offline"],
        memory=options["memory"],
        presets=values,
        best=best,
    )
    if is_folder(path):
        given = [name for name in ("training", "dtype", "settings", "data") if options[name]]
        if given:
            raise WrongUseError(
                f"--{given[0].replace('settings', 'set')} is for a file, and {path} is a run",
                "leave it out: the run says which training it is",
            )
        return subject_of_run(OpenedRun.open(path, chosen, say))
    if best:
        raise WrongUseError(f"--best is for a run, and {path} is a file", "leave it out, or name a run")
    program = read_and_report(str(path), values, sys.stderr, options["seconds"])
    if named.weights is not None:
        return subject_of_shipped(program, named.weights, options["training"], chosen, say)
    if named.kind == "net":
        say(f"the gallery has no trained weights of {source}: its initial weights are exported")
    return subject_of_program(program, options["training"], chosen, say)
