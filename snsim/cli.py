"""The command line: `snsim run | show | check | list | help | data`.

Commands only read their options, call one function and print. What is heavy (torch, rich, the language) is imported
by the command that needs it, so that `snsim --help` and `snsim check` answer at once. Exit codes: 0; 1 a fault in
the program or the data; 2 a wrong call; 70 a fault of snsim; 130 interrupted; 141 nobody reads the output any more.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence, TextIO

import click

from snsim import __version__
from snsim.doors.codes import BROKEN_PIPE, FAULT, INTERRUPTED, OWN_FAULT, USAGE
from snsim.doors.terminal import painted_fault
from snsim.errors import Fault, SnError

if TYPE_CHECKING:
    from snsim.program import Program

NEW_RUN_ONLY = ("passes", "seeds", "engine", "dtype", "data", "initial", "only", "out", "settings")  # not with --resume


class InOrder(click.Group):
    """A group whose help lists the commands as they stand in this file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class Whole(click.IntRange):
    """A whole number that is not below `min`, and is called so where it is none."""

    name = "whole number"


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="snsim %(version)s")
def cli() -> None:
    """Networks described in SN's Lisp: checked, shown and trained.

    \b
    snsim check nets/lecun89.sn     every fault of the description, or its counts
    snsim show  nets/lecun89.sn     layers, connections, tables, every default
    snsim run   nets/lecun89.sn     train it
    """


