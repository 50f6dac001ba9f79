"""The reference of the command line: one page for each command, from click."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import click
from markdown import block, cell, code, plain, table, toctree

from snsim.cli.main import COMMANDS, GROUPS, cli

EXIT_CODES = (
    ("0", "success"),
    ("1", "a fault in the program or the data, or a difference found by `compare`"),
    ("2", "a wrong call"),
    ("70", "a bug in snsim"),
    ("130", "an interruption"),
)


def command_pages(write: Callable[[str, str | bytes], None]) -> None:
    """Write a page for each command, and the list of them by subject."""
    root = click.Context(cli, info_name="snsim")
    known = {name for names in GROUPS.values() for name in names}
    parts = [
        "# The command line\n\nThis part is generated from the commands: it shows what `snsim COMMAND --help` prints.\n"
    ]
    for heading, names in GROUPS.items():
        others = [name for name in COMMANDS if name not in known] if heading == list(GROUPS)[-1] else []
        rows = [
            [f"[snsim {name}]({name}.md)", cell(COMMANDS[name][1])] for name in (*names, *others) if name in COMMANDS
        ]
        if rows:
            parts.append(f"## {heading}\n\n" + table(["command", ""], rows))
    parts.append("## Exit codes\n\n" + table(["code", "meaning"], [[code(n), text] for n, text in EXIT_CODES]))
    parts.append(toctree(list(COMMANDS), hidden=True))
    write("reference/command-line/index.md", "\n".join(parts))
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        write(f"reference/command-line/{name}.md", _page(command, name, root, 1))


def _page(command: click.Command, name: str, parent: click.Context, level: int) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}"
    parts = [f"{'#' * level} {context.command_path}\n", block(usage), _help(command.help or "")]
    rows = []
    for option in command.get_params(context):
        if isinstance(option, click.Option) and (record := option.get_help_record(context)) is not None:
            rows.append([code(record[0]), cell(record[1])])
    if rows:
        parts.append(table(["option", "meaning"], rows))
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                parts.append(_page(found, inner, context, level + 1))
    return "\n".join(parts)


def _help(text: str) -> str:
    r"""Return the help of a command as Markdown: paragraphs after the mark `\b` are blocks of code."""
    parts = []
    for paragraph in re.split(r"\n[ \t]*\n", inspect.cleandoc(text)):
        kept = re.match(r"\s*(\\b|\x08)[ \t]*\n", paragraph)
        parts.append(block(paragraph[kept.end() :]) if kept else plain(" ".join(paragraph.split())) + "\n")
    return "\n".join(parts)
