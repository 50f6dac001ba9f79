"""The command line: `snsim run | reproduce | show | check | compare | repl | fmt | list | help | data | lsp ...`.

A command reads its options, calls one function and prints. Slow imports (torch, rich, the language) stand inside the
command that needs them, so that `snsim --help` and `snsim check` answer at once.

Exit codes: 0 success; 1 an error in the program or the data, or a comparison that differs; 2 a wrong call; 70 an error
of snsim; 130 interrupted; 141 the output pipe was closed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

import click

from snsim import __version__
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
from snsim.errors import Fault, SnError, tell_warnings
from snsim.escaping import for_shell
from snsim.optional_packages import install_hint
from snsim.registry import suggest

# The module of each command, and its line in the help. A command is imported when it is called, so that help is fast.
COMMANDS = {
    "new": ("snsim.cli.new:new", "Write a starter description, or a copy of a net of the gallery to change."),
    "run": ("snsim.cli.run:run", "Train what a file declares, or a net of the gallery."),
    "reproduce": ("snsim.cli.reproduce:reproduce", "Run studies with all seeds on all cores or a cluster, and report."),
    "show": ("snsim.cli.show:show", "Show nets: layers, connections, tables, every default."),
    "check": ("snsim.cli.show:check", "Report every error of a file, or its counts."),
    "compare": (
        "snsim.cli.compare:compare",
        "Compare a training with hand-written PyTorch, or engines with each other.",
    ),
    "predict": ("snsim.cli.predict:predict", "Apply a trained net to your own pictures or rows."),
    "test": ("snsim.cli.testing:test", "Print loss, misses and confusions of trained nets, also on other data."),
    "play": ("snsim.cli.play:play", "Edit a description in the browser while its net learns beside it."),
    "reject": ("snsim.cli.reject:reject", "Report how many patterns a run must reject for a small error on the rest."),
    "plot": ("snsim.cli.plot:plot", "Draw a run, a net, data or an nlf."),
    "report": ("snsim.cli.report:report", "Write a run as one HTML page."),
    "export": ("snsim.cli.export:export", "Write a net as plain PyTorch, ONNX, or object code."),
    "page": ("snsim.cli.page:page", "Write a page in which a net learns and reads what you draw."),
    "convert": (
        "snsim.cli.convert:convert",
        "Turn a program of SN-2.8 or Lush into declarations, or a net into SN-2.8 calls.",
    ),
    "list": ("snsim.cli.help:list_names", "List the names of the language, the nets of the gallery, or runs."),
    "help": ("snsim.cli.help:help_name", "Explain a name."),
    "data": ("snsim.cli.data:data", "List the data sets, or describe one, or a file or folder of your own."),
    "repl": ("snsim.cli.repl:repl", "Start a prompt: type forms, train, inspect nets."),
    "fmt": ("snsim.cli.fmt:fmt", "Format files."),
    "lsp": ("snsim.cli.editor:lsp", "Run a language server for editors: errors, help, completion."),
    "editor": ("snsim.cli.editor:editor", "Write an extension for VS Code, with colours and the language server."),
}

_KEEP_LINES = ("\\b\n", "\b\n")  # how a raw docstring and click mark a paragraph whose lines are not joined

# The headings of the help and their commands. A command that stands nowhere here is listed under the last heading.
GROUPS = {
    "Describe": ("new", "check", "show", "fmt", "list", "help"),
    "Train": ("run", "reproduce", "data"),
    "Look": ("play", "plot", "report", "reject"),
    "Use": ("predict", "test", "export", "page"),
    "Compare": ("compare",),
    "Old programs": ("convert",),
    "Tools": ("repl", "lsp", "editor"),
}


class Commands(Mapping[str, click.Command]):
    """The commands by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> click.Command:
        place, line = COMMANDS[name]
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        command.short_help = line
        keep_lines(command)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def keep_lines(command: click.Command) -> None:
    r"""Let click see the marks `\b` in the help of a command, which is a raw docstring."""
    command.help = command.help and command.help.replace(*_KEEP_LINES)


class OrderedGroup(click.Group):
    """A group whose help lists the commands under the headings of GROUPS, without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise WrongUseError(
                f'there is no command "{args[0]}"',
                f"write snsim run {for_shell(args[:1])}"
                if args[0].endswith((".sn", ".lsh"))
                else suggest(args[0], list(COMMANDS), "commands"),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        grouped = {name for names in GROUPS.values() for name in names}
        last = list(GROUPS)[-1]
        for heading, names in GROUPS.items():
            others = [name for name in COMMANDS if name not in grouped] if heading == last else []
            rows = [(name.ljust(width), COMMANDS[name][1]) for name in (*names, *others) if name in COMMANDS]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


@click.group(
    cls=OrderedGroup,
    commands=Commands(),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="snsim %(version)s")
@click.pass_context
def cli(context: click.Context) -> int | None:
    r"""Check, show and train neural networks described in SN's Lisp. Without a command, snsim starts a prompt.

    \b
    snsim run lecun89                train a net of the gallery; `snsim list net` shows them all
    snsim new mine --like lecun89    write mine.sn, a description to change
    snsim check mine.sn              every error of the description, or its counts
    snsim show mine.sn               layers, connections, tables, every default
    snsim run mine.sn                train it
    """
    if context.invoked_subcommand is not None:
        return None
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise click.exceptions.NoArgsIsHelpError(context)
    from snsim.cli.repl import repl

    code: int = context.invoke(repl)
    return code


keep_lines(cli)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. No error of a user ends in a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    # NumPy's matrices are small here: threads would cost more than they gain, above all on a busy machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    prepare_streams()
    with warnings.catch_warnings():
        tell_warnings(lambda warning: report([warning], as_json))
        return _run(words, as_json)


def _run(words: list[str], as_json: bool) -> int:
    try:
        if any("\0" in word for word in words):  # only from Python: in a system call a zero byte ends the word
            raise click.UsageError("an argument has a zero byte")
        code = cli.main(words, prog_name="snsim", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        hint = help_hint(error)
        report([Fault(error.format_message(), hint=hint)], as_json)
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
                        f"the output of snsim cannot be written: {error.strerror or error}",
                        hint="free space where standard output goes, or redirect it",
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
                    "there is not enough memory",
                    hint="close other programs, or use a smaller net or fewer patterns",
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
    except SystemExit as stop:  # of click: 1 if the pipe broke while a command printed, 0 after completion
        return BROKEN_PIPE if stop.code == 1 else int(stop.code or 0)
    except Exception:
        report_own_fault(as_json)
        return OWN_FAULT
