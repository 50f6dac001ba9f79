"""`snsim list` and `snsim help`: the names there are, and what each is."""

from __future__ import annotations

import click

from snsim.colour import echo


@click.command(name="list")
@click.argument("kind", required=False)
def list_names(kind: str | None) -> None:
    """List every name that means something, or those of one KIND, with a line of help each."""
    from snsim.cli.main import COMMANDS
    from snsim.glossary import names
    from snsim.registry import Entry

    commands = [Entry(name, line, None) for name, (_, line) in COMMANDS.items()]
    echo(names.listing(kind, (names.Kind("command", "commands", lambda: [*commands]),)))


@click.command(name="help")
@click.argument("name", required=False)
@click.pass_context
def help_name(context: click.Context, name: str | None) -> None:
    """Say what NAME is: its syntax, what it does, its options."""
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
        echo(names.explain(name))