@cli.command(short_help="Train what a file declares.")
@click.argument("file", required=False)
@click.option("--passes", type=Whole(min=1), metavar="N", help="Passes over the training set, instead of (passes N).")
@click.option("--seed", "seeds", type=Whole(min=0), metavar="N", multiple=True, help="Seed; may be repeated.")
@click.option("--engine", metavar="NAME", help="Engine that computes; `snsim list engine` names them.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), help="Precision of the engine. [default: float32]")
@click.option("--data", "data", multiple=True, metavar="NAME", help="Data set; repeat it in order of preference.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--initial", type=click.Path(path_type=Path), help="Initial weights from an npz or safetensors file.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this training only; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder in which run folders are made. [default: runs]")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a stopped run.")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
@click.option("--quiet", is_flag=True, help="Print the result only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def run(file: str | None, **options: object) -> int:
    """Train what FILE declares, in order: each training, each of its seeds."""
    from snsim.doors import run as run_door
    from snsim.doors.view import choose_view

    resumed, as_json, quiet = options["resume"], bool(options["as_json"]), bool(options["quiet"])
    if file is None and resumed is None:
        raise click.UsageError("name a FILE to run, or --resume RUN to go on with a run (its folder has the source)")
    if file is not None and resumed is not None:
        raise click.UsageError(f"--resume takes its source from the run folder: {file} and --resume do not go together")
    stated = sorted(name for name in NEW_RUN_ONLY if options[name])
    if resumed is not None and stated:
        raise click.UsageError(f"--resume takes everything from the run folder, and so no --{_option_name(stated[0])}")
    set_values = presets(options["settings"])  # type: ignore[arg-type]
    run_options = run_door.options_from(options, set_values)
    view, say = choose_view(as_json, quiet), run_door.sayer(as_json, quiet)
    if file is None:
        return run_door.resume_run(Path(str(resumed)), run_options, view, say)
    program = _read(file, set_values, sys.stderr if as_json or quiet else sys.stdout)
    return run_door.run_file(program, run_options, options["seeds"], options["only"], view, say)  # type: ignore[arg-type]


@cli.command(short_help="Show nets: layers, connections, tables, every default.")
@click.argument("file")
@click.option("--stage", type=click.Choice(["forms", "net", "plan", "torch", "llvm", "asm"]),
              help="One stage on the way from text to engine, instead of the overview.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
def show(file: str, stage: str | None, settings: Sequence[str]) -> None:
    """Show the nets of FILE: layers, connections, tables, and every clause with its origin.

    \b
    --stage forms   the text as it was read
    --stage net     complete forms, no overview; reads back as the same forms
    --stage plan    parameters and order of work
    --stage torch   the PyTorch module
    --stage llvm    the LLVM IR by which the native engine learns, in float32, pattern by pattern: of the first
                    stage of each training
    --stage asm     the same as assembly for this processor
    """
    from snsim.doors import show as show_door

    if stage == "forms":
        show_door.print_forms(file)
        return
    program = _read(file, presets(settings))
    {"net": show_door.print_complete_forms, "plan": show_door.print_plans, "torch": show_door.print_modules,
     "llvm": show_door.print_ir, "asm": show_door.print_assembly, None: show_door.print_overview}[stage](program)


@cli.command(short_help="Report every fault, or counts where there is none.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
def check(files: Sequence[str], settings: Sequence[str]) -> int:
    """Report every fault of every FILE; a line of counts for each that has none."""
    from snsim.doors.show import check_line

    faulty = 0
    for file in files:
        try:
            click.echo(check_line(file, _read(file, presets(settings))))
        except SnError as error:
            faulty += 1
            report(error.faults)
    if faulty and len(files) > 1:
        click.echo(f"{faulty} of {len(files)} files {'has' if faulty == 1 else 'have'} faults", err=True)
    return FAULT if faulty else 0


@cli.command(name="list", short_help="List every name that means something.")
@click.argument("kind", required=False)
def list_names(kind: str | None) -> None:
    """List every name that means something, or those of one KIND, with a line of help each."""
    from snsim.doors import words

    click.echo(words.listing(kind))


@cli.command(name="help", short_help="Say what a name is.")
@click.argument("name", required=False)
@click.pass_context
def help_name(context: click.Context, name: str | None) -> None:
    """Say what NAME is: its syntax, what it does, its options."""
    from snsim.doors import words

    parent = context.find_root()
    if name is None:
        click.echo(parent.get_help())
    elif name in cli.commands:
        command = cli.commands[name]
        with click.Context(command, info_name=name, parent=parent, **cli.context_settings) as inner:
            click.echo(command.get_help(inner))
        if words.is_known(name):
            click.echo("\n" + words.explain(name))
    else:
        click.echo(words.explain(name))


@cli.command(short_help="List the data sets, or describe one.")
@click.argument("name", required=False)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
def data(name: str | None, data_dir: Path | None, offline: bool) -> None:
    """List the data sets and where they are, or describe the data set NAME."""
    from snsim.doors import data as data_door

    click.echo(data_door.overview(data_dir) if name is None else data_door.describe(name, data_dir, offline))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. No fault of a user ends in a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    # NumPy's matrices are small here: threads would cost more than they give, and much more on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _prepare_streams()
    try:
        code = cli.main(given, prog_name="snsim", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        report([Fault(error.format_message(), hint=_usage(error))], as_json)
        return USAGE
    except SnError as error:
        report(error.faults, as_json)
        return FAULT
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        _leave_stdout()
        return BROKEN_PIPE
    except OSError as error:
        if error.filename is not None:  # of a file; what has none is a stream
            _report_own_fault(as_json)
            return OWN_FAULT
        _leave_stdout()
        report([Fault(f"what snsim prints cannot be written: {error.strerror or error}")])
        return FAULT
    except SystemExit as stop:  # click's own: 1 where the pipe broke while a command printed, 0 after completion
        return BROKEN_PIPE if stop.code == 1 else int(stop.code or 0)
    except Exception:
        _report_own_fault(as_json)
        return OWN_FAULT


def report(faults: Sequence[Fault], as_json: bool = False) -> None:
    """Faults on standard error, or, as events, one JSON object a line on standard output."""
    for fault in faults:
        if as_json:
            import json

            click.echo(json.dumps({"event": fault.severity, **fault.as_json()}))
        else:
            click.echo(painted_fault(fault, sys.stderr), err=True)


def presets(settings: Sequence[str]) -> dict[str, float | str]:
    """`--set name=value` options as a dictionary; a value that reads as a number is one."""
    values: dict[str, float | str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set takes NAME=VALUE, not {setting!r}")
        try:
            values[name] = float(text)
        except ValueError:
            values[name] = text
    return values


def _read(file: str, values: Mapping[str, float | str], port: TextIO | None = None) -> Program:
    """The program of a file; what it prints goes to `port` (standard error if none is given), its warnings too."""
    from snsim.program import read_program

    program = read_program(file, presets=values, port=port or sys.stderr)
    report(program.warnings)
    return program


def _option_name(parameter: str) -> str:
    return {"seeds": "seed", "settings": "set"}.get(parameter, parameter)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"snsim {context.info_name} --help" if context is not None and context.parent is not None else "snsim --help"


def _report_own_fault(as_json: bool) -> None:
    import traceback

    text = traceback.format_exc()
    if as_json:
        import json

        click.echo(json.dumps({"event": "error", "severity": "internal", "message": text.strip().split("\n")[-1]}))
    click.echo(f"{text}\nThis is a fault of snsim, not of your program. Please report it with the lines above and "
               f"the command:\n  snsim {shlex.join(sys.argv[1:])}", err=True)


def _prepare_streams() -> None:
    """Streams that take whatever is printed: closed ones lead nowhere, and a character that the encoding of one lacks
    is written as its number."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter does not complain on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
