"""The command line: `snsim run | reproduce | show | check | compare | repl | fmt | list | help | data | lsp ...`.

Commands only read their options, call one function and print. What is heavy (torch, rich, the language) is imported
by the command that needs it, so that `snsim --help` and `snsim check` answer at once. Exit codes: 0; 1 a fault in
the program or the data, or what was compared differs; 2 a wrong call; 70 a fault of snsim; 130 interrupted; 141 nobody
reads the output any more.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Sequence, TextIO

import click

from snsim import __version__, workbench
from snsim.doors.codes import BROKEN_PIPE, FAULT, INTERRUPTED, OWN_FAULT, USAGE
from snsim.doors.convert import convert
from snsim.doors.options import Percent, Whole, of_runs, presets
from snsim.doors.plot import plot
from snsim.doors.report import report as report_command
from snsim.doors.terminal import is_terminal, painted_fault
from snsim.errors import Fault, SnError

if TYPE_CHECKING:
    from snsim.program import Program

NEW_RUN_ONLY = ("passes", "seeds", "engine", "dtype", "data", "initial", "only", "out", "settings",
                "kernel", "fast", "steps", "pictures", "windows")  # not with --resume


class InOrder(click.Group):
    """A group whose help lists the commands as they stand in this file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, invoke_without_command=True,
             context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="snsim %(version)s")
@click.pass_context
def cli(context: click.Context) -> int | None:
    """Networks described in SN's Lisp: checked, shown and trained. Alone on a terminal, snsim is a prompt.

    \b
    snsim check nets/lecun89.sn     every fault of the description, or its counts
    snsim show  nets/lecun89.sn     layers, connections, tables, every default
    snsim run   nets/lecun89.sn     train it
    """
    if context.invoked_subcommand is not None:
        return None
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise click.exceptions.NoArgsIsHelpError(context)
    from snsim.repl.start import start

    return start(None, {})


@cli.command(short_help="Train what a file declares.")
@click.argument("file", required=False)
@of_runs
@click.option("--out", type=click.Path(path_type=Path), help="Folder in which run folders are made. [default: runs]")
@click.option("--kernel", type=click.Choice(["sn28", "sn28ite", "sn28new", "sn28itenew"]),
              help="Kernel of SN-2.8 for a program that chooses none. [default: the first that has its words]")
@click.option("--fast", is_flag=True,
              help="Add the sums of an SN-2.8 program in another order: faster, and the last digits change.")
@click.option("--steps", type=Whole(min=1), metavar="N", help="Steps that the Lisp may take. [default: 30 million]")
@click.option("--pictures", type=click.Choice(["svg", "png", "none"]),
              help="Files in which the windows of a program are saved. [default: svg]")
@click.option("--windows", is_flag=True, help="Show the windows of a program while it runs.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a stopped run.")
@click.option("--tensorboard", type=click.Path(path_type=Path), metavar="DIR", help="Write event files there, too.")
def run(file: str | None, **options: object) -> int:
    """Train what FILE declares, in order: each training, each of its seeds.

    A program in the words of SN-2.8 trains by itself when it is read; it prints as it goes, and what it writes goes
    into a run folder of its name.
    """
    from snsim.doors import acting
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
    view, say = choose_view(as_json, quiet, options["tensorboard"]), run_door.sayer(as_json, quiet)  # type: ignore[arg-type]
    if file is None:
        return run_door.resume_run(Path(str(resumed)), run_options, view, say)
    port = sys.stderr if as_json or quiet else sys.stdout
    program = acting.read_acting(file, run_options, options, port, say)
    report(program.warnings)
    return run_door.run_file(program, run_options, options["seeds"], options["only"], view, say)  # type: ignore[arg-type]


