"""`snsim list` and `snsim help`: list the names of the language, and explain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from snsim.colour import echo

if TYPE_CHECKING:
    from snsim.glossary.names import Kind


@click.command(name="list")
@click.argument("kind", required=False)
def list_names(kind: str | None) -> None:
    """List every name with a meaning, or those of one KIND, each with a line of help."""
    from snsim.glossary import names

    echo(names.listing(kind, (_commands(),)))


@click.command(name="help")
@click.argument("name", required=False)
@click.pass_context
def help_name(context: click.Context, name: str | None) -> None:
    """Explain NAME: its syntax, what it does, its options."""
    from snsim.glossary import names

    parent = context.find_root()
    if name is None:
        echo(parent.get_help())
        return
    group = parent.command
    assert isinstance(group, click.Group)
    if (command := group.get_command(parent, name)) is not None:
        with click.Context(command, info_name=name, parent=parent, **group.context_settings) as inner:
            echo(command.get_help(inner))
        if names.is_known(name):
            echo("\n" + names.explain(name))
    else:
        echo(names.explain(name, (_commands(),)))


def _commands() -> Kind:
    """Return the commands as a kind of names, which is not known below this room."""
    from snsim.cli.main import COMMANDS
    from snsim.glossary.names import Kind
    from snsim.registry import Entry

    entries: list[Entry[object]] = [Entry(name, line, None) for name, (_, line) in COMMANDS.items()]
    return Kind("command", "commands", lambda: entries)
