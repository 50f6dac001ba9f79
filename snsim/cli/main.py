"""The command line: `snsim run | reproduce | show | check | compare | repl | fmt | list | help | data | lsp ...`.

Commands only read their options, call one function and print. What is heavy (torch, rich, the language) is imported
by the command that needs it, so that `snsim --help` and `snsim check` answer at once. Exit codes: 0; 1 a fault in
the program or the data, or what was compared differs; 2 a wrong call; 70 a fault of snsim; 130 interrupted; 141 nobody
reads the output any more.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

import click

from snsim import __version__
from snsim.cache_folder import tell_warnings
from snsim.cli.errors import (
    WrongUseError,
    help_hint,
    is_output_broken,
    leave_stdout,
    prepare_streams,
    report,
    report_own_fault,
    system_fault,
)
from snsim.cli.exit_codes import BROKEN_PIPE, FAULT, INTERRUPTED, OWN_FAULT, USAGE
from snsim.colour import echo, is_terminal
from snsim.errors import Fault, SnError
from snsim.escaping import for_shell
from snsim.optional_packages import install_hint
from snsim.registry import suggest

# Where each command is, and its line in the help. A command is imported when it is asked for, so that help is quick.
COMMANDS = {
    "run": ("snsim.cli.run:run", "Train what a file declares."),
    "reproduce": ("snsim.cli.reproduce:reproduce", "Run studies, all seeds, over the cores or a cluster, and report."),
    "show": ("snsim.cli.show:show", "Show nets: layers, connections, tables, every default."),
    "check": ("snsim.cli.show:check", "Report every fault, or counts where there is none."),
    "compare": (
        "snsim.cli.compare:compare",
        "Hold a training against hand-coded PyTorch, or engines against each other.",
    ),
    "reject": ("snsim.cli.reject:reject", "Say how many patterns a run must reject to be right on the rest."),
    "plot": ("snsim.cli.plot:plot", "Draw a run, a net, data or an nlf."),
    "report": ("snsim.cli.report:report", "Write a run as one page of HTML."),
    "convert": (
        "snsim.cli.convert:convert",
        "Turn a program of SN-2.8 into declarative text, or a net into its calls.",
    ),
    "list": ("snsim.cli.help:list_names", "List every name that means something."),
    "help": ("snsim.cli.help:help_name", "Say what a name is."),
    "data": ("snsim.cli.data:data", "List the data sets, or describe one, or a file or folder of your own."),
    "repl": ("snsim.cli.repl:repl", "A prompt: type forms, train, look into nets."),
    "fmt": ("snsim.cli.fmt:fmt", "Lay out files in the canonical way."),
    "lsp": ("snsim.cli.editor:lsp", "Answer an editor: faults, help, names (language server)."),
    "editor": ("snsim.cli.editor:editor", "Write what editors colour the language by."),
}


class Commands(Mapping[str, click.Command]):
    """The commands by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> click.Command:
        place, line = COMMANDS[name]
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        command.short_help = line
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class InOrder(click.Group):
    """A group whose help lists the commands as they stand in COMMANDS, and imports none for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise WrongUseError(
                f'there is no command "{args[0]}"',
                f"write snsim run {for_shell(args[:1])}"
                if args[0].endswith(".sn")
                else suggest(args[0], list(COMMANDS), "commands"),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=InOrder,
    commands=Commands(),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="snsim %(version)s")
@click.pass_context
def cli(context: click.Context) -> int | None:
    r"""Networks described in SN's Lisp: checked, shown and trained. Alone on a terminal, snsim is a prompt.

    \b
    snsim check nets/lecun89.sn     every fault of the description, or its counts
    snsim show  nets/lecun89.sn     layers, connections, tables, every default
    snsim run   nets/lecun89.sn     train it
    """
    if context.invoked_subcommand is not None:
        return None
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise click.exceptions.NoArgsIsHelpError(context)
    from snsim.cli.repl import repl

    code: int = context.invoke(repl)
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. No fault of a user ends in a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    # NumPy's matrices are small here: threads would cost more than they give, and much more on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    prepare_streams()
    with warnings.catch_warnings():
        tell_warnings(lambda sentence: report([_cache_warning(sentence)], as_json))
        return _run(given, as_json)


def _cache_warning(sentence: str) -> Fault:
    return Fault(sentence, hint="name a folder of your own with the variable SNSIM_CACHE", severity="warning")


def _run(given: list[str], as_json: bool) -> int:
    try:
        if any("\0" in word for word in given):  # only Python can give one: a system ends each word there
            raise click.UsageError("a zero byte stands in a word of the command")
        code = cli.main(given, prog_name="snsim", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        report([Fault(error.format_message(), hint=help_hint(error))], as_json)
        return USAGE
    except SnError as error:
        report(error.faults, as_json)
        return FAULT
    except (KeyboardInterrupt, click.Abort):
        echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        leave_stdout()
        return BROKEN_PIPE
    except OSError as error:
        if is_output_broken(error):
            leave_stdout()
            report(
                [
                    Fault(
                        f"what snsim prints cannot be written: {error.strerror or error}",
                        hint="make room where standard output goes, or send it elsewhere",
                    )
                ]
            )
        else:
            report([system_fault(error)], as_json)
        return FAULT
    except MemoryError:
        report(
            [
                Fault(
                    "there is not enough memory for this",
                    hint="end other programs, or take a smaller net or fewer patterns",
                )
            ],
            as_json,
        )
        return FAULT
    except ModuleNotFoundError as error:
        package = (error.name or "snsim").split(".")[0]
        if package == "snsim":
            report_own_fault(as_json)
            return OWN_FAULT
        report(
            [Fault(f"snsim needs the package {package}, which is not installed here", hint=install_hint(package))],
            as_json,
        )
        return FAULT
    except SystemExit as stop:  # click's own: 1 where the pipe broke while a command printed, 0 after completion
        return BROKEN_PIPE if stop.code == 1 else int(stop.code or 0)
    except Exception:
        report_own_fault(as_json)
        return OWN_FAULT