@cli.command(short_help="Run studies, all seeds, over the cores or a cluster, and report.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@of_runs
@click.option("--seeds", "count", type=Whole(min=1), metavar="N", help="Seeds 1 to N, instead of those described.")
@click.option("--jobs", type=Whole(min=1), metavar="N", help="Runs at once. [default: the number of cores]")
@click.option("--cluster", metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")
@click.option("--base", metavar="NAME", help="Tell the differences of each row from this one, seed by seed.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder that keeps the runs. [default: runs/reproduced]")
@click.option("--report", "page", type=click.Path(path_type=Path), metavar="FILE.md",
              help="The report, as JSON beside it. [default: in the folder of --out]")
def reproduce(files: Sequence[str], **options: object) -> int:
    """Run every training of each FILE with all its seeds, and write a report: means and deviations over the seeds
    beside the published figures.

    Runs that are finished already are taken, one that was stopped or killed goes on: the same command again ends what
    an earlier one began.
    """
    from snsim.doors import reproduce as reproduce_door

    if options["count"] and options["seeds"]:
        raise click.UsageError("--seeds N means seeds 1 to N: it does not go together with --seed")
    if options["cluster"] and options["jobs"]:
        raise click.UsageError("--cluster has as many workers as it has: it does not go together with --jobs")
    values = presets(options["settings"])  # type: ignore[arg-type]
    run_options, order, say = reproduce_door.asked_for(options, values)
    programs = [_read(file, values) for file in dict.fromkeys(files)]
    return reproduce_door.reproduce_files(programs, run_options, order, say)


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


@cli.command(short_help="Hold a training against hand-coded PyTorch, or engines against each other.")
@click.argument("file")
@click.argument("module", required=False, metavar="[FILE.py:Class]")
@click.option("--presentations", type=Whole(min=1), metavar="N", default=500, show_default=True,
              help="How many presentations both learn.")
@click.option("--tolerance", type=float, metavar="X", default=1e-5, show_default=True,
              help="What numbers may differ by.")
@click.option("--only", metavar="NAME", help="The training, where FILE declares several.")
@click.option("--sgd", type=float, metavar="RATE", help="Both learn by plain gradient descent, at this rate.")
@click.option("--mapping", type=click.Path(path_type=Path), metavar="FILE.json",
              help='Parameters whose names differ: {"h1.bias": "conv1.bias"}.')
@click.option("--seed", type=Whole(min=0), metavar="N", help="Seed. [default: the first of the training]")
@click.option("--engine", metavar="NAME", help="Engine that computes; `snsim list engine` names them.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True,
              help="Precision of both.")
@click.option("--data", "data", multiple=True, metavar="NAME", help="Data set; repeat it in order of preference.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--initial", type=click.Path(path_type=Path), help="Initial weights from an npz or safetensors file.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Value for a (defvar NAME ...).")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each two that are compared.")
def compare(file: str, module: str | None, **options: object) -> int:
    """Hold the training of FILE against a module that was coded by hand in PyTorch, or, without one, the engines
    against each other: same initial weights, patterns, order, shifts, dropout, cost and rates. FILE.py is executed.

    Tells by layer the largest difference of states, gradients and weights, the first presentation and layer that
    differ, and the speed of both. Exit code 1 where they differ.

    Parameters are matched by name (h1.bias: h1_bias, h1.bias), then by shape, or by --mapping. What the class has of
    `cost(outputs, targets)` and `configure_optimizers()` is its own; otherwise cost and rule are those of the training.
    Its calls of dropout, in order, are given what the training drops; states and cost are compared with nothing
    dropped.
    """
    from snsim.doors import compare as compare_door
    from snsim.doors.run import options_from

    if module is None and options["mapping"]:
        raise click.UsageError("--mapping is for a module: name a FILE.py:Class")
    set_values = presets(options["settings"])  # type: ignore[arg-type]
    chosen = options_from({**options, "passes": None, "out": None}, set_values)
    program = _read(file, set_values)
    return compare_door.compare_file(program, module, chosen, options, bool(options["as_json"]))


@cli.command(short_help="Say how many patterns a run must reject to be right on the rest.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--error", type=Percent(), default="1%", show_default=True, help="Errors that the rest may have.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the curves: FILE.png or FILE.svg.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder in which data are looked for first.")
@click.option("--offline", is_flag=True, help="Never look for data on the network.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def reject(run: Path, error: float, plot: Path | None, data_dir: Path | None, offline: bool, as_json: bool) -> None:
    """Say how many patterns the run folder RUN must reject for few errors on the rest.

    A pattern is rejected if the difference between the two most active outputs is below a threshold (LeCun et al.
    1989), which is chosen on the test patterns, as in that paper, and on the training patterns.
    """
    from snsim.doors.reject import print_rejection
    from snsim.doors.run import sayer

    print_rejection(run, error, as_json, plot, data_dir, not offline, sayer(as_json, False))


cli.add_command(plot)
cli.add_command(report_command)
cli.add_command(convert)


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


for _command in workbench.COMMANDS:
    cli.add_command(_command)


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
    return f"{context.command_path} --help" if context is not None and context.parent is not None else "snsim --help"


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
